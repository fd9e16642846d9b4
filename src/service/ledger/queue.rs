//! The audit's queue and its writer. No secret ever comes in.
//!
//! A change writes its event in its own transaction. A request that changes nothing (issuing a
//! temporary credential, an exchange, a refused log-in) puts its event in a bounded queue, and a
//! writer stores the queue in batches. A batch is a few pages, each a row: rows of their own cost
//! more processor time than all else about the requests together. When the queue is full, the
//! setting `audit` says whether the event is dropped and counted, or the request refused. Events
//! about unauthenticated callers and about refusals have shares of the queue ([`Share`]).
//!
//! Bytes are bounded everywhere: those of an event ([`event`](super::event)), so those of the
//! queue, of a batch and of a page.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::Deserialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use crate::domain::clock::{Clock, Random};
use crate::domain::{Error, ErrorKind, Result};
use crate::service::ledger::batch::{Batch, MAX_BATCH_EVENTS};
use crate::service::ledger::encoded::Encoded;
use crate::service::ledger::event::Event;
use crate::store::audit::new_id;
use crate::store::audit_page::AuditPage;
use crate::store::{Operation, Store, Write};

/// The delay between a batch's first event and its write: a write, and its fsync, for each event
/// would cost much.
const BATCH_DELAY: Duration = Duration::from_millis(100);
/// The pause before a failed write is retried.
const RETRY_INTERVAL: Duration = Duration::from_millis(500);
/// The same while the queue closes, within a deadline.
const LAST_RETRY_INTERVAL: Duration = Duration::from_millis(100);

/// The policy for events that find the audit queue full.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AuditMode {
    /// The event is dropped, counted and reported in the log.
    BestEffort,
    /// The request is refused.
    Required,
}

/// The share of the queue that an event may take. It depends on the caller, so that no group of
/// callers can fill the queue for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::service) enum Share {
    /// An authenticated caller's, served: the whole queue.
    Served,
    /// An authenticated caller's, refused: a quarter.
    Refused,
    /// An unauthenticated caller's, served or refused: a quarter.
    Unauthenticated,
}

enum Message {
    /// An event, with its place in a share of the queue, which is free again once the writer has
    /// taken it.
    Event(Encoded, Option<OwnedSemaphorePermit>),
    /// A batch of its own, with its turn, which the next one has once the writer has taken this.
    Counted(Batch, OwnedSemaphorePermit),
    /// The end: everything before it is stored, and then it is answered.
    Close(oneshot::Sender<()>),
}

/// The queue and its writer.
pub(in crate::service) struct Audit {
    mode: AuditMode,
    queue: mpsc::Sender<Message>,
    of_refused: Arc<Semaphore>,
    of_unauthenticated: Arc<Semaphore>,
    /// The turn of events about counted requests: one batch of them waits in the queue.
    turn_of_counted: Arc<Semaphore>,
    dropped: AtomicU64,
}

/// A place in the queue. It is taken before the work, so that no answer leaves unrecorded.
#[must_use = "without an event the place is given back"]
pub(in crate::service) struct Permit<'a> {
    audit: &'a Audit,
    /// The place in the queue; none when the queue is full and the event is dropped.
    place: Option<mpsc::Permit<'a, Message>>,
    /// The place in a share of the queue.
    share: Option<OwnedSemaphorePermit>,
}

/// How full the queue is.
#[derive(Clone, Copy, Debug)]
pub(in crate::service) struct QueueFigures {
    /// Events that wait to be stored.
    pub(in crate::service) waiting: usize,
    /// Events that may wait.
    pub(in crate::service) limit: usize,
    /// Events that were lost since the start.
    pub(in crate::service) dropped: u64,
}

impl Audit {
    /// Starts the writer; `capacity` events may wait for it.
    pub(in crate::service) fn start(
        mode: AuditMode,
        capacity: usize,
        store: Store,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Self {
        let (queue, events) = mpsc::channel(capacity);
        let writer = Writer {
            store,
            clock,
            random,
        };
        tokio::spawn(writer.write_events(events));
        let quarter = || Arc::new(Semaphore::new(capacity.div_ceil(4)));
        let turn_of_counted = Arc::new(Semaphore::new(1));
        Self {
            mode,
            queue,
            of_refused: quarter(),
            of_unauthenticated: quarter(),
            turn_of_counted,
            dropped: AtomicU64::new(0),
        }
    }

    /// Takes a place for the event of a request that is about to be served.
    ///
    /// # Errors
    ///
    /// `AuditUnavailable` when there is none and the settings require one.
    pub(in crate::service) fn reserve(&self, share: Share) -> Result<Permit<'_>> {
        match (self.offer(share), self.mode) {
            (Some(permit), _) => Ok(permit),
            (None, AuditMode::BestEffort) => Ok(Permit {
                audit: self,
                place: None,
                share: None,
            }),
            (None, AuditMode::Required) => Err(Error::new(
                ErrorKind::AuditUnavailable,
                "The audit can't keep up, and the settings require it; try again later.",
            )),
        }
    }

    /// Takes a place, or none when the share or the queue is full.
    pub(in crate::service) fn offer(&self, share: Share) -> Option<Permit<'_>> {
        let places = match share {
            Share::Served => None,
            Share::Refused => Some(&self.of_refused),
            Share::Unauthenticated => Some(&self.of_unauthenticated),
        };
        let share = match places {
            Some(places) => Some(Arc::clone(places).try_acquire_owned().ok()?),
            None => None,
        };
        Some(Permit {
            audit: self,
            place: Some(self.queue.try_reserve().ok()?),
            share,
        })
    }

    /// Begins to record requests that were counted: many events, which share one place in the queue
    /// and wait for it.
    pub(in crate::service) fn record_counted(&self) -> CountedEvents<'_> {
        CountedEvents {
            audit: self,
            batch: Batch::default(),
        }
    }

    /// Returns what is done with an event for which there is no place.
    pub(in crate::service) fn mode(&self) -> AuditMode {
        self.mode
    }

    /// Returns how full the queue is, and how many events were dropped.
    pub(in crate::service) fn figures(&self) -> QueueFigures {
        let limit = self.queue.max_capacity();
        QueueFigures {
            waiting: limit - self.queue.capacity(),
            limit,
            dropped: self.dropped.load(Ordering::Relaxed),
        }
    }

    /// Stores the waiting events, and ends the writer.
    pub(in crate::service) async fn close(&self) {
        let (done, closed) = oneshot::channel();
        if self.queue.send(Message::Close(done)).await.is_ok() {
            // A writer that is gone has nothing left to store.
            closed.await.unwrap_or_default();
        }
    }
}

impl Permit<'_> {
    /// Queues the event, or counts it as dropped.
    pub(in crate::service) fn record(self, event: &Event<'_>) {
        match self.place {
            Some(place) => match event.encode() {
                Ok(encoded) => place.send(Message::Event(encoded, self.share)),
                Err(error) => tracing::error!(
                    cause = error.cause(),
                    "an audit line can't be written: {error}"
                ),
            },
            None => {
                let dropped = self.audit.dropped.fetch_add(1, Ordering::Relaxed) + 1;
                // A log line for each lost event would be the next overload.
                if dropped.is_power_of_two() {
                    tracing::warn!(
                        dropped,
                        "the audit queue is full: lines were dropped (audit = \"required\" would \
                         refuse the requests instead)"
                    );
                }
            }
        }
    }
}

/// Events about requests that were counted, on their way to the writer.
pub(in crate::service) struct CountedEvents<'a> {
    audit: &'a Audit,
    batch: Batch,
}

impl CountedEvents<'_> {
    /// Adds an event; waits for the writer when the batch is full.
    pub(in crate::service) async fn add(&mut self, event: &Event<'_>) {
        match event.encode() {
            Ok(encoded) => self.batch.add(&encoded),
            Err(error) => tracing::error!(
                cause = error.cause(),
                "an audit line can't be written: {error}"
            ),
        }
        if self.batch.is_full() {
            self.send().await;
        }
    }

    /// Gives the last events to the writer.
    pub(in crate::service) async fn end(mut self) {
        self.send().await;
    }

    async fn send(&mut self) {
        let batch = std::mem::take(&mut self.batch);
        // The semaphore is never closed; the queue is, once the writer has ended, and nothing is
        // stored any more.
        if batch.events > 0
            && let Ok(turn) = Arc::clone(&self.audit.turn_of_counted)
                .acquire_owned()
                .await
        {
            self.audit
                .queue
                .send(Message::Counted(batch, turn))
                .await
                .unwrap_or_default();
        }
    }
}

/// The messages that the writer takes from the queue before it writes.
#[derive(Default)]
struct Taken {
    batch: Batch,
    counted: Option<Batch>,
    closing: Option<oneshot::Sender<()>>,
}

impl Taken {
    /// Takes a message; its place in its share is free then.
    fn take(&mut self, message: Message) {
        match message {
            Message::Event(event, _share) => self.batch.add(&event),
            Message::Counted(batch, _turn) => self.counted = Some(batch),
            Message::Close(done) => self.closing = Some(done),
        }
    }

    /// Tells whether it is time to write.
    fn is_full(&self) -> bool {
        self.batch.is_full() || self.counted.is_some() || self.closing.is_some()
    }
}

/// Stores events, until the queue is closed.
struct Writer {
    store: Store,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
}

impl Writer {
    async fn write_events(self, mut queue: mpsc::Receiver<Message>) {
        while let Some(message) = queue.recv().await {
            let mut taken = Taken::default();
            taken.take(message);
            if queue.len() < MAX_BATCH_EVENTS && !taken.is_full() && !queue.is_closed() {
                tokio::time::sleep(BATCH_DELAY).await;
            }
            while !taken.is_full()
                && let Ok(message) = queue.try_recv()
            {
                taken.take(message);
            }
            let Taken {
                batch,
                counted,
                mut closing,
            } = taken;
            for batch in [Some(batch), counted].into_iter().flatten() {
                let events = batch.events;
                match batch.rows() {
                    Ok(mut pages) => match &mut closing {
                        // `close` has a deadline; when it passes, the batch is dropped.
                        Some(done) => tokio::select! {
                            () = self.write_pages(&mut pages, LAST_RETRY_INTERVAL) => {}
                            () = done.closed() => return,
                        },
                        None => self.write_pages(&mut pages, RETRY_INTERVAL).await,
                    },
                    Err(error) => tracing::error!(
                        cause = error.cause(),
                        lost = events,
                        "audit lines can't be written: {error}"
                    ),
                }
            }
            if let Some(done) = closing {
                // `close` may have given up waiting.
                done.send(()).unwrap_or_default();
                return;
            }
        }
    }

    /// Writes pages, however long the database is away.
    async fn write_pages(&self, pages: &mut [AuditPage], pause: Duration) {
        let Some(first) = pages.first() else {
            return;
        };
        // One name for all tries: a batch whose outcome was unknown is stored once.
        let operation = Operation::new(&*self.random, first.first_at);
        let mut is_logged = false;
        loop {
            // Ids and chains say when a page was written, so each try has its own time.
            let now = self.clock.now();
            let mut write = Write::new(operation.tried_at(now));
            for page in &mut *pages {
                page.id = new_id(&*self.random, now);
                write = write.audit_page(page);
            }
            let Err(error) = self.store.apply(write).await else {
                return;
            };
            // Once for each batch: the outage itself is logged elsewhere.
            if !is_logged {
                tracing::warn!(
                    cause = error.cause(),
                    bytes = pages.iter().map(|page| page.lines.len()).sum::<usize>(),
                    "audit lines can't be stored yet: {error}"
                );
            }
            is_logged = true;
            tokio::time::sleep(pause).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::domain::clock::Timestamp;
    use crate::service::ledger::actions::AuditAction;
    use crate::service::ledger::encoded::MAX_EVENT_BYTES;
    use crate::service::request::RequestContext;

    const NOW: Timestamp = Timestamp::from_unix_seconds(1_735_787_045);

    fn context(after: u64) -> RequestContext {
        RequestContext {
            address: Some([192, 0, 2, 1].into()),
            ..RequestContext::operator(format!("request {after}"))
        }
    }

    fn event(context: &RequestContext, after: u64) -> Event<'_> {
        Event::new(
            AuditAction::TokenExchange,
            NOW.plus(Duration::from_secs(after)),
            context,
        )
    }

    /// Returns the detail that is stored of one.
    fn stored(detail: &Value) -> Value {
        let context = context(1);
        let row = event(&context, 1).detail(detail).row(String::new());
        assert!(
            row.detail.len() <= 1024,
            "{} bytes: {}",
            row.detail.len(),
            row.detail
        );
        serde_json::from_str(&row.detail).unwrap()
    }

    #[test]
    fn a_long_detail_is_cut_and_says_of_how_much_and_its_digest() {
        // One request without a log-in stored 65,480 bytes of what it asked for.
        let scopes: Vec<String> = (0..61)
            .map(|number| format!("repository:{}/{number}:pull", "x".repeat(980)))
            .collect();
        let whole = json!({ "asked": scopes, "granted": [] });
        let (text, cut) = (whole.to_string(), stored(&whole));
        let sha256 = hex::encode(aws_lc_rs::digest::digest(
            &aws_lc_rs::digest::SHA256,
            json!({ "asked": scopes }).to_string().as_bytes(),
        ));
        assert_eq!(
            cut["cut"],
            json!({ "bytes": text.len(), "left_out": { "asked": 61 }, "sha256": sha256 })
        );
        assert_eq!(cut["granted"], json!([]));
        let asked = cut["asked"].as_array().unwrap();
        assert!(
            asked.len() == 1 && asked[0].as_str().unwrap().starts_with("repository:xxx"),
            "{cut}"
        );

        let many: Vec<String> = (0..100)
            .map(|number| format!("repository:team/{number}:pull"))
            .collect();
        let cut = stored(&json!({ "asked": many, "granted": many }));
        for name in ["asked", "granted"] {
            let kept = cut[name].as_array().unwrap();
            assert!(
                kept.len() > 8 && kept.iter().zip(&many).all(|(kept, asked)| kept == asked),
                "{cut}"
            );
            assert_eq!(cut["cut"]["left_out"][name], json!(100 - kept.len()));
        }
    }

    #[test]
    fn whatever_the_detail_it_is_bounded_and_short_ones_stay_as_they_are() {
        let short = json!({ "asked": ["repository:team/app:pull"], "granted": [] });
        assert_eq!(stored(&short), short);
        let fields: serde_json::Map<String, Value> = (0..500)
            .map(|number| (format!("field-{number}"), json!(number)))
            .collect();
        let nested = json!({ "a": { "b": "x".repeat(2000) }, "cut": "forged" });
        let controls = json!({ "a": "\u{1}\"\\".repeat(2000), "b": "é".repeat(2000) });
        for long in [
            json!(fields),
            nested,
            controls,
            json!({ "x".repeat(2000): 1 }),
            json!(["x".repeat(2000)]),
            json!("x".repeat(2000)),
        ] {
            let cut = stored(&long);
            assert_eq!(cut["cut"]["bytes"], json!(long.to_string().len()), "{cut}");
        }
    }

    #[test]
    fn an_event_is_bounded_whatever_its_texts_are() {
        let context = RequestContext {
            address: Some("2001:db8:ffff:ffff:ffff:ffff:ffff:ffff".parse().unwrap()),
            ..context(1)
        };
        for text in ["x", "\u{1}", "\"", "é", "\u{10ffff}"] {
            let text = text.repeat(5000);
            let event = event(&context, 1)
                .service(&text)
                .proved(Some(text.clone()), Some("9".repeat(18).parse().unwrap()))
                .detail(json!({ "asked": [text], "claimed": text }));
            assert!(event.encode().unwrap().text.len() <= MAX_EVENT_BYTES);
        }
    }
}
