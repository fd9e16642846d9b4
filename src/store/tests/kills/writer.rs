//! The process that is killed. It says what it finds, and before and after each change what it
//! changes.

use std::env;
use std::fmt;
use std::io::Write as _;

use tokio::task::JoinSet;

use super::*;
use crate::domain::clock::SystemClock;
use crate::domain::secret::Secret;
use crate::store::audit::{self, AuditRow};
use crate::store::audit_page::{self, AuditLine, AuditPage};
use crate::store::credential as credentials;
use crate::store::signed_change::SignedChange;

pub(super) const NAME: &str = "store::tests::kills::writer::the_process_that_is_killed";
pub(super) const STORE: &str = "TRANSIRE_TEST_KILLED_STORE";
pub(super) const SINCE: &str = "TRANSIRE_TEST_KILLED_SINCE";

const WRITERS: usize = 6;
/// The most credentials of a writer; then it deletes.
const MAX_OWN: usize = 15;
/// More rows than one round makes.
const MAX_ROWS: u32 = 100_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "another test starts it, and kills it"]
async fn the_process_that_is_killed() {
    let place = env::var_os(STORE).and_then(|place| place.into_string().ok());
    let since = env::var_os(SINCE).and_then(|since| since.to_str()?.parse().ok());
    let (Some(place), Some(since)) = (place, since) else {
        return;
    };
    let location = if place.starts_with("postgres:") {
        let options = PostgresOptions {
            connections: 8,
            ..PostgresOptions::default()
        };
        let url = Secret::new(place);
        Location::Postgres { url, options }
    } else {
        Location::Directory(place.into())
    };
    let opening = Store::open(&location, Open::Serve, &SystemClock, &SystemRandom);
    let store = opening.await.unwrap();
    let [home]: [Instance; 1] = instances::list(&store, None)
        .await
        .unwrap()
        .try_into()
        .unwrap();
    say(format_args!("at {}", SystemClock.now().unix_millis()));
    let found = credentials::list(&store, &home.id).await.unwrap();
    for one in &found {
        say(format_args!("is {} {}", one.id, one.state.name()));
    }
    say_events(&store, Timestamp::from_unix_millis(since)).await;
    say(format_args!("ready"));
    write_for_ever(&store, &home, &found).await;
}

/// Says a line in one call of the system: no kill tears it. Without the test, it fails.
fn say(line: fmt::Arguments<'_>) {
    let line = format!("{line}\n");
    std::io::stderr().write_all(line.as_bytes()).unwrap();
}

/// Says which changes the audit has of a time and later, in rows and in pages.
async fn say_events(store: &Store, since: Timestamp) {
    let after = audit::first_id(since);
    for (row, _) in audit::list_stored(store, &after, MAX_ROWS).await.unwrap() {
        let id = row.credential_id.unwrap();
        say(format_args!("event {} {id}", row.action));
    }
    let pages = audit_page::list_stored(store, &after, MAX_ROWS);
    for stored in pages.await.unwrap() {
        for line in stored.page.lines.lines() {
            say(format_args!("event {line}"));
        }
    }
}

/// Each writer has credentials of its own, which nobody else changes.
async fn write_for_ever(store: &Store, home: &Instance, found: &[LongTermCredential]) {
    let mut writers = JoinSet::new();
    for number in 0..WRITERS {
        let mut writer = Writer {
            store: store.clone(),
            home: home.clone(),
            own: found
                .iter()
                .skip(number)
                .step_by(WRITERS)
                .cloned()
                .collect(),
        };
        writers.spawn(async move {
            loop {
                writer.change().await;
            }
        });
    }
    writers.join_next().await.unwrap().unwrap();
}

struct Writer {
    store: Store,
    home: Instance,
    own: Vec<LongTermCredential>,
}

impl Writer {
    async fn change(&mut self) {
        let count = self.own.len();
        if count == 0 || count < MAX_OWN && below(100) < 45 {
            let made = credential(&self.home);
            let insert = credentials::insert(&made, QUOTA);
            self.apply(Change::Issue, &made.id, insert).await;
            self.own.push(made);
            return;
        }
        let mut one = self.own.swap_remove(below(count as u32) as usize);
        let change = match one.state {
            _ if below(2) == 0 => Change::Delete,
            CredentialState::Active => Change::Disable,
            CredentialState::Disabled => Change::Enable,
        };
        let part = match change.after() {
            Some(state) => credentials::set_state(&one.id, state, Level::Root),
            None => credentials::delete(&one.id),
        };
        self.apply(change, &one.id, part).await;
        if let Some(state) = change.after() {
            one.state = state;
            self.own.push(one);
        }
    }

    /// Makes a change as the service does: with the claim of the call's signature and the event in
    /// one write.
    async fn apply(&self, change: Change, id: &CredentialId, part: Part) {
        let (at, action) = (SystemClock.now(), change.action());
        let signed = SignedChange {
            digest: unique(""),
            request_id: unique(""),
            made: (change == Change::Issue).then(|| id.to_string()),
            ends_at: at.plus(Duration::from_secs(600)),
        };
        let (row, line) = event(at, action, id, &signed.request_id);
        let write = Write::new(Operation::new(&SystemRandom, at)).then(part);
        let write = write.once(signed).audit_as(&row, Some(line));
        say(format_args!("begins {action} {id}"));
        self.store.apply(write).await.unwrap();
        say(format_args!("made {action} {id}"));
    }
}

/// Returns the event of a change as a row, and as a line.
fn event(at: Timestamp, action: &str, of: &CredentialId, request: &str) -> (AuditRow, AuditLine) {
    let id = audit::new_id(&SystemRandom, at);
    let line = AuditLine {
        id: id.clone(),
        at,
        text: format!("{action} {of}\n").into_bytes(),
        pages,
    };
    let row = AuditRow {
        id,
        at,
        request_id: request.to_owned(),
        action: action.to_owned(),
        principal: None,
        account: None,
        credential_id: Some(of.to_string()),
        address: None,
        service: None,
        access_key: None,
        detail: String::new(),
        outcome: "ok".to_owned(),
    };
    (row, line)
}

/// Makes one page of all lines.
fn pages(lines: &[&AuditLine]) -> Result<Vec<AuditPage>> {
    let texts: Vec<u8> = lines.iter().flat_map(|line| line.text.clone()).collect();
    let times = || lines.iter().map(|line| line.at);
    Ok(vec![AuditPage {
        id: lines[0].id.clone(),
        first_at: times().min().unwrap(),
        last_at: times().max().unwrap(),
        lines: String::from_utf8(texts).unwrap(),
        contents: String::new(),
        terms: Vec::new(),
    }])
}
