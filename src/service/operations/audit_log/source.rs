//! The whole audit in the order in which it is verified and exported: lines by their ids,
//! checkpoints in between by their times.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use crate::domain::Result;
use crate::domain::clock::Timestamp;
use crate::service::ledger::checkpoints::Head;
use crate::service::operations::audit_log::stored::StoredLine;
use crate::store::audit_chain::{self, ChainPlace};
use crate::store::audit_checkpoint::{self, CheckpointRow};
use crate::store::{Store, audit, audit_page};

/// How many rows and checkpoints are read at once.
const ROWS: u32 = 500;
/// How many pages are read at once, each of a quarter of a megabyte at most.
const PAGES: u32 = 16;
/// How long before the reading began a line may have been made that was stored after.
const UNDER_WAY: Duration = Duration::from_secs(60);

/// A line or a checkpoint.
pub(super) enum Item {
    Line(Box<StoredLine>),
    Checkpoint(CheckpointRow),
}

/// Rows, pages or checkpoints that are read one after the other, and how far they were read.
struct Ahead<T, Place> {
    read: VecDeque<T>,
    after: Place,
    is_done: bool,
}

impl<T, Place> Ahead<T, Place> {
    fn after(after: Place) -> Self {
        Self {
            read: VecDeque::new(),
            after,
            is_done: false,
        }
    }

    /// Takes a batch that was read, of which the last item is at a place.
    fn take(&mut self, batch: Vec<T>, limit: u32, place: impl Fn(&T) -> Place) {
        self.is_done = batch.len() < limit as usize;
        if let Some(last) = batch.last() {
            self.after = place(last);
        }
        self.read.extend(batch);
    }

    fn wants_more(&self) -> bool {
        self.read.is_empty() && !self.is_done
    }
}

/// All that was stored when the reading began; later lines are left out.
pub(super) struct Source<'a> {
    store: &'a Store,
    rows: Ahead<StoredLine, String>,
    pages: Ahead<StoredLine, String>,
    checkpoints: Ahead<CheckpointRow, i64>,
    /// The last line of each writer that wrote lately.
    heads: Vec<Head>,
    last_of: HashMap<String, i64>,
    began_at: Timestamp,
    newest: Option<CheckpointRow>,
}

impl<'a> Source<'a> {
    /// Begins to read, all or from a time on.
    ///
    /// # Errors
    ///
    /// Those of the store.
    pub(super) async fn begin(
        store: &'a Store,
        since: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<Self> {
        // First of all: every line that they name is there by then.
        let newest = audit_checkpoint::newest(store).await?;
        let heads = audit_chain::heads(store).await?.into_iter().map(Head::from);
        let heads: Vec<Head> = heads.collect();
        let last_of = heads
            .iter()
            .map(|head| (head.writer.clone(), head.position));
        let first_id = since.map_or_else(String::new, audit::first_id);
        let before = match since {
            Some(since) => audit_checkpoint::last_before(store, since).await?,
            None => 0,
        };
        Ok(Self {
            store,
            rows: Ahead::after(first_id.clone()),
            pages: Ahead::after(first_id),
            checkpoints: Ahead::after(before),
            last_of: last_of.collect(),
            heads,
            began_at: now,
            newest,
        })
    }

    /// Returns the newest checkpoint, signature and all.
    pub(super) fn newest(&self) -> Option<&str> {
        self.newest.as_ref().map(|newest| newest.signed.as_str())
    }

    /// Returns the last line of each writer that wrote lately.
    pub(super) fn heads(&self) -> &[Head] {
        &self.heads
    }

    /// Returns the next line or checkpoint.
    ///
    /// # Errors
    ///
    /// Those of the store.
    pub(super) async fn next(&mut self) -> Result<Option<Item>> {
        loop {
            self.read_ahead().await?;
            let row = self.rows.read.front();
            let page = self.pages.read.front();
            let is_row = match (row, page) {
                (Some(row), Some(page)) => row.id() <= page.id(),
                (row, _) => row.is_some(),
            };
            let line = if is_row { row } else { page };
            if let Some(made_at) = self.checkpoints.read.front().map(|next| next.made_at)
                && line.is_none_or(|line| made_at < line.written_at())
            {
                return Ok(self.checkpoints.read.pop_front().map(Item::Checkpoint));
            }
            let lines = if is_row {
                &mut self.rows
            } else {
                &mut self.pages
            };
            let Some(line) = lines.read.pop_front() else {
                return Ok(None);
            };
            if self.was_there(&line) {
                return Ok(Some(Item::Line(Box::new(line))));
            }
        }
    }

    async fn read_ahead(&mut self) -> Result<()> {
        if self.rows.wants_more() {
            let rows = audit::list_stored(self.store, &self.rows.after, ROWS).await?;
            let rows = rows.into_iter().map(StoredLine::from).collect();
            self.rows.take(rows, ROWS, |row| row.id().to_owned());
        }
        if self.pages.wants_more() {
            let pages = audit_page::list_stored(self.store, &self.pages.after, PAGES).await?;
            let pages = pages.into_iter().map(StoredLine::from).collect();
            self.pages.take(pages, PAGES, |page| page.id().to_owned());
        }
        if self.checkpoints.wants_more() {
            let after = self.checkpoints.after;
            let newest = self.newest.as_ref().map_or(0, |newest| newest.number);
            let mut read = audit_checkpoint::list_after(self.store, after, ROWS).await?;
            let all = read.len();
            read.retain(|checkpoint| checkpoint.number <= newest);
            self.checkpoints
                .take(read, ROWS, |checkpoint| checkpoint.number);
            self.checkpoints.is_done |= all < ROWS as usize;
        }
        Ok(())
    }

    /// Tells whether a line was stored when the reading began.
    fn was_there(&self, line: &StoredLine) -> bool {
        let is_under_way = || line.written_at() > self.began_at.minus(UNDER_WAY);
        let last_of = |place: &ChainPlace| self.last_of.get(&place.writer).copied();
        match &line.place {
            Some(place) => match last_of(place) {
                Some(last) => place.position <= last,
                None => !is_under_way(),
            },
            None => true,
        }
    }
}
