//! The parameters of a request for a token.

use form_urlencoded::parse;
use http::request::Parts;

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

#[cfg(test)]
mod tests {
    use super::*;

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
