//! The one writer: writes that wait together share one transaction and one fsync, each in a
//! savepoint of its own.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use crate::domain::{Error, Result};
use crate::store::part::Guarded;
use crate::store::write::Steps;

use super::bound;
use super::connection::{Failure, Patience, open_writer};

/// How many writes share one fsync at most, so that none waits long for the others.
const GROUP: usize = 256;
/// Between two groups, for another process to get in.
const PAUSE: Duration = Duration::from_millis(2);

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
}

impl Writer {
    /// Works until nobody can send any more.
    pub(super) fn run(mut self, mut tasks: mpsc::Receiver<Task>) {
        while let Some(task) = tasks.blocking_recv() {
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
            if !tasks.is_empty() {
                thread::sleep(PAUSE);
            }
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
        let outcome = commit_group(&connection, group);
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

/// Applies each write of a group in its own savepoint and commits once. The outcomes are for the
/// callers only now: even a refusal may rest on what another write of the group did.
fn commit_group(connection: &Connection, group: &[Job]) -> Result<Vec<Result<()>>, GroupFailed> {
    run(connection, "BEGIN IMMEDIATE").map_err(|error| GroupFailed::RolledBack(error.into()))?;
    let mut outcomes = Vec::with_capacity(group.len());
    for job in group {
        run(connection, "SAVEPOINT one_write")?;
        let outcome = attempt(connection, &job.steps);
        if connection.is_autocommit() {
            // A full disk takes back the whole transaction, savepoints and all. The statements
            // after it would be committed one by one.
            return Err(GroupFailed::RolledBack(match outcome {
                Err(Stop::Failed(failure)) => failure,
                Err(Stop::Refused(_)) | Ok(()) => Failure {
                    unavailable: false,
                    locked: false,
                    cause: "the transaction ended by itself".to_owned(),
                },
            }));
        }
        if outcome.is_err() {
            run(connection, "ROLLBACK TO one_write")?;
        }
        run(connection, "RELEASE one_write")?;
        outcomes.push(outcome.map_err(|stop| match stop {
            Stop::Refused(error) => error,
            Stop::Failed(failure) => failure.error(),
        }));
    }
    run(connection, "COMMIT")?;
    Ok(outcomes)
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

fn attempt(connection: &Connection, steps: &Steps) -> Result<(), Stop> {
    if step(connection, &steps.operation)? == 0 {
        return Ok(());
    }
    for guarded in &steps.rest {
        let count = step(connection, guarded)?;
        guarded.check(count).map_err(Stop::Refused)?;
    }
    Ok(())
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
