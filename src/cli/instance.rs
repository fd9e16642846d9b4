//! `transire instance`.

use clap::Subcommand;

use super::output;
use super::session::{List, Session};
use crate::admin::{CreateInstance, DeleteInstance, ListInstances, ShowInstance, UpdateInstance};
use crate::domain::Result;
use crate::domain::instance::RegistryKind;
use crate::domain::name::doubt_of_service;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Make an instance.
    Create(CreateInstance),
    /// Change an instance.
    Update(UpdateInstance),
    /// Delete an instance for ever. No other instance can have its service.
    Delete(DeleteInstance),
    /// List the instances.
    List(List<ListInstances>),
    /// Show an instance.
    Show(ShowInstance),
}

pub(super) async fn run(session: &Session, command: Command) -> Result<()> {
    match command {
        Command::Create(new) => create(session, new).await,
        Command::Update(change) => session.print(change).await,
        Command::Delete(one) => session.print(one).await,
        Command::List(list) => session.list(list).await,
        Command::Show(one) => session.print(one).await,
    }
}

async fn create(session: &Session, new: CreateInstance) -> Result<()> {
    let made = session.ask(new).await?;
    if let Some(doubt) = doubt_of_service(&made.service) {
        output::warn(doubt);
    }
    if made.kind == RegistryKind::Zot.name() {
        eprintln!(
            "transire: after a revocation, tokens that zot's clients hold work for up to {} \
             seconds (--token-ttl). They live that long because clients such as oras, crane and \
             helm fail when a token expires during a push.",
            made.token_ttl
        );
    }
    session.output().view(&made)
}
