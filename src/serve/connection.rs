//! One connection, from its handshake to its end: how long it may be silent, and how it is closed.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::response::Response;
use bytes::Bytes;
use hyper::Version;
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::watch;

use super::activity::{Activity, Look, Unsent};
use super::tls::Tls;
use crate::http::{Front, Transport};

/// How long a connection of HTTP/1.1 is left open at the end for a request that may be on its way: its answer says
/// that it is the last. HTTP/2 says so by itself.
const LAST_REQUEST: Duration = Duration::from_millis(500);

/// How long a connection that is closed for others' sake is waited for.
const CLOSING: Duration = Duration::from_secs(1);
/// How fast, in bytes a second, a client takes at least what it is sent.
const MIN_SEND_RATE: f64 = 1024.0;

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
    /// How long a handshake, and then the head of a request, may take.
    pub(super) header_time: Duration,
    /// How long a connection may be without a request.
    pub(super) idle_time: Duration,
    /// How long a client may take nothing of what it is sent.
    pub(super) answer_time: Duration,
}

/// How a connection ends that doesn't end by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// At once.
    Cut(&'static str),
    /// After what is under way.
    Finish,
    /// After what is under way, if that is soon: the place is needed.
    Yield,
}

impl Connections {
    /// Serves one connection until it ends.
    pub(super) async fn serve(
        &self,
        stream: TcpStream,
        peer: SocketAddr,
        builder: &auto::Builder<TokioExecutor>,
        activity: &Arc<Activity>,
        mut phase: watch::Receiver<Phase>,
    ) {
        // An answer is one packet, and waiting for more only delays it.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!("TCP_NODELAY can't be set: {error}");
        }
        let client = Client { peer, activity };
        let Some(tls) = &self.tls else { return self.serve_stream(stream, client, Transport::Plain, builder, phase).await };
        let handshake = tokio::select! {
            done = tokio::time::timeout(self.header_time, Box::pin(tls.accept(stream))) => done,
            () = reached(&mut phase, Phase::Over) => return,
            () = activity.close.notified() => return tracing::debug!(%peer, "a handshake is cut off: its place is needed"),
        };
        match handshake {
            Ok(Ok(stream)) => self.serve_stream(stream, client, Transport::Tls, builder, phase).await,
            // A client that doesn't trust the certificate, or no client of TLS at all.
            Ok(Err(error)) => tracing::debug!(%peer, "a handshake failed: {error}"),
            Err(_) => tracing::debug!(%peer, "a handshake took too long"),
        }
    }

    async fn serve_stream(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        Client { peer, activity }: Client<'_>,
        transport: Transport,
        builder: &auto::Builder<TokioExecutor>,
        mut phase: watch::Receiver<Phase>,
    ) {
        let io = TokioIo::new(Counted { stream, activity: Arc::clone(activity) });
        let answerer = answerer(Arc::clone(&self.front), peer, transport, Arc::clone(activity));
        let mut connection = pin!(builder.serve_connection(io, answerer));
        // A client that breaks off is its own affair, and hyper has answered what it could.
        let ended = |outcome: Result<(), _>| {
            if let Err(error) = outcome {
                tracing::debug!(%peer, "a connection broke: {error}");
            }
        };
        let end = tokio::select! {
            biased;
            outcome = connection.as_mut() => return ended(outcome),
            end = self.await_end(activity, &mut phase) => end,
        };
        if let End::Cut(why) = end {
            tracing::debug!(%peer, "a connection is cut off: {why}");
            return;
        }
        connection.as_mut().graceful_shutdown();
        // An idle client that doesn't even take its last answer is waited for no longer than for a head.
        let patience = match end {
            End::Yield => CLOSING,
            _ if *phase.borrow() == Phase::Serving => self.header_time,
            _ => Duration::MAX,
        };
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
        let (mut quiet, mut blocked) = (Duration::ZERO, Duration::ZERO);
        let mut pause = self.header_time;
        loop {
            tokio::select! {
                () = reached(phase, Phase::Draining) => return Self::last_request(activity, phase).await,
                () = activity.close.notified() => return End::Yield,
                () = tokio::time::sleep(pause) => {}
            }
            let now = activity.look();
            // A client that sends nothing, or stops within HTTP/2's preface, would keep its place for ever.
            if now.requests == 0 {
                return End::Cut("it brought no request in time");
            }
            blocked = if takes_too_little(&last, &now, pause) { blocked + pause } else { Duration::ZERO };
            if blocked >= self.answer_time || activity.has_stale_answer() {
                return End::Cut("its answers were not taken in time");
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

/// Whose connection it is.
#[derive(Clone, Copy)]
struct Client<'a> {
    peer: SocketAddr,
    activity: &'a Arc<Activity>,
}

/// Returns whether the client took hardly anything of what waits for it, from one look to the next.
fn takes_too_little(last: &Look, now: &Look, between: Duration) -> bool {
    #[expect(clippy::cast_precision_loss, reason = "a rate")]
    let taken = (now.sent - last.sent) as f64;
    last.send_blocked && now.send_blocked && taken < MIN_SEND_RATE * between.as_secs_f64()
}

/// Hands requests to the front doors. They pick among themselves: a router around them has nothing to
/// choose, and its boxes and copies cost as much as verifying a signature.
fn answerer(
    front: Arc<Front>,
    peer: SocketAddr,
    transport: Transport,
    activity: Arc<Activity>,
) -> impl hyper::service::Service<hyper::Request<Incoming>, Response = Response, Error = Infallible, Future: Send + 'static> + Send + 'static
{
    service_fn(move |request: hyper::Request<Incoming>| {
        let (version, in_work) = (request.version(), activity.begin(request.version()));
        let (front, activity) = (Arc::clone(&front), Arc::clone(&activity));
        // Boxed: an idle connection, and a stream whose answer waits, would keep the room of all that answering takes.
        Box::pin(async move {
            let served = front.serve(request.map(Body::new), peer.ip(), transport).await;
            drop(in_work);
            if served.is_authenticated {
                activity.authenticate();
            }
            if version < Version::HTTP_2 {
                return Ok(served.response);
            }
            let unsent = activity.hold_answer();
            Ok(served.response.map(|body| Body::new(Answer { body, last: None, unsent: Some(unsent) })))
        })
    })
}

/// An answer's body by HTTP/2, which knows when its client has taken it.
///
/// hyper asks for a frame once the client's window has room for one byte, and h2 keeps what the window doesn't take. So the
/// last byte is a frame of its own: it is asked for when the window has taken all the others.
struct Answer {
    body: Body,
    last: Option<Bytes>,
    unsent: Option<Unsent>,
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if let Some(last) = self.last.take() {
            if self.body.is_end_stream() {
                self.unsent = None;
            }
            return Poll::Ready(Some(Ok(Frame::data(last))));
        }
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        let Some(Ok(frame)) = frame else {
            self.unsent = None;
            return Poll::Ready(frame);
        };
        Poll::Ready(Some(Ok(frame.map_data(|mut data| {
            if data.len() > 1 {
                self.last = Some(data.split_off(data.len() - 1));
            } else if self.body.is_end_stream() {
                self.unsent = None;
            }
            data
        }))))
    }

    fn is_end_stream(&self) -> bool {
        self.last.is_none() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let mut hint = self.body.size_hint();
        let more = self.last.as_ref().map_or(0, |last| last.len() as u64);
        let (lower, upper) = (hint.lower() + more, hint.upper().map(|upper| upper + more));
        // The upper bound first: the lower one may never be above it.
        if let Some(upper) = upper {
            hint.set_upper(upper);
        }
        hint.set_lower(lower);
        hint
    }
}

/// A stream that counts what is read from it and written to it.
struct Counted<S> {
    stream: S,
    activity: Arc<Activity>,
}

impl<S> Counted<S> {
    fn count_sent(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match &written {
            Poll::Ready(Ok(bytes)) => self.activity.send(Some(*bytes)),
            Poll::Ready(Err(_)) => {}
            Poll::Pending => self.activity.send(None),
        }
        written
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Counted<S> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        self.activity.receive(buffer.filled().len() - before);
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Counted<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.count_sent(written)
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, context: &mut Context<'_>, slices: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.count_sent(written)
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
