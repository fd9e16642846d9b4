//! Issues credentials, and lists, changes and deletes them.

pub(super) mod fixed_passwords;
mod rotation;
pub(super) mod service_accounts;

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use crate::domain::clock::Timestamp;
use crate::domain::credential::{
    self, CredentialId, CredentialState, LongTermCredential, SecretKind, Username,
};
use crate::domain::instance::Instance;
use crate::domain::notice::{Notice, NoticeKind, Subject};
use crate::domain::principal::Principal;
use crate::domain::secret::Secret;
use crate::domain::{Error, Noun, Result, name};
use crate::policy::{Context, Permission, Request, Resource};
use crate::service::access::passwords::Passwords;
use crate::service::base::Base;
use crate::service::call::Call;
use crate::service::ledger::Ledger;
use crate::service::ledger::actions::AuditAction;
use crate::service::ledger::event::Event;
use crate::service::ledger::queue::Share;
use crate::service::memory::Memory;
use crate::service::rights::instances::InstanceChoice;
use crate::service::rights::{Rights, Ruling, forbidden};
use crate::sign::sha256;
use crate::store;
use crate::store::page::{Listed, Page};
use crate::token::{Grant, Session};

/// The life of a long-term credential: 3650 days, as Tencent's contract has it.
const LONG_TERM_TTL: Duration = Duration::from_secs(3650 * 24 * 60 * 60);
/// The longest life of a temporary credential: 24 hours, as Alibaba's contract has it.
const MAX_TEMPORARY_TTL: Duration = Duration::from_secs(24 * 60 * 60);
/// The reason why a caller doesn't enable a credential or a service account.
pub(in crate::service) const DISABLED_FOR_GOOD: &str = "The account's root, the operator or \
                                                        `transire revoke` disabled it, and only \
                                                        the root and the operator enable it again.";

/// How long a temporary credential is to live; never longer than the session that asks for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lifetime {
    /// This long, at most 24 hours.
    AtMost(Duration),
    /// As long as the session that asks; this long for a caller without one.
    OfSessionOr(Duration),
}

impl Lifetime {
    /// Returns the end of a credential that is made `now`.
    fn end(self, now: Timestamp, session: Option<&Session>) -> Timestamp {
        match (self, session) {
            (Self::OfSessionOr(_), Some(session)) => session.expires_at,
            (Self::AtMost(ttl), Some(session)) => {
                session.expires_at.min(now.plus(ttl.min(MAX_TEMPORARY_TTL)))
            }
            (Self::AtMost(ttl) | Self::OfSessionOr(ttl), None) => {
                now.plus(ttl.min(MAX_TEMPORARY_TTL))
            }
        }
    }
}

/// The detail of the audit event, by which the credentials that a stolen key got are found.
#[derive(Serialize)]
struct IssuedBy<'a> {
    access_key_id: &'a str,
    expires_at: Timestamp,
}

/// A credential just made; its secret is shown this once.
#[derive(Debug)]
pub struct Issued {
    /// The username that logs in.
    pub username: String,
    /// The password that logs in.
    pub secret: Secret,
    /// The credential's own id.
    pub id: CredentialId,
    /// When it stops.
    pub expires_at: Timestamp,
    /// The instance that it logs in to.
    pub instance: Arc<Instance>,
}

/// Credentials, service accounts and fixed passwords.
pub struct Credentials {
    pub(super) base: Arc<Base>,
    pub(super) memory: Arc<Memory>,
    pub(super) ledger: Arc<Ledger>,
    pub(super) rights: Arc<Rights>,
    pub(super) passwords: Arc<Passwords>,
}

impl Credentials {
    /// Issues a temporary credential: it is sealed and stored nowhere.
    ///
    /// # Errors
    /// `NotFound` when what the call names isn't there, or is another account's; `AccessDenied`
    /// when policies don't allow it; `AuditUnavailable` when the audit must record it and can't;
    /// those of the store.
    pub async fn issue_temporary(
        &self,
        call: &Call<'_>,
        choice: &InstanceChoice,
        username: Username,
        lifetime: Lifetime,
    ) -> Result<Issued> {
        let instance = self
            .rights
            .permitted_instance(call, choice, Permission::IssueTemporary)
            .await?;
        let signer = call.caller.signer()?;
        let permit = self.ledger.queue.reserve(Share::Served)?;
        let now = call.now;
        let grant = Grant {
            id: CredentialId::random(&*self.base.random),
            principal: signer.principal.clone(),
            dependencies: signer.dependencies,
            instance: instance.id.clone(),
            username,
            session_policy: signer
                .session
                .and_then(|session| session.session_policy.clone()),
            narrowing: None,
            issued_at: now,
            expires_at: lifetime.end(now, signer.session),
            claims: signer
                .session
                .map(|session| session.claims.clone())
                .unwrap_or_default(),
        };
        let secret = self.memory.keys.keyring.load().seal(
            SecretKind::Temporary,
            &grant,
            &*self.base.random,
        )?;
        permit.record(
            &call
                .event(AuditAction::CredentialIssueTemporary)
                .credential(&grant.id)
                .instance(&instance)
                .detail(IssuedBy {
                    access_key_id: signer.access_key_id,
                    expires_at: grant.expires_at,
                }),
        );
        Ok(Issued {
            username: username.of(&grant.principal),
            secret,
            id: grant.id,
            expires_at: grant.expires_at,
            instance,
        })
    }

    /// Issues a long-term credential: it lives ten years, and only the hash of its secret is kept.
    ///
    /// # Errors
    /// `Unsupported` for a session; `NotFound` when what the call names isn't there, or is another
    /// account's; `AccessDenied` when policies don't allow it; `InvalidParameter` for a description
    /// that isn't allowed; `QuotaExceeded`; those of the store.
    pub async fn issue_long_term(
        &self,
        call: &Call<'_>,
        choice: &InstanceChoice,
        description: &str,
    ) -> Result<Issued> {
        let signer = call.caller.signer()?;
        if signer.session.is_some() {
            return Err(Error::unsupported(
                "A session can't get a long-term credential, which would outlive it; ask with a \
                 permanent access key, or for a temporary one.",
            ));
        }
        let instance = self
            .rights
            .permitted_instance(call, choice, Permission::IssueLongTerm)
            .await?;
        name::check_description("Desc", description)?;
        let principal = signer.principal.clone();
        let (stored, secret) = self.new_credential(call, &instance, principal, description);
        let event = call
            .event(AuditAction::CredentialIssueLongTerm)
            .credential(&stored.id)
            .made(stored.id.as_str())
            .instance(&instance)
            .detail(IssuedBy {
                access_key_id: signer.access_key_id,
                expires_at: stored.expires_at,
            });
        self.add_credential(&stored, event).await?;
        Ok(Issued {
            username: stored.username.of(&stored.principal),
            secret,
            id: stored.id,
            expires_at: stored.expires_at,
            instance,
        })
    }

    /// Makes a long-term credential that isn't stored yet, and its secret.
    fn new_credential(
        &self,
        call: &Call<'_>,
        instance: &Instance,
        principal: Principal,
        description: &str,
    ) -> (LongTermCredential, Secret) {
        let id = CredentialId::random(&*self.base.random);
        let secret = credential::long_term_secret(&id, &*self.base.random);
        let stored = LongTermCredential {
            id,
            instance: instance.id.clone(),
            principal,
            username: Username::NumericId,
            description: description.to_owned(),
            secret_hash: sha256(secret.expose().as_bytes()),
            older: None,
            state: CredentialState::Active,
            disabled_by: None,
            generation: 0,
            created_at: call.now,
            expires_at: call.now.plus(LONG_TERM_TTL),
            last_used_at: None,
        };
        (stored, secret)
    }

    /// Stores a new long-term credential.
    ///
    /// # Errors
    /// `QuotaExceeded`, and those of the store.
    async fn add_credential(&self, stored: &LongTermCredential, event: Event<'_>) -> Result<()> {
        let most = self.base.adjustable().quotas.long_term_credentials;
        let insert = store::credential::insert(stored, most);
        // No cache can have an entry of a credential that didn't exist, so nothing is invalidated.
        self.ledger
            .commit(event.onto(self.base.write().then(insert), &*self.base.random))
            .await?;
        self.memory.cache.add_credential_id(&stored.id);
        Ok(())
    }

    /// Lists the long-term credentials of an instance, the newest first, without their secrets.
    ///
    /// # Errors
    /// `NotFound` when what the call names isn't there, or is another account's; `AccessDenied`
    /// when policies don't allow it; those of the store.
    pub async fn credentials(
        &self,
        call: &Call<'_>,
        choice: &InstanceChoice,
    ) -> Result<Vec<LongTermCredential>> {
        let instance = self
            .rights
            .permitted_instance(call, choice, Permission::ListLongTerm)
            .await?;
        store::credential::list(&self.base.store, &instance.id).await
    }

    /// Lists a page of the long-term credentials of an instance, the newest first.
    ///
    /// # Errors
    /// `NotFound` when what the call names isn't there, or is another account's; `AccessDenied`
    /// when policies don't allow it; those of the store.
    pub async fn credential_page(
        &self,
        call: &Call<'_>,
        choice: &InstanceChoice,
        page: Page,
    ) -> Result<Listed<LongTermCredential>> {
        let instance = self
            .rights
            .permitted_instance(call, choice, Permission::ListLongTerm)
            .await?;
        store::credential::list_page(&self.base.store, &instance.id, page).await
    }

    /// Returns a long-term credential of an instance, without its secret.
    ///
    /// # Errors
    /// `NotFound` when what the call names isn't there, or is another account's; `AccessDenied`
    /// when policies don't allow it; those of the store.
    pub async fn credential(
        &self,
        call: &Call<'_>,
        choice: &InstanceChoice,
        id: &CredentialId,
    ) -> Result<LongTermCredential> {
        self.permitted_credential(call, choice, Permission::ListLongTerm, id)
            .await?;
        // Not the one of the cache, which doesn't follow the last use.
        let stored = store::credential::find(&self.base.store, id).await?;
        stored.ok_or_else(|| Error::not_found(Noun::Credential, id))
    }

    /// Replaces the description of a long-term credential.
    ///
    /// # Errors
    /// `NotFound` when what the call names isn't there, or is another account's; `AccessDenied`
    /// when policies don't allow it; `InvalidParameter` for a value that isn't allowed; those of
    /// the store.
    pub async fn set_credential_description(
        &self,
        call: &Call<'_>,
        choice: &InstanceChoice,
        id: &CredentialId,
        description: &str,
    ) -> Result<()> {
        name::check_description("Desc", description)?;
        let (instance, _) = self
            .permitted_credential(call, choice, Permission::ModifyLongTerm, id)
            .await?;
        let event = call
            .event(AuditAction::CredentialModify)
            .credential(id)
            .instance(&instance);
        self.ledger
            .change(store::credential::set_description(id, description), event)
            .await
    }

    /// Disables or enables a long-term credential.
    ///
    /// # Errors
    /// `InstanceNotFound`; `AccessDenied` when the caller may not change it, or enables one that
    /// the account's root or the operator disabled; `NotFound`; those of the store.
    pub async fn set_credential_state(
        &self,
        call: &Call<'_>,
        choice: &InstanceChoice,
        id: &CredentialId,
        state: CredentialState,
    ) -> Result<()> {
        let permission = Permission::ModifyLongTerm;
        let (instance, stored) = self
            .permitted_credential(call, choice, permission, id)
            .await?;
        if state == CredentialState::Active && !call.caller.level().may_enable(stored.disabled_by) {
            let resource = Resource::Instance((&*instance).into());
            let request = Request {
                permission,
                resource,
                context: call.policy_context(),
            };
            return Err(forbidden(
                call.caller,
                &request,
                Ruling::UNALLOWED,
                DISABLED_FOR_GOOD,
            ));
        }
        let action = match state {
            CredentialState::Active => AuditAction::CredentialEnable,
            CredentialState::Disabled => AuditAction::CredentialDisable,
        };
        let event = call.event(action).credential(id).instance(&instance);
        let is_stopped =
            state == CredentialState::Disabled && stored.state == CredentialState::Active;
        let revoked = is_stopped.then(|| self.revoked(Subject::credential(&stored), call));
        let set = store::credential::set_state(id, state, call.caller.level());
        self.ledger.change_and_tell(set, event, revoked).await
    }

    /// Deletes a long-term credential.
    ///
    /// # Errors
    /// `NotFound` when what the call names isn't there, or is another account's; `AccessDenied`
    /// when policies don't allow it; those of the store.
    pub async fn delete_credential(
        &self,
        call: &Call<'_>,
        choice: &InstanceChoice,
        id: &CredentialId,
    ) -> Result<()> {
        let (instance, stored) = self
            .permitted_credential(call, choice, Permission::DeleteLongTerm, id)
            .await?;
        let event = call
            .event(AuditAction::CredentialDelete)
            .credential(id)
            .instance(&instance);
        let revoked = self.revoked(Subject::credential(&stored), call);
        self.ledger
            .change_and_tell(store::credential::delete(id), event, Some(revoked))
            .await
    }

    /// Makes the notice of a secret that is stopped.
    fn revoked(&self, subject: Subject, call: &Call<'_>) -> Notice {
        self.ledger.notice(NoticeKind::Revoked, subject, call.now)
    }

    /// Returns the instance's long-term credential of this id, and the instance, if the caller may
    /// do this to it. Only such a caller learns whether it exists.
    ///
    /// # Errors
    /// `InstanceNotFound`; `AccessDenied` when policies don't allow it; `NotFound`; those of the
    /// store.
    async fn permitted_credential(
        &self,
        call: &Call<'_>,
        choice: &InstanceChoice,
        permission: Permission,
        id: &CredentialId,
    ) -> Result<(Arc<Instance>, Arc<LongTermCredential>)> {
        let instance = self.rights.own_instance(call, choice).await?;
        let stored = self
            .memory
            .cache
            .credential(&self.base.store, id)
            .await?
            .filter(|stored| stored.instance == instance.id);
        let owner = stored.as_ref().map(|stored| stored.principal.numeric_id());
        let context = Context {
            owner: owner.as_deref(),
            ..call.policy_context()
        };
        self.rights
            .authorize_with(
                call,
                permission,
                Resource::Instance((&*instance).into()),
                context,
            )
            .await?;
        Ok((
            instance,
            stored.ok_or_else(|| Error::not_found(Noun::Credential, id))?,
        ))
    }
}
