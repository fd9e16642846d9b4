//! Notices of secrets that end or are refused often, and the webhook that is told of all notices.
//!
//! [`rounds`] makes those that no change makes, [`sending`] tells the webhook, and [`operators`]
//! has the use cases. A notice of a change is in that change's own write: see the ledger.

mod message;
mod operators;
mod rounds;
mod sending;
pub(super) mod settings;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use self::settings::WebhookSettings;
use crate::domain::Result;
use crate::domain::notice::NoticeState;
use crate::remote;
use crate::service::base::Base;
use crate::service::ledger::Ledger;
use crate::service::memory::Memory;

/// Makes notices, and sends them.
pub struct Notices {
    pub(super) base: Arc<Base>,
    pub(super) memory: Arc<Memory>,
    pub(super) ledger: Arc<Ledger>,
    pub(super) webhook: Option<Webhook>,
}

/// The webhook, as the settings have it.
pub(super) struct Webhook {
    pub(super) settings: WebhookSettings,
    pub(super) client: remote::Client,
    /// Whether it failed when something was last sent.
    pub(super) is_failing: AtomicBool,
}

impl Webhook {
    pub(super) fn new(settings: WebhookSettings) -> Self {
        Self {
            client: remote::Client::new(settings.outgoing.clone()),
            settings,
            is_failing: AtomicBool::new(false),
        }
    }
}

impl Notices {
    /// Counts the notices that wait and those that are dead, for metrics and warnings.
    async fn count(&self) -> Result<u64> {
        use std::sync::atomic::Ordering::Relaxed;

        use crate::store::notice::count;

        let (store, counts) = (&self.base.store, &self.ledger.notices);
        counts
            .dead
            .store(count(store, NoticeState::Dead).await?, Relaxed);
        let waiting = count(store, NoticeState::Waiting).await?;
        // Without a webhook they wait for nothing.
        let shown = if self.webhook.is_some() { waiting } else { 0 };
        counts.waiting.store(shown, Relaxed);
        Ok(waiting)
    }
}
