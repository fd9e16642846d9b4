//! Wraps the stored secrets anew under the current master key, in batches.

use std::sync::PoisonError;

use crate::domain::{ErrorKind, Result};
use crate::service::keys::master::{MasterKeyStep, Rotation};
use crate::service::keys::{Keys, SEALING_KEY, SIGNING_KEY};
use crate::service::memory::keyring::{ACCESS_KEY, AUTHORITY, INSTANCE_KEY};
use crate::service::memory::master_keys::Progress;
use crate::store::wrapped::{self, Holder, WrappedRow};
use crate::store::{Part, meta};
use crate::token::MasterKey;

/// How many secrets are wrapped anew in one write, which takes a few milliseconds.
const BATCH: u32 = 200;

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
                    self.memory.follow_master_key().await?;
                    self.memory.require_master_key()?;
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
        let count = self.rewrap_batch().await?;
        if count > 0 {
            return Ok(MasterKeyStep::Rewrapped { count });
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

    /// Wraps a batch of the secrets anew that aren't under the current key; returns how many, and 0
    /// when nothing is left.
    ///
    /// It goes on where the batch before it ended. Nothing is left only when a search from the
    /// beginning finds nothing, since secrets may have come behind the last batch.
    async fn rewrap_batch(&self) -> Result<usize> {
        let current = self.memory.keys.master.current();
        let kept = self
            .memory
            .keys
            .master
            .rewrapped
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some((_, progress)) = kept.filter(|(by, _)| by == current.id())
            && let Ok(count @ 1..) = self.rewrap_from(&current, progress).await
        {
            return Ok(count);
        }
        self.rewrap_from(&current, Progress::default()).await
    }

    /// Wraps the first batch after `begin` anew.
    ///
    /// A secret that can't be unwrapped doesn't stop the others. It is the error once only such
    /// secrets are left.
    async fn rewrap_from(&self, current: &MasterKey, begin: Progress) -> Result<usize> {
        let mut failed = None;
        let mut after = begin.after;
        for (place, holder) in Holder::ALL.into_iter().enumerate().skip(begin.place) {
            loop {
                let rows =
                    wrapped::list_others(&self.base.store, holder, &current.head(), &after, BATCH)
                        .await?;
                let Some(last) = rows.last() else { break };
                after.clone_from(&last.id);
                let (mut write, mut count) = (self.base.write(), 0);
                for row in &rows {
                    match self.rewrap(current, holder, row) {
                        Ok(part) => (write, count) = (write.then(part), count + 1),
                        Err(error) => failed = failed.or(Some(error)),
                    }
                }
                if count > 0 {
                    self.base.store.apply(write).await?;
                    self.note_progress(current, Progress { place, after });
                    return Ok(count);
                }
            }
            after.clear();
        }
        failed.map_or(Ok(0), Err)
    }

    fn note_progress(&self, current: &MasterKey, progress: Progress) {
        let mut rewrapped = self
            .memory
            .keys
            .master
            .rewrapped
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *rewrapped = Some((current.id().to_owned(), progress));
    }

    fn rewrap(&self, current: &MasterKey, holder: Holder, row: &WrappedRow) -> Result<Part> {
        let noun = match holder {
            Holder::SealingKey => SEALING_KEY,
            Holder::SigningKey => SIGNING_KEY,
            Holder::Authority => AUTHORITY,
            Holder::InstanceKey => INSTANCE_KEY,
            Holder::AccessKey => ACCESS_KEY,
        };
        let plain = self
            .memory
            .keys
            .master
            .unwrap(noun, &row.id, &row.wrapped)?;
        Ok(wrapped::rewrap(
            holder,
            row,
            &current.wrap(noun, &row.id, &plain, &*self.base.random),
        ))
    }
}
