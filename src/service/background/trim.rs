//! Trims records that nobody needs any more.

use std::time::Duration;

use crate::domain::Result;
use crate::service::{Service, sts};
use crate::store::{self, change, operation};

/// How long changes and the names of writes are kept.
const RECORDS_KEPT: Duration = Duration::from_secs(24 * 60 * 60);
/// The most changes that are kept.
const CHANGES_KEPT: u32 = 100_000;

impl Service {
    /// Deletes the changes that every replica has long followed, the writes that nobody retries any
    /// more, and the policies and sessions of the console that have ended. Deletes old counts of
    /// activity, and the audit events that are older than the settings keep.
    ///
    /// # Errors
    /// Those of the store.
    pub(in crate::service) async fn trim(&self) -> Result<()> {
        let old = self.base.now().minus(RECORDS_KEPT);
        let revoked = store::revocation::trim(
            self.base
                .now()
                .minus(crate::service::memory::revocations::KEPT),
        );
        let ended = store::session_policy::trim(self.base.now().minus(sts::POLICIES_KEPT));
        let mut write = self
            .base
            .write()
            .then(change::trim(old, CHANGES_KEPT))
            .then(operation::trim(old))
            .then(revoked)
            .then(ended)
            .then(store::console_session::trim(self.base.now()))
            .then(store::sso_session::trim(self.base.now()))
            .then(self.operations.trim_activity())
            .then(store::signed_change::trim(self.base.now_elsewhere()));
        // A signed checkpoint says first what is deleted, so that it can be told from tampering.
        if let Some(before) = self.ledger.kept_since().await? {
            write = write
                .then(store::audit::trim(before))
                .then(store::audit_page::trim(before))
                .then(store::audit_checkpoint::trim(before));
        }
        self.base.store.apply(write).await
    }
}
