//! Recorded requests, sent to a running service at a rate, whatever its answers take.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use clap::Args;
use tokio::time::Instant;

use crate::Result;
use crate::connection::{Connection, content_length};

/// The options of recorded requests.
#[derive(Args)]
pub(crate) struct Recorded {
    /// A file of HTTP/1.1 requests, one after the other as they are sent; they are sent to `--at`,
    /// each once.
    #[arg(long, requires = "at")]
    pub(crate) fire: Option<PathBuf>,
    /// The address of the service that gets the recorded requests.
    #[arg(long)]
    at: Option<SocketAddr>,
    /// How many recorded requests a second.
    #[arg(long, default_value_t = 1000.0)]
    at_rate: f64,
}

/// Sends the requests of a file, and prints how long their answers took: from when each was due, so
/// that one that waits for a slow answer before it is as late as its client sees it.
pub(crate) async fn measure(options: &Recorded, file: &Path, connections: usize) -> Result<()> {
    let requests = Arc::new(read(file)?);
    let (next, begun) = (Arc::new(AtomicUsize::new(0)), Instant::now());
    let address = options.at.ok_or("--at names the service")?;
    let rate = options.at_rate;
    let mut sending = Vec::new();
    for _ in 0..connections {
        let mut connection = Connection::open(address).await?;
        let (requests, next) = (Arc::clone(&requests), Arc::clone(&next));
        sending.push(tokio::spawn(async move {
            let mut answers = Vec::new();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                let Some(request) = requests.get(number) else {
                    return Ok::<_, crate::Error>(answers);
                };
                let due = begun + Duration::from_secs_f64(number as f64 / rate);
                tokio::time::sleep_until(due).await;
                let status = connection.status(request).await?;
                answers.push((status, due.elapsed()));
            }
        }));
    }
    let mut times = Vec::with_capacity(requests.len());
    let mut statuses = BTreeMap::new();
    for connection in sending {
        for (status, took) in connection.await?? {
            *statuses.entry(status).or_insert(0) += 1;
            times.push(took);
        }
    }
    times.sort_unstable();
    println!("| p50 ms | p90 ms | p99 ms | p99.9 ms | answers by status |\n|--:|--:|--:|--:|---|");
    let part = |thousandths: usize| {
        let place = (times.len() * thousandths / 1000).min(times.len().saturating_sub(1));
        times.get(place).map_or(0.0, Duration::as_secs_f64) * 1e3
    };
    let [p50, p90, p99, p999] = [500, 900, 990, 999].map(part);
    println!("| {p50:.2} | {p90:.2} | {p99:.2} | {p999:.2} | {statuses:?} |");
    Ok(())
}

/// Divides a file into its requests.
fn read(file: &Path) -> Result<Vec<Vec<u8>>> {
    let all = std::fs::read(file)?;
    let (mut rest, mut requests) = (all.as_slice(), Vec::new());
    while !rest.is_empty() {
        let end = rest.windows(4).position(|bytes| bytes == b"\r\n\r\n");
        let head = end.ok_or("a request without the empty line after its head")? + 4;
        // Without a length it has no body.
        let length = content_length(&rest[..head]).unwrap_or(0);
        let (request, after) = rest
            .split_at_checked(head + length)
            .ok_or("the last request's body is cut")?;
        requests.push(request.to_vec());
        rest = after;
    }
    Ok(requests)
}
