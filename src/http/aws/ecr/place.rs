//! The place that a call is about: the account's default instance, and a repository in it.

use std::sync::Arc;

use crate::domain::aws;
use crate::domain::ids::AccountId;
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

/// The registry that a call is about: an account's default instance.
#[derive(Clone)]
pub(super) struct Registry {
    pub(super) instance: InstanceChoice,
    /// Its id, which is the account's.
    pub(super) id: String,
}

impl Registry {
    /// Returns the caller's own.
    pub(super) fn own(call: &Call<'_>) -> Self {
        Self {
            instance: InstanceChoice::Default,
            id: call.caller.account().map(aws::account).unwrap_or_default(),
        }
    }

    /// Returns the one of this id; without one, the caller's own.
    ///
    /// # Errors
    ///
    /// `InvalidParameter` of `registryId`.
    pub(super) fn named(call: &Call<'_>, id: Option<&str>) -> Result<Self> {
        let Some(id) = id else {
            return Ok(Self::own(call));
        };
        let account = aws::read_account(id).ok_or_else(|| {
            Error::invalid_parameter(
                "registryId",
                "registryId is an account, with 12 digits; leave it out for the caller's own.",
            )
        })?;
        Ok(Self::of(call, account))
    }

    /// Returns the one of an account.
    pub(super) fn of(call: &Call<'_>, account: AccountId) -> Self {
        if call.caller.account() == Some(account) {
            return Self::own(call);
        }
        Self {
            instance: InstanceChoice::DefaultOf(account),
            id: aws::account(account),
        }
    }

    /// Returns the ARN of a repository in it, in the region that the call is signed for.
    pub(super) fn arn(&self, call: &Authenticated<'_>, path: &str) -> String {
        format!("arn:aws:ecr:{}:{}:repository/{path}", call.region, self.id)
    }

    /// Returns the instance, if the caller may do this there.
    ///
    /// # Errors
    ///
    /// Those of `Registry::instance_with`.
    pub(super) async fn instance_with(
        &self,
        call: &Authenticated<'_>,
        within: Within<'_>,
        permission: Permission,
    ) -> Result<Arc<Instance>> {
        let registry = &call.service.registry;
        registry
            .instance_with(call.call, &self.instance, within, permission)
            .await
    }

    /// Writes an error about a repository as AWS does. A repository whose namespace or registry
    /// isn't there isn't either.
    pub(super) fn worded(&self, path: &str, error: Error) -> Error {
        let (registry, shown) = (&self.id, &path[..path.floor_char_boundary(MAX_SHOWN)]);
        let lacks = |what: &str| {
            format!(
                "{what} does not exist for the repository with name '{shown}' in the registry \
                 with id '{registry}'"
            )
        };
        let text = match error.kind() {
            ErrorKind::InstanceNotFound
            | ErrorKind::NotFound {
                noun: Noun::Repository | Noun::Namespace,
            } => format!(
                "The repository with name '{shown}' does not exist in the registry with id \
                 '{registry}'"
            ),
            ErrorKind::NotFound {
                noun: Noun::LifecyclePolicy,
            } => lacks("Lifecycle policy"),
            ErrorKind::NotFound {
                noun: Noun::RepositoryPolicy,
            } => lacks("Repository policy"),
            ErrorKind::AlreadyExists {
                noun: Noun::Repository,
            } => format!(
                "The repository with name '{shown}' already exists in the registry with id \
                 '{registry}'"
            ),
            ErrorKind::PreconditionFailed {
                noun: Noun::Repository,
            } => format!(
                "The repository with name '{shown}' in registry with id '{registry}' cannot be \
                 deleted because it still contains images"
            ),
            _ => return error,
        };
        let kind = match error.kind() {
            ErrorKind::InstanceNotFound
            | ErrorKind::NotFound {
                noun: Noun::Namespace,
            } => ErrorKind::NotFound {
                noun: Noun::Repository,
            },
            kind => kind.clone(),
        };
        Error::new(kind, text)
    }
}

/// Takes a repository's name apart: a namespace, and a name in it.
///
/// # Errors
///
/// `MissingParameter`; `InvalidParameter` for a name that no registry takes, or one without a
/// namespace.
fn repository(path: Option<&str>) -> Result<(&str, &str)> {
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

/// A repository that a call names.
pub(super) struct Target<'a> {
    pub(super) registry: Registry,
    pub(super) path: &'a str,
    pub(super) choice: RepositoryChoice,
}

impl<'a> Target<'a> {
    /// Reads `registryId` and `repositoryName`.
    ///
    /// # Errors
    ///
    /// Those of [`Registry::named`] and [`repository`].
    pub(super) fn of(
        call: &Authenticated<'_>,
        registry: Option<&str>,
        path: Option<&'a str>,
    ) -> Result<Self> {
        Self::in_registry(Registry::named(call.call, registry)?, path)
    }

    /// Reads a repository's ARN, which must be of the region that the call is signed for.
    ///
    /// # Errors
    ///
    /// `MissingParameter` and `InvalidParameter` of `resourceArn`.
    pub(super) fn of_arn(call: &Authenticated<'_>, arn: Option<&'a str>) -> Result<Self> {
        let arn = arn.ok_or_else(|| Error::missing_parameter("resourceArn"))?;
        let read = || {
            let (before, path) = arn.split_once(":repository/")?;
            let (_, account) = before.rsplit_once(':')?;
            let registry = Registry::of(call.call, aws::read_account(account)?);
            Self::in_registry(registry, Some(path)).ok()
        };
        read()
            .filter(|target| target.registry.arn(call, target.path) == arn)
            .ok_or_else(|| {
                Error::invalid_parameter(
                    "resourceArn",
                    "resourceArn is the repositoryArn of a repository in the region that the \
                     call is signed for.",
                )
            })
    }

    /// Reads a repository of a registry.
    ///
    /// # Errors
    ///
    /// Those of [`repository`].
    pub(super) fn in_registry(registry: Registry, path: Option<&'a str>) -> Result<Self> {
        let (namespace, name) = repository(path)?;
        Ok(Self {
            registry,
            path: path.unwrap_or_default(),
            choice: RepositoryChoice::Named {
                namespace: namespace.to_owned(),
                name: name.to_owned(),
            },
        })
    }

    /// Returns its namespace, and its name there.
    pub(super) fn parts(&self) -> (&'a str, &'a str) {
        self.path.split_once('/').unwrap_or(("", self.path))
    }

    /// Returns the instance, if the caller may do this there.
    ///
    /// # Errors
    ///
    /// Those of `Registry::instance_with`.
    pub(super) async fn instance_with(
        &self,
        call: &Authenticated<'_>,
        permission: Permission,
    ) -> Result<Arc<Instance>> {
        let (namespace, name) = self.parts();
        let within = Within::Repository { namespace, name };
        self.registry.instance_with(call, within, permission).await
    }

    /// Writes an error about it as AWS does.
    pub(super) fn worded(&self, error: Error) -> Error {
        self.registry.worded(self.path, error)
    }
}
