//! Principals by what people call them.

use std::sync::Arc;

use crate::domain::any_principal::{AnyPrincipal, Written};
use crate::domain::identity::{Role, User};
use crate::domain::ids::{AccountId, InstanceId, UserId};
use crate::domain::instance::Instance;
use crate::domain::name::check_service_account;
use crate::domain::principal::{Principal, PrincipalName};
use crate::domain::service_account::{ServiceAccount, ServiceAccountGrant};
use crate::domain::{Error, Noun, Result};
use crate::service::rights::Rights;
use crate::store;

/// Whom an argument means.
pub(in crate::service) enum Resolved {
    /// A principal that is there.
    Principal(Principal),
    /// A service account, which may be there, of an instance.
    ServiceAccount(Arc<Instance>, String),
    /// The bearer of an OpenID Connect token: nothing of it is stored.
    Bearer,
    /// The operator at the command line.
    Operator,
}

impl Rights {
    /// Returns the service accounts that came from the principal of that numeric id, and their
    /// names as arguments take them.
    pub(in crate::service) async fn made_by(
        &self,
        id: i64,
    ) -> Result<(Vec<ServiceAccount>, Vec<String>)> {
        let made = store::service_account::list_made_by(&self.base.store, id).await?;
        let mut names = Vec::with_capacity(made.len());
        for account in &made {
            let instance = self
                .memory
                .cache
                .instance(&self.base.store, &account.instance)
                .await?
                .ok_or_else(Error::instance_not_found)?;
            names.push(
                PrincipalName::ServiceAccount(
                    instance.account,
                    instance.id.clone(),
                    account.name.clone(),
                )
                .to_string(),
            );
        }
        Ok((made, names))
    }

    /// Returns what users of an account may give service accounts.
    pub(in crate::service) async fn service_account_grant(
        &self,
        account: AccountId,
    ) -> Result<ServiceAccountGrant> {
        let own = self
            .memory
            .cache
            .account(&self.base.store, account)
            .await?
            .and_then(|account| account.service_account_grant);
        Ok(own.unwrap_or_else(|| self.base.adjustable().service_account_grant))
    }

    /// Returns the service account of this name, with the prefix or without, as it is now.
    pub(in crate::service) async fn stored_service_account(
        &self,
        instance: &InstanceId,
        name: &str,
    ) -> Result<ServiceAccount> {
        let bare = ServiceAccount::bare_name(name);
        // A text that can't be a name is nobody's, and isn't repeated.
        check_service_account("Name", bare)
            .map_err(|_| Error::not_found(Noun::ServiceAccount, "of that name"))?;
        let found = store::service_account::find(&self.base.store, instance, bare).await?;
        found.ok_or_else(|| {
            Error::not_found(
                Noun::ServiceAccount,
                format_args!("{}{bare}", ServiceAccount::PREFIX),
            )
        })
    }

    /// Finds the principal that an argument means; a role stands for any session of it, and that
    /// one has no name.
    pub(in crate::service) async fn find_principal(
        &self,
        principal: &AnyPrincipal,
    ) -> Result<Resolved> {
        Ok(Resolved::Principal(match principal {
            AnyPrincipal::Root(account) => Principal::Root(*account),
            AnyPrincipal::User(account, user) => {
                let user = match user {
                    Written::Name(name) => self.named_user(*account, name).await?,
                    Written::Id(id) => self.user_of(*account, *id).await?,
                };
                Principal::User(*account, user.id)
            }
            AnyPrincipal::Role(account, role, session) => {
                let role = match role {
                    Written::Name(name) => self.named_role(*account, name).await?,
                    Written::Id(id) => {
                        let found = store::role::find(&self.base.store, *id)
                            .await?
                            .filter(|role| role.account == *account);
                        found.ok_or_else(|| Error::not_found(Noun::Role, id))?
                    }
                };
                Principal::RoleSession(*account, role.id, session.clone().unwrap_or_default())
            }
            AnyPrincipal::Federated(account, user, name) => {
                if let Some(id) = user {
                    self.user_of(*account, *id).await?;
                }
                Principal::FederatedSession(*account, *user, name.clone())
            }
            AnyPrincipal::ServiceAccount(account, instance, name) => {
                let found = self
                    .memory
                    .cache
                    .instance(&self.base.store, instance)
                    .await?
                    .filter(|found| found.account == *account);
                return Ok(Resolved::ServiceAccount(
                    found.ok_or_else(Error::instance_not_found)?,
                    name.clone(),
                ));
            }
            AnyPrincipal::Bearer(..) => return Ok(Resolved::Bearer),
            AnyPrincipal::Operator | AnyPrincipal::LocalOperator(_) => {
                return Ok(Resolved::Operator);
            }
            AnyPrincipal::NamedOperator(_) => {
                return Err(Error::unsupported(
                    "An operator's role says what it may do, and no policy: `transire operator \
                     show` has it.",
                ));
            }
        }))
    }

    /// Returns a user of an account by its id.
    async fn user_of(&self, account: AccountId, id: UserId) -> Result<User> {
        store::user::find(&self.base.store, id)
            .await?
            .filter(|user| user.account == account)
            .ok_or_else(|| Error::not_found(Noun::User, id))
    }

    /// Returns the role of this name.
    pub(in crate::service) async fn named_role(
        &self,
        account: AccountId,
        name: &str,
    ) -> Result<Role> {
        store::role::find_by_name(&self.base.store, account, name)
            .await?
            .ok_or_else(|| Error::not_found(Noun::Role, name))
    }

    /// Returns how people call a principal: a session goes by its role, or by whom it stands for.
    /// None when that one is gone.
    pub(in crate::service) async fn principal_name(
        &self,
        principal: &Principal,
    ) -> Result<Option<PrincipalName>> {
        let account = principal.account();
        Ok(match principal {
            Principal::Root(_) | Principal::FederatedSession(_, None, _) => {
                Some(PrincipalName::Root(account))
            }
            Principal::User(_, user) | Principal::FederatedSession(_, Some(user), _) => self
                .memory
                .cache
                .user(&self.base.store, *user)
                .await?
                .map(|user| PrincipalName::User(account, user.name.clone())),
            Principal::RoleSession(_, role, _) => self
                .memory
                .cache
                .role(&self.base.store, *role)
                .await?
                .map(|role| PrincipalName::Role(account, role.name.clone())),
        })
    }

    /// Returns the user of this name.
    pub(in crate::service) async fn named_user(
        &self,
        account: AccountId,
        name: &str,
    ) -> Result<User> {
        store::user::find_by_name(&self.base.store, account, name)
            .await?
            .ok_or_else(|| Error::not_found(Noun::User, name))
    }

    /// Returns the numeric id under which service accounts have a principal as their maker, though
    /// it be gone.
    pub(in crate::service) async fn maker_number(&self, principal: &AnyPrincipal) -> Result<i64> {
        match number_of_gone(principal) {
            Some(id) => Ok(id),
            None => Ok(self.revocable(principal).await?.number()),
        }
    }

    /// Returns the principal that an argument means, if it can hold anything temporary.
    pub(in crate::service) async fn revocable(
        &self,
        principal: &AnyPrincipal,
    ) -> Result<Principal> {
        match self.find_principal(principal).await? {
            Resolved::Principal(principal) => Ok(principal),
            Resolved::ServiceAccount(_, name) => Err(nothing_temporary(&name)),
            Resolved::Bearer => Err(Error::unsupported(
                "The bearer of an OpenID Connect token holds nothing: revoke the role that it \
                 assumed, or delete the provider.",
            )),
            Resolved::Operator => Err(Error::unsupported(
                "The operator holds nothing that could be revoked.",
            )),
        }
    }
}

/// Returns the numeric id of a user or a role that is written by it, and so is known when it is
/// gone.
pub(in crate::service) fn number_of_gone(principal: &AnyPrincipal) -> Option<i64> {
    match principal {
        AnyPrincipal::User(_, Written::Id(user)) | AnyPrincipal::Federated(_, Some(user), _) => {
            Some(user.number())
        }
        AnyPrincipal::Role(_, Written::Id(role), _) => Some(role.number()),
        _ => None,
    }
}

fn nothing_temporary(name: &str) -> Error {
    Error::unsupported(format!(
        "A service account holds nothing temporary that could be revoked. To stop tcr${name}, \
         disable it (ModifyServiceAccount with Disable), give it another password \
         (ModifyServiceAccountPassword), or delete it (DeleteServiceAccount)."
    ))
}
