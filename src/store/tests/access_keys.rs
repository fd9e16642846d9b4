use super::*;
use crate::store::{access_key as access_keys, account as accounts};

on_both_databases! {
    an_access_key_is_found_by_its_id
    an_access_key_needs_its_account
    an_access_key_is_disabled_and_enabled
    a_deleted_access_key_loses_its_secret_and_is_not_listed
    a_deleted_access_key_does_not_come_back
}

/// A store with an account and one access key of it.
async fn one_key(place: &Place) -> (Store, AccessKey) {
    let store = place.store().await;
    let owner = account(1);
    let key = access_key("AKIDone", &owner);
    apply(&store, accounts::insert(&owner)).await.unwrap();
    apply(&store, access_keys::insert(&key).unchecked())
        .await
        .unwrap();
    (store, key)
}

/// Returns how many keys the account and all accounts have.
async fn listed(store: &Store) -> [usize; 2] {
    let of_account = access_keys::list(store, Some(account(1).id)).await;
    let of_all = access_keys::list(store, None).await;
    [of_account, of_all].map(|keys| keys.unwrap().len())
}

async fn found(store: &Store) -> AccessKey {
    access_keys::find(store, "AKIDone").await.unwrap().unwrap()
}

async fn an_access_key_is_found_by_its_id(place: &Place) {
    let (store, key) = one_key(place).await;
    assert_eq!(found(&store).await, key);
    assert_eq!(access_keys::find(&store, "AKIDtwo").await.unwrap(), None);
}

async fn an_access_key_needs_its_account(place: &Place) {
    let store = place.store().await;
    let key = access_key("AKIDone", &account(1));
    assert_eq!(
        kind(apply(&store, access_keys::insert(&key).unchecked()).await),
        ErrorKind::NotFound {
            noun: Noun::Account
        }
    );
}

async fn an_access_key_is_disabled_and_enabled(place: &Place) {
    let (store, key) = one_key(place).await;
    assert_eq!(listed(&store).await, [1, 1]);
    for state in [AccessKeyState::Disabled, AccessKeyState::Active] {
        apply(&store, access_keys::set_state("AKIDone", state))
            .await
            .unwrap();
        let found = found(&store).await;
        assert_eq!(
            (found.state, found.generation, found.sealed_secret),
            (state, 2, key.sealed_secret.clone())
        );
        assert_eq!(listed(&store).await, [1, 1], "{state:?}");
    }
}

async fn delete(store: &Store) {
    for state in [AccessKeyState::Disabled, AccessKeyState::Deleted] {
        apply(store, access_keys::set_state("AKIDone", state))
            .await
            .unwrap();
    }
}

async fn a_deleted_access_key_loses_its_secret_and_is_not_listed(place: &Place) {
    let (store, _) = one_key(place).await;
    delete(&store).await;
    let found = found(&store).await;
    assert_eq!(
        (found.state, found.generation, found.sealed_secret),
        (AccessKeyState::Deleted, 3, Wrapped::from_bytes(vec![]))
    );
    assert_eq!(listed(&store).await, [0, 0]);
}

async fn a_deleted_access_key_does_not_come_back(place: &Place) {
    let (store, key) = one_key(place).await;
    delete(&store).await;
    for state in [
        AccessKeyState::Active,
        AccessKeyState::Disabled,
        AccessKeyState::Deleted,
    ] {
        let refused = apply(&store, access_keys::set_state("AKIDone", state)).await;
        assert_eq!(
            kind(refused),
            ErrorKind::NotFound {
                noun: Noun::AccessKey
            }
        );
    }
    assert_eq!(
        kind(apply(&store, access_keys::insert(&key).unchecked()).await),
        ErrorKind::AlreadyExists {
            noun: Noun::AccessKey
        }
    );
}
