//! Instances as they are listed, by filters, and their states.

use axum::response::Response;
use serde::Serialize;

use super::regions::region_id;
use crate::domain::ids::InstanceId;
use crate::domain::{Error, ErrorKind, Result};
use crate::http::tencent::pager::Pager;
use crate::http::tencent::parameters::Parameters;
use crate::http::tencent::{Authenticated, times};
use crate::service::{InstanceChoice, InstanceCriterion, Permission, TaggedInstance};

/// The life of a long-term credential, as Tencent shows it.
const TOKEN_VALID_HOURS: u64 = 87_600;
/// The only state of an instance here.
const RUNNING: &str = "Running";

/// Reads a filter: an instance that is listed has one of its values. `None` for a filter that no
/// instance passes.
fn criterion(mut given: Parameters) -> Result<Option<InstanceCriterion>> {
    let (name, values) = (given.required_text("Name")?, given.texts("Values")?);
    given.finish()?;
    Ok(Some(match name.as_str() {
        "RegistryName" => InstanceCriterion::Name(values),
        "RegistryId" => InstanceCriterion::Id(values),
        "RegistryType" => InstanceCriterion::Specification(
            values
                .iter()
                .filter_map(|value| value.parse().ok())
                .collect(),
        ),
        "RegionName" => InstanceCriterion::Region(values),
        "Status" => {
            return Ok(values
                .iter()
                .any(|value| value == RUNNING)
                .then_some(InstanceCriterion::Any));
        }
        name => match name.strip_prefix("tag:") {
            Some(key) => InstanceCriterion::Tag(key.to_owned(), values),
            None => {
                return Err(Error::invalid_parameter(
                    "Filters",
                    "A filter is `RegistryName`, `RegistryId`, `RegistryType`, `RegionName`, \
                     `Status` or `tag:KEY`.",
                ));
            }
        },
    }))
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Registries {
    total_count: u64,
    registries: Vec<Registry>,
}

/// An instance in Tencent's words. Of its bucket, its price and its private network there is
/// nothing to say.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Registry {
    registry_id: String,
    registry_name: String,
    registry_type: &'static str,
    status: &'static str,
    public_domain: String,
    created_at: String,
    region_name: String,
    region_id: u64,
    enable_anonymous: bool,
    token_valid_time: u64,
    internal_endpoint: &'static str,
    tag_specification: TagSpecification,
    expired_at: &'static str,
    pay_mod: i64,
    renew_flag: i64,
    deletion_protection: bool,
    #[serde(rename = "AIFeature")]
    ai_feature: bool,
    #[serde(rename = "EnableCosMAZ")]
    enable_cos_maz: bool,
    enable_cos_versioning: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct TagSpecification {
    resource_type: &'static str,
    tags: Vec<KeyAndValue>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct KeyAndValue {
    key: String,
    value: String,
}

impl From<TaggedInstance> for Registry {
    fn from(TaggedInstance { instance, tags }: TaggedInstance) -> Self {
        Self {
            registry_id: instance.id.to_string(),
            registry_type: instance.specification.name(),
            status: RUNNING,
            created_at: times::beijing(instance.created_at),
            region_id: region_id(&instance.region),
            enable_anonymous: true,
            token_valid_time: TOKEN_VALID_HOURS,
            internal_endpoint: "",
            tag_specification: TagSpecification {
                resource_type: "instance",
                tags: tags
                    .into_iter()
                    .map(|tag| KeyAndValue {
                        key: tag.key,
                        value: tag.value,
                    })
                    .collect(),
            },
            expired_at: "",
            pay_mod: 0,
            renew_flag: 0,
            deletion_protection: instance.deletion_protection.is_on(),
            ai_feature: false,
            enable_cos_maz: false,
            enable_cos_versioning: false,
            registry_name: instance.name,
            public_domain: instance.service,
            region_name: instance.region,
        }
    }
}

pub(crate) async fn describe(
    Authenticated {
        service,
        call,
        mut parameters,
        region,
        reply,
        ..
    }: Authenticated<'_>,
) -> Result<Response> {
    let ids = parameters.texts("Registryids")?;
    let page = Pager::INSTANCES.take(&mut parameters)?;
    let filters = parameters
        .structures("Filters")?
        .into_iter()
        .map(criterion)
        .collect::<Result<Vec<_>>>()?;
    let all_regions = parameters.boolean("AllRegion")?.unwrap_or(false);
    parameters.finish()?;
    let place = match (ids.is_empty(), all_regions) {
        // An id says where its instance is, whatever region the call is made in.
        (false, _) => InstanceCriterion::Id(ids),
        (true, true) => InstanceCriterion::Any,
        (true, false) => InstanceCriterion::Region(vec![region.to_owned()]),
    };
    let is_empty = filters.iter().any(Option::is_none);
    let criteria: Vec<_> = filters.into_iter().flatten().chain([place]).collect();
    let listed = service
        .registry
        .instance_page(call, region, &criteria, page)
        .await?;
    let (instances, total_count) = if is_empty {
        (Vec::new(), 0)
    } else {
        (listed.items, listed.total)
    };
    reply.with(&Registries {
        total_count,
        registries: instances.into_iter().map(Registry::from).collect(),
    })
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Statuses {
    registry_status_set: Vec<RegistryStatus>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct RegistryStatus {
    registry_id: String,
    status: &'static str,
    conditions: [(); 0],
}

/// Divergence: an id of no instance of the account's is left out; what the vendor does isn't known.
pub(crate) async fn describe_status(
    Authenticated {
        service,
        call,
        mut parameters,
        reply,
        ..
    }: Authenticated<'_>,
) -> Result<Response> {
    let ids = parameters.texts("RegistryIds")?;
    parameters.finish()?;
    if ids.is_empty() {
        return Err(Error::missing_parameter("RegistryIds"));
    }
    let mut statuses = Vec::new();
    for id in ids.iter().filter_map(|id| id.parse::<InstanceId>().ok()) {
        let choice = InstanceChoice::Tcr(id);
        match service
            .registry
            .described_instance(call, &choice, Permission::DescribeInstanceStatus)
            .await
        {
            Ok(TaggedInstance { instance, .. }) => {
                statuses.push(RegistryStatus {
                    registry_id: instance.id.to_string(),
                    status: RUNNING,
                    conditions: [],
                });
            }
            Err(error) if error.kind() == &ErrorKind::InstanceNotFound => {}
            Err(error) => return Err(error),
        }
    }
    reply.with(&Statuses {
        registry_status_set: statuses,
    })
}
