//! Buckets of failures: how many an address and a username have left.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::domain::clock::Timestamp;
use crate::service::limits::rates::{MAX_ENTRIES_PER_SHARD, elapsed_since_refill, evict_fullest};
use crate::service::sharded::Sharded;

/// A keyed hash of an address and a username. Its size is fixed, so long usernames take no more
/// memory.
pub(super) type FailureKey = [u8; 32];

/// The bucket of one key.
#[derive(Clone, Copy)]
pub(super) struct FailureBucket {
    left: f64,
    filled_at: Timestamp,
}

/// A bucket for each key that failed lately.
pub(super) struct Failures {
    burst: AtomicU32,
    per_minute: AtomicU32,
    pub(super) buckets: Sharded<FailureKey, FailureBucket>,
    pub(super) max_in_shard: usize,
}

impl Failures {
    /// Allows `burst` failures at once, and `per_minute` a minute for ever.
    pub(super) fn new(burst: u32, per_minute: u32) -> Self {
        Self {
            burst: burst.into(),
            per_minute: per_minute.into(),
            buckets: Sharded::new(),
            max_in_shard: MAX_ENTRIES_PER_SHARD,
        }
    }

    /// Allows other figures from now on.
    pub(super) fn adjust(&self, burst: u32, per_minute: u32) {
        self.burst.store(burst, Ordering::Relaxed);
        self.per_minute.store(per_minute, Ordering::Relaxed);
    }

    fn burst(&self) -> f64 {
        self.burst.load(Ordering::Relaxed).into()
    }

    /// Returns how many failures a key gets back in a second.
    pub(super) fn per_second(&self) -> f64 {
        f64::from(self.per_minute.load(Ordering::Relaxed)) / 60.0
    }

    /// Tells whether the key has a bucket, so that counting a failure takes no memory.
    pub(super) fn has(&self, key: &FailureKey) -> bool {
        self.buckets.lock(key).contains_key(key)
    }

    /// Tells whether the key has no failure left.
    pub(super) fn is_used_up(&self, key: &FailureKey, now: Timestamp) -> bool {
        self.buckets
            .lock(key)
            .get_mut(key)
            .is_some_and(|bucket| self.refill(bucket, now) < 1.0)
    }

    /// Takes one of the key's failures; `false` when none is left.
    pub(super) fn take(&self, key: &FailureKey, now: Timestamp) -> bool {
        let mut buckets = self.buckets.lock(key);
        evict_fullest(&mut buckets, key, self.max_in_shard, |bucket| {
            self.refill(bucket, now)
        });
        let bucket = buckets.entry(*key).or_insert(FailureBucket {
            left: self.burst(),
            filled_at: now,
        });
        let left = self.refill(bucket, now);
        bucket.left = (left - 1.0).max(0.0);
        left >= 1.0
    }

    pub(super) fn give_back(&self, key: &FailureKey) {
        if let Some(bucket) = self.buckets.lock(key).get_mut(key) {
            bucket.left = (bucket.left + 1.0).min(self.burst());
        }
    }

    fn refill(&self, bucket: &mut FailureBucket, now: Timestamp) -> f64 {
        let elapsed = elapsed_since_refill(&mut bucket.filled_at, now).as_secs_f64();
        bucket.left = (bucket.left + elapsed * self.per_second()).min(self.burst());
        bucket.left
    }

    /// Drops the buckets that are full again.
    pub(super) fn forget(&self, now: Timestamp) {
        self.buckets
            .retain(|_, bucket| self.refill(bucket, now) < self.burst());
    }
}
