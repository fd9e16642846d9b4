//! The true server over a fresh store, with a clock that stands still and the same chance in every
//! run.

pub(crate) mod alibaba;
pub(crate) mod issuer;
pub(crate) mod operator;
pub(crate) mod registry;
pub(crate) mod tencent;

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use axum::body::{Body, to_bytes};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, header};
use serde_json::{Value, json};
use transire::domain::clock::{Clock, Random, SystemRandom, Timestamp};
use transire::domain::ids::AccountId;
use transire::domain::instance::{DefaultMark, Instance};
use transire::domain::secret::Secret;
use transire::http::{Server, Transport};
use transire::service::{self, AuditMode, NewAccessKey, Service};
use transire::sign::{self, Signer, SigningSecret};
use transire::store::{Location, Open, Store, key};
use transire::token::{MasterKey, Sealer, SealingKey};

use self::alibaba::Place;
use self::operator::{create_instance, operator_call};

/// When every test begins.
pub(crate) const NOW: Timestamp = Timestamp::from_unix_seconds(1_735_877_057);
/// What clients call, and sign.
pub(crate) const HOST: &str = "localhost:8480";
/// The account of the key that tests sign with.
pub(crate) const ACCOUNT: &str = "100000000001";
/// The service of its instance.
pub(crate) const SERVICE: &str = "registry.example.com";

#[derive(Default)]
struct StandingClock {
    now: AtomicI64,
    uptime_seconds: AtomicU64,
}

impl Clock for StandingClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix_millis(self.now.load(Ordering::Relaxed))
    }

    fn uptime(&self) -> Duration {
        Duration::from_secs(self.uptime_seconds.load(Ordering::Relaxed))
    }
}

/// Splitmix64: the same bytes in every run.
struct SeededRandom(AtomicU64);

impl Random for SeededRandom {
    fn fill(&self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let mut word = self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
            word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            chunk.copy_from_slice(&(word ^ (word >> 31)).to_le_bytes()[..chunk.len()]);
        }
    }
}

/// What a test may want otherwise.
pub(crate) struct Options {
    pub(crate) service: service::Settings,
    pub(crate) http: transire::http::Settings,
    /// The master keys, where one alone doesn't do.
    pub(crate) master: Option<service::MasterKeys>,
}

impl Options {
    fn usual() -> Self {
        Self {
            service: service::Settings {
                quotas: service::Quotas::default(),
                public_url: format!("http://{HOST}"),
                base_domain: None,
                service_account_grant: service::ServiceAccountGrant::OwnRights,
                audit: service::AuditSettings {
                    mode: AuditMode::BestEffort,
                    days: 90,
                    queue: 1000,
                },
                max_staleness: Duration::from_mins(5),
                database_patience: Duration::from_secs(5),
                signatures: service::Signatures {
                    methods: sign::Method::ALL.to_vec(),
                    window: Duration::from_mins(15),
                },
                shared: None,
                limits: service::LimitSettings {
                    requests_per_second: 100,
                    requests_per_second_by_action: HashMap::new(),
                    refusals_per_second: 1000,
                    refusals_burst: 1000,
                    failed_log_ins: 1000,
                    failed_log_ins_per_minute: 1000,
                    anonymous_per_second: 1000,
                    anonymous_burst: 1000,
                    token_requests_per_second: 1000,
                    token_requests_burst: 1000,
                    nonces_per_access_key: 1000,
                },
                passwords: service::PasswordSettings {
                    threads: 2,
                    queue: 100,
                },
                outgoing: service::Outgoing::default(),
                keys: service::KeySchedule::NEVER,
            },
            http: transire::http::Settings::default(),
            master: None,
        }
    }
}

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
    /// Sends a request as it is.
    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        answer(&self.server, request).await
    }
}

/// The socket that a request comes from, among its extensions; without one, it comes from 0.0.0.0.
#[derive(Clone, Copy)]
pub(crate) struct Peer(pub(crate) SocketAddr);

async fn answer(server: &Server, request: Request<Body>) -> Answer {
    let peer = request
        .extensions()
        .get::<Peer>()
        .map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.0.ip());
    let served = Box::pin(server.serve(request, peer, Transport::Plain)).await;
    let (mut parts, body) = served.response.into_parts();
    // As the listener writes it.
    if let Some(length) = axum::body::HttpBody::size_hint(&body).exact() {
        parts
            .headers
            .insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    let body = to_bytes(body, 1 << 20).await.unwrap();
    Answer {
        status: parts.status,
        headers: parts.headers,
        body: String::from_utf8(body.to_vec()).unwrap(),
    }
}

/// An access key with its secret, and the token that goes with a session's.
pub(crate) struct Key {
    pub(crate) id: String,
    pub(crate) secret: SigningSecret,
    pub(crate) token: Option<String>,
}

impl Key {
    pub(crate) fn permanent(key: NewAccessKey) -> Self {
        Self {
            id: key.id,
            secret: SigningSecret::new(key.secret),
            token: None,
        }
    }

    pub(crate) fn signer(&self) -> Signer<'_> {
        Signer {
            access_key_id: &self.id,
            secret: &self.secret,
            session_token: self.token.as_deref(),
        }
    }
}

impl Drop for App {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.directory).ok();
    }
}

/// What came back.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
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
        let service = self.another(self.master_key()).await.unwrap();
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
            Service::open(store, master, self.settings.clone(), clock, random).await?,
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

    /// Lets time pass.
    pub(crate) fn wait(&self, time: Duration) {
        let millis = i64::try_from(time.as_millis()).unwrap();
        self.clock.now.fetch_add(millis, Ordering::Relaxed);
    }

    /// Sets the wall clock back.
    pub(crate) fn set_back(&self, time: Duration) {
        self.clock
            .now
            .fetch_sub(i64::try_from(time.as_millis()).unwrap(), Ordering::Relaxed);
    }

    /// Lets the process's own time pass, which nobody can set.
    pub(crate) fn run_on(&self, time: Duration) {
        self.clock
            .uptime_seconds
            .fetch_add(time.as_secs(), Ordering::Relaxed);
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Reads every file of the data, one after the other.
    pub(crate) fn files(&self) -> Vec<u8> {
        std::fs::read_dir(&self.directory)
            .unwrap()
            .flat_map(|file| std::fs::read(file.unwrap().path()).unwrap())
            .collect()
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
            options.service.limits.nonces_per_access_key = 100_000;
        })
        .await
    }

    /// Calls by each door and each way of signing, with the app's key or what its id and another
    /// secret make.
    pub(crate) fn calls(&self, key: &Key) -> Vec<Request<Body>> {
        let form = |request: Request<Body>| {
            // What the form says is signed by the app's key: a neighbour's is spoilt.
            if key.id == self.key.id && std::ptr::eq(key, &raw const self.key) {
                request
            } else {
                spoilt(request)
            }
        };
        vec![
            self.tencent(
                "CreateInstanceToken",
                &json!({ "RegistryId": self.instance.id.as_str() }),
            )
            .by(key)
            .request(),
            self.alibaba(
                "GetAuthorizationToken",
                &[("InstanceId", self.instance.cri_id.as_str())],
            )
            .by(key)
            .request(),
            form(self.v1(&Method::POST, sign::Method::TencentHmacSha256, |_| {})),
            form(self.v1(&Method::GET, sign::Method::TencentHmacSha1, |_| {})),
            form(self.rpc(Method::POST, Place::Form, &[])),
            form(self.rpc(Method::GET, Place::Query, &[])),
            form(self.roa("/tokens", None)),
        ]
    }

    /// Sends a request and returns the error's code; empty when it is served.
    pub(crate) async fn code(&self, request: Request<Body>) -> String {
        let answer = self.send(request).await;
        let body = answer.json();
        let code = [
            &body["Response"]["Error"]["Code"],
            &body["Code"],
            &body["code"],
        ]
        .into_iter()
        .find_map(|code| code.as_str());
        match code {
            Some(code) if code != "success" => code.to_owned(),
            _ => {
                assert_eq!(answer.status, StatusCode::OK, "{body}");
                String::new()
            }
        }
    }
}

/// Builds headers.
pub(crate) fn headers(pairs: &[(&'static str, String)]) -> HeaderMap {
    pairs
        .iter()
        .map(|(name, value)| {
            (
                HeaderName::from_static(name),
                HeaderValue::from_str(value).unwrap(),
            )
        })
        .collect()
}

/// A body that stops after its beginning.
pub(crate) struct Stalled(pub(crate) Option<bytes::Bytes>);

impl axum::body::HttpBody for Stalled {
    type Data = bytes::Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<hyper::body::Frame<bytes::Bytes>, std::convert::Infallible>>>
    {
        match self.0.take() {
            Some(bytes) => std::task::Poll::Ready(Some(Ok(hyper::body::Frame::data(bytes)))),
            None => std::task::Poll::Pending,
        }
    }
}

/// Returns what a future has at once.
fn futures_now<T>(future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    match future
        .as_mut()
        .poll(&mut std::task::Context::from_waker(std::task::Waker::noop()))
    {
        std::task::Poll::Ready(output) => output,
        std::task::Poll::Pending => panic!("it has to wait"),
    }
}

/// Breaks a signature that stands in a query, a form or a header, as a wrong secret does.
pub(crate) fn spoilt(mut request: Request<Body>) -> Request<Body> {
    if let Some(line) = request.headers_mut().get_mut("authorization") {
        let text = line.to_str().unwrap().to_owned();
        let (id, _) = text.rsplit_once(':').unwrap();
        *line = format!("{id}:AAAAAAAAAAAAAAAAAAAAAAAAAAA=")
            .parse()
            .unwrap();
        return request;
    }
    let wrong = |text: &str| {
        let pairs = text.split('&').map(|pair| {
            if pair.starts_with("Signature=") {
                "Signature=AAAAAAAAAAAAAAAAAAAAAAAAAAA%3D"
            } else {
                pair
            }
        });
        pairs.collect::<Vec<_>>().join("&")
    };
    if let Some(query) = request.uri().query() {
        let uri = format!("/?{}", wrong(query));
        *request.uri_mut() = uri.parse().unwrap();
        return request;
    }
    let (parts, body) = request.into_parts();
    let bytes = futures_now(axum::body::to_bytes(body, 1 << 20)).unwrap();
    Request::from_parts(
        parts,
        Body::from(wrong(std::str::from_utf8(&bytes).unwrap())),
    )
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

/// A session as the answer shows it.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) id: String,
    pub(crate) secret: String,
    pub(crate) token: String,
}

impl Session {
    pub(crate) fn of_tencent(answer: &Answer) -> Self {
        let body = answer.json();
        let text = |name: &str| {
            body["Response"]["Credentials"][name]
                .as_str()
                .unwrap_or_else(|| panic!("{body}"))
                .to_owned()
        };
        Self {
            id: text("TmpSecretId"),
            secret: text("TmpSecretKey"),
            token: text("Token"),
        }
    }

    pub(crate) fn of_alibaba(answer: &Answer) -> Self {
        let body = answer.json();
        let text = |name: &str| {
            body["Credentials"][name]
                .as_str()
                .unwrap_or_else(|| panic!("{body}"))
                .to_owned()
        };
        Self {
            id: text("AccessKeyId"),
            secret: text("AccessKeySecret"),
            token: text("SecurityToken"),
        }
    }

    pub(crate) fn key(&self) -> Key {
        self.with_token(Some(&self.token))
    }

    pub(crate) fn with_token(&self, token: Option<&str>) -> Key {
        Key {
            id: self.id.clone(),
            secret: SigningSecret::new(Secret::new(&self.secret)),
            token: token.map(str::to_owned),
        }
    }
}
