//! The audit: who did what, and who was refused. Never a secret.
//!
//! A change writes its line in its own transaction. What changes nothing (issuing a temporary credential,
//! exchanging, a refused log-in) puts its line in a bounded queue, and a writer stores the queue in
//! pages, of which each is one row: rows of their own cost more processor time than all else about the
//! requests together. When the queue is full, the setting says whether the line is dropped and counted,
//! or the request refused. Lines of strangers and of refusals have shares of it ([`Share`]).
//!
//! Bytes are bounded everywhere: a line ([`line`]), so the queue by its lines, and a page.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::Deserialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use crate::domain::clock::{Random, Timestamp};
use crate::domain::{Error, ErrorKind, Result};
use crate::service::ledger::event::{Line, MAX_LINE_BYTES, Written, random_id};
use crate::service::ledger::words::Words;
use crate::store::audit::{self, AuditPage};
use crate::store::{Operation, Store, Write};

/// The most lines of one page.
const MAX_PAGE_LINES: usize = 4000;
/// The most bytes of one page.
const MAX_PAGE_BYTES: usize = 1 << 20;
/// How long the writer waits for more lines: a page, and its fsync, for each line would cost much.
const GATHERING: Duration = Duration::from_millis(100);
/// How long the writer waits before it tries a database again that didn't answer.
const RETRY_INTERVAL: Duration = Duration::from_millis(500);
/// The same at the end, where there are few tries left.
const LAST_RETRY_INTERVAL: Duration = Duration::from_millis(100);

/// What happens when the audit queue is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AuditMode {
    /// The line is dropped, counted and reported in the log.
    BestEffort,
    /// The request is refused.
    Required,
}

/// Whose a line is, and so how much of the queue it may take: others' lines must find room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::service) enum Share {
    /// A proved caller's, about what was done: the whole queue.
    Done,
    /// A proved caller's, about what was refused: a quarter.
    Refused,
    /// A stranger's: a quarter.
    Strangers,
}

enum Message {
    /// With its place in a share of the queue, which is free again once the writer has taken it.
    Line(Written, Option<OwnedSemaphorePermit>),
    /// Many lines, which are a page of their own; with their turn, which the next ones have once the writer has taken these.
    Counted(Batch, OwnedSemaphorePermit),
    /// Everything before this is to be stored, and then this answered.
    Close(oneshot::Sender<()>),
}

/// The queue and its writer.
pub(in crate::service) struct Audit {
    mode: AuditMode,
    queue: mpsc::Sender<Message>,
    of_refused: Arc<Semaphore>,
    of_strangers: Arc<Semaphore>,
    /// The turn of lines about requests that were counted: one batch of them waits in the queue.
    turn_of_counted: Arc<Semaphore>,
    dropped: AtomicU64,
}

/// A place in the queue, taken before the work so that nothing leaves unrecorded.
pub(in crate::service) struct Room<'a> {
    audit: &'a Audit,
    permit: Option<mpsc::Permit<'a, Message>>,
    /// The place in a share of the queue.
    place: Option<OwnedSemaphorePermit>,
}

impl Audit {
    /// Starts the writer; `capacity` lines may wait for it.
    pub(in crate::service) fn start(mode: AuditMode, capacity: usize, store: Store, random: Arc<dyn Random>) -> Self {
        let (queue, lines) = mpsc::channel(capacity);
        tokio::spawn(write_lines(lines, store, random));
        let quarter = || Arc::new(Semaphore::new(capacity.div_ceil(4)));
        let turn_of_counted = Arc::new(Semaphore::new(1));
        Self { mode, queue, of_refused: quarter(), of_strangers: quarter(), turn_of_counted, dropped: AtomicU64::new(0) }
    }

    /// Takes a place for a line about what is done.
    ///
    /// # Errors
    /// [`ErrorKind::AuditUnavailable`] when there is none and the settings require one.
    pub(in crate::service) fn reserve(&self, share: Share) -> Result<Room<'_>> {
        match (self.offer(share), self.mode) {
            (Some(room), _) => Ok(room),
            (None, AuditMode::BestEffort) => Ok(Room { audit: self, permit: None, place: None }),
            (None, AuditMode::Required) => {
                Err(Error::new(ErrorKind::AuditUnavailable, "The audit can't keep up, and the settings require it; try again later."))
            }
        }
    }

    /// Takes a place, if there is one in the share and in the queue.
    pub(in crate::service) fn offer(&self, share: Share) -> Option<Room<'_>> {
        let places = match share {
            Share::Done => None,
            Share::Refused => Some(&self.of_refused),
            Share::Strangers => Some(&self.of_strangers),
        };
        let place = match places {
            Some(places) => Some(Arc::clone(places).try_acquire_owned().ok()?),
            None => None,
        };
        Some(Room { audit: self, permit: Some(self.queue.try_reserve().ok()?), place })
    }

    /// Begins to record requests that were counted: many lines, which share one place in the queue and wait for it.
    pub(in crate::service) fn record_counted(&self) -> CountedLines<'_> {
        CountedLines { audit: self, batch: Batch::default() }
    }

    /// Returns how many lines wait, and how many were dropped.
    pub(in crate::service) fn waiting_and_dropped(&self) -> (usize, u64) {
        (self.queue.max_capacity() - self.queue.capacity(), self.dropped.load(Ordering::Relaxed))
    }

    /// Stores what waits, and ends the writer.
    pub(in crate::service) async fn close(&self) {
        let (done, closed) = oneshot::channel();
        if self.queue.send(Message::Close(done)).await.is_ok() {
            // A writer that is gone has nothing left to store.
            closed.await.unwrap_or_default();
        }
    }
}

impl Room<'_> {
    /// Queues the line, or counts it as dropped.
    pub(in crate::service) fn record(self, line: &Line<'_>) {
        match self.permit {
            Some(permit) => match line.written() {
                Ok(written) => permit.send(Message::Line(written, self.place)),
                Err(error) => tracing::error!(cause = error.cause(), "an audit line can't be written: {error}"),
            },
            None => {
                let dropped = self.audit.dropped.fetch_add(1, Ordering::Relaxed) + 1;
                // Every line lost is one too many, but a log line for each would be the next overload.
                if dropped.is_power_of_two() {
                    tracing::warn!(
                        dropped,
                        "the audit queue is full: lines were dropped (audit = \"required\" would refuse the requests instead)"
                    );
                }
            }
        }
    }
}

/// Lines about requests that were counted, on their way to the writer.
pub(in crate::service) struct CountedLines<'a> {
    audit: &'a Audit,
    batch: Batch,
}

impl CountedLines<'_> {
    /// Adds a line; waits for the writer when a page is full.
    pub(in crate::service) async fn add(&mut self, line: &Line<'_>) {
        match line.written() {
            Ok(written) => self.batch.add(&written),
            Err(error) => tracing::error!(cause = error.cause(), "an audit line can't be written: {error}"),
        }
        if self.batch.is_full() {
            self.send().await;
        }
    }

    /// Gives the last lines to the writer.
    pub(in crate::service) async fn end(mut self) {
        self.send().await;
    }

    async fn send(&mut self) {
        let batch = std::mem::take(&mut self.batch);
        // The semaphore is never closed; the queue is, once the writer has ended, and nothing is stored any more.
        if batch.lines > 0
            && let Ok(turn) = Arc::clone(&self.audit.turn_of_counted).acquire_owned().await
        {
            self.audit.queue.send(Message::Counted(batch, turn)).await.unwrap_or_default();
        }
    }
}

/// Lines that become one page.
#[derive(Default)]
struct Batch {
    text: Vec<u8>,
    lines: usize,
    /// The times of the earliest and the latest line.
    span: Option<(Timestamp, Timestamp)>,
    words: Words,
}

impl Batch {
    fn add(&mut self, line: &Written) {
        self.words.add(&line.text);
        self.text.extend_from_slice(&line.text);
        self.lines += 1;
        let (first_at, last_at) = self.span.unwrap_or((line.at, line.at));
        self.span = Some((first_at.min(line.at), last_at.max(line.at)));
    }

    /// Tells whether another line may find no room.
    fn is_full(&self) -> bool {
        self.lines >= MAX_PAGE_LINES || self.text.len() + MAX_LINE_BYTES > MAX_PAGE_BYTES
    }

    /// Returns the lines as a page, one to a line of text; without lines, nothing.
    fn page(self, random: &dyn Random) -> Result<Option<AuditPage>> {
        let Some((first_at, last_at)) = self.span else { return Ok(None) };
        let lines = String::from_utf8(self.text).map_err(Error::internal)?;
        Ok(Some(AuditPage { id: random_id(random), first_at, last_at, lines, contents: self.words.contents() }))
    }
}

/// What the writer takes from the queue before it writes.
#[derive(Default)]
struct Taken {
    batch: Batch,
    counted: Option<Batch>,
    closing: Option<oneshot::Sender<()>>,
}

impl Taken {
    /// Takes what came from the queue; its place in its share is free then.
    fn take(&mut self, message: Message) {
        match message {
            Message::Line(line, _place) => self.batch.add(&line),
            Message::Counted(batch, _turn) => self.counted = Some(batch),
            Message::Close(done) => self.closing = Some(done),
        }
    }

    /// Tells whether it is time to write.
    fn is_full(&self) -> bool {
        self.batch.is_full() || self.counted.is_some() || self.closing.is_some()
    }
}

async fn write_lines(mut queue: mpsc::Receiver<Message>, store: Store, random: Arc<dyn Random>) {
    while let Some(message) = queue.recv().await {
        let mut taken = Taken::default();
        taken.take(message);
        if queue.len() < MAX_PAGE_LINES && !taken.is_full() && !queue.is_closed() {
            tokio::time::sleep(GATHERING).await;
        }
        while !taken.is_full()
            && let Ok(message) = queue.try_recv()
        {
            taken.take(message);
        }
        let Taken { batch, counted, mut closing } = taken;
        for batch in [Some(batch), counted].into_iter().flatten() {
            let lines = batch.lines;
            match batch.page(&*random) {
                Ok(Some(page)) => match &mut closing {
                    // `close` has a deadline; when it passes, the batch is dropped.
                    Some(done) => tokio::select! {
                        () = write_page(&page, &store, &*random, LAST_RETRY_INTERVAL) => {}
                        () = done.closed() => return,
                    },
                    None => write_page(&page, &store, &*random, RETRY_INTERVAL).await,
                },
                Ok(None) => {}
                Err(error) => tracing::error!(cause = error.cause(), lost = lines, "audit lines can't be written: {error}"),
            }
        }
        if let Some(done) = closing {
            // `close` may have given up waiting.
            done.send(()).unwrap_or_default();
            return;
        }
    }
}

/// Writes a page, however long the database is away.
async fn write_page(page: &AuditPage, store: &Store, random: &dyn Random, pause: Duration) {
    // One name for all tries: a page whose outcome was unknown is stored once.
    let operation = Operation::new(random, page.first_at);
    let mut said = false;
    while let Err(error) = store.apply(Write::new(operation.clone()).then(audit::insert_page(page))).await {
        // Once for each page: an outage has its own line.
        if !said {
            tracing::warn!(cause = error.cause(), bytes = page.lines.len(), "audit lines can't be stored yet: {error}");
        }
        said = true;
        tokio::time::sleep(pause).await;
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::domain::clock::SystemRandom;
    use crate::domain::credential::CredentialId;
    use crate::domain::ids::AccountId;
    use crate::domain::principal::Principal;
    use crate::service::ledger::event::rows;
    use crate::service::request::RequestContext;
    use crate::store::audit::AuditRow;

    const NOW: Timestamp = Timestamp::from_unix_seconds(1_735_787_045);

    fn context(after: u64) -> RequestContext {
        RequestContext { address: Some([192, 0, 2, 1].into()), ..RequestContext::operator(format!("request {after}")) }
    }

    fn line(context: &RequestContext, after: u64) -> Line<'_> {
        Line::new("token.exchange", NOW.plus(Duration::from_secs(after)), context)
    }

    fn batch(lines: impl IntoIterator<Item = Written>) -> Batch {
        let mut batch = Batch::default();
        lines.into_iter().for_each(|line| batch.add(&line));
        batch
    }

    #[test]
    fn a_page_reads_back_as_what_its_lines_would_be_alone() {
        let (contexts, id) = ([context(2), context(1)], CredentialId::random(&SystemRandom));
        let lines = || {
            let root = Principal::Root(AccountId::new(1).unwrap()).to_string();
            let known = line(&contexts[0], 2).detail(json!({ "asked": ["a\n\"b\""] })).proved(Some(root), None).credential(&id);
            [known, line(&contexts[1], 1).service("somewhere").outcome("refused")]
        };
        let page = batch(lines().map(|line| line.written().unwrap())).page(&SystemRandom).unwrap().unwrap();
        assert_eq!((page.first_at, page.last_at), (NOW.plus(Duration::from_secs(1)), NOW.plus(Duration::from_secs(2))));
        let alone = lines().map(|line| line.row(&SystemRandom));
        let mut read: Vec<AuditRow> = rows(&page.id, &page.lines).map(Result::unwrap).collect();
        assert!(read[0].id < read[1].id && read.iter().all(|row| row.id.starts_with(&page.id)));
        for (read, alone) in read.iter_mut().zip(&alone) {
            read.id.clone_from(&alone.id);
        }
        assert_eq!(read, alone);
    }

    #[test]
    fn nothing_makes_no_page() {
        assert_eq!(batch([]).page(&SystemRandom).unwrap(), None);
    }

    #[test]
    fn a_page_is_bounded_in_lines_and_in_bytes() {
        // A page had 4,000 lines of any length: 260 MB of scopes that a stranger asked for.
        let context = context(1);
        for (length, bound) in [(1, "lines"), (1000, "bytes")] {
            let mut batch = Batch::default();
            while !batch.is_full() {
                batch.add(&line(&context, 1).detail(json!({ "asked": "x".repeat(length) })).written().unwrap());
            }
            assert!(batch.lines <= MAX_PAGE_LINES && batch.text.len() <= MAX_PAGE_BYTES);
            let is_by_lines = batch.lines == MAX_PAGE_LINES;
            assert_eq!(if is_by_lines { "lines" } else { "bytes" }, bound);
        }
    }

    /// Returns the detail that is stored of one.
    fn stored(detail: &Value) -> Value {
        let context = context(1);
        let row = line(&context, 1).detail(detail).row(&SystemRandom);
        assert!(row.detail.len() <= 1024, "{} bytes: {}", row.detail.len(), row.detail);
        serde_json::from_str(&row.detail).unwrap()
    }

    #[test]
    fn a_long_detail_is_cut_and_says_of_how_much_and_its_digest() {
        // One request without a log-in stored 65,480 bytes of what it asked for.
        let scopes: Vec<String> = (0..61).map(|number| format!("repository:{}/{number}:pull", "x".repeat(980))).collect();
        let whole = json!({ "asked": scopes, "granted": [] });
        let (text, cut) = (whole.to_string(), stored(&whole));
        let sha256 = hex::encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes()));
        assert_eq!(cut["cut"], json!({ "bytes": text.len(), "left_out": { "asked": 61 }, "sha256": sha256 }));
        assert_eq!(cut["granted"], json!([]));
        let asked = cut["asked"].as_array().unwrap();
        assert!(asked.len() == 1 && asked[0].as_str().unwrap().starts_with("repository:xxx"), "{cut}");

        let many: Vec<String> = (0..100).map(|number| format!("repository:team/{number}:pull")).collect();
        let cut = stored(&json!({ "asked": many, "granted": many }));
        for name in ["asked", "granted"] {
            let kept = cut[name].as_array().unwrap();
            assert!(kept.len() > 8 && kept.iter().zip(&many).all(|(kept, asked)| kept == asked), "{cut}");
            assert_eq!(cut["cut"]["left_out"][name], json!(100 - kept.len()));
        }
    }

    #[test]
    fn whatever_the_detail_it_is_bounded_and_short_ones_stay_as_they_are() {
        let short = json!({ "asked": ["repository:team/app:pull"], "granted": [] });
        assert_eq!(stored(&short), short);
        let fields: serde_json::Map<String, Value> = (0..500).map(|number| (format!("field-{number}"), json!(number))).collect();
        let nested = json!({ "a": { "b": "x".repeat(2000) }, "cut": "forged" });
        let controls = json!({ "a": "\u{1}\"\\".repeat(2000), "b": "é".repeat(2000) });
        for long in [json!(fields), nested, controls, json!({ "x".repeat(2000): 1 }), json!(["x".repeat(2000)]), json!("x".repeat(2000))] {
            let cut = stored(&long);
            assert_eq!(cut["cut"]["bytes"], json!(long.to_string().len()), "{cut}");
        }
    }

    #[test]
    fn a_line_is_bounded_whatever_its_texts_are() {
        let context = RequestContext { address: Some("2001:db8:ffff:ffff:ffff:ffff:ffff:ffff".parse().unwrap()), ..context(1) };
        for text in ["x", "\u{1}", "\"", "é", "\u{10ffff}"] {
            let text = text.repeat(5000);
            let line = line(&context, 1)
                .service(&text)
                .proved(Some(text.clone()), Some("9".repeat(18).parse().unwrap()))
                .detail(json!({ "asked": [text], "claimed": text }));
            assert!(line.written().unwrap().text.len() <= MAX_LINE_BYTES);
        }
    }
}
