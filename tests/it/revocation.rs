//! What was stopped stays stopped, at once in the process that did it.

use serde_json::{Value, json};
use transire::domain::credential::{CredentialId, CredentialState};
use transire::domain::secret::Secret;
use transire::service::{AccessKeyState, Caller, InstanceChoice};

use crate::harness::{App, SERVICE, context};

const SCOPE: &str = "service=registry.example.com&scope=repository:team/app:pull";

async fn status(app: &App, username: &str, secret: &Secret) -> u16 {
    app.registry(Some((username, secret.expose())), SCOPE).await.status.as_u16()
}

async fn refresh(app: &App, refresh_token: &str) -> u16 {
    let form = format!("grant_type=refresh_token&service={SERVICE}&client_id=test&refresh_token={refresh_token}");
    app.registry_form(&form).await.status.as_u16()
}

/// Returns a refresh token of the credential.
async fn refresh_token(app: &App, username: &str, secret: &Secret) -> String {
    let answer = app.registry(Some((username, secret.expose())), &format!("service={SERVICE}&offline_token=true")).await.json();
    answer["refresh_token"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
}

async fn long_term(app: &App) -> (String, Secret, CredentialId) {
    let call = json!({ "RegistryId": app.instance.id.as_str(), "TokenType": "longterm" });
    let made: Value = app.tencent("CreateInstanceToken", &call).send().await.json();
    let text = |name: &str| made["Response"][name].as_str().unwrap_or_else(|| panic!("{made}"));
    (text("Username").to_owned(), Secret::new(text("Token")), text("TokenId").parse().unwrap())
}

async fn set_key(app: &App, state: AccessKeyState) {
    app.service.set_access_key_state(&Caller::operator(), &app.key.id, state, &context()).await.unwrap();
}

#[tokio::test]
async fn a_disabled_access_key_stops_what_it_issued_for_ever() {
    let app = App::new().await;
    let (username, secret) = app.temporary().await;
    let refresh_token = refresh_token(&app, &username, &secret).await;
    assert_eq!((status(&app, &username, &secret).await, refresh(&app, &refresh_token).await), (200, 200));
    set_key(&app, AccessKeyState::Disabled).await;
    assert_eq!((status(&app, &username, &secret).await, refresh(&app, &refresh_token).await), (401, 401));
    set_key(&app, AccessKeyState::Active).await;
    assert_eq!((status(&app, &username, &secret).await, refresh(&app, &refresh_token).await), (401, 401));
    let (username, secret) = app.temporary().await;
    assert_eq!(status(&app, &username, &secret).await, 200, "an enabled key issues again");
    set_key(&app, AccessKeyState::Deleted).await;
    assert_eq!(status(&app, &username, &secret).await, 401);
}

#[tokio::test]
async fn a_long_term_credential_outlives_the_key_that_issued_it() {
    let app = App::new().await;
    let (username, secret, _) = long_term(&app).await;
    set_key(&app, AccessKeyState::Deleted).await;
    assert_eq!(status(&app, &username, &secret).await, 200);
}

#[tokio::test]
async fn a_disabled_credential_takes_its_refresh_tokens_with_it() {
    let app = App::new().await;
    let (username, secret, id) = long_term(&app).await;
    let refresh_token = refresh_token(&app, &username, &secret).await;
    let choice = InstanceChoice::Tcr(app.instance.id.clone());
    for (state, expected) in [(CredentialState::Disabled, 401), (CredentialState::Active, 200)] {
        app.service.set_credential_state(&Caller::operator(), &choice, &id, state, &context()).await.unwrap();
        assert_eq!((status(&app, &username, &secret).await, refresh(&app, &refresh_token).await), (expected, expected), "{state:?}");
    }
    app.service.delete_credential(&Caller::operator(), &choice, &id, &context()).await.unwrap();
    assert_eq!((status(&app, &username, &secret).await, refresh(&app, &refresh_token).await), (401, 401));
}

#[tokio::test]
async fn a_credential_is_changed_through_its_own_instance_alone() {
    let app = App::new().await;
    let (username, secret, id) = long_term(&app).await;
    let other = InstanceChoice::Tcr(app.other_instance.id.clone());
    assert!(app.service.delete_credential(&Caller::operator(), &other, &id, &context()).await.is_err());
    assert_eq!(status(&app, &username, &secret).await, 200);
}
