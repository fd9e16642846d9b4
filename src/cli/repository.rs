//! `transire repository`.

use clap::{Args, Subcommand};
use serde_json::json;

use super::{Context, arguments};
use crate::domain::instance::AnyInstanceId;
use crate::domain::repository::Repository;
use crate::domain::{Result, name};
use crate::service::{
    Images, NewRepository, Page, RepositoryChoice, RepositoryFilter, RepositoryOrder,
};
use crate::views;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Record a repository, which allows pushes to it.
    Create(One),
    /// List the recorded repositories, by name.
    List {
        /// The instance's tcr- or cri- id.
        #[arg(long)]
        instance: AnyInstanceId,
        /// List only this namespace's repositories.
        #[arg(long, value_parser = arguments::some_text)]
        namespace: Option<String>,
    },
    /// Delete a repository's record; its images stay in the registry.
    Delete(One),
    /// Record the repositories that an instance's registry has already, and their namespaces.
    Import {
        /// The instance's tcr- or cri- id.
        #[arg(long)]
        instance: AnyInstanceId,
    },
}

#[derive(Args)]
pub(super) struct One {
    /// The instance's tcr- or cri- id.
    #[arg(long)]
    instance: AnyInstanceId,
    /// The namespace's name.
    #[arg(long, value_parser = arguments::some_text)]
    namespace: String,
    /// The repository's name, without its namespace.
    #[arg(long, value_parser = arguments::some_text)]
    name: String,
}

pub(super) async fn run(context: &Context, command: Command) -> Result<()> {
    match command {
        Command::Create(one) => create(context, one).await,
        Command::List {
            instance,
            namespace,
        } => list(context, instance, namespace.as_deref()).await,
        Command::Delete(one) => delete(context, one).await,
        Command::Import { instance } => import(context, instance).await,
    }
}

async fn create(context: &Context, one: One) -> Result<()> {
    name::check_repository("name", &one.name)?;
    let new = NewRepository {
        namespace: one.namespace,
        name: one.name,
        visibility: None,
        summary: String::new(),
        detail: String::new(),
        tag_immutability: None,
    };
    let made = context
        .service
        .registry
        .create_repository(&context.call(), &one.instance.into(), new)
        .await?;
    context.output.view(&views::Repository::from(made))
}

async fn list(context: &Context, instance: AnyInstanceId, namespace: Option<&str>) -> Result<()> {
    let filter = RepositoryFilter {
        namespace,
        name: None,
        order: RepositoryOrder::ByName,
    };
    let listed = context
        .service
        .registry
        .repositories(&context.call(), &instance.into(), filter, Page::ALL)
        .await?;
    context
        .output
        .list(listed.items.into_iter().map(views::Repository::from))
}

async fn delete(context: &Context, one: One) -> Result<()> {
    let path = format!("{}/{}", one.namespace, one.name);
    let which = RepositoryChoice::Named {
        namespace: one.namespace,
        name: one.name,
    };
    context
        .service
        .registry
        .delete_repository(&context.call(), &one.instance.into(), &which, Images::Stay)
        .await?;
    context
        .output
        .one(vec![("name", path.into()), ("state", "deleted".into())])
}

async fn import(context: &Context, instance: AnyInstanceId) -> Result<()> {
    let imported = context
        .service
        .registry
        .import_repositories(&context.call(), &instance.into())
        .await?;
    let repository = |one: &Repository| json!({ "id": one.id.as_str(), "name": one.path() });
    context.output.one(vec![
        (
            "repositories",
            imported.repositories.iter().map(repository).collect(),
        ),
        ("namespaces", imported.namespaces.into()),
        ("left_out", imported.left_out.into()),
        ("complete", imported.complete.into()),
    ])
}
