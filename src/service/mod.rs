//! The use cases: all rules live here, and none of them knows a dialect.
//!
//! Every use case takes a [`Call`] first and authorises in its first lines. It holds a [`Caller`], which is made in
//! [`access`] alone. Issuing a temporary credential and exchanging one for a token read only memory:
//! what they record goes through the queue in [`audit`].
//!
//! Start with [`access`], then [`credentials`] and [`exchange`].

mod access;
mod base;
mod call;
mod credentials;
mod exchange;
mod identity;
mod keys;
mod ledger;
mod limits;
mod memory;
mod operations;
mod registry;
mod request;
mod rights;
mod sts;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use self::base::Base;
use self::ledger::Ledger;
use self::limits::Limits;
use self::memory::Memory;
use crate::domain::{Error, Result};
use crate::store::{self, change, operation};
use crate::{remote, sign};

pub use self::access::web_identity::NewOidcProvider;
pub use self::access::{Caller, LogIn};
pub use self::call::Call;
pub use self::credentials::service_accounts::{ChangedServiceAccount, NewServiceAccount, Validity};
pub use self::credentials::{InstanceChoice, Issued, Lifetime};
pub use self::exchange::{Exchanged, Offline};
pub use self::identity::policies::{Attached, Save};
pub use self::identity::users::Membership;
pub use self::keys::{
    Alarm, AlarmKind, AuthorityStep, ExportedAuthority, ImportedLeaf, KeyInfo, KeyKind, KeySchedule, KeyState, MasterKeyInfo,
    MasterKeyState, MasterKeyStep, NextStep, PrivatePart, Retired, SigningRequest, is_set_up,
};
pub use self::ledger::queue::AuditMode;
pub use self::ledger::refusals::{Claim, Refusal};
pub use self::limits::rates::{Wait, subscriber};
pub use self::limits::replay::Purpose;
pub use self::memory::master_keys::{MasterKeySource, MasterKeys};
pub use self::memory::revocations::Revoked;
pub use self::operations::audit_log::{AuditBatch, AuditFilter};
pub use self::operations::metrics::Measures;
pub use self::registry::allow_lists::AllowListPlace;
pub use self::registry::catalog::Imported;
pub use self::registry::images::{ImageFilter, TagFilter};
pub use self::registry::instances::{InstanceCriterion, NameCheck, NewInstance, RequestedInstance, TaggedInstance};
pub use self::registry::namespaces::{NamespaceChoice, NamespaceFilter, NewNamespace, TaggedNamespace};
pub use self::registry::quotas::{BySpecification, Quotas};
pub use self::registry::repositories::{Images, NewRepository, RepositoryChoice};
pub use self::registry::within::Within;
pub use self::request::RequestContext;
pub use self::rights::explain::{Explained, Question, Step};
pub use self::sts::{AssumeRole, CallerIdentity, FederationToken, NewSession, RoleChoice};
pub use crate::domain::access_key::NewAccessKey;
pub use crate::domain::service_account::ServiceAccountGrant;
pub use crate::policy::{Language, Permission, is_action};
pub use crate::remote::Settings as Outgoing;
pub use crate::shared::Settings as SharedSettings;
pub use crate::store::access_key::AccessKeyState;
pub use crate::store::audit::{AuditPosition, AuditRow};
pub use crate::store::cascade::Contents;
pub use crate::store::page::{Listed, Page};
pub use crate::store::policy::PolicyKind;
pub use crate::store::quota::Usage;
pub use crate::store::repository::{RepositoryFilter, RepositoryOrder};
pub use crate::token::WebIdentity;

/// How often this process asks the database what others changed.
const CATCH_UP_INTERVAL: Duration = Duration::from_millis(200);
/// The least time between two such questions, however many changes are announced.
const BREATH: Duration = Duration::from_millis(20);
/// How often it drops what it need not remember, and looks whether a leaf is due.
const HOUSEKEEPING_INTERVAL: Duration = Duration::from_secs(60);

/// How long changes and the names of writes are kept.
const RECORDS_KEPT: Duration = Duration::from_secs(24 * 60 * 60);
/// The most changes that are kept.
const CHANGES_KEPT: u32 = 100_000;

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
    /// The accepted signature methods.
    pub signature_methods: Vec<sign::Method>,
    /// How far a request's time may be from the present, where that is less than the vendor's own figure.
    pub signature_window: Duration,
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

/// The use cases, and what they need: the store, the keys, the clock and chance.
pub struct Service {
    /// The store, the clock and chance.
    pub base: Arc<Base>,
    /// How often.
    pub limits: Arc<Limits>,
    /// Caches and keys in memory.
    pub memory: Arc<Memory>,
    /// Changes and the audit.
    pub ledger: Arc<Ledger>,
    settings: Settings,
    alarms: keys::Alarms,
    passwords: access::passwords::Passwords,
    remote: Arc<remote::Client>,
    issuers: access::web_identity::Issuers,
    /// For registries, which the operator's settings alone name.
    registries: Arc<remote::Client>,
    walks: registry::images::Walks,
    imports: registry::catalog::Imports,
}

impl Service {
    /// Counts a call of `action` (a static name, such as `tcr:CreateInstanceToken`) against its account.
    pub fn throttle(&self, caller: &Caller, action: &'static str) -> Result<()> {
        let Some(principal) = caller.principal() else { return Ok(()) };
        self.limits.actions.check(principal.account(), action, self.base.now())?;
        // What the others counted was asked for together with the nonce.
        caller.overrun().map_or(Ok(()), |measured| Err(limits::rates::throttled(action, measured, self.limits.actions.allowed(action))))
    }

    /// Returns what is missing before the service can serve; nothing when it is ready.
    pub async fn missing(&self) -> Vec<String> {
        let mut missing = Vec::new();
        // While somebody probes, the database is not asked for each who wants to know: anybody may.
        let guarded = self.base.store.is_guarded();
        if self.base.store.is_away() || !guarded && !self.base.store.is_healthy().await {
            missing.push("the database does not answer".to_owned());
        } else if self.memory.staleness.has_failed() {
            missing.push("what others changed can't be read".to_owned());
        }
        let fresh = if guarded { self.memory.is_fresh() } else { self.memory.check_freshness().await.is_ok() };
        if !fresh {
            let seconds = self.memory.staleness.age(&*self.base.clock).as_secs();
            missing.push(format!("changes were last heard of {seconds} s ago, longer than max_staleness_seconds allows"));
        }
        missing
    }

    /// Warns where tokens name another issuer than `public_url`, as when that was set after the store was.
    pub fn warn_of_issuer(&self) {
        if self.base.issuer != self.settings.public_url {
            tracing::warn!(
                issuer = self.base.issuer,
                public_url = self.settings.public_url,
                "tokens name the issuer that public_url was when this store was set up: registries must be configured with it, as \
                 `transire registry-config` writes it, or their instances given another: `transire instance update --issuer`"
            );
        }
    }

    /// Forgets the changes that every replica has long obeyed, the writes that nobody retries any more, the policies of
    /// sessions that have ended, and the audit lines that are older than the settings keep.
    async fn trim(&self) -> Result<()> {
        let old = self.base.now().minus(RECORDS_KEPT);
        let revoked = store::revocation::trim(self.base.now().minus(memory::revocations::KEPT));
        let ended = store::session_policy::trim(self.base.now().minus(sts::POLICIES_KEPT));
        let mut write = self.base.write().then(change::trim(old, CHANGES_KEPT)).then(operation::trim(old)).then(revoked).then(ended);
        write = write.then(store::signed_change::trim(self.base.now()));
        if self.settings.audit_days > 0 {
            let day = Duration::from_secs(24 * 60 * 60);
            write = write.then(store::audit::trim(self.base.now().minus(day * self.settings.audit_days)));
        }
        self.base.store.apply(write).await
    }

    /// Keeps the service's memory true and small, until the process ends.
    pub async fn keep_house(self: Arc<Self>) {
        self.base.store.guard(self.settings.database_patience);
        // Side by side: what is tidied up may have to wait for the database, and that it is back must be seen at once.
        tokio::join!(self.keep_up(), self.tidy_up(), self.ledger.keep_telling());
    }

    /// Follows the change feed.
    async fn keep_up(&self) {
        let mut announced = self.base.store.announcements();
        let mut cut_off = false;
        loop {
            if cut_off {
                tokio::time::sleep(CATCH_UP_INTERVAL).await;
            } else {
                tokio::time::sleep(BREATH).await;
                // The sender lives in the store.
                tokio::time::timeout(CATCH_UP_INTERVAL - BREATH, announced.changed()).await.map(drop).unwrap_or_default();
            }
            announced.mark_unchanged();
            let followed = self.memory.follow().await;
            match &followed {
                Ok(()) if cut_off => tracing::info!("what others changed can be read again"),
                // One line for each time, not five a second.
                Err(error) if !cut_off => tracing::warn!(cause = error.cause(), "what others changed can't be read: {error}"),
                _ => {}
            }
            cut_off = followed.is_err();
        }
    }

    /// Forgets what need not be remembered, and renews what ends.
    async fn tidy_up(&self) {
        let (mut tidied_at, mut tidied_after) = (self.base.now(), self.base.clock.uptime());
        self.memory.learn_ids().await;
        loop {
            // Looked at often: what ends does so by the wall clock, and that may jump. One that was set back is no reason
            // to wait until it is where it was.
            tokio::time::sleep(CATCH_UP_INTERVAL).await;
            let (now, uptime) = (self.base.now(), self.base.clock.uptime());
            if tidied_at.distance(now).max(uptime.saturating_sub(tidied_after)) < HOUSEKEEPING_INTERVAL {
                continue;
            }
            (tidied_at, tidied_after) = (now, uptime);
            self.limits.forget(now);
            self.ledger.refusals.forget(now);
            self.walks.forget(now);
            self.imports.forget(now);
            self.memory.learn_ids().await;
            self.look_for_master_keys();
            if let Err(error) = self.go_on_with_master_key().await {
                tracing::error!(cause = error.cause(), "the rotation of the master key can't be gone on with: {error}");
            }
            if let Err(error) = self.renew_leaves().await {
                tracing::error!(cause = error.cause(), "a signing certificate can't be renewed: {error}");
            }
            if let Err(error) = self.rotate_on_schedule().await {
                tracing::warn!(cause = error.cause(), "keys can't be rotated on schedule: {error}");
            }
            if let Err(error) = self.retire_signing_keys().await {
                tracing::warn!(cause = error.cause(), "old signing keys can't be forgotten: {error}");
            }
            if let Err(error) = self.trim().await {
                tracing::warn!(cause = error.cause(), "old records can't be trimmed: {error}");
            }
            if let Err(error) = self.look_for_alarms().await {
                tracing::warn!(cause = error.cause(), "not all that may be wrong can be looked for: {error}");
            }
        }
    }
}

pub(crate) fn unexpected(what: &str) -> Error {
    Error::internal(what.to_owned())
}
