//! Instances as a whole: what they are, and what goes with them.

use crate::domain::Noun;
use std::collections::BTreeSet;

use tokio::task::JoinSet;

use super::log_ins::service_account;
use super::registry::{
    allowed, forbidden, home_and_other, later, namespace, no_instance, repository, tag,
};
use super::*;
use crate::domain::credential::PasswordHash;
use crate::domain::instance::{InstanceChange, OldRefreshTokens, UnrecordedNamespaces};
use crate::domain::service_account::ServiceAccountChange;
use crate::store::cascade::Contents;
use crate::store::instance::InstanceFilter;
use crate::store::page::{Listed, Page};
use crate::store::quota::Usage;
use crate::store::tag::Tagged;
use crate::store::{
    account as accounts, allow_list as allow_lists, credential as credentials,
    fixed_password as fixed_passwords, instance as instances, namespace as namespaces, quota,
    repository as repositories, service_account as service_accounts, tag as tags,
};

on_both_databases! {
    an_instance_is_changed_a_setting_at_a_time
    instances_from_before_are_the_operators_and_open
    an_instance_is_deleted_when_it_is_empty_or_with_all_that_is_in_it
    nothing_is_added_to_an_instance_while_it_is_deleted
    instances_are_listed_in_pages
}

async fn an_instance_is_changed_a_setting_at_a_time(place: &Place) {
    let (store, home, other) = home_and_other(place).await;
    let mut expected = home.clone();
    let changes: [Step<Part, Instance>; 13] = [
        (
            instances::update(
                &home.id,
                InstanceChange {
                    specification: Some(Specification::Premium),
                    deletion_protection: None,
                    token_log_in: None,
                },
                later(1),
            ),
            |home| home.specification = Specification::Premium,
        ),
        (
            instances::update(
                &home.id,
                InstanceChange {
                    specification: None,
                    deletion_protection: Some(Switch::On),
                    token_log_in: None,
                },
                later(2),
            ),
            |home| home.deletion_protection = Switch::On,
        ),
        (
            instances::set_public_endpoint(&home.id, Switch::Off, later(3)),
            |home| home.public_endpoint = Switch::Off,
        ),
        (
            instances::set_allow_list(&home.id, Switch::On, later(4)),
            |home| home.allow_list = Switch::On,
        ),
        (
            instances::set_registry_url(&home.id, Some("https://r.example.com"), later(5)),
            |home| {
                home.registry_url = Some("https://r.example.com".to_owned());
            },
        ),
        (
            instances::set_unrecorded_namespaces(&home.id, UnrecordedNamespaces::Closed, later(6)),
            |home| {
                home.unrecorded_namespaces = UnrecordedNamespaces::Closed;
            },
        ),
        (
            instances::set_refresh_tokens(&home.id, Switch::On, OldRefreshTokens::Keep, later(7)),
            |home| home.refresh_tokens = Switch::On,
        ),
        (
            instances::set_refresh_tokens(
                &home.id,
                Switch::Off,
                OldRefreshTokens::Refuse,
                later(8),
            ),
            |home| {
                (home.refresh_tokens, home.refresh_generation) = (Switch::Off, 1);
            },
        ),
        (
            instances::set_next_issuer(&home.id, "https://a.example.com", later(9)),
            |home| {
                home.next_issuer = Some("https://a.example.com".to_owned());
            },
        ),
        (
            instances::activate_issuer(&home.id, "https://a.example.com", later(10)),
            |home| home.issuer = home.next_issuer.take(),
        ),
        (
            instances::set_next_issuer(&home.id, "https://b.example.com", later(11)),
            |home| {
                home.next_issuer = Some("https://b.example.com".to_owned());
            },
        ),
        (
            instances::cancel_issuer(&home.id, "https://b.example.com", later(12)),
            |home| home.next_issuer = None,
        ),
        (
            instances::set_ecr_host(&home.id, Some("ecr.example.com:5000"), later(13)),
            |home| {
                home.ecr_host = Some("ecr.example.com:5000".to_owned());
            },
        ),
    ];
    for (at, (part, change)) in (1..).zip(changes) {
        assert_eq!(
            announced(&store, part).await,
            [entry(Entity::Instance, home.id.as_str())]
        );
        change(&mut expected);
        expected.modified_at = later(at);
        assert_eq!(
            format!(
                "{:?}",
                instances::find(&store, &home.id).await.unwrap().unwrap()
            ),
            format!("{expected:?}")
        );
    }
    apply(
        &store,
        instances::set_registry_url(&home.id, None, later(14)),
    )
    .await
    .unwrap();
    assert_eq!(
        instances::find(&store, &home.id)
            .await
            .unwrap()
            .unwrap()
            .registry_url,
        None
    );
    assert_eq!(
        format!(
            "{:?}",
            instances::find(&store, &other.id).await.unwrap().unwrap()
        ),
        format!("{other:?}")
    );

    for part in [
        instances::activate_issuer(&home.id, "https://b.example.com", NOW),
        instances::cancel_issuer(&home.id, "https://b.example.com", NOW),
    ] {
        assert_eq!(
            refusal(&store, part).await.0,
            ErrorKind::PreconditionFailed { noun: Noun::Issuer }
        );
    }
    let nowhere = InstanceId::random(&SystemRandom);
    for part in [
        instances::update(&nowhere, InstanceChange::default(), NOW),
        instances::set_public_endpoint(&nowhere, Switch::On, NOW),
        instances::set_allow_list(&nowhere, Switch::On, NOW),
        instances::set_registry_url(&nowhere, None, NOW),
        instances::set_ecr_host(&nowhere, None, NOW),
        instances::set_unrecorded_namespaces(&nowhere, UnrecordedNamespaces::Closed, NOW),
        instances::set_next_issuer(&nowhere, "https://a.example.com", NOW),
        instances::set_refresh_tokens(&nowhere, Switch::On, OldRefreshTokens::Keep, NOW),
    ] {
        assert_eq!(refusal(&store, part).await, no_instance());
    }
}

async fn instances_from_before_are_the_operators_and_open(place: &Place) {
    let old = "INSERT INTO account (id, name, generation, created_at) VALUES (1, 'account-1', 1, \
               1); \
               INSERT INTO instance (id, cri_id, account_id, name, region, service, algorithm, \
               kid_format, token_ttl_seconds, default_mark, \
               created_at) VALUES ('tcr-00000000', 'cri-0000000000000000', 1, 'old', \
               'ap-guangzhou', 'old.example.com', 'ES256', \
               'libtrust', 300, 0, 7)";
    place.fill_older(4, old).await;
    let store = place.store().await;
    let found = instances::list(&store, None).await.unwrap().remove(0);
    assert_eq!(
        (found.specification, found.origin, found.modified_at),
        (Specification::Premium, Origin::Operator, found.created_at)
    );
    assert_eq!(
        (
            found.deletion_protection,
            found.public_endpoint,
            found.allow_list
        ),
        (Switch::Off, Switch::On, Switch::Off)
    );
    assert_eq!(found.unrecorded_namespaces, UnrecordedNamespaces::Open);
    apply(
        &store,
        instances::set_public_endpoint(&found.id, Switch::Off, later(1)),
    )
    .await
    .unwrap();
    assert_eq!(
        instances::find(&store, &found.id)
            .await
            .unwrap()
            .unwrap()
            .modified_at,
        later(1)
    );
    apply(
        &store,
        namespaces::insert(&namespace(&found, "team"), QUOTA),
    )
    .await
    .unwrap();
}

async fn an_instance_is_deleted_when_it_is_empty_or_with_all_that_is_in_it(place: &Place) {
    let (store, home, other) = home_and_other(place).await;
    let owner = account(1);
    let (team, robot, made) = (
        namespace(&home, "team"),
        service_account(&home, "robot"),
        credential(&home),
    );
    let root = Principal::Root(owner.id);
    let kept = [namespace(&other, "team")];
    let parts = [
        namespaces::insert(&team, QUOTA),
        repositories::insert(&team, &repository(&team, "app"), QUOTA),
        credentials::insert(&made, QUOTA),
        service_accounts::insert(&robot, QUOTA),
        fixed_passwords::set(
            &home.id,
            &root,
            &PasswordHash::new("$argon2id$EXAMPLE"),
            NOW,
        ),
        allow_lists::add(&home.id, &[allowed("192.0.2.0/24")], QUOTA),
        tags::set(Tagged::Instance(&home.id), &[tag("a", "b")]),
        tags::set(Tagged::Namespace(&team), &[tag("a", "b")]),
        namespaces::insert(&kept[0], QUOTA),
        raw(
            "instance",
            "UPDATE instance SET default_mark = 1 WHERE name = 'home'",
        ),
    ];
    all(&store, parts).await;

    let delete = |contents| cascade::delete_instance(owner.id, &home.id, contents, later(1));
    assert_eq!(
        refusal(
            &store,
            cascade::delete_instance(account(2).id, &home.id, Contents::GoToo, NOW)
        )
        .await,
        not_found(Noun::Account, "2")
    );
    apply(&store, accounts::insert(&account(2))).await.unwrap();
    assert_eq!(
        refusal(
            &store,
            cascade::delete_instance(account(2).id, &home.id, Contents::GoToo, NOW)
        )
        .await,
        no_instance()
    );

    // One thing after another stands in the way, and the refusals took nothing.
    let protection = |switch| {
        instances::update(
            &home.id,
            InstanceChange {
                deletion_protection: Some(switch),
                specification: None,
                token_log_in: None,
            },
            NOW,
        )
    };
    apply(&store, protection(Switch::On)).await.unwrap();
    let message =
        "The instance is protected from being deleted; turn its deletion protection off first.";
    for contents in [Contents::MustBeGone, Contents::GoToo] {
        assert_eq!(
            refusal(&store, delete(contents)).await,
            forbidden(Noun::Instance, message)
        );
    }
    apply(&store, protection(Switch::Off)).await.unwrap();
    let must_be_empty = async |message: &str| {
        assert_eq!(
            refusal(&store, delete(Contents::MustBeGone)).await,
            forbidden(Noun::Instance, message)
        )
    };
    must_be_empty("The instance has namespaces; delete them first.").await;
    apply(&store, cascade::delete_namespace(&team, Contents::GoToo))
        .await
        .unwrap();
    must_be_empty("The instance has long-term credentials; delete them first.").await;
    apply(&store, credentials::delete(&made.id)).await.unwrap();
    must_be_empty("The instance has service accounts; delete them first.").await;
    let usage = quota::usage(&store, &home.id).await.unwrap();
    assert_eq!(
        usage,
        Some(Usage {
            credentials: 0,
            namespaces: 0,
            repositories: 0,
            service_accounts: 1
        })
    );

    // Filled again, it goes at once.
    all(
        &store,
        [
            namespaces::insert(&team, QUOTA),
            repositories::insert(&team, &repository(&team, "app"), QUOTA),
            credentials::insert(&made, QUOTA),
        ],
    )
    .await;
    let gone = [
        entry(Entity::Instance, home.id.as_str()),
        entry(Entity::Account, "1"),
        entry(Entity::SigningKey, home.id.as_str()),
    ];
    assert_eq!(announced(&store, delete(Contents::GoToo)).await, gone);
    for table in [
        "SELECT COUNT(*) AS count FROM credential",
        "SELECT COUNT(*) AS count FROM repository",
        "SELECT COUNT(*) AS count FROM service_account",
        "SELECT COUNT(*) AS count FROM service_account_permission",
        "SELECT COUNT(*) AS count FROM fixed_password",
        "SELECT COUNT(*) AS count FROM allow_entry",
        "SELECT COUNT(*) AS count FROM resource_tag",
    ] {
        assert_eq!(count(&store, table).await, 0, "{table}");
    }
    assert!(instances::find(&store, &home.id).await.unwrap().is_none());
    assert_eq!(quota::usage(&store, &home.id).await.unwrap(), None);
    assert_eq!(allow_lists::find(&store, &home.id).await.unwrap(), None);
    assert_eq!(
        namespaces::list(&store, &other.id, None, Page::ALL)
            .await
            .unwrap()
            .items,
        kept
    );
    assert_eq!(
        refusal(&store, delete(Contents::GoToo)).await,
        no_instance()
    );

    // An empty one goes as well, and only its name is free again.
    apply(
        &store,
        cascade::delete_namespace(&kept[0], Contents::MustBeGone),
    )
    .await
    .unwrap();
    apply(
        &store,
        cascade::delete_instance(owner.id, &other.id, Contents::MustBeGone, later(2)),
    )
    .await
    .unwrap();
    let again = Instance {
        service: other.service.clone(),
        ..instance(&owner, "other")
    };
    assert!(
        refusal(&store, instances::insert(&again))
            .await
            .1
            .contains("choose another service")
    );
    apply(
        &store,
        instances::insert(&Instance {
            service: "new.example.com".to_owned(),
            ..again
        }),
    )
    .await
    .unwrap();
}

async fn nothing_is_added_to_an_instance_while_it_is_deleted(place: &Place) {
    let store = place.store().await;
    let owner = account(1);
    apply(&store, accounts::insert(&owner)).await.unwrap();
    for round in 0..10 {
        let home = instance(&owner, &format!("home-{round}"));
        let robot = service_account(&home, "robot");
        all(
            &store,
            [
                instances::insert(&home),
                service_accounts::insert(&robot, QUOTA),
            ],
        )
        .await;
        let mut writes = JoinSet::new();
        for number in 0..10 {
            let (store, home, robot, owner) =
                (store.clone(), home.clone(), robot.clone(), owner.clone());
            writes.spawn(async move {
                let part = match number % 5 {
                    0 => namespaces::insert(&namespace(&home, &format!("team-{number}")), QUOTA),
                    1 => credentials::insert(&credential(&home), QUOTA),
                    2 => {
                        let permissions = [(format!("team-{number}"), BTreeSet::new())].into();
                        let change = ServiceAccountChange {
                            permissions: Some(permissions),
                            ..Default::default()
                        };
                        service_accounts::update(&robot, &change, Level::User, NOW)
                    }
                    3 => {
                        allow_lists::add(&home.id, &[allowed(&format!("192.0.2.{number}"))], QUOTA)
                    }
                    _ => {
                        return apply(
                            &store,
                            cascade::delete_instance(owner.id, &home.id, Contents::GoToo, NOW),
                        )
                        .await;
                    }
                };
                apply(&store, part).await
            });
        }
        while let Some(done) = writes.join_next().await {
            if let Err(error) = done.unwrap() {
                assert_eq!(error.kind(), &ErrorKind::InstanceNotFound, "{error:?}");
            }
        }
    }
    for table in [
        "SELECT COUNT(*) AS count FROM namespace",
        "SELECT COUNT(*) AS count FROM credential",
        "SELECT COUNT(*) AS count FROM service_account_permission",
        "SELECT COUNT(*) AS count FROM allow_entry",
        "SELECT COUNT(*) AS count FROM instance WHERE deleted_at IS NULL",
    ] {
        assert_eq!(count(&store, table).await, 0, "{table}");
    }
}

async fn instances_are_listed_in_pages(place: &Place) {
    let store = place.store().await;
    let (owner, other) = (account(1), account(2));
    all(
        &store,
        [
            accounts::insert(&owner),
            accounts::insert(&other),
            instances::insert(&instance(&other, "foreign")),
        ],
    )
    .await;
    for number in 0..5 {
        let region = if number == 3 {
            "cn-hangzhou"
        } else {
            "ap-guangzhou"
        };
        let one = Instance {
            region: region.to_owned(),
            created_at: later(number),
            ..instance(&owner, &format!("one-{number}"))
        };
        apply(&store, instances::insert(&one)).await.unwrap();
    }
    let names = async |filter: InstanceFilter<'static>, page| {
        let Listed { items, total } = instances::list_page(&store, owner.id, filter, page)
            .await
            .unwrap();
        (
            items.into_iter().map(|one| one.name).collect::<Vec<_>>(),
            total,
        )
    };
    let everything = InstanceFilter::default();
    assert_eq!(names(everything, Page::ALL).await.1, 5);
    assert_eq!(
        names(
            everything,
            Page {
                offset: 1,
                limit: Some(2)
            }
        )
        .await,
        (vec!["one-1".to_owned(), "one-2".to_owned()], 5)
    );
    assert_eq!(
        names(
            everything,
            Page {
                offset: 4,
                limit: Some(2)
            }
        )
        .await,
        (vec!["one-4".to_owned()], 5)
    );
    assert_eq!(
        names(
            everything,
            Page {
                offset: 5,
                limit: Some(2)
            }
        )
        .await,
        (vec![], 5)
    );
    assert_eq!(
        names(
            everything,
            Page {
                offset: 0,
                limit: Some(0)
            }
        )
        .await,
        (vec![], 5)
    );
    let region = InstanceFilter {
        region: Some("cn-hangzhou"),
        ..everything
    };
    assert_eq!(
        names(region, Page::ALL).await,
        (vec!["one-3".to_owned()], 1)
    );
    assert_eq!(
        names(
            InstanceFilter {
                name: Some("one-2"),
                ..everything
            },
            Page::ALL
        )
        .await,
        (vec!["one-2".to_owned()], 1)
    );
    assert_eq!(
        names(
            InstanceFilter {
                name: Some("one-2"),
                ..region
            },
            Page::ALL
        )
        .await,
        (vec![], 0)
    );

    let quota = async |name: &str, most| {
        store
            .apply(
                write()
                    .then(instances::insert(&instance(&owner, name)))
                    .then(quota::instances_within(owner.id, most)),
            )
            .await
    };
    quota("sixth", 6).await.unwrap();
    let refused = quota("seventh", 6).await.unwrap_err();
    assert_eq!(
        refused.kind(),
        &ErrorKind::QuotaExceeded {
            noun: Noun::Instance
        }
    );
    assert_eq!(
        refused.message(),
        "The account may have 6 instances and no more; delete one that nobody needs."
    );
}
