//! Policies of repositories, which are kept to the letter and obeyed.
//!
//! Divergence: `force` changes nothing. No policy keeps the account's root from setting another.

use axum::response::Response;
use serde::{Deserialize, Serialize};

use super::place::Target;
use crate::domain::{Error, Result};
use crate::http::aws::Authenticated;
use crate::http::aws::parameters::input;

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
    fn of(target: &Target<'_>, policy_text: String) -> Self {
        Self {
            registry_id: target.registry.id.clone(),
            repository_name: target.path.to_owned(),
            policy_text,
        }
    }
}

pub(in crate::http::aws) async fn set(call: Authenticated<'_>) -> Result<Response> {
    let input: Set = input(call.body)?;
    let (registry, path) = (input.registry_id.as_deref(), &input.repository_name);
    let target = Target::of(&call, registry, path.as_deref())?;
    let text = input
        .policy_text
        .ok_or_else(|| Error::missing_parameter("policyText"))?;
    call.service
        .registry
        .set_repository_policy(
            call.call,
            &target.registry.instance,
            &target.choice,
            Some(&text),
        )
        .await
        .map_err(|error| target.worded(error))?;
    call.reply.with(&Shown::of(&target, text))
}

pub(in crate::http::aws) async fn get(call: Authenticated<'_>) -> Result<Response> {
    let input: OfRepository = input(call.body)?;
    let (registry, path) = (input.registry_id.as_deref(), &input.repository_name);
    let target = Target::of(&call, registry, path.as_deref())?;
    let text = call
        .service
        .registry
        .repository_policy(call.call, &target.registry.instance, &target.choice)
        .await
        .map_err(|error| target.worded(error))?;
    call.reply.with(&Shown::of(&target, text))
}

pub(in crate::http::aws) async fn delete(call: Authenticated<'_>) -> Result<Response> {
    let input: OfRepository = input(call.body)?;
    let (registry, path) = (input.registry_id.as_deref(), &input.repository_name);
    let target = Target::of(&call, registry, path.as_deref())?;
    let removed = call
        .service
        .registry
        .set_repository_policy(call.call, &target.registry.instance, &target.choice, None)
        .await
        .map_err(|error| target.worded(error))?;
    let text = removed.unwrap_or_default();
    call.reply.with(&Shown::of(&target, text))
}
