//! Policies of repositories, which are kept to the letter and obeyed.
//!
//! Divergence: `force` changes nothing. No policy keeps the account's root from setting another.

use axum::response::Response;
use serde::{Deserialize, Serialize};

use super::place;
use crate::domain::aws;
use crate::domain::{Error, Result};
use crate::http::aws::Authenticated;
use crate::http::aws::parameters::input;
use crate::service::InstanceChoice;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Set {
    registry_id: Option<String>,
    repository_name: Option<String>,
    policy_text: Option<String>,
    #[serde(rename = "force")]
    _force: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OfRepository {
    registry_id: Option<String>,
    repository_name: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    registry_id: String,
    repository_name: String,
    policy_text: String,
}

impl Shown {
    fn of(call: &Authenticated<'_>, repository_name: String, policy_text: String) -> Self {
        let account = call.call.caller.account();
        Self {
            registry_id: account.map(aws::account).unwrap_or_default(),
            repository_name,
            policy_text,
        }
    }
}

pub(in crate::http::aws) async fn set(call: Authenticated<'_>) -> Result<Response> {
    let input: Set = input(call.body)?;
    place::check_registry(call.call, input.registry_id.as_deref())?;
    let (namespace, name) = place::repository(input.repository_name.as_deref())?;
    let which = place::choice(namespace, name);
    let repository_name = input.repository_name.unwrap_or_default();
    let text = input
        .policy_text
        .ok_or_else(|| Error::missing_parameter("policyText"))?;
    call.service
        .registry
        .set_repository_policy(call.call, &InstanceChoice::Default, &which, Some(&text))
        .await
        .map_err(|error| place::worded(call.call, &repository_name, error))?;
    call.reply.with(&Shown::of(&call, repository_name, text))
}

pub(in crate::http::aws) async fn get(call: Authenticated<'_>) -> Result<Response> {
    let input: OfRepository = input(call.body)?;
    place::check_registry(call.call, input.registry_id.as_deref())?;
    let (namespace, name) = place::repository(input.repository_name.as_deref())?;
    let which = place::choice(namespace, name);
    let repository_name = input.repository_name.unwrap_or_default();
    let text = call
        .service
        .registry
        .repository_policy(call.call, &InstanceChoice::Default, &which)
        .await
        .map_err(|error| place::worded(call.call, &repository_name, error))?;
    call.reply.with(&Shown::of(&call, repository_name, text))
}

pub(in crate::http::aws) async fn delete(call: Authenticated<'_>) -> Result<Response> {
    let input: OfRepository = input(call.body)?;
    place::check_registry(call.call, input.registry_id.as_deref())?;
    let (namespace, name) = place::repository(input.repository_name.as_deref())?;
    let which = place::choice(namespace, name);
    let repository_name = input.repository_name.unwrap_or_default();
    let removed = call
        .service
        .registry
        .set_repository_policy(call.call, &InstanceChoice::Default, &which, None)
        .await
        .map_err(|error| place::worded(call.call, &repository_name, error))?;
    let text = removed.unwrap_or_default();
    call.reply.with(&Shown::of(&call, repository_name, text))
}
