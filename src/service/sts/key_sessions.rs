//! Sessions that act as their caller: a user's own, and narrower ones of a session; and whose an
//! access key is.

use crate::domain::claims::Claims;
use crate::domain::clock::Timestamp;
use crate::domain::ids::AccountId;
use crate::domain::principal::Principal;
use crate::domain::{Error, Noun, Result, access_key};
use crate::policy::Document;
use crate::service::call::Call;
use crate::service::ledger::actions::AuditAction;
use crate::service::memory::staleness::Priority;
use crate::service::sts::Sts;
use crate::service::sts::federation::FederationLife;
use crate::service::sts::rules::SessionRules;
use crate::service::sts::session::{
    NewSession, Plan, PlannedPolicy, SessionNote, check_session_policy,
};
use crate::token::{Dependency, Session};

/// A call for a session narrower than the one that asks.
#[derive(Clone, Debug)]
pub struct NarrowSession<'a> {
    /// The rules of the API that the call came through.
    pub rules: &'static SessionRules,
    /// How long it is to live, in seconds; as long as the session that asks where the call says
    /// nothing.
    pub duration_seconds: Option<u32>,
    /// The session policy that narrows it.
    pub policy: Option<&'a str>,
    /// The caller's words for the audit.
    pub description: Option<&'a str>,
}

impl Sts {
    /// Opens a session of the caller's own: it acts as the user or the root whose permanent key
    /// asks, with the rights of then and there.
    ///
    /// It needs no permission, because it gives nothing that the key doesn't. A root's lives no
    /// longer than the longest of a root, whatever it asks for.
    ///
    /// # Errors
    /// `UnsuitedKey` for a session that asks; `InvalidParameter` for a duration that isn't allowed;
    /// those of the store.
    pub async fn issue_session(
        &self,
        call: &Call<'_>,
        rules: &'static SessionRules,
        life: &'static FederationLife,
        duration_seconds: Option<i64>,
    ) -> Result<NewSession> {
        let signer = call.caller.signer()?;
        signer.refuse_session("Ask with a permanent access key.")?;
        let mut seconds = life.durations.choose(duration_seconds, life.max_of_user)?;
        if matches!(signer.principal, Principal::Root(_)) {
            seconds = seconds.min(life.max_of_root);
        }
        let plan = Plan {
            cloud: rules.cloud,
            principal: signer.principal.clone(),
            dependencies: signer.dependencies,
            policy: PlannedPolicy::None,
            expires_at: call.in_seconds(seconds),
            note: SessionNote::default(),
            claims: Claims::default(),
            action: AuditAction::SessionIssue,
        };
        self.open_session(call, plan).await
    }

    /// Opens a session that acts as the session that asks, with fewer rights or for a shorter time.
    /// It ends with that one.
    ///
    /// # Errors
    /// `UnsuitedKey` for a permanent key; `InvalidParameter` for a policy that isn't allowed,
    /// `SessionPolicyTooLong`; `Unsupported` for a second policy; `PreconditionFailed` for a time
    /// beyond the end of the session that asks; those of the store.
    pub async fn narrow_session(
        &self,
        call: &Call<'_>,
        asked: &NarrowSession<'_>,
    ) -> Result<NewSession> {
        let signer = call.caller.signer()?;
        let session = signer.session.ok_or_else(|| {
            Error::session_required(
                "Only a session is narrowed: get one with AssumeRole, GetFederationToken or \
                 GetSessionToken first.",
            )
        })?;
        let document = check_session_policy(asked.policy)?;
        let policy = match (asked.policy, &session.session_policy) {
            (None, None) => PlannedPolicy::None,
            (None, Some(inherited)) => PlannedPolicy::Inherited(inherited.clone()),
            (Some(policy), None) => PlannedPolicy::New(policy),
            (Some(_), Some(_)) => return Err(second_policy()),
        };
        check_claims(session, document.as_ref())?;
        let plan = Plan {
            cloud: asked.rules.cloud,
            principal: session.principal.clone(),
            dependencies: signer.dependencies,
            policy,
            expires_at: end(call, session, asked.duration_seconds)?,
            note: SessionNote {
                description: asked.description,
                ..SessionNote::default()
            },
            claims: session.claims.clone(),
            action: AuditAction::SessionNarrow,
        };
        self.open_session(call, plan).await
    }

    /// Returns the account of an access key, whatever its state; of a session's, that of the
    /// caller's own alone, because nothing of a session is stored.
    ///
    /// The answer says no more than that somebody has such a key, which only those can ask who know
    /// its id.
    ///
    /// # Errors
    /// `NotFound`; those of the store.
    pub async fn account_of_access_key(&self, call: &Call<'_>, id: &str) -> Result<AccountId> {
        let unknown = || Error::not_found(Noun::AccessKey, id);
        let signer = call.caller.signer()?;
        if signer.access_key_id == id {
            return Ok(signer.principal.account());
        }
        if access_key::is_of_session(id) {
            return Err(unknown());
        }
        let (cache, store) = (&self.memory.cache, &self.base.store);
        if !cache.has_access_key(store, id).await? {
            // Another replica may have made it a moment ago.
            Box::pin(self.memory.refresh_for_newer(Priority::Usual)).await?;
            if !cache.has_access_key(store, id).await? {
                return Err(unknown());
            }
        }
        let found = cache
            .access_key(store, &self.memory.keys.master, id)
            .await?;
        found.map(|key| key.principal.account()).ok_or_else(unknown)
    }
}

/// Says why a session has no second policy.
fn second_policy() -> Error {
    Error::unsupported(
        "The session has a policy already, and its token can't carry a second one. Give one policy \
         when the session is opened (docs/compatibility.md).",
    )
}

/// Checks that the session kept all claims that a policy asks for: one that is missing would make a
/// condition of a deny false.
fn check_claims(session: &Session, policy: Option<&Document>) -> Result<()> {
    let is_of_token = session
        .dependencies
        .iter()
        .any(|(dependency, _)| matches!(dependency, Dependency::OidcSubject(_)));
    let kept: Vec<&str> = session.claims.iter().map(|(name, _)| name).collect();
    let mut asked = policy.into_iter().flat_map(Document::claims);
    match asked.find(|name| is_of_token && !kept.contains(name)) {
        None => Ok(()),
        Some(name) => Err(Error::unsupported(format!(
            "The policy asks for the claim {name}, which the session didn't keep of its token; \
             give the policy when the session is opened."
        ))),
    }
}

/// Returns when a narrower session ends.
fn end(call: &Call<'_>, session: &Session, seconds: Option<u32>) -> Result<Timestamp> {
    let Some(seconds) = seconds else {
        return Ok(session.expires_at);
    };
    let end = call.in_seconds(seconds);
    if end > session.expires_at {
        return Err(Error::precondition_failed(
            Noun::Session,
            format!(
                "The session that asks ends at {}; ask for less, or leave DurationSeconds out.",
                session.expires_at.rfc3339()
            ),
        ));
    }
    Ok(end)
}
