//! Log-ins at the registry door.

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use subtle::ConstantTimeEq;

use crate::domain::claims::Claims;
use crate::domain::clock::Timestamp;
use crate::domain::credential::{
    self, CredentialId, CredentialState, LongTermCredential, SecretKind,
};
use crate::domain::instance::Instance;
use crate::domain::jwt;
use crate::domain::password::may_be_chosen;
use crate::domain::refusal::RefusalCause;
use crate::domain::rotation::Presented;
use crate::domain::secret::Secret;
use crate::domain::service_account::ServiceAccount;
use crate::domain::{Error, ErrorKind, Result};
use crate::service::access::Access;
use crate::service::access::caller::{Caller, Proof};
use crate::service::access::passwords::Failed;
use crate::service::access::presented::{Accepted, LogIn};
use crate::service::access::reach::check_reach;
use crate::service::access::validity::older_ended;
use crate::service::limits::attempt::Attempt;
use crate::service::memory::reads;
use crate::service::memory::staleness::downgraded;
use crate::service::request::RequestContext;
use crate::token::{Dependency, Grant};

impl Access {
    /// Logs in at the registry door; `service` picks the instance.
    ///
    /// # Errors
    /// [`ErrorKind::BadCredentials`] for each [`RefusalCause`], which is its source: clients hear
    /// the same.
    pub async fn log_in(
        &self,
        service: &str,
        log_in: &LogIn,
        context: &RequestContext,
    ) -> Result<Caller> {
        self.memory.require_fresh().await?;
        let mut attempt = Attempt::new(context.address);
        // A key seals nothing for half a minute after the feed told of it, so a log-in needs none
        // of which the feed tells later: keys may change faster than they are read.
        let needed = self.memory.cache.key_changes();
        let mut has_keys = self.memory.has_keys(needed);
        let mut proved = self
            .prove_log_in(service, log_in, &mut attempt, context)
            .await
            .map_err(Error::from);
        if let Err(failed) = &proved
            && *failed.kind() == ErrorKind::BadCredentials
            && !has_keys
        {
            // By the new keys it may be right, and without them it can't be called wrong.
            let reading = self.memory.read_keys(needed, self.priority_of(context));
            has_keys = Box::pin(reading).await;
            if has_keys {
                let again = self.prove_log_in(service, log_in, &mut attempt, context);
                proved = Box::pin(again).await.map_err(Error::from);
            }
        }
        let failed = match proved {
            Ok(proof) => {
                self.limits.give_back(&attempt);
                let caller = Caller::from(proof);
                self.note_use(&caller, self.base.now());
                return Ok(caller);
            }
            Err(failed) => failed,
        };
        self.note_refusal(service, log_in, &failed);
        let is_stale = !has_keys || self.memory.is_cut_off();
        let error = self.downgrade_log_in(failed, log_in, is_stale).await;
        Err(self.charge_failure(log_in, &mut attempt, error))
    }

    async fn prove_log_in(
        &self,
        service: &str,
        log_in: &LogIn,
        attempt: &mut Attempt,
        context: &RequestContext,
    ) -> Result<Proof, Failed> {
        let instance = self.named_instance(service, log_in, attempt).await?;
        if let Some(instance) = &instance
            && !instance.is_open_to_all()
        {
            // Before the credential is looked at: whoever may not come in learns nothing of it.
            Box::pin(check_reach(&self.memory, instance, context)).await?;
        }
        match (log_in, instance) {
            (LogIn::Anonymous, Some(instance)) => {
                // A token costs a signature, and this one opens nothing: no stranger may ask for
                // many. It isn't a refusal, either: whoever pulls what is public does nothing
                // wrong.
                self.limits.count_anonymous(context)?;
                Ok(Proof::Anonymous { instance })
            }
            (LogIn::Anonymous, None) => Err(Error::invalid_parameter(
                "service",
                format!(
                    "no instance has the service {service:?}; set the registry's \
                     auth.token.service to an instance's service"
                ),
            )
            .into()),
            (
                LogIn::Password {
                    username,
                    secret,
                    accepted,
                },
                instance,
            ) => {
                accepted.check(secret)?;
                let given = (secret, *accepted);
                self.log_in_by_password(instance, username, given, attempt, context)
                    .await
            }
            (LogIn::Refresh { token }, instance) => self
                .log_in_by_refresh_token(instance, token, context)
                .await
                .map_err(Failed::from),
        }
    }

    /// Tells whether a log-in that was refused is so whatever changed unheard: its time is over.
    /// The holder of such a one does well to get another.
    pub(in crate::service) async fn is_definitively_invalid(&self, log_in: &LogIn) -> bool {
        let now = self.base.now();
        let is_over = |kind, secret: &Secret| {
            self.memory
                .keys
                .keyring
                .load()
                .open(kind, secret.expose())
                .is_some_and(|grant| grant.expires_at <= now)
        };
        match log_in {
            LogIn::Anonymous => false,
            LogIn::Password { secret, .. } => match credential::long_term_id(secret.expose()) {
                Some(id) => match self.memory.cache.credential(&self.base.store, &id).await {
                    Ok(Some(stored)) => {
                        // A secret that is wrong here may be the one of a rotation elsewhere.
                        stored.expires_at <= now
                    }
                    Ok(None) | Err(_) => false,
                },
                None => is_over(SecretKind::Temporary, secret),
            },
            LogIn::Refresh { token } => is_over(SecretKind::Refresh, token),
        }
    }

    async fn log_in_by_password(
        &self,
        instance: Option<Arc<Instance>>,
        username: &str,
        (secret, accepted): (&Secret, Accepted),
        attempt: &mut Attempt,
        context: &RequestContext,
    ) -> Result<Proof, Failed> {
        if accepted == Accepted::Carried {
            let log_in = self.log_in_as_role(instance, username, secret, context);
            return Ok(Box::pin(log_in).await?);
        }
        // Before anything that hashes slowly: a job's token is no password.
        if jwt::has_form(secret.expose()) {
            let log_in = self.log_in_by_token(instance, username, secret, attempt, context);
            return Ok(Box::pin(log_in).await?);
        }
        // Apart: what hashes slowly is large, and sealed credentials come far more often.
        if let Some(name) = username.strip_prefix(ServiceAccount::PREFIX) {
            let account =
                Box::pin(self.service_account_of(instance.as_deref(), name, secret, attempt))
                    .await?;
            let instance =
                instance.ok_or_else(|| Error::bad_credentials(RefusalCause::UnknownService))?;
            return Ok(Proof::ServiceAccount { instance, account });
        }
        if let Some(at) = &instance
            && let Some(principal) =
                Box::pin(self.principal_of_old_name(at, username, secret, attempt, context)).await?
        {
            let instance = Arc::clone(at);
            return Ok(Proof::WithPassword {
                instance,
                principal,
            });
        }
        if may_be_chosen(secret.expose()) {
            let principal =
                Box::pin(self.principal_of(instance.as_deref(), username, secret, attempt)).await?;
            let instance =
                instance.ok_or_else(|| Error::bad_credentials(RefusalCause::UnknownService))?;
            return Ok(Proof::WithPassword {
                instance,
                principal,
            });
        }
        let grant = self.grant_of_secret(secret, attempt, context).await?;
        let instance = check_instance(instance, &grant)?;
        let own = grant.username.of(&grant.principal);
        if own != username {
            let decided = format!("it logs in as {own}");
            return Err(Error::bad_credentials(RefusalCause::OtherUsername)
                .decided_by(decided)
                .into());
        }
        Ok(self.logged_in(instance, grant, None).await?)
    }

    /// Returns what a secret that this service made says, if it is good.
    async fn grant_of_secret(
        &self,
        secret: &Secret,
        attempt: &mut Attempt,
        context: &RequestContext,
    ) -> Result<Grant> {
        let now = self.base.now();
        let Some(id) = credential::long_term_id(secret.expose()) else {
            let grant = self.granted(SecretKind::Temporary, secret, context).await?;
            self.check_validity(&grant, now).await?;
            return Ok(grant);
        };
        let stored = match self.memory.cache.known_credential(&id) {
            Some(known) => Some(known),
            None => Box::pin(self.look_up_credential(&id, attempt)).await?,
        };
        // An unknown id costs the same hash and comparison as a known one.
        let hash = digest(&SHA256, secret.expose().as_bytes());
        let is = |expected: Option<&[u8; 32]>| -> bool {
            hash.as_ref().ct_eq(expected.unwrap_or(&[0; 32])).into()
        };
        let older = stored.as_ref().and_then(|stored| stored.older.as_ref());
        let is_current = is(stored.as_ref().map(|stored| &stored.secret_hash));
        let is_older = is(older.map(|older| &older.secret));
        let Some(stored) = &stored else {
            return Err(Error::bad_credentials(RefusalCause::UnknownCredential));
        };
        let presented = match older {
            _ if is_current => Presented::Current,
            Some(older) if is_older => Presented::Older(older.ends_at),
            _ => return Err(Error::bad_credentials(RefusalCause::WrongSecret)),
        };
        self.long_term_grant(stored, presented, now).await
    }

    /// Finds a long-term credential that memory lacks. One that is surely there is looked up
    /// whoever asks.
    async fn look_up_credential(
        &self,
        id: &CredentialId,
        attempt: &mut Attempt,
    ) -> Result<Option<Arc<LongTermCredential>>> {
        let _permit = if self
            .memory
            .cache
            .has_credential(&self.base.store, id)
            .await?
        {
            None
        } else {
            self.limits.lookup_permit(attempt).await?
        };
        self.memory.cache.credential(&self.base.store, id).await
    }

    async fn log_in_by_refresh_token(
        &self,
        instance: Option<Arc<Instance>>,
        token: &Secret,
        context: &RequestContext,
    ) -> Result<Proof> {
        let mut grant = self.granted(SecretKind::Refresh, token, context).await?;
        if !grant
            .dependencies
            .iter()
            .any(|(dependency, _)| matches!(dependency, Dependency::RefreshTokens(_)))
        {
            // Sealed before instances could refuse their refresh tokens: of the first generation.
            grant
                .dependencies
                .push((Dependency::RefreshTokens(grant.instance.clone()), 0));
        }
        self.check_validity(&grant, self.base.now()).await?;
        let instance = check_instance(instance, &grant)?;
        self.logged_in(instance, grant, Some(token.clone())).await
    }

    pub(super) async fn granted(
        &self,
        kind: SecretKind,
        secret: &Secret,
        context: &RequestContext,
    ) -> Result<Grant> {
        let opened = self
            .opened(kind, secret.expose(), context, |keyring| {
                keyring.open(kind, secret.expose())
            })
            .await?;
        opened.ok_or_else(|| Error::bad_credentials(RefusalCause::UnreadableSecret))
    }

    /// Returns what a stored credential would say if it were sealed.
    async fn long_term_grant(
        &self,
        stored: &LongTermCredential,
        presented: Presented,
        now: Timestamp,
    ) -> Result<Grant> {
        let expires_at = match presented {
            Presented::Current => stored.expires_at,
            Presented::Older(ends_at) => stored.expires_at.min(ends_at),
        };
        reads::note_until(expires_at);
        let dependency = self
            .states()
            .principal_dependency(&stored.principal)
            .await?
            .map_err(Error::bad_credentials)?;
        let grant = Grant {
            id: stored.id.clone(),
            principal: stored.principal.clone(),
            dependencies: vec![
                dependency,
                (
                    Dependency::LongTerm(stored.id.clone()),
                    stored.generation_of(presented),
                ),
            ],
            instance: stored.instance.clone(),
            username: stored.username,
            session_policy: None,
            narrowing: None,
            issued_at: stored.created_at,
            expires_at,
            claims: Claims::default(),
        };
        match stored.state {
            CredentialState::Disabled => {
                Err(Error::bad_credentials(RefusalCause::CredentialDisabled))
            }
            CredentialState::Active if stored.expires_at <= now => {
                Err(Error::bad_credentials(RefusalCause::Expired)
                    .decided_by(ended(stored.expires_at)))
            }
            CredentialState::Active if presented.is_over(now) => {
                Err(Error::bad_credentials(RefusalCause::Expired)
                    .decided_by(older_ended(expires_at)))
            }
            CredentialState::Active => Ok(grant),
        }
    }

    /// Fails unless a grant hasn't expired and all its dependencies are valid.
    pub(super) async fn check_validity(&self, grant: &Grant, now: Timestamp) -> Result<()> {
        let fault = self
            .states()
            .fault_of(&grant.id, &grant.dependencies, grant.expires_at, now)
            .await?;
        fault.map_or(Ok(()), |cause| {
            let error = Error::bad_credentials(cause);
            Err(match cause {
                RefusalCause::Expired => error.decided_by(ended(grant.expires_at)),
                _ => error,
            })
        })
    }

    pub(super) async fn logged_in(
        &self,
        instance: Arc<Instance>,
        grant: Grant,
        refresh_token: Option<Secret>,
    ) -> Result<Proof> {
        let policy = self
            .session_policy(grant.principal.account(), grant.session_policy.as_ref())
            .await?;
        let session_policy = policy.map_err(Error::bad_credentials)?.map(Box::new);
        Ok(Proof::LoggedIn {
            instance,
            grant: Box::new(grant),
            session_policy,
            refresh_token,
        })
    }

    /// Turns the refusal of a log-in that may rest on a stale cache into `StoreUnavailable`, unless
    /// the log-in is wrong whatever changed.
    async fn downgrade_log_in(&self, error: Error, log_in: &LogIn, is_stale: bool) -> Error {
        if error.kind() == &ErrorKind::BadCredentials
            && is_stale
            && !Box::pin(self.is_definitively_invalid(log_in)).await
        {
            return downgraded(&error);
        }
        error
    }
}

/// Says when a credential's or a session's time ended.
pub(super) fn ended(at: Timestamp) -> String {
    format!("it expired at {}", at.rfc3339())
}

/// Returns the instance that the client named, if the credential is for it.
pub(super) fn check_instance(
    instance: Option<Arc<Instance>>,
    grant: &Grant,
) -> Result<Arc<Instance>> {
    match instance {
        None => Err(Error::bad_credentials(RefusalCause::UnknownService)),
        Some(instance) if instance.id != grant.instance => {
            let decided = format!("it is for {}", grant.instance);
            Err(Error::bad_credentials(RefusalCause::OtherInstance).decided_by(decided))
        }
        Some(instance) => Ok(instance),
    }
}
