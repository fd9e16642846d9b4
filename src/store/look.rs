//! Looks at the database: a query with how its rows are read, so that several go out together.

use std::fmt;

use crate::domain::Result;

use super::Store;
use super::row::{Row, Statement, Value};

/// A statement that reads, with its parameters.
#[derive(Clone, Debug)]
pub(crate) struct Query {
    pub(super) statement: Statement,
    pub(super) parameters: Vec<Value>,
}

/// Writes what queries read, such as `read instance, credential`.
pub(super) struct Summary<'a>(pub(super) &'a [Query]);

impl fmt::Display for Summary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, query) in self.0.iter().enumerate() {
            let before = if place == 0 { "read " } else { ", " };
            write!(f, "{before}{}", query.statement.table)?;
        }
        Ok(())
    }
}

/// How the rows of an answer are read.
type Read<T> = Box<dyn FnOnce(&[Row]) -> Result<T> + Send>;

/// A query, and how its rows are read.
pub(super) struct Look<T> {
    query: Query,
    read: Read<T>,
}

impl<T: 'static> Look<Option<T>> {
    /// Looks for the first row.
    pub(super) fn first(
        statement: Statement,
        parameters: Vec<Value>,
        read: fn(&Row) -> Result<T>,
    ) -> Self {
        Self::new(statement, parameters, move |rows| {
            rows.first().map(read).transpose()
        })
    }
}

impl<T: 'static> Look<Vec<T>> {
    /// Looks for all rows.
    pub(super) fn all(
        statement: Statement,
        parameters: Vec<Value>,
        read: fn(&Row) -> Result<T>,
    ) -> Self {
        Self::new(statement, parameters, move |rows| {
            rows.iter().map(read).collect()
        })
    }
}

impl<T> Look<T> {
    /// Looks for rows that are read together.
    pub(super) fn new(
        statement: Statement,
        parameters: Vec<Value>,
        read: impl FnOnce(&[Row]) -> Result<T> + Send + 'static,
    ) -> Self {
        Self {
            query: Query {
                statement,
                parameters,
            },
            read: Box::new(read),
        }
    }

    /// Asks this alone.
    pub(super) async fn ask(self, store: &Store) -> Result<T> {
        let rows = store
            .query(self.query.statement, self.query.parameters)
            .await?;
        (self.read)(&rows)
    }
}

/// The looks that go to the database together, and their answers, in their order.
pub(super) struct Together {
    queries: Vec<Query>,
}

/// The place of a look among those that go together.
pub(super) struct Placed<T> {
    place: usize,
    read: Read<T>,
}

/// The answers to the looks that went together.
pub(super) struct Answers(Vec<Vec<Row>>);

impl Together {
    pub(super) const fn new() -> Self {
        Self {
            queries: Vec::new(),
        }
    }

    /// Adds a look.
    pub(super) fn add<T>(&mut self, look: Look<T>) -> Placed<T> {
        self.queries.push(look.query);
        Placed {
            place: self.queries.len() - 1,
            read: look.read,
        }
    }

    /// Asks all of them at once.
    pub(super) async fn ask(self, store: &Store) -> Result<Answers> {
        store.query_all(self.queries).await.map(Answers)
    }
}

impl Answers {
    /// Reads the answer to a look.
    pub(super) fn read<T>(&self, placed: Placed<T>) -> Result<T> {
        (placed.read)(self.0.get(placed.place).map_or(&[], Vec::as_slice))
    }
}
