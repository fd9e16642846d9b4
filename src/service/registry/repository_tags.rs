//! Resource tags of repositories, which ECR's clients set and read.

use std::collections::BTreeSet;

use serde_json::json;

use crate::domain::instance::Instance;
use crate::domain::repository::{Repository, RepositoryId};
use crate::domain::tag::Tag;
use crate::domain::{Error, ErrorKind, Noun, Result};
use crate::policy::{Context, Permission, Resource};
use crate::service::call::Call;
use crate::service::ledger::actions::AuditAction;
use crate::service::ledger::event::Event;
use crate::service::registry::Registry;
use crate::service::registry::repositories::RepositoryChoice;
use crate::service::registry::tag_texts::{Tags, check_count, check_tags, text};
use crate::service::rights::instances::InstanceChoice;
use crate::service::rights::pairs;
use crate::store::repository as stored;

/// How often a change is tried while other calls are quicker.
const MAX_TRIES: usize = 8;

impl Registry {
    /// Lists the tags of a repository, by key.
    ///
    /// # Errors
    /// `NotFound` when what the call names isn't there, or is another account's; `AccessDenied`
    /// when policies don't allow it; those of the store.
    pub async fn repository_tags(
        &self,
        call: &Call<'_>,
        choice: &InstanceChoice,
        which: &RepositoryChoice,
    ) -> Result<Vec<Tag>> {
        let (_, repository) = self
            .permitted_repository(call, choice, which, Permission::ListRepositoryTags)
            .await?;
        let (_, tags) = self.read_tags(&repository.id).await?;
        let tag = |(key, value)| Tag { key, value };
        Ok(tags.into_iter().map(tag).collect())
    }

    /// Sets tags on a repository; tags of the same keys get new values.
    ///
    /// # Errors
    /// `NotFound` when what the call names isn't there, or is another account's; `AccessDenied`
    /// when policies don't allow it; `InvalidParameter` for a tag that isn't allowed;
    /// `QuotaExceeded` for too many; those of the store.
    pub async fn tag_repository(
        &self,
        call: &Call<'_>,
        choice: &InstanceChoice,
        which: &RepositoryChoice,
        tags: &[Tag],
    ) -> Result<()> {
        check_tags(tags)?;
        let (instance, repository) = self
            .permitted_repository(call, choice, which, Permission::TagRepository)
            .await?;
        self.authorize_tags(call, &instance, &repository.path(), tags)
            .await?;
        let keys: BTreeSet<&str> = tags.iter().map(|tag| tag.key.as_str()).collect();
        let event = call
            .event(AuditAction::RepositoryTag)
            .instance(&instance)
            .detail(json!({ "repository": repository.path(), "keys": keys }));
        self.change_tags(&repository, event, |all| {
            all.extend(tags.iter().map(|tag| (tag.key.clone(), tag.value.clone())));
            check_count(all.len())
        })
        .await
    }

    /// Removes the tags of these keys from a repository.
    ///
    /// # Errors
    /// `NotFound` when what the call names isn't there, or is another account's; `AccessDenied`
    /// when policies don't allow it; those of the store.
    pub async fn untag_repository(
        &self,
        call: &Call<'_>,
        choice: &InstanceChoice,
        which: &RepositoryChoice,
        keys: &[String],
    ) -> Result<()> {
        let (instance, repository) = self
            .permitted_repository(call, choice, which, Permission::UntagRepository)
            .await?;
        let event = call
            .event(AuditAction::RepositoryUntag)
            .instance(&instance)
            .detail(json!({ "repository": repository.path(), "keys": keys }));
        self.change_tags(&repository, event, |all| {
            all.retain(|key, _| !keys.contains(key));
            Ok(())
        })
        .await
    }

    /// Changes the tags as they are now, again where another call was quicker.
    async fn change_tags(
        &self,
        repository: &Repository,
        event: Event<'_>,
        change: impl Fn(&mut Tags) -> Result<()>,
    ) -> Result<()> {
        for _ in 0..MAX_TRIES {
            let (before, mut all) = self.read_tags(&repository.id).await?;
            change(&mut all)?;
            let part = stored::set_tags(repository, &before, &text(&all));
            match self.ledger.change(part, event.clone()).await {
                Err(error) if matches!(error.kind(), ErrorKind::NotFound { .. }) => {}
                done => return done,
            }
        }
        Err(Error::new(
            ErrorKind::Overloaded,
            "Many calls change the tags of this repository; try again in a moment.",
        ))
    }

    /// Refuses tags that a condition of a policy doesn't let the caller set.
    ///
    /// # Errors
    /// `AccessDenied`, and those of the store.
    pub(super) async fn authorize_tags(
        &self,
        call: &Call<'_>,
        instance: &Instance,
        path: &str,
        tags: &[Tag],
    ) -> Result<()> {
        let request_tags = pairs(tags);
        let context = Context {
            request_tags: &request_tags,
            ..call.policy_context()
        };
        let resource = Resource::Repository {
            instance: instance.into(),
            path,
        };
        self.rights
            .authorize_with(call, Permission::TagRepository, resource, context)
            .await
    }

    /// Reads the tags of a repository, and their text.
    async fn read_tags(&self, id: &RepositoryId) -> Result<(String, Tags)> {
        let text = stored::tags(&self.base.store, id).await?;
        let text = text.ok_or_else(|| Error::not_found(Noun::Repository, id))?;
        let tags = serde_json::from_str(&text).map_err(Error::internal)?;
        Ok((text, tags))
    }
}
