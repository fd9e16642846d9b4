//! Recognises requests of operators, proves them, and answers by an operation.

use axum::response::Response;
use http::{StatusCode, header};

use super::envelope::{Envelope, method_not_allowed, of_text, write};
use super::{given, once, openapi};
use crate::admin::Effect;
use crate::domain::secret::Secret;
use crate::domain::{Error, Noun, Result};
use crate::http::Settings;
use crate::http::door::{BodyRule, Door, Evidence, Incoming, Shared, Strength};
use crate::http::operators::download::of_bytes;
use crate::http::operators::once::make;
use crate::http::operators::operations::{BASE, Found, OPERATIONS, Search, find, max_body_bytes};
use crate::http::request::host::check_authority;
use crate::http::request::respond::add_request_id;
use crate::http::request::{Head, OperationRow, Record};
use crate::service::{AuditAction, Caller, Service};

/// The path of the API's description, for which nobody has to log in.
const DESCRIPTION: &str = "/admin/openapi.json";

/// The name in the audit of a request that was refused before its operation was known.
const UNKNOWN: &str = "admin:request";

/// The door of operators.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Admin;

impl Door for Admin {
    const NAME: &'static str = "admin";
    const OPERATIONS: &'static [OperationRow] = OPERATIONS;
    const UNNAMED_ACTION: &'static str = "admin";

    type Envelope = Envelope;

    fn claims(head: &Head<'_>) -> Option<(Evidence, Self)> {
        let is_below = head.path() == DESCRIPTION
            || head
                .path()
                .strip_prefix(BASE)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        is_below.then_some((Evidence::unsigned(Strength::Path), Self))
    }

    fn envelope(&self) -> &Envelope {
        &Envelope
    }

    /// A stranger is refused before its body is read.
    async fn answer_at_once(
        &self,
        head: &Head<'_>,
        _shared: &Shared<'_>,
    ) -> Result<Option<Response>> {
        if head.path() != DESCRIPTION {
            return Ok(None);
        }
        check_authority(head.parts)?;
        Ok(Some(of_text(StatusCode::OK, openapi::text())))
    }

    fn body_rule(&self, head: &Head<'_>, settings: &Settings) -> BodyRule {
        let found = find(&head.parts.method, below(head));
        let takes_document =
            matches!(found, Ok(Search::Found(found)) if found.route.takes_document);
        BodyRule::Proved {
            limit: max_body_bytes(takes_document, settings),
        }
    }

    async fn prove(&self, head: &Head<'_>, shared: &Shared<'_>, record: &mut Record) -> Result<()> {
        authenticate(head, shared.service, record).await.map(drop)
    }

    async fn answer(
        &self,
        request: Incoming<'_>,
        shared: &Shared<'_>,
        record: &mut Record,
    ) -> Result<Response> {
        let parts = request.head.parts;
        let caller = authenticate(&request.head, shared.service, record).await?;
        let found = find(&parts.method, below(&request.head));
        if let Ok(Search::Found(found)) = &found {
            record.operation = Some(found.row);
        }
        shared.service.access.throttle_operator(&caller)?;
        let found = match found? {
            Search::Found(found) => found,
            Search::OtherMethods(methods) => {
                return Ok(method_not_allowed(&methods, &record.context.request_id));
            }
            Search::Nothing => {
                return Err(Error::not_found(
                    Noun::Setting,
                    "at this path; GET /admin/openapi.json lists the operations",
                ));
            }
        };
        // Boxed: every request has room for the largest answer of all doors otherwise.
        Box::pin(serve(&found, caller, &request, shared.service, record)).await
    }

    fn audited_action(&self, _: &Head<'_>, record: &Record) -> Option<AuditAction> {
        let operation = record.operation.map(|operation| operation.counted_as);
        Some(AuditAction::Operation(operation.unwrap_or(UNKNOWN)))
    }

    fn complete(&self, _: &Head<'_>, _: &Shared<'_>, record: &Record, response: &mut Response) {
        add_request_id(response, record);
    }
}

/// Returns the path of an operation, below the beginning of all.
fn below<'a>(head: &Head<'a>) -> &'a str {
    head.path().strip_prefix(BASE).unwrap_or(head.path())
}

/// Proves an operator by the token of the request.
async fn authenticate(head: &Head<'_>, service: &Service, record: &mut Record) -> Result<Caller> {
    let context = &record.context;
    let is_near = context.address.is_some_and(|address| address.is_loopback());
    if !context.secure_transport && !is_near {
        return Err(Error::address_refused(
            "The admin API takes tokens over TLS alone, but from this machine itself: use \
             https://, or name the proxy in front in trusted_proxies.",
        ));
    }
    let token = bearer(head)?;
    let proved = service
        .access
        .authenticate_operator(&token, record.settle())
        .await;
    match proved {
        Ok(caller) => {
            record.note_caller(&caller);
            Ok(caller)
        }
        Err(error) => {
            record.claim = Some(Box::new(service.access.claim_of_operator(&token)));
            Err(error)
        }
    }
}

/// Returns the token of the Authorization header.
fn bearer(head: &Head<'_>) -> Result<Secret> {
    let given = head.parts.headers.get(header::AUTHORIZATION);
    given
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| Secret::new(token.trim()))
        .ok_or_else(|| {
            Error::malformed_authorization(
                "Send an operator's token: `Authorization: Bearer trso_…`; `transire operator \
                 create` makes one.",
            )
        })
}

/// Does an operation, and writes its answer.
async fn serve(
    found: &Found,
    caller: Caller,
    request: &Incoming<'_>,
    service: &Service,
    record: &Record,
) -> Result<Response> {
    let fields = given::read(found, request)?;
    let headers = &request.head.parts.headers;
    if found.route.effect == Effect::Makes
        && let Some(key) = once::key(headers)?
    {
        let context = &record.context;
        let made = make(found.route, caller, fields, &key, service, context).await?;
        return write(found.route.effect, &made);
    }
    if let Some(begin) = found.route.download {
        let call = service.call(&caller, &record.context);
        return Ok(of_bytes(begin(service, &call, fields).await?));
    }
    let answer = match headers.get(header::IF_MATCH) {
        Some(wanted) => once::change(found, caller, fields, wanted, service, record).await?,
        None => {
            let call = service.call(&caller, &record.context);
            (found.route.run)(service, &call, fields).await?
        }
    };
    write(found.route.effect, &answer)
}
