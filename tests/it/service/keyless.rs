//! Nobody needs an access key who has an OpenID Connect token: what a provider's token opens, and
//! what it doesn't.

use std::time::Duration;

use http::StatusCode;
use serde_json::{Value, json};
use transire::domain::clock::Timestamp;
use transire::domain::secret::Secret;

use crate::harness::alibaba::alibaba_code;
use crate::harness::audit::found;
use crate::harness::issuer::TestKey;
use crate::harness::keyless::{AUDIENCE, GITHUB, GITHUB_NUMBERED, KUBERNETES, Keyless};
use crate::harness::operator::account;
use crate::harness::registry::granted;
use crate::harness::tencent::{code, served};
use crate::harness::{ACCOUNT, Answer, Key, SERVICE, Session};

impl Keyless {
    /// Returns the causes of refused sessions that the audit has, once there are so many.
    async fn refused_sessions(&self, expected: usize) -> Vec<String> {
        found(&self.app, |lines| {
            let causes: Vec<String> = lines
                .iter()
                .filter(|line| line.action.starts_with("sts:AssumeRoleWith"))
                .map(|line| {
                    let detail: Value = serde_json::from_str(&line.detail).unwrap();
                    detail["cause"].as_str().unwrap().to_owned()
                })
                .collect();
            (causes.len() >= expected).then_some(causes)
        })
        .await
    }
}

#[tokio::test]
async fn a_job_of_github_actions_logs_in_through_alibabas_door() {
    let keyless = Keyless::new().await;
    let app = &keyless.app;
    for subject in [GITHUB, GITHUB_NUMBERED] {
        let answer = keyless.at_alibaba(&keyless.token(subject), "builder").await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
        let info = &answer.json()["OIDCTokenInfo"];
        assert_eq!(
            (&info["Subject"], &info["Issuer"], &info["ClientIds"]),
            (
                &json!(subject),
                &json!(keyless.issuer.url),
                &json!(AUDIENCE)
            )
        );
        let session = Session::of_alibaba(&answer).key();
        let issued = app
            .alibaba(
                "GetAuthorizationToken",
                &[("InstanceId", app.instance.cri_id.as_str())],
            )
            .by(&session)
            .send()
            .await
            .json();
        let secret = Secret::new(
            issued["AuthorizationToken"]
                .as_str()
                .unwrap_or_else(|| panic!("{issued}")),
        );
        assert_eq!(
            granted(
                app,
                "cr_temp_user",
                &secret,
                "repository:team/app:pull,push"
            )
            .await,
            "repository:team/app:pull,push"
        );
    }
}

#[tokio::test]
async fn a_service_account_of_kubernetes_logs_in_through_tencents_door() {
    let keyless = Keyless::new().await;
    let app = &keyless.app;
    let answer = keyless
        .at_tencent(&keyless.token(KUBERNETES), "builder")
        .await;
    assert_eq!(
        answer.json()["Response"]["ExpiredTime"],
        json!(app.now().unix_seconds() + 3600)
    );
    let session = Session::of_tencent(&answer).key();
    let call = json!({ "RegistryId": app.instance.id.as_str() });
    let issued = served(
        &app.tencent("CreateInstanceToken", &call)
            .by(&session)
            .send()
            .await,
    );
    let secret = Secret::new(issued["Token"].as_str().unwrap());
    let username = issued["Username"].as_str().unwrap();
    assert_eq!(
        granted(app, username, &secret, "repository:team/app:pull").await,
        "repository:team/app:pull"
    );
    // It goes with its role, though there is no key to delete.
    app.service
        .identity
        .delete_role(&app.operator(), account(), "builder")
        .await
        .unwrap();
    assert_eq!(
        app.registry(
            Some((username, secret.expose())),
            &format!("service={SERVICE}")
        )
        .await
        .status,
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(
        code(
            &app.tencent("CreateInstanceToken", &call)
                .by(&session)
                .send()
                .await
        ),
        "AuthFailure.TokenFailure"
    );
}

#[tokio::test]
async fn a_token_opens_no_role_that_does_not_trust_its_subject_nor_says_which_roles_there_are() {
    let keyless = Keyless::new().await;
    let strange = keyless.token("repo:example-org/application:ref:refs/heads/main");
    let next_owner = keyless.token("repo:example-org@999999/app@456789:ref:refs/heads/main");
    let job = keyless.token(GITHUB);
    for (token, role) in [
        (&job, "nobody"),
        (&job, "missing"),
        (&strange, "builder"),
        (&next_owner, "builder"),
    ] {
        assert_eq!(
            alibaba_code(&keyless.at_alibaba(token, role).await),
            (401, "AuthenticationFail.NoPermission".to_owned()),
            "{role}"
        );
        assert_eq!(
            code(&keyless.at_tencent(token, role).await),
            "AuthFailure.UnauthorizedOperation",
            "{role}"
        );
    }
}

#[tokio::test]
async fn a_refused_subject_opens_no_session_and_hears_no_reason() {
    let keyless = Keyless::new().await;
    let token = keyless.token(GITHUB);
    let unlike = keyless.token("repo:example-org/application:ref:refs/heads/main");
    keyless.refuse(GITHUB).await;
    let message = |answer: &Answer| answer.json()["Message"].clone();
    let refused = keyless.at_alibaba(&token, "builder").await;
    assert_eq!(
        alibaba_code(&refused),
        (401, "AuthenticationFail.NoPermission".to_owned())
    );
    let untrusted = keyless.at_alibaba(&unlike, "builder").await;
    assert_eq!(message(&refused), message(&untrusted));
    assert_eq!(
        code(&keyless.at_tencent(&token, "builder").await),
        "AuthFailure.UnauthorizedOperation"
    );
    assert_eq!(
        keyless.refused_sessions(3).await,
        ["subject-refused", "access-denied", "subject-refused"]
    );
}

#[tokio::test]
async fn a_session_ends_when_its_subject_is_refused_or_its_provider_deleted() {
    // It went on to its end, whatever became of the token that had opened it.
    let keyless = Keyless::new().await;
    let app = &keyless.app;
    let call = json!({ "RegistryId": app.instance.id.as_str() });
    let open = async |subject: &str| {
        let answer = keyless.at_tencent(&keyless.token(subject), "builder").await;
        Session::of_tencent(&answer).key()
    };
    let issue = async |session: &Key| {
        let signed = app.tencent("CreateInstanceToken", &call).by(session);
        signed.send().await
    };
    let [refused, other] = [open(GITHUB).await, open(KUBERNETES).await];
    let issued = served(&issue(&refused).await);
    let username = issued["Username"].as_str().unwrap();
    let secret = issued["Token"].as_str().unwrap();
    let log_in = async || {
        let query = format!("service={SERVICE}");
        app.registry(Some((username, secret)), &query).await.status
    };
    assert_eq!(log_in().await, StatusCode::OK);
    keyless.refuse(GITHUB).await;
    assert_eq!(log_in().await, StatusCode::UNAUTHORIZED);
    assert_eq!(code(&issue(&refused).await), "AuthFailure.TokenFailure");
    served(&issue(&other).await);
    keyless.delete_provider("ci").await;
    assert_eq!(code(&issue(&other).await), "AuthFailure.TokenFailure");
}

#[tokio::test]
async fn a_token_from_before_its_role_was_revoked_opens_no_session_of_it() {
    // It opened another session in place of each that the revocation had ended.
    let keyless = Keyless::new().await;
    let token = keyless.token(GITHUB);
    assert_eq!(keyless.at_alibaba(&token, "builder").await.status, 200);
    keyless.revoke("builder").await;
    assert_eq!(
        alibaba_code(&keyless.at_alibaba(&token, "builder").await),
        (401, "AuthenticationFail.NoPermission".to_owned())
    );
    assert_eq!(
        code(&keyless.at_tencent(&token, "builder").await),
        "AuthFailure.UnauthorizedOperation"
    );
    assert_eq!(
        keyless.refused_sessions(2).await,
        ["principal-revoked", "principal-revoked"]
    );
    keyless.app.wait(Duration::from_secs(61));
    let later = keyless.token(GITHUB);
    assert_eq!(keyless.at_alibaba(&later, "builder").await.status, 200);
}

#[tokio::test]
async fn a_token_that_is_not_good_is_refused_by_both_doors_with_the_reason() {
    let keyless = Keyless::new().await;
    let claims = keyless.issuer.claims(GITHUB, AUDIENCE, keyless.app.now());
    let with = |name: &str, value: Value| {
        let mut claims = claims.clone();
        claims[name] = value;
        keyless.key.token(&claims)
    };
    let now = keyless.app.now().unix_seconds();
    let forged = TestKey::generate("ES256", "one").token(&claims);
    for (token, at_alibaba) in [
        (
            with("exp", json!(now - 600)),
            "AuthenticationFail.OIDCToken.Expired",
        ),
        (
            with("aud", json!("sts.example.org")),
            "AuthenticationFail.OIDCToken.AudienceNotMatch",
        ),
        (forged, "AuthenticationFail.OIDCToken.InvalidSignature"),
        ("a.b.c".to_owned(), "AuthenticationFail.OIDCToken.Invalid"),
    ] {
        assert_eq!(
            alibaba_code(&keyless.at_alibaba(&token, "builder").await),
            (401, at_alibaba.to_owned())
        );
        assert_eq!(
            code(&keyless.at_tencent(&token, "builder").await),
            "InvalidParameter.WebIdentityTokenError",
            "{at_alibaba}"
        );
    }
}

#[tokio::test]
async fn a_token_out_of_its_time_is_refused_with_its_times_and_the_servers() {
    let keyless = Keyless::new().await;
    let now = keyless.app.now();
    let (before, after) = (
        now.minus(Duration::from_mins(10)),
        now.plus(Duration::from_mins(10)),
    );
    for (issued_at, expires_at, code) in [(before, before, "Expired"), (after, after, "Invalid")] {
        let mut claims = keyless.issuer.claims(GITHUB, AUDIENCE, now);
        (claims["iat"], claims["nbf"]) = (
            json!(issued_at.unix_seconds()),
            json!(issued_at.unix_seconds()),
        );
        claims["exp"] = json!(expires_at.unix_seconds());
        let token = keyless.key.token(&claims);
        let times = [issued_at, expires_at, now].map(Timestamp::rfc3339);
        let figures = format!(
            "from {} to {}, and the server's time is {}",
            times[0], times[1], times[2]
        );
        for (answer, place) in [
            (keyless.at_alibaba(&token, "builder").await, "alibaba"),
            (keyless.at_tencent(&token, "builder").await, "tencent"),
        ] {
            assert!(answer.body.contains(&figures), "{place}: {}", answer.body);
            assert!(
                answer
                    .body
                    .contains(&format!("AuthenticationFail.OIDCToken.{code}"))
                    || place == "tencent",
                "{}",
                answer.body
            );
        }
    }
}

#[tokio::test]
async fn the_bearer_of_a_token_is_named_in_the_audit() {
    let keyless = Keyless::new().await;
    let before = crate::harness::audit::lines(&keyless.app, 0).await.len();
    keyless.at_alibaba(&keyless.token(GITHUB), "builder").await;
    let lines = crate::harness::audit::lines(&keyless.app, before + 1).await;
    let line = lines
        .iter()
        .find(|line| line.action == "session.assume-role")
        .expect("a line");
    assert_eq!(
        line.principal.as_deref(),
        Some(format!("{ACCOUNT}:oidc-provider/ci/{GITHUB}").as_str())
    );
    assert_eq!(line.account, Some(account().number()));
}

#[tokio::test]
async fn a_right_token_is_served_beside_calls_that_fail_at_its_address() {
    // An address that was refused too often had every unsigned call refused unread.
    let keyless = Keyless::with(|options| {
        (
            options.service.limits.refusals_per_second,
            options.service.limits.refusals_burst,
        ) = (1, 2)
    })
    .await;
    for _ in 0..5 {
        keyless.at_alibaba("a.b.c", "builder").await;
        keyless.at_tencent("a.b.c", "builder").await;
    }
    assert_eq!(
        code(&keyless.at_tencent("a.b.c", "builder").await),
        "RequestLimitExceeded"
    );
    assert_eq!(
        alibaba_code(&keyless.at_alibaba("a.b.c", "builder").await).1,
        "Throttling"
    );
    for _ in 0..5 {
        let answer = keyless.at_alibaba(&keyless.token(GITHUB), "builder").await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
        Session::of_tencent(&keyless.at_tencent(&keyless.token(GITHUB), "builder").await);
    }
}

#[tokio::test]
async fn a_token_that_no_role_trusts_uses_up_none_of_the_accounts_calls() {
    // Anybody has tokens of a public issuer: with one of its own, a stranger used the account's
    // calls up.
    let keyless = Keyless::with(|options| {
        for action in ["sts:AssumeRoleWithOIDC", "sts:AssumeRoleWithWebIdentity"] {
            options
                .service
                .limits
                .requests_per_second_by_action
                .insert(action.to_owned(), 1);
        }
    })
    .await;
    let strange = keyless.token("repo:example-org/application:ref:refs/heads/main");
    for _ in 0..3 {
        assert_eq!(
            alibaba_code(&keyless.at_alibaba(&strange, "builder").await).1,
            "AuthenticationFail.NoPermission"
        );
        assert_eq!(
            code(&keyless.at_tencent(&strange, "builder").await),
            "AuthFailure.UnauthorizedOperation"
        );
    }
    assert_eq!(
        keyless
            .at_alibaba(&keyless.token(GITHUB), "builder")
            .await
            .status,
        StatusCode::OK
    );
    Session::of_tencent(&keyless.at_tencent(&keyless.token(GITHUB), "builder").await);
    assert_eq!(
        alibaba_code(&keyless.at_alibaba(&keyless.token(GITHUB), "builder").await).1,
        "Throttling.User"
    );
}
