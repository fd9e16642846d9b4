//! PostgreSQL, or a database that speaks its protocol: no advisory locks, no serials, no wait without an end.

mod connect;
mod portable;
mod schema;
mod tls;

use std::error::Error as StdError;
use std::future::{Future, poll_fn};
use std::io;
use std::ops::{Deref, DerefMut};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};
use std::task::Poll;
use std::time::Duration;

use deadpool::Runtime;
use deadpool::managed::{self, Manager, PoolError};
use deadpool_postgres::{ClientWrapper, Transaction};
use tokio::sync::{Mutex, watch};
use tokio::time::{Instant, sleep, timeout};
use tokio_postgres::IsolationLevel;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};

use crate::domain::clock::{Clock, Random};
use crate::domain::secret::Secret;
use crate::domain::{Error, ErrorKind, Result};

use super::migrate::{MIGRATIONS, Migration, Purpose};
use super::part::Guarded;
use super::portable::{Batch, Hold, Piece, Table};
use super::row::{Row, Statement, Value};
use super::write::Steps;
use super::{Answer, Driver, Open, mpsc};

pub(super) use connect::place;
use connect::{Announced, IDLE_TIMEOUT, LOCK_TIMEOUT, Servers, Unreachable};
pub use connect::{Isolation, PostgresOptions, Statements};

type Pool = managed::Pool<Servers>;
type Object = managed::Object<Servers>;

/// How long one try of a read or a write may take beyond what the server may take for a statement.
const TRIP: Duration = Duration::from_secs(3);
/// How long a write may take with all its tries.
const TRIES: Duration = Duration::from_secs(20);
/// How often a read or a write is tried on a connection that breaks.
const ATTEMPTS: u32 = 10;
/// The longest pause before a write is tried again.
const LONGEST_PAUSE: Duration = Duration::from_millis(500);
/// How often a server that does not answer is asked at the start, and how often the log hears of it.
const ASK_AGAIN: Duration = Duration::from_secs(1);
const REPORT: Duration = Duration::from_secs(5);

/// What replicas hear when the change feed grew, and how they ask to hear it.
const LISTEN: &str = "LISTEN transire_change";
/// Tells them. In a transaction of its own, after the write's: a database that doesn't know NOTIFY would fail the write
/// by it, and PostgreSQL lets commits with a notification in them through one at a time. It is nothing that a disk or
/// a standby must have before the write is acknowledged.
const NOTIFY: &str = "BEGIN; SET LOCAL synchronous_commit = off; NOTIFY transire_change; COMMIT";
/// How long a write that is done waits for that; whoever polls hears of it anyway.
const NOTIFYING: Duration = Duration::from_millis(200);

/// A PostgreSQL database, reached through a pool of connections.
pub(super) struct Postgres {
    pool: Pool,
    options: PostgresOptions,
    /// The connection that probes and listens, while nobody uses it.
    lookout: std::sync::Mutex<Option<Lookout>>,
    announced: Announced,
    /// Whether the database knows LISTEN and NOTIFY, as far as was found out, and the settings want them.
    notifies: AtomicBool,
    /// How often the database came back: what was asked before may never be answered.
    renewals: watch::Sender<u64>,
    /// Whose turn it is to write, where only one at a time gets through anyway.
    turn: Mutex<()>,
}

/// Lifts the bound for statements: a COMMIT that waits for a synchronous standby must not be cut short, or the
/// server reports success for what only it has.
const WITHOUT_TIMEOUT: &str = "SET LOCAL statement_timeout = 0";
/// Lifts all bounds: for what copies everything, and may wait in between for whoever takes it.
const WITHOUT_BOUNDS: &str = "SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0";

/// A statement that is sent when it is first polled; its answer is how many rows it touched or found.
type Sent<'s> = Pin<Box<dyn Future<Output = Result<u64, tokio_postgres::Error>> + Send + 's>>;
type Cause = Box<dyn StdError + Send + Sync>;

impl Postgres {
    /// Connects to `url` and brings the schema up to date.
    pub(super) async fn open(
        url: &Secret,
        options: &PostgresOptions,
        purpose: Purpose,
        clock: &dyn Clock,
        random: &dyn Random,
    ) -> Result<Self> {
        Self::open_with(MIGRATIONS, url, options, purpose, clock, random).await
    }

    /// As [`Self::open`], with the steps of the schema that a release knew.
    pub(super) async fn open_with(
        known: &'static [Migration],
        url: &Secret,
        options: &PostgresOptions,
        purpose: Purpose,
        clock: &dyn Clock,
        random: &dyn Random,
    ) -> Result<Self> {
        let announced = Announced::default();
        let servers = Servers::new(url, options, &announced)?;
        let patience = servers.patience();
        let pool = Pool::builder(servers)
            .max_size(options.connections.max(1))
            .runtime(Runtime::Tokio1)
            .wait_timeout(Some(patience))
            .create_timeout(Some(patience))
            .recycle_timeout(Some(patience))
            .build()
            .map_err(Error::internal)?;
        // A pooler that gives each transaction another session gives the notifications to whoever comes next.
        let notifies = AtomicBool::new(options.notify && options.statements == Statements::Prepared);
        let (options, lookout) = (options.clone(), std::sync::Mutex::default());
        let renewals = watch::Sender::new(0);
        let postgres = Self { pool, options, lookout, announced, notifies, renewals, turn: Mutex::default() };
        let place = place(url);
        let begun = Instant::now();
        let mut reported = None::<Instant>;
        loop {
            let error = match postgres.set_up(known, purpose, &place, clock, random).await {
                Ok(()) => return Ok(postgres),
                Err(error) => error,
            };
            let waits = purpose == Purpose::Open(Open::Serve) && error.kind() == &ErrorKind::StoreUnavailable;
            let start_timeout = postgres.options.start_timeout;
            if !waits || begun.elapsed() + ASK_AGAIN > start_timeout {
                return Err(error);
            }
            if reported.is_none_or(|at| at.elapsed() >= REPORT) {
                reported = Some(Instant::now());
                tracing::warn!(
                    cause = error.cause().unwrap_or_default(),
                    "waiting for the database: {} s of {} s",
                    begun.elapsed().as_secs(),
                    start_timeout.as_secs()
                );
            }
            sleep(ASK_AGAIN).await;
        }
    }

    async fn set_up(
        &self,
        known: &'static [Migration],
        purpose: Purpose,
        place: &str,
        clock: &dyn Clock,
        random: &dyn Random,
    ) -> Result<()> {
        let mut client = self.pool.get().await.map_err(unreachable)?;
        schema::bring_up_to_date(&mut client, known, purpose, place, clock, random).await
    }

    async fn lease(&self) -> Result<Lease, PoolError<Unreachable>> {
        self.pool.get().await.map(|client| Lease(Some(client)))
    }

    /// Tells the other replicas that the change feed grew. That it can't be told is nothing to fail by.
    async fn notify(&self, client: Lease, steps: &Steps) {
        if !steps.announces || !self.notifies.load(Ordering::Relaxed) {
            return client.give_back();
        }
        match timeout(NOTIFYING, client.batch_execute(NOTIFY)).await {
            Ok(Ok(())) => client.give_back(),
            // The connection may still be in that transaction; it is not used again.
            Ok(Err(error)) => self.note_refusal(&error),
            Err(_) => tracing::debug!("no answer to NOTIFY"),
        }
    }

    /// Gives LISTEN and NOTIFY up where the database says that it doesn't know them.
    fn note_refusal(&self, error: &tokio_postgres::Error) {
        if error.code().is_some_and(is_unknown) && self.notifies.swap(false, Ordering::Relaxed) {
            tracing::info!("the database has no LISTEN and NOTIFY: changes are looked for, and not announced ({error})");
        }
    }

    /// Reads on the connection that is kept for it, or on another when that one hangs or is gone.
    async fn look(&self, statement: Statement) -> Result<Vec<Row>> {
        let kept = self.lookout.lock().unwrap_or_else(PoisonError::into_inner).take();
        let mut lookout = match kept.filter(|lookout| !lookout.client.is_closed()) {
            Some(lookout) => lookout,
            // Not one of the pool's: all of those may be busy, or hang.
            None => Lookout { client: self.pool.manager().create().await.map_err(Error::store_unavailable)?, listens: false },
        };
        // Again each time, until it is heard or known not to be.
        if !lookout.listens && self.notifies.load(Ordering::Relaxed) {
            match lookout.client.batch_execute(LISTEN).await {
                Ok(()) => lookout.listens = true,
                Err(error) => self.note_refusal(&error),
            }
        }
        let rows = lookout.client.query_typed(statement.text, &[]).await.map_err(failure)?;
        // Had the caller given up, or the read failed, the connection would be gone with it.
        *self.lookout.lock().unwrap_or_else(PoisonError::into_inner) = Some(lookout);
        converted(statement, &rows)
    }

    /// Waits for one try, unless it takes too long, or the database was away meanwhile: a connection from before may be
    /// silent for ever, and would keep its place in the pool.
    async fn in_time<T>(&self, attempt: impl Future<Output = T>) -> Result<T, Cause> {
        let mut renewals = self.renewals.subscribe();
        tokio::select! {
            biased;
            done = timeout(self.options.statement_timeout + TRIP, attempt) => done.map_err(Cause::from),
            Ok(()) = renewals.changed() => Err("the database was away meanwhile".into()),
        }
    }

    async fn read(&self, statement: Statement, parameters: &[Value]) -> Result<Vec<Row>> {
        let mut attempt = 0;
        loop {
            let client = self.lease().await.map_err(no_connection)?;
            let error = match self.in_time(self.select(&client, statement, parameters)).await {
                Ok(Ok(rows)) => {
                    client.give_back();
                    return converted(statement, &rows);
                }
                Ok(Err(error)) => error,
                Err(late) => return Err(Error::store_unavailable(late)),
            };
            attempt += 1;
            if is_lost(&error) {
                drop(client);
            } else {
                client.give_back();
            }
            if is_lost(&error) && attempt == 1 {
                // The server was started anew since this connection was last used.
            } else if is_conflict(&error) && attempt < ATTEMPTS {
                sleep(pause(attempt, statement.text)).await;
            } else {
                return Err(failure(error));
            }
        }
    }

    async fn select(
        &self,
        client: &Lease,
        statement: Statement,
        parameters: &[Value],
    ) -> Result<Vec<tokio_postgres::Row>, tokio_postgres::Error> {
        match self.options.statements {
            Statements::Prepared => {
                let prepared = client.prepare_cached(statement.text).await?;
                client.query(&prepared, &borrowed(parameters)).await
            }
            Statements::Unnamed => client.query_typed(statement.text, &typed(parameters)).await,
        }
    }

    async fn write(&self, steps: &Steps) -> Result<()> {
        let mut in_doubt = false;
        // The id of the operation is random, and keeps those who were in each other's way apart.
        let name = format!("{:?}", steps.operation.parameters.first());
        let (mut attempt, mut broken) = (0, 0);
        loop {
            // The guards are written for READ COMMITTED, and hold the rows that they rest on; at a stricter level
            // each write that waits for the change counter fails and starts again. So there the writes of one
            // process take turns, and only those of different replicas meet.
            let turn = match self.options.isolation {
                Isolation::Serializable if steps.announces => Some(self.turn.lock().await),
                Isolation::Serializable | Isolation::ReadCommitted => None,
            };
            let last: Cause = match self.lease().await {
                Ok(mut client) => match self.in_time(self.transact(&mut client, steps)).await {
                    Ok(Ok(())) => {
                        // It is done: whoever is next need not wait for the telling.
                        drop(turn);
                        self.notify(client, steps).await;
                        return Ok(());
                    }
                    Ok(Err(Stop::Refused(error))) => {
                        client.give_back();
                        return Err(error);
                    }
                    // As often as the time allows: at the strictest level it is the answer to any crowd.
                    Ok(Err(Stop::Conflict)) => {
                        client.give_back();
                        drop(turn);
                        attempt += 1;
                        sleep(pause(attempt, &name)).await;
                        continue;
                    }
                    // This server is the primary no more; a new connection looks for who is.
                    Ok(Err(Stop::ReadOnly(error))) => error.into(),
                    // Perhaps it was applied. The next try's first statement says so, and if the server is
                    // still at that commit, it waits there until it is decided.
                    Ok(Err(Stop::Lost(error))) => {
                        in_doubt = true;
                        error.into()
                    }
                    Err(late) => {
                        in_doubt = true;
                        late
                    }
                },
                Err(error) if in_doubt => error.into(),
                Err(error) => return Err(no_connection(error)),
            };
            drop(turn);
            broken += 1;
            if broken == ATTEMPTS {
                return Err(Error::store_unavailable(last));
            }
            attempt += 1;
            sleep(pause(attempt, &name)).await;
        }
    }

    /// Tries a write: one trip to begin, one for all statements, one to commit.
    async fn transact(&self, client: &mut Lease, steps: &Steps) -> Result<(), Stop> {
        // Begun before the rest is sent: if beginning failed, the statements would be committed one by one.
        let transaction = self.begin(client).await?;
        let mut sends: Vec<Sent<'_>> = Vec::with_capacity(steps.rest.len() + 3);
        if let Some(limits) = self.limits() {
            let transaction = &transaction;
            sends.push(Box::pin(async move { transaction.batch_execute(&limits).await.map(|()| 0) }));
        }
        let before = sends.len();
        for guarded in std::iter::once(&steps.operation).chain(&steps.rest) {
            sends.push(self.send(&transaction, guarded).await?);
        }
        sends.push(Box::pin(async { transaction.batch_execute(WITHOUT_TIMEOUT).await.map(|()| 0) }));
        let mut counts = in_order(sends).await.into_iter();
        for limits in counts.by_ref().take(before) {
            limits?;
        }
        // Dropping a transaction rolls it back.
        if counts.next().transpose()?.is_none_or(|count| count == 0) {
            return Ok(());
        }
        for guarded in &steps.rest {
            match counts.next() {
                Some(Ok(count)) => guarded.check(count).map_err(Stop::Refused)?,
                Some(Err(error)) if error.code() == Some(&SqlState::UNIQUE_VIOLATION) => return Err(Stop::Refused(guarded.refusal())),
                Some(Err(error)) => return Err(error.into()),
                None => return Err(Stop::Refused(Error::internal("a statement has no answer"))),
            }
        }
        for lifted in counts {
            lifted?;
        }
        transaction.commit().await.map_err(Stop::from)
    }

    /// Begins a transaction at the level that the settings ask for.
    async fn begin<'c>(&self, client: &'c mut Lease) -> Result<Transaction<'c>, tokio_postgres::Error> {
        let level = match self.options.isolation {
            Isolation::ReadCommitted => IsolationLevel::ReadCommitted,
            Isolation::Serializable => IsolationLevel::Serializable,
        };
        client.build_transaction().isolation_level(level).start().await
    }

    /// Returns what bounds a transaction whose session was told nothing.
    fn limits(&self) -> Option<String> {
        let timeout = self.options.statement_timeout.as_millis();
        (self.options.statements == Statements::Unnamed).then(|| {
            format!("SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'; SET LOCAL {IDLE_TIMEOUT}; SET LOCAL statement_timeout = {timeout}")
        })
    }

    /// Makes a statement ready to be sent; the answer is how many rows it touched or found.
    async fn send<'s>(&self, transaction: &'s Transaction<'_>, guarded: &'s Guarded) -> Result<Sent<'s>, tokio_postgres::Error> {
        let text = guarded.statement.text;
        Ok(match self.options.statements {
            Statements::Prepared => {
                let prepared = transaction.prepare_cached(text).await?;
                Box::pin(async move { transaction.execute_raw(&prepared, &guarded.parameters).await })
            }
            Statements::Unnamed => Box::pin(async move { transaction.execute_typed(text, &typed(&guarded.parameters)).await }),
        })
    }

    /// Prepares a statement and says how many parameters it has.
    #[cfg(test)]
    pub(super) async fn prepare(&self, statement: Statement) -> Result<usize> {
        let client = self.pool.get().await.map_err(no_connection)?;
        Ok(client.prepare(statement.text).await.map_err(failure)?.params().len())
    }
}

impl Driver for Postgres {
    fn query(&self, statement: Statement, parameters: Vec<Value>) -> Answer<'_, Vec<Row>> {
        Box::pin(async move { self.read(statement, &parameters).await })
    }

    fn apply(&self, steps: Steps) -> Answer<'_, ()> {
        Box::pin(async move { timeout(TRIES, self.write(&steps)).await.map_err(Error::store_unavailable)? })
    }

    fn read_tables<'a>(&'a self, tables: &'a [Table], hold: Hold, pieces: mpsc::Sender<Piece>) -> Answer<'a, ()> {
        Box::pin(self.stream(tables, hold, pieces))
    }

    fn fill(&self, batch: Batch) -> Answer<'_, ()> {
        Box::pin(self.insert(batch))
    }

    fn check(&self) -> Answer<'_, ()> {
        const ANY: Statement = Statement { table: "schema_version", text: "SELECT number FROM schema_version LIMIT 1" };
        Box::pin(async move { self.read(ANY, &[]).await.map(drop) })
    }

    fn probe(&self, statement: Statement) -> Answer<'_, Vec<Row>> {
        Box::pin(self.look(statement))
    }

    fn renew(&self) {
        // They may lead to a server that is gone or no longer the primary, and nothing says so until they are used.
        self.pool.retain(|_, _| false);
        self.renewals.send_modify(|count| *count += 1);
    }

    fn announce_to(&self, announced: watch::Sender<u64>) {
        // There is one store over a driver.
        self.announced.set(announced).ok();
    }
}

/// Makes the error for a pool that has no connection to give.
fn unreachable(error: PoolError<Unreachable>) -> Error {
    match error {
        PoolError::Backend(refusal) if refusal.lasts => Error::misconfigured(format!("the database lets nobody in: {refusal}")),
        error => no_connection(error),
    }
}

/// As [`unreachable`], for a service that runs: whatever it is, it may be over soon.
fn no_connection(error: PoolError<Unreachable>) -> Error {
    match error {
        PoolError::Backend(refusal) => Error::store_unavailable(refusal),
        error => Error::store_unavailable(error),
    }
}

/// Returns how long to wait before another try, shorter or longer by what `name` gives.
fn pause(attempt: u32, name: &str) -> Duration {
    let longest = (Duration::from_millis(10) * attempt * attempt).min(LONGEST_PAUSE);
    let hash = name.bytes().fold(attempt, |hash, byte| hash.wrapping_mul(31).wrapping_add(u32::from(byte)));
    longest / 2 + longest * (hash % 64) / 128
}

/// The connection that probes and listens.
struct Lookout {
    client: ClientWrapper,
    listens: bool,
}

/// A connection of the pool, closed when it is dropped before it is given back: whoever gives up waiting leaves an
/// answer on its way, or a transaction open.
struct Lease(Option<Object>);

impl Lease {
    fn give_back(mut self) {
        self.0.take();
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(client) = self.0.take() {
            drop(Object::take(client));
        }
    }
}

impl Deref for Lease {
    type Target = Object;

    fn deref(&self) -> &Object {
        self.0.as_ref().expect("it is given back by value")
    }
}

impl DerefMut for Lease {
    fn deref_mut(&mut self) -> &mut Object {
        self.0.as_mut().expect("it is given back by value")
    }
}

/// Why a try of a write ended.
enum Stop {
    /// For good.
    Refused(Error),
    /// Another transaction was in the way, and nothing was applied.
    Conflict,
    /// The server takes no writes (any more), and nothing was applied.
    ReadOnly(tokio_postgres::Error),
    /// The connection was lost, perhaps after the commit.
    Lost(tokio_postgres::Error),
}

impl From<tokio_postgres::Error> for Stop {
    fn from(error: tokio_postgres::Error) -> Self {
        match error.code() {
            _ if is_conflict(&error) => Self::Conflict,
            Some(&SqlState::READ_ONLY_SQL_TRANSACTION) => Self::ReadOnly(error),
            Some(&SqlState::T_R_STATEMENT_COMPLETION_UNKNOWN) => Self::Lost(error),
            _ if is_lost(&error) => Self::Lost(error),
            _ => Self::Refused(failure(error)),
        }
    }
}

/// Waits for all at once; each is first polled, and so sends its statement, in the order given.
async fn in_order(mut sends: Vec<Sent<'_>>) -> Vec<Result<u64, tokio_postgres::Error>> {
    let mut done: Vec<Option<_>> = sends.iter().map(|_| None).collect();
    poll_fn(|context| {
        for (send, slot) in sends.iter_mut().zip(&mut done) {
            if slot.is_none()
                && let Poll::Ready(output) = send.as_mut().poll(context)
            {
                *slot = Some(output);
            }
        }
        if done.iter().all(Option::is_some) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    done.into_iter().flatten().collect()
}

/// Says whether another transaction was in the way.
fn is_conflict(error: &tokio_postgres::Error) -> bool {
    matches!(error.code(), Some(&SqlState::T_R_SERIALIZATION_FAILURE | &SqlState::T_R_DEADLOCK_DETECTED | &SqlState::LOCK_NOT_AVAILABLE))
}

/// Says whether the database doesn't know a command; any other refusal may be over soon, as a standby's of LISTEN is
/// once it is the primary.
fn is_unknown(state: &SqlState) -> bool {
    matches!(*state, SqlState::FEATURE_NOT_SUPPORTED | SqlState::SYNTAX_ERROR | SqlState::UNDEFINED_OBJECT)
}

/// Says whether the connection is gone or going.
fn is_lost(error: &tokio_postgres::Error) -> bool {
    match error.code() {
        // 08: connection exceptions. 57P: the server is stopping, starting or was told to hang up. 25P03: it hung up on
        // a transaction in which nothing was sent for too long.
        Some(state) => state.code().starts_with("08") || state.code().starts_with("57P") || state.code() == "25P03",
        None => error.is_closed() || error.source().is_some_and(|source| source.is::<io::Error>()),
    }
}

fn failure(error: tokio_postgres::Error) -> Error {
    // 53: out of disk, memory or connections. 25006: the primary became a standby.
    let state = error.code().map_or("", SqlState::code);
    if is_lost(&error) || state.starts_with("53") || matches!(state, "25006" | "57014" | "40001" | "40P01" | "55P03") {
        Error::store_unavailable(error)
    } else {
        Error::internal(error)
    }
}

fn borrowed(parameters: &[Value]) -> Vec<&(dyn ToSql + Sync)> {
    parameters.iter().map(|parameter| parameter as &(dyn ToSql + Sync)).collect()
}

/// Returns values with their types; of none, the server finds out.
fn typed(parameters: &[Value]) -> Vec<(&(dyn ToSql + Sync), Type)> {
    let typed = |parameter| {
        let ty = match parameter {
            &Value::Null => Type::UNKNOWN,
            Value::Integer(_) => Type::INT8,
            Value::Text(_) => Type::TEXT,
            Value::Bytes(_) => Type::BYTEA,
        };
        (parameter as &(dyn ToSql + Sync), ty)
    };
    parameters.iter().map(typed).collect()
}

fn converted(statement: Statement, rows: &[tokio_postgres::Row]) -> Result<Vec<Row>> {
    let Some(first) = rows.first() else { return Ok(Vec::new()) };
    let columns: Arc<[String]> = first.columns().iter().map(|column| column.name().to_owned()).collect();
    let convert = |row: &tokio_postgres::Row| {
        let values = (0..row.len()).map(|index| value(row, index)).collect::<Result<_, _>>()?;
        Ok(Row::new(statement.table, Arc::clone(&columns), values))
    };
    rows.iter().map(convert).collect::<Result<_, tokio_postgres::Error>>().map_err(Error::internal)
}

fn value(row: &tokio_postgres::Row, index: usize) -> Result<Value, tokio_postgres::Error> {
    Ok(match *row.columns()[index].type_() {
        Type::BYTEA => row.try_get::<_, Option<Vec<u8>>>(index)?.map_or(Value::Null, Value::Bytes),
        Type::TEXT => row.try_get::<_, Option<String>>(index)?.into(),
        _ => row.try_get::<_, Option<i64>>(index)?.into(),
    })
}

impl ToSql for Value {
    fn to_sql(&self, ty: &Type, out: &mut bytes::BytesMut) -> Result<IsNull, Box<dyn StdError + Sync + Send>> {
        match self {
            Self::Null => Ok(IsNull::Yes),
            Self::Integer(number) => number.to_sql_checked(ty, out),
            Self::Text(text) => text.to_sql_checked(ty, out),
            Self::Bytes(bytes) => bytes.to_sql_checked(ty, out),
        }
    }

    fn accepts(_: &Type) -> bool {
        // Which types a value is accepted for depends on the value.
        true
    }

    to_sql_checked!();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_given_up_only_where_the_database_does_not_know_it() {
        for (state, unknown) in [("0A000", true), ("42601", true), ("42704", true), ("25006", false), ("53300", false), ("57P03", false)] {
            assert_eq!(is_unknown(&SqlState::from_code(state)), unknown, "{state}");
        }
    }
}
