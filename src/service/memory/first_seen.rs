//! When this replica first saw each key, by its own clock.
//!
//! A key's row says when it was made by the clock of whoever made it, which may be minutes behind:
//! going by that alone, a replica would use a key at once that the others haven't heard of.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::domain::clock::Timestamp;

/// When each key was first read.
#[derive(Default)]
pub(in crate::service) struct Sightings {
    seen_at: Mutex<Option<HashMap<String, Timestamp>>>,
}

impl Sightings {
    /// Notes the keys that exist, by id and the time they were made, and returns since when each is
    /// known here. Keys of the first read are known since they were made: the other replicas have
    /// had them since then.
    pub(in crate::service) fn known_since<'a>(
        &self,
        keys: impl Iterator<Item = (&'a str, Timestamp)>,
        now: Timestamp,
    ) -> HashMap<String, Timestamp> {
        let mut seen_at = self.seen_at.lock().unwrap_or_else(PoisonError::into_inner);
        let known: HashMap<String, Timestamp> = keys
            .map(|(id, made_at)| {
                let since = seen_at.as_ref().map_or(made_at, |seen_at| {
                    seen_at.get(id).copied().unwrap_or(made_at.max(now))
                });
                (id.to_owned(), since)
            })
            .collect();
        *seen_at = Some(known.clone());
        known
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_of_a_clock_that_is_behind_is_known_since_it_was_read() {
        let at = Timestamp::from_unix_seconds;
        let sightings = Sightings::default();
        let known = |keys: &[(&'static str, i64)], now| {
            let known = sightings.known_since(
                keys.iter().map(|(id, made_at)| (*id, at(*made_at))),
                at(now),
            );
            keys.iter()
                .map(|(id, _)| known[*id].unix_seconds())
                .collect::<Vec<_>>()
        };
        assert_eq!(known(&[("a", 100)], 1000), [100]);
        assert_eq!(
            known(&[("a", 100), ("behind", 700), ("ahead", 1300)], 1000),
            [100, 1000, 1300]
        );
        assert_eq!(
            known(&[("a", 100), ("behind", 700), ("ahead", 1300)], 1010),
            [100, 1000, 1300],
            "it is read again"
        );
    }
}
