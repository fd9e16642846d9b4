//! Bounds how stale this process's caches may be: other replicas revoke and disable, and the change
//! feed tells of it.
//!
//! Every process knows when it last read the change feed. Within `max_staleness` it trusts its
//! caches, though it can't read of changes; beyond it, it refuses everything that rests on them. A
//! refusal that may rest on a stale cache becomes `StoreUnavailable`: clients keep a good
//! credential and try again.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::domain::clock::Clock;
use crate::domain::{Error, ErrorKind, Result};
use crate::service::memory::Memory;
use crate::service::memory::single_flight::{SingleFlight, Turn};

/// How soon the loss of the feed is noticed: no bound is held more exactly than this.
const MIN_BOUND: Duration = Duration::from_secs(1);
/// The age after which the caches may be stale. A new sealing key is used half a minute after it
/// was made: a process that read the feed within these seconds knows all keys that anything can be
/// sealed under.
const MAY_BE_STALE_AFTER: Duration = Duration::from_secs(5);
/// The least time between two reads of the feed for requests that name something newer than what is
/// known: a stranger can. Requests that come meanwhile share the next read.
const MIN_REFRESH_INTERVAL: Duration = Duration::from_millis(100);
/// How many of those may wait for it at once, of each [`Priority`].
const MAX_WAITING: usize = 256;
/// How long one request waits for the feed.
const MAX_REFRESH: Duration = Duration::from_secs(2);

/// When the change feed was last read.
pub(in crate::service) struct Staleness {
    bound: Duration,
    /// Whether a loss is refused as soon as it is noticed.
    strict: bool,
    /// By the process's own time, in milliseconds.
    read_at: AtomicU64,
    /// Whether the last look failed.
    cut_off: AtomicBool,
    /// Reads of the feed for requests that came while the caches were beyond their bound.
    reading: SingleFlight,
    refreshes: Refreshes,
}

/// Reads of the feed for requests that name something newer than what is known.
struct Refreshes {
    flight: SingleFlight,
    /// When the last one began, by the process's own time.
    last_at: Mutex<Option<Duration>>,
    /// How many began.
    begun: AtomicU64,
    /// The last one that succeeded.
    succeeded: AtomicU64,
    /// Places for requests that wait, by their priority.
    usual: tokio::sync::Semaphore,
    slowed: tokio::sync::Semaphore,
}

/// The places among which a request waits: addresses that failed too often have places of their
/// own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::service) enum Priority {
    /// The address was not refused too often.
    Usual,
    /// It was.
    Slowed,
}

impl Staleness {
    /// Begins now, when everything was just read.
    pub(in crate::service) fn new(max_staleness: Duration, clock: &dyn Clock) -> Self {
        Self {
            bound: max_staleness.max(MIN_BOUND),
            strict: max_staleness.is_zero(),
            read_at: AtomicU64::new(millis(clock.uptime())),
            cut_off: AtomicBool::new(false),
            reading: SingleFlight::default(),
            refreshes: Refreshes {
                flight: SingleFlight::default(),
                last_at: Mutex::default(),
                begun: AtomicU64::new(0),
                succeeded: AtomicU64::new(0),
                usual: tokio::sync::Semaphore::new(MAX_WAITING),
                slowed: tokio::sync::Semaphore::new(MAX_WAITING),
            },
        }
    }

    /// Notes that the feed was read as it was at `at`.
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
        clock
            .uptime()
            .saturating_sub(Duration::from_millis(self.read_at.load(Ordering::Acquire)))
    }

    fn is_within_bound(&self, clock: &dyn Clock) -> bool {
        self.age(clock) <= self.bound && !(self.strict && self.has_failed())
    }

    /// Tells whether the feed was read since a time, or by the refresh after `begun` others.
    fn was_read_since(&self, came_at: u64, begun: u64) -> bool {
        self.refreshes.succeeded.load(Ordering::Acquire) > begun
            || self.read_at.load(Ordering::Acquire) > came_at
    }

    fn is_cut_off(&self, clock: &dyn Clock) -> bool {
        self.has_failed() || self.age(clock) > MAY_BE_STALE_AFTER
    }
}

impl Refreshes {
    fn since_last(&self, clock: &dyn Clock) -> Duration {
        let last_at = *self.last_at.lock().unwrap_or_else(PoisonError::into_inner);
        last_at.map_or(Duration::MAX, |last_at| {
            clock.uptime().saturating_sub(last_at)
        })
    }

    fn note_begin(&self, clock: &dyn Clock) {
        let mut last_at = self.last_at.lock().unwrap_or_else(PoisonError::into_inner);
        *last_at = Some(clock.uptime());
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

impl Memory {
    /// Tells whether the caches are within their bound.
    pub(in crate::service) fn is_fresh(&self) -> bool {
        self.staleness.is_within_bound(&*self.base.clock)
    }

    /// Refreshes caches that are beyond their bound. Every proof of a caller begins with it.
    ///
    /// # Errors
    /// [`ErrorKind::StoreUnavailable`] when the feed can't be read.
    pub(in crate::service) async fn require_fresh(&self) -> Result<()> {
        if self.is_fresh() {
            Ok(())
        } else {
            Box::pin(self.refresh()).await
        }
    }

    /// Reads the feed for a request, unless it is known that it can't be read: this process may
    /// only have been stopped for a while, or nobody reads the feed in it at all, as in a command.
    async fn refresh(&self) -> Result<()> {
        let reading = async {
            match self
                .staleness
                .reading
                .join(|| self.is_fresh().then_some(()))
                .await
            {
                Turn::Known(()) => Ok(()),
                Turn::Leads(_leader) => self.catch_up().await,
            }
        };
        let read = if self.base.store.is_away() {
            Err(None)
        } else {
            tokio::time::timeout(MAX_REFRESH, reading)
                .await
                .map_err(|_| None)
        };
        match read.and_then(|read| read.map_err(Some)) {
            Err(Some(error)) if error.kind() == &ErrorKind::StoreUnavailable => Err(error),
            // The keys may not have been read; that is no matter of age.
            _ if self.is_fresh() => Ok(()),
            _ => Err(Error::store_unavailable(
                "what is remembered is older than max_staleness_seconds allows",
            )),
        }
    }

    /// Reads the feed for a request that names something newer than what is known: another replica
    /// changed it a moment ago, or a stranger made it up.
    ///
    /// The feed is read ten times a second at most, and each read serves all requests that wait:
    /// strangers cost the database no more, and make no other request wait longer.
    ///
    /// # Errors
    /// [`ErrorKind::Overloaded`] when too many wait; [`ErrorKind::StoreUnavailable`] when the feed
    /// can't be read.
    pub(in crate::service) async fn refresh_for_newer(&self, priority: Priority) -> Result<()> {
        let waiting = match priority {
            Priority::Usual => &self.staleness.refreshes.usual,
            Priority::Slowed => &self.staleness.refreshes.slowed,
        };
        let full = |_| {
            Error::new(
                ErrorKind::Overloaded,
                "Too many requests name what isn't known here yet; try again in a moment.",
            )
        };
        let _waiting = waiting.try_acquire().map_err(full)?;
        if self.base.store.is_away() {
            return Err(unreadable_feed());
        }
        tokio::time::timeout(MAX_REFRESH, self.share_refresh())
            .await
            .unwrap_or_else(|_| Err(unreadable_feed()))
    }

    /// Reads the feed, or waits for a read that began after this request came.
    async fn share_refresh(&self) -> Result<()> {
        let refreshes = &self.staleness.refreshes;
        let came_at = millis(self.base.clock.uptime());
        let begun = refreshes.begun.load(Ordering::Acquire);
        let was_read = || self.staleness.was_read_since(came_at, begun).then_some(());
        let Turn::Leads(_leader) = refreshes.flight.join(was_read).await else {
            return Ok(());
        };
        let passed = refreshes.since_last(&*self.base.clock);
        tokio::time::sleep(MIN_REFRESH_INTERVAL.saturating_sub(passed)).await;
        if was_read().is_some() {
            return Ok(());
        }
        refreshes.note_begin(&*self.base.clock);
        let refresh = refreshes.begun.fetch_add(1, Ordering::AcqRel) + 1;
        self.catch_up()
            .await
            .map_err(|error| unreadable_feed().caused_by(error))?;
        refreshes.succeeded.store(refresh, Ordering::Release);
        Ok(())
    }

    /// Tells whether keys were changed, and are not read yet.
    pub(in crate::service) fn has_keys_to_read(&self) -> bool {
        !self.has_keys(self.cache.key_changes())
    }

    /// Tells whether so many changes of keys are read.
    pub(in crate::service) fn has_keys(&self, changes: u64) -> bool {
        self.keys.read_at.load(Ordering::Acquire) >= changes
    }

    /// Reads so many changes of keys, and tells whether they are read.
    pub(in crate::service) async fn read_keys(&self, changes: u64, priority: Priority) -> bool {
        if self.refresh_for_newer(priority).await.is_err() {
            return false;
        }
        // The feed counts as read before the keys of which it tells.
        let reading = tokio::time::timeout(MAX_REFRESH, self.refreshing.lock());
        drop(reading.await);
        self.has_keys(changes)
    }

    /// Tells whether the feed can't be read.
    pub(in crate::service) fn is_cut_off(&self) -> bool {
        self.staleness.is_cut_off(&*self.base.clock)
    }

    /// Turns a refusal that may rest on a stale cache into `StoreUnavailable`, where no key could
    /// make it right; [`Self::downgrade_without_keys`] is for the others.
    pub(in crate::service) fn downgrade_if_stale(&self, error: Error) -> Error {
        if self.is_cut_off() {
            downgraded(&error)
        } else {
            error
        }
    }

    /// As [`Self::downgrade_if_stale`], for what may be sealed by a key that isn't read yet.
    pub(in crate::service) fn downgrade_without_keys(&self, error: Error) -> Error {
        if self.has_keys_to_read() {
            downgraded(&error)
        } else {
            self.downgrade_if_stale(error)
        }
    }
}

fn unreadable_feed() -> Error {
    Error::store_unavailable(
        "what others changed can't be read, and the request names what isn't known here",
    )
}

pub(in crate::service) fn downgraded(refusal: &Error) -> Error {
    let word = refusal.refusal_word();
    Error::store_unavailable(format!(
        "it would be refused ({word}), but what others changed can't be read: {refusal}"
    ))
}
