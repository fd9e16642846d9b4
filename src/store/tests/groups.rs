//! Groups and their members.

use std::time::Duration;

use super::identities::{ADMIN, group, members, owner_and_other, to_group, user};
use super::*;
use crate::domain::identity::Group;
use crate::store::policy::{self as policies, PolicyKind};
use crate::store::{group as groups, user as users};

on_both_databases! {
    a_group_needs_its_account_and_a_name_of_its_own_there
    a_group_lists_its_members_and_no_others
    a_member_is_added_once_and_removed_once
    a_group_has_members_of_its_account_only
    deleting_a_group_takes_its_members_and_policies
}

async fn a_group_needs_its_account_and_a_name_of_its_own_there(place: &Place) {
    let store = place.store().await;
    let builders = group(&account(1), "builders");
    let testers = Group {
        created_at: NOW.minus(Duration::from_secs(1)),
        ..group(&account(1), "testers")
    };
    assert_eq!(
        refusal(&store, groups::insert(&builders)).await,
        not_found(Noun::Account, "1")
    );
    let (owner, other) = owner_and_other(&store).await;
    assert_eq!(
        announced(&store, groups::insert(&builders)).await,
        [entry(Entity::Policies, "1")]
    );
    let parts = [
        groups::insert(&testers),
        groups::insert(&group(&other, "builders")),
    ];
    all(&store, parts).await;
    assert_eq!(
        groups::list(&store, owner.id).await.unwrap(),
        [testers, builders.clone()]
    );
    let taken = "Account 1 has a group named builders already; choose another name.".to_owned();
    assert_eq!(
        refusal(&store, groups::insert(&builders)).await,
        (ErrorKind::AlreadyExists { noun: Noun::Group }, taken)
    );
}

/// A store with two groups of the first account, one of that name of the second, and users of both.
struct Groups {
    store: Store,
    owner: Account,
    other: Account,
    builders: Group,
    testers: Group,
}

async fn groups_and_users(place: &Place) -> Groups {
    let store = place.store().await;
    let (owner, other) = owner_and_other(&store).await;
    let (builders, testers) = (group(&owner, "builders"), group(&owner, "testers"));
    let parts = [
        users::insert(&user(&owner, 12, "bob")),
        users::insert(&user(&owner, 11, "ann")),
        users::insert(&user(&other, 13, "eve")),
        users::insert(&user(&other, 14, "ann")),
        groups::insert(&builders),
        groups::insert(&testers),
        groups::insert(&group(&other, "builders")),
    ];
    all(&store, parts).await;
    Groups {
        store,
        owner,
        other,
        builders,
        testers,
    }
}

impl Groups {
    /// Adds members in another order than that of their names.
    async fn add_members(&self) {
        let add = |group, user| groups::add_member(self.owner.id, group, user);
        let parts = [
            add("builders", "bob"),
            add("builders", "ann"),
            add("testers", "ann"),
        ];
        all(&self.store, parts).await;
    }
}

async fn a_group_lists_its_members_and_no_others(place: &Place) {
    let groups = groups_and_users(place).await;
    groups.add_members().await;
    let Groups {
        store,
        owner,
        other,
        ..
    } = groups;
    assert_eq!(members(&store, owner.id, "builders").await, ["ann", "bob"]);
    assert_eq!(members(&store, other.id, "builders").await, [] as [&str; 0]);
    assert_eq!(members(&store, owner.id, "testers").await, ["ann"]);
}

async fn a_member_is_added_once_and_removed_once(place: &Place) {
    let Groups { store, owner, .. } = groups_and_users(place).await;
    let policies_of_1 = [entry(Entity::Policies, "1")];
    let add = |group, user| groups::add_member(owner.id, group, user);
    let remove = |group, user| groups::remove_member(owner.id, group, user);
    assert_eq!(
        announced(&store, add("builders", "bob")).await,
        policies_of_1
    );
    apply(&store, add("builders", "ann")).await.unwrap();
    let twice = (
        ErrorKind::AlreadyExists { noun: Noun::Member },
        "User bob is in group builders already.".to_owned(),
    );
    assert_eq!(refusal(&store, add("builders", "bob")).await, twice);

    assert_eq!(
        refusal(&store, remove("testers", "bob")).await,
        not_found(Noun::Member, "bob in group testers")
    );
    assert_eq!(
        announced(&store, remove("builders", "bob")).await,
        policies_of_1
    );
    assert_eq!(members(&store, owner.id, "builders").await, ["ann"]);
}

async fn a_group_has_members_of_its_account_only(place: &Place) {
    let Groups { store, owner, .. } = groups_and_users(place).await;
    for change in [groups::add_member, groups::remove_member] {
        assert_eq!(
            refusal(&store, change(owner.id, "dancers", "bob")).await,
            not_found(Noun::Group, "dancers")
        );
        assert_eq!(
            refusal(&store, change(owner.id, "builders", "eve")).await,
            not_found(Noun::User, "eve")
        );
        assert_eq!(
            refusal(
                &store,
                change(AccountId::new(3).unwrap(), "builders", "bob")
            )
            .await,
            not_found(Noun::Account, "3")
        );
    }
}

async fn deleting_a_group_takes_its_members_and_policies(place: &Place) {
    let groups = groups_and_users(place).await;
    groups.add_members().await;
    let Groups {
        store,
        owner,
        other,
        builders,
        testers,
    } = groups;
    apply(
        &store,
        policies::attach(owner.id, ADMIN, PolicyKind::BuiltIn, &to_group("builders")),
    )
    .await
    .unwrap();
    apply(&store, groups::add_member(other.id, "builders", "ann"))
        .await
        .unwrap();
    assert_eq!(
        announced(&store, cascade::delete_group(owner.id, "builders")).await,
        [entry(Entity::Policies, "1")]
    );
    assert_eq!(
        refusal(&store, cascade::delete_group(owner.id, "builders")).await,
        not_found(Noun::Group, "builders")
    );
    assert_eq!(groups::list(&store, owner.id).await.unwrap(), [testers]);
    // Made again, it has nothing of the one before; the other account's was left alone.
    apply(&store, groups::insert(&builders)).await.unwrap();
    assert_eq!(members(&store, owner.id, "builders").await, [] as [&str; 0]);
    assert_eq!(policies::attachments(&store, owner.id).await.unwrap(), []);
    assert_eq!(members(&store, other.id, "builders").await, ["ann"]);
}
