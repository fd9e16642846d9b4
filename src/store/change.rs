//! The change feed: every change of something that a cache can hold, in the order of commits.
//!
//! Positions have no gaps. A cache fill notes the position before it reads, and is dropped if that
//! thing changed since. A reader that fell behind what is kept empties its caches.

use crate::domain::clock::Timestamp;
use crate::domain::{Error, Noun, Result};

use super::nouns::Entity;
use super::part::{Guarded, Part, Rows};
use super::row::statements;
use super::{Driver, Store};

statements! { "change";
    ADVANCE = "UPDATE change_counter SET position = position + 1 WHERE id = 1";
    APPEND = "INSERT INTO change (position, noun, thing_id, changed_at) \
              VALUES ((SELECT position FROM change_counter WHERE id = 1), $1, $2, $3)";
    // Holds the counter's row to the end of the transaction: no other change comes in between. The
    // condition is of that row alone, so a transaction that waited for it judges it as it is then.
    HOLD = "UPDATE change_counter SET position = position WHERE id = 1 AND position = $1";
    POSITION = "SELECT position FROM change_counter WHERE id = 1";
    OLDEST = "SELECT position FROM change ORDER BY position LIMIT 1";
    READ = "SELECT position, noun, thing_id FROM change WHERE position > $1 ORDER BY position \
            LIMIT $2";
    // Both trim a prefix: the replicas' clocks differ, and times out of order must not tear gaps.
    TRIM_BY_AGE = "DELETE FROM change WHERE position <= (SELECT MAX(position) FROM change WHERE \
                   changed_at < $1)";
    TRIM_BY_COUNT = "DELETE FROM change WHERE position <= (SELECT position FROM change_counter \
                     WHERE id = 1) - $1";
}

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Its place in the order of commits, from 1.
    pub position: i64,
    /// The sort of thing that changed.
    pub noun: Entity,
    /// Its id.
    pub id: String,
}

/// An answer to a reader of the feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Changes {
    /// The changes after the reader's position, oldest first; empty when it is up to date.
    Next(Vec<Change>),
    /// Changes that the reader has not seen are no longer kept: it empties its caches and goes on
    /// from `position`.
    FellBehind {
        /// The feed's position before the caches were to be emptied.
        position: i64,
    },
}

pub(super) fn append(noun: Entity, id: &str, at: Timestamp) -> [Guarded; 2] {
    [
        Guarded::unguarded(ADVANCE, Vec::new()),
        Guarded::unguarded(APPEND, vec![noun.name().into(), id.into(), at.into()]),
    ]
}

/// Refuses a write where the feed isn't at `position` by then.
pub(super) fn hold(position: i64) -> Guarded {
    Guarded::new(HOLD, vec![position.into()], Rows::Exactly(1), || {
        Error::precondition_failed(
            Noun::Setting,
            "Other changes came in between, again and again: send the request once more.",
        )
    })
}

/// Returns the position of the newest change, 0 before the first; one row read by its key, so it is
/// cheap to poll.
///
/// # Errors
///
/// `StoreUnavailable` when the database doesn't answer, `Internal` for a row that can't be read.
pub async fn position(store: &Store) -> Result<i64> {
    store.one(POSITION, Vec::new()).await?.integer("position")
}

/// Returns the position of the newest change, asked for by the side of all other reads.
pub(super) async fn probe(driver: &dyn Driver) -> Result<i64> {
    let rows = driver.probe(POSITION).await?;
    rows.first()
        .ok_or_else(|| Error::internal("table change_counter: a row is missing"))?
        .integer("position")
}

/// Returns the position of the oldest change that is kept.
///
/// # Errors
///
/// `StoreUnavailable` when the database doesn't answer, `Internal` for a row that can't be read.
pub async fn oldest(store: &Store) -> Result<Option<i64>> {
    store
        .find(OLDEST, Vec::new())
        .await?
        .map(|row| row.integer("position"))
        .transpose()
}

/// Reads at most `limit` changes after `after`.
///
/// # Errors
///
/// `StoreUnavailable` when the database doesn't answer, `Internal` for a row that can't be read.
pub async fn read(store: &Store, after: i64, limit: u32) -> Result<Changes> {
    // In this order: what is committed by now shows in the rows, or was trimmed.
    let position = position(store).await?;
    let rows = store
        .query(READ, vec![after.into(), i64::from(limit).into()])
        .await?;
    let changes = rows
        .iter()
        .map(|row| {
            Ok(Change {
                position: row.integer("position")?,
                noun: Entity::of_name(&row.text("noun")?),
                id: row.text("thing_id")?,
            })
        })
        .collect::<Result<Vec<_>>>()?;
    // Ahead of the feed is behind, too: the database was put back to an older state.
    let behind = match changes.first() {
        Some(first) => first.position != after.saturating_add(1),
        None => position != after && limit > 0,
    };
    Ok(if behind {
        Changes::FellBehind { position }
    } else {
        Changes::Next(changes)
    })
}

/// Forgets the changes made before `before`, and all but the newest `keep`.
pub fn trim(before: Timestamp, keep: u32) -> Part {
    Part::of([
        Guarded::unguarded(TRIM_BY_AGE, vec![before.into()]),
        Guarded::unguarded(TRIM_BY_COUNT, vec![i64::from(keep).into()]),
    ])
}
