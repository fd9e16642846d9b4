//! Places outside of the database to which checkpoints of the audit go.

use std::fmt;

use crate::domain::Result;

/// A checkpoint on its way out of the database's reach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MadeCheckpoint {
    /// Its number.
    pub number: i64,
    /// Its SHA-256 in hexadecimal, signature and all.
    pub hash: String,
    /// The statement with its signature, in the compact form.
    pub signed: String,
}

/// A place outside of the database, where nobody who writes there can reach a checkpoint.
pub trait CheckpointSink: fmt::Debug + Send + Sync {
    /// Returns its name in the log.
    fn name(&self) -> String;

    /// Takes a checkpoint, and returns once it is there.
    ///
    /// # Errors
    ///
    /// `Misconfigured` where it can't be put there.
    fn take(&self, made: &MadeCheckpoint) -> Result<()>;
}
