//! `transire repository`.

use clap::Subcommand;

use super::session::{List, Session};
use crate::admin::{
    ApplyLifecycle, CreateRepository, DeleteRepository, ImportRepositories, ListRepositories,
    ShowRepository,
};
use crate::domain::Result;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Record a repository, which allows pushes to it.
    Create(CreateRepository),
    /// List the recorded repositories, by name.
    List(List<ListRepositories>),
    /// Show a recorded repository.
    Show(ShowRepository),
    /// Delete a repository's record; its images stay in the registry.
    Delete(DeleteRepository),
    /// Record the repositories that an instance's registry has already, and their namespaces.
    Import(ImportRepositories),
    /// Delete the images that a repository's lifecycle policy expires, each with all of its tags.
    ApplyLifecycle(ApplyLifecycle),
}

pub(super) async fn run(session: &Session, command: Command) -> Result<()> {
    match command {
        Command::Create(new) => session.print(new).await,
        Command::List(list) => session.list(list).await,
        Command::Show(one) => session.print(one).await,
        Command::Delete(one) => session.print(one).await,
        Command::Import(import) => session.print(import).await,
        Command::ApplyLifecycle(run) => session.print(run).await,
    }
}
