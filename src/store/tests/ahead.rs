//! Reads that go to the database together answer as each would alone.

use super::identities::{policy, to_user, user};
use super::registry::{namespace, repository};
use super::*;
use crate::domain::ids::UserId;
use crate::domain::tag::Tag;
use crate::store::ahead;
use crate::store::page::Page;
use crate::store::policy::PolicyKind;
use crate::store::tag::Tagged;
use crate::store::{
    account as accounts, credential as credentials, instance as instances, namespace as namespaces,
    policy as policies, repository as repositories, repository_policy, tag as tags, user as users,
};

on_both_databases! {
    what_is_read_together_is_what_is_read_alone
    what_isnt_there_is_missing_beside_what_is
}

/// An instance with a credential, a user with a policy, a namespace and a repository.
async fn furnished(place: &Place) -> (Store, Account, Instance, LongTermCredential) {
    let store = place.store().await;
    let owner = account(1);
    let home = instance(&owner, "home");
    let (team, log_in) = (namespace(&home, "team"), credential(&home));
    let tag = Tag {
        key: "env".to_owned(),
        value: "test".to_owned(),
    };
    all(
        &store,
        [
            accounts::insert(&owner),
            instances::insert(&home),
            users::insert(&user(&owner, 11, "ann")),
            policies::create(&policy(&owner, "pull")),
            policies::attach(owner.id, "pull", PolicyKind::Own, &to_user("ann")),
            namespaces::insert(&team, QUOTA),
            repositories::insert(&team, &repository(&team, "app"), QUOTA),
            tags::set(Tagged::Instance(&home.id), &[tag]),
            credentials::insert(&log_in, QUOTA),
        ],
    )
    .await;
    (store, owner, home, log_in)
}

async fn what_is_read_together_is_what_is_read_alone(place: &Place) {
    let (store, owner, home, log_in) = furnished(place).await;
    let (found, credential) = ahead::log_in(&store, &home.service, &log_in.id)
        .await
        .unwrap();
    assert_eq!(
        format!("{found:?}"),
        format!(
            "{:?}",
            instances::find_by_service(&store, &home.service)
                .await
                .unwrap()
        )
    );
    assert_eq!(format!("{credential:?}"), format!("{:?}", Some(log_in)));

    let ann = user(&owner, 11, "ann");
    let paths = [("team", "app"), ("team", "none")];
    let read = ahead::of_user(&store, ann.id, &home.id, &paths)
        .await
        .unwrap();
    assert_eq!(read.user, users::find(&store, ann.id).await.unwrap());
    assert_eq!(
        read.documents,
        policies::documents_of_user(&store, ann.id).await.unwrap()
    );
    assert_eq!(
        read.tags,
        tags::list(&store, Tagged::Instance(&home.id))
            .await
            .unwrap()
    );
    let all_there = namespaces::list(&store, &home.id, None, Page::ALL);
    assert_eq!(read.surroundings.namespaces, all_there.await.unwrap().items);
    for ((namespace, name), known) in paths.iter().zip(&read.surroundings.repositories) {
        let alone = repository_policy::known(&store, &home.id, namespace, name);
        assert_eq!(*known, alone.await.unwrap());
    }
    let is_known = read.surroundings.repositories.iter().map(Option::is_some);
    assert_eq!(is_known.collect::<Vec<_>>(), [true, false]);

    let (account, of_root) = ahead::of_root(&store, owner.id, &home.id, &paths)
        .await
        .unwrap();
    assert_eq!(
        format!("{account:?}"),
        format!("{:?}", accounts::find(&store, owner.id).await.unwrap())
    );
    assert_eq!(of_root.namespaces, read.surroundings.namespaces);
    assert_eq!(of_root.repositories, read.surroundings.repositories);
}

async fn what_isnt_there_is_missing_beside_what_is(place: &Place) {
    let (store, _, home, log_in) = furnished(place).await;
    let elsewhere = ahead::log_in(&store, "elsewhere.example.com", &log_in.id);
    let (instance, credential) = elsewhere.await.unwrap();
    assert!(instance.is_none() && credential.is_some());
    let nobody = UserId::new(99).unwrap();
    let read = ahead::of_user(&store, nobody, &home.id, &[]).await.unwrap();
    assert_eq!((read.user, read.documents), (None, Vec::new()));
    assert_eq!(
        (read.tags.len(), read.surroundings.namespaces.len()),
        (1, 1)
    );
}
