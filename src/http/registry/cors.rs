//! CORS, by which web pages may ask for tokens (the Fetch standard).
//!
//! A registry's user interface runs in a browser, and comes from another origin than this service:
//! without these headers the browser hides each answer from it (Joxit/docker-registry-ui#303).
//! Origins are named one by one and never `*`: what a page asks carries its visitor's credential.

use std::str::FromStr;

use axum::body::Body;
use axum::response::Response;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};

use crate::domain::url::HttpUrl;

/// Headers that a page may send: those that tokens need, and those that the user interfaces send to
/// registries besides.
const ALLOWED_HEADERS: HeaderValue =
    HeaderValue::from_static("authorization, content-type, accept, cache-control");
const ALLOWED_METHODS: HeaderValue = HeaderValue::from_static("GET, POST");
/// The headers that a page may read besides the body: why it was refused, and when to come again.
const EXPOSED_HEADERS: HeaderValue =
    HeaderValue::from_static("retry-after, www-authenticate, x-request-id");
/// How long a browser goes by a preflight, in seconds: as long as it takes an operator to wonder
/// about a change.
const MAX_AGE_SECONDS: HeaderValue = HeaderValue::from_static("600");

/// The origin of a web page, as browsers send it: `https://ui.example.com`, with its port unless
/// that is the scheme's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin(HeaderValue);

impl FromStr for Origin {
    /// The fault, and how an origin is written.
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        const EXAMPLE: &str = "https://ui.example.com";
        if matches!(text, "*" | "null") {
            return Err(format!(
                "{text:?} can't be taken, for any web page could ask with its visitor's \
                 credential; name each origin, such as {EXAMPLE}"
            ));
        }
        let url =
            HttpUrl::parse(text).map_err(|fault| fault.explain(&format!("{text:?}"), EXAMPLE))?;
        let sent = as_browsers_send(&url);
        match HeaderValue::from_str(text) {
            Ok(origin) if sent == text => Ok(Self(origin)),
            _ => Err(format!("{text:?} is sent by no browser; write it {sent}")),
        }
    }
}

/// Writes an origin as the Fetch standard does: the host in its shortest form, no port that goes
/// without saying, no path.
fn as_browsers_send(url: &HttpUrl<'_>) -> String {
    let address = url
        .host
        .trim_matches(['[', ']'])
        .parse::<std::net::Ipv6Addr>();
    let host = address.map_or_else(
        |_| url.host.to_ascii_lowercase(),
        |address| format!("[{address}]"),
    );
    match (url.scheme, url.port) {
        ("http", 80) | ("https", 443) => format!("{}://{host}", url.scheme),
        (scheme, port) => format!("{scheme}://{host}:{port}"),
    }
}

/// The origins that may ask; none unless the operator names some.
#[derive(Clone, Debug, Default)]
pub struct Cors(Vec<Origin>);

impl Cors {
    /// Lets pages of these origins ask.
    pub fn new(origins: Vec<Origin>) -> Self {
        Self(origins)
    }

    /// Returns whether a request comes from a page that may ask.
    pub(crate) fn allows(&self, headers: &HeaderMap) -> bool {
        self.origin(headers).is_some()
    }

    fn origin(&self, headers: &HeaderMap) -> Option<&HeaderValue> {
        let mut lines = headers.get_all(header::ORIGIN).iter();
        let (line, None) = (lines.next()?, lines.next()) else {
            return None;
        };
        self.0
            .iter()
            .map(|Origin(origin)| origin)
            .find(|origin| *origin == line)
    }

    /// Answers a preflight of a page that may ask; nothing for every other request.
    pub(crate) fn preflight(&self, parts: &Parts) -> Option<Response> {
        let is_preflight = parts.method == Method::OPTIONS
            && parts
                .headers
                .contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
        if !is_preflight || !self.allows(&parts.headers) {
            return None;
        }
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NO_CONTENT;
        let headers = response.headers_mut();
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, ALLOWED_METHODS);
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, ALLOWED_HEADERS);
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, MAX_AGE_SECONDS);
        Some(response)
    }

    /// Lets the requesting page read the answer, an error too.
    pub(crate) fn mark(&self, request: &HeaderMap, response: &mut Response) {
        if self.0.is_empty() {
            return;
        }
        let headers = response.headers_mut();
        // Also where the origin isn't one of them: a cache must not give one page the answer to
        // another.
        headers.append(header::VARY, HeaderValue::from_static("Origin"));
        if let Some(origin) = self.origin(request) {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
            headers.insert(
                header::ACCESS_CONTROL_ALLOW_CREDENTIALS,
                HeaderValue::from_static("true"),
            );
            headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED_HEADERS);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_written_as_browsers_send_it() {
        for good in [
            "https://ui.example.com",
            "http://localhost:8080",
            "http://192.0.2.1",
            "https://[2001:db8::1]:8443",
        ] {
            assert!(
                good.parse::<Origin>().is_ok(),
                "{good}: {:?}",
                good.parse::<Origin>()
            );
        }
        for (bad, why) in [
            ("*", "any web page could ask"),
            ("null", "any web page could ask"),
            ("ui.example.com", "its scheme is missing"),
            ("https://ui.example.com/", "write it https://ui.example.com"),
            (
                "https://ui.example.com/registry",
                "write it https://ui.example.com",
            ),
            (
                "https://UI.example.com:443",
                "write it https://ui.example.com",
            ),
            ("http://localhost:080", "write it http://localhost"),
            ("https://[2001:db8:0::1]", "write it https://[2001:db8::1]"),
            ("https://*.example.com", "is neither a name nor an address"),
            ("https://user@ui.example.com", "holds a username"),
            ("", "it is empty"),
        ] {
            let said = bad.parse::<Origin>().unwrap_err();
            assert!(said.contains(why), "{bad}: {said}");
        }
    }

    #[test]
    fn two_origins_are_none() {
        let cors = Cors::new(vec!["https://ui.example.com".parse().unwrap()]);
        let line = (
            header::ORIGIN,
            HeaderValue::from_static("https://ui.example.com"),
        );
        let mut headers = HeaderMap::from_iter([line.clone()]);
        assert!(cors.allows(&headers));
        headers.append(line.0, line.1);
        assert!(!cors.allows(&headers));
    }
}
