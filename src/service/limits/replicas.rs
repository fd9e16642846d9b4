//! Replays and rates as all replicas count them, where the settings name a server for it.
//!
//! Without such a server each replica counts for itself: an account's rate is as many times higher
//! as there are replicas, and a nonce could be used once at each.
//!
//! A replica asks its own memory first, and then the server, in one trip for replay and rate. A
//! server that doesn't answer refuses nothing: the replica's own count decides then, and the
//! operator sees [`Limits::degraded`]. The other choice would make that server one more thing on
//! which every call depends.

use crate::domain::clock::Timestamp;
use crate::domain::ids::AccountId;
use crate::domain::{Error, Result};
use crate::service::limits::Limits;
use crate::service::limits::rates::throttled;
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
    /// The last moment of its signature by this replica's clock.
    pub(in crate::service) valid_until: Timestamp,
    /// From this time on its signature is valid at no replica.
    pub(in crate::service) ends_at: Timestamp,
}

impl Limits {
    /// Returns a text for each thing that works worse than it should while the service is ready.
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

    /// Checks a verified call for replay, here and with the other replicas, and counts it with
    /// them. Returns the account's calls in the present second, where they are too many.
    ///
    /// # Errors
    ///
    /// `Replayed` for a call that this or another replica saw before; `NonceMemoryFull` when this
    /// replica can remember no more of the access key.
    pub(in crate::service) async fn note_call(
        &self,
        call: &VerifiedCall<'_>,
    ) -> Result<Option<u32>> {
        // Signatures are valid by the time elsewhere, and so they are remembered by it.
        let now = self.base.now_elsewhere();
        // First, because the server may have restarted with an empty memory.
        self.replays.check(
            call.access_key_id,
            call.account,
            call.valid_until,
            call.replay,
            call.purpose,
            now,
        )?;
        match self.shared.get() {
            None => Ok(None),
            Some(shared) => Box::pin(self.ask_shared(shared, call, now)).await,
        }
    }

    async fn ask_shared(
        &self,
        shared: &Shared,
        call: &VerifiedCall<'_>,
        now: Timestamp,
    ) -> Result<Option<u32>> {
        let (id, kept) = (call.access_key_id.as_bytes(), now.until(call.ends_at));
        // The kind comes first, so that no nonce is taken for a signature of the same bytes.
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
                // Another replica saw the signature first, with another request. This replica has
                // just bound it to the later one, which may be a forgery; kept, that binding would
                // refuse the true request when its owner repeats it here.
                self.replays.unbind(call.access_key_id, call.replay, now);
                Err(Error::replayed())
            }
            Some(Verdict::TooOften { measured }) => Ok(Some(measured)),
            Some(Verdict::Fine) | None => Ok(None),
        }
    }

    /// Counts a call together with those of the other replicas.
    ///
    /// # Errors
    ///
    /// `Throttled` when the account called the action too often.
    pub(in crate::service) async fn count_shared(
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
            Some(Verdict::TooOften { measured }) => Err(throttled(action, measured, allowed)),
            Some(Verdict::Fine | Verdict::Repeated) | None => Ok(()),
        }
    }
}
