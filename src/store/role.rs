//! Roles; deleted ones stay as rows and are never read.

use crate::domain::clock::Timestamp;
use crate::domain::identity::Role;
use crate::domain::ids::{AccountId, RoleId};
use crate::domain::{Error, Noun, Result};

use super::nouns::Entity;
use super::part::{Guarded, Part, Rows};
use super::row::{Row, statements};
use super::{Store, account, principal_id};

/// The columns of a role.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, account_id, name, trust_policy, max_session_seconds, generation, \
             created_at, revoked_at FROM role \
             WHERE state <> 'deleted' ",
            $rest
        )
    };
}

statements! { "role";
    INSERT = "INSERT INTO role (id, account_id, name, trust_policy, max_session_seconds, state, \
              generation, created_at) \
              VALUES ($1, $2, $3, $4, $5, 'active', $6, $7)";
    // Reads and locks: another write that deletes this role waits until this one is done.
    HOLD = "UPDATE role SET generation = generation WHERE id = $1 AND account_id = $2 AND state <> \
            'deleted'";
    HAS_NAME = "SELECT id FROM role WHERE account_id = $1 AND name = $2 AND state <> 'deleted'";
    FIND = select!("AND id = $1");
    FIND_BY_NAME = select!("AND account_id = $1 AND name = $2");
    LIST = select!("AND account_id = $1 ORDER BY created_at, id");
    UPDATE = "UPDATE role SET trust_policy = COALESCE($3, trust_policy), \
              max_session_seconds = COALESCE($4, max_session_seconds) \
              WHERE id = $1 AND account_id = $2 AND state <> 'deleted'";
    // Never earlier than it was: the clocks of those who revoke differ.
    REVOKE = "UPDATE role SET generation = generation + 1, \
              revoked_at = CASE WHEN revoked_at > $2 THEN revoked_at ELSE $2 END \
              WHERE id = $1 AND state <> 'deleted'";
    DELETE = "UPDATE role SET state = 'deleted', generation = generation + 1 \
              WHERE id = $1 AND account_id = $2 AND state <> 'deleted'";
}

/// Adds a role; `NotFound` without its account, `AlreadyExists` of noun `role` when the account has
/// that name already, of noun `principal id` when any principal has or had its number.
pub fn insert(role: &Role) -> Part {
    let (id, account, name) = (role.id, role.account, role.name.clone());
    let register = principal_id::register(id.number(), move || {
        Error::already_exists(
            Noun::PrincipalId,
            format!("The id {id} was used before; make another."),
        )
    });
    let parameters = vec![
        id.number().into(),
        account.number().into(),
        name.as_str().into(),
        role.trust_policy.as_str().into(),
        i64::from(role.max_session_seconds).into(),
        role.generation.into(),
        role.created_at.into(),
    ];
    let insert = Guarded::new(INSERT, parameters, Rows::Exactly(1), move || {
        Error::already_exists(
            Noun::Role,
            format!("Account {account} has a role named {name} already; choose another name."),
        )
    });
    Part::of([account::hold(account), register, insert]).changes(Entity::Role, &id)
}

/// Changes the trust policy and the longest session of a role, each where there is another;
/// `NotFound` when the account has no such role. Its sessions go on.
pub fn update(
    account: AccountId,
    id: RoleId,
    trust_policy: Option<&str>,
    max_session_seconds: Option<u32>,
) -> Part {
    let parameters = vec![
        id.number().into(),
        account.number().into(),
        trust_policy.into(),
        max_session_seconds.map(i64::from).into(),
    ];
    let update = Guarded::new(UPDATE, parameters, Rows::Exactly(1), move || {
        Error::not_found(Noun::Role, id)
    });
    Part::of([update]).changes(Entity::Role, &id)
}

/// Stops all sessions of the role, and tokens from before `at`; `NotFound` when there is no such
/// role.
pub fn revoke(id: RoleId, at: Timestamp) -> Part {
    let parameters = vec![id.number().into(), at.into()];
    let revoke = Guarded::new(REVOKE, parameters, Rows::Exactly(1), move || {
        Error::not_found(Noun::Role, id)
    });
    Part::of([revoke]).changes(Entity::Role, &id)
}

/// Deletes a role's own row; `NotFound` when the account has no such role.
pub(super) fn delete_row(account: AccountId, id: RoleId) -> Guarded {
    let parameters = vec![id.number().into(), account.number().into()];
    Guarded::new(DELETE, parameters, Rows::Exactly(1), move || {
        Error::not_found(Noun::Role, id)
    })
}

/// Refuses with `NotFound` when the account has no such role, and keeps it from being deleted
/// meanwhile.
pub(super) fn hold(account: AccountId, id: RoleId) -> Guarded {
    Guarded::new(
        HOLD,
        vec![id.number().into(), account.number().into()],
        Rows::Exactly(1),
        move || Error::not_found(Noun::Role, id),
    )
}

/// Refuses with `NotFound` when the account has no role of that name; the account is held already.
pub(super) fn named(account: AccountId, name: &str) -> Guarded {
    let missing = name.to_owned();
    Guarded::new(
        HAS_NAME,
        vec![account.number().into(), name.into()],
        Rows::Exactly(1),
        move || Error::not_found(Noun::Role, &missing),
    )
}

/// Finds a role by its id.
///
/// # Errors
///
/// `StoreUnavailable` when the database doesn't answer, `Internal` for a row that can't be read.
pub async fn find(store: &Store, id: RoleId) -> Result<Option<Role>> {
    store
        .find(FIND, vec![id.number().into()])
        .await?
        .as_ref()
        .map(role)
        .transpose()
}

/// Finds a role of an account by its name.
///
/// # Errors
///
/// `StoreUnavailable` when the database doesn't answer, `Internal` for a row that can't be read.
pub async fn find_by_name(store: &Store, account: AccountId, name: &str) -> Result<Option<Role>> {
    store
        .find(FIND_BY_NAME, vec![account.number().into(), name.into()])
        .await?
        .as_ref()
        .map(role)
        .transpose()
}

/// Lists the roles of an account, oldest first.
///
/// # Errors
///
/// `StoreUnavailable` when the database doesn't answer, `Internal` for a row that can't be read.
pub async fn list(store: &Store, account: AccountId) -> Result<Vec<Role>> {
    store
        .query(LIST, vec![account.number().into()])
        .await?
        .iter()
        .map(role)
        .collect()
}

fn role(row: &Row) -> Result<Role> {
    Ok(Role {
        id: RoleId::new(row.integer("id")?).map_err(|error| row.unreadable("id", error))?,
        account: account::id_in(row, "account_id")?,
        name: row.text("name")?,
        trust_policy: row.text("trust_policy")?,
        max_session_seconds: row.number("max_session_seconds")?,
        generation: row.integer("generation")?,
        created_at: row.time("created_at")?,
        revoked_at: row
            .optional_integer("revoked_at")?
            .map(Timestamp::from_unix_millis),
    })
}
