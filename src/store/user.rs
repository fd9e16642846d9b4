//! Users; deleted ones stay as rows and are never read.

use crate::domain::identity::{User, UserState};
use crate::domain::ids::{AccountId, UserId};
use crate::domain::{Error, Noun, Result};

use super::look::Look;
use super::nouns::Entity;
use super::part::{Guarded, Part, Rows};
use super::row::{Row, statements};
use super::{Store, account, principal_id};

/// The columns of a user.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, account_id, name, state, generation, created_at FROM account_user \
             WHERE state <> 'deleted' ",
            $rest
        )
    };
}

statements! { "account_user";
    INSERT = "INSERT INTO account_user (id, account_id, name, state, generation, created_at) \
              VALUES ($1, $2, $3, $4, $5, $6)";
    // Reads and locks: another write that adds to this user, or deletes it, waits until this one is
    // done.
    HOLD = "UPDATE account_user SET generation = generation WHERE id = $1 AND account_id = $2 AND \
            state <> 'deleted'";
    HAS_NAME = "SELECT id FROM account_user WHERE account_id = $1 AND name = $2 AND state <> \
                'deleted'";
    FIND = select!("AND id = $1");
    FIND_BY_NAME = select!("AND account_id = $1 AND name = $2");
    LIST = select!("AND account_id = $1 ORDER BY created_at, id");
    ENABLE = "UPDATE account_user SET state = 'active' WHERE id = $1 AND state <> 'deleted'";
    DISABLE = "UPDATE account_user SET state = 'disabled', generation = generation + 1 WHERE id = \
               $1 AND state <> 'deleted'";
    RAISE = "UPDATE account_user SET generation = generation + 1 WHERE id = $1 AND state <> \
             'deleted'";
    DELETE = "UPDATE account_user SET state = 'deleted', generation = generation + 1 \
              WHERE id = $1 AND account_id = $2 AND state <> 'deleted'";
}

/// Adds a user; `NotFound` without its account, `AlreadyExists` of noun `user` when the account has
/// that name already, of noun `principal id` when any principal has or had its number.
pub fn insert(user: &User) -> Part {
    let (id, account, name) = (user.id, user.account, user.name.clone());
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
        user.state.name().into(),
        user.generation.into(),
        user.created_at.into(),
    ];
    let insert = Guarded::new(INSERT, parameters, Rows::Exactly(1), move || {
        Error::already_exists(
            Noun::User,
            format!("Account {account} has a user named {name} already; choose another name."),
        )
    });
    Part::of([account::hold(account), register, insert]).changes(Entity::User, &id)
}

/// Sets whether the user may act; `NotFound` when there is no such user.
///
/// Disabling raises the generation, so that what was sealed for the user stays stopped when it is
/// enabled again.
pub fn set_state(id: UserId, state: UserState) -> Part {
    let statement = match state {
        UserState::Active => ENABLE,
        UserState::Disabled => DISABLE,
    };
    let update = Guarded::new(
        statement,
        vec![id.number().into()],
        Rows::Exactly(1),
        move || Error::not_found(Noun::User, id),
    );
    Part::of([update]).changes(Entity::User, &id)
}

/// Stops everything that was sealed for the user; `NotFound` when there is no such user.
pub fn raise_generation(id: UserId) -> Part {
    let raise = Guarded::new(
        RAISE,
        vec![id.number().into()],
        Rows::Exactly(1),
        move || Error::not_found(Noun::User, id),
    );
    Part::of([raise]).changes(Entity::User, &id)
}

/// Deletes a user's own row; `NotFound` when the account has no such user.
pub(super) fn delete_row(account: AccountId, id: UserId) -> Guarded {
    let parameters = vec![id.number().into(), account.number().into()];
    Guarded::new(DELETE, parameters, Rows::Exactly(1), move || {
        Error::not_found(Noun::User, id)
    })
}

/// Refuses with `NotFound` when the account has no such user, and keeps it from being deleted
/// meanwhile.
pub(super) fn hold(account: AccountId, id: UserId) -> Guarded {
    Guarded::new(
        HOLD,
        vec![id.number().into(), account.number().into()],
        Rows::Exactly(1),
        move || Error::not_found(Noun::User, id),
    )
}

/// Refuses with `NotFound` when the account has no user of that name; the account is held already.
pub(super) fn named(account: AccountId, name: &str) -> Guarded {
    let missing = name.to_owned();
    Guarded::new(
        HAS_NAME,
        vec![account.number().into(), name.into()],
        Rows::Exactly(1),
        move || Error::not_found(Noun::User, &missing),
    )
}

/// Finds a user by its id.
///
/// # Errors
///
/// `StoreUnavailable` when the database doesn't answer, `Internal` for a row that can't be read.
pub async fn find(store: &Store, id: UserId) -> Result<Option<User>> {
    finding(id).ask(store).await
}

/// Looks for a user by its id.
pub(super) fn finding(id: UserId) -> Look<Option<User>> {
    Look::first(FIND, vec![id.number().into()], user)
}

/// Finds a user of an account by its name.
///
/// # Errors
///
/// `StoreUnavailable` when the database doesn't answer, `Internal` for a row that can't be read.
pub async fn find_by_name(store: &Store, account: AccountId, name: &str) -> Result<Option<User>> {
    store
        .find(FIND_BY_NAME, vec![account.number().into(), name.into()])
        .await?
        .as_ref()
        .map(user)
        .transpose()
}

/// Lists the users of an account, oldest first.
///
/// # Errors
///
/// `StoreUnavailable` when the database doesn't answer, `Internal` for a row that can't be read.
pub async fn list(store: &Store, account: AccountId) -> Result<Vec<User>> {
    store
        .query(LIST, vec![account.number().into()])
        .await?
        .iter()
        .map(user)
        .collect()
}

fn user(row: &Row) -> Result<User> {
    Ok(User {
        id: UserId::new(row.integer("id")?).map_err(|error| row.unreadable("id", error))?,
        account: account::id_in(row, "account_id")?,
        name: row.text("name")?,
        state: row.parsed("state")?,
        generation: row.integer("generation")?,
        created_at: row.time("created_at")?,
    })
}
