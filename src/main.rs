//! The command line of transire.

use std::process::ExitCode;

use mimalloc::MiMalloc;
use transire::cli::Cli;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    match Cli::of_process() {
        Ok(cli) => cli.run(),
        Err(code) => code,
    }
}
