//! Everybody who may do something, for the operator who asks, page by page.

use serde::{Deserialize, Serialize};

use crate::domain::clock::Timestamp;
use crate::domain::instance::Instance;
use crate::domain::principal::{Principal, PrincipalName};
use crate::domain::refusal::RefusalCause;
use crate::domain::service_account::ServiceAccount;
use crate::domain::{ErrorKind, Result};
use crate::policy::{Circumstances, Request};
use crate::service::access::caller::{Identified, Subject};
use crate::service::access::reach::check_reach;
use crate::service::access::validity::fault_of_service_account;
use crate::service::call::Call;
use crate::service::request::RequestContext;
use crate::service::rights::Rights;
use crate::service::rights::question::{Question, resource};
use crate::service::rights::verdict::Verdict;
use crate::store::{self, page::Page};

/// The most principals that one page examines.
const MAX_EXAMINED: usize = 256;

/// The remark about a repository that is shared.
const OF_OTHERS: &str = "the repository's policy names principals of other accounts, too, who need \
                         their own policies as well: ask about each with --principal";

/// The place of a principal in the list: the root, users, roles and service accounts, each by age.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct HolderPosition {
    kind: u8,
    created_at: Timestamp,
    id: String,
}

/// When a principal may do it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeldWhen {
    /// In every circumstance.
    Always,
    /// In those that are asked about: a condition depends on others.
    Now,
    /// Not in those: in others, for which a condition asks.
    Conditionally,
}

impl HeldWhen {
    /// Returns the word that is shown.
    pub fn name(self) -> &'static str {
        match self {
            Self::Always => "always",
            Self::Now => "now",
            Self::Conditionally => "conditionally",
        }
    }
}

/// A principal who may do it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RightHolder {
    /// The principal as commands take it, or `anyone`.
    pub principal: String,
    /// When it may.
    pub when: HeldWhen,
    /// The step that grants it.
    pub decided_by: &'static str,
    /// Why.
    pub reason: String,
}

/// A page of the principals who may do something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RightHolders {
    /// The principals.
    pub holders: Vec<RightHolder>,
    /// Remarks that hold for all of them.
    pub notes: Vec<String>,
    /// The position after which the next page begins; none after the last one.
    pub next: Option<HolderPosition>,
}

/// Somebody who may perhaps do it.
enum Candidate {
    Principal(PrincipalName, Principal),
    ServiceAccount(PrincipalName, Box<ServiceAccount>),
}

impl Rights {
    /// Lists those who may do something at an instance: the principals of its account, and its
    /// service accounts. A note says where a repository's policy lets in those of other accounts.
    ///
    /// Of the question its permission, instance, path and address count.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InstanceNotFound`]; `OperatorDenied`, or `Unsupported` for no operator; those
    /// of the store.
    pub async fn holders(
        &self,
        call: &Call<'_>,
        question: &Question,
        after: Option<&HolderPosition>,
    ) -> Result<RightHolders> {
        let instance = self.explained_instance(call, &question.instance).await?;
        let from = RequestContext {
            address: question.address,
            ..call.request.clone()
        };
        let call = &Call {
            request: &from,
            ..*call
        };
        let request = Request {
            permission: question.permission,
            resource: resource(question, &instance),
            context: call.policy_context(),
        };
        let mut page = RightHolders {
            holders: Vec::new(),
            notes: Vec::new(),
            next: None,
        };
        if question.is_about_registry()
            && let Some(note) = self.note_of_reach(&instance, call).await?
        {
            page.notes.push(note.0);
            if note.1 == Reach::Closed {
                return Ok(page);
            }
        }
        if after.is_none() {
            let anyone = self.public(&instance, &request, question).await?;
            page.holders.extend(anyone);
        }
        let policy = Box::pin(self.repository_policy(&request.resource)).await?;
        if policy.is_some_and(|policy| policy.reaches_beyond(instance.account)) {
            page.notes.push(OF_OTHERS.to_owned());
        }
        let mut candidates = self.candidates(&instance).await?;
        candidates.retain(|(position, _)| after.is_none_or(|after| position > after));
        candidates.sort_by(|(one, _), (other, _)| one.cmp(other));
        if let Some((last, _)) = candidates.get(MAX_EXAMINED - 1)
            && candidates.len() > MAX_EXAMINED
        {
            page.next = Some(last.clone());
        }
        for (_, candidate) in candidates.iter().take(MAX_EXAMINED) {
            let held = self
                .held_by(candidate, &instance, &request, (question, call))
                .await?;
            page.holders.extend(held);
        }
        Ok(page)
    }

    /// Says from where the instance can be reached, unless it is from everywhere.
    async fn note_of_reach(
        &self,
        instance: &Instance,
        call: &Call<'_>,
    ) -> Result<Option<(String, Reach)>> {
        if instance.is_open_to_all() {
            return Ok(None);
        }
        let address = call.request.address;
        Ok(Some(
            match (
                check_reach(&self.memory, instance, call.request).await,
                address,
            ) {
                (Ok(()), _) => {
                    let why = "the instance obeys an allow list, and the address is in it";
                    (why.to_owned(), Reach::Open)
                }
                (Err(error), _) if error.refusal_cause() == Some(RefusalCause::EndpointClosed) => {
                    let why = "the instance's public endpoint is closed: nobody can log in";
                    (why.to_owned(), Reach::Closed)
                }
                (Err(error), None) if error.kind() == &ErrorKind::AddressRefused => {
                    let why = "the instance obeys an allow list: they may from its addresses alone";
                    (why.to_owned(), Reach::Open)
                }
                (Err(error), Some(address)) if error.kind() == &ErrorKind::AddressRefused => {
                    let why = format!("the instance's allow list lacks {address}: nobody may");
                    (why, Reach::Closed)
                }
                (Err(error), _) => return Err(error),
            },
        ))
    }

    /// Returns the line for what is public.
    async fn public(
        &self,
        instance: &Instance,
        request: &Request<'_>,
        question: &Question,
    ) -> Result<Option<RightHolder>> {
        if !question.is_about_registry() {
            return Ok(None);
        }
        let verdict = self.verdict(Subject::Nobody, instance, request).await?;
        Ok((verdict == Verdict::Public).then(|| RightHolder {
            principal: "anyone".to_owned(),
            when: HeldWhen::Always,
            decided_by: "public",
            reason: "anyone may pull it whom no policy denies it: it is public".to_owned(),
        }))
    }

    /// Returns everybody who may have a right at an instance.
    async fn candidates(&self, instance: &Instance) -> Result<Vec<(HolderPosition, Candidate)>> {
        let (account, store) = (instance.account, &self.base.store);
        let position = |kind, created_at, id: String| HolderPosition {
            kind,
            created_at,
            id,
        };
        let first = position(0, Timestamp::from_unix_millis(0), account.to_string());
        let root = Candidate::Principal(PrincipalName::Root(account), Principal::Root(account));
        let mut found = vec![(first, root)];
        for user in store::user::list(store, account).await? {
            let principal = Principal::User(account, user.id);
            found.push((
                position(1, user.created_at, user.id.to_string()),
                Candidate::Principal(PrincipalName::User(account, user.name), principal),
            ));
        }
        for role in store::role::list(store, account).await? {
            let principal = Principal::RoleSession(account, role.id, String::new());
            found.push((
                position(2, role.created_at, role.id.to_string()),
                Candidate::Principal(PrincipalName::Role(account, role.name), principal),
            ));
        }
        let accounts = store::service_account::list(store, &instance.id, None, Page::ALL).await?;
        for one in accounts.items {
            let (id, name) = (instance.id.clone(), one.name.clone());
            found.push((
                position(3, one.created_at, one.name.clone()),
                Candidate::ServiceAccount(
                    PrincipalName::ServiceAccount(account, id, name),
                    Box::new(one),
                ),
            ));
        }
        Ok(found)
    }

    /// Returns the line of a candidate, if it may do it in any circumstance.
    async fn held_by(
        &self,
        candidate: &Candidate,
        instance: &Instance,
        request: &Request<'_>,
        (question, call): (&Question, &Call<'_>),
    ) -> Result<Option<RightHolder>> {
        let (name, subject, decided_by) = match candidate {
            Candidate::Principal(name, principal) => {
                if self.fault_of_principal(principal, call).await?.is_some() {
                    return Ok(None);
                }
                let identified = Identified {
                    principal,
                    session_policy: None,
                    claims: None,
                };
                (name, Subject::Principal(identified), "policies")
            }
            Candidate::ServiceAccount(name, account) => {
                if fault_of_service_account(account, call.now).is_some() {
                    return Ok(None);
                }
                (name, Subject::ServiceAccount(account), "permissions")
            }
        };
        let is_about_registry = question.is_about_registry();
        let may = async |circumstances| -> Result<bool> {
            Ok(if is_about_registry {
                let verdict =
                    Box::pin(self.verdict_in(circumstances, subject, instance, request)).await?;
                verdict == Verdict::Allowed
            } else {
                let ruling = Box::pin(self.decide_in(circumstances, subject, request)).await?;
                ruling.is_allowed()
            })
        };
        let when = if may(Circumstances::Every).await? {
            HeldWhen::Always
        } else if may(Circumstances::Present).await? {
            HeldWhen::Now
        } else if may(Circumstances::Best).await? {
            HeldWhen::Conditionally
        } else {
            return Ok(None);
        };
        Ok(Some(RightHolder {
            principal: name.to_string(),
            when,
            decided_by,
            reason: Box::pin(self.reason_of_rights(subject, request)).await?,
        }))
    }
}

/// Whether anybody can reach the instance.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reach {
    Open,
    Closed,
}
