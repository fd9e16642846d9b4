//! Notices: each is written with the change that it tells of, then logged and counted.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::domain::Result;
use crate::domain::clock::Timestamp;
use crate::domain::notice::{Notice, NoticeId, NoticeKind, Subject};
use crate::service::ledger::Ledger;
use crate::service::ledger::event::Event;
use crate::store::{Part, notice};

/// The notices that this process made, and the fate of those that it sent.
#[derive(Default)]
pub(in crate::service) struct NoticeCounts {
    made: [AtomicU64; NoticeKind::ALL.len()],
    /// Notices that the webhook took.
    pub(in crate::service) delivered: AtomicU64,
    /// Attempts that failed.
    pub(in crate::service) failed: AtomicU64,
    /// Notices that wait for the webhook, at all replicas.
    pub(in crate::service) waiting: AtomicU64,
    /// Notices that the webhook didn't take, at all replicas.
    pub(in crate::service) dead: AtomicU64,
}

/// The counts at one moment.
#[derive(Clone, Debug)]
pub struct NoticeFigures {
    /// How many were made, by kind.
    pub made: Vec<(&'static str, u64)>,
    /// How many the webhook took.
    pub delivered: u64,
    /// How many attempts failed.
    pub failed: u64,
    /// How many wait for the webhook.
    pub waiting: u64,
    /// How many the webhook didn't take.
    pub dead: u64,
}

impl NoticeCounts {
    /// Returns the counts.
    pub(in crate::service) fn figures(&self) -> NoticeFigures {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let made = NoticeKind::ALL.iter().zip(&self.made);
        NoticeFigures {
            made: made.map(|(kind, count)| (kind.name(), of(count))).collect(),
            delivered: of(&self.delivered),
            failed: of(&self.failed),
            waiting: of(&self.waiting),
            dead: of(&self.dead),
        }
    }
}

impl Ledger {
    /// Makes a notice that isn't written yet.
    pub(in crate::service) fn notice(
        &self,
        kind: NoticeKind,
        subject: Subject,
        now: Timestamp,
    ) -> Notice {
        Notice::new(NoticeId::random(&*self.base.random), kind, subject, now)
    }

    /// As [`Self::change`], with a notice in the same write, if there is one.
    ///
    /// # Errors
    ///
    /// Those of [`Self::commit`].
    pub(in crate::service) async fn change_and_tell(
        &self,
        part: Part,
        event: Event<'_>,
        told: Option<Notice>,
    ) -> Result<()> {
        let Some(told) = told else {
            return self.change(part, event).await;
        };
        self.change(part.and(notice::insert(&told)), event).await?;
        self.log_notice(&told);
        Ok(())
    }

    /// Logs and counts a notice that was written.
    pub(in crate::service) fn log_notice(&self, told: &Notice) {
        let place = NoticeKind::ALL.iter().position(|kind| *kind == told.kind);
        if let Some(count) = place.and_then(|place| self.notices.made.get(place)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        // The macro takes its level at compile time.
        macro_rules! log {
            ($level:ident, $text:literal) => {
                tracing::$level!(
                    notice = told.kind.name(),
                    notice_id = told.id.as_str(),
                    subject = told.subject.kind.name(),
                    subject_id = told.subject.id,
                    name = told.subject.name,
                    account = told.subject.account.map(|account| account.to_string()),
                    instance = told.subject.instance.as_ref().map(|id| id.as_str()),
                    ends_at = told.ends_at.map(Timestamp::rfc3339),
                    older_secret = told.is_older_secret,
                    refusals = told.refusals,
                    $text
                )
            };
        }
        match told.kind {
            NoticeKind::Expiring => log!(warn, "a secret ends soon"),
            NoticeKind::Expired => log!(warn, "a secret ended"),
            NoticeKind::RefusedTooOften => log!(warn, "a secret is refused often"),
            NoticeKind::Rotated => log!(info, "a secret was replaced"),
            NoticeKind::Revoked => log!(info, "a secret was stopped"),
            NoticeKind::Test => log!(info, "an operator tries the webhook"),
        }
    }
}
