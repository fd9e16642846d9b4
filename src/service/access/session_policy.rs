//! Session policies, and where their texts are.

use crate::domain::ids::AccountId;
use crate::domain::refusal::RefusalCause;
use crate::domain::{Error, Result};
use crate::policy::{Document, Limits};
use crate::service::access::Access;
use crate::token::SessionPolicy;

impl Access {
    /// Compiles the policy of a session of the account. A text that is in no secret is read from
    /// memory, or once from the store. Where it is stored no more, nobody can say what it forbids,
    /// and all that it narrows is refused for that cause.
    ///
    /// # Errors
    /// `StoreUnavailable` when it can't be read now.
    pub(super) async fn session_policy(
        &self,
        account: AccountId,
        policy: Option<&SessionPolicy>,
    ) -> Result<Result<Option<Document>, RefusalCause>> {
        let document = match policy {
            None => return Ok(Ok(None)),
            Some(SessionPolicy::Stored(digest)) => {
                let stored = Box::pin(self.memory.cache.session_policy(
                    &self.base.store,
                    account,
                    *digest,
                ))
                .await?;
                let Some(stored) = stored else {
                    return Ok(Err(RefusalCause::SessionPolicyGone));
                };
                read(&stored)?
            }
            Some(carried) => read(&carried.document()?.unwrap_or_default())?,
        };
        Ok(Ok(Some(document)))
    }
}

/// Compiles a session policy that was checked when the session was opened.
fn read(text: &str) -> Result<Document> {
    Document::parse(text, Limits::SESSION)
        .map(|checked| checked.document)
        .map_err(|error| Error::internal("a session policy can't be read").caused_by(error))
}
