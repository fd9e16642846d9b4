//! SQLite alone: a file, a disk that fills, one writer.

use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::*;
use crate::store::account as accounts;
use crate::store::audit::{self, AuditRow};
use crate::store::audit_page::{self, AuditLine, AuditPage};
use crate::store::look::Query;
use crate::store::migrate::Purpose;
use crate::store::portable::{Batch, Hold, Piece, Table};
use crate::store::row::Row;
use crate::store::sqlite::{self, Sqlite};
use crate::store::write::Steps;
use crate::store::{Answer, Driver};

/// A driver that the test holds on to.
struct Shared(Arc<Sqlite>);

impl Driver for Shared {
    fn query_all(&self, queries: Vec<Query>) -> Answer<'_, Vec<Vec<Row>>> {
        self.0.query_all(queries)
    }

    fn apply(&self, steps: Steps) -> Answer<'_, ()> {
        self.0.apply(steps)
    }

    fn read_tables<'a>(
        &'a self,
        tables: &'a [Table],
        hold: Hold,
        pieces: mpsc::Sender<Piece>,
    ) -> Answer<'a, ()> {
        self.0.read_tables(tables, hold, pieces)
    }

    fn fill(&self, batch: Batch) -> Answer<'_, ()> {
        self.0.fill(batch)
    }

    fn check(&self) -> Answer<'_, ()> {
        self.0.check()
    }
}

pub(super) async fn open() -> (Place, Arc<Sqlite>, Store) {
    let place = Place::on_sqlite();
    let Place::Sqlite(directory) = &place else {
        unreachable!()
    };
    let sqlite = Arc::new(
        Sqlite::open(
            sqlite::Place::Directory(directory.clone()),
            Purpose::Open(Open::Serve),
            NOW,
        )
        .await
        .unwrap(),
    );
    let store = Store::over(Shared(Arc::clone(&sqlite)));
    (place, sqlite, store)
}

#[tokio::test]
async fn every_statement_prepares_on_sqlite() {
    let (place, sqlite, _store) = open().await;
    sqlite
        .on_writer(|connection| {
            for statement in crate::store::statements() {
                let count = sqlite::prepare(connection, statement)
                    .unwrap_or_else(|error| panic!("{statement:?}: {error}"));
                assert_eq!(count, parameters(statement.text), "{statement:?}");
            }
        })
        .await;
    place.remove().await;
}

/// Counts the different `$1` of a statement.
pub(super) fn parameters(text: &str) -> usize {
    (1..=99)
        .take_while(|number| text.contains(&format!("${number}")))
        .count()
}

#[tokio::test]
async fn a_commit_waits_for_the_disk_and_references_are_kept() {
    let (place, sqlite, _store) = open().await;
    let pragmas = sqlite
        .on_writer(|connection| {
            let number = |name| {
                connection
                    .pragma_query_value(None, name, |row| row.get::<_, i64>(0))
                    .unwrap()
            };
            let mode: String = connection
                .pragma_query_value(None, "journal_mode", |row| row.get(0))
                .unwrap();
            (mode, number("synchronous"), number("foreign_keys"))
        })
        .await;
    assert_eq!(pragmas, ("wal".to_owned(), 2, 1));
    place.remove().await;
}

#[tokio::test]
async fn a_store_in_memory_is_one_store_for_all_its_connections_and_nobody_elses() {
    let open = || Store::open(&Location::Memory, Open::Serve, &Stopped, &SystemRandom);
    let (store, other) = (open().await.unwrap(), open().await.unwrap());
    let mut writers = JoinSet::new();
    for number in 1..=50 {
        let store = store.clone();
        writers.spawn(async move {
            apply(&store, accounts::insert(&account(number))).await?;
            // Another connection reads what the writer's wrote.
            accounts::list(&store).await
        });
    }
    while let Some(read) = writers.join_next().await {
        assert!(!read.unwrap().unwrap().is_empty());
    }
    assert_eq!(accounts::list(&store).await.unwrap().len(), 50);
    assert!(accounts::list(&other).await.unwrap().is_empty());
}

#[tokio::test]
async fn nobody_else_can_read_the_files() {
    let (place, _sqlite, store) = open().await;
    apply(&store, accounts::insert(&account(1))).await.unwrap();
    let Place::Sqlite(directory) = &place else {
        unreachable!()
    };
    assert_eq!(
        std::fs::metadata(directory).unwrap().permissions().mode() & 0o777,
        0o700
    );
    for file in ["transire.db", "transire.db-wal", "transire.db-shm"] {
        assert_eq!(
            std::fs::metadata(directory.join(file))
                .unwrap()
                .permissions()
                .mode()
                & 0o777,
            0o600,
            "{file}"
        );
    }
    place.remove().await;
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused_and_left_alone() {
    let place = Place::on_sqlite();
    let Place::Sqlite(directory) = &place else {
        unreachable!()
    };
    std::fs::create_dir(directory).unwrap();
    let file = directory.join("transire.db");
    std::fs::write(
        &file,
        "a letter to my aunt, long enough to be no empty file at all".repeat(100),
    )
    .unwrap();
    let refusal = place.try_open(Open::Serve).await.unwrap_err();
    assert_eq!(refusal.kind(), &ErrorKind::Misconfigured);
    assert!(
        std::fs::read_to_string(&file)
            .unwrap()
            .starts_with("a letter")
    );
    place.remove().await;
}

/// Keeps the writer busy with `look`, which gets a function that returns when the test lets go.
async fn hold(
    sqlite: &Arc<Sqlite>,
    look: impl FnOnce(&rusqlite::Connection, &dyn Fn()) + Send + 'static,
) -> impl AsyncFnOnce() {
    let (release, released) = std::sync::mpsc::channel::<()>();
    let (begin, begun) = tokio::sync::oneshot::channel();
    let held = tokio::spawn({
        let sqlite = Arc::clone(sqlite);
        async move {
            let begin = std::cell::Cell::new(Some(begin));
            let wait = move || {
                begin.take().unwrap().send(()).unwrap();
                released.recv().unwrap();
            };
            sqlite
                .on_writer(move |connection| look(connection, &wait))
                .await;
        }
    });
    begun.await.unwrap();
    async move || {
        release.send(()).unwrap();
        held.await.unwrap();
    }
}

/// A write of one account whose name fills some pages.
fn large(number: i64) -> Account {
    Account {
        name: format!("{number}-{}", "x".repeat(40_000)),
        ..account(number)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_fails_the_whole_group_and_half_applies_nothing() {
    let (place, sqlite, store) = open().await;
    apply(&store, accounts::insert(&account(1))).await.unwrap();
    let limit = |connection: &rusqlite::Connection, pages: i64| {
        connection
            .pragma_update_and_check(None, "max_page_count", pages, |row| row.get::<_, i64>(0))
            .unwrap()
    };
    sqlite
        .on_writer(move |connection| {
            let pages: i64 = connection
                .pragma_query_value(None, "page_count", |row| row.get(0))
                .unwrap();
            // Room for a few of the writes that follow, but not for all.
            limit(connection, pages + 30);
        })
        .await;

    // The writer is held, so that all of these are one group.
    let let_go = hold(&sqlite, |_, wait| wait()).await;
    let mut writes = JoinSet::new();
    for number in 2..=20 {
        let store = store.clone();
        writes.spawn(async move { apply(&store, accounts::insert(&large(number))).await });
    }
    while sqlite.waiting() < 19 {
        tokio::task::yield_now().await;
    }
    let_go().await;
    for result in writes.join_all().await {
        assert_eq!(kind(result), ErrorKind::StoreUnavailable);
    }
    assert_eq!(accounts::list(&store).await.unwrap(), [account(1)]);
    assert_eq!(
        count(&store, "SELECT COUNT(*) AS count FROM operation").await,
        1
    );
    assert_eq!(
        count(&store, "SELECT COUNT(*) AS count FROM change").await,
        1
    );
    assert!(store.is_healthy().await);

    // One alone that is too large fails as well, and small ones go on.
    let too_large = Account {
        name: "x".repeat(400_000),
        ..account(2)
    };
    assert_eq!(
        kind(apply(&store, accounts::insert(&too_large)).await),
        ErrorKind::StoreUnavailable
    );
    apply(&store, accounts::insert(&account(2))).await.unwrap();

    sqlite
        .on_writer(move |connection| assert_eq!(limit(connection, 1_000_000), 1_000_000))
        .await;
    for number in 3..=20 {
        apply(&store, accounts::insert(&large(number)))
            .await
            .unwrap();
    }
    assert_eq!(accounts::list(&store).await.unwrap().len(), 20);
    place.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reading_does_not_wait_for_a_writer() {
    let (place, sqlite, store) = open().await;
    apply(&store, accounts::insert(&account(1))).await.unwrap();
    let let_go = hold(&sqlite, |connection, wait| {
        connection
            .execute_batch("BEGIN IMMEDIATE; DELETE FROM account")
            .unwrap();
        wait();
        connection.execute_batch("ROLLBACK").unwrap();
    })
    .await;
    assert_eq!(accounts::list(&store).await.unwrap(), [account(1)]);
    let_go().await;
    place.remove().await;
}

#[tokio::test]
async fn reading_can_not_write() {
    let (place, _sqlite, store) = open().await;
    let sneaky = Statement {
        table: "account",
        text: "INSERT INTO account (id, name, generation, created_at) VALUES (1, 'a', 1, 1) \
               RETURNING id",
    };
    assert!(store.query(sneaky, Vec::new()).await.is_err());
    assert_eq!(accounts::list(&store).await.unwrap(), []);
    place.remove().await;
}

/// An event, as a row and as a line that says the row's id.
fn event(id: &str) -> (AuditRow, AuditLine) {
    let row = AuditRow {
        id: id.to_owned(),
        at: NOW,
        request_id: "r".to_owned(),
        action: "account.create".to_owned(),
        principal: None,
        account: None,
        credential_id: None,
        address: None,
        service: None,
        access_key: None,
        detail: String::new(),
        outcome: "ok".to_owned(),
    };
    let line = AuditLine {
        id: id.to_owned(),
        at: NOW,
        text: format!("{id}\n").into_bytes(),
        pages: |lines| {
            let texts = lines.iter().map(|line| line.text.clone());
            Ok(vec![AuditPage {
                id: lines[0].id.clone(),
                first_at: NOW,
                last_at: NOW,
                lines: String::from_utf8(texts.collect::<Vec<_>>().concat()).unwrap(),
                contents: String::new(),
                terms: Vec::new(),
            }])
        },
    };
    (row, line)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_events_of_writes_that_are_committed_together_are_one_page() {
    let (place, sqlite, store) = open().await;
    let create = |number: i64, name: Option<String>| {
        let operation = name.map_or_else(
            || Operation::new(&SystemRandom, NOW),
            |name| Operation::named(name, NOW),
        );
        let (row, line) = event(&format!("e{number}"));
        let write = Write::new(operation).then(accounts::insert(&account(number)));
        write.audit_as(&row, Some(line))
    };
    let once = || Some("once".to_owned());
    store.apply(create(1, once())).await.unwrap();
    let let_go = hold(&sqlite, |_, wait| wait()).await;
    let mut writes = JoinSet::new();
    // One is refused, one was applied before, and one has an event that is no line.
    let refused = create(2, None).then(accounts::raise_generation(AccountId::new(9).unwrap()));
    let row_alone = Write::new(Operation::new(&SystemRandom, NOW)).audit(&event("e7").0);
    for write in [
        create(3, None),
        refused,
        create(1, once()),
        create(4, None),
        row_alone,
    ] {
        let waiting = sqlite.waiting();
        let store = store.clone();
        writes.spawn(async move { store.apply(write).await });
        while sqlite.waiting() == waiting {
            tokio::task::yield_now().await;
        }
    }
    let_go().await;
    let failed = writes.join_all().await.into_iter().filter(Result::is_err);
    assert_eq!(failed.count(), 1);
    assert_eq!(audit::list_new(&store, "", 9).await.unwrap(), ["e1", "e7"]);
    let pages = audit_page::list_new(&store, "", 9).await.unwrap();
    assert_eq!(pages, ["e3"]);
    let lines = audit_page::read(&store, &["e3"]).await.unwrap();
    assert_eq!(lines, [("e3".to_owned(), "e3\ne4\n".to_owned())]);
    assert_eq!(accounts::list(&store).await.unwrap().len(), 3);
    place.remove().await;
}
