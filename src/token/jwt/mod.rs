//! Registry tokens: signed JWTs (RFC 7515, RFC 7519) in the one shape that every registry takes.
//!
//! The header carries the leaf certificate (`x5c`), because key ids don't travel: Distribution 2
//! knows only libtrust fingerprints, Distribution 3 only RFC 7638 thumbprints, and both follow the
//! certificate. The audience is a plain string, because Distribution 2 refuses any list. Times are
//! integers and dated back, because zot allows no leeway.
//!
//! The signer is written here, on a key that is parsed once: the usual JWT library parses it for
//! every token, which took 1.6 times as long for ES256 when it was measured, and leaves less say
//! over the header.

mod audit_key;
mod key_pair;
mod kid;
#[cfg(test)]
mod tests;

use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde::Serialize;
use serde_json::{Value, json};

use kid::{libtrust_fingerprint, thumbprint};

pub use audit_key::{AuditKey, AuditPublicKey, unverified_statement};
pub use key_pair::SigningKeyPair;

use super::x509::{self, Certificate};
use crate::domain::clock::{Random, Timestamp, random_bytes};
use crate::domain::instance::{Algorithm, KidFormat};
use crate::domain::{Error, Result};

/// How far `iat` and `nbf` are dated back: Distribution allows 60 seconds on `nbf`, zot none on
/// either.
pub const TOKEN_BACK_DATED: Duration = Duration::from_secs(60);
/// When less than this is left of a leaf it must be renewed: half of its life.
pub const LEAF_RENEWAL_LEFT: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// How long before its leaf's end a token ends at the latest: a leaf's end has no leeway at all.
pub const LEAF_MARGIN: Duration = Duration::from_secs(60);

/// The most bytes of a token: clients send it in a header, and registries and the proxies before
/// them bound those.
pub const MAX_TOKEN_BYTES: usize = 64 << 10;

/// The end that RFC 5280 (4.1.2.5) writes for a validity without one: that of a key without a
/// certificate.
const NO_END: Timestamp = Timestamp::from_unix_seconds(253_402_300_799);

/// A key that signs tokens, with its leaf certificate: all that doesn't change from token to token
/// is made once.
pub struct SigningKey {
    id: String,
    pair: SigningKeyPair,
    leaf_der: Vec<u8>,
    leaf_expires_at: Timestamp,
    thumbprint: String,
    libtrust: String,
    /// The encoded header and the dot after it.
    thumbprint_header: String,
    libtrust_header: String,
    jwk: Value,
}

impl SigningKey {
    /// Takes a signing key back from its parts; `id` is whatever the caller knows it by.
    ///
    /// # Errors
    ///
    /// `Internal` when the parts can't be read, or the leaf is another key's or ends before
    /// `leaf_expires_at`.
    pub fn from_parts(
        id: impl Into<String>,
        algorithm: Algorithm,
        private_pkcs8: &[u8],
        leaf_der: &[u8],
        leaf_expires_at: Timestamp,
    ) -> Result<Self> {
        Self::new(
            id.into(),
            SigningKeyPair::from_pkcs8(algorithm, private_pkcs8)?,
            leaf_der.to_vec(),
            leaf_expires_at,
        )
    }

    /// Takes a signing key without a certificate back, for a registry that trusts the key itself.
    ///
    /// Its tokens carry no `x5c`, so no registry that trusts an authority believes them.
    ///
    /// # Errors
    ///
    /// `Internal` when it isn't a key of this algorithm in PKCS #8.
    pub fn without_certificate(
        id: impl Into<String>,
        algorithm: Algorithm,
        private_pkcs8: &[u8],
    ) -> Result<Self> {
        Self::made(
            id.into(),
            SigningKeyPair::from_pkcs8(algorithm, private_pkcs8)?,
            Vec::new(),
            NO_END,
        )
    }

    fn new(
        id: String,
        pair: SigningKeyPair,
        leaf_der: Vec<u8>,
        leaf_expires_at: Timestamp,
    ) -> Result<Self> {
        let leaf = Certificate::parse(&leaf_der).ok_or_else(|| {
            Error::internal(format!(
                "the leaf certificate of signing key {id} can't be read"
            ))
        })?;
        if leaf.public_key != pair.public_der() {
            return Err(Error::internal(format!(
                "the leaf certificate of signing key {id} is another key's"
            )));
        }
        if leaf.expires_at < leaf_expires_at {
            return Err(Error::internal(format!(
                "the leaf certificate of signing key {id} ends earlier than is stored"
            )));
        }
        Self::made(id, pair, leaf_der, leaf_expires_at)
    }

    fn made(
        id: String,
        pair: SigningKeyPair,
        leaf_der: Vec<u8>,
        leaf_expires_at: Timestamp,
    ) -> Result<Self> {
        let members = pair.jwk_members()?;
        let thumbprint = thumbprint(&members);
        let libtrust = libtrust_fingerprint(pair.public_der());
        let x5c = (!leaf_der.is_empty()).then(|| STANDARD.encode(&leaf_der));
        let algorithm = pair.algorithm().name();
        // Every value is of an alphabet that JSON needn't escape.
        let chain = x5c
            .as_ref()
            .map_or_else(String::new, |x5c| format!(r#","x5c":["{x5c}"]"#));
        let header = |kid: &str| {
            URL_SAFE_NO_PAD.encode(format!(
                r#"{{"typ":"JWT","alg":"{algorithm}","kid":"{kid}"{chain}}}"#
            )) + "."
        };
        let (thumbprint_header, libtrust_header) = (header(&thumbprint), header(&libtrust));
        let mut jwk = json!({"kid": thumbprint, "alg": algorithm, "use": "sig"});
        if let Some(x5c) = x5c {
            jwk["x5c"] = json!([x5c]);
        }
        for (name, value) in members {
            jwk[name] = Value::String(value);
        }
        Ok(Self {
            id,
            pair,
            leaf_der,
            leaf_expires_at,
            thumbprint,
            libtrust,
            thumbprint_header,
            libtrust_header,
            jwk,
        })
    }

    /// Returns the id that the key was given.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Returns the algorithm that it signs with.
    pub fn algorithm(&self) -> Algorithm {
        self.pair.algorithm()
    }

    /// Returns the key pair, to issue the next leaf for.
    pub fn pair(&self) -> &SigningKeyPair {
        &self.pair
    }

    /// Returns how a token's header names the key.
    pub fn kid(&self, format: KidFormat) -> &str {
        match format {
            KidFormat::Thumbprint => &self.thumbprint,
            KidFormat::Libtrust => &self.libtrust,
        }
    }

    /// Returns the public JWK (RFC 7517); its `kid` is the thumbprint.
    pub fn jwk(&self) -> &Value {
        &self.jwk
    }

    /// Returns the public key, PEM: what a registry reads that trusts the key itself.
    pub fn public_pem(&self) -> String {
        x509::pem_of("PUBLIC KEY", self.pair.public_der())
    }

    /// Returns the leaf certificate, DER; empty for a key without one.
    pub fn leaf_der(&self) -> &[u8] {
        &self.leaf_der
    }

    /// Returns how long the leaf lives, from its beginning to its end.
    pub fn leaf_life(&self) -> Duration {
        Certificate::parse(&self.leaf_der).map_or(Duration::ZERO, |leaf| {
            leaf.starts_at.until(self.leaf_expires_at)
        })
    }

    /// Returns when the leaf ends, and every token under it with it.
    pub fn leaf_expires_at(&self) -> Timestamp {
        self.leaf_expires_at
    }

    /// Tells whether less than [`LEAF_RENEWAL_LEFT`] is left of the leaf.
    pub fn leaf_renewal_is_due(&self, now: Timestamp) -> bool {
        now.until(self.leaf_expires_at) < LEAF_RENEWAL_LEFT
    }

    /// Signs a token.
    ///
    /// # Errors
    ///
    /// `InvalidParameter` of `scope`, before anything is signed, when it would have more than
    /// [`MAX_TOKEN_BYTES`].
    ///
    /// [`Error::misconfigured`] when it would end later than [`LEAF_MARGIN`] before the leaf does:
    /// registries would refuse it while the client still took it for good. Long before that the
    /// leaf is renewed, by the running service or, where the authority is kept elsewhere, by the
    /// operator.
    pub fn sign(&self, kid: KidFormat, claims: &Claims<'_>, random: &dyn Random) -> Result<Token> {
        let issued = claims.now.unix_seconds();
        let issued_at = Timestamp::from_unix_seconds(issued);
        let expires = issued_at.plus(claims.ttl).unix_seconds();
        let expires_at = Timestamp::from_unix_seconds(expires);
        if expires_at > self.leaf_expires_at.minus(LEAF_MARGIN) {
            return Err(Error::misconfigured(format!(
                "The certificate of signing key {} ends at {} and must be renewed before the key \
                 signs a token that ends at {}. Where the certificate authority is kept elsewhere, \
                 `transire keys csr` and `transire keys import-leaf` renew it.",
                self.id,
                self.leaf_expires_at.rfc3339(),
                expires_at.rfc3339()
            )));
        }
        let back_dated = issued_at.minus(TOKEN_BACK_DATED).unix_seconds();
        let id = hex::encode(random_bytes::<16>(random));
        let body = Body {
            iss: claims.issuer,
            sub: claims.subject,
            aud: claims.audience,
            exp: expires,
            nbf: back_dated,
            iat: back_dated,
            jti: &id,
            access: claims.access,
        };
        let body = serde_json::to_vec(&body).map_err(Error::internal)?;
        let header = match kid {
            KidFormat::Thumbprint => &self.thumbprint_header,
            KidFormat::Libtrust => &self.libtrust_header,
        };
        // An RSA-2048 signature takes 342 characters.
        let length = header.len() + body.len().div_ceil(3) * 4 + 1 + 344;
        if length > MAX_TOKEN_BYTES {
            let message = format!(
                "The token for these scopes would have more than {MAX_TOKEN_BYTES} bytes; ask for \
                 fewer scopes at once."
            );
            return Err(Error::invalid_parameter("scope", message));
        }
        let mut text = String::with_capacity(length);
        text.push_str(header);
        URL_SAFE_NO_PAD.encode_string(&body, &mut text);
        let signature = self.pair.sign(text.as_bytes())?;
        text.push('.');
        URL_SAFE_NO_PAD.encode_string(&signature, &mut text);
        Ok(Token {
            text,
            id,
            issued_at,
            expires_at,
        })
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey")
            .field("id", &self.id)
            .field("algorithm", &self.algorithm())
            .field("kid", &self.thumbprint)
            .field("leaf_expires_at", &self.leaf_expires_at)
            .finish_non_exhaustive()
    }
}

/// One access entry of a token: what it may do to one resource.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Access {
    /// The kind of the resource, such as `repository`.
    #[serde(rename = "type")]
    pub resource_type: String,
    /// The resource's name.
    pub name: String,
    /// The words that are granted. Registries compare words: zot takes no `*` for a `pull`.
    pub actions: Vec<&'static str>,
}

/// The claims of a token.
#[derive(Clone, Copy, Debug)]
pub struct Claims<'a> {
    /// The issuer, as the registry's `issuer` setting has it.
    pub issuer: &'a str,
    /// The subject that it was issued to; empty for nobody.
    pub subject: &'a str,
    /// The registry that it is for, as its `service` setting has it.
    pub audience: &'a str,
    /// The present time.
    pub now: Timestamp,
    /// How long it lives, in whole seconds.
    pub ttl: Duration,
    /// The rights that it grants; may be none.
    pub access: &'a [Access],
}

/// The claims at the wire (Distribution, `docs/content/spec/auth/jwt.md`).
#[derive(Serialize)]
struct Body<'a> {
    iss: &'a str,
    sub: &'a str,
    aud: &'a str,
    exp: i64,
    nbf: i64,
    iat: i64,
    jti: &'a str,
    access: &'a [Access],
}

/// A signed token.
#[derive(Clone)]
pub struct Token {
    /// The JWT, a bearer token.
    pub text: String,
    /// Its own id (`jti`), for the audit record: 32 hexadecimal characters.
    pub id: String,
    /// When it was issued, in whole seconds and not dated back, for the reply's `issued_at`.
    pub issued_at: Timestamp,
    /// When it ends, in whole seconds.
    pub expires_at: Timestamp,
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token")
            .field("id", &self.id)
            .field("issued_at", &self.issued_at)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}
