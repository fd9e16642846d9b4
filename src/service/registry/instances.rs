//! Instances, as the operator and the cloud APIs manage them.

use std::sync::Arc;

use crate::domain::clock::Timestamp;
use crate::domain::ids::{AccountId, CriId, InstanceId};
use crate::domain::instance::{
    Algorithm, DefaultMark, Instance, InstanceChange, KidFormat, OldRefreshTokens, Origin,
    RegistryKind, Specification, UnrecordedNamespaces,
};
use crate::domain::switch::Switch;
use crate::domain::tag::Tag;
use crate::domain::{Error, Result, name};
use crate::policy::{Context, Outcome, Permission, Request, Resource};
use crate::service::access::caller::Caller;
use crate::service::call::Call;
use crate::service::keys::instance::new_instance_key;
use crate::service::ledger::actions::AuditAction;
use crate::service::ledger::event::Event;
use crate::service::registry::Registry;
use crate::service::rights::instances::InstanceChoice;
use crate::service::rights::{denied, pairs};
use crate::store;
use crate::store::cascade::Contents;
use crate::store::instance_key::InstanceKeyState;
use crate::store::page::{Listed, Page};
use crate::store::quota::{self, Usage};
use crate::store::tag::Tagged;

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
    /// Which software its registry is.
    pub kind: RegistryKind,
    /// The issuer that its tokens name; without it, the store's, or for Pulp the realm.
    pub issuer: Option<String>,
    /// What signs its tokens.
    pub algorithm: Algorithm,
    /// How its tokens name the signing key.
    pub kid_format: KidFormat,
    /// How long its tokens live, in seconds; without it, what is usual for its kind.
    pub token_ttl_seconds: Option<u32>,
    /// Where the registry itself answers.
    pub registry_url: Option<String>,
    /// How large it is.
    pub specification: Specification,
    /// Whether it is to be the account's default.
    pub default: DefaultMark,
    /// Whether clients that ask for a refresh token get one.
    pub refresh_tokens: Switch,
    /// Whether OpenID Connect tokens log in.
    pub token_log_in: Switch,
}

/// What an API says of the instance that it makes.
#[derive(Clone, Debug)]
pub struct RequestedInstance {
    /// Its name, unique in its account.
    pub name: String,
    /// The region that the call was made in.
    pub region: String,
    /// How large it is.
    pub specification: Specification,
    /// Whether it is kept from being deleted.
    pub deletion_protection: Switch,
    /// Its tags.
    pub tags: Vec<Tag>,
}

/// An instance and its tags.
#[derive(Clone, Debug)]
pub struct TaggedInstance {
    /// The instance.
    pub instance: Instance,
    /// Its tags, by key.
    pub tags: Vec<Tag>,
}

/// A condition on the instances that are listed; where it has values, one of them must fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InstanceCriterion {
    /// Every instance.
    Any,
    /// By id.
    Id(Vec<String>),
    /// By name.
    Name(Vec<String>),
    /// By size.
    Specification(Vec<Specification>),
    /// By region.
    Region(Vec<String>),
    /// By a tag with this key.
    TagKey(String),
    /// By the value of the tag with this key.
    Tag(String, Vec<String>),
}

impl InstanceCriterion {
    pub(in crate::service) fn is_met_by(
        &self,
        TaggedInstance { instance, tags }: &TaggedInstance,
    ) -> bool {
        match self {
            Self::Any => true,
            Self::Id(ids) => ids.iter().any(|id| id == instance.id.as_str()),
            Self::Name(names) => names.contains(&instance.name),
            Self::Specification(specifications) => specifications.contains(&instance.specification),
            Self::Region(regions) => regions.contains(&instance.region),
            Self::TagKey(key) => tags.iter().any(|tag| tag.key == *key),
            Self::Tag(key, values) => tags
                .iter()
                .any(|tag| tag.key == *key && values.contains(&tag.value)),
        }
    }
}

/// What can be said of a name for an instance.
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
    /// `Unsupported` for callers other than the operator; `InvalidParameter` for a value that isn't
    /// allowed; those of the store.
    pub async fn create_instance(&self, call: &Call<'_>, new: NewInstance) -> Result<Instance> {
        call.caller.require_operator()?;
        name::check_name("name", &new.name)?;
        name::check_region("region", &new.region)?;
        name::check_service(&new.service)?;
        new.issuer
            .as_deref()
            .map_or(Ok(()), |issuer| name::check_issuer("issuer", issuer))?;
        let ttls = Instance::MIN_TOKEN_TTL..=Instance::MAX_TOKEN_TTL;
        let token_ttl_seconds = new
            .token_ttl_seconds
            .unwrap_or_else(|| new.kind.usual_token_ttl());
        if !ttls.contains(&token_ttl_seconds) {
            return Err(Error::invalid_parameter(
                "token-ttl",
                format!(
                    "a token lives between {} and {} seconds",
                    ttls.start(),
                    ttls.end()
                ),
            ));
        }
        new.registry_url
            .as_deref()
            .map_or(Ok(()), |url| self.check_registry_url(url))?;
        if !new.kind.has_own_key() {
            self.keys
                .ensure_signing_key(new.algorithm, call.request)
                .await?;
        }
        // Pulp has one setting for both: where it sends its clients, and what it compares as the
        // issuer.
        let issuer = new
            .issuer
            .or_else(|| (new.kind == RegistryKind::Pulp).then(|| self.base.realm()));
        let now = call.now;
        let instance = Instance {
            id: InstanceId::random(&*self.base.random),
            cri_id: CriId::random(&*self.base.random),
            account: new.account,
            name: new.name,
            region: new.region,
            service: new.service,
            kind: new.kind,
            algorithm: new.algorithm,
            kid_format: new.kid_format,
            token_ttl_seconds,
            registry_url: new.registry_url,
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
        };
        let event = call
            .event(AuditAction::InstanceCreate)
            .instance(&instance)
            .detail(serde_json::json!({ "instance": instance.id.as_str() }));
        self.memory
            .wrapping(|| self.insert_instance(&instance, &event, now))
            .await?;
        Ok(instance)
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

    /// Lists the instances.
    ///
    /// # Errors
    /// `Unsupported` for callers other than the operator; those of the store.
    pub async fn instances(&self, call: &Call<'_>) -> Result<Vec<Instance>> {
        call.caller.require_operator()?;
        store::instance::list(&self.base.store, None).await
    }

    /// Returns the instance that is named.
    ///
    /// # Errors
    /// `NotFound` when what the call names isn't there, or is another account's.
    pub async fn instance(
        &self,
        call: &Call<'_>,
        choice: &InstanceChoice,
    ) -> Result<Arc<Instance>> {
        self.rights.own_instance(call, choice).await
    }

    /// Makes an instance for a cloud API call, in the caller's own account.
    ///
    /// Nobody gets in until it is told who may: as at the clouds, its public endpoint is closed and
    /// its allow list, which is obeyed, empty.
    ///
    /// # Errors
    /// `AccessDenied` when policies don't allow it; `InvalidParameter` for a value that isn't
    /// allowed; those of the store.
    pub async fn request_instance(
        &self,
        call: &Call<'_>,
        new: RequestedInstance,
    ) -> Result<Instance> {
        name::check_registry_name("RegistryName", &new.name)?;
        let account = account_of(call.caller)?;
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
            .await?;
        let service = self.service_for(&new.name)?;
        let algorithm = Algorithm::Es256;
        self.keys
            .ensure_signing_key(algorithm, call.request)
            .await?;
        let now = call.now;
        let instance = Instance {
            id: InstanceId::random(&*self.base.random),
            cri_id: CriId::random(&*self.base.random),
            account,
            name: new.name,
            region: new.region,
            service,
            kind: RegistryKind::Distribution,
            algorithm,
            kid_format: KidFormat::Thumbprint,
            token_ttl_seconds: RegistryKind::Distribution.usual_token_ttl(),
            registry_url: None,
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
        };
        let event = call
            .event(AuditAction::InstanceCreate)
            .instance(&instance)
            .made(instance.id.as_str())
            .detail(serde_json::json!({ "instance": instance.id.as_str() }));
        let mut write = self
            .base
            .write()
            .then(store::instance::insert(&instance))
            .then(quota::instances_within(account, self.quotas.instances));
        if !new.tags.is_empty() {
            write = write.then(store::tag::set(Tagged::Instance(&instance.id), &new.tags));
        }
        self.ledger.record(write, event).await?;
        Ok(instance)
    }

    /// Returns the service of an instance that an API makes.
    fn service_for(&self, name: &str) -> Result<String> {
        let domain = self.base_domain.as_ref().ok_or_else(|| {
            Error::unsupported(
                "Instances can't be made by this API here: the operator has not set `base_domain`, \
                 the domain under which they get their names. `transire instance create` makes \
                 one.",
            )
        })?;
        Ok(format!("{name}.{domain}"))
    }

    /// Says whether an instance of that name could be made.
    ///
    /// # Errors
    /// `AccessDenied` when policies don't allow it; `InvalidParameter` for a value that isn't
    /// allowed; those of the store.
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
        let filter = store::instance::InstanceFilter {
            name: Some(name),
            region: None,
        };
        let named =
            store::instance::list_page(&self.base.store, account, filter, Page::ALL).await?;
        if named.total > 0 {
            return Ok(NameCheck::Taken);
        }
        Ok(match self.service_for(name) {
            Ok(service) => {
                match store::instance::service_owner(&self.base.store, &service).await? {
                    None => NameCheck::Free,
                    Some(store::instance::ServiceOwner::Live) => NameCheck::Taken,
                    Some(store::instance::ServiceOwner::Deleted) => NameCheck::Reserved,
                }
            }
            Err(_) => NameCheck::Free,
        })
    }

    /// Lists a page of [`Self::own_instances`] that meet all `criteria`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::AccessDenied`] when the caller may see none.
    ///
    /// [`ErrorKind::AccessDenied`]: crate::domain::ErrorKind::AccessDenied
    pub async fn instance_page(
        &self,
        call: &Call<'_>,
        region: &str,
        criteria: &[InstanceCriterion],
        page: Page,
    ) -> Result<Listed<TaggedInstance>> {
        let own = self
            .own_instances(call, Permission::ListInstances, region)
            .await?;
        let is_meant =
            |one: &TaggedInstance| criteria.iter().all(|criterion| criterion.is_met_by(one));
        Ok(Listed::page_of(
            own.into_iter().filter(is_meant).collect(),
            page,
        ))
    }

    /// Lists the instances of the caller's account, the oldest first: all, or those that its
    /// policies let it see.
    ///
    /// [`ErrorKind::AccessDenied`] when it may see none.
    ///
    /// # Errors
    /// `AccessDenied` when policies don't allow it; those of the store.
    pub async fn own_instances(
        &self,
        call: &Call<'_>,
        permission: Permission,
        region: &str,
    ) -> Result<Vec<TaggedInstance>> {
        let account = account_of(call.caller)?;
        let request = Request {
            permission,
            resource: Resource::Everything { account, region },
            context: call.policy_context(),
        };
        let outcome = self.rights.decide(call.caller.rights(), &request).await?;
        let mut visible = store::instance::list(&self.base.store, Some(account)).await?;
        if outcome != Outcome::Allowed {
            let mut allowed = Vec::new();
            for instance in visible {
                let resource = Resource::Instance((&instance).into());
                let request = Request {
                    permission: Permission::DescribeInstance,
                    resource,
                    context: call.policy_context(),
                };
                if self.rights.decide(call.caller.rights(), &request).await? == Outcome::Allowed {
                    allowed.push(instance);
                }
            }
            if allowed.is_empty() {
                return Err(denied(call.caller, &request, outcome));
            }
            visible = allowed;
        }
        let mut tags = store::tag::list_of_instances(&self.base.store, account).await?;
        let mut tagged: Vec<TaggedInstance> = visible
            .into_iter()
            .map(|instance| TaggedInstance {
                instance,
                tags: Vec::new(),
            })
            .collect();
        for one in &mut tagged {
            one.tags = tags
                .extract_if(.., |(id, _)| *id == one.instance.id)
                .map(|(_, tag)| tag)
                .collect();
        }
        Ok(tagged)
    }

    /// Returns an instance of the caller's account, if it may do with it what it asks for: one of
    /// the permissions that read.
    ///
    /// # Errors
    /// `NotFound` when what the call names isn't there, or is another account's; `AccessDenied`
    /// when policies don't allow it; those of the store.
    pub async fn described_instance(
        &self,
        call: &Call<'_>,
        choice: &InstanceChoice,
        permission: Permission,
    ) -> Result<TaggedInstance> {
        let instance = self
            .rights
            .permitted_instance(call, choice, permission)
            .await?;
        let tags = self
            .memory
            .cache
            .tags(&self.base.store, &instance.id)
            .await?;
        Ok(TaggedInstance {
            instance: (*instance).clone(),
            tags: tags.to_vec(),
        })
    }

    /// Counts what an instance has.
    ///
    /// # Errors
    /// `NotFound` when what the call names isn't there, or is another account's; `AccessDenied`
    /// when policies don't allow it; those of the store.
    pub async fn instance_usage(
        &self,
        call: &Call<'_>,
        choice: &InstanceChoice,
    ) -> Result<(Arc<Instance>, Usage)> {
        let instance = self
            .rights
            .permitted_instance(call, choice, Permission::DescribeUsage)
            .await?;
        let usage = quota::usage(&self.base.store, &instance.id)
            .await?
            .ok_or_else(Error::instance_not_found)?;
        Ok((instance, usage))
    }

    /// Returns how many namespaces, and how many repositories in all of them, an instance may have.
    pub fn quotas_of(&self, instance: &Instance) -> (u32, u32) {
        let quotas = &self.quotas;
        (
            quotas.namespaces.of(instance.specification),
            quotas.repositories.of(instance.specification),
        )
    }

    /// Changes what an API may change of an instance.
    ///
    /// # Errors
    /// `NotFound` when what the call names isn't there, or is another account's; `AccessDenied`
    /// when policies don't allow it; those of the store.
    pub async fn modify_instance(
        &self,
        call: &Call<'_>,
        choice: &InstanceChoice,
        change: InstanceChange,
    ) -> Result<()> {
        let instance = self
            .rights
            .permitted_instance(call, choice, Permission::ModifyInstance)
            .await?;
        let event = call
            .event(AuditAction::InstanceModify)
            .instance(&instance)
            .detail(serde_json::json!({
                "specification": change.specification.map(Specification::name),
                "deletion_protection": change.deletion_protection.map(Switch::is_on),
                "token_log_in": change.token_log_in.map(Switch::is_on),
            }));
        self.ledger
            .change(
                store::instance::update(&instance.id, change, call.now),
                event,
            )
            .await
    }

    /// Says where an instance's registry answers, or that none does.
    ///
    /// # Errors
    /// `Unsupported` for callers other than the operator; `NotFound` when what the call names isn't
    /// there, or is another account's; `InvalidParameter` for a value that isn't allowed; those of
    /// the store.
    pub async fn set_registry_url(
        &self,
        call: &Call<'_>,
        choice: &InstanceChoice,
        url: Option<&str>,
    ) -> Result<()> {
        call.caller.require_operator()?;
        url.map_or(Ok(()), |url| self.check_registry_url(url))?;
        let instance = self.rights.own_instance(call, choice).await?;
        let event = call
            .event(AuditAction::InstanceSetRegistryUrl)
            .instance(&instance);
        self.ledger
            .change(
                store::instance::set_registry_url(&instance.id, url, call.now),
                event,
            )
            .await
    }

    /// Says whether an instance's clients get refresh tokens, and what becomes of those that were
    /// given out.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InstanceNotFound`].
    pub async fn set_refresh_tokens(
        &self,
        call: &Call<'_>,
        choice: &InstanceChoice,
        switch: Switch,
        old: OldRefreshTokens,
    ) -> Result<()> {
        call.caller.require_operator()?;
        let instance = self.rights.own_instance(call, choice).await?;
        let detail = serde_json::json!({ "on": switch.is_on(), "refuse_old": old == OldRefreshTokens::Refuse });
        let event = call
            .event(AuditAction::InstanceSetRefreshTokens)
            .instance(&instance)
            .detail(detail);
        self.ledger
            .change(
                store::instance::set_refresh_tokens(&instance.id, switch, old, call.now),
                event,
            )
            .await
    }

    /// Deletes an instance for ever; with `contents` going too, whatever is in it.
    ///
    /// # Errors
    /// `NotFound` when what the call names isn't there, or is another account's; `AccessDenied`
    /// when policies don't allow it; those of the store.
    pub async fn delete_instance(
        &self,
        call: &Call<'_>,
        choice: &InstanceChoice,
        contents: Contents,
    ) -> Result<()> {
        let instance = self
            .rights
            .permitted_instance(call, choice, Permission::DeleteInstance)
            .await?;
        let event = call
            .event(AuditAction::InstanceDelete)
            .instance(&instance)
            .detail(serde_json::json!({ "instance": instance.id.as_str(), "with_contents": contents == Contents::GoToo }));
        let deletion =
            store::cascade::delete_instance(instance.account, &instance.id, contents, call.now);
        self.ledger.change(deletion, event).await
    }

    /// Says whether [`Service::delete_instance`] would succeed, and deletes nothing.
    ///
    /// # Errors
    /// `NotFound` when what the call names isn't there, or is another account's; `AccessDenied`
    /// when policies don't allow it; those of the store.
    pub async fn check_instance_deletion(
        &self,
        call: &Call<'_>,
        choice: &InstanceChoice,
        contents: Contents,
    ) -> Result<()> {
        let instance = self
            .rights
            .permitted_instance(call, choice, Permission::DeleteInstance)
            .await?;
        let deletion =
            store::cascade::delete_instance(instance.account, &instance.id, contents, call.now);
        self.base
            .store
            .dry_run(self.base.write().then(deletion))
            .await
    }
}

/// Returns the account that a signed call acts in.
pub(in crate::service) fn account_of(caller: &Caller) -> Result<AccountId> {
    Ok(caller.signer()?.principal.account())
}
