//! Settings of the service, as `config` reads them.

use std::collections::HashMap;
use std::time::Duration;

use crate::domain::service_account::ServiceAccountGrant;
use crate::remote::Settings as Outgoing;
use crate::service::access::Signatures;
use crate::service::keys::schedule::KeySchedule;
use crate::service::ledger::queue::AuditMode;
use crate::service::quotas::Quotas;
use crate::shared::Settings as SharedSettings;

/// What the use cases can be told.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where clients reach this service.
    pub public_url: String,
    /// The domain under which instances that an API makes get their service.
    pub base_domain: Option<String>,
    /// How many there may be.
    pub quotas: Quotas,
    /// The rights that users may give service accounts, in accounts that say nothing else.
    pub service_account_grant: ServiceAccountGrant,
    /// What happens when the audit queue is full.
    pub audit: AuditMode,
    /// How many days audit lines are kept; 0 keeps them for ever.
    pub audit_days: u32,
    /// How many audit lines may wait to be written.
    pub audit_queue: usize,
    /// How long this process goes by what it remembers while it can't hear of changes.
    pub max_staleness: Duration,
    /// How long a request waits for the database.
    pub database_patience: Duration,
    /// The accepted signatures.
    pub signatures: Signatures,
    /// Where replicas tell each other of their calls; without it, each knows its own alone.
    pub shared: Option<SharedSettings>,
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
    /// Tokens for nobody that one address gets in a second.
    pub anonymous_per_second: u32,
    /// Tokens for nobody that one address gets at once.
    pub anonymous_burst: u32,
    /// Token requests of one credential in a second.
    pub token_requests_per_second: u32,
    /// Token requests of one credential at once.
    pub token_requests_burst: u32,
    /// Remembered nonces of one access key in five minutes.
    pub nonces_per_access_key: usize,
    /// Passwords that people chose, hashed at once.
    pub password_threads: usize,
    /// Passwords that wait for that.
    pub password_queue: usize,
    /// Whom the service may ask for an OpenID Connect issuer's keys.
    pub outgoing: Outgoing,
    /// How old the keys become that sign and seal.
    pub keys: KeySchedule,
}
