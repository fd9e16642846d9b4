//! The input of a call of ECR.

use serde::de::DeserializeOwned;

use crate::domain::{Error, Result};

/// Reads the input of an operation of ECR. Members that it doesn't have are let pass, as AWS does.
///
/// # Errors
///
/// `MalformedRequest` for a body that isn't its JSON.
pub(super) fn input<T: DeserializeOwned>(body: &[u8]) -> Result<T> {
    let body = if body.is_empty() { &b"{}"[..] } else { body };
    serde_json::from_slice(body).map_err(|error| {
        // The parser's own words could repeat what the client sent.
        Error::malformed_request(format!(
            "The body is not the JSON of this operation, at line {} and column {}.",
            error.line(),
            error.column()
        ))
    })
}
