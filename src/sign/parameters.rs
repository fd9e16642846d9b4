//! Decoded request parameters, from a query, a form body, or both.

use std::borrow::Cow;
use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode, utf8_percent_encode};
use zeroize::Zeroize;

use crate::domain::{Error, Result};

/// The characters that RFC 3986 leaves as they are; both clouds' signatures escape everything else.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// Request parameters, decoded, in the order sent; no name comes twice.
///
/// A name given twice is refused: what one reader takes for the value, another overlooks, and the
/// signatures of both clouds are defined over a map.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// The most parameters of one request; the largest real ones, with filters and tags, have
    /// dozens.
    pub const MAX_COUNT: usize = 1024;

    /// Reads `application/x-www-form-urlencoded` text: a raw query or a form body.
    ///
    /// # Errors
    ///
    /// `MalformedRequest` for text that isn't UTF-8 or too many parameters, `InvalidParameter` for
    /// one that is given twice.
    pub fn parse(encoded: &[u8]) -> Result<Self> {
        Self::parse_all([encoded])
    }

    /// Reads several such texts as one list: a query and a form body.
    ///
    /// # Errors
    ///
    /// `MalformedRequest` for text that isn't UTF-8 or too many parameters, `InvalidParameter` for
    /// one that is given twice.
    pub fn parse_all<'a>(texts: impl IntoIterator<Item = &'a [u8]>) -> Result<Self> {
        let mut pairs = Vec::new();
        for piece in texts
            .into_iter()
            .flat_map(|text| text.split(|byte| *byte == b'&'))
            .filter(|piece| !piece.is_empty())
        {
            if pairs.len() == Self::MAX_COUNT {
                return Err(Error::malformed_request(format!(
                    "A request has at most {} parameters.",
                    Self::MAX_COUNT
                )));
            }
            let (name, value) = match piece.iter().position(|byte| *byte == b'=') {
                Some(place) => (&piece[..place], &piece[place + 1..]),
                None => (piece, &[][..]),
            };
            pairs.push((decode(name)?, decode(value)?));
        }
        Self::from_pairs(pairs)
    }

    /// Takes decoded parameters.
    ///
    /// # Errors
    ///
    /// `InvalidParameter` for a parameter that is given twice.
    pub fn from_pairs(pairs: Vec<(String, String)>) -> Result<Self> {
        let parameters = Self(pairs);
        let sorted = parameters.sorted();
        match sorted.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            Some(pair) => Err(Error::invalid_parameter(
                pair[0].0,
                format!("The parameter {} is given twice.", pair[0].0),
            )),
            None => Ok(parameters),
        }
    }

    /// Returns the value of `name`.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter()
            .find(|(known, _)| *known == name)
            .map(|(_, value)| value)
    }

    /// Takes the value of `name` out.
    pub fn take(&mut self, name: &str) -> Option<String> {
        let place = self.0.iter().position(|(known, _)| known == name)?;
        Some(self.0.remove(place).1)
    }

    /// Adds a parameter, or replaces the value that it had.
    pub fn set(&mut self, name: &str, value: impl Into<String>) {
        let value = value.into();
        match self.0.iter_mut().find(|(known, _)| known == name) {
            Some(pair) => pair.1 = value,
            None => self.0.push((name.to_owned(), value)),
        }
    }

    /// Goes through names and values in the order sent.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Returns how many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Writes them as a query or a form body, in order.
    pub fn encode(&self) -> String {
        let mut text = form_urlencoded::Serializer::new(String::new());
        text.extend_pairs(self.iter());
        text.finish()
    }

    /// Returns names and values sorted by name, in byte order, as every signature here has them.
    pub(super) fn sorted(&self) -> Vec<(&str, &str)> {
        let mut pairs: Vec<_> = self.iter().collect();
        pairs.sort_unstable_by_key(|(name, _)| *name);
        pairs
    }

    /// Writes the canonical query of Alibaba's RPC V1 and ACS3: sorted, RFC 3986, empty values as
    /// `k=`.
    pub(super) fn canonical_query(&self) -> String {
        let mut text = String::new();
        for (name, value) in self.sorted() {
            if !text.is_empty() {
                text.push('&');
            }
            text.extend(percent_encode(name));
            text.push('=');
            text.extend(percent_encode(value));
        }
        text
    }

    /// Returns the value of a parameter that must be there and not be empty.
    pub(super) fn required(&self, name: &'static str) -> Result<&str> {
        self.get(name)
            .filter(|value| !value.is_empty())
            .ok_or_else(|| Error::missing_parameter(name))
    }
}

impl fmt::Debug for Parameters {
    /// Writes the names alone: a value may be a session token or a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.iter().map(|(name, _)| name))
            .finish()
    }
}

impl Drop for Parameters {
    /// Wipes the values: a password may be among them.
    fn drop(&mut self) {
        self.0.iter_mut().for_each(|(_, value)| value.zeroize());
    }
}

impl IntoIterator for Parameters {
    type Item = (String, String);
    type IntoIter = std::vec::IntoIter<(String, String)>;

    fn into_iter(mut self) -> Self::IntoIter {
        std::mem::take(&mut self.0).into_iter()
    }
}

/// Escapes everything but RFC 3986's unreserved characters.
pub(super) fn percent_encode(text: &str) -> percent_encoding::PercentEncode<'_> {
    utf8_percent_encode(text, RESERVED)
}

/// Decodes a form's name or value. Bytes that aren't UTF-8 are refused, not replaced: two different
/// requests must not decode to the same parameters.
fn decode(encoded: &[u8]) -> Result<String> {
    let spaced: Cow<'_, [u8]> = if encoded.contains(&b'+') {
        Cow::Owned(
            encoded
                .iter()
                .map(|byte| if *byte == b'+' { b' ' } else { *byte })
                .collect(),
        )
    } else {
        Cow::Borrowed(encoded)
    };
    let decoded: Cow<'_, [u8]> = percent_decode(&spaced).into();
    String::from_utf8(decoded.into_owned())
        .map_err(|_| Error::malformed_request("A parameter is not UTF-8."))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::ErrorKind;

    #[test]
    fn parameters_decode_in_the_order_sent() {
        let parameters =
            Parameters::parse_all([&b"b=1+2&a=%2B%e4%b8%ad&&empty=&bare"[..], b"c=x=y"]).unwrap();
        assert_eq!(
            parameters.iter().collect::<Vec<_>>(),
            [
                ("b", "1 2"),
                ("a", "+中"),
                ("empty", ""),
                ("bare", ""),
                ("c", "x=y")
            ]
        );
        assert_eq!(
            parameters.canonical_query(),
            "a=%2B%E4%B8%AD&b=1%202&bare=&c=x%3Dy&empty="
        );
    }

    #[test]
    fn a_name_given_twice_is_refused_however_it_is_written() {
        for (query, body) in [
            ("a=1&a=1", ""),
            ("a=1&%61=2", ""),
            ("", "a&a="),
            ("a=1", "b=2&a=1"),
        ] {
            let error = Parameters::parse_all([query.as_bytes(), body.as_bytes()]).unwrap_err();
            assert_eq!(
                error.kind(),
                &ErrorKind::InvalidParameter {
                    name: "a".to_owned()
                },
                "{query} {body}"
            );
        }
    }

    #[test]
    fn what_is_not_utf8_or_too_much_is_refused() {
        for bad in [
            "a=%ff".to_owned(),
            "%c3=1".to_owned(),
            (0..=Parameters::MAX_COUNT)
                .map(|n| format!("{n}&"))
                .collect(),
        ] {
            assert_eq!(
                Parameters::parse(bad.as_bytes()).unwrap_err().kind(),
                &ErrorKind::MalformedRequest
            );
        }
    }

    #[test]
    fn a_parameter_can_be_taken_and_set() {
        let mut parameters = Parameters::parse(b"a=1&b=2").unwrap();
        assert_eq!(parameters.take("a").as_deref(), Some("1"));
        assert_eq!(parameters.take("a"), None);
        parameters.set("b", "3");
        parameters.set("c", "4");
        assert_eq!(parameters.encode(), "b=3&c=4");
        assert!(!parameters.is_empty());
    }

    proptest! {
        #[test]
        fn reading_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = Parameters::parse(&bytes);
        }

        #[test]
        fn what_is_written_reads_back(
            pairs in proptest::collection::btree_map("\\PC{1,8}", "\\PC{0,8}", 0..6),
        ) {
            let parameters = Parameters::from_pairs(pairs.into_iter().collect()).unwrap();
            let read = |text: String| Parameters::parse(text.as_bytes()).unwrap();
            prop_assert_eq!(&read(parameters.encode()), &parameters);
            prop_assert_eq!(read(parameters.canonical_query()), parameters);
        }
    }
}
