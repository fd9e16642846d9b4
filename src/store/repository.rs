//! Repositories that are recorded.

use crate::domain::clock::Timestamp;
use crate::domain::ids::InstanceId;
use crate::domain::namespace::Namespace;
use crate::domain::repository::{Repository, RepositoryChange, RepositoryId};
use crate::domain::{Error, Noun, Result};

use super::nouns::Entity;
use super::page::{Listed, Page, listed_rows, select_page};
use super::part::{Guarded, Part, Rows};
use super::quota::{self, Counted};
use super::row::{Row, Statement, statements};
use super::{Store, instance, namespace};

macro_rules! columns {
    () => {
        "repository.id AS id, repository.instance_id AS instance_id, repository.namespace_id AS \
         namespace_id, namespace.name AS namespace_name, repository.name AS name, \
         repository.visibility AS visibility, repository.summary AS summary, repository.detail AS \
         detail, repository.tag_immutability AS tag_immutability, repository.created_at AS \
         created_at, repository.modified_at AS modified_at, \
         repository.tag_exclusions AS tag_exclusions, repository.scan_on_push AS scan_on_push"
    };
}

/// A query of one repository.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT ",
            columns!(),
            " FROM repository JOIN namespace ON namespace.id = repository.namespace_id WHERE \
             repository.instance_id = $1 AND ",
            $rest
        )
    };
}

/// A page of the repositories of an instance: of all its namespaces or one, of all names or one.
macro_rules! select_in_order {
    ($order:literal) => {
        select_page!(
            columns!(),
            "repository JOIN namespace ON namespace.id = repository.namespace_id WHERE \
             repository.instance_id = $3 \
             AND (CAST($4 AS TEXT) IS NULL OR namespace.name = $4) AND (CAST($5 AS TEXT) IS NULL \
             OR repository.name = $5)",
            $order
        )
    };
}

statements! { "repository";
    INSERT = "INSERT INTO repository (id, instance_id, namespace_id, name, visibility, summary, \
              detail, tag_immutability, created_at, \
              modified_at, tag_exclusions, scan_on_push) \
              VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)";
    IMPORT = "INSERT INTO repository (id, instance_id, namespace_id, name, visibility, summary, \
              detail, tag_immutability, created_at, \
              modified_at, tag_exclusions, scan_on_push) \
              VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT \
              (namespace_id, name) DO NOTHING";
    HAS_NAME = "SELECT id FROM repository WHERE namespace_id = $1 AND name = $2";
    FIND = select!("namespace.name = $2 AND repository.name = $3");
    FIND_BY_ID = select!("repository.id = $2");
    OLDEST_FIRST = select_in_order!("created_at, id");
    NEWEST_FIRST = select_in_order!("created_at DESC, id DESC");
    BY_NAME = select_in_order!("namespace_name, name, id");
    BY_NAME_DESCENDING = select_in_order!("namespace_name DESC, name DESC, id");
    LATEST_CHANGE_FIRST = select_in_order!("modified_at DESC, id DESC");
    EARLIEST_CHANGE_FIRST = select_in_order!("modified_at, id");
    UPDATE = "UPDATE repository SET visibility = COALESCE($2, visibility), summary = COALESCE($3, \
              summary), \
              detail = COALESCE($4, detail), tag_immutability = COALESCE($5, tag_immutability), \
              modified_at = $6, tag_exclusions = COALESCE($7, tag_exclusions), scan_on_push = \
              COALESCE($8, scan_on_push) WHERE id = $1";
    TAGS = "SELECT tags FROM repository WHERE id = $1";
    LIFECYCLE = "SELECT lifecycle_policy, lifecycle_evaluated_at FROM repository WHERE id = $1";
    SET_LIFECYCLE = "UPDATE repository SET lifecycle_policy = $2, lifecycle_evaluated_at = NULL \
                     WHERE id = $1";
    NOTE_LIFECYCLE_RUN = "UPDATE repository SET lifecycle_evaluated_at = $2 WHERE id = $1";
    SET_TAGS = "UPDATE repository SET tags = $3 WHERE id = $1 AND tags = $2";
    DELETE = "DELETE FROM repository WHERE id = $1";
    ANY_OF_NAMESPACE = "SELECT id FROM repository WHERE namespace_id = $1 LIMIT 1";
    DELETE_OF_NAMESPACE = "DELETE FROM repository WHERE namespace_id = $1";
    DELETE_OF_INSTANCE = "DELETE FROM repository WHERE instance_id = $1";
}

/// In which order repositories are listed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RepositoryOrder {
    /// By when they were made.
    #[default]
    OldestFirst,
    /// By when they were made, backwards.
    NewestFirst,
    /// By namespace and name.
    ByName,
    /// By namespace and name, backwards.
    ByNameDescending,
    /// By when they were last changed.
    EarliestChangeFirst,
    /// By when they were last changed, backwards.
    LatestChangeFirst,
}

impl RepositoryOrder {
    fn statement(self) -> Statement {
        match self {
            Self::OldestFirst => OLDEST_FIRST,
            Self::NewestFirst => NEWEST_FIRST,
            Self::ByName => BY_NAME,
            Self::ByNameDescending => BY_NAME_DESCENDING,
            Self::EarliestChangeFirst => EARLIEST_CHANGE_FIRST,
            Self::LatestChangeFirst => LATEST_CHANGE_FIRST,
        }
    }
}

/// Which repositories of an instance are listed.
#[derive(Clone, Copy, Debug, Default)]
pub struct RepositoryFilter<'a> {
    /// Those of the namespace of this name, or of all.
    pub namespace: Option<&'a str>,
    /// Those of this name, or of all.
    pub name: Option<&'a str>,
    /// In which order.
    pub order: RepositoryOrder,
}

/// Adds a repository to `of`, which is its namespace; the instance may have `most` of them in all.
///
/// `InstanceNotFound`, `NotFound` when the namespace is gone, `AlreadyExists` when it has that
/// name, `QuotaExceeded`.
pub fn insert(of: &Namespace, repository: &Repository, most: u32) -> Part {
    let name = format!("{}/{}", of.name, repository.name);
    let key = vec![of.id.as_str().into(), repository.name.as_str().into()];
    let has_name = Guarded::new(HAS_NAME, key, Rows::Exactly(0), move || {
        Error::already_exists(
            Noun::Repository,
            format!("There is a repository {name} already; choose another name."),
        )
    });
    let insert = Guarded::unguarded(INSERT, parameters(of, repository));
    let quota = quota::within(&of.instance, Counted::Repositories, most);
    Part::of([
        instance::hold(&of.instance),
        namespace::exists(of),
        has_name,
        insert,
        quota,
    ])
    .changes(Entity::Repositories, &namespace::thing_id(of))
}

/// Records what a registry has already in `of`, and leaves alone what is recorded; no quota keeps
/// it out.
///
/// `InstanceNotFound`, `NotFound` when the namespace is gone.
pub fn import<'a>(of: &Namespace, repositories: impl IntoIterator<Item = &'a Repository>) -> Part {
    let mut guarded = vec![instance::hold(&of.instance), namespace::exists(of)];
    guarded.extend(
        repositories
            .into_iter()
            .map(|repository| Guarded::unguarded(IMPORT, parameters(of, repository))),
    );
    Part::of(guarded).changes(Entity::Repositories, &namespace::thing_id(of))
}

fn parameters(of: &Namespace, repository: &Repository) -> Vec<super::Value> {
    vec![
        repository.id.as_str().into(),
        of.instance.as_str().into(),
        of.id.as_str().into(),
        repository.name.as_str().into(),
        repository.visibility.name().into(),
        repository.summary.as_str().into(),
        repository.detail.as_str().into(),
        repository.tag_immutability.into(),
        repository.created_at.into(),
        repository.modified_at.into(),
        repository.tag_exclusions.join(" ").into(),
        repository.scan_on_push.into(),
    ]
}

/// Changes a repository; `NotFound` when it is gone.
pub fn update(repository: &Repository, change: &RepositoryChange, at: Timestamp) -> Part {
    let parameters = vec![
        repository.id.as_str().into(),
        change.visibility.map(|visibility| visibility.name()).into(),
        change.summary.as_deref().into(),
        change.detail.as_deref().into(),
        change.tag_immutability.into(),
        at.into(),
        change
            .tag_exclusions
            .as_ref()
            .map(|all| all.join(" "))
            .into(),
        change.scan_on_push.into(),
    ];
    touch(repository, UPDATE, parameters)
}

/// The text of a repository that has no tags.
pub const NO_TAGS: &str = "{}";

/// Sets the tags of a repository, a JSON object, in place of those that were read; `NotFound` when
/// it is gone, or has others by now.
pub fn set_tags(repository: &Repository, before: &str, tags: &str) -> Part {
    let parameters = vec![repository.id.as_str().into(), before.into(), tags.into()];
    touch(repository, SET_TAGS, parameters)
}

/// Reads the tags of a repository: a JSON object, if the repository is there.
///
/// # Errors
///
/// `StoreUnavailable` when the database doesn't answer, `Internal` for a row that can't be read.
pub async fn tags(store: &Store, id: &RepositoryId) -> Result<Option<String>> {
    let row = store.find(TAGS, vec![id.as_str().into()]).await?;
    row.as_ref().map(|row| row.text("tags")).transpose()
}

/// The lifecycle policy of a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredLifecycle {
    /// The document to the letter; empty where there is none.
    pub text: String,
    /// When it was last carried out.
    pub evaluated_at: Option<Timestamp>,
}

/// Sets the lifecycle policy of a repository, or none where the text is empty; `NotFound` when the
/// repository is gone.
pub fn set_lifecycle(repository: &Repository, text: &str) -> Part {
    let parameters = vec![repository.id.as_str().into(), text.into()];
    touch(repository, SET_LIFECYCLE, parameters)
}

/// Notes that the lifecycle policy of a repository was carried out; `NotFound` when the repository
/// is gone.
pub fn note_lifecycle_run(repository: &Repository, at: Timestamp) -> Part {
    let parameters = vec![repository.id.as_str().into(), at.into()];
    touch(repository, NOTE_LIFECYCLE_RUN, parameters)
}

/// Reads the lifecycle policy of a repository, if the repository is there.
///
/// # Errors
///
/// `StoreUnavailable` when the database doesn't answer, `Internal` for a row that can't be read.
pub async fn lifecycle(store: &Store, id: &RepositoryId) -> Result<Option<StoredLifecycle>> {
    let row = store.find(LIFECYCLE, vec![id.as_str().into()]).await?;
    let lifecycle = |row: &Row| {
        Ok(StoredLifecycle {
            text: row.text("lifecycle_policy")?,
            evaluated_at: row.optional_time("lifecycle_evaluated_at")?,
        })
    };
    row.as_ref().map(lifecycle).transpose()
}

/// Forgets a repository; `NotFound` when it is gone. The registry keeps what it has of it.
pub fn delete(repository: &Repository) -> Part {
    touch(repository, DELETE, vec![repository.id.as_str().into()])
}

/// Makes a change of one repository; `NotFound` when it is gone.
pub(super) fn touch(
    repository: &Repository,
    statement: Statement,
    parameters: Vec<super::Value>,
) -> Part {
    let name = format!("{}/{}", repository.namespace_name, repository.name);
    let guarded = Guarded::new(statement, parameters, Rows::Exactly(1), move || {
        Error::not_found(Noun::Repository, &name)
    });
    Part::of([guarded]).changes(
        Entity::Repositories,
        &format!("{}/{}", repository.instance, repository.namespace_name),
    )
}

/// Refuses with `PreconditionFailed` when a namespace that is to be deleted has repositories.
pub(super) fn none_in(namespace: &Namespace) -> Guarded {
    let name = namespace.name.clone();
    Guarded::new(
        ANY_OF_NAMESPACE,
        vec![namespace.id.as_str().into()],
        Rows::Exactly(0),
        move || {
            Error::precondition_failed(
                Noun::Namespace,
                format!("The namespace {name} has repositories; delete them first."),
            )
        },
    )
}

/// Forgets the repositories of a namespace that is being deleted, whose own change covers them.
pub(super) fn delete_of_namespace(namespace: &Namespace) -> Guarded {
    Guarded::unguarded(DELETE_OF_NAMESPACE, vec![namespace.id.as_str().into()])
}

/// Forgets the repositories of an instance that is being deleted, whose own change covers them.
pub(super) fn delete_of_instance(id: &InstanceId) -> Guarded {
    Guarded::unguarded(DELETE_OF_INSTANCE, vec![id.as_str().into()])
}

/// Finds a repository of an instance by its names.
///
/// # Errors
///
/// `StoreUnavailable` when the database doesn't answer, `Internal` for a row that can't be read.
pub async fn find(
    store: &Store,
    instance: &InstanceId,
    namespace: &str,
    name: &str,
) -> Result<Option<Repository>> {
    store
        .find(
            FIND,
            vec![instance.as_str().into(), namespace.into(), name.into()],
        )
        .await?
        .as_ref()
        .map(repository)
        .transpose()
}

/// Finds a repository of an instance by its id.
///
/// # Errors
///
/// `StoreUnavailable` when the database doesn't answer, `Internal` for a row that can't be read.
pub async fn find_by_id(
    store: &Store,
    instance: &InstanceId,
    id: &RepositoryId,
) -> Result<Option<Repository>> {
    store
        .find(
            FIND_BY_ID,
            vec![instance.as_str().into(), id.as_str().into()],
        )
        .await?
        .as_ref()
        .map(repository)
        .transpose()
}

/// Lists repositories of an instance.
///
/// # Errors
///
/// `StoreUnavailable` when the database doesn't answer, `Internal` for a row that can't be read.
pub async fn list(
    store: &Store,
    instance: &InstanceId,
    filter: RepositoryFilter<'_>,
    page: Page,
) -> Result<Listed<Repository>> {
    let parameters = page.parameters([
        instance.as_str().into(),
        filter.namespace.into(),
        filter.name.into(),
    ]);
    listed_rows(
        &store.query(filter.order.statement(), parameters).await?,
        repository,
    )
}

fn repository(row: &Row) -> Result<Repository> {
    Ok(Repository {
        id: row.parsed("id")?,
        instance: row.parsed("instance_id")?,
        namespace: row.parsed("namespace_id")?,
        namespace_name: row.text("namespace_name")?,
        name: row.text("name")?,
        visibility: row.parsed("visibility")?,
        summary: row.text("summary")?,
        detail: row.text("detail")?,
        tag_immutability: row.switch("tag_immutability")?,
        created_at: row.time("created_at")?,
        modified_at: row.time("modified_at")?,
        tag_exclusions: row
            .text("tag_exclusions")?
            .split_ascii_whitespace()
            .map(str::to_owned)
            .collect(),
        scan_on_push: row.switch("scan_on_push")?,
    })
}
