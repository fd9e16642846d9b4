//! `transire report`.

use clap::Subcommand;

use super::session::{List, Session};
use crate::admin::{ListExpiring, ListUnused};
use crate::domain::Result;

#[derive(Subcommand)]
pub(super) enum Command {
    /// List the active access keys, credentials, service accounts and fixed passwords that weren't
    /// used for a time.
    Unused(List<ListUnused>),
    /// List the credentials, service accounts, fixed passwords and certificates that end within a
    /// time.
    Expiring(List<ListExpiring>),
}

pub(super) async fn run(session: &Session, command: Command) -> Result<()> {
    match command {
        Command::Unused(list) => session.list(list).await,
        Command::Expiring(list) => session.list(list).await,
    }
}
