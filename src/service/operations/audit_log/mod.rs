//! Lists the audit for the operator, in the order of time and in batches of bounded size.
//!
//! Events are stored as rows and as pages. Pages overlap in time: replicas write at the same time,
//! and an outage delays events. So each batch selects the first lines beyond a position that fit
//! into a few megabytes. A page that several batches need is read by each: a listing keeps no state
//! between batches but the position. `docs/decisions/0035-audit-search.md` says how a search finds
//! the pages that it reads.

mod filter;
mod findings;
mod follow;
mod kept;
mod selection;
mod source;
mod stored;
mod verification;
mod verifier;

use self::selection::Selection;
use crate::domain::instance::AnyInstanceId;
use crate::domain::operator::OperatorPermission;
use crate::domain::{Error, Result};
use crate::service::call::Call;
use crate::service::operations::Operations;
use crate::store::audit::{self, AuditPosition, AuditRow};
use crate::store::audit_page::Span;

pub use self::filter::AuditFilter;
pub use self::findings::{Finding, Findings};
pub use self::follow::{AuditNews, AuditTail};
pub use self::kept::KeptCheckpoints;
pub use self::stored::Document;
pub use self::verification::{jwk_set, keys_of, verify_export};
pub use self::verifier::Verified;

/// A batch of a listing.
#[derive(Clone, Debug)]
pub struct AuditBatch {
    /// The lines, in the order of the listing.
    pub rows: Vec<AuditRow>,
    /// The position after which the next batch begins; none after the last batch.
    pub next: Option<AuditPosition>,
    /// The pages that were read for it.
    pub reads: AuditReads,
}

/// The pages that were read for a batch.
#[derive(Clone, Copy, Debug, Default)]
pub struct AuditReads {
    /// Pages of which the times, and the filters where there is a filter, were read.
    pub pages_listed: usize,
    /// Pages of which the lines were read.
    pub pages_read: usize,
    /// The bytes of those lines.
    pub bytes_read: usize,
}

impl Operations {
    /// Lists the audit: the batch after a position, or the first one.
    ///
    /// A line that is stored during a listing, with a time before the position, is missing from it.
    ///
    /// # Errors
    ///
    /// `OperatorDenied`, or `Unsupported` for no operator; `Internal` for a stored page that can't
    /// be read; `StoreUnavailable`.
    pub async fn audit_lines(
        &self,
        call: &Call<'_>,
        filter: &AuditFilter,
        after: Option<&AuditPosition>,
    ) -> Result<AuditBatch> {
        let filter = filter.permitted(call)?;
        let mut selection = Selection::new(&filter, after);
        selection.add_rows(&self.base.store).await?;
        for span in [Span::Wide, Span::Narrow] {
            selection.add_pages(&self.base.store, span).await?;
        }
        let (rows, next, reads) = selection.end();
        Ok(AuditBatch { rows, next, reads })
    }

    /// Returns the service by which the audit names an instance, be it deleted.
    ///
    /// # Errors
    ///
    /// `OperatorDenied`, or `Unsupported` for no operator; `InstanceNotFound`; `StoreUnavailable`.
    pub async fn audited_service(&self, call: &Call<'_>, id: &AnyInstanceId) -> Result<String> {
        call.caller
            .require_in_own_account(OperatorPermission::AuditRead)?;
        let own = call.caller.own_account();
        audit::service_of(&self.base.store, id)
            .await?
            .filter(|(_, account)| own.is_none_or(|own| own == *account))
            .map(|(service, _)| service)
            .ok_or_else(Error::instance_not_found)
    }
}

#[cfg(test)]
mod tests;
