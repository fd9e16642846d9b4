//! The base of every part of the service: the store, the clock, chance, the names under which it is
//! reached, and the settings that may change while it runs.

use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};

use crate::domain::clock::{Clock, Random, Timestamp, random_bytes};
use crate::domain::instance::Instance;
use crate::service::adjustable::Adjustable;
use crate::store::{Operation, Store, Write};

/// The store, the clock and chance.
pub struct Base {
    pub(super) store: Store,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) random: Arc<dyn Random>,
    /// The name under which tokens are issued.
    pub(super) issuer: String,
    /// Where clients reach the service.
    pub(super) public_url: String,
    pub(super) adjustable: ArcSwap<Adjustable>,
}

impl Base {
    /// Returns the present time.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Returns the settings of this moment, without a lock. No task waits while it holds them.
    pub(super) fn adjustable(&self) -> Guard<Arc<Adjustable>> {
        self.adjustable.load()
    }

    /// Returns the time by the clocks of other machines: that of what they date, and of what they
    /// check.
    pub fn now_elsewhere(&self) -> Timestamp {
        self.clock.now_elsewhere()
    }

    /// Makes a request id: a random UUID in lower case.
    pub fn request_id(&self) -> String {
        let mut bytes: [u8; 16] = random_bytes(&*self.random);
        bytes[6] = bytes[6] & 0x0f | 0x40;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        let mut digits = [0; 32];
        // Thirty-two digits fit sixteen bytes, and they are ASCII, so neither can fail.
        hex::encode_to_slice(bytes, &mut digits).unwrap_or_default();
        let digits = std::str::from_utf8(&digits).unwrap_or_default();
        [
            &digits[..8],
            &digits[8..12],
            &digits[12..16],
            &digits[16..20],
            &digits[20..],
        ]
        .join("-")
    }

    /// Returns the name under which this service issues tokens.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Returns what registries send their clients to for a token.
    pub fn realm(&self) -> String {
        format!("{}/token", self.public_url)
    }

    /// Begins a write.
    pub(super) fn write(&self) -> Write {
        Write::new(Operation::new(&*self.random, self.now()))
    }

    /// Returns what an instance's tokens name as their issuer.
    pub fn issuer_of<'a>(&'a self, instance: &'a Instance) -> &'a str {
        instance.issuer.as_deref().unwrap_or(&self.issuer)
    }
}
