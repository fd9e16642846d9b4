//! AES-256-GCM-SIV (RFC 8452) under a key that is derived for one purpose.
//!
//! Of the AEADs at hand this is the one that a repeated nonce doesn't break: random 96-bit nonces
//! are then safe at any number of secrets under one key.

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hmac;
use zeroize::Zeroizing;

/// Bytes of a nonce.
pub(super) const NONCE_LENGTH: usize = NONCE_LEN;
/// Bytes that authenticate a text, after it.
pub(super) const TAG_LENGTH: usize = 16;

/// Derives 32 bytes of a 32-byte secret for the purpose that `label` names, one-way (HMAC-SHA256).
///
/// Deriving the cipher's key and the key's public id apart keeps either from saying anything of the
/// other.
pub(super) fn derive(secret: &[u8; 32], label: &str) -> Zeroizing<[u8; 32]> {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), label.as_bytes());
    let mut bytes = Zeroizing::new([0; 32]);
    bytes.copy_from_slice(tag.as_ref());
    bytes
}

/// A parsed key, kept so that no use pays for the key schedule again.
pub(super) struct Cipher(LessSafeKey);

impl Cipher {
    /// Parses the key.
    pub(super) fn new(key: &[u8; 32]) -> Self {
        Self(LessSafeKey::new(
            UnboundKey::new(&AES_256_GCM_SIV, key).expect("the key has the cipher's length"),
        ))
    }

    /// Encrypts `bytes` from `start` to the end and appends the tag.
    ///
    /// # Panics
    /// When the text has more than 64 GiB.
    pub(super) fn seal(
        &self,
        nonce: [u8; NONCE_LENGTH],
        associated: &[u8],
        bytes: &mut Vec<u8>,
        start: usize,
    ) {
        let tag = self
            .0
            .seal_in_place_separate_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(associated),
                &mut bytes[start..],
            )
            .expect("the text is far below the cipher's limit");
        bytes.extend_from_slice(tag.as_ref());
    }

    /// Decrypts `bytes` (text, then tag) in place and returns the text; `None` when a bit of
    /// anything changed.
    pub(super) fn open<'a>(
        &self,
        nonce: [u8; NONCE_LENGTH],
        associated: &[u8],
        bytes: &'a mut [u8],
    ) -> Option<&'a mut [u8]> {
        self.0
            .open_in_place(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(associated),
                bytes,
            )
            .ok()
    }
}
