//! Connections to the file, how long each waits for other processes, and what SQLite's failures
//! mean.

use std::fs;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use crate::domain::Error;

use super::WAIT;

/// How long the service waits for another process to let go of the file: commands hold it for
/// milliseconds, so whoever holds it longer may hold it for minutes, and a group waits for the one
/// before it, too.
const SERVICE_WAIT: Duration = Duration::from_secs(2);
/// How long it waits once it has waited in vain, until a write gets through again.
const LOCKED_WAIT: Duration = Duration::from_millis(50);
/// How often to look whether another process has let go of the file. SQLite's own waiting grows to
/// 100 ms between looks, and then a busy writer's pauses are easily missed.
pub(super) const LOOK_AGAIN: Duration = Duration::from_millis(5);
/// The beginning of the names of databases in memory, which no file's path has.
const IN_MEMORY: &str = "file:/transire-memory-";
/// More than all statements there are.
const STATEMENT_CACHE: usize = 256;

/// How long the writer waits for the file.
#[derive(Default)]
pub(super) struct Patience {
    /// Whether requests wait behind it; behind a command, or a start, nobody does.
    pub(super) serving: AtomicBool,
    /// Whether the last time was in vain.
    pub(super) locked: AtomicBool,
}

impl Patience {
    fn present(&self) -> Duration {
        match (
            self.serving.load(Ordering::Relaxed),
            self.locked.load(Ordering::Relaxed),
        ) {
            (false, _) => WAIT,
            (true, false) => SERVICE_WAIT,
            (true, true) => LOCKED_WAIT,
        }
    }
}

/// Returns the name of a database in memory, by which connections of this process share it while
/// one of them is open (SQLite's `memdb`).
pub(super) fn name_in_memory(number: u64) -> PathBuf {
    format!("{IN_MEMORY}{number}?vfs=memdb").into()
}

fn flags(path: &Path) -> OpenFlags {
    let is_in_memory = path
        .to_str()
        .is_some_and(|path| path.starts_with(IN_MEMORY));
    // One thread at a time uses a connection. A directory may be called `file:`, so a path is no
    // URI.
    if is_in_memory {
        OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI
    } else {
        OpenFlags::SQLITE_OPEN_NO_MUTEX
    }
}

pub(super) fn open_writer(path: &Path, patience: &Arc<Patience>) -> rusqlite::Result<Connection> {
    let mut connection =
        Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE | flags(path))?;
    let patience = Arc::clone(patience);
    wait_when_busy(&mut connection, move || patience.present())?;
    // WAL, so that reading never waits for writing; FULL, so that a commit outlives a power cut.
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    Ok(connection)
}

pub(super) fn open_reader(path: &Path) -> rusqlite::Result<Connection> {
    let mut connection =
        Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY | flags(path))?;
    wait_when_busy(&mut connection, || WAIT)?;
    Ok(connection)
}

pub(super) fn wait_when_busy(
    connection: &mut Connection,
    patience: impl Fn() -> Duration + Send + 'static,
) -> rusqlite::Result<()> {
    connection.set_prepared_statement_cache_capacity(STATEMENT_CACHE);
    // Or a statement is prepared anew whenever other values are bound to it, for a better plan.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    let mut waiting_since = Instant::now();
    connection.busy_handler(Some(move |looks| {
        if looks == 0 {
            waiting_since = Instant::now();
        }
        thread::sleep(LOOK_AGAIN);
        waiting_since.elapsed() < patience()
    }))
}

/// Makes the directory and an empty file that nobody else can read; SQLite's own files beside it
/// take on its mode.
pub(super) fn make_file(directory: &Path, path: &Path) -> std::io::Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)?;
    fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)?;
    // Or a crash could forget the file's name after what is in it was promised to last.
    fs::File::open(directory)?.sync_all()
}

/// Tells whether a file is a database with a schema of ours.
pub(super) fn has_schema(path: &Path) -> rusqlite::Result<bool> {
    open_reader(path)?.table_exists(None, "schema_version")
}

/// A failure of SQLite, which several callers hear of.
pub(super) struct Failure {
    pub(super) unavailable: bool,
    /// Another process has the file.
    pub(super) locked: bool,
    pub(super) cause: String,
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        let unavailable = matches!(
            error.sqlite_error_code(),
            Some(
                ErrorCode::DiskFull
                    | ErrorCode::DatabaseBusy
                    | ErrorCode::DatabaseLocked
                    | ErrorCode::SystemIoFailure
                    | ErrorCode::ReadOnly
                    | ErrorCode::CannotOpen
                    | ErrorCode::OutOfMemory
            )
        );
        let locked = matches!(
            error.sqlite_error_code(),
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked)
        );
        Self {
            unavailable,
            locked,
            cause: error.to_string(),
        }
    }
}

impl Failure {
    pub(super) fn error(&self) -> Error {
        let cause = self.cause.clone();
        if self.unavailable {
            Error::store_unavailable(cause)
        } else {
            Error::internal(cause)
        }
    }
}

pub(super) fn unusable(path: &Path, why: impl std::fmt::Display) -> Error {
    Error::misconfigured(format!(
        "the database {} can't be used: {why}",
        path.display()
    ))
}
