//! Recognises requests for an exchange, by RFC 8693 or as Quay has it.

use axum::response::Response;
use http::{HeaderValue, Method, StatusCode, header};

use super::envelope::{Envelope, refusal};
use super::{federation, tokens};
use crate::domain::Result;
use crate::http::Settings;
use crate::http::door::{BodyRule, Door, Evidence, Incoming, Shared, Strength};
use crate::http::request::host::check_authority;
use crate::http::request::respond::add_request_id;
use crate::http::request::{Head, Record};
use crate::service::AuditAction;

/// The token endpoint.
const TOKEN_PATH: &str = "/oauth/token";
/// Where Quay's clients exchange the token of a robot account.
const FEDERATION_PATH: &str = "/oauth2/federation/robot/token";

/// The door of OAuth's clients.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OAuth(Envelope);

impl Door for OAuth {
    const NAME: &'static str = "oauth";
    const UNNAMED_ACTION: &'static str = "token";
    // As at the registry's door: log-ins are slowed by their use case.
    const TELLS_THROTTLED: bool = false;

    type Envelope = Envelope;

    fn claims(head: &Head<'_>) -> Option<(Evidence, Self)> {
        let envelope = match head.path() {
            TOKEN_PATH => Envelope::Exchange,
            FEDERATION_PATH => Envelope::Federation,
            _ => return None,
        };
        Some((Evidence::unsigned(Strength::Path), Self(envelope)))
    }

    fn envelope(&self) -> &Envelope {
        &self.0
    }

    fn body_rule(&self, head: &Head<'_>, _: &Settings) -> BodyRule {
        if head.parts.method == Method::POST && self.0 == Envelope::Exchange {
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
        match (self.0, &request.head.parts.method) {
            // Boxed: every request has room for the largest answer of all doors otherwise.
            (Envelope::Exchange, &Method::POST) => {
                Box::pin(tokens::post(shared, &request, record)).await
            }
            (Envelope::Exchange, _) => Ok(method_not_allowed("POST", "Send a form by POST.")),
            (Envelope::Federation, &Method::GET) => {
                Box::pin(federation::get(shared, &request.head, record)).await
            }
            (Envelope::Federation, _) => Ok(method_not_allowed("GET", "Ask by GET.")),
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
        add_request_id(response, record);
    }
}

fn method_not_allowed(allowed: &'static str, how: &str) -> Response {
    let mut response = refusal(StatusCode::METHOD_NOT_ALLOWED, "invalid_request", how);
    response
        .headers_mut()
        .insert(header::ALLOW, HeaderValue::from_static(allowed));
    response
}
