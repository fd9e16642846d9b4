//! `transire user`.

use clap::Subcommand;

use super::session::{List, Session};
use crate::admin::{CreateUser, DeleteUser, DisableUser, EnableUser, ListUsers, ShowUser};
use crate::domain::Result;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Make a user.
    Create(CreateUser),
    /// List an account's users.
    List(List<ListUsers>),
    /// Show a user.
    Show(ShowUser),
    /// Stop a user, its access keys, and all credentials that it obtained.
    Disable(DisableUser),
    /// Let a disabled user act again. Its temporary credentials stay stopped.
    Enable(EnableUser),
    /// Delete a user, its access keys and its credentials. Service accounts that it made keep
    /// working, and are listed.
    Delete(DeleteUser),
}

pub(super) async fn run(session: &Session, command: Command) -> Result<()> {
    match command {
        Command::Create(new) => session.print(new).await,
        Command::List(list) => session.list(list).await,
        Command::Show(one) => session.print(one).await,
        Command::Disable(one) => session.print(one).await,
        Command::Enable(one) => session.print(one).await,
        Command::Delete(one) => session.print(one).await,
    }
}
