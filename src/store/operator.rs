//! Operators who have a token.

use crate::domain::clock::Timestamp;
use crate::domain::ids::AccountId;
use crate::domain::operator::{OlderToken, Operator, OperatorId, OperatorRole, OperatorState};
use crate::domain::{Error, Noun, Result};

use super::nouns::Entity;
use super::part::{Guarded, Part, Rows};
use super::row::{Row, Statement, Value, statements};
use super::{Store, account, console_session};

/// The columns of an operator.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, name, role, account_id, state, token_hash, older_token_hash, \
             older_token_ends_at, created_at FROM operator ",
            $rest
        )
    };
}

statements! { "operator";
    INSERT = "INSERT INTO operator (id, name, role, account_id, state, token_hash, created_at) \
              VALUES ($1, $2, $3, $4, $5, $6, $7)";
    WITHIN = "SELECT id FROM operator WHERE id = $1 AND (SELECT COUNT(*) FROM operator) <= $2";
    FIND_BY_NAME = select!("WHERE name = $1");
    LIST = select!("ORDER BY created_at, id");
    SET_STATE = "UPDATE operator SET state = $2 WHERE id = $1";
    ROTATE = "UPDATE operator SET older_token_hash = token_hash, older_token_ends_at = $3, \
              token_hash = $2 WHERE id = $1";
    REPLACE = "UPDATE operator SET older_token_hash = NULL, older_token_ends_at = NULL, token_hash \
               = $2 WHERE id = $1";
    DELETE = "DELETE FROM operator WHERE id = $1";
}

/// Adds an operator; `NotFound` without the account of an account-admin, `AlreadyExists` when
/// another one has its name, `QuotaExceeded` when there are more than `most` now.
pub fn insert(operator: &Operator, most: u32) -> Part {
    let parameters = vec![
        operator.id.as_str().into(),
        operator.name.as_str().into(),
        operator.role.name().into(),
        operator.role.account().map(AccountId::number).into(),
        operator.state.name().into(),
        operator.token_hash.as_slice().into(),
        operator.created_at.into(),
    ];
    let name = operator.name.clone();
    let insert = Guarded::new(INSERT, parameters, Rows::Exactly(1), move || {
        Error::already_exists(
            Noun::Operator,
            format!("There is an operator named {name} already; choose another name."),
        )
    });
    let counted = vec![operator.id.as_str().into(), i64::from(most).into()];
    let within = Guarded::new(WITHIN, counted, Rows::Exactly(1), move || {
        Error::quota_exceeded(
            Noun::Operator,
            format!("There may be {most} operators and no more; delete some."),
        )
    });
    let held = operator.role.account().map(account::hold);
    Part::of(held.into_iter().chain([insert, within])).changes(Entity::Operator, &operator.id)
}

/// Sets whether an operator's token is taken; `NotFound` when there is no such operator.
pub fn set_state(id: &OperatorId, state: OperatorState) -> Part {
    change(SET_STATE, id, vec![state.name().into()])
}

/// Gives an operator another token; the one before is taken until `older_ends_at`, or no more. An
/// even older one is refused. `NotFound` when there is no such operator.
pub fn rotate(id: &OperatorId, token_hash: &[u8; 32], older_ends_at: Option<Timestamp>) -> Part {
    let hash = token_hash.as_slice().into();
    match older_ends_at {
        Some(ends_at) => change(ROTATE, id, vec![hash, ends_at.into()]),
        None => change(REPLACE, id, vec![hash]),
    }
}

/// Deletes an operator and its sessions; `NotFound` when there is no such operator.
pub fn delete(id: &OperatorId) -> Part {
    Part::of([console_session::delete_of(id)]).and(change(DELETE, id, Vec::new()))
}

/// Changes the row of an operator by a statement whose first parameter is its id.
fn change(statement: Statement, id: &OperatorId, more: Vec<Value>) -> Part {
    let mut parameters = vec![id.as_str().into()];
    parameters.extend(more);
    let missing = id.clone();
    let change = Guarded::new(statement, parameters, Rows::Exactly(1), move || {
        Error::not_found(Noun::Operator, &missing)
    });
    Part::of([change]).changes(Entity::Operator, id)
}

/// Finds an operator by its name.
///
/// # Errors
///
/// `StoreUnavailable` when the database doesn't answer, `Internal` for a row that can't be read.
pub async fn find_by_name(store: &Store, name: &str) -> Result<Option<Operator>> {
    store
        .find(FIND_BY_NAME, vec![name.into()])
        .await?
        .as_ref()
        .map(operator)
        .transpose()
}

/// Lists all operators, oldest first.
///
/// # Errors
///
/// `StoreUnavailable` when the database doesn't answer, `Internal` for a row that can't be read.
pub async fn list(store: &Store) -> Result<Vec<Operator>> {
    store
        .query(LIST, Vec::new())
        .await?
        .iter()
        .map(operator)
        .collect()
}

fn operator(row: &Row) -> Result<Operator> {
    let account = match row.optional_integer("account_id")? {
        Some(_) => Some(account::id_in(row, "account_id")?),
        None => None,
    };
    let role = OperatorRole::new(&row.text("role")?, account)
        .map_err(|error| row.unreadable("role", error))?;
    let older_token = match row.optional_integer("older_token_ends_at")? {
        Some(ends_at) => Some(OlderToken {
            hash: row.fixed_bytes("older_token_hash")?,
            ends_at: Timestamp::from_unix_millis(ends_at),
        }),
        None => None,
    };
    Ok(Operator {
        id: row.parsed("id")?,
        name: row.text("name")?,
        role,
        state: row.parsed("state")?,
        token_hash: row.fixed_bytes("token_hash")?,
        older_token,
        created_at: row.time("created_at")?,
    })
}
