//! Reads a noun from memory, or else from the database.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::domain::allow_list::AllowList;
use crate::domain::credential::{CredentialId, FixedPassword, LongTermCredential};
use crate::domain::identity::{Role, User, UserState};
use crate::domain::ids::{AccountId, CriId, InstanceId, RoleId, UserId};
use crate::domain::instance::Instance;
use crate::domain::principal::Principal;
use crate::domain::secret::Secret;
use crate::domain::service_account::ServiceAccount;
use crate::domain::tag::Tag;
use crate::domain::{Error, Result};
use crate::policy::{Limits, PolicySet, RepositoryPolicy};
use crate::service::memory::attached_policies;
use crate::service::memory::cache::{AccessKey, Holder, KnownOldNames, KnownRepository, NounCache};
use crate::service::memory::keyring::ACCESS_KEY;
use crate::service::memory::master_keys::MasterKeys;
use crate::service::memory::namespace_rules::{self, Namespaces};
use crate::sign::SigningSecret;
use crate::store::access_key::{self, AccessKeyState};
use crate::store::account::{self, Account};
use crate::store::fixed_password::OldNames;
use crate::store::{
    Store, allow_list, credential, fixed_password, instance, repository_policy, role,
    service_account, session_policy, tag, user,
};
use crate::token::PolicyDigest;

impl NounCache {
    pub(in crate::service) async fn account(
        &self,
        store: &Store,
        id: AccountId,
    ) -> Result<Option<Arc<Account>>> {
        self.entry(&self.tables.accounts, &id, async || {
            account::find(store, id).await
        })
        .await
    }

    pub(in crate::service) async fn access_key(
        &self,
        store: &Store,
        master: &MasterKeys,
        id: &str,
    ) -> Result<Option<Arc<AccessKey>>> {
        let fill = async || {
            let Some(row) = access_key::find(store, id).await? else {
                return Ok(None);
            };
            // Its principal is gone: the key went with it, or is about to.
            let Some((principal_generation, principal_state)) =
                validity_of(store, &row.principal).await?
            else {
                return Ok(None);
            };
            let secret = match row.state {
                AccessKeyState::Deleted => Secret::new(""),
                AccessKeyState::Active | AccessKeyState::Disabled => {
                    let plain = master.unwrap(ACCESS_KEY, &row.id, &row.sealed_secret)?;
                    Secret::new(std::str::from_utf8(&plain).map_err(Error::internal)?)
                }
            };
            Ok(Some(AccessKey {
                id: row.id,
                principal: row.principal,
                principal_generation,
                generation: row.generation,
                state: match (row.state, principal_state) {
                    (AccessKeyState::Active, UserState::Disabled) => AccessKeyState::Disabled,
                    (state, _) => state,
                },
                signing_secret: SigningSecret::new(secret),
            }))
        };
        self.entry(&self.tables.access_keys, id, fill).await
    }

    pub(in crate::service) async fn instance(
        &self,
        store: &Store,
        id: &InstanceId,
    ) -> Result<Option<Arc<Instance>>> {
        self.entry(&self.tables.instances, id, async || {
            instance::find(store, id).await
        })
        .await
    }

    pub(in crate::service) async fn instance_by_cri_id(
        &self,
        store: &Store,
        id: &CriId,
    ) -> Result<Option<Arc<Instance>>> {
        self.entry(&self.tables.instances_by_cri_id, id, async || {
            instance::find_by_cri_id(store, id).await
        })
        .await
    }

    pub(in crate::service) async fn instance_by_service(
        &self,
        store: &Store,
        service: &str,
    ) -> Result<Option<Arc<Instance>>> {
        self.entry(&self.tables.instances_by_service, service, async || {
            instance::find_by_service(store, service).await
        })
        .await
    }

    /// Returns the account's default instance: the marked one, or else its only one.
    pub(in crate::service) async fn default_instance(
        &self,
        store: &Store,
        account: AccountId,
    ) -> Result<Option<Arc<Instance>>> {
        let fill = async || {
            let mut instances = instance::list(store, Some(account)).await?;
            let marked = instances.iter().position(|instance| {
                instance.default == crate::domain::instance::DefaultMark::Marked
            });
            let place = marked.or_else(|| (instances.len() == 1).then_some(0));
            Ok(place.map(|place| instances.swap_remove(place)))
        };
        self.entry(&self.tables.default_instances, &account, fill)
            .await
    }

    /// Returns all namespaces that are recorded of an instance.
    pub(in crate::service) async fn namespaces(
        &self,
        store: &Store,
        id: &InstanceId,
    ) -> Result<Arc<Namespaces>> {
        let found = self
            .entry(&self.tables.namespaces, id, async || {
                namespace_rules::rules(store, id).await.map(Some)
            })
            .await?;
        found.ok_or_else(|| Error::internal("namespaces that were just read"))
    }

    /// Returns what is recorded of a repository in a namespace that is; `name` is one that a
    /// repository can have.
    pub(in crate::service) async fn repository(
        &self,
        store: &Store,
        id: &InstanceId,
        namespace: &str,
        name: &str,
    ) -> Result<Arc<KnownRepository>> {
        let fill = async || {
            let known = repository_policy::known(store, id, namespace, name).await?;
            Ok(Some(KnownRepository(known)))
        };
        let found = self
            .entry(
                &self.tables.repositories,
                format!("{id}/{namespace}/{name}").as_str(),
                fill,
            )
            .await?;
        found.ok_or_else(|| Error::internal("a repository that was just looked for"))
    }

    /// Returns the tags of a repository that is known to have some.
    pub(in crate::service) async fn repository_tags(
        &self,
        store: &Store,
        id: &InstanceId,
        namespace: &str,
        name: &str,
    ) -> Result<Arc<Vec<Tag>>> {
        let fill = async || {
            let Some(text) = repository_policy::tags_by_name(store, id, namespace, name).await?
            else {
                return Ok(None);
            };
            let tags: BTreeMap<String, String> =
                serde_json::from_str(&text).map_err(Error::internal)?;
            let tag = |(key, value)| Tag { key, value };
            Ok(Some(tags.into_iter().map(tag).collect::<Vec<_>>()))
        };
        let found = self
            .entry(
                &self.tables.repository_tags,
                format!("{id}/{namespace}/{name}").as_str(),
                fill,
            )
            .await?;
        Ok(found.unwrap_or_default())
    }

    /// Returns the policy of a repository that is known to have one.
    pub(in crate::service) async fn repository_policy(
        &self,
        store: &Store,
        id: &InstanceId,
        namespace: &str,
        name: &str,
    ) -> Result<Option<Arc<RepositoryPolicy>>> {
        let fill = async || {
            let Some(text) = repository_policy::find_by_name(store, id, namespace, name).await?
            else {
                return Ok(None);
            };
            RepositoryPolicy::parse(&text, Limits::REPOSITORY)
                .map(Some)
                .map_err(|error| {
                    let what = format!("the stored policy of {id}/{namespace}/{name}");
                    Error::internal(format!("{what} can't be read")).caused_by(error)
                })
        };
        self.entry(
            &self.tables.repository_policies,
            format!("{id}/{namespace}/{name}").as_str(),
            fill,
        )
        .await
    }

    /// Returns the allow list of an instance, whether it is obeyed or not.
    pub(in crate::service) async fn allow_list(
        &self,
        store: &Store,
        instance: &InstanceId,
    ) -> Result<Option<Arc<AllowList>>> {
        self.entry(&self.tables.allow_lists, instance, async || {
            allow_list::find(store, instance).await
        })
        .await
    }

    /// Returns the tags of an instance.
    pub(in crate::service) async fn tags(
        &self,
        store: &Store,
        instance: &InstanceId,
    ) -> Result<Arc<Vec<Tag>>> {
        let fill = async || {
            tag::list(store, tag::Tagged::Instance(instance))
                .await
                .map(Some)
        };
        Ok(self
            .entry(&self.tables.tags, instance, fill)
            .await?
            .unwrap_or_default())
    }

    pub(in crate::service) async fn user(
        &self,
        store: &Store,
        id: UserId,
    ) -> Result<Option<Arc<User>>> {
        self.entry(&self.tables.users, &id, async || {
            user::find(store, id).await
        })
        .await
    }

    pub(in crate::service) async fn user_by_name(
        &self,
        store: &Store,
        account: AccountId,
        name: &str,
    ) -> Result<Option<Arc<User>>> {
        let key = format!("{account}/{name}");
        self.entry(&self.tables.users_by_name, key.as_str(), async || {
            user::find_by_name(store, account, name).await
        })
        .await
    }

    /// Returns a service account by its name, without the prefix.
    pub(in crate::service) async fn service_account(
        &self,
        store: &Store,
        instance: &InstanceId,
        name: &str,
    ) -> Result<Option<Arc<ServiceAccount>>> {
        let id = format!("{instance}/{name}");
        self.entry(&self.tables.service_accounts, id.as_str(), async || {
            service_account::find(store, instance, name).await
        })
        .await
    }

    pub(in crate::service) async fn fixed_password(
        &self,
        store: &Store,
        instance: &InstanceId,
        principal: &Principal,
    ) -> Result<Option<Arc<FixedPassword>>> {
        let id = format!("{instance}/{principal}");
        self.entry(&self.tables.fixed_passwords, id.as_str(), async || {
            fixed_password::find(store, instance, principal).await
        })
        .await
    }

    /// Returns the fixed password at an instance that logs in with an old name.
    pub(in crate::service) async fn fixed_password_by_old_name(
        &self,
        store: &Store,
        instance: &InstanceId,
        old_name: &str,
    ) -> Result<Option<Arc<FixedPassword>>> {
        let id = format!("{instance}/{old_name}");
        let cache = &self.tables.fixed_passwords_by_old_name;
        self.entry(cache, id.as_str(), async || {
            fixed_password::find_by_old_name(store, instance, old_name).await
        })
        .await
    }

    /// Counts the old names of an instance.
    pub(in crate::service) async fn old_names(
        &self,
        store: &Store,
        instance: &Instance,
    ) -> Result<OldNames> {
        let fill = async || {
            let names = fixed_password::old_names(store, &instance.id).await?;
            let account = instance.account;
            Ok(Some(KnownOldNames { account, names }))
        };
        let counted = self
            .entry(&self.tables.old_names, &instance.id, fill)
            .await?;
        Ok(counted.map_or_else(OldNames::default, |counted| counted.names))
    }

    pub(in crate::service) async fn role(
        &self,
        store: &Store,
        id: RoleId,
    ) -> Result<Option<Arc<Role>>> {
        self.entry(&self.tables.roles, &id, async || {
            role::find(store, id).await
        })
        .await
    }

    /// Returns the text of a session policy that is stored; `None` when it isn't there.
    ///
    /// # Errors
    /// [`Error::internal`] when the text that is stored has another digest.
    pub(in crate::service) async fn session_policy(
        &self,
        store: &Store,
        account: AccountId,
        digest: PolicyDigest,
    ) -> Result<Option<Arc<String>>> {
        let fill = async || match session_policy::find(store, account, &digest.to_string()).await? {
            Some(document) if PolicyDigest::of(&document) != digest => {
                Err(Error::internal(format!(
                    "table session_policy, account {account}, digest {digest}: the text has \
                     another digest"
                )))
            }
            found => Ok(found),
        };
        self.entry(&self.tables.session_policies, &(account, digest), fill)
            .await
    }

    /// Returns the policies of a user; those of a user that isn't there allow nothing.
    pub(in crate::service) async fn rights_of_user(
        &self,
        store: &Store,
        account: AccountId,
        id: UserId,
    ) -> Result<Arc<PolicySet>> {
        self.rights(Holder::User(id), async || {
            attached_policies::rights_of_user(store, account, id).await
        })
        .await
    }

    /// Returns the policies of a role; those of a role that isn't there allow nothing.
    pub(in crate::service) async fn rights_of_role(
        &self,
        store: &Store,
        account: AccountId,
        id: RoleId,
    ) -> Result<Arc<PolicySet>> {
        self.rights(Holder::Role(id), async || {
            attached_policies::rights_of_role(store, account, id).await
        })
        .await
    }

    async fn rights(
        &self,
        holder: Holder,
        fill: impl AsyncFnOnce() -> Result<PolicySet>,
    ) -> Result<Arc<PolicySet>> {
        let found = self
            .entry(&self.tables.policies, &holder, async || {
                fill().await.map(Some)
            })
            .await?;
        found.ok_or_else(|| Error::internal("policies that were just read"))
    }

    pub(in crate::service) async fn credential(
        &self,
        store: &Store,
        id: &CredentialId,
    ) -> Result<Option<Arc<LongTermCredential>>> {
        let fill = async || {
            let found = credential::find(store, id).await?;
            if found.is_some() {
                self.ids.credentials.add(id.as_str());
            }
            Ok(found)
        };
        self.entry(&self.tables.credentials, id, fill).await
    }
}

/// Returns the generation and the state of the principal that an access key signs for; `None` when
/// it isn't there.
async fn validity_of(store: &Store, principal: &Principal) -> Result<Option<(i64, UserState)>> {
    Ok(match principal {
        Principal::Root(account) | Principal::FederatedSession(account, None, _) => {
            account::find(store, *account)
                .await?
                .map(|account| (account.generation, UserState::Active))
        }
        Principal::User(_, id) | Principal::FederatedSession(_, Some(id), _) => {
            user::find(store, *id)
                .await?
                .map(|user| (user.generation, user.state))
        }
        Principal::RoleSession(_, id, _) => role::find(store, *id)
            .await?
            .map(|role| (role.generation, UserState::Active)),
    })
}
