//! The first exchange with a credential that no cache holds, nor its user, instance and policies.

use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::connection::{Connection, Expected};
use crate::data::{self, LogIn, SCOPES};
use crate::{Bench, Outcome, Result, percentile};

/// How many credentials are used.
const LOG_INS: u64 = 2000;

/// Compares first exchanges with later ones of the same credentials.
pub(crate) fn beside_warm(bench: &Bench) -> Result<Outcome> {
    let log_ins = data::log_ins(LOG_INS, bench.credentials)?;
    let server = bench.serve()?;
    let (mut first, mut warm) = bench.runtime.block_on(async {
        let mut connection = Connection::open(server.address).await?;
        // Any other one reads what is read once, such as the ids of all credentials.
        let begin = Instant::now();
        let other = data::log_in(1, bench.credentials)?;
        exchange(&mut connection, &other, SCOPES[0]).await?;
        println!(
            "start {:.2} s, first answer {:.2} s later, {} MB",
            server.started_in.as_secs_f64(),
            begin.elapsed().as_secs_f64(),
            server.resident_megabytes()?
        );
        let mut times = [Vec::new(), Vec::new()];
        // A few at a time, so that whatever else the machine does falls on both.
        for some in log_ins.chunks(20) {
            for (times, scope) in times.iter_mut().zip(SCOPES) {
                for log_in in some {
                    times.push(exchange(&mut connection, log_in, scope).await?);
                }
            }
        }
        let [first, warm] = times;
        Ok::<_, Box<dyn std::error::Error + Send + Sync>>((first, warm))
    })?;
    let micros = |times: &mut [Duration], part| percentile(times, part).as_secs_f64() * 1e6;
    let [p50, p99] = [0.5, 0.99].map(|part| [micros(&mut first, part), micros(&mut warm, part)]);
    let ratio = |[first, warm]: [f64; 2]| first / warm;
    Ok(Outcome {
        figure: format!(
            "p50 {:.0} µs, {:.1} times warm ({:.0}); p99 {:.0} µs, {:.1} times warm ({:.0})",
            p50[0],
            ratio(p50),
            p50[1],
            p99[0],
            ratio(p99),
            p99[1],
        ),
        goal: "p50 2 times warm, p99 5 times",
        is_reached: ratio(p50) <= 2.0 && ratio(p99) <= 5.0,
    })
}

/// Exchanges a credential for a token; returns how long it took.
pub(crate) async fn exchange(
    connection: &mut Connection,
    log_in: &LogIn,
    scope: &str,
) -> Result<Duration> {
    let LogIn {
        service,
        username,
        secret,
    } = log_in;
    let basic = STANDARD.encode(format!("{username}:{secret}"));
    let request = format!(
        "GET /token?scope={scope}&service={service} HTTP/1.1\r\n\
         host: transire.example.com\r\nauthorization: Basic {basic}\r\n\r\n"
    );
    let begin = Instant::now();
    connection
        .send(request.as_bytes(), Expected::Body(r#""token":"ey"#))
        .await?;
    Ok(begin.elapsed())
}
