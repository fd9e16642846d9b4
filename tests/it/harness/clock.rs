//! A clock that stands until a test moves it, and the same chance in every run.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use transire::domain::clock::{Clock, Random, Timestamp};

use crate::harness::App;

#[derive(Default)]
pub(super) struct StandingClock {
    pub(super) now: AtomicI64,
    pub(super) uptime_seconds: AtomicU64,
}

impl Clock for StandingClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix_millis(self.now.load(Ordering::Relaxed))
    }

    fn uptime(&self) -> Duration {
        Duration::from_secs(self.uptime_seconds.load(Ordering::Relaxed))
    }
}

/// Splitmix64: the same bytes in every run.
pub(super) struct SeededRandom(pub(super) AtomicU64);

impl Random for SeededRandom {
    fn fill(&self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let mut word = self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
            word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            chunk.copy_from_slice(&(word ^ (word >> 31)).to_le_bytes()[..chunk.len()]);
        }
    }
}

impl App {
    /// Lets time pass.
    pub(crate) fn wait(&self, time: Duration) {
        let millis = i64::try_from(time.as_millis()).unwrap();
        self.clock.now.fetch_add(millis, Ordering::Relaxed);
    }

    /// Sets the wall clock back.
    pub(crate) fn set_back(&self, time: Duration) {
        self.clock
            .now
            .fetch_sub(i64::try_from(time.as_millis()).unwrap(), Ordering::Relaxed);
    }

    /// Lets the process's own time pass, which nobody can set.
    pub(crate) fn run_on(&self, time: Duration) {
        self.clock
            .uptime_seconds
            .fetch_add(time.as_secs(), Ordering::Relaxed);
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }
}
