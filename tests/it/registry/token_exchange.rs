//! Exchanges by RFC 8693: `POST /oauth/token`.

use std::time::Duration;

use axum::body::Body;
use http::{Request, StatusCode, header};
use serde_json::{Value, json};
use transire::domain::any_principal::AnyPrincipal;
use transire::domain::secret::Secret;
use transire::service::{AuditRow, NewOidcProvider};

use crate::harness::audit::found;
use crate::harness::exchange::{
    ACCESS_TOKEN, JWT, REGISTRY_CREDENTIAL, TOKEN_EXCHANGE, log_in, oauth_refusal,
};
use crate::harness::issuer::TestKey;
use crate::harness::keyless::{AUDIENCE, GITHUB, Keyless};
use crate::harness::operator::account;
use crate::harness::registry::granted;
use crate::harness::{ACCOUNT, Answer, App, HOST, SERVICE};

type Parameters<'a> = &'a [(&'a str, &'a str)];

const SCOPE: &str = "repository:team/app:pull,push";
/// The text of every refused subject.
const REFUSED: &str = "The subject_token is not accepted here, or not with this role, username or \
                       audience; or it expired or was disabled.";

/// Asserts a refusal's status and code.
fn refused(answer: &Answer, code: &str) {
    let (status, said, why) = oauth_refusal(answer);
    assert_eq!((status, said.as_str()), (400, code), "{why}");
    assert_eq!(answer.header("cache-control"), Some("no-store"));
}

async fn granted_to(app: &App, (username, secret): &(String, Secret), scope: &str) -> String {
    granted(app, username, secret, scope).await
}

fn detail(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[tokio::test]
async fn a_token_is_exchanged_for_a_log_in_of_its_role() {
    let keyless = Keyless::new().await;
    let app = &keyless.app;
    for more in [
        &[][..],
        &[("role", "role/builder")],
        &[("role", "jwt")],
        &[("requested_token_type", REGISTRY_CREDENTIAL)],
        &[("client_id", "ci")],
    ] {
        let answer = app.exchange_token(&keyless.token(GITHUB), more).await;
        let log_in = log_in(&answer);
        assert_eq!(answer.json()["expires_in"], 3600);
        assert_eq!(answer.json()["scope"], Value::Null);
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert_eq!(granted_to(app, &log_in, SCOPE).await, SCOPE, "{more:?}");
    }
}

#[tokio::test]
async fn the_audience_may_be_an_id_of_the_instance() {
    let keyless = Keyless::new().await;
    let app = &keyless.app;
    let token = keyless.token(GITHUB);
    let audiences = [app.instance.id.as_str(), app.instance.cri_id.as_str()];
    for (audience, status) in audiences
        .map(|id| (id, 200))
        .into_iter()
        .chain([("tcr-zzzzzzzz", 400), ("unknown.example.com", 400)])
    {
        // Twice: by the store, and by memory.
        for _ in 0..2 {
            let asked = [
                ("grant_type", TOKEN_EXCHANGE),
                ("subject_token_type", JWT),
                ("subject_token", &token),
                ("audience", audience),
            ];
            let answer = app.oauth(&asked).await;
            assert_eq!(answer.status, status, "{audience}: {}", answer.body);
        }
    }
    let query = format!("service={}", app.instance.id);
    let answer = app.registry(Some(("jwt", &token)), &query).await;
    assert_eq!(
        answer.status,
        StatusCode::UNAUTHORIZED,
        "registries send the service"
    );
}

#[tokio::test]
async fn a_log_in_outlives_the_token_that_it_came_from_and_lives_an_hour() {
    let keyless = Keyless::new().await;
    let app = &keyless.app;
    let log_in = log_in(&app.exchange_token(&keyless.token(GITHUB), &[]).await);
    app.later(Duration::from_mins(59)).await;
    assert!(app.opens(&log_in).await);
    app.later(Duration::from_mins(1)).await;
    assert!(!app.opens(&log_in).await);
}

#[tokio::test]
async fn a_scope_and_a_time_narrow_the_log_in() {
    let keyless = Keyless::new().await;
    let app = &keyless.app;
    let asked = "repository:team/app:pull repository:team/base:pull";
    let answer = app
        .exchange_token(
            &keyless.token(GITHUB),
            &[("scope", asked), ("expires_in", "600")],
        )
        .await;
    let log_in = log_in(&answer);
    assert_eq!(answer.json()["expires_in"], 600);
    assert_eq!(answer.json()["scope"], asked);
    for (scope, left) in [
        (SCOPE, "repository:team/app:pull"),
        ("repository:team/base:*", "repository:team/base:pull"),
        ("repository:team/other:pull", ""),
        ("registry:catalog:*", ""),
    ] {
        assert_eq!(granted_to(app, &log_in, scope).await, left, "{scope}");
    }
    app.later(Duration::from_mins(10)).await;
    assert!(!app.opens(&log_in).await);
}

#[tokio::test]
async fn a_narrowed_log_in_has_no_right_that_its_role_lacks() {
    let keyless = Keyless::new().await;
    let app = &keyless.app;
    let scope = "repository:team/app:pull,delete";
    let more = [("scope", scope)];
    let log_in = log_in(&app.exchange_token(&keyless.token(GITHUB), &more).await);
    assert_eq!(
        granted_to(app, &log_in, scope).await,
        "repository:team/app:pull"
    );
}

#[tokio::test]
async fn a_refresh_token_is_as_narrow_as_its_log_in() {
    let keyless = Keyless::new().await;
    let app = &keyless.app;
    app.give_refresh_tokens().await;
    let more = [("scope", "repository:team/app:pull")];
    let (username, secret) = log_in(&app.exchange_token(&keyless.token(GITHUB), &more).await);
    let token = app.refresh_token(&username, secret.expose()).await;
    let form =
        format!("grant_type=refresh_token&service={SERVICE}&refresh_token={token}&scope={SCOPE}");
    let answer = app.registry_form(&form).await;
    assert_eq!(answer.json()["scope"], "repository:team/app:pull");
}

#[tokio::test]
async fn a_log_in_ends_with_its_role() {
    let keyless = Keyless::new().await;
    let app = &keyless.app;
    let log_in = log_in(&app.exchange_token(&keyless.token(GITHUB), &[]).await);
    let identity = &app.service.identity;
    identity
        .delete_role(&app.operator(), account(), "builder")
        .await
        .unwrap();
    assert!(!app.opens(&log_in).await);
}

#[tokio::test]
async fn a_log_in_ends_when_its_role_is_revoked() {
    let keyless = Keyless::new().await;
    let app = &keyless.app;
    let log_in = log_in(&app.exchange_token(&keyless.token(GITHUB), &[]).await);
    let role: AnyPrincipal = format!("{ACCOUNT}:role/builder").parse().unwrap();
    let identity = &app.service.identity;
    identity.revoke(&app.operator(), &role).await.unwrap();
    assert!(!app.opens(&log_in).await);
}

#[tokio::test]
async fn a_log_in_ends_with_its_provider_for_good() {
    let keyless = Keyless::new().await;
    let app = &keyless.app;
    let token = keyless.token(GITHUB);
    let before = log_in(&app.exchange_token(&token, &[]).await);
    keyless.delete_provider("ci").await;
    assert!(!app.opens(&before).await);
    app.later(Duration::from_secs(1)).await;
    keyless.provider("ci").await;
    assert!(!app.opens(&before).await, "one of the same name is another");
    let after = log_in(&app.exchange_token(&keyless.token(GITHUB), &[]).await);
    assert!(app.opens(&after).await);
}

#[tokio::test]
async fn a_token_is_exchanged_for_a_registrys_token_that_ends_with_it() {
    let keyless = Keyless::new().await;
    let app = &keyless.app;
    let mut said = keyless.issuer.claims(GITHUB, AUDIENCE, app.now());
    said["exp"] = json!(app.now().unix_seconds() + 90);
    let token = keyless.key.token(&said);
    let asked = [("requested_token_type", ACCESS_TOKEN), ("scope", SCOPE)];
    let answer = app.exchange_token(&token, &asked).await;
    let body = answer.json();
    assert_eq!(answer.status, StatusCode::OK, "{body}");
    assert_eq!(body["token_type"], "Bearer");
    assert_eq!(body["issued_token_type"], ACCESS_TOKEN);
    assert_eq!(body["scope"], SCOPE);
    assert_eq!(body["expires_in"], 90);
    assert_eq!(body["username"], Value::Null);
    assert_eq!(body["access_token"].as_str().unwrap().split('.').count(), 3);
    let shorter = [("requested_token_type", ACCESS_TOKEN), ("expires_in", "60")];
    let answer = app.exchange_token(&token, &shorter).await;
    assert_eq!(answer.json()["expires_in"], 60);
}

#[tokio::test]
async fn a_credential_is_narrowed_and_keeps_its_username() {
    let app = App::new().await;
    let temporary = app.temporary().await;
    let (_, secret) = app.long_term("ci").await;
    for credential in [temporary.clone(), (temporary.0, Secret::new(secret))] {
        let more = [("scope", "repository:team/app:pull")];
        let narrow = log_in(&app.exchange_credential(&credential, &more).await);
        assert_eq!(narrow.0, credential.0);
        assert_eq!(
            granted_to(&app, &narrow, SCOPE).await,
            "repository:team/app:pull"
        );
        assert_eq!(granted_to(&app, &credential, SCOPE).await, SCOPE);
    }
}

#[tokio::test]
async fn a_narrowed_credential_is_never_widened() {
    let app = App::new().await;
    let whole = app.temporary().await;
    let more = [("scope", "repository:team/app:pull repository:team/base:*")];
    let narrow = log_in(&app.exchange_credential(&whole, &more).await);
    let again = app.exchange_credential(&narrow, &[]).await;
    assert_eq!(again.json()["scope"], more[0].1);
    let wider = [(
        "scope",
        "repository:team/app:pull,push repository:other:pull",
    )];
    let answer = app.exchange_credential(&narrow, &wider).await;
    assert_eq!(answer.json()["scope"], "repository:team/app:pull");
    let elsewhere = [("scope", "repository:other:pull")];
    let answer = app.exchange_credential(&narrow, &elsewhere).await;
    refused(&answer, "invalid_scope");
    let token = [("requested_token_type", ACCESS_TOKEN), ("scope", SCOPE)];
    let answer = app.exchange_credential(&narrow, &token).await;
    assert_eq!(answer.json()["scope"], "repository:team/app:pull");
}

#[tokio::test]
async fn no_chain_of_exchanges_has_more_time_than_its_beginning() {
    let app = App::new().await;
    let first = app.temporary().await;
    app.later(Duration::from_mins(45)).await;
    let answer = app
        .exchange_credential(&first, &[("expires_in", "86400")])
        .await;
    assert_eq!(answer.json()["expires_in"], 15 * 60);
    let second = log_in(&answer);
    app.later(Duration::from_mins(10)).await;
    let answer = app.exchange_credential(&second, &[]).await;
    assert_eq!(answer.json()["expires_in"], 5 * 60);
    let third = log_in(&answer);
    let answer = app.exchange_credential(&third, &[]).await;
    refused(&answer, "invalid_request");
    assert!(
        oauth_refusal(&answer)
            .2
            .contains("exchange the one that they began with"),
        "{}",
        answer.body
    );
    app.later(Duration::from_mins(5)).await;
    for (place, ended) in [first, second, third].iter().enumerate() {
        assert!(!app.opens(ended).await, "{place}");
    }
}

#[tokio::test]
async fn a_long_term_credential_gets_a_day_at_most_and_its_end_ends_what_it_got() {
    let app = App::new().await;
    let (username, _) = app.temporary().await;
    let (id, secret) = app.long_term("ci").await;
    let long_term = (username, Secret::new(secret));
    let answer = app
        .exchange_credential(&long_term, &[("expires_in", "99999999")])
        .await;
    assert_eq!(answer.json()["expires_in"], 24 * 3600);
    let log_in = log_in(&answer);
    assert!(app.opens(&log_in).await);
    let id = id.parse().unwrap();
    app.service
        .credentials
        .delete_credential(&app.operator(), &app.choice(), &id)
        .await
        .unwrap();
    assert!(!app.opens(&log_in).await);
}

#[tokio::test]
async fn a_revoked_credential_ends_what_it_was_exchanged_for() {
    let app = App::new().await;
    let first = app.temporary().await;
    let second = log_in(&app.exchange_credential(&first, &[]).await);
    let third = log_in(&app.exchange_credential(&second, &[]).await);
    let exchanged = found(&app, |lines| {
        let mut of_exchange = lines
            .iter()
            .filter(|line| line.action == "credential.exchange");
        of_exchange.find_map(|line| {
            let id = detail(&line.detail)["exchanged"].as_str()?.parse().ok()?;
            Some(id)
        })
    })
    .await;
    let root = AnyPrincipal::Root(app.instance.account);
    app.service
        .identity
        .revoke_credential(&app.operator(), &root, &exchanged)
        .await
        .unwrap();
    for (place, ended) in [first, second, third].iter().enumerate() {
        assert!(!app.opens(ended).await, "{place}");
    }
}

#[tokio::test]
async fn a_subject_that_is_not_accepted_hears_no_reason_and_the_audit_has_it() {
    let keyless = Keyless::new().await;
    let app = &keyless.app;
    let now = app.now().unix_seconds();
    let of = |change: &dyn Fn(&mut Value)| {
        let mut said = keyless.issuer.claims(GITHUB, AUDIENCE, app.now());
        change(&mut said);
        keyless.key.token(&said)
    };
    let (username, secret) = app.temporary().await;
    let registrys = app
        .registry(
            Some((&username, secret.expose())),
            &format!("service={SERVICE}"),
        )
        .await
        .json()["token"]
        .as_str()
        .unwrap()
        .to_owned();
    let good = keyless.token(GITHUB);
    let stranger = TestKey::generate("ES256", "one").token(&keyless.issuer.claims(
        GITHUB,
        AUDIENCE,
        app.now(),
    ));
    let cases: &[(&str, Parameters<'_>, &str)] = &[
        (
            &of(&|said| said["exp"] = json!(now - 60)),
            &[],
            "web-identity-expired",
        ),
        (
            &of(&|said| said["aud"] = json!("other.example.com")),
            &[],
            "web-identity-audience-not-matched",
        ),
        (&stranger, &[], "web-identity-bad-signature"),
        (&good, &[("role", "role/nobody")], "no-role-trusts"),
        (&good, &[("role", "somebody")], "unknown-username"),
        (
            &good,
            &[("role", "100000000002/role/builder")],
            "role-of-other-account",
        ),
        (&registrys, &[], "web-identity-no-such-provider"),
        (secret.expose(), &[], "unreadable-secret"),
        ("Passw0rdEXAMPLE", &[], "unreadable-secret"),
    ];
    for (token, more, _) in cases {
        let answer = app.exchange_token(token, more).await;
        refused(&answer, "invalid_request");
        assert_eq!(oauth_refusal(&answer).2, REFUSED);
    }
    let causes = found(app, |lines| {
        let refusals = lines.iter().filter(|line| line.action == "registry.log-in");
        let causes: Vec<_> = refusals
            .map(|line| detail(&line.detail)["cause"].as_str().unwrap().to_owned())
            .collect();
        (causes.len() >= cases.len()).then_some(causes)
    })
    .await;
    let expected: Vec<_> = cases.iter().map(|(_, _, cause)| *cause).collect();
    assert_eq!(causes, expected);
}

#[tokio::test]
async fn a_registrys_token_is_no_proof_even_where_its_issuer_is_a_provider() {
    let keyless = Keyless::new().await;
    let app = &keyless.app;
    let (username, secret) = app.temporary().await;
    let query = format!("service={SERVICE}");
    let answer = app
        .registry(Some((&username, secret.expose())), &query)
        .await;
    let registrys = answer.json()["token"].as_str().unwrap().to_owned();
    let own = NewOidcProvider {
        account: account(),
        name: "own".to_owned(),
        issuer: app.service.base.issuer().to_owned(),
        audiences: vec![SERVICE.to_owned()],
        jwks: Some(app.service.exchange.jwks()),
        algorithms: Vec::new(),
    };
    app.service
        .identity
        .create_oidc_provider(&app.operator(), own)
        .await
        .unwrap();
    refused(
        &app.exchange_token(&registrys, &[]).await,
        "invalid_request",
    );
    assert_eq!(app.status("jwt", &registrys).await, 401);
    let causes = found(app, |lines| {
        let refusals = lines.iter().filter(|line| line.action == "registry.log-in");
        let causes: Vec<_> = refusals
            .map(|line| detail(&line.detail)["cause"].as_str().unwrap().to_owned())
            .collect();
        (causes.len() >= 2).then_some(causes)
    })
    .await;
    assert_eq!(causes, ["web-identity-no-such-provider"; 2]);
}

#[tokio::test]
async fn a_log_in_rests_while_its_subject_is_refused() {
    let keyless = Keyless::new().await;
    let app = &keyless.app;
    let log_in = log_in(&app.exchange_token(&keyless.token(GITHUB), &[]).await);
    keyless.refuse(GITHUB).await;
    assert!(!app.opens(&log_in).await);
    let answer = app.exchange_token(&keyless.token(GITHUB), &[]).await;
    refused(&answer, "invalid_request");
}

#[tokio::test]
async fn a_credential_that_is_not_accepted_hears_no_reason() {
    let keyless = Keyless::new().await;
    let app = &keyless.app;
    let (username, secret) = app.temporary().await;
    let token = Secret::new(keyless.token(GITHUB));
    let typo = Secret::new(secret.expose().replace("trst_", "trst_A"));
    let chosen = Secret::new("Passw0rdEXAMPLE");
    for (username, secret) in [
        (&username, &typo),
        (&"cr_temp_user".to_owned(), &secret),
        (&"jwt".to_owned(), &token),
        (&username, &chosen),
    ] {
        let credential = (username.clone(), secret.clone());
        let answer = app.exchange_credential(&credential, &[]).await;
        refused(&answer, "invalid_request");
        assert_eq!(oauth_refusal(&answer).2, REFUSED, "{username}");
    }
}

#[tokio::test]
async fn a_service_accounts_password_gets_a_token_and_no_log_in() {
    let app = App::new().await;
    let robot = (
        "tcr$robot".to_owned(),
        Secret::new(app.create_robot(&json!({})).await),
    );
    let asked = [
        ("requested_token_type", ACCESS_TOKEN),
        ("scope", "repository:team/app:pull"),
    ];
    let answer = app.exchange_credential(&robot, &asked).await;
    assert_eq!(answer.json()["scope"], "repository:team/app:pull");
    let answer = app.exchange_credential(&robot, &[]).await;
    refused(&answer, "invalid_request");
    assert!(
        oauth_refusal(&answer)
            .2
            .contains("a password gets the registry's token")
    );
}

#[tokio::test]
async fn an_instance_that_takes_no_tokens_exchanges_none_either() {
    let keyless = Keyless::new().await;
    let app = &keyless.app;
    keyless.take_no_tokens().await;
    let answer = app.exchange_token(&keyless.token(GITHUB), &[]).await;
    refused(&answer, "invalid_request");
    let credential = app.temporary().await;
    log_in(&app.exchange_credential(&credential, &[]).await);
}

#[tokio::test]
async fn each_fault_of_a_request_has_its_code_of_oauth() {
    let keyless = Keyless::new().await;
    let app = &keyless.app;
    let token = keyless.token(GITHUB);
    for (more, code) in [
        (("scope", "nonsense"), "invalid_scope"),
        (("scope", "repository:team/app:fly"), "invalid_scope"),
        (
            ("scope", "repository:team/app:pull plugin:x:pull"),
            "invalid_scope",
        ),
        (("audience", "other.example.com"), "invalid_target"),
        (("resource", "https://other.example.com"), "invalid_target"),
        (("actor_token", &token), "invalid_request"),
        (("actor_token_type", JWT), "invalid_request"),
        (("requested_token_type", "urn:example"), "invalid_request"),
        (("expires_in", "soon"), "invalid_request"),
        (("username", "ci"), "invalid_request"),
    ] {
        let answer = app.exchange_token(&token, &[more]).await;
        refused(&answer, code);
    }
    for (parameters, code) in [
        (&[][..], "invalid_request"),
        (
            &[("grant_type", "client_credentials")],
            "unsupported_grant_type",
        ),
        (&[("grant_type", TOKEN_EXCHANGE)], "invalid_request"),
        (
            &[
                ("grant_type", TOKEN_EXCHANGE),
                ("subject_token_type", ACCESS_TOKEN),
            ],
            "invalid_request",
        ),
        (
            &[
                ("grant_type", TOKEN_EXCHANGE),
                ("subject_token_type", JWT),
                ("subject_token", &token),
            ],
            "invalid_target",
        ),
    ] {
        refused(&app.oauth(parameters).await, code);
    }
}

#[tokio::test]
async fn scopes_that_a_secret_has_no_room_for_are_refused() {
    let app = App::new().await;
    let credential = app.temporary().await;
    let scopes: Vec<_> = (0..9)
        .map(|number| format!("repository:{}-{number}:pull", "a".repeat(80)))
        .collect();
    let answer = app
        .exchange_credential(&credential, &[("scope", &scopes.join(" "))])
        .await;
    refused(&answer, "invalid_scope");
    assert!(
        oauth_refusal(&answer).2.contains("1000 characters"),
        "{}",
        answer.body
    );
}

#[tokio::test]
async fn a_client_that_authenticates_is_refused() {
    let keyless = Keyless::new().await;
    let more = [("client_secret", "hunter2EXAMPLE")];
    let answer = keyless
        .app
        .exchange_token(&keyless.token(GITHUB), &more)
        .await;
    assert_eq!(oauth_refusal(&answer).1, "invalid_client");
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert!(answer.header("www-authenticate").is_some());
}

#[tokio::test]
async fn the_parameters_are_a_form_by_post() {
    let app = App::new().await;
    let send = async |method: &str, uri: &str, kind: &str| {
        let request = Request::builder()
            .method(method)
            .uri(uri)
            .header(header::HOST, HOST)
            .header(header::CONTENT_TYPE, kind);
        let answer = app
            .send(request.body(Body::from("grant_type=x")).unwrap())
            .await;
        (answer.status.as_u16(), oauth_refusal(&answer).1)
    };
    let form = "application/x-www-form-urlencoded";
    let invalid = |status| (status, "invalid_request".to_owned());
    assert_eq!(send("GET", "/oauth/token", form).await, invalid(405));
    assert_eq!(
        send("POST", "/oauth/token", "application/json").await,
        invalid(400)
    );
    assert_eq!(
        send("POST", "/oauth/token?subject_token=x", form).await,
        invalid(400)
    );
    let unsupported = (400, "unsupported_grant_type".to_owned());
    assert_eq!(send("POST", "/oauth/token", form).await, unsupported);
}

#[tokio::test]
async fn subjects_that_fail_too_often_are_slowed() {
    let app = App::with(|options| {
        options.service.limits.failed_log_ins = 2;
        options.service.limits.failed_log_ins_per_minute = 1;
    })
    .await;
    let statuses = async |count: usize| {
        let mut statuses = Vec::new();
        for number in 0..count {
            let typo = ("ci".to_owned(), Secret::new(format!("trst_{number}")));
            statuses.push(app.exchange_credential(&typo, &[]).await.status.as_u16());
        }
        statuses
    };
    assert_eq!(statuses(3).await, [400, 400, 429]);
}

#[tokio::test]
async fn the_audit_names_the_log_in_and_whom_it_was_issued_to() {
    let keyless = Keyless::new().await;
    let app = &keyless.app;
    let more = [("scope", "repository:team/app:pull")];
    log_in(&app.exchange_token(&keyless.token(GITHUB), &more).await);
    let line = found(app, |lines| {
        let mut lines = lines.into_iter();
        lines.find(|line| line.action == "credential.exchange")
    })
    .await;
    let detail = detail(&line.detail);
    assert_eq!(detail["oidc_provider"], "ci");
    assert_eq!(detail["subject"], GITHUB);
    assert_eq!(detail["scope"], more[0].1);
    assert!(detail["expires_at"].is_i64(), "{detail}");
    assert!(line.credential_id.is_some());
    assert_eq!(line.service.as_deref(), Some(SERVICE));
}

#[tokio::test]
async fn the_audit_says_that_less_was_granted_than_asked() {
    let app = App::new().await;
    let narrow = [("scope", "repository:team/app:pull,push")];
    let first = log_in(
        &app.exchange_credential(&app.temporary().await, &narrow)
            .await,
    );
    let more = [("scope", "repository:team/app:pull,delete")];
    log_in(&app.exchange_credential(&first, &more).await);
    let lines = found(&app, |lines| {
        let of_exchange = |line: &AuditRow| line.action == "credential.exchange";
        let lines: Vec<_> = lines.into_iter().filter(of_exchange).collect();
        (lines.len() == 2).then_some(lines)
    })
    .await;
    let said = lines.iter().map(|line| {
        let detail = detail(&line.detail);
        (line.outcome.clone(), detail["asked"].clone())
    });
    let said: Vec<_> = said.collect();
    assert!(said.contains(&("ok".to_owned(), Value::Null)), "{said:?}");
    let reduced = ("reduced".to_owned(), Value::from(more[0].1));
    assert!(said.contains(&reduced), "{said:?}");
}

#[tokio::test]
async fn the_metadata_names_the_endpoint_at_the_public_url() {
    let app = App::with(|options| {
        options.http.public_url = "https://registry.example.com".to_owned();
    })
    .await;
    let request = Request::get("/.well-known/oauth-authorization-server");
    let answer = app.send(request.body(Body::empty()).unwrap()).await;
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(
        answer.json(),
        json!({
            "issuer": "https://registry.example.com",
            "token_endpoint": "https://registry.example.com/oauth/token",
            "jwks_uri": "https://registry.example.com/.well-known/jwks.json",
            "grant_types_supported": [TOKEN_EXCHANGE],
            "response_types_supported": [],
            "token_endpoint_auth_methods_supported": ["none"],
        })
    );
}
