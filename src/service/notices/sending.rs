//! The webhook is told: at least once, with pauses that grow, until a notice is dead.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio::task::JoinSet;

use crate::domain::clock::{Timestamp, random_bytes};
use crate::domain::error::with_causes;
use crate::domain::notice::{Notice, NoticeState, pause_after};
use crate::domain::{Error, ErrorKind, Result};
use crate::remote::webhook;
use crate::service::ledger::checkpoint_sink::MadeCheckpoint;
use crate::service::notices::message::{checkpoint_message, message};
use crate::service::notices::settings::WebhookSettings;
use crate::service::notices::{Notices, Webhook};
use crate::sign::webhook::{FORM, WebhookKey};
use crate::store::notice;

/// The notices that a replica sends at once.
const AT_ONCE: u32 = 8;
/// How much longer than an attempt the claim to a notice lasts.
const CLAIM_MARGIN: Duration = Duration::from_secs(60);
/// The most characters of a failure that are kept.
const MAX_FAILURE: usize = 300;
/// A receiver that answers so takes nothing any more (Standard Webhooks 1.0.0).
const GONE: u16 = 410;

/// The outcome of an attempt that failed.
struct Failed {
    why: String,
    is_final: bool,
}

impl Failed {
    /// A failure that may be over soon.
    fn passing(why: String) -> Self {
        Self {
            why,
            is_final: false,
        }
    }
}

impl Notices {
    /// Sends the notices that are due, until none is left or a whole batch failed. Returns how many
    /// the webhook took.
    ///
    /// # Errors
    ///
    /// `Misconfigured` where the secret can't be read; those of the store. The rest waits.
    pub async fn send_due(self: &Arc<Self>) -> Result<usize> {
        let mut taken = 0;
        let Some(webhook) = &self.webhook else {
            return Ok(taken);
        };
        loop {
            let due = notice::due(&self.base.store, self.base.now(), AT_ONCE).await?;
            if due.is_empty() {
                return Ok(taken);
            }
            let keys = Arc::new(keys(&webhook.settings)?);
            let mut sending = JoinSet::new();
            for one in due {
                let (notices, keys) = (Arc::clone(self), Arc::clone(&keys));
                sending.spawn(async move { notices.send(one, &keys).await });
            }
            let mut of_batch = 0;
            while let Some(sent) = sending.join_next().await {
                of_batch += usize::from(sent.map_err(Error::internal)??);
            }
            taken += of_batch;
            if of_batch == 0 {
                return Ok(taken);
            }
        }
    }

    /// Claims a notice and sends it. Tells whether it is done with.
    async fn send(&self, told: Notice, keys: &[WebhookKey]) -> Result<bool> {
        let Some(webhook) = &self.webhook else {
            return Ok(false);
        };
        let (store, now) = (&self.base.store, self.base.now());
        if !webhook.settings.kinds.contains(&told.kind) {
            self.settle(&told, told.due_at, NoticeState::Kept, now, None)
                .await?;
            return Ok(true);
        }
        let until = now.plus(webhook.settings.outgoing.timeout + CLAIM_MARGIN);
        let claim = self.base.write().then(notice::claim(&told, until));
        match store.apply(claim).await {
            Ok(()) => {}
            Err(error) if matches!(error.kind(), ErrorKind::PreconditionFailed { .. }) => {
                return Ok(false);
            }
            Err(error) => return Err(error),
        }
        let attempt = match message(&told, &self.base.issuer) {
            Ok(body) => self.attempt(webhook, told.id.as_str(), body, keys).await,
            Err(error) => Err(Failed::passing(error.to_string())),
        };
        match attempt {
            Ok(()) => {
                let (delivered, now) = (NoticeState::Delivered, self.base.now());
                self.ledger.notices.delivered.fetch_add(1, Relaxed);
                self.settle(&told, until, delivered, now, None).await?;
                if webhook.is_failing.swap(false, Relaxed) {
                    tracing::info!("the webhook takes notices again");
                }
                Ok(true)
            }
            Err(failed) => {
                self.ledger.notices.failed.fetch_add(1, Relaxed);
                self.fail(webhook, &told, until, failed).await?;
                Ok(false)
            }
        }
    }

    /// Tells the webhook of a checkpoint of the audit, once.
    ///
    /// # Errors
    ///
    /// `Misconfigured` where there is no webhook, where its secret can't be read, or where it
    /// doesn't take the message.
    pub(in crate::service) async fn tell_checkpoint(&self, made: &MadeCheckpoint) -> Result<()> {
        let Some(webhook) = &self.webhook else {
            return Err(Error::misconfigured(
                "checkpoints.webhook needs notices.webhook_url",
            ));
        };
        let keys = keys(&webhook.settings)?;
        let now = self.base.now_elsewhere();
        let body = checkpoint_message(made, &self.base.issuer, now).map_err(Error::internal)?;
        let id = format!("audit-checkpoint-{}", made.number);
        let attempt = self.attempt(webhook, &id, body, &keys).await;
        attempt.map_err(|failed| Error::misconfigured(failed.why))
    }

    /// Sends a message once.
    async fn attempt(
        &self,
        webhook: &Webhook,
        id: &str,
        body: String,
        keys: &[WebhookKey],
    ) -> Result<(), Failed> {
        let url = webhook
            .client
            .check_url(&webhook.settings.url)
            .map_err(|error| Failed::passing(error.to_string()))?;
        // Receivers compare it with clocks of their own.
        let at = self.base.now_elsewhere().unix_seconds();
        let signatures = keys.iter().map(|key| key.sign(id, at, &body));
        let signatures = signatures.collect::<Vec<_>>().join(" ");
        let at = at.to_string();
        let headers = [
            ("webhook-id", id),
            ("webhook-timestamp", at.as_str()),
            ("webhook-signature", signatures.as_str()),
        ];
        match webhook::tell(&webhook.client, &url, &headers, body).await {
            Ok(200..=299) => Ok(()),
            Ok(status) => Err(Failed {
                why: format!("the receiver answered {status}"),
                is_final: status == GONE,
            }),
            Err(error) => Err(Failed::passing(with_causes(&error))),
        }
    }

    /// Writes down that an attempt failed, and when the next one is.
    async fn fail(
        &self,
        webhook: &Webhook,
        told: &Notice,
        claimed_until: Timestamp,
        failed: Failed,
    ) -> Result<()> {
        let why: String = failed.why.chars().take(MAX_FAILURE).collect();
        if !webhook.is_failing.swap(true, Relaxed) {
            // One line for each time, not one an attempt.
            tracing::warn!(cause = why, "the webhook doesn't take notices");
        }
        let [chance] = random_bytes(&*self.base.random);
        let now = self.base.now();
        let pause = pause_after(told.attempts + 1, chance).filter(|_| !failed.is_final);
        let (state, due_at) = match pause {
            Some(pause) => (NoticeState::Waiting, now.plus(pause)),
            None => {
                tracing::error!(
                    notice_id = told.id.as_str(),
                    cause = why,
                    "the webhook didn't take a notice, which is sent no more: `transire notice \
                     retry` sends it again"
                );
                (NoticeState::Dead, now)
            }
        };
        self.settle(told, claimed_until, state, due_at, Some(&why))
            .await
    }

    async fn settle(
        &self,
        told: &Notice,
        claimed_until: Timestamp,
        state: NoticeState,
        due_at: Timestamp,
        failure: Option<&str>,
    ) -> Result<()> {
        let settle = notice::settle(&told.id, claimed_until, state, due_at, failure);
        self.base.store.apply(self.base.write().then(settle)).await
    }
}

/// Reads the keys that sign.
fn keys(settings: &WebhookSettings) -> Result<Vec<WebhookKey>> {
    let read = settings.secrets.read()?;
    let keys = read.iter().map(|secret| {
        WebhookKey::parse(secret).ok_or_else(|| {
            Error::misconfigured(format!(
                "notices.webhook_secret_file: a line of it is no secret; it is {FORM}"
            ))
        })
    });
    keys.collect()
}
