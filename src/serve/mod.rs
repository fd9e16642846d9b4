//! The running service: it opens the data, listens, and shuts down in order.
//!
//! [`serve`] is the command; [`running`] serves at a listener until it is told to stop, and
//! [`reload`] reads its settings again. [`listeners`] has its sockets, [`gate`] accepts
//! connections, [`connection`] serves one, [`slots`] limits how many there are, [`tls`] reads
//! certificates, and [`signals`] end it all. [`supervisor`] hears of it.

mod activity;
mod check;
mod connection;
mod gate;
mod hardening;
mod listeners;
mod monitor;
mod open_files;
mod process;
mod reload;
mod running;
mod signals;
mod slots;
mod supervisor;
mod tls;
mod transport;

use std::future::pending;
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::oneshot;

pub use self::check::{Findings, check};
pub use self::hardening::harden;
use self::listeners::Keeper;
pub use self::listeners::{GivenSockets, Listener, bind};
use self::reload::{GivenAddresses, Reloader};
use self::running::Running;
pub use self::running::run;
use self::signals::Hangups;
pub use self::signals::{Signals, Told};
use self::supervisor::Supervisor;
pub use self::tls::Tls;
pub use self::transport::check_transport;
use self::transport::public_url_faults;
use crate::config::{Arguments, Settings, SupervisorVariables};
use crate::domain::{Error, Result};
use crate::open::{Open, open};
use crate::service::Service;
use crate::telemetry::Exporter;
use crate::version;

/// How long the last traces may take to be sent.
const TRACES_DEADLINE: Duration = Duration::from_secs(2);

/// Serves until SIGTERM or SIGINT. A second signal cuts off the requests in work, and one that
/// comes before the service listens ends the start. SIGHUP has it read its settings again, with
/// the same `arguments` over them.
///
/// It listens at the sockets that a supervisor gave, or as the settings say. Once it listens, it
/// prints `{"listening":"127.0.0.1:8480"}` on stdout, with `"metrics"` where it is monitored
/// and `"admin"` where it is administered.
///
/// # Errors
/// `Misconfigured` says which setting, file, socket or address can't be used; the other kinds are
/// those of [`open`].
pub async fn serve(
    settings: &Settings,
    arguments: Arguments,
    sockets: GivenSockets,
    signals: &mut Signals,
    traces: Option<Exporter>,
) -> Result<()> {
    let (stop, stopped) = oneshot::channel();
    let sending = traces.map(|traces| tokio::spawn(traces.run(stopped)));
    let served = serve_until_told(settings, arguments, sockets, signals).await;
    if let Some(sending) = sending {
        // The spans of the last requests are worth a moment.
        drop(stop);
        tokio::time::timeout(TRACES_DEADLINE, sending).await.ok();
    }
    served
}

/// As [`serve`], without traces.
async fn serve_until_told(
    settings: &Settings,
    arguments: Arguments,
    sockets: GivenSockets,
    signals: &mut Signals,
) -> Result<()> {
    tracing::info!(
        version = version::VERSION,
        commit = version::COMMIT,
        "starting"
    );
    let mut hangups = Hangups::receive()?;
    let Ok(prepared) = signals.unless_told(prepare(settings, sockets)).await else {
        tracing::info!("told to stop before it listened");
        return Ok(());
    };
    let (service, listener) = prepared?;
    let supervisor = Supervisor::find(&SupervisorVariables::of_process());
    announce(settings, &service, &listener)?;
    if let Some(supervisor) = &supervisor {
        supervisor.ready();
    }
    let running = Arc::new(Running::new(
        service,
        settings.clone(),
        listener.tls.clone(),
        None,
    ));
    let reloader = Reloader {
        arguments,
        given: given_addresses(&listener)?,
        running: Arc::clone(&running),
    };
    let (stop, stopped) = oneshot::channel();
    let (hurry, hurried) = oneshot::channel();
    let mut task = tokio::spawn(running.serve(listener, stopped, hurried));
    tokio::select! {
        _ = signals.next() => {}
        () = reloader.follow(&mut hangups, supervisor.as_ref()) => {}
        () = beat(supervisor.as_ref()) => {}
    }
    if let Some(supervisor) = &supervisor {
        supervisor.stopping();
    }
    tracing::info!("shutting down");
    // The receivers live as long as the task that is awaited next.
    stop.send(()).ok();
    tokio::select! {
        ended = &mut task => return ended.map_err(Error::internal),
        _ = signals.next() => {}
    }
    tracing::warn!("told to stop twice: what is under way is cut off");
    hurry.send(()).ok();
    task.await.map_err(Error::internal)
}

/// Tells the supervisor, if there is one, that the process lives, as long as its runtime does.
async fn beat(supervisor: Option<&Supervisor>) {
    match supervisor {
        Some(supervisor) => supervisor.beat().await,
        None => pending().await,
    }
}

/// Opens the data and the sockets.
async fn prepare(settings: &Settings, sockets: GivenSockets) -> Result<(Arc<Service>, Listener)> {
    let listen = sockets.address(settings)?;
    check_transport(settings, listen)?;
    if let Some(operators) = sockets.operators_address(settings)? {
        check_transport(settings, operators)?;
    }
    let tls = Tls::load(&settings.tls)?;
    let service = Arc::new(open(settings, Open::Serve).await?);
    service.operations.refuse_published().await?;
    service.operations.warn_of_issuer();
    service.operations.connect_shared().await?;
    let listener = sockets.listen(settings, tls).await?;
    let address = listener.tcp.local_addr().map_err(Error::internal)?;
    for fault in public_url_faults(settings, listen) {
        tracing::warn!(public_url = settings.public_url, %address, "{fault}");
    }
    Ok((service, listener))
}

/// Returns the addresses of the sockets that a supervisor keeps.
fn given_addresses(listener: &Listener) -> Result<GivenAddresses> {
    let address = |tcp: &TcpListener, keeper| match keeper {
        Keeper::Process => Ok(None),
        Keeper::Supervisor => tcp.local_addr().map(Some).map_err(Error::internal),
    };
    let operators = listener.operators.as_ref();
    Ok(GivenAddresses {
        clients: address(&listener.tcp, listener.keeper)?,
        operators: operators
            .map(|(tcp, keeper)| address(tcp, *keeper))
            .transpose()?
            .flatten(),
    })
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
    if let Some((operators, _)) = &listener.operators {
        let address = operators.local_addr().map_err(Error::internal)?;
        announcement["admin"] = address.to_string().into();
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
