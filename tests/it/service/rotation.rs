//! Rotation: both secrets log in within the grace, and nothing else does.

use std::time::Duration;

use serde_json::json;
use transire::domain::credential::{CredentialId, CredentialState};
use transire::domain::secret::Secret;
use transire::domain::service_account::ServiceAccountState;
use transire::domain::{ErrorKind, Result};
use transire::service::{ChangedServiceAccount, Page};

use crate::harness::audit::lines;
use crate::harness::postgres::Database;
use crate::harness::registry::as_docker_asks;
use crate::harness::{ACCOUNT, App, SERVICE};

const DAY: Duration = Duration::from_hours(24);
const WEEK: Duration = Duration::from_hours(24 * 7);

/// An app with a long-term credential, and the secrets that it had.
struct Rotated {
    app: App,
    id: CredentialId,
    first: String,
}

impl Rotated {
    async fn new(app: App) -> Self {
        let made = app
            .service
            .credentials
            .create_credential(&app.operator(), &app.choice(), None, "ci")
            .await;
        let (stored, secret) = made.unwrap();
        Self {
            id: stored.id,
            first: secret.expose().to_owned(),
            app,
        }
    }

    async fn try_rotate(&self, grace: Duration) -> Result<String> {
        let (call, choice) = (self.app.operator(), self.app.choice());
        let of = &self.app.service.credentials;
        let rotated = of.rotate_credential(&call, &choice, &self.id, grace).await;
        rotated.map(|(_, secret)| secret.expose().to_owned())
    }

    async fn rotate(&self, grace: Duration) -> String {
        self.try_rotate(grace).await.unwrap()
    }

    async fn logs_in(&self, secrets: &[&str]) -> Vec<bool> {
        let mut outcomes = Vec::new();
        for secret in secrets {
            outcomes.push(self.app.logs_in(ACCOUNT, secret).await);
        }
        outcomes
    }

    async fn set_state(&self, state: CredentialState) {
        self.app
            .service
            .credentials
            .set_credential_state(&self.app.operator(), &self.app.choice(), &self.id, state)
            .await
            .unwrap();
    }
}

async fn both_secrets_log_in_until_the_older_one_ends(app: App) {
    let rotated = Rotated::new(app).await;
    let second = rotated.rotate(WEEK).await;
    let both = [rotated.first.as_str(), second.as_str()];
    assert_eq!(rotated.logs_in(&both).await, [true, true]);
    rotated.app.later(WEEK - Duration::from_secs(1)).await;
    assert_eq!(rotated.logs_in(&both).await, [true, true]);
    rotated.app.later(Duration::from_secs(1)).await;
    assert_eq!(rotated.logs_in(&both).await, [false, true]);
}

#[tokio::test]
async fn both_secrets_log_in_until_the_older_one_ends_on_sqlite() {
    both_secrets_log_in_until_the_older_one_ends(App::new().await).await;
}

#[tokio::test]
async fn both_secrets_log_in_until_the_older_one_ends_on_postgres() {
    let Some(database) = Database::new().await else {
        return;
    };
    let app = App::at(Some(database.location()), |_| {}).await;
    both_secrets_log_in_until_the_older_one_ends(app).await;
    database.remove().await;
}

#[tokio::test]
async fn without_a_grace_the_older_secret_ends_at_once() {
    let rotated = Rotated::new(App::new().await).await;
    let second = rotated.rotate(Duration::ZERO).await;
    assert_eq!(
        rotated.logs_in(&[&rotated.first, &second]).await,
        [false, true]
    );
}

#[tokio::test]
async fn a_further_rotation_ends_the_oldest() {
    let rotated = Rotated::new(App::new().await).await;
    let second = rotated.rotate(WEEK).await;
    let third = rotated.rotate(DAY).await;
    let all = [rotated.first.as_str(), &second, &third];
    assert_eq!(rotated.logs_in(&all).await, [false, true, true]);
    rotated.app.later(DAY).await;
    assert_eq!(rotated.logs_in(&all).await, [false, false, true]);
}

#[tokio::test]
async fn a_grace_above_thirty_days_is_refused() {
    let rotated = Rotated::new(App::new().await).await;
    let refused = rotated.try_rotate(30 * DAY + Duration::from_secs(1)).await;
    let name = "grace".to_owned();
    assert_eq!(
        refused.unwrap_err().kind(),
        &ErrorKind::InvalidParameter { name }
    );
    rotated.rotate(30 * DAY).await;
}

#[tokio::test]
async fn disabling_and_deleting_stop_both_secrets() {
    let rotated = Rotated::new(App::new().await).await;
    let second = rotated.rotate(WEEK).await;
    let both = [rotated.first.as_str(), second.as_str()];
    rotated.set_state(CredentialState::Disabled).await;
    assert_eq!(rotated.logs_in(&both).await, [false, false]);
    rotated.set_state(CredentialState::Active).await;
    assert_eq!(rotated.logs_in(&both).await, [true, true]);
    let of = &rotated.app.service.credentials;
    of.delete_credential(&rotated.app.operator(), &rotated.app.choice(), &rotated.id)
        .await
        .unwrap();
    assert_eq!(rotated.logs_in(&both).await, [false, false]);
}

#[tokio::test]
async fn a_refresh_token_ends_with_the_secret_that_it_came_from() {
    // A thief of the older secret would have kept a refresh token for ten years.
    let rotated = Rotated::new(App::new().await).await;
    let app = &rotated.app;
    app.give_refresh_tokens().await;
    let before = app.refresh_token(ACCOUNT, &rotated.first).await;
    let second = rotated.rotate(WEEK).await;
    let by_older = app.refresh_token(ACCOUNT, &rotated.first).await;
    let by_current = app.refresh_token(ACCOUNT, &second).await;
    let all = async || {
        let mut outcomes = Vec::new();
        for token in [&before, &by_older, &by_current] {
            outcomes.push(app.refreshes(token).await);
        }
        outcomes
    };
    assert_eq!(all().await, [true, true, true]);
    app.later(WEEK).await;
    assert_eq!(all().await, [false, false, true]);
    rotated.rotate(Duration::ZERO).await;
    assert_eq!(all().await, [false, false, false]);
}

#[tokio::test]
async fn refresh_tokens_of_both_secrets_stay_stopped_after_the_credential_was_disabled() {
    let rotated = Rotated::new(App::new().await).await;
    let app = &rotated.app;
    app.give_refresh_tokens().await;
    let second = rotated.rotate(WEEK).await;
    let tokens = [
        app.refresh_token(ACCOUNT, &rotated.first).await,
        app.refresh_token(ACCOUNT, &second).await,
    ];
    rotated.set_state(CredentialState::Disabled).await;
    rotated.set_state(CredentialState::Active).await;
    for token in &tokens {
        assert!(!app.refreshes(token).await);
    }
    for secret in [&rotated.first, &second] {
        let token = app.refresh_token(ACCOUNT, secret).await;
        assert!(app.refreshes(&token).await, "a new one is taken");
    }
}

#[tokio::test]
async fn another_replica_takes_both_secrets_once_it_heard_of_the_rotation() {
    let rotated = Rotated::new(App::new().await).await;
    let replica = rotated.app.replica().await;
    let asks = async |secret: &str| {
        let query = format!("service={SERVICE}");
        let request = as_docker_asks(Some((ACCOUNT, secret)), &query);
        replica.send(request).await.status.as_u16()
    };
    assert_eq!(asks(&rotated.first).await, 200);
    let second = rotated.rotate(WEEK).await;
    replica.service.memory.catch_up().await.unwrap();
    assert_eq!(
        [asks(&rotated.first).await, asks(&second).await],
        [200, 200]
    );
    rotated.rotate(Duration::ZERO).await;
    replica.service.memory.catch_up().await.unwrap();
    assert_eq!(
        [asks(&rotated.first).await, asks(&second).await],
        [401, 401]
    );
}

#[tokio::test]
async fn the_audit_tells_of_a_rotation_and_has_no_secret() {
    let rotated = Rotated::new(App::new().await).await;
    let second = rotated.rotate(WEEK).await;
    rotated.app.service.ledger.close().await;
    let told = lines(&rotated.app, 0).await;
    let line = told.iter().find(|line| line.action == "credential.rotate");
    let line = line.unwrap();
    assert_eq!(line.credential_id.as_deref(), Some(rotated.id.as_str()));
    assert!(line.detail.contains("1736481857000"), "{}", line.detail);
    let files = rotated.app.files();
    for secret in [&rotated.first, &second] {
        let found = files
            .windows(secret.len())
            .any(|part| part == secret.as_bytes());
        assert!(!found, "the data has a secret");
    }
}

/// Rotates the service account `robot`.
async fn rotate_robot(app: &App, grace: Duration) -> String {
    let of = &app.service.credentials;
    let rotated = of
        .rotate_service_account(&app.operator(), &app.choice(), "robot", grace)
        .await;
    rotated.unwrap().1.expose().to_owned()
}

async fn robots_log_in(app: &App, passwords: &[&str]) -> Vec<bool> {
    let mut outcomes = Vec::new();
    for password in passwords {
        outcomes.push(app.robot_logs_in(password).await);
    }
    outcomes
}

#[tokio::test]
async fn both_passwords_of_a_service_account_log_in_until_the_older_one_ends() {
    let app = App::new().await;
    let first = app.create_robot(&json!({})).await;
    let second = rotate_robot(&app, WEEK).await;
    let both = [first.as_str(), second.as_str()];
    assert_eq!(robots_log_in(&app, &both).await, [true, true]);
    app.later(WEEK).await;
    assert_eq!(robots_log_in(&app, &both).await, [false, true]);
    let third = rotate_robot(&app, Duration::ZERO).await;
    assert_eq!(robots_log_in(&app, &[&second, &third]).await, [false, true]);
}

#[tokio::test]
async fn a_chosen_password_is_taken_until_the_end_of_the_grace_and_not_from_memory_after_it() {
    let app = App::new().await;
    app.create_robot(&json!({})).await;
    let chosen = "Passw0rd-EXAMPLE";
    let (call, choice) = (app.operator(), app.choice());
    app.service
        .credentials
        .set_service_account_password(&call, &choice, "robot", Some(Secret::new(chosen)))
        .await
        .unwrap();
    let made = rotate_robot(&app, Duration::from_secs(60)).await;
    assert_eq!(
        robots_log_in(&app, &[chosen, chosen, &made]).await,
        [true; 3]
    );
    app.later(Duration::from_secs(60)).await;
    assert_eq!(robots_log_in(&app, &[chosen, &made]).await, [false, true]);
}

#[tokio::test]
async fn setting_a_password_ends_both_passwords_of_a_service_account() {
    let app = App::new().await;
    let first = app.create_robot(&json!({})).await;
    let second = rotate_robot(&app, WEEK).await;
    let of = &app.service.credentials;
    of.set_service_account_password(&app.operator(), &app.choice(), "robot", None)
        .await
        .unwrap();
    assert_eq!(robots_log_in(&app, &[&first, &second]).await, [false; 2]);
}

#[tokio::test]
async fn a_disabled_service_account_takes_neither_password() {
    let app = App::new().await;
    let first = app.create_robot(&json!({})).await;
    let second = rotate_robot(&app, WEEK).await;
    for (state, works) in [
        (ServiceAccountState::Disabled, false),
        (ServiceAccountState::Active, true),
    ] {
        let changed = ChangedServiceAccount {
            state: Some(state),
            ..ChangedServiceAccount::default()
        };
        let of = &app.service.credentials;
        of.modify_service_account(&app.operator(), &app.choice(), "robot", changed)
            .await
            .unwrap();
        assert_eq!(robots_log_in(&app, &[&first, &second]).await, [works; 2]);
    }
    let of = &app.service.credentials;
    let listed = of
        .service_accounts(&app.operator(), &app.choice(), None, Page::ALL)
        .await;
    assert!(listed.unwrap().items[0].older.is_some());
}
