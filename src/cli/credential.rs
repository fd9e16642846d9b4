//! `transire credential`.

use clap::Subcommand;

use super::session::{List, Session};
use crate::admin::{
    DeleteCredential, DeletePassword, DisableCredential, EnableCredential, ListCredentials,
    ListPasswords, ShowCredential,
};
use crate::domain::Result;

#[derive(Subcommand)]
pub(super) enum Command {
    /// List an instance's long-term credentials, the newest first.
    List(List<ListCredentials>),
    /// Show a long-term credential, without its secret.
    Show(ShowCredential),
    /// Stop a credential until it is enabled again.
    Disable(DisableCredential),
    /// Let a disabled credential log in again.
    Enable(EnableCredential),
    /// Stop a credential for ever.
    Delete(DeleteCredential),
    /// List an instance's fixed passwords, and which of them have their old hash still.
    ListPasswords(List<ListPasswords>),
    /// Delete a fixed password, which its owner set with ResetLoginPassword and may set again.
    DeletePassword(DeletePassword),
}

pub(super) async fn run(session: &Session, command: Command) -> Result<()> {
    match command {
        Command::List(list) => session.list(list).await,
        Command::Show(one) => session.print(one).await,
        Command::Disable(one) => session.print(one).await,
        Command::Enable(one) => session.print(one).await,
        Command::Delete(one) => session.print(one).await,
        Command::ListPasswords(list) => session.list(list).await,
        Command::DeletePassword(one) => session.print(one).await,
    }
}
