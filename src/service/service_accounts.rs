//! Service accounts: named log-ins of one instance, with permissions of their own.
//!
//! Who may manage them is for policies on the instance to say; what they may do themselves, no policy says.

use std::collections::BTreeSet;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use serde_json::json;

use super::{Caller, InstanceChoice, RequestContext, Service};
use crate::domain::clock::Timestamp;
use crate::domain::instance::{Instance, InstanceId};
use crate::domain::name::{check_description, check_service_account};
use crate::domain::password::check_of_account;
use crate::domain::secret::Secret;
use crate::domain::service_account::{
    AccountPermissions, AccountSecret, ServiceAccount, ServiceAccountChange, ServiceAccountId, ServiceAccountState, make_password,
};
use crate::domain::{Error, Result};
use crate::policy::Permission;
use crate::store;
use crate::store::page::{Listed, Page};

/// The life of a service account when nothing is said: 3650 days, as long as a long-term credential's.
const USUAL_TTL: Duration = Duration::from_hours(24 * 3650);
/// The longest life.
const LONGEST_TTL: Duration = Duration::from_hours(24 * 36_500);
/// The most namespaces that one service account has permissions in: as many as an instance has.
const MOST_NAMESPACES: usize = 500;
/// The most names of one look-up.
const MOST_NAMES: usize = 100;

/// How long a service account is to live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Validity {
    /// So many days from now.
    Days(i64),
    /// Until then.
    Until(Timestamp),
}

/// What a service account is made of.
#[derive(Clone, Debug)]
pub struct NewServiceAccount {
    /// Its name, with the prefix or without.
    pub name: String,
    /// What its owner writes about it.
    pub description: String,
    /// What it may do.
    pub permissions: AccountPermissions,
    /// How long it lives; 3650 days when nothing is said.
    pub validity: Option<Validity>,
    /// Whether it may log in at once.
    pub state: ServiceAccountState,
}

/// What a call changes of a service account; `None` leaves it.
#[derive(Clone, Debug, Default)]
pub struct ChangedServiceAccount {
    /// What its owner writes about it.
    pub description: Option<String>,
    /// What it may do: all of it.
    pub permissions: Option<AccountPermissions>,
    /// How long it lives.
    pub validity: Option<Validity>,
    /// Whether it may log in.
    pub state: Option<ServiceAccountState>,
}

impl Service {
    /// Makes a service account; its password is shown this once.
    pub async fn create_service_account(
        &self,
        caller: &Caller,
        choice: &InstanceChoice,
        new: NewServiceAccount,
        context: &RequestContext,
    ) -> Result<(ServiceAccount, Secret)> {
        let name = ServiceAccount::bare_name(&new.name);
        check_service_account("Name", name)?;
        check_description("Description", &new.description)?;
        check_permissions(&new.permissions)?;
        let now = self.now();
        let expires_at = new.validity.map_or_else(|| Ok(now.plus(USUAL_TTL)), |validity| validity.end(now))?;
        let instance = self.permitted_instance(caller, choice, Permission::CreateServiceAccount, context).await?;
        let password = make_password(&*self.random);
        let account = ServiceAccount {
            id: ServiceAccountId::random(&*self.random),
            instance: instance.id.clone(),
            name: name.to_owned(),
            description: new.description,
            permissions: new.permissions,
            secret: made(&password),
            state: new.state,
            generation: 0,
            created_at: now,
            modified_at: now,
            expires_at,
        };
        let most = self.settings.quotas.service_accounts;
        let detail = json!({ "service_account": account.username(), "expires_at": account.expires_at });
        let line = self.line("service-account.create", caller, context).instance(&instance).made(account.id.as_str()).detail(detail);
        self.change(store::service_account::insert(&account, most), line).await?;
        Ok((account, password))
    }

    /// Lists service accounts of an instance, the oldest first: all, or those of these names, with the prefix or without.
    pub async fn service_accounts(
        &self,
        caller: &Caller,
        choice: &InstanceChoice,
        names: Option<&BTreeSet<String>>,
        page: Page,
        context: &RequestContext,
    ) -> Result<Listed<ServiceAccount>> {
        if names.is_some_and(|names| names.len() > MOST_NAMES) {
            return Err(Error::invalid_parameter("Filters", format!("At most {MOST_NAMES} names are looked up at once.")));
        }
        let instance = self.permitted_instance(caller, choice, Permission::ListServiceAccounts, context).await?;
        let Some(names) = names else { return store::service_account::list(&self.store, &instance.id, None, page).await };
        let mut found = Vec::new();
        for name in names {
            found.extend(store::service_account::find(&self.store, &instance.id, ServiceAccount::bare_name(name)).await?);
        }
        found.sort_by(|one, other| (one.created_at, &one.id).cmp(&(other.created_at, &other.id)));
        found.dedup_by(|one, other| one.id == other.id);
        let total = found.len() as u64;
        let most = page.limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
        let offset = usize::try_from(page.offset).unwrap_or(usize::MAX);
        Ok(Listed { items: found.into_iter().skip(offset).take(most).collect(), total })
    }

    /// Changes a service account. Disabling it stops its log-in until it is enabled.
    pub async fn modify_service_account(
        &self,
        caller: &Caller,
        choice: &InstanceChoice,
        name: &str,
        changed: ChangedServiceAccount,
        context: &RequestContext,
    ) -> Result<()> {
        if let Some(description) = &changed.description {
            check_description("Description", description)?;
        }
        if let Some(permissions) = &changed.permissions {
            check_permissions(permissions)?;
        }
        let now = self.now();
        let change = ServiceAccountChange {
            description: changed.description,
            permissions: changed.permissions,
            state: changed.state,
            expires_at: changed.validity.map(|validity| validity.end(now)).transpose()?,
        };
        let instance = self.permitted_instance(caller, choice, Permission::ModifyServiceAccount, context).await?;
        let account = self.stored_service_account(&instance.id, name).await?;
        let action = match change.state {
            Some(ServiceAccountState::Disabled) => "service-account.disable",
            Some(ServiceAccountState::Active) => "service-account.enable",
            None => "service-account.modify",
        };
        let line = self.account_line(action, caller, &account, &instance, context);
        self.change(store::service_account::update(&account, &change, now), line).await
    }

    /// Replaces a service account's password by a chosen one, or by a made one; the old one stops. Returns the new one.
    pub async fn set_service_account_password(
        &self,
        caller: &Caller,
        choice: &InstanceChoice,
        name: &str,
        chosen: Option<Secret>,
        context: &RequestContext,
    ) -> Result<Secret> {
        if let Some(chosen) = &chosen {
            check_of_account("Password", chosen)?;
        }
        let instance = self.permitted_instance(caller, choice, Permission::SetServiceAccountPassword, context).await?;
        let account = self.stored_service_account(&instance.id, name).await?;
        let (password, secret) = match chosen {
            Some(chosen) => {
                let hash = self.passwords.hash(&chosen, instance.account, &*self.random).await?;
                (chosen, AccountSecret::Chosen(hash))
            }
            None => {
                let password = make_password(&*self.random);
                let secret = made(&password);
                (password, secret)
            }
        };
        let line = self.account_line("service-account.set-password", caller, &account, &instance, context);
        self.change(store::service_account::set_secret(&account, &secret, self.now()), line).await?;
        Ok(password)
    }

    /// Deletes a service account for ever; its name is free again.
    pub async fn delete_service_account(
        &self,
        caller: &Caller,
        choice: &InstanceChoice,
        name: &str,
        context: &RequestContext,
    ) -> Result<()> {
        let instance = self.permitted_instance(caller, choice, Permission::DeleteServiceAccount, context).await?;
        let account = self.stored_service_account(&instance.id, name).await?;
        let line = self.account_line("service-account.delete", caller, &account, &instance, context);
        self.change(store::service_account::delete(&account), line).await
    }

    fn account_line<'a>(
        &self,
        action: &'static str,
        caller: &Caller,
        account: &ServiceAccount,
        instance: &'a Instance,
        context: &'a RequestContext,
    ) -> super::audit::Line<'a> {
        self.line(action, caller, context).instance(instance).detail(json!({ "service_account": account.username() }))
    }

    /// Returns the service account of this name, with the prefix or without, as it is now.
    pub(super) async fn stored_service_account(&self, instance: &InstanceId, name: &str) -> Result<ServiceAccount> {
        let bare = ServiceAccount::bare_name(name);
        // What can't be a name is nobody's, and isn't repeated.
        check_service_account("Name", bare).map_err(|_| Error::not_found("service account", "of that name"))?;
        let found = store::service_account::find(&self.store, instance, bare).await?;
        found.ok_or_else(|| Error::not_found("service account", format_args!("{}{bare}", ServiceAccount::PREFIX)))
    }
}

impl Validity {
    /// Returns when it ends that begins `now`.
    fn end(self, now: Timestamp) -> Result<Timestamp> {
        let latest = now.plus(LONGEST_TTL);
        let (parameter, end) = match self {
            Self::Days(days) => {
                let days = u64::try_from(days).ok().filter(|days| (1..=36_500).contains(days));
                ("Duration", days.map(|days| now.plus(Duration::from_hours(24 * days))))
            }
            Self::Until(at) => ("ExpiresAt", Some(at)),
        };
        end.filter(|end| now < *end && *end <= latest).ok_or_else(|| {
            Error::invalid_parameter(
                parameter,
                "A service account lives 1 to 36500 days: a Duration of as many, or an ExpiresAt in that time, in unix milliseconds.",
            )
        })
    }
}

fn made(password: &Secret) -> AccountSecret {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, password.expose().as_bytes()).as_ref());
    AccountSecret::Made(hash)
}

fn check_permissions(permissions: &AccountPermissions) -> Result<()> {
    if permissions.len() <= MOST_NAMESPACES {
        Ok(())
    } else {
        Err(Error::invalid_parameter("Permissions", format!("A service account has permissions in at most {MOST_NAMESPACES} namespaces.")))
    }
}
