//! Too many requests: what becomes of those that are accepted.
//!
//! The exchange is asked for by one connection, by as many as keep the program busy, and by ten
//! times as many, each with one request at a time and the next at once, whatever the answer was.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::Result;
use crate::connection::Connection;
use crate::load;
use crate::process::Server;
use crate::requests::Operation;
use crate::store::Data;

/// Requests that are made ahead; an exchange may be asked for again.
const REQUESTS: usize = 10_000;

/// The answers.
#[derive(Default)]
struct Answers {
    accepted: Vec<u32>,
    refused: Vec<u32>,
}

/// Measures, and prints a table.
pub(crate) async fn measure(program: &Path, time: Duration, busy: usize) -> Result<()> {
    eprintln!("preparing accounts");
    let data = Data::prepare().await?;
    let transire = Server::transire(program, data.directory())?;
    load::wait_until_healthy(transire.address).await?;
    let credentials = load::collect_credentials(transire.address, &data).await?;
    let requests: Vec<Vec<u8>> = (0..REQUESTS)
        .map(|number| Operation::Exchange.request(&data, &credentials, number))
        .collect::<Result<_>>()?;
    let requests = Arc::new(requests);
    println!(
        "| connections | accepted/s | p50 ms | p99 ms | p99 : unloaded | refused/s | refusal p99 \
         ms | memory MB |"
    );
    println!("|--:|--:|--:|--:|--:|--:|--:|--:|");
    // The first round fills caches and memory.
    run(&transire, &requests, busy, time / 2).await?;
    let mut unloaded = None;
    for connections in [1, busy, busy * 10] {
        let mut answers = run(&transire, &requests, connections, time).await?;
        answers.accepted.sort_unstable();
        answers.refused.sort_unstable();
        let p99 = percentile(&answers.accepted, 99);
        let ratio = p99 / *unloaded.get_or_insert(p99);
        let per_second = |answers: &[u32]| answers.len() as f64 / time.as_secs_f64();
        println!(
            "| {connections} | {:.0} | {:.2} | {p99:.2} | {ratio:.1} | {:.0} | {:.2} | {:.1} |",
            per_second(&answers.accepted),
            percentile(&answers.accepted, 50),
            per_second(&answers.refused),
            percentile(&answers.refused, 99),
            transire.resident_kilobytes()? as f64 / 1024.0
        );
    }
    Ok(())
}

async fn run(
    server: &Server,
    requests: &Arc<Vec<Vec<u8>>>,
    connections: usize,
    time: Duration,
) -> Result<Answers> {
    let mut open = Vec::with_capacity(connections);
    for _ in 0..connections {
        open.push(Connection::open(server.address).await?);
    }
    let started = Instant::now();
    let working = open.into_iter().enumerate().map(|(number, connection)| {
        // Each begins elsewhere, so that accounts are spread.
        tokio::spawn(press(
            connection,
            Arc::clone(requests),
            number * 97,
            started,
            time,
        ))
    });
    let mut all = Answers::default();
    for connection in working.collect::<Vec<_>>() {
        let answers = connection.await??;
        all.accepted.extend(answers.accepted);
        all.refused.extend(answers.refused);
    }
    Ok(all)
}

async fn press(
    mut connection: Connection,
    requests: Arc<Vec<Vec<u8>>>,
    first: usize,
    started: Instant,
    time: Duration,
) -> Result<Answers> {
    let mut answers = Answers::default();
    let mut number = first;
    while started.elapsed() < time {
        let sent = Instant::now();
        let accepted = connection
            .is_accepted(&requests[number % requests.len()])
            .await?;
        let micros = u32::try_from(sent.elapsed().as_micros())?;
        if accepted {
            &mut answers.accepted
        } else {
            &mut answers.refused
        }
        .push(micros);
        number += 1;
    }
    Ok(answers)
}

fn percentile(sorted: &[u32], hundredths: usize) -> f64 {
    let place = (sorted.len() * hundredths / 100).min(sorted.len().saturating_sub(1));
    f64::from(sorted.get(place).copied().unwrap_or(0)) / 1000.0
}
