//! The words by which events of the audit are found.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

use crate::domain::clock::Timestamp;
use crate::domain::seconds::Seconds;
use crate::domain::{Error, Result};

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
