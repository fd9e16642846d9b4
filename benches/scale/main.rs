//! How the program does with a large store: each row of the table has one goal.
//!
//! `cargo bench --bench scale` prepares a store, and measures the true program on it.
//! `docs/performance.md` has figures. A row is one function in [`ROWS`].

mod backup;
#[path = "../macro/connection.rs"]
#[expect(dead_code, reason = "the macro benchmark has another use for the rest")]
mod connection;
mod creation;
mod data;
mod first_use;
mod server;
mod steady;

use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Parser;

use crate::server::Server;

/// A failure of the benchmark, which is printed and not handled.
type Result<T, E = Box<dyn std::error::Error + Send + Sync>> = std::result::Result<T, E>;

/// Measures one row.
type Measure = fn(&Bench) -> Result<Outcome>;

/// The rows by their names, in the order in which they are measured.
const ROWS: [(&str, Measure); 5] = [
    ("first-use", first_use::beside_warm),
    ("creation", creation::beside_raw),
    ("creation-full", creation::at_full_instances),
    ("backup", backup::beside_copy),
    ("steady", steady::in_constant_memory),
];

/// Measures the program with a large store.
#[derive(Parser)]
struct Options {
    /// How many long-term credentials there are.
    #[arg(long, default_value_t = 1_000_000)]
    credentials: u64,
    /// The long form: ten million, and twenty minutes of steady load.
    #[arg(long)]
    long: bool,
    /// Measure this row alone.
    #[arg(long, value_parser = ROWS.map(|(name, _)| name))]
    only: Option<String>,
    /// The program to measure.
    #[arg(long, default_value = env!("CARGO_BIN_EXE_transire"))]
    program: PathBuf,
    /// A folder with the store of an earlier run, or for that of later ones; else it is removed.
    #[arg(long)]
    data: Option<PathBuf>,
    /// Cargo passes this to every benchmark.
    #[arg(long, hide = true)]
    bench: bool,
}

/// The program that the rows measure, and its data.
struct Bench {
    program: PathBuf,
    folder: PathBuf,
    credentials: u64,
    is_long: bool,
    runtime: tokio::runtime::Runtime,
}

impl Bench {
    /// Starts the program on the store.
    fn serve(&self) -> Result<Server> {
        Server::start(&self.program, &self.folder)
    }
}

/// One row of the table.
struct Outcome {
    figure: String,
    goal: &'static str,
    is_reached: bool,
}

fn main() -> Result<()> {
    let options = Options::parse();
    let own = std::env::temp_dir().join(format!("transire-scale-{}", std::process::id()));
    let bench = Bench {
        program: options.program,
        folder: options.data.clone().unwrap_or_else(|| own.clone()),
        credentials: [options.credentials, 10_000_000][usize::from(options.long)],
        is_long: options.long,
        runtime: tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?,
    };
    let measured = measure(&bench, options.only.as_deref());
    if options.data.is_none() {
        std::fs::remove_dir_all(own)?;
    }
    measured
}

fn measure(bench: &Bench, only: Option<&str>) -> Result<()> {
    let begin = Instant::now();
    if !bench.folder.exists() {
        bench
            .runtime
            .block_on(data::fill(&bench.folder, bench.credentials))?;
    }
    println!(
        "{} credentials in {} MB, filled in {:.0} s\n",
        bench.credentials,
        database(&bench.folder).metadata()?.len() >> 20,
        begin.elapsed().as_secs_f64(),
    );
    let wanted = ROWS
        .into_iter()
        .filter(|(name, _)| only.is_none_or(|only| only == *name));
    let (mut count, mut short) = (0, Vec::new());
    println!("| row | measured | goal | |\n|---|---|---|---|");
    for (name, measure) in wanted {
        let Outcome {
            figure,
            goal,
            is_reached,
        } = measure(bench)?;
        let state = if is_reached { "reached" } else { "missed" };
        println!("| {name} | {figure} | {goal} | {state} |");
        count += 1;
        if !is_reached {
            short.push(name);
        }
    }
    println!();
    match short.as_slice() {
        [] => println!("all {count} reached"),
        short => println!("missed: {}", short.join(", ")),
    }
    Ok(())
}

/// Returns where the database of a data directory is.
fn database(folder: &Path) -> PathBuf {
    folder.join("transire.db")
}

/// Returns the value at a part of the sorted values, such as 0.5 for the median.
fn percentile<T: Ord + Copy + Default>(values: &mut [T], part: f64) -> T {
    values.sort();
    let place = (values.len() as f64 * part) as usize;
    values.get(place).copied().unwrap_or_default()
}
