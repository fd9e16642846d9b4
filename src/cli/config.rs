//! The settings, for who writes them.

use std::io::Write;

use clap::Subcommand;

use super::output::Output;
use crate::config::{self, Settings};
use crate::domain::{Error, Result};

#[derive(Subcommand)]
pub(super) enum Command {
    /// Print a settings file that has every setting, its meaning and its default, commented out.
    Example,
    /// Check the settings of the file and the environment, and change nothing.
    Check,
}

/// Prints the example.
///
/// # Errors
/// `Misconfigured` when it can't be written.
pub(super) fn example() -> Result<()> {
    let mut stdout = std::io::stdout();
    stdout
        .write_all(config::example().as_bytes())
        .and_then(|()| stdout.flush())
        .map_err(|error| Error::misconfigured(format!("stdout can't be written: {error}")))
}

/// Says where settings that were read without a fault lead.
///
/// # Errors
/// Those of the output.
pub(super) fn accepted(settings: &Settings, output: &Output) -> Result<()> {
    output.show(vec![
        ("public_url", settings.public_url.clone().into()),
        ("listen", settings.listen.address().to_string().into()),
        ("data_dir", settings.data_dir.display().to_string().into()),
    ])
}
