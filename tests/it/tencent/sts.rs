//! Tencent's STS: its fields, parameters and callers' identities.

use std::time::Duration;

use http::{Method, StatusCode};
use serde_json::{Value, json};
use transire::sign;

use crate::harness::documents::{allow, cam, everything};
use crate::harness::registry::granted;
use crate::harness::tencent::{code, credential, refused, with};
use crate::harness::{ACCOUNT, Answer, App, Key, NOW, Session};

#[tokio::test]
async fn a_session_has_the_documented_fields() {
    let app = App::new().await;
    app.role("puller", &everything()).await;
    let user = app.user("ci", &everything()).await;
    for (more, lasts) in [
        (json!({}), 7200),
        (json!({ "DurationSeconds": 43_200 }), 43_200),
        (json!({ "DurationSeconds": 1 }), 1),
    ] {
        let answer = app.assume_at_tencent(&user, "puller", &more).await;
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (StatusCode::OK, Some("application/json"))
        );
        let output = answer.json()["Response"].clone();
        let names: Vec<&String> = output.as_object().unwrap().keys().collect();
        assert_eq!(
            names,
            ["Credentials", "Expiration", "ExpiredTime", "RequestId"],
            "{output}"
        );
        let names: Vec<&String> = output["Credentials"].as_object().unwrap().keys().collect();
        assert_eq!(names, ["TmpSecretId", "TmpSecretKey", "Token"]);
        let expires_at = NOW.plus(Duration::from_secs(lasts));
        assert_eq!(
            (&output["ExpiredTime"], &output["Expiration"]),
            (
                &json!(expires_at.unix_seconds()),
                &json!(expires_at.rfc3339())
            )
        );
        let session = Session::of_tencent(&answer);
        assert!(
            session.id.starts_with("AKID-")
                && session.token.starts_with("trss_")
                && session.token.len() <= 4096,
            "{session:?}"
        );
    }
}

/// Gets a federation token, with a policy to pull unless `more` has another.
async fn federate(app: &App, key: &Key, more: &Value) -> Answer {
    let usual = json!({ "Name": "guest", "Policy": pull_only().to_string() });
    app.tencent_sts("GetFederationToken", &with(&usual, more))
        .by(key)
        .send()
        .await
}

fn pull_only() -> Value {
    cam(&json!([allow(
        ["tcr:CreateInstanceToken", "tcr:PullRepository"],
        "*"
    )]))
}

#[tokio::test]
async fn a_federation_token_lasts_half_an_hour_or_as_its_call_says() {
    let app = App::new().await;
    let user = app.user("ci", &everything()).await;
    for (key, seconds, lasts) in [
        (&app.key, None, 1800),
        (&app.key, Some(7200), 7200),
        (&user, None, 1800),
        (&user, Some(129_600), 129_600),
    ] {
        let more = seconds.map_or(
            json!({}),
            |seconds: u64| json!({ "DurationSeconds": seconds }),
        );
        let output = federate(&app, key, &more).await.json()["Response"].clone();
        assert_eq!(
            output["ExpiredTime"],
            NOW.plus(Duration::from_secs(lasts)).unix_seconds(),
            "{output}"
        );
    }
}

#[tokio::test]
async fn a_federation_token_lasts_no_longer_than_its_kind_of_caller_may_say() {
    let app = App::new().await;
    let user = app.user("ci", &everything()).await;
    for (key, seconds) in [(&app.key, 7201), (&user, 129_601), (&user, 0)] {
        assert_eq!(
            code(&federate(&app, key, &json!({ "DurationSeconds": seconds })).await),
            "InvalidParameter.OverTimeError"
        );
    }
}

#[tokio::test]
async fn a_federation_token_is_its_user_narrowed() {
    let app = App::new().await;
    let user = app.user("ci", &everything()).await;
    let scope = "repository:team/app:pull,push";
    for key in [&app.key, &user] {
        let session = Session::of_tencent(&federate(&app, key, &json!({ "Name": "narrow" })).await);
        let (name, secret) = credential(&app.tencent_credential(&session.key()).await);
        assert_eq!(
            granted(&app, &name, &secret, scope).await,
            "repository:team/app:pull"
        );
        // Permanent keys alone get one, and no role is assumed with one.
        assert_eq!(
            code(&federate(&app, &session.key(), &json!({})).await),
            "UnsupportedOperation"
        );
        app.wait(Duration::from_secs(1));
    }
}

#[tokio::test]
async fn a_federation_token_is_for_users_whose_policies_allow_it() {
    let app = App::new().await;
    let weak = app.user("weak", &pull_only()).await;
    assert_eq!(
        code(&federate(&app, &weak, &json!({})).await),
        "AuthFailure.UnauthorizedOperation"
    );
}

#[tokio::test]
async fn a_guest_may_nothing_that_its_user_may_not_whatever_its_policy_says() {
    let app = App::new().await;
    let scope = "repository:team/app:pull,push";
    let narrow = app
        .user(
            "narrow",
            &cam(&json!([allow(["sts:*", "tcr:CreateInstanceToken"], "*")])),
        )
        .await;
    let session = Session::of_tencent(
        &federate(
            &app,
            &narrow,
            &json!({ "Policy": everything().to_string() }),
        )
        .await,
    );
    let (name, secret) = credential(&app.tencent_credential(&session.key()).await);
    assert_eq!(granted(&app, &name, &secret, scope).await, "");
}

/// Returns the identity that a key's caller hears, without the request's id.
async fn identity_of(app: &App, key: &Key) -> Value {
    let mut output = app
        .tencent_sts("GetCallerIdentity", &json!({}))
        .by(key)
        .send()
        .await
        .json()["Response"]
        .clone();
    output
        .as_object_mut()
        .unwrap()
        .remove("RequestId")
        .expect("a request id");
    output
}

fn identity(kind: &str, arn: &str, user: &str, owner: &str) -> Value {
    json!({
        "Arn": arn,
        "AccountId": ACCOUNT,
        "UserId": user,
        "PrincipalId": owner,
        "Type": kind,
    })
}

/// Returns the number of the app's user `ci`.
async fn uin_of(app: &App, user: &Key) -> String {
    let uin = identity_of(app, user).await["UserId"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(uin.starts_with('2') && uin.len() == 12, "{uin}");
    uin
}

#[tokio::test]
async fn a_root_hears_its_identity() {
    let app = App::new().await;
    assert_eq!(
        identity_of(&app, &app.key).await,
        identity(
            "CAMUser",
            &format!("qcs::cam:{ACCOUNT}:uin/{ACCOUNT}"),
            ACCOUNT,
            ACCOUNT
        )
    );
}

#[tokio::test]
async fn a_user_hears_its_identity() {
    let app = App::new().await;
    let user = app.user("ci", &everything()).await;
    let uin = uin_of(&app, &user).await;
    assert_eq!(
        identity_of(&app, &user).await,
        identity(
            "CAMUser",
            &format!("qcs::cam:{ACCOUNT}:uin/{uin}"),
            &uin,
            &uin
        )
    );
}

#[tokio::test]
async fn a_roles_session_hears_its_identity() {
    let app = App::new().await;
    app.role("open", &everything()).await;
    let user = app.user("ci", &everything()).await;
    let uin = uin_of(&app, &user).await;
    let session = app.tencent_session(&user, "open", &json!({})).await;
    let of_session = identity_of(&app, &session.key()).await;
    let role = of_session["UserId"]
        .as_str()
        .unwrap()
        .strip_suffix(":test")
        .unwrap()
        .to_owned();
    assert!(role.starts_with('4') && role.len() == 18, "{role}");
    assert_eq!(
        of_session,
        identity(
            "CAMRole",
            &format!("qcs::sts:{ACCOUNT}:assumed-role/{role}"),
            &format!("{role}:test"),
            &uin
        )
    );
}

#[tokio::test]
async fn a_federated_user_hears_its_identity() {
    let app = App::new().await;
    let user = app.user("ci", &everything()).await;
    let user_uin = uin_of(&app, &user).await;
    for (key, uin) in [(&app.key, ACCOUNT), (&user, user_uin.as_str())] {
        let body = json!({ "Name": "guest", "Policy": everything().to_string() });
        let guest = Session::of_tencent(
            &app.tencent_sts("GetFederationToken", &body)
                .by(key)
                .send()
                .await,
        );
        let expected = identity(
            "CAMUser",
            &format!("qcs::sts:{ACCOUNT}:federated-user/{uin}"),
            &format!("{uin}:guest"),
            uin,
        );
        assert_eq!(identity_of(&app, &guest.key()).await, expected);
    }
}

#[tokio::test]
async fn a_federated_session_is_no_one_whom_a_role_trusts() {
    let app = App::new().await;
    app.role("open", &everything()).await;
    let user = app.user("ci", &everything()).await;
    for key in [&app.key, &user] {
        let body = json!({ "Name": "guest", "Policy": everything().to_string() });
        let guest = Session::of_tencent(
            &app.tencent_sts("GetFederationToken", &body)
                .by(key)
                .send()
                .await,
        );
        assert_eq!(
            code(
                &app.assume_at_tencent(&guest.key(), "open", &json!({}))
                    .await
            ),
            "UnsupportedOperation"
        );
    }
}

/// Makes that many tags.
fn tags(count: usize) -> Vec<Value> {
    (0..count)
        .map(|number| json!({ "Key": format!("k{number}"), "Value": "" }))
        .collect()
}

#[tokio::test]
async fn the_parameters_of_assume_role_are_checked() {
    let app = App::new().await;
    app.role("open", &everything()).await;
    let long = "x".repeat(129);
    let large = cam(&json!([allow("tcr:*", ["x".repeat(2048)])])).to_string();
    let cases = [
        (json!({ "RoleArn": null }), "MissingParameter"),
        (json!({ "RoleSessionName": null }), "MissingParameter"),
        (json!({ "RoleArn": 1 }), "InvalidParameter"),
        (json!({ "DurationSeconds": "3600" }), "InvalidParameter"),
        (json!({ "Wings": 2 }), "UnknownParameter"),
        (json!({ "RoleArn": "open" }), "InvalidParameter.ParamError"),
        (
            json!({ "RoleSessionName": "a" }),
            "InvalidParameter.ParamError",
        ),
        (
            json!({ "RoleSessionName": long }),
            "InvalidParameter.ParamError",
        ),
        (
            json!({ "RoleSessionName": "a b" }),
            "InvalidParameter.ParamError",
        ),
        (
            json!({ "Policy": "nonsense" }),
            "InvalidParameter.StrategyFormatError",
        ),
        (
            json!({ "Policy": "{}" }),
            "InvalidParameter.StrategyFormatError",
        ),
        (json!({ "Policy": large }), "InvalidParameter.PolicyTooLong"),
        (json!({ "ExternalId": "a" }), "InvalidParameter.ParamError"),
        (
            json!({ "ExternalId": "a b" }),
            "InvalidParameter.ParamError",
        ),
        (
            json!({ "SourceIdentity": "a b" }),
            "InvalidParameter.ParamError",
        ),
        (
            json!({ "SerialNumber": "qcs::cam:uin/1::mfa/softToken", "TokenCode": "000000" }),
            "UnsupportedOperation",
        ),
    ];
    for (more, expected) in cases {
        assert_eq!(
            code(&app.assume_at_tencent(&app.key, "open", &more).await),
            expected,
            "{more}"
        );
    }
}

#[tokio::test]
async fn the_tags_of_a_session_are_checked() {
    let app = App::new().await;
    app.role("open", &everything()).await;
    let long = "x".repeat(129);
    let cases = [
        (json!({ "Tags": tags(51) }), "InvalidParameter.ParamError"),
        (
            json!({ "Tags": [{ "Key": "a", "Value": "" }, { "Key": "a", "Value": "" }] }),
            "InvalidParameter.ParamError",
        ),
        (
            json!({ "Tags": [{ "Key": long, "Value": "" }] }),
            "InvalidParameter.ParamError",
        ),
        (json!({ "Tags": [{ "Value": "" }] }), "MissingParameter"),
    ];
    for (more, expected) in cases {
        assert_eq!(
            code(&app.assume_at_tencent(&app.key, "open", &more).await),
            expected,
            "{more}"
        );
    }
}

#[tokio::test]
async fn tags_and_names_that_change_nothing_are_taken() {
    let app = App::new().await;
    app.role("open", &everything()).await;
    let harmless = json!({ "Tags": tags(50), "ExternalId": "ext:1/a", "SourceIdentity": ACCOUNT });
    app.tencent_session(&app.key, "open", &harmless).await;
}

#[tokio::test]
async fn the_parameters_of_get_federation_token_are_checked() {
    let app = App::new().await;
    for body in [json!({ "Name": "guest" }), json!({ "Policy": "{}" })] {
        assert_eq!(
            code(&app.tencent_sts("GetFederationToken", &body).send().await),
            "MissingParameter"
        );
    }
    let name = json!({ "Name": "x y", "Policy": pull_only().to_string() });
    assert_eq!(
        code(&app.tencent_sts("GetFederationToken", &name).send().await),
        "InvalidParameter.ParamError"
    );
}

#[tokio::test]
async fn the_parameters_of_get_caller_identity_are_checked() {
    let app = App::new().await;
    assert_eq!(
        code(
            &app.tencent_sts("GetCallerIdentity", &json!({ "Wings": 2 }))
                .send()
                .await
        ),
        "UnknownParameter"
    );
}

#[tokio::test]
async fn a_region_is_not_needed_but_looked_at() {
    let app = App::new().await;
    let identity = || app.tencent_sts("GetCallerIdentity", &json!({}));
    assert!(
        identity()
            .header("x-tc-region", Some("ap-guangzhou"))
            .send()
            .await
            .json()["Response"]["Arn"]
            .is_string()
    );
    app.wait(Duration::from_secs(1));
    assert_eq!(
        code(
            &identity()
                .header("x-tc-region", Some("Guangzhou"))
                .send()
                .await
        ),
        "InvalidParameterValue"
    );
}

#[tokio::test]
async fn an_action_that_only_the_cloud_has_is_told_from_one_that_nobody_has() {
    let app = App::new().await;
    assert_eq!(
        code(
            &app.tencent_sts("GetSessionToken", &json!({ "A": 1 }))
                .send()
                .await
        ),
        "UnsupportedOperation"
    );
    assert_eq!(
        code(
            &app.tencent_sts("GetSesionToken", &json!({ "A": 2 }))
                .send()
                .await
        ),
        "InvalidAction"
    );
}

#[tokio::test]
async fn the_older_signatures_flatten_what_they_send() {
    let app = App::new().await;
    app.role("open", &everything()).await;
    let v1 = app.v1(
        &Method::POST,
        sign::Method::TencentHmacSha256,
        |parameters| {
            for name in ["RegistryId", "Region"] {
                parameters.take(name);
            }
            parameters.set("Action", "AssumeRole");
            parameters.set("Version", "2018-08-13");
            parameters.set("RoleArn", format!("qcs::cam::uin/{ACCOUNT}:roleName/open"));
            parameters.set("RoleSessionName", "flat");
            parameters.set("Tags.0.Key", "team");
            parameters.set("Tags.0.Value", "a");
            parameters.set("DurationSeconds", "60");
        },
    );
    let output = app.send(v1).await.json();
    assert_eq!(
        output["Response"]["ExpiredTime"],
        app.now().plus(Duration::from_mins(1)).unix_seconds(),
        "{output}"
    );
}

#[tokio::test]
async fn an_empty_region_is_none() {
    // Clients without a region send it empty (TencentCloud/tencentcloud-sdk-ruby#9): STS has none,
    // and tcr must have one.
    let app = App::new().await;
    let identity = app
        .tencent_sts("GetCallerIdentity", &json!({}))
        .header("x-tc-region", Some(""))
        .send()
        .await;
    assert_eq!(identity.json()["Response"]["AccountId"], ACCOUNT);
    let token = app
        .tencent(
            "CreateInstanceToken",
            &json!({ "RegistryId": app.instance.id.as_str() }),
        )
        .header("x-tc-region", Some(""));
    let (code_, message) = refused(&token.send().await);
    assert_eq!(
        (code_.as_str(), message.contains("`Region`")),
        ("MissingParameter", true),
        "{message}"
    );
    for method in [Method::GET, Method::POST] {
        let identity = app.v1(&method, sign::Method::TencentHmacSha1, |parameters| {
            parameters.take("RegistryId");
            for (name, value) in [
                ("Action", "GetCallerIdentity"),
                ("Version", "2018-08-13"),
                ("Region", ""),
            ] {
                parameters.set(name, value);
            }
        });
        assert_eq!(
            app.send(identity).await.json()["Response"]["AccountId"],
            ACCOUNT
        );
        let token = app.v1(&method, sign::Method::TencentHmacSha1, |parameters| {
            parameters.set("Region", "")
        });
        assert_eq!(
            refused(&app.send(token).await),
            (code_.clone(), message.clone())
        );
    }
}
