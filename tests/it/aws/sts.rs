//! AWS's STS: sessions of roles, which sign at AWS's APIs.

use std::time::Duration;

use axum::body::Body;
use http::Request;
use serde_json::json;
use transire::sign::Parameters;

use crate::harness::aws::{element, log_in_of, refused_by_ecr, refused_by_sts, session_of};
use crate::harness::documents::{allow, cam, everything};
use crate::harness::keyless::{GITHUB, Keyless};
use crate::harness::registry::granted;
use crate::harness::tencent::code;
use crate::harness::{ACCOUNT, Answer, App, HOST, Key, NOW};

const SCOPE: &str = "repository:team/app:pull,push";

/// Assumes a role.
async fn assume(app: &App, key: &Key, role: &str, more: &[(&str, &str)]) -> Answer {
    let arn = format!("arn:aws:iam::{ACCOUNT}:role/{role}");
    let usual = [("RoleArn", arn.as_str()), ("RoleSessionName", "test")].into_iter();
    let usual = usual.filter(|(name, _)| more.iter().all(|(other, _)| other != name));
    let parameters: Vec<_> = usual.chain(more.iter().copied()).collect();
    app.aws_sts("AssumeRole", &parameters).by(key).send().await
}

#[tokio::test]
async fn a_session_of_a_role_signs_and_its_log_in_ends_with_it() {
    let app = App::new().await;
    app.role("puller", &everything()).await;
    let user = app.user("ci", &everything()).await;
    for (more, lasts) in [
        (vec![], 3600),
        (vec![("DurationSeconds", "900")], 900),
        (vec![("DurationSeconds", "43200")], 43_200),
    ] {
        let answer = assume(&app, &user, "puller", &more).await;
        let ends_at = NOW.plus(Duration::from_secs(lasts));
        assert_eq!(element(&answer, "Expiration"), ends_at.rfc3339());
        assert_eq!(
            element(&answer, "Arn"),
            format!("arn:aws:sts::{ACCOUNT}:assumed-role/puller/test")
        );
        let id = element(&answer, "AssumedRoleId");
        assert!(id.starts_with("AROA") && id.ends_with(":test"), "{id}");
        let session = session_of(&answer);
        assert!(session.id.starts_with("ASIA"), "{}", session.id);
        let key = session.key();
        let identity = app.aws_sts("GetCallerIdentity", &[]).by(&key).send().await;
        assert_eq!(element(&identity, "UserId"), id);
        let call = app.ecr("GetAuthorizationToken", &json!({})).by(&key);
        let answer = call.send().await;
        assert_eq!(
            answer.json()["authorizationData"][0]["expiresAt"],
            ends_at.unix_seconds()
        );
        let (username, secret) = log_in_of(&answer);
        assert_eq!(granted(&app, &username, &secret, SCOPE).await, SCOPE);
        let other = app.tencent("DescribeInstances", &json!({})).by(&key);
        assert_eq!(code(&other.send().await), "AuthFailure.TokenFailure");
        let alone = session.with_token(None);
        let call = app.ecr("GetAuthorizationToken", &json!({})).by(&alone);
        assert_eq!(
            refused_by_ecr(&call.send().await).1,
            "UnrecognizedClientException"
        );
    }
    let session = session_of(&assume(&app, &user, "puller", &[("DurationSeconds", "900")]).await);
    app.later(Duration::from_mins(15)).await;
    let key = session.key();
    let call = app.ecr("GetAuthorizationToken", &json!({})).by(&key);
    assert_eq!(
        refused_by_ecr(&call.send().await).1,
        "ExpiredTokenException"
    );
}

#[tokio::test]
async fn a_session_that_another_session_opens_lives_for_an_hour_at_most() {
    let app = App::new().await;
    app.role("first", &everything()).await;
    app.role("second", &everything()).await;
    let user = app.user("ci", &everything()).await;
    let first = session_of(&assume(&app, &user, "first", &[]).await).key();
    for (asked, is_served) in [("900", true), ("3600", true), ("3601", false)] {
        let more = [("DurationSeconds", asked)];
        let answer = assume(&app, &first, "second", &more).await;
        if is_served {
            session_of(&answer);
        } else {
            let (status, code, message) = refused_by_sts(&answer);
            assert_eq!((status, code.as_str()), (400, "ValidationError"));
            assert!(message.contains("900 to 3600"), "{message}");
        }
    }
}

#[tokio::test]
async fn what_narrows_a_session_narrows_its_log_in() {
    let app = App::new().await;
    app.role("puller", &everything()).await;
    let user = app.user("ci", &everything()).await;
    let policy = cam(&json!([
        allow("tcr:CreateInstanceToken", "*"),
        allow("tcr:PullRepository", "*")
    ]))
    .to_string();
    let more = [
        ("Policy", policy.as_str()),
        ("Tags.member.1.Key", "a"),
        ("Tags.member.1.Value", "b"),
        ("SourceIdentity", "alice"),
        ("ExternalId", "ext-1"),
    ];
    let answer = assume(&app, &user, "puller", &more).await;
    assert_eq!(element(&answer, "SourceIdentity"), "alice");
    let key = session_of(&answer).key();
    let call = app.ecr("GetAuthorizationToken", &json!({})).by(&key);
    let (username, secret) = log_in_of(&call.send().await);
    assert_eq!(
        granted(&app, &username, &secret, SCOPE).await,
        "repository:team/app:pull"
    );
    for (parameter, value, expected) in [
        (
            "Policy",
            r#"{"Version":"2012-10-17","Statement":[]}"#,
            "MalformedPolicyDocument",
        ),
        ("Policy", "nonsense", "MalformedPolicyDocument"),
        (
            "PolicyArns.member.1.arn",
            "arn:aws:iam::aws:policy/x",
            "UnsupportedOperation",
        ),
        ("TokenCode", "123456", "UnsupportedOperation"),
        ("DurationSeconds", "899", "ValidationError"),
        ("DurationSeconds", "43201", "ValidationError"),
        ("DurationSeconds", "x", "ValidationError"),
        ("RoleSessionName", "x", "ValidationError"),
        ("RoleSessionName", "a/b", "ValidationError"),
        ("ExternalId", "x", "ValidationError"),
        ("RoleArn", "puller", "ValidationError"),
        ("Tags.member.1.Key", "a", "ValidationError"),
    ] {
        let answer = assume(&app, &user, "puller", &[(parameter, value)]).await;
        let (status, found, _) = refused_by_sts(&answer);
        assert_eq!(
            (status, found.as_str()),
            (400, expected),
            "{parameter} {value}"
        );
    }
}

#[tokio::test]
async fn a_role_is_assumed_by_whom_it_trusts_alone() {
    let app = App::new().await;
    app.role("puller", &everything()).await;
    let nobody = app
        .user("nobody", &cam(&json!([allow("tcr:DescribeRegions", "*")])))
        .await;
    let answer = assume(&app, &nobody, "puller", &[]).await;
    let (status, code, message) = refused_by_sts(&answer);
    assert_eq!((status, code.as_str()), (403, "AccessDenied"));
    assert!(
        message.contains("is not authorized to perform: sts:AssumeRole"),
        "{message}"
    );
    // A root assumes no role, as at AWS.
    let answer = assume(&app, &app.key, "puller", &[]).await;
    assert_eq!(refused_by_sts(&answer).1, "AccessDenied");
    let user = app.user("ci", &everything()).await;
    let answer = assume(&app, &user, "missing", &[]).await;
    let (status, code, _) = refused_by_sts(&answer);
    assert_eq!((status, code.as_str()), (404, "NoSuchEntity"));
}

/// Asks for a session with a token, as AWS's SDKs do: unsigned.
pub(super) async fn with_token(
    app: &App,
    token: &str,
    role: &str,
    more: &[(&str, &str)],
) -> Answer {
    let arn = format!("arn:aws:iam::{ACCOUNT}:role/{role}");
    let pairs = [
        ("Action", "AssumeRoleWithWebIdentity"),
        ("Version", "2011-06-15"),
        ("RoleArn", arn.as_str()),
        ("RoleSessionName", "build-7"),
        ("WebIdentityToken", token),
    ];
    let pairs = pairs.iter().chain(more);
    let pairs = pairs.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let body = Parameters::from_pairs(pairs.collect()).unwrap().encode();
    let request = Request::post("/").header("host", HOST).header(
        "content-type",
        "application/x-www-form-urlencoded; charset=utf-8",
    );
    app.send(request.body(Body::from(body)).unwrap()).await
}

#[tokio::test]
async fn a_web_identity_becomes_a_session_without_a_signature() {
    let keyless = Keyless::new().await;
    let app = &keyless.app;
    let token = keyless.token(GITHUB);
    let answer = with_token(app, &token, "builder", &[]).await;
    assert_eq!(element(&answer, "SubjectFromWebIdentityToken"), GITHUB);
    assert_eq!(element(&answer, "Audience"), "sts.example.com");
    assert!(
        element(&answer, "Provider").starts_with(&format!("arn:aws:iam::{ACCOUNT}:oidc-provider/"))
    );
    let key = session_of(&answer).key();
    let call = app.ecr("GetAuthorizationToken", &json!({})).by(&key);
    let (username, secret) = log_in_of(&call.send().await);
    assert_eq!(granted(app, &username, &secret, SCOPE).await, SCOPE);
    for (token, role, status, code) in [
        (token.as_str(), "nobody", 403, "AccessDenied"),
        (token.as_str(), "missing", 403, "AccessDenied"),
        ("a.b.c", "builder", 400, "InvalidIdentityToken"),
        ("abc", "builder", 400, "ValidationError"),
    ] {
        let answer = with_token(app, token, role, &[]).await;
        let (found_status, found, _) = refused_by_sts(&answer);
        assert_eq!((found_status, found.as_str()), (status, code), "{role}");
    }
    let answer = with_token(app, &token, "builder", &[("ProviderId", "ci")]).await;
    assert_eq!(refused_by_sts(&answer).1, "UnsupportedOperation");
    keyless.delete_provider("ci").await;
    let answer = with_token(app, &token, "builder", &[]).await;
    let (status, code, _) = refused_by_sts(&answer);
    assert_eq!((status, code.as_str()), (400, "InvalidIdentityToken"));
}

#[tokio::test]
async fn nothing_else_is_served_without_a_signature() {
    let app = App::new().await;
    for form in [
        "Action=GetCallerIdentity&Version=2011-06-15",
        "Action=AssumeRole&Version=2011-06-15",
        "Action=AssumeRoot&Version=2011-06-15",
    ] {
        let request = Request::post("/")
            .header("host", HOST)
            .header("content-type", "application/x-www-form-urlencoded");
        let answer = app.send(request.body(Body::from(form)).unwrap()).await;
        let (status, code, message) = refused_by_sts(&answer);
        assert_eq!(
            (status, code.as_str(), message.as_str()),
            (
                403,
                "MissingAuthenticationToken",
                "Request is missing Authentication Token"
            )
        );
    }
}

#[tokio::test]
async fn a_federated_session_has_the_rights_that_its_policy_leaves() {
    let app = App::new().await;
    let user = app.user("ci", &everything()).await;
    let policy = cam(&json!([
        allow("tcr:CreateInstanceToken", "*"),
        allow("tcr:PullRepository", "*")
    ]))
    .to_string();
    let ask = async |key: &Key, more: &[(&str, &str)]| {
        let usual = [("Name", "deploy"), ("Policy", policy.as_str())].into_iter();
        let usual = usual.filter(|(name, _)| more.iter().all(|(other, _)| other != name));
        let parameters: Vec<_> = usual.chain(more.iter().copied()).collect();
        let call = app.aws_sts("GetFederationToken", &parameters).by(key);
        call.send().await
    };
    for (key, more, lasts) in [
        (&user, vec![], 43_200),
        (&user, vec![("DurationSeconds", "129600")], 129_600),
        (&app.key, vec![], 3600),
    ] {
        let answer = ask(key, &more).await;
        let ends_at = NOW.plus(Duration::from_secs(lasts));
        assert_eq!(element(&answer, "Expiration"), ends_at.rfc3339());
        assert_eq!(
            element(&answer, "Arn"),
            format!("arn:aws:sts::{ACCOUNT}:federated-user/deploy")
        );
        assert_eq!(
            element(&answer, "FederatedUserId"),
            format!("{ACCOUNT}:deploy")
        );
        let session = session_of(&answer).key();
        let call = app.ecr("GetAuthorizationToken", &json!({})).by(&session);
        let (username, secret) = log_in_of(&call.send().await);
        assert_eq!(
            granted(&app, &username, &secret, SCOPE).await,
            "repository:team/app:pull"
        );
        let again = ask(&session, &[]).await;
        let (status, code, message) = refused_by_sts(&again);
        assert_eq!((status, code.as_str()), (403, "AccessDenied"));
        assert!(
            message.starts_with("Cannot call GetFederationToken with session credentials"),
            "{message}"
        );
    }
    for (parameter, value, expected) in [
        ("Policy", "", "ValidationError"),
        ("Policy", "nonsense", "MalformedPolicyDocument"),
        ("PolicyArns.member.1.arn", "a", "UnsupportedOperation"),
        ("DurationSeconds", "899", "ValidationError"),
        ("DurationSeconds", "129601", "ValidationError"),
        ("Name", "x", "ValidationError"),
        (
            "Name",
            "a-name-of-more-than-32-characters",
            "ValidationError",
        ),
    ] {
        let answer = ask(&user, &[(parameter, value)]).await;
        assert_eq!(refused_by_sts(&answer).1, expected, "{parameter} {value}");
    }
}
