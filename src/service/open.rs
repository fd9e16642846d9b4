//! Opening the service: every part is made here, once.

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;

use crate::domain::clock::{Clock, Random};
use crate::domain::{Error, ErrorKind, Result};
use crate::remote;
use crate::service::access::Access;
use crate::service::access::passwords::Passwords;
use crate::service::access::web_identity::Issuers;
use crate::service::base::Base;
use crate::service::credentials::Credentials;
use crate::service::exchange::Exchange;
use crate::service::identity::Identity;
use crate::service::keys::alarms::Alarms;
use crate::service::keys::{Keys, is_set_up, set_up};
use crate::service::ledger::queue::Audit;
use crate::service::ledger::refusals::Refusals;
use crate::service::ledger::{Ledger, anonymous};
use crate::service::limits::back_off::LogIns;
use crate::service::limits::rates::{ActionLimits, AddressLimits, TokenLimits, WaitLimits};
use crate::service::limits::replay::Replays;
use crate::service::limits::{AddressBudgets, Limits};
use crate::service::memory::Memory;
use crate::service::memory::cache::Directory;
use crate::service::memory::first_seen::Sightings;
use crate::service::memory::keyring::{KnownKeys, load_keyring};
use crate::service::memory::master_keys::MasterKeys;
use crate::service::memory::revocations::Revocations;
use crate::service::memory::staleness::Freshness;
use crate::service::operations::Operations;
use crate::service::registry::catalog::Imports;
use crate::service::registry::images::registries;
use crate::service::registry::images::walks::Walks;
use crate::service::registry::{Registry, Upstream};
use crate::service::rights::Rights;
use crate::service::sts::Sts;
use crate::service::{Service, Settings};
use crate::store::{Store, change, meta};

impl Service {
    /// Opens the service over a store, which is set up if it is new.
    ///
    /// [`ErrorKind::Misconfigured`] when the master key of this store is not among `master`.
    pub async fn open(
        store: Store,
        master: impl Into<MasterKeys>,
        settings: Settings,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Result<Self> {
        let master = master.into().timed_by(Arc::clone(&clock));
        if !is_set_up(&store).await? {
            match set_up(&store, &master, &settings, clock.now(), &*random).await {
                // Another process was as quick; its setup is as good.
                Err(error) if matches!(error.kind(), ErrorKind::AlreadyExists { .. }) => {}
                outcome => outcome?,
            }
        }
        let unexpected = || Error::internal("the store's setup is incomplete");
        let master_key_id = meta::find_text(&store, meta::MASTER_KEY_ID).await?.ok_or_else(unexpected)?;
        master.verify(&master_key_id, &meta::find(&store, meta::MASTER_KEY_CHECK).await?.ok_or_else(unexpected)?)?;
        let issuer = meta::find_text(&store, meta::ISSUER).await?.ok_or_else(unexpected)?;
        // Before the keys are read: a key that is made meanwhile is read again.
        let staleness = Freshness::new(settings.max_staleness, &*clock);
        let position = change::position(&store).await?;
        let first_seen = Sightings::default();
        let keyring = load_keyring(&store, &master, &first_seen, clock.now()).await?;
        let base = Arc::new(Base { store, clock, random, issuer, public_url: settings.public_url.clone() });
        let memory = Arc::new(Memory {
            base: Arc::clone(&base),
            cache: Directory::new(position),
            revocations: Revocations::load(&base.store).await?,
            staleness,
            keys: KnownKeys { master, keyring: ArcSwap::from_pointee(keyring), read_at: AtomicU64::new(0), first_seen },
            refreshing: tokio::sync::Mutex::default(),
        });
        let limits = Limits {
            base: Arc::clone(&base),
            actions: ActionLimits::new(settings.requests_per_second, settings.requests_per_second_by_action.clone()),
            tokens: TokenLimits::new(settings.token_requests_per_second, settings.token_requests_burst),
            addresses: AddressBudgets {
                refusals: AddressLimits::new(settings.refusals_per_second, settings.refusals_burst),
                anonymous: AddressLimits::new(settings.anonymous_per_second, settings.anonymous_burst),
                waits: WaitLimits::new(),
            },
            log_ins: LogIns::new(
                settings.failed_log_ins,
                settings.failed_log_ins_per_minute,
                AddressLimits::new(settings.refusals_per_second, settings.refusals_burst),
                &*base.random,
            ),
            replays: Replays::new(settings.nonces_per_access_key),
            shared: OnceLock::new(),
        };
        let ledger = Ledger {
            base: Arc::clone(&base),
            memory: Arc::clone(&memory),
            queue: Audit::start(settings.audit, settings.audit_queue, base.store.clone(), Arc::clone(&base.random)),
            refusals: Refusals::new(),
            anonymous: anonymous::counted(),
            telling: tokio::sync::Mutex::default(),
        };
        let (limits, ledger) = (Arc::new(limits), Arc::new(ledger));
        let passwords = Arc::new(Passwords::new(settings.password_threads, settings.password_queue, &*base.random));
        let warnings = Arc::new(Alarms::new());
        let access = Arc::new(Access {
            base: Arc::clone(&base),
            limits: Arc::clone(&limits),
            memory: Arc::clone(&memory),
            signatures: settings.signatures.clone(),
            passwords: Arc::clone(&passwords),
            issuers: Issuers::default(),
            remote: Arc::new(remote::Client::new(settings.outgoing.clone())),
        });
        let rights = Arc::new(Rights {
            base: Arc::clone(&base),
            memory: Arc::clone(&memory),
            service_account_grant: settings.service_account_grant,
        });
        let keys = Arc::new(Keys {
            base: Arc::clone(&base),
            memory: Arc::clone(&memory),
            ledger: Arc::clone(&ledger),
            rights: Arc::clone(&rights),
            schedule: settings.keys,
            warnings: Arc::clone(&warnings),
        });
        let credentials = Credentials {
            base: Arc::clone(&base),
            memory: Arc::clone(&memory),
            ledger: Arc::clone(&ledger),
            rights: Arc::clone(&rights),
            passwords,
            quotas: settings.quotas,
        };
        let exchange = Exchange {
            base: Arc::clone(&base),
            limits: Arc::clone(&limits),
            memory: Arc::clone(&memory),
            ledger: Arc::clone(&ledger),
            rights: Arc::clone(&rights),
        };
        let sts = Sts {
            base: Arc::clone(&base),
            limits: Arc::clone(&limits),
            memory: Arc::clone(&memory),
            ledger: Arc::clone(&ledger),
            rights: Arc::clone(&rights),
            quotas: settings.quotas,
        };
        let identity = Identity {
            base: Arc::clone(&base),
            memory: Arc::clone(&memory),
            ledger: Arc::clone(&ledger),
            rights: Arc::clone(&rights),
            access: Arc::clone(&access),
        };
        let registry = Registry {
            base: Arc::clone(&base),
            memory: Arc::clone(&memory),
            ledger: Arc::clone(&ledger),
            rights: Arc::clone(&rights),
            keys: Arc::clone(&keys),
            upstream: Upstream {
                client: Arc::new(remote::Client::new(registries(&settings.outgoing))),
                listings: Walks::default(),
                imports: Imports::default(),
            },
            quotas: settings.quotas,
            base_domain: settings.base_domain.clone(),
        };
        let operations = Operations {
            base: Arc::clone(&base),
            limits: Arc::clone(&limits),
            memory: Arc::clone(&memory),
            ledger: Arc::clone(&ledger),
            warnings,
            shared: settings.shared.clone(),
        };
        Ok(Self {
            settings,
            base,
            limits,
            memory,
            ledger,
            access,
            rights,
            credentials,
            exchange,
            sts,
            identity,
            keys,
            registry,
            operations,
        })
    }
}
