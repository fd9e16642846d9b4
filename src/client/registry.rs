//! A registry as a log-in is tried at it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::AUTHORIZATION;
use http::{HeaderMap, StatusCode};
use serde::Deserialize;

use crate::client::endpoint::Endpoint;
use crate::client::headers::{self, Challenge};
use crate::domain::secret::Secret;
use crate::domain::url::HttpUrl;
use crate::domain::{Error, Result};
use crate::remote;

/// The most bytes of an answer.
const MAX_ANSWER: usize = 256 << 10;

/// Logs in to a registry as its clients do, and sees it accept the token.
///
/// # Errors
/// `InvalidParameter` of `registry` for a registry that isn't taken; `Misconfigured` when it sends
/// its clients elsewhere than to `endpoint`, or the log-in is refused.
pub async fn verify(
    client: &remote::Client,
    endpoint: &Endpoint,
    registry: &str,
    username: &str,
    secret: &Secret,
) -> Result<()> {
    let url = base_url(registry)?;
    let silent =
        |failure| Error::misconfigured(format!("{registry} does not answer")).caused_by(failure);
    let ping = client
        .get(&url, HeaderMap::new(), MAX_ANSWER)
        .await
        .map_err(silent)?;
    if ping.status() == StatusCode::OK {
        return Err(Error::misconfigured(format!(
            "{registry} wants no log-in: everybody may do everything there"
        )));
    }
    let challenge = Challenge::read(ping.headers()).ok_or_else(|| {
        Error::misconfigured(format!(
            "{registry} does not send its clients to a token server (WWW-Authenticate: Bearer)"
        ))
    })?;
    // The registry may be anybody's: its word alone gets no secret of ours.
    if !endpoint.has_origin_of(&challenge.realm) {
        return Err(Error::misconfigured(format!(
            "{registry} sends its clients to {} and not to {endpoint}: nothing was sent there",
            challenge.realm
        )));
    }
    let token = token(&challenge, client, username, secret).await?;
    let mut headers = HeaderMap::new();
    headers.insert(AUTHORIZATION, headers::secret(&format!("Bearer {token}"))?);
    let answer = client
        .get(&url, headers, MAX_ANSWER)
        .await
        .map_err(silent)?;
    if answer.status() != StatusCode::OK {
        return Err(Error::misconfigured(format!(
            "{registry} answers {} to the service's token: does it trust the service's keys?",
            answer.status()
        )));
    }
    Ok(())
}

fn base_url(registry: &str) -> Result<url::Url> {
    let refuse = |why: &str| {
        Error::invalid_parameter("registry", format!("{registry:?} is no registry: {why}"))
    };
    let origin = format!("https://{registry}");
    let host = HttpUrl::parse(&origin).map_err(|fault| refuse(&fault.to_string()))?;
    if !host.path.is_empty() {
        return Err(refuse("write its host, and its port where it has one"));
    }
    let scheme = if host.is_loopback() { "http" } else { "https" };
    url::Url::parse(&format!("{scheme}://{registry}/v2/")).map_err(|_| refuse("it is no host"))
}

/// Asks the realm of a challenge for a token.
async fn token(
    challenge: &Challenge,
    client: &remote::Client,
    username: &str,
    secret: &Secret,
) -> Result<String> {
    #[derive(Deserialize)]
    struct Answer {
        token: String,
    }
    let mut url = url::Url::parse(&challenge.realm).map_err(Error::internal)?;
    url.query_pairs_mut()
        .append_pair("service", &challenge.service);
    let pair = STANDARD.encode(format!("{username}:{}", secret.expose()));
    let mut headers = HeaderMap::new();
    headers.insert(AUTHORIZATION, headers::secret(&format!("Basic {pair}"))?);
    let answer = client
        .get(&url, headers, MAX_ANSWER)
        .await
        .map_err(|failure| {
            Error::misconfigured(format!("{} does not answer", challenge.realm)).caused_by(failure)
        })?;
    if answer.status() != StatusCode::OK {
        return Err(Error::misconfigured(format!(
            "the service answers {} to the log-in of {username:?} at {:?}; its log has the \
             reason",
            answer.status(),
            challenge.service
        )));
    }
    let Answer { token } = serde_json::from_slice(answer.body())
        .map_err(|_| Error::misconfigured("the service's answer has no token"))?;
    Ok(token)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ErrorKind;

    #[test]
    fn a_registry_is_a_host_and_plain_http_is_for_this_machine() {
        for (registry, expected) in [
            ("registry.example.com", "https://registry.example.com/v2/"),
            (
                "registry.example.com:5000",
                "https://registry.example.com:5000/v2/",
            ),
            ("localhost:5000", "http://localhost:5000/v2/"),
            ("127.0.0.1:5000", "http://127.0.0.1:5000/v2/"),
        ] {
            assert_eq!(base_url(registry).unwrap().as_str(), expected);
        }
        for registry in [
            "",
            "https://registry.example.com",
            "registry.example.com/team",
            "a@b",
        ] {
            let error = base_url(registry).unwrap_err();
            assert!(
                matches!(error.kind(), ErrorKind::InvalidParameter { .. }),
                "{registry}"
            );
        }
    }
}
