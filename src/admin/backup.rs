//! The operation that makes a backup, whose answer is no JSON.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::Result;
use crate::service::{BackupBytes, Call, Service};

/// Make a backup of all data, as the file that `transire restore` reads. Its secrets are sealed by
/// the master key, which is not in it.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MakeBackup {}

impl MakeBackup {
    /// The path of its `GET`.
    pub const PATH: &'static str = "/backup";

    /// Begins it.
    ///
    /// # Errors
    /// Those of its use case.
    pub async fn begin(self, service: &Service, call: &Call<'_>) -> Result<BackupBytes> {
        service.operations.backup(call).await
    }
}
