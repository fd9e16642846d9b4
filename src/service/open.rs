//! Opening the service: every part is made here, once, and takes other settings here.

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;
use tokio::sync::Semaphore;

use crate::domain::clock::{Clock, Random};
use crate::domain::{Error, ErrorKind, Result};
use crate::remote;
use crate::service::Service;
use crate::service::access::Access;
use crate::service::access::passwords::Passwords;
use crate::service::access::verified_tokens::VerifiedTokens;
use crate::service::access::web_identity::Issuers;
use crate::service::base::Base;
use crate::service::credentials::Credentials;
use crate::service::exchange::Exchange;
use crate::service::identity::Identity;
use crate::service::keys::warnings::Warnings;
use crate::service::keys::{Keys, is_set_up, set_up};
use crate::service::ledger::checkpoint_sink::NewestCheckpoints;
use crate::service::ledger::notices::NoticeCounts;
use crate::service::ledger::queue::Audit;
use crate::service::ledger::refusals::Refusals;
use crate::service::ledger::{Ledger, anonymous};
use crate::service::limits::back_off::LogInLimits;
use crate::service::limits::rates::{ActionLimits, AddressLimits, CallerLimits, Limited};
use crate::service::limits::replay::Replays;
use crate::service::limits::waits::WaitLimits;
use crate::service::limits::{AddressBudgets, Limits};
use crate::service::memory::Memory;
use crate::service::memory::cache::NounCache;
use crate::service::memory::first_seen::Sightings;
use crate::service::memory::keyring::{KnownKeys, load_keyring};
use crate::service::memory::last_uses::LastUses;
use crate::service::memory::master_keys::MasterKeys;
use crate::service::memory::refused_secrets::RefusedSecrets;
use crate::service::memory::revocations::Revocations;
use crate::service::memory::staleness::Staleness;
use crate::service::notices::settings::WebhookSettings;
use crate::service::notices::{Notices, Webhook};
use crate::service::operations::Operations;
use crate::service::registry::catalog::Imports;
use crate::service::registry::images::client::registries;
use crate::service::registry::images::tag_listings::TagListings;
use crate::service::registry::{Registry, Upstream};
use crate::service::rights::Rights;
use crate::service::settings::{AuditSettings, LimitSettings, Settings};
use crate::service::sts::Sts;
use crate::shared::Settings as SharedSettings;
use crate::store::{Store, change, meta};
use crate::token::Authority;

impl Service {
    /// Opens the service over a store, which is set up if it is new.
    ///
    /// # Errors
    /// [`ErrorKind::Misconfigured`] when the master key of this store is not among `master`; those
    /// of the store.
    pub async fn open(
        store: Store,
        master: impl Into<MasterKeys>,
        settings: Settings,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Result<Self> {
        let master = master.into().timed_by(Arc::clone(&clock));
        if !is_set_up(&store).await? {
            let (issuer, now) = (&settings.public_url, clock.now());
            let authority = Authority::generate(issuer, now, &*random)?;
            match set_up(&store, &master, issuer, authority, now, &*random).await {
                // Another process was as quick; its setup is as good.
                Err(error) if matches!(error.kind(), ErrorKind::AlreadyExists { .. }) => {}
                outcome => outcome?,
            }
        }
        let issuer = issuer_and_master_key(&store, &master).await?;
        let base = Arc::new(Base {
            store,
            clock,
            random,
            issuer,
            public_url: settings.public_url.clone(),
            adjustable: ArcSwap::from_pointee(settings.adjustable()),
        });
        let shared = Shared::open(base, master, &settings).await?;
        Ok(assemble(&shared, &settings))
    }

    /// Takes settings that may change while the service runs: the domain of instances, quotas,
    /// grants, the audit's days, signatures, the keys' ages and the limits. It leaves all others as
    /// they are.
    pub fn adjust(&self, settings: &Settings) {
        adjust_limits(&self.limits, &settings.limits);
        self.base.adjustable.store(Arc::new(settings.adjustable()));
    }
}

/// Returns the issuer of a store that is set up, if its master key is here.
async fn issuer_and_master_key(store: &Store, master: &MasterKeys) -> Result<String> {
    let incomplete = || Error::internal("the store's setup is incomplete");
    let master_key_id = meta::find_text(store, meta::MASTER_KEY_ID)
        .await?
        .ok_or_else(incomplete)?;
    master.verify(
        &master_key_id,
        &meta::find(store, meta::MASTER_KEY_CHECK)
            .await?
            .ok_or_else(incomplete)?,
    )?;
    meta::find_text(store, meta::ISSUER)
        .await?
        .ok_or_else(incomplete)
}

/// The parts that others are made of.
struct Shared {
    base: Arc<Base>,
    limits: Arc<Limits>,
    memory: Arc<Memory>,
    ledger: Arc<Ledger>,
    rights: Arc<Rights>,
}

impl Shared {
    async fn open(base: Arc<Base>, master: MasterKeys, settings: &Settings) -> Result<Self> {
        let memory = Arc::new(open_memory(Arc::clone(&base), master, settings).await?);
        let limits = Arc::new(limits(Arc::clone(&base), &settings.limits));
        let ledger = Arc::new(ledger(
            Arc::clone(&base),
            Arc::clone(&memory),
            &settings.audit,
        ));
        let rights = Arc::new(Rights {
            base: Arc::clone(&base),
            memory: Arc::clone(&memory),
            ledger: Arc::clone(&ledger),
        });
        Ok(Self {
            base,
            limits,
            memory,
            ledger,
            rights,
        })
    }

    fn base(&self) -> Arc<Base> {
        Arc::clone(&self.base)
    }

    fn limits(&self) -> Arc<Limits> {
        Arc::clone(&self.limits)
    }

    fn memory(&self) -> Arc<Memory> {
        Arc::clone(&self.memory)
    }

    fn ledger(&self) -> Arc<Ledger> {
        Arc::clone(&self.ledger)
    }

    fn rights(&self) -> Arc<Rights> {
        Arc::clone(&self.rights)
    }
}

async fn open_memory(base: Arc<Base>, master: MasterKeys, settings: &Settings) -> Result<Memory> {
    // The feed's position comes before the keys: a key that is made meanwhile is read again.
    let staleness = Staleness::new(settings.max_staleness, &*base.clock);
    let position = change::position(&base.store).await?;
    let first_seen = Sightings::default();
    let keyring = load_keyring(&base.store, &master, &first_seen, base.now()).await?;
    Ok(Memory {
        cache: NounCache::new(position),
        revocations: Revocations::load(&base.store).await?,
        staleness,
        keys: KnownKeys {
            master,
            keyring: ArcSwap::from_pointee(keyring),
            read_at: AtomicU64::new(0),
            first_seen,
        },
        last_uses: LastUses::new(),
        refused_secrets: RefusedSecrets::default(),
        refreshing: tokio::sync::Mutex::default(),
        base,
    })
}

fn limits(base: Arc<Base>, settings: &LimitSettings) -> Limits {
    let refusals = || AddressLimits::new(settings.refusals_per_second, settings.refusals_burst);
    Limits {
        actions: ActionLimits::new(
            settings.requests_per_second,
            settings.requests_per_second_by_action.clone(),
        ),
        tokens: CallerLimits::new(
            Limited::Tokens,
            settings.token_requests_per_second,
            settings.token_requests_burst,
        ),
        operators: CallerLimits::new(
            Limited::Administration,
            settings.operator_requests_per_second,
            settings.operator_requests_burst,
        ),
        addresses: AddressBudgets {
            refusals: refusals(),
            anonymous: AddressLimits::new(settings.anonymous_per_second, settings.anonymous_burst),
            waits: WaitLimits::new(),
        },
        log_ins: LogInLimits::new(
            settings.failed_log_ins,
            settings.failed_log_ins_per_minute,
            refusals(),
            &*base.random,
        ),
        replays: Replays::new(settings.replay_bytes),
        shared: OnceLock::new(),
        base,
    }
}

/// Gives the limits other figures; they hold from the next request on.
fn adjust_limits(limits: &Limits, settings: &LimitSettings) {
    let by_action = settings.requests_per_second_by_action.clone();
    limits
        .actions
        .adjust(settings.requests_per_second, by_action);
    limits.tokens.rates.adjust(
        settings.token_requests_per_second,
        settings.token_requests_burst,
    );
    limits.operators.rates.adjust(
        settings.operator_requests_per_second,
        settings.operator_requests_burst,
    );
    let (rate, burst) = (settings.refusals_per_second, settings.refusals_burst);
    limits.addresses.refusals.adjust(rate, burst);
    limits.log_ins.adjust_hashes(rate, burst);
    limits
        .addresses
        .anonymous
        .adjust(settings.anonymous_per_second, settings.anonymous_burst);
    limits
        .log_ins
        .adjust(settings.failed_log_ins, settings.failed_log_ins_per_minute);
    limits.replays.adjust(settings.replay_bytes);
}

fn ledger(base: Arc<Base>, memory: Arc<Memory>, settings: &AuditSettings) -> Ledger {
    Ledger {
        queue: Audit::start(
            settings.mode,
            settings.queue,
            base.store.clone(),
            Arc::clone(&base.clock),
            Arc::clone(&base.random),
        ),
        refusals: Refusals::new(),
        anonymous: anonymous::counted(),
        notices: NoticeCounts::default(),
        made_checkpoints: tokio::sync::watch::Sender::new(None),
        checkpoint_sinks: settings.checkpoints.clone(),
        tells_webhook: settings.tells_webhook,
        newest_checkpoints: NewestCheckpoints::default(),
        recording: tokio::sync::Mutex::default(),
        overtaken: tokio::sync::Mutex::default(),
        base,
        memory,
    }
}

fn assemble(shared: &Shared, settings: &Settings) -> Service {
    let passwords = Arc::new(Passwords::new(
        settings.passwords.threads,
        settings.passwords.queue,
        &*shared.base.random,
    ));
    let warnings = Arc::new(Warnings::new());
    let access = Arc::new(access(shared, settings, Arc::clone(&passwords)));
    let keys = Arc::new(keys(shared, Arc::clone(&warnings)));
    Service {
        base: shared.base(),
        limits: shared.limits(),
        memory: shared.memory(),
        ledger: shared.ledger(),
        rights: shared.rights(),
        credentials: credentials(shared, passwords),
        exchange: exchange(shared, Arc::clone(&access), &settings.limits),
        sts: sts(shared),
        identity: identity(shared, Arc::clone(&access)),
        registry: registry(shared, Arc::clone(&keys), settings),
        operations: operations(shared, warnings, settings.shared.clone()),
        notices: Arc::new(notices(shared, settings.webhook.clone())),
        access,
        keys,
        database_patience: settings.database_patience,
    }
}

fn access(shared: &Shared, settings: &Settings, passwords: Arc<Passwords>) -> Access {
    Access {
        base: shared.base(),
        limits: shared.limits(),
        memory: shared.memory(),
        passwords,
        issuers: Issuers::default(),
        verified_tokens: VerifiedTokens::default(),
        ledger: shared.ledger(),
        remote: Arc::new(remote::Client::new(settings.outgoing.clone())),
    }
}

fn keys(shared: &Shared, warnings: Arc<Warnings>) -> Keys {
    let (base, memory, ledger, rights) = (
        shared.base(),
        shared.memory(),
        shared.ledger(),
        shared.rights(),
    );
    Keys {
        base,
        memory,
        ledger,
        rights,
        warnings,
    }
}

fn credentials(shared: &Shared, passwords: Arc<Passwords>) -> Credentials {
    let (base, memory, ledger, rights) = (
        shared.base(),
        shared.memory(),
        shared.ledger(),
        shared.rights(),
    );
    Credentials {
        base,
        memory,
        ledger,
        rights,
        passwords,
    }
}

fn exchange(shared: &Shared, access: Arc<Access>, settings: &LimitSettings) -> Exchange {
    Exchange::new(
        (shared.base(), shared.limits(), shared.memory()),
        (shared.ledger(), access, shared.rights()),
        settings.remembered_exchange_bytes,
    )
}

fn sts(shared: &Shared) -> Sts {
    let (base, limits, memory) = (shared.base(), shared.limits(), shared.memory());
    Sts {
        base,
        limits,
        memory,
        ledger: shared.ledger(),
        rights: shared.rights(),
    }
}

fn identity(shared: &Shared, access: Arc<Access>) -> Identity {
    let (base, memory, ledger, rights) = (
        shared.base(),
        shared.memory(),
        shared.ledger(),
        shared.rights(),
    );
    Identity {
        base,
        memory,
        ledger,
        rights,
        access,
    }
}

fn registry(shared: &Shared, keys: Arc<Keys>, settings: &Settings) -> Registry {
    let (base, memory, ledger, rights) = (
        shared.base(),
        shared.memory(),
        shared.ledger(),
        shared.rights(),
    );
    let client = Arc::new(remote::Client::new(registries(&settings.outgoing)));
    let upstream = Upstream {
        client,
        listings: TagListings::default(),
        imports: Imports::default(),
    };
    Registry {
        base,
        memory,
        ledger,
        rights,
        keys,
        upstream,
    }
}

fn notices(shared: &Shared, webhook: Option<WebhookSettings>) -> Notices {
    let (base, memory, ledger) = (shared.base(), shared.memory(), shared.ledger());
    Notices {
        base,
        memory,
        ledger,
        webhook: webhook.map(Webhook::new),
    }
}

fn operations(
    shared: &Shared,
    warnings: Arc<Warnings>,
    settings: Option<SharedSettings>,
) -> Operations {
    let (base, limits, memory, ledger) = (
        shared.base(),
        shared.limits(),
        shared.memory(),
        shared.ledger(),
    );
    Operations {
        base,
        limits,
        memory,
        ledger,
        warnings,
        shared: settings,
        report: ArcSwap::default(),
        rights: shared.rights(),
        backups: Arc::new(Semaphore::new(1)),
    }
}
