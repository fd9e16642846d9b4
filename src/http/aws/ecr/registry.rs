//! The registry as a whole.

use axum::response::Response;
use serde::{Deserialize, Serialize};

use super::place;
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
    let own = place::Registry::own(call.call);
    own.instance_with(&call, Within::Instance, Permission::ListSyncRules)
        .await?;
    call.reply.with(&Registry {
        registry_id: own.id,
        replication_configuration: Replication { rules: [] },
    })
}

/// The settings of an account that are read, with their values: nothing is scanned here, and
/// policies are about every call.
const SETTINGS: [(&str, &str); 2] = [
    ("BASIC_SCAN_TYPE_VERSION", "AWS_NATIVE"),
    ("REGISTRY_POLICY_SCOPE", "V2"),
];

#[derive(Deserialize)]
struct NamedSetting {
    name: Option<String>,
}

#[derive(Serialize)]
struct Setting {
    name: &'static str,
    value: &'static str,
}

pub(in crate::http::aws) async fn account_setting(call: Authenticated<'_>) -> Result<Response> {
    let input: NamedSetting = input(call.body)?;
    let asked = input.name.ok_or_else(|| Error::missing_parameter("name"))?;
    let found = SETTINGS.into_iter().find(|(name, _)| *name == asked);
    let (name, value) = found.ok_or_else(|| {
        Error::invalid_parameter(
            "name",
            "name is BASIC_SCAN_TYPE_VERSION or REGISTRY_POLICY_SCOPE here.",
        )
    })?;
    place::Registry::own(call.call)
        .instance_with(&call, Within::Instance, Permission::DescribeInstance)
        .await?;
    call.reply.with(&Setting { name, value })
}
