//! All the data at once: backed up, restored, moved to another database.
//!
//! The data stays sealed on the way; the master key is neither needed nor taken along.

use std::path::{Path, PathBuf};

use crate::config::{DatabaseUrl, Settings};
use crate::domain::clock::{Clock, SystemClock, SystemRandom, random_bytes};
use crate::domain::{Error, Result};
use crate::open::{at_server, location};
use crate::store::audit::AuditRow;
use crate::store::{Location, Open, Operation, Store, Write, portable};

pub use crate::store::portable::TableSum;

/// A place that data is moved from or to: `sqlite:DIRECTORY`, or `postgres://…` without a password.
#[derive(Clone, Debug)]
pub enum Place {
    /// A data directory.
    Sqlite(PathBuf),
    /// A database server.
    Postgres(DatabaseUrl),
}

impl Place {
    /// Reads a place as it is given as an argument.
    ///
    /// # Errors
    ///
    /// `Misconfigured` for anything else.
    pub fn from_argument(text: &str) -> Result<Self> {
        if let Some(directory) = text.strip_prefix("sqlite:").filter(|directory| !directory.is_empty()) {
            return Ok(Self::Sqlite(directory.into()));
        }
        if text.starts_with("postgres:") || text.starts_with("postgresql:") {
            return Ok(Self::Postgres(DatabaseUrl::from_argument(text)?.with_known_password()));
        }
        Err(Error::misconfigured("a place is written sqlite:DIRECTORY or postgres://USER@HOST/NAME"))
    }

    fn location(&self, settings: &Settings) -> Location {
        match self {
            Self::Sqlite(directory) => Location::Directory(directory.clone()),
            Self::Postgres(url) => at_server(settings, url),
        }
    }
}

/// Opens what is to be read from.
async fn open_source(location: &Location) -> Result<Store> {
    Store::open(location, Open::Command, &SystemClock, &SystemRandom).await
}

/// Where a backup is written to.
#[derive(Clone, Copy, Debug)]
pub enum BackupPlace<'a> {
    /// A file, which must not be there yet.
    File(&'a Path),
    /// Standard output, as it comes.
    Stdout,
}

/// Writes everything, while the service goes on, and says in the audit that it was done.
///
/// # Errors
///
/// Those of [`portable::backup`] and [`portable::backup_to`]. A failure to write the audit is logged alone.
pub async fn backup(settings: &Settings, place: BackupPlace<'_>) -> Result<Vec<TableSum>> {
    let store = open_source(&location(settings)).await?;
    let sums = match place {
        BackupPlace::File(file) => portable::backup(&store, file, &SystemClock, &SystemRandom).await?,
        BackupPlace::Stdout => portable::backup_to(&store, std::io::stdout(), "on standard output", &SystemClock).await?,
    };
    let id = || hex::encode(random_bytes::<16>(&SystemRandom));
    let line = AuditRow {
        id: id(),
        at: SystemClock.now(),
        request_id: id(),
        action: "store.backup".to_owned(),
        principal: Some("operator".to_owned()),
        account: None,
        credential_id: None,
        address: None,
        service: None,
        detail: "{}".to_owned(),
        outcome: "ok".to_owned(),
    };
    // A disk that is full, or a standby, is one more reason for a backup.
    if let Err(error) = store.apply(Write::new(Operation::new(&SystemRandom, line.at)).audit(&line)).await {
        tracing::warn!("the backup could not be written into the audit: {error}");
    }
    Ok(sums)
}

/// Fills an empty store from a backup.
///
/// # Errors
///
/// Those of [`portable::restore`].
pub async fn restore(settings: &Settings, file: &Path) -> Result<Vec<TableSum>> {
    portable::restore(file, &location(settings), &SystemClock, &SystemRandom).await
}

/// Copies everything of one place to another, empty one; whichever is not given is the one that the settings name.
///
/// # Errors
///
/// Those of [`portable::copy`].
pub async fn migrate(settings: &Settings, from: Option<&Place>, to: Option<&Place>) -> Result<Vec<TableSum>> {
    let place = |place: Option<&Place>| place.map_or_else(|| location(settings), |place| place.location(settings));
    let source = open_source(&place(from)).await?;
    portable::copy(&source, &place(to), &SystemClock, &SystemRandom).await
}
