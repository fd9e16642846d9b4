//! Rules by which the cloud copies, deletes or scans images by itself, and chains of such steps. There are none here.

use axum::response::Response;
use serde::Serialize;

use super::place::{instance, instance_id};
use crate::domain::{Error, Result};
use crate::http::alibaba::pager::Paging;
use crate::http::alibaba::parameters::boolean;
use crate::http::alibaba::{Proved, given, respond};
use crate::service::{Permission, Within};
use crate::sign::Parameters;

pub(crate) async fn list_sync(call: Proved<'_>) -> Result<Response> {
    let (parameters, visit) = (call.parameters, call.visit);
    let within = within(parameters, "NamespaceName")?;
    let page = empty_page(call, within, Permission::ListSyncRules).await?;
    respond(SyncRules { page, sync_rules: [] }, visit)
}

pub(crate) async fn list_lifecycle(call: Proved<'_>) -> Result<Response> {
    let (parameters, visit) = (call.parameters, call.visit);
    boolean(parameters, "EnableDeleteTag")?;
    let page = empty_page(call, Within::Instance, Permission::ListRetentionRules).await?;
    respond(LifecycleRules { page, rules: [] }, visit)
}

pub(crate) async fn list_scan(call: Proved<'_>) -> Result<Response> {
    let (parameters, visit) = (call.parameters, call.visit);
    if given(parameters, "ScanType").is_some_and(|kind| !matches!(kind, "VUL" | "SBOM")) {
        return Err(Error::invalid_parameter("ScanType", "It is VUL or SBOM."));
    }
    let page = empty_page(call, Within::Instance, Permission::ListScanRules).await?;
    respond(ScanRules { page, scan_rules: [] }, visit)
}

pub(crate) async fn list_chains(call: Proved<'_>) -> Result<Response> {
    let (parameters, visit) = (call.parameters, call.visit);
    let within = within(parameters, "RepoNamespaceName")?;
    let page = empty_page(call, within, Permission::ListChains).await?;
    respond(Chains { page, chains: [] }, visit)
}

/// Reads where a list looks; a repository's name needs its namespace's.
fn within<'a>(parameters: &'a Parameters, namespace_parameter: &'static str) -> Result<Within<'a>> {
    match (given(parameters, namespace_parameter), given(parameters, "RepoName")) {
        (None, None) => Ok(Within::Instance),
        (Some(namespace), None) => Ok(Within::Namespace(namespace)),
        (Some(namespace), Some(name)) => Ok(Within::Repository { namespace, name }),
        (None, Some(_)) => Err(Error::missing_parameter(namespace_parameter)),
    }
}

/// Returns the page that was asked for, once the caller may ask: nothing is on it.
async fn empty_page(Proved { service, caller, parameters, visit }: Proved<'_>, within: Within<'_>, permission: Permission) -> Result<Page> {
    let instance_id = instance_id(parameters)?;
    let paging = Paging::read(parameters)?;
    service.instance_with(caller, &instance(instance_id)?, within, permission, &visit.context).await?;
    Ok(Page { page_no: paging.number, page_size: paging.size, total_count: 0 })
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
