//! How a sealed secret carries a session's policy.

use std::borrow::Cow;
use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use miniz_oxide::deflate::compress_to_vec;
use miniz_oxide::inflate::decompress_to_vec_with_limit;

use super::{MAX_REGISTRY_SECRET, MAX_SESSION_POLICY_BYTES, Session, longest_secret_of_session};
use crate::domain::{Error, Result};

/// Of zlib's ten levels the last that spends time on being short; a session is opened once.
const DEFLATE_LEVEL: u8 = 9;

/// SHA-256 of a policy document's UTF-8.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct PolicyDigest([u8; Self::LENGTH]);

impl PolicyDigest {
    /// Bytes of a digest.
    pub const LENGTH: usize = 32;

    /// Returns the digest of a document.
    pub fn of(document: &str) -> Self {
        let mut bytes = [0; Self::LENGTH];
        bytes.copy_from_slice(digest(&SHA256, document.as_bytes()).as_ref());
        Self(bytes)
    }

    pub(super) fn from_bytes(bytes: [u8; Self::LENGTH]) -> Self {
        Self(bytes)
    }

    pub(super) fn as_bytes(&self) -> &[u8; Self::LENGTH] {
        &self.0
    }
}

impl fmt::Display for PolicyDigest {
    /// Writes 64 hexadecimal digits in lower case.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for PolicyDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A session's policy, as a sealed secret carries it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionPolicy {
    /// The document as written, at most 4096 bytes.
    Written(String),
    /// The document deflated (RFC 1951), at most 4096 bytes.
    Deflated(Vec<u8>),
    /// The digest alone: the document is in the store.
    Stored(PolicyDigest),
}

impl SessionPolicy {
    /// Chooses how the secrets of a session carry its policy: as written, deflated, or by its
    /// digest, the first with which no registry secret that the session gets has more than
    /// [`MAX_REGISTRY_SECRET`] characters.
    ///
    /// # Errors
    /// [`Error::internal`] for a session beyond the limits of [`sealed`](super).
    pub fn for_session(document: &str, session: &Session) -> Result<Self> {
        let fits = |policy: &Self| {
            longest_secret_of_session(session, Some(policy))
                .map(|length| length <= MAX_REGISTRY_SECRET)
        };
        let written = Self::Written(document.to_owned());
        if fits(&written)? {
            return Ok(written);
        }
        let deflated = Self::Deflated(compress_to_vec(document.as_bytes(), DEFLATE_LEVEL));
        if fits(&deflated)? {
            return Ok(deflated);
        }
        Ok(Self::Stored(PolicyDigest::of(document)))
    }

    /// Returns the document; `None` when it is in the store.
    ///
    /// # Errors
    /// [`Error::internal`] for what was deflated and isn't the text of a policy, or one beyond 4096
    /// bytes.
    pub fn document(&self) -> Result<Option<Cow<'_, str>>> {
        match self {
            Self::Written(document) => Ok(Some(document.into())),
            Self::Deflated(bytes) => {
                let bytes = decompress_to_vec_with_limit(bytes, MAX_SESSION_POLICY_BYTES).map_err(
                    |error| {
                        Error::internal(format!(
                            "a sealed session policy can't be inflated: {error}"
                        ))
                    },
                )?;
                String::from_utf8(bytes)
                    .map(|document| Some(document.into()))
                    .map_err(Error::internal)
            }
            Self::Stored(_) => Ok(None),
        }
    }

    /// Returns how many bytes of a secret it takes, but for its tag and its length.
    pub(super) fn length(&self) -> usize {
        match self {
            Self::Written(document) => document.len(),
            Self::Deflated(bytes) => bytes.len(),
            Self::Stored(_) => PolicyDigest::LENGTH,
        }
    }
}
