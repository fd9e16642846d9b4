//! OpenID Connect providers: a real issuer, and a clock that stands still.

use std::sync::Arc;
use std::time::Duration;

use http::header;
use serde_json::{Value, json};
use transire::domain::error::WebIdentityFault;
use transire::domain::identity::{OidcAlgorithm, OidcProvider, OidcProviderChange};
use transire::domain::secret::Secret;
use transire::domain::{Error, ErrorKind, Noun, Result};
use transire::service::{LogIn, NewOidcProvider, Outgoing, RequestContext, WebIdentity};

use crate::harness::issuer::{
    DESCRIPTION, Issuer, KEYS, Reply, TestKey, claims, jwks, outgoing_to_loopback,
};
use crate::harness::keyless::KUBERNETES;
use crate::harness::operator::context;
use crate::harness::{ACCOUNT, App, SERVICE};

const AUDIENCE: &str = "sts.example.com";
const STRANGER: &str = "100000000002";

/// A service that may ask issuers on loopback.
async fn app() -> App {
    App::with(|options| options.service.outgoing = outgoing_to_loopback()).await
}

fn new_provider(issuer: &str) -> NewOidcProvider {
    NewOidcProvider {
        account: ACCOUNT.parse().unwrap(),
        name: "issuer".to_owned(),
        issuer: issuer.to_owned(),
        audiences: vec![AUDIENCE.to_owned()],
        jwks: None,
        algorithms: Vec::new(),
    }
}

async fn create(app: &App, new: NewOidcProvider) {
    app.service
        .identity
        .create_oidc_provider(&app.operator(), new)
        .await
        .unwrap();
}

async fn update(app: &App, change: OidcProviderChange) -> Result<OidcProvider> {
    app.service
        .identity
        .update_oidc_provider(&app.operator(), ACCOUNT.parse().unwrap(), "issuer", change)
        .await
}

async fn delete(app: &App) {
    app.service
        .identity
        .delete_oidc_provider(&app.operator(), ACCOUNT.parse().unwrap(), "issuer")
        .await
        .unwrap();
}

async fn check(app: &App, token: &str) -> Result<WebIdentity> {
    app.service
        .identity
        .check_web_identity(
            &app.operator(),
            ACCOUNT.parse().unwrap(),
            "issuer",
            &Secret::new(token),
        )
        .await
}

fn fault<T: std::fmt::Debug>(result: Result<T>) -> WebIdentityFault {
    match result.unwrap_err().kind() {
        ErrorKind::WebIdentity { fault } => *fault,
        other => panic!("{other:?}"),
    }
}

/// Checks a token that must fail for want of keys, and returns why, as the log has it.
async fn cause(app: &App, token: &str) -> String {
    let error = check(app, token).await.unwrap_err();
    assert_eq!(
        error.kind(),
        &ErrorKind::WebIdentity {
            fault: WebIdentityFault::KeysUnavailable
        }
    );
    assert_eq!(
        error.message(),
        Error::web_identity(WebIdentityFault::KeysUnavailable).message(),
        "a stranger learns something"
    );
    error.cause().unwrap_or_default()
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[tokio::test]
async fn a_token_of_github_actions_is_believed_with_keys_that_are_fetched_once() {
    let (app, key) = (
        app().await,
        TestKey::generate("RS256", "38826b17-6a30-5f9b-b169-8beb8202f723"),
    );
    let issuer = Issuer::start(&[&key]).await;
    create(&app, new_provider(&issuer.url)).await;
    let subject = "repo:example-org/app:ref:refs/heads/main";
    let mut claims = issuer.claims(subject, AUDIENCE, app.now());
    let more = json!({
        "jti": "6f4b6e0c-1d5b-4f5e-8f3e-000000000001",
        "repository": "example-org/app",
        "ref": "refs/heads/main",
        "run_attempt": "1",
        "job_workflow_ref": "example-org/app/.github/workflows/push.yml@refs/heads/main",
    });
    claims
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    for _ in 0..3 {
        let identity = check(&app, &key.token(&claims)).await.unwrap();
        assert_eq!(
            (identity.issuer.as_str(), identity.subject.as_str()),
            (issuer.url.as_str(), subject)
        );
        assert_eq!(identity.audiences, [AUDIENCE]);
        assert_eq!(
            (identity.issued_at, identity.expires_at),
            (app.now(), app.now().plus(seconds(600)))
        );
    }
    assert_eq!(
        (
            issuer.asked(DESCRIPTION),
            issuer.asked(KEYS),
            issuer.connections()
        ),
        (1, 1, 2)
    );
}

#[tokio::test]
async fn a_token_of_a_cluster_is_believed_by_keys_that_were_given_and_nobody_is_asked() {
    let (app, key) = (
        App::new().await,
        TestKey::generate("RS256", "dgrYF7DBVRCM9zqfsXkvmyfWmMsBmZQ0rpqjpfOJEXA"),
    );
    let issuer = Issuer::start(&[]).await;
    // Plain http is not taken, given keys or not; a private address is.
    let place = issuer.url.replace("http://", "https://");
    create(
        &app,
        NewOidcProvider {
            jwks: Some(jwks(&[&key]).to_string()),
            ..new_provider(&place)
        },
    )
    .await;
    let (now, subject) = (app.now().unix_seconds(), "system:serviceaccount:ci:builder");
    let claims = json!({
        "aud": [AUDIENCE],
        "exp": now + 3607,
        "iat": now,
        "iss": place,
        "jti": "0b1fa3a8-0f0e-4e0a-8f3e-000000000001",
        "kubernetes.io": {
            "namespace": "ci",
            "serviceaccount": { "name": "builder", "uid": "b0a3…" },
        },
        "nbf": now,
        "sub": subject,
    });
    // A cluster writes no type into the header.
    let header =
        json!({ "alg": "RS256", "kid": "dgrYF7DBVRCM9zqfsXkvmyfWmMsBmZQ0rpqjpfOJEXA" }).to_string();
    assert_eq!(
        check(&app, &key.sign(&header, &claims.to_string()))
            .await
            .unwrap()
            .subject,
        subject
    );
    let unknown = TestKey::generate("RS256", "another");
    assert_eq!(
        fault(check(&app, &unknown.token(&claims)).await),
        WebIdentityFault::BadSignature
    );
    app.wait(seconds(3000));
    assert!(check(&app, &key.token(&claims)).await.is_ok());
    assert_eq!(issuer.connections(), 0);
}

#[tokio::test]
async fn a_cluster_changes_its_keys_and_no_token_is_refused_meanwhile() {
    // The provider had to be deleted and made again, and tokens were refused between the two.
    let (app, old, new) = (
        App::new().await,
        TestKey::generate("RS256", "old"),
        TestKey::generate("ES256", "new"),
    );
    let place = "https://kubernetes.default.svc.cluster.local";
    let first = NewOidcProvider {
        jwks: Some(jwks(&[&old]).to_string()),
        ..new_provider(place)
    };
    create(&app, first).await;
    let claims = claims(place, KUBERNETES, AUDIENCE, app.now());
    assert!(check(&app, &old.token(&claims)).await.is_ok());
    let keys = |keys: &[&TestKey]| OidcProviderChange {
        jwks: Some(jwks(keys).to_string()),
        ..OidcProviderChange::default()
    };
    update(&app, keys(&[&old, &new])).await.unwrap();
    assert!(check(&app, &old.token(&claims)).await.is_ok());
    assert!(check(&app, &new.token(&claims)).await.is_ok());
    update(&app, keys(&[&new])).await.unwrap();
    assert!(check(&app, &new.token(&claims)).await.is_ok());
    assert_eq!(
        fault(check(&app, &old.token(&claims)).await),
        WebIdentityFault::BadSignature
    );
}

#[tokio::test]
async fn other_audiences_need_no_answer_of_the_issuer() {
    let (app, key) = (app().await, TestKey::generate("ES256", "one"));
    let issuer = Issuer::start(&[&key]).await;
    create(&app, new_provider(&issuer.url)).await;
    let token = |audience| key.token(&issuer.claims("builder", audience, app.now()));
    let (before, after) = (token(AUDIENCE), token("other.example.com"));
    assert!(check(&app, &before).await.is_ok());
    drop(issuer);
    let change = OidcProviderChange {
        audiences: Some(vec!["other.example.com".to_owned()]),
        ..OidcProviderChange::default()
    };
    update(&app, change).await.unwrap();
    assert!(check(&app, &after).await.is_ok());
    assert_eq!(
        fault(check(&app, &before).await),
        WebIdentityFault::AudienceNotMatched
    );
}

#[tokio::test]
async fn a_change_that_would_leave_no_key_is_refused() {
    let (app, key) = (App::new().await, TestKey::generate("ES256", "one"));
    let given = NewOidcProvider {
        jwks: Some(jwks(&[&key]).to_string()),
        ..new_provider("https://issuer.example.com")
    };
    create(&app, given).await;
    let unlike = TestKey::generate("RS256", "one");
    let cases = [
        (
            OidcProviderChange {
                algorithms: Some(vec![OidcAlgorithm::Rs256]),
                ..OidcProviderChange::default()
            },
            "algorithm",
        ),
        (
            OidcProviderChange {
                jwks: Some(jwks(&[&unlike]).to_string()),
                algorithms: Some(vec![OidcAlgorithm::Es256]),
                ..OidcProviderChange::default()
            },
            "jwks",
        ),
        (
            OidcProviderChange {
                audiences: Some(vec!["a b".to_owned()]),
                ..OidcProviderChange::default()
            },
            "audience",
        ),
    ];
    for (change, parameter) in cases {
        let refused = update(&app, change).await.unwrap_err();
        let name = parameter.to_owned();
        assert_eq!(refused.kind(), &ErrorKind::InvalidParameter { name });
    }
}

#[tokio::test]
async fn an_issuer_with_a_path_is_described_below_it() {
    let (app, key) = (app().await, TestKey::generate("PS256", "one"));
    let issuer = Issuer::start(&[&key]).await;
    for path in ["/realms/a", "/realms/a/"] {
        let url = format!("{}{path}", issuer.url);
        let description = format!("/realms/a{DESCRIPTION}");
        issuer.reply(
            &description,
            Reply::json(
                &json!({ "issuer": url, "jwks_uri": format!("{}{KEYS}?of=a", issuer.url) }),
            ),
        );
        create(&app, new_provider(&url)).await;
        assert!(
            check(
                &app,
                &key.token(&claims(&url, "builder", AUDIENCE, app.now()))
            )
            .await
            .is_ok(),
            "{url}"
        );
        delete(&app).await;
    }
    assert_eq!((issuer.asked(DESCRIPTION), issuer.asked(KEYS)), (0, 2));
}

#[tokio::test]
async fn each_fault_of_a_token_is_told_and_asks_nobody_in_vain() {
    use WebIdentityFault::{
        AudienceNotMatched, BadSignature, Expired, Malformed, NoSuchProvider, NotYetValid,
    };
    let (app, key) = (app().await, TestKey::generate("ES256", "one"));
    let issuer = Issuer::start(&[&key]).await;
    let usual = issuer.claims("builder", AUDIENCE, app.now());
    assert_eq!(fault(check(&app, &key.token(&usual)).await), NoSuchProvider);
    create(
        &app,
        NewOidcProvider {
            algorithms: vec![OidcAlgorithm::Es256],
            ..new_provider(&issuer.url)
        },
    )
    .await;
    let with = |name: &str, value: Value| {
        let mut claims = usual.clone();
        claims[name] = value;
        key.token(&claims)
    };
    let now = app.now().unix_seconds();
    for (token, expected) in [
        ("not a token".to_owned(), Malformed),
        (with("iss", json!("https://issuer.example.com")), Malformed),
        (with("aud", json!("sts.example.org")), AudienceNotMatched),
        (with("exp", json!(now - 61)), Expired),
        (with("nbf", json!(now + 61)), NotYetValid),
        (with("sub", json!("")), Malformed),
        (TestKey::generate("RS256", "one").token(&usual), Malformed),
        (key.sign(r#"{"alg":"none"}"#, &usual.to_string()), Malformed),
    ] {
        assert_eq!(fault(check(&app, &token).await), expected, "{token}");
    }
    assert_eq!(
        issuer.connections(),
        0,
        "the issuer was asked for keys that could help nobody"
    );
    assert!(check(&app, &key.token(&usual)).await.is_ok());
    assert_eq!(
        fault(check(&app, &TestKey::generate("ES256", "one").token(&usual)).await),
        BadSignature
    );
}

#[tokio::test]
async fn a_rotated_key_is_found_and_the_old_one_forgotten() {
    let (app, old, new) = (
        app().await,
        TestKey::generate("ES256", "old"),
        TestKey::generate("ES384", "new"),
    );
    let issuer = Issuer::start(&[&old]).await;
    create(&app, new_provider(&issuer.url)).await;
    let claims = issuer.claims("builder", AUDIENCE, app.now());
    assert!(check(&app, &old.token(&claims)).await.is_ok());
    issuer.publish(&[&new]);
    assert_eq!(
        fault(check(&app, &new.token(&claims)).await),
        WebIdentityFault::BadSignature,
        "it was asked again within a minute"
    );
    app.wait(seconds(60));
    assert!(check(&app, &new.token(&claims)).await.is_ok());
    assert_eq!(
        fault(check(&app, &old.token(&claims)).await),
        WebIdentityFault::BadSignature
    );
    assert_eq!(issuer.asked(KEYS), 2);
}

#[tokio::test]
async fn a_stranger_with_made_up_kids_asks_the_issuer_once_a_minute() {
    let (app, key) = (app().await, TestKey::generate("EdDSA", "one"));
    let issuer = Issuer::start(&[&key]).await;
    create(&app, new_provider(&issuer.url)).await;
    for minute in 1..=3 {
        for number in 0..100 {
            let header =
                json!({ "alg": "EdDSA", "kid": format!("kid-{minute}-{number}") }).to_string();
            let token = key.sign(
                &header,
                &issuer.claims("builder", AUDIENCE, app.now()).to_string(),
            );
            assert_eq!(
                fault(check(&app, &token).await),
                WebIdentityFault::BadSignature
            );
        }
        assert_eq!(
            (issuer.asked(DESCRIPTION), issuer.asked(KEYS)),
            (minute, minute)
        );
        assert!(
            check(
                &app,
                &key.token(&issuer.claims("builder", AUDIENCE, app.now()))
            )
            .await
            .is_ok()
        );
        app.wait(seconds(60));
    }
}

#[tokio::test]
async fn callers_who_come_at_once_share_one_answer() {
    let (app, key) = (Arc::new(app().await), TestKey::generate("ES256", "one"));
    let issuer = Issuer::start(&[&key]).await;
    create(&app, new_provider(&issuer.url)).await;
    issuer.close();
    let token = key.token(&issuer.claims("builder", AUDIENCE, app.now()));
    let callers: Vec<_> = (0..50)
        .map(|_| {
            let (app, token) = (Arc::clone(&app), token.clone());
            tokio::spawn(async move { check(&app, &token).await })
        })
        .collect();
    issuer.was_asked().await;
    issuer.open();
    for caller in callers {
        assert!(caller.await.unwrap().is_ok());
    }
    assert_eq!((issuer.asked(DESCRIPTION), issuer.asked(KEYS)), (1, 1));
}

#[tokio::test]
async fn a_caller_who_breaks_off_neither_stops_nor_repeats_the_asking() {
    let (app, key) = (Arc::new(app().await), TestKey::generate("ES256", "one"));
    let issuer = Issuer::start(&[&key]).await;
    create(&app, new_provider(&issuer.url)).await;
    issuer.close();
    let token = key.token(&issuer.claims("builder", AUDIENCE, app.now()));
    for number in 0..10 {
        let (app, token) = (Arc::clone(&app), token.clone());
        let caller = tokio::spawn(async move { check(&app, &token).await });
        if number == 0 {
            issuer.was_asked().await;
        }
        caller.abort();
        assert!(caller.await.unwrap_err().is_cancelled());
    }
    issuer.open();
    assert!(check(&app, &token).await.is_ok());
    assert_eq!((issuer.asked(DESCRIPTION), issuer.asked(KEYS)), (1, 1));
}

#[tokio::test]
async fn whatever_an_issuer_answers_wrongly_is_refused_and_told_to_the_log_alone() {
    let elsewhere = TestKey::generate("ES256", "one");
    let trap = Issuer::start(&[&elsewhere]).await;
    let to_trap =
        |path: &str| Reply::status(302).header(header::LOCATION, &format!("{}{path}", trap.url));
    let large = |reply: Reply| Reply {
        body: reply.body + &" ".repeat(256 << 10),
        ..reply
    };
    let described = |issuer: &Issuer, jwks_uri: &str| {
        Reply::json(&json!({ "issuer": issuer.url, "jwks_uri": jwks_uri }))
    };
    type Change<'a> = Box<dyn Fn(&Issuer) -> (&'static str, Reply) + 'a>;
    let cases: Vec<(Change<'_>, &str)> = vec![
        (Box::new(|_| (DESCRIPTION, to_trap(DESCRIPTION))), "302"),
        (Box::new(|_| (KEYS, to_trap(KEYS))), "302"),
        (Box::new(|_| (DESCRIPTION, Reply::status(404))), "404"),
        (Box::new(|_| (KEYS, Reply::status(500))), "500"),
        (
            Box::new(|issuer| {
                (
                    DESCRIPTION,
                    large(described(issuer, &format!("{}{KEYS}", issuer.url))),
                )
            }),
            "larger than 262144 bytes",
        ),
        (
            Box::new(|_| (KEYS, large(Reply::json(&jwks(&[&elsewhere]))))),
            "larger than 262144 bytes",
        ),
        (
            Box::new(|issuer| (DESCRIPTION, Reply::json(&json!({ "issuer": issuer.url })))),
            "jwks_uri",
        ),
        (
            Box::new(|issuer| {
                (
                    DESCRIPTION,
                    Reply::json(&json!({
                        "issuer": format!("{}/", issuer.url),
                        "jwks_uri": format!("{}{KEYS}", issuer.url),
                    })),
                )
            }),
            "another issuer",
        ),
        (
            Box::new(|issuer| (DESCRIPTION, described(issuer, "file:///etc/passwd"))),
            "not https",
        ),
        (
            Box::new(|issuer| {
                (
                    DESCRIPTION,
                    described(issuer, "https://user@issuer.example.com/keys"),
                )
            }),
            "username",
        ),
        (
            Box::new(|_| {
                (
                    KEYS,
                    Reply {
                        body: "<html>".to_owned(),
                        ..Reply::status(200)
                    },
                )
            }),
            "JWK set",
        ),
        (
            Box::new(|_| {
                (
                    KEYS,
                    Reply::json(&json!({ "keys": [{ "kty": "EC", "d": "AAAA" }] })),
                )
            }),
            "private key",
        ),
    ];
    for (change, expected) in cases {
        let (app, key) = (app().await, TestKey::generate("ES256", "one"));
        let issuer = Issuer::start(&[&key]).await;
        create(&app, new_provider(&issuer.url)).await;
        let token = key.token(&issuer.claims("builder", AUDIENCE, app.now()));
        let (path, reply) = change(&issuer);
        issuer.reply(path, reply);
        let cause = cause(&app, &token).await;
        assert!(cause.contains(expected), "{expected}: {cause}");
    }
    assert_eq!(trap.connections(), 0, "a redirect was followed");
}

#[tokio::test]
async fn an_issuer_that_fails_is_left_alone_for_longer_and_longer() {
    let (app, key) = (app().await, TestKey::generate("ES256", "one"));
    let issuer = Issuer::start(&[&key]).await;
    create(&app, new_provider(&issuer.url)).await;
    issuer.reply(DESCRIPTION, Reply::status(503));
    let token = |app: &App| key.token(&issuer.claims("builder", AUDIENCE, app.now()));
    for (asked, pause) in [(1, 10), (2, 20), (3, 40), (4, 60), (5, 60)] {
        for _ in 0..10 {
            assert!(cause(&app, &token(&app)).await.contains("503"));
        }
        assert_eq!(issuer.asked(DESCRIPTION), asked);
        app.wait(seconds(pause - 1));
        cause(&app, &token(&app)).await;
        assert_eq!(
            issuer.asked(DESCRIPTION),
            asked,
            "it was asked before {pause} seconds were over"
        );
        app.wait(seconds(1));
    }
    issuer.reply(
        DESCRIPTION,
        Reply::json(&json!({ "issuer": issuer.url, "jwks_uri": format!("{}{KEYS}", issuer.url) })),
    );
    assert!(check(&app, &token(&app)).await.is_ok());
}

#[tokio::test]
async fn a_silent_issuer_is_waited_for_no_longer_than_is_set() {
    let timeout = Duration::from_millis(200);
    let app = App::with(|options| {
        options.service.outgoing = Outgoing {
            timeout,
            ..outgoing_to_loopback()
        }
    })
    .await;
    let key = TestKey::generate("ES256", "one");
    let issuer = Issuer::start(&[&key]).await;
    create(&app, new_provider(&issuer.url)).await;
    issuer.close();
    let token = key.token(&issuer.claims("builder", AUDIENCE, app.now()));
    assert!(cause(&app, &token).await.contains("within 200ms"));
    issuer.open();
    assert!(
        cause(&app, &token).await.contains("within 200ms"),
        "the failure was forgotten at once"
    );
    app.wait(seconds(10));
    assert!(check(&app, &token).await.is_ok());
}

#[tokio::test]
async fn keys_are_used_on_for_hours_while_the_issuer_fails_and_then_no_more() {
    let (app, key) = (app().await, TestKey::generate("ES256", "one"));
    let issuer = Issuer::start(&[&key]).await;
    create(&app, new_provider(&issuer.url)).await;
    let token =
        |key: &TestKey, app: &App| key.token(&issuer.claims("builder", AUDIENCE, app.now()));
    assert!(check(&app, &token(&key, &app)).await.is_ok());
    issuer.reply(KEYS, Reply::status(503));
    app.wait(seconds(3599));
    assert!(check(&app, &token(&key, &app)).await.is_ok());
    assert_eq!(issuer.asked(KEYS), 1, "keys are kept for an hour");
    app.wait(seconds(1));
    assert!(check(&app, &token(&key, &app)).await.is_ok());
    assert_eq!(issuer.asked(KEYS), 2);
    // Another key may be one that the issuer would name if it answered.
    assert!(
        cause(&app, &token(&TestKey::generate("ES256", "two"), &app))
            .await
            .contains("503")
    );
    app.wait(seconds(5 * 3600 - 1));
    assert!(check(&app, &token(&key, &app)).await.is_ok());
    app.wait(seconds(1));
    assert!(cause(&app, &token(&key, &app)).await.contains("503"));
    issuer.publish(&[&key]);
    app.wait(seconds(60));
    assert!(check(&app, &token(&key, &app)).await.is_ok());
}

#[tokio::test]
async fn an_issuer_says_for_how_long_its_keys_are_kept_between_a_minute_and_an_hour() {
    for (cache_control, kept) in [
        ("max-age=600", 600),
        ("no-store", 60),
        ("max-age=1", 60),
        ("max-age=86400", 3600),
    ] {
        let (app, key) = (app().await, TestKey::generate("ES256", "one"));
        let issuer = Issuer::start(&[]).await;
        issuer.reply(
            KEYS,
            Reply::json(&jwks(&[&key])).header(header::CACHE_CONTROL, cache_control),
        );
        create(&app, new_provider(&issuer.url)).await;
        let mut claims = issuer.claims("builder", AUDIENCE, app.now());
        claims["exp"] = json!(app.now().unix_seconds() + 10_000);
        let token = key.token(&claims);
        for (wait, asked) in [(0, 1), (kept - 1, 1), (1, 2)] {
            app.wait(seconds(wait));
            assert!(check(&app, &token).await.is_ok());
            assert_eq!(
                issuer.asked(KEYS),
                asked,
                "{cache_control} after {wait} seconds"
            );
        }
    }
}

#[tokio::test]
async fn a_private_address_is_not_connected_to_unless_it_is_set() {
    let key = TestKey::generate("ES256", "one");
    let issuer = Issuer::start(&[&key]).await;
    let strict = Outgoing {
        allow_private_addresses: false,
        ..outgoing_to_loopback()
    };
    let app = App::with(|options| options.service.outgoing = strict).await;
    let refused = app
        .service
        .identity
        .create_oidc_provider(&app.operator(), new_provider(&issuer.url))
        .await
        .unwrap_err();
    assert_eq!(
        refused.kind(),
        &ErrorKind::InvalidParameter {
            name: "issuer".to_owned()
        }
    );
    assert!(
        refused.message().contains("allow_private_addresses"),
        "{refused}"
    );
    // A name is judged by what it resolves to, when it is connected to.
    let by_name = issuer.url.replace("127.0.0.1", "localhost");
    create(&app, new_provider(&by_name)).await;
    let token = key.token(&claims(&by_name, "builder", AUDIENCE, app.now()));
    assert!(cause(&app, &token).await.contains("no public address"));
    assert_eq!(issuer.connections(), 0);
}

#[tokio::test]
async fn an_issuer_is_asked_by_https_and_must_prove_who_it_is() {
    let key = TestKey::generate("ES256", "one");
    let (issuer, plain) = (
        Issuer::start_tls(&[&key]).await,
        Issuer::start(&[&key]).await,
    );
    let file = std::env::temp_dir().join(format!("transire-it-ca-{}.pem", std::process::id()));
    std::fs::write(&file, issuer.certificate.as_ref().unwrap()).unwrap();
    let outgoing = |ca_file| Outgoing {
        allow_http: false,
        ca_file,
        ..outgoing_to_loopback()
    };
    let trusting =
        App::with(|options| options.service.outgoing = outgoing(Some(file.clone()))).await;
    let doubting = App::with(|options| options.service.outgoing = outgoing(None)).await;
    let token = key.token(&issuer.claims("builder", AUDIENCE, trusting.now()));
    for app in [&trusting, &doubting] {
        create(app, new_provider(&issuer.url)).await;
    }
    assert!(check(&trusting, &token).await.is_ok());
    let why = cause(&doubting, &token).await;
    // Without the system's certificates there is nobody to trust at all.
    assert!(
        why.contains("TLS with localhost failed") || why.contains("authority's certificates"),
        "{why}"
    );
    // The certificate is localhost's, whatever resolves to the same address.
    delete(&trusting).await;
    let by_address = issuer.url.replace("localhost", "127.0.0.1");
    create(&trusting, new_provider(&by_address)).await;
    let why = cause(
        &trusting,
        &key.token(&claims(&by_address, "builder", AUDIENCE, trusting.now())),
    )
    .await;
    assert!(why.contains("TLS with 127.0.0.1 failed"), "{why}");
    // Nor does a description lead from https to http.
    delete(&trusting).await;
    issuer.reply(
        DESCRIPTION,
        Reply::json(&json!({ "issuer": issuer.url, "jwks_uri": format!("{}{KEYS}", plain.url) })),
    );
    create(&trusting, new_provider(&issuer.url)).await;
    assert!(cause(&trusting, &token).await.contains("allow_http"));
    assert_eq!(plain.connections(), 0);
    std::fs::remove_file(&file).unwrap();
}

#[tokio::test]
async fn a_deleted_provider_is_obeyed_at_once_and_its_successor_is_heard_anew() {
    let (app, first, second) = (
        app().await,
        TestKey::generate("ES256", "one"),
        TestKey::generate("ES256", "one"),
    );
    let issuer = Issuer::start(&[&first]).await;
    create(&app, new_provider(&issuer.url)).await;
    let claims = issuer.claims("builder", AUDIENCE, app.now());
    assert!(check(&app, &first.token(&claims)).await.is_ok());
    delete(&app).await;
    assert_eq!(
        fault(check(&app, &first.token(&claims)).await),
        WebIdentityFault::NoSuchProvider
    );
    create(
        &app,
        NewOidcProvider {
            jwks: Some(jwks(&[&second]).to_string()),
            ..new_provider(&issuer.url)
        },
    )
    .await;
    assert!(check(&app, &second.token(&claims)).await.is_ok());
    assert_eq!(
        fault(check(&app, &first.token(&claims)).await),
        WebIdentityFault::BadSignature
    );
    // Another account's provider of the same name is another one.
    let foreign = NewOidcProvider {
        account: STRANGER.parse().unwrap(),
        jwks: Some(jwks(&[&first]).to_string()),
        ..new_provider(&issuer.url)
    };
    create(&app, foreign).await;
    assert_eq!(
        fault(check(&app, &first.token(&claims)).await),
        WebIdentityFault::BadSignature
    );
    let token = Secret::new(first.token(&claims));
    let theirs = app
        .service
        .identity
        .check_web_identity(&app.operator(), STRANGER.parse().unwrap(), "issuer", &token)
        .await;
    assert!(theirs.is_ok());
}

#[tokio::test]
async fn an_issuer_that_fails_is_not_its_clients_refusal() {
    let app = App::with(|options| options.service.limits.refusals_burst = 1).await;
    let from = RequestContext {
        address: Some("192.0.2.1".parse().unwrap()),
        ..context()
    };
    app.service.limits.count_refusal(
        &Error::web_identity(WebIdentityFault::KeysUnavailable),
        &from,
    );
    assert!(!app.service.limits.is_throttled(&from));
    app.service
        .limits
        .count_refusal(&Error::web_identity(WebIdentityFault::BadSignature), &from);
    assert!(app.service.limits.is_throttled(&from));
}

#[tokio::test]
async fn providers_are_the_operators_affair() {
    let (app, account) = (app().await, ACCOUNT.parse().unwrap());
    let context = context();
    let stranger = app
        .service
        .access
        .log_in(SERVICE, &LogIn::Anonymous, &context)
        .await
        .unwrap();
    let call = app.service.call(&stranger, &context);
    let refusals = [
        app.service
            .identity
            .create_oidc_provider(&call, new_provider("https://issuer.example.com"))
            .await
            .unwrap_err(),
        app.service
            .identity
            .oidc_providers(&call, account)
            .await
            .unwrap_err(),
        app.service
            .identity
            .check_web_identity(&call, account, "issuer", &Secret::new("token"))
            .await
            .unwrap_err(),
        app.service
            .identity
            .update_oidc_provider(&call, account, "issuer", OidcProviderChange::default())
            .await
            .unwrap_err(),
        app.service
            .identity
            .delete_oidc_provider(&call, account, "issuer")
            .await
            .unwrap_err(),
    ];
    for refusal in refusals {
        assert_eq!(refusal.kind(), &ErrorKind::Unsupported, "{refusal}");
    }
}

#[tokio::test]
async fn a_provider_is_made_of_sound_parts_and_listed() {
    let (app, key) = (App::new().await, TestKey::generate("ES256", "one"));
    let usual = || NewOidcProvider {
        jwks: Some(jwks(&[&key]).to_string()),
        ..new_provider("https://issuer.example.com")
    };
    let mut private = jwks(&[&key]);
    private["keys"][0]["d"] = json!("AAAA");
    for (new, parameter) in [
        (
            NewOidcProvider {
                name: "a/b".to_owned(),
                ..usual()
            },
            "name",
        ),
        (
            NewOidcProvider {
                issuer: "http://issuer.example.com".to_owned(),
                ..usual()
            },
            "issuer",
        ),
        (
            NewOidcProvider {
                issuer: "https://issuer.example.com?a".to_owned(),
                ..usual()
            },
            "issuer",
        ),
        (
            NewOidcProvider {
                audiences: Vec::new(),
                ..usual()
            },
            "audience",
        ),
        (
            NewOidcProvider {
                jwks: Some("{}".to_owned()),
                ..usual()
            },
            "jwks",
        ),
        (
            NewOidcProvider {
                jwks: Some(private.to_string()),
                ..usual()
            },
            "jwks",
        ),
        (
            NewOidcProvider {
                algorithms: vec![OidcAlgorithm::Rs256],
                ..usual()
            },
            "jwks",
        ),
    ] {
        let refused = app
            .service
            .identity
            .create_oidc_provider(&app.operator(), new)
            .await
            .unwrap_err();
        assert_eq!(
            refused.kind(),
            &ErrorKind::InvalidParameter {
                name: parameter.to_owned()
            },
            "{refused}"
        );
    }
    create(&app, usual()).await;
    let twice = app
        .service
        .identity
        .create_oidc_provider(&app.operator(), usual())
        .await
        .unwrap_err();
    assert_eq!(
        twice.kind(),
        &ErrorKind::AlreadyExists {
            noun: Noun::OidcProvider
        }
    );
    let listed = app
        .service
        .identity
        .oidc_providers(&app.operator(), ACCOUNT.parse().unwrap())
        .await
        .unwrap();
    let [provider] = &listed[..] else {
        panic!("{listed:?}")
    };
    assert_eq!(
        (provider.name.as_str(), &provider.algorithms[..]),
        ("issuer", &OidcAlgorithm::ALL[..])
    );
}
