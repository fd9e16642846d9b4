//! Ids: numbers that never come again, and text with a prefix that says of what.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{Error, Result};

/// The largest number that an id may be: 18 digits, as Alibaba's longest.
const LARGEST: i64 = 999_999_999_999_999_999;

/// Reads a number of 1 to 18 digits; signs and leading zeros would give one id several spellings.
fn parse_number(text: &str) -> Option<i64> {
    let canonical = !text.starts_with('0')
        && !text.is_empty()
        && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse()
        .ok()
        .filter(|number| canonical && (1..=LARGEST).contains(number))
}

/// Defines a numeric id: 1 to 18 digits, never reused.
macro_rules! numeric_id {
    ($(#[$doc:meta])* $name:ident, $parameter:literal, $why:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(i64);

        impl $name {
            /// Makes an id of a number between 1 and 999999999999999999.
            ///
            /// # Errors
            ///
            /// `InvalidParameter` for another number.
            pub fn new(number: i64) -> Result<Self> {
                if (1..=LARGEST).contains(&number) {
                    Ok(Self(number))
                } else {
                    Err(Error::invalid_parameter($parameter, $why))
                }
            }

            /// Returns the number.
            pub fn number(self) -> i64 {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}", self.0)
            }
        }

        impl FromStr for $name {
            type Err = Error;

            fn from_str(text: &str) -> Result<Self> {
                parse_number(text)
                    .map(Self)
                    .ok_or_else(|| Error::invalid_parameter($parameter, $why))
            }
        }
    };
}

numeric_id!(
    /// A tenant's numeric id (Tencent's UIN, Alibaba's UID).
    AccountId,
    "account",
    "an account id is a number of 1 to 18 digits, such as 100000000001"
);
numeric_id!(
    /// A user's numeric id (Tencent's sub-account UIN, Alibaba's user id); no account has the same.
    UserId,
    "user",
    "a user id is a number of 1 to 18 digits"
);
numeric_id!(
    /// A role's numeric id.
    RoleId,
    "role",
    "a role id is a number of 1 to 18 digits"
);

/// The characters that follow the prefix.
pub(super) const ALPHABET: &[u8] = b"abcdefghijklmnopqrstuvwxyz0123456789";

/// Tells whether `text` is `prefix` and `length` characters of [`ALPHABET`].
pub(super) fn is_id(text: &str, prefix: &str, length: usize) -> bool {
    text.strip_prefix(prefix).is_some_and(|rest| {
        rest.len() == length && rest.bytes().all(|byte| ALPHABET.contains(&byte))
    })
}

/// Defines a text id: a prefix and so many random characters, never reused; any other text is
/// `missing`.
macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal, $length:literal, $missing:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// Makes a new id.
            pub fn random(random: &dyn $crate::domain::clock::Random) -> Self {
                let alphabet = $crate::domain::ids::ALPHABET;
                let rest = $crate::domain::clock::random_text(random, alphabet, $length);
                Self(format!(concat!($prefix, "{}"), rest))
            }

            /// Returns the id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::domain::Error;

            fn from_str(text: &str) -> $crate::domain::Result<Self> {
                let well_formed = $crate::domain::ids::is_id(text, $prefix, $length);
                if well_formed { Ok(Self(text.to_owned())) } else { Err($missing) }
            }
        }
    };
}
pub(super) use text_id;

text_id!(
    /// An instance's own id, which is also its Tencent id: `tcr-` and eight of `a-z0-9`. Never
    /// reused.
    InstanceId,
    "tcr-",
    8,
    Error::instance_not_found()
);

text_id!(
    /// The id that an instance answers to at the Alibaba door: `cri-` and sixteen of `a-z0-9`.
    CriId,
    "cri-",
    16,
    Error::instance_not_found()
);
