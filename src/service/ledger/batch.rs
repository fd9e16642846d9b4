//! Batches of events on their way to the store: a few pages, each bounded in events and bytes.

use crate::domain::clock::Timestamp;
use crate::domain::{Error, Result};
use crate::service::ledger::encoded::{Encoded, MAX_EVENT_BYTES};
use crate::service::ledger::words::Words;
use crate::store::audit_page::{AuditLine, AuditPage};

/// The most events of one batch.
pub(super) const MAX_BATCH_EVENTS: usize = 4000;
/// The most bytes of one batch.
const MAX_BATCH_BYTES: usize = 1 << 20;
/// The most events of one page. A search reads pages whole, and the filter of a page has a bounded
/// size: with five terms of each event, it has 12 bits for each term of 240 events.
const MAX_PAGE_EVENTS: usize = 240;
/// The most bytes of one page.
const MAX_PAGE_BYTES: usize = 256 << 10;

/// Events that are stored together.
#[derive(Default)]
pub(super) struct Batch {
    pages: Vec<Page>,
    pub(super) events: usize,
    bytes: usize,
}

/// Events that are stored as one row.
struct Page {
    text: Vec<u8>,
    events: usize,
    first_at: Timestamp,
    last_at: Timestamp,
    words: Words,
}

impl Batch {
    /// Adds an event.
    pub(super) fn add(&mut self, event: &Encoded) {
        self.events += 1;
        self.bytes += event.text.len();
        add(&mut self.pages, event.at, &event.text);
    }

    /// Tells whether another event may find no room.
    pub(super) fn is_full(&self) -> bool {
        self.events >= MAX_BATCH_EVENTS || self.bytes + MAX_EVENT_BYTES > MAX_BATCH_BYTES
    }

    /// Returns the pages as rows, whose ids are still to be made.
    ///
    /// # Errors
    ///
    /// `Internal` when a text isn't UTF-8.
    pub(super) fn rows(self) -> Result<Vec<AuditPage>> {
        self.pages.into_iter().map(Page::row).collect()
    }
}

/// Adds an event to the last page, or to a new one; tells whether it is new.
fn add(pages: &mut Vec<Page>, at: Timestamp, text: &[u8]) -> bool {
    match pages.last_mut().filter(|page| !page.is_full()) {
        Some(page) => {
            page.add(at, text);
            false
        }
        None => {
            let mut page = Page::beginning_at(at);
            page.add(at, text);
            pages.push(page);
            true
        }
    }
}

/// Returns the events of several writes as rows, each with the id of its first event.
///
/// # Errors
///
/// `Internal` when a text isn't UTF-8.
pub(super) fn pages(lines: &[&AuditLine]) -> Result<Vec<AuditPage>> {
    let (mut pages, mut ids) = (Vec::new(), Vec::new());
    for line in lines {
        if add(&mut pages, line.at, &line.text) {
            ids.push(line.id.clone());
        }
    }
    let rows = pages.into_iter().zip(ids);
    rows.map(|(page, id)| Ok(AuditPage { id, ..page.row()? }))
        .collect()
}

impl Page {
    fn beginning_at(at: Timestamp) -> Self {
        Self {
            text: Vec::new(),
            events: 0,
            first_at: at,
            last_at: at,
            words: Words::default(),
        }
    }

    fn add(&mut self, at: Timestamp, text: &[u8]) {
        self.words.add(text);
        self.text.extend_from_slice(text);
        self.events += 1;
        self.first_at = self.first_at.min(at);
        self.last_at = self.last_at.max(at);
    }

    /// Tells whether another event may find no room.
    fn is_full(&self) -> bool {
        self.events >= MAX_PAGE_EVENTS || self.text.len() + MAX_EVENT_BYTES > MAX_PAGE_BYTES
    }

    /// Returns the events as a row, each in a line of its text.
    fn row(self) -> Result<AuditPage> {
        let (contents, terms) = self.words.stored();
        Ok(AuditPage {
            id: String::new(),
            first_at: self.first_at,
            last_at: self.last_at,
            lines: String::from_utf8(self.text).map_err(Error::internal)?,
            contents,
            terms,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;
    use crate::domain::clock::SystemRandom;
    use crate::domain::credential::CredentialId;
    use crate::domain::ids::AccountId;
    use crate::domain::principal::Principal;
    use crate::service::ledger::actions::AuditAction;
    use crate::service::ledger::event::{Event, rows};
    use crate::service::request::RequestContext;
    use crate::store::audit::AuditRow;

    const NOW: Timestamp = Timestamp::from_unix_seconds(1_735_787_045);

    fn context(after: u64) -> RequestContext {
        RequestContext {
            address: Some([192, 0, 2, 1].into()),
            ..RequestContext::operator(format!("request {after}"))
        }
    }

    fn event(context: &RequestContext, after: u64) -> Event<'_> {
        Event::new(
            AuditAction::TokenExchange,
            NOW.plus(Duration::from_secs(after)),
            context,
        )
    }

    fn batch(events: impl IntoIterator<Item = Encoded>) -> Batch {
        let mut batch = Batch::default();
        events.into_iter().for_each(|event| batch.add(&event));
        batch
    }

    #[test]
    fn a_batch_reads_back_as_its_events_would_alone() {
        let (contexts, id) = (
            [context(2), context(1)],
            CredentialId::random(&SystemRandom),
        );
        let events = || {
            let root = Principal::Root(AccountId::new(1).unwrap()).to_string();
            let known = event(&contexts[0], 2)
                .detail(json!({ "asked": ["a\n\"b\""] }))
                .proved(Some(root), None)
                .credential(&id);
            [
                known,
                event(&contexts[1], 1)
                    .service("somewhere")
                    .outcome("refused"),
            ]
        };
        let pages = batch(events().map(|event| event.encode().unwrap()))
            .rows()
            .unwrap();
        let [mut stored] = <[AuditPage; 1]>::try_from(pages).unwrap();
        stored.id = "page".to_owned();
        assert_eq!(
            (stored.first_at, stored.last_at),
            (
                NOW.plus(Duration::from_secs(1)),
                NOW.plus(Duration::from_secs(2))
            )
        );
        let alone = events().map(|event| event.row("alone".to_owned()));
        let mut read: Vec<AuditRow> = rows(&stored.id, &stored.lines, |_| true)
            .map(Result::unwrap)
            .collect();
        assert!(read[0].id < read[1].id && read.iter().all(|row| row.id.starts_with(&stored.id)));
        for (read, alone) in read.iter_mut().zip(&alone) {
            read.id.clone_from(&alone.id);
        }
        assert_eq!(read, alone);
    }

    #[test]
    fn nothing_makes_no_batch() {
        assert_eq!(batch([]).rows().unwrap(), []);
    }

    #[test]
    fn a_batch_is_bounded_in_events_and_in_bytes() {
        // A batch had 4,000 events of any length: 260 MB of scopes that a stranger asked for.
        let context = context(1);
        for (length, bound) in [(1, "events"), (1000, "bytes")] {
            let mut batch = Batch::default();
            while !batch.is_full() {
                batch.add(
                    &event(&context, 1)
                        .detail(json!({ "asked": "x".repeat(length) }))
                        .encode()
                        .unwrap(),
                );
            }
            assert!(batch.events <= MAX_BATCH_EVENTS && batch.bytes <= MAX_BATCH_BYTES);
            assert!(batch.pages.iter().all(|page| {
                page.events <= MAX_PAGE_EVENTS && page.text.len() <= MAX_PAGE_BYTES
            }));
            let is_by_events = batch.events == MAX_BATCH_EVENTS;
            assert_eq!(if is_by_events { "events" } else { "bytes" }, bound);
        }
    }
}
