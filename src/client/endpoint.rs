//! The service that a client speaks to.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::domain::url::HttpUrl;
use crate::domain::{Error, Result};
use crate::remote;

/// How long one request may take.
const TIMEOUT: Duration = Duration::from_secs(15);

/// The URL of a service that the user named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint(
    /// Scheme, host and port.
    String,
);

impl Endpoint {
    /// Reads the URL of a service: HTTPS, or plain HTTP to this machine.
    ///
    /// # Errors
    /// `InvalidParameter` of `endpoint`, with the reason.
    pub fn parse(text: &str) -> Result<Self> {
        Self::parse_as("endpoint", text)
    }

    /// Reads such a URL of another parameter.
    ///
    /// # Errors
    /// `InvalidParameter` of that parameter, with the reason.
    pub fn parse_as(parameter: &str, text: &str) -> Result<Self> {
        let refuse = |why: String| Error::invalid_parameter(parameter, why);
        let text = text.trim_end_matches('/');
        let url = HttpUrl::parse_base(text).map_err(|fault| {
            refuse(fault.explain("the endpoint", "https://transire.example.com"))
        })?;
        if url.scheme == "http" && !url.is_loopback() {
            return Err(refuse(
                "a secret goes over plain HTTP to this machine alone: begin the URL with https://"
                    .to_owned(),
            ));
        }
        if !url.path.is_empty() {
            return Err(refuse(
                "the APIs are at the root of a host: leave the path out".to_owned(),
            ));
        }
        // As requests have it: without the scheme's own port.
        let url = url::Url::parse(text).map_err(|_| refuse("it is no URL".to_owned()))?;
        Ok(Self(url.origin().ascii_serialization()))
    }

    /// Returns the URL of a path of the service, which begins with a slash.
    ///
    /// # Errors
    /// `Internal` for a path that can't be in a URL.
    pub fn at(&self, path: &str) -> Result<url::Url> {
        url::Url::parse(&format!("{}{path}", self.0)).map_err(Error::internal)
    }

    /// Returns the host and the port, as the header `Host` has them.
    pub fn authority(&self) -> &str {
        self.0.split_once("://").map_or("", |(_, rest)| rest)
    }

    /// Returns the error of a service that doesn't answer.
    pub fn silent(&self) -> Error {
        Error::misconfigured(format!("{self} does not answer"))
    }

    /// Tells whether a URL leads to the same scheme, host and port.
    pub fn has_origin_of(&self, url: &str) -> bool {
        let origin = |text| {
            HttpUrl::parse(text)
                .ok()
                .map(|url| (url.scheme, url.host.to_ascii_lowercase(), url.port))
        };
        let other = url.split(['?', '#']).next().unwrap_or_default();
        origin(&self.0).is_some_and(|own| origin(other) == Some(own))
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Returns a client for the services and registries that the user named.
///
/// They may be anywhere: this process asks with the rights of the user alone. Plain HTTP is for
/// [`Endpoint::parse`] to refuse.
pub fn outgoing(ca_file: Option<PathBuf>) -> remote::Client {
    outgoing_within(ca_file, TIMEOUT)
}

/// As [`outgoing`], for a request that may take so long.
pub fn outgoing_within(ca_file: Option<PathBuf>, timeout: Duration) -> remote::Client {
    remote::Client::new(remote::Settings {
        allow_http: true,
        allow_private_addresses: true,
        ca_file,
        timeout,
        ..remote::Settings::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ErrorKind;

    #[test]
    fn plain_http_is_for_this_machine_alone() {
        for url in [
            "https://transire.example.com",
            "https://transire.example.com:8443/",
            "http://127.0.0.1:8480",
            "http://localhost:8480",
            "http://[::1]:8480",
        ] {
            assert!(Endpoint::parse(url).is_ok(), "{url}");
        }
        for url in [
            "http://transire.example.com",
            "http://10.0.0.1:8480",
            "transire.example.com",
            "https://user@transire.example.com",
            "https://transire.example.com?x",
            "https://transire.example.com/base",
        ] {
            let error = Endpoint::parse(url).unwrap_err();
            let expected = ErrorKind::InvalidParameter {
                name: "endpoint".to_owned(),
            };
            assert_eq!(error.kind(), &expected, "{url}");
        }
    }

    #[test]
    fn an_origin_is_scheme_host_and_port() {
        let endpoint = Endpoint::parse("https://transire.example.com").unwrap();
        for (url, same) in [
            ("https://Transire.example.com:443/token?service=x", true),
            ("https://transire.example.com:8443/token", false),
            ("http://transire.example.com/token", false),
            ("https://transire.example.com.evil.example/token", false),
            ("https://transire.example.com@evil.example/token", false),
        ] {
            assert_eq!(endpoint.has_origin_of(url), same, "{url}");
        }
    }
}
