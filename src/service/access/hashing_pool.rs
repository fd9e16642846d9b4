//! The threads that hash chosen passwords, with a bounded line and a share for each party.

use std::net::IpAddr;
use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::domain::ids::AccountId;
use crate::domain::{Error, ErrorKind, Result};
use crate::service::limits::keyed_semaphore::KeyedSemaphore;

/// How many chosen passwords of one party are hashed at once, or wait for a thread.
pub(super) const HASHES_OF_PARTY: usize = 2;
/// How many more of it wait for that, in a line of their own. `limits.requests_in_work` bounds all
/// who wait.
pub(super) const MAX_WAITING_OF_PARTY: usize = 16;

/// For whom a pool hashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum HashParty {
    /// Any username from there.
    Address(IpAddr),
    /// An account that sets a password, or whose username is known.
    Account(AccountId),
}

/// Threads that hash slowly, shared among parties.
pub(in crate::service) struct Pool {
    /// Those that hash at present.
    threads: Arc<Semaphore>,
    /// Those that hash and those that wait to.
    pub(super) places: Arc<Semaphore>,
    pub(super) parties: Arc<KeyedSemaphore<HashParty>>,
}

impl Pool {
    /// Makes a pool of `threads` threads, one at least, for which `waiting` more may wait.
    pub(in crate::service) fn new(threads: usize, waiting: usize) -> Self {
        let threads = threads.max(1);
        Self {
            threads: Arc::new(Semaphore::new(threads)),
            places: Arc::new(Semaphore::new(threads.saturating_add(waiting))),
            parties: KeyedSemaphore::new(HASHES_OF_PARTY, MAX_WAITING_OF_PARTY),
        }
    }

    /// Runs `work` on a thread of the pool, once one is free and fewer than two others of each of
    /// `parties` have one or wait for it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::PasswordsBusy`] when too many wait.
    pub(in crate::service) async fn run<T: Send + 'static>(
        &self,
        parties: impl IntoIterator<Item = HashParty>,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T> {
        let busy = || {
            Error::new(
                ErrorKind::PasswordsBusy,
                "Too many passwords are being checked; try again in a moment.",
            )
            .decided_by("limits.password_queue is full, or the share that one of the parties has")
        };
        let mut permits = Vec::new();
        for party in parties {
            permits.push(
                KeyedSemaphore::acquire(&self.parties, party)
                    .await
                    .ok_or_else(busy)?,
            );
        }
        // Only now: a party's line takes nobody else's place.
        let place = Arc::clone(&self.places)
            .try_acquire_owned()
            .map_err(|_| busy())?;
        let thread = Arc::clone(&self.threads)
            .acquire_owned()
            .await
            .map_err(Error::internal)?;
        // The work holds them, not its caller: breaking off makes no room for more.
        let held = (permits, place, thread);
        let done = tokio::task::spawn_blocking(move || {
            let done = work();
            drop(held);
            done
        });
        done.await.map_err(Error::internal)
    }
}
