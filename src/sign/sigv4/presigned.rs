//! Signatures in a query: URLs that somebody else may call.

use super::canonical::Canonical;
use super::{ALGORITHM, Credential, Read, SIGNATURE, scope, signature, write_time};
use crate::domain::clock::Timestamp;
use crate::domain::{Error, Result};
use crate::sign::headers::{self, name};
use crate::sign::parameters::Parameters;
use crate::sign::{Request, Signer, decode_hex_signature, hex_of, sha256};

const ALGORITHM_NAME: &str = "X-Amz-Algorithm";
const CREDENTIAL: &str = "X-Amz-Credential";
const DATE: &str = "X-Amz-Date";
const EXPIRES: &str = "X-Amz-Expires";
const SIGNED_HEADERS: &str = "X-Amz-SignedHeaders";
const SECURITY_TOKEN: &str = "X-Amz-Security-Token";
/// The longest life that a client may write into a URL, in seconds: a week.
const MAX_EXPIRES: u32 = 604_800;

/// Tells whether a query carries a signature, or a part of one.
pub(super) fn is_presigned(query: &Parameters) -> bool {
    [SIGNATURE, CREDENTIAL, ALGORITHM_NAME]
        .into_iter()
        .any(|name| query.get(name).is_some())
}

/// Reads a request that is signed in its query. Such a one is a GET without a target, and its
/// session token stands in the query as well.
///
/// The life that it names changes nothing: like AWS's STS, this service takes it for the minutes
/// of the method's window (aws-iam-authenticator's documents say so).
pub(super) fn read(request: &Request<'_>, query: Parameters) -> Result<Read> {
    let headers = request.headers;
    let elsewhere = [
        &http::header::AUTHORIZATION,
        &name::X_AMZ_TARGET,
        &name::X_AMZ_SECURITY_TOKEN,
    ];
    if let Some(name) = elsewhere
        .into_iter()
        .find(|name| headers.contains_key(*name))
    {
        return Err(Error::malformed_authorization(format!(
            "The query is signed, so the header {name} has no place."
        )));
    }
    if request.method != "GET" {
        return Err(Error::malformed_authorization(
            "A request that is signed in its query is a GET.",
        ));
    }
    let algorithm = query.required(ALGORITHM_NAME)?;
    if algorithm != ALGORITHM {
        return Err(Error::signature_method_refused(algorithm));
    }
    let credential = Credential::parse(query.required(CREDENTIAL)?)?;
    let signature = decode_hex_signature(query.required(SIGNATURE)?)?;
    let date = query.required(DATE)?;
    let signed_at = credential.time(date)?;
    check_expires(query.required(EXPIRES)?)?;
    let signed_headers = query.required(SIGNED_HEADERS)?;
    let names = headers::signed_names(signed_headers, &["host"])?;
    let canonical = Canonical {
        request,
        names: &names,
        signed_headers,
        query: &query,
        payload_hash: hex_of(&sha256(request.body)),
    };
    let proof = credential.proof(date, &canonical, signature)?;
    let session_token = query.get(SECURITY_TOKEN).filter(|token| !token.is_empty());
    let unverified = credential.unverified(session_token, signed_at, proof);
    Ok(Read {
        unverified,
        region: credential.region.to_owned(),
        service: credential.service.to_owned(),
        target: None,
        is_presigned: true,
        parameters: query,
    })
}

fn check_expires(text: &str) -> Result<()> {
    let seconds = Some(text)
        .filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))
        .and_then(|text| text.parse().ok());
    match seconds {
        Some(1..=MAX_EXPIRES) => Ok(()),
        _ => Err(Error::invalid_parameter(
            EXPIRES,
            format!("X-Amz-Expires is 1 to {MAX_EXPIRES} seconds."),
        )),
    }
}

/// Returns the signed query of a GET with these parameters, which has no headers but its host.
///
/// # Errors
///
/// `MalformedAuthorization` for a request that can't be signed.
pub fn presign(
    request: &Request<'_>,
    (region, service): (&str, &str),
    signer: &Signer<'_>,
    signed_at: Timestamp,
    expires_seconds: u32,
) -> Result<String> {
    let date = write_time(signed_at);
    let scope = scope(&date, region, service);
    let mut query = Parameters::parse(request.query.as_bytes())?;
    query.set(ALGORITHM_NAME, ALGORITHM);
    query.set(CREDENTIAL, format!("{}/{scope}", signer.access_key_id));
    query.set(DATE, date.as_str());
    query.set(EXPIRES, expires_seconds.to_string());
    query.set(SIGNED_HEADERS, "host");
    if let Some(token) = signer.session_token {
        query.set(SECURITY_TOKEN, token);
    }
    let canonical = Canonical {
        request,
        names: &["host"],
        signed_headers: "host",
        query: &query,
        payload_hash: hex_of(&sha256(b"")),
    };
    let signature = signature(signer.secret, &date, &scope, &canonical)?;
    query.set(SIGNATURE, signature);
    Ok(query.encode())
}
