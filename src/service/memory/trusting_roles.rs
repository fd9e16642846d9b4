//! Trust policies as they are stored, compiled, and the roles that trust an OpenID Connect
//! provider.

use crate::domain::clock::Timestamp;
use crate::domain::identity::Role;
use crate::domain::ids::{AccountId, RoleId};
use crate::domain::role_name::RoleName;
use crate::domain::{Error, Result};
use crate::policy::{Assumer, Context, Limits, Outcome, TrustPolicy, TrustedProvider, trust};
use crate::store::{self, Store};
use crate::token::{LEEWAY, WebIdentity};

/// A role, and its compiled trust policy.
pub(in crate::service) struct TrustingRole {
    pub(in crate::service) id: RoleId,
    pub(in crate::service) name: String,
    pub(in crate::service) policy: TrustPolicy,
    /// When the role was last revoked.
    pub(in crate::service) revoked_at: Option<Timestamp>,
}

impl TrustingRole {
    /// Tells whether a username may mean the role.
    pub(in crate::service) fn is_named(&self, wanted: &RoleName) -> bool {
        match wanted {
            RoleName::Any => true,
            RoleName::Name(_, name) => self.name == *name,
            RoleName::Id(_, id) => self.id == *id,
        }
    }

    /// Tells whether the trust policy accepts the bearer of a verified token.
    pub(in crate::service) fn accepts(&self, bearer: &Assumer<'_>, context: &Context<'_>) -> bool {
        let decision = trust::decide_trust(&self.name, &self.policy, bearer, context);
        decision.outcome == Outcome::Allowed
    }
}

/// Says why a trust policy of a role doesn't accept somebody.
pub(in crate::service) fn why_untrusted(
    name: &str,
    policy: &TrustPolicy,
    assumer: &Assumer<'_>,
    context: &Context<'_>,
) -> String {
    let decision = trust::decide_trust(name, policy, assumer, context);
    if let (Outcome::DeniedExplicitly, Some(statement)) = (decision.outcome, decision.statement) {
        return format!("denied by the trust policy of role {statement}");
    }
    match policy.unmet(assumer, context).join(", ").as_str() {
        "" => format!("no statement of role {name}'s trust policy names the caller"),
        unmet => format!("role {name}'s trust policy names the caller, but {unmet} doesn't hold"),
    }
}

/// Tells whether a role's revocation reaches a token that was issued at a time.
///
/// The issuer's clock said that time, and may be ahead by as much as a token's times are taken
/// with: a token from before the revocation may seem that much younger.
pub(in crate::service) fn is_revoked(revoked_at: Option<Timestamp>, issued_at: Timestamp) -> bool {
    revoked_at.is_some_and(|at| issued_at <= at.plus(LEEWAY))
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
        claims: &identity.claims,
    }
}

/// Reads the roles that trust tokens of a provider, oldest first.
///
/// # Errors
/// `Internal` for a stored trust policy that can't be read: leaving it out might leave out one of
/// two roles that trust a token. Those of the store.
pub(in crate::service) async fn of_provider(
    store: &Store,
    provider: TrustedProvider<'_>,
) -> Result<Vec<TrustingRole>> {
    let mut trusting = Vec::new();
    for role in store::role::list(store, provider.account).await? {
        let policy = trust_policy_of(&role)?;
        if policy.names_provider(&provider) {
            trusting.push(TrustingRole {
                id: role.id,
                name: role.name,
                policy,
                revoked_at: role.revoked_at,
            });
        }
    }
    Ok(trusting)
}
