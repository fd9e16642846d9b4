//! Headers that carry a signature.

use std::time::UNIX_EPOCH;

use http::HeaderMap;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName};

use super::{Method, check_access_key_id};
use crate::domain::clock::Timestamp;
use crate::domain::credential::Cloud;
use crate::domain::{Error, Result};

/// The most headers that one signature may cover; SDKs sign about a dozen.
const MAX_SIGNED_HEADERS: usize = 64;

/// The clouds' own headers. A name that is given as text is parsed anew at every look.
pub(super) mod name {
    use http::header::HeaderName;

    pub(crate) static CONTENT_MD5: HeaderName = HeaderName::from_static("content-md5");
    pub(crate) static X_TC_ACTION: HeaderName = HeaderName::from_static("x-tc-action");
    pub(crate) static X_TC_CONTENT_SHA256: HeaderName =
        HeaderName::from_static("x-tc-content-sha256");
    pub(crate) static X_TC_LANGUAGE: HeaderName = HeaderName::from_static("x-tc-language");
    pub(crate) static X_TC_REGION: HeaderName = HeaderName::from_static("x-tc-region");
    pub(crate) static X_TC_REQUEST_CLIENT: HeaderName =
        HeaderName::from_static("x-tc-requestclient");
    pub(crate) static X_TC_TIMESTAMP: HeaderName = HeaderName::from_static("x-tc-timestamp");
    pub(crate) static X_TC_TOKEN: HeaderName = HeaderName::from_static("x-tc-token");
    pub(crate) static X_TC_VERSION: HeaderName = HeaderName::from_static("x-tc-version");
    pub(crate) static X_ACS_ACTION: HeaderName = HeaderName::from_static("x-acs-action");
    pub(crate) static X_ACS_CONTENT_SHA256: HeaderName =
        HeaderName::from_static("x-acs-content-sha256");
    pub(crate) static X_ACS_DATE: HeaderName = HeaderName::from_static("x-acs-date");
    pub(crate) static X_ACS_SECURITY_TOKEN: HeaderName =
        HeaderName::from_static("x-acs-security-token");
    pub(crate) static X_ACS_SIGNATURE_METHOD: HeaderName =
        HeaderName::from_static("x-acs-signature-method");
    pub(crate) static X_ACS_SIGNATURE_NONCE: HeaderName =
        HeaderName::from_static("x-acs-signature-nonce");
    pub(crate) static X_ACS_SIGNATURE_TYPE: HeaderName =
        HeaderName::from_static("x-acs-signature-type");
    pub(crate) static X_ACS_SIGNATURE_VERSION: HeaderName =
        HeaderName::from_static("x-acs-signature-version");
    pub(crate) static X_ACS_VERSION: HeaderName = HeaderName::from_static("x-acs-version");
    pub(crate) static X_AMZ_CONTENT_SHA256: HeaderName =
        HeaderName::from_static("x-amz-content-sha256");
    pub(crate) static X_AMZ_DATE: HeaderName = HeaderName::from_static("x-amz-date");
    pub(crate) static X_AMZ_SECURITY_TOKEN: HeaderName =
        HeaderName::from_static("x-amz-security-token");
    pub(crate) static X_AMZ_TARGET: HeaderName = HeaderName::from_static("x-amz-target");
}

/// The facts of a header-signed request before its body is read: enough to refuse strangers and
/// stale requests cheaply, and nothing to be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Preview<'a> {
    /// How it is signed.
    pub method: Method,
    /// The access key's id as the client named it.
    pub access_key_id: &'a str,
    /// The session token that came with it.
    pub session_token: Option<&'a str>,
    /// The time that the client wrote into it.
    pub signed_at: Timestamp,
    /// The fields of the Authorization header, where it has some, so that the scheme's reader need
    /// not find them again.
    pub(super) fields: Option<Fields<'a>>,
}

/// Returns a header that may come once only, without the spaces around it; an empty one counts as
/// none.
pub(super) fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(Error::malformed_authorization(format!(
            "The header {name} comes more than once."
        )));
    }
    match value.to_str() {
        Ok(text) => Ok(Some(text.trim_ascii()).filter(|text| !text.is_empty())),
        Err(_) => Err(Error::malformed_authorization(format!(
            "The header {name} is not plain text."
        ))),
    }
}

/// Returns the Authorization header.
pub(super) fn authorization(headers: &HeaderMap) -> Result<&str> {
    single(headers, &AUTHORIZATION)?
        .ok_or_else(|| Error::malformed_authorization("The Authorization header is missing."))
}

/// Returns whether a body is a form.
pub(super) fn is_form(headers: &HeaderMap) -> Result<bool> {
    Ok(is_form_type(
        single(headers, &CONTENT_TYPE)?
            .unwrap_or_default()
            .as_bytes(),
    ))
}

/// Returns whether a Content-Type is a form's, whatever its parameters say.
pub fn is_form_type(content_type: &[u8]) -> bool {
    let media_type = content_type
        .split(|byte| *byte == b';')
        .next()
        .unwrap_or_default();
    media_type
        .trim_ascii()
        .eq_ignore_ascii_case(b"application/x-www-form-urlencoded")
}

/// Reads an HTTP date.
pub(super) fn http_date(text: &str) -> Result<Timestamp> {
    let date = httpdate::parse_http_date(text)
        .ok()
        .and_then(|date| date.duration_since(UNIX_EPOCH).ok());
    let seconds = date.and_then(|since| i64::try_from(since.as_secs()).ok());
    seconds.map(Timestamp::from_unix_seconds).ok_or_else(|| {
        Error::malformed_time("as an HTTP date, such as Fri, 03 Jan 2025 04:04:17 GMT")
    })
}

/// `Credential=.., SignedHeaders=.., Signature=..`: the part of the Authorization of TC3,
/// ACS3 and AWS4 that follows the algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fields<'a> {
    pub(super) credential: &'a str,
    pub(super) signed_headers: &'a str,
    pub(super) signature: &'a str,
}

impl<'a> Fields<'a> {
    /// Reads the fields in any order, each exactly once.
    pub(super) fn parse(text: &'a str) -> Result<Self> {
        let (mut credential, mut signed_headers, mut signature) = (None, None, None);
        for field in text.split(',') {
            let (name, value) = field.trim_ascii().split_once('=').ok_or_else(malformed)?;
            let place = match name {
                "Credential" => &mut credential,
                "SignedHeaders" => &mut signed_headers,
                "Signature" => &mut signature,
                _ => return Err(malformed()),
            };
            if place.replace(value).is_some() {
                return Err(malformed());
            }
        }
        match (credential, signed_headers, signature) {
            (Some(credential), Some(signed_headers), Some(signature)) => Ok(Self {
                credential,
                signed_headers,
                signature,
            }),
            _ => Err(malformed()),
        }
    }
}

fn malformed() -> Error {
    Error::malformed_authorization(
        "The Authorization header needs Credential, SignedHeaders and Signature, each once.",
    )
}

/// Checks the list of signed headers: lower-case names, each once, `required` among them.
pub(super) fn signed_names<'a>(list: &'a str, required: &[&str]) -> Result<Vec<&'a str>> {
    let names: Vec<&str> = list.split(';').take(MAX_SIGNED_HEADERS + 1).collect();
    if names.len() > MAX_SIGNED_HEADERS {
        return Err(Error::malformed_authorization(format!(
            "At most {MAX_SIGNED_HEADERS} headers can be signed."
        )));
    }
    for (place, name) in names.iter().enumerate() {
        let token = |byte: u8| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_'
        };
        if name.is_empty() || !name.bytes().all(token) {
            return Err(Error::malformed_authorization(
                "SignedHeaders is a list of lower-case header names, divided by semicolons.",
            ));
        }
        if names[..place].contains(name) {
            return Err(Error::malformed_authorization(format!(
                "SignedHeaders names {name} twice."
            )));
        }
    }
    match required.iter().find(|needed| !names.contains(needed)) {
        Some(missing) => Err(Error::malformed_authorization(format!(
            "SignedHeaders must name {missing}."
        ))),
        None => Ok(names),
    }
}

impl<'a> Preview<'a> {
    /// Makes a preview of these parts and of the header with the session token; nothing of a
    /// malformed access key's id, which isn't worth a look-up.
    pub(super) fn new(
        method: Method,
        access_key_id: &'a str,
        signed_at: Timestamp,
        headers: &'a HeaderMap,
        fields: Option<Fields<'a>>,
    ) -> Option<Self> {
        let session_token = match method.cloud() {
            Cloud::Tencent => single(headers, &name::X_TC_TOKEN),
            Cloud::Alibaba => single(headers, &name::X_ACS_SECURITY_TOKEN),
            Cloud::Aws => single(headers, &name::X_AMZ_SECURITY_TOKEN),
        };
        let access_key_id = check_access_key_id(access_key_id).ok()?;
        Some(Self {
            method,
            access_key_id,
            session_token: session_token.ok()?,
            signed_at,
            fields,
        })
    }

    /// Returns the fields of the Authorization header, if this method's preview found them.
    pub(super) fn fields_of(self, method: Method) -> Option<Fields<'a>> {
        self.fields.filter(|_| self.method == method)
    }
}
