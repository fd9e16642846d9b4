//! Fixed passwords of accounts and users.

use std::sync::Arc;

use crate::domain::credential::FixedPassword;
use crate::domain::instance::Instance;
use crate::domain::old_password::{self, bcrypt_cost};
use crate::domain::principal::Principal;
use crate::domain::refusal::RefusalCause;
use crate::domain::secret::Secret;
use crate::domain::{Error, Result};
use crate::service::access::Access;
use crate::service::access::passwords::{Failed, Stored};
use crate::service::limits::attempt::Attempt;
use crate::store;
use crate::store::account::Account;

impl Access {
    /// Returns the principal that a username means, if this is its fixed password at the instance
    /// and it may act.
    ///
    /// Alibaba's usernames: the account's own name, or its id, for its root; `USER@ACCOUNT` for a
    /// user, with the account's name or id.
    pub(in crate::service) async fn principal_of(
        &self,
        instance: Option<&Instance>,
        username: &str,
        given: &Secret,
        attempt: &Attempt,
    ) -> Result<Principal, Failed> {
        if let Some(remembered) = self.remembered_principal(instance, username, given).await? {
            return Ok(remembered);
        }
        let guess = self.begin_guess(attempt, username, given).await?;
        let compared = async {
            let named = match instance {
                Some(instance) => self.principal_by_username(instance, username).await?,
                None => None,
            };
            let found = match (instance, &named) {
                (Some(instance), Some(principal)) => {
                    self.memory
                        .cache
                        .fixed_password(&self.base.store, &instance.id, principal)
                        .await?
                }
                _ => None,
            };
            // An old hash is compared where its old name logs in, and nowhere else.
            let comparable = |found: &&Arc<FixedPassword>| bcrypt_cost(&found.hash).is_none();
            let stored = found.as_ref().filter(comparable).map(|found| Stored {
                hash: &found.hash,
                generation: found.generation,
            });
            let right = self
                .compare(given, stored, instance, guess.as_ref())
                .await?;
            if let (false, Some(instance), Some(found)) = (right, instance, &found) {
                // As above: a refusal always asks the store.
                store::fixed_password::find(&self.base.store, &instance.id, &found.principal)
                    .await
                    .map_err(Failed::Unconfirmed)?;
            }
            let cause = match (named, found) {
                _ if instance.is_none() => RefusalCause::UnknownService,
                (None, _) => RefusalCause::UnknownUsername,
                (Some(_), None) => RefusalCause::NoPassword,
                (Some(_), Some(_)) if !right => RefusalCause::WrongSecret,
                (Some(_), Some(found)) if found.is_over(self.base.now()) => RefusalCause::Expired,
                (Some(principal), Some(_)) => {
                    match self.states().principal_dependency(&principal).await? {
                        Ok(_) => return Ok(principal),
                        Err(cause) => cause,
                    }
                }
            };
            Err(Error::bad_credentials(cause).into())
        }
        .await;
        self.end_guess(guess, compared)
    }

    /// Does as [`Self::principal_of`], and asks memory alone; nothing when that doesn't know it for
    /// right.
    async fn remembered_principal(
        &self,
        instance: Option<&Instance>,
        username: &str,
        given: &Secret,
    ) -> Result<Option<Principal>> {
        let remembered = || {
            let instance = instance?;
            let account = self.memory.cache.known_account(instance.account)?;
            let principal = match username_of(&account, username)? {
                None => Principal::Root(account.id),
                Some(name) => Principal::User(
                    account.id,
                    self.memory.cache.known_user_by_name(account.id, name)?.id,
                ),
            };
            let found = self
                .memory
                .cache
                .known_fixed_password(&instance.id, &principal)?;
            let stored = Stored {
                hash: &found.hash,
                generation: found.generation,
            };
            let now = self.base.now();
            (!found.is_over(now) && self.passwords.is_remembered(given, stored, now))
                .then_some(principal)
        };
        match remembered() {
            Some(principal) => Ok(self
                .states()
                .principal_dependency(&principal)
                .await?
                .ok()
                .map(|_| principal)),
            None => Ok(None),
        }
    }

    async fn principal_by_username(
        &self,
        instance: &Instance,
        username: &str,
    ) -> Result<Option<Principal>> {
        let Some(account) = self
            .memory
            .cache
            .account(&self.base.store, instance.account)
            .await?
        else {
            return Ok(None);
        };
        Ok(match username_of(&account, username) {
            None => None,
            Some(None) => Some(Principal::Root(account.id)),
            Some(Some(name)) => {
                let user = self
                    .memory
                    .cache
                    .user_by_name(&self.base.store, account.id, name)
                    .await?;
                user.map(|user| Principal::User(account.id, user.id))
            }
        })
    }
}

/// Reads a username of an account's: its root's, or the name of a user; nothing when it is of
/// another one.
pub(super) fn username_of<'a>(account: &Account, username: &'a str) -> Option<Option<&'a str>> {
    old_password::of_account(account.id, &account.name, username)
}
