//! Old names: log-ins with a name and a password that were imported (decision 32).
//!
//! The first right log-in replaces the bcrypt by argon2id. Until an instance's last bcrypt is
//! replaced, a guess of any old name there costs the same work, and is charged as many units as it
//! costs. So the time of a refusal tells nothing, and an address makes the service work no longer
//! than by guesses elsewhere.

use crate::domain::clock::random_bytes;
use crate::domain::credential::{FixedPassword, PasswordHash};
use crate::domain::instance::Instance;
use crate::domain::jwt;
use crate::domain::old_password::{MAX_COST, may_be_old};
use crate::domain::principal::Principal;
use crate::domain::refusal::RefusalCause;
use crate::domain::secret::Secret;
use crate::domain::{Error, ErrorKind, Result};
use crate::service::access::Access;
use crate::service::access::passwords::principals::username_of;
use crate::service::access::passwords::{Failed, Passwords, REMEMBERED, Stored};
use crate::service::ledger::actions::AuditAction;
use crate::service::ledger::actor::Actor;
use crate::service::ledger::event::Event;
use crate::service::limits::attempt::Attempt;
use crate::service::limits::back_off::guesses::Guess;
use crate::service::request::RequestContext;
use crate::store;
use crate::token::old_password::{Checked, check};

/// As many checks by argon2id as a check of a bcrypt of [`MAX_COST`] costs.
const UNITS_OF_MAX_COST: u32 = 12;

impl Access {
    /// Returns the principal whose old name a username is, if this is its password at the instance
    /// and it may act. `None` when such a username and secret are none of an old log-in: the
    /// instance has no old names, or they log in otherwise.
    pub(in crate::service) async fn principal_of_old_name(
        &self,
        instance: &Instance,
        username: &str,
        given: &Secret,
        attempt: &mut Attempt,
        context: &RequestContext,
    ) -> Result<Option<Principal>, Failed> {
        if !may_be_old(given.expose()) || jwt::has_form(given.expose()) {
            return Ok(None);
        }
        let (cache, store) = (&self.memory.cache, &self.base.store);
        if let Some(found) = cache.known_fixed_password_by_old_name(&instance.id, username)
            && !found.is_over(self.base.now())
            && self
                .passwords
                .is_remembered(given, stored(&found), self.base.now())
        {
            let validity = self.states().principal_dependency(&found.principal).await?;
            return match validity {
                Ok(_) => Ok(Some(found.principal.clone())),
                Err(cause) => Err(Error::bad_credentials(cause).into()),
            };
        }
        let account = cache.account(store, instance.account).await?;
        if account.is_none_or(|account| username_of(&account, username).is_some()) {
            return Ok(None);
        }
        let old_names = cache.old_names(store, instance).await?;
        if old_names.count == 0 {
            return Ok(None);
        }
        let units = 1 + old_names.max_cost.map_or(0, units_of);
        attempt.is_guess = true;
        let guess = self
            .begin_costly_guess(attempt, username, given, units)
            .await?;
        let max_cost = old_names.max_cost;
        let compared = self
            .compare_old(instance, username, given, max_cost, guess.as_ref())
            .await;
        let (found, renewed) = self.end_guess(guess, compared)?;
        if let Some(hash) = renewed {
            self.renew(instance, &found, hash, given, context).await;
        }
        Ok(Some(found.principal))
    }

    /// Returns the password of an old name if this is it, and the hash that is to replace its own.
    async fn compare_old(
        &self,
        instance: &Instance,
        username: &str,
        given: &Secret,
        max_cost: Option<u32>,
        guess: Option<&Guess>,
    ) -> Result<(FixedPassword, Option<PasswordHash>), Failed> {
        let store = &self.base.store;
        let found = self
            .memory
            .cache
            .fixed_password_by_old_name(store, &instance.id, username)
            .await?;
        let (secret, hash) = (
            given.clone(),
            found.as_ref().map(|found| found.hash.clone()),
        );
        let salt = random_bytes(&*self.base.random);
        let work = move || check(&secret, hash.as_ref(), max_cost, salt);
        let checked = self
            .passwords
            .run_guess(Some(instance.account), guess, work)
            .await??;
        if checked == Checked::Wrong && found.is_some() {
            // To find that there is no such name, the store was asked: a refusal asks it always, so
            // that its time doesn't tell.
            store::fixed_password::find_by_old_name(store, &instance.id, username)
                .await
                .map_err(Failed::Unconfirmed)?;
        }
        let cause = match (found, checked) {
            (None, _) => RefusalCause::UnknownUsername,
            (Some(_), Checked::Wrong) => RefusalCause::WrongSecret,
            (Some(found), _) if found.is_over(self.base.now()) => RefusalCause::Expired,
            (Some(found), checked) => {
                match self.states().principal_dependency(&found.principal).await? {
                    Err(cause) => cause,
                    Ok(_) => {
                        self.passwords
                            .remember(given, stored(&found), self.base.now());
                        let renewed = match checked {
                            Checked::RightWith(hash) => Some(hash),
                            Checked::Right | Checked::Wrong => None,
                        };
                        return Ok(((*found).clone(), renewed));
                    }
                }
            }
        };
        Err(Error::bad_credentials(cause).into())
    }

    /// Replaces the old hash of a password by the new one of the same.
    ///
    /// The log-in is right whatever comes of it. While the database is away, a later log-in does
    /// it. Of several replicas one does it: the others find another hash.
    async fn renew(
        &self,
        instance: &Instance,
        found: &FixedPassword,
        hash: PasswordHash,
        given: &Secret,
        context: &RequestContext,
    ) {
        let now = self.base.now();
        let event = Event::new(AuditAction::FixedPasswordRenew, now, context)
            .by(Actor {
                name: Some(found.principal.to_string()),
                account: Some(found.principal.account()),
                access_key: None,
                signature: None,
                unchanged: None,
            })
            .instance(instance);
        let part = store::fixed_password::renew(found, &hash);
        match self.ledger.change(part, event).await {
            Ok(()) => {
                let generation = found.generation;
                let stored = Stored {
                    hash: &hash,
                    generation,
                };
                self.passwords.remember(given, stored, now);
            }
            Err(error) if matches!(error.kind(), ErrorKind::NotFound { .. }) => {}
            Err(error) => tracing::warn!(
                principal = %found.principal,
                cause = error.cause(),
                "an imported password keeps its old hash until a later log-in: {error}"
            ),
        }
    }
}

impl Passwords {
    /// Remembers a success.
    fn remember(&self, given: &Secret, stored: Stored<'_>, now: crate::domain::clock::Timestamp) {
        let key = self.remembered_as(given, stored.hash, stored.generation);
        self.right.insert(key, now.plus(REMEMBERED));
    }
}

/// Returns how many checks by argon2id a check of a bcrypt of this cost is worth.
fn units_of(cost: u32) -> u32 {
    UNITS_OF_MAX_COST.div_ceil(1 << (MAX_COST - cost.min(MAX_COST)))
}

fn stored(found: &FixedPassword) -> Stored<'_> {
    Stored {
        hash: &found.hash,
        generation: found.generation,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guess_is_charged_for_the_bcrypt_that_it_costs() {
        let units = [4, 8, 9, 10, 11, 12].map(units_of);
        assert_eq!(units, [1, 1, 2, 3, 6, 12]);
    }
}
