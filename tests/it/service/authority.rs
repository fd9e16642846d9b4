//! Certificate authorities in steps: made, activated, retired, kept elsewhere; and keys of one
//! instance alone.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use transire::domain::clock::SystemRandom;
use transire::domain::instance::{Algorithm, RegistryKind};
use transire::domain::{ErrorKind, Result};
use transire::service::{
    InstanceChoice, KeyKind, KeySchedule, KeyState, NextStep, PrivatePart, WarningKind,
};
use transire::token::certificates::is_issued_by;
use transire::token::{Authority, MasterKey, SigningKeyPair};

use crate::harness::{App, SERVICE};

fn precondition<T: std::fmt::Debug>(outcome: Result<T>) -> String {
    let error = outcome.unwrap_err();
    assert!(
        matches!(error.kind(), ErrorKind::PreconditionFailed { .. }),
        "{error}"
    );
    error.message().to_owned()
}

#[tokio::test]
async fn an_authority_is_bundled_before_it_signs_and_after_another_does() {
    let app = App::new().await;
    let first = app.bundled().remove(0);
    app.wait(Duration::from_secs(1));
    let made = app.service.keys.rotate_ca(&app.operator()).await.unwrap();
    assert_eq!(
        (made.state, made.next),
        (
            Some(KeyState::Next),
            NextStep::RestartRegistriesThenActivate
        )
    );
    assert_eq!(
        app.service
            .keys
            .rotate_ca(&app.operator())
            .await
            .unwrap()
            .id,
        made.id
    );
    let both = app.bundled();
    let second = both.iter().find(|der| **der != first).unwrap().clone();
    assert_eq!(both.len(), 2);
    assert!(is_issued_by(&app.leaf().await, &first));

    assert!(
        precondition(app.service.keys.activate_ca(&app.operator()).await).contains("in 31 seconds")
    );
    app.later_and_renewed(Duration::from_secs(30)).await;
    let kid = app.signing().await[0].id.clone();
    let activated = app.service.keys.activate_ca(&app.operator()).await.unwrap();
    assert!(is_issued_by(&app.leaf().await, &second));
    assert_eq!(app.signing().await[0].id, kid, "the signing key stays");
    assert_eq!(app.bundled().len(), 2);
    // Done again, nothing more happens.
    assert_eq!(
        app.service
            .keys
            .activate_ca(&app.operator())
            .await
            .unwrap()
            .id,
        activated.id
    );
    let states: Vec<_> = app
        .authorities()
        .await
        .into_iter()
        .map(|(state, _)| state)
        .collect();
    assert_eq!(states, [KeyState::InUse, KeyState::Old]);
    // Renewed leaves and new signing keys are the new one's.
    app.service
        .keys
        .rotate_key(&app.operator(), KeyKind::Signing(Algorithm::Es256))
        .await
        .unwrap();
    app.later_and_renewed(Duration::from_secs(31)).await;
    assert!(is_issued_by(&app.leaf().await, &second));

    let NextStep::RetireFrom(from) = activated.next else {
        panic!("{:?}", activated.next)
    };
    let early = precondition(app.service.keys.retire_cas(&app.operator()).await);
    assert!(early.contains(&from.rfc3339()), "{early}");
    app.later_and_renewed(app.now().until(from)).await;
    assert_eq!(
        app.service
            .keys
            .retire_cas(&app.operator())
            .await
            .unwrap()
            .len(),
        1
    );
    assert_eq!(app.bundled(), [second]);
    precondition(app.service.keys.retire_cas(&app.operator()).await);
    precondition(app.service.keys.activate_ca(&app.operator()).await);
}

#[tokio::test]
async fn an_authority_that_is_given_up_leaves_nothing() {
    let app = App::new().await;
    precondition(app.service.keys.cancel_ca(&app.operator()).await);
    app.service.keys.rotate_ca(&app.operator()).await.unwrap();
    app.service.keys.cancel_ca(&app.operator()).await.unwrap();
    assert_eq!((app.bundled().len(), app.authorities().await.len()), (1, 1));
    app.later_and_renewed(Duration::from_hours(1)).await;
    precondition(app.service.keys.activate_ca(&app.operator()).await);
}

#[tokio::test]
async fn the_key_of_an_authority_is_forgotten_only_when_it_was_written_down() {
    let app = App::new().await;
    let exported = app.service.keys.export_ca(&app.operator()).await.unwrap();
    for wrong in [b"".as_slice(), &exported.pem.expose().as_bytes()[1..]] {
        let refused = app
            .service
            .keys
            .forget_ca_key(&app.operator(), &exported.id, wrong)
            .await
            .unwrap_err();
        assert_eq!(
            refused.kind(),
            &ErrorKind::InvalidParameter {
                name: "out".to_owned()
            }
        );
    }
    assert_eq!(
        app.authorities().await,
        [(KeyState::InUse, PrivatePart::Here)]
    );
    app.take_offline().await;
    assert_eq!(
        app.authorities().await,
        [(KeyState::InUse, PrivatePart::Elsewhere)]
    );
    precondition(
        app.service
            .keys
            .export_ca(&app.operator())
            .await
            .map(|exported| exported.id),
    );
}

#[tokio::test]
async fn with_the_authority_elsewhere_a_new_signing_key_waits_and_the_old_one_signs_to_its_end() {
    let app = App::new().await;
    app.take_offline().await;
    let first = app.leaf().await;
    let id = app
        .service
        .keys
        .rotate_key(&app.operator(), KeyKind::Signing(Algorithm::Es256))
        .await
        .unwrap();
    let again = app
        .service
        .keys
        .rotate_key(&app.operator(), KeyKind::Signing(Algorithm::Es256))
        .await
        .unwrap();
    assert_eq!(id, again);
    assert_eq!(app.warned().await, [WarningKind::KeyWaits]);
    // Days later it waits still, and the other goes on, with the leaf that it had.
    app.later_and_renewed(Duration::from_hours(13 * 24)).await;
    let states: Vec<_> = app
        .signing()
        .await
        .into_iter()
        .map(|key| (key.state, key.certificate_expires_at.is_some()))
        .collect();
    assert_eq!(
        states,
        [
            (KeyState::WaitingForCertificate, false),
            (KeyState::InUse, true)
        ]
    );
    assert_eq!(app.leaf().await, first);
    assert_eq!(
        app.warned().await,
        [WarningKind::LeafCertificateEnds, WarningKind::KeyWaits]
    );
    assert_eq!(
        app.service
            .keys
            .signing_requests(&app.operator())
            .await
            .unwrap()
            .len(),
        2
    );
    // An instance that would need another key isn't made.
    for _ in 0..2 {
        let refused = app
            .new_instance("rsa", RegistryKind::Distribution, Algorithm::Rs256)
            .await
            .unwrap_err();
        assert!(
            refused.kind() == &ErrorKind::Misconfigured
                && refused.message().contains("transire keys csr"),
            "{refused}"
        );
    }
    assert_eq!(
        app.service
            .keys
            .signing_requests(&app.operator())
            .await
            .unwrap()
            .len(),
        3
    );
    // A token that would outlive the leaf is never made.
    app.later_and_renewed(Duration::from_hours(24)).await;
    let credential = app.temporary().await;
    let answer = app
        .registry(
            Some((&credential.0, credential.1.expose())),
            &format!("service={SERVICE}"),
        )
        .await;
    assert_eq!(answer.status.as_u16(), 500);

    // An authority that is kept here again certifies all of them.
    app.service.keys.rotate_ca(&app.operator()).await.unwrap();
    app.later_and_renewed(Duration::from_secs(31)).await;
    app.service.keys.activate_ca(&app.operator()).await.unwrap();
    app.later_and_renewed(Duration::from_secs(31)).await;
    app.later_and_renewed(Duration::from_secs(31)).await;
    assert!(app.bundled().iter().any(|authority| *authority != first) && app.leaf().await != first);
    assert_eq!(
        (
            app.signing().await[0].id.clone(),
            app.signing().await[0].state
        ),
        (id, KeyState::InUse)
    );
}

#[tokio::test]
async fn a_zot_instance_has_a_key_that_no_other_uses_and_nobody_publishes() {
    let app = App::new().await;
    let (a, b) = (app.zot("zot-a").await, app.zot("zot-b").await);
    let shared = app.header(SERVICE, &app.temporary().await).await;
    let of_a = app
        .header(&a.service, &app.temporary_of(a.id.as_str()).await)
        .await;
    let of_b = app
        .header(&b.service, &app.temporary_of(b.id.as_str()).await)
        .await;
    assert_ne!(of_a["kid"], of_b["kid"]);
    assert!(of_a.get("x5c").is_none() && shared.get("x5c").is_some());
    let published = app.service.exchange.jwks();
    assert!(published.contains(shared["kid"].as_str().unwrap()));
    assert!(
        ![&of_a, &of_b]
            .iter()
            .any(|header| published.contains(header["kid"].as_str().unwrap())),
        "{published}"
    );
    // Neither a rotation of the shared key nor one of an authority touches them.
    app.service
        .keys
        .rotate_key(&app.operator(), KeyKind::Signing(Algorithm::Es256))
        .await
        .unwrap();
    app.service.keys.rotate_ca(&app.operator()).await.unwrap();
    app.later_and_renewed(Duration::from_secs(31)).await;
    app.service.keys.activate_ca(&app.operator()).await.unwrap();
    assert_eq!(
        app.header(&a.service, &app.temporary_of(a.id.as_str()).await)
            .await,
        of_a
    );
    // Its own rotation is used when it is told to, and not before.
    let choice = InstanceChoice::Tcr(a.id.clone());
    let next = app
        .service
        .keys
        .rotate_instance_key(&app.operator(), &choice)
        .await
        .unwrap();
    app.later_and_renewed(Duration::from_hours(1)).await;
    assert_eq!(
        app.header(&a.service, &app.temporary_of(a.id.as_str()).await)
            .await,
        of_a
    );
    assert_eq!(
        app.service
            .keys
            .activate_instance_key(&app.operator(), &choice)
            .await
            .unwrap(),
        next
    );
    assert_ne!(
        app.header(&a.service, &app.temporary_of(a.id.as_str()).await)
            .await["kid"],
        of_a["kid"]
    );
    assert_eq!(
        app.header(&b.service, &app.temporary_of(b.id.as_str()).await)
            .await["kid"],
        of_b["kid"]
    );
    precondition(
        app.service
            .keys
            .activate_instance_key(&app.operator(), &choice)
            .await,
    );
    app.service
        .keys
        .rotate_instance_key(&app.operator(), &choice)
        .await
        .unwrap();
    app.service
        .keys
        .cancel_instance_key(&app.operator(), &choice)
        .await
        .unwrap();
    precondition(
        app.service
            .keys
            .rotate_instance_key(
                &app.operator(),
                &InstanceChoice::Tcr(app.instance.id.clone()),
            )
            .await,
    );
    // The key goes with its instance.
    let contents = transire::service::Contents::MustBeGone;
    app.service
        .registry
        .delete_instance(&app.operator(), &choice, contents)
        .await
        .unwrap();
    let owners: Vec<_> = app
        .signing()
        .await
        .into_iter()
        .filter_map(|key| key.instance)
        .collect();
    assert_eq!(owners, [b.id]);
}

#[tokio::test]
async fn on_schedule_one_key_waits_for_its_certificate_and_none_is_made_beside_it() {
    let app = App::with(|options| options.service.keys = KeySchedule::of_days(3, 0)).await;
    app.take_offline().await;
    app.wait(Duration::from_hours(3 * 24));
    assert_eq!(app.service.keys.rotate_on_schedule().await.unwrap(), 1);
    for _ in 0..3 {
        app.wait(Duration::from_mins(1));
        assert_eq!(app.service.keys.rotate_on_schedule().await.unwrap(), 0);
    }
    let states: Vec<_> = app
        .signing()
        .await
        .into_iter()
        .map(|key| key.state)
        .collect();
    assert_eq!(states, [KeyState::WaitingForCertificate, KeyState::InUse]);
}

#[tokio::test]
async fn a_waiting_key_takes_its_turn_with_the_certificate_of_the_next_authority() {
    let master = MasterKey::generate(&SystemRandom);
    let text = master.to_text();
    let app = App::with(|options| options.master = Some(master.into())).await;
    app.take_offline().await;
    let waiting = app
        .service
        .keys
        .rotate_key(&app.operator(), KeyKind::Signing(Algorithm::Es256))
        .await
        .unwrap();
    let own = Authority::generate("own", app.now(), &SystemRandom).unwrap();
    app.service
        .keys
        .import_ca(&app.operator(), own.certificate_pem().as_bytes())
        .await
        .unwrap();
    for request in app
        .service
        .keys
        .signing_requests(&app.operator())
        .await
        .unwrap()
    {
        let database = rusqlite::Connection::open(app.database()).unwrap();
        let query = "SELECT wrapped_private FROM signing_key WHERE id = $1";
        let wrapped: Vec<u8> = database
            .query_row(query, [&request.key], |row| row.get(0))
            .unwrap();
        let private = MasterKey::parse(text.expose())
            .unwrap()
            .unwrap("signing-key", &request.key, &wrapped)
            .unwrap();
        let leaf = own
            .issue_leaf(
                &SigningKeyPair::from_pkcs8(request.algorithm, &private).unwrap(),
                app.now(),
            )
            .unwrap();
        let imported = app
            .service
            .keys
            .import_leaf(&app.operator(), &leaf.der)
            .await
            .unwrap();
        assert_eq!(imported.authority_state, KeyState::Next);
    }
    let state_of_it = async || {
        app.signing()
            .await
            .into_iter()
            .find(|key| key.id == waiting)
            .unwrap()
            .state
    };
    assert_eq!(state_of_it().await, KeyState::WaitingForCertificate);
    app.later_and_renewed(Duration::from_secs(31)).await;
    app.service.keys.activate_ca(&app.operator()).await.unwrap();
    assert_eq!(
        state_of_it().await,
        KeyState::Next,
        "every replica has to know it first"
    );
    app.later_and_renewed(Duration::from_secs(31)).await;
    assert_eq!(state_of_it().await, KeyState::InUse);
    let header = app.header(SERVICE, &app.temporary().await).await;
    assert!(is_issued_by(
        &STANDARD.decode(header["x5c"][0].as_str().unwrap()).unwrap(),
        own.certificate_der()
    ));
    assert_eq!(app.warned().await, []);
}

#[tokio::test]
async fn a_pulp_instance_has_its_own_key_its_realm_as_issuer_and_tokens_without_a_subject() {
    let app = App::new().await;
    let pulp = app
        .new_instance("pulp", RegistryKind::Pulp, Algorithm::Es256)
        .await
        .unwrap();
    let (username, secret) = app.temporary_of(pulp.id.as_str()).await;
    let query = format!("service={}&scope=repository:team/app:pull", pulp.service);
    let answer = app
        .registry(Some((&username, secret.expose())), &query)
        .await
        .json();
    let parts: Vec<Value> = answer["token"]
        .as_str()
        .unwrap()
        .split('.')
        .take(2)
        .map(decoded)
        .collect();
    assert!(parts[0].get("x5c").is_none(), "{}", parts[0]);
    let expected = (
        json!(app.service.base.realm()),
        json!(""),
        json!(pulp.service),
    );
    assert_eq!(
        (
            parts[1]["iss"].clone(),
            parts[1]["sub"].clone(),
            parts[1]["aud"].clone()
        ),
        expected
    );
    assert_eq!(
        parts[1]["access"],
        json!([{ "type": "repository", "name": "team/app", "actions": ["pull"] }])
    );
}

fn decoded(part: &str) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}
