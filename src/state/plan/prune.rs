//! The deletion of what an account has and its file doesn't name.

use std::collections::HashSet;

use toml::Spanned;

use super::{About, Inside, Rank};
use crate::domain::principal::Principal;
use crate::domain::{ErrorKind, Noun, Result};
use crate::service::{AccessKeyState, Contents, InstanceChoice, InstanceContents};
use crate::state::deed::Deed;
use crate::state::format::Names;
use crate::state::step::{Action, Changes};

/// The most objects that one note names.
const MAX_NAMED: usize = 5;

impl<'s> Inside<'_, '_, 's> {
    pub(super) async fn prune(&mut self) -> Result<()> {
        if !self.planner.options.prune {
            return Ok(());
        }
        self.prune_identity().await?;
        self.prune_namespaces();
        self.prune_instances().await
    }

    async fn prune_identity(&mut self) -> Result<()> {
        let (wanted, present) = (self.wanted, self.present);
        let mut policies = named(wanted.policies.iter().map(|one| &one.name));
        let mut users = named(wanted.users.iter().map(|one| &one.name));
        let groups = named(wanted.groups.iter().map(|one| &one.name));
        let roles = named(wanted.roles.iter().map(|one| &one.name));
        let providers = named(wanted.oidc_providers.iter().map(|one| &one.name));
        // Being attached to something in the file is being named by it.
        let lists = wanted.users.iter().map(|one| &one.policies);
        let lists = lists.chain(wanted.groups.iter().map(|one| &one.policies));
        policies.extend(listed(lists));
        policies.extend(listed(wanted.roles.iter().map(|one| &one.policies)));
        users.extend(listed(wanted.groups.iter().map(|one| &one.members)));
        for name in unnamed(present.roles.keys(), &roles) {
            let deed = Deed::DeleteRole(name.clone());
            self.delete(Rank::Role, Noun::Role, name, Changes::default(), deed);
        }
        for name in unnamed(present.oidc_providers.keys(), &providers) {
            let deed = Deed::DeleteProvider(name.clone());
            let (rank, noun) = (Rank::OidcProvider, Noun::OidcProvider);
            self.delete(rank, noun, name, Changes::default(), deed);
        }
        for name in unnamed(present.groups.keys(), &groups) {
            let deed = Deed::DeleteGroup(name.clone());
            self.delete(Rank::Group, Noun::Group, name, Changes::default(), deed);
        }
        for name in unnamed(present.policies.keys(), &policies) {
            let deed = Deed::DeletePolicy(name.clone());
            self.delete(Rank::Policy, Noun::Policy, name, Changes::default(), deed);
        }
        let gone: Vec<&String> = unnamed(present.users.keys(), &users).collect();
        self.prune_users(&gone).await
    }

    /// Deletes users, and says how many access keys go with each.
    async fn prune_users(&mut self, gone: &[&String]) -> Result<()> {
        if gone.is_empty() {
            return Ok(());
        }
        let (service, call) = (self.planner.service, self.planner.call);
        let keys = service.identity.access_keys(call, Some(self.account));
        let keys = keys.await?;
        let present = self.present;
        for name in gone {
            let Some(user) = present.users.get(*name) else {
                continue;
            };
            let owner = Principal::User(self.account, user.id);
            let own = keys
                .iter()
                .filter(|key| key.principal == owner && key.state != AccessKeyState::Deleted);
            let mut changes = Changes::default();
            match own.count() {
                0 => {}
                count => changes.note("access_keys", count, 0_usize),
            }
            let deed = Deed::DeleteUser((*name).clone());
            self.delete(Rank::User, Noun::User, name, changes, deed);
        }
        Ok(())
    }

    /// Deletes the namespaces that instances of the file don't name, but for those with
    /// repositories.
    fn prune_namespaces(&mut self) {
        let (wanted, present) = (self.wanted, self.present);
        let mut kept = Vec::new();
        for instance in &wanted.instances {
            let names = named(instance.namespaces.iter().map(|one| &one.name));
            let there = present.instances.get(instance.name.as_ref());
            for one in there.into_iter().flat_map(|there| &there.namespaces) {
                let namespace = &one.tagged.namespace;
                if names.contains(namespace.name.as_str()) {
                    continue;
                }
                let path = format!("{}/{}", instance.name.as_ref(), namespace.name);
                if one.repositories > 0 {
                    kept.push(path);
                    continue;
                }
                let deed =
                    Deed::DeleteNamespace(namespace.instance.clone(), namespace.name.clone());
                let (rank, noun) = (Rank::Namespace, Noun::Namespace);
                self.delete(rank, noun, &path, Changes::default(), deed);
            }
        }
        self.keep(&kept, "namespaces with repositories stay");
    }

    /// Deletes the instances that the file doesn't name, if that is asked for and they are empty.
    async fn prune_instances(&mut self) -> Result<()> {
        let (wanted, present) = (self.wanted, self.present);
        let names = named(wanted.instances.iter().map(|one| &one.name));
        let gone = present
            .instances
            .iter()
            .filter(|(name, _)| !names.contains(name.as_str()));
        if !self.planner.options.prune_instances {
            let kept: Vec<String> = gone.map(|(name, _)| name.clone()).collect();
            let why = "instances stay without --prune-instances";
            self.keep(&kept, why);
            return Ok(());
        }
        let mut kept = Vec::new();
        for (name, there) in gone {
            if self.may_be_deleted(there).await? {
                let mut changes = Changes::default();
                changes.note("service", there.instance.service.clone(), ());
                let deed = Deed::DeleteInstance(there.instance.id.clone());
                self.delete(Rank::Instance, Noun::Instance, name, changes, deed);
            } else {
                kept.push(name.clone());
            }
        }
        let why = "instances stay that are protected, or have namespaces, long-term credentials \
                   or service accounts";
        self.keep(&kept, why);
        Ok(())
    }

    async fn may_be_deleted(&self, there: &InstanceContents) -> Result<bool> {
        let (registry, call) = (&self.planner.service.registry, self.planner.call);
        let choice = InstanceChoice::Tcr(there.instance.id.clone());
        let contents = Contents::MustBeGone;
        let checked = registry.check_instance_deletion(call, &choice, contents);
        match checked.await {
            Ok(()) => Ok(true),
            Err(error) if matches!(error.kind(), ErrorKind::PreconditionFailed { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn delete(&mut self, rank: Rank, noun: Noun, name: &str, changes: Changes, deed: Deed<'s>) {
        let about = About::unnamed(noun, name);
        let planned = self.planned(Action::Delete, about, changes, deed);
        self.planner.deletions.push((rank, planned));
    }

    /// Notes objects that stay although the file doesn't name them.
    fn keep(&mut self, names: &[String], why: &str) {
        if names.is_empty() {
            return;
        }
        let first = names.get(..MAX_NAMED).unwrap_or(names).join(", ");
        let more = match names.len().saturating_sub(MAX_NAMED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let note = format!("account {}: {why}: {first}{more}", self.account);
        self.planner.kept.push(note);
    }
}

fn named<'n>(names: impl Iterator<Item = &'n Spanned<String>>) -> HashSet<&'n str> {
    names.map(|name| name.as_ref().as_str()).collect()
}

fn listed<'n>(lists: impl Iterator<Item = &'n Option<Names>>) -> impl Iterator<Item = &'n str> {
    let names = lists.flatten().flatten();
    names.map(|name| name.as_ref().as_str())
}

fn unnamed<'n>(
    present: impl Iterator<Item = &'n String>,
    named: &HashSet<&str>,
) -> impl Iterator<Item = &'n String> {
    present.filter(|name| !named.contains(name.as_str()))
}
