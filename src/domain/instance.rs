//! One registry to log in to.

use std::fmt;
use std::str::FromStr;

use super::clock::{Random, Timestamp, random_text};
use super::principal::AccountId;
use super::{Error, ErrorKind, Result};

const ALPHABET: &[u8] = b"abcdefghijklmnopqrstuvwxyz0123456789";

fn is_suffix(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
}

/// An instance's own id, which is also its Tencent id: `tcr-` and eight of `a-z0-9`. Never reused.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InstanceId(String);

impl InstanceId {
    /// Makes a new id.
    pub fn random(random: &dyn Random) -> Self {
        Self(format!("tcr-{}", random_text(random, ALPHABET, 8)))
    }

    /// Returns the id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for InstanceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for InstanceId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text.strip_prefix("tcr-") {
            Some(suffix) if is_suffix(suffix, 8) => Ok(Self(text.to_owned())),
            _ => Err(Error::instance_not_found()),
        }
    }
}

/// The id that an instance answers to at the Alibaba door: `cri-` and sixteen of `a-z0-9`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CriId(String);

impl CriId {
    /// Makes a new id.
    pub fn random(random: &dyn Random) -> Self {
        Self(format!("cri-{}", random_text(random, ALPHABET, 16)))
    }

    /// Returns the id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CriId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for CriId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text.strip_prefix("cri-") {
            Some(suffix) if is_suffix(suffix, 16) => Ok(Self(text.to_owned())),
            _ => Err(Error::instance_not_found()),
        }
    }
}

/// Either id of an instance.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum AnyInstanceId {
    /// A `tcr-` id.
    Tcr(InstanceId),
    /// A `cri-` id.
    Cri(CriId),
}

impl FromStr for AnyInstanceId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        text.parse().map(Self::Tcr).or_else(|_| text.parse().map(Self::Cri)).map_err(|_| {
            Error::new(ErrorKind::InstanceNotFound, "An instance is named by its tcr- or its cri- id; `transire instance list` shows both.")
        })
    }
}

/// The algorithm that signs an instance's tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Algorithm {
    /// ECDSA with P-256 and SHA-256: the default.
    Es256,
    /// RSA-2048 with PKCS#1 v1.5 and SHA-256, for verifiers that insist on it.
    Rs256,
}

impl Algorithm {
    /// All algorithms.
    pub const ALL: [Self; 2] = [Self::Es256, Self::Rs256];

    /// Returns the name that a token's header carries.
    pub fn name(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::Rs256 => "RS256",
        }
    }
}

impl FromStr for Algorithm {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL
            .into_iter()
            .find(|algorithm| algorithm.name() == text)
            .ok_or_else(|| Error::invalid_parameter("alg", "an algorithm is ES256 or RS256"))
    }
}

/// How a token names its signing key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KidFormat {
    /// RFC 7638: what Distribution 3 looks for.
    Thumbprint,
    /// Docker's libtrust fingerprint: what Distribution 2 looks for.
    Libtrust,
}

impl KidFormat {
    /// Returns the name that settings use.
    pub fn name(self) -> &'static str {
        match self {
            Self::Thumbprint => "thumbprint",
            Self::Libtrust => "libtrust",
        }
    }
}

impl FromStr for KidFormat {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "thumbprint" => Ok(Self::Thumbprint),
            "libtrust" => Ok(Self::Libtrust),
            _ => Err(Error::invalid_parameter("kid", "a kid format is thumbprint or libtrust")),
        }
    }
}

/// Whether an instance answers for calls of its account that name none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DefaultMark {
    /// It is marked to answer for them.
    Marked,
    /// It answers for them only as the account's only instance.
    Unmarked,
}

/// One registry to log in to.
#[derive(Clone, Debug)]
pub struct Instance {
    /// Its own id.
    pub id: InstanceId,
    /// Its id at the Alibaba door.
    pub cri_id: CriId,
    /// Who owns it.
    pub account: AccountId,
    /// Its name, unique in its account.
    pub name: String,
    /// The region that it says it is in.
    pub region: String,
    /// What the registry checks as the token's audience; unique over all accounts, for ever.
    pub service: String,
    /// What signs its tokens.
    pub algorithm: Algorithm,
    /// How its tokens name the signing key.
    pub kid_format: KidFormat,
    /// How long its tokens live, in seconds; at least [`Instance::SHORTEST_TOKEN_TTL`].
    pub token_ttl_seconds: u32,
    /// Where the registry itself answers, for what must reach it.
    pub registry_url: Option<String>,
    /// Whether it is the account's default.
    pub default: DefaultMark,
    /// When it was made.
    pub created_at: Timestamp,
}

impl Instance {
    /// Clients take a shorter life for this one, so a shorter one would be a lie (seconds).
    pub const SHORTEST_TOKEN_TTL: u32 = 60;
    /// The default life of a token, in seconds.
    pub const USUAL_TOKEN_TTL: u32 = 300;
    /// The longest life of a token, in seconds: a token can't be taken back.
    pub const LONGEST_TOKEN_TTL: u32 = 3600;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::clock::SystemRandom;

    #[test]
    fn an_instance_is_found_by_either_id() {
        let (tcr, cri) = (InstanceId::random(&SystemRandom), CriId::random(&SystemRandom));
        assert_eq!(tcr.to_string().parse::<AnyInstanceId>().unwrap(), AnyInstanceId::Tcr(tcr));
        assert_eq!(cri.to_string().parse::<AnyInstanceId>().unwrap(), AnyInstanceId::Cri(cri));
        for bad in ["", "tcr-", "tcr-ABCDEFGH", "tcr-1234567", "cri-12345678", "demo"] {
            assert!(bad.parse::<AnyInstanceId>().is_err(), "{bad:?} was taken for an instance id");
        }
    }
}
