//! Who calls: the one place where trust is made.
//!
//! A [`Caller`] comes from a verified signature, a registry log-in, or the operator at the command line,
//! and from nowhere else: its fields are private to this folder.
//!
//! Signed calls are here, log-ins in [`log_in`], and what both rest on in [`standing`] and [`session_policy`].

pub(super) mod passwords;
pub(super) mod validity;
pub(super) mod web_identity;

mod log_in;
mod session_policy;

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::domain::clock::Timestamp;
use crate::domain::credential::{Cloud, CredentialId, SecretKind};
use crate::domain::ids::{AccountId, InstanceId};
use crate::domain::instance::Instance;
use crate::domain::principal::{Level, Principal};
use crate::domain::refusal::RefusalCause;
use crate::domain::secret::Secret;
use crate::domain::service_account::{ServiceAccount, ServiceAccountId};
use crate::domain::{Error, Result, access_key};
use crate::policy::Document;
use crate::service::ledger::actor::{Actor, Signature};
use crate::service::ledger::queue::Share;
use crate::service::limits::attempt::Attempt;
use crate::service::limits::replay::Purpose;
use crate::service::limits::replicas::VerifiedCall;
use crate::service::memory::cache::AccessKey;
use crate::service::memory::staleness::Crowd;
use crate::service::rights::Subject;
use crate::service::{RequestContext, Service, unexpected};
use crate::sign::{self, SigningSecret};
use crate::store::access_key::AccessKeyState;
use crate::token::{Grant, Ground, Keyring, Session, WebIdentity};

pub use self::log_in::LogIn;

/// Who calls, after proof.
pub struct Caller {
    identity: Identity,
    /// How many calls all replicas counted in this second, when this one is one too many.
    overrun: Option<u32>,
    /// What proved it, if a signature did.
    signature: Option<Signature>,
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
}

/// A credential that logs in at a registry. A refresh token is of the credential that it came from.
#[derive(Hash)]
pub(in crate::service) enum LoggedInBy<'a> {
    Credential(&'a CredentialId),
    FixedPassword(&'a InstanceId, &'a Principal),
    ServiceAccount(&'a ServiceAccountId),
}

/// Whom an OpenID Connect token proved.
pub(in crate::service) struct Bearer {
    pub(in crate::service) account: AccountId,
    pub(in crate::service) provider: String,
    pub(in crate::service) identity: WebIdentity,
}

/// The access key that signed a call.
pub(in crate::service) struct Signer<'a> {
    pub(in crate::service) access_key_id: &'a str,
    pub(in crate::service) principal: &'a Principal,
    /// What all that the call gets stands on.
    pub(in crate::service) grounds: Vec<(Ground, i64)>,
    /// The session that the key belongs to.
    pub(in crate::service) session: Option<&'a Session>,
}

impl From<Identity> for Caller {
    fn from(identity: Identity) -> Self {
        Self { identity, overrun: None, signature: None }
    }
}

impl Caller {
    /// The operator at the command line: who can read the master key may do everything.
    pub fn operator() -> Self {
        Identity::Operator.into()
    }

    /// Returns how many calls all replicas counted in this second, when this one is one too many.
    pub(in crate::service) fn overrun(&self) -> Option<u32> {
        self.overrun
    }

    /// Returns how much of the audit's queue events about what the caller does may take.
    pub(super) fn audit_share(&self) -> Share {
        if self.is_anonymous() { Share::Strangers } else { Share::Done }
    }

    /// Returns the caller as the audit names it.
    pub(super) fn actor(&self) -> Actor {
        Actor { name: self.audit_name(), account: self.account(), signature: self.signature }
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
    pub(in crate::service) fn signer(&self) -> Result<Signer<'_>> {
        match &self.identity {
            Identity::Signed(key) => Ok(Signer {
                access_key_id: &key.id,
                principal: &key.principal,
                grounds: vec![(Ground::of(&key.principal), key.principal_generation), (Ground::AccessKey(key.id.clone()), key.generation)],
                session: None,
            }),
            Identity::InSession(open) => {
                let session = &open.session;
                let grounds = session.grounds_of_calls();
                Ok(Signer { access_key_id: &session.access_key_id, principal: &session.principal, grounds, session: Some(session) })
            }
            _ => Err(Error::unsupported("Only a signed call can do this.")),
        }
    }

    /// Returns how much the caller decides over what belongs to others of its account.
    pub(in crate::service) fn level(&self) -> Level {
        match &self.identity {
            Identity::Operator => Level::Operator,
            Identity::Signed(key) if matches!(key.principal, Principal::Root(_)) => Level::Root,
            Identity::Signed(_)
            | Identity::InSession(_)
            | Identity::LoggedIn { .. }
            | Identity::WithPassword { .. }
            | Identity::ServiceAccount { .. }
            | Identity::Bearer(_)
            | Identity::Anonymous { .. } => Level::User,
        }
    }

    /// Returns the numeric ids of all principals that a signed call came from: the caller's, and those that its session came
    /// from. The operator has none.
    pub(in crate::service) fn origins(&self) -> BTreeSet<i64> {
        let grounds = self.signer().map(|signer| signer.grounds).unwrap_or_default();
        let ids = grounds.iter().filter_map(|(ground, _)| match ground {
            Ground::Root(id) => Some(id.number()),
            Ground::User(id) => Some(id.number()),
            Ground::Role(id) => Some(id.number()),
            Ground::AccessKey(_) | Ground::LongTerm(_) | Ground::Session(_) | Ground::RefreshTokens(_) => None,
        });
        ids.chain(self.principal().map(Principal::number)).collect()
    }

    /// Returns what the OpenID Connect token says that proved the caller.
    pub fn web_identity(&self) -> Option<&WebIdentity> {
        self.bearer().map(|bearer| &bearer.identity)
    }

    /// Returns whom an OpenID Connect token proved.
    pub(in crate::service) fn bearer(&self) -> Option<&Bearer> {
        match &self.identity {
            Identity::Bearer(bearer) => Some(bearer),
            _ => None,
        }
    }

    /// Returns the account that the call is of, or is made to.
    pub fn account(&self) -> Option<AccountId> {
        match &self.identity {
            Identity::Bearer(bearer) => Some(bearer.account),
            Identity::ServiceAccount { instance, .. } => Some(instance.account),
            _ => self.principal().map(Principal::account),
        }
    }

    /// Returns the service account that logged in: what it may do, its own permissions say, and no policy.
    pub(in crate::service) fn service_account(&self) -> Option<&ServiceAccount> {
        match &self.identity {
            Identity::ServiceAccount { account, .. } => Some(account),
            _ => None,
        }
    }

    /// Returns whom a token is for: the principal's numeric id, or the service account's username; empty for nobody.
    pub(in crate::service) fn subject(&self) -> String {
        match self.service_account() {
            Some(account) => account.username(),
            None => self.principal().map(Principal::numeric_id).unwrap_or_default(),
        }
    }

    /// Returns what narrows the rights of the session that the call, or its credential, came from.
    pub(in crate::service) fn session_policy(&self) -> Option<&Document> {
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

    /// Returns whose rights decide what the call may do.
    pub(in crate::service) fn rights(&self) -> Subject<'_> {
        match (&self.identity, self.principal()) {
            (Identity::Operator, _) => Subject::Operator,
            (Identity::ServiceAccount { account, .. }, _) => Subject::ServiceAccount(account),
            (_, Some(principal)) => Subject::Principal(principal, self.session_policy()),
            (_, None) => Subject::Nobody,
        }
    }

    /// Returns the instance that a registry client logged in to.
    pub(in crate::service) fn registry_instance(&self) -> Result<&Arc<Instance>> {
        match &self.identity {
            Identity::LoggedIn { instance, .. }
            | Identity::WithPassword { instance, .. }
            | Identity::ServiceAccount { instance, .. }
            | Identity::Anonymous { instance } => Ok(instance),
            _ => Err(Error::unsupported("Only a registry client can do this.")),
        }
    }

    /// Returns what the credential that logged in says.
    pub(in crate::service) fn grant(&self) -> Option<&Grant> {
        match &self.identity {
            Identity::LoggedIn { grant, .. } => Some(grant),
            _ => None,
        }
    }

    /// Returns what logged in at a registry; nothing when nobody did.
    pub(in crate::service) fn credential(&self) -> Option<LoggedInBy<'_>> {
        match &self.identity {
            Identity::LoggedIn { grant, .. } => Some(LoggedInBy::Credential(&grant.id)),
            Identity::WithPassword { instance, principal } => Some(LoggedInBy::FixedPassword(&instance.id, principal)),
            Identity::ServiceAccount { account, .. } => Some(LoggedInBy::ServiceAccount(&account.id)),
            Identity::Signed(_) | Identity::InSession(_) | Identity::Bearer(_) | Identity::Anonymous { .. } | Identity::Operator => None,
        }
    }

    /// Returns the refresh token that logged in.
    pub(in crate::service) fn refresh_token(&self) -> Option<&Secret> {
        match &self.identity {
            Identity::LoggedIn { refresh_token, .. } => refresh_token.as_ref(),
            _ => None,
        }
    }

    /// Tells whether the caller is a registry client that nobody knows.
    pub(in crate::service) fn is_anonymous(&self) -> bool {
        matches!(self.identity, Identity::Anonymous { .. })
    }

    /// Fails unless the caller is the operator.
    pub(in crate::service) fn require_operator(&self) -> Result<()> {
        match self.identity {
            Identity::Operator => Ok(()),
            _ => Err(Error::unsupported("Only the operator can do this.")),
        }
    }

    /// Tells whether the caller is of `account`, and so may know what it owns; what it may do is for policies to say.
    pub(in crate::service) fn is_of(&self, account: AccountId) -> bool {
        match self.principal() {
            Some(principal) => principal.account() == account,
            None => matches!(self.identity, Identity::Operator),
        }
    }

    /// Returns how the audit names the caller.
    pub fn audit_name(&self) -> Option<String> {
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

impl Service {
    /// Checks what can be known before a body is read: the method is accepted, the access key exists and
    /// is active, and the time is fresh.
    pub async fn admit(&self, preview: &sign::Preview<'_>, context: &RequestContext) -> Result<()> {
        self.memory.check_freshness().await?;
        let now = self.base.now();
        self.check_method(preview.method)?;
        if access_key::is_of_session(preview.access_key_id) {
            self.check_time(preview.method, preview.signed_at, now)?;
            let token = preview.session_token;
            return Box::pin(self.session(preview.access_key_id, token, preview.method.cloud(), context, now)).await.map(drop);
        }
        self.active_access_key(preview.access_key_id, context).await?;
        self.check_time(preview.method, preview.signed_at, now)
    }

    /// Proves who calls by the request's signature: method, access key, time, session token, signature, and
    /// whether it came before. `action` is what [`Service::throttle`] is told next: replicas count it in the same trip.
    pub async fn authenticate(
        &self,
        request: &sign::Unverified,
        purpose: Purpose,
        action: &'static str,
        context: &RequestContext,
    ) -> Result<Caller> {
        self.memory.check_freshness().await?;
        let now = self.base.now();
        self.check_method(request.method())?;
        let id = request.access_key_id();
        let (identity, replay) = if access_key::is_of_session(id) {
            self.check_time(request.method(), request.signed_at(), now)?;
            let session = Box::pin(self.session(id, request.session_token(), request.method().cloud(), context, now)).await?;
            let replay = request.verify(&SigningSecret::new(session.secret.clone()))?;
            let policy = self.session_policy(session.principal.account(), session.session_policy.as_ref()).await?;
            let policy = policy.map_err(|cause| self.memory.unless_undecided(Error::session_token_expired().caused_by(cause)))?;
            (Identity::InSession(Box::new(OpenSession { session, policy })), replay)
        } else {
            let key = self.active_access_key(id, context).await?;
            self.check_time(request.method(), request.signed_at(), now)?;
            if request.session_token().is_some() {
                return Err(Error::session_token_mismatch());
            }
            let replay = request.verify(&key.signing_secret)?;
            (Identity::Signed(key), replay)
        };
        let mut caller = Caller::from(identity);
        let account = caller.principal().map(Principal::account).ok_or_else(|| unexpected("a signed call is nobody's"))?;
        let (signed_at, ends_at) = (request.signed_at(), self.last_use(request));
        let call = VerifiedCall { access_key_id: id, account, action, purpose, replay: &replay, signed_at, ends_at };
        caller.overrun = Box::pin(self.limits.note_call(&call)).await?;
        caller.signature = Some(Signature { bytes: request.signature(), ends_at });
        Ok(caller)
    }

    /// Proves who calls by a token of an OpenID Connect provider of the account. Such a caller may assume roles that
    /// trust it, and nothing else.
    ///
    /// `stranger` is where the call comes from, if nothing else proves it: what it costs is charged to its address first.
    pub async fn prove_web_identity(
        &self,
        account: AccountId,
        provider: &str,
        token: &Secret,
        stranger: Option<&RequestContext>,
    ) -> Result<Caller> {
        self.memory.check_freshness().await?;
        let mut attempt = Attempt::new(stranger.and_then(|context| context.address));
        match self.verify_web_identity(account, provider, token, &mut attempt).await {
            Ok(identity) => {
                self.limits.give_back(&attempt);
                Ok(Identity::Bearer(Box::new(Bearer { account, provider: provider.to_owned(), identity })).into())
            }
            Err(error) => Err(self.limits.charge_stranger(&mut attempt, &error).unwrap_or(error)),
        }
    }

    /// Returns the session of an access key by its token, which must be this key's and this cloud's, and stand.
    async fn session(
        &self,
        access_key_id: &str,
        token: Option<&str>,
        cloud: Cloud,
        context: &RequestContext,
        now: Timestamp,
    ) -> Result<Session> {
        let token = token.ok_or_else(Error::session_token_missing)?;
        let session = self.opened(SecretKind::Session, token, context, |keyring| keyring.open_session(token)).await?;
        // It may be sealed under a key that this replica hasn't heard of.
        let session = session.ok_or_else(|| self.memory.unless_undecided(Error::session_token_malformed()))?;
        if session.access_key_id != access_key_id || session.cloud != cloud {
            return Err(Error::session_token_mismatch());
        }
        if session.expires_at <= now {
            return Err(Error::session_token_expired().caused_by(RefusalCause::Expired));
        }
        match self.fault_of(&session.id, &session.grounds, session.expires_at, now).await? {
            None => Ok(session),
            Some(cause) => Err(self.memory.unless_undecided(Error::session_token_expired().caused_by(cause))),
        }
    }

    fn check_method(&self, method: sign::Method) -> Result<()> {
        if self.settings.signature_methods.contains(&method) { Ok(()) } else { Err(Error::signature_method_refused(method.name())) }
    }

    /// Checks a request's time by the vendor's window, or the settings' where that is narrower.
    fn check_time(&self, method: sign::Method, signed_at: Timestamp, now: Timestamp) -> Result<()> {
        sign::check_time_within(method.window().min(self.settings.signature_window), signed_at, now)
    }

    async fn active_access_key(&self, id: &str, context: &RequestContext) -> Result<Arc<AccessKey>> {
        let key = match self.memory.cache.known_access_key(id) {
            Some(known) => known,
            None => Box::pin(self.cold_access_key(id, context)).await?,
        };
        match key.state {
            AccessKeyState::Active => Ok(key),
            AccessKeyState::Disabled => Err(self.memory.unless_undecided(Error::access_key_disabled())),
            // Nothing brings it back, so that needs no news.
            AccessKeyState::Deleted => Err(Error::access_key_not_found()),
        }
    }

    /// Looks an access key up, if there is one of that id: another replica may have made it a moment ago, so the change
    /// feed is read before it is refused.
    async fn cold_access_key(&self, id: &str, context: &RequestContext) -> Result<Arc<AccessKey>> {
        if !self.memory.cache.has_access_key(&self.base.store, id).await? {
            self.memory.hear_news(self.crowd(context)).await?;
            if !self.memory.cache.has_access_key(&self.base.store, id).await? {
                return Err(Error::access_key_not_found());
            }
        }
        self.memory.cache.access_key(&self.base.store, &self.memory.keys.master, id).await?.ok_or_else(Error::access_key_not_found)
    }

    /// Opens something sealed; where the key is one that this replica hasn't heard of, it listens once more.
    async fn opened<T>(
        &self,
        kind: SecretKind,
        secret: &str,
        context: &RequestContext,
        open: impl Fn(&Keyring) -> Option<T>,
    ) -> Result<Option<T>> {
        let opened = open(&self.memory.keys.keyring.load());
        if opened.is_some() || !self.memory.keys.keyring.load().sealer().lacks_key_of(kind, secret) {
            return Ok(opened);
        }
        Box::pin(self.memory.hear_news(self.crowd(context))).await?;
        Ok(open(&self.memory.keys.keyring.load()))
    }

    /// Tells among whom a request waits.
    fn crowd(&self, context: &RequestContext) -> Crowd {
        if self.limits.is_slowed(context) { Crowd::Slowed } else { Crowd::Usual }
    }
}
