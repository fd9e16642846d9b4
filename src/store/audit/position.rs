//! A position in a listing of the audit.

use std::fmt;
use std::str::FromStr;

use crate::domain::clock::Timestamp;
use crate::domain::{Error, Result};

/// The most bytes of an id.
const MAX_ID_BYTES: usize = 64;

/// A place in the order of time.
///
/// As text it is a cursor, whose form is nobody's business but this one's: the time in hexadecimal
/// digits, a dot, and the id.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AuditPosition {
    /// A time.
    pub at: Timestamp,
    /// Among things of this time.
    pub id: String,
}

impl fmt::Display for AuditPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}.{}", self.at.unix_millis(), self.id)
    }
}

impl FromStr for AuditPosition {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let read = || {
            let (at, id) = text.split_once('.')?;
            // Signs are none of the digits that are written.
            let at = at
                .bytes()
                .all(|byte| byte.is_ascii_hexdigit())
                .then_some(at)?;
            let at = u64::from_str_radix(at, 16).ok()?.cast_signed();
            let is_id = id.len() <= MAX_ID_BYTES
                && id
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'.');
            is_id.then(|| Self {
                at: Timestamp::from_unix_millis(at),
                id: id.to_owned(),
            })
        };
        read().ok_or_else(|| {
            Error::invalid_parameter("cursor", "a cursor is given back as the list gave it")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ErrorKind;

    #[test]
    fn a_position_reads_back_from_its_text() {
        for (at, id) in [
            (1_735_787_045_067, "w1ab.0001"),
            (0, ""),
            (-1, "x"),
            (i64::MIN, "0"),
            (i64::MAX, "0123456789abcdef0123456789abcdef"),
        ] {
            let position = AuditPosition {
                at: Timestamp::from_unix_millis(at),
                id: id.to_owned(),
            };
            assert_eq!(
                position.to_string().parse::<AuditPosition>().unwrap(),
                position
            );
        }
    }

    #[test]
    fn a_cursor_that_no_list_gave_is_refused() {
        let long = format!("1.{}", "a".repeat(65));
        for bad in [
            "",
            "1",
            "x.a",
            "+1.a",
            "1.a'b",
            "1.é",
            "11111111111111111.a",
            &long,
        ] {
            let refused = bad.parse::<AuditPosition>().unwrap_err();
            let expected = ErrorKind::InvalidParameter {
                name: "cursor".to_owned(),
            };
            assert_eq!(refused.kind(), &expected, "{bad:?}");
        }
    }
}
