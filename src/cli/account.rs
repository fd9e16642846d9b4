//! `transire account`.

use clap::Subcommand;

use super::session::{List, Session};
use crate::admin::{CreateAccount, ListAccounts, ShowAccount, UpdateAccount};
use crate::domain::Result;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Make an account.
    Create(CreateAccount),
    /// Change the rights of an account's users.
    Update(UpdateAccount),
    /// List the accounts.
    List(List<ListAccounts>),
    /// Show an account.
    Show(ShowAccount),
}

pub(super) async fn run(session: &Session, command: Command) -> Result<()> {
    match command {
        Command::Create(new) => session.print(new).await,
        Command::Update(change) => session.print(change).await,
        Command::List(list) => session.list(list).await,
        Command::Show(one) => session.print(one).await,
    }
}
