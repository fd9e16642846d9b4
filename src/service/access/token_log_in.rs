//! Log-ins with an OpenID Connect token as the password.
//!
//! The username names the role, or leaves it to the trust policies. Nothing is issued: the rights
//! are the role's at each exchange, and end with the token. The checks come in this order, so that
//! a stranger costs little: the instance's setting, the form of the username, the token's issuer
//! and audience, its signature, and last the trust policies.

use std::sync::Arc;

use crate::domain::error::WebIdentityFault;
use crate::domain::identity::OidcProvider;
use crate::domain::ids::{AccountId, RoleId};
use crate::domain::instance::Instance;
use crate::domain::principal::Principal;
use crate::domain::refusal::RefusalCause;
use crate::domain::role_name::RoleName;
use crate::domain::secret::Secret;
use crate::domain::{Error, ErrorKind, Result};
use crate::policy::{Assumer, Context};
use crate::service::access::Access;
use crate::service::access::caller::{Proof, TokenLogIn};
use crate::service::access::log_in::ended;
use crate::service::access::verified_tokens::{Providers, Verified};
use crate::service::limits::attempt::Attempt;
use crate::service::memory::trusting_roles::{TrustingRole, bearer, is_revoked, why_untrusted};
use crate::service::request::RequestContext;
use crate::token::{SubjectDigest, UnverifiedToken, WebIdentity};

/// The most roles whose trust policies are asked about one token that names none.
const MAX_ROLES: usize = 100;
/// The most roles of which it is said why they don't accept a token.
const MAX_ROLES_SAID: usize = 3;
/// The most characters of a subject that name the role's session.
const MAX_SESSION_NAME: usize = 64;

impl Access {
    /// Logs in with a token; `username` names the role.
    ///
    /// # Errors
    /// `BadCredentials`, whose cause says why; `Overloaded` when the issuer's keys can't be had;
    /// those of the store.
    pub(super) async fn log_in_by_token(
        &self,
        instance: Option<Arc<Instance>>,
        username: &str,
        secret: &Secret,
        attempt: &mut Attempt,
        context: &RequestContext,
    ) -> Result<Proof> {
        let refuse = |cause| Err(Error::bad_credentials(cause));
        let Some(instance) = instance else {
            return refuse(RefusalCause::UnknownService);
        };
        if !instance.token_log_in.is_on() {
            return refuse(RefusalCause::TokenLogInOff);
        }
        let Some(wanted) = RoleName::parse(username) else {
            return refuse(RefusalCause::UnknownUsername);
        };
        if wanted.account().is_some_and(|of| of != instance.account) {
            return refuse(RefusalCause::RoleOfOtherAccount);
        }
        if wanted == RoleName::Any && self.is_account_name(instance.account, username).await? {
            return refuse(RefusalCause::UnknownUsername);
        }
        let (provider, identity) = self
            .verify_log_in_token(&instance, secret, attempt)
            .await
            .map_err(unproved)?;
        let role = self
            .role_for(&provider, &identity, &wanted, context)
            .await?;
        let principal = Principal::RoleSession(instance.account, role, session_name(&identity));
        Ok(Proof::WithToken {
            instance,
            principal,
            log_in: Box::new(TokenLogIn {
                provider: provider.name.clone(),
                provider_created_at: provider.created_at,
                identity,
            }),
        })
    }

    /// Verifies a token that logs in at an instance.
    ///
    /// # Errors
    /// Those of [`Self::verify_job_token`]; `BadCredentials`, whose cause says why, for a token
    /// that has just expired, and for one of a registry.
    pub(in crate::service) async fn verify_log_in_token(
        &self,
        instance: &Instance,
        token: &Secret,
        attempt: &mut Attempt,
    ) -> Result<(Arc<OidcProvider>, Arc<WebIdentity>)> {
        let (provider, identity) = self
            .verify_job_token(instance.account, token, attempt)
            .await?;
        let own = [self.base.issuer(), self.base.issuer_of(instance)];
        if own.contains(&identity.issuer.as_str()) {
            // A registry's token, whose issuer somebody made a provider: it would renew itself.
            return Err(Error::bad_credentials(RefusalCause::NoSuchProvider));
        }
        if identity.expires_at <= self.base.now_elsewhere() {
            // The tolerance for clocks is for STS, whose sessions have a life of their own.
            return Err(Error::bad_credentials(RefusalCause::WebIdentityExpired)
                .decided_by(ended(identity.expires_at)));
        }
        Ok((provider, identity))
    }

    /// Verifies a token of whichever provider of the account it is.
    ///
    /// # Errors
    /// `WebIdentity` for a token that isn't believed; `BadCredentials`, whose cause says why, when
    /// not exactly one provider fits; those of the store.
    pub(in crate::service) async fn verify_job_token(
        &self,
        account: AccountId,
        token: &Secret,
        attempt: &mut Attempt,
    ) -> Result<(Arc<OidcProvider>, Arc<WebIdentity>)> {
        if let Some(known) = self.verified_tokens.find(account, token)
            && self.is_still_verified(account, &known)?
        {
            return Ok((Arc::clone(&known.provider), Arc::clone(&known.identity)));
        }
        let unverified = UnverifiedToken::parse(token.expose())?;
        let providers = self.providers_of(account, attempt).await?;
        let provider = provider_of(&unverified, &providers)?;
        let (identity, keys) = self.verify_token_of(&provider, unverified).await?;
        let identity = Arc::new(identity);
        let verified = Verified {
            providers,
            provider: Arc::clone(&provider),
            keys,
            identity: Arc::clone(&identity),
            length: token.expose().len(),
        };
        self.verified_tokens.remember(account, token, verified);
        Ok((provider, identity))
    }

    /// Tells whether a token would be verified again with the same result.
    fn is_still_verified(&self, account: AccountId, known: &Verified) -> Result<bool> {
        let providers = self.memory.cache.known_oidc_providers(account);
        let are_same = providers.is_some_and(|now| Arc::ptr_eq(&now, &known.providers));
        Ok(are_same
            && known.is_in_time(self.base.now_elsewhere())
            && self.are_current_keys(&known.provider, &known.keys)?)
    }

    /// Tells whether a username is the account's own name, given before no account could have it.
    async fn is_account_name(&self, account: AccountId, username: &str) -> Result<bool> {
        let account = self.memory.cache.account(&self.base.store, account).await?;
        Ok(account.is_some_and(|account| account.name == username))
    }

    /// Returns the providers of an account.
    async fn providers_of(&self, account: AccountId, attempt: &mut Attempt) -> Result<Providers> {
        match self.memory.cache.known_oidc_providers(account) {
            Some(known) => Ok(known),
            None => {
                let _look = self.limits.lookup_permit(attempt).await?;
                self.memory
                    .cache
                    .oidc_providers(&self.base.store, account)
                    .await
            }
        }
    }

    /// Returns the role that a verified token logs in as.
    ///
    /// # Errors
    /// `BadCredentials`, whose cause says why; those of the store.
    pub(in crate::service) async fn role_for(
        &self,
        provider: &OidcProvider,
        identity: &WebIdentity,
        wanted: &RoleName,
        context: &RequestContext,
    ) -> Result<RoleId> {
        let (account, name) = (provider.account, provider.name.as_str());
        let subject = SubjectDigest::of(&identity.subject);
        if self
            .memory
            .refuses_subject(account, &identity.issuer, subject)
            .await?
        {
            return Err(Error::bad_credentials(RefusalCause::SubjectRefused));
        }
        let roles = self
            .memory
            .cache
            .trusting_roles(&self.base.store, provider.into())
            .await?;
        if *wanted == RoleName::Any && roles.len() > MAX_ROLES {
            return Err(Error::bad_credentials(RefusalCause::TooManyRoles));
        }
        let bearer = bearer(account, name, identity);
        let context = context.policy_context(self.base.now());
        let mut trusted = roles
            .iter()
            .filter(|role| role.is_named(wanted) && role.accepts(&bearer, &context));
        match (trusted.next(), trusted.next()) {
            (Some(one), None) if is_revoked(one.revoked_at, identity.issued_at) => {
                Err(Error::bad_credentials(RefusalCause::PrincipalRevoked)
                    .decided_by(format!("role {} was revoked after it was issued", one.name)))
            }
            (Some(one), None) => Ok(one.id),
            (Some(one), Some(other)) => {
                Err(Error::bad_credentials(RefusalCause::SeveralRolesTrust)
                    .decided_by(format!("roles {} and {}, at least", one.name, other.name)))
            }
            (None, _) => {
                let named = roles.iter().filter(|role| role.is_named(wanted));
                Err(Error::bad_credentials(RefusalCause::NoRoleTrusts)
                    .decided_by(why_none(named, &bearer, &context)))
            }
        }
    }
}

/// Says why none of the roles that a username may mean accepts a token; of many, the first few.
fn why_none<'a>(
    roles: impl Iterator<Item = &'a TrustingRole>,
    bearer: &Assumer<'_>,
    context: &Context<'_>,
) -> String {
    let why = |role: &TrustingRole| why_untrusted(&role.name, &role.policy, bearer, context);
    let reasons: Vec<String> = roles.take(MAX_ROLES_SAID).map(why).collect();
    if reasons.is_empty() {
        return "no role that the username may mean names the provider".to_owned();
    }
    reasons.join("; ")
}

/// Finds the provider, of these, that a token says it is of, by issuer and audience.
fn provider_of(token: &UnverifiedToken<'_>, providers: &Providers) -> Result<Arc<OidcProvider>> {
    let of_issuer: Vec<_> = providers
        .iter()
        .filter(|provider| token.claims_issuer(provider))
        .collect();
    if of_issuer.is_empty() {
        return Err(Error::bad_credentials(RefusalCause::NoSuchProvider));
    }
    let mut fitting = of_issuer
        .into_iter()
        .filter(|provider| token.claims_audience_of(provider));
    let provider = fitting
        .next()
        .ok_or_else(|| Error::bad_credentials(RefusalCause::WebIdentityAudience))?;
    if fitting.next().is_some() {
        return Err(Error::bad_credentials(RefusalCause::SeveralProviders));
    }
    Ok(Arc::clone(provider))
}

/// Returns the cause of a token that isn't believed; none where nobody can tell at the moment.
pub(super) fn cause_of(fault: WebIdentityFault) -> Option<RefusalCause> {
    Some(match fault {
        WebIdentityFault::KeysUnavailable => return None,
        WebIdentityFault::NoSuchProvider => RefusalCause::NoSuchProvider,
        WebIdentityFault::Malformed => RefusalCause::WebIdentityMalformed,
        WebIdentityFault::Expired => RefusalCause::WebIdentityExpired,
        WebIdentityFault::NotYetValid => RefusalCause::WebIdentityNotYetValid,
        WebIdentityFault::AudienceNotMatched => RefusalCause::WebIdentityAudience,
        WebIdentityFault::BadSignature => RefusalCause::WebIdentitySignature,
    })
}

/// Returns the refusal of a token that isn't believed: a client learns no reason.
fn unproved(error: Error) -> Error {
    let cause = match error.kind() {
        ErrorKind::WebIdentity { fault } => match cause_of(*fault) {
            Some(cause) => cause,
            None => {
                return Error::new(
                    ErrorKind::Overloaded,
                    "The log-in can't be checked at the moment; try again in a minute.",
                )
                .caused_by(RefusalCause::KeysUnavailable);
            }
        },
        _ => return error,
    };
    let refusal = Error::bad_credentials(cause);
    match cause {
        // The message has times, and nothing else of the token.
        RefusalCause::WebIdentityExpired | RefusalCause::WebIdentityNotYetValid => {
            refusal.decided_by(error.message())
        }
        _ => refusal,
    }
}

/// Names a role's session after the token's subject, in characters that both clouds allow.
pub(in crate::service) fn session_name(identity: &WebIdentity) -> String {
    let allowed = |letter: char| letter.is_ascii_alphanumeric() || "_.@-".contains(letter);
    identity
        .subject
        .chars()
        .take(MAX_SESSION_NAME)
        .map(|letter| if allowed(letter) { letter } else { '-' })
        .collect()
}
