//! The execution of steps, each by the use case that a command would call.

use std::collections::HashMap;

use super::format::{AccessKey, Account, Policy, Role, User};
use super::instance::InstanceUpdate;
use crate::domain::access_key::NewAccessKey;
use crate::domain::identity::{OidcProviderChange, Target, UserState};
use crate::domain::ids::{AccountId, InstanceId};
use crate::domain::namespace::NamespaceChange;
use crate::domain::tag::Tag;
use crate::domain::{Error, Result};
use crate::service::{
    Attached, Call, Contents, InstanceChoice, Membership, NewInstance, NewNamespace,
    NewOidcProvider, RoleChange, Save, Service, ServiceAccountGrant,
};

/// The work of a step.
pub(super) enum Deed<'s> {
    CreateAccount(&'s Account),
    SetGrant(Option<ServiceAccountGrant>),
    SavePolicy(&'s Policy, Save),
    DeletePolicy(String),
    CreateUser(&'s User),
    SetUserState(&'s str, UserState),
    DeleteUser(String),
    CreateGroup(&'s str),
    DeleteGroup(String),
    SetMember {
        group: &'s str,
        user: String,
        membership: Membership,
    },
    SetAttached {
        policy: String,
        target: Target,
        attached: Attached,
    },
    AddAccessKey(&'s AccessKey),
    CreateProvider(Box<NewOidcProvider>),
    UpdateProvider(&'s str, OidcProviderChange),
    DeleteProvider(String),
    CreateRole(&'s Role),
    UpdateRole(&'s str, RoleChange<'s>),
    DeleteRole(String),
    CreateInstance(Box<(NewInstance, InstanceUpdate)>),
    UpdateInstance(InstanceId, Box<InstanceUpdate>),
    DeleteInstance(InstanceId),
    CreateNamespace {
        /// The instance's name.
        instance: &'s str,
        /// Its id, unless an earlier step makes it.
        id: Option<InstanceId>,
        new: Box<NewNamespace>,
    },
    UpdateNamespace {
        instance: InstanceId,
        name: &'s str,
        change: Box<NamespaceChange>,
        tags: Option<Vec<Tag>>,
    },
    DeleteNamespace(InstanceId, String),
}

/// Executes steps in order.
pub(super) struct Maker<'a> {
    service: &'a Service,
    call: &'a Call<'a>,
    /// The instances that were made, by account and name.
    made: HashMap<(AccountId, String), InstanceId>,
}

impl<'a> Maker<'a> {
    pub(super) fn new(service: &'a Service, call: &'a Call<'a>) -> Self {
        Self {
            service,
            call,
            made: HashMap::new(),
        }
    }

    /// Executes a step, and returns the warnings about it.
    ///
    /// # Errors
    /// Those of the use cases.
    pub(super) async fn carry_out(
        &mut self,
        account: AccountId,
        deed: &Deed<'_>,
    ) -> Result<Vec<String>> {
        match deed {
            Deed::CreateInstance(_)
            | Deed::UpdateInstance(..)
            | Deed::DeleteInstance(_)
            | Deed::CreateNamespace { .. }
            | Deed::UpdateNamespace { .. }
            | Deed::DeleteNamespace(..) => {
                Box::pin(self.in_registry(account, deed)).await?;
                Ok(Vec::new())
            }
            Deed::DeletePolicy(_)
            | Deed::DeleteUser(_)
            | Deed::DeleteGroup(_)
            | Deed::DeleteProvider(_)
            | Deed::DeleteRole(_) => Box::pin(self.deletion(account, deed)).await,
            _ => Box::pin(self.in_identity(account, deed)).await,
        }
    }

    async fn in_identity(&self, account: AccountId, deed: &Deed<'_>) -> Result<Vec<String>> {
        let (identity, call) = (&self.service.identity, self.call);
        match deed {
            Deed::CreateAccount(new) => {
                let id = account.to_string();
                let name = new.name.as_ref().map_or(&id, |name| name.as_ref());
                let grant = new.service_account_grant.and_then(|word| word.0.0);
                let made = identity.create_account(call, Some(account), name, grant);
                made.await.map(drop)?;
            }
            Deed::SetGrant(grant) => {
                identity
                    .set_service_account_grant(call, account, *grant)
                    .await?;
            }
            Deed::SavePolicy(policy, save) => {
                let (name, document) = (policy.name.as_ref(), &policy.document);
                return identity
                    .save_policy(call, account, name, document, *save)
                    .await;
            }
            Deed::CreateUser(new) => {
                let name = new.name.as_ref();
                identity.create_user(call, account, name).await?;
                if new.disabled == Some(true) {
                    let state = UserState::Disabled;
                    identity.set_user_state(call, account, name, state).await?;
                }
            }
            Deed::SetUserState(name, state) => {
                identity.set_user_state(call, account, name, *state).await?;
            }
            Deed::CreateGroup(name) => {
                identity.create_group(call, account, name).await?;
            }
            Deed::SetMember {
                group,
                user,
                membership,
            } => {
                let set = identity.set_member(call, account, group, user, *membership);
                set.await?;
            }
            Deed::SetAttached {
                policy,
                target,
                attached,
            } => {
                let set = identity.set_attached(call, account, policy, target, *attached);
                set.await?;
            }
            Deed::AddAccessKey(key) => {
                let made = NewAccessKey::given(key.id.as_ref(), &key.secret)?;
                let user = key.user.as_deref();
                identity.add_access_key(call, account, user, &made).await?;
            }
            _ => return self.in_trust(account, deed).await,
        }
        Ok(Vec::new())
    }

    async fn in_trust(&self, account: AccountId, deed: &Deed<'_>) -> Result<Vec<String>> {
        let (identity, call) = (&self.service.identity, self.call);
        match deed {
            Deed::CreateProvider(new) => {
                let new = (**new).clone();
                identity.create_oidc_provider(call, new).await?;
                Ok(Vec::new())
            }
            Deed::UpdateProvider(name, change) => {
                let change = change.clone();
                identity
                    .update_oidc_provider(call, account, name, change)
                    .await?;
                Ok(Vec::new())
            }
            Deed::CreateRole(new) => {
                let (name, policy) = (new.name.as_ref(), &new.trust_policy);
                let seconds = new.max_session_seconds.unwrap_or(Role::USUAL_SESSION);
                let made = identity.create_role(call, account, name, policy, seconds);
                made.await.map(|(_, warnings)| warnings)
            }
            Deed::UpdateRole(name, change) => {
                identity.update_role(call, account, name, *change).await
            }
            _ => Err(Error::internal("a step of another part")),
        }
    }

    async fn deletion(&self, account: AccountId, deed: &Deed<'_>) -> Result<Vec<String>> {
        let (identity, call) = (&self.service.identity, self.call);
        let left = match deed {
            Deed::DeleteUser(name) => identity.delete_user(call, account, name).await?,
            Deed::DeleteRole(name) => identity.delete_role(call, account, name).await?,
            Deed::DeleteGroup(name) => {
                identity.delete_group(call, account, name).await?;
                Vec::new()
            }
            Deed::DeleteProvider(name) => {
                identity.delete_oidc_provider(call, account, name).await?;
                Vec::new()
            }
            Deed::DeletePolicy(name) => {
                identity.delete_policy(call, account, name).await?;
                Vec::new()
            }
            _ => return Err(Error::internal("a step that deletes nothing")),
        };
        let goes_on = |name: String| format!("the service account {name} goes on");
        Ok(left.into_iter().map(goes_on).collect())
    }

    async fn in_registry(&mut self, account: AccountId, deed: &Deed<'_>) -> Result<()> {
        let (registry, call) = (&self.service.registry, self.call);
        let choice = |id: &InstanceId| InstanceChoice::Tcr(id.clone());
        match deed {
            Deed::CreateInstance(new) => {
                let (new, update) = &**new;
                let made = registry.create_instance(call, new.clone()).await?;
                update.carry_out(registry, call, &made.id).await?;
                self.made.insert((account, made.name), made.id);
                Ok(())
            }
            Deed::UpdateInstance(id, update) => update.carry_out(registry, call, id).await,
            Deed::DeleteInstance(id) => {
                let contents = Contents::MustBeGone;
                registry.delete_instance(call, &choice(id), contents).await
            }
            Deed::CreateNamespace { instance, id, new } => {
                let made = self.made.get(&(account, (*instance).to_owned()));
                let id = id.as_ref().or(made).ok_or_else(Error::instance_not_found)?;
                let new = (**new).clone();
                let choice = choice(id);
                let made = registry.create_namespace(call, &choice, new);
                made.await.map(drop)
            }
            Deed::UpdateNamespace {
                instance,
                name,
                change,
                tags,
            } => {
                let tags = tags.as_deref();
                registry
                    .modify_namespace(call, &choice(instance), name, change, tags)
                    .await
            }
            Deed::DeleteNamespace(instance, name) => {
                let contents = Contents::MustBeGone;
                registry
                    .delete_namespace(call, &choice(instance), name, contents)
                    .await
            }
            _ => Err(Error::internal("a step of another part")),
        }
    }
}
