//! Checkpoints that are kept outside of the database, where nobody who writes there can reach them.

use std::collections::BTreeMap;

use crate::domain::{Error, Result};
use crate::service::ledger::checkpoints::{Checkpoint, hash_of};
use crate::token::unverified_statement;

/// The hashes of checkpoints, by their numbers.
#[derive(Debug, Default)]
pub struct KeptCheckpoints(BTreeMap<i64, String>);

impl KeptCheckpoints {
    /// Reads checkpoints, one a line: signed, as its last word, or `number=N sha256=HEX`, as the
    /// system's log has it.
    ///
    /// # Errors
    ///
    /// `InvalidParameter` where a line holds none, and those of the lines.
    pub fn of(lines: impl Iterator<Item = Result<String>>) -> Result<Self> {
        let mut kept = BTreeMap::new();
        for line in lines {
            let line = line?;
            if line.trim().is_empty() {
                continue;
            }
            let (number, hash) = logged(&line).or_else(|| signed(&line)).ok_or_else(|| {
                Error::invalid_parameter("checkpoints", "a line of it has no checkpoint")
            })?;
            kept.insert(number, hash);
        }
        Ok(Self(kept))
    }

    /// Tells whether another checkpoint of this number is kept.
    pub(super) fn is_another(&self, number: i64, signed: &str) -> bool {
        self.0
            .get(&number)
            .is_some_and(|kept| *kept != hash_of(signed))
    }

    /// Returns the last number that is kept, if it comes after the newest.
    pub(super) fn beyond(&self, newest: i64) -> Option<i64> {
        let (last, _) = self.0.last_key_value()?;
        Some(*last).filter(|last| *last > newest)
    }
}

/// Returns the number and the hash of a signed checkpoint, of whoever signed it.
fn signed(line: &str) -> Option<(i64, String)> {
    let signed = line.split_whitespace().next_back()?;
    let statement = Checkpoint::parse(&unverified_statement(signed)?)?;
    Some((statement.number, hash_of(signed)))
}

/// Returns the number and the hash that a line of a log has.
fn logged(line: &str) -> Option<(i64, String)> {
    let value = |name: &str| {
        let mut words = line.split_whitespace();
        words.find_map(|word| word.strip_prefix(name))
    };
    Some((
        value("number=")?.parse().ok()?,
        value("sha256=")?.to_owned(),
    ))
}
