//! `transire pull-secret`: a pull secret of Kubernetes that is written, and renewed.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::cli::client::{Options, time};
use crate::cli::output::Output;
use crate::client::environment::Environment;
use crate::client::kubernetes::api_server::{ApiServer, Way};
use crate::client::kubernetes::refresher::{AccountUse, Refresher, Round, Target};
use crate::domain::clock::{Clock, SystemClock, Timestamp};
use crate::domain::printable::escape_lines;
use crate::domain::{Error, Result};

/// How often the Secret is looked at: one that somebody deletes is back so soon.
const LOOK: Duration = Duration::from_secs(60);
/// The shortest pause between two rounds.
const MIN_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause after failures.
const MAX_PAUSE: Duration = Duration::from_secs(300);

/// The Secret and the cluster.
#[derive(Args, Clone)]
pub(in crate::cli) struct PullSecret {
    /// The namespace of the Secret, and of the service account.
    #[arg(long, value_name = "NAME", value_parser = object_name)]
    namespace: String,
    /// The Secret's name.
    #[arg(long, value_parser = object_name)]
    name: String,
    /// The registry that it logs in to: host, and port where it has one.
    #[arg(long, value_name = "HOST", value_parser = crate::cli::arguments::some_text)]
    registry: String,
    /// The service account whose own token becomes the log-in, for --audience.
    #[arg(long, value_name = "NAME", value_parser = object_name, requires = "audience")]
    service_account: Option<String>,
    /// Add the Secret to the service account's imagePullSecrets.
    #[arg(long, requires = "service_account")]
    add_to_service_account: bool,
    /// Renew it at half of its life, until this command is ended.
    #[arg(long)]
    watch: bool,
    /// The API server, where it isn't that of the pod that this runs in.
    #[arg(long, value_name = "URL")]
    kube_api: Option<String>,
    /// The file of the token that is sent to the API server.
    #[arg(long, value_name = "FILE")]
    kube_token_file: Option<PathBuf>,
    /// The certificates of the API server's authority, in PEM.
    #[arg(long, value_name = "FILE")]
    kube_ca_file: Option<PathBuf>,
    #[command(flatten)]
    options: Options,
}

/// Reads the name of a Kubernetes object: a DNS subdomain (RFC 1123).
fn object_name(text: &str) -> Result<String> {
    let is_plain = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = text.as_bytes();
    let is_name = bytes.len() <= 253
        && bytes.first().is_some_and(is_plain)
        && bytes.last().is_some_and(is_plain)
        && bytes
            .iter()
            .all(|byte| is_plain(byte) || matches!(byte, b'-' | b'.'));
    if is_name {
        Ok(text.to_owned())
    } else {
        Err(Error::invalid_parameter(
            "name",
            "a name in Kubernetes has lower-case letters, digits, - and ., at most 253",
        ))
    }
}

pub(super) async fn run(
    environment: &Environment,
    command: PullSecret,
    output: &Output,
) -> Result<()> {
    let wanted = command
        .options
        .wanted(environment, Some(&command.registry))?;
    let way = Way {
        url: command.kube_api,
        token_file: command.kube_token_file,
        ca_file: command.kube_ca_file,
    };
    let refresher = Refresher {
        api: ApiServer::find(way, environment)?,
        target: Target {
            namespace: command.namespace,
            secret: command.name,
            registry: command.registry,
            service_account: command.service_account,
            account_use: if command.add_to_service_account {
                AccountUse::Added
            } else {
                AccountUse::Left
            },
        },
        wanted,
        environment,
    };
    if command.watch {
        return watch(&refresher).await;
    }
    let round = recorded_round(&refresher, SystemClock.now()).await?;
    output.show(vec![
        ("namespace", refresher.target.namespace.as_str().into()),
        ("name", refresher.target.secret.as_str().into()),
        ("written", round.is_written.into()),
        ("expires_at", time(round.life.expires_at)),
        ("renew_at", round.life.renew_at.rfc3339().into()),
    ])
}

/// Renews the Secret whenever half of its life is over; a failed round is tried again after 1, 2, 4
/// seconds, and so on, up to five minutes.
async fn watch(refresher: &Refresher<'_>) -> Result<()> {
    let (mut failures, mut has_told) = (0, false);
    loop {
        let now = SystemClock.now();
        let pause = match recorded_round(refresher, now).await {
            Ok(round) => {
                if round.is_written || !has_told || failures > 0 {
                    say(&describe(refresher, round));
                }
                (failures, has_told) = (0, true);
                pause_after(round, now)
            }
            Err(error) => {
                let pause = back_off(failures);
                failures += 1;
                say(&format!(
                    "failed: {}; the next try is in {} s",
                    explain(&error),
                    pause.as_secs()
                ));
                pause
            }
        };
        tokio::time::sleep(pause).await;
    }
}

/// Does a round, and writes an event when it renewed the Secret or failed.
async fn recorded_round(refresher: &Refresher<'_>, now: Timestamp) -> Result<Round> {
    let round = refresher.round(now).await;
    let recorded = match &round {
        Ok(round) if !round.is_written => Ok(()),
        Ok(round) => {
            refresher
                .record(Ok(&describe(refresher, *round)), now)
                .await
        }
        Err(error) => refresher.record(Err(error.message()), now).await,
    };
    if let Err(error) = recorded {
        // An account may write Secrets and no events; the log has all that an event has.
        say(&format!("no event is written: {}", explain(&error)));
    }
    round
}

fn describe(refresher: &Refresher<'_>, round: Round) -> String {
    let Target {
        namespace,
        secret,
        registry,
        ..
    } = &refresher.target;
    let done = if round.is_written { "renewed" } else { "fresh" };
    let end = round
        .life
        .expires_at
        .map_or("an unknown time".to_owned(), Timestamp::rfc3339);
    format!(
        "{done}: the Secret {namespace}/{secret} logs in to {registry} until {end}; it is renewed \
         at {}",
        round.life.renew_at.rfc3339()
    )
}

fn explain(error: &Error) -> String {
    match error.cause() {
        Some(cause) => format!("{} ({cause})", error.message()),
        None => error.message().to_owned(),
    }
}

/// Returns the time until the next round after one that went well.
fn pause_after(round: Round, now: Timestamp) -> Duration {
    now.until(round.life.renew_at).clamp(MIN_PAUSE, LOOK)
}

/// Returns the time until the next round after so many failures in a row before this one.
fn back_off(failures: u32) -> Duration {
    MIN_PAUSE
        .saturating_mul(2_u32.saturating_pow(failures))
        .min(MAX_PAUSE)
}

/// Writes a line of the log.
fn say(line: &str) {
    let now = SystemClock.now().rfc3339();
    eprintln!("{now} transire: {}", escape_lines(line));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::kubernetes::refresher::Life;

    #[test]
    fn names_of_objects_can_not_lead_elsewhere() {
        for name in ["pull", "team-a", "registry.example.com"] {
            assert_eq!(object_name(name).unwrap(), name);
        }
        for name in ["", "a/b", "..", ".a", "a-", "Team", "a?b", &"a".repeat(254)] {
            assert!(object_name(name).is_err(), "{name}");
        }
    }

    #[test]
    fn failures_are_tried_again_ever_later() {
        let seconds: Vec<_> = [0, 1, 2, 8, 9, 40].map(|n| back_off(n).as_secs()).into();
        assert_eq!(seconds, [1, 2, 4, 256, 300, 300]);
    }

    #[test]
    fn the_secret_is_looked_at_each_minute_and_at_half_of_its_life() {
        let now = Timestamp::from_unix_seconds(1_735_877_057);
        for (left, expected) in [(1800, 60), (30, 30), (0, 1)] {
            let round = Round {
                is_written: true,
                life: Life {
                    expires_at: None,
                    renew_at: now.plus(Duration::from_secs(left)),
                },
            };
            assert_eq!(pause_after(round, now), Duration::from_secs(expected));
        }
    }
}
