//! Fixtures of users, groups, roles and policies, and what these have in common.

use std::time::Duration;

use super::*;
use crate::domain::identity::{Group, Policy, Role, Target, User, UserState};
use crate::domain::ids::{RoleId, UserId};
use crate::store::{
    access_key as access_keys, account as accounts, credential as credentials, group as groups,
    instance as instances, role as roles, user as users,
};

on_both_databases! {
    no_two_principals_ever_share_a_number
    accounts_from_before_users_keep_their_numbers
    what_belongs_to_a_user_or_a_role_needs_it
    access_keys_are_listed_by_principal
    credentials_are_listed_by_principal
}

pub(super) const ADMIN: &str = "AdministratorAccess";

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
        revoked_at: None,
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

pub(super) fn own(policy: &Policy) -> (String, Option<String>) {
    (policy.name.clone(), Some(policy.document.clone()))
}

pub(super) fn built_in(name: &str) -> (String, Option<String>) {
    (name.to_owned(), None)
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

/// Makes two accounts; what a test changes belongs to the first.
pub(super) async fn owner_and_other(store: &Store) -> (Account, Account) {
    let (owner, other) = (account(1), account(2));
    all(store, [accounts::insert(&owner), accounts::insert(&other)]).await;
    (owner, other)
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

/// Tells principals apart by whether the user and the role that a test makes give them life.
#[derive(PartialEq)]
enum Exists {
    Meanwhile,
    Never,
}

/// A principal, when it exists, and the refusal of all that is to belong to it while it doesn't.
type Possible = (Principal, Exists, (ErrorKind, String));

fn principals(owner: AccountId, other: AccountId, user: UserId, role: RoleId) -> [Possible; 6] {
    let (no_user, no_role) = (not_found(Noun::User, "11"), not_found(Noun::Role, "12"));
    let session = |account| Principal::RoleSession(account, role, "ci".to_owned());
    let federated = Principal::FederatedSession(owner, Some(user), "ci".to_owned());
    let unknown = UserId::new(12).unwrap();
    [
        (
            Principal::User(owner, user),
            Exists::Meanwhile,
            no_user.clone(),
        ),
        (federated, Exists::Meanwhile, no_user.clone()),
        (session(owner), Exists::Meanwhile, no_role.clone()),
        // Of another account.
        (Principal::User(other, user), Exists::Never, no_user),
        (session(other), Exists::Never, no_role),
        (
            Principal::User(owner, unknown),
            Exists::Never,
            not_found(Noun::User, "12"),
        ),
    ]
}

async fn what_belongs_to_a_user_or_a_role_needs_it(place: &Place) {
    let store = place.store().await;
    let (owner, other) = owner_and_other(&store).await;
    let home = instance(&owner, "home");
    let (ann, puller) = (user(&owner, 11, "ann"), role(&owner, 12, "puller"));
    all(&store, [instances::insert(&home)]).await;
    let cases = principals(owner.id, other.id, ann.id, puller.id);
    for stage in ["before", "while", "after"] {
        let change = match stage {
            "while" => vec![users::insert(&ann), roles::insert(&puller)],
            "after" => vec![
                cascade::delete_user(owner.id, ann.id),
                cascade::delete_role(owner.id, puller.id),
            ],
            _ => Vec::new(),
        };
        for part in change {
            apply(&store, part).await.unwrap();
        }
        for (number, (principal, exists, missing)) in cases.iter().enumerate() {
            let key = AccessKey {
                principal: principal.clone(),
                ..access_key(&format!("AKID-{number}"), &owner)
            };
            let made = LongTermCredential {
                principal: principal.clone(),
                ..credential(&home)
            };
            let parts = [
                access_keys::insert(&key).unchecked(),
                credentials::insert(&made, QUOTA),
            ];
            for part in parts {
                if stage == "while" && *exists == Exists::Meanwhile {
                    apply(&store, part).await.unwrap();
                } else {
                    let refused = refusal(&store, part).await;
                    assert_eq!(&refused, missing, "{stage} {principal}");
                }
            }
        }
    }
}

async fn access_keys_are_listed_by_principal(place: &Place) {
    let store = place.store().await;
    let owner = account(1);
    let ann = user(&owner, 11, "ann");
    let principal = Principal::User(owner.id, ann.id);
    let old = key_of("AKIDz", &owner, &ann);
    let new = AccessKey {
        created_at: NOW.plus(Duration::from_secs(1)),
        ..key_of("AKIDa", &owner, &ann)
    };
    let parts = [
        accounts::insert(&owner),
        users::insert(&ann),
        access_keys::insert(&new).unchecked(),
        access_keys::insert(&old).unchecked(),
        access_keys::insert(&access_key("AKIDroot", &owner)).unchecked(),
    ];
    all(&store, parts).await;
    let of = async |principal: &Principal| {
        access_keys::list_of_principal(&store, principal)
            .await
            .unwrap()
    };
    assert_eq!(of(&principal).await, [old, new.clone()]);

    let changes = [
        access_keys::set_state("AKIDz", AccessKeyState::Deleted),
        access_keys::set_state("AKIDa", AccessKeyState::Disabled),
    ];
    all(&store, changes).await;
    let disabled = AccessKey {
        state: AccessKeyState::Disabled,
        generation: 2,
        ..new
    };
    assert_eq!(of(&principal).await, [disabled]);
    let nobody = Principal::User(owner.id, UserId::new(1).unwrap());
    assert_eq!(of(&nobody).await, []);
}

async fn credentials_are_listed_by_principal(place: &Place) {
    let store = place.store().await;
    let owner = account(1);
    let (home, away) = (instance(&owner, "home"), instance(&owner, "away"));
    let ann = user(&owner, 11, "ann");
    let principal = Principal::User(owner.id, ann.id);
    let first = credential_of(&home, &ann);
    let second = LongTermCredential {
        created_at: NOW.plus(Duration::from_secs(1)),
        ..credential_of(&away, &ann)
    };
    let parts = [
        accounts::insert(&owner),
        instances::insert(&home),
        instances::insert(&away),
        users::insert(&ann),
    ];
    all(&store, parts).await;
    let credentials = [&first, &second, &credential(&home)];
    all(
        &store,
        credentials.map(|made| credentials::insert(made, QUOTA)),
    )
    .await;
    let listed = credentials::list_of_principal(&store, &principal)
        .await
        .unwrap();
    assert_eq!(format!("{listed:?}"), format!("{:?}", [&second, &first]));
}

/// Returns the names of the users in a group.
pub(super) async fn members(store: &Store, account: AccountId, group: &str) -> Vec<String> {
    let all = groups::members(store, account).await.unwrap();
    let of_group = all.into_iter().filter(|(name, _)| name == group);
    of_group.map(|(_, user)| user).collect()
}
