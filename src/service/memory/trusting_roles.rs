//! Trust policies as they are stored, compiled, and the roles that trust an OpenID Connect
//! provider.

use crate::domain::identity::Role;
use crate::domain::ids::{AccountId, RoleId};
use crate::domain::{Error, Result};
use crate::policy::{Assumer, Limits, OidcClaims, TrustPolicy};
use crate::store::{self, Store};
use crate::token::WebIdentity;

/// A role, and its compiled trust policy.
pub(in crate::service) struct TrustingRole {
    pub(in crate::service) id: RoleId,
    pub(in crate::service) name: String,
    pub(in crate::service) policy: TrustPolicy,
}

/// Compiles the trust policy of a role as it is stored.
///
/// # Errors
/// `Internal` when it can't be read.
pub(in crate::service) fn trust_policy_of(role: &Role) -> Result<TrustPolicy> {
    TrustPolicy::parse(&role.trust_policy, Limits::POLICY)
        .map(|checked| checked.policy)
        .map_err(|error| Error::internal("a stored trust policy can't be read").caused_by(error))
}

/// Returns the bearer of a verified token of a provider, as trust policies see it.
pub(in crate::service) fn bearer<'a>(
    account: AccountId,
    provider: &'a str,
    identity: &'a WebIdentity,
) -> Assumer<'a> {
    Assumer::Federated {
        account,
        provider,
        claims: OidcClaims {
            issuer: &identity.issuer,
            subject: &identity.subject,
            audiences: &identity.audiences,
        },
    }
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
        let policy = trust_policy_of(&role)?;
        if policy.names_provider(account, provider) {
            let (id, name) = (role.id, role.name);
            trusting.push(TrustingRole { id, name, policy });
        }
    }
    Ok(trusting)
}
