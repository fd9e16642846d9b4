//! Settings of the webhook.

use std::fmt;
use std::sync::Arc;

use crate::domain::notice::NoticeKind;
use crate::domain::secret::Secret;
use crate::domain::{Error, Result};
use crate::remote::{Client, Settings as Outgoing};

/// The place of the secrets that sign what the webhook sends.
pub trait WebhookSecretSource: fmt::Debug + Send + Sync {
    /// Reads the secrets: one, or two while one replaces the other.
    ///
    /// # Errors
    /// `Misconfigured` where they can't be read.
    fn read(&self) -> Result<Vec<Secret>>;
}

/// The webhook.
#[derive(Clone, Debug)]
pub struct WebhookSettings {
    /// Its URL.
    pub url: String,
    /// The kinds that it is told.
    pub kinds: Vec<NoticeKind>,
    /// The secrets that sign.
    pub secrets: Arc<dyn WebhookSecretSource>,
    /// The addresses that it may have, and for how long it may take.
    pub outgoing: Outgoing,
}

impl WebhookSettings {
    /// Checks the URL and the secrets, without asking the webhook.
    ///
    /// # Errors
    /// `Misconfigured`, with what to do.
    pub fn check(&self) -> Result<()> {
        let client = Client::new(self.outgoing.clone());
        client
            .check_url(&self.url)
            .map_err(|failure| Error::misconfigured(format!("notices.webhook_url: {failure}")))?;
        self.secrets.read().map(drop)
    }
}
