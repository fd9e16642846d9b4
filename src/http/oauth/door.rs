//! Recognises requests for an exchange.

use axum::response::Response;
use http::{HeaderName, HeaderValue, Method, StatusCode, header};

use super::envelope::{Envelope, refusal};
use super::tokens;
use crate::domain::Result;
use crate::http::Settings;
use crate::http::door::{BodyRule, Door, Evidence, Incoming, Shared, Strength};
use crate::http::request::host::check_authority;
use crate::http::request::{Head, Record};
use crate::service::AuditAction;

/// The token endpoint.
const TOKEN_PATH: &str = "/oauth/token";

static X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The door of OAuth's clients.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OAuth;

impl Door for OAuth {
    const NAME: &'static str = "oauth";
    const UNNAMED_ACTION: &'static str = "token";
    // As at the registry's door: log-ins are slowed by their use case.
    const TELLS_THROTTLED: bool = false;

    type Envelope = Envelope;

    fn claims(head: &Head<'_>) -> Option<(Evidence, Self)> {
        (head.path() == TOKEN_PATH).then(|| (Evidence::unsigned(Strength::Path), Self))
    }

    fn envelope(&self) -> &Envelope {
        &Envelope
    }

    fn body_rule(&self, head: &Head<'_>, _: &Settings) -> BodyRule {
        if head.parts.method == Method::POST {
            BodyRule::Unsigned
        } else {
            BodyRule::Unread
        }
    }

    /// Nothing here is signed, so that a client of HTTP/1.0 need not name the host.
    fn check_host(&self, head: &Head<'_>) -> Result<()> {
        check_authority(head.parts)
    }

    async fn answer(
        &self,
        request: Incoming<'_>,
        shared: &Shared<'_>,
        record: &mut Record,
    ) -> Result<Response> {
        match request.head.parts.method {
            Method::POST => tokens::post(shared, &request, record).await,
            _ => Ok(method_not_allowed()),
        }
    }

    fn audited_action(&self, _: &Head<'_>, record: &Record) -> Option<AuditAction> {
        Some(if record.is_authenticated() {
            AuditAction::CredentialExchange
        } else {
            AuditAction::RegistryLogIn
        })
    }

    fn complete(&self, _: &Head<'_>, _: &Shared<'_>, record: &Record, response: &mut Response) {
        if let Ok(request_id) = HeaderValue::from_str(&record.context.request_id) {
            response
                .headers_mut()
                .insert(X_REQUEST_ID.clone(), request_id);
        }
    }
}

fn method_not_allowed() -> Response {
    let mut response = refusal(
        StatusCode::METHOD_NOT_ALLOWED,
        "invalid_request",
        "Send a form by POST.",
    );
    response
        .headers_mut()
        .insert(header::ALLOW, HeaderValue::from_static("POST"));
    response
}
