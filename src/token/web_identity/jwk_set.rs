//! The keys of an issuer (RFC 7517).

use std::fmt;
use std::sync::OnceLock;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, ParsedPublicKey,
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512,
    RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, RsaParameters,
    RsaPublicKeyComponents, VerificationAlgorithm,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::members::Members;
use crate::domain::identity::OidcAlgorithm;
use crate::domain::{Error, Result};

/// The most bytes of a JWK set.
pub(super) const JWKS_BYTES: usize = 256 << 10;
/// The most keys of a JWK set.
pub(super) const JWKS_KEYS: usize = 64;
/// The sizes of an RSA modulus in bytes: 2048 to 8192 bits.
const RSA_BYTES: std::ops::RangeInclusive<usize> = 256..=1024;
/// The algorithms of RSA keys.
const RSA_ALGORITHMS: [(OidcAlgorithm, &RsaParameters); 6] = [
    (OidcAlgorithm::Rs256, &RSA_PKCS1_2048_8192_SHA256),
    (OidcAlgorithm::Rs384, &RSA_PKCS1_2048_8192_SHA384),
    (OidcAlgorithm::Rs512, &RSA_PKCS1_2048_8192_SHA512),
    (OidcAlgorithm::Ps256, &RSA_PSS_2048_8192_SHA256),
    (OidcAlgorithm::Ps384, &RSA_PSS_2048_8192_SHA384),
    (OidcAlgorithm::Ps512, &RSA_PSS_2048_8192_SHA512),
];

/// The keys of an issuer that can sign tokens.
#[derive(Debug)]
pub struct JwkSet {
    keys: Vec<Jwk>,
}

#[derive(Debug)]
pub(super) struct Jwk {
    kid: Option<String>,
    /// The only algorithm that it is for, if it says so.
    algorithm: Option<OidcAlgorithm>,
    material: Material,
}

enum Material {
    Rsa(Box<RsaKey>),
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

    /// Returns the one key that fits an algorithm, and has the id if one is given.
    pub(super) fn pick(&self, algorithm: OidcAlgorithm, kid: Option<&str>) -> Option<&Jwk> {
        let named = |key: &&Jwk| kid.is_none() || key.kid.as_deref() == kid;
        let mut fitting = self
            .keys
            .iter()
            .filter(|key| key.fits(algorithm))
            .filter(named);
        let key = fitting.next()?;
        fitting.next().is_none().then_some(key)
    }
}

impl Jwk {
    /// Tells whether this key made a signature by an algorithm.
    pub(super) fn verifies(
        &self,
        algorithm: OidcAlgorithm,
        signed: &[u8],
        signature: &[u8],
    ) -> bool {
        self.material.verifies(algorithm, signed, signature)
    }

    pub(super) fn read(jwk: &Map<String, Value>) -> Option<Self> {
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
            ("RSA", _) => Material::Rsa(Box::new(rsa(&bytes("n")?, &bytes("e")?)?)),
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
            Material::Rsa(_) => RSA_ALGORITHMS.iter().any(|(own, _)| *own == algorithm),
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
        match (self, algorithm) {
            (Self::Rsa(key), _) => key.verifies(algorithm, signed, signature),
            // Each of these keys was parsed for the one algorithm that it knows.
            (Self::P256(key), A::Es256)
            | (Self::P384(key), A::Es384)
            | (Self::Ed25519(key), A::EdDsa) => key.verify_sig(signed, signature).is_ok(),
            _ => false,
        }
    }
}

/// An RSA key, which may be for any of the algorithms.
struct RsaKey {
    components: RsaPublicKeyComponents<Vec<u8>>,
    /// Made ready for each algorithm when its first token comes: that costs as much as verifying.
    ready: [OnceLock<Option<ParsedPublicKey>>; RSA_ALGORITHMS.len()],
}

impl RsaKey {
    fn verifies(&self, algorithm: OidcAlgorithm, signed: &[u8], signature: &[u8]) -> bool {
        let mut known = RSA_ALGORITHMS.iter().zip(&self.ready);
        let Some(((_, parameters), ready)) = known.find(|((own, _), _)| *own == algorithm) else {
            return false;
        };
        ready
            .get_or_init(|| self.components.to_parsed_public_key(parameters).ok())
            .as_ref()
            .is_some_and(|key| key.verify_sig(signed, signature).is_ok())
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
fn rsa(modulus: &[u8], exponent: &[u8]) -> Option<RsaKey> {
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
    (large_enough && is_exponent).then(|| RsaKey {
        components: RsaPublicKeyComponents { n, e },
        ready: Default::default(),
    })
}
