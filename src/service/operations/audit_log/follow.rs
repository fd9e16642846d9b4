//! Follows the audit: the events that are stored from now on, whenever they happened.
//!
//! Ids are in the order of writing ([`new_id`](crate::store::audit::new_id)), as far as the clocks
//! of replicas agree and as long as a write lasts. So each look begins a minute before the look
//! before it, and leaves out what it knows. An event that an outage held back has an id of the time
//! at which it was stored at last.
//!
//! The reader keeps the place that it has reached, and gives it back with each look. So a service
//! keeps nothing for its readers, and any replica answers the next look.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::filter::{AuditFilter, Matcher};
use crate::domain::clock::Timestamp;
use crate::domain::operator::OperatorPermission;
use crate::domain::{Error, Result};
use crate::service::call::Call;
use crate::service::ledger::event::rows;
use crate::service::operations::Operations;
use crate::store::audit::{self, AuditPosition, AuditRow, MAX_IDS, first_id};
use crate::store::{Store, audit_page};

/// How far clocks of replicas differ, and how long a write lasts, at most.
const OVERLAP: Duration = Duration::from_mins(1);
/// The most ids that one query returns.
const MAX_LISTED: u32 = 1000;
/// The most pages that are read for one batch.
const PAGES_AT_ONCE: usize = 8;
/// The most ids of rows, and of pages, that a place names. Where more are stored in a minute, it
/// reaches back for less than that: its text has to fit into a request.
const MAX_KNOWN: usize = 8000;
/// The most bytes of an id in a place's text.
const MAX_ID_BYTES: usize = 64;
/// The marks between the parts of a place's text; ids and positions have none of them.
const BETWEEN_PARTS: char = '~';
const BETWEEN_IDS: char = '-';
/// The text of a listing that is to begin.
const BEGINNING: &str = "begin";

/// How far the audit was followed.
///
/// As text it is a cursor, whose form is nobody's business but this one's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditTail {
    past: Past,
    rows: Seen,
    pages: Seen,
}

/// The part of the past that is listed before what is new.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Past {
    Shown,
    Beginning,
    After(AuditPosition),
}

/// The ids that were seen in the last minute.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Seen {
    /// The text after which ids are looked for.
    edge: String,
    known: BTreeSet<String>,
}

/// The things that have ids in the order of writing.
#[derive(Clone, Copy)]
enum Stored {
    Rows,
    Pages,
}

/// Ids that weren't known.
struct Unread {
    ids: Vec<String>,
    has_more: bool,
}

/// Events that were stored since the last look.
#[derive(Debug)]
pub struct AuditNews {
    /// The events, in the order of time.
    pub rows: Vec<AuditRow>,
    /// Whether there may be more of them already.
    pub has_more: bool,
}

impl Stored {
    async fn list(self, store: &Store, after: &str) -> Result<Vec<String>> {
        match self {
            Self::Rows => audit::list_new(store, after, MAX_LISTED).await,
            Self::Pages => audit_page::list_new(store, after, MAX_LISTED).await,
        }
    }
}

impl Seen {
    /// Notes all ids of the last minute.
    async fn begin(store: &Store, stored: Stored, now: Timestamp) -> Result<Self> {
        let mut seen = Self {
            edge: first_id(now.minus(OVERLAP)),
            known: BTreeSet::new(),
        };
        let mut after = seen.edge.clone();
        loop {
            let ids = stored.list(store, &after).await?;
            let is_last = ids.len() < MAX_LISTED as usize;
            let Some(last) = ids.last().cloned() else {
                return Ok(seen);
            };
            seen.known.extend(ids);
            seen.shorten();
            if is_last {
                return Ok(seen);
            }
            after = last;
        }
    }

    /// Finds the first ids of the last minute that aren't known.
    async fn look(
        &self,
        store: &Store,
        stored: Stored,
        now: Timestamp,
        most: usize,
    ) -> Result<Unread> {
        // A clock that was set back writes ids from before the edge.
        let mut after = self.edge.clone().min(first_id(now.minus(OVERLAP)));
        let mut found = Vec::new();
        loop {
            let ids = stored.list(store, &after).await?;
            let last = ids.last().cloned();
            let is_last = ids.len() < MAX_LISTED as usize;
            found.extend(ids.into_iter().filter(|id| !self.known.contains(id)));
            match last {
                Some(last) if !is_last && found.len() <= most => after = last,
                _ => break,
            }
        }
        let has_more = found.len() > most;
        found.truncate(most);
        Ok(Unread {
            ids: found,
            has_more,
        })
    }

    /// Notes ids that were read, and forgets those of more than a minute ago.
    fn note(&mut self, read: Unread, now: Timestamp) {
        let mut edge = first_id(now.minus(OVERLAP));
        // The reader stays before all that it hasn't read, however long the reading takes.
        if let (true, Some(last)) = (read.has_more, read.ids.last()) {
            edge = edge.min(last.clone());
        }
        self.known.extend(read.ids);
        if edge > self.edge {
            self.known = self.known.split_off(&edge);
            self.edge = edge;
        }
        self.shorten();
    }

    fn shorten(&mut self) {
        while self.known.len() > MAX_KNOWN
            && let Some(first) = self.known.pop_first()
        {
            self.edge = first;
        }
    }

    /// Tells whether an id was stored after all that is known.
    fn is_later(&self, id: &str) -> bool {
        *id > *self.edge && !self.known.contains(id)
    }
}

impl AuditTail {
    /// Tells whether a row was stored after the beginning.
    fn is_later(&self, row: &AuditRow) -> bool {
        match row.id.split_once('.') {
            Some((page, _)) => self.pages.is_later(page),
            None => self.rows.is_later(&row.id),
        }
    }
}

impl Operations {
    /// Begins to follow the audit; where `shows_past`, with the listing of the filter's times.
    ///
    /// # Errors
    ///
    /// `OperatorDenied`, or `Unsupported` for no operator; `StoreUnavailable`.
    pub async fn audit_tail(&self, call: &Call<'_>, shows_past: bool) -> Result<AuditTail> {
        call.caller
            .require_in_own_account(OperatorPermission::AuditRead)?;
        let store = &self.base.store;
        Ok(AuditTail {
            past: if shows_past {
                Past::Beginning
            } else {
                Past::Shown
            },
            rows: Seen::begin(store, Stored::Rows, call.now).await?,
            pages: Seen::begin(store, Stored::Pages, call.now).await?,
        })
    }

    /// Returns the next events that the filter selects: those of its times, where the past is
    /// shown, and then those that were stored since the last look, at whatever time. Where they are
    /// many, it is a part of them.
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
        let after = match &tail.past {
            Past::Shown => return self.new_events(call, filter, tail).await,
            Past::Beginning => None,
            Past::After(position) => Some(position),
        };
        let batch = self.audit_lines(call, filter, after).await?;
        let mut rows = batch.rows;
        // An event that is stored during the listing is shown once, among the new ones.
        rows.retain(|row| !tail.is_later(row));
        tail.past = batch.next.map_or(Past::Shown, Past::After);
        Ok(AuditNews {
            rows,
            has_more: true,
        })
    }

    async fn new_events(
        &self,
        call: &Call<'_>,
        filter: &AuditFilter,
        tail: &mut AuditTail,
    ) -> Result<AuditNews> {
        let filter = filter.permitted(call)?;
        let (store, matcher, now) = (&self.base.store, Matcher::new(&filter), call.now);
        let rows_unread = tail.rows.look(store, Stored::Rows, now, MAX_IDS).await?;
        let pages_unread = tail
            .pages
            .look(store, Stored::Pages, now, PAGES_AT_ONCE)
            .await?;
        let mut found = match texts(&rows_unread.ids).as_slice() {
            [] => Vec::new(),
            ids => audit::read(store, ids).await?,
        };
        if !pages_unread.ids.is_empty() {
            for (id, lines) in audit_page::read(store, &texts(&pages_unread.ids)).await? {
                let wanted = rows(&id, &lines, |line| matcher.may_have(line));
                found.extend(wanted.collect::<Result<Vec<_>>>()?);
            }
        }
        let has_more = rows_unread.has_more || pages_unread.has_more;
        // Only now: a look that failed is repeated.
        tail.rows.note(rows_unread, now);
        tail.pages.note(pages_unread, now);
        found.retain(|row| matcher.has_at_any_time(row));
        found.sort_by(|one, other| (one.at, &one.id).cmp(&(other.at, &other.id)));
        Ok(AuditNews {
            rows: found,
            has_more,
        })
    }
}

fn texts(ids: &[String]) -> Vec<&str> {
    ids.iter().map(String::as_str).collect()
}

impl fmt::Display for AuditTail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.past {
            Past::Shown => {}
            Past::Beginning => f.write_str(BEGINNING)?,
            Past::After(position) => position.fmt(f)?,
        }
        write!(
            f,
            "{BETWEEN_PARTS}{}{BETWEEN_PARTS}{}",
            self.rows, self.pages
        )
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.edge)?;
        self.known
            .iter()
            .try_for_each(|id| write!(f, "{BETWEEN_IDS}{id}"))
    }
}

impl FromStr for AuditTail {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let read = || {
            let mut parts = text.split(BETWEEN_PARTS);
            let (past, rows, pages) = (parts.next()?, parts.next()?, parts.next()?);
            let past = match past {
                "" => Past::Shown,
                BEGINNING => Past::Beginning,
                position => Past::After(position.parse().ok()?),
            };
            parts.next().is_none().then_some(())?;
            Some(Self {
                past,
                rows: Seen::read(rows)?,
                pages: Seen::read(pages)?,
            })
        };
        read().ok_or_else(|| {
            Error::invalid_parameter("after", "it is given back as the answer before gave it")
        })
    }
}

impl Seen {
    fn read(text: &str) -> Option<Self> {
        let mut ids = text.split(BETWEEN_IDS);
        let edge = ids.next()?.to_owned();
        let known: BTreeSet<_> = ids.map(str::to_owned).collect();
        let is_id = |id: &String| {
            (1..=MAX_ID_BYTES).contains(&id.len())
                && id.bytes().all(|byte| byte.is_ascii_alphanumeric())
        };
        let is_whole = is_id(&edge) && known.len() <= MAX_KNOWN && known.iter().all(is_id);
        is_whole.then_some(Self { edge, known })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ErrorKind;

    fn seen(edge: &str, known: &[&str]) -> Seen {
        Seen {
            edge: edge.to_owned(),
            known: known.iter().map(|id| (*id).to_owned()).collect(),
        }
    }

    #[test]
    fn a_tail_reads_back_from_its_text() {
        let position = AuditPosition {
            at: Timestamp::from_unix_seconds(1_735_787_045),
            id: "w1ab.0001".to_owned(),
        };
        for past in [Past::Shown, Past::Beginning, Past::After(position)] {
            let tail = AuditTail {
                past,
                rows: seen("w1", &["w1a", "w1b"]),
                pages: seen("w1", &[]),
            };
            assert_eq!(tail.to_string().parse::<AuditTail>().unwrap(), tail);
        }
    }

    #[test]
    fn a_tail_that_no_answer_gave_is_refused() {
        let long = format!("~{}~w1", "a".repeat(65));
        for bad in [
            "", "~", "~w1", "~w1~w1~", "x~w1~w1", "~w1-~w1", "~w1-'~w1", &long,
        ] {
            let refused = bad.parse::<AuditTail>().unwrap_err();
            let expected = ErrorKind::InvalidParameter {
                name: "after".to_owned(),
            };
            assert_eq!(refused.kind(), &expected, "{bad:?}");
        }
    }

    #[test]
    fn a_reader_that_is_behind_keeps_its_place() {
        let now = Timestamp::from_unix_seconds(1_735_787_045);
        let old = first_id(now.minus(OVERLAP * 60));
        let mut behind = seen(&old, &[]);
        let read = |has_more| Unread {
            ids: vec![format!("{old}a")],
            has_more,
        };
        behind.note(read(true), now);
        assert_eq!(behind.edge, format!("{old}a"));
        behind.note(read(false), now);
        assert_eq!(behind, seen(&first_id(now.minus(OVERLAP)), &[]));
    }
}
