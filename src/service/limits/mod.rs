//! How often: rates of actions and addresses, back-off of log-ins, replays, and the count that
//! replicas share.

pub(super) mod attempt;
pub(super) mod back_off;
mod documented;
pub(super) mod keyed_semaphore;
pub(super) mod rates;
pub(super) mod replay;
pub(super) mod replicas;
pub(super) mod waits;

use std::sync::{Arc, OnceLock};

use self::back_off::LogInLimits;
use self::rates::{ActionLimits, AddressLimits, CallerLimits};
use self::replay::Replays;
use self::waits::{Wait, WaitLimits};
use crate::domain::Result;
use crate::domain::clock::Timestamp;
use crate::domain::ids::AccountId;
use crate::service::base::Base;
use crate::service::request::RequestContext;
use crate::shared::Shared;

/// The limits of accounts, credentials and addresses, and the memory of signatures.
pub struct Limits {
    pub(super) base: Arc<Base>,
    /// Calls of an account, by action.
    pub(super) actions: ActionLimits,
    /// Token requests of a credential.
    pub(super) tokens: CallerLimits,
    /// Requests of an operator at the admin API.
    pub(super) operators: CallerLimits,
    /// Requests of addresses, before their callers are authenticated.
    pub(super) addresses: AddressBudgets,
    /// Failed log-ins.
    pub(super) log_ins: LogInLimits,
    /// Used nonces and signatures.
    pub(super) replays: Replays,
    /// The count that replicas share; set once the service serves, where the settings name a
    /// server for it.
    pub(super) shared: OnceLock<Arc<Shared>>,
}

/// The budgets of an address, before its callers are authenticated.
pub(super) struct AddressBudgets {
    /// Refused requests.
    pub(super) refusals: AddressLimits,
    /// Token requests without a log-in.
    pub(super) anonymous: AddressLimits,
    /// Bodies that the service waits for.
    pub(super) waits: WaitLimits,
}

impl Limits {
    /// Drops the buckets that are full again, and the signatures that nobody can use any more.
    pub(super) fn forget(&self, now: Timestamp) {
        self.actions.forget(now);
        self.tokens.forget(now);
        self.operators.forget(now);
        self.addresses.refusals.forget(now);
        self.addresses.anonymous.forget(now);
        self.addresses.waits.forget(now);
        self.log_ins.forget(now);
        self.replays.forget(self.base.now_elsewhere());
    }

    /// Counts a call of `action` against an account that is known only now, as by a web identity.
    ///
    /// # Errors
    ///
    /// `Throttled` when the account called the action too often.
    pub(in crate::service) async fn throttle_account(
        &self,
        account: AccountId,
        action: &'static str,
    ) -> Result<()> {
        self.actions.check(account, action, self.base.now())?;
        match self.shared.get() {
            Some(shared) => Box::pin(self.count_shared(shared, account, action)).await,
            None => Ok(()),
        }
    }

    /// Charges a body that the service has to wait for to its address.
    ///
    /// An access key that was verified recently has a bucket of its own there: bodies that its
    /// neighbours never finish don't use it up.
    ///
    /// # Errors
    ///
    /// `AddressThrottled` when too many bodies are awaited, or never came.
    pub fn begin_wait(&self, context: &RequestContext, access_key_id: &str) -> Result<Wait> {
        let known = if self.was_verified_recently(access_key_id) {
            access_key_id
        } else {
            ""
        };
        self.addresses
            .waits
            .begin(context.address, known, self.base.now())
    }

    /// Gives back the charge of a body that came.
    pub fn end_wait(&self, Wait(sender): Wait) {
        if let Some(sender) = sender {
            self.addresses.waits.rates.give_back(sender);
        }
    }
}
