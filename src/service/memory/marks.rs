//! When nouns last changed: what caches hold, and what was decided by it, is checked against this.
//!
//! A noun has a place in a table by a keyed hash of its entity and id. Nouns may share a place: a
//! change of one then also drops what was read of the other, which costs a read and no more.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::store::Entity;

/// The places for single nouns: with ten changes a second, one that reads ten nouns loses about one
/// in a hundred of what it read for the change of another.
const PLACES: usize = 1 << 14;
/// The places for all nouns of an entity, behind the others; the last one never changes.
const ENTITIES: usize = Entity::KNOWN.len() + 1;

/// The marks of one entry of a cache: as many as the most that a table declares.
pub(in crate::service) type EntryMarks = [Mark; 4];

/// The place of a noun, or of many, in [`Marks`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::service) struct Mark(u16);

impl Mark {
    /// The mark of what never changes.
    pub(in crate::service) const NEVER: Self = Self((PLACES + ENTITIES - 1) as u16);

    /// Returns the mark of all nouns of an entity.
    pub(in crate::service) fn any(entity: Entity) -> Self {
        match Entity::KNOWN.iter().position(|known| *known == entity) {
            Some(place) => Self(u16::try_from(PLACES + place).unwrap_or(Self::NEVER.0)),
            None => Self::NEVER,
        }
    }
}

/// The table: at each place the number of the last change there.
pub(in crate::service) struct Marks {
    hasher: RandomState,
    /// The number of the last change.
    count: AtomicU64,
    /// The number of the last change that may have been of anything.
    of_all: AtomicU64,
    places: Box<[AtomicU64]>,
}

impl Marks {
    /// Makes a table in which nothing has changed.
    pub(in crate::service) fn new() -> Self {
        Self {
            hasher: RandomState::new(),
            count: AtomicU64::new(0),
            of_all: AtomicU64::new(0),
            places: (0..PLACES + ENTITIES).map(|_| AtomicU64::new(0)).collect(),
        }
    }

    /// Returns the mark of one noun.
    pub(in crate::service) fn of(&self, entity: Entity, id: &str) -> Mark {
        self.place_of((entity, id))
    }

    /// Returns the mark of all nouns whose ids begin with a place and a slash.
    pub(in crate::service) fn below(&self, entity: Entity, place: &str) -> Mark {
        self.place_of((entity, place, "/"))
    }

    fn place_of(&self, noun: impl std::hash::Hash) -> Mark {
        let hash = self.hasher.hash_one(noun) as usize % PLACES;
        Mark(u16::try_from(hash).unwrap_or_default())
    }

    /// Returns the number of the last change, which is taken before anything is read.
    pub(in crate::service) fn count(&self) -> u64 {
        self.count.load(Ordering::SeqCst)
    }

    /// Tells whether nothing changed at these places since [`Self::count`] was `since`.
    pub(in crate::service) fn are_unchanged(&self, marks: &[Mark], since: u64) -> bool {
        self.of_all.load(Ordering::SeqCst) <= since
            && marks
                .iter()
                .all(|mark| self.places[usize::from(mark.0)].load(Ordering::SeqCst) <= since)
    }

    /// Notes a change of a noun. A reader that takes the count from here on reads what is new.
    pub(in crate::service) fn note(&self, entity: Entity, id: &str) {
        let number = self.count.fetch_add(1, Ordering::SeqCst) + 1;
        if entity == Entity::Unknown {
            self.of_all.fetch_max(number, Ordering::SeqCst);
            return;
        }
        let put = |mark: Mark| {
            self.places[usize::from(mark.0)].fetch_max(number, Ordering::SeqCst);
        };
        put(Mark::any(entity));
        put(self.of(entity, id));
        if let Some((place, _)) = id.split_once('/') {
            put(self.below(entity, place));
        }
    }

    /// Notes that all nouns of an entity may have changed.
    pub(in crate::service) fn note_any(&self, entity: Entity) {
        let number = self.count.fetch_add(1, Ordering::SeqCst) + 1;
        self.places[usize::from(Mark::any(entity).0)].fetch_max(number, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_seen_by_the_noun_its_place_and_its_entity_alone() {
        let marks = Marks::new();
        let own = marks.of(Entity::FixedPassword, "tcr-a/1:root");
        let below = marks.below(Entity::FixedPassword, "tcr-a");
        let any = Mark::any(Entity::FixedPassword);
        let others = [
            marks.of(Entity::FixedPassword, "tcr-b/1:root"),
            marks.below(Entity::FixedPassword, "tcr-b"),
            marks.of(Entity::User, "tcr-a/1:root"),
            Mark::any(Entity::User),
            Mark::NEVER,
        ];
        let since = marks.count();
        marks.note(Entity::FixedPassword, "tcr-a/1:root");
        for mark in [own, below, any] {
            assert!(!marks.are_unchanged(&[Mark::NEVER, mark], since));
            assert!(marks.are_unchanged(&[mark], marks.count()));
        }
        // Keyed hashes may share a place: but rarely do two of five.
        let changed = others
            .iter()
            .filter(|mark| !marks.are_unchanged(&[**mark], since));
        assert!(changed.count() < 2);
    }

    #[test]
    fn what_may_be_anything_changes_everything() {
        let marks = Marks::new();
        let since = marks.count();
        marks.note(Entity::Unknown, "");
        assert!(!marks.are_unchanged(&[Mark::NEVER], since));
        assert!(!marks.are_unchanged(&[], since));
        assert!(marks.are_unchanged(&[Mark::NEVER], marks.count()));
    }

    #[test]
    fn each_entity_has_a_mark_of_its_own() {
        let marks: std::collections::HashSet<Mark> = Entity::KNOWN
            .iter()
            .map(|entity| Mark::any(*entity))
            .collect();
        assert_eq!(marks.len(), Entity::KNOWN.len());
        assert!(!marks.contains(&Mark::NEVER));
    }
}
