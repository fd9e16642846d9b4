//! The log: one line a request that failed, within bounds on what strangers can have written.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::domain::{Blame, Error, ErrorKind};
use crate::http::request::Record;
use crate::http::request::overload::BETWEEN_LINES;
use crate::service::{AuditAction, Refusal, Service};

/// The most bytes that a line of the log has of the resource that was refused, of the cause, and of
/// the client's word for the action.
const MAX_REFUSED_BYTES: usize = 192;
const MAX_CAUSE_BYTES: usize = 1024;
const MAX_ACTION_BYTES: usize = 64;

/// Writes the line of a request that was answered by the door of that name.
pub(crate) fn answered(record: &Record, door: &'static str) {
    tracing::debug!(
        dialect = door,
        action = record.action(),
        principal = record.principal.as_ref().map(tracing::field::display),
        request_id = record.context.request_id,
        "answered"
    );
}

/// Writes the lines of log and audit for a request that failed; `action` is its name in the audit.
///
/// The line has the kind's name alone: the kind's fields may hold the text that the client signed,
/// with its session token in it. The action is the client's text: cut, and escaped by the log as
/// all is.
pub(crate) fn failed(
    record: &Record,
    door: &'static str,
    action: Option<AuditAction>,
    error: &Error,
    service: &Service,
    outage: &Outage,
) {
    let request_id = record.context.request_id.as_str();
    if is_of_load(error, record) {
        // Those are told of together: a line for each would make the load heavier.
        service.ledger.count_overloaded();
        tracing::debug!(dialect = door, request_id, "refused: overloaded");
        return;
    }
    let (principal, account) = record.caller();
    let refusal = Refusal {
        action,
        principal,
        account,
        access_key: record.access_key.as_deref(),
        claim: record.claim.as_deref(),
    };
    let is_recorded = service
        .ledger
        .record_refusal(&refusal, error, &record.context);
    let has_line = match error.kind() {
        ErrorKind::StoreUnavailable => outage.take_line(Instant::now()),
        // Clients bring the others about as often as they like.
        kind => is_recorded || kind.blame() == Blame::Operator,
    };
    if has_line {
        write_line(record, door, &refusal, error);
    } else {
        tracing::debug!(
            kind = error.kind().name(),
            dialect = door,
            request_id,
            cause = cause_of(error),
            "refused or failed: {error}"
        );
    }
}

/// Writes the line of a failure: an error of the operator's or of others, a note of the client's.
fn write_line(record: &Record, door: &'static str, refusal: &Refusal<'_>, error: &Error) {
    let principal = refusal.principal.as_deref();
    let (kind, cause) = (error.kind().name(), cause_of(error));
    let request_id = record.context.request_id.as_str();
    let address = record.context.address.map(tracing::field::display);
    let action = cut(record.action().to_owned(), MAX_ACTION_BYTES);
    let claimed = record
        .claim
        .as_ref()
        .and_then(|claim| claim.name.as_ref())
        .map(tracing::field::display);
    if error.kind().blame() != Blame::Client {
        tracing::error!(
            kind,
            dialect = door,
            action,
            principal,
            claimed,
            request_id,
            address,
            cause,
            "failed: {error}"
        );
        return;
    }
    let (permission, resource) = error.denied_request().unzip();
    let resource = resource.map(|resource| cut(resource.to_owned(), MAX_REFUSED_BYTES));
    let decided = refusal
        .decided(error)
        .map(|decided| cut(decided, MAX_REFUSED_BYTES));
    tracing::info!(
        kind,
        dialect = door,
        action,
        principal,
        claimed,
        permission,
        resource,
        decided,
        request_id,
        address,
        cause,
        "refused"
    );
}

/// Tells whether a request was refused for the load alone, before anything was known of it.
pub(crate) fn is_of_load(error: &Error, record: &Record) -> bool {
    matches!(error.kind(), ErrorKind::Overloaded)
        && !record.is_authenticated()
        && error.refusal_cause().is_none()
}

fn cause_of(error: &Error) -> Option<String> {
    error.cause().map(|cause| cut(cause, MAX_CAUSE_BYTES))
}

fn cut(mut text: String, max_bytes: usize) -> String {
    text.truncate(text.floor_char_boundary(max_bytes));
    text
}

/// Gathers the lines of requests that fail because the database is away: strangers send as many as
/// they like.
///
/// The first has a line of its own, with its cause; the others are logged together.
#[derive(Debug, Default)]
pub(crate) struct Outage(Mutex<Unlogged>);

#[derive(Debug, Default)]
struct Unlogged {
    logged_at: Option<Instant>,
    requests: u64,
}

impl Unlogged {
    fn was_logged_lately(&self, now: Instant) -> bool {
        self.logged_at
            .is_some_and(|logged_at| now.saturating_duration_since(logged_at) < BETWEEN_LINES)
    }
}

impl Outage {
    /// Takes the line of its own for a request that failed; where there is none, the request is
    /// counted.
    fn take_line(&self, now: Instant) -> bool {
        let mut unlogged = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if unlogged.was_logged_lately(now) {
            unlogged.requests += 1;
            return false;
        }
        unlogged.logged_at = Some(now);
        true
    }

    /// Takes the number of requests that failed without a line, once it is to be logged.
    fn take_count(&self, now: Instant) -> Option<u64> {
        let mut unlogged = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if unlogged.requests == 0 || unlogged.was_logged_lately(now) {
            return None;
        }
        unlogged.logged_at = Some(now);
        Some(std::mem::take(&mut unlogged.requests))
    }

    /// Logs those that were gathered, until it is dropped.
    pub(crate) async fn keep_logging(&self) {
        loop {
            tokio::time::sleep(Duration::from_secs(1)).await;
            if let Some(requests) = self.take_count(Instant::now()) {
                tracing::error!(
                    requests,
                    "more requests failed because the database is not available"
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_is_logged_at_once_and_then_every_ten_seconds_with_all_that_failed() {
        let (outage, start) = (Outage::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        assert!(outage.take_line(at(0)));
        assert_eq!(outage.take_count(at(11)), None, "the first was logged");
        assert!(outage.take_line(at(12)));
        for _ in 0..1000 {
            assert!(!outage.take_line(at(13)));
        }
        assert_eq!(outage.take_count(at(21)), None);
        assert_eq!(outage.take_count(at(22)), Some(1000));
        assert!(!outage.take_line(at(23)), "that was a line, too");
        assert_eq!(
            [
                outage.take_count(at(31)),
                outage.take_count(at(32)),
                outage.take_count(at(50))
            ],
            [None, Some(1), None]
        );
        assert!(outage.take_line(at(51)));
    }
}
