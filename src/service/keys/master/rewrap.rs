//! Wraps the stored secrets anew under the current master key, in batches.

use std::sync::PoisonError;

use crate::domain::wrapped::Wrapped;
use crate::domain::{ErrorKind, Result};
use crate::service::keys::master::{MasterKeyStep, Rotation};
use crate::service::keys::{Keys, SEALING_KEY, SIGNING_KEY};
use crate::service::memory::keyring::{
    ACCESS_KEY, AUDIT_KEY, AUTHORITY, INSTANCE_KEY, was_overtaken,
};
use crate::service::memory::master_keys::Progress;
use crate::store::meta;
use crate::store::wrapped::{self, Holder, WrappedRow};
use crate::token::MasterKey;

/// How many secrets are wrapped anew in one write, which takes a few milliseconds.
const BATCH: u32 = 200;

/// Returns the noun that a row's secret is bound to.
fn noun_of(holder: Holder) -> &'static str {
    match holder {
        Holder::SealingKey => SEALING_KEY,
        Holder::SigningKey => SIGNING_KEY,
        Holder::Authority => AUTHORITY,
        Holder::InstanceKey => INSTANCE_KEY,
        Holder::AuditKey => AUDIT_KEY,
        Holder::AccessKey => ACCESS_KEY,
    }
}

/// Tells whether a master key opens a row's secret.
pub fn opens(key: &MasterKey, holder: Holder, id: &str, wrapped: &Wrapped) -> bool {
    key.unwrap(noun_of(holder), id, wrapped.as_bytes()).is_ok()
}

impl Keys {
    /// Resumes a rotation that a command began and didn't finish.
    ///
    /// # Errors
    ///
    /// `Misconfigured` without a master key that is needed, `Internal` for a secret that can't be
    /// unwrapped, and those of the store.
    pub async fn resume_rotation(&self) -> Result<()> {
        let Ok(_resuming) = self.memory.keys.master.resuming.try_lock() else {
            return Ok(());
        };
        loop {
            match Rotation::find(&self.base.store).await? {
                Some((rotation, bytes)) if rotation.rewrapped_at.is_none() => {
                    if let MasterKeyStep::Done { .. } = self.rewrap_some(rotation, &bytes).await? {
                        return Ok(());
                    }
                }
                _ => return Ok(()),
            }
        }
    }

    /// Wraps the next batch anew, or notes that nothing is left to wrap. `bytes` is the rotation
    /// as the store has it.
    ///
    /// # Errors
    ///
    /// Those of [`Self::resume_rotation`].
    pub(super) async fn rewrap_some(
        &self,
        rotation: Rotation,
        bytes: &[u8],
    ) -> Result<MasterKeyStep> {
        let done = |rotation: Rotation| MasterKeyStep::Done {
            from: rotation.from,
            to: rotation.to,
        };
        if rotation.rewrapped_at.is_some() {
            return Ok(done(rotation));
        }
        // The rotation was read before, so the store names its key now, or that of a later one.
        self.memory.follow_master_key().await?;
        self.memory.require_master_key()?;
        let again = Ok(MasterKeyStep::Rewrapped { count: 0 });
        // Not the current key in memory: another process may have switched after that was read. A
        // batch under the old key would undo what the other one wraps.
        let Some(new) = self.memory.keys.master.find(&rotation.to) else {
            return again;
        };
        match self.rewrap_batch(&new).await {
            Ok(0) => {}
            Ok(count) => return Ok(MasterKeyStep::Rewrapped { count }),
            // A later rotation has begun.
            Err(error) if was_overtaken(&error) => return again,
            Err(error) => return Err(error),
        }
        let rewrapped = Rotation {
            rewrapped_at: Some(self.base.now()),
            ..rotation
        };
        match self
            .base
            .store
            .apply(self.base.write().then(meta::replace(
                meta::MASTER_KEY_ROTATION,
                bytes,
                &rewrapped.bytes()?,
            )))
            .await
        {
            // Another process was as quick.
            Err(error) if matches!(error.kind(), ErrorKind::PreconditionFailed { .. }) => {}
            outcome => outcome?,
        }
        tracing::info!(
            from = rewrapped.from,
            to = rewrapped.to,
            "everything is wrapped by the new master key"
        );
        Ok(done(rewrapped))
    }

    /// Wraps a batch of the secrets anew that aren't under the new key; returns how many, and 0
    /// when nothing is left.
    ///
    /// It goes on where the batch before it ended. Nothing is left only when a search from the
    /// beginning finds nothing, since secrets may have come behind the last batch.
    async fn rewrap_batch(&self, new: &MasterKey) -> Result<usize> {
        let kept = self
            .memory
            .keys
            .master
            .rewrapped
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some((_, progress)) = kept.filter(|(by, _)| by == new.id())
            && let Ok(count @ 1..) = self.rewrap_from(new, progress).await
        {
            return Ok(count);
        }
        self.rewrap_from(new, Progress::default()).await
    }

    /// Wraps the first batch after `begin` anew.
    ///
    /// A secret that can't be unwrapped doesn't stop the others. It is the error once only such
    /// secrets are left.
    async fn rewrap_from(&self, new: &MasterKey, begin: Progress) -> Result<usize> {
        let mut failed = None;
        let mut after = begin.after;
        for (place, holder) in Holder::ALL.into_iter().enumerate().skip(begin.place) {
            loop {
                let rows =
                    wrapped::list_others(&self.base.store, holder, &new.head(), &after, BATCH)
                        .await?;
                let Some(last) = rows.last() else { break };
                after.clone_from(&last.id);
                let mut rewrapped = Vec::with_capacity(rows.len());
                for row in rows {
                    match self.rewrap(new, holder, &row) {
                        Ok(wrapped) => rewrapped.push((row, wrapped)),
                        Err(error) => failed = failed.or(Some(error)),
                    }
                }
                let count = rewrapped.len();
                if count > 0 {
                    let part = wrapped::rewrap(holder, &rewrapped);
                    self.base
                        .store
                        .apply(self.base.write().then_wrapped(part))
                        .await?;
                    self.note_progress(new, Progress { place, after });
                    return Ok(count);
                }
            }
            after.clear();
        }
        failed.map_or(Ok(0), Err)
    }

    fn note_progress(&self, new: &MasterKey, progress: Progress) {
        let mut rewrapped = self
            .memory
            .keys
            .master
            .rewrapped
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *rewrapped = Some((new.id().to_owned(), progress));
    }

    fn rewrap(&self, new: &MasterKey, holder: Holder, row: &WrappedRow) -> Result<Wrapped> {
        let noun = noun_of(holder);
        let plain = self
            .memory
            .keys
            .master
            .unwrap(noun, &row.id, &row.wrapped)?;
        Ok(new.wrap(noun, &row.id, &plain, &*self.base.random))
    }
}
