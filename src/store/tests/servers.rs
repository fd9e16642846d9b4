//! PostgreSQL alone: a server that comes and goes, an answer that is lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::*;
use crate::domain::secret::Secret;
use crate::store::migrate::{MIGRATIONS, Purpose};
use crate::store::postgres::Postgres;
use crate::store::{account as accounts, change};

async fn open_postgres(url: &str) -> Result<Postgres> {
    let options = PostgresOptions {
        connections: 4,
        start_timeout: Duration::ZERO,
        ..PostgresOptions::default()
    };
    Postgres::open(
        &Secret::new(url),
        &options,
        Purpose::Open(Open::Serve),
        &Stopped,
        &SystemRandom,
    )
    .await
}

fn url(place: &Place) -> url::Url {
    let Place::Postgres {
        location: Location::Postgres { url, .. },
        ..
    } = place
    else {
        unreachable!()
    };
    url.expose().parse().unwrap()
}

#[tokio::test]
async fn every_statement_prepares_on_postgres() {
    let Some(place) = Place::on_postgres().await else {
        return;
    };
    let postgres = open_postgres(url(&place).as_str()).await.unwrap();
    for statement in crate::store::statements() {
        let count = postgres
            .prepare(statement)
            .await
            .unwrap_or_else(|error| panic!("{statement:?}: {:?}", error.cause()));
        assert_eq!(
            count,
            super::files::parameters(statement.text),
            "{statement:?}"
        );
    }
    place.remove().await;
}

#[tokio::test]
async fn a_url_that_can_not_be_used_is_refused_without_being_quoted() {
    let cases = [
        (
            "postgres://bob:hunter2@127.0.0.1/db?sslmode=verify-full",
            "sslrootcert",
        ),
        (
            "postgres://bob:hunter2@127.0.0.1/db?sslmode=verify-ca",
            "sslrootcert",
        ),
        (
            "postgres://bob:hunter2@127.0.0.1/db?sslmode=allow",
            "sslmode is one of",
        ),
        (
            "postgres://bob:hunter2@127.0.0.1/db?sslmode=verify-full&sslrootcert=/nowhere.pem",
            "/nowhere.pem",
        ),
        (
            "host=127.0.0.1 password=hunter2 sslmode=require user=bob",
            "can't be read",
        ),
        ("postgres://bob:hunter2@127.0.0.1:port/db", "can't be read"),
        ("mysql://bob:hunter2@127.0.0.1/db", "can't be read"),
    ];
    for (url, expected) in cases {
        let refusal = open_postgres(url).await.map(drop).unwrap_err();
        assert_eq!(refusal.kind(), &ErrorKind::Misconfigured, "{url}");
        assert!(refusal.message().contains(expected), "{url}: {refusal}");
        assert!(
            !format!("{refusal:?}").contains("hunter2"),
            "{url}: {refusal:?}"
        );
    }
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_unavailable() {
    // Bound and closed again: nothing listens there.
    let port = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let refusal = open_postgres(&format!("postgres://bob@127.0.0.1:{port}/db"))
        .await
        .map(drop)
        .unwrap_err();
    assert_eq!(refusal.kind(), &ErrorKind::StoreUnavailable);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_that_start_together_set_the_schema_up_once() {
    for place in [
        Place::on_postgres().await,
        Place::on_postgres_without_sessions().await,
    ] {
        let Some(place) = place.map(Arc::new) else {
            return;
        };
        let mut opens = JoinSet::new();
        for _ in 0..8 {
            let place = Arc::clone(&place);
            opens.spawn(async move { place.store().await });
        }
        let stores = opens.join_all().await;
        assert_eq!(
            count(&stores[0], "SELECT COUNT(*) AS count FROM schema_version").await,
            MIGRATIONS.len() as i64
        );
        drop(stores);
        Arc::into_inner(place).unwrap().remove().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_that_lock_each_other_out_are_tried_again() {
    let Some(place) = Place::on_postgres().await else {
        return;
    };
    let store = place.store().await;
    let (one, two) = (account(1), account(2));
    store
        .apply(
            write()
                .then(accounts::insert(&one))
                .then(accounts::insert(&two)),
        )
        .await
        .unwrap();
    let mut writes = JoinSet::new();
    for number in 0..6 {
        let store = store.clone();
        let (first, second) = if number % 2 == 0 {
            (one.id, two.id)
        } else {
            (two.id, one.id)
        };
        writes.spawn(async move {
            store
                .apply(
                    write()
                        .then(accounts::raise_generation(first))
                        .then(accounts::raise_generation(second)),
                )
                .await
        });
    }
    for result in writes.join_all().await {
        result.unwrap();
    }
    assert_eq!(
        accounts::find(&store, one.id)
            .await
            .unwrap()
            .unwrap()
            .generation,
        7
    );
    drop(store);
    place.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_the_server_closed_are_replaced() {
    let Some(place) = Place::on_postgres().await else {
        return;
    };
    let store = place.store().await;
    apply(&store, accounts::insert(&account(1))).await.unwrap();
    let Place::Postgres { server, name, .. } = &place else {
        unreachable!()
    };
    for number in 2..=4 {
        at_server(
            server,
            &format!(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
            ),
        )
        .await;
        if number % 2 == 0 {
            apply(&store, accounts::insert(&account(number)))
                .await
                .unwrap();
        } else {
            assert_eq!(accounts::list(&store).await.unwrap().len(), 2);
            apply(&store, accounts::insert(&account(number)))
                .await
                .unwrap();
        }
    }
    assert_eq!(change::position(&store).await.unwrap(), 4);
    drop(store);
    place.remove().await;
}

/// The message that commits: a plain query. Looking for the word alone once took "READ COMMITTED"
/// for it.
const COMMIT: &[u8] = b"Q\0\0\0\x0bCOMMIT\0";

/// When a connection is cut.
#[derive(Clone, Copy, Debug)]
enum Cut {
    /// The server never hears of the commit.
    BeforeCommit,
    /// The server commits, and its answer is lost.
    AfterCommit,
}

/// Stands between a client and the server, and cuts the first connection that commits after `armed`
/// was set.
async fn cutting(server: String, cut: Cut, armed: Arc<AtomicBool>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let server = TcpStream::connect(&server).await.unwrap();
            tokio::spawn(relay(client, server, cut, Arc::clone(&armed)));
        }
    });
    port
}

async fn relay(mut client: TcpStream, mut server: TcpStream, cut: Cut, armed: Arc<AtomicBool>) {
    let (mut from_client, mut from_server) = ([0; 65536], [0; 65536]);
    loop {
        tokio::select! {
            read = client.read(&mut from_client) => {
                let Ok(length @ 1..) = read else { return };
                let said = &from_client[..length];
                let commits = said.windows(COMMIT.len()).any(|part| part == COMMIT);
                if commits && armed.swap(false, Ordering::SeqCst) {
                    if matches!(cut, Cut::AfterCommit) {
                        server.write_all(said).await.unwrap();
                        assert!(server.read(&mut from_server).await.unwrap() > 0);
                    }
                    return;
                }
                server.write_all(said).await.unwrap();
            }
            read = server.read(&mut from_server) => {
                let Ok(length @ 1..) = read else { return };
                client.write_all(&from_server[..length]).await.unwrap();
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_whose_commit_was_cut_off_happens_once() {
    for cut in [Cut::BeforeCommit, Cut::AfterCommit] {
        let Some(place) = Place::on_postgres().await else {
            return;
        };
        let mut url = url(&place);
        let server = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap_or(5432));
        let armed = Arc::new(AtomicBool::new(false));
        let port = cutting(server, cut, Arc::clone(&armed)).await;
        url.set_host(Some("127.0.0.1")).unwrap();
        url.set_port(Some(port)).unwrap();
        let store = Store::over(open_postgres(url.as_str()).await.unwrap());
        apply(&store, accounts::insert(&account(1))).await.unwrap();

        armed.store(true, Ordering::SeqCst);
        let once = write()
            .then(accounts::insert(&account(2)))
            .then(accounts::raise_generation(account(1).id));
        store
            .apply(once)
            .await
            .unwrap_or_else(|error| panic!("{cut:?}: {error:?}"));
        assert!(
            !armed.load(Ordering::SeqCst),
            "{cut:?}: no commit was cut off"
        );
        assert_eq!(
            accounts::find(&store, account(1).id)
                .await
                .unwrap()
                .unwrap()
                .generation,
            2,
            "{cut:?}"
        );
        assert_eq!(change::position(&store).await.unwrap(), 3, "{cut:?}");
        drop(store);
        place.remove().await;
    }
}
