//! The service's activity, as operators see it over time.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use transire::domain::operator::OperatorRole;
use transire::domain::secret::Secret;

use crate::harness::registry::as_docker_asks;
use crate::harness::{App, SERVICE};

const MINUTE: Duration = Duration::from_secs(60);

/// Asks for what was done in the last `span`.
async fn activity(app: &App, token: &Secret, span: &str) -> Value {
    let path = format!("/activity?span={span}");
    let answer = app.administer(token, Method::GET, &path, &[], None).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.json()
}

/// Returns the sum of the series whose fields are these.
fn sum(activity: &Value, list: &str, fields: &[(&str, &str)]) -> u64 {
    let all = activity[list].as_array().unwrap().iter();
    let mut fitting = all.filter(|one| fields.iter().all(|(name, value)| one[*name] == *value));
    fitting.next().map_or(0, |one| total(&one["counts"]))
}

fn total(counts: &Value) -> u64 {
    let counts = counts.as_array().unwrap().iter();
    counts.map(|count| count.as_u64().unwrap()).sum()
}

#[tokio::test]
async fn what_was_done_is_seen_once_its_minute_is_over() {
    let app = App::administered(None, |_| {}).await;
    let token = app.operator_token("alice", OperatorRole::Auditor).await;
    let (username, secret) = app.temporary().await;
    app.long_term("ci").await;
    assert_eq!(app.get_token().send().await.status, 200);
    let query = format!("service={SERVICE}");
    for secret in [secret.expose(), secret.expose(), "wrong"] {
        let answer = app.registry(Some((&username, secret)), &query).await;
        assert_eq!(answer.status == 200, secret != "wrong");
    }
    app.write_activity().await;
    let before = activity(&app, &token, "1h").await;
    assert_eq!(total(&before["exchanged"]), 0, "the minute isn't over");

    app.wait(MINUTE);
    app.write_activity().await;
    for span in ["1h", "1d", "7d", "30d"] {
        let seen = activity(&app, &token, span).await;
        let issued = |api, kind| sum(&seen, "issued", &[("api", api), ("kind", kind)]);
        assert_eq!(total(&seen["exchanged"]), 2, "{span}");
        assert_eq!(issued("tencent", "temporary"), 1, "{span}");
        assert_eq!(issued("tencent", "long-term"), 1, "{span}");
        assert_eq!(issued("alibaba", "temporary"), 1, "{span}");
        let refused = sum(&seen, "refused", &[("reason", "bad-credentials")]);
        assert_eq!(refused, 1, "{span}");
        let latency = seen["latency"].as_array().unwrap();
        let exchanges = latency.iter().find(|one| one["api"] == "registry").unwrap();
        assert!(
            exchanges["p95_ms"]
                .as_array()
                .unwrap()
                .iter()
                .any(Value::is_number)
        );
    }
    let seen = activity(&app, &token, "1h").await;
    let last = seen["exchanged"].as_array().unwrap().last();
    assert_eq!(last, Some(&json!(2)), "the last minute that is over");

    app.wait(MINUTE);
    app.write_activity().await;
    let later = activity(&app, &token, "1h").await;
    assert_eq!(total(&later["exchanged"]), 2, "nothing is counted twice");
    app.wait(60 * MINUTE);
    assert_eq!(total(&activity(&app, &token, "1h").await["exchanged"]), 0);
    assert_eq!(total(&activity(&app, &token, "1d").await["exchanged"]), 2);
}

#[tokio::test]
async fn all_replicas_are_counted_together_and_the_end_of_one_loses_nothing() {
    let app = App::administered(None, |_| {}).await;
    let token = app.operator_token("alice", OperatorRole::Auditor).await;
    let replica = app.replica().await;
    let (username, secret) = app.temporary().await;
    let query = format!("service={SERVICE}");
    let credential = Some((username.as_str(), secret.expose()));
    assert_eq!(app.registry(credential, &query).await.status, 200);
    let asked = as_docker_asks(credential, &query);
    assert_eq!(replica.send(asked).await.status, 200);
    app.end_activity().await;
    replica.end_activity().await;
    app.wait(MINUTE);
    assert_eq!(total(&activity(&app, &token, "1h").await["exchanged"]), 2);
}

#[tokio::test]
async fn an_account_admin_does_not_see_what_all_accounts_do() {
    let app = App::administered(None, |_| {}).await;
    let role = OperatorRole::AccountAdmin(app.instance.account);
    let token = app.operator_token("alice", role).await;
    let answer = app
        .administer(&token, Method::GET, "/activity", &[], None)
        .await;
    assert_eq!(answer.json()["kind"], "operator-denied");
}
