//! What every request passes, whichever door it comes to: an id and an address, a limit on its body,
//! an answer when something panics, and one line in the log.

use std::any::Any;
use std::borrow::Cow;
use std::future::poll_fn;
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::task::Poll;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::response::Response;
use bytes::{Bytes, BytesMut};
use http::{HeaderName, HeaderValue};
use http_body_util::BodyExt;

use crate::domain::principal::{AccountId, Principal};
use crate::domain::{Error, ErrorKind, Result};
use crate::service::{Caller, Claim, Refusal, RequestContext, Service};

use super::overload::BETWEEN_LINES;
use super::{alibaba, plain, registry, tencent};

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
    /// Whether a refusal is counted against its address already.
    pub(super) is_counted: bool,
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
            is_counted: false,
            region: None,
        }
    }

    /// Returns whether the client proved an identity.
    pub(super) fn is_authenticated(&self) -> bool {
        self.principal.is_some() || self.proved.get().is_some()
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

    /// Ends the visit: logs it once, writes a refusal into the audit, and puts an error into the client's envelope.
    pub(super) fn end(self, answer: Result<Response>, service: &Service, outage: &Outage) -> Response {
        let at_registry_door = matches!(self.door, Door::Registry);
        let request_id = at_registry_door.then(|| HeaderValue::from_str(&self.context.request_id).ok()).flatten();
        let mut response = self.answer(answer, service, outage);
        if let Some(request_id) = request_id {
            // The clouds' envelopes have a place for it; here it is what leads from a client to the log.
            response.headers_mut().insert(X_REQUEST_ID.clone(), request_id);
        }
        response
    }

    fn answer(self, answer: Result<Response>, service: &Service, outage: &Outage) -> Response {
        match answer {
            Ok(response) => {
                tracing::debug!(
                    dialect = self.door.name(),
                    action = %self.action.escape_debug(),
                    principal = self.principal.as_ref().map(tracing::field::display),
                    request_id = self.context.request_id,
                    "answered"
                );
                response
            }
            Err(error) => {
                self.record(&error, service, outage);
                self.refuse(&error)
            }
        }
    }

    /// Puts an error into the client's envelope.
    pub(super) fn refuse(&self, error: &Error) -> Response {
        self.door.refuse(error, &self.context.request_id)
    }

    /// Writes the lines of log and audit. The kind's name alone: its fields may hold what the client signed, with its
    /// session token in it. The action is the client's text: escaped, and cut.
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
            // Strangers bring it about.
            ErrorKind::PasswordsBusy => has_line,
            kind => has_line || kind.is_ours(),
        };
        let (kind, cause) = (error.kind().name(), error.cause());
        if !has_line {
            tracing::debug!(kind, dialect = door, request_id, cause, "refused or failed: {error}");
            return;
        }
        let address = self.context.address.map(tracing::field::display);
        let action: String = self.action.chars().take(64).flat_map(char::escape_debug).collect();
        let claimed = claim.and_then(|claim| claim.name.as_ref()).map(tracing::field::display);
        if error.kind().is_ours() {
            tracing::error!(kind, dialect = door, action, principal, claimed, request_id, address, cause, "failed: {error}");
        } else {
            tracing::info!(kind, dialect = door, action, principal, claimed, request_id, address, cause, "refused");
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

/// How many bytes of bodies may still be taken into memory, over all requests.
#[derive(Debug)]
pub(super) struct Budget(AtomicUsize);

impl Budget {
    pub(super) fn new(bytes: usize) -> Self {
        Self(AtomicUsize::new(bytes))
    }
}

/// A body in memory; its share of the budget goes back when it is dropped.
#[derive(Debug)]
pub(super) struct Buffered<'a> {
    /// The first frame, as it is; nearly every body has only one.
    first: Bytes,
    /// All frames, when there are more.
    gathered: BytesMut,
    held: Held<'a>,
}

impl<'a> Buffered<'a> {
    /// Begins with nothing.
    pub(super) fn new(budget: &'a Budget) -> Self {
        Self { first: Bytes::new(), gathered: BytesMut::new(), held: Held { budget, bytes: 0 } }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        if self.gathered.is_empty() { &self.first } else { &self.gathered }
    }

    fn add(&mut self, data: Bytes) -> Result<()> {
        self.held.grow(data.len())?;
        if self.bytes().is_empty() {
            self.first = data;
            return Ok(());
        }
        if self.gathered.is_empty() {
            self.gathered.extend_from_slice(&std::mem::take(&mut self.first));
        }
        self.gathered.extend_from_slice(&data);
        Ok(())
    }
}

/// What to do with a body that is announced to be too large.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Announced {
    /// Not begin with it.
    Refuse,
    /// Read it to the limit: what the client reads stands in it.
    Begin,
}

#[derive(Debug)]
struct Held<'a> {
    budget: &'a Budget,
    bytes: usize,
}

impl Held<'_> {
    /// Takes `more` bytes of the budget. Bytes are counted as they arrive, not as they are announced: a
    /// client that announces much and sends nothing holds nothing.
    fn grow(&mut self, more: usize) -> Result<()> {
        self.budget
            .0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(more))
            .map_err(|_| Error::new(ErrorKind::Overloaded, "Too many requests are being received; try again in a moment."))?;
        self.bytes += more;
        Ok(())
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.budget.0.fetch_add(self.bytes, Ordering::Relaxed);
    }
}

/// Reads a whole body of at most `limit` bytes within `timeout` into `buffered`, which holds what had come
/// even after an error.
pub(super) async fn read_body(
    mut body: Body,
    limit: usize,
    timeout: Duration,
    announced: Announced,
    buffered: &mut Buffered<'_>,
) -> Result<()> {
    if axum::body::HttpBody::is_end_stream(&body) {
        return Ok(());
    }
    let too_large = || Error::new(ErrorKind::RequestTooLarge { limit }, format!("The request's body is larger than {limit} bytes."));
    if announced == Announced::Refuse && axum::body::HttpBody::size_hint(&body).lower() > limit as u64 {
        return Err(too_large());
    }
    let read = async {
        while let Some(frame) = body.frame().await {
            let frame =
                frame.map_err(|source| Error::malformed_request("The request's body could not be received whole.").caused_by(source))?;
            let Ok(data) = frame.into_data() else { continue };
            let room = limit - buffered.held.bytes;
            if data.len() > room {
                buffered.add(data.slice(..room))?;
                return Err(too_large());
            }
            buffered.add(data)?;
        }
        Ok(())
    };
    let mut read = pin!(read);
    // Nearly every body comes with its head: those need no timer.
    if let Poll::Ready(read) = poll_fn(|context| Poll::Ready(read.as_mut().poll(context))).await {
        return read;
    }
    let late = || {
        let seconds = timeout.as_secs();
        Error::new(ErrorKind::RequestTimeout, format!("The request's body did not arrive within {seconds} seconds."))
    };
    tokio::time::timeout(timeout, read).await.unwrap_or_else(|_| Err(late()))
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    fn stream(chunks: &'static [&'static str]) -> Body {
        let frames = chunks.iter().map(|chunk| Ok::<_, Infallible>(hyper::body::Frame::data(Bytes::from_static(chunk.as_bytes()))));
        Body::new(Frames(frames.collect()))
    }

    struct Frames(std::collections::VecDeque<Result<hyper::body::Frame<Bytes>, Infallible>>);

    impl axum::body::HttpBody for Frames {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<hyper::body::Frame<Bytes>, Infallible>>> {
            std::task::Poll::Ready(self.0.pop_front())
        }
    }

    /// A body that never comes.
    struct Endless;

    impl axum::body::HttpBody for Endless {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<hyper::body::Frame<Bytes>, Infallible>>> {
            std::task::Poll::Pending
        }
    }

    async fn read<'a>(body: Body, limit: usize, timeout: Duration, budget: &'a Budget) -> Result<Buffered<'a>> {
        let mut buffered = Buffered::new(budget);
        read_body(body, limit, timeout, Announced::Refuse, &mut buffered).await.map(|()| buffered)
    }

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test]
    async fn a_body_is_gathered_and_its_share_given_back() {
        let budget = Budget::new(100);
        let body = read(stream(&["ab", "", "cd", "e"]), 10, SECOND, &budget).await.unwrap();
        assert_eq!(body.bytes(), b"abcde");
        assert_eq!(budget.0.load(Ordering::Relaxed), 95);
        drop(body);
        assert_eq!(budget.0.load(Ordering::Relaxed), 100);
    }

    #[tokio::test]
    async fn a_body_over_the_limit_is_refused_announced_or_not() {
        let budget = Budget::new(100);
        for body in [Body::from("abcdef"), stream(&["abc", "def"])] {
            let error = read(body, 5, SECOND, &budget).await.unwrap_err();
            assert_eq!(error.kind(), &ErrorKind::RequestTooLarge { limit: 5 });
        }
        assert_eq!(budget.0.load(Ordering::Relaxed), 100);
    }

    #[tokio::test]
    async fn what_had_come_of_a_body_over_the_limit_can_be_looked_at() {
        let budget = Budget::new(100);
        for body in [Body::from("abcdef"), stream(&["abc", "def"])] {
            let mut buffered = Buffered::new(&budget);
            let error = read_body(body, 5, SECOND, Announced::Begin, &mut buffered).await.unwrap_err();
            assert_eq!(error.kind(), &ErrorKind::RequestTooLarge { limit: 5 });
            assert_eq!(buffered.bytes(), b"abcde");
        }
    }

    #[tokio::test]
    async fn bodies_together_stay_within_the_budget() {
        let budget = Budget::new(8);
        let first = read(Body::from("abcde"), 10, SECOND, &budget).await.unwrap();
        let error = read(Body::from("abcde"), 10, SECOND, &budget).await.unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::Overloaded);
        drop(first);
        assert!(read(Body::from("abcde"), 10, SECOND, &budget).await.is_ok());
    }

    #[tokio::test]
    async fn a_body_that_never_comes_is_cut_off() {
        let error = read(Body::new(Endless), 10, Duration::from_millis(1), &Budget::new(8)).await.unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::RequestTimeout);
    }

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
