//! The cookies of the console.

use http::{HeaderMap, HeaderValue, header};

use crate::domain::secret::Secret;
use crate::domain::{Error, Result};
use crate::service::{BegunSso, NewConsole, RequestContext};

/// The name over TLS: a browser takes the prefix from the host itself alone, never from a sibling.
const OVER_TLS: &str = "__Host-transire";
/// The name over plain HTTP, which is served to this machine alone.
const PLAIN: &str = "transire-console";
/// The names of the cookie of a log-in under way at an issuer, over TLS and plain.
const FLOW: [&str; 2] = ["__Host-transire-flow", "transire-console-flow"];
/// The name of the language's cookie, which is no secret.
pub(super) const LANGUAGE: &str = "transire-language";

fn name(context: &RequestContext) -> &'static str {
    if context.secure_transport {
        OVER_TLS
    } else {
        PLAIN
    }
}

/// Returns the secret of the session's cookie.
pub(super) fn session(headers: &HeaderMap, context: &RequestContext) -> Option<Secret> {
    value(headers, name(context)).map(Secret::new)
}

fn flow_name(context: &RequestContext) -> &'static str {
    FLOW[usize::from(!context.secure_transport)]
}

/// Returns the secret of the log-in that the browser began at an issuer.
pub(super) fn flow(headers: &HeaderMap, context: &RequestContext) -> Option<Secret> {
    value(headers, flow_name(context)).map(Secret::new)
}

/// Returns the value of a cookie.
pub(super) fn value<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let lines = headers.get_all(header::COOKIE).iter();
    lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(given, _)| *given == name)
        .map(|(_, value)| value)
}

/// Sets the cookie of a new session.
///
/// # Errors
/// `Internal` for a cookie that can't be written.
pub(super) fn of_session(new: &NewConsole, context: &RequestContext) -> Result<HeaderValue> {
    let seconds = new.life.as_secs();
    let name = name(context);
    write((name, new.secret.expose()), seconds, "Strict", context)
}

/// Takes the session's cookie away.
///
/// # Errors
/// As [`of_session`].
pub(super) fn gone(context: &RequestContext) -> Result<HeaderValue> {
    write((name(context), ""), 0, "Strict", context)
}

/// Sets the cookie of a log-in under way. The issuer leads back to it, so a page of another site
/// has it sent (`SameSite=Lax`); it is worth nothing without the issuer's answer.
///
/// # Errors
/// As [`of_session`].
pub(super) fn of_flow(begun: &BegunSso, context: &RequestContext) -> Result<HeaderValue> {
    let seconds = begun.life.as_secs();
    write(
        (flow_name(context), begun.cookie.expose()),
        seconds,
        "Lax",
        context,
    )
}

/// Takes the cookie of a log-in under way, which has come to its end.
///
/// # Errors
/// As [`of_session`].
pub(super) fn no_flow(context: &RequestContext) -> Result<HeaderValue> {
    write((flow_name(context), ""), 0, "Lax", context)
}

fn write(
    (name, value): (&str, &str),
    seconds: u64,
    same_site: &str,
    context: &RequestContext,
) -> Result<HeaderValue> {
    let secure = if context.secure_transport {
        "; Secure"
    } else {
        ""
    };
    let mut header = HeaderValue::from_str(&format!(
        "{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite={same_site}{secure}"
    ))
    .map_err(Error::internal)?;
    header.set_sensitive(true);
    Ok(header)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_found_by_its_whole_name() {
        let mut headers = HeaderMap::new();
        let line = HeaderValue::from_static("a=1; xtransire-console=2; transire-console=3");
        headers.insert(header::COOKIE, line);
        assert_eq!(value(&headers, PLAIN), Some("3"));
        assert_eq!(value(&headers, OVER_TLS), None);
    }
}
