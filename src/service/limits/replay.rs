//! Requests that come again: nonces are used once, and a signature only with what it was made for.
//!
//! What is remembered are 64-bit keyed hashes, in buckets by the time that the request was signed,
//! per access key. A bucket that is full throttles its key; nothing is evicted before its window
//! has passed. A restart forgets all of it (docs/guarantees.md).

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, BuildHasherDefault, RandomState};
use std::time::Duration;

use crate::domain::clock::Timestamp;
use crate::domain::{Error, ErrorKind, Result};
use crate::service::sharded::{AsItIs, Sharded};
use crate::sign::Replay;

/// The width of a bucket, in seconds: a window of fifteen minutes both ways spans seven.
const BUCKET_SECONDS: i64 = 300;
/// The longest window of any signature, both ways, in seconds.
const WINDOW_SECONDS: i64 = 900;

/// Of one access key: by the time signed, what was seen, and for a signature what it was bound to.
type Buckets = BTreeMap<i64, HashMap<u64, u64, BuildHasherDefault<AsItIs>>>;

/// What a call is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// It says what is there.
    Read,
    /// It changes something, or gives something out.
    Change,
}

/// Remembers nonces and signatures for as long as they could be used again.
pub(in crate::service) struct Replays {
    hasher: RandomState,
    bucket_capacity: usize,
    by_access_key: Sharded<String, Buckets>,
}

impl Replays {
    /// Remembers up to `bucket_capacity` requests of one access key that were signed in the same
    /// five minutes.
    pub(in crate::service) fn new(bucket_capacity: usize) -> Self {
        Self {
            hasher: RandomState::new(),
            bucket_capacity,
            by_access_key: Sharded::new(),
        }
    }

    /// Takes note of a request whose signature was verified.
    ///
    /// [`ErrorKind::Replayed`] for a nonce that was used, or a signature that comes with something
    /// else than before; [`ErrorKind::NonceMemoryFull`] when its bucket is full. What only reads
    /// may share the signature of another request: a client that asks two things of one body in one
    /// second signs alike.
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
            // A nonce is bound to nothing that could come again, so its second use never fits.
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
        let mut keys = self.by_access_key.lock(access_key_id);
        let buckets = match keys.get_mut(access_key_id) {
            Some(buckets) => buckets,
            None => keys.entry(access_key_id.to_owned()).or_default(),
        };
        forget_passed(buckets, now);
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
        if bucket.len() >= self.bucket_capacity {
            let message = format!(
                "The access key signed {} requests within {BUCKET_SECONDS} seconds, and no more \
                 are remembered; use several keys, or slow down.",
                self.bucket_capacity
            );
            return Err(Error::new(ErrorKind::NonceMemoryFull, message));
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

    /// Forgets what a signature was bound to; a nonce stays used.
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

    /// Forgets the access keys that nothing is remembered of.
    pub(in crate::service) fn forget(&self, now: Timestamp) {
        self.by_access_key.retain(|_, buckets| {
            forget_passed(buckets, now);
            !buckets.is_empty()
        });
    }
}

/// Drops the buckets whose last request has left its window.
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
        assert!(
            replays
                .check(
                    "a",
                    NOW.minus(14 * MINUTE),
                    &nonce("1"),
                    Purpose::Change,
                    NOW
                )
                .is_err()
        );
        // Signed a quarter of an hour ahead, it could be sent for half an hour.
        assert!(
            replays
                .check(
                    "a",
                    NOW.plus(14 * MINUTE),
                    &nonce("1"),
                    Purpose::Change,
                    NOW.plus(28 * MINUTE)
                )
                .is_err()
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
        assert!(
            replays
                .check("a", NOW, &sent(3, true), Purpose::Change, NOW)
                .is_err(),
            "a question's signature changes nothing"
        );
        assert!(
            replays
                .check("a", NOW, &sent(2, false), Purpose::Read, NOW)
                .is_err(),
            "nothing covers this question"
        );
    }
}
