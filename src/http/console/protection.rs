//! The protection of the console against other pages, other hosts and plain transport.

use std::net::IpAddr;

use axum::response::Response;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use crate::domain::{Error, ErrorKind, Result};
use crate::http::Settings;
use crate::http::request::Head;
use crate::service::RequestContext;

/// The headers of every answer. Nothing of the page may come from elsewhere, and no script may
/// stand in the page itself.
const HEADERS: [(HeaderName, &str); 7] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
         connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    ),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "same-origin"),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("permissions-policy"),
        "camera=(), geolocation=(), microphone=()",
    ),
];

/// Adds the headers of every answer; a page is kept by no cache.
pub(super) fn add_headers(response: &mut Response) {
    let headers = response.headers_mut();
    for (name, value) in &HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
}

/// Fails unless the request came by TLS, or from this machine itself.
///
/// # Errors
/// `AddressRefused`.
pub(super) fn check_transport(context: &RequestContext) -> Result<()> {
    let is_near = context.address.is_some_and(|address| address.is_loopback());
    if context.secure_transport || is_near {
        return Ok(());
    }
    Err(Error::address_refused(
        "The console is served over TLS alone, but to this machine itself: use https://, or name \
         the proxy in front in trusted_proxies.",
    ))
}

/// Fails unless the request is for a name of this service: a page at a name of somebody else's,
/// which leads here, must not act here.
///
/// # Errors
/// `AddressRefused`; those of [`Head::host`].
pub(super) fn check_host(head: &Head<'_>, settings: &Settings) -> Result<()> {
    let given = host_of(head.host()?);
    let is_address = given
        .trim_start_matches('[')
        .trim_end_matches(']')
        .parse::<IpAddr>()
        .is_ok();
    let public = settings.public_url.split_once("://");
    let public = public.map(|(_, rest)| host_of(rest.split('/').next().unwrap_or(rest)));
    let is_own = given.eq_ignore_ascii_case("localhost")
        || public.is_some_and(|own| own.eq_ignore_ascii_case(given))
        || settings
            .admin_hosts
            .iter()
            .any(|own| own.eq_ignore_ascii_case(given));
    if is_address || is_own {
        return Ok(());
    }
    Err(Error::address_refused(
        "The console is not served under this name: use that of public_url, or add this one to \
         admin_hosts.",
    ))
}

/// Returns a host without its port.
fn host_of(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    }
}

/// Fails where a browser says that another site's page sent the request.
///
/// # Errors
/// `AddressRefused`.
pub(super) fn check_origin(headers: &HeaderMap) -> Result<()> {
    let site = headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
    match site {
        None | Some(b"same-origin" | b"none") => Ok(()),
        Some(_) => Err(Error::address_refused(
            "Another site's page sent this; open the console itself.",
        )),
    }
}

/// Fails unless a form carries its session's word, which other pages can't know.
///
/// # Errors
/// `PreconditionFailed`.
pub(super) fn check_form(given: Option<&str>, expected: &str) -> Result<()> {
    if given.is_some_and(|given| given == expected) {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::AddressRefused,
        "The form is of another log-in: go back, load the page again, and send it once more.",
    ))
}

/// Leads to another page.
///
/// # Errors
/// `Internal` for a path that is no header.
pub(super) fn see(path: &str) -> Result<Response> {
    let mut answer = Response::new(axum::body::Body::empty());
    *answer.status_mut() = StatusCode::SEE_OTHER;
    let place = HeaderValue::from_str(path).map_err(Error::internal)?;
    answer.headers_mut().insert(header::LOCATION, place);
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_loses_its_port_and_nothing_else() {
        for (authority, host) in [
            ("localhost:8481", "localhost"),
            ("[::1]:8481", "[::1]"),
            ("[::1]", "[::1]"),
            ("console.example.com", "console.example.com"),
        ] {
            assert_eq!(host_of(authority), host);
        }
    }
}
