//! Reads as much of a certificate as this service must know of its own (RFC 5280, DER).

use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::domain::clock::Timestamp;

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OBJECT_IDENTIFIER: u8 = 0x06;
const UTF8_STRING: u8 = 0x0c;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const VERSION: u8 = 0xa0;
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];

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
                (2 + count, self.0.get(2..2 + count)?.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)))
            }
            _ => return None,
        };
        if found != tag {
            return None;
        }
        let (whole, rest) = self.0.split_at_checked(head + length)?;
        self.0 = rest;
        Some(Element { whole, content: &whole[head..] })
    }

    fn inside(&mut self, tag: u8) -> Option<Self> {
        Some(Self(self.take(tag)?.content))
    }

    /// Takes a bit string of whole bytes.
    fn bits(&mut self) -> Option<&'a [u8]> {
        self.take(BIT_STRING)?.content.strip_prefix(&[0])
    }
}

/// What is read of a certificate; each name and key is a whole DER element.
pub(super) struct Certificate<'a> {
    signed: &'a [u8],
    pub(super) issuer: &'a [u8],
    pub(super) subject: &'a [u8],
    pub(super) expires_at: Timestamp,
    /// The SubjectPublicKeyInfo.
    pub(super) public_key: &'a [u8],
    signature: &'a [u8],
}

impl<'a> Certificate<'a> {
    /// Reads a certificate; `None` when it isn't one.
    pub(super) fn parse(der: &'a [u8]) -> Option<Self> {
        let mut outer = Elements(der);
        let mut parts = outer.inside(SEQUENCE)?;
        let signed = parts.take(SEQUENCE)?;
        parts.take(SEQUENCE)?;
        let signature = parts.bits()?;
        let mut fields = Elements(signed.content);
        fields.take(VERSION)?;
        fields.take(INTEGER)?;
        fields.take(SEQUENCE)?;
        let issuer = fields.take(SEQUENCE)?.whole;
        let mut validity = fields.inside(SEQUENCE)?;
        time(&mut validity)?;
        let expires_at = time(&mut validity)?;
        let subject = fields.take(SEQUENCE)?.whole;
        let public_key = fields.take(SEQUENCE)?.whole;
        let complete = outer.0.is_empty() && parts.0.is_empty();
        complete.then_some(Self { signed: signed.whole, issuer, subject, expires_at, public_key, signature })
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

    /// Tells whether `issuer`, whose key is a P-256 one, signed this certificate.
    pub(super) fn is_issued_by(&self, issuer: &Certificate<'_>) -> bool {
        self.issuer == issuer.subject
            && UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, issuer.public_key).verify(self.signed, self.signature).is_ok()
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
        std::str::from_utf8(elements.take(GENERALIZED_TIME)?.content).ok()?.split_at_checked(2)?
    };
    let part = |from: usize| rest.get(from..from + 2);
    let (year, month, day) = (part(0)?, part(2)?, part(4)?);
    let (hour, minute, second) = (part(6)?, part(8)?, part(10)?);
    if rest.get(12..)? != "Z" {
        return None;
    }
    Timestamp::parse_rfc3339(&format!("{century}{year}-{month}-{day}T{hour}:{minute}:{second}Z"))
}

/// Returns modulus and exponent of an RSAPublicKey (RFC 8017, A.1.1) without leading zeros.
pub(super) fn rsa_components(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut parts = Elements(der).inside(SEQUENCE)?;
    // An integer whose first bit is set has a zero before it, or it would be negative.
    let mut positive = || parts.take(INTEGER).map(|element| element.content.strip_prefix(&[0]).unwrap_or(element.content));
    Some((positive()?, positive()?))
}

/// Writes a certificate as PEM (RFC 7468).
pub(super) fn pem(der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let mut pem = String::with_capacity(text.len() + text.len() / 64 + 64);
    pem.push_str("-----BEGIN CERTIFICATE-----\n");
    for (place, letter) in text.chars().enumerate() {
        if place > 0 && place % 64 == 0 {
            pem.push('\n');
        }
        pem.push(letter);
    }
    pem.push_str("\n-----END CERTIFICATE-----\n");
    pem
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
        assert_eq!(read_time(UTC_TIME, "450102030405Z").as_deref(), Some("2045-01-02T03:04:05Z"));
        assert_eq!(read_time(UTC_TIME, "990102030405Z").as_deref(), Some("1999-01-02T03:04:05Z"));
        assert_eq!(read_time(GENERALIZED_TIME, "20510102030405Z").as_deref(), Some("2051-01-02T03:04:05Z"));
        for bad in ["", "Z", "450102030405", "450102030405+0000", "451302030405Z", "4501020304Z", "45é02030405Z"] {
            assert_eq!(read_time(UTC_TIME, bad), None, "{bad:?} was taken");
        }
    }

    #[test]
    fn lengths_of_every_size_are_read() {
        for (length, head) in [(5, vec![0x30, 5]), (200, vec![0x30, 0x81, 200]), (300, vec![0x30, 0x82, 1, 44])] {
            let bytes = [head, vec![7; length]].concat();
            assert_eq!(Elements(&bytes).take(SEQUENCE).map(|element| element.content.len()), Some(length));
            assert!(Elements(&bytes[..bytes.len() - 1]).take(SEQUENCE).is_none());
        }
        assert!(Elements(&[0x30, 0x80]).take(SEQUENCE).is_none(), "an indefinite length is not DER");
    }

    #[test]
    fn pem_has_lines_of_64_characters() {
        assert_eq!(pem(&[0; 3]), "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
        assert!(pem(&[0; 48]).contains(&format!("\n{}\n-----END", "A".repeat(64))));
        assert!(pem(&[0; 51]).contains(&format!("\n{}\nAAAA\n-----END", "A".repeat(64))));
    }

    proptest! {
        #[test]
        fn reading_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Certificate::parse(&bytes);
            let _ = rsa_components(&bytes);
        }
    }
}
