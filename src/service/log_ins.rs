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

use super::limits::{Sharded, subscriber};
use crate::domain::clock::{Random, Timestamp, random_bytes};
use crate::domain::secret::Secret;
use crate::domain::{Error, ErrorKind};

/// How long a failure may come once more without being counted: clients try POST, then GET.
const SAME_FAILURE: Duration = Duration::from_secs(10);
/// The most failures that are remembered for that: 40 bytes each.
const SAME_FAILURES_MOST: usize = 10_000;

/// What a log-in may cost, until it is proven.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effort {
    /// Whatever it takes.
    Full,
    /// What memory says: whoever failed too often makes neither the database work nor a slow hash.
    Memory,
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
    /// Failures that came once, by a keyed hash of address, username and secret, and until when they may come again.
    came_once: Cache<[u8; 32], Timestamp>,
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
            came_once: Cache::new(SAME_FAILURES_MOST),
            key: hmac::Key::new(hmac::HMAC_SHA256, &random_bytes::<32>(random)),
        }
    }

    /// Tells whether an address has failed too often with a username.
    pub(super) fn is_slowed(&self, address: IpAddr, username: &str, now: Timestamp) -> bool {
        let party = self.party(address, username);
        self.left.lock(&party).get(&party).is_some_and(|left| self.refilled(*left, now) < 1.0)
    }

    /// Counts a failure, unless it is the one before once more.
    pub(super) fn count(&self, address: IpAddr, username: &str, secret: &Secret, now: Timestamp) -> Failure {
        let party = self.party(address, username);
        let same = self.hash(&[&party, secret.expose().as_bytes()]);
        // Once: whoever repeats one secret for ever is counted every other time.
        if self.came_once.remove(&same).is_some_and(|(_, until)| now < until) {
            return Failure::Again;
        }
        self.came_once.insert(same, now.plus(SAME_FAILURE));
        let mut left = self.left.lock(&party);
        let entry = left.entry(party).or_insert(Left { failures: self.burst, at: now });
        *entry = Left { failures: (self.refilled(*entry, now) - 1.0).max(0.0), at: entry.at.max(now) };
        Failure::New
    }

    /// Returns the refusal of a log-in that has to wait.
    pub(super) fn slowed(&self) -> Error {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most a minute")]
        let retry_after_seconds = (1.0 / self.per_second).ceil() as u32;
        Error::new(ErrorKind::AddressThrottled { retry_after_seconds }, "Too many log-ins failed; wait, and mend the credentials.")
    }

    /// Forgets who has waited long enough to be unknown again.
    pub(super) fn forget(&self, now: Timestamp) {
        self.left.retain(|_, left| self.refilled(*left, now) < self.burst);
    }

    fn refilled(&self, left: Left, now: Timestamp) -> f64 {
        // A clock that was set back refills nothing until it catches up.
        (left.failures + left.at.until(now).as_secs_f64() * self.per_second).min(self.burst)
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
        log_ins.count(here(), username, &Secret::new(secret), now)
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
        assert_eq!(log_ins.slowed().kind(), &ErrorKind::AddressThrottled { retry_after_seconds: 10 });
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
        assert_eq!(log_ins.count(here(), "cd", &Secret::new("b"), later), Failure::New, "another's");
    }

    #[test]
    fn who_waited_is_forgotten() {
        let log_ins = log_ins();
        fail(&log_ins, "ci", "a", START);
        log_ins.forget(START.plus(Duration::from_secs(9)));
        let known = |log_ins: &LogIns| {
            let mut known = 0;
            log_ins.left.retain(|_, _| {
                known += 1;
                true
            });
            known
        };
        assert_eq!(known(&log_ins), 1);
        log_ins.forget(START.plus(Duration::from_secs(10)));
        assert_eq!(known(&log_ins), 0);
    }
}
