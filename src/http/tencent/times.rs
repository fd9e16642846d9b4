//! Times as Tencent writes them.

use std::time::Duration;

use crate::domain::clock::Timestamp;

/// Writes a time as ISO 8601 in China's time, whole seconds: `2024-07-19T15:33:22+08:00`.
pub(super) fn china(at: Timestamp) -> String {
    let there = at.plus(Duration::from_hours(8)).rfc3339();
    format!("{}+08:00", there.strip_suffix('Z').unwrap_or(&there))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_in_chinas_time() {
        assert_eq!(china(Timestamp::from_unix_millis(1_721_374_402_999)), "2024-07-19T15:33:22+08:00");
    }
}
