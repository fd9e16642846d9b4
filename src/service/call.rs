//! The one argument that every use case has: who calls, by which request, and when.

use std::time::Duration;

use crate::domain::clock::Timestamp;
use crate::domain::ids::AccountId;
use crate::policy;
use crate::service::access::caller::Caller;
use crate::service::ledger::actions::AuditAction;
use crate::service::ledger::event::Event;
use crate::service::request::RequestContext;

/// A call, as its use case sees it.
#[derive(Clone, Copy)]
pub struct Call<'a> {
    /// The caller, after proof.
    pub caller: &'a Caller,
    /// The request's id, and the address that it came from.
    pub request: &'a RequestContext,
    /// The time of everything that the call makes.
    pub now: Timestamp,
}

impl Call<'_> {
    /// Returns the moment that many seconds after the call.
    pub(super) fn in_seconds(&self, seconds: u32) -> Timestamp {
        self.now.plus(Duration::from_secs(seconds.into()))
    }

    /// Returns what conditions of policies are about, as far as the request says it.
    pub(in crate::service) fn policy_context(&self) -> policy::Context<'static> {
        self.request.policy_context(self.now)
    }
}

impl<'a> Call<'a> {
    /// Begins an audit event about what the caller does.
    pub(super) fn event(&self, action: AuditAction) -> Event<'a> {
        Event::new(action, self.now, self.request).by(self.caller.actor())
    }

    /// As [`Self::event`], about what is done to a thing of `account`: an operator's own is none.
    pub(super) fn event_in(
        &self,
        account: impl Into<Option<AccountId>>,
        action: AuditAction,
    ) -> Event<'a> {
        self.event(action).of(account.into())
    }
}
