//! How old what this process remembers may be: other replicas revoke and disable, and the database tells of it.
//!
//! Every process knows when it last read the change feed. Within `max_staleness` it goes by what it remembers, though
//! it can't hear of changes; beyond it, everything is refused that rests on memory. What it can't decide meanwhile is
//! nobody's fault, and no reason to throw a good credential away.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use crate::domain::clock::Clock;
use crate::domain::{Error, ErrorKind, Result};
use crate::service::memory::Memory;

/// How soon a loss is noticed: no bound is held more exactly than this.
const NOTICED: Duration = Duration::from_secs(1);
/// After so long something may have changed that matters here. A new sealing key is used half a minute after it was
/// made: whoever read the feed within these seconds knows all keys that anything can be sealed under.
const UNHEARD: Duration = Duration::from_secs(5);
/// How long the feed is left alone between two looks for those who name something newer than what is known: a stranger
/// can. Those who come meanwhile share the next look.
const BETWEEN_LOOKS: Duration = Duration::from_millis(100);
/// How many of those may wait for it at once, of each [`Crowd`].
const MAX_WAITING: usize = 256;
/// How long one request waits for the feed that it finds too old.
const CATCHING_UP: Duration = Duration::from_secs(2);

/// When the change feed was last read.
pub(in crate::service) struct Freshness {
    bound: Duration,
    /// Whether a loss is refused as soon as it is noticed.
    strict: bool,
    /// By the process's own time, in milliseconds.
    read_at: AtomicU64,
    /// Whether the last look failed.
    cut_off: AtomicBool,
    /// Held by the request that reads the feed because nobody else did.
    reading: tokio::sync::Mutex<()>,
    /// When the feed was last read for what is newer; held while that is done.
    looked_at: tokio::sync::Mutex<Option<Duration>>,
    /// How many of those looks began.
    looks: AtomicU64,
    /// The last one that succeeded.
    heard: AtomicU64,
    waiting: tokio::sync::Semaphore,
    slowed_waiting: tokio::sync::Semaphore,
}

/// Among whom a request waits: those who failed too often crowd out none but their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::service) enum Crowd {
    /// Among all whose address wasn't refused too often.
    Usual,
    /// Among those whose address was.
    Slowed,
}

impl Freshness {
    /// Begins now, when everything was just read.
    pub(in crate::service) fn new(max_staleness: Duration, clock: &dyn Clock) -> Self {
        Self {
            bound: max_staleness.max(NOTICED),
            strict: max_staleness.is_zero(),
            read_at: AtomicU64::new(millis(clock.uptime())),
            cut_off: AtomicBool::new(false),
            reading: tokio::sync::Mutex::default(),
            looked_at: tokio::sync::Mutex::default(),
            looks: AtomicU64::new(0),
            heard: AtomicU64::new(0),
            waiting: tokio::sync::Semaphore::new(MAX_WAITING),
            slowed_waiting: tokio::sync::Semaphore::new(MAX_WAITING),
        }
    }

    /// Notes that everything was heard of that had changed by `at`.
    pub(in crate::service) fn note_read(&self, at: Duration) {
        self.read_at.fetch_max(millis(at), Ordering::Release);
        self.cut_off.store(false, Ordering::Release);
    }

    /// Notes that the feed could not be read.
    pub(in crate::service) fn note_failure(&self) {
        self.cut_off.store(true, Ordering::Release);
    }

    /// Tells whether the feed could not be read the last time.
    pub(in crate::service) fn has_failed(&self) -> bool {
        self.cut_off.load(Ordering::Acquire)
    }

    /// Returns how long ago the feed was read.
    pub(in crate::service) fn age(&self, clock: &dyn Clock) -> Duration {
        clock.uptime().saturating_sub(Duration::from_millis(self.read_at.load(Ordering::Acquire)))
    }

    fn is_within_bound(&self, clock: &dyn Clock) -> bool {
        self.age(clock) <= self.bound && !(self.strict && self.has_failed())
    }

    /// Tells whether all was heard that had changed by a time, or by the look after `looks` others.
    fn was_heard_since(&self, came_at: u64, looks: u64) -> bool {
        self.heard.load(Ordering::Acquire) > looks || self.read_at.load(Ordering::Acquire) > came_at
    }

    fn is_cut_off(&self, clock: &dyn Clock) -> bool {
        self.has_failed() || self.age(clock) > UNHEARD
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

impl Memory {
    /// Tells whether what is remembered may be gone by, as it is.
    pub(in crate::service) fn is_fresh(&self) -> bool {
        self.staleness.is_within_bound(&*self.base.clock)
    }

    /// Fails when what is remembered may be too old to go by. Every door's trust begins with it.
    pub(in crate::service) async fn check_freshness(&self) -> Result<()> {
        if self.is_fresh() { Ok(()) } else { Box::pin(self.refresh()).await }
    }

    /// Reads the feed for a request, unless it is known that it can't be read: this process may only have been stopped
    /// for a while, or nobody reads the feed in it at all, as in a command.
    async fn refresh(&self) -> Result<()> {
        let reading = async {
            let _reading = self.staleness.reading.lock().await;
            // Whoever waited finds it done.
            if self.is_fresh() { Ok(()) } else { self.catch_up().await }
        };
        let read = if self.base.store.is_away() { Err(None) } else { tokio::time::timeout(CATCHING_UP, reading).await.map_err(|_| None) };
        match read.and_then(|read| read.map_err(Some)) {
            Err(Some(error)) if error.kind() == &ErrorKind::StoreUnavailable => Err(error),
            // The keys may not have been read; that is no matter of age.
            _ if self.is_fresh() => Ok(()),
            _ => Err(Error::store_unavailable("what is remembered is older than max_staleness_seconds allows")),
        }
    }

    /// Hears of all that had changed when it was called, for a request that names something newer than what is known:
    /// somebody changed it elsewhere a moment ago, or a stranger made it up.
    ///
    /// The feed is read ten times a second at most, and each look serves all who wait: strangers cost the database no
    /// more, and make nobody else wait longer. [`ErrorKind::Overloaded`] when too many wait, and
    /// [`ErrorKind::StoreUnavailable`] when the feed can't be read: then nothing is decided.
    pub(in crate::service) async fn hear_news(&self, crowd: Crowd) -> Result<()> {
        let waiting = match crowd {
            Crowd::Usual => &self.staleness.waiting,
            Crowd::Slowed => &self.staleness.slowed_waiting,
        };
        let full = |_| Error::new(ErrorKind::Overloaded, "Too many requests name what isn't known here yet; try again in a moment.");
        let _waiting = waiting.try_acquire().map_err(full)?;
        if self.base.store.is_away() {
            return Err(unheard());
        }
        let (came_at, looks) = (millis(self.base.clock.uptime()), self.staleness.looks.load(Ordering::Acquire));
        let looking = async {
            let mut looked_at = self.staleness.looked_at.lock().await;
            if self.staleness.was_heard_since(came_at, looks) {
                return Ok(());
            }
            if let Some(looked_at) = *looked_at {
                tokio::time::sleep(BETWEEN_LOOKS.saturating_sub(self.base.clock.uptime().saturating_sub(looked_at))).await;
                if self.staleness.was_heard_since(came_at, looks) {
                    return Ok(());
                }
            }
            *looked_at = Some(self.base.clock.uptime());
            let look = self.staleness.looks.fetch_add(1, Ordering::AcqRel) + 1;
            self.catch_up().await.map_err(|error| unheard().caused_by(error))?;
            self.staleness.heard.store(look, Ordering::Release);
            Ok(())
        };
        tokio::time::timeout(CATCHING_UP, looking).await.unwrap_or_else(|_| Err(unheard()))
    }

    /// Tells whether something may have changed that this process hasn't heard of, and that a refusal may rest on.
    pub(in crate::service) fn is_undecided(&self) -> bool {
        let keys_read = self.keys.read_at.load(Ordering::Acquire) == self.cache.key_changes();
        !keys_read || self.staleness.is_cut_off(&*self.base.clock)
    }

    /// Turns a refusal that rests on what may have changed unheard into "can't be decided".
    pub(in crate::service) fn unless_undecided(&self, error: Error) -> Error {
        if self.is_undecided() { undecided(&error) } else { error }
    }
}

fn unheard() -> Error {
    Error::store_unavailable("what others changed can't be read, and the request names what isn't known here")
}

pub(in crate::service) fn undecided(refusal: &Error) -> Error {
    let word = refusal.refusal_word();
    Error::store_unavailable(format!("it would be refused ({word}), but what others changed can't be read: {refusal}"))
}
