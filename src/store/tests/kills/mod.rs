//! Kill -9 of a process that writes to the store, again and again: what is there after it is what
//! was acknowledged, and what the audit says.
//!
//! `TRANSIRE_TEST_LONG=1` asks for the long form, and `TRANSIRE_TEST_ROUNDS` for another number of
//! kills. The totals are printed. `tests/clients/test_kills.py` does the same to the whole service.

mod known;
mod process;
mod writer;

use std::thread::sleep;
use std::time::{Duration, Instant};

use self::known::Known;
use self::process::Process;
use super::*;
use crate::store::{account as accounts, instance as instances};

/// How many kills are made on SQLite and on PostgreSQL.
const SHORT: [usize; 2] = [40, 15];
const LONG: [usize; 2] = [10_000, 1_000];
/// How many kills in a hundred come while the process starts, or recovers from the one before.
const EARLY: u32 = 30;

/// A change of a credential, and the state that is there after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    Issue,
    Disable,
    Enable,
    Delete,
}

impl Change {
    const ALL: [Self; 4] = [Self::Issue, Self::Disable, Self::Enable, Self::Delete];

    /// Returns its name in the audit.
    fn action(self) -> &'static str {
        match self {
            Self::Issue => "credential.issue-long-term",
            Self::Disable => "credential.disable",
            Self::Enable => "credential.enable",
            Self::Delete => "credential.delete",
        }
    }

    /// Returns the state after it; none for a credential that is gone.
    fn after(self) -> Option<CredentialState> {
        match self {
            Self::Issue | Self::Enable => Some(CredentialState::Active),
            Self::Disable => Some(CredentialState::Disabled),
            Self::Delete => None,
        }
    }
}

fn below(end: u32) -> u32 {
    u32::from_be_bytes(random_bytes(&SystemRandom)) % end
}

/// Waits for at most so long.
fn pause(most: Duration) {
    sleep(most * below(1000) / 1000);
}

/// Rounds of load, kill and look, all on one database.
struct Kills<'p> {
    place: &'p Place,
    known: Known,
    /// How long the last start took.
    start_up: Duration,
}

impl<'p> Kills<'p> {
    /// Makes a database with an instance.
    async fn begin(place: &'p Place) -> Self {
        let store = place.store().await;
        let home = instance(&account(1), "home");
        let parts = [accounts::insert(&account(1)), instances::insert(&home)];
        all(&store, parts).await;
        Self {
            place,
            known: Known::default(),
            start_up: Duration::from_millis(50),
        }
    }

    /// Makes so many kills, or as many as it takes to find something.
    async fn rounds(&mut self, count: usize) {
        while self.known.totals.kills < count && self.known.totals.found().is_empty() {
            self.round().await;
        }
        self.look().await;
    }

    /// Starts the process, and kills it at a moment that no step of it knows of.
    async fn round(&mut self) {
        let mut process = Process::start(self.place, self.known.since);
        self.known.totals.kills += 1;
        if below(100) < EARLY {
            self.known.totals.early += 1;
            pause(self.start_up);
        } else {
            let began = Instant::now();
            process.says("ready");
            self.start_up = began.elapsed();
            if below(2) == 0 {
                process.says("made");
            }
            pause(Duration::from_millis(50));
        }
        self.end(process).await;
    }

    /// Compares what a new process finds.
    async fn look(&mut self) {
        let mut process = Process::start(self.place, self.known.since);
        process.says("ready");
        self.end(process).await;
    }

    async fn end(&mut self, process: Process) {
        self.known.hear(&process.kill());
        if let Place::Postgres { server, name, .. } = self.place {
            await_sessions(server, name).await;
        }
    }
}

/// Waits until a killed process has no session: one may be in the middle of its commit.
async fn await_sessions(server: &str, database: &str) {
    let (client, connection) = tokio_postgres::connect(server, tokio_postgres::NoTls)
        .await
        .unwrap();
    let connection = tokio::spawn(connection);
    let others = "SELECT pid FROM pg_stat_activity WHERE datname = $1";
    let ends = Instant::now() + Duration::from_secs(30);
    while !client.query(others, &[&database]).await.unwrap().is_empty() {
        assert!(Instant::now() < ends, "a session doesn't end");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    drop(client);
    connection.await.unwrap().unwrap();
}

/// Makes as many rounds as are asked for, and prints the totals.
async fn many_rounds(place: &Place, short: usize, long: usize, how: &str) {
    let is_long = std::env::var_os("TRANSIRE_TEST_LONG").is_some_and(|value| value == "1");
    let given = std::env::var_os("TRANSIRE_TEST_ROUNDS");
    let long = given.map_or(long, |number| number.to_str().unwrap().parse().unwrap());
    let mut kills = Kills::begin(place).await;
    kills.rounds(if is_long { long } else { short }).await;
    let totals = &kills.known.totals;
    println!("{how}: {totals}");
    assert_eq!(totals.found(), Vec::<&String>::new());
    assert!(totals.acknowledged > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_kills_lose_nothing_and_revive_nothing_on_sqlite() {
    let place = Place::on_sqlite();
    many_rounds(&place, SHORT[0], LONG[0], "kill -9 of the store, SQLite").await;
    place.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_kills_lose_nothing_and_revive_nothing_on_postgres() {
    let Some(place) = Place::on_postgres().await else {
        return;
    };
    let how = "kill -9 of the store, PostgreSQL";
    many_rounds(&place, SHORT[1], LONG[1], how).await;
    place.remove().await;
}

/// Without this, the tests above could not fail.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_that_was_tampered_with_is_found() {
    let place = Place::on_sqlite();
    let Place::Sqlite(directory) = &place else {
        unreachable!()
    };
    let mut kills = Kills::begin(&place).await;
    // A change that is under way at the kill may hide what was done to its row.
    while kills.known.totals.lost.is_empty() || kills.known.totals.revived.is_empty() {
        kills.round().await;
        let database = rusqlite::Connection::open(directory.join("transire.db")).unwrap();
        let tamper = "UPDATE credential SET state = CASE state WHEN 'active' THEN 'disabled' ELSE \
                      'active' END; INSERT OR IGNORE INTO audit (id, happened_at, request_id, \
                      action, credential_id, detail, outcome) VALUES ('w~', 0, '', \
                      'credential.delete', 'nobody', '', 'ok')";
        database.execute_batch(tamper).unwrap();
        drop(database);
        kills.look().await;
    }
    let expected = "nobody never was, recorded [\"credential.delete\"]".to_owned();
    assert!(kills.known.totals.audit.contains(&expected));
    place.remove().await;
}
