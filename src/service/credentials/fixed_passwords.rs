//! Fixed passwords, which principals choose for an instance.

use serde_json::json;

use crate::domain::any_principal::AnyPrincipal;
use crate::domain::credential::FixedPassword;
use crate::domain::notice::Subject;
use crate::domain::operator::OperatorPermission;
use crate::domain::password::check_fixed;
use crate::domain::secret::Secret;
use crate::domain::{Error, Result};
use crate::policy::Permission;
use crate::service::call::Call;
use crate::service::credentials::Credentials;
use crate::service::ledger::actions::AuditAction;
use crate::service::rights::instances::InstanceChoice;
use crate::service::rights::principals::Resolved;
use crate::store;

impl Credentials {
    /// Sets the caller's own password at an instance; the one before stops.
    ///
    /// # Errors
    /// `Unsupported` for a role or a session; `InvalidParameter` for a password that isn't allowed;
    /// `NotFound` when what the call names isn't there, or is another account's; `AccessDenied`
    /// when policies don't allow it; `PasswordsBusy` while too many passwords are hashed; those of
    /// the store.
    pub async fn set_fixed_password(
        &self,
        call: &Call<'_>,
        choice: &InstanceChoice,
        chosen: &Secret,
    ) -> Result<()> {
        let signer = call.caller.signer()?;
        if signer.session.is_some() {
            return Err(Error::unsupported(
                "A role or a session can't have a password, which would outlive it; ask for a \
                 temporary credential.",
            ));
        }
        check_fixed("Password", chosen)?;
        let instance = self
            .rights
            .permitted_instance(call, choice, Permission::SetFixedPassword)
            .await?;
        let hash = self
            .passwords
            .hash(chosen, instance.account, &*self.base.random)
            .await?;
        let event = call
            .event(AuditAction::FixedPasswordSet)
            .instance(&instance);
        self.ledger
            .change(
                store::fixed_password::set(&instance.id, signer.principal, &hash, call.now),
                event,
            )
            .await
    }

    /// Lists the fixed passwords at an instance.
    ///
    /// # Errors
    /// `OperatorDenied`, or `Unsupported` for no operator; `InstanceNotFound`; those of the store.
    pub async fn fixed_passwords(
        &self,
        call: &Call<'_>,
        choice: &InstanceChoice,
    ) -> Result<Vec<FixedPassword>> {
        let instance = self
            .rights
            .administered_instance(call, choice, OperatorPermission::FixedPasswordRead)
            .await?;
        store::fixed_password::list(&self.base.store, &instance.id).await
    }

    /// Deletes a principal's fixed password at an instance; the principal may set another.
    ///
    /// # Errors
    /// `OperatorDenied`, or `Unsupported` for no operator, or for a principal that has no
    /// passwords; `NotFound` when what the call names isn't there; those of the store.
    pub async fn delete_fixed_password(
        &self,
        call: &Call<'_>,
        choice: &InstanceChoice,
        principal: &AnyPrincipal,
    ) -> Result<()> {
        let instance = self
            .rights
            .administered_instance(call, choice, OperatorPermission::FixedPasswordDelete)
            .await?;
        let unsupported =
            || Error::unsupported("Only an account's root and users have fixed passwords.");
        if !matches!(principal, AnyPrincipal::Root(_) | AnyPrincipal::User(..)) {
            return Err(unsupported());
        }
        let Resolved::Principal(named) = self.rights.find_principal(principal).await? else {
            return Err(unsupported());
        };
        let detail = json!({ "deleted": principal.to_string() });
        let event = call
            .event(AuditAction::FixedPasswordDelete)
            .instance(&instance)
            .detail(detail);
        let revoked = self.revoked(Subject::fixed_password(&instance.id, &named), call);
        let delete = store::fixed_password::delete(&instance.id, &named, call.now);
        self.ledger
            .change_and_tell(delete, event, Some(revoked))
            .await
    }
}
