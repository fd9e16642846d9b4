//! Operators: their names, their tokens and their state.

use super::identities::owner_and_other;
use super::registry::later;
use super::*;
use crate::domain::operator::{OlderToken, Operator, OperatorId, OperatorRole, OperatorState};
use crate::store::operator as operators;

on_both_databases! {
    an_operator_has_a_name_of_its_own_and_reads_back
    there_are_as_many_operators_as_may_be
    a_rotation_keeps_the_token_before_until_its_end
    an_operator_that_does_not_exist_is_not_changed
}

fn operator(name: &str, role: OperatorRole) -> Operator {
    Operator {
        id: OperatorId::random(&SystemRandom),
        name: name.to_owned(),
        role,
        state: OperatorState::Active,
        token_hash: [1; 32],
        older_token: None,
        created_at: NOW,
    }
}

async fn an_operator_has_a_name_of_its_own_and_reads_back(place: &Place) {
    let store = place.store().await;
    let of_account = operator("ann", OperatorRole::AccountAdmin(account(1).id));
    assert_eq!(
        refusal(&store, operators::insert(&of_account, 9)).await,
        not_found(Noun::Account, "1")
    );
    owner_and_other(&store).await;
    assert_eq!(
        announced(&store, operators::insert(&of_account, 9)).await,
        [entry(Entity::Operator, of_account.id.as_str())]
    );
    let admin = Operator {
        created_at: later(1),
        ..operator("bob", OperatorRole::Admin)
    };
    apply(&store, operators::insert(&admin, 9)).await.unwrap();
    let same = refusal(
        &store,
        operators::insert(&operator("ann", OperatorRole::Auditor), 9),
    );
    assert_eq!(
        same.await.0,
        ErrorKind::AlreadyExists {
            noun: Noun::Operator
        }
    );
    assert_eq!(
        operators::find_by_name(&store, "ann").await.unwrap(),
        Some(of_account.clone())
    );
    apply(
        &store,
        operators::set_state(&of_account.id, OperatorState::Disabled),
    )
    .await
    .unwrap();
    let disabled = Operator {
        state: OperatorState::Disabled,
        ..of_account.clone()
    };
    assert_eq!(
        operators::list(&store).await.unwrap(),
        [disabled, admin.clone()]
    );
    apply(&store, operators::delete(&of_account.id))
        .await
        .unwrap();
    assert_eq!(operators::list(&store).await.unwrap(), [admin]);
}

async fn there_are_as_many_operators_as_may_be(place: &Place) {
    let store = place.store().await;
    let [ann, bob] = ["ann", "bob"].map(|name| operator(name, OperatorRole::Admin));
    apply(&store, operators::insert(&ann, 1)).await.unwrap();
    assert_eq!(
        refusal(&store, operators::insert(&bob, 1)).await.0,
        ErrorKind::QuotaExceeded {
            noun: Noun::Operator
        }
    );
    assert_eq!(operators::list(&store).await.unwrap(), [ann]);
}

async fn a_rotation_keeps_the_token_before_until_its_end(place: &Place) {
    let store = place.store().await;
    let ann = operator("ann", OperatorRole::Auditor);
    apply(&store, operators::insert(&ann, 9)).await.unwrap();
    for (hash, ends_at, older_token) in [
        (
            [2; 32],
            Some(later(5)),
            Some(OlderToken {
                hash: [1; 32],
                ends_at: later(5),
            }),
        ),
        (
            [3; 32],
            Some(later(6)),
            Some(OlderToken {
                hash: [2; 32],
                ends_at: later(6),
            }),
        ),
        ([4; 32], None, None),
    ] {
        apply(&store, operators::rotate(&ann.id, &hash, ends_at))
            .await
            .unwrap();
        let rotated = Operator {
            token_hash: hash,
            older_token,
            ..ann.clone()
        };
        assert_eq!(operators::list(&store).await.unwrap(), [rotated]);
    }
}

async fn an_operator_that_does_not_exist_is_not_changed(place: &Place) {
    let store = place.store().await;
    let ann = operator("ann", OperatorRole::Admin);
    for part in [
        operators::set_state(&ann.id, OperatorState::Active),
        operators::rotate(&ann.id, &[2; 32], None),
        operators::rotate(&ann.id, &[2; 32], Some(NOW)),
        operators::delete(&ann.id),
    ] {
        assert_eq!(
            refusal(&store, part).await,
            not_found(Noun::Operator, ann.id.as_str())
        );
    }
}
