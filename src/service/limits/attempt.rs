//! The charge of an unauthenticated request, taken before the service works for it.
//!
//! Each address has a bucket of refusals. A request takes one before it costs anything, and gets it
//! back once its caller is authenticated. So of many requests at once, no more pass than the bucket
//! has.

use std::net::IpAddr;

use tokio::sync::SemaphorePermit;

use crate::domain::{Blame, Error, ErrorKind, Result};
use crate::service::limits::Limits;
use crate::service::limits::back_off::BackOff;
use crate::service::limits::rates::address_throttled;
use crate::service::request::RequestContext;

/// A log-in under way, with the charge of its address.
pub(in crate::service) struct Attempt {
    pub(in crate::service) address: Option<IpAddr>,
    charge: Charge,
    /// A guess of an old password was charged, whatever the secret looks like.
    pub(in crate::service) is_guess: bool,
}

/// The charge of one attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Charge {
    /// No refusal was asked for: nothing has cost anything yet.
    NotAsked,
    /// One of the address's refusals was taken.
    Taken,
    /// The address has no refusal left.
    NoneLeft,
}

impl Attempt {
    /// Begins an attempt from this address.
    pub(in crate::service) fn new(address: Option<IpAddr>) -> Self {
        Self {
            address,
            charge: Charge::NotAsked,
            is_guess: false,
        }
    }

    /// Returns the client's address.
    pub(in crate::service) fn address(&self) -> Option<IpAddr> {
        self.address
    }
}

impl Limits {
    /// Tells whether an address has used up its refusals.
    pub fn is_throttled(&self, context: &RequestContext) -> bool {
        context
            .address
            .is_some_and(|address| self.addresses.refusals.is_used_up(address, self.base.now()))
    }

    /// Tells whether a request of an access key, or of a session's, was verified in the last
    /// minutes.
    pub fn was_verified_recently(&self, access_key_id: &str) -> bool {
        self.replays.has_seen(access_key_id)
    }

    /// Counts a refused request against its address. Returns the error that is answered instead
    /// where too many were refused before. Errors that are not the client's fault don't count.
    pub fn count_refusal(&self, error: &Error, context: &RequestContext) -> Option<Error> {
        self.charge_refusal(&mut Attempt::new(context.address), error)
    }

    /// As [`Self::count_refusal`], for a request that may have been charged already.
    pub(in crate::service) fn charge_refusal(
        &self,
        attempt: &mut Attempt,
        error: &Error,
    ) -> Option<Error> {
        if error.kind().blame() != Blame::Client {
            self.give_back(attempt);
            return None;
        }
        let is_within =
            matches!(error.kind(), ErrorKind::AddressThrottled { .. }) || self.charge(attempt);
        (!is_within).then(|| {
            let word = error.refusal_word();
            address_throttled().decided_by(format!(
                "limits.refusals_per_second and its burst; the request was refused before ({word})"
            ))
        })
    }

    /// Permits an unauthenticated log-in to ask the database about a name that no cache has.
    ///
    /// An address with refusals left is charged one, which it gets back on success. An address
    /// without any shares a few permits with all others like it, so made-up names can't keep the
    /// database busy.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::AddressThrottled`] when too many wait for such a permit.
    pub(in crate::service) async fn lookup_permit(
        &self,
        attempt: &mut Attempt,
    ) -> Result<Option<SemaphorePermit<'_>>> {
        if self.charge(attempt) {
            Ok(None)
        } else {
            self.log_ins.lookup_permit().await.map(Some)
        }
    }

    /// Takes one of the address's refusals, once for each attempt; `false` when none was left.
    pub(in crate::service) fn charge(&self, attempt: &mut Attempt) -> bool {
        if attempt.charge == Charge::NotAsked {
            let is_within = attempt
                .address
                .is_none_or(|address| self.addresses.refusals.take(address, self.base.now()));
            attempt.charge = if is_within {
                Charge::Taken
            } else {
                Charge::NoneLeft
            };
        }
        attempt.charge == Charge::Taken
    }

    /// Gives back the charge of an attempt that succeeded, or failed by no fault of the client.
    pub(in crate::service) fn give_back(&self, attempt: &Attempt) {
        if let (Some(address), Charge::Taken) = (attempt.address, attempt.charge) {
            self.addresses.refusals.give_back(address);
        }
    }

    /// Returns the back-off error that is answered instead of a refusal. It keeps the refusal's
    /// cause, for log and audit.
    pub(in crate::service) fn back_off_error(&self, back_off: BackOff, refusal: &Error) -> Error {
        let error = self.log_ins.back_off_error(back_off);
        match refusal.refusal_cause() {
            Some(cause) => error.caused_by(cause),
            None => error,
        }
    }

    /// Counts an anonymous token request against its address.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::AddressThrottled`] when the address asked for too many.
    pub(in crate::service) fn count_anonymous(&self, context: &RequestContext) -> Result<()> {
        let Some(address) = context.address else {
            return Ok(());
        };
        if self.addresses.anonymous.take(address, self.base.now()) {
            return Ok(());
        }
        let kind = ErrorKind::AddressThrottled {
            retry_after_seconds: 1,
        };
        Err(Error::new(
            kind,
            "Too many tokens were asked for from this address without a log-in; wait a second, or \
             log in.",
        )
        .decided_by("limits.anonymous_per_second and its burst"))
    }
}
