//! Service accounts: named log-ins of one instance, with permissions of their own.
//!
//! Who may manage them is for policies on the instance to say; what they may do themselves, no
//! policy says. So whoever manages them could give himself any right by one, and keep it for a
//! hundred years: he gives what he has, see [`Service::check_grant`] and decision 0016.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use serde_json::json;

use crate::domain::any_principal::AnyPrincipal;
use crate::domain::clock::Timestamp;
use crate::domain::instance::Instance;
use crate::domain::name::{check_description, check_service_account};
use crate::domain::password::check_of_account;
use crate::domain::principal::{Level, Principal};
use crate::domain::secret::Secret;
use crate::domain::service_account::{
    AccountAction, AccountPermissions, AccountSecret, ServiceAccount, ServiceAccountChange,
    ServiceAccountGrant, ServiceAccountId, ServiceAccountState, make_password,
};
use crate::domain::{Error, ErrorKind, Result};
use crate::policy::{Context, Outcome, Permission, Request, Resource};
use crate::service::access::caller::Caller;
use crate::service::call::Call;
use crate::service::credentials::{Credentials, DISABLED_FOR_GOOD, InstanceChoice};
use crate::service::ledger::actions::AuditAction;
use crate::service::ledger::event::Event;
use crate::service::rights::forbidden;
use crate::store::page::{Listed, Page};
use crate::store::{self, Part};

/// The life of a service account when nothing is said: 3650 days, as long as a long-term
/// credential's.
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

/// How the operator lets users give more, for refusals.
macro_rules! the_setting {
    () => {
        "This is `service_accounts.grant = \"own-rights\"`; the operator sets it to \"vendor\", or \
         `transire account update --service-account-grant vendor` for one account, to let them."
    };
}

/// Why a session gives nothing.
const SESSIONS_GIVE_NOTHING: &str = concat!(
    "A session makes, widens or gives a password to no service account, which would outlive it: \
     make the call with a permanent access key. ",
    the_setting!()
);
/// Why somebody doesn't give this.
const NOT_HIS_TO_GIVE: &str = concat!(
    "A caller gives a service account only what his own policies allow without a condition, and a \
     password only to one that holds nothing else. ",
    the_setting!()
);

impl Credentials {
    /// Makes a service account; its password is shown this once.
    ///
    /// # Errors
    /// `AccessDenied` when the caller may not make it, or may not give it all of its permissions;
    /// `InvalidParameter`, `AlreadyExists`, `QuotaExceeded`.
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
        let expires_at = new
            .validity
            .map_or_else(|| Ok(now.plus(USUAL_TTL)), |validity| validity.end(now))?;
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
        };
        let most = self.quotas.service_accounts;
        let detail =
            json!({ "service_account": account.username(), "expires_at": account.expires_at });
        let event = call
            .event(AuditAction::ServiceAccountCreate)
            .instance(&instance)
            .made(account.id.as_str())
            .detail(detail);
        self.ledger
            .change(store::service_account::insert(&account, most), event)
            .await?;
        Ok((account, password))
    }

    /// Lists service accounts of an instance, the oldest first: all, or those of these names, with
    /// the prefix or without.
    ///
    /// # Errors
    /// `NotFound` when what the call names isn't there, or is another account's; `AccessDenied`
    /// when policies don't allow it; `InvalidParameter` for a value that isn't allowed; those of
    /// the store.
    pub async fn service_accounts(
        &self,
        call: &Call<'_>,
        choice: &InstanceChoice,
        names: Option<&BTreeSet<String>>,
        page: Page,
    ) -> Result<Listed<ServiceAccount>> {
        if names.is_some_and(|names| names.len() > MOST_NAMES) {
            return Err(Error::invalid_parameter(
                "Filters",
                format!("At most {MOST_NAMES} names are looked up at once."),
            ));
        }
        let instance = self
            .rights
            .permitted_instance(call, choice, Permission::ListServiceAccounts)
            .await?;
        let Some(names) = names else {
            return store::service_account::list(&self.base.store, &instance.id, None, page).await;
        };
        let mut found = Vec::new();
        for name in names {
            found.extend(
                store::service_account::find(
                    &self.base.store,
                    &instance.id,
                    ServiceAccount::bare_name(name),
                )
                .await?,
            );
        }
        found.sort_by(|one, other| (one.created_at, &one.id).cmp(&(other.created_at, &other.id)));
        found.dedup_by(|one, other| one.id == other.id);
        let total = found.len() as u64;
        let most = page.limit.map_or(usize::MAX, |limit| {
            usize::try_from(limit).unwrap_or(usize::MAX)
        });
        let offset = usize::try_from(page.offset).unwrap_or(usize::MAX);
        Ok(Listed {
            items: found.into_iter().skip(offset).take(most).collect(),
            total,
        })
    }

    /// Changes a service account. Disabling it stops its log-in until it is enabled.
    ///
    /// # Errors
    /// `AccessDenied` when the caller may not change it, may not give it what it would get, or may
    /// not enable it; `PreconditionFailed` when somebody else changed it meanwhile;
    /// `InvalidParameter`, `NotFound`.
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
        if change.state == Some(ServiceAccountState::Active)
            && !call.caller.level().may_enable(account.disabled_by)
        {
            let request = Self::request_on(call, permission, &instance);
            return Err(forbidden(
                call.caller,
                &request,
                Outcome::DeniedImplicitly,
                DISABLED_FOR_GOOD,
            ));
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
        self.ledger
            .change(as_decided(call.caller, &account).and(update), event)
            .await
    }

    /// Replaces a service account's password by a chosen one, or by a made one; the old one stops.
    /// Returns the new one.
    ///
    /// # Errors
    /// `AccessDenied` when the caller may not set it, or holds less than the service account, with
    /// which he could log in then; `PreconditionFailed` when somebody else changed it meanwhile;
    /// `InvalidParameter`, `NotFound`.
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
        let (password, secret) = match chosen {
            Some(chosen) => {
                let hash = self
                    .passwords
                    .hash(&chosen, instance.account, &*self.base.random)
                    .await?;
                (chosen, AccountSecret::Chosen(hash))
            }
            None => {
                let password = make_password(&*self.base.random);
                let secret = made(&password);
                (password, secret)
            }
        };
        let event = self.account_event(
            AuditAction::ServiceAccountSetPassword,
            call,
            &account,
            &instance,
        );
        let set = store::service_account::set_secret(&account, &secret, call.now);
        self.ledger
            .change(as_decided(call.caller, &account).and(set), event)
            .await?;
        Ok(password)
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
        self.ledger
            .change(store::service_account::delete(&account), event)
            .await
    }

    /// Lists the service accounts that came from a principal, at all instances, without their
    /// permissions.
    ///
    /// # Errors
    /// `Unsupported` for whoever isn't the operator, or for a principal that makes none.
    pub async fn service_accounts_made_by(
        &self,
        call: &Call<'_>,
        principal: &AnyPrincipal,
    ) -> Result<Vec<ServiceAccount>> {
        call.caller.require_operator()?;
        store::service_account::list_made_by(
            &self.base.store,
            self.rights.maker_number(principal).await?,
        )
        .await
    }

    /// Returns the service account of this name, as it is now, and its instance, if the caller may
    /// do this to it. Whether it exists is said to whom the policies let do it.
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

    /// Fails with [`ErrorKind::AccessDenied`] unless the caller may let a service account of the
    /// instance hold `given`, which the call asks by `permission`.
    ///
    /// The operator and the root may. Others hold `given` themselves, in every circumstance: a
    /// service account logs in from anywhere, at any time. Of a session nothing may be left when it
    /// ends.
    async fn check_grant(
        &self,
        call: &Call<'_>,
        instance: &Instance,
        permission: Permission,
        given: &AccountPermissions,
    ) -> Result<()> {
        if call.caller.level() > Level::User
            || self.rights.service_account_grant(instance.account).await?
                == ServiceAccountGrant::Vendor
        {
            return Ok(());
        }
        let principal = call.caller.signer()?.principal;
        if principal.is_session() {
            let request = Self::request_on(call, permission, instance);
            return Err(forbidden(
                call.caller,
                &request,
                Outcome::DeniedImplicitly,
                SESSIONS_GIVE_NOTHING,
            ));
        }
        let asked = given.iter().flat_map(|(namespace, actions)| {
            let permissions: BTreeSet<Permission> =
                actions.iter().copied().map(needed_to_give).collect();
            permissions.into_iter().map(move |permission| Request {
                permission,
                resource: Resource::Namespace {
                    instance: instance.into(),
                    name: namespace,
                },
                context: Context::default(),
            })
        });
        match Box::pin(self.rights.first_withheld(principal, asked)).await? {
            None => Ok(()),
            Some((request, outcome)) => {
                Err(forbidden(call.caller, &request, outcome, NOT_HIS_TO_GIVE))
            }
        }
    }

    fn request_on<'a>(
        call: &Call<'_>,
        permission: Permission,
        instance: &'a Instance,
    ) -> Request<'a> {
        Request {
            permission,
            resource: Resource::Instance(instance.into()),
            context: call.policy_context(),
        }
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

impl Validity {
    /// Returns when it ends that begins `now`.
    fn end(self, now: Timestamp) -> Result<Timestamp> {
        let latest = now.plus(LONGEST_TTL);
        let (parameter, end) = match self {
            Self::Days(days) => {
                let days = u64::try_from(days)
                    .ok()
                    .filter(|days| (1..=36_500).contains(days));
                (
                    "Duration",
                    days.map(|days| now.plus(Duration::from_hours(24 * days))),
                )
            }
            Self::Until(at) => ("ExpiresAt", Some(at)),
        };
        end.filter(|end| now < *end && *end <= latest).ok_or_else(|| {
            Error::invalid_parameter(
                parameter,
                "A service account lives 1 to 36500 days: a Duration of as many, or an ExpiresAt \
                 in that time, in unix milliseconds.",
            )
        })
    }
}

/// Returns what somebody has to be allowed himself to give an action to a service account.
///
/// The three last decide nothing here. Charts are artifacts like images: to make one is to push it,
/// to see one to pull it.
fn needed_to_give(action: AccountAction) -> Permission {
    match action {
        AccountAction::Push | AccountAction::CreateChart => Permission::Push,
        AccountAction::Pull | AccountAction::DescribeCharts => Permission::Pull,
        AccountAction::CreateRepository => Permission::CreateRepository,
    }
}

/// Guards a change whose caller was judged by what the service account held when it was read.
fn as_decided(caller: &Caller, account: &ServiceAccount) -> Part {
    if caller.level() == Level::User {
        store::service_account::expect_as_read(account)
    } else {
        Part::default()
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
        Err(Error::invalid_parameter(
            "Permissions",
            format!("A service account has permissions in at most {MOST_NAMESPACES} namespaces."),
        ))
    }
}
