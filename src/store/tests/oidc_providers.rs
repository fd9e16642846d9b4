//! OpenID Connect providers.

use super::identities::owner_and_other;
use super::*;
use crate::domain::identity::{OidcAlgorithm, OidcProvider, OidcProviderChange};
use crate::store::oidc_provider as oidc_providers;

on_both_databases! {
    a_provider_needs_its_account_and_a_name_of_its_own_there
    a_provider_reads_back_with_its_audiences
    a_provider_changes_in_the_parts_that_are_named
    a_provider_that_is_gone_or_was_made_again_is_not_changed
    a_provider_is_deleted_once
}

fn actions() -> OidcProvider {
    OidcProvider {
        account: account(1).id,
        name: "actions".to_owned(),
        issuer: "https://token.actions.example.com".to_owned(),
        audiences: ["zeta", "alpha", "sts.example.com", "alpha"]
            .map(str::to_owned)
            .to_vec(),
        jwks: None,
        algorithms: vec![OidcAlgorithm::Rs256, OidcAlgorithm::EdDsa],
        created_at: NOW,
    }
}

fn cluster() -> OidcProvider {
    OidcProvider {
        name: "a-cluster".to_owned(),
        audiences: Vec::new(),
        jwks: Some("{\"keys\":[]}".to_owned()),
        ..actions()
    }
}

/// A provider of the other account.
fn foreign() -> OidcProvider {
    OidcProvider {
        account: account(2).id,
        audiences: vec!["foreign".to_owned()],
        ..actions()
    }
}

async fn a_provider_needs_its_account_and_a_name_of_its_own_there(place: &Place) {
    let store = place.store().await;
    let actions = actions();
    assert_eq!(
        refusal(&store, oidc_providers::insert(&actions)).await,
        not_found(Noun::Account, "1")
    );
    owner_and_other(&store).await;
    assert_eq!(
        announced(&store, oidc_providers::insert(&actions)).await,
        [entry(Entity::OidcProvider, "1/actions")]
    );
    apply(&store, oidc_providers::insert(&foreign()))
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
}

/// A store with two providers of the first account and one of the second.
async fn three_providers(place: &Place) -> (Store, Account, Account) {
    let store = place.store().await;
    let (owner, other) = owner_and_other(&store).await;
    let parts = [actions(), cluster(), foreign()].map(|made| oidc_providers::insert(&made));
    all(&store, parts).await;
    (store, owner, other)
}

async fn a_provider_reads_back_with_its_audiences(place: &Place) {
    let (store, owner, other) = three_providers(place).await;
    let (actions, cluster) = (actions(), cluster());
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
}

async fn a_provider_changes_in_the_parts_that_are_named(place: &Place) {
    let (store, owner, other) = three_providers(place).await;
    let (actions, keys) = (actions(), "{\"keys\":[{}]}".to_owned());
    let change = OidcProviderChange {
        jwks: Some(keys.clone()),
        ..OidcProviderChange::default()
    };
    assert_eq!(
        announced(&store, oidc_providers::update(&actions, &change)).await,
        [entry(Entity::OidcProvider, "1/actions")]
    );
    let change = OidcProviderChange {
        audiences: Some(vec!["beta".to_owned()]),
        algorithms: Some(vec![OidcAlgorithm::Es256]),
        ..OidcProviderChange::default()
    };
    apply(&store, oidc_providers::update(&actions, &change))
        .await
        .unwrap();
    let changed = OidcProvider {
        jwks: Some(keys),
        audiences: vec!["beta".to_owned()],
        algorithms: vec![OidcAlgorithm::Es256],
        ..actions
    };
    assert_eq!(
        oidc_providers::list(&store, owner.id).await.unwrap(),
        [cluster(), changed]
    );
    assert_eq!(
        oidc_providers::list(&store, other.id).await.unwrap(),
        [foreign()]
    );
}

async fn a_provider_that_is_gone_or_was_made_again_is_not_changed(place: &Place) {
    let (store, owner, _) = three_providers(place).await;
    let change = OidcProviderChange {
        audiences: Some(vec!["beta".to_owned()]),
        ..OidcProviderChange::default()
    };
    let again = OidcProvider {
        issuer: "https://other.example.com".to_owned(),
        ..actions()
    };
    let refused = refusal(&store, oidc_providers::update(&again, &change)).await;
    assert_eq!(refused, not_found(Noun::OidcProvider, "actions"));
    apply(&store, oidc_providers::delete(owner.id, "actions"))
        .await
        .unwrap();
    let refused = refusal(&store, oidc_providers::update(&actions(), &change)).await;
    assert_eq!(refused, not_found(Noun::OidcProvider, "actions"));
}

async fn a_provider_is_deleted_once(place: &Place) {
    let (store, owner, other) = three_providers(place).await;
    let (cluster, foreign) = (cluster(), foreign());
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
