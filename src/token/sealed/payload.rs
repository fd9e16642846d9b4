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
//! grounds                     how many (1), then for each: tag (1), then by tag, then its generation (8)
//!   1 root                      account (8)
//!   2 user                      user (8)
//!   3 role                      role (8)
//!   4 access key                length (1), id
//!   5 long-term credential      its id (20)
//!   6 session                   its token's id (20)
//!   7 refresh tokens            instance id (12)
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
//! username                     1: 1 numeric id, 2 cr_temp_user
//! ```
//!
//! and of a session:
//!
//! ```text
//! cloud                        1: 1 Tencent, 2 Alibaba
//! access key's id             length (1), text
//! access key's secret         length (1), text
//! ```
//!
//! A new tag needs no new version: a replica that doesn't know it yet refuses the secret. Any other
//! change does.

use super::{
    Grant, Ground, MAX_ACCESS_KEY_ID, MAX_ACCESS_KEY_SECRET, MAX_GROUNDS, MAX_SESSION_NAME,
    MAX_SESSION_POLICY_BYTES, MAX_SESSION_POLICY_CHARACTERS, PolicyDigest, Session, SessionPolicy,
};
use crate::domain::clock::{Random, Timestamp, random_bytes};
use crate::domain::credential::{Cloud, CredentialId, Username};
use crate::domain::ids::{AccountId, InstanceId, RoleId, UserId};
use crate::domain::principal::Principal;
use crate::domain::secret::Secret;
use crate::domain::{Error, Result};

const SALT_LENGTH: usize = 16;
const INSTANCE_ID_LENGTH: usize = 12;

/// Bytes of the longest payload, but for the text of its session policy.
pub(super) const MAX_WITHOUT_POLICY: usize = SALT_LENGTH
    + CredentialId::LENGTH
    + (1 + 8 + 8 + 1 + MAX_SESSION_NAME)
    + (1 + MAX_GROUNDS * (1 + 1 + MAX_ACCESS_KEY_ID + 8))
    + (1 + 2)
    + (8 + 8)
    // A session's part; a grant's is shorter.
    + (1 + 1 + MAX_ACCESS_KEY_ID + 1 + MAX_ACCESS_KEY_SECRET);

// The lengths and the count fit what they are written in.
const _: () = assert!(
    MAX_SESSION_NAME <= 255
        && MAX_ACCESS_KEY_ID <= 255
        && MAX_ACCESS_KEY_SECRET <= 255
        && MAX_GROUNDS <= 255
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
    pub(super) mod ground {
        pub(in crate::token::sealed::payload) const ROOT: u8 = 1;
        pub(in crate::token::sealed::payload) const USER: u8 = 2;
        pub(in crate::token::sealed::payload) const ROLE: u8 = 3;
        pub(in crate::token::sealed::payload) const ACCESS_KEY: u8 = 4;
        pub(in crate::token::sealed::payload) const LONG_TERM: u8 = 5;
        pub(in crate::token::sealed::payload) const SESSION: u8 = 6;
        pub(in crate::token::sealed::payload) const REFRESH_TOKENS: u8 = 7;
    }
    pub(super) mod policy {
        pub(in crate::token::sealed::payload) const NONE: u8 = 0;
        pub(in crate::token::sealed::payload) const WRITTEN: u8 = 1;
        pub(in crate::token::sealed::payload) const DEFLATED: u8 = 2;
        pub(in crate::token::sealed::payload) const STORED: u8 = 3;
    }
    pub(super) mod username {
        pub(in crate::token::sealed::payload) const NUMERIC_ID: u8 = 1;
        pub(in crate::token::sealed::payload) const CR_TEMP_USER: u8 = 2;
    }
    pub(super) mod cloud {
        pub(in crate::token::sealed::payload) const TENCENT: u8 = 1;
        pub(in crate::token::sealed::payload) const ALIBABA: u8 = 2;
    }
}

/// Writes a grant's payload; [`Error::internal`] when a part is too long.
pub(super) fn write_grant(bytes: &mut Vec<u8>, grant: &Grant, random: &dyn Random) -> Result<()> {
    let mut writer = Writer(bytes);
    writer.salt(random);
    writer.credential_id(&grant.id);
    writer.principal(&grant.principal)?;
    writer.grounds(&grant.grounds)?;
    writer.session_policy(grant.session_policy.as_ref())?;
    writer.time(grant.issued_at);
    writer.time(grant.expires_at);
    writer
        .0
        .extend_from_slice(grant.instance.as_str().as_bytes());
    writer.byte(match grant.username {
        Username::NumericId => tag::username::NUMERIC_ID,
        Username::CrTempUser => tag::username::CR_TEMP_USER,
    });
    Ok(())
}

/// Returns how many bytes the longest payload of a grant has that a session gets with this policy,
/// a refresh token's; [`Error::internal`] when a part is too long.
pub(super) fn grant_length(session: &Session, policy: &SessionPolicy) -> Result<usize> {
    let mut bytes = Vec::new();
    let mut writer = Writer(&mut bytes);
    writer.principal(&session.principal)?;
    writer.grounds(&session.grounds_of_calls())?;
    writer.session_policy(Some(policy))?;
    writer.time(session.issued_at);
    writer.time(session.expires_at);
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
    writer.grounds(&session.grounds)?;
    writer.session_policy(policy)?;
    writer.time(session.issued_at);
    writer.time(session.expires_at);
    writer.byte(match session.cloud {
        Cloud::Tencent => tag::cloud::TENCENT,
        Cloud::Alibaba => tag::cloud::ALIBABA,
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
    )
}

/// Reads a grant's payload; `None` for anything that [`write_grant`] doesn't write.
pub(super) fn read_grant(payload: &[u8]) -> Option<Grant> {
    let mut reader = Reader(payload);
    reader.bytes(SALT_LENGTH)?;
    let grant = Grant {
        id: reader.credential_id()?,
        principal: reader.principal()?,
        grounds: reader.grounds()?,
        session_policy: reader.session_policy()?,
        issued_at: reader.time()?,
        expires_at: reader.time()?,
        instance: reader.instance_id()?,
        username: match reader.byte()? {
            tag::username::NUMERIC_ID => Username::NumericId,
            tag::username::CR_TEMP_USER => Username::CrTempUser,
            _ => return None,
        },
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
        grounds: reader.grounds()?,
        session_policy: reader.session_policy()?,
        issued_at: reader.time()?,
        expires_at: reader.time()?,
        cloud: match reader.byte()? {
            tag::cloud::TENCENT => Cloud::Tencent,
            tag::cloud::ALIBABA => Cloud::Alibaba,
            _ => return None,
        },
        access_key_id: reader.text(MAX_ACCESS_KEY_ID)?.to_owned(),
        secret: Secret::new(reader.text(MAX_ACCESS_KEY_SECRET)?),
    };
    (reader.0.is_empty() && fits_session(session.session_policy.as_ref())).then_some(session)
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

/// The buffer that a payload is appended to.
struct Writer<'a>(&'a mut Vec<u8>);

impl Writer<'_> {
    /// Writes 128 random bits, which are in every secret, whatever ids and nonces are made of: no
    /// two are ever the same.
    fn salt(&mut self, random: &dyn Random) {
        self.0
            .extend_from_slice(&random_bytes::<SALT_LENGTH>(random));
    }

    fn byte(&mut self, byte: u8) {
        self.0.push(byte);
    }

    fn integer(&mut self, number: i64) {
        self.0.extend_from_slice(&number.to_be_bytes());
    }

    fn time(&mut self, time: Timestamp) {
        self.integer(time.unix_millis());
    }

    fn credential_id(&mut self, id: &CredentialId) {
        self.0.extend_from_slice(id.as_str().as_bytes());
    }

    /// Writes a text of at most `longest` bytes, which are at most 255, behind its length.
    fn text(&mut self, what: &'static str, text: &str, longest: usize) -> Result<()> {
        check_length(what, text.as_bytes(), longest)?;
        self.byte(text.len() as u8);
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }

    fn principal(&mut self, principal: &Principal) -> Result<()> {
        let (tag, name) = match principal {
            Principal::Root(_) => (tag::principal::ROOT, None),
            Principal::User(..) => (tag::principal::USER, None),
            Principal::RoleSession(.., name) => (tag::principal::ROLE_SESSION, Some(name)),
            Principal::FederatedSession(_, None, name) => {
                (tag::principal::FEDERATED_ROOT, Some(name))
            }
            Principal::FederatedSession(_, Some(_), name) => {
                (tag::principal::FEDERATED_USER, Some(name))
            }
        };
        self.byte(tag);
        self.integer(principal.account().number());
        match principal {
            Principal::User(_, user) | Principal::FederatedSession(_, Some(user), _) => {
                self.integer(user.number())
            }
            Principal::RoleSession(_, role, _) => self.integer(role.number()),
            Principal::Root(_) | Principal::FederatedSession(_, None, _) => {}
        }
        name.map_or(Ok(()), |name| {
            self.text("a session's name", name, MAX_SESSION_NAME)
        })
    }

    fn grounds(&mut self, grounds: &[(Ground, i64)]) -> Result<()> {
        // A secret without dependencies could never be stopped.
        if !(1..=MAX_GROUNDS).contains(&grounds.len()) {
            return Err(Error::internal(format!(
                "a secret stands on 1 to {MAX_GROUNDS} grounds, not {}",
                grounds.len()
            )));
        }
        self.byte(grounds.len() as u8);
        for (ground, generation) in grounds {
            match ground {
                Ground::Root(account) => {
                    self.byte(tag::ground::ROOT);
                    self.integer(account.number());
                }
                Ground::User(user) => {
                    self.byte(tag::ground::USER);
                    self.integer(user.number());
                }
                Ground::Role(role) => {
                    self.byte(tag::ground::ROLE);
                    self.integer(role.number());
                }
                Ground::AccessKey(id) => {
                    self.byte(tag::ground::ACCESS_KEY);
                    self.text("an access key's id", id, MAX_ACCESS_KEY_ID)?;
                }
                Ground::LongTerm(id) => {
                    self.byte(tag::ground::LONG_TERM);
                    self.credential_id(id);
                }
                Ground::Session(id) => {
                    self.byte(tag::ground::SESSION);
                    self.credential_id(id);
                }
                Ground::RefreshTokens(instance) => {
                    self.byte(tag::ground::REFRESH_TOKENS);
                    self.0.extend_from_slice(instance.as_str().as_bytes());
                }
            }
            self.integer(*generation);
        }
        Ok(())
    }

    fn session_policy(&mut self, policy: Option<&SessionPolicy>) -> Result<()> {
        match policy {
            None => self.byte(tag::policy::NONE),
            Some(SessionPolicy::Written(document)) => {
                self.policy_bytes(tag::policy::WRITTEN, document.as_bytes())?
            }
            Some(SessionPolicy::Deflated(bytes)) => {
                self.policy_bytes(tag::policy::DEFLATED, bytes)?
            }
            Some(SessionPolicy::Stored(digest)) => {
                self.byte(tag::policy::STORED);
                self.0.extend_from_slice(digest.as_bytes());
            }
        }
        Ok(())
    }

    fn policy_bytes(&mut self, tag: u8, bytes: &[u8]) -> Result<()> {
        check_length("a session policy", bytes, MAX_SESSION_POLICY_BYTES)?;
        self.byte(tag);
        self.0
            .extend_from_slice(&(bytes.len() as u16).to_be_bytes());
        self.0.extend_from_slice(bytes);
        Ok(())
    }
}

fn check_length(what: &'static str, bytes: &[u8], longest: usize) -> Result<()> {
    let length = bytes.len();
    if length <= longest {
        Ok(())
    } else {
        Err(Error::internal(format!(
            "{what} has at most {longest} bytes, not {length}"
        )))
    }
}

/// The rest of a payload.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn bytes(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        let (byte, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*byte)
    }

    fn integer(&mut self) -> Option<i64> {
        Some(i64::from_be_bytes(self.bytes(8)?.try_into().ok()?))
    }

    fn time(&mut self) -> Option<Timestamp> {
        self.integer().map(Timestamp::from_unix_millis)
    }

    fn text_of(&mut self, length: usize) -> Option<&'a str> {
        std::str::from_utf8(self.bytes(length)?).ok()
    }

    fn text(&mut self, longest: usize) -> Option<&'a str> {
        let length = usize::from(self.byte()?);
        if length <= longest {
            self.text_of(length)
        } else {
            None
        }
    }

    fn credential_id(&mut self) -> Option<CredentialId> {
        self.text_of(CredentialId::LENGTH)?.parse().ok()
    }

    fn instance_id(&mut self) -> Option<InstanceId> {
        self.text_of(INSTANCE_ID_LENGTH)?.parse().ok()
    }

    fn account(&mut self) -> Option<AccountId> {
        AccountId::new(self.integer()?).ok()
    }

    fn user(&mut self) -> Option<UserId> {
        UserId::new(self.integer()?).ok()
    }

    fn role(&mut self) -> Option<RoleId> {
        RoleId::new(self.integer()?).ok()
    }

    fn session_name(&mut self) -> Option<String> {
        self.text(MAX_SESSION_NAME).map(str::to_owned)
    }

    fn principal(&mut self) -> Option<Principal> {
        let tag = self.byte()?;
        let account = self.account()?;
        Some(match tag {
            tag::principal::ROOT => Principal::Root(account),
            tag::principal::USER => Principal::User(account, self.user()?),
            tag::principal::ROLE_SESSION => {
                Principal::RoleSession(account, self.role()?, self.session_name()?)
            }
            tag::principal::FEDERATED_ROOT => {
                Principal::FederatedSession(account, None, self.session_name()?)
            }
            tag::principal::FEDERATED_USER => {
                Principal::FederatedSession(account, Some(self.user()?), self.session_name()?)
            }
            _ => return None,
        })
    }

    fn grounds(&mut self) -> Option<Vec<(Ground, i64)>> {
        let count = usize::from(self.byte()?);
        if !(1..=MAX_GROUNDS).contains(&count) {
            return None;
        }
        (0..count)
            .map(|_| Some((self.ground()?, self.integer()?)))
            .collect()
    }

    fn ground(&mut self) -> Option<Ground> {
        Some(match self.byte()? {
            tag::ground::ROOT => Ground::Root(self.account()?),
            tag::ground::USER => Ground::User(self.user()?),
            tag::ground::ROLE => Ground::Role(self.role()?),
            tag::ground::ACCESS_KEY => Ground::AccessKey(self.text(MAX_ACCESS_KEY_ID)?.to_owned()),
            tag::ground::LONG_TERM => Ground::LongTerm(self.credential_id()?),
            tag::ground::SESSION => Ground::Session(self.credential_id()?),
            tag::ground::REFRESH_TOKENS => Ground::RefreshTokens(self.instance_id()?),
            _ => return None,
        })
    }

    /// Reads a session policy, or that there is none; the outer `None` refuses, as everywhere.
    fn session_policy(&mut self) -> Option<Option<SessionPolicy>> {
        Some(match self.byte()? {
            tag::policy::NONE => None,
            tag::policy::WRITTEN => Some(SessionPolicy::Written(
                std::str::from_utf8(self.policy_bytes()?).ok()?.to_owned(),
            )),
            tag::policy::DEFLATED => Some(SessionPolicy::Deflated(self.policy_bytes()?.to_owned())),
            tag::policy::STORED => Some(SessionPolicy::Stored(PolicyDigest::from_bytes(
                self.bytes(PolicyDigest::LENGTH)?.try_into().ok()?,
            ))),
            _ => return None,
        })
    }

    fn policy_bytes(&mut self) -> Option<&'a [u8]> {
        let length = usize::from(u16::from_be_bytes(self.bytes(2)?.try_into().ok()?));
        if length <= MAX_SESSION_POLICY_BYTES {
            self.bytes(length)
        } else {
            None
        }
    }
}
