//! The settings of an instance that may change, and how they do.

use std::collections::BTreeMap;

use super::format;
use super::step::Changes;
use crate::domain::Result;
use crate::domain::allow_list::{AllowEntry, Cidr};
use crate::domain::ids::InstanceId;
use crate::domain::instance::{
    InstanceChange, OldRefreshTokens, Specification, UnrecordedNamespaces,
};
use crate::domain::switch::Switch;
use crate::domain::tag::Tag;
use crate::service::{
    AllowListPlace, Call, InstanceChoice, InstanceContents, NewInstance, Registry,
};

/// The settings that may change, as they are.
pub(super) struct Adjustable {
    registry_url: String,
    ecr_host: String,
    specification: Specification,
    deletion_protection: Switch,
    public_endpoint: Switch,
    allow_list: Switch,
    refresh_tokens: Switch,
    token_log_in: Switch,
    unrecorded_namespaces: UnrecordedNamespaces,
    tags: Vec<Tag>,
    entries: Vec<AllowEntry>,
}

impl Adjustable {
    pub(super) fn of(contents: &InstanceContents) -> Self {
        let instance = &contents.instance;
        Self {
            registry_url: instance.registry_url.clone().unwrap_or_default(),
            ecr_host: instance.ecr_host.clone().unwrap_or_default(),
            specification: instance.specification,
            deletion_protection: instance.deletion_protection,
            public_endpoint: instance.public_endpoint,
            allow_list: instance.allow_list,
            refresh_tokens: instance.refresh_tokens,
            token_log_in: instance.token_log_in,
            unrecorded_namespaces: instance.unrecorded_namespaces,
            tags: contents.tags.clone(),
            entries: contents.allow_list.clone(),
        }
    }

    /// Returns those of an instance that was just made.
    pub(super) fn fresh(new: &NewInstance) -> Self {
        Self {
            registry_url: new.registry_url.clone().unwrap_or_default(),
            ecr_host: new.ecr_host.clone().unwrap_or_default(),
            specification: new.specification,
            deletion_protection: Switch::Off,
            public_endpoint: Switch::On,
            allow_list: Switch::Off,
            refresh_tokens: new.refresh_tokens,
            token_log_in: new.token_log_in,
            unrecorded_namespaces: UnrecordedNamespaces::Open,
            tags: Vec::new(),
            entries: Vec::new(),
        }
    }
}

/// The settings of an instance that change.
#[derive(Default)]
pub(super) struct InstanceUpdate {
    registry_url: Option<String>,
    ecr_host: Option<String>,
    change: InstanceChange,
    public_endpoint: Option<Switch>,
    refresh_tokens: Option<Switch>,
    unrecorded_namespaces: Option<UnrecordedNamespaces>,
    tags: Vec<Tag>,
    untagged: Vec<String>,
    added: Vec<AllowEntry>,
    replaced: Vec<AllowEntry>,
    removed: Vec<Cidr>,
    /// Whether the list is to be in force, and whether it is without a change.
    allow_list: Option<(Switch, Switch)>,
}

impl InstanceUpdate {
    /// Compares what is with what the file says.
    pub(super) fn between(
        present: &Adjustable,
        wanted: &format::Instance,
        changes: &mut Changes,
    ) -> Self {
        let switch = |wanted: Option<bool>| wanted.map(Switch::from);
        let mut update = Self {
            registry_url: changes.compare(
                "registry_url",
                &present.registry_url,
                wanted.registry_url.clone(),
            ),
            ecr_host: changes.compare("ecr_host", &present.ecr_host, wanted.ecr_host.clone()),
            change: InstanceChange {
                specification: changes.compare(
                    "specification",
                    &present.specification,
                    wanted.specification.map(|word| word.0),
                ),
                deletion_protection: changes.compare(
                    "deletion_protection",
                    &present.deletion_protection,
                    switch(wanted.deletion_protection),
                ),
                token_log_in: changes.compare(
                    "token_log_in",
                    &present.token_log_in,
                    switch(wanted.token_log_in),
                ),
            },
            public_endpoint: changes.compare(
                "public_endpoint",
                &present.public_endpoint,
                switch(wanted.public_endpoint),
            ),
            refresh_tokens: changes.compare(
                "refresh_tokens",
                &present.refresh_tokens,
                switch(wanted.refresh_tokens),
            ),
            unrecorded_namespaces: changes.compare(
                "unrecorded_namespaces",
                &present.unrecorded_namespaces,
                wanted.unrecorded_namespaces.map(|word| word.0),
            ),
            ..Self::default()
        };
        if let Some(tags) = &wanted.tags {
            update.compare_tags(&present.tags, tags, changes);
        }
        if let Some(list) = &wanted.allow_list {
            update.compare_allow_list(present, list, changes);
        }
        update
    }

    fn compare_tags(
        &mut self,
        present: &[Tag],
        wanted: &BTreeMap<String, String>,
        changes: &mut Changes,
    ) {
        let old: BTreeMap<&str, &str> = present
            .iter()
            .map(|tag| (tag.key.as_str(), tag.value.as_str()))
            .collect();
        for (key, value) in wanted {
            let before = old.get(key.as_str()).copied();
            if before != Some(value) {
                changes.note(&format!("tags.{key}"), before, value.clone());
                self.tags.push(Tag {
                    key: key.clone(),
                    value: value.clone(),
                });
            }
        }
        for (key, value) in old {
            if !wanted.contains_key(key) {
                changes.note(&format!("tags.{key}"), value, ());
                self.untagged.push(key.to_owned());
            }
        }
    }

    fn compare_allow_list(
        &mut self,
        present: &Adjustable,
        wanted: &format::AllowList,
        changes: &mut Changes,
    ) {
        if let Some(entries) = &wanted.entries {
            let mut old: BTreeMap<Cidr, &AllowEntry> = present
                .entries
                .iter()
                .map(|entry| (entry.cidr, entry))
                .collect();
            for format::Entry(entry) in entries {
                let field = format!("allow_list.{}", entry.cidr);
                match old.remove(&entry.cidr) {
                    None => {
                        changes.note(&field, (), entry.comment.clone());
                        self.added.push(entry.clone());
                    }
                    Some(before) if before != entry => {
                        changes.note(&field, as_written(before), as_written(entry));
                        self.replaced.push(entry.clone());
                    }
                    Some(_) => {}
                }
            }
            for (cidr, entry) in old {
                changes.note(&format!("allow_list.{cidr}"), entry.comment.clone(), ());
                self.removed.push(cidr);
            }
        }
        let switch = Switch::from(wanted.enabled);
        changes.compare("allow_list.enabled", &present.allow_list, Some(switch));
        self.allow_list = Some((switch, present.allow_list));
    }

    /// Makes the changes. An endpoint opens after its allow list is right, and closes before.
    ///
    /// # Errors
    /// Those of the use cases.
    pub(super) async fn carry_out(
        &self,
        registry: &Registry,
        call: &Call<'_>,
        id: &InstanceId,
    ) -> Result<()> {
        let choice = &InstanceChoice::Tcr(id.clone());
        if let Some(url) = &self.registry_url {
            let url = Some(url.as_str()).filter(|url| !url.is_empty());
            registry.set_registry_url(call, choice, url).await?;
        }
        if let Some(host) = &self.ecr_host {
            let host = Some(host.as_str()).filter(|host| !host.is_empty());
            registry.set_ecr_host(call, choice, host).await?;
        }
        let change = self.change;
        if change.specification.is_some()
            || change.deletion_protection.is_some()
            || change.token_log_in.is_some()
        {
            registry.modify_instance(call, choice, change).await?;
        }
        if let Some(switch) = self.refresh_tokens {
            let old = OldRefreshTokens::Keep;
            registry
                .set_refresh_tokens(call, choice, switch, old)
                .await?;
        }
        if let Some(unrecorded) = self.unrecorded_namespaces {
            registry
                .set_unrecorded_namespaces(call, choice, unrecorded)
                .await?;
        }
        if !self.untagged.is_empty() {
            let choices = std::slice::from_ref(choice);
            let keys = Some(self.untagged.as_slice());
            registry.untag_instances(call, choices, keys).await?;
        }
        if !self.tags.is_empty() {
            let choices = std::slice::from_ref(choice);
            registry.tag_instances(call, choices, &self.tags).await?;
        }
        self.change_reach(registry, call, choice).await
    }

    async fn change_reach(
        &self,
        registry: &Registry,
        call: &Call<'_>,
        choice: &InstanceChoice,
    ) -> Result<()> {
        if self.public_endpoint == Some(Switch::Off) {
            registry
                .set_public_endpoint(call, choice, Switch::Off, None)
                .await?;
        }
        if !self.added.is_empty() {
            registry
                .add_to_allow_list(call, choice, &self.added)
                .await?;
        }
        for entry in &self.replaced {
            let place = AllowListPlace::Cidr(entry.cidr);
            registry
                .replace_in_allow_list(call, choice, &place, entry)
                .await?;
        }
        if !self.removed.is_empty() {
            let places = self.removed.iter().copied().map(AllowListPlace::Cidr);
            let places: Vec<AllowListPlace> = places.collect();
            registry
                .remove_from_allow_list(call, choice, &places)
                .await?;
        }
        if let Some((wanted, present)) = self.allow_list {
            // Adding an entry turned the list on.
            let is_on = if self.added.is_empty() {
                present
            } else {
                Switch::On
            };
            if wanted != is_on {
                registry.set_allow_list(call, choice, wanted).await?;
            }
        }
        if self.public_endpoint == Some(Switch::On) {
            registry
                .set_public_endpoint(call, choice, Switch::On, None)
                .await?;
        }
        Ok(())
    }
}

fn as_written(entry: &AllowEntry) -> String {
    match entry.comment.as_str() {
        "" => entry.written.clone(),
        comment => format!("{} ({comment})", entry.written),
    }
}
