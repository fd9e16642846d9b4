//! Failed log-ins at the registry door: who fails again and again waits.
//!
//! Failures are counted by address and username together, and, more generously, by address alone
//! ([`crate::service::limits::rates::AddressLimits`]). Nobody is ever kept out by what others do:
//! another address has a count of its own, and a secret that this service made is checked even for
//! who is slowed, because that costs less than to refuse. Only a password that a person chose
//! waits: nobody guesses the others.
//!
//! A guess of a chosen password is charged before it is looked at ([`LogIns::begin_guess`]), and
//! one at a time is looked at for an address and a username: of many guesses at once, no more are
//! hashed than the limits allow.
//!
//! An address and a username that logged in with a chosen password before are known: what others at
//! the address guess keeps them from nothing.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::hmac;
use quick_cache::sync::Cache;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::domain::clock::{Random, Timestamp, random_bytes};
use crate::domain::secret::Secret;
use crate::domain::{Error, ErrorKind, Result};
use crate::service::limits::gates::{Gates, Pass};
use crate::service::limits::rates::{AddressLimits, STRANGERS_MOST, make_room, pass, subscriber};
use crate::service::sharded::Sharded;

/// How long a failure may come once more without being counted: clients try POST, then GET.
const SAME_FAILURE: Duration = Duration::from_secs(10);
/// The most failures that are remembered for that: 40 bytes each.
const SAME_FAILURES_MOST: usize = 10_000;
/// How many who are slowed may ask the database at once for what memory lacks: it has other work.
const LOOKS: usize = 4;
/// How many more may wait for that, and for how long.
const MAX_WAITING_LOOKS: usize = 256;
const LOOK_PATIENCE: Duration = Duration::from_secs(1);
/// How many guesses may wait for the one before, of one address and username: a client that pulls
/// logs in for several layers at once.
const MAX_WAITING_GUESSES: usize = 8;
/// How long an address and a username are known after a success.
const KNOWN_FOR: Duration = Duration::from_hours(24 * 30);
/// The most of them that are: 16 bytes each, and as much again for their place.
const MAX_KNOWN: usize = 65_536;

/// What failed too often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::service) enum Slowed {
    /// The address, whatever it failed with.
    Address,
    /// A username at that address.
    Username,
}

/// What became of a guess.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::service) enum Outcome {
    /// It is the password.
    Right,
    /// It was never compared with one.
    Undecided,
    /// It isn't, as far as can be known.
    Wrong,
}

/// Whether an address and a username logged in with a chosen password before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::service) enum Standing {
    /// They did, lately.
    Known,
    /// Not that this process knows.
    Stranger,
}

/// What a failure was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::service) struct Failure {
    /// It is the one before, once more, and isn't counted.
    pub(in crate::service) is_repeated: bool,
    /// The username had no failure left at this address before it.
    pub(in crate::service) was_slowed: bool,
}

/// Counts failures by whom they concern.
pub(in crate::service) struct LogIns {
    failures: Failures,
    /// Chosen passwords that were hashed and wrong, by address. What else fails there doesn't
    /// count: it costs no hash.
    hashes: AddressLimits,
    turns: Arc<Gates<Party>>,
    /// Until when an address and a username are known, by a part of their keyed hash.
    known: Cache<u64, Timestamp>,
    /// Failures that came once, by a keyed hash of address, username and secret, and until when
    /// they may come again.
    came_once: Cache<[u8; 32], Timestamp>,
    look_ups: LookUps,
    /// This process's own: what it remembers says nothing of a secret.
    key: hmac::Key,
}

/// An address and a username, as a keyed hash: whoever sends long usernames takes no more memory.
type Party = [u8; 32];

#[derive(Clone, Copy)]
struct Left {
    failures: f64,
    at: Timestamp,
}

/// A guess of a chosen password that is charged and has its turn; give it to [`LogIns::end_guess`].
///
/// Dropped instead, as by a client that breaks off, it stays charged.
#[must_use]
pub(in crate::service) struct Guess {
    address: IpAddr,
    party: Party,
    /// The guess itself, as a keyed hash.
    same: [u8; 32],
    turn: Arc<Turn>,
    standing: Standing,
}

/// A turn to guess; while it lasts, others of the same address and username wait.
pub(in crate::service) type Turn = Pass<Party>;

impl Guess {
    /// Returns the turn, for the work that goes on without its caller.
    pub(in crate::service) fn turn(&self) -> Arc<Turn> {
        Arc::clone(&self.turn)
    }

    /// Tells whether the address and the username are known.
    pub(in crate::service) fn standing(&self) -> Standing {
        self.standing
    }

    /// Returns whose guess it is.
    pub(in crate::service) fn address(&self) -> IpAddr {
        self.address
    }
}

/// The failures that an address has left with a username.
struct Failures {
    burst: f64,
    per_second: f64,
    /// Of those that failed lately.
    left: Sharded<Party, Left>,
    max_in_shard: usize,
}

/// Look-ups of what memory lacks, for log-ins that are slowed.
struct LookUps {
    at_once: Semaphore,
    waiting: Semaphore,
}

impl Failures {
    /// Tells whether none is left.
    fn are_used_up(&self, party: &Party, now: Timestamp) -> bool {
        self.left
            .lock(party)
            .get_mut(party)
            .is_some_and(|left| self.refill(left, now) < 1.0)
    }

    /// Takes one of a party's failures; `false` when none is left.
    fn take(&self, party: &Party, now: Timestamp) -> bool {
        let mut left = self.left.lock(party);
        make_room(&mut left, party, self.max_in_shard, |left| {
            self.refill(left, now)
        });
        let entry = left.entry(*party).or_insert(Left {
            failures: self.burst,
            at: now,
        });
        let failures = self.refill(entry, now);
        entry.failures = (failures - 1.0).max(0.0);
        failures >= 1.0
    }

    fn give_back(&self, party: &Party) {
        if let Some(left) = self.left.lock(party).get_mut(party) {
            left.failures = (left.failures + 1.0).min(self.burst);
        }
    }

    /// Adds what time brought, and returns what is left.
    fn refill(&self, left: &mut Left, now: Timestamp) -> f64 {
        left.failures = (left.failures + pass(&mut left.at, now).as_secs_f64() * self.per_second)
            .min(self.burst);
        left.failures
    }

    /// Forgets who has waited long enough to be unknown again.
    fn forget(&self, now: Timestamp) {
        self.left
            .retain(|_, left| self.refill(left, now) < self.burst);
    }
}

impl LogIns {
    /// Lets an address fail `burst` times at once with one username, and `per_minute` times a
    /// minute for ever; and, with whatever usernames, have as many chosen passwords hashed in vain
    /// as `hashes` says.
    pub(in crate::service) fn new(
        burst: u32,
        per_minute: u32,
        hashes: AddressLimits,
        random: &dyn Random,
    ) -> Self {
        Self {
            failures: Failures {
                burst: f64::from(burst),
                per_second: f64::from(per_minute) / 60.0,
                left: Sharded::new(),
                max_in_shard: STRANGERS_MOST,
            },
            hashes,
            turns: Gates::new(1, MAX_WAITING_GUESSES),
            known: Cache::new(MAX_KNOWN),
            came_once: Cache::new(SAME_FAILURES_MOST),
            look_ups: LookUps {
                at_once: Semaphore::new(LOOKS),
                waiting: Semaphore::new(MAX_WAITING_LOOKS),
            },
            key: hmac::Key::new(hmac::HMAC_SHA256, &random_bytes::<32>(random)),
        }
    }

    /// Waits until no other guess of a chosen password is looked at for its address and username,
    /// and charges it.
    ///
    /// [`ErrorKind::AddressThrottled`] when there were too many, or too many wait.
    pub(in crate::service) async fn begin_guess(
        &self,
        address: IpAddr,
        username: &str,
        secret: &Secret,
        now: impl Fn() -> Timestamp,
    ) -> Result<Guess> {
        let party = self.party(address, username);
        let turn = Gates::pass(&self.turns, party)
            .await
            .ok_or_else(|| self.slowed(Slowed::Address))?;
        let now = now();
        let standing = self.standing(&party, now);
        // The address first: one that is slowed fills no memory with more usernames. Whoever is
        // known isn't asked for it, because a neighbour with made-up usernames uses it up.
        if standing == Standing::Stranger && !self.hashes.take(address, now) {
            return Err(self.slowed(Slowed::Address));
        }
        if !self.failures.take(&party, now) {
            self.give_back_hash(address, standing);
            return Err(self.slowed(Slowed::Username));
        }
        let same = self.hash(&[&party, secret.expose().as_bytes()]);
        Ok(Guess {
            address,
            party,
            same,
            turn: Arc::new(turn),
            standing,
        })
    }

    /// Tells whether an address and a username are known.
    fn standing(&self, party: &Party, now: Timestamp) -> Standing {
        match self.known.get(&short(party)) {
            Some(until) if now < until => Standing::Known,
            _ => Standing::Stranger,
        }
    }

    fn give_back_hash(&self, address: IpAddr, standing: Standing) {
        if standing == Standing::Stranger {
            self.hashes.give_back(address);
        }
    }

    /// Ends a guess: one that didn't fail gets back what it was charged, and so does a failure that
    /// comes once more. After a right one, the address and the username are known.
    pub(in crate::service) fn end_guess(&self, guess: Guess, outcome: Outcome, now: Timestamp) {
        let Guess {
            address,
            party,
            same,
            turn,
            standing,
        } = guess;
        if outcome == Outcome::Right {
            self.known.insert(short(&party), now.plus(KNOWN_FOR));
        }
        if outcome != Outcome::Wrong || self.note_failure(same, now) {
            self.failures.give_back(&party);
            self.give_back_hash(address, standing);
        }
        // Only now: the next one finds what was given back.
        drop(turn);
    }

    /// Counts a failure that cost nothing to find, unless it is the one before once more.
    ///
    /// With `Slowed::Address`, it fills no memory with more usernames.
    pub(in crate::service) fn count(
        &self,
        address: IpAddr,
        username: &str,
        secret: &Secret,
        slowed: Option<Slowed>,
        now: Timestamp,
    ) -> Failure {
        let party = self.party(address, username);
        let is_repeated = self.note_failure(self.hash(&[&party, secret.expose().as_bytes()]), now);
        let was_slowed = if is_repeated
            || slowed.is_some() && !self.failures.left.lock(&party).contains_key(&party)
        {
            self.failures.are_used_up(&party, now)
        } else {
            !self.failures.take(&party, now)
        };
        Failure {
            is_repeated,
            was_slowed,
        }
    }

    /// Remembers a failure. Returns whether it came once within the last seconds, and forgets that
    /// then: a secret that is repeated for ever is counted every other time.
    fn note_failure(&self, same: [u8; 32], now: Timestamp) -> bool {
        if self
            .came_once
            .remove(&same)
            .is_some_and(|(_, until)| now < until)
        {
            return true;
        }
        self.came_once.insert(same, now.plus(SAME_FAILURE));
        false
    }

    /// Lets one who is slowed ask the database for what memory lacks: a good credential isn't lost
    /// because a cache was dropped.
    ///
    /// Only for what reads as this service made it, which anybody can write: so it is a few at
    /// once, one after the other.
    pub(in crate::service) async fn look(&self) -> Result<SemaphorePermit<'_>> {
        let full = || self.slowed(Slowed::Address);
        let _waiting = self.look_ups.waiting.try_acquire().map_err(|_| full())?;
        let look = tokio::time::timeout(LOOK_PATIENCE, self.look_ups.at_once.acquire()).await;
        look.map_err(|_| full())?.map_err(Error::internal)
    }

    /// Returns the refusal of a log-in that has to wait.
    pub(in crate::service) fn slowed(&self, slowed: Slowed) -> Error {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "at most a minute"
        )]
        let retry_after_seconds = match slowed {
            // At least one a second is what its bucket gets.
            Slowed::Address => 1,
            Slowed::Username => (1.0 / self.failures.per_second).ceil() as u32,
        };
        let message = format!(
            "Too many log-ins failed; wait {retry_after_seconds} s, and mend the credentials."
        );
        Error::new(
            ErrorKind::AddressThrottled {
                retry_after_seconds,
            },
            message,
        )
    }

    /// Forgets who has waited long enough to be unknown again.
    pub(in crate::service) fn forget(&self, now: Timestamp) {
        self.hashes.forget(now);
        self.failures.forget(now);
    }

    fn party(&self, address: IpAddr, username: &str) -> Party {
        match subscriber(address) {
            IpAddr::V4(address) => self.hash(&[&address.octets(), username.as_bytes()]),
            IpAddr::V6(address) => self.hash(&[&address.octets(), username.as_bytes()]),
        }
    }

    fn hash(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.key);
        for part in parts {
            context.update(&part.len().to_be_bytes());
            context.update(part);
        }
        let mut hash = [0; 32];
        hash.copy_from_slice(context.sign().as_ref());
        hash
    }
}

/// Returns a part of a keyed hash that is long enough where a collision only lets one guess wait in
/// another line.
fn short(party: &Party) -> u64 {
    let mut short = [0; 8];
    short.copy_from_slice(&party[..8]);
    u64::from_be_bytes(short)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::clock::SystemRandom;

    const START: Timestamp = Timestamp::from_unix_seconds(1_735_877_057);

    fn log_ins() -> LogIns {
        LogIns::new(3, 6, AddressLimits::new(1, 5), &SystemRandom)
    }

    fn here() -> IpAddr {
        "192.0.2.1".parse().unwrap()
    }

    fn is_slowed(log_ins: &LogIns, address: IpAddr, username: &str, now: Timestamp) -> bool {
        log_ins
            .failures
            .are_used_up(&log_ins.party(address, username), now)
    }

    /// Returns whether the failure was counted.
    fn fail(log_ins: &LogIns, username: &str, secret: &str, now: Timestamp) -> bool {
        !log_ins
            .count(here(), username, &Secret::new(secret), None, now)
            .is_repeated
    }

    async fn begin(log_ins: &LogIns, username: &str, secret: &str) -> Result<Guess> {
        log_ins
            .begin_guess(here(), username, &Secret::new(secret), || START)
            .await
    }

    #[test]
    fn who_fails_too_often_is_slowed_for_that_username_at_that_address_alone() {
        let log_ins = log_ins();
        for guess in ["a", "b", "c"] {
            assert!(!is_slowed(&log_ins, here(), "ci", START));
            assert!(fail(&log_ins, "ci", guess, START));
        }
        assert!(is_slowed(&log_ins, here(), "ci", START));
        assert!(
            !is_slowed(&log_ins, here(), "cd", START)
                && !is_slowed(&log_ins, "192.0.2.2".parse().unwrap(), "ci", START)
        );
        // Six a minute: one in ten seconds.
        assert!(is_slowed(
            &log_ins,
            here(),
            "ci",
            START.plus(Duration::from_secs(9))
        ));
        assert!(!is_slowed(
            &log_ins,
            here(),
            "ci",
            START.plus(Duration::from_secs(10))
        ));
        let retry_after = |slowed| log_ins.slowed(slowed).kind().clone();
        assert_eq!(
            retry_after(Slowed::Username),
            ErrorKind::AddressThrottled {
                retry_after_seconds: 10
            }
        );
        assert_eq!(
            retry_after(Slowed::Address),
            ErrorKind::AddressThrottled {
                retry_after_seconds: 1
            }
        );
    }

    #[test]
    fn a_failure_that_comes_twice_counts_once() {
        let log_ins = log_ins();
        let twice = |secret: &str, now| {
            [
                fail(&log_ins, "ci", secret, now),
                fail(&log_ins, "ci", secret, now),
            ]
        };
        assert_eq!(twice("a", START), [true, false]);
        assert_eq!(
            twice("a", START),
            [true, false],
            "and a third time it counts again"
        );
        assert!(!is_slowed(&log_ins, here(), "ci", START));
        assert!(fail(&log_ins, "ci", "b", START));
        assert!(is_slowed(&log_ins, here(), "ci", START));
        let later = START.plus(SAME_FAILURE);
        assert!(fail(&log_ins, "ci", "b", later), "too late to be the same");
        assert!(
            !log_ins
                .count(here(), "cd", &Secret::new("b"), None, later)
                .is_repeated,
            "another's"
        );
    }

    #[tokio::test]
    async fn a_guess_is_charged_before_it_is_looked_at_and_gets_it_back_unless_it_is_wrong() {
        // The limit was asked before the hash and charged after it: whoever guessed at once guessed
        // for nothing.
        let log_ins = log_ins();
        for number in 0..10 {
            let guess = begin(&log_ins, "ci", "right")
                .await
                .unwrap_or_else(|error| panic!("{number}: {error}"));
            log_ins.end_guess(guess, Outcome::Undecided, START);
        }
        for secret in ["a", "b", "c"] {
            let guess = begin(&log_ins, "ci", secret).await.unwrap();
            log_ins.end_guess(guess, Outcome::Wrong, START);
        }
        let refused = begin(&log_ins, "ci", "right").await.map(drop).unwrap_err();
        assert_eq!(
            refused.kind(),
            &ErrorKind::AddressThrottled {
                retry_after_seconds: 10
            }
        );
    }

    #[tokio::test]
    async fn who_breaks_off_a_guess_is_charged_all_the_same() {
        let log_ins = log_ins();
        for secret in ["a", "b", "c"] {
            drop(begin(&log_ins, "ci", secret).await.unwrap());
        }
        assert!(begin(&log_ins, "ci", "d").await.is_err());
    }

    #[tokio::test]
    async fn one_address_has_so_many_passwords_hashed_in_vain_whatever_the_usernames() {
        let log_ins = log_ins();
        for number in 0..5 {
            let guess = begin(&log_ins, &format!("user-{number}"), "a")
                .await
                .unwrap();
            log_ins.end_guess(guess, Outcome::Wrong, START);
        }
        let refused = begin(&log_ins, "user-5", "a").await.map(drop).unwrap_err();
        assert_eq!(
            refused.kind(),
            &ErrorKind::AddressThrottled {
                retry_after_seconds: 1
            }
        );
        assert!(
            log_ins
                .begin_guess(
                    "192.0.2.2".parse().unwrap(),
                    "user-5",
                    &Secret::new("a"),
                    || START
                )
                .await
                .is_ok()
        );
    }

    #[tokio::test]
    async fn who_logged_in_before_is_known_for_a_month_and_waits_for_no_neighbour() {
        // One address that made usernames up used up what all of it could fail, and right log-ins
        // there had to wait.
        let log_ins = log_ins();
        let guess = begin(&log_ins, "ci", "right").await.unwrap();
        assert_eq!(guess.standing(), Standing::Stranger);
        log_ins.end_guess(guess, Outcome::Right, START);
        for number in 0..5 {
            drop(
                begin(&log_ins, &format!("made-up-{number}"), "a")
                    .await
                    .unwrap(),
            );
        }
        assert!(begin(&log_ins, "made-up-5", "a").await.is_err());
        for secret in ["a", "b", "c"] {
            let guess = begin(&log_ins, "ci", secret).await.unwrap();
            assert_eq!(guess.standing(), Standing::Known);
            log_ins.end_guess(guess, Outcome::Wrong, START);
        }
        let refused = begin(&log_ins, "ci", "d").await.map(drop).unwrap_err();
        assert_eq!(
            refused.kind(),
            &ErrorKind::AddressThrottled {
                retry_after_seconds: 10
            },
            "its own failures count"
        );
        let party = log_ins.party(here(), "ci");
        assert_eq!(
            log_ins.standing(&party, START.plus(KNOWN_FOR)),
            Standing::Stranger
        );
        assert_eq!(
            log_ins.standing(&log_ins.party("192.0.2.2".parse().unwrap(), "ci"), START),
            Standing::Stranger
        );
    }

    #[tokio::test]
    async fn a_wrong_guess_makes_nobody_known() {
        let log_ins = log_ins();
        for outcome in [Outcome::Wrong, Outcome::Undecided] {
            let guess = begin(&log_ins, "ci", "a").await.unwrap();
            assert_eq!(guess.standing(), Standing::Stranger);
            log_ins.end_guess(guess, outcome, START);
        }
        assert_eq!(
            begin(&log_ins, "ci", "a").await.unwrap().standing(),
            Standing::Stranger
        );
    }

    #[tokio::test]
    async fn one_guess_at_a_time_is_looked_at_for_an_address_and_a_username_and_a_few_wait() {
        let log_ins = Arc::new(log_ins());
        let first = begin(&log_ins, "ci", "a").await.unwrap();
        let _other = begin(&log_ins, "cd", "a").await.unwrap();
        let mut waiting: Vec<_> = (0..MAX_WAITING_GUESSES)
            .map(|_| Box::pin(begin(&log_ins, "ci", "a")))
            .collect();
        for wait in &mut waiting {
            assert!(
                futures_poll(wait.as_mut()).await.is_none(),
                "two had their turn at once"
            );
        }
        let refused = begin(&log_ins, "ci", "a").await.map(drop).unwrap_err();
        assert_eq!(
            refused.kind(),
            &ErrorKind::AddressThrottled {
                retry_after_seconds: 1
            }
        );
        // The work goes on without who asked for it, and keeps the turn.
        let work = first.turn();
        log_ins.end_guess(first, Outcome::Undecided, START);
        let mut next = waiting.remove(0);
        assert!(futures_poll(next.as_mut()).await.is_none());
        drop(work);
        let next = next.await.unwrap();
        drop((next, waiting, _other));
        assert!(log_ins.turns.is_empty(), "who left is forgotten");
    }

    async fn futures_poll<F: Future>(mut future: std::pin::Pin<&mut F>) -> Option<F::Output> {
        std::future::poll_fn(|context| {
            std::task::Poll::Ready(match future.as_mut().poll(context) {
                std::task::Poll::Ready(output) => Some(output),
                std::task::Poll::Pending => None,
            })
        })
        .await
    }

    #[test]
    fn who_waited_is_forgotten() {
        let log_ins = log_ins();
        fail(&log_ins, "ci", "a", START);
        log_ins.forget(START.plus(Duration::from_secs(9)));
        assert_eq!(known(&log_ins), 1);
        log_ins.forget(START.plus(Duration::from_secs(10)));
        assert_eq!(known(&log_ins), 0);
    }

    fn known(log_ins: &LogIns) -> usize {
        let mut known = 0;
        log_ins.failures.left.retain(|_, _| {
            known += 1;
            true
        });
        known
    }

    #[test]
    fn an_address_that_is_slowed_fills_no_memory_and_fails_on_with_what_it_failed_with() {
        let log_ins = log_ins();
        fail(&log_ins, "ci", "a", START);
        let slowed = Some(Slowed::Address);
        for number in 0..1000 {
            log_ins.count(
                here(),
                &format!("made-up-{number}"),
                &Secret::new("a"),
                slowed,
                START,
            );
        }
        assert_eq!(known(&log_ins), 1);
        for guess in ["b", "c"] {
            log_ins.count(here(), "ci", &Secret::new(guess), slowed, START);
        }
        assert!(is_slowed(&log_ins, here(), "ci", START));
    }

    #[test]
    fn usernames_of_many_addresses_fill_a_bounded_memory_and_clear_nobodys_count() {
        let mut log_ins = log_ins();
        log_ins.failures.max_in_shard = 7;
        for guess in ["a", "b", "c"] {
            fail(&log_ins, "ci", guess, START);
        }
        for number in 0..10_000 {
            fail(&log_ins, &format!("made-up-{number}"), "a", START);
        }
        assert_eq!(known(&log_ins), 7 * 64);
        assert!(is_slowed(&log_ins, here(), "ci", START));
    }

    #[tokio::test]
    async fn a_few_who_are_slowed_look_at_once_and_more_wait_for_it() {
        // The fifth was told to come again: made-up credentials crowded out a right one.
        let log_ins = log_ins();
        let mut looks = Vec::new();
        for _ in 0..LOOKS {
            looks.push(log_ins.look().await.unwrap());
        }
        let mut waiting: Vec<_> = (0..MAX_WAITING_LOOKS)
            .map(|_| Box::pin(log_ins.look()))
            .collect();
        for wait in &mut waiting {
            assert!(futures_poll(wait.as_mut()).await.is_none());
        }
        let refused = log_ins.look().await.map(drop).unwrap_err();
        assert_eq!(
            refused.kind(),
            &ErrorKind::AddressThrottled {
                retry_after_seconds: 1
            }
        );
        drop(looks);
        for wait in waiting {
            assert!(wait.await.is_ok());
        }
    }

    #[test]
    fn a_clock_that_is_set_back_neither_refills_nor_keeps_anybody_waiting() {
        let log_ins = log_ins();
        for guess in ["a", "b", "c"] {
            fail(&log_ins, "ci", guess, START);
        }
        let back = START.minus(Duration::from_hours(1));
        assert!(is_slowed(&log_ins, here(), "ci", back));
        assert!(is_slowed(
            &log_ins,
            here(),
            "ci",
            back.plus(Duration::from_secs(9))
        ));
        assert!(!is_slowed(
            &log_ins,
            here(),
            "ci",
            back.plus(Duration::from_secs(10))
        ));
    }
}
