//! Accounts and their access keys, as the operator manages them.

use crate::domain::access_key::NewAccessKey;
use crate::domain::clock::{Random, random_text};
use crate::domain::ids::AccountId;
use crate::domain::principal::Principal;
use crate::domain::role_name::RoleName;
use crate::domain::service_account::ServiceAccountGrant;
use crate::domain::{Error, Result, name};
use crate::service::call::Call;
use crate::service::identity::Identity;
use crate::service::ledger::actions::AuditAction;
use crate::service::memory::keyring::ACCESS_KEY;
use crate::store;
use crate::store::access_key::{AccessKey, AccessKeyState};
use crate::store::account::Account;

impl Identity {
    /// Makes an account. Without an id, one of twelve digits is picked; without
    /// `service_account_grant`, the setting holds.
    ///
    /// # Errors
    /// `Unsupported` for callers other than the operator; `InvalidParameter` for a name that isn't
    /// allowed; `AlreadyExists` for a known id; those of the store.
    pub async fn create_account(
        &self,
        call: &Call<'_>,
        id: Option<AccountId>,
        name: &str,
        service_account_grant: Option<ServiceAccountGrant>,
    ) -> Result<Account> {
        call.caller.require_operator()?;
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
        let event = call
            .event(AuditAction::AccountCreate)
            .detail(serde_json::json!({ "account": id.to_string(), "name": name }));
        self.ledger
            .change(store::account::insert(&account), event)
            .await?;
        Ok(account)
    }

    /// Sets the permissions that an account's users may give service accounts; `None` is the
    /// setting's.
    ///
    /// # Errors
    /// `Unsupported` for callers other than the operator; `NotFound` for an unknown account; those
    /// of the store.
    pub async fn set_service_account_grant(
        &self,
        call: &Call<'_>,
        id: AccountId,
        grant: Option<ServiceAccountGrant>,
    ) -> Result<()> {
        call.caller.require_operator()?;
        let detail = serde_json::json!({
            "account": id.to_string(),
            "service_account_grant": grant.map(ServiceAccountGrant::name),
        });
        let event = call.event(AuditAction::AccountModify).detail(detail);
        self.ledger
            .change(store::account::set_service_account_grant(id, grant), event)
            .await
    }

    /// Lists the accounts.
    ///
    /// # Errors
    /// `Unsupported` for callers other than the operator; those of the store.
    pub async fn accounts(&self, call: &Call<'_>) -> Result<Vec<Account>> {
        call.caller.require_operator()?;
        store::account::list(&self.base.store).await
    }

    /// Makes an access key of the account's root, or of a user of it.
    ///
    /// # Errors
    /// `Unsupported` for callers other than the operator; `NotFound` for an unknown account or
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
        call.caller.require_operator()?;
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
        };
        let event = call
            .event(AuditAction::AccessKeyCreate)
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
    /// `Unsupported` for callers other than the operator; those of the store.
    pub async fn access_keys(
        &self,
        call: &Call<'_>,
        account: Option<AccountId>,
    ) -> Result<Vec<AccessKey>> {
        call.caller.require_operator()?;
        store::access_key::list(&self.base.store, account).await
    }

    /// Disables, enables or deletes an access key.
    ///
    /// Its temporary credentials stop with it, and stay stopped when it is enabled again. Its
    /// long-term credentials are the account's and go on; the audit names them.
    ///
    /// # Errors
    /// `Unsupported` for callers other than the operator; `NotFound` for an unknown key; those of
    /// the store.
    pub async fn set_access_key_state(
        &self,
        call: &Call<'_>,
        id: &str,
        state: AccessKeyState,
    ) -> Result<()> {
        call.caller.require_operator()?;
        let action = match state {
            AccessKeyState::Active => AuditAction::AccessKeyEnable,
            AccessKeyState::Disabled => AuditAction::AccessKeyDisable,
            AccessKeyState::Deleted => AuditAction::AccessKeyDelete,
        };
        let event = call
            .event(action)
            .detail(serde_json::json!({ "access_key_id": id }));
        self.ledger
            .change(store::access_key::set_state(id, state), event)
            .await
    }
}

fn random_account_id(random: &dyn Random) -> Result<AccountId> {
    format!("1{}", random_text(random, b"0123456789", 11)).parse()
}
