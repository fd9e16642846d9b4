//! Instances, and how much of their quotas they use.

use axum::response::Response;
use serde::Serialize;

use crate::domain::instance::Specification;
use crate::domain::tag::Tag;
use crate::domain::{Error, Result};
use crate::http::alibaba::Visit;
use crate::http::alibaba::{Proved, envelope, given};
use crate::http::operation::operations;
use crate::service::{InstanceChoice, Permission, TaggedInstance};
use crate::sign::Parameters;

/// How many instances a page has when nothing is said.
const USUAL_PAGE_SIZE: usize = 30;
/// The most that a page may have.
const LARGEST_PAGE_SIZE: usize = 1000;
/// What an instance's state is called: there is no other here.
const RUNNING: &str = "RUNNING";

operations! { "cr":
    ListInstance,
    GetInstance,
    GetInstanceCount,
    GetInstanceUsage,
    ListInstanceRegion,
}

impl Operation {
    /// Runs the operation for a proved caller.
    pub(in super::super) async fn run(self, call: Proved<'_>) -> Result<Response> {
        let visit = call.visit;
        match self {
            Self::ListInstance => respond("ListInstanceResponse", list(call).await?, visit),
            Self::GetInstance => respond("GetInstanceResponse", get(call).await?, visit),
            Self::GetInstanceCount => respond("GetInstanceCountResponse", count(call).await?, visit),
            Self::GetInstanceUsage => respond("GetInstanceUsageResponse", usage(call).await?, visit),
            Self::ListInstanceRegion => respond("ListInstanceRegionResponse", list_regions(call).await?, visit),
        }
    }
}

/// What every successful answer of this product has.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Success<'a, T: Serialize> {
    request_id: &'a str,
    code: &'static str,
    is_success: bool,
    #[serde(flatten)]
    output: T,
}

/// Answers with an output.
pub(super) fn respond(root: &'static str, output: impl Serialize, visit: &Visit<'_>) -> Result<Response> {
    let request_id = &visit.context.request_id;
    let output = Success { request_id, code: "success", is_success: true, output };
    envelope(visit)?.respond(root, &output, request_id)
}

/// An output of nothing more.
#[derive(Serialize)]
pub(super) struct Empty {}

/// Returns the instance that a call is about. A malformed id can't name one; it is answered as one that isn't there.
pub(super) fn choice(parameters: &Parameters) -> Result<InstanceChoice> {
    let id = given(parameters, "InstanceId").ok_or_else(|| Error::missing_parameter("InstanceId"))?;
    Ok(InstanceChoice::Cri(id.parse()?))
}

/// Reads a whole number from 1.
fn number(parameters: &Parameters, name: &'static str, usual: usize, most: usize) -> Result<usize> {
    let Some(text) = given(parameters, name) else { return Ok(usual) };
    Some(text)
        .filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))
        .and_then(|text| text.parse().ok())
        .filter(|number| (1..=most).contains(number))
        .ok_or_else(|| Error::invalid_parameter(name, format!("It is a whole number from 1 to {most}.")))
}

fn specification(specification: Specification) -> &'static str {
    match specification {
        Specification::Basic => "Enterprise_Basic",
        Specification::Standard => "Enterprise_Standard",
        Specification::Premium => "Enterprise_Advanced",
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Instances {
    page_no: usize,
    page_size: usize,
    /// A number here; in other lists it is text.
    total_count: usize,
    instances: Vec<Listed>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Listed {
    instance_id: String,
    instance_name: String,
    instance_specification: &'static str,
    instance_status: &'static str,
    instance_issue: &'static str,
    region_id: String,
    resource_group_id: &'static str,
    /// Unix milliseconds, as text here.
    create_time: String,
    modified_time: String,
    tags: Vec<KeyAndValue>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct KeyAndValue {
    tag_key: String,
    tag_value: String,
}

fn shown(tags: Vec<Tag>) -> Vec<KeyAndValue> {
    tags.into_iter().map(|tag| KeyAndValue { tag_key: tag.key, tag_value: tag.value }).collect()
}

impl From<TaggedInstance> for Listed {
    fn from(TaggedInstance { instance, tags }: TaggedInstance) -> Self {
        Self {
            instance_id: instance.cri_id.to_string(),
            instance_specification: specification(instance.specification),
            instance_status: RUNNING,
            instance_issue: "",
            resource_group_id: "",
            create_time: instance.created_at.unix_millis().to_string(),
            modified_time: instance.modified_at.unix_millis().to_string(),
            tags: shown(tags),
            instance_name: instance.name,
            region_id: instance.region,
        }
    }
}

/// Divergence: instances of all regions, which the vendor tells apart by endpoint; a resource group has none.
async fn list(Proved { service, caller, parameters, visit }: Proved<'_>) -> Result<Instances> {
    let page_no = number(parameters, "PageNo", 1, usize::MAX)?;
    let page_size = number(parameters, "PageSize", USUAL_PAGE_SIZE, LARGEST_PAGE_SIZE)?;
    let (name, status) = (given(parameters, "InstanceName"), given(parameters, "InstanceStatus"));
    let is_in_a_group = given(parameters, "ResourceGroupId").is_some();
    let own = service.own_instances(caller, Permission::ListInstances, "", &visit.context).await?;
    let is_meant = |one: &TaggedInstance| {
        name.is_none_or(|name| name == one.instance.name) && status.is_none_or(|status| status == RUNNING) && !is_in_a_group
    };
    let meant: Vec<TaggedInstance> = own.into_iter().filter(is_meant).collect();
    let before = (page_no - 1).saturating_mul(page_size);
    Ok(Instances {
        page_no,
        page_size,
        total_count: meant.len(),
        instances: meant.into_iter().skip(before).take(page_size).map(Listed::from).collect(),
    })
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Got {
    instance_id: String,
    instance_name: String,
    instance_specification: &'static str,
    instance_status: &'static str,
    instance_issue: &'static str,
    resource_group_id: &'static str,
    /// Unix milliseconds, a number here.
    create_time: i64,
    modified_time: i64,
    tags: Vec<KeyAndValue>,
}

async fn get(Proved { service, caller, parameters, visit }: Proved<'_>) -> Result<Got> {
    let TaggedInstance { instance, tags } =
        service.described_instance(caller, &choice(parameters)?, Permission::DescribeInstance, &visit.context).await?;
    Ok(Got {
        instance_id: instance.cri_id.to_string(),
        instance_specification: specification(instance.specification),
        instance_status: RUNNING,
        instance_issue: "",
        resource_group_id: "",
        create_time: instance.created_at.unix_millis(),
        modified_time: instance.modified_at.unix_millis(),
        tags: shown(tags),
        instance_name: instance.name,
    })
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Count {
    count: usize,
}

async fn count(Proved { service, caller, visit, .. }: Proved<'_>) -> Result<Count> {
    let own = service.own_instances(caller, Permission::CountInstances, "", &visit.context).await?;
    Ok(Count { count: own.len() })
}

/// All text but the last, which says what the vendor bills.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct UsageAndQuotas {
    namespace_quota: String,
    namespace_usage: String,
    repo_quota: String,
    repo_usage: String,
    chart_namespace_quota: &'static str,
    chart_namespace_usage: &'static str,
    chart_repo_quota: &'static str,
    chart_repo_usage: &'static str,
    vpc_quota: &'static str,
    vpc_usage: &'static str,
    performance_units: u32,
}

async fn usage(Proved { service, caller, parameters, visit }: Proved<'_>) -> Result<UsageAndQuotas> {
    let (instance, usage) = service.instance_usage(caller, &choice(parameters)?, &visit.context).await?;
    let (namespaces, repositories) = service.quotas_of(&instance);
    Ok(UsageAndQuotas {
        namespace_quota: namespaces.to_string(),
        namespace_usage: usage.namespaces.to_string(),
        repo_quota: repositories.to_string(),
        repo_usage: usage.repositories.to_string(),
        // There are no charts of their own and no private networks here.
        chart_namespace_quota: "0",
        chart_namespace_usage: "0",
        chart_repo_quota: "0",
        chart_repo_usage: "0",
        vpc_quota: "0",
        vpc_usage: "0",
        performance_units: 0,
    })
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Regions {
    regions: Vec<Region>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Region {
    region_id: String,
    local_name: String,
}

/// Divergence: the regions in which the account has instances, under no other name, whatever `Lang` says.
async fn list_regions(Proved { service, caller, visit, .. }: Proved<'_>) -> Result<Regions> {
    let own = service.own_instances(caller, Permission::ListRegions, "", &visit.context).await?;
    let names: std::collections::BTreeSet<String> = own.into_iter().map(|one| one.instance.region).collect();
    Ok(Regions { regions: names.into_iter().map(|name| Region { region_id: name.clone(), local_name: name }).collect() })
}
