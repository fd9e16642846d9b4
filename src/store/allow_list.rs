//! Allow lists of instances. Whether one is obeyed, the instance says.

use crate::domain::allow_list::{AllowEntry, AllowList, Cidr};
use crate::domain::ids::{AccountId, InstanceId};
use crate::domain::{Error, Noun, Result};

use super::nouns::Entity;
use super::part::{Guarded, Part, Rows};
use super::quota::{self, Counted};
use super::row::{Row, Value, statements};
use super::{Store, instance};

statements! {
    "instance" {
        IS_VERSION = "SELECT id FROM instance WHERE id = $1 AND allow_list_version = $2";
        RAISE_VERSION = "UPDATE instance SET allow_list_version = allow_list_version + 1 WHERE id \
                         = $1 AND deleted_at IS NULL";
        FIND = "SELECT instance.id AS id, instance.allow_list_version AS version, allow_entry.cidr \
                AS cidr, \
                allow_entry.written AS written, allow_entry.comment AS comment \
                FROM instance LEFT JOIN allow_entry ON allow_entry.instance_id = instance.id \
                WHERE instance.id = $1 AND instance.deleted_at IS NULL ORDER BY allow_entry.place";
    }
    "allow_entry" {
        // The place is the next one, so that entries are listed as they were added.
        ADD = "INSERT INTO allow_entry (instance_id, cidr, written, comment, place) \
               VALUES ($1, $2, $3, $4, (SELECT COALESCE(MAX(place), 0) + 1 FROM allow_entry WHERE \
               instance_id = $1))";
        ADD_IF_ABSENT = "INSERT INTO allow_entry (instance_id, cidr, written, comment, place) \
                         VALUES ($1, $2, $3, $4, (SELECT COALESCE(MAX(place), 0) + 1 FROM \
                         allow_entry WHERE instance_id = $1)) \
                         ON CONFLICT (instance_id, cidr) DO NOTHING";
        HAS = "SELECT cidr FROM allow_entry WHERE instance_id = $1 AND cidr = $2";
        REPLACE = "UPDATE allow_entry SET cidr = $3, written = $4, comment = $5 WHERE instance_id \
                   = $1 AND cidr = $2";
        DELETE = "DELETE FROM allow_entry WHERE instance_id = $1 AND cidr = $2";
        DELETE_OF_INSTANCE = "DELETE FROM allow_entry WHERE instance_id = $1";
        LIST_OF_ACCOUNT = "SELECT allow_entry.instance_id AS instance_id, allow_entry.cidr \
                           AS cidr, allow_entry.written AS written, allow_entry.comment AS comment \
                           FROM allow_entry JOIN instance ON instance.id = allow_entry.instance_id \
                           WHERE instance.account_id = $1 AND instance.deleted_at IS NULL \
                           ORDER BY allow_entry.instance_id, allow_entry.place";
    }
}

/// Adds entries, all or none, to a list that may have `most` of them.
///
/// `InstanceNotFound`, `AlreadyExists` when the list has one of them or they have one twice,
/// `QuotaExceeded`.
pub fn add(instance: &InstanceId, entries: &[AllowEntry], most: u32) -> Part {
    let mut guarded = vec![raise(instance)];
    guarded.extend(entries.iter().map(|entry| {
        Guarded::new(
            ADD,
            parameters(instance, entry),
            Rows::Exactly(1),
            taken(entry),
        )
    }));
    guarded.push(quota::within(instance, Counted::AllowEntries, most));
    changed(instance, guarded)
}

/// Adds an entry unless the list has it; `InstanceNotFound`. No quota keeps it out.
pub fn add_if_absent(instance: &InstanceId, entry: &AllowEntry) -> Part {
    changed(
        instance,
        [
            raise(instance),
            Guarded::unguarded(ADD_IF_ABSENT, parameters(instance, entry)),
        ],
    )
}

/// Puts an entry at the place of another.
///
/// `InstanceNotFound`, `NotFound` without the other, `AlreadyExists` when the list has the new one
/// elsewhere.
pub fn replace(instance: &InstanceId, old: &Cidr, new: &AllowEntry) -> Part {
    let key = || vec![Value::from(instance.as_str()), old.to_string().into()];
    let there = Guarded::new(HAS, key(), Rows::Exactly(1), missing(old));
    let columns = parameters(instance, new).into_iter().skip(1);
    let replace = Guarded::new(
        REPLACE,
        key().into_iter().chain(columns).collect(),
        Rows::Exactly(1),
        taken(new),
    );
    changed(instance, [raise(instance), there, replace])
}

/// Deletes entries, all or none; `InstanceNotFound`, `NotFound` when the list lacks one of them.
pub fn delete(instance: &InstanceId, entries: &[Cidr]) -> Part {
    let mut guarded = vec![raise(instance)];
    guarded.extend(entries.iter().map(|cidr| {
        Guarded::new(
            DELETE,
            vec![instance.as_str().into(), cidr.to_string().into()],
            Rows::Exactly(1),
            missing(cidr),
        )
    }));
    changed(instance, guarded)
}

/// Refuses with `PreconditionFailed` when the list is not of this version any more; to come before
/// a change that rests on places in that version. `InstanceNotFound`.
pub fn expect_version(instance: &InstanceId, version: i64) -> Part {
    let is_version = Guarded::new(
        IS_VERSION,
        vec![instance.as_str().into(), version.into()],
        Rows::Exactly(1),
        move || {
            let why = format!(
                "The allow list is not of version {version} any more: it was changed meanwhile; \
                 list it again."
            );
            Error::precondition_failed(Noun::AllowList, why)
        },
    );
    Part::of([instance::hold(instance), is_version])
}

/// Raises the version, and so keeps the instance from being changed meanwhile.
fn raise(instance: &InstanceId) -> Guarded {
    Guarded::new(
        RAISE_VERSION,
        vec![instance.as_str().into()],
        Rows::Exactly(1),
        Error::instance_not_found,
    )
}

fn changed(instance: &InstanceId, guarded: impl IntoIterator<Item = Guarded>) -> Part {
    Part::of(guarded).changes(Entity::AllowList, instance)
}

fn parameters(instance: &InstanceId, entry: &AllowEntry) -> Vec<Value> {
    vec![
        instance.as_str().into(),
        entry.cidr.to_string().into(),
        entry.written.as_str().into(),
        entry.comment.as_str().into(),
    ]
}

fn taken(entry: &AllowEntry) -> impl Fn() -> Error + Send + Sync + 'static {
    let cidr = entry.cidr;
    move || {
        Error::already_exists(
            Noun::AllowListEntry,
            format!("The allow list has {cidr} already, or is given it twice."),
        )
    }
}

fn missing(cidr: &Cidr) -> impl Fn() -> Error + Send + Sync + 'static {
    let cidr = *cidr;
    move || Error::not_found(Noun::AllowListEntry, cidr)
}

/// Deletes the list of an instance that is being deleted, whose own change covers it.
pub(super) fn delete_of_instance(id: &InstanceId) -> Guarded {
    Guarded::unguarded(DELETE_OF_INSTANCE, vec![id.as_str().into()])
}

/// Finds the allow list of an instance; `None` when there is no such instance.
///
/// # Errors
///
/// `StoreUnavailable` when the database doesn't answer, `Internal` for a row that can't be read.
pub async fn find(store: &Store, instance: &InstanceId) -> Result<Option<AllowList>> {
    let rows = store.query(FIND, vec![instance.as_str().into()]).await?;
    let Some(first) = rows.first() else {
        return Ok(None);
    };
    let version = first.integer("version")?;
    let entries = rows
        .iter()
        .filter_map(|row| entry(row).transpose())
        .collect::<Result<_>>()?;
    Ok(Some(AllowList { version, entries }))
}

/// Lists the entries of all allow lists of an account's instances, those of one list as they were
/// added.
///
/// # Errors
///
/// `StoreUnavailable` when the database doesn't answer, `Internal` for a row that can't be read.
pub async fn list_of_account(
    store: &Store,
    account: AccountId,
) -> Result<Vec<(InstanceId, AllowEntry)>> {
    let rows = store
        .query(LIST_OF_ACCOUNT, vec![account.number().into()])
        .await?;
    rows.iter()
        .filter_map(|row| {
            let place = row.parsed("instance_id");
            place
                .and_then(|id| Ok(entry(row)?.map(|entry| (id, entry))))
                .transpose()
        })
        .collect()
}

fn entry(row: &Row) -> Result<Option<AllowEntry>> {
    if row.optional_text("cidr")?.is_none() {
        return Ok(None);
    }
    Ok(Some(AllowEntry {
        cidr: row.parsed("cidr")?,
        written: row.text("written")?,
        comment: row.text("comment")?,
    }))
}
