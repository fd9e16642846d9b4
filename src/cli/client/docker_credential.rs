//! Docker's credential helper: the registries of the client's profile have log-ins, and no other.

use std::collections::BTreeMap;

use clap::Subcommand;
use serde::Deserialize;
use serde_json::json;

use crate::cli::client::{Options, request};
use crate::cli::output::print_line;
use crate::client::environment::Environment;
use crate::client::profile::Profile;
use crate::domain::{Error, Result};

/// Docker compares this text, and goes on without a log-in.
const NOT_FOUND: &str = "credentials not found in native keychain";

#[derive(Subcommand)]
pub(in crate::cli) enum Command {
    /// Get a log-in: the server on standard input, the log-in in JSON on standard output.
    Get(Options),
    /// Accept a log-in, and drop it: one is got whenever it is needed.
    Store,
    /// Accept that a log-in is to be removed: none is stored.
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
        Command::Version => print_line(concat!("transire ", env!("CARGO_PKG_VERSION"))),
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
            drop_for(environment, &server_url, "stored")
        }
        Command::Erase => drop_for(environment, &request()?, "erased"),
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
    let log_in = wanted.log_in(environment).await;
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

/// Accepts what docker stores and erases for our registries, and drops it: the helper gets a log-in
/// whenever one is needed.
fn drop_for(environment: &Environment, server: &str, done: &str) -> Result<()> {
    let registry = registry_of(server);
    if Profile::of_user(environment)?
        .of_registry(registry)
        .is_none()
    {
        let why = unknown(registry);
        print_line(&why)?;
        return Err(Error::misconfigured(why));
    }
    eprintln!(
        "transire: nothing is {done} for {registry}: its log-ins are got when they are needed"
    );
    Ok(())
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
