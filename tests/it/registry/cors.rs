//! Web pages that ask for tokens: the CORS protocol at the registry door.

use http::Method;
use serde_json::json;

use crate::harness::{Answer, App, SERVICE};

const PAGE: &str = "https://ui.example.com";
const HEADERS: [&str; 6] = [
    "access-control-allow-origin",
    "access-control-allow-credentials",
    "access-control-expose-headers",
    "access-control-allow-methods",
    "access-control-allow-headers",
    "vary",
];

async fn with_a_page(change: impl FnOnce(&mut crate::harness::Options)) -> App {
    App::with(|options| {
        options.http.cors = transire::http::Cors::new(vec![
            PAGE.parse().unwrap(),
            "http://localhost:8080".parse().unwrap(),
        ]);
        change(options);
    })
    .await
}

/// Checks that a page of [`PAGE`] may read the answer, and returns its status.
fn is_readable(answer: &Answer) -> u16 {
    assert_eq!(
        answer.header("access-control-allow-origin"),
        Some(PAGE),
        "{}",
        answer.body
    );
    assert_eq!(
        answer.header("access-control-allow-credentials"),
        Some("true")
    );
    assert_eq!(
        answer.header("access-control-expose-headers"),
        Some("retry-after, www-authenticate, x-request-id")
    );
    assert_eq!(answer.header("vary"), Some("Origin"));
    answer.status.as_u16()
}

#[tokio::test]
async fn a_preflight_of_a_listed_origin_is_answered() {
    // Joxit/docker-registry-ui#303: without it a browser asks for no token at all.
    let app = with_a_page(|_| {}).await;
    let answer = app.preflight(PAGE).await;
    assert_eq!((is_readable(&answer), answer.body.as_str()), (204, ""));
    assert_eq!(
        answer.header("access-control-allow-methods"),
        Some("GET, POST")
    );
    assert_eq!(
        answer.header("access-control-allow-headers"),
        Some("authorization, content-type, accept, cache-control")
    );
    assert_eq!(answer.header("access-control-max-age"), Some("600"));
    assert_eq!(
        app.preflight("http://localhost:8080")
            .await
            .header("access-control-allow-origin"),
        Some("http://localhost:8080")
    );
}

#[tokio::test]
async fn other_origins_hear_nothing_that_lets_them_read() {
    let app = with_a_page(|_| {}).await;
    let others = [
        "https://evil.example.com",
        "http://ui.example.com",
        "https://ui.example.com:8443",
        "https://UI.example.com",
        "null",
        "*",
    ];
    for origin in others {
        let asked = format!("service={SERVICE}&scope=repository:a:pull");
        for answer in [
            app.preflight(origin).await,
            app.by_page(Method::GET, Some(origin), &asked, &[]).await,
        ] {
            let said: Vec<&str> = HEADERS
                .into_iter()
                .filter(|name| answer.header(name).is_some())
                .collect();
            assert_eq!(said, ["vary"], "{origin}");
        }
    }
    assert_eq!(app.preflight("https://evil.example.com").await.status, 405);
}

#[tokio::test]
async fn without_the_setting_no_page_may_ask() {
    let app = App::new().await;
    let (username, secret) = app.temporary().await;
    assert_eq!(app.preflight(PAGE).await.status, 405);
    let answers = [
        app.preflight(PAGE).await,
        app.by_page(Method::GET, Some(PAGE), &format!("service={SERVICE}"), &[])
            .await,
        app.registry(
            Some((&username, secret.expose())),
            &format!("service={SERVICE}"),
        )
        .await,
    ];
    for answer in answers {
        assert!(
            HEADERS
                .into_iter()
                .all(|name| answer.header(name).is_none()),
            "{:?}",
            answer.headers
        );
    }
}

#[tokio::test]
async fn a_page_reads_every_answer_alike() {
    use base64::Engine;
    let app = with_a_page(|options| {
        (
            options.service.limits.refusals_per_second,
            options.service.limits.refusals_burst,
        ) = (1, 2)
    })
    .await;
    let (username, secret) = app.temporary().await;
    let basic = |secret: &str| {
        format!(
            "Basic {}",
            base64::engine::general_purpose::STANDARD.encode(format!("{username}:{secret}"))
        )
    };
    let asked = format!("service={SERVICE}&scope=repository:a:pull");
    let ask = async |app: &App, method, secret: &str| {
        is_readable(
            &app.by_page(
                method,
                Some(PAGE),
                &asked,
                &[("authorization", &basic(secret))],
            )
            .await,
        )
    };
    assert_eq!(ask(&app, Method::GET, secret.expose()).await, 200);
    assert_eq!(ask(&app, Method::POST, secret.expose()).await, 200);
    assert_eq!(ask(&app, Method::PUT, secret.expose()).await, 405);
    assert_eq!(
        is_readable(&app.by_page(Method::GET, Some(PAGE), "", &[]).await),
        400
    );
    let mut statuses = Vec::new();
    for guess in ["trst_one", "trst_two", "trst_three"] {
        statuses.push(ask(&app, Method::GET, guess).await);
    }
    assert_eq!((statuses[0], statuses[2]), (401, 429), "{statuses:?}");
    let overloaded = with_a_page(|options| options.http.max_in_work = 0).await;
    assert_eq!(ask(&overloaded, Method::GET, secret.expose()).await, 503);
    assert_eq!(
        is_readable(&overloaded.preflight(PAGE).await),
        204,
        "it costs nothing"
    );
}

#[tokio::test]
async fn a_page_that_gets_nothing_without_a_log_in_is_refused_so_that_its_browser_asks_for_one() {
    // A token for nothing told the page that it was logged in, and its browser asked nobody for a
    // password.
    let app = with_a_page(|_| {}).await;
    let asked = format!("service={SERVICE}&scope=repository:a:pull");
    let answer = app.by_page(Method::GET, Some(PAGE), &asked, &[]).await;
    assert_eq!(is_readable(&answer), 401);
    assert_eq!(answer.json()["errors"][0]["code"], json!("UNAUTHORIZED"));
    assert!(
        answer
            .header("www-authenticate")
            .unwrap()
            .starts_with("Basic ")
    );
    // Every other client goes on as before.
    assert_eq!(
        app.by_page(Method::GET, None, &asked, &[]).await.status,
        200
    );
    assert_eq!(
        app.by_page(Method::GET, Some("https://evil.example.com"), &asked, &[])
            .await
            .status,
        200
    );
}
