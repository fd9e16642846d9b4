//! Reads service accounts.

use std::collections::BTreeMap;

use super::{COUNT_ENDING, FIND, FIND_BY_ID, IDS_AFTER, MADE_BY, PAGE, PAGE_OF_NAME, made_by};
use crate::domain::Result;
use crate::domain::clock::Timestamp;
use crate::domain::credential::PasswordHash;
use crate::domain::ids::InstanceId;
use crate::domain::rotation::Older;
use crate::domain::service_account::{AccountSecret, ServiceAccount, ServiceAccountId};
use crate::store::Store;
use crate::store::page::{Listed, Page, listed};
use crate::store::row::{Row, Value};

/// Finds a service account of an instance by its name, without the `tcr$`.
///
/// # Errors
///
/// `StoreUnavailable` when the database doesn't answer, `Internal` for a row that can't be read.
pub async fn find(
    store: &Store,
    instance: &InstanceId,
    name: &str,
) -> Result<Option<ServiceAccount>> {
    Ok(accounts(
        &store
            .query(FIND, vec![instance.as_str().into(), name.into()])
            .await?,
    )?
    .pop())
}

/// Finds a service account by its id.
///
/// # Errors
///
/// `StoreUnavailable` when the database doesn't answer, `Internal` for a row that can't be read.
pub async fn find_by_id(store: &Store, id: &ServiceAccountId) -> Result<Option<ServiceAccount>> {
    Ok(accounts(&store.query(FIND_BY_ID, vec![id.as_str().into()]).await?)?.pop())
}

/// Returns the first `limit` accounts after the id `after`, in its order: the id, and what the
/// change feed calls them.
///
/// # Errors
///
/// `StoreUnavailable` when the database doesn't answer, `Internal` for a row that can't be read.
pub async fn ids_after(store: &Store, after: &str, limit: u32) -> Result<Vec<(String, String)>> {
    let rows = store
        .query(IDS_AFTER, vec![after.into(), i64::from(limit).into()])
        .await?;
    rows.iter()
        .map(|row| {
            Ok((
                row.text("id")?,
                format!("{}/{}", row.text("instance_id")?, row.text("name")?),
            ))
        })
        .collect()
}

/// Lists service accounts of an instance, all or the one of that name, oldest first.
///
/// # Errors
///
/// `StoreUnavailable` when the database doesn't answer, `Internal` for a row that can't be read.
pub async fn list(
    store: &Store,
    instance: &InstanceId,
    name: Option<&str>,
    page: Page,
) -> Result<Listed<ServiceAccount>> {
    let instance = Value::from(instance.as_str());
    let rows = match name {
        None => store.query(PAGE, page.parameters([instance])).await?,
        Some(name) => {
            store
                .query(PAGE_OF_NAME, page.parameters([instance, name.into()]))
                .await?
        }
    };
    listed(&rows, accounts)
}

/// Lists the service accounts that came from the principal with that numeric id, at all instances,
/// without their permissions.
///
/// # Errors
///
/// `StoreUnavailable` when the database doesn't answer, `Internal` for a row that can't be read.
pub async fn list_made_by(store: &Store, id: i64) -> Result<Vec<ServiceAccount>> {
    accounts(&store.query(MADE_BY, vec![made_by(id)]).await?)
}

/// Counts the active service accounts that end within a span of time.
///
/// # Errors
///
/// `StoreUnavailable` when the database doesn't answer, `Internal` for a row that can't be read.
pub async fn count_ending(store: &Store, since: Timestamp, until: Timestamp) -> Result<u64> {
    let parameters = vec![since.into(), until.into()];
    match store.find(COUNT_ENDING, parameters).await? {
        Some(row) => row.number("ending"),
        None => Ok(0),
    }
}

/// Reads accounts out of rows in which those of one account follow each other.
fn accounts(rows: &[Row]) -> Result<Vec<ServiceAccount>> {
    let mut accounts: Vec<ServiceAccount> = Vec::new();
    for row in rows {
        let id: ServiceAccountId = row.parsed("id")?;
        if accounts.last().is_none_or(|last| last.id != id) {
            accounts.push(account(row, id)?);
        }
        if let (Some(account), Some(namespace)) =
            (accounts.last_mut(), row.optional_text("namespace")?)
        {
            account
                .permissions
                .insert(namespace, row.parsed_list("actions")?);
        }
    }
    Ok(accounts)
}

fn secret(row: &Row, chosen: &str, made: &str) -> Result<AccountSecret> {
    Ok(match row.optional_text(chosen)? {
        Some(hash) => AccountSecret::Chosen(PasswordHash::new(hash)),
        None => AccountSecret::Made(row.fixed_bytes(made)?),
    })
}

fn account(row: &Row, id: ServiceAccountId) -> Result<ServiceAccount> {
    Ok(ServiceAccount {
        id,
        instance: row.parsed("instance_id")?,
        name: row.text("name")?,
        description: row.text("description")?,
        permissions: BTreeMap::new(),
        secret: secret(row, "chosen_hash", "made_hash")?,
        older: match row.optional_time("older_secret_ends_at")? {
            Some(ends_at) => Some(Older {
                secret: secret(row, "older_chosen_hash", "older_made_hash")?,
                ends_at,
            }),
            None => None,
        },
        state: row.parsed("state")?,
        generation: row.integer("generation")?,
        created_at: row.time("created_at")?,
        modified_at: row.time("modified_at")?,
        expires_at: row.time("expires_at")?,
        maker: row.optional_parsed("maker")?,
        maker_ids: row.parsed_list("maker_ids")?,
        revision: row.integer("revision")?,
        disabled_by: row.optional_parsed("disabled_by")?,
        last_used_at: row.optional_time("used_at")?,
    })
}
