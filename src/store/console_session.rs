//! Sessions of the console, by the hash of their cookies' secret.

use crate::domain::clock::Timestamp;
use crate::domain::console_session::ConsoleSession;
use crate::domain::operator::OperatorId;
use crate::domain::{Error, Noun, Result};

use super::Store;
use super::part::{Guarded, Part, Rows};
use super::row::statements;

statements! { "console_session";
    HOLD = "SELECT id FROM operator WHERE id = $1";
    INSERT = "INSERT INTO console_session (hash, operator_id, token_hash, created_at, \
              authenticated_at, ends_at) VALUES ($1, $2, $3, $4, $5, $6)";
    KEEP = "DELETE FROM console_session WHERE operator_id = $1 AND hash NOT IN (SELECT hash FROM \
            console_session WHERE operator_id = $1 ORDER BY created_at DESC, hash LIMIT $2)";
    FIND = "SELECT hash, operator_id, token_hash, created_at, authenticated_at, ends_at FROM \
            console_session WHERE hash = $1";
    RENEW = "UPDATE console_session SET token_hash = $2, authenticated_at = $3 WHERE hash = $1";
    DELETE = "DELETE FROM console_session WHERE hash = $1";
    DELETE_OF = "DELETE FROM console_session WHERE operator_id = $1";
    TRIM = "DELETE FROM console_session WHERE ends_at < $1";
}

/// Adds a session, and deletes its operator's oldest ones beyond the `most` newest; `NotFound`
/// without the operator.
pub fn insert(session: &ConsoleSession, most: u32) -> Part {
    let operator = session.operator.clone();
    let id = operator.as_str();
    let held = Guarded::new(HOLD, vec![id.into()], Rows::Exactly(1), {
        let operator = operator.clone();
        move || Error::not_found(Noun::Operator, &operator)
    });
    let row = vec![
        session.hash.as_slice().into(),
        id.into(),
        session.token_hash.as_slice().into(),
        session.created_at.into(),
        session.authenticated_at.into(),
        session.ends_at.into(),
    ];
    let kept = vec![id.into(), i64::from(most).into()];
    Part::of([
        held,
        Guarded::unguarded(INSERT, row),
        Guarded::unguarded(KEEP, kept),
    ])
}

/// Notes that the operator of a session proved a token of its own again.
pub fn renew(hash: &[u8; 32], token_hash: &[u8; 32], at: Timestamp) -> Part {
    let parameters = vec![
        hash.as_slice().into(),
        token_hash.as_slice().into(),
        at.into(),
    ];
    Part::of([Guarded::unguarded(RENEW, parameters)])
}

/// Deletes a session, if it is there still.
pub fn delete(hash: &[u8; 32]) -> Part {
    Part::of([Guarded::unguarded(DELETE, vec![hash.as_slice().into()])])
}

/// Deletes all sessions of an operator.
pub(super) fn delete_of(operator: &OperatorId) -> Guarded {
    Guarded::unguarded(DELETE_OF, vec![operator.as_str().into()])
}

/// Deletes the sessions that ended before `before`.
pub fn trim(before: Timestamp) -> Part {
    Part::of([Guarded::unguarded(TRIM, vec![before.into()])])
}

/// Finds the session of this hash.
///
/// # Errors
///
/// `StoreUnavailable` when the database doesn't answer, `Internal` for a row that can't be read.
pub async fn find(store: &Store, hash: &[u8; 32]) -> Result<Option<ConsoleSession>> {
    let found = store.find(FIND, vec![hash.as_slice().into()]).await?;
    let Some(row) = found else {
        return Ok(None);
    };
    Ok(Some(ConsoleSession {
        hash: row.fixed_bytes("hash")?,
        operator: row.parsed("operator_id")?,
        token_hash: row.fixed_bytes("token_hash")?,
        created_at: row.time("created_at")?,
        authenticated_at: row.time("authenticated_at")?,
        ends_at: row.time("ends_at")?,
    }))
}
