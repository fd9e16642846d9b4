//! The settings that the database keeps, each a name and a value.

use super::*;
use crate::store::{account as accounts, meta};

on_both_databases! {
    a_setting_is_first_put_once
    a_setting_is_replaced_and_read_as_text_only_when_it_is_text
}

async fn a_setting_is_first_put_once(place: &Place) {
    let store = place.store().await;
    assert_eq!(meta::find(&store, meta::ISSUER).await.unwrap(), None);
    let put = |issuer: &[u8]| meta::put_if_absent(meta::ISSUER, issuer);
    apply(&store, put(b"https://a.example.com")).await.unwrap();
    let second = write()
        .then(accounts::insert(&account(1)))
        .then(put(b"https://b.example.com"));
    assert_eq!(
        kind(store.apply(second).await),
        ErrorKind::AlreadyExists {
            noun: Noun::Setting
        }
    );
    let found = meta::find_text(&store, meta::ISSUER).await.unwrap();
    assert_eq!(found.as_deref(), Some("https://a.example.com"));
    assert_eq!(accounts::list(&store).await.unwrap(), []);
}

async fn a_setting_is_replaced_and_read_as_text_only_when_it_is_text(place: &Place) {
    let store = place.store().await;
    for value in [[255, 0], [254, 0]] {
        apply(&store, meta::put(meta::MASTER_KEY_CHECK, &value))
            .await
            .unwrap();
    }
    assert_eq!(
        meta::find(&store, meta::MASTER_KEY_CHECK).await.unwrap(),
        Some(vec![254, 0])
    );
    let refused = meta::find_text(&store, meta::MASTER_KEY_CHECK)
        .await
        .unwrap_err();
    assert_eq!(refused.kind(), &ErrorKind::Internal);
    let cause = refused.cause().unwrap();
    assert!(cause.contains("table meta, column value"), "{cause}");
}
