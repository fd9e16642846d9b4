//! The payload of a sealed secret, version 2: integers big-endian, times in unix milliseconds.
//!
//! ```text
//! randomness                  16
//! credential id               20, ASCII
//! principal                   tag (1), account (8), then by tag
//!   1 root
//!   2 user                      user (8)
//!   3 role session              role (8), session's name: length (1), text
//!   4 federated, of the root    session's name: length (1), text
//!   5 federated, of a user      user (8), session's name: length (1), text
//! dependencies                how many (1), then for each:
//!                             tag (1), then by tag, then its generation (8)
//!   1 root                      account (8)
//!   2 user                      user (8)
//!   3 role                      role (8)
//!   4 access key                length (1), id
//!   5 long-term credential      its id (20)
//!   6 session                   its token's id (20)
//!   7 refresh tokens            instance id (12)
//!   8 temporary credential      its id (20)
//!   9 OIDC subject              account (8), provider's name: length (1), text,
//!                               SHA-256 of the subject, its first 16 bytes
//! session policy              tag (1), then by tag
//!   0 none
//!   1 as written                length (2), text
//!   2 deflated (RFC 1951)       length (2), bytes
//!   3 stored                    SHA-256 of its text (32)
//! issued at                    8
//! expires at                   8
//! ```
//!
//! Then, of a grant:
//!
//! ```text
//! instance id                 12, ASCII
//! username                     1: 1 numeric id, 2 cr_temp_user, 3 AWS
//! extensions                  each at most once, in the order of their tags: tag (1), then by tag
//!   1 narrowing                 how many scopes (1), then for each:
//!                               resource: 1 repository, 2 registry (1)
//!                               name: length (1), text
//!                               actions (1): the sum of 1 pull, 2 push, 4 delete, 8 all
//! ```
//!
//! and of a session:
//!
//! ```text
//! cloud                        1: 1 Tencent, 2 Alibaba, 3 AWS
//! access key's id             length (1), text
//! access key's secret         length (1), text
//! ```
//!
//! and last, of either, where it has them:
//!
//! ```text
//! claims                       2, how many (1), then for each:
//!                               name: length (1), text
//!                               tag (1): 0 one value, 1 a list, then how many (2)
//!                               each value: length (2), text
//! ```
//!
//! A new tag needs no new version: a replica that doesn't know it yet refuses the secret. Any other
//! change does.

mod reader;
mod writer;

use self::reader::Reader;
use self::writer::Writer;
use super::{
    Grant, MAX_ACCESS_KEY_ID, MAX_ACCESS_KEY_SECRET, MAX_CLAIMS, MAX_DEPENDENCIES,
    MAX_PROVIDER_NAME, MAX_SESSION_NAME, MAX_SESSION_POLICY_BYTES, MAX_SESSION_POLICY_CHARACTERS,
    Session, SessionPolicy, SubjectDigest,
};
use crate::domain::claims::MAX_NAME as MAX_CLAIM_NAME;
use crate::domain::clock::Random;
use crate::domain::credential::{Cloud, CredentialId, Username};
use crate::domain::narrowing::Narrowing;
use crate::domain::scope::Action;
use crate::domain::secret::Secret;
use crate::domain::{Error, Result};

const SALT_LENGTH: usize = 16;
const INSTANCE_ID_LENGTH: usize = 12;

/// Bytes of the longest payload, but for the text of its session policy.
pub(super) const MAX_WITHOUT_POLICY: usize = SALT_LENGTH
    + CredentialId::LENGTH
    + (1 + 8 + 8 + 1 + MAX_SESSION_NAME)
    + (1 + MAX_DEPENDENCIES * (1 + 8 + 1 + MAX_PROVIDER_NAME + SubjectDigest::LENGTH + 8))
    + (1 + 2)
    + (8 + 8)
    // A grant's part; a session's is shorter.
    + (INSTANCE_ID_LENGTH + 1)
    // A scope takes fewer bytes than its text.
    + (1 + 1 + Narrowing::MAX_BYTES)
    + MAX_CLAIMS_PART;
/// Bytes of the longest part of claims: names of one letter, and lists without a value.
const MAX_CLAIMS_PART: usize = 1 + 1 + MAX_CLAIMS / 2 * (1 + 1 + 1 + 2);

// The lengths and the count fit what they are written in.
const _: () = assert!(
    MAX_SESSION_NAME <= 255
        && MAX_ACCESS_KEY_ID <= 255
        && MAX_ACCESS_KEY_SECRET <= 255
        && MAX_DEPENDENCIES <= 255
        && MAX_PROVIDER_NAME <= 255
        && MAX_ACCESS_KEY_ID <= MAX_PROVIDER_NAME
        && Narrowing::MAX_SCOPES <= 255
        && Narrowing::MAX_NAME <= 255
        && MAX_CLAIM_NAME <= 255
        && MAX_CLAIMS / 2 <= 255
        && MAX_SESSION_POLICY_BYTES <= 65_535
);

/// Tags of the payload. Never reuse one.
mod tag {
    pub(super) mod principal {
        pub(in crate::token::sealed::payload) const ROOT: u8 = 1;
        pub(in crate::token::sealed::payload) const USER: u8 = 2;
        pub(in crate::token::sealed::payload) const ROLE_SESSION: u8 = 3;
        pub(in crate::token::sealed::payload) const FEDERATED_ROOT: u8 = 4;
        pub(in crate::token::sealed::payload) const FEDERATED_USER: u8 = 5;
    }
    pub(super) mod dependency {
        pub(in crate::token::sealed::payload) const ROOT: u8 = 1;
        pub(in crate::token::sealed::payload) const USER: u8 = 2;
        pub(in crate::token::sealed::payload) const ROLE: u8 = 3;
        pub(in crate::token::sealed::payload) const ACCESS_KEY: u8 = 4;
        pub(in crate::token::sealed::payload) const LONG_TERM: u8 = 5;
        pub(in crate::token::sealed::payload) const SESSION: u8 = 6;
        pub(in crate::token::sealed::payload) const REFRESH_TOKENS: u8 = 7;
        pub(in crate::token::sealed::payload) const TEMPORARY: u8 = 8;
        pub(in crate::token::sealed::payload) const OIDC_SUBJECT: u8 = 9;
    }
    pub(super) mod policy {
        pub(in crate::token::sealed::payload) const NONE: u8 = 0;
        pub(in crate::token::sealed::payload) const WRITTEN: u8 = 1;
        pub(in crate::token::sealed::payload) const DEFLATED: u8 = 2;
        pub(in crate::token::sealed::payload) const STORED: u8 = 3;
    }
    pub(super) mod claim {
        pub(in crate::token::sealed::payload) const ONE: u8 = 0;
        pub(in crate::token::sealed::payload) const MANY: u8 = 1;
    }
    pub(super) mod username {
        pub(in crate::token::sealed::payload) const NUMERIC_ID: u8 = 1;
        pub(in crate::token::sealed::payload) const CR_TEMP_USER: u8 = 2;
        pub(in crate::token::sealed::payload) const AWS: u8 = 3;
    }
    pub(super) mod extension {
        pub(in crate::token::sealed::payload) const NARROWING: u8 = 1;
        pub(in crate::token::sealed::payload) const CLAIMS: u8 = 2;
    }
    pub(super) mod resource {
        pub(in crate::token::sealed::payload) const REPOSITORY: u8 = 1;
        pub(in crate::token::sealed::payload) const REGISTRY: u8 = 2;
    }
    pub(super) mod cloud {
        pub(in crate::token::sealed::payload) const TENCENT: u8 = 1;
        pub(in crate::token::sealed::payload) const ALIBABA: u8 = 2;
        pub(in crate::token::sealed::payload) const AWS: u8 = 3;
    }
}

/// Writes a grant's payload; [`Error::internal`] when a part is too long.
pub(super) fn write_grant(bytes: &mut Vec<u8>, grant: &Grant, random: &dyn Random) -> Result<()> {
    let mut writer = Writer(bytes);
    writer.salt(random);
    write_unsalted(&mut writer, grant)
}

/// Returns how many bytes a grant's payload has; [`Error::internal`] when a part is too long.
pub(super) fn length_of_grant(grant: &Grant) -> Result<usize> {
    let mut bytes = Vec::new();
    write_unsalted(&mut Writer(&mut bytes), grant)?;
    Ok(SALT_LENGTH + bytes.len())
}

fn write_unsalted(writer: &mut Writer<'_>, grant: &Grant) -> Result<()> {
    writer.credential_id(&grant.id);
    writer.principal(&grant.principal)?;
    writer.dependencies(&grant.dependencies)?;
    writer.session_policy(grant.session_policy.as_ref())?;
    writer.time(grant.issued_at);
    writer.time(grant.expires_at);
    writer
        .0
        .extend_from_slice(grant.instance.as_str().as_bytes());
    writer.byte(match grant.username {
        Username::NumericId => tag::username::NUMERIC_ID,
        Username::CrTempUser => tag::username::CR_TEMP_USER,
        Username::Aws => tag::username::AWS,
    });
    if let Some(narrowing) = &grant.narrowing {
        writer.narrowing(narrowing)?;
    }
    writer.claims(&grant.claims)
}

/// Returns how many bytes the longest payload of a grant has that a session gets with this policy,
/// a refresh token's; [`Error::internal`] when a part is too long.
pub(super) fn grant_length(session: &Session, policy: Option<&SessionPolicy>) -> Result<usize> {
    let mut bytes = Vec::new();
    let mut writer = Writer(&mut bytes);
    writer.principal(&session.principal)?;
    writer.dependencies(&session.dependencies_of_calls())?;
    writer.session_policy(policy)?;
    writer.time(session.issued_at);
    writer.time(session.expires_at);
    writer.claims(&session.claims)?;
    let refresh_tokens = 1 + INSTANCE_ID_LENGTH + 8;
    Ok(SALT_LENGTH + CredentialId::LENGTH + bytes.len() + refresh_tokens + INSTANCE_ID_LENGTH + 1)
}

/// Writes a session's payload; [`Error::internal`] when a part is too long.
pub(super) fn write_session(
    bytes: &mut Vec<u8>,
    session: &Session,
    random: &dyn Random,
) -> Result<()> {
    let policy = session.session_policy.as_ref();
    if !fits_session(policy) {
        return Err(Error::internal(format!(
            "a session's policy has at most {MAX_SESSION_POLICY_CHARACTERS} characters"
        )));
    }
    let mut writer = Writer(bytes);
    writer.salt(random);
    writer.credential_id(&session.id);
    writer.principal(&session.principal)?;
    writer.dependencies(&session.dependencies)?;
    writer.session_policy(policy)?;
    writer.time(session.issued_at);
    writer.time(session.expires_at);
    writer.byte(match session.cloud {
        Cloud::Tencent => tag::cloud::TENCENT,
        Cloud::Alibaba => tag::cloud::ALIBABA,
        Cloud::Aws => tag::cloud::AWS,
    });
    writer.text(
        "an access key's id",
        &session.access_key_id,
        MAX_ACCESS_KEY_ID,
    )?;
    writer.text(
        "an access key's secret",
        session.secret.expose(),
        MAX_ACCESS_KEY_SECRET,
    )?;
    writer.claims(&session.claims)
}

/// Reads a grant's payload; `None` for anything that [`write_grant`] doesn't write.
pub(super) fn read_grant(payload: &[u8]) -> Option<Grant> {
    let mut reader = Reader(payload);
    reader.bytes(SALT_LENGTH)?;
    let grant = Grant {
        id: reader.credential_id()?,
        principal: reader.principal()?,
        dependencies: reader.dependencies()?,
        session_policy: reader.session_policy()?,
        issued_at: reader.time()?,
        expires_at: reader.time()?,
        instance: reader.instance_id()?,
        username: match reader.byte()? {
            tag::username::NUMERIC_ID => Username::NumericId,
            tag::username::CR_TEMP_USER => Username::CrTempUser,
            tag::username::AWS => Username::Aws,
            _ => return None,
        },
        narrowing: reader.narrowing()?,
        claims: reader.claims()?,
    };
    reader.0.is_empty().then_some(grant)
}

/// Reads a session's payload; `None` for anything that [`write_session`] doesn't write.
pub(super) fn read_session(payload: &[u8]) -> Option<Session> {
    let mut reader = Reader(payload);
    reader.bytes(SALT_LENGTH)?;
    let session = Session {
        id: reader.credential_id()?,
        principal: reader.principal()?,
        dependencies: reader.dependencies()?,
        session_policy: reader.session_policy()?,
        issued_at: reader.time()?,
        expires_at: reader.time()?,
        cloud: match reader.byte()? {
            tag::cloud::TENCENT => Cloud::Tencent,
            tag::cloud::ALIBABA => Cloud::Alibaba,
            tag::cloud::AWS => Cloud::Aws,
            _ => return None,
        },
        access_key_id: reader.text(MAX_ACCESS_KEY_ID)?.to_owned(),
        secret: Secret::new(reader.text(MAX_ACCESS_KEY_SECRET)?),
        claims: reader.claims()?,
    };
    (reader.0.is_empty() && fits_session(session.session_policy.as_ref())).then_some(session)
}

/// Returns the bit of an action in a narrowing. Never give one to another action.
fn bit_of(action: Action) -> u8 {
    match action {
        Action::Pull => 1,
        Action::Push => 2,
        Action::Delete => 4,
        Action::All => 8,
    }
}

/// Tells whether a policy is short enough for a session, as far as that shows; the clouds count
/// characters, and so do we.
fn fits_session(policy: Option<&SessionPolicy>) -> bool {
    match policy {
        Some(SessionPolicy::Written(document)) => {
            document.chars().count() <= MAX_SESSION_POLICY_CHARACTERS
        }
        Some(SessionPolicy::Deflated(_) | SessionPolicy::Stored(_)) | None => true,
    }
}
