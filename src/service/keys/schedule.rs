//! Rotation on a schedule, by whichever replica comes first, and by one alone.

use std::time::Duration;

use crate::domain::Result;
use crate::domain::clock::Timestamp;
use crate::domain::instance::Algorithm;
use crate::service::access::caller::Caller;
use crate::service::adjustable::KeySchedule;
use crate::service::call::Call;
use crate::service::keys::{KeyKind, Keys, newest_first, waiting};
use crate::service::request::RequestContext;
use crate::store::{Operation, Write, audit_checkpoint, key};

impl Keys {
    /// Rotates the keys that have become too old, and returns how many it made.
    ///
    /// The write is named after the key that is replaced, and a write of one name happens once. So
    /// of many replicas that find the same key too old, one makes the next.
    ///
    /// # Errors
    ///
    /// `Misconfigured` without the master key, and those of the store. A failure becomes a warning,
    /// too.
    pub async fn rotate_on_schedule(&self) -> Result<usize> {
        let outcome = self.rotate_due_keys().await;
        self.warnings.note_rotation(&outcome);
        outcome
    }

    async fn rotate_due_keys(&self) -> Result<usize> {
        let KeySchedule { signing, sealing } = self.base.adjustable().keys;
        let mut made = 0;
        let is_due = |made_at: Timestamp, age: Duration| made_at.plus(age) <= self.base.now();
        if let Some(age) = signing {
            let rows = key::list_signing(&self.base.store).await?;
            // A key that waits for its certificate is the next one already.
            for algorithm in Algorithm::ALL
                .into_iter()
                .filter(|algorithm| waiting(&rows, *algorithm).is_none())
            {
                if let Some(newest) = newest_first(&rows, algorithm)
                    .first()
                    .filter(|newest| is_due(newest.ready_at(), age))
                {
                    made += usize::from(
                        self.replace_on_schedule(KeyKind::Signing(algorithm), &newest.id)
                            .await?,
                    );
                }
            }
        }
        if let Some(age) = signing {
            let rows = audit_checkpoint::list_keys(&self.base.store).await?;
            if let Some(newest) = rows.last().filter(|newest| is_due(newest.created_at, age)) {
                made += usize::from(self.replace_on_schedule(KeyKind::Audit, &newest.id).await?);
            }
        }
        if let Some(age) = sealing {
            let rows = key::list_sealing(&self.base.store).await?;
            if let Some(newest) = rows.last().filter(|newest| is_due(newest.created_at, age)) {
                made += usize::from(
                    self.replace_on_schedule(KeyKind::Sealing, &newest.id)
                        .await?,
                );
            }
        }
        Ok(made)
    }

    /// Makes the key after `old`, and tells whether this replica's one was stored.
    async fn replace_on_schedule(&self, kind: KeyKind, old: &str) -> Result<bool> {
        let context = RequestContext::operator(self.base.request_id());
        let because = serde_json::json!({ "because": "schedule", "replaces": old });
        let operator = Caller::operator();
        let write = || {
            Write::new(Operation::named(
                format!("key after {old}"),
                self.base.now(),
            ))
        };
        let call = &Call {
            caller: &operator,
            request: &context,
            now: self.base.now(),
        };
        let id = self
            .memory
            .wrapping(|| self.make_key(call, kind, write(), &because))
            .await?;
        let is_ours = match kind {
            KeyKind::Signing(_) => key::list_signing(&self.base.store)
                .await?
                .iter()
                .any(|row| row.id == id),
            KeyKind::Sealing => key::list_sealing(&self.base.store)
                .await?
                .iter()
                .any(|row| row.id == id),
            KeyKind::Audit => audit_checkpoint::list_keys(&self.base.store)
                .await?
                .iter()
                .any(|row| row.id == id),
            // Registries need a new CA in their bundle first: no schedule can do that.
            KeyKind::Ca => false,
        };
        if is_ours {
            tracing::info!(
                key = id,
                replaces = old,
                ?kind,
                "made a new key on schedule"
            );
        }
        Ok(is_ours)
    }
}
