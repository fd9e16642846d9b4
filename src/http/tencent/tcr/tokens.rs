//! Instance tokens: temporary and long-term credentials, of which only the long-term ones can be
//! listed and changed.

use std::time::Duration;

use axum::response::Response;
use serde::Serialize;

use crate::domain::credential::{CredentialId, CredentialState, Username};
use crate::domain::name::check_description;
use crate::domain::{Error, Result};
use crate::service::{InstanceChoice, Issued, Lifetime};

use super::place::{instance, registry_id};
use crate::http::request::IssuedLongTerm;
use crate::http::tencent::pager::Pager;
use crate::http::tencent::times::beijing;
use crate::http::tencent::{Authenticated, Nothing};

/// How long a temporary credential lives: an hour, by Tencent's contract.
const TEMPORARY: Lifetime = Lifetime::AtMost(Duration::from_hours(1));

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TokenType {
    Temporary,
    LongTerm,
}

pub(crate) async fn create_instance_token(
    Authenticated {
        service,
        call,
        mut parameters,
        reply,
        ..
    }: Authenticated<'_>,
) -> Result<Response> {
    let registry_id = registry_id(&mut parameters)?;
    let token_type = match parameters.text("TokenType")?.as_deref() {
        None | Some("temp") => TokenType::Temporary,
        Some("longterm") => TokenType::LongTerm,
        Some(_) => {
            return Err(Error::invalid_parameter(
                "TokenType",
                "The parameter `TokenType` is `temp` or `longterm`.",
            ));
        }
    };
    let description = parameters.text("Desc")?.unwrap_or_default();
    if token_type == TokenType::LongTerm {
        check_description("Desc", &description)?;
    }
    parameters.finish()?;
    let instance = instance(&registry_id)?;
    let issued = match token_type {
        TokenType::Temporary => {
            service
                .credentials
                .issue_temporary(call, &instance, Username::NumericId, TEMPORARY)
                .await?
        }
        TokenType::LongTerm => {
            let issuing = service
                .credentials
                .issue_long_term(call, &instance, &description);
            // Boxed: a temporary one, which most ask for, needs half of its room.
            Box::pin(issuing).await?
        }
    };
    let mut answer = reply.with(&InstanceToken::of(&issued, token_type))?;
    if token_type == TokenType::LongTerm {
        answer.extensions_mut().insert(IssuedLongTerm);
    }
    Ok(answer)
}

/// The output of `CreateInstanceToken`. Divergence: the vendor's token is a JWT, ours is sealed or
/// random; clients take it as it is. No field may be missing or null: Harbor and Terraform take
/// them without a look.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct InstanceToken<'a> {
    username: &'a str,
    token: &'a str,
    /// Unix milliseconds, a number.
    exp_time: i64,
    /// Empty for a temporary credential, which has no id to name it by later.
    token_id: &'a str,
}

impl<'a> InstanceToken<'a> {
    fn of(issued: &'a Issued, token_type: TokenType) -> Self {
        Self {
            username: &issued.username,
            token: issued.secret.expose(),
            exp_time: issued.expires_at.unix_millis(),
            token_id: match token_type {
                TokenType::Temporary => "",
                TokenType::LongTerm => issued.id.as_str(),
            },
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct InstanceTokens<'a> {
    total_count: u64,
    tokens: Vec<TcrInstanceToken<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct TcrInstanceToken<'a> {
    id: &'a str,
    desc: &'a str,
    registry_id: &'a str,
    enabled: bool,
    created_at: String,
    /// Unix milliseconds, a number.
    expired_at: i64,
}

pub(crate) async fn describe_instance_token(
    Authenticated {
        service,
        call,
        mut parameters,
        reply,
        ..
    }: Authenticated<'_>,
) -> Result<Response> {
    let registry_id = registry_id(&mut parameters)?;
    let page = Pager::CREDENTIALS.take(&mut parameters)?;
    parameters.finish()?;
    let listed = service
        .credentials
        .credential_page(call, &instance(&registry_id)?, page)
        .await?;
    let tokens = listed.items.iter().map(|credential| TcrInstanceToken {
        id: credential.id.as_str(),
        desc: &credential.description,
        registry_id: credential.instance.as_str(),
        enabled: credential.state == CredentialState::Active,
        created_at: beijing(credential.created_at),
        expired_at: credential.expires_at.unix_millis(),
    });
    reply.with(&InstanceTokens {
        total_count: listed.total,
        tokens: tokens.collect(),
    })
}

/// The change of `ModifyInstanceToken`; the other one's field is ignored, as the vendor's own
/// example sends it.
enum TokenChange {
    Description(String),
    State(CredentialState),
}

pub(crate) async fn modify_instance_token(
    Authenticated {
        service,
        call,
        mut parameters,
        reply,
        ..
    }: Authenticated<'_>,
) -> Result<Response> {
    let (registry_id, token_id) = (
        registry_id(&mut parameters)?,
        parameters.required_text("TokenId")?,
    );
    let (enable, description) = (parameters.boolean("Enable")?, parameters.text("Desc")?);
    let change = match parameters.integer("ModifyFlag")? {
        Some(1) => {
            let description = description.ok_or_else(|| Error::missing_parameter("Desc"))?;
            check_description("Desc", &description)?;
            TokenChange::Description(description)
        }
        None | Some(2) => match enable {
            Some(true) => TokenChange::State(CredentialState::Active),
            Some(false) => TokenChange::State(CredentialState::Disabled),
            None => return Err(Error::missing_parameter("Enable")),
        },
        Some(_) => {
            return Err(Error::invalid_parameter(
                "ModifyFlag",
                "The parameter `ModifyFlag` is 1 (description) or 2 (enable or disable).",
            ));
        }
    };
    parameters.finish()?;
    let (instance, id) = token(&registry_id, &token_id)?;
    match change {
        TokenChange::Description(text) => {
            service
                .credentials
                .set_credential_description(call, &instance, &id, &text)
                .await?
        }
        TokenChange::State(state) => {
            service
                .credentials
                .set_credential_state(call, &instance, &id, state)
                .await?
        }
    }
    reply.with(&Nothing {})
}

pub(crate) async fn delete_instance_token(
    Authenticated {
        service,
        call,
        mut parameters,
        reply,
        ..
    }: Authenticated<'_>,
) -> Result<Response> {
    let (registry_id, token_id) = (
        registry_id(&mut parameters)?,
        parameters.required_text("TokenId")?,
    );
    parameters.finish()?;
    let (instance, id) = token(&registry_id, &token_id)?;
    service
        .credentials
        .delete_credential(call, &instance, &id)
        .await?;
    reply.with(&Nothing {})
}

/// Reads the ids of an instance and of a credential in it.
fn token(registry_id: &str, token_id: &str) -> Result<(InstanceChoice, CredentialId)> {
    let instance = instance(registry_id)?;
    // A malformed id can't name a credential. It is refused before any policy is asked: it is seen
    // to be none.
    let id = token_id.parse().map_err(|_| {
        Error::invalid_parameter("TokenId", "A TokenId has 20 characters of 0-9 and a-v.")
    })?;
    Ok((instance, id))
}
