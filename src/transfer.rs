//! All the data at once: backed up, restored, moved to another database.
//!
//! The data stays sealed on the way; the master key is neither needed nor taken along.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::config::{DatabaseUrl, Settings};
use crate::domain::clock::{Clock, SystemClock, SystemRandom, random_bytes};
use crate::domain::operator::Administrator;
use crate::domain::wrapped::Wrapped;
use crate::domain::{Error, Result};
use crate::open::{KnownMasterKeys, at_server, location, os_user};
use crate::service::AuditAction;
use crate::store::audit::{AuditRow, new_id};
use crate::store::portable::Seal;
use crate::store::{Location, Open, Operation, Store, Write, meta, portable};

pub use crate::store::portable::{Progress, Receiving, TableSum, VerifiedBackup};

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
pub async fn backup(
    settings: &Settings,
    place: BackupTarget<'_>,
    progress: &Progress,
) -> Result<Vec<TableSum>> {
    let store = open_source(&location(settings)).await?;
    let (seal, clock) = (seal_of(settings, &store).await?, SystemClock);
    let sums = match place {
        BackupTarget::File(file) => {
            portable::backup(&store, file, seal, progress, &clock, &SystemRandom).await?
        }
        BackupTarget::Stdout => {
            let to = (std::io::stdout(), "on standard output");
            portable::backup_to(&store, to, seal, progress, &clock).await?
        }
    };
    let now = SystemClock.now();
    let event = AuditRow {
        id: new_id(&SystemRandom, now),
        at: now,
        request_id: hex::encode(random_bytes::<16>(&SystemRandom)),
        action: AuditAction::StoreBackup.name().to_owned(),
        principal: Some(
            Administrator::Local {
                user: Some(os_user()),
            }
            .audit_name(),
        ),
        account: None,
        credential_id: None,
        address: None,
        service: None,
        access_key: None,
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

/// Returns what seals a backup with the master key that the store names, if it is at hand.
async fn seal_of(settings: &Settings, store: &Store) -> Result<Option<Seal>> {
    let id = meta::find_text(store, meta::MASTER_KEY_ID).await?;
    let id = id.unwrap_or_default();
    let why = match KnownMasterKeys::of_settings(settings) {
        Ok(Some(keys)) => match keys.into_seal(&id) {
            Some(seal) => return Ok(Some(seal)),
            None => format!("the settings name another master key than {id}"),
        },
        Ok(None) => format!("the master key {id} isn't at hand"),
        Err(error) => error.to_string(),
    };
    tracing::warn!("the backup isn't sealed, and a restore has to be told to take it: {why}");
    Ok(None)
}

/// Begins to take a backup that a service elsewhere makes.
///
/// # Errors
/// `Misconfigured` for a file that is there already or can't be written.
pub fn receiving(place: BackupTarget<'_>) -> Result<Receiving> {
    match place {
        BackupTarget::File(file) => Receiving::into_file(file, &SystemRandom),
        BackupTarget::Stdout => Ok(Receiving::onto(std::io::stdout(), "on standard output")),
    }
}

/// A backup that was checked.
pub struct Verified {
    /// Its tables, and when it was made.
    pub backup: VerifiedBackup,
    /// The number of its secrets that a master key wrapped.
    pub secrets: u64,
    /// The ids of the master keys that open them all; none where no key was given.
    pub opened_by: Option<Vec<String>>,
    /// The id of the master key that sealed it; none where no key was given, or the seal waived.
    pub sealed_by: Option<String>,
}

/// Secrets of a backup, as far as they were tried.
#[derive(Default)]
struct Tried {
    secrets: u64,
    /// Of those that aren't opened, by the master key that they name.
    closed: BTreeMap<String, u64>,
}

/// Returns the master keys of a file, or those that the settings name, where there are any.
fn known_keys(settings: &Settings, file: Option<&Path>) -> Result<Option<KnownMasterKeys>> {
    match file {
        Some(path) => KnownMasterKeys::of_file(path).map(Some),
        None => KnownMasterKeys::of_settings(settings),
    }
}

/// Checks a backup without restoring it. Its seal and its secrets are tried with the master keys of
/// a file, or with those that the settings name, where there are any.
///
/// # Errors
/// `Misconfigured` for a backup that is not what was once written, keys that can't be read, secrets
/// that no key opens, and a seal that is missing or no key's, unless it is waived.
pub async fn verify(
    settings: &Settings,
    file: &Path,
    key_file: Option<&Path>,
    is_seal_waived: bool,
) -> Result<Verified> {
    let keys = known_keys(settings, key_file)?.map(Arc::new);
    let ids = |keys: &KnownMasterKeys| keys.ids().into_iter().map(str::to_owned).collect();
    let opened_by: Option<Vec<String>> = keys.as_deref().map(ids);
    let tried = Arc::new(Mutex::new(Tried::default()));
    let (noted, openers) = (Arc::clone(&tried), keys.clone());
    let backup = portable::verify(file, move |holder, id, wrapped| {
        let mut tried = noted.lock().unwrap_or_else(PoisonError::into_inner);
        tried.secrets += 1;
        if let Some(keys) = &openers
            && !keys.open(holder, id, wrapped)
        {
            let key = wrapped.master_key_id().unwrap_or_default();
            *tried.closed.entry(key).or_default() += 1;
        }
    })
    .await?;
    let sealed_by = match keys.filter(|_| !is_seal_waived) {
        Some(keys) => {
            let id = keys.require_seal(file, &backup.digest, backup.seal.as_ref())?;
            Some(id.to_owned())
        }
        None => None,
    };
    let tried = tried.lock().unwrap_or_else(PoisonError::into_inner);
    match (&opened_by, tried.closed.iter().next()) {
        (Some(given), Some((needed, _))) => Err(Error::misconfigured(format!(
            "{} of the {} secrets in the backup {} aren't opened by the master key {}: they need \
             the master key {needed}",
            tried.closed.values().sum::<u64>(),
            tried.secrets,
            file.display(),
            given.join(", "),
        ))),
        _ => Ok(Verified {
            backup,
            secrets: tried.secrets,
            opened_by,
            sealed_by,
        }),
    }
}

/// Fills an empty store from a backup that a master key sealed.
///
/// # Errors
/// `Misconfigured` without the key that sealed it, and for a backup that was changed, unless the
/// seal is waived; those of [`portable::restore`].
pub async fn restore(
    settings: &Settings,
    file: &Path,
    key_file: Option<&Path>,
    is_seal_waived: bool,
) -> Result<Vec<TableSum>> {
    let admit = |digest: &str, seal: Option<&Wrapped>| {
        if is_seal_waived {
            return Ok(());
        }
        let keys = known_keys(settings, key_file)?.ok_or_else(|| no_key_for(file, seal))?;
        keys.require_seal(file, digest, seal).map(drop)
    };
    let target = location(settings);
    portable::restore(file, admit, &target, &SystemClock, &SystemRandom).await
}

fn no_key_for(file: &Path, seal: Option<&Wrapped>) -> Error {
    let key = seal.and_then(Wrapped::master_key_id).map_or_else(
        || "that sealed it".to_owned(),
        |id| format!("{id}, which sealed it"),
    );
    Error::misconfigured(format!(
        "the backup {} can't be checked without the master key {key}: put the key where the \
         settings say, or name its file with --master-key-file; --unsealed restores unchecked",
        file.display()
    ))
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
