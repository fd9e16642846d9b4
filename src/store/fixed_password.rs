//! Fixed passwords: one for each principal and instance, by its slow hash.

use crate::domain::clock::Timestamp;
use crate::domain::credential::{FixedPassword, PasswordHash};
use crate::domain::ids::InstanceId;
use crate::domain::principal::Principal;
use crate::domain::{Error, Noun, Result};

use super::nouns::Entity;
use super::part::{Guarded, Part, Rows};
use super::row::{Row, statements};
use super::{Store, instance, principal};

statements! { "fixed_password";
    SET = "INSERT INTO fixed_password (instance_id, principal, hash, generation, changed_at) \
           VALUES ($1, $2, $3, 1, $4) \
           ON CONFLICT (instance_id, principal) DO UPDATE SET hash = excluded.hash, \
           generation = fixed_password.generation + 1, changed_at = excluded.changed_at";
    FIND = "SELECT principal, instance_id, hash, generation, changed_at FROM fixed_password \
            WHERE instance_id = $1 AND principal = $2 AND hash IS NOT NULL";
    DELETE = "UPDATE fixed_password SET hash = NULL, generation = generation + 1, changed_at = $3 \
              WHERE instance_id = $1 AND principal = $2 AND hash IS NOT NULL";
    DELETE_OF_PRINCIPAL = "DELETE FROM fixed_password WHERE principal = $1";
    DELETE_OF_INSTANCE = "DELETE FROM fixed_password WHERE instance_id = $1";
}

/// Sets or replaces a principal's password at an instance, and stops what was got with the one
/// before.
///
/// `InstanceNotFound` without the instance, `NotFound` without the user. Which principals may have
/// one the caller knows.
pub fn set(
    instance: &InstanceId,
    principal: &Principal,
    hash: &PasswordHash,
    at: Timestamp,
) -> Part {
    let parameters = vec![
        instance.as_str().into(),
        principal.to_string().into(),
        hash.as_str().into(),
        at.into(),
    ];
    let mut guarded = vec![instance::hold(instance)];
    guarded.extend(principal::hold(principal));
    guarded.push(Guarded::unguarded(SET, parameters));
    Part::of(guarded).changes(Entity::FixedPassword, &thing_id(instance, principal))
}

/// Takes a principal's password at an instance back for ever; `NotFound` when it has none.
pub fn delete(instance: &InstanceId, principal: &Principal, at: Timestamp) -> Part {
    let which = format!("of {principal}");
    let parameters = vec![
        instance.as_str().into(),
        principal.to_string().into(),
        at.into(),
    ];
    let delete = Guarded::new(DELETE, parameters, Rows::Exactly(1), move || {
        Error::not_found(Noun::FixedPassword, &which)
    });
    Part::of([delete]).changes(Entity::FixedPassword, &thing_id(instance, principal))
}

/// Deletes all passwords of a principal that is itself being deleted, whose own change covers them.
pub(super) fn delete_of(principal: &Principal) -> Guarded {
    Guarded::unguarded(DELETE_OF_PRINCIPAL, vec![principal.to_string().into()])
}

/// Deletes all passwords at an instance that is being deleted, whose own change covers them.
pub(super) fn delete_of_instance(id: &InstanceId) -> Guarded {
    Guarded::unguarded(DELETE_OF_INSTANCE, vec![id.as_str().into()])
}

fn thing_id(instance: &InstanceId, principal: &Principal) -> String {
    format!("{instance}/{principal}")
}

/// Finds a principal's password at an instance.
///
/// # Errors
///
/// `StoreUnavailable` when the database doesn't answer, `Internal` for a row that can't be read.
pub async fn find(
    store: &Store,
    instance: &InstanceId,
    principal: &Principal,
) -> Result<Option<FixedPassword>> {
    store
        .find(
            FIND,
            vec![instance.as_str().into(), principal.to_string().into()],
        )
        .await?
        .as_ref()
        .map(fixed_password)
        .transpose()
}

fn fixed_password(row: &Row) -> Result<FixedPassword> {
    Ok(FixedPassword {
        instance: row.parsed("instance_id")?,
        principal: row.parsed("principal")?,
        hash: PasswordHash::new(row.text("hash")?),
        generation: row.integer("generation")?,
        changed_at: row.time("changed_at")?,
    })
}
