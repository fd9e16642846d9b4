use std::time::Duration;

use super::*;
use crate::store::audit::{
    self, AuditPage, AuditPosition, AuditRow, PageFilter, PageHead, RowFilter, Span, Wanted,
};

on_both_databases! {
    audit_rows_are_listed_in_the_order_of_time
    audit_rows_are_filtered_by_principal
    audit_rows_are_filtered_by_action_and_outcome
    audit_rows_are_trimmed_by_their_end
    audit_pages_are_listed_by_their_beginning
    audit_pages_are_filtered_by_words_and_by_what_they_span
    the_head_of_an_audit_page_says_how_many_bytes_its_lines_have
    audit_pages_are_read_from_one_to_another
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

/// Everything that happened until the last of the three rows.
fn everything(rows: &[AuditRow; 3]) -> RowFilter<'static> {
    RowFilter {
        until: rows[2].at.plus(Duration::from_secs(1)),
        action: Wanted::Any,
        outcome: Wanted::Any,
        principal: Wanted::Any,
    }
}

fn since(at: Timestamp) -> AuditPosition {
    AuditPosition {
        at,
        id: String::new(),
    }
}

async fn list_rows(
    store: &Store,
    after: AuditPosition,
    filter: RowFilter<'_>,
    limit: u32,
) -> Vec<AuditRow> {
    audit::list(store, &after, filter, limit).await.unwrap()
}

async fn audit_rows_are_listed_in_the_order_of_time(place: &Place) {
    let (store, rows) = three_audit_rows(place).await;
    let all = everything(&rows);
    let [one, two, three] = rows;
    assert_eq!(
        list_rows(&store, since(NOW), all, 10).await,
        [one.clone(), two.clone(), three.clone()]
    );
    assert_eq!(
        list_rows(&store, since(two.at), all, 1).await,
        std::slice::from_ref(&two)
    );
    assert_eq!(
        list_rows(
            &store,
            AuditPosition {
                at: two.at,
                id: two.id.clone()
            },
            all,
            10
        )
        .await,
        std::slice::from_ref(&three)
    );
    assert_eq!(
        list_rows(
            &store,
            since(NOW),
            RowFilter {
                until: three.at,
                ..all
            },
            10
        )
        .await,
        [one.clone(), two.clone()]
    );
}

async fn audit_rows_are_filtered_by_principal(place: &Place) {
    let (store, rows) = three_audit_rows(place).await;
    let all = everything(&rows);
    let [one, _, three] = rows;
    for (wanted, expected) in [("1:root", &[&one, &three][..]), ("1:roo", &[]), ("1:", &[])] {
        assert_eq!(
            list_rows(
                &store,
                since(NOW),
                RowFilter {
                    principal: Wanted::Exactly(wanted),
                    ..all
                },
                10
            )
            .await,
            expected.iter().copied().cloned().collect::<Vec<_>>()
        );
    }
    assert_eq!(
        list_rows(
            &store,
            since(NOW),
            RowFilter {
                principal: Wanted::Beginning("1:"),
                ..all
            },
            10
        )
        .await,
        [one.clone(), three.clone()]
    );
}

async fn audit_rows_are_filtered_by_action_and_outcome(place: &Place) {
    let (store, rows) = three_audit_rows(place).await;
    let all = everything(&rows);
    for (action, count) in [
        (Wanted::Exactly("credential:create"), 3),
        (Wanted::Exactly("credential"), 0),
        (Wanted::Beginning("cred"), 3),
        (Wanted::Beginning("x"), 0),
    ] {
        assert_eq!(
            list_rows(&store, since(NOW), RowFilter { action, ..all }, 10)
                .await
                .len(),
            count,
            "{action:?}"
        );
    }
    assert_eq!(
        list_rows(
            &store,
            since(NOW),
            RowFilter {
                outcome: Wanted::Exactly("refused"),
                ..all
            },
            10
        )
        .await,
        []
    );
}

async fn audit_rows_are_trimmed_by_their_end(place: &Place) {
    let (store, rows) = three_audit_rows(place).await;
    let all = everything(&rows);
    let [.., three] = rows;
    apply(&store, audit::trim(three.at)).await.unwrap();
    assert_eq!(list_rows(&store, since(NOW), all, 10).await, [three]);
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
        apply(&store, audit::insert_page(page)).await.unwrap();
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
    }
}

fn narrow() -> PageFilter {
    of_pages(Span::Narrow, NOW, "\n")
}

/// Returns the letters of the pages that are listed.
async fn letters(store: &Store, after: AuditPosition, filter: &PageFilter, limit: u32) -> String {
    let end = NOW.plus(Duration::from_secs(60));
    let heads = audit::list_pages(store, &after, end, filter, limit)
        .await
        .unwrap();
    heads.into_iter().map(|head| head.position.id).collect()
}

async fn audit_pages_are_listed_by_their_beginning(place: &Place) {
    let (store, pages) = five_audit_pages(place).await;
    assert_eq!(letters(&store, since(NOW), &narrow(), 10).await, "abcd");
    let after = from(pages[1].first_at, "b");
    assert_eq!(letters(&store, after, &narrow(), 1).await, "c");
}

async fn audit_pages_are_filtered_by_words_and_by_what_they_span(place: &Place) {
    let (store, pages) = five_audit_pages(place).await;
    for (filter, expected) in [
        (of_pages(Span::Wide, NOW, "\n"), "w"),
        (of_pages(Span::Narrow, pages[3].last_at, "\n"), "acd"),
        // Where nothing is known of a page, or it has too many words, it may have any.
        (of_pages(Span::Narrow, NOW, "\na=2\n"), "bcd"),
    ] {
        assert_eq!(letters(&store, since(NOW), &filter, 10).await, expected);
    }
}

async fn the_head_of_an_audit_page_says_how_many_bytes_its_lines_have(place: &Place) {
    let (store, pages) = five_audit_pages(place).await;
    let heads = audit::list_pages(&store, &since(NOW), pages[1].first_at, &narrow(), 10)
        .await
        .unwrap();
    let first = PageHead {
        position: from(pages[0].first_at, "a"),
        last_at: pages[0].last_at,
        bytes: Some(pages[0].lines.len()),
    };
    assert_eq!(heads, [first], "those that begin later are left out");
}

async fn audit_pages_are_read_from_one_to_another(place: &Place) {
    let (store, pages) = five_audit_pages(place).await;
    let (after, last) = (from(pages[0].first_at, "a"), from(pages[1].first_at, "b"));
    let read = audit::read_pages(&store, &after, &last, &narrow())
        .await
        .unwrap();
    assert_eq!(read, [("b".to_owned(), "the lines of b".to_owned())]);
}

async fn audit_pages_are_trimmed_by_their_end(place: &Place) {
    let (store, pages) = five_audit_pages(place).await;
    apply(&store, audit::trim(pages[2].last_at)).await.unwrap();
    assert_eq!(letters(&store, since(NOW), &narrow(), 10).await, "ac");
}
