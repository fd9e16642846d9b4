//! Imported users: the old name, the old password, and the hash that replaces its own.

use std::time::Duration;

use serde_json::json;
use transire::domain::ErrorKind;
use transire::domain::clock::Timestamp;
use transire::domain::credential::PasswordHash;
use transire::domain::identity::UserState;
use transire::domain::secret::Secret;
use transire::service::{ExistingUsers, ImportState, ImportedUser, InstanceChoice, Service};

use crate::harness::audit::lines;
use crate::harness::operator::{account, operator_call};
use crate::harness::registry::granted;
use crate::harness::{ACCOUNT, App, SERVICE};

/// A password shorter than any that is chosen here, and its hash by `htpasswd -B`.
const PASSWORD: &str = "123";
const BCRYPT: &str = "$2y$05$WuwBasGDAgr.QCbGIjKJaep4dhxeai9gNZdmBnQXqpKly57oNutya";

fn alice(hash: &PasswordHash) -> ImportedUser<'_> {
    ImportedUser {
        old_name: "Alice",
        user: "alice",
        hash,
        expires_at: None,
        policies: &[],
        existing: ExistingUsers::Refuse,
    }
}

async fn import(app: &App, imported: &ImportedUser<'_>) -> transire::domain::Result<()> {
    let (identity, call) = (&app.service.identity, &app.operator());
    identity.import_user(call, &app.instance, imported).await
}

async fn state(app: &App, imported: &ImportedUser<'_>) -> ImportState {
    let (identity, call) = (&app.service.identity, &app.operator());
    let state = identity.import_state(call, &app.instance, imported).await;
    state.unwrap()
}

async fn app_with_alice() -> App {
    let app = App::new().await;
    let hash = PasswordHash::new(BCRYPT);
    import(&app, &alice(&hash)).await.unwrap();
    app
}

/// Returns the first letters of the stored hash.
async fn hash(service: &Service, app: &App) -> String {
    let choice = InstanceChoice::Tcr(app.instance.id.clone());
    let call = operator_call(service);
    let listed = service.credentials.fixed_passwords(&call, &choice).await;
    let listed = listed.unwrap();
    assert_eq!(listed.len(), 1);
    listed[0].hash.as_str()[..9].to_owned()
}

async fn actions(app: &App) -> Vec<String> {
    app.service.ledger.close().await;
    let all = lines(app, 0).await;
    all.into_iter().map(|line| line.action).collect()
}

#[tokio::test]
async fn an_old_name_logs_in_by_the_old_password_and_its_hash_is_replaced_at_once() {
    let app = app_with_alice().await;
    assert_eq!(hash(&app.service, &app).await, &BCRYPT[..9]);
    for (username, secret) in [
        ("Alice", "124"),
        ("Alice", ""),
        ("Alice", "123\0"),
        ("alice", PASSWORD),
        ("Bob", PASSWORD),
        // Until the hash is replaced, the old name alone logs in.
        ("alice@acme", PASSWORD),
    ] {
        assert_eq!(
            app.status(username, secret).await,
            401,
            "{username} {secret:?}"
        );
    }
    let elsewhere = app
        .registry(Some(("Alice", PASSWORD)), "service=other.example.com")
        .await;
    assert_eq!(elsewhere.status, 401);
    assert_eq!(hash(&app.service, &app).await, &BCRYPT[..9]);
    assert_eq!(app.status("Alice", PASSWORD).await, 200);
    assert_eq!(hash(&app.service, &app).await, "$argon2id");
    // Remembered, and then hashed again.
    for _ in 0..2 {
        assert_eq!(app.status("Alice", PASSWORD).await, 200);
        assert_eq!(app.status("Alice", "124").await, 401);
        app.wait(Duration::from_mins(6));
    }
    let actions = actions(&app).await;
    for action in [
        "user.create",
        "fixed-password.import",
        "fixed-password.renew",
    ] {
        let found = actions.iter().filter(|one| *one == action).count();
        assert_eq!(found, 1, "{action}: {actions:?}");
    }
    assert!(
        !app.files().windows(4).any(|bytes| bytes == b":123"),
        "the password stands in the data"
    );
}

#[tokio::test]
async fn an_imported_user_has_the_rights_of_its_policies_alone() {
    let app = App::new().await;
    let resource = format!("acs:cr:*:*:repository/{}/team/*", app.instance.cri_id);
    let document = json!({ "Version": "1", "Statement": [
        { "Effect": "Allow", "Action": "cr:PullRepository", "Resource": resource }
    ] })
    .to_string();
    let (identity, call) = (&app.service.identity, &app.operator());
    for _ in 0..2 {
        let made = identity.import_policy(call, account(), "old", &document);
        made.await.unwrap();
    }
    let other = document.replace("team", "other");
    let refused = identity.import_policy(call, account(), "old", &other).await;
    assert!(matches!(
        refused.unwrap_err().kind(),
        ErrorKind::AlreadyExists { .. }
    ));
    let (hash, policies) = (PasswordHash::new(BCRYPT), ["old".to_owned()]);
    let imported = ImportedUser {
        policies: &policies,
        ..alice(&hash)
    };
    import(&app, &imported).await.unwrap();
    for (asked, expected) in [
        ("repository:team/app:pull,push", "repository:team/app:pull"),
        ("repository:other/app:pull", ""),
    ] {
        let given = granted(&app, "Alice", &Secret::new(PASSWORD), asked).await;
        assert_eq!(given, expected);
    }
}

#[tokio::test]
async fn an_import_that_is_repeated_makes_nothing_twice() {
    let app = app_with_alice().await;
    let bcrypt = PasswordHash::new(BCRYPT);
    assert_eq!(
        state(&app, &alice(&bcrypt)).await,
        ImportState::AlreadyThere
    );
    let again = import(&app, &alice(&bcrypt)).await.unwrap_err();
    assert!(matches!(again.kind(), ErrorKind::AlreadyExists { .. }));
    assert_eq!(app.status("Alice", PASSWORD).await, 200);
    assert_eq!(
        state(&app, &alice(&bcrypt)).await,
        ImportState::AlreadyThere
    );
    assert_eq!(hash(&app.service, &app).await, "$argon2id");
}

#[tokio::test]
async fn a_user_that_is_there_takes_an_old_name_only_when_it_is_asked_for() {
    let app = App::new().await;
    let (identity, call) = (&app.service.identity, &app.operator());
    identity
        .create_user(call, account(), "alice")
        .await
        .unwrap();
    let hash = PasswordHash::new(BCRYPT);
    let refused = state(&app, &alice(&hash)).await;
    assert!(
        matches!(&refused, ImportState::Refused(why) if why.contains("already")),
        "{refused:?}"
    );
    assert!(import(&app, &alice(&hash)).await.is_err());
    let taken = ImportedUser {
        existing: ExistingUsers::Take,
        ..alice(&hash)
    };
    import(&app, &taken).await.unwrap();
    assert_eq!(app.status("Alice", PASSWORD).await, 200);
    let other = ImportedUser {
        old_name: "Alice2",
        ..taken.clone()
    };
    let refused = state(&app, &other).await;
    assert!(
        matches!(&refused, ImportState::Refused(why) if why.contains("a password")),
        "{refused:?}"
    );
}

#[tokio::test]
async fn names_that_can_not_be_taken_are_refused_with_the_reason() {
    let app = app_with_alice().await;
    let hash = PasswordHash::new(BCRYPT);
    for (old_name, user, why) in [
        ("acme", "acme-user", "by itself"),
        (ACCOUNT, "number", "by itself"),
        ("bob@acme", "bob", "by itself"),
        ("tcr$bob", "bob", "service accounts"),
        ("Bob", "Bob", "lower-case"),
        ("Alice", "bob", "another user has this old name"),
    ] {
        let imported = ImportedUser {
            old_name,
            user,
            ..alice(&hash)
        };
        let refused = state(&app, &imported).await;
        assert!(
            matches!(&refused, ImportState::Refused(said) if said.contains(why)),
            "{old_name}: {refused:?}"
        );
    }
}

#[tokio::test]
async fn an_old_password_stops_with_its_time_its_user_and_its_deletion() {
    let app = App::new().await;
    let hash = PasswordHash::new(BCRYPT);
    let imported = ImportedUser {
        expires_at: Some(Timestamp::plus(app.now(), Duration::from_hours(24))),
        ..alice(&hash)
    };
    import(&app, &imported).await.unwrap();
    let logs_in = async || app.status("Alice", PASSWORD).await == 200;
    assert!(logs_in().await);
    let (identity, call) = (&app.service.identity, &app.operator());
    for (state, expected) in [(UserState::Disabled, false), (UserState::Active, true)] {
        let set = identity.set_user_state(call, account(), "alice", state);
        set.await.unwrap();
        assert_eq!(logs_in().await, expected, "{state:?}");
    }
    app.wait(Duration::from_hours(24));
    assert!(!logs_in().await, "its time is over");
    let choice = InstanceChoice::Tcr(app.instance.id.clone());
    let principal = format!("{ACCOUNT}:user/alice").parse().unwrap();
    app.service
        .credentials
        .delete_fixed_password(&app.operator(), &choice, &principal)
        .await
        .unwrap();
    let again = ImportedUser {
        existing: ExistingUsers::Take,
        ..alice(&hash)
    };
    import(&app, &again).await.unwrap();
    assert!(logs_in().await);
    identity
        .delete_user(&app.operator(), account(), "alice")
        .await
        .unwrap();
    assert!(!logs_in().await);
}

#[tokio::test]
async fn of_two_replicas_one_replaces_the_hash_and_both_log_in() {
    let app = app_with_alice().await;
    let replica = app.replica().await;
    let query = format!("/token?service={SERVICE}");
    let at_replica = async |credential: &str| {
        let request = http::Request::get(&query)
            .header("host", crate::harness::HOST)
            .header("authorization", format!("Basic {credential}"))
            .body(axum::body::Body::empty());
        replica.send(request.unwrap()).await.status.as_u16()
    };
    // Alice:124, so that the replica knows the old hash; then Alice:123.
    assert_eq!(at_replica("QWxpY2U6MTI0").await, 401);
    assert_eq!(app.status("Alice", PASSWORD).await, 200);
    assert_eq!(at_replica("QWxpY2U6MTIz").await, 200);
    for service in [&app.service, &replica.service] {
        assert_eq!(hash(service, &app).await, "$argon2id");
    }
    let renewals = actions(&app).await;
    let renewals = renewals.iter().filter(|one| *one == "fixed-password.renew");
    assert_eq!(renewals.count(), 1);
}

#[tokio::test]
async fn an_address_is_charged_for_an_old_hash_by_what_it_costs() {
    // A guess at a bcrypt of cost 12 would cost an address as little as one of argon2id, which
    // takes a tenth of its time.
    let app = App::with(|options| {
        options.service.limits.refusals_burst = 26;
        options.service.limits.refusals_per_second = 1;
    })
    .await;
    let costly = PasswordHash::new(BCRYPT.replace("$05$", "$12$"));
    import(&app, &alice(&costly)).await.unwrap();
    for name in ["Alice", "nobody"] {
        assert_eq!(app.status(name, "wrong-123").await, 401);
    }
    assert_eq!(app.status("nobody-2", "wrong-123").await, 429);
}
