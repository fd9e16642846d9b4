//! How many connections one address may have at once: nobody alone takes all places.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::domain::clock::{Clock, SystemClock, Timestamp};
use crate::http::Network;
use crate::service::subscriber;

/// How long, in seconds, nothing is said of an address's refused connections after something was.
const SAID_SECONDS: u64 = 10;

/// Counts connections by address.
pub(super) struct Shares {
    most: usize,
    /// Those who speak for many clients.
    proxies: Vec<Network>,
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    by_address: HashMap<IpAddr, usize>,
    refused: u64,
    said_at: Option<Timestamp>,
}

/// One connection's part; it goes back when it is dropped.
pub(super) struct Share {
    shares: Arc<Shares>,
    of: Option<IpAddr>,
}

impl Shares {
    /// Lets each address have `most` connections at once, and each of `proxies` any number.
    pub(super) fn new(most: usize, proxies: Vec<Network>) -> Self {
        Self { most, proxies, taken: Mutex::default() }
    }

    /// Takes a part for a connection of `peer`, if one is left.
    pub(super) fn take(shares: &Arc<Self>, peer: IpAddr) -> Option<Share> {
        let peer = peer.to_canonical();
        let of = (!shares.proxies.iter().any(|network| network.contains(peer))).then(|| subscriber(peer));
        if let Some(address) = of {
            let mut taken = shares.lock();
            let count = taken.by_address.entry(address).or_default();
            if *count >= shares.most {
                taken.refused(peer);
                return None;
            }
            *count += 1;
        }
        Some(Share { shares: Arc::clone(shares), of })
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        // The lock guards counters that are right after any panic, so a poisoned one is used on.
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken {
    /// Counts a refused connection; says so seldom, for a line costs more than the connection.
    fn refused(&mut self, peer: IpAddr) {
        self.refused += 1;
        let now = SystemClock.now();
        if self.said_at.is_none_or(|said_at| now.unix_seconds().abs_diff(said_at.unix_seconds()) >= SAID_SECONDS) {
            tracing::warn!(address = %peer, refused = self.refused, "connections are refused: limits.connections_per_address");
            (self.refused, self.said_at) = (0, Some(now));
        }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let Some(address) = self.of else { return };
        let mut taken = self.shares.lock();
        if let Some(count) = taken.by_address.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                taken.by_address.remove(&address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_its_share_and_no_more_until_one_ends() {
        let shares = Arc::new(Shares::new(2, vec!["10.0.0.0/8".parse().unwrap()]));
        let take = |address: &str| Shares::take(&shares, address.parse().unwrap());
        let (first, second) = (take("192.0.2.1"), take("::ffff:192.0.2.1"));
        assert!(first.is_some() && second.is_some() && take("192.0.2.1").is_none());
        assert!(take("192.0.2.2").is_some(), "another address has its own");
        drop(first);
        let third = take("192.0.2.1");
        assert!(third.is_some() && take("192.0.2.1").is_none());
        drop((second, third));
        assert!(shares.lock().by_address.is_empty(), "who left is forgotten");
    }

    #[test]
    fn a_subscriber_of_ipv6_is_one_address_and_a_trusted_proxy_is_many() {
        let shares = Arc::new(Shares::new(1, vec!["10.0.0.0/8".parse().unwrap()]));
        let take = |address: &str| Shares::take(&shares, address.parse().unwrap());
        let held = take("2001:db8::1");
        assert!(held.is_some() && take("2001:db8::2").is_none() && take("2001:db8:0:1::2").is_some());
        let proxied = [take("10.0.0.1"), take("10.0.0.1")];
        assert!(proxied.iter().all(Option::is_some));
    }
}
