//! Repositories that are recorded, of the account's default instance.

use axum::response::Response;
use serde::{Deserialize, Serialize};

use super::place::{self, Place};
use crate::domain::repository::Repository;
use crate::domain::{Error, Result};
use crate::http::aws::Authenticated;
use crate::http::aws::parameters::input;
use crate::service::{
    Images, InstanceChoice, NewRepository, Page, Permission, RepositoryFilter, RepositoryOrder,
    Within,
};

/// The most names of a call.
const MAX_NAMES: usize = 100;
/// The repositories of a page, where the call says nothing; and the most.
const USUAL_PAGE: u32 = 100;
const MAX_PAGE: u32 = 1000;
/// The parameters' names, by the use case's.
const NAMES: [(&str, &str); 1] = [("name", "repositoryName")];

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    repository_arn: String,
    registry_id: String,
    repository_name: String,
    repository_uri: String,
    /// Unix seconds, a number.
    created_at: i64,
    image_tag_mutability: &'static str,
    image_scanning_configuration: Scanning,
    encryption_configuration: Encryption,
}

/// Nothing is scanned here.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Scanning {
    scan_on_push: bool,
}

/// ECR's default: the registry alone knows how it keeps images.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Encryption {
    encryption_type: &'static str,
}

impl Shown {
    fn of(place: &Place<'_>, repository: &Repository) -> Self {
        let name = repository.path();
        Self {
            repository_arn: place.arn(&name),
            registry_id: place.registry_id(),
            repository_uri: format!("{}/{name}", place.instance.host_for_ecr()),
            repository_name: name,
            created_at: repository.created_at.unix_seconds(),
            image_tag_mutability: if repository.tag_immutability.is_on() {
                "IMMUTABLE"
            } else {
                "MUTABLE"
            },
            image_scanning_configuration: Scanning {
                scan_on_push: false,
            },
            encryption_configuration: Encryption {
                encryption_type: "AES256",
            },
        }
    }
}

#[derive(Serialize)]
struct One {
    repository: Shown,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Create {
    registry_id: Option<String>,
    repository_name: Option<String>,
    image_tag_mutability: Option<String>,
    tags: Option<Vec<serde::de::IgnoredAny>>,
}

pub(in crate::http::aws) async fn create(call: Authenticated<'_>) -> Result<Response> {
    let input: Create = input(call.body)?;
    place::check_registry(call.call, input.registry_id.as_deref())?;
    let (namespace, name) = place::repository(input.repository_name.as_deref())?;
    let immutability = match input.image_tag_mutability.as_deref() {
        None => None,
        Some("MUTABLE") => Some(false.into()),
        Some("IMMUTABLE") => Some(true.into()),
        Some(_) => {
            return Err(Error::invalid_parameter(
                "imageTagMutability",
                "imageTagMutability is MUTABLE or IMMUTABLE here.",
            ));
        }
    };
    if input.tags.is_some_and(|tags| !tags.is_empty()) {
        return Err(Error::unsupported(
            "Repositories have no tags here; leave tags out.",
        ));
    }
    let new = NewRepository {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        visibility: None,
        summary: String::new(),
        detail: String::new(),
        tag_immutability: immutability,
    };
    let registry = &call.service.registry;
    let made = registry
        .create_repository(call.call, &InstanceChoice::Default, new)
        .await
        .map_err(|error| error.naming(&NAMES))?;
    let within = Within::Repository { namespace, name };
    let place = Place::of(&call, within, Permission::CreateRepository).await?;
    call.reply.with(&One {
        repository: Shown::of(&place, &made),
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Delete {
    registry_id: Option<String>,
    repository_name: Option<String>,
    force: Option<bool>,
}

pub(in crate::http::aws) async fn delete(call: Authenticated<'_>) -> Result<Response> {
    let input: Delete = input(call.body)?;
    place::check_registry(call.call, input.registry_id.as_deref())?;
    let (namespace, name) = place::repository(input.repository_name.as_deref())?;
    let images = if input.force == Some(true) {
        Images::GoToo
    } else {
        Images::MustBeGone
    };
    let within = Within::Repository { namespace, name };
    let place = Place::of(&call, within, Permission::DeleteRepository).await?;
    let which = place::choice(namespace, name);
    let registry = &call.service.registry;
    let default = &InstanceChoice::Default;
    let repository = registry.repository(call.call, default, &which).await?;
    registry
        .delete_repository(call.call, default, &which, images)
        .await?;
    call.reply.with(&One {
        repository: Shown::of(&place, &repository),
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Describe {
    registry_id: Option<String>,
    repository_names: Option<Vec<String>>,
    next_token: Option<String>,
    max_results: Option<u32>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Described {
    repositories: Vec<Shown>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

pub(in crate::http::aws) async fn describe(call: Authenticated<'_>) -> Result<Response> {
    let input: Describe = input(call.body)?;
    place::check_registry(call.call, input.registry_id.as_deref())?;
    if let Some(names) = &input.repository_names {
        let repositories = named(&call, names).await?;
        return call.reply.with(&Described {
            repositories,
            next_token: None,
        });
    }
    let (offset, size) = page(&input)?;
    let filter = RepositoryFilter {
        namespace: None,
        name: None,
        order: RepositoryOrder::OldestFirst,
    };
    let page = Page {
        offset,
        limit: Some(size),
    };
    let listed = call
        .service
        .registry
        .repositories(call.call, &InstanceChoice::Default, filter, page)
        .await?;
    let place = Place::of(&call, Within::Instance, Permission::ListRepositories).await?;
    let next = offset.saturating_add(size);
    call.reply.with(&Described {
        repositories: listed
            .items
            .iter()
            .map(|repository| Shown::of(&place, repository))
            .collect(),
        next_token: (u64::from(next) < listed.total).then(|| next.to_string()),
    })
}

/// Returns the repositories of these names, in their order.
async fn named(call: &Authenticated<'_>, names: &[String]) -> Result<Vec<Shown>> {
    if !(1..=MAX_NAMES).contains(&names.len()) {
        return Err(Error::invalid_parameter(
            "repositoryNames",
            format!("repositoryNames has 1 to {MAX_NAMES} names."),
        ));
    }
    let mut shown = Vec::with_capacity(names.len());
    for path in names {
        let (namespace, name) = place::repository(Some(path))?;
        let which = place::choice(namespace, name);
        let default = &InstanceChoice::Default;
        let registry = &call.service.registry;
        let found = registry.repository(call.call, default, &which).await?;
        let within = Within::Repository { namespace, name };
        let place = Place::of(call, within, Permission::DescribeRepository).await?;
        shown.push(Shown::of(&place, &found));
    }
    Ok(shown)
}

/// Returns how many repositories come before the page, and how many are in it at most.
fn page(input: &Describe) -> Result<(u32, u32)> {
    let size = input.max_results.unwrap_or(USUAL_PAGE);
    if !(1..=MAX_PAGE).contains(&size) {
        return Err(Error::invalid_parameter(
            "maxResults",
            format!("maxResults is 1 to {MAX_PAGE}."),
        ));
    }
    let offset = match input.next_token.as_deref() {
        None => 0,
        Some(token) => Some(token)
            .filter(|token| token.bytes().all(|byte| byte.is_ascii_digit()))
            .and_then(|token| token.parse().ok())
            .ok_or_else(|| {
                Error::invalid_parameter(
                    "nextToken",
                    "nextToken is one of an answer to DescribeRepositories.",
                )
            })?,
    };
    Ok((offset, size))
}
