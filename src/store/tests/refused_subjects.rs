//! Refused subjects of OpenID Connect issuers.

use super::identities::owner_and_other;
use super::registry::later;
use super::*;
use crate::domain::identity::RefusedSubject;
use crate::store::refused_subject as refused_subjects;

on_both_databases! {
    a_subject_is_refused_once_and_reads_back
    an_account_refuses_as_many_subjects_as_it_may
    a_refusal_is_taken_back_once
}

fn refused(account: AccountId, subject: &str) -> RefusedSubject {
    RefusedSubject {
        account,
        issuer: "https://issuer.example.com".to_owned(),
        subject: subject.to_owned(),
        refused_at: NOW,
    }
}

async fn a_subject_is_refused_once_and_reads_back(place: &Place) {
    let store = place.store().await;
    let job = refused(account(1).id, "job");
    assert_eq!(
        refusal(&store, refused_subjects::insert(&job, 2)).await,
        not_found(Noun::Account, "1")
    );
    let (owner, other) = owner_and_other(&store).await;
    assert_eq!(
        announced(&store, refused_subjects::insert(&job, 2)).await,
        [entry(Entity::RefusedSubjects, "1")]
    );
    let again = RefusedSubject {
        refused_at: later(1),
        ..job.clone()
    };
    let elsewhere = RefusedSubject {
        issuer: "https://other.example.com".to_owned(),
        ..job.clone()
    };
    let parts = [&again, &elsewhere].map(|one| refused_subjects::insert(one, 2));
    all(&store, parts).await;
    assert_eq!(
        refused_subjects::list(&store, owner.id).await.unwrap(),
        [job, elsewhere]
    );
    assert_eq!(refused_subjects::list(&store, other.id).await.unwrap(), []);
}

async fn an_account_refuses_as_many_subjects_as_it_may(place: &Place) {
    let store = place.store().await;
    let (owner, other) = owner_and_other(&store).await;
    apply(&store, refused_subjects::insert(&refused(owner.id, "a"), 1))
        .await
        .unwrap();
    let too_many = refusal(&store, refused_subjects::insert(&refused(owner.id, "b"), 1)).await;
    assert_eq!(
        too_many.0,
        ErrorKind::QuotaExceeded {
            noun: Noun::RefusedSubject
        }
    );
    let parts = [
        refused_subjects::insert(&refused(owner.id, "a"), 1),
        refused_subjects::insert(&refused(other.id, "b"), 1),
    ];
    all(&store, parts).await;
}

async fn a_refusal_is_taken_back_once(place: &Place) {
    let store = place.store().await;
    let (owner, _) = owner_and_other(&store).await;
    let (job, other) = (refused(owner.id, "job"), refused(owner.id, "other"));
    let parts = [&job, &other].map(|one| refused_subjects::insert(one, 2));
    all(&store, parts).await;
    let take_back = || refused_subjects::delete(owner.id, &job.issuer, "job");
    assert_eq!(
        announced(&store, take_back()).await,
        [entry(Entity::RefusedSubjects, "1")]
    );
    assert_eq!(
        refusal(&store, take_back()).await,
        not_found(Noun::RefusedSubject, "job")
    );
    assert_eq!(
        refused_subjects::list(&store, owner.id).await.unwrap(),
        [other]
    );
}
