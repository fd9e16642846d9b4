//! Rules that keep tags from being overwritten, or delete old ones. There are none here: the
//! registry would have to obey them.

use axum::response::Response;
use serde::Serialize;

use super::place::{instance, registry_id, within};
use crate::domain::Result;
use crate::http::tencent::Authenticated;
use crate::http::tencent::pager::{Pager, check_numbered_page};
use crate::service::Permission;

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Immutability {
    rules: [(); 0],
    /// The namespaces without a rule, which are all.
    empty_ns: Vec<String>,
    total: u64,
}

pub(crate) async fn immutability(
    Authenticated {
        service,
        call,
        mut parameters,
        reply,
        ..
    }: Authenticated<'_>,
) -> Result<Response> {
    let id = registry_id(&mut parameters)?;
    check_numbered_page(&mut parameters)?;
    parameters.finish()?;
    let empty_ns = service
        .registry
        .namespace_names(call, &instance(&id)?, Permission::ListImmutabilityRules)
        .await?;
    reply.with(&Immutability {
        rules: [],
        empty_ns,
        total: 0,
    })
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Retention {
    retention_policy_list: [(); 0],
    total_count: u64,
}

pub(crate) async fn retention(
    Authenticated {
        service,
        call,
        mut parameters,
        reply,
        ..
    }: Authenticated<'_>,
) -> Result<Response> {
    let id = registry_id(&mut parameters)?;
    let namespace = parameters.text("NamespaceName")?;
    Pager::PAGES_FROM_0.take(&mut parameters)?;
    parameters.finish()?;
    let within = within(namespace.as_deref());
    service
        .registry
        .instance_with(
            call,
            &instance(&id)?,
            within,
            Permission::ListRetentionRules,
        )
        .await?;
    reply.with(&Retention {
        retention_policy_list: [],
        total_count: 0,
    })
}
