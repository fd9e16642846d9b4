//! A few at once of each party; more of it wait in a line of its own, which is bounded, and keep
//! nobody else waiting.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Lets a few of each key through at once. A key is held in memory only while somebody passes or
/// waits under it.
pub(in crate::service) struct Gates<K> {
    at_once: usize,
    waiting: usize,
    open: Mutex<HashMap<K, Arc<Semaphore>>>,
}

/// The permission of one who passed, or a place in the line for it; it goes back when it is
/// dropped.
pub(in crate::service) struct Pass<K: Eq + Hash> {
    gates: Arc<Gates<K>>,
    key: K,
    permit: Option<OwnedSemaphorePermit>,
}

impl<K: Eq + Hash + Copy> Gates<K> {
    /// Lets `at_once` of each key through, for which `waiting` more may wait.
    pub(in crate::service) fn new(at_once: usize, waiting: usize) -> Arc<Self> {
        Arc::new(Self {
            at_once,
            waiting,
            open: Mutex::default(),
        })
    }

    /// Waits until fewer than `at_once` others of the key are through; nothing when too many wait
    /// already.
    pub(in crate::service) async fn pass(gates: &Arc<Self>, key: K) -> Option<Pass<K>> {
        let gate = {
            let mut open = gates.lock();
            let gate = open
                .entry(key)
                .or_insert_with(|| Arc::new(Semaphore::new(gates.at_once)));
            // The map has one, and the others are of those who wait and who are through.
            if Arc::strong_count(gate) > gates.at_once + gates.waiting {
                return None;
            }
            Arc::clone(gate)
        };
        // Made before the wait, so that who breaks off leaves no gate behind.
        let mut pass = Pass {
            gates: Arc::clone(gates),
            key,
            permit: None,
        };
        pass.permit = gate.acquire_owned().await.ok();
        pass.permit.is_some().then_some(pass)
    }
}

impl<K: Eq + Hash> Gates<K> {
    fn lock(&self) -> MutexGuard<'_, HashMap<K, Arc<Semaphore>>> {
        // The lock guards a map that is whole after any panic.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells whether nobody is remembered.
    #[cfg(test)]
    pub(in crate::service) fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }
}

impl<K: Eq + Hash> Drop for Pass<K> {
    fn drop(&mut self) {
        self.permit = None;
        let mut open = self.gates.lock();
        if open
            .get(&self.key)
            .is_some_and(|gate| Arc::strong_count(gate) == 1)
        {
            open.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::pin::Pin;
    use std::task::Poll;

    use super::*;

    async fn is_waiting(work: &mut Pin<Box<impl Future<Output = Option<Pass<u8>>>>>) -> bool {
        poll_fn(|context| Poll::Ready(work.as_mut().poll(context).is_pending())).await
    }

    #[tokio::test]
    async fn so_many_of_a_key_pass_at_once_and_so_many_wait_for_it() {
        let gates = Gates::new(2, 1);
        let first = Gates::pass(&gates, 1).await.unwrap();
        let second = Gates::pass(&gates, 1).await.unwrap();
        let mut third = Box::pin(Gates::pass(&gates, 1));
        assert!(is_waiting(&mut third).await);
        assert!(Gates::pass(&gates, 1).await.is_none(), "the line is full");
        let other = Gates::pass(&gates, 2).await.unwrap();
        drop(first);
        let third = third.await.unwrap();
        let mut fourth = Box::pin(Gates::pass(&gates, 1));
        assert!(is_waiting(&mut fourth).await);
        drop(fourth);
        assert!(
            is_waiting(&mut Box::pin(Gates::pass(&gates, 1))).await,
            "who breaks off leaves the line"
        );
        drop((second, third, other));
        assert!(gates.is_empty(), "who left is forgotten");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn of_many_who_come_at_once_no_more_pass_than_may() {
        let gates = Gates::new(2, 3);
        let mut crowd = tokio::task::JoinSet::new();
        let (through, most) = (Arc::new(Mutex::new(0_usize)), Arc::new(Mutex::new(0_usize)));
        for _ in 0..200 {
            let (gates, through, most) =
                (Arc::clone(&gates), Arc::clone(&through), Arc::clone(&most));
            crowd.spawn(async move {
                let Some(pass) = Gates::pass(&gates, 1).await else {
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
