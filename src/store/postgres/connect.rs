//! Which servers there are, how they are reached and in which order.

use std::error::Error as StdError;
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use deadpool::managed::{self, Metrics, RecycleError, RecycleResult};
use deadpool_postgres::ClientWrapper;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};
use tokio_postgres::{AsyncMessage, Config};

use crate::domain::secret::Secret;
use crate::domain::{Error, Result};

use super::tls::{Mode, Tls};

/// How strictly transactions are kept apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isolation {
    /// The level that the guards of a write are written for: they hold the rows that they depend
    /// on.
    ReadCommitted,
    /// The strictest level: more writes fail and are tried again.
    Serializable,
}

/// How statements are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Statements {
    /// Prepared once a connection, under a name.
    Prepared,
    /// Without a name and without anything else that a session keeps: for poolers that give each
    /// transaction another session.
    Unnamed,
}

/// How a PostgreSQL database is used.
#[derive(Clone, Debug)]
pub struct PostgresOptions {
    /// The most connections that this process holds.
    pub connections: usize,
    /// How strictly transactions are kept apart.
    pub isolation: Isolation,
    /// How statements are sent.
    pub statements: Statements,
    /// How long one host may take to let a connection in.
    pub connect_timeout: Duration,
    /// How long the server may work on one statement.
    pub statement_timeout: Duration,
    /// How long the service waits at its start for a database that does not answer.
    pub start_timeout: Duration,
    /// Whether replicas tell each other of changes by NOTIFY, besides looking for them.
    pub notify: bool,
}

impl Default for PostgresOptions {
    fn default() -> Self {
        Self {
            connections: 16,
            isolation: Isolation::ReadCommitted,
            statements: Statements::Prepared,
            connect_timeout: Duration::from_secs(3),
            statement_timeout: Duration::from_secs(5),
            start_timeout: Duration::from_secs(60),
            notify: true,
        }
    }
}

/// Bounds each wait for another transaction.
///
/// The writes of a replica that is cut off get the lock one after the other, and each keeps it for
/// [`IDLE_TIMEOUT`]. Those that still wait give up after this time, so that together they keep
/// others from writing for three seconds.
pub(super) const LOCK_TIMEOUT: &str = "2s";
/// Bounds how long a transaction may be open with nothing sent: it is of a process that stopped, or
/// is cut off, and its locks keep all others from writing. Without it the server waits until TCP
/// gives the connection up, which takes hours.
pub(super) const IDLE_TIMEOUT: &str = "idle_in_transaction_session_timeout = '1s'";
/// After so long a server that acknowledges nothing is gone.
const SILENCE: Duration = Duration::from_secs(8);

/// How long one host is tried alone before the next is tried beside it: a machine that vanished
/// answers nothing, and after a failover it may be the first.
const STAGGER: Duration = Duration::from_millis(250);

/// The servers of one database, tried in their order.
pub(super) struct Servers {
    hosts: Vec<Arc<Server>>,
    connect_timeout: Duration,
}

struct Server {
    name: String,
    config: Config,
    tls: Tls,
    /// The statements that each session gets first.
    session: Option<String>,
    announced: Announced,
}

/// Counted up by each notification that comes in, once there is somebody to count it for.
pub(super) type Announced = Arc<OnceLock<watch::Sender<u64>>>;

impl Servers {
    /// Reads the URL; errors quote nothing of it, for a password is in it.
    pub(super) fn new(
        url: &Secret,
        options: &PostgresOptions,
        announced: &Announced,
    ) -> Result<Self> {
        let parts = Parts::divide(url.expose()).ok_or_else(unreadable)?;
        let mode = parts
            .ssl_mode
            .as_deref()
            .map_or(Ok(Mode::Prefer), Mode::parse)?;
        let tls = Tls::new(mode, parts.root.as_deref())?;
        let session = session(options);
        let mut hosts = Vec::with_capacity(parts.hosts.len());
        for host in &parts.hosts {
            let name = if host.is_empty() {
                "the server".to_owned()
            } else {
                host.clone()
            };
            hosts.push(Arc::new(Server {
                name,
                config: parts.config(host, mode, options)?,
                tls: tls.clone(),
                session: session.clone(),
                announced: Arc::clone(announced),
            }));
        }
        Ok(Self {
            hosts,
            connect_timeout: options.connect_timeout,
        })
    }

    /// Returns how long it may take until all servers were tried.
    pub(super) fn patience(&self) -> Duration {
        self.connect_timeout * u32::try_from(self.hosts.len()).unwrap_or(u32::MAX)
            + Duration::from_secs(1)
    }
}

/// Reads the URL and the CA file that it names, and connects to nothing.
///
/// # Errors
/// `Misconfigured` when they can't be read.
pub(in crate::store) fn check(url: &Secret, options: &PostgresOptions) -> Result<()> {
    Servers::new(url, options, &Announced::default()).map(drop)
}

/// Returns the statements that begin a session whose statements are prepared.
///
/// A bound for whole statements would also end the wait of a COMMIT for a synchronous standby, and
/// the server then reports success: so a write lifts it again before it commits.
fn session(options: &PostgresOptions) -> Option<String> {
    match options.statements {
        Statements::Unnamed => None,
        Statements::Prepared => {
            let mut session = format!(
                "SET lock_timeout = '{LOCK_TIMEOUT}'; SET {IDLE_TIMEOUT}; SET statement_timeout = \
                 {}",
                options.statement_timeout.as_millis()
            );
            if options.isolation == Isolation::Serializable {
                session.push_str(
                    "; SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL SERIALIZABLE",
                );
            }
            Some(session)
        }
    }
}

impl Parts {
    /// Returns how one of the hosts is connected to.
    fn config(&self, host: &str, mode: Mode, options: &PostgresOptions) -> Result<Config> {
        let mut config: Config = format!("{}{host}{}", self.before, self.after)
            .parse()
            .map_err(|_| unreadable())?;
        let over_tcp = config
            .get_hosts()
            .iter()
            .any(|host| matches!(host, Host::Tcp(_)))
            || !config.get_hostaddrs().is_empty();
        config.ssl_mode(match mode {
            Mode::Disable => SslMode::Disable,
            // A socket of this machine: PostgreSQL has no TLS there, and nobody listens in.
            _ if !over_tcp => SslMode::Disable,
            Mode::Prefer => SslMode::Prefer,
            Mode::Require | Mode::VerifyCa | Mode::VerifyFull => SslMode::Require,
        });
        // Of several, one is the primary, and only there can be written.
        if self.hosts.len() > 1 && !self.after.contains("target_session_attrs=") {
            config.target_session_attrs(TargetSessionAttrs::ReadWrite);
        }
        // Without these a server that vanished is noticed after two hours.
        config
            .connect_timeout(options.connect_timeout)
            .tcp_user_timeout(SILENCE)
            .keepalives_idle(Duration::from_secs(30));
        if config.get_application_name().is_none() {
            config.application_name("transire");
        }
        Ok(config)
    }
}

impl Server {
    async fn connect(&self) -> Result<ClientWrapper, tokio_postgres::Error> {
        let (client, mut connection) = self.config.connect(self.tls.clone()).await?;
        let announced = Arc::clone(&self.announced);
        let task = tokio::spawn(async move {
            loop {
                match poll_fn(|context| connection.poll_message(context)).await {
                    Some(Ok(AsyncMessage::Notification(_))) => {
                        if let Some(announced) = announced.get() {
                            announced.send_modify(|count| *count = count.wrapping_add(1));
                        }
                    }
                    Some(Ok(_)) => {}
                    // The connection's user hears of it too, and reports it where it matters.
                    Some(Err(error)) => {
                        return tracing::debug!("a connection to the database ended: {error}");
                    }
                    None => return,
                }
            }
        });
        let client = ClientWrapper::new(client, task);
        if let Some(session) = &self.session {
            client.batch_execute(session).await?;
        }
        Ok(client)
    }

    /// Connects, or says why that can't be done, and whether waiting can't help.
    async fn try_connect(&self, limit: Duration) -> Result<ClientWrapper, (String, bool)> {
        // Around all of it: a stopped server's kernel still takes the connection.
        match timeout(limit, self.connect()).await {
            Ok(Ok(client)) => Ok(client),
            Ok(Err(error)) => Err((describe(&error), is_lasting(&error))),
            Err(_) => Err((format!("no answer within {} s", limit.as_secs_f32()), false)),
        }
    }
}

impl managed::Manager for Servers {
    type Type = ClientWrapper;
    type Error = Unreachable;

    async fn create(&self) -> Result<ClientWrapper, Unreachable> {
        let mut causes: Vec<Option<(String, bool)>> = self.hosts.iter().map(|_| None).collect();
        let mut tries = JoinSet::new();
        let mut next = 0;
        loop {
            if let Some(server) = self.hosts.get(next) {
                let (server, limit) = (Arc::clone(server), self.connect_timeout);
                tries.spawn(async move { (next, server.try_connect(limit).await) });
                next += 1;
            }
            let more = next < self.hosts.len();
            tokio::select! {
                ended = tries.join_next() => match ended {
                    // Those that are still being tried are dropped.
                    Some(Ok((_, Ok(client)))) => return Ok(client),
                    Some(Ok((place, Err(cause)))) => causes[place] = Some(cause),
                    Some(Err(panic)) => tracing::error!("connecting to the database panicked: \
                                                         {panic}"),
                    None => break,
                },
                () = sleep(STAGGER), if more => {}
            }
        }
        let causes = self
            .hosts
            .iter()
            .zip(causes)
            .filter_map(|(server, cause)| cause.map(|cause| (server, cause)));
        let mut unreachable = Unreachable {
            causes: String::new(),
            lasts: true,
        };
        for (server, (cause, lasts)) in causes {
            let divider = if unreachable.causes.is_empty() {
                ""
            } else {
                "; "
            };
            unreachable.causes += &format!("{divider}{}: {cause}", server.name);
            unreachable.lasts &= lasts;
        }
        Err(unreachable)
    }

    async fn recycle(&self, client: &mut ClientWrapper, _: &Metrics) -> RecycleResult<Unreachable> {
        if client.is_closed() {
            Err(RecycleError::message("the connection is closed"))
        } else {
            Ok(())
        }
    }
}

/// Why no server let a connection in.
#[derive(Debug)]
pub(super) struct Unreachable {
    causes: String,
    /// Whether waiting can't help: a wrong password, a certificate that is not believed.
    pub(super) lasts: bool,
}

impl fmt::Display for Unreachable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.causes)
    }
}

impl StdError for Unreachable {}

/// Says what an error says with all its sources, each once.
fn describe(error: &tokio_postgres::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let more = error.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        source = error.source();
    }
    text
}

/// Says whether connecting fails until somebody changes something.
fn is_lasting(error: &tokio_postgres::Error) -> bool {
    if let Some(state) = error.code() {
        // 28: who are you. 3D: which database.
        return state.code().starts_with("28") || state.code().starts_with("3D");
    }
    match error
        .source()
        .map(|source| source.downcast_ref::<io::Error>())
    {
        // The server hung up, or the certificate is not believed.
        Some(Some(error)) => error.get_ref().is_some_and(|inner| {
            inner.is::<rustls::Error>() || inner.is::<rustls::pki_types::InvalidDnsNameError>()
        }),
        // The server has no TLS, or wants a password that was not given.
        Some(None) => !error.is_closed(),
        None => false,
    }
}

/// Names a database for messages: its URL without user, password and parameters.
pub(in crate::store) fn place(url: &Secret) -> String {
    let Some(parts) = Parts::divide(url.expose()) else {
        return "the database".to_owned();
    };
    let name = parts.after.split('?').next().unwrap_or_default();
    format!("the database postgres://{}{name}", parts.hosts.join(","))
}

fn unreadable() -> Error {
    Error::misconfigured(
        "the PostgreSQL URL can't be read; it is written \
         postgres://USER:PASSWORD@HOST:PORT/DATABASE, or with several HOST:PORT, divided by commas",
    )
}

/// A URL, divided at its hosts.
struct Parts {
    /// The scheme, and user and password.
    before: String,
    /// The hosts between commas; one empty one when the host is given otherwise.
    hosts: Vec<String>,
    /// The database and the parameters, without those of TLS.
    after: String,
    ssl_mode: Option<String>,
    root: Option<PathBuf>,
}

impl Parts {
    fn divide(url: &str) -> Option<Self> {
        let (scheme, rest) = url
            .split_once("://")
            .filter(|(scheme, _)| matches!(*scheme, "postgres" | "postgresql"))?;
        let (authority, after) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let (credentials, hosts) = authority
            .rfind('@')
            .map_or(("", authority), |at| authority.split_at(at + 1));
        let (path, query) = after.split_once('?').unwrap_or((after, ""));
        let (mut ssl_mode, mut root, mut others) = (None, None, Vec::new());
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            // As libpq reads it, a plus is a plus.
            let escaped = pair.replace('+', "%2B");
            let (name, value) = url::form_urlencoded::parse(escaped.as_bytes()).next()?;
            match &*name {
                "sslmode" => ssl_mode = Some(value.into_owned()),
                "sslrootcert" => root = Some(PathBuf::from(&*value)),
                _ => others.push(pair),
            }
        }
        let parameters = if others.is_empty() {
            String::new()
        } else {
            format!("?{}", others.join("&"))
        };
        Some(Self {
            before: format!("{scheme}://{credentials}"),
            hosts: hosts.split(',').map(str::to_owned).collect(),
            after: format!("{path}{parameters}"),
            ssl_mode,
            root,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn servers(url: &str) -> Result<Servers> {
        Servers::new(
            &Secret::new(url),
            &PostgresOptions::default(),
            &Announced::default(),
        )
    }

    #[test]
    fn several_hosts_are_tried_in_their_order_and_only_the_primary_is_used() {
        let servers = servers(
            "postgres://bob:a%40b@one.example.com:5433,two.example.com/db\
             ?application_name=x+y&sslmode=disable",
        )
        .unwrap();
        let [one, two] = &servers.hosts[..] else {
            panic!("not two")
        };
        assert_eq!(
            (one.name.as_str(), one.config.get_ports()),
            ("one.example.com:5433", [5433].as_slice())
        );
        assert_eq!(
            two.config.get_hosts(),
            [Host::Tcp("two.example.com".to_owned())]
        );
        for config in [&one.config, &two.config] {
            assert_eq!(config.get_password(), Some(b"a@b".as_slice()));
            assert_eq!(
                (config.get_user(), config.get_dbname()),
                (Some("bob"), Some("db"))
            );
            assert_eq!(config.get_application_name(), Some("x+y"));
            assert_eq!(
                (config.get_ssl_mode(), config.get_target_session_attrs()),
                (SslMode::Disable, TargetSessionAttrs::ReadWrite)
            );
        }
        let standby = "postgres://bob@one.example.com,two.example.com/db?target_session_attrs=any";
        assert_eq!(
            super::tests::servers(standby).unwrap().hosts[0]
                .config
                .get_target_session_attrs(),
            TargetSessionAttrs::Any
        );
    }

    #[test]
    fn a_database_is_named_without_what_is_secret_about_it() {
        let named = |url: &str| place(&Secret::new(url));
        assert_eq!(
            named("postgres://bob:p@ss@one.example.com:5433,two.example.com/db?password=x"),
            "the database postgres://one.example.com:5433,two.example.com/db"
        );
        assert_eq!(named("host=one.example.com password=x"), "the database");
    }

    #[test]
    fn a_socket_of_this_machine_has_no_tls() {
        for url in [
            "postgres://bob@%2Frun%2Fpostgresql/db?sslmode=require",
            "postgres:///db?host=/run/postgresql&user=bob",
        ] {
            assert_eq!(
                servers(url).unwrap().hosts[0].config.get_ssl_mode(),
                SslMode::Disable,
                "{url}"
            );
        }
    }
}
