//! Writes last uses.

use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::domain::Result;
use crate::domain::last_use::{LastUse, hour_of};
use crate::service::Service;
use crate::store::{last_use, meta};

/// How often uses are written: a kill loses those of the last seconds, which the next use in the
/// same hour makes good.
const INTERVAL: Duration = Duration::from_secs(30);
/// The most uses of one write, so that no other write waits long for it.
const BATCH: usize = 500;

impl Service {
    /// Writes last uses at intervals, for ever.
    pub(in crate::service) async fn keep_writing_last_uses(&self) {
        let mut cut_off = false;
        loop {
            let written = self.write_last_uses().await;
            match &written {
                Ok(()) if cut_off => tracing::info!("last uses can be written again"),
                // One line for each time, not two a minute.
                Err(error) if !cut_off => {
                    tracing::warn!(cause = error.cause(), "last uses can't be written: {error}");
                }
                _ => {}
            }
            cut_off = written.is_err();
            tokio::time::sleep(INTERVAL).await;
        }
    }

    /// Writes the last uses that this process saw. Once an hour it deletes those of what is gone.
    ///
    /// # Errors
    /// Those of the store; what wasn't written waits.
    pub async fn write_last_uses(&self) -> Result<()> {
        let uses = &self.memory.last_uses;
        // A stop of the service waits for what is being written.
        let _writing = uses.writing.lock().await;
        let taken = uses.take();
        let mut left = taken.as_slice();
        while !left.is_empty() {
            let (batch, rest) = left.split_at(left.len().min(BATCH));
            if let Err(error) = self.write_batch(batch).await {
                uses.put_back(left);
                return Err(error);
            }
            left = rest;
        }
        self.sweep_last_uses().await
    }

    async fn write_batch(&self, batch: &[LastUse]) -> Result<()> {
        let write = self.base.write().then(last_use::note(batch));
        self.base.store.apply(write).await
    }

    async fn sweep_last_uses(&self) -> Result<()> {
        let (now, swept_at) = (self.base.now(), &self.memory.last_uses.swept_at);
        let hour = hour_of(now).unix_millis();
        if swept_at.load(Ordering::Relaxed) == hour {
            return Ok(());
        }
        let write = self.base.write().then(meta::note_uses_recorded(now));
        self.base.store.apply(write.then(last_use::sweep())).await?;
        swept_at.store(hour, Ordering::Relaxed);
        Ok(())
    }
}
