//! Work that one caller does for all who need it at the moment.

use std::collections::HashMap;
use std::hash::Hash;
use std::ops::Deref;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};

use crate::domain::Result;
use crate::domain::clock::Timestamp;

/// Has one caller at a time do some work; the others wait, and find what it brought.
#[derive(Default)]
pub(in crate::service) struct SingleFlight(Arc<AsyncMutex<()>>);

/// Keeps the others waiting until it is dropped.
///
/// A caller may go away while it waits for the answer. Work that must be finished, or remembered to
/// have been tried, takes the leader with it into a task of its own.
pub(in crate::service) struct Leader {
    _turn: OwnedMutexGuard<()>,
}

/// How a caller comes to its answer.
pub(in crate::service) enum Turn<T> {
    /// The answer is known.
    Known(T),
    /// The caller does the work.
    Leads(Leader),
}

impl SingleFlight {
    /// Returns the answer that `known` gives, or has the caller do the work. A caller that waited
    /// for another's work asks `known` again.
    pub(in crate::service) async fn join<T>(&self, known: impl Fn() -> Option<T>) -> Turn<T> {
        if let Some(answer) = known() {
            return Turn::Known(answer);
        }
        let leader = self.lead().await;
        match known() {
            Some(answer) => Turn::Known(answer),
            None => Turn::Leads(leader),
        }
    }

    /// Waits until nobody else does the work.
    pub(in crate::service) async fn lead(&self) -> Leader {
        Leader {
            _turn: Arc::clone(&self.0).lock_owned().await,
        }
    }
}

/// A value of a [`RecentMap`], and the time of its last use.
pub(in crate::service) struct Recent<T> {
    value: T,
    used_at: AtomicI64,
}

impl<T> Deref for Recent<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> Recent<T> {
    fn touch(&self, now: Timestamp) {
        self.used_at.store(now.unix_millis(), Ordering::Relaxed);
    }

    fn unused_for(&self, now: Timestamp) -> Duration {
        Timestamp::from_unix_millis(self.used_at.load(Ordering::Relaxed)).distance(now)
    }
}

/// At most `capacity` values by key. The one that was unused for longest gives way to a new one; a
/// value that somebody has in hand never does.
pub(in crate::service) struct RecentMap<K, T> {
    values: Mutex<HashMap<K, Arc<Recent<T>>>>,
    capacity: usize,
    may_go: fn(&T, Timestamp) -> bool,
}

impl<K: Clone + Eq + Hash, T> RecentMap<K, T> {
    /// Returns an empty map; `may_go` tells which values may give way.
    pub(in crate::service) fn new(capacity: usize, may_go: fn(&T, Timestamp) -> bool) -> Self {
        Self {
            values: Mutex::default(),
            capacity,
            may_go,
        }
    }

    /// Returns the value of a key, if it is as `is_current` wants it, or makes another; nothing
    /// when the map is full and no value may give way.
    ///
    /// # Errors
    /// Those of `make`.
    pub(in crate::service) fn get_or_make(
        &self,
        key: &K,
        now: Timestamp,
        is_current: impl FnOnce(&T) -> bool,
        make: impl FnOnce() -> Result<T>,
    ) -> Result<Option<Arc<Recent<T>>>> {
        let mut values = self.lock();
        if let Some(known) = values.get(key)
            && is_current(known)
        {
            known.touch(now);
            return Ok(Some(Arc::clone(known)));
        }
        if values.len() >= self.capacity && !values.contains_key(key) {
            let Some(unused) = self.longest_unused(&values, now) else {
                return Ok(None);
            };
            values.remove(&unused);
        }
        let made = Arc::new(Recent {
            value: make()?,
            used_at: AtomicI64::new(now.unix_millis()),
        });
        values.insert(key.clone(), Arc::clone(&made));
        Ok(Some(made))
    }

    fn longest_unused(&self, values: &HashMap<K, Arc<Recent<T>>>, now: Timestamp) -> Option<K> {
        values
            .iter()
            .filter(|(_, value)| Arc::strong_count(value) == 1 && (self.may_go)(value, now))
            .min_by_key(|(_, value)| value.used_at.load(Ordering::Relaxed))
            .map(|(key, _)| key.clone())
    }

    /// Forgets what was unused for so long, but for what somebody has in hand.
    pub(in crate::service) fn forget_unused(&self, after: Duration, now: Timestamp) {
        self.lock()
            .retain(|_, value| Arc::strong_count(value) > 1 || value.unused_for(now) < after);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<K, Arc<Recent<T>>>> {
        // Each change is one call of the map: it is whole after a panic.
        self.values.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;

    use super::*;

    const NOW: Timestamp = Timestamp::from_unix_seconds(1_735_877_057);

    fn later(seconds: u64) -> Timestamp {
        NOW.plus(Duration::from_secs(seconds))
    }

    #[tokio::test]
    async fn of_many_that_need_an_answer_one_does_the_work() {
        let (flight, done) = (SingleFlight::default(), AtomicU32::new(0));
        let known = || Some(done.load(Ordering::Acquire)).filter(|done| *done > 0);
        let call = async || match flight.join(known).await {
            Turn::Known(answer) => answer,
            Turn::Leads(_leader) => {
                tokio::task::yield_now().await;
                done.fetch_add(1, Ordering::AcqRel) + 1
            }
        };
        assert_eq!(tokio::join!(call(), call(), call(), call()), (1, 1, 1, 1));
    }

    #[tokio::test]
    async fn the_next_leads_when_a_leader_went_away_without_an_answer() {
        let flight = SingleFlight::default();
        drop(flight.join(|| None::<()>).await);
        assert!(matches!(flight.join(|| None::<()>).await, Turn::Leads(_)));
    }

    fn filled(may_go: fn(&u32, Timestamp) -> bool) -> RecentMap<&'static str, u32> {
        let map = RecentMap::new(2, may_go);
        for (seconds, key) in ["first", "second"].into_iter().enumerate() {
            map.get_or_make(&key, later(seconds as u64), |_| true, || Ok(0))
                .unwrap();
        }
        map
    }

    fn keys(map: &RecentMap<&'static str, u32>) -> Vec<&'static str> {
        let mut keys: Vec<_> = map.lock().keys().copied().collect();
        keys.sort_unstable();
        keys
    }

    #[test]
    fn a_full_map_forgets_what_was_unused_for_longest() {
        let map = filled(|_, _| true);
        map.get_or_make(&"first", later(2), |_| true, || Ok(0))
            .unwrap();
        map.get_or_make(&"third", later(3), |_| true, || Ok(0))
            .unwrap();
        assert_eq!(keys(&map), ["first", "third"]);
    }

    #[test]
    fn what_somebody_has_in_hand_gives_way_to_nothing() {
        let map = filled(|_, _| true);
        let _held = map.get_or_make(&"first", NOW, |_| true, || Ok(0)).unwrap();
        map.get_or_make(&"third", later(3), |_| true, || Ok(0))
            .unwrap();
        assert_eq!(keys(&map), ["first", "third"]);
        map.forget_unused(Duration::ZERO, later(4));
        assert_eq!(keys(&map), ["first"]);
    }

    #[test]
    fn a_full_map_in_which_nothing_may_go_takes_no_more() {
        let map = filled(|_, _| false);
        let made = map
            .get_or_make(&"third", later(3), |_| true, || Ok(0))
            .unwrap();
        assert!(made.is_none());
        assert_eq!(keys(&map), ["first", "second"]);
    }

    #[test]
    fn a_value_that_is_not_current_is_made_anew() {
        let map = filled(|_, _| true);
        let made = map
            .get_or_make(&"first", NOW, |value| *value == 1, || Ok(1))
            .unwrap();
        assert_eq!(made.map(|made| **made), Some(1));
    }
}
