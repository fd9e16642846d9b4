//! Webhooks that are told of pushes. There are none here: a registry has notifications of its own.

use axum::response::Response;
use serde::Serialize;

use super::namespaces::{instance, page, registry_id, within};
use crate::domain::Result;
use crate::http::operation::operations;
use crate::http::tencent::{Proved, reply};
use crate::service::Permission;

operations! { "tcr": DescribeWebhookTrigger }

impl Operation {
    /// Runs the operation for a proved caller.
    pub(in super::super) async fn run(self, call: Proved<'_>) -> Result<Response> {
        let visit = call.visit;
        match self {
            Self::DescribeWebhookTrigger => reply(&triggers(call).await?, visit),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Triggers {
    total_count: u64,
    triggers: [(); 0],
}

async fn triggers(Proved { service, caller, mut parameters, visit }: Proved<'_>) -> Result<Triggers> {
    let id = registry_id(&mut parameters)?;
    let namespace = parameters.text("Namespace")?;
    page(&mut parameters, 0)?;
    parameters.finish()?;
    let within = within(namespace.as_deref());
    service.instance_with(caller, &instance(&id)?, within, Permission::ListWebhooks, &visit.context).await?;
    Ok(Triggers { total_count: 0, triggers: [] })
}
