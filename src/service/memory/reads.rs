//! The reads behind a decision: all that it rests on, so that it holds until one of them changes.
//!
//! Every look into the caches goes through one function, which notes it here. A decision that
//! listed its reads itself would one day forget one, and outlive a revocation.

use std::cell::RefCell;

use crate::domain::clock::Timestamp;
use crate::service::memory::marks::{Mark, Marks};

/// The most marks of a decision; one that read more isn't remembered.
const MAX_MARKS: usize = 64;

tokio::task_local! {
    /// The reads of the decision that this task makes. The code in between, policies and all, knows
    /// nothing of them.
    static READS: RefCell<Reads>;
}

/// The reads of a decision.
#[derive(Debug, Default)]
pub(in crate::service) struct Reads {
    /// The number of the last change before the first read.
    since: u64,
    marks: Vec<Mark>,
    /// When the decision is another one, though nothing changes.
    until: Option<Timestamp>,
    /// Whether it rests on something of which no change is noted.
    is_unmarked: bool,
}

impl Reads {
    /// Makes a decision, and returns beside it what it read.
    pub(in crate::service) async fn of<T>(
        marks: &Marks,
        deciding: impl Future<Output = T>,
    ) -> (T, Self) {
        let reads = Self {
            since: marks.count(),
            ..Self::default()
        };
        let noting = async {
            let decided = deciding.await;
            (decided, READS.with(RefCell::take))
        };
        READS.scope(RefCell::new(reads), noting).await
    }

    /// Tells whether the decision can be given again at all.
    pub(in crate::service) fn are_marked(&self) -> bool {
        !self.is_unmarked
    }

    /// Tells whether all that was read is as it was, and no time has come that was looked at.
    pub(in crate::service) fn are_current(&self, marks: &Marks, now: Timestamp) -> bool {
        self.are_marked()
            && self.until.is_none_or(|until| now < until)
            && marks.are_unchanged(&self.marks, self.since)
    }

    /// Returns how many bytes the reads take beside this struct.
    pub(in crate::service) fn heap_bytes(&self) -> usize {
        self.marks.capacity() * size_of::<Mark>()
    }
}

/// Notes that what these marks are of was read, if this task makes a decision.
pub(in crate::service) fn note(marks: &[Mark]) {
    with(|reads| {
        for mark in marks {
            if !reads.marks.contains(mark) {
                reads.marks.push(*mark);
            }
        }
        reads.is_unmarked |= reads.marks.len() > MAX_MARKS;
    });
}

/// Notes that the decision is another one from a time on.
pub(in crate::service) fn note_until(until: Timestamp) {
    with(|reads| reads.until = Some(reads.until.map_or(until, |other| other.min(until))));
}

/// Notes that the decision rests on something of which no change is noted: something that isn't
/// there, or the very time.
pub(in crate::service) fn note_unmarked() {
    with(|reads| reads.is_unmarked = true);
}

fn with(note: impl FnOnce(&mut Reads)) {
    // Outside of a decision nothing is noted.
    READS
        .try_with(|reads| note(&mut reads.borrow_mut()))
        .unwrap_or_default();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Entity;

    const NOW: Timestamp = Timestamp::from_unix_seconds(1_735_787_045);

    #[tokio::test]
    async fn a_decision_is_current_until_something_that_it_read_changes() {
        let marks = Marks::new();
        let user = marks.of(Entity::User, "1");
        let (decided, reads) = Reads::of(&marks, async {
            note(&[user, Mark::NEVER]);
            tokio::task::yield_now().await;
            note(&[Mark::any(Entity::Revocation)]);
            7
        })
        .await;
        assert_eq!(decided, 7);
        assert!(reads.are_current(&marks, NOW));
        marks.note_any(Entity::SigningKey);
        assert!(reads.are_current(&marks, NOW));
        marks.note_any(Entity::Revocation);
        assert!(!reads.are_current(&marks, NOW));
    }

    #[tokio::test]
    async fn a_change_while_it_is_decided_ends_it() {
        let marks = Marks::new();
        let user = marks.of(Entity::User, "1");
        let ((), reads) = Reads::of(&marks, async {
            note(&[user]);
            marks.note(Entity::User, "1");
        })
        .await;
        assert!(!reads.are_current(&marks, NOW));
    }

    #[tokio::test]
    async fn a_decision_ends_at_the_first_time_that_it_looked_at() {
        let marks = Marks::new();
        let second = std::time::Duration::from_secs(1);
        let ((), reads) = Reads::of(&marks, async {
            note_until(NOW.plus(second * 9));
            note_until(NOW.plus(second));
            note_until(NOW.plus(second * 5));
        })
        .await;
        assert!(reads.are_current(&marks, NOW));
        assert!(!reads.are_current(&marks, NOW.plus(second)));
    }

    #[tokio::test]
    async fn what_has_no_mark_or_too_many_is_never_current() {
        let marks = Marks::new();
        let ((), unmarked) = Reads::of(&marks, async { note_unmarked() }).await;
        let ((), many) = Reads::of(&marks, async {
            for number in 0..1000 {
                note(&[marks.of(Entity::User, &number.to_string())]);
            }
        })
        .await;
        assert!(!unmarked.are_current(&marks, NOW) && !many.are_current(&marks, NOW));
        // Outside of a decision nothing is noted, and nothing fails.
        note_unmarked();
    }
}
