//! Instances.

use crate::domain::instance::{CriId, DefaultMark, Instance, InstanceId};
use crate::domain::principal::AccountId;
use crate::domain::{Error, Result};

use super::change::Noun;
use super::row::{Row, statements};
use super::write::{Guarded, Part, Rows};
use super::{Store, account};

/// The columns of an instance; deleted ones stay as rows and are never read.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, cri_id, account_id, name, region, service, algorithm, kid_format, token_ttl_seconds, registry_url, \
             default_mark, created_at FROM instance WHERE deleted_at IS NULL ",
            $rest
        )
    };
}

statements! { "instance";
    HAS_NAME = "SELECT id FROM instance WHERE account_id = $1 AND name = $2 AND deleted_at IS NULL";
    UNMARK = "UPDATE instance SET default_mark = 0 WHERE account_id = $1 AND default_mark = 1 AND deleted_at IS NULL";
    MARK = "UPDATE instance SET default_mark = 1 WHERE account_id = $1 AND id = $2 AND deleted_at IS NULL";
    INSERT = "INSERT INTO instance (id, cri_id, account_id, name, region, service, algorithm, kid_format, token_ttl_seconds, \
              registry_url, default_mark, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)";
    EXISTS = "SELECT id FROM instance WHERE id = $1 AND deleted_at IS NULL";
    FIND = select!("AND id = $1");
    FIND_BY_CRI_ID = select!("AND cri_id = $1");
    FIND_BY_SERVICE = select!("AND service = $1");
    LIST_OF_ACCOUNT = select!("AND account_id = $1 ORDER BY created_at, id");
    LIST = select!("ORDER BY created_at, id");
}

/// Adds an instance; if it is marked as the default, its account's others no longer are.
///
/// `NotFound` without its account, `AlreadyExists` when its account has that name already, or when
/// any instance of any account ever had that service.
pub fn insert(instance: &Instance) -> Part {
    let account = instance.account;
    // Held first: names and marks of one account are settled by one write at a time, so only the
    // service, unique over all accounts, is left for the insert itself to refuse.
    let mut guarded = vec![account::hold(account)];
    let name = instance.name.clone();
    guarded.push(Guarded::new(HAS_NAME, vec![account.number().into(), name.as_str().into()], Rows::Exactly(0), move || {
        Error::already_exists("instance", format!("Account {account} has an instance named {name} already; choose another name."))
    }));
    if instance.default == DefaultMark::Marked {
        guarded.push(Guarded::unguarded(UNMARK, vec![account.number().into()]));
    }
    let parameters = vec![
        instance.id.as_str().into(),
        instance.cri_id.as_str().into(),
        account.number().into(),
        instance.name.as_str().into(),
        instance.region.as_str().into(),
        instance.service.as_str().into(),
        instance.algorithm.name().into(),
        instance.kid_format.name().into(),
        i64::from(instance.token_ttl_seconds).into(),
        instance.registry_url.as_deref().into(),
        i64::from(instance.default == DefaultMark::Marked).into(),
        instance.created_at.into(),
    ];
    let service = instance.service.clone();
    guarded.push(Guarded::new(INSERT, parameters, Rows::Exactly(1), move || {
        Error::already_exists(
            "instance",
            format!(
                "The service {service} belongs or once belonged to another instance, and tokens made for that one must not open \
                 this one; choose another service, and set the same in the registry."
            ),
        )
    }));
    Part::of(guarded).changes(Noun::Instance, &instance.id).changes(Noun::Account, &account)
}

/// Makes an instance its account's default, in place of the one that was; `InstanceNotFound` when the account has no such instance.
pub fn mark_default(account: AccountId, id: &InstanceId) -> Part {
    let unmark = Guarded::unguarded(UNMARK, vec![account.number().into()]);
    let mark = Guarded::new(MARK, vec![account.number().into(), id.as_str().into()], Rows::Exactly(1), Error::instance_not_found);
    Part::of([account::hold(account), unmark, mark]).changes(Noun::Instance, id).changes(Noun::Account, &account)
}

/// Refuses with `InstanceNotFound` when there is no such instance.
pub(super) fn exists(id: &InstanceId) -> Guarded {
    Guarded::new(EXISTS, vec![id.as_str().into()], Rows::Exactly(1), Error::instance_not_found)
}

/// Finds an instance by its own id.
pub async fn find(store: &Store, id: &InstanceId) -> Result<Option<Instance>> {
    store.find(FIND, vec![id.as_str().into()]).await?.as_ref().map(instance).transpose()
}

/// Finds an instance by its id at the Alibaba door.
pub async fn find_by_cri_id(store: &Store, id: &CriId) -> Result<Option<Instance>> {
    store.find(FIND_BY_CRI_ID, vec![id.as_str().into()]).await?.as_ref().map(instance).transpose()
}

/// Finds an instance by its service.
pub async fn find_by_service(store: &Store, service: &str) -> Result<Option<Instance>> {
    store.find(FIND_BY_SERVICE, vec![service.into()]).await?.as_ref().map(instance).transpose()
}

/// Lists the instances of one account or of all, oldest first.
pub async fn list(store: &Store, account: Option<AccountId>) -> Result<Vec<Instance>> {
    let rows = match account {
        Some(account) => store.query(LIST_OF_ACCOUNT, vec![account.number().into()]).await?,
        None => store.query(LIST, Vec::new()).await?,
    };
    rows.iter().map(instance).collect()
}

fn instance(row: &Row) -> Result<Instance> {
    Ok(Instance {
        id: row.parsed("id")?,
        cri_id: row.parsed("cri_id")?,
        account: account::id_in(row, "account_id")?,
        name: row.text("name")?,
        region: row.text("region")?,
        service: row.text("service")?,
        algorithm: row.parsed("algorithm")?,
        kid_format: row.parsed("kid_format")?,
        token_ttl_seconds: row.number("token_ttl_seconds")?,
        registry_url: row.optional_text("registry_url")?,
        default: match row.integer("default_mark")? {
            0 => DefaultMark::Unmarked,
            1 => DefaultMark::Marked,
            other => return Err(row.unreadable("default_mark", format_args!("{other} is neither 0 nor 1"))),
        },
        created_at: row.time("created_at")?,
    })
}
