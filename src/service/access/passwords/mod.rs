//! Passwords at the registry door: service accounts' own, and those that people choose.
//!
//! A password that this service made costs a fast hash, like any secret of its. One that a person
//! chose costs a slow hash, in one of three bounded pools of threads, so that guessers neither pile
//! work up nor keep others waiting: for strangers, for addresses and usernames that logged in
//! before, and for signed calls. Of one party two are hashed at once. A success is remembered for a
//! few minutes, because a pull logs in for every layer.
//!
//! Nothing tells whether a username exists: an unknown one costs the same work, and the refusal is
//! the same.

mod old_names;
mod principals;
mod service_accounts;

use std::time::Duration;

use aws_lc_rs::hmac;
use quick_cache::sync::Cache;

use crate::domain::clock::{Random, Timestamp, random_bytes};
use crate::domain::credential::PasswordHash;
use crate::domain::ids::AccountId;
use crate::domain::instance::Instance;
use crate::domain::secret::Secret;
use crate::domain::{Error, ErrorKind, Result};
use crate::service::access::Access;
use crate::service::access::hashing_pool::{HashParty, MAX_WAITING_OF_PARTY, Pool};
use crate::service::limits::attempt::Attempt;
use crate::service::limits::back_off::guesses::{Client, Guess, Outcome};
use crate::service::limits::rates::subscriber;
use crate::token::password;

/// How long a success is remembered.
const REMEMBERED: Duration = Duration::from_mins(5);
/// The most successes that are remembered: 40 bytes each.
const MAX_REMEMBERED: usize = 10_000;

/// Passwords of signed calls that are hashed at once.
const SIGNED_THREADS: usize = 1;
/// How many more of those wait for that: of sixteen accounts.
const MAX_WAITING_SIGNED: usize = 2 * MAX_WAITING_OF_PARTY;

/// The pools that hash slowly, and the successes that are remembered.
pub(in crate::service) struct Passwords {
    /// For log-ins of an address with a username that is not known.
    unknown: Pool,
    /// For those that succeeded before.
    known: Pool,
    /// For signed calls that set a password: their callers are proved.
    signed: Pool,
    /// Until when, by a keyed hash of password, stored hash and generation.
    right: Cache<[u8; 32], Timestamp>,
    /// This process's own: its memory says nothing to a later reader.
    key: hmac::Key,
    dummy_hash: PasswordHash,
}

/// Why a log-in failed.
#[derive(Debug)]
pub(in crate::service) enum Failed {
    /// For this.
    For(Error),
    /// It isn't what memory has, and that it is so still can't be read.
    Unconfirmed(Error),
}

impl Failed {
    /// Tells whether a secret was looked at and is wrong, as far as can be known.
    pub(in crate::service) fn was_wrong(&self) -> bool {
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
    /// Divides `threads` threads, and `waiting` places to wait for them, between log-ins of
    /// strangers and known ones; signed calls have a thread besides.
    pub(in crate::service) fn new(threads: usize, waiting: usize, random: &dyn Random) -> Self {
        Self {
            unknown: Pool::new(threads.div_ceil(2), waiting.div_ceil(2)),
            known: Pool::new(threads / 2, waiting / 2),
            signed: Pool::new(SIGNED_THREADS, MAX_WAITING_SIGNED),
            right: Cache::new(MAX_REMEMBERED),
            key: hmac::Key::new(hmac::HMAC_SHA256, &random_bytes::<32>(random)),
            dummy_hash: password::dummy_hash(),
        }
    }

    /// Hashes a password that a signed call of `account` has just chosen.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::PasswordsBusy`] when too many wait.
    pub(in crate::service) async fn hash(
        &self,
        chosen: &Secret,
        account: AccountId,
        random: &dyn Random,
    ) -> Result<PasswordHash> {
        let (chosen, salt) = (chosen.clone(), random_bytes(random));
        self.signed
            .run([HashParty::Account(account)], move || {
                password::hash(&chosen, salt)
            })
            .await?
    }

    /// Tells whether a password is the stored one and is remembered as such: that costs no slow
    /// hash.
    fn is_remembered(&self, given: &Secret, stored: Stored<'_>, now: Timestamp) -> bool {
        self.right
            .get(&self.remembered_as(given, stored.hash, stored.generation))
            .is_some_and(|until| now < until)
    }

    /// Tells whether a password is the stored one of `account`; against none it costs the same, and
    /// is wrong.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::PasswordsBusy`] when too many wait.
    async fn verify(
        &self,
        given: &Secret,
        stored: Option<Stored<'_>>,
        account: Option<AccountId>,
        guess: Option<&Guess>,
        now: Timestamp,
    ) -> Result<bool> {
        if stored.is_some_and(|stored| self.is_remembered(given, stored, now)) {
            return Ok(true);
        }
        let (hash, generation) = stored.map_or((&self.dummy_hash, 0), |stored| {
            (stored.hash, stored.generation)
        });
        let key = self.remembered_as(given, hash, generation);
        let (given, hash) = (given.clone(), hash.clone());
        let work = move || password::verify(&given, &hash);
        let right = self.run_guess(account, guess, work).await?? && stored.is_some();
        if right {
            self.right.insert(key, now.plus(REMEMBERED));
        }
        Ok(right)
    }

    /// Does the work of a guess in the pool of its client. The turn of `guess` is kept until it is
    /// done, though its caller breaks off.
    async fn run_guess<T: Send + 'static>(
        &self,
        account: Option<AccountId>,
        guess: Option<&Guess>,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T> {
        let permit = guess.map(Guess::permit);
        let work = move || {
            let done = work();
            drop(permit);
            done
        };
        let address = guess.map(|guess| HashParty::Address(subscriber(guess.address())));
        match guess.map(Guess::client) {
            // An account that strangers merely name has no gate there: they could keep it shut.
            None | Some(Client::Unknown) => self.unknown.run(address, work).await,
            Some(Client::Known) => {
                self.known
                    .run(
                        address.into_iter().chain(account.map(HashParty::Account)),
                        work,
                    )
                    .await
            }
        }
    }

    /// Returns what a success is remembered under.
    fn remembered_as(&self, given: &Secret, hash: &PasswordHash, generation: i64) -> [u8; 32] {
        let mut remembered = hmac::Context::with_key(&self.key);
        // The hash has a salt of its own, so it says whose password it is; its length is no secret.
        for part in [
            &generation.to_be_bytes()[..],
            &hash.as_str().len().to_be_bytes(),
            hash.as_str().as_bytes(),
            given.expose().as_bytes(),
        ] {
            remembered.update(part);
        }
        let mut key = [0; 32];
        key.copy_from_slice(remembered.sign().as_ref());
        key
    }
}

impl Access {
    /// Charges a guess of a chosen password; nothing where there is no address to charge.
    async fn begin_guess(
        &self,
        attempt: &Attempt,
        username: &str,
        given: &Secret,
    ) -> Result<Option<Guess>> {
        self.begin_costly_guess(attempt, username, given, 1).await
    }

    /// As [`Self::begin_guess`], for one that costs as much as `units` of the usual ones.
    async fn begin_costly_guess(
        &self,
        attempt: &Attempt,
        username: &str,
        given: &Secret,
        units: u32,
    ) -> Result<Option<Guess>> {
        match attempt.address() {
            Some(address) => self
                .limits
                .log_ins
                .begin_guess(address, username, given, units, || self.base.now())
                .await
                .map(Some),
            None => Ok(None),
        }
    }

    /// Ends a guess by what came of it.
    fn end_guess<T>(&self, guess: Option<Guess>, compared: Result<T, Failed>) -> Result<T, Failed> {
        let outcome = match &compared {
            Ok(_) => Outcome::Right,
            Err(failed) if failed.was_wrong() => Outcome::Wrong,
            Err(_) => Outcome::Undecided,
        };
        if let Some(guess) = guess {
            self.limits
                .log_ins
                .end_guess(guess, outcome, self.base.now());
        }
        compared
    }

    /// Tells whether a guess is the stored password.
    async fn compare(
        &self,
        given: &Secret,
        stored: Option<Stored<'_>>,
        instance: Option<&Instance>,
        guess: Option<&Guess>,
    ) -> Result<bool> {
        self.passwords
            .verify(
                given,
                stored,
                instance.map(|instance| instance.account),
                guess,
                self.base.now(),
            )
            .await
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::task::Poll;

    use std::sync::Arc;

    use super::*;
    use crate::domain::clock::SystemRandom;
    use crate::service::access::hashing_pool::HASHES_OF_PARTY;
    use crate::service::limits::back_off::LogInLimits;
    use crate::service::limits::rates::AddressLimits;

    const START: Timestamp = Timestamp::from_unix_seconds(1_735_877_057);

    fn account() -> AccountId {
        "100000000001".parse().unwrap()
    }

    async fn verify(
        passwords: &Passwords,
        given: &Secret,
        stored: Option<Stored<'_>>,
        now: Timestamp,
    ) -> Result<bool> {
        passwords.verify(given, stored, None, None, now).await
    }

    /// Tells whether work isn't done at once.
    async fn is_under_way<T>(
        work: &mut std::pin::Pin<Box<impl Future<Output = Result<T>>>>,
    ) -> bool {
        poll_fn(|context| Poll::Ready(work.as_mut().poll(context).is_pending())).await
    }

    #[tokio::test]
    async fn of_one_party_two_passwords_are_hashed_at_once_and_its_others_take_no_place() {
        // One address that sent many passwords at once took half of all places, and two of them
        // took all.
        let pool = Pool::new(2, 1);
        let (release, gate) = std::sync::mpsc::channel::<()>();
        let gate = Arc::new(std::sync::Mutex::new(gate));
        let work = |party| {
            let gate = Arc::clone(&gate);
            Box::pin(pool.run([party], move || gate.lock().unwrap().recv().is_ok()))
        };
        let (one, other) = (
            HashParty::Account(account()),
            HashParty::Address("192.0.2.1".parse().unwrap()),
        );
        let mut crowd: Vec<_> = (0..HASHES_OF_PARTY + MAX_WAITING_OF_PARTY)
            .map(|_| work(one))
            .collect();
        for work in &mut crowd {
            assert!(is_under_way(work).await);
        }
        assert_eq!(
            work(one).await.unwrap_err().kind(),
            &ErrorKind::PasswordsBusy
        );
        let mut neighbour = work(other);
        assert!(
            is_under_way(&mut neighbour).await,
            "there is a place for another"
        );
        crowd.truncate(HASHES_OF_PARTY);
        for _ in 0..3 {
            release.send(()).unwrap();
        }
        for work in crowd {
            assert!(work.await.unwrap());
        }
        assert!(neighbour.await.unwrap());
        assert!(pool.parties.is_empty(), "who left is forgotten");
    }

    #[tokio::test]
    async fn strangers_known_callers_and_signed_calls_take_none_of_each_others_places() {
        // Guesses with made-up usernames made a signed call that sets a password fail.
        let passwords = Passwords::new(1, 0, &SystemRandom);
        let _all = Arc::clone(&passwords.unknown.places)
            .try_acquire_owned()
            .unwrap();
        let (chosen, log_ins) = (Secret::new("Passw0rdEXAMPLE"), log_ins());
        let hash = passwords
            .hash(&chosen, account(), &SystemRandom)
            .await
            .unwrap();
        let stored = Some(Stored {
            hash: &hash,
            generation: 1,
        });
        let first = guess(&log_ins, &chosen).await;
        let busy = passwords
            .verify(&chosen, stored, Some(account()), Some(&first), START)
            .await
            .unwrap_err();
        assert_eq!(busy.kind(), &ErrorKind::PasswordsBusy);
        log_ins.end_guess(first, Outcome::Right, START);
        let second = guess(&log_ins, &chosen).await;
        assert!(
            passwords
                .verify(&chosen, stored, Some(account()), Some(&second), START)
                .await
                .unwrap()
        );
    }

    fn log_ins() -> LogInLimits {
        LogInLimits::new(3, 6, AddressLimits::new(1, 5), &SystemRandom)
    }

    async fn guess(log_ins: &LogInLimits, secret: &Secret) -> Guess {
        log_ins
            .begin_guess("192.0.2.1".parse().unwrap(), "ci", secret, 1, || START)
            .await
            .unwrap()
    }

    #[tokio::test]
    async fn a_success_is_remembered_for_minutes_for_that_password_and_generation_alone() {
        let passwords = Passwords::new(2, 2, &SystemRandom);
        let (password, other) = (
            Secret::new("Passw0rdEXAMPLE"),
            Secret::new("Passw0rdEXAMPLF"),
        );
        let hash = passwords
            .hash(&password, account(), &SystemRandom)
            .await
            .unwrap();
        let stored = Some(Stored {
            hash: &hash,
            generation: 1,
        });
        assert!(verify(&passwords, &password, stored, START).await.unwrap());
        // No thread is left: what is answered now was remembered.
        let held = Arc::clone(&passwords.unknown.places)
            .try_acquire_many_owned(2)
            .unwrap();
        assert!(verify(&passwords, &password, stored, START).await.unwrap());
        let later = START.plus(REMEMBERED);
        for (given, stored, now) in [
            (&other, stored, START),
            (
                &password,
                Some(Stored {
                    hash: &hash,
                    generation: 2,
                }),
                START,
            ),
            (&password, None, START),
            (&password, stored, later),
        ] {
            let error = verify(&passwords, given, stored, now).await.unwrap_err();
            assert_eq!(error.kind(), &ErrorKind::PasswordsBusy, "it was remembered");
        }
        drop(held);
        assert!(verify(&passwords, &password, stored, later).await.unwrap());
        assert!(!verify(&passwords, &other, stored, later).await.unwrap());
        assert!(!verify(&passwords, &password, None, later).await.unwrap());
    }

    #[tokio::test]
    async fn what_the_pool_has_no_place_for_is_sent_away_and_who_breaks_off_makes_no_room() {
        let pool = Pool::new(1, 1);
        let (release, gate) = std::sync::mpsc::channel::<()>();
        let mut first = Box::pin(pool.run([], move || gate.recv().is_ok()));
        let mut second = Box::pin(pool.run([], || true));
        // The first takes the thread, the second waits for it.
        assert!(is_under_way(&mut first).await && is_under_way(&mut second).await);
        let busy = |outcome: Result<bool>| outcome.unwrap_err().kind() == &ErrorKind::PasswordsBusy;
        assert!(busy(pool.run([], || true).await));
        // A hash that runs goes on when nobody waits for it any more; one that waited is gone.
        drop(first);
        assert!(busy(pool.run([], || true).await));
        drop(second);
        release.send(()).unwrap();
        assert!(pool.run([], || true).await.unwrap());
    }
}
