//! Registry credentials: a username and a secret that log in to an instance.
//!
//! Every secret that the service makes looks like `PREFIX_BODY` and six characters of checksum, all
//! of `[A-Za-z0-9_-]`: it survives shells, YAML and `user:password`, and a scanner knows it at
//! sight ([`SECRET_PATTERN`]).

use std::fmt;
use std::str::FromStr;

use super::as_text::serde_as_text;
use super::clock::{Random, Timestamp, random_bytes, random_text};
use super::ids::InstanceId;
use super::principal::{Level, Principal};
use super::rotation::{Older, Presented};
use super::secret::Secret;
use super::{Error, Noun, Result};

/// Finds every registry secret, session token, operator's token and session of the console that
/// this service makes, for secret scanners.
pub const SECRET_PATTERN: &str = r"\btrs[tlrsoc]_[A-Za-z0-9_-]{48,}";

/// A credential's own id: 20 of `0-9a-v`, the shape of Tencent's `TokenId`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CredentialId(String);

impl CredentialId {
    /// How many characters an id has.
    pub const LENGTH: usize = 20;
    const ALPHABET: &[u8] = b"0123456789abcdefghijklmnopqrstuv";

    /// Makes a new id of 100 random bits.
    pub fn random(random: &dyn Random) -> Self {
        // 32 characters: five bits of a byte pick one, evenly.
        let bytes: [u8; Self::LENGTH] = random_bytes(random);
        Self(
            bytes
                .iter()
                .map(|byte| char::from(Self::ALPHABET[usize::from(byte & 31)]))
                .collect(),
        )
    }

    /// Returns the id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CredentialId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

serde_as_text!(CredentialId);

impl FromStr for CredentialId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        if text.len() == Self::LENGTH
            && text
                .bytes()
                .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'v'))
        {
            Ok(Self(text.to_owned()))
        } else {
            Err(Error::not_found(Noun::Credential, "of that id"))
        }
    }
}

/// Which username a credential logs in with; a registry log-in must send exactly this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Username {
    /// The principal's numeric id, as Tencent's contract has it.
    NumericId,
    /// `cr_temp_user`, as Alibaba's contract has it.
    CrTempUser,
    /// `AWS`, as Amazon ECR's contract has it.
    Aws,
}

impl Username {
    /// Returns the username of `principal`'s credential.
    pub fn of(self, principal: &Principal) -> String {
        match self {
            Self::NumericId => principal.numeric_id(),
            Self::CrTempUser => "cr_temp_user".to_owned(),
            Self::Aws => "AWS".to_owned(),
        }
    }
}

/// The clouds whose dialects this service speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cloud {
    /// Tencent Cloud.
    Tencent,
    /// Alibaba Cloud.
    Alibaba,
    /// Amazon Web Services.
    Aws,
}

impl Cloud {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Tencent, Self::Alibaba, Self::Aws];
}

/// The kinds of secret, told apart by their prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SecretKind {
    /// `trst_`: a temporary credential, sealed.
    Temporary,
    /// `trsl_`: a long-term credential: its id, then randomness.
    LongTerm,
    /// `trsr_`: a refresh token, sealed.
    Refresh,
    /// `trss_`: a session token, sealed: it goes with a session's signatures, and logs in nowhere.
    Session,
    /// `trso_`: an operator's token: the operator's id, then randomness.
    Operator,
    /// `trsc_`: a session of the console, as its cookie holds it: randomness.
    Console,
}

impl SecretKind {
    /// All kinds.
    pub const ALL: [Self; 6] = [
        Self::Temporary,
        Self::LongTerm,
        Self::Refresh,
        Self::Session,
        Self::Operator,
        Self::Console,
    ];
    /// How many characters of checksum end a secret.
    pub const CHECKSUM_LENGTH: usize = 6;

    /// Returns what the kind's secrets begin with.
    pub fn prefix(self) -> &'static str {
        match self {
            Self::Temporary => "trst_",
            Self::LongTerm => "trsl_",
            Self::Refresh => "trsr_",
            Self::Session => "trss_",
            Self::Operator => "trso_",
            Self::Console => "trsc_",
        }
    }

    /// Writes a secret of this kind around `body`, which is of `[A-Za-z0-9_-]`.
    pub fn write(self, body: &str) -> Secret {
        let mut text =
            String::with_capacity(self.prefix().len() + body.len() + Self::CHECKSUM_LENGTH);
        text.push_str(self.prefix());
        text.push_str(body);
        let checksum = checksum(text.as_bytes());
        text.extend(checksum.map(char::from));
        Secret::new(text)
    }

    /// Returns the body of a secret of this kind; `None` for another kind, a typing error or a cut.
    pub fn read(self, secret: &str) -> Option<&str> {
        let (text, given) =
            secret.split_at_checked(secret.len().checked_sub(Self::CHECKSUM_LENGTH)?)?;
        let body = text.strip_prefix(self.prefix())?;
        (checksum(text.as_bytes()) == given.as_bytes()).then_some(body)
    }
}

/// Six Base62 characters of CRC-32: 62^6 exceeds 2^32, so nothing is lost.
pub(super) fn checksum(bytes: &[u8]) -> [u8; SecretKind::CHECKSUM_LENGTH] {
    let mut rest = crc32fast::hash(bytes) as usize;
    let mut text = [0; SecretKind::CHECKSUM_LENGTH];
    for slot in text.iter_mut().rev() {
        *slot = BASE62[rest % BASE62.len()];
        rest /= BASE62.len();
    }
    text
}

pub(super) const BASE62: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// How many random Base62 characters a long-term secret has: 32 of them hold 190 bits.
const LONG_TERM_RANDOM_LENGTH: usize = 32;

/// Makes the secret of the long-term credential `id`.
pub fn long_term_secret(id: &CredentialId, random: &dyn Random) -> Secret {
    let mut body = String::from(id.as_str());
    body.push_str(&random_text(random, BASE62, LONG_TERM_RANDOM_LENGTH));
    SecretKind::LongTerm.write(&body)
}

/// Returns the id inside a long-term secret; `None` when it isn't one.
pub fn long_term_id(secret: &str) -> Option<CredentialId> {
    let body = SecretKind::LongTerm.read(secret)?;
    let (id, rest) = body.split_at_checked(CredentialId::LENGTH)?;
    (rest.len() == LONG_TERM_RANDOM_LENGTH).then(|| id.parse().ok())?
}

/// Whether a stored credential may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CredentialState {
    /// It logs in until it expires.
    Active,
    /// It doesn't log in, until it is enabled again.
    Disabled,
}

impl CredentialState {
    /// Every value.
    pub const ALL: [Self; 2] = [Self::Active, Self::Disabled];

    /// Returns its name, as commands and the store have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Disabled => "disabled",
        }
    }
}

impl FromStr for CredentialState {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|state| state.name() == text);
        found.ok_or_else(|| Error::invalid_parameter("state", "a credential is active or disabled"))
    }
}

/// A long-term credential as it is stored: without its secret.
#[derive(Clone, Debug)]
pub struct LongTermCredential {
    /// Its own id.
    pub id: CredentialId,
    /// The one instance that it logs in to.
    pub instance: InstanceId,
    /// The principal that it acts for.
    pub principal: Principal,
    /// Which username it logs in with.
    pub username: Username,
    /// The owner's description of it.
    pub description: String,
    /// SHA-256 of the secret.
    pub secret_hash: [u8; 32],
    /// SHA-256 of the secret before the last rotation.
    pub older: Option<Older<[u8; 32]>>,
    /// Whether it may be used.
    pub state: CredentialState,
    /// At which level it was disabled; `None` while it is enabled, or when an earlier release
    /// disabled it.
    pub disabled_by: Option<Level>,
    /// The generation that refresh tokens got with it name; raising it stops them.
    pub generation: i64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it stops.
    pub expires_at: Timestamp,
    /// The hour in which it was last used, as of when it was read; never written with it.
    pub last_used_at: Option<Timestamp>,
}

impl LongTermCredential {
    /// Returns the generation that refresh tokens got with a secret name. That of the older secret
    /// is the one before: each rotation makes one, and disabling two.
    pub fn generation_of(&self, presented: Presented) -> i64 {
        match presented {
            Presented::Current => self.generation,
            Presented::Older(_) => self.generation - 1,
        }
    }

    /// Tells whether a refresh token of this generation may be taken.
    pub fn takes_generation(&self, generation: i64, now: Timestamp) -> bool {
        let older = self.older.as_ref();
        let older = older.map(|older| Presented::Older(older.ends_at));
        [Some(Presented::Current), older]
            .into_iter()
            .flatten()
            .any(|secret| !secret.is_over(now) && self.generation_of(secret) == generation)
    }
}

/// The stored form of a password that a person chose: argon2id, as its own text form, or the
/// bcrypt of an import that hasn't logged in yet.
///
/// It doesn't print itself: unlike the hash of a random secret, it can be guessed at.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(String);

impl PasswordHash {
    /// Takes the text form in.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Returns the text form, for the store and for the verification of a password.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[password hash]")
    }
}

/// A principal's own password at one instance, which gives all that the principal may do there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FixedPassword {
    /// Where it logs in.
    pub instance: InstanceId,
    /// Whose it is.
    pub principal: Principal,
    /// Its stored form.
    pub hash: PasswordHash,
    /// The generation that a remembered log-in names; a new password and the end of it raise it.
    pub generation: i64,
    /// When it was chosen, or imported.
    pub changed_at: Timestamp,
    /// Another name that it logs in with, at this instance alone: the one from before an import.
    pub old_name: Option<String>,
    /// When it stops; `None` for one that a person chose here.
    pub expires_at: Option<Timestamp>,
    /// The hour in which it was last used, as of when it was read; never written with it.
    pub last_used_at: Option<Timestamp>,
}

impl FixedPassword {
    /// Tells whether it is over.
    pub fn is_over(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|end| end <= now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::clock::SystemRandom;

    #[test]
    fn a_secret_reads_back_as_its_own_kind_alone() {
        for kind in SecretKind::ALL {
            let secret = kind.write("body");
            for other in SecretKind::ALL {
                assert_eq!(
                    other.read(secret.expose()),
                    (other == kind).then_some("body")
                );
            }
        }
    }

    #[test]
    fn a_typing_error_is_seen_before_any_look_up() {
        let id = CredentialId::random(&SystemRandom);
        let secret = long_term_secret(&id, &SystemRandom);
        assert_eq!(long_term_id(secret.expose()), Some(id));
        for place in 0..secret.expose().len() {
            let mut bytes = secret.expose().as_bytes().to_vec();
            bytes[place] = if bytes[place] == b'x' { b'y' } else { b'x' };
            assert_eq!(
                long_term_id(&String::from_utf8(bytes).unwrap()),
                None,
                "a change at {place} went unseen"
            );
        }
        for cut in ["", "t", "trsl_", "trsl_é", &secret.expose()[..40]] {
            assert_eq!(long_term_id(cut), None);
        }
    }

    #[test]
    fn a_secret_has_only_characters_that_nothing_expands() {
        let secret = long_term_secret(&CredentialId::random(&SystemRandom), &SystemRandom);
        assert!(
            secret
                .expose()
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
        );
        assert_eq!(secret.expose().len(), 5 + 20 + 32 + 6);
    }

    #[test]
    fn the_checksum_is_crc32_in_base62() {
        // CRC-32 of "123456789" is 0xCBF43926, the value by which implementations are checked.
        let value = checksum(b"123456789").into_iter().fold(0_u64, |sum, byte| {
            sum * 62 + BASE62.iter().position(|digit| *digit == byte).unwrap() as u64
        });
        assert_eq!(value, 0xCBF4_3926);
    }
}
