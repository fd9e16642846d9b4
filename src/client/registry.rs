//! A registry as a log-in is tried at it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde::Deserialize;

use crate::client::endpoint::Endpoint;
use crate::domain::secret::Secret;
use crate::domain::url::HttpUrl;
use crate::domain::{Error, Result};
use crate::remote;

/// The most bytes of an answer.
const MAX_ANSWER: usize = 256 << 10;

/// The challenge of a registry: where it sends its clients for a token.
struct Challenge {
    realm: String,
    service: String,
}

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
    let token = challenge.token(client, username, secret).await?;
    let mut headers = HeaderMap::new();
    headers.insert(AUTHORIZATION, sensitive(&format!("Bearer {token}"))?);
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

fn sensitive(text: &str) -> Result<HeaderValue> {
    let mut value = HeaderValue::from_str(text).map_err(Error::internal)?;
    value.set_sensitive(true);
    Ok(value)
}

impl Challenge {
    fn read(headers: &HeaderMap) -> Option<Self> {
        headers.get_all(WWW_AUTHENTICATE).iter().find_map(|line| {
            let parameters = line.to_str().ok()?.strip_prefix("Bearer ")?;
            let value = |name: &str| {
                let (_, rest) = parameters.split_once(&format!("{name}=\""))?;
                rest.split_once('"').map(|(value, _)| value.to_owned())
            };
            Some(Self {
                realm: value("realm")?,
                service: value("service").unwrap_or_default(),
            })
        })
    }

    async fn token(
        &self,
        client: &remote::Client,
        username: &str,
        secret: &Secret,
    ) -> Result<String> {
        #[derive(Deserialize)]
        struct Answer {
            token: String,
        }
        let mut url = url::Url::parse(&self.realm).map_err(Error::internal)?;
        url.query_pairs_mut().append_pair("service", &self.service);
        let pair = STANDARD.encode(format!("{username}:{}", secret.expose()));
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, sensitive(&format!("Basic {pair}"))?);
        let answer = client
            .get(&url, headers, MAX_ANSWER)
            .await
            .map_err(|failure| {
                Error::misconfigured(format!("{} does not answer", self.realm)).caused_by(failure)
            })?;
        if answer.status() != StatusCode::OK {
            return Err(Error::misconfigured(format!(
                "the service answers {} to the log-in of {username:?} at {:?}; its log has the \
                 reason",
                answer.status(),
                self.service
            )));
        }
        let Answer { token } = serde_json::from_slice(answer.body())
            .map_err(|_| Error::misconfigured("the service's answer has no token"))?;
        Ok(token)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ErrorKind;

    #[test]
    fn a_challenge_is_read_wherever_it_stands() {
        let mut headers = HeaderMap::new();
        for line in [
            "Basic realm=\"registry\"",
            "Bearer realm=\"https://transire.example.com/token\",service=\"registry.example.com\"",
        ] {
            headers.append(WWW_AUTHENTICATE, HeaderValue::from_static(line));
        }
        let challenge = Challenge::read(&headers).unwrap();
        assert_eq!(
            (challenge.realm.as_str(), challenge.service.as_str()),
            ("https://transire.example.com/token", "registry.example.com")
        );
    }

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
