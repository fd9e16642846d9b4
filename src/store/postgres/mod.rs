//! PostgreSQL, or a database that speaks its protocol: no advisory locks, no serials, no wait
//! without an end.

mod connect;
mod error;
mod portable;
mod schema;
mod tls;
mod values;
mod write;

use std::error::Error as StdError;
use std::future::Future;
use std::ops::{Deref, DerefMut};
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use deadpool::Runtime;
use deadpool::managed::{self, Manager, PoolError};
use deadpool_postgres::ClientWrapper;
use tokio::sync::{Mutex, watch};
use tokio::time::{Instant, sleep, timeout};

use crate::domain::clock::{Clock, Random};
use crate::domain::secret::Secret;
use crate::domain::{Error, ErrorKind, Result};

use super::audit_chain::Chain;
use super::look::Query;
use super::migrate::{MIGRATIONS, Migration, Purpose};
use super::portable::{Batch, Hold, Piece, Table};
use super::row::{Row, Statement};
use super::write::Steps;
use super::{Answer, DatabaseFacts, Driver, Open, mpsc};

use connect::{Announced, Servers, Unreachable};
pub use connect::{Isolation, PostgresOptions, Statements};
pub(super) use connect::{check, place};
use error::{failure, is_conflict, is_lost, is_unknown, no_connection, unreachable};
use values::{borrowed, converted, typed};
use write::{Sent, TRIES, in_order, pause};

type Pool = managed::Pool<Servers>;
type Object = managed::Object<Servers>;

/// How long one try of a read or a write may take beyond what the server may take for a statement.
const TRIP: Duration = Duration::from_secs(3);
/// How often a read or a write is tried on a connection that breaks.
const ATTEMPTS: u32 = 10;
/// How often a server that does not answer is asked at the start, and how often the log hears of
/// it.
const ASK_AGAIN: Duration = Duration::from_secs(1);
const REPORT: Duration = Duration::from_secs(5);

/// Asks to hear when the change feed grew.
const LISTEN: &str = "LISTEN transire_change";

/// A PostgreSQL database, reached through a pool of connections.
pub(super) struct Postgres {
    pool: Pool,
    options: PostgresOptions,
    /// The connection that probes and listens, while nobody uses it.
    lookout: std::sync::Mutex<Option<Lookout>>,
    announced: Announced,
    /// Whether the database knows LISTEN and NOTIFY, as far as was found out, and the settings want
    /// them.
    notifies: AtomicBool,
    /// How often the database came back: what was asked before may never be answered.
    renewals: watch::Sender<u64>,
    /// The chains of the audit's lines that no transaction has now: as many as there were at once.
    chains: std::sync::Mutex<Vec<Chain>>,
    /// Whose turn it is to write, where only one at a time gets through anyway.
    turn: Mutex<()>,
}

/// Lifts the bound for statements: a COMMIT that waits for a synchronous standby must not be cut
/// short, or the server reports success for what only it has.
const WITHOUT_TIMEOUT: &str = "SET LOCAL statement_timeout = 0";
/// Lifts all bounds, for a copy of everything, which may wait in between for its reader.
const WITHOUT_BOUNDS: &str =
    "SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0";

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
        // A pooler that gives each transaction another session gives the notifications to its next
        // client.
        let notifies =
            AtomicBool::new(options.notify && options.statements == Statements::Prepared);
        let (options, lookout) = (options.clone(), std::sync::Mutex::default());
        let postgres = Self {
            pool,
            options,
            lookout,
            announced,
            notifies,
            renewals: watch::Sender::new(0),
            chains: std::sync::Mutex::default(),
            turn: Mutex::default(),
        };
        let place = place(url);
        let begun = Instant::now();
        let mut reported = None::<Instant>;
        loop {
            let error = match postgres.set_up(known, purpose, &place, clock, random).await {
                Ok(()) => return Ok(postgres),
                Err(error) => error,
            };
            let waits = purpose == Purpose::Open(Open::Serve)
                && error.kind() == &ErrorKind::StoreUnavailable;
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

    /// Gives LISTEN and NOTIFY up where the database says that it doesn't know them.
    fn note_refusal(&self, error: &tokio_postgres::Error) {
        if error.code().is_some_and(is_unknown) && self.notifies.swap(false, Ordering::Relaxed) {
            tracing::info!(
                "the database has no LISTEN and NOTIFY: changes are looked for, and not announced \
                 ({error})"
            );
        }
    }

    /// Reads on the connection that is kept for it, or on another when that one hangs or is gone.
    async fn look(&self, statement: Statement) -> Result<Vec<Row>> {
        let kept = self
            .lookout
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let mut lookout = match kept.filter(|lookout| !lookout.client.is_closed()) {
            Some(lookout) => lookout,
            // Not one of the pool's: all of those may be busy, or hang.
            None => Lookout {
                client: self
                    .pool
                    .manager()
                    .create()
                    .await
                    .map_err(Error::store_unavailable)?,
                listens: false,
            },
        };
        // Again each time, until it is heard or known not to be.
        if !lookout.listens && self.notifies.load(Ordering::Relaxed) {
            match lookout.client.batch_execute(LISTEN).await {
                Ok(()) => lookout.listens = true,
                Err(error) => self.note_refusal(&error),
            }
        }
        let rows = lookout
            .client
            .query_typed(statement.text, &[])
            .await
            .map_err(failure)?;
        // Had the caller given up, or the read failed, the connection would be gone with it.
        *self.lookout.lock().unwrap_or_else(PoisonError::into_inner) = Some(lookout);
        converted(statement, &rows)
    }

    /// Waits for one try, unless it takes too long, or the database was away meanwhile: a
    /// connection from before may be silent for ever, and would keep its place in the pool.
    async fn in_time<T>(&self, attempt: impl Future<Output = T>) -> Result<T, Cause> {
        let mut renewals = self.renewals.subscribe();
        let attempt = timeout(self.options.statement_timeout + TRIP, attempt);
        tokio::select! {
            biased;
            done = attempt => done.map_err(Cause::from),
            Ok(()) = renewals.changed() => Err("the database was away meanwhile".into()),
        }
    }

    async fn read_all(&self, queries: &[Query]) -> Result<Vec<Vec<Row>>> {
        let mut attempt = 0;
        loop {
            let client = self.lease().await.map_err(no_connection)?;
            let error = match self.in_time(self.select_all(&client, queries)).await {
                Ok(Ok(answers)) => {
                    client.give_back();
                    let answers = queries.iter().zip(&answers);
                    return answers
                        .map(|(query, rows)| converted(query.statement, rows))
                        .collect();
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
                let name = queries.first().map_or("", |query| query.statement.text);
                sleep(pause(attempt, name)).await;
            } else {
                return Err(failure(error));
            }
        }
    }

    /// Sends all queries before the first is answered, unless one isn't prepared yet.
    async fn select_all(
        &self,
        client: &Lease,
        queries: &[Query],
    ) -> Result<Vec<Vec<tokio_postgres::Row>>, tokio_postgres::Error> {
        let sends = queries
            .iter()
            .map(|query| -> Sent<'_, _> { Box::pin(self.select(client, query)) })
            .collect();
        in_order(sends).await.into_iter().collect()
    }

    async fn select(
        &self,
        client: &Lease,
        query: &Query,
    ) -> Result<Vec<tokio_postgres::Row>, tokio_postgres::Error> {
        let Query {
            statement,
            parameters,
        } = query;
        match self.options.statements {
            Statements::Prepared => {
                let prepared = client.prepare_cached(statement.text).await?;
                client.query(&prepared, &borrowed(parameters)).await
            }
            Statements::Unnamed => client.query_typed(statement.text, &typed(parameters)).await,
        }
    }

    /// Prepares a statement and says how many parameters it has.
    #[cfg(test)]
    pub(super) async fn prepare(&self, statement: Statement) -> Result<usize> {
        let client = self.pool.get().await.map_err(no_connection)?;
        Ok(client
            .prepare(statement.text)
            .await
            .map_err(failure)?
            .params()
            .len())
    }
}

impl Driver for Postgres {
    fn query_all(&self, queries: Vec<Query>) -> Answer<'_, Vec<Vec<Row>>> {
        Box::pin(async move { self.read_all(&queries).await })
    }

    fn apply(&self, steps: Steps) -> Answer<'_, ()> {
        Box::pin(async move {
            timeout(TRIES, self.write(&steps))
                .await
                .map_err(Error::store_unavailable)?
        })
    }

    fn read_tables<'a>(
        &'a self,
        tables: &'a [Table],
        hold: Hold,
        pieces: mpsc::Sender<Piece>,
    ) -> Answer<'a, ()> {
        Box::pin(self.stream(tables, hold, pieces))
    }

    fn fill(&self, batch: Batch) -> Answer<'_, ()> {
        Box::pin(self.insert(batch))
    }

    fn check(&self) -> Answer<'_, ()> {
        const ANY: Statement = Statement {
            table: "schema_version",
            text: "SELECT number FROM schema_version LIMIT 1",
        };
        Box::pin(async move { self.query(ANY, Vec::new()).await.map(drop) })
    }

    fn facts(&self) -> Answer<'_, DatabaseFacts> {
        const FACTS: Statement = Statement {
            table: "schema_version",
            text: "SELECT current_setting('server_version') AS version, \
                   pg_database_size(current_database()) AS bytes, CAST(EXTRACT(EPOCH FROM \
                   clock_timestamp()) * 1000 AS BIGINT) AS now",
        };
        // Not every database that speaks the protocol tells its size.
        const WITHOUT_SIZE: Statement = Statement {
            table: "schema_version",
            text: "SELECT current_setting('server_version') AS version, CAST(NULL AS BIGINT) AS \
                   bytes, CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT) AS now",
        };
        Box::pin(async move {
            let rows = match self.query(FACTS, Vec::new()).await {
                Err(error) if error.kind() == &ErrorKind::Internal => {
                    self.query(WITHOUT_SIZE, Vec::new()).await?
                }
                read => read?,
            };
            DatabaseFacts::of("PostgreSQL", &rows)
        })
    }

    fn probe(&self, statement: Statement) -> Answer<'_, Vec<Row>> {
        Box::pin(self.look(statement))
    }

    fn renew(&self) {
        // They may lead to a server that is gone or no longer the primary, and nothing says so
        // until they are used.
        self.pool.retain(|_, _| false);
        self.renewals.send_modify(|count| *count += 1);
    }

    fn announce_to(&self, announced: watch::Sender<u64>) {
        // There is one store over a driver.
        self.announced.set(announced).ok();
    }
}

/// The connection that probes and listens.
struct Lookout {
    client: ClientWrapper,
    listens: bool,
}

/// A connection of the pool, closed when it is dropped before it is given back: a caller that gives
/// up waiting leaves an answer on its way, or a transaction open.
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
