//! One busy tenant: the exchanges of all others while one account is changed all the time.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::Result;
use crate::connection::{Connection, Expected};
use crate::load::{self, Load, Supply};
use crate::process::Server;
use crate::report::{Sample, median, spread};
use crate::requests::{Operation, Pace};
use crate::store::Data;

/// How often the busy account is changed.
const CHANGE_EVERY: Duration = Duration::from_millis(100);
/// The most that the median of others may grow.
const GOAL: f64 = 1.05;

/// Measures in turns, with changes and without, and prints the ratio.
pub(crate) async fn measure(
    program: &Path,
    (rounds, connections): (usize, usize),
    (time, rate): (Duration, f64),
) -> Result<()> {
    eprintln!("preparing accounts");
    let data = Data::prepare().await?;
    let token = operator(program, data.directory())?;
    let server = Server::transire_with(
        program,
        data.directory(),
        &[("TRANSIRE_ADMIN_PUBLIC", "true")],
    )?;
    load::wait_until_healthy(server.address).await?;
    let credentials = load::collect_credentials(server.address, &data).await?;
    let pace = Pace::PerSecond(rate);
    let load = Load {
        expected: Operation::ExchangeOfRole.expected(),
        pace,
        time,
        connections,
    };
    let (mut ratios, mut made) = (Vec::new(), 0);
    for round in 0..=rounds {
        eprintln!("round {round} of {rounds}");
        let mut medians = Vec::new();
        for is_busy in [false, true] {
            // As a role: its policies are decided, and the scope is never one that was asked.
            let operation = Operation::ExchangeOfRole;
            let requests = operation.requests(&data, &credentials, time, pace)?;
            let goes_on = Arc::new(AtomicBool::new(is_busy));
            let changing = change(&server, &token, made, Arc::clone(&goes_on));
            let measuring = async {
                let sample = load::measure(&server, Supply::once(Arc::new(requests)), load).await;
                goes_on.store(false, Ordering::Relaxed);
                sample
            };
            let (changed, sample) = tokio::join!(changing, measuring);
            made += changed?;
            medians.push(Sample::percentile(&sample?, 0.5));
        }
        // The first round fills the caches.
        if round > 0 {
            ratios.push(medians[1] / medians[0]);
        }
    }
    let middle = median(ratios.clone());
    println!("{made} changes of one account");
    println!(
        "others' p50 : without changes: {} (at most {GOAL})",
        spread(ratios)
    );
    if middle <= GOAL {
        println!("all 1 reached");
    } else {
        println!("missed: one busy tenant");
    }
    Ok(())
}

/// Makes an operator, and returns its token.
fn operator(program: &Path, data: &Path) -> Result<String> {
    let made = Command::new(program)
        .arg("--data-dir")
        .arg(data)
        .args(["operator", "create", "--name", "bench", "--role", "admin"])
        .args(["--output", "json"])
        .output()?;
    let said: serde_json::Value = serde_json::from_slice(&made.stdout)?;
    Ok(said["token"]
        .as_str()
        .ok_or("no operator's token")?
        .to_owned())
}

/// Makes users of the first account until it is told to stop; returns how many.
async fn change(
    server: &Server,
    token: &str,
    first: usize,
    goes_on: Arc<AtomicBool>,
) -> Result<usize> {
    let mut connection = Connection::open(server.address).await?;
    let mut made = 0;
    let mut ticks = tokio::time::interval(CHANGE_EVERY);
    while goes_on.load(Ordering::Relaxed) {
        ticks.tick().await;
        let body = format!(r#"{{"name":"busy-{}"}}"#, first + made);
        let request = format!(
            "POST /admin/v1/accounts/100000000001/users HTTP/1.1\r\nhost: {}\r\n\
             authorization: Bearer {token}\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n{body}",
            server.address,
            body.len()
        );
        connection
            .send(request.as_bytes(), Expected::Created)
            .await?;
        made += 1;
    }
    Ok(made)
}
