//! The part of repositories' policies in decisions: beside a principal's own in its account, and
//! against all others by what they deny.

use std::sync::Arc;

use crate::domain::Result;
use crate::domain::name;
use crate::domain::principal::{Principal, PrincipalName};
use crate::policy::{
    Asker, Assumer, Circumstances, Context, Decision, Outcome, Permission, RepositoryPolicy,
    Request, Resource, decide_repository_policy,
};
use crate::service::memory::reads;
use crate::service::rights::{Rights, Subject, pairs};

impl Rights {
    /// Returns the policy of a repository that a request is about; nothing where there is none.
    pub(super) async fn repository_policy(
        &self,
        resource: &Resource<'_>,
    ) -> Result<Option<Arc<RepositoryPolicy>>> {
        let Resource::Repository { instance, path } = resource else {
            return Ok(None);
        };
        let Some((namespace, rest)) = path.split_once('/') else {
            return Ok(None);
        };
        let (cache, store) = (&self.memory.cache, &self.base.store);
        let namespaces = cache.namespaces(store, instance.id).await?;
        // Nothing else can be recorded, and what strangers make up must not fill the memory.
        if !namespaces.0.contains_key(namespace)
            || name::check_imported_repository("name", rest).is_err()
        {
            return Ok(None);
        }
        let known = cache
            .repository(store, instance.id, namespace, rest)
            .await?;
        if !known.0.is_some_and(|known| known.has_policy) {
            return Ok(None);
        }
        let policy = cache
            .repository_policy(store, instance.id, namespace, rest)
            .await?;
        if policy.as_ref().is_some_and(|policy| policy.asks_for_time()) {
            reads::note_unmarked();
        }
        Ok(policy)
    }

    /// Returns how the repository's policy denies something to a subject that it can't allow
    /// anything; nothing where it doesn't.
    pub(in crate::service) async fn barred(
        &self,
        circumstances: Circumstances,
        subject: Subject<'_>,
        request: &Request<'_>,
    ) -> Result<Option<String>> {
        let asker = match subject {
            Subject::Administrator(_) => return Ok(None),
            Subject::ServiceAccount(_) => Asker::ServiceAccount(request.resource.account()),
            Subject::Principal(_) | Subject::Nobody => Asker::Nobody,
        };
        let Some(policy) = Box::pin(self.repository_policy(&request.resource)).await? else {
            return Ok(None);
        };
        let tags = self.tags_of(&request.resource).await?;
        let tags = pairs(&tags);
        let request = Request {
            context: Context {
                region: request.resource.region(),
                resource_account: Some(request.resource.account()),
                resource_tags: &tags,
                ..request.context.clone()
            },
            ..request.clone()
        };
        let decision = decide_repository_policy(circumstances, &policy, &asker, &request);
        Ok(why(&decision).filter(|_| decision.outcome == Outcome::DeniedExplicitly))
    }
}

/// Decides by a repository's policy for a principal of the repository's account.
///
/// Divergence: the root may always read, set and delete the policy, so that no policy locks its
/// writer out for good.
pub(super) fn decide<'a>(
    circumstances: Circumstances,
    policy: &'a RepositoryPolicy,
    (principal, name): (&Principal, Option<&PrincipalName>),
    request: &Request<'_>,
) -> Option<Decision<'a>> {
    let is_about_policy = matches!(
        request.permission,
        Permission::GetRepositoryPolicy
            | Permission::SetRepositoryPolicy
            | Permission::DeleteRepositoryPolicy
    );
    let is_root = matches!(
        principal,
        Principal::Root(_) | Principal::FederatedSession(_, None, _)
    );
    if is_root && is_about_policy {
        return None;
    }
    let id = principal.numeric_id();
    let account = principal.account();
    let asker = match name {
        Some(PrincipalName::Root(_)) => Asker::Principal(Assumer::Root(account)),
        Some(PrincipalName::User(_, name)) => Asker::Principal(Assumer::User {
            account,
            id: &id,
            name,
        }),
        Some(PrincipalName::Role(_, name)) => Asker::Principal(Assumer::Role {
            account,
            id: &id,
            name,
        }),
        Some(PrincipalName::ServiceAccount(..)) | None => Asker::Nobody,
    };
    let decision = decide_repository_policy(circumstances, policy, &asker, request);
    // Of another account's principals nobody gets this far; if one did, it would get nothing.
    let is_own = account == request.resource.account();
    (is_own || !decision.is_allowed()).then_some(decision)
}

/// Says how a repository's policy decided; nothing where it didn't.
pub(super) fn why(decision: &Decision<'_>) -> Option<String> {
    let statement = decision.statement?;
    Some(match decision.outcome {
        Outcome::Allowed => format!("allowed by {statement}"),
        Outcome::DeniedExplicitly | Outcome::DeniedImplicitly => format!("denied by {statement}"),
    })
}
