//! Passwords of service accounts: made by this service, or chosen by a person.

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use subtle::ConstantTimeEq;

use crate::domain::clock::Timestamp;
use crate::domain::instance::Instance;
use crate::domain::password::may_be_chosen;
use crate::domain::refusal::RefusalCause;
use crate::domain::rotation::Presented;
use crate::domain::secret::Secret;
use crate::domain::service_account::{ServiceAccount, is_made};
use crate::domain::{Error, Result};
use crate::service::access::Access;
use crate::service::access::passwords::{Failed, Stored};
use crate::service::access::validity::fault_of_service_account;
use crate::service::access::validity::older_ended;
use crate::service::limits::attempt::Attempt;
use crate::store;

impl Access {
    /// Returns the service account of this name, if this is its password and it may log in.
    pub(in crate::service) async fn service_account_of(
        &self,
        instance: Option<&Instance>,
        name: &str,
        given: &Secret,
        attempt: &mut Attempt,
    ) -> Result<Arc<ServiceAccount>, Failed> {
        if may_be_chosen(given.expose()) {
            return self
                .service_account_of_chosen(instance, name, given, attempt)
                .await;
        }
        // Nothing else can be right, whatever the name.
        let found = match instance {
            Some(instance) if is_made(given.expose()) => {
                self.service_account_of_made(instance, name, attempt)
                    .await?
            }
            _ => None,
        };
        let right = compare_made(found.as_deref(), given);
        if let (None, Some(account)) = (right, &found) {
            // To find that there is no such name, the store was asked. A refusal asks it always, so
            // that its time doesn't tell.
            let _permit = self.limits.lookup_permit(attempt).await?;
            self.confirm(account).await?;
        }
        judged(instance, found, right, self.base.now())
    }

    /// Finds the service account of this name, for a password that reads as this service made it.
    async fn service_account_of_made(
        &self,
        instance: &Instance,
        name: &str,
        attempt: &mut Attempt,
    ) -> Result<Option<Arc<ServiceAccount>>> {
        if let Some(known) = self.memory.cache.known_service_account(&instance.id, name) {
            return Ok(Some(known));
        }
        let is_there = self
            .memory
            .cache
            .has_service_account(&self.base.store, &instance.id, name)
            .await?;
        let _permit = if is_there {
            None
        } else {
            self.limits.lookup_permit(attempt).await?
        };
        self.memory
            .cache
            .service_account(&self.base.store, &instance.id, name)
            .await
    }

    /// Does as [`Self::service_account_of`] for a password that a person could have chosen.
    async fn service_account_of_chosen(
        &self,
        instance: Option<&Instance>,
        name: &str,
        given: &Secret,
        attempt: &Attempt,
    ) -> Result<Arc<ServiceAccount>, Failed> {
        let known = instance
            .and_then(|instance| self.memory.cache.known_service_account(&instance.id, name));
        let now = self.base.now();
        if let Some(known) = known.filter(|known| known.is_active(now))
            && chosen_of(&known).is_some_and(|(stored, presented)| {
                !presented.is_over(now) && self.passwords.is_remembered(given, stored, now)
            })
        {
            return Ok(known);
        }
        let guess = self
            .begin_guess(attempt, &format!("{}{name}", ServiceAccount::PREFIX), given)
            .await?;
        let compared = async {
            let found = match instance {
                Some(instance) => {
                    self.memory
                        .cache
                        .service_account(&self.base.store, &instance.id, name)
                        .await?
                }
                None => None,
            };
            let chosen = found.as_deref().and_then(chosen_of);
            let stored = chosen.map(|(stored, _)| stored);
            let right = self
                .compare(given, stored, instance, guess.as_ref())
                .await?
                .then(|| chosen.map(|(_, presented)| presented))
                .flatten();
            if let (None, Some(account)) = (right, &found) {
                // As above: a refusal always asks the store.
                self.confirm(account).await?;
            }
            judged(instance, found, right, self.base.now())
        }
        .await;
        self.end_guess(guess, compared)
    }

    /// Asks the store once more for an account whose password is another one.
    async fn confirm(&self, account: &ServiceAccount) -> Result<(), Failed> {
        store::service_account::find(&self.base.store, &account.instance, &account.name)
            .await
            .map(drop)
            .map_err(Failed::Unconfirmed)
    }
}

/// Returns a service account if the password is the `right` one of its own, whose time isn't over,
/// and it may log in.
fn judged(
    instance: Option<&Instance>,
    found: Option<Arc<ServiceAccount>>,
    right: Option<Presented>,
    now: Timestamp,
) -> Result<Arc<ServiceAccount>, Failed> {
    let cause = match (found, right) {
        _ if instance.is_none() => RefusalCause::UnknownService,
        (None, _) => RefusalCause::UnknownUsername,
        (Some(_), None) => RefusalCause::WrongSecret,
        (Some(account), Some(presented)) => match fault_of_service_account(&account, now) {
            Some(cause) => cause,
            None => match presented {
                Presented::Older(ends_at) if presented.is_over(now) => {
                    return Err(Error::bad_credentials(RefusalCause::Expired)
                        .decided_by(older_ended(ends_at))
                        .into());
                }
                Presented::Current | Presented::Older(_) => return Ok(account),
            },
        },
    };
    Err(Error::bad_credentials(cause).into())
}

/// Returns which made password of a service account this is. Two are compared, however many there
/// are.
fn compare_made(account: Option<&ServiceAccount>, given: &Secret) -> Option<Presented> {
    let hash = digest(&SHA256, given.expose().as_bytes());
    let mut made = account.into_iter().flat_map(ServiceAccount::made_hashes);
    let compared = [made.next(), made.next()].map(|made| {
        let (expected, presented) = made.unwrap_or((&[0; 32], Presented::Current));
        bool::from(hash.as_ref().ct_eq(expected)).then_some(presented)
    });
    compared.into_iter().flatten().next()
}

/// Returns the password that was chosen for a service account, and which of its own it is.
fn chosen_of(account: &ServiceAccount) -> Option<(Stored<'_>, Presented)> {
    let (hash, presented) = account.chosen_hash()?;
    let generation = account.generation;
    Some((Stored { hash, generation }, presented))
}
