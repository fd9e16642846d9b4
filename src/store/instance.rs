//! Instances.

use crate::domain::clock::Timestamp;
use crate::domain::ids::{AccountId, CriId, InstanceId};
use crate::domain::instance::{
    DefaultMark, Instance, InstanceChange, OldRefreshTokens, Specification, UnrecordedNamespaces,
};
use crate::domain::switch::Switch;
use crate::domain::{Error, Noun, Result};

use super::look::Look;
use super::nouns::Entity;
use super::page::{Listed, Page, listed_rows, select_page};
use super::part::{Guarded, Part, Rows};
use super::row::{Row, Statement, Value, statements};
use super::{Store, account};

macro_rules! columns {
    () => {
        "id, cri_id, account_id, name, region, service, algorithm, kid_format, token_ttl_seconds, \
         registry_url, default_mark, specification, deletion_protection, public_endpoint, \
         allow_list, origin, unrecorded_namespaces, kind, issuer, next_issuer, refresh_tokens, \
         refresh_generation, token_log_in, ecr_host, created_at, \
         COALESCE(modified_at, created_at) AS modified_at"
    };
}

/// A query of instances; deleted ones stay as rows and are never read.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT ",
            columns!(),
            " FROM instance WHERE deleted_at IS NULL ",
            $rest
        )
    };
}

statements! { "instance";
    HAS_NAME = "SELECT id FROM instance WHERE account_id = $1 AND name = $2 AND deleted_at IS NULL";
    UNMARK = "UPDATE instance SET default_mark = 0 WHERE account_id = $1 AND default_mark = 1 AND \
              deleted_at IS NULL";
    INSERT = "INSERT INTO instance (id, cri_id, account_id, name, region, service, algorithm, \
              kid_format, token_ttl_seconds, registry_url, default_mark, specification, \
              deletion_protection, public_endpoint, allow_list, origin, unrecorded_namespaces, \
              kind, issuer, next_issuer, refresh_tokens, refresh_generation, token_log_in, \
              created_at, modified_at, ecr_host) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, \
              $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26)";
    // Reads and locks: another write that adds to this instance, or deletes it, waits until this
    // one is done.
    HOLD = "UPDATE instance SET name = name WHERE id = $1 AND deleted_at IS NULL";
    UPDATE = "UPDATE instance SET specification = COALESCE($2, specification), \
              deletion_protection = COALESCE($3, deletion_protection), \
              token_log_in = COALESCE($4, token_log_in), modified_at = $5 \
              WHERE id = $1 AND deleted_at IS NULL";
    SET_PUBLIC_ENDPOINT = "UPDATE instance SET public_endpoint = $2, modified_at = $3 WHERE id = \
                           $1 AND deleted_at IS NULL";
    SET_ALLOW_LIST = "UPDATE instance SET allow_list = $2, modified_at = $3 WHERE id = $1 AND \
                      deleted_at IS NULL";
    SET_REGISTRY_URL = "UPDATE instance SET registry_url = $2, modified_at = $3 WHERE id = $1 AND \
                        deleted_at IS NULL";
    SET_ECR_HOST = "UPDATE instance SET ecr_host = $2, modified_at = $3 WHERE id = $1 AND \
                    deleted_at IS NULL";
    SET_UNRECORDED_NAMESPACES = "UPDATE instance SET unrecorded_namespaces = $2, modified_at = $3 \
                                 WHERE id = $1 AND deleted_at IS NULL";
    SET_NEXT_ISSUER = "UPDATE instance SET next_issuer = $2, modified_at = $3 WHERE id = $1 AND \
                       deleted_at IS NULL";
    ACTIVATE_ISSUER = "UPDATE instance SET issuer = next_issuer, next_issuer = NULL, \
                       modified_at = $3 WHERE id = $1 AND next_issuer = $2 AND deleted_at IS NULL";
    CANCEL_ISSUER = "UPDATE instance SET next_issuer = NULL, modified_at = $3 WHERE id = $1 AND \
                     next_issuer = $2 AND deleted_at IS NULL";
    SET_REFRESH_TOKENS = "UPDATE instance SET refresh_tokens = $2, refresh_generation = \
                          refresh_generation + $3, modified_at = $4 \
                          WHERE id = $1 AND deleted_at IS NULL";
    IS_UNPROTECTED = "SELECT id FROM instance WHERE id = $1 AND deletion_protection = 0";
    DELETE = "UPDATE instance SET deleted_at = $3, default_mark = 0 WHERE id = $1 AND account_id = \
              $2 AND deleted_at IS NULL";
    FIND = select!("AND id = $1");
    FIND_BY_CRI_ID = select!("AND cri_id = $1");
    FIND_BY_SERVICE = select!("AND service = $1");
    SERVICE_OWNER = "SELECT deleted_at FROM instance WHERE service = $1";
    LIST_OF_ACCOUNT = select!("AND account_id = $1 ORDER BY created_at, id");
    LIST = select!("ORDER BY created_at, id");
    PAGE = select_page!(
        columns!(),
        "instance WHERE deleted_at IS NULL AND account_id = $3 AND (CAST($4 AS TEXT) IS NULL OR \
         name = $4) \
         AND (CAST($5 AS TEXT) IS NULL OR region = $5)",
        "created_at, id"
    );
}

/// Adds an instance; if it is marked as the default, its account's others no longer are.
///
/// `NotFound` without its account, `AlreadyExists` when its account has that name already, or when
/// any instance of any account ever had that service.
pub fn insert(instance: &Instance) -> Part {
    let account = instance.account;
    // Held first: names and marks of one account are settled by one write at a time, so only the
    // service, unique over all accounts, is left for the insert itself to refuse.
    let mut guarded = vec![account::hold(account)];
    let name = instance.name.clone();
    guarded.push(Guarded::new(
        HAS_NAME,
        vec![account.number().into(), name.as_str().into()],
        Rows::Exactly(0),
        move || {
            Error::already_exists(
                Noun::Instance,
                format!(
                    "Account {account} has an instance named {name} already; choose another name."
                ),
            )
        },
    ));
    if instance.default == DefaultMark::Marked {
        guarded.push(Guarded::unguarded(UNMARK, vec![account.number().into()]));
    }
    let service = instance.service.clone();
    let row = row_of(instance);
    guarded.push(Guarded::new(INSERT, row, Rows::Exactly(1), move || {
        Error::already_exists(
            Noun::Instance,
            format!(
                "The service {service} belongs or once belonged to another instance, and tokens \
                 made for that one must not open this one; choose another service, and set the \
                 same in the registry."
            ),
        )
    }));
    Part::of(guarded)
        .changes(Entity::Instance, &instance.id)
        .changes(Entity::Account, &account)
}

/// Returns the values of an instance's row, as [`INSERT`] has them.
fn row_of(instance: &Instance) -> Vec<Value> {
    vec![
        instance.id.as_str().into(),
        instance.cri_id.as_str().into(),
        instance.account.number().into(),
        instance.name.as_str().into(),
        instance.region.as_str().into(),
        instance.service.as_str().into(),
        instance.algorithm.name().into(),
        instance.kid_format.name().into(),
        i64::from(instance.token_ttl_seconds).into(),
        instance.registry_url.as_deref().into(),
        i64::from(instance.default == DefaultMark::Marked).into(),
        instance.specification.name().into(),
        instance.deletion_protection.into(),
        instance.public_endpoint.into(),
        instance.allow_list.into(),
        instance.origin.name().into(),
        instance.unrecorded_namespaces.name().into(),
        instance.kind.name().into(),
        instance.issuer.as_deref().into(),
        instance.next_issuer.as_deref().into(),
        instance.refresh_tokens.into(),
        instance.refresh_generation.into(),
        instance.token_log_in.into(),
        instance.created_at.into(),
        instance.modified_at.into(),
        instance.ecr_host.as_deref().into(),
    ]
}

/// Changes what an API may change of an instance; `InstanceNotFound`.
pub fn update(id: &InstanceId, change: InstanceChange, at: Timestamp) -> Part {
    touch(
        id,
        UPDATE,
        [
            change.specification.map(Specification::name).into(),
            change.deletion_protection.into(),
            change.token_log_in.into(),
            at.into(),
        ],
    )
}

/// Opens an instance to the outside, or closes it; `InstanceNotFound`.
pub fn set_public_endpoint(id: &InstanceId, switch: Switch, at: Timestamp) -> Part {
    touch(id, SET_PUBLIC_ENDPOINT, [switch.into(), at.into()])
}

/// Turns an instance's allow list on or off; `InstanceNotFound`.
pub fn set_allow_list(id: &InstanceId, switch: Switch, at: Timestamp) -> Part {
    touch(id, SET_ALLOW_LIST, [switch.into(), at.into()])
}

/// Sets the host that an instance answers to as an ECR registry; `InstanceNotFound`.
pub fn set_ecr_host(id: &InstanceId, host: Option<&str>, at: Timestamp) -> Part {
    touch(id, SET_ECR_HOST, [host.into(), at.into()])
}

/// Says where an instance's registry answers, or that none does; `InstanceNotFound`.
pub fn set_registry_url(id: &InstanceId, url: Option<&str>, at: Timestamp) -> Part {
    touch(id, SET_REGISTRY_URL, [url.into(), at.into()])
}

/// Says what becomes of a push to a namespace that isn't recorded; `InstanceNotFound`.
pub fn set_unrecorded_namespaces(
    id: &InstanceId,
    unrecorded: UnrecordedNamespaces,
    at: Timestamp,
) -> Part {
    let values = [unrecorded.name().into(), at.into()];
    touch(id, SET_UNRECORDED_NAMESPACES, values)
}

/// Prepares an issuer, in the place of another that was; `InstanceNotFound`.
pub fn set_next_issuer(id: &InstanceId, issuer: &str, at: Timestamp) -> Part {
    touch(id, SET_NEXT_ISSUER, [issuer.into(), at.into()])
}

/// Lets an instance's tokens name the issuer that is prepared; `PreconditionFailed` when it isn't
/// this one any more.
pub fn activate_issuer(id: &InstanceId, next: &str, at: Timestamp) -> Part {
    end_preparation(id, ACTIVATE_ISSUER, next, at)
}

/// Gives the issuer up that is prepared; `PreconditionFailed` when it isn't this one any more.
pub fn cancel_issuer(id: &InstanceId, next: &str, at: Timestamp) -> Part {
    end_preparation(id, CANCEL_ISSUER, next, at)
}

fn end_preparation(id: &InstanceId, statement: Statement, next: &str, at: Timestamp) -> Part {
    let changed = || {
        Error::precondition_failed(
            Noun::Issuer,
            "The issuer that is prepared was changed meanwhile; look, and try again.",
        )
    };
    Part::of([Guarded::new(
        statement,
        vec![id.as_str().into(), next.into(), at.into()],
        Rows::Exactly(1),
        changed,
    )])
    .changes(Entity::Instance, id)
}

/// Says whether an instance's clients get refresh tokens, and what becomes of those that were given
/// out; `InstanceNotFound`.
pub fn set_refresh_tokens(
    id: &InstanceId,
    switch: Switch,
    old: OldRefreshTokens,
    at: Timestamp,
) -> Part {
    let raise = i64::from(old == OldRefreshTokens::Refuse);
    touch(
        id,
        SET_REFRESH_TOKENS,
        [switch.into(), raise.into(), at.into()],
    )
}

fn touch(
    id: &InstanceId,
    statement: Statement,
    parameters: impl IntoIterator<Item = Value>,
) -> Part {
    let parameters = std::iter::once(id.as_str().into())
        .chain(parameters)
        .collect();
    Part::of([Guarded::new(
        statement,
        parameters,
        Rows::Exactly(1),
        Error::instance_not_found,
    )])
    .changes(Entity::Instance, id)
}

/// Deletes an instance's own row: `InstanceNotFound` when the account has no such instance,
/// `PreconditionFailed` when it is protected.
pub(super) fn delete_row(account: AccountId, id: &InstanceId, at: Timestamp) -> [Guarded; 2] {
    let parameters = vec![id.as_str().into(), account.number().into(), at.into()];
    let is_unprotected = Guarded::new(
        IS_UNPROTECTED,
        vec![id.as_str().into()],
        Rows::Exactly(1),
        || {
            Error::precondition_failed(
                Noun::Instance,
                "The instance is protected from being deleted; turn its deletion protection off \
                 first.",
            )
        },
    );
    // First the row: another account learns nothing of the instance.
    [
        Guarded::new(
            DELETE,
            parameters,
            Rows::Exactly(1),
            Error::instance_not_found,
        ),
        is_unprotected,
    ]
}

/// Refuses with `InstanceNotFound` when there is no such instance, and keeps others from adding to
/// it meanwhile.
pub(super) fn hold(id: &InstanceId) -> Guarded {
    Guarded::new(
        HOLD,
        vec![id.as_str().into()],
        Rows::Exactly(1),
        Error::instance_not_found,
    )
}

/// Finds an instance by its own id.
///
/// # Errors
/// `StoreUnavailable` when the database doesn't answer, `Internal` for a row that can't be read.
pub async fn find(store: &Store, id: &InstanceId) -> Result<Option<Instance>> {
    finding(FIND, id.as_str().into()).ask(store).await
}

/// Finds an instance by its id at the Alibaba door.
///
/// # Errors
/// `StoreUnavailable` when the database doesn't answer, `Internal` for a row that can't be read.
pub async fn find_by_cri_id(store: &Store, id: &CriId) -> Result<Option<Instance>> {
    finding(FIND_BY_CRI_ID, id.as_str().into()).ask(store).await
}

/// Finds an instance by its service.
///
/// # Errors
/// `StoreUnavailable` when the database doesn't answer, `Internal` for a row that can't be read.
pub async fn find_by_service(store: &Store, service: &str) -> Result<Option<Instance>> {
    finding_by_service(service).ask(store).await
}

/// Looks for an instance by its service.
pub(super) fn finding_by_service(service: &str) -> Look<Option<Instance>> {
    finding(FIND_BY_SERVICE, service.into())
}

fn finding(statement: Statement, key: Value) -> Look<Option<Instance>> {
    Look::first(statement, vec![key], instance)
}

/// The owner of a service, which only ever one instance has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServiceOwner {
    /// An instance of some account.
    Live,
    /// One that was deleted.
    Deleted,
}

/// Says whose a service is; `None` when it never was anyone's.
///
/// # Errors
/// `StoreUnavailable` when the database doesn't answer, `Internal` for a row that can't be read.
pub async fn service_owner(store: &Store, service: &str) -> Result<Option<ServiceOwner>> {
    let Some(row) = store.find(SERVICE_OWNER, vec![service.into()]).await? else {
        return Ok(None);
    };
    Ok(Some(match row.optional_integer("deleted_at")? {
        Some(_) => ServiceOwner::Deleted,
        None => ServiceOwner::Live,
    }))
}

/// Lists the instances of one account or of all, oldest first.
///
/// # Errors
/// `StoreUnavailable` when the database doesn't answer, `Internal` for a row that can't be read.
pub async fn list(store: &Store, account: Option<AccountId>) -> Result<Vec<Instance>> {
    let rows = match account {
        Some(account) => {
            store
                .query(LIST_OF_ACCOUNT, vec![account.number().into()])
                .await?
        }
        None => store.query(LIST, Vec::new()).await?,
    };
    rows.iter().map(instance).collect()
}

/// Which instances of an account are listed.
#[derive(Clone, Copy, Debug, Default)]
pub struct InstanceFilter<'a> {
    /// The one of this name, or all.
    pub name: Option<&'a str>,
    /// Those of this region, or of all.
    pub region: Option<&'a str>,
}

/// Lists a page of the instances of one account, oldest first.
///
/// # Errors
/// `StoreUnavailable` when the database doesn't answer, `Internal` for a row that can't be read.
pub async fn list_page(
    store: &Store,
    account: AccountId,
    filter: InstanceFilter<'_>,
    page: Page,
) -> Result<Listed<Instance>> {
    let parameters = page.parameters([
        account.number().into(),
        filter.name.into(),
        filter.region.into(),
    ]);
    listed_rows(&store.query(PAGE, parameters).await?, instance)
}

fn instance(row: &Row) -> Result<Instance> {
    Ok(Instance {
        id: row.parsed("id")?,
        cri_id: row.parsed("cri_id")?,
        account: account::id_in(row, "account_id")?,
        name: row.text("name")?,
        region: row.text("region")?,
        service: row.text("service")?,
        kind: row.parsed("kind")?,
        algorithm: row.parsed("algorithm")?,
        kid_format: row.parsed("kid_format")?,
        token_ttl_seconds: row.number("token_ttl_seconds")?,
        registry_url: row.optional_text("registry_url")?,
        ecr_host: row.optional_text("ecr_host")?,
        default: if row.switch("default_mark")?.is_on() {
            DefaultMark::Marked
        } else {
            DefaultMark::Unmarked
        },
        specification: row.parsed("specification")?,
        deletion_protection: row.switch("deletion_protection")?,
        public_endpoint: row.switch("public_endpoint")?,
        allow_list: row.switch("allow_list")?,
        origin: row.parsed("origin")?,
        unrecorded_namespaces: row.parsed("unrecorded_namespaces")?,
        issuer: row.optional_text("issuer")?,
        next_issuer: row.optional_text("next_issuer")?,
        refresh_tokens: row.switch("refresh_tokens")?,
        refresh_generation: row.integer("refresh_generation")?,
        token_log_in: row.switch("token_log_in")?,
        created_at: row.time("created_at")?,
        modified_at: row.time("modified_at")?,
    })
}
