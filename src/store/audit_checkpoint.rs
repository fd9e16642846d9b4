//! Signed statements about where the chains of the audit end, and the keys that sign them.

use crate::domain::clock::Timestamp;
use crate::domain::wrapped::Wrapped;
use crate::domain::{Error, Noun, Result};

use super::Store;
use super::part::{Guarded, Part, Rows, WrappedPart};
use super::row::{Row, statements};

statements! {
    "audit_key" {
        INSERT_KEY = "INSERT INTO audit_key (id, wrapped_private, created_at) VALUES ($1, $2, $3)";
        LIST_KEYS = "SELECT id, wrapped_private, created_at FROM audit_key ORDER BY created_at, id";
    }
    "audit_checkpoint" {
        INSERT = "INSERT INTO audit_checkpoint (number, made_at, signed) VALUES ($1, $2, $3)";
        NEWEST = "SELECT number, made_at, signed FROM audit_checkpoint ORDER BY number DESC \
                  LIMIT 1";
        LIST = "SELECT number, made_at, signed FROM audit_checkpoint WHERE number > $1 ORDER \
                BY number LIMIT $2";
        LAST_BEFORE = "SELECT COALESCE(MAX(number), 0) AS number FROM audit_checkpoint WHERE \
                       made_at < $1";
        // The last one from before stays: the audit begins with it.
        TRIM = "DELETE FROM audit_checkpoint WHERE number < (SELECT MAX(number) FROM \
                audit_checkpoint WHERE made_at < $1)";
    }
}

/// A key that signs checkpoints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditKeyRow {
    /// Its id.
    pub id: String,
    /// The private key, wrapped.
    pub wrapped_private: Wrapped,
    /// When it was made.
    pub created_at: Timestamp,
}

/// Adds a key; `AlreadyExists` when its id is taken.
pub fn insert_key(key: &AuditKeyRow) -> WrappedPart {
    let parameters = vec![
        key.id.as_str().into(),
        key.wrapped_private.as_bytes().into(),
        key.created_at.into(),
    ];
    let id = key.id.clone();
    let insert = Guarded::new(INSERT_KEY, parameters, Rows::Exactly(1), move || {
        Error::already_exists(Noun::SigningKey, format!("There is a key {id} already."))
    });
    WrappedPart::of(Some(&key.wrapped_private), Part::of([insert]))
}

/// Lists the keys, oldest first.
///
/// # Errors
///
/// `StoreUnavailable` when the database doesn't answer, `Internal` for a row that can't be read.
pub async fn list_keys(store: &Store) -> Result<Vec<AuditKeyRow>> {
    let rows = store.query(LIST_KEYS, Vec::new()).await?;
    let key = |row: &Row| {
        Ok(AuditKeyRow {
            id: row.text("id")?,
            wrapped_private: row.wrapped("wrapped_private")?,
            created_at: row.time("created_at")?,
        })
    };
    rows.iter().map(key).collect()
}

/// A checkpoint, as a JSON Web Signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckpointRow {
    /// Its number, from 1.
    pub number: i64,
    /// When it was made.
    pub made_at: Timestamp,
    /// The statement with its signature, in the compact form.
    pub signed: String,
}

/// Adds a checkpoint, in a write that all replicas name by its number.
pub fn insert(checkpoint: &CheckpointRow) -> Part {
    let parameters = vec![
        checkpoint.number.into(),
        checkpoint.made_at.into(),
        checkpoint.signed.as_str().into(),
    ];
    Part::of([Guarded::unguarded(INSERT, parameters)])
}

/// Returns the newest checkpoint.
///
/// # Errors
///
/// `StoreUnavailable` when the database doesn't answer, `Internal` for a row that can't be read.
pub async fn newest(store: &Store) -> Result<Option<CheckpointRow>> {
    let row = store.find(NEWEST, Vec::new()).await?;
    row.as_ref().map(checkpoint).transpose()
}

/// Lists at most `limit` checkpoints after a number, in order.
///
/// # Errors
///
/// `StoreUnavailable` when the database doesn't answer, `Internal` for a row that can't be read.
pub async fn list_after(store: &Store, number: i64, limit: u32) -> Result<Vec<CheckpointRow>> {
    let rows = store
        .query(LIST, vec![number.into(), i64::from(limit).into()])
        .await?;
    rows.iter().map(checkpoint).collect()
}

/// Returns the number of the last checkpoint from before a time, or 0.
///
/// # Errors
///
/// `StoreUnavailable` when the database doesn't answer, `Internal` for a row that can't be read.
pub async fn last_before(store: &Store, time: Timestamp) -> Result<i64> {
    store
        .one(LAST_BEFORE, vec![time.into()])
        .await?
        .integer("number")
}

/// Forgets the checkpoints from before a time, but for the last of them.
pub fn trim(before: Timestamp) -> Part {
    Part::of([Guarded::unguarded(TRIM, vec![before.into()])])
}

fn checkpoint(row: &Row) -> Result<CheckpointRow> {
    Ok(CheckpointRow {
        number: row.integer("number")?,
        made_at: row.time("made_at")?,
        signed: row.text("signed")?,
    })
}
