//! Whether somebody may do something, for the operator who asks: each step in the order in which
//! the service decides.
//!
//! The steps are those that a request passes: they ask what requests ask ([`check_reach`],
//! [`Rights::verdict`], [`Rights::decide`]), and have no rules of their own.

use crate::domain::any_principal::AnyPrincipal;
use crate::domain::claims::Claims;
use crate::domain::identity::UserState;
use crate::domain::instance::Instance;
use crate::domain::operator::Administrator;
use crate::domain::principal::Principal;
use crate::domain::refusal::RefusalCause;
use crate::domain::service_account::{ServiceAccount, ServiceAccountGrant, ServiceAccountState};
use crate::domain::{Error, ErrorKind, Result};
use crate::policy::{Context, Document, Limits, Outcome, Permission, Request, Resource};
use crate::service::access::caller::Identified;
use crate::service::access::reach::check_reach;
use crate::service::call::Call;
use crate::service::request::RequestContext;
use crate::service::rights::instances::InstanceChoice;
use crate::service::rights::operators::require_explanation;
use crate::service::rights::principals::Resolved;
use crate::service::rights::verdict::Verdict;
use crate::service::rights::{Rights, Subject, why_of_account};

/// A question of the operator's.
pub struct Question<'a> {
    /// The permission.
    pub permission: Permission,
    /// The instance.
    pub instance: InstanceChoice,
    /// The repository; empty where the instance itself is meant.
    pub path: &'a str,
    /// The session policy that narrows the principal.
    pub session_policy: Option<&'a str>,
    /// The owner of the credential or the service account that it is about.
    pub owner: Option<&'a AnyPrincipal>,
}

/// The operator at the command line, of whom policies say nothing.
static LOCAL: Administrator = Administrator::Local { user: None };

/// The step that fails, and why.
type Failing = (&'static str, &'static str);

impl Question<'_> {
    /// Tells whether the registry's clients do this, and not callers of an API.
    pub(in crate::service) fn is_about_registry(&self) -> bool {
        matches!(
            self.permission,
            Permission::Pull | Permission::Push | Permission::Delete | Permission::ListCatalog
        )
    }

    /// Returns the repository, or the instance where none is named.
    fn resource<'a>(&'a self, instance: &'a Instance) -> Resource<'a> {
        if self.path.is_empty() {
            Resource::Instance(instance.into())
        } else {
            Resource::Repository {
                instance: instance.into(),
                path: self.path,
            }
        }
    }
}

/// A decision, with the steps that led to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explained {
    /// Whether it is allowed.
    pub allowed: bool,
    /// The steps in their order; the last decided.
    pub steps: Vec<Step>,
}

/// One step of a decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The part that was checked.
    pub about: &'static str,
    /// Whether it lets the principal do it.
    pub passes: bool,
    /// Why.
    pub reason: String,
}

impl Explained {
    /// Returns the step that decided.
    pub fn deciding(&self) -> Option<&Step> {
        self.steps.last()
    }
}

/// The steps so far.
#[derive(Default)]
pub(in crate::service) struct Steps(Vec<Step>);

impl Steps {
    pub(in crate::service) fn pass(&mut self, about: &'static str, reason: impl Into<String>) {
        self.0.push(Step {
            about,
            passes: true,
            reason: reason.into(),
        });
    }

    pub(in crate::service) fn fail(&mut self, about: &'static str, reason: impl Into<String>) {
        self.0.push(Step {
            about,
            passes: false,
            reason: reason.into(),
        });
    }

    /// Ends with the steps of another explanation.
    pub(in crate::service) fn end_with(mut self, rest: Explained) -> Explained {
        self.0.extend(rest.steps);
        self.end()
    }

    /// Ends with the last step, which decides.
    pub(in crate::service) fn end(self) -> Explained {
        Explained {
            allowed: self.0.last().is_some_and(|step| step.passes),
            steps: self.0,
        }
    }
}

impl Rights {
    /// Says whether a principal may do something, and which step decides. Requests of registry
    /// clients for (pull, push, delete, list-catalog) is decided as at the token exchange,
    /// everything else as at the clouds' doors.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] and its like when the principal or the instance isn't there.
    pub async fn explain(
        &self,
        call: &Call<'_>,
        principal: &AnyPrincipal,
        question: &Question<'_>,
    ) -> Result<Explained> {
        self.explain_with(call, principal, None, question).await
    }

    /// As [`Self::explain`], of a principal that comes with the claims of an OpenID Connect token.
    pub(in crate::service) async fn explain_with(
        &self,
        call: &Call<'_>,
        principal: &AnyPrincipal,
        claims: Option<&Claims>,
        question: &Question<'_>,
    ) -> Result<Explained> {
        require_explanation(call, principal, question.owner)?;
        let instance = self.own_instance(call, &question.instance).await?;
        let session_policy = question
            .session_policy
            .map(read_session_policy)
            .transpose()?;
        let mut steps = Steps::default();
        if question.is_about_registry()
            && !self.explain_address(&mut steps, &instance, call).await?
        {
            return Ok(steps.end());
        }
        let resolved = self.find_principal(principal).await?;
        let account = match &resolved {
            Resolved::ServiceAccount(of, name) => {
                Some(self.stored_service_account(&of.id, name).await?)
            }
            _ => None,
        };
        let narrowed = session_policy.as_ref();
        let subject = match (&resolved, &account) {
            (Resolved::Operator, _) => Ok(Subject::Administrator(&LOCAL)),
            (Resolved::Principal(principal), _) => self
                .explain_principal(principal, &instance)
                .await?
                .map(|()| {
                    Subject::Principal(Identified {
                        principal,
                        session_policy: narrowed,
                        claims,
                    })
                }),
            (Resolved::ServiceAccount(of, _), Some(account)) => self
                .explain_service_account(of, account, &instance)
                .map(|()| Subject::ServiceAccount(account)),
            (Resolved::Bearer | Resolved::ServiceAccount(..), _) => Err((
                "principal",
                "the bearer of an OpenID Connect token may assume roles that trust it, and \
                 nothing else: ask about the role, or with --token",
            )),
        };
        let subject = match subject {
            Ok(subject) => subject,
            Err((step, reason)) => {
                steps.fail(step, reason);
                return Ok(steps.end());
            }
        };
        self.explain_request(&mut steps, subject, &instance, call, question)
            .await?;
        Ok(steps.end())
    }

    /// Adds the steps of a principal that may act at the instance: the policies, and all else that
    /// decides.
    async fn explain_request(
        &self,
        steps: &mut Steps,
        subject: Subject<'_>,
        instance: &Instance,
        call: &Call<'_>,
        question: &Question<'_>,
    ) -> Result<()> {
        steps.pass("principal", "it is there and enabled");
        steps.pass("instance", "it is the principal's own");
        let resource = question.resource(instance);
        let owner = match question.owner {
            Some(owner) => Some(self.maker_number(owner).await?.to_string()),
            None => None,
        };
        let context = Context {
            owner: owner.as_deref(),
            ..call.policy_context()
        };
        let request = Request {
            permission: question.permission,
            resource,
            context,
        };
        if question.is_about_registry() {
            self.explain_verdict(steps, subject, instance, &request)
                .await?;
        } else {
            self.explain_call(steps, subject, &request).await?;
            self.explain_grant(steps, subject, instance, question.permission)
                .await?;
        }
        Ok(())
    }

    /// Says which step a principal fails, and why.
    async fn explain_principal(
        &self,
        principal: &Principal,
        instance: &Instance,
    ) -> Result<Result<(), Failing>> {
        if let Err(reason) = self.state_of(principal).await? {
            return Ok(Err(("principal", reason)));
        }
        Ok(if principal.account() == instance.account {
            Ok(())
        } else {
            Err(("instance", "the instance belongs to another account"))
        })
    }

    /// Says which step a service account fails, and why.
    fn explain_service_account(
        &self,
        of: &Instance,
        account: &ServiceAccount,
        instance: &Instance,
    ) -> Result<(), Failing> {
        if let Some(reason) = self.fault_of_account(account) {
            return Err(("principal", reason));
        }
        if of.id == instance.id {
            Ok(())
        } else {
            let reason = "the service account logs in to another instance";
            Err(("instance", reason))
        }
    }

    /// Adds the step of the client's address; returns whether it passes.
    async fn explain_address(
        &self,
        steps: &mut Steps,
        instance: &Instance,
        call: &Call<'_>,
    ) -> Result<bool> {
        match check_reach(&self.memory, instance, call.request).await {
            Ok(()) if instance.is_open_to_all() => {
                steps.pass("address", "the instance is open to every address")
            }
            Ok(()) => steps.pass("address", "the address is in the instance's allow list"),
            Err(refusal) if refusal.kind() == &ErrorKind::AddressRefused => {
                steps.fail("address", why_unreachable(&refusal, call.request));
                return Ok(false);
            }
            Err(error) => return Err(error),
        }
        Ok(true)
    }

    /// Adds the steps of what a registry client asks for.
    async fn explain_verdict(
        &self,
        steps: &mut Steps,
        subject: Subject<'_>,
        instance: &Instance,
        request: &Request<'_>,
    ) -> Result<()> {
        let verdict = self.verdict(subject, instance, request).await?;
        let rights = self.reason_of_rights(subject, instance, request).await?;
        let reason = self.reason(subject, instance, request, verdict).await?;
        match verdict {
            Verdict::Allowed => {
                steps.pass("rights", rights);
                if request.permission == Permission::Push {
                    steps.pass(
                        "records",
                        "the records of namespaces let anyone push there whose rights do",
                    );
                }
            }
            Verdict::Denied => steps.fail("rights", rights),
            Verdict::Public => {
                steps.fail("rights", rights);
                steps.pass("public", reason);
            }
            Verdict::Unrecorded(_) => {
                steps.pass("rights", rights);
                steps.fail("records", reason);
            }
            Verdict::Impossible => steps.fail("name", reason),
        }
        Ok(())
    }

    /// Adds the step of a call of a cloud's API.
    async fn explain_call(
        &self,
        steps: &mut Steps,
        subject: Subject<'_>,
        request: &Request<'_>,
    ) -> Result<()> {
        let reason = match subject {
            Subject::ServiceAccount(account) => why_of_account(account, request.permission, ""),
            Subject::Administrator(_) => "the operator may do everything".to_owned(),
            Subject::Principal(..) | Subject::Nobody => self.why(subject, request).await?,
        };
        match self.decide(subject, request).await? {
            Outcome::Allowed => steps.pass("rights", reason),
            Outcome::DeniedExplicitly | Outcome::DeniedImplicitly => steps.fail("rights", reason),
        }
        Ok(())
    }

    /// Adds the step that says how far a call that was allowed may give a service account
    /// something.
    async fn explain_grant(
        &self,
        steps: &mut Steps,
        subject: Subject<'_>,
        instance: &Instance,
        permission: Permission,
    ) -> Result<()> {
        let Subject::Principal(Identified { principal, .. }) = subject else {
            return Ok(());
        };
        if !gives_to_service_accounts(permission) || !steps.0.last().is_some_and(|step| step.passes)
        {
            return Ok(());
        }
        match self.service_account_grant(instance.account).await? {
            _ if matches!(principal, Principal::Root(_)) => {}
            ServiceAccountGrant::Vendor => steps.pass(
                "grant",
                "service_accounts.grant is vendor: it gives anything",
            ),
            ServiceAccountGrant::OwnRights if !principal.is_session() => steps.pass(
                "grant",
                "service_accounts.grant is own-rights: it gives what its policies allow without a \
                 condition; ask about pull and push",
            ),
            ServiceAccountGrant::OwnRights if permission == Permission::ModifyServiceAccount => {
                steps.pass(
                    "grant",
                    "service_accounts.grant is own-rights: a session may take away \
                     and disable, and give nothing",
                );
            }
            ServiceAccountGrant::OwnRights => steps.fail(
                "grant",
                "service_accounts.grant is own-rights: a session gives nothing",
            ),
        }
        Ok(())
    }

    /// Says why a principal may do nothing at all, whatever its rights.
    async fn state_of(&self, principal: &Principal) -> Result<Result<(), &'static str>> {
        Ok(match principal {
            Principal::User(_, user) | Principal::FederatedSession(_, Some(user), _) => {
                match self.memory.cache.user(&self.base.store, *user).await? {
                    Some(user) if user.state == UserState::Active => Ok(()),
                    Some(_) => Err("the user is disabled"),
                    None => Err("the user is gone"),
                }
            }
            Principal::Root(_)
            | Principal::FederatedSession(_, None, _)
            | Principal::RoleSession(..) => Ok(()),
        })
    }

    fn fault_of_account(&self, account: &ServiceAccount) -> Option<&'static str> {
        if account.state == ServiceAccountState::Disabled {
            Some("the service account is disabled")
        } else {
            (!account.is_active(self.base.now())).then_some("the service account has expired")
        }
    }
}

fn gives_to_service_accounts(permission: Permission) -> bool {
    matches!(
        permission,
        Permission::CreateServiceAccount
            | Permission::ModifyServiceAccount
            | Permission::SetServiceAccountPassword
    )
}

/// Says why an instance can't be reached, to who may not know which address is meant.
fn why_unreachable(refusal: &Error, context: &RequestContext) -> String {
    if refusal.refusal_word() == RefusalCause::EndpointClosed.name() {
        return "the instance's public endpoint is closed".to_owned();
    }
    match context.address {
        Some(address) => format!("the instance obeys an allow list, and {address} is not in it"),
        None => "the instance obeys an allow list: say by --ip where the client is".to_owned(),
    }
}

fn read_session_policy(text: &str) -> Result<Document> {
    Document::parse(text, Limits::SESSION)
        .map(|checked| checked.document)
        .map_err(|error| Error::invalid_parameter("session-policy", error.message()))
}
