//! The state that the operator's commands keep between runs: small texts by name, never a secret.

use crate::domain::{Error, Result};
use crate::service::call::Call;
use crate::service::operations::Operations;
use crate::store::meta;

impl Operations {
    /// Returns the state that a command stored under its name.
    ///
    /// # Errors
    /// `Unsupported` for callers other than the operator; those of the store.
    pub async fn recall(&self, call: &Call<'_>, command: &str) -> Result<Option<String>> {
        call.caller.require_operator()?;
        let note = meta::find(&self.base.store, &name(command)).await?;
        note.map(|note| String::from_utf8(note).map_err(Error::internal))
            .transpose()
    }

    /// Stores a text as the state of a command, in place of the one before.
    ///
    /// # Errors
    /// `Unsupported` for callers other than the operator; those of the store.
    pub async fn remember(&self, call: &Call<'_>, command: &str, text: &str) -> Result<()> {
        call.caller.require_operator()?;
        self.ledger
            .apply(
                self.base
                    .write()
                    .then(meta::put(&name(command), text.as_bytes())),
            )
            .await
    }
}

/// Keeps the commands' names apart from the service's own.
fn name(command: &str) -> String {
    format!("note:{command}")
}
