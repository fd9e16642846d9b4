//! Sessions of roles.

use crate::domain::claims::Claims;
use crate::domain::identity::Role;
use crate::domain::ids::{AccountId, RoleId};
use crate::domain::principal::{Principal, PrincipalName};
use crate::domain::refusal::RefusalCause;
use crate::domain::{Error, ErrorKind, Noun, Result};
use crate::policy::{Assumer, Context, Outcome, Permission, Request, Resource, trust};
use crate::service::access::caller::{Bearer, Caller};
use crate::service::call::Call;
use crate::service::ledger::actions::AuditAction;
use crate::service::memory::trusting_roles::{bearer, is_revoked, trust_policy_of, why_untrusted};
use crate::service::rights::{Ruling, denial, denied};
use crate::service::sts::Sts;
use crate::service::sts::rules::SessionRules;
use crate::service::sts::session::{
    NewSession, Plan, PlannedPolicy, SessionNote, check_session_policy,
};
use crate::store;
use crate::token::{Dependency, OidcSubject, SubjectDigest};

/// Why a role isn't assumed that isn't there: the caller isn't told.
const NO_SUCH_ROLE: &str = "there is no such role";

/// The trust policy's decision about a caller; of one that it doesn't accept, also the reason.
type Trusted = std::result::Result<(), (Outcome, String)>;

/// The role that a call means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RoleChoice {
    /// The one with this id in the account.
    Id(AccountId, RoleId),
    /// The one with this name in the account.
    Name(AccountId, String),
}

impl RoleChoice {
    fn account(&self) -> AccountId {
        match self {
            Self::Id(account, _) | Self::Name(account, _) => *account,
        }
    }
}

/// A call to assume a role.
#[derive(Clone, Debug)]
pub struct AssumeRole<'a> {
    /// The rules of the API that the call came through.
    pub rules: &'static SessionRules,
    /// The role.
    pub role: RoleChoice,
    /// The session's name.
    pub session_name: &'a str,
    /// How long it is to live, in seconds; the cloud's usual time where the call says nothing.
    pub duration_seconds: Option<i64>,
    /// The session policy that narrows it.
    pub policy: Option<&'a str>,
    /// The identity that the caller says to act for; the audit keeps it.
    pub source_identity: Option<&'a str>,
    /// The tags that the call gives, key and value: policies may ask for them. The session has
    /// none.
    pub tags: &'a [(&'a str, &'a str)],
    /// The action that an unsigned call is counted as, against its account, once a role trusts it.
    pub counted_as: Option<&'static str>,
}

impl Sts {
    /// Opens a session of a role, if the role's trust policy and the caller's own policies let the
    /// caller assume it.
    ///
    /// # Errors
    /// `InvalidParameter` for a value that isn't allowed, `SessionPolicyTooLong`; `AccessDenied`
    /// when one of the policies doesn't allow it; `NotFound` for a role of the caller's own account
    /// that isn't there; `Unsupported` for callers that can't assume a role; those of the store.
    pub async fn assume_role(&self, call: &Call<'_>, asked: &AssumeRole<'_>) -> Result<NewSession> {
        let rules = asked.rules;
        rules.name.check("RoleSessionName", asked.session_name)?;
        if let Some(name) = asked.source_identity {
            rules.name.check("SourceIdentity", name)?;
        }
        let policy = check_session_policy(asked.policy)?;
        let found = self.role(&asked.role).await?;
        let (role, dependencies_of_caller) =
            self.trusting_role(call, asked, found.as_ref()).await?;
        if let (Some(action), Some(bearer)) = (asked.counted_as, call.caller.bearer()) {
            // Only now: before, a stranger could use the account's calls up.
            Box::pin(self.limits.throttle_account(bearer.account, action)).await?;
        }
        let mut dependencies = vec![(Dependency::Role(role.id), role.generation)];
        dependencies.extend(dependencies_of_caller);
        let principal =
            Principal::RoleSession(role.account, role.id, asked.session_name.to_owned());
        let claims = match call.caller.bearer() {
            Some(bearer) => {
                let token = &bearer.identity.claims;
                let kept = self.rights.kept_claims(token, &principal, policy.as_ref());
                Box::pin(kept).await?
            }
            None => Claims::default(),
        };
        let is_chained = matches!(call.caller.principal(), Some(Principal::RoleSession(..)));
        let chained = rules.max_chained_session.filter(|_| is_chained);
        let longest = chained.map_or(role.max_session_seconds, |longest| {
            longest.min(role.max_session_seconds)
        });
        let plan = Plan {
            cloud: rules.cloud,
            claims,
            principal,
            dependencies,
            policy: asked.policy.map_or(PlannedPolicy::None, PlannedPolicy::New),
            expires_at: call
                .in_seconds(rules.role_session.choose(asked.duration_seconds, longest)?),
            note: SessionNote {
                source_identity: asked.source_identity,
                ..SessionNote::default()
            },
            action: AuditAction::SessionAssumeRole,
        };
        self.open_session(call, plan).await
    }

    /// Returns the role if the caller may assume it, and what the caller itself depends on.
    async fn trusting_role<'r>(
        &self,
        call: &Call<'_>,
        asked: &AssumeRole<'_>,
        found: Option<&'r Role>,
    ) -> Result<(&'r Role, Vec<(Dependency, i64)>)> {
        let (id, name) = match (found, &asked.role) {
            (Some(role), _) => (role.id.to_string(), role.name.as_str()),
            (None, RoleChoice::Id(_, id)) => (id.to_string(), ""),
            (None, RoleChoice::Name(_, name)) => (String::new(), name.as_str()),
        };
        let resource = |name| Resource::Role {
            account: asked.role.account(),
            id: &id,
            name,
        };
        let request = |name| Request {
            permission: Permission::AssumeRole,
            resource: resource(name),
            context: Context {
                request_tags: asked.tags,
                ..call.policy_context()
            },
        };
        // A caller that may not assume the role doesn't learn whether it exists: a refusal names
        // it as the call did.
        let shown = match &asked.role {
            RoleChoice::Id(..) => request(""),
            RoleChoice::Name(..) => request(name),
        };
        let request = request(name);
        let Some(bearer) = call.caller.bearer() else {
            return self
                .role_for_signer(call, asked.rules, found, (&request, &shown))
                .await;
        };
        let mut refusal = untrusted(call.caller, &shown, Outcome::DeniedImplicitly);
        if self.refuses(bearer).await? {
            refusal = refusal.caused_by(RefusalCause::SubjectRefused);
        } else if let Some(role) = found {
            match trusts_bearer(role, bearer, &request)? {
                Err((_, why)) => refusal = refusal.decided_by(why),
                Ok(()) if !is_revoked(role.revoked_at, bearer.identity.issued_at) => {
                    return Ok((role, vec![dependency_of(bearer)]));
                }
                Ok(()) => refusal = refusal.caused_by(RefusalCause::PrincipalRevoked),
            }
        } else {
            refusal = refusal.decided_by(NO_SUCH_ROLE);
        }
        // Anybody has a token of a public issuer.
        if asked.counted_as.is_some() {
            self.limits.count_refusal(&refusal, call.request);
        }
        Err(refusal)
    }

    /// Tells whether the account refuses the bearer's subject.
    async fn refuses(&self, bearer: &Bearer) -> Result<bool> {
        let (issuer, subject) = (&bearer.identity.issuer, &bearer.identity.subject);
        self.memory
            .refuses_subject(bearer.account, issuer, SubjectDigest::of(subject))
            .await
    }

    /// Returns the role if the signer of the call may assume it, and what the signer depends on;
    /// refusals show the other request.
    async fn role_for_signer<'r>(
        &self,
        call: &Call<'_>,
        rules: &SessionRules,
        found: Option<&'r Role>,
        (request, shown): (&Request<'_>, &Request<'_>),
    ) -> Result<(&'r Role, Vec<(Dependency, i64)>)> {
        let caller = call.caller;
        let signer = caller.signer()?;
        let ruling = self.rights.decide(caller.rights(), request).await?;
        if !ruling.is_allowed()
            && !self
                .is_trusted_alone(caller, found, request, ruling.outcome)
                .await?
        {
            let denial = denied(caller, shown, ruling);
            return Err(Box::pin(self.rights.explained(call, request, denial)).await);
        }
        if !rules.root_assumes_roles && matches!(signer.principal, Principal::Root(_)) {
            return Err(Error::new(
                ErrorKind::AccessDenied(Box::new(denial(caller, shown, Ruling::UNALLOWED))),
                "Roles may not be assumed by root accounts.",
            ));
        }
        let Some(role) = found else {
            return Err(match shown.resource {
                Resource::Role { account, name, .. } if account == signer.principal.account() => {
                    Error::not_found(Noun::Role, name)
                }
                _ => untrusted(caller, shown, Outcome::DeniedImplicitly).decided_by(NO_SUCH_ROLE),
            });
        };
        match self.trusts(role, signer.principal, request).await? {
            Ok(()) => Ok((role, signer.dependencies)),
            Err((outcome, why)) => Err(untrusted(caller, shown, outcome).decided_by(why)),
        }
    }

    async fn role(&self, choice: &RoleChoice) -> Result<Option<Role>> {
        match choice {
            RoleChoice::Id(account, id) => Ok(store::role::find(&self.base.store, *id)
                .await?
                .filter(|role| role.account == *account)),
            RoleChoice::Name(account, name) => {
                store::role::find_by_name(&self.base.store, *account, name).await
            }
        }
    }

    /// Asks the role's trust policy.
    async fn trusts(
        &self,
        role: &Role,
        principal: &Principal,
        request: &Request<'_>,
    ) -> Result<Trusted> {
        let decide = |assumer: &Assumer<'_>| decide_trust(role, assumer, request);
        self.ask_as(principal, decide).await
    }

    /// Tells whether a role's trust policy suffices for a caller whose own policies say nothing of
    /// the role.
    async fn is_trusted_alone(
        &self,
        caller: &Caller,
        found: Option<&Role>,
        request: &Request<'_>,
        outcome: Outcome,
    ) -> Result<bool> {
        let principal = caller.signer()?.principal;
        let is_asked = outcome == Outcome::DeniedImplicitly
            && caller.session_policy().is_none()
            && !matches!(principal, Principal::FederatedSession(..));
        let of_account = |role: &&Role| is_asked && role.account == principal.account();
        let Some(role) = found.filter(of_account) else {
            return Ok(false);
        };
        let policy = trust_policy_of(role)?;
        let suffices = |assumer: &Assumer<'_>| Ok(policy.suffices_for(assumer, &request.context));
        self.ask_as(principal, suffices).await
    }

    /// Lets a trust policy be asked about a principal.
    async fn ask_as<T>(
        &self,
        principal: &Principal,
        ask: impl FnOnce(&Assumer<'_>) -> Result<T>,
    ) -> Result<T> {
        if matches!(principal, Principal::FederatedSession(..)) {
            return Err(Error::unsupported(
                "A federated session can't assume a role; ask with a permanent access key.",
            ));
        }
        let (account, id) = (principal.account(), principal.numeric_id());
        // It signed the call, so it is there, or was a moment ago.
        let named = self
            .rights
            .principal_name(principal)
            .await?
            .ok_or_else(Error::session_token_expired)?;
        let assumer = match &named {
            PrincipalName::Root(account) => Assumer::Root(*account),
            PrincipalName::User(_, name) => Assumer::User {
                account,
                id: &id,
                name,
            },
            PrincipalName::Role(_, name) => Assumer::Role {
                account,
                id: &id,
                name,
            },
            PrincipalName::ServiceAccount(..) => {
                return Err(Error::unsupported("A service account can't assume a role."));
            }
        };
        ask(&assumer)
    }
}

/// Returns what the sessions of a bearer depend on besides their role: the subject of the token.
fn dependency_of(bearer: &Bearer) -> (Dependency, i64) {
    let subject = OidcSubject::new(bearer.account, &bearer.provider, &bearer.identity.subject);
    let made_at = bearer.provider_created_at.unix_millis();
    (Dependency::OidcSubject(subject), made_at)
}

fn decide_trust(role: &Role, assumer: &Assumer<'_>, request: &Request<'_>) -> Result<Trusted> {
    let (policy, context) = (trust_policy_of(role)?, &request.context);
    let outcome = trust::decide_trust(&role.name, &policy, assumer, context).outcome;
    Ok(match outcome {
        Outcome::Allowed => Ok(()),
        _ => Err((
            outcome,
            why_untrusted(&role.name, &policy, assumer, context),
        )),
    })
}

fn trusts_bearer(role: &Role, caller: &Bearer, request: &Request<'_>) -> Result<Trusted> {
    let assumer = bearer(caller.account, &caller.provider, &caller.identity);
    decide_trust(role, &assumer, request)
}

fn untrusted(caller: &Caller, request: &Request<'_>, outcome: Outcome) -> Error {
    Error::new(
        ErrorKind::AccessDenied(Box::new(denial(caller, request, Ruling::of_own(outcome)))),
        "The role's trust policy does not let the caller assume it.",
    )
}
