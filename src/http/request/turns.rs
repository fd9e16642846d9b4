//! The share of each address in an overload: those that ask for little are let in before those that
//! ask for much.
//!
//! Requests are counted by their address in a table of fixed size. Two addresses may share a place
//! there, and then one share.

use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// The places of the table: 8 KiB.
const PLACES: usize = 1024;

/// The requests that each address was let in with, in a period of a fraction of a second.
#[derive(Debug)]
pub(super) struct Turns {
    /// The period in the upper half, the requests in the lower.
    places: Box<[AtomicU64]>,
    hasher: RandomState,
    period: AtomicU32,
    /// The requests of this period, and the addresses that they came from.
    requests: AtomicU32,
    addresses: AtomicU32,
    /// The requests of an address in the last period, on average; 0 before there was one.
    average: AtomicU32,
}

impl Turns {
    pub(super) fn new() -> Self {
        Self {
            places: (0..PLACES).map(|_| AtomicU64::new(0)).collect(),
            hasher: RandomState::new(),
            period: AtomicU32::new(1),
            requests: AtomicU32::new(0),
            addresses: AtomicU32::new(0),
            average: AtomicU32::new(0),
        }
    }

    /// Begins a period. The one that ends says what is much in it.
    pub(super) fn begin_period(&self) {
        let requests = self.requests.swap(0, Ordering::Relaxed);
        let addresses = self.addresses.swap(0, Ordering::Relaxed);
        let average = requests.checked_div(addresses).unwrap_or(0);
        self.average.store(average, Ordering::Relaxed);
        self.period.fetch_add(1, Ordering::Relaxed);
    }

    /// Tells whether an address had less than the average in this period; nothing while there is no
    /// average.
    pub(super) fn is_modest(&self, address: Option<IpAddr>) -> Option<bool> {
        let average = self.average.load(Ordering::Relaxed);
        let had = match self.place(address).load(Ordering::Relaxed) {
            place if self.is_of_this_period(place) => requests_of(place),
            _ => 0,
        };
        (average > 0).then_some(had < average)
    }

    /// Counts a request that is let in.
    pub(super) fn count(&self, address: Option<IpAddr>) {
        let place = self.place(address);
        let before = place.load(Ordering::Relaxed);
        let now = if self.is_of_this_period(before) {
            before.saturating_add(1)
        } else {
            self.addresses.fetch_add(1, Ordering::Relaxed);
            u64::from(self.period.load(Ordering::Relaxed)) << 32 | 1
        };
        // Of two at once one may be lost: it is a share, not an account.
        place.store(now, Ordering::Relaxed);
        self.requests.fetch_add(1, Ordering::Relaxed);
    }

    fn is_of_this_period(&self, place: u64) -> bool {
        place >> 32 == u64::from(self.period.load(Ordering::Relaxed))
    }

    fn place(&self, address: Option<IpAddr>) -> &AtomicU64 {
        &self.places[self.index(address)]
    }

    fn index(&self, address: Option<IpAddr>) -> usize {
        // A network of 64 bits is what one customer of IPv6 has at least.
        let network = match address {
            Some(IpAddr::V6(address)) => address.to_bits() >> 64,
            Some(IpAddr::V4(address)) => address.to_bits().into(),
            None => 0,
        };
        let place = self.hasher.hash_one(network) % PLACES as u64;
        // Less than `PLACES`.
        usize::try_from(place).unwrap_or_default()
    }

    /// Returns those of some addresses that have each a place of their own.
    #[cfg(test)]
    pub(super) fn apart(
        &self,
        addresses: impl Iterator<Item = IpAddr>,
    ) -> impl Iterator<Item = IpAddr> {
        let mut taken = std::collections::HashSet::new();
        addresses.filter(move |address| taken.insert(self.index(Some(*address))))
    }
}

fn requests_of(place: u64) -> u32 {
    u32::try_from(place & u64::from(u32::MAX)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_modest_until_it_has_had_the_average() {
        let turns = Turns::new();
        let all = (1..=9).map(|last| IpAddr::from([192, 0, 2, last]));
        let apart: Vec<IpAddr> = turns.apart(all).collect();
        let address = |number: usize| Some(apart[number]);
        assert_eq!(turns.is_modest(address(1)), None, "nothing is known yet");
        for _ in 0..9 {
            turns.count(address(1));
        }
        turns.count(address(2));
        assert_eq!(turns.is_modest(address(1)), None);
        turns.begin_period();
        // Ten requests of two addresses.
        for had in 0..8 {
            assert_eq!(turns.is_modest(address(1)), Some(had < 5), "{had}");
            turns.count(address(1));
        }
        assert_eq!(turns.is_modest(address(2)), Some(true));
        turns.begin_period();
        assert_eq!(turns.is_modest(address(1)), Some(true), "a new period");
        turns.begin_period();
        assert_eq!(turns.is_modest(address(1)), None, "nobody came");
    }

    #[test]
    fn a_network_of_ipv6_is_one_address() {
        let turns = Turns::new();
        let of = |text: &str| Some(text.parse().unwrap());
        turns.count(of("2001:db8::1"));
        turns.begin_period();
        turns.count(of("2001:db8::2"));
        assert_eq!(turns.is_modest(of("2001:db8::3")), Some(false));
        let networks = (0..9_u16).map(|last| IpAddr::from([0x2001, 0xdb8, 0, last, 0, 0, 0, 3]));
        let other = turns.apart(networks).nth(1);
        assert_eq!(turns.is_modest(other), Some(true));
    }
}
