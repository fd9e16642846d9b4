//! The keys of an OpenID Connect issuer (OpenID Connect Discovery 1.0).

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use serde::Deserialize;
use url::Url;

use super::{Client, Failure};

/// The most bytes of either document.
const DOCUMENT_BYTES: usize = 256 << 10;

/// An issuer's keys as it gave them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchedKeys {
    /// The JWK set.
    pub jwks: String,
    /// For how long the issuer says that it stays as it is.
    pub max_age: Option<Duration>,
}

/// An issuer's description as it came, and from where.
pub(super) struct Described {
    pub(super) place: Url,
    pub(super) body: Bytes,
}

/// An issuer's description, as far as it is read for its keys.
#[derive(Deserialize)]
pub(super) struct Description {
    issuer: String,
    jwks_uri: String,
}

/// Reads an issuer's description and then its keys.
///
/// # Errors
///
/// Every [`Failure`] of the two requests; [`Failure::Unexpected`] when a document isn't the
/// issuer's own.
pub async fn fetch_keys(client: &Client, issuer: &str) -> Result<FetchedKeys, Failure> {
    let (_, description) = described(client, issuer).await?;
    let place = client.check_url(&description.jwks_uri)?;
    let answer = document(client, &place).await?;
    let max_age = max_age(answer.headers());
    let jwks = String::from_utf8(answer.into_body().into()).map_err(|_| Failure::Unexpected {
        url: place.to_string(),
        what: "with what is no text".to_owned(),
    })?;
    Ok(FetchedKeys { jwks, max_age })
}

/// Reads an issuer's description, and checks that it is the issuer's own; returns it as it came,
/// too.
pub(super) async fn described(
    client: &Client,
    issuer: &str,
) -> Result<(Described, Description), Failure> {
    let place = client.check_url(&format!(
        "{}/.well-known/openid-configuration",
        issuer.trim_end_matches('/')
    ))?;
    let answer = document(client, &place).await?;
    let unexpected = |what: String| Failure::Unexpected {
        url: place.to_string(),
        what,
    };
    let description: Description = serde_json::from_slice(answer.body())
        .map_err(|error| unexpected(format!("with no description of an issuer: {error}")))?;
    // To the letter (Discovery, 4.3): else one tenant could describe another.
    if description.issuer != issuer {
        return Err(unexpected(format!(
            "as another issuer: {:?}",
            description.issuer
        )));
    }
    let body = answer.into_body();
    Ok((Described { place, body }, description))
}

async fn document(client: &Client, url: &Url) -> Result<Response<Bytes>, Failure> {
    let accepted = HeaderMap::from_iter([(
        header::ACCEPT,
        HeaderValue::from_static("application/json, application/jwk-set+json"),
    )]);
    let answer = client.get(url, accepted, DOCUMENT_BYTES).await?;
    if answer.status() == StatusCode::OK {
        Ok(answer)
    } else {
        Err(Failure::Unexpected {
            url: url.to_string(),
            what: format!("{}", answer.status()),
        })
    }
}

/// Reads how long an answer may be kept: `max-age` of Cache-Control, or not at all (RFC 9111,
/// 5.2.2).
pub(super) fn max_age(headers: &HeaderMap) -> Option<Duration> {
    let lines = headers
        .get_all(header::CACHE_CONTROL)
        .iter()
        .filter_map(|line| line.to_str().ok());
    let directives: Vec<String> = lines
        .flat_map(|line| line.split(','))
        .map(|directive| directive.trim().to_ascii_lowercase())
        .collect();
    if directives
        .iter()
        .any(|directive| directive == "no-store" || directive == "no-cache")
    {
        return Some(Duration::ZERO);
    }
    let seconds = directives
        .iter()
        .find_map(|directive| directive.strip_prefix("max-age="))?;
    seconds
        .trim_matches('"')
        .parse()
        .ok()
        .map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cache_control_says_how_long_keys_may_be_kept() {
        for (lines, expected) in [
            (&[][..], None),
            (&["public, max-age=300"][..], Some(300)),
            (&["Max-Age=\"20\""], Some(20)),
            (&["public", "max-age=7"], Some(7)),
            (&["max-age=300, no-cache"], Some(0)),
            (&["no-store"], Some(0)),
            (&["max-age=soon"], None),
            (&["s-maxage=9"], None),
        ] {
            let headers = lines
                .iter()
                .map(|line| (header::CACHE_CONTROL, HeaderValue::from_static(line)))
                .collect();
            assert_eq!(
                max_age(&headers),
                expected.map(Duration::from_secs),
                "{lines:?}"
            );
        }
    }
}
