//! What a monitoring system wants to know, as far as this process knows it without asking anybody.

use std::time::Duration;

use crate::domain::clock::Timestamp;
use crate::service::keys::WarningKind;
use crate::service::operations::Operations;

/// What is measured, at one moment.
#[derive(Clone, Debug)]
pub struct Measures {
    /// Audit events that wait to be stored.
    pub audit_waiting: usize,
    /// Audit events that were lost since the start.
    pub audit_dropped: u64,
    /// Since when this process doesn't know what others changed.
    pub change_feed_age: Duration,
    /// How long the authority lasts; below zero, since when it doesn't.
    pub authority_ends_in_seconds: Option<i64>,
    /// How long the leaf of each signing key in use lasts: algorithm, key, seconds.
    pub leaves_end_in_seconds: Vec<(&'static str, String, i64)>,
    /// What the operator should look at.
    pub warnings: Vec<WarningKind>,
}

impl Operations {
    /// Returns what is measured.
    pub fn measures(&self) -> Measures {
        let now = self.base.now();
        let left = |ends_at: Timestamp| ends_at.unix_seconds() - now.unix_seconds();
        let keyring = self.memory.keys.keyring.load();
        let (audit_waiting, audit_dropped) = self.ledger.queue.waiting_and_dropped();
        Measures {
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
