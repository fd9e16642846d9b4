//! The public endpoint of an instance, and the allow list of its clients' addresses.
//!
//! Both are enforced at the exchange: a refused client gets no token. An instance that the operator
//! makes is open to everyone; one that an API makes is closed, with an empty list. The first entry
//! turns the list on. Removing entries never lets a client in, since an empty list allows none.

use std::sync::Arc;

use serde_json::json;

use crate::domain::allow_list::{AllowEntry, AllowList, Cidr};
use crate::domain::instance::Instance;
use crate::domain::operator::OperatorPermission;
use crate::domain::switch::Switch;
use crate::domain::{Error, Noun, Result};
use crate::policy::Permission;
use crate::service::call::Call;
use crate::service::ledger::actions::AuditAction;
use crate::service::registry::Registry;
use crate::service::rights::instances::InstanceChoice;
use crate::store::{self, Part};

/// The name of an allow list's entry in a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AllowListPlace {
    /// By its range.
    Cidr(Cidr),
    /// By its place, from 0, in the list of a version.
    Index {
        /// The place.
        index: usize,
        /// The version; without it, the present one.
        version: Option<i64>,
    },
}

impl Registry {
    /// Returns an instance and its allow list, which is empty at first.
    ///
    /// # Errors
    /// `NotFound` when what the call names isn't there, or is another account's; `AccessDenied`
    /// when policies don't allow it; those of the store.
    pub async fn allow_list(
        &self,
        call: &Call<'_>,
        choice: &InstanceChoice,
        permission: Permission,
    ) -> Result<(Arc<Instance>, Arc<AllowList>)> {
        let instance = self
            .rights
            .permitted_instance(call, choice, permission)
            .await?;
        let list = self.memory.list_of(&instance).await?;
        Ok((instance, list))
    }

    /// Adds entries to an allow list, all or none, and turns the list on.
    ///
    /// # Errors
    /// `NotFound` when what the call names isn't there, or is another account's; `AccessDenied`
    /// when policies don't allow it; `AlreadyExists`, `QuotaExceeded`, and those of the store.
    pub async fn add_to_allow_list(
        &self,
        call: &Call<'_>,
        choice: &InstanceChoice,
        entries: &[AllowEntry],
    ) -> Result<Arc<Instance>> {
        let instance = self
            .rights
            .permitted_instance(call, choice, Permission::CreateAclEntry)
            .await?;
        let added = store::allow_list::add(
            &instance.id,
            entries,
            self.base.adjustable().quotas.allow_list_entries,
        );
        let ranges: Vec<String> = entries.iter().map(|entry| entry.cidr.to_string()).collect();
        let event = call
            .event(AuditAction::AllowListAdd)
            .instance(&instance)
            .detail(json!({ "ranges": ranges }));
        let on = store::instance::set_allow_list(&instance.id, Switch::On, call.now);
        self.ledger
            .record(self.base.write().then(added).then(on), event)
            .await?;
        Ok(instance)
    }

    /// Replaces an entry of an allow list by another.
    ///
    /// # Errors
    /// `NotFound` when what the call names isn't there, or is another account's; `AccessDenied`
    /// when policies don't allow it; `PreconditionFailed` for another version of the list; those of
    /// the store.
    pub async fn replace_in_allow_list(
        &self,
        call: &Call<'_>,
        choice: &InstanceChoice,
        place: &AllowListPlace,
        entry: &AllowEntry,
    ) -> Result<Arc<Instance>> {
        let instance = self
            .rights
            .permitted_instance(call, choice, Permission::ModifyAclEntry)
            .await?;
        let (old, guard) = self.resolve(&instance, std::slice::from_ref(place)).await?;
        let old = old
            .first()
            .ok_or_else(|| Error::internal("a place that was just resolved"))?;
        let event = call
            .event(AuditAction::AllowListReplace)
            .instance(&instance)
            .detail(json!({ "range": old.to_string(), "by": entry.cidr.to_string() }));
        let replaced = store::allow_list::replace(&instance.id, old, entry);
        self.ledger
            .record(self.base.write().then(guard).then(replaced), event)
            .await?;
        Ok(instance)
    }

    /// Removes entries from an allow list, all or none. The list stays on, so this lets no client
    /// in.
    ///
    /// # Errors
    /// `NotFound` when what the call names isn't there, or is another account's; `AccessDenied`
    /// when policies don't allow it; `PreconditionFailed` for another version of the list; those of
    /// the store.
    pub async fn remove_from_allow_list(
        &self,
        call: &Call<'_>,
        choice: &InstanceChoice,
        places: &[AllowListPlace],
    ) -> Result<Arc<Instance>> {
        let instance = self
            .rights
            .permitted_instance(call, choice, Permission::DeleteAclEntry)
            .await?;
        let (ranges, guard) = self.resolve(&instance, places).await?;
        let names: Vec<String> = ranges.iter().map(Cidr::to_string).collect();
        let event = call
            .event(AuditAction::AllowListRemove)
            .instance(&instance)
            .detail(json!({ "ranges": names }));
        let removed = store::allow_list::delete(&instance.id, &ranges);
        self.ledger
            .record(self.base.write().then(guard).then(removed), event)
            .await?;
        Ok(instance)
    }

    /// Returns the ranges at places, and a guard that the list hasn't changed since this read.
    async fn resolve(
        &self,
        instance: &Instance,
        places: &[AllowListPlace],
    ) -> Result<(Vec<Cidr>, Part)> {
        let list = self.memory.list_of(instance).await?;
        let mut by_index = None;
        let mut ranges = Vec::with_capacity(places.len());
        for place in places {
            ranges.push(match place {
                AllowListPlace::Cidr(cidr) => *cidr,
                AllowListPlace::Index { index, version } => {
                    by_index = Some(version.unwrap_or(list.version));
                    if version.is_some_and(|version| version != list.version) {
                        // The write below fails by its guard, whose message says so.
                        continue;
                    }
                    list.entries
                        .get(*index)
                        .ok_or_else(|| Error::not_found(Noun::AllowListEntry, index))?
                        .cidr
                }
            });
        }
        let guard = by_index.map_or_else(Part::default, |version| {
            store::allow_list::expect_version(&instance.id, version)
        });
        if ranges.len() < places.len() {
            self.base.store.apply(self.base.write().then(guard)).await?;
            return Err(Error::internal("a version that is not the list's"));
        }
        Ok((ranges, guard))
    }

    /// Opens an instance's public endpoint, or closes it; nothing happens when it is so already.
    ///
    /// Opening adds the `first` entry, if there is one, to the allow list, and turns the list on.
    ///
    /// # Errors
    /// `NotFound` when what the call names isn't there, or is another account's; `AccessDenied`
    /// when policies don't allow it; those of the store.
    pub async fn set_public_endpoint(
        &self,
        call: &Call<'_>,
        choice: &InstanceChoice,
        switch: Switch,
        first: Option<&AllowEntry>,
    ) -> Result<Arc<Instance>> {
        let instance = self
            .rights
            .permitted_instance(call, choice, Permission::ManageEndpoint)
            .await?;
        if instance.public_endpoint == switch {
            return Ok(instance);
        }
        let now = call.now;
        let action = if switch.is_on() {
            AuditAction::InstanceOpen
        } else {
            AuditAction::InstanceClose
        };
        let event = call.event(action).instance(&instance);
        let mut write = self.base.write().then(store::instance::set_public_endpoint(
            &instance.id,
            switch,
            now,
        ));
        if let Some(entry) = first.filter(|_| switch.is_on()) {
            write = write
                .then(store::allow_list::add_if_absent(&instance.id, entry))
                .then(store::instance::set_allow_list(
                    &instance.id,
                    Switch::On,
                    now,
                ));
        }
        self.ledger.record(write, event).await?;
        Ok(instance)
    }

    /// Turns an allow list on or off.
    ///
    /// # Errors
    /// `OperatorDenied`, or `Unsupported` for no operator; `NotFound` when what the call names
    /// isn't there, or is another account's; those of the store.
    pub async fn set_allow_list(
        &self,
        call: &Call<'_>,
        choice: &InstanceChoice,
        switch: Switch,
    ) -> Result<()> {
        let instance = self
            .rights
            .administered_instance(call, choice, OperatorPermission::AllowListUpdate)
            .await?;
        let action = if switch.is_on() {
            AuditAction::AllowListEnable
        } else {
            AuditAction::AllowListDisable
        };
        let event = call.event(action).instance(&instance);
        self.ledger
            .change(
                store::instance::set_allow_list(&instance.id, switch, call.now),
                event,
            )
            .await
    }
}
