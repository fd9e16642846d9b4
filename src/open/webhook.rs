//! The webhook that the settings name, and the file of its secret.

use std::path::PathBuf;

use crate::config::Settings;
use crate::domain::secret::Secret;
use crate::domain::{Error, Result};
use crate::secret_files;
use crate::service::{self, NoticeKind, SaidBy, WebhookSecretSource, WebhookSettings};
use crate::sign::webhook::{FORM, WebhookKey};

/// The most secrets in the file: one, and the one that replaces it.
const MAX_SECRETS: usize = 2;

/// The file of the webhook's secrets: one a line.
#[derive(Debug)]
struct SecretFile(PathBuf);

impl WebhookSecretSource for SecretFile {
    fn read(&self) -> Result<Vec<Secret>> {
        let path = self.0.display();
        secret_files::check_key("the file of the webhook's secret", &self.0)?;
        let text = std::fs::read_to_string(&self.0).map_err(|error| {
            Error::misconfigured(format!(
                "notices.webhook_secret_file: {path} can't be read: {error}"
            ))
        })?;
        let text = Secret::new(text);
        let lines = text.expose().lines().map(str::trim);
        let secrets: Vec<_> = lines
            .filter(|line| !line.is_empty())
            .map(Secret::new)
            .collect();
        let is_right = (1..=MAX_SECRETS).contains(&secrets.len())
            && secrets
                .iter()
                .all(|secret| WebhookKey::parse(secret).is_some());
        if is_right {
            return Ok(secrets);
        }
        Err(Error::misconfigured(format!(
            "notices.webhook_secret_file: {path} holds one or two secrets, one a line, each {FORM}"
        )))
    }
}

/// Returns the webhook that the settings name, if they name one.
pub(super) fn settings(settings: &Settings) -> Option<WebhookSettings> {
    let (notices, outgoing) = (&settings.notices, &settings.outgoing);
    let kinds = match &notices.webhook_kinds {
        None => NoticeKind::ALL.to_vec(),
        // Checked when the settings were read. A test is always told.
        Some(names) => {
            let named = names.iter().filter_map(|name| name.parse().ok());
            named.chain([NoticeKind::Test]).collect()
        }
    };
    Some(WebhookSettings {
        url: notices.webhook_url.clone()?,
        kinds,
        secrets: std::sync::Arc::new(SecretFile(notices.webhook_secret_file.clone()?)),
        outgoing: service::Outgoing {
            said_by: SaidBy::Notices,
            allow_http: notices.webhook_allow_http,
            allow_private_addresses: notices.webhook_allow_private_addresses,
            ca_file: outgoing.ca_file.clone(),
            timeout: outgoing.seconds.duration(),
        },
    })
}

/// Checks the webhook's URL and the file of its secret, without asking it.
///
/// # Errors
/// `Misconfigured`, with what to do.
pub(super) fn check(settings: &Settings) -> Result<()> {
    let Some(webhook) = self::settings(settings) else {
        return Ok(());
    };
    webhook.check()
}
