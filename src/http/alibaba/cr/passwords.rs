//! Fixed passwords: the calling principal's own, for an instance.

use axum::response::Response;
use serde::Serialize;

use crate::domain::secret::Secret;
use crate::domain::{Error, Result};
use crate::service::InstanceChoice;

use crate::http::alibaba::{Proved, envelope, given};
use crate::http::operation::operations;

operations! { "cr": ResetLoginPassword }

impl Operation {
    /// Runs the operation for a proved caller.
    pub(in super::super) async fn run(self, call: Proved<'_>) -> Result<Response> {
        match self {
            Self::ResetLoginPassword => reset_login_password(call).await,
        }
    }
}

/// The output of an operation that says only that it succeeded.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Succeeded<'a> {
    request_id: &'a str,
    /// Exactly `success`: one client judges by it whatever the status.
    code: &'static str,
    is_success: bool,
}

async fn reset_login_password(Proved { service, caller, parameters, visit }: Proved<'_>) -> Result<Response> {
    let instance_id = given(parameters, "InstanceId").ok_or_else(|| Error::missing_parameter("InstanceId"))?;
    let password = given(parameters, "Password").ok_or_else(|| Error::missing_parameter("Password")).map(Secret::new)?;
    // A malformed id can't name an instance; it is answered as one that isn't there.
    let instance = InstanceChoice::Cri(instance_id.parse()?);
    service.set_fixed_password(caller, &instance, &password, &visit.context).await?;
    let request_id = &visit.context.request_id;
    envelope(visit)?.respond("ResetLoginPasswordResponse", &Succeeded { request_id, code: "success", is_success: true }, request_id)
}
