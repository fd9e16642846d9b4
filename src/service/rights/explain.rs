//! Whether somebody may do something, for the operator who asks: each step in the order in which
//! the service decides.
//!
//! The steps are those that a request passes: they ask what requests ask ([`check_reach`],
//! [`Rights::verdict`], [`Rights::decide`]), and have no rules of their own.

use crate::domain::any_principal::AnyPrincipal;
use crate::domain::identity::UserState;
use crate::domain::instance::Instance;
use crate::domain::principal::Principal;
use crate::domain::refusal::RefusalCause;
use crate::domain::service_account::{ServiceAccount, ServiceAccountGrant, ServiceAccountState};
use crate::domain::{Error, ErrorKind, Result};
use crate::policy::{Context, Document, Limits, Outcome, Permission, Request, Resource};
use crate::service::access::reach::check_reach;
use crate::service::call::Call;
use crate::service::request::RequestContext;
use crate::service::rights::instances::InstanceChoice;
use crate::service::rights::principals::Resolved;
use crate::service::rights::verdict::Verdict;
use crate::service::rights::{Rights, Subject, why_of_account};

/// What the operator asks.
pub struct Question<'a> {
    /// Who.
    pub principal: &'a AnyPrincipal,
    /// What.
    pub permission: Permission,
    /// At which instance.
    pub instance: InstanceChoice,
    /// On which repository, or on the instance where it is empty.
    pub path: &'a str,
    /// What narrows the principal's session, as a policy document.
    pub session_policy: Option<&'a str>,
    /// Whose the credential or the service account is that it is about.
    pub owner: Option<&'a AnyPrincipal>,
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
    /// What was looked at.
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
struct Steps(Vec<Step>);

impl Steps {
    fn pass(&mut self, about: &'static str, reason: impl Into<String>) {
        self.0.push(Step {
            about,
            passes: true,
            reason: reason.into(),
        });
    }

    fn fail(&mut self, about: &'static str, reason: impl Into<String>) {
        self.0.push(Step {
            about,
            passes: false,
            reason: reason.into(),
        });
    }

    /// Ends with the last step, which decides.
    fn end(self) -> Explained {
        Explained {
            allowed: self.0.last().is_some_and(|step| step.passes),
            steps: self.0,
        }
    }
}

impl Rights {
    /// Says whether a principal may do something, and which step decides. What registry clients ask
    /// for (pull, push, delete, list-catalog) is decided as at the token exchange, everything else
    /// as at the clouds' doors.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] and its like when the principal or the instance isn't there.
    pub async fn explain(&self, call: &Call<'_>, question: &Question<'_>) -> Result<Explained> {
        call.caller.require_operator()?;
        let instance = self.own_instance(call, &question.instance).await?;
        let session_policy = question
            .session_policy
            .map(read_session_policy)
            .transpose()?;
        let mut steps = Steps::default();
        let at_registry = matches!(
            question.permission,
            Permission::Pull | Permission::Push | Permission::Delete | Permission::ListCatalog
        );
        if at_registry && !self.explain_address(&mut steps, &instance, call).await? {
            return Ok(steps.end());
        }
        let resolved = self.find_principal(question.principal).await?;
        let account;
        let subject = match &resolved {
            Resolved::Operator => Subject::Operator,
            Resolved::Bearer => {
                let reason = "the bearer of an OpenID Connect token may assume roles that trust \
                              it, and nothing else: ask about the role";
                steps.fail("principal", reason);
                return Ok(steps.end());
            }
            Resolved::Principal(principal) => {
                if let Err(reason) = self.state_of(principal).await? {
                    steps.fail("principal", reason);
                    return Ok(steps.end());
                }
                if principal.account() != instance.account {
                    steps.fail("instance", "the instance belongs to another account");
                    return Ok(steps.end());
                }
                Subject::Principal(principal, session_policy.as_ref())
            }
            Resolved::ServiceAccount(of, name) => {
                account = self.stored_service_account(&of.id, name).await?;
                if let Some(reason) = self.fault_of_account(&account) {
                    steps.fail("principal", reason);
                    return Ok(steps.end());
                }
                if of.id != instance.id {
                    steps.fail(
                        "instance",
                        "the service account logs in to another instance",
                    );
                    return Ok(steps.end());
                }
                Subject::ServiceAccount(&account)
            }
        };
        steps.pass("principal", "it is there and enabled");
        steps.pass("instance", "it is the principal's own");
        let resource = if question.path.is_empty() {
            Resource::Instance((&*instance).into())
        } else {
            Resource::Repository {
                instance: (&*instance).into(),
                path: question.path,
            }
        };
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
        if at_registry {
            self.explain_verdict(&mut steps, subject, &instance, &request)
                .await?;
        } else {
            self.explain_call(&mut steps, subject, &request).await?;
            self.explain_grant(&mut steps, subject, &instance, question.permission)
                .await?;
        }
        Ok(steps.end())
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
            Subject::Operator => "the operator may do everything".to_owned(),
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
        let Subject::Principal(principal, _) = subject else {
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
