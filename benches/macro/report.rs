//! The report: figures of this machine, and ratios that hold on others.

use std::time::Duration;

use comfy_table::{CellAlignment, Table, presets};

use crate::requests::{Operation, Pace};

/// A server that is measured.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Contender {
    /// hyper alone.
    Bare,
    /// hyper and the necessary cryptography.
    Limit,
    /// The whole service.
    Transire,
    /// docker-registry with a password file.
    Registry,
}

impl Contender {
    fn name(self) -> &'static str {
        match self {
            Self::Bare => "bare",
            Self::Limit => "limit",
            Self::Transire => "transire",
            Self::Registry => "docker-registry, bcrypt",
        }
    }
}

/// One server under one load in one round.
pub(crate) struct Sample {
    pub(crate) operation: Option<Operation>,
    pub(crate) contender: Contender,
    pub(crate) pace: Pace,
    /// Of every request, in microseconds, sorted.
    pub(crate) latencies: Vec<u32>,
    pub(crate) elapsed: Duration,
    pub(crate) processor_time: Duration,
    pub(crate) context_switches: u64,
    pub(crate) resident_kilobytes: u64,
}

impl Sample {
    pub(crate) fn per_second(&self) -> f64 {
        self.latencies.len() as f64 / self.elapsed.as_secs_f64()
    }

    pub(crate) fn processor_micros(&self) -> f64 {
        self.processor_time.as_secs_f64() * 1e6 / self.latencies.len() as f64
    }

    /// Returns the context switches of a request.
    pub(crate) fn switches(&self) -> f64 {
        self.context_switches as f64 / self.latencies.len() as f64
    }

    pub(crate) fn percentile(&self, part: f64) -> f64 {
        let place = (self.latencies.len() as f64 * part) as usize;
        self.latencies.get(place).copied().map_or(0.0, f64::from)
    }
}

/// Prints all that was measured.
pub(crate) fn print(samples: &[Sample], paces: &[Pace], started: Duration, idle_kilobytes: u64) {
    for pace in paces {
        match pace {
            Pace::FlatOut => println!("\nAs many requests as each server takes:\n"),
            Pace::PerSecond(rate) => println!("\n{rate} requests a second for each server:\n"),
        }
        println!(
            "{}",
            table(
                &samples
                    .iter()
                    .filter(|sample| sample.pace == *pace)
                    .collect::<Vec<_>>()
            )
        );
    }
    print_job_tokens(samples);
    println!(
        "\nstart to first answer: {} ms; idle: {:.1} MB",
        started.as_millis(),
        idle_kilobytes as f64 / 1024.0
    );
}

fn table(samples: &[&Sample]) -> Table {
    let operations = Operation::ALL.into_iter().map(Some).chain([None]);
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN);
    table.set_header([
        "operation",
        "server",
        "requests/s",
        "p50 ms",
        "p99 ms",
        "CPU µs/request",
        "memory MB",
        "CPU : limit",
        "throughput : limit",
    ]);
    for operation in operations {
        let of = |contender| {
            samples.iter().copied().filter(move |sample| {
                sample.operation == operation && sample.contender == contender
            })
        };
        for contender in [
            Contender::Bare,
            Contender::Limit,
            Contender::Transire,
            Contender::Registry,
        ] {
            let mine: Vec<&Sample> = of(contender).collect();
            if mine.is_empty() {
                continue;
            }
            let limit: Vec<&Sample> = of(Contender::Limit).collect();
            table.add_row(row(operation, contender, &mine, &limit));
        }
    }
    for column in table.column_iter_mut().skip(2) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

/// Prints how much an exchange costs with a job's token, beside one with a temporary credential of
/// the same role.
fn print_job_tokens(samples: &[Sample]) {
    let of = |operation| {
        let own = samples.iter().filter(move |sample| {
            sample.operation == Some(operation) && sample.contender == Contender::Transire
        });
        own.map(Sample::processor_micros)
    };
    let ratios: Vec<f64> = of(Operation::ExchangeJobToken)
        .zip(of(Operation::ExchangeOfRole))
        .map(|(token, credential)| token / credential)
        .collect();
    if !ratios.is_empty() {
        println!(
            "\na job's token : a temporary credential of its role, in CPU: {}",
            spread(ratios)
        );
    }
}

/// Returns the row of one server under one load, beside the limit's samples of the same rounds.
fn row(
    operation: Option<Operation>,
    contender: Contender,
    mine: &[&Sample],
    limit: &[&Sample],
) -> [String; 9] {
    let middle = |figure: &dyn Fn(&Sample) -> f64| {
        median(mine.iter().map(|sample| figure(sample)).collect())
    };
    // Round by round, because both servers of a round were slowed alike.
    let ratio = |figure: &dyn Fn(&Sample) -> f64| {
        let ratios: Vec<f64> = mine
            .iter()
            .zip(limit)
            .map(|(own, limit)| figure(own) / figure(limit))
            .collect();
        if ratios.is_empty() {
            String::new()
        } else {
            spread(ratios)
        }
    };
    let kilobytes = mine.iter().map(|sample| sample.resident_kilobytes).max();
    [
        operation
            .map_or("check a password", Operation::name)
            .to_owned(),
        contender.name().to_owned(),
        format!("{:.0}", middle(&Sample::per_second)),
        format!("{:.2}", middle(&|sample| sample.percentile(0.5)) / 1e3),
        format!("{:.2}", middle(&|sample| sample.percentile(0.99)) / 1e3),
        format!("{:.1}", middle(&Sample::processor_micros)),
        format!("{:.1}", kilobytes.unwrap_or_default() as f64 / 1024.0),
        ratio(&Sample::processor_micros),
        ratio(&Sample::per_second),
    ]
}

pub(crate) fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or_default()
}

/// Writes the median, and behind it the least and the most.
pub(crate) fn spread(mut figures: Vec<f64>) -> String {
    figures.sort_by(f64::total_cmp);
    let (least, most) = (
        figures.first().copied().unwrap_or_default(),
        figures.last().copied().unwrap_or_default(),
    );
    format!("{:.2} ({least:.2}-{most:.2})", median(figures))
}
