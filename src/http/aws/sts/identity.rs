//! The caller's identity.

use axum::response::Response;
use serde::Serialize;

use crate::domain::Result;
use crate::http::aws::Authenticated;
use crate::http::aws::arn;

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
        arn: arn::principal(principal, identity.name.as_deref()),
        user_id: arn::user_id(principal),
        account: arn::account(principal.account()),
    })
}
