//! Access keys: what their ids look like, and what that tells.
//!
//! A session's key is known at sight: nothing of it is stored, so its session token must say what
//! it is.

use std::fmt;
use std::str::FromStr;

use super::clock::{Random, random_text};
use super::credential::Cloud;
use super::secret::Secret;
use super::{Error, Result};

const ALPHANUMERIC: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// How many random letters or digits an id or a secret has; as many as Tencent's.
const LENGTH: usize = 32;
/// The most characters of an id or a secret that was made elsewhere.
const MAX_GIVEN: usize = 128;
/// The beginning of a permanent key's id; Harbor's adapter insists on it.
const PERMANENT: &str = "AKID";

/// An access key just made; its secret is shown this once.
#[derive(Debug)]
pub struct NewAccessKey {
    /// The id: a prefix that says what key it is, and 32 letters or digits.
    pub id: String,
    /// The secret: 32 letters or digits.
    pub secret: Secret,
}

impl NewAccessKey {
    /// Makes a key that lives until it is deleted: `AKID…`.
    pub fn permanent(random: &dyn Random) -> Self {
        Self::of(PERMANENT, random)
    }

    /// Makes a session's key: `AKID-…` at Tencent's door, `STS.…` at Alibaba's.
    pub fn of_session(cloud: Cloud, random: &dyn Random) -> Self {
        Self::of(session_prefix(cloud), random)
    }

    /// Takes a permanent key that was made elsewhere.
    ///
    /// # Errors
    ///
    /// `InvalidParameter` of `id` or `secret` for a text that isn't printable ASCII, or too long,
    /// and for a session's id.
    pub fn given(id: &str, secret: &str) -> Result<Self> {
        let is_usual = |text: &str| {
            (1..=MAX_GIVEN).contains(&text.len())
                && text.bytes().all(|byte| byte.is_ascii_graphic())
        };
        let refuse = |name| {
            let why = format!(
                "it has 1 to {MAX_GIVEN} printable characters of ASCII and no space; a session's \
                 id, which begins with AKID-, STS. or ASIA, is none of a permanent \
                 key"
            );
            Err(Error::invalid_parameter(name, why))
        };
        if !is_usual(id) || is_of_session(id) {
            return refuse("id");
        }
        if !is_usual(secret) {
            return refuse("secret");
        }
        Ok(Self {
            id: id.to_owned(),
            secret: Secret::new(secret),
        })
    }

    fn of(prefix: &str, random: &dyn Random) -> Self {
        let id = format!("{prefix}{}", random_text(random, ALPHANUMERIC, LENGTH));
        Self {
            id,
            secret: Secret::new(random_text(random, ALPHANUMERIC, LENGTH)),
        }
    }
}

/// The id of an access key that lives until it is deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessKeyId(String);

impl AccessKeyId {
    /// Returns it as a text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AccessKeyId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl FromStr for AccessKeyId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let refuse = |why| Err(Error::invalid_parameter("id", why));
        if is_of_session(text) {
            return refuse(
                "that is a session's access key: `transire revoke --principal PRINCIPAL \
                 --credential ID` stops a session, by the id that `transire audit list` shows",
            );
        }
        if !is_permanent(text) {
            return refuse(
                "an access key's id is AKID and 32 letters or digits; `transire access-key list` \
                 shows it",
            );
        }
        Ok(Self(text.to_owned()))
    }
}

/// Tells whether a text has the form of a permanent key's id.
pub fn is_permanent(id: &str) -> bool {
    id.strip_prefix(PERMANENT).is_some_and(|rest| {
        rest.len() == LENGTH && rest.bytes().all(|byte| byte.is_ascii_alphanumeric())
    })
}

/// Returns whether an access key's id is of a session.
pub fn is_of_session(id: &str) -> bool {
    Cloud::ALL
        .into_iter()
        .any(|cloud| id.starts_with(session_prefix(cloud)))
}

/// No permanent key's id begins so: after `AKID` it has letters and digits only.
fn session_prefix(cloud: Cloud) -> &'static str {
    match cloud {
        Cloud::Tencent => "AKID-",
        Cloud::Alibaba => "STS.",
        Cloud::Aws => "ASIA",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::clock::SystemRandom;

    #[test]
    fn a_sessions_key_is_known_at_sight() {
        let permanent = NewAccessKey::permanent(&SystemRandom).id;
        assert!(!is_of_session(&permanent) && is_permanent(&permanent));
        for cloud in Cloud::ALL {
            let session = NewAccessKey::of_session(cloud, &SystemRandom).id;
            assert!(is_of_session(&session) && !is_permanent(&session));
        }
    }
}
