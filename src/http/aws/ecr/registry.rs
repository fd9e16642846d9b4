//! The registry as a whole, and the tags of what is in it.

use axum::response::Response;
use serde::{Deserialize, Serialize};

use super::place::{self, Place};
use crate::domain::{Error, Result};
use crate::http::aws::Authenticated;
use crate::http::aws::parameters::input;
use crate::service::{Permission, Within};

#[derive(Deserialize)]
struct Nothing {}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Registry {
    registry_id: String,
    replication_configuration: Replication,
}

/// Nothing is copied from here.
#[derive(Serialize)]
struct Replication {
    rules: [(); 0],
}

pub(in crate::http::aws) async fn describe(call: Authenticated<'_>) -> Result<Response> {
    let Nothing {} = input(call.body)?;
    let place = Place::of(&call, Within::Instance, Permission::ListSyncRules).await?;
    call.reply.with(&Registry {
        registry_id: place.registry_id(),
        replication_configuration: Replication { rules: [] },
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OfResource {
    resource_arn: Option<String>,
}

#[derive(Serialize)]
struct Tags {
    tags: [(); 0],
}

/// Lists the tags of a repository, of which it has none here. Terraform asks at every run.
pub(in crate::http::aws) async fn list_tags(call: Authenticated<'_>) -> Result<Response> {
    let input: OfResource = input(call.body)?;
    let arn = input
        .resource_arn
        .ok_or_else(|| Error::missing_parameter("resourceArn"))?;
    let read = || {
        let (_, path) = arn.strip_prefix("arn:")?.split_once(":repository/")?;
        let (namespace, name) = place::repository(Some(path)).ok()?;
        Some((path, namespace, name))
    };
    let malformed = || {
        Error::invalid_parameter(
            "resourceArn",
            "resourceArn is the repositoryArn of one of the account's repositories.",
        )
    };
    let (path, namespace, name) = read().ok_or_else(malformed)?;
    let within = Within::Repository { namespace, name };
    let place = Place::of(&call, within, Permission::DescribeRepository).await?;
    if place.arn(path) != arn {
        return Err(malformed());
    }
    call.reply.with(&Tags { tags: [] })
}
