//! Instances, which Tencent calls registries.

pub(crate) mod checks;
pub(crate) mod lists;
pub(crate) mod regions;

use axum::response::Response;
use serde::Serialize;

use crate::domain::instance::{InstanceChange, Specification};
use crate::domain::name::check_tag;
use crate::domain::switch::Switch;
use crate::domain::tag::Tag;
use crate::domain::{Error, Result};
use crate::http::tencent::parameters::Parameters;
use crate::http::tencent::tcr::place::{instance, registry_id};
use crate::http::tencent::{Authenticated, Nothing};
use crate::service::{Contents, RequestedInstance};

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

/// Refuses to charge: nothing is paid for here, so a prepaid instance would be a lie.
fn refuse_charges(parameters: &mut Parameters) -> Result<()> {
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
    Ok(())
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
    refuse_charges(&mut parameters)?;
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
