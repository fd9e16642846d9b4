//! Everything that is in an SQLite file, out and in.

use std::path::Path;
use std::sync::Arc;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, params_from_iter};
use tokio::sync::mpsc;

use super::connection::{Failure, open_reader, open_writer};
use crate::domain::{Error, Result};
use crate::store::portable::{Batch, Hold, Lent, Piece, Rows, Table};

pub(super) fn stream(
    path: &Path,
    tables: &[Table],
    hold: Hold,
    pieces: &mpsc::Sender<Piece>,
) -> Result<()> {
    let streamed = match hold {
        Hold::Nothing => open_reader(path)
            .and_then(|connection| stream_from(&connection, "BEGIN", tables, pieces)),
        // As a writer it is the only one.
        Hold::Writers => open_writer(path, &Arc::default())
            .and_then(|connection| stream_from(&connection, "BEGIN IMMEDIATE", tables, pieces)),
    };
    streamed.map_err(|error| Failure::from(error).error())
}

fn stream_from(
    connection: &Connection,
    begin: &str,
    tables: &[Table],
    pieces: &mpsc::Sender<Piece>,
) -> rusqlite::Result<()> {
    // One moment for all tables: that of the first row read after this.
    connection.execute_batch(begin)?;
    for table in tables {
        // Text sorts by its bytes.
        let mut statement = connection.prepare(&table.select(|name, _| name.to_owned()))?;
        let columns = statement.column_count();
        let mut cursor = statement.raw_query();
        let mut rows = Rows::default();
        loop {
            let next = cursor.next()?;
            if rows.is_full() || next.is_none() {
                let full = Piece::Rows(std::mem::take(&mut rows));
                if pieces.blocking_send(full).is_err() {
                    return Ok(());
                }
            }
            let Some(row) = next else { break };
            rows.add((0..columns).map(|index| row.get_ref(index).map(lent)))?;
        }
        if pieces.blocking_send(Piece::EndOfTable).is_err() {
            return Ok(());
        }
    }
    connection.execute_batch("COMMIT")
}

fn lent(value: ValueRef<'_>) -> Lent<'_> {
    match value {
        ValueRef::Null => Lent::Null,
        ValueRef::Integer(number) => Lent::Integer(number),
        // The tables are strict: what is no text is refused by its kind.
        ValueRef::Real(_) => Lent::Bytes(&[]),
        ValueRef::Text(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => Lent::Text(text),
            Err(_) => Lent::Bytes(bytes),
        },
        ValueRef::Blob(bytes) => Lent::Bytes(bytes),
    }
}

pub(super) fn insert(path: &Path, batch: &Batch) -> Result<()> {
    let failed = |error: rusqlite::Error| Failure::from(error).error();
    let connection = open_writer(path, &Arc::default()).map_err(failed)?;
    // Closing the connection rolls back what was not committed.
    connection
        .execute_batch("BEGIN IMMEDIATE")
        .map_err(failed)?;
    if let Some(before) = &batch.before {
        connection.execute_batch(before).map_err(failed)?;
    }
    let mut statement = connection.prepare(&batch.text).map_err(failed)?;
    for row in &batch.rows {
        if statement.execute(params_from_iter(row)).map_err(failed)? != 1 {
            return Err(Error::internal("a row that was to be added was not"));
        }
    }
    connection.execute_batch("COMMIT").map_err(failed)
}
