//! The addresses from which registry clients reach an instance.

use std::net::IpAddr;
use std::sync::Arc;

use crate::domain::instance::{AnyInstanceId, Instance};
use crate::domain::refusal::RefusalCause;
use crate::domain::{Error, Result};
use crate::service::access::Access;
use crate::service::access::presented::LogIn;
use crate::service::limits::attempt::Attempt;
use crate::service::memory::Memory;
use crate::service::request::RequestContext;

impl Access {
    /// Returns the instance that a client names: by its service, and at an exchange by an id, too.
    ///
    /// # Errors
    /// `AddressThrottled` when too many made-up names are looked up; those of the store.
    pub(super) async fn named_instance(
        &self,
        name: &str,
        log_in: &LogIn,
        attempt: &mut Attempt,
    ) -> Result<Option<Arc<Instance>>> {
        // Most log-ins name none, and no text is read in vain at each of them.
        let id: Option<AnyInstanceId> = if log_in.may_name_by_id() {
            name.parse().ok()
        } else {
            None
        };
        let (cache, store) = (&self.memory.cache, &self.base.store);
        let known = match &id {
            Some(id) => cache.known_instance(id),
            None => cache.known_instance_by_service(name),
        };
        if known.is_some() {
            return Ok(known);
        }
        let _permit = self.limits.lookup_permit(attempt).await?;
        match &id {
            Some(AnyInstanceId::Tcr(id)) => cache.instance(store, id).await,
            Some(AnyInstanceId::Cri(id)) => cache.instance_by_cri_id(store, id).await,
            None => cache.instance_by_service(store, name).await,
        }
    }
}

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
