use crate::domain::Noun;
use std::time::Duration;

use tokio::task::JoinSet;

use super::*;
use crate::domain::credential::PasswordHash;
use crate::domain::identity::{
    Group, OidcAlgorithm, OidcProvider, Policy, Role, Target, User, UserState,
};
use crate::domain::ids::{RoleId, UserId};
use crate::store::policy::{self as policies, Attachment, PolicyKind};
use crate::store::{
    access_key as access_keys, account as accounts, credential as credentials,
    fixed_password as fixed_passwords, group as groups, instance as instances,
    oidc_provider as oidc_providers, role as roles, user as users,
};

on_both_databases! {
    a_user_is_disabled_enabled_and_found_by_its_names
    no_two_principals_ever_share_a_number
    accounts_from_before_users_keep_their_numbers
    deleting_a_user_takes_all_that_is_its_own
    nothing_is_added_to_a_user_while_it_is_deleted
    what_belongs_to_a_user_or_a_role_needs_it
    keys_and_credentials_are_listed_by_principal
    a_group_has_members_of_its_account
    a_role_is_found_until_it_is_deleted
    a_policy_is_replaced_and_not_deleted_while_attached
    attaching_needs_both_ends_and_happens_once
    a_user_has_its_own_documents_and_its_groups_each_once
    an_own_document_that_is_missing_is_never_taken_for_a_built_in_one
    an_oidc_provider_reads_back_with_its_audiences
}

const ADMIN: &str = "AdministratorAccess";

pub(super) fn user(account: &Account, number: i64, name: &str) -> User {
    User {
        id: UserId::new(number).unwrap(),
        account: account.id,
        name: name.to_owned(),
        state: UserState::Active,
        generation: 1,
        created_at: NOW.plus(Duration::from_secs(number as u64)),
    }
}

pub(super) fn group(account: &Account, name: &str) -> Group {
    Group {
        account: account.id,
        name: name.to_owned(),
        created_at: NOW,
    }
}

pub(super) fn role(account: &Account, number: i64, name: &str) -> Role {
    Role {
        id: RoleId::new(number).unwrap(),
        account: account.id,
        name: name.to_owned(),
        trust_policy: "{\"version\": \"2.0\"} ".to_owned(),
        max_session_seconds: Role::MAX_SESSION_LIMIT,
        generation: 1,
        created_at: NOW.plus(Duration::from_secs(number as u64)),
    }
}

pub(super) fn policy(account: &Account, name: &str) -> Policy {
    Policy {
        account: account.id,
        name: name.to_owned(),
        document: format!("{{ \"of\": \"{name}\" }}\n"),
        changed_at: NOW,
    }
}

pub(super) fn to_user(name: &str) -> Target {
    Target::User(name.to_owned())
}

pub(super) fn to_group(name: &str) -> Target {
    Target::Group(name.to_owned())
}

pub(super) fn to_role(name: &str) -> Target {
    Target::Role(name.to_owned())
}

fn own(policy: &Policy) -> (String, Option<String>) {
    (policy.name.clone(), Some(policy.document.clone()))
}

fn built_in(name: &str) -> (String, Option<String>) {
    (name.to_owned(), None)
}

async fn a_user_is_disabled_enabled_and_found_by_its_names(place: &Place) {
    let store = place.store().await;
    let (owner, other) = (account(1), account(2));
    let (ann, bob) = (
        user(&owner, 11, "ann"),
        User {
            state: UserState::Disabled,
            ..user(&owner, 12, "bob")
        },
    );
    assert_eq!(
        refusal(&store, users::insert(&ann)).await,
        not_found(Noun::Account, "1")
    );
    all(&store, [accounts::insert(&owner), accounts::insert(&other)]).await;
    assert_eq!(
        announced(&store, users::insert(&ann)).await,
        [entry(Entity::User, "11")]
    );
    apply(&store, users::insert(&bob)).await.unwrap();
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

async fn no_two_principals_ever_share_a_number(place: &Place) {
    let store = place.store().await;
    let owner = account(1);
    all(
        &store,
        [
            accounts::insert(&owner),
            users::insert(&user(&owner, 11, "ann")),
            roles::insert(&role(&owner, 12, "puller")),
        ],
    )
    .await;
    for round in 0..2 {
        for number in [1, 11, 12] {
            let taken = (
                ErrorKind::AlreadyExists {
                    noun: Noun::PrincipalId,
                },
                format!("The id {number} was used before; make another."),
            );
            assert_eq!(
                refusal(&store, users::insert(&user(&owner, number, "new"))).await,
                taken,
                "round {round}"
            );
            assert_eq!(
                refusal(&store, roles::insert(&role(&owner, number, "new"))).await,
                taken,
                "round {round}"
            );
        }
        for number in [11, 12] {
            let taken =
                format!("The id {number} is or was a user's or a role's; choose another id.");
            let refused = refusal(&store, accounts::insert(&account(number))).await;
            assert_eq!(
                refused,
                (
                    ErrorKind::AlreadyExists {
                        noun: Noun::Account
                    },
                    taken
                ),
                "round {round}"
            );
        }
        if round == 0 {
            let deleted = [
                cascade::delete_user(owner.id, UserId::new(11).unwrap()),
                cascade::delete_role(owner.id, RoleId::new(12).unwrap()),
            ];
            all(&store, deleted).await;
        }
    }
    assert_eq!(
        accounts::list(&store).await.unwrap(),
        std::slice::from_ref(&owner)
    );
    assert_eq!(users::list(&store, owner.id).await.unwrap(), []);
}

async fn accounts_from_before_users_keep_their_numbers(place: &Place) {
    place
        .fill_older(
            2,
            "INSERT INTO account (id, name, generation, created_at) VALUES (11, 'old', 1, 1)",
        )
        .await;
    let store = place.store().await;
    let owner = accounts::find(&store, AccountId::new(11).unwrap())
        .await
        .unwrap()
        .unwrap();
    let (kind, _) = refusal(&store, users::insert(&user(&owner, 11, "ann"))).await;
    assert_eq!(
        kind,
        ErrorKind::AlreadyExists {
            noun: Noun::PrincipalId
        }
    );
    apply(&store, users::insert(&user(&owner, 12, "ann")))
        .await
        .unwrap();
}

/// An access key of a user's own.
pub(super) fn key_of(id: &str, account: &Account, user: &User) -> AccessKey {
    AccessKey {
        principal: Principal::User(account.id, user.id),
        ..access_key(id, account)
    }
}

/// A credential of a user's own.
pub(super) fn credential_of(home: &Instance, user: &User) -> LongTermCredential {
    LongTermCredential {
        principal: Principal::User(user.account, user.id),
        ..credential(home)
    }
}

async fn deleting_a_user_takes_all_that_is_its_own(place: &Place) {
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
    let mut left: Vec<_> = credentials::list(&store, &home.id)
        .await
        .unwrap()
        .into_iter()
        .map(|one| one.principal.to_string())
        .collect();
    left.sort();
    assert_eq!(left, ["1:root", "1:user#111"]);
    assert_eq!(
        count(
            &store,
            "SELECT COUNT(*) AS count FROM group_member WHERE user_id = 11"
        )
        .await,
        0
    );
    assert_eq!(
        groups::members(&store, owner.id, "builders").await.unwrap(),
        ["bob"]
    );
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

    let again = [
        cascade::delete_user(owner.id, ann.id),
        users::set_state(ann.id, UserState::Active),
        users::raise_generation(ann.id),
    ];
    for part in again {
        assert_eq!(refusal(&store, part).await, not_found(Noun::User, "11"));
    }
    // The name is free; whoever has it next has nothing of the one before.
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
        let mut writes = JoinSet::new();
        for number in 0..12 {
            let part = match number % 5 {
                0 => access_keys::insert(&key_of(&format!("AKID-{round}-{number}"), &owner, &ann))
                    .unchecked(),
                1 => credentials::insert(&credential_of(&home, &ann), QUOTA),
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
        for result in writes.join_all().await {
            if let Err(error) = result {
                assert!(
                    matches!(
                        error.kind(),
                        ErrorKind::NotFound { noun: Noun::User } | ErrorKind::AlreadyExists { .. }
                    ),
                    "{error:?}"
                );
            }
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
        assert_eq!(
            groups::members(&store, owner.id, "builders").await.unwrap(),
            [] as [&str; 0]
        );
        assert_eq!(policies::attachments(&store, owner.id).await.unwrap(), []);
    }
}

async fn what_belongs_to_a_user_or_a_role_needs_it(place: &Place) {
    let store = place.store().await;
    let (owner, other) = (account(1), account(2));
    let home = instance(&owner, "home");
    let (ann, puller) = (user(&owner, 11, "ann"), role(&owner, 12, "puller"));
    all(
        &store,
        [
            accounts::insert(&owner),
            accounts::insert(&other),
            instances::insert(&home),
        ],
    )
    .await;
    let cases = [
        (
            Principal::User(owner.id, ann.id),
            Ok(()),
            not_found(Noun::User, "11"),
        ),
        (
            Principal::FederatedSession(owner.id, Some(ann.id), "ci".to_owned()),
            Ok(()),
            not_found(Noun::User, "11"),
        ),
        (
            Principal::RoleSession(owner.id, puller.id, "ci".to_owned()),
            Ok(()),
            not_found(Noun::Role, "12"),
        ),
        // Of another account.
        (
            Principal::User(other.id, ann.id),
            Err(()),
            not_found(Noun::User, "11"),
        ),
        (
            Principal::RoleSession(other.id, puller.id, "ci".to_owned()),
            Err(()),
            not_found(Noun::Role, "12"),
        ),
        (
            Principal::User(owner.id, UserId::new(12).unwrap()),
            Err(()),
            not_found(Noun::User, "12"),
        ),
    ];
    for stage in ["before", "while", "after"] {
        match stage {
            "while" => all(&store, [users::insert(&ann), roles::insert(&puller)]).await,
            "after" => {
                all(
                    &store,
                    [
                        cascade::delete_user(owner.id, ann.id),
                        cascade::delete_role(owner.id, puller.id),
                    ],
                )
                .await
            }
            _ => {}
        }
        for (number, (principal, possible, missing)) in cases.iter().enumerate() {
            let key = AccessKey {
                principal: principal.clone(),
                ..access_key(&format!("AKID-{number}"), &owner)
            };
            let made = LongTermCredential {
                principal: principal.clone(),
                ..credential(&home)
            };
            if stage == "while" && possible.is_ok() {
                apply(&store, access_keys::insert(&key).unchecked())
                    .await
                    .unwrap();
                apply(&store, credentials::insert(&made, QUOTA))
                    .await
                    .unwrap();
            } else {
                assert_eq!(
                    &refusal(&store, access_keys::insert(&key).unchecked()).await,
                    missing,
                    "{stage} {principal}"
                );
                assert_eq!(
                    &refusal(&store, credentials::insert(&made, QUOTA)).await,
                    missing,
                    "{stage} {principal}"
                );
            }
        }
    }
}

async fn keys_and_credentials_are_listed_by_principal(place: &Place) {
    let store = place.store().await;
    let owner = account(1);
    let (home, away) = (instance(&owner, "home"), instance(&owner, "away"));
    let ann = user(&owner, 11, "ann");
    let principal = Principal::User(owner.id, ann.id);
    let old = key_of("AKIDz", &owner, &ann);
    let new = AccessKey {
        created_at: NOW.plus(Duration::from_secs(1)),
        ..key_of("AKIDa", &owner, &ann)
    };
    let first = credential_of(&home, &ann);
    let second = LongTermCredential {
        created_at: NOW.plus(Duration::from_secs(1)),
        ..credential_of(&away, &ann)
    };
    all(
        &store,
        [
            accounts::insert(&owner),
            instances::insert(&home),
            instances::insert(&away),
            users::insert(&ann),
        ],
    )
    .await;
    all(
        &store,
        [
            access_keys::insert(&new).unchecked(),
            access_keys::insert(&old).unchecked(),
            access_keys::insert(&access_key("AKIDroot", &owner)).unchecked(),
        ],
    )
    .await;
    all(
        &store,
        [&first, &second, &credential(&home)].map(|made| credentials::insert(made, QUOTA)),
    )
    .await;

    assert_eq!(
        access_keys::list_of_principal(&store, &principal)
            .await
            .unwrap(),
        [old, new.clone()]
    );
    let listed = credentials::list_of_principal(&store, &principal)
        .await
        .unwrap();
    assert_eq!(format!("{listed:?}"), format!("{:?}", [&second, &first]));
    apply(
        &store,
        access_keys::set_state("AKIDz", AccessKeyState::Deleted),
    )
    .await
    .unwrap();
    apply(
        &store,
        access_keys::set_state("AKIDa", AccessKeyState::Disabled),
    )
    .await
    .unwrap();
    let disabled = AccessKey {
        state: AccessKeyState::Disabled,
        generation: 2,
        ..new
    };
    assert_eq!(
        access_keys::list_of_principal(&store, &principal)
            .await
            .unwrap(),
        [disabled]
    );
    let nobody = Principal::User(owner.id, UserId::new(1).unwrap());
    assert_eq!(
        access_keys::list_of_principal(&store, &nobody)
            .await
            .unwrap(),
        []
    );
}

async fn a_group_has_members_of_its_account(place: &Place) {
    let store = place.store().await;
    let (owner, other) = (account(1), account(2));
    let builders = group(&owner, "builders");
    let testers = Group {
        created_at: NOW.minus(Duration::from_secs(1)),
        ..group(&owner, "testers")
    };
    assert_eq!(
        refusal(&store, groups::insert(&builders)).await,
        not_found(Noun::Account, "1")
    );
    let (ann, bob) = (user(&owner, 11, "ann"), user(&owner, 12, "bob"));
    all(&store, [accounts::insert(&owner), accounts::insert(&other)]).await;
    all(
        &store,
        [
            &bob,
            &ann,
            &user(&other, 13, "eve"),
            &user(&other, 14, "ann"),
        ]
        .map(users::insert),
    )
    .await;
    let policies_of_1 = [entry(Entity::Policies, "1")];
    assert_eq!(
        announced(&store, groups::insert(&builders)).await,
        policies_of_1
    );
    all(
        &store,
        [
            groups::insert(&testers),
            groups::insert(&group(&other, "builders")),
        ],
    )
    .await;
    assert_eq!(
        groups::list(&store, owner.id).await.unwrap(),
        [testers.clone(), builders.clone()]
    );
    let taken = "Account 1 has a group named builders already; choose another name.".to_owned();
    assert_eq!(
        refusal(&store, groups::insert(&builders)).await,
        (ErrorKind::AlreadyExists { noun: Noun::Group }, taken)
    );

    assert_eq!(
        announced(&store, groups::add_member(owner.id, "builders", "bob")).await,
        policies_of_1
    );
    apply(&store, groups::add_member(owner.id, "builders", "ann"))
        .await
        .unwrap();
    apply(&store, groups::add_member(owner.id, "testers", "ann"))
        .await
        .unwrap();
    assert_eq!(
        groups::members(&store, owner.id, "builders").await.unwrap(),
        ["ann", "bob"]
    );
    assert_eq!(
        groups::members(&store, other.id, "builders").await.unwrap(),
        [] as [&str; 0]
    );
    assert_eq!(
        groups::members(&store, owner.id, "testers").await.unwrap(),
        ["ann"]
    );
    let twice = (
        ErrorKind::AlreadyExists { noun: Noun::Member },
        "User bob is in group builders already.".to_owned(),
    );
    assert_eq!(
        refusal(&store, groups::add_member(owner.id, "builders", "bob")).await,
        twice
    );
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
    assert_eq!(
        refusal(&store, groups::remove_member(owner.id, "testers", "bob")).await,
        not_found(Noun::Member, "bob in group testers")
    );
    assert_eq!(
        announced(&store, groups::remove_member(owner.id, "builders", "bob")).await,
        policies_of_1
    );
    assert_eq!(
        groups::members(&store, owner.id, "builders").await.unwrap(),
        ["ann"]
    );

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
        policies_of_1
    );
    assert_eq!(
        refusal(&store, cascade::delete_group(owner.id, "builders")).await,
        not_found(Noun::Group, "builders")
    );
    assert_eq!(groups::list(&store, owner.id).await.unwrap(), [testers]);
    // Made again, it has nothing of the one before; the other account's was left alone.
    apply(&store, groups::insert(&builders)).await.unwrap();
    assert_eq!(
        groups::members(&store, owner.id, "builders").await.unwrap(),
        [] as [&str; 0]
    );
    assert_eq!(policies::attachments(&store, owner.id).await.unwrap(), []);
    assert_eq!(
        groups::members(&store, other.id, "builders").await.unwrap(),
        ["ann"]
    );
}

async fn a_role_is_found_until_it_is_deleted(place: &Place) {
    let store = place.store().await;
    let (owner, other) = (account(1), account(2));
    let (puller, pusher) = (
        role(&owner, 11, "puller"),
        Role {
            max_session_seconds: 3600,
            ..role(&owner, 12, "pusher")
        },
    );
    assert_eq!(
        refusal(&store, roles::insert(&puller)).await,
        not_found(Noun::Account, "1")
    );
    all(&store, [accounts::insert(&owner), accounts::insert(&other)]).await;
    assert_eq!(
        announced(&store, roles::insert(&puller)).await,
        [entry(Entity::Role, "11")]
    );
    apply(&store, roles::insert(&pusher)).await.unwrap();
    let taken = "Account 1 has a role named puller already; choose another name.".to_owned();
    assert_eq!(
        refusal(&store, roles::insert(&role(&owner, 13, "puller"))).await,
        (ErrorKind::AlreadyExists { noun: Noun::Role }, taken)
    );
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
    assert_eq!(
        announced(&store, roles::raise_generation(puller.id)).await,
        [entry(Entity::Role, "11")]
    );
    assert_eq!(
        roles::find(&store, puller.id)
            .await
            .unwrap()
            .unwrap()
            .generation,
        2
    );

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
        roles::raise_generation(puller.id),
    ] {
        assert_eq!(refusal(&store, part).await, not_found(Noun::Role, "11"));
    }
    apply(&store, roles::insert(&role(&owner, 13, "puller")))
        .await
        .unwrap();
}

async fn a_policy_is_replaced_and_not_deleted_while_attached(place: &Place) {
    let store = place.store().await;
    let (owner, other) = (account(1), account(2));
    let (pull, push) = (policy(&owner, "pull"), policy(&owner, "push"));
    assert_eq!(
        refusal(&store, policies::create(&push)).await,
        not_found(Noun::Account, "1")
    );
    all(&store, [accounts::insert(&owner), accounts::insert(&other)]).await;
    let policies_of_1 = [entry(Entity::Policies, "1")];
    assert_eq!(
        announced(&store, policies::create(&push)).await,
        policies_of_1
    );
    all(
        &store,
        [
            policies::create(&pull),
            policies::create(&policy(&other, "push")),
        ],
    )
    .await;
    let taken =
        "Account 1 has a policy named push already; choose another name, or update it.".to_owned();
    assert_eq!(
        refusal(&store, policies::create(&push)).await,
        (ErrorKind::AlreadyExists { noun: Noun::Policy }, taken)
    );
    assert_eq!(
        policies::find(&store, owner.id, "push")
            .await
            .unwrap()
            .as_ref(),
        Some(&push)
    );
    assert_eq!(
        policies::find(&store, other.id, "pull").await.unwrap(),
        None
    );

    let changed = Policy {
        document: "{}".to_owned(),
        changed_at: NOW.plus(Duration::from_secs(1)),
        ..push
    };
    assert_eq!(
        announced(&store, policies::update(&changed)).await,
        policies_of_1
    );
    assert_eq!(
        refusal(&store, policies::update(&policy(&owner, "none"))).await,
        not_found(Noun::Policy, "none")
    );
    assert_eq!(
        policies::list(&store, owner.id).await.unwrap(),
        [pull.clone(), changed]
    );
    assert_eq!(
        policies::list(&store, other.id).await.unwrap(),
        [policy(&other, "push")]
    );

    apply(&store, groups::insert(&group(&owner, "builders")))
        .await
        .unwrap();
    apply(
        &store,
        policies::attach(owner.id, "push", PolicyKind::Own, &to_group("builders")),
    )
    .await
    .unwrap();
    let attached =
        "The policy push is attached to a user, a group or a role; detach it first.".to_owned();
    assert_eq!(
        refusal(&store, policies::delete(owner.id, "push")).await,
        (ErrorKind::Unsupported, attached)
    );
    // The other account's of that name is attached to nothing.
    assert_eq!(
        announced(&store, policies::delete(other.id, "push")).await,
        [entry(Entity::Policies, "2")]
    );
    let detached = announced(
        &store,
        policies::detach(owner.id, "push", PolicyKind::Own, &to_group("builders")),
    )
    .await;
    assert_eq!(detached, policies_of_1);
    assert_eq!(
        announced(&store, policies::delete(owner.id, "push")).await,
        policies_of_1
    );
    assert_eq!(
        refusal(&store, policies::delete(owner.id, "push")).await,
        not_found(Noun::Policy, "push")
    );
    assert_eq!(policies::list(&store, owner.id).await.unwrap(), [pull]);
}

async fn attaching_needs_both_ends_and_happens_once(place: &Place) {
    let store = place.store().await;
    let (owner, other) = (account(1), account(2));
    let pull = policy(&owner, "pull");
    let parts = [
        accounts::insert(&owner),
        accounts::insert(&other),
        users::insert(&user(&owner, 11, "one")),
        groups::insert(&group(&owner, "one")),
        roles::insert(&role(&owner, 12, "one")),
        users::insert(&user(&other, 13, "two")),
        groups::insert(&group(&other, "two")),
        roles::insert(&role(&other, 14, "two")),
        policies::create(&pull),
    ];
    all(&store, parts).await;
    for (target, missing, noun) in [
        (to_user("one"), to_user("two"), Noun::User),
        (to_group("one"), to_group("two"), Noun::Group),
        (to_role("one"), to_role("two"), Noun::Role),
    ] {
        for change in [policies::attach, policies::detach] {
            assert_eq!(
                refusal(&store, change(owner.id, "pull", PolicyKind::Own, &missing)).await,
                not_found(noun, "two")
            );
        }
        let attach = || policies::attach(owner.id, "pull", PolicyKind::Own, &target);
        assert_eq!(
            announced(&store, attach()).await,
            [entry(Entity::Policies, "1")]
        );
        let twice = format!("The policy pull is attached to {noun} one already.");
        assert_eq!(
            refusal(&store, attach()).await,
            (
                ErrorKind::AlreadyExists {
                    noun: Noun::Attachment
                },
                twice
            )
        );
        let none = policies::attach(owner.id, "push", PolicyKind::Own, &target);
        assert_eq!(refusal(&store, none).await, not_found(Noun::Policy, "push"));
        // A built-in policy has no row, and may have an own one's name.
        apply(
            &store,
            policies::attach(owner.id, "pull", PolicyKind::BuiltIn, &target),
        )
        .await
        .unwrap();
        let none = policies::detach(owner.id, "push", PolicyKind::Own, &target);
        assert_eq!(
            refusal(&store, none).await,
            not_found(Noun::Attachment, &format!("of policy push to {noun} one"))
        );
    }
    let attached = |kind, target| Attachment {
        policy: "pull".to_owned(),
        kind,
        target,
    };
    let listed = policies::attachments(&store, owner.id).await.unwrap();
    assert_eq!(listed.len(), 6);
    for kind in [PolicyKind::Own, PolicyKind::BuiltIn] {
        for target in [to_user("one"), to_group("one"), to_role("one")] {
            assert!(listed.contains(&attached(kind, target)));
        }
    }
    assert_eq!(policies::attachments(&store, other.id).await.unwrap(), []);

    for target in [to_user("one"), to_group("one"), to_role("one")] {
        apply(
            &store,
            policies::detach(owner.id, "pull", PolicyKind::BuiltIn, &target),
        )
        .await
        .unwrap();
        let listed = policies::attachments(&store, owner.id).await.unwrap();
        assert!(listed.contains(&attached(PolicyKind::Own, target.clone())));
        assert!(!listed.contains(&attached(PolicyKind::BuiltIn, target)));
    }
}

async fn a_user_has_its_own_documents_and_its_groups_each_once(place: &Place) {
    let store = place.store().await;
    let (owner, other) = (account(1), account(2));
    let (ann, bob, puller) = (
        user(&owner, 11, "ann"),
        user(&owner, 12, "bob"),
        role(&owner, 13, "puller"),
    );
    let (a, b, c) = (
        policy(&owner, "a"),
        policy(&owner, "b"),
        policy(&owner, "c"),
    );
    let eve = user(&other, 14, "eve");
    let foreign = Policy {
        document: "of another account".to_owned(),
        ..policy(&other, "a")
    };
    let parts = [
        accounts::insert(&owner),
        accounts::insert(&other),
        users::insert(&ann),
        users::insert(&bob),
        users::insert(&eve),
        roles::insert(&puller),
        groups::insert(&group(&owner, "one")),
        groups::insert(&group(&owner, "two")),
        groups::insert(&group(&other, "one")),
        policies::create(&a),
        policies::create(&b),
        policies::create(&c),
        policies::create(&foreign),
        groups::add_member(owner.id, "one", "ann"),
        groups::add_member(owner.id, "two", "ann"),
        groups::add_member(owner.id, "two", "bob"),
        groups::add_member(other.id, "one", "eve"),
        policies::attach(owner.id, "a", PolicyKind::Own, &to_user("ann")),
        policies::attach(owner.id, "a", PolicyKind::Own, &to_group("one")),
        policies::attach(owner.id, "b", PolicyKind::Own, &to_group("one")),
        policies::attach(owner.id, "b", PolicyKind::Own, &to_group("two")),
        policies::attach(owner.id, ADMIN, PolicyKind::BuiltIn, &to_group("two")),
        policies::attach(owner.id, ADMIN, PolicyKind::BuiltIn, &to_role("puller")),
        policies::attach(owner.id, "c", PolicyKind::Own, &to_role("puller")),
        policies::attach(other.id, "a", PolicyKind::Own, &to_group("one")),
    ];
    all(&store, parts).await;
    let of = async |user: &User| policies::documents_of_user(&store, user.id).await.unwrap();
    assert_eq!(of(&ann).await, [built_in(ADMIN), own(&a), own(&b)]);
    assert_eq!(of(&bob).await, [built_in(ADMIN), own(&b)]);
    assert_eq!(of(&eve).await, [own(&foreign)]);
    assert_eq!(
        policies::documents_of_role(&store, puller.id)
            .await
            .unwrap(),
        [built_in(ADMIN), own(&c)]
    );

    let changed = Policy {
        document: "changed".to_owned(),
        ..b
    };
    all(
        &store,
        [
            policies::update(&changed),
            groups::remove_member(owner.id, "two", "ann"),
        ],
    )
    .await;
    assert_eq!(of(&ann).await, [own(&a), own(&changed)]);
    all(&store, [cascade::delete_group(owner.id, "one")]).await;
    assert_eq!(of(&ann).await, [own(&a)]);
    assert_eq!(of(&eve).await, [own(&foreign)]);
    // Disabling takes nothing away: whether the user may act is asked first.
    apply(&store, users::set_state(ann.id, UserState::Disabled))
        .await
        .unwrap();
    assert_eq!(of(&ann).await, [own(&a)]);
}

async fn an_own_document_that_is_missing_is_never_taken_for_a_built_in_one(place: &Place) {
    let store = place.store().await;
    let owner = account(1);
    let ann = user(&owner, 11, "ann");
    let parts = [
        accounts::insert(&owner),
        users::insert(&ann),
        policies::create(&policy(&owner, ADMIN)),
        policies::attach(owner.id, ADMIN, PolicyKind::Own, &to_user("ann")),
        raw("", "DELETE FROM policy"),
    ];
    all(&store, parts).await;
    let cause = policies::documents_of_user(&store, ann.id)
        .await
        .unwrap_err()
        .cause()
        .unwrap();
    assert_eq!(
        cause,
        format!("table policy_attachment, column document, id {ADMIN:?}: there is no value")
    );
    apply(
        &store,
        raw("", "UPDATE policy_attachment SET policy_kind = 'odd'"),
    )
    .await
    .unwrap();
    for error in [
        policies::documents_of_user(&store, ann.id)
            .await
            .unwrap_err(),
        policies::attachments(&store, owner.id).await.unwrap_err(),
    ] {
        assert!(
            error.cause().unwrap().contains("column policy_kind"),
            "{error:?}"
        );
    }
}

async fn an_oidc_provider_reads_back_with_its_audiences(place: &Place) {
    let store = place.store().await;
    let (owner, other) = (account(1), account(2));
    let actions = OidcProvider {
        account: owner.id,
        name: "actions".to_owned(),
        issuer: "https://token.actions.example.com".to_owned(),
        audiences: ["zeta", "alpha", "sts.example.com", "alpha"]
            .map(str::to_owned)
            .to_vec(),
        jwks: None,
        algorithms: vec![OidcAlgorithm::Rs256, OidcAlgorithm::EdDsa],
        created_at: NOW,
    };
    let cluster = OidcProvider {
        name: "a-cluster".to_owned(),
        audiences: Vec::new(),
        jwks: Some("{\"keys\":[]}".to_owned()),
        ..actions.clone()
    };
    assert_eq!(
        refusal(&store, oidc_providers::insert(&actions)).await,
        not_found(Noun::Account, "1")
    );
    all(&store, [accounts::insert(&owner), accounts::insert(&other)]).await;
    assert_eq!(
        announced(&store, oidc_providers::insert(&actions)).await,
        [entry(Entity::OidcProvider, "1/actions")]
    );
    apply(&store, oidc_providers::insert(&cluster))
        .await
        .unwrap();
    let foreign = OidcProvider {
        account: other.id,
        audiences: vec!["foreign".to_owned()],
        ..actions.clone()
    };
    apply(&store, oidc_providers::insert(&foreign))
        .await
        .unwrap();
    let taken =
        "Account 1 has an OIDC provider named actions already; choose another name.".to_owned();
    assert_eq!(
        refusal(&store, oidc_providers::insert(&actions)).await,
        (
            ErrorKind::AlreadyExists {
                noun: Noun::OidcProvider
            },
            taken
        )
    );

    assert_eq!(
        oidc_providers::find(&store, owner.id, "actions")
            .await
            .unwrap()
            .as_ref(),
        Some(&actions)
    );
    assert_eq!(
        oidc_providers::find(&store, owner.id, "a-cluster")
            .await
            .unwrap()
            .as_ref(),
        Some(&cluster)
    );
    assert_eq!(
        oidc_providers::find(&store, other.id, "a-cluster")
            .await
            .unwrap(),
        None
    );
    assert_eq!(
        oidc_providers::list(&store, owner.id).await.unwrap(),
        [cluster.clone(), actions]
    );
    assert_eq!(
        announced(&store, oidc_providers::delete(owner.id, "actions")).await,
        [entry(Entity::OidcProvider, "1/actions")]
    );
    let again = refusal(&store, oidc_providers::delete(owner.id, "actions")).await;
    assert_eq!(again, not_found(Noun::OidcProvider, "actions"));
    assert_eq!(
        oidc_providers::list(&store, owner.id).await.unwrap(),
        [cluster]
    );
    assert_eq!(
        oidc_providers::list(&store, other.id).await.unwrap(),
        [foreign]
    );
}
