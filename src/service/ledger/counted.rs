//! What has no line of its own is counted in a bounded memory, and told of together.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::service::ledger::Ledger;

/// How often counted refusals are told of.
const REFUSALS_INTERVAL: Duration = Duration::from_secs(10);
/// How many of these intervals pass between two accounts of anonymous exchanges: a minute.
const INTERVALS_OF_ANONYMOUS: u32 = 6;

/// Counts, each of what is alike.
pub(in crate::service) struct Counted<K> {
    max: usize,
    /// Returns what a thing counts as when there is no room for another count; there are few of those.
    beyond: fn(K) -> K,
    counts: Mutex<HashMap<K, u64>>,
}

impl<K: Hash + Eq> Counted<K> {
    /// Has room for `max` counts, and for what `beyond` returns.
    pub(in crate::service) fn new(max: usize, beyond: fn(K) -> K) -> Self {
        Self { max, beyond, counts: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<K, u64>> {
        // A count is right after any panic.
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts `more` of them.
    pub(in crate::service) fn add(&self, key: K, more: u64) {
        let mut counts = self.lock();
        let has_room = counts.len() < self.max || counts.contains_key(&key);
        *counts.entry(if has_room { key } else { (self.beyond)(key) }).or_default() += more;
    }

    /// Takes all counts, and begins anew.
    pub(in crate::service) fn take(&self) -> HashMap<K, u64> {
        std::mem::take(&mut *self.lock())
    }
}

impl Ledger {
    /// Tells, in log and audit, of all that was counted; waits for the audit's writer.
    pub async fn tell_counted(&self) {
        let _telling = self.telling.lock().await;
        self.tell_refusals().await;
        self.tell_anonymous().await;
    }

    /// Tells for ever of what was counted.
    pub(in crate::service) async fn keep_telling(&self) {
        let mut intervals = 0_u32;
        loop {
            tokio::time::sleep(REFUSALS_INTERVAL).await;
            intervals = intervals.wrapping_add(1);
            // Held while counts are taken and not written yet: who stops the service waits for it, and loses none.
            let _telling = self.telling.lock().await;
            self.tell_refusals().await;
            if intervals.is_multiple_of(INTERVALS_OF_ANONYMOUS) {
                self.tell_anonymous().await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_is_counted_whole_in_a_bounded_memory() {
        let counted = Counted::new(64, |_| u32::MAX);
        for number in 0..10_000 {
            counted.add(number, 1);
        }
        counted.add(1, 1);
        let counts = counted.take();
        assert_eq!((counts.len(), counts.values().sum::<u64>()), (65, 10_001));
        assert_eq!((counts[&1], counts[&u32::MAX]), (2, 10_000 - 64));
        assert!(counted.take().is_empty());
    }
}
