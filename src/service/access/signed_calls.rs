//! Calls of the cloud APIs, proved by their signatures.

use std::sync::Arc;
use std::time::Duration;

use crate::domain::clock::Timestamp;
use crate::domain::credential::{Cloud, SecretKind};
use crate::domain::error::WebIdentityFault;
use crate::domain::identity::OidcProvider;
use crate::domain::ids::AccountId;
use crate::domain::principal::Principal;
use crate::domain::refusal::RefusalCause;
use crate::domain::secret::Secret;
use crate::domain::{Error, ErrorKind, Result, access_key};
use crate::service::access::Access;
use crate::service::access::caller::{Bearer, Caller, OpenSession, Proof};
use crate::service::access::log_in::ended;
use crate::service::ledger::actor::Signature;
use crate::service::limits::attempt::Attempt;
use crate::service::limits::replay::Purpose;
use crate::service::limits::replicas::VerifiedCall;
use crate::service::memory::cache::AccessKey;
use crate::service::memory::marks::Mark;
use crate::service::memory::reads;
use crate::service::memory::staleness::Priority;
use crate::service::request::RequestContext;
use crate::sign::{self, SigningSecret};
use crate::store::Entity;
use crate::store::access_key::AccessKeyState;
use crate::token::{Keyring, Session, WebIdentity};

/// How much longer than its window a nonce or a signature is remembered: of two replicas one may be
/// five minutes ahead, and the other as far behind.
const CLOCKS_APART: Duration = Duration::from_mins(10);

impl Access {
    /// Checks what can be known before a body is read: the method is accepted, the access key
    /// exists and is active, and the time is fresh.
    ///
    /// # Errors
    /// `InvalidParameter` for a value that isn't allowed; those of the store.
    pub async fn admit(&self, preview: &sign::Preview<'_>, context: &RequestContext) -> Result<()> {
        self.memory.require_fresh().await?;
        let now = self.base.now();
        self.check_method(preview.method)?;
        if access_key::is_of_session(preview.access_key_id) {
            self.check_time(preview.method, preview.signed_at)?;
            let token = preview.session_token;
            return Box::pin(self.session(
                preview.access_key_id,
                token,
                preview.method.cloud(),
                context,
                now,
            ))
            .await
            .map(drop);
        }
        self.active_access_key(preview.access_key_id, context)
            .await?;
        self.check_time(preview.method, preview.signed_at)
    }

    /// Proves who calls by the request's signature: method, access key, time, session token,
    /// signature, and whether it came before. `action` is what [`Service::throttle`] is told next:
    /// replicas count it in the same trip.
    ///
    /// # Errors
    /// `InvalidParameter` for a value that isn't allowed; those of the store.
    pub async fn authenticate(
        &self,
        request: &sign::Unverified,
        purpose: Purpose,
        action: &'static str,
        context: &RequestContext,
    ) -> Result<Caller> {
        self.memory.require_fresh().await?;
        let now = self.base.now();
        self.check_method(request.method())?;
        let id = request.access_key_id();
        let (proof, replay) = if access_key::is_of_session(id) {
            self.check_time(request.method(), request.signed_at())?;
            Box::pin(self.prove_session(request, context, now)).await?
        } else {
            let key = self.active_access_key(id, context).await?;
            self.check_time(request.method(), request.signed_at())?;
            if request.session_token().is_some() {
                return Err(Error::session_token_mismatch());
            }
            let replay = self.verify(request, &key)?;
            (Proof::Signed(key), replay)
        };
        let mut caller = Caller::from(proof);
        self.note_use(&caller, now);
        let account = caller
            .principal()
            .map(Principal::account)
            .ok_or_else(|| Error::internal("a signed call is nobody's"))?;
        let (valid_until, ends_at) = (
            request.signed_at().plus(request.window()),
            self.last_use(request),
        );
        let call = VerifiedCall {
            access_key_id: id,
            account,
            action,
            purpose,
            replay: &replay,
            valid_until,
            ends_at,
        };
        caller.overrun = Box::pin(self.limits.note_call(&call)).await?;
        caller.signature = Some(Signature {
            bytes: request.signature(),
            ends_at,
            request: None,
        });
        Ok(caller)
    }

    /// Verifies a request's signature with its access key, unless any signature will do.
    fn verify(&self, request: &sign::Unverified, key: &AccessKey) -> Result<sign::Replay> {
        if self.base.adjustable().signatures.stand_in.is_some() {
            return Ok(sign::Replay::None);
        }
        request.verify(&key.signing_secret)
    }

    /// Proves that a request is a session's: its token, its signature, and the policy that narrows
    /// it.
    async fn prove_session(
        &self,
        request: &sign::Unverified,
        context: &RequestContext,
        now: Timestamp,
    ) -> Result<(Proof, sign::Replay)> {
        let (id, cloud) = (request.access_key_id(), request.method().cloud());
        let session = self
            .session(id, request.session_token(), cloud, context, now)
            .await?;
        let replay = request.verify(&SigningSecret::new(session.secret.clone()))?;
        let policy = self
            .session_policy(session.principal.account(), session.session_policy.as_ref())
            .await?;
        let policy = policy.map_err(|cause| {
            self.memory
                .downgrade_if_stale(Error::session_token_expired().caused_by(cause))
        })?;
        let open = OpenSession { session, policy };
        Ok((Proof::InSession(Box::new(open)), replay))
    }

    /// Proves who calls by a token of an OpenID Connect provider of the account. Such a caller may
    /// assume roles that trust it, and nothing else.
    ///
    /// `stranger` is where the call comes from, if nothing else proves it: what it costs is charged
    /// to its address first.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn prove_web_identity(
        &self,
        account: AccountId,
        provider: &str,
        token: &Secret,
        stranger: Option<&RequestContext>,
    ) -> Result<Caller> {
        self.memory.require_fresh().await?;
        let mut attempt = Attempt::new(stranger.and_then(|context| context.address));
        let verified = self
            .verify_web_identity(account, provider, token, &mut attempt)
            .await;
        self.bearer(account, verified, attempt)
    }

    /// As [`Self::prove_web_identity`], of whichever provider of the account the token is.
    ///
    /// # Errors
    /// `WebIdentity` for a token that isn't believed, or that not exactly one provider fits; those
    /// of the store.
    pub async fn prove_web_identity_of_any(
        &self,
        account: AccountId,
        token: &Secret,
        stranger: Option<&RequestContext>,
    ) -> Result<Caller> {
        self.memory.require_fresh().await?;
        let mut attempt = Attempt::new(stranger.and_then(|context| context.address));
        let verified = self.verify_job_token(account, token, &mut attempt).await;
        let verified = verified
            .map(|(provider, identity)| (provider, (*identity).clone()))
            .map_err(believed_by_none);
        self.bearer(account, verified, attempt)
    }

    /// Makes a caller of a token that was verified, or charges the attempt.
    fn bearer(
        &self,
        account: AccountId,
        verified: Result<(Arc<OidcProvider>, WebIdentity)>,
        mut attempt: Attempt,
    ) -> Result<Caller> {
        match verified {
            Ok((provider, identity)) => {
                self.limits.give_back(&attempt);
                Ok(Proof::Bearer(Box::new(Bearer {
                    account,
                    provider: provider.name.clone(),
                    provider_created_at: provider.created_at,
                    identity,
                }))
                .into())
            }
            Err(error) => Err(self
                .limits
                .charge_refusal(&mut attempt, &error)
                .unwrap_or(error)),
        }
    }

    /// Returns the session of an access key by its token, which must be this key's and this
    /// cloud's, and stand.
    async fn session(
        &self,
        access_key_id: &str,
        token: Option<&str>,
        cloud: Cloud,
        context: &RequestContext,
        now: Timestamp,
    ) -> Result<Session> {
        let token = token.ok_or_else(Error::session_token_missing)?;
        let session = self
            .opened(SecretKind::Session, token, context, |keyring| {
                keyring.open_session(token)
            })
            .await?;
        // It may be sealed under a key that this replica hasn't heard of.
        let session = session.ok_or_else(|| {
            self.memory
                .downgrade_without_keys(Error::session_token_malformed())
        })?;
        if session.access_key_id != access_key_id || session.cloud != cloud {
            return Err(Error::session_token_mismatch());
        }
        if session.expires_at <= now {
            return Err(Error::session_token_expired()
                .caused_by(RefusalCause::Expired)
                .decided_by(ended(session.expires_at)));
        }
        match self
            .states()
            .fault_of(&session.id, &session.dependencies, session.expires_at, now)
            .await?
        {
            None => Ok(session),
            Some(cause) => Err(self
                .memory
                .downgrade_if_stale(Error::session_token_expired().caused_by(cause))),
        }
    }

    fn check_method(&self, method: sign::Method) -> Result<()> {
        let adjustable = self.base.adjustable();
        if adjustable.signatures.methods.contains(&method) {
            Ok(())
        } else {
            Err(Error::signature_method_refused(method.name())
                .decided_by(format!("signatures.allow lacks {}", method.name())))
        }
    }

    /// Checks a request's time by the vendor's window, or the settings' where that is narrower.
    ///
    /// A client's clock may have been moved along with this service's, or not: either time will do.
    fn check_time(&self, method: sign::Method, signed_at: Timestamp) -> Result<()> {
        let window = method.window().min(self.signature_window());
        sign::check_time_within(window, signed_at, self.base.now_elsewhere())
            .or_else(|_| sign::check_time_within(window, signed_at, self.base.now()))
    }

    async fn active_access_key(
        &self,
        id: &str,
        context: &RequestContext,
    ) -> Result<Arc<AccessKey>> {
        let found = match self.memory.cache.known_access_key(id) {
            Some(known) => Ok(known),
            None => Box::pin(self.cold_access_key(id, context)).await,
        };
        let key = match found {
            Err(error) if error.kind() == &ErrorKind::AccessKeyNotFound => {
                // Nothing but `transire mock --any-key` has one.
                let stand_in = self.base.adjustable().signatures.stand_in.clone();
                let stand_in = stand_in.filter(|stand_in| stand_in != id).ok_or(error)?;
                return Box::pin(self.active_access_key(&stand_in, context)).await;
            }
            found => found?,
        };
        match key.state {
            AccessKeyState::Active => Ok(key),
            AccessKeyState::Disabled => {
                Err(self.memory.downgrade_if_stale(Error::access_key_disabled()))
            }
            // Nothing brings it back, so that needs no news.
            AccessKeyState::Deleted => Err(Error::access_key_not_found()),
        }
    }

    /// Looks an access key up, if there is one of that id: another replica may have made it a
    /// moment ago, so the change feed is read before it is refused.
    async fn cold_access_key(&self, id: &str, context: &RequestContext) -> Result<Arc<AccessKey>> {
        if !self
            .memory
            .cache
            .has_access_key(&self.base.store, id)
            .await?
        {
            self.memory
                .refresh_for_newer(self.priority_of(context))
                .await?;
            if !self
                .memory
                .cache
                .has_access_key(&self.base.store, id)
                .await?
            {
                return Err(Error::access_key_not_found());
            }
        }
        self.memory
            .cache
            .access_key(&self.base.store, &self.memory.keys.master, id)
            .await?
            .ok_or_else(Error::access_key_not_found)
    }

    /// Opens something sealed; where the key is one that this replica hasn't heard of, it listens
    /// once more.
    pub(in crate::service) async fn opened<T>(
        &self,
        kind: SecretKind,
        secret: &str,
        context: &RequestContext,
        open: impl Fn(&Keyring) -> Option<T>,
    ) -> Result<Option<T>> {
        // Another keyring may open it no more.
        reads::note(&[Mark::any(Entity::SealingKey)]);
        let opened = open(&self.memory.keys.keyring.load());
        if opened.is_some()
            || !self
                .memory
                .keys
                .keyring
                .load()
                .sealer()
                .lacks_key_of(kind, secret)
        {
            return Ok(opened);
        }
        Box::pin(self.memory.refresh_for_newer(self.priority_of(context))).await?;
        Ok(open(&self.memory.keys.keyring.load()))
    }

    /// Tells among whom a request waits.
    pub(super) fn priority_of(&self, context: &RequestContext) -> Priority {
        if self.limits.is_throttled(context) {
            Priority::Slowed
        } else {
            Priority::Usual
        }
    }

    /// Returns when a request's signature is valid at no replica any more.
    pub(in crate::service) fn last_use(&self, request: &sign::Unverified) -> Timestamp {
        request
            .signed_at()
            .plus(request.window().min(self.signature_window()) + CLOCKS_APART)
    }

    fn signature_window(&self) -> Duration {
        self.base.adjustable().signatures.window
    }

    /// Counts a call of `action` (a static name, such as `tcr:CreateInstanceToken`) against its
    /// account.
    ///
    /// # Errors
    /// `Throttled` when the account called the action too often.
    pub fn throttle(&self, caller: &Caller, action: &'static str) -> Result<()> {
        let Some(principal) = caller.principal() else {
            return Ok(());
        };
        self.limits
            .actions
            .check(principal.account(), action, self.base.now())?;
        // The replicas' common count was read together with the nonce.
        caller.overrun().map_or(Ok(()), |measured| {
            Err(crate::service::limits::rates::throttled(
                action,
                measured,
                self.limits.actions.allowed(action),
            ))
        })
    }
}

/// Says of a token that fits no provider, or several, what STS says of it.
fn believed_by_none(error: Error) -> Error {
    let Some(cause) = error.refusal_cause() else {
        return error;
    };
    let fault = match cause {
        RefusalCause::NoSuchProvider | RefusalCause::SeveralProviders => {
            WebIdentityFault::NoSuchProvider
        }
        RefusalCause::WebIdentityAudience => WebIdentityFault::AudienceNotMatched,
        _ => return error,
    };
    Error::web_identity(fault).caused_by(cause)
}
