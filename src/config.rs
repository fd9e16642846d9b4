//! Settings: a file, then the environment over it, in one struct. The only place that reads the environment.
//!
//! The file is TOML. A variable is `TRANSIRE_` and the setting's path in capitals, its parts divided by
//! two underscores: `TRANSIRE_LIMITS__REQUESTS_PER_SECOND=50`. Unknown settings are refused, and each error says where
//! the setting was set: [`sources`]. Which settings there are is read off the struct: [`known`].

mod known;
mod sources;

use std::collections::HashMap;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, de};
use zeroize::Zeroizing;

use self::sources::{CONFIG, Fault, PREFIX, Sources};
use crate::domain::secret::Secret;
use crate::domain::url::HttpUrl;
use crate::domain::{Error, Result};
use crate::http;
use crate::secret_files;
pub use crate::service::{AuditMode, Quotas, ServiceAccountGrant};

/// The least that a head must be allowed: a session token takes some of it.
const SMALLEST_HEADER_BYTES: usize = 8 << 10;

/// Everything that can be set.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Where the data is without a database server: the SQLite database and the master key.
    pub data_dir: PathBuf,
    /// Where the service listens: an address, or a port on loopback; port 0 picks a free one.
    pub listen: Listen,
    /// The database: `postgres://user@host:5432/name`; without it, SQLite in the data directory.
    pub database: Option<DatabaseUrl>,
    /// How a PostgreSQL database is used.
    pub postgres: Postgres,
    /// How long what is known is gone by while the database doesn't answer, in seconds; 0 refuses at once.
    pub max_staleness_seconds: u64,
    /// The master key itself, 64 hexadecimal characters; better given by a file.
    pub master_key: Option<MasterKeyText>,
    /// A file that holds the master key; without it, `master.key` in the data directory.
    pub master_key_file: Option<PathBuf>,
    /// Where clients reach this service; a registry's realm is this and `/token`.
    pub public_url: String,
    /// Where `/metrics` is served, with `/healthz` and `/readyz`: an address, or a port on loopback; nowhere without it.
    pub metrics_listen: Option<Listen>,
    /// What happens when audit lines come faster than the database takes them.
    pub audit: AuditMode,
    /// How many days audit lines are kept; 0 keeps them for ever.
    pub audit_days: u32,
    /// HTTPS.
    pub tls: Tls,
    /// The web pages that may ask for tokens.
    pub cors: Cors,
    /// Lets the service speak plain HTTP at an address that others than this machine's programs reach: a proxy in front
    /// of it speaks TLS.
    pub allow_plain_http: bool,
    /// How the service ends.
    pub shutdown: Shutdown,
    /// How old the keys become that sign and seal.
    pub keys: Keys,
    /// Which signatures are accepted.
    pub signatures: Signatures,
    /// What replicas tell each other at every call.
    pub shared: Shared,
    /// How often and how much.
    pub limits: Limits,
    /// The domain under which instances that an API makes get their service: `NAME.DOMAIN`. Without it none is made so.
    pub base_domain: Option<String>,
    /// How many there may be.
    pub quotas: Quotas,
    /// Service accounts.
    pub service_accounts: ServiceAccounts,
    /// Addresses or networks (`10.0.0.0/8`) of reverse proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<String>,
    /// What this service may ask of others: the keys of OpenID Connect issuers.
    pub outgoing: Outgoing,
    /// The registry's program that `quickstart` starts; without it, `docker-registry` or `registry` on the path.
    pub quickstart_registry: Option<PathBuf>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            data_dir: PathBuf::from("./transire-data"),
            listen: Listen::Port(8480),
            database: None,
            postgres: Postgres::default(),
            max_staleness_seconds: 300,
            master_key: None,
            master_key_file: None,
            public_url: "http://localhost:8480".to_owned(),
            metrics_listen: None,
            audit: AuditMode::BestEffort,
            audit_days: 90,
            tls: Tls::default(),
            cors: Cors::default(),
            allow_plain_http: false,
            shutdown: Shutdown::default(),
            keys: Keys::default(),
            signatures: Signatures::default(),
            shared: Shared::default(),
            limits: Limits::default(),
            base_domain: None,
            quotas: Quotas::default(),
            service_accounts: ServiceAccounts::default(),
            trusted_proxies: Vec::new(),
            outgoing: Outgoing::default(),
            quickstart_registry: None,
        }
    }
}

/// How a PostgreSQL database is used.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Postgres {
    /// Connections of one process at once.
    pub connections: usize,
    /// Whether sessions keep prepared statements and settings; `false` for poolers that give each transaction another
    /// session.
    pub prepared_statements: bool,
    /// How strictly transactions are kept apart.
    pub isolation: Isolation,
    /// How long each host may take to let a connection in, in seconds.
    pub connect_seconds: u64,
    /// How long the server may work on one statement, in seconds.
    pub statement_seconds: u64,
    /// How long `serve` waits at its start for a database that doesn't answer, in seconds.
    pub start_seconds: u64,
    /// Whether replicas tell each other of changes by NOTIFY, besides looking for them.
    pub notify: bool,
}

/// How strictly transactions are kept apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Isolation {
    /// Writes hold the rows that they rest on, and wait for each other.
    ReadCommitted,
    /// The strictest level: writes that meet are tried again.
    Serializable,
}

impl Default for Postgres {
    fn default() -> Self {
        Self {
            connections: 16,
            prepared_statements: true,
            isolation: Isolation::ReadCommitted,
            connect_seconds: 3,
            statement_seconds: 5,
            start_seconds: 60,
            notify: true,
        }
    }
}

/// Where to listen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listen {
    /// At this port on loopback.
    Port(u16),
    /// At this address.
    Address(SocketAddr),
}

impl Listen {
    /// How it is written.
    const ALLOWED: &str = "a port on loopback such as 8480, or an address such as 0.0.0.0:8480 or [::1]:8480";

    /// Returns the address.
    pub fn address(self) -> SocketAddr {
        match self {
            Self::Port(port) => SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
            Self::Address(address) => address,
        }
    }
}

impl FromStr for Listen {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let port = text.parse().map(Self::Port);
        port.or_else(|_| text.parse().map(Self::Address))
            .map_err(|_| Error::invalid_parameter("listen", format!("it is {}", Self::ALLOWED)))
    }
}

impl<'de> Deserialize<'de> for Listen {
    /// Reads a number, or text.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl de::Visitor<'_> for Visitor {
            type Value = Listen;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(Listen::ALLOWED)
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Listen, E> {
                u16::try_from(number).map(Listen::Port).map_err(|_| E::invalid_value(de::Unexpected::Signed(number), &self))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Listen, E> {
                text.parse().map_err(|_| E::invalid_value(de::Unexpected::Str(text), &self))
            }
        }

        deserializer.deserialize_any(Visitor)
    }
}

/// How old the keys become that sign and seal, before the service makes the next.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Keys {
    /// Signing keys, in days; 0 leaves it to the operator.
    pub signing_days: u32,
    /// Sealing keys, in days; 0 leaves it to the operator.
    pub sealing_days: u32,
}

impl Default for Keys {
    fn default() -> Self {
        // Whoever stole a key without a trace can use it for a quarter of a year at most, and a store that is ten years
        // old, as long as anything lives that was sealed, has forty sealing keys.
        Self { signing_days: 90, sealing_days: 90 }
    }
}

/// HTTPS; without it, the service speaks plain HTTP.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tls {
    /// The service's certificate and those between it and the authority, PEM; read again when it changes.
    pub certificate_file: Option<PathBuf>,
    /// The certificate's private key, PEM, not encrypted; read again when it changes.
    pub key_file: Option<PathBuf>,
}

/// The web pages that may ask for tokens.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Cors {
    /// The origins of registry user interfaces, such as `https://ui.example.com`, whose pages may ask `/token` from a
    /// browser.
    pub origins: Vec<String>,
}

/// How the service ends.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Shutdown {
    /// How long `/readyz` says that the service ends while it still takes connections, in seconds: until load balancers
    /// have heard.
    pub delay_seconds: u64,
    /// How long requests that are under way may then take, in seconds.
    pub drain_seconds: u64,
}

impl Default for Shutdown {
    fn default() -> Self {
        Self { delay_seconds: 0, drain_seconds: 10 }
    }
}

/// Service accounts.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ServiceAccounts {
    /// The rights that users may give them, in accounts that say nothing else.
    pub grant: ServiceAccountGrant,
}

/// Which signatures are accepted.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Signatures {
    /// The accepted methods, of `TC3-HMAC-SHA256`, `HmacSHA256`, `HmacSHA1` (Tencent), `ACS3-HMAC-SHA256` and
    /// `HMAC-SHA1` (Alibaba's RPC V1 and ROA V1, which share the name); all of them when absent.
    pub allow: Option<Vec<String>>,
    /// How far a request's time may be from the present, in seconds; the vendors' own 300 (Tencent) and 900 (Alibaba)
    /// stay where they are less.
    pub window_seconds: u64,
}

impl Default for Signatures {
    fn default() -> Self {
        Self { allow: None, window_seconds: 900 }
    }
}

/// What replicas tell each other at every call, through Redis or Valkey: nonces and rates.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Shared {
    /// The server: `redis://host:6379` or, with TLS, `rediss://host:6379`; without it, each replica knows its own calls
    /// alone.
    pub url: Option<SharedUrl>,
    /// The authorities that sign the server's certificate, PEM, in place of the system's.
    pub ca_file: Option<PathBuf>,
    /// How long a request waits for the server, in milliseconds.
    pub timeout_ms: u64,
}

impl Default for Shared {
    fn default() -> Self {
        Self { url: None, ca_file: None, timeout_ms: 100 }
    }
}

/// The address of a server, which may hold a password.
#[derive(Clone, Debug, Deserialize)]
#[serde(from = "String")]
pub struct SharedUrl(pub Secret);

impl From<String> for SharedUrl {
    fn from(text: String) -> Self {
        Self(Secret::new(text))
    }
}

/// What this service may ask of others.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Outgoing {
    /// Lets an OpenID Connect issuer be reached without TLS.
    pub allow_http: bool,
    /// Lets an issuer be at an address that isn't public: loopback, private networks, link-local, and so on.
    pub allow_private_addresses: bool,
    /// Authorities that are trusted besides the system's, PEM.
    pub ca_file: Option<PathBuf>,
    /// How long a request may take, in seconds.
    pub seconds: u64,
}

impl Default for Outgoing {
    fn default() -> Self {
        Self { allow_http: false, allow_private_addresses: false, ca_file: None, seconds: 5 }
    }
}

/// How often and how much.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Requests a second of one account and one action.
    pub requests_per_second: u32,
    /// Other figures for some actions: `"tcr:CreateInstanceToken" = 20`.
    pub actions: HashMap<String, u32>,
    /// Refused requests a second of one address, before its next ones are refused unread.
    pub refusals_per_second: u32,
    /// Refused requests of one address at once.
    pub refusals_burst: u32,
    /// Failed log-ins of one address with one username at once, before chosen passwords have to wait.
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
    /// Passwords that people chose, hashed at once: each takes a core for some 20 milliseconds, and 19 MiB.
    pub password_threads: usize,
    /// Passwords that wait for that; whoever comes beyond them is told to come again.
    pub password_queue: usize,
    /// The largest body, in bytes.
    pub body_bytes: usize,
    /// The largest body of a TC3 request, in bytes; Tencent's own limit is 10 MB.
    pub tc3_body_bytes: usize,
    /// Bodies in memory at once, in bytes: half for known keys, half for who is known only by the body.
    pub bodies_in_flight_bytes: usize,
    /// How long a whole body may take, in seconds.
    pub body_seconds: u64,
    /// How long a request's headers may take, in seconds.
    pub header_seconds: u64,
    /// The largest head of a request, in bytes.
    pub header_bytes: usize,
    /// How long a connection may be without a request, in seconds.
    pub idle_seconds: u64,
    /// Connections at once.
    pub connections: usize,
    /// Connections of one address at once; trusted proxies have no such limit.
    pub connections_per_address: usize,
    /// The most of them that never carried an authenticated caller.
    pub unauthenticated_connections_per_address: usize,
    /// Seconds that a client may take nothing of an answer.
    pub answer_seconds: u32,
    /// Requests in work at once; whoever comes beyond them is refused.
    pub requests_in_work: usize,
    /// How long requests may wait for a processor before some are refused, in milliseconds.
    pub wait_milliseconds: u64,
    /// Audit lines that wait to be written.
    pub audit_queue: usize,
    /// How long a request waits for the database, in seconds.
    pub database_seconds: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            requests_per_second: 100,
            actions: HashMap::new(),
            refusals_per_second: 20,
            refusals_burst: 200,
            failed_log_ins: 10,
            failed_log_ins_per_minute: 10,
            anonymous_per_second: 100,
            anonymous_burst: 1000,
            token_requests_per_second: 100,
            token_requests_burst: 1000,
            nonces_per_access_key: 65_536,
            password_threads: 4,
            password_queue: 32,
            body_bytes: 1 << 20,
            tc3_body_bytes: 1 << 20,
            bodies_in_flight_bytes: 32 << 20,
            body_seconds: 10,
            header_seconds: 10,
            header_bytes: 64 << 10,
            idle_seconds: 120,
            connections: 10_000,
            connections_per_address: 1000,
            unauthenticated_connections_per_address: 128,
            answer_seconds: 15,
            requests_in_work: 1000,
            wait_milliseconds: 5,
            audit_queue: 20_000,
            database_seconds: 5,
        }
    }
}

/// A database's address, which may hold a password.
#[derive(Clone, Deserialize)]
#[serde(transparent)]
pub struct DatabaseUrl(String);

impl DatabaseUrl {
    /// Takes an address given as an argument, where every user of the machine can read it: without a password.
    pub fn from_argument(url: &str) -> Result<Self> {
        let address = Address::divide(url);
        let has_password = address.is_some_and(|address| address.has_password());
        // What is no URL may still be meant as one.
        if has_password || url.contains("password=") { Err(password_in_argument()) } else { Ok(Self(url.to_owned())) }
    }

    /// Returns the address as it was given.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Returns the address with the password that the user's pgpass file holds for it, if it has none of its own.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
    pub fn with_known_password(self) -> Self {
        if Address::divide(&self.0).is_none_or(|address| address.has_password()) {
            return self;
        }
        let path =
            std::env::var("PGPASSFILE").map(PathBuf::from).or_else(|_| std::env::var("HOME").map(|home| Path::new(&home).join(".pgpass")));
        // No pgpass file, no password from it.
        let pgpass = path.ok().and_then(|path| read_pgpass(&path)).unwrap_or_default();
        self.with_pgpass(&pgpass)
    }

    /// Returns the address with the password that a pgpass file holds for its first host, if it has none of its own.
    fn with_pgpass(self, pgpass: &str) -> Self {
        let Some(address) = Address::divide(&self.0).filter(|address| !address.has_password()) else { return self };
        let (host, port) = address.first_host();
        let wanted = [host, port, decoded(address.database), decoded(address.user)];
        let password = pgpass.lines().filter(|line| !line.starts_with('#')).find_map(|line| {
            let fields = pgpass_fields(line);
            let (password, rest) = fields.split_last()?;
            let fits = rest.len() == wanted.len() && rest.iter().zip(&wanted).all(|(given, wanted)| given == "*" || given == wanted);
            fits.then(|| password.clone())
        });
        match password {
            Some(password) => Self(address.with_password(&password)),
            None => self,
        }
    }
}

/// The parts of a database's address, which may name several hosts; as they are written.
struct Address<'a> {
    scheme: &'a str,
    user: &'a str,
    password: Option<&'a str>,
    hosts: &'a str,
    database: &'a str,
    query: Option<&'a str>,
}

impl<'a> Address<'a> {
    fn divide(url: &'a str) -> Option<Self> {
        let (scheme, rest) = url.split_once("://")?;
        let (authority, rest) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let (path, query) = rest.split_once('?').map_or((rest, None), |(path, query)| (path, Some(query)));
        let (credentials, hosts) = authority.rsplit_once('@').unwrap_or(("", authority));
        let (user, password) = credentials.split_once(':').map_or((credentials, None), |(user, password)| (user, Some(password)));
        Some(Self { scheme, user, password, hosts, database: path.trim_start_matches('/'), query })
    }

    fn has_password(&self) -> bool {
        let mut parameters = url::form_urlencoded::parse(self.query.unwrap_or_default().as_bytes());
        self.password.is_some() || parameters.any(|(name, _)| name == "password")
    }

    fn first_host(&self) -> (String, String) {
        let first = self.hosts.split(',').next().unwrap_or_default();
        // An IPv6 address has colons of its own, and brackets.
        let (host, port) = match first.rsplit_once(':').filter(|(_, port)| !port.contains(']')) {
            Some((host, port)) => (host, port),
            None => (first, "5432"),
        };
        let host = decoded(host.trim_matches(['[', ']']));
        (if host.is_empty() { "localhost".to_owned() } else { host }, port.to_owned())
    }

    fn with_password(&self, password: &str) -> String {
        let password = percent_encoding::utf8_percent_encode(password, percent_encoding::NON_ALPHANUMERIC);
        let query = self.query.map(|query| format!("?{query}")).unwrap_or_default();
        format!("{}://{}:{password}@{}/{}{query}", self.scheme, self.user, self.hosts, self.database)
    }
}

fn decoded(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// Refuses a settings file that holds the master key and that others may read, and warns of one that holds a password.
fn check_secrets_in(path: &Path, text: &str) -> Result<()> {
    // It was read a moment ago.
    let Ok(table) = text.parse::<toml::Table>() else { return Ok(()) };
    if table.contains_key("master_key") {
        secret_files::check_key("the settings file, which holds the master key,", path)?;
    }
    let has_password = |url: Option<&toml::Value>| url.and_then(toml::Value::as_str).is_some_and(|url| url.contains('@'));
    let shared = table.get("shared").and_then(|shared| shared.get("url"));
    if secret_files::is_public(path) && (has_password(shared) || has_password(table.get("database"))) {
        tracing::warn!(
            "the settings file {} may hold a password, and every user of this machine can read it: chmod 640 it",
            path.display()
        );
    }
    Ok(())
}

/// Reads a pgpass file as libpq does: a file that others can read is warned of, and not used.
fn read_pgpass(path: &Path) -> Option<String> {
    if secret_files::is_shared(path) {
        tracing::warn!("the password file {} is not used, because others can read it: chmod 600 it", path.display());
        return None;
    }
    std::fs::read_to_string(path).ok()
}

/// Tells whether the user wants no colours, by the variable of no-color.org.
pub fn refuses_colours() -> bool {
    std::env::var_os("NO_COLOR").is_some_and(|text| !text.is_empty())
}

/// Divides a line of a pgpass file at its colons; `\:` and `\\` stand for themselves.
fn pgpass_fields(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        let last = fields.len() - 1;
        match character {
            '\\' => fields[last].extend(characters.next()),
            ':' => fields.push(String::new()),
            other => fields[last].push(other),
        }
    }
    fields
}

fn password_in_argument() -> Error {
    Error::misconfigured(
        "a database password must not be an argument, where other users of this machine can read it: \
         put the URL into the settings file (database = \"…\"), into TRANSIRE_DATABASE, or the password into ~/.pgpass",
    )
}

impl std::fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[database url]")
    }
}

/// A master key given in the settings or the environment.
#[derive(Clone, Debug, Deserialize)]
#[serde(from = "String")]
pub struct MasterKeyText(pub Secret);

impl From<String> for MasterKeyText {
    fn from(text: String) -> Self {
        Self(Secret::new(text))
    }
}

/// Settings given as arguments, which go over the file and the environment.
#[derive(Clone, Debug, Default)]
pub struct Arguments {
    /// The settings file.
    pub config: Option<PathBuf>,
    /// As [`Settings::data_dir`].
    pub data_dir: Option<PathBuf>,
    /// As [`Settings::database`].
    pub database: Option<DatabaseUrl>,
}

impl Settings {
    /// Reads the file, if one is named, the environment over it, and the arguments over both.
    ///
    /// `Misconfigured` names the file and the line, or the variable, and says what is allowed.
    pub fn load(arguments: Arguments) -> Result<Self> {
        let file = arguments.config.or_else(|| std::env::var_os(CONFIG).map(PathBuf::from));
        let text = match &file {
            Some(path) => std::fs::read_to_string(path)
                .map_err(|error| Error::misconfigured(format!("the settings file {} can't be read: {error}", path.display())))?,
            None => String::new(),
        };
        // It may hold the master key.
        let text = Zeroizing::new(text);
        // Others' variables may be anything.
        let ours = std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value)));
        let variables = ours.filter(|(name, _)| name.starts_with(PREFIX)).map(|(name, value)| match value.into_string() {
            Ok(value) => Ok((name, value)),
            Err(_) => Err(Error::misconfigured(format!("the variable {name} is not UTF-8"))),
        });
        let mut settings = Self::read(file.as_deref(), &text, variables.collect::<Result<Vec<_>>>()?)?;
        if let Some(path) = &file {
            check_secrets_in(path, &text)?;
        }
        settings.data_dir = arguments.data_dir.unwrap_or(settings.data_dir);
        settings.database = arguments.database.or(settings.database).map(DatabaseUrl::with_known_password);
        Ok(settings)
    }

    /// Parses a file's text and the variables over it, and checks what belongs together.
    pub fn parse(text: &str, variables: impl IntoIterator<Item = (String, String)>) -> Result<Self> {
        Self::read(None, text, variables)
    }

    fn read(file: Option<&Path>, text: &str, variables: impl IntoIterator<Item = (String, String)>) -> Result<Self> {
        let mut sources = Sources::new(file, text);
        let merged = sources.merge(variables)?;
        // Each is of its kind by now: what is left is a figure that is missing among several that are set together.
        let settings: Self =
            merged.try_into().map_err(|error: toml::de::Error| Error::misconfigured(error.to_string().trim_end().replace('\n', " ")))?;
        settings.check().map_err(|fault| sources.error(&fault))?;
        Ok(settings)
    }

    fn check(&self) -> Result<(), Fault> {
        HttpUrl::parse_base(&self.public_url)
            .map_err(|fault| Fault::said("public_url", fault.explain("public_url", "https://credentials.example.com")))?;
        if let Some(allow) = &self.signatures.allow {
            let known = crate::sign::Method::ALL.map(|known| known.name());
            if let Some(unknown) = allow.iter().find(|method| !known.contains(&method.as_str())) {
                return Err(Fault::new("signatures.allow", format!("is of {}, and {unknown} is none of them", known.join(", "))));
            }
        }
        if self.base_domain.as_deref().is_some_and(|domain| crate::domain::name::check_base_domain(domain).is_err()) {
            return Err(Fault::new("base_domain", "is written like registry.example.com, perhaps with a port"));
        }
        if let Some(bad) = self.trusted_proxies.iter().find(|network| network.parse::<http::Network>().is_err()) {
            let allowed = format!("is of addresses, and networks such as 10.0.0.0/8, and {bad} is neither");
            return Err(Fault::new("trusted_proxies", allowed));
        }
        for origin in &self.cors.origins {
            if let Err(why) = origin.parse::<http::Origin>() {
                return Err(Fault::said("cors.origins", format!("cors.origins: {why}")));
            }
        }
        if self.tls.certificate_file.is_some() != self.tls.key_file.is_some() {
            let (set, missing) = match self.tls.key_file {
                Some(_) => ("tls.key_file", "tls.certificate_file"),
                None => ("tls.certificate_file", "tls.key_file"),
            };
            return Err(Fault::new(set, format!("is set together with {missing}, or neither is")));
        }
        let limits = &self.limits;
        if limits.header_bytes < SMALLEST_HEADER_BYTES {
            return Err(Fault::new("limits.header_bytes", format!("is at least {SMALLEST_HEADER_BYTES}")));
        }
        for (setting, value, largest) in [
            ("signatures.window_seconds", self.signatures.window_seconds, 900),
            ("shared.timeout_ms", self.shared.timeout_ms, 5000),
            ("outgoing.seconds", self.outgoing.seconds, 60),
        ] {
            if !(1..=largest).contains(&value) {
                return Err(Fault::new(setting, format!("is 1 to {largest}")));
            }
        }
        let postgres = &self.postgres;
        // Of these, 0 would refuse everything.
        let zero = [
            ("postgres.connections", postgres.connections as u64),
            ("postgres.connect_seconds", postgres.connect_seconds),
            ("postgres.statement_seconds", postgres.statement_seconds),
            ("limits.requests_per_second", limits.requests_per_second.into()),
            ("limits.refusals_per_second", limits.refusals_per_second.into()),
            ("limits.refusals_burst", limits.refusals_burst.into()),
            ("limits.audit_queue", limits.audit_queue as u64),
            ("limits.password_threads", limits.password_threads as u64),
            ("limits.database_seconds", limits.database_seconds),
            ("limits.failed_log_ins", limits.failed_log_ins.into()),
            ("limits.failed_log_ins_per_minute", limits.failed_log_ins_per_minute.into()),
            ("limits.anonymous_per_second", limits.anonymous_per_second.into()),
            ("limits.anonymous_burst", limits.anonymous_burst.into()),
            ("limits.token_requests_per_second", limits.token_requests_per_second.into()),
            ("limits.token_requests_burst", limits.token_requests_burst.into()),
            ("limits.requests_in_work", limits.requests_in_work as u64),
            ("limits.wait_milliseconds", limits.wait_milliseconds),
            ("limits.connections", limits.connections as u64),
            ("limits.connections_per_address", limits.connections_per_address as u64),
            ("limits.unauthenticated_connections_per_address", limits.unauthenticated_connections_per_address as u64),
            ("limits.answer_seconds", limits.answer_seconds.into()),
            ("limits.header_seconds", limits.header_seconds),
            ("limits.idle_seconds", limits.idle_seconds),
        ]
        .into_iter()
        .find(|(_, value)| *value == 0);
        match zero {
            Some((setting, _)) => Err(Fault::new(setting, "is at least 1; leave it out for its usual value")),
            None => Ok(()),
        }
    }

    /// Returns what the front doors are told.
    pub fn http(&self) -> http::Settings {
        let limits = &self.limits;
        http::Settings {
            max_body_bytes: limits.body_bytes,
            max_tc3_body_bytes: limits.tc3_body_bytes,
            body_timeout: Duration::from_secs(limits.body_seconds),
            body_budget_bytes: limits.bodies_in_flight_bytes,
            max_in_work: limits.requests_in_work,
            max_wait: Duration::from_millis(limits.wait_milliseconds),
            // Checked when the settings were read.
            trusted_proxies: self.trusted_proxies.iter().filter_map(|network| network.parse().ok()).collect(),
            cors: http::Cors::new(self.cors.origins.iter().filter_map(|origin| origin.parse().ok()).collect()),
            public_url: self.public_url.clone(),
            ..http::Settings::default()
        }
    }

    /// Looks for the first of these programs on the path.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
    pub fn find_program(names: &[&str]) -> Option<PathBuf> {
        let path = std::env::var("PATH").ok()?;
        let places: Vec<PathBuf> = std::env::split_paths(&path).collect();
        names.iter().find_map(|name| places.iter().map(|place| place.join(name)).find(|program| program.is_file()))
    }

    /// Returns what registries send their clients to for a token.
    pub fn realm(&self) -> String {
        format!("{}/token", self.public_url)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ErrorKind;

    fn parse(text: &str, variables: &[(&str, &str)]) -> Result<Settings> {
        Settings::parse(text, variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
    }

    #[test]
    fn the_environment_goes_over_the_file() {
        let settings = parse(
            "public_url = 'http://a.example.com'\n[limits]\nbody_bytes = 5",
            &[
                ("TRANSIRE_PUBLIC_URL", "https://b.example.com"),
                ("TRANSIRE_LIMITS__REQUESTS_PER_SECOND", "7"),
                ("TRANSIRE_AUDIT", "required"),
                ("TRANSIRE_TRUSTED_PROXIES", "['192.0.2.1']"),
                ("TRANSIRE_DATA_DIR", "/var/lib/transire"),
                ("TRANSIRE_CONFIG", "/etc/transire.toml"),
                ("TRANSIRE_TEST_ANYTHING", "x"),
            ],
        )
        .unwrap();
        assert_eq!(settings.data_dir, Path::new("/var/lib/transire"));
        assert_eq!(settings.realm(), "https://b.example.com/token");
        assert_eq!((settings.limits.requests_per_second, settings.limits.body_bytes), (7, 5));
        assert_eq!(settings.audit, AuditMode::Required);
        assert_eq!(settings.trusted_proxies, ["192.0.2.1"]);
    }

    #[test]
    fn web_pages_are_named_one_by_one() {
        assert!(parse("", &[]).unwrap().cors.origins.is_empty());
        let settings = parse("", &[("TRANSIRE_CORS__ORIGINS", "['https://ui.example.com']")]).unwrap();
        assert_eq!(settings.cors.origins, ["https://ui.example.com"]);
        for bad in ["*", "null", "https://ui.example.com/", "ui.example.com"] {
            let error = parse(&format!("[cors]\norigins = ['https://ui.example.com', '{bad}']"), &[]).unwrap_err();
            assert!(error.message().contains(&format!("cors.origins: \"{bad}\"")), "{error}");
        }
    }

    #[test]
    fn quotas_and_the_base_domain_are_read() {
        let settings = parse(
            "base_domain = 'registry.example.com'\n[quotas]\ninstances = 3\nnamespaces = { basic = 1, standard = 2, premium = 3 }",
            &[("TRANSIRE_QUOTAS__ALLOW_LIST_ENTRIES", "7")],
        )
        .unwrap();
        let quotas = settings.quotas;
        assert_eq!((quotas.instances, quotas.allow_list_entries, quotas.namespaces.premium, quotas.repositories.basic), (3, 7, 3, 1000));
        assert_eq!(settings.base_domain.as_deref(), Some("registry.example.com"));
        for bad in ["base_domain = 'https://example.com'", "base_domain = ''", "[quotas]\nwings = 2"] {
            assert!(parse(bad, &[]).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_port_alone_is_one_on_loopback() {
        let usual = parse("", &[]).unwrap();
        assert_eq!((usual.metrics_listen, usual.listen.address().to_string().as_str()), (None, "127.0.0.1:8480"));
        for (text, expected) in
            [("9480", "127.0.0.1:9480"), ("'9480'", "127.0.0.1:9480"), ("'0.0.0.0:9480'", "0.0.0.0:9480"), ("'[::1]:9480'", "[::1]:9480")]
        {
            let settings = parse(&format!("metrics_listen = {text}\nlisten = {text}"), &[]).unwrap();
            for listen in [settings.metrics_listen.unwrap(), settings.listen] {
                assert_eq!(listen.address().to_string(), expected);
            }
        }
        assert_eq!(parse("", &[("TRANSIRE_METRICS_LISTEN", "0")]).unwrap().metrics_listen, Some(Listen::Port(0)));
        assert_eq!(parse("", &[("TRANSIRE_LISTEN", "[::]:443")]).unwrap().listen.address().to_string(), "[::]:443");
        // `--listen 8480` said "invalid socket address syntax".
        assert_eq!("8480".parse::<Listen>().unwrap(), Listen::Port(8480));
        for bad in ["'everywhere'", "':8480'", "65536", "-1", "'localhost:8480'", "true"] {
            let refusal = parse(&format!("listen = {bad}"), &[]).unwrap_err();
            assert_eq!(refusal.message(), format!("the settings file:1: listen is {}", Listen::ALLOWED));
        }
    }

    #[test]
    fn the_ages_of_keys_are_days() {
        let keys = parse("[keys]\nsigning_days = 7", &[("TRANSIRE_KEYS__SEALING_DAYS", "0")]).unwrap().keys;
        assert_eq!((keys.signing_days, keys.sealing_days), (7, 0));
        assert!(parse("[keys]\nmaster_days = 1", &[]).is_err());
    }

    fn refusal(text: &str, variables: &[(&str, &str)]) -> String {
        let error = parse(text, variables).unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::Misconfigured);
        error.message().to_owned()
    }

    #[test]
    fn an_unknown_setting_is_refused_with_its_place_and_the_nearest_one() {
        for (text, said) in [
            ("\npublicurl = 'x'", "the settings file:2: there is no setting publicurl; the nearest is public_url"),
            ("[limits]\n\nbody_byte = 5", "the settings file:3: there is no setting limits.body_byte; the nearest is limits.body_bytes"),
            ("[limit]\nbody_bytes = 5", "the settings file:1: there is no setting limit; docs/settings.md lists them"),
            ("limits = 5", "the settings file:1: limits is a table"),
            (
                "quotas.namespaces.tiny = 5",
                "the settings file:1: there is no setting quotas.namespaces.tiny; the nearest is quotas.namespaces.basic",
            ),
        ] {
            assert_eq!(refusal(text, &[]), said);
        }
        for (name, said) in [
            ("TRANSIRE_PUBLICURL", "the variable TRANSIRE_PUBLICURL names no setting; the nearest is TRANSIRE_PUBLIC_URL"),
            (
                "TRANSIRE_LIMITS_BODY_BYTES",
                "the variable TRANSIRE_LIMITS_BODY_BYTES names no setting; the nearest is TRANSIRE_LIMITS__BODY_BYTES",
            ),
            ("TRANSIRE_CONFIGURATION", "the variable TRANSIRE_CONFIGURATION names no setting; the nearest is TRANSIRE_CONFIG"),
        ] {
            assert_eq!(refusal("", &[(name, "x")]), said);
        }
    }

    /// A Service called `transire` puts these into every container of its namespace, and they stopped service and commands.
    #[test]
    fn what_kubernetes_sets_for_a_service_called_transire_is_passed_over() {
        let settings = parse(
            "",
            &[
                ("TRANSIRE_SERVICE_HOST", "10.96.0.1"),
                ("TRANSIRE_SERVICE_PORT", "8480"),
                ("TRANSIRE_SERVICE_PORT_HTTP", "8480"),
                ("TRANSIRE_PORT", "tcp://10.96.0.1:8480"),
                ("TRANSIRE_PORT_8480_TCP", "tcp://10.96.0.1:8480"),
                ("TRANSIRE_PORT_8480_TCP_PROTO", "tcp"),
                ("TRANSIRE_PORT_8480_TCP_PORT", "8480"),
                ("TRANSIRE_PORT_8480_TCP_ADDR", "10.96.0.1"),
                ("TRANSIRE_LISTEN_SERVICE_HOST", "10.96.0.2"),
                ("TRANSIRE_LISTEN_PORT", "tcp://10.96.0.2:80"),
                ("TRANSIRE_LISTEN", "0.0.0.0:80"),
            ],
        );
        assert_eq!(settings.unwrap().listen.address().to_string(), "0.0.0.0:80");
        assert!(refusal("", &[("TRANSIRE_PORT", "8480")]).contains("the variable TRANSIRE_PORT names no setting"));
    }

    #[test]
    fn a_value_that_is_not_allowed_is_refused_with_its_place_and_what_is() {
        let text = "audit = 'best-effort'\n\n[limits]\nidle_seconds = 60\nheader_bytes = 10_000\n";
        for (variable, said) in [
            (("TRANSIRE_LIMITS__BODY_SECONDS", "ten"), "TRANSIRE_LIMITS__BODY_SECONDS: limits.body_seconds is a whole number"),
            (
                ("TRANSIRE_LIMITS__REQUESTS_PER_SECOND", "-1"),
                "TRANSIRE_LIMITS__REQUESTS_PER_SECOND: limits.requests_per_second is a whole number, at most 4294967295",
            ),
            (("TRANSIRE_AUDIT", "always"), "TRANSIRE_AUDIT: audit is one of best-effort, required"),
            (("TRANSIRE_POSTGRES__NOTIFY", "no"), "TRANSIRE_POSTGRES__NOTIFY: postgres.notify is true or false"),
            (
                ("TRANSIRE_TRUSTED_PROXIES", "10.0.0.0/8"),
                "TRANSIRE_TRUSTED_PROXIES: trusted_proxies is a list such as [\"one\", \"another\"]",
            ),
            (
                ("TRANSIRE_LIMITS__IDLE_SECONDS", "0"),
                "TRANSIRE_LIMITS__IDLE_SECONDS: limits.idle_seconds is at least 1; leave it out for its usual value",
            ),
            (("TRANSIRE_LIMITS__HEADER_BYTES", "1"), "TRANSIRE_LIMITS__HEADER_BYTES: limits.header_bytes is at least 8192"),
            (
                ("TRANSIRE_TLS__KEY_FILE", "/key"),
                "TRANSIRE_TLS__KEY_FILE: tls.key_file is set together with tls.certificate_file, or neither is",
            ),
        ] {
            assert_eq!(refusal(text, &[variable]), said);
        }
        for (text, said) in [
            ("audit = 'always'", "the settings file:1: audit is one of best-effort, required"),
            (
                "\n[limits]\nwait_milliseconds = 0",
                "the settings file:3: limits.wait_milliseconds is at least 1; leave it out for its usual value",
            ),
            (
                "[limits]\nactions = { a = 'b' }",
                "the settings file:2: limits.actions is a table such as { \"tcr:CreateInstanceToken\" = 20 }",
            ),
            ("postgres.isolation = 'chaos'", "the settings file:1: postgres.isolation is one of read-committed, serializable"),
            ("data_dir = 5", "the settings file:1: data_dir is text"),
            ("quotas.namespaces.basic = 5", "missing field `standard` in `quotas.namespaces`"),
        ] {
            assert_eq!(refusal(text, &[]), said);
        }
        assert!(refusal("", &[("TRANSIRE_SIGNATURES__ALLOW", "['MD5']")]).contains("MD5 is none of them"));
        // The documents named `acs` for ROA, and the settings refused it.
        let documented = ["TC3-HMAC-SHA256", "HmacSHA256", "HmacSHA1", "ACS3-HMAC-SHA256", "HMAC-SHA1"];
        assert_eq!(parse(&format!("[signatures]\nallow = {documented:?}"), &[]).unwrap().signatures.allow.unwrap(), documented);
    }

    #[test]
    fn a_public_url_that_can_not_work_is_refused_by_its_wrong_part() {
        for (url, part) in [
            ("https://", "host is missing"),
            ("token", "scheme is missing"),
            ("http://host:%!s(<nil>)", "port \"%!s(<nil>)\""),
            ("https://me:hunter2EXAMPLE@a.example.com", "username"),
            ("https://a.example.com?x", "query"),
            ("https://a.example.com//x", "'//'"),
            ("https://a.example.com/", "ends with '/'"),
        ] {
            let error = parse("", &[("TRANSIRE_PUBLIC_URL", url)]).unwrap_err();
            assert_eq!(error.kind(), &ErrorKind::Misconfigured, "{url}");
            assert!(error.message().contains("public_url: it") && error.message().contains(part), "{url}: {error}");
            assert!(!error.message().contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn a_variable_may_hold_a_whole_table() {
        let (quotas, figures) = ("TRANSIRE_QUOTAS__NAMESPACES", "{ basic = 1, standard = 2, premium = 3 }");
        let settings = parse("", &[(quotas, figures), ("TRANSIRE_QUOTAS__NAMESPACES__PREMIUM", "7")]).unwrap();
        assert_eq!((settings.quotas.namespaces.basic, settings.quotas.namespaces.premium), (1, 7));
        for (value, said) in [
            ("7", "TRANSIRE_QUOTAS__NAMESPACES: quotas.namespaces is a table"),
            (
                "{ tiny = 1 }",
                "TRANSIRE_QUOTAS__NAMESPACES: there is no setting quotas.namespaces.tiny; the nearest is quotas.namespaces.basic",
            ),
            ("{ basic = 'x' }", "TRANSIRE_QUOTAS__NAMESPACES: quotas.namespaces.basic is a whole number, at most 4294967295"),
        ] {
            assert_eq!(refusal("[quotas.namespaces]\nbasic = 1\nstandard = 2\npremium = 3", &[(quotas, value)]), said);
        }
    }

    #[test]
    fn what_can_not_be_read_is_named_by_its_line_and_never_quoted() {
        for text in ["# comment\ndatabase = postgres://u:hunter2EXAMPLE@db.example.com/t\n", "\nmaster_key = 12hunter2EXAMPLE"] {
            let said = refusal(text, &[]);
            assert!(said.starts_with("the settings file:2: ") && !said.contains("hunter2"), "{said}");
        }
    }

    #[test]
    fn others_are_asked_at_public_addresses_by_https_alone_unless_it_is_set() {
        let outgoing = parse("", &[]).unwrap().outgoing;
        assert!(!outgoing.allow_http && !outgoing.allow_private_addresses && outgoing.ca_file.is_none());
        let outgoing =
            parse("[outgoing]\nallow_http = true\nca_file = '/etc/ca.pem'", &[("TRANSIRE_OUTGOING__SECONDS", "7")]).unwrap().outgoing;
        assert!(outgoing.allow_http && !outgoing.allow_private_addresses && outgoing.seconds == 7);
        assert!(parse("[outgoing]\nseconds = 0", &[]).is_err());
    }

    #[test]
    fn how_postgres_is_used_is_set_in_its_own_table() {
        let settings = parse("[postgres]\nprepared_statements = false", &[("TRANSIRE_POSTGRES__ISOLATION", "serializable")]).unwrap();
        assert_eq!((settings.postgres.prepared_statements, settings.postgres.isolation), (false, Isolation::Serializable));
        assert!(settings.postgres.connections == 16 && settings.postgres.notify);
        for bad in ["isolation = 'chaos'", "connections = 0", "statement_seconds = 0", "connect_seconds = 0", "pool = 3"] {
            assert!(parse(&format!("[postgres]\n{bad}"), &[]).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_replicas_share_is_off_until_a_server_is_named() {
        let settings = parse("", &[]).unwrap();
        assert!(settings.shared.url.is_none() && settings.signatures.window_seconds == 900);
        let variable = ("TRANSIRE_SHARED__URL", "rediss://:hunter2EXAMPLE@cache.example.com:6380");
        let settings = parse("[shared]\ntimeout_ms = 50\n[signatures]\nwindow_seconds = 60", &[variable]).unwrap();
        assert_eq!((settings.shared.timeout_ms, settings.signatures.window_seconds), (50, 60));
        assert!(!format!("{settings:?}").contains("hunter2"));
        for bad in ["[shared]\ntimeout_ms = 0", "[signatures]\nwindow_seconds = 901", "[shared]\nurls = 'x'"] {
            assert!(parse(bad, &[]).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_known_is_gone_by_for_five_minutes_unless_it_is_set() {
        assert_eq!(parse("", &[]).unwrap().max_staleness_seconds, 300);
        assert_eq!(parse("max_staleness_seconds = 0", &[]).unwrap().max_staleness_seconds, 0);
        assert!(parse("[limits]\ndatabase_seconds = 0", &[]).is_err());
    }

    #[test]
    fn secrets_in_settings_are_not_printed() {
        let settings =
            parse("database = 'postgres://u:hunter2EXAMPLE@db.example.com/t'", &[("TRANSIRE_MASTER_KEY", &"12".repeat(32))]).unwrap();
        let printed = format!("{settings:?}");
        assert!(!printed.contains("hunter2") && !printed.contains("1212"), "{printed}");
        assert_eq!(settings.master_key.unwrap().0.expose(), "12".repeat(32));
    }

    #[test]
    fn a_database_password_is_refused_as_an_argument() {
        assert!(DatabaseUrl::from_argument("postgres://u@db.example.com/t").is_ok());
        for bad in [
            "postgres://u:p@db.example.com/t",
            "postgres://u@db.example.com/t?password=p",
            "postgres://u@db.example.com/t?passwor%64=p",
            // What can't be parsed as a URL of one host went through.
            "postgres://u:p@a.example.com:5432,b.example.com:5432/t",
            "host=db.example.com password=p",
        ] {
            assert!(DatabaseUrl::from_argument(bad).unwrap_err().message().contains("pgpass"));
        }
    }

    #[test]
    fn a_pgpass_file_gives_the_password() {
        let url = || DatabaseUrl::from_argument("postgres://u@db.example.com:5433/t").unwrap();
        let several = DatabaseUrl::from_argument("postgres://u@a.example.com:1,b.example.com:2/t?sslmode=require").unwrap();
        assert_eq!(
            several.with_pgpass("a.example.com:1:t:u:p@ss").expose(),
            "postgres://u:p%40ss@a.example.com:1,b.example.com:2/t?sslmode=require"
        );
        let local = DatabaseUrl::from_argument("postgres://u@[::1]/t").unwrap();
        assert_eq!(local.with_pgpass("\\:\\:1:5432:t:u:x").expose(), "postgres://u:x@[::1]/t");
        let pgpass = "# comment\ndb.example.com:5432:t:u:wrong\n*:5433:t:u:se\\:cret\n*:*:*:*:late";
        assert_eq!(url().with_pgpass(pgpass).expose(), "postgres://u:se%3Acret@db.example.com:5433/t");
        assert_eq!(url().with_pgpass("").expose(), "postgres://u@db.example.com:5433/t");
    }
}
