//! Registry tokens: signed JWTs (RFC 7515, RFC 7519) in the one shape that every registry takes.
//!
//! The header carries the leaf certificate (`x5c`), because key ids don't travel: Distribution 2 knows only
//! libtrust fingerprints, Distribution 3 only RFC 7638 thumbprints, and both follow the certificate. The
//! audience is a plain string, because Distribution 2 refuses any list. Times are integers and dated back,
//! because zot allows no leeway.
//!
//! The signer is written here, on a key that is parsed once: the usual JWT library parses it for every
//! token, which took 1.6 times as long for ES256 when it was measured, and leaves less say over the header.

use std::fmt;
use std::time::Duration;

use aws_lc_rs::digest;
use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair,
};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde::Serialize;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::x509::{self, Certificate};
use crate::domain::clock::{Random, Timestamp, random_bytes};
use crate::domain::instance::{Algorithm, KidFormat};
use crate::domain::{Error, Result};

/// How far `iat` and `nbf` are dated back: Distribution allows 60 seconds on `nbf`, zot none on either.
pub const TOKEN_BACK_DATED: Duration = Duration::from_secs(60);
/// When less than this is left of a leaf it must be renewed: half of its life.
pub const LEAF_RENEWAL_LEFT: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// How long before its leaf's end a token ends at the latest: a leaf's end has no leeway at all.
pub const LEAF_MARGIN: Duration = Duration::from_secs(60);

/// The most bytes of a token: clients send it in a header, and registries and the proxies before them bound those.
pub const MAX_TOKEN_BYTES: usize = 64 << 10;

/// What RFC 5280 (4.1.2.5) writes for a validity without an end: that of a key without a certificate.
const NO_END: Timestamp = Timestamp::from_unix_seconds(253_402_300_799);

/// A key pair that signs tokens, parsed.
pub struct SigningKeyPair {
    pair: Pair,
    public_der: Vec<u8>,
}

enum Pair {
    Es256(EcdsaKeyPair),
    Rs256(Box<RsaKeyPair>),
}

impl SigningKeyPair {
    /// Makes a new key pair: P-256 for ES256, RSA-2048 for RS256.
    ///
    /// Both coordinates of a P-256 key are full-length: Distribution 3 forgets leading zeros when it computes
    /// a thumbprint, and would not know about one key in 128 by its `kid`.
    pub fn generate(algorithm: Algorithm) -> Result<Self> {
        let failed = |_| Error::internal("a signing key can't be generated");
        loop {
            let pair = match algorithm {
                Algorithm::Es256 => Pair::Es256(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map_err(failed)?),
                Algorithm::Rs256 => Pair::Rs256(Box::new(RsaKeyPair::generate(KeySize::Rsa2048).map_err(failed)?)),
            };
            let pair = Self::new(pair)?;
            if pair.coordinates().is_none_or(|(x, y)| x[0] != 0 && y[0] != 0) {
                return Ok(pair);
            }
        }
    }

    /// Takes a key pair back from PKCS #8; [`Error::internal`] when it isn't one of this algorithm.
    pub fn from_pkcs8(algorithm: Algorithm, private_pkcs8: &[u8]) -> Result<Self> {
        let rejected = |_| Error::internal(format!("the signing key is not an {} key in PKCS #8", algorithm.name()));
        Self::new(match algorithm {
            Algorithm::Es256 => Pair::Es256(EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, private_pkcs8).map_err(rejected)?),
            Algorithm::Rs256 => Pair::Rs256(Box::new(RsaKeyPair::from_pkcs8(private_pkcs8).map_err(rejected)?)),
        })
    }

    fn new(pair: Pair) -> Result<Self> {
        let public_der = match &pair {
            Pair::Es256(pair) => pair.public_key().as_der(),
            Pair::Rs256(pair) => pair.public_key().as_der(),
        };
        let public_der = public_der.map_err(|_| Error::internal("a public key can't be written"))?.as_ref().to_vec();
        Ok(Self { pair, public_der })
    }

    /// Returns the algorithm that it signs with.
    pub fn algorithm(&self) -> Algorithm {
        match self.pair {
            Pair::Es256(_) => Algorithm::Es256,
            Pair::Rs256(_) => Algorithm::Rs256,
        }
    }

    /// Returns the private key as PKCS #8, to be wrapped and stored.
    pub fn private_pkcs8(&self) -> Result<Zeroizing<Vec<u8>>> {
        let failed = |_| Error::internal("a signing key can't be written");
        Ok(Zeroizing::new(match &self.pair {
            Pair::Es256(pair) => pair.to_pkcs8v1().map_err(failed)?.as_ref().to_vec(),
            Pair::Rs256(pair) => pair.as_der().map_err(failed)?.as_ref().to_vec(),
        }))
    }

    /// Returns the public key as SubjectPublicKeyInfo, DER.
    pub fn public_der(&self) -> &[u8] {
        &self.public_der
    }

    /// Returns x and y of a P-256 key, 32 bytes each.
    fn coordinates(&self) -> Option<(&[u8], &[u8])> {
        match &self.pair {
            // An uncompressed point: 4, x, y (SEC 1, 2.3.3).
            Pair::Es256(pair) => pair.public_key().as_ref().get(1..65).map(|point| point.split_at(32)),
            Pair::Rs256(_) => None,
        }
    }

    /// Returns the members of the public JWK that RFC 7638 hashes, in its order (by name).
    fn jwk_members(&self) -> Result<Vec<(&'static str, String)>> {
        let unreadable = || Error::internal("a public key can't be read");
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        match &self.pair {
            Pair::Es256(_) => {
                let (x, y) = self.coordinates().ok_or_else(unreadable)?;
                Ok(vec![("crv", "P-256".to_owned()), ("kty", "EC".to_owned()), ("x", text(x)), ("y", text(y))])
            }
            Pair::Rs256(pair) => {
                let (modulus, exponent) = x509::rsa_components(pair.public_key().as_ref()).ok_or_else(unreadable)?;
                Ok(vec![("e", text(exponent)), ("kty", "RSA".to_owned()), ("n", text(modulus))])
            }
        }
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>> {
        let failed = |_| Error::internal("a token can't be signed");
        // The library draws an ECDSA signature's secret number itself, and ignores what it is given here.
        let random = SystemRandom::new();
        match &self.pair {
            // Of the fixed length: r and s, 32 bytes each, as RFC 7518 (3.4) has it.
            Pair::Es256(pair) => Ok(pair.sign(&random, message).map_err(failed)?.as_ref().to_vec()),
            Pair::Rs256(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature).map_err(failed)?;
                Ok(signature)
            }
        }
    }
}

impl rcgen::PublicKeyData for SigningKeyPair {
    fn der_bytes(&self) -> &[u8] {
        match &self.pair {
            Pair::Es256(pair) => pair.public_key().as_ref(),
            Pair::Rs256(pair) => pair.public_key().as_ref(),
        }
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        match self.pair {
            Pair::Es256(_) => &rcgen::PKCS_ECDSA_P256_SHA256,
            Pair::Rs256(_) => &rcgen::PKCS_RSA_SHA256,
        }
    }
}

impl rcgen::SigningKey for SigningKeyPair {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        let failed = |_| rcgen::Error::RingUnspecified;
        match &self.pair {
            // Certificates and requests have a signature in DER, and tokens one of the fixed length.
            Pair::Es256(pair) => {
                let private = Zeroizing::new(pair.to_pkcs8v1().map_err(failed)?.as_ref().to_vec());
                let pair =
                    EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &private).map_err(|_| rcgen::Error::RingUnspecified)?;
                Ok(pair.sign(&SystemRandom::new(), message).map_err(failed)?.as_ref().to_vec())
            }
            Pair::Rs256(_) => SigningKeyPair::sign(self, message).map_err(|_| rcgen::Error::RingUnspecified),
        }
    }
}

impl fmt::Debug for SigningKeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKeyPair").field("algorithm", &self.algorithm()).finish_non_exhaustive()
    }
}

/// A key that signs tokens, with its leaf certificate: all that doesn't change from token to token is made once.
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
    /// [`Error::internal`] when they can't be read, or the leaf is another key's or ends before `leaf_expires_at`.
    pub fn from_parts(
        id: impl Into<String>,
        algorithm: Algorithm,
        private_pkcs8: &[u8],
        leaf_der: &[u8],
        leaf_expires_at: Timestamp,
    ) -> Result<Self> {
        Self::new(id.into(), SigningKeyPair::from_pkcs8(algorithm, private_pkcs8)?, leaf_der.to_vec(), leaf_expires_at)
    }

    /// Takes a signing key without a certificate back, for a registry that trusts the key itself.
    ///
    /// Its tokens carry no `x5c`, so no registry that trusts an authority believes them.
    pub fn without_certificate(id: impl Into<String>, algorithm: Algorithm, private_pkcs8: &[u8]) -> Result<Self> {
        Self::made(id.into(), SigningKeyPair::from_pkcs8(algorithm, private_pkcs8)?, Vec::new(), NO_END)
    }

    fn new(id: String, pair: SigningKeyPair, leaf_der: Vec<u8>, leaf_expires_at: Timestamp) -> Result<Self> {
        let leaf = Certificate::parse(&leaf_der)
            .ok_or_else(|| Error::internal(format!("the leaf certificate of signing key {id} can't be read")))?;
        if leaf.public_key != pair.public_der() {
            return Err(Error::internal(format!("the leaf certificate of signing key {id} is another key's")));
        }
        if leaf.expires_at < leaf_expires_at {
            return Err(Error::internal(format!("the leaf certificate of signing key {id} ends earlier than is stored")));
        }
        Self::made(id, pair, leaf_der, leaf_expires_at)
    }

    fn made(id: String, pair: SigningKeyPair, leaf_der: Vec<u8>, leaf_expires_at: Timestamp) -> Result<Self> {
        let members = pair.jwk_members()?;
        let thumbprint = thumbprint(&members);
        let libtrust = libtrust_fingerprint(pair.public_der());
        let x5c = (!leaf_der.is_empty()).then(|| STANDARD.encode(&leaf_der));
        let algorithm = pair.algorithm().name();
        // Every value is of an alphabet that JSON needn't escape.
        let chain = x5c.as_ref().map_or_else(String::new, |x5c| format!(r#","x5c":["{x5c}"]"#));
        let header = |kid: &str| URL_SAFE_NO_PAD.encode(format!(r#"{{"typ":"JWT","alg":"{algorithm}","kid":"{kid}"{chain}}}"#)) + ".";
        let (thumbprint_header, libtrust_header) = (header(&thumbprint), header(&libtrust));
        let mut jwk = json!({"kid": thumbprint, "alg": algorithm, "use": "sig"});
        if let Some(x5c) = x5c {
            jwk["x5c"] = json!([x5c]);
        }
        for (name, value) in members {
            jwk[name] = Value::String(value);
        }
        Ok(Self { id, pair, leaf_der, leaf_expires_at, thumbprint, libtrust, thumbprint_header, libtrust_header, jwk })
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

    /// Returns the leaf certificate, PEM.
    pub fn leaf_pem(&self) -> String {
        x509::pem(&self.leaf_der)
    }

    /// Tells whether this authority signed the leaf.
    pub fn is_certified_by(&self, authority_der: &[u8]) -> bool {
        match (Certificate::parse(&self.leaf_der), Certificate::parse(authority_der)) {
            (Some(leaf), Some(authority)) => leaf.is_issued_by(&authority),
            _ => false,
        }
    }

    /// Returns how long the leaf lives, from its beginning to its end.
    pub fn leaf_life(&self) -> Duration {
        Certificate::parse(&self.leaf_der).map_or(Duration::ZERO, |leaf| leaf.starts_at.until(self.leaf_expires_at))
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
    /// `InvalidParameter` of `scope`, before anything is signed, when it would have more than [`MAX_TOKEN_BYTES`].
    ///
    /// [`Error::misconfigured`] when it would end later than [`LEAF_MARGIN`] before the leaf does: registries would
    /// refuse it while the client still took it for good. Long before that the leaf is renewed, by the running service
    /// or, where the authority is kept elsewhere, by the operator.
    pub fn sign(&self, kid: KidFormat, claims: &Claims<'_>, random: &dyn Random) -> Result<Token> {
        let issued = claims.now.unix_seconds();
        let issued_at = Timestamp::from_unix_seconds(issued);
        let expires = issued_at.plus(claims.ttl).unix_seconds();
        let expires_at = Timestamp::from_unix_seconds(expires);
        if expires_at > self.leaf_expires_at.minus(LEAF_MARGIN) {
            return Err(Error::misconfigured(format!(
                "The certificate of signing key {} ends at {} and must be renewed before the key signs a token that ends at {}. \
                 Where the certificate authority is kept elsewhere, `transire keys csr` and `transire keys import-leaf` renew it.",
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
            let message = format!("The token for these scopes would have more than {MAX_TOKEN_BYTES} bytes; ask for fewer scopes at once.");
            return Err(Error::invalid_parameter("scope", message));
        }
        let mut text = String::with_capacity(length);
        text.push_str(header);
        URL_SAFE_NO_PAD.encode_string(&body, &mut text);
        let signature = self.pair.sign(text.as_bytes())?;
        text.push('.');
        URL_SAFE_NO_PAD.encode_string(&signature, &mut text);
        Ok(Token { text, id, issued_at, expires_at })
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

/// RFC 7638: SHA-256 of the required members, ordered by name and without white space, base64url.
fn thumbprint(members: &[(&'static str, String)]) -> String {
    let members: Vec<_> = members.iter().map(|(name, value)| format!(r#""{name}":"{value}""#)).collect();
    let json = format!("{{{}}}", members.join(","));
    URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, json.as_bytes()))
}

/// Docker's libtrust: the first 30 bytes of SHA-256 of the SubjectPublicKeyInfo in base32, as twelve groups
/// of four divided by colons.
fn libtrust_fingerprint(public_der: &[u8]) -> String {
    const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let hash = digest::digest(&digest::SHA256, public_der);
    let mut text = String::with_capacity(59);
    // Five bytes are eight characters: two groups.
    for chunk in hash.as_ref()[..30].chunks_exact(5) {
        let bits = chunk.iter().fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
        for place in (0..8).rev() {
            if text.len() % 5 == 4 {
                text.push(':');
            }
            text.push(char::from(ALPHABET[(bits >> (5 * place)) as usize & 31]));
        }
    }
    text
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

/// What a token says.
#[derive(Clone, Copy, Debug)]
pub struct Claims<'a> {
    /// Who issues it: what the registry's `issuer` setting holds.
    pub issuer: &'a str,
    /// Who it was issued to; empty for nobody.
    pub subject: &'a str,
    /// Which registry it is for: what its `service` setting holds.
    pub audience: &'a str,
    /// The present time.
    pub now: Timestamp,
    /// How long it lives, in whole seconds.
    pub ttl: Duration,
    /// What it grants; may be nothing.
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
    /// The JWT. Whoever holds it has what it grants.
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

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey, VerificationAlgorithm};

    use super::*;
    use crate::domain::ErrorKind;
    use crate::domain::clock::SystemRandom as OsRandom;
    use crate::token::authority::{Authority, LEAF_TTL};
    use crate::token::testing::Seeded;

    const NOW: Timestamp = Timestamp::from_unix_millis(1_735_787_045_999);

    fn signing_key(algorithm: Algorithm) -> (Authority, SigningKey) {
        let authority = Authority::generate("test", NOW, &Seeded::new(1)).unwrap();
        let pair = SigningKeyPair::generate(algorithm).unwrap();
        let leaf = authority.issue_leaf(&pair, NOW).unwrap();
        let key = SigningKey::from_parts("key-1", algorithm, &pair.private_pkcs8().unwrap(), &leaf.der, leaf.expires_at).unwrap();
        (authority, key)
    }

    fn access() -> Vec<Access> {
        vec![Access { resource_type: "repository".to_owned(), name: "team/app".to_owned(), actions: vec!["pull", "push"] }]
    }

    fn claims(access: &[Access]) -> Claims<'_> {
        Claims {
            issuer: "https://transire.example.com",
            subject: "100000000001",
            audience: "registry.example.com",
            now: NOW,
            ttl: Duration::from_secs(300),
            access,
        }
    }

    /// Header, claims, and all that is signed.
    fn split(token: &str) -> (String, String, &str, Vec<u8>) {
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let (header, body) = signed.split_once('.').unwrap();
        let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).unwrap();
        (String::from_utf8(decode(header)).unwrap(), String::from_utf8(decode(body)).unwrap(), signed, decode(signature))
    }

    #[test]
    fn a_token_verifies_under_the_leaf_that_it_carries_and_the_leaf_under_its_authority() {
        for (algorithm, verifier, signature_length) in [
            (Algorithm::Es256, &ECDSA_P256_SHA256_FIXED as &dyn VerificationAlgorithm, 64),
            (Algorithm::Rs256, &RSA_PKCS1_2048_8192_SHA256, 256),
        ] {
            let (authority, key) = signing_key(algorithm);
            for kid in [KidFormat::Thumbprint, KidFormat::Libtrust] {
                let token = key.sign(kid, &claims(&access()), &OsRandom).unwrap();
                let (header, _, signed, signature) = split(&token.text);
                let header: Value = serde_json::from_str(&header).unwrap();
                assert_eq!(header["alg"], algorithm.name());
                assert_eq!(header["kid"], key.kid(kid));
                let leaf = STANDARD.decode(header["x5c"][0].as_str().unwrap()).unwrap();
                let leaf = Certificate::parse(&leaf).unwrap();
                assert!(leaf.is_issued_by(&Certificate::parse(authority.certificate_der()).unwrap()));
                let public_key = UnparsedPublicKey::new(verifier, leaf.public_key);
                public_key.verify(signed.as_bytes(), &signature).unwrap();
                assert_eq!(signature.len(), signature_length);
                let changed = format!("{}A", &signed[..signed.len() - 1]);
                assert!(changed == signed || public_key.verify(changed.as_bytes(), &signature).is_err());
            }
        }
    }

    #[test]
    fn header_and_claims_are_what_every_registry_takes() {
        let (_, key) = signing_key(Algorithm::Es256);
        let token = key.sign(KidFormat::Thumbprint, &claims(&access()), &Seeded::new(2)).unwrap();
        let (header, body, ..) = split(&token.text);
        let x5c = STANDARD.encode(key.leaf_der());
        assert_eq!(header, format!(r#"{{"typ":"JWT","alg":"ES256","kid":"{}","x5c":["{x5c}"]}}"#, key.kid(KidFormat::Thumbprint)));
        insta::assert_snapshot!(body, @r#"{"iss":"https://transire.example.com","sub":"100000000001","aud":"registry.example.com","exp":1735787345,"nbf":1735786985,"iat":1735786985,"jti":"1309ac3f4e41512820fbf259ae492bb6","access":[{"type":"repository","name":"team/app","actions":["pull","push"]}]}"#);
        assert!(body.contains(&token.id));
        assert_eq!(token.issued_at.rfc3339(), "2025-01-02T03:04:05Z");
        assert_eq!(token.expires_at.rfc3339(), "2025-01-02T03:09:05Z");
        // Twice in a reply of at most 64 KiB, and in one header line of a proxy that takes 8 KiB.
        assert!(token.text.len() < 1400, "{} characters", token.text.len());
    }

    #[test]
    fn access_and_actions_are_lists_even_when_empty() {
        let (_, key) = signing_key(Algorithm::Es256);
        let body = |access: &[Access]| split(&key.sign(KidFormat::Libtrust, &claims(access), &OsRandom).unwrap().text).1;
        assert!(body(&[]).ends_with(r#","access":[]}"#));
        let none = Access { resource_type: "registry".to_owned(), name: "catalog".to_owned(), actions: Vec::new() };
        assert!(body(&[none]).ends_with(r#","access":[{"type":"registry","name":"catalog","actions":[]}]}"#));
    }

    #[test]
    fn what_a_caller_gives_is_escaped() {
        let (_, key) = signing_key(Algorithm::Es256);
        let access = [Access { resource_type: "repository".to_owned(), name: "a\"],\"x".to_owned(), actions: vec!["pull"] }];
        let token = key.sign(KidFormat::Thumbprint, &Claims { subject: "a\"b\n", ..claims(&access) }, &OsRandom).unwrap();
        let body: Value = serde_json::from_str(&split(&token.text).1).unwrap();
        assert_eq!(body["sub"], "a\"b\n");
        assert_eq!(body["access"][0]["name"], "a\"],\"x");
    }

    #[test]
    fn a_token_that_registries_would_not_take_is_refused_before_it_is_signed() {
        let (_, key) = signing_key(Algorithm::Es256);
        let sign = |repositories: usize| {
            let access: Vec<Access> =
                (0..repositories).map(|number| Access { name: format!("catalog/image-{number:04}"), ..access().remove(0) }).collect();
            key.sign(KidFormat::Thumbprint, &claims(&access), &OsRandom).map(|token| token.text.len())
        };
        let largest = (500..900).take_while(|repositories| sign(*repositories).is_ok()).last().unwrap();
        assert!(sign(largest).unwrap() <= MAX_TOKEN_BYTES);
        let error = sign(largest + 1).unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::InvalidParameter { name: "scope".to_owned() });
        assert!(error.message().contains("65536 bytes"), "{error}");
    }

    #[test]
    fn every_token_has_its_own_id_of_128_bits() {
        let (_, key) = signing_key(Algorithm::Es256);
        let id = || key.sign(KidFormat::Thumbprint, &claims(&[]), &OsRandom).unwrap().id;
        let (one, two) = (id(), id());
        assert_ne!(one, two);
        assert_eq!(one.len(), 32);
    }

    #[test]
    fn a_token_never_outlives_its_leaf() {
        let (_, key) = signing_key(Algorithm::Es256);
        let last = key.leaf_expires_at().minus(LEAF_MARGIN + Duration::from_secs(300));
        let sign = |now| key.sign(KidFormat::Thumbprint, &Claims { now, ..claims(&[]) }, &OsRandom);
        assert_eq!(sign(last).unwrap().expires_at, key.leaf_expires_at().minus(LEAF_MARGIN));
        let error = sign(last.plus(Duration::from_secs(1))).unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::Misconfigured);
        assert!(error.message().contains("must be renewed"), "{error}");
    }

    #[test]
    fn renewal_is_due_when_half_of_the_leaf_is_gone() {
        let (_, key) = signing_key(Algorithm::Es256);
        assert!(!key.leaf_renewal_is_due(NOW));
        let half = key.leaf_expires_at().minus(LEAF_TTL / 2);
        assert!(!key.leaf_renewal_is_due(half));
        assert!(key.leaf_renewal_is_due(half.plus(Duration::from_millis(1))));
        assert!(key.leaf_renewal_is_due(key.leaf_expires_at().plus(LEAF_TTL)));
    }

    #[test]
    fn p256_coordinates_are_full_length() {
        // With one key in 128 too short, 600 keys without the check would pass one time in a hundred.
        for _ in 0..600 {
            let pair = SigningKeyPair::generate(Algorithm::Es256).unwrap();
            let (x, y) = pair.coordinates().unwrap();
            assert_eq!((x.len(), y.len()), (32, 32));
            assert!(x[0] != 0 && y[0] != 0);
        }
    }

    #[test]
    fn the_thumbprint_is_the_one_of_rfc_7638() {
        // RFC 7638, 3.1.
        let modulus = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";
        let members = [("e", "AQAB".to_owned()), ("kty", "RSA".to_owned()), ("n", modulus.to_owned())];
        assert_eq!(thumbprint(&members), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
    }

    #[test]
    fn a_public_jwk_has_all_that_its_thumbprint_needs() {
        for algorithm in Algorithm::ALL {
            let (_, key) = signing_key(algorithm);
            let jwk = key.jwk();
            let text = |name: &str| jwk[name].as_str().unwrap();
            let canonical = match algorithm {
                Algorithm::Es256 => format!(r#"{{"crv":"P-256","kty":"EC","x":"{}","y":"{}"}}"#, text("x"), text("y")),
                Algorithm::Rs256 => format!(r#"{{"e":"AQAB","kty":"RSA","n":"{}"}}"#, text("n")),
            };
            let hash = digest::digest(&digest::SHA256, canonical.as_bytes());
            assert_eq!(text("kid"), URL_SAFE_NO_PAD.encode(hash));
            assert_eq!(text("kid"), key.kid(KidFormat::Thumbprint));
            assert_eq!((text("alg"), text("use")), (algorithm.name(), "sig"));
            assert_eq!(jwk["x5c"], json!([STANDARD.encode(key.leaf_der())]));
            // The public members end the SubjectPublicKeyInfo of either kind, and no other is there.
            let last = match algorithm {
                Algorithm::Es256 => [text("x"), text("y")].map(|part| URL_SAFE_NO_PAD.decode(part).unwrap()).concat(),
                Algorithm::Rs256 => [&URL_SAFE_NO_PAD.decode(text("n")).unwrap()[..], b"\x02\x03\x01\x00\x01"].concat(),
            };
            assert!(key.pair().public_der().ends_with(&last));
            assert_eq!(jwk.as_object().unwrap().len(), if algorithm == Algorithm::Es256 { 8 } else { 7 });
        }
    }

    #[test]
    fn the_libtrust_fingerprint_is_base32_in_groups() {
        // SHA-256 of nothing begins e3b0c442 98fc1c14 9afbf4c8 996fb924 27ae41e4 649b934c a495991b 7852;
        // its base32 was made apart from this code.
        assert_eq!(libtrust_fingerprint(b""), "4OYM:IQUY:7QOB:JGX3:6TEJ:S35Z:EQT2:4QPE:MSNZ:GTFE:SWMR:W6CS");
        let (_, key) = signing_key(Algorithm::Rs256);
        let hash = digest::digest(&digest::SHA256, key.pair().public_der());
        // Bit by bit, the slow way.
        let bits: Vec<u8> = hash.as_ref()[..30].iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1)).collect();
        let letters: String = bits
            .chunks(5)
            .map(|bits| bits.iter().fold(0, |sum, bit| sum * 2 + bit))
            .map(|value| char::from(if value < 26 { b'A' + value } else { b'2' + value - 26 }))
            .collect();
        let groups: Vec<_> = (0..12).map(|group| &letters[4 * group..4 * group + 4]).collect();
        assert_eq!(key.kid(KidFormat::Libtrust), groups.join(":"));
    }

    #[test]
    fn parts_that_do_not_belong_together_are_refused() {
        let (authority, key) = signing_key(Algorithm::Es256);
        let private = key.pair().private_pkcs8().unwrap();
        let from =
            |algorithm, private: &[u8], leaf: &[u8], expires_at| SigningKey::from_parts("key-1", algorithm, private, leaf, expires_at);
        let again = from(Algorithm::Es256, &private, key.leaf_der(), key.leaf_expires_at()).unwrap();
        assert_eq!(again.jwk(), key.jwk());
        assert!(from(Algorithm::Rs256, &private, key.leaf_der(), key.leaf_expires_at()).is_err());
        assert!(from(Algorithm::Es256, &private, authority.certificate_der(), key.leaf_expires_at()).is_err());
        assert!(from(Algorithm::Es256, &private, &key.leaf_der()[..50], key.leaf_expires_at()).is_err());
        assert!(from(Algorithm::Es256, &private, key.leaf_der(), key.leaf_expires_at().plus(Duration::from_secs(1))).is_err());
        assert!(from(Algorithm::Es256, &[], key.leaf_der(), key.leaf_expires_at()).is_err());
    }

    #[test]
    fn keys_and_tokens_never_print_their_secrets() {
        let (_, key) = signing_key(Algorithm::Es256);
        assert_eq!(format!("{:?}", key.pair()), "SigningKeyPair { algorithm: Es256, .. }");
        let kid = key.kid(KidFormat::Thumbprint);
        assert_eq!(
            format!("{key:?}"),
            format!("SigningKey {{ id: \"key-1\", algorithm: Es256, kid: {kid:?}, leaf_expires_at: 2025-01-16T02:04:05Z, .. }}")
        );
        let token = key.sign(KidFormat::Thumbprint, &claims(&[]), &OsRandom).unwrap();
        assert!(!format!("{token:?}").contains("ey"), "{token:?}");
    }
}
