//! Amazon Web Services' Signature Version 4 (AWS4-HMAC-SHA256), in headers or in a query.
//!
//! The client chooses which headers it signs. Those that say what is asked must be among them,
//! whatever its list says: a target, a session token, and the type of a body. Body, query and path
//! are covered, so a signature fits one request alone. There is no nonce: two equal calls of one
//! second are signed alike, and are served. SigV4a is refused by name.
//!
//! The time stands in `X-Amz-Date`, or in `Date` where that is missing. It is signed either way.

mod canonical;
mod presigned;
mod time;

use std::sync::Arc;

use aws_lc_rs::hmac;
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use subtle::ConstantTimeEq;

use self::canonical::Canonical;
pub use self::presigned::presign;
use self::time::{DAY, SignedTime, parse_time, write_time};
use super::acs3::header_value;
use super::headers::{self, Fields, Preview, name};
use super::parameters::Parameters;
use super::secret::Derivation;
use super::{
    Method, Proof as AnyProof, Replay, Request, Signer, SigningSecret, Unverified,
    check_access_key_id, decode_hex_signature, hex_of, sha256,
};
use crate::domain::clock::Timestamp;
use crate::domain::{Error, Result};

/// The scheme's name at the wire.
pub(super) const ALGORITHM: &str = "AWS4-HMAC-SHA256";
/// The parameter that holds the signature in a query, and is left out of what is signed.
const SIGNATURE: &str = "X-Amz-Signature";
/// The end of every credential scope.
const TERMINATOR: &str = "aws4_request";
/// The most characters of a region or a service.
const MAX_SCOPE_PART: usize = 64;

/// A request signed with Signature Version 4.
#[derive(Debug)]
pub struct Read {
    /// The signature, to be verified before anything else here counts.
    pub unverified: Unverified,
    /// The region of the credential scope.
    pub region: String,
    /// The service of the credential scope.
    pub service: String,
    /// `X-Amz-Target`: the operation of a JSON API.
    pub target: Option<String>,
    /// Whether the signature stands in the query.
    pub is_presigned: bool,
    /// The parameters of query and form body, those of the signature among them.
    pub parameters: Parameters,
}

/// The text that a signature must be of.
pub(super) struct Proof {
    /// The time as the client wrote it.
    date: String,
    /// `YYYYMMDD/region/service/aws4_request`.
    scope: String,
    /// Hash of the canonical request.
    hash: [u8; 32],
    signature: [u8; 32],
}

/// Reads a request: the signature of its Authorization header, or that of its query.
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
    let query = Parameters::parse(request.query.as_bytes())?;
    if presigned::is_presigned(&query) {
        return presigned::read(request, query);
    }
    let known = preview.and_then(|preview| preview.fields_of(Method::AwsSigV4));
    let fields = known.map_or_else(|| fields(headers::authorization(headers)?), Ok)?;
    let credential = Credential::parse(fields.credential)?;
    let signature = decode_hex_signature(fields.signature)?;
    let time = SignedTime::of(headers)?;
    let names = headers::signed_names(fields.signed_headers, &["host", time.header])?;
    let signed_at = credential.time(&time.date)?;
    let session_token = headers::single(headers, &name::X_AMZ_SECURITY_TOKEN)?;
    let target = headers::single(headers, &name::X_AMZ_TARGET)?;
    for (name, is_sent) in [
        ("x-amz-security-token", session_token.is_some()),
        ("x-amz-target", target.is_some()),
        // It decides whether the body is parameters.
        (
            "content-type",
            !request.body.is_empty() && headers.contains_key(CONTENT_TYPE),
        ),
    ] {
        if is_sent && !names.contains(&name) {
            return Err(Error::malformed_authorization(format!(
                "SignedHeaders must name {name}."
            )));
        }
    }
    let canonical = Canonical {
        request,
        names: &names,
        signed_headers: fields.signed_headers,
        query: &query,
        payload_hash: payload_hash(request)?,
    };
    let proof = credential.proof(&time.date, &canonical, signature)?;
    let parameters = if headers::is_form(headers)? {
        Parameters::parse_all([request.query.as_bytes(), request.body])?
    } else {
        query
    };
    Ok(Read {
        unverified: credential.unverified(session_token, signed_at, proof),
        region: credential.region.to_owned(),
        service: credential.service.to_owned(),
        target: target.map(str::to_owned),
        is_presigned: false,
        parameters,
    })
}

/// Looks at a request before its body is read; nothing of one that is signed in its query.
pub fn preview(headers: &HeaderMap) -> Option<Preview<'_>> {
    let fields = fields(headers::authorization(headers).ok()?).ok()?;
    let credential = Credential::parse(fields.credential).ok()?;
    let time = SignedTime::of(headers).ok()?;
    Preview::new(
        Method::AwsSigV4,
        credential.access_key_id,
        parse_time(&time.date).ok()?,
        headers,
        Some(fields),
    )
}

/// Returns the headers to add to `request`, which must name its host: time, session token and
/// Authorization. Its own `content-type` and `x-amz-*` headers are signed with them.
///
/// # Errors
///
/// `InvalidParameter` for a value that a header can't hold, `MalformedAuthorization` for a header
/// that can't be signed.
pub fn sign(
    request: &Request<'_>,
    (region, service): (&str, &str),
    signer: &Signer<'_>,
    signed_at: Timestamp,
) -> Result<HeaderMap> {
    let date = write_time(signed_at);
    let mut added = HeaderMap::new();
    added.insert(&name::X_AMZ_DATE, header_value("x-amz-date", &date)?);
    if let Some(token) = signer.session_token {
        let value = header_value("x-amz-security-token", token)?;
        added.insert(&name::X_AMZ_SECURITY_TOKEN, value);
    }
    let mut all = request.headers.clone();
    all.extend(added.clone());
    let mut names: Vec<&str> = all
        .keys()
        .map(http::HeaderName::as_str)
        .filter(|name| *name == "content-type" || name.starts_with("x-amz-"))
        .collect();
    names.push("host");
    names.sort_unstable();
    let signed_headers = names.join(";");
    let whole = Request {
        headers: &all,
        ..*request
    };
    let canonical = Canonical {
        request: &whole,
        names: &names,
        signed_headers: &signed_headers,
        query: &Parameters::parse(request.query.as_bytes())?,
        payload_hash: hex_of(&sha256(request.body)),
    };
    let scope = scope(&date, region, service);
    let signature = signature(signer.secret, &date, &scope, &canonical)?;
    let authorization = format!(
        "{ALGORITHM} Credential={}/{scope}, SignedHeaders={signed_headers}, Signature={signature}",
        signer.access_key_id
    );
    added.insert(
        http::header::AUTHORIZATION,
        header_value("authorization", &authorization)?,
    );
    Ok(added)
}

impl Proof {
    pub(super) fn signature(&self) -> [u8; 32] {
        self.signature
    }

    pub(super) fn string_to_sign(&self) -> Vec<u8> {
        string_to_sign(&self.date, &self.scope, &self.hash)
    }

    /// Checks the signature. Nothing that counts is left out of it, so it needs not be remembered
    /// with anything.
    pub(super) fn verify(&self, secret: &SigningSecret) -> Result<Replay> {
        let kept = secret.kept_key(&self.scope);
        let key = kept
            .clone()
            .unwrap_or_else(|| derive_key(secret, &self.scope));
        let string = self.string_to_sign();
        if !bool::from(hmac::sign(&key, &string).as_ref().ct_eq(&self.signature)) {
            return Err(Error::signature_mismatch(String::from_utf8_lossy(&string)));
        }
        if kept.is_none() {
            secret.keep_key(&self.scope, &key);
        }
        Ok(Replay::None)
    }
}

/// `ID/YYYYMMDD/region/service/aws4_request`; an id may hold slashes.
#[derive(Clone, Copy, Debug)]
struct Credential<'a> {
    access_key_id: &'a str,
    scope: &'a str,
    day: &'a str,
    region: &'a str,
    service: &'a str,
}

impl<'a> Credential<'a> {
    fn parse(text: &'a str) -> Result<Self> {
        let parts = || {
            let mut parts = text.rsplitn(5, '/');
            let terminator = parts.next()?;
            let (service, region, day) = (parts.next()?, parts.next()?, parts.next()?);
            let access_key_id = parts.next()?;
            let is_part = |part: &str| {
                (1..=MAX_SCOPE_PART).contains(&part.len())
                    && part
                        .bytes()
                        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
            };
            (terminator == TERMINATOR && is_part(service) && is_part(region)).then_some(Self {
                access_key_id,
                scope: &text[access_key_id.len() + 1..],
                day,
                region,
                service,
            })
        };
        let parsed = parts().ok_or_else(|| {
            Error::malformed_authorization(
                "Credential is written ACCESSKEYID/YYYYMMDD/region/service/aws4_request.",
            )
        })?;
        check_access_key_id(parsed.access_key_id)?;
        Ok(parsed)
    }

    /// Reads the request's time, whose day must be the scope's.
    fn time(&self, date: &str) -> Result<Timestamp> {
        let signed_at = parse_time(date)?;
        if date.starts_with(self.day) && self.day.len() == DAY {
            Ok(signed_at)
        } else {
            Err(Error::malformed_authorization(
                "The date in Credential is not the day of X-Amz-Date.",
            ))
        }
    }

    fn proof(&self, date: &str, canonical: &Canonical<'_>, signature: [u8; 32]) -> Result<Proof> {
        Ok(Proof {
            date: date.to_owned(),
            scope: self.scope.to_owned(),
            hash: sha256(&canonical.write()?),
            signature,
        })
    }

    fn unverified(
        &self,
        session_token: Option<&str>,
        signed_at: Timestamp,
        proof: Proof,
    ) -> Unverified {
        Unverified {
            method: Method::AwsSigV4,
            access_key_id: self.access_key_id.to_owned(),
            session_token: session_token.map(str::to_owned),
            signed_at,
            proof: AnyProof::SigV4(proof),
        }
    }
}

/// Cuts the algorithm off and reads the rest.
fn fields(authorization: &str) -> Result<Fields<'_>> {
    match authorization.split_once(' ') {
        Some((ALGORITHM, rest)) => Fields::parse(rest),
        Some((other, _)) if other.starts_with("AWS4-") => {
            Err(Error::signature_method_refused(other))
        }
        _ => Err(Error::malformed_authorization(
            "The Authorization header does not begin with AWS4-HMAC-SHA256.",
        )),
    }
}

/// Returns the hash of the body, which must be the one that a header announces.
fn payload_hash(request: &Request<'_>) -> Result<[u8; 64]> {
    let hash = hex_of(&sha256(request.body));
    match headers::single(request.headers, &name::X_AMZ_CONTENT_SHA256)? {
        Some(announced) if announced.as_bytes() != hash => Err(Error::malformed_authorization(
            "x-amz-content-sha256 is not the SHA-256 of the body; an unsigned body is not taken.",
        )),
        _ => Ok(hash),
    }
}

/// Writes the credential scope of a time, a region and a service.
fn scope(date: &str, region: &str, service: &str) -> String {
    format!("{}/{region}/{service}/{TERMINATOR}", &date[..DAY])
}

fn string_to_sign(date: &str, scope: &str, hash: &[u8; 32]) -> Vec<u8> {
    let mut string = Vec::with_capacity(ALGORITHM.len() + date.len() + scope.len() + 67);
    for line in [ALGORITHM, date, scope] {
        string.extend_from_slice(line.as_bytes());
        string.push(b'\n');
    }
    string.extend_from_slice(&hex_of(hash));
    string
}

fn derive_key(secret: &SigningSecret, scope: &str) -> Arc<hmac::Key> {
    let parts: Vec<&str> = scope.split('/').collect();
    secret.derive_key(Derivation {
        prefix: "AWS4",
        parts: &parts,
    })
}

/// Makes a signature, as lower-case hex.
fn signature(
    secret: &SigningSecret,
    date: &str,
    scope: &str,
    canonical: &Canonical<'_>,
) -> Result<String> {
    let string = string_to_sign(date, scope, &sha256(&canonical.write()?));
    let key = secret
        .kept_key(scope)
        .unwrap_or_else(|| derive_key(secret, scope));
    Ok(hex::encode(hmac::sign(&key, &string)))
}

#[cfg(test)]
mod tests;
