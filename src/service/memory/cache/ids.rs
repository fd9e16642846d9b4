//! Tells the ids that exist from made-up ones, without asking the database for each.

use crate::domain::Result;
use crate::domain::credential::CredentialId;
use crate::domain::ids::InstanceId;
use crate::service::memory::cache::NounCache;
use crate::service::memory::known_ids;
use crate::store::{Store, access_key, credential, service_account};

impl NounCache {
    /// Tells whether there is an access key of that id, as far as the feed was read. An id that is
    /// made up costs the database nothing.
    pub(in crate::service) async fn has_access_key(&self, store: &Store, id: &str) -> Result<bool> {
        if !self.ids.access_keys.has(id) {
            self.learn_access_key_ids(store).await?;
        }
        Ok(self.ids.access_keys.has(id))
    }

    /// Tells whether there surely is a long-term credential of that id; one that another process
    /// made may be unknown.
    pub(in crate::service) async fn has_credential(
        &self,
        store: &Store,
        id: &CredentialId,
    ) -> Result<bool> {
        if !self.ids.credentials.has(id.as_str()) {
            self.learn_credential_ids(store).await?;
        }
        Ok(self.ids.credentials.has(id.as_str()))
    }

    /// Tells whether there surely is a service account of that name; one that was just made may be
    /// unknown.
    pub(in crate::service) async fn has_service_account(
        &self,
        store: &Store,
        instance: &InstanceId,
        name: &str,
    ) -> Result<bool> {
        let id = format!("{instance}/{name}");
        if !self.ids.service_accounts.has(&id) {
            self.learn_service_account_ids(store).await?;
        }
        Ok(self.ids.service_accounts.has(&id))
    }

    /// Reads the ids of all kinds that aren't known, so that no request waits for it.
    pub(in crate::service) async fn learn_ids(&self, store: &Store) -> Result<()> {
        self.learn_access_key_ids(store).await?;
        self.learn_credential_ids(store).await?;
        self.learn_service_account_ids(store).await
    }

    async fn learn_access_key_ids(&self, store: &Store) -> Result<()> {
        self.ids
            .access_keys
            .read_all(|after| async move {
                access_key::ids_after(store, &after, known_ids::PAGE)
                    .await
                    .map(in_place)
            })
            .await
    }

    async fn learn_credential_ids(&self, store: &Store) -> Result<()> {
        self.ids
            .credentials
            .read_all(|after| async move {
                credential::ids_after(store, &after, known_ids::PAGE)
                    .await
                    .map(in_place)
            })
            .await
    }

    async fn learn_service_account_ids(&self, store: &Store) -> Result<()> {
        self.ids
            .service_accounts
            .read_all(|after| async move {
                service_account::ids_after(store, &after, known_ids::PAGE).await
            })
            .await
    }

    /// Notes that there is a long-term credential of that id.
    pub(in crate::service) fn add_credential_id(&self, id: &CredentialId) {
        self.ids.credentials.add(id.as_str());
    }
}

/// Pairs ids with their places in the order in which they are read: themselves.
fn in_place(ids: Vec<String>) -> Vec<(String, String)> {
    ids.into_iter().map(|id| (id.clone(), id)).collect()
}
