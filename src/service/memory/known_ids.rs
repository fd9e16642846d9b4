//! All ids of a kind, as hashes: they tell a made-up id from one that isn't cached.
//!
//! An id takes 10 to 21 bytes. The change feed adds to a set and never takes away: an id is never
//! given out twice, so one too many costs a look-up and no more. A set that has grown to twice what
//! was read is read anew, without what was deleted since.

use std::collections::HashSet;
use std::hash::{BuildHasher, BuildHasherDefault, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::domain::Result;
use crate::service::memory::single_flight::{SingleFlight, Turn};
use crate::service::sharded::AsItIs;

/// How many ids are read at once: some hundred bytes each, thrice, until they are hashed.
pub(in crate::service) const PAGE: u32 = 2000;
/// How many ids a set may have beyond twice those that were read, before it is read anew.
const MAX_GROWTH: usize = 65_536;

/// Keyed hashes: a stranger can't make an id that shares the hash of another.
type Hashes = HashSet<u64, BuildHasherDefault<AsItIs>>;

/// All ids of a kind.
pub(in crate::service) struct KnownIds {
    hasher: RandomState,
    sets: RwLock<Sets>,
    /// How often the set had to be read: at first, and whenever changes were missed.
    wanted: AtomicU64,
    /// Which of those reads was done.
    read: AtomicU64,
    reading: SingleFlight,
}

#[derive(Default)]
struct Sets {
    known: Hashes,
    /// The ids that were read so far, and those added meanwhile; none while no read goes on.
    next: Option<Hashes>,
    /// How many ids `known` may have before it is read anew; 0 before it was read.
    max: usize,
}

impl KnownIds {
    pub(in crate::service) fn new() -> Self {
        Self {
            hasher: RandomState::new(),
            sets: RwLock::default(),
            wanted: AtomicU64::new(1),
            read: AtomicU64::new(0),
            reading: SingleFlight::default(),
        }
    }

    /// Tells whether an id was read or added. Without [`Self::read_all`], a `false` says nothing.
    pub(in crate::service) fn has(&self, id: &str) -> bool {
        self.sets().known.contains(&self.hasher.hash_one(id))
    }

    /// Adds an id.
    pub(in crate::service) fn add(&self, id: &str) {
        let hash = self.hasher.hash_one(id);
        let mut sets = self.sets_mut();
        sets.known.insert(hash);
        if let Some(next) = &mut sets.next {
            next.insert(hash);
        }
        if sets.max > 0 && sets.known.len() > sets.max {
            sets.max = 0;
            drop(sets);
            self.want();
        }
    }

    /// Notes that ids may be missing: changes were not heard of.
    pub(in crate::service) fn want(&self) {
        self.wanted.fetch_add(1, Ordering::Release);
    }

    /// Reads all ids, unless that is done. `page` returns those after a place, each with its place,
    /// in order.
    ///
    /// The error is the page's; what was known before is known on.
    pub(in crate::service) async fn read_all<F>(&self, page: impl Fn(String) -> F) -> Result<()>
    where
        F: Future<Output = Result<Vec<(String, String)>>>,
    {
        let done = || self.is_read().then_some(());
        let Turn::Leads(_leader) = self.reading.join(done).await else {
            return Ok(());
        };
        let wanted = self.wanted.load(Ordering::Acquire);
        // From here on additions count, so nothing is missed between the pages.
        self.sets_mut().next = Some(Hashes::default());
        let mut place = Some(String::new());
        while let Some(after) = place {
            let mut ids = page(after).await?;
            let mut sets = self.sets_mut();
            let next = sets.next.get_or_insert_default();
            next.extend(ids.iter().map(|(_, id)| self.hasher.hash_one(id.as_str())));
            place = ids.pop().map(|(last, _)| last);
            if place.is_none() {
                sets.known = sets.next.take().unwrap_or_default();
                sets.max = 2 * sets.known.len() + MAX_GROWTH;
            }
        }
        self.read.store(wanted, Ordering::Release);
        Ok(())
    }

    fn is_read(&self) -> bool {
        self.read.load(Ordering::Acquire) == self.wanted.load(Ordering::Acquire)
    }

    fn sets(&self) -> RwLockReadGuard<'_, Sets> {
        // The lock guards sets that are whole after any panic.
        self.sets.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn sets_mut(&self) -> RwLockWriteGuard<'_, Sets> {
        self.sets.write().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::future::ready;
    use std::sync::atomic::AtomicUsize;

    use super::*;
    use crate::domain::Error;

    async fn read(ids: &KnownIds, all: &[&str]) -> usize {
        let pages = AtomicUsize::new(0);
        let page = |after: String| {
            pages.fetch_add(1, Ordering::Relaxed);
            let next = all.iter().filter(move |id| **id > after.as_str()).take(2);
            ready(Ok(next
                .map(|id| ((*id).to_owned(), (*id).to_owned()))
                .collect()))
        };
        ids.read_all(page).await.unwrap();
        pages.into_inner()
    }

    #[tokio::test]
    async fn all_ids_are_read_once_page_by_page() {
        let ids = KnownIds::new();
        assert_eq!(read(&ids, &["a", "b", "c"]).await, 3);
        assert!(ids.has("a") && ids.has("b") && ids.has("c") && !ids.has("d"));
        assert_eq!(
            read(&ids, &["a", "b", "c", "d"]).await,
            0,
            "it is known already"
        );
        ids.want();
        assert_eq!(read(&ids, &["d"]).await, 2);
        assert!(ids.has("d") && !ids.has("a"));
    }

    #[tokio::test]
    async fn what_is_added_while_it_is_read_stays() {
        let ids = KnownIds::new();
        ids.add("before");
        let page = |after: String| {
            ids.add("meanwhile");
            ready(Ok(if after.is_empty() {
                vec![("a".to_owned(), "a".to_owned())]
            } else {
                Vec::new()
            }))
        };
        ids.read_all(page).await.unwrap();
        assert!(ids.has("a") && ids.has("meanwhile"));
    }

    #[tokio::test]
    async fn what_was_known_stays_when_it_can_not_be_read_anew() {
        let ids = KnownIds::new();
        read(&ids, &["a"]).await;
        ids.want();
        assert!(
            ids.read_all(|_| ready(Err(Error::store_unavailable("cut off"))))
                .await
                .is_err()
        );
        assert!(ids.has("a"));
        assert_eq!(read(&ids, &["a"]).await, 2, "it is tried again");
    }

    #[tokio::test]
    async fn a_set_that_grew_too_large_is_read_anew() {
        let ids = KnownIds::new();
        read(&ids, &["a"]).await;
        for number in 0..=MAX_GROWTH + 1 {
            ids.add(&number.to_string());
        }
        assert_eq!(read(&ids, &["a"]).await, 2);
        assert_eq!(ids.sets().known.len(), 1);
    }
}
