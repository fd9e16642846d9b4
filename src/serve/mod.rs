//! The running service: it opens the data, listens, and shuts down in order.
//!
//! [`serve`] is the command; [`run`] serves at a listener until it is told to stop. [`gate`]
//! accepts connections, [`connection`] serves one, [`slots`] limits how many there are, [`tls`]
//! reads certificates, and [`signals`] end it all. [`supervisor`] hears of it.

mod activity;
mod connection;
mod gate;
mod monitor;
mod open_files;
mod privacy;
mod signals;
mod slots;
mod supervisor;
mod tls;

use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::oneshot;

use self::connection::Phase;
use self::gate::Gate;
pub use self::signals::{Signals, Told};
use self::supervisor::Supervisor;
pub use self::tls::Tls;
use crate::config::{Settings, SupervisorVariables};
use crate::domain::url::HttpUrl;
use crate::domain::{Error, Result};
use crate::http::Server;
use crate::open::{Open, open};
use crate::service::Service;
use crate::version;

/// How long the audit's last lines may wait for the database after a second signal.
const AUDIT_DEADLINE_IN_A_HURRY: Duration = Duration::from_secs(1);
/// The sockets at which clients connect, with TLS or without.
pub struct Listener {
    tcp: TcpListener,
    tls: Option<Arc<Tls>>,
    /// The socket for monitoring systems, if there is one.
    monitoring: Option<TcpListener>,
}

impl Listener {
    /// Listens at a socket, by TLS if there is a certificate.
    pub fn new(tcp: TcpListener, tls: Option<Arc<Tls>>) -> Self {
        Self {
            tcp,
            tls,
            monitoring: None,
        }
    }

    /// Serves `/metrics`, too, at a socket of its own.
    #[must_use]
    pub fn monitored_at(mut self, monitoring: Option<TcpListener>) -> Self {
        self.monitoring = monitoring;
        self
    }
}

impl From<TcpListener> for Listener {
    /// Listens without TLS.
    fn from(tcp: TcpListener) -> Self {
        Self::new(tcp, None)
    }
}

/// Serves until SIGTERM or SIGINT. A second signal cuts off the requests in work, and one that
/// comes before the service listens ends the start.
///
/// Once it listens, it prints `{"listening":"127.0.0.1:8480"}` on stdout, with `"metrics"` where it
/// is monitored.
///
/// # Errors
/// `Misconfigured` says which setting, file or address can't be used; the other kinds are those of
/// [`open`].
pub async fn serve(settings: &Settings, signals: &mut Signals) -> Result<()> {
    tracing::info!(
        version = version::VERSION,
        commit = version::COMMIT,
        "starting"
    );
    // Before a key is read.
    privacy::keep_memory_private();
    let Ok(prepared) = signals.unless_told(prepare(settings)).await else {
        tracing::info!("told to stop before it listened");
        return Ok(());
    };
    let (service, listener) = prepared?;
    let supervisor = Supervisor::find(&SupervisorVariables::of_process());
    announce(settings, &service, &listener)?;
    if let Some(supervisor) = &supervisor {
        supervisor.ready();
    }
    let (stop, stopped) = oneshot::channel();
    let (hurry, hurried) = oneshot::channel();
    let mut running = tokio::spawn(run_until(
        service,
        settings.clone(),
        listener,
        stopped,
        hurried,
    ));
    match &supervisor {
        Some(supervisor) => {
            tokio::select! {
                _ = signals.next() => {}
                () = supervisor.beat() => {}
            }
            supervisor.stopping();
        }
        None => {
            signals.next().await;
        }
    }
    tracing::info!("shutting down");
    // The receivers live as long as the task that is awaited next.
    stop.send(()).ok();
    tokio::select! {
        ended = &mut running => return ended.map_err(Error::internal),
        _ = signals.next() => {}
    }
    tracing::warn!("told to stop twice: what is under way is cut off");
    hurry.send(()).ok();
    running.await.map_err(Error::internal)
}

/// Opens the data and the sockets.
async fn prepare(settings: &Settings) -> Result<(Arc<Service>, Listener)> {
    let listen = settings.listen.address();
    check_transport(settings, listen)?;
    let tls = Tls::load(&settings.tls)?;
    let service = Arc::new(open(settings, Open::Serve).await?);
    service.operations.warn_of_issuer();
    service.operations.connect_shared().await?;
    let tcp = bind(listen).await?;
    let address = tcp.local_addr().map_err(Error::internal)?;
    for fault in public_url_faults(settings, listen) {
        tracing::warn!(public_url = settings.public_url, %address, "{fault}");
    }
    let monitoring = match settings.metrics_listen {
        Some(place) => Some(bind(place.address()).await?),
        None => None,
    };
    Ok((service, Listener::new(tcp, tls).monitored_at(monitoring)))
}

/// Prints on stdout, and logs, where the service listens.
fn announce(settings: &Settings, service: &Service, listener: &Listener) -> Result<()> {
    let address = listener.tcp.local_addr().map_err(Error::internal)?;
    let mut announcement = serde_json::json!({ "listening": address.to_string() });
    if let Some(monitoring) = &listener.monitoring {
        announcement["metrics"] = monitoring
            .local_addr()
            .map_err(Error::internal)?
            .to_string()
            .into();
    }
    let mut stdout = std::io::stdout();
    writeln!(stdout, "{announcement}")
        .and_then(|()| stdout.flush())
        .map_err(|error| Error::misconfigured(format!("stdout can't be written: {error}")))?;
    let tls = listener.tls.is_some();
    tracing::info!(
        %address,
        tls,
        public_url = settings.public_url,
        issuer = service.base.issuer(),
        "listening"
    );
    Ok(())
}

/// Refuses plain HTTP at an address that isn't loopback, unless the settings allow it.
///
/// # Errors
/// `Misconfigured`, with what to set.
pub fn check_transport(settings: &Settings, listen: SocketAddr) -> Result<()> {
    if settings.tls.certificate_file.is_some()
        || settings.allow_plain_http
        || listen.ip().to_canonical().is_loopback()
    {
        return Ok(());
    }
    let proxied = if settings.trusted_proxies.is_empty() {
        ""
    } else {
        ", as trusted_proxies suggests"
    };
    Err(Error::misconfigured(format!(
        "{listen} can be reached from other machines, and without TLS whoever is on the way reads \
         every secret: set tls.certificate_file and tls.key_file, or listen on a loopback address. \
         If a proxy in front speaks TLS{proxied}, set allow_plain_http = true"
    )))
}

/// Returns the reasons why clients may not reach this service at `public_url`.
fn public_url_faults(settings: &Settings, listen: SocketAddr) -> Vec<String> {
    // Checked when the settings were read.
    let Ok(url) = HttpUrl::parse_base(&settings.public_url) else {
        return Vec::new();
    };
    let has_tls = settings.tls.certificate_file.is_some();
    let mut faults = Vec::new();
    if has_tls && url.scheme == "http" {
        faults.push(
            "this service speaks HTTPS, and public_url, where registries send their \
             clients, is http://"
                .to_owned(),
        );
    }
    if url.is_loopback() && !listen.ip().to_canonical().is_loopback() {
        faults.push(format!(
            "public_url names {}, which each client takes for its own machine, and this service \
             listens for others: set public_url to the address by which they reach it",
            url.host
        ));
    }
    // A proxy has a port of its own, and port 0 is any.
    let is_proxied = settings.allow_plain_http
        || !settings.trusted_proxies.is_empty()
        || url.scheme == "https" && !has_tls;
    if url.port != listen.port() && listen.port() != 0 && !is_proxied {
        faults.push(format!(
            "public_url sends clients to port {}, and this service listens at port {}: set \
             public_url to the port by which clients reach it, unless something forwards the one \
             to the other",
            url.port,
            listen.port()
        ));
    }
    faults
}

/// Listens at an address.
///
/// # Errors
/// `Misconfigured` with the system's reason.
pub async fn bind(listen: SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(listen).await.map_err(|error| {
        Error::misconfigured(format!(
            "can't listen at {listen}: {error}; choose another --listen address"
        ))
    })
}

/// Serves on `listener` until `stop` comes, then lets requests in work finish, and stores the audit
/// lines that wait.
pub async fn run(
    service: Arc<Service>,
    settings: Settings,
    listener: impl Into<Listener>,
    stop: oneshot::Receiver<()>,
) {
    let (_never, hurry) = oneshot::channel();
    run_until(service, settings, listener.into(), stop, hurry).await;
}

/// As [`run`]; requests in work are cut off when `hurry` comes.
async fn run_until(
    service: Arc<Service>,
    settings: Settings,
    listener: Listener,
    stop: oneshot::Receiver<()>,
    mut hurry: oneshot::Receiver<()>,
) {
    let mut helpers = tokio::task::JoinSet::new();
    helpers.spawn(Arc::clone(&service).run_background());
    let Listener {
        tcp,
        tls,
        monitoring,
    } = listener;
    if let Some(tls) = &tls {
        helpers.spawn(Arc::clone(tls).keep_fresh());
    }
    let server = Arc::new(Server::new(Arc::clone(&service), settings.http()));
    helpers.spawn({
        let server = Arc::clone(&server);
        async move { server.keep_pace().await }
    });
    let gate = Gate::new(&settings, Arc::clone(&server), tls);
    let slots = Arc::clone(&gate.slots);
    helpers.spawn(async move { slots.keep_time().await });
    let serving = async {
        catch_up_at_start(&service).await;
        if let Some(monitoring) = monitoring {
            let slots = Arc::clone(&gate.slots);
            helpers.spawn(monitor::serve(monitoring, Arc::clone(&server), move || {
                slots.counts()
            }));
        }
        gate.accept_all(&tcp).await;
    };
    tokio::select! {
        () = serving => {}
        // An error means that the sender is gone, which is a reason to stop.
        _ = stop => {}
    }
    let hurried = tokio::select! {
        () = gate.drain(&server, &settings, tcp) => false,
        // An error means that there is no sender, and so no hurry.
        Ok(()) = &mut hurry => true,
    };
    gate.phase.send_replace(Phase::Over);
    // Before the background tasks end: they alone notice that the database is back.
    if hurried {
        service.ledger.close_within(AUDIT_DEADLINE_IN_A_HURRY).await;
    } else {
        service.ledger.close().await;
    }
    helpers.shutdown().await;
}

/// Renews leaf certificates and looks for warnings, because some may have come while nothing ran.
async fn catch_up_at_start(service: &Service) {
    if let Err(error) = service.keys.renew_leaf_certificates().await {
        tracing::error!(
            cause = error.cause(),
            "a signing certificate can't be renewed: {error}"
        );
    }
    if let Err(error) = service.keys.refresh_warnings().await {
        tracing::warn!(
            cause = error.cause(),
            "not all that may be wrong can be looked for: {error}"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_public_url_that_leads_elsewhere_is_told_from_one_behind_a_proxy() {
        // A service for others ran with the default public_url, and registries sent clients to
        // their own machines.
        let bare = |url: &str| Settings {
            public_url: url.to_owned(),
            ..Settings::default()
        };
        let tls = |url: &str| {
            let mut settings = bare(url);
            settings.tls.certificate_file = Some("tls.crt".into());
            settings
        };
        let proxied = |url: &str| Settings {
            trusted_proxies: vec!["192.0.2.1".to_owned()],
            ..bare(url)
        };
        let plain = |url: &str| Settings {
            allow_plain_http: true,
            ..bare(url)
        };
        for (settings, listen, expected) in [
            (bare("http://localhost:8480"), "127.0.0.1:8480", &[][..]),
            (bare("http://localhost:8480"), "127.0.0.1:0", &[]),
            (bare("http://localhost:8480"), "[::1]:9000", &["port 8480"]),
            (bare("https://a.example.com"), "127.0.0.1:8480", &[]),
            (proxied("http://a.example.com"), "127.0.0.1:8480", &[]),
            (plain("http://a.example.com"), "0.0.0.0:8480", &[]),
            (
                plain("http://127.0.0.1:8480"),
                "0.0.0.0:8480",
                &["its own machine"],
            ),
            (tls("https://a.example.com"), "0.0.0.0:443", &[]),
            (tls("https://a.example.com"), "0.0.0.0:8443", &["port 443"]),
            (tls("https://a.example.com:8443"), "[::]:8443", &[]),
            (tls("https://[::1]:8443"), "[::]:8443", &["its own machine"]),
            (
                tls("http://a.example.com:8443"),
                "0.0.0.0:8443",
                &["speaks HTTPS"],
            ),
            (
                tls("http://localhost"),
                "0.0.0.0:8443",
                &["speaks HTTPS", "its own machine", "port 80"],
            ),
        ] {
            let faults = public_url_faults(&settings, listen.parse().unwrap());
            assert_eq!(
                faults.len(),
                expected.len(),
                "{} at {listen}: {faults:?}",
                settings.public_url
            );
            assert!(
                faults
                    .iter()
                    .zip(expected)
                    .all(|(fault, part)| fault.contains(part)),
                "{faults:?}"
            );
        }
    }
}
