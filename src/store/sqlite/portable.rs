//! Everything that is in an SQLite file, out and in.

use std::path::Path;
use std::sync::Arc;

use rusqlite::{Connection, params_from_iter};
use tokio::sync::mpsc;

use super::connection::{Failure, open_reader, open_writer};
use super::value;
use crate::domain::{Error, Result};
use crate::store::portable::{Batch, Hold, Piece, Table};
use crate::store::row::Value;

/// How many rows are sent at a time.
const ROWS: usize = 500;

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
        let mut rows: Vec<Vec<Value>> = Vec::with_capacity(ROWS);
        loop {
            let next = cursor.next()?;
            if rows.len() == ROWS || next.is_none() {
                let full = std::mem::replace(&mut rows, Vec::with_capacity(ROWS));
                if pieces.blocking_send(Piece::Rows(full)).is_err() {
                    return Ok(());
                }
            }
            let Some(row) = next else { break };
            rows.push(
                (0..columns)
                    .map(|index| row.get_ref(index).map(value))
                    .collect::<rusqlite::Result<_>>()?,
            );
        }
        if pieces.blocking_send(Piece::EndOfTable).is_err() {
            return Ok(());
        }
    }
    connection.execute_batch("COMMIT")
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
