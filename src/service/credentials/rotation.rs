//! Credentials that operators make, and secrets that they replace (decision 38).
//!
//! A rotation gives a new secret at once. The one before is taken until its end, so that whoever
//! uses it has time to change over; an even older one is refused.

use std::time::Duration;

use serde_json::json;

use crate::domain::clock::Timestamp;
use crate::domain::credential::{self, CredentialId, LongTermCredential};
use crate::domain::notice::{Notice, NoticeKind, Subject};
use crate::domain::operator::OperatorPermission;
use crate::domain::principal::Principal;
use crate::domain::rotation::{Older, older_end};
use crate::domain::secret::Secret;
use crate::domain::service_account::{ServiceAccount, make_password};
use crate::domain::{Error, Noun, Result, name};
use crate::service::call::Call;
use crate::service::credentials::Credentials;
use crate::service::ledger::actions::AuditAction;
use crate::service::rights::instances::InstanceChoice;
use crate::sign::sha256;
use crate::store;

impl Credentials {
    /// Makes a long-term credential of the account's root, or of a user of it; its secret is shown
    /// this once.
    ///
    /// # Errors
    /// `OperatorDenied`, or `Unsupported` for no operator; `InstanceNotFound`; `NotFound` for an
    /// unknown user; `InvalidParameter` for a description that isn't allowed; `QuotaExceeded`;
    /// those of the store.
    pub async fn create_credential(
        &self,
        call: &Call<'_>,
        choice: &InstanceChoice,
        user: Option<&str>,
        description: &str,
    ) -> Result<(LongTermCredential, Secret)> {
        let permission = OperatorPermission::CredentialCreate;
        let instance = self
            .rights
            .administered_instance(call, choice, permission)
            .await?;
        name::check_description("description", description)?;
        let account = instance.account;
        let principal = match user {
            Some(user) => Principal::User(account, self.rights.named_user(account, user).await?.id),
            None => Principal::Root(account),
        };
        let (stored, secret) = self.new_credential(call, &instance, principal, description);
        let event = call
            .event(AuditAction::CredentialIssueLongTerm)
            .credential(&stored.id)
            .made(stored.id.as_str())
            .instance(&instance)
            .detail(json!({
                "issued_to": stored.principal.to_string(),
                "expires_at": stored.expires_at,
            }));
        self.add_credential(&stored, event).await?;
        Ok((stored, secret))
    }

    /// Gives a long-term credential another secret, which is returned and shown this once. The one
    /// before is taken for `grace` more; one from before that is refused at once.
    ///
    /// # Errors
    /// `OperatorDenied`, or `Unsupported` for no operator; `InstanceNotFound`; `NotFound`;
    /// `InvalidParameter` for a grace above 30 days; those of the store.
    pub async fn rotate_credential(
        &self,
        call: &Call<'_>,
        choice: &InstanceChoice,
        id: &CredentialId,
        grace: Duration,
    ) -> Result<(LongTermCredential, Secret)> {
        let permission = OperatorPermission::CredentialRotate;
        let instance = self
            .rights
            .administered_instance(call, choice, permission)
            .await?;
        let older_ends_at = older_end(grace, call.now)?;
        let found = store::credential::find(&self.base.store, id).await?;
        let found = found.filter(|stored| stored.instance == instance.id);
        let before = found.ok_or_else(|| Error::not_found(Noun::Credential, id))?;
        let secret = credential::long_term_secret(id, &*self.base.random);
        let hash = sha256(secret.expose().as_bytes());
        let event = call
            .event(AuditAction::CredentialRotate)
            .credential(id)
            .instance(&instance)
            .detail(json!({ "older_secret_ends_at": older_ends_at.unwrap_or(call.now) }));
        let rotate = store::credential::rotate(id, &hash, older_ends_at);
        let rotated = Notice {
            ends_at: Some(older_ends_at.unwrap_or(call.now)),
            ..self
                .ledger
                .notice(NoticeKind::Rotated, Subject::credential(&before), call.now)
        };
        self.ledger
            .change_and_tell(rotate, event, Some(rotated))
            .await?;
        let older = older(before.secret_hash, older_ends_at);
        let after = LongTermCredential {
            secret_hash: hash,
            older,
            ..before
        };
        Ok((after, secret))
    }

    /// Gives a service account a made password, which is returned and shown this once. The one
    /// before is taken for `grace` more; one from before that is refused at once.
    ///
    /// # Errors
    /// `OperatorDenied`, or `Unsupported` for no operator; `InstanceNotFound`; `NotFound`;
    /// `InvalidParameter` for a grace above 30 days; those of the store.
    pub async fn rotate_service_account(
        &self,
        call: &Call<'_>,
        choice: &InstanceChoice,
        name: &str,
        grace: Duration,
    ) -> Result<(ServiceAccount, Secret)> {
        let permission = OperatorPermission::ServiceAccountRotate;
        let instance = self
            .rights
            .administered_instance(call, choice, permission)
            .await?;
        let older_ends_at = older_end(grace, call.now)?;
        let before = self
            .rights
            .stored_service_account(&instance.id, name)
            .await?;
        let password = make_password(&*self.base.random);
        let hash = sha256(password.expose().as_bytes());
        let event = call
            .event(AuditAction::ServiceAccountRotate)
            .instance(&instance)
            .detail(json!({
                "service_account": before.username(),
                "older_secret_ends_at": older_ends_at.unwrap_or(call.now),
            }));
        let rotate = store::service_account::rotate(&before, hash, older_ends_at, call.now);
        let subject = Subject::service_account(&before, instance.account);
        let rotated = Notice {
            ends_at: Some(older_ends_at.unwrap_or(call.now)),
            ..self.ledger.notice(NoticeKind::Rotated, subject, call.now)
        };
        self.ledger
            .change_and_tell(rotate, event, Some(rotated))
            .await?;
        let older = older(before.secret.clone(), older_ends_at);
        Ok((ServiceAccount { older, ..before }, password))
    }
}

fn older<S>(secret: S, ends_at: Option<Timestamp>) -> Option<Older<S>> {
    ends_at.map(|ends_at| Older { secret, ends_at })
}
