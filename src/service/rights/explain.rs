//! Whether somebody may do something, for the operator who asks: each step in the order in which
//! the service decides.
//!
//! The steps are those that a request passes: they ask what requests ask ([`check_reach`],
//! [`States`](crate::service::access::validity::States), [`Rights::verdict`], [`Rights::decide`]),
//! and have no rules of their own.

use std::sync::Arc;

use crate::domain::any_principal::AnyPrincipal;
use crate::domain::claims::Claims;
use crate::domain::error::PolicyKind;
use crate::domain::instance::Instance;
use crate::domain::operator::OperatorPermission;
use crate::domain::principal::Principal;
use crate::domain::refusal::RefusalCause;
use crate::domain::service_account::ServiceAccountGrant;
use crate::domain::{Error, ErrorKind, Result};
use crate::policy::{Circumstances, Context, Document, Limits, Outcome, Permission, Request};
use crate::service::access::caller::Identified;
use crate::service::access::reach::check_reach;
use crate::service::call::Call;
use crate::service::request::RequestContext;
use crate::service::rights::found::Found;
use crate::service::rights::instances::InstanceChoice;
use crate::service::rights::operators::require_explanation;
use crate::service::rights::question::{Question, Who, resource};
use crate::service::rights::reasons::path_of;
use crate::service::rights::steps::{Explained, Steps};
use crate::service::rights::verdict::{Verdict, decide_account};
use crate::service::rights::{Rights, Subject, why_of_account};

/// The step of the policy of a repository.
const REPOSITORY_POLICY: &str = "repository-policy";

/// How far a question is followed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Depth {
    /// To the end.
    Whole,
    /// As far as the log-in.
    LogIn,
}

impl Rights {
    /// Says whether a principal may do something, and which step decides. Requests of registry
    /// clients (for pull, push, delete, list-catalog) are decided as at the token exchange,
    /// everything else as at the clouds' doors.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] and its like when the principal, the instance or the credential
    /// isn't there.
    pub async fn explain(
        &self,
        call: &Call<'_>,
        principal: &AnyPrincipal,
        question: &Question,
    ) -> Result<Explained> {
        self.explain_with(call, principal, None, question).await
    }

    /// As [`Self::explain`], perhaps of a client that didn't log in.
    pub(in crate::service) async fn explain_who(
        &self,
        call: &Call<'_>,
        who: &Who,
        question: &Question,
    ) -> Result<Explained> {
        self.follow(call, who, None, (question, Depth::Whole)).await
    }

    /// Says whether a log-in is refused whatever it is for: the steps before any right is asked
    /// for.
    pub(in crate::service) async fn explain_log_in(
        &self,
        call: &Call<'_>,
        who: &Who,
        question: &Question,
    ) -> Result<Explained> {
        self.follow(call, who, None, (question, Depth::LogIn)).await
    }

    /// As [`Self::explain`], of a principal that comes with the claims of an OpenID Connect token.
    pub(in crate::service) async fn explain_with(
        &self,
        call: &Call<'_>,
        principal: &AnyPrincipal,
        claims: Option<&Claims>,
        question: &Question,
    ) -> Result<Explained> {
        let who = Who::Principal(principal.clone());
        self.follow(call, &who, claims, (question, Depth::Whole))
            .await
    }

    /// Returns the instance of a question, if the caller may be told about it.
    pub(super) async fn explained_instance(
        &self,
        call: &Call<'_>,
        choice: &InstanceChoice,
    ) -> Result<Arc<Instance>> {
        self.administered_instance(call, choice, OperatorPermission::PolicyExplain)
            .await
    }

    async fn follow(
        &self,
        call: &Call<'_>,
        who: &Who,
        claims: Option<&Claims>,
        (question, depth): (&Question, Depth),
    ) -> Result<Explained> {
        if let Who::Principal(principal) = who {
            require_explanation(call, principal, question.owner.as_ref())?;
        }
        let instance = self.explained_instance(call, &question.instance).await?;
        let session_policy = question
            .session_policy
            .as_deref()
            .map(read_session_policy)
            .transpose()?;
        let from = RequestContext {
            address: question.address,
            ..call.request.clone()
        };
        let call = &Call {
            request: &from,
            now: question.at.unwrap_or(call.now),
            ..*call
        };
        let mut steps = Steps::default();
        if question.is_about_registry()
            && !self.explain_address(&mut steps, &instance, call).await?
        {
            return Ok(steps.end());
        }
        let found = match who {
            Who::Principal(principal) => self.find_in_question(principal).await?,
            Who::Nobody => Found::Nobody,
        };
        let passes = self
            .explain_states(&mut steps, &found, question, (&instance, call))
            .await?;
        if !passes || depth == Depth::LogIn {
            return Ok(steps.end());
        }
        let subject = found.subject(session_policy.as_ref(), claims);
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
        question: &Question,
    ) -> Result<()> {
        let resource = resource(question, instance);
        let owner = match &question.owner {
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
                .await
        } else {
            self.explain_rights(steps, subject, &request).await?;
            self.explain_grant(steps, subject, instance, question.permission)
                .await
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
                steps.pass("address", "the instance is open to every address");
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
        let reason = self.reason(subject, request, verdict).await?;
        if verdict == Verdict::Impossible {
            steps.fail("name", reason);
            return Ok(());
        }
        self.explain_rights(steps, subject, request).await?;
        match verdict {
            Verdict::Public => steps.grant("public", reason),
            Verdict::Unrecorded(_) => steps.fail("records", reason),
            Verdict::Allowed if request.permission == Permission::Push => {
                let why = "the records of namespaces let anyone push there whose rights do";
                steps.pass("records", why);
            }
            Verdict::Allowed | Verdict::Denied | Verdict::Impossible => {}
        }
        Ok(())
    }

    /// Adds the steps of the rights themselves: policies, and those of the session; or the
    /// permissions of a service account.
    async fn explain_rights(
        &self,
        steps: &mut Steps,
        subject: Subject<'_>,
        request: &Request<'_>,
    ) -> Result<()> {
        if let Subject::ServiceAccount(account) = subject {
            let path = path_of(&request.resource);
            let reason = why_of_account(account, request.permission, path);
            match decide_account(account, request.permission, path) {
                Outcome::Allowed => steps.grant("permissions", reason),
                _ => steps.fail("permissions", reason),
            }
            return self.explain_bar(steps, subject, request).await;
        }
        if let Subject::Nobody = subject {
            steps.fail("policies", "nobody logged in");
            return self.explain_bar(steps, subject, request).await;
        }
        let weighed = self.sides(subject, request).await?;
        let (own, session, resource) = (weighed.own, weighed.session, weighed.resource);
        match own.0 {
            Outcome::Allowed => steps.grant("policies", own.1),
            _ => steps.fail("policies", own.1),
        }
        steps.decided_by(weighed.statement);
        match resource {
            // Nobody else's policy grants what an account's own don't.
            Some((Outcome::Allowed, _)) if weighed.together != Outcome::Allowed => {}
            Some((Outcome::Allowed, reason)) => steps.grant(REPOSITORY_POLICY, reason),
            Some((_, reason)) => steps.fail(REPOSITORY_POLICY, reason),
            None => {}
        }
        if weighed.together != Outcome::Allowed && weighed.decided_by != PolicyKind::Session {
            return Ok(());
        }
        match session {
            _ if has_unknown_policy(subject) => steps.fail(
                "session-policy",
                "a session of GetFederationToken has a policy of its own, which no record has: \
                 ask again with --session-policy",
            ),
            Some((Outcome::Allowed, reason)) => steps.pass("session-policy", reason),
            Some((_, reason)) => steps.fail("session-policy", reason),
            None => {}
        }
        Ok(())
    }

    /// Adds the step of a repository's policy that denies something to whom it can't allow it.
    async fn explain_bar(
        &self,
        steps: &mut Steps,
        subject: Subject<'_>,
        request: &Request<'_>,
    ) -> Result<()> {
        if let Some(reason) = self
            .barred(Circumstances::Present, subject, request)
            .await?
        {
            steps.fail(REPOSITORY_POLICY, reason);
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
        if !gives_to_service_accounts(permission) || !steps.passes() {
            return Ok(());
        }
        match self.service_account_grant(instance.account).await? {
            _ if matches!(principal, Principal::Root(_)) => {}
            ServiceAccountGrant::Vendor => steps.grant(
                "grant",
                "service_accounts.grant is vendor: it gives anything",
            ),
            ServiceAccountGrant::OwnRights if !principal.is_session() => steps.grant(
                "grant",
                "service_accounts.grant is own-rights: it gives what its policies allow without a \
                 condition; ask about pull and push",
            ),
            ServiceAccountGrant::OwnRights if permission == Permission::ModifyServiceAccount => {
                steps.grant(
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
}

/// Tells whether a session always has a policy of its own, and the question doesn't give it.
fn has_unknown_policy(subject: Subject<'_>) -> bool {
    matches!(
        subject,
        Subject::Principal(Identified {
            principal: Principal::FederatedSession(..),
            session_policy: None,
            ..
        })
    )
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
        None => "the instance obeys an allow list: say by --address where the client is".to_owned(),
    }
}

fn read_session_policy(text: &str) -> Result<Document> {
    Document::parse(text, Limits::SESSION)
        .map(|checked| checked.document)
        .map_err(|error| Error::invalid_parameter("session-policy", error.message()))
}
