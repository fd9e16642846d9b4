//! Requests of operators that make one thing, however often they come, and those that change what
//! they saw.

use crate::domain::Result;
use crate::domain::clock::Timestamp;
use crate::service::access::Access;
use crate::service::access::caller::Caller;
use crate::service::ledger::actor::Signature;
use crate::sign::sha256;
use crate::store::{self, Unchanged};

/// How long an idempotency key is remembered, in seconds.
const REMEMBERED_SECONDS: u64 = 24 * 60 * 60;

impl Caller {
    /// Lets the call make one durable change under an operator's idempotency key; `request` is all
    /// that the call asks for.
    #[must_use]
    pub fn making_once(mut self, key: &str, request: &str, now: Timestamp) -> Self {
        let operator = self.audit_name().unwrap_or_default();
        let name = format!("idempotency-key\0{operator}\0{key}");
        self.signature = Some(Signature {
            bytes: sha256(name.as_bytes()),
            ends_at: now.plus(std::time::Duration::from_secs(REMEMBERED_SECONDS)),
            request: Some(sha256(request.as_bytes())),
        });
        self
    }
}

impl Caller {
    /// Lets the call make its change only if nothing was changed since.
    pub fn only_if(&mut self, unchanged: &Unchanged) {
        self.unchanged = Some(unchanged.clone());
    }
}

impl Access {
    /// Begins to watch for changes. All that this process knows from then on is as new.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn watch_changes(&self) -> Result<Unchanged> {
        self.memory.catch_up().await?;
        Ok(Unchanged::since(self.memory.cache.position()))
    }

    /// Tells whether a change came before the one that was to be made under a condition.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn was_overtaken(&self, unchanged: &Unchanged) -> Result<bool> {
        if unchanged.is_met() {
            return Ok(false);
        }
        let position = store::change::position(&self.base.store).await?;
        Ok(position != unchanged.position())
    }

    /// Returns the id of what a caller's idempotency key made before, where the change named one.
    ///
    /// # Errors
    /// `Replayed` where the key came with another request; `StoreUnavailable`.
    pub async fn made_before(&self, caller: &Caller) -> Result<Option<String>> {
        let Some(signature) = &caller.signature else {
            return Ok(None);
        };
        let before = store::signed_change::find(&self.base.store, &signature.digest()).await?;
        signature.made_before(before.and_then(|before| before.made).as_deref())
    }
}

/// Returns a text's SHA-256 in hexadecimal, by which two versions of an answer are told apart.
pub fn content_hash(text: &str) -> String {
    hex::encode(sha256(text.as_bytes()))
}
