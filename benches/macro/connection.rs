//! A connection of the client, with one request at a time, and nothing for which a server would
//! have to wait.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::Result;

/// The mark of a good answer.
#[derive(Clone, Copy)]
pub(crate) enum Expected {
    /// The status 200.
    Ok,
    /// The status 201.
    Created,
    /// The status 200, and this text in the body.
    Body(&'static str),
}

/// A connection of the client, which is kept.
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            buffer: Vec::with_capacity(16 * 1024),
        })
    }

    /// Sends a request and returns the body of its answer.
    pub(crate) async fn send(&mut self, request: &[u8], expected: Expected) -> Result<&[u8]> {
        let body = self.exchange(request).await?;
        let good = match expected {
            Expected::Ok | Expected::Created => true,
            Expected::Body(text) => std::str::from_utf8(&self.buffer[body.clone()])
                .is_ok_and(|body| body.contains(text)),
        };
        let status: &[u8] = match expected {
            Expected::Created => b"HTTP/1.1 201",
            Expected::Ok | Expected::Body(_) => b"HTTP/1.1 200",
        };
        if good && self.buffer.starts_with(status) {
            return Ok(&self.buffer[body]);
        }
        Err(format!(
            "an answer is not the expected one:\n{}",
            String::from_utf8_lossy(&self.buffer)
        )
        .into())
    }

    /// Sends a request and returns whether it was answered; `false` means that it was refused for
    /// overload.
    pub(crate) async fn is_accepted(&mut self, request: &[u8]) -> Result<bool> {
        self.exchange(request).await?;
        match self.buffer.get(9..12) {
            Some(b"200") => Ok(true),
            Some(b"503") => Ok(false),
            _ => Err(format!(
                "an answer is neither 200 nor 503:\n{}",
                String::from_utf8_lossy(&self.buffer)
            )
            .into()),
        }
    }

    /// Sends a request and returns its answer's status, as text.
    pub(crate) async fn status(&mut self, request: &[u8]) -> Result<String> {
        self.exchange(request).await?;
        let status = self.buffer.get(9..12).ok_or("an answer has no status")?;
        Ok(String::from_utf8_lossy(status).into_owned())
    }

    /// Sends a request, reads the whole answer, and returns the range of its body.
    async fn exchange(&mut self, request: &[u8]) -> Result<std::ops::Range<usize>> {
        self.stream.write_all(request).await?;
        self.buffer.clear();
        let (head, length) = loop {
            if let Some(end) = self
                .buffer
                .windows(4)
                .position(|bytes| bytes == b"\r\n\r\n")
            {
                break (end + 4, content_length(&self.buffer[..end])?);
            }
            self.receive().await?;
        };
        while self.buffer.len() < head + length {
            self.receive().await?;
        }
        Ok(head..head + length)
    }

    async fn receive(&mut self) -> Result<()> {
        match self.stream.read_buf(&mut self.buffer).await? {
            0 => Err("the server closed a connection".into()),
            _ => Ok(()),
        }
    }
}

pub(crate) fn content_length(head: &[u8]) -> Result<usize> {
    let head = std::str::from_utf8(head)?;
    let length = head
        .split("\r\n")
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    Ok(length
        .ok_or("an answer does not say its length")?
        .1
        .trim()
        .parse()?)
}
