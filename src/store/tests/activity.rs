//! Counts of minutes and hours, on either database.

use std::time::Duration;

use super::*;
use crate::store::activity::{self, Sum};

on_both_databases! {
    counts_of_a_minute_add_up_whoever_counted_them
    old_minutes_become_hours_and_nothing_is_counted_twice
    of_two_that_put_minutes_together_one_does
}

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);
/// The beginning of an hour.
const BEGIN: Timestamp = Timestamp::from_unix_seconds(1_735_873_200);

fn counts(counts: &[(&str, u64)]) -> Vec<(String, u64)> {
    let owned = |(name, amount): &(&str, u64)| ((*name).to_owned(), *amount);
    counts.iter().map(owned).collect()
}

fn sum(at: Timestamp, name: &str, amount: u64) -> Sum {
    let name = name.to_owned();
    Sum { at, name, amount }
}

async fn sums(store: &Store, step_seconds: i64) -> Vec<Sum> {
    let end = BEGIN.plus(24 * HOUR);
    activity::sums(store, BEGIN, end, step_seconds)
        .await
        .unwrap()
}

async fn counts_of_a_minute_add_up_whoever_counted_them(place: &Place) {
    let (one, other) = (place.store().await, place.store().await);
    let later = BEGIN.plus(MINUTE);
    for (store, minute, amount) in [(&one, BEGIN, 2), (&other, BEGIN, 3), (&one, later, 7)] {
        let part = activity::add(minute, &counts(&[("exchanged", amount), ("refused/x", 1)]));
        apply(store, part).await.unwrap();
    }
    let expected = [
        sum(BEGIN, "exchanged", 5),
        sum(BEGIN, "refused/x", 2),
        sum(later, "exchanged", 7),
        sum(later, "refused/x", 1),
    ];
    assert_eq!(sums(&one, 60).await, expected);
    let expected = [sum(BEGIN, "exchanged", 12), sum(BEGIN, "refused/x", 3)];
    assert_eq!(sums(&other, 3600).await, expected);
    let none = activity::sums(&one, BEGIN.plus(2 * MINUTE), BEGIN.plus(HOUR), 60).await;
    assert_eq!(none.unwrap(), [], "only what is asked for");
}

async fn old_minutes_become_hours_and_nothing_is_counted_twice(place: &Place) {
    let store = place.store().await;
    for minute in [0, 59, 60, 150] {
        let part = activity::add(BEGIN.plus(minute * MINUTE), &counts(&[("exchanged", 1)]));
        apply(&store, part).await.unwrap();
    }
    let before = sums(&store, 3600).await;
    for _ in 0..2 {
        apply(&store, activity::trim(BEGIN.plus(2 * HOUR), BEGIN))
            .await
            .unwrap();
        assert_eq!(sums(&store, 3600).await, before);
    }
    // Counts of an old minute that come late.
    apply(&store, activity::add(BEGIN, &counts(&[("exchanged", 5)])))
        .await
        .unwrap();
    let end = BEGIN.plus(2 * HOUR);
    apply(&store, activity::trim(end, BEGIN)).await.unwrap();
    let hours = [
        sum(BEGIN, "exchanged", 7),
        sum(BEGIN.plus(HOUR), "exchanged", 1),
        sum(BEGIN.plus(150 * MINUTE), "exchanged", 1),
    ];
    assert_eq!(sums(&store, 60).await, hours);
    apply(&store, activity::trim(end, end)).await.unwrap();
    assert_eq!(sums(&store, 60).await, hours[2..]);
}

async fn of_two_that_put_minutes_together_one_does(place: &Place) {
    let (one, other) = (place.store().await, place.store().await);
    for minute in 0..60 {
        let part = activity::add(BEGIN.plus(minute * MINUTE), &counts(&[("exchanged", 1)]));
        apply(&one, part).await.unwrap();
    }
    let trim = || activity::trim(BEGIN.plus(HOUR), BEGIN);
    let (first, second) = tokio::join!(apply(&one, trim()), apply(&other, trim()));
    first.unwrap();
    second.unwrap();
    assert_eq!(sums(&one, 60).await, [sum(BEGIN, "exchanged", 60)]);
}
