//! One connection, from its handshake to its end: how long it may be silent, and how it is closed.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::response::Response;
use bytes::Bytes;
use hyper::Version;
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::watch;

use super::activity::{Activity, Look, Unsent};
use super::tls::Tls;
use crate::http::{Server, Transport};

/// How long a connection of HTTP/1.1 is left open at the end for a request that may be on its way: its answer says
/// that it is the last. HTTP/2 says so by itself.
const LAST_REQUEST: Duration = Duration::from_millis(500);

/// How often a connection is looked at; one that is idle then rests.
const LOOK: Duration = Duration::from_secs(1);

/// What a connection of HTTP/2 begins with: RFC 9113, section 3.4.
const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

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

/// How HTTP is spoken over a connection, in either version.
pub(super) struct Protocol {
    pub(super) http1: http1::Builder,
    pub(super) http2: http2::Builder<TokioExecutor>,
}

/// Which HTTP a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum HttpVersion {
    Http1,
    Http2,
}

/// What all connections have in common.
pub(super) struct Connections {
    pub(super) server: Arc<Server>,
    pub(super) tls: Option<Arc<Tls>>,
    /// How long a handshake, and then the head of a request, may take.
    pub(super) header_time: Duration,
    /// How long a connection may be without a request.
    pub(super) idle_time: Duration,
    /// How long a client may take nothing of what it is sent.
    pub(super) answer_time: Duration,
}

/// How serving a connection ended.
enum Driven {
    /// It is over.
    Ended,
    /// It was idle for so long, and goes on with the client's next request.
    Rests { after: Duration },
}

/// How serving a connection ends that doesn't end by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// It is idle, by HTTP/1.1: what serving takes is given back.
    Rest { after: Duration },
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
        protocol: &Protocol,
        activity: &Arc<Activity>,
        mut phase: watch::Receiver<Phase>,
    ) {
        // An answer is one packet, and waiting for more only delays it.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!("TCP_NODELAY can't be set: {error}");
        }
        let client = Client { peer, activity };
        let Some(tls) = &self.tls else { return self.serve_stream(stream, client, Transport::Plain, protocol, phase).await };
        let handshake = tokio::select! {
            done = tokio::time::timeout(self.header_time, Box::pin(tls.accept(stream))) => done,
            () = reached(&mut phase, Phase::Over) => return,
            () = activity.close.notified() => return tracing::debug!(%peer, "a handshake is cut off: its place is needed"),
        };
        match handshake {
            Ok(Ok(stream)) => self.serve_stream(stream, client, Transport::Tls, protocol, phase).await,
            // A client that doesn't trust the certificate, or no client of TLS at all.
            Ok(Err(error)) => tracing::debug!(%peer, "a handshake failed: {error}"),
            Err(_) => tracing::debug!(%peer, "a handshake took too long"),
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
        let mut stream = Counted { ahead: Bytes::new(), stream, activity: Arc::clone(activity) };
        let version = tokio::select! {
            biased;
            version = stream.read_version() => version,
            why = self.await_end_unheard(activity, &mut phase) => return tracing::debug!(%peer, "a connection is cut off: {why}"),
        };
        let mut answerer = answerer(Arc::clone(&self.server), peer, transport, Arc::clone(activity));
        match version {
            Ok(HttpVersion::Http1) => {}
            Ok(HttpVersion::Http2) => {
                let mut connection = Box::pin(protocol.http2.serve_connection(TokioIo::new(stream), answerer));
                self.drive(connection.as_mut(), |connection| connection.graceful_shutdown(), client, &mut phase).await;
                return;
            }
            Err(error) => return tracing::debug!(%peer, "a connection broke: {error}"),
        }
        loop {
            let mut connection = Box::new(protocol.http1.serve_connection(TokioIo::new(stream), answerer));
            let serving = self.drive(Pin::new(&mut *connection), |connection| connection.graceful_shutdown(), client, &mut phase);
            let Driven::Rests { after } = serving.await else { return };
            // Of an idle connection nothing is unsent; what came of its next request is in `read_buf`.
            let parts = connection.into_parts();
            (stream, answerer) = (parts.io.into_inner(), parts.service);
            // Copied, and dropped before the rest: however little it holds, its 16 KiB would stay.
            stream.ahead = Bytes::copy_from_slice(&parts.read_buf);
            drop(parts.read_buf);
            if !self.rest(&mut stream, after, activity, &mut phase).await {
                // A client that doesn't take the last bytes of TLS is not waited for.
                tokio::time::timeout(CLOSING, stream.shutdown()).await.map(drop).unwrap_or_default();
                return;
            }
        }
    }

    /// Serves requests until the connection ends, or is idle for a while.
    async fn drive<C: Future<Output = Result<(), hyper::Error>>>(
        &self,
        mut connection: Pin<&mut C>,
        finish: impl FnOnce(Pin<&mut C>),
        Client { peer, activity }: Client<'_>,
        phase: &mut watch::Receiver<Phase>,
    ) -> Driven {
        // A client that breaks off is its own affair, and hyper has answered what it could.
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
        // An idle client that doesn't even take its last answer is waited for no longer than for a head.
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

    /// Waits until a client's next request begins, without anything that a request takes; tells whether one may be served.
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

    /// Returns why a connection has to end that hasn't said yet which HTTP it speaks.
    async fn await_end_unheard(&self, activity: &Activity, phase: &mut watch::Receiver<Phase>) -> &'static str {
        tokio::select! {
            () = activity.close.notified() => "its place is needed",
            () = tokio::time::sleep(self.header_time) => "it brought no request in time",
            () = async {
                reached(phase, Phase::Draining).await;
                tokio::time::timeout(LAST_REQUEST, reached(phase, Phase::Over)).await.unwrap_or_default();
            } => "the service ends",
        }
    }

    /// Returns when and how a connection has to end, or may rest.
    async fn await_end(&self, activity: &Activity, phase: &mut watch::Receiver<Phase>) -> End {
        let mut last = activity.look();
        let (mut quiet, mut blocked, mut waited) = (Duration::ZERO, Duration::ZERO, Duration::ZERO);
        let mut pause = LOOK.min(self.header_time);
        loop {
            tokio::select! {
                () = reached(phase, Phase::Draining) => return Self::last_request(activity, phase).await,
                () = activity.close.notified() => {
                    let now = activity.look();
                    // Strangers that stop within a head would keep the places that are needed for a second each.
                    let is_waited_for = now.in_work > 0 || !is_within_a_head(&now, activity);
                    return if is_waited_for { End::Yield } else { End::Cut("its place is needed") };
                }
                () = tokio::time::sleep(pause) => {}
            }
            let now = activity.look();
            blocked = if takes_too_little(&last, &now, pause) { blocked + pause } else { Duration::ZERO };
            if blocked >= self.answer_time || activity.has_stale_answer() {
                return End::Cut("its answers were not taken in time");
            }
            quiet = if now.in_work > 0 || now.requests != last.requests { Duration::ZERO } else { quiet + pause };
            // A client that stops within a head would keep its place for ever.
            waited = if !quiet.is_zero() && is_within_a_head(&now, activity) { waited + pause } else { Duration::ZERO };
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

/// Whose connection it is.
#[derive(Clone, Copy)]
struct Client<'a> {
    peer: SocketAddr,
    activity: &'a Arc<Activity>,
}

/// Returns whether a connection without a request in work waits for the rest of a head: its first one, or HTTP/2's first
/// frames, or of HTTP/1.1 any. Of HTTP/2, what comes later may be no request.
fn is_within_a_head(now: &Look, activity: &Activity) -> bool {
    now.requests == 0 || !activity.is_http2() && now.has_begun_another
}

/// Returns whether the client took hardly anything of what waits for it, from one look to the next.
fn takes_too_little(last: &Look, now: &Look, between: Duration) -> bool {
    #[expect(clippy::cast_precision_loss, reason = "a rate")]
    let taken = (now.sent - last.sent) as f64;
    last.send_blocked && now.send_blocked && taken < MIN_SEND_RATE * between.as_secs_f64()
}

/// Hands requests to the server, which chooses their door: a router around it has nothing to
/// choose, and its boxes and copies cost as much as verifying a signature.
fn answerer(
    server: Arc<Server>,
    peer: SocketAddr,
    transport: Transport,
    activity: Arc<Activity>,
) -> impl hyper::service::Service<hyper::Request<Incoming>, Response = Response, Error = Infallible, Future: Send + 'static> + Send + 'static
{
    service_fn(move |request: hyper::Request<Incoming>| {
        let (version, in_work) = (request.version(), activity.begin(request.version()));
        let (server, activity) = (Arc::clone(&server), Arc::clone(&activity));
        // Boxed: an idle connection, and a stream whose answer waits, would keep the room of all that answering takes.
        Box::pin(async move {
            let served = server.serve(request.map(Body::new), peer.ip(), transport).await;
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
    /// What was read before anybody served it, and counted.
    ahead: Bytes,
    stream: S,
    activity: Arc<Activity>,
}

impl<S: AsyncRead + Unpin> Counted<S> {
    /// Reads some more ahead, and returns how many bytes: none at the end. It may be dropped and called again.
    async fn read_more(&mut self) -> io::Result<usize> {
        let mut more = [0; HTTP2_PREFACE.len()];
        let bytes = self.stream.read(&mut more).await?;
        self.activity.receive(bytes);
        self.ahead = [&self.ahead, &more[..bytes]].concat().into();
        Ok(bytes)
    }

    /// Reads ahead until it is known which HTTP the client speaks.
    async fn read_version(&mut self) -> io::Result<HttpVersion> {
        loop {
            let is_at_the_end = self.read_more().await? == 0;
            if self.ahead.starts_with(HTTP2_PREFACE) {
                return Ok(HttpVersion::Http2);
            }
            if is_at_the_end || !HTTP2_PREFACE.starts_with(&self.ahead) {
                return Ok(HttpVersion::Http1);
            }
        }
    }
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
        if !self.ahead.is_empty() {
            let bytes = self.ahead.len().min(buffer.remaining());
            buffer.put_slice(&self.ahead.split_to(bytes));
            return Poll::Ready(Ok(()));
        }
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
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        if let Poll::Ready(Ok(())) = flushed {
            self.activity.flush();
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::duplex;

    use super::*;
    use crate::serve::activity::Ticks;

    /// Returns what is told of a client that sends these pieces and then ends, and what is read behind it.
    async fn read(pieces: &[&[u8]]) -> (HttpVersion, Vec<u8>) {
        let (mut client, server) = duplex(1024);
        let activity = Arc::new(Activity::new(Arc::new(Ticks::default()), 10, Vec::new()));
        let mut stream = Counted { ahead: Bytes::new(), stream: server, activity: Arc::clone(&activity) };
        let sent = async {
            for piece in pieces {
                client.write_all(piece).await.unwrap();
                tokio::task::yield_now().await;
            }
            drop(client);
        };
        let served = async {
            let version = stream.read_version().await.unwrap();
            let mut all = Vec::new();
            stream.read_to_end(&mut all).await.unwrap();
            (version, all)
        };
        tokio::join!(sent, served).1
    }

    #[tokio::test]
    async fn http2_is_told_by_its_whole_preface_and_nothing_that_was_read_is_lost() {
        let (preface, frames) = (HTTP2_PREFACE, &b"\0\0\0\x04\0\0\0\0\0"[..]);
        let whole = [preface, frames].concat();
        for pieces in [&[&whole[..]][..], &[preface, frames], &[&whole[..1], &whole[1..10], &whole[10..]]] {
            assert_eq!(read(pieces).await, (HttpVersion::Http2, whole.clone()));
        }
        for other in [&b""[..], b"P", b"PRI * HTTP/2.0\r\n\r\nSN\r\n\r\n", b"POST / HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"]
        {
            assert_eq!(read(&[other]).await, (HttpVersion::Http1, other.to_vec()));
            let pieces: Vec<&[u8]> = other.chunks(1).collect();
            assert_eq!(read(&pieces).await, (HttpVersion::Http1, other.to_vec()));
        }
    }
}
