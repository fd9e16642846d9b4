//! Tags of repositories. Terraform asks for them at every run.

use axum::response::Response;
use serde::{Deserialize, Serialize};

use super::place::Target;
use crate::domain::tag::{self, Tag};
use crate::domain::{Error, Result};
use crate::http::aws::Authenticated;
use crate::http::aws::parameters::input;

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
    let target = Target::of_arn(&call, input.resource_arn.as_deref())?;
    let tags = call
        .service
        .registry
        .repository_tags(call.call, &target.registry.instance, &target.choice)
        .await
        .map_err(|error| target.worded(error))?;
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
    let target = Target::of_arn(&call, input.resource_arn.as_deref())?;
    let tags = input.tags.ok_or_else(|| Error::missing_parameter("tags"))?;
    let tags = read(tags)?;
    call.service
        .registry
        .tag_repository(call.call, &target.registry.instance, &target.choice, &tags)
        .await
        .map_err(|error| target.worded(error))?;
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
    let target = Target::of_arn(&call, input.resource_arn.as_deref())?;
    let keys = input
        .tag_keys
        .ok_or_else(|| Error::missing_parameter("tagKeys"))?;
    check_keys(&keys)?;
    call.service
        .registry
        .untag_repository(call.call, &target.registry.instance, &target.choice, &keys)
        .await
        .map_err(|error| target.worded(error))?;
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
