//! The calls of `transire mock` that no other service has, and the mark of all its answers.
//!
//! `GET /mock/clock` reads the mock's clock, and `POST /mock/clock` moves it ahead. Any web page
//! can have its reader's browser ask a service on the reader's own machine. So a request that names
//! a page's origin is refused, and one whose Host is a name that the page's owner may have pointed
//! here.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use serde::{Deserialize, Serialize};

use super::request::host;
use super::request::respond::response;
use crate::domain::clock::{Clock, MovableClock};

/// Every path of these calls begins so.
const PREFIX: &str = "/mock/";
const CLOCK: &str = "/mock/clock";
/// The header of every answer.
const MARK: HeaderName = HeaderName::from_static("x-transire-mock");
/// The most bytes of a request.
const MAX_BODY_BYTES: usize = 1024;
/// How long its body may take.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// The calls of a mock.
#[derive(Clone, Debug)]
pub struct Mock {
    clock: Arc<MovableClock>,
    /// The host of the mock's public URL, without a port.
    host: String,
}

/// The state of the clock.
#[derive(Serialize)]
struct ClockState {
    /// In RFC 3339.
    now: String,
    unix_seconds: i64,
    /// How far it is ahead of the machine's.
    advanced_seconds: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Advance {
    advance_seconds: u64,
}

/// A refusal: the status, and why.
type Refusal = (StatusCode, String);

impl Mock {
    /// Moves `clock`, for clients on this machine and for those that call the mock by `host`.
    pub fn new(clock: Arc<MovableClock>, host: &str) -> Self {
        Self {
            clock,
            host: host.to_ascii_lowercase(),
        }
    }

    /// Tells whether a request is for the mock's own calls.
    pub(super) fn is_asked(request: &Request) -> bool {
        request.uri().path().starts_with(PREFIX)
    }

    /// Says in an answer that it is a mock's.
    pub(super) fn mark(response: &mut Response) {
        response
            .headers_mut()
            .insert(MARK, HeaderValue::from_static("1"));
    }

    /// Answers a request for the mock's own calls.
    pub(super) async fn answer(&self, request: Request) -> Response {
        let (status, text) = match self.decide(request).await {
            Ok(state) => (StatusCode::OK, serde_json::to_string(&state)),
            Err((status, why)) => {
                let error = serde_json::json!({ "error": why });
                (status, serde_json::to_string(&error))
            }
        };
        let json = HeaderValue::from_static("application/json");
        // Text and numbers can be written.
        response(status, json, text.unwrap_or_default())
    }

    async fn decide(&self, request: Request) -> Result<ClockState, Refusal> {
        let (parts, body) = request.into_parts();
        self.refuse_pages(&parts)?;
        if parts.uri.path() != CLOCK {
            let why = format!("the mock's own calls are GET and POST of {CLOCK}");
            return Err((StatusCode::NOT_FOUND, why));
        }
        match parts.method {
            Method::GET => {}
            Method::POST => self.advance(body).await?,
            _ => {
                let why = "GET reads the clock, and POST moves it";
                return Err((StatusCode::METHOD_NOT_ALLOWED, why.to_owned()));
            }
        }
        let now = self.clock.now();
        Ok(ClockState {
            now: now.rfc3339_millis(),
            unix_seconds: now.unix_seconds(),
            advanced_seconds: self.clock.ahead().as_secs(),
        })
    }

    /// Refuses what a web page may have sent.
    fn refuse_pages(&self, parts: &Parts) -> Result<(), Refusal> {
        let refuse = |why: String| Err((StatusCode::FORBIDDEN, why));
        if parts.headers.contains_key(header::ORIGIN) {
            return refuse(
                "the mock's clock is not for web pages: no Origin is allowed".to_owned(),
            );
        }
        let asked = host::signed(parts)
            .map_err(|error| (StatusCode::BAD_REQUEST, error.message().to_owned()))?;
        let name = name_of(asked).to_ascii_lowercase();
        let is_address = name.trim_matches(['[', ']']).parse::<IpAddr>().is_ok();
        if is_address || name == "localhost" || name == self.host {
            return Ok(());
        }
        refuse(format!(
            "the Host {asked:?} is neither localhost, nor an address, nor the host of --public-url"
        ))
    }

    async fn advance(&self, body: Body) -> Result<(), Refusal> {
        let refuse = |why: String| (StatusCode::BAD_REQUEST, why);
        let whole = Limited::new(body, MAX_BODY_BYTES).collect();
        let body = tokio::time::timeout(BODY_TIMEOUT, whole)
            .await
            .map_err(|_| refuse("the body did not come in time".to_owned()))?
            .map_err(|error| refuse(format!("the body can't be read: {error}")))?;
        let asked: Advance = serde_json::from_slice(&body.to_bytes()).map_err(|error| {
            refuse(format!(
                "the body is not of the form {{\"advance_seconds\": 3600}}: {error}"
            ))
        })?;
        if self
            .clock
            .advance(Duration::from_secs(asked.advance_seconds))
        {
            return Ok(());
        }
        let days = MovableClock::MAX_AHEAD.as_secs() / (24 * 60 * 60);
        Err(refuse(format!("the clock goes {days} days ahead at most")))
    }
}

/// Returns a host without its port.
fn name_of(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn ask(
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> (u16, String) {
        let clock = Arc::new(MovableClock::default());
        let mut request = http::Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::from(body.to_owned())).unwrap();
        let answer = Mock::new(clock, "mock.example.com").answer(request).await;
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn the_clock_is_read_and_moved_by_clients_and_not_by_web_pages() {
        for host in [
            "localhost",
            "localhost:8480",
            "LOCALHOST:1",
            "127.0.0.1:8480",
            "[::1]:8480",
            "192.0.2.1",
            "mock.example.com:80",
        ] {
            let (status, body) = ask(Method::GET, CLOCK, &[("host", host)], "").await;
            assert_eq!(status, 200, "{host}: {body}");
        }
        for headers in [
            &[("host", "pages.example.com")][..],
            &[("host", "localhost.example.com:8480")],
            &[("host", "127.0.0.1.example.com")],
            &[("host", "localhost"), ("origin", "http://localhost")],
            &[("host", "localhost"), ("origin", "null")],
        ] {
            let (status, body) = ask(Method::GET, CLOCK, headers, "").await;
            assert_eq!(status, 403, "{headers:?}: {body}");
        }
        let (status, _) = ask(Method::GET, CLOCK, &[], "").await;
        assert_eq!(status, 400, "a request without a Host");
    }

    #[tokio::test]
    async fn the_clock_goes_ahead_by_whole_seconds_and_nothing_else() {
        let local = &[("host", "localhost")];
        let (status, body) = ask(Method::POST, CLOCK, local, r#"{"advance_seconds": 3600}"#).await;
        assert_eq!(status, 200, "{body}");
        let state: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert_eq!(state["advanced_seconds"], 3600);
        for bad in [
            "",
            "{}",
            "3600",
            r#"{"advance_seconds": -1}"#,
            r#"{"advance_seconds": 1.5}"#,
            r#"{"advance_seconds": 1, "more": 1}"#,
            r#"{"advance_seconds": 18446744073709551615}"#,
            &format!(r#"{{"advance_seconds": 1{}}}"#, " ".repeat(MAX_BODY_BYTES)),
        ] {
            let (status, body) = ask(Method::POST, CLOCK, local, bad).await;
            assert_eq!(status, 400, "{bad}: {body}");
        }
        assert_eq!(ask(Method::DELETE, CLOCK, local, "").await.0, 405);
        assert_eq!(ask(Method::GET, "/mock/other", local, "").await.0, 404);
    }
}
