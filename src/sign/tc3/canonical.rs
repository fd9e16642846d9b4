//! The canonical request, in the variants that clients sign.

use super::name;
use crate::domain::{Error, Result};
use crate::sign::{Request, sha256};

/// The parts of a canonical request.
pub(super) struct Canonical<'a> {
    pub(super) request: &'a Request<'a>,
    pub(super) names: &'a [&'a str],
    pub(super) signed_headers: &'a str,
    pub(super) payload_hash: [u8; 64],
}

/// Where clients differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Variant {
    /// Sign the host without `:port`: the Node SDK does, though its Host header has the port.
    without_port: bool,
    /// Sign the path as sent (Node) and not `/` (the documents, Python, Go).
    own_path: bool,
    /// Sign header values in lower case: the documents say so, no SDK does.
    lower_case: bool,
}

impl Variant {
    pub(super) const AS_SENT: Self = Self {
        without_port: false,
        own_path: false,
        lower_case: false,
    };
}

impl Canonical<'_> {
    /// Hashes the canonical request of every variant that makes a difference here.
    ///
    /// A request to `/` at a host without port, with values in lower case, has exactly one.
    pub(super) fn hashes(&self) -> Result<Vec<[u8; 32]>> {
        let variants = self.variants();
        let mut hashes = Vec::with_capacity(variants.len());
        let mut text = Vec::with_capacity(256 + self.request.query.len());
        for variant in variants {
            text.clear();
            self.write(variant, &mut text)?;
            hashes.push(sha256(&text));
        }
        Ok(hashes)
    }

    pub(super) fn variants(&self) -> Vec<Variant> {
        let own_path = !matches!(self.request.path, "/" | "");
        let has_port = without_port(self.request.host) != self.request.host;
        let upper_case = |name: &&str| {
            self.values(name)
                .any(|value| value.iter().any(u8::is_ascii_uppercase))
        };
        let lower_case = self.names.iter().any(upper_case);
        // A hint from a header that nobody signs: it only says what to try first.
        let node = self
            .request
            .headers
            .get(&name::X_TC_REQUEST_CLIENT)
            .is_some_and(|client| client.as_bytes().starts_with(b"SDK_NODEJS"));
        let mut variants = vec![Variant::AS_SENT];
        let mut vary = |applies: bool, first: bool, change: fn(&mut Variant)| {
            if applies {
                let mut others = variants.clone();
                others.iter_mut().for_each(change);
                let place = if first { 0 } else { variants.len() };
                variants.splice(place..place, others);
            }
        };
        vary(has_port, node, |variant| variant.without_port = true);
        vary(own_path, node, |variant| variant.own_path = true);
        vary(lower_case, false, |variant| variant.lower_case = true);
        variants
    }

    fn values(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        let host = (name == "host").then_some(self.request.host.as_bytes());
        let headers = host.is_none().then(|| {
            self.request
                .headers
                .get_all(name)
                .iter()
                .map(http::HeaderValue::as_bytes)
        });
        host.into_iter().chain(headers.into_iter().flatten())
    }

    /// Writes the canonical request. Its query is the raw one: SDKs sign their own order and
    /// escapes.
    pub(super) fn write(&self, variant: Variant, text: &mut Vec<u8>) -> Result<()> {
        let request = self.request;
        text.extend_from_slice(request.method.as_bytes());
        text.push(b'\n');
        text.extend_from_slice(if variant.own_path {
            request.path.as_bytes()
        } else {
            b"/"
        });
        text.push(b'\n');
        text.extend_from_slice(request.query.as_bytes());
        text.push(b'\n');
        for name in self.names {
            let mut values = self.values(name);
            let value = match (values.next(), values.next()) {
                (Some(value), None) => value.trim_ascii(),
                (None, _) => {
                    return Err(Error::malformed_authorization(format!(
                        "The signed header {name} is missing."
                    )));
                }
                (Some(_), Some(_)) => {
                    return Err(Error::malformed_authorization(format!(
                        "The header {name} comes more than once."
                    )));
                }
            };
            let value = if *name == "host" && variant.without_port {
                without_port(request.host).as_bytes()
            } else {
                value
            };
            text.extend_from_slice(name.as_bytes());
            text.push(b':');
            let start = text.len();
            text.extend_from_slice(value);
            if variant.lower_case {
                text[start..].make_ascii_lowercase();
            }
            text.push(b'\n');
        }
        text.push(b'\n');
        text.extend_from_slice(self.signed_headers.as_bytes());
        text.push(b'\n');
        text.extend_from_slice(&self.payload_hash);
        Ok(())
    }
}

/// Cuts `:port` off.
fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port))
            if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) =>
        {
            name
        }
        _ => host,
    }
}
