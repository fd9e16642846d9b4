//! Every kind of secret with every name at every service: the right three log in, and nothing else
//! does.

use std::collections::BTreeSet;

use serde_json::json;
use transire::domain::secret::Secret;
use transire::service::NewOidcProvider;

use crate::harness::documents::everything;
use crate::harness::issuer::{TestKey, claims, jwks};
use crate::harness::operator::account;
use crate::harness::{ACCOUNT, App, SERVICE};

const PASSWORD: &str = "Passw0rd-EXAMPLE";

/// A kind of secret, and the usernames that it goes with.
struct Kind {
    name: &'static str,
    secret: String,
    usernames: Vec<String>,
}

impl Kind {
    fn new(name: &'static str, secret: &str, usernames: &[&str]) -> Self {
        Self {
            name,
            secret: secret.to_owned(),
            usernames: usernames.iter().map(|&name| name.to_owned()).collect(),
        }
    }
}

async fn app() -> App {
    App::with(|options| {
        // A thousand log-ins fail in one moment of a clock that stands still.
        for limit in [
            &mut options.service.limits.refusals_per_second,
            &mut options.service.limits.refusals_burst,
        ] {
            *limit = 1_000_000;
        }
        for limit in [
            &mut options.service.limits.failed_log_ins,
            &mut options.service.limits.failed_log_ins_per_minute,
        ] {
            *limit = 1_000_000;
        }
    })
    .await
}

/// Returns every kind of secret that this service knows, or that somebody could paste by mistake.
async fn kinds(app: &App) -> Vec<Kind> {
    app.give_refresh_tokens().await;
    let (username, temporary) = app.temporary().await;
    let alibaba = app
        .cr(
            "GetAuthorizationToken",
            &[("InstanceId", app.instance.cri_id.as_str())],
        )
        .await;
    let long = app
        .tcr(
            "CreateInstanceToken",
            json!({ "RegistryId": app.instance.id.as_str(), "TokenType": "longterm" }),
        )
        .await;
    let robot = app.create_robot(&json!({})).await;
    app.cr(
        "ResetLoginPassword",
        &[
            ("InstanceId", app.instance.cri_id.as_str()),
            ("Password", PASSWORD),
        ],
    )
    .await;
    let chosen = app.create_robot(&json!({ "Name": "chosen" })).await;
    assert_ne!(chosen, PASSWORD);
    let given = json!({
        "RegistryId": app.instance.id.as_str(),
        "Name": "chosen",
        "Random": false,
        "Password": "R0bot-EXAMPLE",
    });
    app.tcr("ModifyServiceAccountPassword", given).await;

    let user = app.user("ci", &everything()).await;
    let of_user = app.tencent_credential(&user).await.json();
    let text = |value: &serde_json::Value| {
        value
            .as_str()
            .unwrap_or_else(|| panic!("{value}"))
            .to_owned()
    };
    app.role("puller", &everything()).await;
    let session = app.tencent_session(&user, "puller", &json!({})).await;
    let at_alibaba = app.alibaba_session(&user, "puller", &[]).await;
    let of_session = app.tencent_credential(&session.key()).await.json();

    let asked = format!(
        "service={SERVICE}&offline_token=true&client_id=docker&scope=repository:team/app:pull"
    );
    let token = app
        .registry(Some((&username, temporary.expose())), &asked)
        .await
        .json();
    let key = TestKey::generate("ES256", "one");
    let provider = NewOidcProvider {
        account: account(),
        name: "ci".to_owned(),
        issuer: "https://issuer.example.com".to_owned(),
        audiences: vec![SERVICE.to_owned()],
        jwks: Some(jwks(&[&key]).to_string()),
        algorithms: Vec::new(),
    };
    app.service
        .identity
        .create_oidc_provider(&app.operator(), provider)
        .await
        .unwrap();
    let oidc = key.token(&claims(
        "https://issuer.example.com",
        "acme",
        SERVICE,
        app.now(),
    ));

    let operator = app
        .service
        .identity
        .create_access_key(&app.operator(), account(), None)
        .await
        .unwrap();
    let key_id = operator.id.clone();
    vec![
        Kind::new("temporary, Tencent", temporary.expose(), &[ACCOUNT]),
        Kind::new(
            "temporary, Alibaba",
            &text(&alibaba["AuthorizationToken"]),
            &["cr_temp_user"],
        ),
        Kind::new(
            "temporary, of a user",
            &text(&of_user["Response"]["Token"]),
            &[&text(&of_user["Response"]["Username"])],
        ),
        Kind::new(
            "temporary, of a session",
            &text(&of_session["Response"]["Token"]),
            &[&text(&of_session["Response"]["Username"])],
        ),
        Kind::new("long-term", &text(&long["Token"]), &[ACCOUNT]),
        Kind::new("service account", &robot, &["tcr$robot"]),
        Kind::new("service account, chosen", "R0bot-EXAMPLE", &["tcr$chosen"]),
        Kind::new("fixed password", PASSWORD, &["acme", ACCOUNT]),
        Kind::new("access key secret", operator.secret.expose(), &[]),
        Kind::new("access key id", &key_id, &[]),
        Kind::new("session secret", &session.secret, &[]),
        Kind::new("session token, Tencent", &session.token, &[]),
        Kind::new("session token, Alibaba", &at_alibaba.token, &[]),
        Kind::new("session key id", &session.id, &[]),
        Kind::new("refresh token", &text(&token["refresh_token"]), &[]),
        Kind::new("registry token", &text(&token["token"]), &[]),
        Kind::new("OIDC token", &oidc, &[]),
        Kind::new("id of a long-term credential", &text(&long["TokenId"]), &[]),
        Kind::new("nothing", "", &[]),
    ]
}

/// Returns names that a client could give: every right one, and forms of them.
fn usernames(app: &App, kinds: &[Kind]) -> BTreeSet<String> {
    let mut names: BTreeSet<String> = kinds
        .iter()
        .flat_map(|kind| kind.usernames.iter().cloned())
        .collect();
    let more = [
        "",
        "robot",
        "TCR$robot",
        "tcr$Robot",
        "ACME",
        "acme ",
        "acme@stranger",
        "ci",
        "ci@acme",
        "root",
        "stranger",
        "100000000002",
        "0100000000001",
        "cr_temp_user@acme",
        "00000000-0000-0000-0000-000000000000",
        "<token>",
        "oauth2accesstoken",
        &app.key.id,
    ];
    names.extend(more.into_iter().map(ToOwned::to_owned));
    names
}

fn services(app: &App) -> Vec<String> {
    let upper = SERVICE.to_uppercase();
    let more = [
        &app.other_instance.service,
        &app.foreign_instance.service,
        "nobody.example.com",
        app.instance.cri_id.as_str(),
        app.instance.id.as_str(),
    ];
    [
        upper.as_str(),
        &format!("{SERVICE}."),
        &format!("{SERVICE}:443"),
        &format!("https://{SERVICE}"),
        &format!(" {SERVICE}"),
    ]
    .into_iter()
    .chain(more)
    .map(ToOwned::to_owned)
    .collect()
}

fn query(pairs: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new())
        .extend_pairs(pairs)
        .finish()
}

#[tokio::test]
async fn a_secret_logs_in_with_its_own_usernames_and_no_other() {
    let app = app().await;
    let kinds = kinds(&app).await;
    let names = usernames(&app, &kinds);
    let (mut right, mut logged_in) = (BTreeSet::new(), BTreeSet::new());
    for kind in &kinds {
        right.extend(
            kind.usernames
                .iter()
                .map(|username| (kind.name, username.clone())),
        );
        for username in &names {
            let answer = app
                .registry(
                    Some((username, &kind.secret)),
                    &query(&[("service", SERVICE)]),
                )
                .await;
            match answer.status.as_u16() {
                200 => drop(logged_in.insert((kind.name, username.clone()))),
                401 => {}
                other => panic!("{}, {username:?}: {other} {}", kind.name, answer.body),
            }
        }
    }
    assert_eq!(logged_in, right);
}

#[tokio::test]
async fn a_secret_logs_in_at_its_own_service_and_no_other() {
    let app = app().await;
    for kind in kinds(&app).await {
        let Some(username) = kind.usernames.first() else {
            continue;
        };
        for service in services(&app) {
            let by_get = app
                .registry(
                    Some((username, &kind.secret)),
                    &query(&[("service", &service)]),
                )
                .await;
            let form = [
                ("grant_type", "password"),
                ("service", &service),
                ("username", username),
                ("password", &kind.secret),
            ];
            let by_post = app.registry_form(&query(&form)).await;
            assert_eq!(
                (by_get.status.as_u16(), by_post.status.as_u16()),
                (401, 401),
                "{} at {service:?}",
                kind.name
            );
        }
    }
}

#[tokio::test]
async fn only_a_refresh_token_is_taken_for_one() {
    let app = app().await;
    for kind in kinds(&app).await {
        let form = [
            ("grant_type", "refresh_token"),
            ("service", SERVICE),
            ("client_id", "docker"),
            ("refresh_token", kind.secret.as_str()),
        ];
        let expected = if kind.name == "refresh token" {
            200
        } else {
            401
        };
        let answer = app.registry_form(&query(&form)).await;
        assert_eq!(
            answer.status.as_u16(),
            expected,
            "{}: {}",
            kind.name,
            answer.body
        );
    }
}

#[tokio::test]
async fn what_logs_in_signs_no_call() {
    let app = app().await;
    for kind in kinds(&app).await {
        // Under the id of a key that there is, and under its own name.
        for id in [app.key.id.as_str(), ACCOUNT, "acme"] {
            let secret = transire::sign::SigningSecret::new(Secret::new(&kind.secret));
            let key = crate::harness::Key {
                id: id.to_owned(),
                secret,
                token: None,
            };
            let at_tencent = app
                .tencent(
                    "CreateInstanceToken",
                    &json!({ "RegistryId": app.instance.id.as_str() }),
                )
                .by(&key)
                .send()
                .await;
            assert!(
                at_tencent.json()["Response"]["Error"]["Code"]
                    .as_str()
                    .unwrap()
                    .starts_with("AuthFailure."),
                "{}: {}",
                kind.name,
                at_tencent.body
            );
            let at_alibaba = app.get_token().by(&key).send().await;
            assert!(
                matches!(at_alibaba.status.as_u16(), 400 | 403 | 404),
                "{}: {}",
                kind.name,
                at_alibaba.body
            );
        }
    }
}
