//! Access to an instance: its public endpoint, and the allow list, whose entries Tencent calls
//! security policies.

use axum::response::Response;
use serde::Serialize;

use crate::domain::allow_list::AllowEntry;
use crate::domain::instance::Instance;
use crate::domain::name::check_description;
use crate::domain::switch::Switch;
use crate::domain::{Error, Result};
use crate::http::tencent::Authenticated;
use crate::http::tencent::parameters::Parameters;
use crate::service::{AllowListPlace, Permission};

use super::place::{instance, registry_id};

/// The output of what changes: the instance that it changed.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Changed {
    registry_id: String,
}

impl Changed {
    fn of(instance: &Instance) -> Self {
        Self {
            registry_id: instance.id.to_string(),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct EndpointStatus {
    status: &'static str,
    reason: &'static str,
}

pub(crate) async fn endpoint_status(
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
    let found = service
        .registry
        .described_instance(call, &instance(&id)?, Permission::DescribeEndpoint)
        .await?;
    let status = if found.instance.public_endpoint.is_on() {
        "Opened"
    } else {
        "Closed"
    };
    reply.with(&EndpointStatus { status, reason: "" })
}

pub(crate) async fn manage_endpoint(
    Authenticated {
        service,
        call,
        mut parameters,
        reply,
        ..
    }: Authenticated<'_>,
) -> Result<Response> {
    let id = registry_id(&mut parameters)?;
    let switch = match parameters.required_text("Operation")?.as_str() {
        "Create" => Switch::On,
        "Delete" => Switch::Off,
        _ => {
            return Err(Error::invalid_parameter(
                "Operation",
                "The parameter `Operation` is `Create` or `Delete`.",
            ));
        }
    };
    parameters.finish()?;
    let changed = service
        .registry
        .set_public_endpoint(call, &instance(&id)?, switch, None)
        .await?;
    reply.with(&Changed::of(&changed))
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Policies {
    security_policy_set: Vec<Policy>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Policy {
    policy_index: usize,
    description: String,
    cidr_block: String,
    policy_version: String,
}

pub(crate) async fn describe(
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
    let (_, list) = service
        .registry
        .allow_list(call, &instance(&id)?, Permission::ListAclEntries)
        .await?;
    let shown = |(policy_index, entry): (usize, &AllowEntry)| Policy {
        policy_index,
        description: entry.comment.clone(),
        cidr_block: entry.written.clone(),
        policy_version: list.version.to_string(),
    };
    reply.with(&Policies {
        security_policy_set: list.entries.iter().enumerate().map(shown).collect(),
    })
}

/// Reads an entry for an allow list.
fn entry(cidr_block: String, description: String) -> Result<AllowEntry> {
    check_description("Description", &description)?;
    let cidr = cidr_block
        .parse()
        .map_err(|error: Error| Error::invalid_parameter("CidrBlock", error.message()))?;
    Ok(AllowEntry {
        cidr,
        written: cidr_block,
        comment: description,
    })
}

/// Says which entry is meant: the range wins over the place.
fn place(
    cidr_block: Option<&str>,
    index: Option<i64>,
    version: Option<&str>,
) -> Result<AllowListPlace> {
    if let Some(cidr) = cidr_block {
        return Ok(AllowListPlace::Cidr(cidr.parse().map_err(
            |error: Error| Error::invalid_parameter("CidrBlock", error.message()),
        )?));
    }
    let index = index.ok_or_else(|| Error::missing_parameter("CidrBlock"))?;
    let index = usize::try_from(index).map_err(|_| {
        Error::invalid_parameter("PolicyIndex", "The parameter `PolicyIndex` is 0 or more.")
    })?;
    let unreadable = |_| {
        Error::invalid_parameter(
            "PolicyVersion",
            "The parameter `PolicyVersion` is one that DescribeSecurityPolicies shows.",
        )
    };
    Ok(AllowListPlace::Index {
        index,
        version: version.map(str::parse).transpose().map_err(unreadable)?,
    })
}

pub(crate) async fn create(
    Authenticated {
        service,
        call,
        mut parameters,
        reply,
        ..
    }: Authenticated<'_>,
) -> Result<Response> {
    let id = registry_id(&mut parameters)?;
    let (cidr_block, description) = (
        parameters.required_text("CidrBlock")?,
        parameters.required_text("Description")?,
    );
    parameters.finish()?;
    let entry = entry(cidr_block, description)?;
    let changed = service
        .registry
        .add_to_allow_list(call, &instance(&id)?, &[entry])
        .await?;
    reply.with(&Changed::of(&changed))
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
    let index = parameters
        .integer("PolicyIndex")?
        .ok_or_else(|| Error::missing_parameter("PolicyIndex"))?;
    let (cidr_block, description) = (
        parameters.required_text("CidrBlock")?,
        parameters.required_text("Description")?,
    );
    parameters.finish()?;
    let (place, entry) = (
        place(None, Some(index), None)?,
        entry(cidr_block, description)?,
    );
    let changed = service
        .registry
        .replace_in_allow_list(call, &instance(&id)?, &place, &entry)
        .await?;
    reply.with(&Changed::of(&changed))
}

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
    let index = parameters.integer("PolicyIndex")?;
    let (version, cidr_block) = (
        parameters.text("PolicyVersion")?,
        parameters.text("CidrBlock")?,
    );
    parameters.finish()?;
    let place = place(cidr_block.as_deref(), index, version.as_deref())?;
    let changed = service
        .registry
        .remove_from_allow_list(call, &instance(&id)?, &[place])
        .await?;
    reply.with(&Changed::of(&changed))
}

/// One of a `SecurityGroupPolicySet`.
struct Given {
    index: Option<i64>,
    description: Option<String>,
    cidr_block: Option<String>,
    version: Option<String>,
}

/// Takes a `SecurityGroupPolicySet` that isn't empty.
fn policies(parameters: &mut Parameters) -> Result<Vec<Given>> {
    let read = |mut given: Parameters| {
        let policy = Given {
            index: given.integer("PolicyIndex")?,
            description: given.text("Description")?,
            cidr_block: given.text("CidrBlock")?,
            version: given.text("PolicyVersion")?,
        };
        given.finish()?;
        Ok(policy)
    };
    let policies = parameters
        .structures("SecurityGroupPolicySet")?
        .into_iter()
        .map(read)
        .collect::<Result<Vec<_>>>()?;
    if policies.is_empty() {
        Err(Error::missing_parameter("SecurityGroupPolicySet"))
    } else {
        Ok(policies)
    }
}

pub(crate) async fn create_multiple(
    Authenticated {
        service,
        call,
        mut parameters,
        reply,
        ..
    }: Authenticated<'_>,
) -> Result<Response> {
    let id = registry_id(&mut parameters)?;
    let given = policies(&mut parameters)?;
    parameters.finish()?;
    let entries = given.into_iter().enumerate().map(|(number, given)| {
        let missing =
            || Error::missing_parameter(format!("SecurityGroupPolicySet.{number}.CidrBlock"));
        entry(
            given.cidr_block.ok_or_else(missing)?,
            given.description.unwrap_or_default(),
        )
    });
    let entries = entries.collect::<Result<Vec<_>>>()?;
    let changed = service
        .registry
        .add_to_allow_list(call, &instance(&id)?, &entries)
        .await?;
    reply.with(&Changed::of(&changed))
}

pub(crate) async fn delete_multiple(
    Authenticated {
        service,
        call,
        mut parameters,
        reply,
        ..
    }: Authenticated<'_>,
) -> Result<Response> {
    let id = registry_id(&mut parameters)?;
    let given = policies(&mut parameters)?;
    parameters.finish()?;
    let places = given.iter().map(|given| {
        place(
            given.cidr_block.as_deref(),
            given.index,
            given.version.as_deref(),
        )
    });
    let places = places.collect::<Result<Vec<_>>>()?;
    let changed = service
        .registry
        .remove_from_allow_list(call, &instance(&id)?, &places)
        .await?;
    reply.with(&Changed::of(&changed))
}
