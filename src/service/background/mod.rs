//! Tasks that keep the service's memory true and small, one file a task.

use std::sync::Arc;
use std::time::Duration;

use crate::service::Service;

mod follow_changes;
mod housekeeping;
mod trim;

/// How often this process asks the database what others changed.
const CATCH_UP_INTERVAL: Duration = Duration::from_millis(200);

impl Service {
    /// Keeps the service's memory true and small, until the process ends.
    pub async fn run_background(self: Arc<Self>) {
        self.base.store.guard(self.settings.database_patience);
        // Side by side: what is tidied up may have to wait for the database, and that it is back
        // must be seen at once.
        tokio::join!(
            self.follow_changes(),
            self.keep_house(),
            self.ledger.keep_recording_counted()
        );
    }
}
