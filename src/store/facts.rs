//! A database: which it is, how large, and its time, as it says itself.

use super::row::Row;
use crate::domain::Result;
use crate::domain::clock::Timestamp;

/// A database, as far as it tells of itself.
#[derive(Clone, Debug, Default)]
pub struct DatabaseFacts {
    /// Its name: SQLite or PostgreSQL.
    pub kind: &'static str,
    /// Its version.
    pub version: Option<String>,
    /// The bytes that the data takes.
    pub bytes: Option<u64>,
    /// Its time, where it has a clock of its own.
    pub now: Option<Timestamp>,
}

impl DatabaseFacts {
    /// Reads the row that a driver asked for: version, bytes and now.
    ///
    /// # Errors
    ///
    /// `Internal` for a row that can't be read.
    pub(super) fn of(kind: &'static str, rows: &[Row]) -> Result<Self> {
        let Some(row) = rows.first() else {
            return Ok(Self::default());
        };
        let bytes = row.optional_integer("bytes")?;
        let now = row.optional_integer("now")?;
        Ok(Self {
            kind,
            version: row.optional_text("version")?,
            bytes: bytes.and_then(|bytes| bytes.try_into().ok()),
            now: now.map(Timestamp::from_unix_millis),
        })
    }
}
