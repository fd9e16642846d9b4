//! Where a list looks: in a whole instance, or within a namespace or a repository that is recorded.

use std::sync::Arc;

use super::{Caller, InstanceChoice, RequestContext, Service};
use crate::domain::instance::Instance;
use crate::domain::{Error, Noun, Result};
use crate::policy::{Permission, Resource};
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

impl Service {
    /// Returns the caller's own instance, if the caller may do this there, and the namespace or repository is recorded.
    ///
    /// # Errors
    /// `InstanceNotFound`, `AccessDenied`, and `NotFound` for a caller who may know which namespaces and repositories there are.
    pub async fn instance_with(
        &self,
        caller: &Caller,
        choice: &InstanceChoice,
        within: Within<'_>,
        permission: Permission,
        context: &RequestContext,
    ) -> Result<Arc<Instance>> {
        let instance = self.own_instance(caller, choice).await?;
        let reference = (&*instance).into();
        match within {
            Within::Instance => self.authorize(caller, permission, Resource::Instance(reference), context).await?,
            Within::Namespace(name) => {
                self.authorize(caller, permission, Resource::Namespace { instance: reference, name }, context).await?;
                self.stored_namespace(&instance, name).await?;
            }
            Within::Repository { namespace, name } => {
                let path = format!("{namespace}/{name}");
                self.authorize(caller, permission, Resource::Repository { instance: reference, path: &path }, context).await?;
                let found = repository::find(&self.store, &instance.id, namespace, name).await?;
                found.ok_or_else(|| Error::not_found(Noun::Repository, path))?;
            }
        }
        Ok(instance)
    }
}
