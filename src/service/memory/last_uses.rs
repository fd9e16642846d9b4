//! Last uses: what this process saw of them, until it is written.
//!
//! A request that comes in an hour in which its credential was used before costs a hash and one
//! atomic load. The first of an hour takes a lock, and leaves a note for the background task.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::domain::clock::Timestamp;
use crate::domain::last_use::{LastUse, UsedKind, hour_of};

/// How many things have a mark of their own: 8 bytes each. Two that share one cost a write more.
const MARKS: usize = 1 << 16;
/// The most uses that wait to be written; further ones are noted once there is room.
const MAX_WAITING: usize = 50_000;
/// How many bits of a mark are the hour: enough for 1900 years.
const HOUR_BITS: u32 = 24;

/// The uses that this process saw.
pub(in crate::service) struct LastUses {
    hasher: RandomState,
    /// By the hash of a thing: the rest of the hash, and the hour of its last note.
    marks: Box<[AtomicU64]>,
    waiting: Mutex<HashMap<(UsedKind, String), Timestamp>>,
    /// Held while uses are taken and not written yet.
    pub(in crate::service) writing: tokio::sync::Mutex<()>,
    /// The hour in which the uses of what is gone were last deleted, in unix milliseconds.
    pub(in crate::service) swept_at: AtomicI64,
}

impl LastUses {
    pub(in crate::service) fn new() -> Self {
        Self {
            hasher: RandomState::new(),
            marks: std::iter::repeat_with(AtomicU64::default)
                .take(MARKS)
                .collect(),
            waiting: Mutex::default(),
            writing: tokio::sync::Mutex::default(),
            swept_at: AtomicI64::new(i64::MIN),
        }
    }

    /// Notes that the thing of that `key` is used `now`; `id` writes its id where that is news.
    pub(in crate::service) fn note(
        &self,
        kind: UsedKind,
        key: impl Hash,
        now: Timestamp,
        id: impl FnOnce() -> String,
    ) {
        let hash = self.hasher.hash_one((kind, key));
        let hours = now.unix_seconds().unsigned_abs() / 3600;
        let mark = (hash >> HOUR_BITS << HOUR_BITS) | (hours & ((1 << HOUR_BITS) - 1));
        // The low bits of the hash are in no mark: they say where it is.
        let place = usize::try_from(hash % MARKS as u64).unwrap_or(0);
        let Some(last) = self.marks.get(place) else {
            return;
        };
        if last.load(Ordering::Relaxed) == mark {
            return;
        }
        let mut waiting = self.lock();
        if waiting.len() < MAX_WAITING {
            add(&mut waiting, (kind, id()), hour_of(now));
            last.store(mark, Ordering::Relaxed);
        }
    }

    /// Takes the uses that wait, in the order of kind and id.
    pub(in crate::service) fn take(&self) -> Vec<LastUse> {
        let taken = std::mem::take(&mut *self.lock());
        let mut uses: Vec<LastUse> = taken
            .into_iter()
            .map(|((kind, id), at)| LastUse { kind, id, at })
            .collect();
        uses.sort_unstable();
        uses
    }

    /// Puts back uses that couldn't be written, as many as there is room for.
    pub(in crate::service) fn put_back(&self, uses: &[LastUse]) {
        let mut waiting = self.lock();
        for last in uses {
            if waiting.len() < MAX_WAITING {
                add(&mut waiting, (last.kind, last.id.clone()), last.at);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<(UsedKind, String), Timestamp>> {
        // A use is right after any panic.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn add(
    waiting: &mut HashMap<(UsedKind, String), Timestamp>,
    thing: (UsedKind, String),
    at: Timestamp,
) {
    let last = waiting.entry(thing).or_insert(at);
    *last = at.max(*last);
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const START: Timestamp = Timestamp::from_unix_seconds(1_735_786_800);

    fn note(uses: &LastUses, id: &str, now: Timestamp) {
        uses.note(UsedKind::Credential, id, now, || id.to_owned());
    }

    fn credential(id: &str, at: Timestamp) -> LastUse {
        LastUse {
            kind: UsedKind::Credential,
            id: id.to_owned(),
            at,
        }
    }

    #[test]
    fn a_thing_is_noted_once_an_hour() {
        let uses = LastUses::new();
        for seconds in [0, 1, 3599] {
            note(&uses, "a", START.plus(Duration::from_secs(seconds)));
        }
        assert_eq!(uses.take(), [credential("a", START)]);
        note(&uses, "a", START.plus(Duration::from_secs(3599)));
        assert_eq!(uses.take(), [], "it was noted in this hour");
        let next = START.plus(Duration::from_secs(3600));
        note(&uses, "a", next);
        assert_eq!(uses.take(), [credential("a", next)]);
    }

    #[test]
    fn things_of_two_kinds_with_one_id_are_two() {
        let uses = LastUses::new();
        for kind in UsedKind::ALL {
            uses.note(kind, "a", START, || "a".to_owned());
        }
        let kinds: Vec<_> = uses.take().into_iter().map(|last| last.kind).collect();
        assert_eq!(kinds, UsedKind::ALL);
    }

    #[test]
    fn what_could_not_be_written_waits_again_and_the_later_hour_stays() {
        let uses = LastUses::new();
        note(&uses, "a", START);
        note(&uses, "b", START);
        let taken = uses.take();
        let next = START.plus(Duration::from_secs(3600));
        note(&uses, "a", next);
        uses.put_back(&taken);
        assert_eq!(uses.take(), [credential("a", next), credential("b", START)]);
    }

    #[test]
    fn what_waits_is_bounded_and_a_use_beyond_it_is_noted_once_there_is_room() {
        let uses = LastUses::new();
        for number in 0..MAX_WAITING {
            note(&uses, &number.to_string(), START);
        }
        note(&uses, "late", START);
        assert_eq!(uses.take().len(), MAX_WAITING);
        note(&uses, "late", START);
        assert_eq!(uses.take(), [credential("late", START)]);
    }
}
