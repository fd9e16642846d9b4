use std::time::Duration;

use super::*;
use crate::store::account as accounts;

on_both_databases! {
    an_account_is_found_by_its_id
    an_account_has_an_id_and_a_name_of_its_own
    accounts_are_listed_from_the_oldest
    the_generation_of_an_account_rises
}

/// A store with one account.
async fn one_account(place: &Place) -> (Store, Account) {
    let store = place.store().await;
    let first = account(100_000_000_001);
    apply(&store, accounts::insert(&first)).await.unwrap();
    (store, first)
}

fn missing() -> AccountId {
    AccountId::new(7).unwrap()
}

async fn an_account_is_found_by_its_id(place: &Place) {
    let (store, first) = one_account(place).await;
    assert_eq!(
        accounts::find(&store, first.id).await.unwrap().as_ref(),
        Some(&first)
    );
    assert_eq!(accounts::find(&store, missing()).await.unwrap(), None);
}

async fn an_account_has_an_id_and_a_name_of_its_own(place: &Place) {
    let (store, first) = one_account(place).await;
    let same_id = Account {
        name: "other".to_owned(),
        ..first.clone()
    };
    let refusal = apply(&store, accounts::insert(&same_id)).await.unwrap_err();
    assert_eq!(
        refusal.message(),
        "There is an account 100000000001 already; choose another id."
    );
    let same_name = Account {
        id: missing(),
        ..first
    };
    let refusal = apply(&store, accounts::insert(&same_name))
        .await
        .unwrap_err();
    assert_eq!(
        refusal.message(),
        "There is an account named account-100000000001 already; choose another name."
    );
}

async fn accounts_are_listed_from_the_oldest(place: &Place) {
    let (store, first) = one_account(place).await;
    let older = Account {
        created_at: NOW.minus(Duration::from_secs(1)),
        ..account(999_999_999_999_999_999)
    };
    apply(&store, accounts::insert(&older)).await.unwrap();
    assert_eq!(accounts::list(&store).await.unwrap(), [older, first]);
}

async fn the_generation_of_an_account_rises(place: &Place) {
    let (store, first) = one_account(place).await;
    apply(&store, accounts::raise_generation(first.id))
        .await
        .unwrap();
    let found = accounts::find(&store, first.id).await.unwrap().unwrap();
    assert_eq!(found.generation, 2);
    assert_eq!(
        kind(apply(&store, accounts::raise_generation(missing())).await),
        ErrorKind::NotFound {
            noun: Noun::Account
        }
    );
}
