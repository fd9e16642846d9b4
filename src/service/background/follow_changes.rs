//! Follows the change feed.

use std::time::Duration;

use crate::service::Service;
use crate::service::background::CATCH_UP_INTERVAL;

/// The least time between two reads of the feed, however many changes are announced.
const MIN_POLL_INTERVAL: Duration = Duration::from_millis(20);

impl Service {
    /// Reads the change feed at every announcement, and at least every [`CATCH_UP_INTERVAL`].
    pub(in crate::service) async fn follow_changes(&self) {
        let mut announced = self.base.store.announcements();
        let mut cut_off = false;
        loop {
            if cut_off {
                tokio::time::sleep(CATCH_UP_INTERVAL).await;
            } else {
                tokio::time::sleep(MIN_POLL_INTERVAL).await;
                // The sender lives as long as the store, so only a change or the time ends this.
                tokio::time::timeout(CATCH_UP_INTERVAL - MIN_POLL_INTERVAL, announced.changed())
                    .await
                    .map(drop)
                    .unwrap_or_default();
            }
            announced.mark_unchanged();
            let followed = self.memory.follow().await;
            match &followed {
                Ok(()) if cut_off => tracing::info!("what others changed can be read again"),
                // One line for each time, not five a second.
                Err(error) if !cut_off => tracing::warn!(
                    cause = error.cause(),
                    "what others changed can't be read: {error}"
                ),
                _ => {}
            }
            cut_off = followed.is_err();
        }
    }
}
