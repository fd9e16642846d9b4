//! The ways in which a command ends, its exit status, and what is said of a failure.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::CommandFactory;
use clap::error::{ContextKind, ContextValue, ErrorKind as ParseErrorKind};
use serde_json::{Value, json};

use super::Cli;
use super::output::{Format, print_error};
use crate::config::LogFormat;
use crate::domain::printable::escape_lines;
use crate::domain::{Blame, Error, ErrorKind, Result};
use crate::serve::Told;

/// How a command ends that answers a question.
pub(super) enum Ended {
    Done,
    /// The answer is no.
    Denied,
    /// The operator was asked, and said no.
    Declined,
}

impl Ended {
    /// Ends with the answer to a question.
    pub(super) fn of(yes: bool) -> Self {
        if yes { Self::Done } else { Self::Denied }
    }

    pub(super) fn answer(self) -> Result<(), Failure> {
        match self {
            Self::Done => Ok(()),
            Self::Denied => Err(Failure::Denied),
            Self::Declined => Err(Failure::Declined),
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
    /// The operator was asked, and said no.
    Declined,
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

/// The exit status where an argument, or the file that it names, is invalid. A command that answers
/// a question has it for all failures.
const INVALID: u8 = 2;

/// Returns the exit status of a failure.
fn status(kind: &ErrorKind) -> u8 {
    match kind {
        ErrorKind::InvalidParameter { .. } | ErrorKind::MissingParameter { .. } => INVALID,
        ErrorKind::NotFound { .. }
        | ErrorKind::InstanceNotFound
        | ErrorKind::AccessKeyNotFound
        | ErrorKind::NoDefaultInstance => 3,
        ErrorKind::AlreadyExists { .. } => 4,
        ErrorKind::StoreUnavailable
        | ErrorKind::AuditUnavailable
        | ErrorKind::Throttled { .. }
        | ErrorKind::AddressThrottled { .. }
        | ErrorKind::RequestTimeout => 5,
        _ if matches!(kind.blame(), Blame::Load | Blame::Upstream) => 5,
        _ => 1,
    }
}

/// How a command says that it failed, and with which status.
pub(super) struct Teller {
    /// The form of its output.
    pub(super) format: Format,
    /// Whether it answers a question, so that 1 means no.
    pub(super) decides: bool,
}

impl Teller {
    /// Returns the exit status where no error has a kind.
    pub(super) fn failed(&self) -> ExitCode {
        if self.decides {
            INVALID.into()
        } else {
            ExitCode::FAILURE
        }
    }

    /// Says why the command doesn't succeed; returns its exit status.
    pub(super) fn tell(&self, failure: Failure) -> ExitCode {
        let error = match failure {
            Failure::Denied => return ExitCode::FAILURE,
            Failure::Logged => return self.failed(),
            Failure::Stopped(told) => return told.exit_code().into(),
            Failure::Declined => {
                self.say("declined", "nothing was changed", None, None);
                return ExitCode::FAILURE;
            }
            Failure::Usage(error) | Failure::Failed(error) => error,
        };
        let message = explain(&error);
        let argument = match error.kind() {
            ErrorKind::InvalidParameter { name } | ErrorKind::MissingParameter { name } => {
                Some(name.as_str())
            }
            _ => None,
        };
        let cause = error.cause();
        self.say(error.kind().name(), &message, argument, cause.as_deref());
        match status(error.kind()) {
            _ if self.decides => INVALID.into(),
            status => status.into(),
        }
    }

    fn say(&self, kind: &str, message: &str, argument: Option<&str>, cause: Option<&str>) {
        if self.format.is_json() {
            print_error(&document(kind, message, argument, cause));
            return;
        }
        eprintln!("transire: {}", escape_lines(message));
        if let Some(cause) = cause {
            eprintln!("  because: {}", escape_lines(cause));
        }
    }
}

/// Returns an error for programs.
fn document(kind: &str, message: &str, argument: Option<&str>, cause: Option<&str>) -> Value {
    json!({
        "kind": kind,
        "message": message,
        "argument": argument.map(|name| name.trim_start_matches(['<', '-'])),
        "cause": cause,
    })
}

/// Prints the help or the version that the arguments ask for, or why they can't be read; returns
/// the exit status.
pub(super) fn tell_of_arguments(error: &clap::Error, arguments: &[OsString]) -> ExitCode {
    if error.exit_code() == 0 || !asks_for_json(arguments) {
        // Nothing can be done where nobody reads it.
        error.print().ok();
    } else {
        let kind = match error.kind() {
            ParseErrorKind::MissingRequiredArgument | ParseErrorKind::MissingSubcommand => {
                "missing-parameter"
            }
            ParseErrorKind::UnknownArgument | ParseErrorKind::InvalidSubcommand => {
                "unknown-parameter"
            }
            _ => "invalid-parameter",
        };
        let argument = match error.get(ContextKind::InvalidArg) {
            Some(ContextValue::String(name)) => Some(name.clone()),
            Some(ContextValue::Strings(names)) => names.first().cloned(),
            _ => None,
        };
        let name = argument.as_deref().and_then(|name| name.split(' ').next());
        let said = error.render().to_string();
        let message = said.split("\n\nFor more information").next();
        let message = message.unwrap_or_default().trim_start_matches("error: ");
        print_error(&document(kind, message, name, None));
    }
    u8::try_from(error.exit_code()).unwrap_or(INVALID).into()
}

/// Tells whether arguments that can't be read as a whole ask for JSON.
fn asks_for_json(arguments: &[OsString]) -> bool {
    let mut is_form = false;
    arguments.iter().any(|argument| {
        let text = argument.to_string_lossy();
        let form = match text.strip_prefix("--output=") {
            Some(form) => form,
            None if is_form => &*text,
            None => text
                .strip_prefix("-o")
                .map_or("", |form| form.trim_start_matches('=')),
        };
        is_form = text == "--output" || text == "-o";
        matches!(form, "json" | "jsonl")
    })
}

/// Returns the message of an error, with the argument that it is about.
fn explain(error: &Error) -> String {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Noun;

    #[test]
    fn each_cause_of_a_failure_has_its_exit_status() {
        let noun = Noun::User;
        let name = || "name".to_owned();
        for (kind, expected) in [
            (ErrorKind::Misconfigured, 1),
            (ErrorKind::Internal, 1),
            (ErrorKind::PreconditionFailed { noun }, 1),
            (ErrorKind::QuotaExceeded { noun }, 1),
            (ErrorKind::InvalidParameter { name: name() }, 2),
            (ErrorKind::MissingParameter { name: name() }, 2),
            (ErrorKind::NotFound { noun }, 3),
            (ErrorKind::InstanceNotFound, 3),
            (ErrorKind::AlreadyExists { noun }, 4),
            (ErrorKind::StoreUnavailable, 5),
            (ErrorKind::AuditUnavailable, 5),
            (ErrorKind::Overloaded, 5),
            (ErrorKind::RegistryUnavailable, 5),
        ] {
            assert_eq!(status(&kind), expected, "{kind:?}");
        }
    }

    #[test]
    fn json_is_asked_for_by_each_spelling_of_the_option() {
        let asks = |text: &str| {
            let words: Vec<OsString> = text.split(' ').map(OsString::from).collect();
            asks_for_json(&words)
        };
        for text in [
            "transire --output json x",
            "transire x --output=jsonl",
            "transire x -o json",
            "transire x -ojson",
            "transire x -o=json",
        ] {
            assert!(asks(text), "{text}");
        }
        for text in [
            "transire x",
            "transire x --name json",
            "transire x -o table json",
            "transire x --output",
        ] {
            assert!(!asks(text), "{text}");
        }
    }
}
