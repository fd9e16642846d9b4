//! The ids of applied writes: a write that is tried again finds out whether it happened already.

use crate::domain::clock::Timestamp;

use super::row::statements;
use super::write::{Guarded, Operation, Part};

statements! { "operation";
    // Where the first try is still at its commit, PostgreSQL makes the second wait here until that is decided.
    INSERT = "INSERT INTO operation (id, applied_at) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING";
    TRIM = "DELETE FROM operation WHERE applied_at < $1";
}

pub(super) fn insert(operation: &Operation) -> Guarded {
    Guarded::unguarded(INSERT, vec![operation.id.as_str().into(), operation.at.into()])
}

/// Forgets the writes made before `before`, which nobody will try again.
pub fn trim(before: Timestamp) -> Part {
    Part::of([Guarded::unguarded(TRIM, vec![before.into()])])
}
