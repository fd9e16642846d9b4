//! Users: their names, their state, and what a deletion takes along.

use tokio::task::JoinSet;

use super::identities::{
    ADMIN, built_in, credential_of, group, key_of, members, own, owner_and_other, policy, to_user,
    user,
};
use super::*;
use crate::domain::credential::PasswordHash;
use crate::domain::identity::{Policy, User, UserState};
use crate::domain::ids::UserId;
use crate::store::policy::{self as policies, PolicyKind};
use crate::store::{
    access_key as access_keys, account as accounts, credential as credentials,
    fixed_password as fixed_passwords, group as groups, instance as instances, user as users,
};

on_both_databases! {
    a_user_needs_its_account_and_a_name_of_its_own_there
    a_user_is_found_by_its_id_and_its_name
    disabling_and_revoking_raise_the_generation_of_a_user
    a_user_that_does_not_exist_is_not_changed
    deleting_a_user_takes_its_names_and_is_announced
    deleting_a_user_takes_its_access_keys
    deleting_a_user_takes_its_credentials
    deleting_a_user_takes_its_memberships_and_policies
    a_deleted_user_can_not_be_changed_and_its_name_is_free
    nothing_is_added_to_a_user_while_it_is_deleted
}

async fn a_user_needs_its_account_and_a_name_of_its_own_there(place: &Place) {
    let store = place.store().await;
    let ann = user(&account(1), 11, "ann");
    assert_eq!(
        refusal(&store, users::insert(&ann)).await,
        not_found(Noun::Account, "1")
    );
    let (owner, other) = owner_and_other(&store).await;
    assert_eq!(
        announced(&store, users::insert(&ann)).await,
        [entry(Entity::User, "11")]
    );
    let taken = (
        ErrorKind::AlreadyExists { noun: Noun::User },
        "Account 1 has a user named ann already; choose another name.".to_owned(),
    );
    assert_eq!(
        refusal(&store, users::insert(&user(&owner, 13, "ann"))).await,
        taken
    );
    // The refusal took no number, and another account has names of its own.
    apply(&store, users::insert(&user(&other, 13, "ann")))
        .await
        .unwrap();
}

/// A store with two accounts and two users of the first, one of them disabled.
struct Pair {
    store: Store,
    owner: Account,
    other: Account,
    ann: User,
    bob: User,
}

async fn ann_and_disabled_bob(place: &Place) -> Pair {
    let store = place.store().await;
    let (owner, other) = owner_and_other(&store).await;
    let ann = user(&owner, 11, "ann");
    let bob = User {
        state: UserState::Disabled,
        ..user(&owner, 12, "bob")
    };
    all(&store, [users::insert(&ann), users::insert(&bob)]).await;
    Pair {
        store,
        owner,
        other,
        ann,
        bob,
    }
}

async fn a_user_is_found_by_its_id_and_its_name(place: &Place) {
    let Pair {
        store,
        owner,
        other,
        ann,
        bob,
    } = ann_and_disabled_bob(place).await;
    assert_eq!(
        users::find(&store, ann.id).await.unwrap().as_ref(),
        Some(&ann)
    );
    assert_eq!(
        users::find(&store, UserId::new(1).unwrap()).await.unwrap(),
        None
    );
    assert_eq!(
        users::find_by_name(&store, owner.id, "bob")
            .await
            .unwrap()
            .as_ref(),
        Some(&bob)
    );
    assert_eq!(
        users::find_by_name(&store, other.id, "bob").await.unwrap(),
        None
    );
    assert_eq!(
        users::list(&store, owner.id).await.unwrap(),
        [ann.clone(), bob]
    );
}

async fn disabling_and_revoking_raise_the_generation_of_a_user(place: &Place) {
    let Pair { store, ann, .. } = ann_and_disabled_bob(place).await;
    for (state, generation) in [(UserState::Disabled, 2), (UserState::Active, 2)] {
        assert_eq!(
            announced(&store, users::set_state(ann.id, state)).await,
            [entry(Entity::User, "11")]
        );
        assert_eq!(
            users::find(&store, ann.id).await.unwrap(),
            Some(User {
                state,
                generation,
                ..ann.clone()
            })
        );
    }
    assert_eq!(
        announced(&store, users::raise_generation(ann.id)).await,
        [entry(Entity::User, "11")]
    );
    assert_eq!(
        users::find(&store, ann.id)
            .await
            .unwrap()
            .unwrap()
            .generation,
        3
    );
}

async fn a_user_that_does_not_exist_is_not_changed(place: &Place) {
    let Pair {
        store,
        owner,
        other,
        ann,
        ..
    } = ann_and_disabled_bob(place).await;
    let nobody = UserId::new(99).unwrap();
    let parts = [
        users::set_state(nobody, UserState::Active),
        users::set_state(nobody, UserState::Disabled),
        users::raise_generation(nobody),
        cascade::delete_user(owner.id, nobody),
    ];
    for part in parts {
        assert_eq!(refusal(&store, part).await, not_found(Noun::User, "99"));
    }
    assert_eq!(
        refusal(&store, cascade::delete_user(other.id, ann.id)).await,
        not_found(Noun::User, "11")
    );
}

/// A store in which two users have one of everything that a user can have.
struct Equipped {
    store: Store,
    owner: Account,
    home: Instance,
    ann: User,
    bob: User,
    all_users: Policy,
}

async fn two_users_with_everything(place: &Place) -> Equipped {
    let store = place.store().await;
    let owner = account(1);
    let home = instance(&owner, "home");
    // Ids of which one begins like the other: what belongs to one is not the other's.
    let (ann, bob) = (user(&owner, 11, "ann"), user(&owner, 111, "bob"));
    let given = [
        credential_of(&home, &ann),
        credential_of(&home, &bob),
        credential(&home),
    ];
    let all_users = policy(&owner, "all-users");
    all(
        &store,
        [
            accounts::insert(&owner),
            instances::insert(&home),
            groups::insert(&group(&owner, "builders")),
        ],
    )
    .await;
    all(&store, [policies::create(&all_users)]).await;
    for user in [&ann, &bob] {
        let parts = [
            users::insert(user),
            access_keys::insert(&key_of(&format!("AKID{}", user.name), &owner, user)).unchecked(),
            groups::add_member(owner.id, "builders", &user.name),
            policies::attach(owner.id, "all-users", PolicyKind::Own, &to_user(&user.name)),
            policies::attach(owner.id, ADMIN, PolicyKind::BuiltIn, &to_user(&user.name)),
        ];
        all(&store, parts).await;
    }
    all(
        &store,
        given.iter().map(|made| credentials::insert(made, QUOTA)),
    )
    .await;
    apply(
        &store,
        access_keys::insert(&access_key("AKIDroot", &owner)).unchecked(),
    )
    .await
    .unwrap();
    Equipped {
        store,
        owner,
        home,
        ann,
        bob,
        all_users,
    }
}

impl Equipped {
    async fn delete_ann(&self) {
        apply(
            &self.store,
            cascade::delete_user(self.owner.id, self.ann.id),
        )
        .await
        .unwrap();
    }
}

async fn deleting_a_user_takes_its_names_and_is_announced(place: &Place) {
    let Equipped {
        store,
        owner,
        ann,
        bob,
        ..
    } = two_users_with_everything(place).await;
    let entries = announced(&store, cascade::delete_user(owner.id, ann.id)).await;
    assert_eq!(
        entries,
        [entry(Entity::User, "11"), entry(Entity::Policies, "1")]
    );

    assert_eq!(users::find(&store, ann.id).await.unwrap(), None);
    assert_eq!(
        users::find_by_name(&store, owner.id, "ann").await.unwrap(),
        None
    );
    assert_eq!(
        users::list(&store, owner.id).await.unwrap(),
        std::slice::from_ref(&bob)
    );
}

async fn deleting_a_user_takes_its_access_keys(place: &Place) {
    let equipped = two_users_with_everything(place).await;
    equipped.delete_ann().await;
    let Equipped { store, owner, .. } = equipped;
    let gone = access_keys::find(&store, "AKIDann").await.unwrap().unwrap();
    assert_eq!(
        (gone.state, gone.generation, gone.sealed_secret.as_bytes()),
        (AccessKeyState::Deleted, 2, &[][..])
    );
    let left = access_keys::list(&store, Some(owner.id)).await.unwrap();
    assert_eq!(
        left.iter().map(|key| key.id.as_str()).collect::<Vec<_>>(),
        ["AKIDbob", "AKIDroot"]
    );
    assert!(
        left.iter()
            .all(|key| key.generation == 1 && !key.sealed_secret.as_bytes().is_empty())
    );
}

async fn deleting_a_user_takes_its_credentials(place: &Place) {
    let equipped = two_users_with_everything(place).await;
    equipped.delete_ann().await;
    let Equipped { store, home, .. } = equipped;
    let mut left: Vec<_> = credentials::list(&store, &home.id)
        .await
        .unwrap()
        .into_iter()
        .map(|one| one.principal.to_string())
        .collect();
    left.sort();
    assert_eq!(left, ["1:root", "1:user#111"]);
}

async fn deleting_a_user_takes_its_memberships_and_policies(place: &Place) {
    let equipped = two_users_with_everything(place).await;
    equipped.delete_ann().await;
    let Equipped {
        store,
        owner,
        ann,
        bob,
        all_users,
        ..
    } = equipped;
    assert_eq!(
        count(
            &store,
            "SELECT COUNT(*) AS count FROM group_member WHERE user_id = 11"
        )
        .await,
        0
    );
    assert_eq!(members(&store, owner.id, "builders").await, ["bob"]);
    assert_eq!(
        policies::documents_of_user(&store, ann.id).await.unwrap(),
        []
    );
    assert_eq!(
        policies::documents_of_user(&store, bob.id).await.unwrap(),
        [built_in(ADMIN), own(&all_users)]
    );
    assert!(
        policies::attachments(&store, owner.id)
            .await
            .unwrap()
            .iter()
            .all(|one| one.target == to_user("bob"))
    );
}

async fn a_deleted_user_can_not_be_changed_and_its_name_is_free(place: &Place) {
    let equipped = two_users_with_everything(place).await;
    equipped.delete_ann().await;
    let Equipped {
        store, owner, ann, ..
    } = equipped;
    let again = [
        cascade::delete_user(owner.id, ann.id),
        users::set_state(ann.id, UserState::Active),
        users::raise_generation(ann.id),
    ];
    for part in again {
        assert_eq!(refusal(&store, part).await, not_found(Noun::User, "11"));
    }
    // The next user of that name has nothing of the one before.
    let next = user(&owner, 12, "ann");
    apply(&store, users::insert(&next)).await.unwrap();
    assert_eq!(
        policies::documents_of_user(&store, next.id).await.unwrap(),
        []
    );
    apply(&store, cascade::delete_user(owner.id, next.id))
        .await
        .unwrap();
    apply(&store, users::insert(&user(&owner, 13, "ann")))
        .await
        .unwrap();
}

/// Adds something to a user in each of twelve writes, and deletes it meanwhile.
async fn race(store: &Store, home: &Instance, ann: &User, round: i64) -> Vec<Result<()>> {
    let owner = account(ann.account.number());
    let principal = Principal::User(owner.id, ann.id);
    let mut writes = JoinSet::new();
    for number in 0..12 {
        let part = match number % 5 {
            0 => access_keys::insert(&key_of(&format!("AKID-{round}-{number}"), &owner, ann))
                .unchecked(),
            1 => credentials::insert(&credential_of(home, ann), QUOTA),
            2 => groups::add_member(owner.id, "builders", "ann"),
            3 => fixed_passwords::set(
                &home.id,
                &principal,
                &PasswordHash::new("$argon2id$EXAMPLE"),
                NOW,
            ),
            _ => policies::attach(owner.id, ADMIN, PolicyKind::BuiltIn, &to_user("ann")),
        };
        let parts = if number == 5 {
            vec![part, cascade::delete_user(owner.id, ann.id)]
        } else {
            vec![part]
        };
        for part in parts {
            let store = store.clone();
            writes.spawn(async move { apply(&store, part).await });
        }
    }
    writes.join_all().await
}

async fn nothing_is_added_to_a_user_while_it_is_deleted(place: &Place) {
    let store = place.store().await;
    let owner = account(1);
    let home = instance(&owner, "home");
    all(
        &store,
        [
            accounts::insert(&owner),
            instances::insert(&home),
            groups::insert(&group(&owner, "builders")),
        ],
    )
    .await;
    // Several rounds: in one alone, all may be done before the deletion begins.
    for round in 0..5 {
        let ann = user(&owner, 100 + round, "ann");
        let principal = Principal::User(owner.id, ann.id);
        apply(&store, users::insert(&ann)).await.unwrap();
        for result in race(&store, &home, &ann, round).await {
            let Err(error) = result else { continue };
            assert!(
                matches!(
                    error.kind(),
                    ErrorKind::NotFound { noun: Noun::User } | ErrorKind::AlreadyExists { .. }
                ),
                "{error:?}"
            );
        }
        assert_eq!(users::find(&store, ann.id).await.unwrap(), None);
        assert_eq!(
            access_keys::list_of_principal(&store, &principal)
                .await
                .unwrap(),
            []
        );
        assert_eq!(
            credentials::list_of_principal(&store, &principal)
                .await
                .unwrap()
                .len(),
            0
        );
        assert_eq!(
            fixed_passwords::find(&store, &home.id, &principal)
                .await
                .unwrap(),
            None
        );
        assert_eq!(members(&store, owner.id, "builders").await, [] as [&str; 0]);
        assert_eq!(policies::attachments(&store, owner.id).await.unwrap(), []);
    }
}
