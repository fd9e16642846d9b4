//! Replicas of two releases on one PostgreSQL database, and migrations that are cut short.

use std::fs;

use tokio_postgres::types::Type;

use super::*;
use crate::store::migrate::{MIGRATIONS, Migration, Purpose};
use crate::store::portable::{self, Progress};
use crate::store::postgres::Postgres;
use crate::store::{account as accounts, meta};

/// The statements of a release, as the file in `levels/` has them: one a line.
///
/// A release adds a file of its level: run `record_the_statements_of_this_level` (which is ignored
/// otherwise).
const LEVELS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/store/tests/levels");

struct Later;

impl Clock for Later {
    fn now(&self) -> Timestamp {
        NOW.plus(Duration::from_secs(61))
    }
}

async fn open_with(
    known: &'static [Migration],
    place: &Place,
    clock: &dyn Clock,
) -> Result<Postgres> {
    let Location::Postgres { url, options } = place.location() else {
        unreachable!()
    };
    Postgres::open_with(
        known,
        &url,
        &options,
        Purpose::Open(Open::Serve),
        clock,
        &SystemRandom,
    )
    .await
}

#[test]
#[ignore = "writes a file of the sources, when a release is made"]
fn record_the_statements_of_this_level() {
    let mut texts: Vec<&str> = crate::store::statements()
        .map(|statement| statement.text)
        .collect();
    texts.sort_unstable();
    fs::write(
        format!("{LEVELS}/{:04}.sql", MIGRATIONS.len()),
        texts.join("\n") + "\n",
    )
    .unwrap();
}

/// An older replica goes on while a newer one has upgraded the schema: each statement that it has
/// is run on the newest schema, with some value for each parameter. The values don't matter. A
/// table or a column that is gone does, and a new one that it would have to fill.
#[tokio::test]
async fn the_statements_of_earlier_releases_run_on_the_newest_schema() {
    let Some(place) = Place::on_postgres().await else {
        return;
    };
    drop(place.store().await);
    let Location::Postgres { url, .. } = place.location() else {
        unreachable!()
    };
    let (client, connection) = tokio_postgres::connect(url.expose(), tokio_postgres::NoTls)
        .await
        .unwrap();
    let connection = tokio::spawn(connection);
    let mut levels: Vec<_> = fs::read_dir(LEVELS)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    levels.sort();
    assert!(!levels.is_empty());
    for level in levels {
        let statements = fs::read_to_string(&level).unwrap();
        assert!(statements.lines().count() > 30, "{}", level.display());
        for text in statements.lines() {
            let place = format!("{}: {text}", level.display());
            client
                .batch_execute("BEGIN; SET CONSTRAINTS ALL DEFERRED")
                .await
                .unwrap();
            let prepared = client
                .prepare(text)
                .await
                .unwrap_or_else(|error| panic!("{place}: {error:?}"));
            let values: Vec<Value> = prepared
                .params()
                .iter()
                .map(|ty| match *ty {
                    Type::INT8 => 1.into(),
                    Type::BYTEA => b"x".as_slice().into(),
                    _ => "x".into(),
                })
                .collect();
            let values: Vec<_> = values
                .iter()
                .map(|value| value as &(dyn tokio_postgres::types::ToSql + Sync))
                .collect();
            if let Err(error) = client.execute(&prepared, &values).await {
                // 23503, 23505, 23514: the value refers to nothing, is there already, or is not one
                // of those allowed.
                let state = error.code().map_or("", |state| state.code());
                assert!(
                    matches!(state, "23503" | "23505" | "23514"),
                    "{place}: {error:?}"
                );
            }
            client.batch_execute("ROLLBACK").await.unwrap();
        }
    }
    drop(client);
    connection.await.unwrap().unwrap();
    place.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_older_replica_that_runs_goes_on_after_the_upgrade() {
    let Some(place) = Place::on_postgres().await else {
        return;
    };
    let (older, newest) = MIGRATIONS
        .split_last()
        .map(|(_, older)| (older, MIGRATIONS))
        .unwrap();
    let old = Store::over(open_with(older, &place, &Stopped).await.unwrap());
    apply(&old, meta::put(meta::ISSUER, b"x")).await.unwrap();
    let new = Store::over(open_with(newest, &place, &Stopped).await.unwrap());
    assert_eq!(
        count(&new, "SELECT COUNT(*) AS count FROM schema_version").await,
        newest.len() as i64
    );
    // Both write, and each sees what the other wrote.
    apply(&old, meta::put("old", b"1")).await.unwrap();
    apply(&new, accounts::insert(&account(1))).await.unwrap();
    assert_eq!(meta::find(&new, "old").await.unwrap().unwrap(), b"1");
    assert_eq!(accounts::list(&old).await.unwrap(), [account(1)]);
    // Started again, the older one is refused, and told why.
    let refusal = open_with(older, &place, &Stopped)
        .await
        .map(drop)
        .unwrap_err();
    assert!(
        refusal.message().contains("use the newer transire"),
        "{refusal}"
    );
    drop((old, new));
    place.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_migration_that_was_killed_is_taken_over_and_leaves_no_half() {
    let Some(place) = Place::on_postgres().await else {
        return;
    };
    let Place::Postgres {
        server,
        name,
        location: Location::Postgres { url, .. },
    } = &place
    else {
        unreachable!()
    };
    let old = Store::over(open_with(&MIGRATIONS[..2], &place, &Stopped).await.unwrap());
    apply(
        &old,
        raw(
            "account",
            "INSERT INTO account (id, name, generation, created_at) VALUES (7, 'a', 1, 1)",
        ),
    )
    .await
    .unwrap();
    drop(old);

    // The third step reads this table: it gets so far and waits.
    let (blocker, connection) = tokio_postgres::connect(url.expose(), tokio_postgres::NoTls)
        .await
        .unwrap();
    let connection = tokio::spawn(connection);
    // Another connection: in a transaction, the server shows its activity as it was at first.
    let (watcher, watching) = tokio_postgres::connect(url.expose(), tokio_postgres::NoTls)
        .await
        .unwrap();
    let watching = tokio::spawn(watching);
    blocker
        .batch_execute("BEGIN; LOCK TABLE account IN ACCESS EXCLUSIVE MODE")
        .await
        .unwrap();
    let waiting = format!(
        "SELECT pid FROM pg_stat_activity WHERE datname = '{name}' AND wait_event_type = 'Lock' \
         AND query LIKE '%CREATE TABLE principal_id%'"
    );
    let mut killed = Box::pin(open_with(MIGRATIONS, &place, &Stopped));
    let pid: i32 = loop {
        tokio::select! {
            done = &mut killed => panic!("it did not wait: {:?}", done.map(drop)),
            rows = watcher.query(&waiting, &[]) => {
                if let Some(row) = rows.unwrap().first() {
                    break row.get(0);
                }
            }
        }
    };
    // Killed: its process is gone, and the server notices.
    drop(killed);
    at_server(server, &format!("SELECT pg_terminate_backend({pid})")).await;
    let left: i64 = watcher
        .query_one(
            "SELECT COUNT(*) FROM pg_tables WHERE tablename = 'principal_id'",
            &[],
        )
        .await
        .unwrap()
        .get(0);
    assert_eq!(left, 0);
    let steps: i64 = watcher
        .query_one("SELECT COUNT(*) FROM schema_version", &[])
        .await
        .unwrap()
        .get(0);
    assert_eq!(steps, 2);
    blocker.batch_execute("ROLLBACK").await.unwrap();
    let holder: i64 = watcher
        .query_one("SELECT expires_at FROM schema_lease", &[])
        .await
        .unwrap()
        .get(0);
    assert!(
        holder > NOW.unix_millis(),
        "the dead one's lease is not what keeps others off"
    );

    // Its lease has run out by now.
    let new = Store::over(open_with(MIGRATIONS, &place, &Later).await.unwrap());
    assert_eq!(
        count(&new, "SELECT COUNT(*) AS count FROM schema_version").await,
        MIGRATIONS.len() as i64
    );
    assert_eq!(
        count(
            &new,
            "SELECT COUNT(*) AS count FROM principal_id WHERE id = 7"
        )
        .await,
        1
    );
    drop((new, blocker, watcher));
    connection.await.unwrap().unwrap();
    watching.await.unwrap().unwrap();
    place.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_of_an_older_schema_is_restored_and_brought_up_to_date() {
    let Some(place) = Place::on_postgres().await else {
        return;
    };
    let old = Store::over(open_with(&MIGRATIONS[..2], &place, &Stopped).await.unwrap());
    apply(&old, meta::put(meta::ISSUER, b"x")).await.unwrap();
    apply(
        &old,
        raw(
            "account",
            "INSERT INTO account (id, name, generation, created_at) VALUES (7, 'a', 1, 1)",
        ),
    )
    .await
    .unwrap();
    // As the list was then; what has no rows is left out.
    let then = [
        "meta key=name columns=name:text,value:bytes",
        "account key=id columns=id:integer,name:text,generation:integer,created_at:integer",
    ];
    let tables: Vec<_> = then
        .iter()
        .map(|line| portable::Table::parse(line).unwrap())
        .collect();
    let file = std::env::temp_dir().join(unique("transire-backup-"));
    portable::backup_of(
        &tables.into(),
        2,
        &old,
        (&file, None, &Progress::default()),
        &Stopped,
        &SystemRandom,
    )
    .await
    .unwrap();
    drop(old);

    let target = Place::on_sqlite();
    let sums = portable::restore(
        &file,
        |_, _| Ok(()),
        &target.location(),
        &Stopped,
        &SystemRandom,
    )
    .await
    .unwrap();
    assert_eq!(
        sums.iter().find(|sum| sum.table == "account").unwrap().rows,
        1
    );
    let store = target.try_open(Open::Command).await.unwrap();
    // The third step has converted the data.
    assert_eq!(
        count(
            &store,
            "SELECT COUNT(*) AS count FROM principal_id WHERE id = 7"
        )
        .await,
        1
    );
    fs::remove_file(file).unwrap();
    target.remove().await;
    place.remove().await;
}
