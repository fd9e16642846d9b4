//! Certificates that are signed elsewhere: what is to be signed, and what of the answer a registry would refuse.
//!
//! A registry says nothing but "invalid token" of whatever is wrong with a certificate, and only when somebody logs in.
//! So all that it looks at is looked at before.

use std::time::Duration;

use rcgen::{CertificateParams, DistinguishedName, DnType, IsCa, KeyUsagePurpose};

use super::jwt::SigningKeyPair;
use super::x509::{self, Certificate, PublicKeyKind};
use crate::domain::clock::Timestamp;
use crate::domain::{Error, Result};

/// What must be left of a certificate that is imported: with less it would be no use, or it is the wrong file.
pub const LEAST_LEFT: Duration = Duration::from_hours(24);
/// How long a leaf may live that another authority signs; a leaked key signs until then, because registries check no
/// revocation.
pub const LONGEST_LEAF_TTL: Duration = Duration::from_hours(5 * 366 * 24);

/// Writes the request (PKCS #10, PEM) for a signing key's certificate.
pub fn signing_request(key: &SigningKeyPair) -> Result<String> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "transire token signer");
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.serialize_request(key).and_then(|request| request.pem()).map_err(Error::internal)
}

/// Reads the one certificate that a file holds, PEM or DER, as DER.
pub fn read_certificate(file: &[u8]) -> Result<Vec<u8>> {
    x509::der_of_one_certificate(file)
        .filter(|der| Certificate::parse(der).is_some())
        .ok_or_else(|| refused("the file holds not exactly one X.509 certificate (version 3) in PEM or DER"))
}

/// Returns the end of a certificate.
pub fn expires_at(der: &[u8]) -> Result<Timestamp> {
    Certificate::parse(der).map(|certificate| certificate.expires_at).ok_or_else(|| Error::internal("a certificate can't be read"))
}

/// Tells whether a certificate is of this public key (SubjectPublicKeyInfo).
pub fn is_of_key(der: &[u8], public_der: &[u8]) -> bool {
    Certificate::parse(der).is_some_and(|certificate| certificate.public_key == public_der)
}

/// Tells whether an authority signed a certificate.
pub fn is_issued_by(der: &[u8], authority_der: &[u8]) -> bool {
    match (Certificate::parse(der), Certificate::parse(authority_der)) {
        (Some(certificate), Some(authority)) => certificate.is_issued_by(&authority),
        _ => false,
    }
}

/// Checks all that registries check of a leaf under this authority, and returns until when they believe it.
pub fn check_leaf(der: &[u8], authority_der: &[u8], now: Timestamp) -> Result<Timestamp> {
    let (Some(leaf), Some(authority)) = (Certificate::parse(der), Certificate::parse(authority_der)) else {
        return Err(refused("it can't be read"));
    };
    if !leaf.is_issued_by(&authority) {
        return Err(refused("the authority didn't sign it"));
    }
    if leaf.extensions.is_authority {
        return Err(refused("it is an authority's (CA:TRUE); sign it with basicConstraints CA:FALSE"));
    }
    if leaf.extensions.key_usage.is_some_and(|usage| !usage.digital_signature()) {
        return Err(refused("its key usage has no digitalSignature"));
    }
    check_common(&leaf, now)?;
    if leaf.starts_at.until(leaf.expires_at) > LONGEST_LEAF_TTL {
        return Err(refused("it lives longer than five years; nobody can take back what a leaked key signs until then"));
    }
    let end = leaf.expires_at.min(authority.expires_at);
    if now.until(end) < LEAST_LEFT { Err(refused("its authority ends within a day")) } else { Ok(end) }
}

/// Checks all that registries check of an authority, and returns its end.
pub fn check_authority(der: &[u8], now: Timestamp) -> Result<Timestamp> {
    let authority = Certificate::parse(der).ok_or_else(|| refused("it can't be read"))?;
    if !authority.extensions.is_authority {
        return Err(refused("it is not an authority's: it needs basicConstraints CA:TRUE"));
    }
    if authority.extensions.key_usage.is_some_and(|usage| !usage.key_cert_sign()) {
        return Err(refused("its key usage has no keyCertSign"));
    }
    match authority.public_key_kind() {
        Some(PublicKeyKind::Ec) => {}
        Some(PublicKeyKind::Rsa(bits)) if (2048..=8192).contains(&bits) => {}
        Some(PublicKeyKind::Rsa(bits)) => return Err(refused(&format!("its RSA key has {bits} bits; 2048 to 8192 are taken"))),
        None => {
            return Err(refused(
                "its key is neither RSA nor on P-256, P-384 or P-521; Distribution 2 doesn't start with another one in its bundle",
            ));
        }
    }
    check_common(&authority, now)?;
    Ok(authority.expires_at)
}

fn check_common(certificate: &Certificate<'_>, now: Timestamp) -> Result<()> {
    if certificate.extensions.unknown_critical {
        return Err(refused("it has a critical extension besides basicConstraints, keyUsage and extendedKeyUsage"));
    }
    if certificate.starts_at > now {
        return Err(refused(&format!("it begins only at {}", certificate.starts_at.rfc3339())));
    }
    if now.until(certificate.expires_at) < LEAST_LEFT {
        return Err(refused(&format!("it ends at {}, within a day or in the past", certificate.expires_at.rfc3339())));
    }
    Ok(())
}

fn refused(why: &str) -> Error {
    Error::invalid_parameter("certificate", format!("Registries would refuse this certificate, or it is the wrong one: {why}."))
}
