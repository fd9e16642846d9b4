//! The command line as the process has it: the commands with their examples, and the arguments.

use std::path::Path;
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches};

use super::confirm::Question;
use super::{Cli, examples, failure};

/// Returns all commands, each with its examples in its help.
pub fn command() -> clap::Command {
    examples::add(Cli::command())
}

impl Cli {
    /// Reads the process's arguments. By its name as docker's credential helper, the program is
    /// that helper.
    ///
    /// # Errors
    /// The exit code, after the help that they ask for, or the reason why they can't be read.
    pub fn of_process() -> Result<Self, ExitCode> {
        let mut arguments: Vec<_> = std::env::args_os().collect();
        let is_helper = arguments
            .first()
            .and_then(|program| Path::new(program).file_name())
            .is_some_and(|name| name == "docker-credential-transire");
        if is_helper {
            arguments.insert(1, "docker-credential".into());
        }
        let read = command()
            .try_get_matches_from(&arguments)
            .and_then(|matches| {
                let mut cli = Self::from_arg_matches(&matches)?;
                cli.question = Question::of(&matches);
                Ok(cli)
            });
        read.map_err(|error| {
            let error = error.format(&mut command());
            failure::tell_of_arguments(&error, &arguments)
        })
    }
}
