//! Takes checkpoints of the audit to places outside of the database.

use std::sync::Arc;
use std::time::Duration;

use crate::domain::{Error, Result};
use crate::service::Service;
use crate::service::ledger::checkpoint_sink::{CheckpointSink, MadeCheckpoint};

/// The pause before a place that failed is given the newest checkpoint again.
const AGAIN: Duration = Duration::from_secs(30);

/// A place, and what it has.
struct Target {
    place: Place,
    /// The number of the newest checkpoint that it took.
    taken: i64,
    is_failing: bool,
}

#[derive(Clone)]
enum Place {
    Sink(Arc<dyn CheckpointSink>),
    Webhook,
}

impl Place {
    fn kind(&self) -> &'static str {
        match self {
            Self::Sink(sink) => sink.kind(),
            Self::Webhook => "webhook",
        }
    }

    fn name(&self) -> String {
        match self {
            Self::Sink(sink) => sink.name(),
            Self::Webhook => "the webhook".to_owned(),
        }
    }
}

impl Service {
    /// Gives each new checkpoint to each place, for ever. A place that was away gets the newest: it
    /// names all that were before.
    pub(in crate::service) async fn keep_handing_out_checkpoints(&self) {
        let sinks = self
            .ledger
            .checkpoint_sinks
            .iter()
            .cloned()
            .map(Place::Sink);
        let webhook = self.ledger.tells_webhook.then_some(Place::Webhook);
        let target = |place| Target {
            place,
            taken: 0,
            is_failing: false,
        };
        let mut targets: Vec<Target> = sinks.chain(webhook).map(target).collect();
        if targets.is_empty() {
            return;
        }
        for target in &targets {
            let kind = target.place.kind();
            self.ledger.newest_checkpoints.note(kind, None);
        }
        let mut newest = self.ledger.made_checkpoints.subscribe();
        loop {
            let made = newest.borrow_and_update().clone();
            if let Some(made) = made {
                for target in &mut targets {
                    self.hand_out_checkpoint(target, &made).await;
                }
            }
            if targets.iter().any(|target| target.is_failing) {
                // It is tried again, whether or not there is a newer one by then.
                tokio::time::timeout(AGAIN, newest.changed()).await.ok();
            } else if newest.changed().await.is_err() {
                return;
            }
        }
    }

    async fn hand_out_checkpoint(&self, target: &mut Target, made: &MadeCheckpoint) {
        if target.taken >= made.number {
            return;
        }
        let outcome = match target.place.clone() {
            Place::Webhook => self.notices.tell_checkpoint(made).await,
            Place::Sink(sink) => take(sink, made.clone()).await,
        };
        let name = target.place.name();
        match outcome {
            Ok(()) => {
                target.taken = made.number;
                let kind = target.place.kind();
                self.ledger
                    .newest_checkpoints
                    .note(kind, Some(made.made_at));
                if std::mem::take(&mut target.is_failing) {
                    tracing::info!("{name} takes checkpoints of the audit again");
                }
            }
            Err(error) => {
                if !std::mem::replace(&mut target.is_failing, true) {
                    let cause = error.cause();
                    tracing::warn!(cause, "{name} takes no checkpoint of the audit: {error}");
                }
            }
        }
    }
}

/// Puts a checkpoint into a place, which may be slow.
async fn take(sink: Arc<dyn CheckpointSink>, made: MadeCheckpoint) -> Result<()> {
    let taking = tokio::task::spawn_blocking(move || sink.take(&made));
    taking.await.map_err(Error::internal)?
}
