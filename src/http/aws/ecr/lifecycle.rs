//! Lifecycle policies, which are kept to the letter.
//!
//! Divergence: AWS carries one out within a day. Here the operator does, by `transire repository
//! apply-lifecycle`.

use axum::response::Response;
use serde::{Deserialize, Serialize};

use super::place::Target;
use crate::domain::{Error, Result};
use crate::http::aws::Authenticated;
use crate::http::aws::parameters::input;
use crate::service::StoredLifecycle;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Put {
    registry_id: Option<String>,
    repository_name: Option<String>,
    lifecycle_policy_text: Option<String>,
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
    lifecycle_policy_text: String,
    /// Unix seconds, a number.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_evaluated_at: Option<i64>,
}

impl Shown {
    fn of(target: &Target<'_>, policy: StoredLifecycle) -> Self {
        Self {
            registry_id: target.registry.id.clone(),
            repository_name: target.path.to_owned(),
            lifecycle_policy_text: policy.text,
            last_evaluated_at: policy.evaluated_at.map(|at| at.unix_seconds()),
        }
    }
}

pub(in crate::http::aws) async fn put(call: Authenticated<'_>) -> Result<Response> {
    let input: Put = input(call.body)?;
    let (registry, path) = (input.registry_id.as_deref(), &input.repository_name);
    let target = Target::of(&call, registry, path.as_deref())?;
    let text = input
        .lifecycle_policy_text
        .ok_or_else(|| Error::missing_parameter("lifecyclePolicyText"))?;
    call.service
        .registry
        .set_lifecycle(
            call.call,
            &target.registry.instance,
            &target.choice,
            Some(&text),
        )
        .await
        .map_err(|error| target.worded(error))?;
    let policy = StoredLifecycle {
        text,
        evaluated_at: None,
    };
    call.reply.with(&Shown::of(&target, policy))
}

pub(in crate::http::aws) async fn get(call: Authenticated<'_>) -> Result<Response> {
    let input: OfRepository = input(call.body)?;
    let (registry, path) = (input.registry_id.as_deref(), &input.repository_name);
    let target = Target::of(&call, registry, path.as_deref())?;
    let policy = call
        .service
        .registry
        .lifecycle(call.call, &target.registry.instance, &target.choice)
        .await
        .map_err(|error| target.worded(error))?;
    call.reply.with(&Shown::of(&target, policy))
}

pub(in crate::http::aws) async fn delete(call: Authenticated<'_>) -> Result<Response> {
    let input: OfRepository = input(call.body)?;
    let (registry, path) = (input.registry_id.as_deref(), &input.repository_name);
    let target = Target::of(&call, registry, path.as_deref())?;
    let removed = call
        .service
        .registry
        .set_lifecycle(call.call, &target.registry.instance, &target.choice, None)
        .await
        .map_err(|error| target.worded(error))?;
    let policy = removed.unwrap_or(StoredLifecycle {
        text: String::new(),
        evaluated_at: None,
    });
    call.reply.with(&Shown::of(&target, policy))
}
