//! Counters of one connection: its limits in time, and its slot, depend on them.
//!
//! No request reads a clock for them: [`Ticks`] counts seconds for all connections together.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Notify;

/// The periods by which the age of answers is counted; see [`Activity::has_stale_answer`].
const PERIODS: usize = 4;

/// Seconds since the service began to listen.
#[derive(Debug, Default)]
pub(super) struct Ticks(AtomicU32);

impl Ticks {
    pub(super) fn now(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }

    /// Advances the time.
    #[cfg(test)]
    pub(super) fn advance(&self, seconds: u32) {
        self.0.fetch_add(seconds, Ordering::Relaxed);
    }

    /// Counts seconds until it is dropped.
    pub(super) async fn keep(&self) {
        let mut seconds = tokio::time::interval(Duration::from_secs(1));
        // The first tick comes at once.
        seconds.tick().await;
        loop {
            seconds.tick().await;
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// How many connections of one address, or of one network, never carried an authenticated caller.
pub(super) type Tally = Arc<AtomicUsize>;

/// One connection's counters, shared by its task, its requests and the list of open connections.
pub(super) struct Activity {
    ticks: Arc<Ticks>,
    /// The least seconds that a client has to take an answer.
    answer_seconds: u32,
    requests: AtomicU32,
    in_work: AtomicU32,
    http2: AtomicBool,
    /// The second in which the last request began or ended; before the first, in which the
    /// connection began.
    active_at: AtomicU32,
    received: AtomicU64,
    /// The bytes received when the last request was answered.
    received_at_answer: AtomicU64,
    sent: AtomicU64,
    /// Whether the socket took nothing more at the last try.
    send_blocked: AtomicBool,
    /// Whether hyper's buffer is empty.
    flushed: AtomicBool,
    /// Answers that the client hasn't taken yet, by the period in which they began.
    unsent: [AtomicU32; PERIODS],
    /// Whether `tallies` count it.
    tallied: AtomicBool,
    tallies: Vec<Tally>,
    /// Whether it was told to close, so that its slot counts as free.
    yields: AtomicBool,
    /// Wakes the connection's task to close it.
    pub(super) close: Notify,
}

/// A connection's state at one moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look {
    pub(super) requests: u32,
    pub(super) in_work: u32,
    /// Whether bytes came since the last answer.
    pub(super) has_begun_another: bool,
    pub(super) sent: u64,
    pub(super) send_blocked: bool,
    /// Whether all of its requests are answered, and all of the answers sent.
    pub(super) may_rest: bool,
}

impl Activity {
    /// Begins with a connection that no request has come by; `tallies` count it until it is
    /// authenticated or closed.
    pub(super) fn new(ticks: Arc<Ticks>, answer_seconds: u32, tallies: Vec<Tally>) -> Self {
        for tally in &tallies {
            tally.fetch_add(1, Ordering::Relaxed);
        }
        Self {
            active_at: AtomicU32::new(ticks.now()),
            ticks,
            answer_seconds: answer_seconds.max(1),
            requests: AtomicU32::new(0),
            in_work: AtomicU32::new(0),
            http2: AtomicBool::new(false),
            received: AtomicU64::new(0),
            received_at_answer: AtomicU64::new(0),
            sent: AtomicU64::new(0),
            send_blocked: AtomicBool::new(false),
            flushed: AtomicBool::new(false),
            unsent: Default::default(),
            tallied: AtomicBool::new(true),
            tallies,
            yields: AtomicBool::new(false),
            close: Notify::new(),
        }
    }

    pub(super) fn look(&self) -> Look {
        let (requests, in_work) = (
            self.requests.load(Ordering::Relaxed),
            self.in_work.load(Ordering::Relaxed),
        );
        Look {
            requests,
            in_work,
            may_rest: requests > 0 && in_work == 0 && self.flushed.load(Ordering::Relaxed),
            has_begun_another: self.received.load(Ordering::Relaxed)
                > self.received_at_answer.load(Ordering::Relaxed),
            sent: self.sent.load(Ordering::Relaxed),
            send_blocked: self.send_blocked.load(Ordering::Relaxed),
        }
    }

    pub(super) fn is_http2(&self) -> bool {
        self.http2.load(Ordering::Relaxed)
    }

    /// Tells whether it never carried an authenticated caller, and isn't being closed for that.
    pub(super) fn is_tallied(&self) -> bool {
        self.tallied.load(Ordering::Relaxed)
    }

    /// Returns the second in which the last request, or the connection itself, began or ended.
    pub(super) fn active_at(&self) -> u32 {
        self.active_at.load(Ordering::Relaxed)
    }

    /// Returns its rank among connections to close when slots are short; the least closes first.
    ///
    /// Connections that wait for their client come before those with a request in work, and longer
    /// silence comes first.
    pub(super) fn rank(&self) -> (bool, u32) {
        (self.in_work.load(Ordering::Relaxed) > 0, self.active_at())
    }

    /// Tells whether an answer waits for its client for too long: `answer_seconds` at least, three
    /// times as long at most.
    ///
    /// HTTP/2's flow control lets a client hold an answer back for ever: with a window of no bytes,
    /// 1,000 connections of 100 streams held 1.25 GiB. A timer for each answer would cost every
    /// request; counters by period cost two additions.
    pub(super) fn has_stale_answer(&self) -> bool {
        let period = self.period();
        // The present period and the one before it are young enough.
        [2, 1]
            .iter()
            .any(|ahead| self.unsent[(period + ahead) % PERIODS].load(Ordering::Relaxed) > 0)
    }

    fn period(&self) -> usize {
        usize::try_from(self.ticks.now() / self.answer_seconds).unwrap_or(0)
    }

    /// Stops counting it among the connections without an authenticated caller, and returns whether
    /// it was counted.
    pub(super) fn leave_tallies(&self) -> bool {
        let was_tallied = self.tallied.swap(false, Ordering::Relaxed);
        if was_tallied {
            for tally in &self.tallies {
                tally.fetch_sub(1, Ordering::Relaxed);
            }
        }
        was_tallied
    }

    /// Tells its task to close it because its slot is needed, unless a caller was authenticated
    /// meanwhile.
    ///
    /// Returns whether the task was told.
    pub(super) fn yield_slot(&self) -> bool {
        let yields = self.leave_tallies();
        if yields {
            self.yields.store(true, Ordering::Relaxed);
            self.close.notify_one();
        }
        yields
    }

    /// Tells whether it was told to close because its slot is needed.
    pub(super) fn is_yielding(&self) -> bool {
        self.yields.load(Ordering::Relaxed)
    }

    /// Records that an authenticated caller sent a request by it.
    pub(super) fn authenticate(&self) {
        // A swap for each request would move its cache line between processors, so a load comes
        // first.
        if self.is_tallied() {
            self.leave_tallies();
        }
    }

    /// Counts a request until the guard is dropped.
    pub(super) fn begin(self: &Arc<Self>, version: hyper::Version) -> InWork {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.in_work.fetch_add(1, Ordering::Relaxed);
        self.active_at.store(self.ticks.now(), Ordering::Relaxed);
        if version == hyper::Version::HTTP_2 {
            self.http2.store(true, Ordering::Relaxed);
        }
        InWork(Arc::clone(self))
    }

    /// Counts an answer until the guard is dropped.
    pub(super) fn hold_answer(self: &Arc<Self>) -> Unsent {
        let period = self.period() % PERIODS;
        self.unsent[period].fetch_add(1, Ordering::Relaxed);
        Unsent {
            activity: Arc::clone(self),
            period,
        }
    }

    /// Counts received bytes. Only the connection's own task may call it.
    pub(super) fn receive(&self, bytes: usize) {
        self.received.store(
            self.received.load(Ordering::Relaxed) + bytes as u64,
            Ordering::Relaxed,
        );
    }

    /// Records that hyper has nothing left to write. Only the connection's own task may call it.
    pub(super) fn flush(&self) {
        self.flushed.store(true, Ordering::Relaxed);
    }

    /// Counts bytes that the socket took, or records that it takes no more. Only the connection's
    /// own task may call it.
    pub(super) fn send(&self, taken: Option<usize>) {
        self.flushed.store(false, Ordering::Relaxed);
        match taken {
            Some(bytes) => {
                self.sent.store(
                    self.sent.load(Ordering::Relaxed) + bytes as u64,
                    Ordering::Relaxed,
                );
                self.send_blocked.store(false, Ordering::Relaxed);
            }
            None => self.send_blocked.store(true, Ordering::Relaxed),
        }
    }
}

impl Drop for Activity {
    fn drop(&mut self) {
        self.leave_tallies();
    }
}

/// Counts a request until it is answered, or its client breaks off.
pub(super) struct InWork(Arc<Activity>);

impl Drop for InWork {
    fn drop(&mut self) {
        let activity = &self.0;
        activity.in_work.fetch_sub(1, Ordering::Relaxed);
        activity
            .active_at
            .store(activity.ticks.now(), Ordering::Relaxed);
        activity
            .received_at_answer
            .store(activity.received.load(Ordering::Relaxed), Ordering::Relaxed);
    }
}

/// Counts an answer until its client took it.
pub(super) struct Unsent {
    activity: Arc<Activity>,
    period: usize,
}

impl Drop for Unsent {
    fn drop(&mut self) {
        self.activity.unsent[self.period].fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn activity(ticks: &Arc<Ticks>) -> Arc<Activity> {
        Arc::new(Activity::new(Arc::clone(ticks), 10, Vec::new()))
    }

    #[test]
    fn an_answer_is_stale_after_its_seconds_and_before_three_times_as_many() {
        let ticks = Arc::new(Ticks::default());
        for begun_at in 0..40 {
            ticks.0.store(begun_at, Ordering::Relaxed);
            let activity = activity(&ticks);
            let unsent = activity.hold_answer();
            let stale_from = (begun_at..begun_at + 40).find(|second| {
                ticks.0.store(*second, Ordering::Relaxed);
                activity.has_stale_answer()
            });
            let age = stale_from.unwrap() - begun_at;
            assert!((11..30).contains(&age), "stale after {age} s");
            drop(unsent);
            assert!(!activity.has_stale_answer());
        }
    }

    #[test]
    fn a_connection_is_tallied_until_it_is_authenticated_or_gone() {
        let (tally, ticks) = (Tally::default(), Arc::new(Ticks::default()));
        let new = || Activity::new(Arc::clone(&ticks), 10, vec![Arc::clone(&tally)]);
        let (first, second) = (new(), new());
        assert_eq!(tally.load(Ordering::Relaxed), 2);
        first.authenticate();
        first.authenticate();
        assert_eq!(tally.load(Ordering::Relaxed), 1);
        drop((first, second));
        assert_eq!(tally.load(Ordering::Relaxed), 0);
    }
}
