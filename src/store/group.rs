//! Groups of users, and who is in them.

use crate::domain::identity::Group;
use crate::domain::ids::{AccountId, UserId};
use crate::domain::{Error, Noun, Result};

use super::nouns::Entity;
use super::part::{Guarded, Part, Rows};
use super::row::{Row, statements};
use super::{Store, account, user};

statements! {
    "account_group" {
        INSERT = "INSERT INTO account_group (account_id, name, created_at) VALUES ($1, $2, $3)";
        HAS_NAME = "SELECT name FROM account_group WHERE account_id = $1 AND name = $2";
        LIST = "SELECT name, account_id, created_at FROM account_group WHERE account_id = $1 ORDER \
                BY created_at, name";
        DELETE = "DELETE FROM account_group WHERE account_id = $1 AND name = $2";
    }
    "group_member" {
        ADD = "INSERT INTO group_member (account_id, group_name, user_id) \
               SELECT account_group.account_id, account_group.name, account_user.id FROM \
               account_group \
               JOIN account_user ON account_user.account_id = account_group.account_id \
               WHERE account_group.account_id = $1 AND account_group.name = $2 \
               AND account_user.name = $3 AND account_user.state <> 'deleted'";
        REMOVE = "DELETE FROM group_member WHERE account_id = $1 AND group_name = $2 AND user_id = \
                  (SELECT id FROM account_user WHERE account_id = $1 AND name = $3 AND state <> \
                  'deleted')";
        EMPTY = "DELETE FROM group_member WHERE account_id = $1 AND group_name = $2";
        LEAVE_ALL = "DELETE FROM group_member WHERE user_id = $1";
        MEMBERS = "SELECT group_member.group_name AS group_name, account_user.name AS name \
                   FROM group_member \
                   JOIN account_user ON account_user.id = group_member.user_id \
                   WHERE group_member.account_id = $1 ORDER BY account_user.name";
    }
}

/// Adds a group without members; `NotFound` without its account, `AlreadyExists` when the account
/// has that name already.
pub fn insert(group: &Group) -> Part {
    let (account, name) = (group.account, group.name.clone());
    let parameters = vec![
        account.number().into(),
        name.as_str().into(),
        group.created_at.into(),
    ];
    let insert = Guarded::new(INSERT, parameters, Rows::Exactly(1), move || {
        Error::already_exists(
            Noun::Group,
            format!("Account {account} has a group named {name} already; choose another name."),
        )
    });
    Part::of([account::hold(account), insert]).changes(Entity::Policies, &account)
}

/// Takes all members out of a group.
pub(super) fn empty(account: AccountId, name: &str) -> Guarded {
    Guarded::unguarded(EMPTY, vec![account.number().into(), name.into()])
}

/// Deletes a group's own row; `NotFound` when the account has no such group.
pub(super) fn delete_row(account: AccountId, name: &str) -> Guarded {
    let missing = name.to_owned();
    let parameters = vec![account.number().into(), name.into()];
    Guarded::new(DELETE, parameters, Rows::Exactly(1), move || {
        Error::not_found(Noun::Group, &missing)
    })
}

/// Puts a user into a group; `NotFound` without either, `AlreadyExists` when the user is in it.
pub fn add_member(account: AccountId, group: &str, user: &str) -> Part {
    let (in_group, member) = (group.to_owned(), user.to_owned());
    let add = Guarded::new(
        ADD,
        membership(account, group, user),
        Rows::Exactly(1),
        move || {
            Error::already_exists(
                Noun::Member,
                format!("User {member} is in group {in_group} already."),
            )
        },
    );
    Part::of([
        account::hold(account),
        named(account, group),
        user::named(account, user),
        add,
    ])
    .changes(Entity::Policies, &account)
}

/// Takes a user out of a group; `NotFound` without either, or when the user is not in it.
pub fn remove_member(account: AccountId, group: &str, user: &str) -> Part {
    let missing = format!("{user} in group {group}");
    let remove = Guarded::new(
        REMOVE,
        membership(account, group, user),
        Rows::Exactly(1),
        move || Error::not_found(Noun::Member, &missing),
    );
    Part::of([
        account::hold(account),
        named(account, group),
        user::named(account, user),
        remove,
    ])
    .changes(Entity::Policies, &account)
}

fn membership(account: AccountId, group: &str, user: &str) -> Vec<super::Value> {
    vec![account.number().into(), group.into(), user.into()]
}

/// Takes a user that is being deleted out of all its groups.
pub(super) fn leave_all(user: UserId) -> Guarded {
    Guarded::unguarded(LEAVE_ALL, vec![user.number().into()])
}

/// Refuses with `NotFound` when the account has no group of that name; the account is held already.
pub(super) fn named(account: AccountId, name: &str) -> Guarded {
    let missing = name.to_owned();
    Guarded::new(
        HAS_NAME,
        vec![account.number().into(), name.into()],
        Rows::Exactly(1),
        move || Error::not_found(Noun::Group, &missing),
    )
}

/// Lists the groups of an account, oldest first.
///
/// # Errors
///
/// `StoreUnavailable` when the database doesn't answer, `Internal` for a row that can't be read.
pub async fn list(store: &Store, account: AccountId) -> Result<Vec<Group>> {
    store
        .query(LIST, vec![account.number().into()])
        .await?
        .iter()
        .map(group)
        .collect()
}

/// Lists the members of all groups of an account, as the names of group and user.
///
/// # Errors
///
/// `StoreUnavailable` when the database doesn't answer, `Internal` for a row that can't be read.
pub async fn members(store: &Store, account: AccountId) -> Result<Vec<(String, String)>> {
    store
        .query(MEMBERS, vec![account.number().into()])
        .await?
        .iter()
        .map(|row| Ok((row.text("group_name")?, row.text("name")?)))
        .collect()
}

fn group(row: &Row) -> Result<Group> {
    Ok(Group {
        account: account::id_in(row, "account_id")?,
        name: row.text("name")?,
        created_at: row.time("created_at")?,
    })
}
