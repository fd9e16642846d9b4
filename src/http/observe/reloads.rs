//! Whether the settings could be read again, for monitoring.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use crate::domain::clock::Timestamp;

/// How the last reload went; the start counts as one.
pub(crate) struct Reloads {
    succeeded: AtomicBool,
    /// The last success, in milliseconds of the clock.
    succeeded_at: AtomicI64,
}

impl Reloads {
    /// Begins at a start, which read settings that can be used.
    pub(crate) fn begin(now: Timestamp) -> Self {
        Self {
            succeeded: true.into(),
            succeeded_at: now.unix_millis().into(),
        }
    }

    /// Notes a reload.
    pub(crate) fn note(&self, succeeded: bool, now: Timestamp) {
        self.succeeded.store(succeeded, Ordering::Relaxed);
        if succeeded {
            self.succeeded_at
                .store(now.unix_millis(), Ordering::Relaxed);
        }
    }

    /// Tells whether the last one succeeded.
    pub(crate) fn has_succeeded(&self) -> bool {
        self.succeeded.load(Ordering::Relaxed)
    }

    /// Returns when the last one succeeded that did.
    pub(crate) fn succeeded_at(&self) -> Timestamp {
        Timestamp::from_unix_millis(self.succeeded_at.load(Ordering::Relaxed))
    }
}
