//! The database look-ups of log-ins whose address has used up its refusals.
//!
//! Anybody can make up credentials that no cache has, and each would cost a query. But a throttled
//! address may also have a good credential that a cache dropped, and that must still log in. So
//! such look-ups are not refused: a few run at once, some wait for a moment, and only the rest
//! fail.

use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};

use crate::domain::{Error, Result};
use crate::service::limits::back_off::{BackOff, LogInLimits};

/// How many such look-ups run at once: the database has other work.
pub(super) const MAX_LOOKUPS: usize = 4;
/// How many more may wait.
pub(super) const MAX_WAITING_LOOKUPS: usize = 256;
/// How long each of them waits.
const MAX_LOOKUP_WAIT: Duration = Duration::from_secs(1);

/// Bounds the look-ups that run at once, and those that wait.
pub(super) struct LookupBudget {
    running: Semaphore,
    waiting: Semaphore,
}

impl LookupBudget {
    pub(super) fn new() -> Self {
        Self {
            running: Semaphore::new(MAX_LOOKUPS),
            waiting: Semaphore::new(MAX_WAITING_LOOKUPS),
        }
    }
}

impl LogInLimits {
    /// Waits for a permit to ask the database about a credential that no cache has.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::AddressThrottled`](crate::domain::ErrorKind::AddressThrottled) when too many
    /// wait, or the wait takes too long.
    pub(in crate::service) async fn lookup_permit(&self) -> Result<SemaphorePermit<'_>> {
        let full = || self.back_off_error(BackOff::Address);
        let _waiting = self.lookups.waiting.try_acquire().map_err(|_| full())?;
        let permit = tokio::time::timeout(MAX_LOOKUP_WAIT, self.lookups.running.acquire()).await;
        permit.map_err(|_| full())?.map_err(Error::internal)
    }
}
