//! Log-ins at the registry door.

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use subtle::ConstantTimeEq;

use super::{Caller, Identity};
use crate::domain::clock::Timestamp;
use crate::domain::credential::{self, CredentialId, CredentialState, LongTermCredential, SecretKind};
use crate::domain::instance::Instance;
use crate::domain::password::may_be_chosen;
use crate::domain::refusal::{ClaimedName, RefusalCause};
use crate::domain::scope::Scope;
use crate::domain::secret::Secret;
use crate::domain::service_account::{self, ServiceAccount};
use crate::domain::{Error, ErrorKind, Result};
use crate::service::log_ins::{Effort, Failure, Slowed};
use crate::service::passwords::Failed;
use crate::service::refusals::Claim;
use crate::service::{RequestContext, Service};
use crate::token::{Grant, Ground};

/// What a registry client proves itself with.
pub enum LogIn {
    /// Nothing.
    Anonymous,
    /// A username and a credential's secret.
    Password {
        /// The username as sent.
        username: String,
        /// The secret as sent.
        secret: Secret,
    },
    /// A refresh token.
    Refresh {
        /// The token as sent.
        token: Secret,
    },
}

impl LogIn {
    /// Tells whether it reads as something that this service made. Anybody can write such a text.
    fn reads_as_made(&self) -> bool {
        match self {
            Self::Anonymous => false,
            Self::Password { secret, .. } => {
                [SecretKind::Temporary, SecretKind::LongTerm].iter().any(|kind| kind.read(secret.expose()).is_some())
                    || service_account::is_made(secret.expose())
            }
            Self::Refresh { token } => SecretKind::Refresh.read(token.expose()).is_some(),
        }
    }

    /// Tells whether there is a password to guess.
    fn can_be_guessed(&self) -> bool {
        matches!(self, Self::Password { secret, .. } if may_be_chosen(secret.expose()))
    }
}

impl Service {
    /// Logs in at the registry door; `service` picks the instance.
    ///
    /// # Errors
    /// [`ErrorKind::BadCredentials`] for each [`RefusalCause`], which is its source: clients hear the same.
    pub async fn log_in(&self, service: &str, log_in: &LogIn, context: &RequestContext) -> Result<Caller> {
        self.check_freshness().await?;
        let effort = match context.address {
            Some(address) if self.address_limits.is_slowed(address, self.now()) => Effort::Memory(Slowed::Address),
            _ => Effort::Full,
        };
        let instance = match (effort, self.directory.known_instance_by_service(service)) {
            (_, Some(known)) => Some(known),
            (Effort::Full, None) => self.directory.instance_by_service(&self.store, service).await?,
            (Effort::Memory(slowed), None) if log_in.reads_as_made() => {
                let _look = self.log_ins.look(slowed)?;
                self.directory.instance_by_service(&self.store, service).await?
            }
            (Effort::Memory(slowed), None) => return Err(self.log_ins.slowed(slowed)),
        };
        if let Some(instance) = &instance
            && !instance.is_open_to_all()
            && let Err(refusal) = Box::pin(self.check_reach(instance, context)).await
        {
            // Before the credential is looked at: whoever may not come in learns nothing of it.
            if let (ErrorKind::AddressRefused, Effort::Memory(slowed)) = (refusal.kind(), effort) {
                return Err(self.log_ins.slowed(slowed));
            }
            return Err(refusal);
        }
        let identity: Result<Identity, Failed> = match (log_in, instance) {
            (LogIn::Anonymous, Some(instance)) => {
                // A token costs a signature, and this one opens nothing: no stranger may ask for many. It isn't a refusal,
                // either: whoever pulls what is public does nothing wrong.
                self.count_anonymous(context)?;
                Ok(Identity::Anonymous { instance })
            }
            (LogIn::Anonymous, None) => Err(Error::invalid_parameter(
                "service",
                format!("no instance has the service {service:?}; set the registry's auth.token.service to an instance's service"),
            )
            .into()),
            (LogIn::Password { username, secret }, instance) => {
                let effort = self.effort_for(effort, username, secret, context);
                self.log_in_by_password(instance, username, secret, effort).await
            }
            (LogIn::Refresh { token }, instance) => self.log_in_by_refresh_token(instance, token).await.map_err(Failed::from),
        };
        let failed = match identity {
            Ok(identity) => return Ok(identity.into()),
            Err(failed) => failed,
        };
        let was_wrong = failed.was_wrong();
        let error = self.log_in_unless_undecided(failed.into(), log_in).await;
        let is_decided = error.kind() == &ErrorKind::BadCredentials;
        // Whether it is right where nobody hears of it yet can't be said, but one that is right here would have passed:
        // what can be guessed is counted all the same.
        if is_decided || was_wrong && log_in.can_be_guessed() {
            self.count_failed_log_in(log_in, effort, context)?;
        }
        Err(error)
    }

    /// Returns what a log-in that was refused claims; nothing of it need be true.
    pub fn claim(&self, service: &str, log_in: &LogIn, scopes: &[Scope]) -> Claim {
        let name = match log_in {
            LogIn::Password { username, secret } => Some(ClaimedName::of(username, Some(secret))),
            LogIn::Anonymous | LogIn::Refresh { .. } => None,
        };
        Claim::of_log_in(name, self.claimed_credential(log_in), service, scopes)
    }

    /// Tells whether a log-in that was refused is so whatever changed unheard: its time is over, or it has the id of a
    /// credential and not its secret, which never changes. Whoever holds such a one does well to get another.
    pub(in super::super) async fn is_surely_wrong(&self, log_in: &LogIn) -> bool {
        let now = self.now();
        let is_over = |kind, secret: &Secret| self.keyring.load().open(kind, secret.expose()).is_some_and(|grant| grant.expires_at <= now);
        match log_in {
            LogIn::Anonymous => false,
            LogIn::Password { secret, .. } => match credential::long_term_id(secret.expose()) {
                Some(id) => match self.directory.credential(&self.store, &id).await {
                    Ok(Some(stored)) => {
                        let hash = digest(&SHA256, secret.expose().as_bytes());
                        let same: bool = hash.as_ref().ct_eq(&stored.secret_hash).into();
                        !same || stored.expires_at <= now
                    }
                    Ok(None) | Err(_) => false,
                },
                None => is_over(SecretKind::Temporary, secret),
            },
            LogIn::Refresh { token } => is_over(SecretKind::Refresh, token),
        }
    }

    /// Returns the credential that a log-in claims to be of; nothing about it need be true any more.
    fn claimed_credential(&self, log_in: &LogIn) -> Option<CredentialId> {
        let sealed = |kind, secret: &Secret| self.keyring.load().open(kind, secret.expose()).map(|grant| grant.id);
        match log_in {
            LogIn::Anonymous => None,
            LogIn::Password { secret, .. } => credential::long_term_id(secret.expose()).or_else(|| sealed(SecretKind::Temporary, secret)),
            LogIn::Refresh { token } => sealed(SecretKind::Refresh, token),
        }
    }

    async fn log_in_by_password(
        &self,
        instance: Option<Arc<Instance>>,
        username: &str,
        secret: &Secret,
        effort: Effort,
    ) -> Result<Identity, Failed> {
        // Apart: what hashes slowly is large, and sealed credentials come far more often.
        if let Some(name) = username.strip_prefix(ServiceAccount::PREFIX) {
            let account = Box::pin(self.service_account_of(instance.as_deref(), name, secret, effort)).await?;
            let instance = instance.ok_or_else(|| Error::bad_credentials(RefusalCause::UnknownService))?;
            return Ok(Identity::ServiceAccount { instance, account });
        }
        if may_be_chosen(secret.expose()) {
            let principal = Box::pin(self.principal_of(instance.as_deref(), username, secret, effort)).await?;
            let instance = instance.ok_or_else(|| Error::bad_credentials(RefusalCause::UnknownService))?;
            return Ok(Identity::WithPassword { instance, principal });
        }
        let now = self.now();
        let grant = if let Some(id) = credential::long_term_id(secret.expose()) {
            let stored = match (effort, self.directory.known_credential(&id)) {
                (_, Some(known)) => Some(known),
                (Effort::Full, None) => self.directory.credential(&self.store, &id).await?,
                (Effort::Memory(slowed), None) => {
                    let _look = self.log_ins.look(slowed)?;
                    self.directory.credential(&self.store, &id).await?
                }
            };
            // An unknown id costs the same hash and comparison as a known one.
            let hash = digest(&SHA256, secret.expose().as_bytes());
            let expected = stored.as_ref().map_or([0; 32], |stored| stored.secret_hash);
            let same: bool = hash.as_ref().ct_eq(&expected).into();
            let stored = match stored {
                None => return Err(Error::bad_credentials(RefusalCause::UnknownCredential).into()),
                Some(_) if !same => return Err(Error::bad_credentials(RefusalCause::WrongSecret).into()),
                Some(stored) => stored,
            };
            self.long_term_grant(&stored, now).await?
        } else {
            let grant = self.granted(SecretKind::Temporary, secret).await?;
            self.check_standing(&grant, now).await?;
            grant
        };
        let instance = check_instance(instance, &grant)?;
        if grant.username.of(&grant.principal) != username {
            return Err(Error::bad_credentials(RefusalCause::OtherUsername).into());
        }
        Ok(self.logged_in(instance, grant, None).await?)
    }

    async fn log_in_by_refresh_token(&self, instance: Option<Arc<Instance>>, token: &Secret) -> Result<Identity> {
        let mut grant = self.granted(SecretKind::Refresh, token).await?;
        if !grant.grounds.iter().any(|(ground, _)| matches!(ground, Ground::RefreshTokens(_))) {
            // Sealed before instances could refuse their refresh tokens: of the first generation.
            grant.grounds.push((Ground::RefreshTokens(grant.instance.clone()), 0));
        }
        self.check_standing(&grant, self.now()).await?;
        let instance = check_instance(instance, &grant)?;
        self.logged_in(instance, grant, Some(token.clone())).await
    }

    async fn granted(&self, kind: SecretKind, secret: &Secret) -> Result<Grant> {
        let opened = self.opened(kind, secret.expose(), |keyring| keyring.open(kind, secret.expose())).await;
        opened.ok_or_else(|| Error::bad_credentials(RefusalCause::UnreadableSecret))
    }

    /// Returns what a stored credential would say if it were sealed.
    async fn long_term_grant(&self, stored: &LongTermCredential, now: Timestamp) -> Result<Grant> {
        let ground = self.principal_ground(&stored.principal).await?.map_err(Error::bad_credentials)?;
        let grant = Grant {
            id: stored.id.clone(),
            principal: stored.principal.clone(),
            grounds: vec![ground, (Ground::LongTerm(stored.id.clone()), stored.generation)],
            instance: stored.instance.clone(),
            username: stored.username,
            session_policy: None,
            issued_at: stored.created_at,
            expires_at: stored.expires_at,
        };
        match stored.state {
            CredentialState::Disabled => Err(Error::bad_credentials(RefusalCause::CredentialDisabled)),
            CredentialState::Active if stored.expires_at <= now => Err(Error::bad_credentials(RefusalCause::Expired)),
            CredentialState::Active => Ok(grant),
        }
    }

    /// Fails unless a grant hasn't expired and all that it stands on still does.
    async fn check_standing(&self, grant: &Grant, now: Timestamp) -> Result<()> {
        let fault = self.fault_of(&grant.id, &grant.grounds, grant.expires_at, now).await?;
        fault.map_or(Ok(()), |cause| Err(Error::bad_credentials(cause)))
    }

    /// Returns what a log-in may cost: less where a chosen password was tried too often already.
    fn effort_for(&self, effort: Effort, username: &str, secret: &Secret, context: &RequestContext) -> Effort {
        match context.address {
            Some(address) if may_be_chosen(secret.expose()) && self.log_ins.is_slowed(address, username, self.now()) => {
                Effort::Memory(Slowed::Username)
            }
            _ => effort,
        }
    }

    /// Counts a log-in that failed; the refusal is another one where there were too many before.
    fn count_failed_log_in(&self, log_in: &LogIn, effort: Effort, context: &RequestContext) -> Result<()> {
        let Some(address) = context.address else { return Ok(()) };
        let (username, secret) = match log_in {
            LogIn::Anonymous => ("", &Secret::new("")),
            LogIn::Password { username, secret } => (username.as_str(), secret),
            LogIn::Refresh { token } => ("", token),
        };
        let now = self.now();
        let effort_before = if self.log_ins.is_slowed(address, username, now) { Effort::Memory(Slowed::Username) } else { effort };
        if self.log_ins.count(address, username, secret, effort, now) == Failure::New {
            self.address_limits.count_refusal(address, now);
        }
        match effort_before {
            Effort::Full => Ok(()),
            Effort::Memory(slowed) => Err(self.log_ins.slowed(slowed)),
        }
    }

    /// Counts a token for nobody.
    fn count_anonymous(&self, context: &RequestContext) -> Result<()> {
        let Some(address) = context.address else { return Ok(()) };
        let now = self.now();
        if self.anonymous_limits.is_slowed(address, now) {
            let kind = ErrorKind::AddressThrottled { retry_after_seconds: 1 };
            return Err(Error::new(kind, "Too many tokens were asked for from this address without a log-in; wait a second, or log in."));
        }
        self.anonymous_limits.count_refusal(address, now);
        Ok(())
    }

    async fn logged_in(&self, instance: Arc<Instance>, grant: Grant, refresh_token: Option<Secret>) -> Result<Identity> {
        let policy = self.session_policy(grant.principal.account(), grant.session_policy.as_ref()).await?;
        let session_policy = policy.map_err(Error::bad_credentials)?.map(Box::new);
        Ok(Identity::LoggedIn { instance, grant, session_policy, refresh_token })
    }
}

/// Returns the instance that the client named, if the credential is for it.
fn check_instance(instance: Option<Arc<Instance>>, grant: &Grant) -> Result<Arc<Instance>> {
    match instance {
        None => Err(Error::bad_credentials(RefusalCause::UnknownService)),
        Some(instance) if instance.id != grant.instance => Err(Error::bad_credentials(RefusalCause::OtherInstance)),
        Some(instance) => Ok(instance),
    }
}
