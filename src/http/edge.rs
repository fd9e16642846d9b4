//! The steps that every request passes, whichever door it comes to: an id and an address, an answer when something panics, and one
//! line in the log. Its body is read in [`super::body`].

use std::any::Any;
use std::borrow::Cow;
use std::future::poll_fn;
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::task::Poll;
use std::time::{Duration, Instant};

use axum::response::Response;
use http::{HeaderName, HeaderValue};

use crate::domain::ids::AccountId;
use crate::domain::principal::Principal;
use crate::domain::{Blame, Error, ErrorKind, Result};
use crate::service::{Caller, Claim, Refusal, RequestContext, Service};

use super::overload::BETWEEN_LINES;
use super::{alibaba, plain, registry, tencent};

/// The most bytes that a line of the log has of what was refused, of its cause, and of the client's word for the action.
const MAX_REFUSED_BYTES: usize = 192;
const MAX_CAUSE_BYTES: usize = 1024;
const MAX_ACTION_BYTES: usize = 64;

static X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The shape that a client can read, known before any work is done.
#[derive(Debug)]
pub(super) enum Door {
    /// A call of Tencent Cloud's API.
    Tencent(tencent::Envelope),
    /// A call of Alibaba Cloud's API.
    Alibaba(alibaba::Envelope),
    /// A registry's client that wants a token.
    Registry,
    /// Everything else: people, probes.
    Plain,
}

impl Door {
    fn name(&self) -> &'static str {
        match self {
            Self::Tencent(_) => "tencent",
            Self::Alibaba(_) => "alibaba",
            Self::Registry => "registry",
            Self::Plain => "plain",
        }
    }

    /// Answers with `error` in the shape of this door.
    fn refuse(&self, error: &Error, request_id: &str) -> Response {
        match self {
            Self::Tencent(envelope) => envelope.refuse(error, request_id),
            Self::Alibaba(envelope) => envelope.refuse(error, request_id),
            Self::Registry => registry::refuse(error),
            Self::Plain => plain::refuse(error, request_id),
        }
    }
}

/// One request while it is served: what its envelope and its line in the log need.
#[derive(Debug)]
pub(super) struct Visit {
    /// The request's id and the client's address.
    pub(super) context: RequestContext,
    /// Which shape the answer has.
    pub(super) door: Door,
    /// What the client wants to do, in its own words.
    pub(super) action: Cow<'static, str>,
    /// The same as the audit calls it, once it is known.
    pub(super) called: Option<&'static str>,
    /// Who the client proved to be.
    pub(super) principal: Option<Principal>,
    /// Who it proved to be without being a principal: the bearer of an OpenID Connect token, a service account.
    proved: OnceLock<(String, Option<AccountId>)>,
    /// What it claimed, where it proved nothing.
    pub(super) claim: Option<Box<Claim>>,
    /// Whether it comes from a web page that may ask for tokens.
    pub(super) by_page: bool,
    /// Whether what fails from here on is counted already, or no stranger's.
    is_settled: AtomicBool,
    /// The region that the client names, where its dialect has one; checked.
    pub(super) region: Option<String>,
}

impl Visit {
    /// Begins a visit at the plain door.
    pub(super) fn new(request_id: String, address: IpAddr, secure_transport: bool) -> Self {
        let context = RequestContext { request_id, address: Some(address), secure_transport };
        Self {
            context,
            door: Door::Plain,
            action: Cow::Borrowed(""),
            called: None,
            principal: None,
            proved: OnceLock::new(),
            claim: None,
            by_page: false,
            is_settled: AtomicBool::new(false),
            region: None,
        }
    }

    /// Returns whether the client proved an identity.
    pub(super) fn is_authenticated(&self) -> bool {
        self.principal.is_some() || self.proved.get().is_some()
    }

    /// Leaves it to a use case to charge the address, and returns what that needs.
    pub(super) fn settle(&self) -> &RequestContext {
        self.is_settled.store(true, Ordering::Relaxed);
        &self.context
    }

    /// Tells whether a failure is still to be charged to the address.
    pub(super) fn is_strangers(&self) -> bool {
        !self.is_authenticated() && !self.is_settled.load(Ordering::Relaxed)
    }

    /// Notes what a call that proved nothing claims.
    pub(super) fn claim_access_key(&mut self, id: &str) {
        self.claim = Some(Box::new(Claim::of_access_key(id)));
    }

    /// Notes who was proved, where that is no principal.
    pub(super) fn note_caller(&self, caller: &Caller) {
        if let (None, Some(name)) = (caller.principal(), caller.audit_name()) {
            // Nobody is proved twice.
            self.proved.set((name, caller.account())).unwrap_or_default();
        }
    }

    /// Ends the visit: logs it once, writes a refusal into the audit, and puts an error into the client's envelope, or
    /// what is to be answered `instead` of it.
    pub(super) fn end(self, answer: Result<Response>, instead: Option<&Error>, service: &Service, outage: &Outage) -> Response {
        let at_registry_door = matches!(self.door, Door::Registry);
        let request_id = at_registry_door.then(|| HeaderValue::from_str(&self.context.request_id).ok()).flatten();
        let mut response = self.answer(answer, instead, service, outage);
        if let Some(request_id) = request_id {
            // The clouds' envelopes have a place for it; here it is what leads from a client to the log.
            response.headers_mut().insert(X_REQUEST_ID.clone(), request_id);
        }
        response
    }

    fn answer(self, answer: Result<Response>, instead: Option<&Error>, service: &Service, outage: &Outage) -> Response {
        match answer {
            Ok(response) => {
                tracing::debug!(
                    dialect = self.door.name(),
                    action = %self.action,
                    principal = self.principal.as_ref().map(tracing::field::display),
                    request_id = self.context.request_id,
                    "answered"
                );
                response
            }
            Err(error) => {
                self.record(&error, service, outage);
                self.refuse(instead.unwrap_or(&error))
            }
        }
    }

    /// Puts an error into the client's envelope.
    pub(super) fn refuse(&self, error: &Error) -> Response {
        self.door.refuse(error, &self.context.request_id)
    }

    /// Writes the lines of log and audit. The kind's name alone: its fields may hold what the client signed, with its
    /// session token in it. The action is the client's text: cut, and escaped by the log as all is.
    fn record(&self, error: &Error, service: &Service, outage: &Outage) {
        let (door, request_id) = (self.door.name(), self.context.request_id.as_str());
        if matches!(error.kind(), ErrorKind::Overloaded) {
            // Those are told of together: a line for each would make the load heavier.
            tracing::debug!(dialect = door, request_id, "refused: overloaded");
            return;
        }
        let (principal, account) = match (&self.principal, self.proved.get()) {
            (Some(principal), _) => (Some(principal.to_string()), Some(principal.account())),
            (None, Some((name, account))) => (Some(name.clone()), *account),
            (None, None) => (None, None),
        };
        let claim = self.claim.as_deref();
        let refusal = Refusal { action: self.audited_action(account), principal: principal.clone(), account, claim };
        let has_line = service.record_refusal(&refusal, error, &self.context);
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
        let address = self.context.address.map(tracing::field::display);
        let action = cut(self.action.to_string(), MAX_ACTION_BYTES);
        let claimed = claim.and_then(|claim| claim.name.as_ref()).map(tracing::field::display);
        if error.kind().blame() != Blame::Client {
            tracing::error!(kind, dialect = door, action, principal, claimed, request_id, address, cause, "failed: {error}");
        } else {
            let resource = error.refused_resource().map(|resource| cut(resource.to_owned(), MAX_REFUSED_BYTES));
            // What isn't a policy's refusal names the resource in its message. Strangers choose what stands in theirs.
            let named = account.filter(|_| resource.is_none()).map(|_| cut(error.message().to_owned(), MAX_REFUSED_BYTES));
            tracing::info!(
                kind,
                dialect = door,
                action,
                principal,
                claimed,
                resource,
                error = named,
                request_id,
                address,
                cause,
                "refused"
            );
        }
    }

    /// Returns what the audit calls a request that was refused; people and probes aren't audited.
    fn audited_action(&self, proved: Option<AccountId>) -> Option<&'static str> {
        match (&self.door, self.called) {
            (Door::Plain, _) => None,
            (_, Some(called)) => Some(called),
            (Door::Tencent(_), None) => Some("tencent:unknown"),
            (Door::Alibaba(_), None) => Some("alibaba:unknown"),
            (Door::Registry, None) if proved.is_some() => Some("token.exchange"),
            (Door::Registry, None) => Some("registry.log-in"),
        }
    }
}

/// Gathers the lines of requests that fail because the database is away: strangers send as many as they like.
///
/// The first has a line of its own, with its cause; the others are told of together.
#[derive(Debug, Default)]
pub(super) struct Outage(Mutex<Untold>);

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
    pub(super) async fn keep_telling(&self) {
        loop {
            tokio::time::sleep(Duration::from_secs(1)).await;
            if let Some(requests) = self.due(Instant::now()) {
                tracing::error!(requests, "more requests failed because the database is not available");
            }
        }
    }
}

fn cut(mut text: String, max_bytes: usize) -> String {
    text.truncate(text.floor_char_boundary(max_bytes));
    text
}

/// Runs `work`; a panic inside becomes an internal error, so that the client still gets its envelope.
pub(super) async fn unless_panic<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    let mut work = pin!(work);
    // Safe to go on after: nothing that the work could leave half done outlives the request, but for
    // what the service shares, and that heals itself (its locks don't poison).
    poll_fn(|context| match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context))) {
        Ok(poll) => poll,
        Err(panic) => Poll::Ready(Err(Error::internal(panic_text(panic.as_ref())))),
    })
    .await
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("panicked: {}", text.unwrap_or("no message"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_becomes_an_internal_error() {
        let work = async { if true { panic!("a table leg broke") } else { Ok(()) } };
        let error = unless_panic(work).await.unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::Internal);
        assert!(!error.message().contains("table"));
    }

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
