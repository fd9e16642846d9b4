//! Places to which checkpoints of the audit go.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use crate::domain::Result;
use crate::domain::clock::Timestamp;

/// A checkpoint on its way out of the database's reach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MadeCheckpoint {
    /// Its number.
    pub number: i64,
    /// When it was made.
    pub made_at: Timestamp,
    /// Its SHA-256 in hexadecimal, signature and all.
    pub hash: String,
    /// The statement with its signature, in the compact form.
    pub signed: String,
}

/// A place outside of the database, where nobody who writes there can reach a checkpoint.
pub trait CheckpointSink: fmt::Debug + Send + Sync {
    /// Returns what sort of place it is, as metrics name it.
    fn kind(&self) -> &'static str;

    /// Returns its name in the log.
    fn name(&self) -> String;

    /// Takes a checkpoint, and returns once it is there.
    ///
    /// # Errors
    ///
    /// `Misconfigured` where it can't be put there.
    fn take(&self, made: &MadeCheckpoint) -> Result<()>;
}

/// When the newest checkpoint was made that each place has, by its kind; nothing where it has none.
#[derive(Debug, Default)]
pub(in crate::service) struct NewestCheckpoints(Mutex<BTreeMap<&'static str, Option<Timestamp>>>);

impl NewestCheckpoints {
    /// Notes the newest of a place.
    pub(in crate::service) fn note(&self, kind: &'static str, made_at: Option<Timestamp>) {
        let mut newest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        newest.insert(kind, made_at);
    }

    /// Returns those of all places.
    pub(in crate::service) fn all(&self) -> Vec<(&'static str, Option<Timestamp>)> {
        let newest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        newest.iter().map(|(kind, made)| (*kind, *made)).collect()
    }
}
