//! Alibaba Cloud's ROA signature V1: HMAC-SHA1 in the headers, for the Personal Edition's paths.
//!
//! Covered: method, path, query, `accept`, `content-md5`, `content-type`, `date` and every
//! `x-acs-*` header. A body would be covered through `content-md5` alone, which clients may leave
//! out, so a body is refused: no operation that is served has one. The query is signed unescaped: a
//! value that holds `&` or `=` could be read as two parameters.

use std::time::UNIX_EPOCH;

use http::header::{ACCEPT, CONTENT_TYPE, DATE, HeaderMap, HeaderName};

use super::headers::{self, Preview, name};
use super::parameters::Parameters;
use super::{
    KeyForm, Keyed, Method, Proof, Request, Signer, ToSign, Unverified, acs3, check_access_key_id,
    check_nonce, decode_base64_signature,
};
use crate::domain::clock::Timestamp;
use crate::domain::{Error, Result};

/// The Content-MD5 of no body, which pop-core sends on GET (MD5 of the empty message: RFC 1321,
/// A.5).
const NO_BODY_MD5: &str = "1B2M2Y8AsgTpgAmY7PhCfg==";

/// A ROA-signed request.
#[derive(Debug)]
pub struct Read {
    /// The signature, to be verified before anything else here counts.
    pub unverified: Unverified,
    /// The parameters of the query.
    pub parameters: Parameters,
}

/// Reads a request.
///
/// # Errors
///
/// `MalformedAuthorization`, `SignatureMethodRefused`, `MissingParameter`, `InvalidParameter`,
/// `MalformedTime` or `MalformedRequest`, by the part that can't be read.
pub fn read(request: &Request<'_>) -> Result<Read> {
    let headers = request.headers;
    let (access_key_id, signature) = credential(headers::authorization(headers)?)?;
    check_access_key_id(access_key_id)?;
    let signature = decode_base64_signature(signature)?;
    if let Some(kind) = headers::single(headers, &name::X_ACS_SIGNATURE_TYPE)? {
        return Err(Error::signature_method_refused(kind));
    }
    if let Some(method) = headers::single(headers, &name::X_ACS_SIGNATURE_METHOD)?
        && !method.eq_ignore_ascii_case(Method::AlibabaRoaHmacSha1.name())
    {
        return Err(Error::signature_method_refused(method));
    }
    if headers::single(headers, &name::X_ACS_SIGNATURE_VERSION)?
        .is_some_and(|version| version != "1.0")
    {
        return Err(Error::invalid_parameter(
            "x-acs-signature-version",
            "The header x-acs-signature-version must be 1.0.",
        ));
    }
    let signed_at = headers::http_date(
        headers::single(headers, &DATE)?.ok_or_else(|| Error::missing_parameter("Date"))?,
    )?;
    // The oldest SDK sends no nonce.
    let nonce = headers::single(headers, &name::X_ACS_SIGNATURE_NONCE)?;
    let nonce = nonce
        .map(|nonce| check_nonce("x-acs-signature-nonce", nonce))
        .transpose()?;
    // The signature covers a body through its MD5 alone, which the client may leave out.
    if !request.body.is_empty() {
        return Err(Error::malformed_request(
            "A request with this signature has no body here; sign with ACS3-HMAC-SHA256.",
        ));
    }
    if headers::single(headers, &name::CONTENT_MD5)?.is_some_and(|sent| sent != NO_BODY_MD5) {
        return Err(Error::malformed_authorization(
            "Content-MD5 is not the MD5 of the empty body.",
        ));
    }
    let session_token = headers::single(headers, &name::X_ACS_SECURITY_TOKEN)?.map(str::to_owned);
    let parameters = Parameters::parse(request.query.as_bytes())?;
    let unverified = Unverified {
        method: Method::AlibabaRoaHmacSha1,
        access_key_id: access_key_id.to_owned(),
        session_token,
        signed_at,
        proof: Proof::Keyed(Keyed {
            form: KeyForm::PlainSha1,
            to_sign: ToSign::Written(strings_to_sign(request, &parameters)?),
            signature,
            nonce: nonce.map(str::to_owned),
        }),
    };
    Ok(Read {
        unverified,
        parameters,
    })
}

/// Looks at a request before its body is read.
pub fn preview(headers: &HeaderMap) -> Option<Preview<'_>> {
    let (access_key_id, _) = credential(headers::authorization(headers).ok()?).ok()?;
    let signed_at = headers::http_date(headers::single(headers, &DATE).ok()??).ok()?;
    Preview::new(
        Method::AlibabaRoaHmacSha1,
        access_key_id,
        signed_at,
        headers,
        None,
    )
}

/// Returns the headers to add to `request`, whose own `accept`, `content-type` and `x-acs-*`
/// headers are signed with them. No nonce is what the oldest SDK sends.
///
/// # Errors
///
/// `InvalidParameter` for a value that a header can't hold, `MalformedAuthorization` for a header
/// that comes twice.
pub fn sign(
    request: &Request<'_>,
    version: &str,
    signer: &Signer<'_>,
    signed_at: Timestamp,
    nonce: Option<&str>,
) -> Result<HeaderMap> {
    use base64::Engine;
    let mut added = HeaderMap::new();
    let mut add = |name: &'static str, value: &str| -> Result<()> {
        added.insert(name, acs3::header_value(name, value)?);
        Ok(())
    };
    add("date", &format_date(signed_at))?;
    add("x-acs-version", version)?;
    add("x-acs-signature-method", Method::AlibabaRoaHmacSha1.name())?;
    add("x-acs-signature-version", "1.0")?;
    if let Some(nonce) = nonce {
        add("x-acs-signature-nonce", nonce)?;
    }
    if let Some(token) = signer.session_token {
        add("x-acs-security-token", token)?;
    }
    let mut headers = request.headers.clone();
    headers.extend(added.clone());
    let whole = Request {
        headers: &headers,
        ..*request
    };
    let string = string_to_sign(
        &whole,
        &Parameters::parse(request.query.as_bytes())?,
        EmptyValue::WithSign,
    )?;
    let signature = base64::engine::general_purpose::STANDARD
        .encode(signer.secret.sign(KeyForm::PlainSha1, &string));
    added.insert(
        "authorization",
        acs3::header_value(
            "authorization",
            &format!("acs {}:{signature}", signer.access_key_id),
        )?,
    );
    Ok(added)
}

/// Cuts `acs ID:SIGNATURE` apart.
fn credential(authorization: &str) -> Result<(&str, &str)> {
    let parts = authorization
        .strip_prefix("acs ")
        .and_then(|rest| rest.split_once(':'));
    parts.ok_or_else(|| {
        Error::malformed_authorization(
            "The Authorization header is written acs ACCESS_KEY_ID:SIGNATURE.",
        )
    })
}

/// Writes an HTTP date; times before 1970 and after 9999 have none and come out as the nearest that
/// has.
fn format_date(at: Timestamp) -> String {
    let seconds = u64::try_from(at.unix_seconds().clamp(0, super::LATEST)).unwrap_or_default();
    httpdate::fmt_http_date(UNIX_EPOCH + std::time::Duration::from_secs(seconds))
}

/// How a parameter without a value is signed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum EmptyValue {
    /// `k=`: Node and the oldest Python SDK.
    WithSign,
    /// `k`: the newer Python SDK.
    Bare,
}

fn strings_to_sign(request: &Request<'_>, parameters: &Parameters) -> Result<Vec<Vec<u8>>> {
    let mut strings = vec![string_to_sign(request, parameters, EmptyValue::WithSign)?];
    if parameters.iter().any(|(_, value)| value.is_empty()) {
        strings.push(string_to_sign(request, parameters, EmptyValue::Bare)?);
    }
    Ok(strings)
}

fn string_to_sign(
    request: &Request<'_>,
    parameters: &Parameters,
    empty_value: EmptyValue,
) -> Result<Vec<u8>> {
    let mut text = Vec::with_capacity(512);
    text.extend_from_slice(request.method.as_bytes());
    text.push(b'\n');
    for name in [&ACCEPT, &name::CONTENT_MD5, &CONTENT_TYPE, &DATE] {
        text.extend_from_slice(
            headers::single(request.headers, name)?
                .unwrap_or_default()
                .as_bytes(),
        );
        text.push(b'\n');
    }
    let mut names: Vec<&HeaderName> = request
        .headers
        .keys()
        .filter(|name| name.as_str().starts_with("x-acs-"))
        .collect();
    names.sort_unstable_by_key(|name| name.as_str());
    for name in names {
        let mut values = request.headers.get_all(name).iter();
        let value = values.next().map_or(&[][..], |value| value.as_bytes());
        if values.next().is_some() {
            return Err(Error::malformed_authorization(format!(
                "The header {name} comes more than once."
            )));
        }
        text.extend_from_slice(name.as_str().as_bytes());
        text.push(b':');
        text.extend_from_slice(value.trim_ascii());
        text.push(b'\n');
    }
    text.extend_from_slice(if request.path.is_empty() {
        b"/"
    } else {
        request.path.as_bytes()
    });
    for (place, (name, value)) in parameters.sorted().into_iter().enumerate() {
        text.push(if place == 0 { b'?' } else { b'&' });
        text.extend_from_slice(name.as_bytes());
        if !value.is_empty() || empty_value == EmptyValue::WithSign {
            text.push(b'=');
            text.extend_from_slice(value.as_bytes());
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests;
