//! The place that a call is about: an instance, and a part of it.

use crate::domain::Result;
use crate::http::tencent::parameters::Parameters;
use crate::service::{InstanceChoice, RepositoryChoice, Within};

/// Takes the id of the instance that is meant.
///
/// # Errors
///
/// `MissingParameter` and `WrongType`.
pub(super) fn registry_id(parameters: &mut Parameters) -> Result<String> {
    parameters.required_text("RegistryId")
}

/// Returns the instance of an id.
///
/// # Errors
///
/// `InstanceNotFound` for a malformed id: it can't name an instance, and is answered as one that
/// isn't there.
pub(super) fn instance(registry_id: &str) -> Result<InstanceChoice> {
    Ok(InstanceChoice::Tcr(registry_id.parse()?))
}

/// Takes the two names of a repository.
///
/// # Errors
///
/// `MissingParameter` and `WrongType`.
pub(super) fn repository(parameters: &mut Parameters) -> Result<RepositoryChoice> {
    let namespace = parameters.required_text("NamespaceName")?;
    let name = parameters.required_text("RepositoryName")?;
    Ok(RepositoryChoice::Named { namespace, name })
}

/// Returns where a list looks; an empty name counts as absent.
pub(super) fn within(namespace: Option<&str>) -> Within<'_> {
    namespace
        .filter(|name| !name.is_empty())
        .map_or(Within::Instance, Within::Namespace)
}
