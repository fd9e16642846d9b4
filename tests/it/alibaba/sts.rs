//! Alibaba's STS: its fields, parameters and callers' identities.

use std::time::Duration;

use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::harness::alibaba::{Place, alibaba_code};
use crate::harness::documents::{everything, ram, ram_allow};
use crate::harness::operator::account;
use crate::harness::{ACCOUNT, App, Key, NOW, Session};

#[tokio::test]
async fn a_session_has_the_documented_fields() {
    let app = App::new().await;
    app.role("puller", &everything()).await;
    let user = app.user("ci", &everything()).await;
    for (more, lasts) in [
        (vec![], 3600),
        (vec![("DurationSeconds", "900")], 900),
        (vec![("DurationSeconds", "43200")], 43_200),
    ] {
        let answer = app.assume_at_alibaba(&user, "puller", &more).await;
        let output = answer.json();
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (StatusCode::OK, Some("application/json;charset=utf-8")),
            "{output}"
        );
        assert_eq!(
            output["RequestId"].as_str(),
            answer.header("x-acs-request-id")
        );
        let names: Vec<&String> = output.as_object().unwrap().keys().collect();
        assert_eq!(
            names,
            ["AssumedRoleUser", "Credentials", "RequestId"],
            "{output}"
        );
        assert_eq!(
            output["AssumedRoleUser"]["Arn"],
            format!("acs:ram::{ACCOUNT}:role/puller/test")
        );
        let id = output["AssumedRoleUser"]["AssumedRoleId"].as_str().unwrap();
        assert!(id.starts_with('4') && id.ends_with(":test"), "{id}");
        let names: Vec<&String> = output["Credentials"].as_object().unwrap().keys().collect();
        assert_eq!(
            names,
            [
                "AccessKeyId",
                "AccessKeySecret",
                "Expiration",
                "SecurityToken"
            ]
        );
        assert_eq!(
            output["Credentials"]["Expiration"],
            NOW.plus(Duration::from_secs(lasts)).rfc3339()
        );
        assert!(Session::of_alibaba(&answer).id.starts_with("STS."));
    }
}

#[tokio::test]
async fn a_source_identity_is_answered_and_in_the_audit() {
    let app = App::new().await;
    app.role("puller", &everything()).await;
    let user = app.user("ci", &everything()).await;
    let answer = app
        .assume_at_alibaba(
            &user,
            "puller",
            &[
                ("SourceIdentity", "alice"),
                ("ExternalId", "ext-1"),
                ("Format", "XML"),
            ],
        )
        .await;
    assert!(
        answer.body.contains("<AssumeRoleResponse>")
            && answer
                .body
                .contains("<SourceIdentity>alice</SourceIdentity>"),
        "{}",
        answer.body
    );
    let opened = app.line_about("alice").await;
    assert_eq!(opened.action, "session.assume-role");
}

/// Returns the identity that a key's caller hears, without the request's id.
async fn identity_of(app: &App, key: &Key) -> Value {
    let mut output = app
        .alibaba_sts("GetCallerIdentity", &[])
        .by(key)
        .send()
        .await
        .json();
    output
        .as_object_mut()
        .unwrap()
        .remove("RequestId")
        .expect("a request id");
    output
}

#[tokio::test]
async fn a_root_hears_its_identity() {
    let app = App::new().await;
    let root = json!({
        "IdentityType": "Account",
        "AccountId": ACCOUNT,
        "PrincipalId": ACCOUNT,
        "UserId": ACCOUNT,
        "Arn": format!("acs:ram::{ACCOUNT}:root"),
    });
    assert_eq!(identity_of(&app, &app.key).await, root);
}

#[tokio::test]
async fn a_user_hears_its_identity() {
    let app = App::new().await;
    let user = app.user("ci", &everything()).await;
    let said = identity_of(&app, &user).await;
    let uin = said["UserId"].as_str().unwrap();
    assert!(uin.starts_with('2') && uin.len() == 12, "{uin}");
    let arn = format!("acs:ram::{ACCOUNT}:user/ci");
    assert_eq!(
        said,
        json!({
            "IdentityType": "RAMUser",
            "AccountId": ACCOUNT,
            "PrincipalId": uin,
            "UserId": uin,
            "Arn": arn,
        })
    );
}

#[tokio::test]
async fn a_roles_session_hears_its_identity() {
    let app = App::new().await;
    app.role("open", &everything()).await;
    let user = app.user("ci", &everything()).await;
    let roles = app
        .service
        .identity
        .roles(&app.operator(), account())
        .await
        .unwrap();
    let role = &roles[0].id;
    let session = app.alibaba_session(&user, "open", &[]).await;
    let arn = format!("acs:ram::{ACCOUNT}:assumed-role/open/test");
    let expected = json!({
        "IdentityType": "AssumedRoleUser",
        "AccountId": ACCOUNT,
        "PrincipalId": format!("{role}:test"),
        "RoleId": role.to_string(),
        "Arn": arn,
    });
    assert_eq!(identity_of(&app, &session.key()).await, expected);
}

#[tokio::test]
async fn the_parameters_of_assume_role_are_checked() {
    let mut app = App::new().await;
    app.role("open", &everything()).await;
    app.key = app.user("ci", &everything()).await;
    let long = "x".repeat(65);
    let large = ram(&json!([ram_allow("cr:*", ["x".repeat(2048)])])).to_string();
    let arn = format!("acs:ram::{ACCOUNT}:role/open");
    let cases = [
        ("RoleArn", "", "MissingRoleArn"),
        ("RoleSessionName", "", "MissingRoleSessionName"),
        ("RoleArn", "open", "InvalidParameter.RoleArn"),
        (
            "RoleArn",
            "acs:ram::100000000001:user/open",
            "InvalidParameter.RoleArn",
        ),
        ("RoleSessionName", "a", "InvalidParameter.RoleSessionName"),
        ("RoleSessionName", "a b", "InvalidParameter.RoleSessionName"),
        ("RoleSessionName", &long, "InvalidParameter.RoleSessionName"),
        ("Policy", "nonsense", "InvalidParameter.PolicyGrammar"),
        ("Policy", &large, "InvalidParameter.PolicySize"),
        ("ExternalId", "a", "InvalidParameter.ExternalId"),
        ("SourceIdentity", "a b", "InvalidParameter.SourceIdentity"),
        ("Format", "YAML", "InvalidParameter.Format"),
    ];
    for (name, value, expected) in cases {
        let query: Vec<_> = [
            ("RoleArn", arn.as_str()),
            ("RoleSessionName", "test"),
            (name, value),
        ]
        .into_iter()
        .enumerate()
        .filter(|(place, (known, _))| *known != name || *place == 2)
        .map(|(_, pair)| pair)
        .collect();
        assert_eq!(
            alibaba_code(&app.alibaba_sts("AssumeRole", &query).send().await),
            (400, expected.to_owned()),
            "{name}={value}"
        );
    }
}

#[tokio::test]
async fn a_role_is_assumed_by_a_get_with_everything_in_its_query() {
    // As the credential libraries send it.
    let mut app = App::new().await;
    app.role("open", &everything()).await;
    app.key = app.user("ci", &everything()).await;
    let arn = format!("acs:ram::{ACCOUNT}:role/open");
    let by_get = app.rpc(
        Method::GET,
        Place::Query,
        &[
            ("Action", "AssumeRole"),
            ("Version", "2015-04-01"),
            ("Format", "JSON"),
            ("RoleArn", &arn),
            ("RoleSessionName", "test"),
            ("DurationSeconds", "900"),
        ],
    );
    let output = app.send(by_get).await.json();
    assert_eq!(
        output["Credentials"]["Expiration"],
        app.now().plus(Duration::from_mins(15)).rfc3339(),
        "{output}"
    );
}

#[tokio::test]
async fn an_action_that_only_the_cloud_has_is_told_from_one_that_nobody_has() {
    let mut app = App::new().await;
    app.key = app.user("ci", &everything()).await;
    let answer = app.alibaba_sts("AssumeRoleWithSAML", &[]).send().await;
    assert_eq!(
        alibaba_code(&answer),
        (400, "UnsupportedOperation".to_owned())
    );
    assert!(
        answer.body.contains("AssumeRoleWithSAML"),
        "{}",
        answer.body
    );
    assert_eq!(
        alibaba_code(&app.alibaba_sts("AssumeRoleWithSaml", &[]).send().await).1,
        "InvalidAction.NotFound"
    );
    assert_eq!(
        alibaba_code(&app.alibaba_sts("GetAuthorizationToken", &[]).send().await).1,
        "InvalidAction.NotFound"
    );
}
