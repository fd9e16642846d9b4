//! Where a list looks: in a whole instance, or within a namespace or a repository that is recorded.

use std::sync::Arc;

use crate::domain::instance::Instance;
use crate::domain::{Error, Noun, Result};
use crate::policy::{Permission, Resource};
use crate::service::call::Call;
use crate::service::registry::Registry;
use crate::service::rights::instances::InstanceChoice;
use crate::store::repository;

/// Where a list looks.
#[derive(Clone, Copy, Debug)]
pub enum Within<'a> {
    /// In the whole instance.
    Instance,
    /// Within the namespace of this name.
    Namespace(&'a str),
    /// Within a repository.
    Repository {
        /// The name of its namespace.
        namespace: &'a str,
        /// Its name there.
        name: &'a str,
    },
}

impl Registry {
    /// Returns the caller's own instance, if the caller may do this there, and the namespace or
    /// repository is recorded.
    ///
    /// # Errors
    /// `InstanceNotFound`, `AccessDenied`, and `NotFound` for a caller who may know which
    /// namespaces and repositories there are.
    pub async fn instance_with(
        &self,
        call: &Call<'_>,
        choice: &InstanceChoice,
        within: Within<'_>,
        permission: Permission,
    ) -> Result<Arc<Instance>> {
        let instance = self.rights.own_instance(call, choice).await?;
        let reference = (&*instance).into();
        match within {
            Within::Instance => {
                self.rights
                    .authorize(call, permission, Resource::Instance(reference))
                    .await?
            }
            Within::Namespace(name) => {
                self.rights
                    .authorize(
                        call,
                        permission,
                        Resource::Namespace {
                            instance: reference,
                            name,
                        },
                    )
                    .await?;
                self.stored_namespace(&instance, name).await?;
            }
            Within::Repository { namespace, name } => {
                let path = format!("{namespace}/{name}");
                self.rights
                    .authorize(
                        call,
                        permission,
                        Resource::Repository {
                            instance: reference,
                            path: &path,
                        },
                    )
                    .await?;
                let found =
                    repository::find(&self.base.store, &instance.id, namespace, name).await?;
                found.ok_or_else(|| Error::not_found(Noun::Repository, path))?;
            }
        }
        Ok(instance)
    }
}
