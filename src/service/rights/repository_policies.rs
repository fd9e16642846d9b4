//! The part of repositories' policies in decisions: beside a principal's own in its account, and
//! against all others by what they deny.

use std::sync::Arc;

use crate::domain::Result;
use crate::domain::ids::{AccountId, InstanceId};
use crate::domain::name as names;
use crate::domain::principal::{Principal, PrincipalName};
use crate::domain::tag::Tag;
use crate::policy::{
    Asker, Assumer, Circumstances, Context, Decision, Outcome, Permission, RepositoryPolicy,
    Request, Resource, ResourceSide, decide_repository_policy,
};
use crate::service::memory::reads;
use crate::service::rights::{Rights, Subject, pairs};
use crate::store::repository_policy::Known;

/// A repository that has a record.
struct Recorded<'a> {
    instance: &'a InstanceId,
    namespace: &'a str,
    name: &'a str,
    known: Known,
}

impl Rights {
    /// Returns the policy of a repository that a request is about; nothing where there is none.
    pub(super) async fn repository_policy(
        &self,
        resource: &Resource<'_>,
    ) -> Result<Option<Arc<RepositoryPolicy>>> {
        let Some(recorded) = self.recorded(resource).await? else {
            return Ok(None);
        };
        if !recorded.known.has_policy {
            return Ok(None);
        }
        let Recorded {
            instance,
            namespace,
            name,
            ..
        } = recorded;
        let (cache, store) = (&self.memory.cache, &self.base.store);
        let policy = cache
            .repository_policy(store, instance, namespace, name)
            .await?;
        if policy.as_ref().is_some_and(|policy| policy.asks_for_time()) {
            reads::note_unmarked();
        }
        Ok(policy)
    }

    /// Returns the tags of a repository that a request is about, for the documents of IAM; nothing
    /// where it is about none.
    pub(super) async fn repository_tags(
        &self,
        resource: &Resource<'_>,
    ) -> Result<Option<Arc<Vec<Tag>>>> {
        if !matches!(resource, Resource::Repository { .. }) {
            return Ok(None);
        }
        Ok(Some(match self.recorded(resource).await? {
            Some(Recorded {
                instance,
                namespace,
                name,
                known,
            }) if known.has_tags => {
                let (cache, store) = (&self.memory.cache, &self.base.store);
                cache
                    .repository_tags(store, instance, namespace, name)
                    .await?
            }
            _ => Arc::default(),
        }))
    }

    /// Returns what is known of the record of a repository that a request is about.
    async fn recorded<'a>(&self, resource: &Resource<'a>) -> Result<Option<Recorded<'a>>> {
        let Resource::Repository { instance, path } = resource else {
            return Ok(None);
        };
        let Some((namespace, name)) = path.split_once('/') else {
            return Ok(None);
        };
        let (cache, store) = (&self.memory.cache, &self.base.store);
        let namespaces = cache.namespaces(store, instance.id).await?;
        if !namespaces.0.contains_key(namespace) {
            return Ok(None);
        }
        let known = self.known(instance.id, namespace, name).await?;
        Ok(known.map(|known| Recorded {
            instance: instance.id,
            namespace,
            name,
            known,
        }))
    }

    /// Returns what is known of a repository of a namespace that is recorded; nothing if the
    /// repository isn't.
    pub(super) async fn known(
        &self,
        instance: &InstanceId,
        namespace: &str,
        name: &str,
    ) -> Result<Option<Known>> {
        // Nothing else can be recorded, and what strangers make up must not fill the memory.
        if names::check_imported_repository("name", name).is_err() {
            return Ok(None);
        }
        let (cache, store) = (&self.memory.cache, &self.base.store);
        let found = cache.repository(store, instance, namespace, name).await?;
        Ok(found.0)
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
            // A principal's own decision has the repository's in it.
            Subject::Administrator(_) | Subject::Principal(_) => return Ok(None),
            Subject::ServiceAccount(_) => Asker::ServiceAccount(request.resource.account()),
            Subject::Nobody => Asker::Nobody,
        };
        let Some(policy) = Box::pin(self.repository_policy(&request.resource)).await? else {
            return Ok(None);
        };
        let tags = self.tags_of(&request.resource, true).await?;
        let (tags, own_tags) = (pairs(&tags.0), tags.1.as_deref().map(|tags| pairs(tags)));
        let request = Request {
            context: Context {
                region: request.resource.region(),
                resource_account: Some(request.resource.account()),
                resource_tags: &tags,
                repository_tags: own_tags.as_deref(),
                ..request.context.clone()
            },
            ..request.clone()
        };
        let decision = decide_repository_policy(circumstances, &policy, &asker, &request);
        Ok(why(&decision).filter(|_| decision.outcome == Outcome::DeniedExplicitly))
    }
}

/// Tells whether a resource is another account's instance, or is in one. Roles have trust policies
/// instead.
pub(super) fn is_of_another(account: AccountId, resource: &Resource<'_>) -> bool {
    resource.instance().is_some() && resource.account() != account
}

/// Returns the part of the repository's policy in a decision about a principal.
///
/// A principal of another account may do what both its own policies and the repository's allow.
/// Nothing else of an instance is another account's to use. A log-in needs its own policies alone:
/// it grants nothing yet.
///
/// Divergence: the root may always read, set and delete the policy, so that no policy locks its
/// writer out for good.
pub(super) fn side<'a>(
    circumstances: Circumstances,
    policy: Option<&'a RepositoryPolicy>,
    (principal, name): (&Principal, Option<&PrincipalName>),
    request: &Request<'_>,
) -> ResourceSide<'a> {
    let account = principal.account();
    let is_own = !is_of_another(account, &request.resource);
    let Some(policy) = policy else {
        return if is_own || request.permission == Permission::IssueTemporary {
            ResourceSide::Unasked
        } else {
            ResourceSide::Needed(Decision::of_none())
        };
    };
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
    if is_own && is_root && is_about_policy {
        return ResourceSide::Unasked;
    }
    let id = principal.numeric_id();
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
    if is_own {
        ResourceSide::Beside(decision)
    } else {
        ResourceSide::Needed(decision)
    }
}

/// Says how a repository's policy decided; nothing where it didn't.
pub(super) fn why(decision: &Decision<'_>) -> Option<String> {
    let statement = decision.statement?;
    Some(match decision.outcome {
        Outcome::Allowed => format!("allowed by {statement}"),
        Outcome::DeniedExplicitly | Outcome::DeniedImplicitly => format!("denied by {statement}"),
    })
}
