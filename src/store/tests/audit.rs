use std::time::Duration;

use super::*;
use crate::store::audit::{
    self, AuditPosition, AuditRow, Order, Range, RowFilter, Term, TermKind, Terms, Wanted,
    first_id, new_id,
};
use crate::store::audit_page::{self, AuditPage, PageFilter, PageHead, Span};

on_both_databases! {
    audit_rows_are_listed_in_the_order_of_time
    audit_rows_are_filtered_by_principal
    audit_rows_are_filtered_by_action_and_outcome
    audit_rows_are_filtered_by_each_other_column
    audit_rows_are_listed_backwards
    new_audit_rows_are_found_by_their_ids
    audit_rows_are_trimmed_by_their_end
    audit_pages_are_listed_by_their_beginning
    audit_pages_are_filtered_by_words_and_by_what_they_span
    the_head_of_an_audit_page_says_how_many_bytes_its_lines_have
    audit_pages_are_listed_backwards
    audit_pages_say_whether_they_may_have_terms
    audit_pages_are_read_by_their_ids
    audit_pages_are_trimmed_by_their_end
}

/// A store with three audit rows, recorded in another order than that of their times.
async fn three_audit_rows(place: &Place) -> (Store, [AuditRow; 3]) {
    let store = place.store().await;
    let row = |number: u64, principal: Option<&str>| AuditRow {
        id: format!("row-{number}"),
        at: NOW.plus(Duration::from_secs(number)),
        request_id: "r".to_owned(),
        action: "credential:create".to_owned(),
        principal: principal.map(str::to_owned),
        account: principal.map(|_| 1),
        credential_id: None,
        address: Some("192.0.2.1".to_owned()),
        service: None,
        access_key: None,
        detail: "{}".to_owned(),
        outcome: "ok".to_owned(),
    };
    let (one, two, three) = (row(1, Some("1:root")), row(2, None), row(3, Some("1:root")));
    store
        .apply(write().audit(&three).audit(&one))
        .await
        .unwrap();
    store.apply(write().audit(&two)).await.unwrap();
    (store, [one, two, three])
}

/// All rows.
fn everything() -> RowFilter<'static> {
    RowFilter {
        action: Wanted::Any,
        outcome: Wanted::Any,
        principal: Wanted::Any,
        credential: None,
        service: None,
        address: None,
        request_id: None,
        access_key: None,
        key_in_detail: None,
    }
}

/// The hour after the beginning.
fn hour(order: Order) -> Range<'static> {
    Range {
        from: NOW,
        to: NOW.plus(Duration::from_hours(1)),
        beyond: None,
        order,
    }
}

fn at(row: &AuditRow) -> AuditPosition {
    AuditPosition {
        at: row.at,
        id: row.id.clone(),
    }
}

async fn list_rows(
    store: &Store,
    range: Range<'_>,
    filter: RowFilter<'_>,
    limit: u32,
) -> Vec<AuditRow> {
    audit::list(store, range, filter, limit).await.unwrap()
}

async fn filtered(store: &Store, filter: RowFilter<'_>) -> Vec<AuditRow> {
    list_rows(store, hour(Order::Forward), filter, 10).await
}

async fn audit_rows_are_listed_in_the_order_of_time(place: &Place) {
    let (store, [one, two, three]) = three_audit_rows(place).await;
    let (all, every) = (hour(Order::Forward), everything());
    assert_eq!(
        list_rows(&store, all, every, 10).await,
        [one.clone(), two.clone(), three.clone()]
    );
    let since = Range {
        from: two.at,
        ..all
    };
    assert_eq!(list_rows(&store, since, every, 1).await[0], two);
    let (beyond, to) = (at(&two), two.at);
    let after = Range {
        beyond: Some(&beyond),
        ..all
    };
    assert_eq!(list_rows(&store, after, every, 10).await, [three]);
    assert_eq!(
        list_rows(&store, Range { to, ..all }, every, 10).await,
        [one, two]
    );
}

async fn audit_rows_are_listed_backwards(place: &Place) {
    let (store, [one, two, three]) = three_audit_rows(place).await;
    let (all, every) = (hour(Order::Back), everything());
    assert_eq!(list_rows(&store, all, every, 2).await, [three, two.clone()]);
    let beyond = at(&two);
    let after = Range {
        beyond: Some(&beyond),
        ..all
    };
    assert_eq!(list_rows(&store, after, every, 10).await, [one]);
}

async fn audit_rows_are_filtered_by_principal(place: &Place) {
    let (store, [one, _, three]) = three_audit_rows(place).await;
    let of = |principal| RowFilter {
        principal,
        ..everything()
    };
    let both = [one, three];
    assert_eq!(filtered(&store, of(Wanted::Exactly("1:root"))).await, both);
    assert_eq!(filtered(&store, of(Wanted::Exactly("1:roo"))).await, []);
    assert_eq!(filtered(&store, of(Wanted::Exactly("1:"))).await, []);
    assert_eq!(filtered(&store, of(Wanted::Beginning("1:"))).await, both);
}

async fn audit_rows_are_filtered_by_action_and_outcome(place: &Place) {
    let (store, _) = three_audit_rows(place).await;
    for (action, count) in [
        (Wanted::Exactly("credential:create"), 3),
        (Wanted::Exactly("credential"), 0),
        (Wanted::Beginning("cred"), 3),
        (Wanted::Beginning("x"), 0),
    ] {
        let filter = RowFilter {
            action,
            ..everything()
        };
        assert_eq!(filtered(&store, filter).await.len(), count, "{action:?}");
    }
    let refused = RowFilter {
        outcome: Wanted::Exactly("refused"),
        ..everything()
    };
    assert_eq!(filtered(&store, refused).await, []);
}

async fn audit_rows_are_filtered_by_each_other_column(place: &Place) {
    let (store, [one, ..]) = three_audit_rows(place).await;
    let whole = AuditRow {
        id: "whole".to_owned(),
        request_id: "q".to_owned(),
        credential_id: Some("c".to_owned()),
        address: Some("192.0.2.9".to_owned()),
        service: Some("registry.example.com".to_owned()),
        access_key: Some("k".to_owned()),
        ..one.clone()
    };
    let told = AuditRow {
        id: "told".to_owned(),
        detail: r#"{"access_key_id":"k"}"#.to_owned(),
        ..one
    };
    store
        .apply(write().audit(&whole).audit(&told))
        .await
        .unwrap();
    let every = everything();
    for filter in [
        RowFilter {
            request_id: Some("q"),
            ..every
        },
        RowFilter {
            credential: Some("c"),
            ..every
        },
        RowFilter {
            address: Some("192.0.2.9"),
            ..every
        },
        RowFilter {
            service: Some("registry.example.com"),
            ..every
        },
    ] {
        assert_eq!(
            filtered(&store, filter).await,
            std::slice::from_ref(&whole),
            "{filter:?}"
        );
    }
    let of_key = RowFilter {
        access_key: Some("k"),
        key_in_detail: Some("\"k\""),
        ..every
    };
    assert_eq!(filtered(&store, of_key).await, [told, whole]);
}

async fn new_audit_rows_are_found_by_their_ids(place: &Place) {
    let (store, [one, ..]) = three_audit_rows(place).await;
    let written = |seconds| {
        let now = NOW.plus(Duration::from_secs(seconds));
        let id = new_id(&SystemRandom, now);
        AuditRow { id, ..one.clone() }
    };
    let (first, second) = (written(10), written(11));
    store
        .apply(write().audit(&second).audit(&first))
        .await
        .unwrap();
    for (after, expected) in [
        (first_id(NOW), vec![first.id.clone(), second.id.clone()]),
        (first.id.clone(), vec![second.id.clone()]),
    ] {
        assert_eq!(audit::list_new(&store, &after, 10).await.unwrap(), expected);
    }
    let read = audit::read(&store, &[&second.id, "nobody's"])
        .await
        .unwrap();
    assert_eq!(read, [second]);
}

async fn audit_rows_are_trimmed_by_their_end(place: &Place) {
    let (store, [.., three]) = three_audit_rows(place).await;
    apply(&store, audit::trim(three.at)).await.unwrap();
    assert_eq!(filtered(&store, everything()).await, [three]);
}

/// The filter of a page whose one request is called as the page; of `b` nothing is known.
fn filter_of(id: &str) -> Vec<u8> {
    let mut terms = Terms::default();
    if id != "b" {
        terms.add(TermKind::Request, id);
    }
    terms.filter()
}

/// A store with five audit pages, one of them wide, recorded in another order than their times'.
async fn five_audit_pages(place: &Place) -> (Store, [AuditPage; 5]) {
    let store = place.store().await;
    let page = |id: &str, first: u64, last: u64, contents: &str| {
        let at = |seconds| NOW.plus(Duration::from_secs(seconds));
        AuditPage {
            id: id.to_owned(),
            first_at: at(first),
            last_at: at(last),
            lines: format!("the lines of {id}"),
            contents: contents.to_owned(),
            terms: filter_of(id),
        }
    };
    let pages = [
        page("a", 1, 9, "\na=1\n"),
        page("b", 2, 3, ""),
        page("c", 2, 8, "\na=1\n\na=2\n"),
        page("d", 5, 6, "\na+\n"),
        page("w", 4, 40, ""),
    ];
    for page in pages.iter().rev() {
        store.apply(write().audit_page(page)).await.unwrap();
    }
    (store, pages)
}

fn from(at: Timestamp, id: &str) -> AuditPosition {
    AuditPosition {
        at,
        id: id.to_owned(),
    }
}

/// The pages of a span that end since a time and may have a word; `"\n"` is any.
fn of_pages(span: Span, since: Timestamp, word: &str) -> PageFilter {
    PageFilter {
        span,
        since,
        words: [(word, "\na+\n"), ("\n", ""), ("\n", "")]
            .map(|(one, other)| (one.to_owned(), other.to_owned())),
        terms: Vec::new(),
    }
}

fn narrow() -> PageFilter {
    of_pages(Span::Narrow, NOW, "\n")
}

/// Returns the letters of the pages that are listed.
async fn letters(store: &Store, range: Range<'_>, filter: &PageFilter, limit: u32) -> String {
    let heads = audit_page::list(store, range, filter, limit).await.unwrap();
    heads.into_iter().map(|head| head.position.id).collect()
}

async fn audit_pages_are_listed_by_their_beginning(place: &Place) {
    let (store, pages) = five_audit_pages(place).await;
    let all = hour(Order::Forward);
    assert_eq!(letters(&store, all, &narrow(), 10).await, "abcd");
    let after = from(pages[1].first_at, "b");
    let beyond = Some(&after);
    assert_eq!(
        letters(&store, Range { beyond, ..all }, &narrow(), 1).await,
        "c"
    );
}

async fn audit_pages_are_listed_backwards(place: &Place) {
    let (store, pages) = five_audit_pages(place).await;
    let all = hour(Order::Back);
    assert_eq!(letters(&store, all, &narrow(), 10).await, "dcba");
    let after = from(pages[2].first_at, "c");
    let beyond = Some(&after);
    assert_eq!(
        letters(&store, Range { beyond, ..all }, &narrow(), 1).await,
        "b"
    );
    let wide = of_pages(Span::Wide, NOW, "\n");
    assert_eq!(letters(&store, all, &wide, 10).await, "w");
}

async fn audit_pages_are_filtered_by_words_and_by_what_they_span(place: &Place) {
    let (store, pages) = five_audit_pages(place).await;
    for (filter, expected) in [
        (of_pages(Span::Wide, NOW, "\n"), "w"),
        (of_pages(Span::Narrow, pages[3].last_at, "\n"), "acd"),
        // Where nothing is known of a page, or it has too many words, it may have any.
        (of_pages(Span::Narrow, NOW, "\na=2\n"), "bcd"),
    ] {
        let listed = letters(&store, hour(Order::Forward), &filter, 10).await;
        assert_eq!(listed, expected);
    }
}

async fn audit_pages_say_whether_they_may_have_terms(place: &Place) {
    let (store, _) = five_audit_pages(place).await;
    let filter = PageFilter {
        terms: vec![Term::new(TermKind::Request, "c")],
        ..narrow()
    };
    for (order, expected) in [(Order::Forward, "bc"), (Order::Back, "cb")] {
        let heads = audit_page::list(&store, hour(order), &filter, 10)
            .await
            .unwrap();
        let possible = heads.into_iter().filter(|head| head.may_match);
        let possible: String = possible.map(|head| head.position.id).collect();
        assert_eq!(possible, expected, "of b nothing is known");
    }
}

async fn the_head_of_an_audit_page_says_how_many_bytes_its_lines_have(place: &Place) {
    let (store, pages) = five_audit_pages(place).await;
    let range = Range {
        to: pages[0].first_at,
        ..hour(Order::Forward)
    };
    let heads = audit_page::list(&store, range, &narrow(), 10)
        .await
        .unwrap();
    let first = PageHead {
        position: from(pages[0].first_at, "a"),
        last_at: pages[0].last_at,
        bytes: Some(pages[0].lines.len()),
        may_match: true,
    };
    assert_eq!(heads, [first], "those that begin later are left out");
}

async fn audit_pages_are_read_by_their_ids(place: &Place) {
    let (store, _) = five_audit_pages(place).await;
    let mut read = audit_page::read(&store, &["b", "w", "nobody's"])
        .await
        .unwrap();
    read.sort();
    let lines = |id: &str| (id.to_owned(), format!("the lines of {id}"));
    assert_eq!(read, [lines("b"), lines("w")]);
    let new = audit_page::list_new(&store, "b", 10).await.unwrap();
    assert_eq!(new, ["c", "d", "w"]);
}

async fn audit_pages_are_trimmed_by_their_end(place: &Place) {
    let (store, pages) = five_audit_pages(place).await;
    apply(&store, audit_page::trim(pages[2].last_at))
        .await
        .unwrap();
    assert_eq!(
        letters(&store, hour(Order::Forward), &narrow(), 10).await,
        "ac"
    );
}
