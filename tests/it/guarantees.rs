//! Promises of docs/guarantees.md that hold at every door.

use std::time::Duration;

use serde_json::json;
use transire::domain::any_principal::AnyPrincipal;
use transire::domain::clock::Timestamp;
use transire::domain::credential::{CredentialId, CredentialState};
use transire::domain::secret::Secret;
use transire::domain::{ErrorKind, Noun};
use transire::service::{AccessKeyState, AuditFilter, AuditMode, InstanceChoice, KeyKind, LogIn};

use crate::harness::operator::context;
use crate::harness::{ACCOUNT, App, NOW, SERVICE};

#[tokio::test]
async fn what_a_disabled_key_got_stays_stopped_when_the_key_is_enabled() {
    let app = App::new().await;
    app.give_refresh_tokens().await;
    let (username, secret) = app.temporary().await;
    let refresh = app.refresh_token(&username, secret.expose()).await;
    for state in [AccessKeyState::Disabled, AccessKeyState::Active] {
        app.service
            .identity
            .set_access_key_state(&app.operator(), &app.key.id, state)
            .await
            .unwrap();
        assert!(!app.logs_in(&username, secret.expose()).await, "{state:?}");
        assert!(!app.refreshes(&refresh).await, "{state:?}");
    }
    let (username, secret) = app.temporary().await;
    assert!(app.logs_in(&username, secret.expose()).await);
}

#[tokio::test]
async fn a_long_term_credential_rests_while_it_is_disabled_and_its_refresh_tokens_end() {
    let app = App::new().await;
    app.give_refresh_tokens().await;
    let body = json!({ "RegistryId": app.instance.id.as_str(), "TokenType": "longterm" });
    let issued = app
        .tencent("CreateInstanceToken", &body)
        .send()
        .await
        .json()["Response"]
        .clone();
    let secret = issued["Token"].as_str().unwrap();
    let id: CredentialId = issued["TokenId"].as_str().unwrap().parse().unwrap();
    let refresh = app.refresh_token(ACCOUNT, secret).await;
    // The key that made it does not matter to it.
    app.service
        .identity
        .set_access_key_state(&app.operator(), &app.key.id, AccessKeyState::Disabled)
        .await
        .unwrap();
    let choice = InstanceChoice::Tcr(app.instance.id.clone());
    // A thief of the refresh token must not have it back with the owner's next log-in.
    for (state, works) in [
        (CredentialState::Disabled, false),
        (CredentialState::Active, true),
    ] {
        app.service
            .credentials
            .set_credential_state(&app.operator(), &choice, &id, state)
            .await
            .unwrap();
        assert_eq!(
            (
                app.logs_in(ACCOUNT, secret).await,
                app.refreshes(&refresh).await
            ),
            (works, false),
            "{state:?}"
        );
    }
    let refresh = app.refresh_token(ACCOUNT, secret).await;
    assert!(app.refreshes(&refresh).await);
    app.service
        .credentials
        .delete_credential(&app.operator(), &choice, &id)
        .await
        .unwrap();
    assert!(!app.logs_in(ACCOUNT, secret).await && !app.refreshes(&refresh).await);
}

#[tokio::test]
async fn a_credential_is_changed_through_its_own_instance_alone() {
    let app = App::new().await;
    let body = json!({ "RegistryId": app.instance.id.as_str(), "TokenType": "longterm" });
    let issued = app
        .tencent("CreateInstanceToken", &body)
        .send()
        .await
        .json()["Response"]
        .clone();
    let id: CredentialId = issued["TokenId"].as_str().unwrap().parse().unwrap();
    let other = InstanceChoice::Tcr(app.other_instance.id.clone());
    let refused = app
        .service
        .credentials
        .delete_credential(&app.operator(), &other, &id)
        .await
        .unwrap_err();
    assert_eq!(
        refused.kind(),
        &ErrorKind::NotFound {
            noun: Noun::Credential
        }
    );
    assert!(
        app.logs_in(ACCOUNT, issued["Token"].as_str().unwrap())
            .await
    );
}

#[tokio::test]
async fn a_full_audit_queue_refuses_only_where_the_settings_say_so() {
    for (audit, refuses) in [(AuditMode::Required, true), (AuditMode::BestEffort, false)] {
        let app = App::with(|options| {
            (options.service.audit.mode, options.service.audit.queue) = (audit, 1);
            options.service.limits.requests_per_second = 10_000;
        })
        .await;
        // Far more at once than a writer that waits for the disk can take off a queue of one.
        let mut refused = 0;
        for _ in 0..500 {
            let answer = app
                .tencent("CreateInstanceToken", &app.registry_id())
                .send()
                .await
                .json();
            match answer["Response"]["Error"]["Code"].as_str() {
                None => {}
                Some("InternalError") => refused += 1,
                Some(other) => panic!("{other}"),
            }
        }
        assert_eq!(refused > 0, refuses, "{audit:?}: {refused} were refused");
    }
}

#[tokio::test]
async fn what_is_newer_than_a_replica_knows_is_not_refused_before_it_has_listened() {
    // Until it heard of a change, a fifth of a second later, a replica refused what another had
    // made by it.
    let app = App::new().await;
    let replica = app.replica().await.service;
    let logs_in = async |(username, secret): &(String, Secret)| {
        let log_in = LogIn::password(username.clone(), secret.clone());
        let outcome = replica.access.log_in(SERVICE, &log_in, &context()).await;
        assert!(
            outcome
                .as_ref()
                .err()
                .is_none_or(|error| error.kind() == &ErrorKind::BadCredentials)
        );
        outcome.is_ok()
    };
    let first = app.temporary().await;
    assert!(logs_in(&first).await);
    app.service
        .identity
        .revoke(&app.operator(), &AnyPrincipal::Root(app.instance.account))
        .await
        .unwrap();
    let second = app.temporary().await;
    assert!(logs_in(&second).await, "its generation is newer");
    assert!(!logs_in(&first).await);
    app.service
        .keys
        .rotate_key(&app.operator(), KeyKind::Sealing)
        .await
        .unwrap();
    app.wait(Duration::from_secs(31));
    app.service.memory.catch_up().await.unwrap();
    let third = app.temporary().await;
    assert!(logs_in(&third).await, "it is sealed with a newer key");
    assert!(logs_in(&second).await);
}

#[tokio::test]
async fn no_secret_stands_in_the_data_as_it_is() {
    let app = App::new().await;
    app.give_refresh_tokens().await;
    let key = app
        .service
        .identity
        .create_access_key(&app.operator(), ACCOUNT.parse().unwrap(), None)
        .await
        .unwrap();
    let (username, temporary) = app.temporary().await;
    let refresh = app.refresh_token(&username, temporary.expose()).await;
    let body = json!({ "RegistryId": app.instance.id.as_str(), "TokenType": "longterm" });
    let issued = app
        .tencent("CreateInstanceToken", &body)
        .send()
        .await
        .json()["Response"]
        .clone();
    // Nothing waits in the audit queue any more.
    app.service.ledger.close().await;
    let data = app.files();
    let stands = |text: &str| {
        data.windows(text.len())
            .any(|window| window == text.as_bytes())
    };
    assert!(
        stands(&key.id) && stands(issued["TokenId"].as_str().unwrap()),
        "the data was not looked at"
    );
    for secret in [
        key.secret.expose(),
        issued["Token"].as_str().unwrap(),
        temporary.expose(),
        &refresh,
    ] {
        assert!(
            !stands(secret),
            "a secret of {} characters stands in the data",
            secret.len()
        );
    }
}

#[tokio::test]
async fn what_a_deleted_key_got_is_stopped() {
    let app = App::new().await;
    app.give_refresh_tokens().await;
    let (username, secret) = app.temporary().await;
    let refresh = app.refresh_token(&username, secret.expose()).await;
    app.service
        .identity
        .set_access_key_state(&app.operator(), &app.key.id, AccessKeyState::Deleted)
        .await
        .unwrap();
    assert!(!app.logs_in(&username, secret.expose()).await && !app.refreshes(&refresh).await);
    let answer = app
        .tencent("CreateInstanceToken", &app.registry_id())
        .send()
        .await
        .json();
    assert_eq!(
        answer["Response"]["Error"]["Code"],
        "AuthFailure.SecretIdNotFound"
    );
}

#[tokio::test]
async fn what_waits_for_the_audit_is_written_at_the_end() {
    let app = App::new().await;
    let (username, secret) = app.temporary().await;
    assert!(app.logs_in(&username, secret.expose()).await);
    assert!(!app.logs_in(&username, "wrong").await);
    app.service.ledger.close().await;
    let lines = crate::harness::audit::listed(
        &app.service,
        &AuditFilter::between(NOW, Timestamp::from_unix_millis(i64::MAX)),
    )
    .await;
    for (action, outcome) in [
        ("credential.issue-temporary", "ok"),
        ("token.exchange", "ok"),
        ("registry.log-in", "refused"),
    ] {
        let count = lines
            .iter()
            .filter(|line| line.action == action && line.outcome == outcome)
            .count();
        assert_eq!(count, 1, "{action}");
    }
}
