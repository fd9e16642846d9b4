//! Pages of the audit: the lines of many requests as one text.
//!
//! The text's meaning is not the store's. Words and terms say what is in it, so that a listing
//! reads only the pages that it needs.

use aws_lc_rs::digest::{SHA256, digest};

use crate::domain::Result;
use crate::domain::clock::Timestamp;

use super::Store;
use super::audit::{
    AuditPosition, Order, Range, Term, id_parameters, list_ids, may_have, select_by_ids, trimmed,
};
use super::audit_chain::{ChainPlace, ChainedInsert, Content, Hashing};
use super::part::{Guarded, Part};
use super::row::{Row, Statement, statements};

/// Writes a query of pages that begin at $1 to $2, both included, of those at $3 the pages whose id
/// is beyond $4, and end at $5 or later; $6 to $11 are pairs of words, one of each pair has to be
/// among its contents. $12 is the limit. The span is written as the partial index has it.
macro_rules! select_pages {
    ($more:literal, $span:literal, $beyond:literal, $order:literal) => {
        concat!(
            "SELECT id, first_at, last_at, bytes",
            $more,
            " FROM audit_page WHERE last_at - first_at ",
            $span,
            " 10000 AND first_at >= $1 AND first_at <= $2 AND (first_at <> $3 OR id ",
            $beyond,
            " $4) AND last_at >= $5 AND (contents = '' OR \
             ((REPLACE(contents, $6, '') <> contents OR REPLACE(contents, $7, '') <> contents) AND \
             (REPLACE(contents, $8, '') <> contents OR REPLACE(contents, $9, '') <> contents) AND \
             (REPLACE(contents, $10, '') <> contents OR REPLACE(contents, $11, '') <> contents))) \
             ORDER BY first_at",
            $order,
            ", id",
            $order,
            " LIMIT $12"
        )
    };
}

statements! { "audit_page";
    INSERT = "INSERT INTO audit_page (id, first_at, last_at, lines, bytes, contents, terms, \
              digests, writer, position, previous) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, \
              $10, $11)";
    LIST_NARROW = select_pages!("", "<=", ">", "");
    LIST_WIDE = select_pages!("", ">", ">", "");
    LIST_NARROW_BACK = select_pages!("", "<=", "<", " DESC");
    LIST_WIDE_BACK = select_pages!("", ">", "<", " DESC");
    SEARCH_NARROW = select_pages!(", terms", "<=", ">", "");
    SEARCH_WIDE = select_pages!(", terms", ">", ">", "");
    SEARCH_NARROW_BACK = select_pages!(", terms", "<=", "<", " DESC");
    SEARCH_WIDE_BACK = select_pages!(", terms", ">", "<", " DESC");
    NEW = "SELECT id FROM audit_page WHERE id > $1 ORDER BY id LIMIT $2";
    READ = select_by_ids!("id, lines", "audit_page");
    LIST_STORED = "SELECT id, first_at, last_at, lines, contents, terms, digests, writer, \
                   position, previous FROM audit_page WHERE id > $1 ORDER BY id LIMIT $2";
    // No page ends before it begins: the first condition is the index's.
    TRIM = "DELETE FROM audit_page WHERE first_at < $1 AND last_at < $1 AND id < $2";
}

/// The longest time of a narrow page, in milliseconds, as the statements and an index have it:
/// nearly all are gathered in a tenth of a second, and the few that are wide, from an outage of the
/// database, are looked for beside them.
pub const NARROW_MILLIS: i64 = 10_000;

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
    /// The filter of the lines' terms, as [`Terms::filter`](super::audit::Terms::filter) makes it.
    pub terms: Vec<u8>,
}

/// An event of a write, as a line of a page: a database that commits several writes at once stores
/// their events as pages.
pub struct AuditLine {
    /// The id that its row would have.
    pub id: String,
    /// When it happened.
    pub at: Timestamp,
    /// The line, with its line feed.
    pub text: Vec<u8>,
    /// Makes the pages of several lines, each with the id of its first.
    pub pages: fn(&[&AuditLine]) -> Result<Vec<AuditPage>>,
}

/// How many bytes of a line's SHA-256 a page keeps, to say which line was changed.
pub const DIGEST_BYTES: usize = 8;
/// The purpose of a page's hash.
const PAGE: &[u8] = b"transire:audit-page:1";

impl AuditPage {
    /// Returns the beginning of each line's SHA-256, one after the other.
    pub fn digests(&self) -> Vec<u8> {
        let lines = self.lines.split_inclusive('\n');
        lines
            .flat_map(|line| {
                let hash = digest(&SHA256, line.as_bytes());
                <[u8; DIGEST_BYTES]>::try_from(&hash.as_ref()[..DIGEST_BYTES]).unwrap_or_default()
            })
            .collect()
    }

    /// Returns the hash of all that the page says, with these digests of its lines.
    pub fn content(&self, digests: &[u8]) -> Content {
        let mut hashing = Hashing::begin(PAGE);
        for text in [&self.id, &self.lines, &self.contents] {
            hashing.add(Some(text.as_bytes()));
        }
        hashing.add(Some(&self.terms));
        hashing.add(Some(digests));
        for at in [self.first_at, self.last_at] {
            hashing.add(Some(&at.unix_millis().to_le_bytes()));
        }
        hashing.end()
    }
}

/// Makes the insert of a page.
pub(super) fn insert(page: &AuditPage) -> ChainedInsert {
    let bytes = i64::try_from(page.lines.len()).unwrap_or(i64::MAX);
    let digests = page.digests();
    let parameters = vec![
        page.id.as_str().into(),
        page.first_at.into(),
        page.last_at.into(),
        page.lines.as_str().into(),
        bytes.into(),
        page.contents.as_str().into(),
        page.terms.as_slice().into(),
        digests.as_slice().into(),
    ];
    ChainedInsert::new(INSERT, parameters, page.content(&digests))
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
    /// The terms that a page which is read has to have.
    pub terms: Vec<Term>,
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
    /// Whether it may have all terms of the filter.
    pub may_match: bool,
}

/// Lists at most `limit` pages that begin in a range, in the order of their beginnings.
///
/// # Errors
///
/// `StoreUnavailable` when the database doesn't answer, `Internal` for a row that can't be read.
pub async fn list(
    store: &Store,
    range: Range<'_>,
    filter: &PageFilter,
    limit: u32,
) -> Result<Vec<PageHead>> {
    let mut parameters = Vec::from(range.parameters());
    parameters.push(filter.since.into());
    for (one, other) in &filter.words {
        parameters.extend([one.as_str().into(), other.as_str().into()]);
    }
    parameters.push(i64::from(limit).into());
    let has_terms = !filter.terms.is_empty();
    let statement = page_list(filter.span, range.order, has_terms);
    let rows = store.query(statement, parameters).await?;
    let head = |row: &Row| {
        let position = AuditPosition {
            at: row.time("first_at")?,
            id: row.text("id")?,
        };
        let bytes: usize = row.number("bytes")?;
        Ok(PageHead {
            position,
            last_at: row.time("last_at")?,
            bytes: Some(bytes).filter(|bytes| *bytes > 0),
            may_match: !has_terms || may_have(&row.bytes("terms")?, &filter.terms),
        })
    };
    rows.iter().map(head).collect()
}

/// Returns the statement that lists pages; without terms, their filters are left alone.
fn page_list(span: Span, order: Order, has_terms: bool) -> Statement {
    match (span, order, has_terms) {
        (Span::Narrow, Order::Forward, false) => LIST_NARROW,
        (Span::Wide, Order::Forward, false) => LIST_WIDE,
        (Span::Narrow, Order::Back, false) => LIST_NARROW_BACK,
        (Span::Wide, Order::Back, false) => LIST_WIDE_BACK,
        (Span::Narrow, Order::Forward, true) => SEARCH_NARROW,
        (Span::Wide, Order::Forward, true) => SEARCH_WIDE,
        (Span::Narrow, Order::Back, true) => SEARCH_NARROW_BACK,
        (Span::Wide, Order::Back, true) => SEARCH_WIDE_BACK,
    }
}

/// Reads the lines of at most [`MAX_IDS`](super::audit::MAX_IDS) pages, each with its page's id, in
/// no order.
///
/// # Errors
///
/// `StoreUnavailable` when the database doesn't answer, `Internal` for a row that can't be read.
pub async fn read(store: &Store, ids: &[&str]) -> Result<Vec<(String, String)>> {
    let rows = store.query(READ, id_parameters(ids)).await?;
    rows.iter()
        .map(|row| Ok((row.text("id")?, row.text("lines")?)))
        .collect()
}

/// A page as it is stored: with the digests of its lines, and its place in a chain.
#[derive(Clone, Debug)]
pub struct StoredPage {
    /// The page.
    pub page: AuditPage,
    /// The beginning of each line's SHA-256, one after the other.
    pub digests: Vec<u8>,
    /// Its place; none where an earlier release wrote it.
    pub place: Option<ChainPlace>,
}

/// Lists at most `limit` pages after an id, in the order of ids.
///
/// # Errors
///
/// `StoreUnavailable` when the database doesn't answer, `Internal` for a row that can't be read.
pub async fn list_stored(store: &Store, after: &str, limit: u32) -> Result<Vec<StoredPage>> {
    let parameters = vec![after.into(), i64::from(limit).into()];
    let rows = store.query(LIST_STORED, parameters).await?;
    let stored = |row: &Row| {
        Ok(StoredPage {
            page: AuditPage {
                id: row.text("id")?,
                first_at: row.time("first_at")?,
                last_at: row.time("last_at")?,
                lines: row.text("lines")?,
                contents: row.text("contents")?,
                terms: row.bytes("terms")?,
            },
            digests: row.bytes("digests")?,
            place: ChainPlace::of_row(row)?,
        })
    };
    rows.iter().map(stored).collect()
}

/// Lists the ids of at most `limit` pages after an id, in the order of writing
/// ([`new_id`](super::audit::new_id)).
///
/// # Errors
///
/// `StoreUnavailable` when the database doesn't answer, `Internal` for a row that can't be read.
pub async fn list_new(store: &Store, after: &str, limit: u32) -> Result<Vec<String>> {
    list_ids(store, NEW, after, limit).await
}

/// Forgets the pages that end before `before`.
pub fn trim(before: Timestamp) -> Part {
    Part::of([Guarded::unguarded(TRIM, trimmed(before))])
}
