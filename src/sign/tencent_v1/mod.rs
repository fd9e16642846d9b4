//! Tencent Cloud's older signature, in the parameters: HmacSHA1 and HmacSHA256.
//!
//! Covered: method, host, path and all parameters. The string to sign joins them unescaped, so a
//! value that holds `&` or `=` could be read as two parameters under the same signature; nothing
//! here can mend that, and there is no nonce check that clients could count on
//! ([`Replay::None`](super::Replay::None)).

use std::sync::Arc;

use super::parameters::Parameters;
use super::{
    KeyForm, Keyed, Method, Proof, Request, Signer, Unverified, check_access_key_id,
    decode_base64_signature, headers, parse_tencent_time,
};
use crate::domain::clock::Timestamp;
use crate::domain::{Error, Result};

/// A request signed in its parameters.
#[derive(Debug)]
pub struct Read {
    /// The signature, to be verified before anything else here counts.
    pub unverified: Unverified,
    /// All parameters of query and form, `Signature` taken out.
    pub parameters: Arc<Parameters>,
}

/// The parts of the strings to sign.
pub(super) struct ToSign {
    method: String,
    host: String,
    path: String,
    parameters: Arc<Parameters>,
}

/// Reads a request.
///
/// # Errors
///
/// `SignatureMethodRefused`, `MissingParameter`, `InvalidParameter`, `MalformedAuthorization`,
/// `MalformedTime` or `MalformedRequest`, by the part that can't be read.
pub fn read(request: &Request<'_>) -> Result<Read> {
    let form: &[u8] = match request.method {
        "GET" if request.body.is_empty() => b"",
        "GET" => return Err(Error::malformed_request("A GET request has no body.")),
        "POST" if request.body.is_empty() || headers::is_form(request.headers)? => request.body,
        // The signature covers no body but a form.
        "POST" => {
            return Err(Error::malformed_request(
                "A body of this signature method is application/x-www-form-urlencoded.",
            ));
        }
        _ => {
            return Err(Error::malformed_request(
                "The request method must be GET or POST.",
            ));
        }
    };
    let mut parameters = Parameters::parse_all([request.query.as_bytes(), form])?;
    // The SDKs always name the method; documents and an SDK's fallback take HmacSHA1 for the
    // default.
    let (method, form) = match parameters.get("SignatureMethod").unwrap_or_default() {
        "" | "HmacSHA1" => (Method::TencentHmacSha1, KeyForm::PlainSha1),
        "HmacSHA256" => (Method::TencentHmacSha256, KeyForm::PlainSha256),
        other => return Err(Error::signature_method_refused(other)),
    };
    let access_key_id = check_access_key_id(parameters.required("SecretId")?)?.to_owned();
    let signature = decode_base64_signature(parameters.required("Signature")?)?;
    // Divergence: whether the vendor remembers it is unknown; here it must be there, and may come
    // again.
    parameters.required("Nonce")?;
    let signed_at = parse_tencent_time(parameters.required("Timestamp")?)?;
    parameters.take("Signature");
    let parameters = Arc::new(parameters);
    let to_sign = ToSign {
        method: request.method.to_owned(),
        host: request.host.to_owned(),
        path: request.path.to_owned(),
        parameters: Arc::clone(&parameters),
    };
    let unverified = Unverified {
        method,
        access_key_id,
        session_token: parameters
            .get("Token")
            .filter(|token| !token.is_empty())
            .map(str::to_owned),
        signed_at,
        proof: Proof::Keyed(Keyed {
            form,
            to_sign: super::ToSign::TencentV1(to_sign),
            signature,
            nonce: None,
        }),
    };
    Ok(Read {
        unverified,
        parameters,
    })
}

/// Adds to `parameters` (which name `Action`, `Version` and so on) what signing needs, and the
/// signature.
///
/// # Errors
///
/// `SignatureMethodRefused` for a method of another scheme.
pub fn sign(
    request: &Request<'_>,
    mut parameters: Parameters,
    method: Method,
    signer: &Signer<'_>,
    signed_at: Timestamp,
    nonce: u64,
) -> Result<Parameters> {
    use base64::Engine;
    let form = match method {
        Method::TencentHmacSha1 => KeyForm::PlainSha1,
        Method::TencentHmacSha256 => KeyForm::PlainSha256,
        other => return Err(Error::signature_method_refused(other.name())),
    };
    parameters.set("SecretId", signer.access_key_id);
    parameters.set("SignatureMethod", method.name());
    parameters.set("Timestamp", signed_at.unix_seconds().to_string());
    parameters.set("Nonce", nonce.to_string());
    if let Some(token) = signer.session_token {
        parameters.set("Token", token);
    }
    let string = string_to_sign(
        request.method,
        request.host,
        request.path,
        &parameters,
        str::to_owned,
    );
    let signature = signer.secret.sign(form, string.as_bytes());
    parameters.set(
        "Signature",
        base64::engine::general_purpose::STANDARD.encode(signature),
    );
    Ok(parameters)
}

impl ToSign {
    /// Writes the strings to sign that are accepted: as documented, and as the Python SDK has it,
    /// which sorts the names and then writes `.` for `_` in them.
    pub(super) fn strings(&self) -> Vec<Vec<u8>> {
        let string = |name_as| {
            string_to_sign(
                &self.method,
                &self.host,
                &self.path,
                &self.parameters,
                name_as,
            )
            .into_bytes()
        };
        let mut strings = vec![string(str::to_owned)];
        if self.parameters.iter().any(|(name, _)| name.contains('_')) {
            strings.push(string(|name| name.replace('_', ".")));
        }
        strings
    }
}

fn string_to_sign(
    method: &str,
    host: &str,
    path: &str,
    parameters: &Parameters,
    name_as: fn(&str) -> String,
) -> String {
    let path = if path.is_empty() { "/" } else { path };
    let mut string = format!("{method}{host}{path}");
    for (place, (name, value)) in parameters.sorted().into_iter().enumerate() {
        string.push(if place == 0 { '?' } else { '&' });
        string.push_str(&name_as(name));
        string.push('=');
        string.push_str(value);
    }
    string
}

#[cfg(test)]
mod tests;
