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
    let (service, call) = (&context.service, &context.call());
    match command {
        Command::Create(One {
            instance,
            namespace,
            name,
        }) => {
            name::check_repository("name", &name)?;
            let (summary, detail) = (String::new(), String::new());
            let new = NewRepository {
                namespace,
                name,
                visibility: None,
                summary,
                detail,
                tag_immutability: None,
            };
            let made = service
                .registry
                .create_repository(call, &instance.into(), new)
                .await?;
            context.output.view(&views::Repository::from(made))
        }
        Command::List {
            instance,
            namespace,
        } => {
            let filter = RepositoryFilter {
                namespace: namespace.as_deref(),
                name: None,
                order: RepositoryOrder::ByName,
            };
            let listed = service
                .registry
                .repositories(call, &instance.into(), filter, Page::ALL)
                .await?;
            context
                .output
                .list(listed.items.into_iter().map(views::Repository::from))
        }
        Command::Delete(One {
            instance,
            namespace,
            name,
        }) => {
            let path = format!("{namespace}/{name}");
            let which = RepositoryChoice::Named { namespace, name };
            service
                .registry
                .delete_repository(call, &instance.into(), &which, Images::Stay)
                .await?;
            context
                .output
                .one(vec![("name", path.into()), ("state", "deleted".into())])
        }
        Command::Import { instance } => {
            let imported = service
                .registry
                .import_repositories(call, &instance.into())
                .await?;
            let repository =
                |one: &Repository| json!({ "id": one.id.as_str(), "name": one.path() });
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
    }
}
