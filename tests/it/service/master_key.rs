//! The master key is rotated: interrupted anywhere, by many at once, and while requests go on.

use std::sync::Arc;
use std::time::Duration;

use rusqlite::Connection;
use transire::domain::clock::SystemRandom;
use transire::domain::{ErrorKind, Noun};
use transire::service::{
    AccessKeyState, InstanceChoice, KeyKind, KeyState, MasterKeyInfo, MasterKeySource,
    MasterKeyState, MasterKeyStep, Service,
};
use transire::token::MasterKey;

use crate::harness::master_keys::Place;
use crate::harness::operator::operator_call;
use crate::harness::{ACCOUNT, App, SERVICE};

async fn app_with(place: &Place) -> App {
    let master = place.read_keys();
    App::with(|options| {
        options.master = Some(master);
        options.service.limits.requests_per_second = 100_000;
    })
    .await
}

async fn step(service: &Service) -> MasterKeyStep {
    service
        .keys
        .rotate_master_key(&operator_call(service), None)
        .await
        .unwrap()
}

/// Gives the command, to its end.
async fn rotate(service: &Service) {
    while !matches!(step(service).await, MasterKeyStep::Done { .. }) {}
}

async fn states(service: &Service) -> Vec<(String, MasterKeyState, Option<u64>)> {
    let keys = service
        .keys
        .master_keys(&operator_call(service))
        .await
        .unwrap();
    keys.into_iter()
        .map(
            |MasterKeyInfo {
                 id, state, rows, ..
             }| (id, state, rows),
        )
        .collect()
}

#[tokio::test]
async fn everything_comes_under_the_new_key_and_the_old_one_goes() {
    let place = Place::with_one();
    let mut app = app_with(&place).await;
    let keys = app.more_keys(3).await;
    let zot = app.zot("edge").await;
    let gone = app.more_keys(1).await.remove(0);
    app.service
        .identity
        .set_access_key_state(&app.operator(), &gone.id, AccessKeyState::Deleted)
        .await
        .unwrap();
    let credential = app.temporary().await;
    let old = place.ids();
    assert_eq!(
        states(&app.service).await,
        [(old[0].clone(), MasterKeyState::InUse, None)]
    );
    rotate(&app.service).await;
    let both = place.ids();
    assert_eq!(
        (both.len(), &both[0]),
        (2, &old[0]),
        "the new key is below the old one"
    );
    assert_eq!(app.wrapping_ids(), both[1..]);
    let expected = [
        (both[1].clone(), MasterKeyState::InUse, None),
        (both[0].clone(), MasterKeyState::Old, Some(0)),
    ];
    assert_eq!(states(&app.service).await, expected);
    app.all_log_in(&keys).await;
    assert_eq!(
        step(&app.service).await,
        MasterKeyStep::Done {
            from: both[0].clone(),
            to: both[1].clone()
        },
        "a second one began by itself"
    );
    app.wait(Duration::from_secs(1));
    let retired = app
        .service
        .keys
        .finish_master_key(&app.operator())
        .await
        .unwrap();
    assert_eq!(
        (retired.ids, retired.removed),
        (vec![both[0].clone()], true)
    );
    assert_eq!(place.ids(), both[1..]);
    assert_eq!(
        app.audited().await,
        ["master-key.rotate", "master-key.retire"]
    );
    let restarted = app.another(place.read_keys()).await.unwrap();
    app.go_on_with(restarted);
    app.credential_logs_in(&credential).await;
    app.all_log_in(&keys).await;
    // Its key is read by the new master key, or nothing would be in its place.
    app.service
        .keys
        .instance_public_key(
            &app.operator(),
            &InstanceChoice::Tcr(zot.id),
            KeyState::InUse,
        )
        .await
        .unwrap();
}

#[tokio::test]
async fn stopped_after_any_step_it_is_gone_on_with_by_the_same_command_after_a_restart() {
    // Enough for two batches of access keys: the keys that sign and seal are wrapped anew before
    // them.
    const KEYS: usize = 250;
    let mut stops = 0;
    loop {
        let place = Place::with_one();
        let mut app = app_with(&place).await;
        let mut keys = app.more_keys(KEYS).await;
        let keys = [keys.remove(0), keys.pop().unwrap()];
        let credential = app.temporary().await;
        let mut done = false;
        for _ in 0..stops {
            done = matches!(step(&app.service).await, MasterKeyStep::Done { .. });
        }
        let restarted = app.another(place.read_keys()).await.unwrap();
        app.go_on_with(restarted);
        app.credential_logs_in(&credential).await;
        app.all_log_in(&keys).await;
        rotate(&app.service).await;
        assert_eq!(
            place.ids().len(),
            2,
            "after {stops} steps another key was made"
        );
        assert_eq!(app.wrapping_ids(), place.ids()[1..], "after {stops} steps");
        app.credential_logs_in(&credential).await;
        app.all_log_in(&keys).await;
        assert_eq!(app.audited().await, ["master-key.rotate"]);
        if done {
            break;
        }
        stops += 1;
    }
    assert!(stops >= 6, "only {stops} steps");
}

#[tokio::test]
async fn a_batch_goes_on_where_the_one_before_ended_and_what_came_behind_it_is_found_in_the_end() {
    let place = Place::with_one();
    let app = app_with(&place).await;
    app.more_keys(500).await;
    let database = Connection::open(app.database()).unwrap();
    let secret_of = |id: &str| -> Vec<u8> {
        database
            .query_row(
                "SELECT sealed_secret FROM access_key WHERE id = $1",
                [id],
                |row| row.get(0),
            )
            .unwrap()
    };
    let first: String = database
        .query_row("SELECT min(id) FROM access_key", [], |row| row.get(0))
        .unwrap();
    let under_the_old = secret_of(&first);
    while secret_of(&first) == under_the_old {
        step(&app.service).await;
    }
    database
        .execute(
            "UPDATE access_key SET sealed_secret = ?2 WHERE id = ?1",
            (&first, &under_the_old),
        )
        .unwrap();
    assert_eq!(
        step(&app.service).await,
        MasterKeyStep::Rewrapped { count: 200 }
    );
    assert_eq!(
        secret_of(&first),
        under_the_old,
        "it began again from the beginning"
    );
    rotate(&app.service).await;
    assert_eq!(app.wrapping_ids(), place.ids()[1..]);
}

#[tokio::test]
async fn a_key_that_was_kept_before_the_command_was_interrupted_is_taken() {
    let place = Place::with_one();
    let app = app_with(&place).await;
    let kept = MasterKey::generate(&SystemRandom);
    place.put(&kept);
    assert_eq!(
        states(&app.service).await[1],
        (kept.id().to_owned(), MasterKeyState::Next, None)
    );
    rotate(&app.service).await;
    assert_eq!(
        (place.ids().len(), app.wrapping_ids()),
        (2, vec![kept.id().to_owned()])
    );
}

#[tokio::test]
async fn a_retiring_that_was_interrupted_is_gone_on_with() {
    let place = Place::with_one();
    let app = app_with(&place).await;
    rotate(&app.service).await;
    let old = place.read().unwrap().remove(0);
    app.wait(Duration::from_secs(1));
    app.service
        .keys
        .finish_master_key(&app.operator())
        .await
        .unwrap();
    // As if the process had died between the store and the file.
    place.put(&old);
    assert_eq!(states(&app.service).await[1].1, MasterKeyState::Retired);
    app.service
        .keys
        .finish_master_key(&app.operator())
        .await
        .unwrap();
    assert_eq!((place.ids().len(), app.wrapping_ids()), (1, place.ids()));
    // Nor does it come back into use.
    place.put(&old);
    app.wait(Duration::from_secs(1));
    rotate(&app.service).await;
    assert!(!app.wrapping_ids().contains(&old.id().to_owned()));
    assert_eq!(
        app.audited().await,
        [
            "master-key.rotate",
            "master-key.retire",
            "master-key.rotate"
        ]
    );
}

#[tokio::test]
async fn the_running_service_goes_on_with_what_a_command_left() {
    let place = Place::with_one();
    let app = app_with(&place).await;
    let keys = app.more_keys(2).await;
    let command = app.another(place.read_keys()).await.unwrap();
    step(&command).await;
    drop(command);
    assert_eq!(app.wrapping_ids().len(), 2);
    app.service.keys.resume_rotation().await.unwrap();
    assert_eq!(app.wrapping_ids(), place.ids()[1..]);
    app.all_log_in(&keys).await;
}

#[tokio::test]
async fn two_commands_at_once_make_one_rotation() {
    let place = Place::with_one();
    let app = app_with(&place).await;
    let keys = app.more_keys(250).await;
    let (one, other) = (
        app.another(place.read_keys()).await.unwrap(),
        app.another(place.read_keys()).await.unwrap(),
    );
    tokio::join!(rotate(&one), rotate(&other));
    assert_eq!(
        (place.ids().len(), app.wrapping_ids()),
        (2, place.ids()[1..].to_vec())
    );
    assert_eq!(app.audited().await, ["master-key.rotate"]);
    app.service.memory.catch_up().await.unwrap();
    app.all_log_in(&keys[..3]).await;
}

/// A command read which key is current, another one switched, and the first then wrapped
/// everything back, or noted that nothing was left to wrap: the old key still wrapped something
/// after both had ended.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn commands_at_once_never_go_back_to_the_old_key() {
    let place = Place::with_one();
    let app = app_with(&place).await;
    app.more_keys(3).await;
    let mut commands = Vec::new();
    for _ in 0..4 {
        commands.push(app.another(place.read_keys()).await.unwrap());
    }
    for round in 0..25 {
        let mut running = tokio::task::JoinSet::new();
        for command in &commands {
            let command = Arc::clone(command);
            running.spawn(async move { rotate(&command).await });
        }
        while let Some(ended) = running.join_next().await {
            ended.unwrap();
        }
        assert_eq!(
            (place.ids().len(), app.wrapping_ids()),
            (2, place.ids()[1..].to_vec()),
            "in round {round}"
        );
        app.run_on(Duration::from_secs(1));
        app.wait(Duration::from_secs(1));
        let call = operator_call(&commands[0]);
        commands[0].keys.finish_master_key(&call).await.unwrap();
    }
}

#[tokio::test]
async fn what_another_process_wraps_meanwhile_is_never_under_the_old_key() {
    let place = Place::with_one();
    let app = app_with(&place).await;
    let command = app.another(place.read_keys()).await.unwrap();
    assert!(matches!(
        step(&command).await,
        MasterKeyStep::Switched { .. }
    ));
    // The service hasn't heard of it: what it wraps with the old key is refused, and it wraps
    // again.
    let keys = app.more_keys(2).await;
    for kind in [
        KeyKind::Sealing,
        KeyKind::Signing(transire::domain::instance::Algorithm::Es256),
    ] {
        app.service
            .keys
            .rotate_key(&app.operator(), kind)
            .await
            .unwrap();
    }
    rotate(&command).await;
    assert_eq!(app.wrapping_ids(), place.ids()[1..]);
    app.all_log_in(&keys).await;
}

#[tokio::test]
async fn a_secret_that_is_deleted_meanwhile_stays_deleted() {
    let place = Place::with_one();
    let app = app_with(&place).await;
    let gone = app.more_keys(1).await.remove(0);
    step(&app.service).await;
    app.service
        .identity
        .set_access_key_state(&app.operator(), &gone.id, AccessKeyState::Deleted)
        .await
        .unwrap();
    rotate(&app.service).await;
    let database = Connection::open(app.database()).unwrap();
    let left: i64 = database
        .query_row(
            "SELECT length(sealed_secret) FROM access_key WHERE id = $1",
            [&gone.id],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(left, 0);
}

#[tokio::test]
async fn no_request_fails_while_everything_is_wrapped_anew() {
    let place = Place::with_one();
    let app = app_with(&place).await;
    let keys = app.more_keys(300).await;
    let command = app.another(place.read_keys()).await.unwrap();
    let requests = async {
        for batch in keys.chunks(20) {
            app.service.memory.catch_up().await.unwrap();
            app.all_log_in(batch).await;
            app.more_keys(1).await;
        }
    };
    tokio::join!(rotate(&command), requests);
    rotate(&command).await;
    assert_eq!(app.wrapping_ids(), place.ids()[1..]);
}

#[tokio::test]
async fn with_several_replicas_the_operator_gives_the_new_key_first() {
    let place = Place::with_one().by_hand();
    let app = app_with(&place).await;
    let refused = app
        .service
        .keys
        .rotate_master_key(&app.operator(), None)
        .await
        .unwrap_err();
    assert_eq!(refused.kind(), &ErrorKind::Misconfigured);
    assert!(refused.message().contains("of every replica"), "{refused}");
    let new = MasterKey::generate(&SystemRandom);
    let refused = app
        .service
        .keys
        .rotate_master_key(&app.operator(), Some(&new))
        .await
        .unwrap_err();
    assert_eq!(refused.kind(), &ErrorKind::Misconfigured);
    assert!(
        refused.message().contains(new.id()) && refused.message().contains("isn't there yet"),
        "{refused}"
    );
    let current = place.read().unwrap().remove(0);
    let refused = app
        .service
        .keys
        .rotate_master_key(&app.operator(), Some(&current))
        .await
        .unwrap_err();
    assert_eq!(refused.kind(), &ErrorKind::Misconfigured);
    assert!(refused.message().contains("was used before"), "{refused}");
    place.put(&new);
    while !matches!(
        app.service
            .keys
            .rotate_master_key(&app.operator(), Some(&new))
            .await
            .unwrap(),
        MasterKeyStep::Done { .. }
    ) {}
    assert_eq!(app.wrapping_ids(), [new.id()]);
    let retired = app
        .service
        .keys
        .finish_master_key(&app.operator())
        .await
        .unwrap();
    assert!(!retired.removed);
    assert_eq!(place.ids().len(), 2, "it isn't the service's to change");
}

#[tokio::test]
async fn a_replica_without_the_new_key_goes_on_says_so_and_recovers() {
    let place = Place::with_one().by_hand();
    let mut app = app_with(&place).await;
    let keys = app.more_keys(2).await;
    let there = place.copy();
    let other = app.another(there.read_keys()).await.unwrap();
    there.put(&MasterKey::generate(&SystemRandom));
    let credential = app.temporary().await;
    rotate(&other).await;
    app.service.memory.catch_up().await.unwrap();
    // Secrets that it has in memory still work.
    app.credential_logs_in(&credential).await;
    app.all_log_in(&[]).await;
    // A secret that it would have to unwrap is an error of ours, and no bad signature.
    let answer = app
        .tencent("CreateInstanceToken", &serde_json::json!({}))
        .by(&keys[0])
        .send()
        .await
        .json();
    assert_eq!(
        answer["Response"]["Error"]["Code"], "InternalError",
        "{answer}"
    );
    // It wraps nothing by the old key.
    let made = app
        .service
        .identity
        .create_access_key(&app.operator(), ACCOUNT.parse().unwrap(), None)
        .await;
    let refused = made.unwrap_err();
    assert_eq!(refused.kind(), &ErrorKind::Misconfigured);
    assert!(refused.message().contains("put it there"), "{refused}");
    assert_eq!(app.wrapping_ids(), there.ids()[1..]);
    // A restart is refused, by name.
    let refused = app.another(place.read_keys()).await.err().unwrap();
    assert!(
        refused.message().contains("wrong master key")
            && refused.message().contains(&there.ids()[1]),
        "{refused}"
    );
    // Given the key, it needs no restart.
    place.put(&there.read().unwrap().remove(1));
    app.run_on(Duration::from_secs(1));
    app.service.memory.catch_up().await.unwrap();
    app.all_log_in(&keys).await;
    app.more_keys(1).await;
    let restarted = app.another(place.read_keys()).await.unwrap();
    app.go_on_with(restarted);
    app.credential_logs_in(&credential).await;
}

#[tokio::test]
async fn a_replica_that_saw_the_new_key_once_needs_its_place_no_more() {
    let place = Place::with_one().by_hand();
    let app = app_with(&place).await;
    let there = place.copy();
    let new = MasterKey::generate(&SystemRandom);
    there.put(&new);
    place.put(&new);
    app.service.keys.load_master_keys();
    place.remove(new.id()).unwrap();
    rotate(&app.another(there.read_keys()).await.unwrap()).await;
    app.service.memory.catch_up().await.unwrap();
    app.more_keys(1).await;
    assert_eq!(app.wrapping_ids(), [new.id()]);
}

#[tokio::test]
async fn a_replica_without_the_new_key_still_knows_a_wrong_log_in() {
    let place = Place::with_one().by_hand();
    let app = app_with(&place).await;
    let there = place.copy();
    let other = app.another(there.read_keys()).await.unwrap();
    there.put(&MasterKey::generate(&SystemRandom));
    let query = format!("service={SERVICE}");
    let credential = app.temporary().await;
    let wrong = async || {
        app.registry(Some(("nobody", "wrong")), &query)
            .await
            .status
            .as_u16()
    };
    assert_eq!(wrong().await, 401);
    // The store names a key that isn't here, and nothing is under it yet; then everything is.
    step(&other).await;
    app.service.memory.catch_up().await.unwrap();
    assert_eq!(wrong().await, 401);
    rotate(&other).await;
    app.run_on(Duration::from_secs(1));
    app.service.memory.catch_up().await.unwrap();
    assert_eq!(wrong().await, 401);
    // A secret that is sealed by a key that can't be read here may be good.
    app.wait(Duration::from_secs(1));
    other
        .keys
        .rotate_key(&operator_call(&other), KeyKind::Sealing)
        .await
        .unwrap();
    app.service.memory.catch_up().await.unwrap();
    assert_eq!(wrong().await, 503);
    app.credential_logs_in(&credential).await;
    // Given the key, it knows all again.
    place.put(&there.read().unwrap().remove(1));
    app.run_on(Duration::from_secs(1));
    app.service.memory.catch_up().await.unwrap();
    assert_eq!(wrong().await, 401);
    app.more_keys(1).await;
}

#[tokio::test]
async fn a_key_that_was_taken_from_its_place_is_reported_before_a_restart_needs_it() {
    let place = Place::with_one();
    let app = app_with(&place).await;
    let key = place.read().unwrap().remove(0);
    place.remove(key.id()).unwrap();
    app.service.keys.refresh_warnings().await.unwrap();
    let warnings = app.service.keys.warnings();
    assert!(
        warnings.len() == 1 && warnings[0].text.contains("in memory alone"),
        "{warnings:?}"
    );
    app.more_keys(1).await;
    place.put(&key);
    app.service.keys.refresh_warnings().await.unwrap();
    assert!(app.service.keys.warnings().is_empty());
}

#[tokio::test]
async fn an_old_key_is_not_retired_while_anything_is_under_it() {
    let place = Place::with_one();
    let app = app_with(&place).await;
    let finish = async || app.service.keys.finish_master_key(&app.operator()).await;
    let refused = finish().await.unwrap_err();
    assert_eq!(
        refused.kind(),
        &ErrorKind::PreconditionFailed {
            noun: Noun::MasterKey
        }
    );
    assert!(refused.message().contains("never rotated"), "{refused}");
    step(&app.service).await;
    let refused = finish().await.unwrap_err();
    assert_eq!(
        refused.kind(),
        &ErrorKind::PreconditionFailed {
            noun: Noun::MasterKey
        }
    );
    assert!(
        refused.message().contains("under an old master key"),
        "{refused}"
    );
    assert_eq!(place.ids().len(), 2);
    let new = MasterKey::generate(&SystemRandom);
    let refused = app
        .service
        .keys
        .rotate_master_key(&app.operator(), Some(&new))
        .await
        .unwrap_err();
    assert!(
        refused.message().contains("finish that one first"),
        "{refused}"
    );
}

#[tokio::test]
async fn a_damaged_secret_is_named_and_keeps_no_other_from_being_wrapped_anew() {
    let place = Place::with_one();
    let app = app_with(&place).await;
    let keys = app.more_keys(3).await;
    let database = Connection::open(app.database()).unwrap();
    database
        .execute(
            "UPDATE access_key SET sealed_secret = CAST(sealed_secret || x'00' AS BLOB) \
             WHERE id = $1",
            [&keys[1].id],
        )
        .unwrap();
    let error = loop {
        if let Err(error) = app
            .service
            .keys
            .rotate_master_key(&app.operator(), None)
            .await
        {
            break error;
        }
    };
    assert!(error.cause().unwrap().contains(&keys[1].id), "{error:?}");
    app.all_log_in(&[keys.into_iter().next().unwrap()]).await;
    assert_eq!(states(&app.service).await[1].2, Some(1));
    let refused = app
        .service
        .keys
        .finish_master_key(&app.operator())
        .await
        .unwrap_err();
    assert_eq!(
        refused.kind(),
        &ErrorKind::PreconditionFailed {
            noun: Noun::MasterKey
        }
    );
}

#[tokio::test]
async fn a_key_that_was_given_once_and_for_all_is_not_rotated_by_the_service() {
    let app = App::new().await;
    let refused = app
        .service
        .keys
        .rotate_master_key(&app.operator(), None)
        .await
        .unwrap_err();
    assert_eq!(refused.kind(), &ErrorKind::Misconfigured);
    assert!(
        refused
            .message()
            .contains("what this process was started with"),
        "{refused}"
    );
}
