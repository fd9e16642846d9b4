//! A long audit, as the queue's writer stores it.

use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use serde_json::json;
use transire::domain::clock::{SystemClock, SystemRandom, Timestamp};
use transire::store::audit::{TermKind, Terms, new_id};
use transire::store::audit_page::AuditPage;
use transire::store::{Location, Open, Operation, Store, Write};

/// How many events a page has, as at full load.
pub(crate) const EVENTS_OF_PAGE: u64 = 240;
/// How many pages one write stores.
const PAGES_OF_WRITE: u64 = 20;
/// The scope of each token.
const SCOPE: &str = "repository:team/app:pull";

/// The bytes that were stored.
#[derive(Default)]
pub(crate) struct Bytes {
    pub(crate) lines: usize,
    pub(crate) terms: usize,
}

/// Stores events of ten hours in pages.
pub(crate) async fn fill(data: &Path, lines: u64, events_of_page: u64, begin: Timestamp) -> Bytes {
    let location = Location::Directory(data.to_owned());
    let store = Store::open(&location, Open::Command, &SystemClock, &SystemRandom)
        .await
        .unwrap();
    let mut bytes = Bytes::default();
    let pages = lines.div_ceil(events_of_page);
    for first in (0..pages).step_by(PAGES_OF_WRITE as usize) {
        let mut write = Write::new(Operation::new(&SystemRandom, begin));
        for number in first..(first + PAGES_OF_WRITE).min(pages) {
            let from = number * events_of_page;
            let page = page(from..(from + events_of_page).min(lines), lines, begin);
            bytes.lines += page.lines.len();
            bytes.terms += page.terms.len();
            write = write.audit_page(&page);
        }
        store.apply(write).await.unwrap();
    }
    bytes
}

/// Makes a page as the queue's writer does: each event has its own request and credential, and one
/// of a thousand users, keys and of sixty thousand addresses.
fn page(numbers: Range<u64>, of: u64, begin: Timestamp) -> AuditPage {
    let (mut lines, mut terms) = (String::new(), Terms::default());
    let (from, to) = (numbers.start, numbers.end);
    let at = |line: u64| begin.plus(Duration::from_millis(line * 36_000_000 / of));
    for line in numbers {
        let texts = [
            (TermKind::Request, "request_id", format!("request-{line}")),
            (
                TermKind::Credential,
                "credential_id",
                format!("credential-{line}"),
            ),
            (
                TermKind::Principal,
                "principal",
                format!("100000000001:user#{}", line * 7 % 1000),
            ),
            (
                TermKind::AccessKey,
                "access_key",
                format!("AKIDEXAMPLE{}", line * 7 % 1000),
            ),
            (TermKind::Address, "address", address(line)),
            (
                TermKind::Service,
                "service",
                "registry.example.com".to_owned(),
            ),
        ];
        let outcome = ["ok", "denied"][usize::from(line % 100_000 == 99_999)];
        let mut event = json!({
            "at": at(line).unix_millis(), "action": "token.exchange", "outcome": outcome,
            "account": 100_000_000_001_i64,
            "detail": { "asked": [SCOPE], "granted": [SCOPE] },
        });
        for (kind, name, text) in texts {
            terms.add(kind, &text);
            event[name] = text.into();
        }
        lines += &event.to_string();
        lines.push('\n');
    }
    let denied = ["", "\noutcome=denied\n"][usize::from(lines.contains("\"denied\""))];
    AuditPage {
        id: new_id(&SystemRandom, at(to)),
        first_at: at(from),
        last_at: at(to.saturating_sub(1)),
        lines,
        contents: format!("\naction=token.exchange\n{denied}\noutcome=ok\n\nprincipal+\n"),
        terms: terms.filter(),
    }
}

pub(crate) fn address(line: u64) -> String {
    format!("10.1.{}.{}", line / 251 % 251, line % 251)
}
