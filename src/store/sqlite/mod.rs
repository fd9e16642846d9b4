//! SQLite, built in: one writer thread that shares each fsync among all who wait, and connections
//! that only read.

mod connection;
mod portable;
mod values;
mod writer;

use std::fmt;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::timeout;

use crate::domain::clock::Timestamp;
use crate::domain::{Error, Result};

use super::audit_chain::Chain;
use super::look::Query;
use super::migrate::{self, Applied, MIGRATIONS, Purpose};
use super::portable::{Batch, Hold, Piece, Table};
use super::row::{Row, Statement};
use super::write::Steps;
use super::{Answer, DatabaseFacts, Driver, Open, no_data};

use connection::{
    Failure, Patience, has_schema, make_file, name_in_memory, open_reader, open_writer, unusable,
};
use values::rows;
use writer::{Job, Task, Writer};

const FILE: &str = "transire.db";
/// How many reads go on at a time; reads of what is in memory take microseconds.
const READERS: usize = 4;
/// How many writes may wait; more means that the disk has stalled.
const QUEUE: usize = 1024;
/// How long to wait for a free place, here or in the file.
const WAIT: Duration = Duration::from_secs(10);

/// Where a database is.
pub(super) enum Place {
    /// In the file `transire.db` of a directory.
    Directory(PathBuf),
    /// In the memory of this process.
    Memory,
}

impl Place {
    /// Returns the name by which connections open the database; each in memory has its own.
    fn path(&self) -> PathBuf {
        static MEMORIES: AtomicU64 = AtomicU64::new(0);
        match self {
            Self::Directory(directory) => directory.join(FILE),
            Self::Memory => name_in_memory(MEMORIES.fetch_add(1, Ordering::Relaxed)),
        }
    }

    /// Returns the mode of the journal that the database must have got.
    fn journal_mode(&self) -> &'static str {
        match self {
            Self::Directory(_) => "wal",
            Self::Memory => "memory",
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory(directory) => directory.display().fmt(f),
            Self::Memory => f.write_str("memory"),
        }
    }
}

/// Tells whether a directory has the database file.
pub(super) fn is_there(directory: &Path) -> bool {
    directory.join(FILE).exists()
}

/// A database file that this process, and perhaps the command line, has open.
pub(super) struct Sqlite {
    writer: mpsc::Sender<Task>,
    readers: Arc<Readers>,
}

impl Sqlite {
    /// Opens the database, making the file and its directory when they are missing, unless it is
    /// for a command.
    pub(super) async fn open(place: Place, purpose: Purpose, now: Timestamp) -> Result<Self> {
        let opening = tokio::task::spawn_blocking(move || Self::open_now(&place, purpose, now));
        opening.await.map_err(Error::internal)?
    }

    fn open_now(place: &Place, purpose: Purpose, now: Timestamp) -> Result<Self> {
        let path = place.path();
        if let Place::Directory(directory) = place {
            find_or_make(directory, &path, purpose)?;
        }
        let patience = Arc::<Patience>::default();
        let mut connection =
            open_writer(&path, &patience).map_err(|error| unopened(&path, error))?;
        if connection
            .pragma_query_value(None, "journal_mode", |row| row.get::<_, String>(0))
            .ok()
            .as_deref()
            != Some(place.journal_mode())
        {
            return Err(unusable(
                &path,
                "its file system can't share memory between processes; use a local disk",
            ));
        }
        bring_up_to_date(&mut connection, purpose, now, &place.to_string())?;
        patience
            .serving
            .store(purpose == Purpose::Open(Open::Serve), Ordering::Relaxed);
        let readers = Arc::new(Readers {
            path: path.clone(),
            idle: Mutex::default(),
            free: Arc::new(Semaphore::new(READERS)),
        });
        let (writer, tasks) = mpsc::channel(QUEUE);
        let writing = Writer {
            path,
            connection: Some(connection),
            patience,
            chain: Chain::begin(),
        };
        thread::Builder::new()
            .name("sqlite-writer".to_owned())
            .spawn(move || writing.run(tasks))
            .map_err(Error::internal)?;
        Ok(Self { writer, readers })
    }

    async fn send(&self, task: Task) -> Result<()> {
        match timeout(WAIT, self.writer.send(task)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(Error::store_unavailable("the SQLite writer has stopped")),
            Err(_) => Err(Error::store_unavailable(
                "too many writes wait for the disk",
            )),
        }
    }

    /// Runs `look` on the writer's own connection, between groups.
    #[cfg(test)]
    pub(super) async fn on_writer<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Connection) -> T + Send + 'static,
    ) -> T {
        let (answer, answered) = oneshot::channel();
        let look = move |connection: &Connection| drop(answer.send(look(connection)));
        self.send(Task::Look(Box::new(look))).await.unwrap();
        answered.await.unwrap()
    }

    /// Returns how many tasks wait for the writer.
    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.writer.max_capacity() - self.writer.capacity()
    }
}

impl Driver for Sqlite {
    fn query_all(&self, queries: Vec<Query>) -> Answer<'_, Vec<Vec<Row>>> {
        Box::pin(async move {
            let free = timeout(WAIT, Arc::clone(&self.readers.free).acquire_owned()).await;
            let permit = free
                .map_err(Error::store_unavailable)?
                .map_err(Error::internal)?;
            let readers = Arc::clone(&self.readers);
            let reading = tokio::task::spawn_blocking(move || {
                let answers = readers.query_all(&queries);
                drop(permit);
                answers
            });
            reading.await.map_err(Error::internal)?
        })
    }

    fn apply(&self, steps: Steps) -> Answer<'_, ()> {
        Box::pin(async move {
            let (answer, answered) = oneshot::channel();
            self.send(Task::Write(Job { steps, answer })).await?;
            answered
                .await
                .map_err(|_| Error::store_unavailable("the SQLite writer has stopped"))?
        })
    }

    fn read_tables<'a>(
        &'a self,
        tables: &'a [Table],
        hold: Hold,
        pieces: mpsc::Sender<Piece>,
    ) -> Answer<'a, ()> {
        let (path, tables) = (self.readers.path.clone(), tables.to_vec());
        Box::pin(async move {
            let reading = tokio::task::spawn_blocking(move || {
                portable::stream(&path, &tables, hold, &pieces)
            });
            reading.await.map_err(Error::internal)?
        })
    }

    fn fill(&self, batch: Batch) -> Answer<'_, ()> {
        let path = self.readers.path.clone();
        Box::pin(async move {
            tokio::task::spawn_blocking(move || portable::insert(&path, &batch))
                .await
                .map_err(Error::internal)?
        })
    }

    fn check(&self) -> Answer<'_, ()> {
        const ANY: Statement = Statement {
            table: "schema_version",
            text: "SELECT number FROM schema_version LIMIT 1",
        };
        Box::pin(async move { self.probe(ANY).await.map(drop) })
    }

    fn facts(&self) -> Answer<'_, DatabaseFacts> {
        const FACTS: Statement = Statement {
            table: "schema_version",
            text: "SELECT sqlite_version() AS version, page_count * page_size AS bytes, NULL AS \
                   now FROM pragma_page_count(), pragma_page_size()",
        };
        Box::pin(async move {
            let rows = self.query(FACTS, Vec::new()).await?;
            DatabaseFacts::of("SQLite", &rows)
        })
    }

    fn probe(&self, statement: Statement) -> Answer<'_, Vec<Row>> {
        Box::pin(async move {
            if self.writer.is_closed() {
                return Err(Error::store_unavailable("the SQLite writer has stopped"));
            }
            self.query(statement, Vec::new()).await
        })
    }
}

/// Connections that only read, opened when first needed.
struct Readers {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
    free: Arc<Semaphore>,
}

/// Makes the database's file in a data directory, or finds it: a command makes none.
fn find_or_make(directory: &Path, path: &Path, purpose: Purpose) -> Result<()> {
    let found = match purpose {
        // A writer would change an empty file, and another program's: WAL is a mode of the file.
        Purpose::Open(Open::Command) => match fs::metadata(path) {
            Ok(_) if has_schema(path).map_err(|error| unopened(path, error))? => Ok(()),
            Ok(_) => return Err(no_data(directory.display())),
            Err(error)
                if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) =>
            {
                return Err(no_data(directory.display()));
            }
            Err(error) => Err(error),
        },
        Purpose::Open(Open::Serve | Open::SetUp) | Purpose::Fill(_) => make_file(directory, path),
    };
    found.map_err(|error| {
        Error::misconfigured(format!(
            "the data directory {} can't be used: {error}",
            directory.display()
        ))
    })
}

fn unopened(path: &Path, error: rusqlite::Error) -> Error {
    let failure = Failure::from(error);
    if failure.unavailable {
        failure.error()
    } else {
        unusable(path, failure.cause)
    }
}

impl Readers {
    fn query_all(&self, queries: &[Query]) -> Result<Vec<Vec<Row>>> {
        let idle = self
            .idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop();
        let answer = idle
            .map_or_else(|| open_reader(&self.path), Ok)
            .and_then(|connection| {
                let answers = queries
                    .iter()
                    .map(|query| rows(&connection, query.statement, &query.parameters))
                    .collect();
                self.idle
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(connection);
                answers
            });
        answer.map_err(|error| Failure::from(error).error())
    }
}

/// Takes the steps of the schema that are missing, in one transaction.
fn bring_up_to_date(
    connection: &mut Connection,
    purpose: Purpose,
    now: Timestamp,
    place: &str,
) -> Result<()> {
    let failed = |error: rusqlite::Error| Failure::from(error).error();
    let script = |step: &migrate::Migration| step.sqlite;
    // Mostly there is nothing to do, and then nobody has to wait for the file.
    if connection
        .table_exists(None, "schema_version")
        .map_err(failed)?
        && migrate::pending(
            MIGRATIONS,
            script,
            &applied(connection).map_err(failed)?,
            purpose,
            place,
        )?
        .is_empty()
    {
        return Ok(());
    }
    let transaction = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(failed)?;
    transaction
        .execute_batch(migrate::CREATE_VERSION)
        .map_err(failed)?;
    for step in migrate::pending(
        MIGRATIONS,
        script,
        &applied(&transaction).map_err(failed)?,
        purpose,
        place,
    )? {
        transaction.execute_batch(step.sqlite).map_err(failed)?;
        let parameters = (
            step.number,
            step.name,
            migrate::checksum(step.sqlite),
            now.unix_millis(),
        );
        transaction
            .execute(migrate::ADD_VERSION, parameters)
            .map_err(failed)?;
    }
    transaction.commit().map_err(failed)
}

fn applied(connection: &Connection) -> rusqlite::Result<Vec<Applied>> {
    let mut statement = connection.prepare(migrate::READ_VERSION)?;
    let rows = statement.query_map((), |row| {
        Ok(Applied {
            number: row.get(0)?,
            name: row.get(1)?,
            checksum: row.get(2)?,
        })
    })?;
    rows.collect()
}

/// Prepares a statement and says how many parameters it has.
#[cfg(test)]
pub(super) fn prepare(connection: &Connection, statement: Statement) -> rusqlite::Result<usize> {
    connection
        .prepare(statement.text)
        .map(|prepared| prepared.parameter_count())
}
