//! The marks by which a request is known as this API's, and as signed in one of its ways.

use http::{HeaderName, HeaderValue, header};

use super::envelope::Envelope;
use super::{Product, Scheme, Style};
use crate::http::door::Strength;
use crate::http::request::Head;

pub(super) static X_ACS_ACTION: HeaderName = HeaderName::from_static("x-acs-action");
pub(super) static X_ACS_VERSION: HeaderName = HeaderName::from_static("x-acs-version");
static X_ACS_BEARER_TOKEN: HeaderName = HeaderName::from_static("x-acs-bearer-token");

/// The marks of this API in a request. `x-acs-` headers alone are no scheme: clients that sign with
/// parameters send them too.
#[derive(Default)]
pub(super) struct Detected<'a> {
    pub(super) authorization: Option<Scheme>,
    pub(super) has_own_header: bool,
    has_bearer: bool,
    pub(super) names_key: bool,
    pub(super) has_signature: bool,
    has_own_parameter: bool,
    has_action: bool,
    version: Option<&'a str>,
    format: Option<&'a str>,
}

impl<'a> Detected<'a> {
    pub(super) fn of(head: &Head<'a>) -> Self {
        let headers = &head.parts.headers;
        let authorization = match headers
            .get(header::AUTHORIZATION)
            .map_or(&b""[..], HeaderValue::as_bytes)
        {
            text if text.starts_with(b"ACS3-") => Some(Scheme::Acs3),
            text if text.starts_with(b"acs ") => Some(Scheme::Roa),
            _ => None,
        };
        let mut detected = Self {
            authorization,
            has_own_header: headers.contains_key(&X_ACS_ACTION)
                || headers.contains_key(&X_ACS_VERSION),
            has_bearer: headers.contains_key(&X_ACS_BEARER_TOKEN),
            ..Self::default()
        };
        for (name, value) in head.parameters() {
            match name {
                b"AccessKeyId" => detected.names_key = true,
                b"Signature" => detected.has_signature = true,
                b"SignatureNonce" | b"SignatureVersion" => detected.has_own_parameter = true,
                b"BearerToken" => detected.has_bearer = true,
                b"SignatureType" => detected.has_bearer |= value == b"BEARERTOKEN",
                b"Action" => detected.has_action = true,
                b"Version" => detected.version = std::str::from_utf8(value).ok(),
                b"Format" => detected.format = std::str::from_utf8(value).ok(),
                _ => {}
            }
        }
        detected
    }

    /// Returns how the call is signed, and how sure that is; nothing of a request without marks.
    pub(super) fn scheme(&self) -> Option<(Strength, Scheme)> {
        if let Some(scheme) = self.authorization {
            Some((Strength::Authorization, scheme))
        } else if self.names_key {
            Some((Strength::AccessKey, Scheme::Rpc))
        } else if self.has_bearer {
            Some((Strength::OwnNames, Scheme::Bearer))
        } else if self.has_own_header || self.has_own_parameter {
            Some((Strength::OwnNames, Scheme::Unsigned))
        } else if self.has_action || self.has_signature {
            Some((Strength::SharedParameters, Scheme::Unsigned))
        } else {
            None
        }
    }

    /// Returns the envelope of a call that is signed so.
    pub(super) fn envelope(&self, head: &Head<'_>, scheme: Scheme) -> Envelope {
        let version = head
            .parts
            .headers
            .get(&X_ACS_VERSION)
            .map_or(&b""[..], HeaderValue::as_bytes);
        let style = match scheme {
            Scheme::Roa => Style::Roa,
            Scheme::Rpc => Style::Rpc,
            Scheme::Acs3 | Scheme::Bearer | Scheme::Unsigned => Style::of_version(version),
        };
        let product = match scheme {
            Scheme::Acs3 | Scheme::Roa => Product::of_version(version),
            Scheme::Rpc | Scheme::Bearer | Scheme::Unsigned => {
                Product::of_version(self.version.map_or(version, str::as_bytes))
            }
        };
        Envelope::new(
            &head.parts.headers,
            self.format,
            style,
            product,
            head.host().unwrap_or_default(),
        )
    }
}
