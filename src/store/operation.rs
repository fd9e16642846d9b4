//! The ids of applied writes: a write that is tried again finds out whether it happened already.

use std::error::Error as _;

use crate::domain::Error;
use crate::domain::clock::{Random, Timestamp};

use super::audit::{first_id, timed_id};
use super::part::{Guarded, Part, Rows};
use super::row::statements;

statements! { "operation";
    // Where the first try is still at its commit, PostgreSQL makes the second wait here until that
    // is decided.
    INSERT = "INSERT INTO operation (id, applied_at) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING";
    // Names that earlier releases made, and those that all writers share, come before all others.
    TRIM = "DELETE FROM operation WHERE id < $2 AND applied_at < $1";
    // The counter has one row, always.
    REFUSE = "SELECT id FROM change_counter WHERE id = 1";
}

/// Names one write for ever, so that a retry never trips over its own success.
#[derive(Clone, Debug)]
pub struct Operation {
    pub(crate) id: String,
    pub(crate) at: Timestamp,
}

impl Operation {
    /// Names a new write, made at `now`: as the audit's ids, the name begins with the time, so that
    /// the names of one moment are together in the index.
    pub fn new(random: &dyn Random, now: Timestamp) -> Self {
        Self {
            id: timed_id(random, now, 20),
            at: now,
        }
    }

    /// Names a write that all its writers name the same: the first is applied, and to the others it
    /// seems so.
    pub fn named(name: String, now: Timestamp) -> Self {
        Self { id: name, at: now }
    }

    /// Returns the name for another try, which is made at `now`.
    pub fn tried_at(&self, now: Timestamp) -> Self {
        Self::named(self.id.clone(), now)
    }
}

/// The source of the error that ends a dry run in which nothing else was refused.
#[derive(Debug, thiserror::Error)]
#[error("this was a dry run")]
struct WasDryRun;

pub(super) fn insert(operation: &Operation) -> Guarded {
    Guarded::unguarded(
        INSERT,
        vec![operation.id.as_str().into(), operation.at.into()],
    )
}

/// Refuses, always, and so undoes what it comes after.
pub(super) fn end_of_dry_run() -> Part {
    Part::of([Guarded::new(REFUSE, Vec::new(), Rows::Exactly(0), || {
        Error::internal(WasDryRun)
    })])
}

/// Tells whether an error is the one of [`end_of_dry_run`], and no other.
pub(super) fn was_dry_run(error: &Error) -> bool {
    error
        .source()
        .is_some_and(|source| source.is::<WasDryRun>())
}

/// Forgets the writes made before `before`, which nobody will try again.
pub fn trim(before: Timestamp) -> Part {
    let parameters = vec![before.into(), first_id(before).into()];
    Part::of([Guarded::unguarded(TRIM, parameters)])
}
