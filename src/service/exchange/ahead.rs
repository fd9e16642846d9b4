//! Reading ahead of an exchange.

use crate::domain::Result;
use crate::domain::credential;
use crate::domain::scope::{ResourceType, Scope};
use crate::service::access::presented::LogIn;
use crate::service::exchange::Exchange;

impl Exchange {
    /// Reads together what an exchange by a long-term credential would read one after the other,
    /// where memory lacks the credential.
    ///
    /// # Errors
    /// `StoreUnavailable` when the database doesn't answer.
    pub async fn read_ahead(&self, service: &str, log_in: &LogIn, scopes: &[Scope]) -> Result<()> {
        let LogIn::Password { secret, .. } = log_in else {
            return Ok(());
        };
        let Some(id) = credential::long_term_id(secret.expose()) else {
            return Ok(());
        };
        let repositories = scopes
            .iter()
            .filter(|scope| scope.resource_type == ResourceType::Repository)
            .map(|scope| scope.name.as_str());
        let (cache, store) = (&self.memory.cache, &self.base.store);
        // Boxed: it is large, and most credentials are known.
        Box::pin(cache.read_ahead(store, service, &id, repositories)).await
    }
}
