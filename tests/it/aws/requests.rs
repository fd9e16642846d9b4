//! AWS's APIs, through the true server: how calls are sent, and refused.

use std::time::Duration;

use axum::body::Body;
use http::{Method, Request, StatusCode};
use serde_json::json;
use transire::sign::sigv4;

use crate::harness::aws::{element, log_in_of, refused_by_ecr, refused_by_sts};
use crate::harness::documents::{allow, cam, deny, everything};
use crate::harness::registry::granted;
use crate::harness::{ACCOUNT, App, HOST, Key, NOW, SERVICE, headers, to_sign};

const SCOPE: &str = "repository:team/app:pull,push";

#[tokio::test]
async fn a_log_in_is_issued_and_logs_in_with_the_rights_of_its_caller() {
    let app = App::new().await;
    let pulls = cam(&json!([
        allow("tcr:CreateInstanceToken", "*"),
        allow("tcr:PullRepository", "*")
    ]));
    let user = app.user("puller", &pulls).await;
    for (key, rights) in [(&app.key, SCOPE), (&user, "repository:team/app:pull")] {
        let answer = app
            .ecr("GetAuthorizationToken", &json!({}))
            .by(key)
            .send()
            .await;
        assert_eq!(
            answer.header("content-type"),
            Some("application/x-amz-json-1.1")
        );
        let data = &answer.json()["authorizationData"];
        assert_eq!(data.as_array().unwrap().len(), 1);
        assert_eq!(
            data[0]["expiresAt"],
            NOW.plus(Duration::from_hours(12)).unix_seconds()
        );
        assert_eq!(data[0]["proxyEndpoint"], format!("https://{SERVICE}"));
        let (username, secret) = log_in_of(&answer);
        assert_eq!(username, "AWS");
        assert_eq!(granted(&app, &username, &secret, SCOPE).await, rights);
        let query = "service=registry.example.com";
        for other in [ACCOUNT, "aws", "cr_temp_user"] {
            let refused = app.registry(Some((other, secret.expose())), query).await;
            assert_eq!(refused.status, StatusCode::UNAUTHORIZED, "{other}");
        }
        let other = "service=other.example.com";
        let refused = app.registry(Some(("AWS", secret.expose())), other).await;
        assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    }
}

#[tokio::test]
async fn a_log_in_ends_after_twelve_hours() {
    let app = App::new().await;
    let answer = app.ecr("GetAuthorizationToken", &json!({})).send().await;
    let (username, secret) = log_in_of(&answer);
    app.later(Duration::from_hours(12)).await;
    let query = "service=registry.example.com";
    let refused = app
        .registry(Some((&username, secret.expose())), query)
        .await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_registry_answers_to_the_host_that_its_operator_names() {
    let app = App::new().await;
    let operator = app.operator();
    let registry = &app.service.registry;
    let endpoint = async || {
        let call = app.ecr("GetAuthorizationToken", &json!({}));
        let answer = call.send().await.json();
        answer["authorizationData"][0]["proxyEndpoint"].clone()
    };
    let repository = async |name: &str| {
        let input = json!({ "repositoryName": name });
        let answer = app.ecr("CreateRepository", &input).send().await.json();
        answer["repository"]["repositoryUri"].clone()
    };
    let new = transire::service::NewNamespace::named("team");
    let choice = app.choice();
    registry
        .create_namespace(&operator, &choice, new)
        .await
        .unwrap();
    assert_eq!(endpoint().await, format!("https://{SERVICE}"));
    assert_eq!(repository("team/one").await, format!("{SERVICE}/team/one"));
    for host in [
        "100000000001.dkr.ecr.us-east-1.example.com",
        "localhost:5000",
    ] {
        let set = registry.set_ecr_host(&operator, &choice, Some(host));
        set.await.unwrap();
        assert_eq!(endpoint().await, format!("https://{host}"));
        let name = format!("team/at-{}", host.len());
        assert_eq!(repository(&name).await, format!("{host}/{name}"));
    }
    let bad = registry.set_ecr_host(&operator, &choice, Some("https://a.example.com"));
    let kind = bad.await.unwrap_err().kind().name();
    assert_eq!(kind, "invalid-parameter");
    registry
        .set_ecr_host(&operator, &choice, None)
        .await
        .unwrap();
    assert_eq!(endpoint().await, format!("https://{SERVICE}"));
}

#[tokio::test]
async fn a_registry_is_named_by_its_account() {
    let app = App::new().await;
    for (ids, is_served) in [
        (json!([ACCOUNT]), true),
        (json!([ACCOUNT, ACCOUNT]), true),
        (json!(null), true),
        (json!([]), false),
        (json!(["300000000003"]), false),
        (json!([ACCOUNT, "300000000003"]), false),
        (json!(["1"]), false),
        (json!([""]), false),
        (json!(vec![ACCOUNT; 11]), false),
    ] {
        let input = json!({ "registryIds": ids });
        let answer = app.ecr("GetAuthorizationToken", &input).send().await;
        if is_served {
            assert_eq!(log_in_of(&answer).0, "AWS", "{ids}");
        } else {
            let (status, code, message) = refused_by_ecr(&answer);
            assert_eq!(
                (status, code.as_str()),
                (400, "InvalidParameterException"),
                "{ids}"
            );
            let of_another = "There is no registry with id '300000000003'";
            let is_told = message.starts_with("registryIds names") || message.contains(of_another);
            assert!(is_told, "{message}");
        }
    }
}

#[tokio::test]
async fn leading_zeros_of_an_account_are_kept() {
    let app = App::new().await;
    let account = "42".parse().unwrap();
    let identity = &app.service.identity;
    identity
        .create_account(&app.operator(), Some(account), "small", None)
        .await
        .unwrap();
    let key = identity
        .create_access_key(&app.operator(), account, None)
        .await
        .unwrap();
    let key = Key::permanent(key);
    let answer = app.aws_sts("GetCallerIdentity", &[]).by(&key).send().await;
    assert_eq!(element(&answer, "Account"), "000000000042");
    assert_eq!(element(&answer, "UserId"), "000000000042");
    assert_eq!(element(&answer, "Arn"), "arn:aws:iam::000000000042:root");
    // It has no registry, and hears which one would answer.
    let input = json!({ "registryIds": ["000000000042"] });
    let answer = app
        .ecr("GetAuthorizationToken", &input)
        .by(&key)
        .send()
        .await;
    let (status, code, message) = refused_by_ecr(&answer);
    assert_eq!((status, code.as_str()), (400, "InvalidParameterException"));
    assert!(
        message.contains("transire instance create --default"),
        "{message}"
    );
    let input = json!({ "registryIds": ["42"] });
    let answer = app
        .ecr("GetAuthorizationToken", &input)
        .by(&key)
        .send()
        .await;
    assert!(refused_by_ecr(&answer).2.contains("12 digits"));
}

#[tokio::test]
async fn a_deny_of_another_clouds_language_closes_this_door_too() {
    let app = App::new().await;
    let nothing = app
        .user("nobody", &cam(&json!([allow("tcr:DescribeRegions", "*")])))
        .await;
    let denied = cam(&json!([
        allow("*", "*"),
        deny("tcr:CreateInstanceToken", "*")
    ]));
    let denied = app.user("denied", &denied).await;
    for (key, why) in [
        (
            &nothing,
            "because no identity-based policy allows the ecr:GetAuthorizationToken action",
        ),
        (&denied, "with an explicit deny in an identity-based policy"),
    ] {
        let answer = app
            .ecr("GetAuthorizationToken", &json!({}))
            .by(key)
            .send()
            .await;
        let (status, code, message) = refused_by_ecr(&answer);
        assert_eq!((status, code.as_str()), (400, "AccessDeniedException"));
        let action = "is not authorized to perform: ecr:GetAuthorizationToken on resource: *";
        assert!(
            message.contains(action)
                && message.contains(why)
                && message.contains("tcr:CreateInstanceToken"),
            "{message}"
        );
        assert!(message.starts_with("User: arn:aws:iam::100000000001:user/"));
    }
}

#[tokio::test]
async fn who_calls_is_proved_first() {
    let app = App::new().await;
    let call = || app.ecr("Nothing", &json!("x"));
    let mut others = app.more_keys(2).await;
    let unknown = Key {
        id: "AKIAUNKNOWNEXAMPLE00".to_owned(),
        ..others.remove(0)
    };
    let wrong = Key {
        id: app.key.id.clone(),
        ..others.remove(0)
    };
    for (key, code) in [
        (&unknown, "UnrecognizedClientException"),
        (&wrong, "InvalidSignatureException"),
    ] {
        let answer = call().by(key).send().await;
        let (status, found, _) = refused_by_ecr(&answer);
        assert_eq!((status, found.as_str()), (400, code));
    }
    let mut unsigned = call().request();
    unsigned.headers_mut().remove("authorization");
    let (_, code, _) = refused_by_ecr(&app.send(unsigned).await);
    assert_eq!(code, "MissingAuthenticationTokenException");
    for (away, is_served) in [(15 * 60, true), (15 * 60 + 1, false)] {
        for signed_at in [
            NOW.plus(Duration::from_secs(away)),
            NOW.minus(Duration::from_secs(away)),
        ] {
            let mut call = app.ecr("GetAuthorizationToken", &json!({}));
            call.signed_at = signed_at;
            let answer = call.send().await;
            if is_served {
                log_in_of(&answer);
            } else {
                let (_, code, message) = refused_by_ecr(&answer);
                assert_eq!(code, "InvalidSignatureException");
                assert!(message.starts_with("Signature expired: "), "{message}");
            }
        }
    }
}

#[tokio::test]
async fn an_operation_that_is_not_served_is_said_to_be_so() {
    let app = App::new().await;
    let code = |answer| {
        let (status, code, message) = refused_by_ecr(&answer);
        assert_eq!(status, 400);
        (code, message)
    };
    let (found, message) = code(app.ecr("PutImage", &json!({})).send().await);
    assert_eq!(found, "UnsupportedOperationException");
    assert!(message.contains("docs/compatibility.md"), "{message}");
    let (found, _) = code(app.ecr("Fly", &json!({})).send().await);
    assert_eq!(found, "UnknownOperationException");
    let mut other = app.ecr("", &json!({}));
    other.headers[2].1 = "SpencerFrontendService.GetAuthorizationToken".to_owned();
    assert_eq!(code(other.send().await).0, "UnknownOperationException");
    let answer = app.aws_sts("AssumeRoot", &[]).send().await;
    let (status, found, _) = refused_by_sts(&answer);
    assert_eq!((status, found.as_str()), (400, "UnsupportedOperation"));
    let answer = app.aws_sts("Fly", &[]).send().await;
    let (status, found, message) = refused_by_sts(&answer);
    assert_eq!((status, found.as_str()), (400, "InvalidAction"));
    assert!(
        message.starts_with("Could not find operation Fly for version 2011-06-15"),
        "{message}"
    );
}

#[tokio::test]
async fn a_call_is_read_as_strictly_as_it_is_signed() {
    let app = App::new().await;
    let code = async |call: crate::harness::aws::AwsCall<'_>| refused_by_ecr(&call.send().await).1;
    let mut scoped = app.ecr("GetAuthorizationToken", &json!({}));
    scoped.service = "s3";
    assert_eq!(code(scoped).await, "IncompleteSignatureException");
    let mut read = app.ecr("GetAuthorizationToken", &json!({}));
    read.method = Method::GET;
    assert_eq!(code(read).await, "SerializationException");
    for body in ["{", "[]", "{\"registryIds\":5}", "\u{1}"] {
        let mut call = app.ecr("GetAuthorizationToken", &json!({}));
        body.clone_into(&mut call.body);
        assert_eq!(code(call).await, "SerializationException", "{body}");
    }
    let mut empty = app.ecr("GetAuthorizationToken", &json!({}));
    empty.body.clear();
    empty.uri = "/some/path".to_owned();
    log_in_of(&empty.send().await);
    let unknown = json!({ "other": 1 });
    log_in_of(&app.ecr("GetAuthorizationToken", &unknown).send().await);
}

#[tokio::test]
async fn a_signature_serves_no_other_target_and_no_other_body() {
    let app = App::new().await;
    let whole = app.ecr("GetAuthorizationToken", &json!({}));
    log_in_of(&app.send(whole.request()).await);
    // Two equal calls of one second are signed alike.
    log_in_of(&app.send(whole.request()).await);
    let mut other = whole.request();
    let target = "AmazonEC2ContainerRegistry_V20150921.DeleteRepository";
    other
        .headers_mut()
        .insert("x-amz-target", target.parse().unwrap());
    assert_eq!(
        refused_by_ecr(&app.send(other).await).1,
        "InvalidSignatureException"
    );
    let mut other = whole.request();
    *other.body_mut() = Body::from("{ }");
    assert_eq!(
        refused_by_ecr(&app.send(other).await).1,
        "InvalidSignatureException"
    );
}

/// Returns a URL's query that asks for an operation of STS.
fn presigned(app: &App, operation: &str) -> String {
    let uri = format!("/?Action={operation}&Version=2011-06-15");
    let uri: http::Uri = uri.parse().unwrap();
    let all = headers(&[("host", HOST.to_owned())]);
    let unsigned = to_sign(&Method::GET, &uri, &all, b"");
    let scope = ("us-east-1", "sts");
    sigv4::presign(&unsigned, scope, &app.signer(), app.now(), 60).unwrap()
}

#[tokio::test]
async fn a_signed_url_tells_the_callers_identity_and_nothing_else() {
    let app = App::new().await;
    let get = |query: &str| {
        let request = Request::get(format!("/?{query}")).header("host", HOST);
        request.body(Body::empty()).unwrap()
    };
    let query = presigned(&app, "GetCallerIdentity");
    let answer = app.send(get(&query)).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    assert_eq!(element(&answer, "Account"), ACCOUNT);
    // The life in the URL changes nothing.
    app.later(Duration::from_mins(15)).await;
    assert_eq!(app.send(get(&query)).await.status, StatusCode::OK);
    app.later(Duration::from_secs(1)).await;
    let answer = app.send(get(&query)).await;
    assert_eq!(refused_by_sts(&answer).1, "SignatureDoesNotMatch");
    let query = presigned(&app, "GetCallerIdentity").replace("Identity", "Identitx");
    let answer = app.send(get(&query)).await;
    assert_eq!(refused_by_sts(&answer).1, "SignatureDoesNotMatch");
}

#[tokio::test]
async fn callers_hear_their_identity() {
    let app = App::new().await;
    let user = app.user("bob", &everything()).await;
    let answer = app.aws_sts("GetCallerIdentity", &[]).by(&user).send().await;
    assert_eq!(answer.header("content-type"), Some("text/xml"));
    assert!(answer.body.contains(
        "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\
         <GetCallerIdentityResult>"
    ));
    assert_eq!(
        element(&answer, "Arn"),
        format!("arn:aws:iam::{ACCOUNT}:user/bob")
    );
    assert_eq!(element(&answer, "Account"), ACCOUNT);
    let id = element(&answer, "UserId");
    assert!(id.starts_with("AIDA") && id.len() == 21, "{id}");
    assert_eq!(
        Some(element(&answer, "RequestId").as_str()),
        answer.header("x-amzn-requestid")
    );
    // By GET, too, and a user without any rights as well.
    let nobody = app
        .user("nobody", &cam(&json!([allow("tcr:DescribeRegions", "*")])))
        .await;
    let mut call = app.aws_sts("GetCallerIdentity", &[]).by(&nobody);
    call.method = Method::GET;
    call.uri = "/?Action=GetCallerIdentity&Version=2011-06-15".to_owned();
    call.body.clear();
    call.headers.truncate(1);
    assert!(element(&call.send().await, "Arn").ends_with(":user/nobody"));
}

#[tokio::test]
async fn a_session_of_another_cloud_does_not_sign_here() {
    let app = App::new().await;
    app.role("puller", &everything()).await;
    let user = app.user("ci", &everything()).await;
    let session = app.alibaba_session(&user, "puller", &[]).await;
    let key = session.key();
    let answer = app
        .ecr("GetAuthorizationToken", &json!({}))
        .by(&key)
        .send()
        .await;
    assert_eq!(refused_by_ecr(&answer).1, "UnrecognizedClientException");
}

#[tokio::test]
async fn an_accounts_calls_are_counted_in_its_own_words() {
    let app = App::with(|options| {
        let rates = &mut options.service.limits.requests_per_second_by_action;
        rates.insert("ecr:GetAuthorizationToken".to_owned(), 2);
    })
    .await;
    let call = || app.ecr("GetAuthorizationToken", &json!({})).send();
    log_in_of(&call().await);
    log_in_of(&call().await);
    let (status, code, message) = refused_by_ecr(&call().await);
    assert_eq!((status, code.as_str()), (400, "ThrottlingException"));
    assert!(message.starts_with("Rate exceeded: "), "{message}");
}

#[tokio::test]
async fn a_key_that_was_right_lately_sends_long_bodies_from_an_address_that_was_refused() {
    let app = App::of_short_patience().await;
    let wrong = Key {
        id: "AKIAUNKNOWNEXAMPLE00".to_owned(),
        ..app.more_keys(1).await.remove(0)
    };
    let long = json!({ "unknown": "x".repeat(70_000) });
    let code = async |key: &Key| {
        let call = app.ecr("GetAuthorizationToken", &long).by(key);
        refused_by_ecr(&call.send().await).1
    };
    for _ in 0..3 {
        let call = app.ecr("GetAuthorizationToken", &json!({})).by(&wrong);
        refused_by_ecr(&call.send().await);
    }
    // It is too long for a stranger, and counts as one more refusal.
    assert_eq!(code(&app.key).await, "ThrottlingException");
    let call = app.ecr("GetAuthorizationToken", &json!({})).send();
    log_in_of(&call.await);
    let call = app.ecr("GetAuthorizationToken", &long).send();
    log_in_of(&call.await);
    assert_eq!(code(&wrong).await, "ThrottlingException");
}

#[tokio::test]
async fn sigv4a_is_refused_by_its_name() {
    let app = App::new().await;
    for call in [
        app.ecr("GetAuthorizationToken", &json!({})),
        app.aws_sts("GetCallerIdentity", &[]),
    ] {
        let is_ecr = call.service == "ecr";
        let mut request = call.request();
        let value = request.headers()["authorization"].to_str().unwrap();
        let value = value.replace("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256");
        let value = value.replace("/us-east-1/", "/").parse().unwrap();
        request.headers_mut().insert("authorization", value);
        let answer = app.send(request).await;
        let (code, message) = if is_ecr {
            let (_, code, message) = refused_by_ecr(&answer);
            (code, message)
        } else {
            let (_, code, message) = refused_by_sts(&answer);
            (code, message)
        };
        assert!(code.starts_with("IncompleteSignature"), "{code}");
        assert!(message.contains("AWS4-ECDSA-P256-SHA256"), "{message}");
    }
}
