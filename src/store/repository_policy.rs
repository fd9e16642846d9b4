//! The policies of repositories, which stand in their rows, and what else decisions ask of them.

use crate::domain::Result;
use crate::domain::ids::InstanceId;
use crate::domain::namespace::Visibility;
use crate::domain::repository::{Repository, RepositoryId};

use super::Store;
use super::look::Look;
use super::part::Part;
use super::repository::touch;
use super::row::{Row, Statement, statements};

/// A query of one repository by its names.
macro_rules! select {
    ($columns:literal) => {
        concat!(
            "SELECT ",
            $columns,
            " FROM repository JOIN namespace ON namespace.id = repository.namespace_id WHERE \
             repository.instance_id = $1 AND namespace.name = $2 AND repository.name = $3"
        )
    };
}

statements! { "repository";
    FIND = "SELECT policy FROM repository WHERE id = $1";
    FIND_BY_NAME = select!("repository.policy AS policy");
    SET = "UPDATE repository SET policy = $2 WHERE id = $1";
    KNOWN = select!(
        "repository.visibility AS visibility, CAST(CASE WHEN repository.policy = '' THEN 0 ELSE 1 \
         END AS BIGINT) AS has_policy, CAST(CASE WHEN repository.tags = '{}' THEN 0 ELSE 1 END AS \
         BIGINT) AS has_tags"
    );
    TAGS_BY_NAME = select!("repository.tags AS tags");
}

/// Sets the policy of a repository, or none where the text is empty; `NotFound` when the repository
/// is gone.
pub fn set(repository: &Repository, text: &str) -> Part {
    let parameters = vec![repository.id.as_str().into(), text.into()];
    touch(repository, SET, parameters)
}

/// Reads the policy of a repository, if there are both.
///
/// # Errors
///
/// `StoreUnavailable` when the database doesn't answer, `Internal` for a row that can't be read.
pub async fn find(store: &Store, id: &RepositoryId) -> Result<Option<String>> {
    text_of(store.find(FIND, vec![id.as_str().into()]).await?)
}

/// Reads the policy of a repository by its names, if there are both.
///
/// # Errors
///
/// `StoreUnavailable` when the database doesn't answer, `Internal` for a row that can't be read.
pub async fn find_by_name(
    store: &Store,
    instance: &InstanceId,
    namespace: &str,
    name: &str,
) -> Result<Option<String>> {
    text_of(find_named(store, FIND_BY_NAME, (instance, namespace, name)).await?)
}

/// Reads the tags of a repository by its names: a JSON object, if the repository is there.
///
/// # Errors
///
/// `StoreUnavailable` when the database doesn't answer, `Internal` for a row that can't be read.
pub async fn tags_by_name(
    store: &Store,
    instance: &InstanceId,
    namespace: &str,
    name: &str,
) -> Result<Option<String>> {
    let row = find_named(store, TAGS_BY_NAME, (instance, namespace, name)).await?;
    row.map(|row| row.text("tags")).transpose()
}

/// Reads the row of a repository by its names.
async fn find_named(
    store: &Store,
    query: Statement,
    (instance, namespace, name): (&InstanceId, &str, &str),
) -> Result<Option<Row>> {
    let key = vec![instance.as_str().into(), namespace.into(), name.into()];
    store.find(query, key).await
}

fn text_of(row: Option<Row>) -> Result<Option<String>> {
    let text = row.map(|row| row.text("policy")).transpose()?;
    Ok(text.filter(|text| !text.is_empty()))
}

/// A repository as decisions know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// Its visibility.
    pub visibility: Visibility,
    /// Whether it has a policy.
    pub has_policy: bool,
    /// Whether it has tags.
    pub has_tags: bool,
}

/// Reads what decisions know of a repository, if it is recorded.
///
/// # Errors
///
/// `StoreUnavailable` when the database doesn't answer, `Internal` for a row that can't be read.
pub async fn known(
    store: &Store,
    instance: &InstanceId,
    namespace: &str,
    name: &str,
) -> Result<Option<Known>> {
    knowing(instance, namespace, name).ask(store).await
}

/// Looks for what decisions know of a repository.
pub(super) fn knowing(instance: &InstanceId, namespace: &str, name: &str) -> Look<Option<Known>> {
    let key = vec![instance.as_str().into(), namespace.into(), name.into()];
    Look::first(KNOWN, key, known_in)
}

fn known_in(row: &Row) -> Result<Known> {
    Ok(Known {
        visibility: row.parsed("visibility")?,
        has_policy: row.integer("has_policy")? != 0,
        has_tags: row.integer("has_tags")? != 0,
    })
}
