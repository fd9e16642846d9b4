//! The client: connections that are kept, each with one request at a time, and nothing that a server
//! would have to wait for.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::Result;
use crate::process::Server;
use crate::report::{Contender, Sample};
use crate::requests::{Credential, Operation, create_instance_token};
use crate::store::Data;

/// What makes an answer a good one.
#[derive(Clone, Copy)]
pub(crate) enum Expected {
    /// The status 200.
    Ok,
    /// The status 200, and this in the body.
    Body(&'static str),
}

/// How fast requests come.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Pace {
    /// Each as soon as its connection is free.
    FlatOut,
    /// So many a second over all connections.
    PerSecond(f64),
}

/// How a server is loaded.
#[derive(Clone, Copy)]
pub(crate) struct Load {
    pub(crate) expected: Expected,
    pub(crate) pace: Pace,
    pub(crate) time: Duration,
    pub(crate) connections: usize,
}

/// Requests to be sent, shared by all connections.
pub(crate) struct Supply {
    requests: Arc<Vec<Vec<u8>>>,
    again: bool,
    taken: AtomicUsize,
}

impl Supply {
    /// Sends each request once.
    pub(crate) fn once(requests: Arc<Vec<Vec<u8>>>) -> Self {
        Self { requests, again: false, taken: AtomicUsize::new(0) }
    }

    /// Begins again after the last.
    pub(crate) fn again(requests: Arc<Vec<Vec<u8>>>) -> Self {
        Self { requests, again: true, taken: AtomicUsize::new(0) }
    }

    /// Returns the next request, and how many went before it.
    fn take(&self) -> Option<(usize, &[u8])> {
        let number = self.taken.fetch_add(1, Ordering::Relaxed);
        let place = if self.again { number % self.requests.len() } else { number };
        self.requests.get(place).map(|request| (number, request.as_slice()))
    }
}

/// A connection that is kept.
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::with_capacity(16 * 1024) })
    }

    /// Sends a request and returns the body of its answer.
    async fn send(&mut self, request: &[u8], expected: Expected) -> Result<&[u8]> {
        let body = self.exchange(request).await?;
        let good = match expected {
            Expected::Ok => true,
            Expected::Body(text) => std::str::from_utf8(&self.buffer[body.clone()]).is_ok_and(|body| body.contains(text)),
        };
        if good && self.buffer.starts_with(b"HTTP/1.1 200") {
            return Ok(&self.buffer[body]);
        }
        Err(format!("an answer is not the expected one:\n{}", String::from_utf8_lossy(&self.buffer)).into())
    }

    /// Sends a request and returns whether it was answered, or refused because there is too much to do.
    pub(crate) async fn is_accepted(&mut self, request: &[u8]) -> Result<bool> {
        self.exchange(request).await?;
        match self.buffer.get(9..12) {
            Some(b"200") => Ok(true),
            Some(b"503") => Ok(false),
            _ => Err(format!("an answer is neither 200 nor 503:\n{}", String::from_utf8_lossy(&self.buffer)).into()),
        }
    }

    /// Sends a request, reads the whole answer, and returns where its body is.
    async fn exchange(&mut self, request: &[u8]) -> Result<std::ops::Range<usize>> {
        self.stream.write_all(request).await?;
        self.buffer.clear();
        let (head, length) = loop {
            if let Some(end) = self.buffer.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
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

fn content_length(head: &[u8]) -> Result<usize> {
    let head = std::str::from_utf8(head)?;
    let length = head.split("\r\n").filter_map(|line| line.split_once(':')).find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    Ok(length.ok_or("an answer does not say its length")?.1.trim().parse()?)
}

/// Waits until the server says that it is there.
pub(crate) async fn wait_until_healthy(address: SocketAddr) -> Result<()> {
    let mut connection = Connection::open(address).await?;
    connection.send(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n", Expected::Ok).await?;
    Ok(())
}

/// Gets a temporary credential of every account, over the true front door.
pub(crate) async fn collect_credentials(address: SocketAddr, data: &Data) -> Result<Vec<Credential>> {
    let mut connection = Connection::open(address).await?;
    let mut credentials = Vec::with_capacity(data.tenants.len());
    for tenant in &data.tenants {
        let answer = connection.send(&create_instance_token(tenant)?, Operation::IssueTencent.expected()).await?;
        let answer: serde_json::Value = serde_json::from_slice(answer)?;
        let text = |name: &str| answer["Response"][name].as_str().map(str::to_owned).ok_or("a credential lacks a part");
        credentials.push(Credential { username: text("Username")?, secret: text("Token")? });
    }
    Ok(credentials)
}

/// Returns the length of an operation's answer.
pub(crate) async fn answer_bytes(address: SocketAddr, operation: Operation, data: &Data, credentials: &[Credential]) -> Result<usize> {
    let request = operation.request(data, credentials, 0)?;
    Ok(Connection::open(address).await?.send(&request, operation.expected()).await?.len())
}

/// Loads a server for so long, or until the requests are used up.
pub(crate) async fn measure(server: &Server, supply: Supply, load: Load) -> Result<Sample> {
    let mut open = Vec::with_capacity(load.connections);
    for _ in 0..load.connections {
        open.push(Connection::open(server.address).await?);
    }
    let before = server.settled_processor_time().await?;
    let (supply, started) = (Arc::new(supply), Instant::now());
    let working = open.into_iter().map(|connection| tokio::spawn(work(connection, Arc::clone(&supply), load, started)));
    let mut latencies = Vec::new();
    for connection in working.collect::<Vec<_>>() {
        latencies.extend(connection.await??);
    }
    let elapsed = started.elapsed();
    let processor_time = server.settled_processor_time().await? - before;
    latencies.sort_unstable();
    let resident_kilobytes = server.resident_kilobytes()?;
    Ok(Sample { operation: None, contender: Contender::Bare, pace: load.pace, latencies, elapsed, processor_time, resident_kilobytes })
}

async fn work(mut connection: Connection, supply: Arc<Supply>, load: Load, started: Instant) -> Result<Vec<u32>> {
    let mut latencies = Vec::new();
    while started.elapsed() < load.time
        && let Some((number, request)) = supply.take()
    {
        if let Pace::PerSecond(rate) = load.pace {
            tokio::time::sleep_until((started + Duration::from_secs_f64(number as f64 / rate)).into()).await;
        }
        let sent = Instant::now();
        connection.send(request, load.expected).await?;
        latencies.push(u32::try_from(sent.elapsed().as_micros())?);
    }
    Ok(latencies)
}
