//! The roles of an account whose trust policies name an OpenID Connect provider, compiled.

use crate::domain::identity::Role;
use crate::domain::ids::AccountId;
use crate::domain::{Error, Result};
use crate::policy::{Limits, TrustPolicy};
use crate::store::{self, Store};

/// A role, and its compiled trust policy.
pub(in crate::service) struct TrustingRole {
    pub(in crate::service) role: Role,
    pub(in crate::service) policy: TrustPolicy,
}

/// Reads the roles that trust tokens of a provider, oldest first.
///
/// # Errors
/// `Internal` for a stored trust policy that can't be read: leaving it out might leave out one of
/// two roles that trust a token. Those of the store.
pub(in crate::service) async fn of_provider(
    store: &Store,
    account: AccountId,
    provider: &str,
) -> Result<Vec<TrustingRole>> {
    let mut trusting = Vec::new();
    for role in store::role::list(store, account).await? {
        let policy = TrustPolicy::parse(&role.trust_policy, Limits::POLICY)
            .map_err(|error| {
                Error::internal(format!(
                    "the trust policy of role {} can't be read",
                    role.id
                ))
                .caused_by(error)
            })?
            .policy;
        if policy.names_provider(account, provider) {
            trusting.push(TrustingRole { role, policy });
        }
    }
    Ok(trusting)
}
