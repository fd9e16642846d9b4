//! Whether the bearer of an OpenID Connect token may do something: the steps of its log-in, and
//! then those of the role's rights.
//!
//! The steps ask what a log-in asks
//! ([`Access::verify_log_in_token`](crate::service::access::Access::verify_log_in_token),
//! [`Access::role_for`](crate::service::access::Access::role_for)), and have no rules of their own.

use std::sync::Arc;

use crate::domain::error::WebIdentityFault;
use crate::domain::identity::OidcProvider;
use crate::domain::ids::RoleId;
use crate::domain::instance::Instance;
use crate::domain::operator::OperatorPermission;
use crate::domain::principal::Principal;
use crate::domain::refusal::RefusalCause;
use crate::domain::role_name::RoleName;
use crate::domain::secret::Secret;
use crate::domain::{Error, ErrorKind, Result};
use crate::service::access::token_log_in::session_name;
use crate::service::call::Call;
use crate::service::identity::Identity;
use crate::service::limits::attempt::Attempt;
use crate::service::memory::trusting_roles::bearer;
use crate::service::rights::question::Question;
use crate::service::rights::reasons::why_refused;
use crate::service::rights::steps::{Explained, Steps};
use crate::token::WebIdentity;

/// The token that a question is about.
pub struct TokenInQuestion<'a> {
    /// The token.
    pub token: &'a Secret,
    /// The name of the role that the username names; none leaves it to the trust policies.
    pub role: Option<&'a str>,
}

impl Identity {
    /// Says whether the bearer of a token may do something, and which step decides.
    ///
    /// # Errors
    /// `OperatorDenied`, or `Unsupported` for no operator; `WebIdentity` when the issuer's keys
    /// can't be had; those of [`Rights::explain`](crate::service::rights::Rights::explain).
    pub async fn explain_token(
        &self,
        call: &Call<'_>,
        asked: &TokenInQuestion<'_>,
        question: &Question,
    ) -> Result<Explained> {
        call.caller
            .require_in_own_account(OperatorPermission::PolicyExplain)?;
        let instance = self.rights.own_instance(call, &question.instance).await?;
        let mut steps = Steps::default();
        if question.is_about_registry() && !instance.token_log_in.is_on() {
            let why = "the instance takes no tokens: `transire instance update --token-log-in on`";
            steps.fail("log-in", why);
            return Ok(steps.end());
        }
        let proof = self.prove(asked, question, &instance).await;
        let Some((provider, identity)) = decided(&mut steps, "provider", proof)? else {
            return Ok(steps.end());
        };
        let found = format!("{}: the token is of {}", provider.name, identity.subject);
        steps.pass("provider", found);
        let role = self
            .explain_role(&mut steps, call, asked, (&provider, &identity))
            .await?;
        let Some(role) = role else {
            return Ok(steps.end());
        };
        let session = Principal::RoleSession(instance.account, role, session_name(&identity));
        let rest = self
            .rights
            .explain_with(call, &session.into(), Some(&identity.claims), question)
            .await?;
        Ok(steps.end_with(rest))
    }

    /// Verifies the token, as a log-in does, or as the clouds' doors do.
    async fn prove(
        &self,
        asked: &TokenInQuestion<'_>,
        question: &Question,
        instance: &Instance,
    ) -> Result<(Arc<OidcProvider>, Arc<WebIdentity>)> {
        let mut attempt = Attempt::new(None);
        if question.is_about_registry() {
            self.access
                .verify_log_in_token(instance, asked.token, &mut attempt)
                .await
        } else {
            self.access
                .verify_job_token(instance.account, asked.token, &mut attempt)
                .await
        }
    }

    /// Adds a step for each role that doesn't accept the token, and one that decides; returns the
    /// role.
    async fn explain_role(
        &self,
        steps: &mut Steps,
        call: &Call<'_>,
        asked: &TokenInQuestion<'_>,
        (provider, identity): (&OidcProvider, &WebIdentity),
    ) -> Result<Option<RoleId>> {
        let wanted = asked
            .role
            .map_or(RoleName::Any, |name| RoleName::Name(None, name.to_owned()));
        let roles = self
            .memory
            .cache
            .trusting_roles(&self.base.store, provider.into())
            .await?;
        let (bearer, context) = (
            bearer(provider.account, &provider.name, identity),
            call.policy_context(),
        );
        let mut accepting = Vec::new();
        for role in roles.iter().filter(|role| role.is_named(&wanted)) {
            if role.accepts(&bearer, &context) {
                accepting.push(role.name.as_str());
                continue;
            }
            let unmet = role.policy.unmet(&bearer, &context).join(", ");
            let why = match unmet.as_str() {
                "" => "a statement of its trust policy denies the token".to_owned(),
                unmet => format!("its trust policy doesn't accept the token: {unmet}"),
            };
            steps.fail("role", format!("{}: {why}", role.name));
        }
        let chosen = self
            .access
            .role_for(provider, identity, &wanted, call.request)
            .await;
        let accepting = accepting.join(", ");
        let chosen = match chosen {
            Err(error) if error.refusal_cause() == Some(RefusalCause::SeveralRolesTrust) => {
                let why = "log in as role/NAME, since these roles all accept the token";
                steps.fail("role", format!("{why}: {accepting}"));
                return Ok(None);
            }
            other => decided(steps, "role", other)?,
        };
        if chosen.is_some() {
            let why = "its trust policy accepts the token";
            steps.pass("role", format!("{accepting}: {why}"));
        }
        Ok(chosen)
    }
}

/// Adds a step that fails where a token is refused; returns what was decided otherwise.
fn decided<T>(steps: &mut Steps, about: &'static str, result: Result<T>) -> Result<Option<T>> {
    match result {
        Ok(decided) => Ok(Some(decided)),
        Err(error) => {
            steps.fail(about, reason(&error).ok_or(error)?);
            Ok(None)
        }
    }
}

/// Returns why a token is refused; nothing when that can't be decided now.
fn reason(error: &Error) -> Option<String> {
    match (error.refusal_cause(), error.kind()) {
        (Some(cause), _) => Some(why(cause).to_owned()),
        (None, ErrorKind::WebIdentity { fault }) if *fault != WebIdentityFault::KeysUnavailable => {
            Some(error.message().to_owned())
        }
        _ => None,
    }
}

fn why(cause: RefusalCause) -> &'static str {
    match cause {
        RefusalCause::PrincipalRevoked => {
            "the role was revoked after the token was issued, or in the minute before: get another"
        }
        other => why_refused(other),
    }
}
