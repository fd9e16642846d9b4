//! JSON as the registry's own API has it: its clients read errors of both in one way.

use axum::body::Body;
use axum::response::Response;
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;

use super::error::answer;
use crate::domain::{Error, ErrorKind, Result};
use crate::http::door;
use crate::http::request::respond::{json, response};

/// The registry API's JSON.
pub(crate) struct Envelope;

impl door::Envelope for Envelope {
    fn refuse(&self, error: &Error, _: &str) -> Response {
        let (status, code, retry_after) = answer(error.kind());
        let message = match error.kind() {
            ErrorKind::Internal | ErrorKind::Misconfigured => "An internal error has occurred.",
            _ => error.message(),
        };
        let mut response = refusal(status, code, message);
        if status == StatusCode::UNAUTHORIZED {
            // Not for registry clients, who know how to log in: for people with a browser or curl.
            response.headers_mut().insert(
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static(r#"Basic realm="transire", charset="UTF-8""#),
            );
        }
        if let Some(seconds) = retry_after {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

#[derive(Serialize)]
struct Errors<'a> {
    errors: [OneError<'a>; 1],
}

#[derive(Serialize)]
struct OneError<'a> {
    code: &'static str,
    message: &'a str,
    detail: Option<()>,
}

/// Answers with an error's status, code and message.
pub(super) fn refusal(status: StatusCode, code: &'static str, message: &str) -> Response {
    let errors = Errors {
        errors: [OneError {
            code,
            message,
            detail: None,
        }],
    };
    respond(status, &errors).unwrap_or_else(|_| Response::new(Body::empty()))
}

/// Answers with `body`, which no cache may keep.
///
/// # Errors
///
/// `Internal` when it can't be written.
pub(super) fn respond(status: StatusCode, body: &impl Serialize) -> Result<Response> {
    let body = json(body)?;
    let mut response = response(status, HeaderValue::from_static("application/json"), body);
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
    Ok(response)
}
