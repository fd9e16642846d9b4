//! Serves one request: reads it, admits it, has its door answer it, and counts it.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use axum::body::{Body, HttpBody};
use axum::extract::Request;
use axum::response::Response;
use http::request::Parts;
use http::{HeaderValue, Version, header};
use tracing::Instrument;

use super::door::{BodyRule, Incoming, Shared};
use super::doors::{self, AnyDoor};
use super::exchange::Exchange;
use super::mock::Mock;
use super::observe::activity::Activity;
use super::observe::log::{self, Outage};
use super::observe::metrics::{self, Answered, Metrics, Outcome, ServerMetrics};
use super::observe::reloads::Reloads;
use super::observe::trace;
use super::request::body::{
    Announced, Budget, Buffered, Owner, Rest, discard, is_too_large, never_came, read_at_once,
    read_rest,
};
use super::request::overload::Load;
use super::request::panic::unless_panic;
use super::request::{Head, IssuedLongTerm, Record, address};
use super::{Arrival, Settings, Surface};
use crate::domain::{Error, Result};
use crate::service::Service;
use crate::sign;

/// The largest body from an address that was refused too often, in bytes, unless its access key was
/// right lately: to hold it and to hash it is all that a wrong signature costs.
const MAX_SLOWED_BODY: usize = 64 * 1024;
/// The largest body of a request whose headers carry no signature, in bytes. The older signatures
/// stand in forms, which anybody may send: those of real clients have a few kilobytes. A call that
/// isn't signed holds a token of at most 20,000 characters. A catalogue mirror asks for tokens with
/// hundreds of scopes; a query has the bound of heads, which is the same.
const MAX_UNSIGNED_BYTES: usize = 64 * 1024;

/// A request's answer, and what its connection learns from it.
pub struct Served {
    /// The answer.
    pub response: Response,
    /// Whether the caller proved an identity: by a signature, a credential or an OpenID Connect
    /// token.
    pub is_authenticated: bool,
}

/// Serves every request of one process.
pub struct Server {
    service: Arc<Service>,
    /// Those of this moment; a request keeps the ones that it began with.
    settings: ArcSwap<Settings>,
    /// For bodies of known keys: their signatures stand in the headers.
    admitted: Budget,
    /// For bodies of unknown senders: forms. Strangers can use this one up, and that must not shut
    /// the others out.
    unknown: Budget,
    metrics: Metrics,
    activity: Activity,
    reloads: Reloads,
    /// The calls of a mock, if this is one.
    mock: Option<Mock>,
    load: Load,
    outage: Outage,
    /// Whether the service is about to end.
    closing: AtomicBool,
}

impl Server {
    /// Serves the use cases of `service`.
    pub fn new(service: Arc<Service>, settings: Settings) -> Self {
        let half = settings.body_budget_bytes / 2;
        let load = Load::new(settings.max_in_work, settings.max_wait);
        Self {
            reloads: Reloads::begin(service.base.now()),
            activity: Activity::begin(service.base.now()),
            service,
            settings: ArcSwap::from_pointee(settings),
            admitted: Budget::new(half),
            unknown: Budget::new(half),
            metrics: Metrics::new(AnyDoor::LABELS),
            mock: None,
            load,
            outage: Outage::default(),
            closing: AtomicBool::new(false),
        }
    }

    /// Serves the calls of a mock, too, where there is one.
    #[must_use]
    pub fn with_mock(self, mock: Option<Mock>) -> Self {
        Self { mock, ..self }
    }

    /// Takes other settings, from the next request on. The bytes of bodies in memory, the requests
    /// in work and their wait stay as they are.
    pub fn adjust(&self, settings: Settings) {
        self.settings.store(Arc::new(settings));
    }

    /// Notes for monitoring whether the settings could be read again.
    pub fn note_reload(&self, succeeded: bool) {
        self.reloads.note(succeeded, self.service.base.now());
    }

    /// Tells all who ask that the service is about to end: probes, and clients that would send more
    /// by the same connection.
    pub fn close(&self) {
        self.closing.store(true, Ordering::Relaxed);
    }

    /// Measures the load until it is dropped: without it, no request is refused for waiting too
    /// long, and of an outage's failures only the first is logged.
    pub async fn keep_pace(&self) {
        tokio::join!(self.load.keep_pace(), self.outage.keep_logging());
    }

    /// Writes down what was counted in each minute once it is over, for ever.
    pub async fn keep_activity(&self) {
        self.activity.keep(&self.metrics, &self.service).await;
    }

    /// Writes down what was counted in the last minute, if it is over.
    pub async fn write_activity(&self) {
        self.activity
            .write_minute(&self.metrics, &self.service)
            .await;
    }

    /// Writes down what was counted and isn't written yet, because the process ends.
    pub async fn end_activity(&self) {
        self.activity.end(&self.metrics, &self.service).await;
    }

    /// Serves one request.
    pub async fn serve(&self, request: Request, arrival: Arrival) -> Served {
        let Some(mock) = &self.mock else {
            return self.serve_doors(request, arrival).await;
        };
        let mut served = if Mock::is_asked(&request) {
            Served {
                response: mock.answer(request).await,
                is_authenticated: false,
            }
        } else {
            self.serve_doors(request, arrival).await
        };
        Mock::mark(&mut served.response);
        served
    }

    /// Serves one request at the door that it is for.
    async fn serve_doors(&self, request: Request, arrival: Arrival) -> Served {
        let began = Instant::now();
        let (parts, body) = request.into_parts();
        let settings = self.settings.load_full();
        let proxies = &settings.trusted_proxies;
        let peer = arrival.peer;
        let mut exchange = self.begin(&parts, arrival, &settings);
        let shared = self.shared(&settings);
        let span = trace::begin(&parts.headers, peer, proxies);
        let answer = {
            let answering = pin!(self.answer(&parts, body, &shared, &mut exchange));
            unless_panic(answering).instrument(span.clone()).await
        };
        let Exchange { door, record, .. } = &exchange;
        let instead = answer
            .as_ref()
            .err()
            .and_then(|error| self.count_refusal(error, &exchange));
        self.count(&exchange, &answer, began.elapsed());
        trace::end(&span, door.name(), door.unnamed_action(), record, &answer);
        let head = Head::new(&parts);
        let mut response = match answer {
            Ok(response) => {
                log::answered(record, door.name());
                response
            }
            Err(error) => {
                log::failed(
                    record,
                    door.name(),
                    door.audited_action(&head, record),
                    &error,
                    &self.service,
                    &self.outage,
                );
                door.refuse(
                    instead.as_ref().unwrap_or(&error),
                    &record.context.request_id,
                )
            }
        };
        door.complete(&head, &shared, record, &mut response);
        if shared.is_closing && parts.version < Version::HTTP_2 {
            response
                .headers_mut()
                .insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        Served {
            response,
            is_authenticated: record.is_authenticated(),
        }
    }

    /// Begins the exchange of a request, before anything of it is believed.
    fn begin(&self, parts: &Parts, arrival: Arrival, settings: &Settings) -> Exchange {
        let Arrival {
            peer,
            transport,
            surface,
        } = arrival;
        let proxies = &settings.trusted_proxies;
        let client = address::client(peer, &parts.headers, proxies);
        let secure = address::came_by_tls(peer, transport, &parts.headers, proxies);
        Exchange {
            door: AnyDoor::unknown(),
            record: Record::new(self.service.base.request_id(), client, secure),
            has_operators: surface == Surface::Operators || settings.admin_public,
            has_clients: surface == Surface::Clients,
        }
    }

    /// Answers a monitoring system at its own listener; `server` is of the other listener and of
    /// the process.
    pub async fn monitor(&self, parts: &Parts, server: &ServerMetrics) -> Response {
        let settings = self.settings.load_full();
        let shared = self.shared(&settings);
        let measured = metrics::Measured {
            requests: &self.metrics,
            reloads: &self.reloads,
            server,
        };
        let answer = async {
            match doors::answer_probe(&Head::new(parts), &shared).await? {
                Some(answer) => Ok(answer),
                None => metrics::answer(parts, &self.service, &measured).await,
            }
        };
        let answer = unless_panic(pin!(answer)).await;
        answer.unwrap_or_else(|error| {
            AnyDoor::unknown().refuse(&error, &self.service.base.request_id())
        })
    }

    fn shared<'a>(&'a self, settings: &'a Settings) -> Shared<'a> {
        Shared {
            service: &self.service,
            settings,
            is_closing: self.closing.load(Ordering::Relaxed),
        }
    }

    /// Counts a request in metrics.
    fn count(
        &self,
        Exchange { door, record, .. }: &Exchange,
        answer: &Result<Response>,
        took: Duration,
    ) {
        let answered = Answered {
            operation: record.operation,
            outcome: Outcome::of(answer),
            error: answer.as_ref().err().map(|error| error.kind().name()),
            took,
            request_id: &record.context.request_id,
            is_lasting: answer
                .as_ref()
                .is_ok_and(|answer| answer.extensions().get::<IssuedLongTerm>().is_some()),
        };
        self.metrics
            .count(door.index(), &answered, || self.service.base.now());
    }

    /// Counts a refusal, in one place, whatever was wrong: a stranger costs the same by nonsense as
    /// by guessing. Where there were too many before, returns what is answered instead.
    fn count_refusal(
        &self,
        error: &Error,
        Exchange { door, record, .. }: &Exchange,
    ) -> Option<Error> {
        if log::is_of_load(error, record) {
            self.load.count();
            return None;
        }
        let slowed = if record.is_strangers() {
            self.service.limits.count_refusal(error, &record.context)
        } else {
            None
        };
        slowed.filter(|_| door.tells_throttled())
    }

    async fn answer(
        &self,
        parts: &Parts,
        body: Body,
        shared: &Shared<'_>,
        exchange: &mut Exchange,
    ) -> Result<Response> {
        let head = Head::new(parts);
        let is_signed_once = exchange.open(&head);
        if let Some(answer) = exchange.door.answer_at_once(&head, shared).await? {
            return Ok(answer);
        }
        let rule = exchange.door.body_rule(&head, shared.settings);
        // A request that only its form tells of is refused in the shape that its client reads, once
        // that is read.
        if rule != BodyRule::Unrecognised {
            self.load.let_in(exchange.record.context.address).await?;
        }
        exchange.door.check_host(&head)?;
        is_signed_once?;

        let preview = match rule {
            _ if body.is_end_stream() => None,
            BodyRule::Signed { .. } => self.admit(&head, exchange).await?,
            BodyRule::Proved { .. } => exchange.prove(&head, shared).await?,
            _ => None,
        };
        let access_key_id = preview.map_or("", |preview| preview.access_key_id);
        let budget = if matches!(rule, BodyRule::Signed { .. } | BodyRule::Proved { .. }) {
            &self.admitted
        } else {
            &self.unknown
        };
        let owner = Owner::new(exchange.record.context.address, access_key_id);
        let mut buffered = Buffered::new(budget, owner);
        let signer = (access_key_id, &exchange.record);
        let read = self
            .read(body, rule, &mut buffered, signer, shared.settings)
            .await;
        let mut head = head;
        let mut is_signed_once = Ok(());
        if head.has_form() {
            // Even what came of a form that is too large or too slow says in which envelope to
            // answer.
            head = head.with_form(buffered.bytes());
            is_signed_once = exchange.open(&head);
        }
        read?;
        let _in_work = self.load.begin()?;
        is_signed_once?;
        let incoming = Incoming {
            head,
            body: buffered.bytes(),
            preview,
        };
        exchange
            .door
            .answer(incoming, shared, &mut exchange.record)
            .await
    }

    /// Checks the signer before a body takes memory: a stranger gets none.
    async fn admit<'a>(
        &self,
        head: &Head<'a>,
        exchange: &mut Exchange,
    ) -> Result<Option<sign::Preview<'a>>> {
        let Some(preview) = exchange.door.preview(head)? else {
            return Ok(None);
        };
        let admitted = self
            .service
            .access
            .admit(&preview, &exchange.record.context)
            .await;
        if admitted.is_err() {
            exchange.record.claim_access_key(preview.access_key_id);
        }
        admitted.map(|()| Some(preview))
    }

    /// Reads a body by its rule. One that has to be waited for is charged to its sender until it is
    /// whole: a sender of many that never come is then refused unread, but for bodies that come at
    /// once.
    async fn read(
        &self,
        mut body: Body,
        rule: BodyRule,
        buffered: &mut Buffered<'_>,
        (access_key_id, record): (&str, &Record),
        settings: &Settings,
    ) -> Result<()> {
        let (limit, announced) = match rule {
            BodyRule::Unread => return Ok(()),
            BodyRule::Signed { limit } | BodyRule::Proved { limit } => (limit, Announced::Refuse),
            BodyRule::Unsigned => (
                settings.max_body_bytes.min(MAX_UNSIGNED_BYTES),
                Announced::Refuse,
            ),
            BodyRule::Unrecognised => (
                settings.max_body_bytes.min(MAX_UNSIGNED_BYTES),
                Announced::Begin,
            ),
        };
        let is_throttled = !record.is_authenticated()
            && self.service.limits.is_throttled(&record.context)
            && !self.service.limits.was_verified_recently(access_key_id);
        let limit = if is_throttled {
            limit.min(MAX_SLOWED_BODY)
        } else {
            limit
        };
        let begun = read_at_once(&mut body, limit, announced, buffered).await;
        if matches!(rule, BodyRule::Proved { .. }) && begun.as_ref().is_err_and(is_too_large) {
            discard(&mut body, settings.body_timeout).await;
        }
        if begun? == Rest::None {
            return Ok(());
        }
        let wait = self
            .service
            .limits
            .begin_wait(&record.context, access_key_id)?;
        let read = read_rest(body, limit, settings.body_timeout, buffered).await;
        if !read.as_ref().is_err_and(never_came) {
            self.service.limits.end_wait(wait);
        }
        read
    }
}
