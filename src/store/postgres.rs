//! PostgreSQL, or a database that speaks its protocol: no advisory locks, no serials, no wait without an end.

use std::error::Error as StdError;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use deadpool_postgres::{ClientWrapper, Hook, HookError, Manager, Object, Pool, Runtime};
use tokio::time::{sleep, timeout};
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};
use tokio_postgres::{Config, IsolationLevel, NoTls};

use crate::domain::clock::{Clock, Random, random_bytes};
use crate::domain::secret::Secret;
use crate::domain::{Error, Result};

use super::migrate::{self, Applied, MIGRATIONS, Migration};
use super::row::{Row, Statement, Value};
use super::write::{Guarded, Steps};
use super::{Answer, Driver, Open};

/// How long to wait for a connection: to be made, or to be free.
const CONNECT: Duration = Duration::from_secs(5);
/// How long one try of a read or a write may take.
const TRY: Duration = Duration::from_secs(8);
/// How long a write may take with all its tries.
const TRIES: Duration = Duration::from_secs(20);
/// How often a write is tried.
const ATTEMPTS: u32 = 10;
/// Bounds each wait for another transaction. A bound for whole statements would be wrong: it would
/// also end the wait of a COMMIT for a synchronous standby, and the server then reports success.
const SESSION: &str = "SET lock_timeout = '5s'";

/// A PostgreSQL database, reached through a pool of connections.
pub(super) struct Postgres {
    pool: Pool,
}

impl Postgres {
    /// Connects to `url` with at most `connections` connections and brings the schema up to date.
    pub(super) async fn open(url: &Secret, connections: usize, open: Open, clock: &dyn Clock, random: &dyn Random) -> Result<Self> {
        let manager = Manager::new(configuration(url)?, NoTls);
        let session = Hook::async_fn(|client: &mut ClientWrapper, _| {
            Box::pin(async move { client.batch_execute(SESSION).await.map_err(HookError::Backend) })
        });
        let pool = Pool::builder(manager)
            .max_size(connections.max(1))
            .runtime(Runtime::Tokio1)
            .wait_timeout(Some(CONNECT))
            .create_timeout(Some(CONNECT))
            .recycle_timeout(Some(CONNECT))
            .post_create(session)
            .build()
            .map_err(Error::internal)?;
        let postgres = Self { pool };
        let mut client = postgres.pool.get().await.map_err(Error::store_unavailable)?;
        bring_up_to_date(&mut client, open, clock, random).await?;
        drop(client);
        Ok(postgres)
    }

    async fn read(&self, statement: Statement, parameters: &[Value]) -> Result<Vec<Row>> {
        let mut tried = false;
        loop {
            let client = self.pool.get().await.map_err(Error::store_unavailable)?;
            let reading = async {
                let prepared = client.prepare_cached(statement.text).await?;
                client.query(&prepared, &borrowed(parameters)).await
            };
            return match timeout(TRY, reading).await {
                Ok(Ok(rows)) => converted(statement, &rows),
                // The server was started anew since this connection was last used.
                Ok(Err(error)) if is_lost(&error) && !tried => {
                    discard(client);
                    tried = true;
                    continue;
                }
                Ok(Err(error)) => Err(failure(error)),
                Err(late) => {
                    discard(client);
                    Err(Error::store_unavailable(late))
                }
            };
        }
    }

    async fn write(&self, steps: &Steps) -> Result<()> {
        let mut in_doubt = false;
        let mut last: Box<dyn StdError + Send + Sync> = "it was never tried".into();
        for attempt in 0..ATTEMPTS {
            sleep(Duration::from_millis(10) * attempt * attempt).await;
            let mut client = match self.pool.get().await {
                Ok(client) => client,
                Err(error) if in_doubt => {
                    last = error.into();
                    continue;
                }
                Err(error) => return Err(Error::store_unavailable(error)),
            };
            match timeout(TRY, transact(&mut client, steps)).await {
                Ok(Ok(())) => return Ok(()),
                Ok(Err(Stop::Refused(error))) => return Err(error),
                Ok(Err(Stop::Conflict(error))) => last = error.into(),
                // Perhaps it was applied. The next try's first statement says so, and if the server is
                // still at that commit, it waits there until it is decided.
                Ok(Err(Stop::Lost(error))) => {
                    discard(client);
                    in_doubt = true;
                    last = error.into();
                }
                Err(late) => {
                    discard(client);
                    in_doubt = true;
                    last = late.into();
                }
            }
        }
        Err(Error::store_unavailable(last))
    }

    /// Prepares a statement and says how many parameters it has.
    #[cfg(test)]
    pub(super) async fn prepare(&self, statement: Statement) -> Result<usize> {
        let client = self.pool.get().await.map_err(Error::store_unavailable)?;
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

    fn check(&self) -> Answer<'_, ()> {
        const ANY: Statement = Statement { table: "schema_version", text: "SELECT number FROM schema_version LIMIT 1" };
        Box::pin(async move { self.read(ANY, &[]).await.map(drop) })
    }
}

/// Reads the URL; errors quote nothing of it, for a password is in it.
fn configuration(url: &Secret) -> Result<Config> {
    let text = url.expose();
    let mode = text.split_once("sslmode=").map_or("", |(_, rest)| rest.split(['&', ' ']).next().unwrap_or(""));
    if matches!(mode, "require" | "verify-ca" | "verify-full") {
        return Err(Error::misconfigured(format!(
            "sslmode={mode} asks for TLS to PostgreSQL, which transire can't do yet; leave it out only where the network between them is trusted"
        )));
    }
    let mut config: Config = text
        .parse()
        .map_err(|_| Error::misconfigured("the PostgreSQL URL can't be read; it is written postgres://USER:PASSWORD@HOST:PORT/DATABASE"))?;
    // Without these a server that vanished is noticed after two hours.
    config.connect_timeout(CONNECT).tcp_user_timeout(TRY).keepalives_idle(Duration::from_secs(30));
    if config.get_application_name().is_none() {
        config.application_name("transire");
    }
    Ok(config)
}

/// Closes a connection that is not to be used again.
fn discard(client: Object) {
    drop(Object::take(client));
}

/// Why a try of a write ended.
enum Stop {
    /// For good.
    Refused(Error),
    /// Another transaction was in the way, and nothing was applied.
    Conflict(tokio_postgres::Error),
    /// The connection was lost, perhaps after the commit.
    Lost(tokio_postgres::Error),
}

impl From<tokio_postgres::Error> for Stop {
    fn from(error: tokio_postgres::Error) -> Self {
        match error.code() {
            Some(&SqlState::T_R_SERIALIZATION_FAILURE | &SqlState::T_R_DEADLOCK_DETECTED | &SqlState::LOCK_NOT_AVAILABLE) => {
                Self::Conflict(error)
            }
            Some(&SqlState::T_R_STATEMENT_COMPLETION_UNKNOWN) => Self::Lost(error),
            _ if is_lost(&error) => Self::Lost(error),
            _ => Self::Refused(failure(error)),
        }
    }
}

/// Tries a write: one trip to begin, one for all statements, one to commit.
async fn transact(client: &mut Object, steps: &Steps) -> Result<(), Stop> {
    // The guards are written for READ COMMITTED, and hold the rows that they rest on; a stricter level
    // would make each write that waits for the change counter fail and start again. Begun before the
    // rest is sent: if beginning failed, the statements would be committed one by one.
    let transaction = client.build_transaction().isolation_level(IsolationLevel::ReadCommitted).start().await?;
    let all: Vec<&Guarded> = std::iter::once(&steps.operation).chain(&steps.rest).collect();
    let mut sends = Vec::with_capacity(all.len());
    for guarded in &all {
        let prepared = transaction.prepare_cached(guarded.statement.text).await?;
        let transaction = &transaction;
        sends.push(async move { transaction.execute_raw(&prepared, &guarded.parameters).await });
    }
    let mut counts = in_order(sends).await.into_iter();
    // Dropping a transaction rolls it back.
    if matches!(counts.next(), Some(Ok(0))) {
        return Ok(());
    }
    for (guarded, count) in steps.rest.iter().zip(counts) {
        match count {
            Ok(count) => guarded.check(count).map_err(Stop::Refused)?,
            Err(error) if error.code() == Some(&SqlState::UNIQUE_VIOLATION) => return Err(Stop::Refused(guarded.refusal())),
            Err(error) => return Err(error.into()),
        }
    }
    transaction.commit().await.map_err(Stop::from)
}

/// Waits for all futures at once; each is first polled, and so sends its statement, in the order given.
async fn in_order<F: Future>(futures: Vec<F>) -> Vec<F::Output> {
    let mut running: Vec<Pin<Box<F>>> = futures.into_iter().map(Box::pin).collect();
    let mut done: Vec<Option<F::Output>> = running.iter().map(|_| None).collect();
    poll_fn(|context| {
        for (future, slot) in running.iter_mut().zip(&mut done) {
            if slot.is_none()
                && let Poll::Ready(output) = future.as_mut().poll(context)
            {
                *slot = Some(output);
            }
        }
        if done.iter().all(Option::is_some) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    done.into_iter().flatten().collect()
}

/// Says whether the connection is gone or going.
fn is_lost(error: &tokio_postgres::Error) -> bool {
    match error.code() {
        // 08: connection exceptions. 57P: the server is stopping, starting or was told to hang up.
        Some(state) => state.code().starts_with("08") || state.code().starts_with("57P"),
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

/// The lease on changing the schema: one row, so that replicas started together don't all try.
const CREATE_LEASE: &str = "CREATE TABLE IF NOT EXISTS schema_lease \
                            (id BIGINT NOT NULL PRIMARY KEY, holder TEXT NOT NULL, expires_at BIGINT NOT NULL)";
const TAKE_LEASE: &str = "INSERT INTO schema_lease (id, holder, expires_at) VALUES (1, $1, $2) ON CONFLICT (id) DO UPDATE \
                          SET holder = excluded.holder, expires_at = excluded.expires_at WHERE schema_lease.expires_at < $3";
const KEEP_LEASE: &str = "UPDATE schema_lease SET expires_at = $2 WHERE id = 1 AND holder = $1";
/// How long a replica that died in the middle keeps the others waiting.
const LEASE_TTL: Duration = Duration::from_secs(60);
/// How often to ask for the lease, and how many times: longer than it can be held by the dead.
const LEASE_POLL: Duration = Duration::from_millis(200);
const LEASE_POLLS: u32 = 450;

/// Takes the steps of the schema that are missing, each in its transaction.
async fn bring_up_to_date(client: &mut Object, open: Open, clock: &dyn Clock, random: &dyn Random) -> Result<()> {
    if migrate::pending(MIGRATIONS, |step| step.postgres, &applied(client).await?, open)?.is_empty() {
        return Ok(());
    }
    create_lease(client).await?;
    let holder = format!("{:032x}", u128::from_be_bytes(random_bytes(random)));
    for _ in 0..LEASE_POLLS {
        let now = clock.now();
        match client.execute(TAKE_LEASE, &[&holder, &now.plus(LEASE_TTL).unix_millis(), &now.unix_millis()]).await {
            Ok(0) => {}
            Ok(_) => {
                let taken = take_steps(client, open, &holder, clock).await;
                let released = client.execute(KEEP_LEASE, &[&holder, &0_i64]).await.map_err(setup_failure);
                return taken.and(released.map(drop));
            }
            // The holder is inside a step, which keeps the row.
            Err(error) if error.code() == Some(&SqlState::LOCK_NOT_AVAILABLE) => {}
            Err(error) => return Err(setup_failure(error)),
        }
        sleep(LEASE_POLL).await;
    }
    Err(Error::store_unavailable("another replica holds the lease on the schema"))
}

/// Makes the two tables that come before all steps.
async fn create_lease(client: &Object) -> Result<()> {
    let text = format!("{CREATE_LEASE}; {}", migrate::CREATE_VERSION);
    for _ in 0..ATTEMPTS {
        match client.batch_execute(&text).await {
            Ok(()) => return Ok(()),
            // Of two that make one table at the same moment, PostgreSQL lets one trip over a system table in
            // spite of IF NOT EXISTS: seen were both the unique index and "type already exists".
            Err(error)
                if matches!(error.code(), Some(&SqlState::UNIQUE_VIOLATION | &SqlState::DUPLICATE_TABLE | &SqlState::DUPLICATE_OBJECT)) =>
            {
                sleep(LEASE_POLL).await;
            }
            Err(error) => return Err(setup_failure(error)),
        }
    }
    Err(Error::store_unavailable("other replicas kept making the same tables"))
}

/// Takes the missing steps, as the lease's holder.
async fn take_steps(client: &mut Object, open: Open, holder: &str, clock: &dyn Clock) -> Result<()> {
    // Read again: whoever had the lease before may have taken them.
    for step in migrate::pending(MIGRATIONS, |step| step.postgres, &applied(client).await?, open)? {
        let now = clock.now();
        take_step(client, step, holder, now.plus(LEASE_TTL).unix_millis(), now.unix_millis()).await?;
    }
    Ok(())
}

async fn take_step(client: &mut Object, step: &Migration, holder: &str, expires_at: i64, now: i64) -> Result<()> {
    let transaction = client.transaction().await.map_err(setup_failure)?;
    // This keeps the lease's row until the commit: even one whose clock runs ahead can't take it meanwhile.
    if transaction.execute(KEEP_LEASE, &[&holder, &expires_at]).await.map_err(setup_failure)? != 1 {
        return Err(Error::store_unavailable("another replica took the lease on the schema"));
    }
    transaction.batch_execute(step.postgres).await.map_err(setup_failure)?;
    let checksum = migrate::checksum(step.postgres);
    transaction.execute(migrate::ADD_VERSION, &[&step.number, &step.name, &checksum, &now]).await.map_err(setup_failure)?;
    transaction.commit().await.map_err(setup_failure)
}

async fn applied(client: &Object) -> Result<Vec<Applied>> {
    match client.query(migrate::READ_VERSION, &[]).await {
        Ok(rows) => rows
            .iter()
            .map(|row| Ok(Applied { number: row.try_get(0)?, name: row.try_get(1)?, checksum: row.try_get(2)? }))
            .collect::<Result<_, tokio_postgres::Error>>()
            .map_err(Error::internal),
        Err(error) if error.code() == Some(&SqlState::UNDEFINED_TABLE) => Ok(Vec::new()),
        Err(error) => Err(failure(error)),
    }
}

fn setup_failure(error: tokio_postgres::Error) -> Error {
    if error.code() == Some(&SqlState::INSUFFICIENT_PRIVILEGE) {
        let why = "the database user may not create tables; give it a database of its own, or CREATE on the schema";
        return Error::misconfigured(why).caused_by(error);
    }
    failure(error)
}
