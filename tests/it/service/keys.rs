//! Rotation: new keys are known before they are used, and old ones stay good.

use std::sync::Arc;
use std::time::Duration;

use transire::domain::clock::SystemRandom;
use transire::domain::credential::{CredentialId, long_term_secret};
use transire::domain::instance::Algorithm;
use transire::domain::secret::Secret;
use transire::domain::{ErrorKind, Noun};
use transire::service::{KeyKind, KeyState, LogIn};

use crate::harness::operator::context;
use crate::harness::postgres::Database;
use crate::harness::{ACCOUNT, App, SERVICE};

const ES256: KeyKind = KeyKind::Signing(Algorithm::Es256);

#[tokio::test]
async fn a_new_signing_key_is_published_before_it_signs_and_the_old_one_after() {
    let app = App::new().await;
    let credential = app.temporary().await;
    let first = app.kid(&credential).await;
    app.later(Duration::from_hours(1)).await;
    let credential = app.temporary().await;
    let id = app.rotate(ES256).await;
    assert_eq!(app.states(ES256).await, [KeyState::Next, KeyState::InUse]);
    assert_eq!(app.keys(ES256).await[0].id, id);
    app.later(Duration::from_secs(29)).await;
    assert_eq!(
        app.kid(&credential).await,
        first,
        "a replica may not know the new one yet"
    );
    assert_eq!(app.published().len(), 2);
    app.later(Duration::from_secs(1)).await;
    let second = app.kid(&credential).await;
    assert_ne!(second, first);
    assert_eq!(app.states(ES256).await, [KeyState::InUse, KeyState::Old]);
    assert_eq!(app.published(), [second, first]);
}

#[tokio::test]
async fn what_an_old_sealing_key_sealed_still_opens() {
    let app = App::new().await;
    app.later(Duration::from_hours(1)).await;
    let before = app.temporary().await;
    app.rotate(KeyKind::Sealing).await;
    app.later(Duration::from_secs(31)).await;
    assert_eq!(
        app.states(KeyKind::Sealing).await,
        [KeyState::InUse, KeyState::Old]
    );
    let after = app.temporary().await;
    // The id of the sealing key stands at the beginning of what it sealed, after the version.
    let key_id = |secret: &Secret| secret.expose()[5..12].to_owned();
    assert_ne!(key_id(&before.1), key_id(&after.1));
    for credential in [before, after] {
        app.kid(&credential).await;
    }
}

#[tokio::test]
async fn two_rotations_in_a_moment_leave_the_newest_in_use() {
    let app = App::new().await;
    app.later(Duration::from_hours(1)).await;
    for _ in 0..2 {
        app.rotate(ES256).await;
        app.wait(Duration::from_secs(1));
    }
    assert_eq!(
        app.states(ES256).await,
        [KeyState::Next, KeyState::Next, KeyState::InUse]
    );
    app.later(Duration::from_secs(28)).await;
    assert_eq!(
        app.states(ES256).await,
        [KeyState::Next, KeyState::InUse, KeyState::Old]
    );
    app.later(Duration::from_secs(1)).await;
    assert_eq!(
        app.states(ES256).await,
        [KeyState::InUse, KeyState::Old, KeyState::Old]
    );
}

#[tokio::test]
async fn a_key_is_rotated_for_an_algorithm_that_is_used() {
    let app = App::new().await;
    let refused = app
        .service
        .keys
        .rotate_key(&app.operator(), KeyKind::Signing(Algorithm::Rs256))
        .await
        .unwrap_err();
    assert_eq!(
        refused.kind(),
        &ErrorKind::NotFound {
            noun: Noun::SigningKey
        }
    );
}

/// Wrong log-ins were answered as if the database were away, where keys changed while they were
/// looked at: several change one after the other in a rotation of the master key.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_log_in_is_refused_though_keys_change_meanwhile() {
    let Some(database) = Database::new().await else {
        return;
    };
    let app = App::at(Some(database.location()), |_| {}).await;
    let secret = long_term_secret(&CredentialId::random(&SystemRandom), &SystemRandom);
    let wrong = LogIn::password(ACCOUNT.to_owned(), secret);
    let credentials = database.lock("credential").await;
    let sealing_keys = database.lock("sealing_key").await;
    let service = Arc::clone(&app.service);
    let logging_in = tokio::spawn(async move {
        let proved = service.access.log_in(SERVICE, &wrong, &context()).await;
        proved.err().unwrap()
    });
    database.await_waiting(1).await;
    let refused = async {
        // The feed has told of the new key, and it is being read.
        database.await_waiting(2).await;
        drop(credentials);
        let refused = logging_in.await.unwrap();
        drop(sealing_keys);
        refused
    };
    let (_, refused) = tokio::join!(app.rotate(ES256), refused);
    assert_eq!(refused.kind(), &ErrorKind::BadCredentials, "{refused:?}");
    database.remove().await;
}
