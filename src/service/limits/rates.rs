//! Token buckets: of accounts by action, of addresses by their refusals, of credentials.
//!
//! A token bucket holds up to `burst` tokens and gets `rate` more a second; each request takes one.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, RandomState};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;

use crate::domain::clock::Timestamp;
use crate::domain::ids::AccountId;
use crate::domain::{Error, ErrorKind, Result};
use crate::service::limits::documented;
use crate::service::sharded::Sharded;

/// The most entries of a shard that unauthenticated clients can fill. A hash table of 2048 slots
/// holds as many before it grows; 64 shards hold 100,000.
pub(in crate::service) const MAX_ENTRIES_PER_SHARD: usize = 1792;
/// How far a thread's time may be behind the bucket's: it read the clock before another thread did.
/// A clock that is further behind was set back.
const MAX_THREAD_LAG: Duration = Duration::from_secs(1);

/// Makes room for `key` in a shard of `max` entries: evicts the bucket that has the most `left`.
///
/// The fullest bucket is the nearest to being dropped anyway, so eviction loses the least. An
/// attacker who wants its own count evicted would have to fill its shard with clients that failed
/// more often than it did. The hash that picks the shard has a random key, so it can't choose them.
pub(in crate::service) fn evict_fullest<K: Hash + Eq + Copy, V>(
    shard: &mut HashMap<K, V>,
    key: &K,
    max: usize,
    mut left: impl FnMut(&mut V) -> f64,
) {
    if shard.len() < max || shard.contains_key(key) {
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

/// Returns the time since a bucket was refilled, and sets that moment to `now`.
///
/// After the clock was set back, nothing is added, and time counts on from the earlier moment: a
/// bucket would otherwise stay empty until the clock is where it was.
pub(in crate::service) fn elapsed_since_refill(
    filled_at: &mut Timestamp,
    now: Timestamp,
) -> Duration {
    let elapsed = filled_at.until(now);
    // A thread that only read the clock earlier doesn't move the moment back: the next refill would
    // add the same time once more.
    if *filled_at < now || now.until(*filled_at) > MAX_THREAD_LAG {
        *filled_at = now;
    }
    elapsed
}

/// A token bucket that also counts the calls of the present second.
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
        let elapsed = elapsed_since_refill(&mut self.filled_at, now).as_secs_f64();
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
        self.take_units(1.0)
    }

    fn take_units(&mut self, units: f64) -> bool {
        let enough = self.tokens >= units;
        if enough {
            self.tokens -= units;
        }
        enough
    }
}

/// Limits calls per account and action: `rate` a second, and bursts of as many.
pub(in crate::service) struct ActionLimits {
    rates: ArcSwap<ActionRates>,
    buckets: Sharded<(AccountId, &'static str), Bucket>,
}

/// The figures of [`ActionLimits`].
struct ActionRates {
    default_rate: u32,
    by_action: HashMap<String, u32>,
}

impl ActionLimits {
    /// Limits each action by the first figure there is: that of `by_action`, the one that its cloud
    /// documents, `default_rate`.
    pub(in crate::service) fn new(default_rate: u32, by_action: HashMap<String, u32>) -> Self {
        Self {
            rates: ArcSwap::from_pointee(ActionRates {
                default_rate,
                by_action,
            }),
            buckets: Sharded::new(),
        }
    }

    /// Takes other figures, from the next call on.
    pub(in crate::service) fn adjust(&self, default_rate: u32, by_action: HashMap<String, u32>) {
        self.rates.store(Arc::new(ActionRates {
            default_rate,
            by_action,
        }));
    }

    /// Counts one call.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Throttled`] when it is one too many, with both figures.
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
        // The count begins anew with each second of the clock, the bucket doesn't: an empty bucket
        // has seen more than `allowed` calls within one second in any case.
        let measured = counted.max(allowed.saturating_add(1));
        Err(throttled(action, measured, allowed))
    }

    /// Returns the calls of an action that are allowed a second.
    pub(in crate::service) fn allowed(&self, action: &str) -> u32 {
        let rates = self.rates.load();
        rates
            .by_action
            .get(action)
            .copied()
            .or_else(|| documented::rate(action))
            .unwrap_or(rates.default_rate)
    }

    /// Drops the buckets that are full again.
    pub(in crate::service) fn forget(&self, now: Timestamp) {
        self.buckets.retain(|(_, action), bucket| {
            let allowed = self.allowed(action);
            bucket.refill(allowed, allowed, now);
            bucket.tokens < f64::from(allowed)
        });
    }
}

/// Returns the error of a request from an address that has used up its refusals.
pub(in crate::service) fn address_throttled() -> Error {
    Error::new(
        ErrorKind::AddressThrottled {
            retry_after_seconds: 1,
        },
        "Too many requests from this address were refused; wait a second, and mend the \
         credentials.",
    )
}

/// Returns the error of a call that is one too many, with both figures.
pub(in crate::service) fn throttled(action: &str, measured: u32, allowed: u32) -> Error {
    Error::new(
        ErrorKind::Throttled { measured, allowed },
        format!("The account called {action} {measured} times in a second; {allowed} are allowed."),
    )
    .decided_by(format!(
        "the rate of {action} for the account (limits.actions, limits.requests_per_second): \
         {measured} calls in a second, {allowed} are allowed"
    ))
}

/// Returns the address that stands for a subscriber: an IPv4 address itself, or an IPv6 network of
/// 64 bits.
///
/// A subscriber of IPv6 has at least 2^64 addresses (RFC 6177). With a bucket for each, one that
/// takes another address for every request would never be throttled, and fill the memory.
pub fn subscriber(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
    }
}

/// A token bucket for each key, in bounded memory: a full shard evicts its fullest bucket.
pub(in crate::service) struct Rates<K> {
    rate: AtomicU32,
    burst: AtomicU32,
    max_in_shard: usize,
    buckets: Sharded<K, Bucket>,
}

impl<K: Hash + Eq + Copy> Rates<K> {
    /// Allows each key `rate` requests a second for ever, and `burst` at once.
    pub(in crate::service) fn new(rate: u32, burst: u32) -> Self {
        Self {
            rate: rate.into(),
            burst: burst.into(),
            max_in_shard: MAX_ENTRIES_PER_SHARD,
            buckets: Sharded::new(),
        }
    }

    /// Allows other figures from now on. A bucket keeps what it has, up to the new burst.
    pub(in crate::service) fn adjust(&self, rate: u32, burst: u32) {
        self.rate.store(rate, Ordering::Relaxed);
        self.burst.store(burst, Ordering::Relaxed);
    }

    fn rate(&self) -> u32 {
        self.rate.load(Ordering::Relaxed)
    }

    fn burst(&self) -> u32 {
        self.burst.load(Ordering::Relaxed)
    }

    /// Tells whether a key has no token left.
    pub(in crate::service) fn is_used_up(&self, key: K, now: Timestamp) -> bool {
        self.buckets.lock(&key).get_mut(&key).is_some_and(|bucket| {
            bucket.refill(self.rate(), self.burst(), now);
            bucket.tokens < 1.0
        })
    }

    /// Takes one of a key's tokens; `false` when none is left.
    ///
    /// The check and the charge are one step under one lock: of many requests at once, no more pass
    /// than the bucket has.
    pub(in crate::service) fn take(&self, key: K, now: Timestamp) -> bool {
        self.take_units(key, 1, now)
    }

    /// As [`Self::take`], for work that costs as much as `units`; a full bucket is enough for any.
    fn take_units(&self, key: K, units: u32, now: Timestamp) -> bool {
        let units = units.min(self.burst());
        let mut buckets = self.buckets.lock(&key);
        evict_fullest(&mut buckets, &key, self.max_in_shard, |bucket| {
            bucket.refill(self.rate(), self.burst(), now);
            bucket.tokens
        });
        let bucket = buckets
            .entry(key)
            .or_insert_with(|| Bucket::full(self.burst(), now));
        bucket.refill(self.rate(), self.burst(), now);
        bucket.take_units(f64::from(units))
    }

    /// Gives one token back, up to the burst.
    pub(in crate::service) fn give_back(&self, key: K) {
        self.give_back_units(key, 1);
    }

    fn give_back_units(&self, key: K, units: u32) {
        if let Some(bucket) = self.buckets.lock(&key).get_mut(&key) {
            let units = f64::from(units.min(self.burst()));
            bucket.tokens = (bucket.tokens + units).min(f64::from(self.burst()));
        }
    }

    /// Drops the buckets that are full again.
    pub(in crate::service) fn forget(&self, now: Timestamp) {
        self.buckets.retain(|_, bucket| {
            bucket.refill(self.rate(), self.burst(), now);
            bucket.tokens < f64::from(self.burst())
        });
    }
}

/// Limits the refused requests of each address; accepted ones never count.
///
/// Costly work for an unauthenticated request takes a refusal first, and gives it back on success.
pub(in crate::service) struct AddressLimits(Rates<IpAddr>);

impl AddressLimits {
    /// Lets an address be refused `rate` times a second for ever, and `burst` times at once.
    pub(in crate::service) fn new(rate: u32, burst: u32) -> Self {
        Self(Rates::new(rate, burst))
    }

    /// As [`Rates::adjust`].
    pub(in crate::service) fn adjust(&self, rate: u32, burst: u32) {
        self.0.adjust(rate, burst);
    }

    /// Tells whether an address has no refusal left.
    pub(in crate::service) fn is_used_up(&self, address: IpAddr, now: Timestamp) -> bool {
        self.0.is_used_up(subscriber(address), now)
    }

    /// Takes one of an address's refusals; `false` when none is left.
    pub(in crate::service) fn take(&self, address: IpAddr, now: Timestamp) -> bool {
        self.0.take(subscriber(address), now)
    }

    /// Takes as many of an address's refusals as work costs; `false` when there are fewer.
    pub(in crate::service) fn take_units(
        &self,
        address: IpAddr,
        units: u32,
        now: Timestamp,
    ) -> bool {
        self.0.take_units(subscriber(address), units, now)
    }

    /// Gives back the refusal of a request that was accepted.
    pub(in crate::service) fn give_back(&self, address: IpAddr) {
        self.0.give_back(subscriber(address));
    }

    /// Gives back what [`Self::take_units`] took.
    pub(in crate::service) fn give_back_units(&self, address: IpAddr, units: u32) {
        self.0.give_back_units(subscriber(address), units);
    }

    /// Drops the buckets that are full again.
    pub(in crate::service) fn forget(&self, now: Timestamp) {
        self.0.forget(now);
    }
}

/// Limits the requests of each caller that has a secret of its own.
pub(in crate::service) struct CallerLimits {
    /// By a keyed hash of 64 bits. Two callers that collide share one limit; the key is random, so
    /// nobody can make a collision.
    pub(in crate::service) rates: Rates<u64>,
    hasher: RandomState,
    limited: Limited,
}

/// The requests that a [`CallerLimits`] counts.
#[derive(Clone, Copy)]
pub(in crate::service) enum Limited {
    /// Token requests of a credential.
    Tokens,
    /// Requests of an operator at the admin API.
    Administration,
}

impl CallerLimits {
    /// Lets a caller ask `rate` times a second for ever, and `burst` times at once.
    pub(in crate::service) fn new(limited: Limited, rate: u32, burst: u32) -> Self {
        Self {
            rates: Rates::new(rate, burst),
            hasher: RandomState::new(),
            limited,
        }
    }

    /// Counts a request of a caller.
    ///
    /// # Errors
    /// [`ErrorKind::Throttled`] when it is one too many.
    pub(in crate::service) fn count(&self, caller: impl Hash, now: Timestamp) -> Result<()> {
        if self.rates.take(self.hasher.hash_one(caller), now) {
            return Ok(());
        }
        // An empty bucket has seen more than `rate` requests within a second.
        let allowed = self.rates.rate();
        let kind = ErrorKind::Throttled {
            measured: allowed.saturating_add(1),
            allowed,
        };
        let (message, decided) = match self.limited {
            Limited::Tokens => (
                format!(
                    "This credential asked for too many tokens: {allowed} a second are allowed. \
                     Wait a second, or give each machine a credential of its own."
                ),
                format!(
                    "limits.token_requests_per_second is {allowed}, for each credential, and its \
                     burst"
                ),
            ),
            Limited::Administration => (
                format!(
                    "This operator sent too many requests: {allowed} a second are allowed for \
                     long. Wait a second, or give each program an operator of its own."
                ),
                format!(
                    "limits.operator_requests_per_second is {allowed}, for each operator, and its \
                     burst"
                ),
            ),
        };
        Err(Error::new(kind, message).decided_by(decided))
    }

    /// Drops the buckets that are full again.
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
        let refused = limits
            .check(account(), "x", START.plus(Duration::from_millis(600)))
            .unwrap_err();
        assert_eq!(
            refused.kind(),
            &ErrorKind::Throttled {
                measured: 5,
                allowed: 2
            }
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
        let throttled = ErrorKind::Throttled {
            measured: 2,
            allowed: 1,
        };
        let refused = limits.check(account(), "x", back).unwrap_err();
        assert_eq!(refused.kind(), &throttled);
        // And the account doesn't wait for an hour until the clock is where it was.
        assert!(
            limits
                .check(account(), "x", back.plus(Duration::from_secs(1)))
                .is_ok()
        );
        let refused = limits
            .check(account(), "x", back.plus(Duration::from_secs(1)))
            .unwrap_err();
        assert_eq!(refused.kind(), &throttled);

        let (limits, address) = (AddressLimits::new(1, 1), "192.0.2.1".parse().unwrap());
        limits.take(address, START);
        assert!(limits.is_used_up(address, back));
        limits.forget(back);
        assert!(
            limits.is_used_up(address, back),
            "it isn't forgotten before it waited"
        );
        assert!(!limits.is_used_up(address, back.plus(Duration::from_secs(1))));
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
            limits.is_used_up(guesser, START),
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
        assert!(limits.is_used_up(address, START));
        assert!(
            !limits.is_used_up("192.0.2.2".parse().unwrap(), START),
            "another address is not slowed"
        );
        assert!(
            !limits.is_used_up(address, START.plus(Duration::from_secs(1))),
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
    fn a_credential_asks_for_so_many_tokens_at_once_and_so_many_a_second_whatever_others_do() {
        let limits = CallerLimits::new(Limited::Tokens, 2, 5);
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
        assert!(limits.is_used_up("2001:db8:0:7:ffff::1".parse().unwrap(), START));
        assert!(
            !limits.is_used_up("2001:db8:0:8::1".parse().unwrap(), START),
            "the next subscriber is not slowed"
        );
    }
}
