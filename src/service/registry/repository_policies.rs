//! Policies of repositories, which decide beside those of principals.

use serde_json::json;

use crate::domain::repository::Repository;
use crate::domain::{Error, Noun, Result};
use crate::policy::{Limits, Permission, RepositoryPolicy};
use crate::service::call::Call;
use crate::service::ledger::actions::AuditAction;
use crate::service::registry::Registry;
use crate::service::registry::repositories::RepositoryChoice;
use crate::service::rights::instances::InstanceChoice;
use crate::store::repository_policy as stored;

impl Registry {
    /// Sets or removes the policy of a repository, and returns the one before.
    ///
    /// # Errors
    /// `NotFound` when what the call names isn't there, or is another account's, or there is no
    /// policy to remove; `AccessDenied` when policies don't allow it; `InvalidParameter` of
    /// `policyText` for a document that isn't allowed; those of the store.
    pub async fn set_repository_policy(
        &self,
        call: &Call<'_>,
        choice: &InstanceChoice,
        which: &RepositoryChoice,
        text: Option<&str>,
    ) -> Result<Option<String>> {
        let policy = text.map(read).transpose()?;
        let permission = match text {
            Some(_) => Permission::SetRepositoryPolicy,
            None => Permission::DeleteRepositoryPolicy,
        };
        let (instance, repository) = self
            .permitted_repository(call, choice, which, permission)
            .await?;
        let before = stored::find(&self.base.store, &repository.id).await?;
        if text.is_none() && before.is_none() {
            return Err(none(&repository));
        }
        let detail = json!({
            "repository": repository.path(),
            "statements": policy.map(|policy| policy.statements()),
        });
        let event = call
            .event(AuditAction::RepositorySetPolicy)
            .instance(&instance)
            .detail(detail);
        let part = stored::set(&repository, text.unwrap_or_default());
        self.ledger.change(part, event).await?;
        Ok(before)
    }

    /// Returns the policy of a repository, to the letter.
    ///
    /// # Errors
    /// `NotFound` when what the call names isn't there, or is another account's, or there is no
    /// policy; `AccessDenied` when policies don't allow it; those of the store.
    pub async fn repository_policy(
        &self,
        call: &Call<'_>,
        choice: &InstanceChoice,
        which: &RepositoryChoice,
    ) -> Result<String> {
        let (_, repository) = self
            .permitted_repository(call, choice, which, Permission::GetRepositoryPolicy)
            .await?;
        let found = stored::find(&self.base.store, &repository.id).await?;
        found.ok_or_else(|| none(&repository))
    }
}

fn read(text: &str) -> Result<RepositoryPolicy> {
    RepositoryPolicy::parse(text, Limits::REPOSITORY).map_err(|error| {
        Error::invalid_parameter(
            "policyText",
            format!(
                "Invalid parameter at 'PolicyText' failed to satisfy constraint: 'Invalid \
                 repository policy provided: {}'",
                error.message()
            ),
        )
    })
}

fn none(repository: &Repository) -> Error {
    Error::not_found(
        Noun::RepositoryPolicy,
        format!("of the repository {}", repository.path()),
    )
}
