//! Credentials and sessions that were revoked one by one, though nothing else of them is stored.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;

use crate::domain::Result;
use crate::domain::credential::CredentialId;
use crate::store::{Store, revocation};

/// How long a revocation is kept: longer than anything sealed lives, by more than clocks differ.
pub(in crate::service) const KEPT: Duration = Duration::from_hours(48);

/// The sealed credentials and sessions that were revoked one by one; few, because it is done by
/// hand.
pub(in crate::service) struct Revocations {
    ids: ArcSwap<HashSet<CredentialId>>,
    /// Added here since the last read began: the read may not have them.
    added: Mutex<HashSet<CredentialId>>,
    /// The count of [`crate::service::memory::cache::NounCache::revocations`] that they were read
    /// at.
    read_at: AtomicU64,
}

impl Revocations {
    pub(in crate::service) async fn load(store: &Store) -> Result<Self> {
        Ok(Self {
            ids: ArcSwap::from_pointee(read(store).await?),
            added: Mutex::default(),
            read_at: AtomicU64::new(0),
        })
    }

    pub(in crate::service) fn contains(&self, id: &CredentialId) -> bool {
        let ids = self.ids.load();
        !ids.is_empty() && ids.contains(id)
    }

    /// Adds what was revoked here, before the list is read again.
    pub(in crate::service) fn add(&self, id: &CredentialId) {
        let mut added = self.lock_added();
        added.insert(id.clone());
        let mut ids = HashSet::clone(&self.ids.load());
        ids.insert(id.clone());
        self.ids.store(Arc::new(ids));
    }

    /// Reads the list again, unless it was read at this count of changes. The caller sees to it
    /// that nobody else does so at the same time.
    ///
    /// Returns whether it was read.
    pub(in crate::service) async fn catch_up(&self, store: &Store, count: u64) -> Result<bool> {
        if self.read_at.load(Ordering::Acquire) == count {
            return Ok(false);
        }
        self.begin_read();
        self.take_read(read(store).await?);
        // Noted only once it is done: the feed tells of a change once, and reading may fail.
        self.read_at.store(count, Ordering::Release);
        Ok(true)
    }

    fn begin_read(&self) {
        // All that were added by now are in the database, and so in the read that begins.
        self.lock_added().clear();
    }

    fn take_read(&self, mut read: HashSet<CredentialId>) {
        let added = self.lock_added();
        read.extend(added.iter().cloned());
        self.ids.store(Arc::new(read));
    }

    fn lock_added(&self) -> MutexGuard<'_, HashSet<CredentialId>> {
        // Its content is right after any panic.
        self.added.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn read(store: &Store) -> Result<HashSet<CredentialId>> {
    Ok(revocation::list(store).await?.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::clock::SystemRandom;

    #[test]
    fn what_is_revoked_while_the_list_is_read_stays_revoked() {
        let revocations = Revocations {
            ids: ArcSwap::default(),
            added: Mutex::default(),
            read_at: AtomicU64::new(0),
        };
        let [before, during, trimmed] =
            std::array::from_fn(|_| CredentialId::random(&SystemRandom));
        revocations.add(&trimmed);
        revocations.add(&before);
        revocations.begin_read();
        // The database answered before this one was stored.
        let read = HashSet::from([before.clone()]);
        revocations.add(&during);
        revocations.take_read(read);
        assert!(
            revocations.contains(&before)
                && revocations.contains(&during)
                && !revocations.contains(&trimmed)
        );
    }
}
