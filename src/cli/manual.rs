//! Completions for shells, and the manual pages: both are made from the commands as they are.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use clap_complete::Shell;

use super::command;
use super::output::Output;
use crate::domain::{Error, Result};

#[derive(Subcommand)]
pub(super) enum Command {
    /// Print the completions of a shell.
    Completions {
        /// The shell.
        shell: Shell,
    },
    /// Write the manual pages, one for each command.
    Man {
        /// The folder for them; it is made if it isn't there.
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
}

/// Runs a command that needs neither data nor settings.
///
/// # Errors
/// `Misconfigured` when the output can't be written.
pub(super) fn run(asked: &Command, output: &Output) -> Result<()> {
    match asked {
        Command::Completions { shell } => {
            let mut completions = Vec::new();
            clap_complete::generate(*shell, &mut command(), "transire", &mut completions);
            output.text(&String::from_utf8_lossy(&completions))
        }
        Command::Man { out } => write_pages(out).map_err(|error| {
            Error::misconfigured(format!(
                "the manual pages can't be written to {}: {error}",
                out.display()
            ))
        }),
    }
}

fn write_pages(out: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(out)?;
    clap_mangen::generate_to(command(), out)
}
