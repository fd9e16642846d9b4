//! Rights that ask for the claims of the job's token, at log-ins with the token and in sessions.

use http::StatusCode;
use serde_json::{Value, json};
use transire::domain::identity::Target;
use transire::domain::secret::Secret;
use transire::service::{Attached, Save};

use crate::harness::documents::{allow, cam, ram, ram_deny};
use crate::harness::exchange::log_in;
use crate::harness::keyless::{AUDIENCE, Keyless};
use crate::harness::operator::account;
use crate::harness::registry::granted;
use crate::harness::{SERVICE, Session};

const SUBJECT: &str = "project_path:team/app:ref_type:branch:ref:main";
const SCOPES: &str = "repository:team/app:pull,push repository:team/other:pull,push";
const OWN: &str = "repository:team/app:pull,push";

impl Keyless {
    /// Makes the role `projects`, whose policy lets each project of GitLab have its own repository.
    async fn with_projects() -> Self {
        let keyless = Self::new().await;
        let resource = format!(
            "qcs::tcr:::repository/{}/${{oidc:project_path}}",
            keyless.app.instance.id
        );
        let actions = ["tcr:PullRepository", "tcr:PushRepository"];
        let own = cam(&json!([allow(actions, &resource)]));
        keyless.save("own", &own).await;
        keyless
            .role_with("projects", &["project_path:*:ref:main"], &["own", "issue"])
            .await;
        keyless
    }

    async fn save(&self, name: &str, document: &Value) {
        let (operator, text) = (self.app.operator(), document.to_string());
        self.app
            .service
            .identity
            .save_policy(&operator, account(), name, &text, Save::Create)
            .await
            .unwrap();
    }

    async fn attach(&self, policy: &str) {
        let target = Target::Role("projects".to_owned());
        self.app
            .service
            .identity
            .set_attached(
                &self.app.operator(),
                account(),
                policy,
                &target,
                Attached::Yes,
            )
            .await
            .unwrap();
    }

    /// Returns a token of a GitLab job with these claims besides the usual ones.
    fn job(&self, claims: &Value) -> String {
        let mut all = self.issuer.claims(SUBJECT, AUDIENCE, self.app.now());
        let members = all.as_object_mut().unwrap();
        members.extend(claims.as_object().unwrap().clone());
        self.key.token(&all)
    }

    /// Opens a session with a token, and gets a temporary credential of it.
    async fn credential_of(&self, token: &str) -> Secret {
        let answer = self.at_alibaba(token, "projects").await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
        let session = Session::of_alibaba(&answer).key();
        let id = self.app.instance.cri_id.as_str();
        let call = self
            .app
            .alibaba("GetAuthorizationToken", &[("InstanceId", id)]);
        let issued = call.by(&session).send().await.json();
        Secret::new(issued["AuthorizationToken"].as_str().unwrap())
    }

    async fn granted_to(&self, token: &str) -> String {
        granted(&self.app, "role/projects", &Secret::new(token), SCOPES).await
    }
}

#[tokio::test]
async fn one_role_serves_each_project_by_the_claim_of_its_token() {
    let keyless = Keyless::with_projects().await;
    let token = keyless.job(&json!({ "project_path": "team/app" }));
    assert_eq!(keyless.granted_to(&token).await, OWN);
    let above = keyless.job(&json!({ "project_path": "team" }));
    assert_eq!(keyless.granted_to(&above).await, SCOPES);
    let without = keyless.job(&json!({}));
    assert_eq!(keyless.granted_to(&without).await, "");
}

#[tokio::test]
async fn no_wildcard_in_a_claim_widens_a_right() {
    let keyless = Keyless::with_projects().await;
    for path in [
        "*",
        "team/*",
        "team/ap?",
        "TEAM/app",
        "/team/app",
        "team/../team/app",
        "",
    ] {
        let token = keyless.job(&json!({ "project_path": path }));
        assert_eq!(keyless.granted_to(&token).await, "", "{path}");
    }
}

#[tokio::test]
async fn a_session_keeps_the_claims_that_its_policies_ask_for() {
    let keyless = Keyless::with_projects().await;
    let long = "x".repeat(2000);
    let token = keyless.job(&json!({ "project_path": "team/app", "long": long }));
    let secret = keyless.credential_of(&token).await;
    let answer = granted(&keyless.app, "cr_temp_user", &secret, SCOPES).await;
    assert_eq!(answer, OWN);
    // The refresh token of the credential carries them on.
    keyless.app.give_refresh_tokens().await;
    let refresh = keyless
        .app
        .refresh_token("cr_temp_user", secret.expose())
        .await;
    let form = format!(
        "grant_type=refresh_token&service={SERVICE}&client_id=t&refresh_token={refresh}&scope={}",
        SCOPES.replace(' ', "+")
    );
    let refreshed = keyless.app.registry_form(&form).await;
    assert_eq!(refreshed.json()["scope"], OWN, "{}", refreshed.body);
}

#[tokio::test]
async fn a_session_that_would_keep_too_much_is_refused_with_the_reason() {
    let keyless = Keyless::with_projects().await;
    let path = format!("team/{}", "x".repeat(290));
    let token = keyless.job(&json!({ "project_path": path }));
    let answer = keyless.at_alibaba(&token, "projects").await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{}", answer.body);
    let message = answer.json()["Message"].as_str().unwrap().to_owned();
    assert!(message.contains("at most 300 bytes"), "{message}");
    assert!(message.contains("project_path"), "{message}");
}

#[tokio::test]
async fn a_claim_that_a_session_did_not_keep_denies() {
    let keyless = Keyless::with_projects().await;
    let token = keyless.job(&json!({ "project_path": "team/app", "environment": "test" }));
    let before = keyless.credential_of(&token).await;
    let mut deny = ram_deny("cr:*", "*");
    deny["Condition"] = json!({ "StringEquals": { "oidc:environment": "production" } });
    let not_in_production = ram(&json!([deny]));
    keyless.save("not-in-production", &not_in_production).await;
    keyless.attach("not-in-production").await;
    let username = "cr_temp_user";
    assert_eq!(granted(&keyless.app, username, &before, SCOPES).await, "");
    let after = keyless.credential_of(&token).await;
    assert_eq!(granted(&keyless.app, username, &after, SCOPES).await, OWN);
}

#[tokio::test]
async fn a_log_in_that_a_token_is_exchanged_for_keeps_them_too() {
    let keyless = Keyless::with_projects().await;
    let token = keyless.job(&json!({ "project_path": "team/app" }));
    let exchange = keyless.app.exchange_token(&token, &[]);
    let (username, secret) = log_in(&exchange.await);
    assert_eq!(granted(&keyless.app, &username, &secret, SCOPES).await, OWN);
}
