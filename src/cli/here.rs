//! The commands that work on the service's machine alone.

use super::{Command, data, keys};
use crate::domain::{Error, Result};

/// Refuses `--server` with a command that asks no service.
///
/// # Errors
/// `InvalidParameter` of `server`, with the reason.
pub(super) fn refuse_server(server: Option<&str>, command: &Command) -> Result<()> {
    match why_here(command) {
        Some(why) if server.is_some() => Err(Error::invalid_parameter(
            "server",
            format!("run this command on the service's machine, without --server: {why}"),
        )),
        _ => Ok(()),
    }
}

fn why_here(command: &Command) -> Option<&'static str> {
    Some(match command {
        Command::Serve { .. } | Command::Quickstart(_) | Command::Mock(_) => {
            "it is a service itself"
        }
        Command::Init(_) => "it makes the data and the master key before there is a service",
        Command::Doctor => "it examines the files, the ports and the clock of its machine",
        Command::Config(_) => "it shows the settings of its machine",
        Command::Health(_) => "it asks the service's own address, which its options name",
        Command::Client(_) => "it asks a cloud API or a registry, which its options name",
        Command::Data(command) => data::why_here(command)?,
        Command::Keys(command) => keys::why_here(command)?,
        Command::Audit(command) => command.why_here()?,
        _ => return None,
    })
}
