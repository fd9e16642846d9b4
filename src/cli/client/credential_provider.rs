//! The kubelet's credential provider.

use std::time::Duration;

use crate::cli::client::{Options, request};
use crate::cli::output::print_line;
use crate::client::environment::Environment;
use crate::client::kubelet::{Question, answer};
use crate::domain::clock::{Clock, SystemClock};
use crate::domain::{Error, Result};

/// How long an answer may take: the kubelet waits for a minute.
const PATIENCE: Duration = Duration::from_secs(50);

pub(super) async fn run(environment: &Environment, options: &Options) -> Result<()> {
    let Question { registry, token } = Question::read(&request()?)?;
    let wanted = options.wanted(environment, Some(&registry))?;
    let log_in = async {
        match token {
            Some(token) => wanted.log_in_with(token).await,
            None => wanted.log_in(environment).await,
        }
    };
    let log_in = tokio::time::timeout(PATIENCE, log_in)
        .await
        .map_err(|_| Error::misconfigured("the service does not answer in time"))??;
    print_line(&answer(&registry, &log_in, SystemClock.now()))
}
