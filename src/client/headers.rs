//! Headers that carry a secret, and the challenge that asks for one.

use http::header::WWW_AUTHENTICATE;
use http::{HeaderMap, HeaderValue};

use crate::domain::{Error, Result};

/// Makes a header of a text that no log may show.
///
/// # Errors
/// `Internal` for what can't be in a header.
pub(super) fn secret(text: &str) -> Result<HeaderValue> {
    let mut value = HeaderValue::from_str(text).map_err(Error::internal)?;
    value.set_sensitive(true);
    Ok(value)
}

/// The place where a registry sends its clients for a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// The token server's URL.
    pub realm: String,
    /// The service that the token is for; empty where the registry names none.
    pub service: String,
}

impl Challenge {
    /// Reads the Bearer challenge, wherever it stands among others.
    pub fn read(headers: &HeaderMap) -> Option<Self> {
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
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
