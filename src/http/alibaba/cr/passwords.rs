//! Fixed passwords: the calling principal's own, for an instance.

use axum::response::Response;

use super::place::{instance, instance_id};
use crate::domain::Result;
use crate::domain::secret::Secret;
use crate::http::alibaba::{Nothing, Proved, required, respond};

pub(crate) async fn reset_login_password(Proved { service, caller, parameters, visit }: Proved<'_>) -> Result<Response> {
    let instance_id = instance_id(parameters)?;
    let password = required(parameters, "Password").map(Secret::new)?;
    service.set_fixed_password(caller, &instance(instance_id)?, &password, &visit.context).await?;
    respond(Nothing {}, visit)
}
