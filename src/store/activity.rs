//! Counts of the service's doings in minutes and hours. All replicas add to the same rows.

use crate::domain::Result;
use crate::domain::clock::Timestamp;

use super::Store;
use super::part::{Guarded, Part};
use super::row::statements;

/// A minute, in milliseconds.
const MINUTE: i64 = 60_000;
/// An hour, in milliseconds.
const HOUR: i64 = 60 * MINUTE;

statements! { "activity";
    ADD = "INSERT INTO activity (width, begins_at, name, amount) VALUES ($1, $2, $3, $4) \
           ON CONFLICT (width, begins_at, name) DO UPDATE SET amount = activity.amount + \
           excluded.amount";
    // Of two replicas at once the second one waits here, and then finds the minutes gone.
    HOLD = "UPDATE activity SET amount = amount WHERE width = $1 AND begins_at < $2";
    ADD_HOURS = "INSERT INTO activity (width, begins_at, name, amount) SELECT $3, begins_at - \
                 begins_at % $3, name, CAST(SUM(amount) AS BIGINT) FROM activity WHERE width = $1 \
                 AND begins_at < $2 GROUP BY 2, 3 \
                 ON CONFLICT (width, begins_at, name) DO UPDATE SET amount = activity.amount + \
                 excluded.amount";
    DELETE = "DELETE FROM activity WHERE width = $1 AND begins_at < $2";
    SUMS = "SELECT begins_at - begins_at % $3 AS at, name, CAST(SUM(amount) AS BIGINT) AS amount \
            FROM activity WHERE begins_at >= $1 AND begins_at < $2 GROUP BY 1, 2 ORDER BY 1, 2";
}

/// How often something happened in a stretch of time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sum {
    /// When the stretch begins.
    pub at: Timestamp,
    /// The name of what is counted.
    pub name: String,
    /// How often it happened.
    pub amount: u64,
}

/// Adds counts to those of a minute.
pub fn add(minute: Timestamp, counts: &[(String, u64)]) -> Part {
    Part::of(counts.iter().map(|(name, amount)| {
        let amount = i64::try_from(*amount).unwrap_or(i64::MAX);
        let row = vec![
            MINUTE.into(),
            minute.into(),
            name.as_str().into(),
            amount.into(),
        ];
        Guarded::unguarded(ADD, row)
    }))
}

/// Puts the minutes before `minutes_before`, the beginning of an hour, together to hours, and
/// deletes the hours before `hours_before`.
pub fn trim(minutes_before: Timestamp, hours_before: Timestamp) -> Part {
    let minutes = || vec![MINUTE.into(), minutes_before.into()];
    let mut to_hours = minutes();
    to_hours.push(HOUR.into());
    Part::of([
        Guarded::unguarded(HOLD, minutes()),
        Guarded::unguarded(ADD_HOURS, to_hours),
        Guarded::unguarded(DELETE, minutes()),
        Guarded::unguarded(DELETE, vec![HOUR.into(), hours_before.into()]),
    ])
}

/// Adds up what happened from `since` on and before `until`, by stretches of `step_seconds`.
///
/// # Errors
///
/// `StoreUnavailable` when the database doesn't answer, `Internal` for a row that can't be read.
pub async fn sums(
    store: &Store,
    since: Timestamp,
    until: Timestamp,
    step_seconds: i64,
) -> Result<Vec<Sum>> {
    let step = step_seconds.saturating_mul(1000);
    let rows = store
        .query(SUMS, vec![since.into(), until.into(), step.into()])
        .await?;
    rows.iter()
        .map(|row| {
            Ok(Sum {
                at: row.time("at")?,
                name: row.text("name")?,
                amount: row.number("amount")?,
            })
        })
        .collect()
}
