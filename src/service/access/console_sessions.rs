//! Sessions of the console: a log-in by an operator's token, and the cookie that stands for it.
//!
//! A session has no rights of its own: each request finds its operator anew, as it is by then. It
//! ends with the token by which the operator logged in. Sessions of single sign-on are in
//! [`sso`](super::sso).

use std::time::Duration;

use crate::domain::clock::Timestamp;
use crate::domain::console_session::{ConsoleSession, console_secret, is_console_secret};
use crate::domain::operator::Administrator;
use crate::domain::refusal::RefusalCause;
use crate::domain::secret::Secret;
use crate::domain::{Error, ErrorKind, Result};
use crate::service::access::Access;
use crate::service::access::caller::{Caller, Proof};
use crate::service::access::operators::{hash_of, judge};
use crate::service::ledger::actions::AuditAction;
use crate::service::ledger::event::Event;
use crate::service::limits::attempt::Attempt;
use crate::service::request::RequestContext;
use crate::sign::sha256;
use crate::store;

/// The longest life of a session.
const LIFE: Duration = Duration::from_hours(8);
/// For how long after a proof of the token secrets can be made.
const FRESH: Duration = Duration::from_mins(10);
/// The most sessions of one operator; another one ends the oldest.
pub(super) const MAX_SESSIONS: u32 = 20;
/// The name under which an address's failures with cookies are counted.
const FAILURE_KEY: &str = "console/";

/// A session that a request proved.
pub struct OpenConsole {
    /// The operator, as it is now.
    pub caller: Caller,
    /// Its name.
    pub operator: String,
    /// Its role's name.
    pub role: &'static str,
    /// The word that the session's own pages send with each change; other pages can't know it.
    pub form_token: String,
    /// Whether the operator proved itself a short while ago.
    pub is_fresh: bool,
    /// Whether it came by single sign-on, and so has no token.
    pub is_sso: bool,
    hash: [u8; 32],
}

/// The session behind a cookie.
pub(super) struct Proved {
    /// SHA-256 of its secret.
    pub(super) hash: [u8; 32],
    /// The last time at which the operator proved itself, where that is known.
    pub(super) at: Option<Timestamp>,
    /// Whether it began by single sign-on.
    pub(super) is_sso: bool,
}

impl OpenConsole {
    pub(super) fn hash(&self) -> &[u8; 32] {
        &self.hash
    }

    /// Returns the operator as the caller of one more operation.
    ///
    /// # Errors
    /// `Unsupported` for a session that is no operator's.
    pub fn to_caller(&self) -> Result<Caller> {
        let administrator = self.caller.administrator().cloned();
        let administrator = administrator.ok_or_else(|| Error::unsupported("No operator."))?;
        Ok(Proof::Administrator(administrator).into())
    }
}

/// A log-in, with the secret for its cookie.
pub struct NewConsole {
    /// The secret.
    pub secret: Secret,
    /// How long it lasts at most.
    pub life: Duration,
}

impl Access {
    /// Logs an operator in by its token.
    ///
    /// # Errors
    /// As [`Self::authenticate_operator`]; those of the store.
    pub async fn open_console(
        &self,
        token: &Secret,
        context: &RequestContext,
    ) -> Result<(Caller, NewConsole)> {
        let caller = self.authenticate_operator(token, context).await?;
        let Some(Administrator::Named { id, .. }) = caller.administrator() else {
            return Err(Error::unsupported("Only operators with a token log in."));
        };
        let (secret, now) = (console_secret(&*self.base.random), self.base.now());
        let session = ConsoleSession {
            hash: hash_of(&secret),
            operator: id.clone(),
            token_hash: hash_of(token),
            created_at: now,
            authenticated_at: now,
            ends_at: now.plus(LIFE),
        };
        self.record_log(&caller, context, AuditAction::ConsoleLogIn, {
            store::console_session::insert(&session, MAX_SESSIONS)
        })
        .await?;
        let life = LIFE;
        Ok((caller, NewConsole { secret, life }))
    }

    /// Proves the session of a cookie.
    ///
    /// # Errors
    /// `BadCredentials` for a session that isn't there, is over, or whose operator or token isn't
    /// taken any more; those of the store.
    pub async fn console_session(
        &self,
        cookie: &Secret,
        context: &RequestContext,
    ) -> Result<OpenConsole> {
        self.memory.require_fresh().await?;
        if !is_console_secret(cookie.expose()) {
            return Err(Error::bad_operator_token(RefusalCause::UnreadableSecret));
        }
        let mut attempt = Attempt::new(context.address);
        let error = match self.prove_console(cookie, &mut attempt).await {
            Ok(Ok(open)) => {
                self.limits.give_back(&attempt);
                return Ok(open);
            }
            Ok(Err(cause)) => self.memory.downgrade_if_stale(ended(cause)),
            Err(error) => error,
        };
        Err(self.charge_wrong_secret(FAILURE_KEY, cookie, &mut attempt, error))
    }

    async fn prove_console(
        &self,
        cookie: &Secret,
        attempt: &mut Attempt,
    ) -> Result<Result<OpenConsole, RefusalCause>> {
        let _permit = self.limits.lookup_permit(attempt).await?;
        let (hash, now) = (hash_of(cookie), self.base.now());
        let found = store::console_session::find(&self.base.store, &hash).await?;
        let Some(session) = found else {
            return self.prove_sso(cookie, &hash, now).await;
        };
        if now >= session.ends_at {
            return Ok(Err(RefusalCause::Expired));
        }
        let operators = self.memory.cache.operators(&self.base.store).await?;
        let proved = judge(&operators, &session.operator, &session.token_hash, now);
        let session = Proved {
            hash,
            at: Some(session.authenticated_at),
            is_sso: false,
        };
        Ok(proved.map(|administrator| opened(administrator, &session, cookie, now)))
    }

    /// Notes that the operator of a session proved its token again.
    ///
    /// # Errors
    /// As [`Self::authenticate_operator`]; `BadCredentials` for another operator's token.
    pub async fn renew_console(
        &self,
        open: &OpenConsole,
        token: &Secret,
        context: &RequestContext,
    ) -> Result<()> {
        let proved = self.authenticate_operator(token, context).await?;
        if proved.administrator() != open.caller.administrator() {
            return Err(Error::bad_operator_token(RefusalCause::WrongSecret));
        }
        let now = self.base.now();
        let renewed = store::console_session::renew(&open.hash, &hash_of(token), now);
        self.ledger.apply(self.base.write().then(renewed)).await
    }

    /// Ends a session.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn close_console(&self, open: &OpenConsole, context: &RequestContext) -> Result<()> {
        let ended = match open.is_sso {
            true => store::sso_session::delete(&open.hash),
            false => store::console_session::delete(&open.hash),
        };
        self.record_log(&open.caller, context, AuditAction::ConsoleLogOut, ended)
            .await
    }

    async fn record_log(
        &self,
        caller: &Caller,
        request: &RequestContext,
        action: AuditAction,
        part: store::Part,
    ) -> Result<()> {
        let event = Event::new(action, self.base.now(), request).by(caller.actor());
        self.ledger.change(part, event).await
    }
}

/// Refuses a session that is over.
fn ended(cause: RefusalCause) -> Error {
    match cause {
        RefusalCause::SsoOff | RefusalCause::SsoNoRole => Error::new(
            ErrorKind::BadCredentials,
            "Single sign-on gives this session no role any more: log in again, or ask an admin.",
        )
        .caused_by(cause),
        _ => Error::bad_operator_token(cause),
    }
}

pub(super) fn opened(
    administrator: Administrator,
    session: &Proved,
    cookie: &Secret,
    now: Timestamp,
) -> OpenConsole {
    let (operator, role) = match &administrator {
        Administrator::Named { name, role, .. } | Administrator::SignedOn { name, role, .. } => {
            (name.clone(), role.name())
        }
        Administrator::Local { .. } => (administrator.audit_name(), "admin"),
    };
    OpenConsole {
        caller: Proof::Administrator(administrator).into(),
        operator,
        role,
        form_token: form_token(cookie),
        is_fresh: session.at.is_some_and(|at| now < at.plus(FRESH)),
        is_sso: session.is_sso,
        hash: session.hash,
    }
}

/// Derives the word of a session's forms from its secret, which nobody can compute back.
fn form_token(cookie: &Secret) -> String {
    let named = format!("console-form\0{}", cookie.expose());
    hex::encode(sha256(named.as_bytes()))
}
