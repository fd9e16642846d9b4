//! Log-ins beside long-term credentials: service accounts and fixed passwords.

use crate::domain::Noun;
use std::collections::BTreeSet;

use super::registry::{home_and_other, later};
use super::*;
use crate::domain::credential::{FixedPassword, PasswordHash};
use crate::domain::identity::{User, UserState};
use crate::domain::ids::UserId;
use crate::domain::service_account::{
    AccountAction, AccountPermissions, AccountSecret, ServiceAccount, ServiceAccountChange,
    ServiceAccountId, ServiceAccountState,
};
use crate::store::page::{Listed, Page};
use crate::store::{
    credential as credentials, fixed_password as fixed_passwords,
    service_account as service_accounts, user as users,
};

on_both_databases! {
    a_service_account_is_found_with_all_that_it_may_do
    a_service_account_is_changed_and_stopped
    service_accounts_are_listed_and_disabled_by_whom_they_came_from
    what_was_decided_on_an_older_state_of_a_service_account_is_not_written
    what_the_root_disabled_no_user_enables
    service_accounts_are_listed_in_pages_each_once
    a_fixed_password_is_replaced_and_its_generation_goes_on
    a_fixed_password_goes_with_its_user
    an_old_name_logs_in_at_one_instance_and_is_free_once_its_password_is_deleted
    an_old_hash_is_replaced_once_and_the_generation_stays
    old_names_are_counted_with_the_highest_cost_of_their_bcrypts
    long_term_credentials_are_described_counted_and_listed_in_pages
    rows_of_log_ins_that_will_not_convert_are_named
}

fn permissions(given: &[(&str, &[AccountAction])]) -> AccountPermissions {
    given
        .iter()
        .map(|(namespace, actions)| {
            (
                (*namespace).to_owned(),
                BTreeSet::from_iter(actions.iter().copied()),
            )
        })
        .collect()
}

/// A service account that may something in `team` and in `kept`.
pub(super) fn service_account(of: &Instance, name: &str) -> ServiceAccount {
    ServiceAccount {
        id: ServiceAccountId::random(&SystemRandom),
        instance: of.id.clone(),
        name: name.to_owned(),
        description: "a builder's — 中文".to_owned(),
        permissions: permissions(&[
            ("team", &[AccountAction::Pull, AccountAction::Push]),
            ("kept", &AccountAction::ALL),
        ]),
        secret: AccountSecret::Made(random_bytes(&SystemRandom)),
        older: None,
        state: ServiceAccountState::Active,
        generation: 1,
        created_at: NOW,
        modified_at: NOW,
        expires_at: later(3600),
        disabled_by: None,
        maker: None,
        maker_ids: BTreeSet::new(),
        revision: 0,
        last_used_at: None,
    }
}

fn hash(text: &str) -> PasswordHash {
    PasswordHash::new(format!("$argon2id$EXAMPLE${text}"))
}

async fn a_service_account_is_found_with_all_that_it_may_do(place: &Place) {
    let (store, home, other) = home_and_other(place).await;
    let robot = service_account(&home, "robot");
    let idle = ServiceAccount {
        permissions: permissions(&[("team", &[])]),
        secret: AccountSecret::Chosen(hash("one")),
        state: ServiceAccountState::Disabled,
        ..service_account(&home, "idle")
    };
    let bare = ServiceAccount {
        permissions: permissions(&[]),
        ..service_account(&other, "robot")
    };
    let feed = [entry(Entity::ServiceAccount, &format!("{}/robot", home.id))];
    assert_eq!(
        announced(&store, service_accounts::insert(&robot, QUOTA)).await,
        feed
    );
    all(
        &store,
        [
            service_accounts::insert(&idle, QUOTA),
            service_accounts::insert(&bare, QUOTA),
        ],
    )
    .await;
    for account in [&robot, &idle, &bare] {
        assert_eq!(
            service_accounts::find(&store, &account.instance, &account.name)
                .await
                .unwrap()
                .as_ref(),
            Some(account)
        );
        assert_eq!(
            service_accounts::find_by_id(&store, &account.id)
                .await
                .unwrap()
                .as_ref(),
            Some(account)
        );
    }
    assert_eq!(
        service_accounts::find(&store, &other.id, "idle")
            .await
            .unwrap(),
        None
    );
    assert_eq!(
        service_accounts::find_by_id(&store, &ServiceAccountId::random(&SystemRandom))
            .await
            .unwrap(),
        None
    );

    let taken =
        "The instance has a service account named robot already; choose another name.".to_owned();
    let refused = refusal(
        &store,
        service_accounts::insert(&service_account(&home, "robot"), QUOTA),
    )
    .await;
    assert_eq!(
        refused,
        (
            ErrorKind::AlreadyExists {
                noun: Noun::ServiceAccount
            },
            taken
        )
    );
    let full = refusal(
        &store,
        service_accounts::insert(&service_account(&home, "third"), 2),
    )
    .await;
    let message =
        "The instance may have 2 service accounts and no more; delete some that nobody needs."
            .to_owned();
    assert_eq!(
        full,
        (
            ErrorKind::QuotaExceeded {
                noun: Noun::ServiceAccount
            },
            message
        )
    );
    let nowhere = ServiceAccount {
        instance: InstanceId::random(&SystemRandom),
        ..service_account(&home, "x")
    };
    assert_eq!(
        kind(apply(&store, service_accounts::insert(&nowhere, QUOTA)).await),
        ErrorKind::InstanceNotFound
    );
    assert_eq!(
        count(
            &store,
            "SELECT COUNT(*) AS count FROM service_account_permission"
        )
        .await,
        3
    );
}

async fn a_service_account_is_changed_and_stopped(place: &Place) {
    let (store, home, _) = home_and_other(place).await;
    let mut robot = service_account(&home, "robot");
    let witness = service_account(&home, "witness");
    all(
        &store,
        [
            service_accounts::insert(&robot, QUOTA),
            service_accounts::insert(&witness, QUOTA),
        ],
    )
    .await;
    let feed = [entry(Entity::ServiceAccount, &format!("{}/robot", home.id))];
    let given = permissions(&[("base", &[AccountAction::Pull])]);
    let changes: [Step<ServiceAccountChange, ServiceAccount>; 5] = [
        (
            ServiceAccountChange {
                description: Some(String::new()),
                ..Default::default()
            },
            |robot| robot.description.clear(),
        ),
        (
            ServiceAccountChange {
                permissions: Some(given),
                ..Default::default()
            },
            |robot| {
                robot.permissions = permissions(&[("base", &[AccountAction::Pull])]);
            },
        ),
        (
            ServiceAccountChange {
                expires_at: Some(later(9)),
                ..Default::default()
            },
            |robot| robot.expires_at = later(9),
        ),
        (
            ServiceAccountChange {
                state: Some(ServiceAccountState::Disabled),
                ..Default::default()
            },
            |robot| {
                robot.state = ServiceAccountState::Disabled;
                robot.disabled_by = Some(Level::User);
                robot.generation += 1;
            },
        ),
        (
            ServiceAccountChange {
                state: Some(ServiceAccountState::Active),
                ..Default::default()
            },
            |robot| {
                robot.state = ServiceAccountState::Active;
                robot.disabled_by = None;
            },
        ),
    ];
    for (at, (change, expect)) in (1..).zip(changes) {
        assert_eq!(
            announced(
                &store,
                service_accounts::update(&robot, &change, Level::User, later(at))
            )
            .await,
            feed
        );
        expect(&mut robot);
        robot.modified_at = later(at);
        robot.revision += 1;
        assert_eq!(
            service_accounts::find(&store, &home.id, "robot")
                .await
                .unwrap()
                .as_ref(),
            Some(&robot),
            "{change:?}"
        );
    }
    for secret in [
        AccountSecret::Chosen(hash("two")),
        AccountSecret::Made([7; 32]),
    ] {
        assert_eq!(
            announced(
                &store,
                service_accounts::set_secret(&robot, &secret, later(20))
            )
            .await,
            feed
        );
        robot = ServiceAccount {
            secret,
            generation: robot.generation + 1,
            revision: robot.revision + 1,
            modified_at: later(20),
            ..robot
        };
        assert_eq!(
            service_accounts::find(&store, &home.id, "robot")
                .await
                .unwrap()
                .as_ref(),
            Some(&robot)
        );
    }

    assert_eq!(
        announced(&store, service_accounts::delete(&robot)).await,
        feed
    );
    assert_eq!(
        service_accounts::find(&store, &home.id, "robot")
            .await
            .unwrap(),
        None
    );
    let again = service_account(&home, "robot");
    apply(&store, service_accounts::insert(&again, QUOTA))
        .await
        .unwrap();
    // A caller that read the old one changes nothing of the new one.
    for part in [
        service_accounts::update(&robot, &ServiceAccountChange::default(), Level::User, NOW),
        service_accounts::set_secret(&robot, &AccountSecret::Made([0; 32]), NOW),
        service_accounts::delete(&robot),
    ] {
        assert_eq!(
            refusal(&store, part).await,
            not_found(Noun::ServiceAccount, "tcr$robot")
        );
    }
    for account in [again, witness] {
        assert_eq!(
            service_accounts::find_by_id(&store, &account.id)
                .await
                .unwrap(),
            Some(account)
        );
    }
}

async fn service_accounts_are_listed_in_pages_each_once(place: &Place) {
    let (store, home, other) = home_and_other(place).await;
    let mut made = Vec::new();
    for number in 0..5 {
        let given: &[(&str, &[AccountAction])] = &[
            ("b", &[AccountAction::Pull]),
            ("a", &[AccountAction::Push]),
            ("c", &[]),
        ];
        let permissions = permissions(&given[..number % 4]);
        let account = ServiceAccount {
            created_at: later(number as u64),
            permissions,
            ..service_account(&home, &format!("robot-{number}"))
        };
        apply(&store, service_accounts::insert(&account, QUOTA))
            .await
            .unwrap();
        made.push(account);
    }
    apply(
        &store,
        service_accounts::insert(&service_account(&other, "robot-0"), QUOTA),
    )
    .await
    .unwrap();
    let list = async |name, offset, limit| {
        service_accounts::list(&store, &home.id, name, Page { offset, limit })
            .await
            .unwrap()
    };
    assert_eq!(
        list(None, 0, None).await,
        Listed {
            items: made.clone(),
            total: 5
        }
    );
    assert_eq!(
        list(None, 2, Some(2)).await,
        Listed {
            items: made[2..4].to_vec(),
            total: 5
        }
    );
    assert_eq!(
        list(None, 5, Some(2)).await,
        Listed {
            items: vec![],
            total: 5
        }
    );
    assert_eq!(
        list(Some("robot-3"), 0, Some(20)).await,
        Listed {
            items: made[3..4].to_vec(),
            total: 1
        }
    );
    assert_eq!(
        list(Some("robot-9"), 0, Some(20)).await,
        Listed {
            items: vec![],
            total: 0
        }
    );
}

/// Adds a user of the account of `home`, and returns it.
async fn maker(store: &Store, home: &Instance, id: i64) -> User {
    let name = format!("user-{id}");
    let user = User {
        id: UserId::new(id).unwrap(),
        account: home.account,
        name,
        state: UserState::Active,
        generation: 0,
        created_at: NOW,
    };
    apply(store, users::insert(&user)).await.unwrap();
    user
}

/// A service account that a user made.
fn made_by(user: &User, home: &Instance, name: &str) -> ServiceAccount {
    let maker = Principal::User(user.account, user.id);
    ServiceAccount {
        maker_ids: BTreeSet::from([maker.number()]),
        maker: Some(maker),
        ..service_account(home, name)
    }
}

async fn service_accounts_are_listed_and_disabled_by_whom_they_came_from(place: &Place) {
    let (store, home, other) = home_and_other(place).await;
    let (ann, bob) = (
        maker(&store, &home, 211).await,
        maker(&store, &home, 21).await,
    );
    let (first, second) = (
        made_by(&ann, &home, "first"),
        made_by(&ann, &other, "second"),
    );
    // One that came from a session of a role, which a user had assumed.
    let third = ServiceAccount {
        maker_ids: BTreeSet::from([211, 4_611]),
        ..made_by(&bob, &home, "third")
    };
    let bobs = made_by(&bob, &home, "bobs");
    all(
        &store,
        [&first, &second, &third, &bobs].map(|account| service_accounts::insert(account, QUOTA)),
    )
    .await;
    let names = async |id: i64| {
        let made = service_accounts::list_made_by(&store, id).await.unwrap();
        let mut names: Vec<_> = made.into_iter().map(|account| account.name).collect();
        names.sort();
        names.join(" ")
    };
    assert_eq!(
        [
            names(211).await,
            names(21).await,
            names(4_611).await,
            names(1).await
        ],
        ["first second third", "bobs", "third", ""]
    );
    assert_eq!(
        service_accounts::find(&store, &home.id, "third")
            .await
            .unwrap(),
        Some(third)
    );

    let listed = service_accounts::list_made_by(&store, 211).await.unwrap();
    let one_too_few = service_accounts::disable_made_by(211, &listed[..2], Level::Operator, NOW);
    assert_eq!(
        kind(apply(&store, one_too_few).await),
        ErrorKind::PreconditionFailed {
            noun: Noun::ServiceAccount
        }
    );
    assert_eq!(
        kind(apply(&store, service_accounts::expect_made_by(211, 2)).await),
        ErrorKind::PreconditionFailed {
            noun: Noun::ServiceAccount
        }
    );
    apply(&store, service_accounts::expect_made_by(211, 3))
        .await
        .unwrap();
    assert_eq!(
        announced(
            &store,
            service_accounts::disable_made_by(211, &listed, Level::Operator, later(1))
        )
        .await
        .len(),
        3
    );
    let found = service_accounts::find(&store, &home.id, "first")
        .await
        .unwrap()
        .unwrap();
    let state = ServiceAccountState::Disabled;
    let (generation, revision) = (first.generation + 1, first.revision + 1);
    assert_eq!(
        found,
        ServiceAccount {
            state,
            disabled_by: Some(Level::Operator),
            generation,
            revision,
            modified_at: later(1),
            ..first
        }
    );
    assert_eq!(
        service_accounts::find(&store, &home.id, "bobs")
            .await
            .unwrap(),
        Some(bobs)
    );

    // A maker who is gone makes none.
    apply(&store, cascade::delete_user(bob.account, bob.id))
        .await
        .unwrap();
    assert_eq!(
        refusal(
            &store,
            service_accounts::insert(&made_by(&bob, &home, "late"), QUOTA)
        )
        .await,
        not_found(Noun::User, "21")
    );
}

async fn what_was_decided_on_an_older_state_of_a_service_account_is_not_written(place: &Place) {
    let (store, home, _) = home_and_other(place).await;
    let robot = service_account(&home, "robot");
    apply(&store, service_accounts::insert(&robot, QUOTA))
        .await
        .unwrap();
    let as_decided = |part: Part| service_accounts::expect_as_read(&robot).and(part);
    let wider = ServiceAccountChange {
        permissions: Some(permissions(&[("secret", &[AccountAction::Pull])])),
        ..Default::default()
    };
    apply(
        &store,
        as_decided(service_accounts::update(&robot, &wider, Level::User, NOW)),
    )
    .await
    .unwrap();
    let late = as_decided(service_accounts::set_secret(
        &robot,
        &AccountSecret::Made([7; 32]),
        NOW,
    ));
    assert_eq!(
        kind(apply(&store, late).await),
        ErrorKind::PreconditionFailed {
            noun: Noun::ServiceAccount
        }
    );
    assert_eq!(
        service_accounts::find(&store, &home.id, "robot")
            .await
            .unwrap()
            .unwrap()
            .secret,
        robot.secret
    );
}

async fn what_the_root_disabled_no_user_enables(place: &Place) {
    let (store, home, _) = home_and_other(place).await;
    let made = credential(&home);
    apply(&store, credentials::insert(&made, QUOTA))
        .await
        .unwrap();
    let set = async |state, by| apply(&store, credentials::set_state(&made.id, state, by)).await;
    let found = async || {
        let found = credentials::find(&store, &made.id).await.unwrap().unwrap();
        (found.state, found.disabled_by)
    };
    use CredentialState::{Active, Disabled};
    set(Disabled, Level::User).await.unwrap();
    set(Active, Level::User).await.unwrap();
    for above in [Level::Root, Level::Operator] {
        set(Disabled, Level::User).await.unwrap();
        set(Disabled, above).await.unwrap();
        set(Disabled, Level::User).await.unwrap();
        assert_eq!(found().await, (Disabled, Some(above)));
        assert_eq!(
            kind(set(Active, Level::User).await),
            ErrorKind::PreconditionFailed {
                noun: Noun::Credential
            }
        );
        assert_eq!(found().await, (Disabled, Some(above)));
        set(Active, Level::Root).await.unwrap();
        assert_eq!(found().await, (Active, None));
    }
}

async fn a_fixed_password_is_replaced_and_its_generation_goes_on(place: &Place) {
    let (store, home, other) = home_and_other(place).await;
    let root = Principal::Root(home.account);
    let feed = [entry(Entity::FixedPassword, &format!("{}/1:root", home.id))];
    let expect = async |text: &str, generation, changed_at| {
        let expected = FixedPassword {
            instance: home.id.clone(),
            principal: root.clone(),
            hash: hash(text),
            generation,
            changed_at,
            old_name: None,
            expires_at: None,
            last_used_at: None,
        };
        assert_eq!(
            fixed_passwords::find(&store, &home.id, &root)
                .await
                .unwrap(),
            Some(expected)
        );
    };
    assert_eq!(
        announced(
            &store,
            fixed_passwords::set(&home.id, &root, &hash("one"), NOW)
        )
        .await,
        feed
    );
    expect("one", 1, NOW).await;
    apply(
        &store,
        fixed_passwords::set(&home.id, &root, &hash("two"), later(1)),
    )
    .await
    .unwrap();
    expect("two", 2, later(1)).await;
    assert_eq!(
        fixed_passwords::find(&store, &other.id, &root)
            .await
            .unwrap(),
        None
    );
    assert_eq!(
        announced(&store, fixed_passwords::delete(&home.id, &root, later(2))).await,
        feed
    );
    assert_eq!(
        fixed_passwords::find(&store, &home.id, &root)
            .await
            .unwrap(),
        None
    );
    assert_eq!(
        refusal(&store, fixed_passwords::delete(&home.id, &root, NOW)).await,
        not_found(Noun::FixedPassword, "of 1:root")
    );
    // Tokens of the first two must not pass for those of the third.
    apply(
        &store,
        fixed_passwords::set(&home.id, &root, &hash("three"), later(3)),
    )
    .await
    .unwrap();
    expect("three", 4, later(3)).await;
    let nowhere = InstanceId::random(&SystemRandom);
    assert_eq!(
        kind(
            apply(
                &store,
                fixed_passwords::set(&nowhere, &root, &hash("x"), NOW)
            )
            .await
        ),
        ErrorKind::InstanceNotFound
    );
}

/// Returns an imported password of the root's, with that hash.
fn imported(home: &Instance, old_name: &str, text: &str) -> FixedPassword {
    FixedPassword {
        instance: home.id.clone(),
        principal: Principal::Root(home.account),
        hash: PasswordHash::new(text),
        generation: 1,
        changed_at: NOW,
        old_name: Some(old_name.to_owned()),
        expires_at: Some(later(9)),
        last_used_at: None,
    }
}

async fn an_old_name_logs_in_at_one_instance_and_is_free_once_its_password_is_deleted(
    place: &Place,
) {
    let (store, home, other) = home_and_other(place).await;
    let alice = imported(&home, "Alice", "$2y$05$a");
    assert_eq!(
        announced(&store, fixed_passwords::import(&alice)).await,
        [entry(Entity::FixedPassword, &format!("{}/1:root", home.id))]
    );
    let named = async |instance, name| {
        fixed_passwords::find_by_old_name(&store, instance, name)
            .await
            .unwrap()
    };
    assert_eq!(named(&home.id, "Alice").await, Some(alice.clone()));
    assert_eq!(named(&home.id, "alice").await, None);
    assert_eq!(named(&other.id, "Alice").await, None);
    assert_eq!(
        kind(
            apply(
                &store,
                fixed_passwords::import(&imported(&home, "Bob", "x"))
            )
            .await
        ),
        ErrorKind::AlreadyExists {
            noun: Noun::FixedPassword
        },
        "the principal has a password"
    );
    apply(
        &store,
        fixed_passwords::set(&home.id, &alice.principal, &hash("chosen"), later(1)),
    )
    .await
    .unwrap();
    let chosen = named(&home.id, "Alice").await.unwrap();
    assert_eq!((chosen.generation, chosen.expires_at), (2, None));
    apply(
        &store,
        fixed_passwords::delete(&home.id, &alice.principal, later(2)),
    )
    .await
    .unwrap();
    assert_eq!(named(&home.id, "Alice").await, None);
    apply(&store, fixed_passwords::import(&alice))
        .await
        .unwrap();
    assert_eq!(named(&home.id, "Alice").await.unwrap().generation, 4);
}

async fn an_old_hash_is_replaced_once_and_the_generation_stays(place: &Place) {
    let (store, home, _) = home_and_other(place).await;
    let alice = imported(&home, "Alice", "$2y$05$a");
    apply(&store, fixed_passwords::import(&alice))
        .await
        .unwrap();
    let renew = || fixed_passwords::renew(&alice, &PasswordHash::new("$argon2id$a"));
    assert_eq!(
        announced(&store, renew()).await,
        [entry(Entity::FixedPassword, &format!("{}/1:root", home.id))]
    );
    let expected = FixedPassword {
        hash: PasswordHash::new("$argon2id$a"),
        ..alice.clone()
    };
    assert_eq!(
        fixed_passwords::list(&store, &home.id).await.unwrap(),
        [expected]
    );
    assert_eq!(
        kind(apply(&store, renew()).await),
        ErrorKind::NotFound {
            noun: Noun::FixedPassword
        }
    );
}

async fn old_names_are_counted_with_the_highest_cost_of_their_bcrypts(place: &Place) {
    let (store, home, _) = home_and_other(place).await;
    let counted = async || fixed_passwords::old_names(&store, &home.id).await.unwrap();
    assert_eq!(counted().await, fixed_passwords::OldNames::default());
    let alice = imported(&home, "Alice", "$2y$11$a");
    apply(&store, fixed_passwords::import(&alice))
        .await
        .unwrap();
    let of_one = |max_cost| fixed_passwords::OldNames { count: 1, max_cost };
    assert_eq!(counted().await, of_one(Some(11)));
    apply(
        &store,
        fixed_passwords::renew(&alice, &PasswordHash::new("$argon2id$v=19$a")),
    )
    .await
    .unwrap();
    assert_eq!(counted().await, of_one(None));
}

async fn a_fixed_password_goes_with_its_user(place: &Place) {
    let (store, home, _) = home_and_other(place).await;
    let ann = User {
        id: UserId::new(11).unwrap(),
        account: home.account,
        name: "ann".to_owned(),
        state: UserState::Active,
        generation: 1,
        created_at: NOW,
    };
    let (principal, root) = (
        Principal::User(home.account, ann.id),
        Principal::Root(home.account),
    );
    assert_eq!(
        refusal(
            &store,
            fixed_passwords::set(&home.id, &principal, &hash("x"), NOW)
        )
        .await,
        not_found(Noun::User, "11")
    );
    all(
        &store,
        [
            users::insert(&ann),
            fixed_passwords::set(&home.id, &principal, &hash("ann"), NOW),
            fixed_passwords::set(&home.id, &root, &hash("root"), NOW),
        ],
    )
    .await;
    assert!(
        fixed_passwords::find(&store, &home.id, &principal)
            .await
            .unwrap()
            .is_some()
    );
    apply(&store, cascade::delete_user(home.account, ann.id))
        .await
        .unwrap();
    assert!(
        fixed_passwords::find(&store, &home.id, &principal)
            .await
            .unwrap()
            .is_none()
    );
    assert!(
        fixed_passwords::find(&store, &home.id, &root)
            .await
            .unwrap()
            .is_some()
    );
}

async fn long_term_credentials_are_described_counted_and_listed_in_pages(place: &Place) {
    let (store, home, other) = home_and_other(place).await;
    let made: Vec<_> = (0..3)
        .map(|age| LongTermCredential {
            created_at: later(10 - age),
            ..credential(&home)
        })
        .collect();
    for one in &made {
        apply(&store, credentials::insert(one, 3)).await.unwrap();
    }
    apply(&store, credentials::insert(&credential(&other), 3))
        .await
        .unwrap();
    let full = refusal(&store, credentials::insert(&credential(&home), 3)).await;
    let message =
        "The instance may have 3 long-term credentials and no more; delete some that nobody needs."
            .to_owned();
    assert_eq!(
        full,
        (
            ErrorKind::QuotaExceeded {
                noun: Noun::Credential
            },
            message
        )
    );

    let ids = async |offset, limit| {
        let Listed { items, total } =
            credentials::list_page(&store, &home.id, Page { offset, limit })
                .await
                .unwrap();
        (
            items.into_iter().map(|one| one.id).collect::<Vec<_>>(),
            total,
        )
    };
    let all: Vec<_> = made.iter().map(|one| one.id.clone()).collect();
    assert_eq!(ids(0, None).await, (all.clone(), 3));
    assert_eq!(ids(1, Some(1)).await, (all[1..2].to_vec(), 3));
    assert_eq!(ids(200, Some(200)).await, (vec![], 3));

    let described = announced(&store, credentials::set_description(&all[0], "new")).await;
    assert_eq!(described, [entry(Entity::Credential, all[0].as_str())]);
    let found = credentials::find(&store, &all[0]).await.unwrap().unwrap();
    assert_eq!(
        (found.description.as_str(), found.generation),
        ("new", made[0].generation)
    );
    apply(&store, credentials::delete(&all[0])).await.unwrap();
    assert_eq!(
        kind(apply(&store, credentials::set_description(&all[0], "x")).await),
        ErrorKind::NotFound {
            noun: Noun::Credential
        }
    );
}

async fn rows_of_log_ins_that_will_not_convert_are_named(place: &Place) {
    let (store, home, _) = home_and_other(place).await;
    let robot = service_account(&home, "robot");
    let root = Principal::Root(home.account);
    all(
        &store,
        [
            service_accounts::insert(&robot, QUOTA),
            fixed_passwords::set(&home.id, &root, &hash("one"), NOW),
        ],
    )
    .await;
    let on_robot = format!("id {:?}: ", robot.id.as_str());
    for (damage, column) in [
        (
            raw("", "UPDATE service_account SET state = 'asleep'"),
            "state",
        ),
        (
            raw(
                "",
                "UPDATE service_account_permission SET actions = 'pull,fly'",
            ),
            "actions",
        ),
    ] {
        apply(
            &store,
            raw("", "UPDATE service_account SET state = 'active'"),
        )
        .await
        .unwrap();
        assert!(
            service_accounts::find(&store, &home.id, "robot")
                .await
                .is_ok()
        );
        apply(&store, damage).await.unwrap();
        let by_name = service_accounts::find(&store, &home.id, "robot")
            .await
            .unwrap_err();
        let listed = service_accounts::list(&store, &home.id, None, Page::ALL)
            .await
            .unwrap_err();
        for error in [by_name, listed] {
            let cause = error.cause().unwrap();
            assert!(
                cause.starts_with(&format!(
                    "table service_account, column {column}, {on_robot}"
                )),
                "{cause}"
            );
        }
    }
    // A hash never shows, not even to those who look into a value.
    let found = fixed_passwords::find(&store, &home.id, &root)
        .await
        .unwrap()
        .unwrap();
    assert!(!format!("{found:?}").contains("argon2id"), "{found:?}");
}
