//! Images, which the registry behind an instance has. Nothing of them is stored here.
//!
//! The registry is asked with a token of the least scope, which is made here and needs no log-in.
//! The caller's rights are decided before, as for every other use case.

pub(in crate::service) mod batch_deletion;
pub(in crate::service) mod by_digest;
pub(in crate::service) mod client;
mod contents;
mod deletion;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
pub(in crate::service) mod listing;
pub(in crate::service) mod tag_listings;

use std::sync::Arc;

use self::client::{registry_url, within_patience};
use self::listing::Reader;
use crate::domain::image::{Image, ImageDocuments, is_tag};
use crate::domain::instance::Instance;
use crate::domain::repository::Repository;
use crate::domain::{Error, Noun, Result};
use crate::policy::{Permission, Resource};
use crate::service::call::Call;
use crate::service::registry::Registry;
use crate::service::registry::repositories::RepositoryChoice;
use crate::service::rights::instances::InstanceChoice;
use crate::store;
use crate::store::page::{Listed, Page};

/// The tags that are listed.
#[derive(Clone, Debug, Default)]
pub enum TagFilter {
    /// All.
    #[default]
    Any,
    /// This one.
    Exactly(String),
    /// Those that contain this text.
    Containing(String),
}

/// The images that are listed.
#[derive(Clone, Debug, Default)]
pub struct ImageFilter {
    /// Those with such tags.
    pub tag: TagFilter,
    /// Those with this digest, or all.
    pub digest: Option<String>,
}

impl Registry {
    /// Lists a page of a repository's images, by tag.
    ///
    /// # Errors
    /// `NotFound` when what the call names isn't there, or is another account's; `AccessDenied`
    /// when policies don't allow it; `Unsupported` without a registry; those of the registry's
    /// answer; those of the store.
    pub async fn images(
        &self,
        call: &Call<'_>,
        choice: &InstanceChoice,
        repository: &RepositoryChoice,
        filter: ImageFilter,
        page: Page,
    ) -> Result<Listed<Image>> {
        let (instance, repository) = self
            .repository_or_import(call, choice, repository, Permission::ListTags)
            .await?;
        let registry = self.registry(&instance, &[(&repository.path(), &["pull"])])?;
        let key = (instance.id.clone(), repository.path());
        let page_of = async move |mut reader: Reader| {
            let listed = reader.page(&filter, page).await;
            (reader, listed)
        };
        self.upstream
            .listings
            .read(registry, &key, &self.base.clock, page_of)
            .await
    }

    /// Returns the image of a tag.
    ///
    /// # Errors
    /// `NotFound` when what the call names isn't there, or is another account's; `AccessDenied`
    /// when policies don't allow it; `Unsupported` without a registry; those of the registry's
    /// answer; those of the store.
    pub async fn image(
        &self,
        call: &Call<'_>,
        choice: &InstanceChoice,
        repository: &RepositoryChoice,
        tag: &str,
    ) -> Result<Image> {
        let (instance, repository) = self
            .repository_or_import(call, choice, repository, Permission::DescribeTag)
            .await?;
        self.tagged(&instance, &repository.path(), tag).await
    }

    /// Returns the manifest and the configuration of a tag's image.
    ///
    /// # Errors
    /// `NotFound` when what the call names isn't there, or is another account's; `AccessDenied`
    /// when policies don't allow it; `Unsupported` without a registry; those of the registry's
    /// answer; those of the store.
    pub async fn image_documents(
        &self,
        call: &Call<'_>,
        choice: &InstanceChoice,
        repository: &RepositoryChoice,
        tag: &str,
    ) -> Result<ImageDocuments> {
        let (instance, repository) = self
            .repository_or_import(call, choice, repository, Permission::DescribeTag)
            .await?;
        let path = repository.path();
        let image = self.tagged(&instance, &path, tag).await?;
        let registry = self.registry(&instance, &[(&path, &["pull"])])?;
        let documents = within_patience(contents::documents(
            &registry,
            &path,
            &image.digest,
            &image.contents,
        ))
        .await?;
        documents.ok_or_else(|| missing(tag))
    }

    async fn tagged(&self, instance: &Instance, path: &str, tag: &str) -> Result<Image> {
        if !is_tag(tag) {
            return Err(missing(tag));
        }
        let registry = self.registry(instance, &[(path, &["pull"])])?;
        let wanted = tag.to_owned();
        let image_of = async move |mut reader: Reader| {
            let image = reader.image(&wanted).await;
            (reader, image)
        };
        let image = self
            .upstream
            .listings
            .read(
                registry,
                &(instance.id.clone(), path.to_owned()),
                &self.base.clock,
                image_of,
            )
            .await?;
        image.ok_or_else(|| missing(tag))
    }

    /// Finds a repository of the caller's own instance, if the caller may do this there.
    ///
    /// A repository that isn't recorded is recorded now, if its namespace is and the registry has
    /// tags in it.
    ///
    /// # Errors
    /// `InstanceNotFound`; `AccessDenied` when policies don't allow it; `Unsupported` without a
    /// registry; `NotFound`; those of the registry's answer; those of the store.
    async fn repository_or_import(
        &self,
        call: &Call<'_>,
        choice: &InstanceChoice,
        repository: &RepositoryChoice,
        permission: Permission,
    ) -> Result<(Arc<Instance>, Repository)> {
        let instance = self.rights.own_instance(call, choice).await?;
        let found = match repository {
            RepositoryChoice::WithId(id) => {
                store::repository::find_by_id(&self.base.store, &instance.id, id).await?
            }
            RepositoryChoice::Named { namespace, name } => {
                store::repository::find(&self.base.store, &instance.id, namespace, name).await?
            }
        };
        let path = repository
            .path()
            .or_else(|| found.as_ref().map(Repository::path));
        let resource = match &path {
            Some(path) => Resource::Repository {
                instance: (&*instance).into(),
                path,
            },
            // Only a caller that may do it everywhere learns that there is no such repository.
            None => Resource::Instance((&*instance).into()),
        };
        self.rights.authorize(call, permission, resource).await?;
        registry_url(&instance)?;
        let found = match (found, repository) {
            (Some(found), _) => found,
            (None, RepositoryChoice::Named { namespace, name }) => {
                self.import_repository(&instance, namespace, name, call.request)
                    .await?
            }
            (None, RepositoryChoice::WithId(id)) => {
                return Err(Error::not_found(Noun::Repository, id));
            }
        };
        Ok((instance, found))
    }

    /// Tells whether the registry has tags in a repository.
    ///
    /// # Errors
    /// `Unsupported` without a registry; those of the registry's answer.
    pub(in crate::service) async fn has_tags(
        &self,
        instance: &Instance,
        path: &str,
    ) -> Result<bool> {
        let registry = self.registry(instance, &[(path, &["pull"])])?;
        let key = (instance.id.clone(), path.to_owned());
        self.upstream
            .listings
            .read(registry, &key, &self.base.clock, async |reader: Reader| {
                let has_tags = reader.has_tags();
                (reader, Ok(has_tags))
            })
            .await
    }
}

fn missing(tag: &str) -> Error {
    let end = tag.floor_char_boundary(128);
    Error::not_found(Noun::Image, &tag[..end])
}
