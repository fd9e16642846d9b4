//! Log-ins in exchange for a token or a credential: narrower than what was given for them, and
//! never with more time (RFC 8693).

use std::time::Duration;

use serde::Serialize;

use crate::domain::clock::Timestamp;
use crate::domain::credential::{CredentialId, SecretKind, Username};
use crate::domain::instance::Instance;
use crate::domain::narrowing::Narrowing;
use crate::domain::principal::Principal;
use crate::domain::refusal::RefusalCause;
use crate::domain::secret::Secret;
use crate::domain::{Error, Result};
use crate::service::access::caller::TokenLogIn;
use crate::service::call::Call;
use crate::service::exchange::{Exchange, LoggedInByToken};
use crate::service::ledger::actions::AuditAction;
use crate::service::memory::trusting_roles::is_revoked;
use crate::token::{
    Dependency, Grant, MAX_EXCHANGES, MAX_REGISTRY_SECRET, OidcSubject, longest_secret_of,
};

/// The life of a log-in for which nothing is asked, and the longest of one that an OpenID Connect
/// token gets.
const USUAL_TTL: Duration = Duration::from_hours(1);
/// The longest life of a log-in that a credential gets: that of temporary credentials.
const MAX_TTL: Duration = Duration::from_hours(24);

/// A log-in that is asked for.
pub struct AskedLogIn {
    /// The scopes that it is narrowed to.
    pub narrowing: Option<Narrowing>,
    /// Its life; an hour where nothing is asked. It is never longer than that of what is exchanged.
    pub ttl: Option<Duration>,
}

/// A log-in just made; its secret is shown this once.
pub struct IssuedLogIn {
    /// The username that logs in.
    pub username: String,
    /// The password that logs in.
    pub secret: Secret,
    /// When it stops.
    pub expires_at: Timestamp,
    /// Its narrowing: the asked scopes, within those of the exchanged credential.
    pub narrowing: Option<Narrowing>,
}

/// The detail of the audit event.
#[derive(Serialize)]
struct Detail<'a> {
    expires_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<String>,
    /// The scopes that were asked for, where less was granted.
    #[serde(skip_serializing_if = "Option::is_none")]
    asked: Option<String>,
    /// The credential that was exchanged.
    #[serde(skip_serializing_if = "Option::is_none")]
    exchanged: Option<&'a str>,
    /// The provider and the subject of the token that was exchanged.
    #[serde(flatten)]
    token: Option<LoggedInByToken<'a>>,
}

impl Exchange {
    /// Exchanges a log-in for another one: sealed, stored nowhere, and with the rights that its
    /// principal has at each exchange for a token.
    ///
    /// # Errors
    ///
    /// `InvalidParameter` of `scope` when nothing is left of it within what the credential is
    /// narrowed to, or when it makes the secret too long; `Unsupported` for a password of a person
    /// or a service account, and for a credential that was exchanged too often; `BadCredentials`
    /// when the role was deleted meanwhile; `Throttled` when the credential asks too often;
    /// `AuditUnavailable` when the audit must record it and can't; those of the store.
    pub async fn log_in(&self, call: &Call<'_>, asked: &AskedLogIn) -> Result<IssuedLogIn> {
        let instance = call.caller.registry_instance()?;
        if let Some(credential) = call.caller.credential() {
            self.limits.tokens.count(credential, call.now)?;
        }
        let origin = match (call.caller.grant(), call.caller.token_log_in()) {
            (Some(grant), _) => of_credential(grant, call.now)?,
            (None, Some(log_in)) => self.of_token(call, instance, log_in).await?,
            (None, None) => {
                return Err(Error::unsupported(
                    "Only an OpenID Connect token, a temporary credential or a long-term one is \
                     exchanged for a log-in; a password gets the registry's token.",
                ));
            }
        };
        let usual = call.now.plus(asked.ttl.unwrap_or(USUAL_TTL));
        let grant = Grant {
            id: CredentialId::random(&*self.base.random),
            narrowing: narrowed(asked.narrowing.as_ref(), origin.narrowing.as_ref())?,
            issued_at: call.now,
            expires_at: origin.expires_at.min(usual),
            ..origin
        };
        self.seal_log_in(call, instance, asked, grant)
    }

    /// Returns the grant of an OpenID Connect token: a session of its role, which ends with the
    /// role, and with the provider.
    async fn of_token(
        &self,
        call: &Call<'_>,
        instance: &Instance,
        log_in: &TokenLogIn,
    ) -> Result<Grant> {
        let gone = || Error::bad_credentials(RefusalCause::RoleDeleted);
        let principal = call.caller.principal().ok_or_else(gone)?;
        let Principal::RoleSession(account, id, _) = principal else {
            return Err(Error::internal("a token logs in as a session of a role"));
        };
        let role = self.memory.cache.role(&self.base.store, *id).await?;
        let role = role.ok_or_else(gone)?;
        if is_revoked(role.revoked_at, log_in.identity.issued_at) {
            // Since the log-in: this generation is newer than the token.
            return Err(Error::bad_credentials(RefusalCause::PrincipalRevoked));
        }
        let subject = OidcSubject::new(*account, &log_in.provider, &log_in.identity.subject);
        let kept = self
            .rights
            .kept_claims(&log_in.identity.claims, principal, None);
        let of_role = Duration::from_secs(role.max_session_seconds.into());
        Ok(Grant {
            id: CredentialId::random(&*self.base.random),
            principal: principal.clone(),
            dependencies: vec![
                (Dependency::Role(role.id), role.generation),
                (
                    Dependency::OidcSubject(subject),
                    log_in.provider_created_at.unix_millis(),
                ),
            ],
            instance: instance.id.clone(),
            username: Username::NumericId,
            session_policy: None,
            narrowing: None,
            issued_at: call.now,
            expires_at: call.now.plus(of_role.min(USUAL_TTL)),
            claims: Box::pin(kept).await?,
        })
    }

    /// Seals a log-in, and records it.
    fn seal_log_in(
        &self,
        call: &Call<'_>,
        instance: &Instance,
        asked: &AskedLogIn,
        grant: Grant,
    ) -> Result<IssuedLogIn> {
        check_length(&grant)?;
        let permit = self.ledger.queue.reserve(call.caller.audit_share())?;
        let secret = self.memory.keys.keyring.load().seal(
            SecretKind::Temporary,
            &grant,
            &*self.base.random,
        )?;
        let is_reduced = is_reduced(asked, &grant);
        let outcome = if is_reduced { "reduced" } else { "ok" };
        let event = call.event(AuditAction::CredentialExchange).outcome(outcome);
        permit.record(
            &event
                .credential(&grant.id)
                .instance(instance)
                .detail(Detail {
                    expires_at: grant.expires_at,
                    scope: grant.narrowing.as_ref().map(ToString::to_string),
                    asked: asked
                        .narrowing
                        .as_ref()
                        .filter(|_| is_reduced)
                        .map(ToString::to_string),
                    exchanged: call.caller.grant().map(|exchanged| exchanged.id.as_str()),
                    token: LoggedInByToken::of(call.caller),
                }),
        );
        Ok(IssuedLogIn {
            username: grant.username.of(&grant.principal),
            secret,
            expires_at: grant.expires_at,
            narrowing: grant.narrowing,
        })
    }
}

/// Tells whether a log-in has less than was asked for: fewer actions, or a shorter life.
fn is_reduced(asked: &AskedLogIn, grant: &Grant) -> bool {
    let is_shorter = asked
        .ttl
        .is_some_and(|ttl| grant.expires_at < grant.issued_at.plus(ttl));
    let granted = grant.narrowing.as_ref();
    let has_fewer = asked
        .narrowing
        .as_ref()
        .zip(granted)
        .is_some_and(|(asked, granted)| !granted.covers(asked));
    is_shorter || has_fewer
}

/// Fails when scopes, or claims, make the secrets of a log-in longer than registry clients take.
fn check_length(grant: &Grant) -> Result<()> {
    let is_bounded = grant.narrowing.is_none() && grant.claims.is_empty();
    if is_bounded || longest_secret_of(grant)? <= MAX_REGISTRY_SECRET {
        return Ok(());
    }
    let what = if grant.claims.is_empty() {
        "the scopes have"
    } else {
        "the scopes, and the claims that the role's policies ask for, have"
    };
    Err(Error::invalid_parameter(
        "scope",
        format!("{what} no room in a secret of {MAX_REGISTRY_SECRET} characters; ask for fewer"),
    ))
}

/// Returns what a credential can be exchanged for: itself, which the new one depends on.
fn of_credential(exchanged: &Grant, now: Timestamp) -> Result<Grant> {
    let mut grant = exchanged.clone();
    let mut dependencies = exchanged.dependencies.iter().map(|(of, _)| of);
    if !dependencies.any(|of| matches!(of, Dependency::LongTerm(id) if *id == exchanged.id)) {
        let dependencies = exchanged.dependencies.iter();
        let exchanges = dependencies.filter(|(of, _)| matches!(of, Dependency::Temporary(_)));
        // Each adds a dependency, which the secret has to carry.
        if exchanges.count() >= MAX_EXCHANGES {
            return Err(Error::unsupported(format!(
                "The credential came out of {MAX_EXCHANGES} exchanges in a row, which is the most; \
                 exchange the one that they began with."
            )));
        }
        let dependency = Dependency::Temporary(exchanged.id.clone());
        grant.dependencies.push((dependency, 0));
    }
    grant.expires_at = grant.expires_at.min(now.plus(MAX_TTL));
    Ok(grant)
}

/// Returns the narrowing of a log-in: what is asked, within what the exchanged credential has.
fn narrowed(asked: Option<&Narrowing>, held: Option<&Narrowing>) -> Result<Option<Narrowing>> {
    match (asked, held) {
        (Some(asked), Some(held)) => asked.within(held).map(Some).ok_or_else(|| {
            Error::invalid_parameter(
                "scope",
                "nothing of it is left within what the credential is narrowed to",
            )
        }),
        (narrowing, None) | (None, narrowing) => Ok(narrowing.cloned()),
    }
}
