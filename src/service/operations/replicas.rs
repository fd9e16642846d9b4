//! The memory that replicas share, where the settings name a server for it.

use std::sync::Arc;

use crate::domain::clock::random_bytes;
use crate::domain::{Error, ErrorKind, Result};
use crate::service::operations::Operations;
use crate::shared::{self, Shared};
use crate::store::meta;

/// Checks the URL and the CA file of the server that replicas share, without connecting to it.
///
/// # Errors
/// `Misconfigured` when they can't be read.
pub fn check_shared(settings: &shared::Settings) -> Result<()> {
    Shared::new(settings, &[]).map(drop)
}

impl Operations {
    /// Connects to the server that the settings name, for as long as the service lives. A server
    /// that doesn't answer is no error: the connection is tried again.
    ///
    /// # Errors
    ///
    /// `Misconfigured` when the server's URL or CA file can't be read; `StoreUnavailable`.
    pub async fn connect_shared(&self) -> Result<()> {
        let Some(settings) = &self.shared else {
            return Ok(());
        };
        let shared = Arc::new(Shared::new(settings, &self.deployment().await?)?);
        shared.connect().await;
        // Once, when the service begins to serve.
        self.limits
            .shared
            .set(shared)
            .map_err(|_| Error::internal("the shared memory was connected twice"))
    }

    /// Returns the random id that all replicas of this store share, and nobody else knows. It is
    /// created by the first call.
    ///
    /// # Errors
    ///
    /// `StoreUnavailable`.
    async fn deployment(&self) -> Result<Vec<u8>> {
        if let Some(id) = meta::find(&self.base.store, meta::DEPLOYMENT).await? {
            return Ok(id);
        }
        let id: [u8; 16] = random_bytes(&*self.base.random);
        match self
            .base
            .store
            .apply(
                self.base
                    .write()
                    .then(meta::put_if_absent(meta::DEPLOYMENT, &id)),
            )
            .await
        {
            // Another replica created it first.
            Err(error) if matches!(error.kind(), ErrorKind::AlreadyExists { .. }) => {}
            outcome => outcome?,
        }
        meta::find(&self.base.store, meta::DEPLOYMENT)
            .await?
            .ok_or_else(|| Error::internal("what was just stored is not there"))
    }
}
