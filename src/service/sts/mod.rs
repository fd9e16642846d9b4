//! STS: temporary identities, and who calls.
//!
//! A session is sealed into its token: its access key signs only together with the token, only at
//! the door of the cloud that issued it, and only while all stands that it came from. Nothing of it
//! is stored, but for a session policy that is too long for a log-in secret (decision 0013).

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use crate::domain::access_key::NewAccessKey;
use crate::domain::clock::Timestamp;
use crate::domain::credential::{Cloud, CredentialId};
use crate::domain::identity::Role;
use crate::domain::ids::{AccountId, RoleId};
use crate::domain::principal::{Principal, PrincipalName};
use crate::domain::secret::Secret;
use crate::domain::{Error, ErrorKind, Noun, Result};
use crate::policy::{
    Assumer, Context, Document, Limits, OidcClaims, Outcome, Permission, Request, Resource,
    TrustPolicy, trust,
};
use crate::service::access::caller::{Bearer, Caller};
use crate::service::base::Base;
use crate::service::call::Call;
use crate::service::ledger::Ledger;
use crate::service::ledger::actions::AuditAction;
use crate::service::ledger::queue::Share;
use crate::service::memory::Memory;
use crate::service::quotas::Quotas;
use crate::service::rights::{Rights, denial, denied};
use crate::store;
use crate::token::{
    Ground, MAX_SESSION_GROUNDS, MAX_SESSION_POLICY_BYTES, MAX_SESSION_POLICY_CHARACTERS,
    PolicyDigest, Session, SessionPolicy, WebIdentity,
};

/// How long a federation token lives when nothing is said, in seconds.
const FEDERATION_DEFAULT: u32 = 1800;
/// The longest that a federation token of the root lives, in seconds.
const FEDERATION_LONGEST_OF_ROOT: u32 = 7200;
/// The longest that a federation token of a user lives, in seconds.
const FEDERATION_LONGEST_OF_USER: u32 = 129_600;

/// How long the policy of a session is kept beyond the session's end: longer than clocks differ.
pub(in crate::service) const POLICIES_KEPT: Duration = Duration::from_hours(1);

/// Which role a call means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RoleChoice {
    /// The one with this id in the account.
    Id(AccountId, RoleId),
    /// The one with this name in the account.
    Name(AccountId, String),
}

impl RoleChoice {
    fn account(&self) -> AccountId {
        match self {
            Self::Id(account, _) | Self::Name(account, _) => *account,
        }
    }
}

/// What a call to assume a role says.
#[derive(Clone, Debug)]
pub struct AssumeRole<'a> {
    /// The cloud whose door it came through, and where the session may sign.
    pub cloud: Cloud,
    /// The role.
    pub role: RoleChoice,
    /// What the session is to be called.
    pub session_name: &'a str,
    /// How long it is to live; the cloud's usual time when nothing is said.
    pub duration_seconds: Option<i64>,
    /// What narrows it, as a policy document.
    pub policy: Option<&'a str>,
    /// Whom the caller says to act for; the audit keeps it.
    pub source_identity: Option<&'a str>,
    /// The tags that the call gives, key and value: policies may ask for them. The session has
    /// none.
    pub tags: &'a [(&'a str, &'a str)],
    /// What the call is counted under, against its account, once a role trusts it: for one that
    /// nobody signed.
    pub counted_as: Option<&'static str>,
}

/// What a call for a federation token says.
#[derive(Clone, Debug)]
pub struct FederationToken<'a> {
    /// What the session is to be called.
    pub name: &'a str,
    /// How long it is to live.
    pub duration_seconds: Option<i64>,
    /// What narrows the caller's rights, as a policy document.
    pub policy: &'a str,
}

/// A session just made; its secrets are shown this once.
#[derive(Debug)]
pub struct NewSession {
    /// The session's own id.
    pub id: CredentialId,
    /// The access key that signs for it.
    pub access_key: NewAccessKey,
    /// The token that goes with the access key.
    pub token: Secret,
    /// Who it is.
    pub principal: Principal,
    /// When it ends.
    pub expires_at: Timestamp,
}

/// Who calls, with the name that goes with the id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallerIdentity {
    /// Proof of callers.
    pub principal: Principal,
    /// The name of the user or the role; none for an account itself.
    pub name: Option<String>,
    /// The numeric id of the user or the account whose permanent key it all began with; the
    /// account's where it began without one.
    pub key_owner: String,
}

/// What the audit says of a session besides.
#[derive(Serialize)]
struct Opened<'a> {
    session: String,
    access_key_id: &'a str,
    expires_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    source_identity: Option<&'a str>,
}

/// What a session is made of, before it has a key.
struct Plan<'a> {
    cloud: Cloud,
    principal: Principal,
    grounds: Vec<(Ground, i64)>,
    policy: Option<&'a str>,
    seconds: u32,
    source_identity: Option<&'a str>,
    /// Its name in the audit.
    action: AuditAction,
}

/// Opens sessions: assumed roles and federated users.
pub struct Sts {
    pub(super) base: Arc<Base>,
    pub(super) limits: Arc<crate::service::limits::Limits>,
    pub(super) memory: Arc<Memory>,
    pub(super) ledger: Arc<Ledger>,
    pub(super) rights: Arc<Rights>,
    pub(super) quotas: Quotas,
}

impl Sts {
    /// Opens a session of a role, for whom the role's trust policy and the caller's own policies
    /// let assume it.
    ///
    /// # Errors
    /// `InvalidParameter` for a value that isn't allowed; those of the store.
    pub async fn assume_role(&self, call: &Call<'_>, asked: &AssumeRole<'_>) -> Result<NewSession> {
        check_session_name("RoleSessionName", asked.session_name, asked.cloud)?;
        asked.source_identity.map_or(Ok(()), |name| {
            check_session_name("SourceIdentity", name, Cloud::Tencent)
        })?;
        check_session_policy(asked.policy)?;
        let found = self.role(&asked.role).await?;
        let (id, name) = match (&found, &asked.role) {
            (Some(role), _) => (role.id.to_string(), role.name.as_str()),
            (None, RoleChoice::Id(_, id)) => (id.to_string(), ""),
            (None, RoleChoice::Name(_, name)) => (String::new(), name.as_str()),
        };
        let account = asked.role.account();
        let request = Request {
            permission: Permission::AssumeRole,
            resource: Resource::Role {
                account,
                id: &id,
                name,
            },
            context: Context {
                request_tags: asked.tags,
                ..call.policy_context()
            },
        };
        // Whoever may not assume it doesn't hear whether it exists: a refusal says what the call
        // said, and no more.
        let said = match &asked.role {
            RoleChoice::Id(..) => Resource::Role {
                account,
                id: &id,
                name: "",
            },
            RoleChoice::Name(..) => request.resource,
        };
        let shown = Request {
            resource: said,
            context: request.context.clone(),
            ..request
        };
        let (role, grounds_of_caller) = match (call.caller.bearer(), &found) {
            (None, found) => {
                self.role_for_signer(call.caller, asked.cloud, found.as_ref(), &request, &shown)
                    .await?
            }
            (Some(bearer), Some(role))
                if trusts_bearer(role, bearer, &request)? == Outcome::Allowed =>
            {
                (role, Vec::new())
            }
            (Some(_), _) => {
                let refusal = untrusted(call.caller, &shown, Outcome::DeniedImplicitly);
                // Anybody has a token of a public issuer.
                if asked.counted_as.is_some() {
                    self.limits.count_refusal(&refusal, call.request);
                }
                return Err(refusal);
            }
        };
        if let (Some(action), Some(bearer)) = (asked.counted_as, call.caller.bearer()) {
            // Only now: before, a stranger could use the account's calls up.
            Box::pin(self.limits.throttle_account(bearer.account, action)).await?;
        }
        let mut grounds = vec![(Ground::Role(role.id), role.generation)];
        grounds.extend(grounds_of_caller);
        let plan = Plan {
            cloud: asked.cloud,
            principal: Principal::RoleSession(role.account, role.id, asked.session_name.to_owned()),
            grounds,
            policy: asked.policy,
            seconds: role_session_seconds(role, asked)?,
            source_identity: asked.source_identity,
            action: AuditAction::SessionAssumeRole,
        };
        self.open_session(call, plan).await
    }

    /// Returns the role if who signed the call may assume it, and what the call stands on; refusals
    /// show `shown`.
    async fn role_for_signer<'r>(
        &self,
        caller: &Caller,
        cloud: Cloud,
        found: Option<&'r Role>,
        request: &Request<'_>,
        shown: &Request<'_>,
    ) -> Result<(&'r Role, Vec<(Ground, i64)>)> {
        let signer = caller.signer()?;
        let outcome = self.rights.decide(caller.rights(), request).await?;
        if outcome != Outcome::Allowed {
            return Err(denied(caller, shown, outcome));
        }
        if cloud == Cloud::Alibaba && matches!(signer.principal, Principal::Root(_)) {
            return Err(Error::new(
                ErrorKind::AccessDenied(Box::new(denial(caller, shown, Outcome::DeniedImplicitly))),
                "Roles may not be assumed by root accounts.",
            ));
        }
        let Some(role) = found else {
            return Err(match shown.resource {
                Resource::Role { account, name, .. } if account == signer.principal.account() => {
                    Error::not_found(Noun::Role, name)
                }
                _ => untrusted(caller, shown, Outcome::DeniedImplicitly),
            });
        };
        match self.trusts(role, signer.principal, request).await? {
            Outcome::Allowed => Ok((role, signer.grounds)),
            outcome => Err(untrusted(caller, shown, outcome)),
        }
    }

    /// Opens a federated session: what the caller may do, as far as the policy allows it too.
    ///
    /// # Errors
    /// `AccessDenied` when policies don't allow it; `InvalidParameter` for a value that isn't
    /// allowed; those of the store.
    pub async fn federation_token(
        &self,
        call: &Call<'_>,
        asked: &FederationToken<'_>,
    ) -> Result<NewSession> {
        let signer = call.caller.signer()?;
        let cloud = Cloud::Tencent;
        check_session_name("Name", asked.name, cloud)?;
        check_session_policy(Some(asked.policy))?;
        let (account, user, longest) = match signer.principal {
            Principal::Root(account) => (*account, None, FEDERATION_LONGEST_OF_ROOT),
            Principal::User(account, user) => (*account, Some(*user), FEDERATION_LONGEST_OF_USER),
            Principal::RoleSession(..) | Principal::FederatedSession(..) => {
                return Err(Error::unsupported(
                    "A session can't get a federation token; ask with a permanent access key.",
                ));
            }
        };
        let everything = Resource::Everything {
            account,
            region: "",
        };
        self.rights
            .authorize(call, Permission::GetFederationToken, everything)
            .await?;
        let plan = Plan {
            cloud,
            principal: Principal::FederatedSession(account, user, asked.name.to_owned()),
            grounds: signer.grounds,
            policy: Some(asked.policy),
            seconds: seconds(asked.duration_seconds, FEDERATION_DEFAULT, 1, longest)?,
            source_identity: None,
            action: AuditAction::SessionFederate,
        };
        self.open_session(call, plan).await
    }

    /// Says who calls; everyone may know that of themselves.
    ///
    /// # Errors
    /// `Unsupported` for calls that aren't signed; those of the store.
    pub async fn caller_identity(&self, call: &Call<'_>) -> Result<CallerIdentity> {
        let signer = call.caller.signer()?;
        let principal = signer.principal.clone();
        let key_owner = signer.grounds.iter().find_map(|(ground, _)| match ground {
            Ground::Root(account) => Some(account.to_string()),
            Ground::User(user) => Some(user.to_string()),
            Ground::Role(_)
            | Ground::AccessKey(_)
            | Ground::LongTerm(_)
            | Ground::Session(_)
            | Ground::RefreshTokens(_) => None,
        });
        let name = match self.rights.principal_name(&principal).await? {
            Some(PrincipalName::User(_, name) | PrincipalName::Role(_, name)) => Some(name),
            Some(PrincipalName::Root(_) | PrincipalName::ServiceAccount(..)) | None => None,
        };
        let key_owner = key_owner.unwrap_or_else(|| principal.account().to_string());
        Ok(CallerIdentity {
            principal,
            name,
            key_owner,
        })
    }

    async fn open_session(&self, call: &Call<'_>, plan: Plan<'_>) -> Result<NewSession> {
        if plan.grounds.len() > MAX_SESSION_GROUNDS {
            return Err(Error::unsupported(
                "Roles were assumed by sessions of roles three times in a row, which is the most; \
                 begin with a permanent access key.",
            ));
        }
        let permit = self.ledger.queue.reserve(Share::Done)?;
        let now = call.now;
        let access_key = NewAccessKey::of_session(plan.cloud, &*self.base.random);
        let mut session = Session {
            id: CredentialId::random(&*self.base.random),
            cloud: plan.cloud,
            access_key_id: access_key.id.clone(),
            secret: access_key.secret.clone(),
            principal: plan.principal,
            grounds: plan.grounds,
            session_policy: None,
            issued_at: now,
            expires_at: now.plus(Duration::from_secs(plan.seconds.into())),
        };
        if let Some(document) = plan.policy {
            let policy = SessionPolicy::for_session(document, &session)?;
            if let SessionPolicy::Stored(digest) = policy {
                // Before the session is given out: what it gets is refused wherever its policy
                // can't be read.
                Box::pin(self.store_session_policy(call.caller, &session, digest, document))
                    .await?;
            }
            session.session_policy = Some(policy);
        }
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
            source_identity: plan.source_identity,
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
        let most = self.quotas.of_session_policies();
        // No cache can hold what wasn't there, so there is nothing to catch up with.
        self.base
            .store
            .apply(self.base.write().then(store::session_policy::save(
                &policy,
                most,
                session.issued_at,
            )))
            .await
    }

    /// Returns against whose share a session policy counts: the OpenID Connect provider, the root,
    /// the user or the role that the caller began with. Another account counts as one, however many
    /// users it makes.
    async fn charged_to(&self, caller: &Caller, account: AccountId) -> Result<String> {
        if let Some(bearer) = caller.bearer() {
            return Ok(format!("{account}:oidc-provider/{}", bearer.provider));
        }
        let signer = caller.signer()?;
        let mut beginning = signer.principal.clone();
        // The last of a chain of roles comes first.
        for (ground, _) in &signer.grounds {
            match ground {
                Ground::Root(id) => beginning = Principal::Root(*id),
                Ground::User(id) => {
                    let user = self
                        .memory
                        .cache
                        .user(&self.base.store, *id)
                        .await?
                        .ok_or_else(Error::session_token_expired)?;
                    beginning = Principal::User(user.account, *id);
                }
                Ground::Role(id) => {
                    let role = self
                        .memory
                        .cache
                        .role(&self.base.store, *id)
                        .await?
                        .ok_or_else(Error::session_token_expired)?;
                    beginning = Principal::RoleSession(role.account, *id, String::new());
                }
                Ground::AccessKey(_)
                | Ground::LongTerm(_)
                | Ground::Session(_)
                | Ground::RefreshTokens(_) => {}
            }
        }
        Ok(if beginning.account() == account {
            beginning.to_string()
        } else {
            beginning.account().to_string()
        })
    }

    async fn role(&self, choice: &RoleChoice) -> Result<Option<Role>> {
        match choice {
            RoleChoice::Id(account, id) => Ok(store::role::find(&self.base.store, *id)
                .await?
                .filter(|role| role.account == *account)),
            RoleChoice::Name(account, name) => {
                store::role::find_by_name(&self.base.store, *account, name).await
            }
        }
    }

    /// Asks the role's trust policy.
    async fn trusts(
        &self,
        role: &Role,
        principal: &Principal,
        request: &Request<'_>,
    ) -> Result<Outcome> {
        if matches!(principal, Principal::FederatedSession(..)) {
            return Err(Error::unsupported(
                "A federated session can't assume a role; ask with a permanent access key.",
            ));
        }
        let (account, id) = (principal.account(), principal.numeric_id());
        // Its own policies just let it assume the role, so it is there, or was a moment ago.
        let named = self
            .rights
            .principal_name(principal)
            .await?
            .ok_or_else(Error::session_token_expired)?;
        let assumer = match &named {
            PrincipalName::Root(account) => Assumer::Root(*account),
            PrincipalName::User(_, name) => Assumer::User {
                account,
                id: &id,
                name,
            },
            PrincipalName::Role(_, name) => Assumer::Role {
                account,
                id: &id,
                name,
            },
            PrincipalName::ServiceAccount(..) => {
                return Err(Error::unsupported("A service account can't assume a role."));
            }
        };
        decide_trust(role, &assumer, request)
    }
}

fn decide_trust(role: &Role, assumer: &Assumer<'_>, request: &Request<'_>) -> Result<Outcome> {
    let trusted = TrustPolicy::parse(&role.trust_policy, Limits::POLICY)
        .map_err(|error| Error::internal("a stored trust policy can't be read").caused_by(error))?;
    Ok(trust::decide_trust(&role.name, &trusted.policy, assumer, &request.context).outcome)
}

fn trusts_bearer(role: &Role, bearer: &Bearer, request: &Request<'_>) -> Result<Outcome> {
    let WebIdentity {
        issuer,
        subject,
        audiences,
        ..
    } = &bearer.identity;
    let audiences: Vec<&str> = audiences.iter().map(String::as_str).collect();
    let claims = OidcClaims {
        issuer,
        subject,
        audiences: &audiences,
    };
    decide_trust(
        role,
        &Assumer::Federated {
            account: bearer.account,
            provider: &bearer.provider,
            claims,
        },
        request,
    )
}

fn untrusted(caller: &Caller, request: &Request<'_>, outcome: Outcome) -> Error {
    Error::new(
        ErrorKind::AccessDenied(Box::new(denial(caller, request, outcome))),
        "The role's trust policy does not let the caller assume it.",
    )
}

/// Checks a session's name: 2 to 128 of `[A-Za-z0-9_+=,.@-]` at Tencent, 2 to 64 of
/// `[A-Za-z0-9_.@-]` at Alibaba.
fn check_session_name(parameter: &'static str, name: &str, cloud: Cloud) -> Result<()> {
    let (longest, others) = match cloud {
        Cloud::Tencent => (128, "_+=,.@-"),
        Cloud::Alibaba => (64, "_.@-"),
    };
    let letters = name
        .chars()
        .all(|letter| letter.is_ascii_alphanumeric() || others.contains(letter));
    if letters && (2..=longest).contains(&name.len()) {
        return Ok(());
    }
    Err(Error::invalid_parameter(
        parameter,
        format!("It is 2 to {longest} letters, digits or any of {others}"),
    ))
}

/// Checks a session policy now: what is sealed must be readable as long as the session lives.
fn check_session_policy(policy: Option<&str>) -> Result<()> {
    let Some(text) = policy else { return Ok(()) };
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
        .map(drop)
        .map_err(|error| Error::invalid_parameter("Policy", error.message()))
}

/// Returns the life of a role's session, in seconds: usually an hour at Alibaba and two at Tencent,
/// but never longer than the role's sessions may be.
fn role_session_seconds(role: &Role, call: &AssumeRole<'_>) -> Result<u32> {
    let (usual, shortest) = match call.cloud {
        Cloud::Tencent => (7200, 1),
        Cloud::Alibaba => (3600, 900),
    };
    seconds(
        call.duration_seconds,
        usual,
        shortest,
        role.max_session_seconds,
    )
}

fn seconds(asked: Option<i64>, usual: u32, shortest: u32, longest: u32) -> Result<u32> {
    match asked {
        None => Ok(usual.min(longest)),
        Some(asked) => u32::try_from(asked)
            .ok()
            .filter(|asked| (shortest..=longest).contains(asked))
            .ok_or_else(|| {
                Error::invalid_parameter(
                    "DurationSeconds",
                    format!("It is {shortest} to {longest} seconds here."),
                )
            }),
    }
}
