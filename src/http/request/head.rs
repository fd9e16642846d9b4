//! The part of a request by which an API recognises it: its head, and the form that is its body,
//! once that is read.

use http::request::Parts;
use http::{Method, header};

use super::host;
use crate::domain::Result;
use crate::sign;

/// A request's head, and its form.
#[derive(Clone, Copy)]
pub(crate) struct Head<'a> {
    /// Method, target and headers.
    pub(crate) parts: &'a Parts,
    /// The body, or what came of it, if that is a form and was read.
    form: &'a [u8],
}

impl<'a> Head<'a> {
    /// The head of a request whose body nobody has read.
    pub(crate) fn new(parts: &'a Parts) -> Self {
        Self { parts, form: b"" }
    }

    /// The same head, with the form that was read.
    pub(crate) fn with_form(self, form: &'a [u8]) -> Self {
        Self { form, ..self }
    }

    /// Returns the path, still encoded.
    pub(crate) fn path(&self) -> &'a str {
        self.parts.uri.path()
    }

    /// Returns the host that clients sign.
    ///
    /// # Errors
    ///
    /// Those of [`host::signed`].
    pub(crate) fn host(&self) -> Result<&'a str> {
        host::signed(self.parts)
    }

    /// Returns whether the body is announced as a form, whatever its charset: it is read as UTF-8.
    pub(crate) fn has_form(&self) -> bool {
        self.parts
            .headers
            .get(header::CONTENT_TYPE)
            .is_some_and(|content_type| sign::is_form_type(content_type.as_bytes()))
    }

    /// Returns whether the older signatures may still come, which stand in a form.
    pub(crate) fn may_be_signed_in_form(&self) -> bool {
        self.parts.method == Method::POST && self.has_form()
    }

    /// Returns the parameters of query and form, still encoded. The names and the few values by
    /// which an API is recognised are plain ASCII, and no client encodes those.
    pub(crate) fn parameters(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        let pairs = |encoded: &'a [u8]| {
            encoded
                .split(|byte| *byte == b'&')
                .filter(|pair| !pair.is_empty())
        };
        let query = self.parts.uri.query().unwrap_or_default().as_bytes();
        pairs(query).chain(pairs(self.form)).map(|pair| {
            match pair.iter().position(|byte| *byte == b'=') {
                Some(place) => (&pair[..place], &pair[place + 1..]),
                None => (pair, &b""[..]),
            }
        })
    }

    /// Returns what signatures cover of the request with its `body`.
    ///
    /// # Errors
    ///
    /// Those of [`Self::host`].
    pub(crate) fn signed<'b>(&self, body: &'b [u8]) -> Result<sign::Request<'b>>
    where
        'a: 'b,
    {
        let parts = self.parts;
        Ok(sign::Request {
            method: parts.method.as_str(),
            path: parts.uri.path(),
            query: parts.uri.query().unwrap_or_default(),
            host: self.host()?,
            headers: &parts.headers,
            body,
        })
    }
}
