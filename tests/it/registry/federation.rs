//! Quay's exchange, as External Secrets' generator makes it.

use std::time::Duration;

use axum::body::Body;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{Method, Request, StatusCode, header};
use serde_json::{Value, json};
use transire::domain::any_principal::AnyPrincipal;
use transire::domain::secret::Secret;

use crate::harness::audit::found;
use crate::harness::exchange::{FEDERATION as PATH, oauth_refusal};
use crate::harness::keyless::{KUBERNETES, Keyless};
use crate::harness::operator::account;
use crate::harness::registry::granted;
use crate::harness::{ACCOUNT, App, SERVICE};

const SCOPE: &str = "repository:team/app:pull,push";

fn part(jwt: &str, place: usize) -> Value {
    let part = jwt.split('.').nth(place).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

#[tokio::test]
async fn the_answer_is_a_jwt_in_form_and_logs_in_with_the_role_as_it_was_sent() {
    let keyless = Keyless::new().await;
    let app = &keyless.app;
    for role in [
        "role/builder".to_owned(),
        format!("{ACCOUNT}/role/builder"),
        format!("acs:ram::{ACCOUNT}:role/builder"),
        "jwt".to_owned(),
    ] {
        let jwt = keyless.federated(&role).await;
        let scopes = granted(app, &role, &Secret::new(jwt.clone()), SCOPE).await;
        assert_eq!(scopes, SCOPE, "{role}");
        assert_eq!(app.status(&role, &jwt).await, 200, "{role}");
    }
}

#[tokio::test]
async fn the_jwt_says_when_it_ends_and_nothing_that_a_registry_reads() {
    let keyless = Keyless::new().await;
    let app = &keyless.app;
    let jwt = keyless.federated("jwt").await;
    let ends_at = app.now().unix_seconds() + 3600;
    assert_eq!(
        part(&jwt, 0),
        json!({ "alg": "none", "typ": "transire-log-in" })
    );
    assert_eq!(part(&jwt, 1), json!({ "exp": ends_at }));
    app.later(Duration::from_secs(3600)).await;
    assert_eq!(app.status("jwt", &jwt).await, 401);
}

#[tokio::test]
async fn the_published_pattern_finds_the_secret_in_the_jwt() {
    // `domain::credential::SECRET_PATTERN`: \btrs[tlrsoc]_[A-Za-z0-9_-]{48,}
    let keyless = Keyless::new().await;
    let jwt = keyless.federated("jwt").await;
    let (before, secret) = jwt.split_at(jwt.find("trst_").unwrap());
    assert!(before.ends_with(['.', '-']), "a word begins there: {jwt}");
    let in_pattern = |letter: char| letter.is_ascii_alphanumeric() || "_-".contains(letter);
    assert!(
        secret.len() >= 5 + 48 && secret.chars().all(in_pattern),
        "{jwt}"
    );
}

#[tokio::test]
async fn nothing_of_the_jwt_but_its_secret_is_believed() {
    let keyless = Keyless::new().await;
    let app = &keyless.app;
    let jwt = keyless.federated("jwt").await;
    let secret = &jwt[jwt.rfind('.').unwrap()..];
    let later = app.now().unix_seconds() + 1_000_000;
    let forged = |header: &Value, claims: &Value| {
        let encode = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
        format!("{}.{}{secret}", encode(header), encode(claims))
    };
    let claims = json!({
        "exp": later, "aud": SERVICE, "sub": "somebody",
        "access": [{ "type": "repository", "name": "team/other", "actions": ["*"] }],
    });
    let changed = forged(&json!({ "alg": "ES256", "typ": "JWT" }), &claims);
    let scopes = granted(app, "jwt", &Secret::new(changed.clone()), SCOPE).await;
    assert_eq!(scopes, SCOPE);
    app.later(Duration::from_secs(3600)).await;
    assert_eq!(app.status("jwt", &changed).await, 401);
}

#[tokio::test]
async fn another_role_or_username_is_refused() {
    let keyless = Keyless::new().await;
    let jwt = keyless.federated("role/builder").await;
    for username in [
        "role/nobody",
        "100000000002/role/builder",
        "cr_temp_user",
        "tcr$robot",
        ACCOUNT,
        "somebody",
    ] {
        assert_eq!(keyless.app.status(username, &jwt).await, 401, "{username}");
    }
    let causes = found(&keyless.app, |lines| {
        let refusals = lines.iter().filter(|line| line.action == "registry.log-in");
        let causes: Vec<_> = refusals
            .map(|line| serde_json::from_str::<Value>(&line.detail).unwrap()["cause"].clone())
            .collect();
        (causes.len() >= 6).then_some(causes)
    })
    .await;
    assert_eq!(causes, ["other-username"; 6]);
}

#[tokio::test]
async fn a_secret_that_was_cut_is_nobodys_token() {
    let keyless = Keyless::new().await;
    let jwt = keyless.federated("jwt").await;
    let cut = &jwt[..jwt.len() - 1];
    assert_eq!(keyless.app.status("jwt", cut).await, 401);
    let mut changed = jwt.into_bytes();
    let place = changed.len() - 40;
    changed[place] = if changed[place] == b'A' { b'B' } else { b'A' };
    let changed = String::from_utf8(changed).unwrap();
    assert_eq!(keyless.app.status("jwt", &changed).await, 401);
}

#[tokio::test]
async fn a_credential_of_a_user_in_this_form_logs_in_nowhere() {
    let keyless = Keyless::new().await;
    let app = &keyless.app;
    let (username, secret) = app.temporary().await;
    let wrapped = format!("eyJhbGciOiJub25lIn0.eyJleHAiOjF9.{}", secret.expose());
    for username in [&username, "jwt"] {
        assert_eq!(app.status(username, &wrapped).await, 401, "{username}");
    }
}

#[tokio::test]
async fn the_log_in_ends_with_its_role() {
    let keyless = Keyless::new().await;
    let app = &keyless.app;
    let jwt = keyless.federated("role/builder").await;
    let role: AnyPrincipal = format!("{ACCOUNT}:role/builder").parse().unwrap();
    let identity = &app.service.identity;
    identity.revoke(&app.operator(), &role).await.unwrap();
    assert_eq!(app.status("role/builder", &jwt).await, 401);
    identity
        .delete_role(&app.operator(), account(), "builder")
        .await
        .unwrap();
    assert_eq!(app.status("jwt", &jwt).await, 401);
}

#[tokio::test]
async fn a_token_host_or_role_that_is_not_accepted_hears_no_reason() {
    let keyless = Keyless::new().await;
    let app = &keyless.app;
    let good = keyless.token(KUBERNETES);
    let (username, secret) = app.temporary().await;
    for (host, role, token) in [
        ("unknown.example.com", "jwt", good.as_str()),
        (SERVICE, "role/nobody", &good),
        (SERVICE, "somebody", &good),
        (SERVICE, "jwt", &good[..good.len() - 8]),
        (SERVICE, &username, secret.expose()),
        (SERVICE, ACCOUNT, "Passw0rdEXAMPLE"),
    ] {
        let answer = app.federate(host, role, token).await;
        let (status, code, why) = oauth_refusal(&answer);
        assert_eq!((status, code.as_str()), (401, "invalid_client"), "{role}");
        assert!(why.starts_with("The token is not accepted here"), "{why}");
        assert!(answer.header("www-authenticate").is_some());
    }
}

#[tokio::test]
async fn an_instance_that_takes_no_tokens_gives_none_either() {
    let keyless = Keyless::new().await;
    let app = &keyless.app;
    keyless.take_no_tokens().await;
    let answer = app
        .federate(SERVICE, "jwt", &keyless.token(KUBERNETES))
        .await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn without_basic_and_by_another_method_it_says_how_to_ask() {
    let app = App::new().await;
    let send = async |method: Method| {
        let request = Request::builder().method(method).uri(PATH);
        let request = request.header(header::HOST, SERVICE);
        let answer = app.send(request.body(Body::empty()).unwrap()).await;
        let (status, code, _) = oauth_refusal(&answer);
        (status, code, answer.header("allow").map(str::to_owned))
    };
    let unnamed = (401, "invalid_client".to_owned(), None);
    assert_eq!(send(Method::GET).await, unnamed);
    let by_get = (405, "invalid_request".to_owned(), Some("GET".to_owned()));
    assert_eq!(send(Method::POST).await, by_get);
}
