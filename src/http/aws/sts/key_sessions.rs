//! Sessions that act as their caller: of a permanent key, and of a session, narrower.

use axum::response::Response;
use serde::Serialize;

use super::credentials::{Credentials, refuse_unserved};
use super::federation::{LIFE, RULES};
use crate::domain::aws;
use crate::domain::{Error, Result};
use crate::http::aws::Authenticated;
use crate::http::aws::parameters::{given, integer, ranged};
use crate::service::NarrowSession;

/// The longest life of a narrower session, in seconds.
const MAX_SECONDS: u32 = 129_600;
/// The fewest and the most characters of a description.
const DESCRIPTION: std::ops::RangeInclusive<usize> = 2..=256;

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct OfKey<'a> {
    credentials: Credentials<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Scoped<'a> {
    credentials: Credentials<'a>,
    session_info: SessionInfo,
}

/// The principal, which is that of the session that asks.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct SessionInfo {
    scoped_session_id: String,
    arn: String,
}

pub(in crate::http::aws) async fn get_session_token(
    Authenticated {
        service,
        call,
        parameters,
        reply,
        ..
    }: Authenticated<'_>,
) -> Result<Response> {
    refuse_unserved(parameters)?;
    let seconds = integer(parameters, "DurationSeconds")?;
    let session = service
        .sts
        .issue_session(call, &RULES, &LIFE, seconds)
        .await?;
    reply.with(&OfKey {
        credentials: Credentials::of(&session),
    })
}

/// Divergence: a session that has a policy gets no second one, and `ScopedPoliciesCount` isn't
/// answered.
pub(in crate::http::aws) async fn get_scoped_credentials(
    Authenticated {
        service,
        call,
        parameters,
        reply,
        ..
    }: Authenticated<'_>,
) -> Result<Response> {
    refuse_unserved(parameters)?;
    let asked = NarrowSession {
        rules: &RULES,
        duration_seconds: ranged(parameters, "DurationSeconds", 1..=MAX_SECONDS)?,
        policy: given(parameters, "Policy"),
        description: given(parameters, "ScopedSessionDescription"),
    };
    if asked.policy.is_none() && asked.duration_seconds.is_none() {
        return Err(Error::missing_parameter("Policy"));
    }
    check_description(asked.description)?;
    let identity = service.sts.caller_identity(call).await?;
    let session = service.sts.narrow_session(call, &asked).await?;
    reply.with(&Scoped {
        credentials: Credentials::of(&session),
        session_info: SessionInfo {
            scoped_session_id: aws::user_id(&session.principal),
            arn: aws::principal(&session.principal, identity.name.as_deref()),
        },
    })
}

/// Checks a description: printable characters of Latin 1, tabs and ends of lines.
fn check_description(description: Option<&str>) -> Result<()> {
    let is_letter =
        |letter: char| matches!(letter, '\t' | '\n' | '\r' | ' '..='~' | '\u{a1}'..='\u{ff}');
    match description {
        Some(text)
            if !DESCRIPTION.contains(&text.chars().count()) || !text.chars().all(is_letter) =>
        {
            Err(Error::invalid_parameter(
                "ScopedSessionDescription",
                "ScopedSessionDescription is 2 to 256 printable characters of Latin 1.",
            ))
        }
        _ => Ok(()),
    }
}
