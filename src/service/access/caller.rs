//! The caller, after proof.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::domain::claims::Claims;
use crate::domain::clock::Timestamp;
use crate::domain::credential::CredentialId;
use crate::domain::ids::{AccountId, InstanceId};
use crate::domain::instance::Instance;
use crate::domain::operator::Administrator;
use crate::domain::principal::{Level, Principal};
use crate::domain::secret::Secret;
use crate::domain::service_account::{ServiceAccount, ServiceAccountId};
use crate::domain::{Error, Result};
use crate::policy::Document;
use crate::service::ledger::actor::{Actor, Signature};
use crate::service::ledger::queue::Share;
use crate::service::memory::cache::AccessKey;
use crate::store::Unchanged;
use crate::token::{Dependency, Grant, Session, WebIdentity};

/// Whose rights are weighed.
#[derive(Clone, Copy)]
pub(in crate::service) enum Subject<'a> {
    /// An operator, by its role.
    Administrator(&'a Administrator),
    /// A principal, by its policies.
    Principal(Identified<'a>),
    /// A service account, by its own permissions.
    ServiceAccount(&'a ServiceAccount),
    /// Somebody without rights: a registry client that nobody knows, the bearer of an OpenID
    /// Connect token.
    Nobody,
}

/// A principal, and what its log-in or its session adds to the decision.
#[derive(Clone, Copy)]
pub(in crate::service) struct Identified<'a> {
    pub(in crate::service) principal: &'a Principal,
    /// The session's policy that narrows its rights.
    pub(in crate::service) session_policy: Option<&'a Document>,
    /// The claims of the OpenID Connect token by which it came.
    pub(in crate::service) claims: Option<&'a Claims>,
}

/// The caller, after proof.
pub struct Caller {
    proof: Proof,
    /// How many calls all replicas counted in this second, when this one is one too many.
    pub(in crate::service) overrun: Option<u32>,
    /// The signature that proved it.
    pub(in crate::service) signature: Option<Signature>,
    /// The condition under which it makes its change.
    pub(in crate::service) unchanged: Option<Unchanged>,
}

pub(in crate::service) enum Proof {
    /// A cloud API call, signed with this key.
    Signed(Arc<AccessKey>),
    /// A cloud API call, signed with the key of this session.
    InSession(Box<OpenSession>),
    /// A registry log-in with a credential that says this.
    LoggedIn {
        instance: Arc<Instance>,
        grant: Box<Grant>,
        session_policy: Option<Box<Document>>,
        refresh_token: Option<Secret>,
    },
    /// A registry log-in with the principal's own fixed password.
    WithPassword {
        instance: Arc<Instance>,
        principal: Principal,
    },
    /// A registry log-in with an OpenID Connect token, as a session of a role.
    WithToken {
        instance: Arc<Instance>,
        principal: Principal,
        log_in: Box<TokenLogIn>,
    },
    /// A registry log-in of a service account, which acts for nobody else.
    ServiceAccount {
        instance: Arc<Instance>,
        account: Arc<ServiceAccount>,
    },
    /// The bearer of an OpenID Connect token.
    Bearer(Box<Bearer>),
    /// A registry client without a credential.
    Anonymous { instance: Arc<Instance> },
    /// An operator: at the command line on the data, or with a token.
    Administrator(Administrator),
}

/// A session as its token says it.
pub(in crate::service) struct OpenSession {
    pub(super) session: Session,
    /// The policy that narrows it, compiled.
    pub(super) policy: Option<Document>,
}

/// A credential that logs in at a registry. A refresh token is of the credential that it came from.
#[derive(Hash)]
pub(in crate::service) enum LoggedInBy<'a> {
    Credential(&'a CredentialId),
    FixedPassword(&'a InstanceId, &'a Principal),
    ServiceAccount(&'a ServiceAccountId),
    /// A role, by the provider and the subject of the token.
    Token(&'a Principal, &'a str, &'a str),
}

/// The token of a registry log-in.
pub(in crate::service) struct TokenLogIn {
    pub(in crate::service) provider: String,
    /// When the provider was made: another one of its name is later.
    pub(in crate::service) provider_created_at: Timestamp,
    pub(in crate::service) identity: Arc<WebIdentity>,
}

/// Whom an OpenID Connect token proved.
pub(in crate::service) struct Bearer {
    pub(in crate::service) account: AccountId,
    pub(in crate::service) provider: String,
    pub(in crate::service) provider_created_at: Timestamp,
    pub(in crate::service) identity: WebIdentity,
}

/// The access key that signed a call.
pub(in crate::service) struct Signer<'a> {
    pub(in crate::service) access_key_id: &'a str,
    pub(in crate::service) principal: &'a Principal,
    /// The entities, with generation, whose revocation also revokes whatever this call obtained.
    pub(in crate::service) dependencies: Vec<(Dependency, i64)>,
    /// The session that the key belongs to. The principal doesn't tell: a session of a user's own
    /// acts as the user.
    pub(in crate::service) session: Option<&'a Session>,
}

impl Signer<'_> {
    /// Refuses a session, whatever its principal is.
    ///
    /// # Errors
    /// `UnsuitedKey`; `why` says what to do instead.
    pub(in crate::service) fn refuse_session(&self, why: &'static str) -> Result<()> {
        match self.session {
            None => Ok(()),
            Some(_) => Err(Error::session_refused(why)),
        }
    }
}

impl From<Proof> for Caller {
    fn from(proof: Proof) -> Self {
        Self {
            proof,
            overrun: None,
            signature: None,
            unchanged: None,
        }
    }
}

impl Caller {
    /// Returns what proved the caller.
    pub(super) fn proof(&self) -> &Proof {
        &self.proof
    }

    /// Returns how many calls all replicas counted in this second, when this one is one too many.
    pub(in crate::service) fn overrun(&self) -> Option<u32> {
        self.overrun
    }

    /// Returns how much of the audit's queue events about what the caller does may take.
    pub(in crate::service) fn audit_share(&self) -> Share {
        if self.is_anonymous() {
            Share::Unauthenticated
        } else {
            Share::Served
        }
    }

    /// Returns the caller as the audit names it.
    pub(in crate::service) fn actor(&self) -> Actor<'_> {
        Actor {
            name: self.audit_name(),
            account: self.account(),
            access_key: self.access_key(),
            signature: self.signature,
            unchanged: self.unchanged.as_ref(),
        }
    }

    /// Returns the access key that signed the call, or that the log-in's credential was issued to.
    pub fn access_key(&self) -> Option<&str> {
        match &self.proof {
            Proof::Signed(key) => Some(&key.id),
            Proof::InSession(open) => Some(&open.session.access_key_id),
            _ => self
                .grant()
                .and_then(|grant| Dependency::access_key_among(&grant.dependencies)),
        }
    }

    /// Returns who the call acts for; nobody when it is anonymous or an operator's.
    pub fn principal(&self) -> Option<&Principal> {
        match &self.proof {
            Proof::Signed(key) => Some(&key.principal),
            Proof::InSession(open) => Some(&open.session.principal),
            Proof::LoggedIn { grant, .. } => Some(&grant.principal),
            Proof::WithPassword { principal, .. } | Proof::WithToken { principal, .. } => {
                Some(principal)
            }
            Proof::ServiceAccount { .. }
            | Proof::Bearer(_)
            | Proof::Anonymous { .. }
            | Proof::Administrator(_) => None,
        }
    }

    /// Returns the access key that signed the call, and what comes with it.
    pub(in crate::service) fn signer(&self) -> Result<Signer<'_>> {
        match &self.proof {
            Proof::Signed(key) => Ok(Signer {
                access_key_id: &key.id,
                principal: &key.principal,
                dependencies: vec![
                    (Dependency::of(&key.principal), key.principal_generation),
                    (Dependency::AccessKey(key.id.clone()), key.generation),
                ],
                session: None,
            }),
            Proof::InSession(open) => {
                let session = &open.session;
                let dependencies = session.dependencies_of_calls();
                Ok(Signer {
                    access_key_id: &session.access_key_id,
                    principal: &session.principal,
                    dependencies,
                    session: Some(session),
                })
            }
            _ => Err(Error::unsupported("Only a signed call can do this.")),
        }
    }

    /// Returns how much the caller decides over what belongs to others of its account.
    pub(in crate::service) fn level(&self) -> Level {
        match &self.proof {
            Proof::Administrator(administrator) => administrator.level(),
            Proof::Signed(key) if matches!(key.principal, Principal::Root(_)) => Level::Root,
            Proof::Signed(_)
            | Proof::InSession(_)
            | Proof::LoggedIn { .. }
            | Proof::WithPassword { .. }
            | Proof::WithToken { .. }
            | Proof::ServiceAccount { .. }
            | Proof::Bearer(_)
            | Proof::Anonymous { .. } => Level::User,
        }
    }

    /// Returns the numeric ids of all principals that a signed call came from: the caller's, and
    /// those that its session came from. An operator has none.
    pub(in crate::service) fn origins(&self) -> BTreeSet<i64> {
        let dependencies = self
            .signer()
            .map(|signer| signer.dependencies)
            .unwrap_or_default();
        let ids = dependencies
            .iter()
            .filter_map(|(dependency, _)| match dependency {
                Dependency::Root(id) => Some(id.number()),
                Dependency::User(id) => Some(id.number()),
                Dependency::Role(id) => Some(id.number()),
                Dependency::AccessKey(_)
                | Dependency::LongTerm(_)
                | Dependency::Session(_)
                | Dependency::RefreshTokens(_)
                | Dependency::Temporary(_)
                | Dependency::OidcSubject(_) => None,
            });
        ids.chain(self.principal().map(Principal::number)).collect()
    }

    /// Returns what the OpenID Connect token says that proved the caller.
    pub fn web_identity(&self) -> Option<&WebIdentity> {
        self.bearer().map(|bearer| &bearer.identity)
    }

    /// Returns whom an OpenID Connect token proved.
    pub(in crate::service) fn bearer(&self) -> Option<&Bearer> {
        match &self.proof {
            Proof::Bearer(bearer) => Some(bearer),
            _ => None,
        }
    }

    /// Returns the account that the call is of, or is made to.
    pub fn account(&self) -> Option<AccountId> {
        match &self.proof {
            Proof::Bearer(bearer) => Some(bearer.account),
            Proof::ServiceAccount { instance, .. } => Some(instance.account),
            Proof::Administrator(administrator) => administrator.account(),
            _ => self.principal().map(Principal::account),
        }
    }

    /// Returns the service account that logged in: what it may do, its own permissions say, and no
    /// policy.
    pub(in crate::service) fn service_account(&self) -> Option<&ServiceAccount> {
        match &self.proof {
            Proof::ServiceAccount { account, .. } => Some(account),
            _ => None,
        }
    }

    /// Returns whom a token is for: the principal's numeric id, or the service account's username;
    /// empty for nobody.
    pub(in crate::service) fn subject(&self) -> String {
        match self.service_account() {
            Some(account) => account.username(),
            None => self
                .principal()
                .map(Principal::numeric_id)
                .unwrap_or_default(),
        }
    }

    /// Returns what narrows the rights of the session that the call, or its credential, came from.
    pub(in crate::service) fn session_policy(&self) -> Option<&Document> {
        match &self.proof {
            Proof::InSession(open) => open.policy.as_ref(),
            Proof::LoggedIn { session_policy, .. } => session_policy.as_deref(),
            Proof::Signed(_)
            | Proof::WithPassword { .. }
            | Proof::WithToken { .. }
            | Proof::ServiceAccount { .. }
            | Proof::Bearer(_)
            | Proof::Anonymous { .. }
            | Proof::Administrator(_) => None,
        }
    }

    /// Returns the claims of the OpenID Connect token by which the caller came: all of the token
    /// that logged in, or those that the session kept.
    fn claims(&self) -> Option<&Claims> {
        match &self.proof {
            Proof::InSession(open) => Some(&open.session.claims),
            Proof::LoggedIn { grant, .. } => Some(&grant.claims),
            Proof::WithToken { log_in, .. } => Some(&log_in.identity.claims),
            Proof::Signed(_)
            | Proof::WithPassword { .. }
            | Proof::ServiceAccount { .. }
            | Proof::Bearer(_)
            | Proof::Anonymous { .. }
            | Proof::Administrator(_) => None,
        }
    }

    /// Returns whose rights decide what the call may do.
    pub(in crate::service) fn rights(&self) -> Subject<'_> {
        match (&self.proof, self.principal()) {
            (Proof::Administrator(administrator), _) => Subject::Administrator(administrator),
            (Proof::ServiceAccount { account, .. }, _) => Subject::ServiceAccount(account),
            (_, Some(principal)) => Subject::Principal(Identified {
                principal,
                session_policy: self.session_policy(),
                claims: self.claims(),
            }),
            (_, None) => Subject::Nobody,
        }
    }

    /// Tells whether the caller is a registry client that nobody knows.
    pub(in crate::service) fn is_anonymous(&self) -> bool {
        matches!(self.proof, Proof::Anonymous { .. })
    }

    /// Returns the operator that calls.
    pub fn administrator(&self) -> Option<&Administrator> {
        match &self.proof {
            Proof::Administrator(administrator) => Some(administrator),
            _ => None,
        }
    }

    /// Returns how the audit names the caller.
    pub fn audit_name(&self) -> Option<String> {
        match (&self.proof, self.principal()) {
            (Proof::Administrator(administrator), _) => Some(administrator.audit_name()),
            (Proof::Bearer(bearer), _) => Some(format!(
                "{}:oidc-provider/{}/{}",
                bearer.account, bearer.provider, bearer.identity.subject
            )),
            (Proof::ServiceAccount { instance, account }, _) => Some(format!(
                "{}:service-account/{}/{}",
                instance.account, instance.id, account.name
            )),
            (_, principal) => principal.map(|principal| principal.to_string()),
        }
    }
}
