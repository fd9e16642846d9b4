//! Fixed passwords: the calling principal's own, for an instance.

use axum::response::Response;

use super::place::{instance, instance_id};
use crate::domain::Result;
use crate::domain::secret::Secret;
use crate::http::alibaba::{Authenticated, Nothing, required};

pub(crate) async fn reset_login_password(
    Authenticated {
        service,
        call,
        parameters,
        reply,
        ..
    }: Authenticated<'_>,
) -> Result<Response> {
    let instance_id = instance_id(parameters)?;
    let password = required(parameters, "Password").map(Secret::new)?;
    service
        .credentials
        .set_fixed_password(call, &instance(instance_id)?, &password)
        .await?;
    reply.success(Nothing {})
}
