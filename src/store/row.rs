//! The values of statements and rows.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::domain::clock::Timestamp;
use crate::domain::switch::Switch;
use crate::domain::wrapped::Wrapped;
use crate::domain::{Error, Result};

/// One text of SQL that both databases speak, and the table that its rows are of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Statement {
    /// The table that errors name.
    pub(crate) table: &'static str,
    /// The SQL, with `$1` parameters. Of a query, the first column is the row's id.
    pub(crate) text: &'static str,
}

/// Defines the statements of a table, or of several, as constants and, so that the test that
/// prepares them all forgets none, as the list `STATEMENTS`. Each table has to be in the list of
/// nouns.
macro_rules! statements {
    ($table:literal; $($name:ident = $text:expr;)+) => {
        $crate::store::row::statements! { $table { $($name = $text;)+ } }
    };
    ($($table:literal { $($name:ident = $text:expr;)+ })+) => {
        $(const _: () = assert!(
            $crate::store::nouns::is_table($table),
            concat!("the list of nouns has no table ", $table)
        );)+
        $($(const $name: $crate::store::row::Statement = $crate::store::row::Statement {
            table: $table,
            text: $text,
        };)+)+
        #[cfg(test)]
        pub(super) const STATEMENTS: &[$crate::store::row::Statement] = &[$($($name),+),+];
    };
}
pub(super) use statements;

/// One value in a statement or a row: the types that both databases share.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Value {
    /// No value.
    Null,
    /// A number, or a time in unix milliseconds.
    Integer(i64),
    /// Text.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Integer(number) => write!(f, "{number}"),
            Self::Text(text) => write!(f, "{text:?}"),
            // Bytes are wrapped keys and hashes: nothing for a log.
            Self::Bytes(bytes) => write!(f, "[{} bytes]", bytes.len()),
        }
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

impl From<Timestamp> for Value {
    fn from(at: Timestamp) -> Self {
        Self::Integer(at.unix_millis())
    }
}

impl From<Switch> for Value {
    fn from(switch: Switch) -> Self {
        Self::Integer(i64::from(switch.is_on()))
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&[u8]> for Value {
    fn from(bytes: &[u8]) -> Self {
        Self::Bytes(bytes.to_vec())
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// One row of an answer.
///
/// A value that will not convert is an internal error naming table, column and the row's id.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    table: &'static str,
    columns: Arc<[String]>,
    values: Vec<Value>,
}

impl Row {
    /// Makes a row of `table`; `columns` and `values` have the same length.
    pub(crate) fn new(table: &'static str, columns: Arc<[String]>, values: Vec<Value>) -> Self {
        Self {
            table,
            columns,
            values,
        }
    }

    /// Makes the error for a value that will not convert; `why` may quote it, for only the log
    /// shows it.
    pub(crate) fn unreadable(&self, column: &str, why: impl fmt::Display) -> Error {
        let id = self.values.first().unwrap_or(&Value::Null);
        Error::internal(format!(
            "table {}, column {column}, id {id:?}: {why}",
            self.table
        ))
    }

    fn value(&self, column: &str) -> Result<&Value> {
        let found = self.columns.iter().position(|name| name == column);
        found
            .and_then(|index| self.values.get(index))
            .ok_or_else(|| self.unreadable(column, "the query has no such column"))
    }

    /// Returns a number.
    pub(crate) fn integer(&self, column: &str) -> Result<i64> {
        self.optional_integer(column)?
            .ok_or_else(|| self.unreadable(column, "there is no value"))
    }

    /// Returns a number, or nothing.
    pub(crate) fn optional_integer(&self, column: &str) -> Result<Option<i64>> {
        match self.value(column)? {
            Value::Null => Ok(None),
            Value::Integer(number) => Ok(Some(*number)),
            other => Err(self.unreadable(column, format_args!("{other:?} is not a number"))),
        }
    }

    /// Returns a number that fits `T`.
    pub(crate) fn number<T: TryFrom<i64>>(&self, column: &str) -> Result<T> {
        let number = self.integer(column)?;
        T::try_from(number)
            .map_err(|_| self.unreadable(column, format_args!("{number} is out of range")))
    }

    /// Returns a time.
    pub(crate) fn time(&self, column: &str) -> Result<Timestamp> {
        self.integer(column).map(Timestamp::from_unix_millis)
    }

    /// Returns a time, or nothing.
    pub(crate) fn optional_time(&self, column: &str) -> Result<Option<Timestamp>> {
        let millis = self.optional_integer(column)?;
        Ok(millis.map(Timestamp::from_unix_millis))
    }

    /// Returns what a number says that is 0 or 1.
    pub(crate) fn switch(&self, column: &str) -> Result<Switch> {
        match self.integer(column)? {
            0 => Ok(Switch::Off),
            1 => Ok(Switch::On),
            other => Err(self.unreadable(column, format_args!("{other} is neither 0 nor 1"))),
        }
    }

    /// Returns text.
    pub(crate) fn text(&self, column: &str) -> Result<String> {
        self.optional_text(column)?
            .ok_or_else(|| self.unreadable(column, "there is no value"))
    }

    /// Returns text, or nothing.
    pub(crate) fn optional_text(&self, column: &str) -> Result<Option<String>> {
        match self.value(column)? {
            Value::Null => Ok(None),
            Value::Text(text) => Ok(Some(text.clone())),
            other => Err(self.unreadable(column, format_args!("{other:?} is not text"))),
        }
    }

    /// Returns text as what its parts spell, which commas divide; empty text has none.
    pub(crate) fn parsed_list<T: FromStr, C: FromIterator<T>>(&self, column: &str) -> Result<C>
    where
        T::Err: fmt::Display,
    {
        let text = self.text(column)?;
        let parts = text.split(',').filter(|part| !part.is_empty());
        parts
            .map(|part| {
                part.parse()
                    .map_err(|error| self.unreadable(column, format_args!("{part:?}: {error}")))
            })
            .collect()
    }

    /// Returns text as what it spells.
    pub(crate) fn parsed<T: FromStr>(&self, column: &str) -> Result<T>
    where
        T::Err: fmt::Display,
    {
        let text = self.text(column)?;
        text.parse()
            .map_err(|error| self.unreadable(column, format_args!("{text:?}: {error}")))
    }

    /// Returns text as what it spells, or nothing.
    pub(crate) fn optional_parsed<T: FromStr>(&self, column: &str) -> Result<Option<T>>
    where
        T::Err: fmt::Display,
    {
        let parse = |text: String| {
            text.parse()
                .map_err(|error| self.unreadable(column, format_args!("{text:?}: {error}")))
        };
        self.optional_text(column)?.map(parse).transpose()
    }

    /// Returns bytes.
    pub(crate) fn bytes(&self, column: &str) -> Result<Vec<u8>> {
        self.optional_bytes(column)?
            .ok_or_else(|| self.unreadable(column, "there is no value"))
    }

    /// Returns a wrapped secret, which may be empty.
    pub(crate) fn wrapped(&self, column: &str) -> Result<Wrapped> {
        self.bytes(column).map(Wrapped::from_bytes)
    }

    /// Returns bytes, or nothing.
    pub(crate) fn optional_bytes(&self, column: &str) -> Result<Option<Vec<u8>>> {
        match self.value(column)? {
            Value::Null => Ok(None),
            Value::Bytes(bytes) => Ok(Some(bytes.clone())),
            other => Err(self.unreadable(column, format_args!("{other:?} is not bytes"))),
        }
    }

    /// Returns exactly `N` bytes.
    pub(crate) fn fixed_bytes<const N: usize>(&self, column: &str) -> Result<[u8; N]> {
        let bytes = self.bytes(column)?;
        let length = bytes.len();
        bytes
            .try_into()
            .map_err(|_| self.unreadable(column, format_args!("{length} bytes instead of {N}")))
    }
}
