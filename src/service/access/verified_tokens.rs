//! The tokens of jobs that were verified lately: a job asks for many registry tokens with one of
//! its own, and verifying costs as much as all else together.
//!
//! Nothing is remembered of a token that wasn't proved, so strangers take no room. A memory counts
//! only while all holds that the proof rested on: the account's providers and the issuer's keys are
//! the very same, and the token's time isn't over.

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use quick_cache::Weighter;
use quick_cache::sync::Cache;

use crate::domain::clock::Timestamp;
use crate::domain::identity::OidcProvider;
use crate::domain::ids::AccountId;
use crate::domain::secret::Secret;
use crate::token::{JwkSet, LEEWAY, WebIdentity};

/// The most bytes of the tokens that are remembered, some thousand: their claims take four times
/// as much.
const MAX_BYTES: u64 = 4 << 20;
/// The bytes of a usual token.
const USUAL_BYTES: u64 = 1700;

/// All providers of an account.
pub(super) type Providers = Arc<Vec<Arc<OidcProvider>>>;
/// An account, and the SHA-256 of a token.
type Key = (AccountId, [u8; 32]);

/// A token that was verified, and all that the proof rested on.
pub(super) struct Verified {
    pub(super) providers: Providers,
    pub(super) provider: Arc<OidcProvider>,
    pub(super) keys: Arc<JwkSet>,
    pub(super) identity: Arc<WebIdentity>,
    /// The bytes of the token.
    pub(super) length: usize,
}

impl Verified {
    /// Tells whether the token's time has come and isn't over.
    pub(super) fn is_in_time(&self, now: Timestamp) -> bool {
        now < self.identity.expires_at && self.identity.issued_at <= now.plus(LEEWAY)
    }
}

#[derive(Clone)]
struct ByLength;

impl Weighter<Key, Arc<Verified>> for ByLength {
    fn weight(&self, _: &Key, verified: &Arc<Verified>) -> u64 {
        verified.length as u64
    }
}

/// The tokens that were verified lately.
pub(in crate::service) struct VerifiedTokens(Cache<Key, Arc<Verified>, ByLength>);

impl Default for VerifiedTokens {
    fn default() -> Self {
        let usual = usize::try_from(MAX_BYTES / USUAL_BYTES).unwrap_or_default();
        Self(Cache::with_weighter(usual, MAX_BYTES, ByLength))
    }
}

impl VerifiedTokens {
    pub(super) fn find(&self, account: AccountId, token: &Secret) -> Option<Arc<Verified>> {
        self.0.get(&key(account, token))
    }

    pub(super) fn remember(&self, account: AccountId, token: &Secret, verified: Verified) {
        self.0.insert(key(account, token), Arc::new(verified));
    }
}

fn key(account: AccountId, token: &Secret) -> Key {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, token.expose().as_bytes()).as_ref());
    (account, hash)
}
