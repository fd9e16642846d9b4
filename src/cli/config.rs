//! The settings, for who writes them.

use clap::Subcommand;

use super::output::Output;
use crate::config::Settings;
use crate::domain::Result;

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
/// Those of the output.
pub(super) fn example(output: &Output) -> Result<()> {
    output.text(&crate::config::example())
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
