//! Answers of any door.

use axum::body::Body;
use axum::response::Response;
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;

use crate::domain::{Error, Result};

/// The content type of plain text.
pub(crate) const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

/// Writes JSON. A token's reply has three kilobytes: room for it is taken once, not by doubling.
///
/// # Errors
///
/// `Internal` when `output` can't be written.
pub(crate) fn json(output: &impl Serialize) -> Result<Vec<u8>> {
    let mut text = Vec::with_capacity(4096);
    serde_json::to_writer(&mut text, output).map_err(Error::internal)?;
    Ok(text)
}

/// Answers with `body` and the content type.
pub(crate) fn response(
    status: StatusCode,
    content_type: HeaderValue,
    body: impl Into<Body>,
) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, content_type);
    response
}
