//! Lifecycle policies of repositories: kept and shown for ECR's clients, and carried out when the
//! operator says so.
//!
//! Divergence: registries don't say when an image was pushed, so the time is when the image says
//! that it was made. An image that doesn't say it, or names a time before there were images, as
//! reproducible builds do, is neither expired nor counted.

mod document;
mod evaluation;

use std::collections::BTreeMap;

use serde_json::json;

use self::evaluation::{Candidate, Rule, evaluate};
use crate::domain::clock::Timestamp;
use crate::domain::image::{ImageFault, ImageReference, TaggedImage};
use crate::domain::instance::Instance;
use crate::domain::operator::OperatorPermission;
use crate::domain::repository::Repository;
use crate::domain::{Error, Noun, Result};
use crate::policy::Permission;
use crate::service::call::Call;
use crate::service::ledger::actions::AuditAction;
use crate::service::registry::Registry;
use crate::service::registry::repositories::RepositoryChoice;
use crate::service::rights::instances::InstanceChoice;
use crate::store::repository as stored;
pub use crate::store::repository::StoredLifecycle;

/// The images that one run deletes; the next run goes on.
const MAX_IMAGES: usize = 1000;
/// The images that are deleted while the repository is held.
const MAX_AT_ONCE: usize = 100;
/// The earliest time that is believed, the beginning of 2013: no image is older.
const FIRST_IMAGES: Timestamp = Timestamp::from_unix_seconds(1_356_998_400);

/// An image that a rule expires.
#[derive(Clone, Debug)]
pub struct ExpiredImage {
    /// The image.
    pub image: TaggedImage,
    /// The priority of the rule.
    pub rule: u32,
    /// Its fate.
    pub fate: ImageFate,
}

/// The fate of an expired image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImageFate {
    /// It would be deleted: nothing is in a dry run.
    Listed,
    /// It was deleted.
    Deleted,
    /// It stays, because an index that stays names it.
    Needed,
    /// It stays, because its tags changed meanwhile.
    Changed,
}

/// The outcome of a run of a lifecycle policy.
#[derive(Clone, Debug)]
pub struct LifecycleRun {
    /// The images that rules expire, the oldest first.
    pub images: Vec<ExpiredImage>,
    /// How many images say no time that could be believed.
    pub without_time: usize,
    /// Whether nothing is left for another run.
    pub is_complete: bool,
}

/// Whether a run deletes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunMode {
    /// It does.
    Delete,
    /// It only says what would go.
    DryRun,
}

impl Registry {
    /// Sets or removes the lifecycle policy of a repository, and returns the one before.
    ///
    /// # Errors
    /// `NotFound` when what the call names isn't there, or is another account's, or there is no
    /// policy to remove; `AccessDenied` when policies don't allow it; `InvalidParameter` for a
    /// document that isn't allowed; those of the store.
    pub async fn set_lifecycle(
        &self,
        call: &Call<'_>,
        choice: &InstanceChoice,
        which: &RepositoryChoice,
        text: Option<&str>,
    ) -> Result<Option<StoredLifecycle>> {
        let rules = text.map(document::read).transpose()?;
        let permission = match text {
            Some(_) => Permission::PutLifecyclePolicy,
            None => Permission::DeleteLifecyclePolicy,
        };
        let (instance, repository) = self
            .permitted_repository(call, choice, which, permission)
            .await?;
        let before = self.stored_lifecycle(&repository).await?;
        if text.is_none() && before.is_none() {
            return Err(none(&repository));
        }
        let detail = json!({
            "repository": repository.path(),
            "rules": rules.map(|rules| rules.len()),
        });
        let event = call
            .event(AuditAction::RepositorySetLifecycle)
            .instance(&instance)
            .detail(detail);
        let part = stored::set_lifecycle(&repository, text.unwrap_or_default());
        self.ledger.change(part, event).await?;
        Ok(before)
    }

    /// Returns the lifecycle policy of a repository.
    ///
    /// # Errors
    /// `NotFound` when what the call names isn't there, or is another account's, or there is no
    /// policy; `AccessDenied` when policies don't allow it; those of the store.
    pub async fn lifecycle(
        &self,
        call: &Call<'_>,
        choice: &InstanceChoice,
        which: &RepositoryChoice,
    ) -> Result<StoredLifecycle> {
        let (_, repository) = self
            .permitted_repository(call, choice, which, Permission::GetLifecyclePolicy)
            .await?;
        let found = self.stored_lifecycle(&repository).await?;
        found.ok_or_else(|| none(&repository))
    }

    async fn stored_lifecycle(&self, repository: &Repository) -> Result<Option<StoredLifecycle>> {
        let found = stored::lifecycle(&self.base.store, &repository.id).await?;
        Ok(found.filter(|found| !found.text.is_empty()))
    }

    /// Carries out the lifecycle policy of a repository, or says what it would delete.
    ///
    /// # Errors
    /// `OperatorDenied`, or `Unsupported` for no operator; `NotFound` when what the call names
    /// isn't there, or there is no policy; `Unsupported` without a registry, or one that deletes
    /// nothing; those of the registry's answer; those of the store.
    pub async fn apply_lifecycle(
        &self,
        call: &Call<'_>,
        choice: &InstanceChoice,
        which: &RepositoryChoice,
        mode: RunMode,
    ) -> Result<LifecycleRun> {
        let permission = OperatorPermission::RepositoryDelete;
        let instance = self
            .rights
            .administered_instance(call, choice, permission)
            .await?;
        let (_, repository) = self
            .permitted_repository(call, choice, which, Permission::GetLifecyclePolicy)
            .await?;
        let policy = self.stored_lifecycle(&repository).await?;
        let policy = policy.ok_or_else(|| none(&repository))?;
        let rules = document::read(&policy.text)?;
        let images = self.every_image(call, &instance, &repository).await?;
        let mut run = expired(&rules, images, call.now);
        if mode == RunMode::DryRun {
            return Ok(run);
        }
        run.is_complete = run.images.len() <= MAX_IMAGES;
        run.images.truncate(MAX_IMAGES);
        self.delete_expired(call, &instance, &repository, &mut run.images)
            .await?;
        let deleted = |one: &&ExpiredImage| one.fate == ImageFate::Deleted;
        let detail = json!({
            "repository": repository.path(),
            "deleted": run.images.iter().filter(deleted).count(),
            "expired": run.images.len(),
        });
        let event = call
            .event(AuditAction::RepositoryApplyLifecycle)
            .instance(&instance)
            .detail(detail);
        let part = stored::note_lifecycle_run(&repository, call.now);
        self.ledger.change(part, event).await?;
        Ok(run)
    }

    async fn delete_expired(
        &self,
        call: &Call<'_>,
        instance: &Instance,
        repository: &Repository,
        images: &mut [ExpiredImage],
    ) -> Result<()> {
        // An index and its images may be in different parts. It comes after them, so the last part
        // goes first.
        for part in images.rchunks_mut(MAX_AT_ONCE) {
            let references: Vec<ImageReference> = part
                .iter()
                .map(|one| ImageReference::Digest(one.image.digest.clone()))
                .collect();
            let unchanged: BTreeMap<&str, &[String]> = part
                .iter()
                .map(|one| (one.image.digest.as_str(), one.image.tags.as_slice()))
                .collect();
            let fates = self
                .delete_unchanged(call, instance, repository, &references, Some(&unchanged))
                .await?;
            for (one, fate) in part.iter_mut().zip(fates) {
                one.fate = match fate {
                    Ok(_) => ImageFate::Deleted,
                    Err(ImageFault::NeededBy(_)) => ImageFate::Needed,
                    Err(_) => ImageFate::Changed,
                };
            }
        }
        Ok(())
    }
}

fn none(repository: &Repository) -> Error {
    Error::not_found(
        Noun::LifecyclePolicy,
        format!("of the repository {}", repository.path()),
    )
}

/// Returns the images that rules expire, the oldest first.
fn expired(rules: &[Rule], images: Vec<TaggedImage>, now: Timestamp) -> LifecycleRun {
    let all = images.len();
    let with_time = |image: TaggedImage| {
        let made_at = image.contents.created_at?;
        (made_at >= FIRST_IMAGES).then_some((made_at, image))
    };
    let timed: Vec<(Timestamp, TaggedImage)> = images.into_iter().filter_map(with_time).collect();
    let candidates: Vec<Candidate<'_>> = timed
        .iter()
        .map(|(made_at, image)| Candidate {
            digest: &image.digest,
            tags: &image.tags,
            made_at: *made_at,
        })
        .collect();
    let priorities = evaluate(rules, &candidates, now);
    let without_time = all - timed.len();
    let mut expired: Vec<(Timestamp, ExpiredImage)> = timed
        .into_iter()
        .zip(priorities)
        .filter_map(|((made_at, image), rule)| {
            let fate = ImageFate::Listed;
            let rule = rule?;
            Some((made_at, ExpiredImage { image, rule, fate }))
        })
        .collect();
    // An index is as old as its youngest image, and comes after it.
    expired.sort_by(|(one, first), (other, second)| {
        let (first, second) = (&first.image, &second.image);
        (one, first.is_index(), &first.digest).cmp(&(other, second.is_index(), &second.digest))
    });
    LifecycleRun {
        images: expired.into_iter().map(|(_, image)| image).collect(),
        without_time,
        is_complete: true,
    }
}

#[cfg(test)]
mod tests {
    use super::evaluation::{Count, Selection};
    use super::*;
    use crate::domain::image::ImageContents;

    fn image(digest: &str, created_at: Option<i64>) -> TaggedImage {
        TaggedImage {
            digest: digest.to_owned(),
            tags: vec![digest.to_owned()],
            media_type: String::new(),
            contents: ImageContents {
                created_at: created_at.map(Timestamp::from_unix_seconds),
                ..ImageContents::default()
            },
        }
    }

    #[test]
    fn an_image_without_a_time_is_neither_expired_nor_counted() {
        let first = FIRST_IMAGES.unix_seconds();
        let images = vec![
            image("a", Some(first + 2)),
            image("b", None),
            image("c", Some(0)),
            image("d", Some(first - 1)),
            image("e", Some(first)),
            image("f", Some(first + 1)),
        ];
        let rule = Rule {
            priority: 7,
            selection: Selection::Any,
            count: Count::MoreThan(1),
        };
        let run = expired(&[rule], images, Timestamp::from_unix_seconds(first + 9));
        let digests: Vec<&str> = run
            .images
            .iter()
            .map(|one| one.image.digest.as_str())
            .collect();
        assert_eq!((digests, run.without_time), (vec!["e", "f"], 3));
        assert!(run.images.iter().all(|one| one.rule == 7));
    }
}
