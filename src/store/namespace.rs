//! Namespaces of instances.

use crate::domain::clock::Timestamp;
use crate::domain::ids::{AccountId, InstanceId};
use crate::domain::namespace::{Namespace, NamespaceChange, NamespaceId};
use crate::domain::{Error, Noun, Result};

use super::look::Look;
use super::nouns::Entity;
use super::page::{Listed, Page, listed_rows, select_page};
use super::part::{Guarded, Part, Rows};
use super::quota::{self, Counted};
use super::row::{Row, Value, statements};
use super::{Store, instance};

macro_rules! columns {
    () => {
        "id, number, instance_id, name, visibility, auto_create_repository, default_visibility, \
         default_tag_immutability, auto_scan, prevent_vulnerable, severity, allowed_cves, \
         created_at, modified_at"
    };
}

statements! { "namespace";
    INSERT = concat!(
        "INSERT INTO namespace (",
        columns!(),
        ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)"
    );
    HAS_NAME = "SELECT id FROM namespace WHERE instance_id = $1 AND name = $2";
    EXISTS = "SELECT id FROM namespace WHERE id = $1";
    FIND = concat!("SELECT ", columns!(), " FROM namespace WHERE instance_id = $1 AND name = $2");
    FIND_BY_ID = concat!(
        "SELECT ",
        columns!(),
        " FROM namespace WHERE instance_id = $1 AND id = $2"
    );
    PAGE = select_page!(columns!(), "namespace WHERE instance_id = $3", "created_at, id");
    PAGE_OF_NAME = select_page!(
        columns!(),
        "namespace WHERE instance_id = $3 AND name = $4",
        "created_at, id"
    );
    LIST_OF_ACCOUNT = concat!(
        "SELECT ",
        columns!(),
        ", (SELECT COUNT(*) FROM repository WHERE repository.namespace_id = namespace.id) \
         AS repositories FROM namespace WHERE instance_id IN (SELECT id FROM instance WHERE \
         account_id = $1 AND deleted_at IS NULL) ORDER BY instance_id, name"
    );
    UPDATE = "UPDATE namespace SET visibility = COALESCE($2, visibility), \
              auto_create_repository = COALESCE($3, auto_create_repository), default_visibility = \
              COALESCE($4, default_visibility), \
              default_tag_immutability = COALESCE($5, default_tag_immutability), auto_scan = \
              COALESCE($6, auto_scan), \
              prevent_vulnerable = COALESCE($7, prevent_vulnerable), severity = COALESCE($8, \
              severity), \
              allowed_cves = COALESCE($9, allowed_cves), modified_at = $10 WHERE id = $1";
    DELETE = "DELETE FROM namespace WHERE id = $1";
    ANY_OF_INSTANCE = "SELECT id FROM namespace WHERE instance_id = $1 LIMIT 1";
    DELETE_OF_INSTANCE = "DELETE FROM namespace WHERE instance_id = $1";
}

/// Adds a namespace to an instance that may have `most` of them.
///
/// `InstanceNotFound` without its instance, `AlreadyExists` when the instance has that name,
/// `QuotaExceeded`.
pub fn insert(namespace: &Namespace, most: u32) -> Part {
    let (instance, name) = (&namespace.instance, namespace.name.clone());
    let has_name = Guarded::new(
        HAS_NAME,
        vec![instance.as_str().into(), name.as_str().into()],
        Rows::Exactly(0),
        move || {
            Error::already_exists(
                Noun::Namespace,
                format!("The instance has a namespace named {name} already; choose another name."),
            )
        },
    );
    let parameters = vec![
        namespace.id.as_str().into(),
        namespace.number.into(),
        instance.as_str().into(),
        namespace.name.as_str().into(),
        namespace.visibility.name().into(),
        namespace.auto_create_repository.into(),
        namespace.default_visibility.name().into(),
        namespace.default_tag_immutability.into(),
        namespace.auto_scan.into(),
        namespace.prevent_vulnerable.into(),
        namespace.severity.name().into(),
        namespace.allowed_cves.join(",").into(),
        namespace.created_at.into(),
        namespace.modified_at.into(),
    ];
    let insert = Guarded::unguarded(INSERT, parameters);
    Part::of([
        instance::hold(instance),
        has_name,
        insert,
        quota::within(instance, Counted::Namespaces, most),
    ])
    .changes(Entity::Namespace, &thing_id(namespace))
}

/// Changes a namespace; `NotFound` when it is gone.
pub fn update(namespace: &Namespace, change: &NamespaceChange, at: Timestamp) -> Part {
    let parameters = vec![
        namespace.id.as_str().into(),
        change.visibility.map(|visibility| visibility.name()).into(),
        change.auto_create_repository.into(),
        change
            .default_visibility
            .map(|visibility| visibility.name())
            .into(),
        change.default_tag_immutability.into(),
        change.auto_scan.into(),
        change.prevent_vulnerable.into(),
        change.severity.map(|severity| severity.name()).into(),
        change.allowed_cves.as_ref().map(|ids| ids.join(",")).into(),
        at.into(),
    ];
    let update = Guarded::new(UPDATE, parameters, Rows::Exactly(1), missing(namespace));
    Part::of([update]).changes(Entity::Namespace, &thing_id(namespace))
}

/// Deletes a namespace's own row; `NotFound` when it is gone.
pub(super) fn delete_row(namespace: &Namespace) -> Guarded {
    Guarded::new(
        DELETE,
        vec![namespace.id.as_str().into()],
        Rows::Exactly(1),
        missing(namespace),
    )
}

/// Refuses with `NotFound` when the namespace is gone.
pub(super) fn exists(namespace: &Namespace) -> Guarded {
    Guarded::new(
        EXISTS,
        vec![namespace.id.as_str().into()],
        Rows::Exactly(1),
        missing(namespace),
    )
}

/// Refuses with `PreconditionFailed` when an instance that is to be deleted has namespaces.
pub(super) fn none_in(id: &InstanceId) -> Guarded {
    Guarded::new(
        ANY_OF_INSTANCE,
        vec![id.as_str().into()],
        Rows::Exactly(0),
        || {
            Error::precondition_failed(
                Noun::Instance,
                "The instance has namespaces; delete them first.",
            )
        },
    )
}

/// Deletes the namespaces of an instance, whose repositories are gone.
pub(super) fn delete_of_instance(id: &InstanceId) -> Guarded {
    Guarded::unguarded(DELETE_OF_INSTANCE, vec![id.as_str().into()])
}

/// Names a namespace in the change feed.
pub(super) fn thing_id(namespace: &Namespace) -> String {
    format!("{}/{}", namespace.instance, namespace.name)
}

fn missing(namespace: &Namespace) -> impl Fn() -> Error + Send + Sync + 'static {
    let name = namespace.name.clone();
    move || Error::not_found(Noun::Namespace, &name)
}

/// Finds a namespace of an instance by its name.
///
/// # Errors
///
/// `StoreUnavailable` when the database doesn't answer, `Internal` for a row that can't be read.
pub async fn find(store: &Store, instance: &InstanceId, name: &str) -> Result<Option<Namespace>> {
    store
        .find(FIND, vec![instance.as_str().into(), name.into()])
        .await?
        .as_ref()
        .map(namespace)
        .transpose()
}

/// Finds a namespace of an instance by its id.
///
/// # Errors
///
/// `StoreUnavailable` when the database doesn't answer, `Internal` for a row that can't be read.
pub async fn find_by_id(
    store: &Store,
    instance: &InstanceId,
    id: &NamespaceId,
) -> Result<Option<Namespace>> {
    store
        .find(
            FIND_BY_ID,
            vec![instance.as_str().into(), id.as_str().into()],
        )
        .await?
        .as_ref()
        .map(namespace)
        .transpose()
}

/// Lists namespaces of an instance, all or the one of that name, oldest first.
///
/// # Errors
///
/// `StoreUnavailable` when the database doesn't answer, `Internal` for a row that can't be read.
pub async fn list(
    store: &Store,
    instance: &InstanceId,
    name: Option<&str>,
    page: Page,
) -> Result<Listed<Namespace>> {
    listing(instance, name, page).ask(store).await
}

/// Looks for a part of the namespaces of an instance.
pub(super) fn listing(
    instance: &InstanceId,
    name: Option<&str>,
    page: Page,
) -> Look<Listed<Namespace>> {
    let instance = Value::from(instance.as_str());
    let (statement, parameters) = match name {
        None => (PAGE, page.parameters([instance])),
        Some(name) => (PAGE_OF_NAME, page.parameters([instance, name.into()])),
    };
    Look::new(statement, parameters, |rows| listed_rows(rows, namespace))
}

/// Lists the namespaces of all instances of an account, each with the number of its repositories
/// that are recorded.
///
/// # Errors
///
/// `StoreUnavailable` when the database doesn't answer, `Internal` for a row that can't be read.
pub async fn list_of_account(store: &Store, account: AccountId) -> Result<Vec<(Namespace, u64)>> {
    let rows = store
        .query(LIST_OF_ACCOUNT, vec![account.number().into()])
        .await?;
    rows.iter()
        .map(|row| Ok((namespace(row)?, row.number("repositories")?)))
        .collect()
}

fn namespace(row: &Row) -> Result<Namespace> {
    Ok(Namespace {
        id: row.parsed("id")?,
        number: row.integer("number")?,
        instance: row.parsed("instance_id")?,
        name: row.text("name")?,
        visibility: row.parsed("visibility")?,
        auto_create_repository: row.switch("auto_create_repository")?,
        default_visibility: row.parsed("default_visibility")?,
        default_tag_immutability: row.switch("default_tag_immutability")?,
        auto_scan: row.switch("auto_scan")?,
        prevent_vulnerable: row.switch("prevent_vulnerable")?,
        severity: row.parsed("severity")?,
        allowed_cves: row.parsed_list("allowed_cves")?,
        created_at: row.time("created_at")?,
        modified_at: row.time("modified_at")?,
    })
}
