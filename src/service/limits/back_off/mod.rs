//! Back-off of failed log-ins at the token endpoint.
//!
//! Failures are counted by a failure key, which is an address with a username, and more generously
//! by address alone ([`AddressLimits`]). The count of one address never delays another: a limit by
//! username alone would let anybody lock a user out.
//!
//! Only passwords that a person chose wait. Secrets that this service made have too many bits to be
//! guessed, and their comparison costs less than a refusal, so they are checked in any case.
//!
//! Chosen passwords are hashed slowly, so each guess is charged before its hash ([`guesses`]). A
//! client that logged in with a chosen password before is a known client. It has a budget of its
//! own, so that guesses by its neighbours behind the same address (NAT) keep it out of nothing.

mod failures;
pub(in crate::service) mod guesses;
mod lookup_budget;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::hmac;
use quick_cache::sync::Cache;

use self::failures::{FailureKey, Failures};
use self::guesses::{MAX_KNOWN_CLIENTS, MAX_WAITING_GUESSES};
use crate::domain::clock::{Random, Timestamp, random_bytes};
use crate::domain::secret::Secret;
use crate::domain::{Error, ErrorKind};
use crate::service::limits::back_off::lookup_budget::LookupBudget;
use crate::service::limits::keyed_semaphore::KeyedSemaphore;
use crate::service::limits::rates::{AddressLimits, subscriber};

/// How long one repetition of a failure isn't counted: clients try POST, then GET.
const REPETITION_WINDOW: Duration = Duration::from_secs(10);
/// The most failures that are remembered for that: 40 bytes each.
const MAX_REPEATABLE_FAILURES: usize = 10_000;

/// The bucket of failures that is used up, so that a log-in has to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::service) enum BackOff {
    /// The bucket of the address, over all usernames.
    Address,
    /// The bucket of one username at that address.
    Username,
}

/// A counted failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::service) struct Failure {
    /// The failure repeats the one before, and isn't counted.
    pub(in crate::service) is_repeated: bool,
    /// The username had no failure left at this address before it.
    pub(in crate::service) was_used_up: bool,
}

/// Limits failed log-ins, by address and username.
pub(in crate::service) struct LogInLimits {
    failures: Failures,
    /// Wrong chosen passwords by address. Other failures cost no slow hash, and count elsewhere.
    hashes: AddressLimits,
    guesses: Arc<KeyedSemaphore<FailureKey>>,
    /// Known clients by 64 bits of their failure key, and until when they are known.
    known_clients: Cache<u64, Timestamp>,
    /// Failures that came once, by a keyed hash of address, username and secret, and until when
    /// they may be repeated.
    came_once: Cache<[u8; 32], Timestamp>,
    lookups: LookupBudget,
    /// Made anew by each process, so that the hashes in memory tell nothing about a secret.
    hash_key: hmac::Key,
}

impl LogInLimits {
    /// Allows an address `burst` failures at once with one username, and `per_minute` a minute for
    /// ever. `hashes` limits wrong chosen passwords of an address over all usernames.
    pub(in crate::service) fn new(
        burst: u32,
        per_minute: u32,
        hashes: AddressLimits,
        random: &dyn Random,
    ) -> Self {
        Self {
            failures: Failures::new(burst, per_minute),
            hashes,
            guesses: KeyedSemaphore::new(1, MAX_WAITING_GUESSES),
            known_clients: Cache::new(MAX_KNOWN_CLIENTS),
            came_once: Cache::new(MAX_REPEATABLE_FAILURES),
            lookups: LookupBudget::new(),
            hash_key: hmac::Key::new(hmac::HMAC_SHA256, &random_bytes::<32>(random)),
        }
    }

    /// Allows other figures from now on, as [`Self::new`] takes them.
    pub(in crate::service) fn adjust(&self, burst: u32, per_minute: u32) {
        self.failures.adjust(burst, per_minute);
    }

    /// Allows wrong chosen passwords of an address at another rate, and other bursts of them.
    pub(in crate::service) fn adjust_hashes(&self, rate: u32, burst: u32) {
        self.hashes.adjust(rate, burst);
    }

    /// Counts a failure that cost no slow hash, unless it repeats the one before.
    ///
    /// With a `back_off`, it takes no memory for further usernames.
    pub(in crate::service) fn count(
        &self,
        address: IpAddr,
        username: &str,
        secret: &Secret,
        back_off: Option<BackOff>,
        now: Timestamp,
    ) -> Failure {
        let key = self.failure_key(address, username);
        let is_repeated = self.is_repetition(self.hash(&[&key, secret.expose().as_bytes()]), now);
        let was_used_up = if is_repeated || back_off.is_some() && !self.failures.has(&key) {
            self.failures.is_used_up(&key, now)
        } else {
            !self.failures.take(&key, now)
        };
        Failure {
            is_repeated,
            was_used_up,
        }
    }

    /// Tells whether a failure came once within the last seconds, and remembers it otherwise.
    ///
    /// A repetition is forgotten with the failure that it repeats: a secret that is tried for ever
    /// is counted every other time.
    fn is_repetition(&self, digest: [u8; 32], now: Timestamp) -> bool {
        if self
            .came_once
            .remove(&digest)
            .is_some_and(|(_, until)| now < until)
        {
            return true;
        }
        self.came_once.insert(digest, now.plus(REPETITION_WINDOW));
        false
    }

    /// Returns the error of a log-in that has to wait, with the seconds to wait.
    pub(in crate::service) fn back_off_error(&self, back_off: BackOff) -> Error {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "at most a minute"
        )]
        let retry_after_seconds = match back_off {
            // The bucket of an address refills by one a second at least.
            BackOff::Address => 1,
            BackOff::Username => (1.0 / self.failures.per_second()).ceil() as u32,
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
        .decided_by(match back_off {
            BackOff::Address => "limits.refusals_per_second and its burst, of the address",
            BackOff::Username => {
                "limits.failed_log_ins_per_minute and its burst, of the address with the username"
            }
        })
    }

    /// Drops the buckets that are full again.
    pub(in crate::service) fn forget(&self, now: Timestamp) {
        self.hashes.forget(now);
        self.failures.forget(now);
    }

    fn failure_key(&self, address: IpAddr, username: &str) -> FailureKey {
        match subscriber(address) {
            IpAddr::V4(address) => self.hash(&[&address.octets(), username.as_bytes()]),
            IpAddr::V6(address) => self.hash(&[&address.octets(), username.as_bytes()]),
        }
    }

    /// Hashes the parts with the length of each, so that no two lists have the same bytes.
    fn hash(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.hash_key);
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
    use super::guesses::{Client, Guess, KNOWN_FOR, Outcome};
    use super::*;
    use crate::domain::Result;
    use crate::domain::clock::SystemRandom;
    use crate::service::limits::back_off::lookup_budget::{MAX_LOOKUPS, MAX_WAITING_LOOKUPS};

    const START: Timestamp = Timestamp::from_unix_seconds(1_735_877_057);

    fn log_ins() -> LogInLimits {
        LogInLimits::new(3, 6, AddressLimits::new(1, 5), &SystemRandom)
    }

    fn here() -> IpAddr {
        "192.0.2.1".parse().unwrap()
    }

    fn is_slowed(log_ins: &LogInLimits, address: IpAddr, username: &str, now: Timestamp) -> bool {
        log_ins
            .failures
            .is_used_up(&log_ins.failure_key(address, username), now)
    }

    /// Returns whether the failure was counted.
    fn fail(log_ins: &LogInLimits, username: &str, secret: &str, now: Timestamp) -> bool {
        !log_ins
            .count(here(), username, &Secret::new(secret), None, now)
            .is_repeated
    }

    async fn begin(log_ins: &LogInLimits, username: &str, secret: &str) -> Result<Guess> {
        log_ins
            .begin_guess(here(), username, &Secret::new(secret), 1, || START)
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
        let retry_after = |back_off| log_ins.back_off_error(back_off).kind().clone();
        assert_eq!(
            retry_after(BackOff::Username),
            ErrorKind::AddressThrottled {
                retry_after_seconds: 10
            }
        );
        assert_eq!(
            retry_after(BackOff::Address),
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
        let later = START.plus(REPETITION_WINDOW);
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
        let refused = begin(&log_ins, "ci", "d").await.map(drop).unwrap_err();
        assert_eq!(
            refused.kind(),
            &ErrorKind::AddressThrottled {
                retry_after_seconds: 10
            }
        );
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
                    1,
                    || START
                )
                .await
                .is_ok()
        );
    }

    #[tokio::test]
    async fn a_guess_is_charged_to_its_address_by_what_it_costs() {
        let log_ins = log_ins();
        let begin = async |username: &str, units| {
            let secret = Secret::new("a");
            log_ins
                .begin_guess(here(), username, &secret, units, || START)
                .await
        };
        let right = begin("alice", 4).await.unwrap();
        let refused = begin("bob", 2).await.map(drop).unwrap_err();
        assert_eq!(
            refused.kind(),
            &ErrorKind::AddressThrottled {
                retry_after_seconds: 1
            }
        );
        log_ins.end_guess(right, Outcome::Right, START);
        // More than the bucket holds takes all of it.
        drop(begin("bob", 100).await.unwrap());
        assert!(begin("carol", 1).await.is_err());
    }

    #[tokio::test]
    async fn who_logged_in_before_is_known_for_a_month_and_waits_for_no_neighbour() {
        // One address that made usernames up used up what all of it could fail, and right log-ins
        // there had to wait.
        let log_ins = log_ins();
        let guess = begin(&log_ins, "ci", "right").await.unwrap();
        assert_eq!(guess.client(), Client::Unknown);
        log_ins.end_guess(guess, Outcome::Right, START);
        for number in 0..5 {
            drop(
                begin(&log_ins, &format!("made-up-{number}"), "a")
                    .await
                    .unwrap(),
            );
        }
        let refused = begin(&log_ins, "made-up-5", "a")
            .await
            .map(drop)
            .unwrap_err();
        assert_eq!(
            refused.kind(),
            &ErrorKind::AddressThrottled {
                retry_after_seconds: 1
            }
        );
        for secret in ["a", "b", "c"] {
            let guess = begin(&log_ins, "ci", secret).await.unwrap();
            assert_eq!(guess.client(), Client::Known);
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
        let key = log_ins.failure_key(here(), "ci");
        assert_eq!(log_ins.client(&key, START.plus(KNOWN_FOR)), Client::Unknown);
        assert_eq!(
            log_ins.client(
                &log_ins.failure_key("192.0.2.2".parse().unwrap(), "ci"),
                START
            ),
            Client::Unknown
        );
    }

    #[tokio::test]
    async fn a_wrong_guess_makes_nobody_known() {
        let log_ins = log_ins();
        for outcome in [Outcome::Wrong, Outcome::Undecided] {
            let guess = begin(&log_ins, "ci", "a").await.unwrap();
            assert_eq!(guess.client(), Client::Unknown);
            log_ins.end_guess(guess, outcome, START);
        }
        assert_eq!(
            begin(&log_ins, "ci", "a").await.unwrap().client(),
            Client::Unknown
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
        let work = first.permit();
        log_ins.end_guess(first, Outcome::Undecided, START);
        let mut next = waiting.remove(0);
        assert!(futures_poll(next.as_mut()).await.is_none());
        drop(work);
        let next = next.await.unwrap();
        drop((next, waiting, _other));
        assert!(log_ins.guesses.is_empty(), "who left is forgotten");
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

    fn known(log_ins: &LogInLimits) -> usize {
        let mut known = 0;
        log_ins.failures.buckets.retain(|_, _| {
            known += 1;
            true
        });
        known
    }

    #[test]
    fn an_address_that_is_slowed_fills_no_memory_and_fails_on_with_what_it_failed_with() {
        let log_ins = log_ins();
        fail(&log_ins, "ci", "a", START);
        let slowed = Some(BackOff::Address);
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
        for _ in 0..MAX_LOOKUPS {
            looks.push(log_ins.lookup_permit().await.unwrap());
        }
        let mut waiting: Vec<_> = (0..MAX_WAITING_LOOKUPS)
            .map(|_| Box::pin(log_ins.lookup_permit()))
            .collect();
        for wait in &mut waiting {
            assert!(futures_poll(wait.as_mut()).await.is_none());
        }
        let refused = log_ins.lookup_permit().await.map(drop).unwrap_err();
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
