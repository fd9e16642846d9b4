//! Housekeeping: forgets what need not be remembered, and renews what ends.

use std::sync::Arc;
use std::time::Duration;

use crate::domain::clock::Timestamp;
use crate::domain::{Error, Result};
use crate::service::Service;
use crate::service::background::CATCH_UP_INTERVAL;

/// How often housekeeping runs.
const INTERVAL: Duration = Duration::from_secs(60);

impl Service {
    /// Runs the tasks of housekeeping every minute.
    pub(in crate::service) async fn run_housekeeping(self: &Arc<Self>) {
        let (mut ran_at, mut ran_at_uptime) = (self.base.now(), self.base.clock.uptime());
        self.memory.learn_ids().await;
        self.announce().await;
        self.sign_audit().await;
        loop {
            // The wall clock decides what ends, and it may jump: it is read often, and a minute of
            // either clock is enough. After it was set back, the process's own time goes on.
            tokio::time::sleep(CATCH_UP_INTERVAL).await;
            let (now, uptime) = (self.base.now(), self.base.clock.uptime());
            let passed = ran_at
                .distance(now)
                .max(uptime.saturating_sub(ran_at_uptime));
            if passed >= INTERVAL {
                (ran_at, ran_at_uptime) = (now, uptime);
                // Millions of entries take a tenth of a second, in which requests would wait.
                let service = Arc::clone(self);
                let forgetting = tokio::task::spawn_blocking(move || service.forget(now)).await;
                warn(
                    "not all could be forgotten",
                    forgetting.map_err(Error::internal),
                );
                self.renew().await;
            }
        }
    }

    /// Forgets what this process counted or read long ago.
    fn forget(&self, now: Timestamp) {
        self.limits.forget(now);
        self.memory.cache.sweep();
        self.ledger.refusals.forget(now);
        self.registry.upstream.listings.forget(now);
        self.registry.upstream.imports.forget(now);
    }

    async fn announce(&self) {
        warn(
            "this replica can't be listed",
            self.operations.announce_replica().await,
        );
    }

    async fn sign_audit(&self) {
        warn(
            "no checkpoint of the audit can be made",
            self.ledger.make_checkpoint().await,
        );
    }

    /// Does what is due: each task, whatever became of those before it.
    async fn renew(&self) {
        self.memory.learn_ids().await;
        self.announce().await;
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
        warn(
            "keys can't be rotated on schedule",
            self.keys.rotate_on_schedule().await,
        );
        warn(
            "old signing keys can't be forgotten",
            self.keys.retire_signing_keys().await,
        );
        self.sign_audit().await;
        warn("old records can't be trimmed", self.trim().await);
        warn(
            "not all that may be wrong can be looked for",
            self.keys.refresh_warnings().await,
        );
        warn(
            "credentials that end and the last backup can't be looked for",
            self.operations.refresh_report().await,
        );
    }
}

fn warn<T>(task: &str, outcome: Result<T>) {
    if let Err(error) = outcome {
        tracing::warn!(cause = error.cause(), "{task}: {error}");
    }
}
