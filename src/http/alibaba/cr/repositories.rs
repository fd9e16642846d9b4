//! Repositories that are recorded.

use axum::response::Response;
use serde::Serialize;

use crate::domain::namespace::Visibility;
use crate::domain::repository::{Repository, RepositoryChange};
use crate::domain::{Error, Result};
use crate::service::{Images, NewRepository, Page, RepositoryChoice, RepositoryFilter, RepositoryOrder};
use crate::sign::Parameters;

use super::namespaces::{
    NO_RESOURCE_GROUP, Nothing, Paging, boolean, count, instance, instance_id, required, respond, type_name, visibility,
};
use crate::http::alibaba::{Proved, given};
use crate::http::operation::operations;

operations! {
    #[expect(clippy::enum_variant_names, reason = "the names are the vendor's")]
    "cr": CreateRepository, GetRepository, ListRepository, UpdateRepository, DeleteRepository
}

/// The names at this door of what a repository has.
const NAMES: [(&str, &str); 3] = [("name", "RepoName"), ("summary", "Summary"), ("detail", "Detail")];

impl Operation {
    /// Runs the operation for a proved caller.
    pub(in super::super) async fn run(self, call: Proved<'_>) -> Result<Response> {
        match self {
            Self::CreateRepository => create(call).await,
            Self::GetRepository => get(call).await,
            Self::ListRepository => list(call).await,
            Self::UpdateRepository => update(call).await,
            Self::DeleteRepository => delete(call).await,
        }
    }
}

/// Reads which repository is meant: `RepoId` comes before the two names.
fn choice(parameters: &Parameters) -> Result<RepositoryChoice> {
    if let Some(id) = given(parameters, "RepoId") {
        // A malformed id can't name a repository; it is answered as one that isn't there.
        return Ok(RepositoryChoice::WithId(id.parse()?));
    }
    let name = given(parameters, "RepoName");
    let namespace = given(parameters, "RepoNamespaceName");
    match (namespace, name) {
        (Some(namespace), Some(name)) => Ok(RepositoryChoice::Named { namespace: namespace.to_owned(), name: name.to_owned() }),
        (None, Some(_)) => Err(Error::missing_parameter("RepoNamespaceName")),
        (Some(_), None) => Err(Error::missing_parameter("RepoName")),
        (None, None) => Err(Error::missing_parameter("RepoId")),
    }
}

/// Reads `RepoType`, which is required.
fn repo_type(parameters: &Parameters) -> Result<Visibility> {
    visibility(parameters, "RepoType")?.ok_or_else(|| Error::missing_parameter("RepoType"))
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Created<'a> {
    repo_id: &'a str,
}

async fn create(Proved { service, caller, parameters, visit }: Proved<'_>) -> Result<Response> {
    let instance_id = instance_id(parameters)?;
    let new = NewRepository {
        namespace: required(parameters, "RepoNamespaceName")?.to_owned(),
        name: required(parameters, "RepoName")?.to_owned(),
        visibility: Some(repo_type(parameters)?),
        summary: required(parameters, "Summary")?.to_owned(),
        detail: given(parameters, "Detail").unwrap_or_default().to_owned(),
        tag_immutability: boolean(parameters, "TagImmutability")?.map(Into::into),
    };
    let made = service.create_repository(caller, &instance(instance_id)?, new, &visit.context).await;
    let made = made.map_err(|error| error.naming(&NAMES))?;
    respond("CreateRepositoryResponse", Created { repo_id: made.id.as_str() }, visit)
}

async fn update(Proved { service, caller, parameters, visit }: Proved<'_>) -> Result<Response> {
    let instance_id = instance_id(parameters)?;
    let which = choice(parameters)?;
    let change = RepositoryChange {
        visibility: Some(repo_type(parameters)?),
        summary: Some(required(parameters, "Summary")?.to_owned()),
        // Sent and empty it takes the old text away; the empty parameter of other actions would be none.
        detail: parameters.get("Detail").map(ToOwned::to_owned),
        tag_immutability: boolean(parameters, "TagImmutability")?.map(Into::into),
    };
    let modified = service.modify_repository(caller, &instance(instance_id)?, &which, &change, &visit.context).await;
    modified.map_err(|error| error.naming(&NAMES))?;
    respond("UpdateRepositoryResponse", Nothing {}, visit)
}

async fn delete(Proved { service, caller, parameters, visit }: Proved<'_>) -> Result<Response> {
    let instance_id = instance_id(parameters)?;
    let which = choice(parameters)?;
    service.delete_repository(caller, &instance(instance_id)?, &which, Images::GoToo, &visit.context).await?;
    respond("DeleteRepositoryResponse", Nothing {}, visit)
}

async fn get(Proved { service, caller, parameters, visit }: Proved<'_>) -> Result<Response> {
    let instance_id = instance_id(parameters)?;
    let which = choice(parameters)?;
    let repository = service.repository(caller, &instance(instance_id)?, &which, &visit.context).await?;
    let output = Got { info: RepositoryInfo::of(&repository, instance_id), detail: &repository.detail };
    respond("GetRepositoryResponse", output, visit)
}

/// How many come after `MaxResults` or `NextToken`, which take priority over `PageNo` and `PageSize`.
struct Asked {
    offset: u32,
    size: u32,
}

impl Asked {
    fn read(parameters: &Parameters) -> Result<Self> {
        // Read in any case: a wrong one is never taken in silence.
        let paging = Paging::read(parameters)?;
        let most = count(parameters, "MaxResults", Paging::LARGEST)?;
        let after = given(parameters, "NextToken").map(offset_of).transpose()?;
        if most.is_none() && after.is_none() {
            let page = paging.page();
            return Ok(Self { offset: page.offset, size: paging.size });
        }
        Ok(Self { offset: after.unwrap_or(0), size: most.unwrap_or(Paging::LARGEST) })
    }

    /// Returns what to ask for next; empty after the last page.
    fn next_token(&self, total: u64) -> String {
        let next = self.offset.saturating_add(self.size);
        if u64::from(next) < total { format!("after-{next}") } else { String::new() }
    }
}

/// Reads a token: how many come before what it asks for.
fn offset_of(token: &str) -> Result<u32> {
    let digits = token.strip_prefix("after-").filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
    let unknown = || Error::invalid_parameter("NextToken", "It is a NextToken of an answer to ListRepository.");
    digits.and_then(|digits| digits.parse().ok()).ok_or_else(unknown)
}

async fn list(Proved { service, caller, parameters, visit }: Proved<'_>) -> Result<Response> {
    let instance_id = instance_id(parameters)?;
    let filter = RepositoryFilter {
        namespace: given(parameters, "RepoNamespaceName"),
        name: given(parameters, "RepoName"),
        order: RepositoryOrder::OldestFirst,
    };
    let asked = Asked::read(parameters)?;
    let none_is_so = match given(parameters, "RepoStatus") {
        None | Some("NORMAL" | "ALL") => false,
        Some("DELETING" | "DELETED") => true,
        Some(_) => return Err(Error::invalid_parameter("RepoStatus", "It is NORMAL, DELETING, DELETED or ALL.")),
    };
    let page = Page { offset: asked.offset, limit: Some(asked.size) };
    // Asked for all the same: whoever may not list hears that, and not that there are none.
    let listed = service.repositories(caller, &instance(instance_id)?, filter, page, &visit.context).await?;
    let (repositories, total) = if none_is_so { (Vec::new(), 0) } else { (listed.items, listed.total) };
    let output = Repositories {
        page_no: (asked.offset / asked.size).saturating_add(1),
        page_size: asked.size,
        max_results: asked.size,
        next_token: asked.next_token(total),
        total_count: total.to_string(),
        repositories: repositories.iter().map(|repository| RepositoryInfo::of(repository, instance_id)).collect(),
    };
    respond("ListRepositoryResponse", output, visit)
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
    /// What is recorded was recorded by somebody.
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
