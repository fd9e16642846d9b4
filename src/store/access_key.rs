//! Access keys. The master key wraps their secrets before they come here.

use std::str::FromStr;

use crate::domain::clock::Timestamp;
use crate::domain::ids::AccountId;
use crate::domain::principal::Principal;
use crate::domain::wrapped::Wrapped;
use crate::domain::{Error, Noun, Result};

use super::last_use::used_at;
use super::nouns::Entity;
use super::part::{Guarded, Part, Rows, WrappedPart};
use super::row::{Row, statements};
use super::{Store, account, principal};

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, principal, sealed_secret, state, generation, created_at, ",
            used_at!("access-key", "access_key.id"),
            " FROM access_key WHERE ",
            $rest
        )
    };
}

statements! { "access_key";
    INSERT = "INSERT INTO access_key (id, account_id, principal, sealed_secret, state, generation, \
              created_at) \
              VALUES ($1, $2, $3, $4, $5, $6, $7)";
    FIND = select!("id = $1");
    IDS_AFTER = "SELECT id FROM access_key WHERE id > $1 AND state <> 'deleted' ORDER BY id LIMIT \
                 $2";
    LIST = select!("state <> 'deleted' ORDER BY created_at, id");
    LIST_OF_ACCOUNT = select!("account_id = $1 AND state <> 'deleted' ORDER BY created_at, id");
    LIST_OF_PRINCIPAL = select!("principal = $1 AND state <> 'deleted' ORDER BY created_at, id");
    ENABLE = "UPDATE access_key SET state = 'active' WHERE id = $1 AND state <> 'deleted'";
    DISABLE = "UPDATE access_key SET state = 'disabled', generation = generation + 1 WHERE id = $1 \
               AND state <> 'deleted'";
    DELETE = "UPDATE access_key SET state = 'deleted', generation = generation + 1, sealed_secret \
              = $2 \
              WHERE id = $1 AND state <> 'deleted'";
    DELETE_OF_PRINCIPAL = "UPDATE access_key SET state = 'deleted', generation = generation + 1, \
                           sealed_secret = $2 \
                           WHERE principal = $1 AND state <> 'deleted'";
}

/// Whether an access key may sign calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessKeyState {
    /// It may.
    Active,
    /// It may not, until it is enabled again.
    Disabled,
    /// It never may again; its secret is gone, its id stays taken.
    Deleted,
}

impl AccessKeyState {
    /// Returns the word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Disabled => "disabled",
            Self::Deleted => "deleted",
        }
    }
}

impl FromStr for AccessKeyState {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        [Self::Active, Self::Disabled, Self::Deleted]
            .into_iter()
            .find(|state| state.name() == text)
            .ok_or_else(|| {
                Error::invalid_parameter("state", "an access key is active, disabled or deleted")
            })
    }
}

/// An access key as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessKey {
    /// Its id, which requests name; never reused.
    pub id: String,
    /// Whose calls it signs.
    pub principal: Principal,
    /// Its secret, wrapped; empty once it is deleted.
    pub sealed_secret: Wrapped,
    /// Whether it may sign calls.
    pub state: AccessKeyState,
    /// The generation that credentials issued with it name; raising it stops them.
    pub generation: i64,
    /// When it was made.
    pub created_at: Timestamp,
    /// The hour in which it was last used, as of when it was read; never written with the key.
    pub last_used_at: Option<Timestamp>,
}

/// Adds an access key; `NotFound` without its account or its user, `AlreadyExists` when its id was
/// ever used.
pub fn insert(key: &AccessKey) -> WrappedPart {
    let account = key.principal.account();
    let parameters = vec![
        key.id.as_str().into(),
        account.number().into(),
        key.principal.to_string().into(),
        key.sealed_secret.as_bytes().into(),
        key.state.name().into(),
        key.generation.into(),
        key.created_at.into(),
    ];
    let id = key.id.clone();
    let insert = Guarded::new(INSERT, parameters, Rows::Exactly(1), move || {
        Error::already_exists(
            Noun::AccessKey,
            format!("The access key id {id} was used before; make another."),
        )
    });
    let mut guarded = vec![account::hold(account)];
    guarded.extend(principal::hold(&key.principal));
    guarded.push(insert);
    WrappedPart::of(
        Some(&key.sealed_secret),
        Part::of(guarded).changes(Entity::AccessKey, &key.id),
    )
}

/// Sets the state; `NotFound` when there is no such key or it was deleted, which is final.
///
/// Disabling and deleting raise the generation, so that what was issued with the key stops.
pub fn set_state(id: &str, state: AccessKeyState) -> Part {
    let (statement, parameters) = match state {
        AccessKeyState::Active => (ENABLE, vec![id.into()]),
        AccessKeyState::Disabled => (DISABLE, vec![id.into()]),
        AccessKeyState::Deleted => (DELETE, vec![id.into(), [].as_slice().into()]),
    };
    let missing = id.to_owned();
    let update = Guarded::new(statement, parameters, Rows::Exactly(1), move || {
        Error::not_found(Noun::AccessKey, &missing)
    });
    Part::of([update]).changes(Entity::AccessKey, id)
}

/// Deletes all access keys of a principal that is itself being deleted, whose own change covers
/// them.
pub(super) fn delete_of(principal: &Principal) -> Guarded {
    Guarded::unguarded(
        DELETE_OF_PRINCIPAL,
        vec![principal.to_string().into(), [].as_slice().into()],
    )
}

/// Finds an access key by its id, deleted ones too.
///
/// # Errors
///
/// `StoreUnavailable` when the database doesn't answer, `Internal` for a row that can't be read.
pub async fn find(store: &Store, id: &str) -> Result<Option<AccessKey>> {
    store
        .find(FIND, vec![id.into()])
        .await?
        .as_ref()
        .map(access_key)
        .transpose()
}

/// Returns the first `limit` ids after `after` of access keys that are not deleted, in order.
///
/// # Errors
///
/// `StoreUnavailable` when the database doesn't answer, `Internal` for a row that can't be read.
pub async fn ids_after(store: &Store, after: &str, limit: u32) -> Result<Vec<String>> {
    store
        .query(IDS_AFTER, vec![after.into(), i64::from(limit).into()])
        .await?
        .iter()
        .map(|row| row.text("id"))
        .collect()
}

/// Lists the access keys that are not deleted, of one account or of all, oldest first.
///
/// # Errors
///
/// `StoreUnavailable` when the database doesn't answer, `Internal` for a row that can't be read.
pub async fn list(store: &Store, account: Option<AccountId>) -> Result<Vec<AccessKey>> {
    let rows = match account {
        Some(account) => {
            store
                .query(LIST_OF_ACCOUNT, vec![account.number().into()])
                .await?
        }
        None => store.query(LIST, Vec::new()).await?,
    };
    rows.iter().map(access_key).collect()
}

/// Lists the access keys of one principal that are not deleted, oldest first.
///
/// # Errors
///
/// `StoreUnavailable` when the database doesn't answer, `Internal` for a row that can't be read.
pub async fn list_of_principal(store: &Store, principal: &Principal) -> Result<Vec<AccessKey>> {
    store
        .query(LIST_OF_PRINCIPAL, vec![principal.to_string().into()])
        .await?
        .iter()
        .map(access_key)
        .collect()
}

fn access_key(row: &Row) -> Result<AccessKey> {
    Ok(AccessKey {
        id: row.text("id")?,
        principal: row.parsed("principal")?,
        sealed_secret: row.wrapped("sealed_secret")?,
        state: row.parsed("state")?,
        generation: row.integer("generation")?,
        created_at: row.time("created_at")?,
        last_used_at: row.optional_time("used_at")?,
    })
}
