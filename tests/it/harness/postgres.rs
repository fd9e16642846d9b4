//! A PostgreSQL database of a test's own.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use transire::domain::secret::Secret;
use transire::store::{Location, PostgresOptions};

/// A database on the server that the environment names.
pub(crate) struct Database {
    /// Where it is.
    pub(crate) url: url::Url,
    server: String,
    name: String,
}

impl Database {
    /// Makes a database; without a server a test is skipped, but fails in CI.
    #[expect(
        clippy::disallowed_methods,
        reason = "the tests' own server is no setting of the service"
    )]
    pub(crate) async fn new() -> Option<Self> {
        static MADE: AtomicU64 = AtomicU64::new(0);
        let Ok(server) = std::env::var("TRANSIRE_TEST_POSTGRES") else {
            assert!(
                std::env::var("CI").is_err(),
                "TRANSIRE_TEST_POSTGRES is missing: in CI the PostgreSQL half may not be skipped"
            );
            return None;
        };
        let name = format!(
            "transire_it_{}_{}",
            std::process::id(),
            MADE.fetch_add(1, Ordering::Relaxed)
        );
        at_server(&server, &format!("CREATE DATABASE {name}")).await;
        let mut url: url::Url = server.parse().unwrap();
        url.set_path(&name);
        Some(Self { url, server, name })
    }

    /// Returns the location of the database.
    pub(crate) fn location(&self) -> Location {
        location(&self.url)
    }

    async fn connect(&self) -> tokio_postgres::Client {
        let connecting = tokio_postgres::connect(self.url.as_str(), tokio_postgres::NoTls);
        let (client, connection) = connecting.await.unwrap();
        tokio::spawn(connection);
        client
    }

    /// Keeps all others from a table until the connection that it returns is dropped.
    pub(crate) async fn lock(&self, table: &str) -> tokio_postgres::Client {
        let client = self.connect().await;
        let lock = format!("BEGIN; LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE");
        client.batch_execute(&lock).await.unwrap();
        client
    }

    /// Waits until so many sessions wait for locks.
    pub(crate) async fn await_waiting(&self, count: usize) {
        let client = self.connect().await;
        let waiting = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND \
                       wait_event_type = 'Lock'";
        while client.query(waiting, &[]).await.unwrap().len() < count {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    pub(crate) async fn remove(self) {
        let drop = format!("DROP DATABASE {} WITH (FORCE)", self.name);
        at_server(&self.server, &drop).await;
    }
}

/// Returns the location of a database that is reached by a URL.
pub(crate) fn location(url: &url::Url) -> Location {
    Location::Postgres {
        url: Secret::new(url.as_str()),
        options: PostgresOptions {
            connections: 4,
            start_timeout: Duration::ZERO,
            ..PostgresOptions::default()
        },
    }
}

async fn at_server(server: &str, command: &str) {
    let (client, connection) = tokio_postgres::connect(server, tokio_postgres::NoTls)
        .await
        .unwrap();
    let connection = tokio::spawn(connection);
    client.batch_execute(command).await.unwrap();
    drop(client);
    connection.await.unwrap().unwrap();
}
