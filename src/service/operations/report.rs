//! Facts of the store that metrics show. They are read now and then, so that a scrape costs no
//! query.

use std::sync::Arc;
use std::time::Duration;

use crate::domain::Result;
use crate::domain::clock::Timestamp;
use crate::domain::seconds::Seconds;
use crate::service::operations::Operations;
use crate::store::{credential, meta, service_account};

/// How long before its end a credential is counted.
const SOON: Duration = Duration::from_hours(7 * 24);
/// How often credentials are counted: ten thousand of an instance may end soon.
const COUNTED_EVERY: Duration = Duration::from_hours(1);

/// The facts, as they were read last.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::service) struct StoreReport {
    /// When the store was last backed up.
    pub(super) last_backup_at: Option<Timestamp>,
    ending: Option<Ending>,
}

/// Active credentials that end soon.
#[derive(Clone, Copy, Debug)]
struct Ending {
    long_term: u64,
    service_accounts: u64,
    /// How many of both end within the shortest time ahead at which there is a notice.
    soonest: Option<(Duration, u64)>,
    counted_at: Timestamp,
}

impl StoreReport {
    /// Returns the credentials that end soon, by kind.
    pub(super) fn credentials_ending(&self) -> Vec<(&'static str, u64)> {
        self.ending.map_or_else(Vec::new, |ending| {
            vec![
                ("long-term", ending.long_term),
                ("service-account", ending.service_accounts),
            ]
        })
    }
}

impl Operations {
    /// Reads the facts that are due.
    ///
    /// # Errors
    ///
    /// `StoreUnavailable`, `Internal` for a row that can't be read.
    pub async fn refresh_report(&self) -> Result<()> {
        let (store, now) = (&self.base.store, self.base.now());
        let mut report = **self.report.load();
        report.last_backup_at = meta::last_backup_at(store).await?;
        let is_fresh = |ending: &Ending| ending.counted_at.distance(now) < COUNTED_EVERY;
        if !report.ending.as_ref().is_some_and(is_fresh) {
            let until = now.plus(SOON);
            report.ending = Some(Ending {
                long_term: credential::count_ending(store, now, until).await?,
                service_accounts: service_account::count_ending(store, now, until).await?,
                soonest: self.count_soonest(now).await?,
                counted_at: now,
            });
        }
        self.report.store(Arc::new(report));
        Ok(())
    }

    async fn count_soonest(&self, now: Timestamp) -> Result<Option<(Duration, u64)>> {
        let ahead = self.base.adjustable().notices.ahead.iter().min().copied();
        let Some(ahead) = ahead else {
            return Ok(None);
        };
        let (store, until) = (&self.base.store, now.plus(ahead));
        let credentials = credential::count_ending(store, now, until).await?;
        let accounts = service_account::count_ending(store, now, until).await?;
        Ok(Some((ahead, credentials + accounts)))
    }

    /// Returns what the operator should look at about notices: the whole text, and one that anybody
    /// may read.
    pub fn notice_warnings(&self) -> Vec<(String, &'static str)> {
        let mut warnings = Vec::new();
        let soonest = self.report.load().ending.and_then(|ending| ending.soonest);
        if let Some((ahead, count @ 1..)) = soonest {
            let within = Seconds::new(ahead.as_secs());
            warnings.push((
                format!(
                    "{count} credentials and service accounts end within {within}: `transire \
                     report expiring` names them"
                ),
                "credentials end soon: see the log or the metrics listener",
            ));
        }
        let dead = self.ledger.notices.figures().dead;
        if dead > 0 {
            warnings.push((
                format!(
                    "the webhook didn't take {dead} notices: `transire notice list --filter \
                     state=dead`"
                ),
                "the webhook doesn't take notices: see the log or the metrics listener",
            ));
        }
        warnings
    }
}
