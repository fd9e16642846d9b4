//! Signatures that made a durable change: each makes one, at any replica and after any restart.
//!
//! A row is written in the change's own transaction, and kept until the signature can't be valid
//! any more.

use crate::domain::clock::Timestamp;
use crate::domain::{Error, Result};

use super::Store;
use super::part::{Guarded, Part, Rows};
use super::row::statements;

statements! { "signed_change";
    // A call may take several writes: its own request id tells them from a repetition. Where
    // another transaction holds the row, PostgreSQL makes this one wait here until that is decided.
    CLAIM = "INSERT INTO signed_change (digest, request_id, made, ends_at) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (digest) DO UPDATE SET made = COALESCE(excluded.made, signed_change.made) \
             WHERE signed_change.request_id = excluded.request_id";
    FIND = "SELECT request_id, made FROM signed_change WHERE digest = $1";
    TRIM = "DELETE FROM signed_change WHERE ends_at < $1";
}

/// A change that a signed call asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedChange {
    /// SHA-256 of the signature, in hexadecimal.
    pub digest: String,
    /// The call's request id.
    pub request_id: String,
    /// The id of what it makes, if it makes something.
    pub made: Option<String>,
    /// When the signature is valid nowhere any more.
    pub ends_at: Timestamp,
}

/// A change that was made before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Before {
    /// The request id of the call that made it.
    pub request_id: String,
    /// The id of what it made.
    pub made: Option<String>,
}

/// Claims the signature for this call: `Replayed` when another call with it made a change.
pub(super) fn claim(change: &SignedChange) -> Part {
    let made = change.made.as_deref().into();
    let parameters = vec![
        change.digest.as_str().into(),
        change.request_id.as_str().into(),
        made,
        change.ends_at.into(),
    ];
    Part::of([Guarded::new(
        CLAIM,
        parameters,
        Rows::Exactly(1),
        Error::replayed,
    )])
}

/// Finds what was made by the signature of this digest, in hexadecimal.
///
/// # Errors
///
/// `StoreUnavailable` when the database doesn't answer, `Internal` for a row that can't be read.
pub async fn find(store: &Store, digest: &str) -> Result<Option<Before>> {
    let row = store.find(FIND, vec![digest.into()]).await?;
    row.map(|row| {
        Ok(Before {
            request_id: row.text("request_id")?,
            made: row.optional_text("made")?,
        })
    })
    .transpose()
}

/// Forgets the signatures that were valid nowhere any more before `before`.
pub fn trim(before: Timestamp) -> Part {
    Part::of([Guarded::unguarded(TRIM, vec![before.into()])])
}
