//! The ids of applied writes: a write that is tried again finds out whether it happened already.

use std::error::Error as _;

use crate::domain::Error;
use crate::domain::clock::Timestamp;

use super::row::statements;
use super::write::{Guarded, Operation, Part, Rows};

statements! { "operation";
    // Where the first try is still at its commit, PostgreSQL makes the second wait here until that is decided.
    INSERT = "INSERT INTO operation (id, applied_at) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING";
    TRIM = "DELETE FROM operation WHERE applied_at < $1";
    // The counter has one row, always.
    REFUSE = "SELECT id FROM change_counter WHERE id = 1";
}

/// The source of the error that ends a dry run in which nothing else was refused.
#[derive(Debug, thiserror::Error)]
#[error("this was a dry run")]
struct WasDryRun;

pub(super) fn insert(operation: &Operation) -> Guarded {
    Guarded::unguarded(INSERT, vec![operation.id.as_str().into(), operation.at.into()])
}

/// Refuses, always, and so undoes what it comes after.
pub(super) fn end_of_dry_run() -> Part {
    Part::of([Guarded::new(REFUSE, Vec::new(), Rows::Exactly(0), || Error::internal(WasDryRun))])
}

/// Tells whether an error is the one of [`end_of_dry_run`], and no other.
pub(super) fn was_dry_run(error: &Error) -> bool {
    error.source().is_some_and(|source| source.is::<WasDryRun>())
}

/// Forgets the writes made before `before`, which nobody will try again.
pub fn trim(before: Timestamp) -> Part {
    Part::of([Guarded::unguarded(TRIM, vec![before.into()])])
}
