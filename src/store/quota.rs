//! How many things an instance has, and may have.
//!
//! A quota is looked at in the write that uses it, after what it counts was added: other writes
//! that add to the same instance wait meanwhile, because each of them holds the instance first. So
//! no race goes beyond it.

use crate::domain::ids::{AccountId, InstanceId};
use crate::domain::{Error, Noun, Result};

use super::Store;
use super::part::{Guarded, Part, Rows};
use super::row::statements;

/// Finds the instance when it has no more of a table's rows than it may.
macro_rules! within {
    ($table:literal) => {
        concat!(
            "SELECT id FROM instance WHERE id = $1 AND (SELECT COUNT(*) FROM ",
            $table,
            " WHERE instance_id = $1) <= $2"
        )
    };
}

statements! { "instance";
    HOLD_ROOM = "UPDATE instance SET credential_room = CASE WHEN credential_quota = $2 AND \
                 credential_room > 0 THEN credential_room - 1 ELSE -1 END, credential_quota = $2 \
                 WHERE id = $1 AND deleted_at IS NULL";
    FIND_ROOM = "UPDATE instance SET credential_room = (SELECT CASE WHEN COUNT(*) <= $2 THEN ($2 - \
                 COUNT(*)) / 2 ELSE -1 END FROM credential WHERE instance_id = $1) WHERE id = $1 \
                 AND credential_room < 0";
    HAS_ROOM = "SELECT id FROM instance WHERE id = $1 AND credential_room >= 0";
    NAMESPACES_WITHIN = within!("namespace");
    REPOSITORIES_WITHIN = within!("repository");
    SERVICE_ACCOUNTS_WITHIN = within!("service_account");
    ALLOW_ENTRIES_WITHIN = within!("allow_entry");
    INSTANCES_WITHIN = "SELECT id FROM account WHERE id = $1 AND \
                        (SELECT COUNT(*) FROM instance WHERE account_id = $1 AND deleted_at IS \
                        NULL) <= $2";
    USAGE = "SELECT id, \
             (SELECT COUNT(*) FROM credential WHERE instance_id = instance.id) AS credentials, \
             (SELECT COUNT(*) FROM namespace WHERE instance_id = instance.id) AS namespaces, \
             (SELECT COUNT(*) FROM repository WHERE instance_id = instance.id) AS repositories, \
             (SELECT COUNT(*) FROM service_account WHERE instance_id = instance.id) AS \
             service_accounts \
             FROM instance WHERE id = $1 AND deleted_at IS NULL";
}

/// The things that are counted in an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Counted {
    Namespaces,
    Repositories,
    ServiceAccounts,
    AllowEntries,
}

/// Refuses with `QuotaExceeded` when the instance, which is held, now has more than `most` of what
/// is counted.
pub(super) fn within(instance: &InstanceId, counted: Counted, most: u32) -> Guarded {
    let (statement, noun, things, setting) = match counted {
        Counted::Namespaces => (
            NAMESPACES_WITHIN,
            Noun::Namespace,
            "namespaces",
            "namespaces",
        ),
        Counted::Repositories => (
            REPOSITORIES_WITHIN,
            Noun::Repository,
            "repositories",
            "repositories",
        ),
        Counted::ServiceAccounts => (
            SERVICE_ACCOUNTS_WITHIN,
            Noun::ServiceAccount,
            "service accounts",
            "service_accounts",
        ),
        Counted::AllowEntries => (
            ALLOW_ENTRIES_WITHIN,
            Noun::AllowListEntry,
            "entries in its allow list",
            "allow_list_entries",
        ),
    };
    Guarded::new(
        statement,
        vec![instance.as_str().into(), i64::from(most).into()],
        Rows::Exactly(1),
        exceeded(noun, things, setting, most),
    )
}

/// Makes the error for an instance that has as many as it may.
fn exceeded(
    noun: Noun,
    things: &'static str,
    setting: &'static str,
    most: u32,
) -> impl Fn() -> Error + Send + Sync + 'static {
    move || {
        Error::quota_exceeded(
            noun,
            format!(
                "The instance may have {most} {things} and no more; delete some that nobody needs."
            ),
        )
        .decided_by(used_up(setting, most))
    }
}

/// Holds the instance, and adds a long-term credential to it by `insert`; refuses with
/// `InstanceNotFound`, and with `QuotaExceeded` when it then has more than `most`.
///
/// Instances may have thousands, so they aren't counted each time. A count finds how many more fit,
/// and the next half of those are let in without another. Whatever is deleted meanwhile makes more
/// room than is known.
pub(super) fn add_credential(
    instance: &InstanceId,
    most: u32,
    insert: impl IntoIterator<Item = Guarded>,
) -> Vec<Guarded> {
    let id = || instance.as_str().into();
    let within = || vec![id(), i64::from(most).into()];
    let hold = Guarded::new(
        HOLD_ROOM,
        within(),
        Rows::Exactly(1),
        Error::instance_not_found,
    );
    let mut guarded = vec![hold];
    guarded.extend(insert);
    guarded.push(Guarded::unguarded(FIND_ROOM, within()));
    let (things, setting) = ("long-term credentials", "long_term_credentials");
    guarded.push(Guarded::new(
        HAS_ROOM,
        vec![id()],
        Rows::Exactly(1),
        exceeded(Noun::Credential, things, setting, most),
    ));
    guarded
}

/// Says which quota is used up, as its setting is named.
pub(super) fn used_up(setting: &str, most: u32) -> String {
    format!("quotas.{setting} is {most} here, and at least {most} are in use")
}

/// Refuses with `QuotaExceeded` when the account now has more than `most` instances; to be added
/// after [`instance::insert`](super::instance::insert), which holds the account.
pub fn instances_within(account: AccountId, most: u32) -> Part {
    let parameters = vec![account.number().into(), i64::from(most).into()];
    Part::of([Guarded::new(
        INSTANCES_WITHIN,
        parameters,
        Rows::Exactly(1),
        move || {
            Error::quota_exceeded(
                Noun::Instance,
                format!(
                    "The account may have {most} instances and no more; delete one that nobody \
                     needs."
                ),
            )
            .decided_by(used_up("instances", most))
        },
    )])
}

/// How much of its quotas an instance uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// Its long-term credentials.
    pub credentials: u64,
    /// Its namespaces.
    pub namespaces: u64,
    /// Its repositories, of all its namespaces.
    pub repositories: u64,
    /// Its service accounts.
    pub service_accounts: u64,
}

/// Counts what an instance has; `None` when there is no such instance.
///
/// # Errors
///
/// `StoreUnavailable` when the database doesn't answer, `Internal` for a row that can't be read.
pub async fn usage(store: &Store, instance: &InstanceId) -> Result<Option<Usage>> {
    let Some(row) = store.find(USAGE, vec![instance.as_str().into()]).await? else {
        return Ok(None);
    };
    Ok(Some(Usage {
        credentials: row.number("credentials")?,
        namespaces: row.number("namespaces")?,
        repositories: row.number("repositories")?,
        service_accounts: row.number("service_accounts")?,
    }))
}
