//! Failures of others at one address never refuse a right request. The tests count, and never time.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::body::Body;
use http::{Request, StatusCode};
use serde_json::json;
use tokio::task::JoinSet;
use transire::domain::clock::SystemRandom;
use transire::domain::credential::{CredentialId, long_term_secret};
use transire::domain::secret::Secret;
use transire::service::AccessKeyState;
use transire::sign::SigningSecret;

use crate::harness::operator::operator_call;
use crate::harness::{ACCOUNT, App, HOST, Key, SERVICE, Stalled};

fn wrong(id: &str) -> Key {
    Key {
        id: id.to_owned(),
        secret: SigningSecret::new(Secret::new("guessedEXAMPLE")),
        token: None,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_signs_correctly_is_served_beside_those_who_do_not() {
    // Two threads that signed with a wrong secret, by the victim's own key id too, had 37 of 40
    // right calls refused.
    let app = App::of_short_patience().await;
    let mut served = 0;
    let mut refused = BTreeMap::<String, usize>::new();
    for round in 0..20 {
        for id in [app.key.id.as_str(), "AKIDmadeUpEXAMPLE"] {
            // A made-up id waits until the change feed was read: a few of them show as much.
            if id == app.key.id || round < 3 {
                for call in app.calls(&wrong(id)) {
                    *refused.entry(app.code(call).await).or_default() += 1;
                }
            }
        }
        for call in app.calls(&app.key) {
            assert_eq!(app.code(call).await, "", "round {round}");
            served += 1;
        }
    }
    assert_eq!(served, 140);
    // At most two were refused for what they are; after that, whoever failed had to wait.
    let slowed: usize = ["RequestLimitExceeded", "Throttling"]
        .iter()
        .filter_map(|code| refused.get(*code))
        .sum();
    assert_eq!(slowed + 2, refused.values().sum::<usize>(), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_right_key_that_is_cold_is_served_though_made_up_ids_flood_its_address() {
    // Every made-up id asked the database, until the address was refused unread, and the right ones
    // with it.
    let mut app = App::of_short_patience().await;
    let keys = futures_keys(&app, 5).await;
    // Another process never heard of any of them.
    let restarted = app.replica().await.service;
    app.go_on_with(restarted);
    let app = std::sync::Arc::new(app);
    let mut flood = JoinSet::new();
    for number in 0..40 {
        let app = std::sync::Arc::clone(&app);
        flood.spawn(async move {
            let key = wrong(&format!("AKIDmadeUp{number}EXAMPLE"));
            let call = app
                .tencent(
                    "CreateInstanceToken",
                    &json!({ "RegistryId": app.instance.id.as_str() }),
                )
                .by(&key)
                .request();
            app.code(call).await
        });
    }
    for key in &keys {
        let call = app
            .tencent(
                "CreateInstanceToken",
                &json!({ "RegistryId": app.instance.id.as_str() }),
            )
            .by(key)
            .request();
        assert_eq!(app.code(call).await, "");
    }
    let codes = flood.join_all().await;
    assert!(
        codes
            .iter()
            .all(|code| code == "AuthFailure.SecretIdNotFound" || code == "RequestLimitExceeded"),
        "{codes:?}"
    );
}

async fn futures_keys(app: &App, count: usize) -> Vec<Key> {
    let mut keys = Vec::new();
    for _ in 0..count {
        let key = app
            .service
            .identity
            .create_access_key(&app.operator(), ACCOUNT.parse().unwrap(), None)
            .await
            .unwrap();
        keys.push(Key::permanent(key));
    }
    keys
}

#[tokio::test]
async fn a_key_that_another_replica_has_just_made_is_heard_of_before_it_is_refused() {
    let mut app = App::of_short_patience().await;
    let maker = std::sync::Arc::clone(&app.service);
    let other = app.replica().await.service;
    app.go_on_with(other);
    let call = |key: &Key| {
        app.tencent(
            "CreateInstanceToken",
            &json!({ "RegistryId": app.instance.id.as_str() }),
        )
        .by(key)
        .request()
    };
    assert_eq!(
        app.code(call(&app.key)).await,
        "",
        "which ids there are is known from here on"
    );
    for round in 0..4 {
        let made = maker
            .identity
            .create_access_key(&operator_call(&maker), ACCOUNT.parse().unwrap(), None)
            .await
            .unwrap();
        let made = Key::permanent(made);
        // From an address that failed too often, too.
        assert_eq!(app.code(call(&made)).await, "", "round {round}");
        app.code(call(&wrong(&made.id))).await;
        maker
            .identity
            .set_access_key_state(&operator_call(&maker), &made.id, AccessKeyState::Deleted)
            .await
            .unwrap();
        app.service.memory.catch_up().await.unwrap();
        assert_ne!(app.code(call(&made)).await, "", "round {round}");
    }
}

#[tokio::test]
async fn an_address_that_failed_too_often_sends_large_bodies_only_for_a_key_that_was_right() {
    let app = App::of_short_patience().await;
    let padded = |key: &Key, bytes: usize| {
        let body = format!(
            "{{\"RegistryId\":\"{}\"}}{}",
            app.instance.id.as_str(),
            " ".repeat(bytes)
        );
        app.tencent("CreateInstanceToken", &json!({}))
            .by(key)
            .body(&body)
            .request()
    };
    for _ in 0..4 {
        app.code(padded(&wrong(&app.key.id), 10)).await;
    }
    assert_eq!(
        app.code(padded(&app.key, 100_000)).await,
        "RequestLimitExceeded",
        "nobody knows yet that it is right"
    );
    assert_eq!(app.code(padded(&app.key, 60_000)).await, "");
    assert_eq!(app.code(padded(&app.key, 100_000)).await, "");
    assert_eq!(
        app.code(padded(&wrong(&app.key.id), 100_000)).await,
        "RequestLimitExceeded"
    );
}

#[tokio::test]
async fn a_long_term_credential_that_is_cold_logs_in_though_made_up_ones_flood_its_address() {
    // Four were looked up at once, and whoever came beyond them was told to come again: made-up
    // ones took the places.
    let mut app = App::of_short_patience().await;
    let body = json!({ "RegistryId": app.instance.id.as_str(), "TokenType": "longterm" });
    let issued = app
        .tencent("CreateInstanceToken", &body)
        .send()
        .await
        .json()["Response"]
        .clone();
    let (username, secret) = (
        issued["Username"].as_str().unwrap().to_owned(),
        issued["Token"].as_str().unwrap().to_owned(),
    );
    let password = app.create_robot(&json!({})).await;
    let restarted = app.replica().await.service;
    app.go_on_with(restarted);
    let app = std::sync::Arc::new(app);
    let mut flood = JoinSet::new();
    for _ in 0..60 {
        let (app, username) = (std::sync::Arc::clone(&app), username.clone());
        flood.spawn(async move {
            let made_up = long_term_secret(&CredentialId::random(&SystemRandom), &SystemRandom);
            app.registry(
                Some((&username, made_up.expose())),
                &format!("service={SERVICE}"),
            )
            .await
            .status
            .as_u16()
        });
    }
    for (username, secret) in [
        (username.as_str(), secret.as_str()),
        ("tcr$robot", password.as_str()),
    ] {
        assert_eq!(
            app.registry(Some((username, secret)), &format!("service={SERVICE}"))
                .await
                .status,
            StatusCode::OK,
            "{username}"
        );
    }
    let statuses = flood.join_all().await;
    assert!(
        statuses.iter().filter(|status| **status == 401).count() <= 2,
        "{statuses:?}"
    );
    assert!(
        statuses.iter().all(|status| [401, 429].contains(status)),
        "{statuses:?}"
    );
}

#[tokio::test]
async fn tokens_for_nobody_are_given_out_beside_calls_that_are_signed_wrongly() {
    let app = App::of_short_patience().await;
    for _ in 0..5 {
        let call = app
            .tencent("CreateInstanceToken", &json!({}))
            .by(&wrong(&app.key.id))
            .request();
        app.code(call).await;
    }
    app.service
        .registry
        .set_registry_url(
            &app.operator(),
            &transire::service::InstanceChoice::Tcr(app.instance.id.clone()),
            None,
        )
        .await
        .unwrap();
    // The instance is in no memory any more, and is looked up all the same.
    let answer = app
        .registry(None, &format!("service={SERVICE}&scope=repository:a:pull"))
        .await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_tokens_for_nobody_at_once_no_more_are_given_out_than_the_limit_allows() {
    let app = App::with(|options| {
        (
            options.service.limits.anonymous_per_second,
            options.service.limits.anonymous_burst,
        ) = (1, 5)
    })
    .await;
    let app = std::sync::Arc::new(app);
    let mut crowd = JoinSet::new();
    for _ in 0..60 {
        let app = std::sync::Arc::clone(&app);
        crowd.spawn(async move {
            app.registry(None, &format!("service={SERVICE}&scope=repository:a:pull"))
                .await
                .status
                .as_u16()
        });
    }
    let statuses = crowd.join_all().await;
    assert_eq!(
        statuses.iter().filter(|status| **status == 200).count(),
        5,
        "{statuses:?}"
    );
    app.wait(Duration::from_secs(1));
    assert_eq!(
        app.registry(None, &format!("service={SERVICE}&scope=repository:a:pull"))
            .await
            .status,
        StatusCode::OK
    );
}

/// Begins a call by a form from an address, which stops on its way.
fn stalled_form(peer: &str) -> Request<Body> {
    let begun = Body::new(Stalled(Some(bytes::Bytes::from_static(
        b"SecretId=AKIDmadeUpEXAMPLE&Action=",
    ))));
    from(
        peer,
        Request::post("/")
            .header("host", HOST)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(begun)
            .unwrap(),
    )
}

fn from(peer: &str, mut request: Request<Body>) -> Request<Body> {
    request
        .extensions_mut()
        .insert(crate::harness::Peer(format!("{peer}:1").parse().unwrap()));
    request
}

#[tokio::test]
async fn an_address_whose_bodies_never_come_has_more_of_them_refused_unread_for_a_while() {
    // One address kept 958 forms waiting, all but their last byte, and a fifth of the others' were
    // refused.
    let app = App::with(|options| options.http.body_timeout = Duration::from_millis(5)).await;
    let (here, elsewhere) = ("192.0.2.1", "192.0.2.2");
    let stalled = async |peer: &str, count: usize| -> BTreeMap<String, usize> {
        let mut crowd: Vec<_> = (0..count)
            .map(|_| Box::pin(app.code(stalled_form(peer))))
            .collect();
        let mut codes = BTreeMap::new();
        for code in &mut crowd {
            *codes.entry(code.await).or_default() += 1;
        }
        codes
    };
    let codes = |pairs: &[(&str, usize)]| {
        pairs
            .iter()
            .map(|(code, count)| ((*code).to_owned(), *count))
            .collect::<BTreeMap<_, _>>()
    };
    // So many at once are waited for, and all others are refused at once.
    let at_once = futures_at_once((0..300).map(|_| app.send(stalled_form(here))).collect()).await;
    assert_eq!((at_once.waiting.len(), at_once.done), (256, 44));
    assert_eq!(
        stalled(elsewhere, 2).await,
        codes(&[("InvalidRequest", 2)]),
        "another address has its own"
    );
    for answer in at_once.waiting {
        assert_eq!(
            answer.await.json()["Response"]["Error"]["Code"],
            "InvalidRequest",
            "it never came"
        );
    }
    assert_eq!(
        stalled(here, 5).await,
        codes(&[("RequestLimitExceeded", 5)])
    );
    for call in app.calls(&app.key) {
        assert_eq!(
            app.code(from(here, call)).await,
            "",
            "who sends a body at once is served"
        );
    }
    let mut known = app.tencent("CreateInstanceToken", &json!({})).request();
    *known.body_mut() = Body::new(Stalled(None));
    assert_eq!(
        app.code(from(here, known)).await,
        "InvalidRequest",
        "a key that was right lately counts apart, and is waited for"
    );
    app.wait(Duration::from_secs(3));
    assert_eq!(
        stalled(here, 5).await,
        codes(&[("InvalidRequest", 3), ("RequestLimitExceeded", 2)])
    );
    app.wait(Duration::from_secs(256));
    assert_eq!(stalled(here, 5).await, codes(&[("InvalidRequest", 5)]));
}

/// The number of futures that were done at once, and those that go on.
struct AtOnce<F> {
    done: usize,
    waiting: Vec<std::pin::Pin<Box<F>>>,
}

async fn futures_at_once<F: Future>(futures: Vec<F>) -> AtOnce<F> {
    let mut at_once = AtOnce {
        done: 0,
        waiting: Vec::new(),
    };
    for future in futures {
        let mut future = Box::pin(future);
        let done = std::future::poll_fn(|context| {
            std::task::Poll::Ready(future.as_mut().poll(context).is_ready())
        })
        .await;
        if done {
            at_once.done += 1
        } else {
            at_once.waiting.push(future)
        }
    }
    at_once
}
