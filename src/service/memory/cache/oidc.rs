//! OpenID Connect providers, the roles that trust them, and the subjects that are refused.

use std::sync::Arc;

use crate::domain::identity::OidcProvider;
use crate::domain::ids::AccountId;
use crate::domain::{Error, Result};
use crate::policy::TrustedProvider;
use crate::service::memory::cache::NounCache;
use crate::service::memory::refused_subjects::{self, RefusedSubjects};
use crate::service::memory::trusting_roles::{self, TrustingRole};
use crate::store::{Store, oidc_provider};

impl NounCache {
    /// Returns all providers of an account, oldest first.
    pub(in crate::service) async fn oidc_providers(
        &self,
        store: &Store,
        account: AccountId,
    ) -> Result<Arc<Vec<Arc<OidcProvider>>>> {
        let fill = async || {
            let providers = oidc_provider::list(store, account).await?;
            Ok(Some(providers.into_iter().map(Arc::new).collect()))
        };
        let found = self
            .entry(&self.tables.providers_of_accounts, &account, fill)
            .await?;
        found.ok_or_else(|| Error::internal("providers that were just listed"))
    }

    /// Returns the roles whose trust policies name a provider, oldest first.
    pub(in crate::service) async fn trusting_roles(
        &self,
        store: &Store,
        provider: TrustedProvider<'_>,
    ) -> Result<Arc<Vec<TrustingRole>>> {
        let id = oidc_provider::thing_id(provider.account, provider.name);
        // One of the name may have had another issuer, and is gone.
        let key = format!("{id} {}", provider.issuer);
        let fill = async || trusting_roles::of_provider(store, provider).await.map(Some);
        let found = self
            .entry(&self.tables.trusting_roles, key.as_str(), fill)
            .await?;
        found.ok_or_else(|| Error::internal("roles that were just listed"))
    }

    /// Returns the subjects that an account refuses.
    pub(in crate::service) async fn refused_subjects(
        &self,
        store: &Store,
        account: AccountId,
    ) -> Result<Arc<RefusedSubjects>> {
        let fill = async || refused_subjects::of_account(store, account).await.map(Some);
        let found = self
            .entry(&self.tables.refused_subjects, &account, fill)
            .await?;
        Ok(found.unwrap_or_default())
    }

    pub(in crate::service) async fn oidc_provider(
        &self,
        store: &Store,
        account: AccountId,
        name: &str,
    ) -> Result<Option<Arc<OidcProvider>>> {
        let id = oidc_provider::thing_id(account, name);
        self.entry(&self.tables.oidc_providers, id.as_str(), async || {
            oidc_provider::find(store, account, name).await
        })
        .await
    }
}
