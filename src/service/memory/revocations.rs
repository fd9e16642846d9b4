//! The kill switch: what was given out stops, though nothing of it is stored.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use serde_json::json;

use crate::domain::any_principal::{AnyPrincipal, Written};
use crate::domain::credential::{CredentialId, CredentialState};
use crate::domain::principal::Principal;
use crate::domain::{Error, ErrorKind, Noun, Result};
use crate::service::Service;
use crate::service::call::Call;
use crate::service::identity::users::Resolved;
use crate::store::{self, Part, Store, revocation};

/// How long a revocation is kept: longer than anything sealed lives, by more than clocks differ.
pub(in crate::service) const KEPT: Duration = Duration::from_hours(48);

/// The sealed credentials and sessions that were revoked one by one; few, because it is done by hand.
pub(in crate::service) struct Revocations {
    ids: ArcSwap<HashSet<CredentialId>>,
    /// What was added here since the list was last begun to be read: it may not be in what is read.
    added: Mutex<HashSet<CredentialId>>,
    /// The count of [`crate::service::memory::cache::Directory::revocations`] that they were read at.
    read_at: AtomicU64,
}

impl Revocations {
    pub(in crate::service) async fn load(store: &Store) -> Result<Self> {
        Ok(Self { ids: ArcSwap::from_pointee(read(store).await?), added: Mutex::default(), read_at: AtomicU64::new(0) })
    }

    pub(in crate::service) fn contains(&self, id: &CredentialId) -> bool {
        let ids = self.ids.load();
        !ids.is_empty() && ids.contains(id)
    }

    /// Adds what was revoked here, before the list is read again.
    pub(in crate::service) fn add(&self, id: &CredentialId) {
        let mut added = self.lock_added();
        added.insert(id.clone());
        let mut ids = HashSet::clone(&self.ids.load());
        ids.insert(id.clone());
        self.ids.store(Arc::new(ids));
    }

    /// Reads the list again, unless it was read at this count of changes. It is for the caller that nobody else does so
    /// at the same time.
    pub(in crate::service) async fn catch_up(&self, store: &Store, count: u64) -> Result<()> {
        if self.read_at.load(Ordering::Acquire) != count {
            self.begin_read();
            self.take_read(read(store).await?);
            // Noted only once it is done: the feed tells of a change once, and reading may fail.
            self.read_at.store(count, Ordering::Release);
        }
        Ok(())
    }

    fn begin_read(&self) {
        // What was added by now is in the database, and so in what is read.
        self.lock_added().clear();
    }

    fn take_read(&self, mut read: HashSet<CredentialId>) {
        let added = self.lock_added();
        read.extend(added.iter().cloned());
        self.ids.store(Arc::new(read));
    }

    fn lock_added(&self) -> MutexGuard<'_, HashSet<CredentialId>> {
        // What it holds is right after any panic.
        self.added.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn read(store: &Store) -> Result<HashSet<CredentialId>> {
    Ok(revocation::list(store).await?.into_iter().collect())
}

impl Service {
    /// Stops every temporary credential, session and refresh token of a principal: of a session, those of its role, or of
    /// whom it is federated for. It disables the service accounts that came from it, too.
    ///
    /// A user or a role that is gone, by its id, has nothing temporary left; what it made is disabled.
    ///
    /// # Errors
    /// `Unsupported` for whoever isn't the operator, or for a principal that holds nothing; `NotFound`;
    /// `PreconditionFailed` when it made or lost a service account at the same moment.
    pub async fn revoke(&self, call: &Call<'_>, principal: &AnyPrincipal) -> Result<Revoked> {
        call.caller.require_operator()?;
        let (id, temporary) = match self.revocable(principal).await {
            Ok(found) => (found.number(), Ok(raise_generation(&found))),
            Err(error) if matches!(error.kind(), ErrorKind::NotFound { .. }) => match number_of_gone(principal) {
                Some(id) => (id, Err(error)),
                None => return Err(error),
            },
            Err(error) => return Err(error),
        };
        let (made, service_accounts) = self.made_by(id).await?;
        let part = match temporary {
            Ok(part) => part,
            Err(gone) if made.is_empty() => return Err(gone),
            Err(_) => Part::default(),
        };
        let revoked = principal.without_session();
        let detail = json!({ "revoked": revoked.to_string(), "disabled": service_accounts });
        let line = call.event("principal.revoke").detail(detail);
        let disable = store::service_account::disable_made_by(id, &made, call.caller.level(), call.now);
        self.ledger.change(part.and(disable), line).await?;
        Ok(Revoked { principal: revoked, service_accounts })
    }

    /// Returns the numeric id under which service accounts have a principal as their maker, though it be gone.
    pub(in crate::service) async fn maker_number(&self, principal: &AnyPrincipal) -> Result<i64> {
        match number_of_gone(principal) {
            Some(id) => Ok(id),
            None => Ok(self.revocable(principal).await?.number()),
        }
    }

    /// Stops one credential or session of a principal, and what came from it: a long-term one is disabled.
    ///
    /// Sealed ones are known by their ids alone, which the audit has; that this one is the principal's can't be told.
    pub async fn revoke_credential(&self, call: &Call<'_>, principal: &AnyPrincipal, id: &CredentialId) -> Result<()> {
        call.caller.require_operator()?;
        let of = self.revocable(principal).await?;
        let part: Part = match self.memory.cache.credential(&self.base.store, id).await? {
            Some(stored) if stored.principal.account() != of.account() => return Err(Error::not_found(Noun::Credential, id)),
            Some(_) => store::credential::set_state(id, CredentialState::Disabled, call.caller.level()),
            None => revocation::insert(id, call.now),
        };
        let line = call.event("credential.revoke").credential(id).detail(json!({ "revoked": principal.to_string() }));
        self.ledger.change(part, line).await
    }

    /// Returns the principal that an argument means, if it can hold anything temporary.
    async fn revocable(&self, principal: &AnyPrincipal) -> Result<Principal> {
        match self.find_principal(principal).await? {
            Resolved::Principal(principal) => Ok(principal),
            Resolved::ServiceAccount(_, name) => Err(nothing_temporary(&name)),
            Resolved::Bearer => Err(Error::unsupported(
                "The bearer of an OpenID Connect token holds nothing: revoke the role that it assumed, or delete the provider.",
            )),
            Resolved::Operator => Err(Error::unsupported("The operator holds nothing that could be revoked.")),
        }
    }
}

/// A revocation that was carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revoked {
    /// Whose temporary credentials, sessions and refresh tokens stopped.
    pub principal: AnyPrincipal,
    /// The service accounts that came from it and are disabled, as `ACCOUNT:service-account/INSTANCE/NAME`.
    pub service_accounts: Vec<String>,
}

fn raise_generation(principal: &Principal) -> Part {
    match principal {
        Principal::Root(account) | Principal::FederatedSession(account, None, _) => store::account::raise_generation(*account),
        Principal::User(_, user) | Principal::FederatedSession(_, Some(user), _) => store::user::raise_generation(*user),
        Principal::RoleSession(_, role, _) => store::role::raise_generation(*role),
    }
}

/// Returns the numeric id of a user or a role that is written by it, and so is known when it is gone.
fn number_of_gone(principal: &AnyPrincipal) -> Option<i64> {
    match principal {
        AnyPrincipal::User(_, Written::Id(user)) | AnyPrincipal::Federated(_, Some(user), _) => Some(user.number()),
        AnyPrincipal::Role(_, Written::Id(role), _) => Some(role.number()),
        _ => None,
    }
}

fn nothing_temporary(name: &str) -> Error {
    Error::unsupported(format!(
        "A service account holds nothing temporary that could be revoked. To stop tcr${name}, disable it (ModifyServiceAccount with Disable), \
         give it another password (ModifyServiceAccountPassword), or delete it (DeleteServiceAccount)."
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::clock::SystemRandom;

    #[test]
    fn what_is_revoked_while_the_list_is_read_stays_revoked() {
        let revocations = Revocations { ids: ArcSwap::default(), added: Mutex::default(), read_at: AtomicU64::new(0) };
        let [before, during, trimmed] = std::array::from_fn(|_| CredentialId::random(&SystemRandom));
        revocations.add(&trimmed);
        revocations.add(&before);
        revocations.begin_read();
        // The database answered before this one was stored.
        let read = HashSet::from([before.clone()]);
        revocations.add(&during);
        revocations.take_read(read);
        assert!(revocations.contains(&before) && revocations.contains(&during) && !revocations.contains(&trimmed));
    }
}
