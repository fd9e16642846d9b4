//! Failed log-ins at the registry door: who fails again and again waits.
//!
//! Failures are counted by address and username together, and, more generously, by address alone
//! ([`super::limits::AddressLimits`]). Nobody is ever kept out by what others do: another address has a count of its own,
//! and a secret that this service made is checked even for who is slowed, because that costs less than to refuse. Only a
//! password that a person chose waits: nobody guesses the others.

use std::net::IpAddr;
use std::time::Duration;

use aws_lc_rs::hmac;
use quick_cache::sync::Cache;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::limits::{STRANGERS_MOST, Sharded, make_room, pass, subscriber};
use crate::domain::clock::{Random, Timestamp, random_bytes};
use crate::domain::secret::Secret;
use crate::domain::{Error, ErrorKind, Result};

/// How long a failure may come once more without being counted: clients try POST, then GET.
const SAME_FAILURE: Duration = Duration::from_secs(10);
/// The most failures that are remembered for that: 40 bytes each.
const SAME_FAILURES_MOST: usize = 10_000;
/// How many who are slowed may ask the database at once for what memory lacks: it has other work.
const LOOKS: usize = 4;

/// What a log-in may cost, until it is proven.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effort {
    /// Whatever it takes.
    Full,
    /// What memory says: whoever failed too often makes neither the database work, but for [`LogIns::look`], nor a slow
    /// hash.
    Memory(Slowed),
}

/// What failed too often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Slowed {
    /// The address, whatever it failed with.
    Address,
    /// A username at that address.
    Username,
}

/// What a failure was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// One more.
    New,
    /// The one before, once more.
    Again,
}

/// Counts failures by whom they concern.
pub(super) struct LogIns {
    burst: f64,
    per_second: f64,
    /// What is left of each address and username that failed lately.
    left: Sharded<Party, Left>,
    most_in_shard: usize,
    /// Failures that came once, by a keyed hash of address, username and secret, and until when they may come again.
    came_once: Cache<[u8; 32], Timestamp>,
    looks: Semaphore,
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

impl LogIns {
    /// Lets an address fail `burst` times at once with one username, and `per_minute` times a minute for ever.
    pub(super) fn new(burst: u32, per_minute: u32, random: &dyn Random) -> Self {
        Self {
            burst: f64::from(burst),
            per_second: f64::from(per_minute) / 60.0,
            left: Sharded::new(),
            most_in_shard: STRANGERS_MOST,
            came_once: Cache::new(SAME_FAILURES_MOST),
            looks: Semaphore::new(LOOKS),
            key: hmac::Key::new(hmac::HMAC_SHA256, &random_bytes::<32>(random)),
        }
    }

    /// Tells whether an address has failed too often with a username.
    pub(super) fn is_slowed(&self, address: IpAddr, username: &str, now: Timestamp) -> bool {
        let party = self.party(address, username);
        self.left.lock(&party).get_mut(&party).is_some_and(|left| self.refill(left, now) < 1.0)
    }

    /// Counts a failure, unless it is the one before once more.
    ///
    /// An address that is slowed itself already fills no memory with more usernames.
    pub(super) fn count(&self, address: IpAddr, username: &str, secret: &Secret, effort: Effort, now: Timestamp) -> Failure {
        let party = self.party(address, username);
        let same = self.hash(&[&party, secret.expose().as_bytes()]);
        // Once: whoever repeats one secret for ever is counted every other time.
        if self.came_once.remove(&same).is_some_and(|(_, until)| now < until) {
            return Failure::Again;
        }
        self.came_once.insert(same, now.plus(SAME_FAILURE));
        let mut left = self.left.lock(&party);
        if effort == Effort::Full {
            make_room(&mut left, &party, self.most_in_shard, |left| self.refill(left, now));
            left.entry(party).or_insert(Left { failures: self.burst, at: now });
        }
        if let Some(entry) = left.get_mut(&party) {
            entry.failures = (self.refill(entry, now) - 1.0).max(0.0);
        }
        Failure::New
    }

    /// Lets one who is slowed ask the database for what memory lacks: a good credential isn't lost because a cache was
    /// dropped. Nobody waits for that.
    ///
    /// Only for what reads as this service made it, which anybody can write: so it is a few at once.
    pub(super) fn look(&self, slowed: Slowed) -> Result<SemaphorePermit<'_>> {
        self.looks.try_acquire().map_err(|_| self.slowed(slowed))
    }

    /// Returns the refusal of a log-in that has to wait.
    pub(super) fn slowed(&self, slowed: Slowed) -> Error {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most a minute")]
        let retry_after_seconds = match slowed {
            // At least one a second is what its bucket gets.
            Slowed::Address => 1,
            Slowed::Username => (1.0 / self.per_second).ceil() as u32,
        };
        let message = format!("Too many log-ins failed; wait {retry_after_seconds} s, and mend the credentials.");
        Error::new(ErrorKind::AddressThrottled { retry_after_seconds }, message)
    }

    /// Forgets who has waited long enough to be unknown again.
    pub(super) fn forget(&self, now: Timestamp) {
        self.left.retain(|_, left| self.refill(left, now) < self.burst);
    }

    /// Adds what time brought, and returns what is left.
    fn refill(&self, left: &mut Left, now: Timestamp) -> f64 {
        left.failures = (left.failures + pass(&mut left.at, now).as_secs_f64() * self.per_second).min(self.burst);
        left.failures
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::clock::SystemRandom;

    const START: Timestamp = Timestamp::from_unix_seconds(1_735_877_057);

    fn log_ins() -> LogIns {
        LogIns::new(3, 6, &SystemRandom)
    }

    fn here() -> IpAddr {
        "192.0.2.1".parse().unwrap()
    }

    fn fail(log_ins: &LogIns, username: &str, secret: &str, now: Timestamp) -> Failure {
        log_ins.count(here(), username, &Secret::new(secret), Effort::Full, now)
    }

    #[test]
    fn who_fails_too_often_is_slowed_for_that_username_at_that_address_alone() {
        let log_ins = log_ins();
        for guess in ["a", "b", "c"] {
            assert!(!log_ins.is_slowed(here(), "ci", START));
            assert_eq!(fail(&log_ins, "ci", guess, START), Failure::New);
        }
        assert!(log_ins.is_slowed(here(), "ci", START));
        assert!(!log_ins.is_slowed(here(), "cd", START) && !log_ins.is_slowed("192.0.2.2".parse().unwrap(), "ci", START));
        // Six a minute: one in ten seconds.
        assert!(log_ins.is_slowed(here(), "ci", START.plus(Duration::from_secs(9))));
        assert!(!log_ins.is_slowed(here(), "ci", START.plus(Duration::from_secs(10))));
        let retry_after = |slowed| log_ins.slowed(slowed).kind().clone();
        assert_eq!(retry_after(Slowed::Username), ErrorKind::AddressThrottled { retry_after_seconds: 10 });
        assert_eq!(retry_after(Slowed::Address), ErrorKind::AddressThrottled { retry_after_seconds: 1 });
    }

    #[test]
    fn a_failure_that_comes_twice_counts_once() {
        let log_ins = log_ins();
        let twice = |secret: &str, now| [fail(&log_ins, "ci", secret, now), fail(&log_ins, "ci", secret, now)];
        assert_eq!(twice("a", START), [Failure::New, Failure::Again]);
        assert_eq!(twice("a", START), [Failure::New, Failure::Again], "and a third time it counts again");
        assert!(!log_ins.is_slowed(here(), "ci", START));
        assert_eq!(fail(&log_ins, "ci", "b", START), Failure::New);
        assert!(log_ins.is_slowed(here(), "ci", START));
        let later = START.plus(SAME_FAILURE);
        assert_eq!(fail(&log_ins, "ci", "b", later), Failure::New, "too late to be the same");
        assert_eq!(log_ins.count(here(), "cd", &Secret::new("b"), Effort::Full, later), Failure::New, "another's");
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
        log_ins.left.retain(|_, _| {
            known += 1;
            true
        });
        known
    }

    #[test]
    fn an_address_that_is_slowed_fills_no_memory_and_fails_on_with_what_it_failed_with() {
        let log_ins = log_ins();
        fail(&log_ins, "ci", "a", START);
        let slowed = Effort::Memory(Slowed::Address);
        for number in 0..1000 {
            log_ins.count(here(), &format!("made-up-{number}"), &Secret::new("a"), slowed, START);
        }
        assert_eq!(known(&log_ins), 1);
        for guess in ["b", "c"] {
            log_ins.count(here(), "ci", &Secret::new(guess), slowed, START);
        }
        assert!(log_ins.is_slowed(here(), "ci", START));
    }

    #[test]
    fn usernames_of_many_addresses_fill_a_bounded_memory_and_clear_nobodys_count() {
        let log_ins = LogIns { most_in_shard: 7, ..log_ins() };
        for guess in ["a", "b", "c"] {
            fail(&log_ins, "ci", guess, START);
        }
        for number in 0..10_000 {
            fail(&log_ins, &format!("made-up-{number}"), "a", START);
        }
        assert_eq!(known(&log_ins), 7 * 64);
        assert!(log_ins.is_slowed(here(), "ci", START));
    }

    #[test]
    fn a_few_who_are_slowed_may_look_at_once_and_nobody_waits_for_it() {
        let log_ins = log_ins();
        let looks: Vec<_> = (0..LOOKS).map(|_| log_ins.look(Slowed::Address).unwrap()).collect();
        let refused = log_ins.look(Slowed::Address).map(drop).unwrap_err();
        assert_eq!(refused.kind(), &ErrorKind::AddressThrottled { retry_after_seconds: 1 });
        drop(looks);
        assert!(log_ins.look(Slowed::Address).is_ok());
    }

    #[test]
    fn a_clock_that_is_set_back_neither_refills_nor_keeps_anybody_waiting() {
        let log_ins = log_ins();
        for guess in ["a", "b", "c"] {
            fail(&log_ins, "ci", guess, START);
        }
        let back = START.minus(Duration::from_hours(1));
        assert!(log_ins.is_slowed(here(), "ci", back));
        assert!(log_ins.is_slowed(here(), "ci", back.plus(Duration::from_secs(9))));
        assert!(!log_ins.is_slowed(here(), "ci", back.plus(Duration::from_secs(10))));
    }
}
