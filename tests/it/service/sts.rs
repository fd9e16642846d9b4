//! STS at both doors: sessions are opened, sign, and stop with what they came from.

use std::time::Duration;

use http::{Method, StatusCode};
use serde_json::{Value, json};
use transire::domain::identity::UserState;
use transire::domain::secret::Secret;
use transire::sign;
use transire::store::access_key::AccessKeyState;

use crate::harness::alibaba::{Place, alibaba_code};
use crate::harness::audit::lines;
use crate::harness::documents::{allow, cam, everything, ram, ram_allow};
use crate::harness::operator::account;
use crate::harness::registry::granted;
use crate::harness::tencent::{code, credential};
use crate::harness::{ACCOUNT, App, Key, NOW, Session};

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
async fn a_temporary_credential_of_tencents_lasts_an_hour_or_the_sessions_rest() {
    let app = App::new().await;
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
}

#[tokio::test]
async fn a_session_gets_no_long_term_credential() {
    let app = App::new().await;
    app.role("puller", &everything()).await;
    let user = app.user("ci", &everything()).await;
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
}

#[tokio::test]
async fn a_temporary_credential_of_alibabas_never_outlives_its_session() {
    let mut app = App::new().await;
    app.role("puller", &everything()).await;
    let user = app.user("ci", &everything()).await;
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
async fn a_key_of_alibabas_needs_its_own_session_token() {
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
}

#[tokio::test]
async fn a_key_of_tencents_needs_its_own_session_token() {
    let app = App::new().await;
    app.role("puller", &everything()).await;
    let user = app.user("ci", &everything()).await;
    let session = app.alibaba_session(&user, "puller", &[]).await;
    let abroad = app.tencent_session(&user, "puller", &json!({})).await;
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
}

#[tokio::test]
async fn a_session_signs_until_it_expires() {
    let app = App::new().await;
    app.role("puller", &everything()).await;
    let user = app.user("ci", &everything()).await;
    let id = app.instance.cri_id.as_str();
    let session = app.alibaba_session(&user, "puller", &[]).await;
    let abroad = app.tencent_session(&user, "puller", &json!({})).await;
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
async fn a_session_policy_narrows_at_the_exchange() {
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
}

#[tokio::test]
async fn a_session_policy_narrows_at_issue() {
    let app = App::new().await;
    app.role("all", &everything()).await;
    let user = app.user("ci", &everything()).await;
    let no_issue = cam(&json!([allow("tcr:PullRepository", "*")])).to_string();
    let narrow = app
        .tencent_session(&user, "all", &json!({ "Policy": no_issue }))
        .await;
    assert_eq!(
        code(&app.tencent_credential(&narrow.key()).await),
        "AuthFailure.UnauthorizedOperation"
    );
}

#[tokio::test]
async fn a_session_policy_narrows_in_the_other_language_at_the_other_door() {
    let app = App::new().await;
    app.role("all", &everything()).await;
    let user = app.user("ci", &everything()).await;
    let scope = "repository:team/app:pull,push";
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

/// An app with a session of a user at each door, and a credential that one of them got.
struct Opened {
    app: App,
    user: Key,
    tencent: Session,
    alibaba: Session,
    got: (String, Secret),
}

impl Opened {
    async fn new() -> Self {
        let app = App::new().await;
        app.role("open", &everything()).await;
        let user = app.user("ci", &everything()).await;
        let (tencent, alibaba) = (
            app.tencent_session(&user, "open", &json!({})).await,
            app.alibaba_session(&user, "open", &[]).await,
        );
        let got = credential(&app.tencent_credential(&tencent.key()).await);
        assert!(app.opens(&got).await);
        Self {
            app,
            user,
            tencent,
            alibaba,
            got,
        }
    }

    /// Revokes a user or a role, such as `user/ci`.
    async fn revoke(&self, principal: &str) {
        self.app
            .service
            .identity
            .revoke(
                &self.app.operator(),
                &format!("{ACCOUNT}:{principal}").parse().unwrap(),
            )
            .await
            .unwrap();
    }

    /// Checks that both sessions, and the credential, are stopped.
    async fn is_stopped(&self) {
        assert_eq!(
            code(&self.app.tencent_credential(&self.tencent.key()).await),
            "AuthFailure.TokenFailure"
        );
        let answer = self
            .app
            .alibaba_sts("GetCallerIdentity", &[])
            .by(&self.alibaba.key())
            .send()
            .await;
        assert_eq!(
            alibaba_code(&answer),
            (400, "InvalidSecurityToken.Expired".to_owned())
        );
        assert!(!self.app.opens(&self.got).await);
    }
}

#[tokio::test]
async fn a_session_stops_with_its_user_disabled() {
    let opened = Opened::new().await;
    opened
        .app
        .service
        .identity
        .set_user_state(&opened.app.operator(), account(), "ci", UserState::Disabled)
        .await
        .unwrap();
    opened.is_stopped().await;
}

#[tokio::test]
async fn a_session_stops_with_its_access_key_deleted() {
    let opened = Opened::new().await;
    opened
        .app
        .service
        .identity
        .set_access_key_state(
            &opened.app.operator(),
            &opened.user.id,
            AccessKeyState::Deleted,
        )
        .await
        .unwrap();
    opened.is_stopped().await;
}

#[tokio::test]
async fn a_session_stops_with_its_role_revoked() {
    let opened = Opened::new().await;
    opened.revoke("role/open").await;
    opened.is_stopped().await;
}

#[tokio::test]
async fn a_session_stops_with_its_user_revoked() {
    let opened = Opened::new().await;
    opened.revoke("user/ci").await;
    opened.is_stopped().await;
}

#[tokio::test]
async fn a_session_stops_with_its_role_deleted() {
    let opened = Opened::new().await;
    opened
        .app
        .service
        .identity
        .delete_role(&opened.app.operator(), account(), "open")
        .await
        .unwrap();
    opened.is_stopped().await;
}
