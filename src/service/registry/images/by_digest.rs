//! Images by digest, each with all of its tags: lists, single ones, their manifests and layers.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::domain::image::{ImageFault, ImageReference, TaggedImage, is_content_digest};
use crate::domain::instance::Instance;
use crate::domain::repository::Repository;
use crate::domain::{Error, Result};
use crate::policy::Permission;
use crate::remote::registry::{HasBlob, Head, RegistryClient};
use crate::service::call::Call;
use crate::service::registry::Registry;
use crate::service::registry::images::client::{failed, within_patience};
use crate::service::registry::images::contents::{digest_of, is_of, useless, verified};
use crate::service::registry::images::listing::{Digests, Key, Reader, each, heads};
use crate::service::registry::repositories::RepositoryChoice;
use crate::service::rights::instances::InstanceChoice;

/// The most bytes of the manifests of one answer.
const MAX_MANIFEST_BYTES: usize = 8 << 20;

/// A part of a list that is asked for by the last item of the part before.
#[derive(Clone, Debug)]
pub struct PartAfter<T> {
    /// The items.
    pub items: Vec<T>,
    /// The last item's name, if more follow.
    pub next: Option<String>,
}

/// A manifest to the letter, and the tag by which it was asked for.
#[derive(Clone, Debug)]
pub struct FoundManifest {
    /// Its digest.
    pub digest: String,
    /// Its media type.
    pub media_type: String,
    /// Its text.
    pub text: String,
}

/// A layer that was asked for: whether the repository has it, and its bytes if they are known.
pub type LayerPresence = Option<Option<u64>>;

impl Registry {
    /// Lists tags by name with their digests: those after `after`, and at most `limit`.
    ///
    /// # Errors
    /// `NotFound` when what the call names isn't there, or is another account's; `AccessDenied`
    /// when policies don't allow it; `Unsupported` without a registry; those of the registry's
    /// answer; those of the store.
    pub async fn tag_digests(
        &self,
        call: &Call<'_>,
        choice: &InstanceChoice,
        repository: &RepositoryChoice,
        after: Option<String>,
        limit: usize,
    ) -> Result<PartAfter<(String, String)>> {
        let list = async move |mut reader: Reader| {
            let found = reader.tags_after(after.as_deref(), limit).await;
            let part = found.map(|(tags, has_more)| {
                let last = tags.last().map(|(tag, _)| tag.clone());
                let pair = |(tag, head): (String, Head)| (tag, head.digest.unwrap_or_default());
                PartAfter {
                    items: tags.into_iter().map(pair).collect(),
                    next: last.filter(|_| has_more),
                }
            });
            (reader, part)
        };
        self.listed(call, choice, repository, Permission::ListTags, list)
            .await
    }

    /// Lists images by digest, those after `after` and at most `limit`. Only images with a tag are
    /// listed: registries name no others.
    ///
    /// # Errors
    /// Those of [`Self::tag_digests`].
    pub async fn tagged_images(
        &self,
        call: &Call<'_>,
        choice: &InstanceChoice,
        repository: &RepositoryChoice,
        after: Option<String>,
        limit: usize,
    ) -> Result<PartAfter<TaggedImage>> {
        let list = async move |mut reader: Reader| {
            let part = part_of(&mut reader, after.as_deref(), limit).await;
            (reader, part)
        };
        self.listed(call, choice, repository, Permission::ListTags, list)
            .await
    }

    /// Returns the images that a call names, in its order.
    ///
    /// # Errors
    /// Those of [`Self::tag_digests`].
    pub async fn named_images(
        &self,
        call: &Call<'_>,
        choice: &InstanceChoice,
        repository: &RepositoryChoice,
        references: Vec<ImageReference>,
    ) -> Result<Vec<Result<TaggedImage, ImageFault>>> {
        let find = async move |mut reader: Reader| {
            let found = named(&mut reader, &references).await;
            (reader, found)
        };
        self.listed(call, choice, repository, Permission::DescribeTag, find)
            .await
    }

    async fn listed<T, F>(
        &self,
        call: &Call<'_>,
        choice: &InstanceChoice,
        repository: &RepositoryChoice,
        permission: Permission,
        work: impl FnOnce(Reader) -> F + Send + 'static,
    ) -> Result<T>
    where
        T: Send + 'static,
        F: Future<Output = (Reader, Result<T>)> + Send + 'static,
    {
        let (instance, repository) = self
            .repository_or_import(call, choice, repository, permission)
            .await?;
        let registry = self.registry(&instance, &[(&repository.path(), &["pull"])])?;
        let key: Key = (instance.id.clone(), repository.path());
        self.upstream
            .listings
            .read(registry, &key, &self.base.clock, work)
            .await
    }

    /// Returns every image with a tag, as the registry has them now, for a caller whose rights are
    /// decided.
    ///
    /// # Errors
    /// Those of the registry's answer.
    pub(in crate::service) async fn every_image(
        &self,
        call: &Call<'_>,
        instance: &Instance,
        repository: &Repository,
    ) -> Result<Vec<TaggedImage>> {
        let path = repository.path();
        let registry = self.registry(instance, &[(&path, &["pull"])])?;
        let key: Key = (instance.id.clone(), path);
        self.upstream.listings.lock(&key, call.now).await?.forget();
        let all = async move |mut reader: Reader| {
            let part = part_of(&mut reader, None, usize::MAX).await;
            (reader, part.map(|part| part.items))
        };
        self.upstream
            .listings
            .read(registry, &key, &self.base.clock, all)
            .await
    }

    /// Returns the manifests of the images that a call names, in its order, as far as their media
    /// type is among `accepted`; none there takes all.
    ///
    /// # Errors
    /// Those of [`Self::tag_digests`]; `InvalidParameter` of `images` when the manifests are larger
    /// than an answer may be.
    pub async fn manifests(
        &self,
        call: &Call<'_>,
        choice: &InstanceChoice,
        repository: &RepositoryChoice,
        references: &[ImageReference],
        accepted: &[String],
    ) -> Result<Vec<Result<FoundManifest, ImageFault>>> {
        let (instance, repository) = self
            .repository_or_import(call, choice, repository, Permission::PullManifest)
            .await?;
        let path = repository.path();
        let registry = self.registry(&instance, &[(&path, &["pull"])])?;
        let room = Arc::new(AtomicUsize::new(MAX_MANIFEST_BYTES));
        let questions = references.iter().cloned().enumerate().collect();
        let found = within_patience(each(questions, |(place, reference)| {
            let (registry, path) = (Arc::clone(&registry), path.clone());
            let (room, accepted) = (Arc::clone(&room), accepted.to_vec());
            async move {
                let found = manifest(&registry, &path, reference, &accepted).await?;
                if let Ok(found) = &found {
                    take(&room, found.text.len())?;
                }
                Ok((place, found))
            }
        }));
        Ok(in_order(found.await?))
    }

    /// Tells of layers whether a repository has them.
    ///
    /// # Errors
    /// Those of [`Self::tag_digests`].
    pub async fn layers(
        &self,
        call: &Call<'_>,
        choice: &InstanceChoice,
        repository: &RepositoryChoice,
        digests: &[String],
    ) -> Result<Vec<LayerPresence>> {
        let (instance, repository) = self
            .repository_or_import(call, choice, repository, Permission::CheckLayer)
            .await?;
        let path = repository.path();
        let registry = self.registry(&instance, &[(&path, &["pull"])])?;
        let questions = digests.iter().cloned().enumerate().collect();
        let found = within_patience(each(questions, |(place, digest): (usize, String)| {
            let (registry, path) = (Arc::clone(&registry), path.clone());
            async move {
                if !is_content_digest(&digest) {
                    return Ok((place, None));
                }
                let has = registry.has_blob(&path, &digest).await.map_err(failed)?;
                let size = match has {
                    HasBlob::Yes(size) => Some(size),
                    HasBlob::No => None,
                };
                Ok((place, size))
            }
        }));
        Ok(in_order(found.await?))
    }
}

fn in_order<T>(mut found: Vec<(usize, T)>) -> Vec<T> {
    found.sort_by_key(|(place, _)| *place);
    found.into_iter().map(|(_, found)| found).collect()
}

/// Takes room for a manifest in the answer.
fn take(room: &AtomicUsize, bytes: usize) -> Result<()> {
    let less = |left: usize| left.checked_sub(bytes);
    room.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less)
        .map(drop)
        .map_err(|_| {
            Error::invalid_parameter(
                "images",
                format!(
                    "The manifests have more than {MAX_MANIFEST_BYTES} bytes together; ask for \
                     fewer images in a call."
                ),
            )
        })
}

async fn part_of(
    reader: &mut Reader,
    after: Option<&str>,
    limit: usize,
) -> Result<PartAfter<TaggedImage>> {
    let digests = reader.digests(&BTreeSet::new()).await?;
    let is_later = |digest: &String| after.is_none_or(|after| digest.as_str() > after);
    let mut later = digests.into_iter().filter(|(digest, _)| is_later(digest));
    let wanted: Digests = later.by_ref().take(limit).collect();
    let has_more = later.next().is_some();
    let last = wanted.keys().next_back().cloned();
    Ok(PartAfter {
        items: reader.tagged(wanted).await?,
        next: last.filter(|_| has_more),
    })
}

async fn named(
    reader: &mut Reader,
    references: &[ImageReference],
) -> Result<Vec<Result<TaggedImage, ImageFault>>> {
    let tag = |reference: &ImageReference| match reference {
        ImageReference::Tag(tag, _) => Some(tag.clone()),
        ImageReference::Digest(_) => None,
    };
    let mut known = reader
        .digests(&references.iter().filter_map(tag).collect())
        .await?;
    let unknown = references.iter().filter_map(|reference| match reference {
        ImageReference::Digest(digest) if !known.contains_key(digest) => Some(digest.clone()),
        _ => None,
    });
    let unknown = unknown.collect::<BTreeSet<_>>().into_iter().collect();
    for (digest, head) in heads(&reader.registry, &reader.key.1, unknown).await? {
        if let Some(head) = head {
            known.insert(digest, (head.media_type, Vec::new()));
        }
    }
    let digests: Vec<_> = references
        .iter()
        .map(|reference| digest_of_reference(&known, reference))
        .collect();
    let wanted: BTreeSet<&String> = digests.iter().flatten().collect();
    known.retain(|digest, _| wanted.contains(digest));
    let images = reader.tagged(known).await?;
    let image = |digest: String| {
        let place = images.binary_search_by(|image| image.digest.cmp(&digest));
        place
            .map(|place| images[place].clone())
            .map_err(|_| ImageFault::Missing)
    };
    Ok(digests
        .into_iter()
        .map(|digest| digest.and_then(image))
        .collect())
}

/// Returns the digest that a call means by a tag, a digest or both.
pub(super) fn digest_of_reference(
    known: &Digests,
    reference: &ImageReference,
) -> Result<String, ImageFault> {
    match reference {
        ImageReference::Digest(digest) if known.contains_key(digest) => Ok(digest.clone()),
        ImageReference::Digest(_) => Err(ImageFault::Missing),
        ImageReference::Tag(tag, expected) => {
            let found = known
                .iter()
                .find(|(_, (_, tags))| tags.binary_search(tag).is_ok());
            let (digest, _) = found.ok_or(ImageFault::Missing)?;
            match expected {
                Some(expected) if expected != digest => Err(ImageFault::OtherDigest),
                _ => Ok(digest.clone()),
            }
        }
    }
}

async fn manifest(
    registry: &RegistryClient,
    path: &str,
    reference: ImageReference,
    accepted: &[String],
) -> Result<Result<FoundManifest, ImageFault>> {
    let (found, expected) = match reference {
        ImageReference::Tag(tag, digest) => {
            (registry.manifest(path, &tag).await.map_err(failed)?, digest)
        }
        ImageReference::Digest(digest) => (verified(registry, path, &digest).await?, Some(digest)),
    };
    let Some(found) = found else {
        return Ok(Err(ImageFault::Missing));
    };
    let digest = match &expected {
        // It may be of another algorithm than a registry's usual one.
        Some(expected) if is_of(expected, &found.body) => expected.clone(),
        Some(_) => return Ok(Err(ImageFault::OtherDigest)),
        None => digest_of(&found),
    };
    if !accepted.is_empty() && !accepted.contains(&found.media_type) {
        return Ok(Err(ImageFault::NotAccepted(found.media_type)));
    }
    let text = String::from_utf8(found.body.into())
        .map_err(|_| useless("a manifest is no text".to_owned()))?;
    Ok(Ok(FoundManifest {
        digest,
        media_type: found.media_type,
        text,
    }))
}
