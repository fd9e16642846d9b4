//! All the data at once: backed up, restored, moved to another database.
//!
//! The data stays sealed on the way; the master key is neither needed nor taken along.

use std::path::{Path, PathBuf};

use crate::config::{DatabaseUrl, Settings};
use crate::domain::clock::{Clock, SystemClock, SystemRandom, random_bytes};
use crate::domain::{Error, Result};
use crate::open::{at_server, location};
use crate::service::AuditAction;
use crate::store::audit::AuditRow;
use crate::store::{Location, Open, Operation, Store, Write, meta, portable};

pub use crate::store::portable::TableSum;

/// The data to move, or the place to move it to: `sqlite:DIRECTORY`, or `postgres://…` without a
/// password.
#[derive(Clone, Debug)]
pub enum DataPlace {
    /// A data directory.
    Sqlite(PathBuf),
    /// A database server.
    Postgres(DatabaseUrl),
}

impl DataPlace {
    /// Reads a place as it is given as an argument.
    ///
    /// # Errors
    /// `Misconfigured` for anything else.
    pub fn from_argument(text: &str) -> Result<Self> {
        if let Some(directory) = text
            .strip_prefix("sqlite:")
            .filter(|directory| !directory.is_empty())
        {
            return Ok(Self::Sqlite(directory.into()));
        }
        if text.starts_with("postgres:") || text.starts_with("postgresql:") {
            return Ok(Self::Postgres(
                DatabaseUrl::from_argument(text)?.with_known_password(),
            ));
        }
        Err(Error::misconfigured(
            "a place is written sqlite:DIRECTORY or postgres://USER@HOST/NAME",
        ))
    }

    fn location(&self, settings: &Settings) -> Location {
        match self {
            Self::Sqlite(directory) => Location::Directory(directory.clone()),
            Self::Postgres(url) => at_server(settings, url),
        }
    }
}

/// Opens the data to read.
async fn open_source(location: &Location) -> Result<Store> {
    Store::open(location, Open::Command, &SystemClock, &SystemRandom).await
}

/// The destination of a backup.
#[derive(Clone, Copy, Debug)]
pub enum BackupTarget<'a> {
    /// A new file.
    File(&'a Path),
    /// Standard output.
    Stdout,
}

/// Writes all data while the service goes on, records it in the audit, and notes it for metrics.
///
/// # Errors
/// Those of [`portable::backup`] and [`portable::backup_to`]. A failure to write the audit is
/// logged alone.
pub async fn backup(settings: &Settings, place: BackupTarget<'_>) -> Result<Vec<TableSum>> {
    let store = open_source(&location(settings)).await?;
    let sums = match place {
        BackupTarget::File(file) => {
            portable::backup(&store, file, &SystemClock, &SystemRandom).await?
        }
        BackupTarget::Stdout => {
            portable::backup_to(
                &store,
                std::io::stdout(),
                "on standard output",
                &SystemClock,
            )
            .await?
        }
    };
    let id = || hex::encode(random_bytes::<16>(&SystemRandom));
    let event = AuditRow {
        id: id(),
        at: SystemClock.now(),
        request_id: id(),
        action: AuditAction::StoreBackup.name().to_owned(),
        principal: Some("operator".to_owned()),
        account: None,
        credential_id: None,
        address: None,
        service: None,
        detail: "{}".to_owned(),
        outcome: "ok".to_owned(),
    };
    // The backup counts though the database takes no writes, as a full disk or a standby.
    if let Err(error) = store
        .apply(
            Write::new(Operation::new(&SystemRandom, event.at))
                .then(meta::note_backup(event.at))
                .audit(&event),
        )
        .await
    {
        tracing::warn!("the backup could not be noted, nor written into the audit: {error}");
    }
    Ok(sums)
}

/// Fills an empty store from a backup.
///
/// # Errors
/// Those of [`portable::restore`].
pub async fn restore(settings: &Settings, file: &Path) -> Result<Vec<TableSum>> {
    portable::restore(file, &location(settings), &SystemClock, &SystemRandom).await
}

/// Copies all data of one place to another, which is empty; a place that isn't given is the one of
/// the settings.
///
/// # Errors
/// Those of [`portable::copy`].
pub async fn migrate(
    settings: &Settings,
    from: Option<&DataPlace>,
    to: Option<&DataPlace>,
) -> Result<Vec<TableSum>> {
    let place = |place: Option<&DataPlace>| {
        place.map_or_else(|| location(settings), |place| place.location(settings))
    };
    let source = open_source(&place(from)).await?;
    portable::copy(&source, &place(to), &SystemClock, &SystemRandom).await
}
