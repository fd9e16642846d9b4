//! A change and its record: writes, audit events, and what is said of refusals.

pub(super) mod actor;
pub(super) mod anonymous;
pub(super) mod counted;
pub(super) mod event;
pub(super) mod queue;
pub(super) mod refusals;
pub(super) mod words;

use std::sync::Arc;
use std::time::Duration;

use self::counted::Counted;
use self::event::Line;
use self::queue::Audit;
use self::refusals::Refusals;
use crate::domain::{Error, ErrorKind, Result};
use crate::service::base::Base;
use crate::service::memory::Memory;
use crate::store::{self, Entity, Part, Write};

/// How long the audit's last lines may wait for the database.
const CLOSING: Duration = Duration::from_secs(5);

/// Writes changes with their audit events, and records what changes nothing.
pub struct Ledger {
    pub(super) base: Arc<Base>,
    pub(super) memory: Arc<Memory>,
    pub(super) queue: Audit,
    pub(super) refusals: Refusals,
    pub(super) anonymous: Counted<anonymous::Place>,
    /// Held while what was counted is told of.
    pub(super) telling: tokio::sync::Mutex<()>,
}

impl Ledger {
    /// Writes, and sees to it that this process obeys the change before anybody hears of it.
    ///
    /// Once the write is durable it is done, and is answered so: an error would have the client make it again, and find
    /// its own success in the way, or make a second one. It is obeyed here even where the feed can't be read any more,
    /// because what it changed is known; what isn't remembered then has to be read, and can't be, so that in an outage
    /// what was stopped is refused at this replica, if not in the usual words.
    pub(in crate::service) async fn apply(&self, write: Write) -> Result<()> {
        let changed = write.changed().to_vec();
        self.commit(write).await?;
        for (noun, id) in &changed {
            if let (Entity::Revocation, Ok(id)) = (noun, id.parse()) {
                self.memory.revocations.add(&id);
            }
        }
        self.memory.cache.obey(&changed);
        if let Err(error) = self.memory.catch_up().await {
            tracing::warn!(cause = error.cause(), "a change is made, but what others changed can't be read: {error}");
        }
        Ok(())
    }

    /// Writes what no cache can hold. To the repetition of a signed call that was carried out it says which one did it.
    pub(in crate::service) async fn commit(&self, write: Write) -> Result<()> {
        let digest = write.signed().map(|change| change.digest.clone());
        let failed = match (self.base.store.apply(write).await, digest) {
            (Err(error), Some(digest)) if *error.kind() == ErrorKind::Replayed => (error, digest),
            (outcome, _) => return outcome,
        };
        let (error, digest) = failed;
        match store::signed_change::find(&self.base.store, &digest).await {
            Ok(Some(before)) => Err(Error::repeated(&before.request_id, before.made.as_deref())),
            Ok(None) | Err(_) => Err(error),
        }
    }

    /// Makes a change and its audit line in one write.
    pub(in crate::service) async fn change(&self, part: Part, line: Line<'_>) -> Result<()> {
        self.record(self.base.write().then(part), line).await
    }

    /// Applies a write with its audit line.
    pub(in crate::service) async fn record(&self, write: Write, line: Line<'_>) -> Result<()> {
        self.apply(line.onto(write, &*self.base.random)).await
    }

    /// Writes what waits in the audit queue, and takes nothing more.
    pub async fn close(&self) {
        self.close_within(CLOSING).await;
    }

    /// As [`Self::close`], when the database may have only so long to answer. Only while somebody keeps house is it seen
    /// that it is back.
    pub async fn close_within(&self, deadline: Duration) {
        let closing = async {
            self.tell_counted().await;
            self.queue.close().await;
        };
        if tokio::time::timeout(deadline, closing).await.is_err() {
            tracing::error!("the last audit lines are lost: the database does not answer");
        }
    }
}
