//! How much of the memory each access key and each account has taken lately.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::domain::clock::Timestamp;
use crate::service::sharded::AsItIs;

/// How many times the free memory an access key and its account may have together. With less, a
/// busy service that has one account could use little of the memory; with more, little would be
/// left for others while one account has all that it may.
const MAX_TIMES_FREE: usize = 4;
/// The part of the memory that is kept for access keys that have little.
const KEPT_FOR_SMALL: usize = 4;
/// The part of the memory that is little: an access key and its account may have as much together,
/// however much others have.
const SMALL: usize = 512;
/// The part of the memory that is kept for tables that are being spread anew.
const KEPT_FOR_COPIES: usize = 64;
/// The bytes of a share in a table that just grew: it has 16 slots for 7.
const MAX_SHARE_BYTES: u32 = 58;
/// As many as let busy keys seldom wait for each other.
const SHARDS: usize = 64;

/// The bytes that may be used, and that are.
pub(super) struct Budget {
    max: AtomicUsize,
    used: AtomicUsize,
    refused: AtomicU64,
}

/// The figures of the memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplayFigures {
    /// The bytes that it takes.
    pub bytes: usize,
    /// The bytes that it may take.
    pub max_bytes: usize,
    /// How many requests weren't remembered, and so were refused, since the start.
    pub refused: u64,
}

impl Budget {
    pub(super) fn new(max: usize) -> Self {
        Self {
            max: max.into(),
            used: AtomicUsize::new(0),
            refused: AtomicU64::new(0),
        }
    }

    pub(super) fn adjust(&self, max: usize) {
        self.max.store(max, Ordering::Relaxed);
    }

    /// Counts that something takes `after` bytes, and not `before` any more.
    pub(super) fn replace(&self, before: usize, after: usize) {
        // One addition, which wraps around: two would show a moment in which neither is counted.
        self.used
            .fetch_add(after.wrapping_sub(before), Ordering::Relaxed);
    }

    /// Counts a request that isn't remembered.
    pub(super) fn count_refusal(&self) {
        let refused = self.refused.fetch_add(1, Ordering::Relaxed) + 1;
        // A log line for each would be the next overload.
        if refused.is_power_of_two() {
            tracing::warn!(
                refused,
                "the replay memory is short: access keys that have more than their share of it \
                 are slowed (limits.replay_bytes)"
            );
        }
    }

    pub(super) fn figures(&self) -> ReplayFigures {
        ReplayFigures {
            bytes: self.used.load(Ordering::Relaxed),
            max_bytes: self.max.load(Ordering::Relaxed),
            refused: self.refused.load(Ordering::Relaxed),
        }
    }

    /// Returns the bytes that an access key and its account may have together.
    fn share(&self) -> usize {
        let (max, used) = (
            self.max.load(Ordering::Relaxed),
            self.used.load(Ordering::Relaxed),
        );
        if used >= max - max / KEPT_FOR_COPIES {
            return 0;
        }
        let free = (max - max / KEPT_FOR_SMALL).saturating_sub(used);
        free.saturating_mul(MAX_TIMES_FREE).max(max / SMALL)
    }
}

/// Keyed hashes of an access key and of its account.
#[derive(Clone, Copy)]
pub(super) struct Holders {
    pub(super) access_key: u64,
    pub(super) account: u64,
}

/// The bytes that one access key or account took in the present period and in the one before.
///
/// A period is as long as a signature is usually valid. So the sum is at least what it has, and at
/// most twice as much at a steady rate.
#[derive(Clone, Copy, Default)]
struct Share {
    period: u32,
    bytes: u32,
    bytes_before: u32,
}

type Shard = HashMap<u64, Share, BuildHasherDefault<AsItIs>>;

/// The shares of all access keys, or of all accounts.
struct Shares(Vec<Mutex<Shard>>);

/// The shares of the access keys and of the accounts in one kind of memory.
pub(super) struct Holdings {
    period_seconds: i64,
    access_keys: Shares,
    accounts: Shares,
}

impl Holdings {
    /// Counts in periods of that length.
    pub(super) fn new(period: Duration) -> Self {
        Self {
            period_seconds: i64::try_from(period.as_secs()).unwrap_or(i64::MAX),
            access_keys: Shares::new(),
            accounts: Shares::new(),
        }
    }

    /// Takes `bytes` of the budget for an access key; `false` when it and its account have more
    /// than their share.
    ///
    /// The share is a multiple of what is free. So a few accounts that take all they can leave
    /// memory for others, and many get about as much each, whatever their number. The access key
    /// counts besides its account: a busy one leaves memory for the others of its account. The
    /// account counts because its sessions make as many access keys as it likes.
    pub(super) fn take(&self, of: Holders, bytes: u32, now: Timestamp, budget: &Budget) -> bool {
        let period = self.period(now);
        // Always in this order, so no two threads wait for each other.
        let mut access_keys = self.access_keys.lock(of.access_key);
        let mut accounts = self.accounts.lock(of.account);
        let by_key = access_keys
            .get(&of.access_key)
            .map(|share| share.held(period));
        let by_account = accounts.get(&of.account).map(|share| share.held(period));
        let together = by_key.unwrap_or(0).saturating_add(by_account.unwrap_or(0));
        if together >= budget.share() {
            return false;
        }
        let before = bytes_of(&access_keys) + bytes_of(&accounts);
        access_keys
            .entry(of.access_key)
            .or_default()
            .add(bytes, period);
        let share = if by_key.is_some() { 0 } else { MAX_SHARE_BYTES };
        accounts
            .entry(of.account)
            .or_default()
            .add(bytes + share, period);
        budget.replace(before, bytes_of(&access_keys) + bytes_of(&accounts));
        true
    }

    /// Tells whether an access key took anything in this period or the one before.
    pub(super) fn has_access_key(&self, access_key: u64) -> bool {
        self.access_keys.lock(access_key).contains_key(&access_key)
    }

    /// Drops the shares of periods that have passed.
    pub(super) fn forget(&self, now: Timestamp, budget: &Budget) {
        let period = self.period(now);
        self.access_keys.forget(period, budget);
        self.accounts.forget(period, budget);
    }

    fn period(&self, now: Timestamp) -> u32 {
        // The count of periods has 26 bits before the year 10000.
        u32::try_from(now.unix_seconds().div_euclid(self.period_seconds)).unwrap_or(0)
    }
}

impl Shares {
    fn new() -> Self {
        Self((0..SHARDS).map(|_| Mutex::default()).collect())
    }

    fn lock(&self, hash: u64) -> MutexGuard<'_, Shard> {
        // The table places by the lowest bits and tells apart by the highest, so others choose it.
        let shard = usize::try_from(hash >> 32).unwrap_or(0) % SHARDS;
        self.0[shard].lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn forget(&self, period: u32, budget: &Budget) {
        for shard in &self.0 {
            let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            let before = bytes_of(&shard);
            // A period ahead is of a clock that was set back.
            shard.retain(|_, share| share.period.abs_diff(period) <= 1);
            if shard.capacity() > 4 * shard.len() {
                let usual = 2 * shard.len();
                shard.shrink_to(usual);
            }
            budget.replace(before, bytes_of(&shard));
        }
    }
}

impl Share {
    fn held(&self, period: u32) -> usize {
        let bytes = match period.checked_sub(self.period) {
            // A clock that was set back makes nothing older.
            None | Some(0) => self.bytes.saturating_add(self.bytes_before),
            Some(1) => self.bytes,
            Some(_) => 0,
        };
        usize::try_from(bytes).unwrap_or(usize::MAX)
    }

    fn add(&mut self, bytes: u32, period: u32) {
        match period.checked_sub(self.period) {
            None | Some(0) => {}
            Some(1) => (self.bytes_before, self.bytes) = (self.bytes, 0),
            Some(_) => (self.bytes_before, self.bytes) = (0, 0),
        }
        self.period = self.period.max(period);
        self.bytes = self.bytes.saturating_add(bytes);
    }
}

/// Returns the bytes of a table: a power of two of slots, each with a byte besides.
fn bytes_of(shard: &Shard) -> usize {
    if shard.capacity() == 0 {
        return 0;
    }
    (shard.capacity() * 8 / 7).next_power_of_two() * (size_of::<(u64, Share)>() + 1)
}
