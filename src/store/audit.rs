//! The audit table: who did what, when and from where.

use crate::domain::Result;
use crate::domain::clock::Timestamp;

use super::Store;
use super::row::{Row, statements};
use super::write::{Guarded, Part};

statements! { "audit";
    INSERT = "INSERT INTO audit (id, happened_at, request_id, action, principal, account_id, credential_id, address, service, \
              detail, outcome) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";
    LIST = "SELECT id, happened_at, request_id, action, principal, account_id, credential_id, address, service, detail, outcome \
            FROM audit WHERE happened_at >= $1 ORDER BY happened_at, id LIMIT $2";
    LIST_OF_PRINCIPAL = "SELECT id, happened_at, request_id, action, principal, account_id, credential_id, address, service, detail, \
                         outcome FROM audit WHERE principal = $3 AND happened_at >= $1 ORDER BY happened_at, id LIMIT $2";
    TRIM = "DELETE FROM audit WHERE happened_at < $1";
}

/// One thing that was done or refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditRow {
    /// Its own id.
    pub id: String,
    /// When it happened.
    pub at: Timestamp,
    /// The id that the client was told.
    pub request_id: String,
    /// What was asked for, in this service's words.
    pub action: String,
    /// Who asked, as a principal is written; none when nobody was known.
    pub principal: Option<String>,
    /// The account that it concerned.
    pub account: Option<i64>,
    /// The credential that it concerned.
    pub credential_id: Option<String>,
    /// Where the client was.
    pub address: Option<String>,
    /// The registry service that it concerned.
    pub service: Option<String>,
    /// All else, as a JSON object.
    pub detail: String,
    /// How it ended.
    pub outcome: String,
}

pub(super) fn insert(row: &AuditRow) -> Guarded {
    Guarded::unguarded(
        INSERT,
        vec![
            row.id.as_str().into(),
            row.at.into(),
            row.request_id.as_str().into(),
            row.action.as_str().into(),
            row.principal.as_deref().into(),
            row.account.into(),
            row.credential_id.as_deref().into(),
            row.address.as_deref().into(),
            row.service.as_deref().into(),
            row.detail.as_str().into(),
            row.outcome.as_str().into(),
        ],
    )
}

/// Adds a batch of rows, for the writer of what the hot paths queued.
pub fn insert_batch(rows: &[AuditRow]) -> Part {
    Part::of(rows.iter().map(insert))
}

/// Lists at most `limit` rows from `since` on, of one principal or of all, in the order of time.
pub async fn list(store: &Store, since: Timestamp, principal: Option<&str>, limit: u32) -> Result<Vec<AuditRow>> {
    let mut parameters = vec![since.into(), i64::from(limit).into()];
    let rows = match principal {
        Some(principal) => {
            parameters.push(principal.into());
            store.query(LIST_OF_PRINCIPAL, parameters).await?
        }
        None => store.query(LIST, parameters).await?,
    };
    rows.iter().map(audit_row).collect()
}

/// Forgets the rows from before `before`.
pub fn trim(before: Timestamp) -> Part {
    Part::of([Guarded::unguarded(TRIM, vec![before.into()])])
}

fn audit_row(row: &Row) -> Result<AuditRow> {
    Ok(AuditRow {
        id: row.text("id")?,
        at: row.time("happened_at")?,
        request_id: row.text("request_id")?,
        action: row.text("action")?,
        principal: row.optional_text("principal")?,
        account: row.optional_integer("account_id")?,
        credential_id: row.optional_text("credential_id")?,
        address: row.optional_text("address")?,
        service: row.optional_text("service")?,
        detail: row.text("detail")?,
        outcome: row.text("outcome")?,
    })
}
