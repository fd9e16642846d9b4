//! `transire access-key`.

use clap::Subcommand;

use super::session::{List, Session};
use crate::admin::{
    CreateAccessKey, DeleteAccessKey, DisableAccessKey, EnableAccessKey, ListAccessKeys,
    ShowAccessKey,
};
use crate::domain::Result;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Make an access key of an account's root user or of another user. Its secret is shown this
    /// once.
    Create(CreateAccessKey),
    /// Stop an access key and the temporary credentials that it obtained. The audit lists its
    /// long-term ones.
    Disable(DisableAccessKey),
    /// Let a disabled access key sign again.
    Enable(EnableAccessKey),
    /// Stop an access key for ever, and the temporary credentials that it obtained.
    Delete(DeleteAccessKey),
    /// List the access keys.
    List(List<ListAccessKeys>),
    /// Show an access key, without its secret.
    Show(ShowAccessKey),
}

pub(super) async fn run(session: &Session, command: Command) -> Result<()> {
    match command {
        Command::Create(new) => session.print(new).await,
        Command::Disable(one) => session.print(one).await,
        Command::Enable(one) => session.print(one).await,
        Command::Delete(one) => session.print(one).await,
        Command::List(list) => session.list(list).await,
        Command::Show(one) => session.print(one).await,
    }
}
