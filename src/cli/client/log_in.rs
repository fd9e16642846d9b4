//! `transire login` and `transire logout`.

use std::process::Stdio;

use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::cli::client::Options;
use crate::cli::client::docker_credential::forget;
use crate::cli::output::Output;
use crate::client::auth_file::{AuthFile, Destination};
use crate::client::environment::Environment;
use crate::client::registry::verify;
use crate::domain::{Error, Result};

/// Logs in, once the registry accepted it.
pub(super) async fn log_in(
    environment: &Environment,
    registry: &str,
    options: &Options,
    output: &Output,
) -> Result<()> {
    let wanted = options.wanted(environment, Some(registry))?;
    let mut file = AuthFile::of_user(environment)?;
    let destination = file.destination(registry);
    if destination == Destination::Helper("transire".to_owned()) {
        return Err(Error::misconfigured(format!(
            "{} names our own credential helper for {registry}, which gets log-ins when they are \
             needed",
            file.path().display()
        )));
    }
    let endpoint = wanted.endpoint()?;
    let log_in = wanted.log_in(environment).await?;
    let (username, secret) = (log_in.username.as_str(), &log_in.secret);
    verify(&wanted.client(), &endpoint, registry, username, secret).await?;
    match destination {
        Destination::File => file.put(registry, username, secret)?,
        Destination::Helper(name) => {
            let stored = json!({
                "ServerURL": registry,
                "Username": username,
                "Secret": secret.expose(),
            });
            ask_helper(&name, "store", &stored.to_string()).await?;
        }
    }
    output.show(vec![
        ("registry", registry.into()),
        ("username", username.into()),
        ("expires_at", super::time(log_in.expires_at)),
    ])
}

/// Removes a log-in from where it is kept.
pub(super) async fn log_out(
    environment: &Environment,
    registry: &str,
    output: &Output,
) -> Result<()> {
    let mut file = AuthFile::of_user(environment)?;
    let removed = match file.destination(registry) {
        Destination::Helper(name) => {
            ask_helper(&name, "erase", registry).await?;
            true
        }
        Destination::File => {
            let was_kept = forget(environment, registry)? > 0;
            file.remove(registry)? || was_kept
        }
    };
    output.show(vec![
        ("registry", registry.into()),
        ("removed", removed.into()),
    ])
}

/// Runs a credential helper of docker's.
async fn ask_helper(name: &str, verb: &str, input: &str) -> Result<()> {
    let program = format!("docker-credential-{name}");
    let refuse = |why: String| Error::misconfigured(format!("{program} {verb} {why}"));
    let mut child = Command::new(&program)
        .arg(verb)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .map_err(|error| refuse(format!("can't be run: {error}")))?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin
            .write_all(input.as_bytes())
            .await
            .map_err(|error| refuse(format!("reads nothing: {error}")))?;
    }
    let done = child
        .wait_with_output()
        .await
        .map_err(|error| refuse(format!("can't be waited for: {error}")))?;
    if done.status.success() {
        Ok(())
    } else {
        Err(refuse(format!("ends with {}", done.status)))
    }
}
