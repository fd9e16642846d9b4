//! Answers as text, for a client that speaks no API, or two.

use axum::response::Response;
use http::{HeaderValue, header};

use super::error::status;
use crate::domain::{Error, ErrorKind};
use crate::http::door;
use crate::http::request::respond::{TEXT, response};

/// Plain text.
pub(crate) struct Envelope;

impl door::Envelope for Envelope {
    fn refuse(&self, error: &Error, request_id: &str) -> Response {
        let status = status(error.kind());
        let message = match error.kind() {
            // The operator's part of it is in the log.
            ErrorKind::Misconfigured => "An internal error has occurred.",
            _ => error.message(),
        };
        let mut response = response(
            status,
            TEXT,
            format!("{message}\nrequest id: {request_id}\n"),
        );
        if let ErrorKind::AddressThrottled {
            retry_after_seconds,
        } = error.kind()
        {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from(*retry_after_seconds));
        }
        response
    }
}
