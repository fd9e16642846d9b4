//! The master key: wraps every secret that the store keeps and must read back.
//!
//! Access-key secrets, sealing keys and private keys lie in the database wrapped, so that a stolen
//! database or backup alone gives nothing away.

use std::fmt;

use zeroize::Zeroizing;

use super::cipher::{Cipher, NONCE_LENGTH, TAG_LENGTH, derive};
use crate::domain::clock::{Random, random_bytes};
use crate::domain::secret::Secret;
use crate::domain::wrapped::Wrapped;
use crate::domain::{Error, Result};

/// Wraps secrets at rest: AES-256-GCM-SIV.
///
/// A wrapped secret is version (1 byte, 1) ‖ key id (8) ‖ nonce (12) ‖ ciphertext ‖ tag (16). The
/// associated data is version ‖ key id ‖ noun ‖ id, the last two with their lengths before them.
pub struct MasterKey {
    secret: Zeroizing<[u8; 32]>,
    cipher: Cipher,
    id: String,
    id_bytes: [u8; Self::ID_LENGTH],
}

impl MasterKey {
    const VERSION: u8 = 1;
    const ID_LENGTH: usize = 8;
    const HEAD_LENGTH: usize = 1 + Self::ID_LENGTH + NONCE_LENGTH;

    /// Makes a new key of 256 random bits.
    pub fn generate(random: &dyn Random) -> Self {
        Self::new(Zeroizing::new(random_bytes(random)))
    }

    /// Parses a key as [`MasterKey::to_text`] writes it; white space around it is ignored.
    ///
    /// # Errors
    ///
    /// `Misconfigured` for anything else; the message repeats nothing of the text.
    pub fn parse(text: &str) -> Result<Self> {
        let mut secret = Zeroizing::new([0; 32]);
        hex::decode_to_slice(text.trim(), secret.as_mut_slice()).map_err(|_| {
            Error::misconfigured(
                "A master key is 64 hexadecimal characters, and the one given is not; restore the \
                 one that this store was made with.",
            )
        })?;
        Ok(Self::new(secret))
    }

    /// Parses several keys, divided by white space; a repeated one counts once.
    ///
    /// # Errors
    ///
    /// `Misconfigured` when one of them isn't a key, or there is none.
    pub fn parse_all(text: &str) -> Result<Vec<Self>> {
        let mut keys: Vec<Self> = Vec::new();
        for word in text.split_whitespace() {
            let key = Self::parse(word)?;
            if keys.iter().all(|known| known.id != key.id) {
                keys.push(key);
            }
        }
        if keys.is_empty() {
            Self::parse("").map(|key| vec![key])
        } else {
            Ok(keys)
        }
    }

    fn new(secret: Zeroizing<[u8; 32]>) -> Self {
        let mut id_bytes = [0; Self::ID_LENGTH];
        id_bytes.copy_from_slice(&derive(&secret, "transire master key: id")[..Self::ID_LENGTH]);
        let cipher = Cipher::new(&derive(&secret, "transire master key: wrap"));
        Self {
            secret,
            cipher,
            id: hex::encode(id_bytes),
            id_bytes,
        }
    }

    /// Returns the key as 64 hexadecimal characters, for its file.
    pub fn to_text(&self) -> Secret {
        Secret::new(hex::encode(self.secret.as_slice()))
    }

    /// Returns 16 hexadecimal characters that name the key and tell nothing of it; kept beside what
    /// it wrapped.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Returns what everything begins with that this key wrapped, and nothing that another did.
    pub fn head(&self) -> [u8; 1 + Self::ID_LENGTH] {
        let mut head = [Self::VERSION; 1 + Self::ID_LENGTH];
        head[1..].copy_from_slice(&self.id_bytes);
        head
    }

    /// Wraps the secret of the thing `id` of the kind `noun`; it unwraps under the same two alone,
    /// so that a writer to the database can't move one thing's secret to another.
    pub fn wrap(&self, noun: &str, id: &str, plain: &[u8], random: &dyn Random) -> Wrapped {
        let nonce: [u8; NONCE_LENGTH] = random_bytes(random);
        // The whole capacity at once: growing would leave a copy of the plain text behind.
        let mut wrapped = Vec::with_capacity(Self::HEAD_LENGTH + plain.len() + TAG_LENGTH);
        wrapped.push(Self::VERSION);
        wrapped.extend_from_slice(&self.id_bytes);
        wrapped.extend_from_slice(&nonce);
        wrapped.extend_from_slice(plain);
        self.cipher.seal(
            nonce,
            &self.associated(noun, id),
            &mut wrapped,
            Self::HEAD_LENGTH,
        );
        Wrapped::from_bytes(wrapped)
    }

    /// Unwraps what [`MasterKey::wrap`] made for the same noun and id.
    ///
    /// # Errors
    ///
    /// `Misconfigured` when another master key wrapped it, `Internal` when it is damaged or was
    /// another thing's.
    pub fn unwrap(&self, noun: &str, id: &str, wrapped: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
        let damaged = || {
            Error::internal(format!(
                "the wrapped secret of {noun} {id} is damaged, or another thing's"
            ))
        };
        let (head, rest) = wrapped
            .split_at_checked(Self::HEAD_LENGTH)
            .ok_or_else(damaged)?;
        let (version, head) = head.split_first().ok_or_else(damaged)?;
        let (key_id, nonce) = head.split_at(Self::ID_LENGTH);
        if *version != Self::VERSION {
            return Err(Error::internal(format!(
                "the wrapped secret of {noun} {id} has the unknown version {version}"
            )));
        }
        if key_id != self.id_bytes {
            return Err(Error::misconfigured(format!(
                "The secret of {noun} {id} was wrapped by another master key (id {}) than the one \
                 given (id {}).",
                hex::encode(key_id),
                self.id
            )));
        }
        let nonce = nonce.try_into().map_err(|_| damaged())?;
        let mut bytes = Zeroizing::new(rest.to_vec());
        let length = self
            .cipher
            .open(nonce, &self.associated(noun, id), &mut bytes)
            .ok_or_else(damaged)?
            .len();
        // The tag follows; `truncate` leaves it in memory, and it is no secret.
        bytes.truncate(length);
        Ok(bytes)
    }

    /// Makes what a store keeps to know its master key by.
    pub fn check_value(&self, random: &dyn Random) -> Vec<u8> {
        self.wrap(Self::CHECK_NOUN, Self::CHECK_ID, Self::CHECK_TEXT, random)
            .as_bytes()
            .to_vec()
    }

    /// Checks that this is the key which `stored` was made by.
    ///
    /// # Errors
    ///
    /// `Misconfigured` when it is another key, `Internal` when the stored value is damaged.
    pub fn verify_check_value(&self, stored: &[u8]) -> Result<()> {
        let found = Wrapped::from_bytes(stored.to_vec())
            .master_key_id()
            .unwrap_or_else(|| "unreadable".to_owned());
        match self.unwrap(Self::CHECK_NOUN, Self::CHECK_ID, stored) {
            Ok(text) if text.as_slice() == Self::CHECK_TEXT => Ok(()),
            Ok(_) => Err(Error::internal(
                "the master key's check value holds another text",
            )),
            Err(error) if found == self.id => Err(error),
            Err(error) => Err(Error::misconfigured(format!(
                "This is the wrong master key: it has the id {}, and the store was made with the \
                 one of id {found}. Put the right one where the settings say that the master key \
                 is; without it no secret in the store can be read.",
                self.id
            ))
            .caused_by(error)),
        }
    }

    const CHECK_NOUN: &str = "master_key";
    const CHECK_ID: &str = "check";
    const CHECK_TEXT: &[u8] = b"transire";

    fn associated(&self, noun: &str, id: &str) -> Vec<u8> {
        let mut data = Vec::with_capacity(1 + Self::ID_LENGTH + 16 + noun.len() + id.len());
        data.push(Self::VERSION);
        data.extend_from_slice(&self.id_bytes);
        // With the lengths, no noun and id together read as another noun and id.
        for part in [noun, id] {
            data.extend_from_slice(&(part.len() as u64).to_be_bytes());
            data.extend_from_slice(part.as_bytes());
        }
        data
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MasterKey")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ErrorKind;
    use crate::domain::clock::SystemRandom;

    const TEXT: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

    #[test]
    fn a_key_prints_and_parses_back() {
        let key = MasterKey::generate(&SystemRandom);
        let text = key.to_text();
        assert_eq!(text.expose().len(), 64);
        assert_eq!(
            MasterKey::parse(&format!("\n {}\r\n", text.expose()))
                .unwrap()
                .id(),
            key.id()
        );
        assert_eq!(
            MasterKey::parse(&TEXT.to_uppercase()).unwrap().id(),
            MasterKey::parse(TEXT).unwrap().id()
        );
    }

    #[test]
    fn a_bad_key_is_refused_without_repeating_it() {
        for bad in [
            "",
            "0001",
            &TEXT[1..],
            &format!("{TEXT}00"),
            &TEXT.replace('0', "g"),
            &format!("{} {}", &TEXT[..32], &TEXT[32..]),
        ] {
            let error = MasterKey::parse(bad).unwrap_err();
            assert_eq!(error.kind(), &ErrorKind::Misconfigured, "{bad:?}");
            assert!(bad.is_empty() || !error.message().contains(bad));
        }
    }

    #[test]
    fn a_file_may_hold_several_keys() {
        let other = MasterKey::generate(&SystemRandom).to_text();
        let ids = |text: &str| {
            MasterKey::parse_all(text)
                .map(|keys| keys.into_iter().map(|key| key.id).collect::<Vec<_>>())
        };
        let expected = [TEXT, other.expose()].map(|text| MasterKey::parse(text).unwrap().id);
        assert_eq!(
            ids(&format!("{TEXT}\r\n\n{}\n{TEXT}\n", other.expose())).unwrap(),
            expected
        );
        for bad in ["", " \n", &format!("{TEXT}\n{}", &TEXT[1..])] {
            assert_eq!(
                ids(bad).unwrap_err().kind(),
                &ErrorKind::Misconfigured,
                "{bad:?}"
            );
        }
    }

    #[test]
    fn what_a_key_wrapped_begins_with_its_head() {
        let key = MasterKey::generate(&SystemRandom);
        let wrapped = key.wrap("n", "i", b"secret", &SystemRandom);
        assert!(wrapped.as_bytes().starts_with(&key.head()));
        assert_eq!(wrapped.master_key_id().as_deref(), Some(key.id()));
        assert_eq!(
            Wrapped::from_bytes(wrapped.as_bytes()[..8].to_vec()).master_key_id(),
            None
        );
    }

    #[test]
    fn an_id_names_a_key_for_ever() {
        // Another id for the same key would make every store refuse its own.
        assert_eq!(MasterKey::parse(TEXT).unwrap().id(), "ad58c3bbbefb8743");
    }

    #[test]
    fn what_is_wrapped_unwraps_in_its_own_row_alone() {
        let key = MasterKey::generate(&SystemRandom);
        let wrapped = key
            .wrap("access_key", "AKID1", b"secret", &SystemRandom)
            .as_bytes()
            .to_vec();
        assert!(!wrapped.windows(6).any(|window| window == b"secret"));
        assert_eq!(
            key.unwrap("access_key", "AKID1", &wrapped)
                .unwrap()
                .as_slice(),
            b"secret"
        );
        for (noun, id) in [
            ("access_key", "AKID2"),
            ("signing_key", "AKID1"),
            ("access_keyA", "KID1"),
            ("access_keyAKID1", ""),
            ("", ""),
        ] {
            assert_eq!(
                key.unwrap(noun, id, &wrapped).unwrap_err().kind(),
                &ErrorKind::Internal,
                "moved to {noun} {id}"
            );
        }
        assert_eq!(
            key.unwrap("n", "i", key.wrap("n", "i", b"", &SystemRandom).as_bytes())
                .unwrap()
                .as_slice(),
            b""
        );
    }

    #[test]
    fn the_same_secret_never_wraps_to_the_same_bytes() {
        let key = MasterKey::generate(&SystemRandom);
        assert_ne!(
            key.wrap("n", "i", b"secret", &SystemRandom),
            key.wrap("n", "i", b"secret", &SystemRandom)
        );
    }

    #[test]
    fn another_master_key_is_named() {
        let (mine, other) = (
            MasterKey::generate(&SystemRandom),
            MasterKey::generate(&SystemRandom),
        );
        let error = mine
            .unwrap(
                "n",
                "i",
                other.wrap("n", "i", b"secret", &SystemRandom).as_bytes(),
            )
            .unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::Misconfigured);
        assert!(
            error.message().contains("wrapped by another master key"),
            "{error}"
        );
        assert!(
            error.message().contains(other.id()) && error.message().contains(mine.id()),
            "{error}"
        );
    }

    #[test]
    fn any_damage_is_seen() {
        let key = MasterKey::generate(&SystemRandom);
        let wrapped = key
            .wrap("n", "i", b"secret", &SystemRandom)
            .as_bytes()
            .to_vec();
        for place in 0..wrapped.len() {
            let mut damaged = wrapped.clone();
            damaged[place] ^= 1;
            assert!(
                key.unwrap("n", "i", &damaged).is_err(),
                "a change at {place} went unseen"
            );
            assert!(
                key.unwrap("n", "i", &wrapped[..place]).is_err(),
                "a cut at {place} went unseen"
            );
        }
        assert!(key.unwrap("n", "i", &[wrapped, vec![0]].concat()).is_err());
    }

    #[test]
    fn a_check_value_knows_its_key() {
        let (mine, other) = (
            MasterKey::generate(&SystemRandom),
            MasterKey::generate(&SystemRandom),
        );
        let stored = mine.check_value(&SystemRandom);
        mine.verify_check_value(&stored).unwrap();
        let error = other.verify_check_value(&stored).unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::Misconfigured);
        assert!(
            error.message().contains("wrong master key") && error.message().contains(mine.id()),
            "{error}"
        );
        let mut damaged = stored.clone();
        *damaged.last_mut().unwrap() ^= 1;
        assert_eq!(
            mine.verify_check_value(&damaged).unwrap_err().kind(),
            &ErrorKind::Internal
        );
        for cut in [&[][..], &stored[..5]] {
            assert!(mine.verify_check_value(cut).is_err());
        }
        assert!(
            mine.verify_check_value(mine.wrap("n", "i", b"transire", &SystemRandom).as_bytes())
                .is_err()
        );
    }

    #[test]
    fn a_key_never_prints_its_secret() {
        let key = MasterKey::parse(TEXT).unwrap();
        assert_eq!(
            format!("{key:?}"),
            format!("MasterKey {{ id: {:?}, .. }}", key.id())
        );
    }
}
