//! How often: rates of actions and addresses, back-off of log-ins, replays, and what replicas count
//! together.

pub(super) mod attempt;
pub(super) mod back_off;
pub(super) mod gates;
pub(super) mod rates;
pub(super) mod replay;
pub(super) mod replicas;

use std::sync::{Arc, OnceLock};

use self::back_off::LogIns;
use self::rates::{ActionLimits, AddressLimits, TokenLimits, Wait, WaitLimits};
use self::replay::Replays;
use crate::domain::Result;
use crate::domain::clock::Timestamp;
use crate::domain::ids::AccountId;
use crate::service::base::Base;
use crate::service::request::RequestContext;
use crate::shared::Shared;

/// How often accounts, credentials and addresses may do what costs something.
pub struct Limits {
    pub(super) base: Arc<Base>,
    /// Calls of an account, by action.
    pub(super) actions: ActionLimits,
    /// Token requests of a credential.
    pub(super) tokens: TokenLimits,
    /// The budgets of strangers.
    pub(super) addresses: AddressBudgets,
    /// Failed log-ins.
    pub(super) log_ins: LogIns,
    /// Nonces and signatures that were used.
    pub(super) replays: Replays,
    /// The count of all replicas; set once the service serves, where the settings have it.
    pub(super) shared: OnceLock<Arc<Shared>>,
}

/// The budgets of an address, before a caller is proved.
pub(super) struct AddressBudgets {
    /// Refused requests.
    pub(super) refusals: AddressLimits,
    /// Tokens without a log-in.
    pub(super) anonymous: AddressLimits,
    /// Bodies that are waited for.
    pub(super) waits: WaitLimits,
}

impl Limits {
    /// Forgets what counts no more.
    pub(super) fn forget(&self, now: Timestamp) {
        self.actions.forget(now);
        self.tokens.forget(now);
        self.addresses.refusals.forget(now);
        self.addresses.anonymous.forget(now);
        self.addresses.waits.forget(now);
        self.log_ins.forget(now);
        self.replays.forget(now);
    }

    /// Counts a call of `action` against the account that it turned out to be of.
    pub(in crate::service) async fn throttle_account(
        &self,
        account: AccountId,
        action: &'static str,
    ) -> Result<()> {
        self.actions.check(account, action, self.base.now())?;
        match self.shared.get() {
            Some(shared) => Box::pin(self.count_with_others(shared, account, action)).await,
            None => Ok(()),
        }
    }

    /// Charges a body that has to be waited for to its address. An access key that was right lately
    /// counts apart: what others send in its name before they are proved is not charged to it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::AddressThrottled`] when too many were waited for in vain, or are waited for.
    pub fn begin_wait(&self, context: &RequestContext, access_key_id: &str) -> Result<Wait> {
        let known = if self.was_right_lately(access_key_id) {
            access_key_id
        } else {
            ""
        };
        self.addresses
            .waits
            .begin(context.address, known, self.base.now())
    }

    /// Gives back what was charged for a body that came.
    pub fn end_wait(&self, Wait(sender): Wait) {
        if let Some(sender) = sender {
            self.addresses.waits.rates.give_back(sender);
        }
    }
}
