//! The state of the service in short.

use std::time::Duration;

use crate::domain::Result;
use crate::domain::clock::Timestamp;
use crate::domain::operator::OperatorPermission;
use crate::service::call::Call;
use crate::service::operations::Operations;
use crate::service::operations::replicas::Replica;
use crate::store::{DatabaseFacts, Store, meta};

/// The state of the service: its data, its names, and the replicas that run.
#[derive(Clone, Debug)]
pub struct Status {
    /// The number of steps of the schema, which is that of this program.
    pub schema: usize,
    /// The database, as it tells of itself.
    pub database: DatabaseFacts,
    /// How long the database took to say so.
    pub latency: Duration,
    /// The name under which tokens are issued.
    pub issuer: String,
    /// Where clients reach the service.
    pub public_url: String,
    /// The replicas that said in the last minutes that they run.
    pub replicas: Vec<Replica>,
    /// When the data was last backed up.
    pub last_backup_at: Option<Timestamp>,
}

impl Operations {
    /// Returns the state of the service.
    ///
    /// # Errors
    ///
    /// `Unsupported` for callers other than the operator; `StoreUnavailable`.
    pub async fn status(&self, call: &Call<'_>) -> Result<Status> {
        call.caller.require(OperatorPermission::StatusRead, None)?;
        let asked_at = self.base.clock.uptime();
        let database = self.base.store.facts().await?;
        let latency = self.base.clock.uptime().saturating_sub(asked_at);
        Ok(Status {
            schema: Store::schema(),
            database,
            latency,
            issuer: self.base.issuer.clone(),
            public_url: self.base.public_url.clone(),
            replicas: self.replicas().await?,
            last_backup_at: meta::last_backup_at(&self.base.store).await?,
        })
    }
}
