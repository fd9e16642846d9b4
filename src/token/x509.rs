//! Reads as much of a certificate as this service must know of its own (RFC 5280, DER).

use aws_lc_rs::signature::{self, UnparsedPublicKey, VerificationAlgorithm};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use crate::domain::clock::Timestamp;

const BOOLEAN: u8 = 0x01;
const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OCTET_STRING: u8 = 0x04;
const OBJECT_IDENTIFIER: u8 = 0x06;
const UTF8_STRING: u8 = 0x0c;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const VERSION: u8 = 0xa0;
const EXTENSIONS: u8 = 0xa3;
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
const KEY_USAGE: &[u8] = &[0x55, 0x1d, 0x0f];
const BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 0x13];
const EXTENDED_KEY_USAGE: &[u8] = &[0x55, 0x1d, 0x25];
const RSA_ENCRYPTION: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01";
const EC_PUBLIC_KEY: &[u8] = b"\x2a\x86\x48\xce\x3d\x02\x01";
const P256: &[u8] = b"\x2a\x86\x48\xce\x3d\x03\x01\x07";
const P384: &[u8] = b"\x2b\x81\x04\x00\x22";
const P521: &[u8] = b"\x2b\x81\x04\x00\x23";

/// The signatures that are verified, by their object identifiers: none with SHA-1, which registries
/// refuse, and none with PSS or Ed25519, which Distribution 2 doesn't know. Which curve an ECDSA
/// key is on, the identifier doesn't say.
const SIGNATURES: &[(&[u8], &[&dyn VerificationAlgorithm])] = &[
    (
        b"\x2a\x86\x48\xce\x3d\x04\x03\x02",
        &[
            &signature::ECDSA_P256_SHA256_ASN1,
            &signature::ECDSA_P384_SHA256_ASN1,
            &signature::ECDSA_P521_SHA256_ASN1,
        ],
    ),
    (
        b"\x2a\x86\x48\xce\x3d\x04\x03\x03",
        &[
            &signature::ECDSA_P256_SHA384_ASN1,
            &signature::ECDSA_P384_SHA384_ASN1,
            &signature::ECDSA_P521_SHA384_ASN1,
        ],
    ),
    (
        b"\x2a\x86\x48\xce\x3d\x04\x03\x04",
        &[
            &signature::ECDSA_P256_SHA512_ASN1,
            &signature::ECDSA_P384_SHA512_ASN1,
            &signature::ECDSA_P521_SHA512_ASN1,
        ],
    ),
    (
        b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b",
        &[&signature::RSA_PKCS1_2048_8192_SHA256],
    ),
    (
        b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0c",
        &[&signature::RSA_PKCS1_2048_8192_SHA384],
    ),
    (
        b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0d",
        &[&signature::RSA_PKCS1_2048_8192_SHA512],
    ),
];

/// Elements that follow one another.
#[derive(Clone, Copy)]
struct Elements<'a>(&'a [u8]);

/// One element: all its bytes, and its content.
struct Element<'a> {
    whole: &'a [u8],
    content: &'a [u8],
}

impl<'a> Elements<'a> {
    /// Takes the next element, which must have this tag.
    fn take(&mut self, tag: u8) -> Option<Element<'a>> {
        let (found, length) = (*self.0.first()?, *self.0.get(1)?);
        let (head, length) = match length {
            0..=0x7f => (2, usize::from(length)),
            // The lengths of lengths that a certificate of at most 16 MiB needs.
            0x81..=0x83 => {
                let count = usize::from(length - 0x80);
                (
                    2 + count,
                    self.0
                        .get(2..2 + count)?
                        .iter()
                        .fold(0, |sum, byte| sum << 8 | usize::from(*byte)),
                )
            }
            _ => return None,
        };
        if found != tag {
            return None;
        }
        let (whole, rest) = self.0.split_at_checked(head + length)?;
        self.0 = rest;
        Some(Element {
            whole,
            content: &whole[head..],
        })
    }

    fn inside(&mut self, tag: u8) -> Option<Self> {
        Some(Self(self.take(tag)?.content))
    }

    /// Takes a bit string of whole bytes.
    fn bits(&mut self) -> Option<&'a [u8]> {
        self.take(BIT_STRING)?.content.strip_prefix(&[0])
    }
}

/// A certificate, as far as it is read; each name and key is a whole DER element.
pub(super) struct Certificate<'a> {
    signed: &'a [u8],
    pub(super) issuer: &'a [u8],
    pub(super) subject: &'a [u8],
    pub(super) starts_at: Timestamp,
    pub(super) expires_at: Timestamp,
    /// The SubjectPublicKeyInfo.
    pub(super) public_key: &'a [u8],
    pub(super) extensions: Extensions,
    signature_algorithm: &'a [u8],
    signature: &'a [u8],
}

/// The extensions that matter here.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Extensions {
    /// Whether it is an authority's.
    pub(super) is_authority: bool,
    /// The uses of the key, where it says so.
    pub(super) key_usage: Option<KeyUsage>,
    /// Whether one is critical that nobody here knows: registries refuse such a certificate.
    pub(super) unknown_critical: bool,
}

/// The uses of a key: the first bits of the first byte (RFC 5280, 4.2.1.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct KeyUsage(u8);

impl KeyUsage {
    pub(super) fn digital_signature(self) -> bool {
        self.0 & 0x80 != 0
    }

    pub(super) fn key_cert_sign(self) -> bool {
        self.0 & 0x04 != 0
    }
}

/// The sort of key that a certificate is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PublicKeyKind {
    /// RSA, with so many bits.
    Rsa(usize),
    /// On one of the three curves of NIST's that registries know.
    Ec,
}

impl Extensions {
    fn parse(mut list: Elements<'_>) -> Option<Self> {
        let mut read = Self::default();
        while !list.0.is_empty() {
            let mut extension = list.inside(SEQUENCE)?;
            let id = extension.take(OBJECT_IDENTIFIER)?.content;
            let critical =
                extension.0.first() == Some(&BOOLEAN) && extension.take(BOOLEAN)?.content != [0];
            let mut value = Elements(extension.take(OCTET_STRING)?.content);
            if id == BASIC_CONSTRAINTS {
                let mut constraints = value.inside(SEQUENCE)?;
                read.is_authority = constraints.0.first() == Some(&BOOLEAN)
                    && constraints.take(BOOLEAN)?.content != [0];
            } else if id == KEY_USAGE {
                // How many bits of the last byte are unused, then the bytes.
                read.key_usage = Some(KeyUsage(
                    value.take(BIT_STRING)?.content.get(1).copied().unwrap_or(0),
                ));
            } else if critical && id != EXTENDED_KEY_USAGE {
                read.unknown_critical = true;
            }
        }
        Some(read)
    }
}

impl<'a> Certificate<'a> {
    /// Reads a certificate; `None` when it isn't one.
    pub(super) fn parse(der: &'a [u8]) -> Option<Self> {
        let mut outer = Elements(der);
        let mut parts = outer.inside(SEQUENCE)?;
        let signed = parts.take(SEQUENCE)?;
        let algorithm = parts.take(SEQUENCE)?;
        let signature = parts.bits()?;
        let mut fields = Elements(signed.content);
        fields.take(VERSION)?;
        fields.take(INTEGER)?;
        // Registries refuse one that was signed in another way than it says inside.
        let same_algorithm = fields.take(SEQUENCE)?.whole == algorithm.whole;
        let issuer = fields.take(SEQUENCE)?.whole;
        let mut validity = fields.inside(SEQUENCE)?;
        let starts_at = time(&mut validity)?;
        let expires_at = time(&mut validity)?;
        let subject = fields.take(SEQUENCE)?.whole;
        let public_key = fields.take(SEQUENCE)?.whole;
        let extensions = if fields.0.is_empty() {
            Extensions::default()
        } else {
            Extensions::parse(fields.inside(EXTENSIONS)?.inside(SEQUENCE)?)?
        };
        let signature_algorithm = Elements(algorithm.content).take(OBJECT_IDENTIFIER)?.content;
        let complete = outer.0.is_empty() && parts.0.is_empty() && same_algorithm;
        complete.then_some(Self {
            signed: signed.whole,
            issuer,
            subject,
            starts_at,
            expires_at,
            public_key,
            extensions,
            signature_algorithm,
            signature,
        })
    }

    /// Returns what sort of key it is of; `None` for one that Distribution 2 doesn't know.
    pub(super) fn public_key_kind(&self) -> Option<PublicKeyKind> {
        let mut info = Elements(self.public_key).inside(SEQUENCE)?;
        let mut algorithm = info.inside(SEQUENCE)?;
        match algorithm.take(OBJECT_IDENTIFIER)?.content {
            RSA_ENCRYPTION => {
                let (modulus, _) = rsa_components(info.bits()?)?;
                Some(PublicKeyKind::Rsa(
                    modulus.len() * 8 - modulus.first()?.leading_zeros() as usize,
                ))
            }
            EC_PUBLIC_KEY => {
                let curve = algorithm.take(OBJECT_IDENTIFIER)?.content;
                [P256, P384, P521]
                    .contains(&curve)
                    .then_some(PublicKeyKind::Ec)
            }
            _ => None,
        }
    }

    /// Returns the subject's name when it is one common name in UTF-8 and nothing else.
    pub(super) fn common_name(&self) -> Option<&'a str> {
        let mut names = Elements(self.subject).inside(SEQUENCE)?;
        let mut attribute = names.inside(SET)?.inside(SEQUENCE)?;
        if attribute.take(OBJECT_IDENTIFIER)?.content != COMMON_NAME || !names.0.is_empty() {
            return None;
        }
        std::str::from_utf8(attribute.take(UTF8_STRING)?.content).ok()
    }

    /// Tells whether `issuer` signed this certificate, in a way that registries verify.
    pub(super) fn is_issued_by(&self, issuer: &Certificate<'_>) -> bool {
        let verifies = |algorithm: &'static dyn VerificationAlgorithm| {
            UnparsedPublicKey::new(algorithm, issuer.public_key)
                .verify(self.signed, self.signature)
                .is_ok()
        };
        let known = SIGNATURES
            .iter()
            .find(|(id, _)| *id == self.signature_algorithm);
        self.issuer == issuer.subject
            && known.is_some_and(|(_, algorithms)| {
                algorithms.iter().any(|algorithm| verifies(*algorithm))
            })
    }
}

/// Returns when a certificate in DER ends; `None` when it can't be read.
pub fn certificate_expires_at(der: &[u8]) -> Option<Timestamp> {
    Certificate::parse(der).map(|certificate| certificate.expires_at)
}

/// Reads a time, which RFC 5280 (4.1.2.5) writes to the second and in UTC.
fn time(elements: &mut Elements<'_>) -> Option<Timestamp> {
    let (century, rest) = if let Some(element) = elements.take(UTC_TIME) {
        let text = std::str::from_utf8(element.content).ok()?;
        (if text.get(..2)? < "50" { "20" } else { "19" }, text)
    } else {
        std::str::from_utf8(elements.take(GENERALIZED_TIME)?.content)
            .ok()?
            .split_at_checked(2)?
    };
    let part = |from: usize| rest.get(from..from + 2);
    let (year, month, day) = (part(0)?, part(2)?, part(4)?);
    let (hour, minute, second) = (part(6)?, part(8)?, part(10)?);
    if rest.get(12..)? != "Z" {
        return None;
    }
    Timestamp::parse_rfc3339(&format!(
        "{century}{year}-{month}-{day}T{hour}:{minute}:{second}Z"
    ))
}

/// Returns modulus and exponent of an RSAPublicKey (RFC 8017, A.1.1) without leading zeros.
pub(super) fn rsa_components(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut parts = Elements(der).inside(SEQUENCE)?;
    // An integer whose first bit is set has a zero before it, or it would be negative.
    let mut positive = || {
        parts.take(INTEGER).map(|element| {
            element
                .content
                .strip_prefix(&[0])
                .unwrap_or(element.content)
        })
    };
    Some((positive()?, positive()?))
}

/// Writes a certificate as PEM (RFC 7468).
pub(super) fn pem(der: &[u8]) -> String {
    pem_of("CERTIFICATE", der)
}

/// Writes anything as PEM under a label.
pub(super) fn pem_of(label: &str, der: &[u8]) -> String {
    // The whole at once: growing would leave copies of what may be a private key behind.
    let text = Zeroizing::new(STANDARD.encode(der));
    let mut pem = String::with_capacity(text.len() + text.len() / 64 + 64 + 2 * label.len());
    pem.push_str("-----BEGIN ");
    pem.push_str(label);
    pem.push_str("-----\n");
    for (place, letter) in text.chars().enumerate() {
        if place > 0 && place % 64 == 0 {
            pem.push('\n');
        }
        pem.push(letter);
    }
    pem.push_str("\n-----END ");
    pem.push_str(label);
    pem.push_str("-----\n");
    pem
}

/// Reads the one certificate of a PEM file, or a bare DER one; `None` when it holds none or
/// several.
pub(super) fn der_of_one_certificate(file: &[u8]) -> Option<Vec<u8>> {
    const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
    const END: &str = "-----END CERTIFICATE-----";
    let Some(text) = std::str::from_utf8(file)
        .ok()
        .filter(|text| text.contains(BEGIN))
    else {
        return Certificate::parse(file).map(|_| file.to_vec());
    };
    let (_, rest) = text.split_once(BEGIN)?;
    let (body, rest) = rest.split_once(END)?;
    if rest.contains(BEGIN) {
        return None;
    }
    STANDARD
        .decode(body.split_ascii_whitespace().collect::<String>())
        .ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read_time(tag: u8, text: &str) -> Option<String> {
        let bytes = [&[tag, text.len() as u8], text.as_bytes()].concat();
        time(&mut Elements(&bytes)).map(Timestamp::rfc3339)
    }

    #[test]
    fn both_forms_of_time_are_read() {
        assert_eq!(
            read_time(UTC_TIME, "450102030405Z").as_deref(),
            Some("2045-01-02T03:04:05Z")
        );
        assert_eq!(
            read_time(UTC_TIME, "990102030405Z").as_deref(),
            Some("1999-01-02T03:04:05Z")
        );
        assert_eq!(
            read_time(GENERALIZED_TIME, "20510102030405Z").as_deref(),
            Some("2051-01-02T03:04:05Z")
        );
        for bad in [
            "",
            "Z",
            "450102030405",
            "450102030405+0000",
            "451302030405Z",
            "4501020304Z",
            "45é02030405Z",
        ] {
            assert_eq!(read_time(UTC_TIME, bad), None, "{bad:?} was taken");
        }
    }

    #[test]
    fn lengths_of_every_size_are_read() {
        for (length, head) in [
            (5, vec![0x30, 5]),
            (200, vec![0x30, 0x81, 200]),
            (300, vec![0x30, 0x82, 1, 44]),
        ] {
            let bytes = [head, vec![7; length]].concat();
            assert_eq!(
                Elements(&bytes)
                    .take(SEQUENCE)
                    .map(|element| element.content.len()),
                Some(length)
            );
            assert!(Elements(&bytes[..bytes.len() - 1]).take(SEQUENCE).is_none());
        }
        assert!(
            Elements(&[0x30, 0x80]).take(SEQUENCE).is_none(),
            "an indefinite length is not DER"
        );
    }

    #[test]
    fn pem_has_lines_of_64_characters() {
        assert_eq!(
            pem(&[0; 3]),
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
        );
        assert!(pem(&[0; 48]).contains(&format!("\n{}\n-----END", "A".repeat(64))));
        assert!(pem(&[0; 51]).contains(&format!("\n{}\nAAAA\n-----END", "A".repeat(64))));
    }

    proptest! {
        #[test]
        fn reading_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Certificate::parse(&bytes);
            let _ = rsa_components(&bytes);
            let _ = der_of_one_certificate(&bytes);
            let _ = Extensions::parse(Elements(&bytes));
        }
    }
}
