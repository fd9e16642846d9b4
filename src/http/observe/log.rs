//! The log: one line a request that failed, within bounds on what strangers can have written.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::domain::{Blame, Error, ErrorKind};
use crate::http::request::Record;
use crate::http::request::overload::BETWEEN_LINES;
use crate::service::{Refusal, Service};

/// The most bytes that a line of the log has of the resource that was refused, of the cause, and of the client's word for
/// the action.
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
/// The line has the kind's name alone: the kind's fields may hold the text that the client signed, with its session token
/// in it. The action is the client's text: cut, and escaped by the log as all is.
pub(crate) fn failed(record: &Record, door: &'static str, action: Option<&'static str>, error: &Error, service: &Service, outage: &Outage) {
    let request_id = record.context.request_id.as_str();
    if matches!(error.kind(), ErrorKind::Overloaded) {
        // Those are told of together: a line for each would make the load heavier.
        tracing::debug!(dialect = door, request_id, "refused: overloaded");
        return;
    }
    let (principal, account) = record.caller();
    let claim = record.claim.as_deref();
    let refusal = Refusal { action, principal: principal.clone(), account, claim };
    let has_line = service.record_refusal(&refusal, error, &record.context);
    let has_line = match error.kind() {
        ErrorKind::StoreUnavailable => outage.is_due(Instant::now()),
        // Clients bring the others about as often as they like.
        kind => has_line || kind.blame() == Blame::Operator,
    };
    let (kind, cause) = (error.kind().name(), error.cause().map(|cause| cut(cause, MAX_CAUSE_BYTES)));
    if !has_line {
        tracing::debug!(kind, dialect = door, request_id, cause, "refused or failed: {error}");
        return;
    }
    let address = record.context.address.map(tracing::field::display);
    let action = cut(record.action().to_owned(), MAX_ACTION_BYTES);
    let claimed = claim.and_then(|claim| claim.name.as_ref()).map(tracing::field::display);
    if error.kind().blame() != Blame::Client {
        tracing::error!(kind, dialect = door, action, principal, claimed, request_id, address, cause, "failed: {error}");
        return;
    }
    let resource = error.refused_resource().map(|resource| cut(resource.to_owned(), MAX_REFUSED_BYTES));
    // An error that is no policy's refusal names the resource in its message. Strangers choose the text of theirs.
    let named = account.filter(|_| resource.is_none()).map(|_| cut(error.message().to_owned(), MAX_REFUSED_BYTES));
    tracing::info!(kind, dialect = door, action, principal, claimed, resource, error = named, request_id, address, cause, "refused");
}

fn cut(mut text: String, max_bytes: usize) -> String {
    text.truncate(text.floor_char_boundary(max_bytes));
    text
}

/// Gathers the lines of requests that fail because the database is away: strangers send as many as they like.
///
/// The first has a line of its own, with its cause; the others are told of together.
#[derive(Debug, Default)]
pub(crate) struct Outage(Mutex<Untold>);

#[derive(Debug, Default)]
struct Untold {
    told_at: Option<Instant>,
    requests: u64,
}

impl Untold {
    fn was_told_lately(&self, now: Instant) -> bool {
        self.told_at.is_some_and(|told_at| now.saturating_duration_since(told_at) < BETWEEN_LINES)
    }
}

impl Outage {
    /// Tells whether a request that failed has a line of its own; without one, it is counted.
    fn is_due(&self, now: Instant) -> bool {
        let mut untold = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if untold.was_told_lately(now) {
            untold.requests += 1;
            return false;
        }
        untold.told_at = Some(now);
        true
    }

    /// Returns how many requests failed without a line, once that is to be told.
    fn due(&self, now: Instant) -> Option<u64> {
        let mut untold = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if untold.requests == 0 || untold.was_told_lately(now) {
            return None;
        }
        untold.told_at = Some(now);
        Some(std::mem::take(&mut untold.requests))
    }

    /// Tells for ever of those that were gathered.
    pub(crate) async fn keep_telling(&self) {
        loop {
            tokio::time::sleep(Duration::from_secs(1)).await;
            if let Some(requests) = self.due(Instant::now()) {
                tracing::error!(requests, "more requests failed because the database is not available");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_is_told_of_at_once_and_then_every_ten_seconds_with_all_that_failed() {
        let (outage, start) = (Outage::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        assert!(outage.is_due(at(0)));
        assert_eq!(outage.due(at(11)), None, "the first was told of");
        assert!(outage.is_due(at(12)));
        for _ in 0..1000 {
            assert!(!outage.is_due(at(13)));
        }
        assert_eq!(outage.due(at(21)), None);
        assert_eq!(outage.due(at(22)), Some(1000));
        assert!(!outage.is_due(at(23)), "that was a line, too");
        assert_eq!([outage.due(at(31)), outage.due(at(32)), outage.due(at(50))], [None, Some(1), None]);
        assert!(outage.is_due(at(51)));
    }
}
