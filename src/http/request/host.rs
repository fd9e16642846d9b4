//! The host that a request is for, of which HTTP has two places to name it.

use http::request::Parts;
use http::{HeaderValue, Version, header};

use crate::domain::{Error, Result};

/// Returns the host that clients sign: the Host header as it came, a scheme in it or not (tccli
/// sends one), or HTTP/2's authority.
///
/// # Errors
///
/// `MalformedRequest` when the request names no host, or two: a proxy may believe the other one.
pub(crate) fn signed(parts: &Parts) -> Result<&str> {
    let mut lines = parts.headers.get_all(header::HOST).iter();
    let header = lines.next().map(HeaderValue::to_str).transpose();
    let header = header.map_err(|_| Error::malformed_request("The Host header can't be read."))?;
    check_authority(parts)?;
    let authority = (parts.version >= Version::HTTP_2)
        .then(|| parts.uri.authority().map(http::uri::Authority::as_str))
        .flatten();
    match (authority, header, lines.next()) {
        (Some(authority), Some(header), _) if authority != header => Err(two_hosts()),
        (_, _, Some(_)) => Err(two_hosts()),
        (Some(host), _, None) | (None, Some(host), None) => Ok(host),
        (None, None, None) => Err(Error::malformed_request("The request names no host.")),
    }
}

/// Refuses a target that names another host than the Host header: a proxy in front may go by the
/// one, and this service by the other (RFC 9112, 3.2.2).
///
/// # Errors
///
/// `MalformedRequest` when they differ.
pub(crate) fn check_authority(parts: &Parts) -> Result<()> {
    let authority = parts
        .uri
        .authority()
        .map(|authority| authority.as_str().as_bytes());
    let is_same = |host: &HeaderValue| {
        authority.is_none_or(|authority| host.as_bytes().eq_ignore_ascii_case(authority))
    };
    if parts.headers.get_all(header::HOST).iter().all(is_same) {
        Ok(())
    } else {
        Err(two_hosts())
    }
}

fn two_hosts() -> Error {
    Error::malformed_request("The request names two hosts.")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(uri: &str, headers: &[(&str, &str)]) -> Parts {
        let mut request = http::Request::builder().uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn the_host_is_the_raw_header_and_only_one() {
        assert_eq!(
            signed(&parts("/", &[("host", "http://127.0.0.1:8480")])).unwrap(),
            "http://127.0.0.1:8480"
        );
        for (headers, why) in [
            (&[("host", "a"), ("host", "a")][..], "two hosts"),
            (&[], "no host"),
        ] {
            let refused = signed(&parts("/", headers)).unwrap_err().to_string();
            assert!(refused.contains(why), "{refused}");
        }
        assert_eq!(
            signed(&parts("http://a:1/", &[("host", "a:1")])).unwrap(),
            "a:1"
        );
        for other in ["b", "a:1@b", "http://a:1"] {
            let refused = signed(&parts("http://a:1/", &[("host", other)]))
                .unwrap_err()
                .to_string();
            assert!(refused.contains("two hosts"), "{other}: {refused}");
        }
        let mut http2 = parts("https://a:1/", &[]);
        http2.version = Version::HTTP_2;
        assert_eq!(signed(&http2).unwrap(), "a:1");
        http2
            .headers
            .insert(header::HOST, HeaderValue::from_static("b"));
        let refused = signed(&http2).unwrap_err().to_string();
        assert!(refused.contains("two hosts"), "{refused}");
    }
}
