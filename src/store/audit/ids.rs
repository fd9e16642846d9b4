//! Ids of the audit's rows and pages, which begin with the time of writing.

use crate::domain::clock::{Random, Timestamp, random_text};

/// Makes the id of a row or a page that is written at this time.
///
/// Ids are in the order of writing, as far as the clocks of replicas agree. So the newest are
/// together in the index of ids, and who follows the audit finds them there. The letter in front
/// comes after those of the ids that earlier releases made.
pub fn new_id(random: &dyn Random, now: Timestamp) -> String {
    timed_id(random, now, 12)
}

/// As [`new_id`], with so many digits by chance, each of five bits.
pub(in crate::store) fn timed_id(random: &dyn Random, now: Timestamp, digits: usize) -> String {
    const DIGITS: &[u8; 32] = b"0123456789abcdefghijklmnopqrstuv";
    let mut id = first_id(now);
    id.push_str(&random_text(random, DIGITS, digits));
    id
}

/// Returns when a row or a page of this id was written; nothing of one that an earlier release
/// wrote.
pub fn written_at(id: &str) -> Option<Timestamp> {
    let digits = id.strip_prefix('w')?.get(..9)?;
    i64::from_str_radix(digits, 32)
        .ok()
        .map(Timestamp::from_unix_millis)
}

/// Returns the text that comes before all ids of rows and pages that were written at this time or
/// later.
pub fn first_id(at: Timestamp) -> String {
    const DIGITS: &[u8; 32] = b"0123456789abcdefghijklmnopqrstuv";
    let millis = u64::try_from(at.unix_millis()).unwrap_or(0);
    let digit = |place: u32| DIGITS.get((millis >> (5 * place)) as usize & 31).copied();
    let digits = (0..9).rev().filter_map(digit).map(char::from);
    std::iter::once('w').chain(digits).collect()
}
