//! How old what this process remembers may be: other replicas revoke and disable, and the database tells of it.
//!
//! Every process knows when it last read the change feed. Within `max_staleness` it goes by what it remembers, though
//! it can't hear of changes; beyond it, everything is refused that rests on memory. What it can't decide meanwhile is
//! nobody's fault, and no reason to throw a good credential away.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use super::{LogIn, Service};
use crate::domain::clock::Clock;
use crate::domain::{Error, ErrorKind, Result};

/// How soon a loss is noticed: no bound is held more exactly than this.
const NOTICED: Duration = Duration::from_secs(1);
/// After so long something may have changed that matters here. A new sealing key is used half a minute after it was
/// made: whoever read the feed within these seconds knows all keys that anything can be sealed under.
const UNHEARD: Duration = Duration::from_secs(5);
/// How often in a second the feed is read for those who name something newer than what is known: a stranger can.
const LOOKS: u32 = 10;
/// How many of those may wait for it at once.
const WAITING: usize = 64;
/// How long one request waits for the feed that it finds too old.
const CATCHING_UP: Duration = Duration::from_secs(2);

/// When the change feed was last read.
pub(super) struct Freshness {
    bound: Duration,
    /// Whether a loss is refused as soon as it is noticed.
    strict: bool,
    /// By the process's own time, in milliseconds.
    read_at: AtomicU64,
    /// Whether the last look failed.
    cut_off: AtomicBool,
    /// Held by the request that reads the feed because nobody else did.
    reading: tokio::sync::Mutex<()>,
    /// Since when, and how often, the feed was read for what is newer.
    looks: std::sync::Mutex<(Duration, u32)>,
    waiting: tokio::sync::Semaphore,
}

impl Freshness {
    /// Begins now, when everything was just read.
    pub(super) fn new(max_staleness: Duration, clock: &dyn Clock) -> Self {
        Self {
            bound: max_staleness.max(NOTICED),
            strict: max_staleness.is_zero(),
            read_at: AtomicU64::new(millis(clock.uptime())),
            cut_off: AtomicBool::new(false),
            reading: tokio::sync::Mutex::default(),
            looks: std::sync::Mutex::default(),
            waiting: tokio::sync::Semaphore::new(WAITING),
        }
    }

    /// Notes that everything was heard of that had changed by `at`.
    pub(super) fn note_read(&self, at: Duration) {
        self.read_at.fetch_max(millis(at), Ordering::Release);
        self.cut_off.store(false, Ordering::Release);
    }

    /// Notes that the feed could not be read.
    pub(super) fn note_failure(&self) {
        self.cut_off.store(true, Ordering::Release);
    }

    /// Tells whether the feed could not be read the last time.
    pub(super) fn has_failed(&self) -> bool {
        self.cut_off.load(Ordering::Acquire)
    }

    /// Returns how long ago the feed was read.
    pub(super) fn age(&self, clock: &dyn Clock) -> Duration {
        clock.uptime().saturating_sub(Duration::from_millis(self.read_at.load(Ordering::Acquire)))
    }

    fn is_within_bound(&self, clock: &dyn Clock) -> bool {
        self.age(clock) <= self.bound && !(self.strict && self.has_failed())
    }

    /// Tells whether the feed may be read once more for what is newer, and counts that.
    fn may_look(&self, now: Duration) -> bool {
        let mut looks = self.looks.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if now.saturating_sub(looks.0) >= Duration::from_secs(1) {
            *looks = (now, 0);
        }
        looks.1 += 1;
        looks.1 <= LOOKS
    }

    fn is_cut_off(&self, clock: &dyn Clock) -> bool {
        self.has_failed() || self.age(clock) > UNHEARD
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

impl Service {
    /// Tells whether what is remembered may be gone by, as it is.
    pub(super) fn is_fresh(&self) -> bool {
        self.freshness.is_within_bound(&*self.clock)
    }

    /// Fails when what is remembered may be too old to go by. Every door's trust begins with it.
    pub(super) async fn check_freshness(&self) -> Result<()> {
        if self.is_fresh() { Ok(()) } else { Box::pin(self.refresh()).await }
    }

    /// Reads the feed for a request, unless it is known that it can't be read: this process may only have been stopped
    /// for a while, or nobody reads the feed in it at all, as in a command.
    async fn refresh(&self) -> Result<()> {
        let reading = async {
            let _reading = self.freshness.reading.lock().await;
            // Whoever waited finds it done.
            if self.is_fresh() { Ok(()) } else { self.catch_up().await }
        };
        let read = if self.store.is_away() { Err(None) } else { tokio::time::timeout(CATCHING_UP, reading).await.map_err(|_| None) };
        match read.and_then(|read| read.map_err(Some)) {
            Err(Some(error)) if error.kind() == &ErrorKind::StoreUnavailable => Err(error),
            // The keys may not have been read; that is no matter of age.
            _ if self.is_fresh() => Ok(()),
            _ => Err(Error::store_unavailable("what is remembered is older than max_staleness_seconds allows")),
        }
    }

    /// Reads the feed for a request that names something newer than what is known: somebody changed it elsewhere a
    /// moment ago, or a stranger made it up. Returns whether what is known is newer than the request.
    pub(super) async fn hear_news(&self) -> bool {
        let Ok(_waiting) = self.freshness.waiting.try_acquire() else { return false };
        if self.store.is_away() {
            return false;
        }
        let came_at = millis(self.clock.uptime());
        let reading = async {
            let _reading = self.freshness.reading.lock().await;
            // Whoever waited may find it done.
            self.freshness.read_at.load(Ordering::Acquire) > came_at
                || self.freshness.may_look(self.clock.uptime()) && self.catch_up().await.is_ok()
        };
        tokio::time::timeout(CATCHING_UP, reading).await.unwrap_or(false)
    }

    /// Tells whether something may have changed that this process hasn't heard of, and that a refusal may rest on.
    fn is_undecided(&self) -> bool {
        let keys_read = self.keyring_read_at.load(Ordering::Acquire) == self.directory.key_changes();
        !keys_read || self.freshness.is_cut_off(&*self.clock)
    }

    /// Turns a refusal that rests on what may have changed unheard into "can't be decided".
    pub(super) fn unless_undecided(&self, error: Error) -> Error {
        if self.is_undecided() { undecided(&error) } else { error }
    }

    /// As [`Self::unless_undecided`], for a refused log-in: only one that was wrong before, too, stays wrong.
    pub(super) async fn log_in_unless_undecided(&self, error: Error, log_in: &LogIn) -> Error {
        if error.kind() == &ErrorKind::BadCredentials && self.is_undecided() && !Box::pin(self.is_surely_wrong(log_in)).await {
            return undecided(&error);
        }
        error
    }
}

fn undecided(refusal: &Error) -> Error {
    let word = refusal.refusal_word();
    Error::store_unavailable(format!("it would be refused ({word}), but what others changed can't be read: {refusal}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::clock::SystemClock;

    #[test]
    fn the_feed_is_read_ten_times_a_second_for_those_who_name_what_is_newer() {
        let freshness = Freshness::new(Duration::from_mins(5), &SystemClock);
        let looks = |millis| (0..100).filter(|_| freshness.may_look(Duration::from_millis(millis))).count();
        assert_eq!([looks(5000), looks(5999), looks(6000)], [10, 0, 10]);
    }
}
