//! Replicas of an instance in other regions, and the rules by which images are copied. There are none here.

use axum::response::Response;
use serde::Serialize;

use super::namespaces::{check_numbered_page, instance, page, registry_id};
use crate::domain::Result;
use crate::http::operation::operations;
use crate::http::tencent::{Proved, reply};
use crate::service::{Permission, Within};

operations! { "tcr": DescribeReplicationInstances, DescribeReplicationPolicies }

impl Operation {
    /// Runs the operation for a proved caller.
    pub(in super::super) async fn run(self, call: Proved<'_>) -> Result<Response> {
        let visit = call.visit;
        match self {
            Self::DescribeReplicationInstances => reply(&replicas(call).await?, visit),
            Self::DescribeReplicationPolicies => reply(&policies(call).await?, visit),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Replicas {
    total_count: u64,
    replication_registries: [(); 0],
}

async fn replicas(Proved { service, caller, mut parameters, visit }: Proved<'_>) -> Result<Replicas> {
    let id = registry_id(&mut parameters)?;
    page(&mut parameters, 0)?;
    parameters.finish()?;
    service.instance_with(caller, &instance(&id)?, Within::Instance, Permission::ListReplicas, &visit.context).await?;
    Ok(Replicas { total_count: 0, replication_registries: [] })
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Policies {
    replication_policy_info_list: [(); 0],
    total_count: u64,
}

async fn policies(Proved { service, caller, mut parameters, visit }: Proved<'_>) -> Result<Policies> {
    let id = registry_id(&mut parameters)?;
    check_numbered_page(&mut parameters)?;
    parameters.finish()?;
    service.instance_with(caller, &instance(&id)?, Within::Instance, Permission::ListSyncRules, &visit.context).await?;
    Ok(Policies { replication_policy_info_list: [], total_count: 0 })
}
