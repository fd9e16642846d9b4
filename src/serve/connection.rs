//! One connection, from its handshake to its end: how long it may be silent, and how it is closed.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::watch;

use super::tls::Tls;
use crate::http::{Front, Transport};

/// How long a connection of HTTP/1.1 is left open at the end for a request that may be on its way: its answer says
/// that it is the last. HTTP/2 says so by itself.
const LAST_REQUEST: Duration = Duration::from_millis(500);

/// How far the end is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    /// It isn't.
    Serving,
    /// What is under way finishes.
    Draining,
    /// What hasn't finished is cut off.
    Over,
}

/// Waits until the end is as near as `far`; when nobody can tell any more, it is.
async fn reached(phase: &mut watch::Receiver<Phase>, far: Phase) {
    drop(phase.wait_for(|phase| *phase >= far).await);
}

/// What all connections have in common.
pub(super) struct Connections {
    pub(super) front: Arc<Front>,
    pub(super) tls: Option<Arc<Tls>>,
    pub(super) builder: auto::Builder<TokioExecutor>,
    /// How long a handshake, and then the head of a request, may take.
    pub(super) header_time: Duration,
    /// How long a connection may be without a request.
    pub(super) idle_time: Duration,
}

/// How a connection ends that doesn't end by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// At once.
    Cut(&'static str),
    /// After what is under way.
    Finish,
}

impl Connections {
    /// Serves one connection until it ends.
    pub(super) async fn serve(&self, stream: TcpStream, peer: SocketAddr, mut phase: watch::Receiver<Phase>) {
        // An answer is one packet, and waiting for more only delays it.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!("TCP_NODELAY can't be set: {error}");
        }
        let Some(tls) = &self.tls else { return self.serve_stream(stream, peer, Transport::Plain, phase).await };
        let handshake = tokio::select! {
            done = tokio::time::timeout(self.header_time, Box::pin(tls.accept(stream))) => done,
            () = reached(&mut phase, Phase::Over) => return,
        };
        match handshake {
            Ok(Ok(stream)) => self.serve_stream(stream, peer, Transport::Tls, phase).await,
            // A client that doesn't trust the certificate, or no client of TLS at all.
            Ok(Err(error)) => tracing::debug!(%peer, "a handshake failed: {error}"),
            Err(_) => tracing::debug!(%peer, "a handshake took too long"),
        }
    }

    async fn serve_stream(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        peer: SocketAddr,
        transport: Transport,
        mut phase: watch::Receiver<Phase>,
    ) {
        let activity = Arc::new(Activity::default());
        let io = TokioIo::new(Heard { stream, activity: Arc::clone(&activity) });
        let answerer = answerer(Arc::clone(&self.front), peer, transport, Arc::clone(&activity));
        let mut connection = pin!(self.builder.serve_connection(io, answerer));
        // A client that breaks off is its own affair, and hyper has answered what it could.
        let ended = |outcome: Result<(), _>| {
            if let Err(error) = outcome {
                tracing::debug!(%peer, "a connection broke: {error}");
            }
        };
        let end = tokio::select! {
            biased;
            outcome = connection.as_mut() => return ended(outcome),
            end = self.await_end(&activity, &mut phase) => end,
        };
        if let End::Cut(why) = end {
            tracing::debug!(%peer, "a connection is cut off: {why}");
            return;
        }
        connection.as_mut().graceful_shutdown();
        // Whoever is closed for being idle, and doesn't even take its last answer, is waited for no longer than for a head.
        let patience = if *phase.borrow() == Phase::Serving { self.header_time } else { Duration::MAX };
        tokio::select! {
            biased;
            outcome = connection => ended(outcome),
            () = reached(&mut phase, Phase::Over) => {}
            () = tokio::time::sleep(patience) => {}
        }
    }

    /// Returns when and how a connection has to end.
    async fn await_end(&self, activity: &Activity, phase: &mut watch::Receiver<Phase>) -> End {
        let mut last = activity.look();
        let mut quiet = Duration::ZERO;
        let mut pause = self.header_time;
        loop {
            if tokio::time::timeout(pause, reached(phase, Phase::Draining)).await.is_ok() {
                return Self::last_request(activity, phase).await;
            }
            let now = activity.look();
            // Who sends nothing, or stops within HTTP/2's preface, would keep its place for ever.
            if now.requests == 0 {
                return End::Cut("it brought no request in time");
            }
            quiet = if now.in_work > 0 || now.requests != last.requests { Duration::ZERO } else { quiet + pause };
            // Something of a request has stood there since the last look at least.
            if !quiet.is_zero() && !activity.is_http2() && now.has_begun_another && last.has_begun_another {
                return End::Cut("the rest of a head did not come in time");
            }
            if quiet >= self.idle_time {
                return End::Finish;
            }
            pause = self.header_time.min(self.idle_time - quiet);
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

/// What a connection did, as far as its times need it. Nothing here is a clock: that would be read for every request.
#[derive(Default)]
struct Activity {
    requests: AtomicU32,
    in_work: AtomicU32,
    http2: AtomicBool,
    bytes: AtomicU64,
    /// The bytes that had come when the last request was answered.
    answered_at: AtomicU64,
}

#[derive(Clone, Copy)]
struct Look {
    requests: u32,
    in_work: u32,
    /// Whether anything came since the last answer.
    has_begun_another: bool,
}

impl Activity {
    fn look(&self) -> Look {
        Look {
            requests: self.requests.load(Ordering::Relaxed),
            in_work: self.in_work.load(Ordering::Relaxed),
            has_begun_another: self.bytes.load(Ordering::Relaxed) > self.answered_at.load(Ordering::Relaxed),
        }
    }

    fn is_http2(&self) -> bool {
        self.http2.load(Ordering::Relaxed)
    }

    fn begin(self: &Arc<Self>, version: hyper::Version) -> Working {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.in_work.fetch_add(1, Ordering::Relaxed);
        if version == hyper::Version::HTTP_2 {
            self.http2.store(true, Ordering::Relaxed);
        }
        Working(Arc::clone(self))
    }
}

/// A request that is being answered; a client that breaks off drops it.
struct Working(Arc<Activity>);

impl Drop for Working {
    fn drop(&mut self) {
        self.0.in_work.fetch_sub(1, Ordering::Relaxed);
        self.0.answered_at.store(self.0.bytes.load(Ordering::Relaxed), Ordering::Relaxed);
    }
}

/// Hands requests to the front doors. They pick among themselves: a router around them has nothing to
/// choose, and its boxes and copies cost as much as verifying a signature.
fn answerer(
    front: Arc<Front>,
    peer: SocketAddr,
    transport: Transport,
    activity: Arc<Activity>,
) -> impl hyper::service::Service<hyper::Request<Incoming>, Response = axum::response::Response, Error = Infallible, Future: Send + 'static>
+ Send
+ 'static {
    service_fn(move |request: hyper::Request<Incoming>| {
        let working = activity.begin(request.version());
        let front = Arc::clone(&front);
        async move {
            let answer = front.serve(request.map(axum::body::Body::new), peer.ip(), transport).await;
            drop(working);
            Ok(answer)
        }
    })
}

/// A stream that counts what is read from it.
struct Heard<S> {
    stream: S,
    activity: Arc<Activity>,
}

impl<S: AsyncRead + Unpin> AsyncRead for Heard<S> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        // Only this connection's task writes it.
        let bytes = self.activity.bytes.load(Ordering::Relaxed) + (buffer.filled().len() - before) as u64;
        self.activity.bytes.store(bytes, Ordering::Relaxed);
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Heard<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, context: &mut Context<'_>, slices: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
