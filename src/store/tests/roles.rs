//! Roles.

use super::identities::{ADMIN, owner_and_other, role, to_role};
use super::registry::later;
use super::*;
use crate::domain::identity::Role;
use crate::store::policy::{self as policies, PolicyKind};
use crate::store::role as roles;

on_both_databases! {
    a_role_needs_its_account_and_a_name_of_its_own_there
    a_role_is_found_by_its_id_and_its_name
    revoking_raises_the_generation_of_a_role_and_says_when
    deleting_a_role_takes_its_policies_and_frees_its_name
}

async fn a_role_needs_its_account_and_a_name_of_its_own_there(place: &Place) {
    let store = place.store().await;
    let puller = role(&account(1), 11, "puller");
    assert_eq!(
        refusal(&store, roles::insert(&puller)).await,
        not_found(Noun::Account, "1")
    );
    let (owner, _) = owner_and_other(&store).await;
    assert_eq!(
        announced(&store, roles::insert(&puller)).await,
        [entry(Entity::Role, "11")]
    );
    let taken = "Account 1 has a role named puller already; choose another name.".to_owned();
    assert_eq!(
        refusal(&store, roles::insert(&role(&owner, 13, "puller"))).await,
        (ErrorKind::AlreadyExists { noun: Noun::Role }, taken)
    );
}

/// A store with two accounts and two roles of the first.
struct Roles {
    store: Store,
    owner: Account,
    other: Account,
    puller: Role,
    pusher: Role,
}

async fn puller_and_pusher(place: &Place) -> Roles {
    let store = place.store().await;
    let (owner, other) = owner_and_other(&store).await;
    let puller = role(&owner, 11, "puller");
    let pusher = Role {
        max_session_seconds: 3600,
        ..role(&owner, 12, "pusher")
    };
    all(&store, [roles::insert(&puller), roles::insert(&pusher)]).await;
    Roles {
        store,
        owner,
        other,
        puller,
        pusher,
    }
}

async fn a_role_is_found_by_its_id_and_its_name(place: &Place) {
    let Roles {
        store,
        owner,
        other,
        puller,
        pusher,
    } = puller_and_pusher(place).await;
    assert_eq!(
        roles::find(&store, puller.id).await.unwrap().as_ref(),
        Some(&puller)
    );
    assert_eq!(
        roles::find_by_name(&store, owner.id, "pusher")
            .await
            .unwrap()
            .as_ref(),
        Some(&pusher)
    );
    assert_eq!(
        roles::find_by_name(&store, other.id, "pusher")
            .await
            .unwrap(),
        None
    );
    assert_eq!(
        roles::list(&store, owner.id).await.unwrap(),
        [puller.clone(), pusher.clone()]
    );
}

async fn revoking_raises_the_generation_of_a_role_and_says_when(place: &Place) {
    let Roles { store, puller, .. } = puller_and_pusher(place).await;
    assert_eq!(
        announced(&store, roles::revoke(puller.id, later(2))).await,
        [entry(Entity::Role, "11")]
    );
    let found = async || roles::find(&store, puller.id).await.unwrap().unwrap();
    let revoked = found().await;
    assert_eq!(
        (revoked.generation, revoked.revoked_at),
        (2, Some(later(2)))
    );
    for (at, expected) in [(1, 2), (3, 3)] {
        apply(&store, roles::revoke(puller.id, later(at)))
            .await
            .unwrap();
        assert_eq!(found().await.revoked_at, Some(later(expected)));
    }
}

async fn deleting_a_role_takes_its_policies_and_frees_its_name(place: &Place) {
    let Roles {
        store,
        owner,
        other,
        puller,
        pusher,
    } = puller_and_pusher(place).await;
    apply(
        &store,
        policies::attach(owner.id, ADMIN, PolicyKind::BuiltIn, &to_role("puller")),
    )
    .await
    .unwrap();
    assert_eq!(
        refusal(&store, cascade::delete_role(other.id, puller.id)).await,
        not_found(Noun::Role, "11")
    );
    let entries = announced(&store, cascade::delete_role(owner.id, puller.id)).await;
    assert_eq!(
        entries,
        [entry(Entity::Role, "11"), entry(Entity::Policies, "1")]
    );
    assert_eq!(roles::find(&store, puller.id).await.unwrap(), None);
    assert_eq!(roles::list(&store, owner.id).await.unwrap(), [pusher]);
    assert_eq!(
        policies::documents_of_role(&store, puller.id)
            .await
            .unwrap(),
        []
    );
    for part in [
        cascade::delete_role(owner.id, puller.id),
        roles::revoke(puller.id, NOW),
    ] {
        assert_eq!(refusal(&store, part).await, not_found(Noun::Role, "11"));
    }
    apply(&store, roles::insert(&role(&owner, 13, "puller")))
        .await
        .unwrap();
}
