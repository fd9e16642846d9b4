//! What registries were asked lately: the tags of a repository, and what each stands for.
//!
//! One asks and the others wait for the answer, which is kept for ten seconds: pages that are read
//! one after another are then pages of one list, and their total is true. Tags that turn out to be
//! gone leave that list before their page is given out, so that whoever counts up to the total gets
//! there.

use std::collections::{HashMap, HashSet};
use std::future::Future;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::domain::clock::{Clock, Timestamp};
use crate::domain::ids::InstanceId;
use crate::domain::image::{Image, is_digest, is_tag};
use crate::domain::{Error, ErrorKind, Result};
use crate::remote::registry::{Head, RegistryClient};
use crate::service::registry::images::contents::{Remembered, contents, digest_of};
use crate::service::registry::images::{ImageFilter, TagFilter, failed};
use crate::store::page::{Listed, Page};

/// How long an answer is kept.
const KEPT: Duration = Duration::from_secs(10);
/// How long a failure is: whoever waited for it need not fail by themselves.
const FAILURE_KEPT: Duration = Duration::from_secs(1);
/// How long a caller waits for a registry, all in all.
pub(in crate::service) const PATIENCE: Duration = Duration::from_secs(20);
/// The repositories whose tags are kept at once: up to four megabytes each.
const CAPACITY: usize = 64;
/// The most tags of a repository.
pub(super) const MOST_TAGS: usize = 10_000;
/// How many questions are under way to one registry for one caller.
const AT_ONCE: usize = 8;

/// A repository of an instance, by its whole path.
pub(super) type Key = (InstanceId, String);

/// What registries were asked lately.
#[derive(Default)]
pub(in crate::service) struct Walks {
    places: Mutex<HashMap<Key, Arc<Place>>>,
    remembered: Arc<Remembered>,
}

/// What is known of one repository.
#[derive(Default)]
struct Place {
    /// Locked by who asks the registry.
    known: Arc<AsyncMutex<Known>>,
    used_at: AtomicI64,
}

#[derive(Default)]
enum Known {
    #[default]
    Nothing,
    Walk(Walk),
    Failure(Timestamp, ErrorKind, String),
}

/// The tags of a repository at a time, and what was asked of them since.
struct Walk {
    at: Timestamp,
    /// Whether the registry knows the repository.
    exists: bool,
    tags: Vec<String>,
    heads: HashMap<String, Head>,
}

/// Holds a repository: nobody else asks about it meanwhile.
pub(super) struct Held {
    known: OwnedMutexGuard<Known>,
    /// So that nobody makes another place meanwhile.
    _place: Arc<Place>,
}

impl Held {
    /// Forgets what was known, because it was changed.
    pub(super) fn forget(&mut self) {
        *self.known = Known::Nothing;
    }
}

impl Walks {
    /// Forgets what nobody asked for lately.
    pub(in crate::service) fn forget(&self, now: Timestamp) {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        places.retain(|_, place| Arc::strong_count(place) > 1 || place.used_at(now) < KEPT);
    }

    fn place(&self, key: &Key, now: Timestamp) -> Result<Arc<Place>> {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        if places.len() >= CAPACITY && !places.contains_key(key) {
            places.retain(|_, place| Arc::strong_count(place) > 1 || place.used_at(now) < KEPT);
            // What rests is kept for nobody who is sure to come back.
            let resting = places.iter().filter(|(_, place)| {
                Arc::strong_count(place) == 1 && place.known.try_lock().is_ok()
            });
            let oldest = resting
                .min_by_key(|(_, place)| place.used_at.load(Ordering::Relaxed))
                .map(|(key, _)| key.clone());
            if places.len() >= CAPACITY {
                let full = || {
                    Error::new(
                        ErrorKind::Overloaded,
                        "Too many repositories are being asked for; try again in a moment.",
                    )
                };
                places.remove(&oldest.ok_or_else(full)?);
            }
        }
        let place = places.entry(key.clone()).or_default();
        place.used_at.store(now.unix_millis(), Ordering::Relaxed);
        Ok(Arc::clone(place))
    }

    /// Waits until nobody else asks about a repository.
    pub(super) async fn hold(&self, key: &Key, now: Timestamp) -> Result<Held> {
        let place = self.place(key, now)?;
        let known = timeout(PATIENCE, Arc::clone(&place.known).lock_owned())
            .await
            .map_err(|_| silent())?;
        Ok(Held {
            known,
            _place: place,
        })
    }

    /// Does something with the walk of a repository, which is made if there is none; a caller who
    /// breaks off doesn't break it off.
    pub(super) async fn with<T, F>(
        &self,
        registry: Arc<RegistryClient>,
        key: &Key,
        clock: &Arc<dyn Clock>,
        work: impl FnOnce(Walker) -> F + Send + 'static,
    ) -> Result<T>
    where
        T: Send + 'static,
        F: Future<Output = (Walker, Result<T>)> + Send + 'static,
    {
        let place = self.place(key, clock.now())?;
        let (remembered, clock, key) =
            (Arc::clone(&self.remembered), Arc::clone(clock), key.clone());
        let whole = async move {
            let mut known = Arc::clone(&place.known).lock_owned().await;
            let task = tokio::spawn(async move {
                let answer = async {
                    let walk = known.walk(&registry, &key.1, &*clock).await?;
                    let (walker, answer) = work(Walker {
                        walk,
                        registry,
                        remembered,
                        key,
                    })
                    .await;
                    if answer.is_ok() {
                        *known = Known::Walk(walker.walk);
                    }
                    answer
                };
                let answer = timeout(PATIENCE, answer)
                    .await
                    .unwrap_or_else(|_| Err(silent()));
                if let Err(error) = &answer {
                    known.note(error, clock.now());
                }
                answer
            });
            task.await.map_err(Error::internal)?
        };
        timeout(PATIENCE, whole)
            .await
            .unwrap_or_else(|_| Err(silent()))
    }
}

impl Place {
    fn used_at(&self, now: Timestamp) -> Duration {
        Timestamp::from_unix_millis(self.used_at.load(Ordering::Relaxed)).distance(now)
    }
}

impl Known {
    /// Takes the walk that is kept, or makes one; or fails as it failed a moment ago.
    async fn walk(
        &mut self,
        registry: &RegistryClient,
        path: &str,
        clock: &dyn Clock,
    ) -> Result<Walk> {
        let now = clock.now();
        match std::mem::take(self) {
            Self::Walk(walk) if walk.at.distance(now) < KEPT => return Ok(walk),
            Self::Failure(at, kind, message) if at.distance(now) < FAILURE_KEPT => {
                *self = Self::Failure(at, kind.clone(), message.clone());
                return Err(Error::new(kind, message).caused_by("as it did a moment ago"));
            }
            _ => {}
        }
        let names = registry.tags(path, MOST_TAGS).await.map_err(failed)?;
        let exists = names.is_some();
        let names = names.unwrap_or_default();
        if exists && !names.complete {
            return Err(Error::unsupported(format!(
                "The repository has more than {MOST_TAGS} tags, and transire lists no more."
            )));
        }
        let tags = names.names.into_iter().filter(|tag| is_tag(tag)).collect();
        Ok(Walk {
            at: clock.now(),
            exists,
            tags,
            heads: HashMap::new(),
        })
    }

    fn note(&mut self, error: &Error, now: Timestamp) {
        // A failure that is kept stays as old as it is.
        if matches!(self, Self::Nothing) {
            *self = Self::Failure(now, error.kind().clone(), error.message().to_owned());
        }
    }
}

/// A walk, and what it needs to go on.
pub(super) struct Walker {
    walk: Walk,
    registry: Arc<RegistryClient>,
    remembered: Arc<Remembered>,
    key: Key,
}

impl Walker {
    /// Tells whether the registry has anything of the repository.
    pub(super) fn has_tags(&self) -> bool {
        self.walk.exists && !self.walk.tags.is_empty()
    }

    /// Returns a page of the tags, by name.
    pub(super) async fn page(&mut self, filter: &ImageFilter, page: Page) -> Result<Listed<Image>> {
        loop {
            let mut tags: Vec<String> = self
                .walk
                .tags
                .iter()
                .filter(|tag| filter.tag.takes(tag))
                .cloned()
                .collect();
            if let Some(digest) = &filter.digest {
                self.look(tags).await?;
                let heads = &self.walk.heads;
                let has_digest = |tag: &&String| {
                    heads
                        .get(*tag)
                        .is_some_and(|head| head.digest.as_ref() == Some(digest))
                };
                tags = self
                    .walk
                    .tags
                    .iter()
                    .filter(|tag| filter.tag.takes(tag))
                    .filter(has_digest)
                    .cloned()
                    .collect();
            }
            let total = tags.len();
            let most = page.limit.map_or(usize::MAX, |limit| limit as usize);
            let wanted: Vec<String> = tags
                .into_iter()
                .skip(page.offset as usize)
                .take(most)
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

    /// Returns the image of one tag.
    pub(super) async fn image(&mut self, tag: &str) -> Result<Option<Image>> {
        Ok(self.images(vec![tag.to_owned()]).await?.pop())
    }

    /// Returns the images of these tags in their order; tags that are gone leave the walk.
    async fn images(&mut self, tags: Vec<String>) -> Result<Vec<Image>> {
        self.look(tags.clone()).await?;
        let heads = tags
            .iter()
            .filter_map(|tag| Some((tag.clone(), self.walk.heads.get(tag)?.clone())));
        let questions: Vec<(String, Head)> = heads.collect();
        let (registry, remembered, key) = (&self.registry, &self.remembered, &self.key);
        let found = each(questions, |(tag, head)| {
            let (registry, remembered, (instance, path)) =
                (Arc::clone(registry), Arc::clone(remembered), key.clone());
            async move {
                let digest = head.digest.unwrap_or_default();
                let contents = contents(&registry, &remembered, &instance, &path, &digest).await?;
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
        self.leave(&gone.into_iter().map(|(tag, _)| tag).collect());
        let mut found: HashMap<String, Option<Image>> = found.into_iter().collect();
        Ok(tags
            .iter()
            .filter_map(|tag| found.remove(tag).flatten())
            .collect())
    }

    /// Asks what these tags stand for, where that isn't known; those that are gone leave the walk.
    async fn look(&mut self, tags: Vec<String>) -> Result<()> {
        let unknown: Vec<String> = tags
            .into_iter()
            .filter(|tag| !self.walk.heads.contains_key(tag))
            .collect();
        let heads = heads(&self.registry, &self.key.1, unknown).await?;
        let mut gone = HashSet::new();
        for (tag, head) in heads {
            match head {
                Some(head) => drop(self.walk.heads.insert(tag, head)),
                None => drop(gone.insert(tag)),
            }
        }
        self.leave(&gone);
        Ok(())
    }

    fn leave(&mut self, gone: &HashSet<String>) {
        if !gone.is_empty() {
            self.walk.tags.retain(|tag| !gone.contains(tag));
            self.walk.heads.retain(|tag, _| !gone.contains(tag));
        }
    }
}

/// Asks what tags stand for, a few at once; each head has a digest.
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

/// Asks several questions, a few at once; the first failure ends it.
pub(in crate::service) async fn each<Q, A, F>(
    questions: Vec<Q>,
    ask: impl Fn(Q) -> F,
) -> Result<Vec<A>>
where
    A: Send + 'static,
    F: Future<Output = Result<A>> + Send + 'static,
{
    let mut answers = Vec::with_capacity(questions.len());
    let mut questions = questions.into_iter();
    let mut asked: JoinSet<Result<A>> = questions.by_ref().take(AT_ONCE).map(&ask).collect();
    while let Some(answer) = asked.join_next().await {
        answers.push(answer.map_err(Error::internal)??);
        if let Some(question) = questions.next() {
            asked.spawn(ask(question));
        }
    }
    Ok(answers)
}

/// The registry didn't answer in time.
pub(super) fn silent() -> Error {
    Error::registry_unavailable(
        "The registry behind the instance does not answer; try again later.",
    )
    .caused_by(format!("there was no answer within {PATIENCE:?}"))
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
