//! Follows the audit: the events that are stored from now on, whenever they happened.
//!
//! Ids are in the order of writing ([`new_id`](crate::store::audit::new_id)), as far as the clocks
//! of replicas agree and as long as a write lasts. So each look begins a minute before the look
//! before it, and leaves out what it knows. An event that an outage held back has an id of the time
//! at which it was stored at last.

use std::collections::BTreeSet;
use std::time::Duration;

use super::filter::{AuditFilter, Matcher};
use crate::domain::Result;
use crate::domain::clock::Timestamp;
use crate::domain::operator::OperatorPermission;
use crate::service::call::Call;
use crate::service::ledger::event::rows;
use crate::service::operations::Operations;
use crate::store::audit::{self, AuditRow, MAX_IDS, first_id};
use crate::store::{Store, audit_page};

/// How far clocks of replicas differ, and how long a write lasts, at most.
const OVERLAP: Duration = Duration::from_mins(1);
/// The most ids that one query returns.
const MAX_LISTED: u32 = 1000;
/// The most pages that are read for one batch.
const PAGES_AT_ONCE: usize = 8;

/// How far the audit was followed.
#[derive(Debug)]
pub struct AuditTail {
    /// When the last look began.
    looked_at: Timestamp,
    rows: Seen,
    pages: Seen,
    /// The lines that a listing showed of what was stored since the beginning.
    listed: BTreeSet<String>,
}

/// The ids that were seen in the last minute, and those that are to be read.
#[derive(Debug, Default)]
struct Seen {
    known: BTreeSet<String>,
    unread: Vec<String>,
}

/// Events that were stored since the last look.
#[derive(Debug)]
pub struct AuditNews {
    /// The events, in the order of time.
    pub rows: Vec<AuditRow>,
    /// Whether there are more of them already.
    pub has_more: bool,
}

impl Seen {
    /// Takes ids of the last minute that it doesn't know.
    fn take(&mut self, ids: Vec<String>) {
        for id in ids {
            if self.known.insert(id.clone()) {
                self.unread.push(id);
            }
        }
    }

    /// Forgets the first ids to be read, which were read.
    fn done(&mut self, most: usize) {
        self.unread.drain(..most.min(self.unread.len()));
    }
}

impl AuditTail {
    /// Leaves out lines that a listing showed after the beginning.
    pub fn leave_out<'a>(&mut self, shown: impl IntoIterator<Item = &'a AuditRow>) {
        for row in shown {
            let stored = row.id.split('.').next().unwrap_or_default();
            if !self.rows.known.contains(stored) && !self.pages.known.contains(stored) {
                self.listed.insert(row.id.clone());
            }
        }
    }

    /// Looks for ids that aren't known.
    async fn look(&mut self, store: &Store, now: Timestamp) -> Result<()> {
        let edge = first_id(self.looked_at.min(now).minus(OVERLAP));
        let mut after = edge.clone();
        loop {
            let ids = audit::list_new(store, &after, MAX_LISTED).await?;
            let last = ids
                .last()
                .filter(|_| ids.len() == MAX_LISTED as usize)
                .cloned();
            self.rows.take(ids);
            let Some(last) = last else { break };
            after = last;
        }
        after.clone_from(&edge);
        loop {
            let ids = audit_page::list_new(store, &after, MAX_LISTED).await?;
            let last = ids
                .last()
                .filter(|_| ids.len() == MAX_LISTED as usize)
                .cloned();
            self.pages.take(ids);
            let Some(last) = last else { break };
            after = last;
        }
        for seen in [&mut self.rows, &mut self.pages] {
            seen.known = seen.known.split_off(&edge);
        }
        self.looked_at = now;
        Ok(())
    }
}

impl Operations {
    /// Begins to follow the audit.
    ///
    /// # Errors
    ///
    /// `OperatorDenied`, or `Unsupported` for no operator; `StoreUnavailable`.
    pub async fn audit_tail(&self, call: &Call<'_>) -> Result<AuditTail> {
        call.caller
            .require_in_own_account(OperatorPermission::AuditRead)?;
        let mut tail = AuditTail {
            looked_at: call.now,
            rows: Seen::default(),
            pages: Seen::default(),
            listed: BTreeSet::new(),
        };
        tail.look(&self.base.store, call.now).await?;
        (tail.rows.unread, tail.pages.unread) = (Vec::new(), Vec::new());
        Ok(tail)
    }

    /// Returns events that the filter selects, but for its times, and that were stored since the
    /// last look; a part of them where they are many.
    ///
    /// # Errors
    ///
    /// `OperatorDenied`, or `Unsupported` for no operator; `Internal` for a stored page that can't
    /// be read; `StoreUnavailable`, after which the next look finds what this one didn't.
    pub async fn audit_news(
        &self,
        call: &Call<'_>,
        filter: &AuditFilter,
        tail: &mut AuditTail,
    ) -> Result<AuditNews> {
        let filter = filter.permitted(call)?;
        let (store, matcher) = (&self.base.store, Matcher::new(&filter));
        if tail.rows.unread.is_empty() && tail.pages.unread.is_empty() {
            tail.look(store, call.now).await?;
        }
        let ids: Vec<&str> = tail
            .rows
            .unread
            .iter()
            .take(MAX_IDS)
            .map(String::as_str)
            .collect();
        let mut found = match ids.as_slice() {
            [] => Vec::new(),
            ids => audit::read(store, ids).await?,
        };
        let ids: Vec<&str> = tail
            .pages
            .unread
            .iter()
            .take(PAGES_AT_ONCE)
            .map(String::as_str)
            .collect();
        if !ids.is_empty() {
            for (id, lines) in audit_page::read(store, &ids).await? {
                let wanted = rows(&id, &lines, |line| matcher.may_have(line));
                found.extend(wanted.collect::<Result<Vec<_>>>()?);
            }
        }
        // Only now: a look that failed is repeated.
        tail.rows.done(MAX_IDS);
        tail.pages.done(PAGES_AT_ONCE);
        found.retain(|row| matcher.has_at_any_time(row) && !tail.listed.remove(&row.id));
        found.sort_by(|one, other| (one.at, &one.id).cmp(&(other.at, &other.id)));
        Ok(AuditNews {
            rows: found,
            has_more: !tail.rows.unread.is_empty() || !tail.pages.unread.is_empty(),
        })
    }
}
