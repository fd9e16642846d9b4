//! Calls as all replicas count them, where the settings name a server for it.
//!
//! A replica's own memory is asked first, and stays what counts while that server doesn't answer.

use crate::domain::clock::Timestamp;
use crate::domain::ids::AccountId;
use crate::domain::{Error, Result};
use crate::service::limits::Limits;
use crate::service::limits::replay::Purpose;
use crate::shared::{Call, Mark, Shared, Verdict};
use crate::sign::Replay;

/// A call whose signature was verified.
pub(in crate::service) struct VerifiedCall<'a> {
    pub(in crate::service) access_key_id: &'a str,
    pub(in crate::service) account: AccountId,
    /// The action that is counted against the account, such as `tcr:CreateInstanceToken`.
    pub(in crate::service) action: &'static str,
    pub(in crate::service) purpose: Purpose,
    pub(in crate::service) replay: &'a Replay,
    pub(in crate::service) signed_at: Timestamp,
    /// When its signature is valid at no replica any more.
    pub(in crate::service) ends_at: Timestamp,
}

impl Limits {
    /// Returns what goes on worse than it should, though nothing is missing.
    pub fn degraded(&self) -> Vec<&'static str> {
        let lost = self
            .shared
            .get()
            .is_some_and(|shared| !shared.is_connected());
        if lost {
            vec!["the shared memory does not answer: nonces and rates are this replica's own"]
        } else {
            Vec::new()
        }
    }

    /// Takes note of a verified call, here and at the other replicas. Returns how often its account
    /// called, where that is too often.
    ///
    /// # Errors
    /// Those of [`Replays::check`]; [`ErrorKind::Replayed`] for what another replica saw before.
    pub(in crate::service) async fn note_call(
        &self,
        call: &VerifiedCall<'_>,
    ) -> Result<Option<u32>> {
        let now = self.base.now();
        // This replica's own memory counts, though the shared server be empty again.
        self.replays.check(
            call.access_key_id,
            call.signed_at,
            call.replay,
            call.purpose,
            now,
        )?;
        match self.shared.get() {
            None => Ok(None),
            Some(shared) => Box::pin(self.ask_others(shared, call, now)).await,
        }
    }

    async fn ask_others(
        &self,
        shared: &Shared,
        call: &VerifiedCall<'_>,
        now: Timestamp,
    ) -> Result<Option<u32>> {
        let (id, kept) = (call.access_key_id.as_bytes(), now.until(call.ends_at));
        // Both are of an access key, which two kinds of memory would share.
        let (nonce, signature);
        let mark = match call.replay {
            Replay::None => None,
            Replay::Nonce(text) => {
                nonce = [&b"nonce"[..], id, text.as_bytes()];
                Some(Mark {
                    seen: &nonce,
                    bound: None,
                    may_differ: false,
                    kept,
                })
            }
            Replay::Bound {
                signature: of,
                bound,
                covers_body,
            } => {
                signature = [&b"signature"[..], id, of];
                Some(Mark {
                    seen: &signature,
                    bound: Some(bound),
                    may_differ: call.purpose == Purpose::Read && *covers_body,
                    kept,
                })
            }
        };
        let (account, allowed) = (
            call.account.number().to_be_bytes(),
            self.actions.allowed(call.action),
        );
        match shared
            .ask(Call {
                bucket: &[&account, call.action.as_bytes()],
                allowed,
                mark,
            })
            .await
        {
            Some(Verdict::Repeated) => {
                // What it was bound to first, another replica saw: this one must not hold its owner
                // to a forgery.
                self.replays.unbind(call.access_key_id, call.replay);
                Err(Error::replayed())
            }
            Some(Verdict::TooOften { measured }) => Ok(Some(measured)),
            Some(Verdict::Fine) | None => Ok(None),
        }
    }

    /// Counts a call together with those of the other replicas.
    pub(in crate::service) async fn count_with_others(
        &self,
        shared: &Shared,
        account: AccountId,
        action: &'static str,
    ) -> Result<()> {
        let (account, allowed) = (account.number().to_be_bytes(), self.actions.allowed(action));
        let call = Call {
            bucket: &[&account, action.as_bytes()],
            allowed,
            mark: None,
        };
        match shared.ask(call).await {
            Some(Verdict::TooOften { measured }) => Err(crate::service::limits::rates::throttled(
                action, measured, allowed,
            )),
            Some(Verdict::Fine | Verdict::Repeated) | None => Ok(()),
        }
    }
}
