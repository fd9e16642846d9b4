//! SQLite, built in: one writer thread that shares each fsync among all who wait, and connections that only read.

mod portable;

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{CachedStatement, Connection, ErrorCode, OpenFlags, TransactionBehavior};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::timeout;

use crate::domain::clock::Timestamp;
use crate::domain::{Error, Result};

use super::migrate::{self, Applied, MIGRATIONS, Purpose};
use super::part::Guarded;
use super::portable::{Batch, Hold, Piece, Table};
use super::row::{Row, Statement, Value};
use super::write::Steps;
use super::{Answer, Driver, Open, no_data};

const FILE: &str = "transire.db";
/// How many reads go on at a time; reads of what is in memory take microseconds.
const READERS: usize = 4;
/// How many writes may wait; more means that the disk has stalled.
const QUEUE: usize = 1024;
/// How many writes share one fsync at most, so that none waits long for the others.
const GROUP: usize = 256;
/// How long to wait for a free place, here or in the file.
const WAIT: Duration = Duration::from_secs(10);
/// How long the service waits for another process to let go of the file: commands hold it for milliseconds, so whoever
/// holds it longer may hold it for minutes, and a group waits for the one before it, too.
const SERVICE_WAIT: Duration = Duration::from_secs(2);
/// How long it waits once it has waited in vain, until a write gets through again.
const LOCKED_WAIT: Duration = Duration::from_millis(50);
/// How often to look whether another process has let go of the file. SQLite's own waiting grows to
/// 100 ms between looks, and then a busy writer's pauses are easily missed.
const LOOK_AGAIN: Duration = Duration::from_millis(5);
/// Between two groups, for another process to get in.
const PAUSE: Duration = Duration::from_millis(2);
/// More than all statements there are.
const STATEMENT_CACHE: usize = 256;

/// A database file that this process, and perhaps the command line, has open.
pub(super) struct Sqlite {
    writer: mpsc::Sender<Task>,
    readers: Arc<Readers>,
}

impl Sqlite {
    /// Opens `directory/transire.db`, making both when they are missing, unless it is for a command.
    pub(super) async fn open(directory: PathBuf, purpose: Purpose, now: Timestamp) -> Result<Self> {
        let opening = tokio::task::spawn_blocking(move || Self::open_now(&directory, purpose, now));
        opening.await.map_err(Error::internal)?
    }

    fn open_now(directory: &Path, purpose: Purpose, now: Timestamp) -> Result<Self> {
        let path = directory.join(FILE);
        let unopened = |error: rusqlite::Error| {
            let failure = Failure::from(error);
            if failure.unavailable { failure.error() } else { unusable(&path, failure.cause) }
        };
        let found = match purpose {
            // A writer would change an empty file, and another program's: WAL is a mode of the file.
            Purpose::Open(Open::Command) => match fs::metadata(&path) {
                Ok(_) if has_schema(&path).map_err(unopened)? => Ok(()),
                Ok(_) => return Err(no_data(directory.display())),
                Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                    return Err(no_data(directory.display()));
                }
                Err(error) => Err(error),
            },
            Purpose::Open(Open::Serve | Open::SetUp) | Purpose::Fill(_) => make_file(directory, &path),
        };
        found.map_err(|error| Error::misconfigured(format!("the data directory {} can't be used: {error}", directory.display())))?;
        let patience = Arc::<Patience>::default();
        let mut connection = open_writer(&path, &patience).map_err(unopened)?;
        if connection.pragma_query_value(None, "journal_mode", |row| row.get::<_, String>(0)).ok().as_deref() != Some("wal") {
            return Err(unusable(&path, "its file system can't share memory between processes; use a local disk"));
        }
        bring_up_to_date(&mut connection, purpose, now, &directory.display().to_string())?;
        patience.serving.store(purpose == Purpose::Open(Open::Serve), Ordering::Relaxed);
        let readers = Arc::new(Readers { path: path.clone(), idle: Mutex::default(), free: Arc::new(Semaphore::new(READERS)) });
        let (writer, tasks) = mpsc::channel(QUEUE);
        let writing = Writer { path, connection: Some(connection), patience };
        thread::Builder::new().name("sqlite-writer".to_owned()).spawn(move || writing.run(tasks)).map_err(Error::internal)?;
        Ok(Self { writer, readers })
    }

    async fn send(&self, task: Task) -> Result<()> {
        match timeout(WAIT, self.writer.send(task)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(Error::store_unavailable("the SQLite writer has stopped")),
            Err(_) => Err(Error::store_unavailable("too many writes wait for the disk")),
        }
    }

    /// Runs `look` on the writer's own connection, between groups.
    #[cfg(test)]
    pub(super) async fn on_writer<T: Send + 'static>(&self, look: impl FnOnce(&Connection) -> T + Send + 'static) -> T {
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
    fn query(&self, statement: Statement, parameters: Vec<Value>) -> Answer<'_, Vec<Row>> {
        Box::pin(async move {
            let free = timeout(WAIT, Arc::clone(&self.readers.free).acquire_owned()).await;
            let permit = free.map_err(Error::store_unavailable)?.map_err(Error::internal)?;
            let readers = Arc::clone(&self.readers);
            let reading = tokio::task::spawn_blocking(move || {
                let rows = readers.query(statement, &parameters);
                drop(permit);
                rows
            });
            reading.await.map_err(Error::internal)?
        })
    }

    fn apply(&self, steps: Steps) -> Answer<'_, ()> {
        Box::pin(async move {
            let (answer, answered) = oneshot::channel();
            self.send(Task::Write(Job { steps, answer })).await?;
            answered.await.map_err(|_| Error::store_unavailable("the SQLite writer has stopped"))?
        })
    }

    fn read_tables<'a>(&'a self, tables: &'a [Table], hold: Hold, pieces: mpsc::Sender<Piece>) -> Answer<'a, ()> {
        let (path, tables) = (self.readers.path.clone(), tables.to_vec());
        Box::pin(async move {
            let reading = tokio::task::spawn_blocking(move || portable::stream(&path, &tables, hold, &pieces));
            reading.await.map_err(Error::internal)?
        })
    }

    fn fill(&self, batch: Batch) -> Answer<'_, ()> {
        let path = self.readers.path.clone();
        Box::pin(async move { tokio::task::spawn_blocking(move || portable::insert(&path, &batch)).await.map_err(Error::internal)? })
    }

    fn check(&self) -> Answer<'_, ()> {
        const ANY: Statement = Statement { table: "schema_version", text: "SELECT number FROM schema_version LIMIT 1" };
        Box::pin(async move { self.probe(ANY).await.map(drop) })
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

impl Readers {
    fn query(&self, statement: Statement, parameters: &[Value]) -> Result<Vec<Row>> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let answer = idle.map_or_else(|| open_reader(&self.path), Ok).and_then(|connection| {
            let rows = rows(&connection, statement, parameters);
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
            rows
        });
        answer.map_err(|error| Failure::from(error).error())
    }
}

fn rows(connection: &Connection, statement: Statement, parameters: &[Value]) -> rusqlite::Result<Vec<Row>> {
    let mut prepared = bound(connection, statement, parameters)?;
    let columns: Arc<[String]> = prepared.column_names().map(str::to_owned).collect();
    let mut cursor = prepared.raw_query();
    let mut rows = Vec::new();
    while let Some(row) = cursor.next()? {
        let values = (0..columns.len()).map(|index| row.get_ref(index).map(value)).collect::<rusqlite::Result<_>>()?;
        rows.push(Row::new(statement.table, Arc::clone(&columns), values));
    }
    Ok(rows)
}

fn value(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => Value::Integer(number),
        // The tables are strict, so no float is in them; should one be, the row's reader says where.
        ValueRef::Real(float) => Value::Text(float.to_string()),
        ValueRef::Text(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => Value::Text(text.to_owned()),
            Err(_) => Value::Bytes(bytes.to_vec()),
        },
        ValueRef::Blob(bytes) => Value::Bytes(bytes.to_vec()),
    }
}

impl rusqlite::ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Integer(number) => ValueRef::Integer(*number),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Bytes(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

/// Prepares a statement, or takes it from the cache, and binds its parameters.
fn bound<'c>(connection: &'c Connection, statement: Statement, parameters: &[Value]) -> rusqlite::Result<CachedStatement<'c>> {
    let mut prepared = connection.prepare_cached(statement.text)?;
    let expected = prepared.parameter_count();
    if expected != parameters.len() {
        return Err(rusqlite::Error::InvalidParameterCount(parameters.len(), expected));
    }
    for (number, parameter) in parameters.iter().enumerate() {
        // To SQLite `$1` is a name, and its place is where the text has it first.
        prepared.raw_bind_parameter(format!("${}", number + 1).as_str(), parameter)?;
    }
    Ok(prepared)
}

enum Task {
    Write(Job),
    #[cfg(test)]
    Look(Box<dyn FnOnce(&Connection) + Send>),
}

struct Job {
    steps: Steps,
    answer: oneshot::Sender<Result<()>>,
}

/// The one connection of this process that writes.
struct Writer {
    path: PathBuf,
    /// `None` when it had to be given up and could not be opened again yet.
    connection: Option<Connection>,
    patience: Arc<Patience>,
}

/// How long the writer waits for the file.
#[derive(Default)]
struct Patience {
    /// Whether requests wait behind it; behind a command, or a start, nobody does.
    serving: AtomicBool,
    /// Whether the last time was in vain.
    locked: AtomicBool,
}

impl Patience {
    fn present(&self) -> Duration {
        match (self.serving.load(Ordering::Relaxed), self.locked.load(Ordering::Relaxed)) {
            (false, _) => WAIT,
            (true, false) => SERVICE_WAIT,
            (true, true) => LOCKED_WAIT,
        }
    }
}

impl Writer {
    /// Works until nobody can send any more.
    fn run(mut self, mut tasks: mpsc::Receiver<Task>) {
        while let Some(task) = tasks.blocking_recv() {
            let mut group = Vec::new();
            let mut next = Some(task);
            while let Some(task) = next {
                match task {
                    // Who no longer waits was told that it failed: then it should, if it still can.
                    Task::Write(job) if job.answer.is_closed() => {}
                    Task::Write(job) => group.push(job),
                    #[cfg(test)]
                    Task::Look(look) => look(self.connection.as_ref().unwrap()),
                }
                next = if group.len() < GROUP { tasks.try_recv().ok() } else { None };
            }
            if !group.is_empty() {
                self.write(group);
            }
            if !tasks.is_empty() {
                thread::sleep(PAUSE);
            }
        }
    }

    /// Writes a group, and answers everyone in it once it is durable or given up.
    fn write(&mut self, group: Vec<Job>) {
        match self.write_group(&group) {
            Ok(outcomes) => {
                for (job, outcome) in group.into_iter().zip(outcomes) {
                    // Who no longer listens has gone away; the write stands.
                    drop(job.answer.send(outcome));
                }
            }
            Err(failure) => {
                for job in group {
                    drop(job.answer.send(Err(failure.error())));
                }
            }
        }
    }

    fn write_group(&mut self, group: &[Job]) -> Result<Vec<Result<()>>, Failure> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => open_writer(&self.path, &self.patience)?,
        };
        let outcome = commit_group(&connection, group);
        let locked = matches!(&outcome, Err(GroupFailed::RolledBack(failure) | GroupFailed::InDoubt(failure)) if failure.locked);
        self.patience.locked.store(locked, Ordering::Relaxed);
        // Nothing that a connection believes about the file can be trusted after a COMMIT failed half-way.
        // Closing it rolls back what is open, and the next group opens another.
        if !matches!(outcome, Err(GroupFailed::InDoubt(_))) {
            self.connection = Some(connection);
        }
        outcome.map_err(|failed| match failed {
            GroupFailed::RolledBack(failure) | GroupFailed::InDoubt(failure) => failure,
        })
    }
}

/// Why a whole group failed.
enum GroupFailed {
    /// Nothing of it was applied, and the connection is as before.
    RolledBack(Failure),
    /// The connection is not to be used again.
    InDoubt(Failure),
}

impl From<rusqlite::Error> for GroupFailed {
    fn from(error: rusqlite::Error) -> Self {
        Self::InDoubt(error.into())
    }
}

/// Applies each write of a group in its own savepoint and commits once. The outcomes are for the callers
/// only now: even a refusal may rest on what another write of the group did.
fn commit_group(connection: &Connection, group: &[Job]) -> Result<Vec<Result<()>>, GroupFailed> {
    run(connection, "BEGIN IMMEDIATE").map_err(|error| GroupFailed::RolledBack(error.into()))?;
    let mut outcomes = Vec::with_capacity(group.len());
    for job in group {
        run(connection, "SAVEPOINT one_write")?;
        let outcome = attempt(connection, &job.steps);
        if connection.is_autocommit() {
            // A full disk takes back the whole transaction, savepoints and all. Whatever came next would
            // be committed by itself, piece by piece.
            return Err(GroupFailed::RolledBack(match outcome {
                Err(Stop::Failed(failure)) => failure,
                Err(Stop::Refused(_)) | Ok(()) => {
                    Failure { unavailable: false, locked: false, cause: "the transaction ended by itself".to_owned() }
                }
            }));
        }
        if outcome.is_err() {
            run(connection, "ROLLBACK TO one_write")?;
        }
        run(connection, "RELEASE one_write")?;
        outcomes.push(outcome.map_err(|stop| match stop {
            Stop::Refused(error) => error,
            Stop::Failed(failure) => failure.error(),
        }));
    }
    run(connection, "COMMIT")?;
    Ok(outcomes)
}

fn run(connection: &Connection, text: &str) -> rusqlite::Result<()> {
    connection.prepare_cached(text)?.raw_execute().map(drop)
}

/// Why one write stopped.
enum Stop {
    /// A guard refused.
    Refused(Error),
    /// SQLite failed.
    Failed(Failure),
}

fn attempt(connection: &Connection, steps: &Steps) -> Result<(), Stop> {
    if step(connection, &steps.operation)? == 0 {
        return Ok(());
    }
    for guarded in &steps.rest {
        let count = step(connection, guarded)?;
        guarded.check(count).map_err(Stop::Refused)?;
    }
    Ok(())
}

/// Runs one statement and returns how many rows it touched, or found when it only reads.
fn step(connection: &Connection, guarded: &Guarded) -> Result<u64, Stop> {
    let result = bound(connection, guarded.statement, &guarded.parameters).and_then(|mut prepared| {
        if prepared.column_count() == 0 {
            return prepared.raw_execute().map(|count| count as u64);
        }
        let mut cursor = prepared.raw_query();
        let mut count = 0;
        while cursor.next()?.is_some() {
            count += 1;
        }
        Ok(count)
    });
    result.map_err(|error| if is_taken(&error) { Stop::Refused(guarded.refusal()) } else { Stop::Failed(error.into()) })
}

fn is_taken(error: &rusqlite::Error) -> bool {
    use rusqlite::ffi::{SQLITE_CONSTRAINT_PRIMARYKEY, SQLITE_CONSTRAINT_UNIQUE};
    let code = error.sqlite_error().map(|error| error.extended_code);
    matches!(code, Some(SQLITE_CONSTRAINT_PRIMARYKEY | SQLITE_CONSTRAINT_UNIQUE))
}

/// What SQLite said, to be told to several callers.
struct Failure {
    unavailable: bool,
    /// Another process has the file.
    locked: bool,
    cause: String,
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
        let locked = matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked));
        Self { unavailable, locked, cause: error.to_string() }
    }
}

impl Failure {
    fn error(&self) -> Error {
        let cause = self.cause.clone();
        if self.unavailable { Error::store_unavailable(cause) } else { Error::internal(cause) }
    }
}

/// Makes the directory and an empty file that nobody else can read; SQLite's own files beside it take on its mode.
fn make_file(directory: &Path, path: &Path) -> std::io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    fs::OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)?;
    // Or a crash could forget the file's name after what is in it was promised to last.
    fs::File::open(directory)?.sync_all()
}

/// Tells whether a file is a database with a schema of ours.
fn has_schema(path: &Path) -> rusqlite::Result<bool> {
    open_reader(path)?.table_exists(None, "schema_version")
}

fn unusable(path: &Path, why: impl std::fmt::Display) -> Error {
    Error::misconfigured(format!("the database {} can't be used: {why}", path.display()))
}

fn open_writer(path: &Path, patience: &Arc<Patience>) -> rusqlite::Result<Connection> {
    let mut connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    let patience = Arc::clone(patience);
    wait_when_busy(&mut connection, move || patience.present())?;
    // WAL, so that reading never waits for writing; FULL, so that a commit outlives a power cut.
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    Ok(connection)
}

fn open_reader(path: &Path) -> rusqlite::Result<Connection> {
    let mut connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    wait_when_busy(&mut connection, || WAIT)?;
    Ok(connection)
}

fn wait_when_busy(connection: &mut Connection, patience: impl Fn() -> Duration + Send + 'static) -> rusqlite::Result<()> {
    connection.set_prepared_statement_cache_capacity(STATEMENT_CACHE);
    let mut waiting_since = Instant::now();
    connection.busy_handler(Some(move |looks| {
        if looks == 0 {
            waiting_since = Instant::now();
        }
        thread::sleep(LOOK_AGAIN);
        waiting_since.elapsed() < patience()
    }))
}

/// Takes the steps of the schema that are missing, in one transaction.
fn bring_up_to_date(connection: &mut Connection, purpose: Purpose, now: Timestamp, place: &str) -> Result<()> {
    let failed = |error: rusqlite::Error| Failure::from(error).error();
    let script = |step: &migrate::Migration| step.sqlite;
    // Mostly there is nothing to do, and then nobody has to wait for the file.
    if connection.table_exists(None, "schema_version").map_err(failed)?
        && migrate::pending(MIGRATIONS, script, &applied(connection).map_err(failed)?, purpose, place)?.is_empty()
    {
        return Ok(());
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
    transaction.execute_batch(migrate::CREATE_VERSION).map_err(failed)?;
    for step in migrate::pending(MIGRATIONS, script, &applied(&transaction).map_err(failed)?, purpose, place)? {
        transaction.execute_batch(step.sqlite).map_err(failed)?;
        let parameters = (step.number, step.name, migrate::checksum(step.sqlite), now.unix_millis());
        transaction.execute(migrate::ADD_VERSION, parameters).map_err(failed)?;
    }
    transaction.commit().map_err(failed)
}

fn applied(connection: &Connection) -> rusqlite::Result<Vec<Applied>> {
    let mut statement = connection.prepare(migrate::READ_VERSION)?;
    let rows = statement.query_map((), |row| Ok(Applied { number: row.get(0)?, name: row.get(1)?, checksum: row.get(2)? }))?;
    rows.collect()
}

/// Prepares a statement and says how many parameters it has.
#[cfg(test)]
pub(super) fn prepare(connection: &Connection, statement: Statement) -> rusqlite::Result<usize> {
    connection.prepare(statement.text).map(|prepared| prepared.parameter_count())
}
