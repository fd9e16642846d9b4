//! HTTP Basic (RFC 7617).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, header};

use crate::domain::jwt;
use crate::domain::secret::Secret;
use crate::domain::{Error, Result};

/// Reads HTTP Basic. Only the first colon divides: an unreserved one can't be in a username, but a
/// password that someone chose may hold more.
pub(crate) fn basic(headers: &HeaderMap) -> Result<Option<(String, Secret)>> {
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
    use crate::domain::ErrorKind;

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
}
