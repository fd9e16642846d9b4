//! A semaphore for each key: a few holders at once, and a bounded queue behind them.
//!
//! Each key has a queue of its own, so a flood under one key delays no other key.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Grants a few permits of each key at once. A key takes memory only while a permit of it is held
/// or waited for.
pub(in crate::service) struct KeyedSemaphore<K> {
    max_held: usize,
    max_waiting: usize,
    semaphores: Mutex<HashMap<K, Arc<Semaphore>>>,
}

/// A permit of one key, or a place in the queue for it; dropping it gives it back.
pub(in crate::service) struct KeyedPermit<K: Eq + Hash> {
    owner: Arc<KeyedSemaphore<K>>,
    key: K,
    permit: Option<OwnedSemaphorePermit>,
}

impl<K: Eq + Hash + Copy> KeyedSemaphore<K> {
    /// Grants `max_held` permits of each key at once; `max_waiting` more callers may wait.
    pub(in crate::service) fn new(max_held: usize, max_waiting: usize) -> Arc<Self> {
        Arc::new(Self {
            max_held,
            max_waiting,
            semaphores: Mutex::default(),
        })
    }

    /// Waits for a permit of the key; none when the key's queue is full.
    pub(in crate::service) async fn acquire(owner: &Arc<Self>, key: K) -> Option<KeyedPermit<K>> {
        let semaphore = {
            let mut semaphores = owner.lock();
            let semaphore = semaphores
                .entry(key)
                .or_insert_with(|| Arc::new(Semaphore::new(owner.max_held)));
            // The map has one reference; each holder and each waiting caller has another.
            if Arc::strong_count(semaphore) > owner.max_held + owner.max_waiting {
                return None;
            }
            Arc::clone(semaphore)
        };
        // The permit exists before the wait: a caller that breaks off drops it, and its drop
        // removes a key that nobody uses any more.
        let mut permit = KeyedPermit {
            owner: Arc::clone(owner),
            key,
            permit: None,
        };
        permit.permit = semaphore.acquire_owned().await.ok();
        permit.permit.is_some().then_some(permit)
    }
}

impl<K: Eq + Hash> KeyedSemaphore<K> {
    fn lock(&self) -> MutexGuard<'_, HashMap<K, Arc<Semaphore>>> {
        // No panic leaves the map half changed, so a poisoned lock is used on.
        self.semaphores
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells whether no key takes memory.
    #[cfg(test)]
    pub(in crate::service) fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }
}

impl<K: Eq + Hash> Drop for KeyedPermit<K> {
    fn drop(&mut self) {
        // First, because the permit holds a reference to the semaphore that is counted below.
        self.permit = None;
        let mut semaphores = self.owner.lock();
        if semaphores
            .get(&self.key)
            .is_some_and(|semaphore| Arc::strong_count(semaphore) == 1)
        {
            semaphores.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::pin::Pin;
    use std::task::Poll;

    use super::*;

    async fn is_waiting(
        work: &mut Pin<Box<impl Future<Output = Option<KeyedPermit<u8>>>>>,
    ) -> bool {
        poll_fn(|context| Poll::Ready(work.as_mut().poll(context).is_pending())).await
    }

    #[tokio::test]
    async fn so_many_of_a_key_pass_at_once_and_so_many_wait_for_it() {
        let gates = KeyedSemaphore::new(2, 1);
        let first = KeyedSemaphore::acquire(&gates, 1).await.unwrap();
        let second = KeyedSemaphore::acquire(&gates, 1).await.unwrap();
        let mut third = Box::pin(KeyedSemaphore::acquire(&gates, 1));
        assert!(is_waiting(&mut third).await);
        assert!(
            KeyedSemaphore::acquire(&gates, 1).await.is_none(),
            "the line is full"
        );
        let other = KeyedSemaphore::acquire(&gates, 2).await.unwrap();
        drop(first);
        let third = third.await.unwrap();
        let mut fourth = Box::pin(KeyedSemaphore::acquire(&gates, 1));
        assert!(is_waiting(&mut fourth).await);
        drop(fourth);
        assert!(
            is_waiting(&mut Box::pin(KeyedSemaphore::acquire(&gates, 1))).await,
            "who breaks off leaves the line"
        );
        drop((second, third, other));
        assert!(gates.is_empty(), "who left is forgotten");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn of_many_who_come_at_once_no_more_pass_than_may() {
        let gates = KeyedSemaphore::new(2, 3);
        let mut crowd = tokio::task::JoinSet::new();
        let (through, most) = (Arc::new(Mutex::new(0_usize)), Arc::new(Mutex::new(0_usize)));
        for _ in 0..200 {
            let (gates, through, most) =
                (Arc::clone(&gates), Arc::clone(&through), Arc::clone(&most));
            crowd.spawn(async move {
                let Some(pass) = KeyedSemaphore::acquire(&gates, 1).await else {
                    return;
                };
                let now = {
                    let mut through = through.lock().unwrap();
                    *through += 1;
                    *through
                };
                let mut most = most.lock().unwrap();
                *most = now.max(*most);
                *through.lock().unwrap() -= 1;
                drop(most);
                drop(pass);
            });
        }
        crowd.join_all().await;
        assert!((1..=2).contains(&*most.lock().unwrap()));
        assert!(gates.is_empty());
    }
}
