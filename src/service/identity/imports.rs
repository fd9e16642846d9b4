//! Users of another registry's log-in, as the operator imports them (decision 32).
//!
//! One write makes a user, its password and the policies attached to it, with their audit events.
//! So an import that was interrupted goes on where it stopped when it is repeated.

use std::sync::Arc;

use serde_json::json;

use crate::domain::clock::Timestamp;
use crate::domain::credential::{FixedPassword, PasswordHash};
use crate::domain::identity::{Policy, Target, User};
use crate::domain::ids::AccountId;
use crate::domain::instance::Instance;
use crate::domain::operator::OperatorPermission;
use crate::domain::principal::Principal;
use crate::domain::{Error, ErrorKind, Noun, Result, name, old_password};
use crate::policy::{Document, Limits};
use crate::service::call::Call;
use crate::service::identity::Identity;
use crate::service::ledger::actions::AuditAction;
use crate::service::rights::instances::InstanceChoice;
use crate::store;
use crate::store::policy::PolicyKind;

/// Whether users that the account has already take old names, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExistingUsers {
    /// They do. Then an old password gives all that the user may do at the instance.
    Take,
    /// They are refused.
    Refuse,
}

/// A user that is to be made, with its old name and password.
#[derive(Clone, Debug)]
pub struct ImportedUser<'a> {
    /// The name that it logs in with.
    pub old_name: &'a str,
    /// Its name here.
    pub user: &'a str,
    /// The old bcrypt.
    pub hash: &'a PasswordHash,
    /// When its password stops.
    pub expires_at: Option<Timestamp>,
    /// The account's own policies that it gets.
    pub policies: &'a [String],
    /// Whether the user may be there already.
    pub existing: ExistingUsers,
}

/// The effect that an import would have on a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImportState {
    /// It makes the user.
    New,
    /// It gives a user that is there the old name and password.
    Joins(Box<User>),
    /// Nothing: an import made it.
    AlreadyThere,
    /// Nothing, for this reason.
    Refused(String),
}

impl Identity {
    /// Returns the instance that users of an account are imported to.
    ///
    /// # Errors
    /// `OperatorDenied`, or `Unsupported` for no operator; `InstanceNotFound` without it, or where
    /// it is another account's; those of the store.
    pub async fn import_place(
        &self,
        call: &Call<'_>,
        account: AccountId,
        instance: &InstanceChoice,
    ) -> Result<Arc<Instance>> {
        call.caller
            .require(OperatorPermission::UserImport, Some(account))?;
        let instance = self.rights.own_instance(call, instance).await?;
        if instance.account == account {
            Ok(instance)
        } else {
            Err(Error::instance_not_found())
        }
    }

    /// Says what an import would do about a user, and changes nothing.
    ///
    /// # Errors
    /// `OperatorDenied`, or `Unsupported` for no operator; `NotFound` without the account; those of
    /// the store.
    pub async fn import_state(
        &self,
        call: &Call<'_>,
        instance: &Instance,
        imported: &ImportedUser<'_>,
    ) -> Result<ImportState> {
        call.caller
            .require(OperatorPermission::UserImport, Some(instance.account))?;
        let store = &self.base.store;
        let account = store::account::find(store, instance.account)
            .await?
            .ok_or_else(|| Error::not_found(Noun::Account, instance.account))?;
        let refused = |why: &str| Ok(ImportState::Refused(why.to_owned()));
        if let Err(why) = old_password::check_name(account.id, &account.name, imported.old_name) {
            return refused(&why);
        }
        if let Err(error) = name::check_name("user", imported.user) {
            return refused(error.message());
        }
        let user = store::user::find_by_name(store, account.id, imported.user).await?;
        let principal = user
            .as_ref()
            .map(|user| Principal::User(account.id, user.id));
        let named =
            store::fixed_password::find_by_old_name(store, &instance.id, imported.old_name).await?;
        match (named, user, principal) {
            (Some(found), _, principal) if Some(&found.principal) == principal.as_ref() => {
                Ok(ImportState::AlreadyThere)
            }
            (Some(_), ..) => refused("another user has this old name at the instance"),
            (None, Some(user), Some(principal)) => {
                if imported.existing == ExistingUsers::Refuse {
                    return refused("the account has a user of this name already");
                }
                match store::fixed_password::find(store, &instance.id, &principal).await? {
                    Some(_) => refused("the user has a password at the instance already"),
                    None => Ok(ImportState::Joins(Box::new(user))),
                }
            }
            (None, ..) => Ok(ImportState::New),
        }
    }

    /// Makes a user with its old name, its old password and its policies, or gives these to the one
    /// that is there, as [`Self::import_state`] says.
    ///
    /// # Errors
    /// As those of [`Self::import_state`]; `AlreadyExists` for a user that is refused or imported
    /// already, and when one came in between; `NotFound` without a policy.
    pub async fn import_user(
        &self,
        call: &Call<'_>,
        instance: &Instance,
        imported: &ImportedUser<'_>,
    ) -> Result<()> {
        let account = instance.account;
        let write = self.base.write();
        let (user, mut write) = match self.import_state(call, instance, imported).await? {
            ImportState::Joins(user) => (*user, write),
            ImportState::New => {
                let (user, event) = self.user_to_create(call, account, imported.user)?;
                let write = write.then(store::user::insert(&user));
                (user, event.onto(write, &*self.base.random))
            }
            ImportState::AlreadyThere => {
                return Err(Error::already_exists(
                    Noun::User,
                    "It was imported already.",
                ));
            }
            ImportState::Refused(why) => return Err(Error::already_exists(Noun::User, why)),
        };
        for policy in imported.policies {
            let target = Target::User(user.name.clone());
            let event = call
                .event_in(account, AuditAction::PolicyAttach)
                .detail(json!({
                    "account": account.to_string(),
                    "policy": policy,
                    "target": format!("{target:?}"),
                }));
            let attach = store::policy::attach(account, policy, PolicyKind::Own, &target);
            write = event.onto(write.then(attach), &*self.base.random);
        }
        let password = FixedPassword {
            instance: instance.id.clone(),
            principal: Principal::User(account, user.id),
            hash: imported.hash.clone(),
            generation: 0,
            changed_at: call.now,
            old_name: Some(imported.old_name.to_owned()),
            expires_at: imported.expires_at,
            last_used_at: None,
        };
        let event = call
            .event(AuditAction::FixedPasswordImport)
            .instance(instance)
            .detail(json!({
                "account": account.to_string(),
                "user": imported.user,
                "old_name": imported.old_name,
                "expires_at": imported.expires_at.map(Timestamp::rfc3339),
            }));
        let write = write.then(store::fixed_password::import(&password));
        self.ledger.record(write, event).await
    }

    /// Tells whether a policy of an import is there already, and checks the document.
    ///
    /// # Errors
    /// `OperatorDenied`, or `Unsupported` for no operator; `AlreadyExists` when it is there with
    /// another document; those of [`Document::parse`]; those of the store.
    pub async fn has_imported_policy(
        &self,
        call: &Call<'_>,
        account: AccountId,
        name: &str,
        document: &str,
    ) -> Result<bool> {
        call.caller
            .require(OperatorPermission::UserImport, Some(account))?;
        Document::parse(document, Limits::POLICY)?;
        match store::policy::find(&self.base.store, account, name).await? {
            None => Ok(false),
            Some(found) if found.document == document => Ok(true),
            Some(_) => Err(Error::already_exists(
                Noun::Policy,
                format!(
                    "The policy {name} is there with another document. Import with the same \
                     rights, or attach policies yourself: `transire policy attach`."
                ),
            )),
        }
    }

    /// Makes a policy of an import, unless it is there already.
    ///
    /// # Errors
    /// As those of [`Self::has_imported_policy`].
    pub async fn import_policy(
        &self,
        call: &Call<'_>,
        account: AccountId,
        name: &str,
        document: &str,
    ) -> Result<()> {
        if self
            .has_imported_policy(call, account, name, document)
            .await?
        {
            return Ok(());
        }
        let policy = Policy {
            account,
            name: name.to_owned(),
            document: document.to_owned(),
            changed_at: call.now,
        };
        let event = call
            .event_in(account, AuditAction::PolicyCreate)
            .detail(json!({ "account": account.to_string(), "policy": name }));
        match self
            .ledger
            .change(store::policy::create(&policy), event)
            .await
        {
            // Another import made it meanwhile.
            Err(error) if matches!(error.kind(), ErrorKind::AlreadyExists { .. }) => self
                .has_imported_policy(call, account, name, document)
                .await
                .map(drop),
            outcome => outcome,
        }
    }
}
