//! Deletes images, as far as the registry behind the instance can.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::json;

use crate::domain::image::{is_index_type, is_tag};
use crate::domain::instance::Instance;
use crate::domain::repository::Repository;
use crate::domain::{Error, Result};
use crate::policy::{Permission, Resource};
use crate::remote::registry::{Deletion, Head, RegistryClient};
use crate::service::call::Call;
use crate::service::ledger::actions::AuditAction;
use crate::service::ledger::event::Event;
use crate::service::registry::Registry;
use crate::service::registry::images::client::{failed, within_patience};
use crate::service::registry::images::listing::{Key, MAX_TAGS, heads};
use crate::service::registry::images::{contents, missing};
use crate::service::registry::repositories::RepositoryChoice;
use crate::service::rights::instances::InstanceChoice;

/// How many tags a refusal names.
const MAX_SHOWN_TAGS: usize = 10;

impl Registry {
    /// Deletes tags of a repository, all or, when that can't be, none.
    ///
    /// A registry that deletes no tags (Distribution 2) deletes a manifest with all its tags.
    ///
    /// # Errors
    /// `NotFound` when what the call names isn't there, or is another account's; `AccessDenied`
    /// when policies don't allow it; `Unsupported` without a registry, or when more would be
    /// deleted than was asked for: other tags, or an index's image; those of the registry's answer;
    /// those of the store.
    pub async fn delete_images(
        &self,
        call: &Call<'_>,
        choice: &InstanceChoice,
        repository: &RepositoryChoice,
        tags: &BTreeSet<String>,
    ) -> Result<()> {
        let (instance, repository) = self
            .repository_or_import(call, choice, repository, Permission::Delete)
            .await?;
        if let Some(bad) = tags.iter().find(|tag| !is_tag(tag)) {
            return Err(missing(bad));
        }
        let path = repository.path();
        let registry = self.registry(&instance, &[(&path, &["pull", "delete"])])?;
        let key: Key = (instance.id.clone(), path);
        let exclusive = self.upstream.listings.lock(&key, call.now).await?;
        exclusive.forget();
        within_patience(async {
            let digests = digests_of(&registry, &key.1, tags).await?;
            let event = call.event(AuditAction::ImageDelete).instance(&instance);
            self.delete_tags(&registry, &key.1, &digests, event).await
        })
        .await
    }

    /// Deletes every image of a repository whose record is deleted next. Otherwise the next read of
    /// the catalog would record it again. Without a registry, nothing happens.
    ///
    /// # Errors
    /// `AccessDenied` when policies don't allow it; `Unsupported` for too many tags, or a registry
    /// that deletes nothing; those of the registry's answer; those of the store.
    pub async fn delete_every_image(
        &self,
        call: &Call<'_>,
        instance: &Instance,
        repository: &Repository,
    ) -> Result<()> {
        let path = repository.path();
        let resource = Resource::Repository {
            instance: instance.into(),
            path: &path,
        };
        self.rights
            .authorize(call, Permission::DeleteRepository, resource)
            .await?;
        if instance.registry_url.is_none() {
            return Ok(());
        }
        let registry = self.registry(instance, &[(&path, &["pull", "delete"])])?;
        let key: Key = (instance.id.clone(), path);
        let exclusive = self.upstream.listings.lock(&key, call.now).await?;
        exclusive.forget();
        within_patience(async {
            let digests = all_digests(&registry, &key.1).await?;
            if digests.is_empty() {
                return Ok(());
            }
            let event = call.event(AuditAction::ImageDelete).instance(instance);
            self.delete_tags(&registry, &key.1, &digests, event).await
        })
        .await
    }

    async fn delete_tags(
        &self,
        registry: &Arc<RegistryClient>,
        path: &str,
        digests: &BTreeMap<String, String>,
        event: Event<'_>,
    ) -> Result<()> {
        let event = event.detail(json!({ "repository": path, "images": digests }));
        // The event comes first: without it, nothing is deleted.
        self.ledger
            .commit(event.clone().onto(self.base.write(), &*self.base.random))
            .await?;
        let done = delete(registry, path, digests).await;
        if done.is_err() {
            self.ledger
                .commit(
                    event
                        .outcome("refused")
                        .onto(self.base.write(), &*self.base.random),
                )
                .await?;
        }
        done
    }
}

/// Returns the digests of tags as they are now.
///
/// # Errors
/// `NotFound` unless all of them are there; those of the registry's answer.
async fn digests_of(
    registry: &Arc<RegistryClient>,
    path: &str,
    tags: &BTreeSet<String>,
) -> Result<BTreeMap<String, String>> {
    let heads = heads(registry, path, tags.iter().cloned().collect()).await?;
    heads
        .into_iter()
        .map(|(tag, head)| match head.and_then(|head| head.digest) {
            Some(digest) => Ok((tag, digest)),
            None => Err(missing(&tag)),
        })
        .collect()
}

/// Returns the digests of all tags of a repository.
///
/// # Errors
/// `Unsupported` when there are [`MAX_TAGS`] or more; those of the registry's answer.
async fn all_digests(
    registry: &Arc<RegistryClient>,
    path: &str,
) -> Result<BTreeMap<String, String>> {
    let names = registry
        .tags(path, MAX_TAGS)
        .await
        .map_err(failed)?
        .unwrap_or_default();
    if names.names.len() >= MAX_TAGS {
        return Err(Error::unsupported(format!(
            "The repository has {MAX_TAGS} tags or more; delete some of them first."
        )));
    }
    let tags = names.names.into_iter().filter(|tag| is_tag(tag)).collect();
    let heads = heads(registry, path, tags).await?;
    // A tag that is gone by now has no digest.
    let with_digest = |(tag, head): (String, Option<Head>)| Some((tag, head?.digest?));
    Ok(heads.into_iter().filter_map(with_digest).collect())
}

/// Deletes tags, one by one where the registry can, and else with their manifests.
async fn delete(
    registry: &Arc<RegistryClient>,
    path: &str,
    digests: &BTreeMap<String, String>,
) -> Result<()> {
    let mut tags = digests.keys();
    if let Some(first) = tags.next()
        && registry.delete(path, first).await.map_err(failed)? != Deletion::Done
    {
        return delete_manifests(registry, path, digests).await;
    }
    for tag in tags {
        if registry.delete(path, tag).await.map_err(failed)? == Deletion::Unsupported {
            return Err(Error::registry_unavailable(
                "The registry behind the instance deleted some of the tags, and then no more.",
            ));
        }
    }
    Ok(())
}

/// Deletes the manifests of tags, unless other tags need them.
async fn delete_manifests(
    registry: &Arc<RegistryClient>,
    path: &str,
    digests: &BTreeMap<String, String>,
) -> Result<()> {
    let to_delete: BTreeSet<&str> = digests.values().map(String::as_str).collect();
    let affected = affected_tags(registry, path, digests, &to_delete).await?;
    if !affected.is_empty() {
        return Err(needed_by(&affected));
    }
    for digest in to_delete {
        // An index goes first or last as it comes: no other tag needs its images.
        if registry.delete(path, digest).await.map_err(failed)? == Deletion::Unsupported {
            return Err(Error::unsupported(
                "The registry behind the instance deletes nothing; its operator can let it, in \
                 Distribution by storage.delete.enabled.",
            ));
        }
    }
    Ok(())
}

/// Returns the other tags of the repository that need one of these manifests.
async fn affected_tags(
    registry: &Arc<RegistryClient>,
    path: &str,
    digests: &BTreeMap<String, String>,
    to_delete: &BTreeSet<&str>,
) -> Result<BTreeSet<String>> {
    let names = registry
        .tags(path, MAX_TAGS)
        .await
        .map_err(failed)?
        .unwrap_or_default();
    if !names.complete {
        return Err(Error::unsupported(format!(
            "The repository has more than {MAX_TAGS} tags; whether others need the image can't be \
             told."
        )));
    }
    let others = names
        .names
        .into_iter()
        .filter(|tag| is_tag(tag) && !digests.contains_key(tag))
        .collect();
    let mut affected = BTreeSet::new();
    for (tag, head) in heads(registry, path, others).await? {
        let Some(head) = head else { continue };
        if needs(registry, path, &head, to_delete).await? {
            affected.insert(tag);
        }
    }
    Ok(affected)
}

/// Refuses to delete an image that other tags need; the message names some of them.
pub(super) fn needed_by(affected: &BTreeSet<String>) -> Error {
    let shown: Vec<&str> = affected
        .iter()
        .map(String::as_str)
        .take(MAX_SHOWN_TAGS)
        .collect();
    let more = if affected.len() > shown.len() {
        format!(" and {} more", affected.len() - shown.len())
    } else {
        String::new()
    };
    Error::unsupported(format!(
        "The registry behind the instance deletes images with all their tags, and this one is \
         needed by other tags: {}{more}. Delete those too in the same call, or give them \
         another image first.",
        shown.join(", ")
    ))
}

/// Tells whether a tag would lose its image, or an image of its index.
async fn needs(
    registry: &RegistryClient,
    path: &str,
    head: &Head,
    to_delete: &BTreeSet<&str>,
) -> Result<bool> {
    let digest = head.digest.as_deref().unwrap_or_default();
    if to_delete.contains(digest) || !is_index_type(&head.media_type) {
        return Ok(to_delete.contains(digest));
    }
    Ok(contents::named_by(registry, path, digest)
        .await?
        .iter()
        .any(|inner| to_delete.contains(inner.as_str())))
}
