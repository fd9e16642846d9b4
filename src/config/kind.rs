//! The values that a setting takes: of which sort, and from where to where.

use std::ops::{RangeFrom, RangeInclusive};

use super::listen::Listen;
use crate::domain::seconds::Seconds;

/// The sort of a setting's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A whole number up to this one.
    Whole(u64),
    /// A time, in seconds or with units.
    Seconds,
    Switch,
    Text,
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// Several texts.
    List,
    /// Whole numbers, each with a name.
    Figures,
    /// An address to listen at.
    Listen,
}

impl Kind {
    /// Says which values are allowed, in words that follow the setting's name.
    pub(super) fn allowed(self) -> String {
        match self {
            Self::Whole(u64::MAX) => "is a whole number".to_owned(),
            Self::Whole(largest) => format!("is a whole number, at most {largest}"),
            Self::Seconds => format!("is {}", Seconds::FORM),
            Self::Switch => "is true or false".to_owned(),
            Self::Text => "is text".to_owned(),
            Self::OneOf(words) => format!("is one of {}", words.join(", ")),
            Self::List => "is a list such as [\"one\", \"another\"]".to_owned(),
            Self::Figures => "is a table such as { \"tcr:CreateInstanceToken\" = 20 }".to_owned(),
            Self::Listen => format!("is {}", Listen::ALLOWED),
        }
    }

    /// Returns the same for a column of a table.
    pub(super) fn in_brief(self) -> String {
        match self {
            Self::Whole(_) => "a number".to_owned(),
            Self::Seconds => "a time".to_owned(),
            Self::Switch => "`true` or `false`".to_owned(),
            Self::Text => "text".to_owned(),
            Self::OneOf(words) => format!("`{}`", words.join("` or `")),
            Self::List => "a list of texts".to_owned(),
            Self::Figures => "a table of numbers".to_owned(),
            Self::Listen => "a port or an address".to_owned(),
        }
    }

    /// Writes a number of this kind.
    fn show(self, number: u64) -> String {
        match self {
            Self::Seconds => Seconds::new(number).to_string(),
            _ => number.to_string(),
        }
    }

    /// Tells whether a value is of this kind.
    pub(super) fn takes(self, value: &toml::Value) -> bool {
        let is_whole = |value: &toml::Value, largest: u64| {
            value
                .as_integer()
                .and_then(|number| u64::try_from(number).ok())
                .is_some_and(|number| number <= largest)
        };
        match self {
            Self::Whole(largest) => is_whole(value, largest),
            Self::Seconds => match value {
                toml::Value::String(text) => text.parse::<Seconds>().is_ok(),
                number => is_whole(number, u64::MAX),
            },
            Self::Switch => value.is_bool(),
            Self::Text => value.is_str(),
            Self::OneOf(words) => value.as_str().is_some_and(|word| words.contains(&word)),
            Self::List => value
                .as_array()
                .is_some_and(|items| items.iter().all(toml::Value::is_str)),
            Self::Figures => value.as_table().is_some_and(|table| {
                table
                    .values()
                    .all(|figure| is_whole(figure, u32::MAX.into()))
            }),
            Self::Listen => match value {
                toml::Value::String(text) => text.parse::<Listen>().is_ok(),
                number => is_whole(number, u16::MAX.into()),
            },
        }
    }

    /// Reads a variable's value: as TOML, or, where that is text, as it stands.
    pub(super) fn read(self, text: &str) -> toml::Value {
        let typed = toml::from_str::<toml::Table>(&format!("value = {text}"))
            .ok()
            .and_then(|mut table| table.remove("value"));
        let as_it_stands = || toml::Value::String(text.to_owned());
        match self {
            // A path or a URL is no TOML value, and a master key of digits alone must stay text.
            Self::Text | Self::OneOf(_) => typed
                .filter(toml::Value::is_str)
                .unwrap_or_else(as_it_stands),
            Self::Whole(_)
            | Self::Seconds
            | Self::Switch
            | Self::List
            | Self::Figures
            | Self::Listen => typed.unwrap_or_else(as_it_stands),
        }
    }
}

/// The least and the largest value that a number may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bounds {
    least: u64,
    largest: Option<u64>,
}

impl From<RangeFrom<u64>> for Bounds {
    fn from(range: RangeFrom<u64>) -> Self {
        Self {
            least: range.start,
            largest: None,
        }
    }
}

impl From<RangeInclusive<u64>> for Bounds {
    fn from(range: RangeInclusive<u64>) -> Self {
        Self {
            least: *range.start(),
            largest: Some(*range.end()),
        }
    }
}

impl Bounds {
    /// Tells whether a number is within them.
    pub(super) fn allow(self, number: u64) -> bool {
        number >= self.least && self.largest.is_none_or(|largest| number <= largest)
    }

    /// Says which numbers are allowed of a kind, in words that follow the setting's name.
    pub(super) fn allowed(self, kind: Kind) -> String {
        match self {
            // Elsewhere 0 often stands for "no limit" or "the default"; here it would refuse
            // everything.
            Self {
                least: 1,
                largest: None,
            } => format!(
                "is at least {}; leave it out for its usual value",
                kind.show(1)
            ),
            _ => format!("is {}", self.in_brief(kind)),
        }
    }

    /// Returns the same for a column of a table.
    pub(super) fn in_brief(self, kind: Kind) -> String {
        let least = kind.show(self.least);
        match self.largest {
            None => format!("at least {least}"),
            Some(largest) => format!("{least} to {}", kind.show(largest)),
        }
    }
}
