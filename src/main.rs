//! The command line of transire.

use std::process::ExitCode;

use clap::Parser;
use mimalloc::MiMalloc;
use transire::cli::Cli;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    Cli::parse().run()
}
