//! JSON as OAuth has it (RFC 6749, 5.1 and 5.2).

use axum::body::Body;
use axum::response::Response;
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;

use super::error::answer;
use crate::domain::{Error, ErrorKind, Result};
use crate::http::door;
use crate::http::request::respond::{json, response};

/// The text of every refused subject: a stranger learns no reason.
const REFUSED_SUBJECT: &str = "The subject_token is not accepted here, or not with this role, \
                               username or audience; or it expired or was disabled.";

/// The same where the subject comes by HTTP Basic.
const REFUSED_LOG_IN: &str = "The token is not accepted here, or not with this role or host; or \
                              it expired.";

/// OAuth's JSON, as the clients of each path read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Envelope {
    /// RFC 8693: the subject is a parameter.
    Exchange,
    /// Quay's: the subject is the password of HTTP Basic.
    Federation,
}

impl door::Envelope for Envelope {
    fn refuse(&self, error: &Error, _: &str) -> Response {
        let (status, code, retry_after) = match (self, error.kind()) {
            (Self::Federation, ErrorKind::BadCredentials) => {
                answer(&ErrorKind::MalformedAuthorization)
            }
            (_, kind) => answer(kind),
        };
        let message = match error.kind() {
            ErrorKind::Internal | ErrorKind::Misconfigured => "An internal error has occurred.",
            ErrorKind::BadCredentials => match self {
                Self::Exchange => REFUSED_SUBJECT,
                Self::Federation => REFUSED_LOG_IN,
            },
            ErrorKind::InvalidParameter { name } => &format!("{name}: {}", error.message()),
            _ => error.message(),
        };
        let mut response = refusal(status, code, message);
        if status == StatusCode::UNAUTHORIZED {
            // RFC 6749, 5.2: of the scheme that the client tried.
            response.headers_mut().insert(
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static(r#"Basic realm="transire""#),
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
struct Refusal<'a> {
    error: &'static str,
    error_description: &'a str,
}

/// Answers with an error's status, code and description.
pub(super) fn refusal(status: StatusCode, code: &'static str, message: &str) -> Response {
    let refusal = Refusal {
        error: code,
        error_description: &in_allowed_characters(message),
    };
    respond(status, &refusal).unwrap_or_else(|_| Response::new(Body::empty()))
}

/// Writes a message in the characters of an `error_description`: ASCII but `"`, `\` and controls.
fn in_allowed_characters(message: &str) -> String {
    let allowed = |character| match character {
        '"' | '\\' => '\'',
        ' '..='~' => character,
        _ => '?',
    };
    message.chars().map(allowed).collect()
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
