//! Namespaces as records, which decide about pushes and about pulls without a credential.
//!
//! A record makes and deletes nothing in a registry.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::json;

use crate::domain::clock::{Random, Timestamp};
use crate::domain::instance::{Instance, UnrecordedNamespaces};
use crate::domain::namespace::{Namespace, NamespaceChange, NamespaceId, Severity, Visibility};
use crate::domain::operator::OperatorPermission;
use crate::domain::switch::Switch;
use crate::domain::tag::Tag;
use crate::domain::{Error, Noun, Result, name};
use crate::policy::{Permission, Resource};
use crate::service::call::Call;
use crate::service::ledger::actions::AuditAction;
use crate::service::registry::Registry;
use crate::service::registry::within::Within;
use crate::service::rights::instances::InstanceChoice;
use crate::store::cascade::Contents;
use crate::store::tag::{self, Tagged};
use crate::store::{self, namespace as stored};

/// A namespace to be made.
#[derive(Clone, Debug)]
pub struct NewNamespace {
    /// Its name.
    pub name: String,
    /// Whether every client may pull from all its repositories without logging in.
    pub visibility: Visibility,
    /// Whether a push makes a repository that isn't recorded.
    pub auto_create_repository: Switch,
    /// The visibility of a repository that is made without one.
    pub default_visibility: Visibility,
    /// Whether the tags of a repository that is made without saying so are shown as immutable.
    pub default_tag_immutability: Switch,
    /// Whether images are shown as scanned.
    pub auto_scan: Switch,
    /// Whether vulnerable images are shown as blocked.
    pub prevent_vulnerable: Switch,
    /// The severity from which they are.
    pub severity: Severity,
    /// The ids of the vulnerabilities that are shown as allowed.
    pub allowed_cves: Vec<String>,
    /// Its tags.
    pub tags: Vec<Tag>,
}

impl NewNamespace {
    /// Returns a namespace of this name with the defaults: private, and a push makes repositories
    /// in it.
    pub fn named(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            visibility: Visibility::Private,
            auto_create_repository: Switch::On,
            default_visibility: Visibility::Private,
            default_tag_immutability: Switch::Off,
            auto_scan: Switch::Off,
            prevent_vulnerable: Switch::Off,
            severity: Severity::Unset,
            allowed_cves: Vec::new(),
            tags: Vec::new(),
        }
    }

    /// Returns the record of it, with ids of its own.
    pub(in crate::service) fn recorded(
        &self,
        instance: &Instance,
        now: Timestamp,
        random: &dyn Random,
    ) -> Namespace {
        Namespace {
            id: NamespaceId::random(random),
            number: Namespace::random_number(random),
            instance: instance.id.clone(),
            name: self.name.clone(),
            visibility: self.visibility,
            auto_create_repository: self.auto_create_repository,
            default_visibility: self.default_visibility,
            default_tag_immutability: self.default_tag_immutability,
            auto_scan: self.auto_scan,
            prevent_vulnerable: self.prevent_vulnerable,
            severity: self.severity,
            allowed_cves: self.allowed_cves.clone(),
            created_at: now,
            modified_at: now,
        }
    }
}

/// A namespace of an instance, as a call names it.
#[derive(Clone, Debug)]
pub enum NamespaceChoice {
    /// The one of this name.
    Named(String),
    /// The one with this id.
    WithId(NamespaceId),
}

/// The namespaces that are listed.
#[derive(Clone, Debug, Default)]
pub struct NamespaceFilter {
    /// The one of this name, or all.
    pub name: Option<String>,
    /// Those that have, of each list, one of the tags.
    pub tags: Vec<Vec<Tag>>,
}

/// A namespace and its tags.
#[derive(Clone, Debug)]
pub struct TaggedNamespace {
    /// The namespace.
    pub namespace: Namespace,
    /// Its tags, by key.
    pub tags: Vec<Tag>,
}

impl Registry {
    /// Records a namespace.
    ///
    /// # Errors
    /// `NotFound` when what the call names isn't there, or is another account's; `AccessDenied`
    /// when policies don't allow it; `InvalidParameter` for a value that isn't allowed; those of
    /// the store.
    pub async fn create_namespace(
        &self,
        call: &Call<'_>,
        choice: &InstanceChoice,
        new: NewNamespace,
    ) -> Result<Namespace> {
        name::check_namespace("name", &new.name)?;
        check_cves(&new.allowed_cves)?;
        check_tags(&new.tags)?;
        let instance = self
            .permitted_namespace(call, choice, &new.name, Permission::CreateNamespace)
            .await?;
        let namespace = new.recorded(&instance, call.now, &*self.base.random);
        let mut write = self.base.write().then(stored::insert(
            &namespace,
            self.base
                .adjustable()
                .quotas
                .namespaces
                .of(instance.specification),
        ));
        if !new.tags.is_empty() {
            write = write.then(tag::set(Tagged::Namespace(&namespace), &new.tags));
        }
        let event = call
            .event(AuditAction::NamespaceCreate)
            .instance(&instance)
            .made(namespace.id.as_str())
            .detail(json!({
                "namespace": namespace.name,
                "visibility": namespace.visibility.name(),
                "auto_create_repository": namespace.auto_create_repository.is_on(),
                "default_visibility": namespace.default_visibility.name(),
            }));
        self.ledger.record(write, event).await?;
        Ok(namespace)
    }

    /// Lists the names of all namespaces of an instance that are recorded, in order, for a caller
    /// who may do this to all of them.
    ///
    /// # Errors
    /// `InstanceNotFound`; `AccessDenied` when policies don't allow it; those of the store.
    pub async fn namespace_names(
        &self,
        call: &Call<'_>,
        choice: &InstanceChoice,
        permission: Permission,
    ) -> Result<Vec<String>> {
        let instance = self
            .instance_with(call, choice, Within::Instance, permission)
            .await?;
        let namespaces = self
            .memory
            .cache
            .namespaces(&self.base.store, &instance.id)
            .await?;
        let mut names: Vec<String> = namespaces.0.keys().cloned().collect();
        names.sort_unstable();
        Ok(names)
    }

    /// Returns a namespace.
    ///
    /// # Errors
    /// `NotFound` when what the call names isn't there, or is another account's; `AccessDenied`
    /// when policies don't allow it; those of the store.
    pub async fn namespace(
        &self,
        call: &Call<'_>,
        choice: &InstanceChoice,
        which: &NamespaceChoice,
    ) -> Result<Namespace> {
        let instance = self.rights.own_instance(call, choice).await?;
        let found = match which {
            NamespaceChoice::Named(name) => {
                stored::find(&self.base.store, &instance.id, name).await?
            }
            NamespaceChoice::WithId(id) => {
                stored::find_by_id(&self.base.store, &instance.id, id).await?
            }
        };
        let name = match (which, &found) {
            (NamespaceChoice::Named(name), _) => Some(name),
            (NamespaceChoice::WithId(_), found) => found.as_ref().map(|namespace| &namespace.name),
        };
        // Only a caller that may see every namespace learns that there is none of an id.
        let resource = match name {
            Some(name) => Resource::Namespace {
                instance: (&*instance).into(),
                name,
            },
            None => Resource::Instance((&*instance).into()),
        };
        self.rights
            .authorize(call, Permission::DescribeNamespace, resource)
            .await?;
        found.ok_or_else(|| match which {
            NamespaceChoice::Named(name) => Error::not_found(Noun::Namespace, name),
            NamespaceChoice::WithId(id) => Error::not_found(Noun::Namespace, id),
        })
    }

    /// Changes a namespace. Tags that are given replace all its tags.
    ///
    /// # Errors
    /// `NotFound` when what the call names isn't there, or is another account's; `AccessDenied`
    /// when policies don't allow it; `InvalidParameter` for a value that isn't allowed; those of
    /// the store.
    pub async fn modify_namespace(
        &self,
        call: &Call<'_>,
        choice: &InstanceChoice,
        name: &str,
        change: &NamespaceChange,
        tags: Option<&[Tag]>,
    ) -> Result<()> {
        check_cves(change.allowed_cves.as_deref().unwrap_or_default())?;
        check_tags(tags.unwrap_or_default())?;
        let instance = self
            .permitted_namespace(call, choice, name, Permission::ModifyNamespace)
            .await?;
        let namespace = self.stored_namespace(&instance, name).await?;
        let mut write = self
            .base
            .write()
            .then(stored::update(&namespace, change, call.now));
        if let Some(tags) = tags {
            write = write.then(tag::replace(Tagged::Namespace(&namespace), tags));
        }
        let event = call
            .event(AuditAction::NamespaceModify)
            .instance(&instance)
            .detail(json!({
                "namespace": name,
                "visibility": change.visibility.map(Visibility::name),
                "auto_create_repository": change.auto_create_repository.map(Switch::is_on),
                "default_visibility": change.default_visibility.map(Visibility::name),
            }));
        self.ledger.record(write, event).await
    }

    /// Deletes the record of a namespace, and with [`Contents::GoToo`] those of its repositories.
    ///
    /// The images in the registry stay.
    ///
    /// # Errors
    /// `NotFound` when what the call names isn't there, or is another account's; `AccessDenied`
    /// when policies don't allow it; `PreconditionFailed` while it has repositories that must be
    /// gone; those of the store.
    pub async fn delete_namespace(
        &self,
        call: &Call<'_>,
        choice: &InstanceChoice,
        name: &str,
        contents: Contents,
    ) -> Result<()> {
        let instance = self
            .permitted_namespace(call, choice, name, Permission::DeleteNamespace)
            .await?;
        let namespace = self.stored_namespace(&instance, name).await?;
        let event = call
            .event(AuditAction::NamespaceDelete)
            .instance(&instance)
            .detail(json!({ "namespace": name }));
        self.ledger
            .change(
                store::cascade::delete_namespace(&namespace, contents),
                event,
            )
            .await
    }

    /// Sets whether a push may reach namespaces of an instance that aren't recorded.
    ///
    /// # Errors
    /// `OperatorDenied`, or `Unsupported` for no operator; `NotFound` when what the call names
    /// isn't there, or is another account's; those of the store.
    pub async fn set_unrecorded_namespaces(
        &self,
        call: &Call<'_>,
        choice: &InstanceChoice,
        unrecorded: UnrecordedNamespaces,
    ) -> Result<()> {
        let instance = self
            .rights
            .administered_instance(call, choice, OperatorPermission::InstanceUpdate)
            .await?;
        let detail = json!({ "unrecorded_namespaces": unrecorded.name() });
        let event = call
            .event(AuditAction::InstanceModify)
            .instance(&instance)
            .detail(detail);
        self.ledger
            .change(
                store::instance::set_unrecorded_namespaces(&instance.id, unrecorded, call.now),
                event,
            )
            .await
    }

    /// Returns the caller's own instance, if the caller may do this to the namespace of that name.
    ///
    /// # Errors
    /// `InstanceNotFound`; `AccessDenied` when policies don't allow it; those of the store.
    async fn permitted_namespace(
        &self,
        call: &Call<'_>,
        choice: &InstanceChoice,
        name: &str,
        permission: Permission,
    ) -> Result<Arc<Instance>> {
        let instance = self.rights.own_instance(call, choice).await?;
        self.rights
            .authorize(
                call,
                permission,
                Resource::Namespace {
                    instance: (&*instance).into(),
                    name,
                },
            )
            .await?;
        Ok(instance)
    }

    /// Returns a namespace by its name; the caller's rights are checked before.
    ///
    /// # Errors
    /// `NotFound`, and those of the store.
    pub(in crate::service) async fn stored_namespace(
        &self,
        instance: &Instance,
        name: &str,
    ) -> Result<Namespace> {
        stored::find(&self.base.store, &instance.id, name)
            .await?
            .ok_or_else(|| Error::not_found(Noun::Namespace, name))
    }
}

fn check_cves(ids: &[String]) -> Result<()> {
    ids.iter()
        .try_for_each(|id| name::check_cve("allowed-cves", id))
}

fn check_tags(tags: &[Tag]) -> Result<()> {
    tags.iter()
        .try_for_each(|tag| name::check_tag("tags", &tag.key, &tag.value))?;
    let keys: BTreeSet<&str> = tags.iter().map(|tag| tag.key.as_str()).collect();
    if keys.len() == tags.len() {
        Ok(())
    } else {
        Err(Error::invalid_parameter(
            "tags",
            "a key comes once among the tags of a thing",
        ))
    }
}
