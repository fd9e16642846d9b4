//! Lines of the audit as they are stored, each a row or a page, with their places in the chains.
//!
//! An exported file has the same as JSON, a line each.

use serde::{Deserialize, Serialize};

use crate::domain::clock::Timestamp;
use crate::service::ledger::checkpoints::Head;
use crate::store::audit::{AuditRow, written_at};
use crate::store::audit_chain::{ChainPlace, Content};
use crate::store::audit_page::{AuditPage, DIGEST_BYTES, StoredPage};

/// A row or a page of the audit.
#[derive(Clone, Debug)]
pub(super) struct StoredLine {
    content: Stored,
    /// The place in a chain; none where an earlier release wrote it.
    pub place: Option<ChainPlace>,
}

#[derive(Clone, Debug)]
enum Stored {
    Row(AuditRow),
    Page { page: AuditPage, digests: Vec<u8> },
}

impl From<(AuditRow, Option<ChainPlace>)> for StoredLine {
    fn from((row, place): (AuditRow, Option<ChainPlace>)) -> Self {
        Self {
            content: Stored::Row(row),
            place,
        }
    }
}

impl From<StoredPage> for StoredLine {
    fn from(
        StoredPage {
            page,
            digests,
            place,
        }: StoredPage,
    ) -> Self {
        Self {
            content: Stored::Page { page, digests },
            place,
        }
    }
}

impl StoredLine {
    /// Returns its id.
    pub(super) fn id(&self) -> &str {
        match &self.content {
            Stored::Row(row) => &row.id,
            Stored::Page { page, .. } => &page.id,
        }
    }

    /// Returns when it was written; where an earlier release did, when it happened.
    pub(super) fn written_at(&self) -> Timestamp {
        let happened_at = match &self.content {
            Stored::Row(row) => row.at,
            Stored::Page { page, .. } => page.first_at,
        };
        written_at(self.id()).unwrap_or(happened_at)
    }

    /// Returns the hash of all that it says.
    pub(super) fn content(&self) -> Content {
        match &self.content {
            Stored::Row(row) => row.content(),
            Stored::Page { page, digests } => page.content(digests),
        }
    }

    /// Returns the number of the first event of a page, from 1, that isn't what its digest says.
    pub(super) fn changed_line(&self) -> Option<usize> {
        let Stored::Page { page, digests } = &self.content else {
            return None;
        };
        let now = page.digests();
        let differs = |(now, stored): (&[u8], &[u8])| now != stored;
        let pairs = now.chunks(DIGEST_BYTES).zip(digests.chunks(DIGEST_BYTES));
        pairs.into_iter().position(differs).map(|place| place + 1)
    }

    /// Returns it as a document of an exported file.
    pub(super) fn document(&self) -> Document {
        let chain = self.place.as_ref().map(|place| ChainDocument {
            writer: place.writer.clone(),
            position: place.position,
            previous: hex::encode(place.previous),
        });
        match self.content.clone() {
            Stored::Row(row) => Document::Row(Box::new(RowDocument::of(row, chain))),
            Stored::Page { page, digests } => Document::Page(Box::new(PageDocument {
                id: page.id,
                first_at: page.first_at,
                last_at: page.last_at,
                lines: page.lines,
                contents: page.contents,
                terms: hex::encode(page.terms),
                digests: hex::encode(digests),
                chain,
            })),
        }
    }

    /// Takes it back from a document; nothing where it isn't one of a line.
    pub(super) fn of_document(document: Document) -> Option<Self> {
        match document {
            Document::Row(row) => {
                let place = place_of(row.chain.as_ref())?;
                Some(Self::from((row.row(), place)))
            }
            Document::Page(page) => Some(Self::from(StoredPage {
                place: place_of(page.chain.as_ref())?,
                digests: hex::decode(page.digests).ok()?,
                page: AuditPage {
                    id: page.id,
                    first_at: page.first_at,
                    last_at: page.last_at,
                    lines: page.lines,
                    contents: page.contents,
                    terms: hex::decode(page.terms).ok()?,
                },
            })),
            Document::Begin(_) | Document::Checkpoint { .. } | Document::End(_) => None,
        }
    }
}

fn place_of(chain: Option<&ChainDocument>) -> Option<Option<ChainPlace>> {
    let Some(chain) = chain else {
        return Some(None);
    };
    Some(Some(ChainPlace {
        writer: chain.writer.clone(),
        position: chain.position,
        previous: hex::decode(&chain.previous).ok()?.try_into().ok()?,
    }))
}

/// A line of an exported file.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Document {
    /// The first one.
    Begin(Begin),
    /// A row.
    Row(Box<RowDocument>),
    /// A page.
    Page(Box<PageDocument>),
    /// A checkpoint.
    Checkpoint {
        /// Its number.
        number: i64,
        /// The statement with its signature.
        signed: String,
    },
    /// The last one, without which the file was cut off.
    End(End),
}

/// The beginning of an exported file.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Begin {
    /// The version of the form.
    pub(super) version: u32,
    /// The time from which lines are in it; all without one.
    pub(super) since: Option<Timestamp>,
    /// The newest checkpoint, with its signature.
    pub(super) newest: Option<String>,
    /// The last line of each writer that wrote lately.
    pub(super) heads: Vec<Head>,
}

/// The end of an exported file.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct End {
    /// How many lines and checkpoints are in the file.
    pub(super) documents: u64,
}

#[derive(Clone, Serialize, Deserialize)]
struct ChainDocument {
    writer: String,
    position: i64,
    previous: String,
}

/// A page as JSON.
#[derive(Serialize, Deserialize)]
pub struct PageDocument {
    id: String,
    first_at: Timestamp,
    last_at: Timestamp,
    lines: String,
    contents: String,
    terms: String,
    digests: String,
    chain: Option<ChainDocument>,
}

/// A row as JSON.
#[derive(Serialize, Deserialize)]
pub struct RowDocument {
    id: String,
    at: Timestamp,
    request_id: String,
    action: String,
    outcome: String,
    principal: Option<String>,
    account: Option<i64>,
    credential_id: Option<String>,
    address: Option<String>,
    service: Option<String>,
    access_key: Option<String>,
    detail: String,
    chain: Option<ChainDocument>,
}

impl RowDocument {
    fn of(row: AuditRow, chain: Option<ChainDocument>) -> Self {
        Self {
            id: row.id,
            at: row.at,
            request_id: row.request_id,
            action: row.action,
            outcome: row.outcome,
            principal: row.principal,
            account: row.account,
            credential_id: row.credential_id,
            address: row.address,
            service: row.service,
            access_key: row.access_key,
            detail: row.detail,
            chain,
        }
    }

    fn row(self) -> AuditRow {
        AuditRow {
            id: self.id,
            at: self.at,
            request_id: self.request_id,
            action: self.action,
            principal: self.principal,
            account: self.account,
            credential_id: self.credential_id,
            address: self.address,
            service: self.service,
            access_key: self.access_key,
            detail: self.detail,
            outcome: self.outcome,
        }
    }
}
