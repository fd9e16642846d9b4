//! A durable change is made once for each signature, whoever sends it again and wherever.

use std::time::Duration;

use axum::body::Body;
use http::Request;
use serde_json::json;
use transire::sign;

use crate::harness::{Answer, App, HOST};

const REFUSED: &str = "AuthFailure.SignatureFailure";

fn error(answer: &Answer) -> (String, String) {
    let body = answer.json();
    let text = |name: &str| {
        body["Response"]["Error"][name]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    };
    (text("Code"), text("Message"))
}

#[tokio::test]
async fn an_exact_repetition_makes_no_second_credential_and_says_which_one_it_made() {
    // One captured request made as many credentials as it was sent.
    let app = App::new().await;
    let first = app.send(app.make_credential()).await.json();
    let again = app.send(app.make_credential()).await;
    let (code, message) = error(&again);
    assert_eq!(code, REFUSED);
    let made = app.credentials().await;
    assert_eq!(made.len(), 1, "{made:?}");
    for part in [
        made[0]["Id"].as_str().unwrap(),
        first["Response"]["RequestId"].as_str().unwrap(),
        "sign it again, a second later",
    ] {
        assert!(message.contains(part), "{part}: {message}");
    }
    assert!(
        !again
            .body
            .contains(first["Response"]["Token"].as_str().unwrap()),
        "the secret was shown once"
    );
}

#[tokio::test]
async fn a_repetition_is_refused_at_another_replica_and_after_a_restart() {
    let mut app = App::new().await;
    let replica = app.replica().await;
    let (request, elsewhere, later) = (
        app.make_credential(),
        app.make_credential(),
        app.make_credential(),
    );
    assert_eq!(error(&app.send(request).await).0, "");
    assert_eq!(error(&replica.send(elsewhere).await).0, REFUSED);
    let restarted = app.replica().await;
    app.go_on_with(restarted.service);
    assert_eq!(error(&app.send(later).await).0, REFUSED);
    assert_eq!(app.credentials().await.len(), 1);
}

#[tokio::test]
async fn of_many_that_come_at_once_to_two_replicas_one_is_made() {
    let app = App::new().await;
    let replica = app.replica().await;
    let request = || app.make_credential();
    let answers = tokio::join!(
        app.send(request()),
        replica.send(request()),
        app.send(request()),
        replica.send(request()),
        app.send(request())
    );
    let made = <[Answer; 5]>::from(answers)
        .iter()
        .filter(|answer| error(answer).0.is_empty())
        .count();
    assert_eq!((made, app.credentials().await.len()), (1, 1));
}

#[tokio::test]
async fn what_was_refused_or_failed_may_come_again() {
    let app = App::new().await;
    let id = app.instance.id.as_str();
    let call = app.tencent(
        "CreateRepository",
        &json!({ "RegistryId": id, "NamespaceName": "team", "RepositoryName": "app" }),
    );
    assert_eq!(error(&app.send(call.request()).await).0, "ResourceNotFound");
    app.cr(
        "CreateNamespace",
        &[
            ("InstanceId", app.instance.cri_id.as_str()),
            ("NamespaceName", "team"),
        ],
    )
    .await;
    assert_eq!(
        error(&app.send(call.request()).await),
        (String::new(), String::new()),
        "nothing was made by it before"
    );
    assert_eq!(error(&app.send(call.request()).await).0, REFUSED);
}

#[tokio::test]
async fn every_method_makes_a_durable_change_once_though_its_nonce_was_forgotten() {
    // Each process has its own memory of nonces, and a restart forgot it.
    let app = App::new().await;
    let id = app.instance.cri_id.as_str();
    let acs3 = app.alibaba(
        "CreateNamespace",
        &[("InstanceId", id), ("NamespaceName", "team")],
    );
    assert_eq!(app.send(acs3.request()).await.status.as_u16(), 200);
    app.cr(
        "DeleteNamespace",
        &[("InstanceId", id), ("NamespaceName", "team")],
    )
    .await;
    let restarted = app.replica().await;
    let again = restarted.send(acs3.request()).await;
    assert!(
        again.body.contains("SignatureNonceUsed") && again.body.contains("sign it again"),
        "{}",
        again.body
    );
    for method in [
        sign::Method::TencentHmacSha1,
        sign::Method::TencentHmacSha256,
    ] {
        let body = app
            .v1(&http::Method::GET, method, |parameters| {
                parameters.set("TokenType", "longterm")
            })
            .uri()
            .clone();
        let request = || {
            Request::get(body.clone())
                .header("host", HOST)
                .body(Body::empty())
                .unwrap()
        };
        assert_eq!(error(&app.send(request()).await).0, "", "{method:?}");
        for answer in [app.send(request()).await, restarted.send(request()).await] {
            assert_eq!(error(&answer).0, REFUSED, "{method:?}");
        }
    }
    assert_eq!(app.credentials().await.len(), 2);
}

#[tokio::test]
async fn two_changes_of_one_body_in_one_second_succeed_where_what_differs_is_signed() {
    let app = App::new().await;
    let body =
        json!({ "RegistryId": app.instance.id.as_str(), "TokenType": "longterm", "Desc": "a" });
    let at = |host| {
        app.tencent("CreateInstanceToken", &body)
            .header("host", Some(host))
            .request()
    };
    for host in [HOST, "tcr.example.com"] {
        assert_eq!(error(&app.send(at(host)).await).0, "", "the host is signed");
    }
    assert_eq!(app.credentials().await.len(), 2);
}

#[tokio::test]
async fn two_changes_that_only_differ_in_what_is_not_signed_need_two_seconds() {
    let app = App::new().await;
    let id = app.instance.id.as_str();
    let body = json!({ "RegistryId": id, "NamespaceName": "team", "RepositoryName": "app" });
    app.tcr(
        "CreateNamespace",
        json!({ "RegistryId": id, "NamespaceName": "team", "IsPublic": false }),
    )
    .await;
    assert_eq!(
        error(&app.tencent("CreateRepository", &body).send().await).0,
        ""
    );
    let (code, message) = error(&app.tencent("DeleteRepository", &body).send().await);
    assert_eq!(code, REFUSED);
    assert!(
        message.contains("sign the request again, a second later"),
        "{message}"
    );
    app.wait(Duration::from_secs(1));
    assert_eq!(
        error(&app.tencent("DeleteRepository", &body).send().await).0,
        ""
    );
}

#[tokio::test]
async fn a_temporary_credential_may_be_asked_for_again() {
    // Jobs that begin in one second sign alike, and what they get ends by itself:
    // docs/guarantees.md says so.
    let app = App::new().await;
    let call = app.tencent(
        "CreateInstanceToken",
        &json!({ "RegistryId": app.instance.id.as_str() }),
    );
    for _ in 0..2 {
        assert_eq!(error(&app.send(call.request()).await).0, "");
    }
}
