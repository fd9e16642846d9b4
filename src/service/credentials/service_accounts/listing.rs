//! Lists of service accounts.

use std::collections::BTreeSet;

use crate::domain::any_principal::AnyPrincipal;
use crate::domain::instance::Instance;
use crate::domain::operator::OperatorPermission;
use crate::domain::service_account::ServiceAccount;
use crate::domain::{Error, Result};
use crate::policy::Permission;
use crate::service::call::Call;
use crate::service::credentials::{Credentials, InstanceChoice};
use crate::store;
use crate::store::page::{Listed, Page};

/// The names of one look-up.
const MAX_NAMES: usize = 100;

impl Credentials {
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
        if names.is_some_and(|names| names.len() > MAX_NAMES) {
            return Err(Error::invalid_parameter(
                "Filters",
                format!("At most {MAX_NAMES} names are looked up at once."),
            ));
        }
        let instance = self
            .rights
            .permitted_instance(call, choice, Permission::ListServiceAccounts)
            .await?;
        let Some(names) = names else {
            return store::service_account::list(&self.base.store, &instance.id, None, page).await;
        };
        let found = self.named_service_accounts(&instance, names).await?;
        Ok(Listed::page_of(found, page))
    }

    /// Returns the service accounts of these names, the oldest first.
    async fn named_service_accounts(
        &self,
        instance: &Instance,
        names: &BTreeSet<String>,
    ) -> Result<Vec<ServiceAccount>> {
        let mut found = Vec::new();
        for name in names {
            let name = ServiceAccount::bare_name(name);
            found.extend(store::service_account::find(&self.base.store, &instance.id, name).await?);
        }
        found.sort_by(|one, other| (one.created_at, &one.id).cmp(&(other.created_at, &other.id)));
        // A name may come with the prefix and without.
        found.dedup_by(|one, other| one.id == other.id);
        Ok(found)
    }

    /// Lists the service accounts that came from a principal, at all instances, without their
    /// permissions.
    ///
    /// # Errors
    /// `OperatorDenied`, or `Unsupported` for no operator, or for a principal that makes none;
    /// `NotFound` for an unknown principal; those of the store.
    pub async fn service_accounts_made_by(
        &self,
        call: &Call<'_>,
        principal: &AnyPrincipal,
    ) -> Result<Vec<ServiceAccount>> {
        call.caller
            .require(OperatorPermission::ServiceAccountRead, principal.account())?;
        store::service_account::list_made_by(
            &self.base.store,
            self.rights.maker_number(principal).await?,
        )
        .await
    }
}
