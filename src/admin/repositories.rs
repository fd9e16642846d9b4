//! Operations on repositories.

use clap::Args;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::listing::{Listing, Page, Selection};
use super::method::Method;
use super::operation::{Effect, Operation, shown};
use super::text::{InstanceText, some_text};
use super::window::{StoredListing, page_of};
use crate::domain::Result;
use crate::service::{
    Call, Images, Listed, NewRepository, Page as Part, RepositoryChoice, RepositoryFilter,
    RepositoryOrder, RunMode, Service,
};
use crate::views;

/// List the recorded repositories, by name.
#[derive(Args, Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ListRepositories {
    /// The instance's tcr- or cri- id, or its name.
    #[arg(long)]
    pub instance: InstanceText,
    /// List only this namespace's repositories.
    #[arg(long, value_parser = some_text)]
    pub namespace: Option<String>,
}

impl Listing for ListRepositories {
    const PATH: &'static str = "/instances/{instance}/repositories";

    type Item = views::Repository;

    async fn all(self, service: &Service, call: &Call<'_>) -> Result<Vec<views::Repository>> {
        Ok(self.part(service, call, Part::ALL).await?.items)
    }

    async fn page(
        self,
        service: &Service,
        call: &Call<'_>,
        selection: &Selection,
    ) -> Result<Page<views::Repository>> {
        page_of(&self, service, call, selection).await
    }
}

impl StoredListing for ListRepositories {
    async fn part(
        &self,
        service: &Service,
        call: &Call<'_>,
        part: Part,
    ) -> Result<Listed<views::Repository>> {
        let filter = RepositoryFilter {
            namespace: self.namespace.as_deref(),
            name: None,
            order: RepositoryOrder::ByName,
        };
        let (registry, choice) = (&service.registry, self.instance.0.clone().into());
        let listed = registry.repositories(call, &choice, filter, part).await?;
        Ok(listed.map(views::Repository::from))
    }
}

/// Record a repository, which allows pushes to it.
#[derive(Args, Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateRepository {
    /// The instance's tcr- or cri- id, or its name.
    #[arg(long)]
    pub instance: InstanceText,
    /// The namespace's name.
    #[arg(long, value_parser = some_text)]
    pub namespace: String,
    /// The repository's name, without its namespace.
    #[arg(long, value_parser = some_text)]
    pub name: String,
}

impl Operation for CreateRepository {
    const METHOD: Method = Method::Post;
    const PATH: &'static str = "/instances/{instance}/repositories";
    const EFFECT: Effect = Effect::Makes;

    type Answer = views::Repository;

    async fn run(self, service: &Service, call: &Call<'_>) -> Result<views::Repository> {
        let new = NewRepository::named(self.namespace, self.name);
        let (registry, choice) = (&service.registry, self.instance.0.into());
        let made = registry.create_repository(call, &choice, new).await?;
        Ok(made.into())
    }

    async fn repeat(
        &self,
        service: &Service,
        call: &Call<'_>,
        _made: Option<&str>,
    ) -> Result<Value> {
        let shows = ShowRepository {
            instance: self.instance.clone(),
            namespace: self.namespace.clone(),
            name: self.name.clone(),
        };
        shown(shows, service, call).await
    }
}

macro_rules! of_repository {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Args, Clone, Debug, Serialize, Deserialize, ToSchema)]
        #[serde(deny_unknown_fields)]
        pub struct $name {
            /// The instance's tcr- or cri- id, or its name.
            #[arg(long)]
            pub instance: InstanceText,
            /// The namespace's name.
            #[arg(long, value_parser = some_text)]
            pub namespace: String,
            /// The repository's name, without its namespace.
            #[arg(long, value_parser = some_text)]
            pub name: String,
        }

        impl From<$name> for RepositoryChoice {
            fn from(one: $name) -> Self {
                Self::Named {
                    namespace: one.namespace,
                    name: one.name,
                }
            }
        }
    };
}

of_repository! {
    /// Show a recorded repository.
    ShowRepository
}
of_repository! {
    /// Delete a repository's record; its images stay in the registry.
    DeleteRepository
}

impl Operation for ShowRepository {
    const METHOD: Method = Method::Get;
    const PATH: &'static str = "/instances/{instance}/repositories/{namespace}/{name}";
    const EFFECT: Effect = Effect::Reads;

    type Answer = views::Repository;

    async fn run(self, service: &Service, call: &Call<'_>) -> Result<views::Repository> {
        let (registry, choice) = (&service.registry, self.instance.0.clone().into());
        let found = registry.repository(call, &choice, &self.into()).await?;
        Ok(found.into())
    }
}

impl Operation for DeleteRepository {
    const METHOD: Method = Method::Delete;
    const PATH: &'static str = "/instances/{instance}/repositories/{namespace}/{name}";
    const EFFECT: Effect = Effect::Changes;

    type Answer = views::State;

    async fn run(self, service: &Service, call: &Call<'_>) -> Result<views::State> {
        let path = format!("{}/{}", self.namespace, self.name);
        let (registry, choice) = (&service.registry, self.instance.0.clone().into());
        registry
            .delete_repository(call, &choice, &self.into(), Images::Stay)
            .await?;
        Ok(views::State::deleted(path))
    }
}

/// Record the repositories that an instance's registry has already, and their namespaces.
#[derive(Args, Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ImportRepositories {
    /// The instance's tcr- or cri- id, or its name.
    #[arg(long)]
    pub instance: InstanceText,
}

impl Operation for ImportRepositories {
    const METHOD: Method = Method::Post;
    const PATH: &'static str = "/instances/{instance}/repositories/import";
    const EFFECT: Effect = Effect::Changes;

    type Answer = views::ImportedRepositories;

    async fn run(self, service: &Service, call: &Call<'_>) -> Result<views::ImportedRepositories> {
        let (registry, choice) = (&service.registry, self.instance.0.into());
        Ok(registry.import_repositories(call, &choice).await?.into())
    }
}

/// Delete the images that a repository's lifecycle policy expires, each with all of its tags.
#[derive(Args, Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ApplyLifecycle {
    /// The instance's tcr- or cri- id, or its name.
    #[arg(long)]
    pub instance: InstanceText,
    /// The namespace's name.
    #[arg(long, value_parser = some_text)]
    pub namespace: String,
    /// The repository's name, without its namespace.
    #[arg(long, value_parser = some_text)]
    pub name: String,
    /// Delete nothing, and say what would go.
    #[arg(long)]
    #[serde(default)]
    pub dry_run: bool,
}

impl Operation for ApplyLifecycle {
    const METHOD: Method = Method::Post;
    const PATH: &'static str = "/instances/{instance}/repositories/{namespace}/{name}/lifecycle";
    const EFFECT: Effect = Effect::Changes;

    type Answer = views::LifecycleRun;

    async fn run(self, service: &Service, call: &Call<'_>) -> Result<views::LifecycleRun> {
        let mode = if self.dry_run {
            RunMode::DryRun
        } else {
            RunMode::Delete
        };
        let which = RepositoryChoice::Named {
            namespace: self.namespace,
            name: self.name,
        };
        let (registry, choice) = (&service.registry, self.instance.0.into());
        let run = registry
            .apply_lifecycle(call, &choice, &which, mode)
            .await?;
        Ok(run.into())
    }
}
