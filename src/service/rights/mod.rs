//! Rights: every decision that a use case or a token exchange makes.
//!
//! An account's root may do everything on what the account owns. Anyone else may do what the
//! policies attached to them, and to their groups, allow; a session, what its own policy allows
//! too.

pub(super) mod explain;
mod found;
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

use crate::domain::aws;
use crate::domain::error::Denial;
use crate::domain::principal::{Principal, PrincipalName};
use crate::domain::service_account::{AccountAction, ServiceAccount};
use crate::domain::tag::Tag;
use crate::domain::{Error, ErrorKind, Result};
use crate::policy::{
    self, Circumstances, Context, Decision, Document, Language, NamedDocument, Outcome, Permission,
    PolicySet, RepositoryPolicy, Request, Resource,
};
use crate::service::access::caller::{Caller, Identified, Subject};
use crate::service::base::Base;
use crate::service::call::Call;
use crate::service::ledger::Ledger;
use crate::service::memory::{Memory, reads};

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

/// All that policies say of a caller.
struct Sources<'a> {
    /// Those of its own; none of a root, which may do everything.
    identity: Option<&'a PolicySet>,
    /// Those of its session, if it has some.
    session: Option<&'a [NamedDocument<'a>]>,
    /// The decision of the repository's, if there is one.
    repository: Option<Decision<'a>>,
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
        match self.decide(call.caller.rights(), &request).await? {
            Outcome::Allowed => Ok(()),
            outcome => {
                let denial = denied(call.caller, &request, outcome);
                Err(Box::pin(self.explained(call, &request, denial)).await)
            }
        }
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
    ) -> Result<Outcome> {
        self.decide_in(Circumstances::Present, subject, request)
            .await
    }

    /// As [`Self::decide`], in these circumstances.
    pub(in crate::service) async fn decide_in(
        &self,
        circumstances: Circumstances,
        subject: Subject<'_>,
        request: &Request<'_>,
    ) -> Result<Outcome> {
        let weigh = |sources: Sources<'_>, request: &Request<'_>| {
            let own = match sources.identity {
                Some(identity) => policy::decide_in(circumstances, identity, request),
                None => Decision::of_root(),
            };
            let own = match sources.repository {
                Some(repository) => own.beside(repository),
                None => own,
            };
            policy::narrow(circumstances, own, sources.session, request).outcome
        };
        let without = (Outcome::Allowed, Outcome::DeniedImplicitly);
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

    /// Gathers what policies say of a caller, and lets `weigh` judge by them. Some may do
    /// everything, or nothing, whatever policies say.
    async fn weigh<T>(
        &self,
        circumstances: Circumstances,
        subject: Subject<'_>,
        request: &Request<'_>,
        (everything, nothing): (T, T),
        weigh: impl FnOnce(Sources<'_>, &Request<'_>) -> T,
    ) -> Result<T> {
        let repository = match subject {
            Subject::Principal(_) => Box::pin(self.repository_policy(&request.resource)).await?,
            Subject::Administrator(_) | Subject::ServiceAccount(_) | Subject::Nobody => None,
        };
        match subject {
            Subject::Administrator(administrator) => {
                Ok(if operators::may(administrator, request) {
                    everything
                } else {
                    nothing
                })
            }
            Subject::Principal(Identified {
                principal: Principal::Root(_),
                session_policy: None,
                ..
            }) if repository.is_none() => Ok(everything),
            Subject::ServiceAccount(_) | Subject::Nobody => Ok(nothing),
            // Apart: it is large, and most calls are a root's.
            Subject::Principal(identified) => {
                let of_repository = (circumstances, repository.as_deref());
                Box::pin(self.weigh_policies(identified, of_repository, request, weigh)).await
            }
        }
    }

    async fn weigh_policies<T>(
        &self,
        identified: Identified<'_>,
        (circumstances, repository): (Circumstances, Option<&RepositoryPolicy>),
        request: &Request<'_>,
        weigh: impl FnOnce(Sources<'_>, &Request<'_>) -> T,
    ) -> Result<T> {
        let principal = identified.principal;
        let holder = self.holder(principal).await?;
        let name = self.principal_name(principal).await?;
        let arn = name.as_ref().map(ram_arn);
        let (user, role) = match &name {
            Some(PrincipalName::User(_, name)) => (Some(name.as_str()), None),
            Some(PrincipalName::Role(_, name)) => (None, Some(name.as_str())),
            _ => (None, None),
        };
        let asks_iam = repository.is_some()
            || holder.has_iam()
            || identified
                .session_policy
                .is_some_and(|document| document.language() == Language::Iam);
        let aws = asks_iam.then(|| aws::Caller::of(principal, user.or(role)));
        let tags = self.tags_of(&request.resource).await?;
        let tags: Vec<(&str, &str)> = pairs(&tags);
        let id = principal.numeric_id();
        let account = principal.account().to_string();
        let context = Context {
            user,
            account: Some(&account),
            claims: identified.claims,
            aws: aws.as_ref(),
            region: request.resource.region(),
            resource_account: Some(request.resource.account()),
            principal_arn: arn.as_deref(),
            principal_id: Some(&id),
            resource_tags: &tags,
            ..request.context.clone()
        };
        let request = &Request {
            context,
            ..request.clone()
        };
        let session = session_documents(identified);
        if identified
            .session_policy
            .is_some_and(Document::asks_for_time)
            || holder.asks_for_time()
        {
            reads::note_unmarked();
        }
        let who = (principal, name.as_ref());
        let sources = Sources {
            identity: holder.policies(),
            session: session.as_deref(),
            repository: repository.and_then(|policy| {
                repository_policies::decide(circumstances, policy, who, request)
            }),
        };
        Ok(weigh(sources, request))
    }

    /// Returns the tags of the instance that a resource is or is in; what is in one has none of its
    /// own here.
    async fn tags_of(&self, resource: &Resource<'_>) -> Result<Arc<Vec<Tag>>> {
        match resource.instance() {
            Some(instance) => self.memory.cache.tags(&self.base.store, instance.id).await,
            None => Ok(Arc::default()),
        }
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

/// Returns the policies that narrow a session. A federated session of the root always has one:
/// where it isn't known, nothing is allowed.
fn session_documents(identified: Identified<'_>) -> Option<Vec<NamedDocument<'_>>> {
    let owner = identified.principal.account();
    match (identified.session_policy, identified.principal) {
        (Some(document), _) => Some(vec![NamedDocument {
            name: "session policy",
            owner,
            document,
        }]),
        (None, Principal::FederatedSession(_, None, _)) => Some(Vec::new()),
        (None, _) => None,
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
pub(in crate::service) fn denied(
    caller: &Caller,
    request: &Request<'_>,
    outcome: Outcome,
) -> Error {
    if let Some(administrator) = caller.administrator() {
        return operators::denied(administrator, request);
    }
    let denial = denial(caller, request, outcome);
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
    outcome: Outcome,
    rule: &'static str,
) -> Error {
    let denial = Denial {
        rule: Some(rule),
        ..denial(caller, request, outcome)
    };
    Error::new(ErrorKind::AccessDenied(Box::new(denial)), rule)
}

/// Returns how RAM names a principal; a session goes by its role.
fn ram_arn(principal: &PrincipalName) -> String {
    match principal {
        PrincipalName::Root(account) => format!("acs:ram::{account}:root"),
        PrincipalName::User(account, name) => format!("acs:ram::{account}:user/{name}"),
        PrincipalName::Role(account, name) => format!("acs:ram::{account}:role/{name}"),
        // RAM knows none, and no policy is asked about one.
        PrincipalName::ServiceAccount(account, instance, name) => {
            format!("acs:ram::{account}:service-account/{instance}/{name}")
        }
    }
}

/// Says what was denied to whom, in the words of each language.
pub(in crate::service) fn denial(
    caller: &Caller,
    request: &Request<'_>,
    outcome: Outcome,
) -> Denial {
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
        explicit: outcome == Outcome::DeniedExplicitly,
        rule: None,
    }
}
