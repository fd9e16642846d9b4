//! The command line of transire.

use std::process::ExitCode;

use mimalloc::MiMalloc;
use transire::cli::Cli;
use zeroizing_alloc::ZeroAlloc;

#[global_allocator]
static ALLOCATOR: ZeroAlloc<MiMalloc> = ZeroAlloc(MiMalloc);

fn main() -> ExitCode {
    match Cli::of_process() {
        Ok(cli) => cli.run(),
        Err(code) => code,
    }
}
