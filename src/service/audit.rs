//! The audit: who did what, and who was refused. Never a secret.
//!
//! A change writes its line in its own transaction. What changes nothing (issuing a temporary credential,
//! exchanging, a refused log-in) puts its line in a bounded queue, and a writer stores the queue in
//! batches. When the queue is full, the setting says whether the line is dropped and counted, or the
//! request refused.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::Deserialize;
use tokio::sync::{mpsc, oneshot};

use super::{Caller, RequestContext, Service};
use crate::domain::clock::{Random, Timestamp, random_text};
use crate::domain::credential::CredentialId;
use crate::domain::instance::Instance;
use crate::domain::{Error, ErrorKind, Result};
use crate::store::audit::{self, AuditRow};
use crate::store::{Operation, Store, Write};

/// The most lines of one batch.
const BATCH: usize = 500;
/// The most lines of one listing.
const LISTED: u32 = 100_000;
/// How long the writer waits before it tries a database again that didn't answer.
const RETRY_INTERVAL: Duration = Duration::from_millis(500);

/// What happens when the audit queue is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AuditMode {
    /// The line is dropped, counted and reported in the log.
    BestEffort,
    /// The request is refused.
    Required,
}

/// One line: what was done, by whom, to what.
pub(super) struct Line {
    row: AuditRow,
}

impl Line {
    pub(super) fn new(action: &'static str, at: Timestamp, context: &RequestContext) -> Self {
        Self {
            row: AuditRow {
                id: String::new(),
                at,
                request_id: context.request_id.clone(),
                action: action.to_owned(),
                outcome: "ok".to_owned(),
                principal: None,
                account: None,
                credential_id: None,
                address: context.address.map(|address| address.to_string()),
                service: None,
                detail: String::new(),
            },
        }
    }

    pub(super) fn caller(mut self, caller: &Caller) -> Self {
        self.row.principal = caller.audit_name();
        self.row.account = caller.principal().map(|principal| principal.account().number());
        self
    }

    pub(super) fn credential(mut self, id: &CredentialId) -> Self {
        self.row.credential_id = Some(id.to_string());
        self
    }

    pub(super) fn instance(mut self, instance: &Instance) -> Self {
        self.row.service = Some(instance.service.clone());
        self.row.account = Some(instance.account.number());
        self
    }

    pub(super) fn service(mut self, service: &str) -> Self {
        self.row.service = Some(service.chars().take(255).collect());
        self
    }

    pub(super) fn refused(mut self) -> Self {
        self.row.outcome = "refused".to_owned();
        self
    }

    pub(super) fn detail(mut self, detail: serde_json::Value) -> Self {
        self.row.detail = detail.to_string();
        self
    }

    /// Returns the line as it is stored, under an id of its own.
    pub(super) fn row(mut self, random: &dyn Random) -> AuditRow {
        self.row.id = row_id(random);
        self.row
    }
}

enum Message {
    Line(AuditRow),
    /// Everything before this is to be stored, and then this answered.
    Close(oneshot::Sender<()>),
}

/// The queue and its writer.
pub(super) struct Audit {
    mode: AuditMode,
    queue: mpsc::Sender<Message>,
    dropped: AtomicU64,
}

/// A place in the queue, taken before the work so that nothing leaves unrecorded.
pub(super) struct Room<'a> {
    audit: &'a Audit,
    permit: Option<mpsc::Permit<'a, Message>>,
}

impl Audit {
    /// Starts the writer; `capacity` lines may wait for it.
    pub(super) fn start(mode: AuditMode, capacity: usize, store: Store, random: Arc<dyn Random>) -> Self {
        let (queue, lines) = mpsc::channel(capacity);
        tokio::spawn(write_lines(lines, store, random));
        Self { mode, queue, dropped: AtomicU64::new(0) }
    }

    /// Takes a place; [`ErrorKind::AuditUnavailable`] when there is none and the settings require one.
    pub(super) fn reserve(&self) -> Result<Room<'_>> {
        match (self.queue.try_reserve(), self.mode) {
            (Ok(permit), _) => Ok(Room { audit: self, permit: Some(permit) }),
            (Err(_), AuditMode::BestEffort) => Ok(Room { audit: self, permit: None }),
            (Err(_), AuditMode::Required) => {
                Err(Error::new(ErrorKind::AuditUnavailable, "The audit can't keep up, and the settings require it; try again later."))
            }
        }
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
    pub(super) fn record(self, line: Line) {
        match self.permit {
            Some(permit) => permit.send(Message::Line(line.row)),
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
    let mut messages = Vec::with_capacity(BATCH);
    while queue.recv_many(&mut messages, BATCH).await > 0 {
        let mut closing = None;
        let mut rows = Vec::with_capacity(messages.len());
        for message in messages.drain(..) {
            match message {
                Message::Line(row) => rows.push(AuditRow { id: row_id(&*random), ..row }),
                Message::Close(done) => closing = Some(done),
            }
        }
        if let Some(first) = rows.first() {
            // One name for all tries: a batch whose outcome was unknown is stored once.
            let operation = Operation::new(&*random, first.at);
            while let Err(error) = store.apply(Write::new(operation.clone()).then(audit::insert_batch(&rows))).await {
                tracing::warn!(cause = error.cause(), waiting = rows.len(), "audit lines can't be stored yet: {error}");
                if closing.is_some() {
                    break;
                }
                tokio::time::sleep(RETRY_INTERVAL).await;
            }
        }
        if let Some(done) = closing {
            // Whoever closes may have given up waiting.
            done.send(()).unwrap_or_default();
            return;
        }
    }
}

fn row_id(random: &dyn Random) -> String {
    random_text(random, b"0123456789abcdefghijklmnopqrstuv", 20)
}

impl Service {
    /// Records that somebody tried to log in to `service` and was refused.
    pub(super) fn audit_refused_log_in(&self, service: &str, context: &RequestContext) -> Result<()> {
        self.audit.reserve()?.record(Line::new("registry.log-in", self.now(), context).service(service).refused());
        Ok(())
    }

    /// Lists what was done since a time, by one principal or by all, the oldest first.
    pub async fn audit_lines(&self, caller: &Caller, since: Timestamp, principal: Option<&str>) -> Result<Vec<AuditRow>> {
        caller.require_operator()?;
        audit::list(&self.store, since, principal, LISTED).await
    }
}
