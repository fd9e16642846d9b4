//! The policies of a decision, gathered: a caller's own, the resource's and the session's.

use std::sync::Arc;

use crate::domain::Result;
use crate::domain::aws;
use crate::domain::principal::{Principal, PrincipalName};
use crate::domain::tag::Tag;
use crate::policy::{
    Circumstances, Context, Document, Language, NamedDocument, PolicySet, RepositoryPolicy,
    Request, Resource, ResourceSide,
};
use crate::service::access::caller::{Identified, Subject};
use crate::service::memory::reads;
use crate::service::rights::{Rights, operators, pairs, repository_policies};

/// All that policies say of a caller.
pub(super) struct Sources<'a> {
    /// Those of its own; none of a root, which may do everything.
    pub(super) identity: Option<&'a PolicySet>,
    /// Those of its session, if it has some.
    pub(super) session: Option<&'a [NamedDocument<'a>]>,
    /// The part of the repository's.
    pub(super) resource: ResourceSide<'a>,
}

impl Rights {
    /// Gathers what policies say of a caller, and lets `weigh` judge by them. Some may do
    /// everything, or nothing, whatever policies say.
    pub(super) async fn weigh<T>(
        &self,
        circumstances: Circumstances,
        subject: Subject<'_>,
        request: &Request<'_>,
        (everything, nothing): (T, T),
        weigh: impl FnOnce(Sources<'_>, &Request<'_>) -> T,
    ) -> Result<T> {
        let (repository, is_own) = match subject {
            Subject::Principal(identified) => (
                Box::pin(self.repository_policy(&request.resource)).await?,
                !repository_policies::is_of_another(
                    identified.principal.account(),
                    &request.resource,
                ),
            ),
            Subject::Administrator(_) | Subject::ServiceAccount(_) | Subject::Nobody => {
                (None, true)
            }
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
            }) if is_own && repository.is_none() => Ok(everything),
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
        let tags = self.tags_of(&request.resource, asks_iam).await?;
        let (tags, own_tags) = (pairs(&tags.0), tags.1.as_deref().map(|tags| pairs(tags)));
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
            repository_tags: own_tags.as_deref(),
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
            resource: repository_policies::side(circumstances, repository, who, request),
        };
        Ok(weigh(sources, request))
    }

    /// Returns the tags of the instance that a resource is or is in, and where documents of IAM are
    /// asked, those of the repository that it is.
    pub(super) async fn tags_of(
        &self,
        resource: &Resource<'_>,
        asks_iam: bool,
    ) -> Result<(Arc<Vec<Tag>>, Option<Arc<Vec<Tag>>>)> {
        let (cache, store) = (&self.memory.cache, &self.base.store);
        let of_instance = match resource.instance() {
            Some(instance) => cache.tags(store, instance.id).await?,
            None => Arc::default(),
        };
        let own = if asks_iam {
            self.repository_tags(resource).await?
        } else {
            None
        };
        Ok((of_instance, own))
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
