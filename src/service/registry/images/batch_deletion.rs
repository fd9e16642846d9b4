//! Deletes several images at once, by tag and by digest, as far as each can go.
//!
//! An image that loses its last tag goes itself. One that an index names stays, unless the index
//! goes too.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::json;

use crate::domain::image::{ImageFault, ImageReference, is_index_type, is_tag};
use crate::domain::instance::Instance;
use crate::domain::repository::Repository;
use crate::domain::{Error, Result};
use crate::policy::Permission;
use crate::remote::registry::{Deletion, RegistryClient};
use crate::service::call::Call;
use crate::service::ledger::actions::AuditAction;
use crate::service::registry::Registry;
use crate::service::registry::images::by_digest::digest_of_reference;
use crate::service::registry::images::client::{failed, within_patience};
use crate::service::registry::images::contents::named_by;
use crate::service::registry::images::deletion::needed_by;
use crate::service::registry::images::listing::{Digests, Key, MAX_TAGS, each, heads};
use crate::service::registry::repositories::RepositoryChoice;
use crate::service::rights::instances::InstanceChoice;

/// An image that is gone, by a tag that it had or by its digest alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeletedImage {
    /// Its digest.
    pub digest: String,
    /// A tag that is gone with it.
    pub tag: Option<String>,
}

/// The outcome for each image of a call, in its order.
type Deleted = Vec<Result<Vec<DeletedImage>, ImageFault>>;

/// The digests that each index names.
type Indexes = BTreeMap<String, BTreeSet<String>>;

impl Registry {
    /// Deletes the images that a call names, each as far as nothing that stays needs it.
    ///
    /// # Errors
    /// `NotFound` when what the call names isn't there, or is another account's; `AccessDenied`
    /// when policies don't allow it; `Unsupported` without a registry, or one that can't delete a
    /// tag alone or anything: then nothing is deleted; those of the registry's answer; those of the
    /// store.
    pub async fn delete_references(
        &self,
        call: &Call<'_>,
        choice: &InstanceChoice,
        repository: &RepositoryChoice,
        references: &[ImageReference],
    ) -> Result<Vec<Result<Vec<DeletedImage>, ImageFault>>> {
        let (instance, repository) = self
            .repository_or_import(call, choice, repository, Permission::Delete)
            .await?;
        self.delete_unchanged(call, &instance, &repository, references, None)
            .await
    }

    /// Deletes images, for a caller whose rights are decided; of those in `unchanged` only the ones
    /// that have the tags there. The others are `OtherDigest`.
    ///
    /// # Errors
    /// Those of [`Self::delete_references`].
    pub(in crate::service) async fn delete_unchanged(
        &self,
        call: &Call<'_>,
        instance: &Instance,
        repository: &Repository,
        references: &[ImageReference],
        unchanged: Option<&BTreeMap<&str, &[String]>>,
    ) -> Result<Deleted> {
        let path = repository.path();
        let registry = self.registry(instance, &[(&path, &["pull", "delete"])])?;
        let key: Key = (instance.id.clone(), path);
        let exclusive = self.upstream.listings.lock(&key, call.now).await?;
        exclusive.forget();
        within_patience(async {
            let known = known(&registry, &key.1, references).await?;
            let mut plan = Plan::of(&known, references);
            if let Some(unchanged) = unchanged {
                plan.keep_what_changed(&known, unchanged);
            }
            if !plan.whole.is_empty() {
                let indexes = indexes(&registry, &key.1, &known).await?;
                plan.keep_what_indexes_need(&indexes);
            }
            if plan.is_empty() {
                return Ok(plan.outcomes(&known, references));
            }
            let detail = json!({
                "repository": key.1,
                "images": plan.tags(&known),
                "manifests": plan.whole,
            });
            let event = call
                .event(AuditAction::ImageDelete)
                .instance(instance)
                .detail(detail);
            // The event comes first: without it, nothing is deleted.
            self.ledger
                .commit(event.clone().onto(self.base.write(), &*self.base.random))
                .await?;
            let done = plan.carry_out(&registry, &key.1, &known).await;
            if done.is_err() {
                let event = event.outcome("refused");
                self.ledger
                    .commit(event.onto(self.base.write(), &*self.base.random))
                    .await?;
            }
            done.map(|()| plan.outcomes(&known, references))
        })
        .await
    }
}

/// Returns every digest with its tags, and those that the call names without a tag.
async fn known(
    registry: &Arc<RegistryClient>,
    path: &str,
    references: &[ImageReference],
) -> Result<Digests> {
    let names = registry
        .tags(path, MAX_TAGS)
        .await
        .map_err(failed)?
        .unwrap_or_default();
    if !names.complete && !names.names.is_empty() {
        return Err(Error::unsupported(format!(
            "The repository has more than {MAX_TAGS} tags; whether others need the image can't be \
             told."
        )));
    }
    let tags = names.names.into_iter().filter(|tag| is_tag(tag)).collect();
    let mut known = Digests::new();
    for (tag, head) in heads(registry, path, tags).await? {
        let Some(head) = head else { continue };
        let digest = head.digest.unwrap_or_default();
        let (_, tags) = known
            .entry(digest)
            .or_insert_with(|| (head.media_type, Vec::new()));
        tags.push(tag);
    }
    for (_, tags) in known.values_mut() {
        tags.sort_unstable();
    }
    let untagged: BTreeSet<String> = references
        .iter()
        .filter_map(|reference| match reference {
            ImageReference::Digest(digest) if !known.contains_key(digest) => Some(digest.clone()),
            _ => None,
        })
        .collect();
    for (digest, head) in heads(registry, path, untagged.into_iter().collect()).await? {
        if let Some(head) = head {
            known.insert(digest, (head.media_type, Vec::new()));
        }
    }
    Ok(known)
}

/// Reads the indexes among what is known. An index without a tag is known only if the call names
/// it: registries list no others.
async fn indexes(registry: &Arc<RegistryClient>, path: &str, known: &Digests) -> Result<Indexes> {
    let questions = known
        .iter()
        .filter(|(_, (media_type, _))| is_index_type(media_type))
        .map(|(digest, _)| digest.clone());
    let found = each(questions.collect(), |digest| {
        let (registry, path) = (Arc::clone(registry), path.to_owned());
        async move {
            let named = named_by(&registry, &path, &digest).await?;
            Ok((digest, named.into_iter().collect()))
        }
    });
    Ok(found.await?.into_iter().collect())
}

/// The parts of a deletion.
#[derive(Debug, Default, PartialEq, Eq)]
struct Plan {
    /// The digests that go with all of their tags.
    whole: BTreeSet<String>,
    /// The tags that go alone, because their image has others.
    alone: BTreeSet<String>,
    /// The digests that stay, with the indexes that need them.
    needed: BTreeMap<String, Vec<String>>,
    /// The digests that stay because their tags changed.
    changed: BTreeSet<String>,
}

impl Plan {
    fn of(known: &Digests, references: &[ImageReference]) -> Self {
        let mut plan = Self::default();
        let mut by_digest: BTreeMap<String, BTreeSet<&String>> = BTreeMap::new();
        for reference in references {
            let Ok(digest) = digest_of_reference(known, reference) else {
                continue;
            };
            match reference {
                ImageReference::Digest(_) => drop(plan.whole.insert(digest)),
                ImageReference::Tag(tag, _) => {
                    by_digest.entry(digest).or_default().insert(tag);
                }
            }
        }
        for (digest, tags) in by_digest {
            if tags.len() == known[&digest].1.len() {
                plan.whole.insert(digest);
            } else if !plan.whole.contains(&digest) {
                plan.alone.extend(tags.into_iter().cloned());
            }
        }
        plan
    }

    /// Takes out of the plan the images whose tags aren't those that were decided about.
    fn keep_what_changed(&mut self, known: &Digests, unchanged: &BTreeMap<&str, &[String]>) {
        let is_changed = |digest: &String| {
            let expected = unchanged.get(digest.as_str());
            expected.is_none_or(|tags| *tags != known[digest].1.as_slice())
        };
        self.changed = self.whole.extract_if(.., is_changed).collect();
    }

    /// Takes out of the plan the images of indexes that stay. An index that stays because another
    /// one needs it keeps its own images in turn.
    fn keep_what_indexes_need(&mut self, indexes: &Indexes) {
        loop {
            let mut needed: BTreeMap<String, Vec<String>> = BTreeMap::new();
            for (index, named) in indexes {
                if self.whole.contains(index) {
                    continue;
                }
                for digest in named.intersection(&self.whole) {
                    needed
                        .entry(digest.clone())
                        .or_default()
                        .push(index.clone());
                }
            }
            if needed.is_empty() {
                return;
            }
            self.whole.retain(|digest| !needed.contains_key(digest));
            self.needed.extend(needed);
        }
    }

    fn is_empty(&self) -> bool {
        self.whole.is_empty() && self.alone.is_empty()
    }

    /// Returns the tags that go, each with its digest.
    fn tags<'a>(&self, known: &'a Digests) -> BTreeMap<&'a str, &'a str> {
        let mut all = BTreeMap::new();
        for (digest, (_, tags)) in known {
            for tag in tags {
                if self.whole.contains(digest) || self.alone.contains(tag) {
                    all.insert(tag.as_str(), digest.as_str());
                }
            }
        }
        all
    }

    /// Returns what became of each image that the call names.
    fn outcomes(&self, known: &Digests, references: &[ImageReference]) -> Deleted {
        let outcome = |reference: &ImageReference| {
            let digest = digest_of_reference(known, reference)?;
            if self.changed.contains(&digest) {
                return Err(ImageFault::OtherDigest);
            }
            if let Some(indexes) = self.needed.get(&digest) {
                return Err(ImageFault::NeededBy(indexes.clone()));
            }
            let deleted = |tag: Option<String>| DeletedImage {
                digest: digest.clone(),
                tag,
            };
            Ok(match reference {
                ImageReference::Tag(tag, _) => vec![deleted(Some(tag.clone()))],
                ImageReference::Digest(_) if known[&digest].1.is_empty() => vec![deleted(None)],
                ImageReference::Digest(_) => {
                    let tags = known[&digest].1.iter().cloned();
                    tags.map(Some).map(deleted).collect()
                }
            })
        };
        references.iter().map(outcome).collect()
    }

    /// Deletes: tags that go alone first, because a registry that can't do that shall do nothing.
    async fn carry_out(
        &self,
        registry: &RegistryClient,
        path: &str,
        known: &Digests,
    ) -> Result<()> {
        let mut deletes_tags = None;
        for tag in &self.alone {
            match registry.delete(path, tag).await.map_err(failed)? {
                Deletion::Done | Deletion::Missing => deletes_tags = Some(true),
                Deletion::Unsupported if deletes_tags.is_none() => {
                    return Err(needed_by(&self.others(known)));
                }
                Deletion::Unsupported => return Err(no_more()),
            }
        }
        let mut is_first = self.alone.is_empty();
        for digest in &self.whole {
            for tag in &known[digest].1 {
                // Where a digest goes with its tags, a registry may refuse to delete them alone.
                if deletes_tags == Some(false) {
                    break;
                }
                let deleted = registry.delete(path, tag).await.map_err(failed)?;
                deletes_tags = Some(deleted != Deletion::Unsupported);
                is_first &= deletes_tags == Some(false);
            }
            match registry.delete(path, digest).await.map_err(failed)? {
                Deletion::Done | Deletion::Missing => is_first = false,
                Deletion::Unsupported if is_first => return Err(nothing()),
                Deletion::Unsupported => return Err(no_more()),
            }
        }
        Ok(())
    }

    /// Returns the tags that would go with those that are to go alone.
    fn others(&self, known: &Digests) -> BTreeSet<String> {
        let has_one = |tags: &&Vec<String>| tags.iter().any(|tag| self.alone.contains(tag));
        let tags = known.values().map(|(_, tags)| tags).filter(has_one);
        tags.flatten()
            .filter(|tag| !self.alone.contains(*tag))
            .cloned()
            .collect()
    }
}

fn nothing() -> Error {
    Error::unsupported(
        "The registry behind the instance deletes nothing; its operator can let it, in \
         Distribution by storage.delete.enabled.",
    )
}

fn no_more() -> Error {
    Error::registry_unavailable(
        "The registry behind the instance deleted some of the images, and then no more.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(letter: char) -> String {
        format!("sha256:{}", letter.to_string().repeat(64))
    }

    fn known(images: &[(char, &[&str])]) -> Digests {
        let image = |(letter, tags): &(char, &[&str])| {
            let tags = tags.iter().map(|tag| (*tag).to_owned()).collect();
            (digest(*letter), (String::new(), tags))
        };
        images.iter().map(image).collect()
    }

    fn tag(name: &str) -> ImageReference {
        ImageReference::Tag(name.to_owned(), None)
    }

    fn set<T: Ord, const N: usize>(all: [T; N]) -> BTreeSet<T> {
        all.into_iter().collect()
    }

    #[test]
    fn an_image_goes_with_its_last_tag_and_a_tag_alone_before() {
        let known = known(&[('a', &["v1", "v2"]), ('b', &["w"]), ('c', &[])]);
        let by = |digest| ImageReference::Digest(digest);
        let cases = [
            (vec![tag("v1")], set([]), set(["v1"])),
            (vec![tag("v1"), tag("v1")], set([]), set(["v1"])),
            (vec![tag("v1"), tag("v2")], set(['a']), set([])),
            (vec![tag("v1"), by(digest('a'))], set(['a']), set([])),
            (vec![tag("w"), by(digest('c'))], set(['b', 'c']), set([])),
            (vec![tag("none"), by(digest('d'))], set([]), set([])),
            (
                vec![ImageReference::Tag("w".to_owned(), Some(digest('a')))],
                set([]),
                set([]),
            ),
        ];
        for (references, whole, alone) in cases {
            let plan = Plan::of(&known, &references);
            let whole: BTreeSet<String> = whole.into_iter().map(digest).collect();
            let alone: BTreeSet<String> = alone.into_iter().map(str::to_owned).collect();
            assert_eq!((plan.whole, plan.alone), (whole, alone), "{references:?}");
        }
    }

    #[test]
    fn what_an_index_that_stays_names_stays_too() {
        let known = known(&[('a', &["v1"]), ('b', &["both"]), ('c', &["outer"])]);
        let indexes: Indexes = [
            (digest('b'), set([digest('a')])),
            (digest('c'), set([digest('b')])),
        ]
        .into();
        let planned = |tags: &[&str]| {
            let references: Vec<_> = tags.iter().map(|name| tag(name)).collect();
            let mut plan = Plan::of(&known, &references);
            plan.keep_what_indexes_need(&indexes);
            (plan.outcomes(&known, &references), plan.whole)
        };
        let (outcomes, whole) = planned(&["v1", "both"]);
        assert_eq!(whole, set([]));
        assert_eq!(
            outcomes,
            [
                Err(ImageFault::NeededBy(vec![digest('b')])),
                Err(ImageFault::NeededBy(vec![digest('c')]))
            ]
        );
        let (outcomes, whole) = planned(&["outer", "both", "v1"]);
        assert_eq!(whole, set([digest('a'), digest('b'), digest('c')]));
        assert!(outcomes.iter().all(Result::is_ok));
    }
}
