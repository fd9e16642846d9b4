//! The audit as it is listed: whole, in the order of time, and never all at once.

use std::time::Duration;

use serde_json::json;
use transire::domain::clock::{SystemClock, SystemRandom, Timestamp};
use transire::service::{AuditFilter, AuditNews, AuditRow, AuditTail};
use transire::store::audit::first_id;
use transire::store::audit_page::AuditPage;
use transire::store::{Location, Open, Operation, Store, Write};

use crate::harness::audit::listed;
use crate::harness::{App, NOW};

/// The most bytes of a batch, with some room for what a test can't see of it.
const BATCH_BYTES: usize = 4 << 20;

/// Pages as other replicas write them.
struct Pages {
    store: Store,
    count: u64,
}

impl Pages {
    async fn of(app: &App) -> Self {
        let directory = app.database().parent().unwrap().to_owned();
        let store = Store::open(
            &Location::Directory(directory),
            Open::Command,
            &SystemClock,
            &SystemRandom,
        )
        .await
        .unwrap();
        Self { store, count: 0 }
    }

    /// Stores a page whose lines happened so many milliseconds after the test began.
    async fn add(
        &mut self,
        milliseconds: impl IntoIterator<Item = u64>,
        action: &str,
        principal: &str,
        known: bool,
    ) {
        let at = |milliseconds| NOW.plus(Duration::from_millis(milliseconds));
        let milliseconds: Vec<u64> = milliseconds.into_iter().collect();
        let lines: Vec<String> = milliseconds
            .iter()
            .map(|after| {
                let (request, outcome) = (
                    format!("{}.{after}", self.count),
                    if after % 100 == 0 { "reduced" } else { "ok" },
                );
                json!({
                    "at": at(*after).unix_millis(),
                    "request_id": request,
                    "action": action,
                    "outcome": outcome,
                    "principal": principal,
                    "account": 1,
                    "credential_id": null,
                    "address": "192.0.2.1",
                    "service": "registry.example.com",
                    "detail": { "asked": ["repository:team/app:pull"] },
                })
                .to_string()
            })
            .collect();
        let contents = format!(
            "\naction={action}\n\noutcome=ok\n\noutcome=reduced\n\nprincipal={principal}\n"
        );
        let page = AuditPage {
            id: format!("{}{:012}", first_id(NOW), self.count),
            first_at: at(*milliseconds.iter().min().unwrap()),
            last_at: at(*milliseconds.iter().max().unwrap()),
            lines: lines.join("\n"),
            contents: if known { contents } else { String::new() },
            terms: Vec::new(),
        };
        self.count += 1;
        self.store
            .apply(Write::new(Operation::new(&SystemRandom, NOW)).audit_page(&page))
            .await
            .unwrap();
    }
}

type IsWanted = fn(&AuditRow) -> bool;

fn everything() -> AuditFilter {
    AuditFilter::between(NOW, Timestamp::from_unix_millis(i64::MAX))
}

fn is_in_order(lines: &[AuditRow]) -> bool {
    lines
        .windows(2)
        .all(|pair| (pair[0].at, &pair[0].id) < (pair[1].at, &pair[1].id))
}

#[tokio::test]
async fn more_than_a_hundred_thousand_lines_are_listed_in_batches_of_bounded_size() {
    // `audit list` refused to list more than 100,000 lines, and held them all: who wrote enough
    // blinded the operator.
    let app = App::new().await;
    let mut pages = Pages::of(&app).await;
    for number in 0..26 {
        pages
            .add(
                number * 4000..(number + 1) * 4000,
                "token.exchange",
                "1:root",
                true,
            )
            .await;
    }
    let (mut count, mut batches, mut after, mut last) = (0, 0, None, None);
    loop {
        let batch = app
            .service
            .operations
            .audit_lines(&app.operator(), &everything(), after.as_ref())
            .await
            .unwrap();
        let bytes: usize = batch
            .rows
            .iter()
            .map(|row| {
                size_of_val(row) + row.request_id.len() + row.action.len() + row.detail.len()
            })
            .sum();
        assert!(bytes <= BATCH_BYTES && is_in_order(&batch.rows), "{bytes}");
        assert!(
            last < batch.rows.first().map(|row| row.at),
            "one batch follows the other"
        );
        last = batch.rows.last().map(|row| row.at);
        (count, batches) = (count + batch.rows.len(), batches + 1);
        match batch.next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    // The changes that made the test's account have rows.
    assert!(count > 104_000 && batches > 5, "{count} in {batches}");
}

#[tokio::test]
async fn rows_and_pages_that_overlap_are_one_list_in_the_order_of_time() {
    let app = App::new().await;
    let mut pages = Pages::of(&app).await;
    // Two replicas beside each other, a tenth of a second a page.
    for number in 0..60_u64 {
        for replica in 0..2 {
            let lines = (0..200).map(|line| number * 100 + (line * 7 + replica) % 100);
            pages
                .add(
                    lines,
                    "token.exchange",
                    &format!("1:user#{replica}"),
                    replica == 0,
                )
                .await;
        }
    }
    // Batches that two others held back in an outage overlap all of these, and the batch of a clock
    // that jumped overlaps more.
    pages
        .add(
            (0..3000).map(|line| line * 20),
            "credential.issue-temporary",
            "1:role#5/session",
            true,
        )
        .await;
    pages
        .add(
            (0..3000).map(|line| line * 30 + 1),
            "credential.issue-temporary",
            "1:role#51/session",
            false,
        )
        .await;
    pages
        .add([0, 3_600_000], "registry.log-in", "1:root", true)
        .await;
    // And changes, which are rows.
    for _ in 0..50 {
        app.wait(Duration::from_millis(90));
        app.service
            .identity
            .create_access_key(&app.operator(), app.instance.account, None)
            .await
            .unwrap();
    }

    let all = listed(&app.service, &everything()).await;
    assert!(is_in_order(&all));
    let of = |action: &str| all.iter().filter(|line| line.action == action).count();
    let counts = [
        "token.exchange",
        "credential.issue-temporary",
        "registry.log-in",
        "access-key.create",
    ]
    .map(of);
    assert_eq!(counts, [2 * 60 * 200, 6000, 2, 51]);

    let filter = |change: fn(&mut AuditFilter)| {
        let mut filter = everything();
        change(&mut filter);
        filter
    };
    let some: [(AuditFilter, IsWanted); 7] = [
        (
            filter(|filter| filter.action = Some("credential.*".to_owned())),
            |line| line.action.starts_with("credential."),
        ),
        (
            filter(|filter| filter.action = Some("access-key.create".to_owned())),
            |line| line.action == "access-key.create",
        ),
        (
            filter(|filter| filter.outcome = Some("reduced".to_owned())),
            |line| line.outcome == "reduced",
        ),
        (
            filter(|filter| filter.principal = Some("1:user#1".to_owned())),
            |line| line.principal.as_deref() == Some("1:user#1"),
        ),
        (
            filter(|filter| filter.principal = Some("1:role#5/".to_owned())),
            |line| line.principal.as_deref() == Some("1:role#5/session"),
        ),
        (
            filter(|filter| filter.since = NOW.plus(Duration::from_millis(2050))),
            |line| line.at >= NOW.plus(Duration::from_millis(2050)),
        ),
        (
            filter(|filter| {
                filter.until = NOW.plus(Duration::from_millis(4321));
                filter.principal = Some("operator".to_owned());
            }),
            |line| {
                line.at < NOW.plus(Duration::from_millis(4321))
                    && line.principal.as_deref() == Some("operator")
            },
        ),
    ];
    for (filter, is_wanted) in &some {
        let expected: Vec<&AuditRow> = all.iter().filter(|line| is_wanted(line)).collect();
        let lines = listed(&app.service, filter).await;
        assert!(
            !expected.is_empty() && lines.iter().eq(expected.iter().copied()),
            "{filter:?}: {} of {}",
            lines.len(),
            expected.len()
        );
    }
}

/// Returns the next events of a reader, who keeps its place as text.
async fn news(app: &App, filter: &AuditFilter, place: &mut String) -> AuditNews {
    let mut tail: AuditTail = place.parse().unwrap();
    let (operations, call) = (&app.service.operations, app.operator());
    let news = operations.audit_news(&call, filter, &mut tail).await;
    *place = tail.to_string();
    news.unwrap()
}

async fn tail(app: &App, shows_past: bool) -> String {
    let operations = &app.service.operations;
    let tail = operations.audit_tail(&app.operator(), shows_past).await;
    tail.unwrap().to_string()
}

#[tokio::test]
async fn a_line_that_was_held_back_is_followed_once() {
    // By its time it would be before all that was shown.
    let app = App::new().await;
    let mut pages = Pages::of(&app).await;
    pages.add([1], "token.exchange", "1:root", true).await;
    let filter = AuditFilter {
        action: Some("token.exchange".to_owned()),
        ..AuditFilter::default()
    };
    let mut place = tail(&app, false).await;
    let first = news(&app, &filter, &mut place).await;
    assert!(first.rows.is_empty() && !first.has_more);
    pages.add([0], "token.exchange", "1:root", true).await;
    for expected in [1, 0] {
        assert_eq!(news(&app, &filter, &mut place).await.rows.len(), expected);
    }
}

#[tokio::test]
async fn an_event_that_is_stored_during_the_listing_of_the_past_is_shown_once() {
    let app = App::new().await;
    let mut pages = Pages::of(&app).await;
    pages.add([1], "token.exchange", "1:root", true).await;
    let filter = AuditFilter {
        action: Some("token.exchange".to_owned()),
        ..everything()
    };
    let mut place = tail(&app, true).await;
    pages.add([2], "token.exchange", "1:root", true).await;
    let past = news(&app, &filter, &mut place).await;
    assert_eq!((past.rows.len(), past.has_more), (1, true));
    let new = news(&app, &filter, &mut place).await;
    assert_eq!((new.rows.len(), new.has_more), (1, false));
    assert!(past.rows[0].at < new.rows[0].at);
}

#[tokio::test]
async fn many_events_come_in_parts_and_each_one_once() {
    let app = App::new().await;
    let mut pages = Pages::of(&app).await;
    let mut place = tail(&app, false).await;
    for at in 0..20 {
        pages.add([at], "token.exchange", "1:root", true).await;
    }
    let filter = AuditFilter {
        action: Some("token.exchange".to_owned()),
        ..AuditFilter::default()
    };
    let mut shown = Vec::new();
    loop {
        let news = news(&app, &filter, &mut place).await;
        shown.extend(news.rows.into_iter().map(|row| row.at));
        if !news.has_more {
            break;
        }
    }
    shown.sort_unstable();
    shown.dedup();
    assert_eq!(shown.len(), 20);
    assert!(news(&app, &filter, &mut place).await.rows.is_empty());
}
