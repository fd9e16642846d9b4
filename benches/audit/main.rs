//! How long searches of a long audit take, by the true program.
//!
//! `cargo bench --bench audit` fills a store with events in pages, and lists them by
//! `transire audit list`. `docs/performance.md` has figures.

#![expect(
    clippy::unwrap_used,
    reason = "a benchmark says what is wrong by panicking"
)]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use clap::Parser;
use serde_json::Value;
use transire::domain::clock::{Clock, SystemClock};

use crate::fill::{EVENTS_OF_PAGE, address, fill};

mod fill;

/// How often each search is timed; the median counts.
const ROUNDS: usize = 5;

/// Times searches of a long audit.
#[derive(Parser)]
struct Options {
    /// How many events there are.
    #[arg(long, default_value_t = 200_000)]
    lines: u64,
    /// How many events a page has.
    #[arg(long, default_value_t = EVENTS_OF_PAGE)]
    page: u64,
    /// The program to measure.
    #[arg(long, default_value = env!("CARGO_BIN_EXE_transire"))]
    program: PathBuf,
    /// Cargo passes this to every benchmark.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() {
    let options = Options::parse();
    let data = std::env::temp_dir().join(format!("transire-audit-{}", std::process::id()));
    assert!(
        command(&options, &data, &["init"])
            .status()
            .unwrap()
            .success()
    );
    let begin = SystemClock.now().minus(Duration::from_hours(12));
    let filling = Instant::now();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let bytes = runtime.block_on(fill(&data, options.lines, options.page, begin));
    println!(
        "{} events in pages of {}: {} MB with filters of {:.1} %, filled in {:.0} s\n",
        options.lines,
        options.page,
        bytes.lines >> 20,
        bytes.terms as f64 * 100.0 / bytes.lines as f64,
        filling.elapsed().as_secs_f64(),
    );
    time_searches(&options, &data);
    std::fs::remove_dir_all(data).unwrap();
}

/// Prints how long each search takes.
fn time_searches(options: &Options, data: &Path) {
    let middle = options.lines / 2;
    let one = |kind: &str| format!("{kind}-{middle}");
    let (request, credential) = (one("request"), one("credential"));
    let user = format!("100000000001:user#{}", middle * 7 % 1000);
    let (key, address) = (format!("AKIDEXAMPLE{}", middle * 7 % 1000), address(middle));
    let rare = ["--since", "0d", "--limit", "100"];
    let searches: [(&str, &[&str]); 11] = [
        ("an empty list", &rare),
        ("the first 100", &["--limit", "100"]),
        ("the last 100", &["--reverse", "--limit", "100"]),
        ("a request", &["--request-id", &request]),
        ("a request that isn't there", &["--request-id", "nobody"]),
        ("a credential", &["--credential", &credential]),
        (
            "100 of one principal",
            &["--principal", &user, "--limit", "100"],
        ),
        (
            "100 of one access key",
            &["--access-key", &key, "--reverse", "--limit", "100"],
        ),
        ("an address", &["--address", &address, "--limit", "100"]),
        (
            "an outcome that is rare",
            &["--outcome", "denied", "--limit", "100"],
        ),
        (
            "an action that isn't there",
            &["--action", "user.create", "--limit", "100"],
        ),
    ];
    println!("| search | events | ms |\n|---|---|---|");
    for (name, search) in searches {
        let (count, time) = measured(options, data, search);
        println!("| {name} | {count} | {:.0} |", time.as_secs_f64() * 1000.0);
    }
}

fn command(options: &Options, data: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(&options.program);
    command
        .arg("--data-dir")
        .arg(data)
        .args(["--output", "json"])
        .args(arguments);
    command.stdout(Stdio::null());
    command
}

/// Returns how many events a search lists, and the median of its times.
fn measured(options: &Options, data: &Path, search: &[&str]) -> (usize, Duration) {
    let arguments = [&["audit", "list"], search].concat();
    let mut times = Vec::new();
    let mut count = 0;
    for _ in 0..ROUNDS {
        let begin = Instant::now();
        let done = command(options, data, &arguments)
            .stdout(Stdio::piped())
            .output()
            .unwrap();
        times.push(begin.elapsed());
        let listed: Value = serde_json::from_slice(&done.stdout).unwrap();
        count = listed["items"].as_array().unwrap().len();
    }
    times.sort();
    (count, times[ROUNDS / 2])
}
