//! The signing keys of an instance that has an issuer of its own.

use super::*;
use crate::store::cascade::Contents;
use crate::store::instance_key::{self, InstanceKeyRow, InstanceKeyState};
use crate::store::{account as accounts, instance as instances};

on_both_databases! {
    an_instance_key_needs_its_instance
    an_instance_has_one_key_that_signs_and_one_that_is_next
    a_next_instance_key_is_activated_once
    a_next_instance_key_is_deleted_and_the_rest_go_with_the_instance
}

fn row(id: &str, of: &Instance, state: InstanceKeyState) -> InstanceKeyRow {
    InstanceKeyRow {
        id: id.to_owned(),
        instance: of.id.clone(),
        algorithm: Algorithm::Es256,
        wrapped_private: Wrapped::from_bytes(vec![3]),
        state,
        created_at: NOW,
    }
}

/// A store with an instance, its key `k1` in use and its key `k2` that is next.
async fn two_keys(place: &Place) -> (Store, Instance, [InstanceKeyRow; 2]) {
    let store = place.store().await;
    let owner = account(1);
    let home = instance(&owner, "one");
    let signs = row("k1", &home, InstanceKeyState::InUse);
    let next = row("k2", &home, InstanceKeyState::Next);
    let both = write()
        .then(accounts::insert(&owner))
        .then(instances::insert(&home))
        .then(instance_key::insert(&signs).unchecked());
    store.apply(both).await.unwrap();
    apply(&store, instance_key::insert(&next).unchecked())
        .await
        .unwrap();
    (store, home, [signs, next])
}

async fn an_instance_key_needs_its_instance(place: &Place) {
    let store = place.store().await;
    let nowhere = instance(&account(1), "one");
    let signs = row("k1", &nowhere, InstanceKeyState::InUse);
    assert_eq!(
        kind(apply(&store, instance_key::insert(&signs).unchecked()).await),
        ErrorKind::InstanceNotFound
    );
}

async fn an_instance_has_one_key_that_signs_and_one_that_is_next(place: &Place) {
    let (store, home, both) = two_keys(place).await;
    for state in [InstanceKeyState::InUse, InstanceKeyState::Next] {
        let third = instance_key::insert(&row("k3", &home, state)).unchecked();
        assert_eq!(
            kind(apply(&store, third).await),
            ErrorKind::AlreadyExists {
                noun: Noun::SigningKey
            }
        );
    }
    assert_eq!(instance_key::list(&store).await.unwrap(), both);
}

async fn a_next_instance_key_is_activated_once(place: &Place) {
    let (store, home, [_, next]) = two_keys(place).await;
    apply(&store, instance_key::activate("k2", &home.id))
        .await
        .unwrap();
    assert_eq!(
        kind(apply(&store, instance_key::activate("k2", &home.id)).await),
        ErrorKind::AlreadyExists {
            noun: Noun::SigningKey
        }
    );
    let activated = InstanceKeyRow {
        state: InstanceKeyState::InUse,
        ..next
    };
    assert_eq!(instance_key::list(&store).await.unwrap(), [activated]);
}

async fn a_next_instance_key_is_deleted_and_the_rest_go_with_the_instance(place: &Place) {
    let (store, home, [signs, _]) = two_keys(place).await;
    apply(&store, instance_key::delete_next(&home.id))
        .await
        .unwrap();
    assert_eq!(instance_key::list(&store).await.unwrap(), [signs]);
    apply(
        &store,
        cascade::delete_instance(home.account, &home.id, Contents::MustBeGone, NOW),
    )
    .await
    .unwrap();
    assert_eq!(instance_key::list(&store).await.unwrap(), []);
}
