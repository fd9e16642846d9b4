//! Rules that keep tags from being overwritten, or delete old ones. There are none here: the registry would have to obey them.

use axum::response::Response;
use serde::Serialize;

use super::namespaces::{check_numbered_page, instance, page, registry_id, within};
use crate::domain::Result;
use crate::http::operation::operations;
use crate::http::tencent::{Proved, reply};
use crate::service::Permission;

operations! { "tcr": DescribeImmutableTagRules, DescribeTagRetentionRules }

impl Operation {
    /// Runs the operation for a proved caller.
    pub(in super::super) async fn run(self, call: Proved<'_>) -> Result<Response> {
        let visit = call.visit;
        match self {
            Self::DescribeImmutableTagRules => reply(&immutability(call).await?, visit),
            Self::DescribeTagRetentionRules => reply(&retention(call).await?, visit),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Immutability {
    rules: [(); 0],
    /// The namespaces without a rule, which are all.
    empty_ns: Vec<String>,
    total: u64,
}

async fn immutability(Proved { service, caller, mut parameters, visit }: Proved<'_>) -> Result<Immutability> {
    let id = registry_id(&mut parameters)?;
    check_numbered_page(&mut parameters)?;
    parameters.finish()?;
    let empty_ns = service.namespace_names(caller, &instance(&id)?, Permission::ListImmutabilityRules, &visit.context).await?;
    Ok(Immutability { rules: [], empty_ns, total: 0 })
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Retention {
    retention_policy_list: [(); 0],
    total_count: u64,
}

async fn retention(Proved { service, caller, mut parameters, visit }: Proved<'_>) -> Result<Retention> {
    let id = registry_id(&mut parameters)?;
    let namespace = parameters.text("NamespaceName")?;
    page(&mut parameters, 0)?;
    parameters.finish()?;
    let within = within(namespace.as_deref());
    service.instance_with(caller, &instance(&id)?, within, Permission::ListRetentionRules, &visit.context).await?;
    Ok(Retention { retention_policy_list: [], total_count: 0 })
}
