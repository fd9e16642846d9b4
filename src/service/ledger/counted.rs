//! Requests without events of their own are counted in a bounded memory, and recorded together.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::service::ledger::Ledger;

/// How often counted refusals are recorded.
const REFUSALS_INTERVAL: Duration = Duration::from_secs(10);
/// How many of these intervals pass between two records of anonymous exchanges: a minute.
const INTERVALS_OF_ANONYMOUS: u32 = 6;

/// Counts by key, of which there are at most so many.
pub(in crate::service) struct Counted<K> {
    max: usize,
    /// Returns the key that counts in place of one for which there is no room; there are few of
    /// those.
    beyond: fn(K) -> K,
    counts: Mutex<HashMap<K, u64>>,
}

impl<K: Hash + Eq> Counted<K> {
    /// Has room for `max` counts, and for those that `beyond` returns.
    pub(in crate::service) fn new(max: usize, beyond: fn(K) -> K) -> Self {
        Self {
            max,
            beyond,
            counts: Mutex::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<K, u64>> {
        // A count is right after any panic.
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts `more` of them.
    pub(in crate::service) fn add(&self, key: K, more: u64) {
        let mut counts = self.lock();
        let has_room = counts.len() < self.max || counts.contains_key(&key);
        *counts
            .entry(if has_room { key } else { (self.beyond)(key) })
            .or_default() += more;
    }

    /// Takes all counts, and begins anew.
    pub(in crate::service) fn take(&self) -> HashMap<K, u64> {
        std::mem::take(&mut *self.lock())
    }
}

impl Ledger {
    /// Records all counts in log and audit; waits for the audit's writer.
    pub async fn record_counted(&self) {
        let _recording = self.recording.lock().await;
        self.record_counted_refusals().await;
        self.record_anonymous().await;
    }

    /// Records counts at intervals, for ever.
    pub(in crate::service) async fn keep_recording_counted(&self) {
        let mut intervals = 0_u32;
        loop {
            tokio::time::sleep(REFUSALS_INTERVAL).await;
            intervals = intervals.wrapping_add(1);
            // Held while counts are taken and not written yet: a stop of the service waits for it,
            // and loses none.
            let _recording = self.recording.lock().await;
            self.record_counted_refusals().await;
            if intervals.is_multiple_of(INTERVALS_OF_ANONYMOUS) {
                self.record_anonymous().await;
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
