//! The condition operators of all languages.

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
    /// An ARN, part by part.
    Arn,
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
    /// `for_any_value:`, `ForAnyValue:`
    Any,
    /// `for_all_value:`, `ForAllValues:`
    Every,
}

/// An operator's names; one without a name isn't in that language.
struct Row {
    cam: &'static str,
    ram: &'static str,
    iam: &'static str,
    test: Test,
    negated: bool,
}

const TABLE: [Row; 27] = {
    /// Of all languages: RAM and IAM spell them alike.
    const fn row(cam: &'static str, pascal: &'static str, test: Test) -> Row {
        Row {
            cam,
            ram: pascal,
            iam: pascal,
            test,
            negated: false,
        }
    }
    const fn not(cam: &'static str, pascal: &'static str, test: Test) -> Row {
        Row {
            negated: true,
            ..row(cam, pascal, test)
        }
    }
    const fn not_in_ram(cam: &'static str, iam: &'static str, test: Test) -> Row {
        Row {
            ram: "",
            ..row(cam, iam, test)
        }
    }
    const fn iam_only(iam: &'static str, negated: bool) -> Row {
        Row {
            negated,
            ..not_in_ram("", iam, Test::Arn)
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
        not_in_ram("binary_equal", "BinaryEquals", Bytes),
        not_in_ram("null_equal", "Null", Missing),
        // IAM's ArnEquals takes wildcards, too.
        iam_only("ArnEquals", false),
        iam_only("ArnLike", false),
        iam_only("ArnNotEquals", true),
        iam_only("ArnNotLike", true),
    ]
};

impl Row {
    fn name(&self, language: Language) -> &'static str {
        match language {
            Language::Cam => self.cam,
            Language::Ram => self.ram,
            Language::Iam => self.iam,
        }
    }
}

impl Operator {
    /// Reads an operator, or says why there is none.
    pub(super) fn parse(name: &str, language: Language) -> Result<Self, String> {
        let (qualifier, rest) = match (language, name.split_once(':')) {
            (Language::Cam, Some(("for_any_value", rest)))
            | (Language::Iam, Some(("ForAnyValue", rest))) => (Some(Qualifier::Any), rest),
            (Language::Cam, Some(("for_all_value", rest)))
            | (Language::Iam, Some(("ForAllValues", rest))) => (Some(Qualifier::Every), rest),
            _ => (None, name),
        };
        let if_exists = match language {
            Language::Cam => rest.strip_suffix("_if_exist"),
            Language::Iam => rest.strip_suffix("IfExists"),
            Language::Ram => None,
        };
        let (rest, if_exists) = if_exists.map_or((rest, false), |rest| (rest, true));
        let own = |row: &&Row| !rest.is_empty() && row.name(language) == rest;
        match TABLE.iter().find(own) {
            Some(row) if row.test == Test::Missing && (qualifier.is_some() || if_exists) => {
                let name = row.name(language);
                Err(format!(
                    "{name} stands alone: it asks itself whether the key exists"
                ))
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
        let (fits, cam, pascal) = match key {
            KeyType::Time => (matches!(self, Self::Time(_)), "date_*", "Date*"),
            KeyType::Seconds => (
                matches!(self, Self::Time(_) | Self::Number(_)),
                "date_*",
                "Date* or Numeric*",
            ),
            KeyType::Address => (self == Self::Address, "ip_*", "IpAddress or NotIpAddress"),
            KeyType::Boolean => (self == Self::Boolean, "bool_equal", "Bool"),
            KeyType::Text => (self != Self::Address, "string_*", "String*"),
            KeyType::Any => (true, "", ""),
        };
        if fits || self == Self::Missing {
            return Ok(());
        }
        let wanted = match language {
            Language::Cam => cam,
            Language::Ram | Language::Iam => pascal,
        };
        Err(format!(
            "this key is compared with {wanted}, so that this operator could never hold"
        ))
    }
}
