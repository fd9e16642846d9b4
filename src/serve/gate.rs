//! The gate: it accepts connections as far as there are slots, and drains them at the end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, watch};

use super::connection::{Connections, Phase, Protocol};
use super::listeners::Keeper;
use super::open_files;
use super::slots::{Slot, SlotLimits, Slots};
use super::tls::Tls;
use crate::config::Settings;
use crate::http::{Server, Surface};

/// How long a listener that can't accept waits before it tries again; the process may be out of
/// files.
pub(super) const ACCEPT_RETRY: Duration = Duration::from_millis(50);
/// Connections of operators at once: a few people, and programs that apply a state.
const MAX_OPERATORS: usize = 64;
/// Concurrent requests of one HTTP/2 connection of a trusted proxy, which speaks for many clients.
const MAX_STREAMS_OF_PROXY: u32 = 100;
/// The same of any other. A client with more to ask opens more connections, of which its address
/// has a share.
const MAX_STREAMS: u32 = 8;
/// How often a client of HTTP/2 is pinged.
const PING_INTERVAL: Duration = Duration::from_secs(20);

/// Accepts connections.
pub(super) struct Gate {
    server: Arc<Server>,
    surface: Surface,
    tls: Option<Arc<Tls>>,
    /// Those of this moment; a connection keeps the ones that it began with.
    terms: ArcSwap<Terms>,
    pub(super) slots: Arc<Slots>,
    /// Every connection holds a receiver while it lasts.
    pub(super) phase: watch::Sender<Phase>,
}

/// The rules of a connection to come.
struct Terms {
    connections: Connections,
    /// The protocol's limits for trusted proxies, and those for all others.
    with_proxies: Protocol,
    with_others: Protocol,
}

impl Gate {
    /// The gate of a listener.
    pub(super) fn new(
        settings: &Settings,
        server: Arc<Server>,
        tls: Option<Arc<Tls>>,
        surface: Surface,
    ) -> Self {
        let fitting = match surface {
            Surface::Clients => open_files::fitting_connections(settings.limits.connections),
            Surface::Operators => MAX_OPERATORS,
        };
        let proxies = settings.http().trusted_proxies;
        let terms = Terms::new(settings, Arc::clone(&server), tls.clone(), surface);
        Self {
            server,
            surface,
            tls,
            terms: ArcSwap::from_pointee(terms),
            slots: Arc::new(Slots::new(slot_limits(settings, fitting), proxies)),
            phase: watch::Sender::new(Phase::Serving),
        }
    }

    /// Takes other settings for the connections to come; how many there may be stays.
    pub(super) fn adjust(&self, settings: &Settings) {
        let (server, tls) = (Arc::clone(&self.server), self.tls.clone());
        let terms = Terms::new(settings, server, tls, self.surface);
        self.terms.store(Arc::new(terms));
        let fitting = self.slots.counts().limit;
        self.slots.adjust(
            slot_limits(settings, fitting),
            settings.http().trusted_proxies,
        );
    }

    /// Accepts connections until the slots are closed.
    pub(super) async fn accept_all(&self, listener: &TcpListener) {
        loop {
            // The permit is taken first, so that what can't be served waits in the kernel's queue.
            let Some(permit) = self.slots.free().await else {
                return;
            };
            match listener.accept().await {
                Ok((stream, peer)) => self.let_in(stream, peer, permit),
                Err(error) => {
                    tracing::warn!("a connection can't be accepted: {error}");
                    tokio::time::sleep(ACCEPT_RETRY).await;
                }
            }
        }
    }

    fn let_in(&self, stream: TcpStream, peer: SocketAddr, permit: OwnedSemaphorePermit) {
        // A connection beyond its address's share is closed unread: an answer would cost what the
        // share protects.
        let Some(slot) = Slots::admit(&self.slots, peer.ip(), permit) else {
            return;
        };
        let (terms, phase) = (self.terms.load_full(), self.phase.subscribe());
        tokio::spawn(async move {
            let Slot { activity, .. } = &slot;
            let protocol = if slot.is_of_proxy {
                &terms.with_proxies
            } else {
                &terms.with_others
            };
            terms
                .connections
                .serve(stream, peer, protocol, activity, phase)
                .await;
        });
    }

    /// Ends in order: probes fail first, then no connection is accepted, then the requests in work
    /// finish.
    pub(super) async fn drain(
        &self,
        server: &Server,
        settings: &Settings,
        listener: TcpListener,
        keeper: Keeper,
    ) {
        server.close();
        let delay = settings.shutdown.delay_seconds.duration();
        // Load balancers learn it from `/readyz`, and stop sending; until then requests are served
        // as ever.
        if !delay.is_zero()
            && tokio::time::timeout(delay, self.accept_all(&listener))
                .await
                .is_ok()
        {
            tracing::warn!("the listener ended early");
        }
        match keeper {
            Keeper::Process => self.accept_the_rest(listener),
            // They wait for the next process.
            Keeper::Supervisor => drop(listener),
        }
        self.phase.send_replace(Phase::Draining);
        if tokio::time::timeout(
            settings.shutdown.drain_seconds.duration(),
            self.phase.closed(),
        )
        .await
        .is_err()
        {
            tracing::warn!(
                connections = self.phase.receiver_count(),
                "some requests did not finish in time, and are cut off"
            );
        }
    }

    /// Takes connections that the kernel has accepted already, because closing the listener would
    /// reset them.
    fn accept_the_rest(&self, listener: TcpListener) {
        let Ok(listener) = listener.into_std() else {
            return;
        };
        while let Some(permit) = self.slots.free_now() {
            // The listener doesn't block, so an error means that there is no more.
            let Ok((stream, peer)) = listener.accept() else {
                return;
            };
            if stream.set_nonblocking(true).is_ok()
                && let Ok(stream) = TcpStream::from_std(stream)
            {
                self.let_in(stream, peer, permit);
            }
        }
    }
}

impl Terms {
    fn new(
        settings: &Settings,
        server: Arc<Server>,
        tls: Option<Arc<Tls>>,
        surface: Surface,
    ) -> Self {
        let limits = &settings.limits;
        Self {
            connections: Connections {
                server,
                surface,
                tls,
                header_time: limits.header_seconds.duration(),
                idle_time: limits.idle_seconds.duration(),
                answer_time: limits.answer_seconds.duration(),
            },
            with_proxies: protocol(limits.header_bytes, MAX_STREAMS_OF_PROXY),
            with_others: protocol(limits.header_bytes, MAX_STREAMS),
        }
    }
}

/// Returns the limits of slots where `fitting` connections fit.
pub(super) fn slot_limits(settings: &Settings, fitting: usize) -> SlotLimits {
    let limits = &settings.limits;
    SlotLimits {
        connections: fitting,
        per_address: limits.connections_per_address,
        // One address alone never brings silent connections near the three quarters where others
        // lose theirs.
        unauthenticated_per_address: limits
            .unauthenticated_connections_per_address
            .min(fitting.div_ceil(8)),
        grace_seconds: limits.header_seconds.at_most_u32(),
        answer_seconds: limits.answer_seconds.at_most_u32(),
    }
}

/// Returns builders of connections, in either version, with these limits.
fn protocol(header_bytes: usize, streams: u32) -> Protocol {
    let (mut http1, mut http2) = (
        http1::Builder::new(),
        http2::Builder::new(TokioExecutor::new()),
    );
    // `connection` keeps the times: hyper's timer costs an allocation and two locks for every
    // request.
    http1
        .timer(TokioTimer::new())
        .header_read_timeout(None)
        .max_buf_size(header_bytes);
    http2
        .timer(TokioTimer::new())
        .max_concurrent_streams(streams)
        .max_header_list_size(u32::try_from(header_bytes).unwrap_or(u32::MAX))
        .keep_alive_interval(PING_INTERVAL);
    Protocol { http1, http2 }
}
