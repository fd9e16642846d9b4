//! The authority: the certificate that registries trust. It signs leaf certificates and nothing
//! else.
//!
//! A registry reads its trusted certificates once, at its start, so the one it trusts must last for
//! years; the key that signs tokens must not. Under an authority the signing key changes while no
//! registry is touched.

use std::fmt;
use std::time::Duration;

use aws_lc_rs::digest;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyUsagePurpose,
    SerialNumber,
};
use time::OffsetDateTime;
use zeroize::Zeroizing;

use super::jwt::SigningKeyPair;
use super::x509::{self, Certificate};
use crate::domain::clock::{Random, Timestamp, random_bytes};
use crate::domain::secret::Secret;
use crate::domain::{Error, Result};

/// How long a leaf lives: a leaked one signs until then, because registries check no revocation.
pub const LEAF_TTL: Duration = Duration::from_secs(14 * 24 * 60 * 60);
/// How far certificates are dated back, for verifiers whose clocks are behind.
pub const BACK_DATED: Duration = Duration::from_secs(60 * 60);
/// How long an authority lives: to replace one, every registry must be touched.
pub const AUTHORITY_TTL: Duration = Duration::from_secs(20 * 365 * 24 * 60 * 60);

/// The longest common name (X.520, ub-common-name), in characters.
const MAX_NAME: usize = 64;

/// The certificate authority that registries trust: P-256, and it signs nothing but leaf
/// certificates.
pub struct Authority {
    pair: CertificateSigner,
    certificate_der: Vec<u8>,
    common_name: String,
    expires_at: Timestamp,
}

/// A certificate of a signing key.
#[derive(Clone, Debug)]
pub struct Leaf {
    /// The certificate, DER.
    pub der: Vec<u8>,
    /// The end of its validity, in whole seconds.
    pub expires_at: Timestamp,
}

impl Authority {
    /// Makes an authority called `transire CA NAME` (cut at 64 characters), with a new key.
    ///
    /// # Errors
    ///
    /// `Internal` when no key can be made.
    pub fn generate(name: &str, now: Timestamp, random: &dyn Random) -> Result<Self> {
        Self::named(&format!("transire CA {name}"), now, random)
    }

    /// Makes an authority of this common name (cut at 64 characters), with a new key.
    ///
    /// # Errors
    ///
    /// `Internal` when no key can be made.
    pub fn named(name: &str, now: Timestamp, random: &dyn Random) -> Result<Self> {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING)
            .map_err(|_| Error::internal("the authority's key can't be generated"))?;
        let pair = CertificateSigner(pair);
        let common_name: String = name.chars().take(MAX_NAME).collect();
        let mut serial: [u8; SERIAL_LENGTH] = random_bytes(random);
        let mut params = parameters(
            &common_name,
            &mut serial,
            now.minus(BACK_DATED),
            now.plus(AUTHORITY_TTL),
        )?;
        // Path length 0: it can't make further authorities. Without keyCertSign Distribution
        // refuses every token, and starts without a complaint.
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let certificate = params.self_signed(&pair).map_err(Error::internal)?;
        Self::new(pair, certificate.der().to_vec())
    }

    /// Takes an authority back from its parts.
    ///
    /// # Errors
    ///
    /// `Internal` when the parts can't be read or don't belong together.
    pub fn from_parts(private_pkcs8: &[u8], certificate_der: &[u8]) -> Result<Self> {
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, private_pkcs8)
            .map_err(|_| {
                Error::internal("the authority's private key is not a P-256 key in PKCS #8")
            })?;
        Self::new(CertificateSigner(pair), certificate_der.to_vec())
    }

    fn new(pair: CertificateSigner, certificate_der: Vec<u8>) -> Result<Self> {
        let certificate = Certificate::parse(&certificate_der)
            .ok_or_else(|| Error::internal("the authority's certificate can't be read"))?;
        if certificate.public_key != rcgen::PublicKeyData::subject_public_key_info(&pair) {
            return Err(Error::internal(
                "the authority's certificate is of another key than its private key",
            ));
        }
        let common_name = certificate
            .common_name()
            .ok_or_else(|| Error::internal("the authority's name is not one common name"))?
            .to_owned();
        let expires_at = certificate.expires_at;
        Ok(Self {
            pair,
            certificate_der,
            common_name,
            expires_at,
        })
    }

    /// Returns the private key as PKCS #8, to be wrapped and stored.
    ///
    /// # Errors
    ///
    /// `Internal` when the key can't be written.
    pub fn private_pkcs8(&self) -> Result<Zeroizing<Vec<u8>>> {
        let document = self
            .pair
            .0
            .to_pkcs8v1()
            .map_err(|_| Error::internal("the authority's key can't be written"))?;
        Ok(Zeroizing::new(document.as_ref().to_vec()))
    }

    /// Returns the private key and the certificate as PEM, to be kept elsewhere.
    ///
    /// # Errors
    ///
    /// `Internal` when the key can't be written.
    pub fn to_pem(&self) -> Result<Secret> {
        let private = Zeroizing::new(x509::pem_of("PRIVATE KEY", &self.private_pkcs8()?));
        Ok(Secret::new(format!(
            "{}{}",
            *private,
            self.certificate_pem()
        )))
    }

    /// Returns the certificate, DER.
    pub fn certificate_der(&self) -> &[u8] {
        &self.certificate_der
    }

    /// Returns the certificate, PEM: what a registry's `rootcertbundle` holds.
    pub fn certificate_pem(&self) -> String {
        x509::pem(&self.certificate_der)
    }

    /// Returns the end of its validity; no token is accepted after it.
    pub fn expires_at(&self) -> Timestamp {
        self.expires_at
    }

    /// Makes a certificate for a signing key: not an authority, for digital signatures, dated back
    /// an hour, good for [`LEAF_TTL`] or until the authority itself ends.
    ///
    /// # Errors
    ///
    /// `Misconfigured` when the authority has ended, `Internal` when it can't sign.
    pub fn issue_leaf(&self, key: &SigningKeyPair, now: Timestamp) -> Result<Leaf> {
        if now >= self.expires_at {
            return Err(Error::misconfigured(
                "The certificate authority has expired; make a new one and give its certificate to \
                 every registry.",
            ));
        }
        let from = now.minus(BACK_DATED);
        let expires_at =
            Timestamp::from_unix_seconds(from.plus(LEAF_TTL).min(self.expires_at).unix_seconds());
        // Made of the key and the time, two certificates never share a serial number (RFC 5280,
        // 4.1.2.2).
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(key.public_der());
        context.update(&now.unix_millis().to_be_bytes());
        let mut serial = [0; SERIAL_LENGTH];
        serial.copy_from_slice(&context.finish().as_ref()[..SERIAL_LENGTH]);
        let mut params = parameters("transire token signer", &mut serial, from, expires_at)?;
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.use_authority_key_identifier_extension = true;

        let mut authority = CertificateParams::default();
        authority.distinguished_name = distinguished_name(&self.common_name);
        let issuer = Issuer::from_params(&authority, &self.pair);
        let der = params
            .signed_by(key, &issuer)
            .map_err(Error::internal)?
            .der()
            .to_vec();
        // The issuer's name is written anew and must equal the authority's to the byte, or every
        // registry refuses every token: rather none than such a leaf.
        let trusted = match (
            Certificate::parse(&der),
            Certificate::parse(&self.certificate_der),
        ) {
            (Some(leaf), Some(authority)) => {
                leaf.is_issued_by(&authority) && leaf.expires_at == expires_at
            }
            _ => false,
        };
        if trusted {
            Ok(Leaf { der, expires_at })
        } else {
            Err(Error::internal(
                "a leaf was made that the authority doesn't verify",
            ))
        }
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority")
            .field("name", &self.common_name)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

const SERIAL_LENGTH: usize = 16;

fn parameters(
    name: &str,
    serial: &mut [u8; SERIAL_LENGTH],
    from: Timestamp,
    until: Timestamp,
) -> Result<CertificateParams> {
    // Neither negative nor with a leading zero, whatever the bytes.
    serial[0] = serial[0] & 0x3f | 0x40;
    let mut params = CertificateParams::default();
    params.distinguished_name = distinguished_name(name);
    params.serial_number = Some(SerialNumber::from(serial.to_vec()));
    params.not_before = date(from)?;
    params.not_after = date(until)?;
    Ok(params)
}

fn distinguished_name(common_name: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    name
}

fn date(at: Timestamp) -> Result<OffsetDateTime> {
    OffsetDateTime::from_unix_timestamp(at.unix_seconds()).map_err(Error::internal)
}

/// The authority's key as the certificate writer wants it. The library's own key type keeps a copy
/// of the private key that it doesn't wipe.
struct CertificateSigner(EcdsaKeyPair);

impl rcgen::PublicKeyData for CertificateSigner {
    fn der_bytes(&self) -> &[u8] {
        self.0.public_key().as_ref()
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        &rcgen::PKCS_ECDSA_P256_SHA256
    }
}

impl rcgen::SigningKey for CertificateSigner {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        let signature = self
            .0
            .sign(&SystemRandom::new(), message)
            .map_err(|_| rcgen::Error::RingUnspecified)?;
        Ok(signature.as_ref().to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ErrorKind;
    use crate::domain::instance::Algorithm;
    use crate::token::testing::Seeded;

    const NOW: Timestamp = Timestamp::from_unix_millis(1_735_787_045_999);

    fn authority() -> Authority {
        Authority::generate("https://transire.example.com", NOW, &Seeded::new(1)).unwrap()
    }

    fn contains(der: &[u8], part: &[u8]) -> bool {
        der.windows(part.len()).any(|window| window == part)
    }

    #[test]
    fn an_authority_is_one_and_can_make_no_other() {
        let authority = authority();
        let der = authority.certificate_der();
        let certificate = Certificate::parse(der).unwrap();
        assert!(certificate.is_issued_by(&certificate));
        assert_eq!(
            certificate.common_name(),
            Some("transire CA https://transire.example.com")
        );
        assert_eq!(certificate.expires_at.rfc3339(), "2044-12-28T03:04:05Z");
        // Critical basicConstraints: CA true, path length 0. Critical keyUsage: bit 5, keyCertSign.
        assert!(contains(
            der,
            b"\x06\x03\x55\x1d\x13\x01\x01\xff\x04\x08\x30\x06\x01\x01\xff\x02\x01\x00"
        ));
        assert!(contains(
            der,
            b"\x06\x03\x55\x1d\x0f\x01\x01\xff\x04\x04\x03\x02\x02\x04"
        ));
        assert!(contains(der, b"250102020405Z"), "it is dated back an hour");
        assert!(
            authority
                .certificate_pem()
                .starts_with("-----BEGIN CERTIFICATE-----\nMII")
        );
    }

    #[test]
    fn an_authority_comes_back_from_its_parts() {
        let (one, other) = (authority(), authority());
        let private = one.private_pkcs8().unwrap();
        let again = Authority::from_parts(&private, one.certificate_der()).unwrap();
        assert_eq!(again.certificate_pem(), one.certificate_pem());
        assert_eq!(again.expires_at(), one.expires_at());
        assert!(
            Authority::from_parts(&private, other.certificate_der()).is_err(),
            "a certificate of another key was taken"
        );
        assert!(Authority::from_parts(&private[1..], one.certificate_der()).is_err());
        assert!(Authority::from_parts(&private, &one.certificate_der()[..100]).is_err());
        let rsa = SigningKeyPair::generate(Algorithm::Rs256).unwrap();
        assert!(
            Authority::from_parts(&rsa.private_pkcs8().unwrap(), one.certificate_der()).is_err()
        );
    }

    #[test]
    fn a_leaf_chains_to_its_authority_and_to_no_other() {
        let (one, other) = (authority(), authority());
        for algorithm in Algorithm::ALL {
            let pair = SigningKeyPair::generate(algorithm).unwrap();
            let leaf = one.issue_leaf(&pair, NOW).unwrap();
            let certificate = Certificate::parse(&leaf.der).unwrap();
            assert!(certificate.is_issued_by(&Certificate::parse(one.certificate_der()).unwrap()));
            assert!(
                !certificate.is_issued_by(&Certificate::parse(other.certificate_der()).unwrap())
            );
            assert_eq!(certificate.public_key, pair.public_der());
            assert_eq!(certificate.expires_at, leaf.expires_at);
            // Fourteen days from the hour that it is dated back.
            assert_eq!(leaf.expires_at.rfc3339(), "2025-01-16T02:04:05Z");
            assert!(contains(&leaf.der, b"250102020405Z"));
            // Critical basicConstraints: empty, so not an authority. Critical keyUsage: bit 0,
            // digitalSignature.
            assert!(contains(
                &leaf.der,
                b"\x06\x03\x55\x1d\x13\x01\x01\xff\x04\x02\x30\x00"
            ));
            assert!(contains(
                &leaf.der,
                b"\x06\x03\x55\x1d\x0f\x01\x01\xff\x04\x04\x03\x02\x07\x80"
            ));
        }
    }

    #[test]
    fn an_authority_read_back_issues_leaves_that_the_first_one_verifies() {
        let name =
            "ä \"quoted\" name, long enough to be cut at sixty-four characters exactly: here";
        let first = Authority::generate(name, NOW, &Seeded::new(1)).unwrap();
        let again = Authority::from_parts(&first.private_pkcs8().unwrap(), first.certificate_der())
            .unwrap();
        assert_eq!(again.common_name.chars().count(), 64);
        again
            .issue_leaf(&SigningKeyPair::generate(Algorithm::Es256).unwrap(), NOW)
            .unwrap();
    }

    #[test]
    fn a_renewed_leaf_has_another_serial_number() {
        let authority = authority();
        let pair = SigningKeyPair::generate(Algorithm::Es256).unwrap();
        let serial = |leaf: &Leaf| leaf.der[13..13 + 18].to_vec();
        let (first, second) = (
            authority.issue_leaf(&pair, NOW).unwrap(),
            authority
                .issue_leaf(&pair, NOW.plus(Duration::from_secs(1)))
                .unwrap(),
        );
        assert_eq!(serial(&first)[..2], [0x02, 0x10]);
        assert_ne!(serial(&first), serial(&second));
    }

    #[test]
    fn a_leaf_never_outlives_its_authority() {
        let authority = authority();
        let pair = SigningKeyPair::generate(Algorithm::Es256).unwrap();
        let near = authority.expires_at().minus(Duration::from_secs(60));
        assert_eq!(
            authority.issue_leaf(&pair, near).unwrap().expires_at,
            authority.expires_at()
        );
        assert_eq!(
            authority
                .issue_leaf(&pair, authority.expires_at())
                .unwrap_err()
                .kind(),
            &ErrorKind::Misconfigured
        );
    }

    #[test]
    fn an_authority_never_prints_its_secret() {
        assert_eq!(
            format!("{:?}", authority()),
            "Authority { name: \"transire CA https://transire.example.com\", expires_at: \
             2044-12-28T03:04:05Z, .. }"
        );
    }
}
