//! The state that the operator's commands keep between runs: small texts by name, never a secret.

use crate::domain::operator::OperatorPermission;
use crate::domain::{Error, Result};
use crate::service::call::Call;
use crate::service::operations::Operations;
use crate::store::meta;

impl Operations {
    /// Returns the state that a command stored under its name.
    ///
    /// # Errors
    ///
    /// `OperatorDenied`, or `Unsupported` for no operator; `Internal` for a state that isn't UTF-8;
    /// `StoreUnavailable`.
    pub async fn command_state(&self, call: &Call<'_>, command: &str) -> Result<Option<String>> {
        call.caller
            .require(OperatorPermission::CommandStateRead, None)?;
        let state = meta::find(&self.base.store, &name(command)).await?;
        state
            .map(|state| String::from_utf8(state).map_err(Error::internal))
            .transpose()
    }

    /// Stores a text as the state of a command, in place of the one before.
    ///
    /// # Errors
    ///
    /// `OperatorDenied`, or `Unsupported` for no operator; `StoreUnavailable`.
    pub async fn set_command_state(
        &self,
        call: &Call<'_>,
        command: &str,
        text: &str,
    ) -> Result<()> {
        call.caller
            .require(OperatorPermission::CommandStateUpdate, None)?;
        self.ledger
            .apply(
                self.base
                    .write()
                    .then(meta::put(&name(command), text.as_bytes())),
            )
            .await
    }
}

/// Returns the key of a command's state in `meta`, apart from the service's own keys.
fn name(command: &str) -> String {
    format!("note:{command}")
}
