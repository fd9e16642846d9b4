//! The page of metrics, as a monitoring system reads it.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use transire::config::Settings;
use transire::serve::Listener;

use crate::harness::App;

/// Asks as a monitoring system does; returns the whole answer.
async fn ask(address: std::net::SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn the_page_says_what_was_asked_how_long_keys_last_and_what_is_wrong() {
    let app = App::new().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let monitoring = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (doors, monitor) = (
        listener.local_addr().unwrap(),
        monitoring.local_addr().unwrap(),
    );
    let (stop, stopped) = oneshot::channel();
    let service = Arc::clone(&app.service);
    let running = tokio::spawn(transire::serve::run(
        service,
        Settings::default(),
        Listener::from(listener).monitored_at(Some(monitoring)),
        stopped,
    ));
    for path in ["/healthz", "/token?service=x%22y", "/nobody-knows%22this"] {
        ask(doors, path).await;
    }
    let held = TcpStream::connect(doors).await.unwrap();
    let page = loop {
        // The connection counts once it is accepted.
        let page = ask(monitor, "/metrics").await;
        if page.contains("\ntransire_connections_open 1\n") {
            break page;
        }
        tokio::task::yield_now().await;
    };
    drop(held);
    // The next one's place is none that is open.
    while !ask(monitor, "/metrics")
        .await
        .contains("\ntransire_connections_open 0\n")
    {
        tokio::task::yield_now().await;
    }
    assert!(
        page.starts_with("HTTP/1.1 200 OK\r\n")
            && page.contains("content-type: text/plain; version=0.0.4"),
        "{page}"
    );
    for line in [
        "transire_requests_total{door=\"plain\",action=\"page\",outcome=\"ok\"} 1",
        "transire_requests_total{door=\"plain\",action=\"page\",outcome=\"refused\"} 1",
        "transire_requests_total{door=\"registry\",action=\"token\",outcome=\"refused\"} 1",
        "transire_request_duration_seconds_count{door=\"registry\"} 1",
        "transire_database_reachable 1",
        "transire_change_feed_age_seconds 0",
        "transire_audit_lines_dropped_total 0",
        "transire_replay_memory_limit_bytes 16777216",
        "transire_replay_memory_refused_total 0",
        "transire_exchange_memory_bytes 0",
        "transire_tokens_given_again_total 0",
        "transire_request_errors_total{door=\"registry\",kind=\"bad-credentials\"} 1",
        "transire_alarm{kind=\"leaf-ends\"} 0",
    ] {
        assert!(page.lines().any(|found| found == line), "{line}\n{page}");
    }
    assert!(
        page.contains(
            "\ntransire_certificate_expiration_timestamp_seconds{certificate=\"leaf\",\
             algorithm=\"ES256\",key=\""
        ),
        "{page}"
    );
    assert!(
        !page.contains("nobody-knows") && !page.contains("x%22y"),
        "a client's own words became a label: {page}"
    );
    assert!(
        ask(monitor, "/readyz")
            .await
            .ends_with("{\"ready\":true,\"missing\":[],\"warnings\":[]}")
    );
    assert!(ask(monitor, "/healthz").await.ends_with("ok\n"));
    for path in ["/token", "/", "/bundle.pem"] {
        assert!(
            ask(monitor, path).await.starts_with("HTTP/1.1 404 "),
            "{path} is served to who monitors"
        );
    }
    // At the doors there is no such page.
    assert!(ask(doors, "/metrics").await.starts_with("HTTP/1.1 404 "));
    app.wait(Duration::from_hours(9 * 24));
    app.service.keys.refresh_warnings().await.unwrap();
    let page = ask(monitor, "/metrics").await;
    assert!(
        page.contains("\ntransire_alarm{kind=\"leaf-ends\"} 1\n"),
        "{page}"
    );
    // Strangers learn what it is about, who monitors learns which key.
    let (known, told) = (ask(monitor, "/readyz").await, ask(doors, "/readyz").await);
    assert!(
        known.contains("[\"the certificate of the signing key "),
        "{known}"
    );
    assert!(
        told.contains("[\"a signing certificate ends: see the log or the metrics listener\"]"),
        "{told}"
    );
    stop.send(()).unwrap();
    running.await.unwrap();
}

#[tokio::test]
async fn actions_are_counted_by_their_names_and_what_is_not_served_without_one() {
    let app = App::new().await;
    app.temporary().await;
    let (parts, ()) = http::Request::get("/metrics")
        .body(())
        .unwrap()
        .into_parts();
    // A server of its own counts nothing of another's.
    let server = transire::http::Server::new(
        Arc::clone(&app.service),
        transire::http::Settings::default(),
    );
    for action in [
        "CreateInstanceToken",
        "DescribeAnything\"",
        "CreateInstanceToken",
    ] {
        server
            .serve(
                app.tencent(action, &serde_json::json!({})).request(),
                transire::http::Arrival {
                    peer: [192, 0, 2, 1].into(),
                    transport: transire::http::Transport::Plain,
                    surface: transire::http::Surface::Clients,
                },
            )
            .await;
    }
    let page = server
        .monitor(&parts, &transire::http::ServerMetrics::default())
        .await;
    let page = axum::body::to_bytes(page.into_body(), 1 << 20)
        .await
        .unwrap();
    let page = std::str::from_utf8(&page).unwrap();
    let counted: Vec<_> = page
        .lines()
        .filter(|line| line.starts_with("transire_requests_total"))
        .collect();
    assert_eq!(
        counted,
        [
            "transire_requests_total{door=\"tencent\",action=\"\",outcome=\"refused\"} 1",
            "transire_requests_total{door=\"tencent\",action=\"CreateInstanceToken\",\
             outcome=\"refused\"} 2",
        ]
    );
}
