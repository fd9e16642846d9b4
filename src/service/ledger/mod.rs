//! A change and its record: writes, audit events, and how refusals are recorded.

mod action_table;
pub(super) mod actions;
pub(super) mod actor;
pub(super) mod anonymous;
mod batch;
pub(super) mod checkpoint_sink;
pub(super) mod checkpoints;
pub(super) mod counted;
mod encoded;
pub(super) mod event;
pub(super) mod notices;
mod printed_actions;
pub(super) mod queue;
pub(super) mod refusals;
pub(super) mod words;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use self::checkpoint_sink::{CheckpointSink, MadeCheckpoint, NewestCheckpoints};
use self::counted::Counted;
use self::event::Event;
use self::notices::NoticeCounts;
use self::queue::Audit;
use self::refusals::Refusals;
use crate::domain::{Error, ErrorKind, Result};
use crate::service::base::Base;
use crate::service::memory::Memory;
use crate::store::{self, Entity, Part, Write};

/// The deadline of [`Ledger::close`]: a database that is away doesn't hold a stop of the process
/// up.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// How long the last checkpoint may take.
const CHECKPOINT_TIMEOUT: Duration = Duration::from_secs(1);

/// Writes changes with their audit events, and records what changes nothing.
pub struct Ledger {
    pub(super) base: Arc<Base>,
    pub(super) memory: Arc<Memory>,
    pub(super) queue: Audit,
    pub(super) refusals: Refusals,
    pub(super) anonymous: Counted<anonymous::Source>,
    pub(super) notices: NoticeCounts,
    /// The newest checkpoint that this process knows.
    pub(super) made_checkpoints: watch::Sender<Option<MadeCheckpoint>>,
    /// The places to which checkpoints go.
    pub(super) checkpoint_sinks: Vec<Arc<dyn CheckpointSink>>,
    /// Whether the webhook is told of them, too.
    pub(super) tells_webhook: bool,
    /// The newest one of each place.
    pub(super) newest_checkpoints: NewestCheckpoints,
    /// Held while counts are taken and not recorded yet.
    pub(super) recording: tokio::sync::Mutex<()>,
    /// Held by a call whose change was overtaken by another.
    pub(super) overtaken: tokio::sync::Mutex<()>,
}

impl Ledger {
    /// Applies a write, and invalidates this process's caches before anybody hears of it.
    ///
    /// Once the write is durable the call succeeds, whatever fails afterwards. An error would make
    /// the client repeat the call, and find its own success in the way, or make a second one. The
    /// caches are invalidated here even when the feed can't be read any more, because the write
    /// names what it changed. An invalidated entry can't be read again in an outage, so this
    /// replica then refuses what was stopped.
    ///
    /// # Errors
    ///
    /// Those of [`Self::commit`].
    pub(in crate::service) async fn apply(&self, write: Write) -> Result<()> {
        let changed = write.changed().to_vec();
        self.commit(write).await?;
        for (noun, id) in &changed {
            if let (Entity::Revocation, Ok(id)) = (noun, id.parse()) {
                self.memory.revocations.add(&id);
            }
        }
        self.memory.cache.invalidate(&changed);
        if let Err(error) = self.memory.catch_up().await {
            tracing::warn!(
                cause = error.cause(),
                "a change is made, but what others changed can't be read: {error}"
            );
        }
        Ok(())
    }

    /// Applies a write that changes nothing that a cache can hold.
    ///
    /// # Errors
    ///
    /// Those of the write's statements; `Replayed`, naming the earlier request, for a signed call
    /// that was carried out already; `StoreUnavailable`.
    pub(in crate::service) async fn commit(&self, write: Write) -> Result<()> {
        let digest = write.signed().map(|change| change.digest.clone());
        let unchanged = write.unchanged().cloned();
        let failed = match (self.base.store.apply(write).await, digest) {
            (Err(error), Some(digest)) if *error.kind() == ErrorKind::Replayed => (error, digest),
            (outcome, _) => {
                if let (Ok(()), Some(unchanged)) = (&outcome, unchanged) {
                    unchanged.note_met();
                }
                return outcome;
            }
        };
        let (error, digest) = failed;
        match store::signed_change::find(&self.base.store, &digest).await {
            Ok(Some(before)) => Err(Error::repeated(&before.request_id, before.made.as_deref())),
            Ok(None) | Err(_) => Err(error),
        }
    }

    /// Makes a change and its audit event in one write.
    ///
    /// # Errors
    ///
    /// Those of [`Self::commit`].
    pub(in crate::service) async fn change(&self, part: Part, event: Event<'_>) -> Result<()> {
        self.record(self.base.write().then(part), event).await
    }

    /// Applies a write with its audit event.
    ///
    /// # Errors
    ///
    /// Those of [`Self::commit`].
    pub(in crate::service) async fn record(&self, write: Write, event: Event<'_>) -> Result<()> {
        self.apply(event.onto(write, &*self.base.random)).await
    }

    /// Waits for the turn of a call whose change was overtaken: two of them don't overtake each
    /// other for ever.
    pub async fn take_turn(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.overtaken.lock().await
    }

    /// Stores the waiting audit events, and takes no more of them.
    pub async fn close(&self) {
        self.close_within(CLOSE_TIMEOUT).await;
    }

    /// As [`Self::close`], with a deadline; when it passes, the events are lost. The database's
    /// return is noticed only while the background tasks run.
    pub async fn close_within(&self, deadline: Duration) {
        let closing = async {
            self.record_counted().await;
            self.queue.close().await;
        };
        if tokio::time::timeout(deadline, closing).await.is_err() {
            tracing::error!("the last audit lines are lost: the database does not answer");
        }
    }

    /// Signs the audit as it is after [`Self::close`]; the next process does it otherwise.
    pub async fn sign_the_end(&self) {
        let signing = tokio::time::timeout(CHECKPOINT_TIMEOUT, self.make_checkpoint());
        if let Ok(Err(error)) = signing.await {
            tracing::warn!(
                cause = error.cause(),
                "no checkpoint of the audit is made: {error}"
            );
        }
    }
}
