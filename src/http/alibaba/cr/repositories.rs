//! Repositories that are recorded.

use axum::response::Response;
use serde::Serialize;

use crate::domain::namespace::Visibility;
use crate::domain::repository::{Repository, RepositoryChange};
use crate::domain::{Error, Result};
use crate::service::{Images, NewRepository, Permission, RepositoryFilter, RepositoryOrder};
use crate::sign::Parameters;

use super::namespaces::{type_name, visibility};
use super::place::{NO_RESOURCE_GROUP, instance, instance_id, repository};
use crate::http::alibaba::pager::Tokens;
use crate::http::alibaba::parameters::boolean;
use crate::http::alibaba::{Authenticated, Nothing, given, required};

/// The parameters' names, by the use case's.
const NAMES: [(&str, &str); 3] = [
    ("name", "RepoName"),
    ("summary", "Summary"),
    ("detail", "Detail"),
];

/// Reads `RepoType`, which is required.
fn repo_type(parameters: &Parameters) -> Result<Visibility> {
    visibility(parameters, "RepoType")?.ok_or_else(|| Error::missing_parameter("RepoType"))
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Created<'a> {
    repo_id: &'a str,
}

pub(crate) async fn create(
    Authenticated {
        service,
        call,
        parameters,
        reply,
        ..
    }: Authenticated<'_>,
) -> Result<Response> {
    let instance_id = instance_id(parameters)?;
    let namespace = required(parameters, "RepoNamespaceName")?;
    let name = required(parameters, "RepoName")?;
    let new = NewRepository {
        visibility: Some(repo_type(parameters)?),
        summary: required(parameters, "Summary")?.to_owned(),
        detail: given(parameters, "Detail").unwrap_or_default().to_owned(),
        tag_immutability: boolean(parameters, "TagImmutability")?.map(Into::into),
        ..NewRepository::named(namespace, name)
    };
    let made = service
        .registry
        .create_repository(call, &instance(instance_id)?, new)
        .await;
    let made = made.map_err(|error| error.naming(&NAMES))?;
    reply.success(Created {
        repo_id: made.id.as_str(),
    })
}

pub(crate) async fn update(
    Authenticated {
        service,
        call,
        parameters,
        reply,
        ..
    }: Authenticated<'_>,
) -> Result<Response> {
    let instance_id = instance_id(parameters)?;
    let which = repository(parameters)?;
    let change = RepositoryChange {
        visibility: Some(repo_type(parameters)?),
        summary: Some(required(parameters, "Summary")?.to_owned()),
        // Sent and empty it takes the old text away; the empty parameter of other actions would be
        // none.
        detail: parameters.get("Detail").map(ToOwned::to_owned),
        tag_immutability: boolean(parameters, "TagImmutability")?.map(Into::into),
        ..RepositoryChange::default()
    };
    let modified = service
        .registry
        .modify_repository(
            call,
            &instance(instance_id)?,
            &which,
            (Permission::ModifyRepository, &change),
        )
        .await;
    modified.map_err(|error| error.naming(&NAMES))?;
    reply.success(Nothing {})
}

pub(crate) async fn delete(
    Authenticated {
        service,
        call,
        parameters,
        reply,
        ..
    }: Authenticated<'_>,
) -> Result<Response> {
    let instance_id = instance_id(parameters)?;
    let which = repository(parameters)?;
    service
        .registry
        .delete_repository(call, &instance(instance_id)?, &which, Images::GoToo)
        .await?;
    reply.success(Nothing {})
}

pub(crate) async fn get(
    Authenticated {
        service,
        call,
        parameters,
        reply,
        ..
    }: Authenticated<'_>,
) -> Result<Response> {
    let instance_id = instance_id(parameters)?;
    let which = repository(parameters)?;
    let repository = service
        .registry
        .repository(call, &instance(instance_id)?, &which)
        .await?;
    let output = Got {
        info: RepositoryInfo::of(&repository, instance_id),
        detail: &repository.detail,
    };
    reply.success(output)
}

pub(crate) async fn list(
    Authenticated {
        service,
        call,
        parameters,
        reply,
        ..
    }: Authenticated<'_>,
) -> Result<Response> {
    let instance_id = instance_id(parameters)?;
    let filter = RepositoryFilter {
        namespace: given(parameters, "RepoNamespaceName"),
        name: given(parameters, "RepoName"),
        order: RepositoryOrder::OldestFirst,
    };
    let part = Tokens::REPOSITORIES.read(parameters)?;
    let none_is_so = match given(parameters, "RepoStatus") {
        None | Some("NORMAL" | "ALL") => false,
        Some("DELETING" | "DELETED") => true,
        Some(_) => {
            return Err(Error::invalid_parameter(
                "RepoStatus",
                "It is NORMAL, DELETING, DELETED or ALL.",
            ));
        }
    };
    // Asked for all the same: a caller who may not list hears that, and not that there are none.
    let listed = service
        .registry
        .repositories(call, &instance(instance_id)?, filter, part.page())
        .await?;
    let (repositories, total) = if none_is_so {
        (Vec::new(), 0)
    } else {
        (listed.items, listed.total)
    };
    let output = Repositories {
        page_no: part.number(),
        page_size: part.size,
        max_results: part.size,
        next_token: Tokens::REPOSITORIES.next(part, total),
        total_count: total.to_string(),
        repositories: repositories
            .iter()
            .map(|repository| RepositoryInfo::of(repository, instance_id))
            .collect(),
    };
    reply.success(output)
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Repositories<'a> {
    page_no: u32,
    page_size: u32,
    max_results: u32,
    next_token: String,
    /// A text, unlike that of instances.
    total_count: String,
    repositories: Vec<RepositoryInfo<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Got<'a> {
    #[serde(flatten)]
    info: RepositoryInfo<'a>,
    detail: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct RepositoryInfo<'a> {
    repo_id: &'a str,
    repo_name: &'a str,
    repo_namespace_name: &'a str,
    instance_id: &'a str,
    repo_type: &'static str,
    repo_status: &'static str,
    /// Nothing is built here: each was recorded by hand.
    repo_build_type: &'static str,
    summary: &'a str,
    tag_immutability: bool,
    /// Unix milliseconds, a number.
    create_time: i64,
    modified_time: i64,
    resource_group_id: &'static str,
}

impl<'a> RepositoryInfo<'a> {
    fn of(repository: &'a Repository, instance_id: &'a str) -> Self {
        Self {
            repo_id: repository.id.as_str(),
            repo_name: &repository.name,
            repo_namespace_name: &repository.namespace_name,
            instance_id,
            repo_type: type_name(repository.visibility),
            repo_status: "NORMAL",
            repo_build_type: "MANUAL",
            summary: &repository.summary,
            tag_immutability: repository.tag_immutability.is_on(),
            create_time: repository.created_at.unix_millis(),
            modified_time: repository.modified_at.unix_millis(),
            resource_group_id: NO_RESOURCE_GROUP,
        }
    }
}
