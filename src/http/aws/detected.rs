//! The marks by which a request is known as this API's, and as signed in one of its ways.

use http::{HeaderName, HeaderValue, header};

use super::envelope::Envelope;
use super::operations::Operation;
use super::{ECR_TARGET, Product, STS_VERSION, Scheme};
use crate::http::door::Strength;
use crate::http::request::Head;

static X_AMZ_TARGET: HeaderName = HeaderName::from_static("x-amz-target");
static X_AMZ_DATE: HeaderName = HeaderName::from_static("x-amz-date");

/// The marks of this API in a request.
#[derive(Default)]
pub(super) struct Detected<'a> {
    pub(super) is_signed_in_header: bool,
    pub(super) has_own_header: bool,
    pub(super) names_key: bool,
    pub(super) has_signature: bool,
    target: Option<&'a [u8]>,
    has_json: bool,
    action: Option<&'a [u8]>,
    has_version: bool,
}

impl<'a> Detected<'a> {
    pub(super) fn of(head: &Head<'a>) -> Self {
        let headers = &head.parts.headers;
        let bytes = |name: &HeaderName| headers.get(name).map(HeaderValue::as_bytes);
        let authorization = bytes(&header::AUTHORIZATION).unwrap_or_default();
        let content_type = bytes(&header::CONTENT_TYPE).unwrap_or_default();
        let mut detected = Self {
            is_signed_in_header: authorization.starts_with(b"AWS4-"),
            has_own_header: headers.contains_key(&X_AMZ_TARGET)
                || headers.contains_key(&X_AMZ_DATE),
            target: bytes(&X_AMZ_TARGET),
            has_json: content_type.starts_with(b"application/x-amz-json-"),
            ..Self::default()
        };
        for (name, value) in head.parameters() {
            match name {
                b"X-Amz-Credential" => detected.names_key = true,
                b"X-Amz-Signature" | b"X-Amz-Algorithm" => detected.has_signature = true,
                b"Action" => detected.action = Some(value),
                b"Version" => detected.has_version = value == STS_VERSION.as_bytes(),
                _ => {}
            }
        }
        detected
    }

    /// Returns how the call is signed, and how sure that is; nothing of a request without marks.
    pub(super) fn scheme(&self) -> Option<(Strength, Scheme)> {
        if self.is_signed_in_header {
            Some((Strength::Authorization, Scheme::Headers))
        } else if self.names_key {
            Some((Strength::AccessKey, Scheme::Query))
        } else if self.has_signature {
            Some((Strength::OwnNames, Scheme::Query))
        } else if self.has_own_header || self.has_json {
            Some((Strength::OwnNames, Scheme::Unsigned))
        } else if self.action.is_some() && self.has_version {
            Some((Strength::Version, Scheme::Unsigned))
        } else {
            None
        }
    }

    /// Returns the shape of the answer: a call without a target is one of STS.
    pub(super) fn envelope(&self) -> Envelope {
        let product = if self.target.is_some() || self.has_json {
            Product::Ecr
        } else {
            Product::Sts
        };
        Envelope::new(product, self.operation().map(Operation::row))
    }

    /// Returns the operation that the call names.
    pub(super) fn operation(&self) -> Option<Operation> {
        let name = match self.target {
            Some(target) => target.strip_prefix(ECR_TARGET.as_bytes()),
            None => self.action,
        };
        let product = match self.target {
            Some(_) => Product::Ecr,
            None => Product::Sts,
        };
        Operation::named(product.name(), std::str::from_utf8(name?).ok()?)
    }
}
