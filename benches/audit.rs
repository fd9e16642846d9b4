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
use serde_json::{Value, json};
use transire::domain::clock::{Clock, SystemClock, SystemRandom, Timestamp};
use transire::store::audit::{TermKind, Terms, new_id};
use transire::store::audit_page::{self, AuditPage};
use transire::store::{Location, Open, Operation, Store, Write};

/// How many events a page has, as at full load.
const EVENTS_OF_PAGE: u64 = 400;
/// How many pages one write stores.
const PAGES_OF_WRITE: u64 = 20;
/// The scope of each token.
const SCOPE: &str = "repository:team/app:pull";
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
    let bytes = runtime.block_on(fill(&data, &options, begin));
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

/// The bytes that were stored.
#[derive(Default)]
struct Bytes {
    lines: usize,
    terms: usize,
}

async fn fill(data: &Path, options: &Options, begin: Timestamp) -> Bytes {
    let location = Location::Directory(data.to_owned());
    let store = Store::open(&location, Open::Command, &SystemClock, &SystemRandom)
        .await
        .unwrap();
    let mut bytes = Bytes::default();
    let pages = options.lines.div_ceil(options.page);
    for first in (0..pages).step_by(PAGES_OF_WRITE as usize) {
        let mut write = Write::new(Operation::new(&SystemRandom, begin));
        for number in first..(first + PAGES_OF_WRITE).min(pages) {
            let page = page(options, number, begin);
            bytes.lines += page.lines.len();
            bytes.terms += page.terms.len();
            write = write.then(audit_page::insert(&page));
        }
        store.apply(write).await.unwrap();
    }
    bytes
}

/// Makes a page as the queue's writer does: each event has its own request and credential, and one
/// of a thousand users, keys and of sixty thousand addresses.
fn page(options: &Options, number: u64, begin: Timestamp) -> AuditPage {
    let (mut lines, mut terms) = (String::new(), Terms::default());
    let from = number * options.page;
    let to = (from + options.page).min(options.lines);
    let at = |line: u64| begin.plus(Duration::from_millis(line * 36_000_000 / options.lines));
    for line in from..to {
        let texts = [
            (TermKind::Request, "request_id", format!("request-{line}")),
            (
                TermKind::Credential,
                "credential_id",
                format!("credential-{line}"),
            ),
            (
                TermKind::Principal,
                "principal",
                format!("100000000001:user#{}", line * 7 % 1000),
            ),
            (
                TermKind::AccessKey,
                "access_key",
                format!("AKIDEXAMPLE{}", line * 7 % 1000),
            ),
            (TermKind::Address, "address", address(line)),
            (
                TermKind::Service,
                "service",
                "registry.example.com".to_owned(),
            ),
        ];
        let outcome = ["ok", "denied"][usize::from(line % 100_000 == 99_999)];
        let mut event = json!({
            "at": at(line).unix_millis(), "action": "token.exchange", "outcome": outcome,
            "account": 100_000_000_001_i64,
            "detail": { "asked": [SCOPE], "granted": [SCOPE] },
        });
        for (kind, name, text) in texts {
            terms.add(kind, &text);
            event[name] = text.into();
        }
        lines += &event.to_string();
        lines.push('\n');
    }
    let denied = ["", "\noutcome=denied\n"][usize::from(lines.contains("\"denied\""))];
    AuditPage {
        id: new_id(&SystemRandom, at(to)),
        first_at: at(from),
        last_at: at(to.saturating_sub(1)),
        lines,
        contents: format!("\naction=token.exchange\n{denied}\noutcome=ok\n\nprincipal+\n"),
        terms: terms.filter(),
    }
}

fn address(line: u64) -> String {
    format!("10.1.{}.{}", line / 251 % 251, line % 251)
}
