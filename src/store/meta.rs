//! Values of which there is one: what the first start sets, and how far a rotation of the master
//! key has come.

use crate::domain::clock::Timestamp;
use crate::domain::{Error, Noun, Result};

use super::Store;
use super::part::{Guarded, Part, Rows};
use super::row::statements;

statements! { "meta";
    FIND = "SELECT name, value FROM meta WHERE name = $1";
    PUT_IF_ABSENT = "INSERT INTO meta (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING";
    REPLACE = "UPDATE meta SET value = $3 WHERE name = $1 AND value = $2";
    HOLD = "UPDATE meta SET value = value WHERE name = $1 AND value = $2";
    LIST = "SELECT name, value FROM meta WHERE name LIKE $1 ORDER BY name";
    DELETE = "DELETE FROM meta WHERE name = $1";
    PUT = "INSERT INTO meta (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = \
           excluded.value";
}

/// The URL that this service calls itself.
pub const ISSUER: &str = "issuer";
/// Random bytes that all replicas of this store share.
pub const DEPLOYMENT: &str = "deployment";
/// A value that only the right master key opens.
pub const MASTER_KEY_CHECK: &str = "master_key_check";
/// The id of the master key that wraps.
pub const MASTER_KEY_ID: &str = "master_key_id";

/// How far the rotation of the master key has come, and what came before: JSON.
pub const MASTER_KEY_ROTATION: &str = "master_key_rotation";

/// When the data was last backed up: unix milliseconds, in decimal.
const LAST_BACKUP: &str = "last_backup";

/// Since when last uses are recorded: unix milliseconds, in decimal.
const USES_RECORDED_SINCE: &str = "uses_recorded_since";

/// Returns since when last uses are recorded.
///
/// # Errors
///
/// As [`find_text`].
pub async fn uses_recorded_since(store: &Store) -> Result<Option<Timestamp>> {
    let text = find_text(store, USES_RECORDED_SINCE).await?;
    // A text that can't be read is as good as none: then no use is taken for the last.
    Ok(text.and_then(|text| text.parse().ok().map(Timestamp::from_unix_millis)))
}

/// Notes that last uses are recorded from now on, unless they were before.
pub fn note_uses_recorded(now: Timestamp) -> Part {
    let since = now.unix_millis().to_string();
    let parameters = vec![USES_RECORDED_SINCE.into(), since.as_bytes().into()];
    Part::of([Guarded::unguarded(PUT_IF_ABSENT, parameters)])
}

/// Returns when the data was last backed up.
///
/// # Errors
///
/// As [`find_text`].
pub async fn last_backup_at(store: &Store) -> Result<Option<Timestamp>> {
    let text = find_text(store, LAST_BACKUP).await?;
    // A text that can't be read is as good as none: the next backup replaces it.
    Ok(text.and_then(|text| text.parse().ok().map(Timestamp::from_unix_millis)))
}

/// Notes when the data was last backed up.
pub fn note_backup(at: Timestamp) -> Part {
    put(LAST_BACKUP, at.unix_millis().to_string().as_bytes())
}

/// Finds a value.
///
/// # Errors
///
/// `StoreUnavailable` when the database doesn't answer, `Internal` for a row that can't be read.
pub async fn find(store: &Store, name: &str) -> Result<Option<Vec<u8>>> {
    store
        .find(FIND, vec![name.into()])
        .await?
        .map(|row| row.bytes("value"))
        .transpose()
}

/// Finds a value that is text.
///
/// # Errors
///
/// `StoreUnavailable` when the database doesn't answer, `Internal` when the value isn't UTF-8.
pub async fn find_text(store: &Store, name: &str) -> Result<Option<String>> {
    let Some(row) = store.find(FIND, vec![name.into()]).await? else {
        return Ok(None);
    };
    String::from_utf8(row.bytes("value")?)
        .map(Some)
        .map_err(|error| row.unreadable("value", error))
}

/// Returns the values whose names begin so, each with its name. The beginning has no `%` and no
/// `_`.
///
/// # Errors
///
/// As [`find`].
pub async fn list(store: &Store, beginning: &str) -> Result<Vec<(String, Vec<u8>)>> {
    let rows = store
        .query(LIST, vec![format!("{beginning}%").into()])
        .await?;
    rows.iter()
        .map(|row| Ok((row.text("name")?, row.bytes("value")?)))
        .collect()
}

/// Deletes a value, if it is there.
pub fn delete(name: &str) -> Part {
    Part::of([Guarded::unguarded(DELETE, vec![name.into()])])
}

/// Sets a value for the first time; `AlreadyExists`, and nothing else of the write happens, when
/// another was first.
pub fn put_if_absent(name: &'static str, value: &[u8]) -> Part {
    Part::of([Guarded::new(
        PUT_IF_ABSENT,
        vec![name.into(), value.into()],
        Rows::Exactly(1),
        move || {
            Error::already_exists(
                Noun::Setting,
                format!("The setting {name} was set already."),
            )
        },
    )])
}

/// Puts a value into the place of another; `PreconditionFailed` when that isn't there any more.
pub fn replace(name: &'static str, old: &[u8], new: &[u8]) -> Part {
    Part::of([Guarded::new(
        REPLACE,
        vec![name.into(), old.into(), new.into()],
        Rows::Exactly(1),
        move || changed(name),
    )])
}

/// As [`replace`], of a name that is made at run time.
pub(super) fn replace_named(name: &str, old: &[u8], new: &[u8]) -> Part {
    let parameters = vec![name.into(), old.into(), new.into()];
    Part::of([Guarded::new(REPLACE, parameters, Rows::Exactly(1), || {
        Error::precondition_failed(Noun::Setting, "The value was changed meanwhile; try again.")
    })])
}

/// Refuses with `PreconditionFailed` unless the value is this, and keeps others from changing it
/// meanwhile.
pub fn hold(name: &'static str, value: &[u8]) -> Part {
    Part::of([Guarded::new(
        HOLD,
        vec![name.into(), value.into()],
        Rows::Exactly(1),
        move || changed(name),
    )])
}

/// Refuses with `PreconditionFailed` unless the store names the master key of this id, and keeps
/// others from rotating it meanwhile.
pub(super) fn require_current_key(id: &str) -> Part {
    hold(MASTER_KEY_ID, id.as_bytes())
}

fn changed(name: &'static str) -> Error {
    let noun = if name == MASTER_KEY_ID {
        Noun::CurrentMasterKey
    } else {
        Noun::Setting
    };
    Error::precondition_failed(
        noun,
        format!("The setting {name} was changed meanwhile; try again."),
    )
}

/// Sets a value, whatever it was.
pub fn put(name: &str, value: &[u8]) -> Part {
    Part::of([Guarded::unguarded(PUT, vec![name.into(), value.into()])])
}
