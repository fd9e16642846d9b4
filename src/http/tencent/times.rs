//! How this cloud writes times, besides unix milliseconds.

use std::time::Duration;

use crate::domain::clock::Timestamp;

/// How far Beijing's time is ahead of UTC; it knows no summer time.
const AHEAD: Duration = Duration::from_hours(8);

/// Writes a time as TCR does: ISO 8601 in Beijing's time, such as `2024-11-28T11:40:44+08:00`.
pub(super) fn beijing(at: Timestamp) -> String {
    let mut text = at.plus(AHEAD).rfc3339();
    if text.pop() == Some('Z') {
        text.push_str("+08:00");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_as_beijing_has_it() {
        let at = Timestamp::parse_rfc3339("2025-12-31T20:00:07Z").unwrap();
        assert_eq!(beijing(at), "2026-01-01T04:00:07+08:00");
        assert_eq!(Timestamp::parse_rfc3339(&beijing(at)), Some(at));
    }
}
