//! `GetAuthorizationToken`: a temporary credential of the account's default instance.

use std::time::Duration;

use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use crate::domain::aws;
use crate::domain::credential::Username;
use crate::domain::{Error, Result};
use crate::http::aws::Authenticated;
use crate::http::aws::parameters::input;
use crate::service::{Call, InstanceChoice, Lifetime};

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
    authorization_data: [AuthorizationData; 1],
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
    if let Some(ids) = &input.registry_ids {
        check_registries(call, ids)?;
    }
    let issued = service
        .credentials
        .issue_temporary(call, &InstanceChoice::Default, Username::Aws, LIFETIME)
        .await?;
    let log_in = format!("{}:{}", issued.username, issued.secret.expose());
    reply.with(&Output {
        authorization_data: [AuthorizationData {
            authorization_token: STANDARD.encode(log_in),
            expires_at: issued.expires_at.unix_seconds(),
            proxy_endpoint: format!("https://{}", issued.instance.host_for_ecr()),
        }],
    })
}

/// Checks the registries that a call names: an account has one, and gives log-ins to no other.
///
/// Divergence: AWS gives a log-in for registries of other accounts, and refuses at the registry
/// what their policies don't allow.
fn check_registries(call: &Call<'_>, ids: &[String]) -> Result<()> {
    let refuse = |why: String| Err(Error::invalid_parameter("registryIds", why));
    if !(1..=MAX_REGISTRIES).contains(&ids.len()) {
        return refuse(format!(
            "registryIds names 1 to {MAX_REGISTRIES} registries."
        ));
    }
    let own = call.caller.account();
    match ids.iter().find(|id| aws::read_account(id) != own) {
        None => Ok(()),
        Some(_) => refuse(match own {
            Some(own) => format!(
                "registryIds names another registry than the caller's own, {}; leave it out, or \
                 call with an access key of that account.",
                aws::account(own)
            ),
            None => "The caller has no registry.".to_owned(),
        }),
    }
}
