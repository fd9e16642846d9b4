//! Session policies are stored once, raised to the last end, counted and dropped.

use super::*;
use crate::domain::Noun;
use crate::store::account as accounts;
use crate::store::session_policy::{Most, SessionPolicy, find, save, trim};

on_both_databases! {
    a_policy_is_stored_once_an_account_until_the_last_end
    the_quota_counts_what_one_caller_has_and_what_all_have
    of_two_that_store_at_once_the_quota_lets_one
}

const PLENTY: Most = Most {
    of_account: 100,
    of_one: 100,
};

fn policy<'a>(account: i64, digest: &'a str, charged_to: &'a str) -> SessionPolicy<'a> {
    SessionPolicy {
        account: AccountId::new(account).unwrap(),
        digest,
        document: "{\"a\":\"中\"}",
        charged_to,
        ends_at: NOW.plus(Duration::from_hours(1)),
    }
}

async fn a_policy_is_stored_once_an_account_until_the_last_end(place: &Place) {
    let store = place.store().await;
    all(
        &store,
        [accounts::insert(&account(1)), accounts::insert(&account(2))],
    )
    .await;
    let of = |account, digest: &'static str| {
        let store = store.clone();
        async move {
            find(&store, AccountId::new(account).unwrap(), digest)
                .await
                .unwrap()
        }
    };
    assert_eq!(of(1, "d").await, None);
    let ends = |hours| SessionPolicy {
        ends_at: NOW.plus(Duration::from_hours(hours)),
        ..policy(1, "d", "a")
    };
    for hours in [2, 3, 1] {
        assert_eq!(
            announced(&store, save(&ends(hours), PLENTY, NOW)).await,
            [],
            "no cache can hold what was not there"
        );
    }
    apply(&store, save(&policy(2, "d", "a"), PLENTY, NOW))
        .await
        .unwrap();
    assert_eq!(
        (of(1, "d").await.as_deref(), of(1, "e").await),
        (Some("{\"a\":\"中\"}"), None)
    );
    assert_eq!(
        count(&store, "SELECT COUNT(*) AS count FROM session_policy").await,
        2
    );
    // The other account's has ended, and this one's has an hour left.
    apply(&store, trim(NOW.plus(Duration::from_hours(2))))
        .await
        .unwrap();
    assert_eq!((of(1, "d").await.is_some(), of(2, "d").await), (true, None));
    apply(&store, trim(NOW.plus(Duration::from_hours(3))))
        .await
        .unwrap();
    assert!(
        of(1, "d").await.is_some(),
        "it ends at that moment, and not before it"
    );
    apply(
        &store,
        trim(NOW.plus(Duration::from_millis(3 * 60 * 60 * 1000 + 1))),
    )
    .await
    .unwrap();
    assert_eq!(of(1, "d").await, None);
    assert_eq!(
        kind(apply(&store, save(&policy(3, "d", "a"), PLENTY, NOW)).await),
        ErrorKind::NotFound {
            noun: Noun::Account
        }
    );
}

async fn the_quota_counts_what_one_caller_has_and_what_all_have(place: &Place) {
    let store = place.store().await;
    all(
        &store,
        [accounts::insert(&account(1)), accounts::insert(&account(2))],
    )
    .await;
    let most = Most {
        of_account: 3,
        of_one: 2,
    };
    let store_it = async |account, digest: &str, charged_to: &str| {
        apply(
            &store,
            save(&policy(account, digest, charged_to), most, NOW),
        )
        .await
    };
    for digest in ["1", "2", "1"] {
        store_it(1, digest, "a").await.unwrap();
    }
    let exceeded = ErrorKind::QuotaExceeded {
        noun: Noun::SessionPolicy,
    };
    assert_eq!(kind(store_it(1, "3", "a").await), exceeded);
    // A policy that another stored takes nothing of one's own share.
    store_it(1, "1", "b").await.unwrap();
    store_it(1, "3", "b").await.unwrap();
    store_it(1, "3", "a").await.unwrap();
    assert_eq!(kind(store_it(1, "4", "c").await), exceeded);
    store_it(2, "4", "c").await.unwrap();
    assert_eq!(
        count(
            &store,
            "SELECT COUNT(*) AS count FROM session_policy WHERE account_id = 1"
        )
        .await,
        3
    );
}

async fn of_two_that_store_at_once_the_quota_lets_one(place: &Place) {
    let store = place.store().await;
    apply(&store, accounts::insert(&account(1))).await.unwrap();
    let most = Most {
        of_account: 1,
        of_one: 1,
    };
    let (one, two) = tokio::join!(
        apply(&store, save(&policy(1, "1", "a"), most, NOW)),
        apply(&store, save(&policy(1, "2", "b"), most, NOW)),
    );
    assert!(one.is_ok() != two.is_ok(), "{one:?} {two:?}");
    let same = save(
        &policy(1, if one.is_ok() { "1" } else { "2" }, "b"),
        most,
        NOW,
    );
    apply(&store, same).await.unwrap();
    assert_eq!(
        count(&store, "SELECT COUNT(*) AS count FROM session_policy").await,
        1
    );
}
