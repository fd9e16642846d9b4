//! The metrics of this process. They are read without the database, so they show an outage, too.

use std::time::Duration;

use crate::domain::clock::Timestamp;
use crate::service::keys::WarningKind;
use crate::service::operations::Operations;

/// The metrics at one moment.
#[derive(Clone, Debug)]
pub struct ProcessMetrics {
    /// Audit events that wait to be stored.
    pub audit_waiting: usize,
    /// Audit events that were lost since the start.
    pub audit_dropped: u64,
    /// How long ago this process last read the change feed.
    pub change_feed_age: Duration,
    /// The seconds until the CA expires; negative after it expired.
    pub authority_ends_in_seconds: Option<i64>,
    /// The leaf certificate of each signing key in use: algorithm, key, seconds until it expires.
    pub leaves_end_in_seconds: Vec<(&'static str, String, i64)>,
    /// Warnings for the operator.
    pub warnings: Vec<WarningKind>,
}

impl Operations {
    /// Returns the metrics of this moment; asks no database.
    pub fn metrics(&self) -> ProcessMetrics {
        let now = self.base.now();
        let left = |ends_at: Timestamp| ends_at.unix_seconds() - now.unix_seconds();
        let keyring = self.memory.keys.keyring.load();
        let (audit_waiting, audit_dropped) = self.ledger.queue.waiting_and_dropped();
        ProcessMetrics {
            audit_waiting,
            audit_dropped,
            change_feed_age: self.memory.staleness.age(&*self.base.clock),
            authority_ends_in_seconds: keyring.authority_expires_at().map(left),
            leaves_end_in_seconds: keyring
                .signing_keys()
                .iter()
                .map(|key| {
                    (
                        key.algorithm().name(),
                        key.id().to_owned(),
                        left(key.leaf_expires_at()),
                    )
                })
                .collect(),
            warnings: self
                .warnings
                .current()
                .iter()
                .map(|warning| warning.kind)
                .collect(),
        }
    }
}
