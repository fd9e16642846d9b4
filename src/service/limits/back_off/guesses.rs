//! Guesses of chosen passwords: charged before the slow hash, and one at a time for each key.
//!
//! A limit that is checked before the hash and charged after it is no limit: all guesses that are
//! sent at once pass the check together. So [`LogInLimits::begin_guess`] checks and charges in one
//! step, and [`LogInLimits::end_guess`] gives back the charge of a guess that wasn't wrong.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::domain::Result;
use crate::domain::clock::Timestamp;
use crate::domain::secret::Secret;
use crate::service::limits::back_off::failures::FailureKey;
use crate::service::limits::back_off::{BackOff, LogInLimits};
use crate::service::limits::keyed_semaphore::{KeyedPermit, KeyedSemaphore};

/// How many guesses of one address and username may wait for the one before: a client that pulls
/// logs in for several layers at once.
pub(super) const MAX_WAITING_GUESSES: usize = 8;
/// How long a client stays known after a right guess.
pub(super) const KNOWN_FOR: Duration = Duration::from_hours(24 * 30);
/// The most known clients: 16 bytes each, and as much again for the cache's own fields.
pub(super) const MAX_KNOWN_CLIENTS: usize = 65_536;

/// The outcome of a guess.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::service) enum Outcome {
    /// The guess is the password.
    Right,
    /// The guess was not compared with a password.
    Undecided,
    /// The guess isn't the password, as far as this process can know.
    Wrong,
}

/// Whether an address and a username together logged in with a chosen password before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::service) enum Client {
    /// Both did, in the last 30 days.
    Known,
    /// This process knows of no such log-in.
    Unknown,
}

/// A guess that is charged and has its permit; [`LogInLimits::end_guess`] takes it.
///
/// A guess that is dropped instead, as by a client that breaks off, stays charged.
#[must_use]
pub(in crate::service) struct Guess {
    address: IpAddr,
    key: FailureKey,
    /// The keyed hash of the address, the username and the password.
    digest: [u8; 32],
    permit: Arc<GuessPermit>,
    client: Client,
    /// As many hashes of chosen passwords as it costs.
    units: u32,
}

/// The permit of one guess; while it is held, others of the same address and username wait.
pub(in crate::service) type GuessPermit = KeyedPermit<FailureKey>;

impl Guess {
    /// Returns the permit, for hashing that goes on after its caller broke off.
    pub(in crate::service) fn permit(&self) -> Arc<GuessPermit> {
        Arc::clone(&self.permit)
    }

    /// Tells whether the client is known.
    pub(in crate::service) fn client(&self) -> Client {
        self.client
    }

    /// Returns the client's address.
    pub(in crate::service) fn address(&self) -> IpAddr {
        self.address
    }
}

impl LogInLimits {
    /// Waits until no other guess of this address and username is under way, and charges this one:
    /// its address by as many `units` as the usual work that it costs.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::AddressThrottled`](crate::domain::ErrorKind::AddressThrottled) when too many
    /// guesses were wrong, or too many wait.
    pub(in crate::service) async fn begin_guess(
        &self,
        address: IpAddr,
        username: &str,
        secret: &Secret,
        units: u32,
        now: impl Fn() -> Timestamp,
    ) -> Result<Guess> {
        let key = self.failure_key(address, username);
        let permit = KeyedSemaphore::acquire(&self.guesses, key)
            .await
            .ok_or_else(|| self.back_off_error(BackOff::Address))?;
        // The time after the wait, so that the buckets are refilled up to it.
        let now = now();
        let client = self.client(&key, now);
        // The address is charged first: once it is used up, further usernames take no memory. A
        // known client is not charged there. Its neighbours behind one address could use that
        // bucket up with made-up usernames, and so keep a right password out.
        if client == Client::Unknown && !self.hashes.take_units(address, units, now) {
            return Err(self.back_off_error(BackOff::Address));
        }
        if !self.failures.take(&key, now) {
            self.give_back_hash(address, client, units);
            return Err(self.back_off_error(BackOff::Username));
        }
        let digest = self.hash(&[&key, secret.expose().as_bytes()]);
        Ok(Guess {
            address,
            key,
            digest,
            permit: Arc::new(permit),
            client,
            units,
        })
    }

    /// Tells whether a client is known.
    pub(super) fn client(&self, key: &FailureKey, now: Timestamp) -> Client {
        match self.known_clients.get(&short(key)) {
            Some(until) if now < until => Client::Known,
            _ => Client::Unknown,
        }
    }

    fn give_back_hash(&self, address: IpAddr, client: Client, units: u32) {
        if client == Client::Unknown {
            self.hashes.give_back_units(address, units);
        }
    }

    /// Ends a guess, and gives back its charge unless it was wrong for the first time. After a
    /// right one, the client is known.
    pub(in crate::service) fn end_guess(&self, guess: Guess, outcome: Outcome, now: Timestamp) {
        let Guess {
            address,
            key,
            digest,
            permit,
            client,
            units,
        } = guess;
        if outcome == Outcome::Right {
            self.known_clients.insert(short(&key), now.plus(KNOWN_FOR));
        }
        if outcome != Outcome::Wrong || self.is_repetition(digest, now) {
            self.failures.give_back(&key);
            self.give_back_hash(address, client, units);
        }
        // The permit goes last, so that the next guess finds what was given back.
        drop(permit);
    }
}

/// Returns 64 bits of a keyed hash. Where two collide, one client is known for the other's log-in:
/// it gets the other pool of hashing threads, and no password becomes right by that.
fn short(key: &FailureKey) -> u64 {
    let mut short = [0; 8];
    short.copy_from_slice(&key[..8]);
    u64::from_be_bytes(short)
}
