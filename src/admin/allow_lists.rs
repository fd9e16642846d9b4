//! Operations on allow lists.

use clap::Args;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::listing::Listing;
use super::method::Method;
use super::operation::{Effect, Operation};
use super::text::{CidrText, InstanceText};
use crate::domain::allow_list::{AllowEntry, Cidr};
use crate::domain::reference::InstanceRef;
use crate::domain::switch::Switch;
use crate::domain::{Error, Noun, Result, name};
use crate::service::{AllowListPlace, Call, InstanceChoice, Permission, Service};
use crate::views;

/// List the entries, in the order in which they were added.
#[derive(Args, Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ListAllowEntries {
    /// The instance's tcr- or cri- id, or its name.
    #[arg(long)]
    pub instance: InstanceText,
}

impl Listing for ListAllowEntries {
    const PATH: &'static str = "/instances/{instance}/allow-list/entries";

    type Item = views::AllowEntry;

    async fn all(self, service: &Service, call: &Call<'_>) -> Result<Vec<views::AllowEntry>> {
        let (registry, choice) = (&service.registry, self.instance.0.into());
        let (_, list) = registry
            .allow_list(call, &choice, Permission::ListAclEntries)
            .await?;
        let entries = list.entries.iter().cloned();
        Ok(entries.map(views::AllowEntry::from).collect())
    }
}

/// Let clients at these addresses log in. From then on no other address may.
#[derive(Args, Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AddAllowEntry {
    /// The instance's tcr- or cri- id, or its name.
    #[arg(long)]
    pub instance: InstanceText,
    /// An address, or a range such as 192.0.2.0/24.
    #[arg(long)]
    pub cidr: String,
    /// The purpose of the entry.
    #[arg(long, default_value = "")]
    #[serde(default)]
    pub comment: String,
}

impl Operation for AddAllowEntry {
    const METHOD: Method = Method::Post;
    const PATH: &'static str = "/instances/{instance}/allow-list/entries";
    const EFFECT: Effect = Effect::Makes;

    type Answer = views::ChangedAllowEntry;

    async fn run(self, service: &Service, call: &Call<'_>) -> Result<views::ChangedAllowEntry> {
        name::check_description("comment", &self.comment)?;
        let entry = AllowEntry {
            cidr: self.cidr.parse()?,
            written: self.cidr,
            comment: self.comment,
        };
        let (registry, choice) = (&service.registry, self.instance.0.into());
        registry
            .add_to_allow_list(call, &choice, std::slice::from_ref(&entry))
            .await?;
        Ok(views::ChangedAllowEntry {
            cidr: entry.written,
            state: "added".to_owned(),
        })
    }

    async fn repeat(
        &self,
        service: &Service,
        call: &Call<'_>,
        _made: Option<&str>,
    ) -> Result<Value> {
        let cidr: Cidr = self.cidr.parse()?;
        let (registry, choice) = (&service.registry, self.instance.0.clone().into());
        let (_, list) = registry
            .allow_list(call, &choice, Permission::ListAclEntries)
            .await?;
        let entry = list.entries.iter().find(|entry| entry.cidr == cidr);
        let entry = entry.ok_or_else(|| Error::not_found(Noun::AllowListEntry, cidr))?;
        serde_json::to_value(views::AllowEntry::from(entry.clone())).map_err(Error::internal)
    }
}

/// Remove an entry. An empty list that is enabled lets nobody in.
#[derive(Args, Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RemoveAllowEntry {
    /// The instance's tcr- or cri- id, or its name.
    #[arg(long)]
    pub instance: InstanceText,
    /// The entry's address or range.
    #[arg(long)]
    pub cidr: CidrText,
}

impl Operation for RemoveAllowEntry {
    const METHOD: Method = Method::Delete;
    const PATH: &'static str = "/instances/{instance}/allow-list/entries/{cidr}";
    const EFFECT: Effect = Effect::Changes;

    type Answer = views::ChangedAllowEntry;

    async fn run(self, service: &Service, call: &Call<'_>) -> Result<views::ChangedAllowEntry> {
        let places = [AllowListPlace::Cidr(self.cidr.0)];
        let (registry, choice) = (&service.registry, self.instance.0.into());
        registry
            .remove_from_allow_list(call, &choice, &places)
            .await?;
        Ok(views::ChangedAllowEntry {
            cidr: self.cidr.to_string(),
            state: "removed".to_owned(),
        })
    }
}

/// Enable the list.
#[derive(Args, Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EnableAllowList {
    /// The instance's tcr- or cri- id, or its name.
    #[arg(long)]
    pub instance: InstanceText,
}

impl Operation for EnableAllowList {
    const METHOD: Method = Method::Post;
    const PATH: &'static str = "/instances/{instance}/allow-list/enable";
    const EFFECT: Effect = Effect::Changes;

    type Answer = views::AllowListState;

    async fn run(self, service: &Service, call: &Call<'_>) -> Result<views::AllowListState> {
        set(service, call, self.instance.0, Switch::On).await
    }
}

/// Disable the list but keep its entries: every address may log in.
#[derive(Args, Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DisableAllowList {
    /// The instance's tcr- or cri- id, or its name.
    #[arg(long)]
    pub instance: InstanceText,
}

impl Operation for DisableAllowList {
    const METHOD: Method = Method::Post;
    const PATH: &'static str = "/instances/{instance}/allow-list/disable";
    const EFFECT: Effect = Effect::Changes;

    type Answer = views::AllowListState;

    async fn run(self, service: &Service, call: &Call<'_>) -> Result<views::AllowListState> {
        set(service, call, self.instance.0, Switch::Off).await
    }
}

async fn set(
    service: &Service,
    call: &Call<'_>,
    id: InstanceRef,
    switch: Switch,
) -> Result<views::AllowListState> {
    let registry = &service.registry;
    let instance = registry.instance(call, &id.into()).await?;
    let choice = InstanceChoice::Tcr(instance.id.clone());
    registry.set_allow_list(call, &choice, switch).await?;
    Ok(views::AllowListState {
        instance: instance.id.to_string(),
        state: views::allow_list_state(switch).to_owned(),
    })
}
