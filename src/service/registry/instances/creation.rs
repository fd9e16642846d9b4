//! How instances are made: by the operator, or by a cloud API in the caller's own account.

use crate::domain::clock::Timestamp;
use crate::domain::ids::{AccountId, CriId, InstanceId};
use crate::domain::instance::{
    Algorithm, DefaultMark, Instance, KidFormat, Origin, RegistryKind, Specification,
    UnrecordedNamespaces,
};
use crate::domain::operator::OperatorPermission;
use crate::domain::switch::Switch;
use crate::domain::tag::Tag;
use crate::domain::{Error, Result, name};
use crate::policy::{Context, Permission, Resource};
use crate::service::call::Call;
use crate::service::keys::instance::new_instance_key;
use crate::service::ledger::actions::AuditAction;
use crate::service::ledger::event::Event;
use crate::service::registry::Registry;
use crate::service::registry::instances::account_of;
use crate::service::rights::pairs;
use crate::store;
use crate::store::instance::{InstanceFilter, ServiceOwner};
use crate::store::instance_key::InstanceKeyState;
use crate::store::page::Page;
use crate::store::quota;
use crate::store::tag::Tagged;

/// The algorithm of the tokens of an instance that an API makes.
const REQUESTED_ALGORITHM: Algorithm = Algorithm::Es256;

/// An instance that the operator makes.
#[derive(Clone, Debug)]
pub struct NewInstance {
    /// The account that owns it.
    pub account: AccountId,
    /// Its name, unique in its account.
    pub name: String,
    /// The region in its answers.
    pub region: String,
    /// The audience that the registry expects in tokens.
    pub service: String,
    /// The software of its registry.
    pub kind: RegistryKind,
    /// The issuer that its tokens name; without it, the store's, or for Pulp the realm.
    pub issuer: Option<String>,
    /// The algorithm that signs its tokens.
    pub algorithm: Algorithm,
    /// The form in which its tokens name the signing key.
    pub kid_format: KidFormat,
    /// The life of its tokens in seconds; without it, the usual one of its kind.
    pub token_ttl_seconds: Option<u32>,
    /// The URL at which the registry itself answers.
    pub registry_url: Option<String>,
    /// The host that it answers to as an ECR registry; without it, its service.
    pub ecr_host: Option<String>,
    /// Its size.
    pub specification: Specification,
    /// Whether it is to be the account's default.
    pub default: DefaultMark,
    /// Whether clients that ask for a refresh token get one.
    pub refresh_tokens: Switch,
    /// Whether OpenID Connect tokens log in.
    pub token_log_in: Switch,
    /// Its ids, both or none; without them, random ones.
    pub ids: Option<(InstanceId, CriId)>,
}

impl NewInstance {
    /// Returns the instance that an operator gets who names no more than this: of the largest size,
    /// with a CNCF Distribution as its registry, and not its account's default.
    pub fn named(
        account: AccountId,
        name: impl Into<String>,
        region: impl Into<String>,
        service: impl Into<String>,
    ) -> Self {
        Self {
            account,
            name: name.into(),
            region: region.into(),
            service: service.into(),
            kind: RegistryKind::Distribution,
            issuer: None,
            algorithm: Algorithm::Es256,
            kid_format: KidFormat::Thumbprint,
            token_ttl_seconds: None,
            registry_url: None,
            ecr_host: None,
            specification: Specification::Premium,
            default: DefaultMark::Unmarked,
            refresh_tokens: Switch::Off,
            token_log_in: Switch::On,
            ids: None,
        }
    }
}

impl NewInstance {
    fn token_ttl(&self) -> u32 {
        self.token_ttl_seconds
            .unwrap_or_else(|| self.kind.usual_token_ttl())
    }
}

/// An instance that a cloud API makes.
#[derive(Clone, Debug)]
pub struct RequestedInstance {
    /// Its name, unique in its account.
    pub name: String,
    /// The region that the call was made in.
    pub region: String,
    /// Its size.
    pub specification: Specification,
    /// Whether it is kept from being deleted.
    pub deletion_protection: Switch,
    /// Its tags.
    pub tags: Vec<Tag>,
}

/// The answer about a name for an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameCheck {
    /// An instance can be made with it.
    Free,
    /// It breaks the rules for names.
    Illegal,
    /// It can't be used again: the service that goes with it once belonged to an instance.
    Reserved,
    /// An instance has it.
    Taken,
}

impl Registry {
    /// Makes an instance.
    ///
    /// # Errors
    /// `OperatorDenied`, or `Unsupported` for no operator; `InvalidParameter` for a value that
    /// isn't allowed; `Misconfigured` while no key can sign its tokens; those of the store.
    pub async fn create_instance(&self, call: &Call<'_>, new: NewInstance) -> Result<Instance> {
        call.caller
            .require(OperatorPermission::InstanceCreate, None)?;
        self.check_new_instance(&new)?;
        if !new.kind.has_own_key() {
            self.keys
                .ensure_signing_key(new.algorithm, call.request)
                .await?;
        }
        let instance = self.operators_instance(new, call.now);
        let event = call
            .event(AuditAction::InstanceCreate)
            .instance(&instance)
            .made(instance.id.as_str())
            .detail(serde_json::json!({ "instance": instance.id.as_str() }));
        self.memory
            .wrapping(|| self.insert_instance(&instance, &event, call.now))
            .await?;
        Ok(instance)
    }

    fn check_new_instance(&self, new: &NewInstance) -> Result<()> {
        name::check_name("name", &new.name)?;
        name::check_region("region", &new.region)?;
        name::check_service(&new.service)?;
        if let Some(issuer) = &new.issuer {
            name::check_issuer("issuer", issuer)?;
        }
        if let Some(host) = &new.ecr_host {
            name::check_ecr_host("ecr-host", host)?;
        }
        let ttls = Instance::MIN_TOKEN_TTL..=Instance::MAX_TOKEN_TTL;
        if !ttls.contains(&new.token_ttl()) {
            let (min, max) = (ttls.start(), ttls.end());
            let why = format!("a token lives between {min} and {max} seconds");
            return Err(Error::invalid_parameter("token-ttl", why));
        }
        match &new.registry_url {
            Some(url) => self.check_registry_url(url),
            None => Ok(()),
        }
    }

    fn operators_instance(&self, new: NewInstance, now: Timestamp) -> Instance {
        let token_ttl_seconds = new.token_ttl();
        let (id, cri_id) = new.ids.unwrap_or_else(|| {
            let random = &*self.base.random;
            (InstanceId::random(random), CriId::random(random))
        });
        // Pulp has one setting for both: where it sends its clients, and what it compares as the
        // issuer.
        let issuer = new
            .issuer
            .or_else(|| (new.kind == RegistryKind::Pulp).then(|| self.base.realm()));
        Instance {
            id,
            cri_id,
            account: new.account,
            name: new.name,
            region: new.region,
            service: new.service,
            kind: new.kind,
            algorithm: new.algorithm,
            kid_format: new.kid_format,
            token_ttl_seconds,
            registry_url: new.registry_url,
            ecr_host: new.ecr_host,
            default: new.default,
            specification: new.specification,
            deletion_protection: Switch::Off,
            public_endpoint: Switch::On,
            allow_list: Switch::Off,
            origin: Origin::Operator,
            unrecorded_namespaces: UnrecordedNamespaces::Open,
            issuer,
            next_issuer: None,
            refresh_tokens: new.refresh_tokens,
            refresh_generation: 0,
            token_log_in: new.token_log_in,
            created_at: now,
            modified_at: now,
        }
    }

    /// Stores an instance, and its own key if its registry wants one.
    async fn insert_instance(
        &self,
        instance: &Instance,
        event: &Event<'_>,
        now: Timestamp,
    ) -> Result<()> {
        let mut write = self.base.write().then(store::instance::insert(instance));
        if instance.kind.has_own_key() {
            let key = new_instance_key(
                &instance.id,
                instance.algorithm,
                InstanceKeyState::InUse,
                &self.memory.keys.master,
                now,
                &*self.base.random,
            )?;
            write = write.then_wrapped(store::instance_key::insert(&key));
        }
        self.ledger.record(write, event.clone()).await
    }

    /// Makes an instance for a cloud API call, in the caller's own account.
    ///
    /// As at the clouds, no client reaches it at first: its public endpoint is closed, and its
    /// allow list is on and empty.
    ///
    /// # Errors
    /// `InvalidParameter` for a name that isn't allowed; `AccessDenied` when policies don't allow
    /// it; `Unsupported` without a base domain; `Misconfigured` while no key can sign its tokens;
    /// `AlreadyExists`, `QuotaExceeded`, and those of the store.
    pub async fn request_instance(
        &self,
        call: &Call<'_>,
        new: RequestedInstance,
    ) -> Result<Instance> {
        name::check_registry_name("RegistryName", &new.name)?;
        let account = account_of(call.caller)?;
        self.authorize_creation(call, account, &new).await?;
        let service = self.service_for(&new.name)?;
        self.keys
            .ensure_signing_key(REQUESTED_ALGORITHM, call.request)
            .await?;
        let instance = self.requested_instance(account, service, &new, call.now);
        let event = call
            .event(AuditAction::InstanceCreate)
            .instance(&instance)
            .made(instance.id.as_str())
            .detail(serde_json::json!({ "instance": instance.id.as_str() }));
        let mut write = self
            .base
            .write()
            .then(store::instance::insert(&instance))
            .then(quota::instances_within(
                account,
                self.base.adjustable().quotas.instances,
            ));
        if !new.tags.is_empty() {
            write = write.then(store::tag::set(Tagged::Instance(&instance.id), &new.tags));
        }
        self.ledger.record(write, event).await?;
        Ok(instance)
    }

    async fn authorize_creation(
        &self,
        call: &Call<'_>,
        account: AccountId,
        new: &RequestedInstance,
    ) -> Result<()> {
        let everything = Resource::Everything {
            account,
            region: &new.region,
        };
        let tags = pairs(&new.tags);
        let policy_context = Context {
            request_tags: &tags,
            ..call.policy_context()
        };
        self.rights
            .authorize_with(call, Permission::CreateInstance, everything, policy_context)
            .await
    }

    fn requested_instance(
        &self,
        account: AccountId,
        service: String,
        new: &RequestedInstance,
        now: Timestamp,
    ) -> Instance {
        Instance {
            id: InstanceId::random(&*self.base.random),
            cri_id: CriId::random(&*self.base.random),
            account,
            name: new.name.clone(),
            region: new.region.clone(),
            service,
            kind: RegistryKind::Distribution,
            algorithm: REQUESTED_ALGORITHM,
            kid_format: KidFormat::Thumbprint,
            token_ttl_seconds: RegistryKind::Distribution.usual_token_ttl(),
            registry_url: None,
            ecr_host: None,
            default: DefaultMark::Unmarked,
            specification: new.specification,
            deletion_protection: new.deletion_protection,
            public_endpoint: Switch::Off,
            allow_list: Switch::On,
            origin: Origin::Api,
            // As at the clouds: a push makes repositories, but no namespaces.
            unrecorded_namespaces: UnrecordedNamespaces::Closed,
            issuer: None,
            next_issuer: None,
            refresh_tokens: Switch::Off,
            refresh_generation: 0,
            token_log_in: Switch::On,
            created_at: now,
            modified_at: now,
        }
    }

    /// Returns the service of an instance that an API makes.
    fn service_for(&self, name: &str) -> Result<String> {
        let adjustable = self.base.adjustable();
        let domain = adjustable.base_domain.as_ref().ok_or_else(|| {
            Error::unsupported(
                "Instances can't be made by this API here: the operator has not set `base_domain`, \
                 the domain under which they get their names. `transire instance create` makes \
                 one.",
            )
        })?;
        Ok(format!("{name}.{domain}"))
    }

    /// Tells whether an instance of that name could be made.
    ///
    /// # Errors
    /// `AccessDenied` when policies don't allow it, and those of the store.
    pub async fn check_instance_name(
        &self,
        call: &Call<'_>,
        name: &str,
        region: &str,
    ) -> Result<NameCheck> {
        let account = account_of(call.caller)?;
        self.rights
            .authorize(
                call,
                Permission::CheckInstanceName,
                Resource::Everything { account, region },
            )
            .await?;
        if name::check_registry_name("RegistryName", name).is_err() {
            return Ok(NameCheck::Illegal);
        }
        let filter = InstanceFilter {
            name: Some(name),
            region: None,
        };
        let named =
            store::instance::list_page(&self.base.store, account, filter, Page::ALL).await?;
        if named.total > 0 {
            return Ok(NameCheck::Taken);
        }
        let Ok(service) = self.service_for(name) else {
            return Ok(NameCheck::Free);
        };
        let owner = store::instance::service_owner(&self.base.store, &service).await?;
        Ok(match owner {
            None => NameCheck::Free,
            Some(ServiceOwner::Live) => NameCheck::Taken,
            Some(ServiceOwner::Deleted) => NameCheck::Reserved,
        })
    }
}
