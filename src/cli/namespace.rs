//! `transire namespace`.

use clap::Subcommand;

use super::session::{List, Session};
use crate::admin::{
    CreateNamespace, DeleteNamespace, ListNamespaces, SetUnrecordedNamespaces, ShowNamespace,
};
use crate::domain::Result;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Record a namespace.
    Create(CreateNamespace),
    /// List the recorded namespaces, the oldest first.
    List(List<ListNamespaces>),
    /// Show a recorded namespace.
    Show(ShowNamespace),
    /// Delete a namespace's record; its images stay in the registry.
    Delete(DeleteNamespace),
    /// Choose whether unrecorded namespaces accept pushes.
    Unrecorded(SetUnrecordedNamespaces),
}

pub(super) async fn run(session: &Session, command: Command) -> Result<()> {
    match command {
        Command::Create(new) => session.print(new).await,
        Command::List(list) => session.list(list).await,
        Command::Show(one) => session.print(one).await,
        Command::Delete(one) => session.print(one).await,
        Command::Unrecorded(change) => session.print(change).await,
    }
}
