//! Reads a noun from memory alone: for callers that may not make the database work.

use std::sync::Arc;

use crate::domain::credential::{CredentialId, FixedPassword, LongTermCredential};
use crate::domain::identity::{OidcProvider, User};
use crate::domain::ids::{AccountId, InstanceId};
use crate::domain::instance::{AnyInstanceId, Instance};
use crate::domain::principal::Principal;
use crate::domain::service_account::ServiceAccount;
use crate::service::memory::cache::{AccessKey, NounCache};
use crate::store::account::Account;
use crate::store::oidc_provider;

impl NounCache {
    pub(in crate::service) fn known_access_key(&self, id: &str) -> Option<Arc<AccessKey>> {
        self.tables.access_keys.get(&self.marks, id)
    }

    pub(in crate::service) fn known_instance_by_service(
        &self,
        service: &str,
    ) -> Option<Arc<Instance>> {
        self.tables.instances_by_service.get(&self.marks, service)
    }

    pub(in crate::service) fn known_instance(&self, id: &AnyInstanceId) -> Option<Arc<Instance>> {
        match id {
            AnyInstanceId::Tcr(id) => self.tables.instances.get(&self.marks, id),
            AnyInstanceId::Cri(id) => self.tables.instances_by_cri_id.get(&self.marks, id),
        }
    }

    pub(in crate::service) fn known_credential(
        &self,
        id: &CredentialId,
    ) -> Option<Arc<LongTermCredential>> {
        self.tables.credentials.get(&self.marks, id)
    }

    pub(in crate::service) fn known_service_account(
        &self,
        instance: &InstanceId,
        name: &str,
    ) -> Option<Arc<ServiceAccount>> {
        self.tables
            .service_accounts
            .get(&self.marks, format!("{instance}/{name}").as_str())
    }

    pub(in crate::service) fn known_account(&self, id: AccountId) -> Option<Arc<Account>> {
        self.tables.accounts.get(&self.marks, &id)
    }

    pub(in crate::service) fn known_user_by_name(
        &self,
        account: AccountId,
        name: &str,
    ) -> Option<Arc<User>> {
        self.tables
            .users_by_name
            .get(&self.marks, format!("{account}/{name}").as_str())
    }

    pub(in crate::service) fn known_fixed_password(
        &self,
        instance: &InstanceId,
        principal: &Principal,
    ) -> Option<Arc<FixedPassword>> {
        self.tables
            .fixed_passwords
            .get(&self.marks, format!("{instance}/{principal}").as_str())
    }

    pub(in crate::service) fn known_fixed_password_by_old_name(
        &self,
        instance: &InstanceId,
        old_name: &str,
    ) -> Option<Arc<FixedPassword>> {
        self.tables
            .fixed_passwords_by_old_name
            .get(&self.marks, format!("{instance}/{old_name}").as_str())
    }

    pub(in crate::service) fn known_oidc_providers(
        &self,
        account: AccountId,
    ) -> Option<Arc<Vec<Arc<OidcProvider>>>> {
        self.tables.providers_of_accounts.get(&self.marks, &account)
    }

    pub(in crate::service) fn known_oidc_provider(
        &self,
        account: AccountId,
        name: &str,
    ) -> Option<Arc<OidcProvider>> {
        self.tables
            .oidc_providers
            .get(&self.marks, oidc_provider::thing_id(account, name).as_str())
    }
}
