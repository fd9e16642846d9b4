//! Asks a running service whether it is ready.

use std::path::PathBuf;

use http::{HeaderMap, StatusCode};
use url::Url;

use super::endpoint::outgoing;
use crate::domain::{Error, Result};

/// The most bytes of an answer, which names all that is wrong.
const MAX_ANSWER: usize = 64 << 10;

/// Asks `/readyz` at a service's URL.
///
/// # Errors
/// `Misconfigured` when nobody answers, or the service isn't ready, with its answer.
pub async fn ask(base: &str, ca_file: Option<PathBuf>) -> Result<()> {
    let url = Url::parse(&format!("{}/readyz", base.trim_end_matches('/')))
        .map_err(|error| Error::invalid_parameter("endpoint", error.to_string()))?;
    let answer = outgoing(ca_file)
        .get(&url, HeaderMap::new(), MAX_ANSWER)
        .await
        .map_err(|failure| {
            Error::misconfigured(format!("{base} does not answer")).caused_by(failure)
        })?;
    if answer.status() == StatusCode::OK {
        return Ok(());
    }
    Err(Error::misconfigured(format!(
        "{base} is not ready: it answered {} {}",
        answer.status(),
        String::from_utf8_lossy(answer.body()).trim_end()
    )))
}

/// Asks for a token at a service's URL without saying for what, and returns the status of the
/// answer: the service answers 400.
///
/// # Errors
/// `Misconfigured` when nobody answers.
pub async fn token_endpoint(base: &str, ca_file: Option<PathBuf>) -> Result<StatusCode> {
    let url = Url::parse(&format!("{}/token", base.trim_end_matches('/')))
        .map_err(|error| Error::invalid_parameter("public_url", error.to_string()))?;
    let answer = outgoing(ca_file)
        .get(&url, HeaderMap::new(), MAX_ANSWER)
        .await
        .map_err(|failure| {
            Error::misconfigured(format!("{url} does not answer")).caused_by(failure)
        })?;
    Ok(answer.status())
}
