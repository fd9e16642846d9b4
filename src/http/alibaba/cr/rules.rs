//! Rules by which the cloud copies, deletes or scans images by itself, and chains of such steps.
//! There are none here.

use axum::response::Response;
use serde::Serialize;

use super::place::{instance, instance_id};
use crate::domain::{Error, Result};
use crate::http::alibaba::pager::Paging;
use crate::http::alibaba::parameters::boolean;
use crate::http::alibaba::{Authenticated, given};
use crate::service::{Permission, Within};
use crate::sign::Parameters;

pub(crate) async fn list_sync(call: Authenticated<'_>) -> Result<Response> {
    let (parameters, reply) = (call.parameters, call.reply);
    let within = within(parameters, "NamespaceName")?;
    let page = empty_page(call, within, Permission::ListSyncRules).await?;
    reply.success(SyncRules {
        page,
        sync_rules: [],
    })
}

pub(crate) async fn list_lifecycle(call: Authenticated<'_>) -> Result<Response> {
    let (parameters, reply) = (call.parameters, call.reply);
    boolean(parameters, "EnableDeleteTag")?;
    let page = empty_page(call, Within::Instance, Permission::ListRetentionRules).await?;
    reply.success(LifecycleRules { page, rules: [] })
}

pub(crate) async fn list_scan(call: Authenticated<'_>) -> Result<Response> {
    let (parameters, reply) = (call.parameters, call.reply);
    if given(parameters, "ScanType").is_some_and(|kind| !matches!(kind, "VUL" | "SBOM")) {
        return Err(Error::invalid_parameter("ScanType", "It is VUL or SBOM."));
    }
    let page = empty_page(call, Within::Instance, Permission::ListScanRules).await?;
    reply.success(ScanRules {
        page,
        scan_rules: [],
    })
}

pub(crate) async fn list_chains(call: Authenticated<'_>) -> Result<Response> {
    let (parameters, reply) = (call.parameters, call.reply);
    let within = within(parameters, "RepoNamespaceName")?;
    let page = empty_page(call, within, Permission::ListChains).await?;
    reply.success(Chains { page, chains: [] })
}

/// Reads where a list looks; a repository's name needs its namespace's.
fn within<'a>(parameters: &'a Parameters, namespace_parameter: &'static str) -> Result<Within<'a>> {
    match (
        given(parameters, namespace_parameter),
        given(parameters, "RepoName"),
    ) {
        (None, None) => Ok(Within::Instance),
        (Some(namespace), None) => Ok(Within::Namespace(namespace)),
        (Some(namespace), Some(name)) => Ok(Within::Repository { namespace, name }),
        (None, Some(_)) => Err(Error::missing_parameter(namespace_parameter)),
    }
}

/// Returns the page that was asked for, once the caller may ask: nothing is on it.
async fn empty_page(
    Authenticated {
        service,
        call,
        parameters,
        ..
    }: Authenticated<'_>,
    within: Within<'_>,
    permission: Permission,
) -> Result<Page> {
    let instance_id = instance_id(parameters)?;
    let paging = Paging::read(parameters)?;
    service
        .registry
        .instance_with(call, &instance(instance_id)?, within, permission)
        .await?;
    Ok(Page {
        page_no: paging.number,
        page_size: paging.size,
        total_count: 0,
    })
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Page {
    page_no: u32,
    page_size: u32,
    /// A number, unlike that of namespaces.
    total_count: u32,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct SyncRules {
    #[serde(flatten)]
    page: Page,
    sync_rules: [(); 0],
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct LifecycleRules {
    #[serde(flatten)]
    page: Page,
    rules: [(); 0],
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ScanRules {
    #[serde(flatten)]
    page: Page,
    scan_rules: [(); 0],
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Chains {
    #[serde(flatten)]
    page: Page,
    chains: [(); 0],
}
