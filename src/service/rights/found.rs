//! The steps about states: whether a principal, its access key and its credential may be used at
//! all.

use std::sync::Arc;

use crate::domain::any_principal::{AnyPrincipal, Written};
use crate::domain::claims::Claims;
use crate::domain::credential::CredentialId;
use crate::domain::ids::AccountId;
use crate::domain::instance::Instance;
use crate::domain::operator::Administrator;
use crate::domain::principal::Principal;
use crate::domain::refusal::RefusalCause;
use crate::domain::service_account::ServiceAccount;
use crate::domain::{Error, Noun, Result};
use crate::policy::Document;
use crate::service::access::caller::Identified;
use crate::service::access::validity::{States, fault_of_key, fault_of_service_account};
use crate::service::call::Call;
use crate::service::rights::principals::Resolved;
use crate::service::rights::question::Question;
use crate::service::rights::reasons::why_refused;
use crate::service::rights::steps::Steps;
use crate::service::rights::{Rights, Subject};
use crate::token::Dependency;

/// The operator at the command line, of whom policies say nothing.
static LOCAL: Administrator = Administrator::Local { user: None };

/// Whom a question is about.
pub(in crate::service) enum Found {
    /// A principal, perhaps one that is gone.
    Principal(Principal),
    /// A service account, and the instance that it logs in to.
    ServiceAccount(Arc<Instance>, Box<ServiceAccount>),
    /// The bearer of an OpenID Connect token.
    Bearer,
    /// The operator at the command line.
    Operator,
    /// A registry client that didn't log in.
    Nobody,
}

impl Found {
    /// Returns whose rights decide.
    pub(in crate::service) fn subject<'a>(
        &'a self,
        session_policy: Option<&'a Document>,
        claims: Option<&'a Claims>,
    ) -> Subject<'a> {
        match self {
            Self::Principal(principal) => Subject::Principal(Identified {
                principal,
                session_policy,
                claims,
            }),
            Self::ServiceAccount(_, account) => Subject::ServiceAccount(account),
            Self::Bearer | Self::Nobody => Subject::Nobody,
            Self::Operator => Subject::Administrator(&LOCAL),
        }
    }
}

impl Rights {
    fn states(&self) -> States<'_> {
        States::of(&self.base, &self.memory)
    }

    /// Finds whom a question is about. One that is named by its id may be gone, which is for a step
    /// to say: the audit names deleted principals so.
    pub(in crate::service) async fn find_in_question(
        &self,
        principal: &AnyPrincipal,
    ) -> Result<Found> {
        let by_id = match principal {
            AnyPrincipal::User(account, Written::Id(id)) => Some(Principal::User(*account, *id)),
            AnyPrincipal::Role(account, Written::Id(id), session) => {
                let session = session.clone().unwrap_or_default();
                Some(Principal::RoleSession(*account, *id, session))
            }
            AnyPrincipal::Federated(account, user, name) => {
                Some(Principal::FederatedSession(*account, *user, name.clone()))
            }
            _ => None,
        };
        if let Some(principal) = by_id {
            return Ok(Found::Principal(principal));
        }
        Ok(match self.find_principal(principal).await? {
            Resolved::Principal(principal) => Found::Principal(principal),
            Resolved::ServiceAccount(of, name) => {
                let account = self.stored_service_account(&of.id, &name).await?;
                Found::ServiceAccount(of, Box::new(account))
            }
            Resolved::Bearer => Found::Bearer,
            Resolved::Operator => Found::Operator,
        })
    }

    /// Adds the steps before any right is asked for: the states, and the instance. Returns whether
    /// all pass.
    pub(in crate::service) async fn explain_states(
        &self,
        steps: &mut Steps,
        found: &Found,
        question: &Question,
        (instance, call): (&Instance, &Call<'_>),
    ) -> Result<bool> {
        match found {
            Found::Principal(principal) => {
                self.explain_principal(steps, principal, call).await?;
                if let (true, Some(id)) = (steps.passes(), &question.access_key) {
                    self.explain_access_key(steps, id, principal).await?;
                }
                if let (true, Some(id)) = (steps.passes(), &question.credential) {
                    self.explain_credential(steps, id, principal, (instance, call))
                        .await?;
                }
                if steps.passes() {
                    explain_instance(steps, principal.account(), instance);
                }
            }
            Found::ServiceAccount(of, account) => {
                explain_service_account(steps, (of, account), (instance, call));
            }
            Found::Bearer => steps.fail(
                "principal",
                "the bearer of an OpenID Connect token may assume roles that trust it, and \
                 nothing else: ask about the role, or with --token",
            ),
            Found::Operator => steps.pass("principal", "it is the operator"),
            Found::Nobody => steps.pass("principal", "nobody logged in"),
        }
        Ok(steps.passes())
    }

    /// Adds the step of a principal's own state.
    async fn explain_principal(
        &self,
        steps: &mut Steps,
        principal: &Principal,
        call: &Call<'_>,
    ) -> Result<()> {
        match self.fault_of_principal(principal, call).await? {
            None => steps.pass("principal", "it is there and enabled"),
            Some(cause) => steps.fail("principal", why_refused(cause)),
        }
        Ok(())
    }

    /// Returns why a principal may do nothing at all, whatever its rights; nothing when it may.
    pub(in crate::service) async fn fault_of_principal(
        &self,
        principal: &Principal,
        call: &Call<'_>,
    ) -> Result<Option<RefusalCause>> {
        let dependency = Dependency::of(principal);
        // The id of another account's user is nobody's in this one.
        let (cache, store) = (&self.memory.cache, &self.base.store);
        let of_account = match &dependency {
            Dependency::User(id) => cache.user(store, *id).await?.map(|user| user.account),
            Dependency::Role(id) => cache.role(store, *id).await?.map(|role| role.account),
            _ => None,
        };
        if of_account.is_some_and(|account| account != principal.account()) {
            return Ok(Some(match dependency {
                Dependency::Role(_) => RefusalCause::RoleDeleted,
                _ => RefusalCause::UserDeleted,
            }));
        }
        let validity = self.states().generation_of(&dependency, call.now).await?;
        Ok(validity.err())
    }

    /// Adds the step of the access key. A session's came from a key of whoever opened it.
    async fn explain_access_key(
        &self,
        steps: &mut Steps,
        id: &str,
        principal: &Principal,
    ) -> Result<()> {
        let key = self
            .memory
            .cache
            .access_key(&self.base.store, &self.memory.keys.master, id)
            .await?;
        let fault = match &key {
            // Keys of other accounts are nobody's here.
            Some(key) if key.principal.account() == principal.account() => fault_of_key(key.state),
            Some(_) | None => Some(RefusalCause::AccessKeyDeleted),
        };
        match (fault, key) {
            (Some(cause), _) => steps.fail("access-key", why_refused(cause)),
            (None, Some(key)) if !principal.is_session() && key.principal != *principal => {
                steps.fail(
                    "access-key",
                    format!("the access key signs for {}", key.principal),
                );
            }
            (None, _) => steps.pass("access-key", "it is there and enabled"),
        }
        Ok(())
    }

    /// Adds the step of the credential that logs in.
    ///
    /// # Errors
    /// `NotFound` for one that isn't stored and wasn't revoked: nobody can say what it was.
    async fn explain_credential(
        &self,
        steps: &mut Steps,
        id: &CredentialId,
        principal: &Principal,
        (instance, call): (&Instance, &Call<'_>),
    ) -> Result<()> {
        if self.memory.is_revoked(id) {
            steps.fail("credential", why_refused(RefusalCause::CredentialRevoked));
            return Ok(());
        }
        let stored = self.memory.cache.credential(&self.base.store, id).await?;
        // Those of other accounts are nobody's here.
        let stored = stored
            .filter(|stored| stored.principal.account() == principal.account())
            .ok_or_else(|| Error::not_found(Noun::Credential, id))?;
        let dependency = Dependency::LongTerm(id.clone());
        match self.states().generation_of(&dependency, call.now).await? {
            Err(cause) => steps.fail("credential", why_refused(cause)),
            Ok(_) if stored.principal != *principal => {
                let why = format!("the credential acts for {}", stored.principal);
                steps.fail("credential", why);
            }
            Ok(_) if stored.instance != instance.id => {
                steps.fail("credential", why_refused(RefusalCause::OtherInstance));
            }
            Ok(_) => steps.pass("credential", "it is there, enabled and in time"),
        }
        Ok(())
    }
}

/// Adds the step of the instance's account.
fn explain_instance(steps: &mut Steps, account: AccountId, instance: &Instance) {
    if account == instance.account {
        steps.pass("instance", "it is the principal's own");
    } else {
        steps.pass(
            "instance",
            "it is another account's: the policies of its repositories have to allow it, too",
        );
    }
}

/// Adds the steps of a service account's own state and instance.
fn explain_service_account(
    steps: &mut Steps,
    (of, account): (&Instance, &ServiceAccount),
    (instance, call): (&Instance, &Call<'_>),
) {
    match fault_of_service_account(account, call.now) {
        Some(RefusalCause::Expired) => steps.fail("principal", "the service account has expired"),
        Some(cause) => steps.fail("principal", why_refused(cause)),
        None => {
            steps.pass("principal", "it is there and enabled");
            if of.id == instance.id {
                steps.pass("instance", "it is the principal's own");
            } else {
                let why = "the service account logs in to another instance";
                steps.fail("instance", why);
            }
        }
    }
}
