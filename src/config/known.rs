//! The settings that there are, and what each may be, read off the struct: a list of them would drift from it.

use std::net::IpAddr;

use serde::de::value::{Error as Unread, MapDeserializer, SeqDeserializer, StrDeserializer};
use serde::de::{Deserialize, DeserializeSeed, Deserializer, IntoDeserializer, MapAccess, Visitor};
use serde::forward_to_deserialize_any;

use super::{Listen, Settings};

/// The values that a setting takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A whole number up to this one.
    Whole(u64),
    Switch,
    Text,
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// Several texts.
    List,
    /// Whole numbers, each with a name.
    Figures,
    /// Where to listen.
    Place,
}

impl Kind {
    /// Says what is allowed, so that it goes on after the setting's name.
    pub(super) fn allowed(self) -> String {
        match self {
            Self::Whole(u64::MAX) => "is a whole number".to_owned(),
            Self::Whole(largest) => format!("is a whole number, at most {largest}"),
            Self::Switch => "is true or false".to_owned(),
            Self::Text => "is text".to_owned(),
            Self::OneOf(words) => format!("is one of {}", words.join(", ")),
            Self::List => "is a list such as [\"one\", \"another\"]".to_owned(),
            Self::Figures => "is a table such as { \"tcr:CreateInstanceToken\" = 20 }".to_owned(),
            Self::Place => format!("is {}", Listen::ALLOWED),
        }
    }

    /// Tells whether a value is of this kind.
    pub(super) fn takes(self, value: &toml::Value) -> bool {
        let is_whole = |value: &toml::Value, largest: u64| {
            value.as_integer().and_then(|number| u64::try_from(number).ok()).is_some_and(|number| number <= largest)
        };
        match self {
            Self::Whole(largest) => is_whole(value, largest),
            Self::Switch => value.is_bool(),
            Self::Text => value.is_str(),
            Self::OneOf(words) => value.as_str().is_some_and(|word| words.contains(&word)),
            Self::List => value.as_array().is_some_and(|items| items.iter().all(toml::Value::is_str)),
            Self::Figures => value.as_table().is_some_and(|table| table.values().all(|figure| is_whole(figure, u32::MAX.into()))),
            Self::Place => match value {
                toml::Value::String(text) => text.parse::<Listen>().is_ok(),
                number => is_whole(number, u16::MAX.into()),
            },
        }
    }

    /// Reads a variable's value: as TOML, or, where that is text, as it stands.
    pub(super) fn read(self, text: &str) -> toml::Value {
        let typed = toml::from_str::<toml::Table>(&format!("value = {text}")).ok().and_then(|mut table| table.remove("value"));
        let as_it_stands = || toml::Value::String(text.to_owned());
        match self {
            // A path or a URL is no TOML value, and a master key of digits alone must stay text.
            Self::Text | Self::OneOf(_) => typed.filter(toml::Value::is_str).unwrap_or_else(as_it_stands),
            Self::Whole(_) | Self::Switch | Self::List | Self::Figures | Self::Place => typed.unwrap_or_else(as_it_stands),
        }
    }
}

/// A setting.
#[derive(Clone, Debug)]
pub(super) struct Known {
    /// Its path, parts divided by dots.
    pub(super) path: String,
    pub(super) kind: Kind,
}

/// Returns every setting.
pub(super) fn settings() -> Vec<Known> {
    let mut found = Vec::new();
    let read = Settings::deserialize(Probe { path: String::new(), found: &mut found });
    debug_assert!(read.is_ok(), "{read:?}");
    found
}

/// Returns the candidate that takes the fewest changes of a letter to become `name`, unless that is most of it.
pub(super) fn nearest<'c>(name: &str, candidates: impl Iterator<Item = &'c str>) -> Option<&'c str> {
    let (changes, nearest) = candidates.map(|candidate| (distance(name, candidate), candidate)).min()?;
    (changes * 2 <= name.len().max(nearest.len())).then_some(nearest)
}

/// Levenshtein's distance, in bytes.
fn distance(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (place, left) in one.bytes().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], place + 1);
        for (column, right) in other.bytes().enumerate() {
            let replaced = diagonal + usize::from(left != right);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[other.len()]
}

/// Tells whether a variable is one of those that Kubernetes gives every container for each Service of its namespace, of
/// which one may be called `transire` or `transire-…`; `name` is without `TRANSIRE`.
///
/// The value has to fit too, so that a setting that is misspelt like one of them is still found.
pub(super) fn is_of_kubernetes(name: &str, value: &str) -> bool {
    const PROTOCOLS: [&str; 3] = ["TCP", "UDP", "SCTP"];
    let is_port = || value.parse::<u16>().is_ok();
    let is_address = || value.parse::<IpAddr>().is_ok();
    let is_url =
        || PROTOCOLS.iter().any(|known| value.strip_prefix(&known.to_ascii_lowercase()).is_some_and(|rest| rest.starts_with("://")));
    if name.ends_with("_SERVICE_HOST") {
        return is_address();
    }
    if name.ends_with("_SERVICE_PORT") || name.contains("_SERVICE_PORT_") {
        return is_port();
    }
    if name.ends_with("_PORT") && is_url() {
        return true;
    }
    // …_PORT_8480_TCP, and the same with _PROTO, _PORT or _ADDR behind.
    let Some((_, port)) = name.rsplit_once("_PORT_") else { return false };
    let mut parts = port.split('_');
    let is_numbered = parts.next().is_some_and(|number| number.parse::<u16>().is_ok());
    let is_protocol = parts.next().is_some_and(|protocol| PROTOCOLS.contains(&protocol));
    let fits = match parts.next() {
        None => is_url(),
        Some("PROTO") => PROTOCOLS.contains(&value.to_ascii_uppercase().as_str()),
        Some("PORT") => is_port(),
        Some("ADDR") => is_address(),
        Some(_) => false,
    };
    is_numbered && is_protocol && fits && parts.next().is_none()
}

/// Is asked for a struct's fields and answers with something of each type, while it notes what it was asked for.
struct Probe<'f> {
    path: String,
    found: &'f mut Vec<Known>,
}

impl Probe<'_> {
    fn note(self, kind: Kind) {
        self.found.push(Known { path: self.path, kind });
    }
}

/// Notes the kind, and answers with a value of it.
macro_rules! answer {
    ($($asked:ident => $kind:expr, $visit:ident($value:expr);)*) => {
        $(fn $asked<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unread> {
            self.note($kind);
            visitor.$visit($value)
        })*
    };
}

impl<'de> Deserializer<'de> for Probe<'_> {
    type Error = Unread;

    answer! {
        deserialize_bool => Kind::Switch, visit_bool(false);
        deserialize_u16 => Kind::Whole(u16::MAX.into()), visit_u16(1);
        deserialize_u32 => Kind::Whole(u32::MAX.into()), visit_u32(1);
        deserialize_u64 => Kind::Whole(u64::MAX), visit_u64(1);
        deserialize_str => Kind::Text, visit_str("");
        deserialize_string => Kind::Text, visit_str("");
        deserialize_any => Kind::Place, visit_str("0");
        deserialize_seq => Kind::List, visit_seq(SeqDeserializer::new(std::iter::empty::<&str>()));
        deserialize_map => Kind::Figures, visit_map(MapDeserializer::new(std::iter::empty::<(&str, u32)>()));
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unread> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Unread> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(self, _: &'static str, variants: &'static [&'static str], visitor: V) -> Result<V::Value, Unread> {
        self.note(Kind::OneOf(variants));
        let first: StrDeserializer<'_, Unread> = variants.first().copied().unwrap_or_default().into_deserializer();
        visitor.visit_enum(first)
    }

    fn deserialize_struct<V: Visitor<'de>>(self, _: &'static str, fields: &'static [&'static str], visitor: V) -> Result<V::Value, Unread> {
        visitor.visit_map(Fields { probe: self, rest: fields.iter(), field: "" })
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i64 i128 u8 u128 f32 f64 char bytes byte_buf unit unit_struct tuple tuple_struct identifier ignored_any
    }
}

struct Fields<'f> {
    probe: Probe<'f>,
    rest: std::slice::Iter<'static, &'static str>,
    field: &'static str,
}

impl<'de> MapAccess<'de> for Fields<'_> {
    type Error = Unread;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Unread> {
        let Some(field) = self.rest.next() else { return Ok(None) };
        self.field = field;
        let name: StrDeserializer<'_, Unread> = self.field.into_deserializer();
        seed.deserialize(name).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Unread> {
        let divider = if self.probe.path.is_empty() { "" } else { "." };
        let path = format!("{}{divider}{}", self.probe.path, self.field);
        seed.deserialize(Probe { path, found: &mut *self.probe.found })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_setting_is_found_in_the_struct() {
        let known = settings();
        let kind = |path: &str| known.iter().find(|known| known.path == path).map(|known| known.kind);
        for (path, expected) in [
            ("public_url", Kind::Text),
            ("database", Kind::Text),
            ("master_key", Kind::Text),
            ("shared.url", Kind::Text),
            ("listen", Kind::Place),
            ("metrics_listen", Kind::Place),
            ("audit", Kind::OneOf(&["best-effort", "required"])),
            ("postgres.notify", Kind::Switch),
            ("postgres.isolation", Kind::OneOf(&["read-committed", "serializable"])),
            ("limits.requests_per_second", Kind::Whole(u32::MAX.into())),
            ("limits.body_bytes", Kind::Whole(u64::MAX)),
            ("limits.actions", Kind::Figures),
            ("signatures.allow", Kind::List),
            ("quotas.namespaces.basic", Kind::Whole(u32::MAX.into())),
        ] {
            assert_eq!(kind(path), Some(expected), "{path}");
        }
        assert!(kind("limits").is_none() && known.len() > 60, "{known:?}");
    }

    #[test]
    fn the_nearest_name_takes_the_fewest_changes() {
        for (one, other, changes) in [("", "abc", 3), ("kitten", "sitting", 3), ("listen", "listen", 0), ("lsiten", "listen", 2)] {
            assert_eq!((distance(one, other), distance(other, one)), (changes, changes), "{one}, {other}");
        }
        let known = ["listen", "public_url", "limits.body_bytes"];
        let nearest = |name: &str| nearest(name, known.into_iter());
        assert_eq!(nearest("publicurl"), Some("public_url"));
        assert_eq!(nearest("body_bytes"), Some("limits.body_bytes"));
        assert_eq!(nearest("xyzzy"), None);
    }

    #[test]
    fn what_kubernetes_sets_for_a_service_is_told_by_its_shape() {
        for (name, value) in [
            ("_SERVICE_HOST", "10.96.0.1"),
            ("_SERVICE_HOST", "fd00::1"),
            ("_SERVICE_PORT", "8480"),
            ("_SERVICE_PORT_HTTP_TOKEN", "8480"),
            ("_PORT", "tcp://10.96.0.1:8480"),
            ("_PORT_8480_TCP", "tcp://10.96.0.1:8480"),
            ("_PORT_8480_TCP_PROTO", "tcp"),
            ("_PORT_8480_TCP_PORT", "8480"),
            ("_PORT_8480_TCP_ADDR", "10.96.0.1"),
            ("_PORT_53_UDP", "udp://10.96.0.1:53"),
            ("_METRICS_SERVICE_HOST", "10.96.0.2"),
            ("_METRICS_PORT_9480_TCP_PORT", "9480"),
            ("_MY_PORT_PORT", "tcp://10.96.0.3:1"),
        ] {
            assert!(is_of_kubernetes(name, value), "{name}={value}");
        }
        for (name, value) in [
            ("_PORT", "8480"),
            ("_LISTEN_PORT", "8480"),
            ("_SERVICE_HOST", "credentials.example.com"),
            ("_SERVICE", "10.96.0.1"),
            ("_PORT_HTTP_TCP", "tcp://10.96.0.1:8480"),
            ("_PORT_8480_TCP_NAME", "8480"),
            ("_PUBLICURL", "tcp://10.96.0.1:8480"),
        ] {
            assert!(!is_of_kubernetes(name, value), "{name}={value}");
        }
    }
}
