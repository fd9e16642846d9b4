//! The audit: who did what, and who was refused. Never a secret.
//!
//! A change writes its line in its own transaction. What changes nothing (issuing a temporary credential,
//! exchanging, a refused log-in) puts its line in a bounded queue, and a writer stores the queue in
//! pages, of which each is one row: rows of their own cost more processor time than all else about the
//! requests together. When the queue is full, the setting says whether the line is dropped and counted,
//! or the request refused. Lines of strangers and of refusals have shares of it ([`Share`]).

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use super::access::Signature;
use super::{Caller, RequestContext, Service};
use crate::domain::clock::{Random, Timestamp, random_text};
use crate::domain::credential::CredentialId;
use crate::domain::instance::Instance;
use crate::domain::principal::AccountId;
use crate::domain::{Error, ErrorKind, Result};
use crate::store::audit::{self, AuditPage, AuditRow};
use crate::store::{Operation, Store, Write};

/// The most lines of one page: about a megabyte.
const PAGE: usize = 4000;
/// How long the writer waits for more lines: a page, and its fsync, for each line would cost much.
const GATHERING: Duration = Duration::from_millis(100);
/// The most lines of one listing.
const LISTED: usize = 100_000;
/// How many pages a listing reads at once.
const PAGES: u32 = 8;
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
pub(super) enum Share {
    /// A proved caller's, about what was done: the whole queue.
    Done,
    /// A proved caller's, about what was refused: a quarter.
    Refused,
    /// A stranger's: a quarter.
    Strangers,
}

impl Share {
    /// Returns the share of a line about what `caller` did.
    pub(super) fn of(caller: &Caller) -> Self {
        if caller.is_anonymous() { Self::Strangers } else { Self::Done }
    }
}

/// One line: what was done, by whom, to what. In a page it stands as JSON with these names.
///
/// It borrows what it says until it is written, once: as a row, or as text for the queue.
#[derive(Clone, Serialize)]
pub(super) struct Line<'a> {
    at: Timestamp,
    request_id: &'a str,
    action: &'static str,
    outcome: &'static str,
    principal: Option<String>,
    account: Option<i64>,
    credential_id: Option<&'a str>,
    address: Option<IpAddr>,
    service: Option<&'a str>,
    detail: Option<Box<RawValue>>,
    /// The signature of the call, which makes what it asks for once.
    #[serde(skip)]
    signature: Option<Signature>,
    /// The id of what the call makes.
    #[serde(skip)]
    made: Option<&'a str>,
}

/// A line as it waits in the queue: JSON, with its line feed.
struct Written {
    at: Timestamp,
    text: Vec<u8>,
}

/// A line as it is read back.
#[derive(Deserialize)]
struct ReadLine {
    at: Timestamp,
    request_id: String,
    action: String,
    outcome: String,
    principal: Option<String>,
    account: Option<i64>,
    credential_id: Option<String>,
    address: Option<String>,
    service: Option<String>,
    detail: Option<Box<RawValue>>,
}

impl<'a> Line<'a> {
    pub(super) fn new(action: &'static str, at: Timestamp, context: &'a RequestContext) -> Self {
        Self {
            at,
            request_id: &context.request_id,
            action,
            outcome: "ok",
            principal: None,
            account: None,
            credential_id: None,
            address: context.address,
            service: None,
            detail: None,
            signature: None,
            made: None,
        }
    }

    pub(super) fn caller(mut self, caller: &Caller) -> Self {
        self.principal = caller.audit_name();
        self.account = caller.account().map(AccountId::number);
        self.signature = caller.signature();
        self
    }

    /// Names what the call makes, for whom it comes from again.
    pub(super) fn made(mut self, id: &'a str) -> Self {
        self.made = Some(id);
        self
    }

    pub(super) fn credential(mut self, id: &'a CredentialId) -> Self {
        self.credential_id = Some(id.as_str());
        self
    }

    pub(super) fn instance(mut self, instance: &'a Instance) -> Self {
        self.service = Some(&instance.service);
        self.account = Some(instance.account.number());
        self
    }

    /// Names what a stranger asked for; a long name is cut.
    pub(super) fn service(mut self, service: &'a str) -> Self {
        let end = service.char_indices().nth(255).map_or(service.len(), |(place, _)| place);
        self.service = Some(&service[..end]);
        self
    }

    /// Names who was proved, and of which account.
    pub(super) fn proved(mut self, principal: Option<String>, account: Option<AccountId>) -> Self {
        self.principal = principal;
        self.account = account.map(AccountId::number);
        self
    }

    /// Says how it ended; without it, as it was asked.
    pub(super) fn outcome(mut self, outcome: &'static str) -> Self {
        self.outcome = outcome;
        self
    }

    /// Names another address than the request's.
    pub(super) fn address(mut self, address: Option<IpAddr>) -> Self {
        self.address = address;
        self
    }

    /// Adds all else; what can't be written as JSON is left out.
    pub(super) fn detail(mut self, detail: impl Serialize) -> Self {
        self.detail = serde_json::value::to_raw_value(&detail).ok();
        self
    }

    /// Adds the line to the write that does what it says; a signed call's signature makes no second one.
    pub(super) fn onto(self, write: Write, random: &dyn Random) -> Write {
        let write = match &self.signature {
            Some(signature) => write.once(signature.of_change(self.request_id, self.made)),
            None => write,
        };
        write.audit(&self.row(random))
    }

    /// Returns the line as a row, under an id of its own.
    fn row(self, random: &dyn Random) -> AuditRow {
        AuditRow {
            id: random_id(random),
            at: self.at,
            request_id: self.request_id.to_owned(),
            action: self.action.to_owned(),
            principal: self.principal,
            account: self.account,
            credential_id: self.credential_id.map(str::to_owned),
            address: self.address.map(|address| address.to_string()),
            service: self.service.map(str::to_owned),
            detail: self.detail.map_or_else(String::new, |detail| detail.get().to_owned()),
            outcome: self.outcome.to_owned(),
        }
    }

    /// Returns the line as text.
    fn written(&self) -> Result<Written> {
        let mut text = Vec::with_capacity(512);
        serde_json::to_writer(&mut text, self).map_err(Error::internal)?;
        text.push(b'\n');
        Ok(Written { at: self.at, text })
    }
}

impl ReadLine {
    /// Returns the line as a row; its id is its page's and its place there.
    fn row(self, page: &AuditPage, place: usize) -> AuditRow {
        AuditRow {
            id: format!("{}.{place:04}", page.id),
            at: self.at,
            request_id: self.request_id,
            action: self.action,
            principal: self.principal,
            account: self.account,
            credential_id: self.credential_id,
            address: self.address,
            service: self.service,
            detail: self.detail.map_or_else(String::new, |detail| detail.get().to_owned()),
            outcome: self.outcome,
        }
    }
}

/// Lays lines out as a page: one to a line of text.
fn page(lines: &[Written], random: &dyn Random) -> Result<Option<AuditPage>> {
    let times = lines.iter().map(|line| line.at);
    let (Some(first_at), Some(last_at)) = (times.clone().min(), times.max()) else { return Ok(None) };
    let mut text = Vec::with_capacity(lines.iter().map(|line| line.text.len()).sum());
    for line in lines {
        text.extend_from_slice(&line.text);
    }
    let lines = String::from_utf8(text).map_err(Error::internal)?;
    Ok(Some(AuditPage { id: random_id(random), first_at, last_at, lines }))
}

/// Reads the lines of a page.
fn rows(page: &AuditPage) -> Result<Vec<AuditRow>> {
    let unreadable = |error| Error::internal(format!("table audit_page, column lines, id {}: {error}", page.id));
    let read = |(place, line)| serde_json::from_str::<ReadLine>(line).map(|line| line.row(page, place)).map_err(unreadable);
    page.lines.lines().enumerate().map(read).collect()
}

enum Message {
    /// With its place in a share of the queue, which is free again once the writer has taken it.
    Line(Written, Option<OwnedSemaphorePermit>),
    /// Everything before this is to be stored, and then this answered.
    Close(oneshot::Sender<()>),
}

/// The queue and its writer.
pub(super) struct Audit {
    mode: AuditMode,
    queue: mpsc::Sender<Message>,
    of_refused: Arc<Semaphore>,
    of_strangers: Arc<Semaphore>,
    dropped: AtomicU64,
}

/// A place in the queue, taken before the work so that nothing leaves unrecorded.
pub(super) struct Room<'a> {
    audit: &'a Audit,
    permit: Option<mpsc::Permit<'a, Message>>,
    /// The place in a share of the queue.
    place: Option<OwnedSemaphorePermit>,
}

impl Audit {
    /// Starts the writer; `capacity` lines may wait for it.
    pub(super) fn start(mode: AuditMode, capacity: usize, store: Store, random: Arc<dyn Random>) -> Self {
        let (queue, lines) = mpsc::channel(capacity);
        tokio::spawn(write_lines(lines, store, random));
        let quarter = || Arc::new(Semaphore::new(capacity.div_ceil(4)));
        Self { mode, queue, of_refused: quarter(), of_strangers: quarter(), dropped: AtomicU64::new(0) }
    }

    /// Takes a place for a line about what is done.
    ///
    /// # Errors
    /// [`ErrorKind::AuditUnavailable`] when there is none and the settings require one.
    pub(super) fn reserve(&self, share: Share) -> Result<Room<'_>> {
        match (self.offer(share), self.mode) {
            (Some(room), _) => Ok(room),
            (None, AuditMode::BestEffort) => Ok(Room { audit: self, permit: None, place: None }),
            (None, AuditMode::Required) => {
                Err(Error::new(ErrorKind::AuditUnavailable, "The audit can't keep up, and the settings require it; try again later."))
            }
        }
    }

    /// Takes a place, if there is one in the share and in the queue.
    pub(super) fn offer(&self, share: Share) -> Option<Room<'_>> {
        let place = match share {
            Share::Done => None,
            Share::Refused => Some(Arc::clone(&self.of_refused).try_acquire_owned().ok()?),
            Share::Strangers => Some(Arc::clone(&self.of_strangers).try_acquire_owned().ok()?),
        };
        Some(Room { audit: self, permit: Some(self.queue.try_reserve().ok()?), place })
    }

    /// Returns how many lines wait, and how many were dropped.
    pub(super) fn waiting_and_dropped(&self) -> (usize, u64) {
        (self.queue.max_capacity() - self.queue.capacity(), self.dropped.load(Ordering::Relaxed))
    }

    /// Stores what waits, and ends the writer.
    pub(super) async fn close(&self) {
        let (done, closed) = oneshot::channel();
        if self.queue.send(Message::Close(done)).await.is_ok() {
            // A writer that is gone has nothing left to store.
            closed.await.unwrap_or_default();
        }
    }
}

impl Room<'_> {
    /// Queues the line, or counts it as dropped.
    pub(super) fn record(self, line: &Line<'_>) {
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

async fn write_lines(mut queue: mpsc::Receiver<Message>, store: Store, random: Arc<dyn Random>) {
    let mut messages = Vec::with_capacity(PAGE);
    while queue.recv_many(&mut messages, PAGE).await > 0 {
        if messages.len() < PAGE && !queue.is_closed() {
            tokio::time::sleep(GATHERING).await;
            while messages.len() < PAGE
                && let Ok(message) = queue.try_recv()
            {
                messages.push(message);
            }
        }
        let mut closing = None::<oneshot::Sender<()>>;
        let mut lines = Vec::with_capacity(messages.len());
        for message in messages.drain(..) {
            match message {
                Message::Line(line, place) => {
                    drop(place);
                    lines.push(line);
                }
                Message::Close(done) => closing = Some(done),
            }
        }
        match page(&lines, &*random) {
            Ok(Some(page)) => match &mut closing {
                // Whoever closes says how long is worth it.
                Some(done) => tokio::select! {
                    () = write_page(&page, &store, &*random, LAST_RETRY_INTERVAL) => {}
                    () = done.closed() => return,
                },
                None => write_page(&page, &store, &*random, RETRY_INTERVAL).await,
            },
            Ok(None) => {}
            Err(error) => tracing::error!(cause = error.cause(), lost = lines.len(), "audit lines can't be written: {error}"),
        }
        if let Some(done) = closing {
            // Whoever closes may have given up waiting.
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

fn random_id(random: &dyn Random) -> String {
    random_text(random, b"0123456789abcdefghijklmnopqrstuv", 20)
}

/// Which lines of the audit are listed: all from one time to another, or some of them.
#[derive(Clone, Debug)]
pub struct AuditFilter {
    /// From this time on.
    pub since: Timestamp,
    /// Before this time.
    pub until: Timestamp,
    /// Only those of this principal, as the audit names it; where that ends with `/`, of all whose names begin so.
    pub principal: Option<String>,
    /// Only those of this action, or of all that begin so: `tcr:*`.
    pub action: Option<String>,
    /// Only those that ended so.
    pub outcome: Option<String>,
}

impl AuditFilter {
    /// All lines from one time to another.
    pub fn between(since: Timestamp, until: Timestamp) -> Self {
        Self { since, until, principal: None, action: None, outcome: None }
    }

    fn has(&self, row: &AuditRow) -> bool {
        let by = row.principal.as_deref().unwrap_or_default();
        let is_by = |wanted: &str| if wanted.ends_with('/') { by.starts_with(wanted) } else { by == wanted };
        let is_action = |wanted: &str| match wanted.strip_suffix('*') {
            Some(beginning) => row.action.starts_with(beginning),
            None => row.action == wanted,
        };
        (self.since..self.until).contains(&row.at)
            && self.principal.as_deref().is_none_or(is_by)
            && self.action.as_deref().is_none_or(is_action)
            && self.outcome.as_ref().is_none_or(|outcome| row.outcome == *outcome)
    }
}

impl Service {
    /// Begins a line about what `caller` does now.
    pub(super) fn line<'a>(&self, action: &'static str, caller: &Caller, context: &'a RequestContext) -> Line<'a> {
        Line::new(action, self.now(), context).caller(caller)
    }

    /// Lists what was done and refused, the oldest first.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] when that is more than can be listed at once: nothing is left out in silence.
    pub async fn audit_lines(&self, caller: &Caller, filter: &AuditFilter) -> Result<Vec<AuditRow>> {
        caller.require_operator()?;
        let (since, until) = (filter.since, filter.until);
        let principal = filter.principal.as_deref().filter(|principal| !principal.ends_with('/'));
        let wanted = |row: &AuditRow| filter.has(row);
        let mut listed = audit::list(&self.store, since, principal, LISTED as u32 + 1).await?;
        listed.retain(wanted);
        let mut after = None;
        loop {
            let pages = audit::list_pages(&self.store, since, after.as_ref(), PAGES).await?;
            for page in &pages {
                listed.extend(rows(page)?.into_iter().filter(wanted));
            }
            if listed.len() > LISTED {
                return Err(Error::unsupported(format!(
                    "There are more than {LISTED} lines; narrow them by --since, --until, --principal, --action or --outcome."
                )));
            }
            match pages.into_iter().next_back() {
                Some(last) if last.first_at < until => after = Some(last),
                _ => break,
            }
        }
        listed.sort_unstable_by(|one, other| (one.at, &one.id).cmp(&(other.at, &other.id)));
        Ok(listed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::clock::SystemRandom;
    use crate::domain::principal::Principal;

    const NOW: Timestamp = Timestamp::from_unix_seconds(1_735_787_045);

    fn context(after: u64) -> RequestContext {
        RequestContext { address: Some([192, 0, 2, 1].into()), ..RequestContext::operator(format!("request {after}")) }
    }

    fn line(context: &RequestContext, after: u64) -> Line<'_> {
        Line::new("token.exchange", NOW.plus(Duration::from_secs(after)), context)
    }

    #[test]
    fn a_page_reads_back_as_what_its_lines_would_be_alone() {
        let contexts = [context(2), context(1)];
        let lines = || {
            let mut known = line(&contexts[0], 2).detail(serde_json::json!({ "asked": ["a\n\"b\""] }));
            known.principal = Some(Principal::Root(AccountId::new(1).unwrap()).to_string());
            known.credential_id = Some("c");
            [known, line(&contexts[1], 1).service("somewhere").outcome("refused")]
        };
        let page = page(&lines().map(|line| line.written().unwrap()), &SystemRandom).unwrap().unwrap();
        assert_eq!((page.first_at, page.last_at), (NOW.plus(Duration::from_secs(1)), NOW.plus(Duration::from_secs(2))));
        let alone = lines().map(|line| line.row(&SystemRandom));
        let mut read = rows(&page).unwrap();
        assert!(read[0].id < read[1].id && read.iter().all(|row| row.id.starts_with(&page.id)));
        for (read, alone) in read.iter_mut().zip(&alone) {
            read.id.clone_from(&alone.id);
        }
        assert_eq!(read, alone);
    }

    #[test]
    fn nothing_makes_no_page() {
        assert_eq!(page(&[], &SystemRandom).unwrap(), None);
    }
}
