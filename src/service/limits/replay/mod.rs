//! Replay protection: a nonce is used once, and a signature comes again only with the same request.
//!
//! A signed request that was overheard could be sent again for as long as its signature is valid.
//! Schemes with a nonce forbid that by the nonce. Schemes without one (TC3) can't: SDKs repeat a
//! request after a timeout, byte by byte, and must be answered. There the signature may come again,
//! bound to the same request, and the result is the one that its owner asked for.
//!
//! Two memories hold keyed hashes, of nonces ([`table`]) and of signatures with what they are bound
//! to. Nothing is evicted before its signature ends: an attacker could otherwise fill the memory
//! until the nonce to be replayed is forgotten. All of it has one bound. Where that comes near, the
//! access keys that hold most are refused instead ([`shares`]). A restart forgets all of it
//! (docs/guarantees.md). [Decision 43](docs/decisions/0043-the-replay-memory-has-one-bound.md) has
//! the reasons.

mod shares;
mod table;
#[cfg(test)]
mod tests;

use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

pub use self::shares::ReplayFigures;
use self::shares::{Budget, Holders, Holdings};
use self::table::{HASH_BITS, Table, Tick};
use crate::domain::clock::Timestamp;
use crate::domain::ids::AccountId;
use crate::domain::{Error, ErrorKind, Result};
use crate::sign::{Method, Replay};

/// The tables of a memory: so many that spreading one anew takes microseconds. The bits of a hash
/// that [`table`] doesn't keep choose the table, so all 64 bits count.
const TABLES: usize = 1 << (u64::BITS - HASH_BITS);
/// The bytes of the hash of what a signature is bound to. An attacker who has a signature may guess
/// a request with an equal hash: one of 2^32 is.
const BOUND_BYTES: usize = 4;
/// How long a signature is valid that was made as far ahead as may be.
const MAX_LIFE: Duration = Duration::from_mins(30);

/// Whether a call reads or changes something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// It is read-only.
    Read,
    /// It changes something, or gives out a secret.
    Change,
}

/// Remembers nonces and signatures for as long as their signatures are valid.
pub(in crate::service) struct Replays {
    hasher: RandomState,
    budget: Budget,
    nonces: Memory<0>,
    signatures: Memory<BOUND_BYTES>,
}

/// The memory of one kind of hashes, each bound to `BOUND` bytes.
struct Memory<const BOUND: usize> {
    tables: Vec<Mutex<Table<BOUND>>>,
    holdings: Holdings,
}

impl Replays {
    /// Remembers requests in up to `max_bytes` of memory.
    pub(in crate::service) fn new(max_bytes: usize) -> Self {
        let budget = Budget::new(max_bytes);
        Self {
            hasher: RandomState::new(),
            nonces: Memory::new(Method::Acs3HmacSha256, &budget),
            signatures: Memory::new(Method::Tc3HmacSha256, &budget),
            budget,
        }
    }

    /// Takes up to another number of bytes from now on; what is remembered stays.
    pub(in crate::service) fn adjust(&self, max_bytes: usize) {
        self.budget.adjust(max_bytes);
    }

    /// Returns the figures of this moment.
    pub(in crate::service) fn figures(&self) -> ReplayFigures {
        self.budget.figures()
    }

    /// Checks a request whose signature was verified, and remembers it. `valid_until` is the last
    /// moment of its signature, however narrow the settings' window is: they may widen it again.
    ///
    /// TC3 doesn't sign the action, so two Describe calls with one body in one second carry one
    /// signature; read-only actions may share it. They may share no signature that leaves the body
    /// out, because another body would be another question.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Replayed`] for a used nonce, or a signature that came with another request;
    /// [`ErrorKind::NonceMemoryFull`] when the access key and its account have their share.
    pub(in crate::service) fn check(
        &self,
        access_key_id: &str,
        account: AccountId,
        valid_until: Timestamp,
        replay: &Replay,
        purpose: Purpose,
        now: Timestamp,
    ) -> Result<()> {
        let request = Verified {
            holders: Holders {
                access_key: self.hasher.hash_one(access_key_id),
                account: self.hasher.hash_one(account),
            },
            // By a clock that was moved (docs/mock.md) it may be years away.
            ends: Tick::of(valid_until.clamp(now, now.plus(MAX_LIFE))),
            now,
        };
        let hash = self.hash_of(request.holders.access_key, replay);
        let is_allowed = match replay {
            Replay::None => {
                // Nothing of it is remembered but its access key, and of that only if there is
                // memory: the call is served either way.
                let holdings = &self.signatures.holdings;
                let _ = holdings.take(request.holders, 0, now, &self.budget);
                true
            }
            // A nonce is bound to no request, so nothing is equal to it and its second use fails.
            Replay::Nonce(_) => self
                .nonces
                .find_or_insert(hash, [], &request, &self.budget)?
                .is_none(),
            Replay::Bound {
                bound, covers_body, ..
            } => {
                let [bound @ .., _, _, _, _] = self.hasher.hash_one(bound).to_le_bytes();
                let may_differ = purpose == Purpose::Read && *covers_body;
                self.signatures
                    .find_or_insert(hash, bound, &request, &self.budget)?
                    .is_none_or(|before| may_differ || before == bound)
            }
        };
        if is_allowed {
            Ok(())
        } else {
            Err(Error::replayed())
        }
    }

    /// Tells whether a request of an access key was verified in the last minutes.
    pub(in crate::service) fn has_seen(&self, access_key_id: &str) -> bool {
        let access_key = self.hasher.hash_one(access_key_id);
        self.nonces.holdings.has_access_key(access_key)
            || self.signatures.holdings.has_access_key(access_key)
    }

    /// Forgets the request that a signature is bound to; a nonce stays used.
    pub(in crate::service) fn unbind(&self, access_key_id: &str, replay: &Replay, now: Timestamp) {
        if let Replay::Bound { .. } = replay {
            let hash = self.hash_of(self.hasher.hash_one(access_key_id), replay);
            self.signatures.table(hash).end(kept(hash), Tick::of(now));
        }
    }

    /// Gives back the memory of signatures that are invalid by now.
    pub(in crate::service) fn forget(&self, now: Timestamp) {
        self.nonces.forget(now, &self.budget);
        self.signatures.forget(now, &self.budget);
    }

    /// Returns the keyed hash of a nonce or a signature of an access key.
    fn hash_of(&self, access_key: u64, replay: &Replay) -> u64 {
        match replay {
            Replay::None => 0,
            Replay::Nonce(nonce) => self.hasher.hash_one((access_key, nonce)),
            Replay::Bound { signature, .. } => self.hasher.hash_one((access_key, signature)),
        }
    }
}

/// A request whose signature was verified.
struct Verified {
    holders: Holders,
    ends: Tick,
    now: Timestamp,
}

impl<const BOUND: usize> Memory<BOUND> {
    /// The bytes that a request takes of its access key's share: a slot, and an empty one for four.
    const REQUEST_BYTES: u32 = ((size_of::<u64>() + BOUND) * 5 / 4) as u32;

    fn new(method: Method, budget: &Budget) -> Self {
        budget.replace(0, TABLES * size_of::<Mutex<Table<BOUND>>>());
        Self {
            tables: (0..TABLES).map(|_| Mutex::default()).collect(),
            holdings: Holdings::new(method.window()),
        }
    }

    /// Returns the bytes that a hash is bound to, or inserts it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NonceMemoryFull`] when the access key and its account have their share.
    fn find_or_insert(
        &self,
        hash: u64,
        bound: [u8; BOUND],
        request: &Verified,
        budget: &Budget,
    ) -> Result<Option<[u8; BOUND]>> {
        let now = Tick::of(request.now);
        // One lock from look-up to insertion: of two copies sent at once, only one passes.
        let mut table = self.table(hash);
        if let Some(before) = table.find(kept(hash), now) {
            return Ok(Some(before));
        }
        let bytes = Self::REQUEST_BYTES;
        if !self
            .holdings
            .take(request.holders, bytes, request.now, budget)
        {
            return Err(full(budget));
        }
        let before = table.bytes();
        table.insert(kept(hash), bound, request.ends, now);
        budget.replace(before, table.bytes());
        Ok(None)
    }

    fn forget(&self, now: Timestamp, budget: &Budget) {
        for table in &self.tables {
            let mut table = table.lock().unwrap_or_else(PoisonError::into_inner);
            let before = table.bytes();
            table.forget(Tick::of(now));
            budget.replace(before, table.bytes());
        }
        self.holdings.forget(now, budget);
    }

    fn table(&self, hash: u64) -> MutexGuard<'_, Table<BOUND>> {
        let table = usize::try_from(hash >> HASH_BITS).unwrap_or(0);
        // No panic leaves a table half written, so a poisoned lock is used on.
        self.tables[table]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the bits of a hash that its table keeps; never 0, which stands for an empty slot.
fn kept(hash: u64) -> u64 {
    (hash % (1 << HASH_BITS)).max(1)
}

fn full(budget: &Budget) -> Error {
    budget.count_refusal();
    let ReplayFigures {
        bytes, max_bytes, ..
    } = budget.figures();
    Error::new(
        ErrorKind::NonceMemoryFull,
        "The memory of used signatures is short, and this access key and its account have their \
         share of it; slow down, and try again in a few minutes.",
    )
    .decided_by(format!(
        "limits.replay_bytes is {max_bytes}, and {bytes} are used"
    ))
}
