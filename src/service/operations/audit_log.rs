//! Lists the audit for the operator, in the order of time and in batches of bounded size.
//!
//! Events are stored as rows and as pages. Pages overlap in time: replicas write at the same time,
//! and an outage delays events. So each batch selects the first lines after a position that fit
//! into [`MAX_BATCH_BYTES`]. A page that several batches need is read by each: a listing keeps no
//! state between batches but the position.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::time::Duration;

use crate::domain::Result;
use crate::domain::clock::Timestamp;
use crate::domain::ids::AccountId;
use crate::domain::operator::OperatorPermission;
use crate::service::call::Call;
use crate::service::ledger::event::rows;
use crate::service::ledger::words::{overflow_mark, word};
use crate::service::operations::Operations;
use crate::store::Store;
use crate::store::audit::{
    self, AuditPosition, AuditRow, NARROW_MILLIS, PageFilter, PageHead, RowFilter, Span, Wanted,
};

/// The most bytes of a batch in memory, but for a single line that has more.
const MAX_BATCH_BYTES: usize = 4 << 20;
/// The most rows that one query returns.
const MAX_ROWS: u32 = 512;
/// The most heads of pages that one query returns; the pages themselves are read afterwards.
const MAX_HEADS: usize = 512;
/// The most bytes of pages that are read at once, but for a single page that has more.
const MAX_READ_BYTES: usize = 1 << 20;
/// The assumed bytes of a page from a release that didn't store its size.
const UNCOUNTED_BYTES: usize = MAX_READ_BYTES / 8;

/// The filter of a listing: a span of time, and optionally a principal, an action and an outcome.
#[derive(Clone, Debug)]
pub struct AuditFilter {
    /// From this time on.
    pub since: Timestamp,
    /// Before this time.
    pub until: Timestamp,
    /// The principal, as the audit names it; one that ends with `/` is a prefix.
    pub principal: Option<String>,
    /// The action; one that ends with `*` is a prefix: `tcr:*`.
    pub action: Option<String>,
    /// The outcome, such as `refused`.
    pub outcome: Option<String>,
}

impl AuditFilter {
    /// Selects all lines of a span of time.
    pub fn between(since: Timestamp, until: Timestamp) -> Self {
        Self {
            since,
            until,
            principal: None,
            action: None,
            outcome: None,
        }
    }

    fn wanted_principal(&self) -> Wanted<'_> {
        match self.principal.as_deref() {
            None => Wanted::Any,
            // Of every operator: at the command line, with a token, and the service itself.
            Some("operator") => Wanted::Beginning("operator"),
            Some(beginning) if beginning.ends_with('/') => Wanted::Beginning(beginning),
            Some(principal) => Wanted::Exactly(principal),
        }
    }

    fn wanted_action(&self) -> Wanted<'_> {
        match self
            .action
            .as_deref()
            .map(|action| (action, action.strip_suffix('*')))
        {
            None => Wanted::Any,
            Some((_, Some(beginning))) => Wanted::Beginning(beginning),
            Some((action, None)) => Wanted::Exactly(action),
        }
    }

    fn wanted_outcome(&self) -> Wanted<'_> {
        self.outcome.as_deref().map_or(Wanted::Any, Wanted::Exactly)
    }

    fn has(&self, row: &AuditRow) -> bool {
        (self.since..self.until).contains(&row.at)
            && self
                .wanted_principal()
                .fits(row.principal.as_deref().unwrap_or_default())
            && self.wanted_action().fits(&row.action)
            && self.wanted_outcome().fits(&row.outcome)
    }

    fn of_rows(&self) -> RowFilter<'_> {
        RowFilter {
            until: self.until,
            action: self.wanted_action(),
            outcome: self.wanted_outcome(),
            principal: self.wanted_principal(),
        }
    }

    fn of_pages(&self, span: Span, since: Timestamp) -> PageFilter {
        let pair = |kind, wanted| (word(kind, wanted), overflow_mark(kind));
        let words = [
            pair("action", self.wanted_action()),
            pair("outcome", self.wanted_outcome()),
            pair("principal", self.wanted_principal()),
        ];
        PageFilter { span, since, words }
    }
}

/// A batch of a listing.
#[derive(Clone, Debug)]
pub struct AuditBatch {
    /// The lines, the oldest first.
    pub rows: Vec<AuditRow>,
    /// The position after which the next batch begins; none after the last batch.
    pub next: Option<AuditPosition>,
}

/// The first lines after a position, as many as fit.
struct Selection<'a> {
    after: &'a AuditPosition,
    filter: &'a AuditFilter,
    lines: BTreeMap<AuditPosition, AuditRow>,
    bytes: usize,
    /// Whether a line was left out for earlier ones: all after the last line is the next batch's.
    is_cut: bool,
}

impl Selection<'_> {
    /// Adds a line that the filter selects; later lines make room for it.
    fn add(&mut self, row: AuditRow) {
        let position = AuditPosition {
            at: row.at,
            id: row.id.clone(),
        };
        if position <= *self.after
            || !self.filter.has(&row)
            || self.is_cut && self.lines.keys().next_back() < Some(&position)
        {
            return;
        }
        let bytes = weight(&row);
        // The same page may be read twice.
        let Entry::Vacant(place) = self.lines.entry(position) else {
            return;
        };
        place.insert(row);
        self.bytes += bytes;
        while self.bytes > MAX_BATCH_BYTES
            && self.lines.len() > 1
            && let Some((_, last)) = self.lines.pop_last()
        {
            self.bytes -= weight(&last);
            self.is_cut = true;
        }
    }

    /// Tells whether no line of this time or later can be in the selection.
    fn ends_before(&self, at: Timestamp) -> bool {
        self.is_cut
            && self
                .lines
                .keys()
                .next_back()
                .is_some_and(|last| last.at < at)
    }

    /// Adds the events that are rows of their own.
    ///
    /// # Errors
    ///
    /// `StoreUnavailable`.
    async fn add_rows(&mut self, store: &Store) -> Result<()> {
        let mut after = self.after.clone();
        loop {
            let rows = audit::list(store, &after, self.filter.of_rows(), MAX_ROWS).await?;
            let is_last = rows.len() < MAX_ROWS as usize;
            let Some(last) = rows.last() else {
                return Ok(());
            };
            after = AuditPosition {
                at: last.at,
                id: last.id.clone(),
            };
            rows.into_iter().for_each(|row| self.add(row));
            if is_last || self.ends_before(after.at) {
                return Ok(());
            }
        }
    }

    /// Adds the events of pages whose times span so much.
    ///
    /// # Errors
    ///
    /// `Internal` for a stored page that can't be read; `StoreUnavailable`.
    async fn add_pages(&mut self, store: &Store, span: Span) -> Result<()> {
        let since = self.after.at;
        let filter = self.filter.of_pages(span, since);
        let begin = match span {
            Span::Narrow => since.minus(Duration::from_millis(NARROW_MILLIS.unsigned_abs())),
            Span::Wide => Timestamp::from_unix_millis(i64::MIN),
        };
        let mut after = AuditPosition {
            at: begin,
            id: String::new(),
        };
        loop {
            let heads =
                audit::list_pages(store, &after, self.filter.until, &filter, MAX_HEADS as u32)
                    .await?;
            let mut rest = heads.as_slice();
            while let Some(first) = rest.first() {
                if self.ends_before(first.position.at) {
                    return Ok(());
                }
                let (read, others) = rest.split_at(readable(rest));
                let Some(last) = read.last() else {
                    return Ok(());
                };
                for (id, lines) in audit::read_pages(store, &after, &last.position, &filter).await?
                {
                    for row in rows(&id, &lines) {
                        self.add(row?);
                    }
                }
                after = last.position.clone();
                rest = others;
            }
            if heads.len() < MAX_HEADS {
                return Ok(());
            }
        }
    }
}

/// Returns how many of the next pages are read at once.
fn readable(heads: &[PageHead]) -> usize {
    let mut bytes = 0;
    let fits = |head: &&PageHead| {
        bytes += head.bytes.unwrap_or(UNCOUNTED_BYTES);
        bytes <= MAX_READ_BYTES
    };
    heads.iter().take_while(fits).count().max(1)
}

/// Estimates the bytes that a line takes in memory.
fn weight(row: &AuditRow) -> usize {
    let optional = [
        &row.principal,
        &row.credential_id,
        &row.address,
        &row.service,
    ];
    let texts = [
        &row.id,
        &row.request_id,
        &row.action,
        &row.detail,
        &row.outcome,
    ];
    // The position has the id, too.
    let characters = texts
        .into_iter()
        .chain(optional.into_iter().flatten())
        .map(String::len)
        .sum::<usize>()
        + row.id.len();
    size_of::<(AuditPosition, AuditRow)>() + 10 * size_of::<usize>() + characters
}

impl Operations {
    /// Lists the audit, the oldest line first: the batch after a position, or the first one.
    ///
    /// A line that is stored during a listing, with a time before the position, is missing from it.
    ///
    /// # Errors
    ///
    /// `OperatorDenied`, or `Unsupported` for no operator; `Internal` for a stored page that can't
    /// be read; `StoreUnavailable`.
    pub async fn audit_lines(
        &self,
        call: &Call<'_>,
        filter: &AuditFilter,
        after: Option<&AuditPosition>,
    ) -> Result<AuditBatch> {
        call.caller
            .require_in_own_account(OperatorPermission::AuditRead)?;
        let begin = AuditPosition {
            at: filter.since,
            id: String::new(),
        };
        let after = after.filter(|after| **after > begin).unwrap_or(&begin);
        let mut selection = Selection {
            after,
            filter,
            lines: BTreeMap::new(),
            bytes: 0,
            is_cut: false,
        };
        selection.add_rows(&self.base.store).await?;
        for span in [Span::Wide, Span::Narrow] {
            selection.add_pages(&self.base.store, span).await?;
        }
        let next = selection
            .lines
            .keys()
            .next_back()
            .filter(|_| selection.is_cut)
            .cloned();
        let own = call.caller.own_account().map(AccountId::number);
        let is_shown = |row: &AuditRow| own.is_none() || row.account == own;
        Ok(AuditBatch {
            rows: selection.lines.into_values().filter(is_shown).collect(),
            next,
        })
    }
}
