//! The audit: who did what, when and from where.
//!
//! A change has its own row, written with it. Lines of other requests come in pages
//! ([`audit_page`](super::audit_page)).

mod ids;
mod position;
mod terms;

use crate::domain::Result;
use crate::domain::clock::Timestamp;
use crate::domain::ids::AccountId;
use crate::domain::instance::AnyInstanceId;

use super::Store;
use super::audit_chain::{ChainPlace, ChainedInsert, Content, Hashing};
use super::part::{Guarded, Part};
use super::row::{Row, Statement, Value, statements};

pub(super) use ids::timed_id;
pub use ids::{first_id, new_id, written_at};
pub use position::AuditPosition;
pub use terms::{Term, TermKind, Terms, may_have};

/// Writes the columns of a row.
macro_rules! row_columns {
    () => {
        "id, happened_at, request_id, action, principal, account_id, credential_id, address, \
         service, detail, outcome, access_key"
    };
}

/// Writes a query of rows from the time $1 to $2, both included; of those at $3, the rows whose id
/// is beyond $4. $5 is the action or nothing, $6 what it begins with, $7 the outcome or nothing, $8
/// what the principal begins with, $9 the credential, $10 the service, $11 the address, $12 the
/// request, $13 the access key, and $14 a text of the detail of one with another key; each may
/// be nothing. $15 is the limit.
macro_rules! select_rows {
    ($more:literal, $beyond:literal, $order:literal) => {
        concat!(
            "SELECT ",
            row_columns!(),
            " FROM audit WHERE happened_at >= $1 AND happened_at <= $2 AND (happened_at <> $3 OR \
             id ",
            $beyond,
            " $4) AND ($5 = '' OR action = $5) AND SUBSTR(action, 1, LENGTH($6)) = $6 AND ($7 = \
             '' OR outcome = $7) AND ($8 = '' OR SUBSTR(principal, 1, LENGTH($8)) = $8) AND ($9 = \
             '' OR credential_id = $9) AND ($10 = '' OR service = $10) AND ($11 = '' OR address = \
             $11) AND ($12 = '' OR request_id = $12) AND ($13 = '' OR access_key = $13 OR \
             REPLACE(detail, $14, '') <> detail)",
            $more,
            " ORDER BY happened_at",
            $order,
            ", id",
            $order,
            " LIMIT $15"
        )
    };
}

/// Writes a query by ids, of which there are [`MAX_IDS`].
macro_rules! select_by_ids {
    ($columns:expr, $table:literal) => {
        concat!(
            "SELECT ",
            $columns,
            " FROM ",
            $table,
            " WHERE id IN ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, \
             $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27, $28, $29, $30, $31, $32)"
        )
    };
}
pub(super) use select_by_ids;

statements! {
    "audit" {
    INSERT = "INSERT INTO audit (id, happened_at, request_id, action, principal, account_id, \
              credential_id, address, service, detail, outcome, access_key, writer, position, \
              previous) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)";
    LIST = select_rows!("", ">", "");
    LIST_OF_PRINCIPAL = select_rows!(" AND principal = $16", ">", "");
    LIST_BACK = select_rows!("", "<", " DESC");
    LIST_BACK_OF_PRINCIPAL = select_rows!(" AND principal = $16", "<", " DESC");
    NEW = "SELECT id FROM audit WHERE id > $1 ORDER BY id LIMIT $2";
    READ = select_by_ids!(row_columns!(), "audit");
    LIST_STORED = concat!(
        "SELECT ",
        row_columns!(),
        ", writer, position, previous FROM audit WHERE id > $1 ORDER BY id LIMIT $2"
    );
    // By the time of writing, too, which is the order of chains. Ids of earlier releases come
    // before all others.
    TRIM = "DELETE FROM audit WHERE happened_at < $1 AND id < $2";
    }
    // The audit names an instance by its service, and a deleted one stays as a row.
    "instance" {
    SERVICE_OF = "SELECT id, service, account_id FROM instance WHERE id = $1 OR cri_id = $1";
    }
}

/// The most ids that one query reads.
pub const MAX_IDS: usize = 32;

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
    /// The access key that signed the call, or that the log-in's credential was issued to.
    pub access_key: Option<String>,
    /// All else, as a JSON object.
    pub detail: String,
    /// How it ended.
    pub outcome: String,
}

/// The purpose of a row's hash.
const ROW: &[u8] = b"transire:audit-row:1";

impl AuditRow {
    /// Returns the hash of all that the row says.
    pub fn content(&self) -> Content {
        let mut hashing = Hashing::begin(ROW);
        for text in [
            &self.id,
            &self.request_id,
            &self.action,
            &self.detail,
            &self.outcome,
        ] {
            hashing.add(Some(text.as_bytes()));
        }
        hashing.add(Some(&self.at.unix_millis().to_le_bytes()));
        hashing.add(
            self.account
                .map(i64::to_le_bytes)
                .as_ref()
                .map(<[u8; 8]>::as_slice),
        );
        for text in [
            &self.principal,
            &self.credential_id,
            &self.address,
            &self.service,
            &self.access_key,
        ] {
            hashing.add(text.as_deref().map(str::as_bytes));
        }
        hashing.end()
    }
}

pub(super) fn insert(row: &AuditRow) -> ChainedInsert {
    ChainedInsert::new(
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
            row.access_key.as_deref().into(),
        ],
        row.content(),
    )
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

/// The order of a listing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// The oldest first.
    Forward,
    /// The newest first.
    Back,
}

/// The part of a listing that is still to come: from a time to another, both included, and beyond a
/// position.
#[derive(Clone, Copy, Debug)]
pub struct Range<'a> {
    /// Not before this time.
    pub from: Timestamp,
    /// Not after this time.
    pub to: Timestamp,
    /// Beyond this position, in the order of the listing.
    pub beyond: Option<&'a AuditPosition>,
    /// The order.
    pub order: Order,
}

impl Range<'_> {
    /// Returns the first four parameters: the times that are left, and the position.
    pub(super) fn parameters(&self) -> [Value; 4] {
        let (mut from, mut to) = (self.from, self.to);
        match (self.beyond, self.order) {
            (Some(beyond), Order::Forward) => from = from.max(beyond.at),
            (Some(beyond), Order::Back) => to = to.min(beyond.at),
            (None, _) => {}
        }
        // Without a position none is left out: no id is before the empty one, nor at such a time.
        let (at, id) = match self.beyond {
            Some(beyond) => (beyond.at, beyond.id.as_str()),
            None => (Timestamp::from_unix_millis(i64::MIN), ""),
        };
        [from.into(), to.into(), at.into(), id.into()]
    }
}

/// Which rows are listed.
#[derive(Clone, Copy, Debug)]
pub struct RowFilter<'a> {
    /// By the action.
    pub action: Wanted<'a>,
    /// By the outcome.
    pub outcome: Wanted<'a>,
    /// By the principal.
    pub principal: Wanted<'a>,
    /// By the credential.
    pub credential: Option<&'a str>,
    /// By the registry's service.
    pub service: Option<&'a str>,
    /// By the client's address.
    pub address: Option<&'a str>,
    /// By the request's id.
    pub request_id: Option<&'a str>,
    /// By the access key.
    pub access_key: Option<&'a str>,
    /// A text of the detail of rows that are listed though they have another access key.
    pub key_in_detail: Option<&'a str>,
}

/// Lists at most `limit` rows of a range, those in pages not among them, in its order.
///
/// # Errors
///
/// `StoreUnavailable` when the database doesn't answer, `Internal` for a row that can't be read.
pub async fn list(
    store: &Store,
    range: Range<'_>,
    filter: RowFilter<'_>,
    limit: u32,
) -> Result<Vec<AuditRow>> {
    let text = |text: Option<&str>| Value::from(text.unwrap_or_default());
    let mut parameters = Vec::from(range.parameters());
    parameters.extend([
        filter.action.exact().into(),
        filter.action.beginning().into(),
        filter.outcome.exact().into(),
        filter.principal.beginning().into(),
        text(filter.credential),
        text(filter.service),
        text(filter.address),
        text(filter.request_id),
        text(filter.access_key),
        text(filter.key_in_detail),
        i64::from(limit).into(),
    ]);
    let (all, of_principal) = match range.order {
        Order::Forward => (LIST, LIST_OF_PRINCIPAL),
        Order::Back => (LIST_BACK, LIST_BACK_OF_PRINCIPAL),
    };
    let statement = match filter.principal {
        Wanted::Exactly(principal) => {
            parameters.push(principal.into());
            of_principal
        }
        Wanted::Any | Wanted::Beginning(_) => all,
    };
    let rows = store.query(statement, parameters).await?;
    rows.iter().map(audit_row).collect()
}

/// Reads at most [`MAX_IDS`] rows, in no order.
///
/// # Errors
///
/// `StoreUnavailable` when the database doesn't answer, `Internal` for a row that can't be read.
pub async fn read(store: &Store, ids: &[&str]) -> Result<Vec<AuditRow>> {
    let rows = store.query(READ, id_parameters(ids)).await?;
    rows.iter().map(audit_row).collect()
}

/// Returns the ids as parameters; no row has the empty ones that fill them up.
pub(super) fn id_parameters(ids: &[&str]) -> Vec<Value> {
    let ids = ids.iter().copied().chain(std::iter::repeat(""));
    ids.take(MAX_IDS).map(Value::from).collect()
}

/// Lists the ids of at most `limit` rows after an id, in the order of writing ([`new_id`]).
///
/// # Errors
///
/// `StoreUnavailable` when the database doesn't answer, `Internal` for a row that can't be read.
pub async fn list_new(store: &Store, after: &str, limit: u32) -> Result<Vec<String>> {
    list_ids(store, NEW, after, limit).await
}

/// Lists at most `limit` rows after an id, in the order of ids, each with its place in a chain.
///
/// # Errors
///
/// `StoreUnavailable` when the database doesn't answer, `Internal` for a row that can't be read.
pub async fn list_stored(
    store: &Store,
    after: &str,
    limit: u32,
) -> Result<Vec<(AuditRow, Option<ChainPlace>)>> {
    let parameters = vec![after.into(), i64::from(limit).into()];
    let rows = store.query(LIST_STORED, parameters).await?;
    let stored = |row: &Row| Ok((audit_row(row)?, ChainPlace::of_row(row)?));
    rows.iter().map(stored).collect()
}

/// Lists ids after an id.
pub(super) async fn list_ids(
    store: &Store,
    statement: Statement,
    after: &str,
    limit: u32,
) -> Result<Vec<String>> {
    let parameters = vec![after.into(), i64::from(limit).into()];
    let rows = store.query(statement, parameters).await?;
    rows.iter().map(|row| row.text("id")).collect()
}

/// Finds the service by which the audit names an instance, be it deleted, and its account.
///
/// # Errors
///
/// `StoreUnavailable` when the database doesn't answer, `Internal` for a row that can't be read.
pub async fn service_of(store: &Store, id: &AnyInstanceId) -> Result<Option<(String, AccountId)>> {
    let id = match id {
        AnyInstanceId::Tcr(id) => id.as_str(),
        AnyInstanceId::Cri(id) => id.as_str(),
    };
    let row = store.find(SERVICE_OF, vec![id.into()]).await?;
    row.map(|row| {
        let account = AccountId::new(row.integer("account_id")?);
        let account = account.map_err(|error| row.unreadable("account_id", error))?;
        Ok((row.text("service")?, account))
    })
    .transpose()
}

/// Forgets the rows from before `before`.
pub fn trim(before: Timestamp) -> Part {
    Part::of([Guarded::unguarded(TRIM, trimmed(before))])
}

/// Returns the parameters of a statement that forgets what was written before a time.
pub(super) fn trimmed(before: Timestamp) -> Vec<Value> {
    vec![before.into(), first_id(before).as_str().into()]
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
        access_key: row.optional_text("access_key")?,
    })
}
