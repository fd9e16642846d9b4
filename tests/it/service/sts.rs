//! STS at both doors: sessions are opened, sign, and stop with what they came from.

use std::time::Duration;

use axum::body::Body;
use http::{Method, Request, StatusCode, header};
use serde_json::{Value, json};
use transire::domain::ErrorKind;
use transire::domain::identity::UserState;
use transire::domain::secret::Secret;
use transire::service::Save;
use transire::sign;
use transire::store::access_key::AccessKeyState;

use crate::harness::alibaba::{Place, alibaba_code};
use crate::harness::audit::lines;
use crate::harness::documents::{allow, cam, everything, ram, ram_allow, trusting};
use crate::harness::operator::account;
use crate::harness::registry::granted;
use crate::harness::tencent::{code, credential, refused};
use crate::harness::{ACCOUNT, Answer, App, HOST, Key, NOW, Session};

fn pull_only() -> Value {
    cam(&json!([allow(
        ["tcr:CreateInstanceToken", "tcr:PullRepository"],
        "*"
    )]))
}

/// Returns how many seconds are left.
fn left(app: &App, unix_millis: &Value) -> i64 {
    (unix_millis.as_i64().unwrap() - app.now().unix_millis()) / 1000
}

#[tokio::test]
async fn a_session_of_tencents_has_the_documented_fields() {
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

#[tokio::test]
async fn a_session_of_alibabas_has_the_documented_fields() {
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

#[tokio::test]
async fn a_role_is_meant_by_id_or_name_and_its_sessions_last_no_longer_than_it_says() {
    let app = App::new().await;
    app.role("long", &everything()).await;
    let trust = trusting(&format!("qcs::cam::uin/{ACCOUNT}:root"));
    let (short, _) = app
        .service
        .identity
        .create_role(
            &app.operator(),
            account(),
            "short",
            &trust.to_string(),
            3600,
        )
        .await
        .unwrap();
    let by_id = json!({ "RoleArn": format!("qcs::cam::uin/{ACCOUNT}:role/{}", short.id) });
    let output = app
        .assume_at_tencent(&app.key, "short", &by_id)
        .await
        .json();
    // Two hours are usual, and this role's sessions last one.
    assert_eq!(
        output["Response"]["ExpiredTime"],
        NOW.plus(Duration::from_hours(1)).unix_seconds(),
        "{output}"
    );
    let user = app.user("ci", &everything()).await;
    for seconds in ["899", "3601", "43201", "1.5", "-1", "soon"] {
        let answer = app
            .assume_at_alibaba(&user, "short", &[("DurationSeconds", seconds)])
            .await;
        assert_eq!(
            alibaba_code(&answer),
            (400, "InvalidParameter.DurationSeconds".to_owned()),
            "{seconds}"
        );
    }
    for seconds in [0, -1, 3601] {
        let answer = app
            .assume_at_tencent(&user, "short", &json!({ "DurationSeconds": seconds }))
            .await;
        assert_eq!(code(&answer), "InvalidParameter.OverTimeError", "{seconds}");
    }
}

#[tokio::test]
async fn a_sessions_key_signs_with_every_method_of_its_cloud() {
    let mut app = App::new().await;
    app.role("puller", &everything()).await;
    let user = app.user("ci", &everything()).await;
    let (tencent, alibaba) = (
        app.tencent_session(&user, "puller", &json!({})).await,
        app.alibaba_session(&user, "puller", &[]).await,
    );
    let username = credential(&app.tencent_credential(&tencent.key()).await).0;
    assert!(username.starts_with('4'), "the role's id: {username}");
    app.key = tencent.key();
    for method in [Method::GET, Method::POST] {
        for signature in [
            sign::Method::TencentHmacSha1,
            sign::Method::TencentHmacSha256,
        ] {
            crate::harness::tencent::served(&app.send(app.v1(&method, signature, |_| {})).await);
        }
    }
    app.key = alibaba.key();
    crate::harness::alibaba::served(&app.get_token().send().await);
    for (method, place) in [
        (Method::GET, Place::Query),
        (Method::POST, Place::Form),
        (Method::POST, Place::Split),
    ] {
        crate::harness::alibaba::served(&app.send(app.rpc(method, place, &[])).await);
    }
    assert_eq!(
        app.send(app.roa("/tokens", Some("n"))).await.status,
        StatusCode::OK
    );
}

#[tokio::test]
async fn what_a_session_gets_never_outlives_it() {
    let mut app = App::new().await;
    app.role("puller", &everything()).await;
    let user = app.user("ci", &everything()).await;
    // Tencent: an hour, or the session's rest.
    for (seconds, lasts) in [(43_200, 3600), (1800, 1800)] {
        let session = app
            .tencent_session(&user, "puller", &json!({ "DurationSeconds": seconds }))
            .await;
        let output = app.tencent_credential(&session.key()).await.json();
        assert_eq!(left(&app, &output["Response"]["ExpTime"]), lasts);
        app.wait(Duration::from_secs(1000));
        let output = app.tencent_credential(&session.key()).await.json();
        assert_eq!(
            left(&app, &output["Response"]["ExpTime"]),
            (seconds - 1000).min(3600)
        );
    }
    let session = app.tencent_session(&user, "puller", &json!({})).await.key();
    let long_term = json!({ "RegistryId": app.instance.id.as_str(), "TokenType": "longterm" });
    assert_eq!(
        code(
            &app.tencent("CreateInstanceToken", &long_term)
                .by(&session)
                .send()
                .await
        ),
        "UnsupportedOperation"
    );
    // Alibaba: exactly the session's rest, or ExpiresInHours.
    let id = app.instance.cri_id.as_str().to_owned();
    let session = app
        .alibaba_session(&user, "puller", &[("DurationSeconds", "10000")])
        .await;
    app.wait(Duration::from_secs(100));
    for (hours, lasts) in [("", 9900), ("1", 3600), ("2", 7200), ("24", 9900)] {
        let call = app.alibaba(
            "GetAuthorizationToken",
            &[("InstanceId", &id), ("ExpiresInHours", hours)],
        );
        assert_eq!(
            left(
                &app,
                &call.by(&session.key()).send().await.json()["ExpireTime"]
            ),
            lasts,
            "{hours:?}"
        );
    }
    app.key = session.key();
    let tokens = app.send(app.roa("/tokens", Some("n"))).await.json();
    assert_eq!(left(&app, &tokens["data"]["expireDate"]), 9900);
}

#[tokio::test]
async fn a_sessions_key_needs_its_own_token_while_it_lasts() {
    let app = App::new().await;
    app.role("puller", &everything()).await;
    let user = app.user("ci", &everything()).await;
    let id = app.instance.cri_id.as_str();
    let (session, other) = (
        app.alibaba_session(&user, "puller", &[]).await,
        app.alibaba_session(&user, "puller", &[]).await,
    );
    let abroad = app.tencent_session(&user, "puller", &json!({})).await;
    let cut = &session.token[..session.token.len() - 1];
    for (key, expected) in [
        (session.with_token(None), "MissingSecurityToken"),
        (
            session.with_token(Some(&other.token)),
            "InvalidSecurityToken.MismatchWithAccessKey",
        ),
        (
            session.with_token(Some(cut)),
            "InvalidSecurityToken.Malformed",
        ),
        (abroad.key(), "InvalidSecurityToken.MismatchWithAccessKey"),
    ] {
        let answer = app
            .alibaba("GetAuthorizationToken", &[("InstanceId", id)])
            .by(&key)
            .send()
            .await;
        assert_eq!(alibaba_code(&answer), (400, expected.to_owned()));
    }
    let at_home = app
        .tencent_session(&user, "puller", &json!({ "RoleSessionName": "second" }))
        .await;
    let cut = &abroad.token[..abroad.token.len() - 1];
    for key in [
        abroad.with_token(None),
        abroad.with_token(Some(&at_home.token)),
        abroad.with_token(Some(cut)),
        session.key(),
    ] {
        assert_eq!(
            code(&app.tencent_credential(&key).await),
            "AuthFailure.TokenFailure"
        );
    }
    let long = app
        .alibaba_session(&user, "puller", &[("DurationSeconds", "7200")])
        .await;
    app.wait(Duration::from_hours(1));
    let ask = async |session: &Session| {
        app.alibaba("GetAuthorizationToken", &[("InstanceId", id)])
            .by(&session.key())
            .send()
            .await
    };
    assert_eq!(
        alibaba_code(&ask(&session).await),
        (400, "InvalidSecurityToken.Expired".to_owned())
    );
    crate::harness::alibaba::served(&ask(&long).await);
    app.wait(Duration::from_hours(1));
    assert_eq!(
        code(&app.tencent_credential(&abroad.key()).await),
        "AuthFailure.TokenFailure"
    );
}

#[tokio::test]
async fn a_session_policy_narrows_at_issue_and_at_exchange() {
    let app = App::new().await;
    app.role("all", &everything()).await;
    let user = app.user("ci", &everything()).await;
    let scope = "repository:team/app:pull,push";
    let whole = app.tencent_session(&user, "all", &json!({})).await;
    let (name, secret) = credential(&app.tencent_credential(&whole.key()).await);
    assert_eq!(granted(&app, &name, &secret, scope).await, scope);
    // As the contract has it, URL-encoded, and as plain JSON.
    let plain = pull_only().to_string();
    let encoded = form_urlencoded::byte_serialize(plain.as_bytes()).collect::<String>();
    for policy in [&encoded, &plain] {
        app.wait(Duration::from_secs(1));
        let narrow = app
            .tencent_session(&user, "all", &json!({ "Policy": policy }))
            .await;
        let (name, secret) = credential(&app.tencent_credential(&narrow.key()).await);
        assert_eq!(
            granted(&app, &name, &secret, scope).await,
            "repository:team/app:pull"
        );
    }
    let no_issue = cam(&json!([allow("tcr:PullRepository", "*")])).to_string();
    let narrow = app
        .tencent_session(&user, "all", &json!({ "Policy": no_issue }))
        .await;
    assert_eq!(
        code(&app.tencent_credential(&narrow.key()).await),
        "AuthFailure.UnauthorizedOperation"
    );
    // The other language, at the other door.
    let policy = ram(&json!([ram_allow(
        ["cr:GetAuthorizationToken", "cr:PullRepository"],
        "*",
    )]))
    .to_string();
    let narrow = app
        .alibaba_session(&user, "all", &[("Policy", &policy)])
        .await;
    let issued = app
        .alibaba(
            "GetAuthorizationToken",
            &[("InstanceId", app.instance.cri_id.as_str())],
        )
        .by(&narrow.key())
        .send()
        .await;
    let secret = Secret::new(issued.json()["AuthorizationToken"].as_str().unwrap());
    assert_eq!(
        granted(&app, "cr_temp_user", &secret, scope).await,
        "repository:team/app:pull"
    );
}

#[tokio::test]
async fn a_role_is_assumed_by_whom_it_trusts_and_whose_policies_let_it() {
    let app = App::new().await;
    app.role("open", &everything()).await;
    let other = trusting(&format!("qcs::cam::uin/{ACCOUNT}:roleName/deployer"));
    app.role_trusting("closed", &other, &everything()).await;
    let (trusted, weak) = (
        app.user("trusted", &everything()).await,
        app.user("weak", &pull_only()).await,
    );
    for (key, role) in [(&trusted, "closed"), (&weak, "open"), (&weak, "nowhere")] {
        let (code, message) = refused(&app.assume_at_tencent(key, role, &json!({})).await);
        assert_eq!(code, "AuthFailure.UnauthorizedOperation", "{role}");
        assert!(
            message.contains("(sts:AssumeRole)")
                && message.contains("qcs::cam::uin/100000000001:roleName/"),
            "{message}"
        );
        let answer = app.assume_at_alibaba(key, role, &[]).await;
        assert_eq!(
            alibaba_code(&answer),
            (403, "NoPermission".to_owned()),
            "{role}"
        );
        let body = answer.json();
        let message = body["Message"].as_str().unwrap();
        assert!(
            message.starts_with(
                "You are not authorized to do this action. You should be authorized by RAM."
            ),
            "{message}"
        );
        assert_eq!(
            (
                &body["AccessDeniedDetail"]["AuthAction"],
                &body["AccessDeniedDetail"]["AuthPrincipalType"]
            ),
            (&json!("sts:AssumeRole"), &json!("SubUser"))
        );
        let (code, id) = (
            body["Code"].as_str().unwrap(),
            body["RequestId"].as_str().unwrap(),
        );
        assert_eq!(
            body["Recommend"],
            format!("https://api.aliyun.com/troubleshoot?q={code}&product=Sts&requestId={id}")
        );
        app.wait(Duration::from_secs(1));
    }
    // A caller that may assume every role hears that there is none.
    assert_eq!(
        code(&app.assume_at_tencent(&trusted, "nowhere", &json!({})).await),
        "ResourceNotFound.RoleNotFound"
    );
    let answer = app.assume_at_alibaba(&trusted, "nowhere", &[]).await;
    assert_eq!(
        (alibaba_code(&answer), answer.json()["Message"].clone()),
        (
            (404, "EntityNotExist.Role".to_owned()),
            json!("The specified Role not exists.")
        )
    );
    let service_role = "role/tencentcloudServiceRole/4611686018427397920";
    let service_role = json!({ "RoleArn": format!("qcs::cam::uin/{ACCOUNT}:{service_role}") });
    assert_eq!(
        code(&app.assume_at_tencent(&trusted, "", &service_role).await),
        "ResourceNotFound.RoleNotFound"
    );
}

#[tokio::test]
async fn whoever_may_not_assume_a_role_does_not_hear_whether_there_is_one() {
    let app = App::new().await;
    app.role("open", &everything()).await;
    let roles = app
        .service
        .identity
        .roles(&app.operator(), account())
        .await
        .unwrap();
    let stranger = app
        .service
        .identity
        .create_access_key(&app.operator(), "100000000002".parse().unwrap(), None)
        .await
        .unwrap();
    let (stranger, weak) = (
        Key::permanent(stranger),
        app.user("weak", &pull_only()).await,
    );
    let by_id = |id: &str| json!({ "RoleArn": format!("qcs::cam::uin/{ACCOUNT}:role/{id}") });
    for key in [&stranger, &weak] {
        let (there, nowhere) = (
            app.assume_at_tencent(key, "open", &json!({})).await,
            app.assume_at_tencent(key, "shut", &json!({})).await,
        );
        let (there, nowhere) = (refused(&there), refused(&nowhere));
        assert_eq!(
            (there.0, there.1.replace("roleName/open", "roleName/shut")),
            nowhere
        );
        let id = roles[0].id.to_string();
        let (there, nowhere) = (
            app.assume_at_tencent(key, "", &by_id(&id)).await,
            app.assume_at_tencent(key, "", &by_id("400000000000000001"))
                .await,
        );
        let (there, nowhere) = (refused(&there), refused(&nowhere));
        assert_eq!(
            (there.0, there.1.replace(&id, "400000000000000001")),
            nowhere
        );
        let message = |answer: &Answer| answer.json()["Message"].as_str().unwrap().to_owned();
        let (there, nowhere) = (
            app.assume_at_alibaba(key, "open", &[]).await,
            app.assume_at_alibaba(key, "shut", &[]).await,
        );
        assert_eq!(
            (alibaba_code(&there), message(&there)),
            (alibaba_code(&nowhere), message(&nowhere))
        );
    }
}

#[tokio::test]
async fn a_root_assumes_roles_at_tencents_door_alone() {
    let app = App::new().await;
    app.role("open", &everything()).await;
    app.tencent_session(&app.key, "open", &json!({})).await;
    let answer = app.assume_at_alibaba(&app.key, "open", &[]).await;
    assert_eq!(alibaba_code(&answer), (403, "NoPermission".to_owned()));
    assert_eq!(
        answer.json()["Message"],
        "Roles may not be assumed by root accounts."
    );
}

#[tokio::test]
async fn sessions_of_roles_assume_further_roles_three_deep() {
    let app = App::new().await;
    for name in ["one", "two", "three", "four"] {
        app.role(name, &everything()).await;
    }
    let user = app.user("ci", &everything()).await;
    let first = app.tencent_session(&user, "one", &json!({})).await;
    let second = app.tencent_session(&first.key(), "two", &json!({})).await;
    let third = app
        .tencent_session(&second.key(), "three", &json!({}))
        .await;
    let got = credential(&app.tencent_credential(&third.key()).await);
    assert!(app.opens(&got).await);
    assert_eq!(
        code(
            &app.assume_at_tencent(&third.key(), "four", &json!({}))
                .await
        ),
        "UnsupportedOperation"
    );
    let identity = app
        .tencent_sts("GetCallerIdentity", &json!({}))
        .by(&third.key())
        .send()
        .await
        .json();
    assert!(
        identity["Response"]["PrincipalId"]
            .as_str()
            .unwrap()
            .starts_with('2'),
        "the user's id, with which it began: {identity}"
    );
    // The chain breaks where one of its sessions does.
    app.revoke_session(&first).await;
    assert_eq!(
        code(&app.tencent_credential(&third.key()).await),
        "AuthFailure.TokenFailure"
    );
    assert_eq!(
        code(&app.tencent_credential(&second.key()).await),
        "AuthFailure.TokenFailure"
    );
    assert!(!app.opens(&got).await);
}

#[tokio::test]
async fn revoking_one_session_stops_it_and_what_it_got_and_no_other() {
    let app = App::new().await;
    app.role("open", &everything()).await;
    let user = app.user("ci", &everything()).await;
    let revoked = app.tencent_session(&user, "open", &json!({})).await;
    let other = app
        .tencent_session(&user, "open", &json!({ "RoleSessionName": "other" }))
        .await;
    let (got, kept) = (
        credential(&app.tencent_credential(&revoked.key()).await),
        credential(&app.tencent_credential(&other.key()).await),
    );
    app.revoke_session(&revoked).await;
    assert_eq!(
        code(&app.tencent_credential(&revoked.key()).await),
        "AuthFailure.TokenFailure"
    );
    assert!(!app.opens(&got).await);
    crate::harness::tencent::served(&app.tencent_credential(&other.key()).await);
    assert!(app.opens(&kept).await);
}

#[tokio::test]
async fn a_session_stops_with_whatever_it_came_from() {
    #[derive(Debug, Clone, Copy)]
    enum Blow {
        UserDisabled,
        KeyDeleted,
        RoleRevoked,
        UserRevoked,
        RoleDeleted,
    }
    for blow in [
        Blow::UserDisabled,
        Blow::KeyDeleted,
        Blow::RoleRevoked,
        Blow::UserRevoked,
        Blow::RoleDeleted,
    ] {
        let app = App::new().await;
        app.role("open", &everything()).await;
        let user = app.user("ci", &everything()).await;
        let (tencent, alibaba) = (
            app.tencent_session(&user, "open", &json!({})).await,
            app.alibaba_session(&user, "open", &[]).await,
        );
        let got = credential(&app.tencent_credential(&tencent.key()).await);
        assert!(app.opens(&got).await);
        match blow {
            Blow::UserDisabled => {
                app.service
                    .identity
                    .set_user_state(&app.operator(), account(), "ci", UserState::Disabled)
                    .await
            }
            Blow::KeyDeleted => {
                app.service
                    .identity
                    .set_access_key_state(&app.operator(), &user.id, AccessKeyState::Deleted)
                    .await
            }
            Blow::RoleRevoked => app
                .service
                .identity
                .revoke(
                    &app.operator(),
                    &format!("{ACCOUNT}:role/open").parse().unwrap(),
                )
                .await
                .map(drop),
            Blow::UserRevoked => app
                .service
                .identity
                .revoke(
                    &app.operator(),
                    &format!("{ACCOUNT}:user/ci").parse().unwrap(),
                )
                .await
                .map(drop),
            Blow::RoleDeleted => app
                .service
                .identity
                .delete_role(&app.operator(), account(), "open")
                .await
                .map(drop),
        }
        .unwrap();
        assert_eq!(
            code(&app.tencent_credential(&tencent.key()).await),
            "AuthFailure.TokenFailure",
            "{blow:?}"
        );
        let answer = app
            .alibaba_sts("GetCallerIdentity", &[])
            .by(&alibaba.key())
            .send()
            .await;
        assert_eq!(
            alibaba_code(&answer),
            (400, "InvalidSecurityToken.Expired".to_owned()),
            "{blow:?}"
        );
        assert!(!app.opens(&got).await, "{blow:?}");
    }
}

#[tokio::test]
async fn a_roles_changed_policy_is_obeyed_by_its_sessions() {
    let app = App::new().await;
    app.role("open", &everything()).await;
    let session = app.tencent_session(&app.key, "open", &json!({})).await;
    let (name, secret) = credential(&app.tencent_credential(&session.key()).await);
    let scope = "repository:team/app:pull,push";
    assert_eq!(granted(&app, &name, &secret, scope).await, scope);
    let pull = cam(&json!([allow("tcr:PullRepository", "*")])).to_string();
    app.service
        .identity
        .save_policy(
            &app.operator(),
            account(),
            "of-role-open",
            &pull,
            Save::Update,
        )
        .await
        .unwrap();
    assert_eq!(
        granted(&app, &name, &secret, scope).await,
        "repository:team/app:pull"
    );
    assert_eq!(
        code(&app.tencent_credential(&session.key()).await),
        "AuthFailure.UnauthorizedOperation"
    );
}

#[tokio::test]
async fn a_federation_token_is_its_user_narrowed() {
    let app = App::new().await;
    let user = app.user("ci", &everything()).await;
    let policy = pull_only().to_string();
    let federate = async |key: &Key, more: Value| {
        let mut body = json!({ "Name": "guest", "Policy": policy });
        body.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        app.tencent_sts("GetFederationToken", &body)
            .by(key)
            .send()
            .await
    };
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
        let output = federate(key, more).await.json()["Response"].clone();
        assert_eq!(
            output["ExpiredTime"],
            NOW.plus(Duration::from_secs(lasts)).unix_seconds(),
            "{output}"
        );
    }
    for (key, seconds) in [(&app.key, 7201), (&user, 129_601), (&user, 0)] {
        assert_eq!(
            code(&federate(key, json!({ "DurationSeconds": seconds })).await),
            "InvalidParameter.OverTimeError"
        );
    }
    let scope = "repository:team/app:pull,push";
    for key in [&app.key, &user] {
        let session = Session::of_tencent(&federate(key, json!({ "Name": "narrow" })).await);
        let (name, secret) = credential(&app.tencent_credential(&session.key()).await);
        assert_eq!(
            granted(&app, &name, &secret, scope).await,
            "repository:team/app:pull"
        );
        // Permanent keys alone get one, and no role is assumed with one.
        assert_eq!(
            code(&federate(&session.key(), json!({})).await),
            "UnsupportedOperation"
        );
        app.wait(Duration::from_secs(1));
    }
    let weak = app.user("weak", &pull_only()).await;
    assert_eq!(
        code(&federate(&weak, json!({})).await),
        "AuthFailure.UnauthorizedOperation"
    );
    // A guest may nothing that its user may not, whatever the policy says.
    let narrow = app
        .user(
            "narrow",
            &cam(&json!([allow(["sts:*", "tcr:CreateInstanceToken"], "*")])),
        )
        .await;
    let session = Session::of_tencent(
        &federate(&narrow, json!({ "Policy": everything().to_string() })).await,
    );
    let (name, secret) = credential(&app.tencent_credential(&session.key()).await);
    assert_eq!(granted(&app, &name, &secret, scope).await, "");
}

#[tokio::test]
async fn everyone_hears_who_they_are() {
    let app = App::new().await;
    app.role("open", &everything()).await;
    let user = app.user("ci", &everything()).await;
    let ask_tencent = async |key: &Key| {
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
    };
    let ask_alibaba = async |key: &Key| {
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
    };
    let identity = |kind: &str, arn: String, user: &str, owner: &str| {
        json!({
            "Arn": arn,
            "AccountId": ACCOUNT,
            "UserId": user,
            "PrincipalId": owner,
            "Type": kind,
        })
    };
    assert_eq!(
        ask_tencent(&app.key).await,
        identity(
            "CAMUser",
            format!("qcs::cam:{ACCOUNT}:uin/{ACCOUNT}"),
            ACCOUNT,
            ACCOUNT
        )
    );
    let of_user = ask_tencent(&user).await;
    let uin = of_user["UserId"].as_str().unwrap().to_owned();
    assert!(uin.starts_with('2') && uin.len() == 12, "{uin}");
    assert_eq!(
        of_user,
        identity(
            "CAMUser",
            format!("qcs::cam:{ACCOUNT}:uin/{uin}"),
            &uin,
            &uin
        )
    );
    let session = app.tencent_session(&user, "open", &json!({})).await;
    let of_session = ask_tencent(&session.key()).await;
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
            format!("qcs::sts:{ACCOUNT}:assumed-role/{role}"),
            &format!("{role}:test"),
            &uin
        )
    );
    for (key, uin) in [(&app.key, ACCOUNT), (&user, &uin)] {
        let body = json!({ "Name": "guest", "Policy": everything().to_string() });
        let guest = Session::of_tencent(
            &app.tencent_sts("GetFederationToken", &body)
                .by(key)
                .send()
                .await,
        );
        let expected = identity(
            "CAMUser",
            format!("qcs::sts:{ACCOUNT}:federated-user/{uin}"),
            &format!("{uin}:guest"),
            uin,
        );
        assert_eq!(ask_tencent(&guest.key()).await, expected);
        // A federated session is no one whom a role trusts.
        assert_eq!(
            code(
                &app.assume_at_tencent(&guest.key(), "open", &json!({}))
                    .await
            ),
            "UnsupportedOperation"
        );
    }

    let root = json!({
        "IdentityType": "Account",
        "AccountId": ACCOUNT,
        "PrincipalId": ACCOUNT,
        "UserId": ACCOUNT,
        "Arn": format!("acs:ram::{ACCOUNT}:root"),
    });
    assert_eq!(ask_alibaba(&app.key).await, root);
    let arn = format!("acs:ram::{ACCOUNT}:user/ci");
    assert_eq!(
        ask_alibaba(&user).await,
        json!({
            "IdentityType": "RAMUser",
            "AccountId": ACCOUNT,
            "PrincipalId": uin,
            "UserId": uin,
            "Arn": arn,
        })
    );
    let session = app.alibaba_session(&user, "open", &[]).await;
    let arn = format!("acs:ram::{ACCOUNT}:assumed-role/open/test");
    let expected = json!({
        "IdentityType": "AssumedRoleUser",
        "AccountId": ACCOUNT,
        "PrincipalId": format!("{role}:test"),
        "RoleId": role,
        "Arn": arn,
    });
    assert_eq!(ask_alibaba(&session.key()).await, expected);
}

#[tokio::test]
async fn tencents_parameters_are_checked() {
    let app = App::new().await;
    app.role("open", &everything()).await;
    let long = "x".repeat(129);
    let tags = |count: usize| {
        (0..count)
            .map(|number| json!({ "Key": format!("k{number}"), "Value": "" }))
            .collect::<Vec<_>>()
    };
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
    let harmless = json!({ "Tags": tags(50), "ExternalId": "ext:1/a", "SourceIdentity": ACCOUNT });
    app.tencent_session(&app.key, "open", &harmless).await;
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
    assert_eq!(
        code(
            &app.tencent_sts("GetCallerIdentity", &json!({ "Wings": 2 }))
                .send()
                .await
        ),
        "UnknownParameter"
    );
    // A region is not needed, but looked at; and other products' actions are not STS's.
    app.wait(Duration::from_secs(1));
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
    // A parameter that only the cloud has is told from one that nobody has.
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
async fn policies_ask_for_the_tags_that_a_call_gives() {
    let app = App::new().await;
    let tagged = |tag: &str| json!({ "for_any_value:string_equal": { "qcs:request_tag": [tag] } });
    let anyone = format!("qcs::cam::uin/{ACCOUNT}:root");
    let trust = json!([{
        "effect": "allow",
        "action": "name/sts:AssumeRole",
        "principal": { "qcs": anyone },
        "condition": tagged("team&blue"),
    }]);
    app.role_trusting("open", &cam(&trust), &everything()).await;
    let rights = json!([
        allow("sts:*", "*"),
        {
            "effect": "deny",
            "action": "sts:AssumeRole",
            "resource": "*",
            "condition": tagged("stage&live"),
        },
    ]);
    let user = app.user("ci", &cam(&rights)).await;
    let tags = |pairs: &[(&str, &str)]| {
        let tags: Vec<_> = pairs
            .iter()
            .map(|(key, value)| json!({ "Key": key, "Value": value }))
            .collect();
        json!({ "Tags": tags })
    };
    app.tencent_session(&user, "open", &tags(&[("team", "blue"), ("stage", "test")]))
        .await;
    for (more, why) in [
        (json!({}), "untrusted"),
        (tags(&[("team", "red")]), "untrusted"),
        (tags(&[("team", "blue"), ("stage", "live")]), "denied"),
    ] {
        assert_eq!(
            code(&app.assume_at_tencent(&user, "open", &more).await),
            "AuthFailure.UnauthorizedOperation",
            "{why}"
        );
    }
    // For what is taken and changes nothing, no policy can ask.
    for (key, words) in [("sts:ExternalId", "ext"), ("sts:SourceIdentity", "alice")] {
        let trust = json!([{
            "Effect": "Allow",
            "Action": "sts:AssumeRole",
            "Principal": { "RAM": [format!("acs:ram::{ACCOUNT}:root")] },
            "Condition": { "StringEquals": { key: words } },
        }]);
        let refused = app
            .service
            .identity
            .create_role(
                &app.operator(),
                account(),
                "asking",
                &ram(&trust).to_string(),
                3600,
            )
            .await
            .unwrap_err();
        assert_eq!(
            refused.kind(),
            &ErrorKind::InvalidParameter {
                name: "document".to_owned()
            }
        );
        assert!(refused.message().contains(key), "{refused}");
    }
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

#[tokio::test]
async fn alibabas_parameters_are_checked() {
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
    // As the credential libraries send it: everything in the query of a GET.
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

/// A request that nobody signed.
fn unsigned(
    method: &Method,
    uri: &str,
    headers: &[(&str, &str)],
    body: impl Into<Body>,
) -> Request<Body> {
    let mut request = Request::builder()
        .method(method)
        .uri(uri)
        .header(header::HOST, HOST);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(body.into()).unwrap()
}

const SKIP: [(&str, &str); 4] = [
    ("authorization", "SKIP"),
    ("x-tc-version", "2018-08-13"),
    ("x-tc-language", "en-US"),
    ("content-type", "application/json"),
];

#[tokio::test]
async fn tencents_unsigned_action_needs_no_signature_but_its_parameters() {
    let app = App::new().await;
    let call = async |action: &'static str, body: &Value| {
        let headers: Vec<_> = SKIP.into_iter().chain([("x-tc-action", action)]).collect();
        app.send(unsigned(&Method::POST, "/", &headers, body.to_string()))
            .await
    };
    let whole = json!({
        "ProviderId": "ci",
        "WebIdentityToken": "a.b.c",
        "RoleArn": format!("qcs::cam::uin/{ACCOUNT}:roleName/open"),
        "RoleSessionName": "test",
    });
    for name in [
        "ProviderId",
        "WebIdentityToken",
        "RoleArn",
        "RoleSessionName",
    ] {
        let mut body = whole.clone();
        body.as_object_mut().unwrap().remove(name);
        let (code, message) = refused(&call("AssumeRoleWithWebIdentity", &body).await);
        assert_eq!(
            (code.as_str(), message),
            (
                "MissingParameter",
                format!("The request is missing a required parameter `{name}`.")
            )
        );
    }
    let mut body = whole.clone();
    body["RoleArn"] = json!("open");
    assert_eq!(
        code(&call("AssumeRoleWithWebIdentity", &body).await),
        "InvalidParameter.ParamError"
    );
    body = whole.clone();
    body["Policy"] = json!("{}");
    assert_eq!(
        code(&call("AssumeRoleWithWebIdentity", &body).await),
        "UnknownParameter"
    );
    // Whole, it comes as far as the token's proof: by POST, and by GET.
    let proof = code(&call("AssumeRoleWithWebIdentity", &whole).await);
    assert!(
        ![
            "AuthFailure.InvalidAuthorization",
            "MissingParameter",
            "InvalidParameter"
        ]
        .contains(&proof.as_str()),
        "{proof}"
    );
    let query = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(
            whole
                .as_object()
                .unwrap()
                .iter()
                .map(|(name, value)| (name, value.as_str().unwrap())),
        )
        .finish();
    let headers = [
        ("authorization", "SKIP"),
        ("x-tc-version", "2018-08-13"),
        ("x-tc-action", "AssumeRoleWithWebIdentity"),
    ];
    assert_eq!(
        code(
            &app.send(unsigned(&Method::GET, &format!("/?{query}"), &headers, ""))
                .await
        ),
        proof
    );
    // One SDK signs it all the same: the signature must be right then.
    assert_eq!(
        code(
            &app.tencent_sts("AssumeRoleWithWebIdentity", &whole)
                .send()
                .await
        ),
        proof
    );
    let mut stranger = app
        .tencent_sts("AssumeRoleWithWebIdentity", &whole)
        .request();
    let line = stranger.headers()["authorization"]
        .to_str()
        .unwrap()
        .replace(&app.key.id, "AKIDnobody");
    stranger
        .headers_mut()
        .insert("authorization", line.parse().unwrap());
    assert_eq!(
        code(&app.send(stranger).await),
        "AuthFailure.SecretIdNotFound"
    );
    // Other unsigned calls are refused as ever, and so is one that two readers could read
    // differently.
    for action in [
        "AssumeRole",
        "GetCallerIdentity",
        "GetFederationToken",
        "AssumeRoleWithSAML",
        "Nothing",
    ] {
        assert_eq!(
            code(&call(action, &whole).await),
            "AuthFailure.InvalidAuthorization",
            "{action}"
        );
    }
    let headers: Vec<_> = SKIP
        .into_iter()
        .chain([("x-tc-action", "AssumeRoleWithWebIdentity")])
        .collect();
    let both = unsigned(&Method::POST, "/?ProviderId=b", &headers, whole.to_string());
    assert_eq!(code(&app.send(both).await), "InvalidParameter");
    let large = json!({ "WebIdentityToken": "x".repeat(70_000) });
    assert_eq!(
        code(&call("AssumeRoleWithWebIdentity", &large).await),
        "RequestSizeLimitExceeded"
    );
}

#[tokio::test]
async fn alibabas_unsigned_action_needs_no_signature_but_its_parameters() {
    let app = App::new().await;
    let (provider, role) = (
        format!("acs:ram::{ACCOUNT}:oidc-provider/ci"),
        format!("acs:ram::{ACCOUNT}:role/open"),
    );
    let whole = [
        ("OIDCProviderArn", provider.as_str()),
        ("RoleArn", &role),
        ("OIDCToken", "a.b.c"),
        ("RoleSessionName", "test"),
    ];
    let encode = |pairs: &[(&str, &str)]| {
        form_urlencoded::Serializer::new(String::new())
            .extend_pairs(pairs)
            .finish()
    };
    // As the credential libraries send it: a GET, without a nonce.
    let call = async |pairs: &[(&str, &str)]| {
        let uri = format!(
            "/?Action=AssumeRoleWithOIDC&Format=JSON&Version=2015-04-01\
             &Timestamp=2025-01-03T04:04:17Z&{}",
            encode(pairs)
        );
        app.send(unsigned(&Method::GET, &uri, &[], "")).await
    };
    for (name, expected) in [
        ("OIDCProviderArn", (400, "MissingOIDCProviderArn")),
        ("RoleArn", (400, "MissingRoleArn")),
        ("OIDCToken", (401, "AuthenticationFail.OIDCToken.Invalid")),
        ("RoleSessionName", (400, "MissingRoleSessionName")),
    ] {
        let pairs: Vec<_> = whole
            .into_iter()
            .filter(|(known, _)| *known != name)
            .collect();
        let answer = call(&pairs).await;
        assert_eq!(alibaba_code(&answer), (expected.0, expected.1.to_owned()));
        assert!(
            answer.json()["Recommend"]
                .as_str()
                .unwrap()
                .contains("product=Sts"),
            "{}",
            answer.body
        );
    }
    let with = |name: &str, value: &'static str| {
        whole.map(|(known, old)| (known, if known == name { value } else { old }))
    };
    assert_eq!(
        alibaba_code(&call(&with("OIDCProviderArn", "ci")).await),
        (400, "InvalidParameter.OIDCProviderArn".to_owned())
    );
    assert_eq!(
        alibaba_code(&call(&with("OIDCToken", "abc")).await),
        (401, "AuthenticationFail.OIDCToken.Invalid".to_owned())
    );
    // Whole, it comes as far as the token's proof, however it is sent.
    let proof = alibaba_code(&call(&whole).await);
    assert!(
        !proof.1.starts_with("Missing") && !proof.1.starts_with("InvalidParameter"),
        "{proof:?}"
    );
    let form = ("content-type", "application/x-www-form-urlencoded");
    let action = "/?Action=AssumeRoleWithOIDC&Version=2015-04-01&SignatureNonce=n";
    assert_eq!(
        alibaba_code(
            &app.send(unsigned(&Method::POST, action, &[form], encode(&whole)))
                .await
        ),
        proof
    );
    let headers = [
        ("x-acs-action", "AssumeRoleWithOIDC"),
        ("x-acs-version", "2015-04-01"),
        form,
    ];
    assert_eq!(
        alibaba_code(
            &app.send(unsigned(
                &Method::POST,
                "/?Format=json",
                &headers,
                encode(&whole)
            ))
            .await
        ),
        proof
    );
    let everything_in_the_form = encode(
        &[
            &[("Action", "AssumeRoleWithOIDC"), ("Version", "2015-04-01")][..],
            &whole,
        ]
        .concat(),
    );
    assert_eq!(
        alibaba_code(
            &app.send(unsigned(
                &Method::POST,
                "/",
                &[form],
                everything_in_the_form
            ))
            .await
        ),
        proof
    );
    assert_eq!(
        alibaba_code(&app.alibaba_sts("AssumeRoleWithOIDC", &whole).send().await),
        proof,
        "with a right signature beside it"
    );
    // Other unsigned calls are refused as ever, and so is one that two readers could read
    // differently.
    for other in [
        "Action=AssumeRole&Version=2015-04-01",
        "Action=AssumeRoleWithOIDC&Version=2018-12-01",
        "Action=AssumeRoleWithOIDC",
    ] {
        assert_eq!(
            alibaba_code(
                &app.send(unsigned(&Method::GET, &format!("/?{other}"), &[], ""))
                    .await
            )
            .1,
            "MissingAccessKeyId",
            "{other}"
        );
    }
    let both = unsigned(
        &Method::GET,
        "/?Action=AssumeRole&Version=2015-04-01",
        &headers[..2],
        "",
    );
    assert_eq!(
        alibaba_code(&app.send(both).await),
        (400, "InvalidParameter".to_owned())
    );
}

#[tokio::test]
async fn a_refused_unsigned_call_counts_against_its_address() {
    let app = App::with(|options| {
        (
            options.service.limits.refusals_per_second,
            options.service.limits.refusals_burst,
        ) = (1, 2)
    })
    .await;
    let call = async || {
        let headers: Vec<_> = SKIP
            .into_iter()
            .chain([("x-tc-action", "AssumeRoleWithWebIdentity")])
            .collect();
        code(&app.send(unsigned(&Method::POST, "/", &headers, "{}")).await)
    };
    assert_eq!(
        [call().await, call().await, call().await],
        [
            "MissingParameter",
            "MissingParameter",
            "RequestLimitExceeded"
        ]
    );
}

#[tokio::test]
async fn assuming_a_role_has_a_limit_of_its_own_that_the_settings_can_set() {
    let app = App::with(|options| options.service.limits.requests_per_second = 1).await;
    app.role("open", &everything()).await;
    for _ in 0..5 {
        app.tencent_session(&app.key, "open", &json!({})).await;
    }
    let app = App::with(|options| {
        options
            .service
            .limits
            .requests_per_second_by_action
            .insert("sts:AssumeRole".to_owned(), 1);
    })
    .await;
    app.role("open", &everything()).await;
    app.tencent_session(&app.key, "open", &json!({})).await;
    assert_eq!(
        code(&app.assume_at_tencent(&app.key, "open", &json!({})).await),
        "RequestLimitExceeded"
    );
    assert_eq!(
        alibaba_code(&app.assume_at_alibaba(&app.key, "open", &[]).await).1,
        "Throttling.User"
    );
}

#[tokio::test]
async fn a_session_is_opened_with_a_line_in_the_audit_and_no_secret_in_it() {
    let app = App::new().await;
    app.role("open", &everything()).await;
    let before = lines(&app, 0).await.len();
    let session = app.tencent_session(&app.key, "open", &json!({})).await;
    let all = lines(&app, before + 1).await;
    let line = all
        .iter()
        .find(|line| line.action == "session.assume-role")
        .unwrap_or_else(|| panic!("{all:?}"));
    assert_eq!((line.at, line.outcome.as_str()), (NOW, "ok"));
    assert!(line.detail.contains(&session.id), "{line:?}");
    let all = format!("{all:?}");
    assert!(
        !all.contains(&session.secret) && !all.contains(&session.token),
        "{all}"
    );
}
