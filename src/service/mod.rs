//! The use cases: all rules live here, and none of them knows a dialect.
//!
//! Every use case takes a [`Call`] first and authorises in its first lines. It holds a [`Caller`], which is made in
//! [`access`] alone. Issuing a temporary credential and exchanging one for a token read only memory:
//! what they record goes through the queue in [`audit`].
//!
//! Start with [`access`], then [`credentials`] and [`exchange`].

mod access;
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
mod rights;
mod sts;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use arc_swap::ArcSwap;

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
pub use self::rights::explain::{Explained, Question, Step};
pub use self::sts::{AssumeRole, CallerIdentity, FederationToken, NewSession, RoleChoice};
pub use crate::domain::access_key::NewAccessKey;
use crate::domain::clock::{Clock, Random, Timestamp, random_bytes};
use crate::domain::ids::AccountId;
pub use crate::domain::service_account::ServiceAccountGrant;
use crate::domain::{Error, ErrorKind, Result};
pub use crate::policy::{Language, Permission, is_action};
pub use crate::remote::Settings as Outgoing;
pub use crate::shared::Settings as SharedSettings;
use crate::shared::Shared;
use crate::store::Entity;
pub use crate::store::access_key::AccessKeyState;
pub use crate::store::audit::{AuditPosition, AuditRow};
pub use crate::store::cascade::Contents;
pub use crate::store::page::{Listed, Page};
pub use crate::store::policy::PolicyKind;
pub use crate::store::quota::Usage;
pub use crate::store::repository::{RepositoryFilter, RepositoryOrder};
use crate::store::{self, Operation, Part, Store, Write, change, operation};
use crate::token::Keyring;
pub use crate::token::WebIdentity;
use crate::{remote, sign};

/// How often this process asks the database what others changed.
const CATCH_UP_INTERVAL: Duration = Duration::from_millis(200);
/// The least time between two such questions, however many changes are announced.
const BREATH: Duration = Duration::from_millis(20);
/// How often it drops what it need not remember, and looks whether a leaf is due.
const HOUSEKEEPING_INTERVAL: Duration = Duration::from_secs(60);

/// How long the audit's last lines may wait for the database.
const CLOSING: Duration = Duration::from_secs(5);

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

/// What is known of a request before anybody is trusted.
#[derive(Clone, Debug)]
pub struct RequestContext {
    /// The id that the client sees and the log and the audit carry.
    pub request_id: String,
    /// The client's address; none at the command line.
    pub address: Option<IpAddr>,
    /// Whether it came by TLS, as far as that can be believed.
    pub secure_transport: bool,
}

impl RequestContext {
    /// What is known of a command of the operator's.
    pub fn operator(request_id: String) -> Self {
        Self { request_id, address: None, secure_transport: false }
    }
}

/// The use cases, and what they need: the store, the keys, the clock and chance.
pub struct Service {
    store: Store,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    settings: Settings,
    issuer: String,
    master: MasterKeys,
    keyring: ArcSwap<Keyring>,
    alarms: keys::Alarms,
    /// The count of [`directory::Directory::key_changes`] that the keyring was read at.
    keyring_read_at: AtomicU64,
    /// Since when it knows each key.
    sightings: memory::first_seen::Sightings,
    directory: memory::cache::Directory,
    /// Held while what the directory doesn't hold is read again.
    obeying: tokio::sync::Mutex<()>,
    freshness: memory::staleness::Freshness,
    passwords: access::passwords::Passwords,
    action_limits: limits::rates::ActionLimits,
    address_limits: limits::rates::AddressLimits,
    anonymous_limits: limits::rates::AddressLimits,
    token_limits: limits::rates::TokenLimits,
    wait_limits: limits::rates::WaitLimits,
    log_ins: limits::back_off::LogIns,
    refusals: ledger::refusals::Refusals,
    anonymous: ledger::counted::Counted<ledger::anonymous::Place>,
    /// Held while what was counted is told of.
    telling: tokio::sync::Mutex<()>,
    replays: limits::replay::Replays,
    /// Set once the service serves, where the settings have it.
    shared: OnceLock<Arc<Shared>>,
    revocations: memory::revocations::Revocations,
    audit: ledger::queue::Audit,
    remote: Arc<remote::Client>,
    issuers: access::web_identity::Issuers,
    /// For registries, which the operator's settings alone name.
    registries: Arc<remote::Client>,
    walks: registry::images::Walks,
    imports: registry::catalog::Imports,
}

impl Service {
    /// Returns the present time.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Makes a request id: a random UUID in lower case.
    pub fn request_id(&self) -> String {
        let mut bytes: [u8; 16] = random_bytes(&*self.random);
        bytes[6] = bytes[6] & 0x0f | 0x40;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        let mut digits = [0; 32];
        // Thirty-two digits fit sixteen bytes, and they are ASCII, so neither can fail.
        hex::encode_to_slice(bytes, &mut digits).unwrap_or_default();
        let digits = std::str::from_utf8(&digits).unwrap_or_default();
        [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]].join("-")
    }

    /// Counts a call of `action` (a static name, such as `tcr:CreateInstanceToken`) against its account.
    pub fn throttle(&self, caller: &Caller, action: &'static str) -> Result<()> {
        let Some(principal) = caller.principal() else { return Ok(()) };
        self.action_limits.check(principal.account(), action, self.now())?;
        // What the others counted was asked for together with the nonce.
        caller.overrun().map_or(Ok(()), |measured| Err(limits::rates::throttled(action, measured, self.action_limits.allowed(action))))
    }

    /// Counts a call of `action` against the account that it turned out to be of.
    async fn throttle_account(&self, account: AccountId, action: &'static str) -> Result<()> {
        self.action_limits.check(account, action, self.now())?;
        match self.shared.get() {
            Some(shared) => Box::pin(self.count_with_others(shared, account, action)).await,
            None => Ok(()),
        }
    }

    /// Returns what is missing before the service can serve; nothing when it is ready.
    pub async fn missing(&self) -> Vec<String> {
        let mut missing = Vec::new();
        // While somebody probes, the database is not asked for each who wants to know: anybody may.
        let guarded = self.store.is_guarded();
        if self.store.is_away() || !guarded && !self.store.is_healthy().await {
            missing.push("the database does not answer".to_owned());
        } else if self.freshness.has_failed() {
            missing.push("what others changed can't be read".to_owned());
        }
        let fresh = if guarded { self.is_fresh() } else { self.check_freshness().await.is_ok() };
        if !fresh {
            let seconds = self.freshness.age(&*self.clock).as_secs();
            missing.push(format!("changes were last heard of {seconds} s ago, longer than max_staleness_seconds allows"));
        }
        missing
    }

    /// Returns the name under which this service issues tokens.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Warns where tokens name another issuer than `public_url`, as when that was set after the store was.
    pub fn warn_of_issuer(&self) {
        if self.issuer != self.settings.public_url {
            tracing::warn!(
                issuer = self.issuer,
                public_url = self.settings.public_url,
                "tokens name the issuer that public_url was when this store was set up: registries must be configured with it, as \
                 `transire registry-config` writes it, or their instances given another: `transire instance update --issuer`"
            );
        }
    }

    /// Returns what registries send their clients to for a token.
    pub fn realm(&self) -> String {
        format!("{}/token", self.settings.public_url)
    }

    /// Writes, and sees to it that this process obeys the change before anybody hears of it.
    ///
    /// Once the write is durable it is done, and is answered so: an error would have the client make it again, and find
    /// its own success in the way, or make a second one. It is obeyed here even where the feed can't be read any more,
    /// because what it changed is known; what isn't remembered then has to be read, and can't be, so that in an outage
    /// what was stopped is refused at this replica, if not in the usual words.
    async fn apply(&self, write: Write) -> Result<()> {
        let changed = write.changed().to_vec();
        self.commit(write).await?;
        for (noun, id) in &changed {
            if let (Entity::Revocation, Ok(id)) = (noun, id.parse()) {
                self.revocations.add(&id);
            }
        }
        self.directory.obey(&changed);
        if let Err(error) = self.catch_up().await {
            tracing::warn!(cause = error.cause(), "a change is made, but what others changed can't be read: {error}");
        }
        Ok(())
    }

    /// Writes what no cache can hold. To the repetition of a signed call that was carried out it says which one did it.
    async fn commit(&self, write: Write) -> Result<()> {
        let digest = write.signed().map(|change| change.digest.clone());
        let failed = match (self.store.apply(write).await, digest) {
            (Err(error), Some(digest)) if *error.kind() == ErrorKind::Replayed => (error, digest),
            (outcome, _) => return outcome,
        };
        let (error, digest) = failed;
        match store::signed_change::find(&self.store, &digest).await {
            Ok(Some(before)) => Err(Error::repeated(&before.request_id, before.made.as_deref())),
            Ok(None) | Err(_) => Err(error),
        }
    }

    /// Makes a change and its audit line in one write.
    async fn change(&self, part: Part, line: ledger::queue::Line<'_>) -> Result<()> {
        self.record(self.write().then(part), line).await
    }

    /// Applies a write with its audit line.
    async fn record(&self, write: Write, line: ledger::queue::Line<'_>) -> Result<()> {
        self.apply(line.onto(write, &*self.random)).await
    }

    /// Begins a write.
    fn write(&self) -> Write {
        Write::new(Operation::new(&*self.random, self.now()))
    }

    /// Forgets the changes that every replica has long obeyed, the writes that nobody retries any more, the policies of
    /// sessions that have ended, and the audit lines that are older than the settings keep.
    async fn trim(&self) -> Result<()> {
        let old = self.now().minus(RECORDS_KEPT);
        let revoked = store::revocation::trim(self.now().minus(memory::revocations::KEPT));
        let ended = store::session_policy::trim(self.now().minus(sts::POLICIES_KEPT));
        let mut write = self.write().then(change::trim(old, CHANGES_KEPT)).then(operation::trim(old)).then(revoked).then(ended);
        write = write.then(store::signed_change::trim(self.now()));
        if self.settings.audit_days > 0 {
            let day = Duration::from_secs(24 * 60 * 60);
            write = write.then(store::audit::trim(self.now().minus(day * self.settings.audit_days)));
        }
        self.store.apply(write).await
    }

    /// Obeys what was changed since, here or elsewhere.
    pub async fn catch_up(&self) -> Result<()> {
        let begun = self.clock.uptime();
        let read = self.directory.catch_up(&self.store.past_the_crowd()).await;
        self.obey_rest(read, begun).await
    }

    /// As [`Self::catch_up`], when a probe may have said already that nothing is new.
    async fn follow(&self) -> Result<()> {
        let probed = self.store.probe(self.clock.uptime()).await.inspect_err(|_| self.freshness.note_failure())?;
        if probed.position != self.directory.position() {
            return self.catch_up().await;
        }
        self.obey_rest(Ok(()), probed.asked_at).await
    }

    /// Reads again what the feed says has changed and is held outside of the directory.
    async fn obey_rest(&self, read: Result<()>, begun: Duration) -> Result<()> {
        // One after the other, or what was read before a change takes the place of what was read after it.
        let _obeying = self.obeying.lock().await;
        let read = match read {
            Ok(()) => self.revocations.catch_up(&self.store.past_the_crowd(), self.directory.revocations()).await,
            failed => failed,
        };
        match &read {
            Ok(()) => self.freshness.note_read(begun),
            Err(_) => self.freshness.note_failure(),
        }
        read?;
        let changes = self.directory.key_changes();
        let is_stale = self.keyring_read_at.load(Ordering::Acquire) != changes || self.keyring.load().is_out_of_date(self.now());
        if is_stale || self.master.is_to_be_looked_for() {
            // Noted only once it is done: the feed tells of a change once, and reading the keys may fail.
            if self.reload_keyring().await? {
                self.keyring_read_at.store(changes, Ordering::Release);
            }
        }
        Ok(())
    }

    /// Keeps the service's memory true and small, until the process ends.
    pub async fn keep_house(self: Arc<Self>) {
        self.store.guard(self.settings.database_patience);
        // Side by side: what is tidied up may have to wait for the database, and that it is back must be seen at once.
        tokio::join!(self.keep_up(), self.tidy_up(), self.keep_telling());
    }

    /// Follows the change feed.
    async fn keep_up(&self) {
        let mut announced = self.store.announcements();
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
            let followed = self.follow().await;
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
        let (mut tidied_at, mut tidied_after) = (self.now(), self.clock.uptime());
        self.learn_ids().await;
        loop {
            // Looked at often: what ends does so by the wall clock, and that may jump. One that was set back is no reason
            // to wait until it is where it was.
            tokio::time::sleep(CATCH_UP_INTERVAL).await;
            let (now, uptime) = (self.now(), self.clock.uptime());
            if tidied_at.distance(now).max(uptime.saturating_sub(tidied_after)) < HOUSEKEEPING_INTERVAL {
                continue;
            }
            (tidied_at, tidied_after) = (now, uptime);
            self.action_limits.forget(now);
            self.address_limits.forget(now);
            self.anonymous_limits.forget(now);
            self.token_limits.forget(now);
            self.wait_limits.forget(now);
            self.log_ins.forget(now);
            self.refusals.forget(now);
            self.replays.forget(now);
            self.walks.forget(now);
            self.imports.forget(now);
            self.learn_ids().await;
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

    /// Reads which ids there are where that isn't known, so that no request waits for it.
    async fn learn_ids(&self) {
        if let Err(error) = self.directory.learn_ids(&self.store).await {
            tracing::warn!(cause = error.cause(), "which ids there are can't be read: {error}");
        }
    }

    /// Writes what waits in the audit queue, and takes nothing more.
    pub async fn close(&self) {
        self.close_within(CLOSING).await;
    }

    /// As [`Self::close`], when the database may have only so long to answer. Only while somebody keeps house is it seen
    /// that it is back.
    pub async fn close_within(&self, deadline: Duration) {
        let closing = async {
            self.tell_counted().await;
            self.audit.close().await;
        };
        if tokio::time::timeout(deadline, closing).await.is_err() {
            tracing::error!("the last audit lines are lost: the database does not answer");
        }
    }
}

fn unexpected(what: &str) -> Error {
    Error::internal(what.to_owned())
}
