//! Bodies that the service waits for, charged to their senders until they came.

use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;

use crate::domain::clock::Timestamp;
use crate::domain::{Error, ErrorKind, Result};
use crate::service::limits::rates::{Rates, subscriber};

/// The most bodies of one sender that are awaited at once: a client that sends head and body apart
/// has one for some milliseconds.
const MAX_WAITS: u32 = 256;
/// How many bodies of one sender may fail to come, a second.
const WAITS_PER_SECOND: u32 = 1;

/// Limits the bodies that the service waits for, by sender.
pub(in crate::service) struct WaitLimits {
    /// By a keyed hash of address and access key.
    pub(in crate::service) rates: Rates<u64>,
    hasher: RandomState,
}

/// An awaited body, charged to its sender. It stays charged when it is dropped, as when the sender
/// breaks off.
#[must_use]
pub struct Wait(pub(super) Option<u64>);

impl WaitLimits {
    pub(in crate::service) fn new() -> Self {
        Self {
            rates: Rates::new(WAITS_PER_SECOND, MAX_WAITS),
            hasher: RandomState::new(),
        }
    }

    /// Charges a body to its address, in a bucket for each `access_key_id` there; it may be empty.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::AddressThrottled`] when too many bodies are awaited, or never came.
    pub(in crate::service) fn begin(
        &self,
        address: Option<IpAddr>,
        access_key_id: &str,
        now: Timestamp,
    ) -> Result<Wait> {
        let Some(address) = address else {
            return Ok(Wait(None));
        };
        let sender = self.hasher.hash_one((subscriber(address), access_key_id));
        if self.rates.take(sender, now) {
            return Ok(Wait(Some(sender)));
        }
        let kind = ErrorKind::AddressThrottled {
            retry_after_seconds: 1,
        };
        Err(Error::new(
            kind,
            "Too many requests from this address did not send their bodies to the end; send a body \
             at once, or wait.",
        )
        .decided_by(format!(
            "{MAX_WAITS} bodies of the address are awaited, or never came"
        )))
    }

    /// Drops the buckets that are full again.
    pub(in crate::service) fn forget(&self, now: Timestamp) {
        self.rates.forget(now);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const START: Timestamp = Timestamp::from_unix_seconds(1_735_877_057);

    #[test]
    fn bodies_that_are_waited_for_are_charged_until_they_came() {
        let limits = WaitLimits::new();
        let here = Some("192.0.2.1".parse().unwrap());
        let mut waits: Vec<_> = (0..MAX_WAITS)
            .map(|_| limits.begin(here, "", START).unwrap())
            .collect();
        let refused = limits.begin(here, "", START).map(drop).unwrap_err();
        assert_eq!(
            refused.kind(),
            &ErrorKind::AddressThrottled {
                retry_after_seconds: 1
            }
        );
        assert!(
            limits.begin(here, "AKIDEXAMPLE", START).is_ok()
                && limits.begin(None, "", START).is_ok()
        );
        let came = waits.pop().unwrap();
        limits.rates.give_back(came.0.unwrap());
        waits.push(limits.begin(here, "", START).unwrap());
        drop(waits);
        let again = limits.begin(here, "", START).map(drop).unwrap_err();
        assert_eq!(again.kind(), refused.kind(), "who breaks off is charged");
        let later = START.plus(Duration::from_secs(1));
        assert!(limits.begin(here, "", later).is_ok());
        let again = limits.begin(here, "", later).map(drop).unwrap_err();
        assert_eq!(again.kind(), refused.kind());
    }
}
