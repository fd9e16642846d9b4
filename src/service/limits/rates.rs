//! How often: token buckets per account and action, and per address for what was refused.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, RandomState};
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use crate::domain::clock::Timestamp;
use crate::domain::ids::AccountId;
use crate::domain::{Error, ErrorKind, Result};
use crate::service::sharded::Sharded;

/// The most entries of a shard that strangers can fill: as many as a table of 2048 places holds,
/// 100,000 in all.
pub(in crate::service) const STRANGERS_MOST: usize = 1792;
/// How late a thread may come with the time that it looked at; a clock that is further behind was
/// set back.
const LATE: Duration = Duration::from_secs(1);

/// Makes room for `key` in a shard that strangers fill, when it has `most` entries: the one with
/// the most `left` goes.
///
/// That is who is nearest to being forgotten anyway. Whoever wants its own count dropped has to
/// fill the whole shard, which it can't choose, with others that failed more often than it did
/// itself.
pub(in crate::service) fn make_room<K: Hash + Eq + Copy, V>(
    shard: &mut HashMap<K, V>,
    key: &K,
    most: usize,
    mut left: impl FnMut(&mut V) -> f64,
) {
    if shard.len() < most || shard.contains_key(key) {
        return;
    }
    let best = shard
        .iter_mut()
        .map(|(key, entry)| (*key, left(entry)))
        .max_by(|(_, one), (_, other)| one.total_cmp(other));
    if let Some((best, _)) = best {
        shard.remove(&best);
    }
}

/// Returns how long ago a bucket was filled, and notes that it is filled now.
///
/// A clock that was set back adds nothing, and from there on time counts again.
pub(in crate::service) fn pass(filled_at: &mut Timestamp, now: Timestamp) -> Duration {
    let elapsed = filled_at.until(now);
    // Who only came late goes back by nothing: the next one would be given the same time once more.
    if *filled_at < now || now.until(*filled_at) > LATE {
        *filled_at = now;
    }
    elapsed
}

/// A token bucket that also counts what came in the present second.
#[derive(Clone, Copy)]
pub(in crate::service) struct Bucket {
    tokens: f64,
    filled_at: Timestamp,
    second: i64,
    count: u32,
}

impl Bucket {
    pub(in crate::service) fn full(capacity: u32, now: Timestamp) -> Self {
        Self {
            tokens: f64::from(capacity),
            filled_at: now,
            second: now.unix_seconds(),
            count: 0,
        }
    }

    pub(in crate::service) fn refill(&mut self, rate: u32, capacity: u32, now: Timestamp) {
        let elapsed = pass(&mut self.filled_at, now).as_secs_f64();
        self.tokens = (self.tokens + elapsed * f64::from(rate)).min(f64::from(capacity));
    }

    fn count(&mut self, now: Timestamp) -> u32 {
        if self.second != now.unix_seconds() {
            (self.second, self.count) = (now.unix_seconds(), 0);
        }
        self.count = self.count.saturating_add(1);
        self.count
    }

    pub(in crate::service) fn take(&mut self) -> bool {
        let enough = self.tokens >= 1.0;
        if enough {
            self.tokens -= 1.0;
        }
        enough
    }
}

/// Returns the requests a second that a cloud documents for an action where it isn't the usual
/// figure: of Tencent's STS (document 1150/49456) and TCR (documents 1141/41571, 1141/42911,
/// 1141/94608, 1141/94605).
fn documented(action: &str) -> Option<u32> {
    match action {
        "sts:AssumeRole" => Some(600),
        "sts:AssumeRoleWithWebIdentity"
        | "tcr:DescribeInstanceToken"
        | "tcr:ModifyInstanceToken"
        | "tcr:CreateServiceAccount"
        | "tcr:ModifyServiceAccount" => Some(20),
        _ => None,
    }
}

/// Limits calls per account and action: `rate` a second, and bursts of as many.
pub(in crate::service) struct ActionLimits {
    usual: u32,
    by_action: HashMap<String, u32>,
    buckets: Sharded<(AccountId, &'static str), Bucket>,
}

impl ActionLimits {
    /// Limits every action to `usual` requests a second, some to the figure that their cloud
    /// documents, and those of `by_action` to that.
    pub(in crate::service) fn new(usual: u32, by_action: HashMap<String, u32>) -> Self {
        Self {
            usual,
            by_action,
            buckets: Sharded::new(),
        }
    }

    /// Counts one call; [`ErrorKind::Throttled`] when it is one too many.
    pub(in crate::service) fn check(
        &self,
        account: AccountId,
        action: &'static str,
        now: Timestamp,
    ) -> Result<()> {
        let allowed = self.allowed(action);
        let mut buckets = self.buckets.lock(&account);
        let bucket = buckets
            .entry((account, action))
            .or_insert_with(|| Bucket::full(allowed, now));
        bucket.refill(allowed, allowed, now);
        let counted = bucket.count(now);
        if bucket.take() {
            return Ok(());
        }
        // An empty bucket has seen more than `allowed` within one second, though the calendar's
        // second may have begun in between.
        let measured = counted.max(allowed.saturating_add(1));
        Err(throttled(action, measured, allowed))
    }

    /// Returns how many calls a second are allowed.
    pub(in crate::service) fn allowed(&self, action: &str) -> u32 {
        self.by_action
            .get(action)
            .copied()
            .or_else(|| documented(action))
            .unwrap_or(self.usual)
    }

    /// Forgets the buckets that are full again.
    pub(in crate::service) fn forget(&self, now: Timestamp) {
        self.buckets.retain(|(_, action), bucket| {
            let allowed = self.allowed(action);
            bucket.refill(allowed, allowed, now);
            bucket.tokens < f64::from(allowed)
        });
    }
}

/// The refusal of a request that fails at an address where too many others failed.
pub(in crate::service) fn address_throttled() -> Error {
    Error::new(
        ErrorKind::AddressThrottled {
            retry_after_seconds: 1,
        },
        "Too many requests from this address were refused; wait a second, and mend the \
         credentials.",
    )
}

/// The refusal of a call that is one too many.
pub(in crate::service) fn throttled(action: &str, measured: u32, allowed: u32) -> Error {
    Error::new(
        ErrorKind::Throttled { measured, allowed },
        format!("The account called {action} {measured} times in a second; {allowed} are allowed."),
    )
}

/// Returns whom an address counts as: the subscribers of IPv6 have at least 2^64 addresses each
/// (RFC 6177), and one that changed its own with every request would never be slowed, and fill the
/// memory.
pub fn subscriber(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
    }
}

/// Limits how often each key does something: `rate` times a second for ever, and `burst` times at
/// once. In bounded memory: who is nearest to being forgotten anyway makes room.
pub(in crate::service) struct Rates<K> {
    rate: u32,
    burst: u32,
    max_in_shard: usize,
    buckets: Sharded<K, Bucket>,
}

impl<K: Hash + Eq + Copy> Rates<K> {
    pub(in crate::service) fn new(rate: u32, burst: u32) -> Self {
        Self {
            rate,
            burst,
            max_in_shard: STRANGERS_MOST,
            buckets: Sharded::new(),
        }
    }

    /// Tells whether nothing is left for a key.
    pub(in crate::service) fn is_used_up(&self, key: K, now: Timestamp) -> bool {
        self.buckets.lock(&key).get_mut(&key).is_some_and(|bucket| {
            bucket.refill(self.rate, self.burst, now);
            bucket.tokens < 1.0
        })
    }

    /// Takes one for a key; `false` when none is left.
    ///
    /// The limit is asked and charged in one step: of many requests at once, no more pass than it
    /// allows.
    pub(in crate::service) fn take(&self, key: K, now: Timestamp) -> bool {
        let mut buckets = self.buckets.lock(&key);
        make_room(&mut buckets, &key, self.max_in_shard, |bucket| {
            bucket.refill(self.rate, self.burst, now);
            bucket.tokens
        });
        let bucket = buckets
            .entry(key)
            .or_insert_with(|| Bucket::full(self.burst, now));
        bucket.refill(self.rate, self.burst, now);
        bucket.take()
    }

    /// Gives back what was taken.
    pub(in crate::service) fn give_back(&self, key: K) {
        if let Some(bucket) = self.buckets.lock(&key).get_mut(&key) {
            bucket.tokens = (bucket.tokens + 1.0).min(f64::from(self.burst));
        }
    }

    /// Forgets the keys that have all of it again.
    pub(in crate::service) fn forget(&self, now: Timestamp) {
        self.buckets.retain(|_, bucket| {
            bucket.refill(self.rate, self.burst, now);
            bucket.tokens < f64::from(self.burst)
        });
    }
}

/// Slows addresses that are refused too often; what is accepted never counts.
///
/// Whoever does costly work before it knows whether a request is right takes a refusal first, and
/// gives it back.
pub(in crate::service) struct AddressLimits(Rates<IpAddr>);

impl AddressLimits {
    /// Lets an address be refused `rate` times a second for ever, and `burst` times at once.
    pub(in crate::service) fn new(rate: u32, burst: u32) -> Self {
        Self(Rates::new(rate, burst))
    }

    /// Tells whether an address's refusals are used up.
    pub(in crate::service) fn is_slowed(&self, address: IpAddr, now: Timestamp) -> bool {
        self.0.is_used_up(subscriber(address), now)
    }

    /// Takes one of an address's refusals; `false` when none is left.
    pub(in crate::service) fn take(&self, address: IpAddr, now: Timestamp) -> bool {
        self.0.take(subscriber(address), now)
    }

    /// Gives back what was taken for a request that turned out to be right.
    pub(in crate::service) fn give_back(&self, address: IpAddr) {
        self.0.give_back(subscriber(address));
    }

    /// Forgets the addresses that behaved long enough to be unknown again.
    pub(in crate::service) fn forget(&self, now: Timestamp) {
        self.0.forget(now);
    }
}

/// Bodies that are waited for, of one sender at once: a client that sends head and body apart has
/// one for some milliseconds.
const MAX_WAITS: u32 = 256;
/// How many more of one sender may never come, a second.
const WAITS_PER_SECOND: u32 = 1;

/// Limits the bodies that are waited for, by who sends them.
pub(in crate::service) struct WaitLimits {
    /// By a keyed hash of address and access key.
    pub(in crate::service) rates: Rates<u64>,
    hasher: RandomState,
}

/// A body that is waited for, and charged to its sender. Dropped, as when its sender breaks off, it
/// stays charged.
#[must_use]
pub struct Wait(pub(super) Option<u64>);

impl WaitLimits {
    pub(in crate::service) fn new() -> Self {
        Self {
            rates: Rates::new(WAITS_PER_SECOND, MAX_WAITS),
            hasher: RandomState::new(),
        }
    }

    /// Charges a body to an address, or there to an access key where one is named.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::AddressThrottled`] when too many were waited for in vain, or are waited for.
    pub(in crate::service) fn begin(
        &self,
        address: Option<IpAddr>,
        access_key_id: &str,
        now: Timestamp,
    ) -> Result<Wait> {
        let Some(address) = address else {
            return Ok(Wait(None));
        };
        let sender = self.hasher.hash_one((subscriber(address), access_key_id));
        if self.rates.take(sender, now) {
            return Ok(Wait(Some(sender)));
        }
        let kind = ErrorKind::AddressThrottled {
            retry_after_seconds: 1,
        };
        Err(Error::new(
            kind,
            "Too many requests from this address did not send their bodies to the end; send a body \
             at once, or wait.",
        ))
    }

    /// Forgets the senders whose bodies came for long enough.
    pub(in crate::service) fn forget(&self, now: Timestamp) {
        self.rates.forget(now);
    }
}

/// Limits the token requests of each credential.
pub(in crate::service) struct TokenLimits {
    rate: u32,
    /// By a keyed hash, of 64 bits: who shares another's has its limit, and finding one takes as
    /// long as a key.
    rates: Rates<u64>,
    hasher: RandomState,
}

impl TokenLimits {
    /// Lets a credential ask for `rate` tokens a second for ever, and for `burst` at once.
    pub(in crate::service) fn new(rate: u32, burst: u32) -> Self {
        Self {
            rate,
            rates: Rates::new(rate, burst),
            hasher: RandomState::new(),
        }
    }

    /// Counts a token request of a credential.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Throttled`] when it is one too many.
    pub(in crate::service) fn count(&self, credential: impl Hash, now: Timestamp) -> Result<()> {
        if self.rates.take(self.hasher.hash_one(credential), now) {
            return Ok(());
        }
        // A used up bucket has seen more than `rate` within a second.
        let kind = ErrorKind::Throttled {
            measured: self.rate.saturating_add(1),
            allowed: self.rate,
        };
        let message = format!(
            "This credential asked for too many tokens: {} a second are allowed. Wait a second, or \
             give each machine a credential of its own.",
            self.rate
        );
        Err(Error::new(kind, message))
    }

    /// Forgets the credentials that may ask as often as new ones.
    pub(in crate::service) fn forget(&self, now: Timestamp) {
        self.rates.forget(now);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn account() -> AccountId {
        "100000000001".parse().unwrap()
    }

    const START: Timestamp = Timestamp::from_unix_seconds(1_735_877_057);

    #[test]
    fn the_hundred_and_first_call_in_a_second_is_refused_with_both_figures() {
        let limits = ActionLimits::new(100, HashMap::new());
        for _ in 0..100 {
            limits
                .check(account(), "tcr:CreateInstanceToken", START)
                .unwrap();
        }
        let error = limits
            .check(account(), "tcr:CreateInstanceToken", START)
            .unwrap_err();
        assert_eq!(
            error.kind(),
            &ErrorKind::Throttled {
                measured: 101,
                allowed: 100
            }
        );
        limits
            .check(account(), "cr:GetAuthorizationToken", START)
            .expect("another action has its own bucket");
        limits
            .check(
                "100000000002".parse().unwrap(),
                "tcr:CreateInstanceToken",
                START,
            )
            .expect("another account has its own bucket");
    }

    #[test]
    fn a_bucket_refills_at_its_rate() {
        let limits = ActionLimits::new(100, HashMap::from([("x".to_owned(), 2)]));
        assert!(
            (0..3)
                .map(|_| limits.check(account(), "x", START).is_ok())
                .eq([true, true, false])
        );
        assert!(
            limits
                .check(account(), "x", START.plus(Duration::from_millis(500)))
                .is_ok()
        );
        assert!(
            limits
                .check(account(), "x", START.plus(Duration::from_millis(600)))
                .is_err()
        );
        limits.forget(START.plus(Duration::from_secs(60)));
        assert!(
            (0..3)
                .map(|_| limits
                    .check(account(), "x", START.plus(Duration::from_secs(60)))
                    .is_ok())
                .eq([true, true, false])
        );
    }

    #[test]
    fn a_documented_figure_stands_before_the_usual_one_and_behind_the_settings() {
        let taken = |limits: &ActionLimits, action| {
            (0..700)
                .filter(|_| limits.check(account(), action, START).is_ok())
                .count()
        };
        let limits = ActionLimits::new(100, HashMap::new());
        let figures = [
            "sts:AssumeRole",
            "sts:AssumeRoleWithWebIdentity",
            "sts:AssumeRoleWithOIDC",
        ]
        .map(|action| taken(&limits, action));
        assert_eq!(figures, [600, 20, 100]);
        let limits = ActionLimits::new(100, HashMap::from([("sts:AssumeRole".to_owned(), 5)]));
        assert_eq!(taken(&limits, "sts:AssumeRole"), 5);
    }

    #[test]
    fn a_clock_that_is_set_back_neither_refills_nor_panics() {
        let limits = ActionLimits::new(1, HashMap::new());
        assert!(limits.check(account(), "x", START).is_ok());
        let back = START.minus(Duration::from_secs(3600));
        assert!(limits.check(account(), "x", back).is_err());
        // And the account doesn't wait for an hour until the clock is where it was.
        assert!(
            limits
                .check(account(), "x", back.plus(Duration::from_secs(1)))
                .is_ok()
        );
        assert!(
            limits
                .check(account(), "x", back.plus(Duration::from_secs(1)))
                .is_err()
        );

        let (limits, address) = (AddressLimits::new(1, 1), "192.0.2.1".parse().unwrap());
        limits.take(address, START);
        assert!(limits.is_slowed(address, back));
        limits.forget(back);
        assert!(
            limits.is_slowed(address, back),
            "it isn't forgotten before it waited"
        );
        assert!(!limits.is_slowed(address, back.plus(Duration::from_secs(1))));
    }

    #[test]
    fn threads_that_come_in_another_order_than_they_looked_at_the_clock_are_given_no_time_twice() {
        let limits = ActionLimits::new(10, HashMap::from([("x".to_owned(), 10)]));
        let passed = (0..1000).filter(|turn| {
            limits
                .check(
                    account(),
                    "x",
                    START.plus(Duration::from_millis(99 * (turn % 2))),
                )
                .is_ok()
        });
        assert_eq!(passed.count(), 10);
    }

    #[test]
    fn a_full_shard_drops_who_failed_least_and_a_flood_that_is_over_holds_no_memory() {
        let limits = AddressLimits(Rates {
            max_in_shard: 7,
            ..Rates::new(1, 3)
        });
        let guesser = "192.0.2.1".parse().unwrap();
        for _ in 0..3 {
            limits.take(guesser, START);
        }
        // Many times as many as there is room for, each refused twice.
        for number in 0..10_000 {
            let address = std::net::Ipv4Addr::from_bits(0x0a00_0000 + number).into();
            limits.take(address, START);
            limits.take(address, START);
        }
        let shards = || {
            limits
                .0
                .buckets
                .shards
                .iter()
                .map(|shard| shard.lock().unwrap())
        };
        assert!(shards().all(|shard| shard.len() == 7));
        assert!(
            limits.is_slowed(guesser, START),
            "others' refusals clear nobody's own"
        );
        limits.forget(START.plus(Duration::from_secs(2)));
        assert_eq!(
            shards().map(|shard| shard.len()).sum::<usize>(),
            1,
            "who was refused three times waits for a third second"
        );
        assert!(shards().all(|shard| shard.is_empty() == (shard.capacity() == 0)));
    }

    #[test]
    fn only_refusals_count_against_an_address() {
        let (limits, address) = (AddressLimits::new(1, 3), "192.0.2.1".parse().unwrap());
        for _ in 0..1000 {
            assert!(limits.take(address, START));
            limits.give_back(address);
        }
        let taken: Vec<_> = (0..4).map(|_| limits.take(address, START)).collect();
        assert_eq!(taken, [true, true, true, false]);
        assert!(limits.is_slowed(address, START));
        assert!(
            !limits.is_slowed("192.0.2.2".parse().unwrap(), START),
            "another address is not slowed"
        );
        assert!(
            !limits.is_slowed(address, START.plus(Duration::from_secs(1))),
            "a second later one more is allowed"
        );
    }

    #[test]
    fn what_is_given_back_never_makes_more_than_there_was() {
        let (limits, address) = (AddressLimits::new(1, 2), "192.0.2.1".parse().unwrap());
        limits.take(address, START);
        for _ in 0..5 {
            limits.give_back(address);
        }
        assert!(
            (0..3)
                .map(|_| limits.take(address, START))
                .eq([true, true, false])
        );
    }

    #[test]
    fn of_many_requests_at_once_no_more_pass_than_the_limit_allows() {
        // It was asked before the work and charged after it: whoever asked meanwhile passed too.
        let limits = AddressLimits::new(1, 5);
        let passed: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|_| {
                    scope.spawn(|| {
                        (0..100)
                            .filter(|_| limits.take("192.0.2.1".parse().unwrap(), START))
                            .count()
                    })
                })
                .collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .sum()
        });
        assert_eq!(passed, 5);
    }

    #[test]
    fn bodies_that_are_waited_for_are_charged_until_they_came() {
        let limits = WaitLimits::new();
        let here = Some("192.0.2.1".parse().unwrap());
        let mut waits: Vec<_> = (0..MAX_WAITS)
            .map(|_| limits.begin(here, "", START).unwrap())
            .collect();
        let refused = limits.begin(here, "", START).map(drop).unwrap_err();
        assert_eq!(
            refused.kind(),
            &ErrorKind::AddressThrottled {
                retry_after_seconds: 1
            }
        );
        assert!(
            limits.begin(here, "AKIDEXAMPLE", START).is_ok()
                && limits.begin(None, "", START).is_ok()
        );
        let came = waits.pop().unwrap();
        limits.rates.give_back(came.0.unwrap());
        waits.push(limits.begin(here, "", START).unwrap());
        drop(waits);
        assert!(
            limits.begin(here, "", START).is_err(),
            "who breaks off is charged"
        );
        let later = START.plus(Duration::from_secs(1));
        assert!(limits.begin(here, "", later).is_ok() && limits.begin(here, "", later).is_err());
    }

    #[test]
    fn a_credential_asks_for_so_many_tokens_at_once_and_so_many_a_second_whatever_others_do() {
        let limits = TokenLimits::new(2, 5);
        let taken = |credential: &str, now| {
            (0..100)
                .filter(|_| limits.count(credential, now).is_ok())
                .count()
        };
        assert_eq!([taken("one", START), taken("other", START)], [5, 5]);
        let later = START.plus(Duration::from_secs(1));
        assert_eq!([taken("one", later), taken("other", later)], [2, 2]);
        let refused = limits.count("one", later).unwrap_err();
        assert_eq!(
            refused.kind(),
            &ErrorKind::Throttled {
                measured: 3,
                allowed: 2
            }
        );
        limits.forget(later.plus(Duration::from_secs(3)));
        assert_eq!(taken("one", later.plus(Duration::from_secs(3))), 5);
    }

    #[test]
    fn a_subscriber_of_ipv6_counts_once_whatever_address_it_takes() {
        // Each of a network's 2^64 addresses had a bucket of its own: its owner was never slowed.
        let limits = AddressLimits::new(1, 3);
        for number in 0..3 {
            limits.take(format!("2001:db8:0:7::{number}").parse().unwrap(), START);
        }
        assert!(limits.is_slowed("2001:db8:0:7:ffff::1".parse().unwrap(), START));
        assert!(
            !limits.is_slowed("2001:db8:0:8::1".parse().unwrap(), START),
            "the next subscriber is not slowed"
        );
    }
}
