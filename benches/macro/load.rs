//! The load on a server: connections that take requests from one supply, and the latencies that
//! they see.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::Result;
use crate::connection::{Connection, Expected};
use crate::process::Server;
use crate::report::{Contender, Sample};
use crate::requests::{Credentials, Operation, Pace, create_instance_token, role_credential};
use crate::store::{Credential, Data};

/// A load on a server.
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
        Self {
            requests,
            again: false,
            taken: AtomicUsize::new(0),
        }
    }

    /// Begins again after the last.
    pub(crate) fn again(requests: Arc<Vec<Vec<u8>>>) -> Self {
        Self {
            requests,
            again: true,
            taken: AtomicUsize::new(0),
        }
    }

    /// Returns the next request, and how many went before it.
    fn take(&self) -> Option<(usize, &[u8])> {
        let number = self.taken.fetch_add(1, Ordering::Relaxed);
        let place = if self.again {
            number % self.requests.len()
        } else {
            number
        };
        self.requests
            .get(place)
            .map(|request| (number, request.as_slice()))
    }
}

/// Waits until the server answers its health check.
pub(crate) async fn wait_until_healthy(address: SocketAddr) -> Result<()> {
    let mut connection = Connection::open(address).await?;
    connection
        .send(
            b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n",
            Expected::Ok,
        )
        .await?;
    Ok(())
}

/// Gets a temporary credential of every account's root, and of every role that a job has.
pub(crate) async fn collect_credentials(address: SocketAddr, data: &Data) -> Result<Credentials> {
    Ok(Credentials {
        of_roots: credentials_of_roots(address, data).await?,
        of_roles: credentials_of_roles(address, data).await?,
    })
}

async fn credentials_of_roles(address: SocketAddr, data: &Data) -> Result<Vec<Credential>> {
    let mut connection = Connection::open(address).await?;
    let mut credentials = Vec::with_capacity(data.job_log_ins.len());
    for (tenant, log_in) in data.tenants.iter().zip(&data.job_log_ins) {
        let request = role_credential(tenant, log_in);
        let expected = Expected::Body(r#""access_token":"trst_"#);
        let answer = connection.send(&request, expected).await?;
        let answer: serde_json::Value = serde_json::from_slice(answer)?;
        let text = |name: &str| answer[name].as_str().map(str::to_owned);
        credentials.push(Credential {
            username: text("username").ok_or("a log-in lacks its username")?,
            secret: text("access_token").ok_or("a log-in lacks its secret")?,
        });
    }
    Ok(credentials)
}

/// Gets a temporary credential of every account's root, by Tencent's API.
async fn credentials_of_roots(address: SocketAddr, data: &Data) -> Result<Vec<Credential>> {
    let mut connection = Connection::open(address).await?;
    let mut credentials = Vec::with_capacity(data.tenants.len());
    for tenant in &data.tenants {
        let answer = connection
            .send(
                &create_instance_token(tenant)?,
                Operation::IssueTencent.expected(),
            )
            .await?;
        let answer: serde_json::Value = serde_json::from_slice(answer)?;
        let text = |name: &str| {
            answer["Response"][name]
                .as_str()
                .map(str::to_owned)
                .ok_or("a credential lacks a part")
        };
        credentials.push(Credential {
            username: text("Username")?,
            secret: text("Token")?,
        });
    }
    Ok(credentials)
}

/// Returns the length of an operation's answer.
pub(crate) async fn answer_bytes(
    address: SocketAddr,
    operation: Operation,
    data: &Data,
    credentials: &Credentials,
) -> Result<usize> {
    let request = operation.request(data, credentials, 0)?;
    Ok(Connection::open(address)
        .await?
        .send(&request, operation.expected())
        .await?
        .len())
}

/// Loads a server for the time of the load, or until the requests are used up.
pub(crate) async fn measure(server: &Server, supply: Supply, load: Load) -> Result<Sample> {
    let mut open = Vec::with_capacity(load.connections);
    for _ in 0..load.connections {
        open.push(Connection::open(server.address).await?);
    }
    let before = server.settled_processor_time().await?;
    let switches_before = server.context_switches()?;
    let (supply, started) = (Arc::new(supply), Instant::now());
    let working = open
        .into_iter()
        .map(|connection| tokio::spawn(work(connection, Arc::clone(&supply), load, started)));
    let mut latencies = Vec::new();
    for connection in working.collect::<Vec<_>>() {
        latencies.extend(connection.await??);
    }
    let elapsed = started.elapsed();
    let processor_time = server.settled_processor_time().await? - before;
    let context_switches = server.context_switches()? - switches_before;
    latencies.sort_unstable();
    let resident_kilobytes = server.resident_kilobytes()?;
    Ok(Sample {
        operation: None,
        contender: Contender::Bare,
        pace: load.pace,
        latencies,
        elapsed,
        processor_time,
        context_switches,
        resident_kilobytes,
    })
}

async fn work(
    mut connection: Connection,
    supply: Arc<Supply>,
    load: Load,
    started: Instant,
) -> Result<Vec<u32>> {
    let mut latencies = Vec::new();
    while started.elapsed() < load.time
        && let Some((number, request)) = supply.take()
    {
        if let Pace::PerSecond(rate) = load.pace {
            tokio::time::sleep_until(
                (started + Duration::from_secs_f64(number as f64 / rate)).into(),
            )
            .await;
        }
        let sent = Instant::now();
        connection.send(request, load.expected).await?;
        latencies.push(u32::try_from(sent.elapsed().as_micros())?);
    }
    Ok(latencies)
}
