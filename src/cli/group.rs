//! `transire group`.

use clap::Subcommand;

use super::session::{List, Session};
use crate::admin::{AddMember, CreateGroup, DeleteGroup, ListGroups, RemoveMember, ShowGroup};
use crate::domain::Result;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Make a group.
    Create(CreateGroup),
    /// List an account's groups and their members.
    List(List<ListGroups>),
    /// Show a group and its members.
    Show(ShowGroup),
    /// Add a user to a group.
    Add(AddMember),
    /// Remove a user from a group.
    Remove(RemoveMember),
    /// Delete a group; its members are not deleted.
    Delete(DeleteGroup),
}

pub(super) async fn run(session: &Session, command: Command) -> Result<()> {
    match command {
        Command::Create(new) => session.print(new).await,
        Command::List(list) => session.list(list).await,
        Command::Show(one) => session.print(one).await,
        Command::Add(member) => session.print(member).await,
        Command::Remove(member) => session.print(member).await,
        Command::Delete(one) => session.print(one).await,
    }
}
