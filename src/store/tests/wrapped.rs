use super::*;
use crate::domain::Noun;
use crate::store::key::{self, AuthorityRow, AuthorityState, SealingKeyRow};
use crate::store::wrapped::{self, Holder, WrappedRow};
use crate::store::{access_key as access_keys, account as accounts, meta};

on_both_databases! {
    what_another_key_wrapped_is_found_and_wrapped_anew_unless_it_changed
    a_write_that_holds_a_setting_is_refused_once_it_has_changed
    a_secret_is_stored_only_while_the_store_names_the_master_key_that_wrapped_it
}

/// Bytes that a key of nine equal letters wrapped.
fn by(letter: u8, rest: &[u8]) -> Wrapped {
    Wrapped::from_bytes([&[letter; 9], rest].concat())
}

async fn what_another_key_wrapped_is_found_and_wrapped_anew_unless_it_changed(place: &Place) {
    let store = place.store().await;
    apply(&store, accounts::insert(&account(1))).await.unwrap();
    for (number, letter) in [(1, b'a'), (2, b'b'), (3, b'a'), (4, b'a')] {
        let key = access_keys::AccessKey {
            id: format!("key-{number}"),
            sealed_secret: by(letter, b"secret"),
            ..access_key("x", &account(1))
        };
        apply(&store, access_keys::insert(&key).unchecked())
            .await
            .unwrap();
    }
    apply(
        &store,
        access_keys::set_state("key-4", access_keys::AccessKeyState::Deleted),
    )
    .await
    .unwrap();
    let sealing = |id: &str, letter| SealingKeyRow {
        id: id.to_owned(),
        wrapped: by(letter, b""),
        created_at: NOW,
    };
    for key in [sealing("s1", b'a'), sealing("s2", b'b')] {
        apply(&store, key::insert_sealing(&key).unchecked())
            .await
            .unwrap();
    }
    // Its private key is kept elsewhere.
    let offline = AuthorityRow {
        id: "a1".to_owned(),
        wrapped_private: None,
        certificate_der: vec![1],
        created_at: NOW,
        state: AuthorityState::InUse,
        changed_at: NOW,
    };
    apply(&store, key::insert_authority(&offline).unchecked())
        .await
        .unwrap();

    assert_eq!(wrapped::count_others(&store, &[b'b'; 9]).await.unwrap(), 3);
    let others = async |holder, after, limit| {
        wrapped::list_others(&store, holder, &[b'b'; 9], after, limit)
            .await
            .unwrap()
    };
    let of = |id: &str, rest: &[u8]| WrappedRow {
        id: id.to_owned(),
        wrapped: by(b'a', rest),
    };
    assert_eq!(
        others(Holder::AccessKey, "", 10).await,
        [of("key-1", b"secret"), of("key-3", b"secret")]
    );
    assert_eq!(
        others(Holder::AccessKey, "", 1).await,
        [of("key-1", b"secret")]
    );
    assert_eq!(
        others(Holder::AccessKey, "key-1", 10).await,
        [of("key-3", b"secret")]
    );
    assert_eq!(others(Holder::SealingKey, "", 10).await, [of("s1", b"")]);
    assert_eq!(
        (
            others(Holder::SigningKey, "", 10).await,
            others(Holder::Authority, "", 10).await
        ),
        (vec![], vec![])
    );

    apply(
        &store,
        wrapped::rewrap(Holder::SealingKey, &[(of("s1", b""), by(b'b', b"new"))]).unchecked(),
    )
    .await
    .unwrap();
    apply(
        &store,
        wrapped::rewrap(
            Holder::AccessKey,
            &[(of("key-1", b"secret"), by(b'b', b"new"))],
        )
        .unchecked(),
    )
    .await
    .unwrap();
    // A write that was overtaken changes nothing, and it is no error.
    apply(
        &store,
        wrapped::rewrap(
            Holder::AccessKey,
            &[(of("key-1", b"secret"), by(b'b', b"late"))],
        )
        .unchecked(),
    )
    .await
    .unwrap();
    apply(
        &store,
        wrapped::rewrap(
            Holder::AccessKey,
            &[(of("key-4", b"secret"), by(b'b', b"late"))],
        )
        .unchecked(),
    )
    .await
    .unwrap();
    assert_eq!(
        access_keys::find(&store, "key-1")
            .await
            .unwrap()
            .unwrap()
            .sealed_secret,
        by(b'b', b"new")
    );
    assert_eq!(
        access_keys::find(&store, "key-4")
            .await
            .unwrap()
            .unwrap()
            .sealed_secret
            .as_bytes(),
        b""
    );
    assert_eq!(wrapped::count_others(&store, &[b'b'; 9]).await.unwrap(), 1);
}

/// A table that was forgotten would keep its secrets under a key that is thrown away.
#[test]
fn whatever_is_wrapped_is_wrapped_anew() {
    let holders: Vec<_> = crate::store::wrapped::STATEMENTS
        .iter()
        .map(|statement| statement.table)
        .collect();
    for table in crate::store::portable::tables().iter() {
        let wraps = table
            .columns
            .iter()
            .any(|column| column.name.starts_with("wrapped") || column.name.starts_with("sealed"));
        assert_eq!(
            wraps,
            holders.contains(&table.name.as_str()),
            "{}",
            table.name
        );
    }
}

async fn a_write_that_holds_a_setting_is_refused_once_it_has_changed(place: &Place) {
    let store = place.store().await;
    apply(&store, meta::put(meta::MASTER_KEY_ID, b"old"))
        .await
        .unwrap();
    apply(
        &store,
        meta::hold(meta::MASTER_KEY_ID, b"old").and(accounts::insert(&account(1))),
    )
    .await
    .unwrap();
    // Many replace it at once: one does.
    let replace = |new: &'static [u8]| {
        store.apply(write().then(meta::replace(meta::MASTER_KEY_ID, b"old", new)))
    };
    let outcomes = tokio::join!(replace(b"one"), replace(b"two"), replace(b"three"));
    let refused = ErrorKind::PreconditionFailed {
        noun: Noun::CurrentMasterKey,
    };
    let outcomes = [outcomes.0, outcomes.1, outcomes.2];
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    assert!(
        outcomes
            .into_iter()
            .filter_map(Result::err)
            .all(|error| error.kind() == &refused)
    );
    let late = meta::hold(meta::MASTER_KEY_ID, b"old").and(accounts::insert(&account(2)));
    assert_eq!(kind(apply(&store, late).await), refused);
    assert_eq!(accounts::list(&store).await.unwrap().len(), 1);
}

async fn a_secret_is_stored_only_while_the_store_names_the_master_key_that_wrapped_it(
    place: &Place,
) {
    let store = place.store().await;
    apply(&store, meta::put(meta::MASTER_KEY_ID, b"6161616161616161"))
        .await
        .unwrap();
    let sealing = |id: &str, wrapped| {
        key::insert_sealing(&SealingKeyRow {
            id: id.to_owned(),
            wrapped,
            created_at: NOW,
        })
    };
    store
        .apply(write().then_wrapped(sealing("s1", by(b'a', b"secret"))))
        .await
        .unwrap();
    let refused = ErrorKind::PreconditionFailed {
        noun: Noun::CurrentMasterKey,
    };
    for other in [by(b'b', b"secret"), Wrapped::from_bytes(Vec::new())] {
        assert_eq!(
            kind(
                store
                    .apply(write().then_wrapped(sealing("s2", other)))
                    .await
            ),
            refused
        );
    }
    assert_eq!(key::list_sealing(&store).await.unwrap().len(), 1);
}
