//! The place that a call is about: an instance, and a repository in it.

use crate::domain::{Error, Result};
use crate::http::alibaba::parameters::{given, required};
use crate::service::{InstanceChoice, RepositoryChoice};
use crate::sign::Parameters;

/// There are no resource groups here.
pub(super) const NO_RESOURCE_GROUP: &str = "";

/// Returns the id of the instance that is meant.
///
/// # Errors
///
/// `MissingParameter`.
pub(super) fn instance_id(parameters: &Parameters) -> Result<&str> {
    required(parameters, "InstanceId")
}

/// Returns the instance of an id.
///
/// # Errors
///
/// `InstanceNotFound` for a malformed id: it can't name an instance, and is answered as one that
/// isn't there.
pub(super) fn instance(id: &str) -> Result<InstanceChoice> {
    Ok(InstanceChoice::Cri(id.parse()?))
}

/// Returns the instance that is meant.
///
/// # Errors
///
/// Those of [`instance_id`] and [`instance`].
pub(super) fn required_instance(parameters: &Parameters) -> Result<InstanceChoice> {
    instance(instance_id(parameters)?)
}

/// Returns the repository that is meant: `RepoId` comes before the two names.
///
/// # Errors
///
/// `MissingParameter`, and `NotFound` for a malformed id: it can't name a repository, and is
/// answered as one that isn't there.
pub(super) fn repository(parameters: &Parameters) -> Result<RepositoryChoice> {
    if let Some(id) = given(parameters, "RepoId") {
        return Ok(RepositoryChoice::WithId(id.parse()?));
    }
    match (
        given(parameters, "RepoNamespaceName"),
        given(parameters, "RepoName"),
    ) {
        (Some(namespace), Some(name)) => Ok(RepositoryChoice::Named {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        }),
        (None, Some(_)) => Err(Error::missing_parameter("RepoNamespaceName")),
        (Some(_), None) => Err(Error::missing_parameter("RepoName")),
        (None, None) => Err(Error::missing_parameter("RepoId")),
    }
}
