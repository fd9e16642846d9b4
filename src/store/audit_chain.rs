//! The chain of the audit: each stored line names the one before it by its hash.
//!
//! A line is a row or a page. Transactions of one writer come one after another, so each knows
//! what it follows without asking the database; what goes on at the same time has writers of its
//! own. A signed checkpoint names the last link of each (`docs/decisions/0046-a-chained-audit.md`).

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest::{self, SHA256};

use crate::domain::Result;
use crate::domain::clock::{SystemRandom, Timestamp, random_text};

use super::Store;
use super::part::{Guarded, Part};
use super::row::{Row, Statement, Value, statements};

statements! { "audit_writer";
    MOVE = "INSERT INTO audit_writer (id, position, link, moved_at) VALUES ($1, $2, $3, $4) ON \
            CONFLICT (id) DO UPDATE SET position = excluded.position, link = excluded.link, \
            moved_at = excluded.moved_at";
    LIST = "SELECT id, position, link, moved_at FROM audit_writer ORDER BY id";
    DELETE_IDLE = "DELETE FROM audit_writer WHERE moved_at < $1";
}

/// How long a writer may be idle and go on. A checkpoint names the writers of some minutes, so one
/// that rests makes room, and its next line begins a chain.
const IDLE: Duration = Duration::from_secs(120);
/// The part of a link's input that says what it is a link of.
const PURPOSE: &[u8] = b"transire:audit-line:1";

/// The SHA-256 of what is in a line.
pub type Content = [u8; 32];
/// The SHA-256 of a line, its place, and the link before it.
pub type Link = [u8; 32];

/// The link before the first line of a writer.
pub const NOTHING_BEFORE: Link = [0; 32];

/// The hash of values, each with its length before it; none is unlike an empty one.
pub(super) struct Hashing(digest::Context);

impl Hashing {
    /// Begins a hash for a purpose.
    pub(super) fn begin(purpose: &[u8]) -> Self {
        let mut hashing = Self(digest::Context::new(&SHA256));
        hashing.add(Some(purpose));
        hashing
    }

    /// Adds a value.
    pub(super) fn add(&mut self, value: Option<&[u8]>) {
        let length = value.map_or(u64::MAX, |value| value.len() as u64);
        self.0.update(&length.to_le_bytes());
        self.0.update(value.unwrap_or_default());
    }

    /// Ends the hash.
    pub(super) fn end(self) -> [u8; 32] {
        let mut hash = [0; 32];
        hash.copy_from_slice(self.0.finish().as_ref());
        hash
    }
}

/// The place of a line in the chain of its writer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainPlace {
    /// The writer; empty for a line of a release that made no chain.
    pub writer: String,
    /// The line's number among the writer's, from 1.
    pub position: i64,
    /// The link of the line before it.
    pub previous: Link,
}

impl ChainPlace {
    /// Returns the link of a line with this content at this place.
    pub fn link(&self, content: &Content) -> Link {
        let mut hashing = Hashing::begin(PURPOSE);
        hashing.add(Some(&self.previous));
        hashing.add(Some(self.writer.as_bytes()));
        hashing.add(Some(&self.position.to_le_bytes()));
        hashing.add(Some(content));
        hashing.end()
    }

    /// Reads the place of a row that has one.
    pub(super) fn of_row(row: &Row) -> Result<Option<Self>> {
        let writer = row.text("writer")?;
        if writer.is_empty() {
            return Ok(None);
        }
        Ok(Some(Self {
            position: row.integer("position")?,
            previous: link_in(row, "previous")?,
            writer,
        }))
    }
}

/// Reads a link; one of another length is no line's.
fn link_in(row: &Row, column: &'static str) -> Result<Link> {
    let bytes = row.bytes(column)?;
    Ok(<Link>::try_from(bytes.as_slice()).unwrap_or([0xff; 32]))
}

/// An event, or many, on the way into a table of the audit.
pub(crate) struct ChainedInsert {
    statement: Statement,
    /// All parameters but those of the place, which come last.
    parameters: Vec<Value>,
    content: Content,
}

impl ChainedInsert {
    pub(super) fn new(statement: Statement, parameters: Vec<Value>, content: Content) -> Self {
        Self {
            statement,
            parameters,
            content,
        }
    }
}

/// A chain of this process: its writer, and the last line of it.
#[derive(Clone)]
pub(super) struct Chain {
    writer: Arc<str>,
    position: i64,
    link: Link,
    /// When its last line was written; nothing of one that begins.
    moved_at: Option<Timestamp>,
}

impl Chain {
    /// Begins a chain, of a writer of its own.
    pub(super) fn begin() -> Self {
        const LETTERS: &[u8; 32] = b"0123456789abcdefghijklmnopqrstuv";
        Self {
            writer: random_text(&SystemRandom, LETTERS, 13).into(),
            position: 0,
            link: NOTHING_BEFORE,
            moved_at: None,
        }
    }

    /// Returns this chain for a line that is written now, or one that begins if this one rested for
    /// too long, or the clock was set.
    pub(super) fn unless_idle(self, now: Timestamp) -> Self {
        match self.moved_at {
            Some(moved_at) if moved_at.distance(now) > IDLE => Self::begin(),
            _ => self,
        }
    }

    /// Adds a line, and returns the statement that stores it.
    pub(super) fn add(&mut self, insert: &ChainedInsert) -> Guarded {
        let place = ChainPlace {
            writer: self.writer.to_string(),
            position: self.position + 1,
            previous: self.link,
        };
        self.link = place.link(&insert.content);
        self.position = place.position;
        let mut parameters = insert.parameters.clone();
        parameters.extend([
            place.writer.as_str().into(),
            place.position.into(),
            place.previous.as_slice().into(),
        ]);
        Guarded::unguarded(insert.statement, parameters)
    }

    /// Returns the statement that notes where the chain ends.
    pub(super) fn moved(&mut self, at: Timestamp) -> Guarded {
        self.moved_at = Some(at);
        let parameters = vec![
            (&*self.writer).into(),
            self.position.into(),
            self.link.as_slice().into(),
            at.into(),
        ];
        Guarded::unguarded(MOVE, parameters)
    }
}

/// The last line of a writer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainHead {
    /// The writer.
    pub writer: String,
    /// The number of its last line.
    pub position: i64,
    /// The link of that line.
    pub link: Link,
    /// When it was written.
    pub moved_at: Timestamp,
}

/// Lists the last lines of the writers that wrote lately, by the name of the writer.
///
/// # Errors
///
/// `StoreUnavailable` when the database doesn't answer, `Internal` for a row that can't be read.
pub async fn heads(store: &Store) -> Result<Vec<ChainHead>> {
    let rows = store.query(LIST, Vec::new()).await?;
    let head = |row: &Row| {
        Ok(ChainHead {
            writer: row.text("id")?,
            position: row.integer("position")?,
            link: link_in(row, "link")?,
            moved_at: row.time("moved_at")?,
        })
    };
    rows.iter().map(head).collect()
}

/// Forgets the writers whose last line was written before a time.
pub fn forget_idle(before: Timestamp) -> Part {
    Part::of([Guarded::unguarded(DELETE_IDLE, vec![before.into()])])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(values: &[Option<&[u8]>]) -> [u8; 32] {
        let mut hashing = Hashing::begin(b"test");
        values.iter().for_each(|value| hashing.add(*value));
        hashing.end()
    }

    #[test]
    fn no_two_lists_of_values_have_one_hash() {
        assert_ne!(
            hash(&[Some(b"ab"), Some(b"c")]),
            hash(&[Some(b"a"), Some(b"bc")])
        );
        assert_ne!(hash(&[None]), hash(&[Some(b"")]));
        assert_ne!(hash(&[None]), hash(&[]));
        assert_eq!(hash(&[Some(b"a"), None]), hash(&[Some(b"a"), None]));
    }

    #[test]
    fn a_link_hangs_on_the_content_the_place_and_the_link_before() {
        let place = ChainPlace {
            writer: "w".to_owned(),
            position: 2,
            previous: [1; 32],
        };
        let link = place.link(&[2; 32]);
        let others = [
            ChainPlace {
                writer: "v".to_owned(),
                ..place.clone()
            },
            ChainPlace {
                position: 3,
                ..place.clone()
            },
            ChainPlace {
                previous: [3; 32],
                ..place.clone()
            },
        ];
        assert!(others.iter().all(|other| other.link(&[2; 32]) != link));
        assert_ne!(place.link(&[3; 32]), link);
    }
}
