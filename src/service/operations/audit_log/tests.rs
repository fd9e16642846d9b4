//! A search is the filter over the whole listing: random events, in rows and in pages of this
//! release and of earlier ones, on both databases.

use std::time::Duration;

use serde_json::json;

use super::filter::AuditFilter;
use super::selection::Selection;
use crate::domain::clock::{SystemRandom, Timestamp, random_bytes};
use crate::service::ledger::words::Words;
use crate::store::audit::{AuditPosition, AuditRow, new_id};
use crate::store::audit_page::{AuditPage, Span};
use crate::store::tests::Place;
use crate::store::{Operation, Store, Write};

const NOW: Timestamp = Timestamp::from_unix_seconds(1_760_000_000);

/// Numbers that are the same for a seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        // Knuth's MMIX; the high bits are the good ones.
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }

    fn pick(&mut self, texts: &[&str]) -> String {
        texts[self.below(texts.len() as u64) as usize].to_owned()
    }

    /// Picks a text, or nothing.
    fn perhaps(&mut self, texts: &[&str]) -> Option<String> {
        (self.below(4) > 0).then(|| self.pick(texts))
    }
}

const ACTIONS: &[&str] = &[
    "token.exchange",
    "tcr:CreateInstanceToken",
    "tcr:Describe",
    "user.create",
];
const OUTCOMES: &[&str] = &["ok", "reduced", "denied"];
const PRINCIPALS: &[&str] = &[
    "operator/local/root",
    "operator/a",
    "1:root",
    "1:user#2",
    "1:role#5/a",
    "1:role#5/b",
    "1:role#51/a",
];
const KEYS: &[&str] = &["AKIDEXAMPLE1", "AKIDEXAMPLE2", "AKID\"\\3"];
const SERVICES: &[&str] = &["registry.example.com", "other.example.com"];
const ADDRESSES: &[&str] = &["192.0.2.1", "192.0.2.11", "2001:db8::1"];
const IDS: &[&str] = &["c1", "c2", "c3", "c4", "c5"];

fn random_row(dice: &mut Dice, at: u64) -> AuditRow {
    let detail = match dice.below(3) {
        0 => json!({ "access_key_id": dice.pick(KEYS), "expires_at": 1 }),
        1 => json!({ "cause": "wrong-secret", "claimed": dice.pick(KEYS) }),
        _ => json!({ "asked": ["repository:team/app:pull"] }),
    };
    AuditRow {
        id: String::new(),
        at: NOW.plus(Duration::from_millis(at)),
        request_id: format!("request-{}", dice.below(400)),
        action: dice.pick(ACTIONS),
        principal: dice.perhaps(PRINCIPALS),
        account: (dice.below(4) > 0).then_some(1),
        credential_id: dice.perhaps(IDS),
        address: dice.perhaps(ADDRESSES),
        service: dice.perhaps(SERVICES),
        access_key: dice.perhaps(KEYS),
        detail: detail.to_string(),
        outcome: dice.pick(OUTCOMES),
    }
}

/// Writes a line as the queue does; earlier releases wrote no access key.
fn line(row: &AuditRow) -> String {
    let detail: serde_json::Value = serde_json::from_str(&row.detail).unwrap();
    let mut line = json!({
        "at": row.at, "request_id": row.request_id, "action": row.action, "outcome": row.outcome,
        "principal": row.principal, "account": row.account, "credential_id": row.credential_id,
        "address": row.address, "service": row.service, "detail": detail,
    });
    if let Some(key) = &row.access_key {
        line["access_key"] = json!(key);
    }
    line.to_string()
}

/// Returns a page of this release, or of an earlier one without filter, and perhaps without words.
fn page(dice: &mut Dice, id: String, rows: &[AuditRow]) -> AuditPage {
    let (mut words, mut lines) = (Words::default(), String::new());
    for row in rows {
        words.add(line(row).as_bytes());
        lines += &line(row);
        lines.push('\n');
    }
    let (contents, terms) = words.stored();
    let (contents, terms) = match dice.below(4) {
        0 => (contents, Vec::new()),
        1 => (String::new(), Vec::new()),
        _ => (contents, terms),
    };
    AuditPage {
        id,
        first_at: rows.iter().map(|row| row.at).min().unwrap(),
        last_at: rows.iter().map(|row| row.at).max().unwrap(),
        lines,
        contents,
        terms,
    }
}

/// Stores random events; returns them in the order of time.
async fn fill(store: &Store, dice: &mut Dice) -> Vec<AuditRow> {
    let (mut all, mut write) = (Vec::new(), Write::new(Operation::new(&SystemRandom, NOW)));
    for _ in 0..40 {
        let (begin, span) = (
            dice.below(60_000),
            [50, 500, 30_000][dice.below(3) as usize],
        );
        let count = 1 + dice.below(12);
        let mut rows: Vec<_> = (0..count)
            .map(|_| {
                let at = begin + dice.below(span);
                random_row(dice, at)
            })
            .collect();
        let id = new_id(&SystemRandom, NOW);
        write = write.audit_page(&page(dice, id.clone(), &rows));
        for (place, row) in rows.iter_mut().enumerate() {
            row.id = format!("{id}.{place:04}");
        }
        all.extend(rows);
        let at = dice.below(60_000);
        let row = AuditRow {
            id: new_id(&SystemRandom, NOW),
            ..random_row(dice, at)
        };
        write = write.audit(&row);
        all.push(row);
    }
    store.apply(write).await.unwrap();
    all.sort_by(|one, other| (one.at, &one.id).cmp(&(other.at, &other.id)));
    all
}

fn random_filter(dice: &mut Dice) -> AuditFilter {
    let mut one_of = |texts: &[&str]| (dice.below(5) == 0).then(|| dice.pick(texts));
    let mut filter = AuditFilter {
        account: one_of(&["1"]).map(|account| account.parse().unwrap()),
        principal: one_of(&[PRINCIPALS, &["operator", "1:role#5/", "1:role#", "1:"]].concat()),
        action: one_of(&[ACTIONS, &["tcr:*", "tcr:D*", "t*"]].concat()),
        outcome: one_of(OUTCOMES),
        credential: one_of(IDS),
        access_key: one_of(KEYS),
        service: one_of(SERVICES),
        address: one_of(ADDRESSES),
        ..AuditFilter::default()
    };
    if dice.below(5) == 0 {
        filter.request_id = Some(format!("request-{}", dice.below(400)));
    }
    let (one, other) = (dice.below(70_000), dice.below(70_000));
    filter.since = NOW.plus(Duration::from_millis(one.min(other)));
    filter.until = NOW.plus(Duration::from_millis(one.max(other)));
    filter.reverse = dice.below(2) == 0;
    filter.limit = [None, Some(1), Some(7), Some(1000)][dice.below(4) as usize];
    filter
}

/// Says whether a row is wanted, as the page on the audit says it.
fn is_wanted(filter: &AuditFilter, row: &AuditRow) -> bool {
    let is = |wanted: &Option<String>, text: &Option<String>| wanted.is_none() || wanted == text;
    let begins = |wanted: &Option<String>, text: &str, end: &[char]| {
        wanted
            .as_ref()
            .is_none_or(|wanted| match wanted.strip_suffix('*') {
                Some(beginning) => text.starts_with(beginning),
                None if wanted == "operator" || wanted.ends_with(end) => text.starts_with(wanted),
                None => text == wanted,
            })
    };
    let detail: serde_json::Value = serde_json::from_str(&row.detail).unwrap();
    let named = |name: &str| detail[name].as_str().map(str::to_owned);
    row.at >= filter.since
        && row.at < filter.until
        && filter
            .account
            .is_none_or(|account| row.account == Some(account.number()))
        && begins(
            &filter.principal,
            row.principal.as_deref().unwrap_or_default(),
            &['/'],
        )
        && begins(&filter.action, &row.action, &[])
        && is(&filter.outcome, &Some(row.outcome.clone()))
        && is(&filter.credential, &row.credential_id)
        && is(&filter.service, &row.service)
        && is(&filter.address, &row.address)
        && is(&filter.request_id, &Some(row.request_id.clone()))
        && (filter.access_key.is_none()
            || [
                row.access_key.clone(),
                named("access_key_id"),
                named("claimed"),
            ]
            .contains(&filter.access_key))
}

/// Lists all that the filter selects, batch by batch, each by the cursor of the one before.
async fn listed(store: &Store, filter: &AuditFilter) -> Vec<AuditRow> {
    let (mut all, mut after) = (Vec::new(), None::<AuditPosition>);
    loop {
        let mut selection = Selection::new(filter, after.as_ref());
        selection.add_rows(store).await.unwrap();
        for span in [Span::Wide, Span::Narrow] {
            selection.add_pages(store, span).await.unwrap();
        }
        let (rows, next, _) = selection.end();
        assert!(
            filter
                .limit
                .is_none_or(|limit| rows.len() <= limit as usize)
        );
        all.extend(rows);
        match next {
            Some(next) => after = Some(next.to_string().parse().unwrap()),
            None => return all,
        }
    }
}

async fn searches_are_the_filter_over_everything(place: Place) {
    let store = place.store().await;
    let seed = u64::from_be_bytes(random_bytes(&SystemRandom));
    let mut dice = Dice(seed);
    let all = fill(&store, &mut dice).await;
    for _ in 0..300 {
        let filter = random_filter(&mut dice);
        let mut expected: Vec<_> = all.iter().filter(|row| is_wanted(&filter, row)).collect();
        if filter.reverse {
            expected.reverse();
        }
        let found = listed(&store, &filter).await;
        let ids = |rows: &mut dyn Iterator<Item = &AuditRow>| -> Vec<String> {
            rows.map(|row| row.id.clone()).collect()
        };
        assert_eq!(
            ids(&mut found.iter()),
            ids(&mut expected.iter().copied()),
            "seed {seed}, {filter:?}"
        );
        assert!(found.iter().eq(expected.iter().copied()), "seed {seed}");
    }
    drop(store);
    place.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_search_is_the_filter_over_the_whole_listing_on_sqlite() {
    searches_are_the_filter_over_everything(Place::on_sqlite()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_search_is_the_filter_over_the_whole_listing_on_postgres() {
    if let Some(place) = Place::on_postgres().await {
        searches_are_the_filter_over_everything(place).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_search_by_request_reads_only_the_pages_that_may_have_it() {
    let place = Place::on_sqlite();
    let store = place.store().await;
    let mut dice = Dice(1);
    let mut write = Write::new(Operation::new(&SystemRandom, NOW));
    for number in 0..200_u64 {
        let rows: Vec<_> = (0..50)
            .map(|line| AuditRow {
                request_id: format!("{number}.{line}"),
                ..random_row(&mut dice, number * 100 + line)
            })
            .collect();
        let mut page = page(&mut Dice(u64::MAX / 2), new_id(&SystemRandom, NOW), &rows);
        let mut words = Words::default();
        page.lines
            .lines()
            .for_each(|line| words.add(line.as_bytes()));
        (page.contents, page.terms) = words.stored();
        write = write.audit_page(&page);
    }
    store.apply(write).await.unwrap();
    let filter = AuditFilter {
        request_id: Some("150.7".to_owned()),
        ..AuditFilter::between(NOW, NOW.plus(Duration::from_hours(1)))
    };
    let mut selection = Selection::new(&filter, None);
    selection.add_pages(&store, Span::Narrow).await.unwrap();
    let (rows, _, reads) = selection.end();
    assert_eq!(rows.len(), 1);
    assert_eq!(reads.pages_listed, 200);
    assert!(reads.pages_read <= 5, "{reads:?}");
    drop(store);
    place.remove().await;
}
