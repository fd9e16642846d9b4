//! The true server over a fresh store, with a clock that stands still and the same chance in every
//! run.

pub(crate) mod admin;
pub(crate) mod alibaba;
pub(crate) mod audit;
pub(crate) mod aws;
mod clock;
mod credentials;
pub(crate) mod dice;
pub(crate) mod documents;
pub(crate) mod downgrade;
pub(crate) mod exchange;
pub(crate) mod identity;
pub(crate) mod issuer;
pub(crate) mod keyless;
mod keys;
pub(crate) mod kinds;
pub(crate) mod master_keys;
pub(crate) mod operator;
mod options;
pub(crate) mod postgres;
pub(crate) mod receiver;
pub(crate) mod registry;
mod requests;
pub(crate) mod sources;
pub(crate) mod sso;
pub(crate) mod tencent;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use axum::body::Body;
use http::Request;
use transire::domain::clock::{Clock, Random, SystemRandom, Timestamp};
use transire::domain::ids::AccountId;
use transire::domain::instance::{DefaultMark, Instance};
use transire::domain::secret::Secret;
use transire::http::Server;
use transire::service::{self, Service};
use transire::sign::Signer;
use transire::store::{Location, Open, Store, key};
use transire::token::{MasterKey, Sealer, SealingKey};

use self::clock::{SeededRandom, StandingClock};
pub(crate) use self::credentials::{Key, Session};
use self::operator::{create_instance, operator_call};
pub(crate) use self::options::Options;
use self::requests::answer;
pub(crate) use self::requests::{Answer, Peer, Stalled, headers, to_sign};

/// When every test begins.
pub(crate) const NOW: Timestamp = Timestamp::from_unix_seconds(1_735_877_057);
/// The host that clients call, and sign.
pub(crate) const HOST: &str = "localhost:8480";
/// The account of the key that tests sign with.
pub(crate) const ACCOUNT: &str = "100000000001";
/// The service of its instance.
pub(crate) const SERVICE: &str = "registry.example.com";

/// A whole service with two accounts: one with a key and two instances, one whose instance is a
/// stranger's.
pub(crate) struct App {
    pub(crate) service: Arc<Service>,
    pub(crate) instance: Instance,
    pub(crate) other_instance: Instance,
    pub(crate) foreign_instance: Instance,
    pub(crate) key: Key,
    server: Arc<Server>,
    clock: Arc<StandingClock>,
    nonces: AtomicU64,
    directory: PathBuf,
    /// The master key, unless the test brought its own.
    master: Option<Secret>,
    settings: service::Settings,
}

/// Another service over the same store, as another process would have it.
pub(crate) struct Replica {
    pub(crate) service: Arc<Service>,
    server: Arc<Server>,
}

impl Replica {
    /// Writes down what it did, because it ends.
    pub(crate) async fn end_activity(&self) {
        self.server.end_activity().await;
    }

    /// Sends a request as it is.
    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        answer(&self.server, request).await
    }
}

impl Drop for App {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.directory).ok();
    }
}

impl App {
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut Options)) -> Self {
        Self::at(None, change).await
    }

    /// Makes one over the database at `location`, or over SQLite.
    pub(crate) async fn at(location: Option<Location>, change: impl FnOnce(&mut Options)) -> Self {
        static APPS: AtomicU64 = AtomicU64::new(0);
        let number = APPS.fetch_add(1, Ordering::Relaxed);
        let directory =
            std::env::temp_dir().join(format!("transire-it-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let clock = Arc::new(StandingClock {
            now: AtomicI64::new(NOW.unix_millis()),
            ..StandingClock::default()
        });
        let random = Arc::new(SeededRandom(AtomicU64::new(1)));
        let mut options = Options::usual();
        change(&mut options);
        let location = location.unwrap_or_else(|| Location::Directory(directory.clone()));
        let store = Store::open(&location, Open::Serve, &*clock, &*random)
            .await
            .unwrap();
        let (master, master_text) = match options.master.take() {
            Some(given) => (given, None),
            None => {
                let key = MasterKey::generate(&*random);
                let text = key.to_text();
                (key.into(), Some(text))
            }
        };
        let random: Arc<dyn Random> = random;
        let shared: Arc<dyn Clock> = Arc::<StandingClock>::clone(&clock);
        let settings = options.service.clone();
        let opened = Service::open(store, master, options.service, shared, random)
            .await
            .unwrap();
        let service = Arc::new(opened);

        let account: AccountId = ACCOUNT.parse().unwrap();
        let stranger: AccountId = "100000000002".parse().unwrap();
        for (id, name) in [(account, "acme"), (stranger, "stranger")] {
            service
                .identity
                .create_account(&operator_call(&service), Some(id), name, None)
                .await
                .unwrap();
        }
        let key = service
            .identity
            .create_access_key(&operator_call(&service), account, None)
            .await
            .unwrap();
        let instance =
            create_instance(&service, account, "demo", SERVICE, DefaultMark::Marked).await;
        let other_instance = create_instance(
            &service,
            account,
            "other",
            "other.example.com",
            DefaultMark::Unmarked,
        )
        .await;
        let foreign_instance = create_instance(
            &service,
            stranger,
            "demo",
            "stranger.example.com",
            DefaultMark::Unmarked,
        )
        .await;
        Self {
            server: Arc::new(Server::new(Arc::clone(&service), options.http)),
            service,
            instance,
            other_instance,
            foreign_instance,
            key: Key::permanent(key),
            clock,
            nonces: AtomicU64::new(1),
            directory,
            master: master_text,
            settings,
        }
    }

    /// Makes another replica of `first`, whose database is at `location`.
    pub(crate) async fn beside(first: &Self, location: Location) -> Self {
        let clock = Arc::new(StandingClock {
            now: AtomicI64::new(first.now().unix_millis()),
            ..StandingClock::default()
        });
        // Far from the other's.
        let random: Arc<dyn Random> = Arc::new(SeededRandom(AtomicU64::new(1 << 40)));
        let options = Options::usual();
        let settings = options.service.clone();
        let store = Store::open(&location, Open::Serve, &*clock, &*random)
            .await
            .unwrap();
        let master = first.master_key();
        let shared: Arc<dyn Clock> = Arc::<StandingClock>::clone(&clock);
        let service = Arc::new(
            Service::open(store, master, options.service, shared, random)
                .await
                .unwrap(),
        );
        let key = service
            .identity
            .create_access_key(&operator_call(&service), first.instance.account, None)
            .await
            .unwrap();
        Self {
            server: Arc::new(Server::new(Arc::clone(&service), options.http)),
            service,
            instance: first.instance.clone(),
            other_instance: first.other_instance.clone(),
            foreign_instance: first.foreign_instance.clone(),
            key: Key::permanent(key),
            clock,
            nonces: AtomicU64::new(1_000_000),
            directory: first.directory.join("beside"),
            master: first.master.clone(),
            settings,
        }
    }

    /// Opens another service over the same store, by the same clock, with doors of its own.
    pub(crate) async fn replica(&self) -> Replica {
        self.replica_with(|_| {}).await
    }

    /// As [`Self::replica`], with other settings.
    pub(crate) async fn replica_with(
        &self,
        change: impl FnOnce(&mut service::Settings),
    ) -> Replica {
        let mut settings = self.settings.clone();
        change(&mut settings);
        let service = self
            .another_with(self.master_key(), settings)
            .await
            .unwrap();
        Replica {
            server: Arc::new(Server::new(
                Arc::clone(&service),
                transire::http::Settings::default(),
            )),
            service,
        }
    }

    fn master_key(&self) -> MasterKey {
        MasterKey::parse(self.master.as_ref().unwrap().expose()).unwrap()
    }

    /// Returns what seals and opens credentials here.
    pub(crate) async fn sealer(&self) -> Sealer {
        let store = Store::open(
            &Location::Directory(self.directory.clone()),
            Open::Command,
            &*self.clock,
            &SystemRandom,
        )
        .await
        .unwrap();
        let row = key::list_sealing(&store).await.unwrap().remove(0);
        let plain = self
            .master_key()
            .unwrap("sealing-key", &row.id, row.wrapped.as_bytes())
            .unwrap();
        Sealer::new(SealingKey::from_bytes(&plain).unwrap(), Vec::new()).unwrap()
    }

    /// Opens another service over the same data, by the same clock: another replica, or a command.
    pub(crate) async fn another(
        &self,
        master: impl Into<service::MasterKeys>,
    ) -> transire::domain::Result<Arc<Service>> {
        self.another_with(master, self.settings.clone()).await
    }

    async fn another_with(
        &self,
        master: impl Into<service::MasterKeys>,
        settings: service::Settings,
    ) -> transire::domain::Result<Arc<Service>> {
        static SEEDS: AtomicU64 = AtomicU64::new(0x1000_0000);
        // Its own chance: two processes make no id twice.
        let random: Arc<dyn Random> = Arc::new(SeededRandom(AtomicU64::new(
            SEEDS.fetch_add(1, Ordering::Relaxed),
        )));
        let clock: Arc<dyn Clock> = Arc::<StandingClock>::clone(&self.clock);
        let store = Store::open(
            &Location::Directory(self.directory.clone()),
            Open::Command,
            &*clock,
            &*random,
        )
        .await?;
        Ok(Arc::new(
            Service::open(store, master, settings, clock, random).await?,
        ))
    }

    /// Opens another service over the same data as `transire serve` does, which brings an older
    /// schema up to date.
    pub(crate) async fn upgraded(&self) -> Arc<Service> {
        let place = Location::Directory(self.directory.clone());
        let store = Store::open(&place, Open::Serve, &*self.clock, &SystemRandom)
            .await
            .unwrap();
        let clock: Arc<dyn Clock> = Arc::<StandingClock>::clone(&self.clock);
        Arc::new(
            Service::open(
                store,
                self.master_key(),
                self.settings.clone(),
                clock,
                Arc::new(SystemRandom),
            )
            .await
            .unwrap(),
        )
    }

    /// Goes on with another service in the place of the one that was: it was restarted.
    pub(crate) fn go_on_with(&mut self, service: Arc<Service>) {
        self.server = Arc::new(Server::new(
            Arc::clone(&service),
            transire::http::Settings::default(),
        ));
        self.service = service;
    }

    /// Returns where the database is.
    pub(crate) fn database(&self) -> PathBuf {
        self.directory.join("transire.db")
    }

    /// Reads every file of the data, one after the other.
    pub(crate) fn files(&self) -> Vec<u8> {
        std::fs::read_dir(&self.directory)
            .unwrap()
            .flat_map(|file| std::fs::read(file.unwrap().path()).unwrap())
            .collect()
    }

    /// Writes down what was done in the last minute, if it is over.
    pub(crate) async fn write_activity(&self) {
        self.server.write_activity().await;
    }

    /// Writes down what was done, because the process ends.
    pub(crate) async fn end_activity(&self) {
        self.server.end_activity().await;
    }

    /// Sends a request as it is.
    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        answer(&self.server, request).await
    }

    pub(crate) fn signer(&self) -> Signer<'_> {
        self.key.signer()
    }

    pub(crate) fn nonce(&self) -> u64 {
        self.nonces.fetch_add(1, Ordering::Relaxed)
    }

    /// Makes one whose instances have names below a domain of the service.
    pub(crate) async fn with_base_domain() -> Self {
        Self::with(|options| options.service.base_domain = Some("registry.example.com".to_owned()))
            .await
    }

    /// Makes a service that lets an address fail twice.
    pub(crate) async fn of_short_patience() -> Self {
        Self::with(|options| {
            (
                options.service.limits.refusals_per_second,
                options.service.limits.refusals_burst,
            ) = (1, 2);
            options.service.limits.requests_per_second = 100_000;
        })
        .await
    }
}

/// Waits until it is so, and returns how long that took.
pub(crate) async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) -> Duration {
    let begun = Instant::now();
    while !is_so().await {
        assert!(
            begun.elapsed() < Duration::from_secs(20),
            "waited 20 s for: {what}"
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    begun.elapsed()
}
