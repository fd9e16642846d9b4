//! Replay protection: a nonce is used once, and a signature comes again only with the same request.
//!
//! A signed request that was overheard could be sent again for as long as its signature is valid.
//! Schemes with a nonce forbid that by the nonce. Schemes without one (TC3) can't: SDKs repeat a
//! request after a timeout, byte by byte, and must be answered. There the signature may come again,
//! bound to the same request, and the result is the one that its owner asked for.
//!
//! Each access key has its own memory of 64-bit keyed hashes, in buckets by the time of signing. A
//! whole bucket is dropped once no signature in it is valid any more, and nothing is evicted
//! before: an attacker could otherwise fill the memory until the nonce to be replayed is forgotten.
//! A full bucket refuses the requests of its access key instead. A restart forgets all of it
//! (docs/guarantees.md).

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, BuildHasherDefault, RandomState};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::domain::clock::Timestamp;
use crate::domain::{Error, ErrorKind, Result};
use crate::service::sharded::{AsItIs, Sharded};
use crate::sign::Replay;

/// The width of a bucket, in seconds: a window of fifteen minutes both ways spans seven buckets.
const BUCKET_SECONDS: i64 = 300;
/// The longest time that a signature is valid before and after its signing, in seconds.
const WINDOW_SECONDS: i64 = 900;

/// The buckets of one access key, by time of signing. Each has the hashes of nonces and signatures,
/// with the hash of the request that a signature is bound to; zero for a nonce.
type Buckets = BTreeMap<i64, HashMap<u64, u64, BuildHasherDefault<AsItIs>>>;

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
    bucket_capacity: AtomicUsize,
    by_access_key: Sharded<String, Buckets>,
}

impl Replays {
    /// Remembers up to `bucket_capacity` requests of one access key that were signed in the same
    /// five minutes.
    pub(in crate::service) fn new(bucket_capacity: usize) -> Self {
        Self {
            hasher: RandomState::new(),
            bucket_capacity: bucket_capacity.into(),
            by_access_key: Sharded::new(),
        }
    }

    /// Remembers up to another number from now on; what is remembered stays.
    pub(in crate::service) fn adjust(&self, bucket_capacity: usize) {
        self.bucket_capacity
            .store(bucket_capacity, Ordering::Relaxed);
    }

    /// Checks a request whose signature was verified, and remembers it.
    ///
    /// TC3 doesn't sign the action, so two Describe calls with one body in one second carry one
    /// signature; read-only actions may share it. They may share no signature that leaves the body
    /// out, because another body would be another question.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Replayed`] for a used nonce, or a signature that came with another request;
    /// [`ErrorKind::NonceMemoryFull`] when the bucket is full.
    pub(in crate::service) fn check(
        &self,
        access_key_id: &str,
        signed_at: Timestamp,
        replay: &Replay,
        purpose: Purpose,
        now: Timestamp,
    ) -> Result<()> {
        let (seen, bound, may_differ) = match replay {
            Replay::None => return Ok(()),
            // A nonce is bound to no request, so nothing is equal to it and its second use fails.
            Replay::Nonce(nonce) => (self.hasher.hash_one(nonce), None, false),
            Replay::Bound {
                signature,
                bound,
                covers_body,
            } => (
                self.hasher.hash_one(signature),
                Some(self.hasher.hash_one(bound)),
                purpose == Purpose::Read && *covers_body,
            ),
        };
        // One lock from look-up to insertion: of two copies sent at once, only one passes.
        let mut keys = self.by_access_key.lock(access_key_id);
        let buckets = match keys.get_mut(access_key_id) {
            Some(buckets) => buckets,
            None => keys.entry(access_key_id.to_owned()).or_default(),
        };
        forget_passed(buckets, now);
        // In all buckets, not only that of this time: a nonce could come again with a signature of
        // another time.
        if let Some(before) = buckets.values().find_map(|bucket| bucket.get(&seen)) {
            return if may_differ || bound == Some(*before) {
                Ok(())
            } else {
                Err(Error::replayed())
            };
        }
        let bucket = buckets
            .entry(signed_at.unix_seconds().div_euclid(BUCKET_SECONDS))
            .or_default();
        let capacity = self.bucket_capacity.load(Ordering::Relaxed);
        if bucket.len() >= capacity {
            let message = format!(
                "The access key signed {capacity} requests within {BUCKET_SECONDS} seconds, and no \
                 more are remembered; use several keys, or slow down."
            );
            return Err(Error::new(ErrorKind::NonceMemoryFull, message)
                .decided_by(format!("limits.nonces_per_access_key is {capacity}")));
        }
        bucket.insert(seen, bound.unwrap_or_default());
        Ok(())
    }

    /// Tells whether a request of an access key was verified in the last minutes.
    pub(in crate::service) fn has_seen(&self, access_key_id: &str) -> bool {
        self.by_access_key
            .lock(access_key_id)
            .contains_key(access_key_id)
    }

    /// Forgets the request that a signature is bound to; a nonce stays used.
    pub(in crate::service) fn unbind(&self, access_key_id: &str, replay: &Replay) {
        let Replay::Bound { signature, .. } = replay else {
            return;
        };
        let seen = self.hasher.hash_one(signature);
        if let Some(buckets) = self
            .by_access_key
            .lock(access_key_id)
            .get_mut(access_key_id)
        {
            for bucket in buckets.values_mut() {
                bucket.remove(&seen);
            }
        }
    }

    /// Drops the access keys whose signatures are all invalid by now.
    pub(in crate::service) fn forget(&self, now: Timestamp) {
        self.by_access_key.retain(|_, buckets| {
            forget_passed(buckets, now);
            !buckets.is_empty()
        });
    }
}

/// Drops the buckets in which no signature is valid any more.
fn forget_passed(buckets: &mut Buckets, now: Timestamp) {
    let oldest = now
        .minus(Duration::from_secs(WINDOW_SECONDS.unsigned_abs()))
        .unix_seconds()
        .div_euclid(BUCKET_SECONDS);
    while buckets
        .first_key_value()
        .is_some_and(|(bucket, _)| *bucket < oldest)
    {
        buckets.pop_first();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_unix_seconds(1_735_787_045);
    const MINUTE: Duration = Duration::from_secs(60);

    fn nonce(text: &str) -> Replay {
        Replay::Nonce(text.to_owned())
    }

    #[test]
    fn a_nonce_is_used_once_per_access_key() {
        let replays = Replays::new(100);
        replays
            .check("a", NOW, &nonce("1"), Purpose::Change, NOW)
            .unwrap();
        assert_eq!(
            replays
                .check("a", NOW, &nonce("1"), Purpose::Change, NOW)
                .unwrap_err()
                .kind(),
            &ErrorKind::Replayed
        );
        replays
            .check("b", NOW, &nonce("1"), Purpose::Change, NOW)
            .expect("another key has its own nonces");
        replays
            .check("a", NOW, &nonce("2"), Purpose::Change, NOW)
            .unwrap();
    }

    #[test]
    fn a_nonce_can_not_come_again_under_another_time() {
        let replays = Replays::new(100);
        replays
            .check(
                "a",
                NOW.plus(14 * MINUTE),
                &nonce("1"),
                Purpose::Change,
                NOW,
            )
            .unwrap();
        let refused = |signed_at, now| {
            replays
                .check("a", signed_at, &nonce("1"), Purpose::Change, now)
                .unwrap_err()
                .kind()
                .clone()
        };
        assert_eq!(refused(NOW.minus(14 * MINUTE), NOW), ErrorKind::Replayed);
        // Signed a quarter of an hour ahead, it could be sent for half an hour.
        assert_eq!(
            refused(NOW.plus(14 * MINUTE), NOW.plus(28 * MINUTE)),
            ErrorKind::Replayed
        );
    }

    #[test]
    fn what_left_its_window_is_forgotten() {
        let replays = Replays::new(1);
        replays
            .check("a", NOW, &nonce("1"), Purpose::Change, NOW)
            .unwrap();
        assert_eq!(
            replays
                .check("a", NOW, &nonce("2"), Purpose::Change, NOW)
                .unwrap_err()
                .kind(),
            &ErrorKind::NonceMemoryFull
        );
        let later = NOW.plus(21 * MINUTE);
        replays
            .check("a", later, &nonce("2"), Purpose::Change, later)
            .unwrap();
        replays.forget(later.plus(60 * MINUTE));
        assert!(replays.by_access_key.lock("a").is_empty());
    }

    #[test]
    fn the_same_signature_may_come_again_only_with_the_same_binding() {
        let replays = Replays::new(100);
        let sent = |bound| Replay::Bound {
            signature: [7; 32],
            bound: [bound; 32],
            covers_body: true,
        };
        replays
            .check("a", NOW, &sent(1), Purpose::Change, NOW)
            .unwrap();
        replays
            .check("a", NOW, &sent(1), Purpose::Change, NOW)
            .expect("a client's repetition is allowed");
        assert_eq!(
            replays
                .check("a", NOW, &sent(2), Purpose::Change, NOW)
                .unwrap_err()
                .kind(),
            &ErrorKind::Replayed
        );
    }

    #[test]
    fn what_only_reads_may_share_a_signature_and_what_changes_may_not() {
        let replays = Replays::new(100);
        let sent = |bound, covers_body| Replay::Bound {
            signature: [7; 32],
            bound: [bound; 32],
            covers_body,
        };
        replays
            .check("a", NOW, &sent(1, true), Purpose::Read, NOW)
            .unwrap();
        replays
            .check("a", NOW, &sent(2, true), Purpose::Read, NOW)
            .expect("two questions of one body in one second");
        let refused = |replay, purpose| {
            replays
                .check("a", NOW, &replay, purpose, NOW)
                .unwrap_err()
                .kind()
                .clone()
        };
        assert_eq!(
            refused(sent(3, true), Purpose::Change),
            ErrorKind::Replayed,
            "a question's signature changes nothing"
        );
        assert_eq!(
            refused(sent(2, false), Purpose::Read),
            ErrorKind::Replayed,
            "nothing covers this question"
        );
    }
}
