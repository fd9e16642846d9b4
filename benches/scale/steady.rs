//! A steady load, with the memory read each second.

use std::time::{Duration, Instant};

use crate::connection::Connection;
use crate::data::{self, SCOPES};
use crate::first_use::exchange;
use crate::{Bench, Outcome, Result, percentile};

/// How many credentials take turns: more than a memory of the last seconds holds, and fewer than
/// the caches do.
const LOG_INS: u64 = 5000;
/// How many exchanges there are a second.
const RATE: u32 = 1000;
/// How long it lasts, in seconds.
const USUAL: usize = 60;
/// How long the long form lasts: longer than a used signature is kept.
const LONG: usize = 1200;
/// How many megabytes the last third may take beyond the first.
const GROWTH: u64 = 8;
/// The delay from which an exchange counts as late; a timer has steps of a millisecond.
const LATE: Duration = Duration::from_millis(5);

/// Compares the memory of the last third with that of the first.
pub(crate) fn in_constant_memory(bench: &Bench) -> Result<Outcome> {
    let log_ins = data::log_ins(LOG_INS, bench.credentials)?;
    let server = bench.serve()?;
    let seconds = if bench.is_long { LONG } else { USUAL };
    let mut questions = SCOPES
        .into_iter()
        .cycle()
        .flat_map(|scope| log_ins.iter().map(move |log_in| (log_in, scope)));
    let mut memory = Vec::with_capacity(seconds);
    let mut late = 0_u32;
    bench.runtime.block_on(async {
        let mut connection = Connection::open(server.address).await?;
        // The caches hold each credential before the first third.
        for (log_in, scope) in questions.by_ref().take(log_ins.len()) {
            exchange(&mut connection, log_in, scope).await?;
        }
        let begin = Instant::now();
        for number in 0..u32::try_from(seconds)? * RATE {
            let due = Duration::from_secs(1) * number / RATE;
            tokio::time::sleep(due.saturating_sub(begin.elapsed())).await;
            late += u32::from(begin.elapsed() > due + LATE);
            let (log_in, scope) = questions.next().ok_or("questions never end")?;
            exchange(&mut connection, log_in, scope).await?;
            if number % RATE == RATE - 1 {
                memory.push(server.resident_megabytes()?);
            }
        }
        Ok::<_, Box<dyn std::error::Error + Send + Sync>>(())
    })?;
    let third = memory.len() / 3;
    let last = percentile(&mut memory[seconds - third..], 0.5);
    let first = percentile(&mut memory[..third], 0.5);
    Ok(Outcome {
        figure: format!(
            "{first} MB in the first third of {seconds} s, {last} in the last; {late} of {} \
             exchanges began late",
            memory.len() as u32 * RATE
        ),
        goal: "at most 8 MB more",
        is_reached: last <= first + GROWTH,
    })
}
