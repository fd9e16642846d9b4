//! `transire policy explain --request-id`: a request out of the audit, and what would be decided
//! now.

use std::time::Duration;

use serde_json::json;
use transire::domain::identity::UserState;
use transire::domain::namespace::Visibility;
use transire::domain::secret::Secret;
use transire::domain::switch::Switch;
use transire::domain::{ErrorKind, Result};
use transire::service::{AuditRow, ExplainedRequest, RequestQuestion};

use crate::harness::audit::found;
use crate::harness::documents::{allow, cam};
use crate::harness::exchange::log_in;
use crate::harness::identity::app_of_user;
use crate::harness::operator::account;
use crate::harness::tencent::{credential, succeeded};
use crate::harness::{App, SERVICE, Session};

async fn puller() -> App {
    app_of_user(&[cam(&json!([allow(
        [
            "tcr:CreateInstanceToken",
            "tcr:ModifyInstanceToken",
            "tcr:PullRepository"
        ],
        "*"
    )]))])
    .await
}

/// Explains a request by its id.
async fn explain_request(app: &App, request_id: &str) -> Result<ExplainedRequest> {
    let question = RequestQuestion {
        request_id: request_id.to_owned(),
        since: app.now().minus(Duration::from_hours(1)),
        until: app.now().plus(Duration::from_hours(1)),
    };
    app.service
        .operations
        .explain_request(&app.operator(), &question)
        .await
}

/// Waits for the last event of an action, and explains its request.
async fn explain_last(app: &App, action: &str) -> ExplainedRequest {
    let last = |lines: Vec<AuditRow>| lines.into_iter().rfind(|line| line.action == action);
    let event = found(app, last).await;
    explain_request(app, &event.request_id).await.unwrap()
}

/// Asks for a token to push, which the log-in may not, and explains the request.
async fn explain_push(app: &App, (username, secret): (&str, &Secret)) -> ExplainedRequest {
    let query = format!("service={SERVICE}&scope=repository:team/app:pull,push");
    let log_in = Some((username, secret.expose()));
    assert_eq!(app.registry(log_in, &query).await.status, 200);
    explain_last(app, "token.exchange").await
}

/// Writes the parts, each with what was and what would be decided.
fn parts(explained: &ExplainedRequest) -> Vec<String> {
    let part = |part: &transire::service::ExplainedPart| {
        let place = part.resource.split_once('/').map_or("", |(_, path)| path);
        format!(
            "{} {place} {} {} {}",
            part.permission
                .map_or("log-in", transire::service::Permission::word),
            part.was_granted,
            part.now.allowed,
            part.now.deciding().unwrap().about,
        )
    };
    explained.parts.iter().map(part).collect()
}

#[tokio::test]
async fn a_reduced_token_is_asked_for_again() {
    let app = puller().await;
    let (username, secret) = app.temporary().await;
    let explained = explain_push(&app, (&username, &secret)).await;
    let expected = [
        "pull team/app true true policies",
        "push team/app false false policies",
    ];
    assert_eq!(parts(&explained), expected);
    let noted = explained.notes.join("; ");
    assert!(noted.contains("the credential isn't stored"), "{noted}");

    // The record stays, and the decision is of the present.
    app.service
        .identity
        .set_user_state(&app.operator(), account(), "ci", UserState::Disabled)
        .await
        .unwrap();
    let expected = [
        "pull team/app true false principal",
        "push team/app false false principal",
    ];
    let request_id = explained.event.request_id;
    assert_eq!(
        parts(&explain_request(&app, &request_id).await.unwrap()),
        expected
    );
}

#[tokio::test]
async fn a_narrowed_log_in_was_refused_what_its_principal_may() {
    let app = App::new().await;
    let pull = [("scope", "repository:team/app:pull")];
    let temporary = app.temporary().await;
    let (username, secret) = log_in(&app.exchange_credential(&temporary, &pull).await);
    let explained = explain_push(&app, (&username, &secret)).await;
    let expected = [
        "pull team/app true true policies",
        "push team/app false true policies",
    ];
    assert_eq!(parts(&explained), expected);
    let noted = explained.notes.join("; ");
    assert!(noted.contains("its narrowing"), "{noted}");
}

#[tokio::test]
async fn a_session_was_refused_by_its_own_policy() {
    let app = App::new().await;
    let policy = cam(&json!([allow(
        ["tcr:CreateInstanceToken", "tcr:PullRepository"],
        "*"
    )]));
    let asked = json!({ "Name": "narrow", "Policy": policy.to_string() });
    let answer = app.tencent_sts("GetFederationToken", &asked).send().await;
    let session = Session::of_tencent(&answer);
    let (username, secret) = credential(&app.tencent_credential(&session.key()).await);
    let explained = explain_push(&app, (&username, &secret)).await;
    let expected = [
        "pull team/app true false session-policy",
        "push team/app false false session-policy",
    ];
    assert_eq!(parts(&explained), expected);
    let reason = &explained.parts[0].now.deciding().unwrap().reason;
    assert!(reason.contains("--session-policy"), "{reason}");
    let noted = explained.notes.join("; ");
    assert!(noted.contains("its session's policy"), "{noted}");
}

#[tokio::test]
async fn a_refused_log_in_says_the_state_of_its_credential() {
    let app = puller().await;
    let (id, secret) = app.long_term_of(&app.key).await;
    let (username, _) = app.temporary().await;
    let disable = json!({ "Enable": false });
    succeeded(
        &app.of_token(&app.key, "ModifyInstanceToken", &id, &disable)
            .await,
    );
    assert!(!app.logs_in(&username, &secret).await);
    let explained = explain_last(&app, "registry.log-in").await;
    assert_eq!(
        explained.recorded.as_deref(),
        Some("the credential is disabled")
    );
    assert_eq!(parts(&explained), ["log-in  false false credential"]);
}

#[tokio::test]
async fn a_refused_log_in_of_a_service_account_is_asked_again_for_whom_it_claims() {
    let app = App::new().await;
    app.create_robot(&json!({})).await;
    assert!(
        !app.logs_in("tcr$robot", "trsa0000000000000000000000000000")
            .await
    );
    let explained = explain_last(&app, "registry.log-in").await;
    // Nothing but the password was wrong.
    assert_eq!(parts(&explained), ["log-in  false true instance"]);
    let noted = explained.notes.join("; ");
    assert!(noted.contains("the username claims it"), "{noted}");
}

#[tokio::test]
async fn a_token_without_a_log_in_is_asked_for_again() {
    let app = App::new().await;
    app.record_namespace("open", Visibility::Public, Switch::On)
        .await;
    let query = format!("service={SERVICE}&scope=repository:open/app:pull,push");
    assert_eq!(app.registry(None, &query).await.status, 200);
    let explained = explain_last(&app, "token.exchange").await;
    let expected = [
        "pull open/app true true public",
        "push open/app false false policies",
    ];
    assert_eq!(parts(&explained), expected);
}

#[tokio::test]
async fn a_request_that_the_audit_lacks_can_not_be_explained() {
    let app = App::new().await;
    let error = explain_request(&app, "no-such-request").await.unwrap_err();
    assert_eq!(
        error.kind(),
        &ErrorKind::InvalidParameter {
            name: "request-id".to_owned()
        }
    );
}
