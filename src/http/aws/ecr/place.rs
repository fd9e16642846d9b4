//! The place that a call is about: the account's default instance, and a repository in it.

use std::sync::Arc;

use crate::domain::aws;
use crate::domain::instance::Instance;
use crate::domain::name::is_repository_path;
use crate::domain::{Error, ErrorKind, Noun, Result};
use crate::http::aws::Authenticated;
use crate::service::{Call, InstanceChoice, Permission, RepositoryChoice, Within};

/// The most of a repository's name that an error repeats.
const MAX_SHOWN: usize = 256;
const MALFORMED_NAME: &str = "Invalid parameter at 'repositoryName' failed to satisfy constraint: \
                              'must satisfy regular expression \
                              '[a-z0-9]+((\\.|_|__|-+)[a-z0-9]+)*(\\/[a-z0-9]+((\\.|_|__|-+)\
                              [a-z0-9]+)*)*''";

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
        arn_in(self.region, &self.registry_id(), path)
    }

    /// Returns the registry's id, which is the account's.
    pub(super) fn registry_id(&self) -> String {
        aws::account(self.instance.account)
    }
}

fn arn_in(region: &str, registry: &str, path: &str) -> String {
    format!("arn:aws:ecr:{region}:{registry}:repository/{path}")
}

/// Returns the ARN of a repository of the caller's account, in the region that the call is signed
/// for.
pub(super) fn arn_of(call: &Authenticated<'_>, path: &str) -> Option<String> {
    let registry = aws::account(call.call.caller.account()?);
    Some(arn_in(call.region, &registry, path))
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
/// `MissingParameter`; `InvalidParameter` for a name that no registry takes, or one without a
/// namespace.
pub(super) fn repository(path: Option<&str>) -> Result<(&str, &str)> {
    let path = path.ok_or_else(|| Error::missing_parameter("repositoryName"))?;
    if !is_repository_path(path) {
        return Err(Error::invalid_parameter("repositoryName", MALFORMED_NAME));
    }
    path.split_once('/').ok_or_else(|| {
        Error::invalid_parameter(
            "repositoryName",
            "A repository's name is NAMESPACE/NAME here, such as team/app.",
        )
    })
}

/// Returns the id of the caller's registry.
pub(super) fn registry_id(call: &Call<'_>) -> String {
    call.caller.account().map(aws::account).unwrap_or_default()
}

/// A repository that a call names by `registryId` and `repositoryName`.
pub(super) struct Target<'a> {
    pub(super) path: &'a str,
    pub(super) choice: RepositoryChoice,
    pub(super) registry_id: String,
}

impl<'a> Target<'a> {
    /// Reads which repository a call is about.
    ///
    /// # Errors
    ///
    /// Those of [`check_registry`] and [`repository`].
    pub(super) fn of(
        call: &Authenticated<'_>,
        registry: Option<&str>,
        path: Option<&'a str>,
    ) -> Result<Self> {
        check_registry(call.call, registry)?;
        let (namespace, name) = repository(path)?;
        Ok(Self {
            path: path.unwrap_or_default(),
            choice: choice(namespace, name),
            registry_id: registry_id(call.call),
        })
    }
}

/// Writes an error about a repository as AWS does. A repository whose namespace isn't there isn't
/// either.
pub(super) fn worded(call: &Call<'_>, path: &str, error: Error) -> Error {
    let registry = registry_id(call);
    let shown = &path[..path.floor_char_boundary(MAX_SHOWN)];
    let text = match error.kind() {
        ErrorKind::NotFound {
            noun: Noun::Repository | Noun::Namespace,
        } => format!(
            "The repository with name '{shown}' does not exist in the registry with id '{registry}'"
        ),
        ErrorKind::NotFound {
            noun: Noun::LifecyclePolicy,
        } => format!(
            "Lifecycle policy does not exist for the repository with name '{shown}' in the \
             registry with id '{registry}'"
        ),
        ErrorKind::NotFound {
            noun: Noun::RepositoryPolicy,
        } => format!(
            "Repository policy does not exist for the repository with name '{shown}' in the \
             registry with id '{registry}'"
        ),
        ErrorKind::AlreadyExists {
            noun: Noun::Repository,
        } => format!(
            "The repository with name '{shown}' already exists in the registry with id \
             '{registry}'"
        ),
        ErrorKind::PreconditionFailed {
            noun: Noun::Repository,
        } => format!(
            "The repository with name '{shown}' in registry with id '{registry}' cannot be deleted \
             because it still contains images"
        ),
        _ => return error,
    };
    let kind = match error.kind() {
        ErrorKind::NotFound {
            noun: Noun::Namespace,
        } => ErrorKind::NotFound {
            noun: Noun::Repository,
        },
        kind => kind.clone(),
    };
    Error::new(kind, text)
}

/// Chooses a repository.
pub(super) fn choice(namespace: &str, name: &str) -> RepositoryChoice {
    RepositoryChoice::Named {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
    }
}
