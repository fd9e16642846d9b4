//! The place that a call is about: the account's default instance, and a repository in it.

use std::sync::Arc;

use crate::domain::aws;
use crate::domain::instance::Instance;
use crate::domain::{Error, Result};
use crate::http::aws::Authenticated;
use crate::service::{Call, InstanceChoice, Permission, RepositoryChoice, Within};

/// An instance, as the caller names it: in the region that the call is signed for.
pub(super) struct Place<'a> {
    pub(super) instance: Arc<Instance>,
    region: &'a str,
}

impl<'a> Place<'a> {
    /// Returns the account's default instance, if the caller may do this there.
    ///
    /// # Errors
    ///
    /// Those of `Registry::instance_with`.
    pub(super) async fn of(
        call: &Authenticated<'a>,
        within: Within<'_>,
        permission: Permission,
    ) -> Result<Self> {
        let instance = call
            .service
            .registry
            .instance_with(call.call, &InstanceChoice::Default, within, permission)
            .await?;
        Ok(Self {
            instance,
            region: call.region,
        })
    }

    /// Returns the ARN of a repository.
    pub(super) fn arn(&self, path: &str) -> String {
        let (region, registry) = (self.region, self.registry_id());
        format!("arn:aws:ecr:{region}:{registry}:repository/{path}")
    }

    /// Returns the registry's id, which is the account's.
    pub(super) fn registry_id(&self) -> String {
        aws::account(self.instance.account)
    }
}

/// Checks the registry that a call names, if it names one: an account has one, and no other.
///
/// # Errors
///
/// `InvalidParameter`.
pub(super) fn check_registry(call: &Call<'_>, id: Option<&str>) -> Result<()> {
    match (id, call.caller.account()) {
        (Some(id), own) if aws::read_account(id) != own => Err(Error::invalid_parameter(
            "registryId",
            "registryId is the caller's own account, with 12 digits; leave it out.",
        )),
        _ => Ok(()),
    }
}

/// Takes a repository's name apart: a namespace, and a name in it.
///
/// # Errors
///
/// `MissingParameter`; `InvalidParameter` for a name without a namespace.
pub(super) fn repository(path: Option<&str>) -> Result<(&str, &str)> {
    let path = path.ok_or_else(|| Error::missing_parameter("repositoryName"))?;
    path.split_once('/').ok_or_else(|| {
        Error::invalid_parameter(
            "repositoryName",
            "A repository's name is NAMESPACE/NAME here, such as team/app.",
        )
    })
}

/// Chooses a repository.
pub(super) fn choice(namespace: &str, name: &str) -> RepositoryChoice {
    RepositoryChoice::Named {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
    }
}
