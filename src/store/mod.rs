//! The only SQL. Each noun has a file whose functions read domain types, or make a [`Part`] of a
//! [`Write`].
//!
//! A write is a list of guarded statements, applied whole or not at all. Every query has one text
//! that both databases speak; where they differ is in `sqlite` and `postgres` alone, and no other
//! file asks which of them it is on. The store holds no rules and no documents' meaning, seals
//! nothing, and names no HTTP status.
//!
//! Start with [`Store`], then [`Write`], then `nouns`, the list of all tables, and the noun that
//! you are after.

pub mod access_key;
pub mod account;
pub mod activity;
pub mod ahead;
pub mod allow_list;
pub mod audit;
pub mod audit_chain;
pub mod audit_checkpoint;
pub mod audit_page;
pub mod cascade;
pub mod change;
pub mod console_session;
pub mod credential;
pub mod ending;
pub mod fixed_password;
pub mod group;
pub mod instance;
pub mod instance_key;
pub mod key;
pub mod last_use;
pub mod meta;
pub mod namespace;
pub mod notice;
pub mod oidc_provider;
pub mod operation;
pub mod operator;
pub mod page;
pub mod policy;
pub mod quota;
pub mod refused_subject;
pub mod report;
pub mod repository;
pub mod repository_policy;
pub mod revocation;
pub mod role;
pub mod service_account;
pub mod session_policy;
pub mod signed_change;
pub mod sso_session;
pub mod tag;
pub mod user;
pub mod wrapped;

mod breaker;
mod facts;
mod look;
mod migrate;
mod nouns;
mod part;
pub mod portable;
mod postgres;
mod principal;
mod principal_id;
mod row;
mod sqlite;
#[cfg(test)]
pub(crate) mod tests;
mod write;

use std::fmt;
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tracing::{Instrument, Span};

use crate::domain::clock::{Clock, Random};
use crate::domain::secret::Secret;
use crate::domain::{Error, Result};

use breaker::{Breaker, Call};
use look::Query;
use migrate::Purpose;
use portable::{Batch, Hold, Piece, Table};
use row::{Row, Statement, Value};
use write::Steps;

pub use facts::DatabaseFacts;
pub use nouns::Entity;
pub use operation::Operation;
pub use part::{Part, WrappedPart};
pub use postgres::{Isolation, PostgresOptions, Statements};
pub use write::{Unchanged, Write};

/// Where the data is.
#[derive(Clone, Debug)]
pub enum Location {
    /// `transire.db` in this directory, which is made when it is missing.
    Directory(PathBuf),
    /// The memory of this process alone: nothing is written to a disk, and all ends with the store.
    Memory,
    /// A PostgreSQL server, or one that speaks its protocol.
    Postgres {
        /// `postgres://USER:PASSWORD@HOST:PORT/DATABASE`.
        url: Secret,
        /// How it is used.
        options: PostgresOptions,
    },
}

impl Location {
    /// Checks a server's URL and its CA file, without connecting to it.
    ///
    /// # Errors
    /// `Misconfigured` when they can't be read.
    pub fn check(&self) -> Result<()> {
        match self {
            Self::Directory(_) | Self::Memory => Ok(()),
            Self::Postgres { url, options } => postgres::check(url, options),
        }
    }

    /// Tells whether there is a database file; a server isn't asked.
    pub fn has_file(&self) -> bool {
        match self {
            Self::Directory(directory) => sqlite::is_there(directory),
            Self::Memory | Self::Postgres { .. } => false,
        }
    }
}

impl fmt::Display for Location {
    /// Writes the directory, or the database's URL without user, password and parameters.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory(directory) => write!(f, "{}", directory.display()),
            Self::Memory => f.write_str("memory"),
            Self::Postgres { url, .. } => f.write_str(&postgres::place(url)),
        }
    }
}

/// Makes the error for a place where a store was expected and none is.
pub fn no_data(place: impl fmt::Display) -> Error {
    Error::misconfigured(format!(
        "there is no data in {place}: name the right directory with --data-dir, TRANSIRE_DATA_DIR \
         or data_dir, or the database with --database, TRANSIRE_DATABASE or database. `transire \
         init` sets up a new store, and so does the first `transire serve`"
    ))
}

/// The opener of the store, and so what it may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Open {
    /// The service, which sets up an empty store and brings an older schema up to date.
    Serve,
    /// Setting up an empty store, which leaves upgrades to the service.
    SetUp,
    /// A command, which wants a store that is there and makes nothing.
    Command,
}

/// A driver's answer.
type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T>> + Send + 'a>>;

/// One database, as [`Store`] uses it.
trait Driver: Send + Sync {
    /// Reads the rows of each query; never writes. They are asked in one go, and nothing says that
    /// they are of one moment.
    fn query_all(&self, queries: Vec<Query>) -> Answer<'_, Vec<Vec<Row>>>;
    /// Reads rows; never writes.
    fn query(&self, statement: Statement, parameters: Vec<Value>) -> Answer<'_, Vec<Row>> {
        let query = Query {
            statement,
            parameters,
        };
        Box::pin(async move {
            let answers = self.query_all(vec![query]).await?;
            Ok(answers.into_iter().next().unwrap_or_default())
        })
    }
    /// Applies all steps or none, and answers once they are durable.
    fn apply(&self, steps: Steps) -> Answer<'_, ()>;
    /// Sends every row of the tables, as of one moment; ends early when nobody listens any more.
    fn read_tables<'a>(
        &'a self,
        tables: &'a [Table],
        hold: Hold,
        pieces: mpsc::Sender<Piece>,
    ) -> Answer<'a, ()>;
    /// Adds rows as they are, all or none.
    fn fill(&self, batch: Batch) -> Answer<'_, ()>;
    /// Says whether reads and writes are possible as far as that can be told without writing.
    fn check(&self) -> Answer<'_, ()>;
    /// Says what database it is, how large, and what time it has.
    fn facts(&self) -> Answer<'_, DatabaseFacts> {
        Box::pin(async { Ok(DatabaseFacts::default()) })
    }
    /// Reads rows by the side of all other reads, so that those that hang don't hold it up;
    /// dropped, it leaves nothing.
    fn probe(&self, statement: Statement) -> Answer<'_, Vec<Row>> {
        self.query(statement, Vec::new())
    }
    /// Gives up what may have died while the database was away.
    fn renew(&self) {}
    /// Counts `announced` up when the database says that something changed, if it can say so.
    fn announce_to(&self, _announced: watch::Sender<u64>) {}
}

/// The open store; clones share it.
#[derive(Clone)]
pub struct Store(Arc<Inner>, ReadLimit);

/// Whether reads count towards the limit on concurrent reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ReadLimit {
    Kept,
    Bypassed,
}

struct Inner {
    driver: Box<dyn Driver>,
    announced: watch::Sender<u64>,
    breaker: Breaker,
}

/// The answer to a probe: the database was there after `asked_at`, with the change feed at
/// `position`.
#[derive(Clone, Copy, Debug)]
pub struct Probed {
    /// The position of the newest change.
    pub position: i64,
    /// When the probe began, as the one who began it said.
    pub asked_at: Duration,
}

impl Store {
    /// Opens the store and makes sure that its schema is this binary's.
    ///
    /// # Errors
    ///
    /// `Misconfigured` when the schema is newer, or older and `open` is not [`Open::Serve`], when
    /// there is none and `open` is [`Open::Command`], or when the location can't be used;
    /// `StoreUnavailable` when the database doesn't answer.
    pub async fn open(
        location: &Location,
        open: Open,
        clock: &dyn Clock,
        random: &dyn Random,
    ) -> Result<Self> {
        Self::open_for(location, Purpose::Open(open), clock, random).await
    }

    async fn open_for(
        location: &Location,
        purpose: Purpose,
        clock: &dyn Clock,
        random: &dyn Random,
    ) -> Result<Self> {
        Ok(match location {
            Location::Directory(directory) => {
                let place = sqlite::Place::Directory(directory.clone());
                Self::over(sqlite::Sqlite::open(place, purpose, clock.now()).await?)
            }
            Location::Memory => {
                let place = sqlite::Place::Memory;
                Self::over(sqlite::Sqlite::open(place, purpose, clock.now()).await?)
            }
            Location::Postgres { url, options } => Self::over(
                Box::pin(postgres::Postgres::open(
                    url, options, purpose, clock, random,
                ))
                .await?,
            ),
        })
    }

    fn over(driver: impl Driver + 'static) -> Self {
        let announced = watch::Sender::new(0);
        driver.announce_to(announced.clone());
        Self(
            Arc::new(Inner {
                driver: Box::new(driver),
                announced,
                breaker: Breaker::new(),
            }),
            ReadLimit::Kept,
        )
    }

    /// Bounds every call from now on: in time by `patience`, and in number. The caller must go on
    /// to [`Store::probe`]: while the database is away, only an answered probe lets calls through
    /// again.
    pub fn guard(&self, patience: Duration) {
        self.0.breaker.arm(patience);
    }

    /// Returns a handle that bypasses the limit on concurrent reads, for the change feed and keys,
    /// on which every request depends.
    #[must_use]
    pub fn past_the_crowd(&self) -> Self {
        Self(Arc::clone(&self.0), ReadLimit::Bypassed)
    }

    /// Asks for the position of the change feed, and so whether the database is there; answers
    /// within a second. The answer may be an older probe's, with the time that it was given.
    ///
    /// # Errors
    ///
    /// `StoreUnavailable` when the database doesn't answer.
    pub async fn probe(&self, asked_at: Duration) -> Result<Probed> {
        let ask = || {
            let store = self.clone();
            async move {
                Ok(Probed {
                    position: change::probe(&*store.0.driver).await?,
                    asked_at,
                })
            }
        };
        self.0.breaker.probe(ask, || self.0.driver.renew()).await
    }

    /// Tells whether somebody probes, so that [`Self::is_away`] says how it is.
    pub fn is_guarded(&self) -> bool {
        self.0.breaker.is_armed()
    }

    /// Tells whether the last probe found the database away.
    pub fn is_away(&self) -> bool {
        self.0.breaker.is_away()
    }

    /// Applies a write, whole or not at all; returns once it is durable.
    ///
    /// # Errors
    ///
    /// The error of the first guard that refused, or `StoreUnavailable`: then the write may have
    /// happened, and the same [`Operation`] may be tried again without happening twice.
    pub async fn apply(&self, write: Write) -> Result<()> {
        let steps = write.into_steps();
        let announces = steps.announces;
        self.0
            .breaker
            .call(Call::Write, self.0.driver.apply(steps))
            .instrument(database_span("write", None))
            .await?;
        if announces {
            self.0
                .announced
                .send_modify(|count| *count = count.wrapping_add(1));
        }
        Ok(())
    }

    /// Says whether a write would be applied now, and leaves nothing of it.
    ///
    /// # Errors
    ///
    /// The error of the first guard that refused, or `StoreUnavailable`.
    pub async fn dry_run(&self, write: Write) -> Result<()> {
        match self.apply(write.then(operation::end_of_dry_run())).await {
            Err(error) if operation::was_dry_run(&error) => Ok(()),
            Err(error) => Err(error),
            Ok(()) => Err(Error::internal("a dry run was applied")),
        }
    }

    /// Wakes the followers of the change feed when this process added to it, or the database says
    /// that another did; not every database can, nor always, so others' changes have to be polled
    /// for as well.
    pub fn announcements(&self) -> watch::Receiver<u64> {
        self.0.announced.subscribe()
    }

    /// Returns whether the database answers.
    pub async fn is_healthy(&self) -> bool {
        self.0
            .breaker
            .call(Call::Read, self.0.driver.check())
            .await
            .is_ok()
    }

    /// Asks the database what it is, how large, and what time it has.
    ///
    /// # Errors
    ///
    /// `StoreUnavailable` when the database doesn't answer.
    pub async fn facts(&self) -> Result<DatabaseFacts> {
        let breaker = &self.0.breaker;
        breaker.call(Call::Read, self.0.driver.facts()).await
    }

    /// Returns the number of steps that the schema of this program has.
    pub fn schema() -> usize {
        migrate::MIGRATIONS.len()
    }

    /// Reads rows.
    pub(crate) async fn query(
        &self,
        statement: Statement,
        parameters: Vec<Value>,
    ) -> Result<Vec<Row>> {
        self.0
            .breaker
            .call(self.read_call(), self.0.driver.query(statement, parameters))
            .instrument(database_span("read", Some(statement.table)))
            .await
    }

    /// Reads the rows of each query, asked in one go: one wait in place of several.
    async fn query_all(&self, queries: Vec<Query>) -> Result<Vec<Vec<Row>>> {
        let span = tracing::trace_span!(
            "database",
            span.kind = "client",
            db.operation.name = "read",
            db.operation.batch.size = queries.len(),
            db.query.summary = %look::Summary(&queries),
        );
        self.0
            .breaker
            .call(self.read_call(), self.0.driver.query_all(queries))
            .instrument(span)
            .await
    }

    fn read_call(&self) -> Call {
        if self.1 == ReadLimit::Bypassed {
            Call::PriorityRead
        } else {
            Call::Read
        }
    }

    /// Reads the first row, if there is one.
    pub(crate) async fn find(
        &self,
        statement: Statement,
        parameters: Vec<Value>,
    ) -> Result<Option<Row>> {
        Ok(self.query(statement, parameters).await?.into_iter().next())
    }

    /// Reads a row that is always there.
    pub(crate) async fn one(&self, statement: Statement, parameters: Vec<Value>) -> Result<Row> {
        self.find(statement, parameters)
            .await?
            .ok_or_else(|| Error::internal(format!("table {}: a row is missing", statement.table)))
    }
}

/// Begins the span of a call.
fn database_span(operation: &'static str, table: Option<&'static str>) -> Span {
    tracing::trace_span!(
        "database",
        span.kind = "client",
        db.operation.name = operation,
        db.collection.name = table,
    )
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Store")
    }
}

/// Returns every statement of every noun.
#[cfg(test)]
fn statements() -> impl Iterator<Item = Statement> {
    nouns::all_statements!().into_iter().flatten().copied()
}
