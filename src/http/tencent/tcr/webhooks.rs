//! Webhooks that are told of pushes. There are none here: a registry has notifications of its own.

use axum::response::Response;
use serde::Serialize;

use super::place::{instance, registry_id, within};
use crate::domain::Result;
use crate::http::tencent::Authenticated;
use crate::http::tencent::pager::Pager;
use crate::service::Permission;

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Triggers {
    total_count: u64,
    triggers: [(); 0],
}

pub(crate) async fn triggers(
    Authenticated {
        service,
        call,
        mut parameters,
        reply,
        ..
    }: Authenticated<'_>,
) -> Result<Response> {
    let id = registry_id(&mut parameters)?;
    let namespace = parameters.text("Namespace")?;
    Pager::PAGES_FROM_0.take(&mut parameters)?;
    parameters.finish()?;
    let within = within(namespace.as_deref());
    service
        .registry
        .instance_with(call, &instance(&id)?, within, Permission::ListWebhooks)
        .await?;
    reply.with(&Triggers {
        total_count: 0,
        triggers: [],
    })
}
