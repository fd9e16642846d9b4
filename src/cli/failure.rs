//! The ways in which a command ends without success, and its message then.

use clap::CommandFactory;

use super::Cli;
use crate::domain::{Error, ErrorKind};
use crate::serve::Told;

/// The ways in which a command doesn't succeed.
pub(super) enum Failure {
    Usage(Error),
    Failed(Error),
    /// The log says why.
    Logged,
    /// The answer to its question is no.
    Denied,
    /// A signal ended it.
    Stopped(Told),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error.kind() {
            ErrorKind::InvalidParameter { .. } | ErrorKind::MissingParameter { .. } => {
                Self::Usage(error)
            }
            _ => Self::Failed(error),
        }
    }
}

/// Returns the message of an error, with the argument that it is about.
pub(super) fn explain(error: &Error) -> String {
    let message = error.message();
    match error.kind() {
        ErrorKind::InvalidParameter { name }
            if !message.contains(&format!("--{name}")) && is_option(&Cli::command(), name) =>
        {
            format!("--{name}: {message}")
        }
        _ => message.to_owned(),
    }
}

/// Tells whether the command, or one below it, has an option of this name.
fn is_option(command: &clap::Command, name: &str) -> bool {
    command
        .get_arguments()
        .any(|argument| argument.get_long() == Some(name))
        || command
            .get_subcommands()
            .any(|below| is_option(below, name))
}
