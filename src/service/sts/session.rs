//! Opens a session: its key, its token, its policy and its audit event.

use serde::Serialize;

use crate::domain::access_key::NewAccessKey;
use crate::domain::claims::Claims;
use crate::domain::clock::Timestamp;
use crate::domain::credential::{Cloud, CredentialId};
use crate::domain::ids::AccountId;
use crate::domain::principal::Principal;
use crate::domain::secret::Secret;
use crate::domain::{Error, ErrorKind, Result};
use crate::policy::{Document, Limits};
use crate::service::access::caller::Caller;
use crate::service::call::Call;
use crate::service::ledger::actions::AuditAction;
use crate::service::ledger::queue::Share;
use crate::service::sts::Sts;
use crate::store;
use crate::token::{
    Dependency, MAX_REGISTRY_SECRET, MAX_SESSION_DEPENDENCIES, MAX_SESSION_POLICY_BYTES,
    MAX_SESSION_POLICY_CHARACTERS, PolicyDigest, Session, SessionPolicy, longest_secret_of_session,
};

/// A session just made; its secrets are shown this once.
#[derive(Debug)]
pub struct NewSession {
    /// The session's own id.
    pub id: CredentialId,
    /// The access key that signs for it.
    pub access_key: NewAccessKey,
    /// The token that goes with the access key.
    pub token: Secret,
    /// The session's principal.
    pub principal: Principal,
    /// When it ends.
    pub expires_at: Timestamp,
}

/// The detail of a session's audit event.
#[derive(Serialize)]
struct Opened<'a> {
    session: String,
    access_key_id: &'a str,
    expires_at: Timestamp,
    #[serde(flatten)]
    note: SessionNote<'a>,
}

/// The caller's words about a session, for the audit alone.
#[derive(Clone, Copy, Default, Serialize)]
pub(super) struct SessionNote<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) source_identity: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) description: Option<&'a str>,
}

/// The policy that narrows a session.
pub(super) enum PlannedPolicy<'a> {
    /// None: it has all rights of its principal.
    None,
    /// A document that was checked.
    New(&'a str),
    /// That of the session from which it comes.
    Inherited(SessionPolicy),
}

/// A session, before it has a key.
pub(super) struct Plan<'a> {
    pub(super) cloud: Cloud,
    pub(super) principal: Principal,
    pub(super) dependencies: Vec<(Dependency, i64)>,
    pub(super) policy: PlannedPolicy<'a>,
    pub(super) expires_at: Timestamp,
    pub(super) note: SessionNote<'a>,
    /// The claims that it keeps of the token that opens it.
    pub(super) claims: Claims,
    /// Its action in the audit.
    pub(super) action: AuditAction,
}

impl Sts {
    pub(super) async fn open_session(&self, call: &Call<'_>, plan: Plan<'_>) -> Result<NewSession> {
        if plan.dependencies.len() > MAX_SESSION_DEPENDENCIES {
            return Err(Error::unsupported(
                "Too many sessions were opened by sessions in a row: three times a role, and each \
                 narrower one counts. Begin with a permanent access key.",
            ));
        }
        let permit = self.ledger.queue.reserve(Share::Served)?;
        let now = call.now;
        let access_key = NewAccessKey::of_session(plan.cloud, &*self.base.random);
        let mut session = Session {
            id: CredentialId::random(&*self.base.random),
            cloud: plan.cloud,
            access_key_id: access_key.id.clone(),
            secret: access_key.secret.clone(),
            principal: plan.principal,
            dependencies: plan.dependencies,
            session_policy: None,
            issued_at: now,
            expires_at: plan.expires_at,
            claims: plan.claims,
        };
        session.session_policy = self.kept_policy(call.caller, &session, plan.policy).await?;
        check_secret_length(&session)?;
        let token = self
            .memory
            .keys
            .keyring
            .load()
            .seal_session(&session, &*self.base.random)?;
        let opened = Opened {
            session: session.principal.to_string(),
            access_key_id: &session.access_key_id,
            expires_at: session.expires_at,
            note: plan.note,
        };
        permit.record(
            &call
                .event(plan.action)
                .credential(&session.id)
                .detail(opened),
        );
        Ok(NewSession {
            id: session.id,
            access_key,
            token,
            principal: session.principal,
            expires_at: session.expires_at,
        })
    }

    /// Returns the policy as the session's token carries it.
    async fn kept_policy(
        &self,
        caller: &Caller,
        session: &Session,
        planned: PlannedPolicy<'_>,
    ) -> Result<Option<SessionPolicy>> {
        let document = match planned {
            PlannedPolicy::None => return Ok(None),
            // Where it is stored, it is kept for longer than this session lives.
            PlannedPolicy::Inherited(policy) => return Ok(Some(policy)),
            PlannedPolicy::New(document) => document,
        };
        let policy = SessionPolicy::for_session(document, session)?;
        if let SessionPolicy::Stored(digest) = policy {
            // Stored before the session is given out: its calls are refused wherever its policy
            // can't be read.
            Box::pin(self.store_session_policy(caller, session, digest, document)).await?;
        }
        Ok(Some(policy))
    }

    async fn store_session_policy(
        &self,
        caller: &Caller,
        session: &Session,
        digest: PolicyDigest,
        document: &str,
    ) -> Result<()> {
        let account = session.principal.account();
        let policy = store::session_policy::SessionPolicy {
            account,
            digest: &digest.to_string(),
            document,
            charged_to: &self.charged_to(caller, account).await?,
            ends_at: session.expires_at,
        };
        let limit = self.base.adjustable().quotas.of_session_policies();
        // Caches hold nothing of a policy that is new, so there is nothing to catch up with.
        self.base
            .store
            .apply(self.base.write().then(store::session_policy::save(
                &policy,
                limit,
                session.issued_at,
            )))
            .await
    }

    /// Returns the share that a session policy counts against: that of the OpenID Connect provider,
    /// the root, the user or the role that the caller began with. Another account counts as one,
    /// however many users it makes.
    async fn charged_to(&self, caller: &Caller, account: AccountId) -> Result<String> {
        if let Some(bearer) = caller.bearer() {
            return Ok(format!("{account}:oidc-provider/{}", bearer.provider));
        }
        let signer = caller.signer()?;
        let mut beginning = signer.principal.clone();
        // The last of a chain of roles comes first.
        for (dependency, _) in &signer.dependencies {
            match dependency {
                Dependency::Root(id) => beginning = Principal::Root(*id),
                Dependency::User(id) => {
                    let user = self
                        .memory
                        .cache
                        .user(&self.base.store, *id)
                        .await?
                        .ok_or_else(Error::session_token_expired)?;
                    beginning = Principal::User(user.account, *id);
                }
                Dependency::Role(id) => {
                    let role = self
                        .memory
                        .cache
                        .role(&self.base.store, *id)
                        .await?
                        .ok_or_else(Error::session_token_expired)?;
                    beginning = Principal::RoleSession(role.account, *id, String::new());
                }
                Dependency::AccessKey(_)
                | Dependency::LongTerm(_)
                | Dependency::Session(_)
                | Dependency::RefreshTokens(_)
                | Dependency::Temporary(_)
                | Dependency::OidcSubject(_) => {}
            }
        }
        Ok(if beginning.account() == account {
            beginning.to_string()
        } else {
            beginning.account().to_string()
        })
    }
}

/// Fails for a session whose registry secrets would be too long for its claims.
fn check_secret_length(session: &Session) -> Result<()> {
    let policy = session.session_policy.as_ref();
    let is_too_long = longest_secret_of_session(session, policy)? > MAX_REGISTRY_SECRET;
    if is_too_long && !session.claims.is_empty() {
        return Err(Error::unsupported(
            "With the claims that its policies ask for, the session's credentials would be longer \
             than registry clients take. Give the session a shorter name, or log in at the \
             registry with the token itself.",
        ));
    }
    Ok(())
}

/// Checks a session policy before it is sealed, because it must be readable as long as the session
/// lives; returns it compiled.
pub(super) fn check_session_policy(policy: Option<&str>) -> Result<Option<Document>> {
    let Some(text) = policy else { return Ok(None) };
    if text.chars().count() > MAX_SESSION_POLICY_CHARACTERS || text.len() > MAX_SESSION_POLICY_BYTES
    {
        return Err(Error::new(
            ErrorKind::SessionPolicyTooLong,
            format!(
                "A session's policy has at most {MAX_SESSION_POLICY_CHARACTERS} characters, and \
                 {MAX_SESSION_POLICY_BYTES} bytes."
            ),
        ));
    }
    Document::parse(text, Limits::SESSION)
        .map(|checked| Some(checked.document))
        .map_err(|error| Error::invalid_parameter("Policy", error.message()))
}
