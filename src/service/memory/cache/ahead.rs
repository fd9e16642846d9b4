//! Reads ahead of an exchange by a credential that memory lacks: in two looks at the database what
//! would take seven, one after the other. Each look waits for a thread, or for a server far away.
//!
//! It decides nothing. An entry that it makes is one that would be made a moment later, and what it
//! leaves out is read when it is asked for.

use std::sync::Arc;

use crate::domain::Result;
use crate::domain::credential::{CredentialId, LongTermCredential};
use crate::domain::identity::User;
use crate::domain::ids::{AccountId, InstanceId, UserId};
use crate::domain::instance::Instance;
use crate::domain::name;
use crate::domain::namespace::Namespace;
use crate::domain::principal::Principal;
use crate::service::memory::attached_policies;
use crate::service::memory::cache::{Holder, KnownRepository, NounCache};
use crate::service::memory::namespace_rules::Namespaces;
use crate::store::Store;
use crate::store::ahead::{self, Surroundings};

/// The most repositories of a request that are read ahead: few clients ask for more than two.
const MAX_REPOSITORIES: usize = 4;

impl NounCache {
    /// Reads what an exchange by a long-term credential at a service will ask for, unless the
    /// credential is known, or nothing says that there is one. `paths` are of the repositories that
    /// are asked for.
    pub(in crate::service) async fn read_ahead(
        &self,
        store: &Store,
        service: &str,
        id: &CredentialId,
        paths: impl Iterator<Item = &str>,
    ) -> Result<()> {
        if self.known_credential(id).is_some() || !self.has_credential(store, id).await? {
            return Ok(());
        }
        if let Some(instance) = self.known_instance_by_service(service) {
            // A stranger who may not come in learns nothing of the credential, by time either.
            if instance.is_open_to_all() {
                self.read_user(store, id).await?;
            }
            return Ok(());
        }
        let Some((instance, credential)) = self.read_log_in(store, service, id).await? else {
            return Ok(());
        };
        let repositories: Vec<_> = paths
            .filter_map(|path| path.split_once('/'))
            .filter(|(_, name)| name::check_imported_repository("name", name).is_ok())
            .take(MAX_REPOSITORIES)
            .collect();
        self.read_rights(store, &instance, &credential.principal, &repositories)
            .await
    }

    /// Reads an instance that is open to all, and a credential of it; nothing if there are no such
    /// ones.
    async fn read_log_in(
        &self,
        store: &Store,
        service: &str,
        id: &CredentialId,
    ) -> Result<Option<(Arc<Instance>, Arc<LongTermCredential>)>> {
        let (marks, tables) = (&self.marks, &self.tables);
        let read_at = marks.count();
        let (instance, credential) = ahead::log_in(store, service, id).await?;
        let (instance, credential) = (instance.map(Arc::new), credential.map(Arc::new));
        if let Some(instance) = &instance {
            let by_service = &tables.instances_by_service;
            by_service.insert(marks, service.to_owned(), instance, read_at);
        }
        // Though there be no such instance: or the same request would read it each time.
        if let Some(credential) = &credential {
            let credentials = &tables.credentials;
            credentials.insert(marks, id.clone(), credential, read_at);
        }
        let fits = |(instance, credential): &(Arc<Instance>, Arc<LongTermCredential>)| {
            credential.instance == instance.id && instance.is_open_to_all()
        };
        Ok(instance.zip(credential).filter(fits))
    }

    /// Reads what decides a principal's rights at an instance.
    async fn read_rights(
        &self,
        store: &Store,
        instance: &Instance,
        principal: &Principal,
        repositories: &[(&str, &str)],
    ) -> Result<()> {
        let (at, marks, tables) = (&instance.id, &self.marks, &self.tables);
        let read_at = marks.count();
        let surroundings = match *principal {
            Principal::Root(account) => {
                let (found, surroundings) =
                    ahead::of_root(store, account, at, repositories).await?;
                if let Some(found) = found {
                    let accounts = &tables.accounts;
                    accounts.insert(marks, account, &Arc::new(found), read_at);
                }
                surroundings
            }
            Principal::User(account, id) => {
                let found = ahead::of_user(store, id, at, repositories).await?;
                self.keep_user((account, id), found.user, found.documents, read_at);
                let tags = Arc::new(found.tags);
                tables.tags.insert(marks, at.clone(), &tags, read_at);
                found.surroundings
            }
            // No long-term credential is of a session.
            Principal::RoleSession(..) | Principal::FederatedSession(..) => return Ok(()),
        };
        self.keep_surroundings(at, surroundings, repositories, read_at);
        Ok(())
    }

    /// Reads the credential and its user, where memory has the rest: the instance is known.
    async fn read_user(&self, store: &Store, id: &CredentialId) -> Result<()> {
        let Some(credential) = self.credential(store, id).await? else {
            return Ok(());
        };
        let Principal::User(account, user) = credential.principal else {
            return Ok(());
        };
        let read_at = self.marks.count();
        if self.tables.users.get(&self.marks, &user).is_none() {
            let (found, documents) = ahead::user_alone(store, user).await?;
            self.keep_user((account, user), found, documents, read_at);
        }
        Ok(())
    }

    fn keep_user(
        &self,
        (account, id): (AccountId, UserId),
        user: Option<User>,
        documents: Vec<(String, Option<String>)>,
        read_at: u64,
    ) {
        let (marks, tables) = (&self.marks, &self.tables);
        if let Some(user) = user {
            tables.users.insert(marks, id, &Arc::new(user), read_at);
        }
        // A document that can't be compiled is refused where it is asked for.
        if let Ok(rights) = attached_policies::compile(account, documents) {
            let policies = &tables.policies;
            policies.insert(marks, Holder::User(id), &Arc::new(rights), read_at);
        }
    }

    fn keep_surroundings(
        &self,
        at: &InstanceId,
        surroundings: Surroundings,
        repositories: &[(&str, &str)],
        read_at: u64,
    ) {
        let (marks, tables) = (&self.marks, &self.tables);
        let is_recorded = |name: &str| {
            let mut namespaces = surroundings.namespaces.iter();
            namespaces.any(|namespace: &Namespace| namespace.name == name)
        };
        for ((namespace, name), known) in repositories.iter().zip(surroundings.repositories) {
            // Nothing else can be recorded, and what strangers make up must not fill the memory.
            if is_recorded(namespace) {
                let key = format!("{at}/{namespace}/{name}");
                let known = Arc::new(KnownRepository(known));
                tables.repositories.insert(marks, key, &known, read_at);
            }
        }
        let namespaces = Arc::new(Namespaces::of(surroundings.namespaces));
        let rules = &tables.namespaces;
        rules.insert(marks, at.clone(), &namespaces, read_at);
    }
}
