//! The parameters of a request for a token, and HTTP Basic.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use form_urlencoded::parse;
use http::request::Parts;
use http::{HeaderMap, header};

use crate::domain::jwt;
use crate::domain::secret::Secret;
use crate::domain::{Error, ErrorKind, Result};

/// The parameters of a request for a token, by query or by form.
#[derive(Default)]
pub(super) struct TokenRequest {
    service: Option<String>,
    /// Each may hold several scopes, divided by spaces: some clients repeat, some join, some do
    /// both.
    pub(super) scopes: Vec<String>,
    pub(super) account: Option<String>,
    pub(super) offline: bool,
    pub(super) grant_type: Option<String>,
    pub(super) username: Option<String>,
    pub(super) password: Option<Secret>,
    pub(super) refresh_token: Option<Secret>,
}

impl TokenRequest {
    /// Reads pairs; a name that can only be once and is twice, with different values, is refused.
    pub(super) fn read(encoded: &[u8]) -> Result<Self> {
        let mut request = Self::default();
        for (name, value) in parse(encoded) {
            match name.as_ref() {
                "scope" => request.scopes.push(value.into_owned()),
                "service" => once(&mut request.service, "service", value.into_owned())?,
                "account" => once(&mut request.account, "account", value.into_owned())?,
                "grant_type" => once(&mut request.grant_type, "grant_type", value.into_owned())?,
                "username" => once(&mut request.username, "username", value.into_owned())?,
                "password" => once_secret(&mut request.password, "password", value.into_owned())?,
                "refresh_token" => once_secret(
                    &mut request.refresh_token,
                    "refresh_token",
                    value.into_owned(),
                )?,
                "offline_token" => request.offline |= value == "true",
                "access_type" => request.offline |= value == "offline",
                // `client_id`, and others that clients will think of.
                _ => {}
            }
        }
        Ok(request)
    }

    /// Reads the query, without the credential that it may hold: it would stand in the logs of
    /// proxies, and nobody is to rely on it.
    pub(super) fn of_query(parts: &Parts) -> Result<Self> {
        let request = Self::read(parts.uri.query().unwrap_or_default().as_bytes())?;
        Ok(Self {
            grant_type: None,
            username: None,
            password: None,
            refresh_token: None,
            ..request
        })
    }

    pub(super) fn holds_credential(&self) -> bool {
        self.username.is_some() || self.password.is_some() || self.refresh_token.is_some()
    }

    pub(super) fn service(&self) -> Result<&str> {
        self.service.as_deref().filter(|service| !service.is_empty()).ok_or_else(|| {
            Error::new(
                ErrorKind::MissingParameter { name: "service".to_owned() },
                "The parameter service is missing: it is the service that the registry names in \
                 its challenge.",
            )
        })
    }
}

fn twice(name: &'static str) -> Error {
    Error::invalid_parameter(
        name,
        format!("The parameter {name} is given twice, with different values."),
    )
}

fn once(place: &mut Option<String>, name: &'static str, value: String) -> Result<()> {
    match place.replace(value) {
        Some(before) if place.as_ref() != Some(&before) => Err(twice(name)),
        _ => Ok(()),
    }
}

fn once_secret(place: &mut Option<Secret>, name: &'static str, value: String) -> Result<()> {
    match place {
        Some(before) if !before.matches(&value) => Err(twice(name)),
        _ => {
            *place = Some(Secret::new(value));
            Ok(())
        }
    }
}

/// Reads HTTP Basic. Only the first colon divides: an unreserved one can't be in a username, but a
/// password that someone chose may hold more.
pub(super) fn basic(headers: &HeaderMap) -> Result<Option<(String, Secret)>> {
    let malformed = || {
        Error::malformed_authorization(
            "Log in with HTTP Basic: the header Authorization can't be read.",
        )
    };
    let mut lines = headers.get_all(header::AUTHORIZATION).iter();
    let Some(line) = lines.next() else {
        return Ok(None);
    };
    if lines.next().is_some() {
        // Every reader could go by another one.
        return Err(Error::malformed_authorization(
            "Log in with one Authorization header: the request has several.",
        ));
    }
    let (scheme, encoded) = line
        .to_str()
        .ok()
        .and_then(|line| line.split_once(' '))
        .ok_or_else(malformed)?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return Err(malformed());
    }
    let decoded = STANDARD
        .decode(encoded.trim())
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .map(Secret::new)
        .ok_or_else(malformed)?;
    let (username, secret) = divide(decoded.expose()).ok_or_else(malformed)?;
    Ok(Some((username.to_owned(), Secret::new(secret))))
}

/// Divides username and secret.
///
/// The ARN of a role has colons, and a token has none: where a token ends the pair, the last colon
/// divides. Docker keeps such a pair as it is, though it shows the ARN's first part as the
/// username.
fn divide(pair: &str) -> Option<(&str, &str)> {
    let by_first = pair.split_once(':')?;
    if ["acs", "qcs"].contains(&by_first.0)
        && let Some(by_last) = pair.rsplit_once(':')
        && jwt::has_form(by_last.1)
    {
        return Some(by_last);
    }
    Some(by_first)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn with_authorization(line: &str) -> HeaderMap {
        HeaderMap::from_iter([(header::AUTHORIZATION, HeaderValue::from_str(line).unwrap())])
    }

    #[test]
    fn basic_is_split_at_the_first_colon() {
        let (username, secret) = basic(&with_authorization(&format!(
            "basic {}",
            STANDARD.encode("u:p:q")
        )))
        .unwrap()
        .unwrap();
        assert_eq!(username, "u");
        assert!(secret.matches("p:q"));
        assert!(basic(&HeaderMap::new()).unwrap().is_none());
        for bad in [
            "Basic",
            "Basic !!",
            "Bearer abc",
            &format!("Basic {}", STANDARD.encode("no colon")),
        ] {
            let refused = basic(&with_authorization(bad)).unwrap_err();
            assert_eq!(
                refused.kind(),
                &ErrorKind::MalformedAuthorization,
                "{bad:?}"
            );
        }
    }

    #[test]
    fn what_may_be_once_may_be_repeated_only_with_the_same_value() {
        assert!(TokenRequest::read(b"service=a&service=a&scope=x&scope=y").is_ok());
        for (bad, name) in [
            (&b"service=a&service=b"[..], "service"),
            (b"password=a&password=b", "password"),
            (b"account=a&account=", "account"),
        ] {
            assert_eq!(
                TokenRequest::read(bad).err().unwrap().kind(),
                &ErrorKind::InvalidParameter {
                    name: name.to_owned()
                },
                "{}",
                String::from_utf8_lossy(bad)
            );
        }
    }

    #[test]
    fn offline_is_asked_either_way() {
        for (query, offline) in [
            ("offline_token=true", true),
            ("access_type=offline", true),
            ("access_type=online", false),
            ("", false),
        ] {
            assert_eq!(
                TokenRequest::read(query.as_bytes()).unwrap().offline,
                offline,
                "{query}"
            );
        }
    }
}
