//! Values of conditions: read by the test that their operator makes, and compared with the
//! request's.

use std::borrow::Cow;
use std::hash::{Hash, Hasher};
use std::net::IpAddr;

use super::arn::ArnPattern;
use super::context::Context;
use super::json::Json;
use super::language::Language;
use super::operator::Test;
use super::pattern::{Pattern, Span, Wildcards};
use super::variables::{Template, has_variable, plain_text};
use super::words::Order;
use crate::domain::clock::Timestamp;

/// The form of an ARN, for refusals.
const ARN: &str = "an ARN, such as arn:aws:iam::100000000001:user/*, or *";

/// A value that the request has.
pub(super) enum Actual<'a> {
    Text(&'a str),
    Time(i64),
    Address(IpAddr),
    Boolean(bool),
}

/// The values of a clause, as its operator compares them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Values {
    Text(Vec<String>),
    Folded(Vec<String>),
    Patterns(Vec<Pattern>),
    Numbers(Order, Vec<Number>),
    Times(Order, Vec<i64>),
    Booleans(Vec<bool>),
    Bytes(Vec<Vec<u8>>),
    Networks(Vec<Network>),
    Arns(Vec<ArnPattern>),
    /// Whether the key must be missing.
    Missing(bool),
    /// Texts, some of which have variables, with the comparison that they are for.
    Templates(Box<Templates>),
}

/// Texts with variables, which the request fills in.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Templates {
    test: Test,
    language: Language,
    texts: Vec<Template>,
}

impl Values {
    pub(super) fn parse(test: Test, values: &[&Json], language: Language) -> Result<Self, String> {
        let texts = values
            .iter()
            .map(|value| text_of(value, test, language))
            .collect::<Result<Vec<_>, _>>()?;
        fn each<T>(
            texts: &[String],
            what: &str,
            read: impl Fn(&str) -> Option<T>,
        ) -> Result<Vec<T>, String> {
            texts
                .iter()
                .map(|text| read(text).ok_or_else(|| format!("{text:?} is not {what}")))
                .collect()
        }
        if texts.iter().any(|text| has_variable(text)) {
            return Templates::parse(test, &texts, language)
                .map(|templates| Self::Templates(Box::new(templates)));
        }
        Ok(match test {
            Test::Text => Self::Text(texts),
            Test::TextIgnoringCase => {
                Self::Folded(texts.iter().map(|text| text.to_lowercase()).collect())
            }
            Test::TextLike => Self::Patterns(
                texts
                    .iter()
                    .map(|text| Pattern::new(text, Wildcards::of(language)))
                    .collect(),
            ),
            Test::Number(order) => {
                Self::Numbers(order, each(&texts, "a decimal number", Number::parse)?)
            }
            Test::Time(order) => Self::Times(
                order,
                each(&texts, "a time such as 2026-01-02T03:04:05Z", |text| {
                    written_time(text, language)
                })?,
            ),
            Test::Boolean => Self::Booleans(each(&texts, "true or false", parse_boolean)?),
            Test::Bytes => Self::Bytes(each(&texts, "Base64", decode_base64)?),
            Test::Address => Self::Networks(each(
                &texts,
                "an IP address or a network such as 10.0.0.0/8",
                Network::parse,
            )?),
            Test::Arn => Self::Arns(each(&texts, ARN, |text| {
                ArnPattern::of_spans(&[Span::Pattern(text)])
            })?),
            Test::Missing => {
                let wanted = each(&texts, "true or false", parse_boolean)?;
                match wanted.as_slice() {
                    [one] => Self::Missing(*one),
                    _ => return Err("it takes one value, true or false".to_owned()),
                }
            }
        })
    }

    /// Returns the values with their variables filled in; nothing when one of those has no value.
    pub(super) fn fill(&self, context: &Context<'_>) -> Option<Cow<'_, Self>> {
        match self {
            Self::Templates(templates) => templates.fill(context).map(Cow::Owned),
            values => Some(Cow::Borrowed(values)),
        }
    }

    /// Returns the names of the claims that their variables ask for.
    pub(super) fn claims(&self) -> impl Iterator<Item = &str> {
        let texts = match self {
            Self::Templates(templates) => templates.texts.as_slice(),
            _ => &[],
        };
        texts.iter().flat_map(Template::claims)
    }

    /// Tells whether one of the values admits the request's.
    pub(super) fn admit(&self, actual: &Actual<'_>) -> bool {
        match (self, actual) {
            (Self::Text(own), Actual::Text(text)) => own.iter().any(|own| own == text),
            (Self::Folded(own), Actual::Text(text)) => {
                let text = text.to_lowercase();
                own.contains(&text)
            }
            (Self::Patterns(own), Actual::Text(text)) => own.iter().any(|own| own.matches(text)),
            (Self::Numbers(order, own), Actual::Text(text)) => Number::parse(text)
                .is_some_and(|number| own.iter().any(|own| order.holds(&number, own))),
            (Self::Times(order, own), Actual::Time(time)) => {
                own.iter().any(|own| order.holds(time, own))
            }
            (Self::Times(order, own), Actual::Text(text)) => {
                parse_time(text).is_some_and(|time| own.iter().any(|own| order.holds(&time, own)))
            }
            (Self::Numbers(order, own), Actual::Time(time)) => Number::parse(&time.to_string())
                .is_some_and(|time| own.iter().any(|own| order.holds(&time, own))),
            (Self::Arns(own), Actual::Text(text)) => own.iter().any(|own| own.matches(text)),
            (Self::Booleans(own), Actual::Boolean(value)) => own.contains(value),
            (Self::Booleans(own), Actual::Text(text)) => {
                parse_boolean(text).is_some_and(|value| own.contains(&value))
            }
            (Self::Bytes(own), Actual::Text(text)) => own.iter().any(|own| own == text.as_bytes()),
            (Self::Networks(own), Actual::Address(address)) => {
                own.iter().any(|own| own.contains(*address))
            }
            // Types that can't be compared aren't equal; `check_type` lets few of these come so
            // far.
            _ => false,
        }
    }

    pub(super) fn say_more_than_wildcards(&self) -> bool {
        match self {
            Self::Text(own) | Self::Folded(own) => own.iter().all(|text| !text.is_empty()),
            Self::Patterns(own) => own.iter().all(Pattern::says_something),
            _ => false,
        }
    }

    /// Tells whether some text may be among both; surely not is what is decided.
    pub(super) fn may_overlap(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Text(own), Self::Text(others)) => own.iter().any(|text| others.contains(text)),
            (Self::Folded(own), Self::Folded(others)) => {
                own.iter().any(|text| others.contains(text))
            }
            (Self::Folded(folded), Self::Text(texts))
            | (Self::Text(texts), Self::Folded(folded)) => texts
                .iter()
                .any(|text| folded.contains(&text.to_lowercase())),
            (Self::Patterns(patterns), Self::Text(texts))
            | (Self::Text(texts), Self::Patterns(patterns)) => texts
                .iter()
                .any(|text| patterns.iter().any(|pattern| pattern.matches(text))),
            (Self::Patterns(own), Self::Patterns(others)) => own
                .iter()
                .any(|own| others.iter().any(|other| own.overlaps(other))),
            _ => true,
        }
    }
}

impl Templates {
    fn parse(test: Test, texts: &[String], language: Language) -> Result<Self, String> {
        use Test::{Arn, Text, TextIgnoringCase, TextLike};
        if !matches!(test, Text | TextIgnoringCase | TextLike | Arn) {
            return Err(
                "policy variables stand in the values of string operators alone".to_owned(),
            );
        }
        let texts = texts.iter().map(|text| Template::parse(text, language));
        let texts = texts.collect::<Result<Vec<_>, _>>()?;
        // A colon in a value ends no part, so a variable alone is no ARN.
        let is_arn = |text: &Template| {
            !text.is_variable() && ArnPattern::of_spans(&text.widest_spans()).is_some()
        };
        if test == Arn && !texts.iter().all(is_arn) {
            return Err(format!("one of its values is not {ARN}"));
        }
        Ok(Self {
            test,
            language,
            texts,
        })
    }

    fn fill(&self, context: &Context<'_>) -> Option<Values> {
        let filled = self
            .texts
            .iter()
            .map(|text| text.fill(context, |_| true).ok())
            .collect::<Option<Vec<_>>>()?;
        let texts = filled.iter().map(|spans| plain_text(spans));
        Some(match self.test {
            Test::TextLike => {
                let wildcards = Wildcards::of(self.language);
                let pattern = |spans: &Vec<_>| Pattern::of_spans(spans, wildcards);
                Values::Patterns(filled.iter().map(pattern).collect())
            }
            Test::TextIgnoringCase => {
                Values::Folded(texts.map(|text| text.to_lowercase()).collect())
            }
            Test::Arn => Values::Arns(
                filled
                    .iter()
                    .map(|spans| ArnPattern::of_spans(spans))
                    .collect::<Option<_>>()?,
            ),
            _ => Values::Text(texts.collect()),
        })
    }
}

/// Reads a value; CAM and IAM may write booleans and numbers as JSON has them, RAM writes all as
/// strings.
fn text_of(value: &Json, test: Test, language: Language) -> Result<String, String> {
    match (value, test) {
        (Json::Text(text), _) => Ok(text.clone()),
        (Json::Bool(value), Test::Boolean | Test::Missing) if language != Language::Ram => {
            Ok(value.to_string())
        }
        (Json::Number(number), Test::Number(_)) if language != Language::Ram => Ok(number.clone()),
        (other, _) => Err(format!("its values must be strings, not {}", other.kind())),
    }
}

/// A number as documents write it: never NaN, and zero is never negative.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub(super) struct Number(f64);

impl Eq for Number {}

impl Hash for Number {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.to_bits().hash(state);
    }
}

impl Number {
    /// Reads a decimal number without exponent: `-12.5`.
    fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix('-').unwrap_or(text);
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
        let decimal =
            |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        let number: f64 = (decimal(whole) && decimal(fraction))
            .then(|| text.parse().ok())
            .flatten()?;
        // -0 becomes 0, so that equal numbers have equal bits.
        Some(Self(number + 0.0))
    }
}

/// Reads RFC 3339 as unix seconds: documents write whole seconds, and `date_equal` could hold at no
/// other time.
fn parse_time(text: &str) -> Option<i64> {
    Timestamp::parse_rfc3339(text).map(Timestamp::unix_seconds)
}

/// Reads a time as documents write it: in IAM also a day, or seconds since 1970.
fn written_time(text: &str, language: Language) -> Option<i64> {
    let in_iam = |read: fn(&str) -> Option<i64>| (language == Language::Iam).then(|| read(text))?;
    parse_time(text)
        .or_else(|| in_iam(|day| parse_time(&format!("{day}T00:00:00Z"))))
        .or_else(|| in_iam(|seconds| seconds.parse().ok()))
}

fn parse_boolean(text: &str) -> Option<bool> {
    match text {
        "true" | "True" => Some(true),
        "false" | "False" => Some(false),
        _ => None,
    }
}

/// Decodes standard Base64 with its padding.
fn decode_base64(text: &str) -> Option<Vec<u8>> {
    let digits = text.trim_end_matches('=');
    if !text.len().is_multiple_of(4) || text.len() - digits.len() > 2 {
        return None;
    }
    let (mut bytes, mut held, mut bits) = (Vec::new(), 0_u32, 0);
    for byte in digits.bytes() {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        held = (held << 6 | u32::from(value)) & 0xffff;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push(u8::try_from(held >> bits & 0xff).ok()?);
        }
    }
    (held & ((1 << bits) - 1) == 0).then_some(bytes)
}

/// A network, or one address: its own bits, and which of them count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Network {
    Version4 { address: u32, mask: u32 },
    // In halves: a u128 would set every network sixteen bytes apart.
    Version6 { address: [u64; 2], mask: [u64; 2] },
}

impl Network {
    fn parse(text: &str) -> Option<Self> {
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let bits = if address.is_ipv4() { 32 } else { 128 };
        let length: u32 = match length {
            None => bits,
            Some(length) if length.bytes().all(|byte| byte.is_ascii_digit()) => {
                length.parse().ok().filter(|length| *length <= bits)?
            }
            Some(_) => return None,
        };
        // A client's address is never of the mapped form, so a network within it is taken for what
        // it means.
        let canonical = if length >= 96 {
            address.to_canonical()
        } else {
            address
        };
        Some(match (canonical, address) {
            (IpAddr::V4(canonical), address) => {
                let host = if address.is_ipv4() {
                    32 - length
                } else {
                    128 - length
                };
                let mask = u32::MAX.checked_shl(host).unwrap_or(0);
                Self::Version4 {
                    address: u32::from(canonical) & mask,
                    mask,
                }
            }
            (IpAddr::V6(canonical), _) => {
                let mask = u128::MAX.checked_shl(128 - length).unwrap_or(0);
                Self::Version6 {
                    address: halves(u128::from(canonical) & mask),
                    mask: halves(mask),
                }
            }
        })
    }

    fn contains(&self, actual: IpAddr) -> bool {
        match (self, actual) {
            (Self::Version4 { address, mask }, IpAddr::V4(actual)) => {
                u32::from(actual) & mask == *address
            }
            (Self::Version6 { address, mask }, IpAddr::V6(actual)) => {
                let [high, low] = halves(u128::from(actual));
                [high & mask[0], low & mask[1]] == *address
            }
            _ => false,
        }
    }
}

fn halves(bits: u128) -> [u64; 2] {
    [(bits >> 64) as u64, bits as u64]
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use proptest::prelude::*;

    use super::*;

    fn admits(network: &str, address: &str) -> bool {
        let address: IpAddr = address.parse().unwrap();
        Network::parse(network)
            .unwrap_or_else(|| panic!("{network}"))
            .contains(address.to_canonical())
    }

    #[test]
    fn networks_hold_their_addresses_and_no_other() {
        let cases = [
            ("10.0.0.0/8", "10.255.255.255", true),
            ("10.0.0.0/8", "11.0.0.0", false),
            ("10.1.2.3", "10.1.2.3", true),
            ("10.1.2.3/32", "10.1.2.4", false),
            // Bits past the length don't count.
            ("10.1.2.3/8", "10.9.9.9", true),
            ("0.0.0.0/0", "255.255.255.255", true),
            ("0.0.0.0/0", "::1", false),
            ("::/0", "::1", true),
            ("::/0", "10.0.0.1", false),
            ("2001:db8::/32", "2001:db8:ffff::1", true),
            ("2001:db8::/32", "2001:db9::", false),
            ("2001:db8::1", "2001:db8::1", true),
            ("2001:db8::/65", "2001:db8:0:0:8000::", false),
            ("::ffff:10.0.0.0/104", "10.1.2.3", true),
            ("::ffff:10.0.0.1", "10.0.0.1", true),
            ("10.0.0.1", "::ffff:10.0.0.1", true),
        ];
        for (network, address, expected) in cases {
            assert_eq!(admits(network, address), expected, "{address} in {network}");
        }
        for bad in [
            "",
            "10.0.0.0/33",
            "10.0.0/8",
            "10.0.0.0/",
            "10.0.0.0/+8",
            "10.0.0.0/-1",
            "::/129",
            "010.0.0.1",
            "10.0.0.0/8/8",
            "localhost",
        ] {
            assert!(Network::parse(bad).is_none(), "{bad:?}");
        }
    }

    #[test]
    fn numbers_that_are_equal_have_equal_bits() {
        let bits = |text| Number::parse(text).unwrap().0.to_bits();
        for (one, other) in [("-0", "0"), ("-0.0", "0"), ("1.50", "1.5")] {
            assert_eq!(bits(one), bits(other), "{one} {other}");
        }
    }

    #[test]
    fn numbers_and_booleans_have_plain_forms() {
        for (text, expected) in [("5", 5.0), ("-1.50", -1.5), ("0", 0.0), ("007", 7.0)] {
            assert_eq!(Number::parse(text), Some(Number(expected)), "{text}");
        }
        for bad in [
            "", "-", "1e3", "inf", "NaN", "1.", ".5", "+1", "1 ", "0x10", "--1",
        ] {
            assert_eq!(Number::parse(bad), None, "{bad:?}");
        }
        assert_eq!(
            [
                parse_boolean("true"),
                parse_boolean("False"),
                parse_boolean("1")
            ],
            [Some(true), Some(false), None]
        );
    }

    proptest! {
        #[test]
        fn base64_is_read_as_the_library_reads_it(
            bytes in proptest::collection::vec(any::<u8>(), 0..40),
            text in "[AB+/=z9-]{0,9}",
        ) {
            let library = base64::engine::general_purpose::STANDARD;
            prop_assert_eq!(decode_base64(&library.encode(&bytes)), Some(bytes));
            prop_assert_eq!(decode_base64(&text), library.decode(&text).ok());
        }
    }
}
