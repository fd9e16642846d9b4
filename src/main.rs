//! The command line of transire.

use std::process::ExitCode;

use clap::Parser;
use transire::cli::Cli;

fn main() -> ExitCode {
    Cli::parse().run()
}
