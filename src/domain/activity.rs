//! Counts of the service's doings, under few names.

use std::fmt;
use std::str::FromStr;

use super::error::{Error, Result};

/// The upper ends of the buckets of durations, in microseconds.
pub const DURATIONS: [u64; 14] = [
    500, 1000, 2500, 5000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000,
    5_000_000, 10_000_000,
];

/// How long a credential lives that was issued.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum IssuedKind {
    /// Hours at most; nothing of it is stored.
    Temporary,
    /// Months; it is stored.
    LongTerm,
}

impl IssuedKind {
    const ALL: [Self; 2] = [Self::Temporary, Self::LongTerm];

    /// Returns its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Temporary => "temporary",
            Self::LongTerm => "long-term",
        }
    }
}

/// A thing that is counted. Its text is the name of its count.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Measure {
    /// Credentials that an API issued.
    Issued {
        /// The API's door.
        door: String,
        /// How long they live.
        kind: IssuedKind,
    },
    /// Credentials that were exchanged for a registry's token.
    Exchanged,
    /// Requests that were refused or failed, by the kind of the error.
    Refused(String),
    /// Requests of a door that took so long.
    Took {
        /// The door.
        door: String,
        /// The place of their bucket among [`DURATIONS`]; the one after the last is for all that
        /// took longer.
        bucket: usize,
    },
}

impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Issued { door, kind } => write!(f, "issued/{door}/{}", kind.name()),
            Self::Exchanged => f.write_str("exchanged"),
            Self::Refused(reason) => write!(f, "refused/{reason}"),
            Self::Took { door, bucket } => write!(f, "took/{door}/{bucket}"),
        }
    }
}

impl FromStr for Measure {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let unknown = || Error::internal(format!("nothing is counted as {text:?}"));
        let mut parts = text.split('/');
        let measure = match (parts.next(), parts.next(), parts.next()) {
            (Some("exchanged"), None, None) => Self::Exchanged,
            (Some("refused"), Some(reason), None) => Self::Refused(reason.to_owned()),
            (Some("issued"), Some(door), Some(name)) => {
                let mut kinds = IssuedKind::ALL.into_iter();
                let kind = kinds.find(|kind| kind.name() == name);
                Self::Issued {
                    door: door.to_owned(),
                    kind: kind.ok_or_else(unknown)?,
                }
            }
            (Some("took"), Some(door), Some(bucket)) => {
                let bucket = bucket.parse().ok();
                Self::Took {
                    door: door.to_owned(),
                    bucket: bucket
                        .filter(|place| *place <= DURATIONS.len())
                        .ok_or_else(unknown)?,
                }
            }
            _ => return Err(unknown()),
        };
        match parts.next() {
            None => Ok(measure),
            Some(_) => Err(unknown()),
        }
    }
}

/// How far back the operator looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Span {
    /// An hour, by minutes.
    Hour,
    /// A day, by quarters of an hour.
    Day,
    /// A week, by hours.
    Week,
    /// Thirty days, by quarters of a day.
    Month,
}

impl Span {
    /// All of them, the shortest first.
    pub const ALL: [Self; 4] = [Self::Hour, Self::Day, Self::Week, Self::Month];

    /// Returns its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hour => "1h",
            Self::Day => "1d",
            Self::Week => "7d",
            Self::Month => "30d",
        }
    }

    /// Returns how many steps it has.
    pub fn steps(self) -> i64 {
        match self {
            Self::Hour => 60,
            Self::Day => 24 * 4,
            Self::Week => 7 * 24,
            Self::Month => 30 * 4,
        }
    }

    /// Returns how many seconds a step has.
    pub fn step_seconds(self) -> i64 {
        match self {
            Self::Hour => 60,
            Self::Day => 15 * 60,
            Self::Week => 60 * 60,
            Self::Month => 6 * 60 * 60,
        }
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Span {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|span| span.name() == text);
        found.ok_or_else(|| Error::invalid_parameter("span", "it is 1h, 1d, 7d or 30d"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_measure_reads_back_from_its_name() {
        let door = || "tencent".to_owned();
        for (measure, name) in [
            (Measure::Exchanged, "exchanged"),
            (
                Measure::Refused("throttled".to_owned()),
                "refused/throttled",
            ),
            (
                Measure::Issued {
                    door: door(),
                    kind: IssuedKind::LongTerm,
                },
                "issued/tencent/long-term",
            ),
            (
                Measure::Took {
                    door: door(),
                    bucket: 14,
                },
                "took/tencent/14",
            ),
        ] {
            assert_eq!(measure.to_string(), name);
            assert_eq!(name.parse::<Measure>().unwrap(), measure);
        }
    }

    #[test]
    fn a_name_of_another_release_is_no_measure() {
        for name in [
            "",
            "exchanged/x",
            "issued/tencent/weekly",
            "took/a/15",
            "took/a/1/x",
        ] {
            assert!(name.parse::<Measure>().is_err(), "{name}");
        }
    }
}
