//! Roles: their trust, policies, chains and the limits of assuming one.

use std::time::Duration;

use serde_json::{Value, json};
use transire::domain::ErrorKind;
use transire::service::Save;

use crate::harness::alibaba::alibaba_code;
use crate::harness::documents::{allow, cam, everything, ram, trusting};
use crate::harness::operator::account;
use crate::harness::registry::granted;
use crate::harness::tencent::{code, credential, refused};
use crate::harness::{ACCOUNT, Answer, App, Key, NOW};

/// Makes the role `short`, whose sessions last an hour at most; returns its id.
async fn a_role_of_an_hour(app: &App) -> String {
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
    short.id.to_string()
}

#[tokio::test]
async fn a_role_is_meant_by_its_id_and_not_by_its_name() {
    let app = App::new().await;
    app.role("long", &everything()).await;
    let id = a_role_of_an_hour(&app).await;
    let by_id = json!({ "RoleArn": format!("qcs::cam::uin/{ACCOUNT}:role/{id}") });
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
}

#[tokio::test]
async fn a_roles_sessions_last_no_longer_than_it_says() {
    let app = App::new().await;
    a_role_of_an_hour(&app).await;
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

fn pull_only() -> Value {
    cam(&json!([allow(
        ["tcr:CreateInstanceToken", "tcr:PullRepository"],
        "*"
    )]))
}

/// An app with the role `open`, and `closed`, which trusts another role alone.
async fn an_open_and_a_closed_role() -> App {
    let app = App::new().await;
    app.role("open", &everything()).await;
    let other = trusting(&format!("qcs::cam::uin/{ACCOUNT}:roleName/deployer"));
    app.role_trusting("closed", &other, &everything()).await;
    app
}

#[tokio::test]
async fn tencents_door_denies_a_role_that_does_not_trust_or_no_policy_allows() {
    let app = an_open_and_a_closed_role().await;
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
        app.wait(Duration::from_secs(1));
    }
}

#[tokio::test]
async fn alibabas_door_denies_a_role_that_does_not_trust_or_no_policy_allows() {
    let app = an_open_and_a_closed_role().await;
    let (trusted, weak) = (
        app.user("trusted", &everything()).await,
        app.user("weak", &pull_only()).await,
    );
    for (key, role) in [(&trusted, "closed"), (&weak, "open"), (&weak, "nowhere")] {
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
}

#[tokio::test]
async fn a_caller_that_may_assume_every_role_hears_that_there_is_none() {
    let app = an_open_and_a_closed_role().await;
    let trusted = app.user("trusted", &everything()).await;
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
