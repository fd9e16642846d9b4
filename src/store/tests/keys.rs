//! The service's own keys: those that seal, those that sign, and the authorities over them.

use std::time::Duration;

use super::*;
use crate::store::key::{self, AuthorityRow, AuthorityState, SealingKeyRow, SigningKeyRow};

on_both_databases! {
    keys_read_back_and_are_stored_once
    a_leaf_is_replaced_by_one_replica_only
    one_authority_is_next_and_one_in_use_whoever_is_quicker
    a_change_that_depends_on_a_replaced_authority_is_refused
    an_authority_forgets_its_key_and_an_old_one_is_deleted
    a_signing_key_waits_for_its_first_leaf_and_keeps_the_next
}

fn signing(leaf: Vec<u8>) -> SigningKeyRow {
    SigningKeyRow {
        id: "k1".to_owned(),
        algorithm: Algorithm::Es256,
        wrapped_private: Wrapped::from_bytes(vec![3]),
        leaf_der: leaf,
        leaf_expires_at: NOW,
        created_at: NOW,
        next_leaf_der: None,
        certified_at: None,
    }
}

fn authority(id: &str, state: AuthorityState) -> AuthorityRow {
    AuthorityRow {
        id: id.to_owned(),
        wrapped_private: Some(Wrapped::from_bytes(vec![1])),
        certificate_der: id.as_bytes().to_vec(),
        created_at: NOW,
        state,
        changed_at: NOW,
    }
}

async fn keys_read_back_and_are_stored_once(place: &Place) {
    let store = place.store().await;
    let sealing = SealingKeyRow {
        id: "s1".to_owned(),
        wrapped: Wrapped::from_bytes(vec![1, 2]),
        created_at: NOW,
    };
    let authority = AuthorityRow {
        wrapped_private: None,
        ..authority("a1", AuthorityState::InUse)
    };
    let signing = SigningKeyRow {
        algorithm: Algorithm::Rs256,
        ..signing(vec![4])
    };
    let insert = || {
        write()
            .then(key::insert_sealing(&sealing).unchecked())
            .then(key::insert_signing(&signing).unchecked())
            .then(key::insert_authority(&authority).unchecked())
    };
    store.apply(insert()).await.unwrap();
    assert_eq!(
        kind(store.apply(insert()).await),
        ErrorKind::AlreadyExists {
            noun: Noun::SealingKey
        }
    );
    assert_eq!(key::list_sealing(&store).await.unwrap(), [sealing]);
    assert_eq!(key::list_signing(&store).await.unwrap(), [signing]);
    assert_eq!(key::list_authorities(&store).await.unwrap(), [authority]);
}

async fn a_leaf_is_replaced_by_one_replica_only(place: &Place) {
    let store = place.store().await;
    let signing = signing(vec![4]);
    apply(&store, key::insert_signing(&signing).unchecked())
        .await
        .unwrap();
    let later = NOW.plus(Duration::from_secs(60));
    apply(&store, key::replace_leaf("k1", NOW, &[5, 6], later, None))
        .await
        .unwrap();
    let second = apply(&store, key::replace_leaf("k1", NOW, &[7], later, None)).await;
    assert_eq!(
        kind(second),
        ErrorKind::AlreadyExists {
            noun: Noun::LeafCertificate
        }
    );
    let replaced = SigningKeyRow {
        leaf_der: vec![5, 6],
        leaf_expires_at: later,
        ..signing
    };
    assert_eq!(key::list_signing(&store).await.unwrap(), [replaced]);
}

/// Adds an authority that is next after the one in use.
async fn add_next(store: &Store, id: &str, in_use: &str) -> Result<()> {
    let part = key::insert_next_authority(&authority(id, AuthorityState::Next), in_use);
    apply(store, part.unchecked()).await
}

/// A store whose authority `a1` was replaced by `a2`, and the time at which it was.
async fn replaced_authority(place: &Place) -> (Store, Timestamp) {
    let store = place.store().await;
    let first = authority("a1", AuthorityState::InUse);
    apply(&store, key::insert_authority(&first).unchecked())
        .await
        .unwrap();
    add_next(&store, "a2", "a1").await.unwrap();
    let later = NOW.plus(Duration::from_secs(60));
    apply(&store, key::activate_authority("a2", "a1", later))
        .await
        .unwrap();
    (store, later)
}

async fn one_authority_is_next_and_one_in_use_whoever_is_quicker(place: &Place) {
    let store = place.store().await;
    let first = authority("a1", AuthorityState::InUse);
    apply(&store, key::insert_authority(&first).unchecked())
        .await
        .unwrap();
    // Two operators at once: one authority.
    let (one, other) = tokio::join!(add_next(&store, "a2", "a1"), add_next(&store, "a3", "a1"));
    let landed = [&one, &other].into_iter().filter(|outcome| outcome.is_ok());
    assert_eq!(landed.count(), 1, "{one:?} {other:?}");
    let next = if one.is_ok() { "a2" } else { "a3" };
    apply(&store, key::activate_authority(next, "a1", NOW))
        .await
        .unwrap();
    let rows = key::list_authorities(&store).await.unwrap();
    let mut states: Vec<_> = rows
        .iter()
        .map(|row| (row.id.as_str(), row.state))
        .collect();
    states.sort_by_key(|(id, _)| *id);
    assert_eq!(
        states,
        [("a1", AuthorityState::Old), (next, AuthorityState::InUse)]
    );
}

async fn a_change_that_depends_on_a_replaced_authority_is_refused(place: &Place) {
    let (store, later) = replaced_authority(place).await;
    let taken = ErrorKind::AlreadyExists {
        noun: Noun::Authority,
    };
    for part in [
        key::activate_authority("a2", "a1", later),
        key::hold_authority("a1", AuthorityState::InUse),
        key::delete_authority("a2", AuthorityState::Next),
    ] {
        assert_eq!(kind(apply(&store, part).await), taken);
    }
    assert_eq!(kind(add_next(&store, "a4", "a1").await), taken);
}

async fn an_authority_forgets_its_key_and_an_old_one_is_deleted(place: &Place) {
    let (store, later) = replaced_authority(place).await;
    apply(&store, key::forget_private("a2")).await.unwrap();
    apply(&store, key::delete_authority("a1", AuthorityState::Old))
        .await
        .unwrap();
    let left = AuthorityRow {
        wrapped_private: None,
        changed_at: later,
        ..authority("a2", AuthorityState::InUse)
    };
    assert_eq!(key::list_authorities(&store).await.unwrap(), [left]);
}

async fn a_signing_key_waits_for_its_first_leaf_and_keeps_the_next(place: &Place) {
    let store = place.store().await;
    let row = signing(Vec::new());
    apply(&store, key::insert_signing(&row).unchecked())
        .await
        .unwrap();
    assert!(!key::list_signing(&store).await.unwrap()[0].is_certified());
    let [later, end] = [60, 120].map(|seconds| NOW.plus(Duration::from_secs(seconds)));
    apply(&store, key::set_next_leaf("k1", &[7])).await.unwrap();
    assert_eq!(
        kind(apply(&store, key::set_next_leaf("k2", &[7])).await),
        ErrorKind::NotFound {
            noun: Noun::SigningKey
        }
    );
    let next = key::list_signing(&store).await.unwrap().remove(0);
    assert_eq!(next.next_leaf_der.as_deref(), Some([7].as_slice()));
    apply(&store, key::replace_leaf("k1", NOW, &[5], end, Some(later)))
        .await
        .unwrap();
    apply(&store, key::replace_leaf("k1", end, &[6], end, Some(end)))
        .await
        .unwrap();
    let certified = SigningKeyRow {
        leaf_der: vec![6],
        leaf_expires_at: end,
        certified_at: Some(later),
        ..row
    };
    assert_eq!(certified.ready_at(), later);
    assert_eq!(key::list_signing(&store).await.unwrap(), [certified]);
}
