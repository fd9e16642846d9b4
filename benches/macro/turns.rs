//! A fixed number of requests, for each server in turn: ratios round by round, and the goals.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use comfy_table::{CellAlignment, Table, presets};

use crate::Result;
use crate::connection::Expected;
use crate::limit::Role;
use crate::load::{self, Load, Supply};
use crate::process::Server;
use crate::report::{Sample, median, spread};
use crate::requests::{Credentials, Operation, Pace};
use crate::store::{self, Data};

/// Longer than any round.
const ROUND: Duration = Duration::from_secs(600);

/// The options of a measurement in turns.
#[derive(Args)]
pub(crate) struct Turns {
    /// Requests to each server in each round, with `--turns`.
    #[arg(long, default_value_t = 30_000)]
    count: usize,
    /// Another build that takes its turn, too, with `--turns`; it has the same data.
    #[arg(long)]
    other: Option<PathBuf>,
}

/// A server that takes its turn.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Turn {
    Bare,
    Limit,
    This,
    Other,
}

impl Turn {
    fn name(self) -> &'static str {
        match self {
            Self::Bare => "bare",
            Self::Limit => "limit",
            Self::This => "transire",
            Self::Other => "other build",
        }
    }
}

/// A bound of what an operation costs, as a multiple of another server's.
enum Bound {
    /// The processor time is at most so many times the limit's.
    CpuOfLimit(f64),
    /// The throughput is at least so many times the bare server's.
    ThroughputOfBare(f64),
}

/// The goals of what operations cost.
const GOALS: [(&str, Operation, Bound); 6] = [
    ("issue TC3", Operation::IssueTencent, Bound::CpuOfLimit(1.5)),
    (
        "issue ACS3",
        Operation::IssueAlibaba,
        Bound::CpuOfLimit(1.5),
    ),
    (
        "issue SigV4",
        Operation::IssueAmazon,
        Bound::CpuOfLimit(1.5),
    ),
    ("exchange", Operation::Exchange, Bound::CpuOfLimit(1.4)),
    (
        "exchange again, CPU",
        Operation::ExchangeAgain,
        Bound::CpuOfLimit(0.5),
    ),
    (
        "exchange again, throughput",
        Operation::ExchangeAgain,
        Bound::ThroughputOfBare(0.8),
    ),
];

/// The samples of one operation, a row of servers for each round.
struct Rounds(Vec<Vec<(Turn, Sample)>>);

impl Rounds {
    /// Returns a figure of one server in each round, divided by that of another.
    fn ratios(&self, of: Turn, to: Turn, figure: &dyn Fn(&Sample) -> f64) -> Vec<f64> {
        let find = |round: &[(Turn, Sample)], wanted: Turn| {
            let found = round.iter().find(|(turn, _)| *turn == wanted);
            found.map(|(_, sample)| figure(sample))
        };
        let ratio = |round: &Vec<(Turn, Sample)>| Some(find(round, of)? / find(round, to)?);
        self.0.iter().filter_map(ratio).collect()
    }

    fn of(&self, wanted: Turn) -> Vec<&Sample> {
        let all = self.0.iter().flatten();
        all.filter(|(turn, _)| *turn == wanted)
            .map(|(_, sample)| sample)
            .collect()
    }
}

/// Measures all operations, or one, and prints them and the goals.
pub(crate) async fn measure(
    options: &Turns,
    (program, only): (&Path, Option<Operation>),
    (rounds, connections): (usize, usize),
) -> Result<()> {
    eprintln!("preparing {} accounts", store::ACCOUNTS);
    let data = Data::prepare().await?;
    let copy = match options.other {
        Some(_) => Some(data.copy()?),
        None => None,
    };
    let transire = Server::transire(program, data.directory())?;
    load::wait_until_healthy(transire.address).await?;
    let other = match (&options.other, &copy) {
        (Some(program), Some(copy)) => Some(Server::transire(program, copy.path())?),
        _ => None,
    };
    let credentials = load::collect_credentials(transire.address, &data).await?;
    let load = Load {
        expected: Expected::Ok,
        pace: Pace::FlatOut,
        time: ROUND,
        connections,
    };
    let mut measured = Vec::new();
    for operation in Operation::ALL {
        if only.is_some_and(|only| only != operation) {
            continue;
        }
        let bytes = load::answer_bytes(transire.address, operation, &data, &credentials).await?;
        let servers = Servers {
            bare: Server::role(Role::Bare, bytes)?,
            limit: Server::role(operation.limit(), bytes)?,
            this: &transire,
            other: other.as_ref(),
        };
        let mut all = Vec::new();
        for round in 0..rounds {
            eprintln!("{}: round {} of {rounds}", operation.name(), round + 1);
            let requests = numbered(
                operation,
                &data,
                &credentials,
                round * options.count,
                options.count,
            )?;
            all.push(
                servers
                    .take_turns(operation, &Arc::new(requests), load)
                    .await?,
            );
        }
        let rounds = Rounds(all);
        println!("\n{}:\n\n{}", operation.name(), table(&rounds));
        measured.push((operation, rounds));
    }
    print_goals(&measured);
    Ok(())
}

/// Makes the requests of one round; no two of a run are alike, but where that is measured.
fn numbered(
    operation: Operation,
    data: &Data,
    credentials: &Credentials,
    first: usize,
    count: usize,
) -> Result<Vec<Vec<u8>>> {
    (first..first + count)
        .map(|number| operation.request(data, credentials, number))
        .collect()
}

/// The servers of one operation.
struct Servers<'a> {
    bare: Server,
    limit: Server,
    this: &'a Server,
    other: Option<&'a Server>,
}

impl Servers<'_> {
    async fn take_turns(
        &self,
        operation: Operation,
        requests: &Arc<Vec<Vec<u8>>>,
        load: Load,
    ) -> Result<Vec<(Turn, Sample)>> {
        let mut samples = Vec::new();
        for (turn, server) in [
            (Turn::Bare, Some(&self.bare)),
            (Turn::Limit, Some(&self.limit)),
            (Turn::This, Some(self.this)),
            (Turn::Other, self.other),
        ] {
            let Some(server) = server else { continue };
            let expected = match turn {
                Turn::Bare | Turn::Limit => Expected::Ok,
                Turn::This | Turn::Other => operation.expected(),
            };
            let supply = Supply::once(Arc::clone(requests));
            let load = Load { expected, ..load };
            samples.push((turn, load::measure(server, supply, load).await?));
        }
        Ok(samples)
    }
}

fn table(rounds: &Rounds) -> Table {
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN);
    table.set_header([
        "server",
        "requests/s",
        "p50 ms",
        "p99 ms",
        "CPU µs/request",
        "switches/request",
        "memory MB",
        "CPU : limit",
        "throughput : bare",
    ]);
    for turn in [Turn::Bare, Turn::Limit, Turn::This, Turn::Other] {
        let mine = rounds.of(turn);
        if mine.is_empty() {
            continue;
        }
        let middle = |figure: &dyn Fn(&Sample) -> f64| {
            median(mine.iter().map(|sample| figure(sample)).collect())
        };
        let kilobytes = mine.iter().map(|sample| sample.resident_kilobytes).max();
        table.add_row([
            turn.name().to_owned(),
            format!("{:.0}", middle(&Sample::per_second)),
            format!("{:.2}", middle(&|sample| sample.percentile(0.5)) / 1e3),
            format!("{:.2}", middle(&|sample| sample.percentile(0.99)) / 1e3),
            format!("{:.1}", middle(&Sample::processor_micros)),
            format!("{:.2}", middle(&Sample::switches)),
            format!("{:.1}", kilobytes.unwrap_or_default() as f64 / 1024.0),
            spread(rounds.ratios(turn, Turn::Limit, &Sample::processor_micros)),
            spread(rounds.ratios(turn, Turn::Bare, &Sample::per_second)),
        ]);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

/// Prints each goal with what was measured, and in the last line whether all are met.
fn print_goals(measured: &[(Operation, Rounds)]) {
    let (mut count, mut missed) = (0, Vec::new());
    println!();
    for (name, operation, bound) in &GOALS {
        let Some((_, rounds)) = measured.iter().find(|(of, _)| of == operation) else {
            continue;
        };
        count += 1;
        let (value, goal, is_met) = match bound {
            Bound::CpuOfLimit(most) => {
                let ratios = rounds.ratios(Turn::This, Turn::Limit, &Sample::processor_micros);
                let value = median(ratios);
                (
                    value,
                    format!("at most {most} of the limit's CPU"),
                    value <= *most,
                )
            }
            Bound::ThroughputOfBare(least) => {
                let value = median(rounds.ratios(Turn::This, Turn::Bare, &Sample::per_second));
                (value, format!("at least {least} of bare"), value >= *least)
            }
        };
        println!("{name}: {value:.2} ({goal})");
        if !is_met {
            missed.push(*name);
        }
    }
    if missed.is_empty() {
        println!("all {count} reached");
    } else {
        println!("missed: {}", missed.join(", "));
    }
}
