//! Reports over everything that logs in or signs calls: one query for all kinds.

use crate::domain::Result;
use crate::domain::clock::Timestamp;
use crate::domain::ids::AccountId;
use crate::domain::last_use::{HOUR, UsedKind};
use crate::domain::reported::{Reported, ReportedKind};

use super::last_use::used_at;
use super::row::{Row, Value, statements};
use super::{Store, account};

/// Selects those that are active, of all kinds, with a condition and an order.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT * FROM (SELECT id, 'access-key' AS kind, principal AS name, account_id, \
             CAST(NULL AS TEXT) AS instance_id, created_at, ",
            used_at!("access-key", "access_key.id"),
            ", CAST(NULL AS BIGINT) AS expires_at FROM access_key WHERE state = 'active' \
             UNION ALL SELECT credential.id, 'credential', credential.principal, \
             instance.account_id, credential.instance_id, credential.created_at, ",
            used_at!("credential", "credential.id"),
            ", credential.expires_at FROM credential JOIN instance ON instance.id = \
             credential.instance_id WHERE credential.state = 'active' \
             UNION ALL SELECT service_account.id, 'service-account', \
             'tcr$' || service_account.name, instance.account_id, service_account.instance_id, \
             service_account.created_at, ",
            used_at!("service-account", "service_account.id"),
            ", service_account.expires_at FROM service_account JOIN instance ON instance.id = \
             service_account.instance_id WHERE service_account.state = 'active' \
             UNION ALL SELECT fixed_password.instance_id || '/' || fixed_password.principal, \
             'fixed-password', fixed_password.principal, instance.account_id, \
             fixed_password.instance_id, fixed_password.changed_at, ",
            used_at!(
                "fixed-password",
                "fixed_password.instance_id || '/' || fixed_password.principal"
            ),
            ", fixed_password.expires_at FROM fixed_password JOIN instance ON instance.id = \
             fixed_password.instance_id WHERE fixed_password.hash IS NOT NULL) AS reported WHERE \
             (CAST($1 AS BIGINT) IS NULL OR account_id = $1) AND ",
            $rest
        )
    };
}

statements! { "last_use";
    // A use is known to the hour, and counts as one at its end.
    UNUSED = select!(
        "(expires_at IS NULL OR expires_at > $5) AND \
         CASE WHEN used_at IS NOT NULL THEN used_at + $4 WHEN created_at > $3 THEN created_at ELSE \
         $3 END <= $2 ORDER BY COALESCE(used_at, created_at), kind, id"
    );
    EXPIRING = select!("expires_at > $2 AND expires_at <= $3 ORDER BY expires_at, kind, id");
}

/// Lists the active things, of one account or of all, that weren't used since `until`, the longest
/// unused first. One that was never used counts from when it was made, or from `recorded_since`.
///
/// # Errors
///
/// `StoreUnavailable` when the database doesn't answer, `Internal` for a row that can't be read.
pub async fn unused(
    store: &Store,
    account: Option<AccountId>,
    until: Timestamp,
    recorded_since: Timestamp,
    now: Timestamp,
) -> Result<Vec<Reported>> {
    let hour = i64::try_from(HOUR.as_millis()).unwrap_or(i64::MAX);
    let parameters = vec![
        of(account),
        until.into(),
        recorded_since.into(),
        hour.into(),
        now.into(),
    ];
    let rows = store.query(UNUSED, parameters).await?;
    rows.iter().map(reported).collect()
}

/// Lists the active things, of one account or of all, that end after `since` and not after `until`,
/// the next first.
///
/// # Errors
///
/// As [`unused`].
pub async fn expiring(
    store: &Store,
    account: Option<AccountId>,
    since: Timestamp,
    until: Timestamp,
) -> Result<Vec<Reported>> {
    let parameters = vec![of(account), since.into(), until.into()];
    let rows = store.query(EXPIRING, parameters).await?;
    rows.iter().map(reported).collect()
}

fn of(account: Option<AccountId>) -> Value {
    account.map(AccountId::number).into()
}

fn reported(row: &Row) -> Result<Reported> {
    let kind = row.text("kind")?;
    let known = UsedKind::ALL.into_iter().find(|known| known.name() == kind);
    Ok(Reported {
        kind: ReportedKind::Used(
            known.ok_or_else(|| row.unreadable("kind", "no kind has this name"))?,
        ),
        id: row.text("id")?,
        name: row.optional_text("name")?,
        account: Some(account::id_in(row, "account_id")?),
        instance: row.optional_parsed("instance_id")?,
        created_at: row.time("created_at")?,
        last_used_at: row.optional_time("used_at")?,
        expires_at: row.optional_time("expires_at")?,
    })
}
