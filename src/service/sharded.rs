//! A map in shards, so that busy keys seldom wait for each other.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};

const SHARDS: usize = 64;

/// A map in shards, so that busy accounts wait for each other seldom.
pub(in crate::service) struct Sharded<K, V> {
    hasher: RandomState,
    pub(in crate::service) shards: Vec<Mutex<HashMap<K, V>>>,
}

impl<K: Hash + Eq, V> Sharded<K, V> {
    pub(in crate::service) fn new() -> Self {
        Self {
            hasher: RandomState::new(),
            shards: std::iter::repeat_with(Mutex::default)
                .take(SHARDS)
                .collect(),
        }
    }

    pub(in crate::service) fn lock<Q: Hash + ?Sized>(
        &self,
        key: &Q,
    ) -> MutexGuard<'_, HashMap<K, V>> {
        // The lock guards counters that are right after any panic, so a poisoned one is used on.
        let place = usize::try_from(self.hasher.hash_one(key) % SHARDS as u64).unwrap_or(0);
        self.shards[place]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Drops what `keep` doesn't want any more, and gives the memory of a flood that is over back.
    pub(in crate::service) fn retain(&self, mut keep: impl FnMut(&K, &mut V) -> bool) {
        for shard in &self.shards {
            let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            shard.retain(&mut keep);
            if shard.capacity() / 4 > shard.len() {
                let usual = 2 * shard.len();
                shard.shrink_to(usual);
            }
        }
    }
}

/// Hashes a number to itself: what is remembered are keyed hashes already.
#[derive(Default)]
pub(in crate::service) struct AsItIs(u64);

impl Hasher for AsItIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        // Not for what is remembered here, but a hasher must take it.
        self.0 = bytes
            .iter()
            .fold(self.0, |hash, byte| hash.rotate_left(8) ^ u64::from(*byte));
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = number;
    }
}
