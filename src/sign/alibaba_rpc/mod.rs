//! Alibaba Cloud's RPC signature V1: HMAC-SHA1 in the parameters.
//!
//! Covered: the method and all parameters, wherever they stand. Not covered: path, host and
//! headers, the `x-acs-action` that SDKs send along too; nothing may be decided by those.

use std::sync::Arc;

use super::parameters::{Parameters, percent_encode};
use super::{
    KeyForm, Keyed, Method, Proof, Request, Signer, Unverified, check_access_key_id, check_nonce,
    decode_base64_signature, headers, parse_alibaba_time,
};
use crate::domain::clock::Timestamp;
use crate::domain::{Error, Result};

/// A request signed in its parameters.
#[derive(Debug)]
pub struct Read {
    /// The signature, to be verified before anything else here counts.
    pub unverified: Unverified,
    /// All parameters of query and form body, `Signature` taken out.
    pub parameters: Arc<Parameters>,
}

/// The parts of the string to sign.
pub(super) struct ToSign {
    method: String,
    parameters: Arc<Parameters>,
}

impl ToSign {
    /// Writes the string to sign.
    pub(super) fn string(&self) -> Vec<u8> {
        string_to_sign(&self.method, &self.parameters).into_bytes()
    }
}

/// Reads a request.
///
/// # Errors
///
/// `SignatureMethodRefused`, `MissingParameter`, `InvalidParameter`, `MalformedAuthorization`,
/// `MalformedTime` or `MalformedRequest`, by the part that can't be read.
pub fn read(request: &Request<'_>) -> Result<Read> {
    if !matches!(request.method, "GET" | "POST") {
        return Err(Error::malformed_request(
            "The request method must be GET or POST.",
        ));
    }
    if !request.body.is_empty() && !headers::is_form(request.headers)? {
        // The signature covers no body but a form.
        return Err(Error::malformed_request(
            "A body of this signature method is application/x-www-form-urlencoded.",
        ));
    }
    let mut parameters = Parameters::parse_all([request.query.as_bytes(), request.body])?;
    // The oldest SDK sends an empty SignatureType, which is signed like any other parameter. A
    // request of another kind has no access key, so this is told first.
    match parameters.get("SignatureType").unwrap_or_default() {
        "" => {}
        other => return Err(Error::signature_method_refused(other)),
    }
    let access_key_id = check_access_key_id(parameters.required("AccessKeyId")?)?.to_owned();
    let method = parameters.required("SignatureMethod")?;
    // One page of the vendor's documents writes Hmac-SHA1.
    if !method.eq_ignore_ascii_case(Method::AlibabaRpcHmacSha1.name()) {
        return Err(Error::signature_method_refused(method));
    }
    if parameters.required("SignatureVersion")? != "1.0" {
        return Err(Error::invalid_parameter(
            "SignatureVersion",
            "The parameter SignatureVersion must be 1.0.",
        ));
    }
    let signature = decode_base64_signature(parameters.required("Signature")?)?;
    let nonce = check_nonce("SignatureNonce", parameters.required("SignatureNonce")?)?.to_owned();
    let signed_at = parse_alibaba_time(parameters.required("Timestamp")?)?;
    parameters.take("Signature");
    let parameters = Arc::new(parameters);
    let to_sign = ToSign {
        method: request.method.to_owned(),
        parameters: Arc::clone(&parameters),
    };
    let unverified = Unverified {
        method: Method::AlibabaRpcHmacSha1,
        access_key_id,
        session_token: parameters
            .get("SecurityToken")
            .filter(|token| !token.is_empty())
            .map(str::to_owned),
        signed_at,
        proof: Proof::Keyed(Keyed {
            form: KeyForm::AmpersandSha1,
            to_sign: super::ToSign::AlibabaRpc(to_sign),
            signature,
            nonce: Some(nonce),
        }),
    };
    Ok(Read {
        unverified,
        parameters,
    })
}

/// Adds to `parameters` (which name `Action`, `Version` and so on) what signing needs, and the
/// signature. `method` is the HTTP method that they are sent with.
pub fn sign(
    method: &str,
    mut parameters: Parameters,
    signer: &Signer<'_>,
    signed_at: Timestamp,
    nonce: &str,
) -> Parameters {
    use base64::Engine;
    parameters.set("AccessKeyId", signer.access_key_id);
    parameters.set("SignatureMethod", Method::AlibabaRpcHmacSha1.name());
    parameters.set("SignatureVersion", "1.0");
    parameters.set("SignatureNonce", nonce);
    parameters.set("Timestamp", signed_at.rfc3339());
    if let Some(token) = signer.session_token {
        parameters.set("SecurityToken", token);
    }
    let signature = signer.secret.sign(
        KeyForm::AmpersandSha1,
        string_to_sign(method, &parameters).as_bytes(),
    );
    parameters.set(
        "Signature",
        base64::engine::general_purpose::STANDARD.encode(signature),
    );
    parameters
}

/// The path is always signed as `/`.
fn string_to_sign(method: &str, parameters: &Parameters) -> String {
    format!(
        "{method}&%2F&{}",
        percent_encode(&parameters.canonical_query())
    )
}

#[cfg(test)]
mod tests;
