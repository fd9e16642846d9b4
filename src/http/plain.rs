//! What is neither a cloud call nor a registry's client: probes, keys, and people at the wrong door.

use axum::body::Body;
use axum::response::Response;
use http::request::Parts;
use http::{HeaderValue, Method, StatusCode, header};
use serde::Serialize;

use crate::domain::{Error, ErrorKind, Result};
use crate::service::Service;

use super::Settings;

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

/// Writes JSON. A token's reply has three kilobytes: room for it is taken once, not by doubling.
pub(super) fn json(output: &impl Serialize) -> Result<Vec<u8>> {
    let mut text = Vec::with_capacity(4096);
    serde_json::to_writer(&mut text, output).map_err(Error::internal)?;
    Ok(text)
}

/// Answers with `body` and the content type.
pub(super) fn response(status: StatusCode, content_type: HeaderValue, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, content_type);
    response
}

/// The paths that this door serves.
#[derive(Clone, Copy, Debug)]
pub(super) enum Page {
    /// `/healthz`: the process lives.
    Health,
    /// `/readyz`: it can serve.
    Ready,
    /// `/.well-known/jwks.json`: the keys that sign tokens.
    Keys,
    /// `/bundle.pem`: the certificates that registries trust.
    Bundle,
}

impl Page {
    /// Returns the page of a path.
    pub(super) fn of(path: &str) -> Option<Self> {
        match path {
            "/healthz" => Some(Self::Health),
            "/readyz" => Some(Self::Ready),
            "/.well-known/jwks.json" => Some(Self::Keys),
            "/bundle.pem" => Some(Self::Bundle),
            _ => None,
        }
    }
}

/// Who reads a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reader {
    /// Whoever reaches the doors.
    Anybody,
    /// Who monitors, at a listener of the operator's own.
    Monitor,
}

/// Serves a page.
pub(super) async fn page(page: Page, parts: &Parts, service: &Service, closing: bool, reader: Reader) -> Result<Response> {
    if parts.method != Method::GET && parts.method != Method::HEAD {
        let mut refusal = response(StatusCode::METHOD_NOT_ALLOWED, TEXT, "This page is only read.\n");
        refusal.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
        return Ok(refusal);
    }
    let json = HeaderValue::from_static("application/json");
    Ok(match page {
        Page::Health => response(StatusCode::OK, TEXT, "ok\n"),
        Page::Ready => {
            let missing = if closing { vec!["the service is shutting down".to_owned()] } else { service.missing().await };
            let mut warnings: Vec<_> = service
                .alarms()
                .iter()
                .map(|alarm| if reader == Reader::Monitor { alarm.text.clone() } else { alarm.kind.notice().to_owned() })
                .collect();
            // What is alike is together.
            warnings.dedup();
            warnings.extend(service.degraded().into_iter().map(ToOwned::to_owned));
            let readiness = Readiness::of(missing, warnings);
            let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
            response(status, json, serde_json::to_vec(&readiness).map_err(Error::internal)?)
        }
        Page::Keys => response(StatusCode::OK, json, service.jwks()),
        Page::Bundle => response(StatusCode::OK, HeaderValue::from_static("application/x-pem-file"), service.bundle_pem()),
    })
}

#[derive(Serialize)]
struct Readiness {
    ready: bool,
    missing: Vec<String>,
    /// What the operator should look at, though it serves.
    warnings: Vec<String>,
}

impl Readiness {
    fn of(missing: Vec<String>, warnings: Vec<String>) -> Self {
        Self { ready: missing.is_empty(), missing, warnings }
    }
}

/// Answers who came to no door: says what this is.
pub(super) fn wrong_door(settings: &Settings) -> Response {
    let body = format!(
        "This is transire, which gives out access credentials for container registries.\n\
         The request is no signed call of Tencent Cloud's TCR or Alibaba Cloud's ACR API, and {}/token is where registry clients log in.\n\
         Documentation: {}\n",
        settings.public_url, settings.documentation
    );
    response(StatusCode::NOT_FOUND, TEXT, body)
}

/// Answers with an error as text: who asked speaks no dialect, or two.
pub(super) fn refuse(error: &Error, request_id: &str) -> Response {
    let status = status(error.kind());
    let message = match error.kind() {
        // What the operator has to mend is in the log.
        ErrorKind::Misconfigured => "An internal error has occurred.",
        _ => error.message(),
    };
    let mut response = response(status, TEXT, format!("{message}\nrequest id: {request_id}\n"));
    if let ErrorKind::AddressThrottled { retry_after_seconds } = error.kind() {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(*retry_after_seconds));
    }
    response
}

fn status(kind: &ErrorKind) -> StatusCode {
    match kind {
        ErrorKind::MalformedAuthorization
        | ErrorKind::SignatureMethodRefused { .. }
        | ErrorKind::RequestExpired { .. }
        | ErrorKind::MalformedTime
        | ErrorKind::Replayed
        | ErrorKind::UnknownVersion { .. }
        | ErrorKind::MissingParameter { .. }
        | ErrorKind::UnknownParameter { .. }
        | ErrorKind::WrongType { .. }
        | ErrorKind::InvalidParameter { .. }
        | ErrorKind::SessionPolicyTooLong
        | ErrorKind::MalformedRequest
        | ErrorKind::Unsupported => StatusCode::BAD_REQUEST,
        ErrorKind::AccessKeyNotFound
        | ErrorKind::AccessKeyDisabled
        | ErrorKind::SessionTokenMissing
        | ErrorKind::SessionTokenMalformed
        | ErrorKind::SessionTokenMismatch
        | ErrorKind::SessionTokenExpired
        | ErrorKind::SignatureMismatch { .. }
        | ErrorKind::BadCredentials
        | ErrorKind::WebIdentity { .. } => StatusCode::UNAUTHORIZED,
        ErrorKind::AccessDenied(_) | ErrorKind::AddressRefused => StatusCode::FORBIDDEN,
        ErrorKind::UnknownAction { .. } | ErrorKind::InstanceNotFound | ErrorKind::NoDefaultInstance | ErrorKind::NotFound { .. } => {
            StatusCode::NOT_FOUND
        }
        ErrorKind::AlreadyExists { .. } | ErrorKind::QuotaExceeded { .. } | ErrorKind::PreconditionFailed { .. } => StatusCode::CONFLICT,
        ErrorKind::RequestTooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
        ErrorKind::RequestTimeout => StatusCode::REQUEST_TIMEOUT,
        ErrorKind::Throttled { .. } | ErrorKind::NonceMemoryFull | ErrorKind::AddressThrottled { .. } | ErrorKind::PasswordsBusy => {
            StatusCode::TOO_MANY_REQUESTS
        }
        ErrorKind::Overloaded | ErrorKind::StoreUnavailable | ErrorKind::AuditUnavailable => StatusCode::SERVICE_UNAVAILABLE,
        ErrorKind::RegistryUnavailable => StatusCode::BAD_GATEWAY,
        ErrorKind::Misconfigured | ErrorKind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}
