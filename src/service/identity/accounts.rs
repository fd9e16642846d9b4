//! Accounts and their access keys, as the operator manages them.

use crate::domain::access_key::NewAccessKey;
use crate::domain::clock::{Random, random_text};
use crate::domain::ids::AccountId;
use crate::domain::notice::{NoticeKind, Subject};
use crate::domain::operator::OperatorPermission;
use crate::domain::principal::Principal;
use crate::domain::reference::AccountRef;
use crate::domain::role_name::RoleName;
use crate::domain::service_account::ServiceAccountGrant;
use crate::domain::{Error, Noun, Result, name};
use crate::service::call::Call;
use crate::service::identity::Identity;
use crate::service::ledger::actions::AuditAction;
use crate::service::memory::keyring::ACCESS_KEY;
use crate::store;
use crate::store::access_key::{AccessKey, AccessKeyState};
use crate::store::account::Account;

impl Identity {
    /// Returns the id of an account that is given by its id or its name. An id is not looked for.
    ///
    /// # Errors
    /// `OperatorDenied`, or `Unsupported` for no operator; `NotFound` for a name of no account that
    /// the caller may see; those of the store.
    pub async fn account_id(&self, call: &Call<'_>, account: &AccountRef) -> Result<AccountId> {
        let name = match account {
            AccountRef::Id(id) => return Ok(*id),
            AccountRef::Name(name) => name,
        };
        call.caller
            .require_in_own_account(OperatorPermission::AccountRead)?;
        let own = call.caller.own_account();
        store::account::find_by_name(&self.base.store, name)
            .await?
            .map(|account| account.id)
            .filter(|id| own.is_none_or(|own| own == *id))
            .ok_or_else(|| Error::not_found(Noun::Account, name))
    }

    /// Makes an account. Without an id, one of twelve digits is picked; without
    /// `service_account_grant`, the setting holds.
    ///
    /// # Errors
    /// `OperatorDenied`, or `Unsupported` for no operator; `InvalidParameter` for a name that isn't
    /// allowed; `AlreadyExists` for a known id; those of the store.
    pub async fn create_account(
        &self,
        call: &Call<'_>,
        id: Option<AccountId>,
        name: &str,
        service_account_grant: Option<ServiceAccountGrant>,
    ) -> Result<Account> {
        call.caller
            .require(OperatorPermission::AccountCreate, None)?;
        name::check_name("name", name)?;
        if RoleName::ANY.contains(&name) {
            return Err(Error::invalid_parameter(
                "name",
                format!(
                    "no account is called {name}: as a username it has an OpenID Connect token's \
                     role found"
                ),
            ));
        }
        let id = match id {
            Some(id) => id,
            None => random_account_id(&*self.base.random)?,
        };
        let account = Account {
            id,
            name: name.to_owned(),
            generation: 0,
            created_at: call.now,
            service_account_grant,
        };
        let made = id.to_string();
        let event = call
            .event_in(id, AuditAction::AccountCreate)
            .made(&made)
            .detail(serde_json::json!({ "account": made, "name": name }));
        self.ledger
            .change(store::account::insert(&account), event)
            .await?;
        Ok(account)
    }

    /// Sets the permissions that an account's users may give service accounts; `None` is the
    /// setting's.
    ///
    /// # Errors
    /// `OperatorDenied`, or `Unsupported` for no operator; `NotFound` for an unknown account; those
    /// of the store.
    pub async fn set_service_account_grant(
        &self,
        call: &Call<'_>,
        id: AccountId,
        grant: Option<ServiceAccountGrant>,
    ) -> Result<()> {
        call.caller
            .require(OperatorPermission::AccountUpdate, None)?;
        let detail = serde_json::json!({
            "account": id.to_string(),
            "service_account_grant": grant.map(ServiceAccountGrant::name),
        });
        let event = call.event_in(id, AuditAction::AccountModify).detail(detail);
        self.ledger
            .change(store::account::set_service_account_grant(id, grant), event)
            .await
    }

    /// Lists the accounts.
    ///
    /// # Errors
    /// `OperatorDenied`, or `Unsupported` for no operator; those of the store.
    pub async fn accounts(&self, call: &Call<'_>) -> Result<Vec<Account>> {
        call.caller
            .require_in_own_account(OperatorPermission::AccountRead)?;
        let mut accounts = store::account::list(&self.base.store).await?;
        if let Some(own) = call.caller.own_account() {
            accounts.retain(|account| account.id == own);
        }
        Ok(accounts)
    }

    /// Returns an account.
    ///
    /// # Errors
    /// `OperatorDenied`, or `Unsupported` for no operator; `NotFound`; those of the store.
    pub async fn account(&self, call: &Call<'_>, id: AccountId) -> Result<Account> {
        call.caller
            .require(OperatorPermission::AccountRead, Some(id))?;
        let found = store::account::find(&self.base.store, id).await?;
        found.ok_or_else(|| Error::not_found(Noun::Account, id))
    }

    /// Makes an access key of the account's root, or of a user of it.
    ///
    /// # Errors
    /// `OperatorDenied`, or `Unsupported` for no operator; `NotFound` for an unknown account or
    /// user; `Misconfigured` without the master key; those of the store.
    pub async fn create_access_key(
        &self,
        call: &Call<'_>,
        account: AccountId,
        user: Option<&str>,
    ) -> Result<NewAccessKey> {
        let made = NewAccessKey::permanent(&*self.base.random);
        self.add_access_key(call, account, user, &made).await?;
        Ok(made)
    }

    /// Adds an access key that was made elsewhere.
    ///
    /// # Errors
    /// As [`Self::create_access_key`]; `AlreadyExists` for an id that was ever used.
    pub async fn add_access_key(
        &self,
        call: &Call<'_>,
        account: AccountId,
        user: Option<&str>,
        made: &NewAccessKey,
    ) -> Result<()> {
        call.caller
            .require(OperatorPermission::AccessKeyCreate, Some(account))?;
        let principal = match user {
            Some(name) => Principal::User(account, self.rights.named_user(account, name).await?.id),
            None => Principal::Root(account),
        };
        self.memory
            .wrapping(|| self.store_access_key(made, &principal, call))
            .await
    }

    async fn store_access_key(
        &self,
        made: &NewAccessKey,
        principal: &Principal,
        call: &Call<'_>,
    ) -> Result<()> {
        let row = AccessKey {
            id: made.id.clone(),
            principal: principal.clone(),
            sealed_secret: self.memory.keys.master.wrap(
                ACCESS_KEY,
                &made.id,
                made.secret.expose().as_bytes(),
                &*self.base.random,
            ),
            state: AccessKeyState::Active,
            generation: 0,
            created_at: call.now,
            last_used_at: None,
        };
        let event = call
            .event_in(principal.account(), AuditAction::AccessKeyCreate)
            .made(&made.id)
            .detail(serde_json::json!({ "access_key_id": made.id }));
        self.ledger
            .record(
                self.base
                    .write()
                    .then_wrapped(store::access_key::insert(&row)),
                event,
            )
            .await
    }

    /// Lists the access keys of one account or of all, without their secrets.
    ///
    /// # Errors
    /// `OperatorDenied`, or `Unsupported` for no operator; those of the store.
    pub async fn access_keys(
        &self,
        call: &Call<'_>,
        account: Option<AccountId>,
    ) -> Result<Vec<AccessKey>> {
        let account = account.or(call.caller.own_account());
        call.caller
            .require(OperatorPermission::AccessKeyRead, account)?;
        store::access_key::list(&self.base.store, account).await
    }

    /// Returns an access key that isn't deleted, without its secret.
    ///
    /// # Errors
    /// `OperatorDenied`, or `Unsupported` for no operator; `NotFound`; those of the store.
    pub async fn access_key(&self, call: &Call<'_>, id: &str) -> Result<AccessKey> {
        call.caller
            .require_in_own_account(OperatorPermission::AccessKeyRead)?;
        let found = store::access_key::find(&self.base.store, id).await?;
        let own = call.caller.own_account();
        found
            .filter(|key| key.state != AccessKeyState::Deleted)
            .filter(|key| own.is_none_or(|own| own == key.principal.account()))
            .ok_or_else(|| Error::not_found(Noun::AccessKey, id))
    }

    /// Disables, enables or deletes an access key.
    ///
    /// Its temporary credentials stop with it, and stay stopped when it is enabled again. Its
    /// long-term credentials are the account's and go on; the audit names them.
    ///
    /// # Errors
    /// `OperatorDenied`, or `Unsupported` for no operator; `NotFound` for an unknown key; those of
    /// the store.
    pub async fn set_access_key_state(
        &self,
        call: &Call<'_>,
        id: &str,
        state: AccessKeyState,
    ) -> Result<()> {
        let permission = match state {
            AccessKeyState::Active | AccessKeyState::Disabled => {
                OperatorPermission::AccessKeyUpdate
            }
            AccessKeyState::Deleted => OperatorPermission::AccessKeyDelete,
        };
        call.caller.require_in_own_account(permission)?;
        let found = store::access_key::find(&self.base.store, id).await?;
        let account = found.as_ref().map(|key| key.principal.account());
        let own = call.caller.own_account();
        if own.is_some() && account != own {
            return Err(Error::not_found(Noun::AccessKey, id));
        }
        let action = match state {
            AccessKeyState::Active => AuditAction::AccessKeyEnable,
            AccessKeyState::Disabled => AuditAction::AccessKeyDisable,
            AccessKeyState::Deleted => AuditAction::AccessKeyDelete,
        };
        let event = call
            .event_in(account, action)
            .detail(serde_json::json!({ "access_key_id": id }));
        let stopped = found
            .filter(|key| state != AccessKeyState::Active && key.state == AccessKeyState::Active)
            .map(|key| {
                let subject = Subject::access_key(id, &key.principal);
                self.ledger.notice(NoticeKind::Revoked, subject, call.now)
            });
        self.ledger
            .change_and_tell(store::access_key::set_state(id, state), event, stopped)
            .await
    }
}

fn random_account_id(random: &dyn Random) -> Result<AccountId> {
    format!("1{}", random_text(random, b"0123456789", 11)).parse()
}
