//! Users, groups, roles, the policies attached to them, and who else is believed about identities.

use std::fmt;
use std::str::FromStr;

use super::clock::Timestamp;
use super::ids::{AccountId, RoleId, UserId};
use super::{Error, Result};

/// Whether a user may act.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UserState {
    /// It may.
    Active,
    /// Nothing that is the user's works, until it is enabled again.
    Disabled,
}

impl UserState {
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

impl FromStr for UserState {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|state| state.name() == text);
        found.ok_or_else(|| Error::invalid_parameter("state", "a user is active or disabled"))
    }
}

/// A user of an account: a sub-account in Tencent's words, a RAM user in Alibaba's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Its numeric id, never reused.
    pub id: UserId,
    /// The account that owns it.
    pub account: AccountId,
    /// Its name, unique among the account's users.
    pub name: String,
    /// Whether it may act.
    pub state: UserState,
    /// The generation that sealed credentials of it name; raising it stops them.
    pub generation: i64,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A group of users, which share the policies attached to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// The account that owns it.
    pub account: AccountId,
    /// Its name, unique among the account's groups.
    pub name: String,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A role: it can be assumed by whom its trust policy names, for a while.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role {
    /// Its numeric id, never reused.
    pub id: RoleId,
    /// The account that owns it.
    pub account: AccountId,
    /// Its name, unique among the account's roles.
    pub name: String,
    /// The trust policy, as written: it says who may assume the role.
    pub trust_policy: String,
    /// The longest life of a session, in seconds.
    pub max_session_seconds: u32,
    /// The generation that its sessions name; raising it stops them.
    pub generation: i64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last revoked: OpenID Connect tokens from before then open it no more.
    pub revoked_at: Option<Timestamp>,
}

impl Role {
    /// The shortest `max_session_seconds`: an hour.
    pub const MIN_SESSION_LIMIT: u32 = 3600;
    /// The longest `max_session_seconds`: twelve hours, at both clouds.
    pub const MAX_SESSION_LIMIT: u32 = 43_200;
}

/// A policy document under a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The account that owns it.
    pub account: AccountId,
    /// Its name, unique among the account's policies.
    pub name: String,
    /// The document, as written.
    pub document: String,
    /// When it was made or last changed.
    pub changed_at: Timestamp,
}

/// A target of a policy's attachment, by name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// A user.
    User(String),
    /// A group.
    Group(String),
    /// A role.
    Role(String),
}

/// An OpenID Connect issuer that roles may trust.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OidcProvider {
    /// The account that owns it.
    pub account: AccountId,
    /// Its name, unique among the account's providers.
    pub name: String,
    /// The issuer, as its tokens say it.
    pub issuer: String,
    /// The audiences of which a token must have one.
    pub audiences: Vec<String>,
    /// The issuer's keys as a JWK set, when they are not to be fetched.
    pub jwks: Option<String>,
    /// The algorithms of which one must have signed a token.
    pub algorithms: Vec<OidcAlgorithm>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A change of a provider; `None` leaves a part as it is.
#[derive(Clone, Debug, Default)]
pub struct OidcProviderChange {
    /// The issuer's keys as a JWK set; they take the place of the keys that were given or fetched.
    pub jwks: Option<String>,
    /// All audiences of which a token must have one.
    pub audiences: Option<Vec<String>>,
    /// All algorithms of which one must have signed a token.
    pub algorithms: Option<Vec<OidcAlgorithm>>,
}

/// A subject of an OpenID Connect issuer that an account refuses, whatever its trust policies say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedSubject {
    /// The account.
    pub account: AccountId,
    /// The issuer, as its tokens say it.
    pub issuer: String,
    /// The subject of its tokens, at most 255 bytes.
    pub subject: String,
    /// When it was refused.
    pub refused_at: Timestamp,
}

/// An algorithm that signs OpenID Connect tokens (RFC 7518, 3.1; RFC 8037).
///
/// Asymmetric ones alone: with HMAC the issuer's public key would be the secret, and `none` signs
/// nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OidcAlgorithm {
    /// RSA, PKCS #1 v1.5, SHA-256.
    Rs256,
    /// RSA, PKCS #1 v1.5, SHA-384.
    Rs384,
    /// RSA, PKCS #1 v1.5, SHA-512.
    Rs512,
    /// RSA, PSS, SHA-256.
    Ps256,
    /// RSA, PSS, SHA-384.
    Ps384,
    /// RSA, PSS, SHA-512.
    Ps512,
    /// ECDSA, P-256, SHA-256.
    Es256,
    /// ECDSA, P-384, SHA-384.
    Es384,
    /// Ed25519.
    EdDsa,
}

impl OidcAlgorithm {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Rs256,
        Self::Rs384,
        Self::Rs512,
        Self::Ps256,
        Self::Ps384,
        Self::Ps512,
        Self::Es256,
        Self::Es384,
        Self::EdDsa,
    ];

    /// Returns its name in a token's header, such as `RS256`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::EdDsa => "EdDSA",
        }
    }
}

impl fmt::Display for OidcAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for OidcAlgorithm {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL
            .into_iter()
            .find(|algorithm| algorithm.name() == text)
            .ok_or_else(|| {
                let known = Self::ALL.map(Self::name).join(", ");
                Error::invalid_parameter("algorithm", format!("an algorithm is one of {known}"))
            })
    }
}
