//! Docker's credential helper: the registries of the client's profile have log-ins, and no other.

use std::collections::BTreeMap;

use clap::Subcommand;
use serde::Deserialize;
use serde_json::json;

use crate::cli::client::{Options, request};
use crate::cli::output::{print_line, warn};
use crate::client::credentials::{Proof, Wanted};
use crate::client::environment::Environment;
use crate::client::kept::{KeptLogIns, Place, Turn};
use crate::client::log_in::LogIn;
use crate::client::profile::Profile;
use crate::domain::clock::{Clock, SystemClock};
use crate::domain::{Error, Result};
use crate::version;

/// Docker compares this text, and goes on without a log-in.
const NOT_FOUND: &str = "credentials not found in native keychain";

#[derive(Subcommand)]
pub(in crate::cli) enum Command {
    /// Get a log-in: the server on standard input, the log-in in JSON on standard output.
    Get(Box<Options>),
    /// Accept a log-in, and drop it: one is got whenever it is needed.
    Store,
    /// Drop the credential that is kept for a server: the next one is got anew.
    Erase,
    /// List the registries of the profile.
    List,
    /// Print the program's name and version.
    Version,
}

/// A log-in that docker gives to be stored.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Stored {
    #[serde(rename = "ServerURL")]
    server_url: String,
}

pub(super) async fn run(environment: &Environment, command: Command) -> Result<()> {
    match command {
        Command::Version => print_line(&format!("transire {}", version::BUILD)),
        Command::List => {
            let profile = Profile::of_user(environment)?;
            let known: BTreeMap<_, _> = profile
                .registries()
                .map(|registry| (registry.to_owned(), "transire".to_owned()))
                .collect();
            print_line(&json!(known).to_string())
        }
        Command::Get(options) => get(environment, &options).await,
        Command::Store => {
            let Stored { server_url } = serde_json::from_str(&request()?).map_err(|_| {
                Error::misconfigured("standard input is no JSON object with ServerURL")
            })?;
            store(environment, &server_url)
        }
        Command::Erase => erase(environment, &request()?),
    }
}

/// Returns the host and the port of a server as docker writes it.
fn registry_of(server: &str) -> &str {
    let server = server.trim();
    let rest = server.split_once("://").map_or(server, |(_, rest)| rest);
    rest.split('/').next().unwrap_or_default()
}

async fn get(environment: &Environment, options: &Options) -> Result<()> {
    let server = request()?;
    let server = server.trim();
    let registry = registry_of(server);
    let profile = Profile::of_user(environment)?;
    let Some(known) = profile.of_registry(registry) else {
        // Docker reads the errors of a helper from its standard output.
        print_line(NOT_FOUND)?;
        return Err(Error::misconfigured(unknown(registry)));
    };
    let wanted = options.or_of(environment, Some(known));
    let log_in = log_in(environment, &wanted, registry).await;
    let log_in = match log_in {
        Ok(log_in) => log_in,
        Err(error) => {
            print_line(&format!("transire: {}", error.message()))?;
            return Err(error);
        }
    };
    let answer = json!({
        "ServerURL": server,
        "Username": log_in.username,
        "Secret": log_in.secret.expose(),
    });
    print_line(&answer.to_string())
}

fn unknown(registry: &str) -> String {
    format!("the client's profile has no registry {registry}")
}

/// Returns a log-in of a registry: a token as it is, or a credential that is kept for half of its
/// life.
async fn log_in(environment: &Environment, wanted: &Wanted, registry: &str) -> Result<LogIn> {
    let key = match wanted.proof(environment).await? {
        Proof::Token(token) => return wanted.log_in_with(token).await,
        Proof::Key(key) => key,
    };
    let Some(kept) = noted(KeptLogIns::of_user(environment)).flatten() else {
        return wanted.issue(&key).await;
    };
    let place = kept.place(registry, wanted, &key);
    if let Some(log_in) = noted(place.load(SystemClock.now())).flatten() {
        return Ok(log_in);
    }
    let turn = noted(turn(&place).await);
    // Another process may have got one since the first look, whether this one waited for it or not.
    if let Ok(Some(log_in)) = place.load(SystemClock.now()) {
        return Ok(log_in);
    }
    // The process before this one failed. All that wait ask at once now, and not each after the
    // failure of the one before.
    let _turn = turn.filter(|turn| !turn.has_waited);
    let log_in = wanted.issue(&key).await?;
    noted(place.store(&log_in, SystemClock.now()));
    Ok(log_in)
}

/// Waits for a turn in a thread of its own, so that signals still end the process.
async fn turn(place: &Place) -> Result<Turn> {
    let place = place.clone();
    tokio::task::spawn_blocking(move || place.take_turn())
        .await
        .map_err(Error::internal)?
}

/// Notes why nothing is kept, which is no reason to refuse a log-in.
fn noted<T>(result: Result<T>) -> Option<T> {
    result.map_err(|error| warn(error.message())).ok()
}

/// Drops what docker stores for our registries: the helper gets a log-in when one is needed.
fn store(environment: &Environment, server: &str) -> Result<()> {
    let registry = registry_of(server);
    check_known(environment, registry)?;
    eprintln!(
        "transire: nothing is stored for {registry}: its log-ins are got when they are needed"
    );
    Ok(())
}

fn erase(environment: &Environment, server: &str) -> Result<()> {
    let registry = registry_of(server);
    check_known(environment, registry)?;
    match forget(environment, registry)? {
        0 => eprintln!(
            "transire: nothing is kept for {registry}: its log-ins are got when they are needed"
        ),
        _ => eprintln!("transire: the next log-in of {registry} is got anew"),
    }
    Ok(())
}

/// Removes what is kept for a registry, and returns the number of log-ins.
///
/// # Errors
/// As [`KeptLogIns::forget`].
pub(super) fn forget(environment: &Environment, registry: &str) -> Result<usize> {
    match noted(KeptLogIns::of_user(environment)).flatten() {
        Some(kept) => kept.forget(registry),
        None => Ok(0),
    }
}

fn check_known(environment: &Environment, registry: &str) -> Result<()> {
    let profile = Profile::of_user(environment)?;
    if profile.of_registry(registry).is_some() {
        return Ok(());
    }
    let why = unknown(registry);
    // Docker reads the errors of a helper from its standard output.
    print_line(&why)?;
    Err(Error::misconfigured(why))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_a_host_or_a_url() {
        for (server, expected) in [
            ("registry.example.com:5000\n", "registry.example.com:5000"),
            ("https://registry.example.com/v2/", "registry.example.com"),
            ("https://index.docker.io/v1/", "index.docker.io"),
            ("", ""),
        ] {
            assert_eq!(registry_of(server), expected);
        }
    }
}
