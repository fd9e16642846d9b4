//! The rights of operators over what the clouds' APIs manage: by role, and by no policy.

use crate::domain::any_principal::AnyPrincipal;
use crate::domain::operator::Administrator;
use crate::domain::operator::OperatorPermission as Operator;
use crate::domain::{Error, Result};
use crate::policy::{Permission as Asks, Request};
use crate::service::call::Call;

/// Tells whether an operator may do what a cloud's API asks of policies.
pub(super) fn may(administrator: &Administrator, request: &Request<'_>) -> bool {
    match (administrator, permission_of(request.permission)) {
        (Administrator::Local { .. }, _) => true,
        (Administrator::Named { .. } | Administrator::SignedOn { .. }, None) => false,
        (Administrator::Named { .. } | Administrator::SignedOn { .. }, Some(permission)) => {
            administrator.may(permission, Some(request.resource.account()))
        }
    }
}

/// Says that an operator may not do this.
pub(super) fn denied(administrator: &Administrator, request: &Request<'_>) -> Error {
    match permission_of(request.permission) {
        Some(permission) => Error::operator_denied(permission, administrator.account()),
        None => Error::unsupported(
            "No operator's token can do this: sign the call with an access key of the account.",
        ),
    }
}

/// Fails unless the caller may be told what policies say of a principal, and of the owner of what
/// the question is about.
pub(super) fn require_explanation(
    call: &Call<'_>,
    principal: &AnyPrincipal,
    owner: Option<&AnyPrincipal>,
) -> Result<()> {
    let mut asked = std::iter::once(principal).chain(owner);
    asked.try_for_each(|one| call.caller.require(Operator::PolicyExplain, one.account()))
}

/// Returns the permission that an operator needs instead. None suffices for a registry's contents,
/// for a temporary credential or for a session: a token of an operator never becomes one of those.
/// Things that are made for others, and stay, have use cases of their own.
fn permission_of(permission: Asks) -> Option<Operator> {
    Some(match permission {
        Asks::ListLongTerm => Operator::CredentialRead,
        Asks::ModifyLongTerm => Operator::CredentialUpdate,
        Asks::DeleteLongTerm => Operator::CredentialDelete,
        Asks::CreateServiceAccount => Operator::ServiceAccountCreate,
        Asks::ListServiceAccounts => Operator::ServiceAccountRead,
        Asks::ModifyServiceAccount => Operator::ServiceAccountUpdate,
        Asks::DeleteServiceAccount => Operator::ServiceAccountDelete,
        Asks::CreateInstance => Operator::InstanceCreate,
        Asks::ListInstances
        | Asks::DescribeInstance
        | Asks::DescribeInstanceStatus
        | Asks::DescribeEndpoint
        | Asks::ListEndpoints
        | Asks::CheckInstance
        | Asks::CheckInstanceName
        | Asks::CountInstances
        | Asks::DescribeUsage
        | Asks::ListRegions
        | Asks::ListInstanceTags
        | Asks::DescribeInternalEndpoint
        | Asks::DescribeInternalDns
        | Asks::DescribeCustomDomain
        | Asks::ListImmutabilityRules
        | Asks::ListRetentionRules
        | Asks::ListReplicas
        | Asks::ListSyncRules
        | Asks::ListWebhooks
        | Asks::ListChains
        | Asks::ListScanRules => Operator::InstanceRead,
        Asks::ModifyInstance | Asks::ManageEndpoint | Asks::TagInstance | Asks::UntagInstance => {
            Operator::InstanceUpdate
        }
        Asks::DeleteInstance => Operator::InstanceDelete,
        Asks::ListAclEntries => Operator::AllowListRead,
        Asks::CreateAclEntry | Asks::ModifyAclEntry | Asks::DeleteAclEntry => {
            Operator::AllowListUpdate
        }
        Asks::CreateNamespace => Operator::NamespaceCreate,
        Asks::ListNamespaces | Asks::DescribeNamespace => Operator::NamespaceRead,
        Asks::ModifyNamespace => Operator::NamespaceUpdate,
        Asks::DeleteNamespace => Operator::NamespaceDelete,
        of_repository => return permission_of_repository(of_repository),
    })
}

/// As [`permission_of`], of what is about a repository or what is in it.
fn permission_of_repository(permission: Asks) -> Option<Operator> {
    Some(match permission {
        Asks::CreateRepository => Operator::RepositoryCreate,
        Asks::ListRepositories
        | Asks::DescribeRepository
        | Asks::GetRepositoryPolicy
        | Asks::GetLifecyclePolicy
        | Asks::ListRepositoryTags => Operator::RepositoryRead,
        Asks::ModifyRepository
        | Asks::PutLifecyclePolicy
        | Asks::DeleteLifecyclePolicy
        | Asks::SetTagMutability
        | Asks::SetScanning
        | Asks::TagRepository
        | Asks::UntagRepository => Operator::RepositoryUpdate,
        Asks::SetRepositoryPolicy | Asks::DeleteRepositoryPolicy => Operator::PolicyAttach,
        Asks::DeleteRepository => Operator::RepositoryDelete,
        Asks::ListTags | Asks::DescribeTag => Operator::ImageRead,
        _ => return None,
    })
}
