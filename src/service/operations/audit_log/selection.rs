//! The first lines of a listing beyond a position, as many as fit.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::time::Duration;

use super::AuditReads;
use super::filter::{AuditFilter, Matcher};
use crate::domain::Result;
use crate::domain::clock::Timestamp;
use crate::service::ledger::event::rows;
use crate::store::Store;
use crate::store::audit::{self, AuditPosition, AuditRow, MAX_IDS, Order, Range};
use crate::store::audit_page::{self, NARROW_MILLIS, PageHead, Span};

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
/// The longest time of a narrow page.
const NARROW: Duration = Duration::from_millis(NARROW_MILLIS.unsigned_abs());

/// The first lines beyond a position, as many as fit.
pub(super) struct Selection<'a> {
    after: Option<&'a AuditPosition>,
    filter: &'a AuditFilter,
    matcher: Matcher<'a>,
    order: Order,
    max_lines: usize,
    lines: BTreeMap<AuditPosition, AuditRow>,
    bytes: usize,
    /// Whether a line was left out for nearer ones, or may have been: all beyond the last line is
    /// the next batch's.
    is_cut: bool,
    /// How many pages are read at once: few at first, as they may be enough.
    pages_at_once: usize,
    reads: AuditReads,
}

impl<'a> Selection<'a> {
    pub(super) fn new(filter: &'a AuditFilter, after: Option<&'a AuditPosition>) -> Self {
        let max_lines = filter.limit.and_then(|limit| usize::try_from(limit).ok());
        Self {
            after,
            filter,
            matcher: Matcher::new(filter),
            order: filter.order(),
            max_lines: max_lines.unwrap_or(usize::MAX).max(1),
            lines: BTreeMap::new(),
            bytes: 0,
            is_cut: false,
            pages_at_once: 2,
            reads: AuditReads::default(),
        }
    }

    /// Tells whether one position comes before another in the order of the listing.
    fn is_before(&self, one: &AuditPosition, other: &AuditPosition) -> bool {
        match self.order {
            Order::Forward => one < other,
            Order::Back => one > other,
        }
    }

    /// Returns the position of the last line in the order of the listing.
    fn last(&self) -> Option<&AuditPosition> {
        match self.order {
            Order::Forward => self.lines.keys().next_back(),
            Order::Back => self.lines.keys().next(),
        }
    }

    /// Returns the time of the last line when the selection is full: no line beyond it is wanted.
    fn full_at(&self) -> Option<Timestamp> {
        self.last()
            .filter(|_| self.is_cut || self.lines.len() >= self.max_lines)
            .map(|last| last.at)
    }

    /// Adds a line that the filter selects; lines beyond it make room for it.
    fn add(&mut self, row: AuditRow) {
        let position = AuditPosition {
            at: row.at,
            id: row.id.clone(),
        };
        let is_past = |edge: &AuditPosition| !self.is_before(edge, &position);
        let is_beyond = |last: &AuditPosition| self.is_before(last, &position);
        if self.after.is_some_and(is_past)
            || !self.matcher.has(&row)
            || self.is_cut && self.last().is_some_and(is_beyond)
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
        while (self.bytes > MAX_BATCH_BYTES || self.lines.len() > self.max_lines)
            && self.lines.len() > 1
            && let Some((_, last)) = self.pop_last()
        {
            self.bytes -= weight(&last);
            self.is_cut = true;
        }
    }

    fn pop_last(&mut self) -> Option<(AuditPosition, AuditRow)> {
        match self.order {
            Order::Forward => self.lines.pop_last(),
            Order::Back => self.lines.pop_first(),
        }
    }

    /// Tells whether no line from this time on, in the order of the listing, can be in the
    /// selection. Those lines are the next batch's.
    fn ends_before(&mut self, at: Timestamp) -> bool {
        let ends = self.full_at().is_some_and(|last| match self.order {
            Order::Forward => last < at,
            Order::Back => last > at,
        });
        self.is_cut |= ends;
        ends
    }

    /// Adds the events that are rows of their own.
    ///
    /// # Errors
    ///
    /// `StoreUnavailable`.
    pub(super) async fn add_rows(&mut self, store: &Store) -> Result<()> {
        let mut after = self.after.cloned();
        loop {
            let range = self.filter.times(after.as_ref());
            let rows = audit::list(store, range, self.matcher.of_rows(), MAX_ROWS).await?;
            let is_last = rows.len() < MAX_ROWS as usize;
            let Some(last) = rows.last() else {
                return Ok(());
            };
            let next = AuditPosition {
                at: last.at,
                id: last.id.clone(),
            };
            rows.into_iter().for_each(|row| self.add(row));
            if is_last || self.ends_before(next.at) {
                return Ok(());
            }
            after = Some(next);
        }
    }

    /// Returns the times at which pages of a span begin that may have lines beyond the position,
    /// and the time at which they end at the earliest.
    fn of_pages(&self, span: Span) -> (Range<'static>, Timestamp) {
        let lines = self.filter.times(None);
        let (mut since, mut to) = (lines.from, lines.to);
        match (self.after, self.order) {
            (Some(after), Order::Forward) => since = since.max(after.at),
            (Some(after), Order::Back) => to = to.min(after.at),
            (None, _) => {}
        }
        let from = match span {
            Span::Narrow => since.minus(NARROW),
            Span::Wide => Timestamp::from_unix_millis(i64::MIN),
        };
        let range = Range {
            from,
            to,
            beyond: None,
            order: self.order,
        };
        (range, since)
    }

    /// Adds the events of pages whose times span so much.
    ///
    /// # Errors
    ///
    /// `Internal` for a stored page that can't be read; `StoreUnavailable`.
    pub(super) async fn add_pages(&mut self, store: &Store, span: Span) -> Result<()> {
        let (range, since) = self.of_pages(span);
        let filter = self.filter.of_pages(span, since);
        let mut beyond = None;
        loop {
            let range = Range {
                beyond: beyond.as_ref(),
                ..range
            };
            let heads = audit_page::list(store, range, &filter, MAX_HEADS as u32).await?;
            self.reads.pages_listed += heads.len();
            let mut rest = heads.iter();
            while let Some((chunk, is_over)) = self.next_pages(&mut rest, span) {
                self.read(store, &chunk).await?;
                if is_over {
                    return Ok(());
                }
            }
            if heads.len() < MAX_HEADS {
                return Ok(());
            }
            beyond = heads.into_iter().next_back().map(|head| head.position);
        }
    }

    /// Takes the next pages that are read at once, and tells whether none comes after them; nothing
    /// when all are taken.
    fn next_pages<'h>(
        &mut self,
        heads: &mut impl Iterator<Item = &'h PageHead>,
        span: Span,
    ) -> Option<(Vec<&'h str>, bool)> {
        let (mut ids, mut bytes, mut is_taken) = (Vec::new(), 0, false);
        for head in heads {
            is_taken = true;
            if self.ends_with(head, span) {
                return Some((ids, true));
            }
            if !head.may_match {
                continue;
            }
            if self.order == Order::Back && self.full_at().is_some_and(|last| head.last_at < last) {
                // Its lines may be the next batch's.
                self.is_cut = true;
                continue;
            }
            ids.push(head.position.id.as_str());
            bytes += head.bytes.unwrap_or(UNCOUNTED_BYTES);
            // The next one may be as large.
            if ids.len() >= self.pages_at_once
                || bytes + head.bytes.unwrap_or(UNCOUNTED_BYTES) > MAX_READ_BYTES
            {
                break;
            }
        }
        is_taken.then_some((ids, false))
    }

    /// Tells whether neither a page nor those that come after it have a line for the selection.
    fn ends_with(&mut self, head: &PageHead, span: Span) -> bool {
        match (self.order, span) {
            (Order::Forward, _) => self.ends_before(head.position.at),
            // Those that begin earlier end earlier than this.
            (Order::Back, Span::Narrow) => self.ends_before(head.position.at.plus(NARROW)),
            (Order::Back, Span::Wide) => false,
        }
    }

    /// Reads pages, and adds their lines.
    async fn read(&mut self, store: &Store, ids: &[&str]) -> Result<()> {
        if ids.is_empty() {
            return Ok(());
        }
        self.pages_at_once = (2 * self.pages_at_once).min(MAX_IDS);
        for (id, lines) in audit_page::read(store, ids).await? {
            self.reads.pages_read += 1;
            self.reads.bytes_read += lines.len();
            let wanted: Vec<_> =
                rows(&id, &lines, |line| self.matcher.may_have(line)).collect::<Result<_>>()?;
            wanted.into_iter().for_each(|row| self.add(row));
        }
        Ok(())
    }

    /// Returns the lines in the order of the listing, the position after which the next batch
    /// begins, and what was read.
    pub(super) fn end(self) -> (Vec<AuditRow>, Option<AuditPosition>, AuditReads) {
        let next = self.last().filter(|_| self.is_cut).cloned();
        let mut rows: Vec<_> = self.lines.into_values().collect();
        if self.order == Order::Back {
            rows.reverse();
        }
        (rows, next, self.reads)
    }
}

/// Estimates the bytes that a line takes in memory.
fn weight(row: &AuditRow) -> usize {
    let optional = [
        &row.principal,
        &row.credential_id,
        &row.address,
        &row.service,
        &row.access_key,
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
