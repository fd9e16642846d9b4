//! The words by which events of the audit are found.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::clock::Timestamp;
use crate::domain::seconds::Seconds;
use crate::domain::{Error, Result, access_key};

/// The outcome of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It was done.
    Ok,
    /// A token has fewer rights than were requested.
    Reduced,
    /// The caller, or what it asked for, wasn't accepted.
    Refused,
    /// The caller lacks a permission.
    Denied,
    /// The service failed.
    Failed,
}

impl Outcome {
    /// Returns its word in the audit.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Reduced => "reduced",
            Self::Refused => "refused",
            Self::Denied => "denied",
            Self::Failed => "failed",
        }
    }
}

/// Declares texts that are checked by their form alone.
macro_rules! checked_texts {
    ($($(#[$doc:meta])* $name:ident: $is_one:expr, $why:literal;)+) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $name(String);

        impl FromStr for $name {
            type Err = Error;

            fn from_str(text: &str) -> Result<Self> {
                let is_one: fn(&str) -> bool = $is_one;
                if is_one(text) {
                    return Ok(Self(text.to_owned()));
                }
                Err(Error::invalid_parameter("text", $why))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )+};
}

checked_texts! {
    /// The id of an access key, a session's too.
    AuditedKey: |text| {
        let is_short = text.len() <= 64 && text.bytes().all(|byte| byte.is_ascii_graphic());
        access_key::is_of_session(text) && is_short || access_key::is_permanent(text)
    }, "an access key's id is AKID and 32 letters or digits, or a session's, as the audit shows \
        them";
    /// The id of a request.
    RequestId: |text| {
        (1..=64).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    }, "a request's id has letters, digits and -, as its answer, the log and the audit show it";
}

/// An address of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientAddress(pub IpAddr);

impl FromStr for ClientAddress {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        text.parse().map(Self).map_err(|_| {
            let why = "an address is written like 192.0.2.1 or 2001:db8::1";
            Error::invalid_parameter("address", why)
        })
    }
}

impl fmt::Display for ClientAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A point in time, as an argument has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// A time.
    At(Timestamp),
    /// A duration before the present.
    Back(Duration),
}

impl When {
    /// Returns the time, as seen from the present.
    pub fn at(self, now: Timestamp) -> Timestamp {
        match self {
            Self::At(at) => at,
            Self::Back(back) => now.minus(back),
        }
    }
}

impl FromStr for When {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let back = || Seconds::with_units(text).map(|back| Self::Back(back.duration()));
        let at = || {
            Timestamp::parse_rfc3339(text)
                .or_else(|| Timestamp::parse_date(text))
                .map(Self::At)
        };
        at().or_else(back).ok_or_else(|| {
            let why = "a time is written like 2025-01-02T03:04:05Z, a day like 2025-01-02 (its \
                       beginning in UTC), and how far back like 12h, 1h30m or 7d";
            Error::invalid_parameter("time", why)
        })
    }
}

impl fmt::Display for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::At(at) => f.write_str(&at.rfc3339()),
            Self::Back(back) => write!(f, "{}s", back.as_secs()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ErrorKind;

    const NOW: Timestamp = Timestamp::from_unix_seconds(1_735_787_045);

    fn at(text: &str) -> Timestamp {
        text.parse::<When>().unwrap().at(NOW)
    }

    #[test]
    fn a_time_is_a_moment_a_day_or_how_far_back() {
        assert_eq!(
            at("30m"),
            Timestamp::from_unix_seconds(1_735_787_045 - 1800)
        );
        assert_eq!(at("2025-01-02T03:04:05Z"), NOW);
        assert_eq!(at("2025-01-02T04:04:05+01:00"), NOW);
        assert_eq!(at("2025-01-02").rfc3339(), "2025-01-02T00:00:00Z");
        let bad = [
            "",
            "m",
            "5",
            "5y",
            "-5m",
            "+5m",
            "５m",
            "30m1h",
            "99999999999999999999d",
            "2025-02-30",
            "2025-1-2",
            "20250102",
            "2025-01-02T03:04",
        ];
        for bad in bad {
            let refused = bad.parse::<When>().unwrap_err();
            assert_eq!(
                refused.kind(),
                &ErrorKind::InvalidParameter {
                    name: "time".to_owned()
                },
                "{bad:?}"
            );
        }
    }
}
