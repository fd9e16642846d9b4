//! Who may reach an instance: its public endpoint, and the allow list, whose entries Tencent calls security policies.

use axum::response::Response;
use serde::Serialize;

use crate::domain::allow_list::AllowEntry;
use crate::domain::name::check_description;
use crate::domain::switch::Switch;
use crate::domain::{Error, Result};
use crate::http::operation::operations;
use crate::http::tencent::parameters::Parameters;
use crate::http::tencent::{Proved, reply};
use crate::service::{AllowListPlace, Permission};

use super::instances::{choice, registry};

operations! { "tcr":
    DescribeExternalEndpointStatus,
    ManageExternalEndpoint,
    DescribeSecurityPolicies,
    CreateSecurityPolicy,
    ModifySecurityPolicy,
    DeleteSecurityPolicy,
    CreateMultipleSecurityPolicy,
    DeleteMultipleSecurityPolicy,
}

impl Operation {
    /// Runs the operation for a proved caller.
    pub(in super::super) async fn run(self, call: Proved<'_>) -> Result<Response> {
        let visit = call.visit;
        match self {
            Self::DescribeExternalEndpointStatus => reply(&endpoint_status(call).await?, visit),
            Self::ManageExternalEndpoint => reply(&manage_endpoint(call).await?, visit),
            Self::DescribeSecurityPolicies => reply(&describe(call).await?, visit),
            Self::CreateSecurityPolicy => reply(&create(call).await?, visit),
            Self::ModifySecurityPolicy => reply(&modify(call).await?, visit),
            Self::DeleteSecurityPolicy => reply(&delete(call).await?, visit),
            Self::CreateMultipleSecurityPolicy => reply(&create_multiple(call).await?, visit),
            Self::DeleteMultipleSecurityPolicy => reply(&delete_multiple(call).await?, visit),
        }
    }
}

/// The output of what changes: the instance that it changed.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Changed {
    registry_id: String,
}

impl Changed {
    fn of(id: impl Into<String>) -> Self {
        Self { registry_id: id.into() }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct EndpointStatus {
    status: &'static str,
    reason: &'static str,
}

async fn endpoint_status(Proved { service, caller, mut parameters, visit }: Proved<'_>) -> Result<EndpointStatus> {
    let id = registry(&mut parameters)?;
    parameters.finish()?;
    let found = service.described_instance(caller, &choice(&id)?, Permission::DescribeEndpoint, &visit.context).await?;
    let status = if found.instance.public_endpoint.is_on() { "Opened" } else { "Closed" };
    Ok(EndpointStatus { status, reason: "" })
}

async fn manage_endpoint(Proved { service, caller, mut parameters, visit }: Proved<'_>) -> Result<Changed> {
    let id = registry(&mut parameters)?;
    let switch = match parameters.required_text("Operation")?.as_str() {
        "Create" => Switch::On,
        "Delete" => Switch::Off,
        _ => return Err(Error::invalid_parameter("Operation", "The parameter `Operation` is `Create` or `Delete`.")),
    };
    parameters.finish()?;
    let instance = service.set_public_endpoint(caller, &choice(&id)?, switch, None, &visit.context).await?;
    Ok(Changed::of(instance.id.as_str()))
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

async fn describe(Proved { service, caller, mut parameters, visit }: Proved<'_>) -> Result<Policies> {
    let id = registry(&mut parameters)?;
    parameters.finish()?;
    let (_, list) = service.allow_list(caller, &choice(&id)?, Permission::ListAclEntries, &visit.context).await?;
    let shown = |(policy_index, entry): (usize, &AllowEntry)| Policy {
        policy_index,
        description: entry.comment.clone(),
        cidr_block: entry.written.clone(),
        policy_version: list.version.to_string(),
    };
    Ok(Policies { security_policy_set: list.entries.iter().enumerate().map(shown).collect() })
}

/// Reads an entry for an allow list.
fn entry(cidr_block: String, description: String) -> Result<AllowEntry> {
    check_description("Description", &description)?;
    let cidr = cidr_block.parse().map_err(|error: Error| Error::invalid_parameter("CidrBlock", error.message()))?;
    Ok(AllowEntry { cidr, written: cidr_block, comment: description })
}

/// Says which entry is meant: the range wins over the place.
fn place(cidr_block: Option<&str>, index: Option<i64>, version: Option<&str>) -> Result<AllowListPlace> {
    if let Some(cidr) = cidr_block {
        return Ok(AllowListPlace::Cidr(cidr.parse().map_err(|error: Error| Error::invalid_parameter("CidrBlock", error.message()))?));
    }
    let index = index.ok_or_else(|| Error::missing_parameter("CidrBlock"))?;
    let index = usize::try_from(index).map_err(|_| Error::invalid_parameter("PolicyIndex", "The parameter `PolicyIndex` is 0 or more."))?;
    let unreadable =
        |_| Error::invalid_parameter("PolicyVersion", "The parameter `PolicyVersion` is one that DescribeSecurityPolicies shows.");
    Ok(AllowListPlace::Index { index, version: version.map(str::parse).transpose().map_err(unreadable)? })
}

async fn create(Proved { service, caller, mut parameters, visit }: Proved<'_>) -> Result<Changed> {
    let id = registry(&mut parameters)?;
    let (cidr_block, description) = (parameters.required_text("CidrBlock")?, parameters.required_text("Description")?);
    parameters.finish()?;
    let entry = entry(cidr_block, description)?;
    let instance = service.add_to_allow_list(caller, &choice(&id)?, &[entry], &visit.context).await?;
    Ok(Changed::of(instance.id.as_str()))
}

async fn modify(Proved { service, caller, mut parameters, visit }: Proved<'_>) -> Result<Changed> {
    let id = registry(&mut parameters)?;
    let index = parameters.integer("PolicyIndex")?.ok_or_else(|| Error::missing_parameter("PolicyIndex"))?;
    let (cidr_block, description) = (parameters.required_text("CidrBlock")?, parameters.required_text("Description")?);
    parameters.finish()?;
    let (place, entry) = (place(None, Some(index), None)?, entry(cidr_block, description)?);
    let instance = service.replace_in_allow_list(caller, &choice(&id)?, &place, &entry, &visit.context).await?;
    Ok(Changed::of(instance.id.as_str()))
}

async fn delete(Proved { service, caller, mut parameters, visit }: Proved<'_>) -> Result<Changed> {
    let id = registry(&mut parameters)?;
    let index = parameters.integer("PolicyIndex")?;
    let (version, cidr_block) = (parameters.text("PolicyVersion")?, parameters.text("CidrBlock")?);
    parameters.finish()?;
    let place = place(cidr_block.as_deref(), index, version.as_deref())?;
    let instance = service.remove_from_allow_list(caller, &choice(&id)?, &[place], &visit.context).await?;
    Ok(Changed::of(instance.id.as_str()))
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
    let policies = parameters.structures("SecurityGroupPolicySet")?.into_iter().map(read).collect::<Result<Vec<_>>>()?;
    if policies.is_empty() { Err(Error::missing_parameter("SecurityGroupPolicySet")) } else { Ok(policies) }
}

async fn create_multiple(Proved { service, caller, mut parameters, visit }: Proved<'_>) -> Result<Changed> {
    let id = registry(&mut parameters)?;
    let given = policies(&mut parameters)?;
    parameters.finish()?;
    let entries = given.into_iter().enumerate().map(|(number, given)| {
        let missing = || Error::missing_parameter(format!("SecurityGroupPolicySet.{number}.CidrBlock"));
        entry(given.cidr_block.ok_or_else(missing)?, given.description.unwrap_or_default())
    });
    let entries = entries.collect::<Result<Vec<_>>>()?;
    let instance = service.add_to_allow_list(caller, &choice(&id)?, &entries, &visit.context).await?;
    Ok(Changed::of(instance.id.as_str()))
}

async fn delete_multiple(Proved { service, caller, mut parameters, visit }: Proved<'_>) -> Result<Changed> {
    let id = registry(&mut parameters)?;
    let given = policies(&mut parameters)?;
    parameters.finish()?;
    let places = given.iter().map(|given| place(given.cidr_block.as_deref(), given.index, given.version.as_deref()));
    let places = places.collect::<Result<Vec<_>>>()?;
    let instance = service.remove_from_allow_list(caller, &choice(&id)?, &places, &visit.context).await?;
    Ok(Changed::of(instance.id.as_str()))
}
