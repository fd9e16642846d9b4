//! Notices, and the search for what ends, on either database.

use std::time::Duration;

use super::*;
use crate::domain::credential::CredentialId;
use crate::domain::notice::{Notice, NoticeId, NoticeKind, NoticeState, Subject, SubjectKind};
use crate::store::ending::{self, Searched};
use crate::store::{credential, notice};

on_both_databases! {
    a_notice_is_written_with_its_change_or_not_at_all
    of_two_that_claim_a_notice_one_does
    what_a_claim_that_is_over_found_is_not_written
    the_account_that_has_most_gives_way
    only_notices_that_are_done_with_are_trimmed
    of_two_searches_one_goes_on
}

const NOW: Timestamp = Timestamp::from_unix_seconds(1_735_873_200);
const MINUTE: Duration = Duration::from_secs(60);

fn made(name: &str, account: i64, at: Timestamp) -> Notice {
    let subject = Subject {
        kind: SubjectKind::Credential,
        id: name.to_owned(),
        name: None,
        account: Some(AccountId::new(account).unwrap()),
        instance: None,
    };
    let mut digest = [0; 32];
    for (to, from) in digest.iter_mut().zip(name.bytes()) {
        *to = from;
    }
    Notice::new(
        NoticeId::of_digest(&digest),
        NoticeKind::Revoked,
        subject,
        at,
    )
}

async fn put(store: &Store, notices: &[Notice]) {
    for one in notices {
        apply(store, notice::insert(one)).await.unwrap();
    }
}

async fn state(store: &Store, of: &Notice) -> Option<NoticeState> {
    let found = notice::find(store, &of.id).await.unwrap();
    found.map(|found| found.state)
}

async fn a_notice_is_written_with_its_change_or_not_at_all(place: &Place) {
    let store = place.store().await;
    let (told, missing) = (made("a", 1, NOW), CredentialId::random(&SystemRandom));
    let part = credential::delete(&missing).and(notice::insert(&told));
    let refused = apply(&store, part).await.unwrap_err();
    let noun = Noun::Credential;
    assert_eq!(refused.kind(), &ErrorKind::NotFound { noun });
    assert_eq!(notice::find(&store, &told.id).await.unwrap(), None);
    put(&store, std::slice::from_ref(&told)).await;
    assert_eq!(
        notice::find(&store, &told.id).await.unwrap().as_ref(),
        Some(&told)
    );
    let again = apply(&store, notice::insert(&told)).await.unwrap_err();
    let noun = Noun::Notice;
    assert_eq!(again.kind(), &ErrorKind::AlreadyExists { noun });
}

async fn of_two_that_claim_a_notice_one_does(place: &Place) {
    let (one, other) = (place.store().await, place.store().await);
    put(&one, &[made("a", 1, NOW)]).await;
    let due = notice::due(&one, NOW, 8).await.unwrap().remove(0);
    let until = NOW.plus(MINUTE);
    let claims = tokio::join!(
        apply(&one, notice::claim(&due, until)),
        apply(&other, notice::claim(&due, until.plus(MINUTE)))
    );
    let outcomes = [claims.0, claims.1];
    assert_eq!(outcomes.iter().filter(|claim| claim.is_ok()).count(), 1);
    let refused = outcomes.into_iter().find_map(Result::err).unwrap();
    let noun = Noun::Notice;
    assert_eq!(refused.kind(), &ErrorKind::PreconditionFailed { noun });
    assert_eq!(notice::due(&one, NOW, 8).await.unwrap(), []);
    let later = until.plus(MINUTE);
    let due = notice::due(&one, later, 8).await.unwrap();
    assert_eq!(due[0].attempts, 1, "the claim is over");
}

async fn what_a_claim_that_is_over_found_is_not_written(place: &Place) {
    let store = place.store().await;
    let told = made("a", 1, NOW);
    put(&store, std::slice::from_ref(&told)).await;
    let (first, second) = (NOW.plus(MINUTE), NOW.plus(2 * MINUTE));
    apply(&store, notice::claim(&told, first)).await.unwrap();
    let due = notice::due(&store, first, 8).await.unwrap().remove(0);
    apply(&store, notice::claim(&due, second)).await.unwrap();
    let settle = |until| notice::settle(&told.id, until, NoticeState::Delivered, NOW, None);
    apply(&store, settle(first)).await.unwrap();
    assert_eq!(state(&store, &told).await, Some(NoticeState::Waiting));
    apply(&store, settle(second)).await.unwrap();
    assert_eq!(state(&store, &told).await, Some(NoticeState::Delivered));
}

async fn the_account_that_has_most_gives_way(place: &Place) {
    let store = place.store().await;
    let quiet = made("quiet", 1, NOW.minus(MINUTE));
    let loud = ["a", "b", "c"].map(|name| made(name, 2, NOW));
    put(&store, std::slice::from_ref(&quiet)).await;
    put(&store, &loud).await;
    apply(&store, notice::drop_waiting(2, NOW, "too many"))
        .await
        .unwrap();
    assert_eq!(state(&store, &quiet).await, Some(NoticeState::Waiting));
    let count = |state| notice::count(&store, state);
    assert_eq!(count(NoticeState::Dead).await.unwrap(), 2);
    assert_eq!(count(NoticeState::Waiting).await.unwrap(), 2);
}

async fn only_notices_that_are_done_with_are_trimmed(place: &Place) {
    let store = place.store().await;
    let done = |name, at| Notice {
        state: NoticeState::Delivered,
        ..made(name, 1, at)
    };
    let old = done("old", NOW.minus(2 * MINUTE));
    let waiting = made("waiting", 1, NOW.minus(2 * MINUTE));
    let first = done("first", NOW);
    let second = done("second", NOW.plus(MINUTE));
    put(
        &store,
        &[old.clone(), waiting.clone(), first.clone(), second.clone()],
    )
    .await;
    apply(&store, notice::trim(NOW.minus(MINUTE), 1))
        .await
        .unwrap();
    let mut left = Vec::new();
    for one in [&old, &waiting, &first, &second] {
        left.push(state(&store, one).await.is_some());
    }
    assert_eq!(left, [false, true, false, true]);
}

async fn of_two_searches_one_goes_on(place: &Place) {
    let (one, other) = (place.store().await, place.store().await);
    let at = |at| Searched {
        at,
        key: "credential/0/a".to_owned(),
    };
    let (from, to) = (at(NOW), at(NOW.plus(MINUTE)));
    apply(&one, ending::go_on("60", None, &from)).await.unwrap();
    let searched = ending::searched(&other, "60").await.unwrap();
    assert_eq!(searched.as_ref(), Some(&from));
    let told = [made("a", 1, NOW), made("b", 1, NOW)];
    let go_on = |told| ending::go_on("60", Some(&from), &to).and(notice::insert(told));
    let outcomes = tokio::join!(apply(&one, go_on(&told[0])), apply(&other, go_on(&told[1])));
    let outcomes = [outcomes.0, outcomes.1];
    assert_eq!(outcomes.iter().filter(|one| one.is_ok()).count(), 1);
    let refused = outcomes.into_iter().find_map(Result::err).unwrap();
    let noun = Noun::Setting;
    assert_eq!(refused.kind(), &ErrorKind::PreconditionFailed { noun });
    assert_eq!(notice::count_all(&one).await.unwrap(), 1);
}
