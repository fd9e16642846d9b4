//! The registry door, through the true server.

use std::time::Duration;

use axum::body::Body;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::{Method, Request, StatusCode, header};
use serde_json::{Value, json};
use transire::domain::clock::SystemRandom;
use transire::domain::credential::SecretKind;
use transire::domain::instance::OldRefreshTokens;
use transire::domain::switch::Switch;
use transire::domain::{ErrorKind, Noun};
use transire::service::InstanceChoice;
use transire::store::access_key::AccessKeyState;

use crate::harness::operator::operator_call;
use crate::harness::{ACCOUNT, Answer, App, HOST, NOW, SERVICE};

fn encoded(pairs: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new())
        .extend_pairs(pairs)
        .finish()
}

/// Checks what every answer here has in common, and returns the error's code.
fn refused(answer: &Answer) -> (u16, String) {
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let body = answer.json();
    assert!(
        body["errors"][0]["message"].is_string() && body["errors"][0].get("detail").is_some(),
        "{body}"
    );
    (
        answer.status.as_u16(),
        body["errors"][0]["code"].as_str().unwrap().to_owned(),
    )
}

fn unauthorized() -> (u16, String) {
    (401, "UNAUTHORIZED".to_owned())
}

fn bad_request() -> (u16, String) {
    (400, "INVALID_REQUEST".to_owned())
}

/// Checks a reply, and returns what the token says.
fn claims(answer: &Answer) -> Value {
    let body = answer.json();
    assert_eq!(answer.status, StatusCode::OK, "{body}");
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(
        (answer.header("cache-control"), answer.header("pragma")),
        (Some("no-store"), Some("no-cache"))
    );
    assert_eq!(body["token"], body["access_token"]);
    assert_eq!(
        (body["expires_in"].as_u64(), body["issued_at"].as_str()),
        (Some(300), Some(NOW.rfc3339().as_str()))
    );
    let payload = body["token"].as_str().unwrap().split('.').nth(1).unwrap();
    let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap();
    assert_eq!(claims["aud"], SERVICE);
    claims
}

#[tokio::test]
async fn a_credential_becomes_a_token_with_what_was_asked() {
    let app = App::new().await;
    let (username, secret) = app.temporary().await;
    let credential = Some((username.as_str(), secret.expose()));
    let answer = app
        .registry(
            credential,
            &format!("service={SERVICE}&account={ACCOUNT}&scope=repository:team/app:push,pull"),
        )
        .await;
    let claims = claims(&answer);
    assert_eq!(claims["sub"], ACCOUNT);
    assert_eq!(
        claims["access"],
        json!([{ "type": "repository", "name": "team/app", "actions": ["pull", "push"] }])
    );
    assert!(answer.json().get("refresh_token").is_none() && answer.json().get("scope").is_none());
}

#[tokio::test]
async fn scopes_may_be_repeated_or_joined_and_are_united() {
    let app = App::new().await;
    let (username, secret) = app.temporary().await;
    let expected = json!([
        { "type": "repository", "name": "a", "actions": ["pull", "push"] },
        { "type": "repository", "name": "b", "actions": ["pull"] },
        { "type": "registry", "name": "catalog", "actions": ["*"] },
    ]);
    let query = encoded(&[
        ("service", SERVICE),
        ("scope", "repository:a:pull repository:b:pull"),
        ("scope", "repository:a:push"),
        ("scope", "registry:catalog:*"),
    ]);
    assert_eq!(
        claims(
            &app.registry(Some((&username, secret.expose())), &query)
                .await
        )["access"],
        expected
    );
    let form = format!(
        "{query}&{}",
        encoded(&[
            ("grant_type", "password"),
            ("client_id", "containerd-client"),
            ("username", &username),
            ("password", secret.expose())
        ])
    );
    let answer = app.registry_form(&form).await;
    assert_eq!(claims(&answer)["access"], expected);
    assert_eq!(
        answer.json()["scope"],
        "repository:a:pull,push repository:b:pull registry:catalog:*"
    );
}

/// Joins scopes that each pull from a repository of its own.
fn pulls(count: usize) -> String {
    let scopes: Vec<String> = (0..count)
        .map(|number| format!("repository:catalog/image-{number:04}:pull"))
        .collect();
    scopes.join(" ")
}

#[tokio::test]
async fn hundreds_of_scopes_are_served_by_get_and_post() {
    // goharbor/harbor#14414, openshift/oc#789: a mirror of a catalogue asks for all its
    // repositories at once, and 65 were too many.
    let app = App::new().await;
    let (username, secret) = app.temporary().await;
    let scopes = pulls(500);
    let credential = Some((username.as_str(), secret.expose()));
    let repeated: Vec<(&str, &str)> = scopes.split(' ').map(|scope| ("scope", scope)).collect();
    let form = [
        ("grant_type", "password"),
        ("username", username.as_str()),
        ("password", secret.expose()),
        ("scope", &scopes),
    ];
    for answer in [
        app.registry(
            credential,
            &format!("service={SERVICE}&{}", encoded(&[("scope", &scopes)])),
        )
        .await,
        app.registry(
            credential,
            &format!("service={SERVICE}&{}", encoded(&repeated)),
        )
        .await,
        app.registry_form(&format!("service={SERVICE}&{}", encoded(&form)))
            .await,
    ] {
        let access = claims(&answer)["access"].clone();
        assert_eq!(access.as_array().unwrap().len(), 500);
        assert_eq!(
            access[499],
            json!({ "type": "repository", "name": "catalog/image-0499", "actions": ["pull"] })
        );
    }
    let one_repository = "repository:team/app:pull ".repeat(2000);
    let answer = app
        .registry(
            credential,
            &format!(
                "service={SERVICE}&{}",
                encoded(&[("scope", &one_repository)])
            ),
        )
        .await;
    assert_eq!(claims(&answer)["access"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn the_bytes_of_a_request_and_of_its_token_are_bounded_and_the_refusal_names_the_bound() {
    let app = App::new().await;
    let (username, secret) = app.temporary().await;
    let ask = async |scopes: &str| {
        let query = encoded(&[("service", SERVICE), ("scope", scopes)]);
        app.registry(Some((&username, secret.expose())), &query)
            .await
    };
    // The request is small enough, and its token would not be.
    let answer = ask(&pulls(1000)).await;
    assert_eq!(refused(&answer), bad_request());
    assert!(
        answer
            .body
            .contains("65536 bytes; ask for fewer scopes at once"),
        "{}",
        answer.body
    );
    // Scopes that aren't granted take no room in the token.
    assert_eq!(
        claims(&ask(&pulls(1000).replace("repository:", "plugin:")).await)["access"],
        json!([])
    );
    let answer = app
        .registry_form(&encoded(&[("service", SERVICE), ("scope", &pulls(2000))]))
        .await;
    assert_eq!(refused(&answer), (413, "SIZE_INVALID".to_owned()));
    assert!(answer.body.contains("65536 bytes"), "{}", answer.body);
}

#[tokio::test]
async fn without_a_log_in_64_scopes_are_the_most() {
    let app = App::new().await;
    let ask = async |credential, count| {
        app.registry(
            credential,
            &encoded(&[("service", SERVICE), ("scope", &pulls(count))]),
        )
        .await
    };
    assert_eq!(claims(&ask(None, 64).await)["access"], json!([]));
    let answer = ask(None, 65).await;
    assert_eq!(refused(&answer), bad_request());
    assert!(
        answer.body.contains("at most 64 scopes; log in"),
        "{}",
        answer.body
    );
    // A log-in that fails hears that it failed, and not that it asked for too much.
    assert_eq!(
        refused(&ask(Some(("nobody", "trst_guess")), 500).await),
        unauthorized()
    );
}

#[tokio::test]
async fn missing_rights_leave_less_and_are_no_error() {
    let app = App::new().await;
    let (username, secret) = app.temporary().await;
    let query = encoded(&[
        ("service", SERVICE),
        (
            "scope",
            "registry:other:* repository:a:fly plugin:a:pull repository:a:pull",
        ),
    ]);
    let answer = app
        .registry(Some((&username, secret.expose())), &query)
        .await;
    assert_eq!(
        claims(&answer)["access"],
        json!([{ "type": "repository", "name": "a", "actions": ["pull"] }])
    );
}

#[tokio::test]
async fn actions_are_granted_in_words_that_registries_compare() {
    let app = App::new().await;
    let (username, secret) = app.temporary().await;
    let query = encoded(&[
        ("service", SERVICE),
        (
            "scope",
            "repository:a:push repository:b:* repository:c:delete",
        ),
    ]);
    assert_eq!(
        claims(
            &app.registry(Some((&username, secret.expose())), &query)
                .await
        )["access"],
        json!([
            { "type": "repository", "name": "a", "actions": ["pull", "push"] },
            { "type": "repository", "name": "b", "actions": ["pull", "push", "delete"] },
            { "type": "repository", "name": "c", "actions": ["delete"] },
        ])
    );
}

#[tokio::test]
async fn without_a_credential_there_is_an_empty_token_or_none() {
    let app = App::new().await;
    let answer = app
        .registry(None, &format!("service={SERVICE}&scope=repository:a:pull"))
        .await;
    let claims = claims(&answer);
    assert_eq!(
        (claims["sub"].as_str(), &claims["access"]),
        (Some(""), &json!([]))
    );
    let answer = app.registry(None, &format!("service={SERVICE}")).await;
    assert_eq!(refused(&answer), unauthorized());
    assert!(
        answer
            .header("www-authenticate")
            .unwrap()
            .starts_with("Basic realm=")
    );
    assert_eq!(
        refused(
            &app.registry(None, "service=nobody&scope=repository:a:pull")
                .await
        ),
        bad_request()
    );
}

#[tokio::test]
async fn every_credential_logs_in_with_its_own_username_at_its_own_instance() {
    let app = App::new().await;
    let (username, temporary) = app.temporary().await;
    let long = json!({ "RegistryId": app.instance.id.as_str(), "TokenType": "longterm" });
    let long = app
        .tencent("CreateInstanceToken", &long)
        .send()
        .await
        .json()["Response"]["Token"]
        .as_str()
        .unwrap()
        .to_owned();
    let alibaba = app
        .alibaba(
            "GetAuthorizationToken",
            &[("InstanceId", app.instance.cri_id.as_str())],
        )
        .send()
        .await
        .json();
    let alibaba = alibaba["AuthorizationToken"].as_str().unwrap().to_owned();
    for (username, secret) in [
        (username.as_str(), temporary.expose()),
        (ACCOUNT, long.as_str()),
        ("cr_temp_user", alibaba.as_str()),
    ] {
        claims(
            &app.registry(
                Some((username, secret)),
                &format!("service={SERVICE}&offline_token=true&client_id=docker"),
            )
            .await,
        );
        for other in ["root", "", "cr_temp_user", ACCOUNT] {
            if other != username {
                assert_eq!(
                    refused(
                        &app.registry(Some((other, secret)), &format!("service={SERVICE}"))
                            .await
                    ),
                    unauthorized(),
                    "{other}"
                );
            }
        }
        for service in [
            &app.other_instance.service,
            &app.foreign_instance.service,
            "nobody.example.com",
        ] {
            assert_eq!(
                refused(
                    &app.registry(Some((username, secret)), &format!("service={service}"))
                        .await
                ),
                unauthorized(),
                "{service}"
            );
        }
        let cut = &secret[..secret.len() - 1];
        assert_eq!(
            refused(
                &app.registry(Some((username, cut)), &format!("service={SERVICE}"))
                    .await
            ),
            unauthorized()
        );
        let form = encoded(&[
            ("grant_type", "password"),
            ("service", SERVICE),
            ("username", username),
            ("password", cut),
        ]);
        assert_eq!(refused(&app.registry_form(&form).await), unauthorized());
    }
}

#[tokio::test]
async fn a_refresh_token_comes_only_when_asked_and_is_a_kind_of_its_own() {
    let app = App::new().await;
    app.give_refresh_tokens().await;
    let (username, secret) = app.temporary().await;
    let login = encoded(&[
        ("service", SERVICE),
        ("offline_token", "true"),
        ("client_id", "docker"),
        ("account", &username),
    ]);
    let refresh = app
        .registry(Some((&username, secret.expose())), &login)
        .await
        .json()["refresh_token"]
        .as_str()
        .unwrap()
        .to_owned();
    let form = encoded(&[
        ("grant_type", "password"),
        ("service", SERVICE),
        ("access_type", "offline"),
        ("username", &username),
        ("password", secret.expose()),
    ]);
    assert!(app.registry_form(&form).await.json()["refresh_token"].is_string());

    let by_refresh = |token: &str, service: &str| {
        encoded(&[
            ("grant_type", "refresh_token"),
            ("service", service),
            ("client_id", "docker"),
            ("scope", "repository:a:pull"),
            ("refresh_token", token),
        ])
    };
    let answer = app.registry_form(&by_refresh(&refresh, SERVICE)).await;
    assert_eq!(
        claims(&answer)["access"],
        json!([{ "type": "repository", "name": "a", "actions": ["pull"] }])
    );
    assert_eq!(answer.json()["scope"], "repository:a:pull");
    // Never rotated: docker throws what comes back away.
    let again = format!("{}&access_type=offline", by_refresh(&refresh, SERVICE));
    assert_eq!(
        app.registry_form(&again).await.json()["refresh_token"].as_str(),
        Some(refresh.as_str())
    );

    assert_eq!(
        refused(&app.registry(Some((&username, &refresh)), &login).await),
        unauthorized()
    );
    assert_eq!(
        refused(
            &app.registry_form(&by_refresh(secret.expose(), SERVICE))
                .await
        ),
        unauthorized()
    );
    assert_eq!(
        refused(
            &app.registry_form(&by_refresh(&refresh, &app.other_instance.service))
                .await
        ),
        unauthorized()
    );
    app.wait(Duration::from_secs(3601));
    assert_eq!(
        refused(&app.registry_form(&by_refresh(&refresh, SERVICE)).await),
        unauthorized()
    );
    assert_eq!(
        refused(
            &app.registry(Some((&username, secret.expose())), &login)
                .await
        ),
        unauthorized()
    );
}

#[tokio::test]
async fn an_instances_tokens_name_another_issuer_once_it_is_activated() {
    let app = App::new().await;
    let replica = app.replica().await;
    let choice = InstanceChoice::Tcr(app.instance.id.clone());
    let (username, secret) = app.temporary().await;
    let issuer = async || {
        claims(
            &app.registry(
                Some((&username, secret.expose())),
                &format!("service={SERVICE}"),
            )
            .await,
        )["iss"]
            .clone()
    };
    let none = ErrorKind::PreconditionFailed { noun: Noun::Issuer };
    let activated = app
        .service
        .registry
        .activate_issuer(&app.operator(), &choice)
        .await;
    assert_eq!(activated.unwrap_err().kind(), &none);
    app.service
        .registry
        .prepare_issuer(&app.operator(), &choice, "https://a.example.com")
        .await
        .unwrap();
    assert_eq!(issuer().await, format!("http://{HOST}"));
    // The one that is prepared last is meant.
    app.service
        .registry
        .prepare_issuer(&app.operator(), &choice, "https://b.example.com")
        .await
        .unwrap();
    replica.service.memory.catch_up().await.unwrap();
    replica
        .service
        .registry
        .activate_issuer(&operator_call(&replica.service), &choice)
        .await
        .unwrap();
    app.service.memory.catch_up().await.unwrap();
    assert_eq!(issuer().await, "https://b.example.com");
    let again = app
        .service
        .registry
        .prepare_issuer(&app.operator(), &choice, "https://b.example.com")
        .await;
    assert_eq!(again.unwrap_err().kind(), &none);
    app.service
        .registry
        .prepare_issuer(&app.operator(), &choice, "https://c.example.com")
        .await
        .unwrap();
    app.service
        .registry
        .cancel_issuer(&app.operator(), &choice)
        .await
        .unwrap();
    assert_eq!(
        app.service
            .registry
            .activate_issuer(&app.operator(), &choice)
            .await
            .unwrap_err()
            .kind(),
        &none
    );
    assert_eq!(issuer().await, "https://b.example.com");
}

/// Asks for a refresh token, in both ways that clients have.
async fn refresh_tokens(app: &App, username: &str, secret: &str) -> [Option<String>; 2] {
    let query = encoded(&[("service", SERVICE), ("offline_token", "true")]);
    let form = encoded(&[
        ("grant_type", "password"),
        ("service", SERVICE),
        ("access_type", "offline"),
        ("username", username),
        ("password", secret),
    ]);
    [
        app.registry(Some((username, secret)), &query).await,
        app.registry_form(&form).await,
    ]
    .map(|answer| {
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
        answer.json()["refresh_token"].as_str().map(str::to_owned)
    })
}

async fn refreshed(app: &App, token: &str) -> Answer {
    let form = [
        ("grant_type", "refresh_token"),
        ("service", SERVICE),
        ("access_type", "offline"),
        ("refresh_token", token),
    ];
    app.registry_form(&encoded(&form)).await
}

#[tokio::test]
async fn nobody_gets_a_refresh_token_where_the_instance_does_not_say_so() {
    // `docker login` stored the refresh token in place of the password, and podman, buildah,
    // skopeo, oras-py and Kubernetes' pull secrets could no longer use its file.
    let app = App::new().await;
    let (username, secret) = app.temporary().await;
    assert_eq!(
        refresh_tokens(&app, &username, secret.expose()).await,
        [None, None]
    );
    app.give_refresh_tokens().await;
    let [Some(first), Some(second)] = refresh_tokens(&app, &username, secret.expose()).await else {
        panic!("none was given out")
    };
    assert_ne!(first, second);
}

#[tokio::test]
async fn a_refresh_token_that_was_given_out_stays_good_when_no_others_are() {
    let app = App::new().await;
    app.give_refresh_tokens().await;
    let (username, secret) = app.temporary().await;
    let [Some(refresh), _] = refresh_tokens(&app, &username, secret.expose()).await else {
        panic!("none was given out")
    };
    app.set_refresh_tokens(&app.instance.id, Switch::Off, OldRefreshTokens::Keep)
        .await;
    assert_eq!(
        refresh_tokens(&app, &username, secret.expose()).await,
        [None, None]
    );
    let answer = refreshed(&app, &refresh).await;
    assert_eq!(
        (answer.status, answer.json().get("refresh_token")),
        (StatusCode::OK, None)
    );
    app.wait(Duration::from_secs(3601));
    assert_eq!(refused(&refreshed(&app, &refresh).await), unauthorized());
}

#[tokio::test]
async fn refresh_tokens_that_an_instance_refuses_never_come_back() {
    let app = App::new().await;
    app.give_refresh_tokens().await;
    let (username, secret) = app.temporary().await;
    let [Some(old), _] = refresh_tokens(&app, &username, secret.expose()).await else {
        panic!("none was given out")
    };
    for switch in [Switch::Off, Switch::On] {
        let old_ones = if switch.is_on() {
            OldRefreshTokens::Keep
        } else {
            OldRefreshTokens::Refuse
        };
        app.set_refresh_tokens(&app.instance.id, switch, old_ones)
            .await;
        assert_eq!(
            refused(&refreshed(&app, &old).await),
            unauthorized(),
            "{switch:?}"
        );
    }
    let [Some(new), _] = refresh_tokens(&app, &username, secret.expose()).await else {
        panic!("none was given out")
    };
    assert_eq!(refreshed(&app, &new).await.status, StatusCode::OK);
    // The credential itself was never in question.
    assert_eq!(
        app.registry(
            Some((&username, secret.expose())),
            &format!("service={SERVICE}")
        )
        .await
        .status,
        StatusCode::OK
    );
    // Those of another instance have a generation of their own.
    app.set_refresh_tokens(
        &app.other_instance.id,
        Switch::Off,
        OldRefreshTokens::Refuse,
    )
    .await;
    assert_eq!(refreshed(&app, &new).await.status, StatusCode::OK);
}

#[tokio::test]
async fn refresh_tokens_from_before_instances_could_refuse_them_are_refused_with_the_others() {
    let app = App::new().await;
    let (_, secret) = app.temporary().await;
    let sealer = app.sealer().await;
    let grant = sealer.open(SecretKind::Temporary, secret.expose()).unwrap();
    let old = sealer
        .seal(SecretKind::Refresh, &grant, &SystemRandom)
        .unwrap();
    assert_eq!(refreshed(&app, old.expose()).await.status, StatusCode::OK);
    app.set_refresh_tokens(&app.instance.id, Switch::Off, OldRefreshTokens::Refuse)
        .await;
    assert_eq!(
        refused(&refreshed(&app, old.expose()).await),
        unauthorized()
    );
}

#[tokio::test]
async fn what_is_disabled_logs_in_no_more() {
    let app = App::new().await;
    let long = json!({ "RegistryId": app.instance.id.as_str(), "TokenType": "longterm" });
    let issued = app
        .tencent("CreateInstanceToken", &long)
        .send()
        .await
        .json()["Response"]
        .clone();
    let (secret, id) = (
        issued["Token"].as_str().unwrap(),
        issued["TokenId"].as_str().unwrap().parse().unwrap(),
    );
    let query = format!("service={SERVICE}");
    assert_eq!(
        app.registry(Some((ACCOUNT, secret)), &query).await.status,
        StatusCode::OK
    );
    let choice = InstanceChoice::Tcr(app.instance.id.clone());
    app.service
        .credentials
        .delete_credential(&app.operator(), &choice, &id)
        .await
        .unwrap();
    assert_eq!(
        refused(&app.registry(Some((ACCOUNT, secret)), &query).await),
        unauthorized()
    );

    let (username, temporary) = app.temporary().await;
    assert_eq!(
        app.registry(Some((&username, temporary.expose())), &query)
            .await
            .status,
        StatusCode::OK
    );
    app.service
        .identity
        .set_access_key_state(&app.operator(), &app.key.id, AccessKeyState::Disabled)
        .await
        .unwrap();
    assert_eq!(
        refused(
            &app.registry(Some((&username, temporary.expose())), &query)
                .await
        ),
        unauthorized()
    );
}

#[tokio::test]
async fn an_unknown_word_or_scope_fails_none_of_the_others() {
    // `metadata_read`, an action of another registry, and one scope without an action, failed whole
    // requests.
    let app = App::new().await;
    let (username, secret) = app.temporary().await;
    for scopes in [
        "repository:a:metadata_read,pull",
        "repository:a:pull Repository:a:push",
        "repository:a:pull artifact-repository(Any):b:READ",
        "nonsense repository:a:pull repository:b",
        "repository:\"b:pull repository:a:pull",
    ] {
        let answer = app
            .registry(
                Some((&username, secret.expose())),
                &encoded(&[("service", SERVICE), ("scope", scopes)]),
            )
            .await;
        assert_eq!(
            claims(&answer)["access"],
            json!([{ "type": "repository", "name": "a", "actions": ["pull"] }]),
            "{scopes}"
        );
    }
}

#[tokio::test]
async fn a_post_may_prove_by_basic_what_its_form_asks() {
    // VS Code's older Docker extension sends a form without a credential, and people with curl send
    // none: both got 400.
    let app = App::new().await;
    let (username, secret) = app.temporary().await;
    let basic = |secret: &str| format!("Basic {}", STANDARD.encode(format!("{username}:{secret}")));
    let post = async |authorization: String, query: &str, form: Option<&str>| {
        let mut request = Request::post(format!("/token{query}"))
            .header(header::HOST, HOST)
            .header(header::AUTHORIZATION, authorization);
        if form.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        }
        app.send(
            request
                .body(Body::from(form.unwrap_or_default().to_owned()))
                .unwrap(),
        )
        .await
    };
    let asked = format!("service={SERVICE}&scope=repository:a:pull");
    let with_grant = format!("grant_type=password&{asked}");
    for (query, form) in [
        ("", Some(with_grant.as_str())),
        ("", Some(asked.as_str())),
        (&*format!("?{asked}"), None),
    ] {
        let answer = post(basic(secret.expose()), query, form).await;
        assert_eq!(
            claims(&answer)["access"][0]["actions"],
            json!(["pull"]),
            "{query} {form:?}"
        );
        assert_eq!(answer.json()["scope"], "repository:a:pull");
        assert_eq!(
            refused(&post(basic("trst_guess"), query, form).await),
            unauthorized(),
            "{query} {form:?}"
        );
        assert_eq!(
            refused(&post("Bearer abc".to_owned(), query, form).await),
            unauthorized(),
            "{query} {form:?}"
        );
    }
    assert_eq!(
        refused(
            &post(
                basic(secret.expose()),
                "",
                Some(&format!("account=someone&{asked}"))
            )
            .await
        ),
        bad_request()
    );
    // A credential in the form goes by itself: gateways put a header of their own beside it.
    let in_form = encoded(&[
        ("grant_type", "password"),
        ("username", &username),
        ("password", secret.expose()),
    ]);
    claims(
        &post(
            "Bearer abc".to_owned(),
            "",
            Some(&format!("{asked}&{in_form}")),
        )
        .await,
    );
    // One in the query goes for nothing, by POST as by GET.
    assert_eq!(
        refused(&post(basic("trst_guess"), &format!("?{asked}&{in_form}"), None).await),
        unauthorized()
    );
    let request = Request::post(format!("/token?{asked}&{in_form}"))
        .header(header::HOST, HOST)
        .body(Body::empty());
    assert_eq!(refused(&app.send(request.unwrap()).await), bad_request());
}

#[tokio::test]
async fn beside_the_door_registry_clients_read_json() {
    // `/token/` and a registry's own paths answered with text for people, of which clients said
    // "invalid character".
    let app = App::new().await;
    for (path, said) in [
        ("/token/", "/token."),
        (
            "/token/?service=registry.example.com&scope=repository:a:pull",
            "/token.",
        ),
        ("/token/app", "/token."),
        ("/v2", "no registry"),
        ("/v2/", "no registry"),
        ("/v2/team/app/manifests/v1", "no registry"),
    ] {
        for method in [Method::GET, Method::PUT, Method::POST] {
            let request = Request::builder()
                .method(method)
                .uri(path)
                .header(header::HOST, HOST)
                .body(Body::empty())
                .unwrap();
            let answer = app.send(request).await;
            assert_eq!(refused(&answer), (404, "UNSUPPORTED".to_owned()), "{path}");
            assert!(
                answer.body.contains(said) && answer.header("x-request-id").is_some(),
                "{path}: {}",
                answer.body
            );
        }
    }
    for path in ["/", "/tokens", "/v2x"] {
        let answer = app
            .send(
                Request::get(path)
                    .header(header::HOST, HOST)
                    .body(Body::empty())
                    .unwrap(),
            )
            .await;
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (StatusCode::NOT_FOUND, Some("text/plain; charset=utf-8")),
            "{path}"
        );
    }
    // Any path may be a signed call's.
    let mut call = app.tencent(
        "CreateInstanceToken",
        &json!({ "RegistryId": app.instance.id.as_str() }),
    );
    call.uri = "/v2/".to_owned();
    assert!(call.send().await.json()["Response"]["Token"].is_string());
}

#[tokio::test]
async fn what_can_not_be_read_is_said_so() {
    let app = App::new().await;
    let (username, secret) = app.temporary().await;
    let credential = Some((username.as_str(), secret.expose()));
    let answer = app.registry(credential, "scope=repository:a:pull").await;
    assert_eq!(refused(&answer), bad_request());
    assert!(answer.body.contains("service"), "{}", answer.body);
    for query in [
        "service=",
        "service=registry.example.com&account=someone",
        "service=registry.example.com&scope=nonsense",
        "service=a&service=b",
    ] {
        assert_eq!(
            refused(&app.registry(credential, query).await),
            bad_request(),
            "{query}"
        );
    }
    for line in ["Bearer abc", "Basic", "Basic !!!", "Basic bm9jb2xvbg=="] {
        let request = Request::get(format!("/token?service={SERVICE}"))
            .header(header::HOST, HOST)
            .header(header::AUTHORIZATION, line);
        assert_eq!(
            refused(&app.send(request.body(Body::empty()).unwrap()).await),
            unauthorized(),
            "{line}"
        );
    }
    for form in [
        "",
        "grant_type=password&username=a&password=b",
        "grant_type=password&service=a&username=b",
        "grant_type=refresh_token&service=a",
    ] {
        assert_eq!(
            refused(&app.registry_form(form).await),
            bad_request(),
            "{form}"
        );
    }
    for grant in ["authorization_code", "client_credentials", ""] {
        assert_eq!(
            refused(
                &app.registry_form(&format!("grant_type={grant}&service={SERVICE}"))
                    .await
            ),
            (400, "UNSUPPORTED".to_owned())
        );
    }
    let json = Request::post("/token")
        .header(header::HOST, HOST)
        .header(header::CONTENT_TYPE, "application/json")
        .body(Body::from("{}"));
    assert_eq!(refused(&app.send(json.unwrap()).await), bad_request());
    for method in [Method::PUT, Method::DELETE, Method::HEAD] {
        let answer = app
            .send(
                Request::builder()
                    .method(method)
                    .uri("/token")
                    .header(header::HOST, HOST)
                    .body(Body::empty())
                    .unwrap(),
            )
            .await;
        assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(answer.header("allow"), Some("GET, POST"));
    }
}

#[tokio::test]
async fn a_stranger_that_guesses_is_told_to_wait_and_not_that_it_is_wrong() {
    let app = App::with(|options| {
        (
            options.service.limits.refusals_per_second,
            options.service.limits.refusals_burst,
        ) = (1, 2)
    })
    .await;
    let mut last = app
        .registry(Some(("a", "b")), &format!("service={SERVICE}"))
        .await;
    for _ in 0..4 {
        last = app
            .registry(Some(("a", "b")), &format!("service={SERVICE}"))
            .await;
    }
    assert_eq!(refused(&last), (429, "TOOMANYREQUESTS".to_owned()));
    assert!(last.header("retry-after").unwrap().parse::<u32>().unwrap() >= 1);
}

#[tokio::test]
async fn a_machines_credential_passes_whatever_failed_at_its_address() {
    // A job with a bad password kept every other one behind the same address out.
    let mut app = App::with(|options| {
        (
            options.service.limits.refusals_per_second,
            options.service.limits.refusals_burst,
        ) = (1, 2);
        (
            options.service.limits.failed_log_ins,
            options.service.limits.failed_log_ins_per_minute,
        ) = (2, 1);
    })
    .await;
    app.give_refresh_tokens().await;
    let query = format!("service={SERVICE}&offline_token=true");
    let (username, temporary) = app.temporary().await;
    let answer = app
        .tencent(
            "CreateInstanceToken",
            &json!({ "RegistryId": app.instance.id.as_str(), "TokenType": "longterm" }),
        )
        .send()
        .await;
    let long_term = answer.json()["Response"]["Token"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(
        app.registry(Some((&username, &long_term)), &query)
            .await
            .status,
        StatusCode::OK
    );
    let refresh = app
        .registry(Some((&username, temporary.expose())), &query)
        .await
        .json()["refresh_token"]
        .as_str()
        .unwrap()
        .to_owned();
    let (account, password) = ("tcr$robot".to_owned(), app.create_robot(&json!({})).await);
    assert_eq!(
        app.registry(Some((&account, &password)), &query)
            .await
            .status,
        StatusCode::OK
    );

    // With the username of each, and more often than the address may.
    for guess in 0..4 {
        for username in [username.as_str(), account.as_str()] {
            let guess = format!("trst_guess{guess}");
            assert_ne!(
                app.registry(Some((username, &guess)), &query).await.status,
                StatusCode::OK
            );
        }
    }
    assert_eq!(
        refused(&app.registry(Some((&username, "trst_guess")), &query).await),
        (429, "TOOMANYREQUESTS".to_owned())
    );
    let each = [
        (&username, temporary.expose()),
        (&username, long_term.as_str()),
        (&account, password.as_str()),
    ];
    for (username, secret) in each {
        let answer = app.registry(Some((username, secret)), &query).await;
        assert_eq!(answer.status, StatusCode::OK, "{username}: {}", answer.body);
    }
    // Changes of others empty the memory that these were in.
    app.service
        .identity
        .create_user(&app.operator(), ACCOUNT.parse().unwrap(), "ci")
        .await
        .unwrap();
    app.service
        .registry
        .set_registry_url(
            &app.operator(),
            &InstanceChoice::Tcr(app.instance.id.clone()),
            None,
        )
        .await
        .unwrap();
    for (username, secret) in each {
        let answer = app.registry(Some((username, secret)), &query).await;
        assert_eq!(answer.status, StatusCode::OK, "{username}: {}", answer.body);
    }
    // Another process never knew them.
    let restarted = app.replica().await.service;
    app.go_on_with(restarted);
    for guess in 0..4 {
        app.registry(Some((&username, &format!("trst_guess{guess}"))), &query)
            .await;
    }
    let waits = async |username: &str| {
        app.registry(Some((username, "trst_guess")), &query)
            .await
            .header("retry-after")
            .map(str::to_owned)
    };
    assert_eq!(
        waits(&username).await.as_deref(),
        Some("60"),
        "that username waits for its own bucket"
    );
    assert_eq!(
        waits("another").await.as_deref(),
        Some("1"),
        "and all others for the address'"
    );
    for (username, secret) in each {
        let answer = app.registry(Some((username, secret)), &query).await;
        assert_eq!(answer.status, StatusCode::OK, "{username}: {}", answer.body);
    }
    let form = encoded(&[
        ("grant_type", "refresh_token"),
        ("service", SERVICE),
        ("refresh_token", &refresh),
    ]);
    assert_eq!(app.registry_form(&form).await.status, StatusCode::OK);
    // A guess of what isn't known makes nobody look it up.
    let unknown = long_term.replace(&long_term[8..12], "0000");
    assert_eq!(
        refused(&app.registry(Some((&username, &unknown)), &query).await),
        (429, "TOOMANYREQUESTS".to_owned())
    );
    // And the others never heard of it.
    assert_eq!(
        refused(
            &app.registry_from("192.0.2.9", Some((&username, "trst_guess")), &query)
                .await
        ),
        unauthorized()
    );
}

#[tokio::test]
async fn a_bad_password_that_comes_by_post_and_then_by_get_counts_once() {
    // docker and containerd try both: half the guesses that people are allowed were gone.
    let app = App::with(|options| {
        (
            options.service.limits.refusals_per_second,
            options.service.limits.refusals_burst,
        ) = (1, 3)
    })
    .await;
    let query = format!("service={SERVICE}");
    let both = async |secret: &str| {
        let form = encoded(&[
            ("grant_type", "password"),
            ("service", SERVICE),
            ("username", "a"),
            ("password", secret),
        ]);
        [
            refused(&app.registry_form(&form).await).0,
            refused(&app.registry(Some(("a", secret)), &query).await).0,
        ]
    };
    assert_eq!(both("one").await, [401, 401]);
    assert_eq!(both("two").await, [401, 401]);
    assert_eq!(
        both("three").await,
        [401, 429],
        "the third used the last one up"
    );
    assert_eq!(both("four").await, [429, 429]);
}

#[tokio::test]
async fn tokens_for_nobody_have_a_limit_of_their_own() {
    // They counted as refusals: whoever pulled what is public was told to mend its credentials.
    let app = App::with(|options| {
        (
            options.service.limits.refusals_per_second,
            options.service.limits.refusals_burst,
        ) = (1, 1);
        (
            options.service.limits.anonymous_per_second,
            options.service.limits.anonymous_burst,
        ) = (1, 3);
    })
    .await;
    let (username, secret) = app.temporary().await;
    let ask = async || {
        app.registry(None, &format!("service={SERVICE}&scope=repository:a:pull"))
            .await
    };
    for _ in 0..3 {
        assert_eq!(ask().await.status, StatusCode::OK);
    }
    let last = ask().await;
    assert_eq!(refused(&last), (429, "TOOMANYREQUESTS".to_owned()));
    assert_eq!(last.header("retry-after"), Some("1"));
    assert_eq!(
        app.registry(
            Some((&username, secret.expose())),
            &format!("service={SERVICE}")
        )
        .await
        .status,
        StatusCode::OK
    );
    app.wait(Duration::from_secs(1));
    assert_eq!(ask().await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_credential_that_asks_for_too_many_tokens_waits_and_keeps_no_other_waiting() {
    // One service account asked as often as it liked, and filled log and audit.
    let app = App::with(|options| {
        (
            options.service.limits.token_requests_per_second,
            options.service.limits.token_requests_burst,
        ) = (1, 3)
    })
    .await;
    app.give_refresh_tokens().await;
    let (username, secret) = app.temporary().await;
    let robot = app.create_robot(&json!({})).await;
    app.reset_login_password("Passw0rd-EXAMPLE").await;
    let refresh = app.refresh_token(&username, secret.expose()).await;
    let ask = async |username: &str, secret: &str| {
        app.registry(Some((username, secret)), &format!("service={SERVICE}"))
            .await
    };
    let by_refresh_token = async || {
        app.registry_form(&format!(
            "grant_type=refresh_token&service={SERVICE}&refresh_token={refresh}"
        ))
        .await
    };
    assert_eq!(ask(&username, secret.expose()).await.status, StatusCode::OK);
    assert_eq!(by_refresh_token().await.status, StatusCode::OK);
    let last = ask(&username, secret.expose()).await;
    assert_eq!(refused(&last), (429, "TOOMANYREQUESTS".to_owned()));
    assert_eq!(last.header("retry-after"), Some("1"));
    assert_eq!(
        by_refresh_token().await.status,
        StatusCode::TOO_MANY_REQUESTS,
        "it is of the same credential"
    );
    for (username, secret) in [("tcr$robot", robot.as_str()), ("acme", "Passw0rd-EXAMPLE")] {
        let statuses = [
            ask(username, secret).await,
            ask(username, secret).await,
            ask(username, secret).await,
            ask(username, secret).await,
        ];
        assert_eq!(
            statuses.map(|answer| answer.status.as_u16()),
            [200, 200, 200, 429],
            "{username}"
        );
    }
    app.wait(Duration::from_secs(1));
    assert_eq!(ask(&username, secret.expose()).await.status, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_token_requests_of_a_credential_at_once_no_more_are_answered_than_the_limit_allows()
{
    let app = App::with(|options| {
        (
            options.service.limits.token_requests_per_second,
            options.service.limits.token_requests_burst,
        ) = (1, 5)
    })
    .await;
    let (username, secret) = app.temporary().await;
    let app = std::sync::Arc::new(app);
    let mut crowd = tokio::task::JoinSet::new();
    for _ in 0..60 {
        let (app, username, secret) = (
            std::sync::Arc::clone(&app),
            username.clone(),
            secret.clone(),
        );
        crowd.spawn(async move {
            app.registry(
                Some((&username, secret.expose())),
                &format!("service={SERVICE}&scope=repository:a:pull"),
            )
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
    assert_eq!(
        statuses.iter().filter(|status| **status == 429).count(),
        55,
        "{statuses:?}"
    );
}

#[tokio::test]
async fn a_target_that_names_another_host_than_its_header_is_refused_at_every_door() {
    // It was served, and whoever stood in front could go by the other host.
    let app = App::new().await;
    let (username, secret) = app.temporary().await;
    let credential = format!(
        "Basic {}",
        STANDARD.encode(format!("{username}:{}", secret.expose()))
    );
    let tencent = app.tencent(
        "CreateInstanceToken",
        &json!({ "RegistryId": app.instance.id.as_str() }),
    );
    let alibaba = app.alibaba(
        "GetAuthorizationToken",
        &[("InstanceId", app.instance.cri_id.as_str())],
    );
    let token = Request::get(format!("/token?service={SERVICE}"))
        .header("host", HOST)
        .header("authorization", credential);
    let health = Request::get("/healthz")
        .header("host", HOST)
        .body(Body::empty())
        .unwrap();
    for (request, status, words) in [
        (token.body(Body::empty()).unwrap(), 400, "INVALID_REQUEST"),
        (tencent.request(), 200, "InvalidParameter"),
        (alibaba.request(), 400, "two hosts"),
        (health, 400, "two hosts"),
    ] {
        let to = async |authority: &str| {
            let mut copy = Request::builder()
                .method(request.method())
                .uri(format!("http://{authority}{}", request.uri()));
            copy.headers_mut()
                .unwrap()
                .extend(request.headers().clone());
            app.send(copy.body(Body::empty()).unwrap()).await
        };
        let refused = to("other.example.com").await;
        assert_eq!(refused.status.as_u16(), status, "{}", refused.body);
        assert!(
            refused.body.contains(words) && refused.body.contains("two hosts"),
            "{}",
            refused.body
        );
        assert!(!to(HOST).await.body.contains("two hosts"));
    }
}

#[tokio::test]
async fn a_stranger_that_asks_for_made_up_services_is_slowed() {
    // Each asked the database, and none counted: one address could ask without end.
    let app = App::with(|options| {
        (
            options.service.limits.refusals_per_second,
            options.service.limits.refusals_burst,
        ) = (1, 2)
    })
    .await;
    let ask = async |number: u32| {
        app.registry(None, &format!("service=s{number}&scope=repository:a:pull"))
            .await
    };
    assert_eq!(refused(&ask(0).await), bad_request());
    assert_eq!(refused(&ask(1).await), bad_request());
    assert_eq!(refused(&ask(2).await), (429, "TOOMANYREQUESTS".to_owned()));
}

#[tokio::test]
async fn a_form_has_the_limit_that_the_documents_say() {
    // They said 1 MB.
    const LIMIT: usize = 64 * 1024;
    let page = std::fs::read_to_string(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/docs/compatibility.md"
    ))
    .unwrap();
    assert!(page.contains("| 413 | SIZE_INVALID | done | the form is larger than 64 KiB |"));
    let app = App::new().await;
    assert_eq!(
        refused(&app.registry_form(&"x".repeat(LIMIT + 1)).await).0,
        413
    );
    assert_eq!(refused(&app.registry_form(&"x".repeat(LIMIT)).await).0, 400);
}

#[tokio::test]
async fn behind_a_trusted_proxy_each_client_is_counted_alone() {
    let app = App::with(|options| {
        (
            options.service.limits.refusals_per_second,
            options.service.limits.refusals_burst,
        ) = (1, 1);
        options.http.trusted_proxies = vec!["10.0.0.0/8".parse().unwrap()];
    })
    .await;
    let from = async |peer: &str, forwarded: &str| {
        let mut request = Request::get(format!("/token?service={SERVICE}"))
            .header(header::AUTHORIZATION, "Basic YTpi")
            .header("x-forwarded-for", forwarded)
            .body(Body::empty())
            .unwrap();
        request
            .extensions_mut()
            .insert(crate::harness::Peer(format!("{peer}:1").parse().unwrap()));
        app.send(request).await.status.as_u16()
    };
    for _ in 0..4 {
        from("10.0.0.1", "198.51.100.1").await;
    }
    assert_eq!(from("10.0.0.1", "198.51.100.1").await, 429);
    assert_eq!(from("10.0.0.1", "198.51.100.1, 198.51.100.2").await, 401);
    // A stranger's own header counts for nothing.
    for round in 0..4 {
        from("192.0.2.1", &format!("203.0.113.{round}")).await;
    }
    assert_eq!(from("192.0.2.1", "203.0.113.9").await, 429);
}

#[tokio::test]
async fn probes_and_keys_are_served() {
    let app = App::new().await;
    let page = async |path: &str| {
        app.send(Request::get(path).body(Body::empty()).unwrap())
            .await
    };
    assert_eq!(page("/healthz").await.body, "ok\n");
    assert_eq!(
        page("/readyz").await.json(),
        json!({ "ready": true, "missing": [], "warnings": [] })
    );
    let keys = page("/.well-known/jwks.json").await;
    assert_eq!(keys.header("content-type"), Some("application/json"));
    assert_eq!(keys.json()["keys"][0]["kty"], "EC");
    let bundle = page("/bundle.pem").await;
    assert!(
        bundle.body.starts_with("-----BEGIN CERTIFICATE-----"),
        "{}",
        bundle.body
    );
    let posted = app
        .send(Request::post("/healthz").body(Body::empty()).unwrap())
        .await;
    assert_eq!(posted.status, StatusCode::METHOD_NOT_ALLOWED);
}
