//! The time of a request.

use std::borrow::Cow;

use http::HeaderMap;
use http::header::DATE;

use crate::domain::clock::Timestamp;
use crate::domain::{Error, Result};
use crate::sign::headers::{self, name};

/// The characters of a day, `YYYYMMDD`.
pub(super) const DAY: usize = 8;
/// The characters of a time of RFC 1123.
const RFC_1123: usize = 29;

/// The time that a request's headers name.
pub(super) struct SignedTime<'a> {
    /// The time as the string to sign has it.
    pub(super) date: Cow<'a, str>,
    /// The header that it stands in, which must be signed.
    pub(super) header: &'static str,
}

impl<'a> SignedTime<'a> {
    /// Reads `X-Amz-Date`, or `Date` where that is missing.
    pub(super) fn of(headers: &'a HeaderMap) -> Result<Self> {
        if let Some(date) = headers::single(headers, &name::X_AMZ_DATE)? {
            return Ok(Self {
                date: Cow::Borrowed(date),
                header: "x-amz-date",
            });
        }
        let date = headers::single(headers, &DATE)?
            .ok_or_else(|| Error::missing_parameter("X-Amz-Date"))?;
        // So botocore writes it.
        let date = match date.strip_suffix("-0000") {
            Some(date) => Cow::Owned(format!("{date}GMT")),
            None => Cow::Borrowed(date),
        };
        if date.len() != RFC_1123 {
            return Err(Error::malformed_time(
                "as in RFC 1123, such as Fri, 03 Jan 2025 04:04:17 GMT",
            ));
        }
        Ok(Self {
            date: Cow::Owned(write_time(headers::http_date(&date)?)),
            header: "date",
        })
    }
}

/// Reads `YYYYMMDDTHHMMSSZ`.
pub(super) fn parse_time(text: &str) -> Result<Timestamp> {
    let read = || {
        let is_shaped = text.len() == 16
            && text.bytes().enumerate().all(|(place, byte)| match place {
                DAY => byte == b'T',
                15 => byte == b'Z',
                _ => byte.is_ascii_digit(),
            });
        if !is_shaped {
            return None;
        }
        let (year, month, day) = (&text[..4], &text[4..6], &text[6..DAY]);
        let (hour, minute, second) = (&text[9..11], &text[11..13], &text[13..15]);
        Timestamp::parse_rfc3339(&format!("{year}-{month}-{day}T{hour}:{minute}:{second}Z"))
    };
    read().ok_or_else(|| Error::malformed_time("in UTC, such as 20250103T040417Z"))
}

/// Writes a time as [`parse_time`] reads it.
pub(super) fn write_time(at: Timestamp) -> String {
    Timestamp::from_unix_seconds(at.unix_seconds())
        .rfc3339()
        .replace(['-', ':'], "")
}
