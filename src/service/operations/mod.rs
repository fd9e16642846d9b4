//! Reports for the operator: the audit, metrics, the status and its examination, and the state of
//! commands.

use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::Semaphore;

use crate::service::base::Base;
use crate::service::keys::warnings::Warnings;
use crate::service::ledger::Ledger;
use crate::service::limits::Limits;
use crate::service::memory::Memory;
use crate::service::operations::report::StoreReport;
use crate::service::rights::Rights;
use crate::shared;

pub(super) mod activity;
pub(super) mod audit_log;
pub(super) mod backup;
pub(super) mod command_state;
pub(super) mod doctor;
pub(super) mod explained_requests;
pub(super) mod metrics;
mod published;
pub(super) mod readiness;
pub(super) mod replicas;
pub(super) mod report;
mod secrets;
pub(super) mod status;

/// Reports for operators and probes, and the state of commands.
pub struct Operations {
    pub(super) base: Arc<Base>,
    pub(super) limits: Arc<Limits>,
    pub(super) memory: Arc<Memory>,
    pub(super) ledger: Arc<Ledger>,
    pub(super) warnings: Arc<Warnings>,
    pub(super) shared: Option<shared::Settings>,
    pub(super) report: ArcSwap<StoreReport>,
    pub(super) rights: Arc<Rights>,
    /// Held while a backup is made: each keeps a transaction open.
    pub(super) backups: Arc<Semaphore>,
}
