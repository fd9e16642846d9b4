//! Who calls: the one place where trust is made.
//!
//! A [`Caller`] comes from a verified signature, a registry log-in, or the operator at the command line,
//! and from nowhere else: its fields are private to this file.

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use subtle::ConstantTimeEq;

use super::directory::AccessKey;
use super::log_ins::{Effort, Failure, Slowed};
use super::passwords::Failed;
use super::replay::Purpose;
use super::{RequestContext, Service};
use crate::domain::access_key;
use crate::domain::clock::Timestamp;
use crate::domain::credential::{self, Cloud, CredentialId, CredentialState, LongTermCredential, SecretKind};
use crate::domain::error::WebIdentityFault;
use crate::domain::identity::{User, UserState};
use crate::domain::instance::Instance;
use crate::domain::password::may_be_chosen;
use crate::domain::principal::{AccountId, Principal, UserId};
use crate::domain::scope::Scope;
use crate::domain::secret::Secret;
use crate::domain::service_account::{self, ServiceAccount};
use crate::domain::{Error, ErrorKind, Result};
use crate::policy::{Document, Limits};
use crate::sign::{self, SigningSecret};
use crate::store::access_key::AccessKeyState;
use crate::token::{Grant, Ground, Keyring, Session, WebIdentity};

/// Who calls, after proof.
pub struct Caller {
    identity: Identity,
    /// How many calls all replicas counted in this second, when this one is one too many.
    overrun: Option<u32>,
}

enum Identity {
    /// A cloud API call, signed with this key.
    Signed(Arc<AccessKey>),
    /// A cloud API call, signed with the key of this session.
    InSession(Box<OpenSession>),
    /// A registry log-in with a credential that says this.
    LoggedIn { instance: Arc<Instance>, grant: Grant, session_policy: Option<Box<Document>>, refresh_token: Option<Secret> },
    /// A registry log-in with the principal's own fixed password.
    WithPassword { instance: Arc<Instance>, principal: Principal },
    /// A registry log-in of a service account, which acts for nobody else.
    ServiceAccount { instance: Arc<Instance>, account: Arc<ServiceAccount> },
    /// The bearer of an OpenID Connect token.
    Bearer(Box<Bearer>),
    /// A registry client without a credential.
    Anonymous { instance: Arc<Instance> },
    /// Whoever runs the command line on the data.
    Operator,
}

/// A session as its token says it.
struct OpenSession {
    session: Session,
    /// What narrows it, compiled.
    policy: Option<Document>,
    signing_secret: SigningSecret,
}

/// Whom an OpenID Connect token proved.
pub(super) struct Bearer {
    pub(super) account: AccountId,
    pub(super) provider: String,
    pub(super) identity: WebIdentity,
}

/// The access key that signed a call.
pub(super) struct Signer<'a> {
    pub(super) access_key_id: &'a str,
    pub(super) principal: &'a Principal,
    /// What all that the call gets stands on.
    pub(super) grounds: Vec<(Ground, i64)>,
    /// The session that the key belongs to.
    pub(super) session: Option<&'a Session>,
}

impl From<Identity> for Caller {
    fn from(identity: Identity) -> Self {
        Self { identity, overrun: None }
    }
}

impl Caller {
    /// The operator at the command line: who can read the master key may do everything.
    pub fn operator() -> Self {
        Identity::Operator.into()
    }

    /// Returns how many calls all replicas counted in this second, when this one is one too many.
    pub(super) fn overrun(&self) -> Option<u32> {
        self.overrun
    }

    /// Returns who the call acts for; nobody when it is anonymous or the operator's.
    pub fn principal(&self) -> Option<&Principal> {
        match &self.identity {
            Identity::Signed(key) => Some(&key.principal),
            Identity::InSession(open) => Some(&open.session.principal),
            Identity::LoggedIn { grant, .. } => Some(&grant.principal),
            Identity::WithPassword { principal, .. } => Some(principal),
            Identity::ServiceAccount { .. } | Identity::Bearer(_) | Identity::Anonymous { .. } | Identity::Operator => None,
        }
    }

    /// Returns the access key that signed the call, and what comes with it.
    pub(super) fn signer(&self) -> Result<Signer<'_>> {
        match &self.identity {
            Identity::Signed(key) => Ok(Signer {
                access_key_id: &key.id,
                principal: &key.principal,
                grounds: vec![(Ground::of(&key.principal), key.principal_generation), (Ground::AccessKey(key.id.clone()), key.generation)],
                session: None,
            }),
            Identity::InSession(open) => {
                let session = &open.session;
                let mut grounds = session.grounds.clone();
                grounds.push((Ground::Session(session.id.clone()), 0));
                Ok(Signer { access_key_id: &session.access_key_id, principal: &session.principal, grounds, session: Some(session) })
            }
            _ => Err(Error::unsupported("Only a signed call can do this.")),
        }
    }

    /// Returns what the OpenID Connect token says that proved the caller.
    pub fn web_identity(&self) -> Option<&WebIdentity> {
        self.bearer().map(|bearer| &bearer.identity)
    }

    /// Returns whom an OpenID Connect token proved.
    pub(super) fn bearer(&self) -> Option<&Bearer> {
        match &self.identity {
            Identity::Bearer(bearer) => Some(bearer),
            _ => None,
        }
    }

    /// Returns the account that the call is of, or is made to.
    pub(super) fn account(&self) -> Option<AccountId> {
        match &self.identity {
            Identity::Bearer(bearer) => Some(bearer.account),
            Identity::ServiceAccount { instance, .. } => Some(instance.account),
            _ => self.principal().map(Principal::account),
        }
    }

    /// Returns the service account that logged in: what it may do, its own permissions say, and no policy.
    pub(super) fn service_account(&self) -> Option<&ServiceAccount> {
        match &self.identity {
            Identity::ServiceAccount { account, .. } => Some(account),
            _ => None,
        }
    }

    /// Returns whom a token is for: the principal's numeric id, or the service account's username; empty for nobody.
    pub(super) fn subject(&self) -> String {
        match self.service_account() {
            Some(account) => account.username(),
            None => self.principal().map(Principal::numeric_id).unwrap_or_default(),
        }
    }

    /// Returns what narrows the rights of the session that the call, or its credential, came from.
    pub(super) fn session_policy(&self) -> Option<&Document> {
        match &self.identity {
            Identity::InSession(open) => open.policy.as_ref(),
            Identity::LoggedIn { session_policy, .. } => session_policy.as_deref(),
            Identity::Signed(_)
            | Identity::WithPassword { .. }
            | Identity::ServiceAccount { .. }
            | Identity::Bearer(_)
            | Identity::Anonymous { .. }
            | Identity::Operator => None,
        }
    }

    /// Returns the instance that a registry client logged in to.
    pub(super) fn registry_instance(&self) -> Result<&Arc<Instance>> {
        match &self.identity {
            Identity::LoggedIn { instance, .. }
            | Identity::WithPassword { instance, .. }
            | Identity::ServiceAccount { instance, .. }
            | Identity::Anonymous { instance } => Ok(instance),
            _ => Err(Error::unsupported("Only a registry client can do this.")),
        }
    }

    /// Returns what the credential that logged in says.
    pub(super) fn grant(&self) -> Option<&Grant> {
        match &self.identity {
            Identity::LoggedIn { grant, .. } => Some(grant),
            _ => None,
        }
    }

    /// Returns the refresh token that logged in.
    pub(super) fn refresh_token(&self) -> Option<&Secret> {
        match &self.identity {
            Identity::LoggedIn { refresh_token, .. } => refresh_token.as_ref(),
            _ => None,
        }
    }

    /// Fails unless the caller is the operator.
    pub(super) fn require_operator(&self) -> Result<()> {
        match self.identity {
            Identity::Operator => Ok(()),
            _ => Err(Error::unsupported("Only the operator can do this.")),
        }
    }

    /// Tells whether the caller is of `account`, and so may know what it owns; what it may do is for policies to say.
    pub(super) fn is_of(&self, account: AccountId) -> bool {
        match self.principal() {
            Some(principal) => principal.account() == account,
            None => matches!(self.identity, Identity::Operator),
        }
    }

    /// Returns how the audit names the caller.
    pub(super) fn audit_name(&self) -> Option<String> {
        match (&self.identity, self.principal()) {
            (Identity::Operator, _) => Some("operator".to_owned()),
            (Identity::Bearer(bearer), _) => {
                Some(format!("{}:oidc-provider/{}/{}", bearer.account, bearer.provider, bearer.identity.subject))
            }
            (Identity::ServiceAccount { instance, account }, _) => {
                Some(format!("{}:service-account/{}/{}", instance.account, instance.id, account.name))
            }
            (_, principal) => principal.map(|principal| principal.to_string()),
        }
    }
}

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
    /// Checks what can be known before a body is read: the method is accepted, the access key exists and
    /// is active, and the time is fresh.
    pub async fn admit(&self, preview: &sign::Preview<'_>) -> Result<()> {
        self.check_freshness().await?;
        let now = self.now();
        self.check_method(preview.method)?;
        if access_key::is_of_session(preview.access_key_id) {
            self.check_time(preview.method, preview.signed_at, now)?;
            return Box::pin(self.session(preview.access_key_id, preview.session_token, preview.method.cloud(), now)).await.map(drop);
        }
        self.active_access_key(preview.access_key_id).await?;
        self.check_time(preview.method, preview.signed_at, now)
    }

    /// Proves who calls by the request's signature: method, access key, time, session token, signature, and
    /// whether it came before. `action` is what [`Service::throttle`] is told next: replicas count it in the same trip.
    pub async fn authenticate(&self, request: &sign::Unverified, purpose: Purpose, action: &'static str) -> Result<Caller> {
        self.check_freshness().await?;
        let now = self.now();
        self.check_method(request.method())?;
        let id = request.access_key_id();
        let (identity, replay) = if access_key::is_of_session(id) {
            self.check_time(request.method(), request.signed_at(), now)?;
            let session = Box::pin(self.session(id, request.session_token(), request.method().cloud(), now)).await?;
            let policy = session.session_policy.as_deref().map(read_session_policy).transpose()?;
            let signing_secret = SigningSecret::new(session.secret.clone());
            let open = OpenSession { session, policy, signing_secret };
            let replay = request.verify(&open.signing_secret)?;
            (Identity::InSession(Box::new(open)), replay)
        } else {
            let key = self.active_access_key(id).await?;
            self.check_time(request.method(), request.signed_at(), now)?;
            if request.session_token().is_some() {
                return Err(Error::session_token_mismatch());
            }
            let replay = request.verify(&key.signing_secret)?;
            (Identity::Signed(key), replay)
        };
        let checked = self.replays.check(id, request.signed_at(), &replay, purpose, now);
        let mut caller = Caller::from(identity);
        match self.shared.get() {
            None => checked?,
            Some(shared) => {
                caller.overrun = Box::pin(self.ask_others(shared, request, (&replay, checked), purpose, &caller, action)).await?
            }
        }
        Ok(caller)
    }

    /// Proves who calls by a token of an OpenID Connect provider of the account. Such a caller may assume roles that
    /// trust it, and nothing else.
    pub async fn prove_web_identity(&self, account: AccountId, provider: &str, token: &Secret) -> Result<Caller> {
        self.check_freshness().await?;
        let identity = self.verify_web_identity(account, provider, token).await?;
        Ok(Identity::Bearer(Box::new(Bearer { account, provider: provider.to_owned(), identity })).into())
    }

    /// Returns the session of an access key by its token, which must be this key's and this cloud's, and stand.
    async fn session(&self, access_key_id: &str, token: Option<&str>, cloud: Cloud, now: Timestamp) -> Result<Session> {
        let token = token.ok_or_else(Error::session_token_missing)?;
        let session = self.opened(SecretKind::Session, token, |keyring| keyring.open_session(token)).await;
        // It may be sealed under a key that this replica hasn't heard of.
        let session = session.ok_or_else(|| self.unless_undecided(Error::session_token_malformed()))?;
        if session.access_key_id != access_key_id || session.cloud != cloud {
            return Err(Error::session_token_mismatch());
        }
        if session.expires_at <= now {
            return Err(Error::session_token_expired());
        }
        let stands = self.stands(&session.id, &session.grounds, session.expires_at, now).await?;
        if stands { Ok(session) } else { Err(self.unless_undecided(Error::session_token_expired())) }
    }

    fn check_method(&self, method: sign::Method) -> Result<()> {
        if self.settings.signature_methods.contains(&method) { Ok(()) } else { Err(Error::signature_method_refused(method.name())) }
    }

    /// Checks a request's time by the vendor's window, or the settings' where that is narrower.
    fn check_time(&self, method: sign::Method, signed_at: Timestamp, now: Timestamp) -> Result<()> {
        method.check_time(signed_at, now)?;
        if now.distance(signed_at) <= self.settings.signature_window { Ok(()) } else { Err(Error::request_expired()) }
    }

    async fn active_access_key(&self, id: &str) -> Result<Arc<AccessKey>> {
        let key = self.directory.access_key(&self.store, &self.master, id).await?.ok_or_else(Error::access_key_not_found)?;
        match key.state {
            AccessKeyState::Active => Ok(key),
            AccessKeyState::Disabled => Err(self.unless_undecided(Error::access_key_disabled())),
            // Nothing brings it back, so that needs no news.
            AccessKeyState::Deleted => Err(Error::access_key_not_found()),
        }
    }

    /// Logs in at the registry door; `service` picks the instance. A refusal is written to the audit, with
    /// the `scopes` that were asked for.
    pub async fn log_in(&self, service: &str, log_in: LogIn, scopes: &[Scope], context: &RequestContext) -> Result<Caller> {
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
            if refusal.kind() == &ErrorKind::AddressRefused {
                if let Effort::Memory(slowed) = effort {
                    return Err(self.log_ins.slowed(slowed));
                }
                self.audit_refused_log_in(service, self.claimed_credential(&log_in).as_ref(), scopes, context)?;
            }
            return Err(refusal);
        }
        let identity: Result<Identity, Failed> = match (&log_in, instance) {
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
        let error = self.log_in_unless_undecided(failed.into(), &log_in).await;
        let is_decided = error.kind() == &ErrorKind::BadCredentials;
        // Whether it is right where nobody hears of it yet can't be said, but one that is right here would have passed:
        // what can be guessed is counted all the same.
        if is_decided || was_wrong && log_in.can_be_guessed() {
            self.count_failed_log_in(&log_in, effort, context)?;
        }
        if is_decided {
            self.audit_refused_log_in(service, self.claimed_credential(&log_in).as_ref(), scopes, context)?;
        }
        Err(error)
    }

    /// Tells whether a log-in that was refused is so whatever changed unheard: its time is over, or it has the id of a
    /// credential and not its secret, which never changes. Whoever holds such a one does well to get another.
    pub(super) async fn is_surely_wrong(&self, log_in: &LogIn) -> bool {
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
            let instance = instance.ok_or_else(Error::bad_credentials)?;
            return Ok(Identity::ServiceAccount { instance, account });
        }
        if may_be_chosen(secret.expose()) {
            let principal = Box::pin(self.principal_of(instance.as_deref(), username, secret, effort)).await?;
            let instance = instance.ok_or_else(Error::bad_credentials)?;
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
            let stored = stored.filter(|_| same).ok_or_else(Error::bad_credentials)?;
            self.long_term_grant(&stored, now).await?
        } else {
            let grant = self.granted(SecretKind::Temporary, secret).await?;
            self.check_standing(&grant, now).await?;
            grant
        };
        let instance = instance.filter(|instance| instance.id == grant.instance).ok_or_else(Error::bad_credentials)?;
        if grant.username.of(&grant.principal) != username {
            return Err(Error::bad_credentials().into());
        }
        Ok(logged_in(instance, grant, None)?)
    }

    async fn log_in_by_refresh_token(&self, instance: Option<Arc<Instance>>, token: &Secret) -> Result<Identity> {
        let grant = self.granted(SecretKind::Refresh, token).await?;
        self.check_standing(&grant, self.now()).await?;
        let instance = instance.filter(|instance| instance.id == grant.instance).ok_or_else(Error::bad_credentials)?;
        logged_in(instance, grant, Some(token.clone()))
    }

    async fn granted(&self, kind: SecretKind, secret: &Secret) -> Result<Grant> {
        let opened = self.opened(kind, secret.expose(), |keyring| keyring.open(kind, secret.expose())).await;
        opened.ok_or_else(Error::bad_credentials)
    }

    /// Opens something sealed; where the key is one that this replica hasn't heard of, it listens once more.
    async fn opened<T>(&self, kind: SecretKind, secret: &str, open: impl Fn(&Keyring) -> Option<T>) -> Option<T> {
        let opened = open(&self.keyring.load());
        if opened.is_some() || !self.keyring.load().sealer().lacks_key_of(kind, secret) {
            return opened;
        }
        if Box::pin(self.hear_news()).await { open(&self.keyring.load()) } else { None }
    }

    /// Returns what a stored credential would say if it were sealed.
    async fn long_term_grant(&self, stored: &LongTermCredential, now: Timestamp) -> Result<Grant> {
        let ground = self.principal_ground(&stored.principal).await?.ok_or_else(Error::bad_credentials)?;
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
        if stored.state == CredentialState::Active && now < stored.expires_at { Ok(grant) } else { Err(Error::bad_credentials()) }
    }

    /// Fails unless a grant hasn't expired and all that it stands on still does.
    async fn check_standing(&self, grant: &Grant, now: Timestamp) -> Result<()> {
        let stands = self.stands(&grant.id, &grant.grounds, grant.expires_at, now).await?;
        if stands { Ok(()) } else { Err(Error::bad_credentials()) }
    }

    /// Tells whether something sealed hasn't expired, wasn't revoked, and stands on what still does.
    async fn stands(&self, id: &CredentialId, grounds: &[(Ground, i64)], expires_at: Timestamp, now: Timestamp) -> Result<bool> {
        for (ground, generation) in grounds {
            if !self.ground_stands(ground, *generation, now).await? {
                return Ok(false);
            }
        }
        Ok(now < expires_at && !self.revocations.contains(id))
    }

    async fn ground_stands(&self, ground: &Ground, generation: i64, now: Timestamp) -> Result<bool> {
        let known = self.generation_of(ground, now).await?;
        // Another replica knows a newer one than this: it was raised a moment ago.
        if known.is_some_and(|known| known < generation) && Box::pin(self.hear_news()).await {
            return Ok(self.generation_of(ground, now).await? == Some(generation));
        }
        Ok(known == Some(generation))
    }

    /// Returns the generation of something that stands.
    async fn generation_of(&self, ground: &Ground, now: Timestamp) -> Result<Option<i64>> {
        Ok(match ground {
            Ground::Root(id) => self.directory.account(&self.store, *id).await?.map(|account| account.generation),
            Ground::User(id) => self.active_user(*id).await?.map(|user| user.generation),
            Ground::Role(id) => self.directory.role(&self.store, *id).await?.map(|role| role.generation),
            Ground::AccessKey(id) => self.directory.access_key(&self.store, &self.master, id).await?.map(|key| key.generation),
            Ground::LongTerm(id) => {
                let stored = self.directory.credential(&self.store, id).await?;
                let stands = |stored: &Arc<LongTermCredential>| stored.state == CredentialState::Active && now < stored.expires_at;
                stored.filter(stands).map(|stored| stored.generation)
            }
            // It has none, and is sealed with 0.
            Ground::Session(id) => (!self.revocations.contains(id)).then_some(0),
        })
    }

    async fn active_user(&self, id: UserId) -> Result<Option<Arc<User>>> {
        Ok(self.directory.user(&self.store, id).await?.filter(|user| user.state == UserState::Active))
    }

    /// Returns what a credential of this principal stands on first: the principal itself, if it may act.
    pub(super) async fn principal_ground(&self, principal: &Principal) -> Result<Option<(Ground, i64)>> {
        Ok(match principal {
            Principal::Root(id) => self.directory.account(&self.store, *id).await?.map(|account| (Ground::Root(*id), account.generation)),
            Principal::User(_, id) => self.active_user(*id).await?.map(|user| (Ground::User(*id), user.generation)),
            // What a session got ends with it: nothing of it is stored.
            Principal::RoleSession(..) | Principal::FederatedSession(..) => None,
        })
    }

    /// Counts a refused request against its address; a fault of ours, or of an issuer, is nobody's refusal.
    pub fn count_refusal(&self, error: &Error, context: &RequestContext) {
        let ours = matches!(
            error.kind(),
            ErrorKind::StoreUnavailable
                | ErrorKind::AuditUnavailable
                | ErrorKind::Misconfigured
                | ErrorKind::Internal
                | ErrorKind::NonceMemoryFull
                | ErrorKind::Overloaded
                | ErrorKind::PasswordsBusy
                | ErrorKind::WebIdentity { fault: WebIdentityFault::KeysUnavailable }
        );
        if !ours {
            self.count_stranger(context);
        }
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

    fn count_stranger(&self, context: &RequestContext) {
        if let Some(address) = context.address {
            self.address_limits.count_refusal(address, self.now());
        }
    }
}

fn logged_in(instance: Arc<Instance>, grant: Grant, refresh_token: Option<Secret>) -> Result<Identity> {
    let session_policy = grant.session_policy.as_deref().map(read_session_policy).transpose()?.map(Box::new);
    Ok(Identity::LoggedIn { instance, grant, session_policy, refresh_token })
}

/// Compiles a session policy that was sealed here, and so was read before.
fn read_session_policy(text: &str) -> Result<Document> {
    Document::parse(text, Limits::SESSION)
        .map(|checked| checked.document)
        .map_err(|error| super::unexpected("a sealed session policy can't be read").caused_by(error))
}
