//! Settings of the service, as `config` reads them: a plain record.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use crate::domain::service_account::ServiceAccountGrant;
use crate::remote::Settings as Outgoing;
use crate::service::adjustable::{Adjustable, KeySchedule, NoticeSettings, Signatures, Sso};
use crate::service::ledger::checkpoint_sink::CheckpointSink;
use crate::service::ledger::queue::AuditMode;
use crate::service::notices::settings::WebhookSettings;
use crate::service::quotas::Quotas;
use crate::shared::Settings as SharedSettings;

/// The settings of the service.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The URL at which clients reach this service.
    pub public_url: String,
    /// The domain under which instances that an API makes get their service.
    pub base_domain: Option<String>,
    /// How many of each noun there may be.
    pub quotas: Quotas,
    /// The rights that users may give service accounts, in accounts that say nothing else.
    pub service_account_grant: ServiceAccountGrant,
    /// The audit.
    pub audit: AuditSettings,
    /// How long this process goes by its caches while it can't hear of changes.
    pub max_staleness: Duration,
    /// How long a request waits for the database.
    pub database_patience: Duration,
    /// The accepted signatures.
    pub signatures: Signatures,
    /// The server at which replicas count together; without it, each counts its own calls.
    pub shared: Option<SharedSettings>,
    /// How often.
    pub limits: LimitSettings,
    /// The pool that hashes chosen passwords.
    pub passwords: PasswordSettings,
    /// The addresses that the service may ask for an OpenID Connect issuer's keys.
    pub outgoing: Outgoing,
    /// The times of notices.
    pub notices: NoticeSettings,
    /// The webhook that is told of notices.
    pub webhook: Option<WebhookSettings>,
    /// The age at which signing and sealing keys are replaced.
    pub keys: KeySchedule,
    /// Single sign-on for the console.
    pub sso: Sso,
}

impl Settings {
    /// Returns those that may change while the service runs, but for the limits.
    pub(in crate::service) fn adjustable(&self) -> Adjustable {
        Adjustable {
            base_domain: self.base_domain.clone(),
            quotas: self.quotas,
            service_account_grant: self.service_account_grant,
            audit_days: self.audit.days,
            signatures: self.signatures.clone(),
            notices: self.notices.clone(),
            keys: self.keys,
            sso: Arc::new(self.sso.clone()),
        }
    }
}

/// Settings of the audit.
#[derive(Clone, Debug)]
pub struct AuditSettings {
    /// The mode when the queue is full.
    pub mode: AuditMode,
    /// How many days events are kept; 0 keeps them for ever.
    pub days: u32,
    /// How many events may wait to be written.
    pub queue: usize,
    /// The places outside of the database to which checkpoints go.
    pub checkpoints: Vec<Arc<dyn CheckpointSink>>,
    /// Whether the webhook is told of checkpoints, too.
    pub tells_webhook: bool,
}

/// How often accounts, addresses and credentials may do something.
#[derive(Clone, Debug)]
pub struct LimitSettings {
    /// Requests a second of one account and one action.
    pub requests_per_second: u32,
    /// Other figures for some actions.
    pub requests_per_second_by_action: HashMap<String, u32>,
    /// Refused requests a second of one address.
    pub refusals_per_second: u32,
    /// Refused requests of one address at once.
    pub refusals_burst: u32,
    /// Failed log-ins of one address with one username at once.
    pub failed_log_ins: u32,
    /// Failed log-ins of one address with one username, a minute.
    pub failed_log_ins_per_minute: u32,
    /// Anonymous tokens of one address in a second.
    pub anonymous_per_second: u32,
    /// Anonymous tokens of one address at once.
    pub anonymous_burst: u32,
    /// Token requests of one credential in a second.
    pub token_requests_per_second: u32,
    /// Token requests of one credential at once.
    pub token_requests_burst: u32,
    /// Requests of one operator in a second.
    pub operator_requests_per_second: u32,
    /// Requests of one operator at once.
    pub operator_requests_burst: u32,
    /// Bytes that remember used nonces and signatures.
    pub replay_bytes: usize,
    /// Bytes of remembered exchanges; 0 remembers none.
    pub remembered_exchange_bytes: usize,
}

/// The pool that hashes chosen passwords.
#[derive(Clone, Copy, Debug)]
pub struct PasswordSettings {
    /// Passwords that are hashed at once.
    pub threads: usize,
    /// Passwords that wait for that.
    pub queue: usize,
}
