//! The running service: it opens the data, listens, and shuts down in order.

mod monitor;

use std::convert::Infallible;
use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Semaphore, oneshot};

use crate::config::Settings;
use crate::domain::{Error, Result};
use crate::http::Front;
use crate::open::{Open, open};
use crate::service::Service;

/// How long requests that are under way at the end may take.
const DRAIN_DEADLINE: Duration = Duration::from_secs(10);
/// How long the audit's last lines may wait for the database.
const AUDIT_DEADLINE: Duration = Duration::from_secs(5);
/// How long a listener waits that can't accept: the process is out of files.
const ACCEPT_RETRY: Duration = Duration::from_millis(50);
/// Concurrent requests of one HTTP/2 connection.
const STREAMS: u32 = 100;

/// Serves until SIGTERM or SIGINT.
///
/// Once it listens, it says so on stdout: `{"listening":"127.0.0.1:8480"}`, with `"metrics"` where it is monitored.
pub async fn serve(settings: &Settings, data_dir: &Path, listen: SocketAddr) -> Result<()> {
    let service = Arc::new(open(settings, data_dir, Open::Serve).await?);
    let listener = bind(listen).await?;
    let address = listener.local_addr().map_err(Error::internal)?;
    let mut stdout = std::io::stdout();
    let mut announcement = serde_json::json!({ "listening": address.to_string() });
    let monitoring = match settings.metrics_listen {
        Some(place) => {
            let monitoring = bind(place.address()).await?;
            announcement["metrics"] = monitoring.local_addr().map_err(Error::internal)?.to_string().into();
            Some(monitoring)
        }
        None => None,
    };
    writeln!(stdout, "{announcement}")
        .and_then(|()| stdout.flush())
        .map_err(|error| Error::misconfigured(format!("stdout can't be written: {error}")))?;
    tracing::info!(%address, public_url = settings.public_url, "listening");
    let (mut terminate, mut interrupt) = (on_signal(SignalKind::terminate())?, on_signal(SignalKind::interrupt())?);
    let (stop, stopped) = oneshot::channel();
    let running = tokio::spawn(run_monitored(Arc::clone(&service), settings.clone(), listener, monitoring, stopped));
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!("shutting down");
    // The receiver lives as long as the task that is awaited next.
    stop.send(()).ok();
    running.await.map_err(Error::internal)
}

fn on_signal(kind: SignalKind) -> Result<tokio::signal::unix::Signal> {
    signal(kind).map_err(|error| Error::misconfigured(format!("signals can't be received: {error}")))
}

/// Listens at an address.
pub async fn bind(listen: SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(listen)
        .await
        .map_err(|error| Error::misconfigured(format!("can't listen at {listen}: {error}; choose another --listen address")))
}

/// Serves on `listener` until `stop` comes, then lets what is under way finish, and stores what waits in the audit.
pub async fn run(service: Arc<Service>, settings: Settings, listener: TcpListener, stop: oneshot::Receiver<()>) {
    run_monitored(service, settings, listener, None, stop).await;
}

/// The same, with a listener for monitoring.
pub async fn run_monitored(
    service: Arc<Service>,
    settings: Settings,
    listener: TcpListener,
    monitoring: Option<TcpListener>,
    stop: oneshot::Receiver<()>,
) {
    // A leaf may have ended while nothing ran.
    if let Err(error) = service.renew_leaves().await {
        tracing::error!(cause = error.cause(), "a signing certificate can't be renewed: {error}");
    }
    if let Err(error) = service.look_for_alarms().await {
        tracing::warn!(cause = error.cause(), "not all that may be wrong can be looked for: {error}");
    }
    let housekeeper = tokio::spawn(Arc::clone(&service).keep_house());
    let front = Arc::new(Front::new(Arc::clone(&service), settings.http()));
    let connections = Arc::new(Semaphore::new(settings.limits.connections));
    let monitor = monitoring.map(|listener| {
        let (all, connections) = (settings.limits.connections, Arc::clone(&connections));
        tokio::spawn(monitor::serve(listener, Arc::clone(&front), move || all - connections.available_permits()))
    });
    let graceful = GracefulShutdown::new();
    let header_timeout = Duration::from_secs(settings.limits.header_seconds);
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(header_timeout);
    builder.http2().timer(TokioTimer::new()).max_concurrent_streams(STREAMS).keep_alive_interval(Duration::from_secs(20));
    let accept = async {
        loop {
            // The permit is taken first, so that what can't be served waits in the kernel's queue.
            let Ok(permit) = Arc::clone(&connections).acquire_owned().await else { return };
            let (stream, peer) = match listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!("a connection can't be accepted: {error}");
                    tokio::time::sleep(ACCEPT_RETRY).await;
                    continue;
                }
            };
            let begun = Arc::new(AtomicBool::new(false));
            let answerer = answerer(Arc::clone(&front), peer, Arc::clone(&begun));
            let connection = builder.serve_connection_with_upgrades(TokioIo::new(without_delay(stream)), answerer).into_owned();
            let connection = graceful.watch(connection);
            // The timeout for headers begins when the version of HTTP is known; who sends nothing, or stops
            // within HTTP/2's preface, would keep its place for ever.
            let silent = async move {
                tokio::time::sleep(header_timeout).await;
                if begun.load(Ordering::Relaxed) {
                    std::future::pending::<()>().await;
                }
            };
            tokio::spawn(async move {
                tokio::select! {
                    outcome = connection => if let Err(error) = outcome {
                        // A client that breaks off is its own affair, and hyper has answered what it could.
                        tracing::debug!(%peer, "a connection broke: {error}");
                    },
                    () = silent => tracing::debug!(%peer, "a connection brought no request in time"),
                }
                drop(permit);
            });
        }
    };
    tokio::select! {
        () = accept => {}
        // An error says that whoever could stop us is gone: that is a reason to stop.
        _ = stop => {}
    }
    drop(listener);
    if tokio::time::timeout(DRAIN_DEADLINE, graceful.shutdown()).await.is_err() {
        tracing::warn!("some requests did not finish in time");
    }
    housekeeper.abort();
    if let Some(monitor) = monitor {
        monitor.abort();
    }
    if tokio::time::timeout(AUDIT_DEADLINE, service.close()).await.is_err() {
        tracing::error!("the last audit lines are lost: the database does not answer");
    }
}

/// Sends small answers at once; an answer is one packet, and waiting for more only delays it.
fn without_delay(stream: TcpStream) -> TcpStream {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!("TCP_NODELAY can't be set: {error}");
    }
    stream
}

/// Hands requests to the front doors. They pick among themselves: a router around them has nothing to
/// choose, and its boxes and copies cost as much as verifying a signature.
///
/// The first request of a connection sets `begun`.
fn answerer(
    front: Arc<Front>,
    peer: SocketAddr,
    begun: Arc<AtomicBool>,
) -> impl hyper::service::Service<hyper::Request<Incoming>, Response = axum::response::Response, Error = Infallible, Future: Send + 'static>
+ Send
+ 'static {
    service_fn(move |request: hyper::Request<Incoming>| {
        begun.store(true, Ordering::Relaxed);
        let front = Arc::clone(&front);
        async move { Ok(front.serve(request.map(axum::body::Body::new), peer.ip()).await) }
    })
}
