//! Accounts.

use crate::domain::clock::Timestamp;
use crate::domain::ids::AccountId;
use crate::domain::service_account::ServiceAccountGrant;
use crate::domain::{Error, Noun, Result};

use super::look::Look;
use super::nouns::Entity;
use super::part::{Guarded, Part, Rows};
use super::row::{Row, statements};
use super::{Store, principal_id};

statements! { "account";
    INSERT = "INSERT INTO account (id, name, generation, created_at, service_account_grant) VALUES \
              ($1, $2, $3, $4, $5)";
    // Reads and locks: another write that adds to this account waits until this one is done.
    HOLD = "UPDATE account SET generation = generation WHERE id = $1";
    HAS_ID = "SELECT id FROM account WHERE id = $1";
    FIND = "SELECT id, name, generation, created_at, service_account_grant FROM account WHERE id = \
            $1";
    FIND_BY_NAME = "SELECT id, name, generation, created_at, service_account_grant FROM account \
                    WHERE name = $1";
    LIST = "SELECT id, name, generation, created_at, service_account_grant FROM account ORDER BY \
            created_at, id";
    SET_GRANT = "UPDATE account SET service_account_grant = $2 WHERE id = $1";
    RAISE = "UPDATE account SET generation = generation + 1 WHERE id = $1";
}

/// A tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Its numeric id, never reused.
    pub id: AccountId,
    /// Its name, unique.
    pub name: String,
    /// The generation that sealed credentials of its root name; raising it stops them.
    pub generation: i64,
    /// When it was made.
    pub created_at: Timestamp,
    /// The rights that its users may give service accounts; `None` for those that the settings say.
    pub service_account_grant: Option<ServiceAccountGrant>,
}

/// Adds an account; `AlreadyExists` when its id or its name is taken, the id perhaps by a user or a
/// role.
pub fn insert(account: &Account) -> Part {
    let (id, name) = (account.id, account.name.clone());
    let id_is_free = Guarded::new(
        HAS_ID,
        vec![id.number().into()],
        Rows::Exactly(0),
        move || {
            Error::already_exists(
                Noun::Account,
                format!("There is an account {id} already; choose another id."),
            )
        },
    );
    let register = principal_id::register(id.number(), move || {
        Error::already_exists(
            Noun::Account,
            format!("The id {id} is or was a user's or a role's; choose another id."),
        )
    });
    let parameters = vec![
        id.number().into(),
        name.as_str().into(),
        account.generation.into(),
        account.created_at.into(),
        account
            .service_account_grant
            .map(ServiceAccountGrant::name)
            .into(),
    ];
    let insert = Guarded::new(INSERT, parameters, Rows::Exactly(1), move || {
        Error::already_exists(
            Noun::Account,
            format!("There is an account named {name} already; choose another name."),
        )
    });
    Part::of([id_is_free, register, insert]).changes(Entity::Account, &id)
}

/// Refuses with `NotFound` when there is no such account, and keeps others from adding to it
/// meanwhile.
pub(super) fn hold(id: AccountId) -> Guarded {
    Guarded::new(
        HOLD,
        vec![id.number().into()],
        Rows::Exactly(1),
        move || Error::not_found(Noun::Account, id),
    )
}

/// Stops everything that was sealed for the account's root; `NotFound` when there is no such
/// account.
pub fn raise_generation(id: AccountId) -> Part {
    let raise = Guarded::new(
        RAISE,
        vec![id.number().into()],
        Rows::Exactly(1),
        move || Error::not_found(Noun::Account, id),
    );
    Part::of([raise]).changes(Entity::Account, &id)
}

/// Sets what the account's users may give service accounts, or leaves it to the settings;
/// `NotFound` when there is no such account.
pub fn set_service_account_grant(id: AccountId, grant: Option<ServiceAccountGrant>) -> Part {
    let parameters = vec![
        id.number().into(),
        grant.map(ServiceAccountGrant::name).into(),
    ];
    let update = Guarded::new(SET_GRANT, parameters, Rows::Exactly(1), move || {
        Error::not_found(Noun::Account, id)
    });
    Part::of([update]).changes(Entity::Account, &id)
}

/// Finds an account by its id.
///
/// # Errors
///
/// `StoreUnavailable` when the database doesn't answer, `Internal` for a row that can't be read.
pub async fn find(store: &Store, id: AccountId) -> Result<Option<Account>> {
    finding(id).ask(store).await
}

/// Looks for an account by its id.
pub(super) fn finding(id: AccountId) -> Look<Option<Account>> {
    Look::first(FIND, vec![id.number().into()], account)
}

/// Finds an account by its name.
///
/// # Errors
///
/// `StoreUnavailable` when the database doesn't answer, `Internal` for a row that can't be read.
pub async fn find_by_name(store: &Store, name: &str) -> Result<Option<Account>> {
    store
        .find(FIND_BY_NAME, vec![name.into()])
        .await?
        .as_ref()
        .map(account)
        .transpose()
}

/// Lists all accounts, oldest first.
///
/// # Errors
///
/// `StoreUnavailable` when the database doesn't answer, `Internal` for a row that can't be read.
pub async fn list(store: &Store) -> Result<Vec<Account>> {
    store
        .query(LIST, Vec::new())
        .await?
        .iter()
        .map(account)
        .collect()
}

/// Reads an account's id out of `column`.
pub(super) fn id_in(row: &Row, column: &str) -> Result<AccountId> {
    AccountId::new(row.integer(column)?).map_err(|error| row.unreadable(column, error))
}

fn account(row: &Row) -> Result<Account> {
    Ok(Account {
        id: id_in(row, "id")?,
        name: row.text("name")?,
        generation: row.integer("generation")?,
        created_at: row.time("created_at")?,
        service_account_grant: row.optional_parsed("service_account_grant")?,
    })
}
