//! The URLs that an operator gives: where clients, registries and issuers are.
//!
//! Readers of URLs forgive much: `https:///token` is read as the host `token`, and a template that
//! was not filled in (`http://host:%!s(<nil>)/token`) is copied into a challenge, where each client
//! fails in its own way. So a URL is taken to the letter (RFC 3986), and an error names the part
//! that is wrong.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use thiserror::Error;

/// The longest URL, in bytes: it is in the header of every challenge.
const MAX_LENGTH: usize = 1000;
/// The longest host name, in bytes (RFC 1035, 2.3.4).
const MAX_HOST_LENGTH: usize = 253;
/// The characters of a path besides letters, digits and `%` with two hexadecimal digits (RFC 3986,
/// 3.3).
const PATH_MARKS: &str = "-._~!$&'()*+,;=:@/";

/// The part of a URL that can't be taken.
#[derive(Debug, PartialEq, Eq, Error)]
pub enum UrlFault {
    /// There is nothing.
    #[error("it is empty")]
    Empty,
    /// It is longer than [`MAX_LENGTH`].
    #[error("it is longer than {MAX_LENGTH} bytes")]
    TooLong,
    /// It doesn't begin with `http://` or `https://`.
    #[error("its scheme is missing: it has to begin with https:// or http://, in lower case")]
    Scheme,
    /// It holds a username, and perhaps a password.
    #[error("it holds a username or an '@' before its host, which can't be there")]
    User,
    /// Nothing stands between `//` and the path.
    #[error("its host is missing")]
    NoHost,
    /// The host is neither a name nor an address.
    #[error(
        "its host {0:?} is neither a name nor an address; a name has letters, digits, '-' and '.', \
         and an IPv6 address stands in brackets"
    )]
    Host(String),
    /// The port is no number from 1 to 65535.
    #[error("its port {0:?} is no number from 1 to 65535")]
    Port(String),
    /// The path has a character that has to be written with `%`.
    #[error("its path can't hold {0:?}")]
    PathCharacter(char),
    /// The path has an empty part.
    #[error("its path has '//' in it")]
    EmptySegment,
    /// It has a `?`.
    #[error("it has a query ('?'), which can't be there")]
    Query,
    /// It has a `#`.
    #[error("it has a fragment ('#'), which can't be there")]
    Fragment,
    /// It ends with a slash where a path is put behind it.
    #[error("it ends with '/'")]
    TrailingSlash,
}

impl UrlFault {
    /// Says what is wrong, of which setting or argument, and what would be right.
    pub fn explain(&self, name: &str, example: &str) -> String {
        format!("{name}: {self}; it is written like {example}")
    }
}

/// The parts of an `http` or `https` URL without username, query and fragment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HttpUrl<'a> {
    /// `http` or `https`.
    pub scheme: &'a str,
    /// The host as it is written; an IPv6 address is in brackets.
    pub host: &'a str,
    /// The port, where it is written or the scheme's own.
    pub port: u16,
    /// The path: empty, or with a slash first.
    pub path: &'a str,
}

impl<'a> HttpUrl<'a> {
    /// Reads a URL to the letter.
    ///
    /// # Errors
    /// The first part that is wrong. [`UrlFault::EmptySegment`] and [`UrlFault::TrailingSlash`] are
    /// never among them.
    pub fn parse(text: &'a str) -> Result<Self, UrlFault> {
        if text.is_empty() {
            return Err(UrlFault::Empty);
        }
        if text.len() > MAX_LENGTH {
            return Err(UrlFault::TooLong);
        }
        let (scheme, rest) = text.split_once("://").ok_or(UrlFault::Scheme)?;
        let usual_port = match scheme {
            "http" => 80,
            "https" => 443,
            _ => return Err(UrlFault::Scheme),
        };
        let (authority, rest) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        if authority.contains('@') {
            return Err(UrlFault::User);
        }
        let (host, port) = divide_authority(authority)?;
        if rest.contains('#') {
            return Err(UrlFault::Fragment);
        }
        if rest.contains('?') {
            return Err(UrlFault::Query);
        }
        match strange_character(rest) {
            Some(strange) => Err(UrlFault::PathCharacter(strange)),
            None => Ok(Self {
                scheme,
                host,
                port: port.unwrap_or(usual_port),
                path: rest,
            }),
        }
    }

    /// Reads the URL of a place that clients are sent to, or that a path is put behind.
    ///
    /// # Errors
    /// As [`HttpUrl::parse`], and [`UrlFault::EmptySegment`]: servers and proxies read `//` in
    /// different ways.
    pub fn parse_place(text: &'a str) -> Result<Self, UrlFault> {
        let url = Self::parse(text)?;
        if url.path.contains("//") {
            Err(UrlFault::EmptySegment)
        } else {
            Ok(url)
        }
    }

    /// Reads the URL of a service, which paths are put behind as they are.
    ///
    /// # Errors
    /// As [`HttpUrl::parse_place`], and [`UrlFault::TrailingSlash`].
    pub fn parse_base(text: &'a str) -> Result<Self, UrlFault> {
        let url = Self::parse_place(text)?;
        if url.path.ends_with('/') {
            Err(UrlFault::TrailingSlash)
        } else {
            Ok(url)
        }
    }

    /// Tells whether the host is the URL's reader's own machine: loopback, or `localhost` (RFC
    /// 6761, 6.3).
    pub fn is_loopback(&self) -> bool {
        let name = self.host.trim_end_matches('.').to_ascii_lowercase();
        let address = self.host.trim_matches(['[', ']']).parse::<IpAddr>();
        name == "localhost"
            || name.ends_with(".localhost")
            || address.is_ok_and(|address| address.to_canonical().is_loopback())
    }
}

/// Divides host and port, and checks both.
fn divide_authority(authority: &str) -> Result<(&str, Option<u16>), UrlFault> {
    let (host, port) = match authority.rfind(']') {
        // The colons within an IPv6 address divide nothing.
        Some(end) => authority.split_at(end + 1),
        // A bracket that nothing closes, or an IPv6 address without any.
        None if authority.starts_with('[') || authority.matches(':').count() > 1 => (authority, ""),
        None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
    };
    if host.is_empty() {
        return Err(UrlFault::NoHost);
    }
    if !is_host(host) {
        return Err(UrlFault::Host(host.to_owned()));
    }
    if port.is_empty() {
        return Ok((host, None));
    }
    let digits = port
        .strip_prefix(':')
        .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
    match digits.and_then(|digits| digits.parse::<u16>().ok()) {
        Some(number @ 1..) => Ok((host, Some(number))),
        _ => Err(UrlFault::Port(port.trim_start_matches(':').to_owned())),
    }
}

/// Tells whether a host is a name in ASCII or an address.
fn is_host(host: &str) -> bool {
    if let Some(address) = host.strip_prefix('[') {
        return address
            .strip_suffix(']')
            .is_some_and(|address| address.parse::<Ipv6Addr>().is_ok());
    }
    let name = host.strip_suffix('.').unwrap_or(host);
    // `_` is in no host name, and yet in the names of containers, which resolvers take.
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let is_label = |label: &str| !label.is_empty() && label.bytes().all(is_letter);
    let is_number = |label: &str| {
        let hexadecimal = label.strip_prefix("0x").or(label.strip_prefix("0X"));
        hexadecimal.is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
            || label.bytes().all(|byte| byte.is_ascii_digit())
    };
    // A number as the last part makes it an address (WHATWG URL, 3.5), which others read without a
    // dot behind it.
    let is_address = name.rsplit('.').next().is_some_and(is_number);
    name.len() <= MAX_HOST_LENGTH
        && name.split('.').all(is_label)
        && (!is_address || host.parse::<Ipv4Addr>().is_ok())
}

/// Returns the first character of a path that can't be in one.
fn strange_character(path: &str) -> Option<char> {
    let is_encoded = |place: usize| {
        path.as_bytes()
            .get(place + 1..place + 3)
            .is_some_and(|pair| pair.iter().all(u8::is_ascii_hexdigit))
    };
    path.char_indices().find_map(|(place, character)| {
        let fits = match character {
            '%' => is_encoded(place),
            _ => character.is_ascii_alphanumeric() || PATH_MARKS.contains(character),
        };
        (!fits).then_some(character)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_has_a_scheme_a_host_a_port_and_a_path() {
        let parts =
            |text| HttpUrl::parse_place(text).map(|url| (url.scheme, url.host, url.port, url.path));
        for (text, expected) in [
            (
                "https://credentials.example.com",
                ("https", "credentials.example.com", 443, ""),
            ),
            (
                "http://localhost:8480/token",
                ("http", "localhost", 8480, "/token"),
            ),
            (
                "https://[2001:db8::1]:8443/a/b%20c",
                ("https", "[2001:db8::1]", 8443, "/a/b%20c"),
            ),
            ("http://192.0.2.1/", ("http", "192.0.2.1", 80, "/")),
            (
                "http://token_server_1:80",
                ("http", "token_server_1", 80, ""),
            ),
            (
                "https://example.com./x",
                ("https", "example.com.", 443, "/x"),
            ),
        ] {
            assert_eq!(parts(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn a_url_that_can_not_work_is_refused_by_the_part_that_is_wrong() {
        // `https:///token` was written into registries' configurations, and read there as the host
        // `token`.
        let (host, port) = (
            |text: &str| UrlFault::Host(text.to_owned()),
            |text: &str| UrlFault::Port(text.to_owned()),
        );
        let long = format!("https://example.com/{}", "a".repeat(1000));
        for (text, fault) in [
            ("", UrlFault::Empty),
            (&long, UrlFault::TooLong),
            ("token", UrlFault::Scheme),
            ("/token", UrlFault::Scheme),
            ("example.com:443", UrlFault::Scheme),
            ("ftp://example.com", UrlFault::Scheme),
            ("HTTPS://example.com", UrlFault::Scheme),
            (" https://example.com", UrlFault::Scheme),
            ("https:example.com", UrlFault::Scheme),
            ("https:///token", UrlFault::NoHost),
            ("https://", UrlFault::NoHost),
            ("https://:443", UrlFault::NoHost),
            ("https://u:p@example.com", UrlFault::User),
            ("https://@example.com", UrlFault::User),
            ("http://host:%!s(<nil>)/token", port("%!s(<nil>)")),
            ("http://host:", port("")),
            ("http://host:0", port("0")),
            ("http://host:65536", port("65536")),
            ("http://host:+80", port("+80")),
            ("http://[::1]80", port("80")),
            ("http://%!s(<nil>)/token", host("%!s(<nil>)")),
            ("https://${HOST}/token", host("${HOST}")),
            ("https://<no value>", host("<no value>")),
            ("https://bücher.example", host("bücher.example")),
            ("https://a..example.com", host("a..example.com")),
            ("https://127.0.0.1.5", host("127.0.0.1.5")),
            ("https://127.0.0.1.", host("127.0.0.1.")),
            ("https://127.0.0.0x1", host("127.0.0.0x1")),
            ("https://registry.0X7f", host("registry.0X7f")),
            ("https://2001:db8::1", host("2001:db8::1")),
            ("https://[::1", host("[::1")),
            ("https://example.com\\token", host("example.com\\token")),
            ("https://example.com /", host("example.com ")),
            ("https://example.com/a b", UrlFault::PathCharacter(' ')),
            ("https://example.com/token\n", UrlFault::PathCharacter('\n')),
            ("https://example.com/{{path}}", UrlFault::PathCharacter('{')),
            ("https://example.com/100%", UrlFault::PathCharacter('%')),
            ("https://example.com/é", UrlFault::PathCharacter('é')),
            ("https://example.com/token?service=x", UrlFault::Query),
            ("https://example.com?", UrlFault::Query),
            ("https://example.com/#token", UrlFault::Fragment),
            ("https://example.com//token", UrlFault::EmptySegment),
            ("https://example.com/token//", UrlFault::EmptySegment),
        ] {
            assert_eq!(HttpUrl::parse_place(text), Err(fault), "{text:?}");
        }
        assert_eq!(
            HttpUrl::parse_base("https://example.com/"),
            Err(UrlFault::TrailingSlash)
        );
    }

    #[test]
    fn loopback_is_known_by_name_and_by_address() {
        for (text, expected) in [
            ("http://localhost:8480", true),
            ("http://LOCALHOST.", true),
            ("http://a.localhost", true),
            ("http://127.8.0.1", true),
            ("http://[::1]:1", true),
            ("http://[::ffff:127.0.0.1]", true),
            ("http://localhost.example.com", false),
            ("http://192.0.2.1", false),
        ] {
            assert_eq!(
                HttpUrl::parse(text).unwrap().is_loopback(),
                expected,
                "{text}"
            );
        }
    }
}
