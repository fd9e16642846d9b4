//! Instructions and allocations of a request, counted under callgrind: exact where times are noise.
//!
//! The program runs twice, with few requests and with more of them; what the difference took is the
//! requests' own. Valgrind knows no SHA extensions, so SHA-256 counts for far more than it costs.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Result;
use crate::connection::Connection;
use crate::load;
use crate::process::Server;
use crate::requests::{Credentials, Operation};
use crate::store::Data;

/// The requests of the two runs.
const RUNS: [usize; 2] = [200, 1000];
/// The credentials by which the same is asked for again.
const FEW_CREDENTIALS: usize = 20;
/// The costliest functions that are printed.
const FUNCTIONS: usize = 15;

/// The costs of a run in all.
struct Profile {
    /// The instructions of each function itself.
    by_function: HashMap<String, u64>,
    /// The calls of the allocator from outside of it.
    allocations: u64,
}

/// Counts an operation, or all, and prints what a request takes.
pub(crate) async fn count(program: &Path, only: Option<Operation>) -> Result<()> {
    let data = Data::prepare().await?;
    let credentials = {
        let transire = Server::transire(program, data.directory())?;
        load::wait_until_healthy(transire.address).await?;
        load::collect_credentials(transire.address, &data).await?
    };
    for operation in Operation::ALL {
        if only.is_some_and(|only| only != operation) {
            continue;
        }
        eprintln!("{}: two runs under callgrind", operation.name());
        let [few, many] = RUNS;
        let few_took = run(program, &data, &credentials, operation, few).await?;
        let many_took = run(program, &data, &credentials, operation, many).await?;
        print(operation, &few_took, &many_took, (many - few) as u64);
    }
    Ok(())
}

async fn run(
    program: &Path,
    data: &Data,
    credentials: &Credentials,
    operation: Operation,
    count: usize,
) -> Result<Profile> {
    let copy = data.copy()?;
    let file = copy.path().join("callgrind.out");
    let server = Server::under_callgrind(program, copy.path(), &file)?;
    load::wait_until_healthy(server.address).await?;
    let mut connection = Connection::open(server.address).await?;
    for number in 0..count {
        // All but the first ones come again.
        let number = match operation {
            Operation::ExchangeAgain => number % FEW_CREDENTIALS,
            _ => number,
        };
        let request = operation.request(data, credentials, number)?;
        connection.send(&request, operation.expected()).await?;
    }
    // It ends in order, and callgrind writes the file.
    drop(server);
    read(&file)
}

fn print(operation: Operation, few: &Profile, many: &Profile, requests: u64) {
    let of_few = |name: &str| few.by_function.get(name).copied().unwrap_or(0);
    let more = |(name, took): (&String, &u64)| {
        (took.saturating_sub(of_few(name)) / requests, name.clone())
    };
    let mut functions: Vec<(u64, String)> = many.by_function.iter().map(more).collect();
    functions.sort_unstable_by(|one, other| other.cmp(one));
    let all: u64 = functions.iter().map(|(took, _)| took).sum();
    let is_sha = |(_, name): &&(u64, String)| name.to_ascii_lowercase().contains("sha256_block");
    let sha: u64 = functions.iter().filter(is_sha).map(|(took, _)| took).sum();
    let allocations = many.allocations.saturating_sub(few.allocations) / requests;
    println!(
        "\n{}: {all} instructions a request, {} beside SHA-256; {allocations} allocations\n",
        operation.name(),
        all - sha
    );
    for (took, name) in functions.iter().take(FUNCTIONS) {
        println!("{took:>9}  {name}");
    }
}

/// Reads a file of callgrind's: lines of costs under the function that they are of, and the calls
/// that it made, each with a line of costs that are another function's.
fn read(file: &PathBuf) -> Result<Profile> {
    let text = fs::read_to_string(file)
        .map_err(|error| format!("valgrind left no profile ({error}); is it installed?"))?;
    let mut names = HashMap::new();
    let mut profile = Profile {
        by_function: HashMap::new(),
        allocations: 0,
    };
    let (mut function, mut called, mut is_of_call) = (String::new(), String::new(), false);
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("fn=") {
            function = named(name, &mut names);
        } else if let Some(name) = line.strip_prefix("cfn=") {
            called = named(name, &mut names);
        } else if let Some(calls) = line.strip_prefix("calls=") {
            is_of_call = true;
            if is_allocator(&called) && !is_allocator(&function) {
                let count = calls.split(' ').next().unwrap_or_default();
                profile.allocations += count.parse::<u64>()?;
            }
        } else if line.starts_with(|first: char| first.is_ascii_digit() || "+-*".contains(first)) {
            // A call's costs are those of the function that was called.
            if !std::mem::take(&mut is_of_call)
                && let Some(took) = line.split(' ').nth(1)
            {
                *profile.by_function.entry(function.clone()).or_default() += took.parse::<u64>()?;
            }
        }
    }
    Ok(profile)
}

/// Returns a function's name: the file has it once, and its number after that.
fn named(text: &str, names: &mut HashMap<String, String>) -> String {
    match text.split_once(' ') {
        Some((number, name)) => {
            names.insert(number.to_owned(), name.to_owned());
            name.to_owned()
        }
        None => names.get(text).cloned().unwrap_or_else(|| text.to_owned()),
    }
}

/// Tells whether a function is the allocator's, and gives memory.
fn is_allocator(name: &str) -> bool {
    (name.starts_with("mi_") || name.starts_with("_mi_")) && name.contains("alloc")
}

impl Server {
    /// Starts transire under callgrind, which writes what it counted into a file at the end.
    fn under_callgrind(program: &Path, data: &Path, file: &Path) -> Result<Self> {
        let mut command = Command::new("valgrind");
        command
            .args(["--tool=callgrind", "--quiet"])
            .arg(format!("--callgrind-out-file={}", file.display()))
            .arg(program)
            // Every request would wait for longer than the usual bound.
            .env("TRANSIRE_LIMITS__WAIT_MILLISECONDS", "600000");
        Self::serving(command, data)
    }
}
