//! The names of an instance: its ids, its service, the mark of the default.

use super::*;
use crate::store::{account as accounts, instance as instances};

on_both_databases! {
    an_instance_is_found_by_every_name_it_has
    an_instance_needs_its_account
    a_deleted_instance_frees_its_name_and_keeps_its_service
    an_instance_has_its_name_in_its_account_and_its_service_everywhere
    marking_a_default_unmarks_the_other
}

/// A store with an account and one instance of it.
async fn one_instance(place: &Place) -> (Store, Instance) {
    let store = place.store().await;
    let owner = account(1);
    let one = Instance {
        registry_url: Some("https://one.example.com".to_owned()),
        ecr_host: Some("ecr.example.com".to_owned()),
        ..instance(&owner, "one")
    };
    all(&store, [accounts::insert(&owner), instances::insert(&one)]).await;
    (store, one)
}

async fn an_instance_is_found_by_every_name_it_has(place: &Place) {
    let (store, one) = one_instance(place).await;
    let found = [
        instances::find(&store, &one.id).await.unwrap(),
        instances::find_by_cri_id(&store, &one.cri_id)
            .await
            .unwrap(),
        instances::find_by_service(&store, &one.service)
            .await
            .unwrap(),
        instances::list(&store, Some(one.account))
            .await
            .unwrap()
            .pop(),
        instances::list(&store, None).await.unwrap().pop(),
    ];
    for found in found {
        assert_eq!(format!("{:?}", found.unwrap()), format!("{one:?}"));
    }
    let (id, cri_id) = (
        InstanceId::random(&SystemRandom),
        CriId::random(&SystemRandom),
    );
    let others = [
        instances::find(&store, &id).await.unwrap(),
        instances::find_by_cri_id(&store, &cri_id).await.unwrap(),
        instances::find_by_service(&store, "two.example.com")
            .await
            .unwrap(),
    ];
    for other in others {
        assert!(other.is_none());
    }
}

async fn an_instance_needs_its_account(place: &Place) {
    let store = place.store().await;
    let one = instance(&account(1), "one");
    assert_eq!(
        kind(apply(&store, instances::insert(&one)).await),
        ErrorKind::NotFound {
            noun: Noun::Account
        }
    );
}

async fn a_deleted_instance_frees_its_name_and_keeps_its_service(place: &Place) {
    let (store, one) = one_instance(place).await;
    let deleted = raw("instance", "UPDATE instance SET deleted_at = 1");
    apply(&store, deleted).await.unwrap();
    assert!(instances::find(&store, &one.id).await.unwrap().is_none());
    assert!(instances::list(&store, None).await.unwrap().is_empty());
    let again = Instance {
        service: one.service.clone(),
        ..instance(&account(1), "one")
    };
    let refusal = apply(&store, instances::insert(&again)).await.unwrap_err();
    assert!(
        refusal.message().contains("choose another service"),
        "{refusal}"
    );
    // The name alone is free again.
    let again = Instance {
        service: "new.example.com".to_owned(),
        ..again
    };
    apply(&store, instances::insert(&again)).await.unwrap();
}

async fn an_instance_has_its_name_in_its_account_and_its_service_everywhere(place: &Place) {
    let store = place.store().await;
    let (owner, other) = (account(1), account(2));
    let one = instance(&owner, "one");
    store
        .apply(
            write()
                .then(accounts::insert(&owner))
                .then(accounts::insert(&other))
                .then(instances::insert(&one)),
        )
        .await
        .unwrap();

    let same_name = Instance {
        service: "two.example.com".to_owned(),
        ..instance(&owner, "one")
    };
    let refusal = apply(&store, instances::insert(&same_name))
        .await
        .unwrap_err();
    assert_eq!(
        refusal.message(),
        "Account 1 has an instance named one already; choose another name."
    );
    apply(
        &store,
        instances::insert(&Instance {
            account: other.id,
            ..same_name
        }),
    )
    .await
    .unwrap();

    let same_service = Instance {
        name: "three".to_owned(),
        account: other.id,
        ..instance(&owner, "one")
    };
    let refusal = apply(&store, instances::insert(&same_service))
        .await
        .unwrap_err();
    assert_eq!(
        refusal.kind(),
        &ErrorKind::AlreadyExists {
            noun: Noun::Instance
        }
    );
    assert!(
        refusal.message().contains("choose another service"),
        "{refusal}"
    );
}

async fn marking_a_default_unmarks_the_other(place: &Place) {
    let store = place.store().await;
    let (owner, other) = (account(1), account(2));
    let marked = |owner: &Account, name: &str| Instance {
        default: DefaultMark::Marked,
        ..instance(owner, name)
    };
    let (one, two, foreign) = (
        marked(&owner, "one"),
        marked(&owner, "two"),
        marked(&other, "foreign"),
    );
    store
        .apply(
            write()
                .then(accounts::insert(&owner))
                .then(accounts::insert(&other)),
        )
        .await
        .unwrap();
    for instance in [&one, &foreign, &two] {
        apply(&store, instances::insert(instance)).await.unwrap();
    }
    let defaults = async || -> Vec<String> {
        let all = instances::list(&store, None).await.unwrap();
        let mut names: Vec<_> = all
            .into_iter()
            .filter(|one| one.default == DefaultMark::Marked)
            .map(|one| one.name)
            .collect();
        names.sort();
        names
    };
    assert_eq!(defaults().await, ["foreign", "two"]);
}
