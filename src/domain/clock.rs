//! Time and chance as parameters: the only place that reads the system clock or its randomness.

use std::cell::RefCell;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use zeroize::{Zeroize, Zeroizing};

/// A point in time, in unix milliseconds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    /// Makes a timestamp from unix milliseconds.
    pub const fn from_unix_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Makes a timestamp from unix seconds.
    pub const fn from_unix_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1000))
    }

    /// Returns unix milliseconds.
    pub const fn unix_millis(self) -> i64 {
        self.0
    }

    /// Returns whole unix seconds, rounded down.
    pub const fn unix_seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// Returns the later time that lies `duration` ahead.
    pub fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(millis(duration)))
    }

    /// Returns the earlier time that lies `duration` back.
    pub fn minus(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(millis(duration)))
    }

    /// Returns how far apart two times are, whichever comes first.
    pub fn distance(self, other: Self) -> Duration {
        Duration::from_millis(self.0.abs_diff(other.0))
    }

    /// Returns the time left until `later`, zero when it has passed.
    pub fn until(self, later: Self) -> Duration {
        Duration::from_millis(u64::try_from(later.0.saturating_sub(self.0)).unwrap_or(0))
    }

    /// Parses RFC 3339, such as `2025-01-02T03:04:05Z`.
    pub fn parse_rfc3339(text: &str) -> Option<Self> {
        let parsed = OffsetDateTime::parse(text, &Rfc3339).ok()?;
        Some(Self(
            i64::try_from(parsed.unix_timestamp_nanos() / 1_000_000).ok()?,
        ))
    }

    /// Parses the beginning of a day in UTC, such as `2025-01-02` (ISO 8601).
    pub fn parse_date(text: &str) -> Option<Self> {
        let day = time::Date::parse(text, format_description!("[year]-[month]-[day]")).ok()?;
        Some(Self::from_unix_seconds(
            day.midnight().assume_utc().unix_timestamp(),
        ))
    }

    /// Formats as RFC 3339 in UTC with whole seconds, such as `2025-01-02T03:04:05Z`.
    pub fn rfc3339(self) -> String {
        OffsetDateTime::from_unix_timestamp(self.unix_seconds())
            .ok()
            .and_then(|at| at.format(&Rfc3339).ok())
            .unwrap_or_else(|| format!("@{}", self.unix_seconds()))
    }

    /// Formats as RFC 3339 in UTC with milliseconds where there are any, such as
    /// `2025-01-02T03:04:05.067Z`.
    pub fn rfc3339_millis(self) -> String {
        let seconds = self.rfc3339();
        match (self.0.rem_euclid(1000), seconds.strip_suffix('Z')) {
            (millis @ 1.., Some(seconds)) => format!("{seconds}.{millis:03}Z"),
            _ => seconds,
        }
    }

    /// Returns the UTC calendar date as `YYYY-MM-DD`.
    pub fn utc_date(self) -> String {
        let mut text = self.rfc3339();
        text.truncate(10);
        text
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.rfc3339())
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// Tells the time.
pub trait Clock: Send + Sync {
    /// Returns the present time.
    fn now(&self) -> Timestamp;

    /// Returns the time by the clocks of other machines, which date what they send and check what
    /// they get: signatures, OpenID Connect tokens, registry tokens.
    ///
    /// It is [`Self::now`], unless this service's own clock is moved ([`MovableClock`]).
    fn now_elsewhere(&self) -> Timestamp {
        self.now()
    }

    /// Returns the time by a clock that nobody can set, and that goes on while the machine is
    /// suspended: only differences mean anything.
    fn uptime(&self) -> Duration {
        let time = clock_gettime(UPTIME);
        Duration::new(
            u64::try_from(time.tv_sec).unwrap_or(0),
            u32::try_from(time.tv_nsec).unwrap_or(0),
        )
    }
}

/// Linux's monotonic clock stands still while the machine is suspended.
#[cfg(target_os = "linux")]
const UPTIME: ClockId = ClockId::Boottime;
#[cfg(not(target_os = "linux"))]
const UPTIME: ClockId = ClockId::Monotonic;

/// The machine's clock.
#[derive(Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that reads the system clock"
    )]
    fn now(&self) -> Timestamp {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        Timestamp(since.map_or(0, millis))
    }
}

/// The machine's clock, moved ahead by as much as a test wants.
#[derive(Debug, Default)]
pub struct MovableClock {
    /// How far it is ahead, in milliseconds.
    ahead: AtomicU64,
}

impl MovableClock {
    /// How far it can be moved in all: ten years, as long as the longest credential lives.
    pub const MAX_AHEAD: Duration = Duration::from_secs(3660 * 24 * 60 * 60);

    /// Returns how far it is ahead of the machine's clock.
    pub fn ahead(&self) -> Duration {
        Duration::from_millis(self.ahead.load(Ordering::Relaxed))
    }

    /// Moves it ahead; returns whether it is still within [`Self::MAX_AHEAD`], and stays where it
    /// was otherwise.
    pub fn advance(&self, by: Duration) -> bool {
        let moved = |ahead: u64| {
            let by = u64::try_from(by.as_millis()).ok()?;
            let moved = ahead.checked_add(by)?;
            (Duration::from_millis(moved) <= Self::MAX_AHEAD).then_some(moved)
        };
        let (set, fetch) = (Ordering::Relaxed, Ordering::Relaxed);
        self.ahead.fetch_update(set, fetch, moved).is_ok()
    }
}

impl Clock for MovableClock {
    fn now(&self) -> Timestamp {
        self.now_elsewhere().plus(self.ahead())
    }

    fn now_elsewhere(&self) -> Timestamp {
        SystemClock.now()
    }
}

/// Gives random bytes.
pub trait Random: Send + Sync {
    /// Fills `bytes` with randomness fit for keys.
    fn fill(&self, bytes: &mut [u8]);
}

/// The operating system's randomness.
///
/// Small requests are served from a buffer of the thread's own: a request at a front door draws
/// five times, and each system call costs as much as hashing a kilobyte.
#[derive(Debug, Default)]
pub struct SystemRandom;

impl SystemRandom {
    /// How many bytes are drawn from the operating system at once.
    const DRAWN: usize = 512;
    /// The most bytes that are taken from the buffer.
    const SMALL: usize = 64;
}

thread_local! {
    /// Bytes that nobody has had yet, at the front.
    static UNUSED: RefCell<Zeroizing<Vec<u8>>> = RefCell::default();
}

impl Random for SystemRandom {
    /// # Panics
    /// When the operating system gives no randomness: nothing safe can be done without it.
    fn fill(&self, bytes: &mut [u8]) {
        if bytes.len() > Self::SMALL {
            return draw(bytes);
        }
        UNUSED.with_borrow_mut(|unused| {
            if unused.len() < bytes.len() {
                unused.resize(Self::DRAWN, 0);
                draw(unused);
            }
            let rest = unused.len() - bytes.len();
            let taken = &mut unused[rest..];
            bytes.copy_from_slice(taken);
            // Nothing that was given away stays here.
            taken.zeroize();
            unused.truncate(rest);
        });
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one place that reads the system's randomness"
)]
fn draw(bytes: &mut [u8]) {
    getrandom::fill(bytes).expect("the operating system gives randomness");
}

/// Returns `N` random bytes.
pub fn random_bytes<const N: usize>(random: &dyn Random) -> [u8; N] {
    let mut bytes = [0; N];
    random.fill(&mut bytes);
    bytes
}

/// Returns `length` random characters of `alphabet`, each equally likely.
///
/// The alphabet has at most 256 characters, all ASCII.
pub fn random_text(random: &dyn Random, alphabet: &[u8], length: usize) -> String {
    // Bytes past the largest multiple of the alphabet's size are drawn again, or the first
    // characters of the alphabet would come up more often.
    let limit = 256 - 256 % alphabet.len();
    let mut text = String::with_capacity(length);
    let mut buffer = [0; 64];
    while text.len() < length {
        random.fill(&mut buffer);
        let usable = buffer
            .iter()
            .map(|byte| usize::from(*byte))
            .filter(|byte| *byte < limit);
        text.extend(
            usable
                .take(length - text.len())
                .map(|byte| char::from(alphabet[byte % alphabet.len()])),
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timestamp_prints_and_parses_back() {
        let at = Timestamp::from_unix_seconds(1_735_787_045);
        assert_eq!(at.rfc3339(), "2025-01-02T03:04:05Z");
        assert_eq!(at.utc_date(), "2025-01-02");
        assert_eq!(Timestamp::parse_rfc3339("2025-01-02T03:04:05Z"), Some(at));
        assert_eq!(Timestamp::parse_rfc3339("2025-01-02"), None);
    }

    #[test]
    fn distance_is_the_same_both_ways() {
        let (early, late) = (
            Timestamp::from_unix_seconds(10),
            Timestamp::from_unix_seconds(17),
        );
        assert_eq!(early.distance(late), Duration::from_secs(7));
        assert_eq!(late.distance(early), Duration::from_secs(7));
        assert_eq!(late.until(early), Duration::ZERO);
    }

    #[test]
    fn a_movable_clock_goes_ahead_and_never_further_than_ten_years() {
        let (clock, hour) = (MovableClock::default(), Duration::from_hours(1));
        assert!(clock.advance(hour) && clock.advance(hour));
        assert_eq!(clock.ahead(), 2 * hour);
        assert!(clock.now_elsewhere().until(clock.now()) > hour);
        for too_far in [MovableClock::MAX_AHEAD, Duration::MAX] {
            assert!(!clock.advance(too_far), "{too_far:?}");
        }
        assert_eq!(clock.ahead(), 2 * hour);
    }

    #[test]
    fn no_random_bytes_are_given_twice() {
        let drawn: std::collections::HashSet<[u8; 20]> =
            (0..10_000).map(|_| random_bytes(&SystemRandom)).collect();
        assert_eq!(drawn.len(), 10_000);
        assert_ne!(random_bytes::<1000>(&SystemRandom)[..900], [0; 900]);
    }

    #[test]
    fn random_text_uses_the_whole_alphabet_and_nothing_else() {
        let text = random_text(&SystemRandom, b"abc", 2000);
        assert_eq!(text.len(), 2000);
        for letter in ['a', 'b', 'c'] {
            let count = text.matches(letter).count();
            assert!(
                (400..1000).contains(&count),
                "{letter} came up {count} times"
            );
        }
    }
}
