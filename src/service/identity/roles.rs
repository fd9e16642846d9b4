//! Roles, and the trust policies that decide who assumes them.

use std::sync::Arc;

use serde_json::json;

use crate::domain::clock::{Random, random_text};
use crate::domain::identity::Role;
use crate::domain::ids::{AccountId, RoleId};
use crate::domain::operator::OperatorPermission;
use crate::domain::refusal::RefusalCause;
use crate::domain::secret::Secret;
use crate::domain::{Error, Result, name};
use crate::policy::{Limits, Outcome, TrustPolicy, trust};
use crate::service::call::Call;
use crate::service::identity::Identity;
use crate::service::ledger::actions::AuditAction;
use crate::service::limits::attempt::Attempt;
use crate::service::memory::trusting_roles::{bearer, is_revoked, trust_policy_of};
use crate::store;
use crate::token::{SubjectDigest, WebIdentity};

/// The most roles that one warning names.
const MAX_NAMED: usize = 5;

/// A change of a role; `None` leaves a setting as it is.
#[derive(Clone, Copy, Debug, Default)]
pub struct RoleChange<'a> {
    /// The trust policy.
    pub trust_policy: Option<&'a str>,
    /// The longest life of a session, in seconds.
    pub max_session_seconds: Option<u32>,
}

/// The outcome of a token at a role.
#[derive(Debug)]
pub struct RoleTest {
    /// The provider whose token it is.
    pub provider: String,
    /// Whether the trust policy accepts the token.
    pub outcome: Outcome,
    /// Whether it trusts the provider at all.
    pub names_provider: bool,
    /// Why the token is refused, whatever the trust policy says.
    pub refused: Option<RefusalCause>,
    /// The places of the conditions that the token doesn't meet.
    pub unmet: Vec<String>,
    /// The token's content.
    pub identity: WebIdentity,
}

impl Identity {
    /// Makes a role; its numeric id is picked. Returns the warnings about its trust policy, too.
    ///
    /// # Errors
    /// `OperatorDenied`, or `Unsupported` for no operator; `InvalidParameter` for a name or a
    /// session that isn't allowed; those of [`TrustPolicy::parse`]; `AlreadyExists`; those of the
    /// store.
    pub async fn create_role(
        &self,
        call: &Call<'_>,
        account: AccountId,
        name: &str,
        trust_policy: &str,
        max_session_seconds: u32,
    ) -> Result<(Role, Vec<String>)> {
        call.caller
            .require(OperatorPermission::RoleCreate, Some(account))?;
        name::check_name("name", name)?;
        let mut checked = TrustPolicy::parse(trust_policy, Limits::POLICY)?;
        check_max_session(max_session_seconds)?;
        let role = Role {
            id: random_role_id(&*self.base.random)?,
            account,
            name: name.to_owned(),
            trust_policy: trust_policy.to_owned(),
            max_session_seconds,
            generation: 0,
            created_at: call.now,
            revoked_at: None,
        };
        let others = self.ambiguities(&role, &checked.policy).await?;
        checked.warnings.extend(others);
        let event = call
            .event_in(account, AuditAction::RoleCreate)
            .detail(json!({ "account": account.to_string(), "role": name }));
        self.ledger
            .change(store::role::insert(&role), event)
            .await?;
        Ok((role, checked.warnings))
    }

    /// Returns a role of an account.
    ///
    /// # Errors
    /// `OperatorDenied`, or `Unsupported` for no operator; `NotFound`; those of the store.
    pub async fn role(&self, call: &Call<'_>, account: AccountId, name: &str) -> Result<Role> {
        call.caller
            .require(OperatorPermission::RoleRead, Some(account))?;
        self.rights.named_role(account, name).await
    }

    /// Changes a role; its sessions go on. Returns what the trust policy's writer should know
    /// about it.
    ///
    /// # Errors
    /// `OperatorDenied`, or `Unsupported` for no operator; `NotFound`; `InvalidParameter` for a
    /// value that isn't allowed; those of the store.
    pub async fn update_role(
        &self,
        call: &Call<'_>,
        account: AccountId,
        name: &str,
        change: RoleChange<'_>,
    ) -> Result<Vec<String>> {
        call.caller
            .require(OperatorPermission::RoleUpdate, Some(account))?;
        let role = self.rights.named_role(account, name).await?;
        let warnings = match change.trust_policy {
            Some(text) => {
                let mut checked = TrustPolicy::parse(text, Limits::POLICY)?;
                let others = self.ambiguities(&role, &checked.policy).await?;
                checked.warnings.extend(others);
                checked.warnings
            }
            None => Vec::new(),
        };
        change
            .max_session_seconds
            .map_or(Ok(()), check_max_session)?;
        let event = call
            .event_in(account, AuditAction::RoleUpdate)
            .detail(json!({
                "account": account.to_string(),
                "role": name,
                "trust_policy": change.trust_policy.is_some(),
                "max_session": change.max_session_seconds,
            }));
        let (text, seconds) = (change.trust_policy, change.max_session_seconds);
        let update = store::role::update(account, role.id, text, seconds);
        self.ledger.change(update, event).await?;
        Ok(warnings)
    }

    /// Returns a warning for each provider whose tokens another role may accept as well: a log-in
    /// that names no role is refused then.
    async fn ambiguities(&self, role: &Role, policy: &TrustPolicy) -> Result<Vec<String>> {
        let account = role.account;
        let mut providers = store::oidc_provider::list(&self.base.store, account).await?;
        providers.retain(|provider| policy.names_provider(&provider.into()));
        if providers.is_empty() {
            return Ok(Vec::new());
        }
        let mut others = Vec::new();
        for other in store::role::list(&self.base.store, account).await? {
            if other.id != role.id {
                let policy = trust_policy_of(&other)?;
                others.push((other.name, policy));
            }
        }
        Ok(providers
            .iter()
            .filter_map(|provider| {
                let shares = |other: &TrustPolicy| policy.may_share_tokens(other, &provider.into());
                let sharing: Vec<&str> = others
                    .iter()
                    .filter(|(_, other)| shares(other))
                    .map(|(name, _)| name.as_str())
                    .collect();
                warn_of_ambiguity(&provider.name, &sharing)
            })
            .collect())
    }

    /// Says whether a role's trust policy accepts a token, and what keeps it from that.
    ///
    /// # Errors
    /// `OperatorDenied`, or `Unsupported` for no operator; `NotFound`; `WebIdentity` for a token
    /// that isn't believed, `BadCredentials` for one of no provider; those of the store.
    pub async fn test_role(
        &self,
        call: &Call<'_>,
        account: AccountId,
        name: &str,
        token: &Secret,
    ) -> Result<RoleTest> {
        call.caller
            .require(OperatorPermission::RoleRead, Some(account))?;
        let role = self.rights.named_role(account, name).await?;
        let (provider, identity) = self
            .access
            .verify_job_token(account, token, &mut Attempt::new(None))
            .await?;
        let subject = SubjectDigest::of(&identity.subject);
        let is_refused = self
            .memory
            .refuses_subject(account, &identity.issuer, subject)
            .await?;
        let policy = trust_policy_of(&role)?;
        let assumer = bearer(account, &provider.name, &identity);
        let context = call.policy_context();
        let decision = trust::decide_trust(name, &policy, &assumer, &context);
        Ok(RoleTest {
            outcome: decision.outcome,
            refused: if is_refused {
                Some(RefusalCause::SubjectRefused)
            } else {
                is_revoked(role.revoked_at, identity.issued_at)
                    .then_some(RefusalCause::PrincipalRevoked)
            },
            names_provider: policy.names_provider(&(&*provider).into()),
            unmet: policy.unmet(&assumer, &context),
            provider: provider.name.clone(),
            identity: Arc::unwrap_or_clone(identity),
        })
    }

    /// Lists the roles of an account.
    ///
    /// # Errors
    /// `OperatorDenied`, or `Unsupported` for no operator; those of the store.
    pub async fn roles(&self, call: &Call<'_>, account: AccountId) -> Result<Vec<Role>> {
        call.caller
            .require(OperatorPermission::RoleRead, Some(account))?;
        store::role::list(&self.base.store, account).await
    }

    /// Deletes a role, and stops its sessions and their credentials. Returns the service accounts
    /// that it made, which go on, as `ACCOUNT:service-account/INSTANCE/NAME`.
    ///
    /// # Errors
    /// As [`Self::delete_user`].
    pub async fn delete_role(
        &self,
        call: &Call<'_>,
        account: AccountId,
        name: &str,
    ) -> Result<Vec<String>> {
        call.caller
            .require(OperatorPermission::RoleDelete, Some(account))?;
        let role = self.rights.named_role(account, name).await?;
        let (made, names) = self.rights.made_by(role.id.number()).await?;
        let detail = json!({
            "account": account.to_string(),
            "role": name,
            "role_id": role.id.to_string(),
            "service_accounts": names,
        });
        let event = call
            .event_in(account, AuditAction::RoleDelete)
            .detail(detail);
        let as_listed = store::service_account::expect_made_by(role.id.number(), made.len());
        self.ledger
            .change(
                store::cascade::delete_role(account, role.id).and(as_listed),
                event,
            )
            .await?;
        Ok(names)
    }
}

/// Warns that other roles may accept tokens of a provider; the first few are named.
fn warn_of_ambiguity(provider: &str, sharing: &[&str]) -> Option<String> {
    let named = sharing.get(..MAX_NAMED).unwrap_or(sharing).join(", ");
    let more = match sharing.len().saturating_sub(MAX_NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    (!sharing.is_empty()).then(|| {
        format!(
            "a token of the provider {provider} may be accepted by another role as well: \
             {named}{more}. A log-in by such a token has to name its role, such as role/NAME"
        )
    })
}

fn check_max_session(seconds: u32) -> Result<()> {
    let (least, most) = (Role::MIN_SESSION_LIMIT, Role::MAX_SESSION_LIMIT);
    if (least..=most).contains(&seconds) {
        return Ok(());
    }
    Err(Error::invalid_parameter(
        "max-session",
        format!("a session lasts {least} to {most} seconds at most"),
    ))
}

/// Makes an id of eighteen digits that begins with a 4, as long as Tencent's.
fn random_role_id(random: &dyn Random) -> Result<RoleId> {
    format!("4{}", random_text(random, b"0123456789", 17)).parse()
}
