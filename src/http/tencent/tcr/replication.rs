//! Replicas of an instance in other regions, and the rules by which images are copied. There are
//! none here.

use axum::response::Response;
use serde::Serialize;

use super::place::{instance, registry_id};
use crate::domain::Result;
use crate::http::tencent::Authenticated;
use crate::http::tencent::pager::{Pager, check_numbered_page};
use crate::service::{Permission, Within};

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Replicas {
    total_count: u64,
    replication_registries: [(); 0],
}

pub(crate) async fn replicas(
    Authenticated {
        service,
        call,
        mut parameters,
        reply,
        ..
    }: Authenticated<'_>,
) -> Result<Response> {
    let id = registry_id(&mut parameters)?;
    Pager::PAGES_FROM_0.take(&mut parameters)?;
    parameters.finish()?;
    service
        .registry
        .instance_with(
            call,
            &instance(&id)?,
            Within::Instance,
            Permission::ListReplicas,
        )
        .await?;
    reply.with(&Replicas {
        total_count: 0,
        replication_registries: [],
    })
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Policies {
    replication_policy_info_list: [(); 0],
    total_count: u64,
}

pub(crate) async fn policies(
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
    service
        .registry
        .instance_with(
            call,
            &instance(&id)?,
            Within::Instance,
            Permission::ListSyncRules,
        )
        .await?;
    reply.with(&Policies {
        replication_policy_info_list: [],
        total_count: 0,
    })
}
