//! Everything that is in a store, in a form that either database takes: to move it, to back it up
//! and to restore it.
//!
//! The list of nouns drives it all, and a test holds its tables equal to the schema of both
//! databases. Rows are read as of one moment and in one order, so that a table's digest is the same
//! wherever it is computed. Filling an empty store is done in batches; while it is under way the
//! store can't be opened to be used, and it can be gone on with.

mod encoding;
mod file;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod header;
mod read;
mod receive;
mod tables;
mod verify;

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_lc_rs::digest;
use tokio::sync::mpsc;

use crate::domain::clock::{Clock, Random, Timestamp};
use crate::domain::{Error, Result};

use crate::store::migrate::{FILLING, MIGRATIONS, Purpose};
use crate::store::row::{Value, statements};
use crate::store::{Location, Store};

use encoding::Encoded;
pub(super) use encoding::Lent;
pub(crate) use encoding::{Rows, decode};
#[cfg(test)]
pub(super) use file::backup_of;
pub use file::{Seal, backup, backup_to};
pub use read::restore;
pub use receive::Receiving;
pub(crate) use tables::Table;
pub(super) use tables::all as tables;
pub use verify::{VerifiedBackup, verify};

statements! { "schema_version";
    FIND_MARK = "SELECT number, checksum FROM schema_version WHERE number = $1";
}

const ADD_MARK: &str = "INSERT INTO schema_version (number, name, checksum, applied_at) VALUES \
                        ($1, 'filling', $2, $3)";
const REMOVE_MARK: &str = "DELETE FROM schema_version WHERE number = $1";
/// How many rows are added in one transaction.
pub(super) const BATCH: usize = 1000;
/// How many pieces wait between who reads and who writes.
const QUEUE: usize = 4;

/// The writers that are kept waiting while everything is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hold {
    /// None: the rows are as of one moment, and others go on.
    Nothing,
    /// All of them, so that nothing is acknowledged that is left behind.
    Writers,
}

/// A piece of what is read, in the order of the tables.
#[derive(Debug)]
pub(crate) enum Piece {
    /// Rows of the table that is being read.
    Rows(Rows),
    /// The table has no more; what follows is of the next.
    EndOfTable,
    /// Nothing follows, for this reason.
    Failed(Error),
}

/// Rows that are added in one transaction.
#[derive(Clone, Debug)]
pub(crate) struct Batch {
    /// Is done first.
    pub(super) before: Option<String>,
    /// Is done with each row, and touches one.
    pub(super) text: String,
    pub(super) rows: Vec<Vec<Value>>,
}

/// How much of a backup was written so far; clones share it.
#[derive(Clone, Debug, Default)]
pub struct Progress(Arc<AtomicU64>);

impl Progress {
    /// Returns the bytes of its rows.
    pub fn bytes(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    fn add(&self, bytes: usize) {
        self.0.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

/// The sum of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableSum {
    /// Its name.
    pub table: String,
    /// How many rows it has.
    pub rows: u64,
    /// SHA-256 over its name, its columns and its rows in their order, in hexadecimal; the same on
    /// every database.
    pub digest: String,
}

/// Everything of some tables, as it comes.
pub(super) struct Reading {
    tables: Arc<[Table]>,
    pieces: mpsc::Receiver<Piece>,
}

impl Reading {
    pub(super) async fn next(&mut self) -> Result<Piece> {
        judged(self.pieces.recv().await)
    }

    fn blocking_next(&mut self) -> Result<Piece> {
        judged(self.pieces.blocking_recv())
    }
}

fn judged(piece: Option<Piece>) -> Result<Piece> {
    match piece {
        Some(Piece::Failed(error)) => Err(error),
        Some(piece) => Ok(piece),
        None => Err(Error::internal("reading ended before all was read")),
    }
}

/// The sum of a table, as far as it was read.
#[derive(Clone)]
struct Sum {
    context: digest::Context,
    rows: u64,
}

impl Sum {
    fn of(table: &Table) -> Self {
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(table.to_line().as_bytes());
        Self { context, rows: 0 }
    }

    fn add(&mut self, row: Encoded<'_>) {
        self.context.update(row.measured());
        self.rows += 1;
    }

    fn digest(&self) -> [u8; 32] {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(self.context.clone().finish().as_ref());
        bytes
    }

    fn summary(&self, table: &Table) -> TableSum {
        TableSum {
            table: table.name.clone(),
            rows: self.rows,
            digest: hexadecimal(&self.digest()),
        }
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String can't fail.
        write!(text, "{byte:02x}").ok();
        text
    })
}

impl Store {
    /// Reads tables as of one moment.
    pub(super) fn read_tables(&self, tables: &Arc<[Table]>, hold: Hold) -> Reading {
        let (sender, pieces) = mpsc::channel(QUEUE);
        let (store, wanted) = (self.clone(), Arc::clone(tables));
        tokio::spawn(async move {
            if let Err(error) = store
                .0
                .driver
                .read_tables(&wanted, hold, sender.clone())
                .await
            {
                // A receiver that is gone needs no answer.
                sender.send(Piece::Failed(error)).await.ok();
            }
        });
        Reading {
            tables: Arc::clone(tables),
            pieces,
        }
    }

    /// Sums tables up, as of one moment.
    async fn sums(&self, tables: &Arc<[Table]>) -> Result<Vec<(Sum, TableSum)>> {
        let mut reading = self.read_tables(tables, Hold::Nothing);
        let mut sums = Vec::with_capacity(tables.len());
        for table in &**tables {
            let mut sum = Sum::of(table);
            while let Piece::Rows(rows) = reading.next().await? {
                rows.iter().for_each(|row| sum.add(row));
            }
            let summary = sum.summary(table);
            sums.push((sum, summary));
        }
        Ok(sums)
    }

    /// Names a table that has rows which are not there by the schema itself.
    async fn occupied(&self, tables: &Arc<[Table]>) -> Result<Option<String>> {
        let mut reading = self.read_tables(tables, Hold::Nothing);
        for table in &**tables {
            while let Piece::Rows(rows) = reading.next().await? {
                if rows.len() > 0 && !table.seeded {
                    return Ok(Some(table.name.clone()));
                }
            }
        }
        Ok(None)
    }

    async fn fill(
        &self,
        before: Option<String>,
        text: String,
        rows: Vec<Vec<Value>>,
    ) -> Result<()> {
        self.0.driver.fill(Batch { before, text, rows }).await
    }

    /// Returns from where data is being filled in, if it is.
    async fn mark(&self) -> Result<Option<String>> {
        self.find(FIND_MARK, vec![FILLING.into()])
            .await?
            .map(|row| row.text("checksum"))
            .transpose()
    }
}

/// Sums up everything in a store, as of one moment.
///
/// # Errors
///
/// `StoreUnavailable` when the database doesn't answer, `Internal` for a row that can't be read.
pub async fn sums(store: &Store) -> Result<Vec<TableSum>> {
    Ok(store
        .sums(&tables())
        .await?
        .into_iter()
        .map(|(_, sum)| sum)
        .collect())
}

/// Copies everything of one store into an empty one, and keeps the first from being written
/// meanwhile.
///
/// Goes on where an earlier copying of the same store ended.
///
/// # Errors
///
/// `Misconfigured` when the target has anything else in it, or the source has changed since;
/// `StoreUnavailable` when a database doesn't answer.
pub async fn copy(
    source: &Store,
    target: &Location,
    clock: &dyn Clock,
    random: &dyn Random,
) -> Result<Vec<TableSum>> {
    let mark = identity(source).await?;
    let target = Store::open_for(target, Purpose::Fill(MIGRATIONS.len()), clock, random).await?;
    fill(
        source.read_tables(&tables(), Hold::Writers),
        &target,
        &mark,
        clock.now(),
    )
    .await
}

/// Names the data of a store: by the settings of its first start, of which the master key's check
/// value is one.
async fn identity(store: &Store) -> Result<String> {
    let meta: Arc<[Table]> = tables()
        .iter()
        .filter(|table| table.name == "meta")
        .cloned()
        .collect();
    match store.sums(&meta).await?.pop() {
        Some((_, sum)) if sum.rows > 0 => Ok(sum.digest),
        _ => Err(Error::misconfigured(
            "there is no data: no service was ever started on this database",
        )),
    }
}

/// Fills a store with everything that comes, and looks that all of it is there before the store can
/// be used.
pub(super) async fn fill(
    mut source: Reading,
    target: &Store,
    mark: &str,
    now: Timestamp,
) -> Result<Vec<TableSum>> {
    let tables = Arc::clone(&source.tables);
    match target.mark().await? {
        Some(begun) if begun == mark => tracing::info!("going on with what was begun"),
        Some(_) => {
            return Err(Error::misconfigured(
                "other data was being brought into this database; begin again with an empty one",
            ));
        }
        None => {
            if let Some(table) = target.occupied(&tables).await? {
                return Err(Error::misconfigured(format!(
                    "the database is not empty: there are rows in {table}"
                )));
            }
            target
                .fill(
                    None,
                    ADD_MARK.to_owned(),
                    vec![vec![FILLING.into(), mark.into(), now.into()]],
                )
                .await?;
        }
    }
    let mut sums = Vec::with_capacity(tables.len());
    for table in &*tables {
        sums.push(fill_table(&mut source, table, target).await?);
    }
    let found = target.sums(&tables).await?.into_iter().map(|(_, sum)| sum);
    if let Some((wanted, found)) = sums
        .iter()
        .zip(found)
        .find(|(wanted, found)| *wanted != found)
    {
        return Err(Error::internal(format!(
            "the copy differs: {wanted:?} became {found:?}"
        )));
    }
    target
        .fill(None, REMOVE_MARK.to_owned(), vec![vec![FILLING.into()]])
        .await?;
    Ok(sums)
}

/// Adds the rows of one table that are not there yet.
async fn fill_table(source: &mut Reading, table: &Table, target: &Store) -> Result<TableSum> {
    let changed = || {
        Error::misconfigured(format!(
            "table {}: the data has changed since it was begun with; begin again with an empty \
             database",
            table.name
        ))
    };
    // Few rows are there by the schema itself, so those are always done anew.
    let mut before = table.seeded.then(|| table.delete());
    let there = match before {
        Some(_) => Sum::of(table),
        None => target
            .sums(&Arc::from([table.clone()]))
            .await?
            .pop()
            .map_or_else(|| Sum::of(table), |(sum, _)| sum),
    };
    let mut sum = Sum::of(table);
    let mut missing = Vec::new();
    while let Piece::Rows(rows) = source.next().await? {
        for row in rows.iter() {
            let values = table.check(row.bytes())?;
            sum.add(row);
            if sum.rows > there.rows {
                missing.push(values.map(Lent::owned).collect());
            } else if sum.rows == there.rows && sum.digest() != there.digest() {
                return Err(changed());
            }
            if missing.len() == BATCH {
                target
                    .fill(before.take(), table.insert(), std::mem::take(&mut missing))
                    .await?;
            }
        }
    }
    if sum.rows < there.rows {
        return Err(changed());
    }
    if before.is_some() || !missing.is_empty() {
        target.fill(before, table.insert(), missing).await?;
    }
    Ok(sum.summary(table))
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    #[test]
    fn a_digest_tells_tables_rows_and_values_apart() {
        let all = tables();
        let sum = |table: &Table, rows: &[&[Value]]| {
            let mut sum = Sum::of(table);
            for row in rows {
                let mut one = Rows::default();
                let values = row.iter().map(|value| Ok::<_, Infallible>(value.into()));
                one.add(values).unwrap();
                one.iter().for_each(|row| sum.add(row));
            }
            sum.summary(table).digest
        };
        let digests = [
            sum(&all[0], &[]),
            sum(&all[1], &[]),
            sum(&all[0], &[&["1".into()]]),
            sum(&all[0], &[&[1.into()]]),
            sum(&all[0], &[&[b"1".as_slice().into()]]),
            sum(&all[0], &[&["1".into(), "2".into()]]),
            sum(&all[0], &[&["1".into()], &["2".into()]]),
            sum(&all[0], &[&["2".into()], &["1".into()]]),
        ];
        for (index, digest) in digests.iter().enumerate() {
            assert!(!digests[..index].contains(digest), "{index}");
        }
    }
}
