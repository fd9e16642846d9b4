//! An account's instances with all that is recorded in them, read as lists.

use std::collections::HashMap;

use crate::domain::Result;
use crate::domain::allow_list::AllowEntry;
use crate::domain::ids::{AccountId, InstanceId};
use crate::domain::instance::Instance;
use crate::domain::operator::OperatorPermission;
use crate::domain::tag::Tag;
use crate::service::call::Call;
use crate::service::registry::Registry;
use crate::service::registry::namespaces::TaggedNamespace;
use crate::store;

/// An instance with its tags, its allow list and its namespaces.
#[derive(Clone, Debug)]
pub struct InstanceContents {
    /// The instance.
    pub instance: Instance,
    /// Its tags, by key.
    pub tags: Vec<Tag>,
    /// The entries of its allow list, in the order in which they were added.
    pub allow_list: Vec<AllowEntry>,
    /// Its namespaces, by name.
    pub namespaces: Vec<RecordedNamespace>,
}

/// A namespace of an inventory.
#[derive(Clone, Debug)]
pub struct RecordedNamespace {
    /// The namespace and its tags.
    pub tagged: TaggedNamespace,
    /// The number of its repositories that are recorded.
    pub repositories: u64,
}

impl Registry {
    /// Lists the instances of an account with their contents, by name. It asks the store four
    /// questions, however many instances there are.
    ///
    /// # Errors
    /// `OperatorDenied`, or `Unsupported` for no operator; those of the store.
    pub async fn inventory(
        &self,
        call: &Call<'_>,
        account: AccountId,
    ) -> Result<Vec<InstanceContents>> {
        for permission in [
            OperatorPermission::InstanceRead,
            OperatorPermission::NamespaceRead,
            OperatorPermission::AllowListRead,
        ] {
            call.caller.require(permission, Some(account))?;
        }
        let store = &self.base.store;
        let mut tags: HashMap<String, Vec<Tag>> = HashMap::new();
        for (id, tag) in store::tag::list_of_account(store, account).await? {
            tags.entry(id).or_default().push(tag);
        }
        let mut lists: HashMap<InstanceId, Vec<AllowEntry>> = HashMap::new();
        for (id, entry) in store::allow_list::list_of_account(store, account).await? {
            lists.entry(id).or_default().push(entry);
        }
        let mut namespaces: HashMap<InstanceId, Vec<RecordedNamespace>> = HashMap::new();
        for (namespace, repositories) in store::namespace::list_of_account(store, account).await? {
            let tags = tags.remove(namespace.id.as_str()).unwrap_or_default();
            let of = namespace.instance.clone();
            let tagged = TaggedNamespace { namespace, tags };
            namespaces.entry(of).or_default().push(RecordedNamespace {
                tagged,
                repositories,
            });
        }
        let contents = |instance: Instance| InstanceContents {
            tags: tags.remove(instance.id.as_str()).unwrap_or_default(),
            allow_list: lists.remove(&instance.id).unwrap_or_default(),
            namespaces: namespaces.remove(&instance.id).unwrap_or_default(),
            instance,
        };
        let mut instances = store::instance::list(store, Some(account)).await?;
        instances.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(instances.into_iter().map(contents).collect())
    }
}
