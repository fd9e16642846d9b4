//! How long each page of the console and each list of the admin API takes, with much data.
//!
//! `cargo bench --bench pages` fills a store, starts the program, follows the links of the console
//! and asks each list. `docs/performance.md` has figures.

#![expect(
    clippy::unwrap_used,
    reason = "a benchmark says what is wrong by panicking"
)]

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use clap::Parser;
use transire::domain::clock::{Clock, SystemClock};

use crate::browser::Browser;

#[path = "../audit/fill.rs"]
mod audit;
mod browser;
mod data;

/// How often each page is asked for; the median counts.
const ROUNDS: usize = 5;
/// The time that a page may take.
const GOAL: Duration = Duration::from_millis(100);

/// Times pages and lists over much data.
#[derive(Parser)]
struct Options {
    /// How many events the audit has.
    #[arg(long, default_value_t = 1_000_000)]
    lines: u64,
    /// How many instances there are.
    #[arg(long, default_value_t = 10_000)]
    instances: usize,
    /// How many long-term credentials there are.
    #[arg(long, default_value_t = 100_000)]
    credentials: usize,
    /// The program to measure.
    #[arg(long, default_value = env!("CARGO_BIN_EXE_transire"))]
    program: PathBuf,
    /// A folder with the data of an earlier run, or for that of later ones; else it is removed.
    #[arg(long)]
    data: Option<PathBuf>,
    /// Cargo passes this to every benchmark.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() {
    let options = Options::parse();
    let own = std::env::temp_dir().join(format!("transire-pages-{}", std::process::id()));
    let folder = options.data.as_ref().unwrap_or(&own);
    let filling = Instant::now();
    let token = fill(&options, folder);
    println!(
        "{} events, {} instances, {} credentials, filled in {:.0} s\n",
        options.lines,
        options.instances,
        options.credentials,
        filling.elapsed().as_secs_f64(),
    );
    let (server, address) = serve(&options.program, folder);
    let mut browser = Browser::new(&address, &token);
    println!("| page or list | KB | ms |\n|---|--:|--:|");
    let mut slow = Vec::new();
    let mut count = 0;
    while let Some(path) = browser.next_path() {
        let (bytes, time) = timed(&mut browser, &path);
        // Forms read nothing and are alike, so they are counted alone.
        if !path.contains("/do/") || time > GOAL {
            let milliseconds = time.as_secs_f64() * 1e3;
            println!("| `{path}` | {} | {milliseconds:.1} |", bytes >> 10);
        }
        count += 1;
        if time > GOAL {
            slow.push(path);
        }
    }
    println!();
    match slow.as_slice() {
        [] => println!("all {count} reached"),
        slow => println!("missed: {}", slow.join(", ")),
    }
    drop(server);
    if options.data.is_none() {
        std::fs::remove_dir_all(own).unwrap();
    }
}

/// Returns an operator's token for data that is as large as the options say.
fn fill(options: &Options, folder: &Path) -> String {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    if folder.exists() {
        return runtime.block_on(data::operator(folder));
    }
    let begin = SystemClock.now().minus(Duration::from_hours(12));
    runtime.block_on(async {
        data::fill(folder, options.instances, options.credentials).await;
        audit::fill(folder, options.lines, audit::EVENTS_OF_PAGE, begin).await;
        data::operator(folder).await
    })
}

/// Returns the bytes of a page, and the median of its times.
fn timed(browser: &mut Browser, path: &str) -> (usize, Duration) {
    let mut bytes = 0;
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        let begin = Instant::now();
        bytes = browser.open(path).len();
        times.push(begin.elapsed());
    }
    times.sort();
    (bytes, times[ROUNDS / 2])
}

/// A running service; dropping it ends it.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// Starts the program, and returns the address of its console.
fn serve(program: &Path, folder: &Path) -> (Server, String) {
    let mut child = Command::new(program)
        .arg("--data-dir")
        .arg(folder)
        .args(["serve", "--listen", "127.0.0.1:0"])
        .env("TRANSIRE_ADMIN_LISTEN", "127.0.0.1:0")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    stdout.read_line(&mut line).unwrap();
    let said: serde_json::Value = serde_json::from_str(&line).unwrap();
    let address = said["admin"].as_str().unwrap().to_owned();
    (Server(child), address)
}
