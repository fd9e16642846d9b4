//! Keys that sign statements about the audit, as JSON Web Signatures (RFC 7515).
//!
//! Their type keeps them apart from tokens: no registry trusts such a key, and a token is no
//! statement.

use std::fmt;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::SigningKeyPair;
use super::kid::thumbprint;
use crate::domain::instance::Algorithm;
use crate::domain::{Error, Result};

/// The type in the header of a statement.
const TYPE: &str = "transire-audit-checkpoint+jws";
/// The bytes of a coordinate of P-256.
const COORDINATE: usize = 32;

/// A key that signs statements about the audit.
pub struct AuditKey {
    pair: SigningKeyPair,
    public: AuditPublicKey,
}

impl AuditKey {
    /// Makes a new key, on P-256.
    ///
    /// # Errors
    ///
    /// `Internal` when no key can be made.
    pub fn generate() -> Result<Self> {
        Self::new(SigningKeyPair::generate(Algorithm::Es256)?)
    }

    /// Takes a key back from PKCS #8.
    ///
    /// # Errors
    ///
    /// `Internal` when it isn't a P-256 key in PKCS #8.
    pub fn from_pkcs8(private_pkcs8: &[u8]) -> Result<Self> {
        Self::new(SigningKeyPair::from_pkcs8(Algorithm::Es256, private_pkcs8)?)
    }

    fn new(pair: SigningKeyPair) -> Result<Self> {
        let unreadable = || Error::internal("a public key can't be read");
        let (x, y) = pair.coordinates().ok_or_else(unreadable)?;
        let public = AuditPublicKey::of(x, y).ok_or_else(unreadable)?;
        Ok(Self { pair, public })
    }

    /// Returns the private key as PKCS #8, to be wrapped and stored.
    ///
    /// # Errors
    ///
    /// `Internal` when the key can't be written.
    pub fn private_pkcs8(&self) -> Result<Zeroizing<Vec<u8>>> {
        self.pair.private_pkcs8()
    }

    /// Returns the public key.
    pub fn public(&self) -> &AuditPublicKey {
        &self.public
    }

    /// Signs a statement, and returns both in the compact form.
    ///
    /// # Errors
    ///
    /// `Internal` when it can't be signed.
    pub fn sign(&self, statement: &str) -> Result<String> {
        let header = json!({ "alg": "ES256", "kid": self.public.id, "typ": TYPE });
        let mut text = URL_SAFE_NO_PAD.encode(header.to_string());
        text.push('.');
        URL_SAFE_NO_PAD.encode_string(statement, &mut text);
        let signature = self.pair.sign(text.as_bytes())?;
        text.push('.');
        URL_SAFE_NO_PAD.encode_string(&signature, &mut text);
        Ok(text)
    }
}

/// The public half of an [`AuditKey`].
#[derive(Clone, PartialEq, Eq)]
pub struct AuditPublicKey {
    id: String,
    x: [u8; COORDINATE],
    y: [u8; COORDINATE],
}

/// The header of a statement.
#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: String,
    typ: String,
}

#[derive(Deserialize)]
struct Jwk {
    kty: String,
    crv: String,
    x: String,
    y: String,
}

impl AuditPublicKey {
    fn of(x: &[u8], y: &[u8]) -> Option<Self> {
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let id = thumbprint(&[
            ("crv", "P-256".to_owned()),
            ("kty", "EC".to_owned()),
            ("x", text(x)),
            ("y", text(y)),
        ]);
        let (x, y) = (x.try_into().ok()?, y.try_into().ok()?);
        Some(Self { id, x, y })
    }

    /// Reads a public key from its JWK (RFC 7517); nothing where it is no key on P-256.
    pub fn of_jwk(jwk: &Value) -> Option<Self> {
        let jwk: Jwk = Jwk::deserialize(jwk).ok()?;
        if jwk.kty != "EC" || jwk.crv != "P-256" {
            return None;
        }
        let bytes = |text: &str| URL_SAFE_NO_PAD.decode(text).ok();
        Self::of(&bytes(&jwk.x)?, &bytes(&jwk.y)?)
    }

    /// Returns its id, the thumbprint of RFC 7638.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Returns it as a JWK.
    pub fn jwk(&self) -> Value {
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        json!({
            "kty": "EC", "crv": "P-256", "x": text(&self.x), "y": text(&self.y), "alg": "ES256",
            "use": "sig", "kid": self.id,
        })
    }

    /// Returns the statement that a text has the signature of, if this key made it.
    pub fn open(&self, signed: &str) -> Option<Vec<u8>> {
        let (message, signature) = signed.rsplit_once('.')?;
        let (header, statement) = message.split_once('.')?;
        let header = URL_SAFE_NO_PAD.decode(header).ok()?;
        let header: Header = serde_json::from_slice(&header).ok()?;
        if header.alg != "ES256" || header.typ != TYPE || header.kid != self.id {
            return None;
        }
        let point = [&[4], self.x.as_slice(), &self.y].concat();
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)
            .verify(message.as_bytes(), &URL_SAFE_NO_PAD.decode(signature).ok()?)
            .ok()?;
        URL_SAFE_NO_PAD.decode(statement).ok()
    }
}

/// Returns the statement that a text has a signature of, of whoever made it.
pub fn unverified_statement(signed: &str) -> Option<Vec<u8>> {
    let statement = signed.split('.').nth(1)?;
    URL_SAFE_NO_PAD.decode(statement).ok()
}

impl fmt::Debug for AuditPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AuditPublicKey").field(&self.id).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_opens_with_its_own_key_and_as_it_was_signed_alone() {
        let (key, other) = (AuditKey::generate().unwrap(), AuditKey::generate().unwrap());
        let signed = key.sign(r#"{"number":1}"#).unwrap();
        let public = AuditPublicKey::of_jwk(&key.public().jwk()).unwrap();
        assert_eq!(&public, key.public());
        assert_eq!(public.open(&signed).unwrap(), br#"{"number":1}"#);
        assert_eq!(other.public().open(&signed), None);
        for place in 0..signed.len() {
            let mut changed = signed.clone().into_bytes();
            changed[place] = if changed[place] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            if changed != signed {
                // The last character of a part has bits that stand for nothing.
                assert!(public.open(&changed).is_none(), "{place}: {changed}");
            }
        }
    }

    #[test]
    fn a_token_is_no_statement() {
        let key = AuditKey::generate().unwrap();
        let header = json!({ "alg": "ES256", "kid": key.public().id(), "typ": "JWT" });
        let mut text = URL_SAFE_NO_PAD.encode(header.to_string());
        text.push_str(".e30");
        let signature = URL_SAFE_NO_PAD.encode(key.pair.sign(text.as_bytes()).unwrap());
        assert_eq!(key.public().open(&format!("{text}.{signature}")), None);
    }

    #[test]
    fn a_key_is_the_same_after_it_was_stored() {
        let key = AuditKey::generate().unwrap();
        let stored = key.private_pkcs8().unwrap();
        assert_eq!(
            AuditKey::from_pkcs8(&stored).unwrap().public(),
            key.public()
        );
    }
}
