//! The tags of one repository, as its registry lists them, and their images.
//!
//! Tags that turn out to be gone leave the listing before their page is answered. So a client that
//! counts up to the total reaches it.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::future::Future;
use std::sync::Arc;

use tokio::task::JoinSet;
use tracing::Instrument;

use crate::domain::ids::InstanceId;
use crate::domain::image::{Image, TaggedImage, is_digest, is_tag};
use crate::domain::{Error, Result};
use crate::remote::registry::{Head, RegistryClient};
use crate::service::registry::images::client::failed;
use crate::service::registry::images::contents::{KnownContents, contents, digest_of};
use crate::service::registry::images::{ImageFilter, TagFilter};
use crate::store::page::{Listed, Page};

/// A repository of an instance, by its whole path.
pub(super) type Key = (InstanceId, String);

/// Digests, each with its media type and its tags.
pub(super) type Digests = BTreeMap<String, (String, Vec<String>)>;

/// The tags of a repository that are listed.
pub(super) const MAX_TAGS: usize = 10_000;
/// How many requests are under way to one registry for one caller.
const MAX_AT_ONCE: usize = 8;

/// The tags of a repository at a time, and the digests that were read since.
pub(super) struct Listing {
    /// Whether the registry knows the repository.
    exists: bool,
    tags: Vec<String>,
    heads: HashMap<String, Head>,
}

impl Listing {
    /// Asks the registry for the tags of a repository.
    ///
    /// # Errors
    /// `Unsupported` when there are more than [`MAX_TAGS`]; those of the registry's answer.
    pub(super) async fn read(registry: &RegistryClient, path: &str) -> Result<Self> {
        let names = registry.tags(path, MAX_TAGS).await.map_err(failed)?;
        let exists = names.is_some();
        let names = names.unwrap_or_default();
        if exists && !names.complete {
            return Err(Error::unsupported(format!(
                "The repository has more than {MAX_TAGS} tags, and transire lists no more."
            )));
        }
        Ok(Self {
            exists,
            tags: names.names.into_iter().filter(|tag| is_tag(tag)).collect(),
            heads: HashMap::new(),
        })
    }
}

/// A listing, and the means to ask for more.
pub(super) struct Reader {
    pub(super) listing: Listing,
    pub(super) registry: Arc<RegistryClient>,
    pub(super) contents: Arc<KnownContents>,
    pub(super) key: Key,
}

impl Reader {
    /// Tells whether the registry has anything of the repository.
    pub(super) fn has_tags(&self) -> bool {
        self.listing.exists && !self.listing.tags.is_empty()
    }

    /// Returns a page of the tags, by name.
    ///
    /// # Errors
    /// Those of the registry's answer.
    pub(super) async fn page(&mut self, filter: &ImageFilter, page: Page) -> Result<Listed<Image>> {
        loop {
            let tags = self.matching(filter).await?;
            let total = tags.len();
            let limit = page.limit.map_or(usize::MAX, |limit| limit as usize);
            let wanted: Vec<String> = tags
                .into_iter()
                .skip(page.offset as usize)
                .take(limit)
                .collect();
            let images = self.images(wanted.clone()).await?;
            if images.len() == wanted.len() {
                return Ok(Listed {
                    items: images,
                    total: total as u64,
                });
            }
        }
    }

    /// Returns tags by name, those after `after` and at most `limit`, with their digests; and
    /// whether there are more.
    ///
    /// # Errors
    /// Those of the registry's answer.
    pub(super) async fn tags_after(
        &mut self,
        after: Option<&str>,
        limit: usize,
    ) -> Result<(Vec<(String, Head)>, bool)> {
        loop {
            let is_later = |tag: &&String| after.is_none_or(|after| tag.as_str() > after);
            let mut later = self.listing.tags.iter().filter(is_later).cloned();
            let wanted: Vec<String> = later.by_ref().take(limit).collect();
            let has_more = later.next().is_some();
            self.read_heads(wanted.clone()).await?;
            let heads = &self.listing.heads;
            let with_head = |tag: &String| Some((tag.clone(), heads.get(tag)?.clone()));
            let found: Vec<_> = wanted.iter().filter_map(with_head).collect();
            // Tags that are gone leave room for others.
            if found.len() == wanted.len() {
                return Ok((found, has_more));
            }
        }
    }

    /// Returns every digest that has a tag, with its media type and its tags. The digests of
    /// `fresh` are read again, for a tag that was pushed since the listing.
    ///
    /// # Errors
    /// Those of the registry's answer.
    pub(super) async fn digests(&mut self, fresh: &BTreeSet<String>) -> Result<Digests> {
        self.listing.heads.retain(|tag, _| !fresh.contains(tag));
        let mut tags: BTreeSet<String> = self.listing.tags.iter().cloned().collect();
        tags.extend(fresh.iter().cloned());
        self.listing.tags = tags.iter().cloned().collect();
        self.read_heads(self.listing.tags.clone()).await?;
        let mut digests = Digests::new();
        for tag in &self.listing.tags {
            let Some(head) = self.listing.heads.get(tag) else {
                continue;
            };
            let digest = head.digest.clone().unwrap_or_default();
            let media_type = || (head.media_type.clone(), Vec::new());
            let (_, of_digest) = digests.entry(digest).or_insert_with(media_type);
            of_digest.push(tag.clone());
        }
        Ok(digests)
    }

    /// Returns images of these digests in their order, without those that are gone.
    ///
    /// # Errors
    /// Those of the registry's answer.
    pub(super) async fn tagged(&self, digests: Digests) -> Result<Vec<TaggedImage>> {
        let (registry, known, key) = (&self.registry, &self.contents, &self.key);
        let found = each(
            digests.into_iter().collect(),
            |(digest, (media_type, tags))| {
                let (registry, known, (instance, path)) =
                    (Arc::clone(registry), Arc::clone(known), key.clone());
                async move {
                    let contents = contents(&registry, &known, &instance, &path, &digest).await?;
                    Ok(contents.map(|contents| TaggedImage {
                        digest,
                        tags,
                        media_type,
                        contents,
                    }))
                }
            },
        );
        let mut found: Vec<TaggedImage> = found.await?.into_iter().flatten().collect();
        found.sort_by(|one, other| one.digest.cmp(&other.digest));
        Ok(found)
    }

    /// Returns the tags that a filter takes, by name.
    async fn matching(&mut self, filter: &ImageFilter) -> Result<Vec<String>> {
        let mut tags = self.listing.tags.clone();
        tags.retain(|tag| filter.tag.takes(tag));
        if let Some(digest) = &filter.digest {
            self.read_heads(tags.clone()).await?;
            let heads = &self.listing.heads;
            // Tags that are gone have no head.
            tags.retain(|tag| {
                heads
                    .get(tag)
                    .is_some_and(|head| head.digest.as_ref() == Some(digest))
            });
        }
        Ok(tags)
    }

    /// Returns the image of one tag, if it is there.
    ///
    /// # Errors
    /// Those of the registry's answer.
    pub(super) async fn image(&mut self, tag: &str) -> Result<Option<Image>> {
        Ok(self.images(vec![tag.to_owned()]).await?.pop())
    }

    /// Returns the images of these tags in their order; tags that are gone leave the listing.
    async fn images(&mut self, tags: Vec<String>) -> Result<Vec<Image>> {
        self.read_heads(tags.clone()).await?;
        let heads = tags
            .iter()
            .filter_map(|tag| Some((tag.clone(), self.listing.heads.get(tag)?.clone())));
        let questions: Vec<(String, Head)> = heads.collect();
        let (registry, known, key) = (&self.registry, &self.contents, &self.key);
        let found = each(questions, |(tag, head)| {
            let (registry, known, (instance, path)) =
                (Arc::clone(registry), Arc::clone(known), key.clone());
            async move {
                let digest = head.digest.unwrap_or_default();
                let contents = contents(&registry, &known, &instance, &path, &digest).await?;
                Ok((
                    tag.clone(),
                    contents.map(|contents| Image {
                        tag,
                        digest,
                        media_type: head.media_type,
                        contents,
                    }),
                ))
            }
        });
        let (found, gone): (Vec<_>, Vec<_>) = found
            .await?
            .into_iter()
            .partition(|(_, image)| image.is_some());
        self.remove(&gone.into_iter().map(|(tag, _)| tag).collect());
        let mut found: HashMap<String, Option<Image>> = found.into_iter().collect();
        Ok(tags
            .iter()
            .filter_map(|tag| found.remove(tag).flatten())
            .collect())
    }

    /// Asks for the digests of these tags, where they aren't known; tags that are gone leave the
    /// listing.
    async fn read_heads(&mut self, tags: Vec<String>) -> Result<()> {
        let unknown: Vec<String> = tags
            .into_iter()
            .filter(|tag| !self.listing.heads.contains_key(tag))
            .collect();
        let heads = heads(&self.registry, &self.key.1, unknown).await?;
        let mut gone = HashSet::new();
        for (tag, head) in heads {
            match head {
                Some(head) => drop(self.listing.heads.insert(tag, head)),
                None => drop(gone.insert(tag)),
            }
        }
        self.remove(&gone);
        Ok(())
    }

    fn remove(&mut self, gone: &HashSet<String>) {
        if !gone.is_empty() {
            self.listing.tags.retain(|tag| !gone.contains(tag));
            self.listing.heads.retain(|tag, _| !gone.contains(tag));
        }
    }
}

/// Asks for the heads of tags, [`MAX_AT_ONCE`] at a time; each head has a digest.
///
/// # Errors
/// Those of the registry's answer.
pub(super) async fn heads(
    registry: &Arc<RegistryClient>,
    path: &str,
    tags: Vec<String>,
) -> Result<Vec<(String, Option<Head>)>> {
    each(tags, |tag| {
        let (registry, path) = (Arc::clone(registry), path.to_owned());
        async move {
            let mut head = registry.head(&path, &tag).await.map_err(failed)?;
            if let Some(known) = &mut head
                && !known.digest.as_deref().is_some_and(is_digest)
            {
                let manifest = registry.manifest(&path, &tag).await.map_err(failed)?;
                head = manifest.map(|manifest| Head {
                    digest: Some(digest_of(&manifest)),
                    media_type: manifest.media_type,
                });
            }
            Ok((tag, head))
        }
    })
    .await
}

/// Asks several questions, [`MAX_AT_ONCE`] at a time.
///
/// # Errors
/// The first failure of `ask`, which ends it; `Internal` when a task breaks off.
pub(in crate::service) async fn each<Q, A, F>(
    questions: Vec<Q>,
    ask: impl Fn(Q) -> F,
) -> Result<Vec<A>>
where
    A: Send + 'static,
    F: Future<Output = Result<A>> + Send + 'static,
{
    // Tasks don't inherit the caller's span, below which a trace shows what is asked.
    let ask = |question| ask(question).in_current_span();
    let mut answers = Vec::with_capacity(questions.len());
    let mut questions = questions.into_iter();
    let mut asked: JoinSet<Result<A>> = questions.by_ref().take(MAX_AT_ONCE).map(&ask).collect();
    while let Some(answer) = asked.join_next().await {
        answers.push(answer.map_err(Error::internal)??);
        if let Some(question) = questions.next() {
            asked.spawn(ask(question));
        }
    }
    Ok(answers)
}

impl TagFilter {
    fn takes(&self, tag: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Exactly(wanted) => tag == wanted,
            Self::Containing(part) => tag.contains(part.as_str()),
        }
    }
}
