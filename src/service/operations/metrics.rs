//! The metrics of the service. They are read without the database, so they show an outage, too.

use std::time::Duration;

use crate::domain::clock::Timestamp;
use crate::service::keys::WarningKind;
use crate::service::ledger::notices::NoticeFigures;
use crate::service::limits::replay::ReplayFigures;
use crate::service::operations::Operations;
use crate::token::SigningKey;

/// The metrics at one moment.
#[derive(Clone, Debug)]
pub struct ServiceMetrics {
    /// Audit events that wait to be stored.
    pub audit_waiting: usize,
    /// Audit events that may wait.
    pub audit_limit: usize,
    /// Audit events that were lost since the start.
    pub audit_dropped: u64,
    /// The memory of used nonces and signatures.
    pub replays: ReplayFigures,
    /// How long ago this process last read the change feed.
    pub change_feed_age: Duration,
    /// When the CA ends.
    pub ca_expires_at: Option<Timestamp>,
    /// The leaf certificate of each signing key in use: algorithm, key, when it ends.
    pub leaves_expire_at: Vec<(&'static str, String, Timestamp)>,
    /// Active credentials that end soon, by kind; empty before they were counted.
    pub credentials_ending: Vec<(&'static str, u64)>,
    /// Notices.
    pub notices: NoticeFigures,
    /// When the store was last backed up, as far as it was read.
    pub last_backup_at: Option<Timestamp>,
    /// When the newest checkpoint of the audit was made that each place has.
    pub newest_checkpoints: Vec<(&'static str, Option<Timestamp>)>,
    /// Warnings for the operator.
    pub warnings: Vec<WarningKind>,
}

impl Operations {
    /// Returns the metrics of this moment; asks no database.
    pub fn metrics(&self) -> ServiceMetrics {
        let keyring = self.memory.keys.keyring.load();
        let leaf = |key: &SigningKey| {
            let ends_at = key.leaf_expires_at();
            (key.algorithm().name(), key.id().to_owned(), ends_at)
        };
        let queue = self.ledger.queue.figures();
        let report = self.report.load();
        let current = self.warnings.current();
        ServiceMetrics {
            audit_waiting: queue.waiting,
            audit_limit: queue.limit,
            audit_dropped: queue.dropped,
            replays: self.limits.replays.figures(),
            change_feed_age: self.memory.staleness.age(&*self.base.clock),
            ca_expires_at: keyring.authority_expires_at(),
            leaves_expire_at: keyring.signing_keys().iter().map(leaf).collect(),
            credentials_ending: report.credentials_ending(),
            notices: self.ledger.notices.figures(),
            last_backup_at: report.last_backup_at,
            newest_checkpoints: self.ledger.newest_checkpoints.all(),
            warnings: current.iter().map(|warning| warning.kind).collect(),
        }
    }
}
