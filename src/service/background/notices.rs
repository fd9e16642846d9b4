//! Makes notices, sends them, and keeps them within their bounds.

use std::time::Duration;

use crate::domain::Result;
use crate::service::Service;

/// How often the webhook is looked after; a notice waits no longer before it is sent first.
const SENDING_INTERVAL: Duration = Duration::from_secs(1);
/// How many of these pass between two searches for what ends.
const INTERVALS_OF_SEARCH: u32 = 5;
/// How many of them pass between two looks at the bounds.
const INTERVALS_OF_BOUNDS: u32 = 60;

impl Service {
    /// Makes and sends notices at intervals, for ever.
    pub(in crate::service) async fn keep_making_notices(&self) {
        let mut told = [false; 2];
        for interval in 0_u32.. {
            if interval % INTERVALS_OF_SEARCH == 0 {
                let made = self.notices.make_due().await;
                note(&mut told[0], "notices can't be made", &made);
            }
            if interval % INTERVALS_OF_BOUNDS == 0 {
                let trimmed = self.notices.trim().await;
                note(&mut told[1], "notices can't be counted", &trimmed);
            }
            tokio::time::sleep(SENDING_INTERVAL).await;
        }
    }

    /// Sends notices at intervals, for ever: a slow receiver keeps no notice from being made.
    pub(in crate::service) async fn keep_sending_notices(&self) {
        let mut is_told = false;
        loop {
            let sent = self.notices.send_due().await.map(drop);
            note(&mut is_told, "notices can't be sent", &sent);
            tokio::time::sleep(SENDING_INTERVAL).await;
        }
    }
}

/// Logs a failure, once for each time that it lasts.
fn note(is_told: &mut bool, what: &str, outcome: &Result<()>) {
    if let (Err(error), false) = (outcome, *is_told) {
        tracing::warn!(cause = error.cause(), "{what}: {error}");
    }
    *is_told = outcome.is_err();
}
