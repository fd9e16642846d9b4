//! `transire credential`.

use clap::Subcommand;

use super::session::{List, Session};
use super::snippets::Snippets;
use crate::admin::{
    CreateCredential, DeleteCredential, DeletePassword, DisableCredential, EnableCredential,
    ListCredentials, ListPasswords, RotateCredential, ShowCredential,
};
use crate::domain::Result;
use crate::views;

#[derive(Subcommand)]
pub(super) enum Command {
    /// List an instance's long-term credentials, the newest first.
    List(List<ListCredentials>),
    /// Make a long-term credential, and show how to log in with it. Its secret is shown this once.
    Create(CreateCredential),
    /// Give a credential another secret, which is shown this once, and show how to log in with it.
    Rotate(RotateCredential),
    /// Show a long-term credential, without its secret.
    Show(ShowCredential),
    /// Stop a credential until it is enabled again.
    Disable(DisableCredential),
    /// Let a disabled credential log in again.
    Enable(EnableCredential),
    /// Delete a credential. Its secrets are refused for ever.
    Delete(DeleteCredential),
    /// List an instance's fixed passwords, and which of them have their old hash still.
    ListPasswords(List<ListPasswords>),
    /// Delete a fixed password, which its owner set with ResetLoginPassword and may set again.
    DeletePassword(DeletePassword),
}

pub(super) async fn run(session: &Session, command: Command) -> Result<()> {
    match command {
        Command::List(list) => session.list(list).await,
        Command::Create(new) => print(session, &session.ask(new).await?),
        Command::Rotate(one) => print(session, &session.ask(one).await?),
        Command::Show(one) => session.print(one).await,
        Command::Disable(one) => session.print(one).await,
        Command::Enable(one) => session.print(one).await,
        Command::Delete(one) => session.print(one).await,
        Command::ListPasswords(list) => session.list(list).await,
        Command::DeletePassword(one) => session.print(one).await,
    }
}

fn print(session: &Session, made: &views::CredentialSecret) -> Result<()> {
    session.output().view(made)?;
    let snippets = Snippets {
        registry: &made.registry,
        username: &made.username,
        secret: &made.secret,
    };
    session.output().for_people(&snippets.text())
}
