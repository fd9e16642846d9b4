//! JSON answers, and problem details.

use axum::body::Body;
use axum::response::Response;
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use serde_json::Value;

use crate::admin::{Effect, PROBLEM_TYPE, Problem};
use crate::domain::{Error, Result};
use crate::http::door;
use crate::http::operators::error::answer;
use crate::http::request::respond::{json, response};
use crate::service::content_hash;

/// The JSON of the admin API.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Envelope;

impl door::Envelope for Envelope {
    fn refuse(&self, error: &Error, request_id: &str) -> Response {
        let (status, retry_after) = answer(error.kind());
        let title = status.canonical_reason().unwrap_or("Error");
        let mut refused = problem(
            status,
            &Problem::of(error, status.as_u16(), title, request_id),
        );
        let headers = refused.headers_mut();
        if status == StatusCode::UNAUTHORIZED {
            let scheme = HeaderValue::from_static(r#"Bearer realm="operators""#);
            headers.insert(header::WWW_AUTHENTICATE, scheme);
        }
        if let Some(seconds) = retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        refused
    }
}

/// Answers with a problem.
fn problem(status: StatusCode, problem: &Problem) -> Response {
    let body = json(problem).unwrap_or_default();
    let mut answer = response(status, HeaderValue::from_static(PROBLEM_TYPE), body);
    let headers = answer.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

/// Answers that a path has operations by other methods.
pub(super) fn method_not_allowed(methods: &[&str], request_id: &str) -> Response {
    let status = StatusCode::METHOD_NOT_ALLOWED;
    let mut refused = problem(
        status,
        &Problem {
            of: "about:blank".to_owned(),
            title: "Method Not Allowed".to_owned(),
            status: status.as_u16(),
            detail: "The header Allow lists the methods of this path.".to_owned(),
            kind: "method-not-allowed".to_owned(),
            parameter: None,
            noun: None,
            request_id: request_id.to_owned(),
        },
    );
    if let Ok(allowed) = HeaderValue::from_str(&methods.join(", ")) {
        refused.headers_mut().insert(header::ALLOW, allowed);
    }
    refused
}

/// Answers with a JSON document, which no cache may keep: it may hold a secret.
///
/// # Errors
/// `Internal` when it can't be written.
pub(super) fn respond(status: StatusCode, body: &impl Serialize) -> Result<Response> {
    let mut answer = of_text(status, json(body)?);
    let headers = answer.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(answer)
}

/// Answers with the text of a JSON document.
pub(super) fn of_text(status: StatusCode, text: impl Into<Body>) -> Response {
    response(status, HeaderValue::from_static("application/json"), text)
}

/// Writes an answer, with a tag by which a change can name what it saw.
///
/// # Errors
/// `Internal` when it can't be written.
pub(super) fn write(effect: Effect, answer: &Value) -> Result<Response> {
    let status = match effect {
        Effect::Makes => StatusCode::CREATED,
        Effect::Reads | Effect::Changes => StatusCode::OK,
    };
    let mut response = respond(status, answer)?;
    if effect == Effect::Reads
        && let Ok(tag) = HeaderValue::from_str(&tag(answer))
    {
        response.headers_mut().insert(header::ETAG, tag);
    }
    Ok(response)
}

/// Returns the tag of an answer.
pub(super) fn tag(answer: &Value) -> String {
    format!("\"{}\"", content_hash(&answer.to_string()))
}
