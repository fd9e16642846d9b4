//! The caller's identity, and the account of an access key.

use axum::response::Response;
use serde::Serialize;

use crate::domain::aws;
use crate::domain::{Error, Result};
use crate::http::aws::Authenticated;
use crate::http::aws::parameters::required;

/// The fewest and the most characters of an access key's id.
const ACCESS_KEY_ID: std::ops::RangeInclusive<usize> = 16..=128;

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Identity {
    arn: String,
    user_id: String,
    account: String,
}

pub(in crate::http::aws) async fn get_caller_identity(
    Authenticated {
        service,
        call,
        reply,
        ..
    }: Authenticated<'_>,
) -> Result<Response> {
    let identity = service.sts.caller_identity(call).await?;
    let principal = &identity.principal;
    reply.with(&Identity {
        arn: aws::principal(principal, identity.name.as_deref()),
        user_id: aws::user_id(principal),
        account: aws::account(principal.account()),
    })
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct KeyInfo {
    account: String,
}

/// Divergence: ids of this service's keys may have `-` and `.`, as those of sessions of the other
/// clouds have.
pub(in crate::http::aws) async fn get_access_key_info(
    Authenticated {
        service,
        call,
        parameters,
        reply,
        ..
    }: Authenticated<'_>,
) -> Result<Response> {
    let id = required(parameters, "AccessKeyId")?;
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
    if !ACCESS_KEY_ID.contains(&id.len()) || !id.bytes().all(is_letter) {
        let (least, most) = ACCESS_KEY_ID.into_inner();
        return Err(Error::invalid_parameter(
            "AccessKeyId",
            format!("It is {least} to {most} letters, digits or any of _-."),
        ));
    }
    let account = service.sts.account_of_access_key(call, id).await?;
    reply.with(&KeyInfo {
        account: aws::account(account),
    })
}
