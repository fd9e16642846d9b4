//! The scope of a list: a whole instance, or a namespace or a repository that is recorded.

use std::sync::Arc;

use crate::domain::instance::Instance;
use crate::domain::{Error, Noun, Result};
use crate::policy::{Permission, Resource};
use crate::service::call::Call;
use crate::service::registry::Registry;
use crate::service::rights::instances::InstanceChoice;
use crate::store::repository;

/// The scope of a list.
#[derive(Clone, Copy, Debug)]
pub enum Within<'a> {
    /// The whole instance.
    Instance,
    /// The namespace of this name.
    Namespace(&'a str),
    /// A repository.
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
    /// `InstanceNotFound`; `AccessDenied` when policies don't allow it; then `NotFound` for an
    /// unknown namespace or repository; those of the store.
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
