//! Roles, and the trust policies that decide who assumes them.

use serde_json::json;

use crate::domain::clock::{Random, random_text};
use crate::domain::identity::Role;
use crate::domain::ids::{AccountId, RoleId};
use crate::domain::{Error, Result, name};
use crate::policy::{Limits, TrustPolicy};
use crate::service::call::Call;
use crate::service::identity::Identity;
use crate::service::ledger::actions::AuditAction;
use crate::store;

impl Identity {
    /// Makes a role; its numeric id is picked. Returns the warnings about its trust policy, too.
    ///
    /// # Errors
    /// `Unsupported` for callers other than the operator; `InvalidParameter` for a name or a
    /// session that isn't allowed; those of [`TrustPolicy::parse`]; `AlreadyExists`; those of the
    /// store.
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
            return Err(Error::invalid_parameter(
                "max-session",
                format!("a session lasts {least} to {most} seconds at most"),
            ));
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
        let event = call
            .event(AuditAction::RoleCreate)
            .detail(json!({ "account": account.to_string(), "role": name }));
        self.ledger
            .change(store::role::insert(&role), event)
            .await?;
        Ok((role, checked.warnings))
    }

    /// Lists the roles of an account.
    ///
    /// # Errors
    /// `Unsupported` for callers other than the operator; those of the store.
    pub async fn roles(&self, call: &Call<'_>, account: AccountId) -> Result<Vec<Role>> {
        call.caller.require_operator()?;
        store::role::list(&self.base.store, account).await
    }

    /// Deletes a role, and stops its sessions and their credentials. Returns the service accounts
    /// that it made, which go on, as `ACCOUNT:service-account/INSTANCE/NAME`.
    ///
    /// # Errors
    /// As [`Self::delete_user`].
    pub async fn delete_role(
        &self,
        call: &Call<'_>,
        account: AccountId,
        name: &str,
    ) -> Result<Vec<String>> {
        call.caller.require_operator()?;
        let role = self.rights.named_role(account, name).await?;
        let (made, names) = self.rights.made_by(role.id.number()).await?;
        let detail = json!({
            "account": account.to_string(),
            "role": name,
            "role_id": role.id.to_string(),
            "service_accounts": names,
        });
        let event = call.event(AuditAction::RoleDelete).detail(detail);
        let as_listed = store::service_account::expect_made_by(role.id.number(), made.len());
        self.ledger
            .change(
                store::cascade::delete_role(account, role.id).and(as_listed),
                event,
            )
            .await?;
        Ok(names)
    }
}

/// Makes an id of eighteen digits that begins with a 4, as long as Tencent's.
fn random_role_id(random: &dyn Random) -> Result<RoleId> {
    format!("4{}", random_text(random, b"0123456789", 17)).parse()
}
