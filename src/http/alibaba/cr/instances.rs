//! Instances, and how much of their quotas they use.

use axum::response::Response;
use serde::Serialize;

use super::place::required_instance;
use crate::domain::Result;
use crate::domain::instance::Specification;
use crate::domain::tag::Tag;
use crate::http::alibaba::pager::Paging;
use crate::http::alibaba::{Authenticated, given};
use crate::service::{InstanceCriterion, Permission, TaggedInstance};

/// The only state of an instance here.
const RUNNING: &str = "RUNNING";

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
    page_no: u32,
    page_size: u32,
    /// A number here; in other lists it is text.
    total_count: u64,
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
    tags.into_iter()
        .map(|tag| KeyAndValue {
            tag_key: tag.key,
            tag_value: tag.value,
        })
        .collect()
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

/// Divergence: instances of all regions, which the vendor tells apart by endpoint; a resource group
/// has none.
pub(crate) async fn list(
    Authenticated {
        service,
        call,
        parameters,
        reply,
        ..
    }: Authenticated<'_>,
) -> Result<Response> {
    let paging = Paging::read_of_instances(parameters)?;
    let criteria: Vec<_> = given(parameters, "InstanceName")
        .map(|name| InstanceCriterion::Name(vec![name.to_owned()]))
        .into_iter()
        .collect();
    let is_empty = given(parameters, "InstanceStatus").is_some_and(|status| status != RUNNING)
        || given(parameters, "ResourceGroupId").is_some();
    // Asked for all the same: a caller who may not list hears that, and not that there are none.
    let listed = service
        .registry
        .instance_page(call, "", &criteria, paging.page())
        .await?;
    let (instances, total_count) = if is_empty {
        (Vec::new(), 0)
    } else {
        (listed.items, listed.total)
    };
    let instances = instances.into_iter().map(Listed::from).collect();
    reply.success(Instances {
        page_no: paging.number,
        page_size: paging.size,
        total_count,
        instances,
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

pub(crate) async fn get(
    Authenticated {
        service,
        call,
        parameters,
        reply,
        ..
    }: Authenticated<'_>,
) -> Result<Response> {
    let TaggedInstance { instance, tags } = service
        .registry
        .described_instance(
            call,
            &required_instance(parameters)?,
            Permission::DescribeInstance,
        )
        .await?;
    reply.success(Got {
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

pub(crate) async fn count(
    Authenticated {
        service,
        call,
        reply,
        ..
    }: Authenticated<'_>,
) -> Result<Response> {
    let own = service
        .registry
        .own_instances(call, Permission::CountInstances, "")
        .await?;
    reply.success(Count { count: own.len() })
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

pub(crate) async fn usage(
    Authenticated {
        service,
        call,
        parameters,
        reply,
        ..
    }: Authenticated<'_>,
) -> Result<Response> {
    let (instance, usage) = service
        .registry
        .instance_usage(call, &required_instance(parameters)?)
        .await?;
    let (namespaces, repositories) = service.registry.quotas_of(&instance);
    reply.success(UsageAndQuotas {
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

/// Divergence: the regions in which the account has instances, under no other name, whatever `Lang`
/// says.
pub(crate) async fn list_regions(
    Authenticated {
        service,
        call,
        reply,
        ..
    }: Authenticated<'_>,
) -> Result<Response> {
    let own = service
        .registry
        .own_instances(call, Permission::ListRegions, "")
        .await?;
    let names: std::collections::BTreeSet<String> =
        own.into_iter().map(|one| one.instance.region).collect();
    reply.success(Regions {
        regions: names
            .into_iter()
            .map(|name| Region {
                region_id: name.clone(),
                local_name: name,
            })
            .collect(),
    })
}
