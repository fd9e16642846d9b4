//! Everything that a principal may do, for the operator who asks: statement by statement, as its
//! policies say it.
//!
//! A list of decisions would have to ask about each name that a pattern could stand for. So it is
//! the statements that are listed, weighed against the others as far as that holds everywhere.

use serde_json::Value;

use crate::domain::any_principal::AnyPrincipal;
use crate::domain::principal::Principal;
use crate::domain::service_account::ServiceAccount;
use crate::domain::{Error, Result};
use crate::policy::builtin::Builtin;
use crate::policy::{Document, Effect, Language, Limits, Permission, StatementRights};
use crate::service::access::validity::fault_of_service_account;
use crate::service::call::Call;
use crate::service::rights::Rights;
use crate::service::rights::found::Found;
use crate::service::rights::operators::require_explanation;
use crate::service::rights::reasons::why_refused;
use crate::store;

/// A statement that gives a principal rights, or takes them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldRight {
    /// The policy, or where else the right is from.
    pub policy: String,
    /// The statement's place in it, and its label.
    pub statement: Option<String>,
    /// Whether it allows or denies.
    pub effect: Effect,
    /// The permissions that no other statement denies everywhere.
    pub permissions: Vec<Permission>,
    /// The resources, as the document writes them.
    pub resources: Vec<String>,
    /// The condition, as the document writes it.
    pub condition: Option<Value>,
    /// The statements that deny some of it, where their resources meet or their conditions hold.
    pub cut_by: Vec<String>,
}

/// The rights of a principal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldRights {
    /// The statements, in the order of the policies.
    pub rights: Vec<HeldRight>,
    /// The reason why none of them holds now.
    pub fault: Option<String>,
}

impl Rights {
    /// Lists what a principal may do: all its statements, and for each that allows the ones that
    /// deny.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`](crate::domain::ErrorKind::NotFound) when the principal isn't there;
    /// `Unsupported` for one that has no rights of its own; those of the store.
    pub async fn held(&self, call: &Call<'_>, principal: &AnyPrincipal) -> Result<HeldRights> {
        require_explanation(call, principal, None)?;
        match self.find_in_question(principal).await? {
            Found::Principal(principal) => {
                let fault = self.fault_of_principal(&principal, call).await?;
                Ok(HeldRights {
                    rights: self.held_by_policies(&principal).await?,
                    fault: fault.map(|cause| why_refused(cause).to_owned()),
                })
            }
            Found::ServiceAccount(instance, account) => Ok(HeldRights {
                rights: of_account(instance.id.as_str(), &account),
                fault: fault_of_service_account(&account, call.now)
                    .map(|cause| why_refused(cause).to_owned()),
            }),
            Found::Bearer | Found::Operator | Found::Nobody => Err(Error::unsupported(
                "Rights by policies are those of a root, a user, a role, a federated session or a \
                 service account.",
            )),
        }
    }

    async fn held_by_policies(&self, principal: &Principal) -> Result<Vec<HeldRight>> {
        let store = &self.base.store;
        let texts = match principal {
            Principal::Root(_) | Principal::FederatedSession(_, None, _) => {
                return Ok(vec![everything()]);
            }
            Principal::User(_, user) | Principal::FederatedSession(_, Some(user), _) => {
                store::policy::documents_of_user(store, *user).await?
            }
            Principal::RoleSession(_, role, _) => {
                store::policy::documents_of_role(store, *role).await?
            }
        };
        let mut rights = Vec::new();
        for (name, text) in texts {
            let text = text.or_else(|| Builtin::named(&name).map(|one| one.text.to_owned()));
            rights.extend(of_document(&name, &text.unwrap_or_default())?);
        }
        Ok(weighed(&rights))
    }
}

/// A right, with what its weighing needs.
struct Read {
    right: HeldRight,
    /// Whether it holds on every resource and in every circumstance.
    is_everywhere: bool,
}

impl Read {
    fn name(&self) -> String {
        let place = self.right.statement.as_deref().unwrap_or_default();
        format!("{} {place}", self.right.policy)
    }

    /// Tells whether it denies one of these permissions.
    fn denies(&self, permissions: &[Permission]) -> bool {
        self.right.effect == Effect::Deny
            && self
                .right
                .permissions
                .iter()
                .any(|one| permissions.contains(one))
    }
}

/// Returns the right of an account's root.
fn everything() -> HeldRight {
    HeldRight {
        policy: "root".to_owned(),
        statement: None,
        effect: Effect::Allow,
        permissions: Permission::all().collect(),
        resources: vec!["*".to_owned()],
        condition: None,
        cut_by: Vec::new(),
    }
}

/// Returns the rights of a service account.
fn of_account(instance: &str, account: &ServiceAccount) -> Vec<HeldRight> {
    let of_namespace = |(namespace, actions): (&String, &std::collections::BTreeSet<_>)| {
        let permissions = [Permission::Pull, Permission::Push].into_iter();
        HeldRight {
            policy: "permissions".to_owned(),
            statement: None,
            effect: Effect::Allow,
            permissions: permissions
                .filter(|permission| {
                    super::account_action(*permission)
                        .is_some_and(|action| actions.contains(&action))
                })
                .collect(),
            resources: vec![format!("{instance}/{namespace}/*")],
            condition: None,
            cut_by: Vec::new(),
        }
    };
    account.permissions.iter().map(of_namespace).collect()
}

/// Reads the statements of a policy, with their texts.
fn of_document(name: &str, text: &str) -> Result<Vec<Read>> {
    let unreadable = || Error::internal(format!("the stored policy {name} can't be read"));
    let document = Document::parse(text, Limits::POLICY)
        .map_err(|error| unreadable().caused_by(error))?
        .document;
    let json: Value = serde_json::from_str(text).map_err(|_| unreadable())?;
    let (statements, resource, condition) = match document.language() {
        Language::Cam => ("statement", "resource", "condition"),
        Language::Ram | Language::Iam => ("Statement", "Resource", "Condition"),
    };
    let rights = document.rights().filter(|one| !one.permissions.is_empty());
    Ok(rights
        .map(|one: StatementRights<'_>| {
            let written = match &json[statements] {
                Value::Array(statements) => &statements[one.index],
                // IAM writes one without a list.
                statement => statement,
            };
            let excluded = texts(&written["NotResource"]);
            let all_but = excluded.iter().map(|text| format!("all but {text}"));
            let resources = texts(&written[resource]).into_iter().chain(all_but);
            Read {
                is_everywhere: one.is_everywhere && !one.is_conditional,
                right: HeldRight {
                    policy: name.to_owned(),
                    statement: Some(one.place()),
                    effect: one.effect,
                    permissions: one.permissions,
                    resources: resources.collect(),
                    condition: written.get(condition).cloned(),
                    cut_by: Vec::new(),
                },
            }
        })
        .collect())
}

/// Returns the texts of a list, or of one text.
fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text.clone()],
        Value::Array(texts) => texts
            .iter()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect(),
        _ => Vec::new(),
    }
}

/// Takes from each statement that allows what others deny everywhere, and names those that deny
/// some of it.
fn weighed(read: &[Read]) -> Vec<HeldRight> {
    let denied: Vec<Permission> = read
        .iter()
        .filter(|one| one.is_everywhere && one.right.effect == Effect::Deny)
        .flat_map(|one| one.right.permissions.iter().copied())
        .collect();
    let weigh = |one: &Read| {
        let mut right = one.right.clone();
        if right.effect == Effect::Allow {
            let cut = read
                .iter()
                .filter(|other| other.denies(&one.right.permissions));
            right.cut_by = cut.map(Read::name).collect();
            let is_denied = |permission: &Permission| {
                let in_language = |language| permission.parts(language);
                let mut parts = Language::ALL.iter().copied().flat_map(in_language);
                parts.any(|part| denied.contains(part))
            };
            right
                .permissions
                .retain(|permission| !is_denied(permission));
        }
        right
    };
    read.iter().map(weigh).collect()
}
