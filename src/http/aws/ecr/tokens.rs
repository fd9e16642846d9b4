//! `GetAuthorizationToken`: temporary credentials of registries, which are accounts' default
//! instances.

use std::time::Duration;

use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::place::Registry;
use crate::domain::aws;
use crate::domain::credential::Username;
use crate::domain::{Error, ErrorKind, Result};
use crate::http::aws::Authenticated;
use crate::http::aws::parameters::input;
use crate::service::{Call, Lifetime};

/// How long a credential lives: twelve hours, or the rest of the session that asks for it.
const LIFETIME: Lifetime = Lifetime::AtMost(Duration::from_hours(12));
/// The most registries of a call.
const MAX_REGISTRIES: usize = 10;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Input {
    registry_ids: Option<Vec<String>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Output {
    authorization_data: Vec<AuthorizationData>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AuthorizationData {
    /// Base64 of `AWS:PASSWORD`.
    authorization_token: String,
    /// Unix seconds, a number.
    expires_at: i64,
    proxy_endpoint: String,
}

pub(in crate::http::aws) async fn get_authorization_token(
    Authenticated {
        service,
        call,
        body,
        reply,
        ..
    }: Authenticated<'_>,
) -> Result<Response> {
    let input: Input = input(body)?;
    let registries = match &input.registry_ids {
        Some(ids) => named(call, ids)?,
        None => vec![Registry::own(call)],
    };
    let mut authorization_data = Vec::with_capacity(registries.len());
    for registry in registries {
        let issued = service
            .credentials
            .issue_temporary(call, &registry.instance, Username::Aws, LIFETIME)
            .await
            .map_err(|error| worded(&registry, error))?;
        let log_in = format!("{}:{}", issued.username, issued.secret.expose());
        authorization_data.push(AuthorizationData {
            authorization_token: STANDARD.encode(log_in),
            expires_at: issued.expires_at.unix_seconds(),
            proxy_endpoint: format!("https://{}", issued.instance.host_for_ecr()),
        });
    }
    reply.with(&Output { authorization_data })
}

/// Returns the registries that a call names. Those of other accounts are given a log-in, too, and
/// policies of their repositories say what it may do there.
fn named(call: &Call<'_>, ids: &[String]) -> Result<Vec<Registry>> {
    if !(1..=MAX_REGISTRIES).contains(&ids.len()) {
        return Err(Error::invalid_parameter(
            "registryIds",
            format!("registryIds names 1 to {MAX_REGISTRIES} registries."),
        ));
    }
    let named = |id: &String| {
        let account = aws::read_account(id).ok_or_else(|| {
            Error::invalid_parameter(
                "registryIds",
                "registryIds names accounts, each with 12 digits; leave it out for the caller's \
                 own.",
            )
        })?;
        Ok(Registry::of(call, account))
    };
    ids.iter().map(named).collect()
}

fn worded(registry: &Registry, error: Error) -> Error {
    match error.kind() {
        ErrorKind::InstanceNotFound => Error::invalid_parameter(
            "registryIds",
            format!(
                "There is no registry with id '{}': the account has no default instance.",
                registry.id
            ),
        ),
        _ => error,
    }
}
