//! The audit: who did what, when and from where.
//!
//! A change has its own row, written with it. Lines of other requests come in pages: many as one
//! text, whose meaning is not the store's.

use crate::domain::Result;
use crate::domain::clock::Timestamp;

use super::Store;
use super::part::{Guarded, Part};
use super::row::{Row, Value, statements};

/// Writes a query of rows, from the place ($1, $2) on and before $3; $4 is the action or nothing,
/// $5 what it begins with, $6 the outcome or nothing, $7 what the principal begins with or nothing,
/// $8 the limit.
macro_rules! select_rows {
    ($more:literal) => {
        concat!(
            "SELECT id, happened_at, request_id, action, principal, account_id, credential_id, \
             address, service, detail, outcome \
             FROM audit WHERE happened_at >= $1 AND (happened_at > $1 OR id > $2) AND happened_at \
             < $3 \
             AND ($4 = '' OR action = $4) AND SUBSTR(action, 1, LENGTH($5)) = $5 AND ($6 = '' OR \
             outcome = $6) \
             AND ($7 = '' OR SUBSTR(principal, 1, LENGTH($7)) = $7)",
            $more,
            " ORDER BY happened_at, id LIMIT $8"
        )
    };
}

/// Writes a query of pages that begin after the place ($1, $2) and not after ($3, $12), and end at
/// $4 or later; $5 to $10 are pairs of words, one of each pair has to be among its contents. $11 is
/// the limit. The span is written as the partial index has it.
macro_rules! select_pages {
    ($columns:literal, $span:literal) => {
        concat!(
            "SELECT ",
            $columns,
            " FROM audit_page WHERE last_at - first_at ",
            $span,
            " 10000 AND first_at >= $1 AND (first_at > $1 OR id > $2) AND first_at <= $3 AND \
             (first_at < $3 OR id <= $12) AND last_at >= $4 AND (contents = '' OR \
             ((REPLACE(contents, $5, '') <> contents OR REPLACE(contents, $6, '') <> contents) AND \
             (REPLACE(contents, $7, '') <> contents OR REPLACE(contents, $8, '') <> contents) AND \
             (REPLACE(contents, $9, '') <> contents OR REPLACE(contents, $10, '') <> contents))) \
             ORDER BY first_at, id LIMIT $11"
        )
    };
}

statements! {
    "audit" {
    INSERT = "INSERT INTO audit (id, happened_at, request_id, action, principal, account_id, \
              credential_id, address, service, \
              detail, outcome) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";
    LIST = select_rows!("");
    LIST_OF_PRINCIPAL = select_rows!(" AND principal = $9");
    TRIM = "DELETE FROM audit WHERE happened_at < $1";
    }
    "audit_page" {
    INSERT_PAGE = "INSERT INTO audit_page (id, first_at, last_at, lines, bytes, contents) VALUES \
                   ($1, $2, $3, $4, $5, $6)";
    LIST_NARROW = select_pages!("id, first_at, last_at, bytes", "<=");
    LIST_WIDE = select_pages!("id, first_at, last_at, bytes", ">");
    READ_NARROW = select_pages!("id, lines", "<=");
    READ_WIDE = select_pages!("id, lines", ">");
    // No page ends before it begins: the first condition is the index's.
    TRIM_PAGES = "DELETE FROM audit_page WHERE first_at < $1 AND last_at < $1";
    }
}

/// The longest time of a narrow page, in milliseconds, as the statements and an index have it:
/// nearly all are gathered in a tenth of a second, and the few that are wide, from an outage of the
/// database, are looked for beside them.
pub const NARROW_MILLIS: i64 = 10_000;

/// One thing that was done or refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditRow {
    /// Its own id.
    pub id: String,
    /// When it happened.
    pub at: Timestamp,
    /// The id that the client was told.
    pub request_id: String,
    /// The action that was asked for, in this service's words.
    pub action: String,
    /// The caller, as a principal is written; none when nobody was known.
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
    /// Words that say what is in the lines, each with a line feed before and after it.
    pub contents: String,
}

/// Adds a page.
pub fn insert_page(page: &AuditPage) -> Part {
    let bytes = i64::try_from(page.lines.len()).unwrap_or(i64::MAX);
    let parameters = vec![
        page.id.as_str().into(),
        page.first_at.into(),
        page.last_at.into(),
        page.lines.as_str().into(),
        bytes.into(),
        page.contents.as_str().into(),
    ];
    Part::of([Guarded::unguarded(INSERT_PAGE, parameters)])
}

/// A condition on a text.
#[derive(Clone, Copy, Debug)]
pub enum Wanted<'a> {
    /// Any.
    Any,
    /// This one.
    Exactly(&'a str),
    /// One that begins so.
    Beginning(&'a str),
}

impl<'a> Wanted<'a> {
    /// Tells whether a text is wanted.
    pub fn fits(self, text: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Exactly(wanted) => text == wanted,
            Self::Beginning(wanted) => text.starts_with(wanted),
        }
    }

    fn exact(self) -> &'a str {
        if let Self::Exactly(text) = self {
            text
        } else {
            ""
        }
    }

    fn beginning(self) -> &'a str {
        if let Self::Beginning(text) = self {
            text
        } else {
            ""
        }
    }
}

/// A place in the order of time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AuditPosition {
    /// A time.
    pub at: Timestamp,
    /// Among things of this time.
    pub id: String,
}

/// Which rows are listed.
#[derive(Clone, Copy, Debug)]
pub struct RowFilter<'a> {
    /// Those before this time.
    pub until: Timestamp,
    /// By the action.
    pub action: Wanted<'a>,
    /// By the outcome.
    pub outcome: Wanted<'a>,
    /// By the principal.
    pub principal: Wanted<'a>,
}

/// Lists at most `limit` rows after a position, those in pages not among them, in the order of
/// time.
///
/// # Errors
///
/// `StoreUnavailable` when the database doesn't answer, `Internal` for a row that can't be read.
pub async fn list(
    store: &Store,
    after: &AuditPosition,
    filter: RowFilter<'_>,
    limit: u32,
) -> Result<Vec<AuditRow>> {
    let mut parameters = vec![
        after.at.into(),
        after.id.as_str().into(),
        filter.until.into(),
        filter.action.exact().into(),
        filter.action.beginning().into(),
        filter.outcome.exact().into(),
        filter.principal.beginning().into(),
        i64::from(limit).into(),
    ];
    let rows = match filter.principal {
        Wanted::Exactly(principal) => {
            parameters.push(principal.into());
            store.query(LIST_OF_PRINCIPAL, parameters).await?
        }
        Wanted::Any | Wanted::Beginning(_) => store.query(LIST, parameters).await?,
    };
    rows.iter().map(audit_row).collect()
}

/// How long the time of a page is, from its first line to its last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Span {
    /// At most [`NARROW_MILLIS`].
    Narrow,
    /// Longer.
    Wide,
}

/// Which pages are listed.
#[derive(Clone, Debug)]
pub struct PageFilter {
    /// By the length of their time.
    pub span: Span,
    /// Those that end at this time or later.
    pub since: Timestamp,
    /// Pairs of words: one of each pair is among the contents of a page that is listed, unless
    /// nothing is known of them.
    pub words: [(String, String); 3],
}

/// A page without its lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageHead {
    /// Its beginning, and its id.
    pub position: AuditPosition,
    /// The time of its latest line.
    pub last_at: Timestamp,
    /// The bytes of its lines; nothing when a release wrote it that didn't count them.
    pub bytes: Option<usize>,
}

/// Lists at most `limit` pages that begin after a position and before `until`, by their beginning.
///
/// # Errors
///
/// `StoreUnavailable` when the database doesn't answer, `Internal` for a row that can't be read.
pub async fn list_pages(
    store: &Store,
    after: &AuditPosition,
    until: Timestamp,
    filter: &PageFilter,
    limit: u32,
) -> Result<Vec<PageHead>> {
    let statement = match filter.span {
        Span::Narrow => LIST_NARROW,
        Span::Wide => LIST_WIDE,
    };
    let last = AuditPosition {
        at: until,
        id: String::new(),
    };
    let rows = store
        .query(
            statement,
            page_parameters(after, &last, filter, i64::from(limit)),
        )
        .await?;
    let head = |row: &Row| {
        let position = AuditPosition {
            at: row.time("first_at")?,
            id: row.text("id")?,
        };
        let bytes = row
            .number("bytes")
            .map(|bytes: usize| Some(bytes).filter(|bytes| *bytes > 0))?;
        Ok(PageHead {
            position,
            last_at: row.time("last_at")?,
            bytes,
        })
    };
    rows.iter().map(head).collect()
}

/// Reads the lines of the pages that [`list_pages`] lists after a position up to `last`, each with
/// its page's id; those that were stored meanwhile, too.
///
/// # Errors
///
/// `StoreUnavailable` when the database doesn't answer, `Internal` for a row that can't be read.
pub async fn read_pages(
    store: &Store,
    after: &AuditPosition,
    last: &AuditPosition,
    filter: &PageFilter,
) -> Result<Vec<(String, String)>> {
    let statement = match filter.span {
        Span::Narrow => READ_NARROW,
        Span::Wide => READ_WIDE,
    };
    let rows = store
        .query(statement, page_parameters(after, last, filter, i64::MAX))
        .await?;
    rows.iter()
        .map(|row| Ok((row.text("id")?, row.text("lines")?)))
        .collect()
}

fn page_parameters(
    after: &AuditPosition,
    last: &AuditPosition,
    filter: &PageFilter,
    limit: i64,
) -> Vec<Value> {
    let places = [
        after.at.into(),
        after.id.as_str().into(),
        last.at.into(),
        filter.since.into(),
    ];
    let words = filter
        .words
        .iter()
        .flat_map(|(one, other)| [one.as_str().into(), other.as_str().into()]);
    places
        .into_iter()
        .chain(words)
        .chain([limit.into(), last.id.as_str().into()])
        .collect()
}

/// Forgets the rows from before `before`, and the pages that end before it.
pub fn trim(before: Timestamp) -> Part {
    Part::of([
        Guarded::unguarded(TRIM, vec![before.into()]),
        Guarded::unguarded(TRIM_PAGES, vec![before.into()]),
    ])
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
