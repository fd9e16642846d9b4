//! The rounds that make notices: of ends that came near or passed, and of refusals.
//!
//! Each time ahead of an end has a place in the store up to which was searched. The write that
//! moves it is the one that has the notices, and fails where another replica moved it: so each
//! notice is made once, and no replica leads.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use crate::domain::clock::Timestamp;
use crate::domain::notice::{Notice, NoticeId, NoticeKind, NoticeState};
use crate::domain::{ErrorKind, Result};
use crate::service::memory::refused_secrets::Refused;
use crate::service::notices::Notices;
use crate::sign::sha256;
use crate::store::ending::{self, Searched};
use crate::store::notice;

/// The most notices of one write.
const PAGE: u32 = 200;
/// The most writes for one time ahead in a round.
const MAX_PAGES: usize = 10;
/// How far the search goes on without a write while it finds nothing.
const UNWRITTEN: Duration = Duration::from_secs(600);
/// How far the search may be ahead of the clock before the clock counts as set back.
const SET_BACK: Duration = Duration::from_hours(1);
/// The most notices that wait; beyond them the oldest of the account that has most are dead.
pub(super) const MAX_WAITING: u64 = 10_000;
/// The most notices that don't wait any more.
pub(super) const MAX_DONE: u64 = 10_000;
/// How long those are kept.
const DONE_KEPT: Duration = Duration::from_hours(30 * 24);
/// How long a notice waits where there is no webhook.
const UNSENT_KEPT: Duration = Duration::from_hours(3 * 24);

impl Notices {
    /// Makes the notices that are due: of ends, and of refusals.
    ///
    /// # Errors
    ///
    /// Those of the store; the next round makes what this one couldn't.
    pub async fn make_due(&self) -> Result<()> {
        let settings = self.base.adjustable().notices.clone();
        self.search(Duration::ZERO).await?;
        for ahead in &settings.ahead {
            self.search(*ahead).await?;
        }
        self.tell_refusals(settings.refusals_per_hour).await
    }

    /// Makes the notices of secrets whose end came as near as `ahead`; with zero, of ends that
    /// passed.
    async fn search(&self, ahead: Duration) -> Result<()> {
        for _ in 0..MAX_PAGES {
            if !self.search_page(ahead).await? {
                break;
            }
        }
        Ok(())
    }

    /// Makes the notices of a page. Tells whether there may be more.
    async fn search_page(&self, ahead: Duration) -> Result<bool> {
        let (store, now) = (&self.base.store, self.base.now());
        let (name, until) = (ahead.as_secs().to_string(), now.plus(ahead));
        let present = Searched {
            at: until,
            key: String::new(),
        };
        let from = match ending::searched(store, &name).await? {
            Some(from) if from.at.minus(SET_BACK) <= until => from,
            // The search begins with the present, or the clock was set back.
            other => {
                self.go_on(&name, other.as_ref(), &present, &[]).await?;
                return Ok(false);
            }
        };
        if from.at >= until {
            return Ok(false);
        }
        let found = ending::page(store, &from, until, PAGE).await?;
        let is_full = found.len() >= PAGE as usize;
        let to = match found.last() {
            Some(last) if is_full => last.place.clone(),
            None if from.at.until(until) < UNWRITTEN => return Ok(false),
            _ => present,
        };
        let kind = if ahead.is_zero() {
            NoticeKind::Expired
        } else {
            NoticeKind::Expiring
        };
        // After a long stop some are over that were to be announced.
        let found = found
            .into_iter()
            .filter(|one| ahead.is_zero() || one.ends_at > now);
        let made: Vec<_> = found
            .map(|one| Notice {
                ends_at: Some(one.ends_at),
                is_older_secret: one.is_older_secret,
                ..self.ledger.notice(kind, one.subject, now)
            })
            .collect();
        let is_ours = self.go_on(&name, Some(&from), &to, &made).await?;
        Ok(is_ours && is_full)
    }

    /// Writes notices, and how far the search came. Tells whether this replica was the first.
    async fn go_on(
        &self,
        name: &str,
        from: Option<&Searched>,
        to: &Searched,
        made: &[Notice],
    ) -> Result<bool> {
        let mut write = self.base.write().then(ending::go_on(name, from, to));
        for one in made {
            write = write.then(notice::insert(one));
        }
        match self.base.store.apply(write).await {
            Ok(()) => {}
            Err(error) if matches!(error.kind(), ErrorKind::PreconditionFailed { .. }) => {
                return Ok(false);
            }
            Err(error) => return Err(error),
        }
        for one in made {
            self.ledger.log_notice(one);
        }
        Ok(true)
    }

    /// Makes the notices of what was refused at least `threshold` times in this hour.
    async fn tell_refusals(&self, threshold: u32) -> Result<()> {
        if threshold == 0 {
            return Ok(());
        }
        let now = self.base.now();
        let taken = self.memory.refused_secrets.take(threshold, now);
        for (place, refused) in taken.iter().enumerate() {
            if let Err(error) = self.tell_refusal(refused, now).await {
                for left in &taken[place..] {
                    self.memory.refused_secrets.put_back(left);
                }
                return Err(error);
            }
        }
        Ok(())
    }

    async fn tell_refusal(&self, refused: &Refused, now: Timestamp) -> Result<()> {
        let subject = &refused.subject;
        // Replicas that see the same make the same id.
        let occasion = format!(
            "refused {} {} {}",
            subject.kind.name(),
            subject.id,
            refused.hour.unix_seconds()
        );
        let id = NoticeId::of_digest(&sha256(occasion.as_bytes()));
        let told = Notice {
            refusals: Some(refused.count),
            ..Notice::new(id, NoticeKind::RefusedTooOften, subject.clone(), now)
        };
        let write = self.base.write().then(notice::insert(&told));
        match self.base.store.apply(write).await {
            Ok(()) => {
                self.ledger.log_notice(&told);
                Ok(())
            }
            Err(error) if matches!(error.kind(), ErrorKind::AlreadyExists { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Keeps the stored notices within their bounds, and counts them.
    ///
    /// # Errors
    ///
    /// Those of the store.
    pub async fn trim(&self) -> Result<()> {
        let (store, now) = (&self.base.store, self.base.now());
        let waiting = self.count().await?;
        let done = notice::count_all(store).await?.saturating_sub(waiting);
        let beyond = |count: u64, most| u32::try_from(count.saturating_sub(most)).unwrap_or(0);
        let mut write = self
            .base
            .write()
            .then(notice::trim(now.minus(DONE_KEPT), beyond(done, MAX_DONE)));
        if self.webhook.is_none() {
            write = write.then(notice::keep_old(now.minus(UNSENT_KEPT), now));
        }
        let excess = beyond(waiting, MAX_WAITING);
        if excess > 0 {
            let why = "too many notices waited for the webhook";
            tracing::error!(excess, "{why}: the oldest are dead letters");
            write = write.then(notice::drop_waiting(excess, now, why));
        }
        store.apply(write).await?;
        if excess > 0 {
            let dead = notice::count(store, NoticeState::Dead).await?;
            self.ledger.notices.dead.store(dead, Relaxed);
        }
        Ok(())
    }
}
