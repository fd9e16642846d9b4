//! The addresses from which registry clients reach an instance.

use std::net::IpAddr;

use crate::domain::instance::Instance;
use crate::domain::refusal::RefusalCause;
use crate::domain::{Error, Result};
use crate::service::memory::Memory;
use crate::service::request::RequestContext;

/// Refuses a registry client that may not come from where it comes from. It reads memory alone.
pub(in crate::service) async fn check_reach(
    memory: &Memory,
    instance: &Instance,
    context: &RequestContext,
) -> Result<()> {
    if !instance.public_endpoint.is_on() {
        return Err(Error::address_refused(format!(
            "The public endpoint of {} is closed: nobody can log in. Whoever manages the instance \
             opens it with ManageExternalEndpoint, UpdateInstanceEndpointStatus or `transire \
             instance update --instance {} --public-endpoint open`.",
            instance.service, instance.id
        ))
        .caused_by(RefusalCause::EndpointClosed));
    }
    if !instance.allow_list.is_on() {
        return Ok(());
    }
    let list = memory.list_of(instance).await?;
    match context.address.map(|address| address.to_canonical()) {
        Some(address) if list.contains(address) => Ok(()),
        address => Err(not_listed(instance, address)),
    }
}

fn not_listed(instance: &Instance, address: Option<IpAddr>) -> Error {
    let address = address.map_or_else(
        || "Your address".to_owned(),
        |address| format!("Your address {address}"),
    );
    Error::address_refused(format!(
        "{address} is not in the allow list of {}. Whoever manages the instance adds it with \
         CreateSecurityPolicy, CreateInstanceEndpointAclPolicy or `transire allow-list add \
         --instance {}`.",
        instance.service, instance.id
    ))
    .caused_by(RefusalCause::NotInAllowList)
}
