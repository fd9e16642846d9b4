//! Values and rows, as SQLite has them.

use std::sync::Arc;

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{CachedStatement, Connection};

use crate::store::row::{Row, Statement, Value};

/// Reads the rows of a statement.
pub(super) fn rows(
    connection: &Connection,
    statement: Statement,
    parameters: &[Value],
) -> rusqlite::Result<Vec<Row>> {
    let mut prepared = bound(connection, statement, parameters)?;
    let columns: Arc<[String]> = prepared.column_names().map(str::to_owned).collect();
    let mut cursor = prepared.raw_query();
    let mut rows = Vec::new();
    while let Some(row) = cursor.next()? {
        let values = (0..columns.len())
            .map(|index| row.get_ref(index).map(value))
            .collect::<rusqlite::Result<_>>()?;
        rows.push(Row::new(statement.table, Arc::clone(&columns), values));
    }
    Ok(rows)
}

fn value(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => Value::Integer(number),
        // The tables are strict, so no float is in them; should one be, the row's reader says
        // where.
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

/// The names of the parameters that nearly all statements have.
const NAMES: [&str; 16] = [
    "$1", "$2", "$3", "$4", "$5", "$6", "$7", "$8", "$9", "$10", "$11", "$12", "$13", "$14", "$15",
    "$16",
];

/// Prepares a statement, or takes it from the cache, and binds its parameters.
pub(super) fn bound<'c>(
    connection: &'c Connection,
    statement: Statement,
    parameters: &[Value],
) -> rusqlite::Result<CachedStatement<'c>> {
    let mut prepared = connection.prepare_cached(statement.text)?;
    let expected = prepared.parameter_count();
    if expected != parameters.len() {
        return Err(rusqlite::Error::InvalidParameterCount(
            parameters.len(),
            expected,
        ));
    }
    for (number, parameter) in parameters.iter().enumerate() {
        // To SQLite `$1` is a name, and its place is where the text has it first.
        match NAMES.get(number) {
            Some(name) => prepared.raw_bind_parameter(*name, parameter)?,
            None => prepared.raw_bind_parameter(format!("${}", number + 1).as_str(), parameter)?,
        }
    }
    Ok(prepared)
}
