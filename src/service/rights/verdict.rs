//! The decision about what a registry client asks for; the token exchange and all explanations go
//! by it.

use std::collections::BTreeSet;

use crate::domain::instance::{Instance, UnrecordedNamespaces};
use crate::domain::namespace::Visibility;
use crate::domain::scope::{Action, ResourceType, Scope};
use crate::domain::service_account::ServiceAccount;
use crate::domain::{Result, name};
use crate::policy::{Circumstances, Outcome, Permission, Request, Resource};
use crate::service::call::Call;
use crate::service::rights::{Rights, Subject, account_action};

/// The record that is missing, so that nobody may push there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::service) enum Unrecorded {
    /// The namespace, at an instance that is closed to pushes to such ones.
    Namespace,
    /// The repository, in a namespace whose `AutoCreateRepo` is off.
    Repository,
}

/// The outcome of asking to do something in a registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::service) enum Verdict {
    /// Rights of one's own allow it.
    Allowed,
    /// They don't, and everybody may.
    Public,
    /// They don't.
    Denied,
    /// They do, and nobody may.
    Unrecorded(Unrecorded),
    /// No registry can have a repository of this name, so nobody may.
    Impossible,
}

impl Verdict {
    /// Tells whether a token allows it.
    pub(in crate::service) fn grants(self) -> bool {
        match self {
            Self::Allowed | Self::Public => true,
            Self::Denied | Self::Unrecorded(_) | Self::Impossible => false,
        }
    }
}

impl Rights {
    /// Returns what is asked of policies when a token is to allow an action.
    pub(in crate::service) fn request_for<'a>(
        &self,
        call: &Call<'_>,
        action: Action,
        asked: &'a Scope,
        instance: &'a Instance,
    ) -> Request<'a> {
        let resource = match asked.resource_type {
            ResourceType::Repository if !asked.name.is_empty() => Resource::Repository {
                instance: instance.into(),
                path: &asked.name,
            },
            _ => Resource::Instance(instance.into()),
        };
        Request {
            permission: permission(action, asked),
            resource,
            context: call.policy_context(),
        }
    }

    /// Decides what a registry client may do: everybody by rights of their own; what is public is
    /// everyone's unless a policy denies it; a push is only to where records let anyone push; and
    /// nothing to what no registry can have.
    ///
    /// The token exchange goes by it, and so do all who say why.
    pub(in crate::service) async fn verdict(
        &self,
        subject: Subject<'_>,
        instance: &Instance,
        request: &Request<'_>,
    ) -> Result<Verdict> {
        self.verdict_in(Circumstances::Present, subject, instance, request)
            .await
    }

    /// As [`Self::verdict`], in these circumstances.
    pub(in crate::service) async fn verdict_in(
        &self,
        circumstances: Circumstances,
        subject: Subject<'_>,
        instance: &Instance,
        request: &Request<'_>,
    ) -> Result<Verdict> {
        // A policy about `secret/*` says nothing of `team/../secret/app`, and a registry might take
        // the one for the other.
        if let Resource::Repository { path, .. } = request.resource
            && !name::is_repository_path(path)
        {
            return Ok(Verdict::Impossible);
        }
        let decided = match (subject, &request.resource) {
            (Subject::ServiceAccount(account), Resource::Repository { path, .. }) => {
                decide_account(account, request.permission, path)
            }
            (Subject::Administrator(_) | Subject::Principal(..), _) => {
                let ruling = self.decide_in(circumstances, subject, request).await?;
                ruling.outcome
            }
            (Subject::ServiceAccount(_) | Subject::Nobody, _) => Outcome::DeniedImplicitly,
        };
        let decided = match subject {
            Subject::Principal(_) => decided,
            _ => match Box::pin(self.barred(circumstances, subject, request)).await? {
                Some(_) => Outcome::DeniedExplicitly,
                None => decided,
            },
        };
        Ok(match (decided, request.permission, &request.resource) {
            (Outcome::Allowed, Permission::Push, Resource::Repository { path, .. }) => {
                Box::pin(self.unrecorded(instance, path))
                    .await?
                    .map_or(Verdict::Allowed, Verdict::Unrecorded)
            }
            (Outcome::DeniedImplicitly, Permission::Pull, Resource::Repository { path, .. })
                if Box::pin(self.is_public(instance, path)).await? =>
            {
                Verdict::Public
            }
            (Outcome::Allowed, ..) => Verdict::Allowed,
            (Outcome::DeniedExplicitly | Outcome::DeniedImplicitly, ..) => Verdict::Denied,
        })
    }

    /// Returns what lacks a record before anyone may push to a path. Whether this caller may is for
    /// policies to say.
    ///
    /// In a namespace that is recorded, what is recorded there may be pushed to, and what isn't if
    /// its `AutoCreateRepo` is on. Of a namespace that isn't, the instance says. A namespace is a
    /// path's first part.
    pub(in crate::service) async fn unrecorded(
        &self,
        instance: &Instance,
        path: &str,
    ) -> Result<Option<Unrecorded>> {
        let namespaces = self
            .memory
            .cache
            .namespaces(&self.base.store, &instance.id)
            .await?;
        Ok(
            match path
                .split_once('/')
                .and_then(|(namespace, rest)| Some((namespaces.0.get(namespace)?, namespace, rest)))
            {
                None => (instance.unrecorded_namespaces != UnrecordedNamespaces::Open)
                    .then_some(Unrecorded::Namespace),
                Some((rule, ..)) if rule.auto_create_repository.is_on() => None,
                Some((_, namespace, rest)) => {
                    let recorded = self.known(&instance.id, namespace, rest).await?;
                    recorded.is_none().then_some(Unrecorded::Repository)
                }
            },
        )
    }

    /// Tells whether anyone may pull from a path without logging in: its namespace is public, or
    /// the repository is, or it isn't recorded and would be made public by a push.
    pub(in crate::service) async fn is_public(
        &self,
        instance: &Instance,
        path: &str,
    ) -> Result<bool> {
        let namespaces = self
            .memory
            .cache
            .namespaces(&self.base.store, &instance.id)
            .await?;
        let Some((namespace, rest)) = path.split_once('/').filter(|(_, rest)| !rest.is_empty())
        else {
            return Ok(false);
        };
        let Some(rule) = namespaces.0.get(namespace) else {
            return Ok(false);
        };
        if rule.visibility == Visibility::Public {
            return Ok(true);
        }
        let visibility = match self.known(&instance.id, namespace, rest).await? {
            Some(known) => known.visibility,
            None if rule.auto_create_repository.is_on() => rule.default_visibility,
            None => Visibility::Private,
        };
        Ok(visibility == Visibility::Public)
    }
}

/// Returns the permission that an action on a resource needs.
pub(in crate::service) fn permission(action: Action, asked: &Scope) -> Permission {
    match action {
        // zot asks to pull from a repository without a name where it lists them all.
        Action::All => Permission::ListCatalog,
        Action::Pull if asked.name.is_empty() => Permission::ListCatalog,
        Action::Pull => Permission::Pull,
        Action::Push => Permission::Push,
        Action::Delete => Permission::Delete,
    }
}

/// Decides by the permissions of a service account, which allow and never deny.
pub(in crate::service) fn decide_account(
    account: &ServiceAccount,
    permission: Permission,
    path: &str,
) -> Outcome {
    match account_action(permission) {
        Some(needed) if account.may(needed, path) => Outcome::Allowed,
        _ => Outcome::DeniedImplicitly,
    }
}

/// Returns all that can be done to a resource, in words that registries compare literally: for a
/// repository `*` is written out, because zot knows no `*`.
pub(in crate::service) fn everything(resource_type: &ResourceType, name: &str) -> BTreeSet<Action> {
    match resource_type {
        // A repository without a name is the list of all, which is only read.
        ResourceType::Repository if name.is_empty() => BTreeSet::from([Action::Pull]),
        ResourceType::Repository => BTreeSet::from([Action::Pull, Action::Push, Action::Delete]),
        ResourceType::Registry if name == "catalog" => BTreeSet::from([Action::All]),
        ResourceType::Registry | ResourceType::Other(_) => BTreeSet::new(),
    }
}
