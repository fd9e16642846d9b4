//! The questions of operators about rights, as values that can be read and written.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::domain::any_principal::AnyPrincipal;
use crate::domain::clock::Timestamp;
use crate::domain::credential::CredentialId;
use crate::domain::instance::Instance;
use crate::policy::{Permission, Resource};
use crate::service::rights::instances::InstanceChoice;

/// A question of the operator's: may a principal do something?
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Question {
    /// The permission.
    pub permission: Permission,
    /// The instance.
    pub instance: InstanceChoice,
    /// The repository; empty where the instance itself is meant.
    #[serde(default)]
    pub path: String,
    /// The address that the client comes from.
    pub address: Option<IpAddr>,
    /// The time; without it, now.
    #[serde(default)]
    pub at: Option<Timestamp>,
    /// The document of the session policy that narrows the principal.
    pub session_policy: Option<String>,
    /// The owner of the credential or the service account that the permission is about.
    pub owner: Option<AnyPrincipal>,
    /// The access key that signs the call, or that signed the one for the credential.
    pub access_key: Option<String>,
    /// The long-term credential that logs in.
    pub credential: Option<CredentialId>,
}

impl Question {
    /// Asks about a permission on an instance, or on a repository of it.
    pub fn new(permission: Permission, instance: InstanceChoice, path: &str) -> Self {
        Self {
            permission,
            instance,
            path: path.to_owned(),
            address: None,
            at: None,
            session_policy: None,
            owner: None,
            access_key: None,
            credential: None,
        }
    }

    /// Tells whether the registry's clients do this, and not callers of an API.
    pub(in crate::service) fn is_about_registry(&self) -> bool {
        is_of_registry(self.permission)
    }
}

/// Tells whether the clients of a registry ask for a permission, and not callers of an API.
pub(in crate::service) fn is_of_registry(permission: Permission) -> bool {
    matches!(
        permission,
        Permission::Pull | Permission::Push | Permission::Delete | Permission::ListCatalog
    )
}

/// Returns the thing that a question is about: the instance, or a namespace or a repository of it.
pub(in crate::service) fn resource<'a>(
    question: &'a Question,
    instance: &'a Instance,
) -> Resource<'a> {
    let (instance, path) = (instance.into(), question.path.as_str());
    if path.is_empty() {
        Resource::Instance(instance)
    } else if path.contains('/') || question.is_about_registry() {
        Resource::Repository { instance, path }
    } else {
        Resource::Namespace {
            instance,
            name: path,
        }
    }
}

/// Whom a question is about.
pub(in crate::service) enum Who {
    /// A principal.
    Principal(AnyPrincipal),
    /// A registry client that didn't log in.
    Nobody,
}
