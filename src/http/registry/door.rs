//! Recognises requests for tokens, and what registry clients ask for beside them.

use axum::response::Response;
use http::{HeaderValue, Method, StatusCode, header};

use super::envelope::{Envelope, refusal};
use super::tokens;
use crate::domain::Result;
use crate::http::Settings;
use crate::http::door::{BodyRule, Door, Evidence, Incoming, Shared, Strength};
use crate::http::request::host::check_authority;
use crate::http::request::respond::add_request_id;
use crate::http::request::{Head, Record};
use crate::service::AuditAction;

/// Where registries send their clients.
const TOKEN_PATH: &str = "/token";

/// The door of registry clients.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Registry;

impl Door for Registry {
    const NAME: &'static str = "registry";
    const UNNAMED_ACTION: &'static str = "token";
    // A request that can't be read says so to the people who configure its client; log-ins are
    // slowed by their use case.
    const TELLS_THROTTLED: bool = false;

    type Envelope = Envelope;

    fn claims(head: &Head<'_>) -> Option<(Evidence, Self)> {
        let strength = match head.path() {
            TOKEN_PATH => Strength::Path,
            // Any other path may be a signed call's.
            path if is_near(path) => Strength::NearPath,
            _ => return None,
        };
        Some((Evidence::unsigned(strength), Self))
    }

    fn envelope(&self) -> &Envelope {
        &Envelope
    }

    async fn answer_at_once(
        &self,
        head: &Head<'_>,
        shared: &Shared<'_>,
    ) -> Result<Option<Response>> {
        if head.path() != TOKEN_PATH {
            return Ok(
                (!head.may_be_signed_in_form()).then(|| not_found(head.path(), shared.settings))
            );
        }
        check_authority(head.parts)?;
        // Also under load: it costs less than to refuse it.
        Ok(shared.settings.cors.preflight(head.parts))
    }

    fn body_rule(&self, head: &Head<'_>, _: &Settings) -> BodyRule {
        match (head.path(), &head.parts.method) {
            (TOKEN_PATH, &Method::POST) => BodyRule::Unsigned,
            (TOKEN_PATH, _) => BodyRule::Unread,
            _ => BodyRule::Unrecognised,
        }
    }

    /// Nothing at `/token` is signed, so that a client of HTTP/1.0 need not name the host.
    fn check_host(&self, head: &Head<'_>) -> Result<()> {
        if head.path() == TOKEN_PATH {
            check_authority(head.parts)
        } else {
            head.host().map(drop)
        }
    }

    async fn answer(
        &self,
        request: Incoming<'_>,
        shared: &Shared<'_>,
        record: &mut Record,
    ) -> Result<Response> {
        let parts = request.head.parts;
        match (request.head.path(), &parts.method) {
            (TOKEN_PATH, &Method::GET) => tokens::get(shared, parts, record).await,
            (TOKEN_PATH, &Method::POST) => tokens::post(shared, &request, record).await,
            (TOKEN_PATH, method) => Ok(method_not_allowed(method)),
            (path, _) => Ok(not_found(path, shared.settings)),
        }
    }

    fn audited_action(&self, _: &Head<'_>, record: &Record) -> Option<AuditAction> {
        let is_logged_in = record.caller().1.is_some();
        Some(if is_logged_in {
            AuditAction::TokenExchange
        } else {
            AuditAction::RegistryLogIn
        })
    }

    fn complete(
        &self,
        head: &Head<'_>,
        shared: &Shared<'_>,
        record: &Record,
        response: &mut Response,
    ) {
        add_request_id(response, record);
        if head.path() == TOKEN_PATH {
            shared.settings.cors.mark(&head.parts.headers, response);
        }
    }
}

/// Tells whether a path is one at which registry clients read JSON, though nothing is there: one
/// below `/token`, or of a registry's own API.
fn is_near(path: &str) -> bool {
    path.starts_with("/token/") || path == "/v2" || path.starts_with("/v2/")
}

/// Answers a request beside `/token`: says what is wrong about the path.
fn not_found(path: &str, settings: &Settings) -> Response {
    let message = if path.starts_with("/v2") {
        "This is the token server of registries, and no registry: use the registry's own address."
            .to_owned()
    } else {
        format!(
            "Nothing is served at this path; registry clients get their tokens at {}/token.",
            settings.public_url
        )
    };
    refusal(StatusCode::NOT_FOUND, "UNSUPPORTED", &message)
}

/// Refuses a method that isn't served here.
fn method_not_allowed(method: &Method) -> Response {
    let message = format!("The method {method} is not served here; use GET or POST.");
    let mut response = refusal(StatusCode::METHOD_NOT_ALLOWED, "UNSUPPORTED", &message);
    response
        .headers_mut()
        .insert(header::ALLOW, HeaderValue::from_static("GET, POST"));
    response
}
