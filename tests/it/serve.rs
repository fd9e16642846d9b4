//! The listener: connections, and the end.

use std::sync::Arc;
use std::time::Duration;

use rusqlite::Connection;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::time::timeout;
use transire::config::Settings;
use transire::domain::ErrorKind;
use transire::domain::operator::OperatorRole;
use transire::domain::seconds::Seconds;
use transire::serve::Listener;

use crate::harness::{ACCOUNT, App, SERVICE};

/// A service at a socket of its own.
struct Running {
    app: App,
    address: std::net::SocketAddr,
    stop: oneshot::Sender<()>,
    task: tokio::task::JoinHandle<()>,
}

impl Running {
    async fn new(change: impl FnOnce(&mut Settings)) -> Self {
        let app = App::new().await;
        let mut settings = Settings::default();
        change(&mut settings);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(transire::serve::run(
            Arc::clone(&app.service),
            settings,
            listener,
            stopped,
        ));
        Self {
            app,
            address,
            stop,
            task,
        }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    async fn end(self) {
        self.stop.send(()).unwrap();
        timeout(Duration::from_secs(30), self.task)
            .await
            .expect("it still runs")
            .unwrap();
    }
}

async fn ask(stream: &mut TcpStream, path: &str) -> String {
    stream
        .write_all(format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n").as_bytes())
        .await
        .unwrap();
    head_and_body(stream).await
}

/// Reads one answer of HTTP/1.1.
async fn head_and_body(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    loop {
        let text = String::from_utf8(answer.clone()).unwrap();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .to_ascii_lowercase()
                .lines()
                .find_map(|line| Some(line.strip_prefix("content-length: ")?.parse().unwrap()));
            if body.len() >= length.unwrap_or(0) {
                return text;
            }
        }
        let mut piece = [0; 4096];
        let count = timeout(Duration::from_secs(10), stream.read(&mut piece))
            .await
            .expect("no answer")
            .unwrap();
        assert_ne!(count, 0, "the connection ended within {text:?}");
        answer.extend_from_slice(&piece[..count]);
    }
}

/// Waits until the other side closes the connection without another byte.
async fn is_closed(stream: &mut TcpStream) {
    let mut rest = Vec::new();
    timeout(Duration::from_secs(10), stream.read_to_end(&mut rest))
        .await
        .expect("the connection is still open")
        .ok();
    assert!(rest.is_empty(), "{:?}", String::from_utf8_lossy(&rest));
}

#[tokio::test]
async fn a_connection_without_requests_is_closed_after_a_while_and_one_that_is_used_is_not() {
    let running = Running::new(|settings| {
        settings.limits.idle_seconds = Seconds::new(2);
        settings.limits.header_seconds = Seconds::new(1);
    })
    .await;
    let mut used = running.connect().await;
    let mut idle = running.connect().await;
    assert!(ask(&mut idle, "/healthz").await.starts_with("HTTP/1.1 200"));
    // Longer than an idle one lasts, and each pause longer than a head may take.
    for _ in 0..4 {
        assert!(ask(&mut used, "/healthz").await.starts_with("HTTP/1.1 200"));
        tokio::time::sleep(Duration::from_millis(1100)).await;
    }
    is_closed(&mut idle).await;
    assert!(ask(&mut used, "/healthz").await.starts_with("HTTP/1.1 200"));
    running.end().await;
}

#[tokio::test]
async fn half_a_head_after_a_whole_request_is_cut_off() {
    // Times were kept for the first request of a connection alone.
    let running = Running::new(|settings| settings.limits.header_seconds = Seconds::new(1)).await;
    let mut stream = running.connect().await;
    ask(&mut stream, "/healthz").await;
    stream
        .write_all(b"GET /healthz HTTP/1.1\r\nhost:")
        .await
        .unwrap();
    let begun = std::time::Instant::now();
    is_closed(&mut stream).await;
    assert!(
        begun.elapsed() < Duration::from_secs(8),
        "only as an idle one"
    );
    running.end().await;
}

#[tokio::test]
async fn a_head_has_a_largest_size_and_a_largest_number_of_lines() {
    let running = Running::new(|settings| settings.limits.header_bytes = 16 << 10).await;
    let with = async |headers: String| {
        let mut stream = running.connect().await;
        let request = format!("GET /healthz HTTP/1.1\r\nhost: localhost\r\n{headers}\r\n");
        // The answer may come before all is sent.
        stream.write_all(request.as_bytes()).await.ok();
        head_and_body(&mut stream).await[..12].to_owned()
    };
    assert_eq!(
        with(format!("x: {}\r\n", "y".repeat(15 << 10))).await,
        "HTTP/1.1 200"
    );
    assert_eq!(
        with(format!("x: {}\r\n", "y".repeat(17 << 10))).await,
        "HTTP/1.1 431"
    );
    assert_eq!(with("x: y\r\n".repeat(90)).await, "HTTP/1.1 200");
    assert_eq!(with("x: y\r\n".repeat(101)).await, "HTTP/1.1 431");
    running.end().await;
}

#[tokio::test]
async fn an_address_has_a_share_of_the_connections() {
    let running = Running::new(|settings| settings.limits.connections_per_address = 2).await;
    let mut first = running.connect().await;
    let mut second = running.connect().await;
    for stream in [&mut first, &mut second] {
        assert!(ask(stream, "/healthz").await.starts_with("HTTP/1.1 200"));
    }
    let mut third = running.connect().await;
    is_closed(&mut third).await;
    assert!(
        ask(&mut first, "/healthz")
            .await
            .starts_with("HTTP/1.1 200")
    );
    drop(second);
    // Its place is free once its end is seen.
    let deadline = std::time::Instant::now() + Duration::from_secs(10);
    loop {
        let mut next = running.connect().await;
        let mut answer = [0; 12];
        next.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n")
            .await
            .ok();
        if next.read_exact(&mut answer).await.is_ok() {
            assert_eq!(&answer, b"HTTP/1.1 200");
            break;
        }
        assert!(
            std::time::Instant::now() < deadline,
            "its place is never free"
        );
    }
    running.end().await;
}

#[tokio::test]
async fn an_address_without_a_log_in_keeps_its_latest_connections_and_a_caller_keeps_his() {
    // Ten addresses with 1,000 silent connections each shut everybody else out.
    let running = Running::new(|settings| {
        settings.limits.unauthenticated_connections_per_address = 2;
        settings.limits.header_seconds = Seconds::new(1);
    })
    .await;
    let (username, secret) = running.app.temporary().await;
    let mut caller = running.connect().await;
    let basic = format!(
        "Basic {}",
        base64::Engine::encode(
            &base64::engine::general_purpose::STANDARD,
            format!("{username}:{}", secret.expose())
        )
    );
    let log_in = format!(
        "GET /token?service={SERVICE} HTTP/1.1\r\nhost: localhost\r\nauthorization: {basic}\r\n\r\n"
    );
    caller.write_all(log_in.as_bytes()).await.unwrap();
    assert!(head_and_body(&mut caller).await.starts_with("HTTP/1.1 200"));
    let mut silent = running.connect().await;
    ask(&mut silent, "/healthz").await;
    let mut used = running.connect().await;
    ask(&mut used, "/healthz").await;
    // The seconds of silence are counted by whole ones.
    tokio::time::sleep(Duration::from_millis(3100)).await;
    ask(&mut used, "/healthz").await;
    let mut next = running.connect().await;
    assert!(ask(&mut next, "/healthz").await.starts_with("HTTP/1.1 200"));
    is_closed(&mut silent).await;
    for stream in [&mut used, &mut next, &mut caller] {
        assert!(ask(stream, "/healthz").await.starts_with("HTTP/1.1 200"));
    }
    running.end().await;
}

/// HTTP/2's preface, and settings that let the server send no byte of a body.
const CLOSED_WINDOW: &[u8] =
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\x06\x04\0\0\0\0\0\0\x04\0\0\0\0";

/// One request of HTTP/2 for `/healthz`, as RFC 9113 and RFC 7541 write it.
fn http2_request(stream: u8) -> Vec<u8> {
    let block = b"\x82\x86\x04\x08/healthz\x01\x09localhost";
    let mut frame = vec![
        0,
        0,
        u8::try_from(block.len()).unwrap(),
        1,
        5,
        0,
        0,
        0,
        stream,
    ];
    frame.extend_from_slice(block);
    frame
}

/// Reads until the other side closes the connection.
async fn read_to_the_end(stream: &mut TcpStream) -> Vec<u8> {
    let mut all = Vec::new();
    timeout(Duration::from_secs(20), stream.read_to_end(&mut all))
        .await
        .expect("the connection is still open")
        .ok();
    all
}

#[tokio::test]
async fn an_answer_by_http2_that_its_client_holds_back_is_given_up() {
    // Answers were counted until they were made, not until they were sent: with a window of no
    // bytes each stream was held for ever, 1.25 GiB for one address.
    let running = Running::new(|settings| {
        settings.limits.answer_seconds = Seconds::new(1);
        settings.limits.header_seconds = Seconds::new(1);
    })
    .await;
    let mut stream = running.connect().await;
    stream.write_all(CLOSED_WINDOW).await.unwrap();
    for number in [1, 3, 5] {
        stream.write_all(&http2_request(number)).await.unwrap();
    }
    let frames = read_to_the_end(&mut stream).await;
    // Type 1 is HEADERS, type 0 is DATA.
    let mut rest = &frames[..];
    let mut types = Vec::new();
    while rest.len() >= 9 {
        types.push(rest[3]);
        rest = &rest[9 + (usize::from(rest[1]) << 8 | usize::from(rest[2]))..];
    }
    assert_eq!(
        types.iter().filter(|kind| **kind == 1).count(),
        3,
        "{types:?}"
    );
    assert!(
        !types.contains(&0),
        "a body was sent into no window: {types:?}"
    );
    running.end().await;
}

#[tokio::test]
async fn an_answer_by_http2_comes_whole_in_any_window() {
    let running = Running::new(|_| {}).await;
    let mut stream = running.connect().await;
    // A window of one byte, opened by one more for each that came.
    let mut settings = CLOSED_WINDOW.to_vec();
    *settings.last_mut().unwrap() = 1;
    stream.write_all(&settings).await.unwrap();
    stream.write_all(&http2_request(1)).await.unwrap();
    let (mut body, mut is_over) = (Vec::new(), false);
    while !is_over {
        let mut head = [0; 9];
        timeout(Duration::from_secs(10), stream.read_exact(&mut head))
            .await
            .expect("the body stopped coming")
            .unwrap();
        let mut payload = vec![0; usize::from(head[1]) << 8 | usize::from(head[2])];
        stream.read_exact(&mut payload).await.unwrap();
        if head[3] == 0 {
            is_over = head[4] & 1 == 1;
            let taken = u8::try_from(payload.len()).unwrap();
            body.extend_from_slice(&payload);
            if !is_over {
                stream
                    .write_all(&[0, 0, 4, 8, 0, 0, 0, 0, 1, 0, 0, 0, taken])
                    .await
                    .unwrap();
            }
        }
    }
    assert_eq!(String::from_utf8(body).unwrap(), "ok\n");
    running.end().await;
}

#[tokio::test]
async fn a_client_that_takes_nothing_of_what_it_asks_for_is_cut_off() {
    let running = Running::new(|settings| {
        settings.limits.answer_seconds = Seconds::new(2);
        settings.limits.header_seconds = Seconds::new(1);
    })
    .await;
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut stream = socket.connect(running.address).await.unwrap();
    // Asks until the answers fill what both kernels hold, and reads none of them.
    let request = b"GET /bundle.pem HTTP/1.1\r\nhost: localhost\r\n\r\n".repeat(1000);
    let asked = async { while stream.write_all(&request).await.is_ok() {} };
    timeout(Duration::from_secs(30), asked)
        .await
        .expect("the connection is still open");
    running.end().await;
}

#[tokio::test]
async fn what_is_under_way_at_the_end_finishes_and_the_rest_is_closed() {
    let running = Running::new(|_| {}).await;
    let (username, secret) = running.app.temporary().await;
    let form = form_urlencoded::Serializer::new(String::new())
        .extend_pairs([
            ("grant_type", "password"),
            ("service", SERVICE),
            ("username", &username),
            ("password", secret.expose()),
        ])
        .finish();
    assert_eq!(username, ACCOUNT);
    let mut idle = running.connect().await;
    ask(&mut idle, "/healthz").await;
    let mut silent = running.connect().await;
    // Its head is there, and its body isn't.
    let mut working = running.connect().await;
    ask(&mut working, "/healthz").await;
    let head = format!(
        "POST /token HTTP/1.1\r\nhost: localhost\r\ncontent-type: \
         application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n",
        form.len()
    );
    working.write_all(head.as_bytes()).await.unwrap();
    working.write_all(&form.as_bytes()[..10]).await.unwrap();
    // Connected, and its request is on its way: nobody has looked at it yet.
    let mut waiting = running.connect().await;
    waiting
        .write_all(b"GET /readyz HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .await
        .unwrap();
    running.stop.send(()).unwrap();
    let answer = head_and_body(&mut waiting).await;
    assert!(
        answer.starts_with("HTTP/1.1 ") && answer.contains("\r\n"),
        "{answer}"
    );
    is_closed(&mut idle).await;
    is_closed(&mut silent).await;
    assert!(
        TcpStream::connect(running.address).await.is_err(),
        "it still listens"
    );
    assert!(!running.task.is_finished());
    working.write_all(&form.as_bytes()[10..]).await.unwrap();
    let answer = head_and_body(&mut working).await;
    assert!(
        answer.starts_with("HTTP/1.1 200") && answer.contains("\r\nconnection: close\r\n"),
        "{answer}"
    );
    is_closed(&mut working).await;
    timeout(Duration::from_secs(5), running.task)
        .await
        .expect("it still runs")
        .unwrap();
}

/// An operator's request was cut off once no client's was in work.
#[tokio::test]
async fn an_operators_request_in_work_finishes_at_the_end() {
    let app = App::new().await;
    let token = app.operator_token("alice", OperatorRole::Admin).await;
    let at_loopback = async || TcpListener::bind("127.0.0.1:0").await.unwrap();
    let operators = at_loopback().await;
    let address = operators.local_addr().unwrap();
    let listener = Listener::from(at_loopback().await).administered_at(Some(operators));
    let (stop, stopped) = oneshot::channel();
    let running = tokio::spawn(transire::serve::run(
        Arc::clone(&app.service),
        Settings::default(),
        listener,
        stopped,
    ));
    let (body, mut working) = (
        r#"{"name": "late"}"#,
        TcpStream::connect(address).await.unwrap(),
    );
    let head = format!(
        "POST /admin/v1/accounts HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{}",
        token.expose(),
        body.len(),
        &body[..5]
    );
    working.write_all(head.as_bytes()).await.unwrap();
    // Its head has been read once another one, that came later, is answered.
    let mut later = TcpStream::connect(address).await.unwrap();
    let described = ask(&mut later, "/admin/openapi.json").await;
    assert!(described.starts_with("HTTP/1.1 200"), "{described}");
    stop.send(()).unwrap();
    is_closed(&mut later).await;
    assert!(!running.is_finished());
    working.write_all(&body.as_bytes()[5..]).await.unwrap();
    let answer = head_and_body(&mut working).await;
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    is_closed(&mut working).await;
    timeout(Duration::from_secs(5), running)
        .await
        .expect("it still runs")
        .unwrap();
}

#[tokio::test]
async fn what_does_not_finish_in_time_is_cut_off() {
    let running = Running::new(|settings| settings.shutdown.drain_seconds = Seconds::new(1)).await;
    let mut stuck = running.connect().await;
    stuck
        .write_all(
            b"POST /token HTTP/1.1\r\nhost: localhost\r\ncontent-type: \
              application/x-www-form-urlencoded\r\ncontent-length: 9\r\n\r\na",
        )
        .await
        .unwrap();
    // Its head has been read once another one, that came later, is answered.
    ask(&mut running.connect().await, "/healthz").await;
    let begun = std::time::Instant::now();
    running.stop.send(()).unwrap();
    timeout(Duration::from_secs(8), running.task)
        .await
        .expect("it still runs")
        .unwrap();
    assert!(begun.elapsed() >= Duration::from_secs(1), "it did not wait");
    is_closed(&mut stuck).await;
}

#[tokio::test]
async fn before_the_end_probes_are_told_while_requests_are_still_served() {
    let running = Running::new(|settings| settings.shutdown.delay_seconds = Seconds::new(2)).await;
    let mut kept = running.connect().await;
    assert!(ask(&mut kept, "/readyz").await.starts_with("HTTP/1.1 200"));
    running.stop.send(()).unwrap();
    let deadline = std::time::Instant::now() + Duration::from_secs(10);
    let refused = loop {
        // A connection of its own each time: this is the time in which new ones are still taken.
        let answer = ask(
            &mut TcpStream::connect(running.address).await.unwrap(),
            "/readyz",
        )
        .await;
        if answer.starts_with("HTTP/1.1 503") {
            break answer;
        }
        assert!(std::time::Instant::now() < deadline, "{answer}");
    };
    assert!(
        refused.contains("shutting down") && refused.contains("\r\nconnection: close\r\n"),
        "{refused}"
    );
    assert!(ask(&mut kept, "/healthz").await.starts_with("HTTP/1.1 200"));
    is_closed(&mut kept).await;
    timeout(Duration::from_secs(10), running.task)
        .await
        .expect("it still runs")
        .unwrap();
}

#[tokio::test]
async fn a_connection_that_brings_no_request_is_cut_off() {
    // A client that sent nothing, or half of HTTP/2's preface, kept its place among
    // `limits.connections` for ever.
    let app = App::new().await;
    let mut settings = Settings::default();
    settings.limits.header_seconds = Seconds::new(1);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel();
    let running = tokio::spawn(transire::serve::run(
        Arc::clone(&app.service),
        settings,
        listener,
        stopped,
    ));
    for begin in ["", "P", "PRI * HTTP/2.0\r\n"] {
        let mut silent = TcpStream::connect(address).await.unwrap();
        silent.write_all(begin.as_bytes()).await.unwrap();
        let mut rest = Vec::new();
        timeout(Duration::from_secs(10), silent.read_to_end(&mut rest))
            .await
            .expect("the connection is still open")
            .unwrap();
        assert!(rest.is_empty(), "{begin:?} was answered with {rest:?}");
    }
    stop.send(()).unwrap();
    running.await.unwrap();
}

#[tokio::test]
async fn a_database_that_is_away_does_not_hold_up_the_end() {
    // The audit's writer tried for ever to store what waited, so SIGTERM did nothing until the
    // database came back.
    let app = App::new().await;
    let lock = Connection::open(app.database()).unwrap();
    lock.execute_batch("BEGIN IMMEDIATE").unwrap();
    app.temporary().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (stop, stopped) = oneshot::channel();
    let running = tokio::spawn(transire::serve::run(
        Arc::clone(&app.service),
        Settings::default(),
        listener,
        stopped,
    ));
    stop.send(()).unwrap();
    timeout(Duration::from_secs(30), running)
        .await
        .expect("it still runs")
        .unwrap();
    lock.execute_batch("ROLLBACK").unwrap();
}

#[tokio::test]
async fn keys_that_could_not_be_read_again_are_tried_again() {
    // The feed tells of a change once: when reading the keys failed then, the old ones stayed until
    // the next start.
    let app = App::new().await;
    let other = Connection::open(app.database()).unwrap();
    let announce = "UPDATE change_counter SET position = position + 1;
         INSERT INTO change (position, noun, thing_id, changed_at)
         SELECT position, 'sealing_key', 'x', 0 FROM change_counter;";
    other
        .execute_batch(&format!(
            "{announce} UPDATE sealing_key SET wrapped = CAST(wrapped || x'00' AS BLOB)"
        ))
        .unwrap();
    for _ in 0..2 {
        let failed = app
            .service
            .memory
            .catch_up()
            .await
            .expect_err("the change was forgotten");
        assert_eq!(failed.kind(), &ErrorKind::Internal);
    }
    other
        .execute_batch("UPDATE sealing_key SET wrapped = substr(wrapped, 1, length(wrapped) - 1)")
        .unwrap();
    app.service.memory.catch_up().await.unwrap();
    let (username, secret) = app.temporary().await;
    assert_eq!(
        app.registry(
            Some((&username, secret.expose())),
            "service=registry.example.com"
        )
        .await
        .status,
        200
    );
}

/// Longer than an idle connection keeps what serving takes.
const RESTED: Duration = Duration::from_millis(2500);

#[tokio::test]
async fn a_connection_that_rested_serves_what_comes_whole_or_in_pieces() {
    let running = Running::new(|_| {}).await;
    let mut stream = running.connect().await;
    ask(&mut stream, "/healthz").await;
    tokio::time::sleep(RESTED).await;
    assert!(
        ask(&mut stream, "/healthz")
            .await
            .starts_with("HTTP/1.1 200")
    );
    tokio::time::sleep(RESTED).await;
    for piece in ["G", "ET /healthz HTTP/1.1\r\nho", "st: localhost\r\n\r"] {
        stream.write_all(piece.as_bytes()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // The last piece has the beginning of the next request, which then waits for its end.
    stream
        .write_all(b"\nGET /readyz HTTP/1.1\r\nhost: loc")
        .await
        .unwrap();
    assert!(head_and_body(&mut stream).await.starts_with("HTTP/1.1 200"));
    tokio::time::sleep(RESTED).await;
    stream.write_all(b"alhost\r\n\r\n").await.unwrap();
    assert!(head_and_body(&mut stream).await.starts_with("HTTP/1.1 200"));
    running.end().await;
}

#[tokio::test]
async fn a_connection_that_rested_ends_when_it_was_idle_for_long_and_has_a_last_request_at_the_end()
{
    let running = Running::new(|settings| settings.limits.idle_seconds = Seconds::new(4)).await;
    let mut idle = running.connect().await;
    ask(&mut idle, "/healthz").await;
    let begun = std::time::Instant::now();
    is_closed(&mut idle).await;
    assert!(
        begun.elapsed() >= Duration::from_secs(3),
        "it rested, and its time was not over"
    );
    let (mut silent, mut waiting) = (running.connect().await, running.connect().await);
    for stream in [&mut silent, &mut waiting] {
        ask(stream, "/healthz").await;
    }
    tokio::time::sleep(RESTED).await;
    running.stop.send(()).unwrap();
    let answer = ask(&mut waiting, "/healthz").await;
    assert!(
        answer.starts_with("HTTP/1.1 200") && answer.contains("\r\nconnection: close\r\n"),
        "{answer}"
    );
    is_closed(&mut waiting).await;
    is_closed(&mut silent).await;
    timeout(Duration::from_secs(5), running.task)
        .await
        .expect("it still runs")
        .unwrap();
}
