//! A connection's stream: its bytes are counted, and its first ones tell which HTTP the client
//! speaks.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

use crate::serve::activity::Activity;

/// The first bytes of a connection of HTTP/2: RFC 9113, section 3.4.
const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The version of HTTP that a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HttpVersion {
    Http1,
    Http2,
}

/// A stream that counts the bytes that are read from it and written to it.
pub(super) struct Counted<S> {
    /// Bytes that were read, and counted, before hyper asked for them.
    pub(super) ahead: Bytes,
    pub(super) stream: S,
    pub(super) activity: Arc<Activity>,
}

impl<S: AsyncRead + Unpin> Counted<S> {
    /// Reads some more ahead, and returns how many bytes: none at the end. Dropping the future
    /// loses no byte.
    pub(super) async fn read_more(&mut self) -> io::Result<usize> {
        let mut more = [0; HTTP2_PREFACE.len()];
        let bytes = self.stream.read(&mut more).await?;
        self.activity.receive(bytes);
        self.ahead = [&self.ahead, &more[..bytes]].concat().into();
        Ok(bytes)
    }

    /// Reads ahead until it is known which HTTP the client speaks.
    pub(super) async fn read_version(&mut self) -> io::Result<HttpVersion> {
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
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
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
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.count_sent(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
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
    use tokio::io::{AsyncWriteExt, duplex};

    use super::*;
    use crate::serve::activity::Ticks;

    /// Returns the version of a client that sends these pieces and then ends, and all bytes that
    /// are read then.
    async fn read(pieces: &[&[u8]]) -> (HttpVersion, Vec<u8>) {
        let (mut client, server) = duplex(1024);
        let activity = Arc::new(Activity::new(Arc::new(Ticks::default()), 10, Vec::new()));
        let mut stream = Counted {
            ahead: Bytes::new(),
            stream: server,
            activity: Arc::clone(&activity),
        };
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
        for pieces in [
            &[&whole[..]][..],
            &[preface, frames],
            &[&whole[..1], &whole[1..10], &whole[10..]],
        ] {
            assert_eq!(read(pieces).await, (HttpVersion::Http2, whole.clone()));
        }
        for other in [
            &b""[..],
            b"P",
            b"PRI * HTTP/2.0\r\n\r\nSN\r\n\r\n",
            b"POST / HTTP/1.1\r\n\r\n",
            b"GET / HTTP/1.1\r\nhost: a\r\n\r\n",
        ] {
            assert_eq!(read(&[other]).await, (HttpVersion::Http1, other.to_vec()));
            let pieces: Vec<&[u8]> = other.chunks(1).collect();
            assert_eq!(read(&pieces).await, (HttpVersion::Http1, other.to_vec()));
        }
    }
}
