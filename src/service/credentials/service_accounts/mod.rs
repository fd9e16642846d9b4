//! Service accounts: named log-ins of one instance, with permissions of their own.
//!
//! Policies on the instance decide who manages them; no policy decides their own rights. So a
//! manager could give himself any right through one, and keep it for a hundred years. Therefore a
//! caller gives only rights that he has: see [`Credentials::check_grant`] and decision 0016.

mod grants;
mod listing;
mod validity;

use std::sync::Arc;

use serde_json::json;

use self::grants::as_decided;
use crate::domain::instance::Instance;
use crate::domain::name::{check_description, check_service_account};
use crate::domain::notice::{Notice, NoticeKind, Subject};
use crate::domain::password::check_of_account;
use crate::domain::principal::Principal;
use crate::domain::secret::Secret;
use crate::domain::service_account::{
    AccountPermissions, AccountSecret, ServiceAccount, ServiceAccountChange, ServiceAccountId,
    ServiceAccountState, make_password,
};
use crate::domain::{Error, ErrorKind, Result};
use crate::policy::{Context, Permission, Resource};
use crate::service::call::Call;
use crate::service::credentials::{Credentials, InstanceChoice};
use crate::service::ledger::actions::AuditAction;
use crate::service::ledger::event::Event;
use crate::sign::sha256;
use crate::store;

pub use self::validity::Validity;

/// The namespaces that one service account has permissions in: as many as an instance has.
const MAX_NAMESPACES: usize = 500;

/// A service account to be made.
#[derive(Clone, Debug)]
pub struct NewServiceAccount {
    /// Its name, with the prefix or without.
    pub name: String,
    /// Its description.
    pub description: String,
    /// Its permissions.
    pub permissions: AccountPermissions,
    /// How long it lives; without it, 3650 days.
    pub validity: Option<Validity>,
    /// Whether it may log in at once.
    pub state: ServiceAccountState,
}

/// A change of a service account; `None` leaves a field as it is.
#[derive(Clone, Debug, Default)]
pub struct ChangedServiceAccount {
    /// Its description.
    pub description: Option<String>,
    /// All of its permissions.
    pub permissions: Option<AccountPermissions>,
    /// How long it lives.
    pub validity: Option<Validity>,
    /// Whether it may log in.
    pub state: Option<ServiceAccountState>,
}

impl Credentials {
    /// Makes a service account; its password is shown this once.
    ///
    /// # Errors
    /// `InvalidParameter` for a value that isn't allowed; `InstanceNotFound`; `AccessDenied` when
    /// the caller may not make it, or may not give it all of its permissions; `AlreadyExists`,
    /// `QuotaExceeded`, and those of the store.
    pub async fn create_service_account(
        &self,
        call: &Call<'_>,
        choice: &InstanceChoice,
        new: NewServiceAccount,
    ) -> Result<(ServiceAccount, Secret)> {
        let name = ServiceAccount::bare_name(&new.name);
        check_service_account("Name", name)?;
        check_description("Description", &new.description)?;
        check_permissions(&new.permissions)?;
        let now = call.now;
        let expires_at = match new.validity {
            Some(validity) => validity.end(now)?,
            None => Validity::usual_end(now),
        };
        let permission = Permission::CreateServiceAccount;
        let instance = self
            .rights
            .permitted_instance(call, choice, permission)
            .await?;
        self.check_grant(call, &instance, permission, &new.permissions)
            .await?;
        let password = make_password(&*self.base.random);
        let account = ServiceAccount {
            id: ServiceAccountId::random(&*self.base.random),
            instance: instance.id.clone(),
            name: name.to_owned(),
            description: new.description,
            permissions: new.permissions,
            secret: made(&password),
            older: None,
            state: new.state,
            disabled_by: (new.state == ServiceAccountState::Disabled)
                .then_some(call.caller.level()),
            maker: call.caller.principal().cloned(),
            maker_ids: call.caller.origins(),
            generation: 0,
            revision: 0,
            created_at: now,
            modified_at: now,
            expires_at,
            last_used_at: None,
        };
        let detail =
            json!({ "service_account": account.username(), "expires_at": account.expires_at });
        let insert = store::service_account::insert(
            &account,
            self.base.adjustable().quotas.service_accounts,
        );
        let event = call
            .event(AuditAction::ServiceAccountCreate)
            .instance(&instance)
            .made(account.id.as_str())
            .detail(detail);
        self.ledger.change(insert, event).await?;
        Ok((account, password))
    }

    /// Returns a service account of an instance, by its name with the prefix or without.
    ///
    /// # Errors
    /// `NotFound` when what the call names isn't there, or is another account's; `AccessDenied`
    /// when policies don't allow it; those of the store.
    pub async fn service_account(
        &self,
        call: &Call<'_>,
        choice: &InstanceChoice,
        name: &str,
    ) -> Result<ServiceAccount> {
        let permission = Permission::ListServiceAccounts;
        let (_, found) = self
            .permitted_service_account(call, choice, permission, name)
            .await?;
        Ok(found)
    }

    /// Changes a service account. Disabling it stops its log-in until it is enabled.
    ///
    /// # Errors
    /// `InvalidParameter` for a value that isn't allowed; `InstanceNotFound`; `AccessDenied` when
    /// the caller may not change it, may not give it the new permissions, or may not enable it;
    /// `NotFound`; `PreconditionFailed` when it changed meanwhile; those of the store.
    pub async fn modify_service_account(
        &self,
        call: &Call<'_>,
        choice: &InstanceChoice,
        name: &str,
        changed: ChangedServiceAccount,
    ) -> Result<()> {
        if let Some(description) = &changed.description {
            check_description("Description", description)?;
        }
        if let Some(permissions) = &changed.permissions {
            check_permissions(permissions)?;
        }
        let now = call.now;
        let change = ServiceAccountChange {
            description: changed.description,
            permissions: changed.permissions,
            state: changed.state,
            expires_at: changed
                .validity
                .map(|validity| validity.end(now))
                .transpose()?,
        };
        let permission = Permission::ModifyServiceAccount;
        let (instance, account) = self
            .permitted_service_account(call, choice, permission, name)
            .await?;
        if change.state == Some(ServiceAccountState::Active) {
            Self::check_enabling(call, &instance, permission, &account)?;
        }
        if let Some(given) = account.given_by(&change) {
            self.check_grant(call, &instance, permission, &given)
                .await?;
        }
        let action = match change.state {
            Some(ServiceAccountState::Disabled) => AuditAction::ServiceAccountDisable,
            Some(ServiceAccountState::Active) => AuditAction::ServiceAccountEnable,
            None => AuditAction::ServiceAccountModify,
        };
        let event = self.account_event(action, call, &account, &instance);
        let update = store::service_account::update(&account, &change, call.caller.level(), now);
        let is_stopped = change.state == Some(ServiceAccountState::Disabled)
            && account.state == ServiceAccountState::Active;
        let subject = Subject::service_account(&account, instance.account);
        let revoked = is_stopped.then(|| self.revoked(subject, call));
        let part = as_decided(call.caller, &account).and(update);
        self.ledger.change_and_tell(part, event, revoked).await
    }

    /// Replaces a service account's password by a chosen one, or by a made one; the old one stops.
    /// Returns the new one.
    ///
    /// # Errors
    /// `InvalidParameter` for a password that isn't allowed; `InstanceNotFound`; `AccessDenied`
    /// when the caller may not set it, or has fewer rights than the service account, as which he
    /// could log in then; `NotFound`; `PreconditionFailed` when it changed meanwhile; those of the
    /// store.
    pub async fn set_service_account_password(
        &self,
        call: &Call<'_>,
        choice: &InstanceChoice,
        name: &str,
        chosen: Option<Secret>,
    ) -> Result<Secret> {
        if let Some(chosen) = &chosen {
            check_of_account("Password", chosen)?;
        }
        let permission = Permission::SetServiceAccountPassword;
        let (instance, account) = self
            .permitted_service_account(call, choice, permission, name)
            .await?;
        self.check_grant(call, &instance, permission, &account.permissions)
            .await?;
        let (password, secret) = self.new_password(chosen, &instance).await?;
        let event = self.account_event(
            AuditAction::ServiceAccountSetPassword,
            call,
            &account,
            &instance,
        );
        let set = store::service_account::set_secret(&account, &secret, call.now);
        let subject = Subject::service_account(&account, instance.account);
        let rotated = Notice {
            ends_at: Some(call.now),
            ..self.ledger.notice(NoticeKind::Rotated, subject, call.now)
        };
        let part = as_decided(call.caller, &account).and(set);
        self.ledger
            .change_and_tell(part, event, Some(rotated))
            .await?;
        Ok(password)
    }

    /// Returns the chosen password or a made one, and the hash to be stored.
    async fn new_password(
        &self,
        chosen: Option<Secret>,
        instance: &Instance,
    ) -> Result<(Secret, AccountSecret)> {
        let random = &*self.base.random;
        let Some(chosen) = chosen else {
            let password = make_password(random);
            let secret = made(&password);
            return Ok((password, secret));
        };
        let hash = self
            .passwords
            .hash(&chosen, instance.account, random)
            .await?;
        Ok((chosen, AccountSecret::Chosen(hash)))
    }

    /// Deletes a service account for ever; its name is free again.
    ///
    /// # Errors
    /// `NotFound` when what the call names isn't there, or is another account's; `AccessDenied`
    /// when policies don't allow it; those of the store.
    pub async fn delete_service_account(
        &self,
        call: &Call<'_>,
        choice: &InstanceChoice,
        name: &str,
    ) -> Result<()> {
        let (instance, account) = self
            .permitted_service_account(call, choice, Permission::DeleteServiceAccount, name)
            .await?;
        let event =
            self.account_event(AuditAction::ServiceAccountDelete, call, &account, &instance);
        let subject = Subject::service_account(&account, instance.account);
        let revoked = self.revoked(subject, call);
        self.ledger
            .change_and_tell(
                store::service_account::delete(&account),
                event,
                Some(revoked),
            )
            .await
    }

    /// Returns the service account of this name as the store has it, and its instance, if the
    /// caller may do this to it. Only such a caller learns whether it exists.
    ///
    /// # Errors
    /// `InstanceNotFound`; `AccessDenied` when policies don't allow it; `NotFound`; those of the
    /// store.
    async fn permitted_service_account(
        &self,
        call: &Call<'_>,
        choice: &InstanceChoice,
        permission: Permission,
        name: &str,
    ) -> Result<(Arc<Instance>, ServiceAccount)> {
        let instance = self.rights.own_instance(call, choice).await?;
        let found = match self.rights.stored_service_account(&instance.id, name).await {
            Err(error) if !matches!(error.kind(), ErrorKind::NotFound { .. }) => return Err(error),
            found => found,
        };
        let owner = found
            .as_ref()
            .ok()
            .and_then(|account| account.maker.as_ref())
            .map(Principal::numeric_id);
        let context = Context {
            owner: owner.as_deref(),
            ..call.policy_context()
        };
        self.rights
            .authorize_with(
                call,
                permission,
                Resource::Instance((&*instance).into()),
                context,
            )
            .await?;
        Ok((instance, found?))
    }

    fn account_event<'a>(
        &self,
        action: AuditAction,
        call: &Call<'a>,
        account: &ServiceAccount,
        instance: &'a Instance,
    ) -> Event<'a> {
        call.event(action)
            .instance(instance)
            .detail(json!({ "service_account": account.username() }))
    }
}

/// Hashes a made password, which is too long to be guessed.
fn made(password: &Secret) -> AccountSecret {
    AccountSecret::Made(sha256(password.expose().as_bytes()))
}

fn check_permissions(permissions: &AccountPermissions) -> Result<()> {
    if permissions.len() <= MAX_NAMESPACES {
        Ok(())
    } else {
        Err(Error::invalid_parameter(
            "Permissions",
            format!("A service account has permissions in at most {MAX_NAMESPACES} namespaces."),
        ))
    }
}
