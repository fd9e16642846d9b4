//! Whether the database is there: found out by probes, so that nobody else has to wait to find out.
//!
//! Once somebody probes, every call is bounded in number and time, and refused at once while the
//! database is known to be away; only a probe that is answered lets calls through again. A command,
//! for which nobody probes, waits as long as its driver does.

use std::future::Future;
use std::pin::pin;
use std::sync::OnceLock;
use std::time::Duration;

use tokio::sync::{Mutex, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use crate::domain::{Error, Result};

use super::Probed;

/// How many reads, and how many writes, may wait for the database at once. A healthy one works a
/// thousand off in a fraction of a second; what waits in vain holds some ten kilobytes each.
const MAX_WAITING: usize = 1024;
/// How long a probe may stay unanswered before the database counts as away: with the pause between
/// probes this is within a second of the loss.
const NOTICED: Duration = Duration::from_millis(750);
/// The same while it is away: then the next probe, with a connection of its own, is worth more than
/// waiting. A connection that was made while packets were lost may hear nothing for seconds after
/// they are no longer.
const ASK_AGAIN: Duration = Duration::from_millis(300);
/// A wait that ends so much later than it should says that this process stood still, and nothing of
/// the database.
const STOOD_STILL: Duration = Duration::from_millis(250);
/// How many probes may be under way, for those that hang; each ends by its own limit.
const PROBES: usize = 8;
/// How long one probe may take, from connecting on. With [`ASK_AGAIN`] and the pause between probes
/// all of those under way end before there are [`PROBES`], so that a new one can always begin.
const PROBE: Duration = Duration::from_millis(3500);

/// The guard between the service and its driver.
pub(super) struct Breaker {
    /// How long a call may take; nothing while nobody probes.
    patience: OnceLock<Duration>,
    away: watch::Sender<bool>,
    reads: Semaphore,
    writes: Semaphore,
    probes: Mutex<JoinSet<Result<Probed>>>,
}

/// The sort of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call {
    /// It reads: once the database is known to be away, waiting on brings nothing.
    Read,
    /// It reads for every request: it bypasses the limit on concurrent reads.
    PriorityRead,
    /// It writes: begun, it goes on to its limit, for its outcome would be unknown.
    Write,
}

impl Breaker {
    pub(super) fn new() -> Self {
        Self {
            patience: OnceLock::new(),
            away: watch::Sender::new(false),
            reads: Semaphore::new(MAX_WAITING),
            writes: Semaphore::new(MAX_WAITING),
            probes: Mutex::default(),
        }
    }

    /// Bounds every call from now on: somebody probes.
    pub(super) fn arm(&self, patience: Duration) {
        // The first who probes says how long.
        self.patience.set(patience).ok();
    }

    /// Tells whether somebody probes.
    pub(super) fn is_armed(&self) -> bool {
        self.patience.get().is_some()
    }

    pub(super) fn is_away(&self) -> bool {
        *self.away.borrow()
    }

    /// Does `work`, unless the database is away, or as soon as it is, or it takes too long.
    pub(super) async fn call<T>(
        &self,
        call: Call,
        work: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let Some(patience) = self.patience.get() else {
            return work.await;
        };
        if self.is_away() {
            return Err(away());
        }
        let places = match call {
            Call::Read => Some(&self.reads),
            Call::PriorityRead => None,
            Call::Write => Some(&self.writes),
        };
        let place = places.map(Semaphore::try_acquire).transpose();
        let _place =
            place.map_err(|_| Error::store_unavailable("more wait for the database than may"))?;
        let mut away_now = self.away.subscribe();
        let lost = async {
            if call == Call::Write || away_now.wait_for(|away| *away).await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        let (work, lost) = (pin!(work), pin!(lost));
        tokio::select! {
            biased;
            done = work => done,
            () = lost => Err(away()),
            () = sleep(*patience) => {
                let seconds = patience.as_secs_f32();
                Err(Error::store_unavailable(format!("no answer within {seconds} s")))
            }
        }
    }

    /// Begins another probe beside those that hang, and waits a moment for the answer of any;
    /// `renew` is called before calls are let through again.
    pub(super) async fn probe<P>(
        &self,
        ask: impl FnOnce() -> P,
        renew: impl FnOnce(),
    ) -> Result<Probed>
    where
        P: Future<Output = Result<Probed>> + Send + 'static,
    {
        let mut probes = self.probes.lock().await;
        if probes.len() < PROBES {
            let asked = ask();
            probes.spawn(async {
                timeout(PROBE, asked)
                    .await
                    .map_err(Error::store_unavailable)?
            });
        }
        let patience = if self.is_away() { ASK_AGAIN } else { NOTICED };
        let mut deadline = Instant::now() + patience;
        let (mut refused, mut stood_still) = (None, false);
        let outcome = loop {
            match timeout_at(deadline, probes.join_next()).await {
                Ok(Some(Ok(Ok(probed)))) => break Ok(probed),
                // Others may be answered yet.
                Ok(Some(Ok(Err(error)))) => refused = Some(error),
                Ok(Some(Err(error))) => refused = Some(Error::internal(error)),
                Ok(None) => break Err(refused.unwrap_or_else(away)),
                // The answer may have come meanwhile, and nobody has read it yet.
                Err(_) if !stood_still && deadline.elapsed() > STOOD_STILL => {
                    stood_still = true;
                    deadline = Instant::now() + patience;
                }
                Err(late) => break Err(refused.unwrap_or_else(|| Error::store_unavailable(late))),
            }
        };
        match &outcome {
            Ok(_) if self.is_away() => {
                renew();
                // Those that still hang would only tell of older times.
                *probes = JoinSet::new();
                self.away.send_replace(false);
            }
            Ok(_) => {}
            Err(_) => drop(
                self.away
                    .send_if_modified(|away| !std::mem::replace(away, true)),
            ),
        }
        outcome
    }
}

fn away() -> Error {
    Error::store_unavailable(
        "the database is known to be away; it is asked several times a second whether it is back",
    )
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};
    use std::sync::Arc;

    use tokio::sync::oneshot;

    use super::*;
    use crate::domain::ErrorKind;

    const PATIENCE: Duration = Duration::from_millis(100);

    async fn answered(position: i64) -> Result<Probed> {
        Ok(Probed {
            position,
            asked_at: Duration::ZERO,
        })
    }

    async fn refused() -> Result<Probed> {
        Err(Error::store_unavailable("refused"))
    }

    fn unavailable<T: std::fmt::Debug>(outcome: Result<T>) -> String {
        let error = outcome.unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::StoreUnavailable);
        error.cause().unwrap()
    }

    #[tokio::test]
    async fn without_a_probe_nothing_is_cut_short() {
        let breaker = Breaker::new();
        let work = async {
            sleep(2 * PATIENCE).await;
            Ok(7)
        };
        assert_eq!(breaker.call(Call::Read, work).await.unwrap(), 7);
    }

    #[tokio::test]
    async fn calls_are_bounded_in_time_and_number() {
        let breaker = Arc::new(Breaker::new());
        breaker.arm(PATIENCE);
        assert!(
            unavailable(breaker.call(Call::Write, pending::<Result<()>>()).await)
                .contains("no answer")
        );
        let mut waiting = JoinSet::new();
        for _ in 0..MAX_WAITING + 100 {
            let breaker = Arc::clone(&breaker);
            waiting.spawn(async move {
                unavailable(breaker.call(Call::Read, pending::<Result<()>>()).await)
            });
        }
        while breaker.reads.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        // The reads on which every request depends bypass the limit.
        breaker
            .call(Call::PriorityRead, ready(Ok(())))
            .await
            .unwrap();
        unavailable(breaker.call(Call::Read, ready(Ok(()))).await);
        let causes = waiting.join_all().await;
        assert_eq!(
            causes
                .iter()
                .filter(|cause| cause.contains("more wait"))
                .count(),
            100
        );
        // They gave their places back, and those of writes were never theirs.
        for call in [Call::Read, Call::Write] {
            breaker.call(call, ready(Ok(()))).await.unwrap();
        }
    }

    #[tokio::test]
    async fn only_an_answered_probe_lets_calls_through_again() {
        let breaker = Arc::new(Breaker::new());
        breaker.arm(Duration::from_secs(600));
        let reading = tokio::spawn({
            let breaker = Arc::clone(&breaker);
            async move { breaker.call(Call::Read, pending::<Result<()>>()).await }
        });
        unavailable(breaker.probe(refused, || panic!("it is not back")).await);
        assert!(breaker.is_away());
        // Waiting reads are let go, and new ones are not let in.
        unavailable(reading.await.unwrap());
        unavailable(breaker.call(Call::Write, ready(Ok(()))).await);
        let mut renewed = false;
        assert_eq!(
            breaker
                .probe(|| answered(3), || renewed = true)
                .await
                .unwrap()
                .position,
            3
        );
        assert!(renewed && !breaker.is_away());
        breaker.call(Call::Write, ready(Ok(()))).await.unwrap();
    }

    #[tokio::test]
    async fn a_probe_that_hangs_holds_up_no_other_and_counts_when_it_is_answered() {
        let breaker = Breaker::new();
        let (answer, late) = oneshot::channel::<()>();
        let hanging = async {
            late.await.ok();
            answered(1).await
        };
        unavailable(breaker.probe(|| hanging, || ()).await);
        assert!(breaker.is_away());
        answer.send(()).unwrap();
        assert_eq!(
            breaker
                .probe(pending::<Result<Probed>>, || ())
                .await
                .unwrap()
                .position,
            1
        );
        for _ in 0..2 * PROBES {
            unavailable(breaker.probe(pending::<Result<Probed>>, || ()).await);
        }
        // There is always room for another, because those that hang end.
        assert_eq!(
            breaker.probe(|| answered(2), || ()).await.unwrap().position,
            2
        );
        assert!(!breaker.is_away());
    }
}
