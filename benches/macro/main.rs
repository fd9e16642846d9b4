//! The macro benchmark: transire beside servers that do less, on the same cores, in one run.
//!
//! For each operation there are three servers: a *bare* one that answers as many bytes and does
//! nothing else, a *limit* one that also does the cryptography which the operation can't do without
//! ([`limit`]), and transire itself, the true program on a store of a thousand accounts with its
//! limits, its replay memory and its audit on. They take turns, round by round, so that whatever
//! else the machine does falls on all of them.
//!
//! The server's processor time for a request counts: client and server share the machine,
//! so throughput measures both. Each server is loaded twice in each round: with as much as it
//! takes, and at a rate that all of them reach, because the kernel's part in a request depends on
//! how many come at once. `docs/performance.md` says how to run it and what it showed.

mod busy;
mod connection;
mod fire;
mod instructions;
mod job_tokens;
mod limit;
mod load;
mod overload;
mod process;
mod report;
mod requests;
mod store;
mod turns;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Parser;
use mimalloc::MiMalloc;

use crate::connection::Expected;
use crate::limit::Role;
use crate::load::{Load, Supply};
use crate::process::Server;
use crate::report::{Contender, Sample};
use crate::requests::{Credentials, Operation, Pace};

/// The program's own, so that the servers differ only in what they do.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// A failure of the benchmark, which is printed and not handled.
type Result<T, E = Error> = std::result::Result<T, E>;

/// Any failure.
type Error = Box<dyn std::error::Error + Send + Sync>;

/// Measures transire beside servers that do less.
#[derive(Parser)]
struct Options {
    /// How long each server is loaded in each round.
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// How many requests a second each server gets when all get as many.
    #[arg(long, default_value_t = 5000.0)]
    rate: f64,
    /// How many rounds.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Connections of the client, each with one request at a time.
    #[arg(long, default_value_t = 32)]
    connections: usize,
    /// Measure an overload instead: accepted requests at ten times as many connections as keep the
    /// program busy.
    #[arg(long)]
    overload: bool,
    /// Measure only this operation, such as `exchange`.
    #[arg(long)]
    only: Option<Operation>,
    /// Measure others' exchanges while one account is changed all the time instead.
    #[arg(long)]
    busy_tenant: bool,
    /// Measure a fixed number of requests instead, each server in its turn, and print the goals.
    #[arg(long)]
    turns: bool,
    /// Count instructions and allocations under callgrind instead.
    #[arg(long)]
    instructions: bool,
    #[command(flatten)]
    in_turns: turns::Turns,
    #[command(flatten)]
    recorded: fire::Recorded,
    /// Another build of transire to measure.
    #[arg(long, default_value = env!("CARGO_BIN_EXE_transire"))]
    program: PathBuf,
    /// Become one of the servers that transire is compared with.
    #[arg(long, hide = true)]
    role: Option<Role>,
    /// The bytes of that server's answers.
    #[arg(long, hide = true, default_value_t = 0)]
    answer_bytes: usize,
    /// Cargo passes this to every benchmark.
    #[arg(long, hide = true)]
    bench: bool,
}

impl Options {
    fn load(&self, expected: Expected, pace: Pace) -> Load {
        Load {
            expected,
            pace,
            time: Duration::from_secs_f64(self.seconds),
            connections: self.connections,
        }
    }
}

fn main() -> Result<()> {
    let options = Options::parse();
    match options.role {
        Some(role) => limit::serve(role, options.answer_bytes),
        None => tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?
            .block_on(measure(&options)),
    }
}

async fn measure(options: &Options) -> Result<()> {
    if options.instructions {
        return instructions::count(&options.program, options.only).await;
    }
    if let Some(file) = &options.recorded.fire {
        fire::measure(&options.recorded, file, options.connections).await
    } else if options.overload {
        let time = Duration::from_secs_f64(options.seconds);
        overload::measure(&options.program, time, options.connections).await
    } else if options.busy_tenant {
        let time = Duration::from_secs_f64(options.seconds);
        let much = (options.rounds, options.connections);
        busy::measure(&options.program, much, (time, options.rate)).await
    } else if options.turns {
        let what = (options.program.as_path(), options.only);
        let much = (options.rounds, options.connections);
        turns::measure(&options.in_turns, what, much).await
    } else {
        compare(options).await
    }
}

/// One operation with its three servers.
struct Trial {
    operation: Operation,
    bare: Server,
    limit: Server,
}

impl Trial {
    /// Loads the three servers in turn with the same requests.
    async fn measure(
        &self,
        options: &Options,
        transire: &Server,
        requests: Arc<Vec<Vec<u8>>>,
        pace: Pace,
    ) -> Result<Vec<Sample>> {
        let mut samples = Vec::new();
        for (contender, server) in [
            (Contender::Bare, &self.bare),
            (Contender::Limit, &self.limit),
            (Contender::Transire, transire),
        ] {
            let requests = Arc::clone(&requests);
            let (expected, supply) = match contender {
                Contender::Transire => (self.operation.expected(), Supply::once(requests)),
                _ => (Expected::Ok, Supply::again(requests)),
            };
            let load = options.load(expected, pace);
            let sample = load::measure(server, supply, load).await?;
            samples.push(Sample {
                operation: Some(self.operation),
                contender,
                ..sample
            });
        }
        Ok(samples)
    }
}

/// Starts the servers beside transire, each answering as many bytes as transire does.
async fn trials(
    options: &Options,
    transire: &Server,
    data: &store::Data,
    credentials: &Credentials,
) -> Result<Vec<Trial>> {
    let mut trials = Vec::new();
    for operation in Operation::ALL
        .into_iter()
        .filter(|operation| options.only.is_none_or(|only| only == *operation))
    {
        let bytes = load::answer_bytes(transire.address, operation, data, credentials).await?;
        trials.push(Trial {
            operation,
            bare: Server::role(Role::Bare, bytes)?,
            limit: Server::role(operation.limit(), bytes)?,
        });
    }
    Ok(trials)
}

async fn measure_registry(options: &Options, registry: &Server) -> Result<Sample> {
    let requests = Arc::new(vec![requests::registry_log_in(registry.address)]);
    let load = options.load(Expected::Ok, Pace::FlatOut);
    let sample = load::measure(registry, Supply::again(requests), load).await?;
    Ok(Sample {
        contender: Contender::Registry,
        ..sample
    })
}

async fn compare(options: &Options) -> Result<()> {
    eprintln!(
        "preparing {} accounts, each with a key and an instance",
        store::ACCOUNTS
    );
    let data = store::Data::prepare().await?;
    let started = Instant::now();
    let transire = Server::transire(&options.program, data.directory())?;
    load::wait_until_healthy(transire.address).await?;
    let started = started.elapsed();
    let idle = transire.resident_kilobytes()?;
    let mut audited = 0;

    let credentials = load::collect_credentials(transire.address, &data).await?;
    audited += (credentials.of_roots.len() + credentials.of_roles.len()) as u64;
    let trials = trials(options, &transire, &data, &credentials).await?;
    audited += trials.len() as u64;
    let registry = Server::docker_registry(data.directory())?;
    if registry.is_none() {
        eprintln!("docker-registry is not here: no comparison with it (see docs/performance.md)");
    }

    let mut samples: Vec<Sample> = Vec::new();
    let time = Duration::from_secs_f64(options.seconds);
    let paces = [Pace::FlatOut, Pace::PerSecond(options.rate)];
    for round in 1..=options.rounds {
        eprintln!("round {round} of {}", options.rounds);
        for trial in &trials {
            for pace in paces {
                // More than can be answered: every request to transire is its own, and none is sent
                // twice.
                let requests = trial.operation.requests(&data, &credentials, time, pace)?;
                let measured = trial
                    .measure(options, &transire, Arc::new(requests), pace)
                    .await?;
                audited += measured
                    .iter()
                    .filter(|sample| sample.contender == Contender::Transire)
                    .map(|sample| sample.latencies.len() as u64)
                    .sum::<u64>();
                samples.extend(measured);
            }
        }
        if let Some(registry) = &registry {
            samples.push(measure_registry(options, registry).await?);
        }
    }
    drop(transire);
    let kept = data.audit_lines()?;
    report::print(&samples, &paces, started, idle);
    println!("\naudit: {audited} requests answered, {kept} lines stored");
    Ok(())
}
