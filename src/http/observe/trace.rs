//! The span of a request. It has nothing that a client chose: no path, no name, no header but
//! `traceparent`.

use std::net::IpAddr;

use axum::response::Response;
use http::HeaderMap;
use tracing::Span;
use tracing::field::Empty;

use super::metrics::Outcome;
use crate::domain::Result;
use crate::http::request::Record;
use crate::http::request::address::Network;

/// Begins the span of a request that came from `peer`.
///
/// A trusted proxy's trace is gone on with. Anybody else's is linked to: a stranger must not choose
/// what is traced, nor write into the traces of others.
pub(crate) fn begin(headers: &HeaderMap, peer: IpAddr, trusted: &[Network]) -> Span {
    let given = || headers.get("traceparent")?.to_str().ok();
    let is_trusted = || {
        let peer = peer.to_canonical();
        trusted.iter().any(|network| network.contains(peer))
    };
    tracing::trace_span!(
        "request",
        span.kind = "server",
        span.parent = given().filter(|_| is_trusted()),
        span.link = given().filter(|_| !is_trusted()),
        span.name = Empty,
        span.failed = Empty,
        transire.door = Empty,
        transire.action = Empty,
        transire.outcome = Empty,
        transire.request_id = Empty,
        http.response.status_code = Empty,
        error.type = Empty,
    )
}

/// Writes into the span what became of the request at the door of that name.
pub(crate) fn end(
    span: &Span,
    door: &'static str,
    unnamed_action: &'static str,
    record: &Record,
    answer: &Result<Response>,
) {
    if span.is_disabled() {
        return;
    }
    // A name that the client made up is none.
    let action = record
        .operation
        .map_or(unnamed_action, |operation| operation.name);
    let outcome = Outcome::of(answer);
    span.record("span.name", format!("{door} {action}").trim_end());
    span.record("span.failed", outcome == Outcome::Failed);
    span.record("transire.door", door);
    span.record("transire.action", action);
    span.record("transire.outcome", outcome.name());
    span.record("transire.request_id", &*record.context.request_id);
    match answer {
        Ok(response) => span.record("http.response.status_code", response.status().as_u16()),
        Err(error) => span.record("error.type", error.kind().name()),
    };
}
