//! The running service, from its first connection to its last audit line.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use super::connection::Phase;
use super::gate::Gate;
use super::listeners::Listener;
use super::monitor;
use super::process;
use super::tls::Tls;
use crate::config::Settings;
use crate::domain::clock::{Clock, SystemClock, Timestamp};
use crate::http::{Mock, Server, ServerMetrics, SpanCounts, Surface};
use crate::open;
use crate::service::Service;
use crate::telemetry;

/// How long the audit's last lines may wait for the database after a second signal.
const AUDIT_DEADLINE_IN_A_HURRY: Duration = Duration::from_secs(1);
/// How long the last uses may wait for the database at a stop.
const LAST_USES_DEADLINE: Duration = Duration::from_secs(2);

/// The service with its HTTP, and the settings in force.
pub(super) struct Running {
    service: Arc<Service>,
    pub(super) server: Arc<Server>,
    gate: Gate,
    /// The gate of the operators' listener.
    operators: Gate,
    pub(super) tls: Option<Arc<Tls>>,
    settings: ArcSwap<Settings>,
    started_at: Timestamp,
}

impl Running {
    pub(super) fn new(
        service: Arc<Service>,
        settings: Settings,
        tls: Option<Arc<Tls>>,
        mock: Option<Mock>,
    ) -> Self {
        let server = Server::new(Arc::clone(&service), settings.http());
        let server = Arc::new(server.with_mock(mock));
        let gate = |surface| Gate::new(&settings, Arc::clone(&server), tls.clone(), surface);
        Self {
            gate: gate(Surface::Clients),
            operators: gate(Surface::Operators),
            service,
            server,
            tls,
            settings: ArcSwap::from_pointee(settings),
            started_at: SystemClock.now(),
        }
    }

    /// Returns the settings in force.
    pub(super) fn settings(&self) -> Arc<Settings> {
        self.settings.load_full()
    }

    /// Takes settings in which nothing differs but what may change while it runs.
    pub(super) fn adjust(&self, settings: Settings) {
        self.service.adjust(&open::service_settings(&settings));
        self.server.adjust(settings.http());
        self.gate.adjust(&settings);
        self.operators.adjust(&settings);
        self.settings.store(Arc::new(settings));
    }

    /// Serves at a listener until `stop` comes, then lets requests in work finish, unless `hurry`
    /// comes, and stores the audit lines that wait.
    pub(super) async fn serve(
        self: Arc<Self>,
        listener: Listener,
        stop: oneshot::Receiver<()>,
        mut hurry: oneshot::Receiver<()>,
    ) {
        let Listener {
            tcp,
            keeper,
            monitoring,
            operators,
            ..
        } = listener;
        let mut helpers = self.start_helpers();
        let serving = async {
            self.catch_up().await;
            if let Some(monitoring) = monitoring {
                helpers.spawn(Arc::clone(&self).monitor(monitoring));
            }
            tokio::join!(self.gate.accept_all(&tcp), async {
                if let Some((operators, _)) = &operators {
                    self.operators.accept_all(operators).await;
                }
            });
        };
        tokio::select! {
            () = serving => {}
            // An error means that the sender is gone, which is a reason to stop.
            _ = stop => {}
        }
        let settings = self.settings();
        let draining = async {
            tokio::join!(
                self.gate.drain(&self.server, &settings, tcp, keeper),
                async {
                    if let Some((operators, keeper)) = operators {
                        let gate = &self.operators;
                        gate.drain(&self.server, &settings, operators, keeper).await;
                    }
                }
            )
        };
        let hurried = tokio::select! {
            ((), ()) = draining => false,
            // An error means that there is no sender, and so no hurry.
            Ok(()) = &mut hurry => true,
        };
        self.gate.phase.send_replace(Phase::Over);
        self.operators.phase.send_replace(Phase::Over);
        // Before the background tasks end: they alone notice that the database is back.
        let ledger = &self.service.ledger;
        if hurried {
            ledger.close_within(AUDIT_DEADLINE_IN_A_HURRY).await;
        } else {
            self.write_the_rest().await;
        }
        helpers.shutdown().await;
    }

    /// Writes all that waits, and signs the audit.
    async fn write_the_rest(&self) {
        self.write_last_uses().await;
        self.server.end_activity().await;
        self.service.ledger.close().await;
        self.service.ledger.sign_the_end().await;
    }

    /// Writes the last uses that wait, if the database takes them in time.
    async fn write_last_uses(&self) {
        let writing = self.service.write_last_uses();
        match tokio::time::timeout(LAST_USES_DEADLINE, writing).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) | Err(_) => {
                tracing::warn!("the last uses of the last seconds are lost");
            }
        }
    }

    /// Starts the tasks beside the requests; they end when this is dropped.
    fn start_helpers(&self) -> JoinSet<()> {
        let mut helpers = JoinSet::new();
        helpers.spawn(Arc::clone(&self.service).run_background());
        if let Some(tls) = &self.tls {
            helpers.spawn(Arc::clone(tls).keep_fresh());
        }
        let server = Arc::clone(&self.server);
        helpers.spawn(async move { server.keep_pace().await });
        let server = Arc::clone(&self.server);
        helpers.spawn(async move { server.keep_activity().await });
        for gate in [&self.gate, &self.operators] {
            let slots = Arc::clone(&gate.slots);
            helpers.spawn(async move { slots.keep_time().await });
        }
        helpers
    }

    async fn monitor(self: Arc<Self>, listener: TcpListener) {
        let server = Arc::clone(&self.server);
        monitor::serve(listener, server, move || self.measure()).await;
    }

    /// Returns the measures of the listener, its certificate and the process.
    fn measure(&self) -> ServerMetrics {
        let telemetry::Counts { sent, lost } = telemetry::counts();
        ServerMetrics {
            connections: self.gate.slots.counts(),
            process: process::usage(self.started_at),
            tls_expires_at: self.tls.as_ref().and_then(|tls| tls.expires_at()),
            spans: SpanCounts { sent, lost },
        }
    }

    /// Renews leaf certificates and looks for warnings, because some may have come while nothing
    /// ran.
    async fn catch_up(&self) {
        if let Err(error) = self.service.keys.renew_leaf_certificates().await {
            tracing::error!(
                cause = error.cause(),
                "a signing certificate can't be renewed: {error}"
            );
        }
        if let Err(error) = self.service.keys.refresh_warnings().await {
            tracing::warn!(
                cause = error.cause(),
                "not all that may be wrong can be looked for: {error}"
            );
        }
        if let Err(error) = self.service.operations.refresh_report().await {
            tracing::warn!(
                cause = error.cause(),
                "credentials that end and the last backup can't be looked for: {error}"
            );
        }
    }
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
    let mut listener = listener.into();
    let (tls, mock) = (listener.tls.clone(), listener.mock.take());
    let running = Running::new(service, settings, tls, mock);
    Arc::new(running).serve(listener, stop, hurry).await;
}
