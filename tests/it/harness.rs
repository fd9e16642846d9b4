//! The true server over a fresh store, with a clock that stands still and the same chance in every run.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use axum::body::{Body, to_bytes};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, header};
use serde_json::Value;
use transire::domain::clock::{Clock, Random, SystemRandom, Timestamp};
use transire::domain::ids::{AccountId, InstanceId};
use transire::domain::instance::{Algorithm, DefaultMark, Instance, KidFormat, OldRefreshTokens, RegistryKind, Specification};
use transire::domain::secret::Secret;
use transire::domain::switch::Switch;
use transire::http::{Server, Transport};
use transire::service::{self, AuditMode, Call, Caller, InstanceChoice, NewAccessKey, NewInstance, RequestContext, Service};
use transire::sign::{self, Parameters, Signer, SigningSecret};
use transire::store::{Location, Open, Store, key};
use transire::token::{MasterKey, Sealer, SealingKey};

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
                audit: service::AuditSettings { mode: AuditMode::BestEffort, days: 90, queue: 1000 },
                max_staleness: Duration::from_mins(5),
                database_patience: Duration::from_secs(5),
                signatures: service::Signatures { methods: sign::Method::ALL.to_vec(), window: Duration::from_mins(15) },
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
                passwords: service::PasswordSettings { threads: 2, queue: 100 },
                outgoing: service::Outgoing::default(),
                keys: service::KeySchedule::NEVER,
            },
            http: transire::http::Settings::default(),
            master: None,
        }
    }
}

/// A whole service with two accounts: one with a key and two instances, one whose instance is a stranger's.
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
    let peer = request.extensions().get::<Peer>().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.0.ip());
    let served = Box::pin(server.serve(request, peer, Transport::Plain)).await;
    let (mut parts, body) = served.response.into_parts();
    // As the listener writes it.
    if let Some(length) = axum::body::HttpBody::size_hint(&body).exact() {
        parts.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    let body = to_bytes(body, 1 << 20).await.unwrap();
    Answer { status: parts.status, headers: parts.headers, body: String::from_utf8(body.to_vec()).unwrap() }
}

/// An access key with its secret, and the token that goes with a session's.
pub(crate) struct Key {
    pub(crate) id: String,
    pub(crate) secret: SigningSecret,
    pub(crate) token: Option<String>,
}

impl Key {
    pub(crate) fn permanent(key: NewAccessKey) -> Self {
        Self { id: key.id, secret: SigningSecret::new(key.secret), token: None }
    }

    pub(crate) fn signer(&self) -> Signer<'_> {
        Signer { access_key_id: &self.id, secret: &self.secret, session_token: self.token.as_deref() }
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

/// Returns all lines of the audit that a filter lets through.
pub(crate) async fn listed(service: &Service, filter: &service::AuditFilter) -> Vec<service::AuditRow> {
    let (mut lines, mut after) = (Vec::new(), None);
    loop {
        let batch = service.operations.audit_lines(&operator_call(service), filter, after.as_ref()).await.unwrap();
        lines.extend(batch.rows);
        match batch.next {
            Some(next) => after = Some(next),
            None => return lines,
        }
    }
}

/// Begins a call of the operator's at a service, now.
pub(crate) fn operator_call(service: &Service) -> Call<'static> {
    static OPERATOR: LazyLock<(Caller, RequestContext)> = LazyLock::new(|| (Caller::operator(), context()));
    let (caller, request) = &*OPERATOR;
    service.call(caller, request)
}

pub(crate) fn context() -> RequestContext {
    RequestContext::operator("test".to_owned())
}

impl App {
    /// Begins a call of the operator's, now.
    pub(crate) fn operator(&self) -> Call<'static> {
        operator_call(&self.service)
    }

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
        let directory = std::env::temp_dir().join(format!("transire-it-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let clock = Arc::new(StandingClock { now: AtomicI64::new(NOW.unix_millis()), ..StandingClock::default() });
        let random = Arc::new(SeededRandom(AtomicU64::new(1)));
        let mut options = Options::usual();
        change(&mut options);
        let location = location.unwrap_or_else(|| Location::Directory(directory.clone()));
        let store = Store::open(&location, Open::Serve, &*clock, &*random).await.unwrap();
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
        let opened = Service::open(store, master, options.service, shared, random).await.unwrap();
        let service = Arc::new(opened);

        let account: AccountId = ACCOUNT.parse().unwrap();
        let stranger: AccountId = "100000000002".parse().unwrap();
        for (id, name) in [(account, "acme"), (stranger, "stranger")] {
            service.identity.create_account(&operator_call(&service), Some(id), name, None).await.unwrap();
        }
        let key = service.identity.create_access_key(&operator_call(&service), account, None).await.unwrap();
        let instance = create_instance(&service, account, "demo", SERVICE, DefaultMark::Marked).await;
        let other_instance = create_instance(&service, account, "other", "other.example.com", DefaultMark::Unmarked).await;
        let foreign_instance = create_instance(&service, stranger, "demo", "stranger.example.com", DefaultMark::Unmarked).await;
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
        let clock = Arc::new(StandingClock { now: AtomicI64::new(first.now().unix_millis()), ..StandingClock::default() });
        // Far from the other's.
        let random: Arc<dyn Random> = Arc::new(SeededRandom(AtomicU64::new(1 << 40)));
        let options = Options::usual();
        let settings = options.service.clone();
        let store = Store::open(&location, Open::Serve, &*clock, &*random).await.unwrap();
        let master = first.master_key();
        let shared: Arc<dyn Clock> = Arc::<StandingClock>::clone(&clock);
        let service = Arc::new(Service::open(store, master, options.service, shared, random).await.unwrap());
        let key = service.identity.create_access_key(&operator_call(&service), first.instance.account, None).await.unwrap();
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
        Replica { server: Arc::new(Server::new(Arc::clone(&service), transire::http::Settings::default())), service }
    }

    fn master_key(&self) -> MasterKey {
        MasterKey::parse(self.master.as_ref().unwrap().expose()).unwrap()
    }

    /// Returns what seals and opens credentials here.
    pub(crate) async fn sealer(&self) -> Sealer {
        let store = Store::open(&Location::Directory(self.directory.clone()), Open::Command, &*self.clock, &SystemRandom).await.unwrap();
        let row = key::list_sealing(&store).await.unwrap().remove(0);
        let plain = self.master_key().unwrap("sealing-key", &row.id, &row.wrapped).unwrap();
        Sealer::new(SealingKey::from_bytes(&plain).unwrap(), Vec::new()).unwrap()
    }

    /// Opens another service over the same data, by the same clock: another replica, or a command.
    pub(crate) async fn another(&self, master: impl Into<service::MasterKeys>) -> transire::domain::Result<Arc<Service>> {
        static SEEDS: AtomicU64 = AtomicU64::new(0x1000_0000);
        // Its own chance: two processes make no id twice.
        let random: Arc<dyn Random> = Arc::new(SeededRandom(AtomicU64::new(SEEDS.fetch_add(1, Ordering::Relaxed))));
        let clock: Arc<dyn Clock> = Arc::<StandingClock>::clone(&self.clock);
        let store = Store::open(&Location::Directory(self.directory.clone()), Open::Command, &*clock, &*random).await?;
        Ok(Arc::new(Service::open(store, master, self.settings.clone(), clock, random).await?))
    }

    /// Opens another service over the same data as `transire serve` does, which brings an older schema up to date.
    pub(crate) async fn upgraded(&self) -> Arc<Service> {
        let place = Location::Directory(self.directory.clone());
        let store = Store::open(&place, Open::Serve, &*self.clock, &SystemRandom).await.unwrap();
        let clock: Arc<dyn Clock> = Arc::<StandingClock>::clone(&self.clock);
        Arc::new(Service::open(store, self.master_key(), self.settings.clone(), clock, Arc::new(SystemRandom)).await.unwrap())
    }

    /// Goes on with another service in the place of the one that was: it was restarted.
    pub(crate) fn go_on_with(&mut self, service: Arc<Service>) {
        self.server = Arc::new(Server::new(Arc::clone(&service), transire::http::Settings::default()));
        self.service = service;
    }

    /// Returns where the database is.
    pub(crate) fn database(&self) -> PathBuf {
        self.directory.join("transire.db")
    }

    /// Says whether an instance gives out refresh tokens, and keeps or refuses those that it gave out.
    pub(crate) async fn set_refresh_tokens(&self, id: &InstanceId, switch: Switch, old: OldRefreshTokens) {
        let choice = InstanceChoice::Tcr(id.clone());
        self.service.registry.set_refresh_tokens(&self.operator(), &choice, switch, old).await.unwrap();
    }

    /// Lets the first instance give out refresh tokens.
    pub(crate) async fn give_refresh_tokens(&self) {
        self.set_refresh_tokens(&self.instance.id, Switch::On, OldRefreshTokens::Keep).await;
    }

    /// Lets time pass.
    pub(crate) fn wait(&self, time: Duration) {
        let millis = i64::try_from(time.as_millis()).unwrap();
        self.clock.now.fetch_add(millis, Ordering::Relaxed);
    }

    /// Sets the wall clock back.
    pub(crate) fn set_back(&self, time: Duration) {
        self.clock.now.fetch_sub(i64::try_from(time.as_millis()).unwrap(), Ordering::Relaxed);
    }

    /// Lets the process's own time pass, which nobody can set.
    pub(crate) fn run_on(&self, time: Duration) {
        self.clock.uptime_seconds.fetch_add(time.as_secs(), Ordering::Relaxed);
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Reads every file of the data, one after the other.
    pub(crate) fn files(&self) -> Vec<u8> {
        std::fs::read_dir(&self.directory).unwrap().flat_map(|file| std::fs::read(file.unwrap().path()).unwrap()).collect()
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

    /// Calls an action at the Tencent door, as the SDKs do; what they send is there to be changed first.
    pub(crate) fn tencent(&self, action: &str, body: &Value) -> TencentCall<'_> {
        TencentCall {
            app: self,
            key: &self.key,
            headers: vec![
                ("host", HOST.to_owned()),
                ("content-type", "application/json".to_owned()),
                ("x-tc-action", action.to_owned()),
                ("x-tc-version", "2019-09-24".to_owned()),
                ("x-tc-region", "ap-guangzhou".to_owned()),
                ("x-tc-language", "en-US".to_owned()),
            ],
            method: Method::POST,
            uri: "/".to_owned(),
            body: body.to_string(),
            signed_at: self.now(),
            scope: "tcr",
        }
    }

    /// Calls an action at the Alibaba door with ACS3, as the current SDKs do.
    pub(crate) fn alibaba(&self, action: &str, query: &[(&str, &str)]) -> AlibabaCall<'_> {
        let pairs = query.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let query = Parameters::from_pairs(pairs).unwrap().encode();
        AlibabaCall {
            app: self,
            key: &self.key,
            action: action.to_owned(),
            version: "2018-12-01".to_owned(),
            method: Method::POST,
            uri: if query.is_empty() { "/".to_owned() } else { format!("/?{query}") },
            headers: vec![("host", HOST.to_owned()), ("accept", "application/json".to_owned())],
            body: String::new(),
            signed_at: self.now(),
            nonce: format!("nonce-{}", self.nonce()),
        }
    }

    /// Calls an action of Tencent's STS, which has no region.
    pub(crate) fn tencent_sts(&self, action: &str, body: &Value) -> TencentCall<'_> {
        let mut call = self.tencent(action, body).header("x-tc-version", Some("2018-08-13")).header("x-tc-region", None);
        call.scope = "sts";
        call
    }

    /// Calls an action of Alibaba's STS.
    pub(crate) fn alibaba_sts(&self, action: &str, query: &[(&str, &str)]) -> AlibabaCall<'_> {
        AlibabaCall { version: "2015-04-01".to_owned(), ..self.alibaba(action, query) }
    }

    /// Asks for a token as docker does.
    pub(crate) async fn registry(&self, credential: Option<(&str, &str)>, query: &str) -> Answer {
        use base64::Engine;
        let mut request = Request::get(format!("/token?{query}")).header(header::HOST, HOST);
        if let Some((username, secret)) = credential {
            let encoded = base64::engine::general_purpose::STANDARD.encode(format!("{username}:{secret}"));
            request = request.header(header::AUTHORIZATION, format!("Basic {encoded}"));
        }
        self.send(request.body(Body::empty()).unwrap()).await
    }

    /// Asks for a token as docker does, from another address.
    pub(crate) async fn registry_from(&self, peer: &str, credential: Option<(&str, &str)>, query: &str) -> Answer {
        use base64::Engine;
        let mut request = Request::get(format!("/token?{query}")).header(header::HOST, HOST);
        if let Some((username, secret)) = credential {
            let encoded = base64::engine::general_purpose::STANDARD.encode(format!("{username}:{secret}"));
            request = request.header(header::AUTHORIZATION, format!("Basic {encoded}"));
        }
        let mut request = request.body(Body::empty()).unwrap();
        request.extensions_mut().insert(Peer(format!("{peer}:1").parse().unwrap()));
        self.send(request).await
    }

    /// Asks for a token as containerd does.
    pub(crate) async fn registry_form(&self, form: &str) -> Answer {
        let request = Request::post("/token")
            .header(header::HOST, HOST)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded; charset=utf-8");
        self.send(request.body(Body::from(form.to_owned())).unwrap()).await
    }

    /// Gets a temporary credential of the Tencent door.
    pub(crate) async fn temporary(&self) -> (String, Secret) {
        let answer =
            self.tencent("CreateInstanceToken", &serde_json::json!({ "RegistryId": self.instance.id.as_str() })).send().await.json();
        let text = |name: &str| answer["Response"][name].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned();
        (text("Username"), Secret::new(text("Token")))
    }
}

async fn create_instance(service: &Service, account: AccountId, name: &str, registry: &str, default: DefaultMark) -> Instance {
    let new = NewInstance {
        account,
        name: name.to_owned(),
        region: "ap-guangzhou".to_owned(),
        service: registry.to_owned(),
        kind: RegistryKind::Distribution,
        issuer: None,
        algorithm: Algorithm::Es256,
        kid_format: KidFormat::Thumbprint,
        token_ttl_seconds: None,
        registry_url: None,
        specification: Specification::Premium,
        default,
        refresh_tokens: Switch::Off,
    };
    service.registry.create_instance(&operator_call(service), new).await.unwrap()
}

/// Builds headers.
pub(crate) fn headers(pairs: &[(&'static str, String)]) -> HeaderMap {
    pairs.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())).collect()
}

/// A call signed with TC3 when it is sent.
pub(crate) struct TencentCall<'a> {
    app: &'a App,
    key: &'a Key,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) method: Method,
    pub(crate) uri: String,
    pub(crate) body: String,
    pub(crate) signed_at: Timestamp,
    pub(crate) scope: &'static str,
}

impl<'a> TencentCall<'a> {
    /// Signs with another key.
    pub(crate) fn by(self, key: &'a Key) -> Self {
        Self { key, ..self }
    }

    /// Replaces a header, or takes it away.
    pub(crate) fn header(mut self, name: &'static str, value: Option<&str>) -> Self {
        self.headers.retain(|(known, _)| *known != name);
        self.headers.extend(value.map(|value| (name, value.to_owned())));
        self
    }

    pub(crate) fn body(mut self, body: &str) -> Self {
        body.clone_into(&mut self.body);
        self
    }

    /// Signs the call.
    pub(crate) fn request(&self) -> Request<Body> {
        let uri: http::Uri = self.uri.parse().unwrap();
        let mut all = headers(&self.headers);
        all.insert("x-tc-timestamp", HeaderValue::from(self.signed_at.unix_seconds()));
        if let Some(token) = &self.key.token {
            all.insert("x-tc-token", HeaderValue::from_str(token).unwrap());
        }
        let signed = sign::Request {
            method: self.method.as_str(),
            path: uri.path(),
            query: uri.query().unwrap_or_default(),
            host: all.get("host").map_or("", |host| host.to_str().unwrap()),
            headers: &all,
            body: self.body.as_bytes(),
        };
        let line = sign::tc3::authorization(&signed, "content-type;host", self.scope, &self.key.signer(), self.signed_at).unwrap();
        all.insert(header::AUTHORIZATION, HeaderValue::from_str(&line).unwrap());
        let mut request = Request::builder().method(self.method.clone()).uri(uri).body(Body::from(self.body.clone())).unwrap();
        *request.headers_mut() = all;
        request
    }

    pub(crate) async fn send(self) -> Answer {
        self.app.send(self.request()).await
    }
}

/// A call signed with ACS3 when it is sent.
pub(crate) struct AlibabaCall<'a> {
    app: &'a App,
    key: &'a Key,
    pub(crate) action: String,
    pub(crate) version: String,
    pub(crate) method: Method,
    pub(crate) uri: String,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: String,
    pub(crate) signed_at: Timestamp,
    pub(crate) nonce: String,
}

impl<'a> AlibabaCall<'a> {
    /// Signs with another key.
    pub(crate) fn by(self, key: &'a Key) -> Self {
        Self { key, ..self }
    }

    /// Replaces a header.
    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.retain(|(known, _)| *known != name);
        self.headers.push((name, value.to_owned()));
        self
    }

    /// Signs the call.
    pub(crate) fn request(&self) -> Request<Body> {
        let uri: http::Uri = self.uri.parse().unwrap();
        let mut all = headers(&self.headers);
        let signed = sign::Request {
            method: self.method.as_str(),
            path: uri.path(),
            query: uri.query().unwrap_or_default(),
            host: all.get("host").map_or("", |host| host.to_str().unwrap()),
            headers: &all,
            body: self.body.as_bytes(),
        };
        let added = sign::acs3::sign(&signed, &self.action, &self.version, &self.key.signer(), self.signed_at, &self.nonce).unwrap();
        all.extend(added);
        let mut request = Request::builder().method(self.method.clone()).uri(uri).body(Body::from(self.body.clone())).unwrap();
        *request.headers_mut() = all;
        request
    }

    pub(crate) async fn send(self) -> Answer {
        self.app.send(self.request()).await
    }
}

/// A body that stops after its beginning.
pub(crate) struct Stalled(pub(crate) Option<bytes::Bytes>);

impl axum::body::HttpBody for Stalled {
    type Data = bytes::Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<hyper::body::Frame<bytes::Bytes>, std::convert::Infallible>>> {
        match self.0.take() {
            Some(bytes) => std::task::Poll::Ready(Some(Ok(hyper::body::Frame::data(bytes)))),
            None => std::task::Poll::Pending,
        }
    }
}
