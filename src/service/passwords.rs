//! Passwords at the registry door: service accounts' own, and those that people choose.
//!
//! A password that this service made costs a fast hash, like any secret of its. One that a person chose costs a slow
//! hash, in a bounded pool of threads: what waits beyond it is sent away, so that guessers can't pile work up. A
//! success is remembered for a few minutes, because a pull logs in for every layer.
//!
//! Nothing tells whether a username exists: an unknown one costs the same work, and the refusal is the same.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac;
use quick_cache::sync::Cache;
use serde_json::json;
use subtle::ConstantTimeEq;
use tokio::sync::Semaphore;

use super::identities::Resolved;
use super::log_ins::Effort;
use super::{Caller, InstanceChoice, RequestContext, Service};
use crate::domain::any_principal::AnyPrincipal;
use crate::domain::clock::{Random, Timestamp, random_bytes};
use crate::domain::credential::PasswordHash;
use crate::domain::instance::Instance;
use crate::domain::password::{check_fixed, has_own_prefix, may_be_chosen};
use crate::domain::principal::Principal;
use crate::domain::refusal::RefusalCause;
use crate::domain::secret::Secret;
use crate::domain::service_account::{AccountSecret, ServiceAccount, ServiceAccountState, is_made};
use crate::domain::{Error, ErrorKind, Result};
use crate::policy::Permission;
use crate::store;
use crate::store::account::Account;
use crate::token::password;

/// How long a success is remembered.
const REMEMBERED: Duration = Duration::from_mins(5);
/// The most successes that are: 40 bytes each.
const REMEMBERED_MOST: usize = 10_000;

/// The pool that hashes slowly, and whom it found right.
pub(super) struct Passwords {
    /// Those that hash at present.
    threads: Arc<Semaphore>,
    /// Those that hash and those that wait to.
    places: Arc<Semaphore>,
    /// Until when, by a keyed hash of password, stored hash and generation.
    right: Cache<[u8; 32], Timestamp>,
    /// This process's own, so that what it remembers says nothing to who reads its memory later.
    key: hmac::Key,
    nobodys: PasswordHash,
}

/// Why a log-in failed.
#[derive(Debug)]
pub(super) enum Failed {
    /// For this.
    For(Error),
    /// It isn't what memory has, and that it is so still can't be read.
    Unconfirmed(Error),
}

impl Failed {
    /// Tells whether a secret was looked at and is wrong, as far as can be known.
    pub(super) fn was_wrong(&self) -> bool {
        match self {
            Self::For(error) => error.kind() == &ErrorKind::BadCredentials,
            Self::Unconfirmed(_) => true,
        }
    }
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self::For(error)
    }
}

impl From<Failed> for Error {
    fn from(failed: Failed) -> Self {
        match failed {
            Failed::For(error) | Failed::Unconfirmed(error) => error,
        }
    }
}

/// A chosen password as it is stored.
#[derive(Clone, Copy)]
struct Stored<'a> {
    hash: &'a PasswordHash,
    generation: i64,
}

impl Passwords {
    /// Makes a pool of `threads` threads, for which `waiting` more may wait.
    pub(super) fn new(threads: usize, waiting: usize, random: &dyn Random) -> Self {
        Self {
            threads: Arc::new(Semaphore::new(threads)),
            places: Arc::new(Semaphore::new(threads.saturating_add(waiting))),
            right: Cache::new(REMEMBERED_MOST),
            key: hmac::Key::new(hmac::HMAC_SHA256, &random_bytes::<32>(random)),
            nobodys: password::nobodys(),
        }
    }

    /// Hashes a password that was just chosen; [`ErrorKind::PasswordsBusy`] when too many wait.
    pub(super) async fn hash(&self, chosen: &Secret, random: &dyn Random) -> Result<PasswordHash> {
        let (chosen, salt) = (chosen.clone(), random_bytes(random));
        self.in_pool(move || password::hash(&chosen, salt)).await?
    }

    /// Tells whether a password is the stored one and is remembered as such: that costs no slow hash.
    fn is_remembered(&self, given: &Secret, stored: Stored<'_>, now: Timestamp) -> bool {
        self.right.get(&self.remembered_as(given, stored.hash, stored.generation)).is_some_and(|until| now < until)
    }

    /// Tells whether a password is the stored one; against none it costs the same, and is wrong.
    async fn verify(&self, given: &Secret, stored: Option<Stored<'_>>, now: Timestamp) -> Result<bool> {
        let (hash, generation) = stored.map_or((&self.nobodys, 0), |stored| (stored.hash, stored.generation));
        let key = self.remembered_as(given, hash, generation);
        match self.right.get(&key) {
            Some(until) if now < until => return Ok(stored.is_some()),
            Some(_) => drop(self.right.remove(&key)),
            None => {}
        }
        let (given, hash) = (given.clone(), hash.clone());
        let right = self.in_pool(move || password::verify(&given, &hash)).await?? && stored.is_some();
        if right {
            self.right.insert(key, now.plus(REMEMBERED));
        }
        Ok(right)
    }

    /// Returns what a success is remembered under.
    fn remembered_as(&self, given: &Secret, hash: &PasswordHash, generation: i64) -> [u8; 32] {
        let mut remembered = hmac::Context::with_key(&self.key);
        // The hash has a salt of its own, so it says whose password it is; its length is no secret.
        for part in [&generation.to_be_bytes()[..], &hash.as_str().len().to_be_bytes(), hash.as_str().as_bytes(), given.expose().as_bytes()]
        {
            remembered.update(part);
        }
        let mut key = [0; 32];
        key.copy_from_slice(remembered.sign().as_ref());
        key
    }

    /// Runs `work` on a thread of the pool, once one is free.
    async fn in_pool<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
        let place = Arc::clone(&self.places)
            .try_acquire_owned()
            .map_err(|_| Error::new(ErrorKind::PasswordsBusy, "Too many passwords are being checked; try again in a moment."))?;
        let thread = Arc::clone(&self.threads).acquire_owned().await.map_err(Error::internal)?;
        // Both are held by the work, not by who waits for it: whoever breaks off doesn't make room for more.
        let held = (place, thread);
        let done = tokio::task::spawn_blocking(move || {
            let done = work();
            drop(held);
            done
        });
        done.await.map_err(Error::internal)
    }
}

impl Service {
    /// Sets the caller's own password at an instance; the one before stops.
    pub async fn set_fixed_password(
        &self,
        caller: &Caller,
        choice: &InstanceChoice,
        chosen: &Secret,
        context: &RequestContext,
    ) -> Result<()> {
        let signer = caller.signer()?;
        if signer.principal.is_session() {
            return Err(Error::unsupported(
                "A role or a session can't have a password, which would outlive it; ask for a temporary credential.",
            ));
        }
        check_fixed("Password", chosen)?;
        let instance = self.permitted_instance(caller, choice, Permission::SetFixedPassword, context).await?;
        let hash = self.passwords.hash(chosen, &*self.random).await?;
        let line = self.line("fixed-password.set", caller, context).instance(&instance);
        self.change(store::fixed_password::set(&instance.id, signer.principal, &hash, self.now()), line).await
    }

    /// Takes a principal's fixed password at an instance back; the principal may set another.
    pub async fn delete_fixed_password(
        &self,
        caller: &Caller,
        choice: &InstanceChoice,
        principal: &AnyPrincipal,
        context: &RequestContext,
    ) -> Result<()> {
        caller.require_operator()?;
        let instance = self.own_instance(caller, choice).await?;
        let unsupported = || Error::unsupported("Only an account's root and users have fixed passwords.");
        if !matches!(principal, AnyPrincipal::Root(_) | AnyPrincipal::User(..)) {
            return Err(unsupported());
        }
        let Resolved::Principal(named) = self.find_principal(principal).await? else { return Err(unsupported()) };
        let detail = json!({ "deleted": principal.to_string() });
        let line = self.line("fixed-password.delete", caller, context).instance(&instance).detail(detail);
        self.change(store::fixed_password::delete(&instance.id, &named, self.now()), line).await
    }

    /// Returns the service account of this name, if this is its password and it may log in.
    pub(super) async fn service_account_of(
        &self,
        instance: Option<&Instance>,
        name: &str,
        given: &Secret,
        effort: Effort,
    ) -> Result<Arc<ServiceAccount>, Failed> {
        let now = self.now();
        let found = match (instance, effort) {
            (Some(instance), Effort::Full) => self.directory.service_account(&self.store, &instance.id, name).await?,
            (Some(instance), Effort::Memory(slowed)) => match self.directory.known_service_account(&instance.id, name) {
                Some(known) => Some(known),
                None if is_made(given.expose()) => {
                    let _look = self.log_ins.look(slowed)?;
                    self.directory.service_account(&self.store, &instance.id, name).await?
                }
                None => return Err(self.log_ins.slowed(slowed).into()),
            },
            (None, _) => None,
        };
        let secret = found.as_ref().map(|account| &account.secret);
        let right = if has_own_prefix(given.expose()) {
            let hash = digest(&SHA256, given.expose().as_bytes());
            let expected = match secret {
                Some(AccountSecret::Made(hash)) => *hash,
                Some(AccountSecret::Chosen(_)) | None => [0; 32],
            };
            hash.as_ref().ct_eq(&expected).into()
        } else if may_be_chosen(given.expose()) {
            let stored = found.as_ref().and_then(|account| match &account.secret {
                AccountSecret::Chosen(hash) => Some(Stored { hash, generation: account.generation }),
                AccountSecret::Made(_) => None,
            });
            match (effort, stored) {
                (Effort::Full, stored) => self.passwords.verify(given, stored, now).await?,
                (Effort::Memory(_), Some(stored)) if self.passwords.is_remembered(given, stored, now) => true,
                (Effort::Memory(slowed), _) => return Err(self.log_ins.slowed(slowed).into()),
            }
        } else {
            false
        };
        let asks = effort == Effort::Full || is_made(given.expose());
        if let (false, true, Some(instance), Some(account)) = (right, asks, instance, &found) {
            // To find that there is no such name, the store was asked. A refusal asks it always, so that its time
            // doesn't tell.
            let _look = match effort {
                Effort::Full => None,
                Effort::Memory(slowed) => Some(self.log_ins.look(slowed)?),
            };
            store::service_account::find(&self.store, &instance.id, &account.name).await.map_err(Failed::Unconfirmed)?;
        }
        let cause = match found {
            _ if instance.is_none() => RefusalCause::UnknownService,
            None => RefusalCause::UnknownUsername,
            Some(_) if !right => RefusalCause::WrongSecret,
            Some(account) if account.state == ServiceAccountState::Disabled => RefusalCause::ServiceAccountDisabled,
            Some(account) if !account.is_active(now) => RefusalCause::Expired,
            Some(account) => return Ok(account),
        };
        Err(Error::bad_credentials(cause).into())
    }

    /// Returns the principal that a username means, if this is its fixed password at the instance and it may act.
    ///
    /// Alibaba's usernames: the account's own name, or its id, for its root; `USER@ACCOUNT` for a user, with the
    /// account's name or id.
    pub(super) async fn principal_of(
        &self,
        instance: Option<&Instance>,
        username: &str,
        given: &Secret,
        effort: Effort,
    ) -> Result<Principal, Failed> {
        if let Effort::Memory(slowed) = effort {
            let remembered = self.remembered_principal(instance, username, given).await?;
            return remembered.ok_or_else(|| self.log_ins.slowed(slowed).into());
        }
        let now = self.now();
        let named = match instance {
            Some(instance) => self.principal_by_username(instance, username).await?,
            None => None,
        };
        let found = match (instance, &named) {
            (Some(instance), Some(principal)) => self.directory.fixed_password(&self.store, &instance.id, principal).await?,
            _ => None,
        };
        let stored = found.as_ref().map(|found| Stored { hash: &found.hash, generation: found.generation });
        let right = self.passwords.verify(given, stored, now).await?;
        if let (false, Some(instance), Some(found)) = (right, instance, &found) {
            // As above: a refusal always asks the store.
            store::fixed_password::find(&self.store, &instance.id, &found.principal).await.map_err(Failed::Unconfirmed)?;
        }
        let cause = match (named, found) {
            _ if instance.is_none() => RefusalCause::UnknownService,
            (None, _) => RefusalCause::UnknownUsername,
            (Some(_), None) => RefusalCause::NoPassword,
            (Some(_), Some(_)) if !right => RefusalCause::WrongSecret,
            (Some(principal), Some(_)) => match self.principal_ground(&principal).await? {
                Ok(_) => return Ok(principal),
                Err(cause) => cause,
            },
        };
        Err(Error::bad_credentials(cause).into())
    }

    /// Does as [`Self::principal_of`], and asks memory alone; nothing when that doesn't know it for right.
    async fn remembered_principal(&self, instance: Option<&Instance>, username: &str, given: &Secret) -> Result<Option<Principal>> {
        let remembered = || {
            let instance = instance?;
            let account = self.directory.known_account(instance.account)?;
            let principal = match username_of(&account, username)? {
                None => Principal::Root(account.id),
                Some(name) => Principal::User(account.id, self.directory.known_user_by_name(account.id, name)?.id),
            };
            let found = self.directory.known_fixed_password(&instance.id, &principal)?;
            let stored = Stored { hash: &found.hash, generation: found.generation };
            self.passwords.is_remembered(given, stored, self.now()).then_some(principal)
        };
        match remembered() {
            Some(principal) => Ok(self.principal_ground(&principal).await?.ok().map(|_| principal)),
            None => Ok(None),
        }
    }

    async fn principal_by_username(&self, instance: &Instance, username: &str) -> Result<Option<Principal>> {
        let Some(account) = self.directory.account(&self.store, instance.account).await? else { return Ok(None) };
        Ok(match username_of(&account, username) {
            None => None,
            Some(None) => Some(Principal::Root(account.id)),
            Some(Some(name)) => {
                let user = self.directory.user_by_name(&self.store, account.id, name).await?;
                user.map(|user| Principal::User(account.id, user.id))
            }
        })
    }
}

/// Reads a username of an account's: its root's, or the name of a user; nothing when it is of another one.
fn username_of<'a>(account: &Account, username: &'a str) -> Option<Option<&'a str>> {
    let is_account = |text: &str| text == account.name || text == account.id.to_string();
    match username.rsplit_once('@') {
        None => is_account(username).then_some(None),
        Some((name, of)) => is_account(of).then_some(Some(name)),
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::task::Poll;

    use super::*;
    use crate::domain::clock::SystemRandom;

    const START: Timestamp = Timestamp::from_unix_seconds(1_735_877_057);

    #[tokio::test]
    async fn a_success_is_remembered_for_minutes_for_that_password_and_generation_alone() {
        let passwords = Passwords::new(1, 1, &SystemRandom);
        let (password, other) = (Secret::new("Passw0rdEXAMPLE"), Secret::new("Passw0rdEXAMPLF"));
        let hash = passwords.hash(&password, &SystemRandom).await.unwrap();
        let stored = Some(Stored { hash: &hash, generation: 1 });
        assert!(passwords.verify(&password, stored, START).await.unwrap());
        // No thread is left: what is answered now was remembered.
        let held = Arc::clone(&passwords.places).try_acquire_many_owned(2).unwrap();
        assert!(passwords.verify(&password, stored, START).await.unwrap());
        let later = START.plus(REMEMBERED);
        for (given, stored, now) in [
            (&other, stored, START),
            (&password, Some(Stored { hash: &hash, generation: 2 }), START),
            (&password, None, START),
            (&password, stored, later),
        ] {
            let error = passwords.verify(given, stored, now).await.unwrap_err();
            assert_eq!(error.kind(), &ErrorKind::PasswordsBusy, "it was remembered");
        }
        drop(held);
        assert!(passwords.verify(&password, stored, later).await.unwrap());
        assert!(!passwords.verify(&other, stored, later).await.unwrap());
        assert!(!passwords.verify(&password, None, later).await.unwrap());
    }

    #[tokio::test]
    async fn what_the_pool_has_no_place_for_is_sent_away_and_who_breaks_off_makes_no_room() {
        let passwords = Passwords::new(1, 1, &SystemRandom);
        let (release, gate) = std::sync::mpsc::channel::<()>();
        let mut first = Box::pin(passwords.in_pool(move || gate.recv().is_ok()));
        let mut second = Box::pin(passwords.in_pool(|| true));
        // Each is polled once: the first takes the thread, the second waits for it.
        assert!(poll_fn(|context| Poll::Ready(first.as_mut().poll(context).is_pending())).await);
        assert!(poll_fn(|context| Poll::Ready(second.as_mut().poll(context).is_pending())).await);
        let busy = |outcome: Result<bool>| outcome.unwrap_err().kind() == &ErrorKind::PasswordsBusy;
        assert!(busy(passwords.in_pool(|| true).await));
        // What runs goes on when nobody waits for it any more; what only waited is gone.
        drop(first);
        assert!(busy(passwords.in_pool(|| true).await));
        drop(second);
        release.send(()).unwrap();
        assert!(passwords.in_pool(|| true).await.unwrap());
    }
}
