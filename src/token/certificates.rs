//! Certificates that are signed elsewhere: what is to be signed, and what of the answer a registry
//! would refuse.
//!
//! A registry says nothing but "invalid token" of whatever is wrong with a certificate, and only
//! when somebody logs in. So all that it looks at is looked at before.

use std::time::Duration;

use rcgen::{CertificateParams, DistinguishedName, DnType, IsCa, KeyUsagePurpose};

use super::jwt::SigningKeyPair;
use super::x509::{self, Certificate, PublicKeyKind};
use crate::domain::clock::Timestamp;
use crate::domain::{Error, Result};

/// The least time that must be left of a certificate that is imported: with less, it is the wrong
/// file.
pub const LEAST_LEFT: Duration = Duration::from_hours(24);
/// How long a leaf may live that another authority signs; a leaked key signs until then, because
/// registries check no revocation.
pub const MAX_LEAF_TTL: Duration = Duration::from_hours(5 * 366 * 24);

/// Writes the request (PKCS #10, PEM) for a signing key's certificate.
///
/// # Errors
///
/// `Internal` when the request can't be signed.
pub fn signing_request(key: &SigningKeyPair) -> Result<String> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, "transire token signer");
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params
        .serialize_request(key)
        .and_then(|request| request.pem())
        .map_err(Error::internal)
}

/// Reads the one certificate that a file holds, PEM or DER, as DER.
///
/// # Errors
///
/// `InvalidParameter` when the file holds anything else.
pub fn read_certificate(file: &[u8]) -> Result<Vec<u8>> {
    x509::der_of_one_certificate(file)
        .filter(|der| Certificate::parse(der).is_some())
        .ok_or_else(|| {
            refused("the file holds not exactly one X.509 certificate (version 3) in PEM or DER")
        })
}

/// Returns the end of a certificate.
///
/// # Errors
///
/// `Internal` when the certificate can't be read.
pub fn expires_at(der: &[u8]) -> Result<Timestamp> {
    Certificate::parse(der)
        .map(|certificate| certificate.expires_at)
        .ok_or_else(|| Error::internal("a certificate can't be read"))
}

/// Returns the common name of a certificate's subject, if it is all of its name.
pub fn common_name(der: &[u8]) -> Option<&str> {
    Certificate::parse(der)?.common_name()
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

/// Checks all that registries check of a leaf under this authority, and returns until when they
/// believe it.
///
/// # Errors
///
/// `InvalidParameter` that names the rule which the leaf breaks.
pub fn check_leaf(der: &[u8], authority_der: &[u8], now: Timestamp) -> Result<Timestamp> {
    let (Some(leaf), Some(authority)) =
        (Certificate::parse(der), Certificate::parse(authority_der))
    else {
        return Err(refused("it can't be read"));
    };
    if !leaf.is_issued_by(&authority) {
        return Err(refused("the authority didn't sign it"));
    }
    if leaf.extensions.is_authority {
        return Err(refused(
            "it is an authority's (CA:TRUE); sign it with basicConstraints CA:FALSE",
        ));
    }
    if leaf
        .extensions
        .key_usage
        .is_some_and(|usage| !usage.digital_signature())
    {
        return Err(refused("its key usage has no digitalSignature"));
    }
    check_common(&leaf, now)?;
    if leaf.starts_at.until(leaf.expires_at) > MAX_LEAF_TTL {
        return Err(refused(
            "it lives longer than five years; nobody can take back what a leaked key signs until \
             then",
        ));
    }
    let end = leaf.expires_at.min(authority.expires_at);
    if now.until(end) < LEAST_LEFT {
        Err(refused("its authority ends within a day"))
    } else {
        Ok(end)
    }
}

/// Checks all that registries check of an authority, and returns its end.
///
/// # Errors
///
/// `InvalidParameter` that names the rule which the authority breaks.
pub fn check_authority(der: &[u8], now: Timestamp) -> Result<Timestamp> {
    let authority = Certificate::parse(der).ok_or_else(|| refused("it can't be read"))?;
    if !authority.extensions.is_authority {
        return Err(refused(
            "it is not an authority's: it needs basicConstraints CA:TRUE",
        ));
    }
    if authority
        .extensions
        .key_usage
        .is_some_and(|usage| !usage.key_cert_sign())
    {
        return Err(refused("its key usage has no keyCertSign"));
    }
    match authority.public_key_kind() {
        Some(PublicKeyKind::Ec) => {}
        Some(PublicKeyKind::Rsa(bits)) if (2048..=8192).contains(&bits) => {}
        Some(PublicKeyKind::Rsa(bits)) => {
            return Err(refused(&format!(
                "its RSA key has {bits} bits; 2048 to 8192 are taken"
            )));
        }
        None => {
            return Err(refused(
                "its key is neither RSA nor on P-256, P-384 or P-521; Distribution 2 doesn't start \
                 with another one in its bundle",
            ));
        }
    }
    check_common(&authority, now)?;
    Ok(authority.expires_at)
}

fn check_common(certificate: &Certificate<'_>, now: Timestamp) -> Result<()> {
    if certificate.extensions.unknown_critical {
        return Err(refused(
            "it has a critical extension besides basicConstraints, keyUsage and extendedKeyUsage",
        ));
    }
    if certificate.starts_at > now {
        return Err(refused(&format!(
            "it begins only at {}",
            certificate.starts_at.rfc3339()
        )));
    }
    if now.until(certificate.expires_at) < LEAST_LEFT {
        return Err(refused(&format!(
            "it ends at {}, within a day or in the past",
            certificate.expires_at.rfc3339()
        )));
    }
    Ok(())
}

fn refused(why: &str) -> Error {
    Error::invalid_parameter(
        "certificate",
        format!("Registries would refuse this certificate, or it is the wrong one: {why}."),
    )
}

#[cfg(test)]
mod tests {
    use rcgen::{
        BasicConstraints, CertifiedIssuer, CustomExtension, ExtendedKeyUsagePurpose, KeyPair,
    };
    use time::OffsetDateTime;

    use super::*;
    use crate::domain::instance::Algorithm;

    const NOW: Timestamp = Timestamp::from_unix_seconds(1_735_787_045);

    /// Other properties of a certificate.
    type Change = fn(&mut CertificateParams);

    fn days(count: i64) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(NOW.unix_seconds() + count * 86_400).unwrap()
    }

    fn own_params(name: &str) -> CertificateParams {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        (params.not_before, params.not_after) = (days(-1), days(400));
        params
    }

    fn authority(change: impl FnOnce(&mut CertificateParams)) -> CertifiedIssuer<'static, KeyPair> {
        let mut params = own_params("own");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        change(&mut params);
        CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
    }

    fn leaf(
        pair: &SigningKeyPair,
        authority: &CertifiedIssuer<'static, KeyPair>,
        change: impl FnOnce(&mut CertificateParams),
    ) -> Vec<u8> {
        let mut params = own_params("leaf");
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.not_after = days(300);
        change(&mut params);
        params.signed_by(pair, authority).unwrap().der().to_vec()
    }

    fn unknown_critical(params: &mut CertificateParams) {
        let mut extension =
            CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 99999], vec![5, 0]);
        extension.set_criticality(true);
        params.custom_extensions = vec![extension];
    }

    fn refusal(outcome: Result<Timestamp>) -> String {
        outcome.expect_err("it was taken").message().to_owned()
    }

    #[test]
    fn a_leaf_is_taken_when_registries_would_and_else_the_reason_is_given() {
        let own = authority(|_| {});
        let pair = SigningKeyPair::generate(Algorithm::Es256).unwrap();
        let check = |change: Change| check_leaf(&leaf(&pair, &own, change), own.der(), NOW);
        let usual = check(|_| {}).unwrap();
        assert_eq!(usual.unix_seconds(), days(300).unix_timestamp());
        // Registries look at nothing of this.
        check(|params| params.key_usages = Vec::new()).unwrap();
        check(|params| params.is_ca = IsCa::NoCa).unwrap();
        check(|params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth])
            .unwrap();
        // Nobody believes a leaf longer than its authority.
        assert_eq!(
            check(|params| params.not_after = days(900))
                .unwrap()
                .unix_seconds(),
            days(400).unix_timestamp()
        );
        let cases: [(Change, &str); 7] = [
            (
                |params| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained),
                "CA:TRUE",
            ),
            (
                |params| params.key_usages = vec![KeyUsagePurpose::KeyEncipherment],
                "digitalSignature",
            ),
            (unknown_critical, "critical extension"),
            (
                |params| params.not_before = days(1),
                "it begins only at 2025-01-03",
            ),
            (|params| params.not_after = days(0), "within a day"),
            (|params| params.not_after = days(-1), "in the past"),
            (|params| params.not_after = days(3000), "five years"),
        ];
        for (change, why) in cases {
            let message = refusal(check(change));
            assert!(message.contains(why), "{message}");
        }
        let another = authority(|_| {});
        assert!(
            refusal(check_leaf(&leaf(&pair, &own, |_| {}), another.der(), NOW))
                .contains("didn't sign")
        );
        assert!(
            check_leaf(b"", own.der(), NOW).is_err()
                && check_leaf(&leaf(&pair, &own, |_| {}), b"", NOW).is_err()
        );
        assert!(is_of_key(&leaf(&pair, &own, |_| {}), pair.public_der()));
        assert!(!is_of_key(own.der(), pair.public_der()));
    }

    #[test]
    fn an_authority_is_taken_when_registries_would_and_else_the_reason_is_given() {
        let check = |change: Change| check_authority(authority(change).der(), NOW);
        assert_eq!(
            check(|_| {}).unwrap().unix_seconds(),
            days(400).unix_timestamp()
        );
        check(|params| params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0))).unwrap();
        check(|params| params.key_usages = Vec::new()).unwrap();
        let cases: [(Change, &str); 5] = [
            (|params| params.is_ca = IsCa::ExplicitNoCa, "CA:TRUE"),
            (
                |params| params.key_usages = vec![KeyUsagePurpose::CrlSign],
                "keyCertSign",
            ),
            (unknown_critical, "critical extension"),
            (|params| params.not_before = days(1), "begins only"),
            (|params| params.not_after = days(0), "within a day"),
        ];
        for (change, why) in cases {
            let message = refusal(check(change));
            assert!(message.contains(why), "{message}");
        }
        let mut params = own_params("ed");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
        let ed25519 = CertifiedIssuer::self_signed(params, key).unwrap();
        assert!(refusal(check_authority(ed25519.der(), NOW)).contains("neither RSA nor"));
    }

    #[test]
    fn a_leaf_by_every_sort_of_authority_is_verified() {
        let pair = SigningKeyPair::generate(Algorithm::Rs256).unwrap();
        for algorithm in [
            &rcgen::PKCS_ECDSA_P256_SHA256,
            &rcgen::PKCS_ECDSA_P384_SHA384,
            &rcgen::PKCS_RSA_SHA256,
            &rcgen::PKCS_RSA_SHA512,
        ] {
            let mut params = own_params("own");
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            let own =
                CertifiedIssuer::self_signed(params, KeyPair::generate_for(algorithm).unwrap())
                    .unwrap();
            check_authority(own.der(), NOW).unwrap();
            let mut der = leaf(&pair, &own, |_| {});
            check_leaf(&der, own.der(), NOW).unwrap();
            let last = der.len() - 1;
            der[last] ^= 1;
            assert!(!is_issued_by(&der, own.der()));
        }
    }

    #[test]
    fn a_file_holds_one_certificate_in_either_form() {
        let own = authority(|_| {});
        let der = own.der().to_vec();
        assert_eq!(read_certificate(&der).unwrap(), der);
        assert_eq!(
            read_certificate(format!("Subject: own\n{}", own.pem()).as_bytes()).unwrap(),
            der
        );
        assert_eq!(
            read_certificate(own.pem().replace('\n', "\r\n").as_bytes()).unwrap(),
            der
        );
        for bad in [
            "",
            "-----BEGIN CERTIFICATE-----",
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----",
            &own.pem().repeat(2),
        ] {
            assert!(
                read_certificate(bad.as_bytes()).is_err(),
                "{bad:?} was taken"
            );
        }
    }

    #[test]
    fn a_request_is_for_the_keys_own_certificate() {
        for algorithm in Algorithm::ALL {
            let pem = signing_request(&SigningKeyPair::generate(algorithm).unwrap()).unwrap();
            assert!(
                pem.starts_with("-----BEGIN CERTIFICATE REQUEST-----"),
                "{pem}"
            );
        }
    }
}
