//! Fixed passwords: one for each principal and instance, by its slow hash.
//!
//! An imported one also has the name that it logged in with before, unique at its instance. Its
//! hash is the old bcrypt until its first log-in.

use crate::domain::clock::Timestamp;
use crate::domain::credential::{FixedPassword, PasswordHash};
use crate::domain::ids::InstanceId;
use crate::domain::last_use::UsedKind;
use crate::domain::principal::Principal;
use crate::domain::{Error, Noun, Result};

use super::last_use::{self, used_at};
use super::nouns::Entity;
use super::part::{Guarded, Part, Rows};
use super::row::{Row, statements};
use super::{Store, instance, principal};

/// The columns of a password that is there.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT principal, instance_id, hash, generation, changed_at, old_name, expires_at, ",
            used_at!(
                "fixed-password",
                "fixed_password.instance_id || '/' || fixed_password.principal"
            ),
            " FROM fixed_password WHERE instance_id = $1 AND hash IS NOT NULL ",
            $rest
        )
    };
}

statements! { "fixed_password";
    SET = "INSERT INTO fixed_password (instance_id, principal, hash, generation, changed_at) \
           VALUES ($1, $2, $3, 1, $4) \
           ON CONFLICT (instance_id, principal) DO UPDATE SET hash = excluded.hash, \
           generation = fixed_password.generation + 1, changed_at = excluded.changed_at, \
           expires_at = NULL";
    // The row of a password that was deleted is there still, with its generation.
    IMPORT = "INSERT INTO fixed_password (instance_id, principal, hash, generation, changed_at, \
              old_name, expires_at) VALUES ($1, $2, $3, 1, $4, $5, $6) \
              ON CONFLICT (instance_id, principal) DO UPDATE SET hash = excluded.hash, \
              generation = fixed_password.generation + 1, changed_at = excluded.changed_at, \
              old_name = excluded.old_name, expires_at = excluded.expires_at \
              WHERE fixed_password.hash IS NULL";
    RENEW = "UPDATE fixed_password SET hash = $4 \
             WHERE instance_id = $1 AND principal = $2 AND hash = $3";
    FIND = select!("AND principal = $2");
    FIND_BY_OLD_NAME = select!("AND old_name = $2");
    LIST = select!("ORDER BY principal");
    // `$2y$12$`: the cost of a bcrypt stands at the fifth place of its text form.
    OLD_NAMES = "SELECT COUNT(*) AS names, \
                 MAX(CASE WHEN hash LIKE '_2%' THEN SUBSTR(hash, 5, 2) END) AS cost \
                 FROM fixed_password \
                 WHERE instance_id = $1 AND old_name IS NOT NULL AND hash IS NOT NULL";
    DELETE = "UPDATE fixed_password SET hash = NULL, generation = generation + 1, \
              changed_at = $3, old_name = NULL, expires_at = NULL \
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
    // The next use is the new password's.
    guarded.push(forget_use(instance, principal));
    Part::of(guarded).changes(Entity::FixedPassword, &thing_id(instance, principal))
}

/// The old names of an instance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OldNames {
    /// How many there are.
    pub count: u64,
    /// The highest cost of a bcrypt among them; `None` when none has one any more.
    pub max_cost: Option<u32>,
}

/// Adds an imported password with its old name.
///
/// `InstanceNotFound` without the instance, `NotFound` without the user, `AlreadyExists` when the
/// principal has a password at the instance, or the old name is another's there.
pub fn import(password: &FixedPassword) -> Part {
    let (instance, principal) = (&password.instance, &password.principal);
    let parameters = vec![
        instance.as_str().into(),
        principal.to_string().into(),
        password.hash.as_str().into(),
        password.changed_at.into(),
        password.old_name.as_deref().into(),
        password.expires_at.into(),
    ];
    let message = format!(
        "{principal} has a password at {instance} already, or the old name is another's there."
    );
    let mut guarded = vec![instance::hold(instance)];
    guarded.extend(principal::hold(principal));
    guarded.push(Guarded::new(
        IMPORT,
        parameters,
        Rows::Exactly(1),
        move || Error::already_exists(Noun::FixedPassword, message.as_str()),
    ));
    guarded.push(forget_use(instance, principal));
    Part::of(guarded).changes(Entity::FixedPassword, &thing_id(instance, principal))
}

/// Replaces the hash of a password by another one of the same password; `NotFound` when the
/// password has another hash by now.
///
/// The generation stays: nothing that was got with the password stops.
pub fn renew(password: &FixedPassword, hash: &PasswordHash) -> Part {
    let (instance, principal) = (&password.instance, &password.principal);
    let parameters = vec![
        instance.as_str().into(),
        principal.to_string().into(),
        password.hash.as_str().into(),
        hash.as_str().into(),
    ];
    let which = format!("of {principal}, with the hash that was there");
    let renew = Guarded::new(RENEW, parameters, Rows::Exactly(1), move || {
        Error::not_found(Noun::FixedPassword, &which)
    });
    Part::of([renew]).changes(Entity::FixedPassword, &thing_id(instance, principal))
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
    Part::of([delete, forget_use(instance, principal)])
        .changes(Entity::FixedPassword, &thing_id(instance, principal))
}

fn forget_use(instance: &InstanceId, principal: &Principal) -> Guarded {
    last_use::forget(UsedKind::FixedPassword, &thing_id(instance, principal))
}

/// Deletes all passwords of a principal that is itself being deleted, whose own change covers them.
pub(super) fn delete_of(principal: &Principal) -> Guarded {
    Guarded::unguarded(DELETE_OF_PRINCIPAL, vec![principal.to_string().into()])
}

/// Deletes all passwords at an instance that is being deleted, whose own change covers them.
pub(super) fn delete_of_instance(id: &InstanceId) -> Guarded {
    Guarded::unguarded(DELETE_OF_INSTANCE, vec![id.as_str().into()])
}

/// Returns the id of a password in the change feed.
pub fn thing_id(instance: &InstanceId, principal: &Principal) -> String {
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

/// Finds the password at an instance that logs in with this old name.
///
/// # Errors
///
/// `StoreUnavailable` when the database doesn't answer, `Internal` for a row that can't be read.
pub async fn find_by_old_name(
    store: &Store,
    instance: &InstanceId,
    old_name: &str,
) -> Result<Option<FixedPassword>> {
    store
        .find(
            FIND_BY_OLD_NAME,
            vec![instance.as_str().into(), old_name.into()],
        )
        .await?
        .as_ref()
        .map(fixed_password)
        .transpose()
}

/// Lists the passwords at an instance, by their principals.
///
/// # Errors
///
/// `StoreUnavailable` when the database doesn't answer, `Internal` for a row that can't be read.
pub async fn list(store: &Store, instance: &InstanceId) -> Result<Vec<FixedPassword>> {
    store
        .query(LIST, vec![instance.as_str().into()])
        .await?
        .iter()
        .map(fixed_password)
        .collect()
}

/// Counts the old names of an instance.
///
/// # Errors
///
/// `StoreUnavailable` when the database doesn't answer, `Internal` for a row that can't be read.
pub async fn old_names(store: &Store, instance: &InstanceId) -> Result<OldNames> {
    let found = store
        .find(OLD_NAMES, vec![instance.as_str().into()])
        .await?;
    let Some(row) = found else {
        return Ok(OldNames::default());
    };
    let cost = row.optional_text("cost")?;
    let max_cost = cost.map(|cost| cost.parse::<u32>());
    Ok(OldNames {
        count: row.number("names")?,
        max_cost: max_cost
            .transpose()
            .map_err(|error| row.unreadable("hash", error))?,
    })
}

fn fixed_password(row: &Row) -> Result<FixedPassword> {
    Ok(FixedPassword {
        instance: row.parsed("instance_id")?,
        principal: row.parsed("principal")?,
        hash: PasswordHash::new(row.text("hash")?),
        generation: row.integer("generation")?,
        changed_at: row.time("changed_at")?,
        old_name: row.optional_text("old_name")?,
        expires_at: row.optional_time("expires_at")?,
        last_used_at: row.optional_time("used_at")?,
    })
}
