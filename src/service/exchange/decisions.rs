//! Decisions that are given again: the log-in and the rights of a request that was asked a moment
//! ago, by the same secret, from the same address, for the same scopes.
//!
//! A decision holds while nothing that it read has changed ([`crate::service::memory::reads`]), and
//! ten seconds at most. Only credentials that this service made are remembered, and never a
//! refusal: a chosen password is always compared, and each failure charged.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::hmac;
use quick_cache::Weighter;
use quick_cache::sync::Cache;

use crate::domain::Result;
use crate::domain::clock::{Random, Timestamp, random_bytes};
use crate::domain::password::has_own_prefix;
use crate::domain::scope::Scopes;
use crate::service::access::caller::Caller;
use crate::service::access::presented::{Accepted, LogIn};
use crate::service::exchange::{Exchange, Exchanged, Granted};
use crate::service::memory::reads::Reads;
use crate::service::request::RequestContext;

/// How long a decision or a token is given again.
pub(super) const REMEMBERED: Duration = Duration::from_secs(10);
/// The bytes of a usual entry. By their number a memory is told how many keys to keep in mind that
/// have left it: one that comes again is kept before those that come once.
const USUAL_BYTES: u64 = 2048;
/// Bytes of a decision beside its texts: the caller with all that a sealed credential can say.
const DECISION_BYTES: usize = 2048;
/// Bytes of a compiled session policy, which has 4,096 characters at most.
const SESSION_POLICY_BYTES: usize = 64 << 10;

/// A keyed hash: strangers can't know, and nobody can read a secret from it.
pub(super) type Digest = [u8; 32];

/// The key of digests, of this process alone.
pub(super) struct DigestKey(hmac::Key);

impl DigestKey {
    /// Draws a key.
    pub(super) fn random(random: &dyn Random) -> Self {
        let bytes: [u8; 32] = random_bytes(random);
        Self(hmac::Key::new(hmac::HMAC_SHA256, &bytes))
    }

    /// Begins a digest.
    pub(super) fn begin(&self) -> Digesting {
        Digesting(hmac::Context::with_key(&self.0))
    }
}

/// A digest of parts, each with its length before it, so that no two lists of parts are alike.
pub(super) struct Digesting(hmac::Context);

impl Digesting {
    /// Adds a part.
    pub(super) fn add(&mut self, part: &[u8]) {
        self.0.update(&(part.len() as u64).to_le_bytes());
        self.0.update(part);
    }

    /// Ends the digest.
    pub(super) fn end(self) -> Digest {
        let mut digest = Digest::default();
        digest.copy_from_slice(self.0.sign().as_ref());
        digest
    }
}

/// The digest of all that a token request brings to its decision: the secret, the registry, the
/// scopes, the client's address.
pub struct TokenQuestion {
    /// None for a log-in whose decision isn't remembered.
    digest: Option<Digest>,
}

/// A log-in, and what it was granted.
pub struct Decision {
    caller: Caller,
    pub(super) granted: Arc<Granted>,
    reads: Reads,
    decided_at: Timestamp,
    /// The same by the process's own time, which never goes back.
    decided_at_uptime: Duration,
}

impl Decision {
    /// Returns whom the log-in proved.
    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    fn bytes(&self) -> usize {
        let policy = self
            .caller
            .session_policy()
            .map_or(0, |_| SESSION_POLICY_BYTES);
        DECISION_BYTES + self.granted.bytes() + self.reads.heap_bytes() + policy
    }
}

/// The decisions of the last seconds, bounded in bytes.
pub(super) struct Decisions {
    by_question: Cache<Digest, Arc<Decision>, ByBytes>,
}

#[derive(Clone)]
struct ByBytes;

impl Weighter<Digest, Arc<Decision>> for ByBytes {
    fn weight(&self, _: &Digest, decision: &Arc<Decision>) -> u64 {
        decision.bytes() as u64
    }
}

impl Decisions {
    /// Makes an empty memory of so many bytes.
    pub(super) fn new(max_bytes: u64) -> Self {
        Self {
            by_question: Cache::with_weighter(usual_entries(max_bytes), max_bytes, ByBytes),
        }
    }

    pub(super) fn bytes(&self) -> u64 {
        self.by_question.weight()
    }
}

/// Returns how many usual entries have room in so many bytes.
pub(super) fn usual_entries(max_bytes: u64) -> usize {
    usize::try_from(max_bytes / USUAL_BYTES).unwrap_or(0)
}

/// Tells whether something is at most [`REMEMBERED`] old, by the clock and by the process's own
/// time; a clock that was set back ends it, too.
pub(super) fn is_recent(
    (at, now): (Timestamp, Timestamp),
    (at_uptime, uptime): (Duration, Duration),
) -> bool {
    at <= now && at.until(now) < REMEMBERED && uptime.saturating_sub(at_uptime) < REMEMBERED
}

impl Exchange {
    /// Returns the question of a token request.
    pub fn question(
        &self,
        registry: &str,
        log_in: &LogIn,
        scopes: &Scopes,
        context: &RequestContext,
    ) -> TokenQuestion {
        let LogIn::Password {
            username,
            secret,
            accepted: accepted @ (Accepted::Any | Accepted::Made),
        } = log_in
        else {
            return TokenQuestion { digest: None };
        };
        if !self.remembers() || !has_own_prefix(secret.expose()) {
            return TokenQuestion { digest: None };
        }
        let mut digest = self.digest_key.begin();
        digest.add(username.as_bytes());
        digest.add(secret.expose().as_bytes());
        digest.add(&[u8::from(*accepted == Accepted::Made)]);
        digest.add(registry.as_bytes());
        match context.address {
            Some(std::net::IpAddr::V4(address)) => digest.add(&address.octets()),
            Some(std::net::IpAddr::V6(address)) => digest.add(&address.octets()),
            None => digest.add(&[]),
        }
        digest.add(&[u8::from(context.secure_transport)]);
        for scope in &scopes.asked {
            digest.add(scope.resource_type.name().as_bytes());
            digest.add(scope.name.as_bytes());
            let actions = scope.actions.iter().map(|action| 1 << (*action as u8));
            digest.add(&[actions.sum()]);
        }
        // No resource type is empty, so this ends the scopes.
        digest.add(&[]);
        for text in &scopes.left_out {
            digest.add(text.as_bytes());
        }
        TokenQuestion {
            digest: Some(digest.end()),
        }
    }

    /// Tells whether anything is remembered at all.
    pub(super) fn remembers(&self) -> bool {
        self.decisions.by_question.capacity() > 0
    }

    /// Returns the decision of this question, if it was made a moment ago and would be made alike
    /// now. Its use is noted as one of the credential's.
    pub fn recall(&self, question: &TokenQuestion) -> Option<Arc<Decision>> {
        let decision = self.decisions.by_question.get(question.digest.as_ref()?)?;
        let now = self.base.now();
        let is_current = self.memory.is_fresh()
            && is_recent(
                (decision.decided_at, now),
                (decision.decided_at_uptime, self.base.clock.uptime()),
            )
            && decision.reads.are_current(&self.memory.cache.marks, now);
        if !is_current {
            return None;
        }
        self.access.note_use(&decision.caller, now);
        Some(decision)
    }

    /// Logs in and makes an exchange, and remembers how it was decided.
    ///
    /// # Errors
    ///
    /// Those of `exchanging`.
    pub async fn remembering(
        &self,
        question: TokenQuestion,
        exchanging: impl Future<Output = Result<(Caller, Exchanged)>>,
    ) -> Result<Exchanged> {
        let Some(digest) = question.digest else {
            return Ok(exchanging.await?.1);
        };
        let (decided_at, decided_at_uptime) = (self.base.now(), self.base.clock.uptime());
        let (exchanged, reads) = Reads::of(&self.memory.cache.marks, exchanging).await;
        let (caller, exchanged) = exchanged?;
        if reads.are_marked() && caller.presented_own_secret() {
            let decision = Decision {
                caller,
                granted: Arc::clone(&exchanged.granted),
                reads,
                decided_at,
                decided_at_uptime,
            };
            self.decisions
                .by_question
                .insert(digest, Arc::new(decision));
        }
        Ok(exchanged)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::clock::SystemRandom;
    use crate::service::memory::marks::Marks;

    async fn decision() -> Arc<Decision> {
        let granted = Granted {
            scopes: Vec::new(),
            is_reduced: true,
            asked_texts: vec!["repository:team/app:pull".repeat(40)],
            texts: Vec::new(),
            claims: Digest::default(),
        };
        let ((), reads) = Reads::of(&Marks::new(), async {}).await;
        Arc::new(Decision {
            caller: Caller::operator(),
            granted: Arc::new(granted),
            reads,
            decided_at: Timestamp::from_unix_seconds(0),
            decided_at_uptime: Duration::ZERO,
        })
    }

    #[tokio::test]
    async fn decisions_are_bounded_in_bytes() {
        let (decisions, one) = (Decisions::new(1 << 20), decision().await);
        let key = DigestKey::random(&SystemRandom);
        for number in 0..10_000_u32 {
            let mut digest = key.begin();
            digest.add(&number.to_le_bytes());
            decisions.by_question.insert(digest.end(), Arc::clone(&one));
        }
        assert!(decisions.by_question.weight() <= 1 << 20);
        let held = decisions.by_question.len();
        assert!((100..(1 << 20) / one.bytes() + 1).contains(&held), "{held}");
    }

    #[test]
    fn no_two_lists_of_parts_have_one_digest() {
        let key = DigestKey::random(&SystemRandom);
        let of = |parts: &[&str]| {
            let mut digest = key.begin();
            parts.iter().for_each(|part| digest.add(part.as_bytes()));
            digest.end()
        };
        assert_ne!(of(&["ab", "c"]), of(&["a", "bc"]));
        assert_ne!(of(&["a", ""]), of(&["a"]));
        assert_eq!(of(&["a", "b"]), of(&["a", "b"]));
        let other = DigestKey::random(&SystemRandom);
        let mut digest = other.begin();
        digest.add(b"a");
        assert_ne!(digest.end(), of(&["a"]));
    }
}
