//! The condition operators of both languages.

use super::language::Language;
use super::words::{KeyType, Order};

/// The comparison that an operator makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Test {
    Text,
    TextIgnoringCase,
    TextLike,
    Number(Order),
    Time(Order),
    Boolean,
    Bytes,
    Address,
    /// Whether the key is missing.
    Missing,
}

/// An operator as a document writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Operator {
    pub(super) test: Test,
    pub(super) negated: bool,
    pub(super) qualifier: Option<Qualifier>,
    /// Holds when the request lacks the key.
    pub(super) if_exists: bool,
}

/// Of which of the request's values a clause speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Qualifier {
    /// `for_any_value:`
    Any,
    /// `for_all_value:`
    Every,
}

struct Row {
    cam: &'static str,
    /// RAM has all but two.
    ram: Option<&'static str>,
    test: Test,
    negated: bool,
}

const TABLE: [Row; 23] = {
    const fn row(cam: &'static str, ram: &'static str, test: Test) -> Row {
        Row {
            cam,
            ram: Some(ram),
            test,
            negated: false,
        }
    }
    const fn not(cam: &'static str, ram: &'static str, test: Test) -> Row {
        Row {
            cam,
            ram: Some(ram),
            test,
            negated: true,
        }
    }
    const fn cam_only(cam: &'static str, test: Test) -> Row {
        Row {
            cam,
            ram: None,
            test,
            negated: false,
        }
    }
    use Order::{Equal, Greater, GreaterOrEqual, Less, LessOrEqual};
    use Test::{Address, Boolean, Bytes, Missing, Number, Text, TextIgnoringCase, TextLike, Time};
    [
        row("string_equal", "StringEquals", Text),
        not("string_not_equal", "StringNotEquals", Text),
        row(
            "string_equal_ignore_case",
            "StringEqualsIgnoreCase",
            TextIgnoringCase,
        ),
        not(
            "string_not_equal_ignore_case",
            "StringNotEqualsIgnoreCase",
            TextIgnoringCase,
        ),
        row("string_like", "StringLike", TextLike),
        not("string_not_like", "StringNotLike", TextLike),
        row("numeric_equal", "NumericEquals", Number(Equal)),
        not("numeric_not_equal", "NumericNotEquals", Number(Equal)),
        row("numeric_less_than", "NumericLessThan", Number(Less)),
        row(
            "numeric_less_than_equal",
            "NumericLessThanEquals",
            Number(LessOrEqual),
        ),
        row(
            "numeric_greater_than",
            "NumericGreaterThan",
            Number(Greater),
        ),
        row(
            "numeric_greater_than_equal",
            "NumericGreaterThanEquals",
            Number(GreaterOrEqual),
        ),
        row("date_equal", "DateEquals", Time(Equal)),
        not("date_not_equal", "DateNotEquals", Time(Equal)),
        row("date_less_than", "DateLessThan", Time(Less)),
        row(
            "date_less_than_equal",
            "DateLessThanEquals",
            Time(LessOrEqual),
        ),
        row("date_greater_than", "DateGreaterThan", Time(Greater)),
        row(
            "date_greater_than_equal",
            "DateGreaterThanEquals",
            Time(GreaterOrEqual),
        ),
        row("bool_equal", "Bool", Boolean),
        row("ip_equal", "IpAddress", Address),
        not("ip_not_equal", "NotIpAddress", Address),
        cam_only("binary_equal", Bytes),
        cam_only("null_equal", Missing),
    ]
};

impl Operator {
    /// Reads an operator, or says why there is none.
    pub(super) fn parse(name: &str, language: Language) -> Result<Self, String> {
        let (qualifier, rest) = match (language, name.split_once(':')) {
            (Language::Cam, Some(("for_any_value", rest))) => (Some(Qualifier::Any), rest),
            (Language::Cam, Some(("for_all_value", rest))) => (Some(Qualifier::Every), rest),
            _ => (None, name),
        };
        let (rest, if_exists) = match (language, rest.strip_suffix("_if_exist")) {
            (Language::Cam, Some(rest)) => (rest, true),
            _ => (rest, false),
        };
        let own = |row: &&Row| match language {
            Language::Cam => row.cam == rest,
            Language::Ram => row.ram == Some(rest),
        };
        match TABLE.iter().find(own) {
            Some(row) if row.test == Test::Missing && (qualifier.is_some() || if_exists) => {
                Err("null_equal stands alone: it asks itself whether the key exists".to_owned())
            }
            Some(row) => Ok(Self {
                test: row.test,
                negated: row.negated,
                qualifier,
                if_exists,
            }),
            None => Err(format!(
                "{} has no such operator; docs/policies.md lists them",
                language.name()
            )),
        }
    }
}

impl Test {
    /// Refuses an operator that could never hold for values of that type.
    pub(super) fn check_type(self, key: KeyType, language: Language) -> Result<(), String> {
        let (fits, wanted) = match key {
            KeyType::Time => (matches!(self, Self::Time(_)), ["date_*", "Date*"]),
            KeyType::Address => (self == Self::Address, ["ip_*", "IpAddress or NotIpAddress"]),
            KeyType::Boolean => (self == Self::Boolean, ["bool_equal", "Bool"]),
            KeyType::Text => (self != Self::Address, ["string_*", "String*"]),
        };
        if fits || self == Self::Missing {
            return Ok(());
        }
        let wanted = match language {
            Language::Cam => wanted[0],
            Language::Ram => wanted[1],
        };
        Err(format!(
            "this key is compared with {wanted}, so that this operator could never hold"
        ))
    }
}
