//! Sealed secrets: temporary credentials and refresh tokens that carry what they grant.
//!
//! They are never stored. Whoever opens one learns from it who it acts for and where it came from, and
//! must still ask whether those stand: the seal says what was granted, not that it is still good.
//!
//! A body is base64url, without padding, of
//!
//! ```text
//! version (1) ‖ sealing key id (4) ‖ nonce (12) ‖ AES-256-GCM-SIV(payload) ‖ tag (16)
//! ```
//!
//! and the associated data is prefix of the kind ‖ version ‖ sealing key id, so that no secret passes for
//! another kind. The payload of version 1, integers big-endian, times in unix milliseconds:
//!
//! ```text
//! randomness                  16
//! credential id               20, ASCII
//! principal                   tag (1), then by tag
//!   1 root                      account (8)
//!   2 user, 3 role session, 4 service account: kept for them; a session policy follows a 3
//! principal's generation       8
//! origin                      tag (1), then by tag
//!   1 access key                length (1), id, generation (8)
//!   2 long-term credential      its id (20)
//! instance id                 12, ASCII
//! username                     1: 1 numeric id, 2 cr_temp_user
//! issued at                    8
//! expires at                   8
//! ```
//!
//! A new tag needs no new version: a replica that doesn't know it yet refuses the secret. Any other
//! change does.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

use super::cipher::{Cipher, NONCE_LENGTH, TAG_LENGTH, derive};
use crate::domain::clock::{Random, Timestamp, random_bytes};
use crate::domain::credential::{CredentialId, SecretKind, Username};
use crate::domain::instance::InstanceId;
use crate::domain::principal::{AccountId, Principal};
use crate::domain::secret::Secret;
use crate::domain::{Error, Result};

const VERSION: u8 = 1;
const KEY_ID_LENGTH: usize = 4;
const HEAD_LENGTH: usize = 1 + KEY_ID_LENGTH + NONCE_LENGTH;
const SALT_LENGTH: usize = 16;
const INSTANCE_ID_LENGTH: usize = 12;
/// The longest access-key id that a grant holds, in bytes; the clouds' own have 36 at most.
const ACCESS_KEY_ID_LONGEST: usize = 128;
/// More bytes than any body has, so that opening one needs no allocation.
const BODY_LONGEST: usize = 512;

/// Where a grant came from: what must still stand when it is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A call that this access key signed.
    AccessKey {
        /// The key's id, at most 128 bytes.
        id: String,
        /// The key's generation at that time.
        generation: i64,
    },
    /// A log-in with this long-term credential.
    LongTerm {
        /// The credential's id.
        id: CredentialId,
    },
}

/// What a sealed secret says: ids, never names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The secret's own id.
    pub id: CredentialId,
    /// Who it acts for.
    pub principal: Principal,
    /// The principal's generation when it was made.
    pub principal_generation: i64,
    /// What it came from.
    pub origin: Origin,
    /// The one instance that it logs in to.
    pub instance: InstanceId,
    /// Which username it logs in with.
    pub username: Username,
    /// When it was made, to the millisecond.
    pub issued_at: Timestamp,
    /// When it stops, to the millisecond.
    pub expires_at: Timestamp,
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

    /// Takes a key back from the 32 bytes that [`SealingKey::to_bytes`] gave; [`Error::internal`] for another length.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let mut secret = Zeroizing::new([0; 32]);
        if bytes.len() != secret.len() {
            return Err(Error::internal(format!("a sealing key has 32 bytes, not {}", bytes.len())));
        }
        secret.copy_from_slice(bytes);
        Ok(Self::new(secret))
    }

    fn new(secret: Zeroizing<[u8; 32]>) -> Self {
        let mut id_bytes = [0; KEY_ID_LENGTH];
        id_bytes.copy_from_slice(&derive(&secret, "transire sealing key: id")[..KEY_ID_LENGTH]);
        let cipher = Cipher::new(&derive(&secret, "transire sealing key: seal"));
        Self { secret, cipher, id: hex::encode(id_bytes), id_bytes }
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

const PREFIX_LENGTH: usize = 5;

impl fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SealingKey").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Seals with the current key, and opens what any known key sealed.
#[derive(Debug)]
pub struct Sealer {
    current: SealingKey,
    older: Vec<SealingKey>,
}

impl Sealer {
    /// Takes the key that seals, and the others that still open; two of one id are [`Error::internal`].
    pub fn new(current: SealingKey, older: Vec<SealingKey>) -> Result<Self> {
        let sealer = Self { current, older };
        for (place, key) in sealer.keys().enumerate() {
            if sealer.keys().take(place).any(|before| before.id_bytes == key.id_bytes) {
                return Err(Error::internal(format!("two sealing keys have the id {}", key.id)));
            }
        }
        Ok(sealer)
    }

    /// Returns the id of the key that seals.
    pub fn current_id(&self) -> &str {
        self.current.id()
    }

    fn keys(&self) -> impl Iterator<Item = &SealingKey> {
        std::iter::once(&self.current).chain(&self.older)
    }

    /// Seals a grant into a secret of this kind, [`SecretKind::Temporary`] or [`SecretKind::Refresh`].
    ///
    /// # Panics
    /// When an access key's id has more than 128 bytes: this service makes none, and a cut id would name
    /// another key.
    pub fn seal(&self, kind: SecretKind, grant: &Grant, random: &dyn Random) -> Secret {
        let key = &self.current;
        let nonce: [u8; NONCE_LENGTH] = random_bytes(random);
        let mut bytes = Vec::with_capacity(256);
        bytes.push(VERSION);
        bytes.extend_from_slice(&key.id_bytes);
        bytes.extend_from_slice(&nonce);
        write_payload(&mut bytes, grant, random);
        key.cipher.seal(nonce, &key.associated(kind), &mut bytes, HEAD_LENGTH);
        let mut body = Zeroizing::new(String::with_capacity(bytes.len().div_ceil(3) * 4));
        URL_SAFE_NO_PAD.encode_string(&bytes, &mut body);
        kind.write(&body)
    }

    /// Opens a secret of this kind; `None` for anything that a known key didn't seal as just this.
    ///
    /// It doesn't look at the expiry, nor whether what the grant names still stands: the caller must.
    pub fn open(&self, kind: SecretKind, secret: &str) -> Option<Grant> {
        if kind == SecretKind::LongTerm {
            return None;
        }
        let mut buffer = [0; BODY_LONGEST];
        let length = URL_SAFE_NO_PAD.decode_slice(kind.read(secret)?, &mut buffer).ok()?;
        let (head, rest) = buffer[..length].split_at_mut_checked(HEAD_LENGTH)?;
        let (version, head) = head.split_first()?;
        let (key_id, nonce) = head.split_at(KEY_ID_LENGTH);
        if *version != VERSION {
            return None;
        }
        let key = self.keys().find(|key| key.id_bytes == key_id)?;
        let mut reader = Reader(key.cipher.open(nonce.try_into().ok()?, &key.associated(kind), rest)?);
        let grant = reader.grant()?;
        reader.0.is_empty().then_some(grant)
    }
}

/// Tags of the payload. Never reuse one.
mod tag {
    pub(super) const ROOT: u8 = 1;
    pub(super) const ACCESS_KEY: u8 = 1;
    pub(super) const LONG_TERM: u8 = 2;
    pub(super) const NUMERIC_ID: u8 = 1;
    pub(super) const CR_TEMP_USER: u8 = 2;
}

fn write_payload(bytes: &mut Vec<u8>, grant: &Grant, random: &dyn Random) {
    // 128 random bits in every secret, whatever ids and nonces are made of: no two are ever the same.
    bytes.extend_from_slice(&random_bytes::<SALT_LENGTH>(random));
    bytes.extend_from_slice(grant.id.as_str().as_bytes());
    match grant.principal {
        Principal::Root(account) => {
            bytes.push(tag::ROOT);
            write_integer(bytes, account.number());
        }
        _ => unreachable!("replaced in the next commit"),
    }
    write_integer(bytes, grant.principal_generation);
    match &grant.origin {
        Origin::AccessKey { id, generation } => {
            assert!(id.len() <= ACCESS_KEY_ID_LONGEST, "an access key's id has at most {ACCESS_KEY_ID_LONGEST} bytes");
            bytes.push(tag::ACCESS_KEY);
            bytes.push(id.len() as u8);
            bytes.extend_from_slice(id.as_bytes());
            write_integer(bytes, *generation);
        }
        Origin::LongTerm { id } => {
            bytes.push(tag::LONG_TERM);
            bytes.extend_from_slice(id.as_str().as_bytes());
        }
    }
    bytes.extend_from_slice(grant.instance.as_str().as_bytes());
    bytes.push(match grant.username {
        Username::NumericId => tag::NUMERIC_ID,
        Username::CrTempUser => tag::CR_TEMP_USER,
    });
    write_integer(bytes, grant.issued_at.unix_millis());
    write_integer(bytes, grant.expires_at.unix_millis());
}

fn write_integer(bytes: &mut Vec<u8>, number: i64) {
    bytes.extend_from_slice(&number.to_be_bytes());
}

/// What is left of a payload.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn grant(&mut self) -> Option<Grant> {
        self.bytes(SALT_LENGTH)?;
        Some(Grant {
            id: self.credential_id()?,
            principal: match self.byte()? {
                tag::ROOT => Principal::Root(AccountId::new(self.integer()?).ok()?),
                _ => return None,
            },
            principal_generation: self.integer()?,
            origin: match self.byte()? {
                tag::ACCESS_KEY => Origin::AccessKey {
                    id: match usize::from(self.byte()?) {
                        length @ 0..=ACCESS_KEY_ID_LONGEST => self.text(length)?.to_owned(),
                        _ => return None,
                    },
                    generation: self.integer()?,
                },
                tag::LONG_TERM => Origin::LongTerm { id: self.credential_id()? },
                _ => return None,
            },
            instance: self.text(INSTANCE_ID_LENGTH)?.parse().ok()?,
            username: match self.byte()? {
                tag::NUMERIC_ID => Username::NumericId,
                tag::CR_TEMP_USER => Username::CrTempUser,
                _ => return None,
            },
            issued_at: Timestamp::from_unix_millis(self.integer()?),
            expires_at: Timestamp::from_unix_millis(self.integer()?),
        })
    }

    fn bytes(&mut self, length: usize) -> Option<&[u8]> {
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

    fn text(&mut self, length: usize) -> Option<&str> {
        std::str::from_utf8(self.bytes(length)?).ok()
    }

    fn credential_id(&mut self) -> Option<CredentialId> {
        self.text(CredentialId::LENGTH)?.parse().ok()
    }
}

// The longest body of version 1 fits the buffer; the decoder counts in whole groups of three bytes.
const _: () = assert!(
    HEAD_LENGTH + SALT_LENGTH + 20 + 1 + 8 + 8 + 1 + 1 + ACCESS_KEY_ID_LONGEST + 8 + INSTANCE_ID_LENGTH + 1 + 16 + TAG_LENGTH + 3
        <= BODY_LONGEST
);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::clock::SystemRandom;
    use crate::token::testing::Seeded;

    fn sealer(key: SealingKey) -> Sealer {
        Sealer::new(key, Vec::new()).unwrap()
    }

    fn grant() -> Grant {
        Grant {
            id: "0123456789abcdefghij".parse().unwrap(),
            principal: "100000000001:root".parse().unwrap(),
            principal_generation: 3,
            origin: Origin::AccessKey { id: "AKIDz8krbsJ5yKBZQpn74WFkmLPx3EXAMPLE".to_owned(), generation: 7 },
            instance: "tcr-demo0001".parse().unwrap(),
            username: Username::NumericId,
            issued_at: Timestamp::from_unix_millis(1_735_787_045_123),
            expires_at: Timestamp::from_unix_millis(1_735_790_645_123),
        }
    }

    /// Seals bytes of the test's choice as the payload.
    fn seal_payload(key: &SealingKey, kind: SecretKind, payload: &[u8]) -> Secret {
        let nonce: [u8; NONCE_LENGTH] = random_bytes(&SystemRandom);
        let mut bytes = [&[VERSION][..], &key.id_bytes, &nonce, payload].concat();
        key.cipher.seal(nonce, &key.associated(kind), &mut bytes, HEAD_LENGTH);
        kind.write(&URL_SAFE_NO_PAD.encode(bytes))
    }

    fn payload_of(grant: &Grant) -> Vec<u8> {
        let mut bytes = Vec::new();
        write_payload(&mut bytes, grant, &SystemRandom);
        bytes
    }

    fn grants() -> impl Strategy<Value = Grant> {
        let id = || "[0-9a-v]{20}".prop_map(|text| text.parse::<CredentialId>().unwrap());
        let origin = prop_oneof![
            ("[!-~]{0,128}", any::<i64>()).prop_map(|(id, generation)| Origin::AccessKey { id, generation }),
            id().prop_map(|id| Origin::LongTerm { id }),
        ];
        let principal = (1..=999_999_999_999_999_999_i64).prop_map(|number| Principal::Root(AccountId::new(number).unwrap()));
        let instance = "tcr-[a-z0-9]{8}".prop_map(|text| text.parse::<InstanceId>().unwrap());
        let username = prop_oneof![Just(Username::NumericId), Just(Username::CrTempUser)];
        (id(), principal, any::<i64>(), origin, instance, username, any::<i64>(), any::<i64>()).prop_map(
            |(id, principal, principal_generation, origin, instance, username, issued, expires)| Grant {
                id,
                principal,
                principal_generation,
                origin,
                instance,
                username,
                issued_at: Timestamp::from_unix_millis(issued),
                expires_at: Timestamp::from_unix_millis(expires),
            },
        )
    }

    proptest! {
        #[test]
        fn what_is_sealed_opens_as_its_own_kind_alone(grant in grants()) {
            let sealer = sealer(SealingKey::generate(&SystemRandom));
            for kind in [SecretKind::Temporary, SecretKind::Refresh] {
                let secret = sealer.seal(kind, &grant, &SystemRandom);
                for other in SecretKind::ALL {
                    prop_assert_eq!(sealer.open(other, secret.expose()), (other == kind).then(|| grant.clone()));
                }
            }
        }

        #[test]
        fn opening_never_panics(body in "[A-Za-z0-9_-]{0,800}", raw in proptest::collection::vec(any::<u8>(), 0..300)) {
            let sealer = sealer(SealingKey::generate(&SystemRandom));
            let kind = SecretKind::Temporary;
            prop_assert_eq!(sealer.open(kind, kind.write(&body).expose()), None);
            prop_assert_eq!(sealer.open(kind, &body), None);
            // Even what a sealing key did seal is read with care.
            let _ = sealer.open(kind, seal_payload(&sealer.current, kind, &raw).expose());
        }
    }

    #[test]
    fn a_secret_rewritten_with_the_prefix_of_the_other_kind_does_not_open() {
        let sealer = sealer(SealingKey::generate(&SystemRandom));
        for (kind, other) in [(SecretKind::Temporary, SecretKind::Refresh), (SecretKind::Refresh, SecretKind::Temporary)] {
            let secret = sealer.seal(kind, &grant(), &SystemRandom);
            let body = kind.read(secret.expose()).unwrap();
            assert_eq!(sealer.open(other, other.write(body).expose()), None);
            assert_eq!(sealer.open(SecretKind::LongTerm, SecretKind::LongTerm.write(body).expose()), None);
        }
    }

    #[test]
    fn any_changed_byte_and_any_cut_is_refused() {
        let sealer = sealer(SealingKey::generate(&SystemRandom));
        let kind = SecretKind::Temporary;
        let secret = sealer.seal(kind, &grant(), &SystemRandom);
        let text = secret.expose();
        for place in 0..text.len() {
            let mut changed = text.as_bytes().to_vec();
            changed[place] = if changed[place] == b'x' { b'y' } else { b'x' };
            assert_eq!(sealer.open(kind, &String::from_utf8(changed).unwrap()), None, "a change at {place} went unseen");
            assert_eq!(sealer.open(kind, &text[..place]), None, "a cut at {place} went unseen");
        }
        assert_eq!(sealer.open(kind, &format!("{text}x")), None);
    }

    #[test]
    fn a_change_is_seen_by_the_seal_and_not_by_the_checksum_alone() {
        let sealer = sealer(SealingKey::generate(&SystemRandom));
        let kind = SecretKind::Temporary;
        let secret = sealer.seal(kind, &grant(), &SystemRandom);
        let bytes = URL_SAFE_NO_PAD.decode(kind.read(secret.expose()).unwrap()).unwrap();
        let open = |bytes: &[u8]| sealer.open(kind, kind.write(&URL_SAFE_NO_PAD.encode(bytes)).expose());
        assert_eq!(open(&bytes), Some(grant()));
        for place in 0..bytes.len() {
            for bit in 0..8 {
                let mut changed = bytes.clone();
                changed[place] ^= 1 << bit;
                assert_eq!(open(&changed), None, "bit {bit} of byte {place} went unseen");
            }
            assert_eq!(open(&bytes[..place]), None, "a cut at {place} went unseen");
        }
        assert_eq!(open(&[&bytes[..], &[0]].concat()), None);
    }

    #[test]
    fn a_body_has_one_spelling() {
        // Base64 has unused bits at its end, and some decoders ignore them.
        let sealer = sealer(SealingKey::generate(&SystemRandom));
        let kind = SecretKind::Temporary;
        for length in 0..3 {
            let grant = Grant { origin: Origin::AccessKey { id: "a".repeat(length), generation: 1 }, ..grant() };
            let secret = sealer.seal(kind, &grant, &SystemRandom);
            let body = kind.read(secret.expose()).unwrap();
            let spellings = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_="
                .chars()
                .filter(|last| sealer.open(kind, kind.write(&format!("{}{last}", &body[..body.len() - 1])).expose()).is_some());
            assert_eq!(spellings.count(), 1);
        }
    }

    #[test]
    fn the_reader_refuses_what_the_writer_never_writes() {
        let sealer = sealer(SealingKey::generate(&SystemRandom));
        let kind = SecretKind::Refresh;
        let open = |payload: &[u8]| sealer.open(kind, seal_payload(&sealer.current, kind, payload).expose());
        let payload = payload_of(&grant());
        assert_eq!(open(&payload), Some(grant()));
        for cut in 0..payload.len() {
            assert_eq!(open(&payload[..cut]), None, "a payload of {cut} bytes was taken");
        }
        assert_eq!(open(&[&payload[..], &[0]].concat()), None, "a trailing byte was taken");
        let (principal, origin) = (36, 36 + 9 + 8);
        let username = payload.len() - 17;
        for (place, least) in [(principal, 2), (origin, 3), (username, 3)] {
            for unknown in (least..=255).chain([0]) {
                let mut changed = payload.clone();
                changed[place] = unknown;
                assert_eq!(open(&changed), None, "the tag {unknown} at {place} was taken");
            }
        }
        let long = Grant { origin: Origin::AccessKey { id: "a".repeat(128), generation: 1 }, ..grant() };
        let mut payload = payload_of(&long);
        assert_eq!(open(&payload), Some(long));
        payload[origin + 1] = 129;
        payload.insert(origin + 2, b'a');
        assert_eq!(open(&payload), None, "an over-long id was taken");
    }

    #[test]
    #[should_panic = "at most 128 bytes"]
    fn an_access_key_id_is_never_cut() {
        payload_of(&Grant { origin: Origin::AccessKey { id: "a".repeat(129), generation: 1 }, ..grant() });
    }

    #[test]
    fn an_older_key_still_opens_and_an_unknown_one_does_not() {
        let (old, new) = (SealingKey::generate(&SystemRandom), SealingKey::generate(&SystemRandom));
        let old_bytes = old.to_bytes();
        let secret = sealer(old).seal(SecretKind::Temporary, &grant(), &SystemRandom);
        let new_bytes = new.to_bytes();
        assert_eq!(sealer(new).open(SecretKind::Temporary, secret.expose()), None);
        let [old, new] = [old_bytes, new_bytes].map(|bytes| SealingKey::from_bytes(bytes.as_slice()).unwrap());
        let current = new.id().to_owned();
        let both = Sealer::new(new, vec![old]).unwrap();
        assert_eq!(both.open(SecretKind::Temporary, secret.expose()), Some(grant()));
        assert_eq!(both.current_id(), current);
    }

    #[test]
    fn a_key_comes_back_from_its_bytes_and_is_there_once() {
        let key = SealingKey::generate(&SystemRandom);
        let again = SealingKey::from_bytes(key.to_bytes().as_slice()).unwrap();
        assert_eq!(key.id(), again.id());
        assert_eq!(key.id().len(), 8);
        assert!(Sealer::new(key, vec![again]).is_err());
        for bad in [0, 31, 33] {
            assert!(SealingKey::from_bytes(&vec![0; bad]).is_err());
        }
    }

    #[test]
    fn a_format_change_is_noticed() {
        // Made by the first release of version 1: they must open for as long as version 1 is read.
        const TEMPORARY: &str = "trst_AUYO0tZ4OCWCKm-eYtohkOjYkhkjDtSu_e1H7jDX1BGv6DpXP6jL57LFaQZrNtH6LNCEm6Wa5vmfXwfs38kkPI2M5eXHrEcT8SkNhyNbwdrAMgh8D5VQMoCRpAboEpVoaCcVMD0sFx74BLwsw99I1PLNlXdI5-gT9VChHfFZtEKmbS-JaLLaGzRHew8QIoOqAXnd5k_vI0yDECmNzDgYa0Q2BPfzE";
        const REFRESH: &str = "trsr_AUYO0tYTCaw_TkFRKCD78lnw17jy-SKdciVXYqTbNtkVTF7R3VOwrpij_CehCZ8I-VZCcb47d2LBK2X4dnKonvqRRbiJkBUZRlQKrbXOkSGxDAWSIAsYz8DuAGJuFdNqHo_cPuLQbR9KSVUrFftmHVnA5BNoolQEP_QGnwNHt6uSwH1L2DVJvQ1GBaFY";
        let sealer = sealer(SealingKey::from_bytes(&[7; 32]).unwrap());
        let long_term =
            Grant { origin: Origin::LongTerm { id: "vvvvvvvvvv0000000000".parse().unwrap() }, username: Username::CrTempUser, ..grant() };
        for (kind, golden, grant, seed) in [(SecretKind::Temporary, TEMPORARY, grant(), 1), (SecretKind::Refresh, REFRESH, long_term, 2)] {
            assert_eq!(sealer.seal(kind, &grant, &Seeded::new(seed)).expose(), golden);
            assert_eq!(sealer.open(kind, golden), Some(grant));
        }
    }

    #[test]
    fn a_secret_has_the_published_shape_and_is_new_each_time() {
        let sealer = sealer(SealingKey::generate(&SystemRandom));
        for kind in [SecretKind::Temporary, SecretKind::Refresh] {
            let (one, two) = (sealer.seal(kind, &grant(), &SystemRandom), sealer.seal(kind, &grant(), &SystemRandom));
            assert!(!one.matches(two.expose()));
            // `domain::credential::SECRET_PATTERN`: \btrs[tlr]_[A-Za-z0-9_-]{48,}
            let body = one.expose().strip_prefix(kind.prefix()).unwrap();
            assert!(["trst_", "trsr_"].contains(&kind.prefix()));
            assert!(body.len() >= 48 && body.len() < 300, "{}", body.len());
            assert!(body.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'));
        }
    }

    #[test]
    fn a_key_never_prints_its_secret() {
        let sealer = sealer(SealingKey::from_bytes(&[7; 32]).unwrap());
        let id = sealer.current_id();
        assert_eq!(format!("{sealer:?}"), format!("Sealer {{ current: SealingKey {{ id: {id:?}, .. }}, older: [] }}"));
    }
}
