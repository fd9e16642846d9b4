//! Background tasks: following the change feed, and housekeeping.

use std::sync::Arc;
use std::time::Duration;

use crate::service::Service;

mod checkpoints;
mod follow_changes;
mod housekeeping;
mod last_uses;
mod notices;
mod trim;

/// How often this process reads the change feed when no change is announced.
const CATCH_UP_INTERVAL: Duration = Duration::from_millis(200);

impl Service {
    /// Runs the background tasks until the process ends.
    pub async fn run_background(self: Arc<Self>) {
        self.base.store.guard(self.database_patience);
        // Concurrently: housekeeping may wait for the database, and its return must be noticed at
        // once.
        tokio::join!(
            self.follow_changes(),
            self.run_housekeeping(),
            self.ledger.keep_recording_counted(),
            self.keep_writing_last_uses(),
            self.keep_handing_out_checkpoints(),
            self.keep_making_notices(),
            self.keep_sending_notices()
        );
    }
}
