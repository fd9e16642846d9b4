//! Log-ins with an OpenID Connect token as the password, of a job that holds one.

use std::time::Duration;

use http::StatusCode;
use serde_json::{Value, json};
use transire::domain::identity::OidcProviderChange;
use transire::domain::{ErrorKind, Noun};
use transire::service::{NewOidcProvider, RoleChange, TokenIssuer};

use crate::harness::audit::found;
use crate::harness::downgrade::downgrade;
use crate::harness::issuer::{Issuer, TestKey, jwks};
use crate::harness::keyless::{AUDIENCE, GITHUB, GITHUB_NUMBERED, KUBERNETES, Keyless};
use crate::harness::operator::account;
use crate::harness::{ACCOUNT, Answer, SERVICE};

const SCOPE: &str = "repository:team/app:pull,push";

impl Keyless {
    /// Asks for a token as docker does, with a job's token as the password.
    async fn exchange(&self, username: &str, token: &str) -> Answer {
        let query = format!("service={SERVICE}&scope={SCOPE}&offline_token=true");
        self.app.registry(Some((username, token)), &query).await
    }

    /// Returns the causes of refused log-ins that the audit has, oldest first, once there are so
    /// many.
    async fn causes(&self, expected: usize) -> Vec<String> {
        found(&self.app, |lines| {
            let causes: Vec<String> = lines
                .iter()
                .filter(|line| line.action == "registry.log-in")
                .map(|line| detail(&line.detail)["cause"].as_str().unwrap().to_owned())
                .collect();
            (causes.len() >= expected).then_some(causes)
        })
        .await
    }

    /// Asserts that log-ins, by username and token, are refused alike whatever the reason, which
    /// the audit alone has.
    async fn refuses(&self, log_ins: &[(&str, &str, &str)]) {
        for (username, token, cause) in log_ins {
            let answer = self.exchange(username, token).await;
            let usual = "The username or the password is wrong, or the credential expired or was \
                         disabled.";
            assert_eq!(
                answer.status,
                StatusCode::UNAUTHORIZED,
                "{username} {cause}"
            );
            assert_eq!(answer.json()["errors"][0]["message"], usual, "{cause}");
        }
        let expected: Vec<_> = log_ins.iter().map(|(_, _, cause)| *cause).collect();
        assert_eq!(self.causes(expected.len()).await, expected);
    }
}

fn detail(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// Returns the claims of a registry's token.
fn claims(answer: &Answer) -> Value {
    use base64::Engine;
    let body = answer.json();
    let token = body["token"].as_str().unwrap_or_else(|| panic!("{body}"));
    let claims = token.split('.').nth(1).unwrap();
    let text = base64::engine::general_purpose::URL_SAFE_NO_PAD
        .decode(claims)
        .unwrap();
    serde_json::from_slice(&text).unwrap()
}

fn actions(answer: &Answer) -> Value {
    claims(answer)["access"][0]["actions"].clone()
}

#[tokio::test]
async fn a_jobs_token_is_the_password_of_the_role_that_the_username_names() {
    let keyless = Keyless::new().await;
    for username in [
        "role/builder".to_owned(),
        format!("{ACCOUNT}/role/builder"),
        format!("acs:ram::{ACCOUNT}:role/builder"),
        format!("qcs::cam::uin/{ACCOUNT}:roleName/builder"),
    ] {
        for subject in [GITHUB, GITHUB_NUMBERED, KUBERNETES] {
            let answer = keyless.exchange(&username, &keyless.token(subject)).await;
            assert_eq!(answer.status, StatusCode::OK, "{username}: {}", answer.body);
            assert_eq!(actions(&answer), json!(["pull", "push"]), "{username}");
        }
    }
}

#[tokio::test]
async fn without_a_role_in_the_username_the_one_that_trusts_the_token_is_meant() {
    let keyless = Keyless::new().await;
    for username in ["jwt", "oidc", "token", ""] {
        let answer = keyless.exchange(username, &keyless.token(GITHUB)).await;
        assert_eq!(answer.status, StatusCode::OK, "{username}: {}", answer.body);
        assert_eq!(actions(&answer), json!(["pull", "push"]), "{username}");
    }
}

#[tokio::test]
async fn a_token_that_two_roles_trust_has_to_name_one() {
    let keyless = Keyless::new().await;
    keyless.role("deployer", &["repo:example-org/app:*"]).await;
    let token = keyless.token(GITHUB);
    keyless
        .refuses(&[("jwt", &token, "several-roles-trust")])
        .await;
    let answer = keyless.exchange("role/deployer", &token).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
}

#[tokio::test]
async fn a_role_that_may_share_a_token_with_another_is_warned_of() {
    let keyless = Keyless::new().await;
    let warnings = keyless
        .role("deployer", &["repo:example-org/app:ref:refs/heads/*"])
        .await;
    let [warning] = &warnings[..] else {
        panic!("{warnings:?}")
    };
    assert!(
        warning.contains("the provider ci") && warning.contains("role as well: builder."),
        "{warning}"
    );
    assert!(
        keyless
            .role("third", &["repo:example-org/third:*"])
            .await
            .is_empty()
    );
    let app = &keyless.app;
    let role = app
        .service
        .identity
        .role(&app.operator(), account(), "deployer")
        .await
        .unwrap();
    let widened = role
        .trust_policy
        .replace("repo:example-org/app:ref", "repo:example-org/t*");
    let change = RoleChange {
        trust_policy: Some(&widened),
        max_session_seconds: None,
    };
    let warnings = app
        .service
        .identity
        .update_role(&app.operator(), account(), "deployer", change)
        .await
        .unwrap();
    assert!(warnings[0].contains("as well: third."), "{warnings:?}");
}

#[tokio::test]
async fn a_password_grant_takes_a_token_too() {
    let keyless = Keyless::new().await;
    let form = format!(
        "grant_type=password&service={SERVICE}&client_id=test&username=jwt&password={}&scope={SCOPE}&access_type=offline",
        keyless.token(GITHUB)
    );
    let answer = keyless.app.registry_form(&form).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    assert_eq!(answer.json()["scope"], SCOPE);
}

#[tokio::test]
async fn a_token_gets_no_refresh_token() {
    let keyless = Keyless::new().await;
    keyless.app.give_refresh_tokens().await;
    let answer = keyless.exchange("jwt", &keyless.token(GITHUB)).await;
    assert_eq!(answer.json()["refresh_token"], Value::Null);
}

#[tokio::test]
async fn the_registrys_token_ends_with_the_jobs() {
    let keyless = Keyless::new().await;
    let now = keyless.app.now().unix_seconds();
    let mut said = keyless.issuer.claims(GITHUB, AUDIENCE, keyless.app.now());
    said["exp"] = json!(now + 90);
    let answer = keyless.exchange("jwt", &keyless.key.token(&said)).await;
    assert_eq!(answer.json()["expires_in"], 90);
    assert_eq!(claims(&answer)["exp"], json!(now + 90));
}

#[tokio::test]
async fn a_role_that_is_deleted_ends_the_log_ins_of_tokens() {
    let keyless = Keyless::new().await;
    let token = keyless.token(GITHUB);
    assert_eq!(keyless.exchange("jwt", &token).await.status, 200);
    let app = &keyless.app;
    app.service
        .identity
        .delete_role(&app.operator(), account(), "builder")
        .await
        .unwrap();
    keyless
        .refuses(&[("role/builder", &token, "no-role-trusts")])
        .await;
}

#[tokio::test]
async fn the_audit_names_the_provider_and_the_subject() {
    let keyless = Keyless::new().await;
    keyless.exchange("jwt", &keyless.token(GITHUB)).await;
    let line = found(&keyless.app, |lines| {
        lines
            .into_iter()
            .find(|line| line.action == "token.exchange")
    })
    .await;
    let detail = detail(&line.detail);
    assert_eq!(detail["oidc_provider"], "ci");
    assert_eq!(detail["subject"], GITHUB);
    assert_eq!(detail["granted"], json!([SCOPE]));
    let principal = line.principal.as_deref().unwrap();
    assert!(
        principal.ends_with("/repo-example-org-app-ref-refs-heads-main"),
        "{principal}"
    );
}

#[tokio::test]
async fn an_instance_may_take_no_tokens() {
    let keyless = Keyless::new().await;
    keyless.take_no_tokens().await;
    keyless
        .refuses(&[("jwt", &keyless.token(GITHUB), "token-log-in-off")])
        .await;
}

#[tokio::test]
async fn a_username_that_names_no_role_here_is_refused() {
    let keyless = Keyless::new().await;
    let token = keyless.token(GITHUB);
    keyless
        .refuses(&[
            ("100000000002/role/builder", &token, "role-of-other-account"),
            (ACCOUNT, &token, "unknown-username"),
            ("somebody", &token, "unknown-username"),
            ("role/nobody", &token, "no-role-trusts"),
            ("role/missing", &token, "no-role-trusts"),
        ])
        .await;
}

#[tokio::test]
async fn a_token_that_is_not_good_is_refused_with_its_reason_in_the_audit() {
    let keyless = Keyless::new().await;
    let now = keyless.app.now();
    let said = |change: &dyn Fn(&mut Value)| {
        let mut said = keyless.issuer.claims(GITHUB, AUDIENCE, now);
        change(&mut said);
        said
    };
    let of = |change: &dyn Fn(&mut Value)| keyless.key.token(&said(change));
    let in_seconds = |seconds: i64| json!(now.unix_seconds() + seconds);
    let stranger = TestKey::generate("ES256", "one");
    let good = keyless.token(GITHUB);
    let unsigned = format!("{}.{}", &good[..good.rfind('.').unwrap()], "A".repeat(86));
    let tokens = [
        (of(&|said| said["exp"] = in_seconds(-3600)), "expired"),
        (of(&|said| said["exp"] = in_seconds(-10)), "expired"),
        (of(&|said| said["iat"] = in_seconds(3600)), "not-yet-valid"),
        (
            of(&|said| said["aud"] = json!("other.example.com")),
            "audience-not-matched",
        ),
        (
            of(&|said| said["iss"] = json!("https://other.example.com")),
            "no-such-provider",
        ),
        (of(&|said| said["sub"] = json!(7)), "malformed"),
        (stranger.token(&said(&|_| {})), "bad-signature"),
        (unsigned, "bad-signature"),
        (
            keyless
                .key
                .sign(r#"{"alg":"none"}"#, &said(&|_| {}).to_string()),
            "malformed",
        ),
        (
            keyless
                .key
                .sign(r#"{"alg":"HS256"}"#, &said(&|_| {}).to_string()),
            "malformed",
        ),
    ];
    let causes = tokens
        .each_ref()
        .map(|(_, cause)| format!("web-identity-{cause}"));
    let log_ins: Vec<_> = tokens
        .iter()
        .zip(&causes)
        .map(|((token, _), cause)| ("jwt", token.as_str(), cause.as_str()))
        .collect();
    keyless.refuses(&log_ins).await;
}

#[tokio::test]
async fn two_providers_of_one_issuer_and_audience_are_refused() {
    let keyless = Keyless::new().await;
    keyless.provider("second").await;
    keyless
        .refuses(&[(
            "jwt",
            &keyless.token(GITHUB),
            "web-identity-several-providers",
        )])
        .await;
}

#[tokio::test]
async fn an_issuer_that_is_away_is_no_refusal() {
    let keyless = Keyless::new().await;
    let (other, key) = {
        let key = TestKey::generate("ES256", "one");
        (Issuer::start(&[&key]).await, key)
    };
    let app = &keyless.app;
    let provider = NewOidcProvider {
        account: account(),
        name: "away".to_owned(),
        issuer: other.url.clone(),
        audiences: vec![AUDIENCE.to_owned()],
        jwks: None,
        algorithms: Vec::new(),
    };
    app.service
        .identity
        .create_oidc_provider(&app.operator(), provider)
        .await
        .unwrap();
    let token = key.token(&other.claims(GITHUB, AUDIENCE, app.now()));
    drop(other);
    let answer = keyless.exchange("jwt", &token).await;
    assert_eq!(
        answer.status,
        StatusCode::SERVICE_UNAVAILABLE,
        "{}",
        answer.body
    );
}

#[tokio::test]
async fn a_token_is_no_password_of_anybody_else() {
    let keyless = Keyless::new().await;
    let token = keyless.token(GITHUB);
    keyless
        .refuses(&[
            ("tcr$robot", &token, "unknown-username"),
            ("cr_temp_user", &token, "unknown-username"),
        ])
        .await;
}

#[tokio::test]
async fn a_hundred_roles_are_asked_about_one_token_and_no_more() {
    let keyless = Keyless::new().await;
    let token = keyless.token(GITHUB);
    // Beside `builder` and `nobody`.
    for number in 0..98 {
        let name = format!("other-{number}");
        keyless.role(&name, &["repo:example-org/other:*"]).await;
    }
    assert_eq!(keyless.exchange("jwt", &token).await.status, 200);
    keyless.role("last", &["repo:example-org/other:*"]).await;
    keyless.refuses(&[("jwt", &token, "too-many-roles")]).await;
    assert_eq!(keyless.exchange("role/builder", &token).await.status, 200);
}

#[tokio::test]
async fn an_instance_from_before_takes_no_tokens_until_it_is_said() {
    let mut keyless = Keyless::new().await;
    keyless.app.service.ledger.close().await;
    downgrade(&keyless.app, 13, "");
    let upgraded = keyless.app.upgraded().await;
    keyless.app.go_on_with(upgraded);
    let token = keyless.token(GITHUB);
    keyless
        .refuses(&[("jwt", &token, "token-log-in-off")])
        .await;
}

#[tokio::test]
async fn no_account_has_a_name_that_leaves_the_role_open() {
    let keyless = Keyless::new().await;
    let app = &keyless.app;
    for name in ["jwt", "oidc", "token"] {
        let refused = app
            .service
            .identity
            .create_account(&app.operator(), None, name, None)
            .await
            .unwrap_err();
        let expected = ErrorKind::InvalidParameter {
            name: "name".to_owned(),
        };
        assert_eq!(refused.kind(), &expected, "{name}");
    }
}

#[tokio::test]
async fn a_revoked_role_takes_no_token_from_before() {
    // A token from before the revocation logged in until it expired.
    let keyless = Keyless::new().await;
    keyless.role("deployer", &["repo:example-org/app:*"]).await;
    let before = keyless.token(GITHUB);
    keyless.revoke("builder").await;
    // The issuer's clock may be ahead by a minute, so a token of that minute may be from before.
    keyless.app.wait(Duration::from_secs(60));
    let meanwhile = keyless.token(GITHUB);
    keyless
        .refuses(&[
            ("role/builder", &before, "principal-revoked"),
            ("role/builder", &meanwhile, "principal-revoked"),
        ])
        .await;
    assert_eq!(keyless.exchange("role/deployer", &before).await.status, 200);
    keyless.app.wait(Duration::from_secs(1));
    let after = keyless.token(GITHUB);
    assert_eq!(keyless.exchange("role/builder", &after).await.status, 200);
}

#[tokio::test]
async fn a_refused_subject_logs_in_no_more_until_that_is_taken_back() {
    let keyless = Keyless::new().await;
    let (token, other) = (keyless.token(GITHUB), keyless.token(KUBERNETES));
    assert_eq!(keyless.exchange("jwt", &token).await.status, 200);
    keyless.refuse(GITHUB).await;
    keyless
        .refuses(&[
            ("jwt", &token, "subject-refused"),
            ("role/builder", &token, "subject-refused"),
        ])
        .await;
    assert_eq!(keyless.exchange("jwt", &other).await.status, 200);
    let app = &keyless.app;
    let of_issuer = TokenIssuer::Url(keyless.issuer.url.replace("http://", "https://"));
    let unlike = app
        .service
        .identity
        .delete_refused_subject(&app.operator(), account(), of_issuer, GITHUB)
        .await
        .unwrap_err();
    let noun = Noun::RefusedSubject;
    assert_eq!(unlike.kind(), &ErrorKind::NotFound { noun });
    let of_provider = TokenIssuer::OfProvider("ci".to_owned());
    app.service
        .identity
        .delete_refused_subject(&app.operator(), account(), of_provider, GITHUB)
        .await
        .unwrap();
    assert_eq!(keyless.exchange("jwt", &token).await.status, 200);
}

#[tokio::test]
async fn a_provider_that_is_made_again_admits_no_refused_subject() {
    let keyless = Keyless::new().await;
    keyless.refuse(GITHUB).await;
    let app = &keyless.app;
    keyless.delete_provider("ci").await;
    let again = NewOidcProvider {
        account: account(),
        name: "ci".to_owned(),
        issuer: keyless.issuer.url.clone(),
        audiences: vec![AUDIENCE.to_owned()],
        jwks: None,
        algorithms: Vec::new(),
    };
    app.service
        .identity
        .create_oidc_provider(&app.operator(), again)
        .await
        .unwrap();
    keyless
        .refuses(&[("jwt", &keyless.token(GITHUB), "subject-refused")])
        .await;
}

#[tokio::test]
async fn an_account_refuses_no_more_subjects_than_its_quota() {
    let keyless = Keyless::with(|options| options.service.quotas.refused_subjects = 1).await;
    keyless.refuse(GITHUB).await;
    let app = &keyless.app;
    for (subject, kind) in [
        (
            KUBERNETES.to_owned(),
            ErrorKind::QuotaExceeded {
                noun: Noun::RefusedSubject,
            },
        ),
        (
            "a".repeat(256),
            ErrorKind::InvalidParameter {
                name: "subject".to_owned(),
            },
        ),
    ] {
        let of_provider = TokenIssuer::OfProvider("ci".to_owned());
        let refused = app
            .service
            .identity
            .create_refused_subject(&app.operator(), account(), of_provider, &subject)
            .await
            .unwrap_err();
        assert_eq!(refused.kind(), &kind);
    }
}

impl Keyless {
    /// Changes the provider.
    async fn change_provider(&self, change: OidcProviderChange) {
        self.app
            .service
            .identity
            .update_oidc_provider(&self.app.operator(), account(), "ci", change)
            .await
            .unwrap();
    }

    /// Logs in with a token, so that it is remembered, changes something, and asserts that the
    /// token is refused from then on.
    async fn forgets(&self, cause: &str, change: impl AsyncFnOnce(&Self)) {
        let token = self.token(GITHUB);
        for _ in 0..2 {
            assert_eq!(self.exchange("jwt", &token).await.status, StatusCode::OK);
        }
        change(self).await;
        self.refuses(&[("jwt", &token, cause)]).await;
    }
}

#[tokio::test]
async fn a_token_that_logged_in_is_refused_once_its_key_is_withdrawn() {
    let keyless = Keyless::new().await;
    let withdraw = async |keyless: &Keyless| {
        let other = TestKey::generate("ES256", "two");
        let change = OidcProviderChange {
            jwks: Some(jwks(&[&other]).to_string()),
            ..OidcProviderChange::default()
        };
        keyless.change_provider(change).await;
    };
    keyless
        .forgets("web-identity-bad-signature", withdraw)
        .await;
}

#[tokio::test]
async fn a_token_that_logged_in_is_refused_once_its_audience_is_taken_away() {
    let keyless = Keyless::new().await;
    let take_away = async |keyless: &Keyless| {
        let change = OidcProviderChange {
            audiences: Some(vec!["other.example.com".to_owned()]),
            ..OidcProviderChange::default()
        };
        keyless.change_provider(change).await;
    };
    keyless
        .forgets("web-identity-audience-not-matched", take_away)
        .await;
}

#[tokio::test]
async fn a_token_that_logged_in_is_refused_once_its_provider_is_deleted() {
    let keyless = Keyless::new().await;
    let delete = async |keyless: &Keyless| keyless.delete_provider("ci").await;
    keyless
        .forgets("web-identity-no-such-provider", delete)
        .await;
}

#[tokio::test]
async fn a_token_that_logged_in_is_refused_once_a_second_provider_fits_it() {
    let keyless = Keyless::new().await;
    let add = async |keyless: &Keyless| keyless.provider("twin").await;
    keyless.forgets("web-identity-several-providers", add).await;
}

#[tokio::test]
async fn a_token_that_logged_in_is_refused_once_its_time_is_over() {
    let keyless = Keyless::new().await;
    let wait = async |keyless: &Keyless| keyless.app.wait(Duration::from_secs(600));
    keyless.forgets("web-identity-expired", wait).await;
}

#[tokio::test]
async fn a_token_like_one_that_logged_in_is_not_taken_for_it() {
    let keyless = Keyless::new().await;
    let token = keyless.token(GITHUB);
    assert_eq!(keyless.exchange("jwt", &token).await.status, StatusCode::OK);
    let mut forged = token.clone();
    // The last letter of a signature of 64 bytes holds four bits that count.
    let last = if forged.pop() == Some('A') { 'Q' } else { 'A' };
    forged.push(last);
    keyless
        .refuses(&[("jwt", &forged, "web-identity-bad-signature")])
        .await;
}
