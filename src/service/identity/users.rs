//! Users, groups and roles, as the operator manages them.

use std::sync::Arc;

use serde_json::json;

use crate::domain::any_principal::{AnyPrincipal, Written};
use crate::domain::clock::{Random, random_text};
use crate::domain::identity::{Group, Role, User, UserState};
use crate::domain::ids::{AccountId, RoleId, UserId};
use crate::domain::instance::Instance;
use crate::domain::principal::{Principal, PrincipalName};
use crate::domain::{Error, Noun, Result, name};
use crate::policy::{Limits, TrustPolicy};
use crate::service::Service;
use crate::service::call::Call;
use crate::store;

impl Service {
    /// Makes a user of an account; its numeric id is picked.
    pub async fn create_user(&self, call: &Call<'_>, account: AccountId, name: &str) -> Result<User> {
        call.caller.require_operator()?;
        name::check_name("name", name)?;
        let user = User {
            id: random_user_id(&*self.base.random)?,
            account,
            name: name.to_owned(),
            state: UserState::Active,
            generation: 0,
            created_at: call.now,
        };
        let line = call.event("user.create").detail(json!({ "account": account.to_string(), "user": name }));
        self.ledger.change(store::user::insert(&user), line).await?;
        Ok(user)
    }

    /// Lists the users of an account.
    pub async fn users(&self, call: &Call<'_>, account: AccountId) -> Result<Vec<User>> {
        call.caller.require_operator()?;
        store::user::list(&self.base.store, account).await
    }

    /// Disables or enables a user. Disabling stops its access keys and all that it got, and what was temporary
    /// stays stopped when the user is enabled again.
    pub async fn set_user_state(&self, call: &Call<'_>, account: AccountId, name: &str, state: UserState) -> Result<()> {
        call.caller.require_operator()?;
        let user = self.named_user(account, name).await?;
        let action = match state {
            UserState::Active => "user.enable",
            UserState::Disabled => "user.disable",
        };
        let line = call.event(action).detail(json!({ "account": account.to_string(), "user": name }));
        self.ledger.change(store::user::set_state(user.id, state), line).await
    }

    /// Deletes a user, its access keys and its credentials; its id is never used again. Returns the service accounts that came
    /// from it, as `ACCOUNT:service-account/INSTANCE/NAME`: they go on.
    ///
    /// # Errors
    /// `Unsupported` for whoever isn't the operator; `NotFound`; `PreconditionFailed` when it made or lost a service account
    /// at the same moment.
    pub async fn delete_user(&self, call: &Call<'_>, account: AccountId, name: &str) -> Result<Vec<String>> {
        call.caller.require_operator()?;
        let user = self.named_user(account, name).await?;
        let (made, names) = self.made_by(user.id.number()).await?;
        let detail = json!({ "account": account.to_string(), "user": name, "user_id": user.id.to_string(), "service_accounts": names });
        let line = call.event("user.delete").detail(detail);
        let as_listed = store::service_account::expect_made_by(user.id.number(), made.len());
        self.ledger.change(store::cascade::delete_user(account, user.id).and(as_listed), line).await?;
        Ok(names)
    }

    /// Makes a group.
    pub async fn create_group(&self, call: &Call<'_>, account: AccountId, name: &str) -> Result<Group> {
        call.caller.require_operator()?;
        name::check_name("name", name)?;
        let group = Group { account, name: name.to_owned(), created_at: call.now };
        let line = call.event("group.create").detail(json!({ "account": account.to_string(), "group": name }));
        self.ledger.change(store::group::insert(&group), line).await?;
        Ok(group)
    }

    /// Lists the groups of an account, each with the names of its members.
    pub async fn groups(&self, call: &Call<'_>, account: AccountId) -> Result<Vec<(Group, Vec<String>)>> {
        call.caller.require_operator()?;
        let mut groups = Vec::new();
        for group in store::group::list(&self.base.store, account).await? {
            let members = store::group::members(&self.base.store, account, &group.name).await?;
            groups.push((group, members));
        }
        Ok(groups)
    }

    /// Deletes a group; its members stay.
    pub async fn delete_group(&self, call: &Call<'_>, account: AccountId, name: &str) -> Result<()> {
        call.caller.require_operator()?;
        let line = call.event("group.delete").detail(json!({ "account": account.to_string(), "group": name }));
        self.ledger.change(store::cascade::delete_group(account, name), line).await
    }

    /// Puts a user into a group, or takes it out.
    pub async fn set_member(&self, call: &Call<'_>, account: AccountId, group: &str, user: &str, membership: Membership) -> Result<()> {
        call.caller.require_operator()?;
        let (action, part) = match membership {
            Membership::In => ("group.add", store::group::add_member(account, group, user)),
            Membership::Out => ("group.remove", store::group::remove_member(account, group, user)),
        };
        let line = call.event(action).detail(json!({ "account": account.to_string(), "group": group, "user": user }));
        self.ledger.change(part, line).await
    }

    /// Returns how the audit names a principal: by ids, where it has them. A role is the beginning of its sessions' names.
    pub async fn audited_principal(&self, call: &Call<'_>, principal: &AnyPrincipal) -> Result<String> {
        call.caller.require_operator()?;
        Ok(match principal {
            AnyPrincipal::User(account, Written::Name(name)) => {
                Principal::User(*account, self.named_user(*account, name).await?.id).to_string()
            }
            AnyPrincipal::Role(account, Written::Name(name), session) => {
                let role = Written::Id(self.named_role(*account, name).await?.id);
                AnyPrincipal::Role(*account, role, Some(session.clone().unwrap_or_default())).to_string()
            }
            AnyPrincipal::Role(account, role, None) => AnyPrincipal::Role(*account, role.clone(), Some(String::new())).to_string(),
            // By its ids, or for ever by its name: whoever it was may be gone.
            other => other.to_string(),
        })
    }

    /// Finds the principal that an argument means; a role stands for any session of it, and that one has no name.
    pub(in crate::service) async fn find_principal(&self, principal: &AnyPrincipal) -> Result<Resolved> {
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
                        let found = store::role::find(&self.base.store, *id).await?.filter(|role| role.account == *account);
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
                let found = self.memory.cache.instance(&self.base.store, instance).await?.filter(|found| found.account == *account);
                return Ok(Resolved::ServiceAccount(found.ok_or_else(Error::instance_not_found)?, name.clone()));
            }
            AnyPrincipal::Bearer(..) => return Ok(Resolved::Bearer),
            AnyPrincipal::Operator => return Ok(Resolved::Operator),
        }))
    }

    /// Returns a user of an account by its id.
    async fn user_of(&self, account: AccountId, id: UserId) -> Result<User> {
        store::user::find(&self.base.store, id)
            .await?
            .filter(|user| user.account == account)
            .ok_or_else(|| Error::not_found(Noun::User, id))
    }

    /// Makes a role; its numeric id is picked. Returns what the trust policy's writer should know about it, too.
    pub async fn create_role(
        &self,
        call: &Call<'_>,
        account: AccountId,
        name: &str,
        trust_policy: &str,
        max_session_seconds: u32,
    ) -> Result<(Role, Vec<String>)> {
        call.caller.require_operator()?;
        name::check_name("name", name)?;
        let checked = TrustPolicy::parse(trust_policy, Limits::POLICY)?;
        let (least, most) = (Role::MIN_SESSION_LIMIT, Role::MAX_SESSION_LIMIT);
        if !(least..=most).contains(&max_session_seconds) {
            return Err(Error::invalid_parameter("max-session", format!("a session lasts {least} to {most} seconds at most")));
        }
        let role = Role {
            id: random_role_id(&*self.base.random)?,
            account,
            name: name.to_owned(),
            trust_policy: trust_policy.to_owned(),
            max_session_seconds,
            generation: 0,
            created_at: call.now,
        };
        let line = call.event("role.create").detail(json!({ "account": account.to_string(), "role": name }));
        self.ledger.change(store::role::insert(&role), line).await?;
        Ok((role, checked.warnings))
    }

    /// Lists the roles of an account.
    pub async fn roles(&self, call: &Call<'_>, account: AccountId) -> Result<Vec<Role>> {
        call.caller.require_operator()?;
        store::role::list(&self.base.store, account).await
    }

    /// Deletes a role: its sessions stop, and what they got. Returns the service accounts that came from it, as
    /// `ACCOUNT:service-account/INSTANCE/NAME`: they go on.
    ///
    /// # Errors
    /// As [`Self::delete_user`].
    pub async fn delete_role(&self, call: &Call<'_>, account: AccountId, name: &str) -> Result<Vec<String>> {
        call.caller.require_operator()?;
        let role = self.named_role(account, name).await?;
        let (made, names) = self.made_by(role.id.number()).await?;
        let detail = json!({ "account": account.to_string(), "role": name, "role_id": role.id.to_string(), "service_accounts": names });
        let line = call.event("role.delete").detail(detail);
        let as_listed = store::service_account::expect_made_by(role.id.number(), made.len());
        self.ledger.change(store::cascade::delete_role(account, role.id).and(as_listed), line).await?;
        Ok(names)
    }

    /// Returns the role of this name.
    pub(in crate::service) async fn named_role(&self, account: AccountId, name: &str) -> Result<Role> {
        store::role::find_by_name(&self.base.store, account, name).await?.ok_or_else(|| Error::not_found(Noun::Role, name))
    }

    /// Returns how people call a principal: a session goes by its role, or by whom it stands for. None when that
    /// one is gone.
    pub(in crate::service) async fn principal_name(&self, principal: &Principal) -> Result<Option<PrincipalName>> {
        let account = principal.account();
        Ok(match principal {
            Principal::Root(_) | Principal::FederatedSession(_, None, _) => Some(PrincipalName::Root(account)),
            Principal::User(_, user) | Principal::FederatedSession(_, Some(user), _) => {
                self.memory.cache.user(&self.base.store, *user).await?.map(|user| PrincipalName::User(account, user.name.clone()))
            }
            Principal::RoleSession(_, role, _) => {
                self.memory.cache.role(&self.base.store, *role).await?.map(|role| PrincipalName::Role(account, role.name.clone()))
            }
        })
    }

    /// Returns the user of this name.
    pub(in crate::service) async fn named_user(&self, account: AccountId, name: &str) -> Result<User> {
        store::user::find_by_name(&self.base.store, account, name).await?.ok_or_else(|| Error::not_found(Noun::User, name))
    }
}

/// Whom an argument means.
pub(in crate::service) enum Resolved {
    /// A principal that is there.
    Principal(Principal),
    /// A service account, which may be there, of an instance.
    ServiceAccount(Arc<Instance>, String),
    /// The bearer of an OpenID Connect token: nothing of it is stored.
    Bearer,
    /// Whoever runs the command line.
    Operator,
}

/// Whether a user is to be in a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Membership {
    /// It is.
    In,
    /// It isn't.
    Out,
}

/// Eighteen digits that begin with a 4, as long as Tencent's.
fn random_role_id(random: &dyn Random) -> Result<RoleId> {
    format!("4{}", random_text(random, b"0123456789", 17)).parse()
}

/// Twelve digits that begin with a 2: Tencent's users have ids like accounts', and here the first digit
/// tells people which is which.
fn random_user_id(random: &dyn Random) -> Result<UserId> {
    format!("2{}", random_text(random, b"0123456789", 11)).parse()
}
