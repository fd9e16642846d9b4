//! Callers that are operators: what they may do.

use crate::domain::ids::AccountId;
use crate::domain::operator::{Administrator, OperatorPermission};
use crate::domain::{Error, Result};
use crate::service::access::caller::{Caller, Proof};

impl Caller {
    /// The local operator, as the service itself acts. It may do everything.
    pub fn operator() -> Self {
        Self::local_operator(None)
    }

    /// The operator at the command line, who can read the master key, so it may do everything. The
    /// audit names the operating system's `user`.
    pub fn local_operator(user: Option<String>) -> Self {
        Proof::Administrator(Administrator::Local { user }).into()
    }

    /// Fails unless the caller is an operator who has a permission, for a thing of `account`;
    /// without one, for a thing of the whole service.
    ///
    /// # Errors
    /// `Unsupported` for a caller that is no operator; `OperatorDenied` without the permission.
    pub(in crate::service) fn require(
        &self,
        permission: OperatorPermission,
        account: Option<AccountId>,
    ) -> Result<()> {
        self.administrator()
            .ok_or_else(|| Error::unsupported("Only the operator can do this."))?
            .require(permission, account)
    }

    /// As [`Self::require`], for things that may be of the caller's own account: for lists, which
    /// show an account-admin no others, and before the account of a thing is known.
    ///
    /// # Errors
    /// As [`Self::require`].
    pub(in crate::service) fn require_in_own_account(
        &self,
        permission: OperatorPermission,
    ) -> Result<()> {
        self.require(permission, self.own_account())
    }

    /// Returns the only account whose things an operator may see; none where it may see all.
    pub fn own_account(&self) -> Option<AccountId> {
        self.administrator().and_then(Administrator::account)
    }

    /// Tells whether the caller is of `account`, and so may know what it owns; what it may do is
    /// for policies to say.
    pub(in crate::service) fn is_of(&self, account: AccountId) -> bool {
        match self.principal() {
            Some(principal) => principal.account() == account,
            None => self.administrator().is_some_and(|administrator| {
                administrator.account().is_none_or(|own| own == account)
            }),
        }
    }
}
