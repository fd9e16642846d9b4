//! Policies, as the operator manages them.

use serde_json::json;

use crate::domain::identity::{Policy, Target};
use crate::domain::ids::AccountId;
use crate::domain::operator::OperatorPermission;
use crate::domain::{Error, Noun, Result};
use crate::policy::builtin::Builtin;
use crate::service::call::Call;
use crate::service::identity::Identity;
use crate::service::identity::documents::{CheckedDocument, DocumentKind};
use crate::service::ledger::actions::AuditAction;
use crate::store;
use crate::store::policy::{Attachment, PolicyKind};

/// The characters of a policy's name.
const MAX_NAME_LENGTH: usize = 128;

/// Whether a policy is made or changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Save {
    /// It is made.
    Create,
    /// Its document is replaced.
    Update,
}

impl Identity {
    /// Saves a policy, and returns the warnings about its document.
    ///
    /// # Errors
    /// `OperatorDenied`, or `Unsupported` for no operator; `InvalidParameter` for a name that isn't
    /// allowed; `AlreadyExists` for a name that is taken; those of [`CheckedDocument::read`]; those
    /// of the store.
    pub async fn save_policy(
        &self,
        call: &Call<'_>,
        account: AccountId,
        name: &str,
        document: &str,
        save: Save,
    ) -> Result<Vec<String>> {
        let permission = match save {
            Save::Create => OperatorPermission::PolicyCreate,
            Save::Update => OperatorPermission::PolicyUpdate,
        };
        call.caller.require(permission, Some(account))?;
        check_policy_name(name)?;
        let checked = CheckedDocument::read(document, DocumentKind::Identity)?;
        let policy = Policy {
            account,
            name: name.to_owned(),
            document: document.to_owned(),
            changed_at: call.now,
        };
        let (action, part) = match save {
            Save::Create => (AuditAction::PolicyCreate, store::policy::create(&policy)),
            Save::Update => (AuditAction::PolicyUpdate, store::policy::update(&policy)),
        };
        let event = call
            .event_in(account, action)
            .detail(json!({ "account": account.to_string(), "policy": name }));
        self.ledger.change(part, event).await?;
        Ok(checked.warnings)
    }

    /// Lists an account's own policies.
    ///
    /// # Errors
    /// `OperatorDenied`, or `Unsupported` for no operator; those of the store.
    pub async fn policies(&self, call: &Call<'_>, account: AccountId) -> Result<Vec<Policy>> {
        call.caller
            .require(OperatorPermission::PolicyRead, Some(account))?;
        store::policy::list(&self.base.store, account).await
    }

    /// Returns the text of an account's own policy, or of a built-in one.
    ///
    /// # Errors
    /// `OperatorDenied`, or `Unsupported` for no operator; `NotFound` when what the call names
    /// isn't there; those of the store.
    pub async fn policy_document(
        &self,
        call: &Call<'_>,
        account: AccountId,
        name: &str,
    ) -> Result<String> {
        call.caller
            .require(OperatorPermission::PolicyRead, Some(account))?;
        match Builtin::named(name) {
            Some(builtin) => Ok(builtin.text.to_owned()),
            None => Ok(store::policy::find(&self.base.store, account, name)
                .await?
                .ok_or_else(|| Error::not_found(Noun::Policy, name))?
                .document),
        }
    }

    /// Lists the attachments of an account's policies.
    ///
    /// # Errors
    /// `OperatorDenied`, or `Unsupported` for no operator; those of the store.
    pub async fn attachments(
        &self,
        call: &Call<'_>,
        account: AccountId,
    ) -> Result<Vec<Attachment>> {
        call.caller
            .require(OperatorPermission::PolicyRead, Some(account))?;
        store::policy::attachments(&self.base.store, account).await
    }

    /// Deletes a policy, which must be attached to nothing.
    ///
    /// # Errors
    /// `OperatorDenied`, or `Unsupported` for no operator, and while it is attached; `NotFound`;
    /// those of the store.
    pub async fn delete_policy(
        &self,
        call: &Call<'_>,
        account: AccountId,
        name: &str,
    ) -> Result<()> {
        call.caller
            .require(OperatorPermission::PolicyDelete, Some(account))?;
        let event = call
            .event_in(account, AuditAction::PolicyDelete)
            .detail(json!({ "account": account.to_string(), "policy": name }));
        self.ledger
            .change(store::policy::delete(account, name), event)
            .await
    }

    /// Attaches a policy, an own or a built-in one, to a user, a group or a role, or detaches it.
    ///
    /// # Errors
    /// `OperatorDenied`, or `Unsupported` for no operator; `NotFound` for an unknown policy or
    /// target; `AlreadyExists` for an attachment that is there; those of the store.
    pub async fn set_attached(
        &self,
        call: &Call<'_>,
        account: AccountId,
        name: &str,
        target: &Target,
        attached: Attached,
    ) -> Result<()> {
        call.caller
            .require(OperatorPermission::PolicyAttach, Some(account))?;
        let kind = if Builtin::named(name).is_some() {
            PolicyKind::BuiltIn
        } else {
            PolicyKind::Own
        };
        let (action, part) = match attached {
            Attached::Yes => (
                AuditAction::PolicyAttach,
                store::policy::attach(account, name, kind, target),
            ),
            Attached::No => (
                AuditAction::PolicyDetach,
                store::policy::detach(account, name, kind, target),
            ),
        };
        let event = call.event_in(account, action).detail(json!({
            "account": account.to_string(),
            "policy": name,
            "target": format!("{target:?}"),
        }));
        self.ledger.change(part, event).await
    }
}

/// Whether a policy is to be attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attached {
    /// It is.
    Yes,
    /// It isn't.
    No,
}

/// Checks a policy's name: letters, digits, `-` and `_`, and not a built-in policy's.
fn check_policy_name(name: &str) -> Result<()> {
    let letters = name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
    if !letters || !(1..=MAX_NAME_LENGTH).contains(&name.len()) {
        return Err(Error::invalid_parameter(
            "name",
            format!("a policy's name has 1 to {MAX_NAME_LENGTH} letters, digits, '-' or '_'"),
        ));
    }
    match Builtin::named(name) {
        Some(_) => Err(Error::already_exists(
            Noun::Policy,
            format!("{name} is a built-in policy; choose another name."),
        )),
        None => Ok(()),
    }
}
