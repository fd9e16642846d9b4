//! The counters of the doors of clients, as charts show them.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use super::requests::{DoorCounts, Metrics, Outcome};
use crate::domain::activity::{IssuedKind, Measure};

/// The door at which registries' clients get their tokens.
const EXCHANGES: &str = "registry";
/// The doors that issue credentials, with the operations that do; where none has a name, each
/// request does.
const ISSUES: [(&str, &[&str]); 3] = [
    ("tencent", &["tcr:CreateInstanceToken"]),
    ("alibaba", &["cr:GetAuthorizationToken"]),
    ("oauth", &[]),
];

impl Metrics {
    /// Returns all counts since the start. They are read one after the other while requests come.
    pub(in crate::http::observe) fn totals(&self) -> BTreeMap<Measure, u64> {
        let mut totals = BTreeMap::new();
        for door in &self.doors {
            let name = door.labels.door;
            if let Some((_, operations)) = ISSUES.iter().find(|(door, _)| *door == name) {
                let lasting = door.lasting.load(Ordering::Relaxed);
                let temporary = door.served(operations).saturating_sub(lasting);
                let issued = |kind| Measure::Issued {
                    door: name.to_owned(),
                    kind,
                };
                totals.insert(issued(IssuedKind::Temporary), temporary);
                totals.insert(issued(IssuedKind::LongTerm), lasting);
            } else if name == EXCHANGES {
                totals.insert(Measure::Exchanged, door.served(&[]));
            } else {
                // Operators and probes have doors of their own.
                continue;
            }
            for (kind, count) in door.errors.kinds() {
                *totals.entry(Measure::Refused(kind.to_owned())).or_default() += count;
            }
            for (bucket, count) in door.durations.counts().enumerate() {
                let door = name.to_owned();
                totals.insert(Measure::Took { door, bucket }, count);
            }
        }
        totals
    }
}

impl DoorCounts {
    /// Returns how many requests for one of these operations were served; without any, how many
    /// that name none.
    fn served(&self, operations: &[&str]) -> u64 {
        let of = |counts: &super::requests::Counts| {
            counts.0[Outcome::Ok as usize].load(Ordering::Relaxed)
        };
        if operations.is_empty() {
            return of(&self.unnamed);
        }
        let rows = self.labels.operations.iter().zip(&self.named);
        let fitting = rows.filter(|(row, _)| operations.contains(&row.counted_as));
        fitting.map(|(_, counts)| of(counts)).sum()
    }
}
