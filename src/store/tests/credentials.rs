use std::time::Duration;

use super::*;
use crate::store::{account as accounts, credential as credentials, instance as instances};

on_both_databases! {
    a_credential_is_found_and_listed_from_the_newest
    a_credential_needs_its_instance
    a_credential_has_an_id_of_its_own
    an_instance_has_as_many_credentials_as_it_may_whatever_came_before
    a_credential_is_disabled_and_enabled
    a_deleted_credential_is_gone
}

/// An instance and two credentials of it, the older first; nothing is stored.
fn two_of_one_instance() -> (Instance, [LongTermCredential; 2]) {
    let home = instance(&account(1), "home");
    let old = credential(&home);
    let new = LongTermCredential {
        username: Username::CrTempUser,
        created_at: NOW.plus(Duration::from_secs(1)),
        ..credential(&home)
    };
    (home, [old, new])
}

/// A store with an instance and two credentials of it, the older first.
async fn two_credentials(place: &Place) -> (Store, Instance, [LongTermCredential; 2]) {
    let store = place.store().await;
    let (home, both) = two_of_one_instance();
    all(
        &store,
        [accounts::insert(&account(1)), instances::insert(&home)],
    )
    .await;
    for one in &both {
        apply(&store, credentials::insert(one, QUOTA))
            .await
            .unwrap();
    }
    (store, home, both)
}

async fn a_credential_is_found_and_listed_from_the_newest(place: &Place) {
    let (store, home, [old, new]) = two_credentials(place).await;
    let listed = credentials::list(&store, &home.id).await.unwrap();
    assert_eq!(format!("{listed:?}"), format!("{:?}", [&new, &old]));
    let found = credentials::find(&store, &old.id).await.unwrap().unwrap();
    assert_eq!(format!("{found:?}"), format!("{old:?}"));
}

async fn a_credential_needs_its_instance(place: &Place) {
    let store = place.store().await;
    let (_, [old, _]) = two_of_one_instance();
    assert_eq!(
        kind(apply(&store, credentials::insert(&old, QUOTA)).await),
        ErrorKind::InstanceNotFound
    );
}

async fn a_credential_has_an_id_of_its_own(place: &Place) {
    let (store, _, [_, new]) = two_credentials(place).await;
    assert_eq!(
        kind(apply(&store, credentials::insert(&new, QUOTA)).await),
        ErrorKind::AlreadyExists {
            noun: Noun::Credential
        }
    );
}

async fn an_instance_has_as_many_credentials_as_it_may_whatever_came_before(place: &Place) {
    let (store, home, [old, new]) = two_credentials(place).await;
    // How many more there are when the first is refused.
    let fill = async |most| {
        for added in 0.. {
            match apply(&store, credentials::insert(&credential(&home), most)).await {
                Ok(()) => {}
                Err(error) => {
                    let noun = Noun::Credential;
                    assert_eq!(error.kind(), &ErrorKind::QuotaExceeded { noun });
                    return added;
                }
            }
        }
        unreachable!()
    };
    assert_eq!(fill(40).await, 38);
    for gone in [&old, &new] {
        apply(&store, credentials::delete(&gone.id)).await.unwrap();
    }
    assert_eq!(fill(40).await, 2);
    // The setting is raised while more is known to fit, and lowered again.
    apply(&store, credentials::insert(&credential(&home), 80))
        .await
        .unwrap();
    assert_eq!(fill(41).await, 0);
    assert_eq!(fill(20).await, 0);
    assert_eq!(fill(50).await, 9);
    let listed = credentials::list(&store, &home.id).await.unwrap();
    assert_eq!(listed.len(), 50);
}

async fn a_credential_is_disabled_and_enabled(place: &Place) {
    let (store, _, [old, _]) = two_credentials(place).await;
    for state in [CredentialState::Disabled, CredentialState::Active] {
        apply(&store, credentials::set_state(&old.id, state, Level::User))
            .await
            .unwrap();
        let found = credentials::find(&store, &old.id).await.unwrap().unwrap();
        assert_eq!(found.state, state);
    }
}

async fn a_deleted_credential_is_gone(place: &Place) {
    let (store, home, [old, _]) = two_credentials(place).await;
    apply(&store, credentials::delete(&old.id)).await.unwrap();
    assert!(credentials::find(&store, &old.id).await.unwrap().is_none());
    for part in [
        credentials::delete(&old.id),
        credentials::set_state(&old.id, CredentialState::Active, Level::User),
    ] {
        assert_eq!(
            kind(apply(&store, part).await),
            ErrorKind::NotFound {
                noun: Noun::Credential
            }
        );
    }
    assert_eq!(credentials::list(&store, &home.id).await.unwrap().len(), 1);
}
