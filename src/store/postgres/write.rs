//! A write: its statements are pipelined, each count is read, then comes the COMMIT, and after some
//! failures another try.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::sync::{MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use deadpool_postgres::Transaction;
use tokio::time::{sleep, timeout};
use tokio_postgres::IsolationLevel;
use tokio_postgres::error::SqlState;

use crate::domain::{Error, Result};
use crate::store::audit_chain::Chain;
use crate::store::part::Guarded;
use crate::store::write::Steps;

use super::connect::{IDLE_TIMEOUT, Isolation, LOCK_TIMEOUT, Statements};
use super::error::{Stop, no_connection};
use super::values::typed;
use super::{ATTEMPTS, Cause, Lease, Postgres, WITHOUT_TIMEOUT};

/// How long a write may take with all its tries.
pub(super) const TRIES: Duration = Duration::from_secs(20);
/// The longest pause before a write is tried again.
const MAX_PAUSE: Duration = Duration::from_millis(500);
/// Tells the replicas that listen. It is a transaction of its own, after the write's: a database
/// that doesn't know NOTIFY would fail the write by it, and PostgreSQL lets commits with a
/// notification in them through one at a time. It is nothing that a disk or a standby must have
/// before the write is acknowledged.
const NOTIFY: &str = "BEGIN; SET LOCAL synchronous_commit = off; NOTIFY transire_change; COMMIT";
/// How long a write that is done waits for the notification; replicas that poll hear of it anyway.
const NOTIFYING: Duration = Duration::from_millis(200);

/// A statement that is sent when it is first polled. The answer to one of a write is how many rows
/// it touched or found.
pub(super) type Sent<'s, T = u64> =
    Pin<Box<dyn Future<Output = Result<T, tokio_postgres::Error>> + Send + 's>>;

/// When a write was applied.
enum Applied {
    /// By this try.
    Now,
    /// By an earlier one, whose outcome wasn't known.
    Before,
}

impl Postgres {
    pub(super) async fn write(&self, steps: &Steps) -> Result<()> {
        let mut in_doubt = false;
        // The id of the operation is random, and keeps those who were in each other's way apart.
        let name = format!("{:?}", steps.operation.parameters.first());
        let (mut attempt, mut broken) = (0, 0);
        loop {
            // The guards are written for READ COMMITTED, and hold the rows that they rest on; at a
            // stricter level each write that waits for the change counter fails and starts again.
            // So there the writes of one process take turns, and only those of different replicas
            // meet.
            let turn = match self.options.isolation {
                Isolation::Serializable if steps.announces => Some(self.turn.lock().await),
                Isolation::Serializable | Isolation::ReadCommitted => None,
            };
            let last: Cause = match self.lease().await {
                Ok(mut client) => match self.in_time(self.chained(&mut client, steps)).await {
                    Ok(Ok(())) => {
                        // It is done: the next writer need not wait for the notification.
                        drop(turn);
                        self.notify(client, steps).await;
                        return Ok(());
                    }
                    Ok(Err(Stop::Refused(error))) => {
                        client.give_back();
                        return Err(error);
                    }
                    // As often as the time allows: at the strictest level, concurrent writes are
                    // answered so.
                    Ok(Err(Stop::Conflict)) => {
                        client.give_back();
                        drop(turn);
                        attempt += 1;
                        sleep(pause(attempt, &name)).await;
                        continue;
                    }
                    // This server is the primary no more; a new connection looks for who is.
                    Ok(Err(Stop::ReadOnly(error))) => error.into(),
                    // Perhaps it was applied. The next try's first statement says so, and if the
                    // server is still at that commit, it waits there until it is decided.
                    Ok(Err(Stop::Lost(error))) => {
                        in_doubt = true;
                        error.into()
                    }
                    Err(late) => {
                        in_doubt = true;
                        late
                    }
                },
                Err(error) if in_doubt => error.into(),
                Err(error) => return Err(no_connection(error)),
            };
            drop(turn);
            broken += 1;
            if broken == ATTEMPTS {
                return Err(Error::store_unavailable(last));
            }
            attempt += 1;
            sleep(pause(attempt, &name)).await;
        }
    }

    /// Tries a write, whose events go on with a chain that no other transaction has meanwhile.
    ///
    /// The chain of a write that may have been committed ends, with its lines or without them.
    async fn chained(&self, client: &mut Lease, steps: &Steps) -> Result<(), Stop> {
        if steps.audits.is_empty() {
            return self.transact(client, steps, &[]).await.map(drop);
        }
        let rested = self.chains().pop();
        let chain = rested.map_or_else(Chain::begin, |chain| chain.unless_idle(steps.made_at));
        let mut extended = chain.clone();
        let audited = steps.audited(&mut extended);
        let outcome = self.transact(client, steps, &audited).await;
        match &outcome {
            Ok(Applied::Now) => self.chains().push(extended),
            Ok(Applied::Before) | Err(Stop::Refused(_) | Stop::Conflict) => {
                self.chains().push(chain);
            }
            Err(Stop::ReadOnly(_) | Stop::Lost(_)) => {}
        }
        outcome.map(drop)
    }

    fn chains(&self) -> MutexGuard<'_, Vec<Chain>> {
        // A chain is right after any panic.
        self.chains.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tries a write: one trip to begin, one for all statements, one to commit.
    async fn transact(
        &self,
        client: &mut Lease,
        steps: &Steps,
        audited: &[Guarded],
    ) -> Result<Applied, Stop> {
        // Begun before the rest is sent: if beginning failed, the statements would be committed one
        // by one.
        let transaction = self.begin(client).await?;
        let mut sends: Vec<Sent<'_>> = Vec::new();
        if let Some(limits) = self.limits() {
            let transaction = &transaction;
            sends.push(Box::pin(async move {
                transaction.batch_execute(&limits).await.map(|()| 0)
            }));
        }
        let before = sends.len();
        for guarded in std::iter::once(&steps.operation).chain(steps.rest(audited)) {
            sends.push(self.send(&transaction, guarded).await?);
        }
        sends.push(Box::pin(async {
            transaction.batch_execute(WITHOUT_TIMEOUT).await.map(|()| 0)
        }));
        let mut counts = in_order(sends).await.into_iter();
        for limits in counts.by_ref().take(before) {
            limits?;
        }
        // Dropping a transaction rolls it back.
        if counts.next().transpose()?.is_none_or(|count| count == 0) {
            return Ok(Applied::Before);
        }
        for guarded in steps.rest(audited) {
            match counts.next() {
                Some(Ok(count)) => guarded.check(count).map_err(Stop::Refused)?,
                Some(Err(error)) if error.code() == Some(&SqlState::UNIQUE_VIOLATION) => {
                    return Err(Stop::Refused(guarded.refusal()));
                }
                Some(Err(error)) => return Err(error.into()),
                None => return Err(Stop::Refused(Error::internal("a statement has no answer"))),
            }
        }
        for lifted in counts {
            lifted?;
        }
        transaction.commit().await.map_err(Stop::from)?;
        Ok(Applied::Now)
    }

    /// Begins a transaction at the level that the settings ask for.
    async fn begin<'c>(
        &self,
        client: &'c mut Lease,
    ) -> Result<Transaction<'c>, tokio_postgres::Error> {
        let level = match self.options.isolation {
            Isolation::ReadCommitted => IsolationLevel::ReadCommitted,
            Isolation::Serializable => IsolationLevel::Serializable,
        };
        client
            .build_transaction()
            .isolation_level(level)
            .start()
            .await
    }

    /// Returns what bounds a transaction whose session was told nothing.
    fn limits(&self) -> Option<String> {
        let timeout = self.options.statement_timeout.as_millis();
        (self.options.statements == Statements::Unnamed).then(|| {
            format!(
                "SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'; SET LOCAL {IDLE_TIMEOUT}; SET \
                 LOCAL statement_timeout = {timeout}"
            )
        })
    }

    /// Makes a statement ready to be sent; the answer is how many rows it touched or found.
    async fn send<'s>(
        &self,
        transaction: &'s Transaction<'_>,
        guarded: &'s Guarded,
    ) -> Result<Sent<'s>, tokio_postgres::Error> {
        let text = guarded.statement.text;
        Ok(match self.options.statements {
            Statements::Prepared => {
                let prepared = transaction.prepare_cached(text).await?;
                Box::pin(async move {
                    transaction
                        .execute_raw(&prepared, &guarded.parameters)
                        .await
                })
            }
            Statements::Unnamed => Box::pin(async move {
                transaction
                    .execute_typed(text, &typed(&guarded.parameters))
                    .await
            }),
        })
    }

    /// Tells the other replicas that the change feed grew. That it can't be told is nothing to fail
    /// by.
    async fn notify(&self, client: Lease, steps: &Steps) {
        if !steps.announces || !self.notifies.load(Ordering::Relaxed) {
            return client.give_back();
        }
        match timeout(NOTIFYING, client.batch_execute(NOTIFY)).await {
            Ok(Ok(())) => client.give_back(),
            // The connection may still be in that transaction; it is not used again.
            Ok(Err(error)) => self.note_refusal(&error),
            Err(_) => tracing::debug!("no answer to NOTIFY"),
        }
    }
}

/// Returns how long to wait before another try, shorter or longer by what `name` gives.
pub(super) fn pause(attempt: u32, name: &str) -> Duration {
    let longest = (Duration::from_millis(10) * attempt * attempt).min(MAX_PAUSE);
    let hash = name.bytes().fold(attempt, |hash, byte| {
        hash.wrapping_mul(31).wrapping_add(u32::from(byte))
    });
    longest / 2 + longest * (hash % 64) / 128
}

/// Waits for all at once; each is first polled, and so sends its statement, in the order given.
pub(super) async fn in_order<T>(
    mut sends: Vec<Sent<'_, T>>,
) -> Vec<Result<T, tokio_postgres::Error>> {
    let mut done: Vec<Option<_>> = sends.iter().map(|_| None).collect();
    poll_fn(|context| {
        for (send, slot) in sends.iter_mut().zip(&mut done) {
            if slot.is_none()
                && let Poll::Ready(output) = send.as_mut().poll(context)
            {
                *slot = Some(output);
            }
        }
        if done.iter().all(Option::is_some) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
    done.into_iter().flatten().collect()
}
