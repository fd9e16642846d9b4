//! Tencent Cloud's TC3-HMAC-SHA256: what its SDKs use unless told otherwise.
//!
//! Every SDK signs the headers `content-type` and `host`, the raw query and the body; nothing signs
//! `X-TC-Action`, `X-TC-Version`, `X-TC-Region` and `X-TC-Token`. So a signature is bound to them
//! when it is first seen ([`Replay::Bound`]). Not covered either, because clients disagree about
//! it: the path (some sign `/` whatever they send), the host's port (one SDK leaves it out), and
//! the case of header values (the documents lower-case them, the SDKs don't). Nothing may be
//! decided by those.

mod canonical;

use std::sync::Arc;

use aws_lc_rs::{digest, hmac};
use http::HeaderMap;
use http::header::HeaderName;
use subtle::ConstantTimeEq;

use self::canonical::{Canonical, Variant};
use super::headers::{self, Fields, Preview, name};
use super::secret::Derivation;
use super::{
    Method, Proof as AnyProof, Replay, Request, Signer, SigningSecret, Unverified,
    check_access_key_id, decode_hex_signature, hex_of, parse_tencent_time, sha256,
};
use crate::domain::clock::Timestamp;
use crate::domain::{Error, Result};

/// The scheme's name at the wire.
pub(super) const ALGORITHM: &str = "TC3-HMAC-SHA256";

/// The end of every credential scope.
const TERMINATOR: &str = "tc3_request";

/// Announces in `X-TC-Content-SHA256` that the body isn't signed, and stands in for it.
const UNSIGNED_PAYLOAD: &str = "UNSIGNED-PAYLOAD";

/// A TC3-signed request.
#[derive(Debug)]
pub struct Read {
    /// The signature, to be verified before anything else here counts.
    pub unverified: Unverified,
    /// The service of the credential scope: a product's name, or from some clients a piece of the
    /// host (`127`, `localhost:8080`). It says nothing about what is asked.
    pub service: String,
    /// `X-TC-Action`.
    pub action: Option<String>,
    /// `X-TC-Version`.
    pub version: Option<String>,
    /// `X-TC-Region`.
    pub region: Option<String>,
    /// `X-TC-Language`: the language that messages should be in.
    pub language: Option<String>,
}

/// The text that a TC3 signature must be of, reduced to hashes.
pub(super) struct Proof {
    /// The timestamp as the client wrote it.
    timestamp: String,
    /// `YYYY-MM-DD/service/tc3_request`.
    credential_scope: String,
    /// Hashes of the canonical requests that would be accepted, the likeliest first.
    hashes: Vec<[u8; 32]>,
    signature: [u8; 32],
    bound: [u8; 32],
    covers_body: bool,
}

/// Reads a request.
///
/// # Errors
///
/// `MalformedRequest` for another method or a POST with a query; `MalformedAuthorization`,
/// `SignatureMethodRefused`, `MissingParameter` or `MalformedTime` for headers that can't be read.
pub fn read(request: &Request<'_>) -> Result<Read> {
    read_previewed(request, None)
}

/// Reads a request whose headers were looked at before.
///
/// # Errors
///
/// `MalformedRequest` for another method or a POST with a query; `MalformedAuthorization`,
/// `SignatureMethodRefused`, `MissingParameter` or `MalformedTime` for headers that can't be read.
pub fn read_previewed<'a>(request: &Request<'a>, preview: Option<Preview<'a>>) -> Result<Read> {
    check_method(request)?;
    let headers = request.headers;
    let known = preview.and_then(|preview| preview.fields_of(Method::Tc3HmacSha256));
    let fields = known.map_or_else(|| fields(headers::authorization(headers)?), Ok)?;
    let credential = Credential::parse(fields.credential)?;
    let names = headers::signed_names(fields.signed_headers, &["content-type", "host"])?;
    let signature = decode_hex_signature(fields.signature)?;
    let timestamp = headers::single(headers, &name::X_TC_TIMESTAMP)?
        .ok_or_else(|| Error::missing_parameter("Timestamp"))?;
    let signed_at = parse_tencent_time(timestamp)?;
    credential.check_date(signed_at)?;
    let text =
        |name: &HeaderName| Ok::<_, Error>(headers::single(headers, name)?.map(str::to_owned));
    let (action, version, region) = (
        text(&name::X_TC_ACTION)?,
        text(&name::X_TC_VERSION)?,
        text(&name::X_TC_REGION)?,
    );
    let (language, session_token) = (text(&name::X_TC_LANGUAGE)?, text(&name::X_TC_TOKEN)?);

    let unsigned_payload = has_unsigned_payload(headers)?;
    let canonical = Canonical {
        request,
        names: &names,
        signed_headers: fields.signed_headers,
        payload_hash: payload_hash(request.body, unsigned_payload),
    };
    let proof = Proof {
        timestamp: timestamp.to_owned(),
        credential_scope: credential.scope.to_owned(),
        hashes: canonical.hashes()?,
        signature,
        // A body that the signature leaves out could be exchanged like a header.
        bound: bound(
            [&action, &version, &region, &session_token],
            unsigned_payload.then_some(request.body),
        ),
        covers_body: !unsigned_payload,
    };
    let unverified = Unverified {
        method: Method::Tc3HmacSha256,
        access_key_id: credential.access_key_id.to_owned(),
        session_token,
        signed_at,
        proof: AnyProof::Tc3(proof),
    };
    Ok(Read {
        unverified,
        service: credential.service.to_owned(),
        action,
        version,
        region,
        language,
    })
}

fn check_method(request: &Request<'_>) -> Result<()> {
    match request.method {
        "GET" => Ok(()),
        "POST" if request.query.is_empty() => Ok(()),
        "POST" => Err(Error::malformed_request(
            "A POST request signed with TC3-HMAC-SHA256 has no query.",
        )),
        _ => Err(Error::malformed_request(
            "The request method must be GET or POST.",
        )),
    }
}

/// Tells whether a request's signature leaves its body out.
fn has_unsigned_payload(headers: &HeaderMap) -> Result<bool> {
    Ok(headers::single(headers, &name::X_TC_CONTENT_SHA256)? == Some(UNSIGNED_PAYLOAD))
}

fn payload_hash(body: &[u8], unsigned_payload: bool) -> [u8; 64] {
    hex_of(&sha256(if unsigned_payload {
        UNSIGNED_PAYLOAD.as_bytes()
    } else {
        body
    }))
}

/// Looks at a request before its body is read.
pub fn preview(headers: &HeaderMap) -> Option<Preview<'_>> {
    let fields = fields(headers::authorization(headers).ok()?).ok()?;
    let credential = Credential::parse(fields.credential).ok()?;
    let signed_at =
        parse_tencent_time(headers::single(headers, &name::X_TC_TIMESTAMP).ok()??).ok()?;
    Preview::new(
        Method::Tc3HmacSha256,
        credential.access_key_id,
        signed_at,
        headers,
        Some(fields),
    )
}

/// Returns the value of the Authorization header for `request`, which must have the headers that
/// `signed_headers` names, sorted: `content-type` and `host` at least.
///
/// The headers `X-TC-Timestamp` (`signed_at` in unix seconds), `X-TC-Token` and the others are the
/// caller's to set.
///
/// # Errors
///
/// `MalformedAuthorization` when a signed header is missing, comes twice or can't be read.
pub fn authorization(
    request: &Request<'_>,
    signed_headers: &str,
    service: &str,
    signer: &Signer<'_>,
    signed_at: Timestamp,
) -> Result<String> {
    let names = headers::signed_names(signed_headers, &["content-type", "host"])?;
    let canonical = Canonical {
        request,
        names: &names,
        signed_headers,
        payload_hash: payload_hash(request.body, has_unsigned_payload(request.headers)?),
    };
    let mut text = Vec::new();
    canonical.write(Variant::AS_SENT, &mut text)?;
    let date = signed_at.utc_date();
    let credential_scope = format!("{date}/{service}/{TERMINATOR}");
    let string = string_to_sign(
        &signed_at.unix_seconds().to_string(),
        &credential_scope,
        &sha256(&text),
    );
    let key = signer
        .secret
        .kept_key(&credential_scope)
        .unwrap_or_else(|| derive_key(signer.secret, &date, service));
    let signature = hmac::sign(&key, &string);
    let access_key_id = signer.access_key_id;
    Ok(format!(
        "{ALGORITHM} Credential={access_key_id}/{credential_scope}, \
         SignedHeaders={signed_headers}, Signature={}",
        hex::encode(signature.as_ref())
    ))
}

impl Proof {
    pub(super) fn signature(&self) -> [u8; 32] {
        self.signature
    }

    pub(super) fn verify(&self, secret: &SigningSecret) -> Result<Replay> {
        let (date, rest) = self.credential_scope.split_once('/').unwrap_or_default();
        let service = rest
            .strip_suffix(TERMINATOR)
            .and_then(|rest| rest.strip_suffix('/'))
            .unwrap_or_default();
        let kept = secret.kept_key(&self.credential_scope);
        let key = kept
            .clone()
            .unwrap_or_else(|| derive_key(secret, date, service));
        let fits = |hash| {
            let string = string_to_sign(&self.timestamp, &self.credential_scope, hash);
            bool::from(hmac::sign(&key, &string).as_ref().ct_eq(&self.signature))
        };
        if self.hashes.iter().any(fits) {
            if kept.is_none() {
                secret.keep_key(&self.credential_scope, &key);
            }
            Ok(Replay::Bound {
                signature: self.signature,
                bound: self.bound,
                covers_body: self.covers_body,
            })
        } else {
            let likeliest = self
                .hashes
                .first()
                .map(|hash| string_to_sign(&self.timestamp, &self.credential_scope, hash));
            Err(Error::signature_mismatch(String::from_utf8_lossy(
                &likeliest.unwrap_or_default(),
            )))
        }
    }

    #[cfg(any(test, feature = "fuzzing"))]
    pub(super) fn covers_body(&self) -> bool {
        self.covers_body
    }

    #[cfg(any(test, feature = "fuzzing"))]
    pub(super) fn strings_to_sign(&self) -> Vec<Vec<u8>> {
        self.hashes
            .iter()
            .map(|hash| string_to_sign(&self.timestamp, &self.credential_scope, hash))
            .collect()
    }
}

/// Cuts the algorithm off and reads the rest.
fn fields(authorization: &str) -> Result<Fields<'_>> {
    match authorization.split_once(' ') {
        Some((ALGORITHM, rest)) => Fields::parse(rest),
        Some((other, _)) if other.starts_with("TC3-") => {
            Err(Error::signature_method_refused(other))
        }
        _ => Err(Error::malformed_authorization(
            "The Authorization header does not begin with TC3-HMAC-SHA256.",
        )),
    }
}

/// `ID/YYYY-MM-DD/service/tc3_request`; the service may hold slashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Credential<'a> {
    access_key_id: &'a str,
    scope: &'a str,
    date: &'a str,
    service: &'a str,
}

impl<'a> Credential<'a> {
    fn parse(text: &'a str) -> Result<Self> {
        let parts = || {
            let (access_key_id, scope) = text.split_once('/')?;
            let (date, rest) = scope.split_once('/')?;
            let (service, terminator) = rest.rsplit_once('/')?;
            (terminator == TERMINATOR && !service.is_empty()).then_some(Self {
                access_key_id,
                scope,
                date,
                service,
            })
        };
        let parsed = parts().ok_or_else(|| {
            Error::malformed_authorization(
                "Credential is written SecretId/YYYY-MM-DD/service/tc3_request.",
            )
        })?;
        check_access_key_id(parsed.access_key_id)?;
        Ok(parsed)
    }

    fn check_date(&self, signed_at: Timestamp) -> Result<()> {
        if self.date == signed_at.utc_date() {
            return Ok(());
        }
        // The usual cause is a client that takes its local date.
        Err(Error::malformed_authorization(
            "The date in Credential is not the UTC date of X-TC-Timestamp.",
        ))
    }
}

fn derive_key(secret: &SigningSecret, date: &str, service: &str) -> Arc<hmac::Key> {
    secret.derive_key(Derivation {
        prefix: "TC3",
        parts: &[date, service, TERMINATOR],
    })
}

fn string_to_sign(timestamp: &str, credential_scope: &str, hash: &[u8; 32]) -> Vec<u8> {
    let mut string =
        Vec::with_capacity(ALGORITHM.len() + timestamp.len() + credential_scope.len() + 67);
    for line in [ALGORITHM, timestamp, credential_scope] {
        string.extend_from_slice(line.as_bytes());
        string.push(b'\n');
    }
    string.extend_from_slice(&hex_of(hash));
    string
}

/// Hashes what a signature is bound to; what isn't sent counts as empty. Lengths go before the
/// parts, or one part could lend bytes to the next.
fn bound(parts: [&Option<String>; 4], body: Option<&[u8]>) -> [u8; 32] {
    let mut text = Vec::with_capacity(128);
    for part in parts.map(|part| part.as_deref().unwrap_or_default()) {
        text.extend_from_slice(&(part.len() as u64).to_be_bytes());
        text.extend_from_slice(part.as_bytes());
    }
    let body = body.unwrap_or_default();
    text.extend_from_slice(&(body.len() as u64).to_be_bytes());
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(&text);
    context.update(body);
    let mut hash = [0; 32];
    hash.copy_from_slice(context.finish().as_ref());
    hash
}

#[cfg(test)]
mod tests;
