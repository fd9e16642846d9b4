//! Temporary credentials: `GetAuthorizationToken` of 2018-12-01, and `GET /tokens` of 2016-06-07.

use std::time::Duration;

use axum::response::Response;
use serde::Serialize;

use crate::domain::credential::Username;
use crate::domain::{Error, Result};
use crate::service::{InstanceChoice, Lifetime};
use crate::sign::Parameters;

use super::place::{instance, instance_id};
use crate::http::alibaba::call::SUCCESS;
use crate::http::alibaba::{Authenticated, given};

/// How long a credential lives when nothing is said: an hour, or as long as the STS token that
/// asked for it.
const DEFAULT_LIFETIME: Lifetime = Lifetime::OfSessionOr(Duration::from_hours(1));
/// The most that may be asked for.
const MAX_HOURS: u64 = 24;

/// Reads `ExpiresInHours`: a whole number from 1 to 24.
fn lifetime(parameters: &Parameters) -> Result<Lifetime> {
    let hours = match given(parameters, "ExpiresInHours") {
        None => return Ok(DEFAULT_LIFETIME),
        Some(text) => Some(text)
            .filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))
            .and_then(|text| text.parse().ok())
            .filter(|hours| (1..=MAX_HOURS).contains(hours))
            .ok_or_else(|| {
                Error::invalid_parameter(
                    "ExpiresInHours",
                    format!("It is a whole number of hours from 1 to {MAX_HOURS}."),
                )
            })?,
    };
    Ok(Lifetime::AtMost(Duration::from_hours(hours)))
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct AuthorizationToken<'a> {
    request_id: &'a str,
    /// Unix milliseconds, a number.
    expire_time: i64,
    code: &'static str,
    is_success: bool,
    temp_username: &'a str,
    authorization_token: &'a str,
}

pub(crate) async fn get_authorization_token(
    Authenticated {
        service,
        call,
        parameters,
        reply,
        ..
    }: Authenticated<'_>,
) -> Result<Response> {
    let instance_id = instance_id(parameters)?;
    let lifetime = lifetime(parameters)?;
    let issued = service
        .credentials
        .issue_temporary(
            call,
            &instance(instance_id)?,
            Username::CrTempUser,
            lifetime,
        )
        .await?;
    let output = AuthorizationToken {
        request_id: reply.request_id,
        expire_time: issued.expires_at.unix_millis(),
        code: SUCCESS,
        is_success: true,
        temp_username: &issued.username,
        authorization_token: issued.secret.expose(),
    };
    reply.bare(&output)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Tokens<'a> {
    data: TokensData<'a>,
    request_id: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TokensData<'a> {
    authorization_token: &'a str,
    temp_user_name: &'a str,
    /// Unix milliseconds, a number.
    expire_date: i64,
}

pub(crate) async fn get_tokens(
    Authenticated {
        service,
        call,
        reply,
        ..
    }: Authenticated<'_>,
) -> Result<Response> {
    let issued = service
        .credentials
        .issue_temporary(
            call,
            &InstanceChoice::Default,
            Username::CrTempUser,
            DEFAULT_LIFETIME,
        )
        .await?;
    let output = Tokens {
        data: TokensData {
            authorization_token: issued.secret.expose(),
            temp_user_name: &issued.username,
            expire_date: issued.expires_at.unix_millis(),
        },
        request_id: reply.request_id,
    };
    reply.bare(&output)
}
