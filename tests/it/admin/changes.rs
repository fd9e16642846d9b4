//! Changes that name what they saw, by `If-Match`.

use std::sync::Arc;

use http::{Method, StatusCode};
use serde_json::json;
use tokio::task::JoinSet;
use transire::domain::operator::OperatorRole;
use transire::domain::secret::Secret;
use transire::domain::{ErrorKind, Noun};
use transire::service::{Caller, ServiceAccountGrant};
use transire::store::Location;

use crate::harness::operator::{account, context};
use crate::harness::postgres::Database;
use crate::harness::{ACCOUNT, App};

/// The changes that come at once.
const CHANGES: usize = 8;

/// The path of each change, the tag that it saw, and its body.
type Change = (Method, String, String, Option<serde_json::Value>);

/// Sends changes at once; returns their statuses, in order.
async fn send_at_once(app: App, token: Secret, changes: Vec<Change>) -> Vec<StatusCode> {
    let (app, mut sent) = (Arc::new(app), JoinSet::new());
    for (method, path, tag, body) in changes {
        let (app, token) = (Arc::clone(&app), token.clone());
        sent.spawn(async move {
            let headers = [("if-match", tag.as_str())];
            let answer = app.administer(&token, method, &path, &headers, body).await;
            if answer.status != StatusCode::OK {
                let kind = answer.json()["kind"].clone();
                assert_eq!(kind, "precondition-failed", "{}", answer.body);
            }
            answer.status
        });
    }
    let mut statuses = sent.join_all().await;
    statuses.sort();
    statuses
}

async fn tag(app: &App, token: &Secret, path: &str) -> String {
    let shown = app.administer(token, Method::GET, path, &[], None).await;
    shown.header("etag").unwrap().to_owned()
}

async fn assert_one_passes(location: Option<Location>) {
    let app = App::administered(location, |_| {}).await;
    let token = app.operator_token("alice", OperatorRole::Admin).await;
    let path = format!("/accounts/{ACCOUNT}");
    let tag = tag(&app, &token, &path).await;
    let changes = (0..CHANGES).map(|number| {
        let grant = ["vendor", "own-rights"][number % 2];
        let body = json!({ "service_account_grant": grant });
        (Method::PATCH, path.clone(), tag.clone(), Some(body))
    });
    let statuses = send_at_once(app, token, changes.collect()).await;
    let mut expected = vec![StatusCode::OK];
    expected.resize(CHANGES, StatusCode::CONFLICT);
    assert_eq!(statuses, expected);
}

/// All that compared before the first was made passed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_changes_with_one_tag_at_once_one_passes() {
    assert_one_passes(None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_changes_with_one_tag_at_once_one_passes_on_postgresql() {
    let Some(database) = Database::new().await else {
        return;
    };
    assert_one_passes(Some(database.location())).await;
    database.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_of_different_things_at_once_all_pass() {
    let app = App::administered(None, |_| {}).await;
    let token = app.operator_token("alice", OperatorRole::Admin).await;
    let mut changes = Vec::new();
    for number in 0..CHANGES {
        let name = format!("ci-{number}");
        let (operator, identity) = (app.operator(), &app.service.identity);
        identity
            .create_user(&operator, account(), &name)
            .await
            .unwrap();
        let path = format!("/accounts/{ACCOUNT}/users/{name}");
        let tag = tag(&app, &token, &path).await;
        changes.push((Method::DELETE, path, tag, None));
    }
    let statuses = send_at_once(app, token, changes).await;
    assert_eq!(statuses, [StatusCode::OK; CHANGES]);
}

#[tokio::test]
async fn a_write_is_refused_where_anything_was_changed_since() {
    let app = App::new().await;
    let (access, identity) = (&app.service.access, &app.service.identity);
    let (mut caller, request) = (Caller::operator(), context());
    let grant = Some(ServiceAccountGrant::Vendor);

    let unchanged = access.watch_changes().await.unwrap();
    caller.only_if(&unchanged);
    let call = app.service.call(&caller, &request);
    identity
        .set_service_account_grant(&app.operator(), account(), grant)
        .await
        .unwrap();
    let refused = identity
        .set_service_account_grant(&call, account(), None)
        .await
        .unwrap_err();
    let noun = Noun::Setting;
    assert_eq!(refused.kind(), &ErrorKind::PreconditionFailed { noun });
    assert!(access.was_overtaken(&unchanged).await.unwrap());

    let unchanged = access.watch_changes().await.unwrap();
    caller.only_if(&unchanged);
    let call = app.service.call(&caller, &request);
    // A call that takes two writes isn't overtaken by its own first one.
    for grant in [None, grant] {
        identity
            .set_service_account_grant(&call, account(), grant)
            .await
            .unwrap();
    }
    assert!(!access.was_overtaken(&unchanged).await.unwrap());
}
