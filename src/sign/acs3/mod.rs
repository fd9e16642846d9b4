//! Alibaba Cloud's ACS3-HMAC-SHA256 (V3): the default of its present SDKs, for RPC and ROA products
//! alike.
//!
//! The client chooses which headers it signs; those that say what is asked must be among them,
//! whatever its list says. The variants with SM3 and RSA are refused by name.

use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};

use super::headers::{self, Fields, Preview, name};
use super::parameters::Parameters;
use super::{
    KeyForm, Keyed, Method, Proof, Request, Signer, ToSign, Unverified, check_access_key_id,
    check_nonce, decode_hex_signature, hex_of, parse_alibaba_time, sha256,
};
use crate::domain::clock::Timestamp;
use crate::domain::{Error, Result};

/// The scheme's name at the wire.
pub(super) const ALGORITHM: &str = "ACS3-HMAC-SHA256";

/// The headers that must be signed.
///
/// Divergence: the vendor's documents ask for every common header; these are the ones that matter.
const REQUIRED: [&str; 6] = [
    "host",
    "x-acs-action",
    "x-acs-version",
    "x-acs-date",
    "x-acs-signature-nonce",
    "x-acs-content-sha256",
];

/// An ACS3-signed request.
#[derive(Debug)]
pub struct Read {
    /// The signature, to be verified before anything else here counts.
    pub unverified: Unverified,
    /// `x-acs-action`.
    pub action: String,
    /// `x-acs-version`.
    pub version: String,
    /// The parameters of query and form body.
    pub parameters: Parameters,
}

/// Reads a request.
///
/// # Errors
///
/// `MalformedAuthorization` and others, for a request that the scheme doesn't allow.
pub fn read(request: &Request<'_>) -> Result<Read> {
    read_previewed(request, None)
}

/// Reads a request whose headers were looked at before.
///
/// # Errors
///
/// Those of [`read`].
pub fn read_previewed<'a>(request: &Request<'a>, preview: Option<Preview<'a>>) -> Result<Read> {
    let headers = request.headers;
    let known = preview.and_then(|preview| preview.fields_of(Method::Acs3HmacSha256));
    let fields = known.map_or_else(|| fields(headers::authorization(headers)?), Ok)?;
    let access_key_id = check_access_key_id(fields.credential)?;
    let signature = decode_hex_signature(fields.signature)?;
    check_nothing_twice(headers)?;
    let session_token = headers::single(headers, &name::X_ACS_SECURITY_TOKEN)?;
    let names = headers::signed_names(fields.signed_headers, &REQUIRED)?;
    if session_token.is_some() {
        must_sign(&names, "x-acs-security-token")?;
    }
    let needed = |name: &HeaderName| {
        headers::single(headers, name)?.ok_or_else(|| Error::missing_parameter(name.as_str()))
    };
    let signed_at = parse_alibaba_time(needed(&name::X_ACS_DATE)?)?;
    let nonce = check_nonce(
        "x-acs-signature-nonce",
        needed(&name::X_ACS_SIGNATURE_NONCE)?,
    )?;
    let (action, version) = (needed(&name::X_ACS_ACTION)?, needed(&name::X_ACS_VERSION)?);
    let payload_hash = payload_hash(request.body, needed(&name::X_ACS_CONTENT_SHA256)?)?;
    let is_form = headers::is_form(headers)?;
    if !request.body.is_empty() && headers.contains_key(CONTENT_TYPE) {
        // It decides whether the body is parameters.
        must_sign(&names, "content-type")?;
    }
    let parameters = Parameters::parse_all([request.query.as_bytes()])?;
    let canonical = canonical_request(
        request,
        &names,
        fields.signed_headers,
        &parameters,
        &payload_hash,
    )?;
    let parameters = if is_form {
        Parameters::parse_all([request.query.as_bytes(), request.body])?
    } else {
        parameters
    };
    let unverified = Unverified {
        method: Method::Acs3HmacSha256,
        access_key_id: access_key_id.to_owned(),
        session_token: session_token.map(str::to_owned),
        signed_at,
        proof: Proof::Keyed(Keyed {
            form: KeyForm::PlainSha256,
            to_sign: ToSign::Written(vec![string_to_sign(&canonical)]),
            signature: signature.to_vec(),
            nonce: Some(nonce.to_owned()),
        }),
    };
    Ok(Read {
        unverified,
        action: action.to_owned(),
        version: version.to_owned(),
        parameters,
    })
}

/// Refuses an `x-acs-` header that comes more than once.
fn check_nothing_twice(headers: &HeaderMap) -> Result<()> {
    let twice = |name: &&HeaderName| {
        name.as_str().starts_with("x-acs-") && headers.get_all(*name).iter().nth(1).is_some()
    };
    // As many values as names: then nothing comes twice.
    if headers.len() != headers.keys_len()
        && let Some(name) = headers.keys().find(twice)
    {
        return Err(Error::malformed_authorization(format!(
            "The header {name} comes more than once."
        )));
    }
    Ok(())
}

fn must_sign(names: &[&str], name: &str) -> Result<()> {
    if names.contains(&name) {
        Ok(())
    } else {
        Err(Error::malformed_authorization(format!(
            "SignedHeaders must name {name}."
        )))
    }
}

/// Returns the hash of a body, which must be the one that the headers announce.
fn payload_hash(body: &[u8], announced: &str) -> Result<[u8; 64]> {
    let hash = hex_of(&sha256(body));
    if announced.as_bytes().eq_ignore_ascii_case(&hash) {
        Ok(hash)
    } else {
        Err(Error::malformed_authorization(
            "x-acs-content-sha256 is not the SHA-256 of the body.",
        ))
    }
}

/// Looks at a request before its body is read.
pub fn preview(headers: &HeaderMap) -> Option<Preview<'_>> {
    let fields = fields(headers::authorization(headers).ok()?).ok()?;
    let signed_at = parse_alibaba_time(headers::single(headers, &name::X_ACS_DATE).ok()??).ok()?;
    Preview::new(
        Method::Acs3HmacSha256,
        fields.credential,
        signed_at,
        headers,
        Some(fields),
    )
}

/// Returns the headers to add to `request`: `x-acs-*` and Authorization. Its own `content-type`,
/// `accept` and `x-acs-*` headers are signed with them.
///
/// # Errors
///
/// `InvalidParameter` for a value that a header can't hold, `MalformedAuthorization` for a header
/// that comes twice.
pub fn sign(
    request: &Request<'_>,
    action: &str,
    version: &str,
    signer: &Signer<'_>,
    signed_at: Timestamp,
    nonce: &str,
) -> Result<HeaderMap> {
    let payload_hash = hex_of(&sha256(request.body));
    let mut added = HeaderMap::new();
    let mut add = |name: &'static str, value: &str| -> Result<()> {
        added.insert(name, header_value(name, value)?);
        Ok(())
    };
    add("x-acs-action", action)?;
    add("x-acs-version", version)?;
    add("x-acs-date", &signed_at.rfc3339())?;
    add("x-acs-signature-nonce", nonce)?;
    add(
        "x-acs-content-sha256",
        &String::from_utf8_lossy(&payload_hash),
    )?;
    if let Some(token) = signer.session_token {
        add("x-acs-accesskey-id", signer.access_key_id)?;
        add("x-acs-security-token", token)?;
    }
    let mut headers = request.headers.clone();
    headers.extend(added.clone());
    let signs = |name: &HeaderName| {
        matches!(name.as_str(), "content-type" | "accept") || name.as_str().starts_with("x-acs-")
    };
    let mut names: Vec<&str> = headers
        .keys()
        .filter(|name| signs(name))
        .map(HeaderName::as_str)
        .collect();
    names.push("host");
    names.sort_unstable();
    let signed_headers = names.join(";");
    let whole = Request {
        headers: &headers,
        ..*request
    };
    let parameters = Parameters::parse(request.query.as_bytes())?;
    let canonical = canonical_request(&whole, &names, &signed_headers, &parameters, &payload_hash)?;
    let signature = hex::encode(
        signer
            .secret
            .sign(KeyForm::PlainSha256, &string_to_sign(&canonical)),
    );
    let authorization = format!(
        "{ALGORITHM} Credential={},SignedHeaders={signed_headers},Signature={signature}",
        signer.access_key_id
    );
    added.insert(
        "authorization",
        header_value("authorization", &authorization)?,
    );
    Ok(added)
}

/// Makes a header's value.
pub(super) fn header_value(name: &'static str, value: &str) -> Result<HeaderValue> {
    HeaderValue::from_str(value)
        .map_err(|_| Error::invalid_parameter(name, format!("{name} can't be sent as a header.")))
}

/// Cuts the algorithm off and reads the rest.
fn fields(authorization: &str) -> Result<Fields<'_>> {
    match authorization.split_once(' ') {
        Some((ALGORITHM, rest)) => Fields::parse(rest),
        Some((other, _)) if other.starts_with("ACS3-") => {
            Err(Error::signature_method_refused(other))
        }
        _ => Err(Error::malformed_authorization(
            "The Authorization header does not begin with ACS3-HMAC-SHA256.",
        )),
    }
}

fn string_to_sign(canonical_request: &[u8]) -> Vec<u8> {
    [
        ALGORITHM.as_bytes(),
        b"\n",
        &hex_of(&sha256(canonical_request)),
    ]
    .concat()
}

/// Writes the canonical request. `parameters` are the query's: SDKs put `+` or unescaped characters
/// on the wire and sign RFC 3986, so what was decoded is escaped anew.
fn canonical_request(
    request: &Request<'_>,
    names: &[&str],
    signed_headers: &str,
    parameters: &Parameters,
    payload_hash: &[u8; 64],
) -> Result<Vec<u8>> {
    let path = if request.path.is_empty() {
        "/"
    } else {
        request.path
    };
    let query = parameters.canonical_query();
    let mut text = Vec::with_capacity(1024);
    for line in [request.method, path, &query] {
        text.extend_from_slice(line.as_bytes());
        text.push(b'\n');
    }
    let mut sorted = names.to_vec();
    sorted.sort_unstable();
    for name in sorted {
        text.extend_from_slice(name.as_bytes());
        text.push(b':');
        write_values(request, name, &mut text)?;
        text.push(b'\n');
    }
    text.push(b'\n');
    text.extend_from_slice(signed_headers.as_bytes());
    text.push(b'\n');
    text.extend_from_slice(payload_hash);
    Ok(text)
}

/// Writes the values of a signed header, sorted, with commas between them.
fn write_values(request: &Request<'_>, name: &str, text: &mut Vec<u8>) -> Result<()> {
    if name == "host" {
        text.extend_from_slice(request.host.as_bytes());
        return Ok(());
    }
    let mut values = request
        .headers
        .get_all(name)
        .iter()
        .map(|value| value.as_bytes().trim_ascii());
    match (values.next(), values.next()) {
        (None, _) => {
            return Err(Error::malformed_authorization(format!(
                "The signed header {name} is missing."
            )));
        }
        (Some(only), None) => text.extend_from_slice(only),
        (Some(first), Some(second)) => {
            let mut all: Vec<&[u8]> = [first, second].into_iter().chain(values).collect();
            all.sort_unstable();
            text.extend_from_slice(&all.join(&b','));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
