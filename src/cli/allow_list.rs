//! `transire allow-list`.

use clap::Subcommand;

use super::session::{List, Session};
use crate::admin::{
    AddAllowEntry, DisableAllowList, EnableAllowList, ListAllowEntries, RemoveAllowEntry,
};
use crate::domain::Result;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Let clients at these addresses log in. From then on no other address may.
    Add(AddAllowEntry),
    /// Remove an entry. An empty list that is enabled lets nobody in.
    Remove(RemoveAllowEntry),
    /// List the entries, in the order in which they were added.
    List(List<ListAllowEntries>),
    /// Enable the list.
    Enable(EnableAllowList),
    /// Disable the list but keep its entries: every address may log in.
    Disable(DisableAllowList),
}

pub(super) async fn run(session: &Session, command: Command) -> Result<()> {
    match command {
        Command::Add(new) => session.print(new).await,
        Command::Remove(one) => session.print(one).await,
        Command::List(list) => session.list(list).await,
        Command::Enable(one) => session.print(one).await,
        Command::Disable(one) => session.print(one).await,
    }
}
