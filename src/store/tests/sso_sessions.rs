//! Sessions of the console that began by single sign-on.

use super::*;
use crate::domain::operator::SsoIdentity;
use crate::domain::sso::SsoSession;
use crate::store::sso_session;

on_both_databases! {
    a_session_of_single_sign_on_reads_back_and_is_renewed_and_deleted
    a_person_s_oldest_session_gives_way_and_no_other_person_s
    sessions_of_single_sign_on_are_trimmed_after_their_end
}

fn session(number: u8, subject: &str) -> SsoSession {
    let created_at = NOW.plus(Duration::from_secs(number.into()));
    SsoSession {
        hash: [number; 32],
        identity: SsoIdentity {
            issuer: "https://issuer.example.com".to_owned(),
            subject: subject.to_owned(),
        },
        name: "Alice".to_owned(),
        claims: r#"{"groups":["platform"]}"#.to_owned(),
        created_at,
        authenticated_at: None,
        ends_at: created_at.plus(Duration::from_hours(8)),
    }
}

async fn found(store: &Store, number: u8) -> Option<SsoSession> {
    sso_session::find(store, &[number; 32]).await.unwrap()
}

async fn a_session_of_single_sign_on_reads_back_and_is_renewed_and_deleted(place: &Place) {
    let store = place.store().await;
    let mut session = session(1, "alice");
    apply(&store, sso_session::insert(&session, 20))
        .await
        .unwrap();
    assert_eq!(found(&store, 1).await.as_ref(), Some(&session));
    session.authenticated_at = Some(NOW);
    session.claims = "{}".to_owned();
    apply(&store, sso_session::renew(&session)).await.unwrap();
    assert_eq!(found(&store, 1).await.as_ref(), Some(&session));
    apply(&store, sso_session::delete(&[1; 32])).await.unwrap();
    assert_eq!(found(&store, 1).await, None);
}

async fn a_person_s_oldest_session_gives_way_and_no_other_person_s(place: &Place) {
    let store = place.store().await;
    for (number, subject) in [(1, "alice"), (2, "bob"), (3, "alice"), (4, "alice")] {
        let insert = sso_session::insert(&session(number, subject), 2);
        apply(&store, insert).await.unwrap();
    }
    let mut left = Vec::new();
    for number in 1..=4 {
        left.extend(found(&store, number).await.map(|_| number));
    }
    assert_eq!(left, [2, 3, 4]);
}

async fn sessions_of_single_sign_on_are_trimmed_after_their_end(place: &Place) {
    let store = place.store().await;
    for number in [1, 2] {
        let insert = sso_session::insert(&session(number, "alice"), 20);
        apply(&store, insert).await.unwrap();
    }
    let end = session(2, "alice").ends_at;
    apply(&store, sso_session::trim(end)).await.unwrap();
    assert_eq!(found(&store, 1).await, None);
    assert!(found(&store, 2).await.is_some());
}
