//! Signing keys of one instance alone. The master key wraps their private parts before they come
//! here.
//!
//! A table of their own: what goes through all the shared signing keys can't touch one of these by
//! mistake.

use std::str::FromStr;

use crate::domain::clock::Timestamp;
use crate::domain::ids::InstanceId;
use crate::domain::instance::Algorithm;
use crate::domain::wrapped::Wrapped;
use crate::domain::{Error, Noun, Result};

use super::nouns::Entity;
use super::part::{Guarded, Part, Rows, WrappedPart};
use super::row::{Row, statements};
use super::{Store, instance};

statements! { "instance_key";
    INSERT = "INSERT INTO instance_key (id, instance_id, algorithm, wrapped_private, state, \
              created_at) VALUES ($1, $2, $3, $4, $5, $6)";
    LIST = "SELECT id, instance_id, algorithm, wrapped_private, state, created_at FROM \
            instance_key ORDER BY created_at, id";
    DELETE_IN_USE = "DELETE FROM instance_key WHERE instance_id = $1 AND state = 'in-use'";
    ACTIVATE = "UPDATE instance_key SET state = 'in-use' WHERE id = $1 AND instance_id = $2 AND \
                state = 'next'";
    DELETE_NEXT = "DELETE FROM instance_key WHERE instance_id = $1 AND state = 'next'";
    DELETE_OF_INSTANCE = "DELETE FROM instance_key WHERE instance_id = $1";
}

/// The state of an instance's own key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InstanceKeyState {
    /// The registry is to hear of it; it signs nothing yet.
    Next,
    /// It signs the instance's tokens.
    InUse,
}

impl InstanceKeyState {
    /// Returns the name that the store uses.
    pub fn name(self) -> &'static str {
        match self {
            Self::Next => "next",
            Self::InUse => "in-use",
        }
    }
}

impl FromStr for InstanceKeyState {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        [Self::Next, Self::InUse]
            .into_iter()
            .find(|state| state.name() == text)
            .ok_or_else(|| Error::invalid_parameter("state", "an instance's key is next or in-use"))
    }
}

/// A key that signs the tokens of one instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstanceKeyRow {
    /// Its id.
    pub id: String,
    /// The instance whose tokens it signs.
    pub instance: InstanceId,
    /// The algorithm that it signs with.
    pub algorithm: Algorithm,
    /// The private key, wrapped.
    pub wrapped_private: Wrapped,
    /// Its state.
    pub state: InstanceKeyState,
    /// When it was made.
    pub created_at: Timestamp,
}

/// Adds a key; `InstanceNotFound`, and `AlreadyExists` when its instance has one in that state.
pub fn insert(key: &InstanceKeyRow) -> WrappedPart {
    let parameters = vec![
        key.id.as_str().into(),
        key.instance.as_str().into(),
        key.algorithm.name().into(),
        key.wrapped_private.as_bytes().into(),
        key.state.name().into(),
        key.created_at.into(),
    ];
    let insert = Guarded::new(INSERT, parameters, Rows::Exactly(1), || {
        Error::already_exists(
            Noun::SigningKey,
            "The instance has such a key of its own already; look at `transire keys list`.",
        )
    });
    let part =
        Part::of([instance::hold(&key.instance), insert]).changes(Entity::SigningKey, &key.id);
    WrappedPart::of(Some(&key.wrapped_private), part)
}

/// Lists all of them, oldest first.
///
/// # Errors
///
/// `StoreUnavailable` when the database doesn't answer, `Internal` for a row that can't be read.
pub async fn list(store: &Store) -> Result<Vec<InstanceKeyRow>> {
    store
        .query(LIST, Vec::new())
        .await?
        .iter()
        .map(key)
        .collect()
}

/// Puts the instance's key that is next in the place of the one in use, which is forgotten;
/// `AlreadyExists` when it isn't next any more.
pub fn activate(id: &str, instance: &InstanceId) -> Part {
    let delete = Guarded::unguarded(DELETE_IN_USE, vec![instance.as_str().into()]);
    let activate = Guarded::new(
        ACTIVATE,
        vec![id.into(), instance.as_str().into()],
        Rows::Exactly(1),
        || {
            Error::already_exists(
                Noun::SigningKey,
                "Somebody changed this instance's keys at the same moment; look at `transire keys \
                 list`.",
            )
        },
    );
    Part::of([delete, activate]).changes(Entity::SigningKey, id)
}

/// Forgets the instance's key that is next, if there is one.
pub fn delete_next(instance: &InstanceId) -> Part {
    Part::of([Guarded::unguarded(
        DELETE_NEXT,
        vec![instance.as_str().into()],
    )])
    .changes(Entity::SigningKey, instance)
}

pub(super) fn delete_of_instance(instance: &InstanceId) -> Guarded {
    Guarded::unguarded(DELETE_OF_INSTANCE, vec![instance.as_str().into()])
}

fn key(row: &Row) -> Result<InstanceKeyRow> {
    Ok(InstanceKeyRow {
        id: row.text("id")?,
        instance: row.parsed("instance_id")?,
        algorithm: row.parsed("algorithm")?,
        wrapped_private: row.wrapped("wrapped_private")?,
        state: row.parsed("state")?,
        created_at: row.time("created_at")?,
    })
}
