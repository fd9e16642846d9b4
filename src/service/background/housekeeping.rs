//! Forgets what need not be remembered, and renews what ends.

use std::time::Duration;

use crate::service::Service;
use crate::service::background::CATCH_UP_INTERVAL;

/// How often housekeeping runs.
const HOUSEKEEPING_INTERVAL: Duration = Duration::from_secs(60);

impl Service {
    /// Forgets what need not be remembered, and renews what ends.
    pub(in crate::service) async fn keep_house(&self) {
        let (mut tidied_at, mut tidied_after) = (self.base.now(), self.base.clock.uptime());
        self.memory.learn_ids().await;
        loop {
            // Looked at often: what ends does so by the wall clock, and that may jump. One that was
            // set back is no reason to wait until it is where it was.
            tokio::time::sleep(CATCH_UP_INTERVAL).await;
            let (now, uptime) = (self.base.now(), self.base.clock.uptime());
            if tidied_at
                .distance(now)
                .max(uptime.saturating_sub(tidied_after))
                < HOUSEKEEPING_INTERVAL
            {
                continue;
            }
            (tidied_at, tidied_after) = (now, uptime);
            self.limits.forget(now);
            self.ledger.refusals.forget(now);
            self.registry.upstream.listings.forget(now);
            self.registry.upstream.imports.forget(now);
            self.memory.learn_ids().await;
            self.keys.load_master_keys();
            if let Err(error) = self.keys.resume_rotation().await {
                tracing::error!(
                    cause = error.cause(),
                    "the rotation of the master key can't be gone on with: {error}"
                );
            }
            if let Err(error) = self.keys.renew_leaf_certificates().await {
                tracing::error!(
                    cause = error.cause(),
                    "a signing certificate can't be renewed: {error}"
                );
            }
            if let Err(error) = self.keys.rotate_on_schedule().await {
                tracing::warn!(
                    cause = error.cause(),
                    "keys can't be rotated on schedule: {error}"
                );
            }
            if let Err(error) = self.keys.retire_signing_keys().await {
                tracing::warn!(
                    cause = error.cause(),
                    "old signing keys can't be forgotten: {error}"
                );
            }
            if let Err(error) = self.trim().await {
                tracing::warn!(
                    cause = error.cause(),
                    "old records can't be trimmed: {error}"
                );
            }
            if let Err(error) = self.keys.refresh_warnings().await {
                tracing::warn!(
                    cause = error.cause(),
                    "not all that may be wrong can be looked for: {error}"
                );
            }
        }
    }
}
