//! Keys that are rotated by themselves, and what the operator is told in time.

use std::time::Duration;

use rusqlite::Connection;
use transire::domain::ErrorKind;
use transire::domain::instance::Algorithm;
use transire::service::{AuditFilter, KeyKind, KeySchedule, KeyState, MasterKeyStep, WarningKind};
use transire::token::MasterKey;

use crate::harness::App;
use crate::harness::operator::operator_call;

const DAY: Duration = Duration::from_hours(24);
const ES256: KeyKind = KeyKind::Signing(Algorithm::Es256);

async fn app(signing: u32, sealing: u32) -> (App, String) {
    let key = MasterKey::generate(&transire::domain::clock::SystemRandom);
    let text = key.to_text().expose().to_owned();
    let app = App::with(|options| {
        options.master = Some(key.into());
        options.service.keys = KeySchedule::of_days(signing, sealing);
    })
    .await;
    (app, text)
}

#[tokio::test]
async fn keys_are_replaced_when_they_are_old_and_not_a_moment_earlier() {
    let (app, _) = app(30, 60).await;
    let credential = app.temporary().await;
    app.wait(DAY * 30 - Duration::from_secs(1));
    app.service.keys.rotate_on_schedule().await.unwrap();
    assert_eq!(app.states(ES256).await, [KeyState::InUse]);
    app.wait(Duration::from_secs(1));
    for _ in 0..3 {
        app.service.keys.rotate_on_schedule().await.unwrap();
    }
    assert_eq!(app.states(ES256).await, [KeyState::Next, KeyState::InUse]);
    assert_eq!(app.states(KeyKind::Sealing).await, [KeyState::InUse]);
    app.wait(DAY * 30);
    for _ in 0..3 {
        app.service.keys.rotate_on_schedule().await.unwrap();
    }
    assert_eq!(
        app.states(ES256).await,
        [KeyState::Next, KeyState::InUse, KeyState::Old]
    );
    assert_eq!(
        app.states(KeyKind::Sealing).await,
        [KeyState::Next, KeyState::InUse]
    );
    let lines = crate::harness::audit::listed(
        &app.service,
        &AuditFilter::between(app.now().minus(DAY), app.now().plus(DAY)),
    )
    .await;
    let mut made: Vec<_> = lines
        .iter()
        .filter(|line| line.detail.contains("schedule"))
        .map(|line| line.action.as_str())
        .collect();
    // They are of one moment.
    made.sort_unstable();
    assert_eq!(made, ["sealing-key.create", "signing-key.create"]);
    // A secret that the key before sealed is still opened; it expired long ago, and is refused for
    // that alone.
    let answer = app
        .registry(
            Some((&credential.0, credential.1.expose())),
            "service=registry.example.com",
        )
        .await;
    assert_eq!(answer.status, 401);
}

#[tokio::test]
async fn of_many_replicas_one_makes_the_next_key() {
    let (app, master) = app(30, 30).await;
    let mut replicas = vec![std::sync::Arc::clone(&app.service)];
    for _ in 0..3 {
        replicas.push(
            app.another(MasterKey::parse(&master).unwrap())
                .await
                .unwrap(),
        );
    }
    for round in 2..4 {
        app.wait(DAY * 30);
        let [one, two, three, four] = &replicas[..] else {
            unreachable!()
        };
        let (one, two, three, four) = tokio::join!(
            one.keys.rotate_on_schedule(),
            two.keys.rotate_on_schedule(),
            three.keys.rotate_on_schedule(),
            four.keys.rotate_on_schedule()
        );
        for outcome in [one, two, three, four] {
            outcome.unwrap();
        }
        assert_eq!(app.states(ES256).await.len(), round);
        assert_eq!(app.states(KeyKind::Sealing).await.len(), round);
    }
    let lines = crate::harness::audit::listed(
        &app.service,
        &AuditFilter::between(app.now().minus(DAY), app.now().plus(DAY)),
    )
    .await;
    assert_eq!(
        lines
            .iter()
            .filter(|line| line.detail.contains("schedule"))
            .count(),
        2
    );
}

#[tokio::test]
async fn without_a_schedule_keys_stay() {
    let (app, _) = app(0, 0).await;
    app.wait(DAY * 4000);
    app.service.keys.rotate_on_schedule().await.unwrap();
    assert_eq!(app.states(ES256).await, [KeyState::InUse]);
    assert_eq!(app.states(KeyKind::Sealing).await, [KeyState::InUse]);
}

#[tokio::test]
async fn a_rotation_that_fails_raises_an_alarm_until_it_succeeds() {
    let (app, _) = app(30, 0).await;
    app.wait(DAY * 30);
    let database = Connection::open(app.database()).unwrap();
    database
        .execute(
            "UPDATE authority SET wrapped_private = CAST(wrapped_private || x'00' AS BLOB)",
            [],
        )
        .unwrap();
    let failed = app.service.keys.rotate_on_schedule().await.unwrap_err();
    assert_eq!(failed.kind(), &ErrorKind::Internal);
    assert!(app.warned().await.contains(&WarningKind::RotationFailed));
    database
        .execute(
            "UPDATE authority SET wrapped_private = substr(wrapped_private, 1, \
             length(wrapped_private) - 1)",
            [],
        )
        .unwrap();
    app.service.keys.rotate_on_schedule().await.unwrap();
    assert!(!app.warned().await.contains(&WarningKind::RotationFailed));
}

#[tokio::test]
async fn the_end_of_the_authority_and_of_a_leaf_is_announced_in_time() {
    let app = App::new().await;
    assert_eq!(app.warned().await, []);
    // The leaf has fourteen days, and nothing renews it here.
    app.wait(DAY * 9);
    assert_eq!(app.warned().await, [WarningKind::LeafCertificateEnds]);
    let ready = app
        .send(
            http::Request::get("/readyz")
                .body(axum::body::Body::empty())
                .unwrap(),
        )
        .await;
    assert_eq!(ready.status, 200, "it can still serve");
    let ready = ready.json();
    assert_eq!(
        (&ready["ready"], &ready["missing"]),
        (&true.into(), &serde_json::json!([]))
    );
    assert_eq!(
        ready["warnings"],
        serde_json::json!([WarningKind::LeafCertificateEnds.notice()])
    );
    app.service.keys.renew_leaf_certificates().await.unwrap();
    assert_eq!(app.warned().await, []);
    app.wait(DAY * (19 * 365 - 10));
    app.service.keys.renew_leaf_certificates().await.unwrap();
    assert_eq!(app.warned().await, []);
    app.wait(DAY * 2);
    app.service.keys.renew_leaf_certificates().await.unwrap();
    assert_eq!(app.warned().await, [WarningKind::CaEnds]);
}

#[tokio::test]
async fn a_master_key_that_stays_half_rotated_is_reported() {
    let (app, text) = app(0, 0).await;
    let new = MasterKey::generate(&transire::domain::clock::SystemRandom);
    let both =
        transire::service::MasterKeys::read(Box::new(crate::harness::master_keys::Place::of([
            &text,
            new.to_text().expose(),
        ])))
        .unwrap();
    let command = app.another(both).await.unwrap();
    let step = async || {
        command
            .keys
            .rotate_master_key(&operator_call(&command), None)
            .await
            .unwrap()
    };
    step().await;
    app.service.memory.catch_up().await.unwrap();
    // This one doesn't have the new key at all.
    assert_eq!(app.warned().await, [WarningKind::MasterKey]);
    command.keys.refresh_warnings().await.unwrap();
    assert!(command.keys.warnings().is_empty());
    app.wait(Duration::from_hours(1));
    command.keys.refresh_warnings().await.unwrap();
    assert!(command.keys.warnings()[0].text.contains("half rotated"));
    while !matches!(step().await, MasterKeyStep::Done { .. }) {}
    command.keys.refresh_warnings().await.unwrap();
    assert!(command.keys.warnings().is_empty());
    app.wait(DAY * 7);
    command.keys.renew_leaf_certificates().await.unwrap();
    command.keys.refresh_warnings().await.unwrap();
    assert!(command.keys.warnings()[0].text.contains("--finish"));
    command
        .keys
        .finish_master_key(&operator_call(&command))
        .await
        .unwrap();
    command.keys.refresh_warnings().await.unwrap();
    assert!(command.keys.warnings().is_empty());
}
