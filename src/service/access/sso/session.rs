//! Sessions that begin by single sign-on: each request finds the role anew, by the claims of the
//! log-in and the rules of the present.

use super::{Configured, refused};
use crate::domain::clock::Timestamp;
use crate::domain::console_session::console_secret;
use crate::domain::operator::{Administrator, OperatorRole, SsoIdentity};
use crate::domain::refusal::RefusalCause;
use crate::domain::secret::Secret;
use crate::domain::sso::{SeenClaims, SsoSession, display_name};
use crate::domain::{Error, Result};
use crate::service::access::Access;
use crate::service::access::caller::{Caller, Proof};
use crate::service::access::console_sessions::{
    MAX_SESSIONS, NewConsole, OpenConsole, Proved, opened,
};
use crate::service::access::operators::hash_of;
use crate::service::access::sso::FinishedSso;
use crate::service::ledger::actions::AuditAction;
use crate::service::ledger::event::Event;
use crate::service::request::RequestContext;
use crate::store;
use crate::token::{Flow, WebIdentity};

impl Access {
    /// Begins the session of a person, or notes that a session's person proved itself again.
    pub(super) async fn begin_session(
        &self,
        on: &Configured,
        flow: &Flow,
        identity: &WebIdentity,
        proved_at: Option<Timestamp>,
        context: &RequestContext,
    ) -> Result<FinishedSso> {
        let seen = on.sso.roles.look_at(&identity.claims);
        let Some(role) = on.sso.roles.role(&seen) else {
            return Err(no_role(on, identity));
        };
        let now = self.base.now();
        let secret = console_secret(&*self.base.random);
        let mut session = SsoSession {
            hash: hash_of(&secret),
            identity: SsoIdentity {
                issuer: identity.issuer.clone(),
                subject: identity.subject.clone(),
            },
            name: display_name(&identity.claims, &identity.subject),
            claims: serde_json::to_string(&seen).map_err(Error::internal)?,
            created_at: now,
            authenticated_at: proved_at,
            ends_at: now.plus(on.sso.session),
        };
        let (part, new) = if let Some(renewed) = &flow.renews {
            session.hash = self.renewed(renewed, &session.identity).await?;
            (store::sso_session::renew(&session), None)
        } else {
            let life = on.sso.session;
            let part = store::sso_session::insert(&session, MAX_SESSIONS);
            (part, Some(NewConsole { secret, life }))
        };
        let detail = serde_json::json!({ "name": session.name, "role": role.name() });
        let caller = Caller::from(Proof::Administrator(administrator(session, role)));
        let event = Event::new(AuditAction::ConsoleLogIn, now, context);
        let event = event.by(caller.actor()).detail(detail);
        self.ledger.change(part, event).await?;
        Ok(FinishedSso {
            caller,
            new,
            back: flow.back.clone(),
        })
    }

    /// Finds the session whose person proves itself again; returns its hash.
    async fn renewed(&self, hash: &str, identity: &SsoIdentity) -> Result<[u8; 32]> {
        let mut bytes = [0; 32];
        let is_hash = hex::decode_to_slice(hash, &mut bytes).is_ok();
        let found = match is_hash {
            true => store::sso_session::find(&self.base.store, &bytes).await?,
            false => None,
        };
        match found {
            Some(session) if session.identity == *identity => Ok(bytes),
            Some(_) => Err(refused(
                RefusalCause::SsoNotFresh,
                "Another person logged in than the one whose session it is: log out, then log in \
                 again.",
            )),
            None => Err(refused(
                RefusalCause::Expired,
                "The session is over: log in again.",
            )),
        }
    }

    /// Proves a session of single sign-on by its cookie.
    pub(in crate::service::access) async fn prove_sso(
        &self,
        cookie: &Secret,
        hash: &[u8; 32],
        now: Timestamp,
    ) -> Result<Result<OpenConsole, RefusalCause>> {
        let found = store::sso_session::find(&self.base.store, hash).await?;
        let Some(session) = found.filter(|session| now < session.ends_at) else {
            return Ok(Err(RefusalCause::Expired));
        };
        let Ok(on) = self.sso_settings() else {
            return Ok(Err(RefusalCause::SsoOff));
        };
        if session.identity.issuer != on.issuer {
            return Ok(Err(RefusalCause::SsoOff));
        }
        if now >= session.created_at.plus(on.sso.session) {
            return Ok(Err(RefusalCause::Expired));
        }
        let seen: SeenClaims = serde_json::from_str(&session.claims).map_err(Error::internal)?;
        let Some(role) = on.sso.roles.role(&seen) else {
            return Ok(Err(RefusalCause::SsoNoRole));
        };
        let proved = Proved {
            hash: session.hash,
            at: session.authenticated_at,
            is_sso: true,
        };
        Ok(Ok(opened(
            administrator(session, role),
            &proved,
            cookie,
            now,
        )))
    }
}

fn administrator(session: SsoSession, role: OperatorRole) -> Administrator {
    Administrator::SignedOn {
        identity: session.identity,
        name: session.name,
        role,
    }
}

/// Refuses a person that no rule gives a role, and names the claims that were looked at.
fn no_role(on: &Configured, identity: &WebIdentity) -> Error {
    let looked_at = on.sso.roles.claims().join(", ");
    let message = if looked_at.is_empty() {
        "The issuer knows you, but nobody has a role here: sso.roles is empty.".to_owned()
    } else {
        format!(
            "The issuer knows you, but you have no role here: no rule of sso.roles matches. The \
             rules look at these claims of your token: {looked_at}. Ask an admin of this service \
             for a rule, or the issuer's for the claim."
        )
    };
    refused(RefusalCause::SsoNoRole, message).decided_by(format!(
        "no rule of sso.roles for {}; looked at {looked_at}",
        identity.subject
    ))
}
