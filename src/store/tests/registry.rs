//! The contents of an instance: namespaces, repositories, tags, the allow list.

use crate::domain::Noun;
use std::time::Duration;

use tokio::task::JoinSet;

use super::log_ins::service_account;
use super::*;
use crate::domain::allow_list::{AllowEntry, AllowList};
use crate::domain::namespace::{Namespace, NamespaceChange, NamespaceId, Severity, Visibility};
use crate::domain::repository::{Repository, RepositoryChange, RepositoryId};
use crate::domain::tag::Tag;
use crate::store::cascade::Contents;
use crate::store::page::{Listed, Page};
use crate::store::quota::Usage;
use crate::store::repository::{RepositoryFilter, RepositoryOrder};
use crate::store::tag::Tagged;
use crate::store::{
    account as accounts, allow_list as allow_lists, credential as credentials,
    instance as instances, namespace as namespaces, quota, repository as repositories,
    service_account as service_accounts, tag as tags,
};

on_both_databases! {
    a_namespace_is_found_changed_and_listed
    a_namespace_is_deleted_when_it_is_empty_or_with_its_repositories
    a_repository_is_found_changed_and_deleted
    repositories_are_listed_in_any_order
    what_a_registry_has_is_recorded_once
    a_quota_holds_in_a_race
    tags_are_set_replaced_and_removed
    an_allow_list_keeps_its_order_and_its_version
    rows_of_the_registry_that_will_not_convert_are_named
}

pub(super) fn later(seconds: u64) -> Timestamp {
    NOW.plus(Duration::from_secs(seconds))
}

/// A store with an account and two instances of it.
pub(super) async fn home_and_other(place: &Place) -> (Store, Instance, Instance) {
    let store = place.store().await;
    let owner = account(1);
    let (home, other) = (instance(&owner, "home"), instance(&owner, "other"));
    all(
        &store,
        [
            accounts::insert(&owner),
            instances::insert(&home),
            instances::insert(&other),
        ],
    )
    .await;
    (store, home, other)
}

pub(super) fn namespace(of: &Instance, name: &str) -> Namespace {
    Namespace {
        id: NamespaceId::random(&SystemRandom),
        number: Namespace::random_number(&SystemRandom),
        instance: of.id.clone(),
        name: name.to_owned(),
        visibility: Visibility::Private,
        auto_create_repository: Switch::On,
        default_visibility: Visibility::Private,
        default_tag_immutability: Switch::Off,
        auto_scan: Switch::Off,
        prevent_vulnerable: Switch::Off,
        severity: Severity::Unset,
        allowed_cves: vec![],
        created_at: NOW,
        modified_at: NOW,
    }
}

pub(super) fn repository(of: &Namespace, name: &str) -> Repository {
    Repository {
        id: RepositoryId::random(&SystemRandom),
        instance: of.instance.clone(),
        namespace: of.id.clone(),
        namespace_name: of.name.clone(),
        name: name.to_owned(),
        visibility: Visibility::Private,
        summary: "an app".to_owned(),
        detail: "# 应用\n".to_owned(),
        tag_immutability: Switch::Off,
        tag_exclusions: Vec::new(),
        scan_on_push: Switch::Off,
        created_at: NOW,
        modified_at: NOW,
    }
}

pub(super) fn tag(key: &str, value: &str) -> Tag {
    Tag {
        key: key.to_owned(),
        value: value.to_owned(),
    }
}

pub(super) fn allowed(range: &str) -> AllowEntry {
    AllowEntry {
        cidr: range.parse().unwrap(),
        written: range.to_owned(),
        comment: format!("the office at {range}"),
    }
}

pub(super) fn forbidden(noun: Noun, message: &str) -> (ErrorKind, String) {
    (ErrorKind::PreconditionFailed { noun }, message.to_owned())
}

pub(super) fn no_instance() -> (ErrorKind, String) {
    (
        ErrorKind::InstanceNotFound,
        "The instance does not exist.".to_owned(),
    )
}

async fn a_namespace_is_found_changed_and_listed(place: &Place) {
    let (store, home, other) = home_and_other(place).await;
    let team = namespace(&home, "team");
    let feed = [entry(Entity::Namespace, &format!("{}/team", home.id))];
    assert_eq!(
        announced(&store, namespaces::insert(&team, QUOTA)).await,
        feed
    );
    let taken = (
        ErrorKind::AlreadyExists {
            noun: Noun::Namespace,
        },
        "The instance has a namespace named team already; choose another name.".to_owned(),
    );
    assert_eq!(
        refusal(&store, namespaces::insert(&namespace(&home, "team"), QUOTA)).await,
        taken
    );
    apply(
        &store,
        namespaces::insert(&namespace(&other, "team"), QUOTA),
    )
    .await
    .unwrap();
    let nowhere = Namespace {
        instance: InstanceId::random(&SystemRandom),
        ..namespace(&home, "x")
    };
    assert_eq!(
        refusal(&store, namespaces::insert(&nowhere, QUOTA)).await,
        no_instance()
    );

    assert_eq!(
        namespaces::find(&store, &home.id, "team")
            .await
            .unwrap()
            .as_ref(),
        Some(&team)
    );
    assert_eq!(
        namespaces::find(&store, &home.id, "teams").await.unwrap(),
        None
    );
    assert_eq!(
        namespaces::find_by_id(&store, &home.id, &team.id)
            .await
            .unwrap()
            .as_ref(),
        Some(&team)
    );
    assert_eq!(
        namespaces::find_by_id(&store, &other.id, &team.id)
            .await
            .unwrap(),
        None
    );

    let tencent = NamespaceChange {
        visibility: Some(Visibility::Public),
        auto_scan: Some(Switch::On),
        prevent_vulnerable: Some(Switch::On),
        severity: Some(Severity::High),
        allowed_cves: Some(vec![
            "CVE-2021-44228".to_owned(),
            "CVE-2014-0160".to_owned(),
        ]),
        ..NamespaceChange::default()
    };
    assert_eq!(
        announced(&store, namespaces::update(&team, &tencent, later(1))).await,
        feed
    );
    let mut expected = Namespace {
        visibility: Visibility::Public,
        auto_scan: Switch::On,
        prevent_vulnerable: Switch::On,
        severity: Severity::High,
        allowed_cves: vec!["CVE-2021-44228".to_owned(), "CVE-2014-0160".to_owned()],
        modified_at: later(1),
        ..team.clone()
    };
    assert_eq!(
        namespaces::find(&store, &home.id, "team")
            .await
            .unwrap()
            .as_ref(),
        Some(&expected)
    );
    let alibaba = NamespaceChange {
        auto_create_repository: Some(Switch::Off),
        default_visibility: Some(Visibility::Public),
        default_tag_immutability: Some(Switch::On),
        severity: Some(Severity::Unset),
        allowed_cves: Some(vec![]),
        ..NamespaceChange::default()
    };
    apply(&store, namespaces::update(&team, &alibaba, later(2)))
        .await
        .unwrap();
    expected = Namespace {
        auto_create_repository: Switch::Off,
        default_visibility: Visibility::Public,
        default_tag_immutability: Switch::On,
        severity: Severity::Unset,
        allowed_cves: vec![],
        modified_at: later(2),
        ..expected
    };
    assert_eq!(
        namespaces::find(&store, &home.id, "team")
            .await
            .unwrap()
            .as_ref(),
        Some(&expected)
    );

    for number in 1..5 {
        apply(
            &store,
            namespaces::insert(
                &Namespace {
                    created_at: later(number),
                    ..namespace(&home, &format!("n{number}"))
                },
                5,
            ),
        )
        .await
        .unwrap();
    }
    let list = async |name, offset, limit| {
        namespaces::list(&store, &home.id, name, Page { offset, limit })
            .await
            .unwrap()
    };
    let names = |listed: &Listed<Namespace>| {
        listed
            .items
            .iter()
            .map(|one| one.name.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        names(&list(None, 0, None).await),
        ["team", "n1", "n2", "n3", "n4"]
    );
    let page = list(None, 3, Some(2)).await;
    assert_eq!(
        (names(&page), page.total),
        (vec!["n3".to_owned(), "n4".to_owned()], 5)
    );
    assert_eq!(
        list(None, 9, Some(2)).await,
        Listed {
            items: vec![],
            total: 5
        }
    );
    assert_eq!(
        list(Some("team"), 0, Some(200)).await,
        Listed {
            items: vec![expected],
            total: 1
        }
    );
    assert_eq!(
        list(Some("tea"), 0, Some(200)).await,
        Listed {
            items: vec![],
            total: 0
        }
    );

    let full = (
        ErrorKind::QuotaExceeded {
            noun: Noun::Namespace,
        },
        "The instance may have 5 namespaces and no more; delete some that nobody needs.".to_owned(),
    );
    assert_eq!(
        refusal(&store, namespaces::insert(&namespace(&home, "n5"), 5)).await,
        full
    );
    assert_eq!(
        refusal(
            &store,
            namespaces::update(&namespace(&home, "gone"), &alibaba, NOW)
        )
        .await,
        not_found(Noun::Namespace, "gone")
    );
}

async fn a_namespace_is_deleted_when_it_is_empty_or_with_its_repositories(place: &Place) {
    let (store, home, _) = home_and_other(place).await;
    let (team, kept) = (namespace(&home, "team"), namespace(&home, "kept"));
    let app = repository(&kept, "app");
    let robot = service_account(&home, "robot");
    all(
        &store,
        [
            namespaces::insert(&team, QUOTA),
            namespaces::insert(&kept, QUOTA),
            service_accounts::insert(&robot, QUOTA),
        ],
    )
    .await;
    all(
        &store,
        [
            repositories::insert(&team, &repository(&team, "app"), QUOTA),
            repositories::insert(&kept, &app, QUOTA),
            tags::set(Tagged::Namespace(&team), &[tag("a", "b")]),
            tags::set(Tagged::Namespace(&kept), &[tag("a", "c")]),
        ],
    )
    .await;
    let refused = forbidden(
        Noun::Namespace,
        "The namespace team has repositories; delete them first.",
    );
    assert_eq!(
        refusal(
            &store,
            cascade::delete_namespace(&team, Contents::MustBeGone)
        )
        .await,
        refused
    );
    let feed = [entry(Entity::Namespace, &format!("{}/team", home.id))];
    assert_eq!(
        announced(&store, cascade::delete_namespace(&team, Contents::GoToo)).await,
        feed
    );
    for contents in [Contents::MustBeGone, Contents::GoToo] {
        assert_eq!(
            refusal(&store, cascade::delete_namespace(&team, contents)).await,
            not_found(Noun::Namespace, "team")
        );
    }
    assert_eq!(
        namespaces::list(&store, &home.id, None, Page::ALL)
            .await
            .unwrap(),
        Listed {
            items: vec![kept.clone()],
            total: 1
        }
    );
    let left = repositories::list(&store, &home.id, RepositoryFilter::default(), Page::ALL)
        .await
        .unwrap();
    assert_eq!(
        left,
        Listed {
            items: vec![app.clone()],
            total: 1
        }
    );
    assert_eq!(
        tags::list_of_namespaces(&store, &home.id).await.unwrap(),
        [(kept.id.clone(), tag("a", "c"))]
    );

    // A namespace that is given the name later isn't open to whom the first was.
    let permissions = service_accounts::find(&store, &home.id, "robot")
        .await
        .unwrap()
        .unwrap()
        .permissions;
    assert_eq!(
        robot.permissions.keys().collect::<Vec<_>>(),
        ["kept", "team"]
    );
    assert_eq!(permissions.keys().collect::<Vec<_>>(), ["kept"]);

    apply(&store, repositories::delete(&app)).await.unwrap();
    apply(
        &store,
        cascade::delete_namespace(&kept, Contents::MustBeGone),
    )
    .await
    .unwrap();
    assert_eq!(
        namespaces::list(&store, &home.id, None, Page::ALL)
            .await
            .unwrap()
            .total,
        0
    );
}

async fn a_repository_is_found_changed_and_deleted(place: &Place) {
    let (store, home, other) = home_and_other(place).await;
    let (team, quiet) = (namespace(&home, "team"), namespace(&home, "quiet"));
    let app = repository(&team, "app");
    assert_eq!(
        refusal(&store, repositories::insert(&team, &app, QUOTA)).await,
        not_found(Noun::Namespace, "team")
    );
    all(
        &store,
        [
            namespaces::insert(&team, QUOTA),
            namespaces::insert(&quiet, QUOTA),
        ],
    )
    .await;
    let feed = [entry(Entity::Repositories, &format!("{}/team", home.id))];
    assert_eq!(
        announced(&store, repositories::insert(&team, &app, QUOTA)).await,
        feed
    );
    let taken = (
        ErrorKind::AlreadyExists {
            noun: Noun::Repository,
        },
        "There is a repository team/app already; choose another name.".to_owned(),
    );
    assert_eq!(
        refusal(
            &store,
            repositories::insert(&team, &repository(&team, "app"), QUOTA)
        )
        .await,
        taken
    );
    apply(
        &store,
        repositories::insert(&quiet, &repository(&quiet, "app"), 2),
    )
    .await
    .unwrap();
    // The quota is of the instance, over all its namespaces.
    let full = refusal(
        &store,
        repositories::insert(&quiet, &repository(&quiet, "web"), 2),
    )
    .await;
    assert_eq!(
        full.0,
        ErrorKind::QuotaExceeded {
            noun: Noun::Repository
        }
    );
    assert_eq!(
        full.1,
        "The instance may have 2 repositories and no more; delete some that nobody needs."
    );

    assert_eq!(
        repositories::find(&store, &home.id, "team", "app")
            .await
            .unwrap()
            .as_ref(),
        Some(&app)
    );
    assert_eq!(
        repositories::find(&store, &home.id, "team", "ap")
            .await
            .unwrap(),
        None
    );
    assert_eq!(
        repositories::find(&store, &other.id, "team", "app")
            .await
            .unwrap(),
        None
    );
    assert_eq!(
        repositories::find_by_id(&store, &home.id, &app.id)
            .await
            .unwrap()
            .as_ref(),
        Some(&app)
    );
    assert_eq!(
        repositories::find_by_id(&store, &other.id, &app.id)
            .await
            .unwrap(),
        None
    );

    let open = RepositoryChange {
        visibility: Some(Visibility::Public),
        tag_immutability: Some(Switch::On),
        tag_exclusions: Some(vec!["v*".to_owned(), "latest".to_owned()]),
        scan_on_push: Some(Switch::On),
        ..RepositoryChange::default()
    };
    assert_eq!(
        announced(&store, repositories::update(&app, &open, later(1))).await,
        feed
    );
    let words = RepositoryChange {
        summary: Some(String::new()),
        detail: Some("new".to_owned()),
        ..RepositoryChange::default()
    };
    apply(&store, repositories::update(&app, &words, later(2)))
        .await
        .unwrap();
    let expected = Repository {
        visibility: Visibility::Public,
        tag_immutability: Switch::On,
        tag_exclusions: vec!["v*".to_owned(), "latest".to_owned()],
        scan_on_push: Switch::On,
        summary: String::new(),
        detail: "new".to_owned(),
        modified_at: later(2),
        ..app.clone()
    };
    assert_eq!(
        repositories::find(&store, &home.id, "team", "app")
            .await
            .unwrap(),
        Some(expected)
    );

    let none = repositories::NO_TAGS;
    let tagged = repositories::set_tags(&app, none, r#"{"a":"1"}"#);
    assert_eq!(announced(&store, tagged).await, feed);
    let raced = repositories::set_tags(&app, none, "{}");
    assert_eq!(
        refusal(&store, raced).await,
        not_found(Noun::Repository, "team/app")
    );
    assert_eq!(
        repositories::tags(&store, &app.id)
            .await
            .unwrap()
            .as_deref(),
        Some(r#"{"a":"1"}"#)
    );

    assert_eq!(announced(&store, repositories::delete(&app)).await, feed);
    for part in [
        repositories::delete(&app),
        repositories::update(&app, &open, NOW),
    ] {
        assert_eq!(
            refusal(&store, part).await,
            not_found(Noun::Repository, "team/app")
        );
    }
}

async fn repositories_are_listed_in_any_order(place: &Place) {
    let (store, home, _) = home_and_other(place).await;
    let (team, base) = (namespace(&home, "team"), namespace(&home, "base"));
    all(
        &store,
        [
            namespaces::insert(&team, QUOTA),
            namespaces::insert(&base, QUOTA),
        ],
    )
    .await;
    // By when they were made: c, a, b; by when they were changed: b, c, a.
    for (of, name, made, changed) in [(&team, "c", 1, 8), (&team, "a", 2, 9), (&base, "b", 3, 7)] {
        let one = Repository {
            created_at: later(made),
            modified_at: later(changed),
            ..repository(of, name)
        };
        apply(&store, repositories::insert(of, &one, QUOTA))
            .await
            .unwrap();
    }
    let names = async |namespace, name, order, offset, limit| {
        let filter = RepositoryFilter {
            namespace,
            name,
            order,
        };
        let Listed { items, total } =
            repositories::list(&store, &home.id, filter, Page { offset, limit })
                .await
                .unwrap();
        (
            items.into_iter().map(|one| one.name).collect::<String>(),
            total,
        )
    };
    for (order, expected) in [
        (RepositoryOrder::OldestFirst, "cab"),
        (RepositoryOrder::NewestFirst, "bac"),
        (RepositoryOrder::ByName, "bac"),
        (RepositoryOrder::ByNameDescending, "cab"),
        (RepositoryOrder::EarliestChangeFirst, "bca"),
        (RepositoryOrder::LatestChangeFirst, "acb"),
    ] {
        assert_eq!(
            names(None, None, order, 0, None).await,
            (expected.to_owned(), 3),
            "{order:?}"
        );
        assert_eq!(
            names(None, None, order, 1, Some(1)).await,
            (expected[1..2].to_owned(), 3),
            "{order:?}"
        );
        assert_eq!(
            names(None, None, order, 3, Some(1)).await,
            (String::new(), 3),
            "{order:?}"
        );
    }
    let order = RepositoryOrder::default();
    assert_eq!(
        names(Some("team"), None, order, 0, Some(100)).await,
        ("ca".to_owned(), 2)
    );
    assert_eq!(
        names(Some("team"), Some("a"), order, 0, Some(100)).await,
        ("a".to_owned(), 1)
    );
    assert_eq!(
        names(None, Some("b"), order, 0, Some(100)).await,
        ("b".to_owned(), 1)
    );
    assert_eq!(
        names(Some("team"), Some("b"), order, 0, Some(100)).await,
        (String::new(), 0)
    );
}

async fn what_a_registry_has_is_recorded_once(place: &Place) {
    let (store, home, _) = home_and_other(place).await;
    let team = namespace(&home, "team");
    let known = Repository {
        summary: "known".to_owned(),
        ..repository(&team, "a")
    };
    assert_eq!(
        refusal(
            &store,
            repositories::import(&team, std::slice::from_ref(&known))
        )
        .await,
        not_found(Noun::Namespace, "team")
    );
    all(
        &store,
        [
            namespaces::insert(&team, QUOTA),
            repositories::insert(&team, &known, QUOTA),
        ],
    )
    .await;
    let found = [
        repository(&team, "a"),
        repository(&team, "b/c"),
        repository(&team, "b/c"),
    ];
    assert_eq!(
        announced(&store, repositories::import(&team, &found)).await,
        [entry(Entity::Repositories, &format!("{}/team", home.id))]
    );
    let listed = repositories::list(
        &store,
        &home.id,
        RepositoryFilter {
            order: RepositoryOrder::ByName,
            ..Default::default()
        },
        Page::ALL,
    );
    assert_eq!(listed.await.unwrap().items, [known, found[1].clone()]);
}

async fn a_quota_holds_in_a_race(place: &Place) {
    let (store, home, _) = home_and_other(place).await;
    let team = namespace(&home, "team");
    apply(&store, namespaces::insert(&team, QUOTA))
        .await
        .unwrap();
    let race = async |part: &dyn Fn(u8) -> Part| {
        let mut writes = JoinSet::new();
        for number in 0..16 {
            let (store, part) = (store.clone(), part(number));
            writes.spawn(async move { apply(&store, part).await });
        }
        let (landed, refused): (Vec<_>, Vec<_>) =
            writes.join_all().await.into_iter().partition(Result::is_ok);
        for error in refused.into_iter().map(Result::unwrap_err) {
            assert!(
                matches!(error.kind(), ErrorKind::QuotaExceeded { .. }),
                "{error:?}"
            );
        }
        landed.len()
    };
    // Several rounds, each with room for three more: in one alone, the first may be done before the
    // second begins.
    for round in 1..=4_u8 {
        let (most, name) = (u32::from(round) * 3, |number| format!("n{round}-{number}"));
        assert_eq!(
            race(&|number| namespaces::insert(&namespace(&home, &name(number)), most + 1)).await,
            3
        );
        assert_eq!(
            race(&|number| repositories::insert(&team, &repository(&team, &name(number)), most))
                .await,
            3
        );
        assert_eq!(
            race(&|_| credentials::insert(&credential(&home), most)).await,
            3
        );
        assert_eq!(
            race(&|number| service_accounts::insert(&service_account(&home, &name(number)), most))
                .await,
            3
        );
        // Two at a time: of three places, the second pair would need four.
        let pair =
            |number| ["2", "3"].map(|third| allowed(&format!("192.{round}.{third}.{number}")));
        assert_eq!(
            race(&|number| allow_lists::add(&home.id, &pair(number), u32::from(round) * 2 + 1))
                .await,
            1
        );
    }
    let usage = quota::usage(&store, &home.id).await.unwrap();
    assert_eq!(
        usage,
        Some(Usage {
            credentials: 12,
            namespaces: 13,
            repositories: 12,
            service_accounts: 12
        })
    );
    assert_eq!(
        allow_lists::find(&store, &home.id)
            .await
            .unwrap()
            .unwrap()
            .entries
            .len(),
        8
    );
}

async fn tags_are_set_replaced_and_removed(place: &Place) {
    let (store, home, other) = home_and_other(place).await;
    let team = namespace(&home, "team");
    let gone = namespace(&home, "gone");
    apply(&store, namespaces::insert(&team, QUOTA))
        .await
        .unwrap();
    let on_home = Tagged::Instance(&home.id);
    let set = tags::set(on_home, &[tag("team", "blue"), tag("部门", "")]);
    assert_eq!(
        announced(&store, set).await,
        [entry(Entity::Instance, home.id.as_str())]
    );
    apply(
        &store,
        tags::set(on_home, &[tag("team", "red"), tag("cost", "1")]),
    )
    .await
    .unwrap();
    assert_eq!(
        tags::list(&store, on_home).await.unwrap(),
        [tag("cost", "1"), tag("team", "red"), tag("部门", "")]
    );

    let set = tags::set(Tagged::Namespace(&team), &[tag("team", "green")]);
    assert_eq!(
        announced(&store, set).await,
        [entry(Entity::Namespace, &format!("{}/team", home.id))]
    );
    apply(
        &store,
        tags::set(Tagged::Instance(&other.id), &[tag("x", "y")]),
    )
    .await
    .unwrap();
    let of_account = tags::list_of_instances(&store, home.account).await.unwrap();
    let mut expected = vec![
        (home.id.clone(), tag("cost", "1")),
        (home.id.clone(), tag("team", "red")),
        (home.id.clone(), tag("部门", "")),
        (other.id.clone(), tag("x", "y")),
    ];
    // Of equal rank in the order of ids, which are random.
    expected.sort();
    let sorted = |mut tags: Vec<(InstanceId, Tag)>| {
        tags.sort();
        tags
    };
    assert_eq!(sorted(of_account), expected);
    assert_eq!(
        tags::list_of_namespaces(&store, &home.id).await.unwrap(),
        [(team.id.clone(), tag("team", "green"))]
    );

    apply(&store, tags::remove(on_home, ["cost", "never"]))
        .await
        .unwrap();
    assert_eq!(
        tags::list(&store, on_home).await.unwrap(),
        [tag("team", "red"), tag("部门", "")]
    );
    let twenty: Vec<Tag> = (0..20)
        .map(|number| tag(&format!("key-{number:02}"), "v"))
        .collect();
    apply(&store, tags::replace(on_home, &twenty))
        .await
        .unwrap();
    assert_eq!(tags::list(&store, on_home).await.unwrap(), twenty);
    let too_many = (
        ErrorKind::QuotaExceeded { noun: Noun::Tag },
        "A thing may have 20 tags and no more; remove some.".to_owned(),
    );
    assert_eq!(
        refusal(
            &store,
            tags::set(on_home, &[tag("key-00", "new"), tag("one-more", "")])
        )
        .await,
        too_many
    );
    assert_eq!(tags::list(&store, on_home).await.unwrap(), twenty);
    apply(&store, tags::replace(Tagged::Namespace(&team), &[]))
        .await
        .unwrap();
    assert_eq!(
        tags::list(&store, Tagged::Namespace(&team)).await.unwrap(),
        []
    );

    let nowhere = InstanceId::random(&SystemRandom);
    assert_eq!(
        refusal(
            &store,
            tags::set(Tagged::Instance(&nowhere), &[tag("a", "b")])
        )
        .await,
        no_instance()
    );
    assert_eq!(
        refusal(
            &store,
            tags::set(Tagged::Namespace(&gone), &[tag("a", "b")])
        )
        .await,
        not_found(Noun::Namespace, "gone")
    );
    assert_eq!(
        refusal(&store, tags::remove(Tagged::Namespace(&gone), ["a"])).await,
        not_found(Noun::Namespace, "gone")
    );
}

async fn an_allow_list_keeps_its_order_and_its_version(place: &Place) {
    let (store, home, other) = home_and_other(place).await;
    assert_eq!(
        allow_lists::find(&store, &home.id).await.unwrap(),
        Some(AllowList::default())
    );
    let (a, b, c, d) = (
        allowed("203.0.113.0/24"),
        allowed("3.3.3.3"),
        allowed("192.168.0.7/16"),
        allowed("2001:db8::/32"),
    );
    let feed = [entry(Entity::AllowList, home.id.as_str())];
    assert_eq!(
        announced(
            &store,
            allow_lists::add(&home.id, &[a.clone(), b.clone()], QUOTA)
        )
        .await,
        feed
    );
    apply(
        &store,
        allow_lists::add(&home.id, std::slice::from_ref(&c), QUOTA),
    )
    .await
    .unwrap();
    let list = async || allow_lists::find(&store, &home.id).await.unwrap().unwrap();
    assert_eq!(
        list().await,
        AllowList {
            version: 2,
            entries: vec![a.clone(), b.clone(), c.clone()]
        }
    );

    // Whole or not at all: one of them is there, however it is written, or comes twice.
    let taken = |range: &str| {
        (
            ErrorKind::AlreadyExists {
                noun: Noun::AllowListEntry,
            },
            format!("The allow list has {range} already, or is given it twice."),
        )
    };
    assert_eq!(
        refusal(
            &store,
            allow_lists::add(&home.id, &[d.clone(), allowed("192.168.9.9/16")], QUOTA)
        )
        .await,
        taken("192.168.0.0/16")
    );
    assert_eq!(
        refusal(
            &store,
            allow_lists::add(&home.id, &[d.clone(), d.clone()], QUOTA)
        )
        .await,
        taken("2001:db8::/32")
    );
    assert_eq!(
        refusal(
            &store,
            allow_lists::add(&home.id, std::slice::from_ref(&d), 3)
        )
        .await
        .0,
        ErrorKind::QuotaExceeded {
            noun: Noun::AllowListEntry
        }
    );
    assert_eq!(list().await.version, 2);
    apply(&store, allow_lists::add_if_absent(&home.id, &c))
        .await
        .unwrap();
    assert_eq!(
        list().await,
        AllowList {
            version: 3,
            entries: vec![a.clone(), b.clone(), c.clone()]
        }
    );

    assert_eq!(
        announced(&store, allow_lists::replace(&home.id, &b.cidr, &d)).await,
        feed
    );
    assert_eq!(list().await.entries, [a.clone(), d.clone(), c.clone()]);
    // Only what is written about it may change as well.
    let renamed = AllowEntry {
        comment: "home".to_owned(),
        ..d.clone()
    };
    apply(&store, allow_lists::replace(&home.id, &d.cidr, &renamed))
        .await
        .unwrap();
    assert_eq!(
        refusal(&store, allow_lists::replace(&home.id, &b.cidr, &d)).await,
        not_found(Noun::AllowListEntry, "3.3.3.3/32")
    );
    assert_eq!(
        refusal(&store, allow_lists::replace(&home.id, &d.cidr, &a)).await,
        taken("203.0.113.0/24")
    );

    assert_eq!(
        refusal(&store, allow_lists::delete(&home.id, &[a.cidr, b.cidr])).await,
        not_found(Noun::AllowListEntry, "3.3.3.3/32")
    );
    let stale = store
        .apply(
            write()
                .then(allow_lists::expect_version(&home.id, 4))
                .then(allow_lists::delete(&home.id, &[a.cidr])),
        )
        .await;
    assert_eq!(
        kind(stale),
        ErrorKind::PreconditionFailed {
            noun: Noun::AllowList
        }
    );
    assert_eq!(
        list().await,
        AllowList {
            version: 5,
            entries: vec![a.clone(), renamed.clone(), c.clone()]
        }
    );
    store
        .apply(
            write()
                .then(allow_lists::expect_version(&home.id, 5))
                .then(allow_lists::delete(&home.id, &[a.cidr, c.cidr])),
        )
        .await
        .unwrap();
    assert_eq!(
        list().await,
        AllowList {
            version: 6,
            entries: vec![renamed]
        }
    );
    assert_eq!(
        allow_lists::find(&store, &other.id).await.unwrap(),
        Some(AllowList::default())
    );

    let nowhere = InstanceId::random(&SystemRandom);
    for part in [
        allow_lists::add(&nowhere, std::slice::from_ref(&a), QUOTA),
        allow_lists::add_if_absent(&nowhere, &a),
        allow_lists::replace(&nowhere, &a.cidr, &b),
        allow_lists::delete(&nowhere, &[a.cidr]),
        allow_lists::expect_version(&nowhere, 0),
    ] {
        assert_eq!(refusal(&store, part).await, no_instance());
    }
}

async fn rows_of_the_registry_that_will_not_convert_are_named(place: &Place) {
    let (store, home, _) = home_and_other(place).await;
    let team = namespace(&home, "team");
    let app = repository(&team, "app");
    all(
        &store,
        [
            namespaces::insert(&team, QUOTA),
            repositories::insert(&team, &app, QUOTA),
            allow_lists::add(&home.id, &[allowed("192.0.2.1")], QUOTA),
        ],
    )
    .await;
    let cause = |error: Error| {
        assert_eq!(error.kind(), &ErrorKind::Internal);
        error.cause().unwrap()
    };
    let (on_namespace, on_repository, on_home) = (
        format!("id {:?}: ", team.id.as_str()),
        format!("id {:?}: ", app.id.as_str()),
        format!("id {:?}: ", home.id.as_str()),
    );
    apply(&store, raw("", "UPDATE namespace SET auto_scan = 2"))
        .await
        .unwrap();
    let found = cause(
        namespaces::find(&store, &home.id, "team")
            .await
            .unwrap_err(),
    );
    assert_eq!(
        found,
        format!("table namespace, column auto_scan, {on_namespace}2 is neither 0 nor 1")
    );
    apply(
        &store,
        raw("", "UPDATE namespace SET auto_scan = 0, severity = 'dire'"),
    )
    .await
    .unwrap();
    let found = cause(
        namespaces::list(&store, &home.id, None, Page::ALL)
            .await
            .unwrap_err(),
    );
    assert!(
        found.starts_with(&format!("table namespace, column severity, {on_namespace}")),
        "{found}"
    );
    apply(
        &store,
        raw("", "UPDATE repository SET visibility = 'secret'"),
    )
    .await
    .unwrap();
    for found in [
        cause(
            repositories::find(&store, &home.id, "team", "app")
                .await
                .unwrap_err(),
        ),
        cause(
            repositories::list(&store, &home.id, RepositoryFilter::default(), Page::ALL)
                .await
                .unwrap_err(),
        ),
    ] {
        assert!(
            found.starts_with(&format!(
                "table repository, column visibility, {on_repository}"
            )),
            "{found}"
        );
    }
    apply(
        &store,
        raw("", "UPDATE allow_entry SET cidr = 'everywhere'"),
    )
    .await
    .unwrap();
    let found = cause(allow_lists::find(&store, &home.id).await.unwrap_err());
    assert!(
        found.starts_with(&format!("table instance, column cidr, {on_home}")),
        "{found}"
    );
    apply(
        &store,
        raw("", "UPDATE instance SET specification = 'huge'"),
    )
    .await
    .unwrap();
    let found = cause(instances::find(&store, &home.id).await.unwrap_err());
    assert!(
        found.starts_with(&format!("table instance, column specification, {on_home}")),
        "{found}"
    );
    apply(
        &store,
        raw(
            "",
            "UPDATE instance SET specification = 'basic', origin = 'nowhere'",
        ),
    )
    .await
    .unwrap();
    let found = cause(instances::find(&store, &home.id).await.unwrap_err());
    assert!(
        found.starts_with(&format!("table instance, column origin, {on_home}")),
        "{found}"
    );
}
