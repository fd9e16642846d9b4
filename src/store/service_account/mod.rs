//! Service accounts of instances: all but their passwords.

mod read;

use std::collections::BTreeSet;

use crate::domain::clock::Timestamp;
use crate::domain::ids::InstanceId;
use crate::domain::namespace::Namespace;
use crate::domain::principal::{Level, Principal};
use crate::domain::service_account::{
    AccountPermissions, AccountSecret, ServiceAccount, ServiceAccountChange, ServiceAccountId,
    ServiceAccountState,
};
use crate::domain::{Error, Noun};

pub use self::read::{count_ending, find, find_by_id, ids_after, list, list_made_by};
use super::last_use::used_at;
use super::nouns::Entity;
use super::page::select_page;
use super::part::{Guarded, Part, Rows};
use super::quota::{self, Counted};
use super::row::{Value, statements};
use super::{instance, principal};

macro_rules! columns {
    () => {
        "id, instance_id, name, description, made_hash, chosen_hash, state, generation, \
         created_at, modified_at, expires_at, maker, maker_ids, revision, disabled_by"
    };
}

/// The columns, those of the older password, and the last use.
macro_rules! read {
    () => {
        concat!(
            columns!(),
            ", older_made_hash, older_chosen_hash, older_secret_ends_at, ",
            used_at!("service-account", "service_account.id")
        )
    };
}

/// A query of one account: a row for each namespace that it has permissions in, or one without.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT account.*, permission.namespace AS namespace, permission.actions AS actions \
             FROM (SELECT ",
            read!(),
            " FROM service_account WHERE ",
            $rest,
            ") AS account LEFT JOIN service_account_permission AS permission ON \
             permission.service_account_id = account.id ORDER BY permission.namespace"
        )
    };
}

/// A page of accounts, each once for each namespace that it has permissions in.
macro_rules! select_accounts {
    ($from:literal) => {
        select_page!(
            read!(),
            $from,
            "created_at, id",
            ", permission.namespace AS namespace, permission.actions AS actions",
            "LEFT JOIN service_account_permission AS permission ON permission.service_account_id = \
             page.id",
            ", permission.namespace"
        )
    };
}

statements! {
    "service_account" {
        INSERT = concat!(
            "INSERT INTO service_account (",
            columns!(),
            ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)"
        );
    COUNT_ENDING = "SELECT COUNT(*) AS ending FROM service_account WHERE state = 'active' AND \
                    expires_at > $1 AND expires_at <= $2";
        HAS_NAME = "SELECT id FROM service_account WHERE instance_id = $1 AND name = $2";
        IDS_AFTER = "SELECT id, instance_id, name FROM service_account WHERE id > $1 ORDER BY id \
                     LIMIT $2";
        FIND = select!("instance_id = $1 AND name = $2");
        FIND_BY_ID = select!("id = $1");
        PAGE = select_accounts!("service_account WHERE instance_id = $3");
        PAGE_OF_NAME = select_accounts!("service_account WHERE instance_id = $3 AND name = $4");
        UPDATE = "UPDATE service_account SET description = COALESCE($2, description), state = \
                  COALESCE($3, state), \
                  expires_at = COALESCE($4, expires_at), modified_at = $5, revision = revision + \
                  1, \
                  generation = generation + CASE WHEN CAST($3 AS TEXT) = 'disabled' THEN 1 ELSE 0 \
                  END WHERE id = $1";
        NOTE_DISABLED = "UPDATE service_account SET disabled_by = \
                         CASE WHEN CAST($2 AS TEXT) = 'user' AND disabled_by IS NOT NULL THEN \
                         disabled_by ELSE $2 END WHERE id = $1";
        NOTE_ENABLED = "UPDATE service_account SET disabled_by = NULL WHERE id = $1";
        IS_AS_READ = "UPDATE service_account SET revision = revision WHERE id = $1 AND revision = \
                      $2";
        SET_SECRET = "UPDATE service_account SET made_hash = $2, chosen_hash = $3, modified_at = \
                      $4, generation = generation + 1, older_made_hash = NULL, older_chosen_hash = \
                      NULL, older_secret_ends_at = NULL, revision = revision + 1 WHERE id = $1";
        ROTATE = "UPDATE service_account SET older_made_hash = made_hash, older_chosen_hash = \
                  chosen_hash, older_secret_ends_at = $4, made_hash = $2, chosen_hash = NULL, \
                  modified_at = $3, generation = generation + 1, revision = revision + 1 WHERE id \
                  = $1";
        MADE_BY = concat!(
            "SELECT ",
            read!(),
            ", NULL AS namespace FROM service_account WHERE maker_ids LIKE $1 \
             ORDER BY instance_id, name"
        );
        COUNT_MADE_BY = "SELECT id FROM service_account WHERE maker_ids LIKE $1";
        DISABLE_MADE_BY = "UPDATE service_account SET state = 'disabled', disabled_by = $2, \
                           modified_at = $3, \
                           generation = generation + 1, revision = revision + 1 WHERE maker_ids \
                           LIKE $1";
        DELETE = "DELETE FROM service_account WHERE id = $1";
        ANY_OF_INSTANCE = "SELECT id FROM service_account WHERE instance_id = $1 LIMIT 1";
        DELETE_OF_INSTANCE = "DELETE FROM service_account WHERE instance_id = $1";
    }
    "service_account_permission" {
        PERMIT = "INSERT INTO service_account_permission (service_account_id, namespace, actions) \
                  VALUES ($1, $2, $3)";
        FORGET_PERMISSIONS = "DELETE FROM service_account_permission WHERE service_account_id = $1";
        FORGET_NAMESPACE = "DELETE FROM service_account_permission WHERE namespace = $2 \
                            AND service_account_id IN (SELECT id FROM service_account WHERE \
                            instance_id = $1)";
        FORGET_INSTANCE = "DELETE FROM service_account_permission \
                           WHERE service_account_id IN (SELECT id FROM service_account WHERE \
                           instance_id = $1)";
    }
}

/// Adds a service account to an instance that may have `most` of them.
///
/// `InstanceNotFound` without its instance, `NotFound` without the user or role that makes it,
/// `AlreadyExists` when the instance has that name, `QuotaExceeded`.
pub fn insert(account: &ServiceAccount, most: u32) -> Part {
    let (instance, name) = (&account.instance, account.name.clone());
    let has_name = Guarded::new(
        HAS_NAME,
        vec![instance.as_str().into(), name.as_str().into()],
        Rows::Exactly(0),
        move || {
            Error::already_exists(
                Noun::ServiceAccount,
                format!(
                    "The instance has a service account named {name} already; choose another name."
                ),
            )
        },
    );
    let [made, chosen] = hashes(&account.secret);
    let parameters = vec![
        account.id.as_str().into(),
        instance.as_str().into(),
        account.name.as_str().into(),
        account.description.as_str().into(),
        made,
        chosen,
        account.state.name().into(),
        account.generation.into(),
        account.created_at.into(),
        account.modified_at.into(),
        account.expires_at.into(),
        account.maker.as_ref().map(Principal::to_string).into(),
        written(&account.maker_ids).into(),
        account.revision.into(),
        account.disabled_by.map(Level::name).into(),
    ];
    let mut guarded = vec![instance::hold(instance)];
    // Held, so that a maker who is being deleted, or revoked, leaves none behind unseen.
    guarded.extend(account.maker.as_ref().and_then(principal::hold));
    guarded.extend([has_name, Guarded::unguarded(INSERT, parameters)]);
    guarded.extend(permit(&account.id, &account.permissions));
    guarded.push(quota::within(instance, Counted::ServiceAccounts, most));
    Part::of(guarded).changes(Entity::ServiceAccount, &thing_id(account))
}

/// Changes a service account, as somebody of that level wants; `InstanceNotFound`, `NotFound` when
/// it is gone.
///
/// Disabling raises the generation, so that its refresh tokens stop for ever. Whether the level may
/// enable it the caller knows, who read it: see [`expect_as_read`].
pub fn update(
    account: &ServiceAccount,
    change: &ServiceAccountChange,
    by: Level,
    at: Timestamp,
) -> Part {
    let parameters = vec![
        account.id.as_str().into(),
        change.description.as_deref().into(),
        change.state.map(|state| state.name()).into(),
        change.expires_at.into(),
        at.into(),
    ];
    // Held, so that no permission is added while all of them are taken away with the account, or
    // with its instance.
    let mut guarded = vec![
        instance::hold(&account.instance),
        Guarded::new(UPDATE, parameters, Rows::Exactly(1), missing(account)),
    ];
    let id = || Value::from(account.id.as_str());
    guarded.extend(change.state.map(|state| match state {
        ServiceAccountState::Active => Guarded::unguarded(NOTE_ENABLED, vec![id()]),
        ServiceAccountState::Disabled => {
            Guarded::unguarded(NOTE_DISABLED, vec![id(), by.name().into()])
        }
    }));
    if let Some(permissions) = &change.permissions {
        guarded.push(forget_permissions(account));
        guarded.extend(permit(&account.id, permissions));
    }
    Part::of(guarded).changes(Entity::ServiceAccount, &thing_id(account))
}

/// Refuses with `PreconditionFailed` when a service account was changed since it was read, and
/// keeps it from being changed meanwhile: what its caller may do to it was decided by what it was.
pub fn expect_as_read(account: &ServiceAccount) -> Part {
    let parameters = vec![account.id.as_str().into(), account.revision.into()];
    let as_read = Guarded::new(IS_AS_READ, parameters, Rows::Exactly(1), || {
        Error::precondition_failed(
            Noun::ServiceAccount,
            "The service account was changed at the same moment; make the call again.",
        )
    });
    // In the order in which a change takes them.
    Part::of([instance::hold(&account.instance), as_read])
}

/// Disables service accounts: all that came from the principal with that numeric id, which the
/// caller just listed.
///
/// `PreconditionFailed` when there are more or fewer by now.
pub fn disable_made_by(id: i64, listed: &[ServiceAccount], by: Level, at: Timestamp) -> Part {
    let parameters = vec![made_by(id), by.name().into(), at.into()];
    let disable = Guarded::new(
        DISABLE_MADE_BY,
        parameters,
        Rows::Exactly(listed.len() as u64),
        others_were_made,
    );
    listed.iter().fold(Part::of([disable]), |part, account| {
        part.changes(Entity::ServiceAccount, &thing_id(account))
    })
}

/// Refuses with `PreconditionFailed` unless so many service accounts came from the principal with
/// that numeric id.
pub fn expect_made_by(id: i64, count: usize) -> Part {
    Part::of([Guarded::new(
        COUNT_MADE_BY,
        vec![made_by(id)],
        Rows::Exactly(count as u64),
        others_were_made,
    )])
}

fn others_were_made() -> Error {
    Error::precondition_failed(
        Noun::ServiceAccount,
        "A service account was made or deleted at the same moment; give the command again.",
    )
}

/// Returns the pattern that finds a numeric id in `maker_ids`.
fn made_by(id: i64) -> Value {
    format!("%,{id},%").into()
}

/// Writes numeric ids as `maker_ids` has them.
fn written(ids: &BTreeSet<i64>) -> String {
    let written: String = ids.iter().map(|id| format!(",{id}")).collect();
    if written.is_empty() {
        written
    } else {
        written + ","
    }
}

/// Replaces a service account's password, and stops what was got with the old one; `NotFound` when
/// it is gone.
pub fn set_secret(account: &ServiceAccount, secret: &AccountSecret, at: Timestamp) -> Part {
    let [made, chosen] = hashes(secret);
    let parameters = vec![account.id.as_str().into(), made, chosen, at.into()];
    let update = Guarded::new(SET_SECRET, parameters, Rows::Exactly(1), missing(account));
    Part::of([update]).changes(Entity::ServiceAccount, &thing_id(account))
}

/// Gives a service account a made password. The one before is taken until `older_ends_at`, or no
/// more; an even older one is refused. `NotFound` when it is gone.
pub fn rotate(
    account: &ServiceAccount,
    made_hash: [u8; 32],
    older_ends_at: Option<Timestamp>,
    at: Timestamp,
) -> Part {
    let Some(ends_at) = older_ends_at else {
        return set_secret(account, &AccountSecret::Made(made_hash), at);
    };
    let parameters = vec![
        account.id.as_str().into(),
        made_hash.as_slice().into(),
        at.into(),
        ends_at.into(),
    ];
    let rotate = Guarded::new(ROTATE, parameters, Rows::Exactly(1), missing(account));
    Part::of([rotate]).changes(Entity::ServiceAccount, &thing_id(account))
}

/// Deletes a service account for ever; `InstanceNotFound`, `NotFound` when it is gone. Its name is
/// free again, its id stays unused.
pub fn delete(account: &ServiceAccount) -> Part {
    let delete = Guarded::new(
        DELETE,
        vec![account.id.as_str().into()],
        Rows::Exactly(1),
        missing(account),
    );
    Part::of([
        instance::hold(&account.instance),
        forget_permissions(account),
        delete,
    ])
    .changes(Entity::ServiceAccount, &thing_id(account))
}

fn permit(
    id: &ServiceAccountId,
    permissions: &AccountPermissions,
) -> impl Iterator<Item = Guarded> {
    permissions.iter().map(|(namespace, actions)| {
        let actions: Vec<&str> = actions.iter().map(|action| action.name()).collect();
        Guarded::unguarded(
            PERMIT,
            vec![
                id.as_str().into(),
                namespace.as_str().into(),
                actions.join(",").into(),
            ],
        )
    })
}

fn forget_permissions(account: &ServiceAccount) -> Guarded {
    Guarded::unguarded(FORGET_PERMISSIONS, vec![account.id.as_str().into()])
}

/// Takes away what any service account may do in a namespace that is being deleted, whose own
/// change covers them.
pub(super) fn forget_namespace(namespace: &Namespace) -> Guarded {
    Guarded::unguarded(
        FORGET_NAMESPACE,
        vec![
            namespace.instance.as_str().into(),
            namespace.name.as_str().into(),
        ],
    )
}

/// Refuses with `PreconditionFailed` when an instance that is to be deleted has service accounts.
pub(super) fn none_in(id: &InstanceId) -> Guarded {
    Guarded::new(
        ANY_OF_INSTANCE,
        vec![id.as_str().into()],
        Rows::Exactly(0),
        || {
            Error::precondition_failed(
                Noun::Instance,
                "The instance has service accounts; delete them first.",
            )
        },
    )
}

/// Deletes the service accounts of an instance that is being deleted, whose own change covers them.
pub(super) fn delete_of_instance(id: &InstanceId) -> [Guarded; 2] {
    [FORGET_INSTANCE, DELETE_OF_INSTANCE]
        .map(|statement| Guarded::unguarded(statement, vec![id.as_str().into()]))
}

fn thing_id(account: &ServiceAccount) -> String {
    format!("{}/{}", account.instance, account.name)
}

fn missing(account: &ServiceAccount) -> impl Fn() -> Error + Send + Sync + 'static {
    let name = account.username();
    move || Error::not_found(Noun::ServiceAccount, &name)
}

/// Returns the two columns of a password's stored form, of which one is empty.
fn hashes(secret: &AccountSecret) -> [Value; 2] {
    match secret {
        AccountSecret::Made(hash) => [hash.as_slice().into(), Value::Null],
        AccountSecret::Chosen(hash) => [Value::Null, hash.as_str().into()],
    }
}
