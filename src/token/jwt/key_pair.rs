//! Key pairs that sign tokens, parsed once.

use std::fmt;

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _,
    RSA_PKCS1_SHA256, RsaKeyPair,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

use crate::domain::instance::Algorithm;
use crate::domain::{Error, Result};
use crate::token::x509;

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
    /// Both coordinates of a P-256 key are full-length: Distribution 3 forgets leading zeros when
    /// it computes a thumbprint, and would not know about one key in 128 by its `kid`.
    ///
    /// # Errors
    ///
    /// `Internal` when no key can be made.
    pub fn generate(algorithm: Algorithm) -> Result<Self> {
        let failed = |_| Error::internal("a signing key can't be generated");
        loop {
            let pair = match algorithm {
                Algorithm::Es256 => Pair::Es256(
                    EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map_err(failed)?,
                ),
                Algorithm::Rs256 => Pair::Rs256(Box::new(
                    RsaKeyPair::generate(KeySize::Rsa2048).map_err(failed)?,
                )),
            };
            let pair = Self::new(pair)?;
            if pair
                .coordinates()
                .is_none_or(|(x, y)| x[0] != 0 && y[0] != 0)
            {
                return Ok(pair);
            }
        }
    }

    /// Takes a key pair back from PKCS #8.
    ///
    /// # Errors
    ///
    /// `Internal` when it isn't a key of this algorithm in PKCS #8.
    pub fn from_pkcs8(algorithm: Algorithm, private_pkcs8: &[u8]) -> Result<Self> {
        let rejected = |_| {
            Error::internal(format!(
                "the signing key is not an {} key in PKCS #8",
                algorithm.name()
            ))
        };
        Self::new(match algorithm {
            Algorithm::Es256 => Pair::Es256(
                EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, private_pkcs8)
                    .map_err(rejected)?,
            ),
            Algorithm::Rs256 => Pair::Rs256(Box::new(
                RsaKeyPair::from_pkcs8(private_pkcs8).map_err(rejected)?,
            )),
        })
    }

    fn new(pair: Pair) -> Result<Self> {
        let public_der = match &pair {
            Pair::Es256(pair) => pair.public_key().as_der(),
            Pair::Rs256(pair) => pair.public_key().as_der(),
        };
        let public_der = public_der
            .map_err(|_| Error::internal("a public key can't be written"))?
            .as_ref()
            .to_vec();
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
    ///
    /// # Errors
    ///
    /// `Internal` when the key can't be written.
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
    pub(super) fn coordinates(&self) -> Option<(&[u8], &[u8])> {
        match &self.pair {
            // An uncompressed point: 4, x, y (SEC 1, 2.3.3).
            Pair::Es256(pair) => pair
                .public_key()
                .as_ref()
                .get(1..65)
                .map(|point| point.split_at(32)),
            Pair::Rs256(_) => None,
        }
    }

    /// Returns the members of the public JWK that RFC 7638 hashes, in its order (by name).
    pub(super) fn jwk_members(&self) -> Result<Vec<(&'static str, String)>> {
        let unreadable = || Error::internal("a public key can't be read");
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        match &self.pair {
            Pair::Es256(_) => {
                let (x, y) = self.coordinates().ok_or_else(unreadable)?;
                Ok(vec![
                    ("crv", "P-256".to_owned()),
                    ("kty", "EC".to_owned()),
                    ("x", text(x)),
                    ("y", text(y)),
                ])
            }
            Pair::Rs256(pair) => {
                let (modulus, exponent) =
                    x509::rsa_components(pair.public_key().as_ref()).ok_or_else(unreadable)?;
                Ok(vec![
                    ("e", text(exponent)),
                    ("kty", "RSA".to_owned()),
                    ("n", text(modulus)),
                ])
            }
        }
    }

    pub(super) fn sign(&self, message: &[u8]) -> Result<Vec<u8>> {
        let failed = |_| Error::internal("a token can't be signed");
        // The library draws an ECDSA signature's secret number itself, and ignores what it is given
        // here.
        let random = SystemRandom::new();
        match &self.pair {
            // Of the fixed length: r and s, 32 bytes each, as RFC 7518 (3.4) has it.
            Pair::Es256(pair) => Ok(pair
                .sign(&random, message)
                .map_err(failed)?
                .as_ref()
                .to_vec()),
            Pair::Rs256(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature)
                    .map_err(failed)?;
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
            // Certificates and requests have a signature in DER, and tokens one of the fixed
            // length.
            Pair::Es256(pair) => {
                let private = Zeroizing::new(pair.to_pkcs8v1().map_err(failed)?.as_ref().to_vec());
                let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &private)
                    .map_err(|_| rcgen::Error::RingUnspecified)?;
                Ok(pair
                    .sign(&SystemRandom::new(), message)
                    .map_err(failed)?
                    .as_ref()
                    .to_vec())
            }
            Pair::Rs256(_) => {
                SigningKeyPair::sign(self, message).map_err(|_| rcgen::Error::RingUnspecified)
            }
        }
    }
}

impl fmt::Debug for SigningKeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKeyPair")
            .field("algorithm", &self.algorithm())
            .finish_non_exhaustive()
    }
}
