//! The entities that a sealed secret came from.

use aws_lc_rs::digest::{SHA256, digest};

use crate::domain::credential::CredentialId;
use crate::domain::ids::{AccountId, InstanceId, RoleId, UserId};
use crate::domain::principal::Principal;

/// Something that a sealed secret came from, and that must still be what it was when the secret is
/// used.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Dependency {
    /// The account's root.
    Root(AccountId),
    /// A user.
    User(UserId),
    /// A role.
    Role(RoleId),
    /// The access key of this id, at most 128 bytes: it signed the call.
    AccessKey(String),
    /// A long-term credential: it logged in.
    LongTerm(CredentialId),
    /// A session, by its token's own id: its access key signed the call. It has no generation: 0.
    Session(CredentialId),
    /// The refresh tokens of an instance, together; a refresh token without this dependency is of
    /// their generation 0.
    RefreshTokens(InstanceId),
    /// A temporary credential: it was exchanged for another one. It has no generation: 0.
    Temporary(CredentialId),
    /// A subject of an OpenID Connect provider: its token was exchanged for a credential, or opened
    /// a session. The generation is when the provider was made, in unix milliseconds.
    OidcSubject(OidcSubject),
}

/// A subject of an OpenID Connect provider.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OidcSubject {
    /// The account that owns the provider.
    pub account: AccountId,
    /// The provider's name, at most 128 bytes.
    pub provider: String,
    /// The subject of its tokens.
    pub subject: SubjectDigest,
}

impl OidcSubject {
    /// Returns a subject of an account's provider.
    pub fn new(account: AccountId, provider: &str, subject: &str) -> Self {
        Self {
            account,
            provider: provider.to_owned(),
            subject: SubjectDigest::of(subject),
        }
    }
}

/// The first 128 bits of SHA-256 of a subject: a subject may have 255 bytes, which a secret has no
/// room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SubjectDigest([u8; Self::LENGTH]);

impl SubjectDigest {
    /// Bytes of a digest.
    pub const LENGTH: usize = 16;

    /// Returns the digest of a subject.
    pub fn of(subject: &str) -> Self {
        let mut bytes = [0; Self::LENGTH];
        bytes.copy_from_slice(&digest(&SHA256, subject.as_bytes()).as_ref()[..Self::LENGTH]);
        Self(bytes)
    }

    pub(super) fn from_bytes(bytes: [u8; Self::LENGTH]) -> Self {
        Self(bytes)
    }

    pub(super) fn as_bytes(&self) -> &[u8; Self::LENGTH] {
        &self.0
    }
}

impl Dependency {
    /// Returns the first access key among dependencies.
    pub fn access_key_among(dependencies: &[(Self, i64)]) -> Option<&str> {
        dependencies
            .iter()
            .find_map(|(dependency, _)| match dependency {
                Self::AccessKey(id) => Some(id.as_str()),
                _ => None,
            })
    }

    /// Returns the long-term credential among dependencies.
    pub fn long_term_among(dependencies: &[(Self, i64)]) -> Option<&CredentialId> {
        dependencies
            .iter()
            .find_map(|(dependency, _)| match dependency {
                Self::LongTerm(id) => Some(id),
                _ => None,
            })
    }

    /// Returns the dependency that everything of a principal's has.
    pub fn of(principal: &Principal) -> Self {
        match principal {
            Principal::Root(account) | Principal::FederatedSession(account, None, _) => {
                Self::Root(*account)
            }
            Principal::User(_, user) | Principal::FederatedSession(_, Some(user), _) => {
                Self::User(*user)
            }
            Principal::RoleSession(_, role, _) => Self::Role(*role),
        }
    }
}
