//! A signature makes one durable change, on either database.

use crate::domain::Noun;
use std::time::Duration;

use crate::domain::ErrorKind;
use crate::store::account as accounts;
use crate::store::signed_change::{Before, SignedChange, find, trim};

use super::*;

on_both_databases! {
    a_signature_makes_one_change_until_it_is_valid_no_more
    a_change_that_fails_leaves_its_signature_free
    of_many_at_once_with_one_signature_one_is_made
}

fn signed(request_id: &str) -> SignedChange {
    let made = Some("tcr-a".to_owned());
    SignedChange {
        digest: "d".to_owned(),
        request_id: request_id.to_owned(),
        made,
        ends_at: NOW.plus(Duration::from_mins(15)),
    }
}

async fn make(store: &Store, id: i64, request_id: &str) -> Result<()> {
    store
        .apply(
            write()
                .once(signed(request_id))
                .then(accounts::insert(&account(id))),
        )
        .await
}

async fn a_signature_makes_one_change_until_it_is_valid_no_more(place: &Place) {
    let store = place.store().await;
    assert_eq!(find(&store, "d").await.unwrap(), None);
    make(&store, 1, "first").await.unwrap();
    make(&store, 2, "first")
        .await
        .expect("one call may take several writes");
    // The account is there already: what is said is that the call was carried out.
    for id in [1, 3] {
        assert_eq!(kind(make(&store, id, "second").await), ErrorKind::Replayed);
    }
    let before = Before {
        request_id: "first".to_owned(),
        made: Some("tcr-a".to_owned()),
    };
    assert_eq!(find(&store, "d").await.unwrap(), Some(before));
    apply(&store, trim(NOW.plus(Duration::from_mins(15))))
        .await
        .unwrap();
    assert!(find(&store, "d").await.unwrap().is_some());
    apply(&store, trim(NOW.plus(Duration::from_mins(16))))
        .await
        .unwrap();
    assert_eq!(find(&store, "d").await.unwrap(), None);
    assert_eq!(
        count(&store, "SELECT COUNT(*) AS count FROM account").await,
        2
    );
}

async fn a_change_that_fails_leaves_its_signature_free(place: &Place) {
    let store = place.store().await;
    make(&store, 1, "first").await.unwrap();
    apply(&store, trim(NOW.plus(Duration::from_mins(16))))
        .await
        .unwrap();
    assert_eq!(
        kind(make(&store, 1, "second").await),
        ErrorKind::AlreadyExists {
            noun: Noun::Account
        }
    );
    make(&store, 2, "third").await.unwrap();
}

async fn of_many_at_once_with_one_signature_one_is_made(place: &Place) {
    let store = place.store().await;
    let outcomes = tokio::join!(
        make(&store, 1, "a"),
        make(&store, 2, "b"),
        make(&store, 3, "c"),
        make(&store, 4, "d")
    );
    let outcomes = <[Result<()>; 4]>::from(outcomes);
    assert_eq!(
        outcomes.iter().filter(|outcome| outcome.is_ok()).count(),
        1,
        "{outcomes:?}"
    );
    assert!(
        outcomes.iter().all(|outcome| outcome
            .as_ref()
            .err()
            .is_none_or(|error| *error.kind() == ErrorKind::Replayed)),
        "{outcomes:?}"
    );
    assert_eq!(
        count(&store, "SELECT COUNT(*) AS count FROM account").await,
        1
    );
}
