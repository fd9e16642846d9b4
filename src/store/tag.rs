//! Tags of instances and namespaces.

use crate::domain::ids::{AccountId, InstanceId};
use crate::domain::namespace::{Namespace, NamespaceId};
use crate::domain::tag::Tag;
use crate::domain::{Error, Noun, Result};

use super::look::Look;
use super::nouns::Entity;
use super::part::{Guarded, Part, Rows};
use super::row::{Row, statements};
use super::{Store, instance, namespace};

statements! { "resource_tag";
    SET = "INSERT INTO resource_tag (thing_id, instance_id, tag_key, tag_value) VALUES ($1, $2, \
           $3, $4) \
           ON CONFLICT (thing_id, tag_key) DO UPDATE SET tag_value = excluded.tag_value";
    WITHIN = "SELECT id FROM instance WHERE id = $1 AND (SELECT COUNT(*) FROM resource_tag WHERE \
              thing_id = $2) <= $3";
    REMOVE = "DELETE FROM resource_tag WHERE thing_id = $1 AND tag_key = $2";
    DELETE_OF = "DELETE FROM resource_tag WHERE thing_id = $1";
    DELETE_OF_INSTANCE = "DELETE FROM resource_tag WHERE instance_id = $1";
    LIST = "SELECT thing_id, tag_key, tag_value FROM resource_tag WHERE thing_id = $1 ORDER BY \
            tag_key";
    LIST_OF_INSTANCES = "SELECT resource_tag.thing_id AS thing_id, resource_tag.tag_key AS \
                         tag_key, resource_tag.tag_value AS tag_value \
                         FROM resource_tag JOIN instance ON instance.id = resource_tag.thing_id \
                         WHERE instance.account_id = $1 AND instance.deleted_at IS NULL ORDER BY \
                         resource_tag.thing_id, resource_tag.tag_key";
    LIST_OF_ACCOUNT = "SELECT resource_tag.thing_id AS thing_id, resource_tag.tag_key AS tag_key, \
                       resource_tag.tag_value AS tag_value \
                       FROM resource_tag JOIN instance ON instance.id = resource_tag.instance_id \
                       WHERE instance.account_id = $1 AND instance.deleted_at IS NULL ORDER BY \
                       resource_tag.thing_id, resource_tag.tag_key";
    LIST_OF_NAMESPACES = "SELECT thing_id, tag_key, tag_value FROM resource_tag \
                          WHERE instance_id = $1 AND thing_id <> $1 ORDER BY thing_id, tag_key";
}

/// A thing that has tags.
#[derive(Clone, Copy, Debug)]
pub enum Tagged<'a> {
    /// An instance.
    Instance(&'a InstanceId),
    /// A namespace of an instance.
    Namespace(&'a Namespace),
}

impl Tagged<'_> {
    fn instance(self) -> InstanceId {
        match self {
            Self::Instance(id) => id.clone(),
            Self::Namespace(namespace) => namespace.instance.clone(),
        }
    }

    fn id(self) -> String {
        match self {
            Self::Instance(id) => id.to_string(),
            Self::Namespace(namespace) => namespace.id.to_string(),
        }
    }

    /// Makes a part that holds the tagged thing, does what `guarded` says and announces it.
    fn changed(self, guarded: impl IntoIterator<Item = Guarded>) -> Part {
        let mut all = vec![instance::hold(&self.instance())];
        if let Self::Namespace(namespace) = self {
            all.push(namespace::exists(namespace));
        }
        all.extend(guarded);
        match self {
            Self::Instance(id) => Part::of(all).changes(Entity::Instance, id),
            Self::Namespace(namespace) => {
                Part::of(all).changes(Entity::Namespace, &namespace::thing_id(namespace))
            }
        }
    }
}

/// Sets tags, those of the same keys to new values, and leaves the others.
///
/// `InstanceNotFound`, `NotFound` when the namespace is gone, `QuotaExceeded` beyond
/// [`Tag::MAX_COUNT`].
pub fn set(thing: Tagged<'_>, tags: &[Tag]) -> Part {
    thing.changed(settings(thing, tags))
}

/// Sets tags in place of all that were there; with the same errors as [`set`].
pub fn replace(thing: Tagged<'_>, tags: &[Tag]) -> Part {
    thing.changed(std::iter::once(delete_of(&thing.id())).chain(settings(thing, tags)))
}

/// Removes the tags of these keys, as far as they are there; `InstanceNotFound`, `NotFound` when
/// the namespace is gone.
pub fn remove<'a>(thing: Tagged<'_>, keys: impl IntoIterator<Item = &'a str>) -> Part {
    let id = thing.id();
    thing.changed(
        keys.into_iter()
            .map(|key| Guarded::unguarded(REMOVE, vec![id.as_str().into(), key.into()])),
    )
}

fn settings(thing: Tagged<'_>, tags: &[Tag]) -> Vec<Guarded> {
    let (instance, id) = (thing.instance(), thing.id());
    let set = tags.iter().map(|tag| {
        let parameters = vec![
            id.as_str().into(),
            instance.as_str().into(),
            tag.key.as_str().into(),
            tag.value.as_str().into(),
        ];
        Guarded::unguarded(SET, parameters)
    });
    let most = vec![
        instance.as_str().into(),
        id.as_str().into(),
        i64::from(Tag::MAX_COUNT).into(),
    ];
    let within = Guarded::new(WITHIN, most, Rows::Exactly(1), || {
        Error::quota_exceeded(
            Noun::Tag,
            format!(
                "A thing may have {} tags and no more; remove some.",
                Tag::MAX_COUNT
            ),
        )
        .decided_by(format!("the thing has {} tags, the most", Tag::MAX_COUNT))
    });
    set.chain([within]).collect()
}

/// Removes all tags of a thing that is being deleted, whose own change covers them.
pub(super) fn delete_of(id: &str) -> Guarded {
    Guarded::unguarded(DELETE_OF, vec![id.into()])
}

/// Removes all tags in an instance that is being deleted, its own and those of its namespaces.
pub(super) fn delete_of_instance(id: &InstanceId) -> Guarded {
    Guarded::unguarded(DELETE_OF_INSTANCE, vec![id.as_str().into()])
}

/// Lists the tags of a thing, by key.
///
/// # Errors
///
/// `StoreUnavailable` when the database doesn't answer, `Internal` for a row that can't be read.
pub async fn list(store: &Store, thing: Tagged<'_>) -> Result<Vec<Tag>> {
    listing(thing).ask(store).await
}

/// Looks for the tags of a thing.
pub(super) fn listing(thing: Tagged<'_>) -> Look<Vec<Tag>> {
    Look::all(LIST, vec![thing.id().into()], tag)
}

/// Lists the tags of all instances of an account, by instance and key.
///
/// # Errors
///
/// `StoreUnavailable` when the database doesn't answer, `Internal` for a row that can't be read.
pub async fn list_of_instances(
    store: &Store,
    account: AccountId,
) -> Result<Vec<(InstanceId, Tag)>> {
    let rows = store
        .query(LIST_OF_INSTANCES, vec![account.number().into()])
        .await?;
    rows.iter()
        .map(|row| Ok((row.parsed("thing_id")?, tag(row)?)))
        .collect()
}

/// Lists the tags of all namespaces of an instance, by namespace and key.
///
/// # Errors
///
/// `StoreUnavailable` when the database doesn't answer, `Internal` for a row that can't be read.
pub async fn list_of_namespaces(
    store: &Store,
    instance: &InstanceId,
) -> Result<Vec<(NamespaceId, Tag)>> {
    let rows = store
        .query(LIST_OF_NAMESPACES, vec![instance.as_str().into()])
        .await?;
    rows.iter()
        .map(|row| Ok((row.parsed("thing_id")?, tag(row)?)))
        .collect()
}

/// Lists the tags of all instances of an account and of all their namespaces, by the text of the
/// thing's id and by key.
///
/// # Errors
///
/// `StoreUnavailable` when the database doesn't answer, `Internal` for a row that can't be read.
pub async fn list_of_account(store: &Store, account: AccountId) -> Result<Vec<(String, Tag)>> {
    let rows = store
        .query(LIST_OF_ACCOUNT, vec![account.number().into()])
        .await?;
    rows.iter()
        .map(|row| Ok((row.text("thing_id")?, tag(row)?)))
        .collect()
}

fn tag(row: &Row) -> Result<Tag> {
    Ok(Tag {
        key: row.text("tag_key")?,
        value: row.text("tag_value")?,
    })
}
