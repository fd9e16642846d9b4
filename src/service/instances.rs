//! Instances, as the operator manages them.

use std::sync::Arc;

use super::{Caller, InstanceChoice, RequestContext, Service};
use crate::domain::instance::{Algorithm, CriId, DefaultMark, Instance, InstanceId, KidFormat, Origin, Specification};
use crate::domain::principal::AccountId;
use crate::domain::switch::Switch;
use crate::domain::{Error, Result, name};
use crate::store;

/// What an instance is made of.
#[derive(Clone, Debug)]
pub struct NewInstance {
    /// Who owns it.
    pub account: AccountId,
    /// Its name, unique in its account.
    pub name: String,
    /// The region that it says it is in.
    pub region: String,
    /// What the registry checks as the token's audience.
    pub service: String,
    /// What signs its tokens.
    pub algorithm: Algorithm,
    /// How its tokens name the signing key.
    pub kid_format: KidFormat,
    /// How long its tokens live, in seconds.
    pub token_ttl_seconds: u32,
    /// Where the registry itself answers.
    pub registry_url: Option<String>,
    /// Whether it is to be the account's default.
    pub default: DefaultMark,
}

impl Service {
    /// Makes an instance.
    pub async fn create_instance(&self, caller: &Caller, new: NewInstance, context: &RequestContext) -> Result<Instance> {
        caller.require_operator()?;
        name::check_name("name", &new.name)?;
        name::check_region("region", &new.region)?;
        name::check_service(&new.service)?;
        let ttls = Instance::SHORTEST_TOKEN_TTL..=Instance::LONGEST_TOKEN_TTL;
        if !ttls.contains(&new.token_ttl_seconds) {
            return Err(Error::invalid_parameter(
                "token-ttl",
                format!("a token lives between {} and {} seconds", ttls.start(), ttls.end()),
            ));
        }
        new.registry_url.as_deref().map_or(Ok(()), |url| self.check_registry_url(url))?;
        self.ensure_signing_key(new.algorithm, context).await?;
        let now = self.now();
        let instance = Instance {
            id: InstanceId::random(&*self.random),
            cri_id: CriId::random(&*self.random),
            account: new.account,
            name: new.name,
            region: new.region,
            service: new.service,
            algorithm: new.algorithm,
            kid_format: new.kid_format,
            token_ttl_seconds: new.token_ttl_seconds,
            registry_url: new.registry_url,
            default: new.default,
            specification: Specification::Premium,
            deletion_protection: Switch::Off,
            public_endpoint: Switch::On,
            allow_list: Switch::Off,
            origin: Origin::Operator,
            created_at: now,
            modified_at: now,
        };
        let line = self
            .line("instance.create", caller, context)
            .instance(&instance)
            .detail(serde_json::json!({ "instance": instance.id.as_str() }));
        self.change(store::instance::insert(&instance), line).await?;
        Ok(instance)
    }

    /// Lists the instances.
    pub async fn instances(&self, caller: &Caller) -> Result<Vec<Instance>> {
        caller.require_operator()?;
        store::instance::list(&self.store, None).await
    }

    /// Returns the instance that is named.
    pub async fn instance(&self, caller: &Caller, choice: &InstanceChoice) -> Result<Arc<Instance>> {
        self.own_instance(caller, choice).await
    }
}
