//! Rights: every decision that a use case or a token exchange makes.
//!
//! An account's root may do everything on what the account owns. Anyone else may do what the
//! policies attached to them, and to their groups, allow; a session, what its own policy allows
//! too.

pub(super) mod explain;
mod found;
mod gathering;
pub(super) mod held;
pub(super) mod holders;
pub(super) mod instances;
mod kept_claims;
mod operators;
pub(super) mod principals;
pub(super) mod question;
pub(super) mod reasons;
mod repository_policies;
mod sides;
pub(super) mod steps;
pub(super) mod verdict;

use std::sync::Arc;

use crate::domain::error::{Denial, PolicyKind};
use crate::domain::principal::Principal;
use crate::domain::service_account::{AccountAction, ServiceAccount};
use crate::domain::tag::Tag;
use crate::domain::{Error, ErrorKind, Result};
use crate::policy::{
    self, Circumstances, Context, Decision, Documents, Language, Outcome, Permission, PolicySet,
    Request, Resource,
};
use crate::service::access::caller::{Caller, Subject};
use crate::service::base::Base;
use crate::service::call::Call;
use crate::service::ledger::Ledger;
use crate::service::memory::Memory;
use crate::service::rights::gathering::Sources;

/// Whom the policies of a decision are of.
pub(in crate::service) enum Holder {
    /// Everything is allowed.
    Root,
    /// These allow it.
    Policies(Arc<PolicySet>),
}

impl Holder {
    fn policies(&self) -> Option<&PolicySet> {
        match self {
            Self::Root => None,
            Self::Policies(rights) => Some(rights),
        }
    }

    fn asks_for_time(&self) -> bool {
        match self {
            Self::Root => false,
            Self::Policies(rights) => rights.asks_for_time(),
        }
    }

    fn has_iam(&self) -> bool {
        match self {
            Self::Root => false,
            Self::Policies(rights) => rights.has_iam(),
        }
    }
}

/// How rights decided, and the policies that did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::service) struct Ruling {
    pub(in crate::service) outcome: Outcome,
    pub(in crate::service) by: PolicyKind,
}

impl Ruling {
    /// Nothing of the caller's own allows it.
    pub(in crate::service) const UNALLOWED: Self = Self::of_own(Outcome::DeniedImplicitly);

    /// Returns the ruling of the caller's own policies.
    pub(in crate::service) const fn of_own(outcome: Outcome) -> Self {
        Self {
            outcome,
            by: PolicyKind::Identity,
        }
    }

    pub(in crate::service) fn is_allowed(self) -> bool {
        self.outcome == Outcome::Allowed
    }
}

/// Decides what callers may do, and says why.
pub struct Rights {
    pub(super) base: Arc<Base>,
    pub(super) memory: Arc<Memory>,
    pub(super) ledger: Arc<Ledger>,
}

impl Rights {
    /// Fails with [`ErrorKind::AccessDenied`] unless the caller may do this.
    pub(in crate::service) async fn authorize(
        &self,
        call: &Call<'_>,
        permission: Permission,
        resource: Resource<'_>,
    ) -> Result<()> {
        self.authorize_with(call, permission, resource, call.policy_context())
            .await
    }

    /// As [`Service::authorize`], with what else is known of the request.
    pub(in crate::service) async fn authorize_with(
        &self,
        call: &Call<'_>,
        permission: Permission,
        resource: Resource<'_>,
        context: Context<'_>,
    ) -> Result<()> {
        let request = Request {
            permission,
            resource,
            context,
        };
        let ruling = self.decide(call.caller.rights(), &request).await?;
        if ruling.is_allowed() {
            return Ok(());
        }
        let denial = denied(call.caller, &request, ruling);
        Err(Box::pin(self.explained(call, &request, denial)).await)
    }

    /// Adds to a denial what decided it, for log and audit.
    ///
    /// An account has as many explanations as records of refusals: a flood of denials costs no more
    /// than their decisions.
    pub(in crate::service) async fn explained(
        &self,
        call: &Call<'_>,
        request: &Request<'_>,
        denial: Error,
    ) -> Error {
        if !self
            .ledger
            .may_explain_denial(call.caller.account(), call.now)
        {
            return denial;
        }
        match self.why(call.caller.rights(), request).await {
            Ok(why) => denial.decided_by(why),
            // It was decided, whether or not it can be explained now.
            Err(_) => denial,
        }
    }

    /// Decides for a caller; what has no policies and isn't root is denied.
    pub(in crate::service) async fn decide(
        &self,
        subject: Subject<'_>,
        request: &Request<'_>,
    ) -> Result<Ruling> {
        self.decide_in(Circumstances::Present, subject, request)
            .await
    }

    /// As [`Self::decide`], in these circumstances.
    pub(in crate::service) async fn decide_in(
        &self,
        circumstances: Circumstances,
        subject: Subject<'_>,
        request: &Request<'_>,
    ) -> Result<Ruling> {
        let weigh = |sources: Sources<'_>, request: &Request<'_>| {
            let decide = |documents| policy::decide_in(circumstances, documents, request);
            let own = sources.identity.map(Documents::from).map(decide);
            let own = own.unwrap_or_else(Decision::of_root);
            let session = sources.session.map(Documents::from).map(decide);
            let (decision, by) = policy::weigh(own, sources.resource, session);
            Ruling {
                outcome: decision.outcome,
                by,
            }
        };
        let without = (Ruling::of_own(Outcome::Allowed), Ruling::UNALLOWED);
        self.weigh(circumstances, subject, request, without, weigh)
            .await
    }

    /// Returns the first of the requests that the principal's own policies don't allow in every
    /// circumstance, and how it was decided; of the root's there is none. It isn't for sessions,
    /// which are narrower than this.
    pub(in crate::service) async fn first_withheld<'r>(
        &self,
        principal: &Principal,
        mut requests: impl Iterator<Item = Request<'r>>,
    ) -> Result<Option<(Request<'r>, Outcome)>> {
        let Holder::Policies(rights) = self.holder(principal).await? else {
            return Ok(None);
        };
        Ok(requests.find_map(|request| {
            match policy::decide_unconditionally(&*rights, &request).outcome {
                Outcome::Allowed => None,
                outcome => Some((request, outcome)),
            }
        }))
    }

    pub(in crate::service) async fn holder(&self, principal: &Principal) -> Result<Holder> {
        Ok(match principal {
            Principal::Root(_) | Principal::FederatedSession(_, None, _) => Holder::Root,
            Principal::User(account, user)
            | Principal::FederatedSession(account, Some(user), _) => Holder::Policies(
                self.memory
                    .cache
                    .rights_of_user(&self.base.store, *account, *user)
                    .await?,
            ),
            Principal::RoleSession(account, role, _) => Holder::Policies(
                self.memory
                    .cache
                    .rights_of_role(&self.base.store, *account, *role)
                    .await?,
            ),
        })
    }
}

/// Returns what a service account needs for a permission; for most, nothing that it can be given
/// suffices.
pub(in crate::service) fn account_action(permission: Permission) -> Option<AccountAction> {
    match permission {
        Permission::Pull => Some(AccountAction::Pull),
        Permission::Push => Some(AccountAction::Push),
        _ => None,
    }
}

/// Says why the permissions of a service account that may log in allow something, or don't.
pub(in crate::service) fn why_of_account(
    account: &ServiceAccount,
    permission: Permission,
    path: &str,
) -> String {
    let Some(needed) = account_action(permission) else {
        return "a service account may pull and push, and nothing else".to_owned();
    };
    let Some((namespace, _)) = path.split_once('/') else {
        return "a service account's permissions are for repositories in namespaces, such as \
                team/app"
            .to_owned();
    };
    let action = permission.name(Language::Cam);
    if account.may(needed, path) {
        format!("allowed by its permissions in namespace {namespace}, which have {action}")
    } else if account.permissions.contains_key(namespace) {
        format!("its permissions in namespace {namespace} lack {action}")
    } else {
        format!("it has no permissions in namespace {namespace}")
    }
}

/// Lays tags out as conditions ask for them.
pub(in crate::service) fn pairs(tags: &[Tag]) -> Vec<(&str, &str)> {
    tags.iter()
        .map(|tag| (tag.key.as_str(), tag.value.as_str()))
        .collect()
}

/// Says that the caller may not do this.
pub(in crate::service) fn denied(caller: &Caller, request: &Request<'_>, ruling: Ruling) -> Error {
    if let Some(administrator) = caller.administrator() {
        return operators::denied(administrator, request);
    }
    let denial = denial(caller, request, ruling);
    Error::new(
        ErrorKind::AccessDenied(Box::new(denial)),
        "The caller may not do this; `transire policy explain` says why.",
    )
}

/// Says that a rule of this service's own forbids it, whatever policies say; `rule` tells it, and
/// how to go on.
pub(in crate::service) fn forbidden(
    caller: &Caller,
    request: &Request<'_>,
    ruling: Ruling,
    rule: &'static str,
) -> Error {
    let denial = Denial {
        rule: Some(rule),
        ..denial(caller, request, ruling)
    };
    Error::new(ErrorKind::AccessDenied(Box::new(denial)), rule)
}

/// Says what was denied to whom, in the words of each language.
pub(in crate::service) fn denial(caller: &Caller, request: &Request<'_>, ruling: Ruling) -> Denial {
    let named = |language| {
        (
            request.permission.name(language).to_owned(),
            request.resource_name(language),
        )
    };
    Denial {
        cam: named(Language::Cam),
        ram: named(Language::Ram),
        iam: named(Language::Iam),
        principal: caller.principal().cloned(),
        explicit: ruling.outcome == Outcome::DeniedExplicitly,
        by: ruling.by,
        rule: None,
    }
}
