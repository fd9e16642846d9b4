//! Lists of namespaces.

use std::collections::HashMap;
use std::sync::Arc;

use crate::domain::Result;
use crate::domain::instance::Instance;
use crate::domain::namespace::{Namespace, NamespaceId};
use crate::domain::tag::Tag;
use crate::policy::{Permission, Resource};
use crate::service::call::Call;
use crate::service::registry::Registry;
use crate::service::registry::namespaces::{NamespaceFilter, TaggedNamespace};
use crate::service::rights::instances::InstanceChoice;
use crate::store::namespace as stored;
use crate::store::page::{Listed, Page};
use crate::store::tag;

impl Registry {
    /// Lists the namespaces of an instance that are recorded, oldest first, with their tags.
    ///
    /// # Errors
    /// `NotFound` when what the call names isn't there, or is another account's; `AccessDenied`
    /// when policies don't allow it; those of the store.
    pub async fn namespaces(
        &self,
        call: &Call<'_>,
        choice: &InstanceChoice,
        filter: &NamespaceFilter,
        page: Page,
    ) -> Result<Listed<TaggedNamespace>> {
        let instance = self
            .listed_instance(call, choice, filter.name.as_deref())
            .await?;
        let mut tags: HashMap<NamespaceId, Vec<Tag>> = HashMap::new();
        for (id, tag) in tag::list_of_namespaces(&self.base.store, &instance.id).await? {
            tags.entry(id).or_default().push(tag);
        }
        let mut tagged = |namespace: Namespace| {
            let tags = tags.remove(&namespace.id).unwrap_or_default();
            TaggedNamespace { namespace, tags }
        };
        if filter.tags.is_empty() {
            let listed =
                stored::list(&self.base.store, &instance.id, filter.name.as_deref(), page).await?;
            return Ok(Listed {
                items: listed.items.into_iter().map(tagged).collect(),
                total: listed.total,
            });
        }
        let all = stored::list(
            &self.base.store,
            &instance.id,
            filter.name.as_deref(),
            Page::ALL,
        )
        .await?;
        let has = |one: &TaggedNamespace| {
            filter
                .tags
                .iter()
                .all(|any| any.iter().any(|tag| one.tags.contains(tag)))
        };
        Ok(Listed::page_of(
            all.items.into_iter().map(&mut tagged).filter(has).collect(),
            page,
        ))
    }

    /// Lists the namespaces of an instance that are recorded, oldest first, without their tags.
    ///
    /// # Errors
    /// As [`Self::namespaces`].
    pub async fn untagged_namespaces(
        &self,
        call: &Call<'_>,
        choice: &InstanceChoice,
        page: Page,
    ) -> Result<Listed<Namespace>> {
        let instance = self.listed_instance(call, choice, None).await?;
        stored::list(&self.base.store, &instance.id, None, page).await
    }

    /// Returns the caller's own instance, if the caller may list its namespaces, or the one of that
    /// name.
    ///
    /// # Errors
    /// `InstanceNotFound`; `AccessDenied` when policies don't allow it; those of the store.
    async fn listed_instance(
        &self,
        call: &Call<'_>,
        choice: &InstanceChoice,
        name: Option<&str>,
    ) -> Result<Arc<Instance>> {
        let instance = self.rights.own_instance(call, choice).await?;
        let resource = match name {
            Some(name) => Resource::Namespace {
                instance: (&*instance).into(),
                name,
            },
            None => Resource::Instance((&*instance).into()),
        };
        self.rights
            .authorize(call, Permission::ListNamespaces, resource)
            .await?;
        Ok(instance)
    }
}
