//! The kubelet's credential provider.

use std::io::{Read, stdin};
use std::time::Duration;

use crate::cli::client::Options;
use crate::cli::output::print_line;
use crate::client::environment::Environment;
use crate::client::kubelet::{Question, answer};
use crate::domain::clock::{Clock, SystemClock};
use crate::domain::{Error, Result};

/// The most bytes of a request.
const MAX_REQUEST: u64 = 256 << 10;
/// How long an answer may take: the kubelet waits for a minute.
const PATIENCE: Duration = Duration::from_secs(50);

pub(super) async fn run(environment: &Environment, options: &Options) -> Result<()> {
    let mut text = String::new();
    stdin()
        .take(MAX_REQUEST)
        .read_to_string(&mut text)
        .map_err(|error| Error::misconfigured(format!("standard input can't be read: {error}")))?;
    let Question { registry, token } = Question::read(&text)?;
    let wanted = options.wanted(environment, Some(&registry))?;
    let log_in = match token {
        Some(token) => wanted.log_in_by(token),
        None => tokio::time::timeout(PATIENCE, wanted.log_in(environment))
            .await
            .map_err(|_| Error::misconfigured("the service does not answer in time"))??,
    };
    print_line(&answer(&registry, &log_in, SystemClock.now()))
}
