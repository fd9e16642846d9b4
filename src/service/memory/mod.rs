//! The memory of this process: caches, the change feed that invalidates them, and keys.

pub(super) mod attached_policies;
pub(super) mod cache;
pub(super) mod first_seen;
pub(super) mod keyring;
pub(super) mod known_ids;
pub(super) mod last_uses;
pub(super) mod marks;
pub(super) mod master_keys;
pub(super) mod namespace_rules;
pub(super) mod operators;
pub(super) mod reads;
pub(super) mod refused_secrets;
pub(super) mod refused_subjects;
pub(super) mod revocations;
pub(super) mod single_flight;
pub(super) mod staleness;
pub(super) mod trusting_roles;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use self::cache::NounCache;
use self::keyring::KnownKeys;
use self::last_uses::LastUses;
use self::marks::Mark;
use self::refused_secrets::RefusedSecrets;
use self::revocations::Revocations;
use self::staleness::Staleness;
use crate::domain::allow_list::AllowList;
use crate::domain::credential::CredentialId;
use crate::domain::ids::AccountId;
use crate::domain::instance::Instance;
use crate::domain::{Error, Result};
use crate::service::base::Base;
use crate::store::Entity;
use crate::token::SubjectDigest;

/// The state that this process has without asking the database.
pub struct Memory {
    pub(super) base: Arc<Base>,
    pub(super) cache: NounCache,
    pub(super) revocations: Revocations,
    pub(super) staleness: Staleness,
    pub(super) keys: KnownKeys,
    pub(super) last_uses: LastUses,
    pub(super) refused_secrets: RefusedSecrets,
    /// Held while revocations and keys are read again.
    pub(super) refreshing: tokio::sync::Mutex<()>,
}

impl Memory {
    /// Reads the change feed, and follows what changed here or at other replicas.
    pub async fn catch_up(&self) -> Result<()> {
        let begun = self.base.clock.uptime();
        let read = self.cache.catch_up(&self.base.store.past_the_crowd()).await;
        self.follow_keys(read, begun).await
    }

    /// As [`Self::catch_up`], but reads nothing where a probe has just said that nothing is new.
    pub(in crate::service) async fn follow(&self) -> Result<()> {
        let probed = self
            .base
            .store
            .probe(self.base.clock.uptime())
            .await
            .inspect_err(|_| self.staleness.note_failure())?;
        if probed.position != self.cache.position() {
            return self.catch_up().await;
        }
        self.follow_keys(Ok(()), probed.asked_at).await
    }

    /// Reads revocations and keys again, if the feed says that they changed.
    async fn follow_keys(&self, read: Result<()>, begun: Duration) -> Result<()> {
        // One at a time: a slow read from before a change would else replace a newer one.
        let _refreshing = self.refreshing.lock().await;
        let read = match read {
            Ok(()) => self.follow_revocations().await,
            failed => failed,
        };
        match &read {
            Ok(()) => self.staleness.note_read(begun),
            Err(_) => self.staleness.note_failure(),
        }
        read?;
        let changes = self.cache.key_changes();
        let is_stale =
            self.has_keys_to_read() || self.keys.keyring.load().is_out_of_date(self.base.now());
        if is_stale || self.keys.master.is_missing_and_due() {
            // Noted only once it is done: the feed tells of a change once, and reading the keys may
            // fail.
            if self.reload_keyring().await? {
                self.keys.read_at.store(changes, Ordering::Release);
            }
        }
        Ok(())
    }

    async fn follow_revocations(&self) -> Result<()> {
        let store = self.base.store.past_the_crowd();
        let count = self.cache.revocations();
        if self.revocations.catch_up(&store, count).await? {
            // After the feed told of it, decisions were made by the list before this one.
            self.cache.marks.note_any(Entity::Revocation);
        }
        Ok(())
    }

    /// Tells whether a credential or a session was revoked by itself.
    pub(in crate::service) fn is_revoked(&self, id: &CredentialId) -> bool {
        reads::note(&[Mark::any(Entity::Revocation)]);
        self.revocations.contains(id)
    }

    /// Reads the ids that exist where they aren't known, so that no request waits for it.
    pub(in crate::service) async fn learn_ids(&self) {
        if let Err(error) = self.cache.learn_ids(&self.base.store).await {
            tracing::warn!(
                cause = error.cause(),
                "which ids there are can't be read: {error}"
            );
        }
    }

    /// Tells whether an account refuses a subject of an issuer's tokens.
    pub(in crate::service) async fn refuses_subject(
        &self,
        account: AccountId,
        issuer: &str,
        subject: SubjectDigest,
    ) -> Result<bool> {
        let refused = self
            .cache
            .refused_subjects(&self.base.store, account)
            .await?;
        Ok(refused.contains(issuer, subject))
    }

    pub(in crate::service) async fn list_of(&self, instance: &Instance) -> Result<Arc<AllowList>> {
        self.cache
            .allow_list(&self.base.store, &instance.id)
            .await?
            .ok_or_else(Error::instance_not_found)
    }
}
