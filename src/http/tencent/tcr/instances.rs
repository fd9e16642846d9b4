//! Instances, which Tencent calls registries.

use axum::response::Response;
use serde::Serialize;

use super::place::{instance, registry_id};
use crate::domain::ids::InstanceId;
use crate::domain::instance::{Instance, InstanceChange, Specification};
use crate::domain::name::check_tag;
use crate::domain::switch::Switch;
use crate::domain::tag::Tag;
use crate::domain::{Error, ErrorKind, Result};
use crate::http::tencent::pager::Pager;
use crate::http::tencent::parameters::Parameters;
use crate::http::tencent::{Authenticated, Nothing, times};
use crate::service::{
    Contents, InstanceChoice, InstanceCriterion, NameCheck, Permission, RequestedInstance,
    TaggedInstance,
};

/// The life of a long-term credential, as Tencent shows it.
const TOKEN_VALID_HOURS: u64 = 87_600;
/// The only state of an instance here.
const RUNNING: &str = "Running";

/// The numbers of the regions that Tencent publishes; any other is 0.
const REGIONS: [(&str, u64); 22] = [
    ("ap-guangzhou", 1),
    ("ap-shanghai", 4),
    ("ap-hongkong", 5),
    ("na-toronto", 6),
    ("ap-shanghai-fsi", 7),
    ("ap-beijing", 8),
    ("ap-singapore", 9),
    ("ap-shenzhen-fsi", 11),
    ("na-siliconvalley", 15),
    ("ap-chengdu", 16),
    ("eu-frankfurt", 17),
    ("ap-seoul", 18),
    ("ap-chongqing", 19),
    ("ap-mumbai", 21),
    ("na-ashburn", 22),
    ("ap-bangkok", 23),
    ("eu-moscow", 24),
    ("ap-tokyo", 25),
    ("ap-nanjing", 33),
    ("ap-taipei", 39),
    ("ap-jakarta", 72),
    ("sa-saopaulo", 74),
];

fn region_id(region: &str) -> u64 {
    REGIONS
        .iter()
        .find(|(name, _)| *name == region)
        .map_or(0, |(_, id)| *id)
}

fn specification(name: &str) -> Result<Specification> {
    name.parse().map_err(|_| {
        Error::invalid_parameter(
            "RegistryType",
            "The parameter `RegistryType` is `basic`, `standard` or `premium`.",
        )
    })
}

/// Refuses to switch on what isn't there: to accept it would say that it was.
fn refuse_bucket(parameters: &mut Parameters, name: &'static str) -> Result<()> {
    match parameters.boolean(name)? {
        Some(true) => Err(Error::unsupported(format!(
            "There is no COS bucket here; leave `{name}` out, or false."
        ))),
        Some(false) | None => Ok(()),
    }
}

/// Takes a `TagSpecification` of an instance.
fn tags(parameters: &mut Parameters) -> Result<Vec<Tag>> {
    let Some(mut specification) = parameters.structure("TagSpecification")? else {
        return Ok(Vec::new());
    };
    match specification.text("ResourceType")?.as_deref() {
        None | Some("instance" | "") => {}
        Some(_) => {
            return Err(Error::invalid_parameter(
                "TagSpecification.ResourceType",
                "It is `instance` here.",
            ));
        }
    }
    let mut tags: Vec<Tag> = Vec::new();
    for mut given in specification.structures("Tags")? {
        let tag = Tag {
            key: given.required_text("Key")?,
            value: given.text("Value")?.unwrap_or_default(),
        };
        given.finish()?;
        check_tag("TagSpecification.Tags", &tag.key, &tag.value)?;
        if tags.iter().any(|known| known.key == tag.key) {
            return Err(Error::invalid_parameter(
                "TagSpecification.Tags",
                format!("The key {} comes twice.", tag.key),
            ));
        }
        tags.push(tag);
    }
    specification.finish()?;
    Ok(tags)
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Created {
    registry_id: String,
}

pub(crate) async fn create(
    Authenticated {
        service,
        call,
        mut parameters,
        region,
        reply,
        ..
    }: Authenticated<'_>,
) -> Result<Response> {
    let name = parameters.required_text("RegistryName")?;
    let registry_type = parameters.required_text("RegistryType")?;
    let tags = tags(&mut parameters)?;
    // Nothing is paid for here, so a prepaid instance would be a lie.
    match parameters.integer("RegistryChargeType")? {
        None | Some(0) => {}
        Some(1) => {
            return Err(Error::unsupported(
                "Nothing is charged here; leave `RegistryChargeType` out, or 0.",
            ));
        }
        Some(_) => {
            return Err(Error::invalid_parameter(
                "RegistryChargeType",
                "The parameter `RegistryChargeType` is 0 or 1.",
            ));
        }
    }
    if let Some(mut prepaid) = parameters.structure("RegistryChargePrepaid")? {
        prepaid.integer("Period")?;
        prepaid.integer("RenewFlag")?;
        prepaid.finish()?;
    }
    // There is no bucket whose tags could be kept the same.
    parameters.boolean("SyncTag")?;
    refuse_bucket(&mut parameters, "EnableCosMAZ")?;
    refuse_bucket(&mut parameters, "EnableCosVersioning")?;
    let deletion_protection =
        Switch::from(parameters.boolean("DeletionProtection")?.unwrap_or(false));
    parameters.finish()?;
    let specification = specification(&registry_type)?;
    let new = RequestedInstance {
        name,
        region: region.to_owned(),
        specification,
        deletion_protection,
        tags,
    };
    let made = service.registry.request_instance(call, new).await?;
    reply.with(&Created {
        registry_id: made.id.to_string(),
    })
}

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

pub(crate) async fn modify(
    Authenticated {
        service,
        call,
        mut parameters,
        reply,
        ..
    }: Authenticated<'_>,
) -> Result<Response> {
    let id = registry_id(&mut parameters)?;
    let change = InstanceChange {
        token_log_in: None,
        specification: parameters
            .text("RegistryType")?
            .as_deref()
            .map(specification)
            .transpose()?,
        deletion_protection: parameters.boolean("DeletionProtection")?.map(Switch::from),
    };
    refuse_bucket(&mut parameters, "EnableCosVersioning")?;
    parameters.finish()?;
    service
        .registry
        .modify_instance(call, &instance(&id)?, change)
        .await?;
    reply.with(&Nothing {})
}

/// With `DeleteBucket`, at the vendor's door the consent to lose the images, all that is in the
/// instance goes too.
pub(crate) async fn delete(
    Authenticated {
        service,
        call,
        mut parameters,
        reply,
        ..
    }: Authenticated<'_>,
) -> Result<Response> {
    let id = registry_id(&mut parameters)?;
    let contents = if parameters.boolean("DeleteBucket")?.unwrap_or(false) {
        Contents::GoToo
    } else {
        Contents::MustBeGone
    };
    let is_dry_run = parameters.boolean("DryRun")?.unwrap_or(false);
    parameters.finish()?;
    if is_dry_run {
        service
            .registry
            .check_instance_deletion(call, &instance(&id)?, contents)
            .await?;
    } else {
        service
            .registry
            .delete_instance(call, &instance(&id)?, contents)
            .await?;
    }
    reply.with(&Nothing {})
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Validated {
    is_validated: bool,
    region_id: u64,
}

pub(crate) async fn check(
    Authenticated {
        service,
        call,
        mut parameters,
        reply,
        ..
    }: Authenticated<'_>,
) -> Result<Response> {
    let id = registry_id(&mut parameters)?;
    parameters.finish()?;
    let found = match instance(&id) {
        Ok(instance) => {
            service
                .registry
                .described_instance(call, &instance, Permission::CheckInstance)
                .await
        }
        Err(error) => Err(error),
    };
    let validated = match found {
        Ok(TaggedInstance { instance, .. }) => Validated {
            is_validated: true,
            region_id: region_id(&instance.region),
        },
        Err(error) if error.kind() == &ErrorKind::InstanceNotFound => Validated {
            is_validated: false,
            region_id: 0,
        },
        Err(error) => return Err(error),
    };
    reply.with(&validated)
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ValidatedName {
    is_validated: bool,
    detail_code: i64,
}

pub(crate) async fn check_name(
    Authenticated {
        service,
        call,
        mut parameters,
        region,
        reply,
        ..
    }: Authenticated<'_>,
) -> Result<Response> {
    let name = parameters.required_text("RegistryName")?;
    parameters.finish()?;
    let check = service
        .registry
        .check_instance_name(call, &name, region)
        .await?;
    reply.with(&ValidatedName {
        is_validated: check == NameCheck::Free,
        detail_code: match check {
            NameCheck::Free => 0,
            NameCheck::Illegal => 1,
            NameCheck::Reserved => 2,
            NameCheck::Taken => 3,
        },
    })
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Regions {
    total_count: usize,
    regions: Vec<Region>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Region {
    alias: String,
    region_id: u64,
    region_name: String,
    status: &'static str,
    remark: &'static str,
    created_at: String,
    updated_at: String,
    id: u64,
}

/// Divergence: the regions are those in which the account has instances; they date from the first
/// and the last of them.
pub(crate) async fn describe_regions(
    Authenticated {
        service,
        call,
        parameters,
        region,
        reply,
        ..
    }: Authenticated<'_>,
) -> Result<Response> {
    parameters.finish()?;
    let own = service
        .registry
        .own_instances(call, Permission::ListRegions, region)
        .await?;
    let mut regions: Vec<Region> = Vec::new();
    for Instance {
        region, created_at, ..
    } in own.into_iter().map(|one| one.instance)
    {
        match regions.iter_mut().find(|known| known.region_name == region) {
            Some(known) => known.updated_at = times::beijing(created_at),
            None => regions.push(Region {
                alias: region.clone(),
                region_id: region_id(&region),
                status: "alluser",
                remark: "",
                created_at: times::beijing(created_at),
                updated_at: times::beijing(created_at),
                id: region_id(&region),
                region_name: region,
            }),
        }
    }
    reply.with(&Regions {
        total_count: regions.len(),
        regions,
    })
}
