//! Hands what requests were counted to the service, once a minute: it keeps what a chart shows.
//!
//! It reads the counters that metrics have, so that a request costs nothing more.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::Mutex;

use super::metrics::Metrics;
use crate::domain::activity::Measure;
use crate::domain::clock::Timestamp;
use crate::service::Service;

/// How often the clock is looked at.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// How long the last counts may take before the process ends.
const END_PATIENCE: Duration = Duration::from_secs(1);

/// How much of the counters is written down.
pub(crate) struct Activity(Mutex<Written>);

struct Written {
    /// When what isn't written yet began.
    since: Timestamp,
    totals: BTreeMap<Measure, u64>,
}

impl Activity {
    /// Begins at `now`, with counters that count nothing yet.
    pub(crate) fn begin(now: Timestamp) -> Self {
        Self(Mutex::new(Written {
            since: now,
            totals: BTreeMap::new(),
        }))
    }

    /// Writes down each minute once it is over, for ever.
    pub(crate) async fn keep(&self, metrics: &Metrics, service: &Service) {
        loop {
            tokio::time::sleep(LOOK_INTERVAL).await;
            self.write_minute(metrics, service).await;
        }
    }

    /// Writes down the last minute, if it is over.
    pub(crate) async fn write_minute(&self, metrics: &Metrics, service: &Service) {
        let minute = |at: Timestamp| at.unix_seconds().div_euclid(60);
        let mut written = self.0.lock().await;
        if minute(written.since) != minute(service.base.now()) {
            written.write(metrics, service).await;
        }
    }

    /// Writes down what is left, because the process ends.
    pub(crate) async fn end(&self, metrics: &Metrics, service: &Service) {
        let writing = async { self.0.lock().await.write(metrics, service).await };
        if tokio::time::timeout(END_PATIENCE, writing).await.is_err() {
            tracing::debug!("the database took too long for the counts of the last minute");
        }
    }
}

impl Written {
    async fn write(&mut self, metrics: &Metrics, service: &Service) {
        let totals = metrics.totals();
        let counts: Vec<_> = totals
            .iter()
            .filter_map(|(measure, total)| {
                let before = self.totals.get(measure).copied().unwrap_or_default();
                let more = total.saturating_sub(before);
                (more > 0).then(|| (measure.clone(), more))
            })
            .collect();
        let since = std::mem::replace(&mut self.since, service.base.now());
        if counts.is_empty() {
            return;
        }
        match service.operations.add_activity(since, &counts).await {
            Ok(()) => self.totals = totals,
            // They are written with those of the next minute.
            Err(error) => tracing::warn!(
                cause = error.cause(),
                "what was done in the last minute can't be written down: {error}"
            ),
        }
    }
}
