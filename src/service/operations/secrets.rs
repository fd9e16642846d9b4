//! Reports on everything that logs in or signs calls: what isn't used, and what ends.

use std::time::Duration;

use crate::domain::Result;
use crate::domain::ids::AccountId;
use crate::domain::operator::OperatorPermission;
use crate::domain::reported::Reported;
use crate::service::call::Call;
use crate::service::operations::Operations;
use crate::store::{meta, report};

/// The permissions that show what a report has.
const NEEDED: [OperatorPermission; 4] = [
    OperatorPermission::AccessKeyRead,
    OperatorPermission::CredentialRead,
    OperatorPermission::FixedPasswordRead,
    OperatorPermission::ServiceAccountRead,
];

impl Operations {
    /// Lists the active access keys, credentials, service accounts and fixed passwords, of one
    /// account or of all, that weren't used for so long, the longest unused first.
    ///
    /// One that was never used counts from when it was made, or from the first start of a release
    /// that records uses: of the time before nobody knows.
    ///
    /// # Errors
    /// `OperatorDenied`, or `Unsupported` for no operator; those of the store.
    pub async fn unused_secrets(
        &self,
        call: &Call<'_>,
        account: Option<AccountId>,
        unused_for: Duration,
    ) -> Result<Vec<Reported>> {
        let account = reported_account(call, account)?;
        let store = &self.base.store;
        let since = meta::uses_recorded_since(store).await?.unwrap_or(call.now);
        report::unused(store, account, call.now.minus(unused_for), since, call.now).await
    }

    /// Lists the active credentials, service accounts and fixed passwords, of one account or of
    /// all, that end within a time, the next first.
    ///
    /// # Errors
    /// `OperatorDenied`, or `Unsupported` for no operator; those of the store.
    pub async fn expiring_secrets(
        &self,
        call: &Call<'_>,
        account: Option<AccountId>,
        within: Duration,
    ) -> Result<Vec<Reported>> {
        let account = reported_account(call, account)?;
        report::expiring(&self.base.store, account, call.now, call.now.plus(within)).await
    }
}

/// Returns the account whose things a caller is shown; `None` for all.
fn reported_account(call: &Call<'_>, asked: Option<AccountId>) -> Result<Option<AccountId>> {
    let account = asked.or(call.caller.own_account());
    for permission in NEEDED {
        call.caller.require(permission, account)?;
    }
    Ok(account)
}
