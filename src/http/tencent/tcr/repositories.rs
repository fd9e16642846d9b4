//! Repositories that are recorded.

use axum::response::Response;
use serde::Serialize;

use crate::domain::clock::Timestamp;
use crate::domain::namespace::Visibility;
use crate::domain::repository::{Repository, RepositoryChange};
use crate::domain::{Error, Result};
use crate::service::{Images, NewRepository, Permission, RepositoryFilter, RepositoryOrder};

use super::place::{instance, registry_id, repository};
use crate::http::tencent::pager::Pager;
use crate::http::tencent::{Authenticated, Nothing};

/// The parameters' names, by the use case's.
const NAMES: [(&str, &str); 3] = [
    ("name", "RepositoryName"),
    ("summary", "BriefDescription"),
    ("detail", "Description"),
];

pub(crate) async fn create(
    Authenticated {
        service,
        call,
        mut parameters,
        reply,
        ..
    }: Authenticated<'_>,
) -> Result<Response> {
    let registry_id = registry_id(&mut parameters)?;
    let namespace = parameters.required_text("NamespaceName")?;
    let name = parameters.required_text("RepositoryName")?;
    let new = NewRepository {
        summary: parameters.text("BriefDescription")?.unwrap_or_default(),
        detail: parameters.text("Description")?.unwrap_or_default(),
        ..NewRepository::named(namespace, name)
    };
    parameters.finish()?;
    let made = service
        .registry
        .create_repository(call, &instance(&registry_id)?, new)
        .await;
    made.map_err(|error| error.naming(&NAMES))?;
    reply.with(&Nothing {})
}

pub(crate) async fn modify(
    Authenticated {
        service,
        call,
        mut parameters,
        reply,
        ..
    }: Authenticated<'_>,
) -> Result<Response> {
    let registry_id = registry_id(&mut parameters)?;
    let which = repository(&mut parameters)?;
    let change = RepositoryChange {
        summary: Some(parameters.required_text("BriefDescription")?),
        detail: Some(parameters.required_text("Description")?),
        ..RepositoryChange::default()
    };
    parameters.finish()?;
    let modified = service
        .registry
        .modify_repository(
            call,
            &instance(&registry_id)?,
            &which,
            (Permission::ModifyRepository, &change),
        )
        .await;
    modified.map_err(|error| error.naming(&NAMES))?;
    reply.with(&Nothing {})
}

pub(crate) async fn delete(
    Authenticated {
        service,
        call,
        mut parameters,
        reply,
        ..
    }: Authenticated<'_>,
) -> Result<Response> {
    let registry_id = registry_id(&mut parameters)?;
    let which = repository(&mut parameters)?;
    let images = if parameters.boolean("ForceDelete")?.unwrap_or(true) {
        Images::GoToo
    } else {
        Images::MustBeGone
    };
    parameters.finish()?;
    service
        .registry
        .delete_repository(call, &instance(&registry_id)?, &which, images)
        .await?;
    reply.with(&Nothing {})
}

pub(crate) async fn describe(
    Authenticated {
        service,
        call,
        mut parameters,
        reply,
        ..
    }: Authenticated<'_>,
) -> Result<Response> {
    let registry_id = registry_id(&mut parameters)?;
    let namespace = parameters
        .text("NamespaceName")?
        .filter(|name| !name.is_empty());
    let name = parameters
        .text("RepositoryName")?
        .filter(|name| !name.is_empty());
    let page = Pager::PAGES_FROM_1.take(&mut parameters)?;
    let order = order(parameters.text("SortBy")?.as_deref())?;
    parameters.finish()?;
    let filter = RepositoryFilter {
        namespace: namespace.as_deref(),
        name: name.as_deref(),
        order,
    };
    let listed = service
        .registry
        .repositories(call, &instance(&registry_id)?, filter, page)
        .await?;
    let output = Repositories {
        repository_list: listed.items.iter().map(RepositoryInfo::of).collect(),
        total_count: listed.total,
    };
    reply.with(&output)
}

/// Reads `SortBy`; a field without its minus sorts the other way around.
fn order(sort_by: Option<&str>) -> Result<RepositoryOrder> {
    Ok(match sort_by.unwrap_or_default() {
        "" | "creation_time" => RepositoryOrder::OldestFirst,
        "-creation_time" => RepositoryOrder::NewestFirst,
        "name" => RepositoryOrder::ByName,
        "-name" => RepositoryOrder::ByNameDescending,
        "update_time" => RepositoryOrder::EarliestChangeFirst,
        "-update_time" => RepositoryOrder::LatestChangeFirst,
        _ => {
            return Err(Error::invalid_parameter(
                "SortBy",
                "The parameter `SortBy` is `-creation_time`, `-name` or `-update_time`.",
            ));
        }
    })
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Repositories<'a> {
    repository_list: Vec<RepositoryInfo<'a>>,
    total_count: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct RepositoryInfo<'a> {
    /// `NAMESPACE/NAME`: Terraform compares exactly this.
    name: String,
    namespace: &'a str,
    creation_time: String,
    public: bool,
    description: &'a str,
    brief_description: &'a str,
    update_time: String,
}

impl<'a> RepositoryInfo<'a> {
    fn of(repository: &'a Repository) -> Self {
        Self {
            name: format!("{}/{}", repository.namespace_name, repository.name),
            namespace: &repository.namespace_name,
            creation_time: go_time(repository.created_at),
            public: repository.visibility == Visibility::Public,
            description: &repository.detail,
            brief_description: &repository.summary,
            update_time: go_time(repository.modified_at),
        }
    }
}

/// Writes a time as Go prints it: `2024-12-10 14:30:36.806 +0000 UTC`, without the zeros that end a
/// fraction.
fn go_time(at: Timestamp) -> String {
    let whole = at.rfc3339().replace('T', " ").replace('Z', "");
    let fraction = format!(".{:03}", at.unix_millis().rem_euclid(1000));
    let fraction = fraction.trim_end_matches('0').trim_end_matches('.');
    format!("{whole}{fraction} +0000 UTC")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_as_go_prints_it() {
        for (millis, text) in [
            (1_733_841_036_806, "2024-12-10 14:30:36.806 +0000 UTC"),
            (1_733_841_036_800, "2024-12-10 14:30:36.8 +0000 UTC"),
            (1_733_841_036_006, "2024-12-10 14:30:36.006 +0000 UTC"),
            (1_733_841_036_000, "2024-12-10 14:30:36 +0000 UTC"),
        ] {
            assert_eq!(go_time(Timestamp::from_unix_millis(millis)), text);
        }
    }
}
