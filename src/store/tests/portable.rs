//! Everything moved, backed up and restored.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::*;
use crate::domain::wrapped::Wrapped;
use crate::store::look::Query;
use crate::store::migrate::{MIGRATIONS, Purpose};
use crate::store::nouns::{Kind, OF_SCHEMA};
use crate::store::portable::{self, BATCH, Batch, Hold, Piece, Progress, Table, TableSum};
use crate::store::postgres::Postgres;
use crate::store::row::Row;
use crate::store::sqlite::{self, Sqlite};
use crate::store::write::Steps;
use crate::store::{Answer, Driver, access_key as access_keys, account as accounts, change, meta};

on_both_databases! {
    a_backup_taken_while_writes_go_on_has_what_was_acknowledged_before
    what_keeps_writers_waiting_lets_them_go_on
    a_backup_restores_into_this_database
    a_store_that_is_not_empty_is_not_filled
}

/// A column's name, its type, and whether it may be null.
type Declared = (String, String, bool);

/// The line of a table as the list would have it, of its columns.
fn line(name: &str, columns: &[Declared]) -> String {
    let columns: Vec<String> = columns
        .iter()
        .map(|(name, kind, nullable)| {
            let kind = match kind.to_ascii_lowercase().as_str() {
                "integer" | "bigint" => "integer",
                "text" => "text",
                "blob" | "bytea" => "bytes",
                other => panic!("column {name}: {other} is no type that both databases share"),
            };
            format!("{name}:{kind}{}", if *nullable { "?" } else { "" })
        })
        .collect();
    format!("{name} columns={}", columns.join(","))
}

fn listed() -> Vec<String> {
    let mut lines: Vec<String> = portable::tables()
        .iter()
        .map(|table| {
            let kind = |kind| match kind {
                Kind::Integer => "integer",
                Kind::Text => "text",
                Kind::Bytes => "blob",
            };
            let columns: Vec<_> = table
                .columns
                .iter()
                .map(|column| {
                    (
                        column.name.clone(),
                        kind(column.kind).to_owned(),
                        column.nullable,
                    )
                })
                .collect();
            line(&table.name, &columns)
        })
        .collect();
    lines.sort();
    lines
}

const ADVICE: &str = "a migration and the list of tables differ: change the list in \
                      src/store/nouns.rs with the migration";

#[tokio::test]
async fn the_list_of_tables_is_the_schema_of_sqlite() {
    let (place, sqlite, store) = super::files::open().await;
    let (mut found, keys, references) = sqlite
        .on_writer(|connection| {
            let rows = |text: &str| -> Vec<Vec<String>> {
                let mut statement = connection.prepare(text).unwrap();
                let count = statement.column_count();
                let mut cursor = statement.query(()).unwrap();
                let mut rows = Vec::new();
                while let Some(row) = cursor.next().unwrap() {
                    rows.push(
                        (0..count)
                            .map(|index| row.get::<_, String>(index).unwrap())
                            .collect(),
                    );
                }
                rows
            };
            let mut lines = Vec::new();
            let mut keys = Vec::new();
            let mut references = Vec::new();
            let names = rows("SELECT name FROM sqlite_master WHERE type = 'table'").concat();
            for name in names
                .into_iter()
                .filter(|name| !OF_SCHEMA.contains(&name.as_str()))
            {
                let columns = rows(&format!(
                    "SELECT name, type, CAST(\"notnull\" AS TEXT), CAST(pk AS TEXT) FROM \
                     pragma_table_info('{name}') ORDER BY cid"
                ));
                let typed: Vec<_> = columns
                    .iter()
                    .map(|column| (column[0].clone(), column[1].clone(), column[2] == "0"))
                    .collect();
                lines.push(line(&name, &typed));
                let mut key: Vec<_> = columns.iter().filter(|column| column[3] != "0").collect();
                key.sort_by_key(|column| column[3].parse::<u32>().unwrap());
                keys.push((
                    name.clone(),
                    key.iter()
                        .map(|column| column[0].clone())
                        .collect::<Vec<_>>(),
                ));
                let referenced = rows(&format!(
                    "SELECT \"table\" FROM \
                     pragma_foreign_key_list('{name}')"
                ))
                .concat();
                references.extend(
                    referenced
                        .into_iter()
                        .map(|referenced| (name.clone(), referenced)),
                );
            }
            (lines, keys, references)
        })
        .await;
    found.sort();
    assert_eq!(found, listed(), "{ADVICE}");

    let tables = portable::tables();
    let place_of = |name: &str| tables.iter().position(|table| table.name == name).unwrap();
    for (name, key) in keys {
        let table = &tables[place_of(&name)];
        if key.is_empty() {
            assert_eq!(
                table.key.len(),
                table.columns.len(),
                "table {name} has no primary key: all its columns are to order it"
            );
        } else {
            assert_eq!(table.key, key, "table {name}: {ADVICE}");
        }
    }
    for (name, referenced) in references {
        assert!(
            place_of(&referenced) < place_of(&name),
            "in the list of tables, {referenced} has to stand before {name}, which refers to it"
        );
    }
    for sum in portable::sums(&store).await.unwrap() {
        let seeded = tables[place_of(&sum.table)].seeded;
        assert_eq!(
            seeded,
            sum.rows > 0,
            "table {}: `seeded` in the list says whether a migration puts rows there",
            sum.table
        );
    }
    place.remove().await;
}

#[tokio::test]
async fn the_list_of_tables_is_the_schema_of_postgres() {
    let Some(place) = Place::on_postgres().await else {
        return;
    };
    let store = place.store().await;
    let columns = Statement {
        table: "information_schema",
        text: "SELECT table_name::text AS table_name, column_name::text AS column_name, \
               data_type::text AS data_type, \
               is_nullable::text AS is_nullable FROM information_schema.columns WHERE table_schema \
               = 'public' \
               ORDER BY table_name, ordinal_position",
    };
    let mut tables: Vec<(String, Vec<Declared>)> = Vec::new();
    for row in store.query(columns, Vec::new()).await.unwrap() {
        let name = row.text("table_name").unwrap();
        if OF_SCHEMA.contains(&name.as_str()) {
            continue;
        }
        if tables.last().is_none_or(|(last, _)| *last != name) {
            tables.push((name, Vec::new()));
        }
        let column = (
            row.text("column_name").unwrap(),
            row.text("data_type").unwrap(),
            row.text("is_nullable").unwrap() == "YES",
        );
        tables.last_mut().unwrap().1.push(column);
    }
    let mut found: Vec<String> = tables
        .iter()
        .map(|(name, columns)| line(name, columns))
        .collect();
    found.sort();
    assert_eq!(found, listed(), "{ADVICE}");
    drop(store);
    place.remove().await;
}

/// Rows of every table, with what databases could disagree about.
const SAMPLE: &[&str] = &[
    "INSERT INTO account (id, name, generation, created_at) VALUES (1, 'a', 1, 1), (3, 'B', 2, 2), \
     (9007199254740993, '中', 3, 3), \
     (4, '_', 1, 1), (5, 'ä', 1, 1), (6, 'a b', 1, 1), (7, 'A', 1, 1), (8, '', 1, 1)",
    "INSERT INTO access_key (id, account_id, principal, sealed_secret, state, generation, \
     created_at) \
     SELECT name, id, '1:root', $1, 'active', 1, 1 FROM account",
    "INSERT INTO instance (id, cri_id, account_id, name, region, service, algorithm, kid_format, \
     token_ttl_seconds, registry_url, \
     default_mark, created_at, deleted_at, ecr_host) VALUES ('tcr-b', 'cri-b', 1, 'b', 'r', 's1', \
     'ES256', 'libtrust', 1, NULL, 0, 1, NULL, NULL), \
     ('tcr-B', 'cri-B', 1, 'B', 'r', 's2', 'ES256', 'libtrust', 1, 'https://example.com', 1, 1, 2, \
     'ecr.example.com')",
    "INSERT INTO credential (id, instance_id, principal, username, description, secret_hash, \
     state, generation, created_at, \
     expires_at, older_secret_hash, older_secret_ends_at) SELECT id, id, '1:root', 'numeric_id', \
     'x''y\n', $1, 'active', 0, 1, 2, $1, 3 FROM instance",
    "INSERT INTO sealing_key (id, wrapped, created_at) VALUES ('k', $1, 1)",
    "INSERT INTO signing_key (id, algorithm, wrapped_private, leaf_der, leaf_expires_at, \
     created_at) VALUES ('k', 'ES256', $1, $1, 1, 1)",
    "INSERT INTO instance_key (id, instance_id, algorithm, wrapped_private, state, created_at) \
     VALUES ('k', 'tcr-b', 'ES256', $1, 'in-use', 1)",
    "INSERT INTO authority (id, wrapped_private, certificate_der, created_at) VALUES ('k', $1, $1, \
     1)",
    "INSERT INTO operator (id, name, role, account_id, state, token_hash, older_token_hash, \
     older_token_ends_at, created_at) VALUES ('op-a', 'a', 'admin', NULL, 'active', $1, NULL, \
     NULL, 1), ('op-b', 'b', 'account-admin', 1, 'disabled', $1, $1, 2, 1)",
    "INSERT INTO console_session (hash, operator_id, token_hash, created_at, authenticated_at, \
     ends_at) VALUES ($1, 'op-a', $1, 1, 2, 3)",
    "INSERT INTO sso_session (hash, issuer, subject, name, claims, created_at, authenticated_at, \
     ends_at) VALUES ($1, 'i', 's', 'n', '{}', 1, NULL, 3)",
    "INSERT INTO audit (id, happened_at, request_id, action, principal, account_id, credential_id, \
     address, service, detail, outcome, access_key, writer, position, previous) VALUES ('1', 1, \
     'r', 'a', NULL, NULL, NULL, NULL, NULL, '{}', 'ok', NULL, '', 0, $1), ('2', 1, 'r', 'a', 'p', \
     -5, 'c', 'd', 's', '{}', 'ok', 'k', 'w', 1, $1)",
    "INSERT INTO audit_page (id, first_at, last_at, lines, bytes, contents, terms, digests, \
     writer, position, previous) VALUES ('1', 1, 1, '{}', 2, '', $1, $1, 'w', 2, $1)",
    "INSERT INTO audit_writer (id, position, link, moved_at) VALUES ('w', 2, $1, 1)",
    "INSERT INTO audit_key (id, wrapped_private, created_at) VALUES ('k', $1, 1)",
    "INSERT INTO audit_checkpoint (number, made_at, signed) VALUES (1, 1, 's')",
    "INSERT INTO principal_id (id) SELECT id FROM account",
    "INSERT INTO account_user (id, account_id, name, state, generation, created_at) VALUES (4, 1, \
     'u', 'active', 1, 1)",
    "INSERT INTO account_group (account_id, name, created_at) VALUES (1, 'g', 1), (1, 'G', 1)",
    "INSERT INTO group_member (account_id, group_name, user_id) VALUES (1, 'g', 4), (1, 'G', 4)",
    "INSERT INTO role (id, account_id, name, trust_policy, max_session_seconds, state, generation, \
     created_at) \
     VALUES (5, 1, 'r', '{}', 1, 'active', 1, 1)",
    "INSERT INTO policy (account_id, name, document, changed_at) VALUES (1, 'p', '{}', 1)",
    "INSERT INTO policy_attachment (account_id, policy_name, policy_kind, user_id, group_name, \
     role_id) VALUES \
     (1, 'p', 'own', NULL, NULL, 5), (1, 'p', 'own', 4, NULL, NULL), (1, 'p', 'own', NULL, 'g', \
     NULL), (1, 'p', 'own', NULL, 'G', NULL)",
    "INSERT INTO oidc_provider (account_id, name, issuer, jwks, algorithms, created_at) VALUES (1, \
     'o', 'https://example.com', NULL, 'ES256', 1)",
    "INSERT INTO oidc_audience (account_id, provider_name, place, audience) VALUES (1, 'o', 0, \
     'a')",
    "INSERT INTO refused_subject (account_id, issuer, subject, refused_at) VALUES (1, \
     'https://example.com', 's', 1), (1, 'https://example.com', 'S', 1)",
    "INSERT INTO revocation (credential_id, revoked_at) VALUES ('c', 1)",
    "INSERT INTO namespace (id, number, instance_id, name, visibility, auto_create_repository, \
     default_visibility, default_tag_immutability, \
     auto_scan, prevent_vulnerable, severity, allowed_cves, created_at, modified_at) \
     VALUES ('crn-b', 1, 'tcr-b', 'team', 'public', 1, 'private', 0, 0, 0, '', 'CVE-2026-0001', 1, \
     1)",
    "INSERT INTO repository (id, instance_id, namespace_id, name, visibility, summary, detail, \
     tag_immutability, created_at, modified_at, tag_exclusions, scan_on_push, tags, \
     lifecycle_policy, lifecycle_evaluated_at, policy) \
     VALUES ('crr-b', 'tcr-b', 'crn-b', 'app', 'private', 's', '', 1, 1, 1, 'v* w', 1, \
     '{\"k\":\"v\"}', '{}', 1, '{}')",
    "INSERT INTO service_account (id, instance_id, name, description, made_hash, chosen_hash, \
     state, generation, created_at, modified_at, \
     expires_at, older_made_hash, older_chosen_hash, older_secret_ends_at) VALUES ('sa-a', \
     'tcr-b', 'a', '', $1, NULL, 'active', 1, 1, 1, 1, NULL, 'h', 2), ('sa-b', 'tcr-b', 'b', '', \
     NULL, 'h', 'active', 1, 1, 1, 1, $1, NULL, 2)",
    "INSERT INTO service_account_permission (service_account_id, namespace, actions) VALUES \
     ('sa-a', 'team', 'pull')",
    "INSERT INTO fixed_password (instance_id, principal, hash, generation, changed_at, old_name, \
     expires_at) VALUES ('tcr-b', '1:root', NULL, 1, 1, NULL, NULL), ('tcr-b', '1:user/4', 'h', 1, \
     1, 'Alice', 2)",
    "INSERT INTO allow_entry (instance_id, cidr, written, comment, place) VALUES ('tcr-b', \
     '10.0.0.0/8', '10.0.0.0/8', '', 0)",
    "INSERT INTO resource_tag (thing_id, instance_id, tag_key, tag_value) VALUES ('tcr-b', \
     'tcr-b', 'k', 'v')",
    "INSERT INTO last_use (kind, thing_id, used_at) VALUES ('access-key', 'k', 3600000)",
    "INSERT INTO session_policy (account_id, digest, charged_to, created_at, ends_at, document) \
     VALUES (1, 'd', '1:root', 1, 2, '{}')",
    "INSERT INTO activity (width, begins_at, name, amount) VALUES (60000, 1, 'exchanged', 2)",
    "INSERT INTO notice (id, kind, subject_kind, subject_id, name, account_id, instance_id, \
     ends_at, older_secret, refusals, created_at, state, attempts, due_at, failure) VALUES \
     ('msg-a', 'expiring', 'credential', 'c', '1:root', 1, 'tcr-b', 2, 1, NULL, 1, 'dead', 3, 2, \
     'f'), ('msg-b', 'test', 'service', 's', NULL, NULL, NULL, NULL, 0, 7, 1, 'kept', 0, 1, NULL)",
    "INSERT INTO signed_change (digest, request_id, made, ends_at) VALUES ('d', 'r', 'm', 2)",
];

/// Puts some rows into every table.
async fn put_sample(store: &Store) {
    let mut all = write()
        .then(meta::put(meta::ISSUER, b"https://example.com"))
        .changes(Entity::Account, &1);
    for text in SAMPLE {
        let bytes = if text.contains("$1") {
            vec![[0_u8, 255, 10].as_slice().into()]
        } else {
            Vec::new()
        };
        all = all.then(Part::of([Guarded::unguarded(
            Statement {
                table: "sample",
                text,
            },
            bytes,
        )]));
    }
    store.apply(all).await.unwrap();
    for sum in portable::sums(store).await.unwrap() {
        assert!(
            sum.rows > 0,
            "the sample has no row for table {}: add one to SAMPLE",
            sum.table
        );
    }
}

async fn copy(source: &Store, target: &Place) -> Result<Vec<TableSum>> {
    portable::copy(source, &target.location(), &Stopped, &SystemRandom).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_moves_to_postgres_and_back_with_the_same_digests() {
    let Some(server) = Place::on_postgres_that_sorts_by_language().await else {
        return;
    };
    let (before, after) = (Place::on_sqlite(), Place::on_sqlite());
    let source = before.store().await;
    put_sample(&source).await;
    let sums = portable::sums(&source).await.unwrap();
    assert_eq!(copy(&source, &server).await.unwrap(), sums);
    let between = server.store().await;
    assert_eq!(portable::sums(&between).await.unwrap(), sums);
    assert_eq!(copy(&between, &after).await.unwrap(), sums);
    let end = after.store().await;
    assert_eq!(portable::sums(&end).await.unwrap(), sums);
    // And it can be worked with: the feed goes on where it was.
    let next = Account {
        name: "next".to_owned(),
        ..account(100)
    };
    apply(&end, accounts::insert(&next)).await.unwrap();
    assert_eq!(
        change::position(&end).await.unwrap(),
        change::position(&source).await.unwrap() + 1
    );
    drop(between);
    for place in [server, before, after] {
        place.remove().await;
    }
}

/// A driver that fails after so many batches.
struct Failing {
    driver: Box<dyn Driver>,
    batches: AtomicUsize,
}

impl Driver for Failing {
    fn query_all(&self, queries: Vec<Query>) -> Answer<'_, Vec<Vec<Row>>> {
        self.driver.query_all(queries)
    }

    fn apply(&self, steps: Steps) -> Answer<'_, ()> {
        self.driver.apply(steps)
    }

    fn read_tables<'a>(
        &'a self,
        tables: &'a [Table],
        hold: Hold,
        pieces: mpsc::Sender<Piece>,
    ) -> Answer<'a, ()> {
        self.driver.read_tables(tables, hold, pieces)
    }

    fn fill(&self, batch: Batch) -> Answer<'_, ()> {
        let left = self.batches.load(Ordering::SeqCst);
        if left == 0 {
            return Box::pin(async { Err(Error::store_unavailable("the plug was pulled")) });
        }
        self.batches.store(left - 1, Ordering::SeqCst);
        self.driver.fill(batch)
    }

    fn check(&self) -> Answer<'_, ()> {
        self.driver.check()
    }
}

/// Opens a place to be filled, for so many batches.
async fn failing(place: &Place, batches: usize) -> Store {
    let purpose = Purpose::Fill(MIGRATIONS.len());
    let driver: Box<dyn Driver> = match place.location() {
        Location::Directory(directory) => Box::new(
            Sqlite::open(sqlite::Place::Directory(directory), purpose, NOW)
                .await
                .unwrap(),
        ),
        Location::Postgres { url, options } => Box::new(
            Postgres::open(&url, &options, purpose, &Stopped, &SystemRandom)
                .await
                .unwrap(),
        ),
        Location::Memory => unreachable!("no test's place is in memory"),
    };
    Store::over(Failing {
        driver,
        batches: AtomicUsize::new(batches),
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_interrupted_is_gone_on_with() {
    let Some(server) = Place::on_postgres().await else {
        return;
    };
    let others = [server, Place::on_sqlite()];
    let home = Place::on_sqlite();
    let source = home.store().await;
    put_sample(&source).await;
    // Several batches of one table.
    for hundred in 0..30 {
        let mut many = write();
        for number in 0..100 {
            let id = format!("key-{hundred}-{number}");
            many = many.then(access_keys::insert(&access_key(&id, &account(1))).unchecked());
        }
        source.apply(many).await.unwrap();
    }
    let sums = portable::sums(&source).await.unwrap();
    for target in &others {
        // Once with the plug pulled at each of the first steps, each time going on from there.
        for batches in 0..12 {
            let store = failing(target, batches.min(2)).await;
            let reading = source.read_tables(&portable::tables(), Hold::Writers);
            let ended = portable::fill(reading, &store, "the source", NOW).await;
            assert_eq!(ended.unwrap_err().kind(), &ErrorKind::StoreUnavailable);
            drop(store);
            if batches > 0 {
                for open in [Open::Serve, Open::Command] {
                    let refusal = target.try_open(open).await.unwrap_err();
                    assert!(
                        refusal.message().contains("not all in this database yet"),
                        "{refusal}"
                    );
                }
            }
        }
        let store = failing(target, 1000).await;
        let begun = portable::sums(&store).await.unwrap();
        let keys = begun
            .iter()
            .find(|sum| sum.table == "access_key")
            .unwrap()
            .rows;
        assert!(
            keys > BATCH as u64,
            "it never came to the second batch of a table: {keys}"
        );

        // Data other than that of the beginning is refused.
        let reading = source.read_tables(&portable::tables(), Hold::Writers);
        let refusal = portable::fill(reading, &store, "another source", NOW)
            .await
            .unwrap_err();
        assert!(refusal.message().contains("other data"), "{refusal}");

        let reading = source.read_tables(&portable::tables(), Hold::Writers);
        assert_eq!(
            portable::fill(reading, &store, "the source", NOW)
                .await
                .unwrap(),
            sums
        );
        drop(store);
        assert_eq!(portable::sums(&target.store().await).await.unwrap(), sums);
    }
    for place in others.into_iter().chain([home]) {
        place.remove().await;
    }
}

#[tokio::test]
async fn a_source_that_changed_meanwhile_is_found_out() {
    let (home, target) = (Place::on_sqlite(), Place::on_sqlite());
    let source = home.store().await;
    put_sample(&source).await;
    let begin = async |batches| {
        let store = failing(&target, batches).await;
        portable::fill(
            source.read_tables(&portable::tables(), Hold::Writers),
            &store,
            "it",
            NOW,
        )
        .await
    };
    begin(8).await.unwrap_err();
    apply(
        &source,
        raw(
            "account",
            "UPDATE account SET generation = generation + 1 WHERE id = 1",
        ),
    )
    .await
    .unwrap();
    let refusal = begin(1000).await.unwrap_err();
    assert!(refusal.message().contains("has changed since"), "{refusal}");
    home.remove().await;
    target.remove().await;
}

#[tokio::test]
async fn a_copy_that_differs_is_never_taken_for_done() {
    let (home, target) = (Place::on_sqlite(), Place::on_sqlite());
    let source = home.store().await;
    put_sample(&source).await;
    failing(&target, 1).await;
    let store = failing(&target, 1000).await;
    // A row that the source does not have, in a table that comes late.
    let stray = "INSERT INTO meta (name, value) VALUES ('stray', $1)".to_owned();
    store
        .0
        .driver
        .fill(Batch {
            before: None,
            text: stray,
            rows: vec![vec![b"x".as_slice().into()]],
        })
        .await
        .unwrap();
    let reading = source.read_tables(&portable::tables(), Hold::Writers);
    let refusal = portable::fill(reading, &store, "it", NOW)
        .await
        .unwrap_err();
    assert!(refusal.message().contains("not empty"), "{refusal}");
    home.remove().await;
    target.remove().await;
}

async fn a_store_that_is_not_empty_is_not_filled(place: &Place) {
    let home = Place::on_sqlite();
    let source = home.store().await;
    // Nobody ever started a service there.
    let refusal = copy(&source, place).await.unwrap_err();
    assert!(refusal.message().contains("there is no data"), "{refusal}");
    put_sample(&source).await;
    apply(&place.store().await, accounts::insert(&account(1)))
        .await
        .unwrap();
    let refusal = copy(&source, place).await.unwrap_err();
    assert!(refusal.message().contains("not empty"), "{refusal}");
    assert_eq!(place.store().await.accounts().await, [account(1)]);
    home.remove().await;
}

impl Store {
    async fn accounts(&self) -> Vec<Account> {
        accounts::list(self).await.unwrap()
    }
}

async fn what_keeps_writers_waiting_lets_them_go_on(place: &Place) {
    let store = place.store().await;
    put_sample(&store).await;
    let before = portable::sums(&store).await.unwrap();
    let tables = portable::tables();
    let mut reading = store.read_tables(&tables, Hold::Writers);
    // More pieces follow than the channel holds: until they are read, nobody writes.
    let first = reading.next().await.unwrap();
    assert!(matches!(first, Piece::Rows(_)));
    let late = tokio::spawn({
        let store = store.clone();
        async move { apply(&store, accounts::insert(&account(1000))).await }
    });
    let mut accounts = 0;
    let mut table = 0;
    while table < tables.len() {
        match reading.next().await.unwrap() {
            Piece::Rows(rows) if tables[table].name == "account" => accounts += rows.len(),
            Piece::EndOfTable => table += 1,
            _ => {}
        }
    }
    assert_eq!(
        Some(accounts),
        before
            .iter()
            .find(|sum| sum.table == "account")
            .map(|sum| sum.rows)
    );
    late.await.unwrap().unwrap();
    assert_eq!(store.accounts().await.len() as u64, accounts + 1);
}

/// A folder of a test's own for backups.
fn folder() -> PathBuf {
    let folder = std::env::temp_dir().join(unique("transire-backup-test-"));
    std::fs::create_dir(&folder).unwrap();
    folder
}

async fn restore(file: &Path, target: &Place) -> Result<Vec<TableSum>> {
    let admit = |_: &str, _: Option<&Wrapped>| Ok(());
    portable::restore(file, admit, &target.location(), &Stopped, &SystemRandom).await
}

async fn a_backup_restores_into_this_database(place: &Place) {
    let home = Place::on_sqlite();
    let source = home.store().await;
    put_sample(&source).await;
    let folder = folder();
    let file = folder.join("backup");
    let progress = Progress::default();
    let sums = portable::backup(&source, &file, None, &progress, &Stopped, &SystemRandom)
        .await
        .unwrap();
    let bytes = file.metadata().unwrap().len();
    assert!((1..bytes).contains(&progress.bytes()), "{bytes}");
    assert_eq!(restore(&file, place).await.unwrap(), sums);
    assert_eq!(portable::sums(&place.store().await).await.unwrap(), sums);
    let refusal = restore(&file, place).await.unwrap_err();
    assert!(refusal.message().contains("not empty"), "{refusal}");

    // And from here it is the same file again.
    let again = folder.join("again");
    portable::backup(
        &place.store().await,
        &again,
        None,
        &Progress::default(),
        &Stopped,
        &SystemRandom,
    )
    .await
    .unwrap();
    assert_eq!(
        std::fs::read(&again).unwrap(),
        std::fs::read(&file).unwrap()
    );
    std::fs::remove_dir_all(folder).unwrap();
    home.remove().await;
}

/// A build that put the tables into another order was taken for one with another schema.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_with_its_tables_in_another_order_is_restored() {
    let (home, target) = (Place::on_sqlite(), Place::on_sqlite());
    let source = home.store().await;
    put_sample(&source).await;
    let folder = folder();
    let file = folder.join("backup");
    let mut tables = portable::tables().to_vec();
    tables.sort_by_key(|table| table.name == "instance_key");
    let sums = portable::backup_of(
        &tables.into(),
        MIGRATIONS.len(),
        &source,
        (&file, None, &Progress::default()),
        &Stopped,
        &SystemRandom,
    )
    .await
    .unwrap();
    assert_eq!(sums.last().unwrap().table, "instance_key");
    assert_eq!(restore(&file, &target).await.unwrap(), sums);
    std::fs::remove_dir_all(folder).unwrap();
    for place in [home, target] {
        place.remove().await;
    }
}

#[tokio::test]
async fn a_backup_is_private_whole_and_overwrites_nothing() {
    use std::os::unix::fs::PermissionsExt;
    let home = Place::on_sqlite();
    let source = home.store().await;
    let folder = folder();
    let file = folder.join("backup");
    let backup = async || {
        portable::backup(
            &source,
            &file,
            None,
            &Progress::default(),
            &Stopped,
            &SystemRandom,
        )
        .await
    };
    assert!(
        backup()
            .await
            .unwrap_err()
            .message()
            .contains("there is no data")
    );
    put_sample(&source).await;
    backup().await.unwrap();
    assert_eq!(
        std::fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let text = std::fs::read(&file).unwrap();
    assert!(text.starts_with(b"transire backup 1\nschema "));
    let refusal = backup().await.unwrap_err();
    assert!(refusal.message().contains("is there already"), "{refusal}");
    assert_eq!(std::fs::read(&file).unwrap(), text);
    let left: Vec<_> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(left, ["backup"], "a draft was left");
    let refusal = portable::backup(
        &source,
        &folder.join("nowhere/backup"),
        None,
        &Progress::default(),
        &Stopped,
        &SystemRandom,
    )
    .await
    .unwrap_err();
    assert!(refusal.message().contains("can't be written"), "{refusal}");
    std::fs::remove_dir_all(folder).unwrap();
    home.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_that_was_cut_off_or_changed_is_refused_whole() {
    let (home, target) = (Place::on_sqlite(), Place::on_sqlite());
    let source = home.store().await;
    put_sample(&source).await;
    let folder = folder();
    let file = folder.join("backup");
    portable::backup(
        &source,
        &file,
        None,
        &Progress::default(),
        &Stopped,
        &SystemRandom,
    )
    .await
    .unwrap();
    let whole = std::fs::read(&file).unwrap();
    let damaged = folder.join("damaged");
    let refused = async |bytes: &[u8], what: &str| {
        std::fs::write(&damaged, bytes).unwrap();
        let refusal = restore(&damaged, &target).await.expect_err(what);
        assert_eq!(
            refusal.kind(),
            &ErrorKind::Misconfigured,
            "{what}: {refusal}"
        );
        assert!(
            refusal.message().contains("can't be used"),
            "{what}: {refusal}"
        );
    };
    for length in
        (0..whole.len())
            .step_by(97)
            .chain([whole.len() - 1, whole.len() - 33, whole.len() - 41])
    {
        refused(&whole[..length], &format!("cut at {length}")).await;
    }
    for place in (0..whole.len()).step_by(61).chain([whole.len() - 1]) {
        let mut bytes = whole.clone();
        bytes[place] ^= 1;
        refused(&bytes, &format!("changed at {place}")).await;
    }
    refused(&[whole.as_slice(), b"x"].concat(), "more at the end").await;
    // Nothing was written, not even an empty database.
    let Place::Sqlite(directory) = &target else {
        unreachable!()
    };
    assert!(!directory.exists());

    let ours = format!("schema {}\n", MIGRATIONS.len()).into_bytes();
    let at = whole
        .windows(ours.len())
        .position(|part| part == ours)
        .unwrap();
    std::fs::write(
        &damaged,
        [&whole[..at], b"schema 99\n", &whole[at + ours.len()..]].concat(),
    )
    .unwrap();
    let refusal = restore(&damaged, &target).await.unwrap_err();
    assert!(
        refusal.message().contains("use the newer transire"),
        "{refusal}"
    );
    assert!(!directory.exists());

    restore(&file, &target).await.unwrap();
    std::fs::remove_dir_all(folder).unwrap();
    home.remove().await;
    target.remove().await;
}

async fn a_backup_taken_while_writes_go_on_has_what_was_acknowledged_before(place: &Place) {
    let store = place.store().await;
    apply(&store, meta::put(meta::ISSUER, b"x")).await.unwrap();
    let acknowledged = Arc::new(AtomicUsize::new(0));
    let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let mut writers = JoinSet::new();
    for writer in 0..4 {
        let (store, acknowledged, stop) =
            (store.clone(), Arc::clone(&acknowledged), Arc::clone(&stop));
        writers.spawn(async move {
            let mut number = 0;
            while !stop.load(Ordering::SeqCst) {
                number += 1;
                apply(
                    &store,
                    accounts::insert(&account(writer * 1_000_000 + number)),
                )
                .await
                .unwrap();
                acknowledged.fetch_add(1, Ordering::SeqCst);
            }
        });
    }
    let so_many = async |more: usize| {
        let goal = acknowledged.load(Ordering::SeqCst) + more;
        while acknowledged.load(Ordering::SeqCst) < goal {
            tokio::task::yield_now().await;
        }
    };
    so_many(50).await;
    let folder = folder();
    let file = folder.join("backup");
    let before = store.accounts().await;
    portable::backup(
        &store,
        &file,
        None,
        &Progress::default(),
        &Stopped,
        &SystemRandom,
    )
    .await
    .unwrap();
    so_many(10).await;
    stop.store(true, Ordering::SeqCst);
    writers.join_all().await;

    let target = Place::on_sqlite();
    restore(&file, &target).await.unwrap();
    let restored = target.store().await;
    let there = restored.accounts().await;
    for account in &before {
        assert!(
            there.contains(account),
            "{account:?} was acknowledged before the backup"
        );
    }
    let after = store.accounts().await;
    assert!(there.len() < after.len(), "the writes did not go on");
    // One moment for all tables: each account came with one change and one operation.
    assert_eq!(
        change::position(&restored).await.unwrap(),
        there.len() as i64
    );
    assert_eq!(
        count(&restored, "SELECT COUNT(*) AS count FROM change").await,
        there.len() as i64
    );
    assert_eq!(
        count(&restored, "SELECT COUNT(*) AS count FROM operation").await,
        there.len() as i64 + 1
    );
    std::fs::remove_dir_all(folder).unwrap();
    target.remove().await;
}

#[tokio::test]
async fn a_seal_follows_the_end_and_is_asked_about_before_anything_is_written() {
    let (home, target) = (Place::on_sqlite(), Place::on_sqlite());
    let source = home.store().await;
    put_sample(&source).await;
    let folder = folder();
    let (file, other) = (folder.join("backup"), folder.join("other"));
    // The seal says what it was made for.
    let seal = |digest: &str| Wrapped::from_bytes(digest.as_bytes().to_vec());
    let progress = Progress::default();
    let seal: portable::Seal = Box::new(seal);
    let sums = portable::backup(
        &source,
        &file,
        Some(seal),
        &progress,
        &Stopped,
        &SystemRandom,
    );
    let sums = sums.await.unwrap();
    let location = target.location();
    let refuse = |_: &str, _: Option<&Wrapped>| Err(Error::misconfigured("not this one"));
    let refused = portable::restore(&file, refuse, &location, &Stopped, &SystemRandom).await;
    assert_eq!(refused.unwrap_err().message(), "not this one");
    let whole = std::fs::read(&file).unwrap();
    let frame = whole.len() - 9 - 64;
    for (what, bytes) in [
        (
            "another frame",
            [&whole[..frame], b"Z", &whole[frame + 1..]].concat(),
        ),
        ("a second seal", [&whole[..], &whole[frame..]].concat()),
        ("a seal cut off", whole[..whole.len() - 1].to_vec()),
    ] {
        std::fs::write(&other, bytes).unwrap();
        let admit = |_: &str, _: Option<&Wrapped>| Ok(());
        let refused = portable::restore(&other, admit, &location, &Stopped, &SystemRandom).await;
        let message = refused.unwrap_err().message().to_owned();
        assert!(message.contains("can't be used"), "{what}: {message}");
    }
    let admit = |digest: &str, seal: Option<&Wrapped>| {
        assert_eq!(seal.unwrap().as_bytes(), digest.as_bytes());
        Ok(())
    };
    let restored = portable::restore(&file, admit, &location, &Stopped, &SystemRandom).await;
    assert_eq!(restored.unwrap(), sums);
    std::fs::remove_dir_all(folder).unwrap();
    for place in [home, target] {
        place.remove().await;
    }
}

#[tokio::test]
async fn a_backup_from_elsewhere_is_a_file_once_it_is_whole() {
    let home = Place::on_sqlite();
    let store = home.store().await;
    put_sample(&store).await;
    let Place::Sqlite(folder) = &home else {
        unreachable!()
    };
    let (made, path) = (folder.join("made"), folder.join("received"));
    let progress = Progress::default();
    let written = portable::backup(&store, &made, None, &progress, &Stopped, &SystemRandom);
    written.await.unwrap();
    let whole = std::fs::read(&made).unwrap();
    let mut changed = whole.clone();
    changed[whole.len() / 2] ^= 1;
    let cut = whole[..whole.len() - 1].to_vec();
    let longer = [whole.as_slice(), &[0]].concat();
    let receive = async |bytes: Vec<u8>| {
        let receiving = portable::Receiving::into_file(&path, &SystemRandom)?;
        receiving.receive(std::io::Cursor::new(bytes)).await
    };
    let files = || std::fs::read_dir(folder).unwrap().count();
    let before = files();
    for bad in [cut, changed, longer, Vec::new()] {
        let refused = receive(bad).await.unwrap_err();
        assert_eq!(refused.kind(), &ErrorKind::Misconfigured);
        assert_eq!(files(), before, "nothing is left of it");
    }
    receive(whole.clone()).await.unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), whole);
    let refused = receive(whole).await.unwrap_err();
    assert!(refused.message().contains("is there already"), "{refused}");
    home.remove().await;
}
