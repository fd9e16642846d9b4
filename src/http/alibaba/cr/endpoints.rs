//! Access to an instance: its public endpoint and the access-control list of that. There is no
//! other way to it, by a private network or a domain of the customer's.

use axum::response::Response;
use serde::{Deserialize, Serialize};

use crate::domain::allow_list::{AllowEntry, AllowList};
use crate::domain::instance::Instance;
use crate::domain::name::check_description;
use crate::domain::switch::Switch;
use crate::domain::{Error, Noun, Result};
use crate::http::alibaba::parameters::boolean;
use crate::http::alibaba::{Authenticated, Nothing, given};
use crate::service::{AllowListPlace, Permission, Within};
use crate::sign::Parameters;

use super::place::required_instance;

/// The entry that the vendor makes when an endpoint opens, so that nobody gets in by it.
const FIRST_ENTRY: &str = "127.0.0.1/32";
/// The most characters of a host name, by RFC 1123.
const MAX_DOMAIN_LENGTH: usize = 253;

/// Checks `ModuleName`: the registry is all that there is.
fn check_module(parameters: &Parameters) -> Result<()> {
    match given(parameters, "ModuleName") {
        None | Some("Registry") => Ok(()),
        Some("Chart") => Err(Error::unsupported(
            "There is no module Chart here; charts are in the module Registry.",
        )),
        Some(_) => Err(Error::invalid_parameter("ModuleName", "It is Registry.")),
    }
}

/// Checks `EndpointType`, which clients write in either case: the public one is all that there is.
fn check_endpoint(parameters: &Parameters) -> Result<()> {
    check_module(parameters)?;
    match given(parameters, "EndpointType") {
        None => Err(Error::missing_parameter("EndpointType")),
        Some(kind) if kind.eq_ignore_ascii_case("internet") => Ok(()),
        Some(kind) if kind.eq_ignore_ascii_case("vpc") => Err(Error::unsupported(
            "There is no endpoint in a VPC here; use internet.",
        )),
        Some(_) => Err(Error::invalid_parameter("EndpointType", "It is internet.")),
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Domain {
    r#type: &'static str,
    domain: String,
}

/// An endpoint, as both operations that read show it.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Endpoint {
    /// Terraform waits for this after it opens or closes one.
    status: &'static str,
    enable: bool,
    acl_enable: bool,
    domains: [Domain; 1],
}

impl Endpoint {
    fn of(instance: &Instance) -> Self {
        Self {
            status: "RUNNING",
            enable: instance.public_endpoint.is_on(),
            acl_enable: instance.allow_list.is_on(),
            domains: [Domain {
                r#type: "SYSTEM",
                domain: instance.service.clone(),
            }],
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Got {
    #[serde(flatten)]
    endpoint: Endpoint,
    acl_entries: Vec<EntryAndComment>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct EntryAndComment {
    entry: String,
    #[serde(default)]
    comment: Option<String>,
}

fn entries(list: &AllowList) -> Vec<EntryAndComment> {
    list.entries
        .iter()
        .map(|entry| EntryAndComment {
            entry: entry.written.clone(),
            comment: Some(entry.comment.clone()),
        })
        .collect()
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
    let instance = required_instance(parameters)?;
    check_endpoint(parameters)?;
    let (found, list) = service
        .registry
        .allow_list(call, &instance, Permission::DescribeEndpoint)
        .await?;
    reply.success(Got {
        endpoint: Endpoint::of(&found),
        acl_entries: entries(&list),
    })
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Endpoints {
    endpoints: [Listed; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Listed {
    endpoint_type: &'static str,
    #[serde(flatten)]
    endpoint: Endpoint,
    linked_vpcs: [(); 0],
    acl_entries: Vec<Entry>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    entry: String,
}

pub(crate) async fn list(
    Authenticated {
        service,
        call,
        parameters,
        reply,
        ..
    }: Authenticated<'_>,
) -> Result<Response> {
    let instance = required_instance(parameters)?;
    check_module(parameters)?;
    let is_summary = boolean(parameters, "Summary")?.unwrap_or(false);
    let (found, list) = service
        .registry
        .allow_list(call, &instance, Permission::ListEndpoints)
        .await?;
    let shown = if is_summary { &[][..] } else { &list.entries };
    reply.success(Endpoints {
        endpoints: [Listed {
            endpoint_type: "internet",
            endpoint: Endpoint::of(&found),
            linked_vpcs: [],
            acl_entries: shown
                .iter()
                .map(|entry| Entry {
                    entry: entry.written.clone(),
                })
                .collect(),
        }],
    })
}

pub(crate) async fn update(
    Authenticated {
        service,
        call,
        parameters,
        reply,
        ..
    }: Authenticated<'_>,
) -> Result<Response> {
    let instance = required_instance(parameters)?;
    check_endpoint(parameters)?;
    let switch = boolean(parameters, "Enable")?
        .map(Switch::from)
        .ok_or_else(|| Error::missing_parameter("Enable"))?;
    let first = entry(FIRST_ENTRY.to_owned(), None)?;
    service
        .registry
        .set_public_endpoint(call, &instance, switch, Some(&first))
        .await?;
    reply.success(Nothing {})
}

/// Reads an entry for an allow list.
fn entry(written: String, comment: Option<String>) -> Result<AllowEntry> {
    let comment = comment.unwrap_or_default();
    check_description("Comment", &comment)?;
    let cidr = written
        .parse()
        .map_err(|error: Error| Error::invalid_parameter("Entry", error.message()))?;
    Ok(AllowEntry {
        cidr,
        written,
        comment,
    })
}

/// Reads `Entries`, a JSON list as text, or else the one `Entry` with its `Comment`.
fn given_entries(parameters: &Parameters) -> Result<Vec<AllowEntry>> {
    let Some(text) = given(parameters, "Entries") else {
        let one = given(parameters, "Entry").ok_or_else(|| Error::missing_parameter("Entry"))?;
        return Ok(vec![entry(
            one.to_owned(),
            given(parameters, "Comment").map(str::to_owned),
        )?]);
    };
    let unreadable = || {
        Error::invalid_parameter(
            "Entries",
            r#"It is a JSON list such as [{"Entry":"192.0.2.0/24","Comment":"office"}]."#,
        )
    };
    if given(parameters, "Entry").is_some() {
        return Err(Error::invalid_parameter(
            "Entries",
            "Give Entry or Entries, not both.",
        ));
    }
    let entries: Vec<EntryAndComment> = serde_json::from_str(text).map_err(|_| unreadable())?;
    if entries.is_empty() {
        return Err(unreadable());
    }
    entries
        .into_iter()
        .map(|one| entry(one.entry, one.comment))
        .collect()
}

pub(crate) async fn create(
    Authenticated {
        service,
        call,
        parameters,
        reply,
        ..
    }: Authenticated<'_>,
) -> Result<Response> {
    let instance = required_instance(parameters)?;
    check_endpoint(parameters)?;
    service
        .registry
        .add_to_allow_list(call, &instance, &given_entries(parameters)?)
        .await?;
    reply.success(Nothing {})
}

pub(crate) async fn delete(
    Authenticated {
        service,
        call,
        parameters,
        reply,
        ..
    }: Authenticated<'_>,
) -> Result<Response> {
    let instance = required_instance(parameters)?;
    check_endpoint(parameters)?;
    let places: Vec<AllowListPlace> = given_entries(parameters)?
        .into_iter()
        .map(|entry| AllowListPlace::Cidr(entry.cidr))
        .collect();
    service
        .registry
        .remove_from_allow_list(call, &instance, &places)
        .await?;
    reply.success(Nothing {})
}

/// Reads `ModuleName` of what there is of no module.
fn any_module(parameters: &Parameters) -> Result<Option<&str>> {
    match given(parameters, "ModuleName") {
        module @ (None | Some("Registry" | "Chart")) => Ok(module),
        Some(_) => Err(Error::invalid_parameter(
            "ModuleName",
            "It is Registry or Chart.",
        )),
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct VpcEndpoint {
    enable: bool,
    domains: [(); 0],
    linked_vpcs: [(); 0],
    module_name: String,
}

pub(crate) async fn vpc(
    Authenticated {
        service,
        call,
        parameters,
        reply,
        ..
    }: Authenticated<'_>,
) -> Result<Response> {
    let instance = required_instance(parameters)?;
    let module_name = any_module(parameters)?.unwrap_or("Registry").to_owned();
    service
        .registry
        .instance_with(
            call,
            &instance,
            Within::Instance,
            Permission::DescribeInternalEndpoint,
        )
        .await?;
    reply.success(VpcEndpoint {
        enable: false,
        domains: [],
        linked_vpcs: [],
        module_name,
    })
}

/// Says that there is no such domain. The instance's own name is none of these: GetInstanceEndpoint
/// has it.
///
/// Divergence: the code is by analogy; none is documented.
pub(crate) async fn customized_domain(
    Authenticated {
        service,
        call,
        parameters,
        ..
    }: Authenticated<'_>,
) -> Result<Response> {
    let instance = required_instance(parameters)?;
    let domain = given(parameters, "Domain").ok_or_else(|| Error::missing_parameter("Domain"))?;
    any_module(parameters)?.ok_or_else(|| Error::missing_parameter("ModuleName"))?;
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
    if domain.len() > MAX_DOMAIN_LENGTH || !domain.bytes().all(is_letter) {
        return Err(Error::invalid_parameter("Domain", "It is a host name."));
    }
    service
        .registry
        .instance_with(
            call,
            &instance,
            Within::Instance,
            Permission::DescribeCustomDomain,
        )
        .await?;
    Err(Error::not_found(Noun::CustomizedDomain, domain))
}
