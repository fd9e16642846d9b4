//! Temporary credentials: `GetAuthorizationToken` of 2018-12-01, and `GET /tokens` of 2016-06-07.

use std::time::Duration;

use axum::response::Response;
use serde::Serialize;

use crate::domain::credential::Username;
use crate::domain::{Error, Result};
use crate::service::{InstanceChoice, Lifetime};
use crate::sign::Parameters;

use crate::http::alibaba::{Envelope, Proved, envelope, given};

/// How long a credential lives when nothing is said: an hour, or as long as the STS token that asked for it.
const DEFAULT_LIFETIME: Lifetime = Lifetime::OfSessionOr(Duration::from_hours(1));
/// The most that may be asked for.
const MOST_HOURS: u64 = 24;

/// What can be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Operation {
    /// Of 2018-12-01: for an instance.
    GetAuthorizationToken,
    /// `GET /tokens` of 2016-06-07: for the one registry that this edition has.
    GetTokens,
}

impl Operation {
    /// Returns the operation of an action of 2018-12-01.
    pub(in super::super) fn named(action: &str) -> Option<Self> {
        (action == "GetAuthorizationToken").then_some(Self::GetAuthorizationToken)
    }

    /// Returns the name for the log.
    pub(in super::super) fn name(self) -> &'static str {
        match self {
            Self::GetAuthorizationToken => "GetAuthorizationToken",
            Self::GetTokens => "GET /tokens",
        }
    }

    /// Returns the name that calls are counted under: one, because both give out the same credential.
    pub(in super::super) fn throttle(self) -> &'static str {
        match self {
            Self::GetAuthorizationToken | Self::GetTokens => "cr:GetAuthorizationToken",
        }
    }

    /// Runs the operation for a proved caller.
    pub(in super::super) async fn run(self, call: Proved<'_>) -> Result<Response> {
        let visit = call.visit;
        let envelope = envelope(visit)?;
        match self {
            Self::GetAuthorizationToken => get_authorization_token(call, envelope).await,
            Self::GetTokens => get_tokens(call, envelope).await,
        }
    }
}

/// Reads `ExpiresInHours`: a whole number from 1 to 24.
fn lifetime(parameters: &Parameters) -> Result<Lifetime> {
    let hours = match given(parameters, "ExpiresInHours") {
        None => return Ok(DEFAULT_LIFETIME),
        Some(text) => Some(text)
            .filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))
            .and_then(|text| text.parse().ok())
            .filter(|hours| (1..=MOST_HOURS).contains(hours))
            .ok_or_else(|| Error::invalid_parameter("ExpiresInHours", format!("It is a whole number of hours from 1 to {MOST_HOURS}.")))?,
    };
    Ok(Lifetime::AtMost(Duration::from_hours(hours)))
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct AuthorizationToken<'a> {
    request_id: &'a str,
    /// Unix milliseconds, a number.
    expire_time: i64,
    /// Exactly `success`: one client judges by it whatever the status.
    code: &'static str,
    is_success: bool,
    temp_username: &'a str,
    authorization_token: &'a str,
}

async fn get_authorization_token(Proved { service, caller, parameters, visit }: Proved<'_>, envelope: &Envelope) -> Result<Response> {
    let instance_id = given(parameters, "InstanceId").ok_or_else(|| Error::missing_parameter("InstanceId"))?;
    let lifetime = lifetime(parameters)?;
    // A malformed id can't name an instance; it is answered as one that isn't there.
    let instance = InstanceChoice::Cri(instance_id.parse()?);
    let issued = service.issue_temporary(caller, &instance, Username::CrTempUser, lifetime, &visit.context).await?;
    let output = AuthorizationToken {
        request_id: &visit.context.request_id,
        expire_time: issued.expires_at.unix_millis(),
        code: "success",
        is_success: true,
        temp_username: &issued.username,
        authorization_token: issued.secret.expose(),
    };
    envelope.respond("GetAuthorizationTokenResponse", &output, &visit.context.request_id)
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

async fn get_tokens(Proved { service, caller, visit, .. }: Proved<'_>, envelope: &Envelope) -> Result<Response> {
    let issued = service.issue_temporary(caller, &InstanceChoice::Default, Username::CrTempUser, DEFAULT_LIFETIME, &visit.context).await?;
    let output = Tokens {
        data: TokensData {
            authorization_token: issued.secret.expose(),
            temp_user_name: &issued.username,
            expire_date: issued.expires_at.unix_millis(),
        },
        request_id: &visit.context.request_id,
    };
    envelope.respond("GetAuthorizationTokenResponse", &output, &visit.context.request_id)
}
