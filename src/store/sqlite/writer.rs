//! The one writer: writes that wait together share one transaction and one fsync, and their audit
//! events one page.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use crate::domain::{Error, Result};
use crate::store::audit_chain::Chain;
use crate::store::audit_page::{self, AuditLine};
use crate::store::part::Guarded;
use crate::store::write::Steps;

use super::connection::{Failure, LOOK_AGAIN, Patience, open_writer};
use super::values::bound;

/// How many writes share one fsync at most, so that none waits long for the others.
const GROUP: usize = 256;
/// How long groups follow each other before another process gets a turn.
const TURN: Duration = Duration::from_millis(100);
/// The pause for that: another process looks each [`LOOK_AGAIN`] whether the file is free.
const PAUSE: Duration = LOOK_AGAIN.saturating_add(Duration::from_millis(2));

pub(super) enum Task {
    Write(Job),
    #[cfg(test)]
    Look(Box<dyn FnOnce(&Connection) + Send>),
}

pub(super) struct Job {
    pub(super) steps: Steps,
    pub(super) answer: oneshot::Sender<Result<()>>,
}

/// The one connection of this process that writes.
pub(super) struct Writer {
    pub(super) path: PathBuf,
    /// `None` when it had to be given up and could not be opened again yet.
    pub(super) connection: Option<Connection>,
    pub(super) patience: Arc<Patience>,
    /// The chain of the audit's lines that this process writes.
    pub(super) chain: Chain,
}

impl Writer {
    /// Works until nobody can send any more.
    pub(super) fn run(mut self, mut tasks: mpsc::Receiver<Task>) {
        let (mut begun, mut idle) = (Instant::now(), Instant::now());
        while let Some(task) = tasks.blocking_recv() {
            if idle.elapsed() >= PAUSE {
                begun = Instant::now();
            }
            let mut group = Vec::new();
            let mut next = Some(task);
            while let Some(task) = next {
                match task {
                    // A caller that no longer waits was told that its write failed, so it should
                    // fail if it still can.
                    Task::Write(job) if job.answer.is_closed() => {}
                    Task::Write(job) => group.push(job),
                    #[cfg(test)]
                    Task::Look(look) => look(self.connection.as_ref().unwrap()),
                }
                next = if group.len() < GROUP {
                    tasks.try_recv().ok()
                } else {
                    None
                };
            }
            if !group.is_empty() {
                self.write(group);
            }
            if begun.elapsed() >= TURN {
                thread::sleep(PAUSE);
                begun = Instant::now();
            }
            idle = Instant::now();
        }
    }

    /// Writes a group, and answers everyone in it once it is durable or given up.
    fn write(&mut self, group: Vec<Job>) {
        match self.write_group(&group) {
            Ok(outcomes) => {
                for (job, outcome) in group.into_iter().zip(outcomes) {
                    // A caller may have gone away; its write is done all the same.
                    drop(job.answer.send(outcome));
                }
            }
            Err(failure) => {
                for job in group {
                    drop(job.answer.send(Err(failure.error())));
                }
            }
        }
    }

    fn write_group(&mut self, group: &[Job]) -> Result<Vec<Result<()>>, Failure> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => open_writer(&self.path, &self.patience)?,
        };
        let now = group.first().map(|job| job.steps.made_at);
        let mut chain = self.chain.clone().unless_idle(now.unwrap_or_default());
        let outcome = commit_group(&connection, group, &mut chain);
        match &outcome {
            Ok(_) => self.chain = chain,
            Err(GroupFailed::RolledBack(_)) => {}
            // Perhaps it was committed. So this chain ends, with those lines or without them.
            Err(GroupFailed::InDoubt(_)) => self.chain = Chain::begin(),
        }
        let locked = match &outcome {
            Err(GroupFailed::RolledBack(failure) | GroupFailed::InDoubt(failure)) => failure.locked,
            Ok(_) => false,
        };
        self.patience.locked.store(locked, Ordering::Relaxed);
        // Nothing that a connection believes about the file can be trusted after a COMMIT failed
        // half-way. Closing it rolls back what is open, and the next group opens another.
        if !matches!(outcome, Err(GroupFailed::InDoubt(_))) {
            self.connection = Some(connection);
        }
        outcome.map_err(|failed| match failed {
            GroupFailed::RolledBack(failure) | GroupFailed::InDoubt(failure) => failure,
        })
    }
}

/// Why a whole group failed.
enum GroupFailed {
    /// Nothing of it was applied, and the connection is as before.
    RolledBack(Failure),
    /// The connection is not to be used again.
    InDoubt(Failure),
}

impl From<rusqlite::Error> for GroupFailed {
    fn from(error: rusqlite::Error) -> Self {
        Self::InDoubt(error.into())
    }
}

/// The way in which the writes of a group are kept apart.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Apart {
    /// Nothing: the first that is refused takes all back.
    No,
    /// A savepoint of each.
    BySavepoints,
}

/// Applies the writes of a group and commits once. The outcomes are for the callers only now: even
/// a refusal may rest on what another write of the group did.
///
/// Few writes are refused, and a savepoint keeps a copy of each page that a write changes. So a
/// group has none until one of its writes is refused
/// (`docs/decisions/0044-what-a-durable-creation-writes.md`).
fn commit_group(
    connection: &Connection,
    group: &[Job],
    chain: &mut Chain,
) -> Result<Vec<Result<()>>, GroupFailed> {
    let before = chain.clone();
    if let Some(outcomes) = apply_group(connection, group, Apart::No, chain)? {
        return Ok(outcomes);
    }
    *chain = before;
    let outcomes = apply_group(connection, group, Apart::BySavepoints, chain)?;
    Ok(outcomes.unwrap_or_default())
}

/// As [`commit_group`]; nothing when all was taken back for one that was refused.
fn apply_group(
    connection: &Connection,
    group: &[Job],
    apart: Apart,
    chain: &mut Chain,
) -> Result<Option<Vec<Result<()>>>, GroupFailed> {
    run(connection, "BEGIN IMMEDIATE").map_err(|error| GroupFailed::RolledBack(error.into()))?;
    let events = if group.len() > 1 {
        Events::AsPages
    } else {
        Events::AsRows
    };
    let mut outcomes = Vec::with_capacity(group.len());
    let mut lines = Vec::new();
    for job in group {
        if apart == Apart::BySavepoints {
            run(connection, "SAVEPOINT one_write")?;
        }
        let mut extended = chain.clone();
        let outcome = attempt(connection, &job.steps, events, &mut extended);
        if connection.is_autocommit() {
            // A full disk takes back the whole transaction, savepoints and all. The statements
            // after it would be committed one by one.
            return Err(GroupFailed::RolledBack(match outcome {
                Err(Stop::Failed(failure)) => failure,
                Err(Stop::Refused(_)) | Ok(_) => Failure {
                    unavailable: false,
                    locked: false,
                    cause: "the transaction ended by itself".to_owned(),
                },
            }));
        }
        match (apart, &outcome) {
            (Apart::No, Err(_)) => {
                run(connection, "ROLLBACK")?;
                // Alone it is what is refused.
                return Ok((group.len() == 1).then(|| vec![outcome.map(drop).map_err(Stop::error)]));
            }
            (Apart::BySavepoints, Err(_)) => run(connection, "ROLLBACK TO one_write")?,
            (_, Ok(_)) => *chain = extended,
        }
        if apart == Apart::BySavepoints {
            run(connection, "RELEASE one_write")?;
        }
        outcomes.push(outcome.map(|more| lines.extend(more)).map_err(Stop::error));
    }
    add_pages(connection, &lines, chain)?;
    run(connection, "COMMIT")?;
    Ok(Some(outcomes))
}

/// Adds the events of a group as pages.
fn add_pages(
    connection: &Connection,
    lines: &[&AuditLine],
    chain: &mut Chain,
) -> Result<(), GroupFailed> {
    let (Some(first), Some(last)) = (lines.first(), lines.last()) else {
        return Ok(());
    };
    let pages = (first.pages)(lines).map_err(|error| Failure {
        unavailable: false,
        locked: false,
        cause: error.to_string(),
    });
    let pages = pages.map_err(GroupFailed::InDoubt)?;
    let added = pages
        .iter()
        .map(|page| chain.add(&audit_page::insert(page)));
    let mut statements: Vec<Guarded> = added.collect();
    statements.push(chain.moved(last.at));
    for guarded in statements {
        bound(connection, guarded.statement, &guarded.parameters)?.raw_execute()?;
    }
    Ok(())
}

fn run(connection: &Connection, text: &str) -> rusqlite::Result<()> {
    connection.prepare_cached(text)?.raw_execute().map(drop)
}

/// Why one write stopped.
enum Stop {
    /// A guard refused.
    Refused(Error),
    /// SQLite failed.
    Failed(Failure),
}

impl Stop {
    fn error(self) -> Error {
        match self {
            Self::Refused(error) => error,
            Self::Failed(failure) => failure.error(),
        }
    }
}

/// How the events of a write are stored.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Events {
    /// By the write, each as a row.
    AsRows,
    /// With those of the whole group, at its end, as far as they are lines.
    AsPages,
}

/// Applies one write, and returns the events that it left for the group's pages.
fn attempt<'s>(
    connection: &Connection,
    steps: &'s Steps,
    events: Events,
    chain: &mut Chain,
) -> Result<Vec<&'s AuditLine>, Stop> {
    if step(connection, &steps.operation)? == 0 {
        return Ok(Vec::new());
    }
    let mut lines = Vec::new();
    let checked = |guarded: &Guarded| {
        let count = step(connection, guarded)?;
        guarded.check(count).map_err(Stop::Refused)
    };
    steps.before.iter().try_for_each(checked)?;
    let mut is_moved = false;
    for audited in &steps.audits {
        match &audited.line {
            Some(line) if events == Events::AsPages => lines.push(line),
            _ => {
                checked(&chain.add(&audited.insert))?;
                is_moved = true;
            }
        }
    }
    if is_moved {
        checked(&chain.moved(steps.made_at))?;
    }
    steps.after.iter().try_for_each(checked)?;
    Ok(lines)
}

/// Runs one statement and returns how many rows it touched, or found when it only reads.
fn step(connection: &Connection, guarded: &Guarded) -> Result<u64, Stop> {
    let result =
        bound(connection, guarded.statement, &guarded.parameters).and_then(|mut prepared| {
            if prepared.column_count() == 0 {
                return prepared.raw_execute().map(|count| count as u64);
            }
            let mut cursor = prepared.raw_query();
            let mut count = 0;
            while cursor.next()?.is_some() {
                count += 1;
            }
            Ok(count)
        });
    result.map_err(|error| {
        if is_taken(&error) {
            Stop::Refused(guarded.refusal())
        } else {
            Stop::Failed(error.into())
        }
    })
}

fn is_taken(error: &rusqlite::Error) -> bool {
    use rusqlite::ffi::{SQLITE_CONSTRAINT_PRIMARYKEY, SQLITE_CONSTRAINT_UNIQUE};
    let code = error.sqlite_error().map(|error| error.extended_code);
    matches!(
        code,
        Some(SQLITE_CONSTRAINT_PRIMARYKEY | SQLITE_CONSTRAINT_UNIQUE)
    )
}
