//! Slots of connections: how many each address may have, and which connections close when slots run
//! out.
//!
//! A connection that never carried an authenticated caller costs its client nothing. Its address
//! has a share of such connections, and when three quarters of all slots are taken, those that were
//! silent longest are closed. So strangers can't keep others out: ten addresses with 1,000 silent
//! connections each did.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::activity::{Activity, Tally, Ticks};
use crate::http::{ConnectionCounts, Network};
use crate::service::subscriber;

/// The least seconds between two lines of the log about connections that were refused or closed
/// early.
const REPORT_INTERVAL_SECONDS: u32 = 10;
/// How many times the share of one address an IPv6 network of 48 bits has.
const NETWORK_SHARES: usize = 4;
/// One in so many silent connections is closed at once, because finding them looks at every
/// connection.
const CLOSED_AT_ONCE: usize = 16;

/// The limits on slots.
#[derive(Clone, Copy, Debug)]
pub(super) struct SlotLimits {
    /// Connections at once.
    pub(super) connections: usize,
    /// Of one address.
    pub(super) per_address: usize,
    /// Of one address, without an authenticated caller and silent for longer than `grace_seconds`.
    pub(super) unauthenticated_per_address: usize,
    /// The seconds for which a silent connection doesn't count, because a thousand nodes behind one
    /// address may come at once.
    pub(super) grace_seconds: u32,
    /// The least seconds that a client has to take an answer.
    pub(super) answer_seconds: u32,
}

/// The open connections, and the limits on them.
pub(super) struct Slots {
    rules: ArcSwap<Rules>,
    free: Arc<Semaphore>,
    ticks: Arc<Ticks>,
    open: Mutex<Open>,
    refused: AtomicU64,
    closed_early: AtomicU64,
    full: AtomicU64,
    /// Connections that were told to close and aren't closed yet. The count changes under the lock
    /// of `open`.
    yielding: AtomicUsize,
}

/// The limits of this moment, and those who have none.
struct Rules {
    limits: SlotLimits,
    /// Trusted proxies, which speak for many clients: they have no share, and their connections are
    /// never closed for others.
    proxies: Vec<Network>,
}

impl Rules {
    /// Tells whether `peer` is a trusted proxy.
    fn has_proxy(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        self.proxies.iter().any(|network| network.contains(peer))
    }
}

#[derive(Default)]
struct Open {
    by_id: HashMap<u64, Entry>,
    by_address: HashMap<IpAddr, Address>,
    unauthenticated_by_network: HashMap<IpAddr, Tally>,
    next_id: u64,
    reported_at: Option<u32>,
    reported: ConnectionCounts,
}

struct Entry {
    /// The subscriber and its network; `None` for a proxy.
    of: Option<(IpAddr, Option<IpAddr>)>,
    activity: Arc<Activity>,
}

#[derive(Default)]
struct Address {
    connections: usize,
    unauthenticated: Tally,
}

/// The slot of one connection, which is free again when this is dropped.
pub(super) struct Slot {
    slots: Arc<Slots>,
    id: u64,
    pub(super) activity: Arc<Activity>,
    /// Whether its peer is a trusted proxy.
    pub(super) is_of_proxy: bool,
    _permit: OwnedSemaphorePermit,
}

impl Slots {
    /// Begins with no connection.
    pub(super) fn new(limits: SlotLimits, proxies: Vec<Network>) -> Self {
        Self {
            rules: ArcSwap::from_pointee(Rules { limits, proxies }),
            free: Arc::new(Semaphore::new(limits.connections)),
            ticks: Arc::default(),
            open: Mutex::default(),
            refused: AtomicU64::new(0),
            closed_early: AtomicU64::new(0),
            full: AtomicU64::new(0),
            yielding: AtomicUsize::new(0),
        }
    }

    /// Takes other limits, but for the number of connections, which has to be the same.
    pub(super) fn adjust(&self, limits: SlotLimits, proxies: Vec<Network>) {
        self.rules.store(Arc::new(Rules { limits, proxies }));
    }

    /// Counts seconds, and reports connections that were refused or closed early, until it is
    /// dropped.
    pub(super) async fn keep_time(&self) {
        tokio::join!(self.ticks.keep(), async {
            loop {
                tokio::time::sleep(std::time::Duration::from_secs(1)).await;
                self.report();
            }
        });
    }

    /// Waits until a slot is free. Returns `None` when the semaphore is closed, which nobody does.
    pub(super) async fn free(&self) -> Option<OwnedSemaphorePermit> {
        if let Some(permit) = self.free_now() {
            return Some(permit);
        }
        self.full.fetch_add(1, Ordering::Relaxed);
        Arc::clone(&self.free).acquire_owned().await.ok()
    }

    /// Returns a free slot, if there is one.
    pub(super) fn free_now(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.free).try_acquire_owned().ok()
    }

    /// Gives a free slot to a connection of `peer`, unless its address has too many.
    pub(super) fn admit(
        slots: &Arc<Self>,
        peer: IpAddr,
        permit: OwnedSemaphorePermit,
    ) -> Option<Slot> {
        let rules = slots.rules.load();
        let limits = &rules.limits;
        let of = (!rules.has_proxy(peer)).then(|| (subscriber(peer.to_canonical()), network(peer)));
        let mut open = slots.lock();
        let mut tallies = Vec::new();
        if let Some((address, network)) = of {
            if open
                .by_address
                .get(&address)
                .is_some_and(|entry| entry.connections >= limits.per_address)
            {
                slots.refused.fetch_add(1, Ordering::Relaxed);
                return None;
            }
            slots.keep_share(&open, limits, address, network);
            let entry = open.by_address.entry(address).or_default();
            entry.connections += 1;
            tallies.push(Arc::clone(&entry.unauthenticated));
            if let Some(network) = network {
                tallies.push(Arc::clone(
                    open.unauthenticated_by_network.entry(network).or_default(),
                ));
            }
        }
        // Many may arrive before a connection that was told to close is gone. Each would close
        // others, honest ones in the end.
        let staying = open.by_id.len() - slots.yielding.load(Ordering::Relaxed);
        if staying >= limits.connections / 4 * 3 {
            slots.close_silent(&open, limits.connections / CLOSED_AT_ONCE, |_| true);
        }
        let activity = Arc::new(Activity::new(
            Arc::clone(&slots.ticks),
            limits.answer_seconds,
            tallies,
        ));
        if of.is_none() {
            activity.leave_tallies();
        }
        let id = open.next_id;
        open.next_id += 1;
        open.by_id.insert(
            id,
            Entry {
                of,
                activity: Arc::clone(&activity),
            },
        );
        Some(Slot {
            slots: Arc::clone(slots),
            id,
            activity,
            is_of_proxy: of.is_none(),
            _permit: permit,
        })
    }

    /// Returns the counts that operators see in the metrics.
    pub(super) fn counts(&self) -> ConnectionCounts {
        ConnectionCounts {
            open: self.lock().by_id.len(),
            limit: self.rules.load().limits.connections,
            refused: self.refused.load(Ordering::Relaxed),
            closed_early: self.closed_early.load(Ordering::Relaxed),
            full: self.full.load(Ordering::Relaxed),
        }
    }

    /// Closes silent connections of an address, or of its network, where these exceed their share.
    fn keep_share(
        &self,
        open: &Open,
        limits: &SlotLimits,
        address: IpAddr,
        network: Option<IpAddr>,
    ) {
        let share = limits.unauthenticated_per_address;
        let latest = self.ticks.now().saturating_sub(limits.grace_seconds);
        let is_old = |entry: &Entry| entry.activity.active_at() < latest;
        let of_address = open
            .by_address
            .get(&address)
            .map(|entry| &entry.unauthenticated);
        if of_address.is_some_and(|tally| tally.load(Ordering::Relaxed) >= share) {
            self.close_silent(open, share / CLOSED_AT_ONCE, |entry| {
                is_old(entry) && entry.of.is_some_and(|of| of.0 == address)
            });
        }
        let share = share * NETWORK_SHARES;
        let of_network = network.and_then(|network| open.unauthenticated_by_network.get(&network));
        if of_network.is_some_and(|tally| tally.load(Ordering::Relaxed) >= share) {
            self.close_silent(open, share / CLOSED_AT_ONCE, |entry| {
                is_old(entry) && entry.of.is_some_and(|of| of.1 == network)
            });
        }
    }

    /// Closes connections that never carried an authenticated caller, at least one if there is one,
    /// the longest silent first.
    ///
    /// Those with a request in work come last: bodies that trickle in hold slots, too.
    fn close_silent(&self, open: &Open, count: usize, is_meant: impl Fn(&Entry) -> bool) {
        let mut silent: Vec<&Arc<Activity>> = open
            .by_id
            .values()
            .filter(|entry| entry.of.is_some() && is_meant(entry))
            .map(|entry| &entry.activity)
            .collect();
        silent.retain(|activity| activity.is_tallied());
        let count = count.max(1).min(silent.len());
        if count == 0 {
            return;
        }
        silent.select_nth_unstable_by_key(count - 1, |activity| activity.rank());
        for activity in &silent[..count] {
            if activity.yield_slot() {
                self.closed_early.fetch_add(1, Ordering::Relaxed);
                self.yielding.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Reports connections that were refused or closed early, by one line each
    /// [`REPORT_INTERVAL_SECONDS`].
    ///
    /// A line for each would cost more than the connection.
    fn report(&self) {
        let now = self.ticks.now();
        let counts = self.counts();
        let mut open = self.lock();
        let is_new = (counts.refused, counts.closed_early, counts.full)
            != (
                open.reported.refused,
                open.reported.closed_early,
                open.reported.full,
            );
        if !is_new
            || open.reported_at.is_some_and(|reported_at| {
                now.saturating_sub(reported_at) < REPORT_INTERVAL_SECONDS
            })
        {
            return;
        }
        tracing::warn!(
            refused = counts.refused - open.reported.refused,
            closed_early = counts.closed_early - open.reported.closed_early,
            waited_for_a_place = counts.full - open.reported.full,
            open = counts.open,
            limit = counts.limit,
            "connections are short: see limits.connections, limits.connections_per_address and \
             limits.unauthenticated_connections_per_address"
        );
        (open.reported, open.reported_at) = (counts, Some(now));
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        // The lock guards counters that are right after any panic, so a poisoned one is used on.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut open = self.slots.lock();
        let Some(Entry {
            of: Some((address, network)),
            activity,
        }) = open.by_id.remove(&self.id)
        else {
            return;
        };
        activity.leave_tallies();
        if activity.is_yielding() {
            self.slots.yielding.fetch_sub(1, Ordering::Relaxed);
        }
        if let Some(entry) = open.by_address.get_mut(&address) {
            entry.connections -= 1;
            if entry.connections == 0 {
                open.by_address.remove(&address);
            }
        }
        if let Some(network) = network
            && open
                .unauthenticated_by_network
                .get(&network)
                .is_some_and(|tally| tally.load(Ordering::Relaxed) == 0)
        {
            open.unauthenticated_by_network.remove(&network);
        }
    }
}

/// Returns the network of 48 bits of an IPv6 address, which one customer may be given (RFC 6177).
fn network(address: IpAddr) -> Option<IpAddr> {
    match address.to_canonical() {
        IpAddr::V4(_) => None,
        IpAddr::V6(address) => Some(Ipv6Addr::from_bits(address.to_bits() >> 80 << 80).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slots(
        connections: usize,
        per_address: usize,
        unauthenticated_per_address: usize,
    ) -> Arc<Slots> {
        let limits = SlotLimits {
            connections,
            per_address,
            unauthenticated_per_address,
            grace_seconds: 3,
            answer_seconds: 10,
        };
        Arc::new(Slots::new(limits, vec!["10.0.0.0/8".parse().unwrap()]))
    }

    fn admit(slots: &Arc<Slots>, address: &str) -> Option<Slot> {
        Slots::admit(slots, address.parse().unwrap(), slots.free_now()?)
    }

    /// A connection that an authenticated caller used.
    fn admit_caller(slots: &Arc<Slots>, address: &str) -> Option<Slot> {
        let slot = admit(slots, address)?;
        slot.activity.authenticate();
        Some(slot)
    }

    async fn is_told_to_close(slot: &Slot) -> bool {
        tokio::time::timeout(std::time::Duration::ZERO, slot.activity.close.notified())
            .await
            .is_ok()
    }

    #[test]
    fn an_address_has_its_share_and_no_more_until_one_ends() {
        let slots = slots(100, 2, 100);
        let (first, second) = (
            admit_caller(&slots, "192.0.2.1"),
            admit_caller(&slots, "::ffff:192.0.2.1"),
        );
        assert!(first.is_some() && second.is_some() && admit(&slots, "192.0.2.1").is_none());
        assert!(
            admit(&slots, "192.0.2.2").is_some(),
            "another address has its own"
        );
        drop(first);
        let third = admit(&slots, "192.0.2.1");
        assert!(third.is_some() && admit(&slots, "192.0.2.1").is_none());
        drop((second, third));
        assert!(
            slots.lock().by_address.is_empty() && slots.lock().by_id.is_empty(),
            "a connection that ended is counted no more"
        );
    }

    #[test]
    fn a_subscriber_of_ipv6_is_one_address_and_a_trusted_proxy_is_many() {
        let slots = slots(100, 1, 1);
        let held = admit_caller(&slots, "2001:db8::1");
        assert!(
            held.is_some()
                && admit(&slots, "2001:db8::2").is_none()
                && admit(&slots, "2001:db8:0:1::2").is_some()
        );
        let proxied = [admit(&slots, "10.0.0.1"), admit(&slots, "10.0.0.1")];
        assert!(proxied.iter().all(Option::is_some));
    }

    #[tokio::test]
    async fn an_address_without_callers_loses_its_longest_silent_connection_to_its_next() {
        let slots = slots(1000, 1000, 2);
        let first = admit(&slots, "192.0.2.1").unwrap();
        let caller = admit_caller(&slots, "192.0.2.1").unwrap();
        let crowd: Vec<Slot> = (0..10)
            .map(|_| admit(&slots, "192.0.2.1").unwrap())
            .collect();
        assert_eq!(slots.counts().closed_early, 0, "many may come at once");
        drop(crowd);
        slots.ticks.advance(5);
        let second = admit(&slots, "192.0.2.1").unwrap();
        let third = admit(&slots, "192.0.2.1");
        assert!(third.is_some() && is_told_to_close(&first).await);
        assert!(!is_told_to_close(&second).await && !is_told_to_close(&caller).await);
        assert_eq!(slots.counts().closed_early, 1);
    }

    #[tokio::test]
    async fn the_networks_of_one_customer_of_ipv6_have_four_shares_together() {
        let slots = slots(1000, 1000, 1);
        let first: Vec<Slot> = (0..4)
            .map(|number| admit(&slots, &format!("2001:db8:0:{number}::1")).unwrap())
            .collect();
        slots.ticks.advance(5);
        let fifth = admit(&slots, "2001:db8:0:4::1");
        assert!(fifth.is_some());
        let mut told = 0;
        for slot in &first {
            told += usize::from(is_told_to_close(slot).await);
        }
        assert_eq!(told, 1);
        drop((first, fifth));
        assert!(slots.lock().unauthenticated_by_network.is_empty());
    }

    #[tokio::test]
    async fn with_three_quarters_taken_the_longest_silent_strangers_go_and_callers_and_proxies_stay()
     {
        let slots = slots(16, 16, 16);
        let stranger = admit(&slots, "192.0.2.1").unwrap();
        let working = admit(&slots, "192.0.2.1").unwrap();
        let work = working.activity.begin(hyper::Version::HTTP_11);
        let callers: Vec<Slot> = (0..9)
            .map(|_| admit_caller(&slots, "192.0.2.2").unwrap())
            .collect();
        let proxied = admit(&slots, "10.0.0.1").unwrap();
        assert_eq!(slots.counts().closed_early, 0);
        let next = admit_caller(&slots, "192.0.2.3").unwrap();
        assert!(is_told_to_close(&stranger).await && !is_told_to_close(&working).await);
        let another = admit_caller(&slots, "192.0.2.3").unwrap();
        assert!(is_told_to_close(&working).await, "where no other is left");
        for slot in callers.iter().chain([&proxied, &next, &another]) {
            assert!(!is_told_to_close(slot).await);
        }
        drop(work);
    }

    #[tokio::test]
    async fn those_who_are_being_closed_make_room_for_as_many_before_others_are() {
        // Each of a crowd that came at once had more closed, until those that had just come were.
        let slots = slots(64, 64, 64);
        let silent: Vec<Slot> = (0..48)
            .map(|_| admit(&slots, "192.0.2.1").unwrap())
            .collect();
        slots.ticks.advance(5);
        let crowd: Vec<Slot> = (0..5)
            .map(|_| admit(&slots, "192.0.2.2").unwrap())
            .collect();
        assert_eq!(
            slots.counts().closed_early,
            4 + 4,
            "four at the first, and four at the fifth"
        );
        for slot in &crowd {
            assert!(!is_told_to_close(slot).await);
        }
        drop((silent, crowd));
        assert_eq!(slots.yielding.load(Ordering::Relaxed), 0);
    }
}
