//! Sealed secrets: temporary credentials, refresh tokens and session tokens, which carry what they
//! grant.
//!
//! They are never stored. The opener of one learns from it who it acts for and what it depends on,
//! and must still ask whether that is valid: the seal says what was granted, not that it is still
//! good. One thing may be stored instead: the text of a session policy that is too long for a
//! registry secret ([`session_policy`]).
//!
//! A body is base64url, without padding, of
//!
//! ```text
//! version (1) ‖ sealing key id (4) ‖ nonce (12) ‖ AES-256-GCM-SIV(payload) ‖ tag (16)
//! ```
//!
//! and the associated data is prefix of the kind ‖ version ‖ sealing key id, so that no secret
//! passes for another kind. The payload is in [`payload`].

mod dependency;
mod flow;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod payload;
mod session_policy;

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

pub use self::dependency::{Dependency, OidcSubject, SubjectDigest};
pub use self::flow::Flow;
use self::payload::{
    MAX_WITHOUT_POLICY, grant_length, length_of_grant, read_grant, read_session, write_grant,
    write_session,
};
pub use self::session_policy::{PolicyDigest, SessionPolicy};
use super::cipher::{Cipher, NONCE_LENGTH, TAG_LENGTH, derive};
use crate::domain::claims::Claims;
use crate::domain::clock::{Random, Timestamp, random_bytes};
use crate::domain::credential::{Cloud, CredentialId, SecretKind, Username};
use crate::domain::ids::InstanceId;
use crate::domain::narrowing::Narrowing;
use crate::domain::principal::Principal;
use crate::domain::secret::Secret;
use crate::domain::{Error, Result};

/// The most bytes of a session policy in a sealed secret.
pub const MAX_SESSION_POLICY_BYTES: usize = 4096;
/// The most characters of a session's own policy: what the clouds take.
pub const MAX_SESSION_POLICY_CHARACTERS: usize = 2048;
/// The most bytes of a session's name: Tencent's limit.
pub const MAX_SESSION_NAME: usize = 128;
/// The most bytes of an access key's id; the clouds' own have 36 at most.
pub const MAX_ACCESS_KEY_ID: usize = 128;
/// The most bytes of a session's signing secret; the clouds' own have 32.
pub const MAX_ACCESS_KEY_SECRET: usize = 128;
/// The most dependencies of a session.
pub const MAX_SESSION_DEPENDENCIES: usize = 7;
/// How often in a row a credential may be exchanged for another one.
pub const MAX_EXCHANGES: usize = 2;
/// The most dependencies of a secret: a session's credential has the session besides, one that was
/// exchanged has those before it, and a refresh token has the others of its instance.
pub const MAX_DEPENDENCIES: usize = MAX_SESSION_DEPENDENCIES + MAX_EXCHANGES + 2;
/// The most bytes of an OpenID Connect provider's name.
pub const MAX_PROVIDER_NAME: usize = 128;
/// The most bytes of a session token, as Tencent's contract has it.
pub const MAX_SESSION_TOKEN: usize = 4096;
/// The most characters of a secret that logs in to a registry: credential stores of some tools take
/// no more than 1,000, and Windows' takes 2,560 bytes.
pub const MAX_REGISTRY_SECRET: usize = 1000;

/// The most bytes of the claims that a secret keeps, names and values together.
pub const MAX_CLAIMS: usize = 300;

/// Nothing sealed with version 1 was ever released.
const VERSION: u8 = 2;
const KEY_ID_LENGTH: usize = 4;
const HEAD_LENGTH: usize = 1 + KEY_ID_LENGTH + NONCE_LENGTH;
const PREFIX_LENGTH: usize = 5;
/// More bytes than a body without a session policy usually has: opening one needs no allocation.
const BODY_USUAL: usize = 512;
const MAX_BODY: usize = HEAD_LENGTH + MAX_WITHOUT_POLICY + MAX_SESSION_POLICY_BYTES + TAG_LENGTH;
/// More characters than any sealed secret has: a longer text isn't even read.
const MAX_SECRET: usize = PREFIX_LENGTH + MAX_BODY.div_ceil(3) * 4 + SecretKind::CHECKSUM_LENGTH;

/// The contents of a sealed registry secret: ids, and no name that could be given to somebody else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The secret's own id.
    pub id: CredentialId,
    /// The principal that it acts for.
    pub principal: Principal,
    /// Its dependencies, each with its generation when the secret was made: 1 to 11.
    pub dependencies: Vec<(Dependency, i64)>,
    /// The one instance that it logs in to.
    pub instance: InstanceId,
    /// Which username it logs in with.
    pub username: Username,
    /// The policy that narrows the principal's rights.
    pub session_policy: Option<SessionPolicy>,
    /// The scopes that it is narrowed to, besides.
    pub narrowing: Option<Narrowing>,
    /// When it was made, to the millisecond.
    pub issued_at: Timestamp,
    /// When it stops, to the millisecond.
    pub expires_at: Timestamp,
    /// The claims that it keeps of the OpenID Connect token that it came from: at most
    /// [`MAX_CLAIMS`] bytes of names and values.
    pub claims: Claims,
}

/// The contents of a session token: one temporary identity got from STS, and the access key that
/// signs for it.
#[derive(Clone, Debug)]
pub struct Session {
    /// The token's own id.
    pub id: CredentialId,
    /// The cloud whose API issued it: it signs there and nowhere else.
    pub cloud: Cloud,
    /// The id of the temporary access key, at most 128 bytes: the token goes with no other key.
    pub access_key_id: String,
    /// The temporary access key's secret, at most 128 bytes.
    pub secret: Secret,
    /// The principal that it acts for.
    pub principal: Principal,
    /// Its dependencies, each with its generation when the token was made: 1 to 11.
    pub dependencies: Vec<(Dependency, i64)>,
    /// The policy that narrows the principal's rights: a document of at most 2048 characters and
    /// 4096 bytes.
    pub session_policy: Option<SessionPolicy>,
    /// When it was made, to the millisecond.
    pub issued_at: Timestamp,
    /// When it stops, to the millisecond.
    pub expires_at: Timestamp,
    /// The claims that it keeps of the OpenID Connect token that it came from: at most
    /// [`MAX_CLAIMS`] bytes of names and values.
    pub claims: Claims,
}

impl Session {
    /// Returns the dependencies of whatever its calls obtain: its own, and itself.
    pub fn dependencies_of_calls(&self) -> Vec<(Dependency, i64)> {
        let mut dependencies = self.dependencies.clone();
        dependencies.push((Dependency::Session(self.id.clone()), 0));
        dependencies
    }
}

/// Seals and opens secrets; its id is derived from it one-way.
pub struct SealingKey {
    secret: Zeroizing<[u8; 32]>,
    cipher: Cipher,
    id: String,
    id_bytes: [u8; KEY_ID_LENGTH],
}

impl SealingKey {
    /// Makes a new key of 256 random bits.
    pub fn generate(random: &dyn Random) -> Self {
        Self::new(Zeroizing::new(random_bytes(random)))
    }

    /// Takes a key back from the 32 bytes that [`SealingKey::to_bytes`] gave.
    ///
    /// # Errors
    ///
    /// `Internal` for another length.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let mut secret = Zeroizing::new([0; 32]);
        if bytes.len() != secret.len() {
            return Err(Error::internal(format!(
                "a sealing key has 32 bytes, not {}",
                bytes.len()
            )));
        }
        secret.copy_from_slice(bytes);
        Ok(Self::new(secret))
    }

    fn new(secret: Zeroizing<[u8; 32]>) -> Self {
        let mut id_bytes = [0; KEY_ID_LENGTH];
        id_bytes.copy_from_slice(&derive(&secret, "transire sealing key: id")[..KEY_ID_LENGTH]);
        let cipher = Cipher::new(&derive(&secret, "transire sealing key: seal"));
        Self {
            secret,
            cipher,
            id: hex::encode(id_bytes),
            id_bytes,
        }
    }

    /// Returns the key's 32 bytes, to be wrapped and stored.
    pub fn to_bytes(&self) -> Zeroizing<[u8; 32]> {
        self.secret.clone()
    }

    /// Returns the key's id: 8 hexadecimal characters.
    pub fn id(&self) -> &str {
        &self.id
    }

    fn associated(&self, kind: SecretKind) -> [u8; PREFIX_LENGTH + 1 + KEY_ID_LENGTH] {
        let mut data = [0; PREFIX_LENGTH + 1 + KEY_ID_LENGTH];
        let (prefix, rest) = data.split_at_mut(PREFIX_LENGTH);
        prefix.copy_from_slice(kind.prefix().as_bytes());
        rest[0] = VERSION;
        rest[1..].copy_from_slice(&self.id_bytes);
        data
    }
}

impl fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SealingKey")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// Seals with the current key, and opens what any known key sealed.
#[derive(Debug)]
pub struct Sealer {
    current: SealingKey,
    older: Vec<SealingKey>,
}

impl Sealer {
    /// Takes the key that seals, and the others that still open.
    ///
    /// # Errors
    ///
    /// `Internal` when two have one id.
    pub fn new(current: SealingKey, older: Vec<SealingKey>) -> Result<Self> {
        let sealer = Self { current, older };
        for (place, key) in sealer.keys().enumerate() {
            if sealer
                .keys()
                .take(place)
                .any(|before| before.id_bytes == key.id_bytes)
            {
                return Err(Error::internal(format!(
                    "two sealing keys have the id {}",
                    key.id
                )));
            }
        }
        Ok(sealer)
    }

    /// Tells whether it opens what the key of this id sealed.
    pub fn holds(&self, id: &str) -> bool {
        self.keys().any(|key| key.id() == id)
    }

    fn keys(&self) -> impl Iterator<Item = &SealingKey> {
        std::iter::once(&self.current).chain(&self.older)
    }

    /// Seals a grant into a secret of this kind, [`SecretKind::Temporary`] or
    /// [`SecretKind::Refresh`].
    ///
    /// Nothing is ever cut: a cut id would name something else, and a cut policy would say
    /// something else.
    ///
    /// # Errors
    ///
    /// `Internal` for another kind, for a grant beyond the limits above, and for a secret of more
    /// than [`MAX_REGISTRY_SECRET`] characters; a policy as written, from before that bound, may
    /// make a longer one.
    pub fn seal(&self, kind: SecretKind, grant: &Grant, random: &dyn Random) -> Result<Secret> {
        if !holds_grant(kind) {
            return Err(Error::internal(format!("no grant is sealed as {kind:?}")));
        }
        let policy = grant.session_policy.as_ref();
        let secret = self.seal_payload(kind, policy, random, |bytes| {
            write_grant(bytes, grant, random)
        })?;
        let length = secret.expose().len();
        if length > MAX_REGISTRY_SECRET && !matches!(policy, Some(SessionPolicy::Written(_))) {
            return Err(Error::internal(format!(
                "a registry secret of {length} characters is too long"
            )));
        }
        Ok(secret)
    }

    /// Seals a session into its token, [`SecretKind::Session`].
    ///
    /// # Errors
    ///
    /// `Internal` for a session beyond the limits above, and for a token beyond
    /// [`MAX_SESSION_TOKEN`].
    pub fn seal_session(&self, session: &Session, random: &dyn Random) -> Result<Secret> {
        let policy = session.session_policy.as_ref();
        let token = self.seal_payload(SecretKind::Session, policy, random, |bytes| {
            write_session(bytes, session, random)
        })?;
        let length = token.expose().len();
        if length > MAX_SESSION_TOKEN {
            return Err(Error::internal(format!(
                "a session token of {length} bytes is too long"
            )));
        }
        Ok(token)
    }

    fn seal_payload(
        &self,
        kind: SecretKind,
        policy: Option<&SessionPolicy>,
        random: &dyn Random,
        write: impl FnOnce(&mut Vec<u8>) -> Result<()>,
    ) -> Result<Secret> {
        let key = &self.current;
        let nonce: [u8; NONCE_LENGTH] = random_bytes(random);
        // With room for everything: what grows leaves copies behind that nothing wipes.
        let room =
            HEAD_LENGTH + MAX_WITHOUT_POLICY + policy.map_or(0, SessionPolicy::length) + TAG_LENGTH;
        let mut bytes = Zeroizing::new(Vec::with_capacity(room));
        bytes.push(VERSION);
        bytes.extend_from_slice(&key.id_bytes);
        bytes.extend_from_slice(&nonce);
        write(&mut bytes)?;
        key.cipher
            .seal(nonce, &key.associated(kind), &mut bytes, HEAD_LENGTH);
        let mut body = Zeroizing::new(String::with_capacity(bytes.len().div_ceil(3) * 4));
        URL_SAFE_NO_PAD.encode_string(&*bytes, &mut body);
        Ok(kind.write(&body))
    }

    /// Opens a secret of this kind; `None` for anything that a known key didn't seal as just this.
    ///
    /// It doesn't look at the expiry, nor whether the grant's dependencies are valid: the caller
    /// must.
    pub fn open(&self, kind: SecretKind, secret: &str) -> Option<Grant> {
        if holds_grant(kind) {
            self.open_payload(kind, secret, read_grant)
        } else {
            None
        }
    }

    /// Opens a session token; `None` for anything that a known key didn't seal as one.
    ///
    /// It doesn't look at the expiry, at the door and the access key that the token came with, nor
    /// whether the session's dependencies are valid: the caller must.
    pub fn open_session(&self, token: &str) -> Option<Session> {
        self.open_payload(SecretKind::Session, token, read_session)
    }

    /// Tells whether a secret of this kind, as far as that shows, is sealed with a key that isn't
    /// known here. Anybody can make one up.
    pub fn lacks_key_of(&self, kind: SecretKind, secret: &str) -> bool {
        const ENCODED: usize = (1 + KEY_ID_LENGTH).div_ceil(3) * 4;
        if secret.len() > MAX_SECRET {
            return false;
        }
        let mut head = [0; ENCODED / 4 * 3];
        let text = kind.read(secret).and_then(|body| body.get(..ENCODED));
        let is_read =
            text.is_some_and(|text| URL_SAFE_NO_PAD.decode_slice(text, &mut head).is_ok());
        is_read
            && head[0] == VERSION
            && self
                .keys()
                .all(|key| key.id_bytes != head[1..=KEY_ID_LENGTH])
    }

    fn open_payload<T>(
        &self,
        kind: SecretKind,
        secret: &str,
        read: impl FnOnce(&[u8]) -> Option<T>,
    ) -> Option<T> {
        // Before the checksum: strangers send what they like.
        if secret.len() > MAX_SECRET {
            return None;
        }
        let body = kind.read(secret)?;
        // The decoder counts in whole groups of three bytes, and so asks for a little more than
        // there is.
        let needed = base64::decoded_len_estimate(body.len());
        let mut usual = Zeroizing::new([0; BODY_USUAL]);
        let mut long = Zeroizing::new(Vec::new());
        let buffer = if needed <= BODY_USUAL {
            &mut usual[..]
        } else {
            long.resize(needed, 0);
            &mut long[..]
        };
        let length = URL_SAFE_NO_PAD.decode_slice(body, buffer).ok()?;
        let (head, rest) = buffer[..length].split_at_mut_checked(HEAD_LENGTH)?;
        let (version, head) = head.split_first()?;
        let (key_id, nonce) = head.split_at(KEY_ID_LENGTH);
        if *version != VERSION {
            return None;
        }
        let key = self.keys().find(|key| key.id_bytes == key_id)?;
        read(
            key.cipher
                .open(nonce.try_into().ok()?, &key.associated(kind), rest)?,
        )
    }
}

/// Returns how many characters the longest registry secret has that a session gets with this
/// policy.
///
/// # Errors
///
/// `Internal` for a session beyond the limits above.
pub fn longest_secret_of_session(
    session: &Session,
    policy: Option<&SessionPolicy>,
) -> Result<usize> {
    grant_length(session, policy).map(secret_length)
}

/// Returns how many characters the longest secret of a grant has: its refresh token.
///
/// # Errors
///
/// `Internal` for a grant beyond the limits above.
pub fn longest_secret_of(grant: &Grant) -> Result<usize> {
    let mut grant = grant.clone();
    let refresh_tokens = Dependency::RefreshTokens(grant.instance.clone());
    grant.dependencies.push((refresh_tokens, 0));
    length_of_grant(&grant).map(secret_length)
}

/// Returns how many characters a secret with a payload of so many bytes has.
fn secret_length(payload: usize) -> usize {
    let body = HEAD_LENGTH + payload + TAG_LENGTH;
    PREFIX_LENGTH + (body * 4).div_ceil(3) + SecretKind::CHECKSUM_LENGTH
}

/// Tells whether secrets of this kind hold a [`Grant`].
fn holds_grant(kind: SecretKind) -> bool {
    match kind {
        SecretKind::Temporary | SecretKind::Refresh => true,
        SecretKind::LongTerm | SecretKind::Session | SecretKind::Operator | SecretKind::Console => {
            false
        }
    }
}

#[cfg(test)]
mod tests;
