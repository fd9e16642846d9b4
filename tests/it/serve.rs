//! The listener: connections, and the end.

use std::sync::Arc;
use std::time::Duration;

use rusqlite::Connection;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::time::timeout;
use transire::config::Settings;

use crate::harness::App;

#[tokio::test]
async fn a_connection_that_brings_no_request_is_cut_off() {
    // Who sent nothing, or half of HTTP/2's preface, kept its place among `limits.connections` for ever.
    let app = App::new().await;
    let mut settings = Settings::default();
    settings.limits.header_seconds = 1;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel();
    let running = tokio::spawn(transire::serve::run(Arc::clone(&app.service), settings, listener, stopped));
    for begin in ["", "P", "PRI * HTTP/2.0\r\n"] {
        let mut silent = TcpStream::connect(address).await.unwrap();
        silent.write_all(begin.as_bytes()).await.unwrap();
        let mut rest = Vec::new();
        timeout(Duration::from_secs(10), silent.read_to_end(&mut rest)).await.expect("the connection is still open").unwrap();
        assert!(rest.is_empty(), "{begin:?} was answered with {rest:?}");
    }
    stop.send(()).unwrap();
    running.await.unwrap();
}

#[tokio::test]
async fn a_database_that_is_away_does_not_hold_up_the_end() {
    // The audit's writer tried for ever to store what waited, so SIGTERM did nothing until the database came back.
    let app = App::new().await;
    let lock = Connection::open(app.database()).unwrap();
    lock.execute_batch("BEGIN IMMEDIATE").unwrap();
    app.temporary().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (stop, stopped) = oneshot::channel();
    let running = tokio::spawn(transire::serve::run(Arc::clone(&app.service), Settings::default(), listener, stopped));
    stop.send(()).unwrap();
    timeout(Duration::from_secs(30), running).await.expect("it still runs").unwrap();
    lock.execute_batch("ROLLBACK").unwrap();
}

#[tokio::test]
async fn keys_that_could_not_be_read_again_are_tried_again() {
    // The feed tells of a change once: when reading the keys failed then, the old ones stayed until the next start.
    let app = App::new().await;
    let other = Connection::open(app.database()).unwrap();
    let announce = "UPDATE change_counter SET position = position + 1;
         INSERT INTO change (position, noun, thing_id, changed_at) SELECT position, 'sealing_key', 'x', 0 FROM change_counter;";
    other.execute_batch(&format!("{announce} UPDATE sealing_key SET wrapped = CAST(wrapped || x'00' AS BLOB)")).unwrap();
    assert!(app.service.catch_up().await.is_err());
    assert!(app.service.catch_up().await.is_err(), "the change was forgotten");
    other.execute_batch("UPDATE sealing_key SET wrapped = substr(wrapped, 1, length(wrapped) - 1)").unwrap();
    app.service.catch_up().await.unwrap();
    let (username, secret) = app.temporary().await;
    assert_eq!(app.registry(Some((&username, secret.expose())), "service=registry.example.com").await.status, 200);
}
