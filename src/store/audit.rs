//! The audit: who did what, when and from where.
//!
//! A change has its own row, written with it. What changes nothing comes in pages: many lines as one
//! text, whose meaning is not the store's.

use crate::domain::Result;
use crate::domain::clock::Timestamp;

use super::Store;
use super::row::{Row, statements};
use super::write::{Guarded, Part};

statements! {
    "audit" {
    INSERT = "INSERT INTO audit (id, happened_at, request_id, action, principal, account_id, credential_id, address, service, \
              detail, outcome) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";
    LIST = "SELECT id, happened_at, request_id, action, principal, account_id, credential_id, address, service, detail, outcome \
            FROM audit WHERE happened_at >= $1 ORDER BY happened_at, id LIMIT $2";
    LIST_OF_PRINCIPAL = "SELECT id, happened_at, request_id, action, principal, account_id, credential_id, address, service, detail, \
                         outcome FROM audit WHERE principal = $3 AND happened_at >= $1 ORDER BY happened_at, id LIMIT $2";
    TRIM = "DELETE FROM audit WHERE happened_at < $1";
    }
    "audit_page" {
    INSERT_PAGE = "INSERT INTO audit_page (id, first_at, last_at, lines) VALUES ($1, $2, $3, $4)";
    LIST_PAGES = "SELECT id, first_at, last_at, lines FROM audit_page \
                  WHERE last_at >= $1 AND (first_at > $2 OR (first_at = $2 AND id > $3)) ORDER BY first_at, id LIMIT $4";
    TRIM_PAGES = "DELETE FROM audit_page WHERE last_at < $1";
    }
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

/// Many lines in one row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditPage {
    /// Its own id.
    pub id: String,
    /// The time of its earliest line.
    pub first_at: Timestamp,
    /// The time of its latest line.
    pub last_at: Timestamp,
    /// The lines.
    pub lines: String,
}

/// Adds a page.
pub fn insert_page(page: &AuditPage) -> Part {
    let parameters = vec![page.id.as_str().into(), page.first_at.into(), page.last_at.into(), page.lines.as_str().into()];
    Part::of([Guarded::unguarded(INSERT_PAGE, parameters)])
}

/// Lists at most `limit` pages that reach to `since` or beyond, by their beginning; `after` is the last one of those listed before.
pub async fn list_pages(store: &Store, since: Timestamp, after: Option<&AuditPage>, limit: u32) -> Result<Vec<AuditPage>> {
    let (first_at, id) = after.map_or((Timestamp::from_unix_millis(i64::MIN), ""), |page| (page.first_at, page.id.as_str()));
    let rows = store.query(LIST_PAGES, vec![since.into(), first_at.into(), id.into(), i64::from(limit).into()]).await?;
    let page = |row: &Row| {
        Ok(AuditPage { id: row.text("id")?, first_at: row.time("first_at")?, last_at: row.time("last_at")?, lines: row.text("lines")? })
    };
    rows.iter().map(page).collect()
}

/// Lists at most `limit` rows, those in pages not among them, from `since` on, of one principal or of all, in the order of time.
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

/// Forgets the rows from before `before`, and the pages that end before it.
pub fn trim(before: Timestamp) -> Part {
    Part::of([Guarded::unguarded(TRIM, vec![before.into()]), Guarded::unguarded(TRIM_PAGES, vec![before.into()])])
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
