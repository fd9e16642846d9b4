use std::collections::BTreeMap;

use super::*;
use crate::store::audit::{self, AuditRow, new_id};
use crate::store::audit_chain::{self, ChainPlace, Link, NOTHING_BEFORE};
use crate::store::audit_page::{self, AuditLine, AuditPage};

on_both_databases! {
    writes_at_the_same_time_make_whole_chains
    a_write_that_is_made_again_adds_no_line
    an_idle_writer_is_not_gone_on_with
}

fn row(number: usize, at: Timestamp) -> AuditRow {
    AuditRow {
        id: new_id(&SystemRandom, at),
        at,
        request_id: number.to_string(),
        action: "account.create".to_owned(),
        principal: Some("operator".to_owned()),
        account: None,
        credential_id: None,
        address: None,
        service: None,
        access_key: None,
        detail: "{}".to_owned(),
        outcome: "ok".to_owned(),
    }
}

/// A page of the lines.
fn pages(lines: &[&AuditLine]) -> Result<Vec<AuditPage>> {
    let text = lines.iter().map(|line| String::from_utf8_lossy(&line.text));
    Ok(vec![AuditPage {
        id: lines[0].id.clone(),
        first_at: NOW,
        last_at: NOW,
        lines: text.collect(),
        contents: String::new(),
        terms: Vec::new(),
    }])
}

/// Returns a write of an account of this number, which two writes may have, and its event.
fn of_account(number: usize) -> Write {
    let row = row(number, NOW);
    let line = AuditLine {
        id: row.id.clone(),
        at: NOW,
        text: format!("{{\"request_id\":\"{number}\"}}\n").into_bytes(),
        pages,
    };
    let account = Account {
        id: AccountId::new(number as i64 + 1).unwrap(),
        name: format!("account {number}"),
        generation: 0,
        created_at: NOW,
        service_account_grant: None,
    };
    write()
        .then(crate::store::account::insert(&account))
        .audit_as(&row, Some(line))
}

/// Returns the chains of all lines, each as the links by position, and how many events there are.
async fn chains(store: &Store) -> (BTreeMap<String, BTreeMap<i64, (Link, Link)>>, usize) {
    let mut chains: BTreeMap<String, BTreeMap<i64, (Link, Link)>> = BTreeMap::new();
    let mut add = |place: Option<ChainPlace>, content| {
        let place = place.expect("each line has a place");
        let link = place.link(&content);
        let chain = chains.entry(place.writer.clone()).or_default();
        let before = chain.insert(place.position, (place.previous, link));
        assert!(before.is_none(), "two lines at {place:?}");
    };
    let mut events = 0;
    for (row, place) in audit::list_stored(store, "", 10_000).await.unwrap() {
        add(place, row.content());
        events += 1;
    }
    for stored in audit_page::list_stored(store, "", 10_000).await.unwrap() {
        add(stored.place, stored.page.content(&stored.digests));
        assert_eq!(stored.page.digests(), stored.digests);
        events += stored.page.lines.lines().count();
    }
    (chains, events)
}

/// Asserts that each chain is whole, and ends where the store says.
async fn assert_whole(store: &Store) -> usize {
    let (chains, events) = chains(store).await;
    let heads = audit_chain::heads(store).await.unwrap();
    assert_eq!(heads.len(), chains.len());
    for head in heads {
        let mut last = NOTHING_BEFORE;
        let chain = &chains[&head.writer];
        for (place, (position, (previous, link))) in chain.iter().enumerate() {
            assert_eq!((*position, *previous), (place as i64 + 1, last));
            last = *link;
        }
        assert_eq!((head.position, head.link), (chain.len() as i64, last));
    }
    events
}

/// Of 200 writes, many at a time, each fourth is refused.
async fn writes_at_the_same_time_make_whole_chains(place: &Place) {
    let store = place.store().await;
    let mut writing = tokio::task::JoinSet::new();
    for number in 0..200 {
        let store = store.clone();
        let account = if number % 4 == 3 { number - 3 } else { number };
        writing.spawn(async move { store.apply(of_account(account)).await.is_ok() });
    }
    let outcomes = writing.join_all().await;
    let done = outcomes.into_iter().filter(|done| *done).count();
    assert_eq!(done, 150);
    assert_eq!(assert_whole(&store).await, 150);
}

async fn a_write_that_is_made_again_adds_no_line(place: &Place) {
    let store = place.store().await;
    let operation = Operation::new(&SystemRandom, NOW);
    for number in 0..3 {
        let again = Write::new(operation.clone()).audit(&row(number, NOW));
        store.apply(again).await.unwrap();
        store.apply(of_account(number)).await.unwrap();
    }
    assert_eq!(assert_whole(&store).await, 4);
}

async fn an_idle_writer_is_not_gone_on_with(place: &Place) {
    let store = place.store().await;
    let minute = Duration::from_secs(60);
    let mut writers = Vec::new();
    for (number, minutes) in [0, 1, 2, 60, 61].into_iter().enumerate() {
        let at = NOW.plus(minute * minutes);
        let write = Write::new(Operation::new(&SystemRandom, at)).audit(&row(number, at));
        store.apply(write).await.unwrap();
        writers.push(chains(&store).await.0.len());
    }
    assert_eq!(writers, [1, 1, 1, 2, 2]);
    assert_whole(&store).await;
    let forget = audit_chain::forget_idle(NOW.plus(minute * 30));
    super::apply(&store, forget).await.unwrap();
    let heads = audit_chain::heads(&store).await.unwrap();
    assert_eq!(heads.len(), 1);
    assert_eq!(heads[0].moved_at, NOW.plus(minute * 61));
}
