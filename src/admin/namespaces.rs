//! Operations on namespaces.

use clap::Args;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::listing::{Listing, Page, Selection};
use super::method::Method;
use super::operation::{Effect, Operation, shown};
use super::text::{InstanceText, UnrecordedText, some_text};
use super::window::{StoredListing, page_of};
use crate::domain::Result;
use crate::domain::namespace::Visibility;
use crate::domain::switch::Switch;
use crate::service::{
    Call, Contents, Listed, NamespaceChoice, NewNamespace, Page as Part, Service,
};
use crate::views;

/// List the recorded namespaces, the oldest first.
#[derive(Args, Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ListNamespaces {
    /// The instance's tcr- or cri- id, or its name.
    #[arg(long)]
    pub instance: InstanceText,
}

impl Listing for ListNamespaces {
    const PATH: &'static str = "/instances/{instance}/namespaces";

    type Item = views::Namespace;

    async fn all(self, service: &Service, call: &Call<'_>) -> Result<Vec<views::Namespace>> {
        Ok(self.part(service, call, Part::ALL).await?.items)
    }

    async fn page(
        self,
        service: &Service,
        call: &Call<'_>,
        selection: &Selection,
    ) -> Result<Page<views::Namespace>> {
        page_of(&self, service, call, selection).await
    }
}

impl StoredListing for ListNamespaces {
    async fn part(
        &self,
        service: &Service,
        call: &Call<'_>,
        part: Part,
    ) -> Result<Listed<views::Namespace>> {
        let (registry, choice) = (&service.registry, self.instance.0.clone().into());
        let listed = registry.untagged_namespaces(call, &choice, part).await?;
        Ok(listed.map(views::Namespace::from))
    }
}

/// Record a namespace.
#[derive(Args, Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateNamespace {
    /// The instance's tcr- or cri- id, or its name.
    #[arg(long)]
    pub instance: InstanceText,
    /// The namespace's name.
    #[arg(long, value_parser = some_text)]
    pub name: String,
    /// Let anyone pull from it without a log-in.
    #[arg(long)]
    #[serde(default)]
    pub public: bool,
    /// Allow pushes only to recorded repositories.
    #[arg(long)]
    #[serde(default)]
    pub no_auto_create: bool,
}

impl Operation for CreateNamespace {
    const METHOD: Method = Method::Post;
    const PATH: &'static str = "/instances/{instance}/namespaces";
    const EFFECT: Effect = Effect::Makes;

    type Answer = views::Namespace;

    async fn run(self, service: &Service, call: &Call<'_>) -> Result<views::Namespace> {
        let visibility = Visibility::of(self.public);
        let new = NewNamespace {
            visibility,
            default_visibility: visibility,
            auto_create_repository: Switch::from(!self.no_auto_create),
            ..NewNamespace::named(self.name)
        };
        let (registry, choice) = (&service.registry, self.instance.0.into());
        let made = registry.create_namespace(call, &choice, new).await?;
        Ok(made.into())
    }

    async fn repeat(
        &self,
        service: &Service,
        call: &Call<'_>,
        _made: Option<&str>,
    ) -> Result<Value> {
        let (instance, name) = (self.instance.clone(), self.name.clone());
        shown(ShowNamespace { instance, name }, service, call).await
    }
}

/// Show a recorded namespace.
#[derive(Args, Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ShowNamespace {
    /// The instance's tcr- or cri- id, or its name.
    #[arg(long)]
    pub instance: InstanceText,
    /// The namespace's name.
    #[arg(long, value_parser = some_text)]
    pub name: String,
}

impl Operation for ShowNamespace {
    const METHOD: Method = Method::Get;
    const PATH: &'static str = "/instances/{instance}/namespaces/{name}";
    const EFFECT: Effect = Effect::Reads;

    type Answer = views::Namespace;

    async fn run(self, service: &Service, call: &Call<'_>) -> Result<views::Namespace> {
        let (registry, choice) = (&service.registry, self.instance.0.into());
        let which = NamespaceChoice::Named(self.name);
        Ok(registry.namespace(call, &choice, &which).await?.into())
    }
}

/// Delete a namespace's record; its images stay in the registry.
#[derive(Args, Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DeleteNamespace {
    /// The instance's tcr- or cri- id, or its name.
    #[arg(long)]
    pub instance: InstanceText,
    /// The namespace's name.
    #[arg(long, value_parser = some_text)]
    pub name: String,
    /// Delete the records of its repositories, too.
    #[arg(long)]
    #[serde(default)]
    pub force: bool,
}

impl Operation for DeleteNamespace {
    const METHOD: Method = Method::Delete;
    const PATH: &'static str = "/instances/{instance}/namespaces/{name}";
    const EFFECT: Effect = Effect::Changes;

    type Answer = views::State;

    async fn run(self, service: &Service, call: &Call<'_>) -> Result<views::State> {
        let contents = if self.force {
            Contents::GoToo
        } else {
            Contents::MustBeGone
        };
        let (registry, choice) = (&service.registry, self.instance.0.into());
        registry
            .delete_namespace(call, &choice, &self.name, contents)
            .await?;
        Ok(views::State::deleted(self.name))
    }
}

/// Choose whether unrecorded namespaces accept pushes.
#[derive(Args, Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetUnrecordedNamespaces {
    /// The instance's tcr- or cri- id, or its name.
    #[arg(long)]
    pub instance: InstanceText,
    /// open: callers with the right may push; closed: nobody may.
    pub state: UnrecordedText,
}

impl Operation for SetUnrecordedNamespaces {
    const METHOD: Method = Method::Put;
    const PATH: &'static str = "/instances/{instance}/unrecorded-namespaces";
    const EFFECT: Effect = Effect::Changes;

    type Answer = views::UnrecordedNamespaces;

    async fn run(self, service: &Service, call: &Call<'_>) -> Result<views::UnrecordedNamespaces> {
        let (registry, choice) = (&service.registry, self.instance.0.into());
        registry
            .set_unrecorded_namespaces(call, &choice, self.state.0)
            .await?;
        Ok(views::UnrecordedNamespaces {
            instance: registry.instance(call, &choice).await?.id.to_string(),
            unrecorded_namespaces: self.state.to_string(),
        })
    }
}
