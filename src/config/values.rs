//! The types of settings: of which kind each is, and how the documents show a value.

use std::collections::HashMap;
use std::path::PathBuf;

use serde::Deserialize;

use super::database_url::DatabaseUrl;
use super::declare::Value;
use super::kind::Kind;
use super::listen::Listen;
use crate::domain::seconds::Seconds;
use crate::domain::secret::Secret;
use crate::service::{AuditMode, ServiceAccountGrant};

/// How strictly transactions are kept apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Isolation {
    /// A write locks the rows that it depends on, and waits for others.
    ReadCommitted,
    /// The strictest level: a write that conflicts with another is retried.
    Serializable,
}

/// The form of the log's lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogFormat {
    /// For people.
    Text,
    /// An object a line, for programs.
    Json,
}

/// The address of a server, which may hold a password.
#[derive(Clone, Debug, Deserialize)]
#[serde(from = "String")]
pub struct SharedUrl(pub Secret);

impl SharedUrl {
    fn expose(&self) -> &str {
        self.0.expose()
    }
}

impl From<String> for SharedUrl {
    fn from(text: String) -> Self {
        Self(Secret::new(text))
    }
}

/// A master key given in the settings or the environment.
#[derive(Clone, Debug, Deserialize)]
#[serde(from = "String")]
pub struct MasterKeyText(pub Secret);

impl MasterKeyText {
    fn expose(&self) -> &str {
        self.0.expose()
    }
}

impl From<String> for MasterKeyText {
    fn from(text: String) -> Self {
        Self(Secret::new(text))
    }
}

macro_rules! numbers {
    ($($number:ty),+) => {
        $(impl Value for $number {
            const KIND: Kind = Kind::Whole(<$number>::MAX as u64);

            fn is(&self, other: &Self) -> bool {
                self == other
            }

            fn show(&self) -> String {
                self.to_string()
            }

            fn written(&self) -> Option<toml::Value> {
                i64::try_from(*self).ok().map(toml::Value::Integer)
            }

            fn number(&self) -> Option<u64> {
                Some(*self as u64)
            }
        })+
    };
}

numbers!(u32, u64, usize);

impl Value for Seconds {
    const KIND: Kind = Kind::Seconds;

    fn is(&self, other: &Self) -> bool {
        self == other
    }

    fn show(&self) -> String {
        self.to_string()
    }

    fn written(&self) -> Option<toml::Value> {
        Some(match self.get() {
            0 => 0.into(),
            _ => self.to_string().into(),
        })
    }

    fn number(&self) -> Option<u64> {
        Some(self.get())
    }
}

/// Types of which a setting has one of a few words; a test compares the words with those that are
/// read.
macro_rules! words {
    ($($type:ident { $($variant:ident = $word:literal),+ })+) => {
        $(impl Value for $type {
            const KIND: Kind = Kind::OneOf(&[$($word),+]);

            fn is(&self, other: &Self) -> bool {
                self == other
            }

            fn show(&self) -> String {
                let word = match self {
                    $(Self::$variant => $word,)+
                };
                format!("`{word}`")
            }

            fn written(&self) -> Option<toml::Value> {
                Some(self.show().trim_matches('`').into())
            }
        })+
    };
}

words! {
    LogFormat { Text = "text", Json = "json" }
    Isolation { ReadCommitted = "read-committed", Serializable = "serializable" }
    AuditMode { BestEffort = "best-effort", Required = "required" }
    ServiceAccountGrant { OwnRights = "own-rights", Vendor = "vendor" }
}

/// Types that are never shown, for they may hold a secret.
macro_rules! secrets {
    ($($type:ty),+) => {
        $(impl Value for $type {
            const KIND: Kind = Kind::Text;

            fn is(&self, other: &Self) -> bool {
                self.expose() == other.expose()
            }

            fn show(&self) -> String {
                "a secret".to_owned()
            }

            fn written(&self) -> Option<toml::Value> {
                None
            }
        })+
    };
}

secrets!(MasterKeyText, SharedUrl);

impl Value for DatabaseUrl {
    const KIND: Kind = Kind::Text;

    fn is(&self, other: &Self) -> bool {
        self.expose() == other.expose()
    }

    fn show(&self) -> String {
        "a secret".to_owned()
    }

    fn masked(&self) -> String {
        self.without_password()
    }

    fn written(&self) -> Option<toml::Value> {
        None
    }
}

impl Value for bool {
    const KIND: Kind = Kind::Switch;

    fn is(&self, other: &Self) -> bool {
        self == other
    }

    fn show(&self) -> String {
        self.to_string()
    }

    fn written(&self) -> Option<toml::Value> {
        Some((*self).into())
    }
}

impl Value for String {
    const KIND: Kind = Kind::Text;

    fn is(&self, other: &Self) -> bool {
        self == other
    }

    fn show(&self) -> String {
        format!("`{self}`")
    }

    fn written(&self) -> Option<toml::Value> {
        Some(self.as_str().into())
    }
}

impl Value for PathBuf {
    const KIND: Kind = Kind::Text;

    fn is(&self, other: &Self) -> bool {
        self == other
    }

    fn show(&self) -> String {
        format!("`{}`", self.display())
    }

    fn written(&self) -> Option<toml::Value> {
        Some(self.display().to_string().into())
    }
}

impl Value for Listen {
    const KIND: Kind = Kind::Listen;

    fn is(&self, other: &Self) -> bool {
        self == other
    }

    fn show(&self) -> String {
        match self {
            Self::Port(port) => port.to_string(),
            Self::Address(address) => format!("`{address}`"),
        }
    }

    fn written(&self) -> Option<toml::Value> {
        Some(match self {
            Self::Port(port) => i64::from(*port).into(),
            Self::Address(address) => address.to_string().into(),
        })
    }
}

impl Value for Vec<String> {
    const KIND: Kind = Kind::List;

    fn is(&self, other: &Self) -> bool {
        self == other
    }

    fn show(&self) -> String {
        if self.is_empty() {
            "none".to_owned()
        } else {
            format!("`{}`", self.join("`, `"))
        }
    }

    fn written(&self) -> Option<toml::Value> {
        Some(self.clone().into())
    }
}

impl Value for HashMap<String, u32> {
    const KIND: Kind = Kind::Figures;

    fn is(&self, other: &Self) -> bool {
        self == other
    }

    fn show(&self) -> String {
        if self.is_empty() {
            "none".to_owned()
        } else {
            format!("{} figures", self.len())
        }
    }

    fn written(&self) -> Option<toml::Value> {
        let figures = self.iter();
        let figures = figures.map(|(name, figure)| (name.clone(), i64::from(*figure).into()));
        Some(toml::Value::Table(figures.collect()))
    }
}

impl<T: Value> Value for Option<T> {
    const KIND: Kind = T::KIND;

    fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Some(one), Some(other)) => one.is(other),
            (one, other) => one.is_none() && other.is_none(),
        }
    }

    fn show(&self) -> String {
        self.as_ref().map_or_else(|| "none".to_owned(), T::show)
    }

    fn written(&self) -> Option<toml::Value> {
        self.as_ref().and_then(T::written)
    }

    fn masked(&self) -> String {
        self.as_ref().map_or_else(|| "none".to_owned(), T::masked)
    }

    fn number(&self) -> Option<u64> {
        self.as_ref().and_then(T::number)
    }
}
