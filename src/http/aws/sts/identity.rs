//! The caller's identity.

use axum::response::Response;
use serde::Serialize;

use crate::domain::Result;
use crate::domain::aws;
use crate::http::aws::Authenticated;

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
