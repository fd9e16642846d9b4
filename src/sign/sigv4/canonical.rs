//! The canonical request.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};

use super::SIGNATURE;
use crate::domain::{Error, Result};
use crate::sign::Request;
use crate::sign::parameters::{self, Parameters};

/// The characters of a path that are escaped: all but the unreserved ones and the slash.
const OF_PATH: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~')
    .remove(b'/');

/// The parts of a canonical request.
pub(super) struct Canonical<'a> {
    pub(super) request: &'a Request<'a>,
    pub(super) names: &'a [&'a str],
    pub(super) signed_headers: &'a str,
    /// The parameters of the query; the signature among them is left out.
    pub(super) query: &'a Parameters,
    pub(super) payload_hash: [u8; 64],
}

impl Canonical<'_> {
    /// Writes the canonical request.
    ///
    /// # Errors
    ///
    /// `MalformedAuthorization` for a signed header that is missing.
    pub(super) fn write(&self) -> Result<Vec<u8>> {
        let mut text = Vec::with_capacity(1024);
        for line in [
            self.request.method,
            &path(self.request.path),
            &query(self.query),
        ] {
            text.extend_from_slice(line.as_bytes());
            text.push(b'\n');
        }
        let mut names = self.names.to_vec();
        names.sort_unstable();
        for name in names {
            text.extend_from_slice(name.as_bytes());
            text.push(b':');
            self.write_values(name, &mut text)?;
            text.push(b'\n');
        }
        text.push(b'\n');
        text.extend_from_slice(self.signed_headers.as_bytes());
        text.push(b'\n');
        text.extend_from_slice(&self.payload_hash);
        Ok(text)
    }

    /// Writes the values of a signed header in the order sent, with commas between them; any white
    /// space within one counts as a single space.
    fn write_values(&self, name: &str, text: &mut Vec<u8>) -> Result<()> {
        if name == "host" {
            text.extend_from_slice(self.request.host.as_bytes());
            return Ok(());
        }
        let mut values = self.request.headers.get_all(name).iter().peekable();
        if values.peek().is_none() {
            return Err(Error::malformed_authorization(format!(
                "The signed header {name} is missing."
            )));
        }
        for (place, value) in values.enumerate() {
            if place > 0 {
                text.push(b',');
            }
            let words = value.as_bytes().split(u8::is_ascii_whitespace);
            let words: Vec<&[u8]> = words.filter(|word| !word.is_empty()).collect();
            text.extend_from_slice(&words.join(&b' '));
        }
        Ok(())
    }
}

/// Writes the path without dot segments and empty ones, escaped once more: what was escaped on the
/// wire is so twice.
fn path(path: &str) -> String {
    let mut kept = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(kept.pop()),
            segment => kept.push(segment),
        }
    }
    let mut text = String::with_capacity(path.len() + 2);
    if path.is_empty() || path.starts_with('/') {
        text.push('/');
    }
    text.push_str(&kept.join("/"));
    if path.ends_with('/') && !kept.is_empty() {
        text.push('/');
    }
    percent_encode(text.as_bytes(), OF_PATH).to_string()
}

/// Writes the query: names and values escaped anew, then sorted.
fn query(parameters: &Parameters) -> String {
    let escape = |text: &str| parameters::percent_encode(text).to_string();
    let mut pairs: Vec<(String, String)> = parameters
        .iter()
        .filter(|(name, _)| *name != SIGNATURE)
        .map(|(name, value)| (escape(name), escape(value)))
        .collect();
    pairs.sort_unstable();
    let pairs: Vec<String> = pairs
        .into_iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    pairs.join("&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_escaped_once_more_without_its_dots() {
        for (sent, signed) in [
            ("", "/"),
            ("/", "/"),
            ("/some/path", "/some/path"),
            ("/some/path/", "/some/path/"),
            ("//some/./path/../x", "/some/x"),
            ("/../..", "/"),
            ("/a%20b~c", "/a%2520b~c"),
        ] {
            assert_eq!(path(sent), signed, "{sent}");
        }
    }

    #[test]
    fn a_query_is_sorted_as_it_is_escaped_and_lacks_the_signature() {
        let parameters = Parameters::parse(b"ab=1&X-Amz-Signature=00&a{=2&Z=&A.1=x%2fy+z").unwrap();
        assert_eq!(query(&parameters), "A.1=x%2Fy%20z&Z=&a%7B=2&ab=1");
    }
}
