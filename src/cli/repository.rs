//! `transire repository`.

use clap::{Args, Subcommand};
use serde_json::json;

use super::Context;
use crate::domain::Result;
use crate::domain::instance::AnyInstanceId;
use crate::domain::repository::Repository;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Record what an instance's registry has already, with the namespaces that are missing for it.
    Import(Import),
}

#[derive(Args)]
pub(super) struct Import {
    /// The instance's tcr- or cri- id.
    #[arg(long)]
    instance: AnyInstanceId,
}

pub(super) async fn run(context: &Context, command: Command) -> Result<()> {
    let Command::Import(import) = command;
    let imported = context.service.import_repositories(&context.operator, &import.instance.into(), &context.request).await?;
    let repository = |one: &Repository| json!({ "id": one.id.as_str(), "name": one.path() });
    context.output.one(vec![
        ("repositories", imported.repositories.iter().map(repository).collect()),
        ("namespaces", imported.namespaces.into()),
        ("left_out", imported.left_out.into()),
        ("complete", imported.complete.into()),
    ])
}
