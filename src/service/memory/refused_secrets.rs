//! Counts of refused log-ins, by the credential or the service account that was named.
//!
//! A refusal costs a lock and a look-up. Nothing is written here: a background task takes those
//! that were refused often.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::domain::clock::Timestamp;
use crate::domain::last_use::hour_of;
use crate::domain::notice::{Subject, SubjectKind};

/// The most things that are counted in an hour; further ones aren't.
const MAX_COUNTED: usize = 4096;
/// The most things that are told in an hour.
const MAX_TOLD: usize = 100;

/// A thing whose log-in was refused, and how often in this hour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::service) struct Refused {
    pub(in crate::service) subject: Subject,
    pub(in crate::service) count: u32,
    /// The beginning of the hour.
    pub(in crate::service) hour: Timestamp,
}

struct Count {
    refused: Refused,
    is_told: bool,
}

/// The counts of the present hour.
#[derive(Default)]
struct Hour {
    begins_at: Timestamp,
    counts: HashMap<(SubjectKind, String), Count>,
    told: usize,
    /// Refused log-ins of nothing that is there.
    unknown: u64,
}

/// The refused log-ins that this process saw.
#[derive(Default)]
pub(in crate::service) struct RefusedSecrets(Mutex<Hour>);

impl RefusedSecrets {
    /// Counts a refused log-in of the thing of that kind and id.
    pub(in crate::service) fn note(
        &self,
        kind: SubjectKind,
        id: &str,
        now: Timestamp,
        subject: impl FnOnce() -> Subject,
    ) {
        let mut hour = self.lock();
        begin(&mut hour, now);
        let key = (kind, id.to_owned());
        if let Some(count) = hour.counts.get_mut(&key) {
            count.refused.count = count.refused.count.saturating_add(1);
        } else if hour.counts.len() < MAX_COUNTED {
            let refused = Refused {
                subject: subject(),
                count: 1,
                hour: hour.begins_at,
            };
            let is_told = false;
            hour.counts.insert(key, Count { refused, is_told });
        }
    }

    /// Counts a refused log-in of nothing that is there. It takes about the time of [`Self::note`],
    /// so that no time tells what is there.
    pub(in crate::service) fn note_unknown(&self, id: &str, now: Timestamp) {
        let mut hour = self.lock();
        begin(&mut hour, now);
        let is_known = hour
            .counts
            .contains_key(&(SubjectKind::Service, id.to_owned()));
        hour.unknown += u64::from(!is_known);
    }

    /// Takes those that were refused at least `threshold` times in this hour; each is taken once.
    pub(in crate::service) fn take(&self, threshold: u32, now: Timestamp) -> Vec<Refused> {
        let mut hour = self.lock();
        begin(&mut hour, now);
        let Hour { counts, told, .. } = &mut *hour;
        let often = counts
            .values_mut()
            .filter(|count| !count.is_told && count.refused.count >= threshold);
        let mut taken = Vec::new();
        for count in often.take(MAX_TOLD.saturating_sub(*told)) {
            count.is_told = true;
            taken.push(count.refused.clone());
        }
        *told += taken.len();
        taken
    }

    /// Puts back one that couldn't be told.
    pub(in crate::service) fn put_back(&self, refused: &Refused) {
        let mut hour = self.lock();
        let key = (refused.subject.kind, refused.subject.id.clone());
        if hour.begins_at == refused.hour
            && let Some(count) = hour.counts.get_mut(&key)
        {
            count.is_told = false;
            hour.told = hour.told.saturating_sub(1);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Hour> {
        // A count is right after any panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Begins another hour, if the last one is over.
fn begin(hour: &mut Hour, now: Timestamp) {
    let begins_at = hour_of(now);
    if hour.begins_at != begins_at {
        *hour = Hour {
            begins_at,
            ..Hour::default()
        };
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const START: Timestamp = Timestamp::from_unix_seconds(1_735_786_800);

    fn note(refused: &RefusedSecrets, id: &str, times: u32, now: Timestamp) {
        for _ in 0..times {
            refused.note(SubjectKind::Credential, id, now, || Subject {
                kind: SubjectKind::Credential,
                id: id.to_owned(),
                name: None,
                account: None,
                instance: None,
            });
        }
    }

    fn taken(refused: &RefusedSecrets, now: Timestamp) -> Vec<(String, u32)> {
        let taken = refused.take(3, now).into_iter();
        taken.map(|one| (one.subject.id, one.count)).collect()
    }

    #[test]
    fn one_that_is_refused_often_is_taken_once_an_hour() {
        let refused = RefusedSecrets::default();
        note(&refused, "a", 2, START);
        assert_eq!(taken(&refused, START), []);
        note(&refused, "a", 2, START);
        assert_eq!(taken(&refused, START), [("a".to_owned(), 4)]);
        note(&refused, "a", 9, START);
        assert_eq!(taken(&refused, START), []);
        let next = START.plus(Duration::from_hours(1));
        note(&refused, "a", 3, next);
        assert_eq!(taken(&refused, next), [("a".to_owned(), 3)]);
    }

    #[test]
    fn one_that_could_not_be_told_is_taken_again() {
        let refused = RefusedSecrets::default();
        note(&refused, "a", 3, START);
        let first = refused.take(3, START).remove(0);
        refused.put_back(&first);
        assert_eq!(refused.take(3, START), [first]);
    }

    #[test]
    fn memory_and_what_is_told_are_bounded() {
        let refused = RefusedSecrets::default();
        for number in 0..MAX_COUNTED {
            note(&refused, &number.to_string(), 3, START);
        }
        note(&refused, "one more", 3, START);
        assert_eq!(refused.lock().counts.len(), MAX_COUNTED);
        assert_eq!(taken(&refused, START).len(), MAX_TOLD);
        assert_eq!(taken(&refused, START), []);
    }
}
