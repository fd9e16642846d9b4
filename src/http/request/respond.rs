//! Answers of any door.

use axum::body::Body;
use axum::response::Response;
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde::Serialize;

use super::record::Record;
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

static X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Adds the request's id, which leads from a client to the log, where an API's envelope has no
/// place for it.
pub(crate) fn add_request_id(response: &mut Response, record: &Record) {
    if let Ok(request_id) = HeaderValue::from_str(&record.context.request_id) {
        response
            .headers_mut()
            .insert(X_REQUEST_ID.clone(), request_id);
    }
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
