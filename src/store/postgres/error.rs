//! The kinds of failures of PostgreSQL, and what each means for a read or a write.

use std::error::Error as StdError;
use std::io;

use deadpool::managed::PoolError;
use tokio_postgres::error::SqlState;

use crate::domain::Error;

use super::connect::Unreachable;

/// Makes the error for a pool that has no connection to give.
pub(super) fn unreachable(error: PoolError<Unreachable>) -> Error {
    match error {
        PoolError::Backend(refusal) if refusal.lasts => {
            Error::misconfigured(format!("the database lets nobody in: {refusal}"))
        }
        error => no_connection(error),
    }
}

/// As [`unreachable`], for a service that runs: whatever it is, it may be over soon.
pub(super) fn no_connection(error: PoolError<Unreachable>) -> Error {
    match error {
        PoolError::Backend(refusal) => Error::store_unavailable(refusal),
        error => Error::store_unavailable(error),
    }
}

/// Why a try of a write ended.
pub(super) enum Stop {
    /// For good.
    Refused(Error),
    /// Another transaction was in the way, and nothing was applied.
    Conflict,
    /// The server takes no writes (any more), and nothing was applied.
    ReadOnly(tokio_postgres::Error),
    /// The connection was lost, perhaps after the commit.
    Lost(tokio_postgres::Error),
}

impl From<tokio_postgres::Error> for Stop {
    fn from(error: tokio_postgres::Error) -> Self {
        match error.code() {
            _ if is_conflict(&error) => Self::Conflict,
            Some(&SqlState::READ_ONLY_SQL_TRANSACTION) => Self::ReadOnly(error),
            Some(&SqlState::T_R_STATEMENT_COMPLETION_UNKNOWN) => Self::Lost(error),
            _ if is_lost(&error) => Self::Lost(error),
            _ => Self::Refused(failure(error)),
        }
    }
}

/// Says whether another transaction was in the way.
pub(super) fn is_conflict(error: &tokio_postgres::Error) -> bool {
    matches!(
        error.code(),
        Some(
            &SqlState::T_R_SERIALIZATION_FAILURE
                | &SqlState::T_R_DEADLOCK_DETECTED
                | &SqlState::LOCK_NOT_AVAILABLE
        )
    )
}

/// Says whether the database doesn't know a command; any other refusal may be over soon, as a
/// standby's of LISTEN is once it is the primary.
pub(super) fn is_unknown(state: &SqlState) -> bool {
    matches!(
        *state,
        SqlState::FEATURE_NOT_SUPPORTED | SqlState::SYNTAX_ERROR | SqlState::UNDEFINED_OBJECT
    )
}

/// Says whether the connection is gone or going.
pub(super) fn is_lost(error: &tokio_postgres::Error) -> bool {
    match error.code() {
        // 08: connection exceptions. 57P: the server is stopping, starting or was told to hang up.
        // 25P03: it hung up on a transaction in which nothing was sent for too long.
        Some(state) => {
            state.code().starts_with("08")
                || state.code().starts_with("57P")
                || state.code() == "25P03"
        }
        None => {
            error.is_closed()
                || error
                    .source()
                    .is_some_and(|source| source.is::<io::Error>())
        }
    }
}

pub(super) fn failure(error: tokio_postgres::Error) -> Error {
    // 53: out of disk, memory or connections. 25006: the primary became a standby.
    let state = error.code().map_or("", SqlState::code);
    if is_lost(&error)
        || state.starts_with("53")
        || matches!(state, "25006" | "57014" | "40001" | "40P01" | "55P03")
    {
        Error::store_unavailable(error)
    } else {
        Error::internal(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_given_up_only_where_the_database_does_not_know_it() {
        for (state, unknown) in [
            ("0A000", true),
            ("42601", true),
            ("42704", true),
            ("25006", false),
            ("53300", false),
            ("57P03", false),
        ] {
            assert_eq!(is_unknown(&SqlState::from_code(state)), unknown, "{state}");
        }
    }
}
