//! Tokens of others: what OpenID Connect issuers sign (RFC 7515, RFC 7517, RFC 7519, OpenID Connect
//! Core 2).
//!
//! A token says itself by which algorithm and key it is to be checked, so none of that is taken
//! from it: the provider's list allows the algorithm, the issuer's set holds the key, and the
//! algorithm must fit both. A token that could be read in two ways is refused: a name that comes
//! twice, two keys that fit, or an extension that must be understood. Start with
//! [`UnverifiedToken`].
//!
//! Written on the cryptography library itself: the usual JWT library would bring a process-wide
//! choice of one, takes a name that comes twice, and leaves most of these rules to its caller.

use std::fmt;
use std::time::Duration;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, ParsedPublicKey,
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512,
    RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, RsaParameters,
    RsaPublicKeyComponents, VerificationAlgorithm,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use self::claims::flatten;
use self::members::{Members, Strict};
use crate::domain::claims::Claims;
use crate::domain::clock::Timestamp;
use crate::domain::error::WebIdentityFault;
use crate::domain::identity::{OidcAlgorithm, OidcProvider};
use crate::domain::{Error, Result};

mod claims;
mod members;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

/// The most characters of a token: both clouds' limit.
pub const MAX_TOKEN: usize = 20_000;
/// The most bytes of a JWK set.
pub const JWKS_BYTES: usize = 256 << 10;
/// The most keys of a JWK set.
pub const JWKS_KEYS: usize = 64;
/// How far the issuer's clock may be off.
pub const LEEWAY: Duration = Duration::from_secs(60);
/// The most bytes of a subject (OpenID Connect Core, 2).
const MAX_SUBJECT: usize = 255;
/// The sizes of an RSA modulus in bytes: 2048 to 8192 bits.
const RSA_BYTES: std::ops::RangeInclusive<usize> = 256..=1024;

/// The identity that a verified token names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebIdentity {
    /// The issuer.
    pub issuer: String,
    /// Of whom.
    pub subject: String,
    /// To whom it is said: all audiences of the token, one of which is the provider's.
    pub audiences: Vec<String>,
    /// When it was said.
    pub issued_at: Timestamp,
    /// Until when it may be believed.
    pub expires_at: Timestamp,
    /// All claims, these too, as policies ask for them.
    pub claims: Claims,
}

/// A token that can be read, and of which nothing is believed yet.
pub struct UnverifiedToken<'a> {
    unverified_algorithm: OidcAlgorithm,
    unverified_kid: Option<String>,
    unverified_claims: WebIdentity,
    unverified_members: Map<String, Value>,
    unverified_not_before: Option<Timestamp>,
    /// The signed text: header and claims as they came.
    signed: &'a str,
    signature: Vec<u8>,
}

impl<'a> UnverifiedToken<'a> {
    /// Reads a token.
    ///
    /// # Errors
    ///
    /// `WebIdentity` with [`WebIdentityFault::Malformed`]; the message says what can't be taken.
    pub fn parse(token: &'a str) -> Result<Self> {
        if !(4..=MAX_TOKEN).contains(&token.len()) {
            return Err(malformed(format!(
                "An OIDC token has 4 to {MAX_TOKEN} characters."
            )));
        }
        let (signed, signature) = token.rsplit_once('.').ok_or_else(not_three_parts)?;
        let (header, claims) = signed.split_once('.').ok_or_else(not_three_parts)?;
        if claims.contains('.') {
            return Err(not_three_parts());
        }
        let header = read_part(header, "header")?;
        let claims = read_part(claims, "claims")?;
        let signature = URL_SAFE_NO_PAD
            .decode(signature)
            .map_err(|_| malformed("The OIDC token's signature is not base64url."))?;
        // The effect of an extension on the signature isn't known here (RFC 7515, 4.1.11).
        if header.contains_key("crit") {
            return Err(malformed(
                "The OIDC token's header has extensions (crit) that are not understood here.",
            ));
        }
        // An issuer signs other things with the same keys, such as log-out tokens.
        let is_of_our_type = |typ: &Value| {
            typ.as_str().is_some_and(|typ| {
                ["JWT", "at+jwt"]
                    .iter()
                    .any(|ours| typ.eq_ignore_ascii_case(ours))
            })
        };
        if !header.get("typ").is_none_or(is_of_our_type) {
            return Err(malformed(
                "The OIDC token's header names another type (typ) than JWT.",
            ));
        }
        let algorithm = header
            .get("alg")
            .and_then(Value::as_str)
            .and_then(|name| name.parse().ok());
        let kid = match header.get("kid") {
            None => None,
            Some(Value::String(kid)) if !kid.is_empty() => Some(kid.clone()),
            Some(_) => return Err(malformed("The OIDC token's kid is not a text.")),
        };
        Ok(Self {
            unverified_algorithm: algorithm
                .ok_or_else(|| malformed("The OIDC token's algorithm (alg) is not accepted."))?,
            unverified_kid: kid,
            unverified_not_before: claims
                .get("nbf")
                .map(|_| time(&claims, "nbf"))
                .transpose()?,
            unverified_claims: WebIdentity {
                issuer: text(&claims, "iss", MAX_TOKEN)?,
                subject: text(&claims, "sub", MAX_SUBJECT)?,
                audiences: audiences(&claims)?,
                issued_at: time(&claims, "iat")?,
                expires_at: time(&claims, "exp")?,
                claims: Claims::default(),
            },
            unverified_members: claims,
            signed,
            signature,
        })
    }

    /// Tells whether the token says that it is of the provider's issuer.
    pub fn claims_issuer(&self, provider: &OidcProvider) -> bool {
        self.unverified_claims.issuer == provider.issuer
    }

    /// Tells whether the token says that it is for one of the provider's audiences.
    pub fn claims_audience_of(&self, provider: &OidcProvider) -> bool {
        self.unverified_claims
            .audiences
            .iter()
            .any(|audience| provider.audiences.contains(audience))
    }

    /// Tells whether one key of the set, and no other, is the one that the token names.
    pub fn finds_its_key_in(&self, keys: &JwkSet) -> bool {
        keys.pick(self).is_some()
    }

    /// Checks all but the signature: the algorithm, the issuer, an audience and the times. It
    /// proves nothing, and spares asking the issuer for keys that would help nobody.
    ///
    /// # Errors
    ///
    /// `WebIdentity` with the fault: malformed, audience not matched, expired or not yet valid.
    pub fn check_claims(&self, provider: &OidcProvider, now: Timestamp) -> Result<()> {
        let claims = &self.unverified_claims;
        if !provider.algorithms.contains(&self.unverified_algorithm) {
            return Err(malformed(format!(
                "The provider allows no OIDC token that is signed with {}.",
                self.unverified_algorithm
            )));
        }
        if !self.claims_issuer(provider) {
            return Err(malformed(
                "The OIDC token is another issuer's than the provider's.",
            ));
        }
        if !self.claims_audience_of(provider) {
            return Err(Error::web_identity(WebIdentityFault::AudienceNotMatched));
        }
        let begins_at = self
            .unverified_not_before
            .unwrap_or(claims.issued_at)
            .max(claims.issued_at);
        let out_of_time = |fault| {
            Err(Error::web_identity_out_of_time(
                fault,
                begins_at,
                claims.expires_at,
                now,
            ))
        };
        if claims.expires_at.plus(LEEWAY) <= now {
            return out_of_time(WebIdentityFault::Expired);
        }
        if begins_at > now.plus(LEEWAY) {
            return out_of_time(WebIdentityFault::NotYetValid);
        }
        Ok(())
    }

    /// Verifies the token, all of it, and returns what it says.
    ///
    /// # Errors
    ///
    /// `WebIdentity` with the fault; [`WebIdentityFault::BadSignature`] when no key of the set
    /// signed it.
    pub fn verify(
        self,
        keys: &JwkSet,
        provider: &OidcProvider,
        now: Timestamp,
    ) -> Result<WebIdentity> {
        self.check_claims(provider, now)?;
        let bad_signature = || Error::web_identity(WebIdentityFault::BadSignature);
        let key = keys.pick(&self).ok_or_else(bad_signature)?;
        if !key.material.verifies(
            self.unverified_algorithm,
            self.signed.as_bytes(),
            &self.signature,
        ) {
            return Err(bad_signature());
        }
        Ok(WebIdentity {
            claims: flatten(self.unverified_members),
            ..self.unverified_claims
        })
    }
}

impl fmt::Debug for UnverifiedToken<'_> {
    /// Shows nothing that would let somebody use the token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnverifiedToken")
            .field("algorithm", &self.unverified_algorithm)
            .finish_non_exhaustive()
    }
}

/// The keys of an issuer that can sign tokens.
#[derive(Debug)]
pub struct JwkSet {
    keys: Vec<Jwk>,
}

#[derive(Debug)]
struct Jwk {
    kid: Option<String>,
    /// The only algorithm that it is for, if it says so.
    algorithm: Option<OidcAlgorithm>,
    material: Material,
}

enum Material {
    Rsa(RsaPublicKeyComponents<Vec<u8>>),
    P256(ParsedPublicKey),
    P384(ParsedPublicKey),
    Ed25519(ParsedPublicKey),
}

impl JwkSet {
    /// Reads a JWK set. Keys that can't sign tokens, are too small or are unknown here are left out
    /// (RFC 7517, 5).
    ///
    /// # Errors
    ///
    /// `InvalidParameter` of `jwks` when it isn't one, is too large, or holds a private key.
    pub fn parse(text: &str) -> Result<Self> {
        let refuse = |why: String| Error::invalid_parameter("jwks", why);
        if text.len() > JWKS_BYTES {
            return Err(refuse(format!(
                "the JWK set is larger than {JWKS_BYTES} bytes"
            )));
        }
        let Members(mut set, _) = serde_json::from_str::<Members<Value>>(text)
            .map_err(|error| refuse(format!("the JWK set can't be read: {error}")))?;
        let Some(Value::Array(keys)) = set.remove("keys") else {
            return Err(refuse(
                "a JWK set is a JSON object with a list of keys".to_owned(),
            ));
        };
        if keys.len() > JWKS_KEYS {
            return Err(refuse(format!(
                "the JWK set has more than {JWKS_KEYS} keys"
            )));
        }
        // A private key that was published is lost.
        if keys.iter().any(|key| key.get("d").is_some()) {
            return Err(refuse(
                "the JWK set holds a private key; give the public keys alone".to_owned(),
            ));
        }
        Ok(Self {
            keys: keys
                .iter()
                .filter_map(Value::as_object)
                .filter_map(Jwk::read)
                .collect(),
        })
    }

    /// Tells whether a token that one of these algorithms signed could find its key here.
    pub fn has_key_for(&self, algorithms: &[OidcAlgorithm]) -> bool {
        self.keys
            .iter()
            .any(|key| algorithms.iter().any(|algorithm| key.fits(*algorithm)))
    }

    fn pick(&self, token: &UnverifiedToken<'_>) -> Option<&Jwk> {
        let named = |key: &&Jwk| token.unverified_kid.is_none() || key.kid == token.unverified_kid;
        let mut fitting = self
            .keys
            .iter()
            .filter(|key| key.fits(token.unverified_algorithm))
            .filter(named);
        let key = fitting.next()?;
        fitting.next().is_none().then_some(key)
    }
}

impl Jwk {
    fn read(jwk: &Map<String, Value>) -> Option<Self> {
        if jwk.get("use").is_some_and(|purpose| purpose != "sig") {
            return None;
        }
        if jwk.get("key_ops").is_some_and(|operations| {
            !operations
                .as_array()
                .is_some_and(|all| all.iter().any(|one| one == "verify"))
        }) {
            return None;
        }
        let text = |name: &str| jwk.get(name).and_then(Value::as_str);
        let bytes = |name: &str| text(name).and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
        let point = |length: usize| {
            let (x, y) = (bytes("x")?, bytes("y")?);
            // RFC 7518, 6.2.1.2: full length. Uncompressed: 4, x, y (SEC 1, 2.3.3).
            (x.len() == length && y.len() == length).then(|| [vec![4], x, y].concat())
        };
        let parsed = |algorithm: &'static dyn VerificationAlgorithm, key: Vec<u8>| {
            ParsedPublicKey::new(algorithm, key).ok()
        };
        let material = match (text("kty")?, text("crv")) {
            ("RSA", _) => Material::Rsa(rsa(&bytes("n")?, &bytes("e")?)?),
            ("EC", Some("P-256")) => Material::P256(parsed(&ECDSA_P256_SHA256_FIXED, point(32)?)?),
            ("EC", Some("P-384")) => Material::P384(parsed(&ECDSA_P384_SHA384_FIXED, point(48)?)?),
            // 32 bytes are the key itself; anything longer would be read as an envelope around one.
            ("OKP", Some("Ed25519")) => {
                Material::Ed25519(parsed(&ED25519, bytes("x").filter(|key| key.len() == 32)?)?)
            }
            _ => return None,
        };
        let algorithm = match jwk.get("alg") {
            None => None,
            // A key for an algorithm that isn't known here is of no use, whatever its type.
            Some(name) => Some(name.as_str()?.parse().ok()?),
        };
        let kid = match jwk.get("kid") {
            None => None,
            Some(kid) => Some(kid.as_str()?.to_owned()),
        };
        Some(Self {
            kid,
            algorithm,
            material,
        })
        .filter(|key| key.algorithm.is_none_or(|algorithm| key.fits(algorithm)))
    }

    /// Tells whether a signature of this algorithm can be this key's.
    fn fits(&self, algorithm: OidcAlgorithm) -> bool {
        use OidcAlgorithm as A;
        let of_its_type = match self.material {
            Material::Rsa(_) => matches!(
                algorithm,
                A::Rs256 | A::Rs384 | A::Rs512 | A::Ps256 | A::Ps384 | A::Ps512
            ),
            Material::P256(_) => algorithm == A::Es256,
            Material::P384(_) => algorithm == A::Es384,
            Material::Ed25519(_) => algorithm == A::EdDsa,
        };
        of_its_type && self.algorithm.is_none_or(|own| own == algorithm)
    }
}

impl Material {
    fn verifies(&self, algorithm: OidcAlgorithm, signed: &[u8], signature: &[u8]) -> bool {
        use OidcAlgorithm as A;
        let rsa: &RsaParameters = match (self, algorithm) {
            (Self::Rsa(_), A::Rs256) => &RSA_PKCS1_2048_8192_SHA256,
            (Self::Rsa(_), A::Rs384) => &RSA_PKCS1_2048_8192_SHA384,
            (Self::Rsa(_), A::Rs512) => &RSA_PKCS1_2048_8192_SHA512,
            (Self::Rsa(_), A::Ps256) => &RSA_PSS_2048_8192_SHA256,
            (Self::Rsa(_), A::Ps384) => &RSA_PSS_2048_8192_SHA384,
            (Self::Rsa(_), A::Ps512) => &RSA_PSS_2048_8192_SHA512,
            // Each of these keys was parsed for the one algorithm that it knows.
            (Self::P256(key), A::Es256)
            | (Self::P384(key), A::Es384)
            | (Self::Ed25519(key), A::EdDsa) => {
                return key.verify_sig(signed, signature).is_ok();
            }
            _ => return false,
        };
        matches!(self, Self::Rsa(key) if key.verify(rsa, signed, signature).is_ok())
    }
}

impl fmt::Debug for Material {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rsa(_) => "RSA",
            Self::P256(_) => "P-256",
            Self::P384(_) => "P-384",
            Self::Ed25519(_) => "Ed25519",
        })
    }
}

/// Takes an RSA key of a modulus that is large enough and an exponent that is one.
fn rsa(modulus: &[u8], exponent: &[u8]) -> Option<RsaPublicKeyComponents<Vec<u8>>> {
    // Some issuers put the zero there that DER has (RFC 7518, 6.3.1.1 knows of them).
    let bare = |number: &[u8]| {
        number
            .iter()
            .position(|byte| *byte != 0)
            .map(|start| number[start..].to_vec())
    };
    let (n, e) = (bare(modulus)?, bare(exponent)?);
    let large_enough =
        RSA_BYTES.contains(&n.len()) && (n.len() > *RSA_BYTES.start() || n[0] >= 0x80);
    let is_exponent = e.len() <= 4 && e.last().is_some_and(|last| last % 2 == 1) && e != [1];
    (large_enough && is_exponent).then_some(RsaPublicKeyComponents { n, e })
}

fn malformed(why: impl Into<String>) -> Error {
    Error::malformed_web_identity(why)
}

fn not_three_parts() -> Error {
    malformed("An OIDC token has 3 parts, divided by '.'.")
}

fn read_part(part: &str, name: &str) -> Result<Map<String, Value>> {
    let bytes = URL_SAFE_NO_PAD
        .decode(part)
        .map_err(|_| malformed(format!("The OIDC token's {name} is not base64url.")))?;
    let Members(members, _) = serde_json::from_slice::<Members<Strict>>(&bytes).map_err(|_| {
        malformed(format!(
            "The OIDC token's {name} is not a JSON object without repetitions."
        ))
    })?;
    Ok(members)
}

fn text(claims: &Map<String, Value>, name: &str, longest: usize) -> Result<String> {
    let text = claims
        .get(name)
        .and_then(Value::as_str)
        .filter(|text| (1..=longest).contains(&text.len()));
    // They go into audit lines and sessions' names.
    let text = text.filter(|text| !text.chars().any(char::is_control));
    text.map(ToOwned::to_owned).ok_or_else(|| {
        malformed(format!(
            "The OIDC token's {name} is not a text of 1 to {longest} bytes."
        ))
    })
}

fn audiences(claims: &Map<String, Value>) -> Result<Vec<String>> {
    let refused = || malformed("The OIDC token's aud is neither a text nor a list of texts.");
    match claims.get("aud") {
        Some(Value::String(one)) => Ok(vec![one.clone()]),
        Some(Value::Array(all)) if !all.is_empty() => all
            .iter()
            .map(|one| one.as_str().map(ToOwned::to_owned).ok_or_else(refused))
            .collect(),
        _ => Err(refused()),
    }
}

/// Reads a NumericDate: seconds, perhaps with a fraction (RFC 7519, 2), up to the year 9999.
fn time(claims: &Map<String, Value>, name: &str) -> Result<Timestamp> {
    const LATEST: f64 = 253_402_300_799.0;
    let seconds = claims
        .get(name)
        .and_then(Value::as_f64)
        .filter(|seconds| (0.0..=LATEST).contains(seconds));
    let seconds = seconds
        .ok_or_else(|| malformed(format!("The OIDC token's {name} is not a time in seconds.")))?;
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the range was checked, and what follows the point is to go"
    )]
    Ok(Timestamp::from_unix_seconds(seconds as i64))
}
