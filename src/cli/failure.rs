//! The ways in which a command ends, and what is said of a failure.

use clap::CommandFactory;

use super::Cli;
use crate::config::LogFormat;
use crate::domain::{Error, ErrorKind, Result};
use crate::serve::Told;

/// How a command ends that answers a question.
pub(super) enum Ended {
    Done,
    /// The answer is no.
    Denied,
}

impl Ended {
    pub(super) fn answer(self) -> Result<(), Failure> {
        match self {
            Self::Done => Ok(()),
            Self::Denied => Err(Failure::Denied),
        }
    }
}

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

/// Logs why the service ended, where each line of its output is for a program.
pub(super) fn log_in_its_form(format: LogFormat, error: Error) -> Failure {
    match format {
        LogFormat::Text => error.into(),
        LogFormat::Json => {
            tracing::error!(cause = error.cause(), "{error}");
            Failure::Logged
        }
    }
}
