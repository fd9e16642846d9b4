//! The charge of an unproved request, before work is done for it.

use std::net::IpAddr;

use tokio::sync::SemaphorePermit;

use crate::domain::{Blame, Error, ErrorKind, Result};
use crate::service::limits::Limits;
use crate::service::limits::back_off::Slowed;
use crate::service::limits::rates::address_throttled;
use crate::service::request::RequestContext;

/// A log-in under way, and what its address was charged before it is proven.
pub(in crate::service) struct Attempt {
    pub(in crate::service) address: Option<IpAddr>,
    charge: Charge,
}

/// Whether one of the address's refusals was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Charge {
    /// Nothing has cost anything yet.
    NotAsked,
    /// It was.
    Taken,
    /// There was none.
    NoneLeft,
}

impl Attempt {
    /// Begins one, from this address.
    pub(in crate::service) fn new(address: Option<IpAddr>) -> Self {
        Self {
            address,
            charge: Charge::NotAsked,
        }
    }

    /// Returns the address that it comes from.
    pub(in crate::service) fn address(&self) -> Option<IpAddr> {
        self.address
    }
}

impl Limits {
    /// Tells whether too many requests of an address were refused.
    pub fn is_slowed(&self, context: &RequestContext) -> bool {
        context
            .address
            .is_some_and(|address| self.addresses.refusals.is_slowed(address, self.base.now()))
    }

    /// Tells whether requests of an access key, or a session's, were verified in the last minutes.
    pub fn was_right_lately(&self, access_key_id: &str) -> bool {
        self.replays.has_seen(access_key_id)
    }

    /// Counts a refused request against its address. Where there were too many before, returns what
    /// is answered instead; a fault of ours, or of an issuer, is nobody's refusal.
    pub fn count_refusal(&self, error: &Error, context: &RequestContext) -> Option<Error> {
        self.charge_stranger(&mut Attempt::new(context.address), error)
    }

    /// As [`Self::count_refusal`], for a request that may have been charged already.
    pub(in crate::service) fn charge_stranger(
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
        (!is_within).then(address_throttled)
    }

    /// Lets a log-in that isn't proven ask the database for what memory lacks.
    ///
    /// An address that has refusals left pays one of them, which it gets back on success. From one
    /// that has none, a few look at once and others wait for it: strangers can make names up, but
    /// can't keep the database busy with them.
    pub(in crate::service) async fn look(
        &self,
        attempt: &mut Attempt,
    ) -> Result<Option<SemaphorePermit<'_>>> {
        if self.charge(attempt) {
            Ok(None)
        } else {
            self.log_ins.look().await.map(Some)
        }
    }

    /// Takes one of the address's refusals, once for a log-in; `false` when it has none left.
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

    pub(in crate::service) fn give_back(&self, attempt: &Attempt) {
        if let (Some(address), Charge::Taken) = (attempt.address, attempt.charge) {
            self.addresses.refusals.give_back(address);
        }
    }

    /// Returns what is answered instead of a refusal; the operator hears the cause of that all the
    /// same.
    pub(in crate::service) fn slowed(&self, slowed: Slowed, refusal: &Error) -> Error {
        let error = self.log_ins.slowed(slowed);
        match refusal.refusal_cause() {
            Some(cause) => error.caused_by(cause),
            None => error,
        }
    }

    /// Counts a token for nobody.
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
        ))
    }
}
