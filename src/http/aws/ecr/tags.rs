//! Tags of repositories. Terraform asks for them at every run.

use axum::response::Response;
use serde::{Deserialize, Serialize};

use super::place;
use crate::domain::tag::{self, Tag};
use crate::domain::{Error, Result};
use crate::http::aws::Authenticated;
use crate::http::aws::parameters::input;
use crate::service::{InstanceChoice, RepositoryChoice};

/// The most keys of a call.
const MAX_KEYS: usize = 50;

/// A tag at the wire, whose members begin with capitals.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ResourceTag {
    key: Option<String>,
    value: Option<String>,
}

#[derive(Serialize)]
struct Nothing {}

/// Reads tags that a call gives.
///
/// # Errors
///
/// `InvalidParameter` of `tags`.
pub(super) fn read(tags: Vec<ResourceTag>) -> Result<Vec<Tag>> {
    let read = |tag: ResourceTag| match (tag.key, tag.value) {
        (Some(key), Some(value)) => Ok(Tag { key, value }),
        _ => Err(Error::invalid_parameter(
            "tags",
            "A tag has a Key and a Value.",
        )),
    };
    tags.into_iter().map(read).collect()
}

/// The repository of an ARN.
struct Resource<'a> {
    path: &'a str,
    choice: RepositoryChoice,
}

impl<'a> Resource<'a> {
    /// Reads an ARN, which must be of the caller's own account and of the region that the call is
    /// signed for.
    ///
    /// # Errors
    ///
    /// `MissingParameter`, `InvalidParameter`.
    fn of(call: &Authenticated<'_>, arn: Option<&'a str>) -> Result<Self> {
        let arn = arn.ok_or_else(|| Error::missing_parameter("resourceArn"))?;
        let read = || {
            let (_, path) = arn.strip_prefix("arn:")?.split_once(":repository/")?;
            let (namespace, name) = place::repository(Some(path)).ok()?;
            let choice = place::choice(namespace, name);
            Some(Self { path, choice })
        };
        read()
            .filter(|resource| place::arn_of(call, resource.path).as_deref() == Some(arn))
            .ok_or_else(|| {
                Error::invalid_parameter(
                    "resourceArn",
                    "resourceArn is the repositoryArn of one of the account's repositories.",
                )
            })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OfResource {
    resource_arn: Option<String>,
}

#[derive(Serialize)]
struct Tags {
    tags: Vec<ResourceTag>,
}

pub(in crate::http::aws) async fn list(call: Authenticated<'_>) -> Result<Response> {
    let input: OfResource = input(call.body)?;
    let resource = Resource::of(&call, input.resource_arn.as_deref())?;
    let tags = call
        .service
        .registry
        .repository_tags(call.call, &InstanceChoice::Default, &resource.choice)
        .await
        .map_err(|error| place::worded(call.call, resource.path, error))?;
    let shown = |tag: Tag| ResourceTag {
        key: Some(tag.key),
        value: Some(tag.value),
    };
    call.reply.with(&Tags {
        tags: tags.into_iter().map(shown).collect(),
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Add {
    resource_arn: Option<String>,
    tags: Option<Vec<ResourceTag>>,
}

pub(in crate::http::aws) async fn add(call: Authenticated<'_>) -> Result<Response> {
    let input: Add = input(call.body)?;
    let resource = Resource::of(&call, input.resource_arn.as_deref())?;
    let tags = input.tags.ok_or_else(|| Error::missing_parameter("tags"))?;
    let tags = read(tags)?;
    call.service
        .registry
        .tag_repository(call.call, &InstanceChoice::Default, &resource.choice, &tags)
        .await
        .map_err(|error| place::worded(call.call, resource.path, error))?;
    call.reply.with(&Nothing {})
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Remove {
    resource_arn: Option<String>,
    tag_keys: Option<Vec<String>>,
}

pub(in crate::http::aws) async fn remove(call: Authenticated<'_>) -> Result<Response> {
    let input: Remove = input(call.body)?;
    let resource = Resource::of(&call, input.resource_arn.as_deref())?;
    let keys = input
        .tag_keys
        .ok_or_else(|| Error::missing_parameter("tagKeys"))?;
    check_keys(&keys)?;
    call.service
        .registry
        .untag_repository(call.call, &InstanceChoice::Default, &resource.choice, &keys)
        .await
        .map_err(|error| place::worded(call.call, resource.path, error))?;
    call.reply.with(&Nothing {})
}

/// Checks keys as those of tags that could be there.
fn check_keys(keys: &[String]) -> Result<()> {
    for key in keys {
        tag::check_of_repository("tags", key, "")?;
    }
    if keys.len() <= MAX_KEYS {
        return Ok(());
    }
    Err(Error::invalid_parameter(
        "tagKeys",
        format!("tagKeys has at most {MAX_KEYS} keys."),
    ))
}
