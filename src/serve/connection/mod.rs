//! One connection, from its handshake to its end: how long it may be silent, and how it is closed.
//!
//! [`stream`] counts bytes and tells HTTP/1.1 from HTTP/2, [`answer`] hands requests to the server.

mod answer;
mod stream;

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;

use self::answer::answerer;
use self::stream::{Counted, HttpVersion};
use super::activity::{Activity, Look};
use super::tls::Tls;
use crate::http::{Arrival, Server, Surface, Transport};

/// How long a connection of HTTP/1.1 stays open at the end for a request that may be on its way.
///
/// Its answer says that it is the last (`connection: close`). HTTP/2 says so by a frame of its own.
const LAST_REQUEST: Duration = Duration::from_millis(500);

/// How often a connection's counters are looked at; an idle one then rests.
const LOOK: Duration = Duration::from_secs(1);

/// How long the end of a connection whose slot is needed is waited for.
const CLOSING: Duration = Duration::from_secs(1);
/// The least rate, in bytes a second, at which a client takes its answers.
const MIN_SEND_RATE: f64 = 1024.0;

/// How near the end of the service is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    /// Requests are served.
    Serving,
    /// Requests in work finish.
    Draining,
    /// Unfinished requests are cut off.
    Over,
}

/// Waits until the phase is `wanted` or a later one.
async fn reached(phase: &mut watch::Receiver<Phase>, wanted: Phase) {
    // An error means that the sender is gone, and the service with it.
    drop(phase.wait_for(|phase| *phase >= wanted).await);
}

/// How HTTP is spoken over a connection, in either version.
pub(super) struct Protocol {
    pub(super) http1: http1::Builder,
    pub(super) http2: http2::Builder<TokioExecutor>,
}

/// The server and the times that all connections share.
pub(super) struct Connections {
    pub(super) server: Arc<Server>,
    pub(super) surface: Surface,
    pub(super) tls: Option<Arc<Tls>>,
    /// How long a handshake, and then the head of a request, may take.
    pub(super) header_time: Duration,
    /// How long a connection may be without a request.
    pub(super) idle_time: Duration,
    /// How long a client may take nothing of its answers.
    pub(super) answer_time: Duration,
}

/// How serving a connection ended.
enum Driven {
    /// It is over.
    Ended,
    /// It was idle for so long, and goes on with the client's next request.
    Rests { after: Duration },
}

/// How the service ends a connection that doesn't end by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// It is idle, by HTTP/1.1: the memory of serving is given back.
    Rest { after: Duration },
    /// At once.
    Cut(&'static str),
    /// After the requests in work.
    Finish,
    /// After the requests in work, within a second: another connection needs the slot.
    Yield,
}

impl Connections {
    /// Serves one connection until it ends.
    pub(super) async fn serve(
        &self,
        stream: TcpStream,
        peer: SocketAddr,
        protocol: &Protocol,
        activity: &Arc<Activity>,
        mut phase: watch::Receiver<Phase>,
    ) {
        // An answer is one packet, and waiting for more only delays it.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!("TCP_NODELAY can't be set: {error}");
        }
        let client = Client { peer, activity };
        let Some(tls) = &self.tls else {
            return self
                .serve_stream(stream, client, Transport::Plain, protocol, phase)
                .await;
        };
        let handshake = tokio::select! {
            done = tokio::time::timeout(self.header_time, Box::pin(tls.accept(stream))) => done,
            () = reached(&mut phase, Phase::Over) => return,
            () = activity.close.notified() => {
                return tracing::debug!(%peer, "a handshake is cut off: its place is needed");
            }
        };
        match handshake {
            Ok(Ok(stream)) => {
                self.serve_stream(stream, client, Transport::Tls, protocol, phase)
                    .await
            }
            // A client that doesn't trust the certificate, or no client of TLS at all.
            Ok(Err(error)) => tracing::debug!(%peer, "a handshake failed: {error}"),
            Err(_) => tracing::debug!(%peer, "a handshake took too long"),
        }
    }

    fn arrival(&self, peer: SocketAddr, transport: Transport) -> Arrival {
        Arrival {
            peer: peer.ip(),
            transport,
            surface: self.surface,
        }
    }

    async fn serve_stream(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        client: Client<'_>,
        transport: Transport,
        protocol: &Protocol,
        mut phase: watch::Receiver<Phase>,
    ) {
        let Client { peer, activity } = client;
        let mut stream = Counted {
            ahead: Bytes::new(),
            stream,
            activity: Arc::clone(activity),
        };
        let Some(version) = self.version(&mut stream, client, &mut phase).await else {
            return;
        };
        let mut answerer = answerer(
            Arc::clone(&self.server),
            self.arrival(peer, transport),
            Arc::clone(activity),
        );
        if version == HttpVersion::Http2 {
            let http2 = &protocol.http2;
            let mut connection = Box::pin(http2.serve_connection(TokioIo::new(stream), answerer));
            self.drive(
                connection.as_mut(),
                |connection| connection.graceful_shutdown(),
                client,
                &mut phase,
            )
            .await;
            return;
        }
        let http1 = &protocol.http1;
        loop {
            let mut connection = Box::new(http1.serve_connection(TokioIo::new(stream), answerer));
            let serving = self.drive(
                Pin::new(&mut *connection),
                |connection| connection.graceful_shutdown(),
                client,
                &mut phase,
            );
            let Driven::Rests { after } = serving.await else {
                return;
            };
            // An idle connection has nothing unsent; the bytes of its next request are in
            // `read_buf`.
            let parts = connection.into_parts();
            (stream, answerer) = (parts.io.into_inner(), parts.service);
            // Copied, and dropped before the rest: however little it holds, its 16 KiB would stay.
            stream.ahead = Bytes::copy_from_slice(&parts.read_buf);
            drop(parts.read_buf);
            if !self.rest(&mut stream, after, activity, &mut phase).await {
                return close(stream).await;
            }
        }
    }

    /// Waits for the first bytes of a connection, which tell the version; nothing when it ends
    /// before.
    async fn version<S: AsyncRead + Unpin>(
        &self,
        stream: &mut Counted<S>,
        Client { peer, activity }: Client<'_>,
        phase: &mut watch::Receiver<Phase>,
    ) -> Option<HttpVersion> {
        let version = tokio::select! {
            biased;
            version = stream.read_version() => version,
            why = self.await_end_unheard(activity, phase) => {
                tracing::debug!(%peer, "a connection is cut off: {why}");
                return None;
            }
        };
        version
            .inspect_err(|error| tracing::debug!(%peer, "a connection broke: {error}"))
            .ok()
    }

    /// Serves requests until the connection ends, or is idle for a while.
    async fn drive<C: Future<Output = Result<(), hyper::Error>>>(
        &self,
        mut connection: Pin<&mut C>,
        finish: impl FnOnce(Pin<&mut C>),
        Client { peer, activity }: Client<'_>,
        phase: &mut watch::Receiver<Phase>,
    ) -> Driven {
        // A broken connection is no fault of this service, and hyper has answered what it could.
        let ended = |outcome: Result<(), _>| {
            if let Err(error) = outcome {
                tracing::debug!(%peer, "a connection broke: {error}");
            }
            Driven::Ended
        };
        let end = tokio::select! {
            biased;
            outcome = connection.as_mut() => return ended(outcome),
            end = self.await_end(activity, phase) => end,
        };
        match end {
            End::Rest { after } => return Driven::Rests { after },
            End::Cut(why) => {
                tracing::debug!(%peer, "a connection is cut off: {why}");
                return Driven::Ended;
            }
            End::Finish | End::Yield => {}
        }
        finish(connection.as_mut());
        // An idle client that doesn't even take its last answer is waited for no longer than for a
        // head.
        let patience = match end {
            End::Yield => CLOSING,
            _ if *phase.borrow() == Phase::Serving => self.header_time,
            _ => Duration::MAX,
        };
        tokio::select! {
            biased;
            outcome = connection => ended(outcome),
            () = reached(phase, Phase::Over) => Driven::Ended,
            () = tokio::time::sleep(patience) => Driven::Ended,
        }
    }

    /// Waits until a client's next request begins, without the buffers that a request takes; tells
    /// whether one may be served.
    async fn rest<S: AsyncRead + Unpin>(
        &self,
        stream: &mut Counted<S>,
        after: Duration,
        activity: &Activity,
        phase: &mut watch::Receiver<Phase>,
    ) -> bool {
        tokio::select! {
            biased;
            read = stream.read_more() => read.is_ok_and(|bytes| bytes > 0),
            // A request may be on its way: its answer will say that it is the last.
            () = reached(phase, Phase::Draining) => true,
            () = activity.close.notified() => false,
            () = tokio::time::sleep(self.idle_time.saturating_sub(after)) => false,
        }
    }

    /// Waits until a connection that hasn't sent anything has to end, and returns why.
    async fn await_end_unheard(
        &self,
        activity: &Activity,
        phase: &mut watch::Receiver<Phase>,
    ) -> &'static str {
        tokio::select! {
            () = activity.close.notified() => "its place is needed",
            () = tokio::time::sleep(self.header_time) => "it brought no request in time",
            () = async {
                reached(phase, Phase::Draining).await;
                tokio::time::timeout(LAST_REQUEST, reached(phase, Phase::Over))
                    .await
                    .unwrap_or_default();
            } => "the service ends",
        }
    }

    /// Waits until a connection has to end or may rest, and returns how.
    async fn await_end(&self, activity: &Activity, phase: &mut watch::Receiver<Phase>) -> End {
        let mut last = activity.look();
        let (mut quiet, mut blocked, mut waited) = (Duration::ZERO, Duration::ZERO, Duration::ZERO);
        let mut pause = LOOK.min(self.header_time);
        loop {
            tokio::select! {
                () = reached(phase, Phase::Draining) => {
                    return Self::last_request(activity, phase).await;
                }
                () = activity.close.notified() => {
                    let now = activity.look();
                    // A stranger that stops within a head would keep its slot for a second more.
                    let is_waited_for = now.in_work > 0 || !is_within_a_head(&now, activity);
                    return if is_waited_for { End::Yield } else { End::Cut("its place is needed") };
                }
                () = tokio::time::sleep(pause) => {}
            }
            let now = activity.look();
            blocked = if takes_too_little(&last, &now, pause) {
                blocked + pause
            } else {
                Duration::ZERO
            };
            if blocked >= self.answer_time || activity.has_stale_answer() {
                return End::Cut("its answers were not taken in time");
            }
            quiet = if now.in_work > 0 || now.requests != last.requests {
                Duration::ZERO
            } else {
                quiet + pause
            };
            // A client that stops within a head would keep its slot for ever.
            waited = if !quiet.is_zero() && is_within_a_head(&now, activity) {
                waited + pause
            } else {
                Duration::ZERO
            };
            if waited >= self.header_time {
                return End::Cut("the rest of a head did not come in time");
            }
            if quiet >= self.idle_time {
                return End::Finish;
            }
            if !quiet.is_zero() && now.may_rest && !now.has_begun_another && !activity.is_http2() {
                return End::Rest { after: quiet };
            }
            pause = LOOK.min(self.header_time).min(self.idle_time - quiet);
            last = now;
        }
    }

    async fn last_request(activity: &Activity, phase: &mut watch::Receiver<Phase>) -> End {
        if activity.is_http2() {
            return End::Finish;
        }
        match tokio::time::timeout(LAST_REQUEST, reached(phase, Phase::Over)).await {
            Ok(()) => End::Cut("the service ends"),
            Err(_) => End::Finish,
        }
    }
}

/// Closes a stream. A client that doesn't take the last bytes of TLS is not waited for.
async fn close(mut stream: impl AsyncWrite + Unpin) {
    tokio::time::timeout(CLOSING, stream.shutdown())
        .await
        .map(drop)
        .unwrap_or_default();
}

/// The peer of a connection, and its counters.
#[derive(Clone, Copy)]
struct Client<'a> {
    peer: SocketAddr,
    activity: &'a Arc<Activity>,
}

/// Tells whether a connection without a request in work waits for the rest of a head: the first
/// one, or any of HTTP/1.1.
///
/// Later bytes of HTTP/2 may be frames that are no request.
fn is_within_a_head(now: &Look, activity: &Activity) -> bool {
    now.requests == 0 || !activity.is_http2() && now.has_begun_another
}

/// Tells whether the client took hardly anything of its answers from one look to the next.
fn takes_too_little(last: &Look, now: &Look, between: Duration) -> bool {
    #[expect(clippy::cast_precision_loss, reason = "a rate")]
    let taken = (now.sent - last.sent) as f64;
    last.send_blocked && now.send_blocked && taken < MIN_SEND_RATE * between.as_secs_f64()
}
