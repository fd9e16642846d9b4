//! The fields of a request: those of its path, its query and its body.

use http::header;
use serde_json::{Map, Value};

use crate::admin::Given;
use crate::domain::{Error, Result};
use crate::http::door::Incoming;
use crate::http::operators::operations::Found;

/// The fields that one request may give; the widest operation has some twenty.
const MAX_PAIRS: usize = 64;

/// Reads the fields of a request.
///
/// # Errors
/// `MalformedRequest` for a body that is no JSON object, or that comes where none is taken.
pub(super) fn read(found: &Found, incoming: &Incoming<'_>) -> Result<Given> {
    let parts = incoming.head.parts;
    let query = parts.uri.query().unwrap_or_default();
    let mut pairs = found.fields.clone();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        if pairs.len() == MAX_PAIRS {
            return Err(Error::malformed_request(format!(
                "The query has more than {MAX_PAIRS} fields."
            )));
        }
        pairs.push((name.into_owned(), value.into_owned()));
    }
    let body = body(found, incoming)?;
    Ok(Given { pairs, body })
}

fn body(found: &Found, incoming: &Incoming<'_>) -> Result<Map<String, Value>> {
    if incoming.body.is_empty() {
        return Ok(Map::new());
    }
    if !found.route.method.has_body() {
        return Err(Error::malformed_request(
            "This operation takes its fields from the path and the query, and no body.",
        ));
    }
    let headers = &incoming.head.parts.headers;
    let content_type = headers
        .get(header::CONTENT_TYPE)
        .map(|name| name.as_bytes());
    let is_json = content_type.is_some_and(|name| {
        let name = name.split(|byte| *byte == b';').next().unwrap_or_default();
        name.trim_ascii().eq_ignore_ascii_case(b"application/json")
    });
    if !is_json {
        return Err(Error::malformed_request(
            "The body is JSON: send it with Content-Type: application/json.",
        ));
    }
    serde_json::from_slice(incoming.body)
        .map_err(|error| Error::malformed_request(format!("The body is no JSON object: {error}.")))
}
